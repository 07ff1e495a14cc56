"""Our transports under httpx's interface, for programs that speak httpx: addresses checked, no proxies, keys from our own source only.

This module imports httpx, so nothing imports it before it is needed. `saferoute.drivers.httpx_bridge` offers the same names.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx
from typing_extensions import override

from saferoute.drivers.transport_request import CREDENTIAL_NAMES, OWN_NAMES, SIGNATURE_NAMES
from saferoute.errors import AddressRefused, ConnectFailed, ProtocolError, RequestError, TimedOut, TransportError
from saferoute.values.http import Clocks, Head, HttpRequest, NetClass

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from saferoute.drivers.exchange import AsyncExchange, AsyncTransport, Exchange, Transport
    from saferoute.errors import SaferouteError
    from saferoute.values.http import AuthScheme

__all__ = ["AsyncHttpxTransport", "HttpxTransport"]

_DEFAULT_SECONDS = 60.0
_TOTAL_SECONDS = 600.0


class _Terms:
    """On which terms httpx's requests are sent: which key, to which addresses, for how long."""

    __slots__ = ("_auth", "_clock", "_net", "_secret", "_total")

    def __init__(self, secret: str | None, auth: AuthScheme, net: NetClass, total: float, clock: Callable[[], float]) -> None:
        self._secret = secret
        self._auth: AuthScheme = auth
        self._net = net
        self._total = total
        self._clock = clock

    def request(self, request: httpx.Request, body: bytes) -> HttpRequest:
        """Make our request of httpx's.

        Raises:
            httpx.LocalProtocolError: it brings a credential, and this transport was given no secret to put in its place.
        """
        headers: list[tuple[str, str]] = []
        for raw_name, raw_value in request.headers.raw:
            name = raw_name.decode("latin-1").lower()
            if name in CREDENTIAL_NAMES:
                if self._secret is None:
                    raise httpx.LocalProtocolError(
                        f"the header {name!r} carries a credential; this transport sends only those of its own source. Give it `secret`"
                    )
            elif name not in OWN_NAMES and not (self._auth == "sigv4" and name in SIGNATURE_NAMES):
                headers.append((name, raw_value.decode("latin-1")))
        url = request.url
        origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
        path = url.raw_path.decode("ascii")
        return HttpRequest(request.method, origin, path, tuple(headers), body, self._secret, self._auth, self._net)

    def clocks(self, request: httpx.Request) -> Clocks:
        """Read httpx's time limits; None there means the default here, never for ever."""
        given = request.extensions.get("timeout") or {}
        read = given.get("read") or _DEFAULT_SECONDS
        return Clocks(given.get("connect") or _DEFAULT_SECONDS, read, read, self._total, self._clock() + self._total)


def _response(head: Head, stream: httpx.SyncByteStream | httpx.AsyncByteStream) -> httpx.Response:
    """Make httpx's response; of a body that was decoded here, what described the coded one is left out."""
    coded = "content-encoding" in head.headers
    drop = ("content-encoding", "content-length", "transfer-encoding") if coded else ()
    headers = [(name, value) for name, value in head.headers.items() if name not in drop]
    return httpx.Response(head.status, headers=headers, stream=stream)


def _translate(error: SaferouteError) -> Exception:
    """Say it in httpx's words; what httpx has no word for stays ours."""
    if isinstance(error, TimedOut):
        return httpx.ConnectTimeout(error.message) if error.clock == "connect" else httpx.ReadTimeout(error.message)
    if isinstance(error, (ConnectFailed, AddressRefused)):
        return httpx.ConnectError(error.message)
    if isinstance(error, (TransportError, ProtocolError)):
        return httpx.RemoteProtocolError(error.message)
    return httpx.LocalProtocolError(error.message)


class _Stream(httpx.SyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @override
    def __iter__(self) -> Iterator[bytes]:
        failure: Exception | None = None
        while failure is None:
            try:
                piece = self._exchange.read()
            except (TransportError, ProtocolError) as error:
                failure = _translate(error)
            else:
                if not piece:
                    return
                yield piece
        raise failure

    @override
    def close(self) -> None:
        self._exchange.close()


class HttpxTransport(httpx.BaseTransport):
    """Our blocking transport as one of httpx's.

    Args:
        transport: ours; it is closed with this one.
        secret: the name of the secret that goes with every request, in place of whatever credential the request brings.
        auth: how it is presented.
        net: which addresses the requests may go to.
        total: seconds for a whole exchange; httpx has no such clock.
        clock: the transport's clock.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        secret: str | None = None,
        auth: AuthScheme = "none",
        net: NetClass = NetClass(),  # noqa: B008  frozen
        total: float = _TOTAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._terms = _Terms(secret, auth, net, total, clock)

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request.

        Raises:
            httpx.TransportError: as httpx's own transports.
            SecretError: no key, or a key that is not bound to the request's origin.
        """
        ours = self._terms.request(request, request.read())
        try:
            exchange = self._transport.open(ours, self._terms.clocks(request))
        except (TransportError, ProtocolError, RequestError) as error:
            failure = _translate(error)
        else:
            return _response(exchange.head, _Stream(exchange))
        raise failure

    @override
    def close(self) -> None:
        self._transport.close()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, exchange: AsyncExchange) -> None:
        self._exchange = exchange

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        failure: Exception | None = None
        while failure is None:
            try:
                piece = await self._exchange.read()
            except (TransportError, ProtocolError) as error:
                failure = _translate(error)
            else:
                if not piece:
                    return
                yield piece
        raise failure

    @override
    async def aclose(self) -> None:
        await self._exchange.close()


class AsyncHttpxTransport(httpx.AsyncBaseTransport):
    """Our asyncio transport as one of httpx's. Arguments as HttpxTransport."""

    def __init__(
        self,
        transport: AsyncTransport,
        *,
        secret: str | None = None,
        auth: AuthScheme = "none",
        net: NetClass = NetClass(),  # noqa: B008  frozen
        total: float = _TOTAL_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._transport = transport
        self._terms = _Terms(secret, auth, net, total, clock)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As HttpxTransport.handle_request."""
        ours = self._terms.request(request, await request.aread())
        try:
            exchange = await self._transport.open(ours, self._terms.clocks(request))
        except (TransportError, ProtocolError, RequestError) as error:
            failure = _translate(error)
        else:
            return _response(exchange.head, _AsyncStream(exchange))
        raise failure

    @override
    async def aclose(self) -> None:
        await self._transport.close()
