"""Health under eight threads: nothing is lost, and there is never a second probe."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from saferoute.errors import BadRequest, Overloaded, RateLimited, ServerError, TimedOut
from saferoute.routing.health import Health
from saferoute.values.balancing import Limits
from tests.unit.health_rows import middle, row

THREADS = 8
ERRORS = (
    ServerError(status=500),
    BadRequest(status=400),
    RateLimited(status=429, retry_after=0.001),
    Overloaded(status=529, retry_after=0.001),
    TimedOut(clock="idle", seconds=1.0, sent=True),
)


@pytest.fixture(autouse=True)
def _switching_all_the_time() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def test_nothing_is_under_way_after_all_have_ended() -> None:
    health, barrier = Health(middle), Barrier(THREADS)
    rows = [row("a"), row("b", limits=Limits(requests_per_minute=10, concurrent=4, adaptive=True)), row("c", secret="x")]

    def hammer(thread: int) -> int:
        barrier.wait(60)
        left = 0
        for count in range(600):
            target, now = rows[(thread + count) % 3], count * 0.7
            health.refusal(target, now)
            if health.begin(target, now) is not None:
                continue
            left += 1
            kind = (thread * 7 + count) % 11
            if kind < len(ERRORS):
                health.failed(target, now + 0.1, 0.1, ERRORS[kind])
            elif kind == len(ERRORS):
                health.given_up(target, now + 0.1, 0.1)
            else:
                health.first_token(target, now + 0.05, 0.05)
                health.succeeded(target, now + 0.1, 0.1, 10)
            health.turn("fast")
            health.took("fast", 0.1)
            health.p95("fast")
            health.condition(target).headroom(now)
            health.shown(rows, now)
        return left

    with ThreadPoolExecutor(THREADS) as pool:
        left = sum(pool.map(hammer, range(THREADS)))
    shown = health.shown(rows, 1e6)
    assert [one.in_flight for one in shown] == [0, 0, 0]
    assert sum(one.requests for one in shown) == health.turn("fast") == left > 100


def test_of_eight_threads_one_takes_the_probe() -> None:
    health, target = Health(middle), row()
    for _ in range(5):
        health.begin(target, 0.0)
        health.failed(target, 0.0, 0.0, ERRORS[0])
    now = 0.0
    for _ in range(50):
        now += 100.0
        barrier = Barrier(THREADS)

        def race(_: int, now: float = now, barrier: Barrier = barrier) -> bool:
            barrier.wait(60)
            return health.refusal(target, now) is None and health.begin(target, now) is None

        with ThreadPoolExecutor(THREADS) as pool:
            assert sum(pool.map(race, range(THREADS))) == 1
        assert health.shown([target], now)[0].in_flight == 1
        health.failed(target, now, 0.0, ERRORS[0])


def test_an_adaptive_bound_is_not_exceeded() -> None:
    health, barrier = Health(middle), Barrier(THREADS)
    target = row(limits=Limits(concurrent=3, adaptive=True))

    def take(_: int) -> bool:
        barrier.wait(60)
        return health.begin(target, 1.0) is None

    with ThreadPoolExecutor(THREADS) as pool:
        assert sum(pool.map(take, range(THREADS))) == 3
