"""Taking places out of a text, once, over the union of everything that was found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from saferoute.values.guarding import Span

__all__ = ["merged", "redacted"]


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
