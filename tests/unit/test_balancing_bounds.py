"""What all attempts of a call share: one bound on money, one on requests, and the limits of their rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pydantic
import pytest

from saferoute.call.balancing import Throttle
from saferoute.errors import (
    AllRoutesCooling,
    AuthenticationRejected,
    ConfigurationError,
    ConnectFailed,
    OutputInvalid,
    ServerError,
    TimedOut,
)
from saferoute.values.http import Head
from saferoute.values.limits import Draw, Quota
from saferoute.values.output import output_from
from saferoute.values.target import Prices, Target
from tests.support.scripted import SSE, Answer, Playing, World, chat, stream
from tests.unit.balancing_cases import (
    NOW,
    REQUESTS,
    TOKENS,
    WALL,
    A,
    B,
    Clockwork,
    Limiter,
    balanced,
    broken,
    cap,
    fails,
    health,
    in_flight,
    ok,
    row,
    throttle,
    tried,
)
from tests.unit.test_charging import Book, charge
from tests.unit.test_flow import STREAM

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])
UNSENT = ConnectFailed("refused")


# ------------------------------------------------------------------------------------------------ money


def test_what_a_failure_may_have_cost_counts_against_the_cap(kind: str) -> None:
    world = Clockwork(fails(500), fails(500), ok())
    with pytest.raises(ServerError) as caught:
        chat(kind, world, balanced(A, B, cap=cap(29, a=10, b=10)))
    assert world.asked == "ab"
    assert tried(caught.value.attempts)[1] == ("b", "ServerError", "next in order")
    world = Clockwork(fails(500), fails(500), ok())
    chat(kind, world, balanced(A, B, cap=cap(30, a=10, b=10)))
    assert world.asked == "aba"


def test_a_row_that_is_too_dear_by_now_is_passed_over(kind: str) -> None:
    world = Clockwork(fails(500), fails(500), ok())
    reply = chat(kind, world, balanced(A, B, cap=cap(30, a=10, b=21)))
    assert world.asked == "aaa"
    assert reply.attempts[1].rejected == (("b", "what this call may cost does not cover another attempt there"),)


@pytest.mark.parametrize("answer", [fails(429), fails(503), broken(UNSENT)])
def test_what_cost_nothing_does_not_count(kind: str, answer: Answer) -> None:
    world = Clockwork(answer, ok())
    chat(kind, world, balanced(A, B, cap=cap(10, a=10, b=10)))
    assert world.asked == "ab"


def test_a_row_without_a_known_worst_case_takes_all_that_is_left(kind: str) -> None:
    world = Clockwork(fails(500), fails(500), ok())
    chat(kind, world, balanced(A, B, cap=cap(30, a=10)))
    assert world.asked == "aaa"


class Number(pydantic.BaseModel):
    n: int


def test_what_the_provider_reported_counts_in_place_of_the_worst_case(kind: str) -> None:
    """An answer that does not fit is tried elsewhere where the table's rows differ; here it ends the call, and its cost is known."""
    priced = row("row", prices=Prices("USD", input=1_000, output=10_000))
    book = Book()
    call = balanced(priced, output=output_from(Number), charge=charge(book), cap=cap(1_000_000, row=700_000))
    with pytest.raises(OutputInvalid):
        chat(kind, Clockwork(ok()), call)
    assert book.settled == [("r1", (3 * 1_000 + 2 * 10_000, 1))]


# ------------------------------------------------------------------------------------------------ requests


class Rotating(World):
    """A world that presents a key's other revision: each answer stood for so many requests."""

    def __init__(self, *answers: tuple[Answer, int]) -> None:
        super().__init__(*[answer for answer, _ in answers])
        self._requests = [requests for _, requests in answers]

    def open(self, request: Any, clocks: Any) -> Playing:
        playing = super().open(request, clocks)
        playing.head = Head(playing.head.status, playing.head.headers, requests=self._requests.pop(0))
        return playing


def test_the_second_request_with_another_revision_of_a_key_counts(kind: str) -> None:
    world = Rotating((fails(401), 2), (fails(500), 1), (ok(), 1))
    with pytest.raises(ServerError) as caught:
        chat(kind, world, balanced(A, B, max_attempts=3))
    assert tried(caught.value.attempts) == [
        ("a", "AuthenticationRejected", "ordered"), ("a", "AuthenticationRejected", "ordered"), ("b", "ServerError", "next in order"),
    ]  # fmt: skip
    assert [one.last for one in world.clocks] == [False, True]
    with pytest.raises(AuthenticationRejected):
        chat(kind, Rotating((fails(401), 2), (ok(), 1)), balanced(A, B, max_attempts=2))


# ------------------------------------------------------------------------------------------------ limits


def test_a_row_without_room_is_passed_over_and_the_next_is_asked(kind: str) -> None:
    limiter = Limiter(7.0)
    of, world = health(), Clockwork(ok())
    reply = chat(kind, world, balanced(A, B, of=of, throttle=throttle(limiter)))
    assert tried(reply.attempts) == [("b", "ok", "next in order")]
    assert reply.attempts[0].rejected == (("a", "the route a: 3 requests a minute are used; room in 7.0 s"),)
    assert limiter.acquired == [("row|t|a:1", "row|t|a:100")]  # nothing is drawn for b
    assert limiter.released == []
    assert in_flight(of, A, B) == [0, 0]


@pytest.mark.parametrize(
    ("kind_of_limit", "words"),
    [
        ("requests", "3 requests a minute are used"),
        ("tokens", "3 tokens a minute are used"),
        ("concurrent", "3 requests under way are used"),
    ],
)
def test_without_room_anywhere_the_limit_says_so(kind: str, kind_of_limit: Any, words: str) -> None:
    draws = (Draw(Quota("k", kind_of_limit, 3, "the alias smart")),)
    with pytest.raises(AllRoutesCooling) as caught:
        chat(kind, Clockwork(), balanced(A, B, throttle=throttle(Limiter(7.0, 9.0), a=draws, b=draws)))
    assert caught.value.retry_at == WALL + 7.0
    reasons = f"(a: the alias smart: {words}; room in 7.0 s; b: the alias smart: {words}; room in 9.0 s)"
    assert f"no row of 'fast' may be asked now {reasons}: try again in 7.0 s" in str(caught.value)


def test_a_limit_that_says_there_is_room_now_is_not_asked_without_a_pause(kind: str) -> None:
    world = Clockwork(ok())
    chat(kind, world, balanced(A, throttle=throttle(Limiter(0.0, -1.0))))
    assert world.slept == [pytest.approx(0.01)] * 2


def test_what_was_used_is_given_back(kind: str) -> None:
    limiter = Limiter()
    chat(kind, Clockwork(ok(tokens=40)), balanced(A, throttle=throttle(limiter)))
    assert limiter.released == [("l1", (None, 40))]


@pytest.mark.parametrize(
    ("answer", "used"),
    [
        (broken(UNSENT), (0, 0)),
        (fails(429), (0, 0)),
        (fails(500), (None, None)),
        (broken(TimedOut(clock="first_byte", seconds=1, sent=True)), (None, None)),
    ],
)
def test_a_failure_gives_back_what_did_not_happen(kind: str, answer: Answer, used: tuple[int | None, ...]) -> None:
    limiter = Limiter()
    world = Clockwork(answer, ok())
    chat(kind, world, balanced(A, B, throttle=throttle(limiter)))
    assert limiter.released == [("l1", used)]
    assert world.asked == "ab"


def test_every_attempt_takes_of_the_limits(kind: str) -> None:
    limiter = Limiter(None, 2.0)
    world = Clockwork(fails(500), ok())
    reply = chat(kind, world, balanced(A, throttle=throttle(limiter), wait=True))
    assert len(limiter.acquired) == 3
    assert limiter.released == [("l1", (None, None)), ("l3", (None, 5))]
    assert tried(reply.attempts) == [("a", "ServerError", "the only row"), ("a", "ok", "retry")]
    assert world.slept == [0.25, 2.0]


@pytest.mark.parametrize("take", [1, 2, None])
def test_a_stream_gives_back_when_it_ends_or_is_left(kind: str, take: int | None) -> None:
    limiter = Limiter()
    stream(kind, Clockwork(Answer(STREAM, headers=SSE)), balanced(A, throttle=throttle(limiter), stream=True), take=take)
    assert limiter.released == [("l1", (None, None))]


def test_a_defect_gives_the_lease_back(kind: str) -> None:
    limiter = Limiter()

    def check(_: Target) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        chat(kind, Clockwork(), replace(balanced(A, throttle=throttle(limiter)), recheck=check))
    assert limiter.released == [("l1", (None, None))]


def test_a_probe_that_was_taken_meanwhile_gives_everything_back(kind: str) -> None:
    of = health()
    for _ in range(5):
        of.begin(A, NOW - 6)
        of.failed(A, NOW - 6, 0.0, ServerError(status=500))

    class Racing(Limiter):
        def acquire(self, draws: Any, hold: float) -> Any:
            of.begin(A, NOW)  # another call's probe leaves while this one asks for room
            return super().acquire(draws, hold)

    limiter = Racing()
    with pytest.raises(AllRoutesCooling, match="another request is finding out"):
        chat(kind, Clockwork(), balanced(A, of=of, throttle=throttle(limiter), wait=True, total=2.0))
    assert limiter.released == [("l1", (0, 0))]
    assert in_flight(of, A) == [1]


def test_a_store_that_is_gone_ends_the_call(kind: str) -> None:
    class Gone(Limiter):
        def acquire(self, draws: Any, hold: float) -> Any:
            raise ConfigurationError("the limits cannot be reached")

    of = health()
    with pytest.raises(ConfigurationError):
        chat(kind, Clockwork(), balanced(A, B, of=of, throttle=throttle(Gone())))
    assert in_flight(of, A, B) == [0, 0]


def test_a_store_that_is_silent_is_not_told_as_an_answer_of_the_row_before(kind: str) -> None:
    class Silent(Limiter):
        def acquire(self, draws: Any, hold: float) -> Any:
            if self.acquired:
                raise TimedOut(clock="total", seconds=5.0, sent=False)
            return super().acquire(draws, hold)

    draws = (Draw(REQUESTS),)
    with pytest.raises(TimedOut) as caught:
        chat(kind, Clockwork(fails(500)), balanced(A, B, throttle=throttle(Silent(), a=draws, b=draws)))
    assert [(one.target, one.outcome, one.status) for one in caught.value.attempts] == [("a", "ServerError", 500), ("b", "TimedOut", None)]


def test_what_a_limit_holds_is_released_after_the_money_is_settled(kind: str) -> None:
    order: list[str] = []

    class Noting(Limiter):
        def release(self, lease: Any, used: Any) -> None:
            order.append("released")

    class Counting(Book):
        def settle(self, reservation: str, amounts: Any) -> None:
            order.append("settled")

    limits = Throttle(Noting(), {"row": (Draw(REQUESTS), Draw(TOKENS))}, 630.0)  # type: ignore[arg-type]  # as in balancing_cases
    chat(kind, Clockwork(ok()), balanced(row("row"), throttle=limits, charge=charge(Counting())))
    assert order == ["settled", "released"]
