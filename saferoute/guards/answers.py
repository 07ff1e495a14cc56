"""Judging what comes back: nothing of a text is shown before its verdict, and a tool call is judged whole.

Events go in as the decoder makes them and come out as far as they may be shown. A guard that can say where something unfinished might begin
(`open_candidate`) lets everything before that place go at once; a guard that cannot holds a text until it ends. What was shown is kept as
context, so that a word is not taken for the beginning of a text only because a piece ended there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

from saferoute.guards.pipeline import check_blocked, composed, judge, spans_to_redact
from saferoute.guards.redacting import redacted
from saferoute.values.events import (
    Alternative,
    Cited,
    Completed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.guarding import Action, Segment, Span
from saferoute.values.json import decode
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from saferoute.guards.pipeline import Active
    from saferoute.values.events import DecodedEvent
    from saferoute.values.guarding import Context, Judged, Stage
    from saferoute.values.messages import Part

__all__ = ["LONGEST_HELD", "AnswerGuards", "Streams"]

LONGEST_HELD: Final = 16 * 1024
"""Characters that an unfinished find may hold back; beyond them it is taken out as it stands."""

_CONTEXT: Final = 1024
"""Characters before a piece that guards see with it: more than any label before a key."""

_BLOCKED: Final = "the answer was not shown any further"

_Delta = TextDelta | RefusalDelta | ReasoningDelta


@runtime_checkable
class Streams(Protocol):
    """A guard that can judge a text piece by piece."""

    def open_candidate(self, text: str, start: int = 0) -> int:
        """The earliest place at or after `start` where something that this guard looks for might begin and has not ended; len(text)."""


@dataclass(slots=True)
class _Flow:
    """One text on its way: what was shown of it last, and what is held."""

    before: str
    held: str
    shape: _Delta
    behind: list[DecodedEvent]


class AnswerGuards:
    """Judges one answer. Made for one attempt, and dropped with it.

    Args:
        active: the guards.
        context: makes the context of a stage.
        mark: what stands in the place of something that was taken out, by its kind.

    Attributes:
        verdicts: every verdict that is not a plain ALLOW.
        redacted: whether something was taken out.
    """

    __slots__ = ("_active", "_calls", "_context", "_flows", "_holding", "_mark", "_told", "redacted", "verdicts")

    def __init__(self, active: Sequence[Active], context: Callable[[Stage], Context], mark: Callable[[str], str]) -> None:
        self._active = active
        self._context = context
        self._mark = mark
        self._flows: dict[int, _Flow] = {}
        self._calls: dict[int, list[DecodedEvent]] = {}
        self._holding = tuple(one.guard for one in active if one.asked_about("output"))
        self._told: set[tuple[str, str, tuple[str, ...]]] = set()
        self.verdicts: list[Judged] = []
        self.redacted = False

    def feed(self, events: Iterable[DecodedEvent]) -> list[DecodedEvent]:
        """Take events in order; give back those that may be shown.

        Raises:
            GuardError: a guard blocks. Nothing of what it blocks was given back.
        """
        shown: list[DecodedEvent] = []
        for event in events:
            match event:
                case TextDelta() | RefusalDelta() | ReasoningDelta():
                    self._piece(event, shown)
                case Cited() if event.index in self._flows:
                    self._flows[event.index].behind.append(event)
                case PartEnd():
                    self._end(event.index, shown)
                    shown.append(event)
                case ToolCallDelta():
                    self._calls.setdefault(event.index, []).append(event)
                case ToolCallReady():
                    self._call(event, shown)
                case Completed():
                    for index in sorted(self._flows):
                        self._end(index, shown)
                    shown.append(self._completed(event))
                case _:
                    shown.append(event)
        return shown

    def _piece(self, event: _Delta, shown: list[DecodedEvent]) -> None:
        flow = self._flows.get(event.index)
        if flow is None:
            flow = self._flows[event.index] = _Flow("", "", event, [])
        flow.held += event.text
        text = flow.before + flow.held
        begin = len(flow.before)
        safe = min((self._open_from(guard, text, begin) for guard in self._holding), default=len(text))
        if safe > begin:
            self._show(flow, safe - begin, shown)
        elif len(flow.held) > LONGEST_HELD and all(isinstance(guard, Streams) for guard in self._holding):
            flow.before = ""
            flow.held = ""
            self.redacted = True
            shown.append(replace(flow.shape, text=self._mark("unfinished")))

    def _open_from(self, guard: object, text: str, begin: int) -> int:
        if not isinstance(guard, Streams):
            return begin
        place = guard.open_candidate(text, begin)
        return place if type(place) is int and begin <= place <= len(text) else begin  # fail closed: it is held

    def _end(self, index: int, shown: list[DecodedEvent]) -> None:
        flow = self._flows.pop(index, None)
        if flow is not None:
            if flow.held:
                self._show(flow, len(flow.held), shown)
            shown += flow.behind

    def _show(self, flow: _Flow, count: int, shown: list[DecodedEvent]) -> None:
        """Judge what may be shown, with what stood before it, and show it."""
        begin = len(flow.before)
        text = flow.before + flow.held[:count]
        segment = Segment(text, "assistant", "model", path=f"/content/{flow.shape.index}")
        every = judge(self._active, segment, self._context("output"))
        self._record(every, begin)
        spans = [replace(span, start=max(span.start, begin)) for span in spans_to_redact(every) if span.end > begin]
        piece = redacted(text, spans, self._mark)[begin:] if spans else flow.held[:count]
        self.redacted = self.redacted or bool(spans)
        flow.before = text[-_CONTEXT:]
        flow.held = flow.held[count:]
        if piece:
            shown.append(replace(flow.shape, text=piece))
        if not flow.held:
            shown += flow.behind
            flow.behind = []

    def _record(self, every: Sequence[Judged], begin: int = 0) -> None:
        """Keep what is news, and refuse what is blocked. What a guard found in the part that was shown is no news."""
        news = [
            one
            for one in every
            if one.verdict.action is not Action.ALLOW and (not one.verdict.spans or max(span.end for span in one.verdict.spans) > begin)
        ]
        for one in news:
            key = (one.guard, one.path, one.verdict.reasons)
            if one.verdict.spans or key not in self._told:
                self._told.add(key)
                self.verdicts.append(one)
        if composed(news) is Action.BLOCK:
            check_blocked(self.verdicts, _BLOCKED)

    def _call(self, event: ToolCallReady, shown: list[DecodedEvent]) -> None:
        held = self._calls.pop(event.index, [])
        call = self._judged_call(event.call, f"/content/{event.index}")
        if call is not event.call:
            held = [ToolCallDelta(event.index, call.id, call.name, call.arguments)]
        shown += held
        shown.append(replace(event, call=call))

    def _judged_call(self, call: ToolCall, path: str) -> ToolCall:
        segment = Segment(call.arguments, "assistant", "model", path=path, name=call.name)
        every = judge(self._active, segment, self._context("tool_call"))
        self._record(every)
        spans = spans_to_redact(every)
        if not spans:
            return call
        self.redacted = True
        arguments = redacted(call.arguments, spans, self._mark)
        try:
            decode(arguments.encode())
        except ValueError:  # a place that cuts through the form of the arguments
            unfit = [
                replace(one, verdict=replace(one.verdict, action=Action.BLOCK)) for one in every if one.verdict.action is Action.REDACT
            ]
            self.verdicts += unfit
            check_blocked(self.verdicts, _BLOCKED)
        return replace(call, arguments=arguments)

    def _completed(self, event: Completed) -> Completed:
        alternatives = tuple(self._alternative(one, number) for number, one in enumerate(event.alternatives, 1))
        if alternatives != event.alternatives or self.redacted:
            # The tokens of what was taken out stand among the log probabilities.
            return replace(event, alternatives=alternatives, logprobs=() if self.redacted else event.logprobs)
        return event

    def _alternative(self, one: Alternative, number: int) -> Alternative:
        parts = tuple(self._judged_part(part, f"/alternatives/{number}/content/{index}") for index, part in enumerate(one.message.content))
        return replace(one, message=replace(one.message, content=parts))

    def _judged_part(self, part: Part, path: str) -> Part:
        match part:
            case ToolCall():
                return self._judged_call(part, path)
            case Text() | Refusal() | Reasoning():
                every = judge(self._active, Segment(part.text, "assistant", "model", path=path), self._context("output"))
                self._record(every)
                spans: tuple[Span, ...] = spans_to_redact(every)
                self.redacted = self.redacted or bool(spans)
                return replace(part, text=redacted(part.text, spans, self._mark)) if spans else part
            case _:
                return part
