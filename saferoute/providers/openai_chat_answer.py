"""Read answers of OpenAI Chat Completions and of the many servers that speak it, streamed or whole. Pure.

A whole body is read as one chunk whose delta is the message, so that both give the same events. What real servers do differently:

1. Reasoning stands in `reasoning_content`, `reasoning`, `reasoning_details` or in typed content blocks; content is null, "" or a list.
2. Fragments of tool calls come without `index`, without `id`, whole, with arguments as an object, or as the older `function_call`.
3. Whether the model asks for tools is decided by the calls, not by `finish_reason`; an unknown reason is "other", its word is kept.
4. Usage comes in a last chunk, in every chunk, beside the choice, under `x_groq`, or not at all. DeepSeek says what it read from its
   cache as `prompt_cache_hit_tokens`.
5. `choices` may be empty; a stream may end without `[DONE]` if a finish reason has come.
6. Errors come inside successful answers, as an object, a text, under `message` or `detail`, or under `x_groq`.

Choices with an index over 0 are the other answers, each gathered by a reader of its own, and each with the reason why it ended. A
missing index is 0 in a stream, and the choice's place in a whole body, where no index may come twice. Sources of the text come at its
end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import ProtocolError, ProviderError
from saferoute.providers.answer_numbers import numbered
from saferoute.providers.logprobs import token_logprobs
from saferoute.providers.openai_chat_choice import Choice
from saferoute.providers.openai_chat_growth import settled
from saferoute.providers.openai_chat_outcome import BILLED_APART, KEPT_OF_ANSWER, cited, noticed, usage_of
from saferoute.providers.price_terms import under_terms
from saferoute.providers.statuses import complaint_in, provider_error
from saferoute.values.events import Alternative, Completed, Notice, Noticed, Started, TextDelta
from saferoute.values.fold import Fold
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode
from saferoute.values.messages import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.values.events import DecodedEvent
    from saferoute.values.target import Target

__all__ = ["ChatReader"]


class ChatReader:
    """Reads one answer."""

    __slots__ = ("_choice", "_choice_seen", "_others", "_started", "_target", "_usage", "completed")

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._target = target
        self._started = False
        self._choice_seen = False
        self._choice = Choice(target, ("",))
        self._others: dict[int, tuple[Choice, Fold]] = {}
        self._usage: Mapping[str, Any] | None = None

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
                choice = self._choice
                return (TextDelta(content, choice.text if choice.text >= 0 else choice.text_part()),)
        return self._read(chunk, "delta")

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Read a whole answer.

        Raises:
            ProviderError: for an error inside it.
            ProtocolError: for a body without a choice.
        """
        events = self._read(body, "message")
        events += self._end(whole=True)
        return events

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
            answer_id = as_text(chunk.get("id"))
            self._choice.seed = (answer_id, chunk.get("created"))
            events.append(Started(answer_id, as_text(chunk.get("model"))))
        usage = chunk.get("usage")
        if usage and isinstance(usage, dict):
            self._usage = usage
        if "x_groq" in chunk:
            more = as_mapping(chunk["x_groq"])
            if more.get("error"):
                raise self.error(Head(200, {}), more)
            self._take_usage(more.get("usage"))
        for name, value in chunk.items():
            if name in KEPT_OF_ANSWER and value is not None:
                self._choice.metadata[name] = value
        for number, choice in numbered(choices, self._target.provider_name, together=key == "message"):
            if number:
                self._read_alternative(number, choice, key)
                continue
            if choice.get("error"):
                raise self.error(Head(200, {}), choice)
            self._choice_seen = True
            if "usage" in choice:
                self._take_usage(choice["usage"])
            self._choice.read(choice, key, events)
        return events

    def _read_alternative(self, index: int, choice: Mapping[str, Any], key: str) -> None:
        if index not in self._others:
            self._others[index] = Choice(self._target, (*self._choice.seed, index)), Fold()
        reader, fold = self._others[index]
        events: list[DecodedEvent] = []
        reader.read(choice, key, events)
        fold.add(events)

    def _take_usage(self, usage: object) -> None:
        if usage and isinstance(usage, dict):
            self._usage = usage

    # --------------------------------------------------------------------------------------------------------- the end

    def _end(self, *, whole: bool = False) -> list[DecodedEvent]:
        if not self._choice_seen:
            raise self._broken("an answer without a choice")
        choice = self._choice
        metadata = choice.metadata if whole else settled(choice.metadata)  # only in a stream does a text grow
        events: list[DecodedEvent] = [*cited(metadata, choice.text)]
        choice.end_parts(events)
        self.completed = True
        logprobs = token_logprobs(as_mapping(metadata["logprobs"]).get("content")) if "logprobs" in metadata else ()
        if "content_filter_results" in metadata:
            events += noticed(metadata)
        others = self._alternatives(whole=whole) if self._others else ()
        usage = under_terms(usage_of(self._usage), metadata, *BILLED_APART)
        events.append(Completed(choice.finish_reason(), choice.finish, usage, metadata, logprobs, others))
        return events

    def _alternatives(self, *, whole: bool) -> tuple[Alternative, ...]:
        others = []
        for _, (choice, fold) in sorted(self._others.items()):
            if whole and not choice.finish:
                raise self._broken("an alternative without a finish reason, which may have been cut off")
            events: list[DecodedEvent] = [*cited(choice.metadata, choice.text)]
            choice.end_parts(events)
            fold.add(events)
            others.append(Alternative(Message("assistant", fold.content()), choice.finish_reason(), choice.finish))
        return tuple(others)

    def _broken(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name or 'the provider'} sent {what}")


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
