"""Messages API answers, and how the tests of the dialect write requests and read answers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saferoute.providers.anthropic_messages import AnthropicMessages
from saferoute.providers.decoder import Decoder
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Message, Text
from saferoute.values.request import ChatRequest
from saferoute.values.target import Profile, Target
from tests.support.fitted import fit_and_encode

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.providers.codec import Encoded
    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Part

MODEL = "claude-sonnet-4-5"
TARGET = Target(
    id="sonnet",
    provider_name="anthropic",
    dialect="anthropic_messages",
    origin="https://api.anthropic.com",
    path="",
    net=NetClass(),
    model=MODEL,
    secret="anthropic",
    auth="x-api-key",
    default_max_output=1000,
)


def target(*, profile: Profile | None = None, **changes: object) -> Target:
    return replace(TARGET, profile=profile or Profile(), **changes)


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def tool(*parts: Part) -> Message:
    return Message("tool", parts)


def system(*texts: str) -> Message:
    return Message("system", tuple(map(Text, texts)))


def encode(*messages: Message, to: Target = TARGET, **fields: object) -> Encoded:
    return fit_and_encode(AnthropicMessages(), ChatRequest(messages or (user("hi"),), **fields), to)


def body_of(*messages: Message, to: Target = TARGET, **fields: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(*messages, to=to, **fields).request.body, parse_constant=lambda name: 1 / 0)
    return body


# ---------------------------------------------------------------------------------------------------- answers


def message(*content: object, stop: str | None = "end_turn", **fields: object) -> dict[str, Any]:
    usage = {"input_tokens": 12, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 34}
    return {
        "id": "msg_01",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5-20250929",
        "content": list(content),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
    } | fields


def text(words: str, **fields: object) -> dict[str, Any]:
    return {"type": "text", "text": words} | fields


def call(name: str = "weather", call_id: str = "toolu_1", arguments: object = None, **fields: object) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": call_id,
        "name": name,
        "input": {"city": "Łódź", "days": [1, 2]} if arguments is None else arguments,
    } | fields


def thinking(words: str, signature: str = "sig+/=") -> dict[str, Any]:
    return {"type": "thinking", "thinking": words, "signature": signature}


SEARCH = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "łódź"}}
FOUND = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "title": "X", "url": "https://x", "encrypted_content": "E="}],
}
CITATION = {"type": "web_search_result_location", "cited_text": "rain", "url": "https://x", "encrypted_index": "I="}
REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgB=="}

ANSWERS: dict[str, dict[str, Any]] = {
    "text": message(text("Grüße, 世界 👩‍🚀!")),
    "two texts": message(text("one "), text("two")),
    "nothing": message(),
    "empty text": message(text("")),
    "one call": message(call(), stop="tool_use"),
    "text and parallel calls": message(text("Let me look."), call(), call("clock", "toolu_2", {"zone": "CET"}), stop="tool_use"),
    "call without arguments": message(call(arguments={}), stop="tool_use"),
    "thinking": message(thinking("Let me\nsee."), text("Yes.")),
    "thinking that is not shown": message(thinking(""), text("Yes.")),
    "redacted thinking before a call": message(REDACTED, thinking("hm"), call(), stop="tool_use"),
    "server tool": message(text("Searching."), SEARCH, FOUND, text("Rain.", citations=[CITATION]), container={"id": "c_1"}),
    "call from server code": message(SEARCH, call(caller={"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}), stop="tool_use"),
    "direct caller": message(call(caller={"type": "direct"}), stop="tool_use"),
    "paused": message(SEARCH, stop="pause_turn"),
    "refused": message(stop="refusal", stop_details={"type": "refusal", "category": "cyber", "explanation": "no"}),
    "stop sequence": message(text("a"), stop="stop_sequence", stop_sequence="END"),
}


def _pieces(whole: str, size: int = 8) -> list[str]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _block_events(index: int, block: dict[str, Any]) -> Iterable[dict[str, Any]]:
    deltas: list[dict[str, Any]] = []
    start = dict(block)
    if block["type"] == "text":
        start = {"type": "text", "text": ""}
        deltas += [{"type": "citations_delta", "citation": citation} for citation in block.get("citations", ())]
        deltas += [{"type": "text_delta", "text": piece} for piece in _pieces(block["text"])]
    elif block["type"] == "thinking":
        start = {"type": "thinking", "thinking": "", "signature": ""}
        deltas += [{"type": "thinking_delta", "thinking": piece} for piece in _pieces(block["thinking"])]
        deltas += [{"type": "signature_delta", "signature": block["signature"]}]
    elif block["type"] in {"tool_use", "server_tool_use"}:
        start["input"] = {}
        arguments = json.dumps(block["input"], ensure_ascii=False, separators=(",", ":")) if block["input"] else ""
        deltas += [{"type": "input_json_delta", "partial_json": piece} for piece in ["", *_pieces(arguments)]]
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def events_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The events in which the API would have streamed a message."""
    ends = ("stop_reason", "stop_sequence", "stop_details", "container")
    start = {name: value for name, value in body.items() if name not in {"stop_details", "container"}} | {
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }
    start["usage"] = body["usage"] | {"output_tokens": 1}
    events: list[dict[str, Any]] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(body["content"]):
        events += _block_events(index, block)
    delta = {name: body.get(name) for name in ends}
    return [
        *events,
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": body["usage"]["output_tokens"]}},
        {"type": "message_stop"},
    ]


def sse(events: Sequence[dict[str, Any]]) -> bytes:
    return b"".join(
        b"event: %s\ndata: %s\n\n" % (str(event["type"]).encode(), json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode())
        for event in events
    )


def stream_of(body: dict[str, Any]) -> bytes:
    return sse(events_of(body))


def decoded(
    *chunks: bytes, content_type: str = "text/event-stream", status: int = 200, to: Target = TARGET, headers: dict[str, str] | None = None
) -> list[DecodedEvent]:
    decoder = Decoder(AnthropicMessages().reader(to), to.provider_name)
    decoder.head(Head(status, {"content-type": content_type} | (headers or {})))
    events: list[DecodedEvent] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.close()


def decoded_whole(body: object, **fields: object) -> list[DecodedEvent]:
    return decoded(json.dumps(body, ensure_ascii=False).encode(), content_type="application/json", **fields)


def folded(events: list[DecodedEvent]) -> Fold:
    fold = Fold()
    fold.add(events)
    return fold
