"""Taking places out of a text, once, over the union of everything that was found in it."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from saferoute.values.guarding import Span

__all__ = ["Exchanged", "exchanged", "is_one_way", "merged", "redacted"]


class Exchanged(NamedTuple):
    """What became of a text.

    Attributes:
        sent: as it leaves: with placeholders, and with marks.
        kept: as whoever wrote it goes on with it: with marks only.
    """

    sent: str
    kept: str


def is_one_way(kind: str) -> bool:
    """Whether what is of this kind is taken out for good: "secret" and every "secret.…"."""
    return kind == "secret" or kind.startswith("secret.")


def merged(spans: Iterable[Span]) -> list[tuple[int, int, str]]:
    """The union of places, as (start, end, kind) in order: those that overlap are one, of the kind of the one that begins first.

    A place that holds nothing is left out.
    """
    union: list[tuple[int, int, str]] = []
    for span in sorted(spans):
        if span.start == span.end:
            continue
        if union and span.start < union[-1][1]:
            start, end, kind = union[-1]
            union[-1] = (start, max(end, span.end), kind)
        else:
            union.append((span.start, span.end, span.kind))
    return union


def redacted(text: str, spans: Iterable[Span], mark: Callable[[str], str]) -> str:
    """The text with every place replaced.

    Args:
        text: the original.
        spans: places in it, in any order; they may overlap.
        mark: what stands in the place of something, by its kind.
    """
    pieces: list[str] = []
    shown = 0
    for start, end, kind in merged(spans):
        pieces += (text[shown:start], mark(kind))
        shown = end
    pieces.append(text[shown:])
    return "".join(pieces)


def exchanged(
    text: str, reversible: Iterable[Span], final: Sequence[Span], placeholder: Callable[[str, str], str], mark: Callable[[str], str]
) -> Exchanged:
    """Take places out of a text, some of them so that they can be put back.

    Args:
        text: the original.
        reversible: places for which a placeholder is to stand.
        final: places that are taken out for good, and whatever overlaps with them.
        placeholder: makes what stands for a value, of its kind and the value.
        mark: what stands in the place of something that is taken out for good, by its kind.
    """
    union = merged([*reversible, *final])
    starts = [start for start, _, _ in union]
    gone = {bisect_right(starts, span.start) - 1 for span in final if span.start < span.end}
    sent: list[str] = []
    kept: list[str] = []
    shown = 0
    for number, (start, end, kind) in enumerate(union):
        value = text[start:end]
        sent += (text[shown:start], mark(kind) if number in gone else placeholder(kind, value))
        kept += (text[shown:start], mark(kind) if number in gone else value)
        shown = end
    rest = text[shown:]
    return Exchanged("".join([*sent, rest]), "".join([*kept, rest]))
