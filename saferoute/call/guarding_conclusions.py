"""What follows from what guards said about several texts: a refusal, or what is to be taken out of them."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final

from saferoute.guards.answer_verdicts import unfit
from saferoute.guards.pipeline import check_blocked, spans_to_redact
from saferoute.guards.redacting import is_one_way, redacted
from saferoute.guards.template_places import settle
from saferoute.values.guarding import Action, Span
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.guards.segments import Placed
    from saferoute.values.guarding import Judged

__all__ = ["Cleared", "concluded", "mark_of", "refuse", "rest_of", "said_again"]


_WHOLE: Final = "this text is sent whole or not at all"

_LEAST_REPEATED: Final = 8
"""Characters of a secret that is looked for in other texts; a shorter one is as likely a word."""


@sealed
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
            said += [unfit(one, _WHOLE) for one in said if one.verdict.action is Action.REDACT]
    telling = _telling(every)
    check_blocked(telling, words)
    return telling


def concluded(places: Sequence[Placed], every: Sequence[list[Judged]], words: str) -> Cleared:
    """Refuse what is blocked, and take out what is to be taken out: once, over everything that was found."""
    telling = refuse(places, every, words)
    found = [(place.segment, spans_to_redact(said)) for place, said in zip(places, every, strict=True)]
    return Cleared({segment.path: redacted(segment.text, spans, mark_of) for segment, spans in found if spans}, telling)


def said_again(places: Sequence[Placed], finals: Sequence[list[Span]]) -> None:
    """Add the places where another text repeats a secret: what stood behind "password:" in one is as secret where it stands alone.

    Args:
        places: the texts of a request. Those that cannot be changed are left as they are: a word is not blocked for what another text says.
        finals: what is taken out of each for good; added to.
    """
    found = {
        place.segment.text[span.start : span.end]: span.kind
        for place, spans in zip(places, finals, strict=True)
        for span in spans
        if is_one_way(span.kind) and span.end - span.start >= _LEAST_REPEATED
    }
    for value, kind in found.items():
        for place, spans in zip(places, finals, strict=True):
            start = place.segment.text.find(value) if place.replaceable and not place.over else -1
            while start >= 0:
                spans.append(Span(start, start + len(value), kind, place.segment.path))
                start = place.segment.text.find(value, start + len(value))


def _telling(every: Sequence[Sequence[Judged]]) -> tuple[Judged, ...]:
    return tuple(one for said in every for one in said if one.verdict.action is not Action.ALLOW)
