"""Closed shapes of records, checked by the validator of `pydantic_core`.

`saferoute.routing.schema` does the same in Python for what is read once. A ledger is verified at tens of thousands of records a second,
so here a line is read and checked in one step that makes no Python call. Only the validator is used: no model, no adapter, and so
none of what these load.

Everything is strict: no number out of a text, no truth out of a number. An object comes out with its fields sorted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic_core import CoreConfig, PydanticSerializationError, SchemaValidator, ValidationError, to_json

from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import MAX_INTEGER

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "FLAG", "LONGEST", "MOST_ITEMS", "Closed", "Part", "Shape", "any_of", "fitted", "list_of", "map_of", "matching", "maybe", "record_of",
    "text", "whole",
]  # fmt: skip

Shape: TypeAlias = "dict[str, Any]"

LONGEST: Final = 500
"""Characters of any text that has no bound of its own."""

MOST_ITEMS: Final = 256
"""Entries of a list, and of an object whose keys are no fields."""

FLAG: Final[Mapping[str, Any]] = {"type": "bool", "strict": True}
"""True or false."""

_SHOWN: Final = 80
_CUT: Final = "\N{HORIZONTAL ELLIPSIS}"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def text(longest: int = LONGEST, shortest: int = 0) -> Shape:
    """A text of so many characters."""
    return {"type": "str", "max_length": longest, "min_length": shortest, "strict": True}


def matching(pattern: str) -> Shape:
    """A text that a pattern matches as a whole."""
    return {"type": "str", "pattern": f"^(?:{pattern})$", "strict": True}


def any_of(*choices: str) -> Shape:
    """One of these words."""
    return {"type": "literal", "expected": list(choices)}


def whole(least: int = 0, most: int = MAX_INTEGER) -> Shape:
    """An integer within bounds, both included; a boolean is none."""
    return {"type": "int", "ge": least, "le": most, "strict": True}


def maybe(shape: Mapping[str, Any]) -> Shape:
    """Null, or a value of this shape."""
    return {"type": "nullable", "schema": shape, "strict": True}


def list_of(shape: Mapping[str, Any], most: int = MOST_ITEMS, least: int = 0) -> Shape:
    """A list of values of one shape."""
    return {"type": "list", "items_schema": shape, "max_length": most, "min_length": least, "strict": True}


def map_of(shape: Mapping[str, Any], longest_key: int, most: int = MOST_ITEMS) -> Shape:
    """An object whose keys are names."""
    return {"type": "dict", "keys_schema": text(longest_key, 1), "values_schema": shape, "max_length": most, "strict": True}


def record_of(fields: Mapping[str, Mapping[str, Any]], optional: Iterable[str] = ()) -> Shape:
    """An object with these fields and no others."""
    may_lack = frozenset(optional)
    rows = {name: {"type": "typed-dict-field", "schema": fields[name], "required": name not in may_lack} for name in sorted(fields)}
    return {"type": "typed-dict", "fields": rows, "extra_behavior": "forbid", "strict": True}


class Closed:
    """The check of one shape, made once."""

    __slots__ = ("_maps", "_validator")

    def __init__(self, shape: Mapping[str, Any], maps: Iterable[str] = ()) -> None:
        """Make the check.

        Args:
            shape: of an object.
            maps: its fields that `map_of` made: the validator leaves their keys in the order in which they came.
        """
        # Every record has texts of its own: a cache of them would only be memory that grows.
        self._validator = SchemaValidator(dict(shape), CoreConfig(cache_strings="keys"))
        self._maps = tuple(maps)

    def read(self, data: bytes) -> dict[str, Any]:
        """Read strict JSON of this shape.

        Raises:
            Refused: for everything else. The message names the place, and holds no value.
        """
        try:
            fields: dict[str, Any] = self._validator.validate_json(data)
        except ValidationError as error:
            raise _refusal(error) from None
        # What was read is written to the same bytes only if there was no white space, needless escape, repeated or unsorted field, or
        # other spelling of a number.
        if to_json(fields) != data:
            raise Refused("it is JSON but not canonical: keys must be sorted, with no white space and no needless escapes")
        for name in self._maps:
            if name in fields and list(fields[name]) != sorted(fields[name]):
                raise Refused(f"{name}: its keys are not sorted")
        return fields

    def check(self, value: object) -> dict[str, Any]:
        """Check a value of Python, and give it with its fields sorted.

        Raises:
            Refused: as `read` does.
        """
        try:
            fields: dict[str, Any] = self._validator.validate_python(value)
        except ValidationError as error:
            raise _refusal(error) from None
        for name in self._maps:
            keys = list(fields.get(name, ()))
            if keys != sorted(keys):
                fields[name] = {key: fields[name][key] for key in sorted(keys)}
        return fields

    def write(self, value: object, *, fit: bool = False) -> tuple[bytes, dict[str, Any]]:
        """Write a value of Python as strict JSON, and give what was written.

        Args:
            value: an object.
            fit: whether what goes too far is cut, and not refused (see `fitted`).

        Raises:
            Refused: as `read` does, and for half of a surrogate pair.
        """
        try:
            fields = self.check(value)
            return to_json(fields), fields
        except (Refused, PydanticSerializationError, UnicodeEncodeError) as error:
            if fit:
                return self.write(fitted(value))
            raise error if isinstance(error, Refused) else Refused("a text holds half of a surrogate pair") from None


class Part:
    """The check of one field's shape, for who writes a record part by part."""

    __slots__ = ("_validator",)

    def __init__(self, shape: Mapping[str, Any]) -> None:
        """Make the check."""
        self._validator = SchemaValidator(dict(shape), CoreConfig(cache_strings="keys"))

    def write(self, value: object) -> str:
        """Write a value of Python as JSON. The keys of what `map_of` made stay in their order.

        Raises:
            Refused: it is not of this shape.
            ValueError: it holds half of a surrogate pair.
        """
        try:
            return to_json(self._validator.validate_python(value)).decode()
        except ValidationError as error:
            raise _refusal(error) from None


def _refusal(error: ValidationError) -> Refused:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(step) for step in first["loc"])
    return Refused(f"{place[:_SHOWN] or 'it'}: {first['msg']}")


def fitted(value: object) -> Any:  # noqa: ANN401  any JSON
    """The value made to fit where it only goes too far: long texts and lists are cut, half surrogate pairs replaced, tuples made lists.

    What a provider or a caller says at length must not keep a record from being written. A cut text ends with an ellipsis.
    """
    if isinstance(value, str):
        whole_text = _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", str(value))
        return whole_text if len(whole_text) <= LONGEST else whole_text[: LONGEST - 1] + _CUT
    if isinstance(value, list | tuple):
        return [fitted(item) for item in value[:MOST_ITEMS]]
    if isinstance(value, Mapping):
        return {key: fitted(value[key]) for key in sorted(value)[:MOST_ITEMS]}
    return value
