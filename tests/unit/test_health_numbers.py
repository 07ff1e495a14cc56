"""The numbers behind health: averages, what was used in the last minute, and the bound that finds its own height."""

from __future__ import annotations

from math import e

import pytest

from saferoute.routing.adaptive import DEFAULT_CEILING, AdaptiveBound
from saferoute.routing.row_condition import MinuteUse, RecentSeconds, RowCondition, peak_average
from saferoute.values.balancing import Limits
from tests.unit.health_rows import row


@pytest.mark.parametrize(
    ("average", "sample", "elapsed", "now"),
    [
        (None, 3.0, 0.0, 3.0),
        (1.0, 3.0, 0.0, 3.0),
        (3.0, 3.0, 5.0, 3.0),
        (3.0, 1.0, 0.0, 3.0),
        (3.0, 1.0, -100.0, 3.0),
        (3.0, 1.0, 10.0, 1.0 + 2.0 / e),
        (3.0, 1.0, 1e9, 1.0),
    ],
)
def test_an_average_rises_at_once_and_falls_with_time(average: float | None, sample: float, elapsed: float, now: float) -> None:
    assert peak_average(average, sample, elapsed) == pytest.approx(now)


def test_many_good_samples_fall_no_faster_than_time() -> None:
    average: float | None = 3.0
    for _ in range(1000):
        average = peak_average(average, 1.0, 0.01)
    assert average == pytest.approx(1.0 + 2.0 / e)


def test_the_first_token_and_the_answer_have_times_of_their_own() -> None:
    one = RowCondition(row())
    one.began_to_answer(100.0, 3.0)
    one.took(100.0, 3.0)
    one.began_to_answer(109.0, 1.0)
    one.took(110.0, 1.0)
    assert one.latency == pytest.approx(1.0 + 2.0 / e)
    assert one.first_token == pytest.approx(1.0 + 2.0 * e**-0.9)


def test_use_is_forgotten_after_a_minute_slot_by_slot() -> None:
    use = MinuteUse()
    for slot in range(6):
        use.add(slot * 10.0 + 5.0, 1, 10 * slot)
    assert use.used(59.9) == (6, 150)
    assert use.used(60.0) == (5, 150)
    assert use.used(79.9) == (4, 140)
    assert use.used(109.9) == (1, 50)
    assert use.used(110.0) == (0, 0)
    assert use.used(1e9) == (0, 0)
    use.add(75.0, 1, 1)
    assert use.used(75.0) == (5, 141)
    use.add(1e9, 2, 3)
    assert use.used(1e9) == (2, 3)


def test_use_of_a_moment_ago_is_counted_and_a_clock_far_back_begins_anew() -> None:
    use = MinuteUse()
    use.add(1000.0, 1, 0)
    use.add(985.0, 1, 0)
    assert use.used(1000.0) == use.used(985.0) == (2, 0)
    assert use.used(1039.9) == (2, 0)
    assert use.used(1040.0) == (1, 0)
    use.add(949.9, 1, 0)
    assert use.used(949.9) == (1, 0)
    assert use.used(1000.0) == (0, 0)
    use.add(950.0, 1, 0)
    assert use.used(950.0) == (2, 0)
    use.add(901.0, 1, 0)
    assert use.used(950.0) == (3, 0)


@pytest.mark.parametrize(
    ("limits", "requests", "tokens", "headroom"),
    [
        (None, 5, 5, 1.0),
        (Limits(concurrent=3), 5, 5, 1.0),
        (Limits(requests_per_minute=10), 4, 1000, 0.6),
        (Limits(tokens_per_minute=100), 50, 25, 0.75),
        (Limits(requests_per_minute=10, tokens_per_minute=100), 4, 25, 0.6),
        (Limits(requests_per_minute=10, tokens_per_minute=100), 1, 25, 0.75),
        (Limits(requests_per_minute=10), 10, 0, 0.0),
        (Limits(requests_per_minute=10), 11, 0, 0.0),
        (Limits(tokens_per_minute=100), 0, 1000, 0.0),
    ],
)
def test_headroom_is_what_the_tighter_limit_leaves(limits: Limits | None, requests: int, tokens: int, headroom: float) -> None:
    one = RowCondition(row(limits=limits))
    one.used(5.0, requests, tokens)
    assert one.headroom(5.0) == pytest.approx(headroom)
    assert one.headroom(65.0) == 1.0


def test_the_percentile_is_worked_out_once_for_a_sample() -> None:
    recent = RecentSeconds()
    for number in range(100):
        recent.add(float(number))
    assert recent.percentile() == recent.percentile() == 94.0
    recent.add(1000.0)
    assert recent.percentile() == 95.0


def bound(concurrent: int | None = 10) -> AdaptiveBound:
    return AdaptiveBound(Limits(concurrent=concurrent, adaptive=True))


def test_the_bound_begins_at_the_signed_limit() -> None:
    assert bound().bound == 10.0
    assert bound(None).bound == DEFAULT_CEILING == 64


def test_a_refusal_lowers_it_once_for_each_round_trip() -> None:
    one = bound()
    one.refused(100.0, 1.0)
    assert one.bound == pytest.approx(7.0)
    one.refused(100.0, 0.5)
    one.refused(100.5, 1.0)
    one.refused(101.0, 1.0)
    assert one.bound == pytest.approx(7.0)
    one.refused(101.1, 1.0)
    assert one.bound == pytest.approx(4.9)


def test_a_clock_that_goes_back_does_not_keep_it_up() -> None:
    one = bound()
    one.refused(1000.0, 1.0)
    one.refused(10.0, 1.0)
    assert one.bound == pytest.approx(4.9)


def test_it_never_falls_below_one() -> None:
    one = bound()
    for now in range(100, 200, 2):
        one.refused(float(now), 1.0)
    assert one.bound == 1.0


def test_answers_raise_it_by_one_for_each_full_bound_up_to_the_signed_limit() -> None:
    one = bound()
    one.answered(99.0, 1.0, 1)
    assert one.bound == 10.0
    one.refused(100.0, 1.0)
    for _ in range(7):
        one.answered(101.0, 1.0, 1)
    assert one.bound == pytest.approx(7.9453, abs=0.0001)
    for _ in range(100):
        one.answered(101.0, 1.0, 1)
    assert one.bound == 10.0


def test_slow_answers_lower_it_where_the_crowd_is_ours() -> None:
    one = bound()
    one.answered(100.0, 1.0, 1)
    one.answered(101.0, 2.0, 10)
    assert one.bound == 10.0
    one.answered(104.0, 2.03, 4)  # twice the best, which rose by a hundredth, and a little; but there is no crowd
    assert one.bound == 10.0
    one.answered(110.0, 3.0, 5)
    assert one.bound == pytest.approx(7.0)
    one.answered(111.0, 3.0, 7)
    assert one.bound == pytest.approx(7.0)


def test_the_best_falls_gently_and_rises_by_a_hundredth() -> None:
    one = bound()
    one.answered(100.0, 10.0, 1)
    one.answered(110.0, 5.0, 1)  # the best is 9
    one.answered(130.0, 18.0, 10)  # and not exceeded twice; now 9.09
    assert one.bound == 10.0
    one.answered(160.0, 18.2, 10)
    assert one.bound == pytest.approx(7.0)
    one = bound()
    one.answered(100.0, 10.0, 1)
    one.answered(110.0, 10.05, 1)  # the best is 10.05, and not 10.1
    one.answered(140.0, 20.15, 10)
    assert one.bound == pytest.approx(7.0)


def test_of_129_samples_the_oldest_is_gone() -> None:
    recent = RecentSeconds()
    for seconds in (1000.0, *[1.0] * 121, *[500.0] * 6):
        recent.add(seconds)
    assert recent.percentile() == 500.0
    recent.add(1.0)
    assert recent.percentile() == 1.0
    for seconds in (700.0, *[1.0] * 125):
        recent.add(seconds)
    assert recent.percentile() == 1.0
    for seconds in (*[800.0] * 2, *[900.0] * 5):  # in the places of an old 1.0 and the oldest after it
        recent.add(seconds)
    assert recent.percentile() == 800.0
