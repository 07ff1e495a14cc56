"""Pictures, documents and sound from bytes and files: what they are is found out, or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from saferoute import Audio, File, Image
from saferoute.errors import InvalidMessages
from saferoute.values.media_types import audio_format_of, media_type_of

TYPES = [
    (b"\x89PNG\r\n\x1a\n....", "", "image/png"),
    (b"\xff\xd8\xff\xe0", "", "image/jpeg"),
    (b"GIF87a", "", "image/gif"),
    (b"GIF89a", "", "image/gif"),
    (b"%PDF-1.7", "", "application/pdf"),
    (b"RIFF\0\0\0\0WEBPVP8 ", "", "image/webp"),
    (b"RIFF\0\0\0\0WAVEfmt ", "", "audio/wav"),
    (b"\0\0\0\x1cftypavif", "", "image/avif"),
    (b"\0\0\0\x1cftypheic", "", "image/heic"),
    (b"\0\0\0\x1cftypmif1", "", "image/heif"),
    (b"once upon", "tale.txt", "text/plain"),
    (b"a,b", "T.CSV", "text/csv"),
    (b"PK\3\4", "a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    (b"\x89PNG\r\n\x1a\n", "lies.pdf", "image/png"),
    (b"RIFF\0\0\0\0AVI ", "", None),
    (b"\0\0\0\x1cftypqt  ", "", None),
    (b"nothing", "README", None),
    (b"", "", None),
]


@pytest.mark.parametrize(("data", "name", "media_type"), TYPES)
def test_the_bytes_say_what_a_file_is_and_else_its_name(data: bytes, name: str, media_type: str | None) -> None:
    assert media_type_of(data, name) == media_type


@pytest.mark.parametrize(
    ("data", "name", "word"),
    [
        (b"RIFF\0\0\0\0WAVE", "", "wav"),
        (b"ID3\4", "", "mp3"),
        (b"\xff\xfb\x90", "", "mp3"),
        (b"\xff\xf3\x90", "", "mp3"),
        (b"\xff\xd8\xff", "", None),
        (b"\xff\xff", "", None),
        (b"\xff", "", None),
        (b"fLaC", "", "flac"),
        (b"OggS", "", "ogg"),
        (b"....", "talk.M4A", "m4a"),
        (b"....", "talk.exe", None),
        (b"", "", None),
    ],
)
def test_sound_is_told_by_its_bytes_and_else_by_its_name(data: bytes, name: str, word: str | None) -> None:
    assert audio_format_of(data, name) == word


def test_bytes_alone_make_a_picture_a_document_and_a_recording() -> None:
    assert Image(b"\xff\xd8\xff").media_type == "image/jpeg"
    assert File(b"%PDF-1.4").media_type == "application/pdf"
    assert File(b"x", filename="a.md").media_type == "text/markdown"
    assert File(b"x", filename="a.md", media_type="text/plain").media_type == "text/plain"
    assert Audio(b"ID3").format == "mp3"
    assert Image(url="https://example.com/a.png").media_type is None


@pytest.mark.parametrize("make", [lambda: Image(b"??"), lambda: File(b"??"), lambda: Audio(b"??")], ids=["Image", "File", "Audio"])
def test_bytes_that_do_not_say_what_they_are_need_a_word(make) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    with pytest.raises(InvalidMessages, match="its first bytes do not say what it is"):
        make()


def test_files_are_read_when_they_are_named(tmp_path: Path) -> None:
    picture, paper, talk = tmp_path / "a.bin", tmp_path / "b.txt", tmp_path / "c.wav"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n1")
    paper.write_text("once upon a time")
    talk.write_bytes(b"RIFF\0\0\0\0WAVE")
    assert Image.from_path(picture, detail="low") == Image(b"\x89PNG\r\n\x1a\n1", media_type="image/png", detail="low")
    assert File.from_path(str(paper)) == File(b"once upon a time", media_type="text/plain", filename="b.txt")
    assert File.from_path(paper, media_type="text/x-tale").media_type == "text/x-tale"
    assert Audio.from_path(talk) == Audio(b"RIFF\0\0\0\0WAVE", "wav")
    with pytest.raises(FileNotFoundError):
        Image.from_path(tmp_path / "none.png")


def test_a_url_is_never_a_path() -> None:
    with pytest.raises(InvalidMessages, match="from_path"):
        Image(url="file:///etc/passwd")


@pytest.mark.parametrize("kind", [Image, File, Audio])
def test_a_path_in_place_of_bytes_is_told_how_to_read_a_file(kind: Any) -> None:
    with pytest.raises(
        InvalidMessages, match=rf"{kind.__name__}\(data\) takes bytes, not str; to read a file use {kind.__name__}.from_path"
    ):
        kind("/a.png")


@pytest.mark.parametrize(("data", "other"), [(b"%PDF-1.4", "application/pdf"), (b"RIFF\0\0\0\0WAVE", "audio/wav")])
def test_a_picture_that_is_none_is_said_to_be_what_it_is(data: bytes, other: str) -> None:
    with pytest.raises(InvalidMessages, match=f"no picture but {other}: use saferoute.File"):
        Image(data)
    with pytest.raises(InvalidMessages, match=f"no picture but {other}: use saferoute.File"):
        Image(b"?", media_type=other)
    for own in ("image/x-own", "Image/PNG"):
        assert Image(data, media_type=own).media_type == own
