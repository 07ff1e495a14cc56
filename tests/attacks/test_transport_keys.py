"""The key goes to its own origin and nowhere else: no traceback, local, repr, log or second host ever sees it."""

from __future__ import annotations

import asyncio
import base64
import gc
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType

import httpx
import pytest

from saferoute.drivers.httpx_bridge import AsyncHttpxBridge, HttpxBridge, HttpxTransport
from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_request import head_of, write_request
from saferoute.drivers.transport_site import Site
from saferoute.errors import OriginMismatch, RequestError, SaferouteError, SecretError, SecretNotFound, TimedOut
from saferoute.values.http import AuthScheme, HttpRequest
from tests.drivers.doors import CANARY, KINDS, LOOPBACK, Door, OneKey, clocks, request
from tests.drivers.hostile import Certificates, HostileServer

FORMS = (CANARY, base64.b64encode(CANARY.encode()).decode(), CANARY.encode().hex())


@pytest.fixture(scope="module", params=["plain", "tls"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HostileServer]:
    certificates = Certificates(tmp_path_factory.mktemp("certificates"))
    server = HostileServer(certificates.server("ok") if request.param == "tls" else None)
    server.ca_pem = certificates.ca_pem  # type: ignore[attr-defined]
    yield server
    server.stop()


def frames_of(error: BaseException) -> Iterator[FrameType]:
    """Every frame that the error leads to, by every link."""
    todo: list[BaseException | None] = [error]
    seen: set[int] = set()
    while todo:
        one = todo.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        todo += [one.__cause__, one.__context__]
        link: TracebackType | None = one.__traceback__
        while link is not None:
            yield link.tb_frame
            link = link.tb_next


def assert_clean(error: BaseException) -> None:
    """Look for the key in what error reporters collect: messages, reprs, notes, locals of every frame."""
    text = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__dict__)
    if isinstance(error, SaferouteError):
        text += error.diagnostics()
    for frame in frames_of(error):
        if "/tests/" in frame.f_code.co_filename:
            continue  # the tests know the key
        for value in frame.f_locals.values():
            text += repr(value)
            if isinstance(value, (bytes, bytearray, memoryview)):
                text += bytes(value).decode("latin-1")
            if isinstance(value, (list, tuple)):
                text += "".join(bytes(item).decode("latin-1") for item in value if isinstance(item, (bytes, bytearray)))
    for form in FORMS:
        assert form not in text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "path", ["/rst", "/hang-up", "/hang", "/rst-mid", "/short", "/bad-chunk", "/garbage", "/big-head", "/slow", "/not-gzip", "/pause"]
)
def test_no_error_leads_to_the_key(server: HostileServer, kind: str, path: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    key = OneKey(server.origin)
    with Door(kind, credentials=key, tls=ClientTls(server.ca_pem)) as door:  # type: ignore[attr-defined]
        with pytest.raises(SaferouteError) as caught:
            door.fetch(request(server.origin, path, secret="main", auth="bearer"), clocks(first_byte=0.2, idle=0.2, total=0.5))
        assert_clean(caught.value)
    assert key.asked == 1
    assert CANARY.encode() in server.requests[-1]  # so the key was there to be leaked
    assert CANARY not in caplog.text


@pytest.mark.parametrize("kind", KINDS)
def test_a_write_that_breaks_or_hangs_leads_to_no_key(server: HostileServer, kind: str) -> None:
    """The frames that write hold the buffer with the key: a timeout or a reset in the middle of a large body."""
    key = OneKey(server.origin)
    for path, bounds in (("/deaf", {"first_byte": 0.2}), ("/deaf", {"total": 0.5}), ("/refuse-early", {})):
        with Door(kind, credentials=key, tls=ClientTls(server.ca_pem)) as door:  # type: ignore[attr-defined]
            try:
                door.fetch(request(server.origin, path, b"q" * (32 << 20), secret="main", auth="x-api-key"), clocks(**bounds))
            except SaferouteError as error:
                assert_clean(error)
            else:
                assert path == "/refuse-early"
    assert key.asked == 3


@pytest.mark.parametrize("failure", [OSError(5, "broken"), KeyboardInterrupt(), ValueError("odd"), MemoryError()])
@pytest.mark.parametrize("size", [10, 100_000])
def test_whatever_breaks_in_the_write_is_handed_back_without_its_frames(failure: BaseException, size: int) -> None:
    def sendall(data: bytes) -> None:
        buffer = bytes(data)
        if CANARY.encode() in buffer:
            raise failure

    sent = request("http://127.0.0.1:1", body=b"b" * size, secret="main", auth="bearer")
    head = head_of(sent, Site("http://127.0.0.1:1", LOOPBACK).fixed)
    returned = write_request(sent, head, OneKey("http://127.0.0.1:1"), sendall, lambda: None)
    assert returned is failure
    assert returned.__traceback__ is None
    assert list(frames_of(returned)) == []


@pytest.mark.parametrize("size", [10, 100_000])
def test_an_error_of_ours_in_the_write_passes_and_leaves_no_key_behind(size: int) -> None:
    """A clock that runs out between two pieces of a large body, or a writer that raises one of our errors."""

    def late(*_: bytes) -> None:
        raise TimedOut(clock="total", seconds=1.0, sent=True)

    sent = request("http://127.0.0.1:1", body=b"b" * size, secret="main", auth="bearer")
    head = head_of(sent, Site("http://127.0.0.1:1", LOOPBACK).fixed)
    for sendall, before_piece in ((late, lambda: None), (len, late)):
        try:
            write_request(sent, head, OneKey("http://127.0.0.1:1"), sendall, before_piece)
        except TimedOut as error:
            assert_clean(error)
        else:
            assert (sendall, size) == (len, 10)


def test_an_interrupt_in_the_middle_of_writing_shows_no_key(server: HostileServer) -> None:
    """Ctrl-C while the buffer is being written: what surfaces holds no frame that saw it."""
    transport = BlockingTransport(OneKey(server.origin), tls=ClientTls(server.ca_pem))  # type: ignore[attr-defined]
    exchange = transport.open(request(server.origin, "/ok", secret="main", auth="bearer"), clocks())
    while exchange.read():
        pass
    (pool,) = transport._pools.values()
    real = pool.idle._idle[0].sock

    class Interrupted:
        def sendall(self, data: bytes) -> None:
            buffer = bytes(data)
            assert CANARY.encode() in buffer
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    pool.idle._idle[0].sock = Interrupted()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt) as caught:
        transport.open(request(server.origin, "/ok", secret="main", auth="bearer"), clocks())
    assert_clean(caught.value)
    assert all("sendall" not in frame.f_code.co_name for frame in frames_of(caught.value))
    transport.close()
    assert real.fileno() == -1  # nobody knows what of the request went out


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_stays_alive_holds_the_key(server: HostileServer, kind: str) -> None:
    """After a call no bytes object with the key is left in the transport (the source's own aside)."""
    with Door(kind, credentials=OneKey(server.origin), tls=ClientTls(server.ca_pem)) as door:  # type: ignore[attr-defined]
        door.fetch(request(server.origin, "/ok", secret="main", auth="bearer"))
        seen: set[int] = set()
        todo: list[object] = [door.transport]
        while todo:
            one = todo.pop()
            if id(one) in seen or isinstance(one, (OneKey, type, asyncio.AbstractEventLoop)) or callable(one):
                continue
            seen.add(id(one))
            if isinstance(one, (bytes, bytearray)):
                assert CANARY.encode() not in one
            elif type(one).__module__.startswith(("saferoute", "builtins", "asyncio", "collections")):
                todo += gc.get_referents(one)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bound", ["https://api.example.com", "http://127.0.0.1:1", "http://localhost:{port}", "https://127.0.0.1:{port}", "http://127.0.0.1"]
)
def test_a_key_of_another_origin_is_not_sent(kind: str, bound: str) -> None:
    server = HostileServer()
    try:
        with Door(kind, credentials=OneKey(bound.format(port=server.port))) as door, pytest.raises(OriginMismatch) as caught:
            door.fetch(request(server.origin, "/ok", secret="main", auth="bearer"))
        assert_clean(caught.value)
        door.pause(0.02) if kind == "blocking" else time.sleep(0.02)
        assert server.requests == []
    finally:
        server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_redirect_carries_the_key_nowhere(kind: str) -> None:
    server = HostileServer()
    try:
        with Door(kind, credentials=OneKey(server.origin)) as door:
            head, _ = door.fetch(request(server.origin, "/redirect", secret="main", auth="x-api-key"))
        assert head.status == 307
        assert len(server.requests) == 1
    finally:
        server.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_a_request_without_a_secret_asks_for_none(server: HostileServer, kind: str) -> None:
    key = OneKey(server.origin)
    with Door(kind, credentials=key, tls=ClientTls(server.ca_pem)) as door:  # type: ignore[attr-defined]
        door.fetch(request(server.origin, "/ok"))
    assert key.asked == 0
    assert CANARY.encode() not in server.requests[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_without_a_source_sends_nothing(server: HostileServer, kind: str) -> None:
    before = len(server.requests)
    with Door(kind, tls=ClientTls(server.ca_pem)) as door, pytest.raises(SecretNotFound):  # type: ignore[attr-defined]
        door.fetch(request(server.origin, "/ok", secret="main", auth="bearer"))
    assert len(server.requests) == before


class BadSource:
    """A source that is wrong about what a header may hold."""

    def __init__(self, name: bytes, value: bytes) -> None:
        self._made = (name, value)

    def header(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes]:
        return self._made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"authorization", b"Bearer " + CANARY.encode() + b"\r\nx-evil: 1"),
        (b"authorization", b"Bearer " + CANARY.encode() + b"\n"),
        (b"authorization", CANARY.encode() + b"\x00"),
        (b"authorization", b""),
        (b"x-forwarded-for", CANARY.encode()),
        (b"host", b"evil.example"),
        (b"authorization\r\nx", CANARY.encode()),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_key_with_a_line_break_is_not_sent_and_not_shown(kind: str, name: bytes, value: bytes) -> None:
    server = HostileServer()
    try:
        with Door(kind, credentials=BadSource(name, value)) as door, pytest.raises(SecretError) as caught:
            door.fetch(request(server.origin, "/ok", secret="main", auth="bearer"))
        assert_clean(caught.value)
        assert server.requests == []
    finally:
        server.stop()


BAD_REQUESTS: dict[str, dict[str, object]] = {
    "value with CRLF": {"headers": (("x-a", "1\r\nx-evil: 2"),)},
    "value with LF": {"headers": (("x-a", "1\n"),)},
    "value with CR": {"headers": (("x-a", "1\r"),)},
    "value with NUL": {"headers": (("x-a", "1\x00"),)},
    "value that is a whole header": {"headers": (("x-a", "1\r\ncontent-length: 0\r\n\r\nGET /evil HTTP/1.1"),)},
    "value not ASCII": {"headers": (("x-a", "\u010a"),)},
    "value with DEL": {"headers": (("x-a", "\x7f"),)},
    "name with CRLF": {"headers": (("x-a: 1\r\nx-b", "2"),)},
    "name with a colon": {"headers": (("x-a:b", "2"),)},
    "name with a blank": {"headers": (("x a", "2"),)},
    "empty name": {"headers": (("", "2"),)},
    "upper-case name": {"headers": (("Host", "evil.example"),)},
    "host": {"headers": (("host", "evil.example"),)},
    "content-length": {"headers": (("content-length", "0"),)},
    "transfer-encoding": {"headers": (("transfer-encoding", "chunked"),)},
    "connection": {"headers": (("connection", "close"),)},
    "expect": {"headers": (("expect", "100-continue"),)},
    "authorization": {"headers": (("authorization", "Bearer mine"),)},
    "x-api-key": {"headers": (("x-api-key", "mine"),)},
    "api-key": {"headers": (("api-key", "mine"),)},
    "x-goog-api-key": {"headers": (("x-goog-api-key", "mine"),)},
    "cookie": {"headers": (("cookie", "a=b"),)},
    "accept-encoding": {"headers": (("accept-encoding", "br"),)},
    "path with CRLF": {"path": "/ok HTTP/1.1\r\nx-evil: 1\r\n\r\n"},
    "path with LF": {"path": "/ok\n"},
    "path with a blank": {"path": "/ok /evil"},
    "path not ASCII": {"path": "/\u0161"},
    "path without a slash": {"path": "ok"},
    "path that is a URL": {"path": "http://evil.example/"},
    "empty path": {"path": ""},
    "method with CRLF": {"method": "GET / HTTP/1.1\r\nx-evil: 1\r\n\r\nGET"},
    "method in lower case": {"method": "post"},
    "no method": {"method": ""},
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_request_that_would_become_another_is_refused_before_a_socket_opens(kind: str, name: str) -> None:
    server = HostileServer()
    try:
        fields = {"method": "POST", "path": "/ok", "headers": ()} | BAD_REQUESTS[name]
        sent = HttpRequest(origin=server.origin, body=b"{}", net=LOOPBACK, **fields)  # type: ignore[arg-type]
        with Door(kind) as door, pytest.raises(RequestError) as caught:
            door.fetch(sent)
        assert "evil" not in str(caught.value)
        assert (server.connections, server.requests) == (0, [])
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------------ over httpx's transports


def _raises(failure: BaseException) -> Callable[[httpx.Request], httpx.Response]:
    def handle(sent: httpx.Request) -> httpx.Response:
        headers = dict(sent.headers)  # a local with the key, as httpx's own frames have them
        assert CANARY in headers["x-api-key"]
        if isinstance(failure, httpx.RequestError):
            failure.request = sent
        raise failure

    return handle


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ConnectError("x"), httpx.ConnectTimeout("x"), httpx.ReadTimeout("x"), httpx.WriteError("x"), httpx.ReadError("x"),
        httpx.RemoteProtocolError("illegal"), httpx.RemoteProtocolError("Server disconnected"), httpx.UnsupportedProtocol("x"),
        httpx.ProxyError("x"), httpx.TooManyRedirects("x"), RuntimeError("x"), KeyboardInterrupt(),
    ],
    ids=lambda failure: f"{type(failure).__name__} {failure}",
)  # fmt: skip
def test_an_error_of_an_httpx_transport_leads_to_no_key(failure: BaseException) -> None:
    origin = "https://api.example.com"
    sent = HttpRequest("POST", origin, "/v1", (), b"{}", "main", "x-api-key")
    expected = (SaferouteError, RuntimeError, KeyboardInterrupt)
    mock = httpx.MockTransport(_raises(failure))
    with pytest.raises(expected) as caught:
        HttpxBridge(mock, OneKey(origin)).open(sent, clocks())
    assert_clean(caught.value)
    assert not any("/tests/" in frame.f_code.co_filename and frame.f_code.co_name == "handle" for frame in frames_of(caught.value))
    if not isinstance(failure, KeyboardInterrupt):
        with pytest.raises(expected) as caught:
            asyncio.run(_open(AsyncHttpxBridge(mock, OneKey(origin)), sent))
        assert_clean(caught.value)


async def _open(bridge: AsyncHttpxBridge, sent: HttpRequest) -> None:
    await bridge.open(sent, clocks())


def test_the_bridge_checks_the_origin() -> None:
    seen: list[httpx.Request] = []

    def handle(sent: httpx.Request) -> httpx.Response:
        seen.append(sent)
        return httpx.Response(200)

    with pytest.raises(OriginMismatch):
        HttpxBridge(httpx.MockTransport(handle), OneKey("https://other.example.com")).open(
            HttpRequest("POST", "https://api.example.com", "/v1", (), b"", "main", "bearer"), clocks()
        )
    assert seen == []


@pytest.mark.parametrize("header", ["authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"])
def test_under_httpx_a_callers_credential_is_refused_or_replaced(header: str) -> None:
    server = HostileServer()
    try:
        ours = BlockingTransport(OneKey(server.origin))
        with httpx.Client(transport=HttpxTransport(ours, net=LOOPBACK)) as client, pytest.raises(httpx.LocalProtocolError):
            client.get(server.origin + "/ok", headers={header: "mine"})
        assert server.requests == []
        ours = BlockingTransport(OneKey(server.origin))
        with httpx.Client(transport=HttpxTransport(ours, secret="main", auth="bearer", net=LOOPBACK)) as client:
            client.get(server.origin + "/ok", headers={header: "mine"})
        assert b"mine" not in server.requests[0]
        assert f"authorization: Bearer {CANARY}".encode() in server.requests[0]
    finally:
        server.stop()


def test_threads_named_for_lookups_are_daemons() -> None:
    """A resolver that never returns must not hold the process."""
    started = threading.Event()

    def hang(host: str, port: int) -> list[str]:
        assert threading.current_thread().daemon
        started.set()
        return ["127.0.0.1"]

    with Door("blocking", resolver=hang) as door, pytest.raises(SaferouteError):
        door.fetch(request("http://localhost:1"))
    assert started.is_set()
