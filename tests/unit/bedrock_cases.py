"""Converse answers, and how the tests of the dialect write requests, write event streams and read answers."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from zlib import crc32

from saferoute.providers.bedrock_converse import BedrockConverse
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

MODEL = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
STREAM = "application/vnd.amazon.eventstream"
TARGET = Target(
    id="sonnet",
    provider_name="aws.bedrock",
    dialect="bedrock_converse",
    origin="https://bedrock-runtime.us-east-1.amazonaws.com",
    path="",
    net=NetClass(),
    model=MODEL,
    secret="bedrock",
    auth="bearer",
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
    return fit_and_encode(BedrockConverse(), ChatRequest(messages or (user("hi"),), **fields), to)


def body_of(*messages: Message, to: Target = TARGET, **fields: object) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode(*messages, to=to, **fields).request.body, parse_constant=lambda name: 1 / 0)
    return body


# ---------------------------------------------------------------------------------------------------- frames


def header(name: str, value: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()


def framed(headers: bytes, payload: bytes) -> bytes:
    prelude = struct.pack(">II", len(headers) + len(payload) + 16, len(headers))
    prelude += struct.pack(">I", crc32(prelude))
    return prelude + headers + payload + struct.pack(">I", crc32(prelude + headers + payload))


def frame(name: str, payload: object, kind: str = "event") -> bytes:
    headers = header(f":{kind}-type", name) + header(":content-type", "application/json") + header(":message-type", kind)
    return framed(headers, payload if isinstance(payload, bytes) else json.dumps(payload, ensure_ascii=False).encode())


def frames(events: Iterable[tuple[str, object]]) -> bytes:
    return b"".join(frame(name, payload) for name, payload in events)


# ---------------------------------------------------------------------------------------------------- answers


def message(*content: object, stop: str = "end_turn", **fields: object) -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(content)}},
        "stopReason": stop,
        "usage": {"inputTokens": 12, "outputTokens": 34, "totalTokens": 46},
        "metrics": {"latencyMs": 9},
    } | fields


def text(words: str) -> dict[str, Any]:
    return {"text": words}


def call(name: str = "weather", call_id: str = "tooluse_1", arguments: object = None, **fields: object) -> dict[str, Any]:
    given = {"city": "Łódź", "days": [1, 2]} if arguments is None else arguments
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": given} | fields}


def thinking(words: str, signature: str | None = "sig+/=") -> dict[str, Any]:
    return {"reasoningContent": {"reasoningText": {"text": words} | ({"signature": signature} if signature else {})}}


REDACTED = {"reasoningContent": {"redactedContent": "EmwKAhgB"}}
SEARCH = call("nova_grounding", "tooluse_s", {"query": "łódź"}, type="server_tool_use")
FOUND = {"toolResult": {"toolUseId": "tooluse_s", "type": "nova_grounding_result", "status": "success", "content": [{"text": "rain"}]}}
CITATION = {"title": "Weather", "location": {"web": {"url": "https://x"}}, "sourceContent": [{"text": "rain"}]}
CITED = {"citationsContent": {"content": [{"text": "It "}, {"text": "rains."}], "citations": [CITATION]}}

ANSWERS: dict[str, dict[str, Any]] = {
    "text": message(text("Grüße, 世界 👩‍🚀!")),
    "two texts": message(text("one "), text("two")),
    "nothing": message(),
    "empty text": message(text("")),
    "one call": message(call(), stop="tool_use"),
    "text and parallel calls": message(text("Let me look."), call(), call("clock", "tooluse_2", {"zone": "CET"}), stop="tool_use"),
    "call without arguments": message(call(arguments={}), stop="tool_use"),
    "signed thinking": message(thinking("Let me\nsee."), text("Yes.")),
    "thinking that is not shown": message(thinking(""), text("Yes.")),
    "thinking without signature": message(thinking("hm", None), text("Yes.")),
    "redacted thinking before a call": message(REDACTED, thinking("hm"), call(), stop="tool_use"),
    "server tool": message(text("Searching."), SEARCH, FOUND, CITED),
    "guardrail": message(text("no"), stop="guardrail_intervened", trace={"guardrail": {"actionReason": "masked"}}),
    "stop sequence": message(text("a"), stop="stop_sequence", additionalModelResponseFields={"stop_sequence": "END"}),
    "tiers": message(text("a"), performanceConfig={"latency": "optimized"}, serviceTier={"type": "flex"}),
}


def _pieces(whole: str, size: int = 8) -> list[str]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


def _block_events(index: int, block: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    ((kind, value),) = block.items()
    deltas: list[dict[str, Any]] = []
    start = None
    if kind == "text":
        deltas = [{"text": piece} for piece in _pieces(value)]
    elif kind == "citationsContent":
        deltas = [{"text": piece["text"]} for piece in value["content"]] + [{"citation": citation} for citation in value["citations"]]
    elif kind == "toolUse":
        start = {kind: {name: value[name] for name in value if name != "input"}}
        arguments = json.dumps(value["input"], ensure_ascii=False, separators=(",", ":")) if value["input"] else ""
        deltas = [{kind: {"input": piece}} for piece in ["", *_pieces(arguments)]]
    elif kind == "toolResult":
        start = {kind: {name: value[name] for name in value if name != "content"}}
        deltas = [{kind: value["content"]}]
    elif "redactedContent" in value:
        deltas = [{kind: value}]
    else:
        thought = value["reasoningText"]
        deltas = [{kind: {"text": piece}} for piece in _pieces(thought["text"])]
        deltas += [{kind: {"signature": thought["signature"]}}] if "signature" in thought else []
    if start:
        yield "contentBlockStart", {"contentBlockIndex": index, "start": start}
    for delta in deltas:
        yield "contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"}
    yield "contentBlockStop", {"contentBlockIndex": index, "p": "abcdef"}


def events_of(body: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The events in which Converse would have streamed an answer."""
    events: list[tuple[str, dict[str, Any]]] = [("messageStart", {"role": "assistant", "p": "ab"})]
    for index, block in enumerate(body["output"]["message"]["content"]):
        events += _block_events(index, block)
    stop = {name: body[name] for name in ("stopReason", "additionalModelResponseFields") if name in body}
    end = {name: body[name] for name in ("usage", "metrics", "trace", "performanceConfig", "serviceTier") if name in body}
    return [*events, ("messageStop", stop), ("metadata", end)]


def stream_of(body: dict[str, Any]) -> bytes:
    return frames(events_of(body))


# ---------------------------------------------------------------------------------------------------- reading


def decoded(
    *chunks: bytes, content_type: str = STREAM, status: int = 200, to: Target = TARGET, headers: dict[str, str] | None = None
) -> list[DecodedEvent]:
    decoder = Decoder(BedrockConverse().reader(to), to.provider_name)
    decoder.head(Head(status, {"content-type": content_type} | (headers or {})))
    events: list[DecodedEvent] = []
    for chunk in chunks:
        events += decoder.feed(chunk)
    return events + decoder.close()


def decoded_whole(body: object, **fields: object) -> list[DecodedEvent]:
    return decoded(json.dumps(body, ensure_ascii=False).encode(), content_type="application/json", **fields)


def folded(events: Sequence[DecodedEvent]) -> Fold:
    fold = Fold()
    fold.add(events)
    return fold
