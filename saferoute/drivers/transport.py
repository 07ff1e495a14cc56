"""The blocking transport: one request over one socket, from our own pool, with the key added at the last moment.

It knows no redirects, cookies, proxies or environment variables. `Transport` in `saferoute.drivers.exchange` is what it implements.
"""

from __future__ import annotations

import os
import queue
import select
import socket
import time
from typing import TYPE_CHECKING, cast

from saferoute.drivers.address import look_up, resolve_with_system
from saferoute.drivers.pool import IdleList, PoolLimits
from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport_request import head_of, write_request
from saferoute.drivers.transport_site import (
    RECEIVE_BYTES,
    Site,
    connect_failed,
    interrupted,
    no_such_host,
    not_decodable,
    reader_factory,
    timed_out,
)
from saferoute.errors import ConfigurationError, ConnectFailed, ProtocolError
from saferoute.wire.content_coding import Inflater, coding_of
from saferoute.wire.http1 import Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.drivers.address import Resolver
    from saferoute.drivers.transport_site import Parser, Reader
    from saferoute.secrets.secret import CredentialSource
    from saferoute.values.http import Clocks, Head, HttpRequest, NetClass

__all__ = ["BlockingTransport"]


class _Connection:
    """A connected socket."""

    __slots__ = ("_clock", "_poll", "_timeout", "idle_since", "recv", "site", "sock")

    def __init__(self, sock: socket.socket, site: Site, clock: Callable[[], float]) -> None:
        self.sock = sock
        self.site = site
        self.idle_since = 0.0
        self.recv = sock.recv
        self._clock = clock
        self._timeout: float | None = None
        self._poll = select.poll()
        self._poll.register(sock.fileno(), select.POLLIN)

    def is_fresh(self) -> bool:
        """Nothing to read means: not closed, and no byte that belongs to no request."""
        return not self._poll.poll(0)

    def discard(self) -> None:
        """Close the file descriptor. No TLS goodbye: after a fork it would end the parent's session."""
        self.sock.close()

    def limit(self, allowance: float, name: str, clocks: Clocks, *, sent: bool) -> bool:
        """Set the socket's time limit for the next step; whether it is the total deadline that limits.

        Raises:
            TimedOut: the deadline has passed.
        """
        left = clocks.deadline - self._clock()
        total = left < allowance
        if total:
            if left <= 0:
                raise timed_out(clocks, name, total=True, sent=sent)
            allowance = left
        if allowance != self._timeout:
            self.sock.settimeout(allowance)
            self._timeout = allowance
        return total

    def receive(self, allowance: float, name: str, clocks: Clocks, head: Head | None) -> bytes:
        """The next bytes; b"" at the end of the connection.

        Raises:
            TimedOut: nothing came in time.
            StreamInterrupted: the connection broke.
        """
        total = self.limit(allowance, name, clocks, sent=True)
        late = False
        try:
            return self.recv(RECEIVE_BYTES)
        except TimeoutError:
            late = True
        except OSError:
            pass
        if late:
            raise timed_out(clocks, name, total=total, sent=True)
        raise interrupted(self.site, head)


class _Exchange:
    """An answer that is being read."""

    __slots__ = ("_clocks", "_connection", "_inflater", "_pool", "_reader", "_ready", "head")

    def __init__(self, connection: _Connection, pool: IdleList[_Connection], reader: Reader, clocks: Clocks) -> None:
        self._connection: _Connection | None = connection
        self._pool = pool
        self._reader = reader
        self._clocks = clocks
        self._inflater: Inflater | None = None
        self._ready = b""
        self.head: Head = cast("Head", None)  # set by `begin`, before anybody else sees the exchange

    def begin(self, max_body: int) -> None:
        """Read the head, with whatever of the body comes along."""
        connection, reader, clocks = cast("_Connection", self._connection), self._reader, self._clocks
        data = connection.receive(clocks.first_byte, "first_byte", clocks, None)
        while True:
            if not data:
                raise interrupted(connection.site, None)
            self._ready = reader.feed(data)
            if reader.head is not None:
                break
            data = connection.receive(clocks.idle, "idle", clocks, None)
        self.head = reader.head
        if "content-encoding" in self.head.headers:
            coding = coding_of(self.head.headers["content-encoding"])
            if coding is not None:
                self._inflater = Inflater(coding, max_body)
                self._inflater.feed(self._ready)
                self._ready = b""
        if reader.done:
            self._release()

    def read(self) -> bytes:
        """As Exchange.read."""
        piece = self._ready
        if piece:
            self._ready = b""
            return piece
        if self._connection is None and self._inflater is None:
            return b""
        refused = None
        try:
            return self._next() if self._inflater is None else self._next_decoded(self._inflater)
        except ProtocolError as error:
            refused = not_decodable(error)
        except BaseException:
            self.close()
            raise
        self.close()
        raise refused

    def _next(self) -> bytes:
        connection, reader, clocks = self._connection, self._reader, self._clocks
        if connection is None:
            return b""
        while True:
            data = connection.receive(clocks.idle, "idle", clocks, self.head)
            if not data:
                if not reader.eof():
                    raise interrupted(connection.site, self.head)
                self._release()
                return b""
            piece = reader.feed(data)
            if reader.done:
                self._release()
                return piece
            if piece:
                return piece

    def _next_decoded(self, inflater: Inflater) -> bytes:
        while True:
            if self._clocks.deadline <= 0:
                break
            piece = inflater.piece()
            if piece:
                return piece
            data = self._next()
            if not data:
                break
            inflater.feed(data)
        inflater.finish()
        return b""
