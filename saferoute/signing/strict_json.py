"""JSON with one spelling per value, for everything that is signed.

`canonical(parse(data)) == data` holds for every accepted document, so two readers cannot see two different things in the same signed
bytes. Refused: anything but UTF-8, a byte order mark, white space, unsorted or repeated keys, floats, NaN, integers beyond 2^53-1,
escapes that are not needed, lone surrogates, deep nesting, and sizes over the caller's bound. Money is therefore written in integer
nano-units. This is not JCS: without floats there is nothing for its number rules to do.
"""

from __future__ import annotations

import json
from typing import Final, NoReturn, TypeAlias

from saferoute.signing.refusal import Refused

__all__ = ["MAX_DEPTH", "MAX_INTEGER", "StrictJson", "canonical", "parse", "write_parsed"]

StrictJson: TypeAlias = "bool | int | str | list[StrictJson] | dict[str, StrictJson] | None"

MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

MAX_DEPTH = 12
MAX_BYTES = 1 << 20
# What is written was parsed, or its depth was checked: nothing in it holds itself.
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False)
_MAX_DIGITS = len(str(MAX_INTEGER))


def parse(data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> dict[str, StrictJson]:
    """Read one canonical document, an object at the top.

    Args:
        data: the exact bytes.
        max_bytes: refuse more than this before looking at them.
        max_depth: refuse deeper nesting; an object of plain values has depth 1.

    Raises:
        Refused: with the reason; the message holds no content of the document except the name of a repeated key.
    """
    if len(data) > max_bytes:
        raise Refused(f"it has {len(data)} bytes; at most {max_bytes} are read")
    if not data.startswith(b"{"):
        raise Refused("it does not begin with a JSON object (a byte order mark, white space, UTF-16, or no JSON at all)")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Refused(f"it is not UTF-8 at byte {error.start}") from None
    value = _decoded(_DECODER, text, max_depth)
    if data.count(b"{") + data.count(b"[") > max_depth:  # else it cannot be nested more deeply
        _check_depth(value, max_depth)
    if write_parsed(value) != data:
        _decoded(_KEYS_ONCE, text, max_depth)  # a key that stands twice in an object was read once, and has just been written once
        raise Refused("it is JSON but not canonical: keys must be sorted, with no white space and no needless escapes")
    return value  # type: ignore[return-value]  # it begins with "{"


def _decoded(decoder: json.JSONDecoder, text: str, max_depth: int) -> StrictJson:
    try:
        return decoder.decode(text)  # type: ignore[no-any-return]  # JSON
    except json.JSONDecodeError as error:
        raise Refused(f"it is not JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise Refused(f"it is nested deeper than {max_depth}") from None


def canonical(value: StrictJson) -> bytes:
    """Write a value in its one spelling.

    Raises:
        Refused: for floats, integers beyond 2^53-1, keys that are not strings, lone surrogates, other types, and deep nesting.
    """
    _check_value(value, MAX_DEPTH)
    return write_parsed(value)


def write_parsed(value: object) -> bytes:
    """Write what `parse` made, or a part of it, without checking its types again.

    Raises:
        Refused: for lone surrogates.
    """
    try:
        # Code point order, which `sort_keys` gives, is also the byte order of UTF-8.
        return _ENCODER.encode(value).encode()
    except UnicodeEncodeError:
        raise Refused("a text holds half of a surrogate pair") from None


def _object(pairs: list[tuple[str, StrictJson]]) -> dict[str, StrictJson]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        repeated = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Refused(f"the key {repeated[:60]!r} stands twice in one object")
    return found


def _no_float(_: str) -> NoReturn:
    raise Refused("it holds a number that is not an integer; signed documents have integers only")


def _integer(text: str) -> int:
    # The length comes first: converting thousands of digits is slow, and Python refuses it with an error of its own.
    if len(text) < _MAX_DIGITS:
        return int(text)
    if len(text) > _MAX_DIGITS + 1 or abs(value := int(text)) > MAX_INTEGER:
        raise Refused("it holds an integer beyond 2^53-1")
    return value


_DECODER: Final = json.JSONDecoder(parse_float=_no_float, parse_constant=_no_float, parse_int=_integer)
_KEYS_ONCE: Final = json.JSONDecoder(object_pairs_hook=_object, parse_float=_no_float, parse_constant=_no_float, parse_int=_integer)


def _check_depth(value: StrictJson, most: int) -> None:
    level = [value]  # the containers at one depth; going down level by level takes no call per container
    for _ in range(most):
        level = [
            item
            for container in level
            for item in (container.values() if type(container) is dict else container)  # type: ignore[union-attr]  # containers only
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return
    raise Refused("it is nested too deeply")


def _check_value(value: object, left: int) -> None:
    if isinstance(value, (dict, list)):
        if left == 0:
            raise Refused("it is nested too deeply")
        if isinstance(value, dict):
            if not all(type(key) is str for key in value):
                raise Refused("a key is not a text")
            value = list(value.values())
        for item in value:
            _check_value(item, left - 1)
    elif type(value) is int:
        if abs(value) > MAX_INTEGER:
            raise Refused("an integer is beyond 2^53-1")
    elif value is not None and type(value) not in (bool, str):
        raise Refused(f"a {type(value).__name__} cannot be signed; only null, booleans, integers, texts, lists and objects can")
