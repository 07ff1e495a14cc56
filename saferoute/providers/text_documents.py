"""Files that a request holds as base64: of those that are text, an extractor gives the text, as the model that reads them does.

The types that are silent are a closed list: of pictures, sound, video, PDF and office documents. Whatever says to be anything else is
text that somebody reads, and is given, or refused where it is none: a list of the types that are text would never be whole.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from saferoute.providers.text_rules import fields, scalar, tag_of
from saferoute.providers.wire_text import unknown_place
from saferoute.values.media_types import media_type_of

if TYPE_CHECKING:
    from saferoute.providers.text_rules import Rule
    from saferoute.providers.wire_text import Raw, WireTextKind

__all__ = ["bare_picture", "encoded", "linked", "linked_picture", "typed"]

_PICTURES: Final = r"image/(?:png|jpe?g|gif|webp|avif|hei[cf](?:-sequence)?|bmp|tiff)"
_PICTURE: Final = re.compile(rf"\s*{_PICTURES}\s*", re.IGNORECASE)
_BINARY: Final = re.compile(
    rf"\s*(?:{_PICTURES}|(?:audio|video)/[a-z0-9][a-z0-9.+-]*|application/(?:pdf|msword|vnd\.ms-(?:excel|powerpoint)"
    r"|vnd\.openxmlformats-officedocument\.[a-z]+\.[a-z]+|vnd\.oasis\.opendocument\.[a-z]+))\s*",
    re.IGNORECASE,
)
_DATA_URI: Final = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)


def encoded(kind: WireTextKind) -> Rule:
    """A string that is base64 of text in UTF-8."""

    def read(value: object, path: str, found: list[Raw]) -> None:
        _say(found, kind, value, path)

    return read


def typed(kind: WireTextKind, media_type: str, *silent: str) -> Rule:
    """An object with base64 under "data" and what it is under `media_type`: text, or one of the types that hold none."""
    others = dict.fromkeys((media_type, *silent), scalar)
    text, binary = fields({**others, "data": encoded(kind)}), fields({**others, "data": scalar})

    def read(value: object, path: str, found: list[Raw]) -> None:
        (binary if _is(_BINARY, tag_of(value, media_type)) else text)(value, path, found)

    return read


def linked(kind: WireTextKind) -> Rule:
    """A string that is a data URI: of text, or of one of the types that hold none."""
    return _linked(kind, _BINARY)


def linked_picture(kind: WireTextKind) -> Rule:
    """A string that is a data URI of a picture, or of text."""
    return _linked(kind, _PICTURE)


def bare_picture(value: object, path: str, found: list[Raw]) -> None:
    """A string that is base64 of a picture, whose type nothing says but its first bytes.

    Raises:
        ProtocolError: for anything that does not begin as a picture does.
    """
    del found
    try:
        data = b64decode(value, validate=True) if isinstance(value, str) else b""
    except ValueError:
        data = b""
    if not _is(_PICTURE, media_type_of(data)):
        raise unknown_place(path)


def _linked(kind: WireTextKind, silent: re.Pattern[str]) -> Rule:
    def read(value: object, path: str, found: list[Raw]) -> None:
        head = _DATA_URI.match(value) if isinstance(value, str) else None
        if head is None:
            raise unknown_place(path)
        if not _is(silent, head[1]):
            _say(found, kind, head.string[head.end() :], path)

    return read


def _is(types: re.Pattern[str], media_type: object) -> bool:
    return isinstance(media_type, str) and types.fullmatch(media_type.partition(";")[0]) is not None


def _say(found: list[Raw], kind: WireTextKind, value: object, path: str) -> None:
    try:
        text = b64decode(value, validate=True).decode() if isinstance(value, str) else None
    except ValueError:
        text = None
    if text is None or "\0" in text:  # what nobody can read as text in UTF-8; every other letter of UTF-16 is a NUL
        raise unknown_place(path)
    found += ((kind, path, text),)
