"""Hedges and shadows through the public clients: real servers, a signed table, a capability with a budget."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.errors import ServerError, StreamInterrupted
from saferoute.testing.script import RawAnswer
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS, Face
from tests.support.counting_server import fails, says, sse

pytestmark = pytest.mark.parametrize("kind", KINDS)
HEDGE = 'targets = ["a", "b"]\nhedge = { after = "150ms" }\n'


def shadow(share: int = 1000, most: str = "$0.01", more: str = "") -> str:
    return f'targets = ["a", "b"]\nshadow = {{ target = "s", share = {share}, max_cost = "{most}"{more} }}\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


def spent(face: Face) -> tuple[int, int]:
    (standing,) = face.wait(face.client.remaining())
    return standing.spent, standing.reserved


REAL = 10 * 1_000 + 2 * 10_000  # what `says` reports, in nano-dollars
LEAST = 100 * 10_000  # of a worst case: the output bound


# ------------------------------------------------------------------------------------------------ hedges


@pytest.mark.timed
def test_a_second_row_answers_for_one_that_hangs(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind, world.mint(budget="$1"))
    world.warm(face)
    before = spent(face)[0]
    assert before == 20 * REAL
    world.a.script(slowly())
    began = time.monotonic()
    reply = face.chat("fast", "hi")
    assert time.monotonic() - began < 5
    assert (reply.text, reply.target) == ("b", "b")
    assert [(one.target, one.outcome) for one in reply.attempts] == [("a", "given up"), ("b", "ok")]
    assert reply.attempts[1].why == "hedge: a took longer than 0.15 s"
    assert 0.15 <= reply.attempts[0].seconds < 5
    assert reply.attempts[1].seconds < reply.attempts[0].seconds - 0.1
    assert world.counts == (1, 1, 0)
    until(lambda: world.a.hang_ups == 1, face)
    until(lambda: spent(face)[1] == 0, face)
    assert spent(face)[0] - before >= REAL + LEAST
    assert [one.in_flight for one in face.client.health()][3:5] == [0, 0]


def test_there_is_no_hedge_before_twenty_calls(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind)
    world.a.script(slowly("a", 0.4))
    assert face.chat("fast", "hi").target == "a"
    assert world.counts == (1, 0, 0)


def test_a_stream_is_that_of_whoever_begins_first(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind)
    world.warm(face, stream=True)
    world.a.script(slowly())
    world.b.script(says("he ", "llo", pause=0.02))
    events = face.stream("fast", "hi")
    assert "".join(event.text for event in events if event.type == "text") == "he llo"
    finished = events[-1]
    assert finished.type == "finished"
    assert [(one.target, one.outcome) for one in finished.reply.attempts] == [("a", "given up"), ("b", "ok")]
    assert finished.reply.attempts[1].first_token is not None
    until(lambda: world.a.hang_ups == 1, face)


def test_a_stream_that_has_begun_is_not_hedged(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind)
    world.warm(face, stream=True)
    world.a.script(says("he ", "llo", pause=0.3))
    events = face.stream("fast", "hi")
    assert events[-1].reply.attempts[0].target == "a"  # type: ignore[union-attr]  # the last one is Finished
    assert world.counts == (1, 0, 0)


def test_a_winner_that_breaks_off_is_the_end(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind)
    world.warm(face, stream=True)
    world.a.script(slowly())
    world.b.script(RawAnswer(headers=(("content-type", "text/event-stream"),), pieces=sse(
        {"id": "1", "model": "m", "choices": [{"index": 0, "delta": {"content": "he "}, "finish_reason": None}]},
    ), framing="chunked", unfinished=True, end="reset"))  # fmt: skip
    with pytest.raises(StreamInterrupted) as caught:
        face.stream("fast", "hi")
    assert caught.value.partial is not None
    assert caught.value.partial.text == "he "
    assert [one.outcome for one in caught.value.attempts] == ["given up", "StreamInterrupted"]
    assert world.counts == (1, 1, 0)


def test_leaving_a_hedged_stream_hangs_up_on_both(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind, world.mint(budget="$1"))
    world.warm(face, stream=True)
    world.a.script(slowly())
    world.b.script(says("he ", "llo", pause=20.0))
    face.stream("fast", "hi", take=2)
    until(lambda: world.a.hang_ups == world.b.hang_ups == 1, face)
    until(lambda: spent(face)[1] == 0, face)
    assert [one.in_flight for one in face.client.health()][3:5] == [0, 0]


@pytest.mark.parametrize(("most", "requests"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (2, 1, 0))])
def test_a_hedge_is_one_of_the_calls_requests(kind: str, world: Bed, most: int, requests: tuple[int, int, int]) -> None:
    world.sign(HEDGE)
    face = world.open(kind)
    world.warm(face)
    late = RawAnswer(500, (("content-type", "application/json"),), (b"{}",), first_pause=0.6)
    world.a.script(late)
    world.b.script(late)
    with pytest.raises(ServerError) as caught:
        face.chat("fast", "hi", max_attempts=most)
    assert world.counts == requests
    assert len(caught.value.attempts) == most


def test_without_money_for_both_there_is_one(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind, world.mint(budget=f"${(20 * REAL + LEAST * 1.8) / 1e9:.6f}"))
    world.warm(face)
    world.a.script(slowly("a", 0.8))
    reply = face.chat("fast", "hi")
    assert [(one.target, one.outcome) for one in reply.attempts] == [("a", "ok")]
    assert world.counts == (1, 0, 0)
    assert spent(face) == (21 * REAL, 0)


def test_a_bound_for_the_call_covers_both_or_there_is_one(kind: str, world: Bed) -> None:
    world.sign(HEDGE)
    face = world.open(kind)
    world.warm(face)
    world.a.script(slowly("a", 0.8))
    assert face.chat("fast", "hi", max_cost="$0.0018").target == "a"
    assert world.counts == (1, 0, 0)
    assert face.chat("fast", "hi", max_cost="$0.003").target == "b"


# ------------------------------------------------------------------------------------------------ shadows


def test_a_copy_goes_to_the_shadow_and_its_answer_nowhere(kind: str, world: Bed) -> None:
    world.sign(shadow())
    face = world.open(kind, world.mint(budget="$1"))
    reply = face.chat("fast", "private words")
    assert (reply.text, reply.target) == ("a", "a")
    assert [(one.target, one.outcome) for one in reply.attempts] == [("a", "ok")]
    notice = reply.warnings[-1]
    assert (notice.kind, notice.parameter) == ("noted", "route")
    assert re.search(r"\bcopy of this call\b.*\bs\b", notice.message)
    until(lambda: spent(face) == (2 * REAL, 0), face)
    assert world.counts == (1, 0, 1)
    (copy,), (own,) = world.s.bodies, world.a.bodies
    assert copy == {**own, "model": "s"}
    until(lambda: face.client.health()["s"].requests == 1, face)


def test_a_copy_of_a_stream_is_whole(kind: str, world: Bed) -> None:
    world.sign(shadow())
    face = world.open(kind)
    events = face.stream("fast", "hi")
    assert events[0].type == "noticed"
    assert events[-1].reply.text == "a"  # type: ignore[union-attr]  # the last one is Finished
    until(lambda: world.s.count == 1, face)
    assert "stream" not in world.s.bodies[0]


@pytest.mark.timed
def test_nobody_waits_for_a_shadow_but_close_and_not_for_long(kind: str, world: Bed) -> None:
    world.sign(shadow())
    gate = threading.Event()

    def stuck(received: object) -> RawAnswer:
        gate.wait(50)
        return says("s")(received)  # type: ignore[arg-type]  # what the server gives

    world.s.script(stuck)
    face = world.open(kind, world.mint(budget="$1"))
    began = time.monotonic()
    for _ in range(3):
        assert face.chat("fast", "hi").text == "a"
    assert time.monotonic() - began < 10
    until(lambda: world.s.count == 3, face)
    began = time.monotonic()
    closed = face.client.close()
    if kind == "asyncio":
        face.wait(closed)
    assert time.monotonic() - began < 10
    gate.set()


def test_a_shadow_that_fails_is_not_tried_again_and_disturbs_nobody(kind: str, world: Bed) -> None:
    world.sign(shadow())
    world.s.script(fails(500))
    face = world.open(kind)
    for sent in (1, 2, 3, 4, 5, 5, 5):
        assert face.chat("fast", "hi").text == "a"
        until(lambda sent=sent: world.s.count >= sent, face)
        until(lambda: face.client.health()["s"].in_flight == 0, face)
    until(lambda: face.client.health()["s"].breaker == "open", face)
    assert world.s.count == 5  # then its breaker has opened


def test_a_share_of_calls_is_copied(kind: str, world: Bed) -> None:
    world.sign(shadow(share=200))
    face = world.open(kind)
    warned = sum(bool(face.chat("fast", "hi").warnings) for _ in range(100))
    assert 2 <= warned <= 50
    until(lambda: world.s.count == warned, face)


def test_a_copy_of_a_hedged_call_is_one(kind: str, world: Bed) -> None:
    world.sign(HEDGE + 'shadow = { target = "s", share = 1000, max_cost = "$0.01" }\n')
    face = world.open(kind)
    world.warm(face)
    until(lambda: face.client.health()["s"].requests == 20, face)
    world.forget()
    world.a.script(slowly())
    assert face.chat("fast", "hi").target == "b"
    until(lambda: face.client.health()["s"].requests == 21, face)
    assert world.counts == (1, 1, 1)
