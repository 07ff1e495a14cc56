"""The strategies that decide by what was seen: the exact order, for scripted chance and conditions."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import Any

import pytest

from tests.unit.strategy_cases import ABC, NOW, A, B, C, D, Seen, arranged, draws


# --- least busy -------------------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("under_way", "weights", "drawn", "expected"),
    [
        ((2, 0, 1), {}, (0.1, 0.2, 0.3), "bca"),
        ((0, 0, 0), {}, (0.3, 0.1, 0.2), "bca"),
        ((1, 0, 0), {}, (0.1, 0.3, 0.2), "cba"),
        ((4, 2, 9), {"a": 4}, (0.9, 0.1, 0.2), "abc"),  # 1 for its weight, 2, 9
        ((4, 2, 9), {"a": 2}, (0.9, 0.1, 0.2), "bac"),  # 2 and 2: chance decides, by the weights: 1.15, 0.11
        ((4, 2, 9), {"a": 2}, (0.5, 0.4, 0.2), "abc"),  # 0.35, 0.51
        ((0, 5, 6), {"a": 0}, (0.1, 0.2), "bca"),
        ((0, 0, 6), {"a": 0, "b": 0}, (0.1,), "cab"),
        ((3, 2, 2), {"b": 1, "x": 3}, (0.1, 0.3, 0.2), "cba"),
    ],
)
def test_least_busy(under_way: tuple[int, ...], weights: dict[str, int], drawn: tuple[float, ...], expected: str) -> None:
    seen = {row.id: Seen(count) for row, count in zip(ABC, under_way, strict=True)}
    assert arranged("least_busy", ABC, seen=seen, policy={"weights": weights}, chance=draws(*drawn)) == expected


@pytest.mark.parametrize("weights", [{}, {"a": 1, "b": 1, "c": 1}, {"a": 7, "b": 2, "c": 1}])
def test_least_busy_spreads_calls_that_come_together_after_a_start(weights: dict[str, int]) -> None:
    chance, calls = Random(7).random, 10_000
    seen = {row.id: Seen() for row in ABC}
    found = Counter(arranged("least_busy", ABC, seen=seen, policy={"weights": weights}, chance=chance)[0] for _ in range(calls))
    whole = sum(weights.values()) or 3
    for name in "abc":
        expected = calls * weights.get(name, 1) / whole
        assert abs(found[name] - expected) < 4 * expected**0.5


def test_least_busy_fills_rows_as_their_weights_say() -> None:
    chance, seen = Random(3).random, {row.id: Seen() for row in ABC}
    for _ in range(100):
        seen[arranged("least_busy", ABC, seen=seen, policy={"weights": {"a": 7, "b": 2}}, chance=chance)[0]].in_flight += 1
    assert [abs(seen[name].in_flight - fair) <= 1 for name, fair in zip("abc", (70, 20, 10), strict=True)] == [True] * 3


# --- lowest latency ---------------------------------------------------------------------------------------------------------------------
def rows_seen(**seen: Seen) -> dict[str, Seen]:
    return seen


@pytest.mark.parametrize(
    ("seen", "drawn", "expected"),
    [
        (rows_seen(a=Seen(0, 3.0), b=Seen(0, 1.0), c=Seen(0, 2.0)), (), "bca"),
        (rows_seen(a=Seen(2, 1.0), b=Seen(1, 1.4), c=Seen(0, 2.9)), (), "bca"),  # 3.0, 2.8, 2.9
        (rows_seen(a=Seen(0, 2.0), b=Seen(1, 1.0), c=Seen(3, 0.5)), (), "abc"),  # all 2.0
        (rows_seen(a=Seen(1, 0.5), b=Seen(0, 1.0), c=Seen(0, 0.999)), (), "cab"),  # news of this moment counts whole
        (rows_seen(a=Seen(0, 1.0, 9.0), b=Seen(0, 2.0, 0.1), c=Seen(0, 3.0)), (), "abc"),  # first tokens are another matter
        # Never measured: first, by chance.
        (rows_seen(a=Seen(0, 0.0), b=Seen(), c=Seen()), (0.999, 0.5), "cba"),
        (rows_seen(a=Seen(0, 1.0), b=Seen(0, None, 1.0), c=Seen(0, None, 2.0)), (0.0, 0.999), "bca"),
        (rows_seen(a=Seen(), b=Seen(), c=Seen()), (0.3, 0.1, 0.2), "bca"),
        # Being asked for the first time: last, the fewest requests first, then by chance.
        (rows_seen(a=Seen(1), b=Seen(200, 600.0), c=Seen()), (0.5, 0.5), "cba"),
        (rows_seen(a=Seen(2), b=Seen(1), c=Seen(1)), (0.1, 0.9, 0.8), "cba"),
        # Old news: an idle row's average halves each minute.
        (rows_seen(a=Seen(0, 2.0), b=Seen(0, 3.0, updated=NOW - 60), c=Seen(0, 9.0, updated=NOW - 120)), (), "bac"),  # 2.0, 1.5, 2.25
        (rows_seen(a=Seen(0, 1.0), b=Seen(0, 1.9, updated=NOW - 60), c=Seen(0, 2.1, updated=NOW - 60)), (), "bac"),  # 1.0, 0.95, 1.05
        (rows_seen(a=Seen(0, 0.1), b=Seen(0, 600.0, updated=0.0), c=Seen(0, 0.2)), (), "bac"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(0, 600.0, updated=-1e12), c=Seen(0, 0.2)), (), "bac"),
        # Until the one that finds out has its answer, the average is what it was.
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 600.0, updated=0.0), c=Seen(0, 0.2)), (), "acb"),
        # Measured after this call looked at the clock: news is never older than now.
        (rows_seen(a=Seen(0, 1.5), b=Seen(0, 1.0, updated=NOW + 60), c=Seen(0, 2.5)), (), "bac"),
    ],
)
def test_lowest_latency(seen: dict[str, Seen], drawn: tuple[float, ...], expected: str) -> None:
    assert arranged("lowest_latency", ABC, seen=seen, chance=draws(*drawn)) == expected


@pytest.mark.parametrize(
    ("seen", "drawn", "expected"),
    [
        (rows_seen(a=Seen(0, 1.0, 3.0), b=Seen(0, 2.0, 2.0), c=Seen(0, 3.0, 1.0)), (), "cba"),
        (rows_seen(a=Seen(0, 1.0), b=Seen(0, None, 2.0), c=Seen(1, 3.0, 0.5)), (0.9,), "acb"),
        (rows_seen(a=Seen(0, 1.0, 3.0, NOW - 120), b=Seen(0, 2.0, 2.0), c=Seen(0, 3.0, 1.0)), (), "acb"),
    ],
)
def test_lowest_latency_of_streams_is_by_the_first_token(seen: dict[str, Seen], drawn: tuple[float, ...], expected: str) -> None:
    assert arranged("lowest_latency", ABC, seen=seen, chance=draws(*drawn), stream=True) == expected


def test_a_row_that_hangs_holds_up_one_call_and_not_all() -> None:
    chance, seen = Random(11).random, {row.id: Seen() for row in ABC}
    first = ""
    for _ in range(100):  # "a" never answers, "b" and "c" do at once
        name = arranged("lowest_latency", ABC, seen=seen, chance=chance)[0]
        first += name
        if name == "a":
            seen[name].in_flight += 1
        else:
            seen[name].latency = 0.2
    assert first.count("a") == 1


# --- most headroom, two choices ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("shares", "drawn", "expected"),
    [
        ((0.2, 0.9, 0.5), (0.1, 0.2, 0.3), "bca"),
        ((1.0, 1.0, 1.0), (0.3, 0.1, 0.2), "bca"),
        ((0.0, 1.0, 0.0), (0.3, 0.9, 0.2), "bca"),
        ((0.0, 0.0, 0.01), (0.1, 0.2, 0.9), "cab"),
    ],
)
def test_most_headroom(shares: tuple[float, ...], drawn: tuple[float, ...], expected: str) -> None:
    seen = {row.id: Seen(share=share) for row, share in zip(ABC, shares, strict=True)}
    assert arranged("most_headroom", ABC, seen=seen, chance=draws(*drawn)) == expected


@pytest.mark.parametrize(
    ("seen", "facts", "expected"),
    [
        # Chance puts b before c before a.
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 1.0), c=Seen(2, 0.5)), {}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(2, 0.5), c=Seen(1, 1.0)), {}, "cba"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 1.0), c=Seen(1, 0.9)), {}, "cba"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 0.9), c=Seen(1, 1.0)), {}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 1.0), c=Seen(1, 1.0)), {}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(0, 0.1), c=Seen()), {}, "cba"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(), c=Seen()), {}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(), c=Seen(0, 0.1)), {}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(0, 0.4), c=Seen(0, 0.7, updated=NOW - 60)), {}, "cba"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 0.4), c=Seen(1, 0.7, updated=NOW - 60)), {}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 1.0, 0.5), c=Seen(1, 0.9, 0.6)), {"stream": True}, "bca"),
        (rows_seen(a=Seen(0, 0.1), b=Seen(1, 1.0, 0.7), c=Seen(1, 2.0, 0.6)), {"stream": True}, "cba"),
    ],
)
def test_two_choices(seen: dict[str, Seen], facts: dict[str, Any], expected: str) -> None:
    assert arranged("two_choices", ABC, seen=seen, chance=draws(0.3, 0.1, 0.2), **facts) == expected


def test_two_choices_never_asks_the_busiest_first_and_every_other_one_by_its_chance() -> None:
    rows, chance, calls = (A, B, C, D), Random(2).random, 24_000
    seen = {row.id: Seen(load) for load, row in enumerate(rows)}
    found = Counter(arranged("two_choices", rows, seen=seen, chance=chance)[0] for _ in range(calls))
    assert found["d"] == 0
    for name, pairs in zip("abc", (3, 2, 1), strict=True):  # of the 6 pairs of rows, those in which it is the less loaded one
        assert abs(found[name] - calls * pairs / 6) < 4 * (calls * pairs / 6) ** 0.5


def test_two_choices_of_two_rows() -> None:
    seen = {"a": Seen(2), "b": Seen(1)}
    assert arranged("two_choices", (A, B), seen=seen, chance=draws(0.1, 0.2)) == "ba"
    assert arranged("two_choices", (B, A), seen=seen, chance=draws(0.1, 0.2)) == "ba"
