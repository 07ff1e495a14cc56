"""Verdicts about an answer, as they are told: what is news about a text that comes in pieces, and what comes too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from saferoute.guards.pipeline import failed, is_failure, judge, said_by
from saferoute.values.guarding import Action, Judged, Segment, Span, Verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.guards.pipeline import Active
    from saferoute.guards.text_flow import TextFlow
    from saferoute.values.guarding import Context

__all__ = ["CUT_THROUGH", "flags_of", "key_of", "may_end", "news", "said_of", "unfinished", "unfit"]


CUT_THROUGH: Final = "it cannot be taken out of the arguments: they would not be JSON any more"
"""Why what is to be taken out of a call's arguments may block."""

_LONGEST_WORD: Final = 32
_ANY_END: Final = "Qz7kP2xV9m4"
"""What a key might go on with."""


def may_end(active: Sequence[Active], flow: TextFlow, context: Context) -> bool:
    """Whether what is held of a text that was cut off is a word, and not what a guard would find if it went on."""
    word = "".join(flow.held)
    if not word.isalpha() or len(word) > _LONGEST_WORD:
        return False
    said = judge(active, Segment(f"{flow.before}{word}{_ANY_END}", "assistant", "model", path=flow.path, name=flow.name), context)
    return not any(span.end > len(flow.before) for one in said for span in one.verdict.spans)


def said_of(asked: Sequence[tuple[Active, int]], text: str, flow: TextFlow, context: Context) -> list[Judged]:
    """Ask guards about a text, each as far as it has decided. Gives all that is more than plain consent."""
    path, name = flow.path, flow.name
    return said_by([(one, Segment(text[:place], "assistant", "model", path=path, name=name)) for one, place in asked], context)


def flags_of(late: Sequence[Active], flow: TextFlow, context: Context) -> list[Judged]:
    """Ask guards that only flag about a text that has ended. What one wants taken out comes too late: it was shown already."""
    segment = Segment("".join(flow.whole), "assistant", "model", path=flow.path, name=flow.name)
    every = said_by([(one, segment) for one in late], context, telling=True)
    return [
        one
        if one.verdict.action <= Action.FLAG or is_failure(one)
        else replace(one, verdict=failed(active, "it says that it only flags, and asks for more"))
        for active, one in zip(late, every, strict=True)
    ]


def news(one: Judged, begin: int, end: int | None, start: int) -> Judged | None:
    """What of a verdict is news, with its places in the whole text; None for nothing."""
    verdict = one.verdict
    if verdict.action is Action.ALLOW:
        return None
    spans = tuple(span for span in verdict.spans if begin < span.end and (end is None or span.end <= end))
    if verdict.spans and not spans:
        if verdict.action is not Action.BLOCK:
            return None
        spans = verdict.spans
    moved = tuple(replace(span, start=span.start + start, end=span.end + start) for span in spans) if start else spans
    return one if moved == verdict.spans else replace(one, verdict=replace(verdict, spans=moved))


def unfit(one: Judged, why: str) -> Judged:
    """A verdict that asks for something to be taken out of what cannot be changed: it blocks, for this reason too."""
    return replace(one, verdict=replace(one.verdict, action=Action.BLOCK, reasons=(*one.verdict.reasons[:8], why)))


def key_of(one: Judged) -> tuple[str, str, Action, tuple[str, ...]]:
    """What two verdicts have in common that say the same, wherever what they found may stand."""
    return (one.guard, one.path, one.verdict.action, one.verdict.reasons)


def unfinished(active: Active, flow: TextFlow, most: int) -> Judged:
    """What is held so long that a mark is shown in its place."""
    begin = flow.start + len(flow.before)
    span = Span(begin, begin + flow.length, "unfinished", flow.path)
    verdict = Verdict(Action.REDACT, (f"what might be a find had no end after {most} characters",), (span,))
    return Judged(active.name, active.version, "output", flow.path, verdict)
