"""Stopping, from outside, a flow that runs in another thread: the loser of a race, or what still runs when its client is closed.

A thread cannot be interrupted, so what it waits for is broken off under it: its connection is ended, its sleep is cut short. Abandoned is
then thrown into the flow in its own thread, and it tidies up there.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar, runtime_checkable

from saferoute.call.effects import Abandoned, Cancel, Finish, Read, Record, Release, Send, Settle, Sleep
from saferoute.errors import SaferouteError, StreamInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.effects import Flow
    from saferoute.drivers.exchange import Transport

__all__ = ["Stop", "Stoppable", "stoppable", "until_stopped"]

R = TypeVar("R")

_TIDYING: Final = frozenset({Cancel, Finish, Settle, Release, Record})
_CUT_SHORT: Final = frozenset({Send, Read, Sleep})


class Stop:
    """Stops one flow, once."""

    __slots__ = ("_break_off", "_event", "_lock")

    def __init__(self) -> None:
        self._event = threading.Event()
        self._break_off: Callable[[], None] | None = None
        self._lock = threading.RLock()  # a finalizer that runs while it is held may come back to it

    @property
    def fired(self) -> bool:
        """Whether the flow is to stop."""
        return self._event.is_set()

    def fire(self) -> None:
        """Have the flow stop; from any thread."""
        with self._lock:
            self._event.set()
            break_off, self._break_off = self._break_off, None
            if break_off is not None:
                break_off()

    def attach(self, break_off: Callable[[], None]) -> None:
        """Say how to end what the flow's thread is about to wait for; it takes the place of what was said before.

        Raises:
            StreamInterrupted: the flow is to stop already.
        """
        with self._lock:
            if self._event.is_set():
                raise StreamInterrupted("this request was given up: nobody waits for its answer any more")
            self._break_off = break_off

    def detach(self) -> None:
        """There is nothing to break off any more. What was attached is not called once this returns."""
        with self._lock:
            self._break_off = None

    def wait(self, seconds: float) -> None:
        """Sleep, until the flow is to stop."""
        self._event.wait(min(seconds, threading.TIMEOUT_MAX))

    def sleeping(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        """What to sleep with: the real sleep can be cut short; a test's own is left as it is."""
        return self.wait if sleep is time.sleep else sleep


@runtime_checkable
class Stoppable(Protocol):
    """A Transport whose requests can be broken off by another thread."""

    def stoppable(self, stop: Stop) -> Transport:
        """This transport, for one flow: what is opened through it ends when `stop` fires."""


def stoppable(transport: Transport, stop: Stop) -> Transport:
    """A transport for one flow that may be stopped.

    One that cannot do it, somebody else's behind the httpx bridge, is used as it is: its requests end by their own time limits.
    """
    return transport.stoppable(stop) if isinstance(transport, Stoppable) else transport


def until_stopped(flow: Flow[R], stop: Stop) -> Flow[R]:
    """Run a flow until it is to stop: Abandoned is thrown into it then, and from there on it may do nothing but tidy up.

    What it was given of a store meanwhile, or has won in a race of its own, is handed over first, so that it knows what it holds.
    """
    told = False
    try:
        effect = next(flow)
        while True:
            if stop.fired and type(effect) not in _TIDYING:
                if told:
                    raise Abandoned
                told = True
                effect = flow.throw(Abandoned())
                continue
            try:
                answer = yield effect
                if stop.fired and not told and type(effect) in _CUT_SHORT:
                    raise Abandoned  # noqa: TRY301  it ended because it was broken off, or as good as
            except (SaferouteError, Abandoned) as error:
                failure: BaseException = Abandoned() if stop.fired and not told else error
                told = told or isinstance(failure, Abandoned)
                effect = flow.throw(failure)
            else:
                effect = flow.send(answer)
    except StopIteration as ended:
        result: R = ended.value
        return result
