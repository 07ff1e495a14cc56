"""What health says of a row that rests by a guess of ours, and what a last resort changes there."""

from __future__ import annotations

import pytest

from saferoute.errors import BadRequest, Overloaded, QuotaExceeded, RateLimited, SaferouteError, ServerError
from saferoute.routing.breaker import Breaker, phase
from saferoute.routing.health import Health
from saferoute.values.balancing import Limits
from saferoute.values.target import Target
from tests.unit.health_rows import ROW, middle, row

DOWN = ServerError(status=500)
SAID, UNSAID = RateLimited(status=429, retry_after=3.0), RateLimited(status=429)


def failing(*errors: SaferouteError, target: Target = ROW, now: float = 100.0) -> Health:
    """A health in which requests left together a second ago and have failed just now."""
    one = Health(middle)
    for _ in errors:
        assert one.begin(target, now - 1.0) is None
    for error in errors:
        one.failed(target, now, 1.0, error)
    return one


def opened(target: Target = ROW) -> Health:
    """A health in which the breaker has opened at 100 s, for 5 s."""
    return failing(*[DOWN] * 5, target=target)


def breaker(one: Health) -> Breaker:
    return one._rows["a", ROW.model].breaker


@pytest.mark.parametrize(
    ("errors", "until", "guessed"),
    [
        ([DOWN] * 5, 105.0, True),
        ([Overloaded(status=503)] * 5, 105.0, True),
        ([UNSAID], 101.0, True),
        ([RateLimited(status=429, retry_after=0.0)], 101.0, True),
        ([QuotaExceeded(status=429)], 160.0, True),
        ([SAID], 103.0, False),
        ([QuotaExceeded(status=429, retry_after=3.0)], 103.0, False),
        ([Overloaded(status=503, retry_after=3.0)], 103.0, False),
        ([*[DOWN] * 5, UNSAID], 105.0, True),
        ([*[DOWN] * 5, SAID], 105.0, False),  # the one lasts longer, and the other was said
        ([*[DOWN] * 4, Overloaded(status=503, retry_after=3.0)], 105.0, False),
        ([QuotaExceeded(status=429), SAID], 160.0, False),
        ([UNSAID, Overloaded(status=503, retry_after=3.0)], 103.0, False),
    ],
)
def test_it_tells_a_guess_from_what_was_said(errors: list[SaferouteError], until: float, *, guessed: bool) -> None:
    one = failing(*errors)
    rejected = one.refusal(ROW, 100.0)
    assert rejected is not None
    assert (rejected.retry_at, rejected.guessed) == (pytest.approx(until), guessed)
    assert one.begin(ROW, 100.0) == rejected
    assert one.shown((ROW,), 100.0)[0].last_resort is guessed
    assert (one.begin(ROW, 100.0, last_resort=True) is None) is guessed
    assert one.condition(ROW).in_flight == int(guessed)


@pytest.mark.parametrize("said", [SAID, Overloaded(status=503, retry_after=3.0)])
def test_what_was_said_is_over_when_it_is_over_though_a_guess_goes_on(said: SaferouteError) -> None:
    one = failing(*[DOWN] * 5, said)
    assert one.begin(ROW, 102.999, last_resort=True) is not None
    assert one.begin(ROW, 103.0, last_resort=True) is None
    assert one.begin(ROW, 103.0) is not None


def test_a_bound_is_no_guess_whatever_else_there_is() -> None:
    full = row(limits=Limits(concurrent=1, adaptive=True))
    one = opened(row())
    assert one.begin(full, 100.0, last_resort=True) is None
    rejected = one.begin(full, 100.0, last_resort=True)
    assert rejected is not None
    assert (rejected.reason, rejected.guessed) == ("breaker open for 5.0 s", False)
    one.given_up(full, 100.5, 0.5, last_resort=True)
    assert one.begin(full, 101.0, last_resort=True) is None


def test_its_success_closes_an_open_breaker() -> None:
    one = opened()
    assert one.begin(ROW, 101.0, last_resort=True) is None
    assert one.refusal(ROW, 101.5) is not None
    one.succeeded(ROW, 102.0, 1.0, None)
    assert one.refusal(ROW, 102.0) is None
    assert breaker(one) == Breaker(since=100.0)


@pytest.mark.parametrize("error", [DOWN, BadRequest(status=400), None])
def test_whatever_else_it_ends_with_leaves_an_open_breaker_as_it_is(error: SaferouteError | None) -> None:
    one = opened()
    before = breaker(one)
    for _ in range(10):
        assert one.begin(ROW, 101.0, last_resort=True) is None
    for _ in range(10):
        if error is None:
            one.given_up(ROW, 102.0, 1.0, last_resort=True)
        else:
            one.failed(ROW, 102.0, 1.0, error, last_resort=True)
    assert breaker(one) is before
    shown = one.shown((ROW,), 102.0)[0]
    assert (shown.in_flight, shown.requests, shown.failures) == (0, 15, 5 + 10 * (error is DOWN))


def test_it_leaves_the_probe_to_the_others() -> None:
    one = opened()
    assert one.begin(ROW, 105.0, last_resort=True) is None  # the time is over, but it chose the row before
    assert phase(breaker(one), 105.0) == "half_open"
    assert one.begin(ROW, 105.0) is None
    assert one.begin(ROW, 105.0) is not None


@pytest.mark.parametrize("left", [104.0, 105.0, 105.5])
def test_its_failure_beside_a_probe_neither_ends_nor_gives_back_the_probe(left: float) -> None:
    one = opened()
    times = sorted([(left, True), (105.0, False)])
    for at, last_resort in times:
        assert one.begin(ROW, at, last_resort=last_resort) is None
    probing = breaker(one)
    assert probing.state == "half_open"
    one.failed(ROW, 106.0, 106.0 - left, DOWN, last_resort=True)
    one.begin(ROW, 106.0, last_resort=True)
    one.failed(ROW, 106.0, 0.0, BadRequest(status=400), last_resort=True)
    one.begin(ROW, 106.0, last_resort=True)
    one.given_up(ROW, 106.0, last_resort=True)
    assert breaker(one) is probing
    assert one.refusal(ROW, 106.0) is not None
    one.succeeded(ROW, 107.0, 2.0, None)  # the probe's word counts
    assert breaker(one) == Breaker(since=100.0)


def test_its_success_beside_a_probe_closes_and_the_probes_failure_is_one_failure_then() -> None:
    one = opened()
    assert one.begin(ROW, 105.0) is None
    assert one.begin(ROW, 105.5, last_resort=True) is None
    one.succeeded(ROW, 106.0, 0.5, None)
    assert one.refusal(ROW, 106.0) is None
    one.failed(ROW, 107.0, 2.0, DOWN)
    assert breaker(one) == Breaker("closed", 1, 1, 0, 100.0)


def test_a_failure_counts_as_any_other_once_the_breaker_is_closed() -> None:
    one = opened()
    for _ in range(2):
        assert one.begin(ROW, 101.0, last_resort=True) is None
    one.succeeded(ROW, 102.0, 1.0, None)
    one.failed(ROW, 103.0, 2.0, DOWN, last_resort=True)
    assert breaker(one) == Breaker("closed", 1, 1, 0, 100.0)


def test_refused_together_they_double_a_rest_once() -> None:
    one = failing(UNSAID)
    for _ in range(50):
        assert one.begin(ROW, 100.5, last_resort=True) is None
    for number in range(50):
        one.failed(ROW, 100.6 + number / 100, 0.1 + number / 100, UNSAID, last_resort=True)
    rejected = one.refusal(ROW, 101.2)
    assert rejected is not None
    assert (rejected.retry_at, rejected.guessed) == (pytest.approx(102.6), True)  # 2 s from the first of them


def test_a_refusal_that_names_a_time_puts_an_end_to_last_resorts() -> None:
    one = failing(UNSAID)
    for _ in range(2):
        assert one.begin(ROW, 100.5, last_resort=True) is None
    one.failed(ROW, 100.6, 0.1, SAID, last_resort=True)
    assert one.begin(ROW, 100.7, last_resort=True) is not None
    one.failed(ROW, 100.7, 0.2, UNSAID, last_resort=True)
    rejected = one.refusal(ROW, 100.8)
    assert rejected is not None
    assert (rejected.retry_at, rejected.guessed) == (pytest.approx(103.6), False)


def test_its_success_ends_a_rest_that_was_guessed() -> None:
    one = failing(QuotaExceeded(status=429))
    assert one.begin(ROW, 110.0, last_resort=True) is None
    one.succeeded(ROW, 111.0, 1.0, None)
    assert one.refusal(ROW, 111.0) is None
