"""The threads and tasks beside calls, of either client."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import pytest

from saferoute.drivers import background as module
from saferoute.drivers.background import Background, Job
from saferoute.drivers.background_async import AsyncBackground
from saferoute.drivers.stopping import Stop


def job(work: Callable[[], None], *, awaited: bool = False) -> Job:
    return Job(work, Stop(), awaited=awaited)


def until(done: Callable[[], object]) -> None:
    ends = time.monotonic() + 5
    while not done():
        assert time.monotonic() < ends
        time.sleep(0.002)


# ------------------------------------------------------------------------------------------------ threads


def test_no_thread_before_the_first_use_and_none_after_close() -> None:
    background, seen = Background(), cast("list[threading.Thread]", [])
    work = job(lambda: seen.append(threading.current_thread()))
    assert background.start(work)
    assert work.done.wait(5)
    assert seen[0].daemon
    assert seen[0].name == "saferoute-beside"
    background.close()
    until(lambda: not seen[0].is_alive())
    assert not background.start(job(lambda: None))


def test_a_thread_is_used_again() -> None:
    background, seen = Background(), cast("list[int]", [])
    for _ in range(5):
        work = job(lambda: seen.append(threading.get_ident()))
        assert background.start(work)
        until(lambda: background._idle)
    assert len(set(seen)) == 1
    background.close()


def test_an_idle_thread_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.01)
    background, seen = Background(), cast("list[threading.Thread]", [])
    assert background.start(job(lambda: seen.append(threading.current_thread())))
    until(lambda: seen and not seen[0].is_alive())
    assert background._idle == []
    assert background.start(job(lambda: None))
    background.close()


def test_a_job_that_comes_as_a_thread_gives_up_waiting_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_IDLE", 0.0)
    background, done = Background(), threading.Event()
    inbox: Any = module.queue.SimpleQueue()
    threading.Timer(0.02, inbox.put, [job(done.set)]).start()
    found = background._next(inbox)  # not among the idle ones: somebody has taken it out, and is about to give it something
    assert found is not None
    found.run()
    assert done.is_set()


def test_a_full_pool_takes_nothing_more_and_counts_what_nobody_waits_for() -> None:
    let, background = threading.Event(), Background(most=3, most_spawned=2)
    waiting = partial(let.wait, 10)
    assert background.spawn(job(cast("Any", waiting)))
    assert background.spawn(job(cast("Any", waiting)))
    assert not background.spawn(job(cast("Any", waiting)))  # two at most
    assert background.left_out == 1
    assert background.start(job(cast("Any", waiting), awaited=True))
    assert not background.start(job(cast("Any", waiting), awaited=True))  # three in all
    assert background.left_out == 1
    let.set()
    until(lambda: not background._running)
    assert background.spawn(job(lambda: None))
    background.close()
    assert not background.spawn(job(lambda: None))
    assert background.left_out == 2
    assert background._spawned == set()


def test_a_pool_that_is_full_of_awaited_jobs_leaves_out_the_others() -> None:
    let, background = threading.Event(), Background(most=1)
    assert background.start(job(cast("Any", partial(let.wait, 10)), awaited=True))
    assert not background.spawn(job(lambda: None))
    assert background.left_out == 1
    let.set()
    background.close()


@pytest.mark.parametrize("error", [RuntimeError("can't start new thread"), KeyboardInterrupt()])
def test_a_thread_that_cannot_begin_takes_no_room(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def start(_: threading.Thread) -> None:
        raise error

    background = Background(most=1)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        if isinstance(error, RuntimeError):
            assert not background.start(job(lambda: None))
        else:
            with pytest.raises(KeyboardInterrupt):
                background.start(job(lambda: None))
    assert background.start(job(lambda: None))
    background.close()


def test_what_a_job_raises_ends_there(caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> None:
        raise SystemExit("a prompt")

    background, work = Background(), job(broken)
    with caplog.at_level(logging.DEBUG, "saferoute"):
        assert background.start(work)
        assert work.done.wait(5)
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (logging.DEBUG, "saferoute: what ran beside a call ended with SystemExit")
    ]
    assert caplog.records[0].exc_info is None
    assert background.start(job(lambda: None))
    background.close()


def test_a_job_has_the_context_of_whoever_began_it() -> None:
    from contextvars import ContextVar

    where: ContextVar[str] = ContextVar("where")
    where.set("the caller")
    background, seen = Background(), cast("list[str]", [])
    work = job(lambda: seen.append(where.get()))
    assert background.start(work)
    assert work.done.wait(5)
    assert seen == ["the caller"]
    background.close()


@pytest.mark.timed
def test_close_leaves_what_a_caller_waits_for_to_the_caller() -> None:
    let, background = threading.Event(), Background()
    work = job(cast("Any", partial(let.wait, 30)), awaited=True)
    assert background.start(work)
    began = time.monotonic()
    background.close(20.0)
    assert time.monotonic() - began < 5
    assert not work.stop.fired
    let.set()
    assert work.done.wait(5)


@pytest.mark.timed
def test_close_in_one_of_its_own_threads_does_not_wait_for_itself() -> None:
    background = Background()
    began = time.monotonic()
    work = job(partial(background.close, 20.0))
    assert background.start(work)
    assert work.done.wait(10)
    assert time.monotonic() - began < 5
    assert not work.stop.fired


def test_retiring_stops_nothing() -> None:
    let, background = threading.Event(), Background()
    work = job(cast("Any", partial(let.wait, 10)))
    assert background.spawn(work)
    background.retire()
    assert not work.stop.fired
    assert not background.start(job(lambda: None))
    let.set()
    assert work.done.wait(5)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
@pytest.mark.parametrize("first", ["start", "spawn", "retire"])
def test_a_forked_child_begins_with_nothing_running(first: str) -> None:
    let, background = threading.Event(), Background(most=1, most_spawned=1)
    assert background.spawn(job(cast("Any", partial(let.wait, 10))))
    background._lock.acquire()  # held by another thread of the parent, as far as the child can tell
    child = os.fork()
    if child == 0:
        works = False
        try:
            if first == "retire":
                background.retire()
                works = not background.start(job(lambda: None))
            else:
                work = job(lambda: None)
                works = getattr(background, first)(work) and work.done.wait(5)
        finally:
            os._exit(0 if works else 1)
    background._lock.release()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    let.set()
    background.close()


def test_importing_it_begins_nothing() -> None:
    import subprocess

    program = (
        "import threading, saferoute.drivers.background, saferoute.drivers.background_async, saferoute.drivers.racing\n"
        "import saferoute.drivers.racing_async, saferoute.drivers.stopping\n"
        "saferoute.drivers.background.Background()\n"
        "print(threading.active_count())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "1\n"


def test_the_blocking_driver_does_not_load_asyncio() -> None:
    import subprocess

    program = "import sys, saferoute.drivers.blocking, saferoute.drivers.racing\nprint('asyncio' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "False\n"


# ------------------------------------------------------------------------------------------------ tasks


def test_tasks_of_another_loop_are_stopped_and_not_waited_for() -> None:
    background, ended = AsyncBackground(), threading.Event()
    elsewhere = asyncio.new_event_loop()
    thread = threading.Thread(target=elsewhere.run_forever)
    thread.start()

    async def long() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def begin() -> None:
        assert background.spawn(long)
        await asyncio.sleep(0)

    asyncio.run_coroutine_threadsafe(begin(), elsewhere).result(5)
    asyncio.run(background.close())
    assert ended.wait(5)
    elsewhere.call_soon_threadsafe(elsewhere.stop)
    thread.join()
    elsewhere.close()


def test_a_task_of_a_loop_that_is_closed_is_left_alone() -> None:
    background, loop = AsyncBackground(), asyncio.new_event_loop()

    async def begin() -> None:
        assert background.spawn(partial(asyncio.sleep, 60))

    loop.run_until_complete(begin())
    (task,) = background._spawned
    loop.close()
    asyncio.run(background.close())
    cast("Any", task)._log_destroy_pending = False  # on purpose


@pytest.mark.timed
def test_a_task_that_closes_its_own_client_does_not_wait_for_itself() -> None:
    background = AsyncBackground()

    async def scenario() -> None:
        began = time.monotonic()
        assert background.spawn(partial(background.close, 20.0))
        (task,) = background._spawned
        await task
        assert time.monotonic() - began < 5
        assert background._spawned == set()

    asyncio.run(scenario())


def test_tasks_are_the_parents_after_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(first: str) -> None:
        background, pid = AsyncBackground(most=1), os.getpid()
        assert background.spawn(partial(asyncio.sleep, 60))
        (task,) = background._spawned
        monkeypatch.setattr("saferoute.drivers.background_async.os.getpid", lambda: pid + 1)
        if first == "spawn":
            assert background.spawn(partial(asyncio.sleep, 0))
        elif first == "keep":
            await background.keep(partial(asyncio.sleep, 0))
        else:
            await background.close()
        assert task not in background._spawned
        assert not task.cancelling()
        task.cancel()
        monkeypatch.undo()

    for first in ("spawn", "keep", "close"):
        asyncio.run(scenario(first))
