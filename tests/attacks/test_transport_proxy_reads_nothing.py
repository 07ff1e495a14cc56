"""A proxy reads the key, the prompt or the answer, or stands in for the provider.

In real life: a program that honours HTTPS_PROXY, or a gateway that terminates TLS, hands every key and prompt to whoever runs the box in
between; of the SDKs that were tried (incidents.md, the probe table), all but one gave the key to a proxy of the environment.

Guards: saferoute/drivers/transport_connect.py::return self._secure_within(sock, site) if isinstance(sock, ssl.SSLSocket) else self._secure(sock, site)
Guards: saferoute/drivers/transport_site.py::if not self.secure or self.is_ip or net.kind != "public" or net.proxy.net.proxy is not None:
"""

from __future__ import annotations

import base64
import socket
from pathlib import Path

import pytest

from saferoute.errors import AddressRefused, ConfigurationError, ConnectFailed
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.drivers.doors import CANARY, KINDS, PARSERS, Door, OneKey, request
from tests.drivers.hostile import BODY, HostileServer
from tests.drivers.proxies import NAME, ORIGIN, Authority, TestProxy, running

AUTHORITY = Authority()
PROMPT = b'{"messages": "a secret question"}'
FORMS = (CANARY.encode(), base64.b64encode(CANARY.encode()), CANARY.encode().hex().encode(), b"secret question", b"authorization")


@pytest.mark.parametrize("layer", ["http", "https"])
@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_proxy_sees_a_name_and_tls(kind: str, parser: str, layer: str) -> None:
    server = HostileServer(AUTHORITY.server(NAME))
    secure = layer == "https"
    proxy = TestProxy(server.port, tls=AUTHORITY.server("127.0.0.1") if secure else None)
    net = proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem) if secure else None)
    with running(server, proxy), Door(kind, parser, credentials=OneKey(ORIGIN)) as door:
        assert door.fetch(request(ORIGIN, body=PROMPT, net=net, secret="main", auth="bearer"))[1] == BODY
    assert proxy.asked == [b"CONNECT api.example.com:443 HTTP/1.1\r\nhost: api.example.com:443\r\n\r\n"]
    assert len(proxy.carried) > len(PROMPT)
    assert not [form for form in FORMS if form in proxy.carried.lower() or form in proxy.carried]
    assert CANARY.encode() in server.requests[0]  # the origin had it
    assert PROMPT in server.requests[0]


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_that_answers_in_the_origins_place_gets_nothing(kind: str) -> None:
    """It opens TLS with a certificate of its own, for the right name; the authority is not the row's."""
    impostor = HostileServer(Authority().server(NAME))
    proxy = TestProxy(impostor.port)
    key = OneKey(ORIGIN)
    with running(impostor, proxy), Door(kind, credentials=key) as door, pytest.raises(ConnectFailed) as caught:
        door.fetch(request(ORIGIN, body=PROMPT, net=proxy.net(AUTHORITY.ca_pem), secret="main", auth="bearer"))
    assert str(caught.value).startswith(f"the TLS certificate of {NAME} was not accepted: ")
    assert (caught.value.sent, caught.value.retryable, key.asked, impostor.requests) == (False, False, 0, [])


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxys_own_certificate_is_not_the_origins(kind: str) -> None:
    """The proxy connects back to itself: a valid certificate of a trusted authority, for the wrong name."""
    server = HostileServer(AUTHORITY.server("proxy.example.com"))
    proxy = TestProxy(server.port)
    key = OneKey(ORIGIN)
    with running(server, proxy), Door(kind, credentials=key) as door, pytest.raises(ConnectFailed, match="Hostname mismatch"):
        door.fetch(request(ORIGIN, net=proxy.net(AUTHORITY.ca_pem), secret="main", auth="bearer"))
    assert (key.asked, server.requests) == (0, [])


@pytest.mark.parametrize("kind", KINDS)
def test_an_origin_without_tls_never_goes_through_a_proxy(kind: str) -> None:
    """Over plain http the proxy would read everything."""
    server = HostileServer()
    proxy = TestProxy(server.port)
    key = OneKey(server.origin)
    net = NetClass("loopback", proxy=ConnectProxy(proxy.origin, NetClass("loopback")))
    with running(server, proxy), Door(kind, credentials=key) as door, pytest.raises(ConfigurationError, match="through a proxy"):
        door.fetch(request(server.origin, net=net, secret="main", auth="bearer"))
    assert (proxy.asked, key.asked, server.connections) == ([], 0, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("net", "found"),
    [
        (NetClass(), ["127.0.0.1"]),
        (NetClass(), ["8.8.8.8", "10.0.0.1"]),
        (NetClass("private", ("10.20.0.0/16",)), ["10.21.0.1"]),
        (NetClass("private", ("10.20.0.0/16",)), ["10.20.0.1", "169.254.169.254"]),
        (NetClass("loopback"), ["127.0.0.1", "8.8.8.8"]),
    ],
)
def test_the_proxys_own_name_cannot_be_rebound(kind: str, net: NetClass, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The address check covers the proxy, by the net class of the proxy."""
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    name = "localhost" if net.kind == "loopback" else "proxy.example.com"
    asked: list[str] = []

    def resolver(host: str, _: int) -> list[str]:
        asked.append(host)
        return found

    through = NetClass(proxy=ConnectProxy(f"https://{name}:3128", net))
    with Door(kind, resolver=resolver) as door, pytest.raises(AddressRefused) as caught:
        door.fetch(request(ORIGIN, net=through))
    assert str(caught.value).startswith(f"{name} resolves to ")
    assert asked == [name]  # and the origin's name was not looked up here at all


@pytest.mark.parametrize("kind", KINDS)
def test_a_public_proxy_is_spoken_to_over_tls_only(kind: str) -> None:
    through = NetClass(proxy=ConnectProxy("http://proxy.example.com:3128", NetClass()))
    with Door(kind, resolver=lambda host, port: ["8.8.8.8"]) as door, pytest.raises(AddressRefused, match="plain http"):
        door.fetch(request(ORIGIN, net=through))


@pytest.mark.parametrize("kind", KINDS)
def test_the_environment_chooses_no_proxy_and_gives_no_password(kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Beside a proxy of the signed table: other proxies in the variables, a password in NETRC for each of the hosts, and the key log."""
    server = HostileServer(AUTHORITY.server(NAME))
    proxy, other = TestProxy(server.port), TestProxy(server.port)
    (tmp_path / "netrc").write_text("".join(f"machine {host} login me password {CANARY}\n" for host in (NAME, "127.0.0.1", "default")))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, other.origin)
        monkeypatch.setenv(name.lower(), other.origin)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys.log"))
    with running(server, proxy, other), Door(kind) as door:
        assert door.fetch(request(ORIGIN, net=proxy.net(AUTHORITY.ca_pem)))[1] == BODY
    assert (len(proxy.asked), other.asked) == (1, [])
    assert b"authorization" not in (proxy.asked[0] + server.requests[0]).lower()
    assert not (tmp_path / "keys.log").exists()
