"""What of a call is on record: an intent before each request, an outcome after it, and a denial where nothing was sent; under both drivers."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

import saferoute
from saferoute.errors import (
    BudgetExceeded,
    CapabilityForbidden,
    ConnectFailed,
    GuardBlocked,
    InvalidMessages,
    LedgerError,
    NoRoute,
    OutputInvalid,
    RequestError,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    UnknownOption,
)
from saferoute.guards import Action
from saferoute.ledger.commitment import commit, message_bytes
from saferoute.ledger.record import check_record
from saferoute.testing.script import RawAnswer
from saferoute.values.receipt import Entry, Receipt
from tests.requirements.conftest import Way
from tests.support.both import Face
from tests.support.counting_server import CountingServer, Refusing, fails, says
from tests.support.guarded import Words

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]


class Book:
    """A ledger whose records are kept in a list."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []
        self.segment = ""
        self.ledger = saferoute.Ledger.to(self._take)

    def _take(self, line: bytes, record: Mapping[str, Any]) -> None:
        fields = json.loads(line)
        check_record(fields)
        assert fields.items() <= record.items()  # which has the segment's id besides
        self.segment = record["segment"]
        self.records.append(fields)

    def of(self, *kinds: str) -> list[dict[str, Any]]:
        """The records of these kinds, in order."""
        return [one for one in self.records if one["kind"] in kinds]

    @property
    def story(self) -> list[str]:
        """What happened, a word each: "intent", the outcome of one, the error of a denial."""
        return [one.get("outcome") or one.get("error") or one["kind"] for one in self.of("intent", "outcome", "denial")]


@pytest.fixture
def book() -> Book:
    return Book()


def test_an_answer_has_an_intent_and_an_outcome(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    server = serve(says("hello ", "you"))
    face = opened(
        four_ways.kind,
        server,
        ledger=book.ledger,
        tags={"service": "desk"},
        fields='default_max_output = 100\nprices = { input = "$1/M", output = "$2/M" }',
    )
    before = time.time_ns() // 1000
    reply = four_ways.ask(face, system="be kind", tags={"tenant": "acme"}, max_output_tokens=50)
    intent, outcome = book.of("intent", "outcome")
    assert book.story == ["intent", "ok"]
    assert before <= intent["time"] <= outcome["time"] <= time.time_ns() // 1000
    expected = {
        "attempt": 1, "operation": "chat", "route": "row", "target": "row", "model": "alpha", "provider": "demo", "origin": server.origin,
        "stream": four_ways.streams, "data": "public", "purpose": None, "tags": {"service": "desk", "tenant": "acme"}, "secret": None,
        "templates": [], "capabilities": [], "rejected": [], "verdicts": [], "max_cost": None,
    }  # fmt: skip
    assert {name: intent[name] for name in expected} == expected
    table = face.client._core.table
    assert intent["table"] == {"name": "team", "version": 1, "sha256": table.digest, "trust": "production"}
    assert outcome["intent"] == f"{book.segment}:{intent['seq']}"
    expected = {
        "call": intent["call"], "attempt": 1, "route": "row", "target": "row", "deny": None, "status": 200, "requests": 1, "model": "m-1",
        "finish_reason": "stop", "usage": {"input": 10, "output": 2, "cache_read": 0, "cache_write": 0, "reasoning": 0},
        "cost": "0.000014", "currency": "USD", "estimated": False, "tags": intent["tags"], "verdicts": [],
    }  # fmt: skip
    assert {name: outcome[name] for name in expected} == expected
    assert outcome["us"] > 0
    assert (outcome["first_us"] is not None) is four_ways.streams
    assert reply.receipt is not None
    assert reply.receipt.record == outcome
    assert reply.receipt.id == f"{book.segment}:{outcome['seq']}"


def test_the_opening_proves_the_answer_and_no_other(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(four_ways.kind, serve(says("hello ", "you")), ledger=book.ledger)
    reply = four_ways.ask(face)
    receipt = reply.receipt
    assert receipt is not None
    salt = bytes.fromhex(receipt.opening()["response"])
    assert commit(salt, message_bytes(reply.message)) == receipt.record["commit"]["response"]
    other = saferoute.Message("assistant", (saferoute.Text("hello me"),))
    assert commit(salt, message_bytes(other)) != receipt.record["commit"]["response"]


def test_what_was_asked_and_what_was_sent_are_both_committed_to(four_ways: Way, serve: Serve, opened: Opened) -> None:
    """A guard takes a word out: the record shows what the caller asked, and the bytes that left."""
    seen: list[Entry] = []

    class Writer:
        waits = due = False

        def append(self, entry: Entry) -> Receipt:
            seen.append(entry)
            return Receipt("0" * 32 + ":1", {})

        def checkpoint(self) -> None:
            """Nothing."""

    server = serve(says("ok"))
    face = opened(four_ways.kind, server, guards=[Words("falcon")], ledger=None)
    _with_writer(face, Writer())
    four_ways.ask(face, messages="a falcon", system="you are kind")
    intent = seen[0]
    assert json.loads(intent.contents["asked"]) == ["system", "you are kind", "user", "a falcon"]
    assert intent.contents["request"] == server.received[0].body
    assert b"falcon" not in intent.contents["request"]
    assert intent.system == "you are kind"
    assert [(one["guard"], one["action"]) for one in intent.fields["verdicts"]] == [("words", "redact")]


def test_the_same_system_prompt_has_the_same_id(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(kind, serve(says("ok")), ledger=book.ledger)
    for system in ("be kind", "be kind", "be brief", None):
        face.chat("row", "hi", system=system)
    first, second, third, none = (one["system_id"] for one in book.of("intent"))
    assert first == second != third
    assert none is None
    commits = [one["commit"] for one in book.of("intent")]
    assert commits[0]["system"] != commits[1]["system"]
    assert "system" not in commits[3]


def test_every_attempt_has_its_own_pair(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    first, second = serve(fails(503)), serve(says("ok"))
    face = opened(four_ways.kind, first, second, ledger=book.ledger)
    reply = four_ways.ask(face, "both")
    assert book.story in (["intent", "ServerError", "intent", "ok"], ["intent", "Overloaded", "intent", "ok"])
    records = book.of("intent", "outcome")
    assert len({one["call"] for one in records}) == 1
    assert [one["attempt"] for one in records] == [1, 1, 2, 2]
    assert [one["target"] for one in records] == ["row", "row", "row2", "row2"]
    assert records[1]["status"] == 503
    assert records[1]["estimated"] is False  # 503: nothing was done for it
    assert reply.receipt is not None
    assert reply.receipt.record == records[3]


def test_an_error_has_the_receipt_of_its_last_attempt(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(four_ways.kind, serve(fails(500)), ledger=book.ledger)
    with pytest.raises(ServerError) as caught:
        four_ways.ask(face, max_attempts=2)
    assert book.story == ["intent", "ServerError"] * 2
    assert caught.value.receipt is not None
    assert caught.value.receipt.record == book.records[-1]
    assert book.records[-1]["estimated"] is True  # a 500 may have been billed


def test_what_never_left_is_not_estimated(four_ways: Way, opened: Opened, book: Book) -> None:
    with Refusing() as server:
        face = opened(four_ways.kind, server, ledger=book.ledger)
        with pytest.raises(ConnectFailed):
            four_ways.ask(face, max_attempts=1)
    assert book.story == ["intent", "ConnectFailed"]
    assert (book.records[-1]["status"], book.records[-1]["estimated"]) == (None, False)


REFUSED: dict[str, tuple[type[SaferouteError], dict[str, Any]]] = {
    "no route": (NoRoute, {"route": "nowhere"}),
    "no option": (UnknownOption, {"temprature": 1}),
    "no messages": (InvalidMessages, {"messages": []}),
    "a label above the row's": (CapabilityForbidden, {"data": "restricted"}),
    "a wrong value": (RequestError, {"timeout": "soon"}),
    "a route that is none": (RequestError, {"route": 7}),
    "a lone surrogate in the route": (RequestError, {"route": "\ud800"}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_call_that_is_refused_leaves_a_denial(four_ways: Way, serve: Serve, opened: Opened, book: Book, case: str) -> None:
    error, options = REFUSED[case]
    server = serve(says("never"))
    face = opened(four_ways.kind, server, ledger=book.ledger)
    with pytest.raises(SaferouteError) as caught:
        four_ways.ask(face, **options)
    assert isinstance(caught.value, error | NoRoute)
    assert server.count == 0
    (denied,) = book.of("denial")
    assert (denied["error"], denied["operation"]) == (type(caught.value).__name__, "chat")
    assert caught.value.receipt is not None
    assert caught.value.receipt.record == denied
    assert book.of("intent") == []


def test_a_guard_s_refusal_is_a_denial_with_its_verdicts(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    server = serve(says("never"))
    face = opened(four_ways.kind, server, ledger=book.ledger, guards=[Words("falcon", action=Action.BLOCK)])
    with pytest.raises(GuardBlocked) as caught:
        four_ways.ask(face, messages="a falcon")
    (denied,) = book.of("denial")
    assert server.count == 0
    assert denied["error"] == "GuardBlocked"
    assert ("words", "block") in {(one["guard"], one["action"]) for one in denied["verdicts"]}
    assert "asked" in denied["commit"]
    assert caught.value.receipt is not None
    assert "falcon" not in json.dumps(book.records)


def test_an_answer_that_a_guard_refuses_has_an_outcome(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(four_ways.kind, serve(says("a ", "falcon")), ledger=book.ledger, guards=[Words("falcon", action=Action.BLOCK)])
    with pytest.raises(GuardBlocked) as caught:
        four_ways.ask(face)
    assert book.story == ["intent", "GuardBlocked"]
    outcome = book.records[-1]
    assert [(one["guard"], one["stage"], one["action"]) for one in outcome["verdicts"]] == [("words", "output", "block")]
    assert outcome["estimated"] is True
    assert caught.value.receipt is not None
    assert caught.value.receipt.record == outcome
    assert "falcon" not in json.dumps(book.records)


def test_a_budget_that_is_used_up_is_a_denial(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    server = serve(says("ok"))
    fields = 'default_max_output = 100\nprices = { input = "$1/M", output = "$2/M" }'
    face = opened(kind, server, fields=fields, ledger=book.ledger)
    scoped = face.client.using(budget="0.000001")
    with pytest.raises(BudgetExceeded) as caught:
        face.wait(scoped.chat("row", "hi"))
    assert book.story == ["BudgetExceeded"]
    assert caught.value.receipt is not None
    assert caught.value.receipt.record == book.of("denial")[0]
    assert server.count == 0


def test_an_answer_that_does_not_fit_keeps_its_receipt(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(four_ways.kind, serve(says("no JSON")), ledger=book.ledger)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    with pytest.raises(OutputInvalid) as caught:
        four_ways.ask(face, output=schema, on_unsupported="emulate")
    assert book.story == ["intent", "ok"]
    assert caught.value.receipt is not None
    assert caught.value.receipt.record == book.records[-1]


def test_a_stream_that_is_left_is_on_record(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(kind, serve(says("one ", "two ", "three ", "four")), ledger=book.ledger, guards=None)
    face.stream("row", "hi", take=2)
    assert book.story == ["intent", "Abandoned"]
    assert book.records[-1]["estimated"] is True


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_stream_that_is_dropped_is_on_record(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(kind, serve(says("one ", "two ", "three ", "four")), ledger=book.ledger, guards=None)
    face.break_out("row", "hi")
    end = time.monotonic() + 5
    while len(book.story) < 2 and time.monotonic() < end:
        time.sleep(0.01)  # a dropped stream is settled in a thread of its own
    assert book.story == ["intent", "Abandoned"]


def test_a_stream_that_is_cut_is_on_record(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    whole = says("one ", "two ", "three")

    def cut(received: Any) -> RawAnswer:
        answer = whole(received)
        return RawAnswer(answer.status, answer.headers, answer.pieces[:2])

    face = opened(kind, serve(cut), ledger=book.ledger)
    with pytest.raises(StreamInterrupted) as caught:
        face.stream("row", "hi", max_attempts=1)
    assert book.story == ["intent", "StreamInterrupted"]
    assert caught.value.receipt is not None


def test_operations_are_on_record_request_by_request(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    body = {"object": "list", "model": "e-1", "data": [{"index": 0, "embedding": [0.5]}], "usage": {"prompt_tokens": 3, "total_tokens": 3}}
    answer = RawAnswer(200, (("content-type", "application/json"),), (json.dumps(body).encode(),))
    face = opened(kind, serve(fails(503), answer), ledger=book.ledger)
    made = face.wait(face.client.embed("row", "some text"))
    assert book.story in (["intent", "Overloaded", "intent", "ok"], ["intent", "ServerError", "intent", "ok"])
    intent, outcome = book.of("intent", "outcome")[-2:]
    assert (intent["operation"], intent["system_id"]) == ("embed", None)
    assert outcome["usage"]["input"] == 3
    assert made.receipt is not None
    assert made.receipt.record == outcome
    with pytest.raises(RequestError) as caught:
        face.wait(face.client.embed("row", "some text", dimensions=1, nonsense=True))
    assert caught.value.receipt is not None


class _Full:
    """A ledger that takes so many records, and then no more."""

    waits = due = False

    def __init__(self, room: int) -> None:
        self.room, self.entries = room, []  # type: ignore[var-annotated]

    def append(self, entry: Entry) -> Receipt:
        if len(self.entries) == self.room:
            msg = "the disk is full"
            raise LedgerError(msg)
        self.entries.append(entry)
        return Receipt("0" * 32 + f":{len(self.entries)}", dict(entry.fields))

    def checkpoint(self) -> None:
        """Nothing."""


def _with_writer(face: Face, writer: Any) -> Face:
    core = face.client._core
    core._snapshot = replace(core.snapshot, ledger=writer)
    return face


def test_nothing_leaves_without_an_intent(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("never"))
    face = _with_writer(opened(four_ways.kind, server), _Full(0))
    with pytest.raises(LedgerError, match="the disk is full") as caught:
        four_ways.ask(face)
    assert server.count == 0
    assert caught.value.receipt is None
    with pytest.raises(NoRoute) as refused:  # what is refused is refused, whether it can be recorded or not
        four_ways.ask(face, "nowhere")
    assert any("the disk is full" in note for note in refused.value.__notes__)


def test_an_answer_is_not_lost_for_an_outcome_that_could_not_be_recorded(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("ok"))
    face = _with_writer(opened(four_ways.kind, server), _Full(1))
    reply = four_ways.ask(face)
    assert (reply.text, reply.receipt) == ("ok", None)
    with pytest.raises(LedgerError):
        four_ways.ask(face)
    assert server.count == 1


def test_an_error_is_told_though_its_outcome_could_not_be_recorded(four_ways: Way, serve: Serve, opened: Opened) -> None:
    face = _with_writer(opened(four_ways.kind, serve(fails(500))), _Full(1))
    with pytest.raises((ServerError, LedgerError)) as caught:
        four_ways.ask(face, max_attempts=1)
    assert isinstance(caught.value, ServerError)


def test_a_client_without_a_ledger_gives_no_receipts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    face = opened(four_ways.kind, serve(says("ok")), ledger=None)
    assert four_ways.ask(face).receipt is None
    with pytest.raises(NoRoute) as caught:
        four_ways.ask(face, "nowhere")
    assert caught.value.receipt is None


HOSTILE_ANSWERS: dict[str, dict[str, Any]] = {
    "counts beyond all bounds": {"usage": {"prompt_tokens": 10**30, "completion_tokens": 2**63, "total_tokens": 10**31}},
    "counts below nothing": {"usage": {"prompt_tokens": -5, "completion_tokens": -1, "total_tokens": -6}},
    "counts that are no whole numbers": {"usage": {"prompt_tokens": 1.5, "completion_tokens": "many", "total_tokens": None}},
    "no counts": {"usage": None},
    "an id of the exchange that is no id": {"headers": (("x-request-id", "\u001b[2J\u009b" + "a" * 4000),)},
    "an id that is a key": {"headers": (("x-request-id", "sk-proj-" + "a1B2" * 20),)},
    "a model that is no name": {"model": "\u202e<script>" + "m" * 5000},
    "a model of two lines": {"model": "a\nb"},
}


@pytest.mark.parametrize("case", HOSTILE_ANSWERS)
def test_no_answer_keeps_itself_off_the_record(four_ways: Way, serve: Serve, opened: Opened, book: Book, case: str) -> None:
    fields = 'default_max_output = 100\nprices = { input = "$1/M", output = "$2/M" }'
    wire = dict(HOSTILE_ANSWERS[case])
    model = json.dumps(wire.pop("model", "m-1")).encode()
    plain = says("ok", **wire)

    def answer(received: Any) -> RawAnswer:
        made = plain(received)
        return replace(made, pieces=tuple(piece.replace(b'"m-1"', model) for piece in made.pieces))

    face = opened(four_ways.kind, serve(answer), fields=fields, ledger=book.ledger)
    with contextlib.suppress(SaferouteError):
        four_ways.ask(face, max_attempts=1)
    assert [one["kind"] for one in book.of("intent", "outcome")] == ["intent", "outcome"]
    assert not any(letter in json.dumps(book.records[-1], ensure_ascii=False) for letter in "\u001b\u202e\u009b\n")
    assert "sk-proj" not in json.dumps(book.records)


def test_a_refused_call_keeps_its_tags_and_says_which_rows_were_refused(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(four_ways.kind, serve(says("never")), ledger=book.ledger, tags={"service": "desk"})
    with pytest.raises(CapabilityForbidden) as caught:
        four_ways.ask(face, data="restricted", tags={"team": "red"})
    with pytest.raises(UnknownOption):
        four_ways.ask(face, temprature=1, tags={"team": "blue"})
    with pytest.raises(RequestError):
        four_ways.ask(face, tags={"team": 7})
    first, second, third = book.of("denial")
    assert [one["tags"] for one in (first, second, third)] == [
        {"service": "desk", "team": "red"}, {"service": "desk", "team": "blue"}, {"service": "desk"},
    ]  # fmt: skip
    assert first["deny"] == caught.value.code
    assert [name for name, _ in first["rejected"]] == ["row"]
    assert "restricted" in first["rejected"][0][1]
    assert [second["deny"], third["deny"]] == [None, None]


def test_only_refusals_have_a_word_for_the_refusal(four_ways: Way, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(
        four_ways.kind, serve(fails(503, "service_unavailable")), ledger=book.ledger, guards=[Words("falcon", action=Action.BLOCK)]
    )
    with pytest.raises(SaferouteError):
        four_ways.ask(face, max_attempts=1)
    with pytest.raises(GuardBlocked):
        four_ways.ask(face, messages="a falcon")
    assert [one["deny"] for one in book.of("outcome", "denial")] == [None, "guard:words"]


def test_a_stream_that_is_left_has_its_receipt(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    ended: list[Any] = []
    hooks = [saferoute.hooks.Hooks(on_error=ended.append)]
    face = opened(kind, serve(says("one ", "two ", "three ", "four")), ledger=book.ledger, guards=None, hooks=hooks)

    def blocking() -> Any:
        with face.client.stream("row", "hi") as stream:
            next(iter(stream))
            assert stream.receipt is None
        return stream.receipt

    async def concurrent() -> Any:
        async with face.client.stream("row", "hi") as stream:
            async for _ in stream:
                break
        return stream.receipt

    receipt = blocking() if kind == "blocking" else face._wait(concurrent())
    assert receipt is not None
    assert receipt.record == book.records[-1]
    (failed,) = ended
    assert (failed.kind, failed.receipt) == ("Abandoned", receipt.id)
    assert [(one.target, one.outcome) for one in failed.attempts] == [("row", "Abandoned")]
