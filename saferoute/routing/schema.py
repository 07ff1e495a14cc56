"""Closed schemas for signed payloads: shapes as data, and one function that checks a value against a shape.

Every object lists its fields; any other field, at any depth, is refused with its path. The one open place is `annotations`
(text to text), which no decision reads. Fields are never added to a schema: a new field is a new schema number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANNOTATIONS", "Flag", "ListOf", "MapOf", "Record", "Shape", "Text", "Whole", "check"]


class _Misfit(Exception):  # noqa: N818  a signal inside this file
    """A value does not fit; each container on the way out puts its own step before the path."""

    def __init__(self, why: str, path: str = "") -> None:
        self.why = why
        self.path = path

    def inside(self, step: str) -> _Misfit:
        return _Misfit(self.why, step + self.path)


class Shape(Protocol):
    """What a value must look like."""

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """


@dataclass(frozen=True, slots=True)
class Text:
    """A text: one of `choices`, or one that `pattern` matches as a whole."""

    pattern: re.Pattern[str] | None = None
    choices: tuple[str, ...] = ()
    longest: int = 1000
    what: str = "a text"

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """
        if type(value) is not str:
            raise _Misfit(f"must be {self.what}")
        if self.choices:
            if value not in self.choices:
                raise _Misfit(f"is {value[:60]!r}; it must be one of {', '.join(self.choices)}")
        elif len(value) > self.longest:
            raise _Misfit(f"is longer than {self.longest} characters")
        elif self.pattern is not None and not self.pattern.fullmatch(value):
            raise _Misfit(f"is {value[:60]!r}, which is not {self.what}")


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within bounds, both included; a boolean is none."""

    least: int
    most: int

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """
        if type(value) is not int:
            raise _Misfit("must be an integer")
        if not self.least <= value <= self.most:
            raise _Misfit(f"is {value}; it must be from {self.least} to {self.most}")


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """
        if type(value) is not bool:
            raise _Misfit("must be true or false")


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; `distinct` lists of texts hold none twice."""

    item: Shape
    most: int
    least: int = 0
    distinct: bool = False

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """
        if type(value) is not list:
            raise _Misfit("must be a list")
        if not self.least <= len(value) <= self.most:
            raise _Misfit(f"has {len(value)} entries; it must have {self.least} to {self.most}")
        index = 0
        try:
            for index, item in enumerate(value):  # noqa: B007  the handler names the place
                self.item.test(item)
        except _Misfit as misfit:
            raise misfit.inside(f"[{index}]") from None
        if self.distinct and len(set(value)) != len(value):
            raise _Misfit("holds an entry twice")


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object whose keys are names, not fields."""

    key: Text
    value: Shape
    most: int
    least: int = 0

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """
        if type(value) is not dict:
            raise _Misfit("must be an object")
        if not self.least <= len(value) <= self.most:
            raise _Misfit(f"has {len(value)} entries; it must have {self.least} to {self.most}")
        key = ""
        try:
            for key, item in value.items():
                self.key.test(key)
                self.value.test(item)
        except _Misfit as misfit:
            raise misfit.inside(f".{key[:80]}") from None


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these fields and no others."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)
    _fields: Mapping[str, Shape] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put all fields together, once."""
        object.__setattr__(self, "_fields", {**self.optional, **self.required})

    def test(self, value: object) -> None:
        """Check a value.

        Raises:
            _Misfit: unless it fits; `check` turns it into Refused with the whole path.
        """
        if type(value) is not dict:
            raise _Misfit("must be an object")
        if not self.required.keys() <= value.keys():
            missing = next(name for name in self.required if name not in value)
            raise _Misfit("is missing", f".{missing}")
        fields = self._fields
        key = ""
        try:
            for key, item in value.items():
                (fields[key] if key in fields else _Unknown(self)).test(item)
        except _Misfit as misfit:
            raise misfit.inside(f".{key[:80]}") from None


@dataclass(frozen=True, slots=True)
class _Unknown:
    """The shape of a field that a record does not have."""

    record: Record

    def test(self, _: object) -> None:
        known = ", ".join(sorted({*self.record.required, *self.record.optional}))
        raise _Misfit(f"is not a field of this schema; the fields are {known}")


ANNOTATIONS = MapOf(Text(re.compile(r"[a-z0-9][a-z0-9._/-]*"), longest=64, what="an annotation's name"), Text(longest=2000), most=32)


def check(value: object, shape: Shape, path: str) -> None:
    """Check a parsed value against its shape.

    Args:
        value: as `strict_json.parse` made it.
        shape: what it must be.
        path: where the value stands, such as "table.routes[0]"; errors add the rest.

    Raises:
        Refused: at the first place that does not fit; the message begins with its path.
    """
    try:
        shape.test(value)
    except _Misfit as misfit:
        raise Refused(f"{path}{misfit.path} {misfit.why}") from None
