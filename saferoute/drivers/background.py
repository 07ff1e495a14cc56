"""What runs beside calls: the threads of a blocking client, and the tasks of an asyncio one. Each client owns one of these.

Nothing waits in a queue here. What does not fit is left out, and whoever asked is told.
"""

from __future__ import annotations

import logging
import os
import queue
import threading
import time
from contextvars import copy_context
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.exchange import Transport
    from saferoute.drivers.stopping import Stop

__all__ = ["GRACE", "Background", "Job", "close_all", "say_ended"]

_log = logging.getLogger("saferoute")

GRACE: Final = 1.0
"""Seconds that what still runs gets when a client is closed, and again once it has been told to stop."""

_IDLE: Final = 5.0  # seconds that a thread waits for more to do

_Inbox: TypeAlias = "queue.SimpleQueue[Job | None]"


class Job:
    """Something for a thread to do.

    Attributes:
        stop: makes it stop.
        awaited: whether a caller waits for it; closing a client leaves such jobs to their callers.
        done: set when it has ended.
        thread: the thread that does it; None before it begins.
    """

    __slots__ = ("_context", "_work", "awaited", "done", "stop", "thread")

    def __init__(self, work: Callable[[], None], stop: Stop, *, awaited: bool) -> None:
        self.stop = stop
        self.awaited = awaited
        self.done = threading.Event()
        self.thread: int | None = None
        self._work = work
        self._context = copy_context()  # what a task of asyncio gets, too

    def run(self) -> None:
        """Do it. Whatever it raises ends here."""
        self.thread = threading.get_ident()
        try:
            self._context.run(self._work)
        except BaseException as error:  # noqa: BLE001  nobody is there to hear it
            say_ended(error)
        finally:
            self.done.set()


def say_ended(error: BaseException) -> None:
    """Log how something that nobody waits for has failed: by the name of its class, since its text may hold content."""
    _log.debug("saferoute: what ran beside a call ended with %s", type(error).__name__)


class Background:
    """A blocking client's threads. They begin when there is something to do, end when there has been nothing for a while, and are daemons.

    Safe to use from any thread, and after a fork: the child begins with no thread and nothing running.

    Args:
        most: jobs at once, whatever they are, but for those that are kept.
        most_spawned: jobs at once that nobody waits for from their beginning.
        most_asking: questions to stores at once that are asked in a thread.

    Attributes:
        left_out: how many of those that nobody waits for found no room.
    """

    __slots__ = (
        "_asking", "_closed", "_idle", "_kept", "_lock", "_most", "_most_asking", "_most_spawned", "_pid", "_running", "_spawned",
        "left_out",
    )  # fmt: skip

    def __init__(self, most: int = 64, most_spawned: int = 8, most_asking: int = 64) -> None:
        self._most = most
        self._most_spawned = most_spawned
        self._most_asking = most_asking
        self._closed = False
        self.left_out = 0
        self._begin()

    def _begin(self) -> None:
        self._idle: list[_Inbox] = []
        self._running: set[Job] = set()
        self._spawned: set[Job] = set()
        self._kept: set[Job] = set()
        self._asking = threading.Semaphore(self._most_asking)
        self._lock = threading.RLock()  # a finalizer that closes a client may run in a thread that holds it
        self._pid = os.getpid()  # last: whoever sees it takes the new lock

    def start(self, job: Job) -> bool:
        """Have a job done now; False if there is no room for it."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            if self._closed or len(self._running) >= self._most:
                return False
            self._running.add(job)
            inbox = self._idle.pop() if self._idle else None
        return self._hand(job, inbox)

    def keep(self, job: Job) -> bool:
        """Have a job done that must come to its end, whatever else runs; False if there is no thread for it.

        Nothing stops it, and it is done also once the client is closed: it is short, or waits for a store.
        """
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            self._kept.add(job)
            inbox = self._idle.pop() if self._idle else None
        return self._hand(job, inbox)

    def room_to_ask(self, seconds: float) -> threading.Semaphore | None:
        """Wait for a place among the threads that ask stores something: what to release afterwards, or None when there was none in time.

        A store that stands still costs so many threads and no more. Races have theirs apart: each may have to ask before it can end.
        """
        if os.getpid() != self._pid:
            self._begin()
        asking = self._asking
        return asking if asking.acquire(timeout=min(seconds, threading.TIMEOUT_MAX)) else None

    def _hand(self, job: Job, inbox: _Inbox | None) -> bool:
        """Give a job to a thread that has nothing to do, or else to a new one."""
        if inbox is not None:
            inbox.put(job)
            return True
        inbox = queue.SimpleQueue()
        inbox.put(job)
        try:
            threading.Thread(target=self._serve, args=(inbox,), name="saferoute-beside", daemon=True).start()
        except BaseException as error:
            self._ended(job)
            if isinstance(error, RuntimeError):  # the system has no more threads, or the interpreter is about to end
                return False
            raise
        return True

    def spawn(self, job: Job) -> bool:
        """Have a job done that nobody waits for; False, and counted, if there is no room for it."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            fits = len(self._spawned) < self._most_spawned
            if fits:
                self._spawned.add(job)
        if fits and self.start(job):
            return True
        with self._lock:
            self._spawned.discard(job)
            self.left_out += 1
        return False

    def _ended(self, job: Job) -> None:
        with self._lock:
            self._running.discard(job)
            self._spawned.discard(job)
            self._kept.discard(job)

    def _serve(self, inbox: _Inbox) -> None:
        """What a thread does: one job after the other."""
        while (job := self._next(inbox)) is not None:
            job.run()
            with self._lock:
                self._ended(job)
                if self._closed:
                    return
                self._idle.append(inbox)
            del job  # what it held must not live as long as this thread

    def _next(self, inbox: _Inbox) -> Job | None:
        try:
            return inbox.get(timeout=_IDLE)
        except queue.Empty:
            with self._lock:
                if inbox in self._idle:
                    self._idle.remove(inbox)
                    return None
        return inbox.get()  # something was found for it at the last moment

    def retire(self) -> None:
        """Take nothing more, and let threads end when they have nothing to do. What runs goes on."""
        if os.getpid() != self._pid:
            self._begin()
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for inbox in idle:
            inbox.put(None)

    def close(self, grace: float = GRACE) -> None:
        """Retire; give what nobody waits for a moment to end, then stop it and give it another one. Safe to call twice.

        What is kept gets the first moment, and is not stopped.

        Args:
            grace: seconds, each time.
        """
        self.retire()
        with self._lock:
            jobs = [*self._running, *self._kept]
        left = _wait([job for job in jobs if not job.awaited and job.thread != threading.get_ident()], grace)
        running = [job for job in left if not job.stop.fired and job not in self._kept]
        for job in running:
            job.stop.fire()
        _wait(running, grace)


def _wait(jobs: list[Job], seconds: float) -> list[Job]:
    """Wait for jobs; give those that have not ended by then."""
    ends = time.monotonic() + seconds
    return [job for job in jobs if not job.done.wait(max(0.0, ends - time.monotonic()))]


def close_all(transport: Transport, accounts: Callable[[], None], background: Background | None = None) -> None:
    """Let what runs beside calls end, close connections, and then what counts the calls that they carried."""
    if background is not None:
        background.close()
    transport.close()
    accounts()
