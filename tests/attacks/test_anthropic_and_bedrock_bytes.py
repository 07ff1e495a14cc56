"""Whatever bytes come as an answer of the Messages API or of Converse: events, or an error of our tree; in time and memory that grow
with the bytes and no faster.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import SaferouteError
from saferoute.values.events import Completed, Started
from tests.support.growth import LINEAR, times_as_long
from tests.unit import anthropic_cases, bedrock_cases

KINDS = ("application/json", "text/event-stream", "application/vnd.amazon.eventstream", "text/html", "")
DECODED: dict[str, Callable[..., list[Any]]] = {"anthropic": anthropic_cases.decoded, "bedrock": bedrock_cases.decoded}
RECORDED = {
    "anthropic": [anthropic_cases.stream_of(answer) for answer in anthropic_cases.ANSWERS.values()],
    "bedrock": [bedrock_cases.stream_of(answer) for answer in bedrock_cases.ANSWERS.values()],
}
WHOLE = {
    "anthropic": [json.dumps(answer).encode() for answer in anthropic_cases.ANSWERS.values()],
    "bedrock": [json.dumps(answer).encode() for answer in bedrock_cases.ANSWERS.values()],
}


def check(dialect: str, *chunks: bytes, **head: Any) -> None:
    try:
        events = DECODED[dialect](*chunks, **head)
    except SaferouteError as error:
        assert len(str(error)) < 600
        return
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Completed)


@pytest.mark.parametrize("dialect", DECODED)
@settings(max_examples=200, deadline=None)
@given(data=st.lists(st.binary(max_size=80), max_size=4), kind=st.sampled_from(KINDS), status=st.sampled_from([200, 200, 302, 400, 529]))
def test_any_bytes(dialect: str, data: list[bytes], kind: str, status: int) -> None:
    check(dialect, *data, content_type=kind, status=status)


def _mutated(data: bytes, draw: Any) -> bytes:
    for _ in range(draw(st.integers(1, 4))):
        at, upto = sorted((draw(st.integers(0, len(data))), draw(st.integers(0, len(data)))))
        upto = min(upto, at + 40)
        match draw(st.sampled_from(["drop", "double", "replace", "move"])):
            case "drop":
                data = data[:at] + data[upto:]
            case "double":
                data = data[:upto] + data[at:upto] + data[upto:]
            case "replace":
                other = st.sampled_from([b"null", b"[]", b"{}", b'"', b"-1", b"1e999", b"\\ud800", b"\xff", b"\x00", b"NaN", b"}", b"\n\n"])
                data = data[:at] + draw(other) + data[upto:]
            case _:
                data = data[:at] + data[upto:] + data[at:upto]
    return data


@pytest.mark.parametrize("dialect", DECODED)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_recorded_answers_that_were_tampered_with(dialect: str, data: st.DataObject) -> None:
    streamed = data.draw(st.booleans())
    kind = {"anthropic": "text/event-stream", "bedrock": bedrock_cases.STREAM}[dialect] if streamed else "application/json"
    given_answer = _mutated(data.draw(st.sampled_from((RECORDED if streamed else WHOLE)[dialect])), data.draw)
    cut = data.draw(st.integers(0, len(given_answer)))
    check(dialect, given_answer[:cut], given_answer[cut:], content_type=kind)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_tampered_events_in_sound_frames(data: st.DataObject) -> None:
    events = bedrock_cases.events_of(data.draw(st.sampled_from(list(bedrock_cases.ANSWERS.values()))))
    which = data.draw(st.integers(0, len(events) - 1))
    frames = [
        bedrock_cases.frame(name, _mutated(json.dumps(payload).encode(), data.draw) if at == which else payload)
        for at, (name, payload) in enumerate(events)
    ]
    order = data.draw(st.permutations(range(len(frames)))) if data.draw(st.booleans()) else range(len(frames))
    check("bedrock", b"".join(frames[at] for at in order))


# ---------------------------------------------------------------------------------------------------- 10 MB of hostility

TEN_MB = 10 * 1024 * 1024


def _sse(events: list[dict[str, Any]]) -> bytes:
    return anthropic_cases.sse(events)


def _anthropic(inner: Callable[[int], dict[str, Any]], size: int) -> bytes:
    """A stream of this size whose middle is made of events."""
    begin = [{"type": "message_start", "message": {"id": "m", "model": "m"}}]
    begin.append({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    one = len(_sse([inner(10**6)]))
    return _sse([*begin, *map(inner, range(1, size // one)), {"type": "message_stop"}])


def _bedrock(inner: Callable[[int], tuple[str, object]], size: int) -> bytes:
    one = len(bedrock_cases.frame(*inner(10**6)))
    return bedrock_cases.frames([*map(inner, range(1, size // one)), ("messageStop", {}), ("metadata", {})])


def _delta(index: int, **piece: object) -> tuple[str, object]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": piece}


STREAMS: dict[str, tuple[str, Callable[[int], bytes]]] = {
    "text in small pieces": (
        "anthropic",
        lambda size: _anthropic(lambda n: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}}, size),
    ),
    "blocks that never end": (
        "anthropic",
        lambda size: _anthropic(lambda n: {"type": "content_block_start", "index": n, "content_block": {"type": "thinking"}}, size),
    ),
    "citations": (
        "anthropic",
        lambda size: _anthropic(
            lambda n: {"type": "content_block_delta", "index": 0, "delta": {"type": "citations_delta", "citation": {}}}, size
        ),
    ),
    "unknown events": ("anthropic", lambda size: _anthropic(lambda n: {"type": "x"}, size)),
    "one large text": (
        "anthropic",
        lambda size: _anthropic(
            lambda n: {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a" * 1_000_000}}, size
        ),
    ),
    "deep nesting": ("anthropic", lambda size: b"data: " + b'{"a":' * (size // 5) + b"\n\n"),
    "no end of a line": ("anthropic", lambda size: b"data: " + b"a" * size),
    "blank lines": ("anthropic", lambda size: b"\n" * size),
    "an array as a body": ("anthropic", lambda size: b"[" * size),
    "text in small frames": ("bedrock", lambda size: _bedrock(lambda n: _delta(0, text="a"), size)),
    "a block a frame": ("bedrock", lambda size: _bedrock(lambda n: _delta(n, reasoningContent={"signature": "s"}), size)),
    "two kinds under one index": (
        "bedrock",
        lambda size: _bedrock(lambda n: _delta(0, **({"text": "a"} if n % 2 else {"reasoningContent": {"text": "b"}})), size),
    ),
    "citations in frames": ("bedrock", lambda size: _bedrock(lambda n: _delta(n, citation={}), size)),
    "redacted reasoning in pieces": (
        "bedrock",
        lambda size: _bedrock(lambda n: _delta(0, reasoningContent={"redactedContent": "eA=="}), size),
    ),
    "a frame that is too long": ("bedrock", lambda size: b"\x00\xa0\x00\x00" + b"\x00" * size),
    "deep nesting in frames": ("bedrock", lambda size: bedrock_cases.frame("metadata", b'{"usage":' * (size // 9))),
}


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.timed
def test_ten_megabytes_cost_time_that_grows_with_the_bytes(name: str) -> None:
    dialect, make = STREAMS[name]

    def reading(size: int) -> Callable[[], None]:
        data = make(size)
        assert len(data) <= TEN_MB + 2_000_000
        return lambda: check(dialect, *(data[at : at + 65_536] for at in range(0, len(data), 65_536)))

    assert times_as_long(reading(TEN_MB), reading(TEN_MB // 4), LINEAR) <= LINEAR


@pytest.mark.parametrize("name", ["blocks that never end", "two kinds under one index", "one large text"])
def test_memory_grows_with_the_bytes_too(name: str) -> None:
    dialect, make = STREAMS[name]
    data = make(2_000_000)
    tracemalloc.start()
    try:
        check(dialect, *(data[at : at + 65_536] for at in range(0, len(data), 65_536)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 40 * len(data)
