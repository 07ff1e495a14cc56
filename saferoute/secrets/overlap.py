"""The overlap of a rotation: two revisions of one key, of which the other is presented after the first was refused.

A new key is often stored before its provider accepts it everywhere, or after the old one was revoked. While a store keeps both, a refusal
leads to one more request with the other one, and to a note about it; never to a third. Pure; the time is a parameter.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from saferoute.secrets.kept import WatchedRecord

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.secrets.secret import Previous, SecretRecord

__all__ = ["Overlap", "OverlapEnd", "overlap_of"]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two revisions of a key, and which of them is presented.

    Attributes:
        current: the record as its store has it.
        previous: the key before, with its end.
        presents_previous: whether it is the previous one's turn.
    """

    current: SecretRecord
    previous: Previous
    presents_previous: bool = False

    def record(self) -> SecretRecord:
        """The record whose key is presented: bound to the same origins, whichever it is."""
        if not self.presents_previous:
            return self.current
        return replace(self.current, secret=self.previous.secret, revision=self.current.revision - 1, previous=None)

    def other(self, now: float) -> Overlap | None:
        """The same with the other one presented; None if the overlap is over, as then only the current one counts.

        Args:
            now: seconds since the epoch.
        """
        return replace(self, presents_previous=not self.presents_previous) if now < self.previous.until else None

    def note(self) -> str:
        """What to tell the caller after the other one was accepted. It holds no character of either."""
        name, number = self.current.name, self.current.revision
        refused, taken = (number, number - 1) if self.presents_previous else (number - 1, number)
        advice = "make sure that the new key is valid before the overlap ends" if self.presents_previous else "the overlap can end"
        return f"revision {refused} of the secret {name!r} was refused, and revision {taken} was accepted: {advice}"


class OverlapEnd:
    """Ends the turn of a previous revision in time; `saferoute.secrets.kept.Watch` is what it implements."""

    __slots__ = ("_clock", "_until", "stamp")

    def __init__(self, until: int, clock: Callable[[], float]) -> None:
        self._until = until
        self._clock = clock
        self.stamp: object = until

    def is_due(self) -> bool:
        """See `Watch`."""
        return self._clock() >= self._until

    def has_changed(self) -> bool:
        """See `Watch`: what was presented is not presented any more."""
        return True


def overlap_of(record: SecretRecord) -> Overlap | None:
    """The overlap of what a store has; None if it keeps one revision, or tells itself when it changes (then it is asked)."""
    if record.previous is None or isinstance(record, WatchedRecord):
        return None
    return Overlap(record, record.previous)
