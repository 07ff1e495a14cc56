"""How an extractor says what of a body is text: rules that read the body's JSON where it stands, and refuse what they do not name.

A dialect's extractor is one rule, made of smaller ones: `fields` names the keys of an object, `tagged` chooses by an object's kind, and
what is text `says` so. Texts come in wire order. Nothing is read twice or written again: a JSON text is given in the body's own bytes,
and an object that has one key twice, which two readers can take for two different things, is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from json.decoder import scanstring  # type: ignore[attr-defined]  # the C scanner, which typeshed leaves out
from typing import Any, NoReturn, TypeAlias

from saferoute.errors import ProtocolError
from saferoute.providers.wire_text import WireText, WireTextKind, unknown_place

__all__ = ["Reading", "Rule", "anything", "either", "extracted", "fields", "items", "says", "says_json", "scalar", "tag_of", "tagged"]

_GAP = re.compile(r"[ \t\r\n]*")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def _string(text: str, at: int) -> tuple[str, int]:
    """The string whose first character stands at `at`, behind the quotation mark, and where what follows it begins."""
    found: tuple[str, int] = scanstring(text, at)
    return found


class Reading:
    """A body that is being read.

    Attributes:
        text: all of it.
        found: the texts so far.
    """

    __slots__ = ("found", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.found: list[WireText] = []

    def gap(self, at: int) -> int:
        """Where the white space that begins at `at` ends."""
        match = _GAP.match(self.text, at)
        return match.end() if match else at

    def value(self, at: int) -> tuple[Any, int]:
        """The JSON value that begins at `at`, and where it ends."""
        try:
            return _JSON.raw_decode(self.text, at)
        except RecursionError:
            raise ValueError from None


Rule: TypeAlias = Callable[[Reading, int, str], int]
"""Reads the value that begins at a place of a body and has this JSON pointer; returns where it ends."""


def extracted(rule: Rule, body: bytes) -> tuple[WireText, ...]:
    """Read a body.

    Raises:
        ProtocolError: for a body that is not JSON, and for one with a place that the rule does not name.
    """
    try:
        reading = Reading(body.decode())
        end = reading.gap(rule(reading, reading.gap(0), ""))
        if end != len(reading.text):
            raise ValueError  # noqa: TRY301  the same words for every way of not being JSON
    except ValueError:
        msg = "the request's body is not JSON; nothing was sent"
        raise ProtocolError(msg) from None
    return tuple(reading.found)


def scalar(reading: Reading, at: int, path: str) -> int:
    """A string, number, truth or null that no model reads.

    Raises:
        ProtocolError: for an object or array.
    """
    if reading.text.startswith(("{", "["), at):
        raise unknown_place(path)
    return reading.value(at)[1]


def anything(reading: Reading, at: int, path: str) -> int:
    """Any value, of which no model reads anything."""
    del path
    return reading.value(at)[1]


def says(kind: WireTextKind) -> Rule:
    """A string that a model reads."""

    def rule(reading: Reading, at: int, path: str) -> int:
        if not reading.text.startswith('"', at):
            raise unknown_place(path)
        text, end = _string(reading.text, at + 1)
        reading.found.append(WireText(kind, path, text))
        return end

    return rule


def says_json(kind: WireTextKind) -> Rule:
    """Any value that a model reads as JSON."""

    def rule(reading: Reading, at: int, path: str) -> int:
        end = reading.value(at)[1]
        reading.found.append(WireText(kind, path, reading.text[at:end]))
        return end

    return rule


def items(rule: Rule) -> Rule:
    """An array, all of whose items this rule reads."""

    def read(reading: Reading, at: int, path: str) -> int:
        if not reading.text.startswith("[", at):
            raise unknown_place(path)
        at = reading.gap(at + 1)
        if reading.text.startswith("]", at):
            return at + 1
        index = 0
        while True:
            at = reading.gap(rule(reading, at, f"{path}/{index}"))
            if reading.text.startswith("]", at):
                return at + 1
            at = _past(reading, at, ",")
            index += 1

    return read


def fields(rules: Mapping[str, Rule]) -> Rule:
    """An object, each of whose keys has a rule, and none besides."""

    def read(reading: Reading, at: int, path: str) -> int:
        if not reading.text.startswith("{", at):
            raise unknown_place(path)
        at = reading.gap(at + 1)
        if reading.text.startswith("}", at):
            return at + 1
        seen: set[str] = set()
        while True:
            key, at = _string(reading.text, _past(reading, at, '"', gap=False))
            place = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
            rule = rules.get(key)
            if rule is None or key in seen:
                raise unknown_place(place)
            seen.add(key)
            at = reading.gap(rule(reading, _past(reading, reading.gap(at), ":"), place))
            if reading.text.startswith("}", at):
                return at + 1
            at = _past(reading, at, ",")

    return read


def tagged(tag: str, rules: Mapping[str, Rule]) -> Rule:
    """An object whose rule depends on the string under this key."""

    def read(reading: Reading, at: int, path: str) -> int:
        said = tag_of(reading, at, tag)
        rule = rules.get(said) if isinstance(said, str) else None
        if rule is None:
            raise unknown_place(f"{path}/{tag}")
        return rule(reading, at, path)

    return read


def either(text: Rule, other: Rule) -> Rule:
    """A string that the first rule reads, or something else that the second does."""

    def read(reading: Reading, at: int, path: str) -> int:
        return (text if reading.text.startswith('"', at) else other)(reading, at, path)

    return read


def tag_of(reading: Reading, at: int, tag: str) -> object:
    """What the object that begins at `at` has under a key; None if it has no such key, or is no object."""
    if not reading.text.startswith("{", at):
        return None
    first = reading.gap(at + 1)
    if reading.text.startswith('"', first):
        key, end = _string(reading.text, first + 1)
        if key == tag:  # as good as always: it saves reading a picture twice
            return reading.value(_past(reading, reading.gap(end), ":"))[0]
    value: dict[str, object] = reading.value(at)[0]
    return value.get(tag)


def _past(reading: Reading, at: int, mark: str, *, gap: bool = True) -> int:
    """Where the next thing begins behind a mark that has to be here."""
    if not reading.text.startswith(mark, at):
        raise ValueError
    return reading.gap(at + 1) if gap else at + 1
