"""Idle connections of one origin: a free list, last in first out.

Our origins are few and known, so a pool is a list; nothing is scanned per request. One list belongs to one transport and, for
asyncio, to one event loop. `append` and `pop` of a list are atomic, so the list needs no lock, and a fork cannot inherit a held one.
"""

from __future__ import annotations

import contextlib
import select
import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IdleList", "PoolLimits", "Pooled", "cut", "prepare", "readability"]

_PROBE_AFTER = 60  # seconds of silence; shorter than what address translators forget


@dataclass(frozen=True, slots=True)
class PoolLimits:
    """How many connections are kept, and for how long.

    Attributes:
        max_idle: idle connections per origin.
        max_age: seconds that a connection may have been idle. Many load balancers close after 60.
    """

    max_idle: int = 1_024
    max_age: float = 50.0


class Pooled(Protocol):
    """A connection, as far as the pool knows it."""

    idle_since: float

    def is_fresh(self) -> bool:
        """Whether the other side has neither closed nor sent anything since the last answer."""

    def discard(self) -> None:
        """Close the connection."""


C = TypeVar("C", bound=Pooled)


class IdleList(Generic[C]):
    """The idle connections of one origin."""

    __slots__ = ("_idle", "_limits", "closed")

    def __init__(self, limits: PoolLimits) -> None:
        self._idle: list[C] = []
        self._limits = limits
        self.closed = False

    def __len__(self) -> int:
        return len(self._idle)

    def take(self, now: float) -> C | None:
        """The connection that was used last and is still good; None if there is none. Stale ones are closed on the way."""
        oldest = now - self._limits.max_age
        while self._idle:
            try:
                connection = self._idle.pop()
            except IndexError:  # another thread took it
                return None
            if connection.idle_since >= oldest and connection.is_fresh():
                return connection
            connection.discard()
        return None

    def put(self, connection: C, now: float) -> None:
        """Keep a connection whose answer was read to its end."""
        connection.idle_since = now
        if len(self._idle) >= self._limits.max_idle:
            connection.discard()
            return
        idle = self._idle
        idle.append(connection)
        if self.closed:  # looked at after the append, so that a close at the same time leaves nothing behind
            self.close()
        elif idle[0] is not connection:
            self._trim(now)

    def close(self) -> None:
        """Close what is idle, and from now on whatever comes back."""
        self.closed = True
        for connection in self.empty():
            connection.discard()

    def _trim(self, now: float) -> None:
        """Close what has been idle too long, at the far end of the list."""
        oldest = now - self._limits.max_age
        try:
            while self._idle[0].idle_since < oldest:
                stale = self._idle.pop(0)
                stale.discard()
        except IndexError:
            return

    def empty(self) -> list[C]:
        """Take every connection out."""
        taken: list[C] = []
        while self._idle:
            try:
                taken.append(self._idle.pop())
            except IndexError:
                break
        return taken


def prepare(sock: socket.socket) -> None:
    """Set what every connection has: no waiting for small packets, and probes while a provider thinks for minutes."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _PROBE_AFTER)


def cut(sock: socket.socket) -> None:
    """End a connection under another thread that reads or writes it: that thread sees its end at once.

    Under TLS, not the socket's own `shutdown`: that one first takes the TLS away, and what the other thread writes next would leave in the
    clear, the key with it.
    """
    with contextlib.suppress(OSError):  # it has ended already
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def readability(sock: socket.socket) -> Callable[[], object]:
    """Make the cheapest function that says whether a socket has something to read, an end or an error included."""
    if hasattr(select, "poll"):
        poller = select.poll()
        poller.register(sock.fileno(), select.POLLIN)
        return partial(poller.poll, 0)
    return lambda: select.select([sock], [], [], 0)[0]
