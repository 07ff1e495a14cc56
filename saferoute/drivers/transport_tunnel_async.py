"""A tunnel through a proxy that is spoken to over TLS, for asyncio: TLS inside TLS.

`loop.start_tls` over a TLS transport is not used: in Python 3.11 a certificate that does not verify there raises in the event loop and is
only noticed when a clock runs out.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Final, cast

from typing_extensions import override

from saferoute.drivers.transport_tunnel import TunnelAnswer, connect_request

if TYPE_CHECKING:
    from saferoute.drivers.transport_connection import Connection
    from saferoute.drivers.transport_site import Hop, Site

__all__ = ["Tunnel"]

_RECEIVE_BYTES: Final = 65_536


class Tunnel(asyncio.Protocol):
    """Protocol of the connection to the proxy, and, once TLS with the origin stands, transport of the connection to the origin.

    In this order: `ask`, `secure`, `attach`.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, site: Site, proxy: Hop) -> None:
        self._loop = loop
        self._site = site
        self._answer = TunnelAnswer(site, proxy)
        self._step: asyncio.Future[None] | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner: ssl.SSLObject | None = None
        self._connection: Connection | None = None
        self._lost = False

    # ------------------------------------------------------------------------------------------------ opening

    async def ask(self) -> None:
        """Have the proxy connect to the origin.

        Raises:
            ConnectFailed: it does not.
        """
        self._outer.write(connect_request(self._site))
        await self._next()

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Shake hands with the origin.

        Raises:
            OSError: TLS does not come about, or the connection broke.
        """
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        done = self._next()
        self._shake()
        await done

    def attach(self, connection: Connection) -> None:
        """Hand over to the origin's connection."""
        self._connection = connection
        connection.connection_made(cast("asyncio.BaseTransport", self))
        self._decrypt()

    def _next(self) -> asyncio.Future[None]:
        step = self._step = self._loop.create_future()
        if self._lost:
            self._fail(ConnectionResetError())
        return step

    def _fail(self, error: Exception) -> None:
        if self._step is not None and not self._step.done():
            self._step.set_exception(error)

    def _shake(self) -> None:
        try:
            self._object().do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except OSError as error:  # ssl.SSLError and CertificateError are such
            self._flush()  # TLS's word to the origin on why
            self._fail(error.with_traceback(None))
        else:
            self._flush()
            if self._step is not None and not self._step.done():
                self._step.set_result(None)

    # ------------------------------------------------------------------------------------------------ called by the loop

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._outer = cast("asyncio.Transport", transport)

    @override
    def data_received(self, data: bytes) -> None:
        if self._inner is None:
            self._listen(data)
            return
        self._incoming.write(data)
        if self._connection is not None:
            self._decrypt()
        elif self._step is not None and not self._step.done():
            self._shake()

    @override
    def eof_received(self) -> bool:
        self._incoming.write_eof()
        if self._connection is not None:
            self._connection.eof_received()  # asks the inner TLS whether this was the honest end
        elif self._inner is None:
            self._listen(b"")
        else:
            self._shake()
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._connection is not None:
            self._connection.connection_lost(exc)
        elif self._inner is None:
            self._listen(b"")
        else:
            self._fail(ConnectionResetError())

    @override
    def pause_writing(self) -> None:
        if self._connection is not None:
            self._connection.pause_writing()

    @override
    def resume_writing(self) -> None:
        if self._connection is not None:
            self._connection.resume_writing()

    def _listen(self, data: bytes) -> None:
        """Take what the proxy says before the tunnel is open."""
        step = self._step
        if step is None or step.done():  # it speaks before or after its turn, and nobody has spoken to the origin yet
            self._outer.abort()
            return
        try:
            is_open = self._answer.feed(data)
        except Exception as error:  # noqa: BLE001  handed on to whoever waits
            self._fail(error)
        else:
            if is_open:
                step.set_result(None)

    def _decrypt(self) -> None:
        connection, inner = self._connection, self._object()
        try:
            while connection is not None:
                data = inner.read(_RECEIVE_BYTES)
                if not data:
                    connection.eof_received()
                    break
                connection.take(data)
        except ssl.SSLWantReadError:
            pass
        except OSError:  # not TLS: the connection will be told that it was lost
            self._outer.abort()
        self._flush()

    def _object(self) -> ssl.SSLObject:
        return cast("ssl.SSLObject", self._inner)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._outer.write(self._outgoing.read())

    # ------------------------------------------------------------------------------------------------ called by the origin's connection

    def write(self, data: bytes) -> None:
        """As asyncio.Transport.write."""
        rest = memoryview(data)
        while rest:
            rest = rest[self._object().write(rest) :]
        self._flush()

    def set_write_buffer_limits(self, high: int, low: int) -> None:
        """As asyncio.Transport.set_write_buffer_limits."""
        self._outer.set_write_buffer_limits(high=high, low=low)

    def get_write_buffer_size(self) -> int:
        """As asyncio.Transport.get_write_buffer_size."""
        return self._outer.get_write_buffer_size()

    def pause_reading(self) -> None:
        """As asyncio.Transport.pause_reading."""
        self._outer.pause_reading()

    def resume_reading(self) -> None:
        """As asyncio.Transport.resume_reading."""
        self._outer.resume_reading()

    def abort(self) -> None:
        """As asyncio.Transport.abort."""
        self._outer.abort()

    def get_extra_info(self, name: str) -> object:
        """The TLS object of the connection to the origin, by its name "ssl_object"; None for anything else."""
        return self._inner if name == "ssl_object" else None
