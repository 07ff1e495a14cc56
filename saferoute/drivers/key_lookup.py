"""Finds the key before anybody is connected to: one that is missing or bound elsewhere opens no connection.

It also keeps slow look-ups off the event loop: a keyring, a key derivation or a person may take long, the first time.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from saferoute.drivers.exchange import AsyncExchange, AsyncTransport, Exchange, Transport
    from saferoute.secrets.credentials import Credentials
    from saferoute.values.http import Clocks, HttpRequest

__all__ = ["AsyncKeysFirst", "KeysFirst"]


class KeysFirst:
    """A Transport that has the key looked up before it hands the request on; afterwards the key is remembered."""

    __slots__ = ("_credentials", "_pid", "_transport")

    def __init__(self, transport: Transport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._pid = os.getpid()

    def open(self, request: HttpRequest, clocks: Clocks) -> Exchange:
        """As Transport.open.

        Raises:
            SecretError: no key, or one that is not bound to this origin; nobody was connected to.
        """
        if request.secret is not None and self._credentials.cached(request.secret, request.auth, request.origin) is None:
            if os.getpid() != self._pid:
                self._pid = os.getpid()
                self._credentials.after_fork()
            self._credentials.header(request.secret, request.auth, request.origin)  # not taken into this frame
        return self._transport.open(request, clocks)

    def close(self) -> None:
        """As Transport.close."""
        self._transport.close()


class AsyncKeysFirst:
    """An AsyncTransport that has a key looked up in a thread before it hands the request on; afterwards the key is remembered."""

    __slots__ = ("_credentials", "_pid", "_transport")

    def __init__(self, transport: AsyncTransport, credentials: Credentials) -> None:
        self._transport = transport
        self._credentials = credentials
        self._pid = os.getpid()

    def open(self, request: HttpRequest, clocks: Clocks) -> Coroutine[Any, Any, AsyncExchange]:
        """As AsyncTransport.open; once the key is known, the transport's own coroutine, with nothing around it.

        Raises:
            SecretError: no key, or one that is not bound to this origin; nobody was connected to.
        """
        if request.secret is None or self._credentials.cached(request.secret, request.auth, request.origin) is not None:
            return self._transport.open(request, clocks)
        return self._open_with_new_key(request, clocks)

    async def _open_with_new_key(self, request: HttpRequest, clocks: Clocks) -> AsyncExchange:
        import asyncio  # noqa: PLC0415  the blocking client does not load it

        if os.getpid() != self._pid:
            self._pid = os.getpid()
            self._credentials.after_fork()
        # The result stays in the credentials' memory; it is not taken into this frame.
        await asyncio.to_thread(self._look_up, request)
        return await self._transport.open(request, clocks)

    def _look_up(self, request: HttpRequest) -> None:
        if request.secret is not None:
            self._credentials.header(request.secret, request.auth, request.origin)

    async def close(self) -> None:
        """As AsyncTransport.close."""
        await self._transport.close()
