"""Finds or makes the key before anybody is connected to: one that is missing or bound elsewhere opens no connection.

It also keeps slow look-ups off the event loop: a keyring, a key derivation or a person may take long, the first time. A credential that
the table says how to make is made here, over the transport that this one stands before.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from saferoute.drivers.exchange import AsyncExchange, AsyncTransport, Exchange, Transport
    from saferoute.drivers.minting import AsyncMinter, BlockingMinter
    from saferoute.secrets.credentials import Credentials
    from saferoute.values.http import Clocks, HttpRequest

__all__ = ["AsyncKeysFirst", "KeysFirst"]

_UNAUTHORIZED = 401
_FORBIDDEN = 403


class KeysFirst:
    """A Transport that has the key looked up before it hands the request on; afterwards the key is remembered."""

    __slots__ = ("_credentials", "_minter", "_pid", "_transport")

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._minter = _blocking_minter(transport, credentials) if credentials.made else None
        self._pid = os.getpid()

    def open(self, request: HttpRequest, clocks: Clocks) -> Exchange:
        """As Transport.open.

        Raises:
            SecretError: no key, or one that is not bound to this origin; nobody was connected to.
            ProviderError, TransportError, ProtocolError: also when the request's credential could not be made.
        """
        if request.secret is not None and self._credentials.cached(request.secret, request.auth, request.origin) is None:
            if os.getpid() != self._pid:
                self._renew()
            if self._minter is not None and request.secret in self._credentials.made:
                return self._open_made(self._minter, request, request.secret, clocks)
            self._credentials.look_up(request.secret, request.auth, request.origin)
        return self._transport.open(request, clocks)

    def _open_made(self, minter: BlockingMinter, request: HttpRequest, name: str, clocks: Clocks) -> Exchange:
        kept = minter.ready(self._credentials.check_made(name, request.origin), clocks)
        exchange = self._transport.open(request, clocks)
        if _refuses_the_key(exchange.head.status, request):
            minter.refuse(kept)
        return exchange

    def _renew(self) -> None:
        self._pid = os.getpid()
        self._credentials.after_fork()
        if self._minter is not None:
            self._minter.after_fork()

    def close(self) -> None:
        """As Transport.close."""
        self._transport.close()


class AsyncKeysFirst:
    """An AsyncTransport that has a key looked up in a thread before it hands the request on; afterwards the key is remembered."""

    __slots__ = ("_credentials", "_minter", "_pid", "_transport")

    def __init__(self, transport: AsyncTransport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._minter = _async_minter(transport, credentials) if credentials.made else None
        self._pid = os.getpid()

    def open(self, request: HttpRequest, clocks: Clocks) -> Coroutine[Any, Any, AsyncExchange]:
        """As AsyncTransport.open; once the key is known, the transport's own coroutine, with nothing around it.

        Raises:
            SecretError: no key, or one that is not bound to this origin; nobody was connected to.
            ProviderError, TransportError, ProtocolError: also when the request's credential could not be made.
        """
        if request.secret is None or self._credentials.cached(request.secret, request.auth, request.origin) is not None:
            return self._transport.open(request, clocks)
        return self._open_with_new_key(request, request.secret, clocks)

    async def _open_with_new_key(self, request: HttpRequest, name: str, clocks: Clocks) -> AsyncExchange:
        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._credentials.after_fork()
            if self._minter is not None:
                self._minter.after_fork()
        if self._minter is not None and name in self._credentials.made:
            return await self._open_made(self._minter, request, name, clocks)
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        # The result stays in the credentials' memory; it is not taken into this frame.
        await asyncio.to_thread(self._credentials.look_up, name, request.auth, request.origin)
        return await self._transport.open(request, clocks)

    async def _open_made(self, minter: AsyncMinter, request: HttpRequest, name: str, clocks: Clocks) -> AsyncExchange:
        kept = await minter.ready(self._credentials.check_made(name, request.origin), clocks)
        exchange = await self._transport.open(request, clocks)
        if _refuses_the_key(exchange.head.status, request):
            minter.refuse(kept)
        return exchange

    async def close(self) -> None:
        """As AsyncTransport.close; exchanges that are under way are given up."""
        if self._minter is not None:
            await self._minter.close()
        await self._transport.close()


def _refuses_the_key(status: int, request: HttpRequest) -> bool:
    """Whether an answer says that what was presented is not valid any more: 401, and from AWS 403, which has no 401."""
    return status == _UNAUTHORIZED or (status == _FORBIDDEN and request.auth == "sigv4")


def _blocking_minter(transport: Transport, credentials: Credentials) -> BlockingMinter:
    from saferoute.drivers.minting import BlockingMinter  # noqa: PLC0415  tables with made credentials only

    return BlockingMinter(transport, credentials)


def _async_minter(transport: AsyncTransport, credentials: Credentials) -> AsyncMinter:
    from saferoute.drivers.minting import AsyncMinter  # noqa: PLC0415  tables with made credentials only

    return AsyncMinter(transport, credentials)
