"""What a strict OpenAI Chat Completions server takes, and what the request asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.testing.checks import (
    ListOf,
    Object,
    Path,
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

    from saferoute.testing.recording import RecordedRequest
    from saferoute.values.json import Json

__all__ = ["check_openai", "read_openai"]

_LONG = 10**9
_NAME = pattern(r"[a-zA-Z0-9_-]{1,64}")
_MARK = {"prompt_cache_breakpoint": Object({"mode": one_of("explicit")}, {"ttl": one_of("30m", "12h")})}
_TEXT = Object({"type": text, "text": text}, _MARK)


def _picture_url(value: object, path: Path) -> None:
    text(value, path)
    if not str(value).startswith(("https://", "http://", "data:image/")):
        raise invalid(path, "a URL or a data URI of an image is wanted", "invalid_value")


def _file(value: object, path: Path) -> None:
    Object({}, {"file_data": text, "filename": text, "file_id": text})(value, path)
    given = as_mapping(value)
    if ("file_data" in given) == ("file_id" in given):
        raise invalid(path, "exactly one of file_data and file_id is wanted", "invalid_value")
    if "file_data" in given and not as_text(given["file_data"]).startswith("data:"):
        raise invalid((*path, "file_data"), "a data URI is wanted", "invalid_value")


_PICTURE = Object({"url": _picture_url}, {"detail": one_of("auto", "low", "high", "original")})
_SOUND = Object({"data": text, "format": one_of("wav", "mp3")}, {})
_USER_PART = Tagged(
    "type",
    {
        "text": _TEXT,
        "image_url": Object({"type": text, "image_url": _PICTURE}, _MARK),
        "input_audio": Object({"type": text, "input_audio": _SOUND}, _MARK),
        "file": Object({"type": text, "file": _file}, _MARK),
    },
)
_ASSISTANT_PART = Tagged("type", {"text": _TEXT, "refusal": Object({"type": text, "refusal": text}, {})})
_TEXT_ONLY = any_of(text, ListOf(Tagged("type", {"text": _TEXT}), least=1))
_FUNCTION_CALL = Object({"id": text, "type": text, "function": Object({"name": text, "arguments": text}, {})}, {})
_CUSTOM_CALL = Object({"id": text, "type": text, "custom": Object({"name": text, "input": text}, {})}, {})
_INSTRUCTION = Object({"role": text, "content": _TEXT_ONLY}, {"name": text})
_ASSISTANT = Object(
    {"role": text},
    {
        "content": any_of(text, ListOf(_ASSISTANT_PART, least=1)),
        "tool_calls": ListOf(Tagged("type", {"function": _FUNCTION_CALL, "custom": _CUSTOM_CALL}), least=1),
        "refusal": text,
        "name": text,
        "audio": Object({"id": text}, {}),
        "annotations": ListOf(anything),  # the official SDK sends its own answers back with what they carried
        "function_call": anything,
        "reasoning_content": text,  # compatible servers want their reasoning back
        "reasoning": text,
    },
)
_MESSAGE = Tagged(
    "role",
    {
        "system": _INSTRUCTION,
        "developer": _INSTRUCTION,
        "user": Object({"role": text, "content": any_of(text, ListOf(_USER_PART, least=1))}, {"name": text}),
        "assistant": _ASSISTANT,
        "tool": Object({"role": text, "content": _TEXT_ONLY, "tool_call_id": text}, {}),
    },
)


def _schema(value: object, path: Path) -> None:
    if not isinstance(value, dict):
        raise invalid(path, "a JSON Schema is wanted", "invalid_type")
    if value.get("type", "object") != "object":
        raise invalid(path, "a schema of type object is wanted", "invalid_function_parameters")


_FUNCTION = Object({"name": _NAME}, {"description": text, "parameters": _schema, "strict": flag})
_NAMED = Object({"name": text}, {})
_FORMAT = Object({"name": _NAME, "schema": _schema}, {"strict": flag, "description": text})
_ALLOWED = Object({"mode": one_of("auto", "required"), "tools": ListOf(anything, least=1)}, {})
_REQUEST = Object(
    {"model": text, "messages": ListOf(_MESSAGE, least=1)},
    {
        "temperature": within(0, 2),
        "top_p": within(0, 1),
        "n": within(1, 1, whole=True),
        "stop": any_of(text, ListOf(text, least=1, most=4)),
        "seed": within(-(2**63), 2**63 - 1, whole=True),
        "presence_penalty": within(-2, 2),
        "frequency_penalty": within(-2, 2),
        "logit_bias": anything,
        "logprobs": flag,
        "top_logprobs": within(0, 20, whole=True),
        "max_completion_tokens": within(1, _LONG, whole=True),
        "max_tokens": within(1, _LONG, whole=True),
        "reasoning_effort": one_of("none", "minimal", "low", "medium", "high", "xhigh", "max"),
        "verbosity": one_of("low", "medium", "high"),
        "prompt_cache_key": text,
        "prompt_cache_options": Object({}, {"mode": one_of("implicit", "explicit"), "ttl": one_of("30m")}),
        "prompt_cache_retention": one_of("in_memory", "24h"),
        "service_tier": one_of("auto", "default", "flex", "scale", "priority", "fast"),
        "store": flag,
        "metadata": anything,
        "safety_identifier": text,
        "user": text,
        "modalities": ListOf(one_of("text"), least=1),
        "prediction": anything,
        "parallel_tool_calls": flag,
        "stream": flag,
        "stream_options": Object({}, {"include_usage": flag, "include_obfuscation": flag}),
        "tools": ListOf(
            Tagged(
                "type",
                {
                    "function": Object({"type": text, "function": _FUNCTION}, {}),
                    "custom": Object({"type": text, "custom": Object({"name": _NAME}, {"description": text, "format": anything})}, {}),
                },
            ),
            least=1,
            most=128,
        ),
        "tool_choice": any_of(
            one_of("none", "auto", "required"),
            Tagged(
                "type",
                {
                    "function": Object({"type": text, "function": _NAMED}, {}),
                    "custom": Object({"type": text, "custom": _NAMED}, {}),
                    "allowed_tools": Object({"type": text, "allowed_tools": _ALLOWED}, {}),
                },
            ),
        ),
        "response_format": Tagged(
            "type",
            {
                "text": Object({"type": text}, {}),
                "json_object": Object({"type": text}, {}),
                "json_schema": Object({"type": text, "json_schema": _FORMAT}, {}),
            },
        ),
    },
)


def check_openai(body: Json, extra_fields: Iterable[str] = ()) -> None:
    """Check a request as a strict server does.

    Args:
        body: the parsed body.
        extra_fields: top-level fields that this server takes besides OpenAI's, as compatible servers do.

    Raises:
        Refused: for the first thing that is wrong.
    """
    _REQUEST.allowing(extra_fields)(body, ())
    request = as_mapping(body)
    _check_turns(as_list(request["messages"]))
    if request.get("max_tokens") is not None and request.get("max_completion_tokens") is not None:
        raise invalid(("max_tokens",), "max_tokens and max_completion_tokens cannot both be set", "invalid_parameter_combination")
    if request.get("stream_options") is not None and not request.get("stream"):
        raise invalid(("stream_options",), "it is only allowed when stream is enabled", "invalid_value")
    for number, tool in enumerate(as_list(request.get("tools"))):
        function = as_mapping(tool.get("function"))
        if function.get("strict"):
            strict_schema(function.get("parameters"), ("tools", number, "function", "parameters"), all_required=True)
    output = as_mapping(as_mapping(request.get("response_format")).get("json_schema"))
    if output.get("strict"):
        strict_schema(output.get("schema"), ("response_format", "json_schema", "schema"), all_required=True)
    if as_mapping(request.get("response_format")).get("type") == "json_object" and "json" not in _all_text(request["messages"]).lower():
        raise invalid(("messages",), "they must contain the word 'json' to use a response_format of type 'json_object'", "invalid_value")
    _check_choice(request)


def _check_turns(messages: Sequence[Mapping[str, Json]]) -> None:
    """Every call is answered, once, directly after the turn that made it; nothing else is answered."""
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                why = "messages with role 'tool' must be a response to a preceding message with 'tool_calls'"
                raise invalid(("messages", number, "tool_call_id"), why)
            waiting.remove(as_text(message["tool_call_id"]))
            continue
        _check_answered(waiting, number)
        if message["role"] == "assistant":
            if message.get("content") is None and not message.get("tool_calls") and not message.get("refusal"):
                raise invalid(("messages", number, "content"), "an assistant message needs content, tool_calls or refusal")
            waiting = [as_text(call["id"]) for call in as_list(message.get("tool_calls"))]
            if len(set(waiting)) != len(waiting):
                raise invalid(("messages", number, "tool_calls"), "two calls have the same id")
    _check_answered(waiting, len(messages))


def _check_answered(waiting: Sequence[str], number: int) -> None:
    if waiting:
        why = f"an assistant message with 'tool_calls' must be followed by tool messages for each; no answer for: {', '.join(waiting)}"
        raise invalid(("messages", number - 1), why)


def _check_choice(request: Mapping[str, Json]) -> None:
    choice = request.get("tool_choice")
    if choice is not None and choice != "none" and not request.get("tools"):
        raise invalid(("tool_choice",), "it is only allowed when tools are specified", "invalid_value")
    if request.get("parallel_tool_calls") is not None and not request.get("tools"):
        raise invalid(("parallel_tool_calls",), "it is only allowed when tools are specified", "invalid_value")
    named = as_mapping(as_mapping(choice).get("function")).get("name")
    offered = {as_mapping(tool.get("function")).get("name") for tool in as_list(request.get("tools"))}
    if named is not None and named not in offered:
        raise invalid(("tool_choice",), f"the tool {named!r} is not among the tools", "invalid_value")


def read_openai(request: RecordedRequest) -> Ask:
    """Say in the kit's words what a checked request asks for."""
    body = as_mapping(request.body)
    messages = [as_mapping(message) for message in as_list(body.get("messages"))]
    users = [message for message in messages if message.get("role") == "user"]
    last = users[-1] if users else {}
    output = as_mapping(body.get("response_format"))
    effort = body.get("reasoning_effort")
    stop = body.get("stop")
    return Ask(
        dialect="openai_chat",
        request=request,
        model=as_text(body.get("model")),
        system="\n".join(_text(message.get("content")) for message in messages if message.get("role") in {"system", "developer"}),
        text=_text(last.get("content")),
        pictures=sum(as_mapping(part).get("type") in {"image_url", "file"} for part in as_list(last.get("content"))),
        turns=len(messages),
        tools=tuple(_tools(body)),
        tool_choice=_choice(body.get("tool_choice")),
        parallel=body.get("parallel_tool_calls") is not False,
        results=tuple(_results(messages)),
        schema=as_mapping(as_mapping(output.get("json_schema")).get("schema")) if output.get("type") == "json_schema" else None,
        wants_json=output.get("type") == "json_object",
        thinking=effort is not None and effort != "none",
        shows_thinking=False,
        stream=body.get("stream") is True,
        stream_usage=as_mapping(body.get("stream_options")).get("include_usage") is True,
        max_output_tokens=integer(body.get("max_completion_tokens") or body.get("max_tokens")),
        stop=(stop,) if isinstance(stop, str) else tuple(as_text(one) for one in as_list(stop)),
        words=max(1, count_words(_all_text(body.get("messages")))),
    )


def _text(content: Json) -> str:
    if isinstance(content, str):
        return content
    return "".join(as_text(as_mapping(part).get("text")) for part in as_list(content))


def _all_text(messages: Json) -> str:
    made = []
    for message in as_list(messages):
        made.append(_text(message.get("content")))
        made += [as_text(as_mapping(call.get("function")).get("arguments")) for call in as_list(message.get("tool_calls"))]
    return "\n".join(made)


def _tools(body: Mapping[str, Json]) -> Iterable[OfferedTool]:
    for tool in as_list(body.get("tools")):
        function = as_mapping(tool.get("function"))
        if function:
            yield OfferedTool(as_text(function.get("name")), as_text(function.get("description")), as_mapping(function.get("parameters")))


def _choice(choice: Json) -> str:
    if isinstance(choice, str):
        return choice
    given = as_mapping(choice)
    if given.get("type") == "allowed_tools":
        return as_text(as_mapping(given.get("allowed_tools")).get("mode"))
    return as_text(as_mapping(given.get("function")).get("name")) or "auto"


def _results(messages: Sequence[Mapping[str, Json]]) -> list[ToolOutcome]:
    """The tool results at the end of the conversation, by the names of their calls."""
    names = {
        as_text(call.get("id")): as_text(as_mapping(call.get("function")).get("name"))
        for message in messages
        for call in as_list(message.get("tool_calls"))
    }
    made: list[ToolOutcome] = []
    for message in reversed(messages):
        if message.get("role") != "tool":
            break
        made.insert(0, ToolOutcome(names.get(as_text(message.get("tool_call_id")), ""), _text(message.get("content"))))
    return made
