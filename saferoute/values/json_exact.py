"""JSON read so that nothing in it can be taken for two different things, and values written so that equal texts mean equal values.

An object that has one key twice is no dict here, but `Twice`: of two readers, one may take the first value and the other the last. Whoever
takes apart what was read and wants dicts refuses it without looking for it.
"""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

from pydantic_core import PydanticSerializationError, to_json
from typing_extensions import override

from saferoute.values.json import decode

__all__ = ["NOT_CANONICAL", "Twice", "decode_at_length", "decode_canonical", "decode_exact", "exact_text"]

NOT_CANONICAL: Final = object()
"""What `decode_canonical` gives for all other documents."""

_NO_JSON: Final = float("nan")


class Twice:
    """An object with a key that it has twice.

    Attributes:
        pairs: all of its keys and values, in order.
    """

    __slots__ = ("pairs",)

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs

    @property
    def key(self) -> str:
        """The first key that comes again."""
        seen: set[str] = set()
        for key, _ in self.pairs:
            if key in seen:
                break
            seen.add(key)
        return key

    @override
    def __repr__(self) -> str:
        return f"Twice({len(self.pairs)} pairs)"


def decode_exact(data: bytes) -> Any:  # noqa: ANN401  any JSON
    """Read one JSON document.

    A document that is what we would write for its value has no key twice; nearly all are, so that the slow reader is hardly ever asked.

    Raises:
        ValueError: if it is not JSON in UTF-8, or deeper than Python reads.
    """
    value = decode_canonical(data)
    return decode_at_length(data) if value is NOT_CANONICAL else value


def decode_canonical(data: bytes) -> Any:  # noqa: ANN401  any JSON
    """Read one JSON document that is, byte for byte, what we would write for its value; NOT_CANONICAL for any other."""
    try:
        value = decode(data)
        # The reader made no NaN and no infinity, so that the writer needs no second look for them.
        return value if to_json(value) == data else NOT_CANONICAL
    except (ValueError, PydanticSerializationError):  # no JSON; or deeper, or of larger numbers, than the fast reader and writer take
        return NOT_CANONICAL


def decode_at_length(data: bytes) -> Any:  # noqa: ANN401  any JSON
    """Read one JSON document, whatever it has twice.

    Raises:
        ValueError: as for `decode_exact`.
    """
    try:
        return json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_refuse)
    except RecursionError:
        reason = "too deep"
        raise ValueError(reason) from None


def exact_text(value: object) -> str:
    """Write a value that `decode_exact` gave: 1, 1.0 and true are three texts, and an object with a key twice is like nothing else.

    Raises:
        ValueError: for a value that is deeper than Python writes.
    """
    try:
        return to_json(value).decode()  # no NaN or infinity that could be taken for anything else: JSON has none
    except (PydanticSerializationError, UnicodeEncodeError, ValueError):
        pass
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_marked)
    except RecursionError:
        reason = "too deep"
        raise ValueError(reason) from None


def _object(pairs: list[tuple[str, Any]]) -> object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else Twice(pairs)


def _marked(value: object) -> list[object]:
    """An array that begins with what no JSON text can say, so that none is taken for it."""
    if not isinstance(value, Twice):
        reason = f"a {type(value).__name__} is no JSON"
        raise ValueError(reason)  # noqa: TRY004  as for everything else that cannot be written
    return [_NO_JSON, *value.pairs]


def _refuse(name: str) -> NoReturn:
    raise ValueError(name)
