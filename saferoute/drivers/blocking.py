"""The blocking driver: runs a flow in the calling thread."""

from __future__ import annotations

import warnings
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
from saferoute.drivers.charging import hold, let_go
from saferoute.drivers.exchange import CallObserver, partial_of
from saferoute.drivers.limiting import give_back, take
from saferoute.errors import SaferouteError
from saferoute.values.events import Finished, TextDelta

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Self

    from saferoute.call.effects import Answer, Effect, Flow
    from saferoute.drivers.background import Background
    from saferoute.drivers.exchange import Exchange, Transport
    from saferoute.drivers.stopping import Stop
    from saferoute.errors.root import ReceiptOf
    from saferoute.values.events import StreamEvent
    from saferoute.values.reply import Partial, Reply

__all__ = ["BlockingRun", "Stream", "run"]

R = TypeVar("R")
T_co = TypeVar("T_co", covariant=True)

_GOES_ON: Final = frozenset({Emit, Read, Send, Reserve, Acquire, Race, Spawn, Judge})
"""What a flow that was told to tidy up has no business with."""


class BlockingRun(Generic[R]):
    """One flow on its way.

    Args:
        flow: what to run.
        transport: what sends.
        clock: monotonic seconds.
        sleep: waits.
        background: the client's threads, for races and what runs beside a call; None for threads that end with each.
        stop: fires when the flow is to stop; for flows that run beside another one.

    Attributes:
        result: what the flow returned, once it has.
        pending: what the flow emitted last.
        finished: whether the flow has ended, in whatever way.
    """

    __slots__ = (
        "_background", "_clock", "_exchange", "_flow", "_sleep", "_stop", "_transport", "begun", "finished", "pending", "result",
    )  # fmt: skip

    def __init__(
        self,
        flow: Flow[R],
        transport: Transport,
        clock: Callable[[], float],
        sleep: Callable[[float], None],
        *,
        background: Callable[[], Background] | None = None,
        stop: Stop | None = None,
    ) -> None:
        self._flow = flow
        self._transport = transport
        self._clock = clock
        self._sleep = sleep
        self._background = background
        self._stop = stop
        self._exchange: Exchange | None = None
        self.pending: Emit | None = None
        self.result: R | None = None
        self.begun = False
        self.finished = False

    def advance(self) -> Sequence[StreamEvent[Any]] | None:
        """Run until the flow hands events over.

        Returns:
            The events; None when the flow has returned (then `result` is set).

        Raises:
            SaferouteError: what the flow raises.
        """
        flow, clock = self._flow, self._clock
        try:
            effect: Effect = flow.send(Tick(clock())) if self.begun else next(flow)
            self.begun = True
            while True:
                try:
                    if type(effect) is Read:
                        assert self._exchange is not None  # noqa: S101  a flow reads only what it sent for
                        answer: Answer = Chunk(clock(), self._exchange.read())
                    elif type(effect) is Send:
                        self._exchange = exchange = self._transport.open(effect.request, effect.clocks)
                        answer = Opened(clock(), exchange.head)
                    elif type(effect) is Emit:
                        self.pending = effect
                        return effect.events
                    elif type(effect) is Record:
                        answer = self._act_beside(effect)
                    else:
                        answer = self._act(effect)
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
        except BaseException:  # a KeyboardInterrupt in a read, or a defect of ours: leave nothing open, then pass it on
            self.abandon()
            raise

    def run_until_emit(self) -> Emit | None:
        """Run until the flow wants to emit, and stop before anybody sees it; None when it has returned. Errors as `advance`."""
        return None if self.advance() is None else self.pending

    def hand_over(self) -> Exchange | None:
        """Give the open exchange away, and with it the rest of the flow: neither is this run's business any more."""
        self.finished = True
        exchange, self._exchange = self._exchange, None
        return exchange

    def _race(self, effect: Race) -> Answer:
        from saferoute.drivers.racing import race  # noqa: PLC0415  calls that race only

        raced, exchange = race(effect, self._beside, self._background, self._clock, self._stop)
        if exchange is not None:
            if self._exchange is not None:
                self._exchange.close()
            self._exchange = exchange
        return raced

    def _beside(self, flow: Flow[object], stop: Stop) -> BlockingRun[object]:
        """The run of a flow beside this one, with an exchange of its own."""
        from saferoute.drivers.stopping import stoppable, until_stopped  # noqa: PLC0415  as racing

        transport = stoppable(self._transport, stop)
        return BlockingRun(until_stopped(flow, stop), transport, self._clock, self._sleep, background=self._background, stop=stop)

    def _ask_store(self, effect: Reserve | Settle | Acquire | Release) -> Any:  # noqa: ANN401  what each of them is answered
        """Ask a store that may wait for a disk or a network, no longer than the call may."""
        from saferoute.drivers import store_waits_blocking as waiting  # noqa: PLC0415  stores outside this process only

        match effect:
            case Reserve():
                return waiting.hold_in_time(effect, self._clock, self._background)
            case Acquire():
                return waiting.take_in_time(effect, self._clock, self._background)
            case Settle():
                return waiting.let_go_soon(effect, self._clock, self._background)
            case Release():
                return waiting.give_back_soon(effect, self._clock, self._background)

    def _act(self, effect: Effect) -> Answer:
        match effect:
            case Cancel():
                if self._exchange is not None:
                    self._exchange.close()
                    self._exchange = None
            case Finish():
                if self._exchange is not None:
                    self._exchange.finish()
                    self._exchange = None
            case Sleep():
                (self._sleep if self._stop is None else self._stop.sleeping(self._sleep))(effect.seconds)
            case Reserve():
                held = self._ask_store(effect) if effect.store.waits else hold(effect)
                return Reserved(self._clock(), held)
            case Settle():
                self._ask_store(effect) if effect.store.waits else let_go(effect)
            case Acquire():
                took = self._ask_store(effect) if effect.store.waits else take(effect)
                return Acquired(self._clock(), took)
            case Release():
                self._ask_store(effect) if effect.store.waits else give_back(effect)
            case Race() | Spawn() | Judge() | Record():
                return self._act_beside(effect)
            case Send() | Read() | Emit():  # the loop's own
                pass
            case _:
                assert_never(effect)
        return Tick(self._clock())

    def _act_beside(self, effect: Race | Spawn | Judge | Record) -> Answer:
        """What is more than the call's own exchange and its money."""
        match effect:
            case Race():
                return self._race(effect)
            case Spawn():
                from saferoute.drivers.racing import spawn  # noqa: PLC0415  calls that spawn only

                spawn(effect.flow, self._beside, self._background)
                return Tick(self._clock())
            case Judge():
                from saferoute.drivers.judging import judge_blocking  # noqa: PLC0415  calls with guards of others only

                return Told(self._clock(), judge_blocking(effect, self._background))
            case Record():
                receipt = effect.writer.append(effect.entry)
                if effect.writer.due:
                    effect.writer.checkpoint()
                return Recorded(self._clock(), receipt)

    def abandon(self) -> Abandoned:
        """Tell the flow that nobody listens any more, and drive it to its end. Returns what it was told, and what it made of it."""
        left = Abandoned()
        if self.finished:
            return left
        self.finished = True
        try:
            effect = self._flow.throw(left)
            while True:
                if type(effect) in _GOES_ON:
                    break
                try:
                    answer = self._act(effect)
                except SaferouteError as error:
                    effect = self._flow.throw(error)
                else:
                    effect = self._flow.send(answer)
        except (StopIteration, Abandoned):
            pass
        finally:
            if self._exchange is not None:
                self._exchange.close()
                self._exchange = None
        return left.with_traceback(None)


def run(
    flow: Flow[R],
    transport: Transport,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    observer: CallObserver,
    *,
    background: Callable[[], Background] | None = None,
) -> R:
    """Run a flow that shows nothing on its way, and return what it returns."""
    work = BlockingRun(flow, transport, clock, sleep, background=background)
    try:
        while work.advance() is not None:
            pass
    except BaseException as error:
        observer.fail(error)
        raise
    result = cast("R", work.result)
    observer.finish(cast("Reply[object]", result))
    return result


class Stream(Generic[T_co]):
    """An answer while it arrives: an iterator of typed events, and a context manager.

    Leave early by leaving the `with` block (or by `close()`): the request is cancelled upstream. A stream that is dropped before its end
    warns.

    Attributes:
        route: the name that was asked for.
        receipt: the ledger's record of how it ended; None before that, and for a client without a ledger.
    """

    __slots__ = ("_batch", "_observer", "_reply", "_run", "_seen", "receipt", "route")

    def __init__(self, route: str, work: BlockingRun[Reply[T_co]], observer: CallObserver) -> None:
        self.route = route
        self._run = work
        self._observer = observer
        self._seen: list[StreamEvent[T_co]] = []
        self._batch: Iterator[StreamEvent[T_co]] = iter(())
        self._reply: Reply[T_co] | None = None
        self.receipt: ReceiptOf | None = None
        self._more()  # connects, so that what goes wrong until the first event is raised here

    def _more(self) -> bool:
        try:
            events = self._run.advance()
        except BaseException as error:
            self._observer.fail(error)
            self.receipt = getattr(error, "receipt", None)
            raise
        if events is None:
            return False
        self._seen += events
        self._batch = iter(events)
        last = events[-1]
        if type(last) is Finished:
            self._reply, self.receipt = last.reply, last.reply.receipt
            self._run.advance()
            self._observer.finish(last.reply)
        return True

    def __iter__(self) -> Iterator[StreamEvent[T_co]]:
        while True:
            yield from self._batch
            if self._run.finished or not self._more():
                return

    def __next__(self) -> StreamEvent[T_co]:
        for event in self._batch:
            return event
        if self._run.finished or not self._more():
            raise StopIteration
        return next(self._batch)

    def text(self) -> Iterator[str]:
        """Iterate over the pieces of text only."""
        for event in self:
            if type(event) is TextDelta:
                yield event.text

    def finish(self) -> Reply[T_co]:
        """Read to the end and return the reply.

        Raises:
            StreamInterrupted: if the answer is cut off, or the stream was closed before its end.
        """
        for _ in self:
            pass
        return self.reply

    @property
    def reply(self) -> Reply[T_co]:
        """The whole reply, once the stream has ended.

        Raises:
            AttributeError: before that.
        """
        if self._reply is None:
            msg = "the stream has not ended: iterate to its end, or call .finish(); .partial holds what has arrived"
            raise AttributeError(msg)
        return self._reply

    @property
    def partial(self) -> Partial:
        """What has arrived so far."""
        return partial_of(self._seen)

    def close(self) -> None:
        """Stop, and cancel the request upstream if it is still running. Safe to call twice."""
        if not self._run.finished:
            left = self._run.abandon()
            self.receipt = left.receipt
            self._observer.fail(left)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __del__(self) -> None:
        work: BlockingRun[Reply[T_co]] | None = getattr(self, "_run", None)
        if work is not None and not work.finished:
            text = f"the stream of {self.route!r} was dropped before its end: use `with client.stream(...)`"
            warnings.warn(text, ResourceWarning, stacklevel=2)
            self.close()

    @override
    def __repr__(self) -> str:
        return f"Stream({self.route!r}, {'ended' if self._run.finished else 'open'}, {len(self._seen)} events)"
