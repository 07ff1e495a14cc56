"""What was said, as JSON in the conventions' form: for spans of those who ask for it. Bytes and states of providers stay out."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors.root import KEY_SHAPED
from saferoute.values.messages import File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.messages import Message, Part
    from saferoute.values.reply import Reply

__all__ = ["input_messages", "output_messages"]

# What a guard leaves in the place of a find names its kind, such as "sk-key": that is none.
_KEY_OR_MARK: Final = re.compile(rf"(?P<mark>\[redacted: [a-z]{{1,16}}\.[a-z_-]{{1,24}}\])|{KEY_SHAPED.pattern}")


def input_messages(messages: Sequence[Message]) -> str:
    """A conversation, without the answer."""
    return json.dumps([_turn(message) for message in messages])


def output_messages(reply: Reply[Any]) -> str:
    """An answer, and why it ended."""
    return json.dumps([_turn(reply.message) | {"finish_reason": reply.finish_reason}])


def _turn(message: Message) -> dict[str, Any]:
    return {"role": message.role, "parts": [_part(part) for part in message.content]}


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"type": "text", "content": _without_keys(part.text)}
        case Reasoning():
            return {"type": "reasoning", "content": _without_keys(part.text)}
        case ToolCall():
            return {"type": "tool_call", "id": part.id, "name": part.name, "arguments": _arguments(part.arguments)}
        case ToolResult():
            return {"type": "tool_call_response", "id": part.call_id, "response": _without_keys(part.text)}
        case Image():
            return _media("image", part.url, None, part.media_type)
        case File():
            return _media("document", part.url, part.file_id, part.media_type)
        case _:  # Audio
            return _media("audio", None, None, f"audio/{part.format}")


def _media(modality: str, url: str | None, file_id: str | None, media_type: str | None) -> dict[str, Any]:
    """What stands for a picture, a sound or a document: never its bytes, and of an address what is no ticket to it."""
    known = {"modality": modality} | ({} if media_type is None else {"mime_type": media_type})
    if url is not None:
        return {"type": "uri", **known, "uri": _without_keys(url.partition("?")[0])}
    if file_id is not None:
        return {"type": "file", **known, "file_id": file_id}
    return {"type": "blob", **known, "content": ""}


def _arguments(text: str) -> Any:  # noqa: ANN401  JSON
    said = _without_keys(text)
    try:
        return json.loads(said)
    except ValueError:
        return said  # a model can write what is no JSON


def _without_keys(text: str) -> str:
    """A text without what is shaped like a key: one that guards were not asked about, or that a provider has echoed."""
    return _KEY_OR_MARK.sub(lambda found: found[0] if found["mark"] else "[removed]", text)
