"""Guards that take their time: how many threads, how long, what of them reaches whom."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.call.effects import Judge
from saferoute.drivers.background import Background
from saferoute.drivers.judging import judge_async, judge_blocking
from saferoute.guards import Action, Context, Segment, Verdict
from tests.support.guarded import Saying

ALLOW = Verdict(Action.ALLOW)
CONTEXT = Context("input")


class Asynchronous(Saying):
    """Judges as a coroutine."""

    def __init__(self, answer: Any = ALLOW, seconds: float = 0.0, **options: Any) -> None:
        super().__init__(answer, **options)
        self.seconds = seconds
        self.cancelled = 0
        self.threads: set[int] = set()

    async def acheck(self, segment: Segment, context: Context) -> Any:
        self.threads.add(threading.get_ident())
        try:
            await asyncio.sleep(self.seconds)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return super().check(segment, context)

    def check(self, segment: Segment, context: Context) -> Any:
        raise AssertionError("it has a coroutine")


class Odd(Saying):
    """Its `acheck` is no coroutine function."""

    def __init__(self, acheck: Any) -> None:
        super().__init__()
        self.acheck = acheck


class Unreadable(Saying):
    @property
    def acheck(self) -> Any:
        raise RuntimeError("the quiet word")


def asking(*guards: Any, seconds: float = 5.0, times: int = 1) -> Judge:
    return Judge([(guard, Segment(f"text {number}"), CONTEXT) for number in range(times) for guard in guards], seconds)


def blocking(effect: Judge, threads: Background | None = None) -> list[object]:
    return judge_blocking(effect, None if threads is None else lambda: threads)


def concurrent(effect: Judge, threads: Background | None = None) -> list[object]:
    return asyncio.run(judge_async(effect, lambda: threads or Background()))


pytestmark = pytest.mark.parametrize("ask", [blocking, concurrent])
Ask = Callable[..., list[object]]


def test_answers_come_in_the_order_of_the_questions(ask: Ask) -> None:
    flag, error = Verdict(Action.FLAG, ("x",)), RuntimeError("y")
    slow, quick = Asynchronous(flag, 0.02), Asynchronous(ALLOW)
    assert ask(asking(slow, Saying(error), quick, Saying(lambda *_: None))) == [flag, error, ALLOW, None]


def test_many_questions_need_few_threads_and_each_is_asked_once(ask: Ask) -> None:
    seen: set[int] = set()

    def judge(segment: Segment, _: Context) -> Verdict:
        seen.add(threading.get_ident())
        return ALLOW

    guard, other = Saying(judge), Asynchronous()
    assert ask(asking(guard, other, times=150)) == [ALLOW] * 300
    assert len(seen) <= 8
    assert sorted(text for _, _, text in guard.asked) == sorted(f"text {number}" for number in range(150))
    assert len(other.asked) == 150


@pytest.mark.timed
def test_a_coroutine_is_cancelled_when_the_time_is_over(ask: Ask) -> None:
    guard = Asynchronous(seconds=30)
    began = time.monotonic()
    assert ask(asking(guard, Asynchronous(), seconds=0.05))[0] is None
    assert time.monotonic() - began < 10
    if ask is concurrent:
        assert guard.cancelled == 1


@pytest.mark.timed
def test_a_thread_that_hangs_is_left_behind_and_begins_nothing_more(ask: Ask) -> None:
    free = threading.Event()
    guard = Saying(lambda *_: free.wait(30) and ALLOW)
    began = time.monotonic()
    assert ask(asking(guard, seconds=0.05, times=20)) == [None] * 20
    assert time.monotonic() - began < 10
    free.set()
    time.sleep(0.05)
    assert len(guard.asked) == 8


def test_without_a_thread_nothing_is_said(ask: Ask) -> None:
    full = Background(most=0)
    guard = Saying()
    assert ask(asking(guard, times=2), full) == [None, None]
    assert guard.asked == []


def test_one_thread_is_enough(ask: Ask) -> None:
    assert ask(asking(Saying(), times=5), Background(most=1)) == [ALLOW] * 5


def test_no_time_at_all(ask: Ask) -> None:
    assert ask(asking(Saying(lambda *_: time.sleep(0.2)), seconds=0.0)) == [None]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("kind", [Saying, Asynchronous])
def test_what_ends_a_program_reaches_the_caller(ask: Ask, stop: type[BaseException], kind: type[Saying]) -> None:
    with pytest.raises(stop):
        ask(asking(kind(stop())))


def test_other_base_exceptions_are_failures(ask: Ask) -> None:
    outcome = ask(asking(Saying(asyncio.CancelledError())))[0]
    assert isinstance(outcome, asyncio.CancelledError)
    assert concurrent(asking(Asynchronous(asyncio.CancelledError()))) == [None]


@pytest.mark.parametrize("acheck", [3, lambda *_: ALLOW, lambda: None], ids=["a number", "no coroutine", "no arguments"])
def test_an_acheck_that_is_none_is_a_failure(ask: Ask, acheck: Any) -> None:
    assert isinstance(ask(asking(Odd(acheck)))[0], TypeError)


def test_an_acheck_that_takes_other_arguments_is_a_failure(ask: Ask) -> None:
    async def acheck() -> Verdict:
        return ALLOW

    assert isinstance(ask(asking(Odd(acheck)))[0], TypeError)


def test_a_function_that_gives_a_coroutine_is_awaited(ask: Ask) -> None:
    async def judge() -> Verdict:
        return ALLOW

    assert ask(asking(Odd(lambda *_: judge()))) == [ALLOW]


def test_an_acheck_that_cannot_be_read_is_a_failure(ask: Ask) -> None:
    assert isinstance(ask(asking(Unreadable()))[0], RuntimeError)


def test_coroutines_run_in_the_callers_loop_where_there_is_one(ask: Ask) -> None:
    guard = Asynchronous()
    ask(asking(guard))
    assert (guard.threads == {threading.get_ident()}) == (ask is concurrent)


def test_a_call_that_is_cancelled_cancels_its_guards(ask: Ask) -> None:
    guard, free = Asynchronous(seconds=30), threading.Event()

    async def cancelled() -> None:
        task = asyncio.ensure_future(judge_async(asking(guard, Saying(lambda *_: free.wait(5))), Background))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)
        free.set()

    asyncio.run(cancelled())
    assert guard.cancelled == 1


def test_an_answer_that_comes_too_late_changes_nothing(ask: Ask) -> None:
    free = threading.Event()
    guard = Saying(lambda *_: free.wait(5) and ALLOW)
    assert ask(asking(guard, seconds=0.01)) == [None]
    free.set()  # the loop of the asyncio one is closed by now
    time.sleep(0.01)

    async def in_time() -> None:
        late = threading.Event()
        assert await judge_async(asking(Saying(lambda *_: late.wait(5)), seconds=0.01), Background) == [None]
        late.set()
        await asyncio.sleep(0.02)

    asyncio.run(in_time())
