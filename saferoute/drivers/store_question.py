"""Something that a thread asks a store while somebody waits for it, until that one leaves: then what comes of it is taken back.

The thread itself takes it back, so that it is done whatever becomes of the caller: of its thread, or of its event loop.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Question"]

R = TypeVar("R")


class Question(Generic[R]):
    """One question.

    Args:
        work: asks it, and waits for a disk or a network.
        undo: gets what came of it, if nobody waits for that any more.
    """

    __slots__ = ("_ended", "_error", "_left", "_lock", "_result", "_undo", "_work")

    def __init__(self, work: Callable[[], R], undo: Callable[[R], None]) -> None:
        self._work = work
        self._undo = undo
        self._lock = threading.Lock()
        self._ended = self._left = False
        self._result: R | None = None
        self._error: BaseException | None = None

    def ask(self) -> None:
        """Ask it, in a thread that may wait. What the store raises is kept for `answer`."""
        if self._left:
            return
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001  who waits raises it
            self._error = error
        with self._lock:
            self._ended = True
            left = self._left
        if left:
            self.take_back()

    def leave(self) -> bool:
        """Wait no longer: what comes of it is taken back. False if it has ended, and is the caller's."""
        with self._lock:
            self._left = not self._ended
            return self._left

    def take_back(self) -> None:
        """Undo what came of it, in this thread."""
        if self._error is None:
            self._undo(cast("R", self._result))

    def answer(self) -> R:
        """What came of it.

        Raises:
            BaseException: what the store raised.
        """
        if self._error is not None:
            raise self._error
        return cast("R", self._result)
