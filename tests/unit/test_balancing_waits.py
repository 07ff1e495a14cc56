"""What a call waits for: its own backoff, a rest that the provider asked for, and with `wait` also what others have seen."""

from __future__ import annotations

import pytest

from saferoute.errors import (
    AllRoutesCooling,
    AuthenticationRejected,
    ContextWindowExceeded,
    Overloaded,
    RateLimited,
    ServerError,
)
from saferoute.routing.health import Health
from saferoute.values.balancing import Limits
from saferoute.values.target import Target
from tests.support.scripted import World, chat
from tests.unit.balancing_cases import (
    NOW,
    TOO_LONG,
    WALL,
    A,
    B,
    C,
    Clockwork,
    Limiter,
    balanced,
    fails,
    health,
    in_flight,
    ok,
    row,
    sized,
    throttle,
    tried,
)

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


def resting(target: Target, seconds: float, of: Health | None = None) -> Health:
    """A health in which a row was rate limited for so long from now."""
    of = of or health()
    of.begin(target, NOW - 1)
    of.failed(target, NOW, 1.0, RateLimited(status=429, retry_after=seconds))
    return of


def opened(target: Target, of: Health | None = None) -> Health:
    """A health in which a row's breaker has just opened, for 5 s."""
    of = of or health()
    for _ in range(5):
        of.begin(target, NOW - 1)
    for _ in range(5):
        of.failed(target, NOW, 1.0, ServerError(status=500))
    return of


# ------------------------------------------------------------------------------------------------ nothing was asked yet


@pytest.mark.parametrize("seconds", [0.05, 0.0999])
def test_a_moment_is_waited_for_unasked(kind: str, seconds: float) -> None:
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, of=resting(A, seconds)))
    assert world.slept == [pytest.approx(seconds)]
    assert tried(reply.attempts) == [("a", "ok", "the only row")]
    assert reply.attempts[0].rejected == ()


@pytest.mark.parametrize("seconds", [0.11, 3.0])
def test_more_than_a_moment_that_was_asked_for_is_refused_with_the_time_and_the_reasons(kind: str, seconds: float) -> None:
    world = Clockwork()
    of = resting(B, seconds, resting(A, 1.0, opened(A)))
    with pytest.raises(AllRoutesCooling) as caught:
        chat(kind, world, balanced(A, B, of=of))
    assert caught.value.retry_at == pytest.approx(WALL + seconds)
    assert str(caught.value) == (
        f"no row of 'fast' may be asked now (a: breaker open for 5.0 s; b: rate limit of its quota group until {seconds:.1f} s from now): "
        f"try again in {seconds:.1f} s, pass wait=True to wait for it within the call's timeout, or give the alias rows with another key or "
        "provider"
    )
    assert (world.requests, world.slept, caught.value.attempts) == ([], [], ())
    assert in_flight(of, A, B) == [0, 0]


def test_with_wait_the_first_row_that_is_ready_is_asked(kind: str) -> None:
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, B, of=resting(B, 3.0, opened(A)), wait=True))
    assert world.slept == [3.0]
    assert reply.target == "b"
    assert reply.attempts[0].rejected == (("a", "breaker open for 2.0 s"),)


@pytest.mark.parametrize(("total", "waits"), [(3.0, False), (3.1, True)])
def test_the_calls_allowance_bounds_the_wait(kind: str, total: float, *, waits: bool) -> None:
    world = Clockwork(ok())
    call = balanced(A, of=resting(A, 3.0), wait=True, total=total)
    if waits:
        assert chat(kind, world, call).target == "a"
        return
    with pytest.raises(AllRoutesCooling, match=r"in 3\.0 s, give the call a longer timeout, or give the alias rows"):
        chat(kind, world, call)
    assert world.slept == []


class Leaving(World):
    """Somebody else's request ends when this world has slept so often."""

    def __init__(self, of: Health, row: Target, sleeps: int) -> None:
        super().__init__(ok())
        self._of, self._row, self._sleeps = of, row, sleeps

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if len(self.slept) == self._sleeps:
            self._of.given_up(self._row, self.now, 1.0)


def test_with_wait_a_row_that_is_busy_is_looked_at_again_and_again(kind: str) -> None:
    busy, of = row("a", limits=Limits(concurrent=1, adaptive=True)), health()
    of.begin(busy, NOW)
    world = Leaving(of, busy, 3)
    assert chat(kind, world, balanced(busy, of=of, wait=True)).target == "a"
    assert world.slept == [pytest.approx(0.05)] * 3
    of.begin(busy, NOW)
    with pytest.raises(AllRoutesCooling) as caught:
        chat(kind, Clockwork(), balanced(busy, of=of))
    assert caught.value.retry_at == WALL + 1.0  # a guess
    assert "a: its adaptive bound of 1 requests under way is reached" in str(caught.value)
    world = Leaving(of, busy, 10_000)
    with pytest.raises(AllRoutesCooling):
        chat(kind, world, balanced(busy, of=of, wait=True, total=1.0))
    assert sum(world.slept) < 1.0 < sum(world.slept) + 0.11


def test_a_limit_is_waited_for_with_wait_and_for_a_moment_without(kind: str) -> None:
    limiter = Limiter(2.0, 0.04)
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, throttle=throttle(limiter), wait=True))
    assert world.slept == [2.0, pytest.approx(0.04)]
    assert tried(reply.attempts) == [("a", "ok", "the only row")]
    with pytest.raises(AllRoutesCooling) as caught:
        chat(kind, Clockwork(), balanced(A, throttle=throttle(Limiter(0.09, 2.0))))
    assert caught.value.retry_at == pytest.approx(WALL + 2.0)


# ------------------------------------------------------------------------------------------------ something was asked


def test_a_call_waits_for_what_it_was_told_itself_and_no_other_call_does(kind: str) -> None:
    of, world = health(), Clockwork(fails(429, retry_after="3"), ok())
    assert chat(kind, world, balanced(A, of=of)).target == "a"
    assert world.slept == [pytest.approx(3.025)]
    chat(kind, Clockwork(fails(429, retry_after="3"), ok()), balanced(B, of=of))
    of = resting(A, 3.0)
    with pytest.raises(AllRoutesCooling) as caught:
        chat(kind, Clockwork(), balanced(A, of=of))
    assert caught.value.retry_at == WALL + 3.0


@pytest.mark.parametrize(("total", "retried"), [(3.0, False), (3.1, True)])
def test_no_wait_is_longer_than_the_allowance(kind: str, total: float, *, retried: bool) -> None:
    world = Clockwork(fails(429, retry_after="3"), ok())
    if retried:
        chat(kind, world, balanced(A, total=total))
        return
    with pytest.raises(RateLimited) as caught:
        chat(kind, world, balanced(A, total=total))
    assert (world.asked, world.slept) == ("a", [])
    assert len(caught.value.attempts) == 1


def test_a_rate_limit_without_a_time_rests_its_group_and_the_call_waits_for_that(kind: str) -> None:
    world = Clockwork(fails(429), ok())
    chat(kind, world, balanced(A))
    assert world.slept == [1.0]  # the group's first rest, longer than the backoff of 0.25


def test_rows_of_one_group_rest_together(kind: str) -> None:
    one, other = row("a", quota_group="g"), row("b", quota_group="g")
    world = Clockwork(fails(429, retry_after="3"), ok())
    reply = chat(kind, world, balanced(one, other))
    assert world.slept == [pytest.approx(3.025)]
    assert tried(reply.attempts)[1] == ("b", "ok", "next in order")


def test_an_overloaded_provider_is_waited_for_as_it_asks(kind: str) -> None:
    world = Clockwork(fails(503, retry_after="2"), ok())
    chat(kind, world, balanced(A))
    assert world.slept == [pytest.approx(2.025)]


def test_a_rest_that_others_saw_is_not_waited_for_unasked(kind: str) -> None:
    of = health()
    for _ in range(4):
        of.begin(A, NOW)
        of.failed(A, NOW, 0.0, ServerError(status=500))
    with pytest.raises(ServerError) as caught:  # the fifth failure opens the breaker
        chat(kind, Clockwork(fails(500)), balanced(A, of=of))
    assert len(caught.value.attempts) == 1
    of = health()
    for _ in range(4):
        of.begin(A, NOW)
        of.failed(A, NOW, 0.0, ServerError(status=500))
    world = Clockwork(fails(500), ok())
    reply = chat(kind, world, balanced(A, of=of, wait=True))
    assert world.slept == [5.0]
    assert tried(reply.attempts)[1] == ("a", "ok", "retry")


def test_with_wait_a_row_that_rests_stands_in_for_one_that_cannot_help(kind: str) -> None:
    for answer in (fails(401), fails(404)):
        world = Clockwork(answer, ok())
        reply = chat(kind, world, balanced(A, B, of=resting(B, 4.0), wait=True))
        assert world.slept == [4.0]
        assert tried(reply.attempts)[1] == ("b", "ok", "next in order")
    world = Clockwork(fails(401))
    with pytest.raises(AuthenticationRejected):
        chat(kind, world, balanced(A, B, of=resting(B, 4.0)))
    large = sized("b", 32)
    world = Clockwork(TOO_LONG, ok())
    assert chat(kind, world, balanced(sized("a", 8), large, of=resting(large, 4.0), wait=True)).target == "b"


def test_with_wait_nothing_is_waited_for_that_does_not_come_back(kind: str) -> None:
    world = Clockwork(fails(401))
    with pytest.raises(AuthenticationRejected):
        chat(kind, world, balanced(A, wait=True))
    assert world.slept == []
    world = Clockwork(TOO_LONG)
    with pytest.raises(ContextWindowExceeded):
        chat(kind, world, balanced(A, B, of=resting(B, 1.0), wait=True))
    assert world.slept == []


def test_with_wait_a_busy_row_stands_in_for_one_that_cannot_help(kind: str) -> None:
    busy, of = row("b", limits=Limits(concurrent=1, adaptive=True)), health()
    of.begin(busy, NOW)
    world = Leaving(of, busy, 2)
    world.answers = [fails(401), ok()]
    assert chat(kind, world, balanced(A, busy, of=of, wait=True)).target == "b"
    assert world.slept == [pytest.approx(0.05)] * 2


def test_with_wait_the_rest_is_what_is_waited_for(kind: str) -> None:
    world = Clockwork(fails(429, retry_after="20"), ok())
    reply = chat(kind, world, balanced(A, B, of=resting(B, 1.0), wait=True))
    assert world.slept == [1.0]
    assert reply.target == "b"
    world = Clockwork(fails(503, retry_after="2"), ok())
    chat(kind, world, balanced(C, wait=True))
    assert world.slept == [2.0]


def test_an_error_keeps_its_trace_where_the_others_do_not_come_in_time(kind: str) -> None:
    with pytest.raises(Overloaded) as caught:
        chat(kind, Clockwork(fails(503)), balanced(A, B, of=resting(B, 40.0), max_attempts=2, total=0.2))
    assert tried(caught.value.attempts) == [("a", "Overloaded", "ordered")]
