"""Closed schemas for signed payloads: shapes as data, and one function that checks a value against a shape.

Every object lists its fields; any other field, at any depth, is refused with its path. The one open place is `annotations`
(text to text), which no decision reads. Fields are never added to a schema: a new field is a new schema number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, assert_never

from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ANNOTATIONS", "Flag", "ListOf", "MapOf", "Record", "Shape", "Text", "Whole", "check"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text: one of `choices`, or one that `pattern` matches as a whole."""

    pattern: re.Pattern[str] | None = None
    choices: tuple[str, ...] = ()
    longest: int = 1000
    what: str = "a text"


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer within bounds, both included; a boolean is none."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; `distinct` lists of texts hold none twice."""

    item: Shape
    most: int
    least: int = 0
    distinct: bool = False


@dataclass(frozen=True, slots=True)
class MapOf:
    """An object whose keys are names, not fields."""

    key: Text
    value: Shape
    most: int
    least: int = 0


@dataclass(frozen=True, slots=True)
class Record:
    """An object with these fields and no others."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = field(default_factory=dict)


Shape: TypeAlias = Text | Whole | Flag | ListOf | MapOf | Record

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
    match shape:
        case Text():
            _check_text(value, shape, path)
        case Whole():
            if type(value) is not int:
                raise Refused(f"{path} must be an integer")
            if not shape.least <= value <= shape.most:
                raise Refused(f"{path} is {value}; it must be from {shape.least} to {shape.most}")
        case Flag():
            if type(value) is not bool:
                raise Refused(f"{path} must be true or false")
        case ListOf():
            _check_list(value, shape, path)
        case MapOf():
            _check_map(value, shape, path)
        case Record():
            _check_record(value, shape, path)
        case _:
            assert_never(shape)


def _check_text(value: object, shape: Text, path: str) -> None:
    if type(value) is not str:
        raise Refused(f"{path} must be {shape.what}")
    if shape.choices and value not in shape.choices:
        raise Refused(f"{path} is {value[:60]!r}; it must be one of {', '.join(shape.choices)}")
    if len(value) > shape.longest:
        raise Refused(f"{path} is longer than {shape.longest} characters")
    if shape.pattern is not None and not shape.pattern.fullmatch(value):
        raise Refused(f"{path} is {value[:60]!r}, which is not {shape.what}")


def _check_list(value: object, shape: ListOf, path: str) -> None:
    if type(value) is not list:
        raise Refused(f"{path} must be a list")
    if not shape.least <= len(value) <= shape.most:
        raise Refused(f"{path} has {len(value)} entries; it must have {shape.least} to {shape.most}")
    for index, item in enumerate(value):
        check(item, shape.item, f"{path}[{index}]")
    if shape.distinct and len(set(value)) != len(value):
        raise Refused(f"{path} holds an entry twice")


def _check_map(value: object, shape: MapOf, path: str) -> None:
    if type(value) is not dict:
        raise Refused(f"{path} must be an object")
    if not shape.least <= len(value) <= shape.most:
        raise Refused(f"{path} has {len(value)} entries; it must have {shape.least} to {shape.most}")
    for key, item in value.items():
        _check_text(key, shape.key, f"a key of {path}")
        check(item, shape.value, f"{path}.{key}")


def _check_record(value: object, shape: Record, path: str) -> None:
    if type(value) is not dict:
        raise Refused(f"{path} must be an object")
    required, optional = shape.required, shape.optional
    if missing := [name for name in required if name not in value]:
        raise Refused(f"{path}.{missing[0]} is missing")
    for key, item in value.items():
        inner = required.get(key) or optional.get(key)
        if inner is None:
            known = ", ".join(sorted({*required, *optional}))
            raise Refused(f"{path}.{str(key)[:60]} is not a field of this schema; the fields are {known}")
        check(item, inner, f"{path}.{key}")
