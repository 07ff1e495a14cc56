"""What a file is, by its first bytes or its name: for pictures, documents and sound whose media type nobody wrote down."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["audio_format_of", "media_type_of"]

_BEGINNINGS: Final[tuple[tuple[bytes, str], ...]] = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"%PDF-", "application/pdf"),
)
_RIFF: Final[Mapping[bytes, str]] = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_BRANDS: Final[Mapping[bytes, str]] = {b"avif": "image/avif", b"heic": "image/heic", b"heif": "image/heif", b"mif1": "image/heif"}
_SUFFIXES: Final[Mapping[str, str]] = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".pdf": "application/pdf",
    ".txt": "text/plain",
    ".md": "text/markdown",
    ".csv": "text/csv",
    ".html": "text/html",
    ".htm": "text/html",
    ".xml": "text/xml",
    ".json": "application/json",
    ".doc": "application/msword",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xls": "application/vnd.ms-excel",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}
_SOUNDS: Final = frozenset({"wav", "mp3", "flac", "ogg", "opus", "m4a", "aac", "aiff", "pcm16", "webm"})


def media_type_of(data: bytes, name: str = "") -> str | None:
    """The media type of a picture or a document; None where neither its first bytes nor its name tells.

    The bytes count before the name: a provider looks at them too.
    """
    for beginning, media_type in _BEGINNINGS:
        if data.startswith(beginning):
            return media_type
    if data[:4] == b"RIFF" and data[8:12] in _RIFF:
        return _RIFF[data[8:12]]
    if data[4:8] == b"ftyp" and data[8:12] in _BRANDS:
        return _BRANDS[data[8:12]]
    return _SUFFIXES.get(PurePath(name).suffix.lower())


def audio_format_of(data: bytes, name: str = "") -> str | None:
    """The format's short word, such as "wav" or "mp3"; None where neither the first bytes nor the name tells."""
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return "wav"
    if data.startswith(b"ID3") or (len(data) > 1 and data[0] == 0xFF and data[1] & 0xE6 == 0xE2):  # noqa: PLR2004  an MPEG layer 3 frame
        return "mp3"
    for beginning, word in ((b"fLaC", "flac"), (b"OggS", "ogg")):
        if data.startswith(beginning):
            return word
    word = PurePath(name).suffix.lower().removeprefix(".")
    return word if word in _SOUNDS else None
