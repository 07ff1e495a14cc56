"""What Cohere's chat API answers: every case as a body and as its stream, cut everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from saferoute import errors
from saferoute.values.events import Completed, PartEnd, ReasoningDelta, Started, TextDelta, TokenLogprob, ToolCallDelta, ToolCallReady
from saferoute.values.messages import Citation, Content, OpaqueState, Reasoning, Text, ToolCall
from saferoute.values.usage import Buckets
from tests.unit.dialect_cases import (
    COHERE,
    SSE,
    assistant,
    check_every_cut,
    check_every_end,
    decoded,
    decoded_whole,
    essence,
    fold_of,
    messages_of,
    sse,
    user,
)

USAGE = {
    "billed_units": {"input_tokens": 5, "output_tokens": 2},
    "tokens": {"input_tokens": 12.0, "output_tokens": 9.0, "reasoning_tokens": 4},
    "cached_tokens": 8,
}
CITATION = {"start": 0, "end": 4, "text": "rain", "sources": [{"type": "tool", "id": "w:0"}], "type": "TEXT_CONTENT"}


def _call(call_id: str = "weather_1", name: str = "weather", arguments: str = '{"city":"Łódź"}') -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def _body(finish: str = "COMPLETE", **message: Any) -> dict[str, Any]:
    return {"id": "r1", "message": {"role": "assistant"} | message, "finish_reason": finish, "usage": USAGE}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _thinking(text: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": text}


BODIES: dict[str, dict[str, Any]] = {
    "text": _body(content=[_text("Grüße, 世界 👩‍🚀!")]),
    "two texts": _body(content=[_text("one "), _text("two")]),
    "nothing": _body(content=[]),
    "thinking": _body(content=[_thinking("Let me\nsee."), _text("Yes.")]),
    "a call with a plan": _body("TOOL_CALL", tool_plan="I will look.", tool_calls=[_call()]),
    "parallel calls": _body("TOOL_CALL", tool_plan="Both.", tool_calls=[_call(), _call("clock_2", "clock", "{}")]),
    "thinking and a call": _body("TOOL_CALL", content=[_thinking("hm")], tool_calls=[_call()]),
    "citations": _body(content=[_text("rain")], citations=[CITATION, CITATION]),
    "stop sequence": _body("STOP_SEQUENCE", content=[_text("a")]),
    "cut off": _body("MAX_TOKENS", content=[_text("a")]),
}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _events(body: dict[str, Any]) -> Iterable[dict[str, Any]]:
    """The events in which the API would have streamed a body."""
    message = body["message"]
    yield {
        "type": "message-start",
        "id": body["id"],
        "delta": {"message": {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": []}},
    }
    for index, block in enumerate(message.get("content", ())):
        kind = block["type"]
        yield {"type": "content-start", "index": index, "delta": {"message": {"content": {"type": kind, kind: ""}}}}
        for piece in _pieces(block[kind]):
            yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
        yield {"type": "content-end", "index": index}
    for index, citation in enumerate(message.get("citations", ())):
        yield {"type": "citation-start", "index": index, "delta": {"message": {"citations": citation}}}
        yield {"type": "citation-end", "index": index}
    for piece in _pieces(message.get("tool_plan", "")):
        yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": piece}}}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = {"name": call["function"]["name"], "arguments": ""}
        yield {"type": "tool-call-start", "index": index, "delta": {"message": {"tool_calls": call | {"function": function}}}}
        for piece in _pieces(call["function"]["arguments"]):
            yield {"type": "tool-call-delta", "index": index, "delta": {"message": {"tool_calls": {"function": {"arguments": piece}}}}}
        yield {"type": "tool-call-end", "index": index}
    yield {"type": "message-end", "delta": {"finish_reason": body["finish_reason"], "usage": body["usage"]}}


def _stream(body: dict[str, Any]) -> bytes:
    return sse([*_events(body), "[DONE]"], named=True)


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_and_its_stream_fold_to_the_same(body: dict[str, Any]) -> None:
    assert essence(decoded(COHERE, _stream(body), kind=SSE)) == essence(decoded_whole(COHERE, body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_every_cut_gives_the_same_events(body: dict[str, Any]) -> None:
    check_every_cut(COHERE, _stream(body), SSE)


@pytest.mark.parametrize("body", [BODIES["thinking"], BODIES["a call with a plan"]])
def test_a_stream_without_its_message_end_is_interrupted(body: dict[str, Any]) -> None:
    data = _stream(body)
    end = data.index(b"}\n\ndata: [DONE]") + 1
    check_every_end(COHERE, data, SSE, end)


def test_the_events_of_a_stream() -> None:
    assert decoded(COHERE, _stream(BODIES["a call with a plan"] | {"usage": {}}), kind=SSE)[:5] == [
        Started("r1", ""),
        ReasoningDelta("I w", 0),
        ReasoningDelta("ill", 0),
        ReasoningDelta(" lo", 0),
        ReasoningDelta("ok.", 0),
    ]
    events = decoded_whole(COHERE, BODIES["a call with a plan"])
    call = ToolCall("weather_1", "weather", '{"city":"Łódź"}')
    assert events[2:-1] == [
        PartEnd(0, OpaqueState("cohere", "cohere_chat", "command-a", '{"tool_plan":"I will look."}')),
        ToolCallDelta(1, "weather_1", "weather", '{"city":"Łódź"}'),
        ToolCallReady(1, call),
    ]


@pytest.mark.parametrize(
    ("name", "finish"),
    [("text", "stop"), ("a call with a plan", "tool_call"), ("stop sequence", "stop_sequence"), ("cut off", "length")],
)
def test_finish_reasons(name: str, finish: str) -> None:
    completed = fold_of(decoded_whole(COHERE, BODIES[name]))[1]
    assert (completed.finish_reason, completed.raw_finish_reason) == (finish, BODIES[name]["finish_reason"])


@pytest.mark.parametrize(
    ("word", "calls", "finish"),
    [
        ("ERROR", [], "error"),
        ("TIMEOUT", [], "error"),
        ("NEW", [], "other"),
        ("TOOL_CALL", [], "stop"),
        ("COMPLETE", [_call()], "tool_call"),
        ("MAX_TOKENS", [_call()], "length"),
    ],
)
def test_the_calls_decide_whether_tools_are_asked_for(word: str, calls: list[dict[str, Any]], finish: str) -> None:
    body = _body(word, content=[_text("a")], tool_calls=calls)
    assert fold_of(decoded_whole(COHERE, body))[1].finish_reason == finish
    assert fold_of(decoded(COHERE, _stream(body), kind=SSE))[1].finish_reason == finish


def test_usage_counts_what_the_model_read_and_falls_back_to_what_was_billed() -> None:
    usage = fold_of(decoded_whole(COHERE, BODIES["text"]))[1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.reasoning_output_tokens) == (12, 9, 8, 4)
    assert usage.buckets == Buckets(input_uncached=4, cache_read=8, output_text=5, reasoning=4)
    assert usage.raw == USAGE
    billed = fold_of(decoded_whole(COHERE, BODIES["text"] | {"usage": {"billed_units": {"input_tokens": 5, "output_tokens": 2}}}))[1].usage
    assert (billed.input_tokens, billed.output_tokens) == (5, 2)
    nothing = fold_of(decoded_whole(COHERE, BODIES["text"] | {"usage": None}))[1].usage
    assert (nothing.input_tokens, nothing.output_tokens) == (None, None)


def test_logprobs_are_those_of_the_pieces_of_text() -> None:
    one, two = {"text": "a", "token_ids": [1], "logprobs": [-0.5]}, {"text": "bc", "token_ids": [2, 3], "logprobs": [-0.25, -1]}
    whole = fold_of(decoded_whole(COHERE, BODIES["text"] | {"logprobs": [one, two]}))[1]
    assert whole.logprobs == (TokenLogprob("a", -0.5), TokenLogprob("bc", -1.25))
    assert whole.metadata == {"logprobs": [one, two]}
    pieces = iter((one, two))
    body = _body(content=[_text("abcdef")])
    events = [event | {"logprobs": next(pieces)} if event["type"] == "content-delta" else event for event in _events(body)]
    assert fold_of(decoded(COHERE, sse(events), kind=SSE))[1].logprobs == whole.logprobs
    odd = [{"text": "a"}, {"text": "a", "logprobs": []}, {"text": "a", "logprobs": [True]}, {"logprobs": [-1]}, 7]
    assert fold_of(decoded_whole(COHERE, BODIES["text"] | {"logprobs": [*odd, {"text": "a", "logprobs": [10**400]}]}))[1].logprobs == ()


def _cited(*sources: object, **more: object) -> dict[str, Any]:
    return {"start": 3, "end": 8, "text": "words", "sources": list(sources), "type": "TEXT_CONTENT"} | more


DOCUMENT = {"type": "document", "id": "doc:0", "document": {"title": "A", "url": "https://x.example/a", "text": "all of it"}}
TOOL = {"type": "tool", "id": "w:0", "tool_output": {"content": "rain"}}
CITED: list[tuple[str, dict[str, Any], tuple[tuple[Citation, ...], ...]]] = [
    ("a tool's output", _cited(TOOL), ((Citation(3, 8, source="w:0"),), ())),
    ("a document", _cited(DOCUMENT), ((Citation(3, 8, "A", "https://x.example/a", "doc:0"),), ())),
    ("two sources", _cited(TOOL, TOOL | {"id": "w:1"}), ((Citation(3, 8, source="w:0"), Citation(3, 8, source="w:1")), ())),
    ("no source", _cited(), ((Citation(3, 8),), ())),
    ("the second block", _cited(TOOL, content_index=1), ((), (Citation(3, 8, source="w:0"),))),
    ("a block that is not there", _cited(TOOL, content_index=9), ((), ())),
    ("thinking", _cited(TOOL, type="THINKING_CONTENT"), ((), ())),
    ("a plan", _cited(TOOL, type="PLAN"), ((), ())),
    ("no type", {"start": 3.0, "end": 8, "sources": [TOOL]}, ((Citation(3, 8, source="w:0"),), ())),
    ("nonsense", _cited(7, start=-1, end="x"), ((Citation(),), ())),
]


@pytest.mark.parametrize(("said", "citations"), [case[1:] for case in CITED], ids=[case[0] for case in CITED])
def test_citations_belong_to_their_text(said: dict[str, Any], citations: tuple[tuple[Citation, ...], ...]) -> None:
    body = _body(content=[_text("see words"), _text("and words")], citations=[said])
    for events in (decoded_whole(COHERE, body), decoded(COHERE, _stream(body), kind=SSE)):
        content, completed = fold_of(events)
        assert content == (Text("see words", citations[0]), Text("and words", citations[1]))
        assert completed.metadata == {"citations": [said]}  # whole, with what the sources say


def test_citations_without_a_text_stand_in_the_metadata_alone() -> None:
    body = _body("TOOL_CALL", tool_plan="I look.", tool_calls=[_call()], citations=[_cited(TOOL), "odd"])
    content, completed = fold_of(decoded_whole(COHERE, body))
    assert [type(part) for part in content] == [Reasoning, ToolCall]
    assert completed.metadata == {"citations": [_cited(TOOL)]}


def test_citations_of_earlier_turns_are_not_sent() -> None:
    content = fold_of(decoded_whole(COHERE, BODIES["citations"]))[0]
    assert content == (Text("rain", (Citation(0, 4, source="w:0"),) * 2),)
    assert messages_of(COHERE, user("a"), assistant(*content))[1] == {"role": "assistant", "content": "rain"}


@pytest.mark.parametrize("name", ["thinking", "a call with a plan"])
def test_thinking_and_plan_go_back_as_they_came(name: str) -> None:
    content = fold_of(decoded(COHERE, _stream(BODIES[name]), kind=SSE))[0]
    message = BODIES[name]["message"]
    (_, back) = messages_of(COHERE, user("a"), assistant(*content))
    assert {field: back.get(field) for field in ("content", "tool_plan", "tool_calls")} == {
        field: message.get(field) for field in ("content", "tool_plan", "tool_calls")
    }


SHAPES: list[tuple[str, dict[str, Any], Content]] = [
    ("content as a text", _body(content="a"), (Text("a"),)),
    ("null content", _body(content=None), ()),
    ("a block of a later version", _body(content=[{"type": "picture", "url": "x"}, _text("a")]), (Text("a"),)),
    ("a block whose type is no text", _body(content=[{"type": {"a": 1}, "text": "b"}, _text("a")]), (Text("a"),)),
    ("a block whose type is null", _body(content=[{"type": None, "text": "a"}]), (Text("a"),)),
    ("a block without a type", _body(content=[{"text": "a"}]), (Text("a"),)),
    (
        "arguments as an object",
        _body(tool_calls=[{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}]),
        (ToolCall("c", "f", '{"x":1}'),),
    ),
    ("a call without an id", _body(tool_calls=[{"function": {"name": "f"}}]), (ToolCall("call_r1_0", "f", ""),)),
    ("empty thinking", _body(content=[_thinking(""), _text("a")]), (Text("a"),)),
]


@pytest.mark.parametrize(("body", "content"), [case[1:] for case in SHAPES], ids=[case[0] for case in SHAPES])
def test_shapes_of_bodies(body: dict[str, Any], content: Content) -> None:
    assert fold_of(decoded_whole(COHERE, body))[0] == content


def test_events_of_later_versions_are_skipped_and_open_parts_end_with_the_message() -> None:
    kept = [event for event in _events(BODIES["thinking"]) if event["type"] != "content-end"]
    events = decoded(COHERE, sse([{"type": "debug", "prompt": "x"}, {"odd": 1}, *kept]), kind=SSE)
    assert [part.text for part in fold_of(events)[0] if isinstance(part, Text | Reasoning)] == ["Let me\nsee.", "Yes."]
    kept = [event for event in _events(BODIES["parallel calls"]) if event["type"] != "tool-call-end"]
    assert fold_of(decoded(COHERE, sse(kept), kind=SSE))[0][1:] == fold_of(decoded_whole(COHERE, BODIES["parallel calls"]))[0][1:]


START = {"type": "message-start", "id": "r1"}
BROKEN: dict[str, list[dict[str, Any] | str]] = {
    "no JSON": [START, "{"],
    "no object": [START, "[]"],
    "begun twice": [START, START],
    "a block begun twice": [START, {"type": "content-start", "index": 0}, {"type": "content-start", "index": 0}],
    "a piece of no block": [START, {"type": "content-delta", "index": 1, "delta": {"message": {"content": {"text": "a"}}}}],
    "the end of no block": [START, {"type": "content-end", "index": 0}],
    "a piece of the wrong kind": [
        START,
        {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text"}}}},
        {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "a"}}}},
    ],
    "a piece of no call": [START, {"type": "tool-call-delta", "index": 0}],
    "the end of no call": [START, {"type": "tool-call-end", "index": 0}],
    "a call without a name": [START, {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "x"}}}}],
    "an end before the beginning": [{"type": "message-end", "delta": {}}],
}


@pytest.mark.parametrize("events", BROKEN.values(), ids=BROKEN.keys())
def test_a_stream_in_which_something_was_lost_is_refused(events: list[dict[str, Any] | str]) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded(COHERE, sse([*events, *_events(BODIES["text"])]), kind=SSE)


@pytest.mark.parametrize("body", [{}, {"id": "x"}, {"message": None}, {"message": []}])
def test_a_body_that_is_no_message_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded_whole(COHERE, body)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, {"message": "too many tokens: size limit exceeded by 7"}, errors.ContextWindowExceeded),
        (400, {"message": "invalid request: bad"}, errors.BadRequest),
        (401, {"id": "r9", "message": "invalid api token"}, errors.AuthenticationRejected),
        (402, {"message": "x"}, errors.QuotaExceeded),
        (403, {"message": "x"}, errors.PermissionDenied),
        (404, {"message": "model 'x' not found"}, errors.ModelNotFound),
        (413, {"message": "x"}, errors.RequestTooLarge),
        (422, {"message": "x"}, errors.BadRequest),
        (429, {"message": "trial key"}, errors.RateLimited),
        (498, {"message": "x"}, errors.AuthenticationRejected),
        (499, {"message": "x"}, errors.BadRequest),
        (500, {"message": "x"}, errors.ServerError),
        (501, {"message": "x"}, errors.ServerError),
        (503, {"message": "x"}, errors.Overloaded),
        (504, {}, errors.ServerError),
        (529, {}, errors.Overloaded),
    ],
)
def test_error_answers(status: int, body: dict[str, Any], kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded_whole(COHERE, body, status=status, headers={"retry-after": "7"})
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)
    assert caught.value.request_id == body.get("id")


def test_the_header_is_the_request_id_if_there_is_one() -> None:
    with pytest.raises(errors.AuthenticationRejected) as caught:
        decoded_whole(COHERE, {"id": "r9"}, status=401, headers={"x-request-id": "h1"})
    assert caught.value.request_id == "h1"


@pytest.mark.parametrize(
    "events",
    [
        [START, {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": "it broke"}}],
        [START, {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": {"message": "it broke"}}}],
        [START, {"message": "it broke", "id": "r1"}],
        [START, {"type": "error", "error": "it broke"}],
    ],
)
def test_an_error_inside_a_stream_is_raised(events: list[dict[str, Any]]) -> None:
    with pytest.raises(errors.ServerError) as caught:
        decoded(COHERE, sse(events), kind=SSE)
    assert "broke" not in str(caught.value)
    assert "broke" in caught.value.diagnostics()


@pytest.mark.parametrize("body", [{"message": "it broke", "id": "r1"}, {"error": {"message": "it broke", "code": 429}}])
def test_an_error_inside_a_successful_body_is_raised(body: dict[str, Any]) -> None:
    with pytest.raises(errors.ProviderError):
        decoded_whole(COHERE, body)


def test_text_is_shown_as_it_comes() -> None:
    events = decoded(COHERE, _stream(BODIES["text"]), kind=SSE)
    assert [event.text for event in events if isinstance(event, TextDelta)] == _pieces("Grüße, 世界 👩‍🚀!")
    assert isinstance(events[-1], Completed)
    assert json.loads(json.dumps(events[-1].usage.raw)) == USAGE
