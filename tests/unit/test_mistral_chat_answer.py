"""What Mistral's chat API answers: every case as a body and as its stream, cut everywhere."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from saferoute import errors
from saferoute.values.events import (
    Cited,
    Noticed,
    PartEnd,
    ReasoningDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.messages import Citation, Content, OpaqueState, Reasoning, Text, ToolCall
from saferoute.values.usage import Buckets
from tests.unit.dialect_cases import (
    MISTRAL,
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

USAGE = {"prompt_tokens": 12, "completion_tokens": 9, "total_tokens": 21, "prompt_tokens_details": {"cached_tokens": 8}}
Chunk = dict[str, Any] | str


def _body(content: Any = None, finish: str = "stop", calls: list[dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": content, "tool_calls": calls}
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return {"id": "r1", "object": "chat.completion", "created": 7, "model": "magistral-2507", "choices": [choice], "usage": USAGE} | more


def _call(call_id: str = "aB3dE6gH9", name: str = "weather", arguments: Any = '{"city":"Łódź"}', **more: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}} | more


def _thinking(*pieces: str, **more: Any) -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": piece} for piece in pieces]} | more


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


BODIES: dict[str, dict[str, Any]] = {
    "text": _body("Grüße, 世界 👩‍🚀!"),
    "nothing": _body(""),
    "thinking": _body([_thinking("Let me\nsee.", closed=True), _text("Yes.")]),
    "signed thinking": _body([_thinking("hm", signature="s=", closed=True), _text("a"), _thinking("so", signature="t="), _text("b")]),
    "two signed chunks in a row": _body([_thinking("hm", signature="s="), _thinking("so", signature="t=")]),
    "a call": _body("", "tool_calls", [_call()]),
    "text and parallel calls": _body("see", "tool_calls", [_call(index=0), _call("iJ3kL6mN9", "clock", "{}", index=1)]),
    "thinking and a call": _body([_thinking("hm")], "tool_calls", [_call()]),
    "arguments as an object": _body("", "tool_calls", [_call(arguments={"x": [1, 2.5]})]),
    "cut off": _body("a", "length"),
}


def _pieces(text: str) -> list[str]:
    return [text[at : at + 3] for at in range(0, len(text), 3)]


def _deltas(message: dict[str, Any]) -> Iterable[dict[str, Any]]:
    content = message["content"]
    if isinstance(content, str):
        yield from ({"content": piece} for piece in _pieces(content))
    for chunk in content if isinstance(content, list) else ():
        if chunk["type"] == "text":
            yield from ({"content": piece} for piece in _pieces(chunk["text"]))
            continue
        more = {name: value for name, value in chunk.items() if name not in {"type", "thinking"}}
        yield {"content": [{"type": "thinking", "thinking": []} | more]}
        for piece in _pieces(chunk["thinking"][0]["text"]):
            yield {"content": [_thinking(piece, **({"closed": True} if "closed" in more else {}))]}
    for index, call in enumerate(message["tool_calls"] or ()):
        yield {"tool_calls": [{**call, "index": index}]}


def _events(body: dict[str, Any]) -> list[Chunk]:
    """The chunks in which the API would have streamed a body."""
    choice = body["choices"][0]
    head = {"id": "r1", "object": "chat.completion.chunk", "created": 7, "model": body["model"]}
    deltas = [{"role": "assistant", "content": ""}, *_deltas(choice["message"])]
    events: list[Chunk] = [head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "p": "abc"} for delta in deltas]
    last = {"index": 0, "delta": {"content": ""}, "finish_reason": choice["finish_reason"]}
    return [*events, head | {"choices": [last], "usage": body["usage"]}, "[DONE]"]


def _stream(body: dict[str, Any]) -> bytes:
    return sse(_events(body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_and_its_stream_fold_to_the_same(body: dict[str, Any]) -> None:
    assert essence(decoded(MISTRAL, _stream(body), kind=SSE)) == essence(decoded_whole(MISTRAL, body))


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_every_cut_gives_the_same_events(body: dict[str, Any]) -> None:
    check_every_cut(MISTRAL, _stream(body), SSE)


@pytest.mark.parametrize("body", [BODIES["thinking"], BODIES["text and parallel calls"]])
def test_a_stream_without_a_finish_reason_is_interrupted(body: dict[str, Any]) -> None:
    data = _stream(body)
    end = data.index(b"}\n\ndata: [DONE]") + 1
    check_every_end(MISTRAL, data[:end], SSE, end)
    with pytest.raises(errors.StreamInterrupted):
        decoded(MISTRAL, sse(_events(body)[:-2]), kind=SSE)


def test_a_stream_without_done_is_whole_once_a_finish_reason_has_come() -> None:
    events = decoded(MISTRAL, sse(_events(BODIES["text"])[:-1]), kind=SSE)
    assert essence(events) == essence(decoded_whole(MISTRAL, BODIES["text"]))
    without_counts = [
        {name: value for name, value in event.items() if name != "usage"} for event in _events(BODIES["text"]) if isinstance(event, dict)
    ]
    events = decoded(MISTRAL, sse(without_counts), kind=SSE)
    assert [event.notice.parameter for event in events if isinstance(event, Noticed)] == ["usage"]


def test_the_events_of_a_stream() -> None:
    events = decoded(MISTRAL, _stream(_body([_thinking("hm", closed=True), _text("see")], "tool_calls", [_call()])), kind=SSE)
    chunk = '{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"closed":true}'
    assert events[:-1] == [
        Started("r1", "magistral-2507"),
        ReasoningDelta("hm", 0),
        PartEnd(0, OpaqueState("mistral_ai", "mistral_chat", "magistral", chunk)),
        TextDelta("see", 1),
        ToolCallDelta(2, "aB3dE6gH9", "weather", '{"city":"Łódź"}'),
        PartEnd(1),
        ToolCallReady(2, ToolCall("aB3dE6gH9", "weather", '{"city":"Łódź"}')),
    ]


@pytest.mark.parametrize("name", ["thinking", "signed thinking", "two signed chunks in a row"])
def test_thinking_goes_back_as_it_came(name: str) -> None:
    given = BODIES[name]["choices"][0]["message"]["content"]
    for events in (decoded_whole(MISTRAL, BODIES[name]), decoded(MISTRAL, _stream(BODIES[name]), kind=SSE)):
        (_, back) = messages_of(MISTRAL, user("a"), assistant(*fold_of(events)[0]))
        assert back["content"] == given


def test_references_inside_thinking_go_back_and_references_beside_text_are_kept() -> None:
    pieces = [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b"},
        {"type": "reference", "reference_ids": [3]},
        {"type": "text", "text": "c"},
    ]
    reference = {"type": "reference", "reference_ids": [1, 2]}
    content, completed = fold_of(decoded_whole(MISTRAL, _body([{"type": "thinking", "thinking": pieces}, _text("x"), reference])))
    assert [part.text for part in content if isinstance(part, Text | Reasoning)] == ["abc", "x"]
    assert completed.metadata == {"chunks": [reference]}
    (_, back) = messages_of(MISTRAL, user("a"), assistant(*content))
    assert back["content"][0]["thinking"] == [{"type": "text", "text": "ab"}, *pieces[2:]]


@pytest.mark.parametrize(
    ("word", "calls", "finish"),
    [
        ("stop", None, "stop"),
        ("length", None, "length"),
        ("model_length", None, "context_overflow"),
        ("error", None, "error"),
        ("tool_calls", [_call()], "tool_call"),
        ("stop", [_call()], "tool_call"),
        ("tool_calls", None, "stop"),
        ("length", [_call()], "length"),
        ("new", None, "other"),
    ],
)
def test_finish_reasons(word: str, calls: list[dict[str, Any]] | None, finish: str) -> None:
    body = _body("a", word, calls)
    for events in (decoded_whole(MISTRAL, body), decoded(MISTRAL, _stream(body), kind=SSE)):
        completed = fold_of(events)[1]
        assert (completed.finish_reason, completed.raw_finish_reason) == (finish, word)


@pytest.mark.parametrize(
    ("raw", "counts"),
    [
        (USAGE, (12, 9, 8, 0)),
        ({"prompt_tokens": 12, "completion_tokens": 9, "num_cached_tokens": 8}, (12, 9, 8, 0)),
        (
            {"prompt_tokens": 12, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 0}, "num_cached_tokens": 8},
            (12, 9, 0, 0),
        ),
        ({"prompt_tokens": 12, "completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}, (12, 9, 0, 4)),
        ({"prompt_tokens": "x"}, (None, None, 0, 0)),
        (None, (None, None, 0, 0)),
    ],
)
def test_usage(raw: Any, counts: tuple[int | None, ...]) -> None:
    usage = fold_of(decoded_whole(MISTRAL, _body("a") | {"usage": raw}))[1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens, usage.reasoning_output_tokens) == counts
    if raw is USAGE:
        assert usage.buckets == Buckets(input_uncached=4, cache_read=8, output_text=9)


def _fragments(*fragments: dict[str, Any]) -> list[Chunk]:
    chunks: list[Chunk] = [{"id": "r1", "choices": [{"index": 0, "delta": {"tool_calls": [fragment]}}]} for fragment in fragments]
    return [*chunks, {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}, "[DONE]"]


def _piece(arguments: str, **more: Any) -> dict[str, Any]:
    return {"function": {"name": "", "arguments": arguments}} | more


A, B = ToolCall("aaaaaaaaa", "f", '{"x":1}'), ToolCall("bbbbbbbbb", "g", "{}")
FRAGMENTS: dict[str, tuple[list[Chunk], Content]] = {
    "by index": (
        _fragments(
            _call("aaaaaaaaa", "f", "", index=0), _call("bbbbbbbbb", "g", "", index=1), _piece('{"x":1}', index=0), _piece("{}", index=1)
        ),
        (A, B),
    ),
    "an id of null": (_fragments(_call("aaaaaaaaa", "f", '{"x"', index=0), _piece(":1}", index=0, id="null")), (A,)),
    "all of index 0": (_fragments(_call("aaaaaaaaa", "f", '{"x":1}', index=0), _call("bbbbbbbbb", "g", "{}", index=0)), (A, B)),
    "by id": (_fragments(_call("aaaaaaaaa", "f", '{"x"'), _call("bbbbbbbbb", "g", "{}"), _piece(":1}", id="aaaaaaaaa")), (A, B)),
    "the last one": (_fragments(_call("aaaaaaaaa", "f", '{"x"'), _piece(":1}")), (A,)),
}


@pytest.mark.parametrize(("chunks", "content"), FRAGMENTS.values(), ids=FRAGMENTS.keys())
def test_fragments_of_calls(chunks: list[Chunk], content: Content) -> None:
    assert fold_of(decoded(MISTRAL, sse(chunks), kind=SSE))[0] == content


def test_a_call_without_an_id_gets_one_that_the_api_takes_back() -> None:
    body = _body("", "tool_calls", [{"function": {"name": "f", "arguments": None}}, {"id": "null", "function": {"name": "g"}}])
    calls = [part for part in fold_of(decoded_whole(MISTRAL, body))[0] if isinstance(part, ToolCall)]
    assert [(call.name, call.arguments) for call in calls] == [("f", ""), ("g", "")]
    assert len({call.id for call in calls}) == 2
    assert all(len(call.id) == 9 and call.id.isalnum() for call in calls)


def test_only_the_first_of_several_answers_is_read() -> None:
    body = _body("a")
    body["choices"].append({"index": 1, "message": {"content": "b"}, "finish_reason": "length"})
    content, completed = fold_of(decoded_whole(MISTRAL, body))
    assert content == (Text("a"),)
    assert completed.finish_reason == "stop"


def test_logprobs_and_service_tier_are_kept() -> None:
    one, two = {"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -0.1}
    chunks: list[Chunk] = [
        {"id": "r1", "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [one]}}]},
        {
            "id": "r1",
            "choices": [{"index": 0, "delta": {"content": "b"}, "logprobs": {"content": [two]}, "finish_reason": "stop"}],
            "usage": {"service_tier": "standard"},
        },
    ]
    assert fold_of(decoded(MISTRAL, sse(chunks), kind=SSE))[1].metadata == {"logprobs": {"content": [one, two]}, "service_tier": "standard"}


FLAT = {"object": "error", "message": "it broke", "type": "unknown", "param": None, "code": "1000"}


@pytest.mark.parametrize(
    "body", [FLAT, {"message": "it broke", "request_id": "q"}, {"detail": "it broke"}, {"error": {"message": "it broke"}}]
)
def test_an_error_inside_a_successful_answer_is_raised(body: dict[str, Any]) -> None:
    for run in (lambda: decoded_whole(MISTRAL, body), lambda: decoded(MISTRAL, sse([*_events(BODIES["text"])[:3], body]), kind=SSE)):
        with pytest.raises(errors.ServerError) as caught:
            run()
        assert "broke" not in str(caught.value)
        assert "broke" in caught.value.diagnostics()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, FLAT, errors.BadRequest),
        (
            400,
            {"message": "Prompt contains 9 tokens, too large for model with 8 maximum context length", "code": "3051"},
            errors.ContextWindowExceeded,
        ),
        (401, {"detail": "Unauthorized"}, errors.AuthenticationRejected),
        (402, {}, errors.QuotaExceeded),
        (403, {"message": "x"}, errors.PermissionDenied),
        (404, {"message": "x"}, errors.ModelNotFound),
        (409, {}, errors.Conflict),
        (413, {}, errors.RequestTooLarge),
        (422, {"detail": [{"loc": ["body", "x"], "msg": "Extra inputs are not permitted", "type": "extra_forbidden"}]}, errors.BadRequest),
        (429, FLAT | {"type": "service_tier_capacity_exceeded", "code": "3505"}, errors.RateLimited),
        (500, {}, errors.ServerError),
        (502, {}, errors.ServerError),
        (503, {}, errors.Overloaded),
        (529, {}, errors.Overloaded),
    ],
)
def test_error_answers(status: int, body: dict[str, Any], kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded_whole(MISTRAL, body, status=status, headers={"retry-after": "7"})
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.retry_after) == (status, 7.0)


@pytest.mark.parametrize(
    ("headers", "body", "request_id"),
    [
        ({"mistral-correlation-id": "m1", "x-kong-request-id": "k1"}, {"request_id": "b1"}, "m1"),
        ({"x-kong-request-id": "k1"}, {}, "k1"),
        ({}, {"request_id": "b1"}, "b1"),
        ({"x-request-id": "x1"}, {"request_id": "b1"}, "x1"),
        ({}, {"request_id": 7}, None),
    ],
)
def test_request_ids(headers: dict[str, str], body: dict[str, Any], request_id: str | None) -> None:
    with pytest.raises(errors.ServerError) as caught:
        decoded_whole(MISTRAL, body, status=500, headers=headers)
    assert caught.value.request_id == request_id


@pytest.mark.parametrize("body", [{}, {"choices": []}, {"choices": None}, {"choices": ["x"]}])
def test_an_answer_without_a_choice_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded_whole(MISTRAL, body)
    with pytest.raises(errors.ProtocolError):
        decoded(MISTRAL, sse([body, "[DONE]"]), kind=SSE)


@pytest.mark.parametrize("data", ["{", "[]", "null", "DONE"])
def test_a_chunk_that_is_no_object_is_refused(data: str) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded(MISTRAL, sse([data, *_events(BODIES["text"])]), kind=SSE)


def test_thinking_as_plain_text_and_odd_pieces() -> None:
    body = _body([{"type": "thinking", "thinking": "hm"}, {"text": "a"}, "no chunk", {"type": "text", "text": None}])
    content = fold_of(decoded_whole(MISTRAL, body))[0]
    state = OpaqueState("mistral_ai", "mistral_chat", "magistral", json.dumps(_thinking("hm"), separators=(",", ":")))
    assert content == (Reasoning("hm", state), Text("a"))


# ---------------------------------------------------------------------------------- sources, probabilities, other answers


@pytest.mark.parametrize(
    ("chunk", "sources"),
    [
        ({"type": "reference", "reference_ids": [1, "doc", None, True]}, [Citation(source="1"), Citation(source="doc")]),
        ({"type": "reference", "reference_ids": "doc"}, []),
        (
            {"type": "tool_reference", "tool": "web_search", "title": "T", "url": "https://a.example"},
            [Citation(title="T", url="https://a.example")],
        ),
        ({"type": "tool_reference", "tool": "web_search", "title": 7}, []),
        ({"type": "a_later_kind", "title": "T"}, []),
    ],
)
def test_references_are_citations_of_the_text_before_them(chunk: dict[str, Any], sources: list[Citation]) -> None:
    body = _body([_text("It rains."), chunk, _text(" So it goes.")])
    deltas = [{"content": [_text("It rains.")]}, {"content": [chunk]}, {"content": " So it goes."}]
    pieces = [{"id": "r1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    last = {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    for events in (decoded_whole(MISTRAL, body), decoded(MISTRAL, sse([*pieces, last, "[DONE]"]), kind=SSE)):
        assert [event for event in events if isinstance(event, Cited)] == [Cited(0, source) for source in sources]
        content, completed = fold_of(events)
        assert content == (Text("It rains. So it goes.", tuple(sources)),)
        assert completed.metadata == {"chunks": [chunk]}


def test_references_without_a_text_before_them_are_metadata_alone() -> None:
    chunk = {"type": "reference", "reference_ids": [1]}
    content, completed = fold_of(decoded_whole(MISTRAL, _body([_thinking("hm"), chunk, _text("a")])))
    assert content[1] == Text("a")
    assert completed.metadata == {"chunks": [chunk]}


def test_logprobs_are_read_streamed_and_whole() -> None:
    said = [
        {"token": "a", "logprob": -0.5, "bytes": [97], "token_id": 1, "top_logprobs": [{"token": "b", "logprob": -1, "token_id": 2}]},
        {"token": "b", "logprob": -0.25, "bytes": [98], "token_id": 2, "top_logprobs": None},
    ]
    body = _body("ab")
    body["choices"][0]["logprobs"] = {"content": said}
    pieces = [
        {"id": "r1", "choices": [{"index": 0, "delta": {"content": item["token"]}, "logprobs": {"content": [item]}}]} for item in said
    ]
    last = {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}]}
    for events in (decoded_whole(MISTRAL, body), decoded(MISTRAL, sse([*pieces, last, "[DONE]"]), kind=SSE)):
        completed = fold_of(events)[1]
        assert completed.logprobs == (TokenLogprob("a", -0.5, (("b", -1.0),)), TokenLogprob("b", -0.25))
        assert completed.metadata == {"logprobs": {"content": said}}


def test_the_other_answers_are_alternatives_streamed_and_whole() -> None:
    messages = [{"content": "a"}, {"content": [_thinking("hm"), _text("b")]}, {"content": "", "tool_calls": [_call("null")]}]
    body = _body()
    body["choices"] = [{"index": n, "message": message, "finish_reason": "stop"} for n, message in enumerate(messages)][::-1]
    ends = [None, "stop", "stop"]
    pieces = [{"id": "r1", "choices": [{"index": n, "delta": messages[n], "finish_reason": end}]} for n, end in enumerate(ends)]
    last = {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    found = []
    for events in (decoded_whole(MISTRAL, body), decoded(MISTRAL, sse([*pieces, last, "[DONE]"]), kind=SSE)):
        content, completed = fold_of(events)
        assert content == (Text("a"),)
        assert completed.finish_reason == "stop"
        assert [other.finish_reason for other in completed.alternatives] == ["stop", "tool_call"]
        thought, called = (other.message.content for other in completed.alternatives)
        assert [type(part) for part in thought] == [Reasoning, Text]
        assert [type(part) for part in called] == [ToolCall]
        found.append(completed.alternatives)
    assert found[0] == found[1]


def test_choices_far_out_are_left_out() -> None:
    body = _body("a")
    body["choices"] += [{"index": index, "message": {"content": "z"}} for index in (128, 10**30, -1, "1", 1.5, [1])]
    content, completed = fold_of(decoded_whole(MISTRAL, body))
    assert (content, completed.alternatives) == ((Text("a"),), ())
