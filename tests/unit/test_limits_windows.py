"""The arithmetic of windows, without a store."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import ConfigurationError
from saferoute.routing.windows import GUESS, LIFE, MOST, PERIOD, Window, asked_of, check_draws, check_used, counted_from, seconds_until
from saferoute.values.limits import Draw, Quota
from tests.support.limit_stores import draw


def test_the_numbers() -> None:
    assert (PERIOD, LIFE, GUESS, MOST) == (60, 61, 0.25, 10**12)


@pytest.mark.parametrize(("now", "oldest"), [(0.0, -60), (60.0, 0), (60.999, 0), (61.0, 1), (1_000.5, 940)])
def test_a_slot_counts_until_all_of_it_is_60_seconds_ago(now: float, oldest: int) -> None:
    assert counted_from(now) == oldest


@pytest.mark.parametrize(
    ("slots", "amount", "limit", "now", "seconds"),
    [
        ([], 1, 1, 5.0, 0.0),
        ([], 9, 1, 5.0, 0.0),
        ([], 0, 1, 5.0, 0.0),
        ([(5, 1)], 1, 2, 5.5, 0.0),
        ([(5, 1)], 1, 1, 5.5, 60.5),
        ([(5, 1)], 0, 1, 5.5, 0.0),
        ([(5, 2)], 0, 1, 5.5, 60.5),
        ([(5, 1)], 2, 1, 65.75, 0.25),
        ([(5, 3), (6, 0), (7, 4)], 3, 10, 8.0, 0.0),
        ([(5, 3), (6, 0), (7, 4)], 4, 10, 8.0, 58.0),
        ([(5, 3), (6, 0), (7, 4)], 6, 10, 8.0, 58.0),
        ([(5, 3), (6, 0), (7, 4)], 7, 10, 8.0, 60.0),
        ([(5, 3), (6, 0), (7, 4)], 700, 10, 8.0, 60.0),
        ([(5, 300), (7, 4)], 1, 10, 8.0, 58.0),
    ],
)
def test_how_long_until_there_is_room(slots: list[tuple[int, int]], amount: int, limit: int, now: float, seconds: float) -> None:
    assert seconds_until(slots, amount, limit, now) == seconds


@given(
    st.lists(st.tuples(st.floats(0, 10**6), st.integers(0, 30)), max_size=40),
    st.integers(0, 60),
    st.integers(1, 50),
)
def test_after_the_seconds_that_are_told_there_is_room_and_not_before(taken: list[tuple[float, int]], amount: int, limit: int) -> None:
    window = Window()
    now = 0.0
    for when, much in sorted(taken):
        now = when
        window.forget(counted_from(now))
        window.take(math.floor(now), much)
        assert len(window.slots) <= LIFE
        assert window.total == sum(window.slots.values())
    wait = seconds_until(tuple(window.slots.items()), amount, limit, now)
    if wait:
        before = [(slot, much) for slot, much in window.slots.items() if slot >= counted_from(now + wait - 0.01)]
        assert sum(much for _, much in before) + min(amount, limit) > limit
    window.forget(math.floor(now + wait + 1e-9) - PERIOD)
    assert window.total + min(amount, limit) <= limit


def test_a_window_forgets_from_the_oldest_on() -> None:
    window = Window()
    assert (window.total, window.oldest) == (0, math.inf)
    window.forget(10**9)
    for slot in (5, 5, 6, 9):
        window.take(slot, 2)
    assert (window.slots, window.total, window.oldest) == ({5: 4, 6: 2, 9: 2}, 8, 5)
    window.forget(5)
    assert window.total == 8
    window.forget(7)
    assert (window.slots, window.total, window.oldest) == ({9: 2}, 2, 9)
    window.forget(10)
    assert (window.slots, window.total, window.oldest) == ({}, 0, math.inf)


@pytest.mark.parametrize(
    ("slot", "used", "slots"),
    [(5, 10, {5: 10, 6: 1}), (5, 3, {5: 3, 6: 1}), (5, 0, {5: 0, 6: 1}), (5, 14, {5: 10, 6: 1, 8: 4}), (4, 0, {5: 10, 6: 1})],
)
def test_an_exchange(slot: int, used: int, slots: dict[int, int]) -> None:
    window = Window()
    window.take(5, 10)
    window.take(6, 1)
    window.exchange(slot, 10, used, 8)
    assert (window.slots, window.total) == (slots, sum(slots.values()))


def test_what_is_asked_of_one_limit_is_added_up() -> None:
    draws = [draw("tokens", 9, 3), draw(), draw("tokens", 9, 4), draw("tokens", 9, 5, "other")]
    assert asked_of(draws) == [7, 1, 7, 5]
    assert asked_of([]) == []


@pytest.mark.parametrize(
    ("malformed", "message"),
    [
        (Draw(Quota("a", "tokens", 1, "x"), -1), "what is taken of a limit is a whole number from 0 to 1000000000000, not -1"),
        (
            Draw(Quota("a", "tokens", 1, "x"), MOST + 1),
            "what is taken of a limit is a whole number from 0 to 1000000000000, not 1000000000001",
        ),
        (Draw(Quota("a", "concurrent", 5, "x"), 2), "one request is one that is under way, not 2"),
        (Draw(Quota("a", "requests", 0, "x")), "a limit is a whole number from 1 to 1000000000000, not 0"),
        (Draw(Quota("a", "requests", MOST + 1, "x")), "a limit is a whole number from 1 to 1000000000000, not 1000000000001"),
        (Draw(Quota("", "requests", 1, "x")), "the key of a limit is 1 to 300 printable ASCII characters"),
        (Draw(Quota("x" * 301, "requests", 1, "x")), "the key of a limit is 1 to 300 printable ASCII characters"),
        (Draw(Quota("\x7f", "requests", 1, "x")), "the key of a limit is 1 to 300 printable ASCII characters"),
        (Draw(Quota(7, "requests", 1, "x")), "the key of a limit is 1 to 300 printable ASCII characters"),  # type: ignore[arg-type]
    ],
)
def test_what_no_store_can_count_is_refused(malformed: Draw, message: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        check_draws([draw(), malformed], 1.0)
    assert error.value.message == message


def test_the_largest_of_everything_is_counted() -> None:
    check_draws([Draw(Quota("~" * 300, "tokens", MOST, "x"), MOST)] * 64, 1e9)
    with pytest.raises(ConfigurationError, match=r"^a request draws on at most 64 limits; this one has 65$"):
        check_draws([draw()] * 65, 1.0)
    with pytest.raises(ConfigurationError, match=r"^what is under way is held for more than 0 and at most 1e\+09 seconds, not 0.0$"):
        check_draws([], 0.0)
    with pytest.raises(ConfigurationError, match=r"not nan$"):
        check_draws([], math.nan)


@pytest.mark.parametrize(("used", "count"), [([], 0), ([None], 1), ([0, MOST], 2)])
def test_what_answers_to_the_draws(used: list[int | None], count: int) -> None:
    check_used(used, count)


@pytest.mark.parametrize(("used", "count"), [([], 1), ([None], 0), ([-1], 1), ([MOST + 1], 1), ([True], 1), ([1.0], 1), ([0, "1"], 2)])
def test_what_does_not(used: list[int | None], count: int) -> None:
    with pytest.raises(ConfigurationError) as error:
        check_used(used, count)
    assert error.value.message == (
        f"a lease is released with as many whole numbers from 0 to 1000000000000 (or None) as it has draws, here {count}"
    )
