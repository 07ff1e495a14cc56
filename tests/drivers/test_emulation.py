"""What a model cannot do, done in another way, from the call to the parsed answer. Every scenario runs under both drivers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pydantic
import pytest

from saferoute.call.flow import Call
from saferoute.errors import OutputInvalid, UnsupportedParameter
from saferoute.values.output import output_from
from saferoute.values.target import Profile
from tests.support.scripted import SSE, Answer, World, call, chat, stream, target

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


class Pet(pydantic.BaseModel):
    name: str


def body(text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json.dumps({"id": "c-1", "model": "m-1", "choices": [choice], "usage": {}}).encode()


def asked(policy: str, *, streamed: bool = False, **profile: Any) -> Call:
    made = call(output=output_from(Pet), stream=streamed)
    changed = replace(made.request, output=output_from(Pet).schema, on_unsupported=policy)  # type: ignore[arg-type]
    return replace(made, request=changed, targets=(target(profile=Profile(**profile)),))


@pytest.mark.parametrize(
    "answer", ['{"name": "Rex"}', '```json\n{"name": "Rex"}\n```', '\n```\n{"name": "Rex"}\n```\n', '```JSON\n{"name":"Rex"}```']
)
def test_a_schema_in_words_comes_back_parsed(kind: str, answer: str) -> None:
    world = World(Answer([body(answer)]))
    reply: Any = chat(kind, world, asked("emulate", json_schema=False))
    assert reply.parsed == Pet(name="Rex")
    assert [(notice.kind, notice.parameter) for notice in reply.warnings] == [("changed", "output")]
    sent = json.loads(world.requests[0].body)
    assert sent["response_format"] == {"type": "json_object"}
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert '"name"' in sent["messages"][0]["content"]
    assert [message.role for message in reply.messages] == ["user", "assistant"]  # the instruction is not the caller's


def test_a_stream_says_first_what_was_changed(kind: str) -> None:
    chunks = [
        {"choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
        for piece in ("```json\n", '{"name": "Rex"}', "\n```")
    ]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    pieces = [b"data: " + json.dumps({"id": "c-1", "model": "m-1", **chunk}).encode() + b"\n\n" for chunk in chunks]
    world = World(Answer([*pieces, b"data: [DONE]\n\n"], headers=SSE))
    events, error, _ = stream(kind, world, asked("emulate", streamed=True, json_schema=False))
    assert error is None
    assert events[0].type == "noticed"
    assert events[-1].type == "finished"
    assert events[-1].reply.parsed == Pet(name="Rex")


@pytest.mark.parametrize(
    "answer",
    ['here: {"name": "Rex"}', '```python\n{"name": "Rex"}\n```', '```json\n{"name": "Rex"}\n``` done', "``", "```", "`````", "``````"],
)
def test_what_is_more_than_one_fence_is_no_answer(kind: str, answer: str) -> None:
    with pytest.raises(OutputInvalid):
        chat(kind, World(Answer([body(answer)])), asked("emulate", json_schema=False))


def test_an_enforced_schema_is_read_as_it_is(kind: str) -> None:
    with pytest.raises(OutputInvalid):
        chat(kind, World(Answer([body('```json\n{"name": "Rex"}\n```')])), asked("emulate", json_schema=True))


def test_nothing_is_sent_for_what_is_refused(kind: str) -> None:
    world = World(Answer([body("{}")]))
    with pytest.raises(UnsupportedParameter, match="output: m-1 enforces no JSON Schema"):
        chat(kind, world, asked("error", json_schema=False))
    assert world.requests == []
