r"""The asked hash: SHA-256 over a request as the caller gave it, before a bound is filled in, an alias resolved or a guard has run.

Proofs and the caveat `req` bind it. Every value is written with its kind and its length before it, so that no two requests write the
same bytes:

    "saferoute asked 1\n", then operation, route, purpose, data, max_cost, request

    n                          nothing
    t / f                      true / false
    i length digits            a whole number; a float without a fraction is one
    d 8 bytes                  another float, IEEE 754, big endian
    s length UTF-8             a text
    b length bytes             bytes
    l count items              a list
    m count (s-key value)*     a mapping, sorted by key
    o s-name count (s-field value)*    a value of ours, by the name of its type; fields that have their default are left out

max_cost is a text of digits and a power of ten, such as "5e-2".
Lengths and counts have 8 bytes, big endian. What cannot be sent (a NaN, another type, nesting beyond 64) has no hash.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from saferoute.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from saferoute.values.request import DataLabel

__all__ = ["asked_hash"]

_TAG: Final = b"saferoute asked 1\n"
_MOST_DEPTH: Final = 64
_MOST_TYPES: Final = 128
_MADE_UP: Final = frozenset({"boundary"})
"""Fields that saferoute fills with randomness: no caller gave them."""


def asked_hash(
    operation: str,
    route: str,
    request: object,
    *,
    purpose: str | None = None,
    data: DataLabel | None = None,
    max_cost: Decimal | None = None,
) -> str:
    """Hash a request as the caller gave it. About 20 microseconds for a short chat.

    Args:
        operation: such as "chat".
        route: the name that the caller used.
        request: the ChatRequest, or the request of another operation, with nothing filled in: no client's default label, no bound.
        purpose: what the call is for.
        data: the call's own data label, where the request has no such field.
        max_cost: the call's own bound on its cost.

    Returns:
        64 hexadecimal digits.

    Raises:
        RequestError: if the request holds what cannot be sent.
    """
    parts: list[bytes] = [_TAG]
    for value in (operation, route, purpose, data, None if max_cost is None else _exact(max_cost), request):
        _write(parts, value, 0)
    return hashlib.sha256(b"".join(parts)).hexdigest()


def _write(parts: list[bytes], value: object, depth: int) -> None:
    if isinstance(value, str):
        text = value.encode("utf-8", "surrogatepass")
        parts += (b"s", len(text).to_bytes(8), text)
    elif value is None:
        parts.append(b"n")
    elif value is True or value is False:
        parts.append(b"t" if value else b"f")
    elif isinstance(value, int):
        _sized(parts, b"i", _digits(value))
    elif isinstance(value, float):
        _write_float(parts, value)
    elif isinstance(value, bytes):
        _sized(parts, b"b", value)
    elif depth == _MOST_DEPTH:
        raise RequestError(f"the request is nested deeper than {_MOST_DEPTH}")
    elif isinstance(value, (tuple, list)):
        parts += (b"l", len(value).to_bytes(8))
        for item in value:
            _write(parts, item, depth + 1)
    elif (layout := _layout(type(value))) is not None:  # type: ignore[arg-type]  # every class has a hash
        said = [
            (name, item)
            for field, name, needed, default in layout.fields
            if (item := getattr(value, field)) is not default and (needed or item != default)
        ]
        parts += (layout.head, len(said).to_bytes(8))
        for name, item in said:
            parts.append(name)
            _write(parts, item, depth + 1)
    elif isinstance(value, Mapping):
        _write_mapping(parts, value, depth)
    else:
        raise RequestError(f"the request holds a {type(value).__name__}, which cannot be sent")


class _Layout(NamedTuple):
    """How values of one of our types are written.

    Attributes:
        head: "o" and the type's name.
        fields: of each that a caller gives its name, the name as it is written, whether it has no default, and the default.
    """

    head: bytes
    fields: tuple[tuple[str, bytes, bool, object], ...]


@lru_cache(maxsize=_MOST_TYPES)
def _layout(kind: type[object]) -> _Layout | None:
    """The layout of a type's values; None for what is none of ours."""
    if not is_dataclass(kind) or issubclass(kind, Mapping):
        return None
    head: list[bytes] = [b"o"]
    _write(head, kind.__name__, 0)
    given: list[tuple[str, bytes, bool, object]] = []
    for field in fields(kind):
        if field.compare and field.name not in _MADE_UP:
            name: list[bytes] = []
            _write(name, field.name, 0)
            default = field.default if field.default_factory is MISSING else field.default_factory()
            given.append((field.name, b"".join(name), default is MISSING, default))
    return _Layout(b"".join(head), tuple(given))


def _write_mapping(parts: list[bytes], value: Mapping[object, object], depth: int) -> None:
    keys = [key for key in value if isinstance(key, str)]
    if len(keys) != len(value):
        raise RequestError("the request holds a mapping whose keys are not all texts, which cannot be sent")
    parts += (b"m", _count(keys))
    for key in sorted(keys):
        _write(parts, key, depth)
        _write(parts, value[key], depth + 1)


def _write_float(parts: list[bytes], value: float) -> None:
    if not math.isfinite(value):
        raise RequestError("the request holds a number that is not finite, which cannot be sent")
    if value.is_integer():
        _sized(parts, b"i", _digits(int(value)))
    else:
        parts += (b"d", struct.pack(">d", value))


def _digits(value: int) -> bytes:
    try:
        return str(value).encode("ascii")
    except ValueError:  # Python writes no integer of thousands of digits
        raise RequestError("the request holds a number of thousands of digits, which cannot be sent") from None


def _exact(value: Decimal) -> str:
    """An amount as digits and a power of ten, without zeros at either end: "5e-2"."""
    _, digits, exponent = value.as_tuple()
    plain = "".join(map(str, digits)).lstrip("0")
    short = plain.rstrip("0")
    return f"{short}e{exponent + len(plain) - len(short)}" if short and isinstance(exponent, int) else "0e0"


def _sized(parts: list[bytes], kind: bytes, data: bytes) -> None:
    parts += (kind, len(data).to_bytes(8), data)


def _count(items: Sequence[object]) -> bytes:
    return len(items).to_bytes(8)
