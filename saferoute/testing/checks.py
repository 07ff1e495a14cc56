"""Shapes that a strict provider's request must have, as data.

A check is called with a value and its path and raises Refused. The words for the refusal are the dialect's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from saferoute.values.json import as_list, as_mapping

__all__ = [
    "Check",
    "ListOf",
    "Object",
    "Path",
    "Refused",
    "Tagged",
    "any_of",
    "anything",
    "flag",
    "one_of",
    "pattern",
    "strict_schema",
    "text",
    "within",
]

Path: TypeAlias = tuple[str | int, ...]
Check: TypeAlias = Callable[[object, Path], None]


class Refused(Exception):  # noqa: N818  not an error of this program: it becomes a provider's answer
    """The request is not one that the provider takes.

    Attributes:
        kind: "unknown" (a field that does not exist), "missing", or "invalid".
        path: where.
        why: what is wrong with it, for "invalid".
        status: HTTP status.
        code: the provider's word for it; "" takes the kind's usual one.
    """

    def __init__(
        self, kind: Literal["unknown", "missing", "invalid"], path: Path, why: str = "", *, status: int = 400, code: str = ""
    ) -> None:
        super().__init__(kind, path, why)
        self.kind = kind
        self.path = path
        self.why = why
        self.status = status
        self.code = code


def invalid(path: Path, why: str, code: str = "") -> Refused:
    """A refusal of a value."""
    return Refused("invalid", path, why, code=code)


def anything(value: object, path: Path) -> None:
    """Take everything."""


def text(value: object, path: Path) -> None:
    """Take a string."""
    if not isinstance(value, str):
        raise invalid(path, "a string is wanted", "invalid_type")


def flag(value: object, path: Path) -> None:
    """Take a boolean."""
    if not isinstance(value, bool):
        raise invalid(path, "a boolean is wanted", "invalid_type")


def within(low: float, high: float, *, whole: bool = False) -> Check:
    """Take a number between two bounds, both included."""

    def check(value: object, path: Path) -> None:
        if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
            raise invalid(path, "an integer is wanted" if whole else "a number is wanted", "invalid_type")
        if not low <= value <= high:
            raise invalid(path, f"{value} is not between {low:g} and {high:g}", "invalid_value")

    return check


def one_of(*words: str) -> Check:
    """Take one of these words."""

    def check(value: object, path: Path) -> None:
        if value not in words:
            raise invalid(path, f"{value!r} is none of {', '.join(map(repr, words))}"[:300], "invalid_value")

    return check


def pattern(expression: str) -> Check:
    """Take a string that matches as a whole."""
    compiled = re.compile(expression)

    def check(value: object, path: Path) -> None:
        text(value, path)
        if not isinstance(value, str) or not compiled.fullmatch(value):
            raise invalid(path, f"it does not match {expression!r}", "invalid_value")

    return check


def any_of(*checks: Check) -> Check:
    """Take what one of the checks takes; the first check words the refusal of values of no check's type."""

    def check(value: object, path: Path) -> None:
        refusals = []
        for one in checks:
            try:
                return one(value, path)
            except Refused as refusal:
                refusals.append(refusal)
        raise max(refusals, key=lambda refusal: len(refusal.path))  # whichever got furthest into the value

    return check


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list whose items pass a check."""

    item: Check
    least: int = 0
    most: int = 100_000

    def __call__(self, value: object, path: Path) -> None:
        """Check a list."""
        if not isinstance(value, list):
            raise invalid(path, "an array is wanted", "invalid_type")
        if not self.least <= len(value) <= self.most:
            raise invalid(path, f"{len(value)} items are not between {self.least} and {self.most}", "invalid_value")
        for number, item in enumerate(value):
            self.item(item, (*path, number))


@dataclass(frozen=True, slots=True)
class Object:
    """An object with exactly these fields; an optional one may be null."""

    required: Mapping[str, Check]
    optional: Mapping[str, Check]

    def __call__(self, value: object, path: Path) -> None:
        """Check an object."""
        if not isinstance(value, dict):
            raise invalid(path, "an object is wanted", "invalid_type")
        for name, check in self.required.items():
            if name not in value:
                raise Refused("missing", (*path, name))
            check(value[name], (*path, name))
        for name, item in value.items():
            if name in self.required:
                continue
            if name not in self.optional:
                raise Refused("unknown", (*path, name))
            if item is not None:
                self.optional[name](item, (*path, name))

    def allowing(self, names: Iterable[str]) -> Object:
        """The same with more optional fields, unchecked."""
        return Object(self.required, {**self.optional, **dict.fromkeys(names, anything)})


@dataclass(frozen=True, slots=True)
class Tagged:
    """An object whose kind stands in one of its fields."""

    tag: str
    kinds: Mapping[str, Check]

    def __call__(self, value: object, path: Path) -> None:
        """Check an object against the shape of its kind."""
        if not isinstance(value, dict):
            raise invalid(path, "an object is wanted", "invalid_type")
        if self.tag not in value:
            raise Refused("missing", (*path, self.tag))
        kind = value[self.tag]
        if not isinstance(kind, str) or kind not in self.kinds:
            raise invalid((*path, self.tag), f"{kind!r} is none of {', '.join(map(repr, self.kinds))}"[:300], "invalid_value")
        self.kinds[kind](value, path)


def strict_schema(schema: object, path: Path, *, all_required: bool) -> None:
    """Check what strict structured output asks of a schema: every object closed, and every property required where that is the rule.

    Raises:
        Refused: naming the first object that is not so.
    """
    node = as_mapping(schema)
    if node.get("type") == "object" or "properties" in node:
        if node.get("additionalProperties") is not False:
            raise invalid(path, "strict output wants 'additionalProperties': false in every object", "invalid_json_schema")
        left_out = sorted(as_mapping(node.get("properties")).keys() - set(as_list(node.get("required"))))
        if all_required and left_out:
            raise invalid(path, f"strict output wants every property in 'required'; left out: {', '.join(left_out)}", "invalid_json_schema")
    for word in ("properties", "$defs", "definitions"):
        for name, item in as_mapping(node.get(word)).items():
            strict_schema(item, (*path, word, name), all_required=all_required)
    for word in ("anyOf", "oneOf", "allOf", "prefixItems"):
        for number, item in enumerate(as_list(node.get(word))):
            strict_schema(item, (*path, word, number), all_required=all_required)
    if "items" in node:
        strict_schema(node["items"], (*path, "items"), all_required=all_required)
