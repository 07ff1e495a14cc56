"""Fold a decoder's events into the parts of an answer: the one way from events to a reply, for streams and whole bodies alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.values.events import (
    Cited,
    Completed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall
from saferoute.values.reply import Partial

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Citation, Content, OpaqueState, Part

__all__ = ["Fold"]


class Fold:
    """Gathers one answer.

    Attributes:
        started: the first event, once it came.
        completed: the last event, once it came.
    """

    __slots__ = ("_calls", "_citations", "_kinds", "_pieces", "_states", "completed", "started")

    def __init__(self) -> None:
        self.started: Started | None = None
        self.completed: Completed | None = None
        self._pieces: dict[int, list[str]] = {}
        self._kinds: dict[int, type[Text | Refusal | Reasoning]] = {}
        self._calls: dict[int, ToolCall] = {}
        self._states: dict[int, OpaqueState] = {}
        self._citations: dict[int, list[Citation]] = {}

    def add(self, events: Iterable[DecodedEvent]) -> None:
        """Take events, in order."""
        for event in events:
            kind = type(event)
            if kind is TextDelta:
                pieces = self._pieces.get(event.index)  # type: ignore[union-attr]
                if pieces is None:
                    self._begin(event.index, Text, event.text)  # type: ignore[union-attr]
                else:
                    pieces.append(event.text)  # type: ignore[union-attr]
            elif kind is PartEnd:
                if event.state is not None:  # type: ignore[union-attr]
                    self._states[event.index] = event.state  # type: ignore[union-attr]
                    self._kinds.setdefault(event.index, Reasoning)  # type: ignore[union-attr]
            elif kind is Started:
                self.started = event  # type: ignore[assignment]
            elif kind is Completed:
                self.completed = event  # type: ignore[assignment]
            elif kind is ToolCallReady:
                self._calls[event.index] = event.call  # type: ignore[union-attr]
            elif kind is not ToolCallDelta:  # pieces of tool calls are for the consumer; the whole call follows
                self._add_rare(event)

    def _add_rare(self, event: DecodedEvent) -> None:
        match event:
            case ReasoningDelta():
                self._begin(event.index, Reasoning, event.text)
            case RefusalDelta():
                self._begin(event.index, Refusal, event.text)
            case Cited():
                self._citations.setdefault(event.index, []).append(event.citation)
            case _:  # notices are for the consumer
                pass

    def _begin(self, index: int, kind: type[Text | Refusal | Reasoning], text: str) -> None:
        self._kinds.setdefault(index, kind)
        self._pieces.setdefault(index, []).append(text)

    def content(self) -> Content:
        """The parts so far, in order of their index; empty text parts are left out."""
        parts: list[Part] = []
        calls, kinds = self._calls, self._kinds
        for index in sorted(kinds.keys() | calls.keys() if calls else kinds):
            if index in calls:
                parts.append(calls[index])
                continue
            text = "".join(self._pieces.get(index, ()))
            kind = kinds[index]
            if kind is Reasoning:
                parts.append(Reasoning(text, self._states.get(index)))
            elif text and kind is Text:
                parts.append(Text(text, tuple(self._citations[index])) if index in self._citations else Text(text))
            elif text:
                parts.append(kind(text))
        return tuple(parts)

    def partial(self) -> Partial:
        """What has arrived so far, for an answer that was cut off."""
        content = self.content()
        return Partial(
            "".join(part.text for part in content if isinstance(part, Text)),
            "".join(part.text for part in content if isinstance(part, Reasoning)),
            tuple(part for part in content if isinstance(part, ToolCall)),
        )
