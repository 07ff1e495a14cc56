"""The shared hostile cases through real clients: both drivers, a loopback server, each case at its stage, streams cut at every place.

The cases, and the tables of what we do otherwise, are those of tests/support/hostile_rows.py.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import GuardBlocked
from saferoute.guards import Action, PiiGuard
from saferoute.providers.fitting import fit
from saferoute.values.events import ToolCallDelta, ToolCallReady
from saferoute.values.messages import Message, Text, ToolCall, ToolResult
from tests.support.both import KINDS, Face
from tests.support.counting_server import says
from tests.support.guarded_calls import asks_tool
from tests.support.hostile_rows import (
    ABSENT,
    CASES,
    DIFFERENT,
    OF_THEIR_OWN,
    PENDING,
    REDACTED_PII,
    Bench,
    Case,
    of_stage,
    shown,
    wanted,
)

pytestmark = ABSENT


@pytest.fixture(scope="module", params=KINDS)
def benches(request: pytest.FixtureRequest) -> Iterator[dict[str, Bench]]:
    made = {"plain": Bench(str(request.param)), "pii": Bench(str(request.param), PiiGuard(action=Action.REDACT))}
    yield made
    for bench in made.values():
        bench.close()


def bench_for(benches: dict[str, Bench], case: Case) -> Bench:
    return benches["pii" if case.id in REDACTED_PII else "plain"].forget()


def messages_of(case: Case) -> list[Message]:
    """The conversation in which the case's text stands where its stage says."""
    if isinstance(case.input, dict) and "messages" in case.input:
        return [Message(one["role"], (Text(one["content"]),)) for one in case.input["messages"]]
    if case.stage == "tool_result":
        answer = ToolResult("c1", (Text(case.text),))
        return [Message("user", (Text("look"),)), Message("assistant", (ToolCall("c1", "look", "{}"),)), Message("tool", (answer,))]
    return [Message("user", (Text(case.text),))]


def test_every_case_is_of_a_stage_that_is_tried_here() -> None:
    tried = {"input", "tool_result", "output", "tool_call", "stream", "request", "guard", "log"}
    assert {case.stage for case in CASES.values()} == tried
    assert len(CASES) >= 69
    assert set(PENDING) | set(DIFFERENT) | OF_THEIR_OWN | REDACTED_PII <= set(CASES)


# --------------------------------------------------------------------------------------------------------------- what goes in

LARGE = 100_000


@of_stage("input", "tool_result")
@pytest.mark.timed
def test_what_goes_in(benches: dict[str, Bench], case: Case) -> None:
    bench = bench_for(benches, case)
    messages, text = messages_of(case), case.text
    for stream in (False, True) if len(text) < LARGE else (False,):
        began = time.monotonic()
        said = bench.said(messages, stream=stream)
        took = time.monotonic() - began
        if case.expect == "any verdict, no hang":
            assert took < 5.0
            continue
        assert said in wanted(case), (case.why, said)
        if said == "block":
            assert bench.server.count == 0
        elif said == "redact":
            assert bench.sent() == judged_text(bench.face, text, case.stage) != text
        else:
            assert bench.sent() == (text if case.stage == "tool_result" else messages[-1].text)


def judged_text(face: Face, text: str, stage: str) -> str:
    """The text as a client says that it would be sent."""
    return str(face.wait(face.client.judge(text, stage=stage)).redacted)


@pytest.mark.timed
def test_ten_megabytes_are_refused_at_once(benches: dict[str, Bench]) -> None:
    bench, messages = benches["plain"].forget(), messages_of(CASES["h43"])
    took = []
    for _ in range(3):
        began = time.perf_counter()
        with pytest.raises(GuardBlocked, match="8000000 are allowed"):
            bench.reply(messages)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.5  # 5 ms where nothing else runs; a benchmark says so. To judge them would take seconds
    assert bench.server.count == 0


# -------------------------------------------------------------------------------------------------------------- what comes out


def cuts_of(text: str, bench: Bench) -> list[list[str]]:
    """The text in one piece, in two, and letter by letter; the blocking client gets it cut at every place, the other one at each third."""
    places = range(1, len(text), 1 if bench.face.kind == "blocking" else 3)
    return [[text], *([text[:at], text[at:]] for at in places), list(text)]


def once(text: str) -> str:
    """A text in which no mark stands behind its like."""
    return re.sub(r"(\[redacted: [a-z.]+\])\1+", r"\1", text)


@of_stage("output")
def test_what_comes_out_whole_and_streamed_at_every_chunking(benches: dict[str, Bench], case: Case) -> None:
    bench = bench_for(benches, case)
    comes_out(bench, case, case.text, cuts_of(case.text, bench))


def comes_out(bench: Bench, case: Case, text: str, chunkings: Sequence[Sequence[str]]) -> None:
    bench.server.script(says(text))
    whole = bench.said("hi")
    assert whole in wanted(case), case.why
    left = judged_text(bench.face, text, "output")
    if whole != "block":
        assert bench.reply("hi").text == left
    assert (left == text) == (whole in {"allow", "flag"})
    for pieces in chunkings:
        bench.server.script(says(*pieces))
        assert bench.said("hi", stream=True) == whole, pieces
        if whole == "block":
            assert text.startswith(shown(bench.face))
        else:  # what is found side by side has one mark if it is found at once, and one each if it comes apart
            assert once(shown(bench.face)) == once(left), pieces


@of_stage("stream")
def test_what_comes_out_in_pieces(benches: dict[str, Bench], case: Case) -> None:
    bench = bench_for(benches, case)
    text = "".join(case.input)
    comes_out(bench, case, text, [case.input, *cuts_of(text, bench)])


# ------------------------------------------------------------------------------------------------------------------ tool calls


def tool(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "description": name, "parameters": {"type": "object", "properties": properties}}


TOOLS = [tool("fetch", url={"type": "string"}), tool("look", q={"type": "string"})]


@of_stage("tool_call")
def test_tool_calls_are_judged_whole(benches: dict[str, Bench], case: Case) -> None:
    bench = bench_for(benches, case)
    given = case.input["arguments"]
    arguments = given if isinstance(given, str) else json.dumps(given)
    for stream, pieces in ((False, [arguments]), *((True, pieces) for pieces in cuts_of(arguments, bench))):
        bench.server.script(asks_tool(*pieces, name=case.input["name"]))
        assert bench.said("hi", stream=stream, tools=TOOLS) in wanted(case), (case.why, pieces)
        if stream:
            assert not any(isinstance(event, ToolCallDelta | ToolCallReady) for event in bench.face.seen)


# ----------------------------------------------------------------------------------------------------------------- the request


@of_stage("request")
@pytest.mark.parametrize("stream", [False, True])
def test_a_prefix_that_something_in_between_puts_in(
    benches: dict[str, Bench], case: Case, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = Message("system", (Text(case.input["system_prefix_injected_by"]),))

    def middleware(request: Any, target: Any) -> Any:
        fitted, notices = fit(request, target)
        return replace(fitted, messages=(poison, *fitted.messages)), notices

    monkeypatch.setattr("saferoute.call.flow.fit", middleware)
    bench = bench_for(benches, case)
    with pytest.raises(GuardBlocked):
        bench.reply("hi", stream=stream)
    assert bench.server.count == 0
    assert wanted(case) == {"block"}
