"""Which row a call asks next: strategies, retries, fallback by cause, keys that are refused. Every scenario runs under both drivers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saferoute.call.balancing import Balancing, without_copies
from saferoute.errors import (
    AuthenticationRejected,
    BadRequest,
    ConnectFailed,
    ContentFiltered,
    ContextWindowExceeded,
    ModelNotFound,
    PermissionDenied,
    QuotaExceeded,
    RateLimited,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
    UntrustedTable,
)
from saferoute.values.balancing import Cause, Facts, Hedge, Policy, Shadow
from saferoute.values.permission import Cost
from saferoute.values.target import Target
from tests.support.scripted import SSE, Answer, chat, stream
from tests.unit.balancing_cases import (
    FILTERED,
    NOW,
    QUOTA,
    TOO_LONG,
    A,
    B,
    C,
    Clockwork,
    D,
    balanced,
    broken,
    fails,
    health,
    in_flight,
    ok,
    row,
    sized,
    tried,
)
from tests.unit.test_flow import STREAM

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])
TIMEOUT = TimedOut(clock="first_byte", seconds=1, sent=True)


def refused(kind: str, expected: type[SaferouteError], world: Clockwork, *rows: Target, **fields: Any) -> SaferouteError:
    with pytest.raises(expected) as caught:
        chat(kind, world, balanced(*rows, **fields))
    assert type(caught.value) is expected
    return caught.value


# ------------------------------------------------------------------------------------------------ order


def test_the_strategy_orders_the_rows_and_the_others_stay_in_line(kind: str) -> None:
    world = Clockwork(fails(500), fails(500), ok())
    policy = Policy("round_robin")
    reply = chat(kind, world, balanced(A, B, C, policy=policy, facts=Facts(lambda: 0, 1)))
    assert world.asked == "bca"
    assert tried(reply.attempts) == [
        ("b", "ServerError", "round_robin"), ("c", "ServerError", "next in order"), ("a", "ok", "next in order"),
    ]  # fmt: skip
    assert world.slept == []


def test_one_row_is_not_ordered(kind: str) -> None:
    def unasked() -> int:
        raise AssertionError

    reply = chat(kind, Clockwork(ok()), balanced(A, policy=Policy("cheapest"), facts=Facts(unasked)))
    assert tried(reply.attempts) == [("a", "ok", "the only row")]


def test_rows_that_were_asked_least_come_first_and_a_retry_waits(kind: str) -> None:
    world = Clockwork(*[fails(500)] * 5, ok())
    reply = chat(kind, world, balanced(A, B, max_attempts=6))
    assert world.asked == "ababab"
    assert [why for _, _, why in tried(reply.attempts)] == ["ordered", "next in order", *["retry"] * 4]
    # full jitter, of ceilings 1.0, 2.0, 4.0 and 8.0 after 2, 3, 4 and 5 requests; the random number is 0.5
    assert world.slept == [0.5, 1.0, 2.0, 4.0]


def test_a_row_that_rests_is_passed_over_and_the_trace_says_why(kind: str) -> None:
    of = health()
    of.begin(A, 990.0)
    of.failed(A, 995.0, 5.0, RateLimited(status=429, retry_after=9.0))
    world = Clockwork(ok(), fails(500), ok())
    reply = chat(kind, world, balanced(A, B, of=of))
    assert tried(reply.attempts) == [("b", "ok", "next in order")]
    assert reply.attempts[0].rejected == (("a", "rate limit of its quota group until 4.0 s from now"),)
    reply = chat(kind, world, balanced(A, B, of=of, max_attempts=2))
    assert world.slept == [0.25]
    assert [one.rejected for one in reply.attempts] == [
        (("a", f"rate limit of its quota group until {left} s from now"),) for left in (4.0, 3.8)
    ]
    assert world.asked == "bbb"
    assert in_flight(of, A, B) == [0, 0]


def test_the_models_of_one_row_are_kept_apart(kind: str) -> None:
    rows = [row("w", model=f"m-{name}", secret=name) for name in "xy"]
    world = Clockwork(fails(404), ok())
    reply = chat(kind, world, balanced(*rows))
    assert world.asked == "xy"
    assert [(one.target, one.model, one.outcome) for one in reply.attempts] == [("w", "m-x", "ModelNotFound"), ("w", "m-y", "ok")]
    world = Clockwork(fails(500), fails(500), ok())
    chat(kind, world, balanced(*rows))
    assert world.asked == "xyx"


# ------------------------------------------------------------------------------------------------ what another row may help against


@pytest.mark.parametrize(("answer", "error"), [(fails(401), AuthenticationRejected), (fails(403), PermissionDenied)])
def test_a_refused_key_rules_its_rows_out_at_this_origin_and_nowhere_else(kind: str, answer: Answer, error: type[SaferouteError]) -> None:
    shared = [row("a", secret="k"), row("b", secret="k"), row("c", secret="k", origin="https://other.example.com")]
    world = Clockwork(answer, ok())
    reply = chat(kind, world, balanced(*shared))
    assert world.asked == "ac"
    assert reply.attempts[1].rejected == (
        ("a", "failed in this call, in a way that another request would not change"), ("b", "its key was refused in this call"),
    )  # fmt: skip
    caught = refused(kind, error, Clockwork(answer), *shared[:2])
    assert len(caught.attempts) == 1


def test_rows_without_a_key_share_none(kind: str) -> None:
    world = Clockwork(fails(401), ok())
    chat(kind, world, balanced(row("a", secret=None, auth="none"), row("b", secret=None, auth="none")))
    assert world.asked == "ab"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (fails(401), AuthenticationRejected),
        (fails(404), ModelNotFound),
        (QUOTA, QuotaExceeded),
        (fails(500), ServerError),
        (broken(ConnectFailed("no such host", retryable=False)), None),
        (fails(400), None),
        (fails(500, x_should_retry="false"), None),
    ],
)
def test_another_row_is_asked_where_it_may_help_and_only_there(kind: str, answer: Answer, expected: type[SaferouteError] | None) -> None:
    world = Clockwork(answer, ok())
    if expected is None:
        with pytest.raises((BadRequest, ConnectFailed, ServerError)):
            chat(kind, world, balanced(A, B))
        assert world.asked == "a"
    else:
        assert tried(chat(kind, world, balanced(A, B)).attempts)[0] == ("a", expected.__name__, "ordered")


def test_a_row_that_cannot_help_is_not_retried(kind: str) -> None:
    world = Clockwork(fails(404), fails(500), ok())
    chat(kind, world, balanced(A, B))
    assert world.asked == "abb"


# ------------------------------------------------------------------------------------------------ fallback by cause


def test_any_comes_after_the_own_rows(kind: str) -> None:
    world = Clockwork(fails(500), fails(500), fails(500), ok())
    reply = chat(kind, world, balanced(A, B, fallback={"any": (C, D)}, max_attempts=4))
    assert world.asked == "abcd"
    assert [why for _, _, why in tried(reply.attempts)] == ["ordered", "next in order", "fallback: any", "fallback: any"]
    assert world.slept == []


def test_any_also_comes_where_all_own_rows_rest(kind: str) -> None:
    of = health()
    of.begin(A, NOW)
    of.failed(A, NOW, 0.0, RateLimited(status=429, retry_after=9.0))
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, of=of, fallback={"any": (B,)}))
    assert tried(reply.attempts) == [("b", "ok", "fallback: any")]
    assert reply.attempts[0].rejected[0][0] == "a"


BY_CAUSE: list[tuple[Cause, Answer, type[SaferouteError]]] = [
    ("quota", QUOTA, QuotaExceeded),
    ("timeout", broken(TIMEOUT), TimedOut),
]


@pytest.mark.parametrize(("cause", "answer", "error"), BY_CAUSE)
def test_a_list_for_a_cause_comes_before_the_rows_that_are_left(
    kind: str, cause: Cause, answer: Answer, error: type[SaferouteError]
) -> None:
    world = Clockwork(answer, fails(500), ok())
    reply = chat(kind, world, balanced(A, B, fallback={cause: (C,)}))
    assert world.asked == "acb"
    assert tried(reply.attempts) == [
        ("a", error.__name__, "ordered"), ("c", "ServerError", f"fallback: {cause}"), ("b", "ok", "next in order"),
    ]  # fmt: skip
    others = {name: (D,) for name in ("quota", "timeout", "context_window", "content_filter") if name != cause}
    world = Clockwork(answer, ok())
    chat(kind, world, balanced(A, B, fallback=others))
    assert world.asked == "ab"


def test_a_request_that_is_too_long_goes_to_larger_rows(kind: str) -> None:
    small, smaller, unknown, large = sized("a", 8), sized("b", 4), sized("c", None), sized("d", 32)
    world = Clockwork(TOO_LONG, ok())
    reply = chat(kind, world, balanced(small, smaller, unknown, large))
    assert tried(reply.attempts) == [("a", "ContextWindowExceeded", "ordered"), ("d", "ok", "next in order")]
    assert [name for name, _ in reply.attempts[1].rejected] == ["a", "b", "c"]
    world = Clockwork(TOO_LONG)
    refused(kind, ContextWindowExceeded, world, small, smaller, unknown, sized("d", 8))
    assert world.asked == "a"


def test_a_request_that_is_too_long_goes_to_the_list_first(kind: str) -> None:
    rows, listed = (sized("a", 8), sized("b", 32)), {"context_window": (sized("c", 16), sized("d", None))}
    world = Clockwork(TOO_LONG, fails(500), fails(500), ok())
    reply = chat(kind, world, balanced(*rows, fallback=listed, max_attempts=4))
    assert world.asked == "acdb"
    assert [why for _, _, why in tried(reply.attempts)] == ["ordered", *["fallback: context_window"] * 2, "next in order"]
    world = Clockwork(TOO_LONG, TOO_LONG, ok())  # what the 16 refuse, only the 32 are known to take
    chat(kind, world, balanced(*rows, fallback=listed))
    assert world.asked == "acb"


def test_a_row_of_the_alias_that_is_listed_too_is_asked_though_its_size_is_unknown(kind: str) -> None:
    world = Clockwork(TOO_LONG, ok())
    chat(kind, world, balanced(A, B, C, fallback={"context_window": (C,)}))
    assert world.asked == "ac"


def test_a_request_that_is_too_long_never_goes_to_any(kind: str) -> None:
    world = Clockwork(TOO_LONG)
    refused(kind, ContextWindowExceeded, world, A, B, fallback={"any": (C,), "quota": (D,), "timeout": (D,), "content_filter": (D,)})
    assert world.asked == "a"
    world = Clockwork(TOO_LONG, fails(500), fails(500), ok())
    refused(kind, ServerError, world, A, fallback={"any": (C,), "context_window": (B,)}, max_attempts=3)
    assert world.asked == "abb"


def test_what_was_filtered_goes_to_the_list_alone(kind: str) -> None:
    world = Clockwork(FILTERED, fails(500), ok())
    reply = chat(kind, world, balanced(A, B, fallback={"content_filter": (C,), "any": (D,)}))
    assert world.asked == "acc"
    assert tried(reply.attempts)[1] == ("c", "ServerError", "fallback: content_filter")
    world = Clockwork(FILTERED)
    refused(kind, ContentFiltered, world, A, B, fallback={"any": (D,), "timeout": (C,), "quota": (C,), "context_window": (C,)})
    assert world.asked == "a"


def test_what_was_filtered_twice_goes_nowhere(kind: str) -> None:
    world = Clockwork(FILTERED, FILTERED)
    caught = refused(kind, ContentFiltered, world, A, fallback={"content_filter": (B, C), "any": (D,)})
    assert [one.target for one in caught.attempts] == ["a", "b"]


def test_a_row_of_two_lists_is_there_for_both(kind: str) -> None:
    world = Clockwork(fails(500), FILTERED, ok())
    chat(kind, world, balanced(A, fallback={"any": (B, C), "content_filter": (C,)}))
    assert world.asked == "abc"
    world = Clockwork(broken(TIMEOUT), fails(500), fails(500), ok())
    reply = chat(kind, world, balanced(A, B, fallback={"timeout": (C,), "any": (C, D)}, max_attempts=4))
    assert world.asked == "acbd"
    assert tried(reply.attempts)[1][2] == "fallback: timeout"


def test_a_filter_of_the_list_does_not_bring_back_what_was_tried(kind: str) -> None:
    world = Clockwork(FILTERED)
    refused(kind, ContentFiltered, world, A, fallback={"content_filter": (A,)})
    assert world.asked == "a"


# ------------------------------------------------------------------------------------------------ what ends a call


def test_nothing_follows_what_the_consumer_has_seen(kind: str) -> None:
    of = health()
    world = Clockwork(Answer([*STREAM[:2], ConnectFailed("reset")], headers=SSE))
    events, error, _ = stream(kind, world, balanced(A, B, of=of, fallback={"any": (C,)}, stream=True))
    assert isinstance(error, ConnectFailed)
    assert [one.type for one in events] == ["started", "text"]
    assert world.asked == "a"
    assert [one.first_token for one in error.attempts] == [0.0]
    assert in_flight(of, A, B) == [0, 0]


def test_a_stream_that_breaks_before_that_goes_on_elsewhere(kind: str) -> None:
    world = Clockwork(Answer([STREAM[0], StreamInterrupted("cut")], headers=SSE), Answer(STREAM, headers=SSE))
    events, error, _ = stream(kind, world, balanced(A, fallback={"any": (B,)}, stream=True))
    assert (error, world.asked) == (None, "ab")
    finished = events[-1]
    assert finished.type == "finished"
    assert tried(finished.reply.attempts) == [("a", "StreamInterrupted", "the only row"), ("b", "ok", "fallback: any")]


def test_the_total_clock_ends_the_call(kind: str) -> None:
    total = TimedOut(clock="total", seconds=30, sent=True)
    world = Clockwork(broken(total, after=30.0))
    caught = refused(kind, TimedOut, world, A, B, fallback={"timeout": (C,), "any": (D,)})
    assert world.asked == "a"
    assert [one.seconds for one in caught.attempts] == [30.0]


def test_the_number_of_attempts_ends_the_call(kind: str) -> None:
    world = Clockwork(*[fails(500)] * 4)
    caught = refused(kind, ServerError, world, A, B, fallback={"any": (C, D)}, max_attempts=3)
    assert world.asked == "abc"
    assert tried(caught.attempts)[2] == ("c", "ServerError", "fallback: any")
    assert [one.last for one in world.clocks] == [False, False, True]


# ------------------------------------------------------------------------------------------------ the trace, and what health is told


def test_the_trace_tells_how_long_a_failure_took_though_its_error_brings_no_time(kind: str) -> None:
    of = health()
    world = Clockwork(broken(TIMEOUT, after=7.0), fails(500, after=2.0), ok(after=3.0))
    reply = chat(kind, world, balanced(A, B, C, of=of))
    assert [(one.seconds, one.status) for one in reply.attempts] == [(7.0, None), (2.0, 500), (3.0, 200)]
    assert world.times == [1000.0, 1007.0, 1009.0]
    shown = of.shown((A, B, C), world.now)
    assert [(one.requests, one.failures, one.in_flight) for one in shown] == [(1, 1, 0), (1, 1, 0), (1, 0, 0)]
    assert [one.latency for one in shown] == [7.0, None, 3.0]


def test_a_breaker_that_slow_failures_open_is_open_from_when_they_ended(kind: str) -> None:
    of = health()
    for _ in range(5):
        world = Clockwork(broken(TIMEOUT, after=60.0))
        refused(kind, TimedOut, world, A, of=of, max_attempts=1, total=600.0)
    rejected = of.refusal(A, 1060.0)
    assert rejected is not None
    assert (rejected.reason, rejected.retry_at) == ("breaker open for 5.0 s", 1065.0)


def test_a_rest_is_counted_from_when_the_provider_asked_for_it(kind: str) -> None:
    of = health()
    refused(kind, RateLimited, Clockwork(fails(429, retry_after="9", after=4.0)), A, of=of, max_attempts=1)
    rejected = of.refusal(A, 1004.0)
    assert rejected is not None
    assert rejected.retry_at == 1013.0


@pytest.mark.parametrize("take", [0, 1, 2, None])
def test_a_stream_is_reported_once_however_it_ends(kind: str, take: int | None) -> None:
    of = health()
    stream(kind, Clockwork(Answer(STREAM, headers=SSE)), balanced(A, of=of, stream=True), take=take or None)
    (shown,) = of.shown((A,), 1000.0)
    assert (shown.in_flight, shown.requests, shown.failures, shown.breaker) == (0, 1, 0, "closed")


def test_a_defect_leaves_nothing_under_way(kind: str) -> None:
    of = health()
    call = balanced(A, B, of=of)

    def broken_check(_: Target) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        chat(kind, Clockwork(), replace(call, recheck=broken_check))
    assert in_flight(of, A, B) == [0, 0]


def test_what_cannot_be_sent_is_told_with_what_was_tried_before(kind: str) -> None:
    of = health()

    def check(target: Target) -> None:
        if target.id == "b":
            raise UntrustedTable("not what was signed")

    with pytest.raises(UntrustedTable) as caught:
        chat(kind, Clockwork(fails(500)), replace(balanced(A, B, C, of=of), recheck=check))
    assert tried(caught.value.attempts) == [("a", "ServerError", "ordered")]
    assert in_flight(of, A, B, C) == [0, 0, 0]


def test_a_probe_that_could_not_be_sent_is_given_back(kind: str) -> None:
    of = health()
    for _ in range(5):
        of.begin(A, NOW - 6)
        of.failed(A, NOW - 6, 0.0, ServerError(status=500))

    def check(_: Target) -> None:
        raise UntrustedTable("not what was signed")

    with pytest.raises(UntrustedTable):
        chat(kind, Clockwork(), replace(balanced(A, of=of), recheck=check))
    assert of.refusal(A, NOW) is None
    chat(kind, Clockwork(ok()), balanced(A, of=of))
    assert of.shown((A,), NOW)[0].breaker == "closed"


def test_only_one_call_at_a_time_finds_out(kind: str) -> None:
    of = health()
    for _ in range(5):
        of.begin(A, NOW - 6)
        of.failed(A, NOW - 6, 0.0, ServerError(status=500))
    assert of.begin(A, NOW) is None  # another call's probe
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, B, of=of))
    assert tried(reply.attempts) == [("b", "ok", "next in order")]
    assert reply.attempts[0].rejected == (("a", "breaker half open: another request is finding out whether it answers again"),)


def test_operations_ask_one_row_at_a_time(kind: str) -> None:
    plain = Balancing()
    assert without_copies(plain) is plain
    for policy in (Policy(hedge=Hedge(1.0)), Policy(shadow=Shadow(B, 1000, Cost(1)))):
        kept = replace(policy, limits=None)
        assert without_copies(Balancing(kept)).policy == Policy()
