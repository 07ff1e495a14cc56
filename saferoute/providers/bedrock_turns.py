"""A conversation in the words of Converse: system blocks, and turns of content blocks, as JSON bytes.

Blocks are written one by one and joined, so that what is JSON already (a call's arguments, a reasoning block that has to come back as
it was) goes in byte for byte.

What Converse wants, and is arranged here:

- Leading system messages stand at the top; later ones are `system` turns, text only.
- Neighbouring turns of one role are one turn. All results of a turn's tool calls go into one user turn, before everything else in it.
- Reasoning goes back unchanged, with its signature, and only to the model that made it, in whichever region; anything else is left
  out with a notice. So are the calls and results of server-side tools.
- No empty text blocks; names of tools and ids of calls in the letters that Converse takes.
- A conversation with tool calls in it needs the tools declared: `used_tools` names those that the conversation calls.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, assert_never

from saferoute.errors import InvalidMessages
from saferoute.providers.bedrock_media import Media, MediaRefused
from saferoute.providers.writing import misplaced, written
from saferoute.values.events import Notice
from saferoute.values.json import as_mapping, decode
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.providers.codec import Noticing
    from saferoute.values.messages import Message, OpaqueState
    from saferoute.values.target import Target

__all__ = ["DIALECT", "SERVER_TOOL_USE", "Turns", "checked_tool_name"]

DIALECT = "bedrock_converse"
SERVER_TOOL_USE = "server_tool_use"
CACHE_POINT = b'{"cachePoint":{"type":"default"}}'

_TOOL_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_TOOL_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
# Inference profiles are the same model in other regions: us.anthropic.claude-... and global.anthropic.claude-...
_REGION = re.compile(r"(?:us|us-gov|eu|apac|jp|au|ca|sa|me|af|global)\.(?=[a-z0-9-]+\.)")


def checked_tool_name(name: str) -> str:
    """A tool's name, if Converse takes it.

    Raises:
        InvalidMessages: for a name that Converse does not take.
    """
    if not _TOOL_NAME.fullmatch(name):
        msg = f'Converse takes tool names of 1 to 64 letters, digits, "_" and "-", and {name[:80]!r} is none: rename the tool'
        raise InvalidMessages(msg)
    return name


def _family(model: str) -> str:
    """The model without account, route and region: what two addresses of one model have in common."""
    name = model.rpartition("/")[2].lower()
    region = _REGION.match(name)
    return name[region.end() :] if region else name


def _json_object(text: str) -> dict[str, Any] | None:
    """Read strict JSON that is going to be sent on as it stands; None unless it is an object."""
    try:
        value = decode(text.encode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@dataclass(slots=True)
class _Turn:
    """One turn under construction."""

    role: str
    results: list[bytes] = field(default_factory=list)
    blocks: list[bytes] = field(default_factory=list)

    def encoded(self) -> bytes:
        return b'{"role":"%s","content":[%s]}' % (self.role.encode(), b",".join(self.results + self.blocks))


class Turns:
    """Takes messages in order and writes them; `system` and `messages` give the JSON.

    Attributes:
        used_tools: names of the tools that the conversation calls, in order, without repetition.
    """

    __slots__ = ("_media", "_noticed", "_noticing", "_system", "_target", "_turns", "used_tools")

    def __init__(self, messages: Sequence[Message], target: Target, noticing: Noticing) -> None:
        self.used_tools: dict[str, None] = {}
        self._target = target
        self._noticing = noticing
        self._noticed: set[Notice] = set()
        self._media = Media()
        self._system: list[bytes] = []
        self._turns: list[_Turn] = []
        for message in messages:
            self._add(message)
        for kind in sorted(self._media.as_text):
            self._notice("messages", f"a document of type {kind!r} goes to Converse as plain text", changed=True)
        if self._media.renamed:
            said = "names of documents with characters that Converse does not take, or twice in a request, are changed"
            self._notice("messages", said, changed=True)

    def system(self, *, cache: bool) -> bytes | None:
        """The system blocks as a JSON array; None for none."""
        if not self._system:
            return None
        return b"[%s]" % b",".join([*self._system, CACHE_POINT] if cache else self._system)

    def messages(self, *, cache: bool) -> bytes:
        """The turns as a JSON array; with `cache`, everything up to the end of the last user turn is marked for the provider's cache.

        Raises:
            InvalidMessages: if there is none.
        """
        if not self._turns:
            msg = "the conversation needs at least one message besides system messages"
            raise InvalidMessages(msg)
        last = next((turn for turn in reversed(self._turns) if turn.role == "user"), None)
        if cache and last is not None:
            last.blocks.append(CACHE_POINT)
        return b"[%s]" % b",".join(turn.encoded() for turn in self._turns)

    # ------------------------------------------------------------------------------------------------ roles

    def _add(self, message: Message) -> None:
        if message.name:
            self._notice("messages.name", "Converse has no names of speakers; the name is left out")
        if message.role == "system":
            self._add_system(message)
        elif message.role == "assistant":
            self._add_assistant(message)
        else:
            self._add_user(message)

    def _add_system(self, message: Message) -> None:
        texts = []
        for part in message.content:
            if not isinstance(part, Text):
                raise misplaced(part, "system")
            if part.text:
                texts.append(_text(part.text))
        if not self._turns:
            self._system += texts
        elif texts:
            self._append("system", [], texts)

    def _add_user(self, message: Message) -> None:
        results: list[bytes] = []
        blocks: list[bytes] = []
        for part in message.content:
            if message.role == "tool" and not isinstance(part, ToolResult):
                raise misplaced(part, "tool")
            match part:
                case Text():
                    blocks += [_text(part.text)] if part.text else []
                case Image() | File() | Audio():
                    blocks += self._media_block(part)
                case ToolResult():
                    results.append(self._tool_result(part))
                case Refusal() | ToolCall() | Reasoning():
                    raise misplaced(part, message.role)
                case _ as never:
                    assert_never(never)
        if not results and not blocks:
            msg = f"a {message.role} message has no content that this model takes: Converse refuses empty messages"
            raise InvalidMessages(msg)
        self._append("user", results, blocks)

    def _add_assistant(self, message: Message) -> None:
        blocks: list[bytes] = []
        for part in message.content:
            match part:
                case Text() | Refusal():
                    # Converse refuses blocks of nothing but white space, and models do write them.
                    blocks += [_text(part.text)] if part.text.strip() else []
                    if isinstance(part, Refusal):
                        self._notice("messages", "words of refusal go to Converse as plain text", changed=True)
                case ToolCall():
                    blocks.append(self._tool_use(part))
                case Reasoning():
                    blocks += self._reasoning(part)
                case Image() | File() | Audio():
                    self._noticing.unsupported("messages", f"Converse takes no {part.type} in an assistant message")
                case ToolResult():
                    raise misplaced(part, "assistant")
                case _ as never:
                    assert_never(never)
        if blocks:
            self._append("assistant", [], blocks)
        else:
            self._notice("messages", "an assistant message without content that Converse takes is left out")

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

    # ------------------------------------------------------------------------------------------------ parts

    def _tool_use(self, call: ToolCall) -> bytes:
        arguments = call.arguments.strip() or "{}"
        if _json_object(arguments) is None:
            msg = f"the arguments of the call to tool {call.name!r} are not a JSON object, and Converse takes nothing else"
            raise InvalidMessages(msg)
        self.used_tools[checked_tool_name(call.name)] = None
        head = written({"toolUseId": self._call_id(call.id), "name": call.name})
        return b'{"toolUse":%s,"input":%s}}' % (head[:-1], arguments.encode())

    def _call_id(self, call_id: str) -> str:
        """The call's id in letters that Converse takes: other providers' ids are longer, or have others."""
        if _TOOL_ID.fullmatch(call_id):
            return call_id
        self._notice("messages", "tool call ids that Converse does not take are replaced by a digest", changed=True)
        return "tooluse_" + hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _tool_result(self, result: ToolResult) -> bytes:
        blocks: list[bytes] = []
        for part in result.content:
            if not isinstance(part, Text):
                blocks += self._media_block(part, in_result=True)
            elif part.text:
                blocks.append(_text(part.text))
        head = b'{"toolResult":{"toolUseId":%s,"content":[%s]' % (written(self._call_id(result.call_id)), b",".join(blocks))
        return head + (b',"status":"error"}}' if result.is_error else b"}}")

    def _reasoning(self, part: Reasoning) -> list[bytes]:
        if part.state is None:
            self._notice("messages", "reasoning without its signature cannot go back to Converse and is left out")
            return []
        if not self._is_ours(part.state):
            return []
        if not _may_come_back(_json_object(part.state.payload)):
            self._notice("messages", "a reasoning state that is no reasoning and no server-side tool of Converse is left out")
            return []
        return [part.state.payload.encode()]

    def _is_ours(self, state: OpaqueState) -> bool:
        """Whether the state comes from this model at this provider; said with a notice if not."""
        target = self._target
        if state.dialect == DIALECT and state.provider_name == target.provider_name and _family(state.model) == _family(target.model):
            return True
        origin = f"{state.provider_name} ({state.model})"
        said = f"reasoning and other state of {origin} is left out: {target.provider_name} ({target.model}) cannot use it"
        self._notice("messages", said)
        return False

    def _media_block(self, part: Image | File | Audio, *, in_result: bool = False) -> list[bytes]:
        """One block; none if Converse takes no such thing and the caller said drop."""
        if isinstance(part, Image) and part.detail not in {None, "auto"}:
            self._notice("messages", "Converse has no dial for how closely to look at a picture; detail is left out")
        try:
            return [self._media.block(part, in_result=in_result)]
        except MediaRefused as refused:
            self._noticing.unsupported("messages", str(refused))
            return []


def _may_come_back(block: dict[str, Any] | None) -> bool:
    """Whether a state is one that the reader makes: nothing that has a part of its own may hide in it."""
    if block is None or len(block) != 1:
        return False
    kind, value = next(iter(block.items()))
    if kind == "toolUse":
        return as_mapping(value).get("type") == SERVER_TOOL_USE
    if kind == "toolResult":
        return isinstance(as_mapping(value).get("type"), str)
    return kind == "reasoningContent"


def _text(text: str) -> bytes:
    return b'{"text":%s}' % written(text)
