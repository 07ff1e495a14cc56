"""What an alias says beyond its targets: how it is written, what is compiled, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import ConfigurationError, UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.policies import compile_limits, rows_beyond
from saferoute.routing.resolve import resolve
from saferoute.routing.table import RoutingTable
from saferoute.signing.refusal import Refused
from saferoute.values.balancing import PLAIN_POLICY, Hedge, Limits, Policy, Shadow
from saferoute.values.permission import Cost
from tests.support.trust_cases import alias, files, row, table, wildcard

SHADOW = {"target": "c", "share": 1, "max_cost": {"amount": 5, "currency": "USD"}}
ROWS = [*(row(id=name, model=f"m-{name}") for name in "abcd"), wildcard()]


def opened(**aliases: dict[str, Any]) -> RoutingTable:
    return files(table(*ROWS, aliases=aliases)).open()


def ids(table: RoutingTable, name: str, cause: Any) -> list[str]:
    return [target.id for target in table.policy(name).fallback[cause]]


def test_a_plain_alias_and_every_other_name_have_the_plain_policy() -> None:
    made = opened(x=alias("a", "b"))
    assert all(made.policy(name) is PLAIN_POLICY for name in ("x", "a", "open/m", "example/m-a", "nowhere", ""))
    assert (PLAIN_POLICY.strategy, PLAIN_POLICY.fallback, rows_beyond(PLAIN_POLICY)) == ("ordered", {}, ())


@pytest.mark.parametrize(
    "strategy",
    ["weighted", "round_robin", "least_busy", "lowest_latency", "cheapest", "most_headroom", "two_choices", "by_data", "by_context"],
)
def test_strategies_that_need_nothing_else(strategy: str) -> None:
    assert opened(x=alias("a", "b", strategy=strategy)).policy("x") == replace(PLAIN_POLICY, strategy=strategy)  # type: ignore[arg-type]


def test_sticky_needs_a_tag_and_no_weights() -> None:
    assert opened(x=alias("a", "b", strategy="sticky", tag="user")).policy("x") == Policy("sticky", tag="user")
    weighed = alias("a", "b", strategy="sticky", tag="user", weights={"b": 1000})
    assert opened(x=weighed).policy("x") == Policy("sticky", {"b": 1000}, "user")


def test_an_ordered_alias_may_have_the_rest() -> None:
    made = opened(x=alias("a", "b", fallback={"any": ["c"]}, hedge={"after": 0}, shadow=SHADOW, limits={"concurrent": 1}))
    assert made.policy("x") == Policy(
        fallback={"any": resolve(made, "c")},
        hedge=Hedge(0.0),
        shadow=Shadow(resolve(made, "c")[0], 1, Cost(5, "USD"), "internal"),
        limits=Limits(concurrent=1),
    )
    assert opened(x=alias("a", limits={"adaptive": True})).policy("x") == Policy(limits=Limits(adaptive=True))


def test_fallbacks_follow_aliases_and_name_each_row_once() -> None:
    made = opened(x=alias("a", fallback={"any": ["y", "c", "open/m"], "timeout": ["d"]}), y=alias("z", "c"), z=alias("b"))
    assert ids(made, "x", "any") == ["b", "c", "open"]
    assert made.policy("x").fallback["any"][2].model == "m"
    assert [one.id for one in rows_beyond(made.policy("x"))] == ["b", "c", "open", "d"]


def test_a_shadow_is_among_the_rows_beyond_once() -> None:
    made = opened(x=alias("a", fallback={"any": ["c"]}, shadow=SHADOW), y=alias("a", shadow={**SHADOW, "target": "z"}), z=alias("d"))
    assert [one.id for one in rows_beyond(made.policy("x"))] == ["c"]
    assert [one.id for one in rows_beyond(made.policy("y"))] == ["d"]


def test_two_aliases_may_fall_back_to_each_other() -> None:
    made = opened(x=alias("a", fallback={"any": ["y"]}), y=alias("b", fallback={"any": ["x"]}))
    assert (ids(made, "x", "any"), ids(made, "y", "any")) == (["b"], ["a"])


def test_another_model_of_the_same_open_row_is_another_row() -> None:
    made = opened(x=alias("open/m-1", fallback={"context_window": ["open/m-2"]}, shadow={**SHADOW, "target": "open/m-3"}))
    assert [one.model for one in rows_beyond(made.policy("x"))] == ["m-2", "m-3"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"weights": {"a": 1}}, 'x.weights: the strategy "ordered" does not weigh rows; "weighted", "least_busy" and "sticky" do'),
        ({"strategy": "weighted", "weights": {"c": 1}}, "x.weights: 'c' is not the id of a row that this alias leads to; those are a, b"),
        ({"strategy": "weighted", "weights": {"a": 0, "b": 0}}, "x.weights: every row has the weight 0, so none could be chosen"),
        (
            {"strategy": "sticky"},
            'x.tag is missing: the strategy "sticky" needs the name of the call\'s tag that it reads',
        ),
        (
            {"strategy": "by_tag", "tagged": {"1": ["a"]}},
            'x.tag is missing: the strategy "by_tag" needs the name of the call\'s tag that it reads',
        ),
        ({"strategy": "weighted", "tag": "user"}, 'x.tag: the strategy "weighted" reads no tag; "sticky" and "by_tag" do'),
        (
            {"strategy": "by_tag", "tag": "user"},
            'x.tagged is missing: the strategy "by_tag" needs the rows that go with each value of the tag',
        ),
        (
            {"strategy": "sticky", "tag": "user", "tagged": {"1": ["a"]}},
            'x.tagged: the strategy "sticky" does not read it; "by_tag" does',
        ),
        (
            {"strategy": "by_tag", "tag": "user", "tagged": {"1": ["b"], "2": ["a", "c"]}},
            "x.tagged.2: 'c' is not the id of a row that this alias leads to; those are a, b",
        ),
        (
            {"hedge": {"after": 1}, "targets": ["a"]},
            "x.hedge: the alias leads to one row, and a hedge asks a second one: add a target, or take the hedge out",
        ),
        (
            {"hedge": {"after": 1}, "max_attempts": 1},
            "x.hedge: a hedge is a second request, and max_attempts is 1: raise it, or take the hedge out",
        ),
        ({"fallback": {}}, "x.fallback names no cause: write any, context_window, content_filter, quota or timeout, or take it out"),
        (
            {"fallback": {"any": ["c", "b"]}},
            "x.fallback.any: the row 'b' is one of the alias's own already, so this would send nothing anywhere else",
        ),
        (
            {"fallback": {"timeout": ["x"]}},
            "x.fallback.timeout: the row 'a' is one of the alias's own already, so this would send nothing anywhere else",
        ),
        ({"fallback": {"quota": [f"open/m{n}" for n in range(32)] + ["c"]}}, "x.fallback.quota has 33 entries; it must have 1 to 32"),
        ({"fallback": {"quota": ["c", "y"]}}, "x.fallback.quota leads to 33 rows; at most 32 are allowed"),
        ({"fallback": {"quota": []}}, "x.fallback.quota has 0 entries; it must have 1 to 32"),
        ({"fallback": {"quota": ["c", "c"]}}, "x.fallback.quota holds an entry twice"),
        (
            {"fallback": {"filter": ["c"]}},
            "x.fallback.filter is not a field of this schema; the fields are any, content_filter, context_window, quota, timeout",
        ),
        (
            {"fallback": {"content_filter": ["open"]}},
            "x.fallback.content_filter: the route 'open' takes any model, so name one: open/MODEL",
        ),
        (
            {"shadow": {**SHADOW, "target": "a"}},
            "x.shadow.target: the row 'a' is one of the alias's own already, so this would send nothing anywhere else",
        ),
        ({"shadow": {**SHADOW, "target": "y"}}, "x.shadow.target: 'y' leads to 32 rows, and a copy goes to one: name it"),
        ({"shadow": {"target": "c", "share": 1}}, "x.shadow.max_cost is missing"),
        ({"shadow": {**SHADOW, "share": 0}}, "x.shadow.share is 0; it must be from 1 to 1000"),
        ({"shadow": {**SHADOW, "share": 1001}}, "x.shadow.share is 1001; it must be from 1 to 1000"),
        ({"shadow": {**SHADOW, "data": "secret"}}, "x.shadow.data is 'secret'; it must be one of public, internal, confidential, restricted"),
        ({"hedge": {"after": 600_001}}, "x.hedge.after is 600001; it must be from 0 to 600000"),
        ({"hedge": {}}, "x.hedge.after is missing"),
        ({"strategy": "weighted", "weights": {"a": 1001}}, "x.weights.a is 1001; it must be from 0 to 1000"),
        ({"strategy": "weighted", "weights": {}}, "x.weights has 0 entries; it must have 1 to 32"),
        ({"strategy": "sticky", "tag": "u" * 65}, "x.tag is longer than 64 characters"),
        ({"strategy": "sticky", "tag": "User"}, "x.tag is 'User', which is not a label of lower-case letters and digits"),
        (
            {"strategy": "by_tag", "tag": "u", "tagged": {f"v{n}": ["a"] for n in range(65)}},
            "x.tagged has 65 entries; it must have 1 to 64",
        ),
        ({"strategy": "by_tag", "tag": "u", "tagged": {"v": []}}, "x.tagged.v has 0 entries; it must have 1 to 32"),
        ({"strategy": "by_tag", "tag": "u", "tagged": {" v": ["a"]}}, "x.tagged. v is ' v', which is not a tag's value"),
        ({"limits": {"concurrent": 0}}, "x.limits.concurrent is 0; it must be from 1 to 1000000000"),
        ({"limits": {"concurrent": 10**9 + 1}}, "x.limits.concurrent is 1000000001; it must be from 1 to 1000000000"),
        (
            {"limits": {"adaptive": False}},
            "x.limits limits nothing: name requests_per_minute, tokens_per_minute or concurrent, or set adaptive = true",
        ),
        ({"limits": {"per_day": 1}}, "x.limits.per_day is not a field of this schema; the fields are adaptive, concurrent, requests_per_minute, tokens_per_minute"),
    ],
)  # fmt: skip
def test_what_does_not_fit(fields: dict[str, Any], words: str) -> None:
    several = alias(*(f"open/n{number}" for number in range(32)))
    with pytest.raises(UntrustedTable) as caught:
        opened(x=alias("a", "b") | fields, y=several)
    assert str(caught.value).removeprefix("the routing table is refused: ").removeprefix("table.") == f"aliases.{words}"


@pytest.mark.parametrize("name", ["nowhere", "groq/llama", "https://evil.example", "open/../x"])
def test_a_fallback_or_a_shadow_outside_the_table_is_refused_with_its_place(name: str) -> None:
    for fields, place in (
        ({"fallback": {"any": ["c", name]}}, r"aliases\.x\.fallback\.any"),
        ({"shadow": {**SHADOW, "target": name}}, r"aliases\.x\.shadow\.target"),
    ):
        with pytest.raises(UntrustedTable, match=place):
            opened(x=alias("a", **fields))


def test_bounds_that_hold() -> None:
    made = opened(
        x=alias(
            "a", "b", strategy="by_tag", tag="u" * 64, tagged={f"v{n}": ["b"] for n in range(64)}, hedge={"after": 600_000}, max_attempts=2
        ),
        y=alias("a", strategy="weighted", weights={"a": 1}, shadow={**SHADOW, "share": 1000, "data": "restricted"}),
        z=alias("a", "b", strategy="weighted", weights={"a": 0}, limits={"tokens_per_minute": 10**9}),
        w=alias("a", fallback={"any": [f"open/m{n}" for n in range(32)]}),
    )
    assert len(made.policy("x").tagged) == 64
    assert made.policy("x").hedge == Hedge(600.0)
    shadow = made.policy("y").shadow
    assert shadow is not None
    assert (shadow.share, shadow.data) == (1000, "restricted")
    assert made.policy("z") == Policy("weighted", {"a": 0}, limits=Limits(tokens_per_minute=10**9))
    assert len(ids(made, "w", "any")) == 32


def test_a_rows_limits_and_quota_group() -> None:
    made = files(table(row(limits={"concurrent": 3}, quota_group="eu-pool"))).open()
    assert (made.routes["main"].limits, made.routes["main"].quota_group) == (Limits(concurrent=3), "eu-pool")
    plain = files(table()).open().routes["main"]
    assert (plain.limits, plain.quota_group) == (None, "")
    for bad, words in (
        ({"limits": {}}, r"routes\[0\]\.limits limits nothing"),
        ({"limits": {"concurrent": True}}, r"routes\[0\]\.limits\.concurrent must be an integer"),
        ({"quota_group": ""}, r"routes\[0\]\.quota_group is ''"),
        ({"quota_group": "q" * 65}, r"routes\[0\]\.quota_group is longer than 64 characters"),
    ):
        with pytest.raises(UntrustedTable, match=words):
            files(table(row(**bad))).open()


@pytest.mark.parametrize("changes", [{"limits": Limits(concurrent=9)}, {"limits": None}, {"quota_group": "other"}])
def test_a_row_whose_limits_were_changed_in_memory_is_not_asked(changes: dict[str, Any]) -> None:
    made = files(table(row(limits={"concurrent": 3}, quota_group="pool"))).open()
    made.recheck(made.routes["main"])
    with pytest.raises(UntrustedTable, match="is not what was signed"):
        made.recheck(replace(made.routes["main"], **changes))


def test_rows_of_a_fallback_and_a_shadow_are_rechecked_like_others() -> None:
    made = opened(x=alias("a", fallback={"any": ["open/m"]}, shadow=SHADOW))
    for target in rows_beyond(made.policy("x")):
        made.recheck(target)
        with pytest.raises(UntrustedTable, match="is not what was signed"):
            made.recheck(replace(target, origin="https://evil.example"))


def test_limits_that_are_not_there() -> None:
    assert compile_limits(None, "x") is None
    with pytest.raises(Refused, match=r"^x limits nothing"):
        compile_limits({}, "x")


TOML = """
[routes.a]
extends = "openai"
model = "m-a"
limits = { requests_per_minute = 10, concurrent = 2 }
quota_group = "pool"

[routes.b]
extends = "a"
model = "m-b"
limits = { concurrent = 5, adaptive = true }

[providers.anthropic]
"""


def written(text: str) -> Any:
    return json.loads(build(TOML + text))


def test_how_a_policy_is_written() -> None:
    made = written(
        "[aliases.x]\n"
        'targets = ["a", "b"]\nstrategy = "weighted"\nweights = { a = 3 }\n'
        'fallback = { any = "anthropic/m", context_window = ["anthropic/n", "anthropic/o"] }\n'
        'hedge = { after = "0.3s" }\n'
        'shadow = { target = "anthropic/p", share = 10, max_cost = "$0.01" }\n'
        "limits = { tokens_per_minute = 5 }\n"
    )
    assert made["aliases"]["x"] == {
        "targets": ["a", "b"],
        "strategy": "weighted",
        "max_attempts": 3,
        "weights": {"a": 3},
        "fallback": {"any": ["anthropic/m"], "context_window": ["anthropic/n", "anthropic/o"]},
        "hedge": {"after": 300},
        "shadow": {"target": "anthropic/p", "share": 10, "max_cost": {"amount": 10_000_000, "currency": "USD"}},
        "limits": {"tokens_per_minute": 5},
    }
    rows = {one["id"]: one for one in made["routes"]}
    assert (rows["a"]["limits"], rows["a"]["quota_group"]) == ({"requests_per_minute": 10, "concurrent": 2}, "pool")
    assert (rows["b"]["limits"], rows["b"]["quota_group"]) == ({"requests_per_minute": 10, "concurrent": 5, "adaptive": True}, "pool")


@pytest.mark.parametrize("text", ['"0"', '"0s"', '"0ms"'])
def test_a_hedge_at_once(text: str) -> None:
    made = written(f'[aliases.x]\ntargets = ["a", "b"]\nhedge = {{ after = {text} }}\n')
    assert made["aliases"]["x"]["hedge"] == {"after": 0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('fallback = "b"', 'x.fallback must be a table such as { any = ["eu-2"], context_window = "large" }'),
        ("fallback = { any = 1 }", "x.fallback.any must be a list"),
        ('hedge = "1s"', 'x.hedge must be a table such as { after = "300ms" }'),
        ("hedge = {}", "x.hedge.after is missing"),
        ("hedge = { after = 1 }", 'x.hedge.after is 1; write a duration such as "500ms", "30s", "2m" or "1h"'),
        ('hedge = { after = "601s" }', "x.hedge.after is 601000; it must be from 0 to 600000"),
        (
            'shadow = "b"',
            'x.shadow must be a table such as { target = "new", share = 10, max_cost = "$0.01" }; share is out of 1000 calls',
        ),
        ('shadow = { target = "b", share = 1 }', "x.shadow.max_cost is missing"),
        (
            'shadow = { target = "b", share = 1, max_cost = 1 }',
            'x.shadow.max_cost is 1; write an amount such as "$0.05" or "0.05 CHF"',
        ),
        ('shadow = { target = "a", share = 1, max_cost = "$1" }', (
            "x.shadow.target: the row 'a' is one of the alias's own already, so this would send nothing anywhere else")),
        ('deadlines = "1s"', 'x.deadlines must be a table such as { connect = "10s", total = "2m" }'),
    ],
)  # fmt: skip
def test_what_is_written_wrongly_is_said_with_its_place(text: str, words: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        written(f'[aliases.x]\ntargets = ["a"]\n{text}\n')
    assert str(caught.value).replace("table.", "") == f"routes.toml: aliases.{words}"
