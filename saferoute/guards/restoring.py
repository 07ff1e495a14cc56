"""Putting values back into a text as it arrives, but nowhere that would carry them off.

A link, an image, a tag or a piece of code may be fetched or run by whatever shows the answer; a value inside of one leaves with it. So a
placeholder is restored only in running text, and only if the run of characters around it up to the next spaces has no character out of
`/ : ? = & @ # %` and no "www.". Whether it does is known at the end of the run, and whether brackets are a link's when they close; until
then, and no longer, what follows the placeholder is held back.
"""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING, ClassVar, Final

from typing_extensions import override

from saferoute.guards.markdown_places import Places
from saferoute.secrets.secret import Uncopied

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.guards.markdown_places import Candidate

__all__ = ["LONGEST_WAIT", "EndsWithItsCall", "Restorer"]

LONGEST_WAIT: Final = 1024
"""Characters that may be held back for one placeholder; then it stays as it is."""

_OPENING: Final = "«SR:"
_CLOSING: Final = "»"
_PLAIN: Final = re.compile(r"[A-Za-z0-9,;]+")


class EndsWithItsCall(Uncopied):
    """Holds values that were taken out of a call's texts."""

    __slots__ = ()
    why_not: ClassVar[str] = ": it ends with its call"


class Restorer(EndsWithItsCall):
    """Restores one text that arrives in pieces. The pieces together give what `Vault.restore` gives for the whole.

    Args:
        values: values by placeholder; a copy is kept.

    Attributes:
        restored: how many placeholders were restored so far.
    """

    __slots__ = ("_held", "_length", "_longest", "_out", "_places", "_rest", "_values", "restored")

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)
        self._longest = max(map(len, values), default=0)
        self._places = Places()
        self._rest = ""
        self._out: list[str] = []
        # From the first placeholder that waits for its verdict: texts and placeholders in order, and how many characters they are.
        self._held: deque[str | Candidate] = deque()
        self._length = 0
        self.restored = 0

    @override
    def __repr__(self) -> str:
        return f"Restorer({len(self._values)} placeholders)"

    @property
    def holds(self) -> bool:
        """Whether something is held back."""
        return bool(self._rest or self._held)

    def feed(self, chunk: str) -> str:
        """Take the next piece; give back what can be shown now."""
        if not self._values:
            return chunk
        text = self._rest + chunk
        self._rest = ""
        place = 0
        while place < len(text):
            if text[place] == "«" and _OPENING.startswith(text[place : place + len(_OPENING)]):
                end = text.find(_CLOSING, place, place + self._longest) + 1
                if end and text[place:end] in self._values:
                    self._found(text[place:end])
                    place = end
                    continue
                # Whatever is as long as a placeholder and has no end is none: only what is shorter is at the end of the text.
                if not end and self._may_continue(text[place : place + self._longest]):
                    self._rest = text[place:]
                    break
            plain = _PLAIN.match(text, place) if self._places.is_plain else None
            end = plain.end() if plain else place + 1
            if plain:
                self._places.skip(text[place:end])
            else:
                self._places.letter(text[place])
            self._show(text[place:end])
            place = end
        return self._taken()

    def close(self) -> str:
        """Give back the rest: the text has ended."""
        return self._all(self._places.close)

    def pause(self) -> str:
        """Give back the rest: the text stops here. Should it go on, then what comes stands behind this, in a link that was begun too."""
        return self._all(self._places.pause)

    def _all(self, decide: Callable[[], None]) -> str:
        for letter in self._rest:
            self._places.letter(letter)
        self._show(self._rest)
        self._rest = ""
        decide()
        self._flush()
        return self._taken()

    def _may_continue(self, begun: str) -> bool:
        return len(begun) < self._longest and any(issued.startswith(begun) for issued in self._values)

    def _found(self, issued: str) -> None:
        candidate = self._places.candidate()
        candidate.issued = issued
        self._held.append(candidate)
        self._length += len(issued)
        self._flush()

    def _show(self, text: str) -> None:
        if self._held:
            self._held.append(text)
            self._length += len(text)
            self._flush()
        else:
            self._out.append(text)

    def _flush(self) -> None:
        """Let go of everything in front of the first placeholder without a verdict; one that has waited too long is not restored."""
        while self._held:
            first = self._held[0]
            if isinstance(first, str):
                shown, length = first, len(first)
            else:
                if self._length > LONGEST_WAIT:
                    first.spoil()
                if first.waits:
                    return
                shown, length = first.issued if first.spoiled else self._values[first.issued], len(first.issued)
                self.restored += not first.spoiled
            self._held.popleft()
            self._length -= length
            self._out.append(shown)

    def _taken(self) -> str:
        out = "".join(self._out)
        self._out.clear()
        return out
