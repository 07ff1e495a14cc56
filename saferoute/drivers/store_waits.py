"""Waits of the asyncio driver for a store that works in a thread: none outlasts the call's allowance, and none holds a result back."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.drivers.store_question import Question
from saferoute.errors import TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.effects import Allowance
    from saferoute.drivers.background_async import AsyncBackground

__all__ = ["afterwards", "before", "beside"]

R = TypeVar("R")

_MOMENT: Final = 0.02
"""Seconds that an answer waits for what it cost to be written down; the writing goes on afterwards. A call has two such waits at its end,
for its budgets and for its limits."""


async def before(allowance: Allowance, clock: Callable[[], float], work: Callable[[], R], undo: Callable[[R], None]) -> R:
    """Do something in a thread, before anything of a request leaves.

    Args:
        allowance: the call's.
        clock: the driver's monotonic clock.
        work: waits for a disk or a network.
        undo: gets what came of the work, in a thread, when its caller was cancelled or out of time meanwhile: nothing was sent, so it is
            taken back, also if the event loop ends before the work does.

    Raises:
        TimedOut: the call's allowance has ended.
    """
    question = Question(work, undo)
    working = asyncio.ensure_future(asyncio.to_thread(question.ask))
    left = allowance.deadline - clock()
    try:
        done, _ = await asyncio.wait({working}, timeout=max(left, 0.0))
    except asyncio.CancelledError:
        if not question.leave():
            _undone = asyncio.get_running_loop().run_in_executor(None, question.take_back)
        raise
    if question.leave():
        if done:
            working.result()  # raises: it was cancelled, or there is no thread for it
        raise TimedOut(clock="total", seconds=allowance.total, sent=False)
    return question.answer()


async def afterwards(
    allowance: Allowance, clock: Callable[[], float], work: Callable[[], None], background: Callable[[], AsyncBackground] | None
) -> None:
    """Write something down in a thread after a request has ended, also if the caller leaves meanwhile.

    Args:
        allowance: the call's.
        clock: the driver's monotonic clock.
        work: waits for a disk or a network.
        background: where the client keeps what goes on beside its calls: then it is waited for no longer than a moment, and not at all once
            the call's allowance has ended.
    """
    if background is None:
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work)))
        return
    writing = background().keep(partial(asyncio.to_thread, work))
    left = allowance.deadline - clock()
    if left > 0:
        await asyncio.wait({writing}, timeout=min(left, _MOMENT))


async def beside(whose: object, work: Callable[[], None], background: Callable[[], AsyncBackground] | None) -> None:
    """Have something done in a thread that no call waits for, unless it is on its way already.

    Args:
        whose: what it is done for, by which two of them are one.
        work: waits for a disk or a network.
        background: as for `afterwards`; without one it is waited for.
    """
    if background is None:
        await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work)))
    else:
        background().keep_once(whose, partial(asyncio.to_thread, work))
