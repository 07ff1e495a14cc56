"""An event loop in a thread of its own, for asynchronous packages that are asked from many threads and loops."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from concurrent.futures import Future

__all__ = ["OwnLoop"]

T = TypeVar("T")


class OwnLoop:
    """Runs coroutines in one loop. Its thread begins with the first one, and ends with this object or the process."""

    __slots__ = ("__weakref__", "_end", "_lock", "_loop", "_thread")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._end: weakref.finalize[Any, Any] | None = None

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine, in the calling thread."""
        return self._begun(work).result()

    async def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine, in the running loop; if that is cancelled, so is the coroutine."""
        return await asyncio.wrap_future(self._begun(work))

    def _begun(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        with self._lock:
            loop = self._loop
            if loop is None or self._thread is None or not self._thread.is_alive():  # in a forked process the thread is gone
                if self._end is not None:
                    self._end.detach()
                loop = self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_serve, args=(loop,), name="saferoute-guard", daemon=True)
                self._thread.start()
                self._end = weakref.finalize(self, _stop, loop)
            return asyncio.run_coroutine_threadsafe(work, loop)


def _serve(loop: asyncio.AbstractEventLoop) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:  # which cancels what is left, and closes the loop
        runner.get_loop().run_forever()


def _stop(loop: asyncio.AbstractEventLoop) -> None:
    with contextlib.suppress(RuntimeError):  # it has ended already
        loop.call_soon_threadsafe(loop.stop)
