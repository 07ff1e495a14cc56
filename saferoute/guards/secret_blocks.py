"""Finds private keys in text form: PEM and OpenPGP blocks, and PuTTY's key files; whole, cut off, escaped or still arriving."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["key_blocks", "open_block"]

_BEGIN: Final = "-----BEGIN"
_LONGEST_BEGIN: Final = 80
_LONGEST_LINE: Final = 16_384
_MOST_LINES: Final = 2_000
_LEAST: Final = 32

_OPENING: Final = r"(?:-----BEGIN[ A-Z0-9]{0,40} PRIVATE KEY(?: BLOCK)?-----|Private-Lines: \d{1,4}(?=[\r\n\\]))"
# Before a first line that is one, so that a head alone is passed over in compiled code; `_OPEN_HEAD` is for texts that may go on.
_HEAD: Final = re.compile(_OPENING + r"(?=[\s\"',|>+\\nrt]{0,24}+(?:[A-Za-z0-9+/=]{28}|[A-Z][A-Za-z-]{1,24}: ))")
_OPEN_HEAD: Final = re.compile(_OPENING)
_PART_OF_HEAD: Final = re.compile(r"-----BEGIN[ A-Z0-9]{0,60}-{0,5}\Z|Private-Lines:? ?\d{0,4}\Z")
_END: Final = re.compile(r"-----END[ A-Z0-9]{1,48}-----")
_PART_OF_END: Final = re.compile(r"-{1,5}(?:E(?:N(?:D[ A-Z0-9]{0,48}-{0,5})?)?)?\Z")
# What stands between the lines of a key, in a file, in JSON and in source code.
_BETWEEN: Final = re.compile(r"(?:[\s\"',|>]|\\{1,4}[nrt]|\+(?=[\s\"']))*")
# What may stand before the first line of a key.
_FIELD: Final = re.compile(r"(?:Proc-Type|DEK-Info|Version|Comment|Hash|Charset): [^\n\\]{1,200}")
_PART_OF_FIELD: Final = re.compile(r"[A-Z][A-Za-z-]{0,9}(?:: ?[^\n\\]{0,200})?\Z")
_LINE: Final = re.compile(r"[A-Za-z0-9+/=]{1,16384}")


def key_blocks(text: str) -> Iterator[tuple[int, int]]:
    """Where private keys stand, from their first dash to their last."""
    place = 0
    while (head := _HEAD.search(text, place)) is not None:
        place, found, _ = _body(text, head.end())
        if found:
            yield head.start(), place


def _body(text: str, place: int) -> tuple[int, bool, bool]:
    """Read a key's lines.

    Returns:
        Where they end; whether they are a key's; and whether more of them may follow the end of the text.
    """
    end = place
    found = False
    for _ in range(_MOST_LINES):
        at = _after(_BETWEEN, text, end)
        if at == len(text):
            return end, found, True
        if text[at] == "-":
            last = _END.match(text, at)
            return (last.end() if last and found else end), found, last is None and _PART_OF_END.match(text, at) is not None
        if not found and _PART_OF_FIELD.match(text, at):
            return end, False, True
        field = None if found else _FIELD.match(text, at)
        line = field or _LINE.match(text, at)
        if line is None:
            return end, found, False
        if field is None:
            long = line.end() - at >= _LEAST
            if not (long or found or line.end() == len(text)):
                return end, False, False
            if found and not long:
                return _last_line(text, end, line.end())
            found = found or long
        end = line.end()
    return end, found, False


def _last_line(text: str, before: int, end: int) -> tuple[int, bool, bool]:
    """The last line of a key is shorter than the others; what follows is the end, or the key is cut off."""
    at = _after(_BETWEEN, text, end)
    if at == len(text):
        return end, True, True
    last = _END.match(text, at)
    if last is not None:
        return last.end(), True, False
    opened = _PART_OF_END.match(text, at) is not None
    word = text[_after(_BETWEEN, text, before) : end].isalpha()
    return (before if word else end), True, opened


def _after(pattern: re.Pattern[str], text: str, place: int) -> int:
    found = pattern.match(text, place)
    return found.end() if found else place


def open_block(text: str, place: int) -> int:
    """Where a private key begins that may go on behind the end of the text, or that reaches behind a place; else that place."""
    tail = max(0, len(text) - _LONGEST_BEGIN)
    for word in (_BEGIN[:5], "Private-Lines"):
        begin = text.rfind(word, tail)
        if begin >= 0 and _PART_OF_HEAD.match(text, begin):
            return min(begin, place)
    begin = max(text.rfind(_BEGIN), text.rfind("Private-Lines:"))
    head = _OPEN_HEAD.match(text, begin) if begin >= 0 else None
    if head is not None:
        end, found, opened = _body(text, head.end())
        if opened or (found and end > place):
            return min(begin, place)
    return place
