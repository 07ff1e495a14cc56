"""Which row a call asks next: strategies, retries, fallback by cause, keys that are refused. Every scenario runs under both drivers."""

from __future__ import annotations

from collections.abc import Sequence
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
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
)
from saferoute.values.balancing import Cause, Facts, Hedge, Policy, Shadow
from saferoute.values.permission import Cost
from saferoute.values.target import Target
from tests.support.scripted import SSE, Answer, chat, stream
from tests.unit.balancing_cases import (
    FILTERED,
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
    of.failed(A, 995.0, 5.0, rate_limited("9"))
    world = Clockwork(ok(), fails(500), ok())
    reply = chat(kind, world, balanced(A, B, of=of))
    assert tried(reply.attempts) == [("b", "ok", "next in order")]
    assert reply.attempts[0].rejected == (("a", "rate limit of its quota group until 4.0 s from now"),)
    reply = chat(kind, world, balanced(A, B, of=of, max_attempts=2))
    assert [one.rejected for one in reply.attempts] == [(("a", "rate limit of its quota group until 4.0 s from now"),)] * 2
    assert world.asked == "bbb"
    assert in_flight(of, A, B) == [0, 0]


def rate_limited(after: str) -> SaferouteError:
    from saferoute.errors import RateLimited  # noqa: PLC0415  its arguments are asked for here only

    with pytest.raises(RateLimited) as caught:
        chat("blocking", Clockwork(fails(429, retry_after=after)), balanced(A, max_attempts=1))
    return caught.value


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
    of.begin(A, NOW_)
    of.failed(A, NOW_, 0.0, rate_limited("9"))
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, of=of, fallback={"any": (B,)}))
    assert tried(reply.attempts) == [("b", "ok", "fallback: any")]
    assert reply.attempts[0].rejected[0][0] == "a"


NOW_ = 1000.0
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


def test_a_request_that_is_too_long_goes_to_larger_rows_and_to_the_list(kind: str) -> None:
    small, large, unknown, smaller = sized("a", 8), sized("b", 32), sized("c", None), sized("d", 4)
    world = Clockwork(TOO_LONG, ok())
    reply = chat(kind, world, balanced(small, smaller, unknown, large))
    assert world.asked == "ab"
    assert tried(reply.attempts)[1] == ("b", "ok", "next in order")
    world = Clockwork(TOO_LONG, TOO_LONG, ok())
    reply = chat(kind, world, balanced(small, large, fallback={"context_window": (unknown,)}))
    assert world.asked == "ac"[:1] + "c"  # the list first; what it also refuses, nobody is known to take
    assert reply.attempts == ()


def test_a_request_that_is_too_long_never_goes_to_any(kind: str) -> None:
    caught = refused(kind, ContextWindowExceeded, Clockwork(TOO_LONG), A, B, fallback={"any": (C,)})
    assert len(caught.attempts) == 1


def test_what_was_filtered_goes_to_the_list_alone(kind: str) -> None:
    world = Clockwork(FILTERED, ok())
    reply = chat(kind, world, balanced(A, B, fallback={"content_filter": (C,), "any": (D,)}))
    assert world.asked == "ac"
    assert tried(reply.attempts)[1] == ("c", "ok", "fallback: content_filter")
    caught = refused(kind, ContentFiltered, Clockwork(FILTERED), A, B, fallback={"any": (D,), "timeout": (C,)})
    assert len(caught.attempts) == 1
