"""What is found in a table before it is signed: every rule at its boundary, with its exact words."""

from __future__ import annotations

import json

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.lint import Finding, lint
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical

LISTED = len((load_catalogue().price_list("openai") or {})["models"])
BASE = """
[routes.eu]
extends = "openai"
model = "big"
data = "confidential"
region = "eu"
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }

[routes.us]
extends = "anthropic"
model = "small"
data = "confidential"
region = "eu"
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }
"""
GRANT = """
[grant]
routes = ["fast"]
tools = []
data = "confidential"
max_output = 100
"""
FAST = '[aliases]\nfast = ["eu", "us"]\n'


def found(text: str) -> list[tuple[str, str, str, str]]:
    return [(one.severity, one.rule, one.place, one.text) for one in lint(build(text))]


def rules(text: str) -> list[tuple[str, str]]:
    return [(one.rule, one.place) for one in lint(build(text))]


def test_a_table_without_findings() -> None:
    assert lint(build(BASE + FAST + GRANT)) == ()


def test_findings_come_in_order_of_severity() -> None:
    text = BASE.replace('region = "eu"\n', "") + FAST + GRANT + 'regions = ["us"]\n'
    assert [one[:3] for one in found(text)] == [
        ("error", "no-region-left", "grant.regions"),
        ("warning", "no-region", "routes.eu"),
        ("warning", "no-region", "routes.us"),
    ]
    assert lint(build(BASE))[0] == Finding(
        "note", "no-grant", "grant", "without a grant, production refuses every call that brings no capability"
    )


def test_what_nobody_uses() -> None:
    text = BASE + '[aliases]\nfast = "eu"\nslow = "eu"\nnest = "slow"\n' + GRANT.replace('["fast"]', '["fast", "nest"]')
    assert [one for one in found(text) if one[1].startswith("unused")] == [
        (
            "warning", "unused-route", "routes.us",
            "no alias leads here, and the grant does not name it: only a capability could use it. Take it out, or name it",
        ),
    ]  # fmt: skip
    text = BASE + FAST + 'other = ["us", "eu"]\n' + GRANT
    assert found(text) == [
        (
            "warning", "unused-alias", "aliases.other",
            "the grant does not name it: only a capability could use it. Take it out, or name it in grant.routes",
        ),
    ]  # fmt: skip
    assert rules(BASE + FAST.replace('"eu", ', "")) == [("no-grant", "grant"), ("one-provider", "aliases.fast")][::-1]
    direct = BASE + GRANT.replace('["fast"]', '["eu", "us"]')
    assert rules(direct) == []


def test_an_alias_with_one_provider() -> None:
    one = FAST.replace(', "us"', "")
    text = BASE + one + GRANT.replace('["fast"]', '["fast", "us"]')
    assert found(text) == [("note", "one-provider", "aliases.fast", "when openai is down, nobody answers: add a row of another provider")]
    two = BASE.replace('extends = "anthropic"', 'extends = "openai"') + FAST + GRANT
    assert [one[:3] for one in found(two)] == [("warning", "one-provider", "aliases.fast")]


@pytest.mark.parametrize(("most", "rule"), [(1, ["unreached-target"]), (2, [])])
def test_a_target_that_is_never_reached(most: int, rule: list[str]) -> None:
    text = BASE + f'[aliases.fast]\ntargets = ["eu", "us"]\nmax_attempts = {most}\n' + GRANT
    assert [one[1] for one in found(text)] == rule
    if rule:
        assert found(text)[0][2:] == ("aliases.fast", "leads to 2 rows, and a call sends at most 1 requests: raise max_attempts")


def test_labels_and_regions_that_differ_within_an_alias() -> None:
    head, _, tail = BASE.rpartition('data = "confidential"\nregion = "eu"')
    text = head + 'data = "internal"' + tail + FAST + GRANT
    assert found(text) == [
        (
            "note", "mixed-labels", "aliases.fast",
            "its rows take data up to internal and confidential: a call labelled confidential has fewer rows to fall back to",
        ),
        ("note", "mixed-regions", "aliases.fast", "its rows are in several regions (eu, unknown), and no grant.regions chooses among them"),
    ]  # fmt: skip
    assert [one[1] for one in found(text + 'regions = ["eu"]\n')] == ["mixed-labels"]
    assert ("mixed-regions", "aliases.fast") in rules(text.partition("[grant]")[0])


@pytest.mark.parametrize(("label", "marked"), [("public", False), ("internal", False), ("confidential", True), ("restricted", True)])
def test_data_above_internal_at_a_place_without_a_region(label: str, marked: bool) -> None:
    text = f'[routes.a]\nextends = "openai"\nmodel = "m"\ndata = "{label}"\n[grant]\ntools = []\nmax_output = 1\ndata = "{label}"\n'
    why = f'takes data up to "{label}" and names no region: say where the data stays (region = "eu"), or lower data'
    assert found(text) == ([("warning", "no-region", "routes.a", why)] if marked else [])
    inside = text.replace('extends = "openai"', 'extends = "llama.cpp"\ndefault_max_output = 5')
    assert found(inside) == []


@pytest.mark.parametrize(
    ("clocks", "texts"),
    [
        ('connect = "10s", total = "10s", first_byte = "10s", idle = "10s"', []),
        (
            'connect = "11s", total = "10s", first_byte = "10s", idle = "10s"',
            ["connect is 11 s and total 10 s, so connect never ends a call: lower it, or raise total"],
        ),
        (
            'total = "10s"',
            [
                "first_byte is 300 s and total 10 s, so first_byte never ends a call: lower it, or raise total",
                "idle is 60 s and total 10 s, so idle never ends a call: lower it, or raise total",
            ],
        ),
        ('total = "1h"', []),
        ('total = "3600.001s"', ["a call may last 3600 s, which is over an hour"]),
        ('total = "2h"', ["a call may last 7200 s, which is over an hour"]),
    ],
)
def test_odd_deadlines(clocks: str, texts: list[str]) -> None:
    row = BASE.replace('region = "eu"\n', f'region = "eu"\ndeadlines = {{ {clocks} }}\n', 1) + FAST + GRANT
    assert found(row) == [("warning", "odd-deadline", "routes.eu.deadlines", text) for text in texts]
    alias = BASE + f'[aliases.fast]\ntargets = ["eu", "us"]\ndeadlines = {{ {clocks} }}\n' + GRANT
    assert found(alias) == [("warning", "odd-deadline", "aliases.fast.deadlines", text) for text in texts]


@pytest.mark.parametrize(
    ("prices", "texts"),
    [
        ('input = "$2/M", output = "$2/M", cache_read = "$2/M"', []),
        ('input = "$2/M", output = "$1/M"', ["output is cheaper than input: are the two the wrong way round?"]),
        ('input = "$2/M", output = "$3/M", cache_read = "$3/M"', ["cache_read is dearer than input: are the two the wrong way round?"]),
        ('output = "$3/M", cache_read = "$4/M"', []),
        ('input = "$3/M"', []),
    ],
)
def test_odd_prices(prices: str, texts: list[str]) -> None:
    text = BASE.replace('input = "$2.50/M", output = "$10/M"', prices, 1) + FAST + GRANT
    assert found(text) == [("warning", "odd-price", "routes.eu", why) for why in texts]


def test_any_model_is_noted_and_a_grant_that_names_it() -> None:
    text = '[providers.openai]\ndata = "internal"\n[grant]\nroutes = ["openai"]\ntools = []\ndata = "internal"\nmax_output = 5\n'
    assert found(text) == [
        ("note", "wide-grant", "grant.routes", "'openai' takes any model, so callers choose any: name aliases, or rows with one model"),
        ("note", "any-model", "routes.openai", f"callers choose any model of openai, and the prices of {LISTED} are known"),
    ]
    elsewhere = text.replace("[providers.openai]", '[providers.openai]\norigin = "https://proxy.example.com"')  # with prices of its own
    assert found(elsewhere)[1] == ("note", "any-model", "routes.openai", "callers choose any model of openai, and no price is known")
    named = text.replace('routes = ["openai"]', 'routes = ["openai/m"]')
    assert [one[1] for one in found(named)] == ["any-model"]


def test_one_key_for_two_origins() -> None:
    other = BASE.replace('extends = "anthropic"', 'extends = "anthropic"\nsecret = "openai"') + FAST + GRANT
    why = "one key goes to 2 origins (https://api.anthropic.com, https://api.openai.com): whoever runs one of them can use it at the others"
    assert found(other) == [("warning", "shared-key", "keys.openai", why)]


def test_a_credential_is_no_shared_key() -> None:
    row = '[routes.{0}]\nextends = "gemini"\nsecret = "g"\nauth = "bearer"\nmodel = "m"\ndata = "public"\norigin = "https://{0}.example.com"\n'
    made = '[credentials.g]\nkind = "google_service_account"\nsecret = "account"\n'
    assert "shared-key" not in [one for one, _ in rules(row.format("a") + row.format("b") + made)]


def test_plain_text_and_proxies_are_said() -> None:
    payload = json.loads(build(BASE + FAST + GRANT))
    plain = {"unsafe_plaintext": True, "origin": "http://10.0.0.1", "net": "private", "networks": ["10.0.0.0/8"], "data": "internal"}
    payload["routes"][0] |= plain
    payload["routes"][1]["connect_proxy"] = {"origin": "https://proxy.example.com", "net": "public"}
    findings = [(one.severity, one.rule, one.place, one.text) for one in lint(canonical(payload))]
    said = "prompts, answers and the key are sent in the clear: whoever is on that network reads them. Use https"
    assert ("warning", "unsafe-plaintext", "routes.eu", said) in findings
    said = "calls go through a proxy, which sees the host's name and how much is sent"
    assert ("note", "connect-proxy", "routes.us", said) in findings
    assert {one[1] for one in findings} == {"unsafe-plaintext", "connect-proxy", "mixed-labels"}


@pytest.mark.parametrize("bound", ['max_cost = "$1"', 'budget = "$1/day"'])
def test_money_without_prices(bound: str) -> None:
    grant = GRANT.replace("max_output = 100", bound)
    bare = BASE.replace('prices = { input = "$2.50/M", output = "$10/M" }\n', "")
    assert found(BASE + FAST + grant) == []
    assert found(bare + FAST + grant) == [
        (
            "error", "no-prices", "grant",
            "bounds money in USD, and no granted row has prices in it, so every call is refused: add prices",
        )
    ]  # fmt: skip
    half = BASE.replace('prices = { input = "$2.50/M", output = "$10/M" }\n', "", 1)
    why = "has no prices in USD, and the grant bounds money: it never answers. Add prices, or take it out"
    assert found(half + FAST + grant) == [("warning", "no-prices", "routes.eu", why)]
    for prices in ('input = "2.50 EUR/M", output = "10 EUR/M"', 'input = "$2.50/M"', 'output = "$2.50/M"'):
        other = BASE.replace('input = "$2.50/M", output = "$10/M"', prices, 1)
        assert found(other + FAST + grant) == [("warning", "no-prices", "routes.eu", why)]
    embeds = BASE.replace('input = "$2.50/M", output = "$10/M"', 'input = "$2.50/M"') + FAST + grant
    assert found(embeds + 'operations = ["embed"]\n') == []
    assert found(embeds + 'operations = ["embed", "chat"]\n')[0][0] == "error"


def test_two_currencies_are_never_both_known() -> None:
    grant = GRANT.replace("max_output = 100", 'max_cost = "$1"\nbudget = "1 EUR/day"')
    assert found(BASE + FAST + grant)[0][3] == (
        "bounds money in EUR, USD, and no granted row has prices in it, so every call is refused: add prices"
    )


def test_a_grant_that_bounds_nothing() -> None:
    text = BASE + FAST + '[grant]\nroutes = ["fast", "eu"]\n'
    assert found(text) == [
        ("warning", "unbounded", "grant", "nothing bounds what callers spend: add budget, max_cost or max_output"),
        (
            "warning", "wide-grant", "grant.data",
            "is not bounded: the rows' own ceilings decide. With data = \"confidential\", a row that is changed later widens nothing",
        ),
        (
            "note", "wide-grant", "grant.routes",
            "names the row 'eu' and an alias that leads there: callers can go round it. Name the alias alone, if they must not",
        ),
        ("note", "wide-grant", "grant.tools", "callers may offer any tool: list those that there are, or [] for none"),
    ]  # fmt: skip


def test_a_grant_above_what_its_rows_take() -> None:
    text = BASE + FAST + GRANT.replace('"confidential"', '"restricted"')
    why = 'is "restricted", and no granted row takes more than "confidential": lower it'
    assert found(text) == [("warning", "wide-grant", "grant.data", why)]
    assert found(BASE + FAST + GRANT.replace('"confidential"', '"public"')) == []


def test_a_grants_regions() -> None:
    text = BASE + FAST + GRANT
    assert found(text + 'regions = ["eu"]\n') == []
    assert found(text + 'regions = ["eu", "us", "ap"]\n') == [
        ("warning", "wide-grant", "grant.regions", f"no granted row is in {name}: take it out") for name in ("ap", "us")
    ]
    assert found(text + 'regions = ["us", "ap"]\n') == [
        ("error", "no-region-left", "grant.regions", "no granted row is in ap, us, so every call is refused: give the rows their region")
    ]


def test_what_is_no_table() -> None:
    with pytest.raises(Refused):
        lint(b"{}")
