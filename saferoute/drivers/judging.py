"""Asking guards that may take their time: each in a thread of its own or as a task, all at once, until a deadline.

A thread cannot be stopped. One whose guard hangs is left behind: it counts among the client's threads until it ends, and a client with too
many of them asks no more guards, so that its calls fail closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from saferoute.drivers.background import Background, Job
from saferoute.drivers.stopping import Stop
from saferoute.guards.pipeline import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.call.effects import Judge
    from saferoute.values.guarding import Context, Guard, Segment

__all__ = ["judge_async", "judge_blocking"]


def judge_blocking(effect: Judge, background: Callable[[], Background] | None) -> list[object]:
    """Ask every guard of the questions in a thread.

    Returns:
        What each returned or raised; None for one that has not answered in time, or for which there was no thread.
    """
    threads = Background() if background is None else background()
    answers: queue.SimpleQueue[tuple[int, object]] = queue.SimpleQueue()
    left = sum(
        threads.start(Job(partial(_answer, question, number, answers.put), Stop(), awaited=False))
        for number, question in enumerate(effect.questions)
    )
    outcomes: list[object] = [None] * len(effect.questions)
    deadline = time.monotonic() + min(effect.seconds, threading.TIMEOUT_MAX)
    while left:
        try:
            number, outcome = answers.get(timeout=max(0.0, deadline - time.monotonic()))
        except queue.Empty:
            break
        outcomes[number] = outcome
        left -= 1
    return outcomes


def _answer(question: tuple[Guard, Segment, Context], number: int, tell: Callable[[tuple[int, object]], None]) -> None:
    guard, segment, context = question
    check = getattr(guard, "acheck", None)
    tell((number, ask(guard, segment, context) if check is None else _run(check, segment, context)))


def _run(check: Callable[..., Any], segment: Segment, context: Context) -> object:
    """Run a guard that only has a coroutine, in a loop of this thread's own."""
    try:
        return asyncio.run(check(segment, context))
    except Exception as error:  # noqa: BLE001  whatever a guard raises is a verdict: it failed
        return error


async def judge_async(effect: Judge, threads: Callable[[], Background]) -> list[object]:
    """As `judge_blocking`: guards with a coroutine `acheck` as tasks of this loop, others in threads.

    Args:
        effect: the questions.
        threads: gives the client's threads for guards that block.
    """
    asked = [_asked(question, threads) for question in effect.questions]
    try:
        _, late = await asyncio.wait(asked, timeout=effect.seconds)
    except BaseException:
        _drop(asked)
        raise
    _drop(late)
    return [None if one in late or one.cancelled() else _outcome(one) for one in asked]


def _drop(asked: Sequence[asyncio.Future[object]] | set[asyncio.Future[object]]) -> None:
    for one in asked:
        one.cancel()


def _asked(question: tuple[Guard, Segment, Context], threads: Callable[[], Background]) -> asyncio.Future[object]:
    guard, segment, context = question
    check = getattr(guard, "acheck", None)
    if check is not None and inspect.iscoroutinefunction(check):
        task: asyncio.Future[object] = asyncio.ensure_future(check(segment, context))
        return task
    loop = asyncio.get_running_loop()
    future: asyncio.Future[object] = loop.create_future()

    def tell(answer: tuple[int, object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits
            loop.call_soon_threadsafe(_settle, future, answer[1])

    if not threads().start(Job(partial(_answer, question, 0, tell), Stop(), awaited=False)):
        future.set_result(None)
    return future


def _settle(future: asyncio.Future[object], outcome: object) -> None:
    if not future.done():
        future.set_result(outcome)


def _outcome(done: asyncio.Future[object]) -> object:
    error = done.exception()
    return done.result() if error is None else error
