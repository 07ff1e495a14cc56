"""XML as the query services of AWS write it: elements with text in them, and nothing else that XML has.

There is no document type, no entity of its own, no comment, no CDATA, no processing instruction and no attribute but the name space, so
that nothing is expanded, fetched or read two ways. What has one of them is refused whole.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["texts_by_path"]

_MAX_BYTES = 65_536
_MAX_DEPTH = 16
_MAX_ELEMENTS = 256

_PROLOG = re.compile(r'\s*(?:<\?xml version="1\.0"(?: encoding="(?:UTF-8|utf-8)")?(?: standalone="(?:yes|no)")?\s*\?>\s*)?')
_START = re.compile(r'<([A-Za-z_][A-Za-z0-9_.-]{0,127})(?:\s{1,8}xmlns="[^"<&]{0,256}")?\s{0,8}(/?)>')
_END = re.compile(r"</([A-Za-z_][A-Za-z0-9_.-]{0,127})\s{0,8}>")
_TEXT = re.compile(r"[^<]+")
_REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]{1,7})|#x([0-9A-Fa-f]{1,6}));")
_NAMED: Mapping[str, str] = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


def texts_by_path(data: bytes) -> Mapping[tuple[str, ...], str]:
    """Read a small document.

    Args:
        data: at most 64 KiB of UTF-8.

    Returns:
        The text of every element that has no element in it, by its path from the root.

    Raises:
        ValueError: it is not such a document, it is too large or deep, or two elements have one path. The text is not shown.
    """
    if len(data) > _MAX_BYTES:
        raise ValueError("more than 64 KiB of XML")
    text = data.decode("utf-8")  # UnicodeDecodeError is a ValueError
    found: dict[tuple[str, ...], str] = {}
    seen: set[tuple[str, ...]] = set()
    branches: set[tuple[str, ...]] = set()
    path: list[str] = []
    at = match.end() if (match := _PROLOG.match(text)) else 0
    words = ""
    while True:
        if match := _START.match(text, at):
            if words.strip() or (not path and seen):
                raise ValueError("text between elements, or more than one root")
            branches.add(tuple(path))
            path.append(match[1])
            here = tuple(path)
            if here in seen or len(path) > _MAX_DEPTH or len(seen) == _MAX_ELEMENTS:
                raise ValueError("two elements have one path, or there are too many, or they are too deep")
            seen.add(here)
            words = ""
            if match[2]:
                _close(path, found, branches, "")
        elif match := _END.match(text, at):
            if not path or path[-1] != match[1]:
                raise ValueError("an end tag without its start tag")
            _close(path, found, branches, words)
            words = ""
        elif path and (match := _TEXT.match(text, at)):
            words = _plain(match[0])
        else:
            break
        at = match.end()
    if path or not found or text[at:].strip():
        raise ValueError("an element is not closed, or this is not plain XML")
    return found


def _close(path: list[str], found: dict[tuple[str, ...], str], branches: set[tuple[str, ...]], words: str) -> None:
    here = tuple(path)
    path.pop()
    if here in branches:
        if words.strip():
            raise ValueError("text beside elements")
    else:
        found[here] = words


def _plain(text: str) -> str:
    """The text with its references replaced, once."""
    if text.count("&") != len(_REFERENCE.findall(text)):
        raise ValueError("a reference to an entity that plain XML does not have")
    return _REFERENCE.sub(_referred, text)


def _referred(match: re.Match[str]) -> str:
    if match[1]:
        return _NAMED[match[1]]
    number = int(match[2]) if match[2] else int(match[3], 16)
    if number in {0x9, 0xA, 0xD} or 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or 0x10000 <= number <= 0x10FFFF:  # noqa: PLR2004
        return chr(number)
    raise ValueError("a reference to a character that XML does not have")
