"""Attack: a caller, or text that a caller passes on, names another address for the call, spelled so that a check might let it through.

An SSRF in a shared LLM gateway let a request name `api_base`, and the gateway sent its own provider key there (CVE-2024-6587); the same
hole came back four times through other fields. So every door is tried with every spelling: options, provider options, message fields, the
route's name, a model's name, the table's text, a server's name, and the origin that a key is stored with.

Guards: saferoute/values/options.py#1::if check is None:
Guards: saferoute/secrets/secret.py::if origin not in record.origins:
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

import saferoute
from saferoute.errors import SaferouteError
from saferoute.routing.authoring import build
from saferoute.testing import EmbeddedProvider
from saferoute.values.origin import parse_origin
from tests.support.both import KINDS, Face

KEY = "sk-canary-77b1e0c2a94d4f6e8c13"


class Sink:
    """Takes every connection on a loopback port, and keeps what arrives."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.heard = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()

    def _take(self) -> None:
        while True:
            try:
                one, _ = self._listener.accept()
            except OSError:
                return
            one.settimeout(0.2)
            data = b""
            with suppress(OSError):
                data = one.recv(65_536)
            self.taken.append(data)
            self.heard.set()
            one.close()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)


# PORT is the sink's, OWN that of the route's own provider.
URLS = [
    "http://127.0.0.1:PORT", "http://127.0.0.1:PORT/", "http://127.0.0.1:PORT/v1", "HTTP://127.0.0.1:PORT", "https://127.0.0.1:PORT", "//127.0.0.1:PORT", "127.0.0.1:PORT",
    "http://127.1:PORT", "http://127.0.1:PORT", "http://2130706433:PORT", "http://0x7f000001:PORT", "http://0x7f.0.0.1:PORT", "http://0177.0.0.1:PORT", "http://017700000001:PORT",
    "http://127.0.0.1.:PORT", "http://localhost:PORT", "http://localhost.:PORT", "http://LOCALHOST:PORT", "http://[::1]:PORT", "http://[::ffff:127.0.0.1]:PORT",
    "http://[::ffff:7f00:1]:PORT", "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT", "http://[0:0:0:0:0:0:0:1]:PORT", "http://[::0001]:PORT", "http://0.0.0.0:PORT", "http://[::]:PORT", "http://0:PORT",
    "http://127.0.0.1:OWN@127.0.0.1:PORT", "http://127.0.0.1:OWN#@127.0.0.1:PORT", "http://127.0.0.1:OWN\\@127.0.0.1:PORT", "http://127.0.0.1:OWN%40127.0.0.1:PORT",
    "http://user:pw@127.0.0.1:PORT", "http://127.0.0.1:PORT?@127.0.0.1:OWN", "http://127.0.0.1:PORT;127.0.0.1:OWN", "http://127.0.0.1:PORT\t", " http://127.0.0.1:PORT",
    "http://127.0.0.1:PORT\r\nhost: 127.0.0.1:OWN", "http://127.0.0.1:PORT\x00.example.com", "http://127。0。0。1:PORT", "http://１２７.0.0.1:PORT",
    "http://127.0.0.1:OWN/../../@127.0.0.1:PORT", "http+unix://127.0.0.1:PORT", "javascript:http://127.0.0.1:PORT", "http://127.0.0.1:+PORT", "http://127.0.0.1:0PORT",
    "http://xn--127-0-0-1.localhost:PORT", "http:127.0.0.1:PORT", "http:///127.0.0.1:PORT", "http://127.0.0.1:PORT/v1/chat/completions?",
]  # fmt: skip


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider(extra_fields=["grammar"]) as running:
        yield running


@pytest.fixture(scope="module")
def sink() -> Iterator[Sink]:
    made = Sink()
    yield made
    made.stop()


@pytest.fixture(scope="module", params=KINDS)
def face(request: pytest.FixtureRequest, provider: EmbeddedProvider) -> Iterator[Face]:
    secrets = saferoute.Secrets.of({"row": (KEY, provider.origin)})
    servers = [saferoute.loopback("row", port=provider.port, secret="row")]
    with Face(request.param, lambda client: client.local(servers=servers, secrets=secrets)) as made:
        yield made


def spelled(url: str, sink: Sink, provider: EmbeddedProvider) -> str:
    return url.replace("PORT", str(sink.port)).replace("OWN", str(provider.port))


OPTIONS = ["base_url", "api_base", "proxy", "extra_headers", "extra_body", "server"]


def doors(face: Face, url: str) -> Iterator[Any]:
    """Each way in which somebody could say where a call is to go."""
    for name in OPTIONS:
        yield lambda name=name: face.chat("row/m", "hi", **{name: url})
        yield lambda name=name: face.stream("row/m", "hi", **{name: {"base_url": url}})
        yield lambda name=name: face.chat("row/m", "hi", provider_options={"row": {name: url}})
        yield lambda name=name: face.chat("row/m", {"role": "user", "content": "hi", name: url})
        yield lambda name=name: face.wait(face.client.embed("row/m", "hi", **{name: url}))
        yield lambda name=name: face.chat("row/m", "hi", tools=[{"name": "f", "parameters": {"type": "object"}, name: url}])
    yield lambda: face.chat(url, "hi")
    yield lambda: face.stream(url + "/m", "hi")
    yield lambda: face.chat("row@" + url, "hi")
    yield lambda: face.chat("row", "hi", provider_options={url: {"grammar": "x"}})
    yield lambda: face.chat("row/m", "hi", provider_options={"row": {"headers": {"host": url}}})
    yield lambda: face.chat("row/m", "hi", headers={"Host": url, "X-Forwarded-Host": url})
    yield lambda: face.wait(face.client.available_models(url))


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_d1_no_door_leads_to_another_address(face: Face, provider: EmbeddedProvider, sink: Sink, url: str) -> None:
    before = provider.connections
    for call in doors(face, spelled(url, sink, provider)):
        with pytest.raises(SaferouteError):
            call()
    assert sink.taken == []
    assert provider.connections == before


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_d1_text_that_looks_like_an_address_stays_text(face: Face, provider: EmbeddedProvider, sink: Sink, url: str) -> None:
    """As a prompt, a model's name, a system prompt or a field that the row does list, it goes to the route's own provider, or nowhere."""
    said = spelled(url, sink, provider)
    for call in (
        lambda: face.chat("row/" + said, "hi"),
        lambda: face.chat("row/m", said, system=said),
        lambda: face.chat("row/m", "hi", provider_options={"row": {"grammar": said}}),
    ):
        with suppress(SaferouteError):
            call()
    assert sink.taken == []


def test_the_sink_would_notice(sink: Sink) -> None:
    """Otherwise silence would say nothing."""
    mine = Sink()
    with socket.create_connection(("127.0.0.1", mine.port)) as sock:
        sock.sendall(b"hello")
        assert mine.heard.wait(5)
    mine.stop()
    assert mine.taken == [b"hello"]


ROW = '[routes.row]\nprovider = "demo"\ndialect = "openai_chat"\norigin = {origin}\npath = "/v1"\nnet = "{net}"\nmodel = "m"\nauth = "bearer"\nsecret = "row"\ndata = "internal"\n'


@pytest.mark.parametrize("net", ["loopback", "public"])
@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_d1_a_table_takes_an_origin_in_its_one_spelling_only(sink: Sink, provider: EmbeddedProvider, url: str, net: str) -> None:
    from tomllib import TOMLDecodeError

    said = spelled(url, sink, provider)
    text = ROW.format(origin="'''" + said + "'''", net=net)
    if net == "loopback" and said in {
        f"{scheme}{sink.port}" for scheme in ("http://127.0.0.1:", "https://127.0.0.1:", "http://localhost:", "http://[::1]:")
    }:
        build(text)
        return
    with pytest.raises((SaferouteError, TOMLDecodeError, ValueError)):
        build(text)


@pytest.mark.parametrize("kind", KINDS)
def test_d1_a_key_that_is_bound_to_one_origin_does_not_go_to_a_server_at_another(kind: str, sink: Sink, provider: EmbeddedProvider) -> None:
    """An edited table that points an old secret at a new host."""
    secrets = saferoute.Secrets.of({"row": (KEY, provider.origin)})
    servers = [saferoute.loopback("row", port=sink.port, secret="row")]
    with Face(kind, lambda client: client.local(servers=servers, secrets=secrets)) as face:
        for call in (
            lambda: face.chat("row/m", "hi"),
            lambda: face.stream("row/m", "hi"),
            lambda: face.wait(face.client.embed("row/m", "hi")),
        ):
            with pytest.raises(SaferouteError):
                call()
    assert all(KEY.encode() not in data for data in sink.taken)
    assert sink.taken == []


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_d1_an_origin_has_one_spelling(sink: Sink, provider: EmbeddedProvider, url: str) -> None:
    said = spelled(url, sink, provider)
    try:
        parsed = parse_origin(said)
    except SaferouteError:
        return
    assert (str(parsed), parsed.port) == (said, sink.port)
    assert not parsed.is_ip or str(ipaddress.ip_address(parsed.host)) == parsed.host
