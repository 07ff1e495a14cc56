"""What the guard `unicode` finds: what is to be done, why, and where."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

from saferoute.values.guarding import Span

if TYPE_CHECKING:
    import re

    from saferoute.values.guarding import Action

__all__ = ["MOST", "Find", "spans_of"]

MOST: Final = 256
"""Places that are told of one kind; a text that is blocked needs no more, and one that is flagged neither."""


@dataclass(frozen=True, slots=True)
class Find:
    """One kind of find in a text."""

    action: Action
    reason: str
    spans: tuple[Span, ...]


def spans_of(pattern: re.Pattern[str], text: str, kind: str) -> tuple[Span, ...]:
    """Where a pattern is found in a text."""
    return tuple(Span(*match.span(), kind) for match in islice(pattern.finditer(text), MOST))
