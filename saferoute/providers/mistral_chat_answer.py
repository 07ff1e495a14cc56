"""Read answers of Mistral's chat API, streamed or whole. Pure.

A whole body is read as one chunk whose delta is the message, so that both give the same events. Rules:

- Content is a text or a list of chunks. Neighbouring pieces of one kind are one part: text, or thinking, whose state is the chunk with
  its pieces joined. A piece that brings a second signature begins a second part of thinking.
- Calls come whole or in fragments, with arguments as text or as an object; an id of "null" is none.
- Whether the model asks for tools is decided by the calls, not by `finish_reason`; an unknown reason is "other", its word is kept.
- Usage comes with the last choice. Cached tokens stand in `prompt_tokens_details`, on some servers in `num_cached_tokens`.
- `[DONE]` ends a stream; one that ends without it is whole if a finish reason has come.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import Completed, Notice, Noticed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode, integer
from saferoute.values.messages import OpaqueState, ToolCall
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target

__all__ = ["MistralReader"]

_DIALECT: Final = "mistral_chat"
_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "model_length": "context_overflow",
    "tool_calls": "tool_call",
    "error": "error",
}
_REQUEST_IDS: Final = ("mistral-correlation-id", "x-kong-request-id")


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


class MistralReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the answer's end has come.
    """

    __slots__ = (
        "_by_index",
        "_calls",
        "_choice_seen",
        "_finish",
        "_id",
        "_metadata",
        "_model",
        "_open",
        "_parts",
        "_provider",
        "_started",
        "_usage",
        "completed",
    )

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._provider = target.provider_name
        self._model = target.model
        self._started = False
        self._choice_seen = False
        self._id = ""
        self._parts = 0
        self._open: _Part | None = None  # the content part that is arriving
        self._calls: list[_Call] = []
        self._by_index: dict[int, _Call] = {}
        self._finish = ""
        self._usage: Mapping[str, Any] | None = None
        self._metadata: dict[str, Any] = {}

    # ------------------------------------------------------------------------------------------------ the contract

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:  # noqa: ARG002  this dialect names no events
        """Read one chunk of a stream.

        Raises:
            ProviderError: for an error inside the stream.
            ProtocolError: for data that is not a JSON object, and for a stream without any choice.
        """
        try:
            chunk = decode(data)
        except ValueError:
            chunk = None
        if not isinstance(chunk, dict):
            if data.strip() == "[DONE]":
                return self._end()
            raise self._broken(f"a chunk of {len(data)} characters that is no JSON object")
        return self._read(chunk, "delta")

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Read a whole answer.

        Raises:
            ProviderError: for an error inside it.
            ProtocolError: for a body without a choice.
        """
        return [*self._read(body, "message"), *self._end()]

    def on_end(self) -> Sequence[DecodedEvent]:
        """Complete a stream that ended without `[DONE]`, if a finish reason has come."""
        if not self._finish:
            return ()
        events = self._end()
        if self._usage is None:
            why = "the stream ended after its finish reason, but without [DONE] and without token counts"
            events.insert(-1, Noticed(Notice("noted", "usage", why)))
        return events

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Read an error answer; the request's id stands in a header of Mistral's own, or in the body."""
        headers = dict(head.headers)
        named = [*(headers.get(name) for name in _REQUEST_IDS), body.get("request_id")]
        for value in named:
            if isinstance(value, str):
                headers.setdefault("x-request-id", value)
        return provider_error(Head(head.status, headers), complaint_in(body), provider_name=self._provider)

    # ------------------------------------------------------------------------------------------------ one chunk or body

    def _read(self, chunk: Mapping[str, Any], key: str) -> list[DecodedEvent]:
        choices = as_list(chunk.get("choices"))
        if chunk.get("error") or (not choices and (chunk.get("object") == "error" or "message" in chunk or "detail" in chunk)):
            raise self.error(Head(200, {}), chunk)
        events: list[DecodedEvent] = []
        if not self._started and (choices or chunk.get("id")):
            self._started = True
            self._id = as_text(chunk.get("id"))
            events.append(Started(self._id, as_text(chunk.get("model"))))
        usage = chunk.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
            if isinstance(usage.get("service_tier"), str):
                self._metadata["service_tier"] = usage["service_tier"]
        for choice in choices:
            if isinstance(choice, dict) and not choice.get("index"):  # only the first of several answers
                self._choice_seen = True
                self._finish = as_text(choice.get("finish_reason")) or self._finish
                self._keep_logprobs(choice)
                self._read_delta(as_mapping(choice.get(key)), events, whole=key == "message")
        return events

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
        elif kind in {None, "text"}:
            self._add_text(as_text(chunk.get("text")), events)
        else:  # references to sources, and what later versions bring
            self._metadata.setdefault("chunks", []).append(dict(chunk))

    def _read_call(self, fragment: Mapping[str, Any], position: int, events: list[DecodedEvent]) -> None:
        function = as_mapping(fragment.get("function"))
        call_id, name = as_text(fragment.get("id")), as_text(function.get("name"))
        call_id = "" if call_id == "null" else call_id
        index = integer(fragment.get("index"))
        call = self._find(index, call_id, name, position)
        if call is None:
            part = self._new_part()
            seed = f"{self._id}|{part}".encode("utf-8", "replace")
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
            state = OpaqueState(self._provider, _DIALECT, self._model, self._json(chunk))
        events.append(PartEnd(part.index, state))

    def _keep_logprobs(self, choice: Mapping[str, Any]) -> None:
        given = as_mapping(choice.get("logprobs"))
        if given:
            kept = self._metadata.setdefault("logprobs", {})
            for name, value in given.items():
                kept[name] = [*as_list(kept.get(name)), *value] if isinstance(value, list) else value

    # ------------------------------------------------------------------------------------------------ the end

    def _end(self) -> list[DecodedEvent]:
        if not self._choice_seen:
            raise self._broken("an answer without a choice")
        events: list[DecodedEvent] = []
        self._close_part(events)
        events += [ToolCallReady(call.index, ToolCall(call.id, call.name, "".join(call.arguments))) for call in self._calls]
        finish = _FINISH.get(self._finish, "other")
        if self._calls and finish in {"stop", "other"}:
            finish = "tool_call"
        elif finish == "tool_call" and not self._calls:
            finish = "stop"
        self.completed = True
        return [*events, Completed(finish, self._finish, _usage(self._usage), self._metadata)]

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._provider or 'the provider'} sent {what}")


def _usage(raw: Mapping[str, Any] | None) -> Usage:
    if raw is None:
        return Usage()
    read = integer(as_mapping(raw.get("prompt_tokens_details")).get("cached_tokens"))
    if read is None:
        read = integer(raw.get("num_cached_tokens"))
    return usage_from_totals(
        input_tokens=integer(raw.get("prompt_tokens")),
        output_tokens=integer(raw.get("completion_tokens")),
        cache_read=read or 0,
        reasoning=integer(as_mapping(raw.get("completion_tokens_details")).get("reasoning_tokens")) or 0,
        raw=raw,
    )
