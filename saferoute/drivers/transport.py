"""The blocking transport: one request over one socket, from our own pool, with the key added at the last moment.

It knows no redirects, cookies or environment variables, and no proxy but one that a row of the signed table names. `Transport` in
`saferoute.drivers.exchange` is what it implements.
"""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from saferoute.drivers.address import resolve_with_system
from saferoute.drivers.pool import IdleList, PoolLimits, cut, readability
from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport_answer import MAX_TAIL_PIECES, NO_HEAD, TAIL_GRACE, Answer, reader_factory
from saferoute.drivers.transport_connect import Connector
from saferoute.drivers.transport_request import altered, head_of, write_request
from saferoute.drivers.transport_site import Site, interrupted, timed_out
from saferoute.drivers.transport_tunnel_tls import TlsInTls
from saferoute.errors import ConfigurationError, ProtocolError, TransportError
from saferoute.wire.http1 import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.address import Resolver
    from saferoute.drivers.exchange import Transport
    from saferoute.drivers.stopping import Stop
    from saferoute.drivers.transport_answer import Parser, Reader
    from saferoute.drivers.transport_connect import Line
    from saferoute.secrets.secret import CredentialSource
    from saferoute.values.http import Clocks, HttpRequest, NetClass

__all__ = ["BlockingTransport"]

_RECEIVE_BYTES: Final = 65_536
_NO_POOL: Final = (None, None)


class _Connection:
    """A connected socket."""

    __slots__ = ("_clock", "_readable", "_recv", "_timeout", "idle_since", "site", "sock")

    def __init__(self, sock: Line, site: Site, clock: Callable[[], float]) -> None:
        self.sock = sock
        self.site = site
        self.idle_since = 0.0
        self._clock = clock
        self._recv = sock.recv
        self._readable = sock.readability() if isinstance(sock, TlsInTls) else readability(sock)
        self._timeout = -1.0  # none of ours yet

    def is_fresh(self) -> bool:
        """As Pooled.is_fresh."""
        return not self._readable()

    def discard(self) -> None:
        """Close the file descriptor. No TLS goodbye: in a forked child it would end the parent's session."""
        self.sock.close()

    def let_stop(self, stop: Stop) -> None:
        """Let another thread end it.

        Raises:
            StreamInterrupted: it is to end already.
        """
        sock = self.sock
        stop.attach(sock.cut if isinstance(sock, TlsInTls) else partial(cut, sock))

    def limit(self, allowance: float, clock: str, clocks: Clocks, *, sent: bool) -> bool:
        """Set the time limit of the next step; return whether it is the total deadline that limits.

        Raises:
            TimedOut: the deadline has passed.
        """
        left = clocks.deadline - self._clock()
        total = left < allowance
        if total:
            if left <= 0:
                raise timed_out(clocks, clock, total=True, sent=sent)
            allowance = left
        if allowance != self._timeout:
            self.sock.settimeout(allowance)
            self._timeout = allowance
        return total

    def receive(self, allowance: float, clock: str, clocks: Clocks, *, answered: bool) -> bytes:
        """The next bytes; b"" at the end of the connection.

        Raises:
            TimedOut: nothing came in time.
            StreamInterrupted: the connection broke.
        """
        total = self.limit(allowance, clock, clocks, sent=True)
        try:
            return self._recv(_RECEIVE_BYTES)
        except TimeoutError:
            late = True
        except OSError:
            late = False
        if late:
            raise timed_out(clocks, clock, total=total, sent=True)
        raise interrupted(self.site, answered=answered)


class _Exchange(Answer):
    """An answer with the connection that it comes over; `Exchange` is what it implements."""

    __slots__ = ("_clocks", "_connection", "_pool", "_stop")

    def __init__(self, connection: _Connection, pool: _Pool, reader: Reader, max_body: int, clocks: Clocks, *, stop: Stop | None) -> None:
        super().__init__(reader, pool.site, max_body)
        self._connection: _Connection | None = connection
        self._pool = pool
        self._clocks = clocks
        self._stop = stop

    def read(self) -> bytes:
        """As Exchange.read."""
        clocks = self._clocks
        try:
            if self.pending:
                piece = self.next_piece()
                if piece:
                    return piece
            while (connection := self._connection) is not None:
                piece = self.feed(connection.receive(clocks.idle, "idle", clocks, answered=True))
                if self.reader.done:
                    self.release(connection, reuse=True)
                if piece:
                    return piece
        except BaseException:
            self.close()
            raise
        return b""

    def finish(self) -> None:
        """As Exchange.finish."""
        try:
            for _ in range(MAX_TAIL_PIECES):
                connection = self._connection
                if connection is None:
                    return
                self.feed(connection.receive(TAIL_GRACE, "idle", self._clocks, answered=True))
                if self.reader.done:
                    self.release(connection, reuse=True)
        except (TransportError, ProtocolError):
            pass  # a new connection costs more than a moment's wait, and less than an error would
        finally:
            self.close()

    def release(self, connection: _Connection, *, reuse: bool) -> None:
        """Let go of the connection: the answer is whole."""
        self._connection = None
        if self._stop is not None:
            self._stop.detach()  # before somebody else has the connection, or its number
        if reuse and self.reader.reusable:
            self._pool.idle.put(connection, self._pool.clock())
        else:
            connection.discard()

    def close(self) -> None:
        """As Exchange.close."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._stop is not None:
                self._stop.detach()
            connection.discard()


class _Pool:
    """A site with its idle connections."""

    __slots__ = ("clock", "idle", "site")

    def __init__(self, site: Site, limits: PoolLimits, clock: Callable[[], float]) -> None:
        self.site = site
        self.idle: IdleList[_Connection] = IdleList(limits)
        self.clock = clock


class BlockingTransport:
    """Sends requests over sockets of its own, from any thread.

    Args:
        credentials: where keys come from; None for requests that need none.
        limits: what an answer may be at most.
        pool: how many idle connections are kept, and how long.
        parser: "own", or "h11" for a second opinion at several times the cost.
        tls: the TLS context; share one among transports, making it is dear.
        clock: monotonic seconds; `Clocks.deadline` is on it.
        wall: seconds since the epoch, for signatures.
        resolver: from host and port to addresses.
    """

    def __init__(
        self,
        credentials: CredentialSource | None,
        *,
        limits: Limits = Limits(),  # noqa: B008  frozen
        pool: PoolLimits = PoolLimits(),  # noqa: B008  frozen
        parser: Parser = "own",
        tls: ClientTls | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        resolver: Resolver = resolve_with_system,
    ) -> None:
        self._credentials = credentials
        self._limits = limits
        self._pool_limits = pool
        self._reader = reader_factory(parser)
        self._connector = Connector(tls or ClientTls(), clock, resolver)
        self._clock = clock
        self._wall = wall
        self._pools: dict[tuple[str, NetClass], _Pool] = {}
        # The last pool of each origin: spares hashing the net class, which is nearly always the same object.
        self._recent: dict[str, tuple[NetClass, _Pool]] = {}
        self._pid = os.getpid()
        self._closed = False

    def open(self, request: HttpRequest, clocks: Clocks, stop: Stop | None = None) -> _Exchange:
        """As Transport.open; `stop` breaks it off, and what it returns."""
        if os.getpid() != self._pid:
            self._forget_inherited()
        if clocks.approved is not None and (refusal := altered(request, clocks)) is not None:
            raise refusal
        net, pool = self._recent.get(request.origin, _NO_POOL)
        if pool is None or net is not request.net:
            pool = self._find_pool(request)
        site, limits = pool.site, self._limits
        head = head_of(request, site.fixed, site.heads)
        connection = pool.idle.take(self._clock()) or self._connect(site, clocks, stop)
        exchange = _Exchange(connection, pool, self._reader(limits, site.lines), limits.max_body, clocks, stop=stop)
        try:
            if stop is not None:
                connection.let_stop(stop)
            failure = self._write(connection, request, head, clocks)
            exchange.feed(connection.receive(clocks.first_byte, "first_byte", clocks, answered=False))
            while exchange.head is NO_HEAD:
                exchange.feed(connection.receive(clocks.idle, "idle", clocks, answered=False))
            if exchange.reader.done:
                exchange.release(connection, reuse=failure is None)
        except BaseException:
            exchange.close()
            raise
        return exchange

    def stoppable(self, stop: Stop) -> Transport:
        """As Stoppable.stoppable."""
        return _Stopped(self, stop)

    def connected(self) -> int:
        """How many connections are kept open for further requests."""
        return sum(len(pool.idle) for pool in list(self._pools.values()))

    def close(self) -> None:
        """Close every idle connection; one that is in use closes when its answer ends."""
        self._closed = True
        for pool in list(self._pools.values()):
            pool.idle.close()

    def _find_pool(self, request: HttpRequest) -> _Pool:
        pool = self._pools.get((request.origin, request.net))
        if pool is None:
            if self._closed:
                raise ConfigurationError("this client is closed; make a new one")
            pool = _Pool(Site(request.origin, request.net), self._pool_limits, self._clock)
            pool = self._pools.setdefault((request.origin, request.net), pool)
        self._recent[request.origin] = (request.net, pool)
        return pool

    def _forget_inherited(self) -> None:
        """In a forked child: the inherited connections are the parent's. Close our descriptors of them and say nothing on them."""
        inherited, self._pools, self._recent, self._pid = self._pools, {}, {}, os.getpid()
        for pool in inherited.values():
            for connection in pool.idle.empty():
                connection.discard()

    def _connect(self, site: Site, clocks: Clocks, stop: Stop | None) -> _Connection:
        if self._closed:
            raise ConfigurationError("this client is closed; make a new one")
        return _Connection(self._connector.connect(site, clocks, stop), site, self._clock)

    def _write(self, connection: _Connection, request: HttpRequest, head: bytes, clocks: Clocks) -> OSError | None:
        """Write the request; return the error of a connection that broke meanwhile, since its answer may have come all the same."""
        total = connection.limit(clocks.first_byte, "first_byte", clocks, sent=False)

        def before_piece() -> None:
            connection.limit(clocks.first_byte, "first_byte", clocks, sent=True)

        failure = write_request(request, head, self._credentials, connection.sock.sendall, before_piece, wall=self._wall)
        if failure is None:
            return None
        if isinstance(failure, TimeoutError):
            raise timed_out(clocks, "first_byte", total=total, sent=True)
        if isinstance(failure, OSError):
            return failure
        raise failure


class _Stopped:
    """A BlockingTransport as one flow sees it that another thread may stop."""

    __slots__ = ("_stop", "_transport")

    def __init__(self, transport: BlockingTransport, stop: Stop) -> None:
        self._transport = transport
        self._stop = stop

    def open(self, request: HttpRequest, clocks: Clocks) -> _Exchange:
        """As Transport.open."""
        return self._transport.open(request, clocks, self._stop)

    def stoppable(self, stop: Stop) -> Transport:
        """As Stoppable.stoppable."""
        return _Stopped(self._transport, stop)

    def close(self) -> None:
        """As Transport.close."""
        self._transport.close()
