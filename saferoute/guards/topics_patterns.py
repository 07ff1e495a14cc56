r"""Patterns that a list of topics may hold: a part of Python's regular expressions whose time is bounded for every text.

A search cannot be stopped once it runs, so that a pattern is judged before it is used. It is read here by its own small grammar: letters,
`.`, classes, `\d \w \s \b`, groups, alternatives, and quantifiers with an end. What it can match is counted; one that can match in many
ways at one place (nested or neighbouring quantifiers) is refused, and so is everything that this grammar does not know.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, NoReturn

from saferoute.errors import ConfigurationError

__all__ = ["BoundedPattern", "bounded_pattern"]

_LONGEST: Final = 200
_MOST_REPEATS: Final = 64
_WIDEST: Final = 256
_MOST_WAYS: Final = 256
_DEEPEST: Final = 10
_QUANTIFIER: Final = re.compile(r"\{(\d{1,4})(,?)(\d{0,4})\}|[?*+]")
_CLASS: Final = re.compile(r"\[\^?\]?(?:\\.|[^\\\]])*\]", re.DOTALL)
_SIGN: Final = re.compile(r"[!-/:-@\[-`{-~ ]")
_ESCAPED: Final = frozenset("dDwWsStn")


@dataclass(frozen=True, slots=True)
class BoundedPattern:
    """A pattern, and how much of a text one match can take.

    Attributes:
        pattern: the compiled pattern; case does not count.
        most: characters that a match has at most.
    """

    pattern: re.Pattern[str]
    most: int


@dataclass(frozen=True, slots=True)
class _Shape:
    """What a part of a pattern can match: at least and at most so many characters, in so many ways at one place."""

    least: int = 0
    most: int = 0
    ways: int = 1

    def then(self, other: _Shape) -> _Shape:
        return _Shape(self.least + other.least, self.most + other.most, self.ways * other.ways)

    def either(self, other: _Shape) -> _Shape:
        return _Shape(min(self.least, other.least), max(self.most, other.most), self.ways + other.ways)


_ONE: Final = _Shape(1, 1)
_NOTHING: Final = _Shape()


_SET_OF_SETS: Final = re.compile(r"(?<!\\)\[[^\]]*(?:(?<!\\)\[|--|&&|\|\||~~)")
"""What Python warns of as a set within a set."""


class _Reader:
    """Reads one pattern."""

    __slots__ = ("_place", "_text")

    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def refuse(self, why: str) -> NoReturn:
        msg = f"the pattern {self._text!r} is not taken: {why}"
        raise ConfigurationError(msg)

    def whole(self) -> _Shape:
        shape = self._alternatives(0)
        if self._place < len(self._text):
            self.refuse("a bracket is closed that was not opened")
        return shape

    def _next(self) -> str:
        return self._text[self._place : self._place + 1]

    def _alternatives(self, depth: int) -> _Shape:
        if depth > _DEEPEST:
            self.refuse(f"its groups are more than {_DEEPEST} deep")
        shape = self._sequence(depth)
        while self._next() == "|":
            self._place += 1
            shape = shape.either(self._sequence(depth))
        return shape

    def _sequence(self, depth: int) -> _Shape:
        shape = _NOTHING
        while self._next() not in {"", "|", ")"}:
            shape = shape.then(self._repeated(self._atom(depth)))
        return shape

    def _atom(self, depth: int) -> _Shape:
        sign = self._next()
        if sign == "(":
            return self._group(depth)
        if sign == "[":
            found = _CLASS.match(self._text, self._place)
            if found is None:
                self.refuse("a class is not closed")
            self._place = found.end()
            return _ONE
        if sign == "\\":
            return self._escape()
        if sign in "^$":
            self.refuse(f"{sign} is not known: a topic may stand anywhere; use \\b for the edge of a word")
        if sign in "?*+{":
            self.refuse("a quantifier has nothing before it, or another one")
        self._place += 1
        return _ONE

    def _group(self, depth: int) -> _Shape:
        self._place += 3 if self._text.startswith("(?:", self._place) else 1
        if self._next() == "?":
            self.refuse("of what begins with (? only (?:...) is known: no looking around, no names, no flags")
        shape = self._alternatives(depth + 1)
        if self._next() != ")":
            self.refuse("a group is not closed")
        self._place += 1
        return shape

    def _escape(self) -> _Shape:
        sign = self._text[self._place + 1 : self._place + 2]
        self._place += 2
        if sign == "b":
            return _NOTHING
        if sign not in _ESCAPED and not _SIGN.match(sign):
            self.refuse(f"\\{sign} is not known; \\d \\w \\s \\b, their capitals without \\B, and signs are")
        return _ONE

    def _repeated(self, shape: _Shape) -> _Shape:
        found = _QUANTIFIER.match(self._text, self._place)
        if found is None:
            return shape
        self._place = found.end()
        least, most = self._bounds(found)
        if self._next() == "?":  # as few as possible: the same matches in another order
            self._place += 1
        if most > 1 and (shape.ways > 1 or not shape.most):
            self.refuse(
                "what is repeated holds a quantifier or alternatives itself; such a search may never end. Repeat letters and classes"
            )
        ways = shape.ways + 1 if most == 1 and not least else most - least + 1
        return _Shape(shape.least * least, shape.most * most, ways if most > 1 or not least else shape.ways)

    def _bounds(self, found: re.Match[str]) -> tuple[int, int]:
        if found[0] == "?":
            return 0, 1
        if found[0] in {"*", "+"} or (found[2] and not found[3]):
            self.refuse(f"{found[0]} has no end; write {{0,32}} or {{1,32}}")
        least = int(found[1])
        most = int(found[3]) if found[2] else least
        if not least <= most <= _MOST_REPEATS or not most:
            self.refuse(f"a quantifier goes from a smaller to a larger number, of at most {_MOST_REPEATS}")
        return least, most


def bounded_pattern(text: str) -> BoundedPattern:
    """Read a pattern.

    Args:
        text: the pattern, of at most 200 characters.

    Raises:
        ConfigurationError: for one that is not known here, can match nothing, or can match in too many ways; it says which.
    """
    reader = _Reader(text)
    if len(text) > _LONGEST:
        reader.refuse(f"it is longer than {_LONGEST} characters")
    shape = reader.whole()
    if not shape.least:
        reader.refuse("it matches a text of no characters")
    if shape.most > _WIDEST:
        reader.refuse(f"a match may have {shape.most} characters; {_WIDEST} are allowed")
    if shape.ways > _MOST_WAYS:
        reader.refuse(
            f"it may match in {shape.ways} ways at one place, and a hostile text makes a search try them all; {_MOST_WAYS} are allowed. "
            "Use fewer quantifiers next to each other, or smaller ones"
        )
    if _SET_OF_SETS.search(text):
        reader.refuse("a set holds [, or --, &&, || or ~~, which may come to mean something else in Python: write \\[ , or put - last")
    try:
        return BoundedPattern(re.compile(text, re.IGNORECASE), shape.most)
    except re.error as error:
        reader.refuse(f"it is no regular expression ({error.msg})")
