"""Hedges, one step after the other: who is asked, who wins, and what is put on record, counted and charged. The drivers have tests of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from saferoute.call.effects import Acquire, Reserve, Send
from saferoute.call.flow import Call
from saferoute.errors import BudgetExceeded, CapabilityInvalid, ConnectFailed, ServerError, StreamInterrupted, TimedOut, UntrustedTable
from saferoute.routing.health import Health
from saferoute.values.account import Debit
from saferoute.values.balancing import Hedge, Policy
from saferoute.values.http import Head
from saferoute.values.reply import Reply
from saferoute.values.target import Target
from tests.support.scripted import SSE, Answer, Playing
from tests.unit.balancing_cases import (
    HEDGED,
    NOW,
    A,
    B,
    C,
    Clockwork,
    Limiter,
    Track,
    balanced,
    broken,
    cap,
    fails,
    health,
    hedged,
    in_flight,
    known,
    ok,
    row,
    throttle,
    tried,
)
from tests.unit.test_charging import Book, charge
from tests.unit.test_flow import STREAM

LATE = "hedge: a took longer than 0.50 s"
ONCE = ("nonce:1", 5.0)


def run(what: Call, world: Clockwork, *orders: tuple[int, ...], stuck: type = Send) -> tuple[Reply[object], Track]:
    track = Track(world, *orders, stuck=stuck)
    return track.run(what), track


# ------------------------------------------------------------------------------------------------ when there is one


def test_a_hedge_waits_for_the_percentile_or_for_what_the_table_says() -> None:
    for after, seen, expected in ((0.1, 0.5, 0.5), (2.0, 0.5, 2.0)):
        of = known(health(), seen)
        _, track = run(balanced(A, B, of=of, policy=Policy(hedge=Hedge(after))), Clockwork(ok()), ())
        assert track.after == [expected]
        assert not track.raced[0].began


def test_there_is_none_until_the_name_is_known() -> None:
    of = health()
    for _ in range(19):
        of.took("fast", 0.5)
    _, track = run(balanced(A, B, of=of, policy=HEDGED), Clockwork(ok()))
    assert track.raced == []
    _, track = run(balanced(A, B, of=of, policy=HEDGED), Clockwork(ok()))  # what that call took was the twentieth
    assert len(track.raced) == 1


@pytest.mark.parametrize(
    ("rows", "fields"),
    [((A,), {}), ((A, B), {"max_attempts": 1}), ((A, A), {}), ((A, row("b", quota_group="rests")), {})],
)
def test_there_is_none_without_another_row_or_another_request(rows: tuple[Target, ...], fields: dict[str, Any]) -> None:
    of = health()
    resting = row("r", quota_group="rests")
    of.begin(resting, NOW)
    of.failed(resting, NOW, 0.0, rate_limit())
    _, track = run(hedged(*rows, of=of, **fields), Clockwork(ok()))
    assert track.raced == []


def rate_limit() -> Any:
    from saferoute.errors import RateLimited

    return RateLimited(status=429, retry_after=60.0)


def test_a_hedge_does_not_go_to_a_fallback_list() -> None:
    _, track = run(hedged(A, fallback={"any": (B,), "timeout": (C,)}), Clockwork(ok()))
    assert track.raced == []


# ------------------------------------------------------------------------------------------------ who wins


def test_the_second_wins_and_the_first_is_given_up() -> None:
    of, world = health(), Clockwork(ok(after=0.25))
    reply, track = run(hedged(A, B, of=of), world, (1,))
    assert reply.target == "b"
    assert tried(reply.attempts) == [("a", "given up", "ordered"), ("b", "ok", LATE)]
    assert [(one.seconds, one.status) for one in reply.attempts] == [(0.75, None), (0.25, 200)]
    assert track.raced[0].winner == 1
    assert world.asked == "b"  # of a's request nothing was let through here
    assert in_flight(of, A, B) == [0, 0]
    (a, b) = of.shown((A, B), world.now)
    assert (a.latency, a.failures, b.latency) == (None, 0, 0.25)  # of b what b took, and not what was waited for a


@pytest.mark.parametrize("hedge", [0.125, 4.0])
def test_a_row_that_hangs_makes_hedges_neither_later_nor_more_frequent(hedge: float) -> None:
    of = known(health(), 0.5)
    for _ in range(100):
        run(balanced(A, B, of=of, policy=HEDGED), Clockwork(ok(after=hedge)), (1,))
        assert of.p95("fast") == 0.5
    run(balanced(A, B, of=of, policy=HEDGED), Clockwork(ok(after=hedge)), (0,))  # the first answered after all: that is what it took
    for _ in range(6):
        run(balanced(A, B, of=of, policy=HEDGED), Clockwork(ok(after=9.0)), (0,))
    assert of.p95("fast") == 0.5 + min(hedge, 9.0)


def test_the_first_wins_though_the_second_has_begun() -> None:
    of, world = health(), Clockwork(ok(after=0.25))
    reply, _ = run(hedged(A, B, of=of), world, (0,))
    assert reply.target == "a"
    assert tried(reply.attempts) == [("b", "given up", LATE), ("a", "ok", "ordered")]
    assert [one.seconds for one in reply.attempts] == [0.25, 0.75]
    assert in_flight(of, A, B) == [0, 0]


def test_one_that_fails_leaves_the_race_to_the_other() -> None:
    of = health()
    reply, _ = run(hedged(A, B, of=of), Clockwork(fails(500, after=0.25), ok(after=0.25)), (1, 0))
    assert tried(reply.attempts) == [("b", "ServerError", LATE), ("a", "ok", "ordered")]
    assert [one.seconds for one in reply.attempts] == [0.25, 1.0]
    reply, _ = run(hedged(A, B, of=of), Clockwork(fails(500), ok()), (0, 1))
    assert tried(reply.attempts) == [("a", "ServerError", "ordered"), ("b", "ok", LATE)]
    assert in_flight(of, A, B) == [0, 0]


def test_a_first_that_fails_in_time_is_an_attempt_like_any_other() -> None:
    world = Clockwork(fails(500), ok())
    reply, track = run(hedged(A, B), world, ())
    assert tried(reply.attempts) == [("a", "ServerError", "ordered"), ("b", "ok", "next in order")]
    assert [one.began for one in track.raced] == [False]  # there is no third row for the second attempt


def test_after_both_have_failed_the_call_goes_on() -> None:
    of, world = health(), Clockwork(fails(500, after=0.25), fails(503, after=0.25), ok())
    reply, track = run(hedged(A, B, C, of=of), world, (1, 0))
    assert tried(reply.attempts) == [("b", "ServerError", LATE), ("a", "Overloaded", "ordered"), ("c", "ok", "next in order")]
    assert [one.seconds for one in reply.attempts[:2]] == [0.25, 1.0]
    assert [one.status for one in reply.attempts] == [500, 503, 200]
    assert len(track.raced) == 1
    assert in_flight(of, A, B, C) == [0, 0, 0]


@pytest.mark.parametrize("error", [ConnectFailed("refused"), TimedOut(clock="idle", seconds=1, sent=True)])
def test_both_may_fail_without_a_head(error: Any) -> None:
    with pytest.raises(type(error)) as caught:
        run(hedged(A, B, max_attempts=2), Clockwork(broken(error), broken(error)), (0, 1))
    assert [one.target for one in caught.value.attempts] == ["b", "a"]


def test_the_fallback_comes_after_both() -> None:
    world = Clockwork(fails(500), fails(500), ok())
    reply, _ = run(hedged(A, B, fallback={"any": (C,)}), world, (0, 1))
    assert tried(reply.attempts)[2] == ("c", "ok", "fallback: any")


# ------------------------------------------------------------------------------------------------ streams


def test_a_stream_goes_on_from_the_winner() -> None:
    of = health()
    reply, track = run(hedged(A, B, of=of, stream=True), Clockwork(Answer(STREAM, headers=SSE)), (1,))
    assert [one.type for one in track.emitted] == ["started", "text", "text", "part_end", "finished"]
    assert tried(reply.attempts) == [("a", "given up", "ordered"), ("b", "ok", LATE)]
    assert track.emitted[-1].reply.attempts == reply.attempts
    assert in_flight(of, A, B) == [0, 0]


def test_a_winner_that_breaks_off_ends_the_call() -> None:
    of = health()
    world = Clockwork(Answer([*STREAM[:2], StreamInterrupted("cut")], headers=SSE))
    with pytest.raises(StreamInterrupted) as caught:
        run(hedged(A, B, C, of=of, stream=True), world, (1,))
    assert tried(caught.value.attempts) == [("a", "given up", "ordered"), ("b", "StreamInterrupted", LATE)]
    assert caught.value.partial is not None
    assert caught.value.partial.text == "hel"
    assert in_flight(of, A, B, C) == [0, 0, 0]


# ------------------------------------------------------------------------------------------------ requests


class Rotating(Clockwork):
    """Each answer stands for two requests where no other may not follow: the key has another revision."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*answers)
        self.sent = 0

    def open(self, request: Any, clocks: Any) -> Playing:
        playing = super().open(request, clocks)
        requests = 1 if clocks.last else 2
        self.sent += requests
        playing.head = Head(playing.head.status, playing.head.headers, requests=requests)
        return playing


@pytest.mark.parametrize("most", range(2, 9))
def test_a_hedge_and_its_keys_send_no_more_than_the_call_may(most: int) -> None:
    world = Rotating(*[fails(500)] * 8)
    rows = tuple(row(name) for name in "abcdefgh")
    with pytest.raises(ServerError):
        run(hedged(*rows, max_attempts=most), world, *[(0, 1)] * 4)
    assert world.sent == most


def test_what_a_race_put_on_record_about_keys_stays() -> None:
    reply, _ = run(hedged(A, B, max_attempts=4), Rotating(fails(500), ok()), (0, 1))
    refused = "AuthenticationRejected"
    assert tried(reply.attempts) == [
        ("a", refused, "ordered"), ("a", "ServerError", "ordered"), ("b", refused, LATE), ("b", "ok", LATE),
    ]  # fmt: skip
    reply, _ = run(hedged(A, B, C, max_attempts=5), Rotating(fails(500), fails(500), ok()), (0, 1))
    assert [(one.target, one.outcome) for one in reply.attempts] == [
        ("a", refused), ("b", refused), ("b", "ServerError"), ("a", "ServerError"), ("c", "ok"),
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------------ money


def test_a_hedge_needs_money_for_both() -> None:
    _, track = run(hedged(A, B, cap=cap(19, a=10, b=10)), Clockwork(ok()))
    assert track.raced == []
    _, track = run(hedged(A, B, cap=cap(20, a=10, b=10)), Clockwork(ok()), ())
    assert len(track.raced) == 1
    _, track = run(hedged(A, B, C, cap=cap(20, a=10, b=11, c=10)), Clockwork(ok()), (1,))
    assert track.raced[0].winner == 1
    assert track.raced[0].began


def test_what_the_loser_may_have_cost_counts() -> None:
    with pytest.raises(ServerError) as caught:
        run(hedged(A, B, C, cap=cap(29, a=10, b=10, c=10)), Clockwork(fails(500), fails(500)), (0, 1))
    assert len(caught.value.attempts) == 2
    world = Clockwork(fails(500), fails(429), ok())
    run(hedged(A, B, C, cap=cap(29, a=10, b=10, c=10)), world, (0, 1))  # a refusal costs nothing
    assert world.asked == "abc"


class Tight(Book):
    """Accounts that have the worst case of so many attempts at once."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def reserve(self, debits: Any) -> str:
        if len(self.reserved) - len(self.settled) >= self._most:
            raise BudgetExceeded("the budget is used up", code="budget")
        return super().reserve(debits)


def test_each_of_the_two_holds_its_worst_case_back_and_the_loser_pays_it() -> None:
    book = Book()
    run(hedged(A, B, charge=charge(book, rows=("a", "b"))), Clockwork(ok()), (1,))
    assert [debits[0] for debits in book.reserved] == [("k", 700_000)] * 2
    assert sorted(book.settled) == [("r1", (700_000, 1)), ("r2", (700_000, 1))]  # r2 has no prices: nothing is known but its worst case


def test_without_the_money_for_both_the_first_goes_on_alone() -> None:
    book, of = Tight(1), health()
    reply, _ = run(hedged(A, B, of=of, charge=charge(book, rows=("a", "b"))), Clockwork(ok()), (0,))
    assert tried(reply.attempts) == [("a", "ok", "ordered")]
    assert len(book.reserved) == 1
    assert in_flight(of, A, B) == [0, 0]
    world = Clockwork(fails(503), ok())  # b was not asked, and may still be
    reply, _ = run(hedged(A, B, max_attempts=2, charge=charge(Tight(1), rows=("a", "b"))), world, (0,))
    assert tried(reply.attempts) == [("a", "Overloaded", "ordered"), ("b", "ok", "next in order")]


# ------------------------------------------------------------------------------------------------ nonces


class Door(Book):
    """Accounts that remember nonces, and how often they were asked about one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def reserve(self, debits: Any) -> str:
        return super().reserve([Debit(one.account, one.amount) for one in debits])

    def first_use(self, key: str, expires_at: float) -> bool:
        self.asked += 1
        return super().first_use(key, expires_at)


@pytest.mark.parametrize("order", [(0,), (1,), (0, 1), (1, 0)])
def test_a_hedge_presents_the_nonce_once(order: tuple[int, ...]) -> None:
    door = Door()
    answers = [fails(500), ok()][2 - len(order) :]
    reply, track = run(hedged(A, B, charge=charge(door, once=ONCE, rows=("a", "b"))), Clockwork(*answers), order)
    assert track.raced[0].began
    assert reply.target == "ab"[order[-1]]
    assert (door.asked, len(door.reserved)) == (1, 2)


def test_a_nonce_that_was_used_before_stops_both() -> None:
    door = Door()
    door.seen.add(ONCE[0])
    world = Clockwork()
    with pytest.raises(CapabilityInvalid, match="used before"):
        run(hedged(A, B, charge=charge(door, once=ONCE, rows=("a", "b"))), world, (0, 1), stuck=Reserve)
    assert (world.requests, door.asked, door.reserved) == ([], 1, [])


def test_a_hedge_does_not_run_ahead_of_the_nonce() -> None:
    """The first attempt is still asking whether the nonce is fresh when the second would begin: it does not know, and sends nothing."""
    door, of, world = Door(), health(), Clockwork(ok())
    reply, track = run(hedged(A, B, of=of, charge=charge(door, once=ONCE, rows=("a", "b"))), world, (0, 1), stuck=Reserve)
    assert tried(reply.attempts) == [("a", "ok", "ordered")]
    assert track.raced[0].began
    assert (world.asked, door.asked, len(door.reserved)) == ("a", 1, 1)
    assert in_flight(of, A, B) == [0, 0]
    door, world = Door(), Clockwork(fails(500), ok())
    reply, _ = run(hedged(A, B, charge=charge(door, once=ONCE, rows=("a", "b")), max_attempts=2), world, (0, 1), stuck=Reserve)
    assert (world.asked, door.asked, len(door.reserved)) == ("ab", 1, 2)


# ------------------------------------------------------------------------------------------------ limits, and what cannot be sent


def test_a_hedge_without_room_is_none_and_its_row_stays_in_line() -> None:
    limits = throttle(Limiter(None, 7.0), a=(), b=())
    limits = replace(limits, draws={name: throttle(Limiter()).draws["a"] for name in "ab"})
    of, world = health(), Clockwork(ok())
    reply, track = run(hedged(A, B, of=of, throttle=limits), world, (0,))
    assert track.raced[0].began
    assert tried(reply.attempts) == [("a", "ok", "ordered")]
    assert in_flight(of, A, B) == [0, 0]


def test_two_without_room_are_refused_without_a_pause_for_nothing() -> None:
    limits = replace(throttle(Limiter(9.0, 7.0)), draws={name: throttle(Limiter()).draws["a"] for name in "ab"})
    world = Clockwork(ok())
    track = Track(world, (1, 0), stuck=Acquire)
    reply = track.run(hedged(A, B, throttle=limits, wait=True))
    assert world.slept == [0.0, pytest.approx(7.0)]
    assert len(reply.attempts) == 1


def test_a_failure_of_the_hedge_counts_where_the_first_was_not_sent() -> None:
    limiter = Limiter(9.0)
    of, world = health(), Clockwork(fails(500), fails(500))
    with pytest.raises(ServerError) as caught:
        run(hedged(A, B, of=of, throttle=throttle(limiter), max_attempts=2), world, (1, 0), stuck=Acquire)
    assert tried(caught.value.attempts) == [("b", "ServerError", LATE), ("b", "ServerError", "retry")]
    assert in_flight(of, A, B) == [0, 0]


def test_a_rival_that_cannot_take_the_call_does_not_disturb_it() -> None:
    of, world = health(), Clockwork(ok())

    def check(target: Target) -> None:
        if target.id == "b":
            raise UntrustedTable("not what was signed")

    reply, _ = run(replace(hedged(A, B, of=of), recheck=check), world, (0,))
    assert tried(reply.attempts) == [("a", "ok", "ordered")]
    assert in_flight(of, A, B) == [0, 0]


def test_a_first_that_cannot_take_the_call_ends_it() -> None:
    def check(_: Target) -> None:
        raise UntrustedTable("not what was signed")

    of: Health = health()
    with pytest.raises(UntrustedTable) as caught:
        run(replace(hedged(A, B, of=of), recheck=check), Clockwork(), (0,))
    assert caught.value.attempts == ()
    assert in_flight(of, A, B) == [0, 0]
