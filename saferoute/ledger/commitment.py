"""Commitments: what a record says about a content without holding it.

    salt       = HMAC-SHA256(log secret, "saferoute salt v1|SEGMENT|SEQ|FIELD")
    commitment = HMAC-SHA256(salt, content)

A plain hash of a short prompt is found by trying all short prompts, and one key for all records would open them all once it is given
out. So each commitment has a salt of its own, which opens this one and no other, and is as hard to guess as the log secret.
"""

from __future__ import annotations

import json
from hashlib import sha256
from hmac import digest
from typing import TYPE_CHECKING, Any, Final, assert_never

from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import override

from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.template import Template
from saferoute.values.template_values import JsonText

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.values.messages import Message, OpaqueState, Part
    from saferoute.values.request import OutputSchema
    from saferoute.values.tools import Tool

__all__ = ["Salts", "commit", "message_bytes", "messages_bytes", "salt", "system_id", "text_bytes"]

_BLOCK: Final = 64  # of SHA-256, for HMAC as RFC 2104 has it
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))
_REST: Final = bytes(_BLOCK - 32)  # of a block behind a salt
_SYSTEM: Final = b"saferoute system prompt v1"
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


class Salts:
    """The salts of one segment. It begins their HMAC once, and remembers the last system prompt: most calls have the same.

    Args:
        secret: the log secret.
        segment: the segment's id.
    """

    __slots__ = ("_begun", "_last", "_outer", "_secret")

    def __init__(self, secret: bytes, segment: str) -> None:
        key = (sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._begun = sha256(key.translate(_INNER) + f"saferoute salt v1|{segment}|".encode())
        self._outer = sha256(key.translate(_OUTER))
        self._secret = secret
        self._last = ("", system_id(secret, ""))

    def made(self, seq: int, contents: Mapping[str, bytes]) -> tuple[dict[str, bytes], dict[str, str]]:
        """The salts of a record (see `salt`), and the commitments under them, both by the contents' names."""
        salts: dict[str, bytes] = {}
        committed: dict[str, str] = {}
        for field, content in contents.items():
            inner, outer = self._begun.copy(), self._outer.copy()
            inner.update(f"{seq}|{field}".encode())
            outer.update(inner.digest())
            salts[field] = salt = outer.digest()
            committed[field] = commit(salt, content)
        return salts, committed

    def system_id(self, text: str) -> str:
        """The fingerprint of a system prompt: see `system_id`."""
        last = self._last
        if last[0] != text:
            self._last = last = (text, system_id(self._secret, text))
        return last[1]

    @override
    def __repr__(self) -> str:
        return "Salts()"


def salt(secret: bytes, segment: str, seq: int, field: str) -> bytes:
    """The salt of one commitment, 32 bytes.

    Args:
        secret: the log secret.
        segment: the segment's id.
        seq: the record's place in it.
        field: what is committed to, such as "asked".
    """
    return digest(secret, f"saferoute salt v1|{segment}|{seq}|{field}".encode(), "sha256")


def commit(salt: bytes, content: bytes) -> str:
    """The commitment to a content under its salt of 32 bytes, in hex: HMAC in two steps, which take less than `hmac.digest` does."""
    key = salt + _REST
    inner = sha256(key.translate(_INNER))
    inner.update(content)
    return sha256(key.translate(_OUTER) + inner.digest()).hexdigest()


def system_id(secret: bytes, text: str) -> str:
    """The fingerprint of a system prompt, in hex: the same for the same text, in every segment of one log secret."""
    return digest(digest(secret, _SYSTEM, "sha256"), text_bytes(text), "sha256").hex()


def text_bytes(text: str) -> bytes:
    """A text in UTF-8; half of a surrogate pair, which no provider takes and a caller may give, as the three bytes of its number."""
    return text.encode("utf-8", "surrogatepass")


def message_bytes(message: Message) -> bytes:
    """What a commitment to a message is over: strict JSON of it, with what is binary by its SHA-256 (docs/spec/ledger.md)."""
    content = message.content
    if len(content) == 1 and content[0].__class__ is Text and message.name is None:  # most answers are one text, and nothing else
        part = content[0]
        if not part.citations and not isinstance(part.template, Template):
            try:
                return b'{"content":[{"text":%b,"type":"text"}],"role":%b}' % (to_json(part.text), to_json(message.role))
            except PydanticSerializationError:  # half of a surrogate pair
                pass
    return text_bytes(_ENCODER.encode(_message(message)))


def messages_bytes(messages: Iterable[Message], tools: Sequence[Tool] = (), output: OutputSchema | None = None) -> bytes:
    """What a commitment to a request is over: its messages, and the tools and the schema of the answer where it has them."""
    said: dict[str, Any] = {"messages": [_message(message) for message in messages]}
    if tools:
        said["tools"] = [_tool(tool) for tool in tools]
    if output is not None:
        said["output"] = {"name": output.name, "schema": output.schema.decode(), "strict": output.strict}
    return text_bytes(_ENCODER.encode(said))


def _given(**fields: Any) -> dict[str, Any]:  # noqa: ANN401  whatever a part has
    """The fields that are said."""
    return {name: value for name, value in fields.items() if value is not None}


def _message(message: Message) -> dict[str, Any]:
    return _given(role=message.role, content=[_part(part) for part in message.content], name=message.name)


def _tool(tool: Tool) -> dict[str, Any]:
    return _given(name=tool.name, description=tool.description, parameters=tool.parameters.decode(), strict=tool.strict)


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text():
            return _text(part)
        case Refusal():
            return {"type": "refusal", "text": part.text}
        case Reasoning():
            return _given(type="reasoning", text=part.text, state=_state(part.state))
        case ToolCall():
            return _given(type="tool_call", id=part.id, name=part.name, arguments=part.arguments, state=_state(part.state))
        case ToolResult():
            content = [_part(item) for item in part.content]
            return {"type": "tool_result", "call_id": part.call_id, "content": content, "is_error": part.is_error}
        case Image():
            return _given(type="image", media_type=part.media_type, detail=part.detail, url=part.url, **_binary(part.data))
        case Audio():
            return _given(type="audio", format=part.format, **_binary(part.data))
        case File():
            ours = _given(media_type=part.media_type, filename=part.filename, url=part.url, file_id=part.file_id)
            return {"type": "file", **ours, **_binary(part.data)}
        case _:
            assert_never(part)


def _text(part: Text) -> dict[str, Any]:
    said: dict[str, Any] = {"type": "text", "text": part.text}
    if part.citations:
        names = ("start", "end", "title", "url", "source", "quote")
        said["citations"] = [_given(**{name: getattr(citation, name) for name in names}) for citation in part.citations]
    if isinstance(part.template, Template):  # it is still to be written out: its values are the content
        said["template"] = {"name": part.template.name, "values": {name: _value(value) for name, value in part.template.given}}
    return said


def _value(value: object) -> object:
    """A template's value: what JSON text it is, and a float as its shortest digits, which strict JSON has no other place for."""
    return value.text if isinstance(value, JsonText) else repr(value) if isinstance(value, float) else value


def _binary(data: bytes | None) -> dict[str, Any]:
    return {} if data is None else {"bytes": len(data), "sha256": sha256(data).hexdigest()}


def _state(state: OpaqueState | None) -> dict[str, Any] | None:
    if state is None:
        return None
    payload = text_bytes(state.payload)
    return {"provider": state.provider_name, "dialect": state.dialect, "model": state.model, **_binary(payload)}
