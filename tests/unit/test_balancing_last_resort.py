"""A call that finds every row resting: a guess of ours is no reason to send nothing, and what was said is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import (
    AllRoutesCooling,
    ContextWindowExceeded,
    Overloaded,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    SaferouteError,
    ServerError,
)
from saferoute.routing.health import Health
from saferoute.values.balancing import Limits, Rejected
from saferoute.values.target import Target
from tests.support.scripted import SSE, Answer, chat, stream
from tests.unit.balancing_cases import (
    NOW,
    QUOTA,
    TOO_LONG,
    A,
    B,
    C,
    Clockwork,
    Limiter,
    Track,
    balanced,
    fails,
    health,
    hedged,
    in_flight,
    known,
    ok,
    row,
    sized,
    throttle,
    tried,
)
from tests.unit.test_flow import STREAM

both = pytest.mark.parametrize("kind", ["blocking", "asyncio"])

ALONE, EVERY = "last resort: the only row rests", "last resort: every row rests"
DOWN, UNSAID = ServerError(status=500), RateLimited(status=429)


def after(target: Target, *errors: SaferouteError, of: Health | None = None) -> Health:
    """A health in which requests to a row left a second ago and failed half a second ago."""
    of = of or health()
    for _ in errors:
        assert of.begin(target, NOW - 1) is None
    for error in errors:
        of.failed(target, NOW - 0.5, 0.5, error)
    return of


def opened(target: Target, of: Health | None = None) -> Health:
    """A health in which a row's breaker opened half a second ago, for 5 s."""
    return after(target, *[DOWN] * 5, of=of)


@pytest.mark.parametrize("errors", [[DOWN] * 5, [UNSAID], [QuotaExceeded(status=429)]])
@both
def test_the_only_row_is_asked_though_it_rests(kind: str, errors: list[SaferouteError]) -> None:
    of, world = after(A, *errors), Clockwork(ok())
    reply = chat(kind, world, balanced(A, of=of))
    assert tried(reply.attempts) == [("a", "ok", ALONE)]
    assert [name for name, _ in reply.attempts[0].rejected] == ["a"]
    assert (world.slept, in_flight(of, A)) == ([], [0])
    assert of.refusal(A, NOW) is None  # an answer has shown that the guess was wrong


@both
def test_what_the_provider_says_then_is_what_the_caller_sees_at_one_request_a_call(kind: str) -> None:
    of = opened(A)
    for _ in range(4):
        world = Clockwork(fails(500))
        with pytest.raises(ServerError) as caught:
            chat(kind, world, balanced(A, of=of, max_attempts=5))
        assert tried(caught.value.attempts) == [("a", "ServerError", ALONE)]
        assert (world.asked, world.slept) == ("a", [])
    rejected = of.refusal(A, NOW)
    assert rejected is not None
    assert rejected.retry_at == NOW + 4.5  # it opened once, and these have not made it longer


@both
def test_of_several_the_one_that_is_ready_first_and_then_the_first_in_order(kind: str) -> None:
    of = after(B, UNSAID, of=opened(A))
    assert tried(chat(kind, Clockwork(ok()), balanced(A, B, of=of)).attempts) == [("b", "ok", EVERY)]
    of = opened(B, opened(A))
    reply = chat(kind, Clockwork(ok()), balanced(A, B, of=of))
    assert tried(reply.attempts) == [("a", "ok", EVERY)]
    assert reply.attempts[0].rejected == (("a", "breaker open for 4.5 s"), ("b", "breaker open for 4.5 s"))
    with pytest.raises(ServerError) as caught:
        chat(kind, Clockwork(fails(500)), balanced(A, B, C, of=opened(C, opened(B, opened(A)))))
    assert tried(caught.value.attempts) == [("a", "ServerError", EVERY)]


@both
def test_a_row_that_is_free_goes_first_and_those_of_any_are_asked_before(kind: str) -> None:
    reply = chat(kind, Clockwork(ok()), balanced(A, B, of=opened(A)))
    assert tried(reply.attempts) == [("b", "ok", "next in order")]
    reply = chat(kind, Clockwork(ok()), balanced(A, of=opened(A), fallback={"any": (B,)}))
    assert tried(reply.attempts) == [("b", "ok", "fallback: any")]
    of = after(B, UNSAID, of=opened(A))
    reply = chat(kind, Clockwork(ok()), balanced(A, of=of, fallback={"any": (B,)}))
    assert tried(reply.attempts) == [("b", "ok", EVERY)]


@both
def test_what_was_said_is_kept_and_the_others_are_looked_at(kind: str) -> None:
    said = after(A, RateLimited(status=429, retry_after=2.0))
    with pytest.raises(AllRoutesCooling):
        chat(kind, Clockwork(), balanced(A, of=said))
    with pytest.raises(AllRoutesCooling):
        chat(kind, Clockwork(), balanced(B, of=after(B, *[DOWN] * 4, Overloaded(status=503, retry_after=2.0))))
    reply = chat(kind, Clockwork(ok()), balanced(A, B, of=opened(B, said)))
    assert tried(reply.attempts) == [("b", "ok", EVERY)]  # though the first one is ready sooner


@both
def test_a_limit_is_kept(kind: str) -> None:
    full, of = row("a", limits=Limits(concurrent=1, adaptive=True)), health()
    of.begin(full, NOW)
    with pytest.raises(AllRoutesCooling, match="adaptive bound of 1"):
        chat(kind, Clockwork(), balanced(full, of=of))
    with pytest.raises(AllRoutesCooling, match="are used; room in 2"):
        chat(kind, Clockwork(), balanced(A, of=opened(A), throttle=throttle(Limiter(2.0))))


@both
def test_where_a_limit_is_full_the_next_one_is_the_last_resort(kind: str) -> None:
    reply = chat(kind, Clockwork(ok()), balanced(A, B, of=opened(B, opened(A)), throttle=throttle(Limiter(2.0))))
    assert tried(reply.attempts) == [("b", "ok", EVERY)]


@both
def test_a_moment_is_waited_for_instead_and_then_it_is_a_call_as_any_other(kind: str) -> None:
    of = health()
    of.begin(A, NOW - 1)
    of.failed(A, NOW - 0.95, 0.05, UNSAID)  # for a second, of which 0.05 s are left
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, of=of))
    assert tried(reply.attempts) == [("a", "ok", "the only row")]
    assert world.slept == [pytest.approx(0.05)]
    world = Clockwork(ok())
    of = health()
    of.begin(A, NOW - 1)
    of.failed(A, NOW - 0.95, 0.05, UNSAID)
    assert tried(chat(kind, world, balanced(A, of=of, total=0.04)).attempts) == [("a", "ok", ALONE)]  # no time for even that
    assert world.slept == []


@both
def test_with_wait_it_waits(kind: str) -> None:
    world = Clockwork(ok())
    reply = chat(kind, world, balanced(A, of=opened(A), wait=True))
    assert (tried(reply.attempts), world.slept) == ([("a", "ok", "the only row")], [4.5])
    with pytest.raises(AllRoutesCooling):
        chat(kind, Clockwork(), balanced(A, of=opened(A), wait=True, total=4.0))


@both
def test_a_failure_that_names_a_time_is_not_waited_for_either(kind: str) -> None:
    for status, of in ((429, after(A, UNSAID)), (503, opened(A)), (500, opened(A))):
        world = Clockwork(fails(status, retry_after_ms="300"))
        with pytest.raises(ProviderError) as caught:
            chat(kind, world, balanced(A, of=of))
        assert caught.value.retry_after == 0.3
        assert (len(caught.value.attempts), world.slept) == (1, [])


@both
def test_a_rate_limit_is_waited_for_if_it_is_a_moment(kind: str) -> None:
    world = Clockwork(fails(429, after=0.45, retry_after_ms="80"), ok())  # the rest of before has 0.05 s to go
    reply = chat(kind, world, balanced(A, of=after(A, UNSAID)))
    assert tried(reply.attempts) == [("a", "RateLimited", ALONE), ("a", "ok", "retry")]
    assert world.slept == [pytest.approx(0.105)]
    of, world = after(A, UNSAID), Clockwork(fails(429))
    with pytest.raises(RateLimited) as caught:
        chat(kind, world, balanced(A, of=of))
    assert (tried(caught.value.attempts), world.slept) == ([("a", "RateLimited", ALONE)], [])
    rejected = of.refusal(A, NOW)
    assert rejected is not None
    assert rejected.retry_at == NOW + 2.0  # the second refusal in a row


@both
def test_what_does_not_rest_may_follow_it(kind: str) -> None:
    large = sized("b", 32)
    reply = chat(kind, Clockwork(TOO_LONG, ok()), balanced(A, of=opened(A), fallback={"context_window": (large,)}))
    assert tried(reply.attempts) == [("a", "ContextWindowExceeded", ALONE), ("b", "ok", "fallback: context_window")]
    of = after(A, QuotaExceeded(status=429))
    reply = chat(kind, Clockwork(QUOTA, ok()), balanced(A, of=of, fallback={"quota": (B,)}))
    assert tried(reply.attempts) == [("a", "QuotaExceeded", ALONE), ("b", "ok", "fallback: quota")]
    with pytest.raises(ContextWindowExceeded):
        chat(kind, Clockwork(TOO_LONG), balanced(A, B, of=opened(B, opened(A))))


@both
def test_a_row_that_is_ready_by_then_is_asked_as_usual(kind: str) -> None:
    of = after(B, UNSAID, of=opened(A))
    world = Clockwork(fails(500, after=6.0), ok())
    reply = chat(kind, world, balanced(A, B, of=of))
    assert tried(reply.attempts) == [("b", "ServerError", EVERY), ("a", "ok", "next in order")]
    assert of.shown((A,), world.now)[0].breaker == "closed"


class Recovering(Health):
    """The second row comes back when it has been looked at so often: by two looks for a row, and by one for a last resort."""

    def __init__(self, looks: int) -> None:
        super().__init__(lambda: 0.5)
        self._looks = looks

    def refusal(self, target: Target, now: float) -> Rejected | None:
        self._looks -= target.id == "b"
        return super().refusal(target, now) if target.id != "b" or self._looks >= 0 else None


def test_it_is_never_hedged() -> None:
    of = known(Recovering(3), 0.5)
    opened(B, opened(A, of))
    track = Track(Clockwork(ok()))
    reply = track.run(hedged(A, B, of=of))
    assert track.raced == []
    assert tried(reply.attempts) == [("a", "ok", EVERY)]


@both
def test_a_row_that_came_back_meanwhile_is_taken(kind: str) -> None:
    of = Recovering(2)
    after(A, UNSAID, of=opened(B, of))
    assert tried(chat(kind, Clockwork(ok()), balanced(A, B, of=of)).attempts) == [("b", "ok", EVERY)]


@both
def test_calls_that_meet_a_probe_under_way_go_beside_it_and_do_not_disturb_it(kind: str) -> None:
    of = health()
    for _ in range(5):
        of.begin(A, NOW - 6)
    for _ in range(5):
        of.failed(A, NOW - 6, 0.0, DOWN)

    class Racing(Limiter):
        def acquire(self, draws: Any, hold: float) -> Any:
            of.begin(A, NOW)  # another call's probe leaves while this one asks for room, the first time
            return super().acquire(draws, hold)

    limiter = Racing()
    with pytest.raises(ServerError) as caught:
        chat(kind, Clockwork(fails(500)), balanced(A, of=of, throttle=throttle(limiter)))
    assert tried(caught.value.attempts) == [("a", "ServerError", ALONE)]
    assert limiter.released == [("l1", (0, 0)), ("l2", (None, None))]
    assert of.shown((A,), NOW)[0].breaker == "half_open"
    assert of.refusal(A, NOW) is not None  # the probe is still under way
    of.succeeded(A, NOW + 1, 1.0, None)
    assert of.shown((A,), NOW + 1)[0].breaker == "closed"


@both
def test_a_consumer_who_leaves_a_last_resort_leaves_the_breaker_as_it_is(kind: str) -> None:
    of = opened(A)
    stream(kind, Clockwork(Answer(STREAM, headers=SSE)), balanced(A, of=of, stream=True), take=1)
    assert in_flight(of, A) == [0]
    assert of.shown((A,), NOW)[0].breaker == "open"


@both
def test_a_copy_has_none(kind: str) -> None:
    what = balanced(A, of=opened(A))
    with pytest.raises(AllRoutesCooling):
        chat(kind, Clockwork(), replace(what, balancing=replace(what.balancing, last_resort=False)))
