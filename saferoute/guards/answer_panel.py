"""Which guards judge answers, and what each of them is asked: worked out once for a client, and not for every answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.guards.pipeline import Active

__all__ = ["AnswerPanel"]


@dataclass(frozen=True, slots=True)
class AnswerPanel:
    """Guards of answers, told apart by what they are asked.

    Attributes:
        active: all of them.
        whole: whether nobody waits for pieces. Guards that pass plain text are then asked together, though some of them only flag.
        at_once: the panel for answers of which nobody waits for pieces, if it is another one.
        of_output: those that judge texts, and may take something out.
        numbered: the same, each with its number.
        strict: of these, those that do not pass plain text.
        is_plain: asks all others at once about a text, see `plain.is_plain`; None if there are no others. Numbers are looked at only if one
            of them does.
        plain_until: likewise about one that comes in pieces, see `plain.plain_until`.
        late: those that only flag.
        of_texts: whether one judges texts at all.
        of_calls: whether one judges tool calls.
        streams: whether all that judge texts can do so piece by piece.
    """

    active: Sequence[Active]
    whole: bool = False
    at_once: AnswerPanel | None = field(init=False, repr=False, compare=False)
    of_output: tuple[Active, ...] = field(init=False)
    numbered: tuple[tuple[int, Active], ...] = field(init=False)
    strict: tuple[tuple[int, Active], ...] = field(init=False)
    is_plain: Callable[[str, int], bool] | None = field(init=False)
    plain_until: Callable[[str, int, int], int] | None = field(init=False)
    late: tuple[Active, ...] = field(init=False)
    of_texts: bool = field(init=False)
    of_calls: bool = field(init=False)
    streams: bool = field(init=False)

    def __post_init__(self) -> None:
        texts = [one for one in self.active if one.asked_about("output")]
        late = tuple(one for one in texts if self._is_late(one))
        of_output = tuple(one for one in texts if not self._is_late(one))
        numbered = tuple(enumerate(of_output))
        strict = tuple(one for one in numbered if not one[1].passes_plain)
        object.__setattr__(self, "of_output", of_output)
        object.__setattr__(self, "numbered", numbered)
        object.__setattr__(self, "strict", strict)
        passing = [one for one in of_output if one.passes_plain]
        is_plain, plain_until = _asking_all(numbers=not all(one.passes_numbers for one in passing)) if passing else (None, None)
        object.__setattr__(self, "is_plain", is_plain)
        object.__setattr__(self, "plain_until", plain_until)
        object.__setattr__(self, "late", late)
        object.__setattr__(self, "at_once", AnswerPanel(self.active, whole=True) if late and not self.whole else None)
        object.__setattr__(self, "of_texts", bool(texts))
        object.__setattr__(self, "of_calls", any(one.asked_about("tool_call") for one in self.active))
        object.__setattr__(self, "streams", all(one.streams for one in of_output))

    def _is_late(self, one: Active) -> bool:
        return one.only_flags and not (self.whole and one.passes_plain)

    def asked(self, text: str, known: int) -> tuple[tuple[int, Active], ...]:
        """Which guards have to be asked about a text: of plain text, only those that do not pass it.

        Args:
            text: the text.
            known: of how many of the first characters it is known that they are plain.
        """
        return self.strict if self.is_plain is not None and self.is_plain(text, known) else self.numbered


def _asking_all(*, numbers: bool) -> tuple[Callable[[str, int], bool], Callable[[str, int, int], int]]:
    from saferoute.guards.plain import is_plain, plain_until  # noqa: PLC0415  for clients that have such a guard

    return partial(is_plain, numbers=numbers), partial(plain_until, numbers=numbers)
