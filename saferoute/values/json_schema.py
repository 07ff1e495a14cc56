"""Does a value fit a JSON Schema? The keywords that providers enforce and emulation asks for; what is checked is listed, the rest is not.

Checked: type, enum, const, properties, required, additionalProperties, items, prefixItems, minItems, maxItems, minLength, maxLength,
minimum, maximum, exclusiveMinimum, exclusiveMaximum, anyOf, oneOf, allOf, and $ref into the same schema. Not checked: pattern, format and
everything else. A failure names places and keywords, never a value: values are the model's words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["misfit"]

_MAX_STEPS: Final = 200_000
_MAX_DEPTH: Final = 100
_Place: TypeAlias = tuple["int | str", ...]
_Misfit: TypeAlias = tuple[_Place, str]


def misfit(value: object, schema: object) -> _Misfit | None:
    """The first thing that does not fit: its place in the value and the schema's keyword; None if all does.

    Example:
        >>> misfit({"name": 5}, {"type": "object", "properties": {"name": {"type": "string"}}})
        (('name',), 'type')

    Args:
        value: as a strict JSON reader made it.
        schema: a JSON Schema; true and false are schemas too. One that takes more than 200,000 steps, or 100 levels, fits nothing: a
            model could write a value that keeps a schema of many branches busy for ever.
    """
    return next(_Comparison(schema).misfits(value, schema, (), _MAX_DEPTH), None)


class _Comparison:
    """Compares one value with one schema, with a bound on the work."""

    __slots__ = ("_left", "_root")

    def __init__(self, root: object) -> None:
        self._root = root
        self._left = _MAX_STEPS

    def misfits(self, value: object, schema: object, place: _Place, depth: int) -> Iterator[_Misfit]:
        self._left -= 1
        if self._left < 0 or depth <= 0:
            yield place, "too many branches or levels to compare"
            return
        if schema is False:
            yield place, "a place that the schema forbids"
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            yield from self.misfits(value, _resolved(schema["$ref"], self._root), place, depth - 1)
        for keyword, fits in _FITS.items():
            if keyword in schema and not fits(value, schema[keyword]):
                yield place, keyword
        yield from self._branches(value, schema, place, depth - 1)
        if isinstance(value, dict):
            yield from self._in_object(value, schema, place, depth - 1)
        elif isinstance(value, list):
            yield from self._in_list(value, schema, place, depth - 1)

    def _fits(self, value: object, schema: object, depth: int) -> bool:
        return next(self.misfits(value, schema, (), depth), None) is None

    def _branches(self, value: object, schema: Mapping[str, Any], place: _Place, depth: int) -> Iterator[_Misfit]:
        for branch in _listed(schema.get("allOf")):
            yield from self.misfits(value, branch, place, depth)
        some, one = _listed(schema.get("anyOf")), _listed(schema.get("oneOf"))
        if some and not any(self._fits(value, branch, depth) for branch in some):
            yield place, "anyOf"
        if one and sum(self._fits(value, branch, depth) for branch in one) != 1:
            yield place, "oneOf"

    def _in_object(self, value: Mapping[str, Any], schema: Mapping[str, Any], place: _Place, depth: int) -> Iterator[_Misfit]:
        properties = schema.get("properties")
        named: Mapping[str, Any] = properties if isinstance(properties, dict) else {}
        for name in _listed(schema.get("required")):
            if name not in value:
                yield (*place, name), "required"
        others = schema.get("additionalProperties", True)
        for name, inner in value.items():
            if name not in named and others is False:
                yield (*place, name), "additionalProperties"
            else:
                yield from self.misfits(inner, named.get(name, others), (*place, name), depth)

    def _in_list(self, value: list[Any], schema: Mapping[str, Any], place: _Place, depth: int) -> Iterator[_Misfit]:
        first = _listed(schema.get("prefixItems"))
        for position, inner in enumerate(value):
            own = first[position] if position < len(first) else schema.get("items", True)
            yield from self.misfits(inner, own, (*place, position), depth)


def _resolved(reference: object, root: object) -> object:
    """The schema that a reference leads to; what leads nowhere, or out of this schema, fits nothing."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return False
    found = root
    for step in reference[1:].split("/")[1:]:
        word = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or word not in found:
            return False
        found = found[word]
    return found


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_TYPES: Final[Mapping[str, Callable[[object], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "number": _is_number,
    "integer": lambda value: _is_number(value) and value == int(value),  # type: ignore[call-overload]  # JSON's reader made no infinity
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}


def _has_type(value: object, wanted: object) -> bool:
    return any(_TYPES[word](value) for word in ([wanted] if isinstance(wanted, str) else _listed(wanted)) if word in _TYPES)


def _same(one: object, other: object) -> bool:
    """JSON's equality: 1 is 1.0, and true is no number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    return one == other


def _bound(kind: type[Any] | tuple[type[Any], ...], fits: Callable[[Any, Any], bool]) -> Callable[[object, object], bool]:
    """A check that counts for values of a kind, and passes all others."""

    def check(value: object, limit: object) -> bool:
        return not isinstance(value, kind) or isinstance(value, bool) or not _is_number(limit) or fits(value, limit)

    return check


_FITS: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "type": _has_type,
    "enum": lambda value, allowed: any(_same(value, one) for one in _listed(allowed)),
    "const": _same,
    "minItems": _bound(list, lambda value, limit: len(value) >= limit),
    "maxItems": _bound(list, lambda value, limit: len(value) <= limit),
    "minLength": _bound(str, lambda value, limit: len(value) >= limit),
    "maxLength": _bound(str, lambda value, limit: len(value) <= limit),
    "minimum": _bound((int, float), lambda value, limit: value >= limit),
    "maximum": _bound((int, float), lambda value, limit: value <= limit),
    "exclusiveMinimum": _bound((int, float), lambda value, limit: value > limit),
    "exclusiveMaximum": _bound((int, float), lambda value, limit: value < limit),
}
