"""Gather one choice of a Mistral answer: its parts and its calls. Pure."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.logprobs import token_logprobs
from saferoute.values.events import Cited, PartEnd, ReasoningDelta, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.json import as_list, as_mapping, as_text, encode, integer
from saferoute.values.messages import Citation, OpaqueState, ToolCall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.events import DecodedEvent, FinishReason, TokenLogprob
    from saferoute.values.target import Target

__all__ = ["Choice"]

_DIALECT: Final = "mistral_chat"
_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "model_length": "context_overflow",
    "tool_calls": "tool_call",
    "error": "error",
}


class _Part:
    """Text or thinking that is arriving; thinking keeps its chunk, which has to come back.

    Attributes:
        index: its number among the answer's parts.
        chunk: the thinking chunk, without its pieces; None for text.
        pieces: the chunk's pieces, but for the texts that came last.
        texts: these texts; they become one piece.
    """

    __slots__ = ("chunk", "index", "pieces", "texts")

    def __init__(self, index: int, chunk: dict[str, Any] | None = None) -> None:
        self.index = index
        self.chunk = chunk
        self.pieces: list[dict[str, Any]] = []
        self.texts: list[str] = []

    def add(self, piece: dict[str, Any]) -> None:
        """Add a piece of thinking."""
        text = piece.get("text")
        if isinstance(text, str) and piece.keys() == {"type", "text"}:
            self.texts.append(text)
        else:
            self.join()
            self.pieces.append(piece)

    def join(self) -> None:
        """Make one piece of the neighbouring texts."""
        if self.texts:
            self.pieces.append({"type": "text", "text": "".join(self.texts)})
            self.texts.clear()


class _Call:
    """A tool call that is arriving."""

    __slots__ = ("arguments", "id", "index", "name")

    def __init__(self, index: int, call_id: str) -> None:
        self.index = index
        self.id = call_id
        self.name = ""
        self.arguments: list[str] = []


class Choice:
    """One choice that is arriving.

    Attributes:
        finish: the provider's word for why it ended; "" until it came.
        metadata: what is kept of it beside its parts.
        seed: what the ids of calls that came without one are made of.
    """

    __slots__ = ("_by_index", "_calls", "_open", "_parts", "_target", "finish", "metadata", "seed")

    def __init__(self, target: Target, seed: str) -> None:
        self.finish = ""
        self.metadata: dict[str, Any] = {}
        self.seed = seed
        self._target = target
        self._parts = 0
        self._open: _Part | None = None  # the content part that is arriving
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}

    def read(self, choice: Mapping[str, Any], key: str, events: list[DecodedEvent]) -> None:
        """Read a piece of the choice, or all of it, where `key` is "message"."""
        self.finish = as_text(choice.get("finish_reason")) or self.finish
        self._keep_logprobs(choice)
        self._read_delta(as_mapping(choice.get(key)), events, whole=key == "message")

    def end_parts(self, events: list[DecodedEvent]) -> None:
        """Every part is whole."""
        self._close_part(events)
        events += [ToolCallReady(call.index, ToolCall(call.id, call.name, "".join(call.arguments))) for call in self._calls]

    def finish_reason(self) -> FinishReason:
        """Why the choice ended, in our words."""
        finish = _FINISH.get(self.finish, "other")
        if self._calls and finish in {"stop", "other"}:
            return "tool_call"
        return "stop" if finish == "tool_call" and not self._calls else finish

    def logprobs(self) -> tuple[TokenLogprob, ...]:
        """How likely each token was, as far as it was said."""
        return token_logprobs(as_mapping(self.metadata.get("logprobs")).get("content"))

    # ------------------------------------------------------------------------------------------------ the message

    def _read_delta(self, delta: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        content = delta.get("content")
        if isinstance(content, str):
            self._add_text(content, events)
        for chunk in as_list(content):
            self._read_chunk(as_mapping(chunk), events)
        for position, call in enumerate(as_list(delta.get("tool_calls"))):
            fragment = as_mapping(call)
            self._read_call({**fragment, "index": position} if whole else fragment, position, events)

    def _read_chunk(self, chunk: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        kind = chunk.get("type")
        if kind == "thinking":
            self._add_thinking(chunk, events)
        elif kind is None or kind == "text":
            self._add_text(as_text(chunk.get("text")), events)
        else:  # references to sources, and what later versions bring
            self.metadata.setdefault("chunks", []).append(dict(chunk))
            if self._open is not None and self._open.chunk is None:
                events += [Cited(self._open.index, citation) for citation in _sources(chunk)]

    def _read_call(self, fragment: Mapping[str, Any], position: int, events: list[DecodedEvent]) -> None:
        function = as_mapping(fragment.get("function"))
        call_id, name = as_text(fragment.get("id")), as_text(function.get("name"))
        call_id = "" if call_id == "null" else call_id
        index = integer(fragment.get("index"))
        call = self._find(index, call_id, name, position)
        if call is None:
            part = self._new_part()
            seed = f"{self.seed}|{part}".encode("utf-8", "replace")
            call = _Call(part, call_id or sha256(seed).hexdigest()[:9])
            self._calls.append(call)
            if index is not None:
                self._by_index[index] = call
        call.name = call.name or name
        given = function.get("arguments")
        piece = given if isinstance(given, str) else ("" if given is None else self._json(given))
        call.arguments.append(piece)
        events.append(ToolCallDelta(call.index, call.id, call.name, piece))

    def _find(self, index: int | None, call_id: str, name: str, position: int) -> _Call | None:
        """The call that a fragment continues: by index, by id, or the last one; None if it begins one."""
        if index is not None:
            call = self._by_index.get(index)
            # servers that number every parallel call 0 give each a new id together with its name
            return None if call is not None and call_id and name and call_id != call.id else call
        if call_id:
            return next((call for call in self._calls if call.id == call_id), None)
        return None if name or position or not self._calls else self._calls[-1]

    # ------------------------------------------------------------------------------------------------ parts

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _add_text(self, text: str, events: list[DecodedEvent]) -> None:
        if not text:
            return
        if self._open is None or self._open.chunk is not None:
            self._close_part(events)
            self._open = _Part(self._new_part())
        events.append(TextDelta(text, self._open.index))

    def _add_thinking(self, chunk: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        given = chunk.get("thinking")
        pieces = [{"type": "text", "text": given}] if isinstance(given, str) else as_list(given)
        part = self._open
        if part is None or part.chunk is None or (part.chunk.get("signature") and chunk.get("signature")):
            self._close_part(events)
            part = self._open = _Part(self._new_part(), {})
        for piece in pieces:
            if isinstance(piece, dict):
                part.add(piece)
                text = as_text(piece.get("text"))
                if text:
                    events.append(ReasoningDelta(text, part.index))
        more = {name: value for name, value in chunk.items() if name not in {"type", "thinking"} and value is not None}
        part.chunk = {**(part.chunk or {}), **more}

    def _close_part(self, events: list[DecodedEvent]) -> None:
        part, self._open = self._open, None
        if part is None:
            return
        state = None
        if part.chunk is not None:
            part.join()
            chunk = {"type": "thinking", "thinking": part.pieces, **part.chunk}
            state = OpaqueState(self._target.provider_name, _DIALECT, self._target.model, self._json(chunk))
        events.append(PartEnd(part.index, state))

    def _keep_logprobs(self, choice: Mapping[str, Any]) -> None:
        for name, value in as_mapping(choice.get("logprobs")).items():
            kept = self.metadata.setdefault("logprobs", {})
            if isinstance(value, list) and isinstance(kept.get(name), list):
                kept[name] += value
            else:
                kept[name] = value

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            msg = f"{self._target.provider_name or 'the provider'} sent a number that JSON does not have"
            raise ProtocolError(msg) from None


def _sources(chunk: Mapping[str, Any]) -> list[Citation]:
    """The sources that a chunk refers to: ids out of what the call gave, or a page that a tool of the provider's found."""
    if chunk.get("type") == "reference":
        return [Citation(source=str(name)) for name in as_list(chunk.get("reference_ids")) if _names(name)]
    title, url = as_text(chunk.get("title")) or None, as_text(chunk.get("url")) or None
    return [Citation(title=title, url=url)] if chunk.get("type") == "tool_reference" and (title or url) else []


def _names(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)
