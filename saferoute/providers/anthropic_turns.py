"""A conversation in the words of the Messages API: top-level system blocks, and turns of content blocks, as JSON bytes.

Blocks are written one by one and joined, so that what is JSON already (a call's arguments, a thinking block that has to come back as
it was) goes in byte for byte, without a placeholder that some text could imitate.

What the API wants, and is arranged here:

- Leading system messages stand at the top; later ones are `system` turns, text only.
- Neighbouring turns of one role are one turn. All results of a turn's tool calls go into one user turn, before everything else in it.
- Thinking goes back unchanged, with its signature, and only to the model that made it; anything else is left out with a notice.
- No empty text blocks.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, assert_never

from saferoute.errors import InvalidMessages
from saferoute.values.events import Notice
from saferoute.values.json import decode, encode
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.providers.codec import Noticing
    from saferoute.values.messages import Message, OpaqueState
    from saferoute.values.target import Target

__all__ = ["DIALECT", "TOOL_USE_EXTRAS", "encode_conversation", "written"]

DIALECT = "anthropic_messages"
# Blocks that have a part of their own: an opaque state may not smuggle one past whoever looks at the parts.
_OWN_BLOCKS = frozenset({"text", "image", "document", "search_result", "tool_use", "tool_result"})
# What a tool_use block has besides id, name and input, and has to come back with it.
TOOL_USE_EXTRAS = ("caller", "toolset_name")

_IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml"})
_TOOL_ID = re.compile(r"[A-Za-z0-9_-]{1,128}")
# A reported name and an asked one differ in a date, "-latest" or "-0": claude-sonnet-4-20250514 answers for claude-sonnet-4-0.
# A provider reports the name, so its length is bounded before a pattern sees it.
_VERSION_TAIL = re.compile(r"(?:-latest|[-@][0-9]{8}|-[0-9]{4}-[0-9]{2}-[0-9]{2}|-0){1,4}\Z")
_LONGEST_NAME = 200


def written(value: object) -> bytes:
    """Write JSON.

    Raises:
        InvalidMessages: for a text with half a surrogate pair, and for values that JSON does not have.
    """
    try:
        return encode(value)
    except ValueError:
        msg = "a text of the call cannot be written as JSON: it holds half a surrogate pair, or a value that JSON does not have"
        raise InvalidMessages(msg) from None


def _family(model: str) -> str:
    """The model's name without vendor prefix, date and "-latest": what two names of one model have in common."""
    name = model[:_LONGEST_NAME].rpartition("/")[2].lower()
    tail = _VERSION_TAIL.search(name)
    return name[: tail.start()] if tail else name


def _json_object(text: str) -> dict[str, Any] | None:
    """Read strict JSON that is going to be sent on as it stands; None unless it is an object."""
    try:
        value = decode(text.encode())
        if "NaN" in text or "Infinity" in text:  # rare: letters in a string, or numbers that JSON does not have
            json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


@dataclass(slots=True)
class _Turn:
    """One turn under construction."""

    role: str
    results: list[bytes] = field(default_factory=list)
    blocks: list[bytes] = field(default_factory=list)

    def encoded(self) -> bytes:
        return b'{"role":"%s","content":[%s]}' % (self.role.encode(), b",".join(self.results + self.blocks))


class _Conversation:
    """Takes messages in order and writes them; `system` and `messages` give the JSON."""

    __slots__ = ("_noticed", "_noticing", "_system", "_target", "_turns")

    def __init__(self, target: Target, noticing: Noticing) -> None:
        self._target = target
        self._noticing = noticing
        self._noticed: set[Notice] = set()
        self._system: list[str] = []
        self._turns: list[_Turn] = []

    def system(self) -> bytes | None:
        """The top-level instructions: a string for one, text blocks for several, None for none."""
        if len(self._system) == 1:
            return written(self._system[0])
        return b"[%s]" % b",".join(map(_text, self._system)) if self._system else None

    def messages(self) -> bytes:
        """The turns, as a JSON array.

        Raises:
            InvalidMessages: if there is none.
        """
        if not self._turns:
            msg = "the conversation needs at least one message besides system messages"
            raise InvalidMessages(msg)
        return b"[%s]" % b",".join(turn.encoded() for turn in self._turns)

    def add(self, message: Message) -> None:
        """Write one message.

        Raises:
            UnsupportedParameter: for parts that the API or the model does not take (unless the request says drop).
            InvalidMessages: for parts that do not belong into a message of this role.
        """
        if message.name:
            self._notice("messages.name", "the Messages API has no names of speakers; the name is left out")
        if message.role == "system":
            self._add_system(message)
        elif message.role == "assistant":
            self._add_assistant(message)
        else:
            self._add_user(message)

    # ------------------------------------------------------------------------------------------------ roles

    def _add_system(self, message: Message) -> None:
        texts = []
        for part in message.content:
            if not isinstance(part, Text):
                raise _misplaced(part, "system")
            if part.text:
                texts.append(part.text)
        if not self._turns:
            self._system += texts
        elif texts:
            self._append("system", [], [_text(text) for text in texts])

    def _add_user(self, message: Message) -> None:
        results: list[bytes] = []
        blocks: list[bytes] = []
        for part in message.content:
            if message.role == "tool" and not isinstance(part, ToolResult):
                raise _misplaced(part, "tool")
            match part:
                case Text():
                    blocks += [_text(part.text)] if part.text else []
                case Image() | File() | Audio():
                    blocks += self._media(part)
                case ToolResult():
                    results.append(self._tool_result(part))
                case Refusal() | ToolCall() | Reasoning():
                    raise _misplaced(part, message.role)
                case _ as never:
                    assert_never(never)
        if not results and not blocks:
            msg = f"a {message.role} message has no content that this model takes: the Messages API refuses empty messages"
            raise InvalidMessages(msg)
        self._append("user", results, blocks)

    def _add_assistant(self, message: Message) -> None:
        blocks: list[bytes] = []
        for position, part in enumerate(message.content):
            match part:
                case Text() | Refusal():
                    # The API refuses blocks of nothing but white space, and models do write them.
                    blocks += [_text(part.text)] if part.text.strip() else []
                    if isinstance(part, Refusal):
                        self._notice("messages", "words of refusal go to this API as plain text", changed=True)
                case ToolCall():
                    blocks.append(self._tool_use(part))
                case Reasoning():
                    blocks += self._reasoning(part, last=position == len(message.content) - 1)
                case Image() | File() | Audio():
                    self._noticing.unsupported("messages", f"the Messages API takes no {part.type} in an assistant message")
                case ToolResult():
                    raise _misplaced(part, "assistant")
                case _ as never:
                    assert_never(never)
        if blocks:
            self._append("assistant", [], blocks)
        else:
            self._notice("messages", "an assistant message without content that the Messages API takes is left out")

    def _append(self, role: str, results: list[bytes], blocks: list[bytes]) -> None:
        if not self._turns or self._turns[-1].role != role:
            self._turns.append(_Turn(role))
        self._turns[-1].results += results
        self._turns[-1].blocks += blocks

    def _notice(self, parameter: str, message: str, *, changed: bool = False) -> None:
        """Record once that something goes out differently, or not at all."""
        notice = Notice("changed" if changed else "dropped", parameter, message)
        if notice not in self._noticed:
            self._noticed.add(notice)
            self._noticing.notices.append(notice)

    # ------------------------------------------------------------------------------------------------ calls and results

    def _tool_use(self, call: ToolCall) -> bytes:
        arguments = call.arguments.strip() or "{}"
        if _json_object(arguments) is None:
            msg = f"the arguments of the call to tool {call.name!r} are not a JSON object, and the Messages API takes nothing else"
            raise InvalidMessages(msg)
        extras = b""
        state = _json_object(call.state.payload) if call.state and self._is_ours(call.state) else None
        for name in TOOL_USE_EXTRAS:
            if state and name in state:
                extras += b',"%s":%s' % (name.encode(), written(state[name]))
        head = written({"type": "tool_use", "id": self._call_id(call.id), "name": call.name})
        return b'%s,"input":%s%s}' % (head[:-1], arguments.encode(), extras)

    def _call_id(self, call_id: str) -> str:
        """The call's id in letters that the API takes: other providers' ids have dots and colons."""
        if _TOOL_ID.fullmatch(call_id):
            return call_id
        self._notice("messages", "tool call ids with other letters than the Messages API takes are replaced by a digest", changed=True)
        return "toolu_" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _tool_result(self, result: ToolResult) -> bytes:
        texts = [part.text for part in result.content if isinstance(part, Text) and part.text]
        if len(texts) == len(result.content) == 1:
            content = written(texts[0])
        else:
            blocks: list[bytes] = []
            for part in result.content:
                if not isinstance(part, Text):
                    blocks += self._media(part)
                elif part.text:
                    blocks.append(_text(part.text))
            content = b"[%s]" % b",".join(blocks) if blocks else b""
        return b'{"type":"tool_result","tool_use_id":%s%s%s}' % (
            written(self._call_id(result.call_id)),
            b',"content":' + content if content else b"",
            b',"is_error":true' if result.is_error else b"",
        )

    # ------------------------------------------------------------------------------------------------ thinking and other state

    def _reasoning(self, part: Reasoning, *, last: bool) -> list[bytes]:
        if part.state is None:
            self._notice("messages", "thinking without its signature cannot go back to the Messages API and is left out")
            return []
        if not self._is_ours(part.state):
            return []
        block = _json_object(part.state.payload)
        kind = block.get("type") if block else None
        if block is None or not isinstance(kind, str) or kind in _OWN_BLOCKS:
            self._notice("messages", "a reasoning state that is not a block of the Messages API is left out")
            return []
        if kind == "thinking" and last and not block.get("signature"):
            self._notice("messages", "thinking that was cut off before its signature is left out")
            return []
        return [part.state.payload.encode()]

    def _is_ours(self, state: OpaqueState) -> bool:
        """Whether the state comes from this model at this provider; said with a notice if not."""
        target = self._target
        if state.dialect == DIALECT and state.provider_name == target.provider_name and _family(state.model) == _family(target.model):
            return True
        origin = f"{state.provider_name} ({state.model})"
        self._notice("messages", f"thinking and other state of {origin} is left out: {target.provider_name} ({target.model}) cannot use it")
        return False

    # ------------------------------------------------------------------------------------------------ pictures and documents

    def _media(self, part: Image | File | Audio) -> list[bytes]:
        """One image or document block; none if the API takes no such thing and the caller said drop."""
        if isinstance(part, Audio):
            self._noticing.unsupported("messages", "the Messages API takes no audio")
            return []
        kind = (part.media_type or "").partition(";")[0].strip().lower()
        if isinstance(part, Image) or kind.startswith("image/"):
            return self._image(part, kind)
        return self._document(part, kind)

    def _image(self, part: Image | File, kind: str) -> list[bytes]:
        if part.data is not None and kind not in _IMAGE_TYPES:
            self._noticing.unsupported("messages", f"the Messages API takes JPEG, PNG, GIF and WebP pictures, not {kind[:40]!r}")
            return []
        if isinstance(part, Image) and part.detail not in {None, "auto"}:
            self._notice("messages", "the Messages API has no dial for how closely to look at a picture; detail is left out")
        return [b'{"type":"image","source":%s}' % _source(part, kind)]

    def _document(self, part: File, kind: str) -> list[bytes]:
        title = b',"title":%s' % written(part.filename) if part.filename else b""
        if part.data is None or kind == "application/pdf":
            source = _source(part, kind)
        elif kind.startswith("text/") or kind in _TEXT_TYPES:
            if kind != "text/plain":
                self._notice("messages", f"a document of type {kind[:40]!r} goes to the Messages API as plain text", changed=True)
            source = b'{"type":"text","media_type":"text/plain","data":%s}' % written(_decoded(part.data))
        else:
            self._noticing.unsupported("messages", f"the Messages API takes PDF and text documents, not {kind[:40]!r}")
            return []
        return [b'{"type":"document","source":%s%s}' % (source, title)]


def _source(part: Image | File, kind: str) -> bytes:
    if part.data is not None:
        return b'{"type":"base64","media_type":"%s","data":"%s"}' % (kind.encode(), b64encode(part.data))
    if part.url is not None:
        return b'{"type":"url","url":%s}' % written(part.url)
    return b'{"type":"file","file_id":%s}' % written(part.file_id if isinstance(part, File) else None)


def _decoded(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = "a text document is not UTF-8"
        raise InvalidMessages(msg) from None


def _text(text: str) -> bytes:
    return b'{"type":"text","text":%s}' % written(text)


def _misplaced(part: Any, role: str) -> InvalidMessages:  # noqa: ANN401  any part
    return InvalidMessages(f"a {part.type} part has no place in a {role} message of the Messages API")


def encode_conversation(messages: Sequence[Message], target: Target, noticing: Noticing) -> tuple[bytes | None, bytes]:
    """Write a conversation.

    Returns:
        The JSON of `system` (None for none) and of `messages`.

    Raises:
        UnsupportedParameter: for parts that the API or the model does not take (unless the request says drop).
        InvalidMessages: for a conversation that the API cannot express.
    """
    conversation = _Conversation(target, noticing)
    for message in messages:
        conversation.add(message)
    return conversation.system(), conversation.messages()
