"""The fields of a row that say how its origin is reached: what they compile to, what is refused, how they are written and shown."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import trustme

from saferoute.cli.table_words import as_json, in_words
from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.authoring import build, build_payload
from saferoute.routing.credentials import compile_credential
from saferoute.routing.release import Release
from saferoute.routing.rows import compile_row
from saferoute.routing.table import RoutingTable, compile_table
from saferoute.signing.refusal import Refused
from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.support.trust_cases import row

PEM = trustme.CA().cert_pem.bytes().decode()
PIN = base64.b64encode(bytes(range(32))).decode()
PIN_2 = base64.b64encode(b"2" * 32).decode()
PROXY = {"origin": "http://proxy.corp:3128", "net": "private", "networks": ["10.20.0.0/16"]}
COMPANY = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"]


def net(**changes: Any) -> NetClass:
    return compile_row(row(**changes), "r").target.net


def opened(body: bytes) -> RoutingTable:
    return compile_table(body, Release("draft", 1, 1, 0, 1, ()))


@pytest.mark.parametrize(
    ("tls", "terms"),
    [
        ("certifi", None),
        ("os", TlsTerms("os")),
        ({"pins": [PIN]}, TlsTerms("certifi", "", (PIN,))),
        ({"pins": [PIN_2, PIN]}, TlsTerms("certifi", "", (PIN_2, PIN))),
        ({"ca_pem": PEM}, TlsTerms("ca_pem", PEM)),
        ({"ca_pem": PEM + PEM, "pins": [PIN]}, TlsTerms("ca_pem", PEM + PEM, (PIN,))),
        ({"ca_pem": PEM.rstrip("\n")}, TlsTerms("ca_pem", PEM.rstrip("\n"))),
    ],
)
def test_tls(tls: object, terms: TlsTerms | None) -> None:
    assert net(tls=tls) == NetClass("public", tls=terms)


def test_without_any_of_the_fields() -> None:
    assert net() == NetClass("public", (), None, None, unsafe_plaintext=False)


@pytest.mark.parametrize(
    ("proxy", "compiled"),
    [
        (PROXY, ConnectProxy("http://proxy.corp:3128", NetClass("private", ("10.20.0.0/16",)))),
        ({"origin": "http://127.0.0.1:3128", "net": "loopback"}, ConnectProxy("http://127.0.0.1:3128", NetClass("loopback"))),
        ({"origin": "https://proxy.example.com", "net": "public"}, ConnectProxy("https://proxy.example.com", NetClass("public"))),
        (
            {**PROXY, "origin": "https://10.20.0.9", "tls": {"ca_pem": PEM}},
            ConnectProxy("https://10.20.0.9", NetClass("private", ("10.20.0.0/16",), TlsTerms("ca_pem", PEM))),
        ),
    ],
)
def test_connect_proxy(proxy: dict[str, Any], compiled: ConnectProxy) -> None:
    assert net(connect_proxy=proxy, tls="os") == NetClass("public", tls=TlsTerms("os"), proxy=compiled)


TLS_WORDS = 'must be "certifi", "os", or an object with pins, ca_pem or both'
NO_PROXY = (
    "connect_proxy: a proxy finds the address itself, so nothing could check that it is private or this machine's; only a row with net = "
    '"public" goes through one'
)
PEM_SHAPE = "tls.ca_pem must be certificates in PEM, each from its BEGIN line to its END line, and nothing else"
USER = (
    "connect_proxy.origin: 'http://me:pw@proxy.corp:3128' is not an origin: it must be scheme://host[:port], lower-case, with nothing else "
    "around it. Write it like https://api.example.com"
)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"tls": "none"}, "tls is 'none'; it must be one of certifi, os"),
        ({"tls": False}, f"tls {TLS_WORDS}"),
        ({"tls": ["os"]}, f"tls {TLS_WORDS}"),
        ({"tls": {}}, 'tls: name pins, ca_pem or both; or write "certifi" or "os"'),
        ({"tls": {"verify": False}}, "tls.verify is not a field of this schema; the fields are ca_pem, pins"),
        ({"tls": {"pins": []}}, "tls.pins has 0 entries; it must have 1 to 16"),
        ({"tls": {"pins": [PIN] * 17}}, "tls.pins has 17 entries; it must have 1 to 16"),
        ({"tls": {"pins": [PIN, PIN]}}, "tls.pins holds an entry twice"),
        ({"tls": {"pins": [PIN[:-1]]}}, f"tls.pins[0] is {PIN[:-1]!r}, which is not base64 of a SHA-256, 44 characters"),
        ({"tls": {"pins": [PIN_2, PIN + "="]}}, "tls.pins[1] is longer than 44 characters"),
        ({"tls": {"pins": [PIN[:-2] + "9="]}}, "tls.pins[0]: a base64 field is not in its canonical form"),
        ({"tls": {"ca_pem": ""}}, PEM_SHAPE),
        ({"tls": {"ca_pem": " " + PEM}}, PEM_SHAPE),
        ({"tls": {"ca_pem": PEM.replace("CERTIFICATE", "PRIVATE KEY")}}, PEM_SHAPE),
        ({"tls": {"ca_pem": PEM + "more"}}, PEM_SHAPE),
        ({"tls": {"ca_pem": PEM.replace("\n", "\r\n")}}, PEM_SHAPE),
        ({"tls": {"ca_pem": PEM + "é"}}, PEM_SHAPE),
        ({"tls": {"ca_pem": 7}}, "tls.ca_pem must be a text"),
        ({"tls": {"ca_pem": PEM * 200}}, "tls.ca_pem is longer than 65536 characters"),
        (
            {"tls": {"ca_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}},
            "tls.ca_pem: one of the certificates cannot be read",
        ),
        (
            {"origin": "http://127.0.0.1:8080", "net": "loopback", "tls": "os"},
            "tls: there is no TLS with http://127.0.0.1:8080; leave it out",
        ),
        (
            {"origin": "http://127.0.0.1:8080", "net": "loopback", "tls": "certifi"},
            "tls: there is no TLS with http://127.0.0.1:8080; leave it out",
        ),
        ({"connect_proxy": "http://proxy.corp:3128"}, "connect_proxy must be an object"),
        ({"connect_proxy": {**PROXY, "user": "me"}}, "connect_proxy.user is not a field of this schema; the fields are net, networks, origin, tls"),
        ({"connect_proxy": {**PROXY, "connect_proxy": PROXY}}, "connect_proxy.connect_proxy is not a field of this schema; the fields are net, networks, origin, tls"),
        ({"connect_proxy": {"net": "public"}}, "connect_proxy.origin is missing"),
        ({"connect_proxy": {"origin": "https://proxy.example.com"}}, "connect_proxy.net is missing"),
        ({"connect_proxy": {**PROXY, "net": "metadata"}}, "connect_proxy.net is 'metadata'; it must be one of public, loopback, private"),
        (
            {"connect_proxy": {"origin": "http://proxy.example.com", "net": "public"}},
            "connect_proxy.origin: plain http is for this machine only; http://proxy.example.com must be https",
        ),
        ({"connect_proxy": {**PROXY, "origin": "http://me:pw@proxy.corp:3128"}}, USER),
        ({"connect_proxy": {**PROXY, "networks": ["8.8.0.0/16"]}}, "connect_proxy.networks[0]: 8.8.0.0/16 is not inside a private range (10/8, 172.16/12, 192.168/16, fc00::/7)"),
        ({"connect_proxy": {**PROXY, "tls": "os"}}, "connect_proxy.tls: there is no TLS with http://proxy.corp:3128; leave it out"),
        ({"connect_proxy": PROXY, "origin": "https://llm.corp", "net": "private", "networks": ["10.20.0.0/16"]}, NO_PROXY),
        ({"connect_proxy": PROXY, "origin": "https://127.0.0.1:8443", "net": "loopback"}, NO_PROXY),
        ({"connect_proxy": PROXY, "origin": "http://127.0.0.1:8080", "net": "loopback"}, NO_PROXY),
    ],
)  # fmt: skip
def test_what_is_refused(changes: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_payload([row(**changes)], {})
    assert str(caught.value) == f"this makes no routing table: table.routes[0].{refusal}"


@pytest.mark.parametrize(
    "changed",
    [
        NetClass("public", tls=TlsTerms("os")),
        NetClass("public", tls=TlsTerms("certifi", "", (PIN, PIN_2)), proxy=ConnectProxy("https://proxy.example.com", NetClass())),
        NetClass("public", tls=TlsTerms("certifi", "", (PIN,))),
        NetClass("public", tls=TlsTerms("certifi", "", (PIN,)), proxy=ConnectProxy("https://evil.example.com", NetClass())),
        NetClass("public"),
    ],
)
def test_a_change_in_memory_is_noticed(changed: NetClass) -> None:
    """The fields are part of what the row's mark covers."""
    table = opened(build_payload([row(tls={"pins": [PIN]}, connect_proxy={"origin": "https://proxy.example.com", "net": "public"})], {}))
    target = table.routes["main"]
    table.recheck(target)
    object.__setattr__(target, "net", changed)
    with pytest.raises(UntrustedTable):
        table.recheck(target)


TOML = """
[defaults]
tls = "os"
connect_proxy = "http://proxy.corp:3128"

[providers.openai]

[routes.pinned]
extends = "openai"
model = "m"
tls = { pins = ["%s"] }
connect_proxy = { origin = "https://10.20.0.9", net = ["10.20.0.0/16"] }

[routes.near]
provider = "near"
dialect = "openai_chat"
origin = "http://127.0.0.1:8080"
path = "/v1"
net = "loopback"
model = "*"
auth = "none"

[routes.inside]
provider = "inside"
dialect = "openai_chat"
origin = "https://llm.corp"
path = "/v1"
net = ["10.20.0.0/16"]
model = "*"
auth = "none"

[routes.clear]
extends = "inside"
origin = "http://llm.corp"
unsafe_plaintext = true
"""


def written(text: str) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in json.loads(build(text))["routes"]}


def test_in_toml() -> None:
    """A company writes its proxy and its roots once; rows that cannot have them do not get them."""
    rows = written(TOML % PIN)
    fields = {name: {key: one.get(key) for key in ("tls", "connect_proxy", "unsafe_plaintext")} for name, one in rows.items()}
    company = {"origin": "http://proxy.corp:3128", "net": "private", "networks": COMPANY}
    assert fields == {
        "openai": {"tls": "os", "connect_proxy": company, "unsafe_plaintext": None},
        "pinned": {
            "tls": {"pins": [PIN]},
            "connect_proxy": {"origin": "https://10.20.0.9", "net": "private", "networks": ["10.20.0.0/16"]},
            "unsafe_plaintext": None,
        },
        "near": {"tls": None, "connect_proxy": None, "unsafe_plaintext": None},
        "inside": {"tls": "os", "connect_proxy": None, "unsafe_plaintext": None},
        "clear": {"tls": None, "connect_proxy": None, "unsafe_plaintext": True},
    }


@pytest.mark.parametrize(
    ("text", "proxy"),
    [
        ('"http://127.0.0.1:3128"', {"origin": "http://127.0.0.1:3128", "net": "loopback"}),
        ('"https://localhost:3128"', {"origin": "https://localhost:3128", "net": "loopback"}),
        ('"https://proxy.corp"', {"origin": "https://proxy.corp", "net": "private", "networks": COMPANY}),
        ('{ origin = "https://proxy.example.com", net = "public" }', {"origin": "https://proxy.example.com", "net": "public"}),
    ],
)
def test_a_proxy_in_toml(text: str, proxy: dict[str, Any]) -> None:
    assert written(f"[providers.openai]\nconnect_proxy = {text}\n")["openai"]["connect_proxy"] == proxy


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("3128", 'connect_proxy must be an origin such as "http://proxy.corp:3128", or { origin = "...", net = ["10.20.0.0/16"] }'),
        ('["http://proxy.corp"]', 'connect_proxy must be an origin such as "http://proxy.corp:3128", or { origin = "...", net = ["10.20.0.0/16"] }'),
        ('"http://8.8.8.8:3128"', "connect_proxy.origin: 8.8.8.8 is in none of the row's networks"),
    ],
)  # fmt: skip
def test_no_proxy_in_toml(text: str, refusal: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(f"[providers.openai]\nconnect_proxy = {text}\n")
    assert str(caught.value) == f"routes.toml: providers.openai.{refusal}"


def test_in_words() -> None:
    plain = row(id="clear", origin="http://llm.corp", net="private", networks=["10.20.0.0/16"], unsafe_plaintext=True)
    proxied = row(
        id="proxied",
        tls={"ca_pem": PEM + PEM, "pins": [PIN, PIN_2]},
        connect_proxy={"origin": "https://proxy.corp", "net": "private", "networks": ["10.20.0.0/16"], "tls": "os"},
    )
    table = opened(build_payload([plain, proxied, row()], {}))
    lines = [line.strip() for line in in_words(table, "draft")]
    at = lines.index("clear")
    assert lines[at + 1 : at + 3] == [
        "the model model-1 at http://llm.corp/v1 (private network 10.20.0.0/16), openai_chat",
        "UNSAFE: plain http; whoever listens in that network reads the key and what is sent",
    ]
    at = lines.index("proxied")
    assert lines[at + 1 : at + 6] == [
        "the model model-1 at https://api.example.com/v1, openai_chat",
        "certificate from the table's own authorities only (2)",
        f"its public key must be {PIN} or {PIN_2}",
        "through the proxy https://proxy.corp (private network 10.20.0.0/16), which sees the host's name, and no key or content",
        "the proxy's certificate from the operating system's authorities, where a company's own may be",
    ]
    routes = as_json(table, "draft")["routes"]
    assert {name: {key: one[key] for key in ("unsafe_plaintext", "tls", "connect_proxy")} for name, one in routes.items()} == {
        "clear": {"unsafe_plaintext": True, "tls": {"roots": "certifi", "pins": []}, "connect_proxy": None},
        "main": {"unsafe_plaintext": False, "tls": {"roots": "certifi", "pins": []}, "connect_proxy": None},
        "proxied": {
            "unsafe_plaintext": False,
            "tls": {"roots": "ca_pem", "pins": [PIN, PIN_2]},
            "connect_proxy": {"origin": "https://proxy.corp", "net": "private", "networks": ["10.20.0.0/16"]},
        },
    }


def credential(**fields: Any) -> dict[str, Any]:
    plain = {
        "kind": "azure_client_secret",
        "origin": "https://login.microsoftonline.com",
        "net": "public",
        "origins": ["https://x.openai.azure.com"],
        "secret": "s",
        "tenant": "72f988bf-86f1-41af-91ab-2d7cd011db47",
        "client_id": "app-1",
        "scope": "https://cognitiveservices.azure.com/.default",
    }
    return plain | fields


def test_what_makes_a_credential_is_reached_like_a_row() -> None:
    proxy = {"origin": "http://proxy.corp:3128", "net": "private", "networks": ["10.0.0.0/8"]}
    net = compile_credential("c", credential(tls="os", connect_proxy=proxy), "p").net
    assert net == NetClass("public", tls=TlsTerms("os"), proxy=ConnectProxy("http://proxy.corp:3128", NetClass("private", ("10.0.0.0/8",))))
    assert compile_credential("c", credential(), "p").net == NetClass("public")


@pytest.mark.parametrize("beyond", [{"tls": "os"}, {"connect_proxy": {"origin": "http://127.0.0.1:9", "net": "loopback"}}])
def test_a_clouds_own_machines_are_answered_without_tls_or_proxy(beyond: dict[str, Any]) -> None:
    plain = {"kind": "azure_managed", "origin": "http://169.254.169.254", "net": "metadata", "origins": ["https://x.openai.azure.com"]}
    managed = {**plain, "resource": "https://cognitiveservices.azure.com"}
    assert compile_credential("c", managed, "p").net == NetClass("metadata")
    with pytest.raises(Refused, match="no networks, tls or proxy, and nowhere else"):
        compile_credential("c", managed | beyond, "p")


def test_pins_are_those_of_one_server() -> None:
    federated = {
        "kind": "google_workload",
        "origin": "https://sts.googleapis.com",
        "net": "public",
        "origins": ["https://aiplatform.googleapis.com"],
        "secret": "s",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q",
        "service_account": "a@b.iam.gserviceaccount.com",
        "impersonation_origin": "https://iamcredentials.googleapis.com",
    }
    assert compile_credential("c", federated | {"tls": "os"}, "p").net.tls == TlsTerms("os")
    with pytest.raises(Refused, match="pins are those of one server, and google_workload asks two"):
        compile_credential("c", federated | {"tls": {"pins": [PIN]}}, "p")
