"""Whatever a server sends, Cohere's reader answers with events or with an error of the tree, in bounded time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialect_cases import COHERE, SSE, WHOLE, sse
from tests.unit.hostile_cases import JSON, KINDS, LINEAR_SECONDS, SMALL, STATUSES, changed, decode_or_refuse, places, seconds_for

CITATION = {"start": 0, "end": 1, "text": "a", "sources": [{"type": "document", "id": "d", "document": {"title": "t"}}], "content_index": 1}
EVENTS: list[Any] = [
    {"type": "message-start", "id": "r1", "delta": {"message": {"role": "assistant", "content": [], "tool_plan": ""}}},
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "thinking", "thinking": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"thinking": "h"}}}},
    {"type": "content-end", "index": 0},
    {"type": "content-start", "index": 1, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {
        "type": "content-delta",
        "index": 1,
        "delta": {"message": {"content": {"text": "a"}}},
        "logprobs": {"text": "a", "token_ids": [1], "logprobs": [-0.5]},
    },
    {"type": "citation-start", "index": 0, "delta": {"message": {"citations": CITATION}}},
    {"type": "citation-end", "index": 0},
    {"type": "content-end", "index": 1},
    {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "p"}}},
    {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {"id": "c", "function": {"name": "f", "arguments": ""}}}}},
    {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {"function": {"arguments": "{}"}}}}},
    {"type": "tool-call-end", "index": 0},
    {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {"tokens": {"input_tokens": 1.0}, "cached_tokens": 1}}},
]
BODY = {
    "id": "r1",
    "finish_reason": "TOOL_CALL",
    "message": {
        "role": "assistant",
        "content": [{"type": "thinking", "thinking": "h"}, {"type": "text", "text": "a"}],
        "citations": [CITATION],
        "tool_plan": "p",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    "usage": {"tokens": {"input_tokens": 1.0}, "billed_units": {"output_tokens": 1}, "cached_tokens": 1},
    "logprobs": [{"text": "a", "token_ids": [1], "logprobs": [-0.5]}],
}


@SMALL
@given(data=st.binary(max_size=200), kind=st.sampled_from(KINDS), status=st.sampled_from(STATUSES), cut=st.integers(0, 200))
def test_any_bytes(data: bytes, kind: str, status: int, cut: int) -> None:
    decode_or_refuse(COHERE, data, kind=kind, status=status, cut=cut)


@SMALL
@given(value=JSON, status=st.sampled_from((200, 500)))
def test_any_json(value: Any, status: int) -> None:
    decode_or_refuse(COHERE, json.dumps(value).encode(), kind=WHOLE, status=status)
    decode_or_refuse(COHERE, sse([EVENTS[0], json.dumps(value), *EVENTS[1:]]), kind=SSE, status=status)


@SMALL
@given(data=st.data())
def test_recorded_events_with_something_else_in_one_place(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(EVENTS) - 1))
    event = changed(EVENTS[number], data.draw(st.sampled_from(places(EVENTS[number]))), data.draw(JSON))
    stream = sse([*EVENTS[:number], json.dumps(event), *EVENTS[number + 1 :]])
    decode_or_refuse(COHERE, stream, kind=SSE, cut=data.draw(st.integers(0, len(stream))))
    body = changed(BODY, data.draw(st.sampled_from(places(BODY))), data.draw(JSON))
    decode_or_refuse(COHERE, json.dumps(body).encode(), kind=WHOLE)


@SMALL
@given(order=st.lists(st.sampled_from(EVENTS), max_size=20))
def test_recorded_events_in_any_order(order: list[Any]) -> None:
    decode_or_refuse(COHERE, sse(order), kind=SSE)


def test_the_recorded_events_are_an_answer_and_their_body_the_same() -> None:
    stream, whole = decode_or_refuse(COHERE, sse(EVENTS), kind=SSE), decode_or_refuse(COHERE, json.dumps(BODY).encode(), kind=WHOLE)
    assert stream is not None
    assert whole is not None
    assert stream.content() == whole.content()
    assert [part.type for part in stream.content()] == ["reasoning", "text", "reasoning", "tool_call"]
    assert stream.completed is not None
    assert whole.completed is not None
    assert stream.completed.logprobs == whole.completed.logprobs != ()


def _many(*events: object, times: int) -> bytes:
    return sse(EVENTS[:5]) + sse(json.dumps(event) for event in events) * times


def _body_with(**message: object) -> bytes:
    return json.dumps(BODY | {"message": {"content": [{"type": "text", "text": "a"}]} | message}).encode()


HOSTILE = {
    "one letter": (SSE, b"data: " + b"x" * 10_000_000),
    "brackets": (WHOLE, b"[" * 10_000_000),
    "objects": (WHOLE, b'{"message":' * 900_000),
    "small texts": (SSE, _many(EVENTS[5], times=60_000)),
    "citations": (SSE, _many(EVENTS[6], times=40_000)),
    "calls": (SSE, _many(*EVENTS[10:13], times=25_000)),
    "pieces of a plan": (SSE, _many(EVENTS[9], times=120_000)),
    "blocks": (SSE, _many(*({**event, "index": 2} for event in EVENTS[1:4]), times=35_000)),
    "events of a later version": (SSE, _many({"type": "later"}, times=350_000)),
    "sources": (WHOLE, _body_with(citations=[CITATION | {"sources": [{"id": "d"}] * 800_000}])),
    "calls of a body": (WHOLE, _body_with(tool_calls=[{"function": {"name": "f"}}] * 250_000)),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timed
def test_ten_million_hostile_bytes_are_refused_or_read_in_linear_time(name: str) -> None:
    kind, data = HOSTILE[name]
    assert seconds_for(COHERE, data, kind) < LINEAR_SECONDS
