"""Answers of generateContent: whole bodies and streams give the same parts, however the stream is cut."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import ProtocolError, StreamInterrupted
from saferoute.providers.gemini_generate import GeminiGenerate
from saferoute.values.events import Completed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Reasoning, Text, ToolCall
from saferoute.values.usage import Buckets
from tests.unit.gemini_cases import (
    ANSWERS,
    CODE,
    DRAWN,
    FOUND,
    RAN,
    REPORTED,
    SEARCHED,
    TARGET,
    USAGE,
    answer,
    assistant,
    body_of,
    call,
    decoded,
    decoded_whole,
    folded,
    fragments,
    sse,
    state,
    stream_of,
    text,
    thought,
    user,
)

if TYPE_CHECKING:
    from saferoute.values.events import DecodedEvent

ARGUMENTS = '{"city":"Łódź","days":[1,2]}'
SIGNED = state({"thoughtSignature": "U0lH"})
SAID: dict[str, tuple[Any, ...]] = {
    "text": (Text("Grüße, 世界 👩‍🚀!"),),
    "signed text": (Text("Grüße, 世界!"), Reasoning("", SIGNED)),
    "signed texts": (
        Text("one "),
        Reasoning("", state({"thoughtSignature": "QQ=="})),
        Text("two"),
        Reasoning("", state({"thoughtSignature": "Qg=="})),
    ),
    "nothing": (),
    "empty text": (),
    "thinking": (Reasoning("Let me\nsee.", state({"thought": True})), Text("Yes.")),
    "signed thinking": (
        Reasoning("Let me see.", state({"thought": True, "thoughtSignature": "U0lH"})),
        Text("Yes."),
        Reasoning("", state({"thoughtSignature": "Qg=="})),
    ),
    "call with an id": (ToolCall("fc_1", "weather", ARGUMENTS),),
    "code": (Text("Running. "), Reasoning("", state(CODE)), Reasoning("", state(RAN)), Text("It is 1.")),
    "search": (Reasoning("hm", state({"thought": True})), Reasoning("", state(SEARCHED)), Reasoning("", state(FOUND)), Text("Rain.")),
    "picture": (Text("Here:"), Reasoning("", state(DRAWN))),
}
FINISHES = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
    "CONTINUATION": "pause",
    "OTHER": "other",
    "NO_IMAGE": "other",
    "ESCALATION": "other",
    "A_WORD_OF_TOMORROW": "other",
}


def completed(events: list[DecodedEvent]) -> Completed:
    last = events[-1]
    assert isinstance(last, Completed)
    return last


@pytest.mark.parametrize("name", SAID)
def test_parts(name: str) -> None:
    assert folded(decoded_whole(ANSWERS[name])).content() == SAID[name]


@pytest.mark.parametrize("name", ANSWERS)
def test_body_and_stream_fold_to_the_same(name: str) -> None:
    whole, streamed = decoded_whole(ANSWERS[name]), decoded(stream_of(ANSWERS[name]))
    assert folded(streamed).content() == folded(whole).content()
    assert streamed[0] == whole[0] == Started("resp_1", REPORTED)
    assert completed(streamed) == completed(whole)


@pytest.mark.parametrize("name", ANSWERS)
def test_every_cut_gives_the_same_events(name: str) -> None:
    data = stream_of(ANSWERS[name])
    events = decoded(data)
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == events
    for cut in range(1, len(data), 7):
        assert decoded(data[:cut], data[cut:]) == events


@pytest.mark.parametrize("name", ANSWERS)
def test_a_stream_without_its_finish_reason_is_interrupted(name: str) -> None:
    data = stream_of(ANSWERS[name])
    last = sse([list(fragments(ANSWERS[name]))[-1]])
    for cut in range(len(data) - len(last) + 1):
        with pytest.raises(StreamInterrupted):
            decoded(data[:cut])
    for missing in range(5, len(last), 9):  # inside the last fragment: its two line ends are 4 bytes
        with pytest.raises(StreamInterrupted):
            decoded(data[:-missing])


def test_a_finish_reason_in_every_fragment_does_not_end_the_answer() -> None:
    stream = sse(
        [answer(text(word), usageMetadata={"promptTokenCount": 1, "totalTokenCount": n}) for n, word in enumerate(("a", "b", "c"))]
    )
    events = decoded(stream)
    assert folded(events).content() == (Text("abc"),)
    assert completed(events).usage.raw == {"promptTokenCount": 1, "totalTokenCount": 2}


def test_events_of_a_stream_in_order() -> None:
    parts = [thought("hm"), text("a"), text("b", "QQ=="), call(id="fc_1")]
    assert decoded(sse([answer(part, finish=None) for part in parts] + [answer()]))[:-1] == [
        Started("resp_1", REPORTED),
        ReasoningDelta("hm", 0),
        PartEnd(0, state({"thought": True})),
        TextDelta("a", 1),
        TextDelta("b", 1),
        PartEnd(1),
        PartEnd(2, state({"thoughtSignature": "QQ=="})),
        ToolCallDelta(3, "fc_1", "weather", ARGUMENTS),
        ToolCallReady(3, ToolCall("fc_1", "weather", ARGUMENTS)),
    ]


# ---------------------------------------------------------------------------------------------------- calls


def test_ids_are_made_where_none_came_and_are_unique() -> None:
    twin = call(id="dup")
    calls = [part for part in folded(decoded_whole(answer(call(), call(), twin, twin))).content() if isinstance(part, ToolCall)]
    assert len({made.id for made in calls}) == 4
    assert calls[2].id == "dup"
    assert all(len(made.id) <= 40 and made.id.replace("_", "").isalnum() for made in calls)
    again = folded(decoded_whole(answer(call(), responseId="resp_2"))).content()
    assert again[0].id != calls[0].id  # type: ignore[union-attr]
    nameless = {name: value for name, value in answer(call(signature="QQ==")).items() if name != "responseId"}
    other = {name: value for name, value in answer(call(signature="Qg==")).items() if name != "responseId"}
    assert folded(decoded_whole(nameless)).content()[0].id != folded(decoded_whole(other)).content()[0].id  # type: ignore[union-attr]


@pytest.mark.parametrize(("args", "arguments"), [(None, "{}"), ({}, "{}"), ("", "{}"), ('{"a": 1}', '{"a": 1}'), ({"a": 1.0}, '{"a":1.0}')])
def test_arguments(args: object, arguments: str) -> None:
    (made,) = folded(decoded_whole(answer({"functionCall": {"name": "f", "args": args}}))).content()
    assert isinstance(made, ToolCall)
    assert made.arguments == arguments


@pytest.mark.parametrize("finish", [*FINISHES, None])
def test_finish_reasons(finish: str | None) -> None:
    said = answer(text("a"), finish=finish, candidate={"finishMessage": "why"})
    last = completed(decoded_whole(said))
    assert (last.finish_reason, last.raw_finish_reason) == (FINISHES.get(finish or "", "other"), finish or "")
    assert last.metadata["finishMessage"] == "why"
    called = completed(decoded_whole(answer(call(), finish=finish)))
    known = FINISHES.get(str(finish), "other")
    assert called.finish_reason == ("tool_call" if finish in {"STOP", None} or known == "other" else known)


@pytest.mark.parametrize("unsaid", ["FINISH_REASON_UNSPECIFIED", "", None, 7])
def test_an_unsaid_finish_reason_ends_no_stream(unsaid: object) -> None:
    with pytest.raises(StreamInterrupted):
        decoded(sse([answer(text("a"), candidate={"finishReason": unsaid}, finish=None)]))


@pytest.mark.parametrize("reason", ["SAFETY", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "MODEL_ARMOR", "JAILBREAK"])
def test_a_blocked_prompt(reason: str) -> None:
    body = {"promptFeedback": {"blockReason": reason, "safetyRatings": []}, "usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}}
    for events in (decoded_whole(body), decoded(sse([body]))):
        last = completed(events)
        assert (last.finish_reason, last.raw_finish_reason) == ("content_filter", reason)
        assert last.metadata == {"promptFeedback": body["promptFeedback"]}
        assert (last.usage.input_tokens, last.usage.output_tokens) == (3, 0)
        assert folded(events).content() == ()


def test_an_answer_without_candidates_is_whole_only_as_a_body() -> None:
    empty = {"usageMetadata": {"promptTokenCount": 3, "totalTokenCount": 3}, "responseId": "r"}
    assert completed(decoded_whole(empty)).finish_reason == "other"
    with pytest.raises(StreamInterrupted):
        decoded(sse([empty]))
    with pytest.raises(ProtocolError, match="without candidates"):
        decoded_whole({"hello": "world"})


# ---------------------------------------------------------------------------------------------------- usage and metadata


def test_usage() -> None:
    said = {
        "promptTokenCount": 100,
        "cachedContentTokenCount": 40,
        "toolUsePromptTokenCount": 7,
        "candidatesTokenCount": 20,
        "thoughtsTokenCount": 5,
        "totalTokenCount": 132,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 70}, {"modality": "AUDIO", "tokenCount": 30}],
        "cacheTokensDetails": [{"modality": "AUDIO", "tokenCount": 10}],
        "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 2}],
    }
    usage = completed(decoded_whole(answer(usageMetadata=said))).usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.reasoning_output_tokens) == (107, 25, 40, 5)
    assert usage.buckets == Buckets(47, 40, 0, 0, 20, 18, 5, 2)
    assert usage.total_tokens == 132
    assert usage.raw == said


@pytest.mark.parametrize(
    ("said", "totals"),
    [
        ({}, (None, None)),
        (None, (None, None)),
        ({"promptTokenCount": 3}, (3, 0)),
        ({"promptTokenCount": 3, "thoughtsTokenCount": 2}, (3, 2)),
        ({"candidatesTokenCount": "3", "promptTokenCount": -1}, (None, None)),
        ({"promptTokensDetails": [7, {"modality": "AUDIO"}], "totalTokenCount": 0}, (0, 0)),
    ],
)
def test_usage_with_holes(said: object, totals: tuple[int | None, int | None]) -> None:
    usage = completed(decoded_whole(answer(usageMetadata=said))).usage
    assert (usage.input_tokens, usage.output_tokens) == totals


def test_the_last_count_of_a_stream_holds_and_leaves_zeros_out() -> None:
    first = answer(text("a"), finish=None, usageMetadata={"promptTokenCount": 9, "candidatesTokenCount": 15, "totalTokenCount": 24})
    last = answer(usageMetadata={"promptTokenCount": 87, "thoughtsTokenCount": 78, "totalTokenCount": 165})
    usage = completed(decoded(sse([first, last]))).usage
    assert (usage.input_tokens, usage.output_tokens) == (87, 78)


def test_metadata_comes_together() -> None:
    sources = [{"startIndex": 0}, {"startIndex": 5}]
    pieces = [
        answer(
            text("a"),
            finish=None,
            candidate={"citationMetadata": {"citationSources": sources[:1]}, "groundingMetadata": {"q": ["x"], "s": 1}},
        ),
        answer(
            text("b"),
            finish=None,
            candidate={"citationMetadata": {"citationSources": sources[1:]}, "groundingMetadata": {"q": ["x", "y"], "s": 2}},
        ),
        answer(serviceTier="flex"),
    ]
    metadata = completed(decoded(sse(pieces))).metadata
    assert metadata == {
        "citationMetadata": {"citationSources": sources},
        "groundingMetadata": {"q": ["x", "y"], "s": 2},
        "serviceTier": "flex",
    }


def test_parts_of_the_servers_own_are_no_calls_and_stand_in_the_metadata() -> None:
    events = decoded_whole(answer(SEARCHED, FOUND, CODE, RAN, DRAWN, text("x")))
    assert not any(isinstance(event, ToolCallReady) for event in events)
    last = completed(events)
    assert last.finish_reason == "stop"
    assert last.metadata["server_parts"] == [SEARCHED, FOUND, CODE, RAN]
    assert last.metadata["media"] == [{"index": 4, **DRAWN["inlineData"]}]  # type: ignore[dict-item]


# ---------------------------------------------------------------------------------------------------- round trip


@pytest.mark.parametrize("name", [name for name in ANSWERS if SAID.get(name, "calls") and name != "stopped by a filter"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_goes_back_as_it_came(name: str, streamed: bool) -> None:
    """The next turn holds the same parts, with each signature on the part that it came on."""
    said = ANSWERS[name]
    events = decoded(stream_of(said)) if streamed else decoded_whole(said)
    sent = body_of(user("hi"), assistant(*folded(events).content()))["contents"][1]
    parts = json.loads(json.dumps(said["candidates"][0]["content"]["parts"]))
    placeholder = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
    for want, got in zip(parts, sent["parts"], strict=True):
        if "functionCall" in want and "id" not in want["functionCall"]:
            assert got["functionCall"].pop("id").startswith("call_")
        if got.get("thoughtSignature") == placeholder:
            del got["thoughtSignature"]
    assert sent == {"role": "model", "parts": parts}


def test_state_names_the_model_that_was_asked() -> None:
    to = replace(TARGET, model="gemini-flash-latest")
    (_, signed) = folded(decoded_whole(ANSWERS["signed text"], to=to)).content()
    assert isinstance(signed, Reasoning)
    assert signed.state is not None
    assert signed.state.model == "gemini-flash-latest"
    assert body_of(user("a"), assistant("b", signed), to=to)["contents"][1]["parts"] == [text("b", "U0lH")]


# ---------------------------------------------------------------------------------------------------- what is no answer


@pytest.mark.parametrize(
    "part",
    [
        7,
        "text",
        {"text": 7},
        {"functionCall": {}},
        {"functionCall": {"name": ""}},
        {"functionCall": {"name": 7}},
        {"functionCall": "f"},
        {"functionCall": {"name": "f", "partialArgs": [{"jsonPath": "$.a", "stringValue": "x"}]}},
        {"functionCall": {"name": "f", "willContinue": True}},
    ],
)
def test_parts_that_make_no_sense(part: object) -> None:
    with pytest.raises(ProtocolError):
        decoded_whole(answer(part))
    with pytest.raises(ProtocolError):
        decoded(sse([answer(part)]))


@pytest.mark.parametrize("part", [{}, {"videoMetadata": 1}, {"text": "", "thought": True}, {"text": None}])
def test_parts_that_say_nothing(part: object) -> None:
    assert folded(decoded_whole(answer(part, text("a")))).content() == (Text("a"),)


def test_a_part_of_tomorrow_is_kept_as_state() -> None:
    part = {"hologram": {"data": "x"}}
    assert folded(decoded_whole(answer(part))).content() == (Reasoning("", state(part)),)


@pytest.mark.parametrize("data", ["7", "[]", "[7]", "{", '"a"'])
def test_events_that_are_no_fragments(data: str) -> None:
    with pytest.raises(ProtocolError, match="no JSON object"):
        GeminiGenerate().reader(TARGET).on_event("", data)


def test_an_endless_number_is_a_protocol_error() -> None:
    body = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"a":NaN}}}]},"finishReason":"STOP"}]}'
    with pytest.raises(ProtocolError, match=r"number|no JSON"):
        decoded(body, content_type="application/json")


def test_a_gateways_mark_of_the_end_is_no_end() -> None:
    assert folded(decoded(stream_of(ANSWERS["text"]) + b"data: [DONE]\n\n")).content() == SAID["text"]
    with pytest.raises(StreamInterrupted):
        decoded(sse([answer(text("a"), finish=None)]) + b"data: [DONE]\n\n")


def test_usage_as_reported() -> None:
    usage = completed(decoded_whole(ANSWERS["text"])).usage
    assert (usage.input_tokens, usage.output_tokens, usage.raw) == (12, 34, USAGE)


@pytest.mark.parametrize("word", ["FUNCTION_CALL", "A_WORD_OF_TOMORROW"])
def test_a_call_counts_whatever_new_word_ends_the_answer(word: str) -> None:
    events = decoded_whole(answer(call(), finish=word))
    assert events[-1].finish_reason == "tool_call"  # type: ignore[union-attr]
    assert events[-1].raw_finish_reason == word  # type: ignore[union-attr]
    assert decoded_whole(answer(text("a"), finish=word))[-1].finish_reason == "other"  # type: ignore[union-attr]
    assert decoded_whole(answer(call(), finish="SAFETY"))[-1].finish_reason == "content_filter"  # type: ignore[union-attr]
