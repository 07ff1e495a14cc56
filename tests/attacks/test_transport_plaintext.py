"""Plain http where it can be read: to the public internet, in a network that the row does not name, or for data that must not be read.

In real life: a server that was moved from a laptop to another machine with its http:// address kept; every prompt and the key then cross
the network in the clear, and nothing in the program says so.

Guards: saferoute/drivers/transport_site.py::if not self.secure and (net.kind == "public" or (net.kind == "private" and not (proxy or net.unsafe_plaintext))):
Guards: saferoute/routing/egress.py::if plaintext and row["data"] not in _PLAINTEXT_DATA:
Guards: saferoute/routing/places.py::if place.scheme != "https" and net == "private" and not plaintext:
Guards: saferoute/drivers/address.py::return _within(address, self._private) and _within(address, _PRIVATE) and not _within(address, _NEVER)
"""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from saferoute.drivers import address as rules
from saferoute.errors import AddressRefused, ConfigurationError
from saferoute.routing.authoring import build_payload
from saferoute.values.http import NetClass
from tests.drivers.doors import CANARY, KINDS, Door, OneKey, request
from tests.drivers.hostile import BODY, HostileServer
from tests.drivers.proxies import running
from tests.support.trust_cases import row

NAME = "http://llm.corp"
TOO_HIGH = (
    'unsafe_plaintext: whoever listens in that network reads what is sent; data up to "{}" needs https, and with plain http at most '
    '"internal" may go there'
)
UNSAID = (
    "origin: plain http is for this machine only; http://llm.corp must be https, or the row must say unsafe_plaintext = true, and then all "
    "who listen in that network can read what is sent"
)
CLEAR = NetClass("private", ("10.20.0.0/16",), unsafe_plaintext=True)


def private(**changes: Any) -> dict[str, Any]:
    return row(**{"origin": NAME, "net": "private", "networks": ["10.20.0.0/16"], "unsafe_plaintext": True, **changes})


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("net", [NetClass(), NetClass(unsafe_plaintext=True), NetClass("private", ("10.20.0.0/16",))])
def test_plain_http_must_be_meant(kind: str, net: NetClass) -> None:
    key = OneKey(NAME)
    with Door(kind, credentials=key, resolver=lambda host, port: pytest.fail("looked up")) as door, pytest.raises(AddressRefused) as caught:
        door.fetch(request(NAME, net=net, secret="main", auth="bearer"))
    assert str(caught.value) == (
        f"{NAME} is plain http, which only loopback and, where the routing table says unsafe_plaintext, private addresses may use; nothing "
        "was sent. Use https, or give the route the net class that fits"
    )
    assert (caught.value.sent, key.asked) == (False, 0)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "found",
    [["8.8.8.8"], ["10.20.0.1", "8.8.8.8"], ["10.21.0.1"], ["10.20.0.1", "192.168.0.1"], ["127.0.0.1"], ["169.254.169.254"], ["100.64.0.1"], ["::1"]],
)  # fmt: skip
def test_every_address_must_be_in_the_rows_networks(kind: str, found: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("connected"))
    key = OneKey(NAME)
    with Door(kind, credentials=key, resolver=lambda host, port: found) as door, pytest.raises(AddressRefused, match="no private address"):
        door.fetch(request(NAME, net=CLEAR, secret="main", auth="bearer"))
    assert key.asked == 0


@pytest.mark.parametrize("block", ["8.0.0.0/8", "0.0.0.0/0", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8"])
def test_a_network_that_is_not_private_makes_nothing_private(block: str) -> None:
    """Even if it came past the table's own check."""
    inside = str(ipaddress.ip_network(block)[1 if block != "0.0.0.0/0" else 0x08080808])
    assert not rules.AddressRule(NetClass("private", (block,))).allows(inside)


@pytest.mark.parametrize("kind", KINDS)
def test_where_it_is_meant_it_works(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With this machine's own network taken for a private one, for lack of another."""
    own = ipaddress.ip_network("127.0.0.0/8")
    monkeypatch.setattr(rules, "_PRIVATE", (own,))
    server = HostileServer()
    origin = f"http://llm.corp:{server.port}"
    net = NetClass("private", (str(own),), unsafe_plaintext=True)
    with running(server), Door(kind, credentials=OneKey(origin), resolver=lambda host, port: ["127.0.0.1"]) as door:
        assert door.fetch(request(origin, net=net, secret="main", auth="bearer"))[1] == BODY
    assert f"host: llm.corp:{server.port}\r\n".encode() in server.requests[0]
    assert CANARY.encode() in server.requests[0]


@pytest.mark.parametrize("data", ["public", "internal"])
def test_a_table_may_say_so(data: str) -> None:
    assert b'"unsafe_plaintext":true' in build_payload([private(data=data)], {})


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        (
            {"data": "confidential"},
            TOO_HIGH.format("confidential"),
        ),
        (
            {"data": "restricted"},
            TOO_HIGH.format("restricted"),
        ),
        (
            {"unsafe_plaintext": False},
            UNSAID,
        ),
        (
            {"unsafe_plaintext": None},
            UNSAID,
        ),
        ({"origin": "https://llm.corp"}, 'unsafe_plaintext goes with an http origin and net = "private", and with nothing else'),
        (
            {"origin": "http://api.example.com", "net": "public", "networks": None},
            'unsafe_plaintext goes with an http origin and net = "private", and with nothing else',
        ),
        (
            {"origin": "http://127.0.0.1:80", "net": "loopback", "networks": None},
            "origin: 'http://127.0.0.1:80' is not an origin: leave out the scheme's own port. Write it like https://api.example.com",
        ),
        (
            {"origin": "http://127.0.0.1", "net": "loopback", "networks": None},
            'unsafe_plaintext goes with an http origin and net = "private", and with nothing else',
        ),
        (
            {"origin": "http://api.example.com", "net": "public", "networks": None, "unsafe_plaintext": None},
            "origin: plain http is for this machine only; http://api.example.com must be https",
        ),
        ({"origin": "http://8.8.8.8"}, "origin: 8.8.8.8 is in none of the row's networks"),
        ({"networks": ["8.0.0.0/8"]}, "networks[0]: 8.0.0.0/8 is not inside a private range (10/8, 172.16/12, 192.168/16, fc00::/7)"),
        ({"networks": None}, 'networks: name the networks if net is "private", and only then'),
        ({"unsafe_plaintext": "yes"}, "unsafe_plaintext must be true or false"),
    ],
)
def test_what_a_table_may_not_say(changes: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_payload([private(**changes)], {})
    assert str(caught.value) == f"this makes no routing table: table.routes[0].{refusal}"
