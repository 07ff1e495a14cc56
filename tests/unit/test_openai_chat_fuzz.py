"""Whatever a server sends, Chat Completions's reader answers with events or with an error of the tree, in bounded time."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saferoute.errors import SaferouteError
from saferoute.providers.decoder import Decoder
from saferoute.providers.openai_chat import OpenAIChat
from saferoute.values.events import Completed
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.target import Target

TARGET = Target("t", "vendor", "openai_chat", "https://api.example.com", "/v1", NetClass(), "m-1", None, "none")
KINDS = ("application/json", "text/event-stream", "application/x-ndjson", "")
CHUNKS: list[Any] = [
    {
        "id": "r1",
        "created": 7,
        "model": "m",
        "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}],
        "x_groq": {"id": "x"},
    },
    {
        "id": "r1",
        "choices": [{"index": 0, "delta": {"reasoning_content": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "h"}]}}],
    },
    {"id": "r1", "choices": [{"index": 0, "delta": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "h"}]}]}}]},
    {
        "id": "r1",
        "choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": {"content": [{"token": "a", "logprob": -1, "top_logprobs": []}]}}],
    },
    {
        "id": "r1",
        "choices": [{"index": 1, "delta": {"content": "b"}}],
        "citations": ["https://a.example"],
        "search_results": [{"url": "u"}],
    },
    {"id": "r1", "choices": [{"index": 0, "delta": {"annotations": [{"type": "url_citation", "url_citation": {"start_index": 0}}]}}]},
    {
        "id": "r1",
        "choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{"}}]}}],
    },
    {"id": "r1", "choices": [{"index": 0, "delta": {"audio": {"data": "x"}, "refusal": "no", "function_call": {"name": "f"}}}]},
    {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop", "content_filter_results": {"hate": {"filtered": False}}}]},
    {"id": "r1", "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1}}},
]
SMALL = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8
)


def _decode(data: bytes, *, kind: str, status: int = 200, cut: int = 0) -> Fold | None:
    """What a body folds to; None for an error of the tree. Anything else goes through to the test."""
    decoder = Decoder(OpenAIChat().reader(TARGET), "vendor")
    fold = Fold()
    try:
        decoder.head(Head(status, {"content-type": kind}))
        fold.add(decoder.feed(data[:cut]))
        fold.add(decoder.feed(data[cut:]))
        fold.add(decoder.close())
    except SaferouteError:
        return None
    assert isinstance(fold.completed, Completed)
    fold.content()
    return fold


@SMALL
@given(data=st.binary(max_size=200), kind=st.sampled_from(KINDS), status=st.sampled_from((200, 400, 429, 503)), cut=st.integers(0, 200))
def test_any_bytes(data: bytes, kind: str, status: int, cut: int) -> None:
    _decode(data, kind=kind, status=status, cut=cut)


@SMALL
@given(value=JSON, status=st.sampled_from((200, 500)))
def test_any_json(value: Any, status: int) -> None:
    text = json.dumps(value)
    _decode(text.encode(), kind="application/json", status=status)
    _decode(f"data: {text}\n\ndata: [DONE]\n\n".encode(), kind="text/event-stream", status=status)


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in inner for place in _places(item, (*path, key)))]


def _changed(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = _changed(value[path[0]], path[1:], new)
    return copy


@SMALL
@given(data=st.data())
def test_recorded_events_with_something_else_in_one_place(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(CHUNKS) - 1))
    changed = _changed(CHUNKS[number], data.draw(st.sampled_from(_places(CHUNKS[number]))), data.draw(JSON))
    chunks = [*CHUNKS[:number], changed, *CHUNKS[number + 1 :]]
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    _decode(stream.encode(), kind="text/event-stream", cut=data.draw(st.integers(0, len(stream))))
    body = json.dumps(changed).replace('"delta"', '"message"')
    _decode(body.encode(), kind="application/json")


def test_the_recorded_events_are_an_answer() -> None:
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in CHUNKS) + "data: [DONE]\n\n"
    fold = _decode(stream.encode(), kind="text/event-stream")
    assert fold is not None
    assert len(fold.content()) >= 3


def _events(delta: str, times: int) -> bytes:
    return (f'data: {{"id":"r","choices":[{{"index":0,"delta":{delta}}}]}}\n\n' * times).encode()


WHOLE, STREAM = "application/json", "text/event-stream"
CALL = '{"tool_calls":[{"index":7,"id":"c","function":{"name":"f","arguments":"x"}}]}'
LIKELY = b'data: {"choices":[{"delta":{},"logprobs":{"content":[{"token":"a","logprob":-1}]}}]}\n\n'
HOSTILE = {
    "one letter": (WHOLE, b"x" * 10_000_000),
    "brackets": (WHOLE, b"[" * 10_000_000),
    "objects": (WHOLE, b'{"a":' * 2_000_000),
    "a list of choices": (WHOLE, b'{"choices":[' + b'{"index":1},' * 800_000 + b'{"index":0}]}'),
    "an endless line": (STREAM, b"data: " + b"x" * 10_000_000),
    "small texts": (STREAM, _events('{"content":"x"}', 130_000)),
    "one call in pieces": (STREAM, _events(CALL, 60_000)),
    "thoughts": (STREAM, _events('{"reasoning_content":"h","reasoning_details":[{"text":"h"}]}', 70_000)),
    "probabilities": (STREAM, LIKELY * 80_000),
    "other answers": (STREAM, b"".join(_events('{"content":"x"}', 1).replace(b"0", b"%d" % n, 1) for n in range(130_000))),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.timed
def test_ten_million_hostile_bytes_are_refused_or_read_in_linear_time(name: str) -> None:
    kind, data = HOSTILE[name]
    began = time.process_time()
    _decode(data, kind=kind)
    assert time.process_time() - began < 20  # read in the square of the length, this would take hours
