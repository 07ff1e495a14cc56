"""Documents that a request holds as base64: of those that are text, an extractor gives the text, as the model that reads them does."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import TYPE_CHECKING, Final

from saferoute.providers.wire_text import WireText, unknown_place

if TYPE_CHECKING:
    from saferoute.providers.text_rules import Reading, Rule
    from saferoute.providers.wire_text import WireTextKind

__all__ = ["encoded", "is_text", "linked"]

_TEXT: Final = re.compile(
    r"\s*(?:text/.*|application/(?:.*\+)?(?:json|xml|yaml)|application/(?:x-)?(?:javascript|typescript|python|sh|yaml|ndjson|sql|rtf))\s*",
    re.IGNORECASE | re.DOTALL,
)
_DATA_URI: Final = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,", re.IGNORECASE)


def is_text(media_type: object) -> bool:
    """Whether a media type says that the bytes are text."""
    return isinstance(media_type, str) and _TEXT.fullmatch(media_type.partition(";")[0]) is not None


def encoded(kind: WireTextKind) -> Rule:
    """A string that is base64 of text in UTF-8."""

    def read(reading: Reading, at: int, path: str) -> int:
        value, end = reading.value(at)
        _say(reading, kind, value, path)
        return end

    return read


def linked(kind: WireTextKind) -> Rule:
    """A string that is a data URI: of text, or of anything else, which holds none."""

    def read(reading: Reading, at: int, path: str) -> int:
        value, end = reading.value(at)
        head = _DATA_URI.match(value) if isinstance(value, str) else None
        if head is None:
            raise unknown_place(path)
        if is_text(head[1]):
            _say(reading, kind, value[head.end() :], path)
        return end

    return read


def _say(reading: Reading, kind: WireTextKind, value: object, path: str) -> None:
    try:
        text = b64decode(value, validate=True).decode() if isinstance(value, str) else None
    except ValueError:
        text = None
    if text is None:  # what nobody can read as the text that it says to be
        raise unknown_place(path)
    reading.found.append(WireText(kind, path, text))
