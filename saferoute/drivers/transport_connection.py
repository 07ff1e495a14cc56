"""One asyncio connection: a Protocol that keeps what arrives until it is asked for, and watches the clocks with a single timer."""

from __future__ import annotations

import asyncio
import os
import ssl
from typing import TYPE_CHECKING, Final, cast

from typing_extensions import override

from saferoute.drivers.pool import readability
from saferoute.drivers.transport_site import interrupted, timed_out

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from saferoute.drivers.transport_site import Site
    from saferoute.values.http import Clocks

__all__ = ["Connection"]

_HIGH_WATER: Final = 262_144  # bytes kept for a slow reader before the peer is held up
_BUFFER_BYTES: Final = 16_384  # enough for most answers
_LARGER_BUFFER_BYTES: Final = 65_536  # for a connection that carries larger ones


class Connection(asyncio.BufferedProtocol):
    """A connection of one event loop.

    It reads into a buffer of its own: otherwise asyncio, and its TLS again, allocates 256 KiB for each piece, which costs more than the
    piece.

    Attributes:
        idle_since: when its last answer ended.
        writing: whether bytes of the request are still to be sent.
    """

    __slots__ = (
        "_broken", "_buffer", "_chunks", "_clock", "_ended", "_expires", "_held", "_loop", "_paused", "_readable", "_site", "_sock",
        "_timer", "_timer_at", "_transport", "_waiter", "idle_since", "write", "writing",
    )  # fmt: skip

    def __init__(self, sock: socket.socket, site: Site, loop: asyncio.AbstractEventLoop, clock: Callable[[], float]) -> None:
        self.idle_since = 0.0
        self.writing = False
        self._sock = sock
        self._site = site
        self._loop = loop
        self._clock = clock
        self._readable = readability(sock)
        self._buffer = memoryview(bytearray(_BUFFER_BYTES))
        self._chunks: list[bytes] = []
        self._held = 0
        self._paused = False
        self._ended = False
        self._broken = False
        self._waiter: asyncio.Future[bool] | None = None
        self._expires = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0

    # ------------------------------------------------------------------------------------------------ called by the loop

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        # So that pause_writing and resume_writing tell whether all was sent. Not 0: under TLS asyncio would count an empty buffer as full.
        self._transport.set_write_buffer_limits(high=1, low=0)
        self.write = self._transport.write

    @override
    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        self.take(bytes(self._buffer[:nbytes]))
        if nbytes == _BUFFER_BYTES == len(self._buffer):
            self._buffer = memoryview(bytearray(_LARGER_BUFFER_BYTES))

    def take(self, data: bytes) -> None:
        """Keep what arrived until it is asked for."""
        self._chunks.append(data)
        self._held += len(data)
        if self._held > _HIGH_WATER and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(True)

    @override
    def eof_received(self) -> bool:
        """An end without TLS's own goodbye is a broken connection: nobody may shorten an answer that ends with it."""
        tls = self._transport.get_extra_info("ssl_object")
        if tls is not None:
            try:
                while data := tls.read(_LARGER_BUFFER_BYTES):  # asyncio hands over one more buffer; this was behind it
                    self._chunks.append(data)
            except ssl.SSLError:
                self._broken = True
        self._end()
        return False

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if not self._ended:
            self._broken = True
        self._end()
        self._stop_timer()

    @override
    def pause_writing(self) -> None:
        self.writing = True

    @override
    def resume_writing(self) -> None:
        self.writing = False
        self._wake(news=True)

    def _end(self) -> None:
        self._ended = True
        self._wake(news=True)

    def _wake(self, *, news: bool) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(news)

    # ------------------------------------------------------------------------------------------------ called by the transport

    async def receive(self, allowance: float, clock: str, clocks: Clocks, *, answered: bool) -> bytes:
        """The next bytes; b"" at the end of the connection.

        Raises:
            TimedOut: nothing came in time.
            StreamInterrupted: the connection broke.
        """
        now = self._clock()
        left = clocks.deadline - now
        if left <= 0:
            raise timed_out(clocks, clock, total=True, sent=True)
        chunks = self._chunks
        while not chunks:
            if self._broken:
                raise interrupted(self._site, answered=answered)
            if self._ended:
                return b""
            if not await self._news(now, min(left, allowance)) and not chunks:
                raise timed_out(clocks, clock, total=left < allowance, sent=True)
        if len(chunks) == 1:
            data = chunks.pop()
        else:
            data = b"".join(chunks)
            chunks.clear()
        self._held = 0
        if self._paused:
            self._paused = False
            self._transport.resume_reading()
        return data

    async def drain(self, clocks: Clocks) -> None:
        """Wait until the request is sent, or an answer (perhaps a refusal) comes, or the connection ends.

        Raises:
            TimedOut: no byte was taken for as long as the first-byte clock.
        """
        while self.writing and not self._chunks and not self._ended:
            now = self._clock()
            left = clocks.deadline - now
            before = self._transport.get_write_buffer_size()
            moved = await self._news(now, min(left, clocks.first_byte)) or self._transport.get_write_buffer_size() < before
            if clocks.deadline <= self._clock() or not moved:
                raise timed_out(clocks, "first_byte", total=left < clocks.first_byte, sent=True)

    def is_quiet(self) -> bool:
        """As far as the loop has seen: open, with nothing unread and nothing unsent."""
        return not (self._ended or self._chunks or self.writing or self._paused)

    def is_fresh(self) -> bool:
        """As Pooled.is_fresh; what the loop has not seen yet is seen at the socket."""
        return self.is_quiet() and not self._readable()

    def discard(self) -> None:
        """Close without waiting, and without TLS's goodbye."""
        self._stop_timer()
        if self._loop.is_closed():
            self._sock.close()
        else:
            self._transport.abort()

    def discard_from_anywhere(self) -> None:
        """As discard, from whatever thread: a loop's transports may be touched in its own thread only."""
        if self._loop.is_closed():
            self._sock.close()
        else:
            self._loop.call_soon_threadsafe(self.discard)

    def disown(self) -> None:
        """In a forked child: let go of the parent's connection, without a word on it and without touching the parent's loop.

        The child's descriptor is pointed elsewhere rather than closed, because the inherited socket object will close its number once
        more when it is collected, and the number may have a new owner by then.
        """
        nowhere = os.open(os.devnull, os.O_RDWR)
        try:
            os.dup2(nowhere, self._sock.fileno(), inheritable=False)
        finally:
            os.close(nowhere)

    # ------------------------------------------------------------------------------------------------ clocks

    def _news(self, now: float, allowance: float) -> asyncio.Future[bool]:
        """What is done when anything happens; False if nothing did within the allowance. One at a time may be waited for.

        The timer is set once and moved when it fires, not per wait: a timer per chunk would cost more than the chunk.
        """
        expires = self._expires = now + allowance
        if self._timer is None or self._timer_at > expires:
            self._stop_timer()
            self._start_timer(expires, allowance)
        waiter: asyncio.Future[bool] = self._loop.create_future()
        self._waiter = waiter
        return waiter

    def _start_timer(self, at: float, delay: float) -> None:
        self._timer_at = at
        self._timer = self._loop.call_later(delay, self._tick)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        left = self._expires - self._clock()
        if left > 0:
            self._start_timer(self._expires, left)
        else:
            self._wake(news=False)
