"""Both bridges: any httpx transport in our transport's place, and ours under httpx's interface."""

from __future__ import annotations

import asyncio
import gzip
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest

from saferoute.drivers.httpx_bridge import AsyncHttpxBridge, AsyncHttpxTransport, HttpxBridge, HttpxTransport
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import (
    ConnectFailed,
    OriginMismatch,
    ProtocolError,
    RequestError,
    SaferouteError,
    StreamInterrupted,
    TimedOut,
    TransportError,
)
from saferoute.values.http import Clocks, Head, HttpRequest, NetClass
from saferoute.wire.http1 import Limits
from tests.drivers.doors import CANARY, KINDS, LOOPBACK, OneKey, clocks
from tests.drivers.hostile import BODY, PIECES, HostileServer

ORIGIN = "https://api.example.com"
SENT = HttpRequest("POST", ORIGIN, "/v1/chat?a=b", (("content-type", "application/json"),), b'{"a":1}', "main", "bearer")
Handler = Callable[[httpx.Request], httpx.Response]


@pytest.fixture(scope="module")
def server() -> Iterator[HostileServer]:
    server = HostileServer()
    yield server
    server.stop()


class Pieces(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, with a step before each, that notes when it is closed."""

    def __init__(self, *pieces: bytes | BaseException, step: Callable[[], None] = lambda: None) -> None:
        self.pieces = pieces
        self.step = step
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.step()
            if isinstance(piece, BaseException):
                raise piece
            yield piece

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


def fetch(
    kind: str,
    handler: Handler,
    sent: HttpRequest = SENT,
    limits: Clocks | None = None,
    cap: Limits | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[Head, list[bytes]]:
    options: dict[str, Any] = {"limits": cap or Limits(), "clock": clock}
    key = OneKey(ORIGIN)
    mock = httpx.MockTransport(handler)
    if kind == "blocking":
        exchange = HttpxBridge(mock, key, **options).open(sent, limits or clocks())
        pieces = []
        while piece := exchange.read():
            pieces.append(piece)
        assert exchange.read() == b""
        exchange.close()
        return exchange.head, pieces

    async def work() -> tuple[Head, list[bytes]]:
        bridge = AsyncHttpxBridge(mock, key, **options)
        exchange = await bridge.open(sent, limits or clocks())
        pieces = []
        while piece := await exchange.read():
            pieces.append(piece)
        assert await exchange.read() == b""
        await exchange.close()
        await bridge.close()
        return exchange.head, pieces

    return asyncio.run(work())


@pytest.mark.parametrize("kind", KINDS)
def test_the_request_that_the_other_transport_sees(kind: str) -> None:
    seen: list[httpx.Request] = []

    def handle(sent: httpx.Request) -> httpx.Response:
        seen.append(sent)
        return httpx.Response(201, headers=[("X-A", "1"), ("x-a", "2"), ("Content-Type", "text/plain")], content=b"hello")

    head, pieces = fetch(kind, handle)
    assert (head.status, b"".join(pieces)) == (201, b"hello")
    assert head.headers["x-a"] == "1, 2"
    assert head.headers["content-type"] == "text/plain"
    (sent,) = seen
    assert (sent.method, str(sent.url), sent.content) == ("POST", ORIGIN + "/v1/chat?a=b", b'{"a":1}')
    assert dict(sent.headers) == {
        "host": "api.example.com", "user-agent": "saferoute", "accept-encoding": "identity", "content-type": "application/json",
        "authorization": f"Bearer {CANARY}", "content-length": "7",
    }  # fmt: skip
    assert set(sent.extensions["timeout"]) == {"connect", "read", "write", "pool"}
    assert all(0 < seconds <= 5 for seconds in sent.extensions["timeout"].values())


@pytest.mark.parametrize("kind", KINDS)
def test_a_streamed_body_keeps_its_pieces_and_is_closed(kind: str) -> None:
    stream = Pieces(b"", *PIECES, b"")
    assert fetch(kind, lambda _: httpx.Response(200, stream=stream))[1] == PIECES
    assert stream.closed == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_compressed_body_is_decoded_here_in_bounds(kind: str) -> None:
    coded = gzip.compress(b"\0" * 300_000)
    answer = httpx.Response(200, headers={"content-encoding": "gzip"}, stream=Pieces(coded[:50], coded[50:]))
    pieces = fetch(kind, lambda _: answer)[1]
    assert b"".join(pieces) == b"\0" * 300_000
    assert max(map(len, pieces)) <= 65_536
    for stream in (Pieces(coded), Pieces(b"x" * 200_000)):
        headers = {"content-encoding": "gzip"} if stream.pieces[0] == coded else {}
        with pytest.raises(ProtocolError, match="100000 bytes"):
            fetch(kind, lambda _, h=headers, s=stream: httpx.Response(200, headers=h, stream=s), cap=Limits(max_body=100_000))  # type: ignore[misc]
    with pytest.raises(ProtocolError, match="content-encoding"):
        fetch(kind, lambda _: httpx.Response(200, headers={"content-encoding": "br"}, stream=Pieces(b"x")))


ERRORS: dict[str, tuple[BaseException, type[SaferouteError], dict[str, object]]] = {
    "connect": (httpx.ConnectError("x"), ConnectFailed, {"sent": False}),
    "connect timeout": (httpx.ConnectTimeout("x"), TimedOut, {"sent": False, "clock": "connect", "seconds": 5.0}),
    "pool timeout": (httpx.PoolTimeout("x"), TimedOut, {"sent": False, "clock": "connect"}),
    "read timeout": (httpx.ReadTimeout("x"), TimedOut, {"sent": True, "clock": "first_byte"}),
    "write timeout": (httpx.WriteTimeout("x"), TimedOut, {"sent": True}),
    "read": (httpx.ReadError("x"), StreamInterrupted, {"sent": True}),
    "write": (httpx.WriteError("x"), StreamInterrupted, {"sent": True}),
    "disconnected": (httpx.RemoteProtocolError("Server disconnected without sending a response."), StreamInterrupted, {}),
    "cut": (httpx.RemoteProtocolError("peer closed connection without sending complete message body"), StreamInterrupted, {}),
    "malformed": (httpx.RemoteProtocolError("illegal header line: bytearray(b'canary')"), ProtocolError, {}),
    "local": (httpx.LocalProtocolError("x"), RequestError, {}),
    "unsupported": (httpx.UnsupportedProtocol("x"), RequestError, {}),
    "proxy": (httpx.ProxyError("x"), TransportError, {}),
    "stream": (httpx.StreamClosed(), StreamInterrupted, {}),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ERRORS)
def test_errors_in_our_words(kind: str, name: str) -> None:
    failure, expected, facts = ERRORS[name]

    def handle(sent: httpx.Request) -> httpx.Response:
        raise failure

    with pytest.raises(expected) as caught:
        fetch(kind, handle)
    assert type(caught.value) is expected
    assert {key: getattr(caught.value, key) for key in facts} == facts
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("failure", "expected"),
    [
        (httpx.ReadTimeout("x"), TimedOut),
        (httpx.ReadError("x"), StreamInterrupted),
        (httpx.RemoteProtocolError("incomplete"), StreamInterrupted),
    ],
)
def test_errors_in_the_middle_of_a_body(kind: str, failure: Exception, expected: type[SaferouteError]) -> None:
    stream = Pieces(b"one", failure)
    with pytest.raises(expected) as caught:
        fetch(kind, lambda _: httpx.Response(200, stream=stream))
    assert getattr(caught.value, "clock", "idle") == "idle"
    assert stream.closed == 1


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> Callable[[], None]:
        def step() -> None:
            self.now += seconds

        return step


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("head_takes", "piece_takes", "expected"),
    [
        (4.0, 1.0, None),
        (16.0, 0.0, ("first_byte", 10.0)),
        (0.0, 3.5, ("idle", 3.0)),
        (0.0, 2.5, ("total", 20.0)),
        (21.0, 0.0, ("total", 20.0)),
    ],
)
def test_clocks_are_looked_at_after_every_step(
    kind: str, head_takes: float, piece_takes: float, expected: tuple[str, float] | None
) -> None:
    clock = Hands()
    stream = Pieces(*[b"x"] * 10, step=clock.move(piece_takes))

    def handle(sent: httpx.Request) -> httpx.Response:
        clock.now += head_takes
        return httpx.Response(200, stream=stream)

    limits = Clocks(5.0, 10.0, 3.0, 20.0, clock.now + 20.0)
    if expected is None:
        assert len(fetch(kind, handle, limits=limits, clock=clock)[1]) == 10
    else:
        with pytest.raises(TimedOut) as caught:
            fetch(kind, handle, limits=limits, clock=clock)
        assert (caught.value.clock, caught.value.seconds, caught.value.sent) == (*expected, True)
    assert stream.closed == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_deadline_that_has_passed_sends_nothing(kind: str) -> None:
    with pytest.raises(TimedOut) as caught:
        fetch(kind, lambda _: pytest.fail("sent"), limits=clocks(total=-1.0))
    assert (caught.value.clock, caught.value.sent) == ("total", False)


@pytest.mark.timed
def test_asyncio_interrupts_a_transport_that_hangs() -> None:
    class Hang(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.sleep(20)
            raise AssertionError

    async def work() -> None:
        await AsyncHttpxBridge(Hang(), OneKey(ORIGIN)).open(SENT, clocks(connect=0.1, first_byte=0.1))

    start = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        asyncio.run(work())
    assert caught.value.clock == "first_byte"
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("kind", KINDS)
def test_a_body_of_the_wrong_colour(kind: str) -> None:
    class Only(httpx.SyncByteStream if kind == "asyncio" else httpx.AsyncByteStream):  # type: ignore[misc]
        pass

    with pytest.raises(ProtocolError, match="event loop"):
        fetch(kind, lambda _: httpx.Response(200, stream=Only()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_our_transports_refuse_is_refused_here(kind: str) -> None:
    for sent, expected in (
        (HttpRequest("POST", ORIGIN, "/v1", (("x", "a\r\nb"),), b""), RequestError),
        (HttpRequest("POST", "https://other.example.com", "/v1", (), b"", "main", "bearer"), OriginMismatch),
    ):
        with pytest.raises(expected):
            fetch(kind, lambda _: pytest.fail("sent"), sent)


def test_closing_the_bridge_closes_the_other_transport() -> None:
    closed = []

    class Closing(httpx.MockTransport):
        def close(self) -> None:
            closed.append(1)

    bridge = HttpxBridge(Closing(lambda _: httpx.Response(200)), None, limits=Limits())
    exchange = bridge.open(HttpRequest("GET", ORIGIN, "/", (), b""), clocks())
    exchange.close()
    assert exchange.read() == b""
    bridge.close()
    assert closed == [1]


# ------------------------------------------------------------------------------------------------ ours under httpx


def over(kind: str, server: HostileServer, path: str, **options: Any) -> tuple[httpx.Response, bytes]:
    """Post by httpx's client over our transport."""
    terms: dict[str, Any] = {"secret": "main", "auth": "bearer", "net": LOOPBACK} | options
    key = OneKey(server.origin)
    limits = httpx.Timeout(2.0, read=0.3)
    if kind == "blocking":
        with httpx.Client(transport=HttpxTransport(BlockingTransport(key), **terms), timeout=limits, trust_env=False) as client:
            answer = client.post(server.origin + path, content=b'{"a":1}', headers={"content-type": "application/json"})
            return answer, answer.content

    async def work() -> tuple[httpx.Response, bytes]:
        transport = AsyncHttpxTransport(AsyncioTransport(key), **terms)
        async with httpx.AsyncClient(transport=transport, timeout=limits, trust_env=False) as client:
            answer = await client.post(server.origin + path, content=b'{"a":1}', headers={"content-type": "application/json"})
            return answer, answer.content

    return asyncio.run(work())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("path", ["/ok", "/gzip", "/stream", "/until-close"])
def test_httpx_over_our_transport(server: HostileServer, kind: str, path: str) -> None:
    answer, body = over(kind, server, path)
    assert answer.status_code == 200
    assert body == (b"".join(PIECES) if path == "/stream" else BODY)
    assert "content-encoding" not in answer.headers
    sent = server.requests[-1].lower()
    assert sent.endswith(b'\r\n\r\n{"a":1}')
    assert sent.count(b"\r\nauthorization:") == sent.count(b"\r\nhost:") == sent.count(b"\r\ncontent-length:") == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "expected"),
    [("/rst", httpx.RemoteProtocolError), ("/rst-mid", httpx.RemoteProtocolError), ("/hang", httpx.ReadTimeout), ("/garbage", httpx.RemoteProtocolError),
     ("/bad-chunk", httpx.RemoteProtocolError)],
)  # fmt: skip
def test_our_errors_in_httpxs_words(server: HostileServer, kind: str, path: str, expected: type[Exception]) -> None:
    with pytest.raises(expected) as caught:
        over(kind, server, path)
    assert CANARY not in repr(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_no_server_and_no_permission_in_httpxs_words(server: HostileServer, kind: str) -> None:
    gone = HostileServer()
    gone.stop()
    with pytest.raises(httpx.ConnectError):
        over(kind, gone, "/ok")
    with pytest.raises(httpx.ConnectError, match="plain http"):
        over(kind, server, "/ok", net=NetClass())


@pytest.mark.parametrize("kind", KINDS)
def test_httpx_may_leave_a_stream_early(server: HostileServer, kind: str) -> None:
    async def work() -> bytes:
        transport = AsyncHttpxTransport(AsyncioTransport(None), net=LOOPBACK)
        async with httpx.AsyncClient(transport=transport) as client, client.stream("GET", server.origin + "/pause") as answer:
            async for piece in answer.aiter_raw():
                return piece
        return b""

    if kind == "asyncio":
        assert asyncio.run(work()) == PIECES[0]
    else:
        transport = HttpxTransport(BlockingTransport(None), net=LOOPBACK)
        with httpx.Client(transport=transport) as client, client.stream("GET", server.origin + "/pause") as answer:
            assert next(answer.iter_raw()) == PIECES[0]
