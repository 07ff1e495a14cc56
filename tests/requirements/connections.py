"""Sees every connection that this process begins, whoever begins it, and refuses those that are not allowed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from weakref import ref

from tests.support.audited import audited


@dataclass
class Watched:
    """What was begun.

    Attributes:
        allowed: ports of this machine that may be connected to; None for any address at all.
        connects: every address, in order, the refused ones too.
        refused: what was not allowed.
        names: every host name that was looked up.
        sockets: what was connected, as long as it lives.
    """

    allowed: frozenset[int] | None
    connects: list[Any] = field(default_factory=list)
    refused: list[Any] = field(default_factory=list)
    names: list[Any] = field(default_factory=list)
    sockets: list[ref[Any]] = field(default_factory=list)

    def open_sockets(self) -> int:
        """How many of the sockets still hold a file descriptor."""
        return sum(1 for known in self.sockets if (sock := known()) is not None and sock.fileno() >= 0)


def _watch(watched: Watched, event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.getaddrinfo":
        watched.names.append(arguments[0])
    elif event in {"socket.connect", "socket.sendto", "socket.sendmsg"}:
        _note(watched, event, arguments)


def _note(watched: Watched, event: str, arguments: tuple[Any, ...]) -> None:
    address = arguments[1]
    if event != "socket.connect" and address is None:  # on a connection that was seen when it began
        return
    watched.connects.append(address)
    watched.sockets.append(ref(arguments[0]))
    fits = isinstance(address, tuple) and address[0] in {"127.0.0.1", "::1"}
    if watched.allowed is not None and not (fits and address[1] in watched.allowed):
        watched.refused.append(address)
        message = f"this test allows no connection to {address}"
        raise ConnectionRefusedError(message)


@contextmanager
def watched(*ports: int) -> Iterator[Watched]:
    """Watch until the end of the block; with ports, connections anywhere else are refused."""
    seen = Watched(frozenset(ports) or None)
    with audited(partial(_watch, seen)):
        yield seen
