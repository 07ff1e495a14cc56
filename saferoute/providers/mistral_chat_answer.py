"""Read answers of Mistral's chat API, streamed or whole. Pure.

A whole body is read as one chunk whose delta is the message, so that both give the same events. Rules:

- Content is a text or a list of chunks. Neighbouring pieces of one kind are one part: text, or thinking, whose state is the chunk with
  its pieces joined. A piece that brings a second signature begins a second part of thinking.
- Calls come whole or in fragments, with arguments as text or as an object; an id of "null" is none.
- Whether the model asks for tools is decided by the calls, not by `finish_reason`; an unknown reason is "other", its word is kept.
- References to sources are citations of the text before them; without a text they are metadata alone.
- Choices with an index over 0 are the other answers, each gathered by itself, and each with the reason why it ended. A missing index is
  0 in a stream, and the choice's place in a whole body, where no index may come twice.
- Usage comes with the last choice. Cached tokens stand in `prompt_tokens_details`, on some servers in `num_cached_tokens`.
- `[DONE]` ends a stream; one that ends without it is whole if a finish reason has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ProtocolError
from saferoute.providers.answer_numbers import numbered
from saferoute.providers.mistral_chat_choice import Choice
from saferoute.providers.price_terms import under_terms
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import Alternative, Completed, Notice, Noticed, Started
from saferoute.values.fold import Fold
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, integer
from saferoute.values.messages import Message
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent
    from saferoute.values.target import Target

__all__ = ["MistralReader"]

_REQUEST_IDS: Final = ("mistral-correlation-id", "x-kong-request-id")


class MistralReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the answer's end has come.
    """

    __slots__ = ("_choice", "_choice_seen", "_others", "_provider", "_started", "_target", "_usage", "completed")

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._target = target
        self._provider = target.provider_name
        self._started = False
        self._choice_seen = False
        self._choice = Choice(target, "")
        self._others: dict[int, tuple[Choice, Fold]] = {}
        self._usage: Mapping[str, Any] | None = None

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
        return [*self._read(body, "message"), *self._end(whole=True)]

    def on_end(self) -> Sequence[DecodedEvent]:
        """Complete a stream that ended without `[DONE]`, if a finish reason has come."""
        if not self._choice.finish or not all(other.finish for other, _ in self._others.values()):
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
            self._choice.seed = as_text(chunk.get("id"))
            events.append(Started(self._choice.seed, as_text(chunk.get("model"))))
        usage = chunk.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
            if isinstance(usage.get("service_tier"), str):
                self._choice.metadata["service_tier"] = usage["service_tier"]
        for number, choice in numbered(choices, self._provider, together=key == "message"):
            if number:
                self._read_alternative(number, choice, key)
            else:
                self._choice_seen = True
                self._choice.read(choice, key, events)
        return events

    def _read_alternative(self, index: int, choice: Mapping[str, Any], key: str) -> None:
        if index not in self._others:
            self._others[index] = Choice(self._target, f"{self._choice.seed}|{index}"), Fold()
        gathered, fold = self._others[index]
        events: list[DecodedEvent] = []
        gathered.read(choice, key, events)
        fold.add(events)

    # ------------------------------------------------------------------------------------------------ the end

    def _end(self, *, whole: bool = False) -> list[DecodedEvent]:
        if not self._choice_seen:
            raise self._broken("an answer without a choice")
        choice = self._choice
        events: list[DecodedEvent] = []
        choice.end_parts(events)
        others = tuple(self._alternative(*self._others[index], whole=whole) for index in sorted(self._others))
        self.completed = True
        reason, usage = choice.finish_reason(), under_terms(_usage(self._usage), choice.metadata)
        return [*events, Completed(reason, choice.finish, usage, choice.metadata, choice.logprobs(), others)]

    def _alternative(self, choice: Choice, fold: Fold, *, whole: bool) -> Alternative:
        if whole and not choice.finish:
            raise self._broken("an alternative without a finish reason, which may have been cut off")
        events: list[DecodedEvent] = []
        choice.end_parts(events)
        fold.add(events)
        return Alternative(Message("assistant", fold.content()), choice.finish_reason(), choice.finish)

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
