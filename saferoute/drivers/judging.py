"""Asking guards that may take their time: in threads of the client's or as tasks, many at once, until a deadline.

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
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from saferoute.drivers.background import Background, Job
from saferoute.drivers.stopping import Stop
from saferoute.guards.pipeline import ask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from saferoute.call.effects import Judge
    from saferoute.values.guarding import Context, Guard, Segment

__all__ = ["judge_async", "judge_blocking"]

_MOST_THREADS: Final = 8
"""Threads that ask for one call; a long conversation has more texts than a client has threads."""

_LOOK_UP: Final = 1.0  # seconds; there are systems where Ctrl-C is seen only between two waits


class _Asking:
    """Questions for threads: each takes the next one, until none is left or nobody waits any more."""

    __slots__ = ("_left", "_over", "_tell")

    def __init__(self, questions: Iterable[tuple[int, tuple[Guard, Segment, Context]]], tell: Callable[[int, object], None]) -> None:
        self._left = deque(questions)
        self._over = threading.Event()
        self._tell = tell

    def begin(self, threads: Background) -> bool:
        """Have threads ask; False if there is none for it."""
        wanted = min(len(self._left), _MOST_THREADS)
        return [threads.start(Job(self._work, Stop(), awaited=True)) for _ in range(wanted)].count(True) > 0

    def leave(self) -> None:
        """Let no thread begin with another question."""
        self._over.set()

    def _work(self) -> None:
        while not self._over.is_set():
            try:
                number, question = self._left.popleft()
            except IndexError:
                return
            self._tell(number, _answer(question))


def judge_blocking(effect: Judge, background: Callable[[], Background] | None) -> list[object]:
    """Ask the guards of the questions in threads.

    Returns:
        What each returned or raised; None for one that has not answered in time, or for which there was no thread.

    Raises:
        KeyboardInterrupt, SystemExit: a guard raised it.
    """
    threads = Background() if background is None else background()
    answers: queue.SimpleQueue[tuple[int, object]] = queue.SimpleQueue()
    outcomes: list[object] = [None] * len(effect.questions)
    asking = _Asking(enumerate(effect.questions), lambda number, outcome: answers.put((number, outcome)))
    deadline = time.monotonic() + min(effect.seconds, threading.TIMEOUT_MAX)
    try:
        left = len(outcomes) if asking.begin(threads) else 0
        while left and (wait := deadline - time.monotonic()) > 0:
            try:
                number, outcome = answers.get(timeout=min(wait, _LOOK_UP))
            except queue.Empty:
                continue
            outcomes[number] = _passed_on(outcome)
            left -= 1
    finally:
        asking.leave()
        if background is None:
            threads.retire()
    return outcomes


def _answer(question: tuple[Guard, Segment, Context]) -> object:
    guard, segment, context = question
    try:
        check = getattr(guard, "acheck", None)
        return ask(guard, "check", segment, context) if check is None else asyncio.run(_awaited(check, segment, context))
    except BaseException as error:  # noqa: BLE001  whoever waits decides about it
        return error


async def _awaited(check: Callable[..., Any], segment: Segment, context: Context) -> object:
    try:
        return await check(segment, context)
    except Exception as error:  # noqa: BLE001  whatever a guard raises is a verdict: it failed
        return error


def _passed_on(outcome: object) -> object:
    if isinstance(outcome, KeyboardInterrupt | SystemExit):
        raise outcome
    return outcome


async def judge_async(effect: Judge, threads: Callable[[], Background]) -> list[object]:
    """As `judge_blocking`: guards with a coroutine `acheck` as tasks of this loop, others in threads.

    Args:
        effect: the questions.
        threads: gives the client's threads for guards that block.
    """
    loop = asyncio.get_running_loop()
    futures: list[asyncio.Future[object]] = []
    blocking: list[tuple[int, tuple[Guard, Segment, Context]]] = []
    for number, question in enumerate(effect.questions):
        check = _coroutine_of(question[0])
        if check is None:
            blocking.append((number, question))
            futures.append(loop.create_future())
        else:
            futures.append(asyncio.ensure_future(_awaited(check, *question[1:])))

    def tell(number: int, outcome: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile, and nobody waits
            loop.call_soon_threadsafe(_settle, futures[number], outcome)

    asking = _Asking(blocking, tell)
    try:
        if blocking and not asking.begin(threads()):
            for number, _ in blocking:
                _settle(futures[number], None)
        _, late = await asyncio.wait(futures, timeout=effect.seconds)
    except BaseException:
        _drop(futures)
        raise
    finally:
        asking.leave()
    _drop(late)
    return [None if one in late or one.cancelled() else _passed_on(one.result()) for one in futures]


def _coroutine_of(guard: Guard) -> Callable[..., Any] | None:
    """The guard's coroutine function; None for one that is asked in a thread."""
    try:
        check = getattr(guard, "acheck", None)
    except Exception:  # noqa: BLE001  it is asked in a thread, fails there, and is taken for one that failed
        return None
    return partial(check) if inspect.iscoroutinefunction(check) else None


def _drop(asked: Iterable[asyncio.Future[object]]) -> None:
    for one in asked:
        one.cancel()


def _settle(future: asyncio.Future[object], outcome: object) -> None:
    if not future.done():
        future.set_result(outcome)
