"""Whatever a server sends, Ollama's reader answers with events or with an error of the tree, in bounded time."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.dialect_cases import LINES, OLLAMA, WHOLE, lines
from tests.unit.hostile_cases import JSON, KINDS, LINEAR_SECONDS, SMALL, STATUSES, changed, decode_or_refuse, places, seconds_for

HEAD = {"model": "m", "created_at": "t", "done": False}
LOGPROB = {"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -1}]}


def _line(**message: Any) -> dict[str, Any]:
    return HEAD | {"message": {"role": "assistant", "content": ""} | message}


OBJECTS: list[Any] = [
    _line(thinking="h"),
    _line(content="a") | {"logprobs": [LOGPROB]},
    _line(tool_calls=[{"id": "c", "function": {"index": 0, "name": "f", "arguments": {"x": [1, {"y": None}]}}}]),
    _line(tool_calls=[{"function": {"name": "g", "arguments": {}}}]),
    _line() | {"done": True, "done_reason": "stop", "prompt_eval_count": 1, "eval_count": 2, "total_duration": 3},
]
BODY = OBJECTS[4] | {
    "message": {"role": "assistant", "content": "a", "thinking": "h", "tool_calls": OBJECTS[2]["message"]["tool_calls"]},
    "logprobs": [LOGPROB],
}


@SMALL
@given(data=st.binary(max_size=200), kind=st.sampled_from(KINDS), status=st.sampled_from(STATUSES), cut=st.integers(0, 200))
def test_any_bytes(data: bytes, kind: str, status: int, cut: int) -> None:
    decode_or_refuse(OLLAMA, data, kind=kind, status=status, cut=cut)


@SMALL
@given(value=JSON, status=st.sampled_from((200, 500)))
def test_any_json(value: Any, status: int) -> None:
    text = json.dumps(value).encode()
    decode_or_refuse(OLLAMA, text, kind=WHOLE, status=status)
    decode_or_refuse(OLLAMA, lines(OBJECTS[:2]) + text + b"\n" + lines(OBJECTS[2:]), kind=LINES, status=status)


@SMALL
@given(data=st.data())
def test_recorded_objects_with_something_else_in_one_place(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(OBJECTS) - 1))
    line = changed(OBJECTS[number], data.draw(st.sampled_from(places(OBJECTS[number]))), data.draw(JSON))
    stream = lines(OBJECTS[:number]) + json.dumps(line).encode() + b"\n" + lines(OBJECTS[number + 1 :])
    decode_or_refuse(OLLAMA, stream, kind=data.draw(st.sampled_from((LINES, WHOLE))), cut=data.draw(st.integers(0, len(stream))))
    body = changed(BODY, data.draw(st.sampled_from(places(BODY))), data.draw(JSON))
    decode_or_refuse(OLLAMA, json.dumps(body).encode(), kind=WHOLE)


@SMALL
@given(order=st.lists(st.sampled_from(OBJECTS), max_size=12))
def test_recorded_objects_in_any_order(order: list[Any]) -> None:
    decode_or_refuse(OLLAMA, lines(order), kind=LINES)


def test_the_recorded_objects_are_an_answer_and_so_is_their_body() -> None:
    stream, whole = decode_or_refuse(OLLAMA, lines(OBJECTS), kind=LINES), decode_or_refuse(OLLAMA, json.dumps(BODY).encode(), kind=WHOLE)
    assert stream is not None
    assert whole is not None
    assert [part.type for part in stream.content()] == ["reasoning", "text", "tool_call", "tool_call"]
    assert whole.content() == stream.content()[:3]
    assert stream.completed is not None
    assert whole.completed is not None
    assert stream.completed.logprobs == whole.completed.logprobs != ()


def _many(item: object, times: int) -> bytes:
    return (json.dumps(item) + "\n").encode() * times


HOSTILE = {
    "one letter": (LINES, b"x" * 10_000_000),
    "brackets": (WHOLE, b"[" * 10_000_000),
    "objects": (WHOLE, b'{"message":' * 900_000),
    "blank lines": (LINES, b"\n" * 10_000_000),
    "empty objects": (LINES, b"{}\n" * 3_300_000),
    "small texts": (LINES, _many(OBJECTS[1], 45_000)),
    "thoughts": (LINES, _many(OBJECTS[0], 90_000)),
    "calls": (LINES, _many(OBJECTS[3], 70_000)),
    "lines that say they are a body": (WHOLE, _many(OBJECTS[0], 90_000)),
    "calls of a body": (WHOLE, json.dumps(_line(tool_calls=[{"function": {"name": "f"}}] * 300_000) | {"done": True}).encode()),
    "nested arguments": (LINES, _many(_line(tool_calls=[{"function": {"name": "f", "arguments": {"x": [[]] * 2_000_000}}}]), 1)),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timed
def test_ten_million_hostile_bytes_are_refused_or_read_in_linear_time(name: str) -> None:
    kind, data = HOSTILE[name]
    assert seconds_for(OLLAMA, data, kind) < LINEAR_SECONDS
