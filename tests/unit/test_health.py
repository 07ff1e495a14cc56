"""Health: what each outcome changes about a row, its quota group and the calls to come."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from saferoute.errors import (
    AddressRefused,
    AuthenticationRejected,
    BadRequest,
    BudgetExceeded,
    Conflict,
    ConnectFailed,
    ContentFiltered,
    ContextWindowExceeded,
    ModelNotFound,
    OutputInvalid,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    RequestTooLarge,
    SaferouteError,
    SecretNotFound,
    ServerError,
    StreamInterrupted,
    TimedOut,
    TransportError,
    UnexpectedRedirect,
)
from saferoute.routing.health import MAX_NAMES, MAX_ROWS, Health, counts_against
from saferoute.routing.quota_groups import MAX_GROUPS
from saferoute.values.balancing import Limits, Rejected, TargetHealth
from tests.unit.health_rows import middle, row

if TYPE_CHECKING:
    from saferoute.values.target import Target

ROW = row()
COUNTED: list[SaferouteError] = [
    ServerError(status=500),
    Overloaded(status=529),
    ConnectFailed("refused"),
    ConnectFailed("no certificate that is trusted", retryable=False),
    StreamInterrupted("cut"),
    ProtocolError("no JSON"),
    TransportError("reset"),
    UnexpectedRedirect("to elsewhere"),
    TimedOut(clock="connect", seconds=1.0, sent=False),
    TimedOut(clock="first_byte", seconds=1.0, sent=True),
    TimedOut(clock="idle", seconds=1.0, sent=True),
]
NOT_COUNTED: list[SaferouteError] = [
    TimedOut(clock="total", seconds=1.0, sent=True),
    AddressRefused("inner"),
    OutputInvalid("does not fit"),
    AuthenticationRejected(status=401),
    PermissionDenied(status=403),
    BadRequest(status=400),
    ContextWindowExceeded(status=400),
    ContentFiltered(status=400),
    RequestTooLarge(status=413),
    ModelNotFound(status=404),
    Conflict(status=409),
    RateLimited(status=429),
    QuotaExceeded(status=402),
    SecretNotFound("no key"),
    BudgetExceeded("used up"),
]


def name_of(error: SaferouteError) -> str:
    return f"{type(error).__name__} {getattr(error, 'clock', '')} {getattr(error, 'retryable', '')}"


def health() -> Health:
    return Health(middle)


def shown(one: Health, target: Target = ROW, now: float = 1000.0) -> TargetHealth:
    return one.shown([target], now)[0]


def fail(one: Health, error: SaferouteError, times: int = 1, now: float = 100.0, target: Target = ROW) -> None:
    for _ in range(times):
        assert one.begin(target, now) is None
        one.failed(target, now, 0.0, error)


def limited(seconds: float | None = None) -> RateLimited:
    return RateLimited(status=429, retry_after=seconds)


@pytest.mark.parametrize("error", COUNTED, ids=name_of)
def test_what_is_the_rows_own_opens_its_breaker(error: SaferouteError) -> None:
    assert counts_against(error)
    one = health()
    fail(one, error, 4)
    assert one.refusal(ROW, 100.0) is None
    fail(one, error)
    assert one.refusal(ROW, 100.0) == Rejected("a", "breaker open for 5.0 s", 105.0, guessed=True)
    assert one.refusal(ROW, 105.0) is None
    assert shown(one).failures == 5


@pytest.mark.parametrize("error", NOT_COUNTED, ids=name_of)
def test_what_is_about_the_request_the_key_or_the_caller_does_not(error: SaferouteError) -> None:
    assert not counts_against(error)
    one = health()
    for _ in range(30):
        one.begin(ROW, 100.0)
        one.failed(ROW, 100.0, 0.0, error)
    assert shown(one).breaker == "closed"
    assert one.refusal(ROW, 5000.0) is None
    assert shown(one).failures == 0


def test_nothing_is_known_of_a_row_at_first() -> None:
    one = health()
    assert one.refusal(ROW, 0.0) is None
    assert shown(one) == TargetHealth("a", "closed", 0.0, "", 0, 0, 0, None, None, None, "main openai gpt-5-mini")
    condition = one.condition(ROW)
    assert (condition.in_flight, condition.latency, condition.first_token) == (0, None, None)
    assert condition.updated < 0
    assert condition.headroom(0.0) == 1.0


def test_a_condition_is_live() -> None:
    one = health()
    condition = one.condition(ROW)
    assert one.condition(ROW) is condition
    one.begin(ROW, 1.0)
    assert condition.in_flight == 1
    one.first_token(ROW, 2.0, 1.0)
    assert (condition.first_token, condition.updated) == (1.0, 2.0)
    one.succeeded(ROW, 4.0, 3.0, 10)
    assert (condition.in_flight, condition.latency, condition.updated) == (0, 3.0, 4.0)
    assert shown(one) == TargetHealth("a", "closed", 0.0, "", 0, 1, 0, 3.0, 1.0, None, "main openai gpt-5-mini")


def test_the_race_for_the_probe_has_one_winner() -> None:
    one = health()
    fail(one, ServerError(status=500), 5)
    assert one.refusal(ROW, 105.0) is None
    assert one.refusal(ROW, 105.0) is None
    assert shown(one, now=105.0).breaker == "half_open"
    assert one.begin(ROW, 105.0) is None
    waiting = Rejected("a", "breaker half open: another request is finding out whether it answers again", 110.0, guessed=True)
    assert one.begin(ROW, 105.0) == waiting
    assert one.refusal(ROW, 105.0) == waiting
    expected = TargetHealth("a", "half_open", 4.0, waiting.reason, 1, 5, 5, None, None, None, "main openai gpt-5-mini", last_resort=True)
    assert shown(one, now=106.0) == expected
    one.succeeded(ROW, 106.0, 1.0, None)
    assert one.refusal(ROW, 106.0) is None
    assert shown(one).breaker == "closed"


def test_a_probe_that_fails_opens_for_twice_as_long() -> None:
    one = health()
    fail(one, ServerError(status=500), 5)
    fail(one, ServerError(status=500), 1, 105.0)
    assert one.refusal(ROW, 105.0) == Rejected("a", "breaker open for 10.0 s", 115.0, guessed=True)


def test_a_probe_that_says_nothing_of_the_row_is_given_back() -> None:
    one = health()
    fail(one, ServerError(status=500), 5)
    fail(one, BadRequest(status=400), 3, 105.0)
    assert shown(one, now=105.0).breaker == "half_open"
    assert one.refusal(ROW, 105.0) is None


@pytest.mark.parametrize("seconds", [0.5, None])
def test_a_probe_that_is_given_up_is_given_back(seconds: float | None) -> None:
    one = health()
    fail(one, ServerError(status=500), 5)
    one.begin(ROW, 105.0)
    one.given_up(ROW, 105.5, seconds)
    assert one.refusal(ROW, 105.5) is None
    assert (shown(one).in_flight, shown(one).requests, shown(one).failures) == (0, 6, 5)


def test_what_left_before_the_outage_gives_no_probe_back() -> None:
    one = health()
    one.begin(ROW, 99.0)
    one.begin(ROW, 99.0)
    fail(one, ServerError(status=500), 5)
    one.begin(ROW, 105.0)
    one.given_up(ROW, 106.0, 7.0)
    assert one.refusal(ROW, 106.0) is not None
    one.given_up(ROW, 106.0)  # not known when it left, and the probe is under way beside it
    assert one.refusal(ROW, 106.0) is not None
    one.given_up(ROW, 106.0)
    assert one.refusal(ROW, 106.0) is None


def test_what_left_before_the_outage_does_not_reopen_what_has_recovered() -> None:
    one = health()
    for _ in range(50):
        one.begin(ROW, 99.0)
    fail(one, ServerError(status=500), 5)
    one.begin(ROW, 105.0)
    one.succeeded(ROW, 106.0, 1.0, None)
    for _ in range(50):
        one.failed(ROW, 129.0, 30.0, TimedOut(clock="first_byte", seconds=30.0, sent=True))
    assert one.refusal(ROW, 129.0) is None


def test_a_rate_limit_rests_every_row_of_its_group_and_no_other() -> None:
    one = health()
    same, other_key, other_model = row("b", model="gpt-5-mini"), row("c", secret="x"), row("d", model="gpt-5")
    for target in (same, other_key):
        one.begin(target, 99.0)
    fail(one, limited(12.0))
    for target in (ROW, same):
        assert one.refusal(target, 100.0) == Rejected(target.id, "rate limit of its quota group until 12.0 s from now", 112.0)
        assert one.begin(target, 111.9) is not None
        assert one.refusal(target, 112.0) is None
    for target in (other_key, other_model):
        assert one.refusal(target, 100.0) is None
        assert one.begin(target, 100.0) is None
    assert shown(one, same, 100.0).available_in == 12.0
    assert shown(one, same, 100.0).in_flight == 1


def test_a_group_that_the_table_names_joins_rows() -> None:
    one = health()
    joined = row("b", provider_name="azure", quota_group="shared")
    fail(one, limited(5.0), target=row("a", quota_group="shared"))
    assert one.refusal(joined, 100.0) is not None
    assert one.refusal(ROW, 100.0) is None
    assert shown(one, joined, 100.0).quota_group == "shared"


def test_a_success_of_any_row_ends_its_groups_doubling() -> None:
    one = health()
    for at, until in ((100.0, 101.0), (102.0, 104.0), (105.0, 109.0)):
        fail(one, limited(), 1, at)
        assert one.refusal(ROW, at) == Rejected(
            "a", f"rate limit of its quota group until {until - at:.1f} s from now", until, guessed=True
        )
    other = row("b")
    one.begin(other, 110.0)
    one.succeeded(other, 111.0, 1.0, None)
    fail(one, limited(), 1, 112.0)
    assert one.refusal(ROW, 112.0) == Rejected("a", "rate limit of its quota group until 1.0 s from now", 113.0, guessed=True)


def test_a_quota_that_is_used_up_rests_its_group_for_a_minute() -> None:
    one = health()
    fail(one, QuotaExceeded(status=402))
    assert one.refusal(row("b"), 100.0) == Rejected(
        "b", "quota used up in its quota group; it rests until 60.0 s from now", 160.0, guessed=True
    )
    assert one.refusal(ROW, 160.0) is None
    fail(one, QuotaExceeded(status=402, retry_after=7200.0), 1, 200.0)
    assert one.refusal(ROW, 3799.0) is not None
    assert one.refusal(ROW, 3800.0) is None


def test_an_overloaded_row_that_asks_for_rest_rests_alone() -> None:
    one = health()
    fail(one, Overloaded(status=529, retry_after=8.0))
    fail(one, Overloaded(status=529), 1, 108.0)
    one.begin(ROW, 100.0)
    one.failed(ROW, 100.0, 0.0, Overloaded(status=503, retry_after=30.0))
    one.failed(ROW, 101.0, 0.0, Overloaded(status=503, retry_after=3.0))
    assert one.refusal(ROW, 100.0) == Rejected("a", "overloaded; the provider asked for 30.0 s of rest", 130.0)
    assert one.refusal(row("b"), 100.0) is None
    assert one.refusal(ROW, 130.0) is None
    one.succeeded(ROW, 129.0, 1.0, None)
    assert one.refusal(ROW, 129.0) is not None
    one.succeeded(ROW, 130.0, 1.0, None)
    assert one.refusal(ROW, 129.0) is None
    assert one.refusal(ROW, 130.0 - 3600.5) is None


def test_of_several_reasons_the_longest_is_told() -> None:
    one = health()
    fail(one, Overloaded(status=529, retry_after=2.0))
    for _ in range(4):
        one.failed(ROW, 100.0, 0.0, ServerError(status=500))
    assert one.refusal(ROW, 100.0) == Rejected("a", "breaker open for 5.0 s", 105.0)
    one.failed(ROW, 100.0, 0.0, limited(3.0))
    assert one.refusal(ROW, 100.0) == Rejected("a", "breaker open for 5.0 s", 105.0)
    one.failed(ROW, 100.0, 0.0, Overloaded(status=529, retry_after=6.0))
    assert one.refusal(ROW, 100.0) == Rejected("a", "overloaded; the provider asked for 6.0 s of rest", 106.0)
    one.failed(ROW, 100.0, 0.0, limited(7.0))
    assert one.refusal(ROW, 100.0) == Rejected("a", "rate limit of its quota group until 7.0 s from now", 107.0)


def test_a_clock_that_goes_back_keeps_no_row_away_for_long() -> None:
    one = health()
    fail(one, ServerError(status=500), 5, 1e6)
    one.failed(ROW, 1e6, 0.0, Overloaded(status=529, retry_after=3600.0))
    one.failed(ROW, 1e6, 0.0, limited(3600.0))
    assert one.refusal(ROW, 1e6) is not None
    assert one.refusal(ROW, 50.0) is None
    assert one.begin(ROW, 50.0) is None
    one.succeeded(ROW, 51.0, 1.0, None)
    assert one.refusal(ROW, 51.0) is None
    assert shown(one, now=51.0).latency == 1.0


def test_what_ends_without_having_begun_takes_nothing_from_others() -> None:
    one = health()
    one.given_up(ROW, 1.0)
    one.failed(ROW, 1.0, 0.0, BadRequest(status=400))
    one.succeeded(ROW, 1.0, 0.0, None)
    assert shown(one).in_flight == 0
    one.begin(ROW, 1.0)
    assert shown(one).in_flight == 1


def test_a_reload_changes_a_rows_limits_and_keeps_what_is_known() -> None:
    one = health()
    one.begin(ROW, 0.0)
    one.succeeded(ROW, 2.0, 2.0, None)
    reloaded = row(limits=Limits(requests_per_minute=4, concurrent=3))
    assert one.condition(reloaded).latency == 2.0
    one.begin(reloaded, 3.0)
    assert one.condition(reloaded).headroom(3.0) == 0.75
    assert shown(one, reloaded, 3.0).concurrency == 3
    same = row(limits=Limits(requests_per_minute=4, concurrent=3))
    assert one.condition(same).headroom(3.0) == 0.75
    adaptive = row(limits=Limits(requests_per_minute=2, concurrent=3, adaptive=True))
    assert one.condition(adaptive).headroom(3.0) == 0.5
    assert shown(one, adaptive, 3.0).concurrency == 3
    assert one.condition(ROW).headroom(3.0) == 1.0
    assert shown(one, ROW, 3.0).concurrency is None


def test_an_adaptive_bound_refuses_what_is_above_it() -> None:
    one, target = health(), row(limits=Limits(concurrent=2, adaptive=True))
    assert one.begin(target, 1.0) is None
    assert one.begin(target, 1.0) is None
    full = Rejected("a", "its adaptive bound of 2 requests under way is reached", None)
    assert one.refusal(target, 1.0) == one.begin(target, 1.0) == full
    assert shown(one, target, 1.0) == TargetHealth("a", "closed", 0.0, full.reason, 2, 0, 0, None, None, 2, "main openai gpt-5-mini")
    one.failed(target, 2.0, 1.0, limited(0.5))
    assert shown(one, target, 2.0).concurrency == 1
    assert one.refusal(target, 2.0) == Rejected("a", "rate limit of its quota group until 0.5 s from now", 2.5)
    assert one.refusal(target, 2.5) == Rejected("a", "its adaptive bound of 1 requests under way is reached", None)
    one.succeeded(target, 3.0, 2.0, None)
    assert one.refusal(target, 3.0) is None
    one.begin(target, 3.0)
    one.failed(target, 4.0, 0.5, Overloaded(status=529))
    assert shown(one, target, 4.0).concurrency == 1


@pytest.mark.parametrize("error", [*COUNTED, *NOT_COUNTED], ids=name_of)
def test_only_refusals_for_traffic_lower_the_adaptive_bound(error: SaferouteError) -> None:
    one, target = health(), row(limits=Limits(concurrent=10, adaptive=True))
    fail(one, error, target=target)
    assert shown(one, target).concurrency == (7 if isinstance(error, RateLimited | Overloaded) else 10)


def test_timeouts_say_how_slow_a_row_is_at_least() -> None:
    one = health()
    fail(one, ConnectFailed("refused"))
    one.failed(ROW, 100.0, 9.0, TimedOut(clock="total", seconds=9.0, sent=True))
    assert (shown(one).latency, shown(one).first_token) == (None, None)
    one.failed(ROW, 100.0, 3.0, TimedOut(clock="idle", seconds=1.0, sent=True))
    assert (shown(one).latency, shown(one).first_token) == (3.0, None)
    one.failed(ROW, 100.0, 2.0, TimedOut(clock="first_byte", seconds=2.0, sent=True))
    assert (shown(one).latency, shown(one).first_token) == (3.0, 2.0)
    one.failed(ROW, 100.0, 1.0, TimedOut(clock="connect", seconds=1.0, sent=False))
    assert (shown(one).latency, shown(one).first_token) == (3.0, 2.0)
    one.failed(ROW, 100.0, 4.0, TimedOut(clock="connect", seconds=4.0, sent=False))
    assert (shown(one).latency, shown(one).first_token) == (4.0, 4.0)


def test_turns_count_up_by_name() -> None:
    one = health()
    assert [one.turn("fast"), one.turn("fast"), one.turn("smart"), one.turn("fast")] == [0, 1, 0, 2]


def test_the_95th_percentile_needs_twenty_calls_and_is_of_the_last_128() -> None:
    one = health()
    assert one.p95("fast") is None
    for number in range(19):
        one.took("fast", float(number))
    assert one.p95("fast") is None
    one.took("fast", 19.0)
    assert one.p95("fast") == 18.0
    assert one.p95("smart") is None
    for number in range(1000, 1128):
        one.took("fast", float(number))
    assert one.p95("fast") == 1121.0
    for _ in range(7):
        one.took("fast", 5000.0)
    assert one.p95("fast") == 5000.0
    for _ in range(128):
        one.took("fast", 1.0)
    assert one.p95("fast") == 1.0


def test_names_without_end_do_not_make_it_grow() -> None:
    one = health()
    one.turn("fast")
    for number in range(3 * MAX_NAMES):
        one.turn(f"openai/hostile-{number}")
        one.took(f"openai/hostile-{number}", 1.0)
        one.turn("fast")
    assert one.turn("fast") == 3 * MAX_NAMES + 1
    assert one.turn("openai/hostile-0") == 0
    assert len(one._turns) == len(one._recent) == MAX_NAMES


def test_models_without_end_through_one_row_do_not_make_it_grow() -> None:
    one = health()
    for number in range(3 * MAX_GROUPS):
        target = row("any", model=f"hostile-{number}x")
        one.begin(target, number / 100)
        one.failed(target, number / 100, 0.0, limited(600.0))
        one.begin(row("any", model=f"good-{number}x"), number / 100)
        one.succeeded(row("any", model=f"good-{number}x"), number / 100, 0.0, None)
    assert len(one._rows) <= MAX_ROWS
    assert len(one._groups) <= MAX_GROUPS
    assert shown(one, row("any", model="good-7x")).in_flight == 0
    every = one.shown([row("any", model="*")], 1e6)
    assert len(every) == len(one._rows)
    assert {health.target.partition("/")[0] for health in every} == {"any"}


def test_rows_of_tables_that_were_replaced_do_not_make_it_grow() -> None:
    one = health()
    one.begin(row("busy"), 0.0)
    for number in range(MAX_ROWS + 100):
        one.condition(row(f"row {number}"))
    assert len(one._rows) == MAX_ROWS
    assert one.condition(row("busy")).in_flight == 1
    for number in range(MAX_ROWS + 100):
        one.begin(row(f"busy {number}"), 0.0)
    assert len(one._rows) == MAX_ROWS


def test_two_clients_know_nothing_of_each_other() -> None:
    one, other = health(), health()
    fail(one, ServerError(status=500), 5)
    fail(one, limited(5.0), 1, 200.0, row("b"))
    assert one.refusal(row("b"), 200.0) is not None
    assert other.refusal(ROW, 100.0) is None
    assert other.refusal(row("b"), 200.0) is None


def test_a_row_that_was_not_asked_yet_rests_with_its_group() -> None:
    one = health()
    fail(one, limited(5.0))
    new = row("new")
    assert one.refusal(new, 100.0) == Rejected("new", "rate limit of its quota group until 5.0 s from now", 105.0)
    assert one.refusal(row("other", secret="x"), 100.0) is None


def test_a_success_tells_what_it_used() -> None:
    one, target = health(), row(limits=Limits(tokens_per_minute=1000))
    one.begin(target, 0.0)
    one.succeeded(target, 1.0, 1.0, 250)
    one.begin(target, 1.0)
    one.succeeded(target, 1.0, 0.0, None)
    assert one.condition(target).headroom(1.0) == 0.75


def test_answers_raise_and_slow_ones_lower_an_adaptive_bound() -> None:
    one, target = health(), row(limits=Limits(concurrent=10, adaptive=True))
    for now in (10.0, 20.0):
        for _ in range(5):
            one.begin(target, now)
        for _ in range(5):
            one.succeeded(target, now + 1.0, 1.0, None)
    assert shown(one, target).concurrency == 10
    for _ in range(5):
        one.begin(target, 30.0)
    one.succeeded(target, 35.0, 5.0, None)
    assert shown(one, target).concurrency == 7
    for _ in range(4):
        one.succeeded(target, 35.0, 1.0, None)
    for _ in range(4):
        one.begin(target, 40.0)
        one.succeeded(target, 41.0, 1.0, None)
    assert shown(one, target).concurrency == 8


def test_a_row_that_has_recovered_is_plain_again() -> None:
    one = health()
    fail(one, ServerError(status=500), 5)
    known = one._rows["a", row("a").model]
    assert not known.plain
    one.begin(ROW, 105.0)
    one.succeeded(ROW, 106.0, 1.0, None)
    assert known.plain
    one.failed(ROW, 107.0, 1.0, Overloaded(status=529, retry_after=5.0))
    assert not known.plain
    one.succeeded(ROW, 112.0, 1.0, None)
    assert known.plain


def test_what_is_given_up_while_the_lock_is_held_is_taken_in_later() -> None:
    """The garbage collector may close a dropped stream within any method of the same thread."""
    one = health()
    one.begin(row("a"), 1.0)
    with one._lock:
        one.given_up(row("a"), 2.0, 1.0)
        assert one.condition(row("a")).in_flight == 1
    one.begin(row("a"), 3.0)
    assert one.condition(row("a")).in_flight == 1
    with one._lock:
        one.given_up(row("a"), 4.0, 1.0)
    one.begin(row("a"), 5.0)
    one.begin(row("a"), 5.0)
    with one._lock:
        one.given_up(row("a"), 6.0, 1.0)
    one.failed(row("a"), 7.0, 2.0, ServerError(status=500))
    assert one.condition(row("a")).in_flight == 0


@pytest.mark.parametrize(("seconds", "opens"), [(10.0, False), (10.5, True), (400.0, True)])
def test_silence_far_beyond_what_a_row_takes_counts_though_the_deadline_was_the_callers(seconds: float, opens: bool) -> None:
    one = health()
    one.begin(row("a"), 0.0)
    one.succeeded(row("a"), 2.0, 2.0, None)
    for number in range(5):
        began = 1000.0 * (number + 1)
        one.begin(row("a"), began)
        one.failed(row("a"), began + seconds, seconds, TimedOut(clock="total", seconds=seconds, sent=True))
    assert (one.refusal(row("a"), 5000.0 + seconds) is not None) is opens


def test_a_server_that_does_not_offer_something_is_well() -> None:
    one = health()
    for number in range(20):
        one.begin(row("a"), float(number))
        one.failed(row("a"), float(number), 0.0, ServerError(status=501))
    assert one.refusal(row("a"), 20.0) is None
