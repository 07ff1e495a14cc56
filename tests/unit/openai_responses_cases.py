"""Responses answers, how the tests of the dialect write requests and read answers, and a body rewritten as its stream."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saferoute.providers.decoder import Decoder
from saferoute.providers.openai_responses import OpenAIResponses
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Message, OpaqueState, Reasoning, Text
from saferoute.values.request import ChatRequest
from saferoute.values.target import Profile, Target
from tests.support.fitted import fit_and_encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from saferoute.providers.codec import Encoded
    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Part

Json = dict[str, Any]
MODEL = "gpt-5"
DIALECT: Any = "openai_responses"
TARGET = Target("r", "openai", DIALECT, "https://api.example.com", "/v1", NetClass(), MODEL, "openai", "bearer")


def target(*, profile: Profile | None = None, **changes: Any) -> Target:
    return replace(TARGET, profile=profile or Profile(), **changes)


def _parts(parts: tuple[Part | str, ...]) -> tuple[Part, ...]:
    return tuple(Text(part) if isinstance(part, str) else part for part in parts)


def user(*parts: Part | str) -> Message:
    return Message("user", _parts(parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", _parts(parts))


def tool(*parts: Part) -> Message:
    return Message("tool", parts)


def state(payload: str | Json, *, provider: str = "openai", dialect: str = "openai_responses", model: str = MODEL) -> OpaqueState:
    return OpaqueState(provider, dialect, model, payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":")))


def thought(payload: str | Json, text: str = "", **more: Any) -> Reasoning:
    return Reasoning(text, state(payload, **more))


def encode(*messages: Message, to: Target = TARGET, **fields: Any) -> Encoded:
    return fit_and_encode(OpenAIResponses(), ChatRequest(messages or (user("hi"),), **fields), to)


def body_of(*messages: Message, to: Target = TARGET, **fields: Any) -> Json:
    body: Json = json.loads(encode(*messages, to=to, **fields).request.body, parse_constant=lambda name: 1 / 0)
    return body


# ---------------------------------------------------------------------------------------------------- answers


def response(*output: Json, status: str | None = "completed", **more: Any) -> Json:
    usage = {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46}
    head = {"id": "resp_1", "object": "response", "created_at": 7, "status": status, "model": "gpt-5-2025-08-07"}
    return {**head, "error": None, "incomplete_details": None, "output": list(output), "usage": usage, **more}


def said(words: str, **more: Any) -> Json:
    return {"type": "output_text", "text": words, "annotations": [], **more}


def message(*content: Json | str, item_id: str = "msg_1", **more: Any) -> Json:
    parts = [said(part) if isinstance(part, str) else part for part in content]
    return {"id": item_id, "type": "message", "role": "assistant", "status": "completed", "content": parts, **more}


def reasoning(*summary: str, item_id: str = "rs_1", **more: Any) -> Json:
    return {"id": item_id, "type": "reasoning", "summary": [{"type": "summary_text", "text": text} for text in summary], **more}


def function_call(name: str = "weather", arguments: str = '{"city":"Paris"}', call_id: str = "call_1", **more: Any) -> Json:
    return {"id": "fc_1", "type": "function_call", "call_id": call_id, "name": name, "arguments": arguments, "status": "completed", **more}


def sse(events: Iterable[Json], *, named: bool = True, end: str = "\n") -> bytes:
    return "".join(
        (f"event: {event['type']}{end}" if named and isinstance(event.get("type"), str) else "") + f"data: {json.dumps(event)}{end}{end}"
        for event in events
    ).encode()


def decoded(data: bytes, *, content_type: str = "text/event-stream", status: int = 200, step: int = 1_000_000) -> list[DecodedEvent]:
    decoder = Decoder(OpenAIResponses().reader(TARGET), TARGET.provider_name)
    decoder.head(Head(status, {"content-type": content_type, "x-request-id": "req_1"}))
    events: list[DecodedEvent] = []
    for begin in range(0, len(data), step):
        events += decoder.feed(data[begin : begin + step])
    return events + decoder.close()


def whole(body: Json, *, status: int = 200) -> list[DecodedEvent]:
    return decoded(json.dumps(body).encode(), content_type="application/json", status=status)


def streamed(*events: Json) -> list[DecodedEvent]:
    """Decode a stream, and check that no cut changes it."""
    data = sse(events)
    result = decoded(data)
    assert decoded(data, step=1) == result
    assert decoded(sse(events, named=False, end="\r\n"), step=7) == result
    return result


def folded(events: Iterable[DecodedEvent]) -> Fold:
    fold = Fold()
    fold.add(events)
    return fold


# ---------------------------------------------------------------------------------------------------- a body as its stream


def as_events(body: Json, seed: object = 0) -> list[Json]:
    """The events in which the API would have sent this body; texts are cut at places drawn from the seed."""
    rnd = random.Random(str(seed))
    begun = {**body, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    events: list[Json] = [{"type": "response.created", "response": begun}, {"type": "response.in_progress", "response": begun}]
    for index, item in enumerate(body["output"]):
        empty = {name: value for name, value in item.items() if name not in {"content", "summary", "arguments", "encrypted_content"}}
        events.append({"type": "response.output_item.added", "output_index": index, "item": {**empty, "status": "in_progress"}})
        for event in _item_events(item, rnd):
            events.append({"output_index": index, "item_id": item.get("id"), **event})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    kind = "response.incomplete" if body["status"] == "incomplete" else "response.completed"
    events.append({"type": kind, "response": body})
    return [{**event, "sequence_number": number} for number, event in enumerate(events)]


def _item_events(item: Json, rnd: random.Random) -> Iterator[Json]:
    if item["type"] == "function_call":
        for piece in _pieces(item["arguments"], rnd):
            yield {"type": "response.function_call_arguments.delta", "delta": piece}
        yield {"type": "response.function_call_arguments.done", "arguments": item["arguments"]}
    for place, summary in enumerate(item.get("summary") or ()):
        yield {"type": "response.reasoning_summary_part.added", "summary_index": place, "part": {**summary, "text": ""}}
        for piece in _pieces(summary["text"], rnd):
            yield {"type": "response.reasoning_summary_text.delta", "summary_index": place, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", "summary_index": place, "text": summary["text"]}
    for place, part in enumerate(item.get("content") or ()):
        field = "refusal" if part["type"] == "refusal" else "text"
        name = {"output_text": "output_text", "refusal": "refusal", "reasoning_text": "reasoning_text"}.get(part["type"], "output_text")
        yield {"type": "response.content_part.added", "content_index": place, "part": {"type": part["type"], field: ""}}
        for piece in _pieces(part[field], rnd):
            yield {"type": f"response.{name}.delta", "content_index": place, "delta": piece}
        yield {"type": f"response.{name}.done", "content_index": place, field: part[field]}
        yield {"type": "response.content_part.done", "content_index": place, "part": part}


def _pieces(text: str, rnd: random.Random) -> list[str]:
    if len(text) < 2:
        return [text] if text else []
    cuts = sorted(rnd.sample(range(1, len(text)), min(len(text) - 1, rnd.randint(1, 6))))
    return [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
