"""What a strict Anthropic Messages server takes, and what the request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.testing.anthropic_answers import sign_thinking
from saferoute.testing.checks import (
    ListOf,
    Object,
    Path,
    Refused,
    Tagged,
    any_of,
    anything,
    flag,
    invalid,
    one_of,
    pattern,
    strict_schema,
    text,
    within,
)
from saferoute.testing.improvise import count_words
from saferoute.testing.script import Ask, OfferedTool, ToolOutcome
from saferoute.values.json import as_list, as_mapping, as_text, integer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.testing.checks import Check
    from saferoute.testing.recording import RecordedRequest
    from saferoute.values.json import Json

__all__ = ["check_anthropic", "check_count", "read_anthropic"]

VERSIONS = ("2026-10-21", "2023-06-01")
_CURRENT = VERSIONS[0]
_MOST_MARKS = 4
_SAMPLING = ("temperature", "top_p", "top_k")
_CACHE = Object({"type": one_of("ephemeral")}, {"ttl": one_of("5m", "1h")})
_MARK: Mapping[str, Check] = {"cache_control": _CACHE}


def _filled(value: object, path: Path) -> None:
    text(value, path)
    if not str(value).strip():
        raise invalid(path, "text content blocks must be non-empty and contain non-whitespace text")


_PICTURE_SOURCE = Tagged(
    "type",
    {
        "base64": Object({"type": text, "media_type": one_of("image/jpeg", "image/png", "image/gif", "image/webp"), "data": text}, {}),
        "url": Object({"type": text, "url": pattern(r"https://.+")}, {}),
        "file": Object({"type": text, "file_id": text}, {}),
    },
)
_DOCUMENT_SOURCE = Tagged(
    "type",
    {
        "base64": Object({"type": text, "media_type": one_of("application/pdf"), "data": text}, {}),
        "url": Object({"type": text, "url": pattern(r"https://.+")}, {}),
        "text": Object({"type": text, "media_type": one_of("text/plain"), "data": text}, {}),
        "content": Object({"type": text, "content": anything}, {}),
        "file": Object({"type": text, "file_id": text}, {}),
    },
)
_TEXT = Object({"type": text, "text": _filled}, {**_MARK, "citations": anything})
_PICTURE = Object({"type": text, "source": _PICTURE_SOURCE}, _MARK)
_DOCUMENT = Object({"type": text, "source": _DOCUMENT_SOURCE}, {**_MARK, "title": text, "context": text, "citations": anything})
_RESULT_BLOCK = Tagged("type", {"text": _TEXT, "image": _PICTURE, "document": _DOCUMENT, "search_result": anything})
_RESULT = Object({"type": text, "tool_use_id": text}, {**_MARK, "content": any_of(text, ListOf(_RESULT_BLOCK)), "is_error": flag})


def _thinking(value: object, path: Path) -> None:
    Object({"type": text, "thinking": text, "signature": text}, {})(value, path)
    block = as_mapping(value)
    if block["signature"] != sign_thinking(as_text(block["thinking"])):
        raise invalid((*path, "signature"), "Invalid `signature` in `thinking` block")


def _input(value: object, path: Path) -> None:
    if not isinstance(value, dict):
        raise invalid(path, "Input should be a valid dictionary")


_USER_BLOCK = Tagged("type", {"text": _TEXT, "image": _PICTURE, "document": _DOCUMENT, "tool_result": _RESULT, "search_result": anything})
_ASSISTANT_BLOCK = Tagged(
    "type",
    {
        "text": _TEXT,
        "document": _DOCUMENT,
        "tool_use": Object({"type": text, "id": pattern(r"[a-zA-Z0-9_-]+"), "name": text, "input": _input}, {**_MARK, "caller": anything}),
        "thinking": _thinking,
        "redacted_thinking": Object({"type": text, "data": text}, {}),
    },
)
_MESSAGE = Tagged(
    "role",
    {
        "user": Object({"role": text, "content": any_of(_filled, ListOf(_USER_BLOCK, least=1))}, {}),
        "assistant": Object({"role": text, "content": any_of(_filled, ListOf(_ASSISTANT_BLOCK))}, {}),
        "system": Object({"role": text, "content": any_of(_filled, ListOf(Tagged("type", {"text": _TEXT}), least=1))}, {}),
    },
)


def _schema(value: object, path: Path) -> None:
    if not isinstance(value, dict):
        raise invalid(path, "Input should be a valid dictionary")
    if value.get("type") != "object":
        raise invalid((*path, "type"), "Input should be 'object'")


_TOOL = Object(
    {"name": pattern(r"[a-zA-Z0-9_-]{1,128}"), "input_schema": _schema},
    {
        **_MARK,
        "description": text,
        "strict": flag,
        "type": one_of("custom"),
        "input_examples": ListOf(_input),
        "defer_loading": flag,
        "eager_input_streaming": flag,
    },
)
_ONE_CALL = {"disable_parallel_tool_use": flag}
_DISPLAY = {"display": one_of("summarized", "omitted")}
_SYSTEM = any_of(text, ListOf(Tagged("type", {"text": _TEXT})))
_COUNTED: Mapping[str, Check] = {
    "system": _SYSTEM,
    "tools": ListOf(_TOOL),
    "tool_choice": Tagged(
        "type",
        {
            "auto": Object({"type": text}, _ONE_CALL),
            "any": Object({"type": text}, _ONE_CALL),
            "tool": Object({"type": text, "name": text}, _ONE_CALL),
            "none": Object({"type": text}, {}),
        },
    ),
    "thinking": Tagged(
        "type",
        {
            "adaptive": Object({"type": text}, _DISPLAY),
            "enabled": Object({"type": text, "budget_tokens": within(1024, 10**9, whole=True)}, _DISPLAY),
            "between_tools": Object({"type": text}, _DISPLAY),
            "disabled": Object({"type": text}, {}),
        },
    ),
    "output_config": Object(
        {},
        {
            "effort": one_of("low", "medium", "high", "xhigh", "max"),
            "format": Tagged("type", {"json_schema": Object({"type": text, "schema": anything}, {})}),
        },
    ),
    "cache_control": _CACHE,
}
_REQUEST = Object(
    {"model": text, "max_tokens": within(0, 10**9, whole=True), "messages": ListOf(_MESSAGE, least=1)},
    {
        **_COUNTED,
        "stop_sequences": ListOf(_filled),
        "temperature": within(0, 1),
        "top_p": within(0, 1),
        "top_k": within(0, 10**6, whole=True),
        "metadata": Object({}, {"user_id": text}),
        "service_tier": one_of("auto", "standard_only"),
        "speed": one_of("standard", "fast"),
        "inference_geo": text,
        "container": anything,
        "diagnostics": Object({}, {"previous_message_id": text}),
        "stream": flag,
    },
)
_COUNT_REQUEST = Object({"model": text, "messages": ListOf(_MESSAGE, least=1)}, _COUNTED)


def check_count(body: Json, version: str | None) -> None:
    """Check a request to count tokens.

    Raises:
        Refused: for the first thing that is wrong.
    """
    _check_version(version)
    _COUNT_REQUEST(body, ())
    _check_turns(as_list(as_mapping(body)["messages"]))


def check_anthropic(body: Json, version: str | None, extra_fields: Iterable[str] = ()) -> None:
    """Check a request as a strict server does.

    Args:
        body: the parsed body.
        version: the anthropic-version header; None where it is missing.
        extra_fields: top-level fields that this server takes besides Anthropic's.

    Raises:
        Refused: for the first thing that is wrong.
    """
    _check_version(version)
    _REQUEST.allowing(extra_fields)(body, ())
    request = as_mapping(body)
    if version == _CURRENT:
        _check_current(request)
    _check_turns(as_list(request["messages"]))
    thinking = as_mapping(request.get("thinking"))
    if thinking.get("type") == "enabled" and thinking["budget_tokens"] >= request["max_tokens"]:
        raise invalid(("max_tokens",), "`max_tokens` must be greater than `thinking.budget_tokens`")
    output = as_mapping(as_mapping(request.get("output_config")).get("format"))
    if output:
        strict_schema(output.get("schema"), ("output_config", "format", "schema"), all_required=False)
    choice = as_mapping(request.get("tool_choice"))
    names = [tool["name"] for tool in as_list(request.get("tools"))]
    if len(set(names)) != len(names):
        raise invalid(("tools",), "Tool names must be unique.")
    if choice and not names:
        raise invalid(("tool_choice",), "it may only be specified while providing `tools`")
    if choice.get("type") == "tool" and choice["name"] not in names:
        raise invalid(("tool_choice",), f"Tool {choice['name']!r} not found in provided tools")
    if thinking.get("type") in {"adaptive", "enabled"} and choice.get("type") in {"any", "tool"}:
        raise invalid((), "Thinking may not be enabled when tool_choice forces tool use.")
    if _marks(body) > _MOST_MARKS:
        raise invalid((), f"A maximum of {_MOST_MARKS} blocks with cache_control may be provided. Found {_marks(body)}.")


def _check_version(version: str | None) -> None:
    if version is None:
        raise invalid((), "anthropic-version: header is required")
    if version not in VERSIONS:
        raise invalid((), f"anthropic-version: {version!r} is not a valid version")


def _check_current(request: Mapping[str, Json]) -> None:
    """What the current version no longer takes."""
    for name in _SAMPLING:
        if name in request:
            raise Refused("unknown", (name,))
    for number, message in enumerate(as_list(request["messages"])):
        for at, block in enumerate(as_list(message["content"])):
            where: Path = ("messages", number, "content", at)
            if message["role"] == "assistant" and block["type"] == "document":
                raise invalid(where, "`document` blocks are not permitted in assistant messages")
            if message["role"] == "user" and block["type"] == "text" and "citations" in block:
                raise Refused("unknown", (*where, "text", "citations"))


def _check_turns(messages: Sequence[Mapping[str, Json]]) -> None:
    """The user begins and ends; every call is answered at the start of the very next user turn, and nothing else is."""
    if messages[0]["role"] != "user":
        raise invalid(("messages", 0), 'first message must use the "user" role')
    if messages[-1]["role"] == "assistant":
        raise invalid((), "This model does not support assistant message prefill. The conversation must end with a user message.")
    waiting: set[str] = set()
    for number, message in enumerate(messages):
        blocks = [as_mapping(block) for block in as_list(message["content"])]
        answered = [as_text(block["tool_use_id"]) for block in blocks if block["type"] == "tool_result"]
        where: Path = ("messages", number, "content")
        for call_id in answered:
            if call_id not in waiting:
                raise invalid(
                    where,
                    f"unexpected `tool_use_id` found in `tool_result` blocks: {call_id}. Each must have a corresponding `tool_use` "
                    "block in the previous message.",
                )
        if len(set(answered)) != len(answered):
            raise invalid(where, "each tool_use must have a single result")
        if waiting - set(answered):
            lost = ", ".join(sorted(waiting - set(answered)))
            raise invalid(where, f"`tool_use` ids were found without `tool_result` blocks immediately after: {lost}")
        if answered and any(block["type"] != "tool_result" for block in blocks[: len(answered)]):
            raise invalid(where, "`tool_result` blocks must come first in the message")
        calls = [as_text(block["id"]) for block in blocks if block["type"] == "tool_use"]
        waiting = set(calls)
        if len(waiting) != len(calls):
            raise invalid(where, "`tool_use` ids must be unique")


def _marks(value: Json) -> int:
    if isinstance(value, list):
        return sum(map(_marks, value))
    if isinstance(value, dict):
        return int(value.get("cache_control") is not None) + sum(map(_marks, value.values()))
    return 0


def read_anthropic(request: RecordedRequest) -> Ask:
    """Say in the kit's words what a checked request asks for."""
    body = as_mapping(request.body)
    messages = [as_mapping(message) for message in as_list(body.get("messages"))]
    users = [message for message in messages if message.get("role") == "user" and _text(message.get("content"))]
    last = users[-1] if users else {}
    output = as_mapping(as_mapping(body.get("output_config")).get("format"))
    thinking = as_mapping(body.get("thinking"))
    choice = as_mapping(body.get("tool_choice"))
    kind = as_text(choice.get("type")) or "auto"
    instructions = [_text(body.get("system")), *(_text(message.get("content")) for message in messages if message.get("role") == "system")]
    system = "\n".join(filter(None, instructions))
    return Ask(
        dialect="anthropic_messages",
        request=request,
        model=as_text(body.get("model")),
        system=system,
        text=_text(last.get("content")),
        pictures=sum(as_mapping(block).get("type") in {"image", "document"} for block in as_list(last.get("content"))),
        turns=len(messages),
        tools=tuple(
            OfferedTool(as_text(tool.get("name")), as_text(tool.get("description")), as_mapping(tool.get("input_schema")))
            for tool in as_list(body.get("tools"))
        ),
        tool_choice={"any": "required", "tool": as_text(choice.get("name"))}.get(kind, kind),
        parallel=choice.get("disable_parallel_tool_use") is not True,
        results=tuple(_results(messages)),
        schema=as_mapping(output.get("schema")) if output else None,
        thinking=as_text(thinking.get("type")) in {"adaptive", "enabled", "between_tools"},
        shows_thinking=thinking.get("display") != "omitted",
        stream=body.get("stream") is True,
        max_output_tokens=integer(body.get("max_tokens")),
        stop=tuple(as_text(one) for one in as_list(body.get("stop_sequences"))),
        words=max(1, count_words(system) + sum(count_words(_words(message.get("content"))) for message in messages)),
    )


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    return "".join(as_text(as_mapping(block).get("text")) for block in as_list(content))


def _words(content: Json) -> str:
    """All that counts as input in a message: its text, and the text of tool results."""
    results = (_text(as_mapping(block).get("content")) for block in as_list(content))
    return "\n".join((_text(content), *results))


def _results(messages: Sequence[Mapping[str, Json]]) -> list[ToolOutcome]:
    """The tool results in the last message, by the names of their calls."""
    names = {
        as_text(block.get("id")): as_text(block.get("name"))
        for message in messages
        for block in map(as_mapping, as_list(message.get("content")))
        if block.get("type") == "tool_use"
    }
    last = messages[-1] if messages else {}
    return [
        ToolOutcome(names.get(as_text(block.get("tool_use_id")), ""), _text(block.get("content")), block.get("is_error") is True)
        for block in map(as_mapping, as_list(last.get("content")))
        if block.get("type") == "tool_result"
    ]
