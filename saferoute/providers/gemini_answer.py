"""Answers of generateContent, whole and streamed, as events.

A stream is a row of fragments of the whole body, so that both are read by the same code. Rules:

- Nothing marks the end of a stream, and some servers put a finish reason into every fragment: an answer is whole when the stream has
  ended and a finish reason (or the reason why the prompt was blocked) has come. Without one it was cut off.
- Neighbouring pieces of text are one part, also in a whole body, and so are neighbouring pieces of thinking. A thought signature ends
  the part that it came on.
- A signature on a call goes into the call's state; one on thinking into the state of the reasoning part. A text part has no room for
  a state: its signature becomes a reasoning part without text, right behind the text. `gemini_turns` puts each back where it was.
- Thinking has a state even without a signature: it says that the text is thinking of this API's own, and goes back as such.
- Parts that have no part of ours (of server-side tools, and media that the model made) become reasoning parts whose state is the
  part. They are not the caller's tools: they also stand in the metadata, under "server_parts" and "media".
- Calls without an id get one out of a digest of the answer's id, the call's place and what it says: the same for body and stream.
- Only the first candidate is read: a call asks for one.
- Counts are totals so far: the last record with a total replaces those before it, zeros (which are left out) included.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.gemini_complaints import complained
from saferoute.values.events import Completed, PartEnd, ReasoningDelta, Started, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, encode, integer
from saferoute.values.messages import OpaqueState, ToolCall
from saferoute.values.usage import usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["GeminiReader"]

_FINISH: Final[Mapping[str, FinishReason]] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "RECITATION": "content_filter",
    "LANGUAGE": "content_filter",
    "BLOCKLIST": "content_filter",
    "PROHIBITED_CONTENT": "content_filter",
    "SPII": "content_filter",
    "IMAGE_SAFETY": "content_filter",
    "IMAGE_PROHIBITED_CONTENT": "content_filter",
    "IMAGE_RECITATION": "content_filter",
    "IMAGE_OTHER": "content_filter",
    "MODEL_ARMOR": "content_filter",
    "MALFORMED_FUNCTION_CALL": "error",
    "UNEXPECTED_TOOL_CALL": "error",
    "TOO_MANY_TOOL_CALLS": "error",
    "MISSING_THOUGHT_SIGNATURE": "error",
    "MALFORMED_RESPONSE": "error",
    "CONTINUATION": "pause",
}
# proto's words for "nothing was said"
_UNSAID: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED", "BLOCKED_REASON_UNSPECIFIED", "BLOCK_REASON_UNSPECIFIED"})
# What of a candidate besides its content is worth keeping; in streams, lists inside the second row come in pieces.
_METADATA: Final = ("finishMessage", "safetyRatings", "avgLogprobs")
_METADATA_IN_PIECES: Final = ("citationMetadata", "groundingMetadata", "urlContextMetadata", "logprobsResult")
_BODY_METADATA: Final = ("serviceTier", "modelStatus")
_SERVER_PARTS: Final = frozenset({"executableCode", "codeExecutionResult", "toolCall", "toolResponse"})
_DIGEST_CHARS: Final = 24


class GeminiReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the answer is whole.
    """

    __slots__ = (
        "_blocked",
        "_call_ids",
        "_finish",
        "_id",
        "_media",
        "_metadata",
        "_open",
        "_parts",
        "_server",
        "_target",
        "_usage",
        "completed",
    )

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._target = target
        self._id: str | None = None  # None until the first fragment
        self._parts = 0
        self._open: tuple[int, bool] | None = None  # the part that the next piece continues, and whether it is thinking
        self._call_ids: set[str] = set()
        self._finish = ""
        self._blocked = ""
        self._usage: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}
        self._server: list[Mapping[str, Any]] = []
        self._media: list[Mapping[str, Any]] = []

    # ------------------------------------------------------------------------------------------------ the reader's contract

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Turn a whole answer into the events that it would have streamed.

        Raises:
            ProviderError: for an error inside a successful answer.
            ProtocolError: for anything that is no answer.
        """
        events = self._fragment(body)
        if body.keys().isdisjoint(("candidates", "promptFeedback", "usageMetadata")):
            raise self._broken("a body without candidates")
        return [*events, *self._complete()]

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        """Turn one server-sent event into events.

        Raises:
            ProviderError: for an error inside the stream.
            ProtocolError: for data that is no JSON object, and for parts that make no sense.
        """
        del name
        if data == "[DONE]":  # not of this API, but of gateways that speak every dialect
            return ()
        try:
            value = decode(data)
        except ValueError:
            value = None
        if type(value) is dict:
            return self._fragment(value)
        if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):  # how errors come at times
            return [event for item in value for event in self._fragment(item)]
        raise self._broken("an event that is no JSON object")

    def on_end(self) -> Sequence[DecodedEvent]:
        """The stream is over: the answer is whole if it said why it ended."""
        return self._complete() if self._finish or self._blocked else ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Turn an error answer into one of the tree's errors."""
        return complained(head, body, provider_name=self._target.provider_name)

    # ------------------------------------------------------------------------------------------------ fragments

    def _fragment(self, said: Mapping[str, Any]) -> list[DecodedEvent]:
        if said.get("error"):
            raise self.error(Head(200, {}), said)
        events: list[DecodedEvent] = []
        if self._id is None:
            self._id = as_text(said.get("responseId"))
            events.append(Started(self._id, as_text(said.get("modelVersion"))))
        usage = {name: value for name, value in as_mapping(said.get("usageMetadata")).items() if value is not None}
        if "totalTokenCount" in usage:
            self._usage = usage
        else:
            self._usage |= usage
        if isinstance(said.get("promptFeedback"), dict):
            self._metadata["promptFeedback"] = said["promptFeedback"]
            blocked = as_text(said["promptFeedback"].get("blockReason"))
            self._blocked = self._blocked if blocked in _UNSAID else blocked
        self._metadata |= {name: said[name] for name in _BODY_METADATA if said.get(name) is not None}
        for candidate in as_list(said.get("candidates")):
            if isinstance(candidate, dict) and not candidate.get("index"):
                self._read_candidate(candidate, events)
                break
        return events

    def _read_candidate(self, candidate: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        for part in as_list(as_mapping(candidate.get("content")).get("parts")):
            if not isinstance(part, dict):
                raise self._broken("a part that is no object")
            text = part.get("text")
            if type(text) is str:
                self._read_text(part, text, events)
            else:
                self._read_other(part, events)
        finish = as_text(candidate.get("finishReason"))
        self._finish = self._finish if finish in _UNSAID else finish
        self._metadata |= {name: candidate[name] for name in _METADATA if candidate.get(name) is not None}
        for name in _METADATA_IN_PIECES:
            if isinstance(candidate.get(name), dict):
                _join(self._metadata.setdefault(name, {}), candidate[name])

    def _read_text(self, part: Mapping[str, Any], text: str, events: list[DecodedEvent]) -> None:
        thinks = part.get("thought") is True
        signature = as_text(part.get("thoughtSignature"))
        if not text and not signature:
            return
        if self._open is not None and self._open[1] is not thinks:
            self._close(events)
        if text or thinks:
            if self._open is None:
                self._open = (self._next_part(), thinks)
            index = self._open[0]
            if text:
                events.append(ReasoningDelta(text, index) if thinks else TextDelta(text, index))
        if signature:
            self._close(events, {"thoughtSignature": signature})

    def _close(self, events: list[DecodedEvent], signed: Mapping[str, Any] | None = None) -> None:
        """End the open text or thinking, with its signature if it has one; a signature without a part before it stands alone."""
        if self._open is not None:
            index, thinks = self._open
            self._open = None
            if thinks:
                events.append(PartEnd(index, self._state({"thought": True, **(signed or {})})))
                return
            events.append(PartEnd(index))
        if signed is not None:
            events.append(PartEnd(self._next_part(), self._state(signed)))

    def _read_other(self, part: Mapping[str, Any], events: list[DecodedEvent]) -> None:
        """Read a part that is no text: a call, a part of a server-side tool, media, or something new."""
        if part.get("text") is not None:
            raise self._broken("a text that is no text")
        call = part.get("functionCall")
        if call is not None:
            self._close(events)
            events += self._read_call(call, as_text(part.get("thoughtSignature")))
            return
        kinds = [name for name, value in part.items() if isinstance(value, dict)]
        if not kinds:
            if part.get("thoughtSignature"):
                self._read_text(part, "", events)
            return
        self._close(events)
        index = self._next_part()
        if not _SERVER_PARTS.isdisjoint(kinds):
            self._server.append(part)
        if isinstance(part.get("inlineData"), dict) and part.get("thought") is not True:
            self._media.append({"index": index, **part["inlineData"]})
        events.append(PartEnd(index, self._state(part)))

    def _read_call(self, call: object, signature: str) -> Sequence[DecodedEvent]:
        name = as_text(call.get("name")) if isinstance(call, dict) else ""
        if not isinstance(call, dict) or not name:
            raise self._broken("a tool call without a name")
        if call.get("partialArgs") or call.get("willContinue"):
            raise self._broken("a tool call in pieces, which nobody asked for")
        given = call.get("args")
        arguments = given if isinstance(given, str) else self._json({} if given is None else given)
        arguments = arguments if arguments.strip() else "{}"
        call_id = as_text(call.get("id"))
        if not call_id or call_id in self._call_ids:
            call_id = self._made_id(name, arguments, signature)
        self._call_ids.add(call_id)
        index = self._next_part()
        state = self._state({"thoughtSignature": signature}) if signature else None
        return (ToolCallDelta(index, call_id, name, arguments), ToolCallReady(index, ToolCall(call_id, name, arguments, state)))

    def _made_id(self, *said: str) -> str:
        seed = self._json([self._id, len(self._call_ids), *said])
        return "call_" + hashlib.sha256(seed.encode()).hexdigest()[:_DIGEST_CHARS]

    def _next_part(self) -> int:
        index, self._parts = self._parts, self._parts + 1
        return index

    def _state(self, value: Mapping[str, Any]) -> OpaqueState:
        """State for the model that was asked: names such as "-latest" answer under another name, and the state has to find back."""
        target = self._target
        return OpaqueState(target.provider_name, target.dialect, target.model, self._json(value))

    def _json(self, value: object) -> str:
        try:
            return encode(value).decode()
        except ValueError:
            raise self._broken("a number that JSON does not have") from None

    # ------------------------------------------------------------------------------------------------ the end

    def _complete(self) -> Sequence[DecodedEvent]:
        events: list[DecodedEvent] = []
        self._close(events)
        self.completed = True
        raw = self._finish or self._blocked
        finish: FinishReason = _FINISH.get(raw, "other")
        if self._call_ids and raw in {"", "STOP"}:
            finish = "tool_call"
        elif self._blocked and not self._finish:
            finish = "content_filter"
        metadata = self._metadata
        if self._server:
            metadata["server_parts"] = self._server
        if self._media:
            metadata["media"] = self._media
        return [*events, Completed(finish, raw, _usage(self._usage), metadata)]

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name or 'the provider'} sent {what}")


def _join(known: dict[str, Any], now: Mapping[str, Any]) -> None:
    """Add metadata that comes in pieces: lists grow, everything else is replaced; a list said again as a whole is not doubled."""
    for name, value in now.items():
        old = known.get(name)
        if isinstance(old, list) and isinstance(value, list) and value[: len(old)] != old:
            old += value
        else:
            known[name] = value.copy() if isinstance(value, list) else value


def _usage(raw: Mapping[str, Any]) -> Usage:
    """Totals out of the API's counts, which leave zeros out: tool results that the prompt does not count, and thoughts, are added."""
    prompt = integer(raw.get("promptTokenCount"))
    said = prompt is not None or integer(raw.get("totalTokenCount")) is not None or integer(raw.get("candidatesTokenCount")) is not None
    thoughts = integer(raw.get("thoughtsTokenCount")) or 0
    heard = _sound(raw, "promptTokensDetails") + _sound(raw, "toolUsePromptTokensDetails")
    return usage_from_totals(
        input_tokens=(prompt or 0) + (integer(raw.get("toolUsePromptTokenCount")) or 0) if said else None,
        output_tokens=(integer(raw.get("candidatesTokenCount")) or 0) + thoughts if said else None,
        cache_read=integer(raw.get("cachedContentTokenCount")) or 0,
        reasoning=thoughts,
        input_audio=max(0, heard - _sound(raw, "cacheTokensDetails")),
        output_audio=_sound(raw, "candidatesTokensDetails"),
        raw=raw,
    )


def _sound(raw: Mapping[str, Any], details: str) -> int:
    return sum(integer(as_mapping(entry).get("tokenCount")) or 0 for entry in as_list(raw.get(details)) if _is_sound(entry))


def _is_sound(entry: object) -> bool:
    return as_mapping(entry).get("modality") == "AUDIO"
