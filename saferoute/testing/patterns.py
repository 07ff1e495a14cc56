"""Makes a text that a regular expression accepts, for the kind of patterns that JSON Schemas have.

Covers literals, escapes, classes, groups, alternation (the first branch), quantifiers (the fewest repeats that fit) and the outer
anchors. Whatever comes out is checked with `re` before it is used: a pattern beyond this raises, it never gives a wrong sample.
"""

from __future__ import annotations

import re

from saferoute.errors import ConfigurationError

__all__ = ["Unsampled", "sample_pattern"]

_CLASSES = {"d": "0", "w": "a", "s": " ", "D": "a", "W": "-", "S": "a"}
_CONTROL = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v"}
_COUNTED = re.compile(r"\{(\d*)(,?)(\d*)\}")
_TRIES = 65
_PRINTABLE = "a0A-_ .!#%&,;:@~bcdefghijklmnopqrstuvwxyzBCDEFGHIJKLMNOPQRSTUVWXYZ123456789"


class Unsampled(ConfigurationError):  # noqa: N818  says what did not happen
    """No sample could be made; the message says for what."""


def sample_pattern(pattern: str, shortest: int = 0, longest: int | None = None) -> str:
    """Make the simplest text that the pattern finds a match in, within the length bounds.

    Raises:
        Unsampled: if the pattern is beyond this sampler.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        msg = f"the pattern {pattern!r} is not a Python regular expression: {error}"
        raise Unsampled(msg) from None
    for extra in range(_TRIES):
        text = _Walk(pattern, extra).alternatives()
        if not expression.search(text):
            break
        if longest is not None and len(text) > longest:
            break
        if len(text) >= shortest:
            return text
    msg = f"the sampler cannot make a text for the pattern {pattern!r} of length {shortest} to {longest}"
    raise Unsampled(msg)


class _Walk:
    """One pass over a pattern, writing the sample on the way. Unbounded repeats take `extra` more rounds than they must."""

    def __init__(self, pattern: str, extra: int) -> None:
        self._pattern = pattern
        self._at = 0
        self._extra = extra

    def _peek(self) -> str:
        return self._pattern[self._at : self._at + 1]

    def _next(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1 : self._at]

    def alternatives(self) -> str:
        """The sample of the first branch; the others are skipped."""
        sample = self._branch()
        while self._peek() == "|":
            self._next()
            self._branch()
        return sample

    def _branch(self) -> str:
        made = []
        while self._peek() not in {"", "|", ")"}:
            atom = self._atom()
            made.append(atom * self._repeats())
        return "".join(made)

    def _atom(self) -> str:
        char = self._next()
        if char in "^$":
            return ""
        if char == ".":
            return "a"
        if char == "[":
            return self._class()
        if char == "(":
            return self._group()
        if char == "\\":
            return self._escape()
        return char

    def _escape(self) -> str:
        char = self._next()
        if char in "bBAZ":
            return ""
        return _CLASSES.get(char) or _CONTROL.get(char) or char

    def _group(self) -> str:
        if self._peek() == "?":
            self._next()
            kind = self._next()
            if kind == "P" and self._peek() == "<":
                while self._next() not in {">", ""}:
                    pass
            elif kind != ":":
                msg = f"the sampler cannot follow the group (?{kind} in {self._pattern!r}"
                raise Unsampled(msg)
        sample = self.alternatives()
        self._next()
        return sample

    def _class(self) -> str:
        start = self._at
        if self._peek() == "^":
            self._next()
        if self._peek() == "]":
            self._next()
        while self._peek() not in {"]", ""}:
            if self._next() == "\\":
                self._next()
        self._next()
        body = self._pattern[start - 1 : self._at]
        first = re.compile(body)
        for char in ("" if body[1] in "^\\" else body[1]) + _PRINTABLE:
            if first.fullmatch(char):
                return char
        msg = f"the sampler knows no character for {body!r}"
        raise Unsampled(msg)

    def _repeats(self) -> int:
        char = self._peek()
        least, unbounded = 1, False
        if char and char in "*+?":
            self._next()
            least, unbounded = (1 if char == "+" else 0), char != "?"
        elif found := _COUNTED.match(self._pattern, self._at):
            self._at = found.end()
            least = int(found.group(1) or 0)
            unbounded = bool(found.group(2)) and not found.group(3)
            if found.group(3):
                return min(least + self._extra, int(found.group(3)))
        else:
            return 1
        if self._peek() in {"?", "+"}:
            self._next()
        return least + self._extra if unbounded else least
