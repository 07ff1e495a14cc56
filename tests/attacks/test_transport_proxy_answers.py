"""A proxy answers CONNECT with something else than an open tunnel: a body, a demand, another protocol, or nothing, slowly.

In real life: captive portals and filtering proxies answer CONNECT with pages and redirects, and clients that took what followed for the
origin's answer showed it to the user as the site's own (the "FalseCONNECT" advisories of 2016, in browsers and operating systems).

Guards: saferoute/drivers/transport_tunnel.py::raise self._failed("sent bytes of its own before the origin was spoken to")
Guards: saferoute/drivers/transport_tunnel.py::raise self._failed("did not answer in HTTP/1.1")
Guards: saferoute/drivers/transport_tunnel.py::raise self._failed("answered with headers that are none")
Guards: saferoute/drivers/transport_tunnel.py::raise self._failed(f"answered with more than {_MAX_HEAD} bytes")
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from saferoute.drivers.transport_site import Site
from saferoute.drivers.transport_tunnel import TunnelAnswer
from saferoute.errors import ConnectFailed, TimedOut
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.drivers.doors import KINDS, Door, OneKey, clocks, request
from tests.drivers.hostile import HostileServer
from tests.drivers.proxies import NAME, OPEN, ORIGIN, Authority, TestProxy, running

AUTHORITY = Authority()
NONE = "did not answer in HTTP/1.1"
LONG = "answered with more than 8192 bytes"
FIELDS = "answered with headers that are none"
EARLY = "sent bytes of its own before the origin was spoken to"
PASSWORD = "wants a password (status 407), and saferoute gives none to a proxy: let it know this machine another way"


def refused(status: int) -> str:
    return f"refused to connect there (status {status})"


ANSWERS: dict[str, tuple[bytes, str, bool]] = {
    "a body": (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", EARLY, False),
    "one byte": (OPEN + b"x", EARLY, False),
    "a second answer": (OPEN + OPEN, EARLY, False),
    "an answer of the origin": (OPEN + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", EARLY, False),
    "407": (b'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n', PASSWORD, False),
    "407 with a page": (b"HTTP/1.1 407 No\r\nContent-Length: 4\r\n\r\npage", PASSWORD, False),
    "302": (b"HTTP/1.1 302 Found\r\nLocation: http://portal.example/\r\n\r\n", refused(302), False),
    "307": (b"HTTP/1.1 307 Temporary Redirect\r\nLocation: https://evil.example/\r\n\r\n", refused(307), False),
    "403": (b"HTTP/1.1 403 Forbidden\r\n\r\n", refused(403), False),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", refused(204), False),
    "100 first": (b"HTTP/1.1 100 Continue\r\n\r\n" + OPEN, refused(100), False),
    "499": (b"HTTP/1.1 499 Odd\r\n\r\n", refused(499), False),
    "500": (b"HTTP/1.1 500 Broken\r\n\r\n", refused(500), True),
    "502": (b"HTTP/1.1 502 Bad Gateway\r\n\r\n", refused(502), True),
    "599": (b"HTTP/1.1 599 Late\r\n\r\n", refused(599), True),
    "600": (b"HTTP/1.1 600 What\r\n\r\n", NONE, False),
    "HTTP/2": (b"HTTP/2 200 OK\r\n\r\n", NONE, False),
    "HTTP/1.2": (b"HTTP/1.2 200 OK\r\n\r\n", NONE, False),
    "lower case": (b"http/1.1 200 OK\r\n\r\n", NONE, False),
    "2000": (b"HTTP/1.1 2000 OK\r\n\r\n", NONE, False),
    "two spaces": (b"HTTP/1.1  200 OK\r\n\r\n", NONE, False),
    "a bare line feed": (b"HTTP/1.1 200 OK\n\n", NONE, False),
    "a carriage return within": (b"HTTP/1.1 200 O\rK\r\n\r\n", NONE, False),
    "a NUL": (b"HTTP/1.1 200 \x00\r\n\r\n", NONE, False),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\n", NONE, False),
    "SSH": (b"SSH-2.0-OpenSSH_9.6\r\n", NONE, False),
    "a folded header": (b"HTTP/1.1 200 OK\r\nVia: a\r\n b\r\n\r\n", FIELDS, False),
    "a space before the colon": (b"HTTP/1.1 200 OK\r\nVia : a\r\n\r\n", FIELDS, False),
    "a header without a name": (b"HTTP/1.1 200 OK\r\n: a\r\n\r\n", FIELDS, False),
    "a line feed in a header": (b"HTTP/1.1 200 OK\r\nVia: a\nb\r\n\r\n", FIELDS, False),
    "a NUL in a header": (b"HTTP/1.1 200 OK\r\nVia: \x00\r\n\r\n", FIELDS, False),
    "no line": (b"x" * 8_193, LONG, False),
    "long headers": (b"HTTP/1.1 200 OK\r\nVia: " + b"a" * 8_192, LONG, False),
    "a long answer that ends": (b"HTTP/1.1 200 OK\r\nVia: " + b"a" * 8_180 + b"\r\n\r\n", LONG, False),
}


@pytest.fixture(scope="module")
def site() -> Site:
    return Site(ORIGIN, NetClass(proxy=ConnectProxy("http://127.0.0.1:3128", NetClass("loopback"))))


@pytest.mark.parametrize("pieces", [1, 3, 100_000])
@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_opens_nothing(name: str, pieces: int, site: Site) -> None:
    """However it is cut: the answer never counts as an open tunnel before its fault is seen, except for bytes that follow one."""
    answer, what, retryable = ANSWERS[name]
    size = max(1, len(answer) // pieces)
    reader = TunnelAnswer(site, site.first)
    is_open = False
    with pytest.raises(ConnectFailed) as caught:
        for at in range(0, len(answer), size):
            is_open = reader.feed(answer[at : at + size])
            if is_open:
                assert what == EARLY  # a later piece: TLS sees it, as nonsense
                raise ConnectFailed("", retryable=False)
    if not is_open:
        assert str(caught.value) == f"no connection to {NAME}: the proxy 127.0.0.1:3128 {what}. Nothing was sent"
    assert (caught.value.retryable, caught.value.sent) == (retryable, False)


@pytest.mark.parametrize(
    "answer",
    [
        OPEN,
        b"HTTP/1.0 200\r\n\r\n",
        b"HTTP/1.1 200 \r\n\r\n",
        b"HTTP/1.1 200 Verbindung h\xe4lt\r\nVia: \t1.1 x\r\nX:\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nVia: " + b"a" * (8_192 - 26) + b"\r\n\r\n",
    ],
)
def test_an_answer_that_opens_the_tunnel(answer: bytes, site: Site) -> None:
    assert TunnelAnswer(site, site.first).feed(answer)
    reader = TunnelAnswer(site, site.first)
    assert [reader.feed(answer[at : at + 1]) for at in range(len(answer))] == [False] * (len(answer) - 1) + [True]


def test_a_proxy_that_hangs_up(site: Site) -> None:
    reader = TunnelAnswer(site, site.first)
    assert not reader.feed(b"HTTP/1.1 2")
    with pytest.raises(ConnectFailed) as caught:
        reader.feed(b"")
    assert str(caught.value) == (
        f"no connection to {NAME}: the proxy 127.0.0.1:3128 closed the connection instead of answering. Nothing was sent"
    )
    assert caught.value.retryable


@pytest.mark.parametrize("layer", ["http", "https"])
@pytest.mark.parametrize("name", ["a body", "407", "302", "TLS", "a folded header", "long headers"])
@pytest.mark.parametrize("kind", KINDS)
def test_over_a_real_connection(kind: str, name: str, layer: str) -> None:
    answer, what, _ = ANSWERS[name]
    secure = layer == "https"
    proxy = TestProxy(1, answer, tls=AUTHORITY.server("127.0.0.1") if secure else None)
    key = OneKey(ORIGIN)
    net = proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem) if secure else None)
    with running(proxy), Door(kind, credentials=key) as door, pytest.raises(ConnectFailed) as caught:
        door.fetch(request(ORIGIN, net=net, secret="main", auth="bearer"))
    assert str(caught.value) == f"no connection to {NAME}: the proxy 127.0.0.1:{proxy.port} {what}. Nothing was sent"
    assert (key.asked, len(proxy.asked), proxy.strays) == (0, 1, b"")


def _drip(proxy: TestProxy, sock: socket.socket) -> None:
    for byte in OPEN[:-1] * 60:
        if proxy.stopping.wait(0.02):
            return
        sock.sendall(bytes([byte]))


def _silence(proxy: TestProxy, sock: socket.socket) -> None:
    proxy.stopping.wait(30)
    sock.close()


def _open_then_silence(proxy: TestProxy, sock: socket.socket) -> None:
    sock.sendall(OPEN)
    proxy.stopping.wait(30)


@pytest.mark.parametrize("layer", ["http", "https"])
@pytest.mark.parametrize("act", [_drip, _silence, _open_then_silence])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("connect", "total", "clock"), [(0.4, 25.0, "connect"), (25.0, 0.4, "total")])
@pytest.mark.timed
def test_the_connect_clock_holds_for_the_proxy_too(
    kind: str, act: Callable[[TestProxy, socket.socket], None], layer: str, connect: float, total: float, clock: str
) -> None:
    """Each byte of a drip would be in time by itself."""
    secure = layer == "https"
    proxy = TestProxy(1, act, tls=AUTHORITY.server("127.0.0.1") if secure else None)
    net = proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem) if secure else None)
    began = time.monotonic()
    with running(proxy), Door(kind) as door:
        with pytest.raises(TimedOut) as caught:
            door.fetch(request(ORIGIN, net=net), clocks(connect=connect, total=total))
        assert time.monotonic() - began < 10
    assert (caught.value.clock, caught.value.sent) == (clock, False)


def _talk_later(proxy: TestProxy, sock: socket.socket) -> None:
    """An open tunnel, and then a page where TLS should be."""
    sock.sendall(OPEN)
    sock.recv(4096)
    sock.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\nfake")
    proxy.stopping.wait(2)


@pytest.mark.parametrize("layer", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_in_place_of_tls(kind: str, layer: str) -> None:
    secure = layer == "https"
    proxy = TestProxy(1, _talk_later, tls=AUTHORITY.server("127.0.0.1") if secure else None)
    net = proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem) if secure else None)
    with running(proxy), Door(kind) as door, pytest.raises(ConnectFailed, match=r"no TLS with api\.example\.com: ") as caught:
        door.fetch(request(ORIGIN, net=net))
    assert not caught.value.retryable


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_of_a_refusal_is_an_answer(kind: str) -> None:
    """After the proxy's page the connection is gone; the next request asks again."""
    server = HostileServer(AUTHORITY.server(NAME))
    proxy = TestProxy(server.port, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
    with running(server, proxy), Door(kind) as door:
        for _ in range(2):
            with pytest.raises(ConnectFailed):
                door.fetch(request(ORIGIN, net=proxy.net(AUTHORITY.ca_pem)))
    assert (len(proxy.asked), server.connections) == (2, 0)


def _speak_twice(proxy: TestProxy, sock: socket.socket) -> None:
    """An open tunnel, and a moment later, before or while TLS begins, bytes of its own."""
    sock.sendall(OPEN)
    sock.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    proxy.stopping.wait(2)


def _hang_up(proxy: TestProxy, sock: socket.socket) -> None:
    assert proxy.asked
    sock.close()


def _open_and_hang_up(proxy: TestProxy, sock: socket.socket) -> None:
    assert proxy.asked
    sock.sendall(OPEN)
    sock.close()


@pytest.mark.parametrize("layer", ["http", "https"])
@pytest.mark.parametrize("act", [_speak_twice, _hang_up, _open_and_hang_up])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timed
def test_at_the_wrong_moment(kind: str, act: Callable[[TestProxy, socket.socket], None], layer: str) -> None:
    secure = layer == "https"
    proxy = TestProxy(1, act, tls=AUTHORITY.server("127.0.0.1") if secure else None)
    key = OneKey(ORIGIN)
    net = proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem) if secure else None)
    began = time.monotonic()
    with running(proxy), Door(kind, credentials=key) as door, pytest.raises(ConnectFailed) as caught:
        door.fetch(request(ORIGIN, net=net, secret="main", auth="bearer"), clocks(connect=25.0, total=25.0))
    assert (caught.value.sent, key.asked) == (False, 0)
    assert time.monotonic() - began < 10  # and not when a clock runs out
