"""The Messages API behind Vertex's door and Converse, through the whole call path. Every scenario runs under both drivers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.errors import RateLimited, StreamInterrupted
from saferoute.values.events import Cited, Finished
from saferoute.values.target import Quirks, Target
from tests.support.scripted import JSON, SSE, Answer, World, call, chat, stream
from tests.unit import anthropic_cases, bedrock_cases

VERTEX = anthropic_cases.target(
    path="/v1/projects/p/locations/eu/publishers/anthropic/models",
    quirks=Quirks(model_in_path=True, anthropic_version="vertex-2023-10-16"),
)
FRAMES = {"content-type": bedrock_cases.STREAM, "x-amzn-requestid": "req-1"}
KINDS = pytest.mark.parametrize("kind", ["blocking", "asyncio"])
# the row, where a stream is asked for, its head and its pieces, the same answer whole, and its text
DOORS: dict[str, tuple[Target, str, dict[str, str], bytes, dict[str, Any], str]] = {
    "vertex": (
        VERTEX,
        VERTEX.path + "/claude-sonnet-4-5:streamRawPredict",
        SSE,
        anthropic_cases.stream_of(anthropic_cases.ANSWERS["server tool"]),
        anthropic_cases.ANSWERS["server tool"],
        "Searching.Rain.",
    ),
    "converse": (
        bedrock_cases.TARGET,
        "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse-stream",
        FRAMES,
        bedrock_cases.stream_of(bedrock_cases.ANSWERS["server tool"]),
        bedrock_cases.ANSWERS["server tool"],
        "Searching.It rains.",
    ),
}


def _pieces(data: bytes, size: int = 37) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@KINDS
@pytest.mark.parametrize("door", DOORS)
def test_a_stream_and_a_body_are_one_reply_with_its_sources_and_without_calls(kind: str, door: str) -> None:
    row, path, head, data, body, text = DOORS[door]
    world = World(Answer(_pieces(data), headers=head), Answer([json.dumps(body).encode()], headers=dict(JSON)))
    events, error, _ = stream(kind, world, call(row, stream=True))
    assert error is None
    assert world.requests[0].path == path
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reply.text, last.reply.tool_calls, last.reply.finish_reason) == (text, (), "stop")
    (citation,) = last.reply.citations
    assert (citation.url, citation.quote) == ("https://x", "rain")
    assert [event.citation for event in events if isinstance(event, Cited)] == [citation]
    assert chat(kind, world, call(row)).message == last.reply.message


@KINDS
@pytest.mark.parametrize("door", DOORS)
def test_a_stream_that_is_cut_off_gives_what_came(kind: str, door: str) -> None:
    row, _, head, data, _, _ = DOORS[door]
    cut = data[: data.rindex(b"message_stop" if door == "vertex" else b"messageStop")]
    events, error, _ = stream(kind, World(Answer(_pieces(cut), headers=head)), call(row, stream=True))
    assert isinstance(error, StreamInterrupted)
    assert not any(isinstance(event, Finished) for event in events)
    assert error.partial.text.startswith("Searching.")


@KINDS
def test_an_exception_before_any_text_is_tried_again(kind: str) -> None:
    row, _, _, data, _, text = DOORS["converse"]
    busy = bedrock_cases.frames([("messageStart", {})]) + bedrock_cases.frame("throttlingException", {"message": "slow"}, "exception")
    world = World(Answer([busy], headers=FRAMES), Answer(_pieces(data), headers=FRAMES))
    events, error, _ = stream(kind, world, call(row, stream=True))
    assert error is None
    assert isinstance(events[-1], Finished)
    assert events[-1].reply.text == text
    assert [attempt.outcome for attempt in events[-1].reply.attempts] == ["RateLimited", "ok"]


@KINDS
def test_an_exception_after_text_is_not(kind: str) -> None:
    row = bedrock_cases.TARGET
    said = bedrock_cases.frames([("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}})])
    busy = bedrock_cases.frame("throttlingException", {"message": "words"}, "exception")
    world = World(Answer([said, busy], headers=FRAMES))
    events, error, _ = stream(kind, world, call(row, stream=True))
    assert isinstance(error, RateLimited | StreamInterrupted)
    assert "words" not in str(error)
    assert len(world.requests) == 1
    assert not any(isinstance(event, Finished) for event in events)
