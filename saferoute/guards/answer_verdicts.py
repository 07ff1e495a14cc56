"""Verdicts about an answer, as they are told: what is news about a text that comes in pieces, and what comes too late."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from saferoute.guards.pipeline import failed, is_failure
from saferoute.values.guarding import Action

if TYPE_CHECKING:
    from saferoute.guards.pipeline import Active
    from saferoute.values.guarding import Judged

__all__ = ["flagged", "news", "unfit"]


def flagged(active: Active, one: Judged) -> Judged:
    """The verdict of a guard that only flags. One that wants something taken out comes too late: that was shown already."""
    if one.verdict.action <= Action.FLAG or is_failure(one):
        return one
    return replace(one, verdict=failed(active, "it says that it only flags, and asks for more"))


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


def unfit(one: Judged) -> Judged:
    """A verdict that asks for something to be taken out of arguments that would be none any more: it blocks."""
    reasons = (*one.verdict.reasons[:8], "it cannot be taken out of the arguments: they would not be JSON any more")
    return replace(one, verdict=replace(one.verdict, action=Action.BLOCK, reasons=reasons))
