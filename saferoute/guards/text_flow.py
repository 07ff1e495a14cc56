"""A text of an answer on its way through the guards, and what guards can be asked that judge it piece by piece."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias, runtime_checkable

from saferoute.values.events import ReasoningDelta, RefusalDelta, TextDelta

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.events import DecodedEvent

__all__ = ["AGAIN", "CONTEXT", "Delta", "PlainTexts", "Streams", "TextFlow"]

CONTEXT: Final = 1024
"""Characters before a piece that guards see with it: more than any label before a key."""

AGAIN: Final = 256
"""Characters after which a text that was not plain is looked at as a whole again, to see whether what is in sight of it is now."""

_PATIENT: Final = 256
"""Characters that are looked at with every piece that comes. What is held beyond them is looked at when it has grown by an eighth, so that
the time for it grows with its size, and not with the square of it."""

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
        known: for how many of them that is known of all guards that pass plain text, see `plain.is_plain`.
        again: how many characters of the whole text there have to be before it is looked for plain text again.
        fresh: the pieces that nobody has looked at.
        waiting: characters that are held of earlier ones.
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
    known: int = 0
    again: int = 0
    fresh: list[Delta] = field(default_factory=list)
    waiting: int = 0
    whole: list[str] = field(default_factory=list)

    @property
    def path(self) -> str:
        """Where the text stands in the answer."""
        return f"/content/{self.shape.index}"

    @property
    def name(self) -> str:
        """What it is, as segments call it."""
        return "" if type(self.shape) is TextDelta else self.shape.type

    def as_it_came(self, text: str, end: int) -> Sequence[Delta]:
        """What is shown of a text of which nothing was taken out, in the pieces in which it came: the first with what is held before it.

        Args:
            text: what was shown last, and what is held.
            end: behind the last character that is shown.
        """
        fresh, held, begin = self.fresh, len(text) - end, len(self.before)
        count = len(fresh)
        while count > 1 and held >= len(fresh[count - 1].text):
            count -= 1
            held -= len(fresh[count].text)
        if count <= 1:
            return (type(self.shape)(text[begin:end], self.shape.index),)
        first, last = fresh[0], fresh[count - 1]
        if self.waiting:
            first = type(first)(text[begin : begin + self.waiting] + first.text, first.index)
        if not held:
            return (first, *fresh[1:count])
        before, rest = (first, *fresh[1 : count - 1]), last.text[:-held]
        if not rest.isspace():
            return (*before, type(last)(rest, last.index))
        ended = before[-1]  # a blank goes with the word that it ends
        return (*before[:-1], type(ended)(ended.text + rest, ended.index))

    def wait(self) -> None:
        """Let what is held wait for more."""
        self.fresh, self.waiting = [], self.length

    def looked(self) -> None:
        """Let what is held wait for more, now that it was looked at."""
        self.fresh, self.waiting = [], self.length
        self.due = self.length + self.length // 8 if self.length > _PATIENT else 0

    def show(self, text: str, end: int) -> None:
        """Count what is shown now, as it was before anything was taken out.

        Args:
            text: what was shown last, and what is held.
            end: behind the last character that is shown.
        """
        self.held = [text[end:]]
        self.length = len(text) - end
        cut = end - CONTEXT
        if cut <= 0:
            self.before = text[:end]
            return
        self.before = text[cut:end]
        self.start += cut
        self.known = max(0, self.known - cut)
        self.plain = [plain - cut if plain > cut else 0 for plain in self.plain]
