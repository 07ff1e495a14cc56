"""Read a conversation from whatever a caller writes: a string, messages, or dicts in OpenAI's shape.

Closed at every depth: a key that has no meaning here is refused by its path, so that nothing a caller wrote is lost in silence.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

from saferoute.errors import InvalidMessages, UnknownOption
from saferoute.values.json import encode
from saferoute.values.messages import Audio, File, Image, Message, Part, Refusal, Role, Text, ToolCall, ToolResult
from saferoute.values.sealed import assembler
from saferoute.values.template import Template

__all__ = ["MessageLike", "Messages", "messages_from"]

MessageLike: TypeAlias = "str | Message | Template | Mapping[str, Any]"
Messages: TypeAlias = "MessageLike | Sequence[MessageLike]"

_ROLES: Final[Mapping[str, Role]] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
_Message = assembler(Message)
_Text = assembler(Text)

_PLAIN_ROLES: Final[Mapping[str, Role]] = {word: role for word, role in _ROLES.items() if role != "tool"}
"""Of messages that may be a text and nothing else."""

_KEYS: Final = {
    "system": frozenset({"role", "content", "name"}),
    "user": frozenset({"role", "content", "name"}),
    "assistant": frozenset({"role", "content", "name", "tool_calls", "refusal"}),
    "tool": frozenset({"role", "content", "tool_call_id"}),
}
# What official SDKs' message objects carry along when they are dumped back into a dict; harmless while empty.
_EMPTY_ALLOWED: Final = frozenset(
    {"refusal", "annotations", "audio", "function_call", "tool_calls", "name", "reasoning_content", "reasoning"}
)
_PLAIN: Final = frozenset({"role", "content"})
_DATA_URI = re.compile(r"data:([a-zA-Z0-9.+-]+/[a-zA-Z0-9.+-]+);base64,(.*)", re.DOTALL)
_LONGEST_ID = 256


def messages_from(value: object, *, system: str | Template | None = None, templates: bool = False) -> tuple[Message, ...]:
    """Read a conversation.

    Args:
        value: a user's text; a Message; a Template, as a user's text; a dict `{"role", "content", ...}`; or a sequence of these.
        system: instructions to put first.
        templates: whether templates may stand in it: whoever says so has them written out by `saferoute.guards.templates.with_templates`.

    Raises:
        InvalidMessages: for an empty conversation or message, a tool result whose call is not in the conversation, a template where
            none may stand, and anything of the wrong type.
        UnknownOption: for keys and part types that saferoute does not have.
    """
    if value.__class__ is list:  # nearly always; the other questions are dear
        messages = _from_list(value)
    elif isinstance(value, str | Message | Template | Mapping):
        messages = [_from_one(value, "messages")]
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        messages = _from_list(value)
    else:
        msg = f"messages must be a str, a Message, a Template, a dict or a list of these, not {type(value).__name__}"
        raise InvalidMessages(msg)
    if not messages:
        msg = "the conversation is empty: pass a text or at least one message"
        raise InvalidMessages(msg)
    if system is not None:
        if not isinstance(system, str | Template) or not system:
            msg = "system must be a non-empty str, or a Template"
            raise InvalidMessages(msg)
        messages.insert(0, Message("system", (_of_template(system) if isinstance(system, Template) else Text(system),)))
    _check_parts(messages, templates=templates)
    return tuple(messages)


def _from_list(values: Sequence[object]) -> list[Message]:
    messages: list[Message] = []
    for index, value in enumerate(values):
        if value.__class__ is dict and len(value) == 2 and "role" in value and "content" in value:  # noqa: PLR2004  a dict of these two: nearly every message
            word, content = value["role"], value["content"]
            if content.__class__ is str and content and word.__class__ is str and word in _PLAIN_ROLES:
                messages.append(_Message(_PLAIN_ROLES[word], (_Text(content),)))
                continue
        messages.append(_from_one(value, f"messages[{index}]"))
    return messages


def _of_template(template: Template) -> Text:
    """The place of a text that is still to be written out."""
    return Text("", template=template)


def _check_parts(messages: list[Message], *, templates: bool) -> None:
    """Every result needs its call, and every call its result before anybody else speaks: no provider takes less."""
    asked: set[str] = set()
    open_calls: dict[str, str] = {}
    for index, message in enumerate(messages):
        if open_calls and message.role != "tool" and not any(isinstance(part, ToolResult) for part in message.content):
            raise _unanswered(open_calls)
        for part in message.content:
            if part.__class__ is Text and part.template is None:
                continue
            if isinstance(part, Text):
                if not templates and isinstance(part.template, Template):
                    msg = f"messages[{index}] is a template, and templates are for chats; here, pass the text itself"
                    raise InvalidMessages(msg)
            elif isinstance(part, ToolCall):
                asked.add(part.id)
                open_calls[part.id] = part.name
            elif isinstance(part, ToolResult) and part.call_id in asked:
                open_calls.pop(part.call_id, None)
            elif isinstance(part, ToolResult):
                msg = (
                    f"messages[{index}] is the result of tool call {part.call_id[:60]!r}, which no earlier assistant message asks for; "
                    "keep the assistant's message (reply.messages has it) in the conversation"
                )
                raise InvalidMessages(msg)
    if open_calls:
        raise _unanswered(open_calls)


def _unanswered(open_calls: Mapping[str, str]) -> InvalidMessages:
    call_id, name = next(iter(open_calls.items()))
    return InvalidMessages(
        f"the call of tool {name!r} (id {call_id[:60]!r}) has no result: after the assistant's message, add "
        f'{{"role": "tool", "tool_call_id": {call_id[:60]!r}, "content": ...}}'
    )


def _from_one(value: object, path: str) -> Message:
    if isinstance(value, str):
        return Message("user", (_text(value, path),))
    if isinstance(value, Template):
        return Message("user", (_of_template(value),))
    if isinstance(value, Message):
        if not value.content or value.role not in _KEYS:
            msg = f"{path} is empty" if value.role in _KEYS else f"{path} has no role of ours: system, user, assistant or tool"
            raise InvalidMessages(msg)
        for index, part in enumerate(value.content):
            if not isinstance(part, Part):
                msg = f"{path}.content[{index}] must be a part, such as saferoute.Text(...), not {type(part).__name__}"
                raise InvalidMessages(msg)
        return value
    if not isinstance(value, Mapping):
        msg = f"{path} must be a str, a Message, a Template or a dict, not {type(value).__name__}"
        raise InvalidMessages(msg)
    role_word = value.get("role")
    role = _ROLES.get(role_word) if isinstance(role_word, str) else None
    if role is None:
        msg = f"{path}.role must be system, developer, user, assistant or tool"
        raise InvalidMessages(msg)
    if value.keys() != _PLAIN:
        _refuse_unknown(value, role, path)
    content = value.get("content")
    if role == "tool":
        return Message("tool", (_tool_result(value, path),))
    if isinstance(content, str) and len(value) == 2:  # noqa: PLR2004  role and content: nearly every message
        return Message(role, (_text(content, f"{path}.content"),))
    parts = list(_parts(content, role, path))
    if role == "assistant":
        parts += _assistant_extras(value, path)
    if not parts:
        msg = f"{path} is empty"
        raise InvalidMessages(msg)
    name = value.get("name")
    if not isinstance(name, str | None):
        msg = f"{path}.name must be a str"
        raise InvalidMessages(msg)
    return Message(role, tuple(parts), name)


def _refuse_unknown(value: Mapping[str, Any], role: Role, path: str) -> None:
    unknown = [key for key in value.keys() - _KEYS[role] if not (key in _EMPTY_ALLOWED and not value[key])]
    if unknown:
        hints = {"cache_control": "use the cache option", "tool_call_id": 'a tool result has role "tool"'}
        hint = "".join(f"; {hints[key]}" for key in unknown if key in hints)
        msg = f"unknown key in {path}: {', '.join(sorted(map(repr, unknown)))}; a {role} message has {', '.join(sorted(_KEYS[role]))}{hint}"
        raise UnknownOption(msg)


def _text(value: str, path: str) -> Text:
    if not value:
        msg = f"{path} is an empty text"
        raise InvalidMessages(msg)
    return Text(value)


def _parts(content: object, role: Role, path: str) -> list[Part]:
    if content is None or content == "":
        return []
    if isinstance(content, str):
        return [Text(content)]
    if isinstance(content, Template):
        return [_of_template(content)]
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray):
        msg = f"{path}.content must be a str or a list of parts, not {type(content).__name__}"
        raise InvalidMessages(msg)
    return [_part(item, role, f"{path}.content[{index}]") for index, item in enumerate(content)]


def _part(value: object, role: Role, path: str) -> Part:
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, Part):
        return value
    if isinstance(value, Template):
        return _of_template(value)
    if not isinstance(value, Mapping):
        msg = f"{path} must be a part or a dict with a type, not {type(value).__name__}"
        raise InvalidMessages(msg)
    match value.get("type"):
        case "text":
            return _text(_field(value, path, "text", str, also=("type", "annotations")), f"{path}.text")
        case "refusal" if role == "assistant":
            return Refusal(_field(value, path, "refusal", str))
        case "image_url":
            return _image(value, path)
        case "input_audio":
            inner = _field(value, path, "input_audio", Mapping)
            audio_format = _field(inner, f"{path}.input_audio", "format", str, also=("data",))
            data = _field(inner, f"{path}.input_audio", "data", str, also=("format",))
            return Audio(_base64(data, f"{path}.input_audio.data"), audio_format)
        case "file":
            return _file(_field(value, path, "file", Mapping), f"{path}.file")
        case other:
            known = "text, image_url, input_audio, file and refusal, and saferoute's own parts"
            msg = f"{path}.type {str(other)[:40]!r} is no part type; there are {known}"
            raise UnknownOption(msg)


def _field(value: Mapping[str, Any], path: str, name: str, kind: type[Any], also: tuple[str, ...] = ("type",)) -> Any:  # noqa: ANN401  as the kind says
    unknown = value.keys() - {name, *also, "type"}
    if unknown:
        msg = f"unknown key in {path}: {', '.join(sorted(map(repr, unknown)))}"
        raise UnknownOption(msg)
    found = value.get(name)
    if not isinstance(found, kind):
        msg = f"{path}.{name} must be a {kind.__name__}"
        raise InvalidMessages(msg)
    return found


def _image(value: Mapping[str, Any], path: str) -> Image:
    inner = _field(value, path, "image_url", Mapping)
    url = _field(inner, f"{path}.image_url", "url", str, also=("detail",))
    detail = inner.get("detail")
    if not isinstance(detail, str | None):
        msg = f"{path}.image_url.detail must be a str"
        raise InvalidMessages(msg)
    if url.startswith("data:"):
        media_type, data = _data_uri(url, f"{path}.image_url.url")
        return Image(data=data, media_type=media_type, detail=detail)
    return Image(url=url, detail=detail)


def _file(inner: Mapping[str, Any], path: str) -> File:
    unknown = inner.keys() - {"file_data", "file_id", "filename"}
    if unknown:
        msg = f"unknown key in {path}: {', '.join(sorted(map(repr, unknown)))}"
        raise UnknownOption(msg)
    file_data, file_id, filename = inner.get("file_data"), inner.get("file_id"), inner.get("filename")
    if not isinstance(file_data, str | None) or not isinstance(file_id, str | None) or not isinstance(filename, str | None):
        msg = f"{path}: file_data, file_id and filename are str"
        raise InvalidMessages(msg)
    if file_data is None:
        return File(file_id=file_id, filename=filename)
    media_type, data = _data_uri(file_data, f"{path}.file_data")
    return File(data=data, media_type=media_type, filename=filename)


def _data_uri(uri: str, path: str) -> tuple[str, bytes]:
    match = _DATA_URI.fullmatch(uri)
    if match is None:
        msg = f"{path} must be an https URL or data:<media type>;base64,<data>"
        raise InvalidMessages(msg)
    return match[1], _base64(match[2], path)


def _base64(text: str, path: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        msg = f"{path} is not valid base64"
        raise InvalidMessages(msg) from None


def _tool_result(value: Mapping[str, Any], path: str) -> ToolResult:
    call_id = value.get("tool_call_id")
    if not isinstance(call_id, str) or not 0 < len(call_id) <= _LONGEST_ID:
        msg = f"{path}.tool_call_id must be the id of the call that this answers"
        raise InvalidMessages(msg)
    parts = _parts(value.get("content"), "tool", path)
    kept = tuple(part for part in parts if isinstance(part, Text | Image | File))
    if len(kept) != len(parts):
        msg = f"{path}: a tool result holds text, pictures and files only"
        raise InvalidMessages(msg)
    return ToolResult(call_id, kept)


def _assistant_extras(value: Mapping[str, Any], path: str) -> list[Part]:
    parts: list[Part] = []
    refusal = value.get("refusal")
    if refusal is not None:
        if not isinstance(refusal, str) or not refusal:
            msg = f"{path}.refusal must be a non-empty str"
            raise InvalidMessages(msg)
        parts.append(Refusal(refusal))
    calls = value.get("tool_calls") or []
    if not isinstance(calls, Sequence) or isinstance(calls, str | bytes):
        msg = f"{path}.tool_calls must be a list"
        raise InvalidMessages(msg)
    return parts + [_tool_call(call, f"{path}.tool_calls[{index}]") for index, call in enumerate(calls)]


def _tool_call(value: object, path: str) -> ToolCall:
    if isinstance(value, ToolCall):
        return value
    if not isinstance(value, Mapping):
        msg = f"{path} must be a ToolCall or a dict"
        raise InvalidMessages(msg)
    call_id = _field(value, path, "id", str, also=("function", "index"))
    function = _field(value, path, "function", Mapping, also=("id", "index"))
    name = _field(function, f"{path}.function", "name", str, also=("arguments",))
    arguments = function.get("arguments")
    if isinstance(arguments, Mapping):
        arguments = encode(arguments).decode()
    if not isinstance(arguments, str) or value.get("type", "function") != "function":
        msg = f"{path} must be {{'id', 'type': 'function', 'function': {{'name', 'arguments': JSON text}}}}"
        raise InvalidMessages(msg)
    return ToolCall(call_id, name, arguments)
