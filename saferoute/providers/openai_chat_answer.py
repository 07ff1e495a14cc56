"""Read answers of OpenAI Chat Completions and of the many servers that speak it, streamed or whole. Pure.

A whole body is read as one chunk whose delta is the message, so that both give the same events. What real servers do differently:

1. Reasoning stands in `reasoning_content`, `reasoning`, `reasoning_details` or in typed content blocks; content is null, "" or a list.
2. Fragments of tool calls come without `index`, without `id`, whole, with arguments as an object, or as the older `function_call`.
3. Whether the model asks for tools is decided by the calls, not by `finish_reason`; an unknown reason is "other", its word is kept.
4. Usage comes in a last chunk, in every chunk, beside the choice, under `x_groq`, or not at all.
5. `choices` may be empty; a stream may end without `[DONE]` if a finish reason has come.
6. Errors come inside successful answers, as an object, a text, or under `message` or `detail`.

There is one text part, one refusal part and one reasoning part; each tool call is a part; parts are numbered in order of appearance.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError, ProviderError
from saferoute.providers.openai_chat_calls import Calls
from saferoute.providers.openai_chat_growth import gathered, join, settled
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import (
    Completed,
    FinishReason,
    Notice,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode, integer
from saferoute.values.messages import OpaqueState
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.events import DecodedEvent
    from saferoute.values.target import Target

__all__ = ["ChatReader"]

_DIALECT = "openai_chat"
_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "eos": "stop",
    "length": "length",
    "model_length": "context_overflow",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "error": "error",
    "insufficient_system_resource": "error",
}
_FINISH_OF_CALLS: Final = frozenset({"stop", "tool_call", "other"})  # cut-off and failed answers stay what they are

# What is kept as provider metadata.
_KEPT_OF_ANSWER: Final = (
    "system_fingerprint",
    "service_tier",
    "provider",
    "citations",
    "search_results",
    "moderation",
    "prompt_filter_results",
    "timings",
)
_KEPT_OF_CHOICE: Final = ("logprobs", "native_finish_reason", "content_filter_results", "stop_reason")
_KEPT_OF_MESSAGE: Final = ("annotations", "audio", "executed_tools", "images")


class ChatReader:
    """Reads one answer."""

    __slots__ = (
        "_blocks",
        "_calls",
        "_choice_seen",
        "_created",
        "_details",
        "_finish",
        "_id",
        "_metadata",
        "_parts",
        "_reasoning",
        "_refusal",
        "_shown",
        "_started",
        "_target",
        "_text",
        "_thoughts",
        "_usage",
        "completed",
    )

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._target = target
        self._started = False
        self._choice_seen = False
        self._id = ""
        self._created = ""
        self._parts = 0
        self._text = self._refusal = self._reasoning = -1  # indexes of these parts, once they exist
        self._calls = Calls()
        self._shown = False  # whether reasoning comes in a text field of its own
        self._thoughts: list[str] = []  # reasoning_content, to go back as it came
        self._details: list[dict[str, Any]] = []  # OpenRouter's reasoning_details, to go back as they came
        self._blocks: list[dict[str, Any]] = []  # Mistral's thinking blocks, to go back as they came
        self._finish = ""
        self._usage: Mapping[str, Any] | None = None
        self._metadata: dict[str, Any] = {}

    # ------------------------------------------------------------------------------------------------- the contract

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:  # noqa: ARG002  this dialect names no events
        """Read one chunk of a stream.

        Raises:
            ProviderError: for an error inside the stream.
            ProtocolError: for data that is not a JSON object, and for a stream without any choice.
        """
        if data == "[DONE]":
            return self._end()
        try:
            chunk = decode(data)
        except ValueError:
            chunk = None
        if chunk.__class__ is not dict:
            if data.strip() == "[DONE]":
                return self._end()
            msg = f"{self._target.provider_name} sent a chunk of {len(data)} characters that is no JSON object"
            raise ProtocolError(msg)
        if self._started:
            content = _plain_text(chunk)
            if content:
                if self._text < 0:
                    self._text = self._new_part()
                return (TextDelta(content, self._text),)
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
        """Read an error answer."""
        return provider_error(head, complaint_in(body), provider_name=self._target.provider_name)

    # ------------------------------------------------------------------------------------------------ one chunk or body

    def _read(self, chunk: Mapping[str, Any], key: str) -> list[DecodedEvent]:
        choices = as_list(chunk.get("choices"))
        if chunk.get("error") or (not choices and "choices" not in chunk and ("message" in chunk or "detail" in chunk)):
            raise self.error(Head(200, {}), chunk)
        events: list[DecodedEvent] = []
        if not self._started and (choices or chunk.get("id")):
            self._started = True
            self._id = as_text(chunk.get("id"))
            self._created = str(chunk.get("created"))
            events.append(Started(self._id, as_text(chunk.get("model"))))
        usage = chunk.get("usage") or as_mapping(chunk.get("x_groq")).get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
        for name in _KEPT_OF_ANSWER:
            if chunk.get(name) is not None:
                self._metadata[name] = chunk[name]
        for choice in choices:
            if isinstance(choice, dict) and not choice.get("index"):  # only the first of several answers
                self._read_choice(choice, key, events)
        return events

    def _read_choice(self, choice: Mapping[str, Any], key: str, events: list[DecodedEvent]) -> None:
        if choice.get("error"):
            raise self.error(Head(200, {}), choice)
        self._choice_seen = True
        usage = choice.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
        self._finish = as_text(choice.get("finish_reason")) or self._finish
        self._keep(choice, _KEPT_OF_CHOICE)
        delta = choice.get(key)
        if delta is None and not self._parts:  # a server that streams its whole message at once
            delta, key = choice.get("message"), "message"
        if isinstance(delta, dict):
            self._read_delta(delta, events, whole=key == "message")

    def _read_delta(self, delta: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        self._keep(delta, _KEPT_OF_MESSAGE)
        self._read_reasoning(delta, events, whole=whole)
        content = delta.get("content")
        if isinstance(content, str):
            self._add_text(content, events)
        else:
            for block in as_list(content):
                self._read_block(as_mapping(block), events, whole=whole)
        refusal = delta.get("refusal")
        if refusal and isinstance(refusal, str):
            if self._refusal < 0:
                self._refusal = self._new_part()
            events.append(RefusalDelta(refusal, self._refusal))
        for position, call in enumerate(as_list(delta.get("tool_calls"))):
            self._read_call({**as_mapping(call), "index": position} if whole else as_mapping(call), position, events)
        function = delta.get("function_call")
        if isinstance(function, dict):
            self._read_call({"index": -1, "function": function}, 0, events)

    def _read_reasoning(self, delta: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        content = delta.get("reasoning_content")
        text = as_text(content) or as_text(delta.get("reasoning"))
        details = [detail for detail in as_list(delta.get("reasoning_details")) if isinstance(detail, dict)]
        if content and isinstance(content, str):
            self._thoughts.append(content)
        for detail in details:
            join(self._details, detail, whole=whole)
        self._shown = self._shown or bool(text)
        if details:
            self._reasoning_part()
            if not self._shown:  # most servers say the same text in a field of its own
                text = "".join(as_text(detail.get("text")) or as_text(detail.get("summary")) for detail in details)
        self._add_reasoning(text, events)

    def _read_block(self, block: Mapping[str, Any], events: list[DecodedEvent], *, whole: bool) -> None:
        thinking = block.get("thinking")
        if thinking is None:
            self._add_text(as_text(block.get("text")), events)
            return
        text = as_text(thinking) or "".join(as_text(as_mapping(piece).get("text")) for piece in as_list(thinking))
        join(self._blocks, {**block, "thinking": text}, whole=whole)
        self._reasoning_part()
        self._add_reasoning(text, events)

    def _read_call(self, fragment: Mapping[str, Any], position: int, events: list[DecodedEvent]) -> None:
        call = self._calls.find(fragment, position)
        if call is None:
            call = self._calls.begin(fragment, self._new_part())
            seed = f"{self._id}|{self._created}|{call.index}"
            call.id = call.id or f"call_{sha256(seed.encode('utf-8', 'replace')).hexdigest()[:24]}"
        arguments = call.take(fragment)
        events.append(ToolCallDelta(call.index, call.id, call.name, arguments))

    # ------------------------------------------------------------------------------------------------------- parts

    def _new_part(self) -> int:
        self._parts += 1
        return self._parts - 1

    def _reasoning_part(self) -> int:
        if self._reasoning < 0:
            self._reasoning = self._new_part()
        return self._reasoning

    def _add_text(self, text: str, events: list[DecodedEvent]) -> None:
        if text:
            if self._text < 0:
                self._text = self._new_part()
            events.append(TextDelta(text, self._text))

    def _add_reasoning(self, text: str, events: list[DecodedEvent]) -> None:
        if text:
            events.append(ReasoningDelta(text, self._reasoning_part()))

    def _keep(self, source: Mapping[str, Any], names: tuple[str, ...]) -> None:
        for name in names:
            value = source.get(name)
            if value is not None and value != []:
                self._metadata[name] = gathered(self._metadata.get(name), value)

    # --------------------------------------------------------------------------------------------------------- the end

    def _end(self) -> list[DecodedEvent]:
        if not self._choice_seen:
            msg = f"{self._target.provider_name} sent an answer without a choice"
            raise ProtocolError(msg)
        calls = {call.index: call for call in self._calls.all}
        events: list[DecodedEvent] = []
        for index in range(self._parts):
            events.append(PartEnd(index, self._reasoning_state() if index == self._reasoning else None))
            if index in calls:
                events.append(ToolCallReady(index, calls[index].whole(self._state)))
        finish: FinishReason = _FINISH.get(self._finish, "other")
        if calls and finish in _FINISH_OF_CALLS:
            finish = "tool_call"
        elif self._refusal >= 0:
            finish = "refusal"
        elif finish == "tool_call" and not calls:
            finish = "stop"
        self.completed = True
        events.append(Completed(finish, self._finish, _usage(self._usage), settled(self._metadata)))
        return events

    def _reasoning_state(self) -> OpaqueState | None:
        """What has to come back with the next turn; the vendors that want nothing back get nothing."""
        if self._details:
            return self._state({"reasoning_details": settled(self._details)})
        if self._blocks:
            blocks = [{**block, "thinking": [{"type": "text", "text": block["thinking"]}]} for block in settled(self._blocks)]
            return self._state({"thinking": blocks})
        if self._thoughts:
            return self._state({"reasoning_content": "".join(self._thoughts)})
        return None

    def _state(self, payload: Mapping[str, Any]) -> OpaqueState:
        return OpaqueState(self._target.provider_name, _DIALECT, self._target.model, encode(payload).decode())


def _plain_text(chunk: Mapping[str, Any]) -> str | None:
    """The text of a chunk that is nothing but text: the short way for nearly every chunk of a stream.

    Metadata beside it is passed over: what matters of it comes again with the finish reason.
    """
    try:
        (choice,) = chunk["choices"]
        delta = choice["delta"]
        content = delta["content"]
        if (
            content.__class__ is str
            and (len(delta) == 1 or (len(delta) == 2 and "role" in delta))  # noqa: PLR2004
            and not (choice.get("finish_reason") or choice.get("index") or choice.get("logprobs") or chunk.get("usage"))
            and "error" not in chunk
        ):
            return content
    except (KeyError, TypeError, ValueError, AttributeError):  # another shape, which the longer way reads
        return None
    return None


def _usage(raw: Mapping[str, Any] | None) -> Usage:
    if raw is None:
        return Usage()
    into, out = as_mapping(raw.get("prompt_tokens_details")), as_mapping(raw.get("completion_tokens_details"))
    prompt, completion, total = (integer(raw.get(name)) for name in ("prompt_tokens", "completion_tokens", "total_tokens"))
    reasoning = _first(out.get("reasoning_tokens"), raw.get("reasoning_tokens"))
    if reasoning and prompt is not None and completion is not None and total == prompt + completion + reasoning:
        completion += reasoning  # xAI counts its thinking apart, and says so by the total
    return usage_from_totals(
        input_tokens=prompt,
        output_tokens=completion,
        cache_read=_first(into.get("cached_tokens"), raw.get("prompt_cache_hit_tokens"), raw.get("cached_tokens")),
        cache_write_5m=_first(into.get("cache_write_tokens")),
        reasoning=reasoning,
        input_audio=_first(into.get("audio_tokens")),
        output_audio=_first(out.get("audio_tokens")),
        raw=raw,
    )


def _first(*values: object) -> int:
    """The first count among them, 0 if there is none."""
    return next((count for value in values if (count := integer(value)) is not None), 0)
