"""The shared hostile cases that a file cannot hold whole: what is random in a call, guards that fail or disagree, and what is written about."""

from __future__ import annotations

import json
import logging
import pickle
import re
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import saferoute
from saferoute.errors import GuardBlocked, GuardError, GuardFailed
from saferoute.guards import Action, CanaryGuard, Context, Segment, Span, Verdict, guard
from saferoute.testing.script import RawAnswer
from tests.support.balanced import bed
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, Received, says
from tests.support.guarded import Saying, Stopping
from tests.support.guarded_calls import LOOK, hurried
from tests.support.hostile_rows import (
    ABSENT,
    CASES,
    ROUTE,
    Bench,
    Case,
    of_stage,
    pending,
    shown,
    wanted,
)

pytestmark = ABSENT


PROFILE = 'targets = ["a"]\n[guards.support]\nguards = { pii = { action = "redact", reversible = true } }'
ADDRESS = "ada@example.org"
PLACEHOLDER = re.compile("\N{LEFT-POINTING DOUBLE ANGLE QUOTATION MARK}SR:EMAIL:1:[0-9a-f]+\N{RIGHT-POINTING DOUBLE ANGLE QUOTATION MARK}")


def echoes(cut: int | None) -> Any:
    """An answer with the placeholder that came, cut in it at a place, or in single letters."""

    def answer(received: Received) -> RawAnswer:
        found = PLACEHOLDER.search(json.loads(received.body)["messages"][-1]["content"])
        assert found is not None
        pieces = list(found[0]) if cut is None else [found[0][:cut], found[0][cut:]]
        return says("Dear ", *filter(None, pieces), ", hello")(received)

    return answer


@pending("h35")
@pytest.mark.parametrize("kind", KINDS)
def test_a_placeholder_is_restored_however_it_is_cut(kind: str, tmp_path: Path) -> None:
    with bed(tmp_path) as world:
        world.sign(PROFILE, a={"more": 'guards = "support"'})
        face = world.open(kind)
        world.a.script(echoes(0))
        assert face.chat("fast", f"write to {ADDRESS}").text == f"Dear {ADDRESS}, hello"
        for cut in (*range(30), None):
            world.a.script(echoes(cut))
            face.stream("fast", f"write to {ADDRESS}")
            assert shown(face) == f"Dear {ADDRESS}, hello"
        assert not any(ADDRESS.encode() in one.body for one in world.a.received)


FORMS: dict[str, Callable[[str], str]] = {
    "as it is": lambda word: word,
    "base64": lambda word: b64encode(f"the word is {word}".encode()).decode(),
    "spaced": " ".join,
    "reversed": lambda word: word[::-1],
}


def gives_away(form: Callable[[str], str], cut: int | None) -> Any:
    """An answer that repeats the canary of its own request."""

    def answer(received: Received) -> RawAnswer:
        found = re.search(rb"[a-z2-7]{24}", received.body)
        assert found is not None, "no canary in the request"
        text = form(found[0].decode())
        return says("it is ", *(text if cut is None else filter(None, [text[:cut], text[cut:]])), " or so")(received)

    return answer


@pending("h61")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_canary_is_never_shown(kind: str, form: str) -> None:
    assert wanted(CASES["h61"]) == {"block"}
    bench = Bench(kind, CanaryGuard())
    try:
        bench.server.script(gives_away(FORMS[form], 0))
        with pytest.raises(GuardBlocked):
            bench.face.chat(ROUTE, "hi", system="be kind")
        for cut in (*range(0, 48, 3), None):
            bench.server.script(gives_away(FORMS[form], cut))
            with pytest.raises(GuardBlocked):
                bench.face.stream(ROUTE, "hi", system="be kind")
            assert "it is ".startswith(shown(bench.face))
    finally:
        bench.close()


# ----------------------------------------------------------------------------------------------------------- guards that fail


@guard(stages=["input"])
async def sleeps(segment: Segment, context: Context) -> Verdict:
    import asyncio

    await asyncio.sleep(10)
    return Verdict(Action.ALLOW)


def out_of_range(segment: Segment, _: Context) -> Verdict:
    return Verdict(Action.REDACT, (), (Span(0, len(segment.text) + 1, "word"),))


FAILING: dict[str, list[list[Any]]] = {
    "h62": [[Saying(RuntimeError("hidden words"))]],
    "h63": [[sleeps]],
    "h64": [[Saying(lambda *_: None)], [Saying("allow")], [Saying(out_of_range)]],
    "h65": [[Stopping("hi"), Saying(Verdict(Action.BLOCK, ("no",)))], [Saying(Verdict(Action.BLOCK, ("no",))), Stopping("hi")]],
}


@of_stage("guard")
@pytest.mark.parametrize("kind", KINDS)
def test_guards_that_fail_or_disagree(kind: str, case: Case) -> None:
    assert wanted(case) == {"block"}
    for guards in FAILING[case.id]:
        bench = Bench(kind, *guards)
        hurried(bench.face, 0.05)
        try:
            with pytest.raises(GuardError) as caught:
                bench.reply("hi")
            assert bench.server.count == 0
            assert "hidden" not in f"{caught.value}{caught.value.verdicts}"
            if case.id == "h65":
                assert {one.verdict.reasons for one in caught.value.verdicts} >= {("1 words",), ("no",)}
            else:
                assert type(caught.value) is GuardFailed
                assert "guard_error" in str(caught.value)
        finally:
            bench.close()


# ------------------------------------------------------------------------------------------------------- what is written about


@of_stage("log")
@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_that_was_found_is_written_nowhere(kind: str, case: Case, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    secret = str(CASES["h33"].input).partition("=")[2]
    assert len(secret) > 20
    with CountingServer(says("fine"), says(f"my key is {secret}"), says(f"my key is {secret}")) as server:
        row = saferoute.loopback("here", port=server.port)
        face = Face(kind, lambda client: client.local(servers=[row], secrets=saferoute.Secrets.of({}), telemetry=provider))
        told = []
        with face:
            with pytest.raises(GuardBlocked) as caught:  # what stands in a tool's schema cannot be taken out: it is not sent
                face.chat(ROUTE, "hi", tools=[{**LOOK, "parameters": {"type": "object", "properties": {secret: {"type": "string"}}}}])
            error = caught.value
            told += [
                str(error),
                repr(error),
                error.diagnostics(),
                repr(error.verdicts),
                repr(vars(error)),
                repr(pickle.loads(pickle.dumps(error))),
            ]
            for shape in (face.chat, face.stream):
                found = shape(ROUTE, f"keep {secret}")
                told += [repr(found), str(found)]
            judgement = face.wait(face.client.judge(secret))
            told += [repr(judgement), str(judgement)]
        assert secret not in "".join(one.body.decode() for one in server.received)
    provider.force_flush()
    spans = "".join(one.to_json() for one in memory.get_finished_spans())
    assert "gen_ai" in spans
    assert case.expect.startswith("no secret")
    for words in (*told, spans, caplog.text):
        assert not any(secret[at : at + 12] in words for at in range(len(secret) - 12))
