"""Answers of Converse, whole and streamed, as events.

A whole body is read as the stream it could have been, block by block. Rules:

- Text and reasoning have no event that begins them: their first piece does, and a piece of the other kind, or one after the end of a
  block, begins the next part. A tool call has one; a piece of a call that did not begin means that something was lost: ProtocolError.
- `messageStop` is the end of the answer, and `metadata` with the usage comes behind it: Completed waits for both, in whichever order.
  A stream that ends with `messageStop` alone is whole, without usage; one that ends before it was cut off.
- Reasoning with a signature, redacted reasoning, and the calls and results of server-side tools have an opaque state, which is the
  content block that has to come back in the next turn. Server-side calls also stand in the metadata, under "server_blocks".
- A citation is of the whole text block that it stands in; as it came, it also stands in the metadata, under "citations".
- Blocks that have no part here (a picture that the model made, for example) are left out with a notice.
- An exception inside the stream, and an error inside a successful body, are errors of the tree. Converse has no id for an answer and
  does not say which model it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.providers.bedrock_blocks import Blocks, broken
from saferoute.providers.bedrock_errors import complaint_of
from saferoute.providers.price_terms import under_terms
from saferoute.providers.statuses import provider_error
from saferoute.values.events import Completed, Started
from saferoute.values.http import Head
from saferoute.values.json import as_list, as_mapping, as_text, decode, integer
from saferoute.values.usage import usage_from_totals
from saferoute.wire.eventstream import ERROR, EXCEPTION

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.errors import ProtocolError, ProviderError
    from saferoute.values.events import DecodedEvent, FinishReason
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["BedrockReader"]

_FINISH: Mapping[str, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_overflow",
    "tool_use": "tool_call",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "error",
    "malformed_tool_use": "error",
}
# What of a body, or of the events at a stream's end, is worth keeping.
_METADATA = ("metrics", "trace", "performanceConfig", "serviceTier", "additionalModelResponseFields")


class BedrockReader:
    """Reads one answer. See the module's docstring for the rules.

    Attributes:
        completed: whether the terminal event has come.
    """

    __slots__ = ("_begun", "_blocks", "_metadata", "_provider", "_stop", "_told", "_usage", "completed")

    def __init__(self, target: Target) -> None:
        self.completed = False
        self._provider = target.provider_name
        self._blocks = Blocks(target)
        self._begun = False
        self._stop: str | None = None  # None until messageStop
        self._told = False  # whether metadata came
        self._usage: Mapping[str, Any] = {}
        self._metadata: dict[str, Any] = {}

    # ------------------------------------------------------------------------------------------------ the reader's contract

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Turn a whole answer into the events that it would have streamed.

        Raises:
            ProviderError: for an error inside a successful answer.
            ProtocolError: for anything that is no answer.
        """
        content = as_mapping(as_mapping(body.get("output")).get("message")).get("content")
        if not isinstance(content, list):
            if "output" not in body and not body.keys().isdisjoint({"message", "Message", "__type"}):
                raise self.error(Head(200, {}), body)
            raise self._broken("a body without content blocks")
        events = self._begin()
        for index, block in enumerate(content):
            if not isinstance(block, dict):
                raise self._broken("a content block that is no object")
            events += self._blocks.whole(index, block)
        self._keep(body)
        self._stop = as_text(body.get("stopReason"))
        return [*events, self._complete()]

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        """Turn one event into events.

        Args:
            name: as `saferoute.wire.eventstream.FrameStream` names it.
            data: its payload.

        Raises:
            ProviderError: for an exception or error.
            ProtocolError: for a payload that is no JSON object, and for events that make no answer.
        """
        if self.completed:
            return ()
        try:
            event = decode(data)
        except ValueError:
            event = None
        for prefix in (EXCEPTION, ERROR):
            if name.startswith(prefix):
                said = complaint_of(name.removeprefix(prefix), as_mapping(event))
                raise provider_error(Head(200, {}), said, provider_name=self._provider)
        if not isinstance(event, dict):
            raise self._broken("an event that is no JSON object")
        act = _EVENTS.get(name)
        return act(self, event) if act is not None else ()

    def on_end(self) -> Sequence[DecodedEvent]:
        """A stream that has said its stop reason is whole, though its usage never came; any other was cut off."""
        return () if self._stop is None else (self._complete(),)

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Turn an error answer into one of the tree's errors: its name stands in a header or in the body."""
        name = head.headers.get("x-amzn-errortype") or as_text(body.get("__type")) or as_text(body.get("code"))
        return provider_error(head, complaint_of(name, body), provider_name=self._provider)

    # ------------------------------------------------------------------------------------------------ events of a stream

    def _on_message_start(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        del event
        if self._begun:
            raise self._broken("a messageStart out of place")
        return self._begin()

    def _on_block_start(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        index = self._index(event)
        events = self._begin()
        for kind, value in as_mapping(event.get("start")).items():
            events += self._blocks.start(index, kind, value)
        return events

    def _on_block_delta(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        index = self._index(event)
        delta = event.get("delta")
        if not isinstance(delta, dict):
            raise self._broken("a piece of content that is no object")
        events = self._begin()
        for kind, value in delta.items():
            events += self._blocks.delta(index, kind, value)
        return events

    def _on_block_stop(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        index = self._index(event)
        return [*self._begin(), *self._blocks.end(index)]

    def _on_message_stop(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        if self._stop is not None:
            raise self._broken("a second messageStop")
        events = [*self._begin(), *self._blocks.end_all()]
        self._stop = as_text(event.get("stopReason"))
        self._keep(event)
        return [*events, self._complete()] if self._told else events

    def _on_metadata(self, event: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        events = self._begin()
        self._keep(event)
        self._told = True
        return events if self._stop is None else [*events, self._complete()]

    def _index(self, event: Mapping[str, Any]) -> int:
        index = event.get("contentBlockIndex")
        if type(index) is not int or index < 0 or self._stop is not None:
            raise self._broken("content out of place")
        return index

    # ------------------------------------------------------------------------------------------------ begin and end

    def _begin(self) -> list[DecodedEvent]:
        """The first event, once: some streams leave out messageStart."""
        if self._begun:
            return []
        self._begun = True
        return [Started("", "")]

    def _keep(self, said: Mapping[str, Any]) -> None:
        if isinstance(said.get("usage"), dict):
            self._usage = said["usage"]
        self._metadata |= {name: said[name] for name in _METADATA if said.get(name) is not None}

    def _complete(self) -> Completed:
        self.completed = True
        stop = self._stop or ""
        finish = _FINISH.get(stop, "other")
        if self._blocks.calls and stop in {"", "end_turn"}:
            finish = "tool_call"
        metadata = self._metadata
        if self._blocks.server:
            metadata["server_blocks"] = self._blocks.server
        if self._blocks.citations:
            metadata["citations"] = self._blocks.citations
        return Completed(finish, stop, under_terms(_usage(self._usage), metadata), metadata)

    def _broken(self, what: str) -> ProtocolError:
        return broken(self._provider, what)


def _usage(raw: Mapping[str, Any]) -> Usage:
    """Totals out of Converse's counts. `inputTokens` leaves out what the cache had, unless `totalTokens` says that it does not."""
    fresh, output = integer(raw.get("inputTokens")), integer(raw.get("outputTokens"))
    read, written = integer(raw.get("cacheReadInputTokens")) or 0, integer(raw.get("cacheWriteInputTokens")) or 0
    written_1h = 0
    for detail in as_list(raw.get("cacheDetails")):
        if as_mapping(detail).get("ttl") == "1h":
            written_1h += integer(as_mapping(detail).get("inputTokens")) or 0
    written_1h = min(written_1h, written)
    if fresh is not None and (output is None or integer(raw.get("totalTokens")) != fresh + output):
        fresh += read + written
    return usage_from_totals(
        input_tokens=fresh,
        output_tokens=output,
        cache_read=read,
        cache_write_5m=written - written_1h,
        cache_write_1h=written_1h,
        raw=raw,
    )


_EVENTS: Mapping[str, Callable[[BedrockReader, Mapping[str, Any]], Sequence[DecodedEvent]]] = {
    "messageStart": BedrockReader._on_message_start,  # noqa: SLF001  its own dispatch table
    "contentBlockStart": BedrockReader._on_block_start,  # noqa: SLF001
    "contentBlockDelta": BedrockReader._on_block_delta,  # noqa: SLF001
    "contentBlockStop": BedrockReader._on_block_stop,  # noqa: SLF001
    "messageStop": BedrockReader._on_message_stop,  # noqa: SLF001
    "metadata": BedrockReader._on_metadata,  # noqa: SLF001
}
