"""Answers of the Messages API: whole bodies and streams give the same parts, however the stream is cut."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import ProtocolError, StreamInterrupted
from saferoute.providers.anthropic_messages import AnthropicMessages
from saferoute.values.events import Cited, Completed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Citation, OpaqueState, Reasoning, Text, ToolCall
from saferoute.values.usage import Buckets
from tests.unit.anthropic_cases import (
    ANSWERS,
    CITATION,
    FOUND,
    REDACTED,
    SEARCH,
    TARGET,
    call,
    decoded,
    decoded_whole,
    events_of,
    folded,
    message,
    sse,
    stream_of,
    target,
    text,
    thinking,
)

if TYPE_CHECKING:
    from saferoute.values.fold import Fold

REPORTED = "claude-sonnet-4-5-20250929"
ARGUMENTS = '{"city":"Łódź","days":[1,2]}'
SAID = {
    "text": (Text("Grüße, 世界 👩‍🚀!"),),
    "two texts": (Text("one "), Text("two")),
    "nothing": (),
    "empty text": (),
    "one call": (ToolCall("toolu_1", "weather", ARGUMENTS),),
    "text and parallel calls": (
        Text("Let me look."),
        ToolCall("toolu_1", "weather", ARGUMENTS),
        ToolCall("toolu_2", "clock", '{"zone":"CET"}'),
    ),
    "call without arguments": (ToolCall("toolu_1", "weather", "{}"),),
    "direct caller": (ToolCall("toolu_1", "weather", ARGUMENTS),),
    "refused": (),
    "stop sequence": (Text("a"),),
}
FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_overflow",
    "tool_use": "tool_call",
    "refusal": "refusal",
    "pause_turn": "pause",
    "a word of tomorrow": "other",
    None: "other",
}

CITED = (Citation(url="https://x", quote="rain"),)


def state(block: object) -> OpaqueState:
    return OpaqueState("anthropic", "anthropic_messages", REPORTED, json.dumps(block, ensure_ascii=False, separators=(",", ":")))


def completed(events: list[Any]) -> Completed:
    last = events[-1]
    assert isinstance(last, Completed)
    return last


@pytest.mark.parametrize("name", SAID)
def test_parts(name: str) -> None:
    assert folded(decoded_whole(ANSWERS[name])).content() == SAID[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_a_body_and_its_stream_are_the_same_answer(name: str) -> None:
    whole, streamed = folded(decoded_whole(ANSWERS[name])), folded(decoded(stream_of(ANSWERS[name])))
    assert whole.content() == streamed.content()
    assert whole.started == streamed.started == Started("msg_01", REPORTED)
    assert whole.completed == streamed.completed


@pytest.mark.parametrize("name", ANSWERS)
def test_the_order_of_events_is_one(name: str) -> None:
    def outline(events: list[Any]) -> list[tuple[str, int]]:
        steps = [(event.type, getattr(event, "index", -1)) for event in events]
        return [step for at, step in enumerate(steps) if at == 0 or step != steps[at - 1]]

    assert outline(decoded_whole(ANSWERS[name])) == outline(decoded(stream_of(ANSWERS[name])))


@pytest.mark.parametrize("name", ANSWERS)
def test_every_cut_gives_the_same_events(name: str) -> None:
    stream = stream_of(ANSWERS[name])
    expected = decoded(stream)
    for at in range(len(stream)):
        assert decoded(stream[:at], stream[at:]) == expected, at
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == expected


@pytest.mark.parametrize("name", ANSWERS)
def test_every_stream_that_ends_early_is_interrupted(name: str) -> None:
    stream = stream_of(ANSWERS[name])
    end = stream.index(b"event: message_stop") + len(b'event: message_stop\ndata: {"type":"message_stop"')
    for at in range(1, end):
        with pytest.raises(StreamInterrupted):
            decoded(stream[:at])
    assert completed(decoded(stream[: end + 1]))  # only blank lines are missing


def test_events_of_a_stream() -> None:
    assert decoded(stream_of(message(thinking("hm"), text("Hello, you!"), call(arguments={"abc": 1}), stop="tool_use"))) == [
        Started("msg_01", REPORTED),
        ReasoningDelta("hm", 0),
        PartEnd(0, state(thinking("hm"))),
        TextDelta("Hello, y", 1),
        TextDelta("ou!", 1),
        PartEnd(1),
        ToolCallDelta(2, "toolu_1", "weather", ""),
        ToolCallDelta(2, "toolu_1", "weather", '{"abc":1'),
        ToolCallDelta(2, "toolu_1", "weather", "}"),
        ToolCallReady(2, ToolCall("toolu_1", "weather", '{"abc":1}')),
        completed(decoded_whole(message(call(), stop="tool_use"))),
    ]


def test_events_of_a_body() -> None:
    assert decoded_whole(message(thinking("hm"), text("Hello!"), call(arguments={"a": 1}), stop="tool_use"))[:-1] == [
        Started("msg_01", REPORTED),
        ReasoningDelta("hm", 0),
        PartEnd(0, state(thinking("hm"))),
        TextDelta("Hello!", 1),
        PartEnd(1),
        ToolCallDelta(2, "toolu_1", "weather", '{"a":1}'),
        ToolCallReady(2, ToolCall("toolu_1", "weather", '{"a":1}')),
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_state_that_has_to_come_back(streamed: bool) -> None:
    def parts(name: str) -> tuple[Any, ...]:
        return folded(decoded(stream_of(ANSWERS[name])) if streamed else decoded_whole(ANSWERS[name])).content()

    assert parts("thinking") == (Reasoning("Let me\nsee.", state(thinking("Let me\nsee."))), Text("Yes."))
    assert parts("thinking that is not shown") == (Reasoning("", state(thinking(""))), Text("Yes."))
    assert parts("redacted thinking before a call")[:2] == (Reasoning("", state(REDACTED)), Reasoning("hm", state(thinking("hm"))))
    assert parts("server tool") == (Text("Searching."), Reasoning("", state(SEARCH)), Reasoning("", state(FOUND)), Text("Rain.", CITED))
    caller = {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}
    assert parts("call from server code")[1] == ToolCall("toolu_1", "weather", ARGUMENTS, state({"caller": caller}))


def test_unknown_fields_of_a_thinking_block_are_kept() -> None:
    block = thinking("hm") | {"display": "summarized"}
    (part,) = folded(decoded_whole(message(block))).content()
    assert isinstance(part, Reasoning)
    assert part.state == state(block)


def test_state_names_the_model_that_was_asked_where_none_is_reported() -> None:
    (part,) = folded(decoded_whole(message(thinking("hm"), model=None))).content()
    assert isinstance(part, Reasoning)
    assert part.state is not None
    assert part.state.model == TARGET.model


@pytest.mark.parametrize(("raw", "finish"), FINISHES.items())
def test_finish_reasons(raw: str | None, finish: str) -> None:
    for events in (decoded_whole(message(text("a"), stop=raw)), decoded(stream_of(message(text("a"), stop=raw)))):
        assert (completed(events).finish_reason, completed(events).raw_finish_reason) == (finish, raw or "")


@pytest.mark.parametrize("raw", ["tool_use", "end_turn", None])
def test_a_call_is_a_reason_to_finish(raw: str | None) -> None:
    assert completed(decoded_whole(message(call(), stop=raw))).finish_reason == "tool_call"
    assert completed(decoded_whole(message(call(), stop="max_tokens"))).finish_reason == "length"
    assert completed(decoded_whole(message(SEARCH, stop="end_turn"))).finish_reason == "stop"


def test_metadata() -> None:
    assert completed(decoded_whole(ANSWERS["text"])).metadata == {}
    assert completed(decoded_whole(ANSWERS["server tool"])).metadata == {
        "container": {"id": "c_1"},
        "server_blocks": [SEARCH, FOUND],
        "citations": [{"index": 3, "citation": CITATION}],
    }
    refused = completed(decoded(stream_of(ANSWERS["refused"]))).metadata
    assert refused == {"stop_details": {"type": "refusal", "category": "cyber", "explanation": "no"}}
    assert completed(decoded(stream_of(ANSWERS["stop sequence"]))).metadata == {"stop_sequence": "END"}


# what the API says of a source, and what a citation of ours says
CITATIONS: dict[str, tuple[dict[str, Any], Citation]] = {
    "a place in a document": (
        {
            "type": "char_location",
            "cited_text": "It rains.",
            "document_index": 0,
            "document_title": "Weather",
            "file_id": None,
            "start_char_index": 3,
            "end_char_index": 12,
        },
        Citation(title="Weather", source="0", quote="It rains."),
    ),
    "pages of a file": (
        {
            "type": "page_location",
            "cited_text": "a",
            "document_index": 2,
            "document_title": None,
            "file_id": "file_1",
            "start_page_number": 1,
            "end_page_number": 2,
        },
        Citation(source="file_1", quote="a"),
    ),
    "blocks": (
        {"type": "content_block_location", "cited_text": "a", "document_index": 1, "start_block_index": 0, "end_block_index": 1},
        Citation(source="1", quote="a"),
    ),
    "a search result": (
        {
            "type": "search_result_location",
            "cited_text": "a",
            "search_result_index": 4,
            "source": "https://in.example/doc",
            "title": "Doc",
            "start_block_index": 0,
            "end_block_index": 1,
        },
        Citation(title="Doc", source="https://in.example/doc", quote="a"),
    ),
    "the web": (
        {"type": "web_search_result_location", "cited_text": "a", "url": "https://x", "title": "X", "encrypted_index": "I="},
        Citation(title="X", url="https://x", quote="a"),
    ),
    "nothing": ({"type": "one of tomorrow"}, Citation()),
    "nonsense": ({"cited_text": 7, "document_index": -1, "document_title": "", "file_id": [], "url": {}, "title": None}, Citation()),
}


@pytest.mark.parametrize("name", CITATIONS)
@pytest.mark.parametrize("streamed", [False, True])
def test_citations(name: str, streamed: bool) -> None:
    said, ours = CITATIONS[name]
    answer = message(text("So."), text("It rains.", citations=[said, CITATION]))
    events = decoded(stream_of(answer)) if streamed else decoded_whole(answer)
    assert [event for event in events if isinstance(event, Cited)] == [Cited(1, ours), Cited(1, CITED[0])]
    assert folded(events).content() == (Text("So."), Text("It rains.", (ours, CITED[0])))
    assert completed(events).metadata == {"citations": [{"index": 1, "citation": said}, {"index": 1, "citation": CITATION}]}


def test_a_citation_of_anything_but_text_stands_in_the_metadata_alone() -> None:
    fold = folded(
        decoded(
            sse(
                [
                    START,
                    block_start(0, thinking("hm")),
                    delta(0, type="citations_delta", citation=CITATION),
                    block_stop(0),
                    *END,
                ]
            )
        )
    )
    assert fold.content() == (
        Reasoning("hm", OpaqueState("anthropic", "anthropic_messages", "m", json.dumps(thinking("hm"), separators=(",", ":")))),
    )
    assert fold.completed.metadata == {"citations": [{"index": 0, "citation": CITATION}]}


# ---------------------------------------------------------------------------------------------------- tokens

# the API's record; input, output, cache read, cache write, reasoning; buckets
USAGES: dict[str, tuple[Any, tuple[int | None, int | None, int, int, int], Buckets | None]] = {
    "plain": ({"input_tokens": 5, "output_tokens": 7}, (5, 7, 0, 0, 0), Buckets(input_uncached=5, output_text=7)),
    "cache": (
        {
            "input_tokens": 5,
            "cache_read_input_tokens": 10,
            "cache_creation_input_tokens": 6,
            "cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 4},
            "output_tokens": 7,
            "output_tokens_details": {"thinking_tokens": 3},
        },
        (21, 7, 10, 6, 3),
        Buckets(input_uncached=5, cache_read=10, cache_write_5m=2, cache_write_1h=4, output_text=4, reasoning=3),
    ),
    "no split": (
        {"input_tokens": 5, "cache_creation_input_tokens": 6, "output_tokens": 7},
        (11, 7, 0, 6, 0),
        Buckets(input_uncached=5, cache_write_5m=6, output_text=7),
    ),
    "split only": (
        {"cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 4}, "output_tokens": 7},
        (6, 7, 0, 6, 0),
        Buckets(cache_write_5m=2, cache_write_1h=4, output_text=7),
    ),
    "split over its total": (
        {"input_tokens": 0, "cache_creation_input_tokens": 3, "cache_creation": {"ephemeral_1h_input_tokens": 4}, "output_tokens": 1},
        (3, 1, 0, 3, 0),
        Buckets(cache_write_1h=3, output_text=1),
    ),
    "input only": ({"input_tokens": 5}, (5, None, 0, 0, 0), None),
    "nothing": ({}, (None, None, 0, 0, 0), None),
    "null": (None, (None, None, 0, 0, 0), None),
    "nonsense": ({"input_tokens": "5", "output_tokens": -1, "cache_creation": 3}, (None, None, 0, 0, 0), None),
}


@pytest.mark.parametrize("name", USAGES)
def test_usage(name: str) -> None:
    raw, totals, buckets = USAGES[name]
    usage = completed(decoded_whole(message(usage=raw))).usage
    found = (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens)
    assert (*found, usage.reasoning_output_tokens) == totals
    assert usage.buckets == buckets
    assert usage.raw == (raw or {})


def test_counts_of_a_stream_are_totals_so_far_and_replace_earlier_ones() -> None:
    events = events_of(message(text("a")))
    events[0]["message"]["usage"] = {"input_tokens": 5, "cache_read_input_tokens": 2, "output_tokens": 1, "service_tier": "standard"}
    first = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 3}}
    events[-2] = {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn"},
        "usage": {"input_tokens": 6, "cache_read_input_tokens": None, "output_tokens": 9},
    }
    last = completed(decoded(sse([*events[:-2], first, *events[-2:]])))
    assert (last.usage.input_tokens, last.usage.output_tokens, last.usage.cache_read_input_tokens) == (8, 9, 2)
    assert last.usage.raw == {"input_tokens": 6, "cache_read_input_tokens": 2, "output_tokens": 9, "service_tier": "standard"}
    assert last.finish_reason == "stop"


# ---------------------------------------------------------------------------------------------------- what servers do besides


def block_start(index: object, block: object) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def delta(index: object, **fields: object) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": fields}


def block_stop(index: object) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


START = {"type": "message_start", "message": {"id": "m", "model": "m", "usage": {"input_tokens": 1, "output_tokens": 0}}}
END = [{"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 2}}, {"type": "message_stop"}]


def streamed(*events: dict[str, Any]) -> Fold:
    return folded(decoded(sse([START, *events, *END])))


def test_blocks_may_overlap_as_llama_cpp_sends_them() -> None:
    fold = streamed(
        block_start(0, {"type": "thinking", "thinking": ""}),
        delta(0, type="thinking_delta", thinking="hm"),
        block_start(1, {"type": "text", "text": ""}),
        delta(1, type="text_delta", text="yes"),
        block_start(2, {"type": "tool_use", "id": "i", "name": "n"}),
        delta(2, type="input_json_delta", partial_json="{}"),
        delta(0, type="signature_delta", signature=""),
        block_stop(0),
        block_stop(1),
        block_stop(2),
    )
    assert [type(part) for part in fold.content()] == [Reasoning, Text, ToolCall]
    assert json.loads(fold.content()[0].state.payload) == {"type": "thinking", "thinking": "hm", "signature": ""}


def test_parts_are_numbered_without_gaps_whatever_the_index() -> None:
    huge = 10**30
    events = decoded(
        sse([START, block_start(huge, {"type": "text", "text": "a"}), block_stop(huge), block_start(7, text("b")), block_stop(7), *END])
    )
    assert [event for event in events if isinstance(event, TextDelta)] == [TextDelta("a", 0), TextDelta("b", 1)]


def test_unknown_events_deltas_and_pings_are_skipped() -> None:
    fold = streamed(
        {"type": "ping"},
        {"type": "something_new", "index": 99},
        {"type": ["odd"]},
        block_start(0, text("")),
        delta(0, type="text_delta", text="a"),
        delta(0, type="sparkle_delta", text="x"),
        delta(0, type=None),
        delta(0),
        delta(0, type="citations_delta", citation="odd"),
        delta(0, type="text_delta", text=""),
        delta(0, type="text_delta", text="b"),
        block_stop(0),
    )
    assert fold.content() == (Text("ab"),)
    assert fold.completed.metadata == {}


def test_the_name_of_the_event_stands_in_for_a_missing_type() -> None:
    stream = sse([START]) + b"event: message_stop\ndata: {}\n\n"
    assert completed(decoded(stream)).finish_reason == "other"


def test_blocks_that_were_never_closed_are_closed_by_the_end() -> None:
    fold = streamed(
        block_start(0, text("a")), block_start(1, call(arguments={})), delta(1, type="input_json_delta", partial_json='{"a":1}')
    )
    assert fold.content() == (Text("a"), ToolCall("toolu_1", "weather", '{"a":1}'))


def test_arguments_that_came_with_the_start_and_without_an_id() -> None:
    fold = streamed(
        block_start(0, call(call_id="", arguments={"a": 1})), block_stop(0), block_start(1, call(arguments='{"b": 2}')), block_stop(1)
    )
    assert fold.content() == (ToolCall("call_m_0", "weather", '{"a":1}'), ToolCall("toolu_1", "weather", '{"b": 2}'))


@pytest.mark.parametrize("arguments", [None, [], "", "  "])
def test_no_arguments_are_an_empty_object(arguments: object) -> None:
    block = {"type": "tool_use", "id": "i", "name": "n", "input": arguments}
    assert folded(decoded_whole(message(block))).content() == (ToolCall("i", "n", "{}"),)


def test_arguments_that_a_model_broke_are_given_as_they_came() -> None:
    fold = streamed(block_start(0, call(arguments={})), delta(0, type="input_json_delta", partial_json='{"a": tru'), block_stop(0))
    assert fold.content() == (ToolCall("toolu_1", "weather", '{"a": tru'),)


def test_a_block_that_was_not_understood_is_not_sent_back() -> None:
    fold = streamed(
        block_start(0, {"type": "compaction", "content": ""}),
        delta(0, type="compaction_delta", content="abc"),
        delta(0, type="text_delta", text="abc"),
        block_stop(0),
        block_start(1, SEARCH),
        delta(1, type="input_json_delta", partial_json='{"que'),
        block_stop(1),
    )
    assert fold.content() == ()
    assert fold.completed.metadata == {}


def test_nothing_counts_after_the_end() -> None:
    after = sse([START, block_start(0, text("again")), delta(9, type="text_delta", text="x"), {"type": "error", "error": {}}])
    assert folded(decoded(stream_of(ANSWERS["text"]) + after + b"data: nonsense\n\n")).content() == SAID["text"]
    reader = AnthropicMessages().reader(TARGET)
    reader.on_event("", json.dumps(START))
    reader.on_event("", '{"type":"message_stop"}')
    assert reader.completed
    assert tuple(reader.on_event("", json.dumps(START))) == ()


BROKEN_STREAMS: dict[str, list[dict[str, Any]]] = {
    "an end without a beginning": [{"type": "message_stop"}],
    "content without a beginning": [block_start(0, text("a"))],
    "two beginnings": [START, START],
    "a beginning without a message": [{"type": "message_start"}],
    "a piece without its block": [START, delta(0, type="text_delta", text="a")],
    "a piece after its block": [START, block_start(0, text("")), block_stop(0), delta(0, type="text_delta", text="a")],
    "an end without its block": [START, block_stop(0)],
    "two ends": [START, block_start(0, text("")), block_stop(0), block_stop(0)],
    "two blocks of one index": [START, block_start(0, text("")), block_start(0, text(""))],
    "an index used again": [START, block_start(0, text("")), block_stop(0), block_start(0, text(""))],
    "a negative index": [START, block_start(-1, text(""))],
    "no index": [START, {"type": "content_block_start", "content_block": text("")}],
    "an index that is a list": [START, block_start([0], text(""))],
    "an index that is a truth": [START, block_start(True, text(""))],
    "an index that is a fraction": [START, block_start(0.5, text(""))],
    "a piece for a list": [START, delta([], type="text_delta", text="a")],
    "an end for a list": [START, block_stop([])],
    "a block that is a list": [START, block_start(0, [])],
    "a block without a type": [START, block_start(0, {"type": 7})],
    "a call without a name": [START, block_start(0, {"type": "tool_use", "id": "i", "name": None})],
    "a piece that is a text": [START, block_start(0, text("")), {"type": "content_block_delta", "index": 0, "delta": "a"}],
    "text that is a number": [START, block_start(0, text("")), delta(0, type="text_delta", text=1)],
    "text for a call": [START, block_start(0, call()), delta(0, type="text_delta", text="a")],
    "arguments for a text": [START, block_start(0, text("")), delta(0, type="input_json_delta", partial_json="{")],
    "arguments for thinking": [START, block_start(0, thinking("")), delta(0, type="input_json_delta", partial_json="{")],
    "arguments that are an object": [START, block_start(0, call()), delta(0, type="input_json_delta", partial_json={})],
    "server arguments that are an object": [START, block_start(0, SEARCH), delta(0, type="input_json_delta", partial_json={})],
    "a signature for a text": [START, block_start(0, text("")), delta(0, type="signature_delta", signature="s")],
    "thinking that is null": [START, block_start(0, thinking("")), delta(0, type="thinking_delta", thinking=None)],
}


@pytest.mark.parametrize("name", BROKEN_STREAMS)
def test_broken_streams(name: str) -> None:
    with pytest.raises(ProtocolError, match=r"^anthropic sent "):
        decoded(sse([*BROKEN_STREAMS[name], *END]) if name != "an end without a beginning" else sse(BROKEN_STREAMS[name]))


@pytest.mark.parametrize("data", [b"{", b"[]", b"null", b'"x"', b"7", b"[DONE]"])
def test_events_that_are_no_object(data: bytes) -> None:
    with pytest.raises(ProtocolError, match="JSON object"):
        decoded(sse([START]) + b"data: " + data + b"\n\n" + sse(END))


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"content": None},
        {"content": "text"},
        {"choices": [{"message": {"content": "x"}}]},
        message("text"),
        message({"text": "x"}),
        message({"type": "tool_use", "id": "i", "input": {}}),
        message(None),
    ],
)
def test_bodies_that_are_no_message(body: object) -> None:
    with pytest.raises(ProtocolError, match=r"^anthropic sent "):
        decoded_whole(body)


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity"])
def test_numbers_that_json_does_not_have(number: str) -> None:
    body = json.dumps(message(call(arguments={"a": 0}))).replace('"a": 0', f'"a": {number}')
    with pytest.raises(ProtocolError, match=r"number|no JSON"):
        decoded(body.encode(), content_type="application/json")


def test_a_server_without_a_name_is_the_provider() -> None:
    with pytest.raises(ProtocolError, match=r"^the provider sent "):
        decoded_whole({}, to=target(provider_name=""))


def test_errors_hold_no_content() -> None:
    with pytest.raises(ProtocolError) as caught:
        decoded(sse([START, block_start("secret", text("secret"))]))
    assert "secret" not in str(caught.value)
