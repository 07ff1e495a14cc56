"""What operations of several dialects read alike: vectors, places, numbers. What is not as it must be is a ProtocolError."""

from __future__ import annotations

import math
import sys
from array import array
from base64 import b64decode
from typing import TYPE_CHECKING, Any

from saferoute.errors import ProtocolError
from saferoute.values.json import as_mapping, integer
from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.values.embeddings import Vector
    from saferoute.values.target import Target

__all__ = ["checked_vectors", "input_usage", "number", "objects", "placed", "vector", "wrong"]

_WIDTH = 4


def wrong(target: Target, what: str) -> ProtocolError:
    """The error for an answer that is not what was asked for; `what` holds nothing of the answer's content."""
    return ProtocolError(f"{target.provider_name or 'the provider'} answered {what}")


def objects(target: Target, body: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """The list of objects in a field.

    Raises:
        ProtocolError: if there is no such list.
    """
    items = body.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise wrong(target, f"without a list of objects in {name!r}")
    return items


def number(target: Target, value: object, what: str) -> float:
    """A finite number.

    Raises:
        ProtocolError: for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong(target, f"a {what} that is no number")
    try:
        made = float(value)
    except OverflowError:
        made = math.inf
    if not math.isfinite(made):
        raise wrong(target, f"a {what} that is not finite")
    return made


def placed(target: Target, items: Sequence[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """Items in the order of their `index`; where none has one, in the order in which they came.

    Raises:
        ProtocolError: unless there is exactly one item for each place.
    """
    if len(items) != count:
        raise wrong(target, f"{len(items)} results for {count} inputs")
    if all("index" not in item for item in items):
        return list(items)
    found: dict[int, Mapping[str, Any]] = {}
    for item in items:
        index = item.get("index")
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < count or index in found:
            raise wrong(target, "an index that is missing, out of range, or there twice")
        found[index] = item
    return [found[index] for index in range(count)]


def vector(target: Target, value: object) -> Vector:
    """One embedding: a list of numbers, or base64 of little-endian 32-bit floats.

    Raises:
        ProtocolError: for anything else, and for numbers that are not finite.
    """
    made: Vector = array("f")
    if isinstance(value, str):
        try:
            data = b64decode(value, validate=True)
        except ValueError:
            data = b""
        if not data or len(data) % _WIDTH:
            raise wrong(target, "an embedding that is not base64 of 32-bit floats")
        made.frombytes(data)
        if sys.byteorder == "big":
            made.byteswap()
    elif isinstance(value, list) and value and {float, int}.issuperset(map(type, value)):
        try:
            made.extend(value)
        except OverflowError:
            raise wrong(target, "an embedding with a number that is not finite") from None
    else:
        raise wrong(target, "an embedding that is no list of numbers")
    if not math.isfinite(sum(made)):  # a sum of finite 32-bit floats is finite, and one number that is not makes it so too
        raise wrong(target, "an embedding with a number that is not finite")
    return made


def checked_vectors(target: Target, values: Iterable[object], count: int, dimensions: int | None) -> list[Vector]:
    """The embeddings of one request.

    Args:
        target: who answered.
        values: what stands for each embedding, in order.
        count: how many there must be.
        dimensions: how long each must be; None for as long as the first.

    Raises:
        ProtocolError: for too few or too many, and for one of another length.
    """
    vectors = [vector(target, value) for value in values]
    if len(vectors) != count:
        raise wrong(target, f"{len(vectors)} embeddings for {count} texts")
    length = dimensions if dimensions is not None else len(vectors[0])
    if any(len(made) != length for made in vectors):
        what = f"embeddings that do not have the {length} dimensions asked for" if dimensions else "embeddings of different lengths"
        raise wrong(target, what)
    return vectors


def input_usage(body: Mapping[str, Any], name: str, *counts: str) -> Usage:
    """Usage of an operation that only reads: the first of the counts that is there; none where the provider tells none."""
    raw = as_mapping(body.get(name))
    for count in counts:
        tokens = integer(raw.get(count))
        if tokens is not None:
            return usage_from_totals(input_tokens=tokens, output_tokens=0, raw=dict(raw))
    return Usage(raw=dict(raw))
