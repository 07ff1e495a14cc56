"""How far a long command has come: one line on stderr, for people only."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Progress"]

_WIDTH: Final = 30
_BETWEEN: Final = 0.1
"""Seconds from one picture to the next."""

_PATIENCE: Final = 0.5
"""Seconds for which nothing is shown: what is over by then needs no bar."""


class Progress:
    """A bar on stderr, if that is a terminal; nothing elsewhere. A context manager: the line is gone at its end.

    Args:
        total: what there is to do, in any unit.
        what: what is counted, such as "rows".
    """

    __slots__ = ("_due", "_shown", "_stream", "_total", "_what")

    def __init__(self, total: int, what: str) -> None:
        self._total = max(1, total)
        self._what = what
        self._stream = sys.stderr
        self._due = time.monotonic() + _PATIENCE if self._stream.isatty() else float("inf")
        self._shown = False

    def at(self, done: int, count: int) -> None:
        """Show that so much of the total is done, and how many of what is counted that was."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + _BETWEEN
        share = min(1.0, done / self._total)
        bar = "#" * round(share * _WIDTH)
        self._stream.write(f"\r[{bar:<{_WIDTH}}] {share:4.0%}  {count:,} {self._what}\x1b[K")
        self._stream.flush()
        self._shown = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
