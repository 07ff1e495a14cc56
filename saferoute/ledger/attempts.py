"""What records tell about attempts: an intent and its outcome belong together, an intent alone was maybe sent, a denial never was.

Records are read once, in the order in which a process wrote them; of what is over, nothing is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BLOCKED", "LEFT", "MAYBE_SENT", "Pairing", "Told", "is_blocked", "is_copy", "is_left", "is_refused", "verdicts_of"]

MAYBE_SENT: Final = "maybe sent"
"""What stands for the outcome where there is none: the process ended in between, or the attempt is still under way."""

BLOCKED: Final = frozenset({"GuardBlocked", "GuardFailed"})
"""The errors with which a guard ends a call."""

LEFT: Final = "Abandoned"
"""The outcome of what its caller left: a stream that was closed, a call that was cancelled, the slower side of a hedge."""

_NOTHING: Final[Mapping[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class Told:
    """One attempt, or one call that was refused.

    Attributes:
        kind: "attempt" or "denial".
        ref: the receipt's id, "SEGMENT:NUMBER": of the intent, or of the denial; of the outcome where no intent is known.
        began: the intent, or the denial; None for an outcome whose intent is not in these records.
        ended: the outcome; None for a denial, and for what was maybe sent.
        ended_ref: the outcome's id.
        time: microseconds since 1970, of the first of these records.
    """

    kind: str
    ref: str
    began: Mapping[str, Any] | None
    ended: Mapping[str, Any] | None
    ended_ref: str | None
    time: int

    @property
    def first(self) -> Mapping[str, Any]:
        """The record that says what was asked: the intent or the denial, or else the outcome, which repeats some of it."""
        return self.began or self.ended or _NOTHING

    @property
    def call(self) -> str:
        """The call's id."""
        return str(self.first.get("call"))

    @property
    def maybe_sent(self) -> bool:
        """Whether nobody knows that it ended."""
        return self.kind == "attempt" and self.ended is None

    @property
    def outcome(self) -> str:
        """Say "ok", the error's class, "maybe sent"; of a denial the error's class."""
        if self.ended is not None:
            return str(self.ended["outcome"])
        return MAYBE_SENT if self.kind == "attempt" else str(self.first["error"])


class Pairing:
    """Brings intents and their outcomes together. Give it each process's records in order, then ask for the rest."""

    __slots__ = ("_open",)

    def __init__(self) -> None:
        self._open: dict[str, Mapping[str, Any]] = {}

    def take(self, ref: str, record: Mapping[str, Any]) -> Told | None:
        """Take the next record; what it completes, if it does.

        Args:
            ref: the record's id, "SEGMENT:NUMBER".
            record: its fields, in the form that `check_record` accepts.
        """
        kind = record["kind"]
        if kind == "intent":
            self._open[ref] = record
        elif kind == "outcome":
            asked = str(record["intent"])  # null where the intent could not be written
            began = self._open.pop(asked, None)
            return Told("attempt", ref if began is None else asked, began, record, ref, int((began or record)["time"]))
        elif kind == "denial":
            return Told("denial", ref, record, None, None, int(record["time"]))
        return None

    def rest(self) -> Iterator[Told]:
        """The attempts that have no outcome, in the order in which they began to be read; they are then forgotten."""
        left, self._open = self._open, {}
        for ref, record in left.items():
            yield Told("attempt", ref, record, None, None, int(record["time"]))


def verdicts_of(told: Told) -> list[Mapping[str, Any]]:
    """What guards said: about the request, which each attempt of a call repeats, then about the answer."""
    return [*(told.began or _NOTHING).get("verdicts", ()), *(told.ended or _NOTHING).get("verdicts", ())]


def is_blocked(told: Told) -> bool:
    """Whether a guard ended it: before anything was sent, or in the answer."""
    return told.outcome in BLOCKED


def is_refused(told: Told) -> bool:
    """Whether it was refused on this side: a denial, a guard's block of an answer, or an attempt that ended with the code of a refusal."""
    return told.kind == "denial" or is_blocked(told) or (told.ended is not None and told.ended["deny"] is not None)


def is_left(told: Told) -> bool:
    """Whether its caller left it, so that it neither failed nor was refused."""
    return told.ended is not None and told.outcome == LEFT


def is_copy(told: Told) -> bool:
    """Whether it is a copy of a call for a shadow, of which the call knows nothing."""
    return told.began is not None and str(told.began.get("why")).startswith("shadow")
