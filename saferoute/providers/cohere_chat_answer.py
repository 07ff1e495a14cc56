"""Read answers of Cohere's chat API, version 2, streamed or whole. Pure.

A whole body is read as the stream that it could have been: every content block, the plan and every call begin, bring what they have and
end. Rules:

- A wire index only finds the block or the call; parts are numbered in order of appearance.
- The plan before tool calls (`tool_plan`) is a reasoning part, as thinking is; the state of both is what has to come back.
- Only `message-end` ends a stream: `[DONE]` is not always sent, and says nothing when it comes alone.
- An error inside a stream stands in `message-end`, or is an object that has a `message` and no type of this API.
- A citation belongs to the text block that it names, else to the first; those of thinking and plans, and what a citation says beyond our
  words, stand in the metadata, and so do the ids of tokens whose probabilities were asked for.
- `usage.tokens` are what the model read and wrote; `billed_units` leaves out the prompt that Cohere adds, and is used only where the
  others are missing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.cohere_chat_sources import citations_of, token_logprobs
from saferoute.providers.statuses import Complaint, complaint_in, provider_error
from saferoute.values.events import Cited, Completed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode, integer
from saferoute.values.messages import OpaqueState, ToolCall
from saferoute.values.usage import Buckets, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["CohereReader"]

_FINISH: Final[Mapping[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool_call",
    "ERROR": "error",
    "TIMEOUT": "error",
}
_DIALECT: Final = "cohere_chat"
_PLAN: Final = "tool_plan"
_THINKING: Final = "thinking"
_OF_TEXT: Final = "TEXT_CONTENT"


class _Block:
    """Text, thinking or a plan that is arriving. `pieces` are kept only where they make up a state."""

    __slots__ = ("kind", "part", "pieces")

    def __init__(self, kind: str, part: int) -> None:
        self.kind = kind
        self.part = part
        self.pieces: list[str] = []


class _Call:
    """A tool call that is arriving."""

    __slots__ = ("arguments", "id", "name", "part")

    def __init__(self, call_id: str, name: str, part: int) -> None:
        self.id = call_id
        self.name = name
        self.part = part
        self.arguments: list[str] = []


class CohereReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the terminal event has come.
    """

    __slots__ = (
        "_blocks",
        "_called",
        "_calls",
        "_id",
        "_metadata",
        "_model",
        "_parts",
        "_plan",
        "_provider",
        "_texts",
        "completed",
    )

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._provider = target.provider_name
        self._model = target.model
        self._id: str | None = None  # None until the message began
        self._parts = 0
        self._blocks: dict[int, _Block] = {}  # content blocks that are open, by wire index
        self._calls: dict[int, _Call] = {}  # calls that are open, by wire index
        self._texts: dict[int, int] = {}  # the parts of all text blocks, by wire index
        self._plan: _Block | None = None
        self._called = False
        self._metadata: dict[str, Any] = {}

    # ------------------------------------------------------------------------------------------------ the contract

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Read a whole answer.

        Raises:
            ProviderError: for an error inside it.
            ProtocolError: for anything that is no message.
        """
        message = body.get("message")
        if not isinstance(message, dict):
            if isinstance(message, str) or "error" in body:
                raise self.error(Head(200, {}), body)
            raise self._broken("a body without a message")
        events = self._begin(body)
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else as_list(content)
        for index, block in enumerate(blocks):
            events += self._begin_block(index, as_mapping(block))
            events += self._end_block(index)
        events += self._add_plan(message)
        for index, call in enumerate(as_list(message.get("tool_calls"))):
            events += self._begin_call(index, as_mapping(call))
            events += self._end_call(index)
        events += self._cite(message)
        self._keep_logprobs(body)
        return [*events, *self._complete(body)]

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        """Read one event of a stream.

        Raises:
            ProviderError: for an error inside the stream.
            ProtocolError: for data that is not JSON, and for events that make no message.
        """
        try:
            event = decode(data)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            if data.strip() == "[DONE]":
                return ()
            raise self._broken("an event that is no JSON object")
        kind = event.get("type", name)
        delta = as_mapping(event.get("delta"))
        message = as_mapping(delta.get("message"))
        index = integer(event.get("index")) or 0
        match kind:
            case "content-delta":
                self._keep_logprobs(event)
                return self._add(index, as_mapping(message.get("content")))
            case "message-start":
                return self._begin(event)
            case "message-end":
                if delta.get("error"):
                    raise self._complaint(delta)
                return self._complete(delta)
            case _:
                return self._on_rare_event(kind, index, message, event)

    def on_end(self) -> Sequence[DecodedEvent]:
        """A stream without `message-end` was cut off."""
        return ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Read an error answer; its `id` is the request's."""
        headers = head.headers
        if isinstance(body.get("id"), str) and "x-request-id" not in headers:
            headers = {**headers, "x-request-id": body["id"]}
        return provider_error(Head(head.status, headers), complaint_in(body), provider_name=self._provider)

    # ------------------------------------------------------------------------------------------------ events of a stream

    def _on_rare_event(self, kind: object, index: int, message: Mapping[str, Any], event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        match kind:
            case "content-start":
                return self._begin_block(index, as_mapping(message.get("content")))
            case "content-end":
                return self._end_block(index)
            case "tool-plan-delta":
                return self._add_plan(message)
            case "tool-call-start":
                return self._begin_call(index, as_mapping(message.get("tool_calls")))
            case "tool-call-delta":
                return self._add_arguments(index, as_mapping(as_mapping(message.get("tool_calls")).get("function")))
            case "tool-call-end":
                return self._end_call(index)
            case "citation-start":
                return self._cite(message)
            case _:
                if isinstance(event.get("message"), str) or event.get("error"):
                    raise self.error(Head(200, {}), event)
                return ()  # an event of a later version

    # ------------------------------------------------------------------------------------------------ content and plan

    def _begin(self, said: Mapping[str, Any]) -> list[DecodedEvent]:
        if self._id is not None:
            raise self._broken("a second beginning of a message")
        self._id = as_text(said.get("id"))
        return [Started(self._id, "")]

    def _begin_block(self, index: int, content: Mapping[str, Any]) -> list[DecodedEvent]:
        if index in self._blocks:
            raise self._broken("a content block that had begun already")
        said = content.get("type") or "text"
        kind = said if said in ("text", _THINKING) else ""  # a block of a later version: nothing of it is shown
        block = self._blocks[index] = _Block(kind, self._new_part())
        if kind == "text":
            self._texts[index] = block.part
        return self._add(index, content)

    def _add(self, index: int, content: Mapping[str, Any]) -> list[DecodedEvent]:
        block = self._blocks.get(index)
        if block is None:
            raise self._broken("a piece of a content block that is not open")
        text, thinking = as_text(content.get("text")), as_text(content.get(_THINKING))
        if block.kind == "text" and text:
            return [TextDelta(text, block.part)]
        if block.kind == _THINKING and thinking:
            block.pieces.append(thinking)
            return [ReasoningDelta(thinking, block.part)]
        if (text or thinking) and block.kind:
            raise self._broken("a piece of text out of place")
        return []

    def _end_block(self, index: int) -> list[DecodedEvent]:
        block = self._blocks.pop(index, None)
        if block is None:
            raise self._broken("the end of a content block that is not open")
        return [self._part_end(block)]

    def _add_plan(self, message: Mapping[str, Any]) -> list[DecodedEvent]:
        piece = as_text(message.get(_PLAN))
        if not piece:
            return []
        if self._plan is None:
            self._plan = _Block(_PLAN, self._new_part())
        self._plan.pieces.append(piece)
        return [ReasoningDelta(piece, self._plan.part)]

    def _end_plan(self) -> list[DecodedEvent]:
        plan, self._plan = self._plan, None
        return [] if plan is None else [self._part_end(plan)]

    def _part_end(self, block: _Block) -> PartEnd:
        if not block.pieces:
            return PartEnd(block.part)
        text = "".join(block.pieces)
        content = {_PLAN: text} if block.kind == _PLAN else {"type": _THINKING, _THINKING: text}
        return PartEnd(block.part, OpaqueState(self._provider, _DIALECT, self._model, encode(content).decode()))

    # ------------------------------------------------------------------------------------------------ calls

    def _begin_call(self, index: int, call: Mapping[str, Any]) -> list[DecodedEvent]:
        function = as_mapping(call.get("function"))
        name = as_text(function.get("name"))
        if not name or index in self._calls:
            raise self._broken("a tool call without a name, or begun twice")
        events = self._end_plan()
        part = self._new_part()
        self._called = True
        self._calls[index] = _Call(as_text(call.get("id")) or f"call_{self._id}_{part}", name, part)
        return [*events, *self._add_arguments(index, function)]

    def _add_arguments(self, index: int, function: Mapping[str, Any]) -> list[DecodedEvent]:
        call = self._calls.get(index)
        if call is None:
            raise self._broken("a piece of a tool call that is not open")
        given = function.get("arguments")
        piece = given if isinstance(given, str) else ("" if given is None else self._json(given))
        call.arguments.append(piece)
        return [ToolCallDelta(call.part, call.id, call.name, piece)]

    def _end_call(self, index: int) -> list[DecodedEvent]:
        call = self._calls.pop(index, None)
        if call is None:
            raise self._broken("the end of a tool call that is not open")
        return [ToolCallReady(call.part, ToolCall(call.id, call.name, "".join(call.arguments)))]

    # ------------------------------------------------------------------------------------------------ the end

    def _complete(self, said: Mapping[str, Any]) -> list[DecodedEvent]:
        if self._id is None:
            raise self._broken("the end of a message that had not begun")
        events: list[DecodedEvent] = [self._part_end(block) for block in self._blocks.values()]
        events += self._end_plan()
        for index in list(self._calls):
            events += self._end_call(index)
        raw = as_text(said.get("finish_reason"))
        finish = _FINISH.get(raw, "other")
        if self._called and finish in {"stop", "other"}:
            finish = "tool_call"
        elif finish == "tool_call" and not self._called:
            finish = "stop"
        self.completed = True
        logprobs = token_logprobs(self._metadata.get("logprobs"))
        return [*events, Completed(finish, raw, _usage(as_mapping(said.get("usage"))), self._metadata, logprobs)]

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _cite(self, message: Mapping[str, Any]) -> list[DecodedEvent]:
        """Take citations: a list in a body, one object in an event."""
        given = message.get("citations")
        found = [citation for citation in (given if isinstance(given, list) else [given]) if isinstance(citation, dict)]
        if found:
            self._metadata.setdefault("citations", []).extend(found)
        first = next(iter(self._texts.values()), None)
        events: list[DecodedEvent] = []
        for said in found:
            place = integer(said.get("content_index"))
            part = first if place is None else self._texts.get(place)
            if part is not None and said.get("type", _OF_TEXT) == _OF_TEXT:
                events += [Cited(part, citation) for citation in citations_of(said)]
        return events

    def _keep_logprobs(self, said: Mapping[str, Any]) -> None:
        given = said.get("logprobs")
        if given:
            self._metadata.setdefault("logprobs", []).extend(given if isinstance(given, list) else [given])

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    def _complaint(self, said: Mapping[str, Any]) -> ProviderError:
        error = said["error"]
        complaint = Complaint(message=error) if isinstance(error, str) else complaint_in(said)
        return provider_error(Head(200, {}), complaint, provider_name=self._provider)

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._provider or 'the provider'} sent {what}")


def _usage(raw: Mapping[str, Any]) -> Usage:
    tokens, billed = as_mapping(raw.get("tokens")), as_mapping(raw.get("billed_units"))
    read, made = integer(tokens.get("input_tokens")), integer(tokens.get("output_tokens"))
    usage = usage_from_totals(
        input_tokens=integer(billed.get("input_tokens")) if read is None else read,
        output_tokens=integer(billed.get("output_tokens")) if made is None else made,
        cache_read=integer(raw.get("cached_tokens")) or 0,
        reasoning=integer(tokens.get("reasoning_tokens")) or 0,
        raw=raw,
    )
    paid_in, paid_out = integer(billed.get("input_tokens")), integer(billed.get("output_tokens"))
    if paid_in is None or paid_out is None:
        return usage
    # Fewer than the tokens: what the provider's own template adds is not billed.
    return replace(usage, billed=Buckets(input_uncached=paid_in, output_text=paid_out))
