"""Two bridges between our transports and httpx's interface.

`HttpxBridge` lets any httpx transport stand in for ours: `httpx.MockTransport` in tests, or one that an application brings. What the
other transport does cannot be seen from here: the addresses it connects to are not checked, and a blocking one is interrupted by its
own time limits only. The key is added to a copy of the request that only that transport sees.

`HttpxTransport` is the other way round: our transport for programs that speak httpx.

This module imports httpx, so nothing imports this module before it is needed.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

import httpx

from saferoute.drivers.transport_answer import Answer
from saferoute.drivers.transport_httpx import AsyncHttpxTransport, HttpxTransport
from saferoute.drivers.transport_request import altered, credential_pairs, head_of
from saferoute.drivers.transport_site import Site, timed_out
from saferoute.errors import (
    ConfigurationError,
    ConnectFailed,
    ProtocolError,
    RequestError,
    SaferouteError,
    StreamInterrupted,
    TransportError,
)
from saferoute.values.http import Head
from saferoute.wire.http1 import Limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from saferoute.drivers.exchange import AsyncExchange, Exchange
    from saferoute.errors import TimedOut
    from saferoute.secrets.secret import CredentialSource
    from saferoute.values.http import Clocks, HttpRequest

__all__ = ["AsyncHttpxBridge", "AsyncHttpxTransport", "HttpxBridge", "HttpxTransport"]

T = TypeVar("T")

# ---------------------------------------------------------------------------------------------- an httpx transport in our place


class _Delivered:
    """Stands for the parser in an Answer: the other transport has undone the framing already."""

    __slots__ = ("_limits", "_room", "done", "head", "reusable")

    def __init__(self, head: Head, limits: Limits) -> None:
        self.head: Head | None = head
        self.done = False
        self.reusable = False
        self._limits = limits
        self._room = limits.max_body

    def feed(self, data: bytes) -> bytes:
        """Count, and pass on."""
        self._room -= len(data)
        if self._room < 0:
            raise ProtocolError(f"the answer's body is longer than {self._limits.max_body} bytes")
        return data

    def eof(self) -> bool:
        """The other transport says that the body is whole."""
        self.done = True
        return True


class _Attempt:
    """One request on its way through somebody else's transport: its clocks, and our words for that transport's errors."""

    __slots__ = ("_clock", "_clocks", "_since", "answered", "site")

    def __init__(self, request: HttpRequest, clocks: Clocks, clock: Callable[[], float]) -> None:
        if request.net.tls is not None or request.net.proxy is not None:
            raise ConfigurationError(
                "the route names its own certificate authorities, pins or proxy, and a transport of httpx would not keep to them; nothing "
                'was sent. Use saferoute\'s own transport for it ("own" or "h11")'
            )
        if (refusal := altered(request, clocks)) is not None:
            raise refusal
        self.site = Site(request.origin, request.net)
        head_of(request, self.site.fixed)  # for its refusals
        self.answered = False
        self._clocks = clocks
        self._clock = clock
        self._since = clock()
        if self._since >= clocks.deadline:
            raise timed_out(clocks, "connect", total=True, sent=False)

    def left(self) -> float:
        """Seconds that the next step may take."""
        clocks = self._clocks
        return max(0.0, min(self._allowance(), clocks.deadline - self._clock()))

    def _allowance(self) -> float:
        return self._clocks.idle if self.answered else self._clocks.connect + self._clocks.first_byte

    def passed(self) -> None:
        """Look at the clocks after a step that could not be interrupted.

        Raises:
            TimedOut: it took too long.
        """
        now = self._clock()
        total = now >= self._clocks.deadline
        if total or now - self._since > self._allowance():
            raise self.late(total=total)
        self._since = now
        self.answered = True

    def late(self, *, total: bool) -> TimedOut:
        """The error for the clock that watches the present step."""
        return timed_out(self._clocks, "idle" if self.answered else "first_byte", total=total, sent=True)

    def keyed(self, request: HttpRequest, credentials: CredentialSource | None, wall: Callable[[], float]) -> httpx.Request:
        """Make httpx's request, with the key or a signature. Only the other transport may see it."""
        headers = [(b"user-agent", b"saferoute"), (b"accept-encoding", b"identity")]
        headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers]
        clocks = self._clocks
        left = clocks.deadline - self._clock()
        wait, read = min(left, clocks.connect), min(left, max(clocks.first_byte, clocks.idle))
        try:
            if request.secret is not None:
                headers += credential_pairs(request, credentials, wall)
            timeout = {"connect": wait, "read": read, "write": read, "pool": wait}
            return httpx.Request(
                request.method, request.origin + request.path, headers=headers, content=request.body, extensions={"timeout": timeout}
            )
        finally:
            headers = []

    def translate(self, error: BaseException) -> BaseException:
        """Make our error of what the other transport raised. What is not httpx's comes back without the frames that saw the key."""
        site, total = self.site, self._clock() >= self._clocks.deadline
        made: BaseException
        match error:
            case httpx.ConnectTimeout() | httpx.PoolTimeout():
                made = timed_out(self._clocks, "connect", total=total, sent=False)
            case httpx.TimeoutException():
                made = self.late(total=total)
            case httpx.ConnectError():
                made = ConnectFailed(f"no connection to {site.label}. Nothing was sent")
            case httpx.RemoteProtocolError() if not any(word in str(error) for word in ("disconnected", "closed", "incomplete")):
                made = ProtocolError("the answer is not HTTP/1.1")
            case httpx.RemoteProtocolError() | httpx.NetworkError() | httpx.StreamError():
                made = StreamInterrupted(f"the connection to {site.label} ended before the answer did")
            case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
                made = RequestError("the request is not one that this transport can send; nothing was sent")
            case httpx.HTTPError():
                made = TransportError(f"the transport to {site.label} failed")
            case _:
                made = error.with_traceback(None)
                made.__cause__ = made.__context__ = None
        return made

    def answer(self, response: httpx.Response, limits: Limits) -> Answer:
        """Start to read."""
        headers: dict[str, str] = {}
        for raw_name, raw_value in response.headers.raw:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        head = Head(response.status_code, headers)
        answer = Answer(_Delivered(head, limits), self.site, limits.max_body)
        answer.begin(head, b"")
        return answer


class _BridgedExchange:
    """An answer that is being read; `Exchange` is what it implements."""

    __slots__ = ("_answer", "_attempt", "_pieces", "_stream", "head")

    def __init__(self, answer: Answer, attempt: _Attempt, stream: httpx.SyncByteStream) -> None:
        self.head = answer.head
        self._answer = answer
        self._attempt = attempt
        self._stream: httpx.SyncByteStream | None = stream
        self._pieces: Iterator[bytes] = iter(stream)

    def read(self) -> bytes:
        """As Exchange.read."""
        answer = self._answer
        try:
            piece = answer.next_piece() if answer.pending else b""
            while not piece and self._stream is not None:
                data = _call(self._attempt, lambda: next(self._pieces, None))
                self._attempt.passed()
                if data != b"":
                    piece = answer.feed(data or b"")
                if data is None:
                    self.close()
        except BaseException:
            self.close()
            raise
        return piece

    def finish(self) -> None:
        """As Exchange.finish: what becomes of the connection is the other transport's business."""
        self.close()

    def close(self) -> None:
        """As Exchange.close."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


class HttpxBridge:
    """Our Transport over an httpx transport.

    Args:
        transport: what sends; it is trusted with the key and with the choice of address.
        credentials: where keys come from.
        limits: what an answer may be at most.
        clock: monotonic seconds.
        wall: seconds since the epoch, for signatures.
    """

    def __init__(
        self,
        transport: httpx.BaseTransport,
        credentials: CredentialSource | None,
        *,
        limits: Limits = Limits(),  # noqa: B008  frozen
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._limits = limits
        self._clock = clock
        self._wall = wall

    def open(self, request: HttpRequest, clocks: Clocks) -> Exchange:
        """As Transport.open."""
        attempt = _Attempt(request, clocks, self._clock)
        response = _call(attempt, lambda: self._transport.handle_request(attempt.keyed(request, self._credentials, self._wall)))
        stream = response.stream
        if not isinstance(stream, httpx.SyncByteStream):
            raise ProtocolError("the transport's answer cannot be read without an event loop")
        try:
            attempt.passed()
            return _BridgedExchange(attempt.answer(response, self._limits), attempt, stream)
        except BaseException:
            stream.close()
            raise

    def close(self) -> None:
        """Close the other transport."""
        self._transport.close()


def _call(attempt: _Attempt, step: Callable[[], T]) -> T:
    """Let the other transport do a step; whatever it raises is raised afresh from here."""
    try:
        return step()
    except SaferouteError:
        raise
    except BaseException as error:  # noqa: BLE001  its frames hold the key
        failure = error
    raise attempt.translate(failure)


class _AsyncBridgedExchange:
    """As _BridgedExchange, awaited."""

    __slots__ = ("_answer", "_attempt", "_pieces", "_stream", "head")

    def __init__(self, answer: Answer, attempt: _Attempt, stream: httpx.AsyncByteStream) -> None:
        self.head = answer.head
        self._answer = answer
        self._attempt = attempt
        self._stream: httpx.AsyncByteStream | None = stream
        self._pieces: AsyncIterator[bytes] = aiter(stream)

    async def read(self) -> bytes:
        """As AsyncExchange.read."""
        answer = self._answer
        try:
            piece = answer.next_piece() if answer.pending else b""
            while not piece and self._stream is not None:
                data = await _call_async(self._attempt, lambda: anext(self._pieces, None))
                self._attempt.passed()
                if data != b"":
                    piece = answer.feed(data or b"")
                if data is None:
                    await self.close()
        except BaseException:
            await self.close()
            raise
        return piece

    async def finish(self) -> None:
        """As AsyncExchange.finish: what becomes of the connection is the other transport's business."""
        await self.close()

    def abort(self) -> None:
        """As AsyncExchange.abort: the other transport cannot be told without waiting, so its own finalizers must do."""

    async def close(self) -> None:
        """As AsyncExchange.close."""
        stream, self._stream = self._stream, None
        if stream is not None:
            await stream.aclose()


class AsyncHttpxBridge:
    """Our AsyncTransport over an httpx transport; its steps are also interrupted by our clocks. Arguments as HttpxBridge."""

    def __init__(
        self,
        transport: httpx.AsyncBaseTransport,
        credentials: CredentialSource | None,
        *,
        limits: Limits = Limits(),  # noqa: B008  frozen
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._transport = transport
        self._credentials = credentials
        self._limits = limits
        self._clock = clock
        self._wall = wall

    async def open(self, request: HttpRequest, clocks: Clocks) -> AsyncExchange:
        """As AsyncTransport.open."""
        attempt = _Attempt(request, clocks, self._clock)
        response = await _call_async(
            attempt, lambda: self._transport.handle_async_request(attempt.keyed(request, self._credentials, self._wall))
        )
        stream = response.stream
        if not isinstance(stream, httpx.AsyncByteStream):
            raise ProtocolError("the transport's answer cannot be read with an event loop")
        try:
            attempt.passed()
            return _AsyncBridgedExchange(attempt.answer(response, self._limits), attempt, stream)
        except BaseException:
            await stream.aclose()
            raise

    async def close(self) -> None:
        """Close the other transport."""
        await self._transport.aclose()


async def _call_async(attempt: _Attempt, step: Callable[[], Awaitable[T]]) -> T:
    limit = asyncio.timeout(attempt.left())
    try:
        async with limit:
            return await step()
    except SaferouteError:
        raise
    except BaseException as error:  # noqa: BLE001  its frames hold the key
        failure = error
    if limit.expired():
        attempt.passed()
        raise attempt.late(total=False)
    raise attempt.translate(failure)
