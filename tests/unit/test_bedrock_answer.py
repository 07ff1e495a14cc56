"""Answers of Converse: whole and streamed, cut anywhere, cut off, and with an error inside."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from saferoute.errors import ProtocolError, StreamInterrupted
from saferoute.providers.bedrock_answer import BedrockReader
from saferoute.values.events import Cited, Completed, Noticed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Citation, OpaqueState, Reasoning, Text, ToolCall
from tests.unit.bedrock_cases import (
    ANSWERS,
    CITATION,
    MODEL,
    REDACTED,
    TARGET,
    call,
    decoded,
    decoded_whole,
    events_of,
    folded,
    frame,
    frames,
    message,
    stream_of,
    text,
    thinking,
)


def completed(*chunks: bytes) -> Completed:
    last = decoded(*chunks)[-1]
    assert isinstance(last, Completed)
    return last


def delta(index: int, **piece: object) -> tuple[str, object]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": piece}


def start(index: int, **block: object) -> tuple[str, object]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": block}


def stop(index: int) -> tuple[str, object]:
    return "contentBlockStop", {"contentBlockIndex": index}


END: list[tuple[str, object]] = [
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": {"inputTokens": 1, "outputTokens": 2}}),
]


def test_the_events_of_a_stream() -> None:
    events = decoded(stream_of(message(thinking("hm"), text("Hello, you"), call(arguments={"a": 1}), stop="tool_use")))
    state = OpaqueState("aws.bedrock", "bedrock_converse", MODEL, json.dumps(thinking("hm"), separators=(",", ":")))
    asked = ToolCall("tooluse_1", "weather", '{"a":1}')
    assert events[:-1] == [
        Started("", ""),
        ReasoningDelta("hm", 0),
        PartEnd(0, state),
        TextDelta("Hello, y", 1),
        TextDelta("ou", 1),
        PartEnd(1),
        ToolCallDelta(2, "tooluse_1", "weather", ""),
        ToolCallDelta(2, "tooluse_1", "weather", '{"a":1}'),
        ToolCallReady(2, asked),
    ]
    assert isinstance(events[-1], Completed)
    assert folded(events).content() == (Reasoning("hm", state), Text("Hello, you"), asked)


@pytest.mark.parametrize("case", ANSWERS)
def test_body_and_stream_fold_to_the_same(case: str) -> None:
    whole, stream = folded(decoded_whole(ANSWERS[case])), folded(decoded(stream_of(ANSWERS[case])))
    assert whole.content() == stream.content()
    assert whole.completed == stream.completed
    assert whole.started == stream.started == Started("", "")


@pytest.mark.parametrize("case", ANSWERS)
def test_every_cut_gives_the_same_events(case: str) -> None:
    data = stream_of(ANSWERS[case])
    whole = decoded(data)
    for cut in range(1, len(data)):
        assert decoded(data[:cut], data[cut:]) == whole
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == whole
    rnd = random.Random(case)
    for _ in range(20):
        cuts = sorted(rnd.sample(range(1, len(data)), 5))
        assert decoded(*(data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True))) == whole


@pytest.mark.parametrize("case", ANSWERS)
def test_a_stream_cut_before_its_end_is_interrupted(case: str) -> None:
    *events, last = events_of(ANSWERS[case])
    until_stop = len(frames(events))
    data = frames([*events, last])
    for cut in range(len(data)):
        if cut == until_stop:  # the stop reason is there, only the usage is not
            assert completed(data[:cut]).usage.input_tokens is None
            continue
        with pytest.raises(StreamInterrupted):
            decoded(data[:cut])


def test_metadata_may_come_first() -> None:
    *events, last = events_of(ANSWERS["text"])
    assert folded(decoded(frames([*events[:-1], last, events[-1]]))).completed == folded(decoded(frames([*events, last]))).completed
    with pytest.raises(StreamInterrupted):
        decoded(frames([*events[:-1], last]))


def test_nothing_after_the_end_is_read() -> None:
    data = stream_of(ANSWERS["text"])
    assert decoded(data + frame("slow", {"message": "x"}, "exception"))[-1] == decoded(data)[-1]


FINISH = [
    ("end_turn", "stop"),
    ("stop_sequence", "stop_sequence"),
    ("max_tokens", "length"),
    ("model_context_window_exceeded", "context_overflow"),
    ("tool_use", "tool_call"),
    ("guardrail_intervened", "content_filter"),
    ("content_filtered", "content_filter"),
    ("malformed_model_output", "error"),
    ("malformed_tool_use", "error"),
    ("something_new", "other"),
]


@pytest.mark.parametrize(("raw", "finish"), FINISH)
def test_finish_reasons(raw: str, finish: str) -> None:
    last = completed(stream_of(message(text("a"), stop=raw)))
    assert (last.finish_reason, last.raw_finish_reason) == (finish, raw)


def test_a_call_ends_with_tool_call_even_if_the_server_says_end_turn() -> None:
    assert completed(stream_of(message(call()))).finish_reason == "tool_call"
    assert completed(stream_of(message(call(), stop="max_tokens"))).finish_reason == "length"
    assert completed(stream_of(ANSWERS["server tool"])).finish_reason == "stop"


USAGE: list[tuple[dict[str, Any], tuple[int | None, ...]]] = [
    ({}, (None, None, 0, 0)),
    ({"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, (5, 2, 0, 0)),
    (
        {"inputTokens": 3, "outputTokens": 121, "totalTokens": 2072, "cacheReadInputTokens": 1712, "cacheWriteInputTokens": 236},
        (1951, 121, 1712, 236),
    ),
    ({"inputTokens": 100, "outputTokens": 5, "totalTokens": 105, "cacheReadInputTokens": 80}, (100, 5, 80, 0)),
    ({"inputTokens": 100, "outputTokens": 5, "cacheReadInputTokens": 80}, (180, 5, 80, 0)),
    ({"inputTokens": "5", "outputTokens": -1}, (None, None, 0, 0)),
]


@pytest.mark.parametrize(("raw", "counts"), USAGE, ids=[f"usage {n}" for n in range(len(USAGE))])
def test_usage(raw: dict[str, Any], counts: tuple[int | None, ...]) -> None:
    usage = completed(stream_of(message(usage=raw))).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == counts
    assert usage.raw == raw
    if usage.buckets:
        assert (usage.buckets.input_total, usage.buckets.output_total) == counts[:2]


def test_cache_writes_are_split_by_their_life() -> None:
    details = [{"ttl": "5m", "inputTokens": 30}, {"ttl": "1h", "inputTokens": 70}, "?", {"ttl": "1h"}]
    raw = {"inputTokens": 1, "outputTokens": 1, "totalTokens": 102, "cacheWriteInputTokens": 100, "cacheDetails": details}
    buckets = completed(stream_of(message(usage=raw))).usage.buckets
    assert buckets is not None
    assert (buckets.input_uncached, buckets.cache_write_5m, buckets.cache_write_1h) == (1, 30, 70)


def test_metadata() -> None:
    assert completed(stream_of(ANSWERS["tiers"])).metadata == {
        "metrics": {"latencyMs": 9},
        "performanceConfig": {"latency": "optimized"},
        "serviceTier": {"type": "flex"},
    }
    assert completed(stream_of(ANSWERS["stop sequence"])).metadata["additionalModelResponseFields"] == {"stop_sequence": "END"}
    server = completed(stream_of(ANSWERS["server tool"])).metadata
    assert server["citations"] == [{"index": 3, "citation": CITATION}]
    assert [next(iter(block)) for block in server["server_blocks"]] == ["toolUse", "toolResult"]


def _place(kind: str, index: object) -> dict[str, Any]:
    return {"location": {kind: {"documentIndex": index, "start": 1, "end": 2}}}


# what Converse says of a source, and what a citation of ours says
CITATIONS: dict[str, tuple[dict[str, Any], Citation]] = {
    "the web": (CITATION, Citation(title="Weather", url="https://x", quote="rain")),
    "a document": ({"title": "T", **_place("documentChar", 0)}, Citation(title="T", source="0")),
    "pages": ({"sourceContent": [{"text": "a"}, {"text": "b"}], **_place("documentPage", 3)}, Citation(source="3", quote="ab")),
    "chunks": (_place("documentChunk", 1), Citation(source="1")),
    "a search result": (
        {"source": "kb-1", "location": {"searchResultLocation": {"searchResultIndex": 5, "start": 0, "end": 1}}},
        Citation(source="kb-1"),
    ),
    "nothing": ({}, Citation()),
    "nonsense": ({"title": 1, "source": [], "sourceContent": ["?", {"text": 2}], **_place("documentChar", "0")}, Citation()),
}


@pytest.mark.parametrize("name", CITATIONS)
@pytest.mark.parametrize("streamed", [False, True])
def test_citations(name: str, streamed: bool) -> None:
    said, ours = CITATIONS[name]
    answer = message(text("So."), {"citationsContent": {"content": [{"text": "It "}, {"text": "rains."}], "citations": [said, CITATION]}})
    events = decoded(stream_of(answer)) if streamed else decoded_whole(answer)
    other = CITATIONS["the web"][1]
    assert [event for event in events if isinstance(event, Cited)] == [Cited(1, ours), Cited(1, other)]
    fold = folded(events)
    assert fold.content() == (Text("So."), Text("It rains.", (ours, other)))
    assert fold.completed is not None
    assert fold.completed.metadata["citations"] == [{"index": 1, "citation": said}, {"index": 1, "citation": CITATION}]


def test_a_citation_begins_a_text_and_one_of_anything_else_stands_in_the_metadata_alone() -> None:
    events = [
        delta(0, citation=CITATION),
        delta(0, text="a"),
        stop(0),
        delta(1, reasoningContent={"text": "h"}),
        delta(1, citation=CITATION),
    ]
    fold = folded(decoded(frames([*events, *END])))
    assert fold.content() == (Text("a", (CITATIONS["the web"][1],)), Reasoning("h"))
    assert fold.completed is not None
    assert [where["index"] for where in fold.completed.metadata["citations"]] == [0, 1]
    alone = folded(decoded(frames([delta(0, citation=CITATION), delta(1, citation="?"), *END])))
    assert alone.content() == ()
    assert alone.completed is not None
    assert len(alone.completed.metadata["citations"]) == 1


# ---------------------------------------------------------------------------------------------------- odd streams


ODD: dict[str, tuple[list[tuple[str, object]], list[object]]] = {
    "no messageStart": ([delta(0, text="a")], ["a"]),
    "no end of a block": ([delta(0, text="a"), delta(1, text="b")], ["a", "b"]),
    "a text with a beginning": ([start(0, text=""), delta(0, text="a"), stop(0)], ["a"]),
    "an empty beginning": ([start(0), delta(0, text="a"), stop(0)], ["a"]),
    "an end of nothing": ([stop(0)], []),
    "an empty piece": ([delta(0, text=""), stop(0)], []),
    "a piece after the end": ([delta(0, text="a"), stop(0), delta(0, text="b")], ["a", "b"]),
    "reasoning and text under one index": ([delta(0, reasoningContent={"text": "h"}), delta(0, text="a")], [Reasoning("h"), "a"]),
    "interleaved": ([delta(0, text="a"), delta(1, text="b"), delta(0, text="c")], ["ac", "b"]),
    "unknown events and fields": ([("ping", {}), delta(0, text="a"), ("contentBlockNew", {"x": 1})], ["a"]),
    "a call without id": (
        [start(0, toolUse={"name": "f"}), delta(0, toolUse={"input": "{}"})],
        [ToolCall("call_0", "f", "{}")],
    ),
    "a call without pieces": ([start(0, toolUse={"name": "f", "toolUseId": "t"}), stop(0)], [ToolCall("t", "f", "{}")]),
    "a call cut short": (
        [start(0, toolUse={"name": "f", "toolUseId": "t"}), delta(0, toolUse={"input": '{"a'})],
        [ToolCall("t", "f", '{"a')],
    ),
    "two calls under one index": (
        [start(0, toolUse={"name": "f", "toolUseId": "t"}), start(0, toolUse={"name": "g", "toolUseId": "u"})],
        [ToolCall("t", "f", "{}"), ToolCall("u", "g", "{}")],
    ),
}


@pytest.mark.parametrize(("events", "content"), ODD.values(), ids=ODD)
def test_odd_streams(events: list[tuple[str, object]], content: list[object]) -> None:
    fold = folded(decoded(frames([*events, *END])))
    assert fold.content() == tuple(Text(part) if isinstance(part, str) else part for part in content)
    assert fold.started == Started("", "")
    assert fold.completed is not None


BROKEN: dict[str, list[tuple[str, object]]] = {
    "two beginnings": [("messageStart", {}), ("messageStart", {})],
    "two ends": [("messageStop", {}), ("messageStop", {})],
    "content after the end": [("messageStop", {}), delta(0, text="a")],
    "no index": [("contentBlockDelta", {"delta": {"text": "a"}})],
    "index true": [("contentBlockStop", {"contentBlockIndex": True})],
    "index below zero": [stop(-1)],
    "no delta": [("contentBlockDelta", {"contentBlockIndex": 0})],
    "a text that is none": [delta(0, text=1)],
    "a piece of a call that did not begin": [delta(0, toolUse={"input": "{}"})],
    "a piece of a call in a text": [delta(0, text="a"), delta(0, toolUse={"input": "{}"})],
    "a piece of text in a call": [start(0, toolUse={"name": "f", "toolUseId": "t"}), delta(0, text="a")],
    "a piece of a call that is no text": [start(0, toolUse={"name": "f", "toolUseId": "t"}), delta(0, toolUse={"input": {}})],
    "a call without a name": [start(0, toolUse={"toolUseId": "t"})],
    "a result that did not begin": [delta(0, toolResult=[])],
    "a signature that is no text": [delta(0, reasoningContent={"signature": 1})],
    "no JSON": [("contentBlockDelta", b"{")],
    "no object": [("metadata", b"[]")],
}


@pytest.mark.parametrize("events", BROKEN.values(), ids=BROKEN)
def test_broken_streams(events: list[tuple[str, object]]) -> None:
    ended = any(name == "messageStop" for name, _ in events)
    with pytest.raises(ProtocolError):
        decoded(frames(events if ended else [*events, *END]))


BODIES: dict[str, object] = {
    "nothing": {},
    "no output": {"stopReason": "end_turn"},
    "no message": {"output": {}},
    "no content": {"output": {"message": {"role": "assistant"}}},
    "a block that is no object": message("a"),
    "a text that is none": message({"text": 1}),
    "a call without a name": message({"toolUse": {"input": {}}}),
    "a number that JSON does not have": message(call(arguments={"a": float("nan")})),
    "no object": [],
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_broken_bodies(body: object) -> None:
    with pytest.raises(ProtocolError):
        decoded_whole(body)


def test_kinds_without_a_part_are_noticed_once() -> None:
    image = {"image": {"format": "png", "source": {"bytes": "eA=="}}}
    events = decoded_whole(message(image, text("a"), image, {"hologram": {}}))
    assert folded(events).content() == (Text("a"),)
    said = [event.notice.message for event in events if isinstance(event, Noticed)]
    assert len(said) == 2
    assert "image" in said[0]
    assert "hologram" not in said[1]
    streamed = decoded(frames([start(0, image={"format": "png"}), delta(0, image={"source": {}}), stop(0), delta(1, text="a"), *END]))
    assert folded(streamed).content() == (Text("a"),)
    assert len([event for event in streamed if isinstance(event, Noticed)]) == 1


def test_redacted_reasoning_in_pieces_is_one() -> None:
    pieces = [delta(0, reasoningContent={"redactedContent": piece}) for piece in ("Emw=", "KAhgB")]
    with_one = folded(decoded(frames([pieces[0], *END]))).content()
    assert isinstance(with_one[0], Reasoning)
    assert with_one[0].state is not None
    assert with_one[0].state.payload == '{"reasoningContent":{"redactedContent":"Emw="}}'
    good = [delta(0, reasoningContent={"redactedContent": piece}) for piece in ("Emw=", "KAhg")]
    both = folded(decoded(frames([*good, *END]))).content()[0]
    assert isinstance(both, Reasoning)
    assert both.state is not None
    assert both.state.payload == '{"reasoningContent":{"redactedContent":"EmwoCGA="}}'
    assert folded(decoded(frames([*pieces, *END]))).content() == ()


def test_calls_that_cannot_go_back_have_no_state() -> None:
    server = [start(0, toolUse={"name": "f", "toolUseId": "t", "type": "server_tool_use"}), delta(0, toolUse={"input": "{"})]
    fold = folded(decoded(frames([*server, *END])))
    assert fold.content() == ()
    assert fold.completed is not None
    assert "server_blocks" not in fold.completed.metadata


def test_a_body_with_text_for_arguments_keeps_it() -> None:
    (asked,) = folded(decoded_whole(message(call(arguments='{"a": 1}')))).content()
    assert asked == ToolCall("tooluse_1", "weather", '{"a": 1}')


def test_the_state_of_redacted_reasoning_is_the_block() -> None:
    part = folded(decoded_whole(message(REDACTED))).content()[0]
    assert isinstance(part, Reasoning)
    assert part.state is not None
    assert json.loads(part.state.payload) == REDACTED


def test_the_reader_asks_for_no_event_after_the_end() -> None:
    reader = BedrockReader(TARGET)
    for name, event in END:
        reader.on_event(name, json.dumps(event))
    assert reader.completed
    assert reader.on_event("contentBlockDelta", "{") == ()
