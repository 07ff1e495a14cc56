"""The breaker of one row: when it opens, for how long, and what closes it."""

from __future__ import annotations

from math import inf

import pytest

from saferoute.routing.breaker import CLOSED, LONGEST_REFUSAL, Breaker, begun, failed, given_back, phase, refused_until, succeeded
from tests.unit.health_rows import always, middle


def fail(breaker: Breaker, times: int, now: float = 100.0, began: float | None = None) -> Breaker:
    for _ in range(times):
        breaker = failed(breaker, now, now if began is None else began, middle)
    return breaker


OPEN = fail(CLOSED, 5)


def test_four_failures_in_a_row_do_not_open_and_the_fifth_does() -> None:
    four = fail(CLOSED, 4)
    assert four == Breaker("closed", 4, 0b1111)
    assert refused_until(four, 100.0) is None
    assert fail(four, 1) == Breaker("open", 0, 0, 1, 100.0, 105.0, 5.0)


def test_a_success_begins_the_row_anew_but_is_not_all_that_is_looked_at() -> None:
    breaker = CLOSED
    for _ in range(9):
        breaker = succeeded(fail(breaker, 1), 100.0)
    assert breaker == Breaker("closed", 0, 0b10_1010_1010_1010_1010)
    assert fail(breaker, 1).state == "open"


def test_of_twenty_outcomes_nine_failures_do_not_open() -> None:
    breaker = CLOSED
    for _ in range(50):
        breaker = succeeded(succeeded(fail(breaker, 1), 100.0), 100.0)
    assert breaker.state == "closed"
    assert breaker.outcomes < 2**20


def test_a_failure_leaves_the_window_after_twenty_outcomes() -> None:
    breaker = fail(CLOSED, 1)
    for count in range(20):
        assert (breaker.outcomes != 0) is (count < 20)
        breaker = succeeded(breaker, 100.0)
    assert breaker == CLOSED
    assert succeeded(breaker, 100.0) is breaker


def test_open_refuses_until_its_time_is_over_and_to_the_instant() -> None:
    assert refused_until(OPEN, 100.0) == 105.0
    assert refused_until(OPEN, 104.999) == 105.0
    assert phase(OPEN, 104.999) == "open"
    assert refused_until(OPEN, 105.0) is None
    assert phase(OPEN, 105.0) == "half_open"


def test_a_probe_is_alone_and_is_held_to_be_lost_after_the_open_time() -> None:
    probing = begun(OPEN, 106.0)
    assert probing == Breaker("half_open", 0, 0, 1, 100.0, 111.0, 5.0, 106.0)
    assert refused_until(probing, 106.0) == 111.0
    assert refused_until(probing, 111.0) is None
    assert phase(probing, 106.0) == phase(probing, 111.0) == "half_open"
    second = begun(probing, 112.0)
    assert refused_until(second, 112.0) == 117.0


def test_the_probes_success_closes_and_forgets() -> None:
    closed = succeeded(begun(OPEN, 106.0), 106.0)
    assert closed == Breaker(since=100.0)
    assert fail(closed, 5, 200.0).rest == 5.0


def test_the_probes_failure_opens_for_twice_as_long_up_to_the_bound() -> None:
    breaker, now, rests = OPEN, 100.0, [5.0]
    for _ in range(30):
        now = breaker.until
        breaker = failed(begun(breaker, now), now + 0.5, now, middle)
        assert breaker.since == now + 0.5
        assert breaker.until == pytest.approx(now + 0.5 + breaker.rest)
        rests.append(breaker.rest)
    assert rests[:6] == [5.0, 10.0, 20.0, 40.0, 60.0, 60.0]
    assert set(rests[6:]) == {60.0}
    assert breaker.opened == 31


@pytest.mark.parametrize(("number", "rest"), [(0.0, 4.5), (0.25, 4.75), (0.5, 5.0), (1.0, 5.5)])
def test_the_open_time_is_jittered(number: float, rest: float) -> None:
    assert failed(fail(CLOSED, 4), 100.0, 100.0, always(number)).rest == pytest.approx(rest)


def test_randomness_is_asked_only_when_it_opens() -> None:
    def never() -> float:
        raise AssertionError

    assert failed(CLOSED, 1.0, 1.0, never).in_a_row == 1
    assert failed(OPEN, 101.0, 101.0, never) is OPEN


def test_the_longest_refusal_is_the_bound_and_its_jitter() -> None:
    breaker = OPEN
    for _ in range(5):
        breaker = failed(begun(breaker, breaker.until), breaker.until, breaker.until, always(1.0))
    assert breaker.rest == LONGEST_REFUSAL == pytest.approx(66.0)


@pytest.mark.parametrize("began", [100.0, 99.0, -3499.9])
def test_what_left_before_it_opened_tells_nothing(began: float) -> None:
    probing = begun(OPEN, 105.0)
    closed = succeeded(probing, 105.0)
    for breaker in (OPEN, probing, closed):
        assert succeeded(breaker, began) is breaker
        assert failed(breaker, 106.0, began, middle) is breaker


def test_what_left_an_hour_before_has_another_clock_and_counts() -> None:
    closed = succeeded(begun(OPEN, 105.0), 105.0)
    assert failed(closed, 10.0, 100.0 - 3600.0, middle).in_a_row == 1
    assert failed(closed, 10.0, 100.0 - 3599.0, middle).in_a_row == 0


def test_a_failure_while_it_is_open_does_not_make_it_longer() -> None:
    assert fail(OPEN, 10, 103.0) is OPEN
    assert fail(OPEN, 10, 106.0) is OPEN


def test_a_late_outcome_of_a_lost_probe_counts() -> None:
    second = begun(begun(OPEN, 106.0), 112.0)
    assert succeeded(second, 106.0).state == "closed"
    assert failed(second, 113.0, 106.0, middle) == Breaker("open", 0, 0, 2, 113.0, 123.0, 10.0)


def test_a_probe_that_is_given_up_is_given_back_at_once() -> None:
    back = given_back(begun(OPEN, 106.0), 106.0)
    assert back == Breaker("open", 0, 0, 1, 100.0, -inf, 5.0)
    assert refused_until(back, 106.0) is None
    assert phase(back, 106.0) == "half_open"
    assert refused_until(begun(back, 107.0), 107.0) == 112.0


def test_only_the_probe_can_be_given_back() -> None:
    probing = begun(OPEN, 110.0)
    assert given_back(probing, 108.999) is probing
    assert given_back(probing, 109.0).state == "open"
    assert given_back(OPEN, 110.0) is OPEN
    assert given_back(CLOSED, 110.0) is CLOSED


def test_a_request_changes_nothing_about_a_closed_breaker() -> None:
    one = fail(CLOSED, 1)
    assert begun(one, 1.0) is one


@pytest.mark.parametrize(("back", "refused"), [(0.5, True), (61.0, True), (61.001, False), (1e6, False)])
def test_a_clock_that_goes_back_refuses_for_no_longer_than_the_bound(back: float, refused: bool) -> None:
    assert (refused_until(OPEN, 100.0 - back) is not None) is refused


def test_a_clock_that_went_back_far_can_still_close_it() -> None:
    probing = begun(OPEN, 10.0)
    assert probing.since == -inf
    assert succeeded(probing, 10.0) == CLOSED
    assert begun(OPEN, 100.0).since == -inf
    assert begun(OPEN, 105.0).since == 100.0
