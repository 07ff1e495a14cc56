"""Pictures, sound, video and documents as content blocks of Converse.

Converse takes bytes, and objects in S3 by their `s3://` address (a `File` with that address as its `file_id`); it fetches no https URL.
Every document has a name, of few kinds of characters, and no two in a request have the same.
"""

from __future__ import annotations

import re
from base64 import b64encode
from typing import TYPE_CHECKING

from saferoute.values.json import encode
from saferoute.values.messages import Audio, File, Image

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Media", "MediaRefused"]

_IMAGES: Mapping[str, str] = {"image/png": "png", "image/jpeg": "jpeg", "image/jpg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_VIDEOS: Mapping[str, str] = {
    "video/mp4": "mp4",
    "video/webm": "webm",
    "video/quicktime": "mov",
    "video/x-matroska": "mkv",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_AUDIO_FORMATS = frozenset({"mp3", "opus", "wav", "aac", "flac", "mp4", "ogg", "mkv", "mka", "x-aac", "m4a", "mpeg", "mpga", "pcm", "webm"})
_AUDIO: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/l16": "pcm",
} | {f"audio/{name}": name for name in _AUDIO_FORMATS if name != "mpeg"}
_OFFICE = "application/vnd.openxmlformats-officedocument."
_DOCUMENTS: Mapping[str, str] = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    _OFFICE + "wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    _OFFICE + "spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_TEXT_TYPES = frozenset({"application/json", "application/xml", "application/yaml"})
_EXTENSIONS: Mapping[str, tuple[str, str]] = {
    **{name: ("image", name) for name in ("png", "jpeg", "gif", "webp")},
    "jpg": ("image", "jpeg"),
    **{name: ("document", name) for name in _DOCUMENTS.values()},
    **{name: ("video", name) for name in ("mkv", "mov", "mp4", "webm", "flv", "mpeg", "mpg", "wmv")},
    "mp3": ("audio", "mp3"),
    "wav": ("audio", "wav"),
    "flac": ("audio", "flac"),
}
_S3 = re.compile(r"s3://[a-z0-9][.a-z0-9-]{1,61}[a-z0-9](?:/[^\x00-\x1f\x7f]*)?")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9()\[\] -]")
_SPACES = re.compile(r" {2,}")
_MAX_NAME = 180  # of 200: a number may follow


class MediaRefused(Exception):  # noqa: N818  said to the caller in its own words, as a refusal or a notice
    """Converse does not take this picture, sound or document; the text says why."""


class Media:
    """Writes media blocks of one request.

    Attributes:
        renamed: whether a document goes out under another name than its own.
        as_text: media types of documents that go out as plain text.
    """

    __slots__ = ("_names", "as_text", "renamed")

    def __init__(self) -> None:
        self.renamed = False
        self.as_text: set[str] = set()
        self._names: set[str] = set()

    def block(self, part: Image | File | Audio, *, in_result: bool = False) -> bytes:
        """Write one block.

        Args:
            part: what to write.
            in_result: whether it belongs to a tool's result, which takes no audio.

        Raises:
            MediaRefused: for what Converse does not take.
        """
        if isinstance(part, Audio):
            if part.format.lower() not in _AUDIO_FORMATS:
                raise MediaRefused(f"Converse takes no audio of format {part.format[:20]!r}")
            return _written("audio", part.format.lower(), _bytes(part.data))
        if part.url is not None:
            raise MediaRefused("Converse fetches no URL; pass the bytes")
        kind, form = self._kind(part)
        source = _source(part)
        if kind == "audio" and in_result:
            raise MediaRefused("Converse takes no audio in the result of a tool")
        name = b""
        if kind == "document":
            name = b'"name":%s,' % encode(self._name(part.filename if isinstance(part, File) else None))
        return _written(kind, form, source, name)

    def _kind(self, part: Image | File) -> tuple[str, str]:
        media_type = (part.media_type or "").partition(";")[0].strip().lower()
        for kind, table in (("image", _IMAGES), ("video", _VIDEOS), ("audio", _AUDIO), ("document", _DOCUMENTS)):
            if media_type in table and (kind == "image" or isinstance(part, File)):
                return kind, table[media_type]
        if isinstance(part, Image):
            raise MediaRefused(f"Converse takes PNG, JPEG, GIF and WebP pictures, not {media_type[:40]!r}")
        if part.data is not None and (media_type.startswith("text/") or media_type in _TEXT_TYPES):
            self.as_text.add(media_type[:40])
            return "document", "txt"
        address = part.file_id or part.filename or ""
        by_name = _EXTENSIONS.get(address.rpartition(".")[2].lower()) if not media_type else None
        if by_name is None:
            said = repr(media_type[:40]) if media_type else "a file without media_type"
            raise MediaRefused(f"Converse takes pictures, audio, video, PDF, office and text documents, not {said}")
        return by_name

    def _name(self, filename: str | None) -> str:
        """A name of the characters that Converse takes, which no other document of the request has."""
        stem = filename or ""
        if "." in stem.strip("."):
            stem = stem.rpartition(".")[0]
        plain = _SPACES.sub(" ", _NOT_IN_NAMES.sub("-", stem)).strip()[:_MAX_NAME] or "document"
        name, count = plain, 1
        while name in self._names:
            count += 1
            name = f"{plain} {count}"
        self._names.add(name)
        self.renamed = self.renamed or (bool(stem) and name != stem)
        return name


def _source(part: Image | File) -> bytes:
    if part.data is not None:
        return _bytes(part.data)
    address = part.file_id if isinstance(part, File) else None
    if address is None or not _S3.fullmatch(address):
        raise MediaRefused("Converse knows files by their S3 address only, such as s3://bucket/key")
    try:
        return b'{"s3Location":{"uri":%s}}' % encode(address)
    except ValueError:
        raise MediaRefused("the S3 address holds half a surrogate pair") from None


def _bytes(data: bytes) -> bytes:
    return b'{"bytes":"%s"}' % b64encode(data)


def _written(kind: str, form: str, source: bytes, name: bytes = b"") -> bytes:
    return b'{"%s":{%s"format":"%s","source":%s}}' % (kind.encode(), name, form.encode(), source)
