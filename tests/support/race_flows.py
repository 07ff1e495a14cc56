"""Flows for races, and either driver to run them with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, cast

from saferoute.call.adopting import adopted
from saferoute.call.effects import (
    Abandoned,
    Emit,
    Flow,
    Raced,
    Tick,
    cancel,
    emit,
    finish,
    race,
    read,
    reserve,
    send,
    settle,
    sleep,
)
from saferoute.drivers.background import Background, close_all
from saferoute.drivers.background_async import AsyncBackground, close_all_async
from saferoute.drivers.blocking import BlockingRun
from saferoute.drivers.concurrent import ConcurrentRun
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import SaferouteError
from saferoute.values.account import AccountStore
from saferoute.values.http import HttpRequest
from tests.drivers.doors import clocks
from tests.support.scripted import AsyncWorld, World


class Accounts:
    """A store that remembers what it was asked, in order."""

    scope = "process"
    waits = False

    def __init__(self) -> None:
        self.seen: list[str] = []

    def reserve(self, debits: Sequence[object]) -> str:
        self.seen.append(f"reserve {debits[0]}")
        return str(debits[0])

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        self.seen.append(f"settle {reservation} {amounts[0]}")

    @property
    def held(self) -> set[str]:
        settled = {line.split()[1] for line in self.seen if line.startswith("settle")}
        return {line.split()[1] for line in self.seen if line.startswith("reserve")} - settled


def asking(what: HttpRequest, accounts: Accounts | None = None) -> Flow[bytes]:
    """Ask, emit every piece, and return the whole; what it holds back is settled, with 1 for an answer and 9 for none."""
    name = what.path
    held = (yield from reserve(cast("AccountStore", accounts), [cast("Any", name)], None)).reservation if accounts else ""
    whole = b""
    try:
        yield from send(what, clocks())
        while piece := (yield from read()).data:
            whole += piece
            yield from emit([cast("Any", piece)])
        yield from finish()
    except (SaferouteError, Abandoned):
        yield from cancel()
        if accounts:
            yield from settle(cast("AccountStore", accounts), held, [9])
        raise
    if accounts:
        yield from settle(cast("AccountStore", accounts), held, [1])
    return whole


def silently(flow: Flow[bytes]) -> Flow[bytes]:
    """A flow that shows nothing on its way."""
    effect = next(flow)
    try:
        while True:
            try:
                answer = Tick(0.0) if isinstance(effect, Emit) else (yield effect)
            except (SaferouteError, Abandoned) as error:
                effect = flow.throw(error)
            else:
                effect = flow.send(answer)
    except StopIteration as stop:
        return cast("bytes", stop.value)


def late(seconds: float, flow: Flow[bytes]) -> Flow[bytes]:
    """A flow that begins after a while."""
    yield from sleep(seconds)
    return (yield from flow)


def racing(first: Flow[Any], second: Flow[Any], after: float, seen: list[Raced]) -> Flow[object]:
    """A race whose winner goes on."""
    raced = yield from race(first, second, after)
    seen.append(raced)
    if raced.winner is None:
        yield from cancel()
        return None
    if raced.pending is None:
        return raced.result
    return (yield from adopted((first, second)[raced.winner], raced.pending))


def failing(seconds: float, error: BaseException) -> Flow[bytes]:
    """A flow that fails after a while."""
    yield from sleep(seconds)
    raise error


class Driver:
    """Either driver, with a transport and what runs beside calls."""

    def __init__(self, kind: str, *, world: World | None = None, sleep: Callable[[float], None] | None = None, **options: Any) -> None:
        self.kind = kind
        self.loop = asyncio.new_event_loop() if kind == "asyncio" else None
        self.background: Any = Background(**options) if kind == "blocking" else AsyncBackground(**options)
        self.transport: Any = world or BlockingTransport(None)
        self.clock = world.clock if world else time.monotonic
        self.sleep: Any = world.sleep if world else time.sleep
        if kind == "asyncio":
            outside = AsyncWorld(world) if world else None
            self.transport = outside or AsyncioTransport(None)
            self.sleep = outside.sleep if outside else asyncio.sleep
        self.emitted: list[Any] = []

    def _make(self, flow: Flow[Any]) -> Any:
        kind = BlockingRun if self.kind == "blocking" else ConcurrentRun
        return kind(flow, self.transport, self.clock, self.sleep, background=lambda: self.background)

    def wait(self, made: Any) -> Any:
        return made if self.loop is None else self.loop.run_until_complete(made)

    def run(self, flow: Flow[Any], take: int | None = None) -> Any:
        """Run a flow to its end, or until it has emitted `take` times; then leave."""
        work = self._make(flow)

        async def concurrent() -> Any:
            while (events := await work.advance()) is not None:
                self.emitted += events
                if len(self.emitted) == take:
                    return await work.abandon()
            return work.result

        if self.loop is not None:
            return self.loop.run_until_complete(concurrent())
        while (events := work.advance()) is not None:
            self.emitted += events
            if len(self.emitted) == take:
                return work.abandon()
        return work.result

    def pause(self, seconds: float) -> None:
        self.wait(asyncio.sleep(seconds)) if self.loop else time.sleep(seconds)

    def until(self, done: Callable[[], bool]) -> None:
        ends = time.monotonic() + 5
        while not done():
            assert time.monotonic() < ends
            self.pause(0.002)

    def close(self) -> None:
        if self.loop is None:
            close_all(self.transport, lambda: None, self.background)
        elif not self.loop.is_closed():
            self.wait(close_all_async(self.transport, lambda: None, self.background))
            self.wait(self.loop.shutdown_default_executor())
            self.loop.close()

    def __enter__(self) -> Driver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
