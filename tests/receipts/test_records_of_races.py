"""What of hedges and shadows is on record: every request has its pair, whoever won, and costs what it cost; under both drivers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import saferoute
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS, Face
from tests.support.counting_server import fails, says

pytestmark = pytest.mark.parametrize("kind", KINDS)
HEDGE = 'targets = ["a", "b"]\nhedge = { after = "150ms" }\n'
SHADOW = 'targets = ["a", "b"]\nshadow = { target = "s", share = 1000, max_cost = "$0.01" }\n'


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


class Book(list[dict[str, Any]]):
    def __call__(self, _: bytes, record: Mapping[str, Any]) -> None:
        self.append(dict(record))

    def pairs(self) -> dict[str, str | None]:
        """By the row of every intent, the outcome of its record."""
        by_intent = {one["intent"]: one["outcome"] for one in self if one["kind"] == "outcome"}
        return {one["target"]: by_intent.get(f"{one['segment']}:{one['seq']}") for one in self if one["kind"] == "intent"}


def opened(world: Bed, kind: str, alias: str, *, warm: bool) -> tuple[Face, Book]:
    world.sign(alias)
    book = Book()
    face = world.open(kind, world.mint(budget="$1"), ledger=saferoute.Ledger.to(book))
    if warm:
        world.warm(face)
        book.clear()
    return face, book


def test_the_loser_of_a_hedge_is_on_record(kind: str, world: Bed) -> None:
    face, book = opened(world, kind, HEDGE, warm=True)
    world.a.script(slowly())
    reply = face.chat("fast", "hi")
    assert reply.target == "b"
    until(lambda: len(book) >= 4, face)
    assert book.pairs() == {"a": "Abandoned", "b": "ok"}
    assert len({one["call"] for one in book if "call" in one}) == 1
    why = {one["target"]: one["why"] for one in book if one["kind"] == "intent"}
    assert why["b"] == "hedge: a took longer than 0.15 s"
    estimated = {one["target"]: one["estimated"] for one in book if one["kind"] == "outcome"}
    assert estimated == {"a": True, "b": False}
    assert reply.receipt is not None
    assert reply.receipt.record["target"] == "b"
    until(lambda: face.client.costs("target")["a"].estimated_calls == 1, face)
    assert face.client.costs("target")["b"].calls == 1


def test_both_sides_of_a_hedge_that_fail_are_on_record(kind: str, world: Bed) -> None:
    face, book = opened(world, kind, HEDGE, warm=True)
    world.a.script(lambda received: (time.sleep(0.4), fails(500))[1])
    world.b.script(fails(500))
    with pytest.raises(saferoute.SaferouteError) as caught:
        face.chat("fast", "hi", max_attempts=2)
    assert book.pairs() == {"a": "ServerError", "b": "ServerError"}
    assert caught.value.receipt is not None
    assert caught.value.receipt.record["outcome"] == "ServerError"


def test_a_shadow_has_a_pair_of_its_own(kind: str, world: Bed) -> None:
    face, book = opened(world, kind, SHADOW, warm=False)
    reply = face.chat("fast", "hi")
    until(lambda: book.pairs().get("s") is not None, face)
    assert book.pairs() == {"a": "ok", "s": "ok"}
    intents = {one["target"]: one for one in book if one["kind"] == "intent"}
    assert intents["s"]["why"] == "shadow: a copy of the call, whose answer is discarded"
    assert intents["s"]["call"] == intents["a"]["call"]
    assert reply.receipt is not None
    assert reply.receipt.record["target"] == "a"
    until(lambda: "s" in {row.name for row in face.client.costs("target")}, face)


def test_a_shadow_that_fails_is_on_record(kind: str, world: Bed) -> None:
    face, book = opened(world, kind, SHADOW, warm=False)
    world.s.script(fails(500))
    assert face.chat("fast", "hi").text == "a"
    until(lambda: book.pairs().get("s") is not None, face)
    assert book.pairs() == {"a": "ok", "s": "ServerError"}


def test_a_shadow_of_what_guards_changed_is_recorded_as_its_call_is(kind: str, world: Bed) -> None:
    world.sign(SHADOW)
    book = Book()
    face = world.open(kind, ledger=saferoute.Ledger.to(book))
    face.chat("fast", f"the key is {'sk-proj-' + 'a1B2' * 12}")
    until(lambda: book.pairs().get("s") is not None, face)
    intents = [one for one in book if one["kind"] == "intent"]
    assert len({one["call"] for one in intents}) == 1
    assert [[verdict["guard"] for verdict in one["verdicts"]] for one in intents] == [["secrets"]] * 2


def test_an_answer_says_which_receipt_it_has_when_the_hedge_was_not_needed(kind: str, world: Bed) -> None:
    face, book = opened(world, kind, HEDGE, warm=True)
    world.a.script(says("quick"))
    reply = face.chat("fast", "hi")
    assert book.pairs() == {"a": "ok"}
    assert reply.receipt is not None
    assert reply.receipt.record["target"] == "a"
