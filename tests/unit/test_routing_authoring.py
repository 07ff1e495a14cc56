"""routes.toml becomes the table that is signed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build, build_payload
from saferoute.routing.resolve import resolve
from saferoute.routing.spellings import duration, money, price
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from saferoute.values.target import Profile
from tests.support.trust_cases import files

MINIMAL = """
[providers.openai]
data = "internal"

[aliases]
fast = "openai/gpt-5.4-mini"

[grant]
data = "internal"
"""

WHOLE = """
schema = 1

[defaults]
data = "confidential"
region = "eu"
deadlines = { connect = "5s" }

[providers.openai]
headers = { openai-organization = "org-1" }
deadlines = { total = "2m" }

[routes.mini]
extends = "openai"
model = "gpt-5.4-mini"
data = "internal"
default_max_output = 1000
prices = { input = "$0.25/M", output = "$2/M", cache_read = "$0.025/M" }
profile = { context_window = 400000 }

[routes.mini-us]
extends = "mini"
region = "us"

[routes.inside]
provider = "vllm"
dialect = "openai_chat"
origin = "https://gpu.corp.example"
path = "/v1"
net = ["10.1.0.0/16", "10.2.0.0/16"]
model = "*"
auth = "none"

[routes.llama]
extends = "llama.cpp"
origin = "http://127.0.0.1:18362"

[aliases]
fast = ["mini", "inside/some"]
smart = { targets = ["openai/gpt-6.2-sol", "fast"], max_attempts = 5, deadlines = { total = "90s", first_byte = "500ms" } }

[grant]
operations = ["chat"]
routes = ["fast"]
tools = []
max_cost = "$0.05"
max_output = 4000
budget = "$5/day"

[annotations]
ticket = "T-1"
"""


def table_of(toml: str) -> dict[str, Any]:
    body = build(toml)
    assert canonical(parse(body)) == body
    return json.loads(body)  # type: ignore[no-any-return]


def test_a_minimal_file_opens() -> None:
    opened = files(build(MINIMAL)).open()
    target = resolve(opened, "fast")[0]
    assert (target.model, target.origin, target.secret, target.auth) == ("gpt-5.4-mini", "https://api.openai.com", "openai", "bearer")
    assert opened.grant is not None
    assert opened.grant.routes == {"fast", "openai"}
    assert opened.grant.operations == {"chat"}
    assert len(MINIMAL.split("\n")) < 12


def test_the_order_of_the_sections_does_not_matter() -> None:
    parts = MINIMAL.strip().split("\n\n")
    assert build("\n\n".join(reversed(parts))) == build(MINIMAL)


def test_a_whole_file_says_what_it_says() -> None:
    opened = files(build(WHOLE)).open()
    rows = opened.routes
    assert {name: row.data for name, row in rows.items()} == {
        "openai": "confidential", "mini": "internal", "mini-us": "internal", "inside": "confidential", "llama": "confidential",
    }  # fmt: skip
    assert (rows["openai"].deadlines.connect, rows["openai"].deadlines.total) == (5.0, 120.0)
    assert rows["openai"].headers == (("openai-organization", "org-1"),)
    assert rows["mini"].headers == rows["openai"].headers
    mini = rows["mini"]
    assert mini.prices is not None
    assert (mini.prices.currency, mini.prices.input, mini.prices.output, mini.prices.cache_read) == ("USD", 250, 2000, 25)
    assert mini.profile == Profile(
        400000, tools=True, vision=True, audio=False, json_schema=True, reasoning="effort"
    )  # its family's, and its own
    assert (rows["mini-us"].region, rows["mini-us"].model) == ("us", "gpt-5.4-mini")
    assert rows["inside"].net.networks == ("10.1.0.0/16", "10.2.0.0/16")
    assert (rows["llama"].origin, rows["llama"].net.kind, rows["llama"].quirks.max_tokens_field) == (
        "http://127.0.0.1:18362",
        "loopback",
        "max_tokens",
    )
    smart = opened.aliases["smart"]
    assert smart.max_attempts == 5
    assert smart.deadlines is not None
    assert (smart.deadlines.total, smart.deadlines.first_byte) == (90.0, 0.5)
    assert opened.aliases["fast"].max_attempts == 3
    grant = opened.grant
    assert grant is not None
    assert (grant.routes, grant.tools, grant.max_output) == (frozenset({"fast"}), frozenset(), 4000)
    assert [(one.key.partition(":")[0], one.unit) for one in grant.budgets] == [("grant", "USD")]
    assert grant.max_cost is not None
    assert (grant.max_cost.amount, grant.max_cost.currency) == (50_000_000, "USD")


def test_a_row_defaults_to_public_data() -> None:
    assert table_of("[providers.anthropic]")["routes"][0]["data"] == "public"
    assert "grant" not in table_of("[providers.anthropic]")


def test_a_row_without_a_key_drops_the_inherited_one() -> None:
    row = table_of('[routes.x]\nextends = "openai"\nauth = "none"\norigin = "https://open.example.com"')["routes"][0]
    assert "secret" not in row


ROW = '[routes.x]\nprovider="p"\ndialect="openai_chat"\norigin="https://a.example"\npath=""\nnet="public"\nmodel="m"\nauth="none"\n'


@pytest.mark.parametrize(
    ("toml", "why"),
    [
        ("[providers.openai", "not TOML"),
        ("a = " + "[" * 5000, "not TOML"),
        ("", "no route"),
        ("[surprise]", "surprise is no section"),
        ("schema = 2", "schema is 2"),
        ("providers = 1", "providers must be a table"),
        ("[providers]\nopenai = 1", r"providers\.openai must be a table"),
        ("[providers.acme]", r"providers\.acme is not in the catalogue \(openai, openai_responses, anthropic, .*\[routes\.acme\]"),
        ('[providers.openai]\nextends = "anthropic"', r"providers\.openai\.extends"),
        ("[providers.openai]\n[routes.openai]", r"routes\.openai has the name of providers\.openai"),
        ('[providers.openai]\napi_base = "x"', r"providers\.openai\.api_base is not a field"),
        ('[providers.openai]\nid = "x"', r"providers\.openai\.id"),
        ('[providers.openai]\norigin = "http://api.openai.com"', r"providers\.openai\.origin: plain http"),
        ('[providers.openai]\ndata = "top"', r"providers\.openai\.data"),
        ("[routes.x]", r"routes\.x\.provider is missing"),
        ('[routes."../x"]\nextends = "openai"', r"id is '\.\./x'"),
        ('[routes.x]\nextends = "nothing"', r"routes\.x\.extends is 'nothing'; it can be openai, .*anthropic, .*llama\.cpp"),
        ("[routes.x]\nextends = 1", r"routes\.x\.extends must be a name"),
        ('[routes.x]\nextends = "y"\n[routes.y]\nextends = "x"', r"leads to itself"),
        ("".join(f'[routes.r{n}]\nextends = "r{n + 1}"\n' for n in range(12)) + '[routes.r12]\nextends="openai"', "too far"),
        ('[defaults]\norigin = "https://a.example"', r"defaults\.origin cannot be a default"),
        (ROW + 'deadlines = "30s"', r"routes\.x\.deadlines must be a table"),
        (ROW + "deadlines = { total = 30 }", r"routes\.x\.deadlines\.total is 30; write a duration"),
        (ROW + 'deadlines = { sum = "30s" }', r"routes\.x\.deadlines\.sum is not a field"),
        (ROW + 'prices = "$1/M"', r"routes\.x\.prices must be a table"),
        (ROW + 'prices = { audio = "$1/M" }', r"routes\.x\.prices\.audio is no price"),
        (ROW + 'prices = { input = "$1" }', r"routes\.x\.prices\.input"),
        (ROW + 'prices = { input = "$1/M", output = "€1/M" }', r"in EUR, and another price in USD"),
        (ROW + 'prices = { input = "$1/M" }', r"routes\.x\.default_max_output is required"),
        (ROW + "max_output = 1.5", r"routes\.x\.max_output must be an integer"),
        (ROW + "max_output = 2026-01-01", r"routes\.x\.max_output must be an integer"),
        (ROW + "extra_params = ['api_key']", r"routes\.x\.extra_params"),
        (ROW + "[aliases]\nfast = 1", r"aliases\.fast must be a target"),
        (ROW + "[aliases]\nfast = 'nowhere'", r"aliases\.fast\.targets: .*no route 'nowhere'"),
        (ROW + "[aliases]\nfast = 'fast'", r"aliases\.fast leads to itself"),
        (ROW + "[aliases]\nfast = { targets = ['x'], weight = 1 }", r"aliases\.fast\.weight is not a field"),
        (ROW + "[aliases]\nfast = { targets = ['x'], deadlines = { total = 'soon' } }", r"aliases\.fast\.deadlines\.total"),
        (ROW + "[aliases]\nFast = 'x'", r"aliases\.Fast is 'Fast', which is not a name"),
        (ROW + "[grant]\nroutes = ['*']", r"grant\.routes\[0\]"),
        (ROW + "[grant]\nmodels = ['*']", r"grant\.models is not a field"),
        (ROW + "[grant]\nmax_cost = 5", r"grant\.max_cost is 5"),
        (ROW + "[grant]\nbudget = '$5'", r"grant\.budget is '\$5'"),
        (ROW + "[grant]\nbudget = '$5/year'", r"grant\.budget\.per"),
        (ROW + "[grant]\nbudget = 5", r"grant\.budget is 5"),
        (ROW + "[annotations]\na = 1", r"annotations\.a must be a text"),
        ("grant = 1\n" + ROW, "grant must be a table"),
        ("#" * 2_000_001, "at most 2000000"),
    ],
)
def test_an_error_names_the_place_in_the_file(toml: str, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why):
        build(toml)


def test_a_budget_may_have_its_scope() -> None:
    toml = ROW + '[grant]\nbudget = { amount = "$5/day", scope = "host", replicas = 2 }'
    assert table_of(toml)["grant"]["budget"] == {"amount": 5_000_000_000, "currency": "USD", "per": "day", "scope": "host", "replicas": 2}


def test_rows_in_the_tables_own_words_are_checked_too() -> None:
    with pytest.raises(ConfigurationError, match="makes no routing table"):
        build_payload([{"id": "x"}], {})


@pytest.mark.parametrize(
    ("text", "expected"), [("500ms", 500), ("30s", 30_000), ("2m", 120_000), ("1h", 3_600_000), ("0.5 s", 500), ("1.5m", 90_000)]
)
def test_durations(text: str, expected: int) -> None:
    assert duration(text, "x") == expected


@pytest.mark.parametrize("text", ["", "30", "s", "-1s", "0s", "0.5ms", "1d", "1 h 2 m", "١s", 60, None, True, "1e3s"])
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(Refused, match=r"^x is"):
        duration(text, "x")


@pytest.mark.parametrize(
    ("text", "expected"),
    [("$5", (5_000_000_000, "USD")), ("€0.05", (50_000_000, "EUR")), ("£1", (10**9, "GBP")), ("0.000000001 CHF", (1, "CHF"))],
)
def test_money(text: str, expected: tuple[int, str]) -> None:
    assert money(text, "x") == expected


@pytest.mark.parametrize("text", ["5", "$", "$-5", "$5 USD", "5 usd", "$1,000", "$0.0000000001", 7, 0.05, None])
def test_what_is_no_money(text: object) -> None:
    with pytest.raises(Refused, match=r"^x is"):
        money(text, "x")


@pytest.mark.parametrize(
    ("text", "expected"), [("$2.50/M", 2_500), ("$0.001/M", 1), ("$0.01/K", 10_000), ("0.000001 USD/token", 1_000), ("$0/M", 0)]
)
def test_prices(text: str, expected: int) -> None:
    assert price(text, "x") == (expected, "USD")


@pytest.mark.parametrize("text", ["$2.50", "$2.50/m", "$2.50/", "/M", "$0.0001/M", 2, None])
def test_what_is_no_price(text: object) -> None:
    with pytest.raises(Refused, match=r"^x is"):
        price(text, "x")
