"""Judging what comes back: nothing of a text is shown before its verdict, and a tool call is judged whole.

Events go in as the decoder makes them and come out as far as they may be shown. A guard that can say where something unfinished might begin
(`open_candidate`) lets everything before that place go at once; a guard that cannot holds a text until it ends. What was shown is kept as
context, so that a word is not taken for the beginning of a text only because a piece ended there.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from saferoute.guards.answer_panel import AnswerPanel
from saferoute.guards.answer_verdicts import CUT_THROUGH, flags_of, key_of, may_end, news, said_of, unfinished, unfit
from saferoute.guards.call_arguments import plainly_written
from saferoute.guards.cited import citation_texts, with_citation_texts
from saferoute.guards.pipeline import ask, check_blocked, composed, failed, judge, judged, spans_to_redact
from saferoute.guards.redacting import redacted
from saferoute.guards.text_flow import AGAIN, Streams, TextFlow
from saferoute.guards.whole_answers import without_traces
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
from saferoute.values.guarding import Action, Judged, Segment
from saferoute.values.json import decode
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from saferoute.guards.pipeline import Active
    from saferoute.guards.text_flow import Delta
    from saferoute.values.events import DecodedEvent
    from saferoute.values.guarding import Context, Span, Stage
    from saferoute.values.messages import Citation, Part

__all__ = ["LONGEST_HELD", "AnswerGuards", "Streams"]

LONGEST_HELD: Final = 16 * 1024
"""Characters that an unfinished find may hold back; beyond them a mark is shown in their place, and what follows waits for its end."""

_BLOCKED: Final = "the answer was not shown any further"


class AnswerGuards:
    """Judges one answer. Made for one attempt, and dropped with it.

    Args:
        active: the guards, or what was worked out about them.
        context: makes the context of a stage.
        mark: what stands in the place of something that was taken out, by its kind.
        whole: whether nobody waits for pieces: every text is then judged once, when it has ended.
        first: what judged the answer before values were put back into it. Only texts that may hold some are then judged, what was told
            already is not told again, and the verdicts are one list.

    Attributes:
        verdicts: every verdict that is not a plain ALLOW. Spans count from the beginning of a text.
        redacted: whether something was taken out.
        told: what was told already: guard, place, action and reasons.
    """

    __slots__ = (
        "_calls", "_context", "_flows", "_is_second", "_judges_calls", "_mark", "_panel", "_whole",
        "redacted", "told", "verdicts",
    )  # fmt: skip

    def __init__(
        self,
        active: Sequence[Active] | AnswerPanel,
        context: Callable[[Stage], Context],
        mark: Callable[[str], str],
        *,
        whole: bool = False,
        first: AnswerGuards | None = None,
    ) -> None:
        panel = active if isinstance(active, AnswerPanel) else AnswerPanel(active)
        self._panel = panel = (whole and panel.at_once) or panel
        self._context = context
        self._mark = mark
        self._flows: dict[int, TextFlow] = {}
        self._calls: dict[int, list[DecodedEvent]] = {}
        self._is_second = first is not None
        self._judges_calls = panel.of_calls and first is None
        self._whole = whole or not panel.streams
        self.told: set[tuple[str, str, Action, tuple[str, ...]]] = set() if first is None else first.told
        self.verdicts: list[Judged] = [] if first is None else first.verdicts
        self.redacted = False

    def feed(self, events: Iterable[DecodedEvent]) -> list[DecodedEvent]:
        """Take events in order; give back those that may be shown.

        Raises:
            GuardError: a guard blocks. Nothing of what it blocks was given back.
        """
        shown: list[DecodedEvent] = []
        grown: TextFlow | None = None  # has pieces that nobody has looked at: those that come together are judged together
        for event in events:
            kind = type(event)
            if self._panel.of_texts and (kind is TextDelta or kind is RefusalDelta or (kind is ReasoningDelta and not self._is_second)):
                flow = self._flows.get(event.index)  # type: ignore[union-attr]  # one of those three
                if grown is not None and grown is not flow:
                    self._judge(grown, shown)
                grown = self._piece(event, flow, shown)  # type: ignore[arg-type]  # as above
            else:
                if grown and not (kind is Completed or (type(event) is PartEnd and event.index == grown.shape.index not in self._calls)):
                    self._judge(grown, shown)  # else as it ends
                grown = None
                self._other(event, shown)
        if grown is not None:
            self._judge(grown, shown)
        return shown

    def _other(self, event: DecodedEvent, shown: list[DecodedEvent]) -> None:
        """Take an event that is no piece of a text that is judged."""
        match event:
            case Cited():
                self._cite(event, shown)
            case PartEnd():
                self._end_part(event, shown)
            case ToolCallDelta() if self._judges_calls:
                self._calls.setdefault(event.index, []).append(event)
            case ToolCallReady() if not self._is_second:
                self._call(event, shown)
            case Completed():
                for flow in self._flows.values():
                    self._end(flow, shown)
                    self._flag(flow)
                shown.append(self._completed(event))
            case _:
                shown.append(event)

    def cut(self) -> list[DecodedEvent]:
        """What may be shown of held texts once nothing follows: what is decided, and a word that has begun and is the beginning of no key.

        Raises:
            GuardError: a guard blocks it.
        """
        shown: list[DecodedEvent] = []
        for flow in self._flows.values():
            if flow.length and self._panel.of_output:
                text, begin = flow.before + "".join(flow.held), len(flow.before)
                end, asked, _ = self._decided(flow, text, begin)
                if end > begin:
                    self._show(flow, text, end, asked, shown)
                if may_end(self._panel.of_output, flow, self._context("output")):
                    self._end(flow, shown)
        return shown

    def _piece(self, event: Delta, flow: TextFlow | None, shown: list[DecodedEvent]) -> TextFlow | None:
        """Take a piece. Returns its text, if somebody has to look at it."""
        if flow is None:
            flow = self._flows[event.index] = TextFlow(event)
        if self._panel.late:
            flow.whole.append(event.text)
        if not self._panel.of_output:
            shown.append(event)
            return None
        text = event.text
        flow.held.append(text)
        flow.length += len(text)
        if text:
            flow.fresh.append(event)
        return flow

    def _judge(self, flow: TextFlow, shown: list[DecodedEvent]) -> None:
        """Look at a text that has grown, and show it as far as it is decided."""
        if self._whole or flow.length < flow.due:
            flow.wait()
            return
        text, begin = flow.before + "".join(flow.held), len(flow.before)
        end, asked, slowest = self._decided(flow, text, begin)
        if end > begin:
            self._show(flow, text, end, asked, shown)
        if flow.length > LONGEST_HELD and not flow.marked:
            self._give_up(flow, slowest, shown)
        flow.looked()

    def _decided(self, flow: TextFlow, text: str, begin: int) -> tuple[int, Sequence[tuple[Active, int]], Active]:
        """How far all guards have decided about a text; those that may find something in it, and how far each has; and the slowest."""
        panel = self._panel
        size = end = len(text)
        slowest, rest = panel.of_output[0], panel.numbered
        if panel.plain_until is not None and (flow.known or flow.start + size >= flow.again):
            place = panel.plain_until(text, begin, flow.known)
            if place >= 0:
                end, rest, flow.known = place, panel.strict, size
                if not rest:
                    return end, (), slowest
            else:  # it stays in sight for a while
                flow.again = flow.start + size + AGAIN
        asked: list[tuple[Active, int]] = []
        known = flow.plain = flow.plain or [0] * len(panel.numbered)
        for number, active in rest:
            if active.passes_plain and flow.known > known[number]:
                known[number] = flow.known
            told = ask(active.guard, "plain_until", text, begin, known[number]) if active.tells_plain else -1
            place = told if type(told) is int else -1  # it is asked in the other way then, where its failure is judged
            known[number] = size if place >= 0 else 0
            if place < 0:
                place = self._open_from(active, text, begin, flow.path)
                asked.append((active, place))
            if place < end:
                end, slowest = place, active
        if rest is panel.numbered and panel.plain_until is not None:
            flow.known = size if text.isascii() and all(known[number] for number, one in rest if one.passes_plain) else 0
        return end, asked, slowest

    def _open_from(self, active: Active, text: str, begin: int, path: str) -> int:
        """From where on a guard wants to see more. One that cannot say it has failed."""
        place = ask(active.guard, "open_candidate", text, begin)
        if type(place) is int and begin <= place <= len(text):
            return place
        if isinstance(place, Exception):
            self._record([judged(active, place, Segment(text, path=path), "output")])
            return begin
        verdict = failed(active, "open_candidate gave no place in the text")
        self._record([Judged(active.name, active.version, "output", path, verdict)])
        return begin

    def _give_up(self, flow: TextFlow, active: Active, shown: list[DecodedEvent]) -> None:
        """Show a mark in the place of what is held. It stays held until it ends: its rest must not be taken for something else."""
        flow.marked, flow.changed, self.redacted = flow.length, True, True
        self.verdicts.append(unfinished(active, flow, LONGEST_HELD))
        shown.append(replace(flow.shape, text=self._mark("unfinished")))

    def _cite(self, event: Cited, shown: list[DecodedEvent]) -> None:
        flow = self._flows.get(event.index)
        if flow is None or not flow.changed:  # else it counts places that are gone, and may quote them
            citation = self._judged_citation(event.citation, f"/content/{event.index}")
            (flow.behind if flow is not None and flow.length else shown).append(replace(event, citation=citation))

    def _judged_citation(self, citation: Citation, path: str) -> Citation:
        """A citation as it may be shown: its words are shown beside the text, and are nobody's whom the caller knows."""
        new: dict[str, str] = {}
        for name, text in () if self._is_second else citation_texts(citation):
            segment = Segment(text, "assistant", "model", path=f"{path}/citations/{name}")
            every = judge(self._panel.active, segment, self._context("output"))
            self._record(every)
            spans = spans_to_redact(every)
            if spans:
                new[name] = redacted(text, spans, self._mark)
                self.redacted = True
        return with_citation_texts(citation, new)

    def _end_part(self, event: PartEnd, shown: list[DecodedEvent]) -> None:
        held = self._calls.get(event.index)
        if held is not None:  # it stands before the call is whole, and must not be shown before its pieces
            held.append(event)
            return
        flow = self._flows.get(event.index)
        if flow is not None:
            self._end(flow, shown)
            if flow.changed:
                event = PartEnd(event.index)  # the state of a thought holds its words
        shown.append(event)

    def _end(self, flow: TextFlow, shown: list[DecodedEvent]) -> None:
        """Show what is left. The flow stays, for its context: a server may go on with a part that it has ended."""
        if flow.length:
            text = flow.before + "".join(flow.held)
            self._show(flow, text, len(text), [(one, len(text)) for _, one in self._panel.asked(text, flow.known)], shown)

    def _flag(self, flow: TextFlow) -> None:
        """Ask the guards that only flag about a text that has ended, once."""
        if self._panel.late and flow.whole:
            self._record(flags_of(self._panel.late, flow, self._context("output")))

    def _show(self, flow: TextFlow, text: str, end: int, asked: Sequence[tuple[Active, int]], shown: list[DecodedEvent]) -> None:
        """Judge a text as far as it is decided, and show it as far as all guards are done with it.

        Each guard sees it up to its own place: what it finds there may reach behind the place of another one, and is then not cut in two.

        Args:
            flow: the text.
            text: what stood before, and what is held.
            end: as far as all guards have decided.
            asked: the guards that may find something, and as far as each of them has decided.
            shown: takes the events.
        """
        begin = len(flow.before)
        found: Sequence[Span] = ()
        every = said_of(asked, text, flow, self._context("output")) if asked else ()
        if every:
            found = spans_to_redact(every)
            while reaching := [span.start for span in found if span.start < end < span.end]:
                end = min(reaching)
            end = max(begin, end)
            self._record(every, begin, end, flow.start)
            if end == begin:
                return
        first = min(begin + flow.marked, end)
        spans = [replace(span, start=max(span.start, first)) for span in found if first < span.end <= end] if found else []
        if spans or flow.marked:
            piece = redacted(text[:end], spans, self._mark)[first:] if spans else text[first:end]
            if spans:
                flow.changed = self.redacted = True
            flow.marked -= first - begin
            if piece:
                shown.append(type(flow.shape)(piece, flow.shape.index))
        else:
            shown += flow.as_it_came(text, end)
        flow.show(text, end)
        if not flow.length:
            if not flow.changed:
                shown += flow.behind
            flow.behind = []

    def _record(self, every: Sequence[Judged], begin: int = 0, end: int | None = None, start: int = 0) -> None:
        """Keep what is news, and refuse what is blocked.

        Args:
            every: what the guards said.
            begin: what was shown already ends there. What was found before it is no news, unless it blocks.
            end: as far as it is shown now; None for all of it. What ends behind it will be found again.
            start: where the judged text begins in the whole one.
        """
        blocked = composed(every) is Action.BLOCK
        for one in every:
            said = news(one, begin, end, start)
            if said is None:
                continue
            key = key_of(said)
            is_news = bool(said.verdict.spans) and not (self._is_second and said.verdict.action is Action.FLAG)
            if is_news or key not in self.told:
                self.told.add(key)
                self.verdicts.append(said)
        if blocked:
            check_blocked(self.verdicts, _BLOCKED)

    def _call(self, event: ToolCallReady, shown: list[DecodedEvent]) -> None:
        held = self._calls.pop(event.index, [])
        call = self.judged_call(event.call, f"/content/{event.index}")
        if call is not event.call:
            ends = [one for one in held if isinstance(one, PartEnd)]
            held = [ToolCallDelta(event.index, call.id, call.name, call.arguments), *(PartEnd(one.index) for one in ends)]
        shown += held
        shown.append(replace(event, call=call))

    def judged_call(self, call: ToolCall, path: str) -> ToolCall:
        """A call as it may be shown.

        Args:
            call: the whole call.
            path: where it stands in the answer.

        Raises:
            GuardError: a guard blocks it.
        """
        arguments = plainly_written(call.arguments)
        segment = Segment(arguments, "assistant", "model", path=path, name=call.name)
        every = judge(self._panel.active, segment, self._context("tool_call"))
        self._record(every)
        spans = spans_to_redact(every)
        if not spans:
            return call
        self.redacted = True
        arguments = redacted(arguments, spans, self._mark)
        try:
            decode(arguments)
        except ValueError:  # a place that cuts through the form of the arguments
            self.verdicts += [unfit(one, CUT_THROUGH) for one in every if one.verdict.action is Action.REDACT]
            check_blocked(self.verdicts, _BLOCKED)
        return replace(call, arguments=arguments, state=None)  # its state may hold them as they were

    def _completed(self, event: Completed) -> Completed:
        alternatives = tuple(self._alternative(one, number) for number, one in enumerate(event.alternatives, 1))
        return replace(without_traces(event), alternatives=alternatives) if self.redacted else event

    def _alternative(self, one: Alternative, number: int) -> Alternative:
        parts = tuple(self._judged_part(part, f"/alternatives/{number}/content/{index}") for index, part in enumerate(one.message.content))
        return replace(one, message=replace(one.message, content=parts))

    def _with_judged_citations(self, part: Text, path: str) -> Text:
        return replace(part, citations=tuple(self._judged_citation(one, path) for one in part.citations))

    def _judged_part(self, part: Part, path: str) -> Part:
        match part:
            case ToolCall() | Reasoning() if self._is_second:
                return part
            case ToolCall():
                return self.judged_call(part, path)
            case Text() | Refusal() | Reasoning() if part.text:
                segment = Segment(part.text, "assistant", "model", path=path, name="" if type(part) is Text else part.type)
                every = judge(self._panel.active, segment, self._context("output"))
                self._record(every)
                spans = spans_to_redact(every)
                if not spans:
                    return self._with_judged_citations(part, path) if isinstance(part, Text) and part.citations else part
                self.redacted = True
                return type(part)(redacted(part.text, spans, self._mark))  # without citations of places that are gone, and its state
            case _:
                return part
