"""Guards in real calls, over both drivers: what leaves, what is shown, what is cancelled, how often and how long a guard is asked."""

from __future__ import annotations

import asyncio
import json
import os
import pickle
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydantic
import pytest

from saferoute.errors import CapabilityForbidden, GuardBlocked, GuardError, GuardFailed, OutputInvalid, StreamInterrupted, TimedOut
from saferoute.guards import Action, Context, PiiGuard, SecretsGuard, Segment, Verdict, guard
from saferoute.testing.script import RawAnswer
from saferoute.values.events import Finished, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Message, Text, ToolCall, ToolResult
from tests.drivers.test_production import run_bare
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, Received, fails, says
from tests.support.guarded import Saying, Stopping, Words
from tests.support.guarded_calls import LOOK, asks_tool, guarded, hurried, several

ROUTE = "here/m"
MARK = "[redacted: word]"
FALCON = "the falcon flies"
FLIES = f"the {MARK} flies"


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer(says("fine")) as running:
        yield running


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[False, True], ids=["whole", "stream"])
def stream(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest.fixture(params=[False, True], ids=["slow", "quick"])
def quick(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def call(face: Face, messages: Any, *, stream: bool, route: str = ROUTE, **options: Any) -> Any:
    """The reply, streamed or not."""
    if not stream:
        return face.chat(route, messages, **options)
    last = face.stream(route, messages, **options)[-1]
    assert isinstance(last, Finished)
    return last.reply


def own(reply: Any, *names: str) -> list[Any]:
    """The verdicts of these guards: a client may have others."""
    return [one for one in reply.verdicts if one.guard in names]


def tokens_of(face: Face) -> str:
    """What was shown of a stream."""
    return "".join(event.text for event in face.seen if isinstance(event, TextDelta))


# ---------------------------------------------------------------------------------------------------------------- the request


def test_what_is_blocked_is_not_sent(kind: str, stream: bool, quick: bool, server: CountingServer) -> None:
    with guarded(kind, server, Stopping("falcon", action=Action.BLOCK, quick=quick)) as face:
        with pytest.raises(GuardBlocked) as caught:
            call(face, FALCON, stream=stream)
        assert (server.count, server.bytes_received, caught.value.attempts) == (0, 0, ())
        assert "falcon" not in f"{caught.value}{caught.value!r}{caught.value.verdicts}{caught.value.diagnostics()}"
        assert call(face, "an owl", stream=stream).text == "fine"
        assert server.count == 1


def test_what_is_redacted_is_what_leaves_and_what_the_reply_goes_on_with(
    kind: str, stream: bool, quick: bool, server: CountingServer
) -> None:
    messages = [Message("system", (Text(FALCON),)), Message("user", (Text(f"{FALCON}, falcon"),))]
    with guarded(kind, server, Stopping("falcon", quick=quick)) as face:
        reply = call(face, messages, stream=stream)
    assert b"falcon" not in server.received[0].body
    assert [one["content"] for one in server.bodies[0]["messages"]] == [FLIES, f"{FLIES}, {MARK}"]
    assert [message.text for message in reply.messages[:2]] == [FLIES, f"{FLIES}, {MARK}"]
    assert [(one.path, len(one.verdict.spans)) for one in own(reply, "words")] == [
        ("/messages/0/content/0", 1),
        ("/messages/1/content/0", 2),
    ]


def test_results_of_tools_are_judged_as_such(kind: str, stream: bool, quick: bool, server: CountingServer) -> None:
    messages = [
        Message("user", (Text("look"),)),
        Message("assistant", (ToolCall("c1", "look", "{}"),)),
        Message("tool", (ToolResult("c1", (Text(FALCON),)),)),
    ]
    one = Stopping("falcon", quick=quick, stages=["tool_result"])
    with guarded(kind, server, one) as face:
        call(face, messages, stream=stream, tools=[LOOK])
    assert server.bodies[0]["messages"][2]["content"] == FLIES
    assert one.asked == [("tool_result", "/messages/2/content/0/content/0", FALCON)]


UNCHANGEABLE: dict[str, Any] = {
    "a tool's name": ("hi", {"tools": [{**LOOK, "name": "falcon"}]}),
    "a tool's description": ("hi", {"tools": [{**LOOK, "description": FALCON}]}),
    "a schema": ("hi", {"tools": [{**LOOK, "parameters": {"type": "object", "properties": {"falcon": {"type": "string"}}}}]}),
    "an earlier call": (
        [
            Message("user", (Text("look"),)),
            Message("assistant", (ToolCall("c1", "look", '{"q":"falcon"}'),)),
            Message("tool", (ToolResult("c1", (Text("x"),)),)),
        ],
        {"tools": [LOOK]},
    ),
    "the schema of the answer": ("hi", {"output": {"type": "object", "title": "falcon", "properties": {}}}),
}


@pytest.mark.parametrize("place", UNCHANGEABLE)
def test_what_cannot_be_taken_out_is_not_sent(kind: str, quick: bool, server: CountingServer, place: str) -> None:
    messages, options = UNCHANGEABLE[place]
    with guarded(kind, server, Stopping("falcon", quick=quick)) as face, pytest.raises(GuardBlocked) as caught:
        face.chat(ROUTE, messages, **options)
    assert server.count == 0
    assert {one.verdict.action for one in caught.value.verdicts if one.guard == "words"} == {Action.REDACT, Action.BLOCK}


def test_the_most_severe_wins_whatever_the_order_and_all_reasons_are_kept(kind: str, server: CountingServer) -> None:
    one, two = Stopping("falcon", quick=False), Saying(Verdict(Action.BLOCK, ("no birds",)), name="birds")
    for guards in ([one, two], [two, one]):
        with guarded(kind, server, *guards) as face, pytest.raises(GuardBlocked) as caught:
            face.chat(ROUTE, FALCON)
        assert {one.verdict.reasons for one in caught.value.verdicts if one.guard in {"words", "birds"}} == {("1 words",), ("no birds",)}
    assert server.count == 0


def test_two_guards_that_point_at_one_place_take_it_out_once(kind: str, quick: bool, server: CountingServer) -> None:
    guards = [Stopping("the fal", quick=quick), Stopping("falcon fl", name="other", kind="other", quick=not quick)]
    with guarded(kind, server, *guards) as face:
        face.chat(ROUTE, f"see {FALCON}")
    assert server.bodies[0]["messages"][0]["content"] == f"see {MARK}ies"


# ----------------------------------------------------------------------------------------------------------------- the answer


def test_a_blocked_answer_is_cancelled_and_nothing_of_it_is_shown(kind: str, server: CountingServer) -> None:
    server.script(says("the fal", "con flies", *["on and on "] * 50, pause=0.5))  # what arrives together is judged together
    with guarded(kind, server, Words("falcon", action=Action.BLOCK)) as face:
        with pytest.raises(GuardBlocked) as caught:
            face.stream(ROUTE, "hi")
        error = caught.value
        assert server.settled(1)
        assert tokens_of(face) == "the "
    assert not any(isinstance(event, Finished) for event in face.seen)
    assert "falcon" not in f"{error}{error!r}{error.verdicts}{error.diagnostics()}{error.__dict__}"
    assert getattr(error, "partial", None) is None
    assert [(one.outcome, one.status) for one in error.attempts] == [("GuardBlocked", 200)]
    assert server.count == 1


def test_a_blocked_whole_answer_is_on_record_and_is_not_asked_for_again(kind: str, quick: bool, server: CountingServer) -> None:
    server.script(says(FALCON))
    with guarded(kind, server, Stopping("falcon", action=Action.BLOCK, quick=quick)) as face, pytest.raises(GuardBlocked) as caught:
        face.chat(ROUTE, "hi")
    assert ([one.outcome for one in caught.value.attempts], server.count) == (["GuardBlocked"], 1)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (type(again), str(again), again.verdicts) == (GuardBlocked, str(caught.value), caught.value.verdicts)


def test_a_stream_is_redacted_at_every_chunking(kind: str, server: CountingServer) -> None:
    text = "a falcon, falcons"
    with guarded(kind, server, Words("falcon")) as face:
        for cut in range(len(text)):
            for second in {min(cut + 3, len(text)), len(text)}:
                server.script(says(text[:cut], text[cut:second], text[second:]))
                reply = call(face, "hi", stream=True)
                assert reply.text == tokens_of(face) == f"a {MARK}, {MARK}s"
        server.script(says(*text))
        assert call(face, "hi", stream=True).text == f"a {MARK}, {MARK}s"


def test_slow_guards_and_whole_answers_give_the_same(kind: str, stream: bool, quick: bool, server: CountingServer) -> None:
    server.script(says("a fal", "con, falcons"))
    one = Stopping("falcon", quick=quick)
    with guarded(kind, server, one) as face:
        reply = call(face, "hi", stream=stream)
    assert reply.text == f"a {MARK}, {MARK}s"
    assert [asked for asked in one.asked if asked[0] == "output"] == [("output", "/content/0", "a falcon, falcons")]
    assert [len(verdict.verdict.spans) for verdict in own(reply, "words")] == [2]


def test_what_is_harmless_is_shown_as_it_comes(kind: str, server: CountingServer) -> None:
    server.script(says(*("a ", "b ", "f", "g ", "h ")))
    with guarded(kind, server, Words("falcon")) as face:
        face.stream(ROUTE, "hi")
    shown = [event.text for event in face.seen if isinstance(event, TextDelta)]
    assert shown in (["a ", "b ", "f" + "g ", "h "], ["a ", "b ", "f", "g ", "h "])  # as "f" came alone, or with what follows


def test_a_stream_that_is_cut_off_keeps_what_was_held(kind: str, server: CountingServer) -> None:
    def cut(received: Received) -> RawAnswer:
        return replace(
            says("a fal", "low fal")(received), pieces=says("a fal", "low fal")(received).pieces[:2], unfinished=True, end="close"
        )

    server.script(cut)
    with guarded(kind, server, Words("falcon")) as face, pytest.raises(StreamInterrupted) as caught:
        face.stream(ROUTE, "hi")
    assert caught.value.partial is not None
    assert tokens_of(face) == "a fallow "
    assert caught.value.partial.text == "a fallow fal"  # nothing follows, and it is no falcon


@pytest.mark.parametrize("begun", ["sk-proj-aB3", "password: hunter", "AKIA1", "ada@exam", "a" * 33])
def test_what_may_be_the_beginning_of_a_key_is_in_no_partial_answer(kind: str, server: CountingServer, begun: str) -> None:
    whole = says("see ", begun)

    def cut(received: Received) -> RawAnswer:
        return replace(whole(received), pieces=whole(received).pieces[:2], unfinished=True, end="close")

    server.script(cut)
    judges = [SecretsGuard(), PiiGuard(action=Action.REDACT), Words("a" * 40)]
    with guarded(kind, server, *judges) as face, pytest.raises(StreamInterrupted) as caught:
        face.stream(ROUTE, "hi")
    assert caught.value.partial is None or begun not in caught.value.partial.text


@pytest.mark.parametrize("arguments", [['{"q":"fal', 'con"}'], ['{"q":"fal', "con"]], ids=["whole", "malformed"])
def test_nothing_of_a_blocked_call_is_shown(kind: str, stream: bool, quick: bool, server: CountingServer, arguments: list[str]) -> None:
    server.script(asks_tool(*arguments))
    one = Stopping("falcon", action=Action.BLOCK, quick=quick, stages=["tool_call"])
    with guarded(kind, server, one) as face, pytest.raises(GuardBlocked) as caught:
        call(face, "hi", stream=stream, tools=[LOOK])
    if stream:
        assert not any(isinstance(event, ToolCallDelta | ToolCallReady) for event in face.seen)
    assert [asked[2] for asked in one.asked] == ["".join(arguments)]
    assert "falcon" not in f"{caught.value}{caught.value.verdicts}"


def test_a_call_is_shown_once_it_was_judged_whole(kind: str, server: CountingServer) -> None:
    server.script(asks_tool('{"q":"a fal', 'con"}'))
    with guarded(kind, server, Words("falcon")) as face:
        reply = call(face, "hi", stream=True, tools=[LOOK])
    calls = [event for event in face.seen if isinstance(event, ToolCallDelta | ToolCallReady)]
    assert [type(event) for event in calls] == [ToolCallDelta, ToolCallReady]
    assert reply.tool_calls[0].parse() == {"q": f"a {MARK}"}
    assert calls[0].arguments == reply.tool_calls[0].arguments  # type: ignore[union-attr]


def test_every_alternative_is_judged(kind: str, server: CountingServer) -> None:
    server.script(several(["one", FALCON]))
    with guarded(kind, server, Words("falcon")) as face:
        reply = face.chat(ROUTE, "hi", n=2)
        assert (reply.text, [one.text for one in reply.alternatives]) == ("one", [FLIES])
    for blocks in (Words("falcon", action=Action.BLOCK), Stopping("falcon", quick=False)):
        with guarded(kind, server, blocks) as face, pytest.raises(GuardBlocked, match="/alternatives/1/content/0"):
            face.chat(ROUTE, "hi", n=2)


class Bird(pydantic.BaseModel):
    name: str


def test_a_parsed_answer_is_parsed_from_what_guards_left(kind: str, stream: bool, quick: bool, server: CountingServer) -> None:
    server.script(says('{"name":"fal', 'con"}'))
    with guarded(kind, server, Stopping("falcon", quick=quick, stages=["output"])) as face:
        assert call(face, "hi", stream=stream, output=Bird).parsed == Bird(name=MARK)
    with guarded(kind, server, Stopping('"falcon"', quick=quick, stages=["output"])) as face, pytest.raises(OutputInvalid) as caught:
        call(face, "hi", stream=stream, output=Bird)
    assert "falcon" not in f"{caught.value.reply.text}{caught.value}"  # type: ignore[union-attr]


# ------------------------------------------------------------------------------------------------ each is asked exactly once


def asked_of(one: Saying, stage: str) -> int:
    return [asked[0] for asked in one.asked].count(stage)


FLOWS: dict[str, tuple[str, dict[str, list[Any]]]] = {
    "fallback": ('targets = ["a", "b", "s"]', {"a": [fails(500)], "b": [fails(500)], "s": [says(FALCON)]}),
    "retry": ('targets = ["a"]', {"a": [fails(500), says(FALCON)]}),
    "shadow": ('targets = ["a", "b"]\nshadow = { target = "s", share = 1000, max_cost = "$1" }', {"a": [fails(500)], "b": [says(FALCON)]}),
}


@pytest.mark.parametrize("flow", FLOWS)
@pytest.mark.parametrize(("stream", "quick"), [(False, True), (True, False)], ids=["whole, quick", "streamed, slow"])
def test_a_request_is_judged_once_however_often_it_is_sent(world: Bed, kind: str, stream: bool, quick: bool, flow: str) -> None:
    alias, answers = FLOWS[flow]
    world.sign(alias)
    for name, steps in answers.items():
        getattr(world, name).script(*steps)
    words = Stopping("falcon", quick=quick)
    face = world.open(kind, guards=[words], data="public")
    reply = call(face, [{"role": "user", "content": FALCON}, {"role": "user", "content": "more"}], stream=stream, route="fast")
    assert reply.text == FLIES
    assert len(reply.attempts) == (3 if flow == "fallback" else 2)
    assert (asked_of(words, "input"), asked_of(words, "output")) == (2, 1)
    copies = int(flow == "shadow")
    until(lambda: sum(world.counts) == len(reply.attempts) + copies, face)
    sent = [one for place in (world.a, world.b, world.s) for one in place.received]
    assert all(b"falcon" not in one.body and MARK.encode() in one.body for one in sent)


def test_a_hedged_request_is_judged_once_and_each_answer_by_itself(world: Bed, kind: str) -> None:
    world.sign('targets = ["a", "b"]\nhedge = { after = "10ms" }')
    words = Stopping("falcon", quick=True)
    face = world.open(kind, guards=[words])
    world.warm(face)
    words.asked.clear()
    world.a.script(slowly("late", 5.0))
    world.b.script(says(FALCON))
    reply = face.chat("fast", FALCON)
    assert reply.text == FLIES
    assert world.counts == (1, 1, 0)
    assert (asked_of(words, "input"), asked_of(words, "output")) == (1, 1)
    assert all(b"falcon" not in one.body for one in [*world.a.received, *world.b.received])


def test_turns_are_not_used_up_by_what_was_redacted(world: Bed, kind: str) -> None:
    world.sign('targets = ["a", "b"]\nstrategy = "round_robin"')
    face = world.open(kind, guards=[Words("falcon")])
    for _ in range(4):
        face.chat("fast", FALCON)
    assert world.counts == (2, 2, 0)


def test_what_is_said_about_a_copy_is_true_of_what_was_redacted(world: Bed, kind: str) -> None:
    world.sign('targets = ["a"]\nshadow = { target = "s", share = 500, max_cost = "$1" }')
    face = world.open(kind, guards=[Words("falcon")], data="public")
    told = 0
    for _ in range(12):
        told += any("a copy of this call" in one.message for one in face.chat("fast", FALCON, max_output_tokens=5).warnings)
    until(lambda: world.s.count == told, face)
    face.wait(asyncio.sleep(0.02)) if kind == "asyncio" else time.sleep(0.02)
    assert world.s.count == told


def test_what_was_filled_in_is_told_for_a_redacted_request_too(world: Bed, kind: str) -> None:
    world.sign('targets = ["a"]')
    face = world.open(kind, world.mint(budget="$1"), guards=[Words("falcon")])
    assert [one.parameter for one in face.chat("fast", FALCON).warnings] == ["max_output_tokens"]
    assert world.a.bodies[0]["messages"][0]["content"] == FLIES


# --------------------------------------------------------------------------------------------------------------------- money


def test_a_blocked_answer_is_settled_at_its_worst_case_and_a_blocked_request_costs_nothing(world: Bed, kind: str, stream: bool) -> None:
    world.sign('targets = ["a"]')
    face = world.open(kind, world.mint(budget="$1", calls=10), guards=[Words("falcon", action=Action.BLOCK)])
    with pytest.raises(GuardBlocked):
        call(face, FALCON, stream=stream, route="fast")
    standing = {one.unit: (one.spent, one.reserved) for one in face.wait(face.client.remaining())}
    assert standing == {"USD": (0, 0), "calls": (0, 0)}
    world.a.script(says("a falcon"))
    with pytest.raises(GuardBlocked):
        call(face, "hi", stream=stream, route="fast", max_output_tokens=10)
    standing = {one.unit: (one.spent, one.reserved) for one in face.wait(face.client.remaining())}
    body = len(world.a.received[0].body)
    assert standing["calls"] == (1, 0)
    assert standing["USD"][1] == 0
    assert standing["USD"][0] >= body * 1_000 + 10 * 10_000


def test_a_capability_that_asks_for_a_guard(world: Bed, kind: str) -> None:
    world.sign('targets = ["a"]')
    asks = world.mint(guards=["words"])
    face = world.open(kind, asks, guards=[Words("falcon")])
    assert face.chat("fast", FALCON).text == "a"
    face = world.open(kind, asks, guards=[Words("falcon", name="others")])
    with pytest.raises(CapabilityForbidden, match="asks for the guards words") as caught:
        face.chat("fast", "hi")
    assert (caught.value.code, world.a.count) == ("guards", 1)


# ---------------------------------------------------------------------------------------------------------- guards that fail

FAILURES: dict[str, Any] = {
    "raises": RuntimeError("the falcon"),
    "None": lambda *_: None,
    "a text": "the falcon",
    "out of range": lambda segment, _: Verdict(Action.FLAG, (), (__import__("saferoute").guards.Span(0, len(segment.text) + 1, "word"),)),
}


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("stage", ["input", "output"])
def test_a_guard_that_fails_stops_the_call_and_its_words_are_told_nowhere(
    kind: str, quick: bool, server: CountingServer, failure: str, stage: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    one = Saying(FAILURES[failure], quick=quick, stages=[stage])
    with guarded(kind, server, one) as face, pytest.raises(GuardFailed, match="guard_error") as caught:
        face.chat(ROUTE, "hi")
    assert server.count == (stage == "output")
    assert "falcon" not in f"{caught.value}{caught.value.verdicts}{caught.value.__cause__}{caught.value.__context__}{caplog.text}"


@pytest.mark.parametrize("failure", FAILURES)
def test_a_guard_that_is_to_flag_its_failures_is_told_and_the_call_goes_on(
    kind: str, stream: bool, quick: bool, server: CountingServer, failure: str
) -> None:
    with guarded(kind, server, Saying(FAILURES[failure], quick=quick, on_error="flag")) as face:
        reply = call(face, "hi", stream=stream)
    assert reply.text == "fine"
    assert [(one.stage, one.verdict.action) for one in own(reply, "saying")] == [("input", Action.FLAG), ("output", Action.FLAG)]
    assert all(one.verdict.reasons[0].startswith("guard_error") for one in own(reply, "saying"))


def slow_guard(seconds: float, seen: list[str], stage: Any = "input") -> Any:
    @guard(stages=[stage])
    async def waits(segment: Segment, context: Context) -> Verdict:
        try:
            await asyncio.sleep(seconds)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        return Verdict(Action.ALLOW)

    return waits


@pytest.mark.parametrize("stage", ["input", "output"])
@pytest.mark.timed
def test_a_coroutine_that_sleeps_is_cancelled_and_the_call_fails(kind: str, server: CountingServer, stage: str) -> None:
    seen: list[str] = []
    with hurried(guarded(kind, server, slow_guard(30.0, seen, stage)), 0.05) as face:
        began = time.monotonic()
        with pytest.raises(GuardFailed, match="it gave no verdict in time"):
            face.chat(ROUTE, "hi")
        assert time.monotonic() - began < 10
        if kind == "asyncio":
            assert seen == ["cancelled"]
    assert server.count == (stage == "output")


@pytest.mark.timed
def test_a_guard_that_hangs_fails_the_call_and_holds_nobody_up(kind: str, server: CountingServer) -> None:
    free = threading.Event()
    hangs = Saying(lambda *_: free.wait(30), name="hangs")
    face = hurried(guarded(kind, server, hangs), 0.05)
    began = time.monotonic()
    try:
        with face, pytest.raises(GuardFailed):
            face.chat(ROUTE, "hi")
        assert time.monotonic() - began < 10  # the client is closed by now, too
    finally:
        free.set()
    assert server.count == 0


@pytest.mark.timed
def test_the_calls_own_time_bounds_its_guards(kind: str, server: CountingServer) -> None:
    with guarded(kind, server, slow_guard(30.0, [])) as face:
        began = time.monotonic()
        with pytest.raises(GuardFailed):
            face.chat(ROUTE, "hi", timeout=0.1)
        assert time.monotonic() - began < 10
    assert server.count == 0


@pytest.mark.timed
def test_what_guards_take_is_taken_off_the_calls_time(kind: str, server: CountingServer) -> None:
    server.script(says("late", first_pause=20.0))
    with guarded(kind, server, slow_guard(0.2, [])) as face:
        began = time.monotonic()
        with pytest.raises(TimedOut):
            face.chat(ROUTE, "hi", timeout=0.5)
        assert 0.4 < time.monotonic() - began < 8


def test_a_guard_that_used_up_the_time_and_only_flags_leaves_none(kind: str, server: CountingServer) -> None:
    late = Saying(lambda *_: time.sleep(0.3), on_error="flag", stages=["input"])
    with guarded(kind, server, late) as face, pytest.raises(TimedOut):
        face.chat(ROUTE, "hi", timeout=0.1)


def test_a_long_conversation_needs_no_more_threads_than_there_are(kind: str, server: CountingServer) -> None:
    slow = Saying(lambda *_: time.sleep(0.0005) or Verdict(Action.ALLOW))
    with guarded(kind, server, slow) as face:
        assert face.chat(ROUTE, [{"role": "user", "content": str(number)} for number in range(200)]).text == "fine"
    assert asked_of(slow, "input") == 200


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_passes_through_a_guard(kind: str, quick: bool, server: CountingServer, stop: type[BaseException]) -> None:
    with guarded(kind, server, Saying(stop(), quick=quick)) as face, pytest.raises(stop):
        face.chat(ROUTE, "hi")
    assert server.count == 0


def test_a_cancelled_call_cancels_its_guard(server: CountingServer) -> None:
    seen: list[str] = []

    async def cancelled(face: Face) -> None:
        task = asyncio.ensure_future(face.client.chat(ROUTE, "hi"))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0)

    with guarded("asyncio", server, slow_guard(30.0, seen)) as face:
        face.wait(cancelled(face))
    assert (seen, server.count) == (["cancelled"], 0)


HANGS = """
import sys, threading, time, warnings, saferoute
from saferoute.guards import guard, Verdict, Action
warnings.simplefilter("ignore")
@guard(stages=["input"])
def hangs(segment, context):
    threading.Event().wait()
client = saferoute.Client.local(servers=[saferoute.loopback("row", port=9)], secrets=saferoute.Secrets.of({}), guards=[hangs])
try:
    client.chat("row/m", "hi", timeout=0.05)
except saferoute.errors.GuardFailed as error:
    print("failed")
"""


def test_a_guard_that_hangs_does_not_keep_the_interpreter() -> None:
    done = run_bare(HANGS)
    assert (done.stdout, done.returncode) == ("failed\n", 0), done.stderr


FORK = """
import os, sys, warnings, saferoute
from saferoute.guards import guard, Verdict, Action, Span
warnings.simplefilter("ignore")
@guard(stages=["input"])
def birds(segment, context):
    at = segment.text.find("falcon")
    return Verdict(Action.REDACT, ("a bird",), (Span(at, at + 6, "bird"),)) if at >= 0 else Verdict(Action.ALLOW)
client = saferoute.Client.local(servers=[saferoute.loopback("row", port=PORT)], secrets=saferoute.Secrets.of({}), guards=[birds])
client.chat("row/m", "falcon parent")
child = os.fork()
client.chat("row/m", "falcon both")
if child == 0:
    os._exit(0)
_, status = os.waitpid(child, 0)
print("ok", status)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_guards_in_threads_work_in_a_forked_child(server: CountingServer) -> None:
    done = run_bare(FORK.replace("PORT", str(server.port)))
    assert (done.stdout, done.returncode) == ("ok 0\n", 0), done.stderr
    assert sorted(body["messages"][0]["content"] for body in server.bodies) == [
        "[redacted: bird] both",
        "[redacted: bird] both",
        "[redacted: bird] parent",
    ]


def test_a_narrowed_client_has_the_guards_too(kind: str, server: CountingServer) -> None:
    with guarded(kind, server, Words("falcon", action=Action.BLOCK)) as face:
        part = Face.__new__(Face)
        part.kind, part.client, part._loop = face.kind, face.client.using(purpose="tests"), face._loop
        with pytest.raises(GuardError):
            part.chat(ROUTE, FALCON)
    assert server.count == 0


def test_what_left_is_json_that_holds_nothing_else(kind: str, server: CountingServer) -> None:
    with guarded(kind, server, Words("falcon")) as face:
        face.chat(ROUTE, FALCON)
    assert json.loads(server.received[0].body)["messages"] == [{"role": "user", "content": FLIES}]
