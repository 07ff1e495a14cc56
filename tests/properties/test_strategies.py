"""Every strategy gives back every row once; and "sticky" moves no more values than it has to when rows come and go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.routing.strategies import STRATEGIES, Ordering, order
from saferoute.routing.strategies_signed import Situation
from saferoute.values.balancing import Facts, Policy, Strategy
from saferoute.values.http import NetClass
from saferoute.values.request import DataLabel
from saferoute.values.target import Prices, Profile, Target

PLAIN = Target("a", "llm", "openai_chat", "https://a.example.com", "/v1", NetClass(), "m1", "key", "bearer")
EVERY: tuple[Strategy, ...] = get_args(Strategy)
VALUES = 300


@dataclass
class Seen:
    in_flight: int
    latency: float | None
    first_token: float | None
    updated: float
    share: float

    def headroom(self, now: float) -> float:
        return self.share


names = st.text("abcdefgh", min_size=1, max_size=2)
counts = st.none() | st.integers(0, 10_000)
seconds = st.floats(0, 1000)
labels: st.SearchStrategy[DataLabel] = st.sampled_from(get_args(DataLabel))
conditions = st.builds(
    Seen, st.integers(0, 300), st.none() | seconds, st.none() | seconds, seconds | st.just(float("-inf")), st.floats(0, 1)
)
prices = st.none() | st.builds(Prices, st.sampled_from(["USD", "EUR", "GBP"]), counts, counts)
rows = st.builds(
    replace,
    st.just(PLAIN),
    id=names,
    model=st.sampled_from(["m1", "m2"]),
    data=labels,
    max_output=counts,
    default_max_output=counts,
    profile=st.builds(Profile, context_window=counts),
    prices=prices,
)
situations = st.builds(
    Situation,
    st.builds(
        Policy,
        st.sampled_from(EVERY),
        st.dictionaries(names, st.integers(0, 1000)),
        st.just("user"),
        st.dictionaries(names, st.lists(names).map(tuple)),
    ),
    st.just(lambda _: Seen(0, None, None, 0.0, 1.0)),
    st.builds(
        Facts,
        counts.map(lambda tokens: lambda: tokens or 0),
        st.integers(0, 2**60),
        st.booleans(),
        counts,
        st.none() | labels,
        st.dictionaries(st.sampled_from(["user", "other"]), names | st.text()),
    ),
    seconds,
    st.integers(0, 2**32).map(lambda seed: Random(seed).random),
)


@pytest.mark.parametrize("strategy", EVERY)
@settings(max_examples=40)
@given(st.lists(st.tuples(rows, conditions), max_size=8, unique_by=lambda pair: (pair[0].id, pair[0].model)), situations)
def test_every_row_comes_back_once(strategy: Strategy, pairs: list[tuple[Target, Seen]], at: Situation) -> None:
    targets = [row for row, _ in pairs]
    seen = dict(pairs)
    found = order(targets, replace(at.policy, strategy=strategy), seen.__getitem__, at.facts, at.now, at.random)
    assert type(found) is tuple
    assert len(found) == len(targets)
    assert set(found) == set(targets)
    directly: Ordering = STRATEGIES[strategy]
    assert set(directly(targets, replace(at, condition=seen.__getitem__))) == set(targets)


@pytest.mark.parametrize("strategy", ["weighted", "least_busy", "lowest_latency", "most_headroom", "two_choices"])
@given(st.integers(0, 2**32))
def test_the_same_chance_gives_the_same_order(strategy: Strategy, seed: int) -> None:
    targets = named("abcdef")

    def once() -> tuple[Target, ...]:
        return order(targets, Policy(strategy), lambda _: Seen(0, None, None, 0, 1), Facts(lambda: 1), 0.0, Random(seed).random)

    assert once() == once()


def named(ids: str) -> tuple[Target, ...]:
    return tuple(replace(PLAIN, id=name) for name in ids)


def unused() -> float:
    raise AssertionError("a call with the tag leaves nothing to chance")


def stuck(targets: tuple[Target, ...], value: str, weights: dict[str, int]) -> list[str]:
    facts = Facts(lambda: 0, tags={"user": value})
    found = order(targets, Policy("sticky", weights, "user"), lambda _: Seen(0, None, None, 0, 1), facts, 0.0, unused)
    return [target.id for target in found]


weighing: st.SearchStrategy[dict[str, int]] = st.just({}) | st.dictionaries(st.sampled_from("abcdefghij"), st.integers(0, 5))


@given(st.permutations("abcdefghij"), st.integers(2, 10), st.text(min_size=1), weighing)
def test_taking_a_row_away_leaves_the_order_of_the_others(ids: list[str], count: int, value: str, weights: dict[str, int]) -> None:
    """So only values of that row move; and adding one is the same, seen the other way round."""
    targets = named("".join(ids[:count]))
    before = stuck(targets, value, weights)
    for gone in targets:
        left = tuple(target for target in targets if target is not gone)
        assert stuck(left, value, weights) == [name for name in before if name != gone.id]


@given(st.permutations("abcdefgh"), st.text(min_size=1), weighing.filter(lambda weights: 0 not in weights.values()))
def test_the_table_s_order_does_not_matter(ids: list[str], value: str, weights: dict[str, int]) -> None:
    assert stuck(named("".join(ids)), value, weights) == stuck(named("abcdefgh"), value, weights)


@pytest.mark.parametrize("count", [2, 3, 5, 10, 32])
def test_adding_a_row_to_n_moves_one_in_n_and_one_values_and_only_to_it(count: int) -> None:
    targets = tuple(replace(PLAIN, id=f"row-{number}") for number in range(count + 1))
    values = [f"conversation {number}" for number in range(VALUES * (count + 1))]
    moved = 0
    for value in values:
        before, after = stuck(targets[:-1], value, {})[0], stuck(targets, value, {})[0]
        if before != after:
            moved += 1
            assert after == targets[-1].id
    assert abs(moved - VALUES) < 4 * VALUES**0.5
