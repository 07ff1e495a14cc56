"""Opening a connection, for asyncio: as `saferoute.drivers.transport_connect`, with the event loop's own TLS."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Final, cast

from saferoute.drivers.address import look_up
from saferoute.drivers.pool import prepare
from saferoute.drivers.tls import check_pins
from saferoute.drivers.transport_connection import Connection
from saferoute.drivers.transport_site import connect_failed, timed_out
from saferoute.drivers.transport_tunnel import TunnelAnswer, connect_request
from saferoute.drivers.transport_tunnel_async import Tunnel

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Sequence

    from saferoute.drivers.address import Resolver
    from saferoute.drivers.tls import ClientTls
    from saferoute.drivers.transport_site import Hop, Site
    from saferoute.values.http import Clocks

__all__ = ["AsyncConnector", "Lookup"]

_RECEIVE_BYTES: Final = 4_096


class Lookup:
    """Looks hosts up for all who wait for one site at the same time, once."""

    __slots__ = ("_under_way",)

    def __init__(self) -> None:
        self._under_way: asyncio.Future[Sequence[str] | Exception] | None = None

    async def find(self, loop: asyncio.AbstractEventLoop, resolver: Resolver, hop: Hop) -> Sequence[str] | Exception:
        """What the resolver says about a place, in a thread."""
        answer = self._under_way
        if answer is None:
            answer = self._under_way = loop.create_future()
            waiting = answer

            def settle(result: Sequence[str] | Exception) -> None:
                self._under_way = None
                if not waiting.done():
                    waiting.set_result(result)

            def done(result: Sequence[str] | Exception) -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(settle, result)

            look_up(resolver, hop.host, hop.port, done)
        return await asyncio.shield(answer)


class AsyncConnector:
    """Opens connections. Arguments as `saferoute.drivers.transport_connect.Connector`."""

    __slots__ = ("clock", "resolver", "tls")

    def __init__(self, tls: ClientTls, clock: Callable[[], float], resolver: Resolver) -> None:
        self.tls = tls
        self.clock = clock
        self.resolver = resolver

    async def connect(self, loop: asyncio.AbstractEventLoop, site: Site, lookup: Lookup, clocks: Clocks) -> Connection:
        """As Connector.connect, for one event loop; lookups that are under way are shared."""
        left = clocks.deadline - self.clock()
        total = left < clocks.connect
        if left <= 0:
            raise timed_out(clocks, "connect", total=True, sent=False)
        allowance = left if total else clocks.connect
        opening = _Opening(self, loop, site, self.clock() + allowance)
        failure: OSError | None = None
        limit = asyncio.timeout(allowance)
        try:
            async with limit:
                return await opening.run(lookup)
        except OSError as error:  # TimeoutError is one
            failure = error.with_traceback(None)
        if limit.expired() or isinstance(failure, TimeoutError):  # the time for one address may end just before the time for all
            raise timed_out(clocks, "connect", total=total, sent=False)
        raise connect_failed(opening.hop, failure)


class _Opening:
    """One connection that is being opened, up to a point in time; `hop` is whom it is about at the moment."""

    __slots__ = ("_clock", "_ends", "_loop", "_resolver", "_site", "_tls", "hop")

    def __init__(self, connector: AsyncConnector, loop: asyncio.AbstractEventLoop, site: Site, ends: float) -> None:
        self.hop: Hop = site.first
        self._loop = loop
        self._site = site
        self._ends = ends
        self._tls = connector.tls
        self._clock = connector.clock
        self._resolver = connector.resolver

    async def run(self, lookup: Lookup) -> Connection:
        """Do all of it.

        Raises:
            OSError: the last address's failure, or TLS's.
        """
        hop, site = self.hop, self._site
        for place in (hop, site):
            if place.secure:  # made now and kept, so that roots which cannot be loaded are seen before anybody is spoken to
                self._tls.context(place.tls)
        addresses = hop.checked((hop.host,) if hop.is_ip else await lookup.find(self._loop, self._resolver, hop))
        sock = await self._reach(addresses)
        if site.proxy is None:
            return await self._open_on(sock)
        if site.proxy.secure:
            return await self._open_within(sock, site.proxy)
        try:
            await self._ask(sock, site.proxy)
        except BaseException:
            sock.close()
            raise
        self.hop = site
        return await self._open_on(sock)

    async def _reach(self, addresses: tuple[str, ...]) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time that is left."""
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            sock: socket.socket | None = None
            try:
                sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
                sock.settimeout(0)
                async with asyncio.timeout((self._ends - self._clock()) / (len(addresses) - tried)):
                    await self._loop.sock_connect(sock, (address, self.hop.port))
                prepare(sock)
            except BaseException as error:
                if sock is not None:
                    sock.close()
                if not isinstance(error, OSError):
                    raise
                failure = error.with_traceback(None)
                continue
            return sock
        raise failure or ConnectionRefusedError

    async def _ask(self, sock: socket.socket, proxy: Hop) -> None:
        """Have a proxy that is spoken to in the clear connect to the origin."""
        await self._loop.sock_sendall(sock, connect_request(self._site))
        answer, is_open = TunnelAnswer(self._site, proxy), False
        while not is_open:
            is_open = answer.feed(await self._loop.sock_recv(sock, _RECEIVE_BYTES))

    async def _open_on(self, sock: socket.socket) -> Connection:
        """Give a socket to the loop, under TLS for the origin's host name if the origin wants it."""
        site, loop = self._site, self._loop

        def make() -> Connection:
            return Connection(sock, site, loop, self._clock)

        if not site.secure:
            return (await loop.create_connection(make, sock=sock))[1]
        transport, connection = await loop.create_connection(
            make, sock=sock, ssl=self._tls.context(site.tls), server_hostname=site.host, ssl_handshake_timeout=self._patience(),
            ssl_shutdown_timeout=1.0,
        )  # fmt: skip
        _check_pins(site, transport)
        return connection

    async def _open_within(self, sock: socket.socket, proxy: Hop) -> Connection:
        """As _open_on, within TLS with a proxy, which is asked to connect to the origin first."""
        site, loop = self._site, self._loop
        transport, tunnel = await loop.create_connection(
            lambda: Tunnel(loop, site, proxy), sock=sock, ssl=self._tls.context(proxy.tls), server_hostname=proxy.host,
            ssl_handshake_timeout=self._patience(), ssl_shutdown_timeout=1.0,
        )  # fmt: skip
        _check_pins(proxy, transport)
        try:
            await tunnel.ask()
            self.hop = site
            await tunnel.secure(self._tls.context(site.tls), site.host)
        except BaseException:
            transport.abort()
            raise
        _check_pins(site, tunnel)
        connection = Connection(sock, site, loop, self._clock)
        tunnel.attach(connection)
        return connection

    def _patience(self) -> float:
        return max(self._ends - self._clock(), 0.0) + 1.0  # the caller's clock comes first


def _check_pins(hop: Hop, transport: asyncio.Transport | Tunnel) -> None:
    tls = cast("ssl.SSLObject", transport.get_extra_info("ssl_object"))
    try:
        check_pins(hop.label, hop.tls, tls.getpeercert(binary_form=True))
    except BaseException:
        transport.abort()
        raise
