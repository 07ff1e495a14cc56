"""A judge out of an official SDK's request types: what it takes has no key that they do not have, at any depth, and no other type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_STRICT = frozenset({"bool", "float", "int", "list", "str"})


def judge_of(request_type: Any) -> Callable[[object], None]:
    """Make a judge of bodies; it raises pydantic's ValidationError.

    The types are read by pydantic. Left alone, it would leave foreign keys out, take "1" for 1, and never look into an `Iterable`.
    """
    from pydantic import TypeAdapter
    from pydantic_core import SchemaValidator

    validator = SchemaValidator(_closed(TypeAdapter(request_type).core_schema))

    def judge(body: object) -> None:
        validator.validate_python(body)

    return judge


def _closed(schema: Any) -> Any:
    if isinstance(schema, list | tuple):
        return type(schema)(_closed(item) for item in schema)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if not isinstance(kind, str):  # the fields of an object, by their names
        return {name: _closed(value) for name, value in schema.items()}
    closed = {key: value if key in {"metadata", "expected"} else _closed(value) for key, value in schema.items()}
    if kind == "typed-dict":
        closed["extra_behavior"] = "forbid"
    elif kind == "generator":  # how pydantic reads Iterable: lazily, which is never
        return {"type": "list", "items_schema": closed["items_schema"], "strict": True}
    elif kind in _STRICT:
        closed["strict"] = True
    return closed
