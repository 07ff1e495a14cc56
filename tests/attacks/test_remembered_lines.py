"""What a transport remembers of heads, to be quicker the next time, decides nothing and holds nothing that it should not."""

from __future__ import annotations

import gc
import itertools
import random
from collections.abc import Iterator

import pytest

from saferoute.drivers.mint_exchange import _SealedRequest
from saferoute.drivers.transport_request import head_of
from saferoute.drivers.transport_site import Site
from saferoute.errors import ProtocolError, RequestError
from saferoute.secrets.minting import MintRequest
from saferoute.secrets.secret import Hidden
from saferoute.values.http import HttpRequest
from saferoute.wire.header_lines import KnownLines
from saferoute.wire.http1 import Limits, ResponseReader
from tests.drivers.doors import KINDS, LOOPBACK, Door, request
from tests.drivers.hostile import HostileServer
from tests.fuzz.differential import Mutator, ours

CANARY = "canary-of-one-answer"
ORIGIN = "http://127.0.0.1:1"


def say(lines: KnownLines, *headers: str) -> dict[str, str]:
    """Read an answer with these header lines; give its headers."""
    reader = ResponseReader(Limits(), lines)
    reader.feed("\r\n".join(["HTTP/1.1 200 OK", *headers, "content-length: 0", "", ""]).encode("latin-1"))
    assert reader.head is not None
    return dict(reader.head.headers)


def everything_in(top: object) -> Iterator[object]:
    """All objects that it leads to, classes aside."""
    todo, seen = [top], set()
    while todo:
        one = todo.pop()
        if id(one) not in seen and not isinstance(one, type) and not callable(one):
            seen.add(id(one))
            yield one
            todo += gc.get_referents(one)


def is_held(lines: KnownLines, text: str) -> bool:
    return any(isinstance(one, str) and text in one for one in everything_in(lines))


@pytest.mark.parametrize("seed", range(6))
def test_what_was_said_before_changes_nothing(seed: int) -> None:
    """Good and broken answers in any order, each several times in a row: with and without what is remembered they say the same."""
    mutator, lines = Mutator(random.Random(seed)), KnownLines()
    for _ in range(150):
        data, _, eof = mutator.case()
        alone = ours([data], eof=eof)
        assert [ours([data], eof=eof, lines=lines) for _ in range(3)] == [alone] * 3


@pytest.mark.parametrize("name", ["content-length", "transfer-encoding"])
def test_a_second_length_is_refused_whatever_is_remembered(name: str) -> None:
    lines = KnownLines()
    value = "chunked" if name == "transfer-encoding" else "0"
    for _ in range(4):
        reader = ResponseReader(Limits(), lines)
        reader.feed(f"HTTP/1.1 200 OK\r\n{name}: {value}\r\nserver: x\r\n\r\n".encode())
        assert reader.head is not None
        assert reader.head.headers == {name: value, "server": "x"}
    for second in (f"{name}: {value}", f"{name.upper()}: {value}", f"{name}:{value}"):
        with pytest.raises(ProtocolError):
            ResponseReader(Limits(), lines).feed(f"HTTP/1.1 200 OK\r\n{name}: {value}\r\nserver: x\r\n{second}\r\n\r\n".encode())


@pytest.mark.parametrize(
    "name",
    [
        "Set-Cookie", "WWW-Authenticate", "Proxy-Authenticate", "Authentication-Info", "Authorization", "Location", "Content-Location", "X-Api-Key",
        "X-Amz-Security-Token", "X-CSRF-Token", "X-Session-Id", "X-Client-Secret", "X-Signature",
    ],
)  # fmt: skip
def test_no_secret_is_remembered(name: str) -> None:
    lines = KnownLines()
    for _ in range(5):
        assert say(lines, f"{name}: {CANARY}", "Server: kept")[name.lower()] == CANARY
    assert not is_held(lines, CANARY)
    assert is_held(lines, "kept")


def test_what_is_said_once_is_not_remembered() -> None:
    lines = KnownLines()
    for number in range(50):
        said = say(lines, f"x-request-id: {CANARY}-{number}", "x-ratelimit-limit-tokens: 2000")
        assert said["x-request-id"] == f"{CANARY}-{number}"
        assert not is_held(lines, CANARY)
    assert is_held(lines, "2000")
    for number in range(50):  # nor what comes again, but not at once
        say(lines, f"x-request-id: {CANARY}-{number % 2}")
    assert not is_held(lines, CANARY)


def test_an_origin_cannot_fill_the_memory() -> None:
    lines = KnownLines()
    count = itertools.count()
    for _ in range(40):
        many = [f"x-{next(count)}: {'y' * 100}" for _ in range(100)]
        for _ in range(3):
            assert len(say(lines, *many)) == 101
        for _ in range(3):
            assert len(say(lines, f"x-long: {next(count)}{'z' * 20_000}", "x-long-too: " + "z" * 20_000)) == 3
    held = [one for one in everything_in(lines) if isinstance(one, str)]
    assert len(held) <= 3 * 64
    assert not any("zzz" in one for one in held)
    assert len(list(everything_in(lines))) < 600
    for _ in range(3):
        say(lines, "server: kept")
    assert is_held(lines, "kept")  # what was full begins anew


@pytest.mark.parametrize("kind", KINDS)
def test_each_origin_is_remembered_for_itself(kind: str) -> None:
    one, other = HostileServer(), HostileServer()
    try:
        with Door(kind) as door:
            for server in (one, other):
                for _ in range(3):
                    assert door.fetch(request(server.origin, "/ok"))[0].headers["content-type"] == "application/json"
            pools = door.transport._pools if door.loop is None else door.transport._by_loop[door.loop]
            first, second = (pool.site for pool in pools.values())
        assert first.lines is not second.lines
        assert first.heads is not second.heads
        assert is_held(first.lines, "application/json")
    finally:
        one.stop()
        other.stop()


def _sent(path: str = "/ok", method: str = "POST", **headers: str) -> HttpRequest:
    return HttpRequest(method, ORIGIN, path, tuple(headers.items()), b"{}", net=LOOPBACK)


def test_a_head_that_was_good_once_makes_no_other_good() -> None:
    site = Site(ORIGIN, LOOPBACK)
    for _ in range(3):
        assert head_of(_sent(accept="a"), site.fixed, site.heads) == head_of(_sent(accept="a"), site.fixed)
    for bad in (
        _sent(accept="a\r\nx-evil: 1"),
        _sent(host="a"),
        _sent("/ok HTTP/1.1\r\nx: y\r\n"),
        _sent(method="POST /x"),
        _sent("", accept="a"),
    ):
        for _ in range(3):
            with pytest.raises(RequestError):
                head_of(bad, site.fixed, site.heads)
    for number in range(100):
        assert f"x-number: {number}\r\n".encode() in head_of(_sent(**{"x-number": str(number)}), site.fixed, site.heads)
        head_of(_sent(**{"x-long": "y" * 100_000}), site.fixed, site.heads)
    assert len(site.heads) <= 16
    assert sum(map(len, site.heads.values())) < 65_536


def test_no_path_out_of_a_secret_is_remembered() -> None:
    site = Site(ORIGIN, LOOPBACK)
    asked = MintRequest("GET", "/v2/credentials/kept-nowhere", (), Hidden(b""))
    head_of(_SealedRequest(asked, ORIGIN, LOOPBACK, None), site.fixed, site.heads)
    assert site.heads == {}
    head_of(_sent("/open"), site.fixed, site.heads)
    assert [path for _, path, _ in site.heads] == ["/open"]


def test_the_length_is_that_of_each_body() -> None:
    site = Site(ORIGIN, LOOPBACK)
    for size in (0, 1, 2, 70_000, 0):
        sent = HttpRequest("POST", ORIGIN, "/ok", (), b"x" * size, net=LOOPBACK)
        assert head_of(sent, site.fixed, site.heads).endswith(b"\r\ncontent-length: %d\r\n" % size)
    without = HttpRequest("GET", ORIGIN, "/ok", (), b"", net=LOOPBACK)
    for _ in range(2):
        assert b"content-length" not in head_of(without, site.fixed, site.heads)
