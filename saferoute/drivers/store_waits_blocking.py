"""Waits of the blocking driver for a store: none outlasts the call's allowance, and none holds a result back. As `store_waits` for asyncio.

A thread that waits for a disk, a lock or a network cannot be interrupted. So one of the client's own does it, and the caller's thread waits
for that one as long as it may.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.call.effects import Settle
from saferoute.drivers.background import Job
from saferoute.drivers.charging import hold, let_go
from saferoute.drivers.limiting import give_back, take, unsent
from saferoute.drivers.stopping import Stop
from saferoute.drivers.store_question import Question
from saferoute.errors import TimedOut
from saferoute.values.limits import Lease

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from saferoute.call.effects import Acquire, Allowance, Release, Reserve
    from saferoute.drivers.background import Background
    from saferoute.values.limits import Busy

__all__ = ["afterwards", "before", "give_back_soon", "hold_in_time", "let_go_soon", "take_in_time"]

R = TypeVar("R")

_MOMENT: Final = 0.04
"""Seconds that an answer waits for what it cost to be written down; the writing goes on afterwards."""

_LOOK_UP: Final = 1.0  # seconds; there are systems where Ctrl-C is seen only between two waits


def before(
    allowance: Allowance, clock: Callable[[], float], work: Callable[[], R], undo: Callable[[R], None], background: Background | None
) -> R:
    """Do something in a thread, before anything of a request leaves.

    Args:
        allowance: the call's.
        clock: the driver's monotonic clock.
        work: waits for a disk or a network.
        undo: gets what came of the work, when its caller was interrupted or out of time meanwhile: nothing was sent, so it is taken back.
        background: the client's threads; without any it is done here, and takes what it takes.

    Raises:
        TimedOut: the call's allowance has ended, also while every thread for this waits for a store that stands still.
    """
    if background is None:
        return work()
    late = TimedOut(clock="total", seconds=allowance.total, sent=False)
    left = allowance.deadline - clock()
    ends = time.monotonic() + left
    room = background.room_to_ask(left) if left > 0 else None
    if room is None:
        raise late
    question = Question(work, undo)
    job = Job(partial(_ask, question, room), Stop(), awaited=True)
    if not background.keep(job):
        room.release()
        return work()  # the system has no more threads
    try:
        ended = _wait(job, ends)
    except BaseException:
        job.awaited = False
        if not question.leave():
            question.take_back()
        raise
    job.awaited = ended
    if not ended and question.leave():
        raise late
    return question.answer()


def _ask(question: Question[R], room: threading.Semaphore) -> None:
    try:
        question.ask()
    finally:
        room.release()


def _wait(job: Job, ends: float) -> bool:
    """Wait for a job until a moment of the system's monotonic clock; whether it has ended."""
    while not job.done.wait(max(0.0, min(ends - time.monotonic(), _LOOK_UP))):
        if time.monotonic() >= ends:
            return False
    return True


def afterwards(allowance: Allowance, clock: Callable[[], float], work: Callable[[], None], background: Background | None) -> None:
    """Write something down in a thread after a request has ended.

    It is waited for no longer than a moment, and not at all once the call's allowance has ended; it goes on after that.

    Args:
        allowance: the call's.
        clock: the driver's monotonic clock.
        work: waits for a disk or a network.
        background: the client's threads; without any it is done here, and takes what it takes.
    """
    job = Job(work, Stop(), awaited=False)
    if background is None or not background.keep(job):
        work()
    else:
        job.done.wait(max(0.0, min(allowance.deadline - clock(), _MOMENT)))


def hold_in_time(effect: Reserve, clock: Callable[[], float], background: Callable[[], Background] | None) -> str:
    """As `hold`, within the call's allowance.

    Raises:
        CapabilityInvalid: the nonce was used before.
        BudgetExceeded: an account does not have it.
        TimedOut: the call's allowance has ended; if it is held back after all, it is let go again.
    """

    def undo(reservation: str) -> None:
        let_go(Settle(effect.store, reservation, (0,) * len(effect.debits)))

    return before(effect.allowance, clock, partial(hold, effect), undo, None if background is None else background())


def let_go_soon(effect: Settle, clock: Callable[[], float], background: Callable[[], Background] | None) -> None:
    """As `let_go`, without holding an answer back for more than a moment."""
    afterwards(effect.allowance, clock, partial(let_go, effect), None if background is None else background())


def take_in_time(effect: Acquire, clock: Callable[[], float], background: Callable[[], Background] | None) -> Lease | Busy:
    """As `take`, within the call's allowance.

    Raises:
        ConfigurationError: the store cannot be reached or used.
        TimedOut: the call's allowance has ended; if there was room after all, it is given back.
    """

    def undo(outcome: Lease | Busy) -> None:
        if isinstance(outcome, Lease):
            give_back(unsent(effect, outcome))

    return before(effect.allowance, clock, partial(take, effect), undo, None if background is None else background())


def give_back_soon(effect: Release, clock: Callable[[], float], background: Callable[[], Background] | None) -> None:
    """As `give_back`, without holding an answer back for more than a moment."""
    afterwards(effect.allowance, clock, partial(give_back, effect), None if background is None else background())
