"""What reviewers of records found, each with its mend; under both drivers where there are two."""

from __future__ import annotations

import contextlib
import decimal
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

import saferoute
from saferoute.errors import BadRequest, BudgetExceeded, GuardBlocked, NoRoute, OutputInvalid, RequestError
from saferoute.guards import Action
from saferoute.telemetry import TelemetryOptions
from saferoute.testing.script import RawAnswer
from saferoute.values.exact import nano_above, quotient, total
from tests.receipts.test_records_of_calls import Book
from tests.requirements.conftest import Deployed, Way, row
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, says
from tests.support.guarded import Words

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]
PRICED = 'default_max_output = 100\nprices = { input = "$1/M", output = "$2/M" }'


@pytest.fixture
def book() -> Book:
    return Book()


def embedded(*vectors: float, tokens: int = 3) -> RawAnswer:
    """An answer of OpenAI's embeddings."""
    data = [{"index": number, "embedding": [value]} for number, value in enumerate(vectors)]
    body = {"object": "list", "model": "e-1", "data": data, "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return RawAnswer(200, (("content-type", "application/json"),), (json.dumps(body).encode(),))


def transcribed(text: str) -> RawAnswer:
    return RawAnswer(200, (("content-type", "application/json"),), (json.dumps({"text": text}).encode(),))


@pytest.mark.parametrize("action", [Action.BLOCK, Action.FLAG, Action.REDACT])
def test_what_guards_say_of_what_an_operation_brought_back_is_in_its_outcome(
    kind: str, serve: Serve, deployed: Deployed, book: Book, action: Action
) -> None:
    server = serve(transcribed("a falcon"))
    text = row("row", server.origin) + '[grant]\noperations = ["transcribe"]\ndata = "internal"\n'
    face = deployed(kind, text, granted=False, ledger=book.ledger, guards=[Words("falcon", action=action)])
    blocked = pytest.raises(GuardBlocked) if action is Action.BLOCK else contextlib.nullcontext()
    with blocked as caught:
        face.wait(face.client.transcribe("row", saferoute.Audio(data=b"RIFF", format="wav")))
    assert book.story == ["intent", "GuardBlocked" if caught else "ok"]
    outcome = book.records[-1]
    assert [(one["guard"], one["action"]) for one in outcome["verdicts"]] == [("words", action.name.lower())]
    if caught:
        assert outcome["deny"] == "guard:words"
        assert caught.value.receipt.record == outcome


def test_a_refusal_between_two_requests_has_a_record_of_its_own(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    """The first batch of an embedding is answered; the second one is refused by the provider: its receipt is its own."""
    face = opened(kind, serve(embedded(*[0.5] * 1024), fails(400)), ledger=book.ledger, fields=PRICED)
    with pytest.raises(BadRequest) as caught:
        face.wait(face.client.embed("row", ["text"] * 1025))
    assert book.story == ["intent", "ok", "intent", "BadRequest"]
    assert caught.value.receipt is not None
    assert caught.value.receipt.record["outcome"] == "BadRequest"
    assert face.client.costs().total.cost == {"USD": Decimal("0.000003")}  # the first batch is billed, whatever became of the call


def test_an_answer_that_does_not_fit_costs_what_it_cost(four_ways: Way, serve: Serve, opened: Opened) -> None:
    face = opened(four_ways.kind, serve(says("no JSON")), fields=PRICED)
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
    with pytest.raises(OutputInvalid):
        four_ways.ask(face, output=schema, on_unsupported="emulate", max_attempts=1)
    row = face.client.costs()["row"]
    assert (row.calls, row.unknown, row.cost) == (1, 0, {"USD": Decimal("0.000014")})


@pytest.mark.parametrize("count", [2**53 - 1, 2**53, 2**63])
def test_counts_that_no_number_holds_do_not_keep_an_answer_off_the_record(
    four_ways: Way, serve: Serve, opened: Opened, book: Book, count: int
) -> None:
    usage = {"prompt_tokens": count, "completion_tokens": 1, "total_tokens": count + 1}
    face = opened(four_ways.kind, serve(says("ok", usage=usage)), ledger=book.ledger)
    assert four_ways.ask(face).receipt is not None
    assert book.story == ["intent", "ok"]


def test_whoever_is_refused_again_and_again_fills_nothing(kind: str, serve: Serve, opened: Opened) -> None:
    ledger = saferoute.Ledger.memory(64)
    face = opened(kind, serve(says("never")), ledger=ledger)

    def refused() -> None:
        for _ in range(600):
            with pytest.raises(NoRoute):
                face.client._core.call("nowhere", "hi", None, None, {}, stream=False)

    async def in_a_loop() -> None:
        refused()

    refused() if kind == "blocking" else face._wait(in_a_loop())
    lines = b"".join(ledger.read().values()).split(b"\n")
    assert len(lines) < 400 if kind == "blocking" else len(lines) < 2000
    assert any(b'"kind":"checkpoint"' in line for line in lines)


@pytest.fixture
def coarse() -> Iterator[None]:
    with decimal.localcontext() as context:
        context.prec = 1
        context.traps[decimal.Inexact] = True
        yield


@pytest.mark.usefixtures("coarse")
def test_money_is_exact_in_a_program_that_rounds(serve: Serve, opened: Opened) -> None:
    usage = {"prompt_tokens": 12_345_678, "completion_tokens": 9, "total_tokens": 12_345_687}
    face = opened("blocking", serve(says("ok", usage=usage)), fields=PRICED)
    scoped = face.client.using(budget="20")
    reply = scoped.chat("row", "hi")
    assert str(reply.cost) == "12.345696"
    assert [one.spent for one in scoped.remaining()] == [12_345_696_000]
    assert str(face.client.costs().total.cost["USD"]) == "12.345696"
    assert reply.receipt is not None
    assert reply.receipt.record["cost"] == "12.345696"


@pytest.mark.usefixtures("coarse")
def test_sums_and_quotients_are_exact() -> None:
    assert str(quotient(123_456_789_012_345_678_901)) == "123456789012.345678901"
    assert str(total([Decimal("0.1")] * 3 + [Decimal(1000000000000)])) == "1000000000000.3"
    assert [nano_above(Decimal(one)) for one in ("0.0000000011", "2", "0")] == [2, 2_000_000_000, 0]


class Breaking:
    """A tracer provider whose spans raise where they are told to."""

    def __init__(self, where: str) -> None:
        self.where = where

    def get_tracer(self, *_: object, **__: object) -> Any:
        return self

    def start_span(self, *_: object, **__: object) -> Any:
        if self.where == "start":
            msg = "the exporter is broken"
            raise RuntimeError(msg)
        return self

    def get_span_context(self) -> Any:
        from opentelemetry.trace import INVALID_SPAN_CONTEXT

        return INVALID_SPAN_CONTEXT

    def __getattr__(self, name: str) -> Any:
        def called(*_: object, **__: object) -> Any:
            if name == self.where:
                msg = "the exporter is broken"
                raise RuntimeError(msg)
            return True

        return called


@pytest.mark.parametrize("where", ["start", "end", "set_attributes", "is_recording"])
def test_telemetry_that_raises_takes_no_answer_away(four_ways: Way, serve: Serve, opened: Opened, where: str) -> None:
    pytest.importorskip("opentelemetry.sdk")
    ended: list[Any] = []
    options = TelemetryOptions(tracer_provider=Breaking(where), meter_provider=False)
    hooks = [saferoute.hooks.Hooks(on_response=ended.append, on_error=ended.append)]
    face = opened(four_ways.kind, serve(says("ok"), fails(400)), telemetry=options, hooks=hooks)
    assert four_ways.ask(face).text == "ok"
    with pytest.raises(BadRequest):
        four_ways.ask(face)
    with pytest.raises(NoRoute):
        four_ways.ask(face, "nowhere")
    assert len(ended) == 3


@pytest.mark.parametrize("break_at", ["intent", "outcome"])
def test_warnings_that_are_errors_take_no_answer_away(four_ways: Way, serve: Serve, opened: Opened, break_at: str) -> None:
    def full(_: bytes, record: Mapping[str, Any]) -> None:
        if record["kind"] == break_at:
            raise OSError(28, "No space left on device")

    face = opened(four_ways.kind, serve(says("ok")), ledger=saferoute.Ledger.to(full, on_failure="warn"))
    with warnings.catch_warnings():
        warnings.simplefilter("error", saferoute.errors.LedgerWarning)
        assert four_ways.ask(face).text == "ok"


def test_a_stream_that_is_left_ends_well_though_its_ledger_is_full(kind: str, serve: Serve, opened: Opened) -> None:
    def full(_: bytes, record: Mapping[str, Any]) -> None:
        if record["kind"] == "outcome":
            raise OSError(28, "No space left on device")

    ledger = saferoute.Ledger.to(full, on_failure="stop")
    face = opened(kind, serve(says("one ", "two ", "three ")), ledger=ledger, guards=None, fields="limits = { concurrent = 1 }")
    face.stream("row", "hi", take=2)
    assert [one.in_flight for one in face.client.health()] == [0]
    assert face.chat("row", "hi", timeout=1.0).receipt is None  # the place under the limit is free again


def test_a_question_is_no_refusal(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(kind, serve(says("never")), ledger=book.ledger)
    assert face.client.allows("row")
    assert not face.client.allows("row", data="restricted")
    assert book.records == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.embed("row", []),
        lambda client: client.rerank("row", "", ["a"]),
        lambda client: client.count_tokens("row", []),
        lambda client: client.moderate("row", 7),
        lambda client: client.transcribe("row", "no sound"),
        lambda client: client.speak("row", "", voice="v"),
        lambda client: client.generate_image("row", "a", n=0),
    ],
    ids=["embed", "rerank", "count_tokens", "moderate", "transcribe", "speak", "generate_image"],
)
def test_wrong_arguments_of_operations_are_on_record(
    kind: str, serve: Serve, opened: Opened, book: Book, ask: Callable[[Any], Any]
) -> None:
    face = opened(kind, serve(says("never")), ledger=book.ledger)
    with pytest.raises(RequestError) as caught:
        face.wait(ask(face.client))
    assert caught.value.receipt is not None
    assert [one["kind"] for one in book.records] == ["segment", "denial"]


def test_names_of_tags_are_as_long_as_records_take_them(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(kind, serve(says("ok")), ledger=book.ledger)
    assert face.chat("row", "hi", tags={"n" * 128: "v" * 128}).receipt is not None
    with pytest.raises(RequestError):
        face.chat("row", "hi", tags={"n" * 129: "v"})


def test_a_budget_that_is_refused_between_two_requests_is_a_denial(kind: str, serve: Serve, opened: Opened, book: Book) -> None:
    face = opened(kind, serve(fails(500), says("ok")), ledger=book.ledger, fields=PRICED)
    scoped = face.client.using(budget="0.0005")
    with pytest.raises(BudgetExceeded) as caught:  # the first request may have been billed: its worst case is held, and no second one fits
        face.wait(scoped.chat("row", "hi", max_output_tokens=200))
    assert [one.outcome for one in caught.value.attempts] == ["ServerError"]
    assert book.story == ["intent", "ServerError", "BudgetExceeded"]
    denial = book.records[-1]
    assert (denial["kind"], denial["deny"], denial["call"]) == ("denial", "budget", book.records[1]["call"])
    assert caught.value.receipt is not None
    assert caught.value.receipt.record == denial
