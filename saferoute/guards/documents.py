"""Which documents and pictures are text that somebody reads: what a guard judges is what prompt integrity approves."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["document_text", "holds_no_text"]

# Pictures, sound, video, PDF and office documents; whatever else a file says to be is text that somebody reads.
_HOLDS_NO_TEXT: Final = re.compile(
    r"\s*(?:image/(?:png|jpe?g|gif|webp|avif|hei[cf](?:-sequence)?|bmp|tiff)|(?:audio|video)/[a-z0-9][a-z0-9.+-]*|application/(?:pdf|msword"
    r"|vnd\.ms-(?:excel|powerpoint)|vnd\.openxmlformats-officedocument\.[a-z]+\.[a-z]+|vnd\.oasis\.opendocument\.[a-z]+))\s*",
    re.IGNORECASE,
)
_TEXTUAL: Final = frozenset(
    {"application/json", "application/xml", "application/yaml", "application/x-yaml", "application/javascript", "application/x-ndjson"}
)
"""Media types that are text, besides those that say so."""


def holds_no_text(media_type: str) -> bool:
    """Whether a file of this media type is read by nobody as text."""
    return _HOLDS_NO_TEXT.fullmatch(media_type.partition(";")[0]) is not None


def document_text(data: bytes, media_type: str) -> str:
    """The text that a document may be read as; "" for none.

    What says to be text is read whatever its bytes are. Anything else is text if its bytes are: there is no telling who will read it so.
    """
    if holds_no_text(media_type):
        return ""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("utf-8", "replace") if _says_text(media_type) else ""


def _says_text(media_type: str) -> bool:
    plain = media_type.partition(";")[0].strip().lower()
    return plain.startswith("text/") or plain in _TEXTUAL or plain.endswith(("+json", "+xml", "+yaml"))
