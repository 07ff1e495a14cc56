"""How the tests of the Mistral, Cohere and Ollama dialects write requests and read answers, and what all three must do alike."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from saferoute.errors import StreamInterrupted
from saferoute.providers.codec import Codec, Encoded
from saferoute.providers.cohere_chat import CohereChat
from saferoute.providers.decoder import Decoder
from saferoute.providers.mistral_chat import MistralChat
from saferoute.providers.ollama_chat import OllamaChat
from saferoute.values.events import Completed, DecodedEvent
from saferoute.values.fold import Fold
from saferoute.values.http import Head, NetClass
from saferoute.values.messages import Content, Message, Part, Text
from saferoute.values.request import ChatRequest
from saferoute.values.target import Profile, Target
from saferoute.values.tools import Tool
from tests.support.fitted import fit_and_encode

CODECS: dict[str, Codec] = {"cohere_chat": CohereChat(), "mistral_chat": MistralChat(), "ollama_chat": OllamaChat()}
SSE = "text/event-stream"
LINES = "application/x-ndjson"
WHOLE = "application/json"

COHERE = Target("c", "cohere", "cohere_chat", "https://api.cohere.com", "", NetClass(), "command-a", "cohere", "bearer")
MISTRAL = Target("m", "mistral_ai", "mistral_chat", "https://api.mistral.ai", "/v1", NetClass(), "magistral", "mistral", "bearer")
OLLAMA = Target("o", "ollama", "ollama_chat", "http://127.0.0.1:11434", "", NetClass("loopback"), "qwen3", None, "none")
TARGETS = (COHERE, MISTRAL, OLLAMA)

WEATHER = Tool.from_schema("weather", {"type": "object", "properties": {"city": {"type": "string"}}}, description="the weather\n")
CLOCK = Tool.from_schema("clock", {"type": "object", "properties": {}})


def target(base: Target, *, profile: Profile | None = None, **changes: object) -> Target:
    return replace(base, profile=profile or Profile(), **changes)


def user(*parts: Part | str) -> Message:
    return Message("user", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def assistant(*parts: Part | str) -> Message:
    return Message("assistant", tuple(Text(part) if isinstance(part, str) else part for part in parts))


def tool(*parts: Part) -> Message:
    return Message("tool", parts)


def system(*texts: str) -> Message:
    return Message("system", tuple(map(Text, texts)))


def encode(to: Target, *messages: Message, **fields: Any) -> Encoded:
    return fit_and_encode(CODECS[to.dialect], ChatRequest(messages or (user("hi"),), **fields), to)


def body_of(encoded: Encoded) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encoded.request.body, parse_constant=lambda name: 1 / 0)
    return body


def asked(to: Target, **fields: Any) -> dict[str, Any]:
    """What a request says besides model and messages."""
    return {name: value for name, value in body_of(encode(to, **fields)).items() if name not in {"model", "messages"}}


def messages_of(to: Target, *messages: Message, **fields: Any) -> list[dict[str, Any]]:
    written: list[dict[str, Any]] = body_of(encode(to, *messages, **fields))["messages"]
    return written


def said(encoded: Encoded) -> list[tuple[str, str]]:
    return [(notice.kind, notice.parameter) for notice in encoded.notices]


# ---------------------------------------------------------------------------------------------------- answers


def sse(events: Iterable[dict[str, Any] | str], *, named: bool = False) -> bytes:
    texts = []
    for event in events:
        text = event if isinstance(event, str) else json.dumps(event, ensure_ascii=False)
        name = f"event: {event['type']}\n" if named and isinstance(event, dict) and "type" in event else ""
        texts.append(f"{name}data: {text}\n\n")
    return "".join(texts).encode()


def lines(objects: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects).encode()


def decoded(to: Target, *pieces: bytes, kind: str, status: int = 200, headers: dict[str, str] | None = None) -> list[DecodedEvent]:
    decoder = Decoder(CODECS[to.dialect].reader(to), to.provider_name)
    decoder.head(Head(status, {"content-type": kind} | (headers or {})))
    events: list[DecodedEvent] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return events + decoder.close()


def decoded_whole(to: Target, body: object, **more: Any) -> list[DecodedEvent]:
    return decoded(to, json.dumps(body, ensure_ascii=False).encode(), kind=WHOLE, **more)


def fold_of(events: Iterable[DecodedEvent]) -> tuple[Content, Completed]:
    fold = Fold()
    fold.add(events)
    assert fold.completed is not None
    return fold.content(), fold.completed


def essence(events: Sequence[DecodedEvent]) -> Any:
    """What a body and its stream must agree on."""
    fold = Fold()
    fold.add(events)
    assert fold.completed is events[-1]
    return fold.started, fold.content(), fold.completed


def check_every_cut(to: Target, data: bytes, kind: str) -> None:
    """One cut at every place, and all at once, give the same events."""
    expected = decoded(to, data, kind=kind)
    assert decoded(to, *(data[at : at + 1] for at in range(len(data))), kind=kind) == expected
    for at in range(len(data) + 1):
        assert decoded(to, data[:at], data[at:], kind=kind) == expected, at


def check_every_end(to: Target, data: bytes, kind: str, whole_from: int) -> None:
    """A stream that ends before `whole_from` is interrupted, wherever; one that ends later is whole."""
    expected = fold_of(decoded(to, data, kind=kind))[0]
    for end in range(len(data) + 1):
        try:
            content = fold_of(decoded(to, data[:end], kind=kind))[0]
        except StreamInterrupted:
            assert end < whole_from, end
        else:
            assert end >= whole_from, end
            assert content == expected
