"""TLS inside a TLS connection to a proxy, for the blocking transport. asyncio has this of its own."""

from __future__ import annotations

import ssl
import time
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.drivers.pool import cut, readability

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TlsInTls"]

_RECEIVE_BYTES: Final = 65_536
T = TypeVar("T")


class TlsInTls:
    """As much of a socket's face as the transport uses. A time limit holds for a whole call, as that of `ssl.SSLSocket` does.

    Args:
        outer: the connection to the proxy; it is closed with this one.
        context: for the origin.
        host: the origin's host, for its certificate.
    """

    __slots__ = ("_incoming", "_inner", "_outer", "_outgoing", "_timeout")

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, host: str) -> None:
        self._outer = outer
        self._timeout = 0.0
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)

    def settimeout(self, seconds: float) -> None:
        """Set how long the next call may take."""
        self._timeout = seconds

    def do_handshake(self) -> None:
        """Shake hands with the origin.

        Raises:
            OSError: TLS does not come about, the connection broke, or the time is over.
        """
        self._until(self._inner.do_handshake)

    def recv(self, size: int) -> bytes:
        """The next bytes; b"" after TLS's goodbye.

        Raises:
            OSError: the connection broke or ended without that goodbye, or the time is over.
        """
        try:
            return self._until(lambda: self._inner.read(size))
        except ssl.SSLZeroReturnError:
            return b""

    def sendall(self, data: bytes) -> None:
        """Send everything.

        Raises:
            OSError: the connection broke, or the time is over.
        """
        rest = memoryview(data)
        while rest:
            part = rest
            rest = rest[self._until(lambda: self._inner.write(part)) :]  # noqa: B023  called at once

    def getpeercert(self) -> bytes | None:
        """The origin's own certificate, as DER."""
        return self._inner.getpeercert(binary_form=True)

    def readability(self) -> Callable[[], object]:
        """As pool.readability, with what was received and not yet decrypted."""
        readable, outer, incoming = readability(self._outer), self._outer, self._incoming
        return lambda: incoming.pending or outer.pending() or readable()

    def cut(self) -> None:
        """As pool.cut."""
        cut(self._outer)

    def close(self) -> None:
        """Close the file descriptor, without a goodbye on either layer."""
        self._outer.close()

    def _until(self, step: Callable[[], T]) -> T:
        ends = time.monotonic() + self._timeout
        while True:
            try:
                done = step()
            except ssl.SSLWantReadError:
                self._flush(ends)
                self._fill(ends)
            else:
                self._flush(ends)
                return done

    def _flush(self, ends: float) -> None:
        if self._outgoing.pending:
            self._limit(ends)
            self._outer.sendall(self._outgoing.read())

    def _fill(self, ends: float) -> None:
        self._limit(ends)
        data = self._outer.recv(_RECEIVE_BYTES)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _limit(self, ends: float) -> None:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._outer.settimeout(left)
