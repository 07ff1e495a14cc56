"""What is found in how an alias spreads its calls, with its exact words."""

from __future__ import annotations

import pytest

from saferoute.routing.authoring import build
from saferoute.routing.lint import lint

ROWS = """
[routes.eu]
extends = "openai"
model = "big"
data = "confidential"
region = "eu"
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }
profile = { context_window = 100000 }

[routes.us]
extends = "anthropic"
model = "small"
data = "confidential"
region = "eu"
default_max_output = 500
prices = { input = "$2.50/M", output = "$10/M" }
profile = { context_window = 100000 }

[routes.new]
extends = "us"
model = "new"

[routes.low]
extends = "us"
model = "low"
data = "internal"

[routes.bare]
extends = "groq"
model = "bare"
data = "confidential"
region = "eu"
"""
GRANT = """
[grant]
routes = ["x", "new", "low", "bare"]
tools = []
data = "confidential"
max_output = 100
"""
SHADOW = 'shadow = { target = "new", share = 10, max_cost = "$0.01" }'


def found(fields: str, targets: str = '["eu", "us"]', rows: str = ROWS, more: str = "") -> list[tuple[str, str, str, str]]:
    text = f"{rows}[aliases.x]\ntargets = {targets}\nmax_attempts = 4\n{fields}\n{more}{GRANT}"
    return [
        (one.severity, one.rule, one.place.removeprefix("aliases.x."), one.text)
        for one in lint(build(text))
        if one.place.startswith("aliases.x.") or one.rule == "inner-policy"
    ]


@pytest.mark.parametrize(
    "fields",
    [
        "", 'strategy = "cheapest"', 'strategy = "by_context"', 'strategy = "sticky"\ntag = "user"', 'hedge = { after = "1s" }', SHADOW,
        "limits = { requests_per_minute = 4 }", "limits = { concurrent = 1 }", 'limits = { concurrent = 2 }\nhedge = { after = "1s" }',
        'fallback = { any = "new" }', 'fallback = { context_window = "new", quota = "bare", timeout = "new" }',
    ],
)  # fmt: skip
def test_what_is_fine(fields: str) -> None:
    assert found(fields) == []


@pytest.mark.parametrize(
    ("fields", "targets", "severity", "rule", "place", "text"),
    [
        (
            'strategy = "cheapest"', '["eu", "bare", "us"]', "warning", "unpriced-row", "strategy",
            '"cheapest" cannot compare bare, without prices for input and output: add prices, or take another strategy',
        ),
        (
            'strategy = "by_context"', '["eu", "bare"]', "warning", "unknown-window", "strategy",
            '"by_context" cannot place bare, without profile.context_window: add it, or take another strategy',
        ),
        (
            'hedge = { after = "1s" }', '["us", "new"]', "warning", "hedge-one-key", "hedge",
            "all rows have the key 'anthropic', so what slows one down often slows all: hedge with a row that has another",
        ),
        (
            'hedge = { after = "1s" }\nlimits = { concurrent = 1 }', '["eu", "us"]', "warning", "tight-limits", "limits",
            "a hedge is a second request beside the first, and limits.concurrent is 1: raise it, or take the hedge out",
        ),
        (
            "limits = { requests_per_minute = 3 }", '["eu", "us"]', "warning", "tight-limits", "limits",
            "requests_per_minute is 3, and one call may send 4 requests (max_attempts): raise the first, or lower the second",
        ),
        (
            SHADOW.replace("new", "low"), '["eu", "us"]', "warning", "shadow-ceiling", "shadow",
            "the row 'low' takes data up to internal, and this alias's up to confidential: calls labelled higher are not copied",
        ),
        (
            SHADOW.replace(" }", ', data = "confidential" }'), '["eu", "us"]', "note", "shadow-data", "shadow",
            "copies of calls with data up to confidential go to 'new', where no answer is used: is that meant?",
        ),
        (
            SHADOW.replace("new", "bare"), '["eu", "us"]', "warning", "shadow-unpriced", "shadow",
            "the row 'bare' has no prices in USD, so no copy is known to stay under max_cost, and none is sent: add prices",
        ),
        (
            SHADOW.replace("$0.01", "1 EUR"), '["eu", "us"]', "warning", "shadow-unpriced", "shadow",
            "the row 'new' has no prices in EUR, so no copy is known to stay under max_cost, and none is sent: add prices",
        ),
        (
            'fallback = { content_filter = ["new", "bare"] }', '["eu", "us"]', "warning", "content-filter-fallback", "fallback.content_filter",
            "content that one provider refused is sent to another: new, bare. Is that allowed where you are?",
        ),
        (
            'fallback = { timeout = ["new", "low"] }', '["eu", "us"]', "warning", "fallback-ceiling", "fallback.timeout",
            "low: the ceiling for data is below confidential, that of this alias's rows: higher calls do not go on there",
        ),
        (
            'fallback = { any = "bare" }', '["eu", "us", "new", "low"]', "warning", "unreached-fallback", "fallback.any",
            "max_attempts is 4, which is used up before: raise it",
        ),
    ],
)  # fmt: skip
def test_what_is_found(fields: str, targets: str, severity: str, rule: str, place: str, text: str) -> None:
    assert found(fields, targets) == [(severity, rule, place, text)]


def test_a_fallback_after_the_only_request() -> None:
    text = f'{ROWS}[aliases.x]\ntargets = ["eu"]\nmax_attempts = 1\nfallback = {{ quota = "bare" }}\n{GRANT}'
    assert [(one.rule, one.text) for one in lint(build(text)) if one.place == "aliases.x.fallback.quota"] == [
        ("unreached-fallback", "max_attempts is 1, which is used up before: raise it")
    ]
    several = text.replace("max_attempts = 1", "max_attempts = 2")
    assert [one for one in lint(build(several)) if one.place == "aliases.x.fallback.quota"] == []


def test_rows_with_one_key_and_quota_groups_of_their_own_may_hedge() -> None:
    grouped = ROWS.replace('model = "new"', 'model = "new"\nquota_group = "own"')
    assert found('hedge = { after = "1s" }', '["us", "new"]', grouped) == []
    local = '[routes.one]\nextends = "llama.cpp"\nmodel = "m"\n[routes.two]\nextends = "llama.cpp"\nmodel = "n"\n'
    assert found('hedge = { after = "1s" }', '["one", "two"]', ROWS + local) == []


@pytest.mark.parametrize("fields", ['strategy = "cheapest"'])
def test_prices_that_cannot_be_compared(fields: str) -> None:
    other = ROWS.replace('prices = { input = "$2.50/M", output = "$10/M" }', 'prices = { input = "2 EUR/M", output = "9 EUR/M" }', 1)
    assert [one[3] for one in found(fields, rows=other)] == ['"cheapest" cannot compare prices in EUR and USD: write them in one currency']
    half = ROWS.replace('prices = { input = "$2.50/M", output = "$10/M" }', 'prices = { input = "$2/M" }', 1)
    assert [one[1] for one in found(fields, rows=half)] == ["unpriced-row"]
    other_half = ROWS.replace('prices = { input = "$2.50/M", output = "$10/M" }', 'prices = { output = "$2/M" }', 1)
    assert [one[1] for one in found(fields, rows=other_half)] == ["unpriced-row"]


def test_a_shadow_with_half_a_price_is_unpriced() -> None:
    for price in ('input = "$2/M"', 'output = "$2/M"'):
        half = ROWS.replace('model = "new"', f'model = "new"\nprices = {{ {price} }}')
        assert [one[1] for one in found(SHADOW, rows=half)] == ["shadow-unpriced"]


def test_an_alias_whose_policy_does_not_count_inside_another() -> None:
    inner = '[aliases.y]\ntargets = ["eu", "us"]\nstrategy = "least_busy"\n[aliases.z]\ntargets = ["eu"]\n'
    assert found("", '["y", "z", "new"]', more=inner) == [
        (
            "note", "inner-policy", "aliases.x",
            "leads to the alias 'y', whose own strategy, fallback, hedge, shadow and limits do not count here: repeat them, if they should",
        )
    ]  # fmt: skip


def rules(text: str) -> list[tuple[str, str]]:
    return [(one.rule, one.place) for one in lint(build(text))]


def test_rows_and_aliases_that_only_a_fallback_or_a_shadow_names_are_used() -> None:
    head = ROWS + "[aliases]\n" + 'y = "us"\nz = "new"\n'
    grant = GRANT.replace('["x", "new", "low", "bare"]', '["x", "low", "bare"]')
    used = (
        f'{head}[aliases.x]\ntargets = ["eu"]\nfallback = {{ any = "y" }}\nshadow = {{ target = "z", share = 1, max_cost = "$1" }}\n{grant}'
    )
    assert [one for one in rules(used) if one[0].startswith("unused")] == []
    unused = head + '[aliases.x]\ntargets = ["eu"]\n' + grant
    assert [one for one in rules(unused) if one[0].startswith("unused")] == [
        ("unused-alias", "aliases.y"),
        ("unused-alias", "aliases.z"),
    ]
    direct = used.replace('y = "us"\nz = "new"\n', "").replace('"y"', '"us"').replace('"z"', '"new"')
    assert [one for one in rules(direct) if one[0].startswith("unused")] == []


def test_the_grant_reaches_the_rows_of_a_fallback() -> None:
    head = (
        ROWS
        + '[aliases.x]\ntargets = ["eu"]\nfallback = { any = "bare", timeout = ["us", "eu2"] }\n[routes.eu2]\nextends = "eu"\nregion = "fr"\n'
    )
    grant = '[grant]\nroutes = ["x"]\ntools = []\ndata = "confidential"\nmax_cost = "$1"\n'
    assert [one for one in rules(head + grant) if one[0] == "no-prices"] == [("no-prices", "routes.bare")]
    assert [one for one in rules(head + grant + 'regions = ["eu", "fr"]\n') if one[0] == "wide-grant"] == []
    assert ("wide-grant", "grant.regions") in rules(head + grant + 'regions = ["eu", "us"]\n')
    low = ROWS.replace('model = "big"\ndata = "confidential"', 'model = "big"\ndata = "internal"')
    wide = low + '[aliases.x]\ntargets = ["eu"]\nfallback = { any = "us" }\n' + grant
    assert ("wide-grant", "grant.data") not in rules(wide)
    assert ("wide-grant", "grant.data") in rules(wide.replace('fallback = { any = "us" }', ""))


def test_prices_of_a_fallback_alone_do_not_help_a_call() -> None:
    text = ROWS + '[aliases.x]\ntargets = ["bare"]\nfallback = { any = "us" }\n[grant]\nroutes = ["x"]\nmax_cost = "$1"\n'
    assert ("no-prices", "grant") in rules(text)
