"""Every way of calling a client, with every text that goes in and comes out of it, and an answer of a provider to it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import saferoute
from saferoute.testing.script import RawAnswer
from saferoute.values.messages import Message, Text, ToolCall, ToolResult
from saferoute.values.target import Dialect
from tests.support.both import Face
from tests.support.counting_server import Step, fails, says
from tests.support.guarded_calls import LOOK, asks_tool

__all__ = ["PNG", "SAID", "SOUND", "SURFACES", "WITH_SCHEMA", "Surface", "plain"]

SOUND = saferoute.Audio(b"RIFF0000WAVE", "wav")
TURNS = [
    Message("system", (Text("be kind"),)),
    Message("user", (Text("look"), Text("and tell"))),
    Message("assistant", (Text("I look"), ToolCall("c1", "look", '{"q": "x"}'))),
    Message("tool", (ToolResult("c1", (Text("it rains"),)),)),
]
SCHEMA = {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"], "additionalProperties": False}
IN_TURNS = [
    ("input", "be kind"), ("input", "look"), ("input", "and tell"), ("input", "I look"), ("input", '{"q": "x"}'), ("tool_result", "it rains"),
    ("input", "look"), ("input", "looks"), ("input", json.dumps(LOOK["parameters"], separators=(",", ":"))),
]  # fmt: skip
TEXT = [("output", "fine weather")]


@dataclass(frozen=True, slots=True)
class Surface:
    """One way of calling, with every text that goes in and out of it."""

    method: str
    call: Callable[[Face, str], Any]
    goes_in: list[tuple[str, str]]
    answer: Step
    comes_out: list[tuple[str, str]]
    dialect: Dialect = "openai_chat"
    requests: int = 1


def plain(answer: object, kind: str = "application/json") -> RawAnswer:
    return RawAnswer(headers=(("content-type", kind),), pieces=(answer if isinstance(answer, bytes) else json.dumps(answer).encode(),))


def operate(method: str, *arguments: Any, **options: Any) -> Callable[[Face, str], Any]:
    return lambda face, route: face.wait(getattr(face.client, method)(route, *arguments, **options))


def chatting(*arguments: Any, **options: Any) -> Callable[[Face, str], Any]:
    return lambda face, route: face.chat(route, *arguments, **options)


def streaming(*arguments: Any, **options: Any) -> Callable[[Face, str], Any]:
    return lambda face, route: face.stream(route, *arguments, **options)


SAID = says("fine ", "weather")
CALLED = asks_tool('{"q": ', '"rain"}')
RANKED = plain({"results": [{"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.1}], "meta": {}})
COHERE_VECTORS = plain({"id": "e", "embeddings": {"float": [[0.5], [0.25]]}, "texts": [], "meta": {}})
VECTORS = plain({"object": "list", "model": "m", "data": [{"index": at, "embedding": [0.5]} for at in range(2)], "usage": {}})
BOTH = [("input", "first"), ("input", "second")]
QUERY = [("input", "query"), *BOTH]
PNG = b64encode(b"\x89PNG\r\n\x1a\n").decode()

SURFACES: dict[str, Surface] = {
    "chat": Surface("chat", chatting(TURNS, tools=[LOOK]), IN_TURNS, SAID, TEXT),
    "chat, a tool is called": Surface("chat", chatting("hi", tools=[LOOK]), [("input", "hi"), *IN_TURNS[-3:]], CALLED, [("tool_call", '{"q": "rain"}')]),
    "chat, a schema": Surface(
        "chat", chatting("hi", system="be kind", output=SCHEMA), [("input", "be kind"), ("input", "hi")], says('{"sky":"grey"}'), [("output", '{"sky":"grey"}')]
    ),
    "stream": Surface("stream", streaming(TURNS, tools=[LOOK]), IN_TURNS, SAID, TEXT),
    "stream, a tool is called": Surface(
        "stream", streaming("hi", tools=[LOOK]), [("input", "hi"), *IN_TURNS[-3:]], CALLED, [("tool_call", '{"q": "rain"}')]
    ),
    "embed": Surface("embed", operate("embed", ["first", "second"]), BOTH, VECTORS, []),
    "embed, another dialect": Surface(
        "embed", operate("embed", ["first", "second"], input_type="query"), BOTH, COHERE_VECTORS, [], dialect="cohere_chat"
    ),
    "count_tokens, asked": Surface(
        "count_tokens", operate("count_tokens", TURNS, tools=[LOOK]), IN_TURNS, plain({"input_tokens": 7}), [], dialect="anthropic_messages"
    ),
    "count_tokens, estimated": Surface("count_tokens", operate("count_tokens", TURNS, tools=[LOOK]), IN_TURNS, fails(500), [], requests=0),
    "available_models": Surface("available_models", operate("available_models"), [], plain({"data": [{"id": "m"}]}), []),
    "rerank": Surface("rerank", operate("rerank", "query", ["first", "second"]), QUERY, RANKED, []),
    "transcribe": Surface("transcribe", operate("transcribe", SOUND, prompt="names"), [("input", "names")], plain({"text": "fine weather"}), TEXT),
    "speak": Surface(
        "speak", operate("speak", "good day", voice="v", instructions="softly"), [("input", "good day"), ("input", "softly")], plain(b"sound", "audio/mpeg"), []
    ),
    "generate_image": Surface("generate_image", operate("generate_image", "a cat"), [("input", "a cat")], plain({"data": [{"b64_json": PNG}]}), []),
    "moderate": Surface("moderate", operate("moderate", ["first", "second"]), BOTH, plain({"results": [{"flagged": False}] * 2}), []),
}  # fmt: skip
WITH_SCHEMA = "chat, a schema"
