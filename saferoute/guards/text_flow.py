"""A text of an answer on its way through the guards, and what guards can be asked that judge it piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeAlias, runtime_checkable

from saferoute.values.events import ReasoningDelta, RefusalDelta, TextDelta

if TYPE_CHECKING:
    from saferoute.values.events import DecodedEvent

__all__ = ["Delta", "PlainTexts", "Streams", "TextFlow"]

Delta: TypeAlias = TextDelta | RefusalDelta | ReasoningDelta
"""A piece of a text."""


@runtime_checkable
class Streams(Protocol):
    """A guard that can judge a text piece by piece."""

    def open_candidate(self, text: str, start: int = 0) -> int:  # pragma: no mutate  a Protocol whose defaults change matches nothing
        """The earliest place at or after `start` where something that this guard looks for might begin and has not ended; len(text).

        What has ended and reaches behind that place counts as not ended: the guard will be asked about the text up to the place.
        """


@runtime_checkable
class PlainTexts(Protocol):
    """A guard that can tell at a small price that it has nothing to look at: most pieces of most answers are plain text."""

    def plain_until(self, text: str, start: int = 0, plain: int = 0) -> int:  # pragma: no mutate  as above
        """What `open_candidate` says, if `check` would find nothing in the text nor in any part of it, in a context without views; else -1.

        Args:
            text: what has arrived.
            start: as for `open_candidate`.
            plain: for how many of the first characters the guard has said so already.
        """


@dataclass(slots=True)
class TextFlow:
    """One text on its way.

    Attributes:
        shape: its first piece.
        before: what was shown of it last, as it was before anything was taken out.
        start: where that begins in the whole text.
        held: what is held, in pieces.
        length: its characters.
        due: how many there have to be before they are looked at again.
        marked: for how many of them, from the first on, a mark was shown already.
        changed: whether something was taken out.
        behind: events that wait for what is held.
        plain: for each guard, for how many of the first characters it is known that it finds nothing in them.
        whole: all of it in pieces, for guards that are asked at the end.
    """

    shape: Delta
    before: str = ""
    start: int = 0
    held: list[str] = field(default_factory=list)
    length: int = 0
    due: int = 0
    marked: int = 0
    changed: bool = False
    behind: list[DecodedEvent] = field(default_factory=list)
    plain: list[int] = field(default_factory=list)
    whole: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where the text stands in the answer."""
        return f"/content/{self.shape.index}"

    @property
    def name(self) -> str:
        """What it is, as segments call it."""
        return "" if type(self.shape) is TextDelta else self.shape.type
