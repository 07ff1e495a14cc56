"""What the drivers do with limits, with a store that does as it is told."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from saferoute.call.effects import UNBOUNDED, Acquire, Acquired, Allowance, Release, Tick, acquire, release
from saferoute.drivers.background_async import AsyncBackground
from saferoute.drivers.blocking import BlockingRun
from saferoute.drivers.concurrent import ConcurrentRun
from saferoute.drivers.limiting import give_back, take, unsent
from saferoute.drivers.limiting_async import give_back_async, take_async
from saferoute.drivers.store_waits import afterwards
from saferoute.errors import ConfigurationError, TimedOut
from saferoute.values.limits import Busy, Draw, Lease
from saferoute.values.permission import Scope
from tests.support.limit_stores import draw

DRAWS = (draw(), draw("tokens", 9, 4))
NOW = 7.0


class Told:
    """A store that answers as it is told, and notes the thread that asked."""

    scope: Scope = "process"

    def __init__(self, outcome: Lease | Busy | Exception, *, waits: bool = False) -> None:
        self.outcome = outcome
        self.waits = waits
        self.released: list[tuple[Lease, tuple[int | None, ...]]] = []
        self.threads: set[int] = set()
        self.asked = threading.Event()
        self.answer = threading.Event()
        self.given_back = threading.Event()
        self.answer.set()

    def acquire(self, draws: Sequence[Draw], hold: float) -> Lease | Busy:
        assert (tuple(draws), hold) == (DRAWS, 60.0)
        self.threads.add(threading.get_ident())
        self.asked.set()
        self.answer.wait(10)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        self.threads.add(threading.get_ident())
        if isinstance(self.outcome, Exception):
            raise self.outcome
        self.released.append((lease, tuple(used)))
        self.given_back.set()

    def close(self) -> None:
        """Nothing is open."""


def asks(store: Told) -> Acquire:
    return Acquire(store, DRAWS, 60.0)


def gives(store: Told) -> Release:
    return Release(store, Lease("a"), (None, 3))


OUTCOMES = [Lease("a"), Busy(draw().quota, 3.5)]


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_what_the_store_says_is_handed_on(outcome: Lease | Busy) -> None:
    assert take(asks(Told(outcome))) == outcome
    assert asyncio.run(take_async(asks(Told(outcome)), lambda: NOW)) == outcome
    assert asyncio.run(take_async(asks(Told(outcome, waits=True)), lambda: NOW)) == outcome


def flow(store: Told) -> Any:
    took = yield from acquire(store, DRAWS, 60.0, UNBOUNDED)
    now = yield from release(store, Lease("a"), (None, 3))
    return took, now


@pytest.mark.parametrize("waits", [False, True])
def test_both_drivers_do_it(waits: bool) -> None:
    transport: Any = None
    store = Told(Lease("a"), waits=waits)
    blocking = BlockingRun(flow(store), transport, lambda: NOW, lambda _: None)
    assert blocking.advance() is None

    async def run() -> Any:
        work = ConcurrentRun(flow(store), transport, lambda: NOW, asyncio.sleep)
        assert await work.advance() is None
        return work.result

    assert blocking.result == asyncio.run(run()) == (Acquired(NOW, Lease("a")), NOW)
    assert store.released == [(Lease("a"), (None, 3))] * 2
    assert Tick(NOW).now == NOW


def test_a_store_that_waits_is_asked_in_a_thread_and_another_is_not() -> None:
    for waits in (False, True):
        store = Told(Lease("a"), waits=waits)
        asyncio.run(take_async(asks(store), lambda: NOW))
        asyncio.run(give_back_async(gives(store), lambda: NOW))
        assert (threading.get_ident() in store.threads) is not waits
        assert store.released == [(Lease("a"), (None, 3))]


@pytest.mark.parametrize("waits", [False, True])
def test_a_store_that_cannot_be_asked_stops_the_request(waits: bool) -> None:
    broken = Told(ConfigurationError("limits cannot be counted"), waits=waits)
    with pytest.raises(ConfigurationError, match="limits cannot be counted"):
        take(asks(broken))
    with pytest.raises(ConfigurationError, match="limits cannot be counted"):
        asyncio.run(take_async(asks(broken), lambda: NOW))


@pytest.mark.parametrize("waits", [False, True])
def test_a_store_that_cannot_be_told_of_an_end_does_not_cost_the_answer(waits: bool, caplog: pytest.LogCaptureFixture) -> None:
    broken = Told(ConfigurationError("limits cannot be counted"), waits=waits)
    with caplog.at_level(logging.WARNING, "saferoute"):
        give_back(gives(broken))
        asyncio.run(give_back_async(gives(broken), lambda: NOW))
    said = (
        "saferoute: a limit could not be told that a call has ended, so it counts as under way for a while longer: limits cannot be counted"
    )
    assert [record.getMessage() for record in caplog.records] == [said, said]


def test_what_never_left_is_given_back_in_full() -> None:
    store = Told(Lease("a"))
    assert unsent(asks(store), Lease("b")) == Release(store, Lease("b"), (0, 0))


@pytest.mark.parametrize("outcome", [*OUTCOMES, ConfigurationError("limits cannot be counted")])
def test_whoever_is_cancelled_while_it_is_asked_keeps_nothing(outcome: Lease | Busy | Exception) -> None:
    async def run(store: Told) -> None:
        store.answer.clear()
        task = asyncio.ensure_future(take_async(asks(store), lambda: NOW))
        await asyncio.to_thread(store.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.answer.set()
        await asyncio.to_thread(store.given_back.wait, 10 if isinstance(outcome, Lease) else 0.1)

    store = Told(outcome, waits=True)
    asyncio.run(run(store))
    assert store.released == ([(Lease("a"), (0, 0))] if isinstance(outcome, Lease) else [])


def test_a_release_goes_on_when_its_caller_is_cancelled() -> None:
    class Slow(Told):
        def release(self, lease: Lease, used: Sequence[int | None]) -> None:
            self.asked.set()
            self.answer.wait(10)
            super().release(lease, used)

    async def run(store: Told) -> None:
        store.answer.clear()
        task = asyncio.ensure_future(give_back_async(gives(store), lambda: NOW))
        await asyncio.to_thread(store.asked.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        store.answer.set()
        await asyncio.to_thread(store.given_back.wait, 10)

    store = Slow(Lease("a"), waits=True)
    asyncio.run(run(store))
    assert store.released == [(Lease("a"), (None, 3))]


def test_a_store_that_does_not_answer_does_not_outlast_the_calls_allowance() -> None:
    store = Told(Lease("a"), waits=True)
    store.answer.clear()

    async def run() -> None:
        effect = Acquire(store, DRAWS, 60.0, Allowance(3.0, NOW + 0.02))
        with pytest.raises(TimedOut, match="the total clock ran out after 3 s") as caught:
            await take_async(effect, lambda: NOW)
        assert (caught.value.clock, caught.value.sent) == ("total", False)
        store.answer.set()
        assert await asyncio.to_thread(store.given_back.wait, 5)

    asyncio.run(run())
    assert store.released == [(Lease("a"), (0,) * len(DRAWS))]


@pytest.mark.timed
def test_what_an_answer_cost_is_written_down_without_holding_the_answer_back() -> None:
    held = threading.Event()

    async def run() -> float:
        background = AsyncBackground()
        began = asyncio.get_running_loop().time()
        await afterwards(UNBOUNDED, lambda: NOW, partial(held.wait, 5), lambda: background)
        took = asyncio.get_running_loop().time() - began
        held.set()
        await background.close()
        return took

    assert 0.015 < asyncio.run(run()) < 2.0


@pytest.mark.parametrize(("left", "waits"), [(-7.0, []), (0.0, []), (0.001, [0.001]), (0.019, [0.019]), (9.0, [0.02])])
def test_a_call_waits_for_what_is_written_down_until_its_allowance_ends_and_no_longer(
    monkeypatch: pytest.MonkeyPatch, left: float, waits: list[float]
) -> None:
    asked: list[float] = []
    written: list[str] = []
    wait = asyncio.wait

    async def waiting(tasks: Any, **given: Any) -> object:
        asked.append(given["timeout"])
        return await wait(tasks, **given)

    async def run() -> None:
        background = AsyncBackground()
        with monkeypatch.context() as patched:
            patched.setattr("saferoute.drivers.store_waits.asyncio.wait", waiting)
            await afterwards(Allowance(3.0, NOW + left), lambda: NOW, lambda: written.append("down"), lambda: background)
        await background.close()

    asyncio.run(run())
    assert asked == [pytest.approx(one) for one in waits]
    assert written == ["down"]
