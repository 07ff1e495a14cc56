"""Through a proxy, and through one over TLS: everything that works without one, under both drivers and both parsers."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from saferoute.errors import ConfigurationError, ConnectFailed, StreamInterrupted, TimedOut
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.drivers.doors import CANARY, KINDS, PARSERS, Door, OneKey, clocks, request
from tests.drivers.hostile import BODY, PIECES, HostileServer
from tests.drivers.proxies import NAME, ORIGIN, Authority, TestProxy, running

AUTHORITY = Authority()
LAYERS = ("http", "https")


class Way:
    """A server, a proxy before it, and the terms on which it is reached."""

    def __init__(self, layer: str) -> None:
        self.server = HostileServer(AUTHORITY.server(NAME))
        self.proxy = TestProxy(self.server.port, tls=AUTHORITY.server("127.0.0.1") if layer == "https" else None)
        self.net = self.proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem) if layer == "https" else None)

    def ask(self, path: str = "/ok", **fields: Any) -> Any:
        return request(ORIGIN, path, **({"net": self.net} | fields))


@pytest.fixture(scope="module", params=LAYERS)
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    way = Way(request.param)
    with running(way.server, way.proxy):
        yield way


@pytest.fixture(params=[(kind, parser) for kind in KINDS for parser in PARSERS], ids="-".join)
def door(request: pytest.FixtureRequest) -> Iterator[Door]:
    kind, parser = request.param
    with Door(kind, parser, credentials=OneKey(ORIGIN), resolver=lambda host, port: pytest.fail("the proxy resolves")) as door:
        yield door


def test_a_request_and_its_answer(way: Way, door: Door) -> None:
    head, body = door.fetch(way.ask(secret="main", auth="bearer"))
    assert (head.status, body) == (200, BODY)
    sent = way.server.requests[-1]
    assert sent.startswith(b"POST /ok HTTP/1.1\r\nhost: api.example.com\r\n")
    assert f"authorization: Bearer {CANARY}\r\n".encode() in sent
    assert way.proxy.asked[-1] == b"CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com:443\r\n\r\n"


def test_a_connection_is_used_again_and_needs_one_tunnel(way: Way, door: Door) -> None:
    tunnels, connections = len(way.proxy.asked), way.server.connections
    for _ in range(4):
        assert door.fetch(way.ask())[1] == BODY
    assert (len(way.proxy.asked), way.server.connections) == (tunnels + 1, connections + 1)


def test_a_stream(way: Way, door: Door) -> None:
    answer = door.open(way.ask("/stream"))
    assert answer.rest() == b"".join(PIECES)


@pytest.mark.parametrize("size", [65_535, 65_536, 1_000_000])
def test_a_large_request(way: Way, door: Door, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    assert door.fetch(way.ask(body=body[:size]))[1] == BODY
    assert way.server.requests[-1].endswith(b"\r\n\r\n" + body[:size])


def test_a_large_answer(way: Way, door: Door) -> None:
    assert door.fetch(way.ask("/big"))[1] == b"z" * (8 << 20)


def test_a_body_until_the_end_of_the_connection(way: Way, door: Door) -> None:
    assert door.fetch(way.ask("/until-close"))[1] == BODY


@pytest.mark.parametrize("path", ["/until-cut", "/until-reset"])
def test_an_end_without_goodbye_is_no_end(way: Way, door: Door, path: str) -> None:
    with pytest.raises(StreamInterrupted):
        door.fetch(way.ask(path))


def test_what_came_unasked_is_never_an_answer(way: Way, door: Door) -> None:
    way.server.go_on.clear()
    way.server.went_on.clear()
    assert door.fetch(way.ask("/then-stray"))[1] == BODY
    way.server.go_on.set()
    assert way.server.went_on.wait(5)
    door.pause(0.1)  # the stray answer crosses the proxy
    tunnels = len(way.proxy.asked)
    assert door.fetch(way.ask())[1] == BODY
    assert len(way.proxy.asked) == tunnels + 1


@pytest.mark.parametrize(("path", "clock"), [("/hang", "first_byte"), ("/pause", "idle")])
@pytest.mark.timed
def test_the_clocks_hold(way: Way, door: Door, path: str, clock: str) -> None:
    began = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        door.fetch(way.ask(path), clocks(first_byte=0.3, idle=0.3))
    assert caught.value.clock == clock
    assert time.monotonic() - began < 3


def test_a_proxy_that_does_not_listen(door: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    net = NetClass(proxy=ConnectProxy(f"http://127.0.0.1:{port}", NetClass("loopback")))
    with pytest.raises(ConnectFailed) as caught:
        door.fetch(request(ORIGIN, net=net))
    assert str(caught.value) == f"the proxy 127.0.0.1:{port} refuses connections: nothing listens there. Nothing was sent"
    assert (caught.value.sent, caught.value.retryable) == (False, True)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("origin", "net"),
    [
        ("http://127.0.0.1:1", NetClass("loopback", proxy=ConnectProxy("http://127.0.0.1:2", NetClass("loopback")))),
        ("https://127.0.0.1:1", NetClass("loopback", proxy=ConnectProxy("http://127.0.0.1:2", NetClass("loopback")))),
        ("https://8.8.8.8", NetClass(proxy=ConnectProxy("http://127.0.0.1:2", NetClass("loopback")))),
        (ORIGIN, NetClass("private", ("10.0.0.0/8",), proxy=ConnectProxy("http://127.0.0.1:2", NetClass("loopback")))),
        (
            ORIGIN,
            NetClass(
                proxy=ConnectProxy(
                    "http://127.0.0.1:2", NetClass("loopback", proxy=ConnectProxy("http://127.0.0.1:3", NetClass("loopback")))
                )
            ),
        ),
    ],
)
def test_only_a_named_public_https_origin_goes_through_a_proxy(kind: str, origin: str, net: NetClass) -> None:
    with Door(kind) as door, pytest.raises(ConfigurationError) as caught:
        door.fetch(request(origin, net=net))
    assert str(caught.value) == (
        f"{origin} cannot be reached through a proxy: only an https origin of net class public that is named, not numbered, can, and "
        "through one proxy"
    )


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_left_open_when_the_origin_does_not_verify(kind: str) -> None:
    """The connections to a proxy are closed on every way out; unclosed ones would warn."""
    way = Way("https")
    stranger = Authority()
    nets = [
        way.proxy.net(stranger.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem)),
        way.proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", stranger.ca_pem)),
    ]
    with running(way.server, way.proxy), Door(kind) as door:
        for net, label in zip(nets, (NAME, f"the proxy 127.0.0.1:{way.proxy.port}"), strict=True):
            with pytest.raises(ConnectFailed) as caught:
                door.fetch(request(ORIGIN, net=net))
            assert str(caught.value).startswith(f"the TLS certificate of {label} was not accepted: ")
            assert not caught.value.retryable
        door.pause(0.1)
    assert way.server.requests == []
