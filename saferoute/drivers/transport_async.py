"""The asyncio transport: as `saferoute.drivers.transport`, over a Protocol of our own.

Connections belong to the event loop that opened them. A transport that is used from a second loop opens that loop's own.
"""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Final, TypeAlias
from weakref import WeakKeyDictionary

from saferoute.drivers.address import resolve_with_system
from saferoute.drivers.pool import IdleList, PoolLimits
from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport_answer import MAX_TAIL_PIECES, NO_HEAD, TAIL_GRACE, Answer, reader_factory
from saferoute.drivers.transport_connect_async import AsyncConnector, Lookup
from saferoute.drivers.transport_request import altered, head_of, write_request
from saferoute.drivers.transport_site import Site
from saferoute.errors import ConfigurationError, ProtocolError, TransportError
from saferoute.wire.http1 import Limits

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.drivers.address import Resolver
    from saferoute.drivers.transport_answer import Parser, Reader
    from saferoute.drivers.transport_connection import Connection
    from saferoute.secrets.secret import CredentialSource
    from saferoute.values.http import Clocks, HttpRequest, NetClass

__all__ = ["AsyncioTransport"]


class _Exchange(Answer):
    """An answer with the connection that it comes over; `AsyncExchange` is what it implements."""

    __slots__ = ("_clocks", "_connection", "_pool")

    def __init__(self, connection: Connection, pool: _Pool, reader: Reader, max_body: int, clocks: Clocks) -> None:
        super().__init__(reader, pool.site, max_body)
        self._connection: Connection | None = connection
        self._pool = pool
        self._clocks = clocks

    async def read(self) -> bytes:
        """As AsyncExchange.read."""
        clocks = self._clocks
        try:
            if self.pending:
                piece = self.next_piece()
                if piece:
                    return piece
            while (connection := self._connection) is not None:
                piece = self.feed(await connection.receive(clocks.idle, "idle", clocks, answered=True))
                if self.reader.done:
                    self.release(connection)
                if piece:
                    return piece
        except BaseException:
            self.drop()
            raise
        return b""

    async def finish(self) -> None:
        """As AsyncExchange.finish."""
        try:
            for _ in range(MAX_TAIL_PIECES):
                connection = self._connection
                if connection is None:
                    return
                self.feed(await connection.receive(TAIL_GRACE, "idle", self._clocks, answered=True))
                if self.reader.done:
                    self.release(connection)
        except (TransportError, ProtocolError):
            pass  # a new connection costs more than a moment's wait, and less than an error would
        finally:
            self.drop()

    def release(self, connection: Connection) -> None:
        """Let go of the connection: the answer is whole."""
        self._connection = None
        if self.reader.reusable and connection.is_quiet():
            self._pool.idle.put(connection, self._pool.clock())
        else:
            connection.discard()

    def drop(self) -> None:
        """Close the connection, unless the answer was whole."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.discard()

    async def close(self) -> None:
        """As AsyncExchange.close."""
        self.drop()

    def abort(self) -> None:
        """As AsyncExchange.abort."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.discard_from_anywhere()


class _Pool:
    """A site with one loop's idle connections to it, and the lookup that is under way."""

    __slots__ = ("clock", "idle", "lookup", "site")

    def __init__(self, site: Site, limits: PoolLimits, clock: Callable[[], float]) -> None:
        self.site = site
        self.idle: IdleList[Connection] = IdleList(limits)
        self.lookup = Lookup()
        self.clock = clock


_Pools: TypeAlias = dict[tuple[str, "NetClass"], _Pool]
_NO_POOL: Final = (None, None)
_Recent: TypeAlias = dict[str, tuple["NetClass", _Pool]]


class AsyncioTransport:
    """Sends requests over asyncio connections of its own.

    Args:
        credentials: where keys come from; None for requests that need none.
        limits: what an answer may be at most.
        pool: how many idle connections are kept, and how long.
        parser: "own", or "h11" for a second opinion at several times the cost.
        tls: the TLS context; share one among transports, making it is dear.
        clock: monotonic seconds; `Clocks.deadline` is on it.
        wall: seconds since the epoch, for signatures.
        resolver: from host and port to addresses; called in a thread.
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
        self._connector = AsyncConnector(tls or ClientTls(), clock, resolver)
        self._clock = clock
        self._wall = wall
        self._by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, _Pools] = WeakKeyDictionary()
        # One loop's last pool of each origin: spares the weak lookup, and hashing the net class, which is nearly always the same object.
        self._recent: tuple[asyncio.AbstractEventLoop | None, _Recent] = (None, {})
        self._pid = os.getpid()
        self._closed = False

    async def open(self, request: HttpRequest, clocks: Clocks) -> _Exchange:
        """As AsyncTransport.open."""
        if os.getpid() != self._pid:
            self._forget_inherited()
        if clocks.approved is not None and (refusal := altered(request, clocks)) is not None:
            raise refusal
        loop = asyncio.get_running_loop()
        known, recent = self._recent
        net, pool = recent.get(request.origin, _NO_POOL) if known is loop else _NO_POOL
        if pool is None or net is not request.net:
            pool = self._find_pool(loop, request)
        site, limits = pool.site, self._limits
        head = head_of(request, site.fixed, site.heads)
        connection = pool.idle.take(self._clock()) or await self._connect(loop, pool, clocks)
        exchange = _Exchange(connection, pool, self._reader(limits, site.lines), limits.max_body, clocks)
        try:
            self._write(connection, request, head)
            if connection.writing:
                await connection.drain(clocks)
            exchange.feed(await connection.receive(clocks.first_byte, "first_byte", clocks, answered=False))
            while exchange.head is NO_HEAD:
                exchange.feed(await connection.receive(clocks.idle, "idle", clocks, answered=False))
            if exchange.reader.done:
                exchange.release(connection)
        except BaseException:
            exchange.drop()
            raise
        return exchange

    def _write(self, connection: Connection, request: HttpRequest, head: bytes) -> None:
        failure = write_request(request, head, self._credentials, connection.write, _nothing, wall=self._wall)
        if failure is not None:
            raise failure

    async def close(self) -> None:
        """Close every idle connection, of every loop; one that is in use closes when its answer ends."""
        self._closed = True
        here = asyncio.get_running_loop()
        for loop, pools in list(self._by_loop.items()):
            for pool in list(pools.values()):
                if loop is here or loop.is_closed():
                    pool.idle.close()
                else:
                    loop.call_soon_threadsafe(pool.idle.close)
        await asyncio.sleep(0)  # asyncio closes the sockets in the next round

    def connected(self) -> int:
        """How many connections are kept open for further requests."""
        return sum(len(pool.idle) for pools in list(self._by_loop.values()) for pool in list(pools.values()))

    def abandon(self) -> None:
        """Close every idle connection without waiting, from any thread: for a client that was dropped without `close`."""
        self._closed = True
        for pools in list(self._by_loop.values()):
            for pool in list(pools.values()):
                for connection in pool.idle.empty():
                    connection.discard_from_anywhere()

    def _find_pool(self, loop: asyncio.AbstractEventLoop, request: HttpRequest) -> _Pool:
        pools = self._by_loop.setdefault(loop, {})
        known, recent = self._recent
        if known is not loop:
            recent = {}
            self._recent = (loop, recent)
            for other in [known for known in self._by_loop if known.is_closed()]:
                for pool in self._by_loop.pop(other, {}).values():
                    pool.idle.close()
        found = pools.get((request.origin, request.net))
        if found is None:
            self._check_open()
            found = pools[request.origin, request.net] = _Pool(Site(request.origin, request.net), self._pool_limits, self._clock)
        recent[request.origin] = (request.net, found)
        return found

    def _check_open(self) -> None:
        if self._closed:
            raise ConfigurationError("this client is closed; make a new one")

    def _forget_inherited(self) -> None:
        """In a forked child: the inherited connections and loops are the parent's."""
        inherited, self._by_loop, self._recent, self._pid = self._by_loop, WeakKeyDictionary(), (None, {}), os.getpid()
        for pools in inherited.values():
            for pool in pools.values():
                for connection in pool.idle.empty():
                    connection.disown()

    async def _connect(self, loop: asyncio.AbstractEventLoop, pool: _Pool, clocks: Clocks) -> Connection:
        self._check_open()
        return await self._connector.connect(loop, pool.site, pool.lookup, clocks)


def _nothing() -> None:
    """Nothing is to be done between pieces: asyncio buffers them."""
