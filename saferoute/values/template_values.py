"""The values of a prompt template: frozen when they are given, and written in one way only."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from typing_extensions import override

from saferoute.errors import InvalidMessages

if TYPE_CHECKING:
    from saferoute.values.signed_template import VariableType

__all__ = ["Given", "JsonText", "fits", "frozen", "is_fixed", "written"]

_MOST_DEPTH: Final = 32
_MOST_NODES: Final = 100_000
_MOST_BITS: Final = 256
_PLAIN_FLOAT: Final = 1e21
_LINE_BREAK: Final = re.compile(r"[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,77})\Z")
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,77})(?:\.[0-9]{1,400})?(?:e[+-][0-9]{1,3})?\Z")
_TYPES: Final[Mapping[str, frozenset[type]]] = {
    "text": frozenset({str}),
    "line": frozenset({str}),
    "integer": frozenset({int}),
    "number": frozenset({int, float}),
    "boolean": frozenset({bool}),
}
_WANTED: Final[Mapping[str, str]] = {
    "text": "a str",
    "line": "a str without line breaks",
    "integer": "an int",
    "number": "an int or a float",
    "boolean": "True or False",
}


@dataclass(frozen=True, slots=True)
class JsonText:
    """A list or an object as compact JSON with sorted keys: what it was when it was given, whatever became of it since."""

    text: str

    @override
    def __repr__(self) -> str:
        return f"JsonText({len(self.text)} chars)"


Given: TypeAlias = "str | int | float | bool | JsonText | None"


def frozen(value: object, name: str) -> Given:
    """A value as it is now, of exactly the type that it says to be.

    Args:
        value: a text, a number, a truth, None, or lists and mappings of these.
        name: the variable's, for the error.

    Raises:
        InvalidMessages: for anything else, and for what has no end.
    """
    try:
        plain: Given | list[Any] | dict[Any, Any] = _plain(value)
        if isinstance(plain, list | dict):
            return JsonText(_json(plain))
        if isinstance(plain, int | float):
            _number(plain)  # here is where its caller learns that it is too large
    except ValueError as error:
        msg = f"the value of {name!r} cannot stand in a template: {error}"
        raise InvalidMessages(msg) from None
    return plain


def written(value: Given, kind: VariableType, name: str) -> str:
    """A value as the template's text will have it.

    Args:
        value: the value.
        kind: what the table says that the variable is.
        name: the variable's, for the error.

    Raises:
        InvalidMessages: if the value is of another type. No number is made of a text, and no text of a number.
    """
    if kind == "json":
        return value.text if isinstance(value, JsonText) else _json(value)
    if type(value) not in _TYPES[kind] or (kind == "line" and _LINE_BREAK.search(str(value))):
        said = "a str with line breaks" if kind == "line" and isinstance(value, str) else _said(value)
        msg = f"the variable {name!r} is declared as {kind}: pass {_WANTED[kind]}, not {said}"
        raise InvalidMessages(msg)
    return value if isinstance(value, str) else _json(value)


def _said(value: Given) -> str:
    return "a list or a mapping" if isinstance(value, JsonText) else "None" if value is None else type(value).__name__


def fits(text: str, kind: VariableType) -> bool:
    """Whether a text in a template can have come from a value of this type."""
    match kind:
        case "line":
            return _LINE_BREAK.search(text) is None
        case "integer":
            return _INTEGER.match(text) is not None
        case "number":
            return _NUMBER.match(text) is not None
        case "boolean":
            return text in {"true", "false"}
        case _:
            return True


def is_fixed(kind: VariableType) -> bool:
    """Whether nothing can be taken out of such a value, for what is left would be of another type."""
    return kind in {"integer", "number", "boolean"}


def _plain(value: object) -> Any:  # noqa: ANN401  as it is
    """A value without what a subclass may have made of it; a mapping or a list by itself."""
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return str.__str__(value)
    if issubclass(kind, int):
        return int.__index__(value)  # type: ignore[arg-type]  # likewise
    if issubclass(kind, float):
        return float.__float__(value)  # type: ignore[arg-type]  # likewise
    if issubclass(kind, list | tuple):
        return list(value)  # type: ignore[call-overload]
    if issubclass(kind, Mapping):
        return dict(value)  # type: ignore[call-overload]
    msg = f"it holds a value of type {kind.__name__[:60]}; texts, numbers, True, False, None, and lists and mappings of these can"
    raise ValueError(msg)


def _number(value: float) -> int | float:
    """A number as it is written: equal ones are written alike, 1.0 as 1."""
    if isinstance(value, int):
        if value.bit_length() > _MOST_BITS:
            msg = f"it holds a number of more than {_MOST_BITS} bits"
            raise ValueError(msg)
        return value
    if not math.isfinite(value):
        msg = "it holds a number that is not finite"
        raise ValueError(msg)
    return int(value) if value.is_integer() and abs(value) < _PLAIN_FLOAT else value


def _json(value: object) -> str:
    """JSON in one way: compact, keys sorted by their characters, equal numbers alike."""
    return json.dumps(_Copy().of(value, 0), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


class _Copy:
    """Copies a value, and counts."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _MOST_NODES

    def of(self, value: object, depth: int) -> object:
        plain = _plain(value)
        if isinstance(plain, list | dict):
            self._left -= len(plain)
            if depth == _MOST_DEPTH or self._left < 0:
                msg = f"it is nested deeper than {_MOST_DEPTH}, or has more than {_MOST_NODES} values"
                raise ValueError(msg)
            return [self.of(one, depth + 1) for one in plain] if isinstance(plain, list) else self._object(plain, depth)
        return _number(plain) if type(plain) in {int, float} else plain

    def _object(self, value: dict[Any, Any], depth: int) -> dict[str, object]:
        named: dict[str, object] = {}
        for key, one in value.items():
            if not issubclass(type(key), str) or (name := str.__str__(key)) in named:
                msg = "it holds a mapping with a key that is no str, or twice the same"
                raise ValueError(msg)
            named[name] = self.of(one, depth + 1)
        return named
