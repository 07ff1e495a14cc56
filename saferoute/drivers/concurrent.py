"""The asyncio driver: runs a flow in the running event loop."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, assert_never, cast

from typing_extensions import override

from saferoute.call.effects import (
    Abandoned,
    Acquire,
    Acquired,
    Cancel,
    Chunk,
    Emit,
    Finish,
    Judge,
    Opened,
    Race,
    Read,
    Record,
    Recorded,
    Release,
    Reserve,
    Reserved,
    Send,
    Settle,
    Sleep,
    Spawn,
    Tick,
    Told,
)
from saferoute.drivers.abandoning import settle_beside
from saferoute.drivers.background import Background
from saferoute.drivers.charging import hold, let_go
from saferoute.drivers.exchange import CallObserver, partial_of
from saferoute.drivers.limiting_async import give_back_async, take_async
from saferoute.drivers.store_waits import afterwards, before, beside
from saferoute.errors import SaferouteError
from saferoute.values.events import Finished, TextDelta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from saferoute.call.effects import Answer, Effect, Flow
    from saferoute.drivers.background_async import AsyncBackground
    from saferoute.drivers.exchange import AsyncExchange, AsyncTransport
    from saferoute.errors.root import ReceiptOf
    from saferoute.values.events import StreamEvent
    from saferoute.values.reply import Partial, Reply

__all__ = ["AsyncStream", "ConcurrentRun", "run_async"]

R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

_GRACE = 1.0
"""Seconds that a cancelled call may take to tidy up."""

_GOES_ON: Final = frozenset({Emit, Read, Send, Reserve, Acquire, Race, Spawn, Judge})
"""What a flow that was told to tidy up has no business with."""


class ConcurrentRun(Generic[R]):
    """One flow on its way. The awaited twin of BlockingRun: the two loops are the only code that is written twice.

    Attributes:
        result: what the flow returned, once it has.
        pending: what the flow emitted last.
        finished: whether the flow has ended, in whatever way.
    """

    __slots__ = ("_background", "_clock", "_exchange", "_flow", "_sleep", "_transport", "begun", "finished", "pending", "result")

    def __init__(
        self,
        flow: Flow[R],
        transport: AsyncTransport,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        *,
        background: Callable[[], AsyncBackground] | None = None,
    ) -> None:
        self._flow = flow
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._background = background
        self._exchange: AsyncExchange | None = None
        self.pending: Emit | None = None
        self.result: R | None = None
        self.begun = False
        self.finished = False

    async def advance(self) -> Sequence[StreamEvent[Any]] | None:
        """Run until the flow hands events over; None when it has returned."""
        flow, clock = self._flow, self._clock
        try:
            effect: Effect = flow.send(Tick(clock())) if self.begun else next(flow)
            self.begun = True
            while True:
                try:
                    if type(effect) is Read:
                        assert self._exchange is not None  # noqa: S101  a flow reads only what it sent for
                        answer: Answer = Chunk(clock(), await self._exchange.read())
                    elif type(effect) is Send:  # here and not in _act: one coroutine less for every call
                        self._exchange = exchange = await self._transport.open(effect.request, effect.clocks)
                        answer = Opened(clock(), exchange.head)
                    elif type(effect) is Emit:
                        self.pending = effect
                        return effect.events
                    elif type(effect) is Record:
                        answer = await self._act_beside(effect)
                    else:
                        answer = await self._act(effect)
                except SaferouteError as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(answer)
        except StopIteration as stop:
            self.finished = True
            self.result = stop.value
            return None
        except SaferouteError:
            self.finished = True
            raise
        except BaseException:  # cancelled while waiting, or a defect of ours: leave nothing open, then pass it on
            await self.abandon()
            raise

    async def run_until_emit(self) -> Emit | None:
        """As BlockingRun.run_until_emit."""
        return None if await self.advance() is None else self.pending

    def hand_over(self) -> AsyncExchange | None:
        """As BlockingRun.hand_over."""
        self.finished = True
        exchange, self._exchange = self._exchange, None
        return exchange

    async def _race(self, effect: Race) -> Answer:
        from saferoute.drivers.racing_async import race_async  # noqa: PLC0415  calls that race only

        raced, exchange = await race_async(effect, self._beside, self._background, self._clock)
        if exchange is not None:
            if self._exchange is not None:
                self._exchange.abort()
            self._exchange = exchange
        return raced

    def _beside(self, flow: Flow[object]) -> ConcurrentRun[object]:
        """The run of a flow beside this one, with an exchange of its own."""
        return ConcurrentRun(flow, self._transport, self._clock, self._sleep, background=self._background)

    async def _act(self, effect: Effect) -> Answer:
        match effect:
            case Cancel():
                if self._exchange is not None:
                    await self._exchange.close()
                    self._exchange = None
            case Finish():
                if self._exchange is not None:
                    await self._exchange.finish()
                    self._exchange = None
            case Sleep():
                await self._sleep(effect.seconds)
            case Reserve():
                waits, undo = effect.store.waits, partial(_give_back, effect)
                held = await before(effect.allowance, self._clock, partial(hold, effect), undo) if waits else hold(effect)
                return Reserved(self._clock(), held)
            case Settle():
                await _settle(effect, self._clock, self._background)
            case Acquire():
                took = await take_async(effect, self._clock)
                return Acquired(self._clock(), took)
            case Release():
                await give_back_async(effect, self._clock, self._background)
            case Race() | Spawn() | Judge() | Record():
                return await self._act_beside(effect)
            case Send() | Read() | Emit():  # the loop's own
                pass
            case _:
                assert_never(effect)
        return Tick(self._clock())

    async def _act_beside(self, effect: Race | Spawn | Judge | Record) -> Answer:
        match effect:
            case Race():
                return await self._race(effect)
            case Spawn():
                from saferoute.drivers.racing_async import spawn_async  # noqa: PLC0415  calls that spawn only

                spawn_async(effect.flow, self._beside, self._background)
                return Tick(self._clock())
            case Judge():
                from saferoute.drivers.judging import judge_async  # noqa: PLC0415  calls with guards of others only

                threads = Background if self._background is None else self._background().threads
                return Told(self._clock(), await judge_async(effect, threads))
            case Record():
                writer = effect.writer
                append = partial(writer.append, effect.entry)  # shielded: it is written, whoever is cancelled meanwhile
                written = await asyncio.shield(asyncio.to_thread(append)) if writer.waits else append()
                if writer.due:
                    await beside(writer, writer.checkpoint, self._background)
                return Recorded(self._clock(), written)

    async def abandon(self) -> Abandoned:
        """As BlockingRun.abandon, whatever happens to this task meanwhile."""
        left = Abandoned()
        if self.finished:
            return left
        self.finished = True
        tidying = asyncio.ensure_future(self._tidy_up(left))
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.shield(tidying), _GRACE)
        return left.with_traceback(None)

    def abort(self) -> None:
        """Give up without waiting: for a finalizer, which cannot await."""
        self.finished = True
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.abort()
        if self.begun:
            settle_beside(self._flow)

    async def _tidy_up(self, left: Abandoned) -> None:
        try:
            effect = self._flow.throw(left)
            while True:
                if type(effect) in _GOES_ON:
                    break
                try:
                    answer = await self._act(effect)
                except SaferouteError as error:
                    effect = self._flow.throw(error)
                else:
                    effect = self._flow.send(answer)
        except (StopIteration, Abandoned):
            pass
        finally:
            if self._exchange is not None:
                await self._exchange.close()
                self._exchange = None


async def _settle(effect: Settle, clock: Callable[[], float], background: Callable[[], AsyncBackground] | None) -> None:
    if effect.store.waits:
        await afterwards(effect.allowance, clock, partial(let_go, effect), background)
    else:
        let_go(effect)


def _give_back(effect: Reserve, reservation: str) -> None:
    let_go(Settle(effect.store, reservation, (0,) * len(effect.debits)))


async def run_async(
    flow: Flow[R],
    transport: AsyncTransport,
    clock: Callable[[], float],
    sleep: Callable[[float], Awaitable[None]],
    observer: CallObserver,
    *,
    background: Callable[[], AsyncBackground] | None = None,
) -> R:
    """Run a flow that shows nothing on its way, and return what it returns."""
    work = ConcurrentRun(flow, transport, clock, sleep, background=background)
    try:
        while await work.advance() is not None:
            pass
    except BaseException as error:
        observer.fail(error)
        raise
    result = cast("R", work.result)
    observer.finish(cast("Reply[object]", result))
    return result


class AsyncStream(Generic[T_co]):
    """An answer while it arrives: an async iterator of typed events, and an async context manager.

    It connects when it is entered or at the first event. Leave early by leaving the `async with` block (or by `await close()`): the
    request is cancelled upstream. A stream that is dropped before its end warns.

    Attributes:
        route: the name that was asked for.
        receipt: as `Stream.receipt`.
    """

    __slots__ = ("_batch", "_observe", "_observer", "_reply", "_run", "_seen", "receipt", "route")

    def __init__(self, route: str, work: ConcurrentRun[Reply[T_co]], observe: Callable[[], CallObserver]) -> None:
        self.route = route
        self._run = work
        self._observe = observe
        self._observer: CallObserver | None = None
        self._seen: list[StreamEvent[T_co]] = []
        self._batch: Iterator[StreamEvent[T_co]] = iter(())
        self._reply: Reply[T_co] | None = None
        self.receipt: ReceiptOf | None = None

    async def _more(self) -> bool:
        observer = self._observer = self._observer or self._observe()
        try:
            events = await self._run.advance()
        except BaseException as error:
            observer.fail(error)
            self.receipt = getattr(error, "receipt", None)
            raise
        if events is None:
            return False
        self._seen += events
        self._batch = iter(events)
        last = events[-1]
        if type(last) is Finished:
            self._reply, self.receipt = last.reply, last.reply.receipt
            await self._run.advance()
            observer.finish(last.reply)
        return True

    def __aiter__(self) -> Self:
        # Itself, not a generator: after `async for ...: break` nothing keeps the stream alive, and it is given up at once.
        return self

    async def __anext__(self) -> StreamEvent[T_co]:
        for event in self._batch:
            return event
        if self._run.finished or not await self._more():
            raise StopAsyncIteration
        return next(self._batch)

    async def text(self) -> AsyncIterator[str]:
        """Iterate over the pieces of text only."""
        async for event in self:
            if type(event) is TextDelta:
                yield event.text

    async def finish(self) -> Reply[T_co]:
        """Read to the end and return the reply.

        Raises:
            StreamInterrupted: if the answer is cut off, or the stream was closed before its end.
        """
        async for _ in self:
            pass
        return self.reply

    @property
    def reply(self) -> Reply[T_co]:
        """The whole reply, once the stream has ended.

        Raises:
            AttributeError: before that.
        """
        if self._reply is None:
            msg = "the stream has not ended: iterate to its end, or await .finish(); .partial holds what has arrived"
            raise AttributeError(msg)
        return self._reply

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return partial_of(self._seen)

    async def close(self) -> None:
        """Stop, and cancel the request upstream if it is still running. Safe to call twice."""
        if not self._run.finished:
            left = await self._run.abandon()
            self.receipt = left.receipt
            if self._observer is not None:
                self._observer.fail(left)

    async def __aenter__(self) -> Self:
        if not self._run.begun:
            await self._more()
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    def __del__(self) -> None:
        work: ConcurrentRun[Reply[T_co]] | None = getattr(self, "_run", None)
        if work is not None and work.begun and not work.finished:
            text = f"the stream of {self.route!r} was dropped before its end: use `async with client.stream(...)`"
            warnings.warn(text, ResourceWarning, stacklevel=2)
            work.abort()
            if self._observer is not None:
                self._observer.fail(Abandoned())

    @override
    def __repr__(self) -> str:
        return f"AsyncStream({self.route!r}, {'ended' if self._run.finished else 'open'}, {len(self._seen)} events)"
