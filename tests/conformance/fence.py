"""A fence around the network: while it is up, this process can reach the addresses that it lets through, and nothing else."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_REACHES = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
_ASKS = frozenset({"socket.getaddrinfo", "socket.gethostbyname"})
_STARTS = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"})


class Blocked(BaseException):
    """Something tried to leave; no `except Exception` swallows it."""


class Fence:
    """Refuses, by the interpreter's own audit events, whatever way a connection is made.

    Attributes:
        open_to: addresses that may be reached.
        refused: what was tried and refused.
    """

    def __init__(self) -> None:
        self.open_to: set[tuple[str, int]] = set()
        self.refused: list[str] = []
        self._up = False
        sys.addaudithook(self._audit)

    @contextmanager
    def up(self) -> Iterator[Fence]:
        """Put the fence up, letting nothing through at first; what was refused although it was caught fails at the end."""
        self.open_to, self.refused, self._up = set(), [], True
        try:
            yield self
        finally:
            self._up = False
        assert not self.refused, self.refused

    def _audit(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._up:
            return
        if event in _REACHES:
            reached = arguments[1]
            allowed = isinstance(reached, tuple) and tuple(reached[:2]) in self.open_to
        elif event in _ASKS:
            allowed = arguments[0] in {host for host, _ in self.open_to}
        else:
            allowed = event not in _STARTS
        if not allowed:
            self.refused.append(f"{event} {arguments[1:2] if event in _REACHES else arguments[:2]}")
            raise Blocked(self.refused[-1])
