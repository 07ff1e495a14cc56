"""The exact words for what a routes.toml and a table cannot say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.errors import ConfigurationError, NoRoute, UntrustedTable
from saferoute.routing.authoring import build, build_payload
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.credentials import compile_credential
from saferoute.routing.resolve import resolve
from saferoute.routing.table import RoutingTable
from tests.support.trust_cases import (
    alias,
    files,
    row,
    table,
    wildcard,
)  # fmt: skip

MINI = "[providers.openai]\n"


def opened(payload: dict[str, Any]) -> RoutingTable:
    return files(payload).open()


def credential(kind: str, **fields: Any) -> object:
    return compile_credential("c", {"kind": kind, "origins": ["https://r.example"], **fields}, "x")


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "no route in the file": (
        lambda: build(""), ConfigurationError,
        "routes.toml: there is no route: add a [providers.NAME] or a [routes.NAME]",
    ),
    "grant is a text": (lambda: build('grant = "x"\n' + MINI), ConfigurationError, "routes.toml: grant must be a table"),
    "defaults is a text": (lambda: build("defaults = 1\n" + MINI), ConfigurationError, "routes.toml: defaults must be a table"),
    "a provider is a text": (lambda: build("providers.openai = 1\n"), ConfigurationError, "routes.toml: providers.openai must be a table"),
    "a section too many": (
        lambda: build(MINI + "[routez]\n"), ConfigurationError,
        ("routes.toml: routez is no section of routes.toml; the sections are aliases, annotations, assertions, credentials, "
         "defaults, grant, guards, ledger, price_lists, providers, routes, schema, templates"),
    ),
    "another schema": (lambda: build("schema = 2\n" + MINI), ConfigurationError, "routes.toml: schema is 2; this version writes schema 1"),
    "a default that is none": (
        lambda: build("[defaults]\nmodel = 'x'\n" + MINI), ConfigurationError,
        ("routes.toml: defaults.model cannot be a default; these can: connect_proxy, data, deadlines, default_max_output, "
         "guards, headers, max_output, region, tls"),
    ),
    "a provider that extends": (
        lambda: build("[providers.openai]\nextends = 'openai'\n"), ConfigurationError,
        "routes.toml: providers.openai.extends: it is the catalogue's row already; use [routes.NAME] for another",
    ),
    "a row with a provider's name": (
        lambda: build("[providers.openai]\n[routes.openai]\n"), ConfigurationError,
        "routes.toml: routes.openai has the name of providers.openai; put the changes there",
    ),
    "a row with an id": (
        lambda: build("[routes.x]\nid = 'y'\n"), ConfigurationError,
        "routes.toml: routes.x.id: the name of the section is the id",
    ),
    "extends a number": (lambda: build("[routes.x]\nextends = 1\n"), ConfigurationError, "routes.toml: routes.x.extends must be a name"),
    "extends itself": (
        lambda: build("[routes.x]\nextends = 'y'\n[routes.y]\nextends = 'x'\n"), ConfigurationError,
        "routes.toml: routes.y.extends leads to itself or too far: x -> y -> x",
    ),
    "deadlines as a text": (
        lambda: build("[providers.openai]\ndeadlines = '1s'\n"), ConfigurationError,
        'routes.toml: providers.openai.deadlines must be a table such as { connect = "10s", total = "2m" }',
    ),
    "prices as a text": (
        lambda: build("[providers.openai]\nprices = '1s'\n"), ConfigurationError,
        'routes.toml: providers.openai.prices must be a table such as { input = "$2.50/M", output = "$10/M" }',
    ),
    "a price that is none": (
        lambda: build("[providers.openai]\nprices = { inputs = '$1/M' }\n"), ConfigurationError,
        ("routes.toml: providers.openai.prices.inputs is no price; the prices are input, output, cache_read, "
         "cache_write_5m, cache_write_1h, input_audio, output_audio, besides tiers and multipliers"),
    ),
    "prices in two currencies": (
        lambda: build("[providers.openai]\nprices = { input = '$1/M', output = '1 EUR/M' }\n"), ConfigurationError,
        "routes.toml: providers.openai.prices.output is in EUR, and another price in USD",
    ),
    "an alias that is a number": (
        lambda: build(MINI + "[aliases]\nfast = 1\n"), ConfigurationError,
        'routes.toml: aliases.fast must be a target, a list of targets, or a table with targets = ["openai/gpt-5.4-mini"]',
    ),
    "a budget without a window": (
        lambda: build(MINI + "[grant]\nbudget = '$5'\n"), ConfigurationError,
        "routes.toml: grant.budget is '$5'; write \"$5/day\"",
    ),
    "a budget of no amount": (
        lambda: build(MINI + "[grant]\nbudget = '5/day'\n"), ConfigurationError,
        "routes.toml: grant.budget is '5'; write an amount such as \"$0.05\" or \"0.05 CHF\"",
    ),
    "a duration": (
        lambda: build("[providers.openai]\ndeadlines = { total = '1 d' }\n"), ConfigurationError,
        "routes.toml: providers.openai.deadlines.total is '1 d'; write a duration such as \"500ms\", \"30s\", \"2m\" or \"1h\"",
    ),
    "a duration below a millisecond": (
        lambda: build("[providers.openai]\ndeadlines = { total = '0.5ms' }\n"), ConfigurationError,
        "routes.toml: providers.openai.deadlines.total is '0.5ms'; the smallest step is 1 ms",
    ),
    "a price per nothing": (
        lambda: build("[providers.openai]\nprices = { input = '$1' }\n"), ConfigurationError,
        "routes.toml: providers.openai.prices.input is '$1'; write a price such as \"$2.50/M\" for a million tokens",
    ),
    "a price in parts of a nano-unit": (
        lambda: build("[providers.openai]\nprices = { input = '$0.0000001/M' }\n"), ConfigurationError,
        ("routes.toml: providers.openai.prices.input is '$0.0000001/M'; a price must be a whole number of nano-units for "
         "one token"),
    ),
    "no TOML": (lambda: build("="), ConfigurationError, "routes.toml is not TOML: Invalid statement (at line 1, column 1)"),
    "rows that make no table": (
        lambda: build_payload([row(), row()], {}), ConfigurationError,
        "this makes no routing table: table.routes[1].id: 'main' stands twice",
    ),
    "a row twice": (
        lambda: opened(table(row(), row())), UntrustedTable,
        "the routing table is refused: table.routes[1].id: 'main' stands twice",
    ),
    "two rows of one provider name": (
        lambda: opened(table(row(), row(id="example", provider="other"))), UntrustedTable,
        ("the routing table is refused: the row 'example' has the name of a provider that it does not belong to: "
         "example/model would mean two things"),
    ),
    "an alias like a row": (
        lambda: opened(table(aliases={"main": alias("main")})), UntrustedTable,
        "the routing table is refused: aliases.main is also a row's id or a provider's name",
    ),
    "an alias like a provider": (
        lambda: opened(table(aliases={"example": alias("main")})), UntrustedTable,
        "the routing table is refused: aliases.example is also a row's id or a provider's name",
    ),
    "an alias to itself": (
        lambda: opened(table(aliases={"a": alias("b"), "b": alias("a")})), UntrustedTable,
        "the routing table is refused: aliases.a leads to itself: a -> b -> a",
    ),
    "an alias too deep": (
        lambda: opened(table(aliases={f"a{n}": alias(f"a{n + 1}" if n < 9 else "main") for n in range(10)})), UntrustedTable,
        "the routing table is refused: aliases.a0 is nested deeper than 8",
    ),
    "an alias to nowhere": (
        lambda: opened(table(aliases={"a": alias("nowhere")})), UntrustedTable,
        ("the routing table is refused: aliases.a.targets: the routing table has no route 'nowhere'; it has "
         "example/model-1, main. `client.models()` and `saferoute models` list all"),
    ),
    "an alias to too many": (
        lambda: opened(table(*(row(id=f"r{n}", model=f"m{n}") for n in range(33)), aliases={"a": alias("b", "r32"), "b": alias(*(f"r{n}" for n in range(32)))})), UntrustedTable,
        "the routing table is refused: aliases.a leads to 33 rows; at most 32 are allowed",
    ),
    "a grant of nothing": (
        lambda: opened(table(grant={"operations": ["chat"], "routes": ["nowhere"]})), UntrustedTable,
        ("the routing table is refused: table.grant.routes: the routing table has no route 'nowhere'; it has "
         "example/model-1, main. `client.models()` and `saferoute models` list all"),
    ),
    "an ambiguous name": (
        lambda: resolve(opened(table(row(id="a"), row(id="b"))), "example/model-1"), NoRoute,
        "'example/model-1' could mean the routes a, b; name one of them",
    ),
    "several rows of any model": (
        lambda: resolve(opened(table(wildcard(id="a", provider="p"), wildcard(id="b", provider="p"))), "p/" + "m" * 70), NoRoute,
        ("several routes take any model of p: write a/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm or "
         "b/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"),
    ),
    "any model without a name": (
        lambda: resolve(opened(table(wildcard())), "open"), NoRoute,
        "the route 'open' takes any model, so name one: open/MODEL",
    ),
    "a model's name": (
        lambda: resolve(opened(table(wildcard())), "open/" + "?" * 70), NoRoute,
        ("'????????????????????????????????????????????????????????????' is not a model's name: at most 200 printable ASCII "
         "characters without white space, with nothing that a URL or a path would read (no leading /, no .., no ? # %)"),
    ),
    "a long model's name": (
        lambda: resolve(opened(table(wildcard())), "open/" + "m" * 201), NoRoute,
        ("'mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm' is not a model's name: at most 200 printable ASCII "
         "characters without white space, with nothing that a URL or a path would read (no leading /, no .., no ? # %)"),
    ),
    "no such route": (
        lambda: resolve(opened(table(*(row(id=f"r{n}") for n in range(3)), *(wildcard(id=f"w{n}") for n in range(3)))), "q" * 110), NoRoute,
        ("the routing table has no route "
         "'qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq'; it has "
         "r0, r1, r2, w0/MODEL, w1/MODEL and others. `client.models()` and `saferoute models` list all"),
    ),
    "nearly such a route": (
        lambda: resolve(opened(table()), "mian"), NoRoute,
        "the routing table has no route 'mian'; it has main and others. `client.models()` and `saferoute models` list all",
    ),
    "families of one model": (
        lambda: opened(table(row(families=[{"prefix": "m", "profile": {}}]))), UntrustedTable,
        'the routing table is refused: table.routes[0].families: only a row with model = "*" has families',
    ),
    "prices of any model": (
        lambda: opened(table(wildcard(default_max_output=1, prices={"currency": "USD"}))), UntrustedTable,
        ('the routing table is refused: table.routes[0].prices: a row with model = "*" cannot have prices; add a row for '
         "the model"),
    ),
    "prices without a bound": (
        lambda: opened(table(row(prices={"currency": "USD"}))), UntrustedTable,
        ("the routing table is refused: table.routes[0].default_max_output is required where there are prices: without a "
         "bound a call has no worst case"),
    ),
    "a default above the bound": (
        lambda: opened(table(row(max_output=1, default_max_output=2))), UntrustedTable,
        "the routing table is refused: table.routes[0].default_max_output: 2 is over max_output, 1",
    ),
    "a parameter": (
        lambda: opened(table(row(extra_params=["base_url"]))), UntrustedTable,
        ("the routing table is refused: table.routes[0].extra_params: callers must not choose 'base_url': it is, or looks "
         "like, an address, a credential, a file or a bound"),
    ),
    "no secret": (
        lambda: opened(table(row(secret=None))), UntrustedTable,
        ("the routing table is refused: table.routes[0].auth: a row names a secret and how it is presented, or has neither "
         '(auth = "none")'),
    ),
    "SigV4 elsewhere": (
        lambda: opened(table(row(auth="sigv4"))), UntrustedTable,
        ('the routing table is refused: table.routes[0].auth: "sigv4" is for hosts of AWS that name service and region, '
         "such as bedrock-runtime.us-east-1.amazonaws.com"),
    ),
    "data in the clear": (
        lambda: opened(table(row(origin="http://10.0.0.1", net="private", networks=["10.0.0.0/8"], unsafe_plaintext=True, data="restricted"))), UntrustedTable,
        ("the routing table is refused: table.routes[0].unsafe_plaintext: whoever listens in that network reads what is "
         'sent; data up to "restricted" needs https, and with plain http at most "internal" may go there'),
    ),
    "a proxy for a private row": (
        lambda: opened(table(row(origin="https://10.0.0.1", net="private", networks=["10.0.0.0/8"], connect_proxy={"origin": "http://127.0.0.1:1", "net": "loopback"}))), UntrustedTable,
        ("the routing table is refused: table.routes[0].connect_proxy: a proxy finds the address itself, so nothing could "
         "check that it is private or this machine's; only a row with net = \"public\" goes through one"),
    ),
    "TLS without TLS": (
        lambda: opened(table(row(origin="http://127.0.0.1:1", net="loopback", tls="os"))), UntrustedTable,
        "the routing table is refused: table.routes[0].tls: there is no TLS with http://127.0.0.1:1; leave it out",
    ),
    "TLS of nothing": (
        lambda: opened(table(row(tls={}))), UntrustedTable,
        'the routing table is refused: table.routes[0].tls: name pins, ca_pem or both; or write "certifi" or "os"',
    ),
    "a pin that is none": (
        lambda: opened(table(row(tls={"pins": ["A" * 42 + "B="]}))), UntrustedTable,
        "the routing table is refused: table.routes[0].tls.pins[0]: a base64 field is not in its canonical form",
    ),
    "certificates that are none": (
        lambda: opened(table(row(tls={"ca_pem": "x"}))), UntrustedTable,
        ("the routing table is refused: table.routes[0].tls.ca_pem must be certificates in PEM, each from its BEGIN line to "
         "its END line, and nothing else"),
    ),
    "certificates that cannot be read": (
        lambda: opened(table(row(tls={"ca_pem": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}))), UntrustedTable,
        "the routing table is refused: table.routes[0].tls.ca_pem: one of the certificates cannot be read",
    ),
    "TLS of another word": (
        lambda: opened(table(row(tls="x"))), UntrustedTable,
        "the routing table is refused: table.routes[0].tls is 'x'; it must be one of certifi, os",
    ),
    "a loopback name": (
        lambda: opened(table(row(origin="https://localhost"))), UntrustedTable,
        ('the routing table is refused: table.routes[0].net: "loopback" goes with 127.0.0.1, [::1] and localhost, and only '
         "with them; the origin is https://localhost"),
    ),
    "http elsewhere": (
        lambda: opened(table(row(origin="http://api.example.com"))), UntrustedTable,
        ("the routing table is refused: table.routes[0].origin: plain http is for this machine only; http://api.example.com "
         "must be https"),
    ),
    "http in a private network": (
        lambda: opened(table(row(origin="http://10.0.0.1", net="private", networks=["10.0.0.0/8"]))), UntrustedTable,
        ("the routing table is refused: table.routes[0].origin: plain http is for this machine only; http://10.0.0.1 must "
         "be https, or the row must say unsafe_plaintext = true, and then all who listen in that network can read what is sent"),
    ),
    "plain http that is https": (
        lambda: opened(table(row(unsafe_plaintext=True))), UntrustedTable,
        ('the routing table is refused: table.routes[0].unsafe_plaintext goes with an http origin and net = "private", and '
         "with nothing else"),
    ),
    "an address": (
        lambda: opened(table(row(origin="https://8.8.8.8"))), UntrustedTable,
        'the routing table is refused: table.routes[0].origin: an IP address needs net = "private" and its networks',
    ),
    "an internal name": (
        lambda: opened(table(row(origin="https://api.internal"))), UntrustedTable,
        ("the routing table is refused: table.routes[0].origin: api.internal is a name of an internal network; it needs net "
         '= "private" and its networks'),
    ),
    "networks of a public row": (
        lambda: opened(table(row(networks=["10.0.0.0/8"]))), UntrustedTable,
        'the routing table is refused: table.routes[0].networks: name the networks if net is "private", and only then',
    ),
    "an address outside": (
        lambda: opened(table(row(origin="https://10.1.0.1", net="private", networks=["10.0.0.0/16"]))), UntrustedTable,
        "the routing table is refused: table.routes[0].origin: 10.1.0.1 is in none of the row's networks",
    ),
    "no network": (
        lambda: opened(table(row(origin="https://a.example", net="private", networks=["x"]))), UntrustedTable,
        "the routing table is refused: table.routes[0].networks[0] is 'x', which is no network such as 10.20.0.0/16",
    ),
    "a network in another spelling": (
        lambda: opened(table(row(origin="https://a.example", net="private", networks=["fc00:0::/16"]))), UntrustedTable,
        "the routing table is refused: table.routes[0].networks[0] is 'fc00:0::/16'; write fc00::/16",
    ),
    "a public network": (
        lambda: opened(table(row(origin="https://a.example", net="private", networks=["8.8.8.0/24"]))), UntrustedTable,
        ("the routing table is refused: table.routes[0].networks[0]: 8.8.8.0/24 is not inside a private range (10/8, "
         "172.16/12, 192.168/16, fc00::/7)"),
    ),
    "the metadata service's network": (
        lambda: opened(table(row(origin="https://a.example", net="private", networks=["fd00::/8"]))), UntrustedTable,
        ("the routing table is refused: table.routes[0].networks[0]: fd00::/8 contains fd00:42::42, a cloud's metadata "
         "service; name a smaller network"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words


def test_a_name_that_the_catalogue_does_not_have() -> None:
    known = ", ".join(one.name for one in load_catalogue().entries)
    with pytest.raises(ConfigurationError) as caught:
        build("[providers.nobody]\n")
    why = f"providers.nobody is not in the catalogue ({known}); write a row of your own: [routes.nobody]"
    assert str(caught.value) == f"routes.toml: {why}"


def test_a_credentials_proxy_is_a_companys() -> None:
    text = """
[routes.main]
provider = "x"
dialect = "openai_chat"
origin = "https://api.example.com"
path = "/v1"
net = "public"
model = "m"
auth = "bearer"
secret = "cloud"
[credentials.cloud]
kind = "google_service_account"
secret = "key"
connect_proxy = "http://proxy.corp:3128"
"""
    payload = json.loads(build(text))
    assert payload["credentials"]["cloud"] == {
        "kind": "google_service_account",
        "origin": "https://oauth2.googleapis.com",
        "net": "public",
        "origins": ["https://api.example.com"],
        "secret": "key",
        "connect_proxy": {
            "origin": "http://proxy.corp:3128",
            "net": "private",
            "networks": ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"],
        },
    }
