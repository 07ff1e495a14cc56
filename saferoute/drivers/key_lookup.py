"""Finds or makes the key before anybody is connected to: one that is missing or bound elsewhere opens no connection.

It also keeps slow look-ups off the event loop: a keyring, a key derivation or a person may take long, the first time. A credential that
the table says how to make is made here, over the transport that this one stands before.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saferoute.drivers.stopping import Stoppable

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from saferoute.drivers.exchange import AsyncExchange, AsyncTransport, Exchange, Transport
    from saferoute.drivers.minting import AsyncMinter, BlockingMinter
    from saferoute.drivers.stopping import Stop
    from saferoute.secrets.credentials import Credentials
    from saferoute.secrets.overlap import Overlap
    from saferoute.values.http import Clocks, Head, HttpRequest

__all__ = ["AsyncKeysFirst", "KeysFirst"]

_log = logging.getLogger("saferoute")

_UNAUTHORIZED = 401
_FORBIDDEN = 403
_REFUSALS = (_UNAUTHORIZED, _FORBIDDEN)
# What AWS calls a key or a session token that is not valid (any more), in lower case and without "Exception" at the end.
_INVALID_KEY = frozenset(
    {
        "expiredtoken",
        "invalidaccesskeyid",
        "invalidclienttokenid",
        "invalidsecuritytoken",
        "invalidsignature",
        "invalidtoken",
        "signaturedoesnotmatch",
        "tokenrefreshrequired",
        "unrecognizedclient",
    }
)


class KeysFirst:
    """A Transport that has the key looked up before it hands the request on; afterwards the key is remembered, until it is refused.

    While a store keeps two revisions of a key (`keys.rotate(..., overlap=...)`), a refusal leads to one more request, with the other one.
    """

    __slots__ = ("_credentials", "_minter", "_pid", "_transport", "_wall")

    def __init__(self, transport: Transport, credentials: Credentials, *, wall: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._credentials = credentials
        self._wall = wall
        self._minter = _blocking_minter(transport, credentials) if credentials.made else None
        self._pid = os.getpid()

    def open(self, request: HttpRequest, clocks: Clocks) -> Exchange:
        """As Transport.open.

        Raises:
            SecretError: no key, or one that is not bound to this origin; nobody was connected to.
            ProviderError, TransportError, ProtocolError: also when the request's credential could not be made.
        """
        name = request.secret
        if name is None:
            return self._transport.open(request, clocks)
        if self._credentials.cached(name, request.auth, request.origin) is None:
            if os.getpid() != self._pid:
                self._renew()
            if name in self._credentials.made:
                if self._minter is None:  # a reload brought the first one
                    self._minter = _blocking_minter(self._transport, self._credentials)
                return self._open_made(self._minter, request, name, clocks)
            self._credentials.look_up(name, request.auth, request.origin)
        epoch = self._credentials.epoch
        exchange = self._transport.open(request, clocks)
        if exchange.head.status in _REFUSALS and _refuses_the_key(exchange.head, request):
            if (other := self._switched(name, epoch, exchange)) is None:
                self._forget(name, epoch, exchange)
            elif not clocks.last:  # what is switched to counts from the next call on
                exchange.close()
                exchange = self._open_with_other(request, name, clocks, other)
        return exchange

    def _open_with_other(self, request: HttpRequest, name: str, clocks: Clocks, other: Overlap) -> Exchange:
        self._credentials.look_up(name, request.auth, request.origin)
        epoch = self._credentials.epoch
        exchange = self._transport.open(request, clocks)
        if _refuses_the_key(exchange.head, request):
            exchange.head = replace(exchange.head, requests=2)
            self._forget(name, epoch, exchange)
        else:
            exchange.head = _noted(exchange.head, other)
        return exchange

    def _switched(self, name: str, epoch: int, exchange: Exchange) -> Overlap | None:
        try:
            if os.getpid() != self._pid:
                self._renew()
            return self._credentials.switch(name, epoch, self._wall)
        except BaseException:
            exchange.close()
            raise

    def _open_made(self, minter: BlockingMinter, request: HttpRequest, name: str, clocks: Clocks) -> Exchange:
        kept = minter.ready(self._credentials.check_made(name, request.origin), clocks)
        exchange = self._transport.open(request, clocks)
        if _refuses_the_key(exchange.head, request):
            minter.refuse(kept)
        return exchange

    def _forget(self, name: str, epoch: int, exchange: Exchange) -> None:
        try:
            if os.getpid() != self._pid:
                self._renew()
            self._credentials.forget(name, epoch)
        except BaseException:
            exchange.close()
            raise

    def _renew(self) -> None:
        self._credentials.after_fork()
        if self._minter is not None:
            self._minter.after_fork()
        self._pid = os.getpid()  # last: whoever sees it takes the new locks

    def stoppable(self, stop: Stop) -> Transport:
        """As Stoppable.stoppable. A look-up or the making of a credential is not broken off: others may wait for it, too."""
        if not isinstance(self._transport, Stoppable):
            return self
        if os.getpid() != self._pid:
            self._renew()
        if self._minter is None and self._credentials.made:
            self._minter = _blocking_minter(self._transport, self._credentials)
        narrow = copy.copy(self)
        narrow._transport = self._transport.stoppable(stop)  # noqa: SLF001  its own class
        return narrow

    def close(self) -> None:
        """As Transport.close."""
        self._transport.close()


class AsyncKeysFirst:
    """An AsyncTransport that has a key looked up in a thread before it hands the request on; afterwards as KeysFirst."""

    __slots__ = ("_credentials", "_minter", "_pid", "_transport", "_wall")

    def __init__(self, transport: AsyncTransport, credentials: Credentials, *, wall: Callable[[], float] = time.time) -> None:
        self._transport = transport
        self._credentials = credentials
        self._wall = wall
        self._minter = _async_minter(transport, credentials) if credentials.made else None
        self._pid = os.getpid()

    def open(self, request: HttpRequest, clocks: Clocks) -> Coroutine[Any, Any, AsyncExchange]:
        """As AsyncTransport.open; without a key, the transport's own coroutine, with nothing around it.

        Raises:
            SecretError: no key, or one that is not bound to this origin; nobody was connected to.
            ProviderError, TransportError, ProtocolError: also when the request's credential could not be made.
        """
        if request.secret is None:
            return self._transport.open(request, clocks)
        if self._credentials.cached(request.secret, request.auth, request.origin) is not None:
            return self._open_with_key(request, request.secret, clocks)
        return self._open_with_new_key(request, request.secret, clocks)

    async def _open_with_key(self, request: HttpRequest, name: str, clocks: Clocks) -> AsyncExchange:
        epoch = self._credentials.epoch
        exchange = await self._transport.open(request, clocks)
        if exchange.head.status in _REFUSALS and _refuses_the_key(exchange.head, request):
            if (other := await self._switched(name, epoch, exchange)) is None:
                await self._forget(name, epoch, exchange)
            elif not clocks.last:  # what is switched to counts from the next call on
                await exchange.close()
                exchange = await self._open_with_other(request, name, clocks, other)
        return exchange

    async def _open_with_other(self, request: HttpRequest, name: str, clocks: Clocks, other: Overlap) -> AsyncExchange:
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        await asyncio.to_thread(self._credentials.look_up, name, request.auth, request.origin)
        epoch = self._credentials.epoch
        exchange = await self._transport.open(request, clocks)
        if _refuses_the_key(exchange.head, request):
            exchange.head = replace(exchange.head, requests=2)
            await self._forget(name, epoch, exchange)
        else:
            exchange.head = _noted(exchange.head, other)
        return exchange

    async def _switched(self, name: str, epoch: int, exchange: AsyncExchange) -> Overlap | None:
        """In a thread, as `_forget`."""
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        try:
            if os.getpid() != self._pid:
                self._renew()
            return await asyncio.to_thread(self._credentials.switch, name, epoch, self._wall)
        except BaseException:
            exchange.abort()
            raise

    async def _open_with_new_key(self, request: HttpRequest, name: str, clocks: Clocks) -> AsyncExchange:
        if os.getpid() != self._pid:
            self._renew()
        if name in self._credentials.made:
            if self._minter is None:  # a reload brought the first one
                self._minter = _async_minter(self._transport, self._credentials)
            return await self._open_made(self._minter, request, name, clocks)
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        # The result stays in the credentials' memory; it is not taken into this frame.
        await asyncio.to_thread(self._credentials.look_up, name, request.auth, request.origin)
        return await self._open_with_key(request, name, clocks)

    async def _open_made(self, minter: AsyncMinter, request: HttpRequest, name: str, clocks: Clocks) -> AsyncExchange:
        kept = await minter.ready(self._credentials.check_made(name, request.origin), clocks)
        exchange = await self._transport.open(request, clocks)
        if _refuses_the_key(exchange.head, request):
            minter.refuse(kept)
        return exchange

    async def _forget(self, name: str, epoch: int, exchange: AsyncExchange) -> None:
        """In a thread: another that looks a key up, and may wait for a person, holds the lock."""
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        try:
            if os.getpid() != self._pid:
                self._renew()
            await asyncio.to_thread(self._credentials.forget, name, epoch)
        except BaseException:
            exchange.abort()
            raise

    def _renew(self) -> None:
        self._credentials.after_fork()
        if self._minter is not None:
            self._minter.after_fork()
        self._pid = os.getpid()  # last, as in KeysFirst

    async def close(self) -> None:
        """As AsyncTransport.close; exchanges that are under way are given up."""
        if self._minter is not None:
            await self._minter.close()
        await self._transport.close()


def _noted(head: Head, other: Overlap) -> Head:
    """The head of an answer to the other revision of a key, with a note of it."""
    note = other.note()
    _log.warning("saferoute: %s", note)
    return replace(head, notes=(*head.notes, note), requests=2)


def _refuses_the_key(head: Head, request: HttpRequest) -> bool:
    """Whether an answer says that what was presented is not valid, rather than not allowed to do this.

    That is 401. AWS has no 401: its 403 says in a header which of the two is meant.
    """
    if head.status != _FORBIDDEN or request.auth != "sigv4":
        return head.status == _UNAUTHORIZED
    kind = head.headers.get("x-amzn-errortype", "").partition(":")[0].rpartition("#")[2]
    return kind.strip().lower().removesuffix("exception") in _INVALID_KEY


def _blocking_minter(transport: Transport, credentials: Credentials) -> BlockingMinter:
    from saferoute.drivers.minting import BlockingMinter  # noqa: PLC0415  tables with made credentials only

    return BlockingMinter(transport, credentials)


def _async_minter(transport: AsyncTransport, credentials: Credentials) -> AsyncMinter:
    from saferoute.drivers.minting import AsyncMinter  # noqa: PLC0415  tables with made credentials only

    return AsyncMinter(transport, credentials)
