"""Names become rows of the table."""

from __future__ import annotations

import pytest

from saferoute.errors import NoRoute
from saferoute.routing.resolve import names, resolve
from saferoute.values.target import Deadlines, Profile
from tests.support.trust_cases import alias, files, full_table, row, table, wildcard

ROWS = (
    row(id="mini", provider="openai", model="gpt-mini"),
    row(id="eu", provider="azure", model="gpt-mini", origin="https://eu.example.com"),
    row(id="us", provider="azure", model="gpt-mini", origin="https://us.example.com"),
    wildcard(id="openai", provider="openai"),
    wildcard(id="east", provider="vllm", origin="https://east.example.com"),
    wildcard(id="west", provider="vllm", origin="https://west.example.com"),
    wildcard(
        id="anthropic", provider="anthropic", families=[{"prefix": "c-5", "profile": {"tools": True}}, {"prefix": "c", "profile": {}}]
    ),
)
TABLE = files(
    table(
        *ROWS,
        aliases={
            "fast": alias("mini", "anthropic/c-5-x"),
            "smart": alias("openai/big", "fast", "eu"),
            "same": alias("mini", "openai/gpt-mini", "fast"),
        },
    )
).open()


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ("mini", ["mini:gpt-mini"]),
        ("fast", ["mini:gpt-mini", "anthropic:c-5-x"]),
        ("smart", ["openai:big", "mini:gpt-mini", "anthropic:c-5-x", "eu:gpt-mini"]),
        ("same", ["mini:gpt-mini", "anthropic:c-5-x"]),
        ("openai/gpt-mini", ["mini:gpt-mini"]),
        ("openai/launched-yesterday", ["openai:launched-yesterday"]),
        ("east/org/model:7b", ["east:org/model:7b"]),
        ("anthropic/c-5-x", ["anthropic:c-5-x"]),
    ],
)
def test_a_name_stands_for_rows_in_order(route: str, expected: list[str]) -> None:
    assert [f"{target.id}:{target.model}" for target in resolve(TABLE, route)] == expected
    assert resolve(TABLE, route) == resolve(TABLE, route)


@pytest.mark.parametrize(
    ("route", "why"),
    [
        ("fats", "it has .*fast.*saferoute models"),
        ("nothing-like-it", "and others"),
        ("", "no route ''"),
        ("openai", "openai/MODEL"),
        ("anthropic", "anthropic/MODEL"),
        ("openai/", "not a model's name"),
        ("mini/other", "no route 'mini/other'"),
        ("groq/llama", "no route 'groq/llama'"),
        ("azure/gpt-mini", "could mean the routes eu, us"),
        ("azure/other", "no route 'azure/other'"),
        ("vllm/some", "write east/some or west/some"),
        ("vllm", "no route 'vllm'"),
        ("x" * 500, "no route 'xxx"),
    ],
)
def test_another_name_is_refused_with_what_there_is(route: str, why: str) -> None:
    with pytest.raises(NoRoute, match=why):
        resolve(TABLE, route)


def test_a_wildcard_row_fills_in_the_model_and_what_its_family_can_do() -> None:
    first = resolve(TABLE, "anthropic/c-5-x")[0]
    assert first.profile == Profile(tools=True)
    assert resolve(TABLE, "anthropic/c-4")[0].profile == Profile()
    assert first.digest == TABLE.routes["anthropic"].digest
    assert len(first.digest) == 64


def test_names_that_can_be_asked_for() -> None:
    rows = ["anthropic/*", "east/*", "eu", "mini", "openai/*", "us", "west/*"]
    assert sorted(names(TABLE)) == sorted(["fast", "same", "smart", *rows])


def test_every_field_of_a_row_arrives() -> None:
    opened = files(full_table()).open()
    target = opened.routes["main"]
    assert target.headers == (("openai-organization", "org-1"), ("x-title", "a title"))
    assert (target.region, target.max_output, target.default_max_output) == ("eu", 1000, 500)
    assert target.extra_params == {"service_tier", "verbosity"}
    assert (target.quirks.instruction_role, target.quirks.max_tokens_field, target.quirks.stream_usage) == (
        "developer",
        "max_tokens",
        False,
    )
    assert target.profile.reasoning == "effort"
    assert target.prices is not None
    assert target.prices.cache_write_1h == 5000
    assert target.deadlines == Deadlines(1.0, 2.0, 3.0, 4.0)
    assert opened.routes["inside"].net.networks == ("10.1.0.0/16",)
    assert opened.aliases["fast"].deadlines == Deadlines(1.0, 2.0, 3.0, 4.0)
    assert opened.aliases["any"].deadlines is None
    assert opened.grant is not None
    assert opened.grant.audience is not None


def test_a_remembered_name_is_the_same_row() -> None:
    first = resolve(TABLE, "openai/one")
    for number in range(300):
        resolve(TABLE, f"openai/many-{number}")
    assert resolve(TABLE, "openai/one") == first
