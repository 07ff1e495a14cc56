"""Sources, probabilities, other answers and reasoning that goes back, from the wire to the reply and on, under both drivers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.call.flow import Call
from saferoute.providers.openai_chat import OpenAIChat
from saferoute.values.events import Cited, Finished, TokenLogprob
from saferoute.values.messages import Citation, Reasoning
from saferoute.values.request import ChatRequest
from saferoute.values.target import Quirks
from tests.support.both import KINDS
from tests.support.scripted import SSE, Answer, World, call, chat, stream, target

SOURCE = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 2, "title": "T", "url": "https://a.example"}}
CITATION = Citation(0, 2, "T", "https://a.example")
DETAILS = [
    {"type": "reasoning.text", "text": "h\u00fcm", "signature": "s==", "id": "r1", "format": "f-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "xx==", "id": None, "format": "f-v1", "index": 1},
]


def _choice(index: int, **message: Any) -> dict[str, Any]:
    return {"index": index, "finish_reason": "stop", "message": {"role": "assistant", **message}}


def _body(*choices: dict[str, Any]) -> bytes:
    return json.dumps({"id": "r1", "model": "m-1", "choices": choices, "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()


def _events(*deltas: dict[str, Any]) -> list[bytes]:
    chunks = [{"id": "r1", "model": "m-1", "choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    last = {"id": "r1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    return [*(f"data: {json.dumps(chunk)}\n\n".encode() for chunk in [*chunks, last]), b"data: [DONE]\n\n"]


@pytest.mark.parametrize("kind", KINDS)
def test_several_answers_with_sources_and_probabilities(kind: str) -> None:
    first = _choice(0, content="It rains.", annotations=[SOURCE]) | {"logprobs": {"content": [{"token": "It", "logprob": -0.5}]}}
    world = World(Answer([_body(first, _choice(1, content="It snows."))]))
    reply = chat(kind, world, call(n=2, logprobs=0))
    sent = json.loads(world.requests[0].body)
    assert (sent["n"], sent["logprobs"], "top_logprobs" in sent) == (2, True, False)
    assert reply.text == "It rains."
    assert [(other.text, other.finish_reason) for other in reply.alternatives] == [("It snows.", "stop")]
    assert repr(reply.alternatives[0]) == "Alternative(finish_reason='stop', 9 chars)"
    assert reply.citations == (CITATION,)
    assert reply.logprobs == (TokenLogprob("It", -0.5),)


@pytest.mark.parametrize("kind", KINDS)
def test_a_streams_sources_are_events_and_in_the_reply(kind: str) -> None:
    world = World(Answer(_events({"role": "assistant", "content": ""}, {"content": "It rains."}, {"annotations": [SOURCE]}), headers=SSE))
    events, error, _ = stream(kind, world, call(stream=True))
    assert error is None
    assert [event for event in events if isinstance(event, Cited)] == [Cited(0, CITATION)]
    assert isinstance(events[-1], Finished)
    assert events[-1].reply.citations == (CITATION,)


def _next_turn(what: Call, messages: Any) -> dict[str, Any]:
    row = what.targets[0]
    body: dict[str, Any] = json.loads(OpenAIChat().encode(ChatRequest(messages), row).request.body)
    return body["messages"][-1]  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("streamed", [False, True])
def test_reasoning_details_go_back_unchanged(kind: str, streamed: bool) -> None:
    message = {"content": "a", "reasoning": "h\u00fcm", "reasoning_details": DETAILS}
    what = call(target(provider_name="openrouter"), stream=streamed)
    if streamed:
        pieces = [DETAILS[0] | {"text": "h\u00fc"}, {"type": "reasoning.text", "text": "m", "index": 0}, DETAILS[1]]
        deltas = [{"reasoning": piece.get("text", ""), "reasoning_details": [piece]} for piece in pieces]
        events, _, _ = stream(kind, World(Answer(_events(*deltas, {"content": "a"}), headers=SSE)), what)
        assert isinstance(events[-1], Finished)
        reply: Any = events[-1].reply
    else:
        reply = chat(kind, World(Answer([_body(_choice(0, **message))])), what)
    assert reply.reasoning == "h\u00fcm"
    assert _next_turn(what, reply.messages) == {"role": "assistant", "content": "a", "reasoning_details": DETAILS}


@pytest.mark.parametrize("kind", KINDS)
def test_reasoning_content_goes_back_to_its_own_model_only(kind: str) -> None:
    row = target(provider_name="deepseek", quirks=Quirks(reasoning_echo="always"))
    what = call(row)
    reply = chat(kind, World(Answer([_body(_choice(0, content="a", reasoning_content="hm"))])), what)
    assert [part.text for part in reply.message.content if isinstance(part, Reasoning)] == ["hm"]
    assert _next_turn(what, reply.messages)["reasoning_content"] == "hm"
    other = call(replace(row, model="m-2"))
    assert _next_turn(other, reply.messages)["reasoning_content"] == ""
