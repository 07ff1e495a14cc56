"""What Chat Completions answers, and what its many servers do differently: tables of chunks, every case also byte by byte."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from saferoute import errors
from saferoute.providers.decoder import Decoder
from saferoute.providers.openai_chat import OpenAIChat
from saferoute.values.events import (
    Cited,
    Completed,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.json import encode
from saferoute.values.messages import Citation, OpaqueState, Reasoning, Refusal, Text, ToolCall
from saferoute.values.target import Target
from saferoute.values.usage import Buckets, Usage

if TYPE_CHECKING:
    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Content

TARGET = Target("t", "groq", "openai_chat", "https://api.example.com", "/v1", NetClass(), "m-1", None, "none")
DONE = "[DONE]"
Chunk = dict[str, Any] | str


def _chunk(delta: object = None, finish: str | None = None, **more: object) -> dict[str, Any]:
    choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
    if delta is not None:
        choice["delta"] = delta
    return {"id": "r1", "created": 7, "model": "m-1-0611", "choices": [choice], **more}


def _text(text: str) -> dict[str, Any]:
    return _chunk({"content": text})


def _call(**fragment: object) -> dict[str, Any]:
    return _chunk({"tool_calls": [fragment]})


def _feed(data: bytes, content_type: str, *, step: int) -> list[DecodedEvent]:
    decoder = Decoder(OpenAIChat().reader(TARGET), TARGET.provider_name)
    decoder.head(Head(200, {"content-type": content_type}))
    events: list[DecodedEvent] = []
    for begin in range(0, len(data), step):
        events += decoder.feed(data[begin : begin + step])
    return events + decoder.close()


def _stream(*chunks: Chunk, step: int = 100_000) -> list[DecodedEvent]:
    texts = [chunk if isinstance(chunk, str) else json.dumps(chunk) for chunk in chunks]
    return _feed("".join(f"data: {text}\n\n" for text in texts).encode(), "text/event-stream", step=step)


def _body(message: dict[str, Any], finish: str | None = "stop", **more: object) -> list[DecodedEvent]:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    data = {"id": "r1", "created": 7, "model": "m-1-0611", "choices": [choice], **more}
    return _feed(json.dumps(data).encode(), "application/json", step=100_000)


def _fold(events: list[DecodedEvent]) -> tuple[Content, Completed]:
    """The parts and the end; and that the events came in their order."""
    order = [Started, (TextDelta, RefusalDelta, ReasoningDelta, ToolCallDelta), Cited, (PartEnd, ToolCallReady), Noticed, Completed]
    stages = [next(n for n, kinds in enumerate(order) if isinstance(event, kinds)) for event in events]
    assert all(a <= b for a, b in pairwise(stages)), events
    fold = Fold()
    fold.add(events)
    assert fold.completed is not None
    assert fold.completed is events[-1]
    ends = [event.index for event in events if isinstance(event, PartEnd)]
    assert ends == list(range(len(ends)))
    return fold.content(), fold.completed


def test_the_events_of_a_plain_stream() -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    events = _stream(
        _chunk({"role": "assistant", "content": ""}, system_fingerprint="fp"),
        _text("He"),
        _chunk({"role": "assistant", "content": "llo"}),
        _chunk({}, "stop", service_tier="default"),
        {"id": "r1", "model": "m-1-0611", "choices": [], "usage": usage},
        DONE,
    )
    counted = Usage(5, 2, buckets=Buckets(input_uncached=5, output_text=2), raw=usage)
    assert events == [
        Started("r1", "m-1-0611"),
        TextDelta("He", 0),
        TextDelta("llo", 0),
        PartEnd(0),
        Completed("stop", "stop", counted, {"system_fingerprint": "fp", "service_tier": "default"}),
    ]


def test_the_events_of_a_whole_body_are_those_of_its_stream() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Kiel"}'}}
    usage = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
    message = {"role": "assistant", "reasoning": "hm", "content": "see", "refusal": None, "tool_calls": [call]}
    streamed = _stream(
        _chunk({"role": "assistant", "reasoning": "hm"}),
        _text("see"),
        _chunk({"tool_calls": [{"index": 0, **call}]}),
        _chunk({}, "tool_calls"),
        {"id": "r1", "choices": [], "usage": usage},
        DONE,
    )
    assert _body(message, "tool_calls", usage=usage) == streamed
    assert streamed[1:-1] == [
        ReasoningDelta("hm", 0),
        TextDelta("see", 1),
        ToolCallDelta(2, "c1", "weather", '{"city":"Kiel"}'),
        PartEnd(0),
        PartEnd(1),
        PartEnd(2),
        ToolCallReady(2, ToolCall("c1", "weather", '{"city":"Kiel"}')),
    ]


def _state(payload: str) -> OpaqueState:
    return OpaqueState("groq", "openai_chat", "m-1", payload)


def _details(*details: dict[str, Any]) -> OpaqueState:
    return _state(encode({"reasoning_details": details}).decode())


A = ToolCall("a", "f", '{"x":1}')
B = ToolCall("b", "g", "{}")

STREAMS: list[tuple[str, list[Chunk], Content, str]] = [
    (
        "reasoning_content",
        [_chunk({"reasoning_content": "h", "content": None}), _chunk({"reasoning_content": "m"}), _text("a")],
        (Reasoning("hm", _state('{"reasoning_content":"hm"}')), Text("a")),
        "stop",
    ),
    ("reasoning", [_chunk({"reasoning": "hm", "content": ""}), _text("a")], (Reasoning("hm"), Text("a")), "stop"),
    (
        "reasoning between texts is one part",
        [_text("a"), _chunk({"reasoning": "h"}), _text("b"), _chunk({"reasoning": "m"})],
        (Text("ab"), Reasoning("hm")),
        "stop",
    ),
    (
        "reasoning_details beside their text",
        [
            _chunk({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0, "format": "x"}]}),
            _chunk({"reasoning": "m", "reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0, "format": "x"}]}),
            _chunk({"reasoning_details": [{"type": "reasoning.text", "signature": "s", "index": 0, "format": None}]}),
            _chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "1", "index": 1}, "no object"]}),
            _chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "2", "index": 1}]}),
        ],
        (
            Reasoning(
                "hm",
                _details(
                    {"type": "reasoning.text", "text": "hm", "index": 0, "format": "x", "signature": "s"},
                    {"type": "reasoning.encrypted", "data": "1", "index": 1},
                    {"type": "reasoning.encrypted", "data": "2", "index": 1},
                ),
            ),
        ),
        "stop",
    ),
    (
        "reasoning_details alone",
        [_chunk({"reasoning_details": [{"type": "reasoning.summary", "summary": "s"}]}), _text("a")],
        (Reasoning("s", _state('{"reasoning_details":[{"type":"reasoning.summary","summary":"s"}]}')), Text("a")),
        "stop",
    ),
    (
        "only encrypted reasoning",
        [_chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "x"}]}), _text("a")],
        (Reasoning("", _state('{"reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}')), Text("a")),
        "stop",
    ),
    (
        "thinking blocks",
        [
            _chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}),
            _chunk({"content": [{"type": "thinking", "thinking": "m", "closed": True}, {"type": "text", "text": "a"}, "no block"]}),
        ],
        (Reasoning("hm", _state('{"thinking":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}],"closed":true}]}')), Text("a")),
        "stop",
    ),
    ("refusal", [_chunk({"refusal": "no"}), _chunk({"refusal": "pe"})], (Refusal("nope"),), "refusal"),
    (
        "calls by index",
        [
            _call(index=0, id="a", function={"name": "f", "arguments": ""}),
            _call(index=1, id="b", function={"name": "g", "arguments": "{}"}),
            _call(index=0, function={"arguments": '{"x"'}),
            _call(index=0, function={"arguments": ":1}"}),
        ],
        (A, B),
        "tool_call",
    ),
    (
        "calls by id",
        [
            _call(id="a", function={"name": "f", "arguments": '{"x"'}),
            _call(id="b", function={"name": "g", "arguments": "{}"}),
            _call(id="a", function={"arguments": ":1}"}),
        ],
        (A, B),
        "tool_call",
    ),
    (
        "calls whole, all numbered 0",
        [
            _call(index=0, id="a", function={"name": "f", "arguments": '{"x":1}'}),
            _call(index=0, id="b", function={"name": "g", "arguments": "{}"}),
        ],
        (A, B),
        "tool_call",
    ),
    (
        "a new id in each fragment",
        [
            _call(index=0, id="a", function={"name": "f", "arguments": '{"x"'}),
            _call(index=0, id="z", function={"name": None, "arguments": ":1}"}),
        ],
        (A,),
        "tool_call",
    ),
    (
        "fragments that continue the last",
        [_call(id="a", function={"name": "f"}), _chunk({"tool_calls": [{"function": {"arguments": '{"x":1}'}}]})],
        (A,),
        "tool_call",
    ),
    (
        "name repeated",
        [
            _call(index=0, id="a", function={"name": "f", "arguments": '{"x"'}),
            _call(index=0, id="a", function={"name": "f", "arguments": ":1}"}),
        ],
        (A,),
        "tool_call",
    ),
    ("arguments as an object", [_call(index=0, id="a", function={"name": "f", "arguments": {"x": 1}})], (A,), "tool_call"),
    ("a free-text tool", [_call(index=0, id="a", type="custom", custom={"name": "f", "input": '{"x":1}'})], (A,), "tool_call"),
    ("text after calls", [_call(index=0, id="a", function={"name": "f", "arguments": '{"x":1}'}), _text("t")], (A, Text("t")), "tool_call"),
    (
        "state beside a call",
        [_call(index=0, id="b", function={"name": "g", "arguments": "{}"}, extra_content={"google": {"s": 1}})],
        (ToolCall("b", "g", "{}", _state('{"extra_content":{"google":{"s":1}}}')),),
        "tool_call",
    ),
    (
        "a whole message in a stream",
        [{"id": "r1", "choices": [{"message": {"content": "a"}, "finish_reason": None}]}],
        (Text("a"),),
        "stop",
    ),
    (
        "other answers are left out",
        [_text("a"), {"id": "r1", "choices": [{"index": 1, "delta": {"content": "zzz"}, "finish_reason": "stop"}]}, _text("b")],
        (Text("ab"),),
        "stop",
    ),
    (
        "strange shapes",
        [{"choices": None}, _text("a"), {"id": "r1", "choices": ["x", {"delta": 7}, {"index": None, "delta": {"content": 7}}]}],
        (Text("a"),),
        "stop",
    ),
    ("nothing", [_chunk({"role": "assistant", "content": ""})], (), "stop"),
]


@pytest.mark.parametrize("step", [1, 13, 100_000])
@pytest.mark.parametrize(("chunks", "content", "finish"), [case[1:] for case in STREAMS], ids=[case[0] for case in STREAMS])
def test_streams(chunks: list[Chunk], content: Content, finish: str, step: int) -> None:
    found, completed = _fold(_stream(*chunks, _chunk({}, "stop"), DONE, step=step))
    assert found == content
    assert completed.finish_reason == finish


BODIES: list[tuple[str, dict[str, Any], Content, str]] = [
    ("plain", {"content": "a"}, (Text("a"),), "stop"),
    ("nothing", {"content": None}, (), "stop"),
    ("a list", {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}, {"type": "reference"}]}, (Text("ab"),), "stop"),
    ("refusal", {"content": None, "refusal": "no"}, (Refusal("no"),), "refusal"),
    (
        "calls with the same id",
        {"tool_calls": [{"id": "a", "function": {"name": "f", "arguments": '{"x":1}'}}, {"id": "a", "function": {"name": "g"}}]},
        (A, ToolCall("a", "g", "")),
        "tool_call",
    ),
    (
        "calls all numbered 0",
        {
            "tool_calls": [
                {"index": 0, "id": "a", "function": {"name": "f", "arguments": {"x": 1}}},
                {"index": 0, "id": "b", "function": {"name": "g", "arguments": "{}"}},
            ]
        },
        (A, B),
        "tool_call",
    ),
    (
        "details are not joined",
        {
            "content": "a",
            "reasoning": "hm",
            "reasoning_details": [{"type": "reasoning.text", "text": "h"}, {"type": "reasoning.text", "text": "m"}],
        },
        (Reasoning("hm", _details({"type": "reasoning.text", "text": "h"}, {"type": "reasoning.text", "text": "m"})), Text("a")),
        "stop",
    ),
]


@pytest.mark.parametrize(("message", "content", "finish"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_bodies(message: dict[str, Any], content: Content, finish: str) -> None:
    found, completed = _fold(_body(message))
    assert found == content
    assert completed.finish_reason == finish


def _ids(events: list[DecodedEvent]) -> list[str]:
    return [event.call.id for event in events if isinstance(event, ToolCallReady)]


def test_calls_without_id_get_one_that_is_the_same_each_time_and_differs_between_replies() -> None:
    calls = [{"function": {"name": "f", "arguments": "{}"}}, {"id": "", "function": {"name": "f", "arguments": "{}"}}]
    whole = _ids(_body({"tool_calls": calls}))
    assert whole == _ids(_stream(_chunk({"tool_calls": calls}), _chunk({}, "stop"), DONE))
    assert len(set(whole)) == 2
    assert all(len(made) == 29 and made.startswith("call_") for made in whole)
    assert not set(whole) & set(_ids(_body({"tool_calls": calls}, id="r2")))
    assert not set(whole) & set(_ids(_body({"tool_calls": calls}, created=8)))


def test_the_older_function_call_is_a_call() -> None:
    whole = _fold(_body({"content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}}, "function_call"))
    pieces = [{"function_call": {"name": "f", "arguments": '{"x"'}}, {"function_call": {"arguments": ":1}"}}]
    streamed = _fold(_stream(*map(_chunk, pieces), _chunk({}, "function_call"), DONE))
    assert whole[0] == streamed[0]
    (call,) = whole[0]
    assert isinstance(call, ToolCall)
    assert (call.name, call.arguments, whole[1].finish_reason) == ("f", '{"x":1}', "tool_call")


# -------------------------------------------------------------------------------------------------------------- the end


@pytest.mark.parametrize(
    ("word", "plain", "with_call"),
    [
        ("stop", "stop", "tool_call"),
        ("eos", "stop", "tool_call"),
        ("tool_calls", "stop", "tool_call"),
        ("function_call", "stop", "tool_call"),
        ("length", "length", "length"),
        ("model_length", "context_overflow", "context_overflow"),
        ("content_filter", "content_filter", "content_filter"),
        ("error", "error", "error"),
        ("insufficient_system_resource", "error", "error"),
        ("a_new_word", "other", "tool_call"),
        (None, "other", "tool_call"),
    ],
)
def test_finish_reasons(word: str | None, plain: str, with_call: str) -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": "{}"}}
    for message, finish in (({"content": "a"}, plain), ({"content": "a", "tool_calls": [call]}, with_call)):
        completed = _fold(_body(message, word))[1]
        assert (completed.finish_reason, completed.raw_finish_reason) == (finish, word or "")


def test_a_stream_may_end_without_done_once_a_finish_reason_has_come() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    assert isinstance(_stream(_text("a"), _chunk({}, "stop", usage=usage))[-2], PartEnd)
    events = _stream(_text("a"), _chunk({}, "stop"))
    assert isinstance(events[-2], Noticed)
    assert events[-2].notice.kind == "noted"
    assert _fold(events)[0] == (Text("a"),)


@pytest.mark.parametrize("chunks", [[_text("a")], [_chunk({"content": ""})], []])
def test_a_stream_without_finish_reason_is_interrupted(chunks: list[Chunk]) -> None:
    with pytest.raises(errors.StreamInterrupted):
        _stream(*chunks)


def test_a_stream_cut_anywhere_before_its_finish_reason_is_interrupted() -> None:
    chunks = [_chunk({"role": "assistant"}), _text("grüße"), _call(index=0, id="a", function={"name": "f", "arguments": "{}"})]
    data = "".join(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in [*chunks, _chunk({}, "stop")]).encode()
    for cut in range(len(data) - 2):
        with pytest.raises(errors.StreamInterrupted):
            _feed(data[:cut], "text/event-stream", step=100)
    assert _feed(data[:-2], "text/event-stream", step=100)


def test_done_may_have_space_around_it() -> None:
    assert _fold(_stream(_text("a"), _chunk({}, "stop"), " [DONE] "))[0] == (Text("a"),)


def test_nothing_counts_after_done() -> None:
    assert _fold(_stream(_text("a"), _chunk({}, "stop"), DONE, _text("b"), "no json"))[0] == (Text("a"),)


@pytest.mark.parametrize("chunks", [[DONE], [{"choices": []}, DONE]])
def test_a_stream_without_any_choice_is_a_protocol_error(chunks: list[Chunk]) -> None:
    with pytest.raises(errors.ProtocolError, match="without a choice"):
        _stream(*chunks)


@pytest.mark.parametrize("body", [b"{}", b'{"choices": []}', b'{"choices": {}}', b'{"id": "x", "object": "list", "data": []}'])
def test_a_body_without_any_choice_is_a_protocol_error(body: bytes) -> None:
    with pytest.raises(errors.ProtocolError, match="without a choice"):
        _feed(body, "application/json", step=9)


@pytest.mark.parametrize("data", ["no json", "[1]", '"text"', "{"])
def test_a_chunk_that_is_no_object_is_a_protocol_error(data: str) -> None:
    with pytest.raises(errors.ProtocolError, match="no JSON object"):
        _stream(_text("a"), data, DONE)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"error": {"message": "m", "code": 429}}, errors.RateLimited),
        ({"error": "something broke"}, errors.ServerError),
        ({"message": "m", "type": "overloaded_error"}, errors.Overloaded),
        ({"detail": "m"}, errors.ServerError),
        ({"choices": [{"index": 0, "message": {"content": ""}, "finish_reason": "error", "error": {"code": 502}}]}, errors.ServerError),
        ({"choices": [{"index": 0, "delta": {"content": "a"}}], "error": {"code": 402}}, errors.QuotaExceeded),
    ],
)
def test_errors_inside_a_successful_answer(body: dict[str, Any], kind: type[errors.ProviderError]) -> None:
    for events in (lambda: _feed(json.dumps(body).encode(), "application/json", step=99), lambda: _stream(_text("a"), body, DONE)):
        with pytest.raises(errors.ProviderError) as caught:
            events()
        assert type(caught.value) is kind
        assert (caught.value.status, caught.value.provider_name) == (200, "groq")


def test_an_error_that_is_null_is_none() -> None:
    chunks = [_chunk({"content": "a"}, error=None), _chunk({"content": "b"}, error=None), _chunk({}, "stop")]
    assert _fold(_stream(*chunks, DONE))[0] == (Text("ab"),)


def test_the_error_of_an_error_answer() -> None:
    body = {"error": {"code": "rate_limit_exceeded", "message": "slow"}}
    error = OpenAIChat().reader(TARGET).error(Head(429, {"retry-after": "2"}), body)
    assert isinstance(error, errors.RateLimited)
    assert (error.retry_after, error.code, error.provider_name) == (2.0, "rate_limit_exceeded", "groq")


# ---------------------------------------------------------------------------------------------------- usage and metadata


@pytest.mark.parametrize(
    ("raw", "usage", "buckets"),
    [
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 10, "audio_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 2},
            },
            (100, 50, 40, 10, 30),
            Buckets(45, 40, 10, 0, 5, 18, 30, 2),
        ),
        ({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4}, (9, 1, 4, 0, 0), Buckets(5, 4, output_text=1)),
        ({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4}, (9, 1, 4, 0, 0), Buckets(5, 4, output_text=1)),
        # thinking counted apart, as the total says
        (
            {"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 15, "completion_tokens_details": {"reasoning_tokens": 5}},
            (9, 6, 0, 0, 5),
            Buckets(9, output_text=1, reasoning=5),
        ),
        ({"prompt_tokens": 9}, (9, None, 0, 0, 0), None),
        ({"prompt_tokens": "9", "completion_tokens": -1, "prompt_tokens_details": None}, (None, None, 0, 0, 0), None),
    ],
)
def test_usage(raw: dict[str, Any], usage: tuple[int | None, ...], buckets: Buckets | None) -> None:
    found = _fold(_body({"content": "a"}, usage=raw))[1].usage
    counts = (found.input_tokens, found.output_tokens, found.cache_read_input_tokens, found.cache_creation_input_tokens)
    assert (*counts, found.reasoning_output_tokens) == usage
    assert found.buckets == buckets
    assert found.raw == raw


USAGE = {"prompt_tokens": 5, "completion_tokens": 2}


@pytest.mark.parametrize(
    "chunks",
    [
        [_text("a"), _chunk({}, "stop"), {"choices": [], "usage": USAGE}],
        [_chunk({"content": "a"}, usage={"prompt_tokens": 5, "completion_tokens": 1}), _chunk({}, "stop", usage=USAGE)],
        [_text("a"), _chunk({}, "stop", x_groq={"id": "x", "usage": USAGE}), {"choices": [], "usage": None}],
        [_chunk({"content": "a"}, x_groq={"id": "x"}), _chunk({}, "stop", x_groq={"id": "x", "usage": USAGE})],
        [_text("a"), {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "usage": USAGE}]}],
    ],
)
def test_usage_is_found_wherever_it_stands(chunks: list[Chunk]) -> None:
    assert _fold(_stream(*chunks, DONE))[1].usage.raw == USAGE


def test_usage_that_is_missing_is_unknown() -> None:
    assert _fold(_stream(_text("a"), _chunk({}, "stop"), DONE))[1].usage == Usage()


def test_metadata_is_gathered() -> None:
    def logged(token: str) -> dict[str, Any]:
        choice = {"index": 0, "delta": {"content": token}, "logprobs": {"content": [{"token": token}], "refusal": None}}
        return {"id": "r1", "choices": [choice], "citations": ["c"]}

    completed = _fold(
        _stream(
            logged("a"),
            logged("a"),
            _chunk({"annotations": [1]}),
            _chunk({"annotations": [2], "audio": {"id": "x", "data": "QQ", "transcript": "he"}}),
            _chunk({"audio": {"data": "==", "transcript": "y", "expires_at": 9, "id": None}}),
            _chunk({}, "stop", system_fingerprint="fp", provider="up", citations=["c"], unknown=1),
            DONE,
        )
    )[1]
    assert completed.metadata == {
        "logprobs": {"content": [{"token": "a"}, {"token": "a"}], "refusal": None},
        "citations": ["c"],
        "annotations": [1, 2],
        "audio": {"id": "x", "data": "QQ==", "transcript": "hey", "expires_at": 9},
        "system_fingerprint": "fp",
        "provider": "up",
    }


def test_the_first_chunk_may_come_before_the_answer() -> None:
    events = _stream({"id": "", "model": "", "choices": [], "prompt_filter_results": [1]}, _text("a"), _chunk({}, "stop"), DONE)
    assert events[0] == Started("r1", "m-1-0611")
    assert isinstance(events[-1], Completed)
    assert events[-1].metadata == {"prompt_filter_results": [1]}


# ------------------------------------------------------------------------------------------- sources, odds, other answers


def _annotation(**said: object) -> dict[str, Any]:
    return {"type": "url_citation", "url_citation": said}


SOURCES: list[tuple[str, dict[str, Any], dict[str, Any], list[Citation]]] = [
    (
        "annotations",
        {"annotations": [_annotation(start_index=0, end_index=1, title="T", url="https://a.example", content="q")]},
        {},
        [Citation(0, 1, "T", "https://a.example", quote="q")],
    ),
    (
        "annotations without their inner object",
        {"annotations": [{"type": "url_citation", "url": "https://a.example", "title": "T"}]},
        {},
        [Citation(title="T", url="https://a.example")],
    ),
    ("annotations of other kinds", {"annotations": [{"type": "file", "file": {"hash": "x"}}, "no object", None]}, {}, []),
    (
        "annotations of strange shapes",
        {"annotations": [_annotation(start_index="0", end_index=-1, title=7, url=None)]},
        {},
        [Citation()],
    ),
    (
        "search results come before bare links",
        {},
        {"citations": ["https://b.example"], "search_results": [{"title": "T", "url": "https://a.example", "snippet": "s"}, {"url": 7}, 7]},
        [Citation(title="T", url="https://a.example", source="1", quote="s")],
    ),
    (
        "bare links count from 1",
        {},
        {"citations": ["https://a.example", 7, "https://b.example"]},
        [Citation(url="https://a.example", source="1"), Citation(url="https://b.example", source="3")],
    ),
    (
        "annotations come before lists",
        {"annotations": [_annotation(url="https://a.example")]},
        {"citations": ["https://b.example"]},
        [Citation(url="https://a.example")],
    ),
    ("a list that is none", {"annotations": {}}, {"citations": "https://b.example", "search_results": 7}, []),
]


@pytest.mark.parametrize(("message", "answer", "sources"), [case[1:] for case in SOURCES], ids=[case[0] for case in SOURCES])
def test_sources_are_citations_of_the_text_streamed_and_whole(
    message: dict[str, Any], answer: dict[str, Any], sources: list[Citation]
) -> None:
    whole = _body({"content": "ab", **message}, **answer)
    streamed = _stream(_text("a"), _text("b"), _chunk(message, **answer), _chunk({}, "stop"), DONE)
    for events in (whole, streamed):
        assert [event for event in events if isinstance(event, Cited)] == [Cited(0, source) for source in sources]
        assert _fold(events)[0] == (Text("ab", tuple(sources)),)


def test_sources_without_a_text_are_metadata_alone() -> None:
    content, completed = _fold(_body({"content": None, "annotations": [_annotation(url="https://a.example")]}))
    assert content == ()
    assert completed.metadata == {"annotations": [_annotation(url="https://a.example")]}


def test_tools_that_the_provider_ran_are_metadata_and_no_calls() -> None:
    ran = [{"index": 0, "type": "search", "arguments": '{"query": "x"}', "output": "Title: y"}]
    whole = _body({"content": "a", "executed_tools": ran})
    streamed = _stream(_chunk({"executed_tools": ran}), _text("a"), _chunk({}, "stop"), DONE)
    for content, completed in (_fold(whole), _fold(streamed)):
        assert content == (Text("a"),)
        assert (completed.finish_reason, completed.metadata) == ("stop", {"executed_tools": ran})


def test_logprobs_are_read_streamed_and_whole() -> None:
    said = [
        {"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5}, {"token": "b", "logprob": -1}]},
        {"token": "b", "logprob": 0, "bytes": None, "top_logprobs": []},
    ]
    read = (TokenLogprob("a", -0.5, (("a", -0.5), ("b", -1.0))), TokenLogprob("b", 0.0))
    choice = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop", "logprobs": {"content": said, "refusal": None}}
    whole = _feed(json.dumps({"id": "r1", "choices": [choice]}).encode(), "application/json", step=99)
    pieces = [
        {"id": "r1", "choices": [{"index": 0, "delta": {"content": item["token"]}, "logprobs": {"content": [item], "refusal": None}}]}
        for item in said
    ]
    for events in (whole, _stream(*pieces, _chunk({}, "stop"), DONE)):
        completed = _fold(events)[1]
        assert completed.logprobs == read
        assert all(type(token.logprob) is float for token in completed.logprobs)
        assert completed.metadata == {"logprobs": {"content": said, "refusal": None}}


@pytest.mark.parametrize("odd", [None, 7, "x", [], {"content": None}, {"content": [7, {"token": "a"}, {"token": 1, "logprob": 1}]}])
def test_logprobs_of_another_shape_are_passed_over(odd: object) -> None:
    choice = {"index": 0, "message": {"content": "ab"}, "finish_reason": "stop", "logprobs": odd}
    assert _fold(_feed(json.dumps({"choices": [choice]}).encode(), "application/json", step=99))[1].logprobs == ()


def test_a_logprob_without_bound_is_passed_over() -> None:
    said = '[{"token": "a", "logprob": 1' + "0" * 400 + '}, {"token": "b", "logprob": true}]'
    body = '{"choices": [{"message": {"content": "a"}, "finish_reason": "stop", "logprobs": {"content": ' + said + "}}]}"
    assert _fold(_feed(body.encode(), "application/json", step=99))[1].logprobs == ()


def test_the_other_answers_are_alternatives_streamed_and_whole() -> None:
    call = {"id": "", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"content": "a"},
        {"content": "b", "reasoning_content": "hm", "annotations": [_annotation(url="https://a.example")]},
        {"content": None, "tool_calls": [call]},
        {"content": None, "refusal": "no"},
    ]
    choices = [{"index": n, "message": message, "finish_reason": "stop"} for n, message in enumerate(messages)]
    whole = _feed(json.dumps({"id": "r1", "created": 7, "choices": choices[::-1]}).encode(), "application/json", step=99)
    pieces = [
        {"id": "r1", "created": 7, "choices": [{"index": n, "delta": message, "finish_reason": "stop" if n else None}]}
        for n, message in enumerate(messages)
    ]
    streamed = _stream(pieces[2], pieces[0], pieces[1], pieces[3], _chunk({}, "stop"), DONE)
    for content, completed in (_fold(whole), _fold(streamed)):
        assert content == (Text("a"),)
        assert completed.finish_reason == "stop"
        assert [other.finish_reason for other in completed.alternatives] == ["stop", "tool_call", "refusal"]
        thought, called, refused = (other.message.content for other in completed.alternatives)
        assert thought == (
            Reasoning("hm", _state('{"reasoning_content":"hm"}')),
            Text("b", (Citation(url="https://a.example"),)),
        )
        assert [type(part) for part in called] == [ToolCall]
        assert refused == (Refusal("no"),)
    seconds = [_fold(events)[1].alternatives[1].message for events in (whole, streamed)]
    made = {call.id for message in seconds for call in message.tool_calls}
    assert len(made) == 1


def test_choices_far_out_are_left_out() -> None:
    odd = [{"index": index, "message": {"content": "z"}} for index in (128, 10**30, -1, "1", 1.5, [1], {"a": 1})]
    body = {"choices": [{"index": 0, "message": {"content": "a"}, "finish_reason": "stop"}, *odd]}
    content, completed = _fold(_feed(json.dumps(body).encode(), "application/json", step=99))
    assert (content, completed.alternatives) == ((Text("a"),), ())


def test_an_error_beside_groqs_numbers_is_one() -> None:
    with pytest.raises(errors.ServerError):
        _stream(_text("a"), _chunk({}, None, x_groq={"id": "x", "error": "over capacity"}), DONE)


def test_a_content_filter_that_failed_is_noticed() -> None:
    failed = {"error": {"code": "content_filter_error", "message": "The contents are not filtered"}}
    whole = _feed(
        json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop", "content_filter_results": failed}]}).encode(),
        "application/json",
        step=99,
    )
    empty = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    late = {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": None, "content_filter_results": failed}]}
    for events in (whole, _stream(empty, _text("a"), late, _chunk({}, "stop"), DONE)):
        assert [event.notice.parameter for event in events if isinstance(event, Noticed)] == ["content_filter"]
    fine = {"id": "r1", "choices": [{"index": 0, "delta": {}, "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}}}]}
    assert not [event for event in _stream(_text("a"), fine, _chunk({}, "stop"), DONE) if isinstance(event, Noticed)]
