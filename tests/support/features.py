"""What a chat request can ask for, one feature at a time: the rows of the matrix of features and dialects.

A test encodes each for every dialect, checks what comes out with that provider's own request types, and keeps the outcome as a table
in docs/reference/providers.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from saferoute.values.messages import Audio, File, Image, Message, Text, ToolCall, ToolResult
from saferoute.values.output import output_from
from saferoute.values.request import ChatRequest
from saferoute.values.tools import Tool

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489")
HELLO = Message("user", (Text("hello"),))
WEATHER = Tool("get_weather", "Look the weather up.", b'{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}')
CLOCK = Tool("get_time", "", b'{"type":"object","properties":{}}')
SCHEMA = output_from(
    {
        "title": "City",
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
        "additionalProperties": False,
    }
).schema


def asks(*parts: object, **options: Any) -> ChatRequest:
    """One user turn of these parts, with options."""
    return ChatRequest((Message("user", parts or (Text("hello"),)),), **options)  # type: ignore[arg-type]


_TOOL_TURNS = (
    Message("user", (Text("weather in Bonn and Köln?"),)),
    Message(
        "assistant",
        (Text("I look."), ToolCall("call_a1", "get_weather", '{"city": "Bonn"}'), ToolCall("call_b2", "get_weather", '{"city": "Köln"}')),
    ),
    Message("tool", (ToolResult("call_a1", (Text("rain"),)), ToolResult("call_b2", (Text("no such city"),), is_error=True))),
)

FEATURES: Mapping[str, ChatRequest] = MappingProxyType(
    {
        "text": asks(),
        "system prompt": ChatRequest((Message("system", (Text("be brief"),)), HELLO)),
        "system prompt in the middle": ChatRequest((HELLO, Message("system", (Text("now in French"),)), HELLO)),
        "several turns": ChatRequest((HELLO, Message("assistant", (Text("hi"),)), Message("user", (Text("and now?"),)))),
        "stream": asks(stream=True),
        "output bound": asks(max_output_tokens=100),
        "temperature": asks(temperature=0.5),
        "top_p": asks(top_p=0.9),
        "stop": asks(stop=("END", "STOP")),
        "seed": asks(seed=7),
        "n": asks(n=2),
        "logprobs": asks(logprobs=3),
        "tools": asks(tools=(WEATHER, CLOCK)),
        "tool choice: auto": asks(tools=(WEATHER, CLOCK), tool_choice="auto"),
        "tool choice: none": asks(tools=(WEATHER, CLOCK), tool_choice="none"),
        "tool choice: required": asks(tools=(WEATHER, CLOCK), tool_choice="required"),
        "tool choice: one tool": asks(tools=(WEATHER, CLOCK), tool_choice="get_weather"),
        "at most one call a turn": asks(tools=(WEATHER, CLOCK), parallel_tool_calls=False),
        "parallel tool results": ChatRequest(_TOOL_TURNS, tools=(WEATHER,)),
        "picture in a tool result": ChatRequest(
            (
                *_TOOL_TURNS[:1],
                Message("assistant", (ToolCall("call_a1", "get_weather", "{}"),)),
                Message("tool", (ToolResult("call_a1", (Text("see"), Image(PNG, media_type="image/png"))),)),
            ),
            tools=(WEATHER,),
        ),
        "JSON Schema": asks(output=SCHEMA),
        "JSON Schema and tools": asks(output=SCHEMA, tools=(WEATHER,)),
        "reasoning: none": asks(reasoning="none"),
        "reasoning: low": asks(reasoning="low"),
        "reasoning: max": asks(reasoning="max"),
        "reasoning: 2048 tokens": asks(reasoning=2048, max_output_tokens=8000),
        "picture as bytes": asks(Text("what is it?"), Image(PNG, media_type="image/png")),
        "picture by URL": asks(Text("what is it?"), Image(url="https://example.com/a.png", media_type="image/png")),
        "PDF as bytes": asks(Text("sum it up"), File(b"%PDF-1.4", media_type="application/pdf", filename="a.pdf")),
        "PDF by URL": asks(Text("sum it up"), File(url="https://example.com/a.pdf", media_type="application/pdf", filename="a.pdf")),
        "text file": asks(Text("sum it up"), File(b"once upon a time", media_type="text/plain", filename="a.txt")),
        "file held by the provider": asks(Text("sum it up"), File(file_id="file-abc123", media_type="application/pdf")),
        "sound": asks(Text("what is said?"), Audio(b"RIFF\0\0\0\0WAVE", "wav")),
        "prompt cache mark": ChatRequest((Message("system", (Text("be brief"),)), HELLO), cache="provider"),
    }
)
"""Feature -> a request that asks for it and, as far as it can, for nothing else."""
