"""Requests made by chance, and rows that they may go to: what a caller, an agent or a framework may say, and what is easily taken for another.

Texts come from a small set, so that many are equal, blank, or look like what a wire format puts between others; every seed makes one
request, the same in every run.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any, get_args

from saferoute.providers.fitting import instructions
from saferoute.values.http import NetClass
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.target import Dialect, Profile, Quirks, Target
from saferoute.values.tools import Tool

__all__ = ["DIALECTS", "PROVIDERS", "request_of", "row_of"]

DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
PROVIDERS: dict[Dialect, str] = {
    "anthropic_messages": "anthropic",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini_generate": "gcp.gemini",
    "mistral_chat": "mistral_ai",
    "ollama_chat": "ollama",
    "openai_chat": "openai",
    "openai_responses": "openai",
}
_TEXTS = (
    "", " ", "\n", "\n\n", " \n ", "a", "b", "ab", "aa", "a\nb", "a\n\nb", "\n\na", "a\n\n", "OK", "document", "document 2", "file", "file.pdf",
    "{}", "[]", "null", '{"a":1}', '{"a": 1}', '"', "\\", "\u2028", "\ufeffa", "héllo 😀", "ＯＫ", "نص", "user", "system", "tool", "look", "NaN",
    "Call at most one tool in a turn; wait for its result before you call another.",
    "a\n\nCall at most one tool in a turn; wait for its result before you call another.",
    "Your next turn must be a call of one of the tools, not an answer in words.",
    "<|im_start|>system\nyou are\n<|im_end|>", "data:text/plain;base64,YQ==", "x" * 300,
)  # fmt: skip
_WORDS = ("weather", "Bonn", "rain", "why", "because", "sum it up", "naïve", "東京", "🙂", "a", "b")
_NAMES = ("look", "look_2", "get-time", "a", "b", "OK", "file")
_ARGUMENTS = (
    "{}",
    "",
    "  ",
    '{"a":1}',
    '{"a": 1.0, "b": [true, null]}',
    '{"n":1e2}',
    '{"a":"\\u00fc\\n"}',
    '{"a":1,"a":2}',
    ' {"b":{"a":"b"}} ',
)
_SCHEMAS = (
    b"{}",
    b'{"type":"object"}',
    b'{"type":"object","properties":{"a":{"type":"string","description":"a"}}}',
    b'{"properties": {"b": {"minimum": 1.0, "default": true}}, "type": "object"}',
    b'{"properties":{"b":{"multipleOf":1e2}}}',
    b'{"type":"object","title":"\\u00fc"}',
)
_FILES = (
    "text/plain",
    "text/plain; charset=utf-8",
    "TEXT/CSV",
    "text/html",
    "application/json",
    "application/x-own",
    "application/pdf",
    "image/png",
)
_MEDIA: tuple[Image | File | Audio, ...] = (
    Image(b"\x89PNG\r\n\x1a\n", media_type="image/png"),
    Image(url="https://x.example/a.png"),
    Audio(b"RIFF", "wav"),
    File(file_id="f-1"),
    File(url="https://x.example/a.txt"),
    File(file_id="s3://bucket/x.pdf"),
)
_FILE_NAMES = (
    None,
    "a.txt",
    "a.txt",
    "a",
    "b.pdf",
    "b.pdf",
    "näme 1.txt",
    "報告.pdf",
    "a__b  c.md",
    ".x",
    "document",
    "file",
    "a 2.txt",
    "n" * 200,
)


_UNKNOWN_VALUES: tuple[Any, ...] = (
    "", "a", 1, 1.0, True, None, [], {}, ("a", 1), ["a", {"b": None}], {"a": {"text": "a", "ü": [1e2]}}, {"type": "x", "content": "a"},
)  # fmt: skip


def _unknown_options(dialect: Dialect) -> frozenset[str]:
    """Fields that a row opens and no extractor knows: of the body, and of the objects in it that have fields passed through."""
    inner = {"speechConfig", "routingConfig", "computerUse", "googleSearch", "retrievalConfig"} if dialect == "gemini_generate" else set()
    return frozenset({"own_field", "grammar", "a/b~c"} | inner)


def row_of(random: Random, dialect: Dialect) -> Target:
    """A row of this dialect, of a model that may lack something."""

    def maybe(share: float = 0.15) -> bool | None:
        return False if random.random() < share else None

    profile = Profile(
        tools=maybe(0.05), tool_choice=maybe(), parallel_tools=maybe(), vision=maybe(), files=maybe(), audio=maybe(), json_schema=maybe(),
    )  # fmt: skip
    quirks = Quirks(
        instruction_role=random.choice(("system", "developer")),
        tool_result_text_only=random.random() < 0.2,
        reasoning_echo=random.choice(("never", "with_tools", "always")),
        json_object=random.random() < 0.8,
    )
    model = "gemini-3-pro" if dialect == "gemini_generate" else "m"
    extra = frozenset(name for named in _OPTIONS.get(dialect, ()) for name in named) | _unknown_options(dialect)
    return Target(
        "t", PROVIDERS[dialect], dialect, "https://api.example.com", "", NetClass(), model, None, "none",
        default_max_output=100, profile=profile, quirks=quirks, extra_params=extra,
    )  # fmt: skip


def request_of(random: Random, target: Target) -> ChatRequest:
    """A request."""
    making = _Making(random, target)
    messages = making.messages()
    tools = tuple({tool.name: tool for tool in (making.tool() for _ in range(random.choice((0, 0, 1, 2, 4))))}.values())
    output = OutputSchema(random.choice(_NAMES), random.choice(_SCHEMAS), strict=random.random() < 0.5) if random.random() < 0.25 else None
    choices = [None, None, None, "auto", "none", "required", *(tool.name for tool in tools)]
    options: dict[str, Any] = {}
    if random.random() < 0.3 and target.dialect in _OPTIONS:
        options = {target.provider_name: random.choice(_OPTIONS[target.dialect])}
    if random.random() < 0.2:
        unknown = random.choice(sorted(_unknown_options(target.dialect)))
        options = {target.provider_name: {**options.get(target.provider_name, {}), unknown: random.choice(_UNKNOWN_VALUES)}}
    request = ChatRequest(
        messages,
        tools=tools,
        tool_choice=random.choice(choices) if tools else None,
        parallel_tool_calls=random.choice((None, None, False, True)),
        output=output,
        stop=random.choice(((), (), ("END",))),
        temperature=random.choice((None, 0.5)),
        reasoning=random.choice((None, None, "low", 2000)),
        cache=random.choice((None, "provider")),
        provider_options=options,
        on_unsupported=random.choice(("error", "drop", "drop", "emulate")),
        stream=random.random() < 0.5,
        max_output_tokens=random.choice((None, 9000)),
    )
    if random.random() < 0.1 and (own := instructions(request)):  # the caller says what saferoute would say
        said = Message("system", (Text(random.choice((own[-1], "\n\n".join(own), f"a\n\n{own[0]}"))),))
        request = ChatRequest(**{name: getattr(request, name) for name in request.__dataclass_fields__} | {"messages": (said, *messages)})
    return request


class _Making:
    """One conversation in the making."""

    def __init__(self, random: Random, target: Target) -> None:
        self.random = random
        self.target = target
        self.texts = random.choices(_TEXTS, k=4) if random.random() < 0.5 else ()
        self.asked: list[str] = []

    def text(self) -> str:
        random = self.random
        if self.texts and random.random() < 0.7:
            return random.choice(self.texts)
        return random.choice(_TEXTS) if random.random() < 0.4 else " ".join(random.choices(_WORDS, k=random.randint(1, 4)))

    def messages(self) -> tuple[Message, ...]:
        random = self.random
        found = [self.said("system") for _ in range(random.choice((0, 1, 1, 2)))]
        for _ in range(random.choice((1, 1, 2, 3, 5))):
            found.append(self.said("user"))
            if random.random() < 0.6:
                found += self.answered()
            if random.random() < 0.1:
                found.append(self.said("system"))
        return tuple(found)

    def said(self, role: Any) -> Message:
        random = self.random
        parts: list[Part] = [Text(self.text()) for _ in range(random.choice((1, 1, 1, 2, 3)))]
        if role == "user" and random.random() < 0.3:
            parts += [self.medium() for _ in range(random.choice((1, 1, 2)))]
            random.shuffle(parts)
        return Message(role, tuple(parts), random.choice((None, None, None, None, "a", "bob", "OK", self.text() or None)))

    def medium(self) -> Image | File | Audio:
        random = self.random
        if random.random() < 0.5:
            return random.choice(_MEDIA)
        kind = random.choice(_FILES)
        data = {"application/pdf": b"%PDF", "image/png": b"\x89PNG\r\n\x1a\n"}.get(kind) or self.text().encode()
        return File(data, media_type=kind, filename=random.choice(_FILE_NAMES))

    def tool(self) -> Tool:
        return Tool(self.random.choice(_NAMES), self.text(), self.random.choice(_SCHEMAS), self.random.choice((None, None, True, False)))

    def answered(self) -> list[Message]:
        random = self.random
        parts: list[Part] = []
        if random.random() < 0.4:
            parts += [self.thought() for _ in range(random.choice((1, 1, 2)))]
        if random.random() < 0.7:
            parts += [Text(self.text()) for _ in range(random.choice((1, 1, 2)))]
        if random.random() < 0.1:
            parts += [Refusal(self.text()) for _ in range(random.choice((1, 2)))]
        calls = [self.call() for _ in range(random.choice((0, 0, 1, 1, 2, 3)))]
        parts += calls
        if random.random() < 0.2:
            random.shuffle(parts)
        found = [Message("assistant", tuple(parts), random.choice((None, None, None, "bot")))]
        results = [ToolResult(call.id, self.results(), random.random() < 0.2) for call in calls if random.random() < 0.95]
        if random.random() < 0.3:
            random.shuffle(results)
        if results and random.random() < 0.5:
            found.append(Message("tool", tuple(results)))
        elif results and random.random() < 0.3:
            found.append(Message("user", (*results, Text(self.text()))))
        else:
            found += [Message("tool", (result,)) for result in results]
        return found

    def call(self) -> ToolCall:
        random = self.random
        id_ = f"call{random.randint(0, 3 if random.random() < 0.1 else 99999):05}"
        arguments = random.choice(_ARGUMENTS)
        state = (
            self.state({"caller": {"type": "direct"}, "toolset_name": "kit", "namespace": "kit", "id": "fc_1"})
            if random.random() < 0.1
            else None
        )
        return ToolCall(id_, random.choice(_NAMES), arguments, state)

    def results(self) -> tuple[Any, ...]:
        random = self.random
        parts: list[Any] = [Text(self.text()) for _ in range(random.choice((0, 1, 1, 1, 2)))]
        if random.random() < 0.2 or not parts:
            medium = self.medium()
            parts.append(medium if isinstance(medium, Image | File) else Text(self.text()))
            random.shuffle(parts)
        return tuple(parts)

    def state(self, payload: object) -> OpaqueState:
        random, target = self.random, self.target
        provider = target.provider_name if random.random() < 0.85 else "elsewhere"
        return OpaqueState(provider, target.dialect, target.model, json.dumps(payload, indent=random.choice((None, 1))))

    def thought(self) -> Reasoning:
        random, text = self.random, self.text()
        if random.random() < 0.25:
            return Reasoning(text)
        payloads: dict[str, list[tuple[str, object]]] = {
            "anthropic_messages": [
                (text, {"type": "thinking", "thinking": text, "signature": "s"}),
                ("", {"type": "redacted_thinking", "data": "x"}),
                ("", {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": text}}),
                ("", {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result", "title": text}]}),
            ],
            "bedrock_converse": [
                (text, {"reasoningContent": {"reasoningText": {"text": text, "signature": "s"}}}),
                ("", {"reasoningContent": {"redactedContent": "bS1z"}}),
                ("", {"toolUse": {"toolUseId": "s", "name": "web", "type": "server_tool_use", "input": {"query": text}}}),
                ("", {"toolResult": {"toolUseId": "s", "type": "r", "content": [{"text": text}, {"json": {"a": text}}]}}),
            ],
            "cohere_chat": [(text, {"type": "thinking", "thinking": text}), (text, {"tool_plan": text})],
            "gemini_generate": [
                (text, {"thought": True, "thoughtSignature": "c2ln"}),
                ("", {"thoughtSignature": "c2ln"}),
                ("", {"executableCode": {"language": "PYTHON", "code": text}}),
                ("", {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": text}}),
                ("", {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": [text]}, "id": "t1"}}),
                ("", {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"x": text}, "id": "t1"}}),
            ],
            "mistral_chat": [(text, {"thinking": [{"type": "text", "text": text}], "closed": True})],
            "ollama_chat": [(text, {"thinking": text})],
            "openai_chat": [
                (text, {"reasoning_content": text}),
                ("", {"reasoning_details": [{"type": "reasoning.text", "text": text, "index": 0}, {"type": "reasoning.encrypted", "data": "x"}]}),
                (text, {"thinking": [{"type": "thinking", "thinking": [{"type": "text", "text": text}]}]}),
            ],
            "openai_responses": [
                (text, {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": text}], "encrypted_content": "x"}),
                ("", {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": text}}),
                ("", {"type": "message", "id": "msg", "phase": "commentary"}),
            ],
        }  # fmt: skip
        shown, payload = random.choice(payloads[self.target.dialect])
        return Reasoning(shown, self.state(payload))


# What a row may open to a caller, and an extractor knows.
_OPTIONS: dict[str, tuple[dict[str, Any], ...]] = {
    "anthropic_messages": (
        {"metadata": {"user_id": "a"}, "service_tier": "auto"},
        {"tools": [{"type": "web_search_20260318", "name": "web_search", "user_location": {"city": "Łódź"}}]},
    ),
    "bedrock_converse": ({"requestMetadata": {"a": "b"}, "top_k": 5}, {"serviceTier": {"type": "flex"}}),
    "cohere_chat": ({"documents": [{"data": {"title": "a", "text": "b"}}, {"data": {"text": "a"}}]}, {"safety_mode": "NONE"}),
    "gemini_generate": ({"googleSearch": {}, "labels": {"team": "a"}}, {"safetySettings": [{"category": "HARM", "threshold": "NONE"}]}),
    "mistral_chat": ({"safe_prompt": True},),
    "ollama_chat": ({"num_ctx": 4096, "keep_alive": "5m"}, {"format": {"type": "object", "title": "a"}}),
    "openai_chat": ({"service_tier": "flex", "user": "a"}, {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"title": "b"}}}}),
    "openai_responses": ({"metadata": {"who": "a"}, "text": {"verbosity": "low"}}, {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}}),
}  # fmt: skip
