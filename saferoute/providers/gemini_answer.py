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
- The candidate with the index 0, which the API leaves out, is the answer; others are its alternatives, which no event shows, each with
  the reason why it ended. No number comes twice in a fragment; the second that is left out is the candidate's place.
- Sources of the text are said when the answer is whole: what they point to may come in any fragment.
- Counts are totals so far: the last record with a total replaces those before it, zeros (which are left out) included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.answer_numbers import numbered
from saferoute.providers.gemini_candidate import UNSAID, Candidate
from saferoute.providers.gemini_complaints import complained
from saferoute.providers.price_terms import under_terms
from saferoute.values.events import Alternative, Completed, Started
from saferoute.values.fold import Fold
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, integer
from saferoute.values.messages import Message
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
_BODY_METADATA: Final = ("serviceTier", "modelStatus")


class GeminiReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the answer is whole.
    """

    __slots__ = ("_blocked", "_id", "_main", "_metadata", "_others", "_target", "_usage", "completed")

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._target = target
        self._id: str | None = None  # None until the first fragment
        self._main = Candidate(target, 0, "")
        self._others: dict[int, tuple[Candidate, list[DecodedEvent]]] = {}
        self._blocked = ""
        self._usage: dict[str, Any] = {}
        self._metadata: dict[str, Any] = {}

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
        if not (self._main.finish or self._blocked) or not all(other.finish for other, _ in self._others.values()):
            return ()
        return self._complete()

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
            self._main = Candidate(self._target, 0, self._id)
            events.append(Started(self._id, as_text(said.get("modelVersion"))))
        usage = {name: value for name, value in as_mapping(said.get("usageMetadata")).items() if value is not None}
        if "totalTokenCount" in usage:
            self._usage = usage
        else:
            self._usage |= usage
        if isinstance(said.get("promptFeedback"), dict):
            self._metadata["promptFeedback"] = said["promptFeedback"]
            blocked = as_text(said["promptFeedback"].get("blockReason"))
            self._blocked = self._blocked if blocked in UNSAID else blocked
        self._metadata |= {name: said[name] for name in _BODY_METADATA if said.get(name) is not None}
        for number, candidate in numbered(as_list(said.get("candidates")), self._target.provider_name, together=True):
            if number == 0:
                self._main.read(candidate, events)
            else:
                other, its_events = self._others.setdefault(number, (Candidate(self._target, number, self._id or ""), []))
                other.read(candidate, its_events)
        return events

    # ------------------------------------------------------------------------------------------------ the end

    def _complete(self) -> Sequence[DecodedEvent]:
        events: list[DecodedEvent] = []
        main = self._main
        logprobs = main.end(events)
        self.completed = True
        raw = main.finish or self._blocked
        finish = _finish(raw, calls=main.calls)
        if finish != "tool_call" and self._blocked and not main.finish:
            finish = "content_filter"
        alternatives = tuple(self._alternative(*self._others[number]) for number in sorted(self._others))
        metadata = self._metadata | main.metadata
        usage = under_terms(_usage(self._usage), metadata, "groundingMetadata")
        return [*events, Completed(finish, raw, usage, metadata, logprobs, alternatives)]

    def _alternative(self, candidate: Candidate, events: list[DecodedEvent]) -> Alternative:
        if not candidate.finish:
            raise self._broken("an alternative without a finish reason, which may have been cut off")
        candidate.end(events)
        fold = Fold()
        fold.add(events)
        return Alternative(Message("assistant", fold.content()), _finish(candidate.finish, calls=candidate.calls), candidate.finish)

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name or 'the provider'} sent {what}")


def _finish(raw: str, *, calls: bool) -> FinishReason:
    finish = _FINISH.get(raw, "other")
    return "tool_call" if calls and (raw in {"", "STOP"} or finish == "other") else finish  # a call counts, whatever new word comes with it


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
