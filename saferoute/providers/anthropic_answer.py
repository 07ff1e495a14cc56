"""Answers of the Messages API, whole and streamed, as events.

A whole body is read as the stream it could have been: every content block begins, brings its content and ends. Rules:

- A block's wire index only finds the block; parts are numbered in order of first appearance. llama.cpp keeps several blocks open at
  once, so that blocks may overlap. A piece for a block that is not open, a second block of one index, and content before
  `message_start` are ProtocolErrors: they mean that something was lost.
- Unknown event types and unknown kinds of delta are skipped, as the API asks of its clients.
- Thinking, and every kind of block that has no part of its own (a server-side tool's use and result, for example), becomes a reasoning
  part whose opaque state is the block: that is what has to come back in the next turn. Server-side tools are not the caller's tools:
  their blocks also stand in the metadata, under "server_blocks".
- A citation is of the whole text block that it stands in; as it came, it also stands in the metadata, under "citations".
- Only `message_stop` ends a stream. A stream that ends without it was cut off, even if a stop reason had come.
- Counts in `message_delta` are totals so far and replace those of `message_start`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import ProtocolError
from saferoute.providers.anthropic_citations import citation_of
from saferoute.providers.anthropic_complaints import error_of
from saferoute.providers.anthropic_turns import DIALECT, TOOL_USE_EXTRAS
from saferoute.providers.price_terms import under_terms
from saferoute.values.events import Cited, Completed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode, integer
from saferoute.values.messages import OpaqueState, ToolCall
from saferoute.values.usage import usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["AnthropicReader"]

_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_overflow",
    "tool_use": "tool_call",
    "refusal": "refusal",
    "pause_turn": "pause",
}
# What of a message besides its content is worth keeping.
_METADATA = ("container", "stop_sequence", "stop_details", "context_management")


class _Block:
    """A content block that is open.

    Attributes:
        part: number of the part that it makes.
        kind: the wire's type.
        start: the block as it began.
        pieces: text of the thinking, or JSON of the arguments.
        signature: pieces of the signature.
        readable: whether everything of it was understood, so that it can be given back as it was.
    """

    __slots__ = ("kind", "part", "pieces", "readable", "signature", "start")

    def __init__(self, part: int, kind: str, start: Mapping[str, Any]) -> None:
        self.part = part
        self.kind = kind
        self.start = start
        self.pieces: list[str] = []
        self.signature: list[str] = []
        self.readable = True


class AnthropicReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the terminal event has come.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_citations",
        "_id",
        "_metadata",
        "_model",
        "_parts",
        "_provider",
        "_server",
        "_stop",
        "_usage",
        "completed",
    )

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._provider = target.provider_name
        self._model = target.model
        self._id: str | None = None  # None until the message began
        self._blocks: dict[int, _Block | None] = {}  # by wire index; None once the block is over
        self._parts = 0
        self._calls = 0
        self._stop = ""
        self._usage: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}
        self._server: list[Mapping[str, Any]] = []
        self._citations: list[dict[str, Any]] = []

    # ------------------------------------------------------------------------------------------------ the reader's contract

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Turn a whole message into the events that it would have streamed.

        Raises:
            ProviderError: for an error inside a successful answer.
            ProtocolError: for anything that is no message.
        """
        if body.get("type") == "error" or ("content" not in body and "error" in body):
            raise self._complaint(body)
        if not isinstance(body.get("content"), list):
            raise self._broken("a body without content blocks")
        events = self._begin_message(body)
        for index, block in enumerate(body["content"]):
            events += self._begin_block(index, block)
            events += self._end_block(index)
        return [*events, *self._complete()]

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        """Turn one server-sent event into events.

        Raises:
            ProviderError: for an error event.
            ProtocolError: for data that is not JSON, and for events that make no message.
        """
        try:
            event = decode(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            raise self._broken("an event that is no JSON object")
        kind = event.get("type", name)
        if self.completed:
            return ()
        if kind == "content_block_delta":
            return self._delta(event)
        act = _EVENTS.get(kind) if isinstance(kind, str) else None
        return act(self, event) if act is not None else ()

    def on_end(self) -> Sequence[DecodedEvent]:
        """A stream without `message_stop` was cut off."""
        return ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Turn an error answer into one of the tree's errors."""
        return error_of(head, body, self._provider)

    # ------------------------------------------------------------------------------------------------ events of a stream

    def _delta(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        index = event.get("index")
        block = self._blocks.get(index) if type(index) is int else None
        delta = event.get("delta")
        if block is None or type(delta) is not dict:
            raise self._broken("a piece of a content block that is not open")
        kind = delta.get("type")
        if kind == "text_delta" and block.kind == "text":
            text = delta.get("text")
            if type(text) is str:
                return (TextDelta(text, block.part),) if text else ()
            raise self._broken("a piece of text that is no text")
        return self._rare_delta(block, kind, delta)

    def _rare_delta(self, block: _Block, kind: object, delta: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        field = _DELTA_FIELDS.get(kind) if isinstance(kind, str) else None
        ours = block.kind in _OWN_KINDS
        if kind == "citations_delta":
            return self._cite(block, delta.get("citation"))
        if field is None or not (ours or field == "partial_json"):
            block.readable = False
            return ()
        piece = delta.get(field)
        if not isinstance(piece, str) or (ours and block.kind != _DELTA_BLOCKS[field]):
            raise self._broken(f"a piece of {field} out of place")
        if field == "signature":
            block.signature.append(piece)
            return ()
        block.pieces.append(piece)
        if not piece or not ours:
            return ()
        if field == "thinking":
            return (ReasoningDelta(piece, block.part),)
        return (ToolCallDelta(block.part, block.start["id"], block.start["name"], piece),)

    def _on_message_start(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        message = event.get("message")
        if not isinstance(message, dict) or self._id is not None:
            raise self._broken("a message_start out of place")
        return self._begin_message(message)

    def _on_block_start(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        return self._begin_block(event.get("index"), event.get("content_block"))

    def _on_block_stop(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        return self._end_block(event.get("index"))

    def _on_message_delta(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        self._end_message(as_mapping(event.get("delta")), event.get("usage"))
        return ()

    def _on_message_stop(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        del event
        if self._id is None:
            raise self._broken("a message_stop before message_start")
        events: list[DecodedEvent] = []
        for index in [index for index, block in self._blocks.items() if block is not None]:
            events += self._end_block(index)
        return [*events, *self._complete()]

    def _on_error(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        raise self._complaint(event)

    # ------------------------------------------------------------------------------------------------ the message and its blocks

    def _begin_message(self, message: Mapping[str, Any]) -> list[DecodedEvent]:
        self._id = as_text(message.get("id"))
        reported = as_text(message.get("model"))
        self._model = reported or self._model
        self._end_message(message, message.get("usage"))
        return [Started(self._id, reported)]

    def _begin_block(self, index: object, start: object) -> Sequence[DecodedEvent]:
        if self._id is None or type(index) is not int or index < 0 or index in self._blocks:
            raise self._broken("a content block out of place")
        kind = start.get("type") if isinstance(start, dict) else None
        if not isinstance(start, dict) or not isinstance(kind, str):
            raise self._broken("a content block without a type")
        part, self._parts = self._parts, self._parts + 1
        block = self._blocks[index] = _Block(part, kind, start)
        if kind == "text":
            text = as_text(start.get("text"))
            cited = [event for citation in as_list(start.get("citations")) for event in self._cite(block, citation)]
            return [*cited, TextDelta(text, part)] if text else cited
        if kind == "thinking":
            thinking = as_text(start.get("thinking"))
            block.pieces += [thinking] if thinking else []
            return (ReasoningDelta(thinking, part),) if thinking else ()
        return self._begin_call(block, start) if kind == "tool_use" else ()

    def _begin_call(self, block: _Block, start: dict[str, Any]) -> Sequence[DecodedEvent]:
        name = as_text(start.get("name"))
        if not name:
            raise self._broken("a tool call without a name")
        self._calls += 1
        call_id = as_text(start.get("id")) or f"call_{self._id}_{block.part}"
        block.start = {**start, "id": call_id, "name": name}
        given = start.get("input")
        arguments = given if isinstance(given, str) else self._json(given) if given else ""
        return (ToolCallDelta(block.part, call_id, name, arguments),)

    def _end_block(self, index: object) -> Sequence[DecodedEvent]:
        block = self._blocks.get(index) if type(index) is int else None
        if block is None or type(index) is not int:
            raise self._broken("the end of a content block that is not open")
        self._blocks[index] = None
        if block.kind == "text":
            return (PartEnd(block.part),)
        if block.kind == "tool_use":
            return (ToolCallReady(block.part, self._call(block)),)
        return (PartEnd(block.part, self._state(self._whole_block(block)) if block.readable else None),)

    def _call(self, block: _Block) -> ToolCall:
        start = block.start
        given = start.get("input")
        arguments = "".join(block.pieces) or (given if isinstance(given, str) else self._json(given) if given else "")
        # A call that comes straight from the model says {"type": "direct"} or nothing; one out of server-side code has to say so again.
        extras = {name: start[name] for name in TOOL_USE_EXTRAS if start.get(name) not in (None, {"type": "direct"})}
        return ToolCall(start["id"], start["name"], arguments if arguments.strip() else "{}", self._state(extras) if extras else None)

    def _whole_block(self, block: _Block) -> Mapping[str, Any] | None:
        """The block as the API wants it back; None for one that cannot be put together."""
        start = dict(block.start)
        if block.kind == "thinking":
            signature = "".join(block.signature) or as_text(start.get("signature"))
            return {"type": "thinking", "thinking": "".join(block.pieces), "signature": signature} | {
                name: value for name, value in start.items() if name not in {"type", "thinking", "signature"}
            }
        if block.pieces:
            try:
                start["input"] = decode("".join(block.pieces) or "{}")
            except ValueError:
                return None
        if block.kind != "redacted_thinking":
            self._server.append(start)
        return start

    def _state(self, value: Mapping[str, Any] | None) -> OpaqueState | None:
        return None if value is None else OpaqueState(self._provider, DIALECT, self._model, self._json(value))

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    def _cite(self, block: _Block, citation: object) -> Sequence[DecodedEvent]:
        if not isinstance(citation, dict):
            return ()
        self._citations.append({"index": block.part, "citation": citation})
        return (Cited(block.part, citation_of(citation)),) if block.kind == "text" else ()

    # ------------------------------------------------------------------------------------------------ the end

    def _end_message(self, said: Mapping[str, Any], usage: object) -> None:
        """Take stop reason, counts and what else a message, its beginning or its end says besides content."""
        self._stop = as_text(said.get("stop_reason")) or self._stop
        self._usage |= {name: value for name, value in as_mapping(usage).items() if value is not None}
        self._metadata |= {name: said[name] for name in _METADATA if said.get(name) is not None}

    def _complete(self) -> Sequence[DecodedEvent]:
        self.completed = True
        finish = _FINISH.get(self._stop, "other")
        if self._calls and self._stop in {"", "end_turn"}:
            finish = "tool_call"
        metadata = self._metadata
        if self._server:
            metadata["server_blocks"] = self._server
        if self._citations:
            metadata["citations"] = self._citations
        return (Completed(finish, self._stop, under_terms(_usage(self._usage), metadata, "server_blocks"), metadata),)

    def _complaint(self, body: Mapping[str, Any]) -> ProviderError:
        return self.error(Head(200, {}), body)

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._provider or 'the provider'} sent {what}")


def _usage(raw: Mapping[str, Any]) -> Usage:
    """Totals out of the API's counts: its `input_tokens` leaves out what was read from and written to the cache."""
    fresh = integer(raw.get("input_tokens"))
    read = integer(raw.get("cache_read_input_tokens")) or 0
    split = as_mapping(raw.get("cache_creation"))
    written_1h = integer(split.get("ephemeral_1h_input_tokens")) or 0
    written_5m = integer(split.get("ephemeral_5m_input_tokens")) or 0
    written = integer(raw.get("cache_creation_input_tokens"))
    if written is not None:  # the total decides; the stream's last word has no split
        written_1h = min(written_1h, written)
        written_5m = written - written_1h
    nothing = fresh is None and not (read or written_5m or written_1h)
    return usage_from_totals(
        input_tokens=None if nothing else (fresh or 0) + read + written_5m + written_1h,
        output_tokens=integer(raw.get("output_tokens")),
        cache_read=read,
        cache_write_5m=written_5m,
        cache_write_1h=written_1h,
        reasoning=integer(as_mapping(raw.get("output_tokens_details")).get("thinking_tokens")) or 0,
        raw=raw,
    )


_EVENTS: Mapping[str, Callable[[AnthropicReader, Mapping[str, Any]], Sequence[DecodedEvent]]] = {
    "message_start": AnthropicReader._on_message_start,  # noqa: SLF001  its own dispatch table
    "content_block_start": AnthropicReader._on_block_start,  # noqa: SLF001
    "content_block_stop": AnthropicReader._on_block_stop,  # noqa: SLF001
    "message_delta": AnthropicReader._on_message_delta,  # noqa: SLF001
    "message_stop": AnthropicReader._on_message_stop,  # noqa: SLF001
    "error": AnthropicReader._on_error,  # noqa: SLF001
}
# Which field of a delta holds its piece, and which kind of block it belongs to. Arguments also come for server-side tools.
_DELTA_FIELDS: Mapping[str, str] = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "signature_delta": "signature",
    "input_json_delta": "partial_json",
}
_DELTA_BLOCKS: Mapping[str, str] = {"text": "text", "thinking": "thinking", "signature": "thinking", "partial_json": "tool_use"}
_OWN_KINDS = frozenset({"text", "thinking", "tool_use"})
