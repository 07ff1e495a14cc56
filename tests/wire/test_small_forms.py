"""Lines of JSON, compressed bodies and plain XML: what each refusal says, word for word, and the corners of each form."""

from __future__ import annotations

import gzip
import struct
import zlib

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.content_coding import Inflater, coding_of
from saferoute.wire.ndjson import MAX_LINE_BYTES, LineStream
from saferoute.wire.plain_xml import texts_by_path

# ------------------------------------------------------------------------------------------------ lines of JSON


def test_only_white_space_of_json_is_taken_off_a_line() -> None:
    assert LineStream().feed(b" \t\x0b1\x0c\t\r \n") == [("", "\x0b1\x0c")]
    assert LineStream().feed(b"\x00\n\xa0\n") == [("", "\x00"), ("", "\ufffd")]


def test_a_line_stream_before_its_first_byte_and_after_its_last() -> None:
    stream = LineStream()
    assert stream.dangling is False
    assert stream.feed(b"") == stream.close() == []
    assert stream.feed(b'{"a') == []
    assert stream.close() == [("", '{"a')]
    assert stream.close() == []
    assert stream.dangling is False


def test_what_a_line_over_the_cap_says() -> None:
    assert MAX_LINE_BYTES == 16_777_216
    for pieces in ([b"12345"], [b"123", b"45"], [b"12345\n"], [b"1\n12345\n1"]):
        stream = LineStream(max_line_bytes=4)
        with pytest.raises(ProtocolError) as caught:
            for piece in pieces:
                stream.feed(piece)
        assert str(caught.value) == "one line of the stream is larger than 4 bytes"
    assert LineStream(max_line_bytes=4).feed(b"1234\n123\r\n1234") == [("", "1234"), ("", "123")]


# ------------------------------------------------------------------------------------------------ compressed bodies


def _decode(coding: str, data: bytes, *, step: int = 1 << 30, max_body: int = 1 << 30) -> bytes:
    inflater, made = Inflater(coding, max_body), []
    for at in range(0, len(data), step):
        inflater.feed(data[at : at + step])
        while out := inflater.piece():
            made.append(out)
    assert inflater.piece() == b""
    inflater.finish()
    return b"".join(made)


def _stored(data: bytes, first: int = 1) -> bytes:
    """One stored block of a bare deflate stream; its first byte has five bits that mean nothing."""
    return bytes([first]) + struct.pack("<HH", len(data), 0xFFFF ^ len(data)) + data


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"\x03\x00", b""),
        (_stored(b"x" * 23), b"x" * 23),  # its first two bytes are a multiple of 31, as in zlib's header
        (_stored(b"hello", 0x08) + b"\x03\x00", b"hello"),  # its first byte says "deflate", as zlib's does
        (_stored(b"hello", 0x78) + b"\x03\x00", b"hello"),
        (_stored(b"x" * 1, 0x78) + b"\x03\x00", None),  # both: 78 01 is the header that zlib writes
        (zlib.compress(b"hello", 1), b"hello"),
        (zlib.compress(b"hello", 9), b"hello"),
    ],
)
def test_the_two_forms_of_deflate_are_told_apart(data: bytes, body: bytes | None) -> None:
    for step in (1, 2, 3, 1000):
        if body is None:
            with pytest.raises(ProtocolError) as caught:
                _decode("deflate", data, step=step)
            assert str(caught.value) == "the answer's body is not the deflate that its head says"
        else:
            assert _decode("deflate", data, step=step) == body


@pytest.mark.parametrize("over", [-300, -259, -258, -257, -1, 0, 1, 2, 257, 258, 259, 300, 65_536])
def test_output_that_the_engine_holds_back_is_taken_out(over: int) -> None:
    body = b"\0" * (65_536 + over)
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    for coding, data in (
        ("gzip", gzip.compress(body, mtime=0)),
        ("deflate", zlib.compress(body)),
        ("deflate", bare.compress(body) + bare.flush()),
    ):
        for step in (1, len(data) - 9, len(data) - 1, len(data)):
            assert _decode(coding, data, step=step) == body


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_a_compressed_body_is_refused_with(coding: str) -> None:
    data = gzip.compress(b"hello", mtime=0) if coding == "gzip" else zlib.compress(b"hello")
    for bad, words in (
        (data[:-1], f"the answer's body ends in the middle of its {coding} stream"),
        (data[:1], f"the answer's body ends in the middle of its {coding} stream"),
        (data + b"x", f"the answer's body is not the {coding} that its head says"),
        (data[:-1] + bytes([data[-1] ^ 1]), f"the answer's body is not the {coding} that its head says"),
        (b"\xff\xff\xff\xff", f"the answer's body is not the {coding} that its head says"),
    ):
        with pytest.raises(ProtocolError) as caught:
            _decode(coding, bad)
        assert str(caught.value) == words
    assert _decode(coding, data, max_body=5) == b"hello"
    with pytest.raises(ProtocolError) as caught:
        _decode(coding, data, max_body=4)
    assert str(caught.value) == "the answer's body decodes to more than 4 bytes"


@pytest.mark.parametrize("header", ["br", "gzip, deflate", "gzip;q=1", "x-deflate", "none"])
def test_what_another_coding_is_refused_with(header: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        coding_of(header)
    assert str(caught.value) == "the answer has a content-encoding that was not asked for; understood are identity, gzip and deflate"


# ------------------------------------------------------------------------------------------------ plain XML

BETWEEN = "text between elements, or more than one root"
TWICE = "two elements have one path, or there are too many, or they are too deep"
NO_START = "an end tag without its start tag"
OPEN = "an element is not closed, or this is not plain XML"
BESIDE = "text beside elements"
ENTITY = "a reference to an entity that plain XML does not have"
CHARACTER = "a reference to a character that XML does not have"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b" " * 65_537, "more than 64 KiB of XML"),
        (b" " * 65_536, OPEN),
        (b"", OPEN),
        (b"<a>", OPEN),
        (b"<a>x", OPEN),
        (b"<a><b>x</b>", OPEN),
        (b"<a>x</a>y", OPEN),
        (b"<a/><!-- -->", OPEN),
        (b"<a>x<b/></a>", BETWEEN),
        (b"<a/><b/>", BETWEEN),
        (b"<a/> <b/>", OPEN),
        (b"<a><b/>x</a>", BESIDE),
        (b"<a><b>y</b>x</a>", BESIDE),
        (b"<a><b/><c/>x<d/></a>", BETWEEN),
        (b"<a><b/><b/></a>", TWICE),
        (b"<a>" * 17 + b"</a>" * 17, TWICE),
        (b"<r>" + b"".join(b"<e%d/>" % number for number in range(256)) + b"</r>", TWICE),
        (b"</a>", NO_START),
        (b"<a></b>", NO_START),
        (b"<a/></a>", NO_START),
        (b"<a><b></a></b>", NO_START),
        (b"<a>&x;</a>", ENTITY),
        (b"<a>&amp;&</a>", ENTITY),
        (b"<a>&#12345678;</a>", ENTITY),
        (b"<a>&#x1234567;</a>", ENTITY),
        (b"<a>&#8;</a>", CHARACTER),
        (b"<a>&#11;</a>", CHARACTER),
        (b"<a>&#x1F;</a>", CHARACTER),
        (b"<a>&#xD800;</a>", CHARACTER),
        (b"<a>&#xDFFF;</a>", CHARACTER),
        (b"<a>&#xFFFE;</a>", CHARACTER),
        (b"<a>&#xFFFF;</a>", CHARACTER),
        (b"<a>&#x110000;</a>", CHARACTER),
    ],
)
def test_what_xml_is_refused_with(data: bytes, words: str) -> None:
    with pytest.raises(ValueError) as caught:
        texts_by_path(data)
    assert str(caught.value) == words


@pytest.mark.parametrize("number", [0x9, 0xA, 0xD, 0x20, 0x41, 0xD7FF, 0xE000, 0xFFFD, 0x10000, 0x10FFFF], ids=lambda number: f"{number:x}")
@pytest.mark.parametrize("form", ["&#{};", "&#x{:x};", "&#x{:06X};"])
def test_every_character_of_xml_may_be_referred_to(number: int, form: str) -> None:
    assert texts_by_path(f"<a>{form.format(number)}</a>".encode()) == {("a",): chr(number)}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"<a>&amp;&lt;&gt;&quot;&apos;</a>", {("a",): "&<>\"'"}),
        (b"<a>&amp;lt;</a>", {("a",): "&lt;"}),
        (b"<a>\n<b> x\n</b>\t<c/>\r\n<d> </d></a>\n", {("a", "b"): " x\n", ("a", "c"): "", ("a", "d"): " "}),
        (b"<a><b/><c><b/></c></a>", {("a", "b"): "", ("a", "c", "b"): ""}),
        (b"<a><c>1</c><b></b></a>", {("a", "c"): "1", ("a", "b"): ""}),
        ("<a>\u0142</a>".encode(), {("a",): "\u0142"}),
    ],
)
def test_what_is_read_of_xml(data: bytes, found: dict[tuple[str, ...], str]) -> None:
    assert texts_by_path(data) == found
    assert texts_by_path(b' \n<?xml version="1.0" encoding="utf-8" standalone="yes" ?>\n' + data) == found
