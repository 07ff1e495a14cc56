"""A valid certificate for the right name, with somebody else's key: an authority was tricked or forced, or the name was taken over.

In real life: DigiNotar, 2011, signed a certificate for google.com that was used on some 300,000 people in Iran; it was found because one
browser had pinned the real keys. In 2024 a takeover of expired WHOIS servers was enough to have certificates for any .mobi name issued.

Guards: saferoute/drivers/tls.py::if pin not in terms.pins:
Guards: saferoute/drivers/transport_connect.py::check_pins(hop.label, hop.tls, secured.getpeercert(binary_form=True))
Guards: saferoute/drivers/transport_connect.py::check_pins(hop.label, hop.tls, secured.getpeercert())
Guards: saferoute/drivers/transport_connect_async.py::check_pins(hop.label, hop.tls, tls.getpeercert(binary_form=True))
"""

from __future__ import annotations

import base64
import ssl
from typing import Any

import pytest

from saferoute.drivers.tls import check_pins, pin_of
from saferoute.errors import ConnectFailed
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.drivers.doors import KINDS, PARSERS, Door, OneKey, request
from tests.drivers.hostile import BODY, HostileServer
from tests.drivers.proxies import NAME, ORIGIN, Authority, TestProxy, running

AUTHORITY = Authority()
OTHER = base64.b64encode(b"o" * 32).decode()


def direct(pins: tuple[str, ...]) -> NetClass:
    return NetClass("loopback", tls=TlsTerms("ca_pem", AUTHORITY.ca_pem, pins))


def said(label: str, pin: str) -> str:
    return (
        f"the certificate of {label} is valid, and its public key is none of those that the routing table pins: it is {pin}. Nothing was "
        "sent. If whoever runs that server says that this is its new key, sign a table that has it among the pins"
    )


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize("kind", KINDS)
def test_another_key_gets_no_byte_of_the_request(kind: str, parser: str) -> None:
    server = HostileServer(AUTHORITY.server("127.0.0.1"))
    pin, key = AUTHORITY.pin, OneKey(server.origin)
    with running(server), Door(kind, parser, credentials=key) as door:
        with pytest.raises(ConnectFailed) as caught:
            door.fetch(request(server.origin, net=direct((OTHER,)), secret="main", auth="bearer"))
        assert str(caught.value) == said(f"127.0.0.1:{server.port}", pin)
        assert (caught.value.sent, caught.value.retryable, key.asked) == (False, False, 0)
        door.pause(0.1)
        assert server.requests == []
        assert door.fetch(request(server.origin, net=direct((OTHER, pin)), secret="main", auth="bearer"))[1] == BODY  # and the right one
        assert (len(server.requests), key.asked) == (1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pinned_certificate_that_is_only_shown_is_not_enough(kind: str) -> None:
    """The server puts the pinned certificate into its chain, where anybody can put anything."""
    pinned = Authority()
    server = HostileServer(AUTHORITY.server("127.0.0.1", appended=[pinned]))
    with running(server), Door(kind) as door, pytest.raises(ConnectFailed, match="none of those that the routing table pins"):
        door.fetch(request(server.origin, net=direct((pinned.ca_pin,))))
    assert server.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_key_of_the_authority_is_no_servers_key(kind: str) -> None:
    server = HostileServer(AUTHORITY.server("127.0.0.1"))
    with running(server), Door(kind) as door, pytest.raises(ConnectFailed, match="none of those that the routing table pins"):
        door.fetch(request(server.origin, net=direct((AUTHORITY.ca_pin,))))
    assert server.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_pin_does_not_stand_for_a_valid_certificate(kind: str) -> None:
    """The right key under a foreign authority, and for another name."""
    stranger = Authority()
    for server, authority in (
        (HostileServer(stranger.server("127.0.0.1")), stranger),
        (HostileServer(AUTHORITY.server("wrong.example.com")), AUTHORITY),
    ):
        with running(server), Door(kind) as door, pytest.raises(ConnectFailed, match="was not accepted"):
            door.fetch(request(server.origin, net=direct((authority.pin,))))
        assert server.requests == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_connection_without_the_pin_is_not_used_for_a_row_with_one(kind: str) -> None:
    server = HostileServer(AUTHORITY.server("127.0.0.1"))
    with running(server), Door(kind) as door:
        assert door.fetch(request(server.origin, net=direct(())))[1] == BODY
        with pytest.raises(ConnectFailed, match="pins"):
            door.fetch(request(server.origin, net=direct((OTHER,))))
        assert door.fetch(request(server.origin, net=direct((AUTHORITY.pin,))))[1] == BODY
        assert door.fetch(request(server.origin, net=direct(())))[1] == BODY
    assert len(server.requests) == 3


@pytest.mark.parametrize("layer", ["http", "https"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_origins_pins_hold_through_a_proxy(kind: str, layer: str) -> None:
    server = HostileServer(AUTHORITY.server(NAME))
    pin = AUTHORITY.pin
    secure = layer == "https"
    proxy = TestProxy(server.port, tls=AUTHORITY.server("127.0.0.1") if secure else None)
    hop = NetClass("loopback", tls=TlsTerms("ca_pem", AUTHORITY.ca_pem) if secure else None)

    def through(*pins: str) -> NetClass:
        return NetClass(tls=TlsTerms("ca_pem", AUTHORITY.ca_pem, pins), proxy=ConnectProxy(proxy.origin, hop))

    key = OneKey(ORIGIN)
    with running(server, proxy), Door(kind, credentials=key) as door:
        with pytest.raises(ConnectFailed) as caught:
            door.fetch(request(ORIGIN, net=through(OTHER), secret="main", auth="bearer"))
        assert str(caught.value) == said(NAME, pin)
        assert (server.requests, key.asked) == ([], 0)
        assert door.fetch(request(ORIGIN, net=through(pin), secret="main", auth="bearer"))[1] == BODY


@pytest.mark.parametrize("kind", KINDS)
def test_a_proxy_with_another_key_is_not_even_asked(kind: str) -> None:
    proxy = TestProxy(1, tls=AUTHORITY.server("127.0.0.1"))
    pin = AUTHORITY.pin
    net = proxy.net(AUTHORITY.ca_pem, TlsTerms("ca_pem", AUTHORITY.ca_pem, (OTHER,)))
    with running(proxy), Door(kind) as door:
        with pytest.raises(ConnectFailed) as caught:
            door.fetch(request(ORIGIN, net=net))
        door.pause(0.05)
    assert str(caught.value) == said(f"the proxy 127.0.0.1:{proxy.port}", pin)
    assert proxy.asked == []


@pytest.mark.parametrize("certificate", [None, b"", b"\x30\x00", b"x" * 100])
def test_what_is_no_certificate_has_no_right_key(certificate: bytes | None) -> None:
    with pytest.raises(ConnectFailed) as caught:
        check_pins("x.example", TlsTerms(pins=("none that can be read"[:0] + OTHER,)), certificate)
    assert str(caught.value) == said("x.example", "none that can be read")


def test_without_pins_nothing_is_compared() -> None:
    check_pins("x.example", None, None)
    check_pins("x.example", TlsTerms("os"), None)


@pytest.mark.parametrize("kind", ["rsa", "ec", "ed25519"])
def test_a_pin_is_the_hash_that_others_compute(kind: str) -> None:
    """Over the SubjectPublicKeyInfo as it stands in the certificate, cut out by hand."""
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import Encoding

    made: Any = {
        "rsa": lambda: rsa.generate_private_key(65_537, 2048),
        "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
    }[kind]()
    name = x509.Name([])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, made.public_key(), 7, now, now + timedelta(days=1))
        .sign(made, None if kind == "ed25519" else hashes.SHA256())
        .public_bytes(Encoding.DER)
    )
    pin = pin_of(certificate)
    import hashlib

    found = [
        base64.b64encode(hashlib.sha256(certificate[at:end]).digest()).decode()
        for at in range(len(certificate))
        if certificate[at] == 0x30
        for end in [at + _length(certificate, at)]
    ]
    assert pin in found
    assert len(base64.b64decode(pin)) == 32
    assert ssl.DER_cert_to_PEM_cert(certificate).startswith("-----BEGIN CERTIFICATE-----")


def _length(der: bytes, at: int) -> int:
    first = der[at + 1]
    if first < 0x80:
        return first + 2
    count = first & 0x7F
    return int.from_bytes(der[at + 2 : at + 2 + count], "big") + 2 + count
