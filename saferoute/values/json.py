"""JSON as Python types, and the one encoder and decoder for what goes to and comes from providers.

Signed things do not come through here: they have a stricter parser (`saferoute.signing.strict_json`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pydantic_core import PydanticSerializationError, from_json, to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

__all__ = ["Json", "as_list", "as_mapping", "as_text", "decode", "encode", "integer"]


def encode(value: object) -> bytes:
    """Write compact UTF-8 JSON.

    Raises:
        ValueError: for NaN, infinities, lone surrogates, and types that JSON does not have.
    """
    try:
        body = to_json(value)
    except (PydanticSerializationError, UnicodeEncodeError, ValueError) as error:
        reason = "a lone surrogate or a type that JSON does not have"
        raise ValueError(reason) from error
    # Rare; the strict encoder tells a number from the same letters in a text. One letter is found much faster than a word.
    if (body.find(b"N") >= 0 and body.find(b"NaN") >= 0) or (body.find(b"I") >= 0 and body.find(b"Infinity") >= 0):
        json.dumps(value, allow_nan=False)
    return body


_MANY_BYTES = 1_048_576
_MOST_CONTAINERS = 500_000  # each costs about 90 bytes of memory and two of JSON


def _containers(data: bytes | str) -> int:
    return data.count(b"{") + data.count(b"[") if isinstance(data, bytes) else data.count("{") + data.count("[")


def decode(data: bytes | str) -> Any:  # noqa: ANN401  the caller narrows: nothing from outside has a known shape
    """Read one JSON document from a provider.

    Raises:
        ValueError: if it is not JSON; NaN and infinities are not.
    """
    try:
        if len(data) > _MANY_BYTES and _containers(data) > _MOST_CONTAINERS:
            reason = "more objects and arrays than any answer has"
            raise ValueError(reason)
        return from_json(data, cache_strings="keys", allow_inf_nan=False)
    except TypeError:  # how pydantic_core takes a lone surrogate in a str
        reason = "a lone surrogate"
        raise ValueError(reason) from None


def as_mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one: providers leave out, null and mistype optional objects."""
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[Any]:
    """The value if it is an array, else an empty one."""
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    """The value if it is a string, else an empty one."""
    return value if isinstance(value, str) else ""


_MOST: Final = 2**53  # up to here every reader of JSON reads the same number


def integer(value: object) -> int | None:
    """A count from a provider: a non-negative integer up to 2**53, or None for anything else (a float with no fraction counts)."""
    if type(value) is not int:  # so that true is no 1
        if not isinstance(value, float) or not value.is_integer():
            return None
        value = int(value)
    return value if 0 <= value <= _MOST else None
