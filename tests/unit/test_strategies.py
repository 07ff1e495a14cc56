"""The strategies that decide by the table and the call alone, and the rules for all: the exact order, for scripted chance."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2s
from random import Random
from types import MappingProxyType
from typing import Any

import pytest

from saferoute.routing.strategies import STRATEGIES, order
from saferoute.routing.strategies_signed import Situation
from saferoute.values.balancing import Facts, Policy, Strategy
from saferoute.values.request import DataLabel
from saferoute.values.target import Prices, Profile, Target
from tests.unit.strategy_cases import ABC, EVERY, NOW, A, B, C, D, E, F, Seen, arranged, draws, unasked

BY_CHANCE = ("weighted", "least_busy", "lowest_latency", "most_headroom", "two_choices", "sticky")


def test_every_strategy_that_a_table_can_name_has_a_function() -> None:
    assert tuple(STRATEGIES) == EVERY
    assert [function.__name__ for function in STRATEGIES.values()] == list(EVERY)
    assert type(STRATEGIES) is MappingProxyType


@pytest.mark.parametrize("strategy", EVERY)
def test_each_says_when_to_use_it_and_what_it_needs_to_know(strategy: Strategy) -> None:
    function = STRATEGIES[strategy]
    assert list(inspect.signature(function).parameters) == ["targets", "at"]
    said = " ".join((function.__doc__ or "").split())
    assert ". For " in said
    assert "Needs to know" in said


@pytest.mark.parametrize("strategy", EVERY)
def test_one_row_needs_no_decision(strategy: Strategy) -> None:
    assert arranged(strategy, (A,)) == "a"


@pytest.mark.parametrize("strategy", EVERY)
def test_each_takes_one_row_too(strategy: Strategy) -> None:
    at = Situation(Policy(strategy), lambda _: Seen(), Facts(lambda: 1, turn=1), NOW, lambda: 0.5)
    assert STRATEGIES[strategy]((A,), at) == (A,)


@pytest.mark.parametrize("strategy", EVERY)
def test_no_rows_are_in_order(strategy: Strategy) -> None:
    assert arranged(strategy, (), tokens=lambda: 1) == ""


@pytest.mark.parametrize("strategy", EVERY)
def test_a_list_gives_a_tuple(strategy: Strategy) -> None:
    found = order([A, B], Policy(strategy), lambda _: Seen(), Facts(lambda: 1), NOW, lambda: 0.5)
    assert found == (A, B)
    assert order([A], Policy(strategy), lambda _: Seen(), Facts(lambda: 1), NOW, lambda: 0.5) == (A,)


@pytest.mark.parametrize("strategy", EVERY)
def test_tokens_are_asked_for_once_and_only_where_needed(strategy: Strategy) -> None:
    asked: list[int] = []

    def tokens() -> int:
        asked.append(1)
        return 100

    seen = {row.id: Seen() for row in ABC}
    chance = Random(1).random if strategy in BY_CHANCE else unasked
    arranged(strategy, ABC, seen=seen, chance=chance, tokens=tokens)
    assert len(asked) == (strategy in {"cheapest", "by_context"})


def test_ordered() -> None:
    assert arranged("ordered", (B, A, C)) == "bac"


# --- weighted ---------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("weights", "drawn", "expected"),
    [
        ({}, (0.1, 0.2, 0.3), "abc"),
        ({}, (0.3, 0.1, 0.2), "bca"),
        ({}, (0.0, 0.0, 0.0), "abc"),
        ({}, (0.999999, 0.0, 0.5), "bca"),
        ({"a": 4}, (0.5, 0.3, 0.9), "abc"),  # 0.17, 0.36, 2.3
        ({"b": 2}, (0.5, 0.65, 0.9), "bac"),  # 0.69, 0.52, 2.3: a row without a weight has 1
        ({"a": 0}, (0.9, 0.8), "cba"),
        ({"a": 0, "b": 0, "c": 1}, (0.9,), "cab"),
        ({"a": 0, "b": 0, "c": 0}, (), "abc"),
        ({"x": 9}, (0.2, 0.1, 0.3), "bac"),
    ],
)
def test_weighted(weights: dict[str, int], drawn: tuple[float, ...], expected: str) -> None:
    assert arranged("weighted", ABC, policy={"weights": weights}, chance=draws(*drawn)) == expected


def test_weighted_shares_are_the_weights_at_every_place() -> None:
    chance, calls = Random(20260101).random, 40_000
    found = Counter(arranged("weighted", ABC, policy={"weights": {"a": 6, "b": 3}}, chance=chance) for _ in range(calls))
    weight = {"a": 6, "b": 3, "c": 1}
    for one, two, three in ("abc", "acb", "bac", "bca", "cab", "cba"):
        expected = calls * weight[one] / 10 * weight[two] / (10 - weight[one])
        assert abs(found[one + two + three] - expected) < 4 * expected**0.5, (one + two + three, found, expected)


# --- round robin ------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("turn", "expected"), [(0, "abc"), (1, "bca"), (2, "cab"), (3, "abc"), (4, "bca"), (3_000_002, "cab")])
def test_round_robin(turn: int, expected: str) -> None:
    assert arranged("round_robin", ABC, turn=turn) == expected


# --- cheapest ---------------------------------------------------------------------------------------------------------------------------
def priced(row: Target, price_in: int | None, price_out: int | None, currency: str = "USD", **changes: Any) -> Target:
    return replace(row, prices=Prices(currency, price_in, price_out), **{"default_max_output": 100, **changes})


@pytest.mark.parametrize(
    ("rows", "facts", "expected"),
    [
        # 1000 tokens of input; 100 of output, where nothing else is said.
        ((priced(A, 3, 9), priced(B, 1, 10), priced(C, 2, 9)), {}, "bca"),  # 3900, 2000, 2900
        ((priced(A, 1, 21), priced(B, 3, 2), priced(C, 2, 10)), {}, "cab"),  # 3100, 3200, 3000
        ((priced(A, 1, 21), priced(B, 3, 2), priced(C, 2, 10)), {"max_output": 10}, "acb"),
        ((priced(A, 1, 21), priced(B, 3, 2), priced(C, 2, 10)), {"max_output": 1000}, "bca"),
        ((priced(A, 1, 20), priced(B, 2, 10), priced(C, 3, 0)), {}, "abc"),  # all 3000
        ((priced(A, 3, 0), priced(B, 1, 20)), {}, "ab"),
        # The row's own bounds: its default, and its hard limit.
        ((priced(A, 1, 10), priced(B, 1, 10, default_max_output=99), priced(C, 1, 10, default_max_output=101)), {}, "bac"),
        ((priced(A, 1, 10), priced(B, 1, 10, max_output=99), priced(C, 1, 10, max_output=101)), {}, "bac"),
        ((priced(A, 1, 10), priced(B, 1, 10, max_output=99), priced(C, 1, 10, max_output=20)), {"max_output": 200}, "cba"),
        ((priced(A, 1, 10), priced(B, 1, 10, default_max_output=None, max_output=99)), {}, "ba"),
        ((priced(A, 1, 10), priced(B, 1, 10, default_max_output=1)), {"max_output": 100}, "ab"),
        # Free is a price; not known is none, and comes last.
        ((priced(A, 1, 1), priced(B, 0, 0), C), {}, "bac"),
        ((A, priced(B, 9, 9), C), {}, "bac"),
        ((priced(A, None, 1), priced(B, 9, 9), priced(C, 1, None)), {}, "bac"),
        ((priced(A, 1, 10, default_max_output=None), priced(B, 9, 9)), {}, "ba"),
        ((priced(A, 1, None), priced(B, 2, 1), priced(C, 3, 1)), {"max_output": 0}, "abc"),  # no output: its price does not matter
        ((A, B, C), {}, "abc"),
        # Currencies are not compared.
        ((priced(A, 9, 9), priced(B, 1, 1, "EUR"), priced(C, 1, 1)), {}, "cab"),
        ((priced(A, 9, 9, "EUR"), priced(B, 1, 1), priced(C, 8, 8, "EUR")), {}, "cab"),
        ((A, priced(B, 1, 1, "EUR"), priced(C, 9, 9), priced(D, 2, 1, "EUR"), priced(E, 8, 8)), {}, "bdcea"),
        ((priced(A, None, 1, "EUR"), priced(B, 2, 2), priced(C, 1, 1, "EUR"), priced(D, 1, 1)), {}, "dbca"),
    ],
)  # fmt: skip
def test_cheapest(rows: tuple[Target, ...], facts: dict[str, Any], expected: str) -> None:
    assert arranged("cheapest", rows, tokens=lambda: 1000, **facts) == expected


def test_cheapest_depends_on_the_length_of_the_input() -> None:
    rows = (priced(A, 1, 30), priced(B, 2, 10))
    assert arranged("cheapest", rows, tokens=lambda: 1999) == "ba"
    assert arranged("cheapest", rows, tokens=lambda: 2000) == "ab"
    assert arranged("cheapest", rows[::-1], tokens=lambda: 2000) == "ba"
    assert arranged("cheapest", rows, tokens=lambda: 2001) == "ab"


# --- sticky -----------------------------------------------------------------------------------------------------------------------------
STUCK = {"user-1": "bdca", "user-2": "acbd", "Zoë": "cabd", "x" * 500: "cbda", "\ud800": "dabc"}


def stuck(value: str, rows: Sequence[Target] = (A, B, C, D), /, **weights: int) -> str:
    return arranged("sticky", tuple(rows), policy={"tag": "user", "weights": weights}, tags={"user": value})


@pytest.mark.parametrize("value", STUCK, ids=range(len(STUCK)))
def test_sticky_is_the_same_in_every_process_and_for_ever(value: str) -> None:
    def number(row: Target) -> bytes:
        return blake2s(value.encode("utf-8", "surrogatepass") + b"\0" + f"{row.id}/{row.model}".encode(), digest_size=6).digest()

    assert stuck(value) == "".join(row.id for row in sorted((A, B, C, D), key=number)) == STUCK[value]
    assert stuck(value, (D, C, B, A)) == STUCK[value]


def test_sticky_with_weights_is_the_same_for_ever_too() -> None:
    assert " ".join(stuck(str(number), a=3, b=2, d=0) for number in range(12)) == (
        "bacd cbad cabd bcad cbad abcd bacd acbd acbd abcd bcad acbd"
    )


@pytest.mark.parametrize("weights", [{"a": 1}, {"a": 1, "b": 1, "c": 1, "d": 1}, {"x": 5}, {"a": 7, "b": 7, "c": 7, "d": 7}])
def test_equal_weights_are_none(weights: dict[str, int]) -> None:
    values = [str(number) for number in range(200)]
    assert [stuck(value, **weights) for value in values] == [stuck(value) for value in values]


@pytest.mark.parametrize("weights", [{}, {"a": 6, "b": 3}, {"a": 2, "b": 0}])
def test_sticky_spreads_values_as_the_weights_say(weights: dict[str, int]) -> None:
    calls = 6000
    found = Counter(stuck(str(number), ABC, **weights) for number in range(calls))
    weight = {"a": 1, "b": 1, "c": 1} | weights
    whole = sum(weight.values())
    for one, two, three in ("abc", "acb", "bac", "bca", "cab", "cba"):
        left = whole - weight[one]
        expected = calls * weight[one] / whole * weight[two] / left if left else 0
        assert abs(found[one + two + three] - expected) <= 4 * expected**0.5, (one + two + three, found, expected)


def test_a_row_of_weight_0_is_the_last_resort_of_every_value() -> None:
    assert {stuck(str(number), ABC, a=0)[2] for number in range(50)} == {"a"}
    assert {stuck(str(number), ABC, a=0, b=0) for number in range(50)} == {"cab"}


def test_more_weight_only_ever_moves_values_to_the_row_that_has_it() -> None:
    for number in range(300):
        before, after = stuck(str(number), ABC, b=2)[0], stuck(str(number), ABC, b=3)[0]
        assert after in {before, "b"}


def test_a_row_for_any_model_spreads_over_its_models() -> None:
    rows = (A, replace(A, model="m2"))
    found = Counter(
        order(rows, Policy("sticky", tag="user"), unasked, Facts(unasked, tags={"user": str(number)}), NOW, unasked)[0].model
        for number in range(1000)
    )
    assert abs(found["m1"] - 500) < 4 * 250**0.5


@pytest.mark.parametrize("tags", [{}, {"user": ""}, {"other": "x"}])
def test_a_call_without_the_tag_is_spread_by_chance(tags: dict[str, str]) -> None:
    policy = {"tag": "user", "weights": {"a": 4}}
    assert arranged("sticky", ABC, policy=policy, tags=tags, chance=draws(0.5, 0.3, 0.1)) == "cab"  # 0.17, 0.36, 0.11
    assert arranged("sticky", ABC, policy=policy, tags=tags, chance=draws(0.5, 0.1, 0.9)) == "bac"


# --- by tag, by data, by context ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"tier": "gold"}, "cabd"),
        ({"tier": "free"}, "bacd"),
        ({"tier": "twice"}, "dbac"),
        ({"tier": "unknown"}, "abcd"),
        ({"tier": "nowhere"}, "abcd"),
        ({"tier": "nobody"}, "abcd"),
        ({"tier": ""}, "abcd"),
        ({"Tier": "gold"}, "abcd"),
        ({"other": "gold"}, "abcd"),
        ({}, "abcd"),
    ],
)
def test_by_tag(tags: dict[str, str], expected: str) -> None:
    tagged = {"gold": ("c", "a"), "free": ("b",), "twice": ("d", "b", "d"), "nowhere": ("x", "y"), "nobody": ()}
    assert arranged("by_tag", (A, B, C, D), policy={"tag": "tier", "tagged": tagged}, tags=tags) == expected


CEILINGS = (
    replace(A, data="restricted"), replace(B, data="public"), replace(C, data="confidential"), replace(D, data="internal"),
    replace(E, data="public"), replace(F, data="internal"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("data", "expected"),
    [("public", "bedfca"), ("internal", "dfcabe"), ("confidential", "cadfbe"), ("restricted", "acdfbe"), (None, "acdfbe")],
)
def test_by_data(data: DataLabel | None, expected: str) -> None:
    assert arranged("by_data", CEILINGS, data=data) == expected


def window(row: Target, tokens: int | None, **changes: Any) -> Target:
    return replace(row, profile=Profile(context_window=tokens), **changes)


WINDOWS = (window(A, 2000), window(B, None), window(C, 1000), window(D, 9000), window(E, None), window(F, 1000))


@pytest.mark.parametrize(
    ("rows", "tokens", "facts", "expected"),
    [
        (WINDOWS, 100, {}, "cfadbe"),
        (WINDOWS, 1000, {}, "cfadbe"),
        (WINDOWS, 1001, {}, "adbecf"),
        (WINDOWS, 2001, {}, "dbeacf"),
        (WINDOWS, 9001, {}, "bedacf"),
        (WINDOWS, 900, {"max_output": 100}, "cfadbe"),
        (WINDOWS, 900, {"max_output": 101}, "adbecf"),
        ((window(A, 1000, default_max_output=100), window(B, 1100, default_max_output=300)), 900, {}, "ab"),
        ((window(A, 1000, default_max_output=101), window(B, 1100, default_max_output=200)), 900, {}, "ba"),
        ((window(A, 1000, default_max_output=101), window(B, 1100)), 900, {"max_output": 50}, "ab"),
        ((window(A, 1000, max_output=100), window(B, 1100)), 900, {"max_output": 200}, "ab"),
        ((window(A, 1000, max_output=101), window(B, 1100)), 900, {}, "ba"),
        ((window(A, 2**53 - 1), window(B, None)), 1, {}, "ab"),
        ((window(A, None), window(B, 2**53 - 1)), 2**53, {}, "ab"),
        ((window(A, 1), window(B, None)), 2, {}, "ba"),
    ],
)  # fmt: skip
def test_by_context(rows: tuple[Target, ...], tokens: int, facts: dict[str, Any], expected: str) -> None:
    assert arranged("by_context", rows, tokens=lambda: tokens, **facts) == expected
