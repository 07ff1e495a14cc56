"""What runs beside the calls of an asyncio client: its tasks. As `saferoute.drivers.background`."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from saferoute.call.effects import Abandoned
from saferoute.drivers.background import GRACE, Background, say_ended

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from saferoute.drivers.exchange import AsyncTransport

__all__ = ["AsyncBackground", "close_all_async"]


class AsyncBackground:
    """An asyncio client's tasks, of whatever event loop. Asyncio itself forgets a task that nobody holds.

    Args:
        most: spawned flows at once.

    Attributes:
        left_out: how many of those found no room.
    """

    __slots__ = ("_closed", "_kept", "_most", "_once", "_pid", "_spawned", "_threads", "left_out")

    def __init__(self, most: int = 64) -> None:
        self._most = most
        self._closed = False
        self.left_out = 0
        self._begin()

    def _begin(self) -> None:
        self._kept: set[asyncio.Task[None]] = set()
        self._once: dict[object, asyncio.Task[None]] = {}
        self._spawned: set[asyncio.Task[None]] = set()
        self._threads: Background | None = None
        self._pid = os.getpid()

    def threads(self) -> Background:
        """Threads for what blocks, made when they are first needed; each ends when it has nothing to do."""
        if self._threads is None:
            self._threads = Background()
        return self._threads

    def keep(self, tidying: Callable[[], Coroutine[object, object, object]]) -> asyncio.Task[None]:
        """Let something come to its end."""
        if os.getpid() != self._pid:
            self._begin()
        task = asyncio.ensure_future(_quietly(tidying))
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    def keep_once(self, whose: object, tidying: Callable[[], Coroutine[object, object, object]]) -> None:
        """Let something come to its end, unless what was kept for the same is still on its way."""
        if os.getpid() != self._pid:
            self._begin()
        last = self._once.get(whose)
        if last is None or last.done() or last.get_loop().is_closed():
            self._once[whose] = self.keep(tidying)

    def spawn(self, work: Callable[[], Coroutine[object, object, object]]) -> bool:
        """Begin something that nobody waits for; False, and counted, if there is no room for it."""
        if os.getpid() != self._pid:
            self._begin()
        if self._closed or len(self._spawned) >= self._most:
            self.left_out += 1
            return False
        task = asyncio.ensure_future(_quietly(work))
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)
        return True

    async def close(self, grace: float = GRACE) -> None:
        """Take nothing more; give what runs a moment to end, then stop it and give it another one. Safe to call twice.

        Tasks of another event loop are stopped and not waited for.

        Args:
            grace: seconds, each time.
        """
        self._closed = True
        if os.getpid() != self._pid:
            self._begin()
        here, this = asyncio.get_running_loop(), asyncio.current_task()
        mine: list[asyncio.Task[None]] = []
        for task in [*self._kept, *self._spawned]:
            loop = task.get_loop()
            if loop is here:
                mine.append(task)
            elif not loop.is_closed():
                loop.call_soon_threadsafe(task.cancel)
        mine = [task for task in mine if task is not this]
        if not mine:
            return
        _, left = await asyncio.wait(mine, timeout=grace)
        running = left & self._spawned
        if running:
            for task in running:
                task.cancel()
            await asyncio.wait(running, timeout=grace)


async def _quietly(work: Callable[[], Coroutine[object, object, object]]) -> None:
    try:
        await work()
    except asyncio.CancelledError:
        pass  # it was stopped, and has tidied up; its task ends with this
    except (Exception, Abandoned) as error:  # noqa: BLE001  nobody is there to hear it
        say_ended(error)


async def close_all_async(transport: AsyncTransport, accounts: Callable[[], None], background: AsyncBackground | None = None) -> None:
    """Let what runs beside calls end, close connections, and then what counts the calls; a store may wait for a disk or a network."""
    if background is not None:
        await background.close()
    await transport.close()
    await asyncio.to_thread(accounts)
