"""A text in pieces through the guards of an answer: what a reader sees of it, and whether it was stopped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from saferoute.errors import GuardBlocked
from saferoute.guards.answers import AnswerGuards
from saferoute.guards.pipeline import Active
from saferoute.values.events import DecodedEvent, PartEnd, TextDelta
from saferoute.values.guarding import Context, Guard, Judged


@dataclass(frozen=True, slots=True)
class Seen:
    text: str
    blocked: bool
    verdicts: tuple[Judged, ...]


def seen_of(guard: Guard, pieces: Iterable[str]) -> Seen:
    """What is shown of a text that comes in pieces, up to where it is blocked."""
    judging = AnswerGuards((Active(guard, quick=True),), Context, lambda kind: f"[{kind}]")
    shown: list[str] = []
    try:
        events: list[DecodedEvent] = [TextDelta(piece) for piece in pieces if piece]
        for event in [*events, PartEnd(0)]:
            shown += [one.text for one in judging.feed([event]) if isinstance(one, TextDelta)]
    except GuardBlocked:
        return Seen("".join(shown), blocked=True, verdicts=tuple(judging.verdicts))
    return Seen("".join(shown), blocked=False, verdicts=tuple(judging.verdicts))


def chunkings(text: str) -> Iterator[list[str]]:
    """Every size of pieces, and every place to cut in two."""
    for size in range(1, min(len(text), 40) + 1):
        yield [text[place : place + size] for place in range(0, len(text), size)]
    for cut in range(1, len(text)):
        yield [text[:cut], text[cut:]]
