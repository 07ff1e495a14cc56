"""A conversation in the words of generateContent: system instruction and contents, as JSON bytes.

Parts are written one by one and joined, so that what is JSON already (a call's arguments, a part of a server-side tool that has to
come back as it was) goes in byte for byte, without a placeholder that some text could imitate.

What the API wants, and is arranged here:

- Neighbouring turns of one role are one content. Results of calls come first in it, in the order of their calls.
- A result names its function; the name is that of the call in the conversation that the result answers.
- System messages stand in `systemInstruction`, wherever they stood: the API knows no other place.
- A thought signature goes back on the very part that it came with, and only to the model that made it. A text has no room for a state,
  so that its signature travels as a reasoning part without text right behind it (see `gemini_answer`).
- From Gemini 3 on, the first call of a model's turn must have a signature; a call that another model made, or that a program wrote,
  goes out with the placeholder that Google documents for this.
"""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, assert_never

from saferoute.errors import InvalidMessages
from saferoute.providers.writing import misplaced, written
from saferoute.values.json import decode
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.providers.writing import NoticingOnce
    from saferoute.values.messages import Message, OpaqueState
    from saferoute.values.target import Target

__all__ = ["encode_conversation", "generation", "transport"]

# Base64 of "skip_thought_signature_validator": the field holds bytes.
_PLACEHOLDER: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_FIRST_WITH_SIGNATURES: Final = 3
_GENERATION: Final = re.compile(r"gemini-([0-9]{1,3})(?:[.-]|\Z)")
_LATEST: Final = re.compile(r"gemini-[a-z-]*latest")

# Parts that a state may hold whole. Everything else has a part of our own: a state may not smuggle one past whoever looks at the parts.
_WHOLE_PARTS: Final = frozenset({"executableCode", "codeExecutionResult", "toolCall", "toolResponse"})
_FLAGS: Final = frozenset({"thought", "thoughtSignature"})
_MEDIA: Final = re.compile(r"(?:image|audio|video)/[A-Za-z0-9.+-]+(?:;[A-Za-z0-9.+=;-]*)?")
_AUDIO_FORMAT: Final = re.compile(r"[A-Za-z0-9.+-]{1,40}")

# What a URL's ending says about its media type, for the servers that want one.
_ENDINGS: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "mp3": "audio/mp3",
    "wav": "audio/wav",
    "mp4": "video/mp4",
    "webm": "video/webm",
}


def generation(model: str) -> int | None:
    """The generation that a model's name tells: 2 for gemini-2.5-flash, 3 for the "-latest" names; None for other models' names."""
    match = _GENERATION.match(model)
    if match is not None:
        return int(match[1])
    return _FIRST_WITH_SIGNATURES if _LATEST.match(model) else None


def transport(target: Target) -> str:
    """What a state's dialect is called: Vertex AI refuses what the Developer API signed, and the other way round."""
    return f"{target.dialect}/vertex" if "/publishers/google" in target.path else target.dialect


@dataclass(slots=True)
class _Turn:
    """One content under construction; results carry the position of their call."""

    role: str
    results: list[tuple[int, bytes]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)

    def encoded(self) -> bytes:
        results = [part for _, part in sorted(self.results, key=lambda result: result[0])]
        return b'{"role":"%s","parts":[%s]}' % (self.role.encode(), b",".join(results + self.parts))


class _Conversation:
    """Takes messages in order and writes them; `system` and `contents` give the JSON."""

    __slots__ = ("_asked", "_noticing", "_system", "_target", "_turns")

    def __init__(self, target: Target, noticing: NoticingOnce) -> None:
        self._target = target
        self._noticing = noticing
        self._system: list[bytes] = []
        self._turns: list[_Turn] = []
        self._asked: dict[str, tuple[int, str]] = {}  # by id of the call: its position among all, and the function's name

    def system(self) -> bytes | None:
        """The parts of the system instruction; None for none."""
        return b"[%s]" % b",".join(self._system) if self._system else None

    def contents(self) -> bytes:
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
            self._noticing.once("dropped", "messages.name", "generateContent has no names of speakers; the name is left out")
        if message.role == "system":
            self._add_system(message)
        elif message.role == "assistant":
            self._add_assistant(message)
        else:
            self._add_user(message)

    # ------------------------------------------------------------------------------------------------ roles

    def _add_system(self, message: Message) -> None:
        for part in message.content:
            if not isinstance(part, Text):
                raise misplaced(part, "system")
            if part.text:
                self._system.append(written({"text": part.text}))
        if self._turns:
            said = "generateContent takes instructions at the beginning only; later system messages are moved there"
            self._noticing.once("changed", "messages", said)

    def _add_user(self, message: Message) -> None:
        turn = _Turn("user")
        for part in message.content:
            if message.role == "tool" and not isinstance(part, ToolResult):
                raise misplaced(part, "tool")
            match part:
                case Text():
                    turn.parts += [written({"text": part.text})] if part.text else []
                case Image() | File() | Audio():
                    media = self._media(part)
                    turn.parts += [written(media)] if media else []
                case ToolResult():
                    turn.results.append(self._result(part))
                case Refusal() | ToolCall() | Reasoning():
                    raise misplaced(part, message.role)
                case _ as never:
                    assert_never(never)
        if not turn.results and not turn.parts:
            msg = f"a {message.role} message has no content that this model takes: generateContent refuses empty contents"
            raise InvalidMessages(msg)
        self._append(turn)

    def _add_assistant(self, message: Message) -> None:
        parts: list[dict[str, Any] | bytes] = []
        called = False
        for part in message.content:
            match part:
                case Text() | Refusal():
                    parts += [{"text": part.text}] if part.text else []
                    if isinstance(part, Refusal):
                        self._noticing.once("changed", "messages", "words of refusal go to generateContent as plain text")
                case ToolCall():
                    parts.append(self._call(part, first=not called))
                    called = True
                case Reasoning():
                    self._reasoning(part, parts)
                case Image() | File() | Audio():
                    self._noticing.unsupported("messages", f"generateContent takes no {part.type} in an assistant message")
                case ToolResult():
                    raise misplaced(part, "assistant")
                case _ as never:
                    assert_never(never)
        if parts:
            self._append(_Turn("model", [], [part if isinstance(part, bytes) else written(part) for part in parts]))
        else:
            said = "an assistant message without content that generateContent takes is left out"
            self._noticing.once("dropped", "messages", said)

    def _append(self, turn: _Turn) -> None:
        if self._turns and self._turns[-1].role == turn.role:
            self._turns[-1].results += turn.results
            self._turns[-1].parts += turn.parts
        else:
            self._turns.append(turn)

    # ------------------------------------------------------------------------------------------------ calls and results

    def _call(self, call: ToolCall, *, first: bool) -> bytes:
        arguments = call.arguments.strip() or "{}"
        if not _is_strict_object(arguments):
            msg = f"the arguments of the call to tool {call.name!r} are not a JSON object, and generateContent takes nothing else"
            raise InvalidMessages(msg)
        self._asked[call.id] = (len(self._asked), call.name)
        state = self._own_state(call.state) if call.state is not None else None
        signature = _signature(state)
        if signature is None and first and (generation(self._target.model) or 0) >= _FIRST_WITH_SIGNATURES:
            signature = _PLACEHOLDER
            said = f"calls without a thought signature of {self._target.model} go out with the placeholder that Google documents for them"
            self._noticing.once("noted", "messages", said)
        flag = b"" if signature is None else b',"thoughtSignature":' + written(signature)
        head = written({"id": call.id, "name": call.name})
        return b'{"functionCall":%s,"args":%s}%s}' % (head[:-1], arguments.encode(), flag)

    def _result(self, result: ToolResult) -> tuple[int, bytes]:
        if result.call_id not in self._asked:
            msg = f"the result of tool call {result.call_id[:60]!r} has no call before it, so that its function has no name"
            raise InvalidMessages(msg)
        position, name = self._asked[result.call_id]
        answer: dict[str, Any] = {"id": result.call_id, "name": name, "response": {"error" if result.is_error else "result": result.text}}
        media = [entry for part in result.content if not isinstance(part, Text) and (entry := self._media(part))]
        if media:
            answer["parts"] = media
        return position, written({"functionResponse": answer})

    # ------------------------------------------------------------------------------------------------ thinking and other state

    def _reasoning(self, part: Reasoning, parts: list[dict[str, Any] | bytes]) -> None:
        if part.state is None:
            said = "thinking without the state that came with it cannot go back to generateContent and is left out"
            self._noticing.once("dropped", "messages", said)
            return
        state = self._own_state(part.state)
        if state is None:
            return
        signature = _signature(state)
        if state.keys() <= _FLAGS and state.get("thought") is True:
            thought: dict[str, Any] = {"text": part.text, "thought": True}
            parts.append(thought if signature is None else thought | {"thoughtSignature": signature})
        elif state.keys() == {"thoughtSignature"} and signature is not None and not part.text:
            if parts and isinstance(parts[-1], dict) and parts[-1].keys() == {"text"}:
                parts[-1]["thoughtSignature"] = signature
            else:
                parts.append({"text": "", "thoughtSignature": signature})
        elif _is_whole_part(state) and _is_strict_object(part.state.payload):
            parts.append(part.state.payload.encode())
        else:
            self._noticing.once("dropped", "messages", "a reasoning state that is not a part of generateContent's is left out")

    def _own_state(self, state: OpaqueState) -> Mapping[str, Any] | None:
        """The state's content, if this model made it behind this API's door; else None, and a notice."""
        here = self._target
        if state.dialect != transport(here) and state.dialect.partition("/")[0] == here.dialect:
            said = "thought signatures of the Gemini Developer API and of Vertex AI mean nothing to each other; they are left out"
            self._noticing.once("dropped", "reasoning", said)
            return None
        return self._noticing.own_state(replace(state, dialect=state.dialect.partition("/")[0]), here)

    # ------------------------------------------------------------------------------------------------ pictures, sound, documents

    def _media(self, part: Image | File | Audio) -> dict[str, Any] | None:
        """One part with its bytes, or with the address where the provider finds them; None if the model takes no such thing."""
        if isinstance(part, Audio):
            if not _AUDIO_FORMAT.fullmatch(part.format):
                msg = 'the format of an Audio part must be the ending of an audio media type, such as "wav" or "mp3"'
                raise InvalidMessages(msg)
            return _inline(f"audio/{part.format.lower()}", part.data)
        kind = (part.media_type or "").strip()
        if isinstance(part, Image) and part.detail not in {None, "auto"}:
            said = "generateContent has no dial for how closely to look at one picture; detail is left out"
            self._noticing.once("dropped", "messages", said)
        if isinstance(part, File) and part.filename:
            self._noticing.once("dropped", "messages", "generateContent has no names of documents; filename is left out")
        if part.data is not None:
            return _inline(kind, part.data)
        address = part.url or self._file_address(part)
        if address is None:
            return None
        kind = kind or _ENDINGS.get(address.partition("?")[0].rpartition(".")[2].lower(), "")
        return {"fileData": {"mimeType": kind, "fileUri": address} if kind else {"fileUri": address}}

    def _file_address(self, part: Image | File) -> str | None:
        """The address of a file that the provider holds: "files/ID" is one at the Developer API itself; None for no such place."""
        file_id = (part.file_id if isinstance(part, File) else None) or ""
        if file_id.startswith(("gs://", "https://")):
            return file_id
        vertex = transport(self._target) != self._target.dialect
        if file_id.startswith("files/") and not vertex:
            return f"{self._target.origin}{self._target.path}/{file_id}"
        want = '"gs://BUCKET/NAME" or an https address' if vertex else '"files/ID", "gs://BUCKET/NAME" or an https address'
        self._noticing.unsupported("messages", f"a file that the provider holds is given to generateContent as file_id={want}")
        return None


def _inline(kind: str, data: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": kind, "data": b64encode(data).decode()}}


def _signature(state: Mapping[str, Any] | None) -> str | None:
    signature = state.get("thoughtSignature") if state else None
    return signature if isinstance(signature, str) and signature else None


def _is_whole_part(state: Mapping[str, Any]) -> bool:
    """Whether the state is a whole part that has no part of our own: of a server-side tool, or what the model drew or said."""
    kinds = state.keys() - _FLAGS
    if len(kinds) != 1:
        return False
    kind = next(iter(kinds))
    inner = state[kind]
    if not isinstance(inner, dict):
        return False
    if kind == "inlineData":
        return inner.keys() <= {"mimeType", "data"} and bool(_MEDIA.fullmatch(str(inner.get("mimeType"))))
    return kind in _WHOLE_PARTS


def _is_strict_object(text: str) -> bool:
    """Whether a text is one JSON object that may go on as it stands: no number that JSON does not have, nothing behind it."""
    try:
        value = decode(text.encode())
        if "NaN" in text or "Infinity" in text:  # rare: letters in a string, or numbers that JSON does not have
            json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return False
    return isinstance(value, dict)


def _refuse_constant(name: str) -> None:
    raise ValueError(name)


def encode_conversation(messages: Sequence[Message], target: Target, noticing: NoticingOnce) -> tuple[bytes | None, bytes]:
    """Write a conversation.

    Returns:
        The JSON of the system instruction's parts (None for none) and of `contents`.

    Raises:
        UnsupportedParameter: for parts that the API or the model does not take (unless the request says drop).
        InvalidMessages: for a conversation that the API cannot express.
    """
    conversation = _Conversation(target, noticing)
    for message in messages:
        conversation.add(message)
    return conversation.system(), conversation.contents()
