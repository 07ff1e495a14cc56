"""What follows from what guards said about several texts: a refusal, or what is to be taken out of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from saferoute.guards.pipeline import check_blocked, spans_to_redact
from saferoute.guards.redacting import redacted
from saferoute.guards.template_places import settle
from saferoute.values.guarding import Action

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.guards.segments import Placed
    from saferoute.values.guarding import Judged

__all__ = ["Cleared", "concluded", "key_of", "mark_of", "refuse", "rest_of"]


@dataclass(frozen=True, slots=True)
class Cleared:
    """What became of the texts of a request.

    Attributes:
        texts: new texts by path, for those from which something was taken out.
        verdicts: every verdict that is not a plain ALLOW.
        now: the time, if guards had to be waited for; None if not.
        kept: the same texts as the conversation goes on with them: what will be put back stands there, and what is gone for good does not.
            A placeholder means nothing in the next call.
    """

    texts: Mapping[str, str] = field(repr=False)
    verdicts: tuple[Judged, ...]
    now: float | None = None
    kept: Mapping[str, str] = field(default_factory=dict, repr=False)


def mark_of(kind: str) -> str:
    """What stands in the place of something that was taken out for good."""
    return f"[redacted: {kind}]"


def rest_of(total: float | None, default: float, began: float, cleared: Cleared) -> tuple[float | None, float]:
    """What is left of a call's allowance once its request was judged, and the time: waiting for guards is the call's own.

    Args:
        total: the allowance in seconds; None for the row's own.
        default: the row's own.
        began: when the call began.
        cleared: what became of its request.
    """
    if cleared.now is None:
        return total, began
    return max(0.0, (default if total is None else total) - (cleared.now - began)), cleared.now


def refuse(places: Sequence[Placed], every: Sequence[list[Judged]], words: str) -> tuple[Judged, ...]:
    """Refuse what is blocked, and what is to be taken out of what cannot be changed; give every verdict that is not a plain ALLOW."""
    if not any(every):  # as good as always: nobody said anything
        return ()
    settle(places, every)
    for place, said in zip(places, every, strict=True):
        if not place.replaceable:
            said += [_unfit(one) for one in said if one.verdict.action is Action.REDACT]
    telling = _telling(every)
    check_blocked(telling, words)
    return telling


def concluded(places: Sequence[Placed], every: Sequence[list[Judged]], words: str) -> Cleared:
    """Refuse what is blocked, and take out what is to be taken out: once, over everything that was found."""
    telling = refuse(places, every, words)
    found = [(place.segment, spans_to_redact(said)) for place, said in zip(places, every, strict=True)]
    return Cleared({segment.path: redacted(segment.text, spans, mark_of) for segment, spans in found if spans}, telling)


def key_of(one: Judged) -> tuple[str, str, Action, tuple[str, ...]]:
    """What two verdicts have in common that say the same, wherever what they found may stand."""
    return (one.guard, one.path, one.verdict.action, one.verdict.reasons)


def _telling(every: Sequence[Sequence[Judged]]) -> tuple[Judged, ...]:
    return tuple(one for said in every for one in said if one.verdict.action is not Action.ALLOW)


def _unfit(one: Judged) -> Judged:
    """A verdict that asks for something to be taken out of what cannot be changed: it blocks."""
    reasons = (*one.verdict.reasons[:8], "this text is sent whole or not at all")
    return replace(one, verdict=replace(one.verdict, action=Action.BLOCK, reasons=reasons))
