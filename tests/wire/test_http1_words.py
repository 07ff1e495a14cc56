"""The response reader: what each refusal says, word for word, and every bound from both sides."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.http1 import Head, Limits, ResponseReader
from tests.unit.test_http1 import OK, REFUSED

CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
NOT_HTTP = "the answer is not HTTP/1.1"
BAD_HEAD = "the answer's head is not HTTP/1.1: a malformed status line or header line"
BAD_CODING = "the answer's transfer-encoding is not plain `chunked`, or comes with a second length, or in HTTP/1.0"
BAD_LENGTH = "the answer's content-length is not a number"
BAD_SIZE = "a chunk of the answer has a malformed size"
BAD_END = "a chunk of the answer is longer than it says"
BAD_TRAILER = "the answer's trailer is malformed or too long"
LENGTH_ELSEWHERE = "the answer gives a length in an interim head or in a trailer"
ENDLESS = "the provider sends interim answers without end"

# For each sentence: the names in REFUSED, or how they begin.
WORDS: dict[str, tuple[str, ...]] = {
    NOT_HTTP: ("bare LF", "TLS"),
    BAD_HEAD: (
        "vertical tab coding", "folded line", "folded with a tab", "blank before the", "tab before the colon", "no name", "no colon",
        "bad name", "latin name", "NUL in a", "NUL in the reason", "one bare LF", "bare CR in a value", "CR CR LF", "control in a value",
        "DEL in a value", "blank line first", "HTTP/2", "HTTP/1.2", "lower-case http", "two blanks", "tab", "two digits", "four digits",
        "status ", "a request",
    ),
    BAD_CODING: ("both lengths", "another transfer coding", "no transfer coding", "identity", "chunked HTTP/1.0"),
    BAD_LENGTH: (
        "a list of lengths", "signed length", "negative length", "underscored length", "superscript length", "hexadecimal length",
        "empty length", "blank in length", "huge length",
    ),
    "the answer has content-length twice": ("two lengths", "one length twice"),
    "the answer has transfer-encoding twice": ("two transfer codings",),
    "the answer's body is longer than 67108864 bytes": ("length over the cap", "chunk size: sixteen digits"),
    "the provider switched protocols unasked": ("switching protocols",),
    LENGTH_ELSEWHERE: ("length in an interim head", "coding in an interim head", "trailer: length", "trailer: coding"),
    ENDLESS: ("endless interim",),
    BAD_SIZE: (
        "chunk size: no digit", "chunk size: not hex", "chunk size: sign", "chunk size: minus", "chunk size: prefix",
        "chunk size: underscore", "chunk size: blank", "chunk size: bare LF", "chunk size: CR", "chunk size: NUL",
        "chunk size: seventeen", "chunk size: endless",
    ),
    BAD_END: ("chunk: ",),
    BAD_TRAILER: ("trailer: folded", "trailer: bare LF", "trailer: no colon", "trailer: too long", "trailer: endless"),
}  # fmt: skip


def _words_of(name: str) -> str:
    named = [(begin == name, len(begin), words) for words, begins in WORDS.items() for begin in begins if name.startswith(begin)]
    return max(named)[2]


def _refusal(data: bytes, limits: Limits = Limits()) -> str:  # noqa: B008  it is frozen
    with pytest.raises(ProtocolError) as caught:
        ResponseReader(limits).feed(data)
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_refusal_says(name: str) -> None:
    assert _refusal(REFUSED[name]) == _words_of(name)


@pytest.mark.parametrize("begin", list(chain.from_iterable(WORDS.values())))
def test_every_sentence_has_an_example(begin: str) -> None:
    assert any(name.startswith(begin) for name in REFUSED)


def test_before_the_first_byte_nothing_is_known() -> None:
    reader = ResponseReader(Limits())
    assert reader.head is None
    assert reader.done is False
    assert reader.reusable is False
    assert reader.excess == 0
    assert reader.feed(b"") == b""
    assert reader.eof() is False
    assert reader.reusable is False


def test_the_limits_are_what_the_documentation_says() -> None:
    assert Limits() == Limits(max_head=65_536, max_trailer=8_192, max_body=67_108_864, max_informational=8)


def test_a_value_keeps_its_letters_and_loses_its_blanks() -> None:
    reader = ResponseReader(Limits())
    reader.feed(OK + b"X-Mark: \tXaX\t \r\nContent-Length: 0\r\n\r\n")
    assert reader.head == Head(200, {"x-mark": "XaX", "content-length": "0"})
    reader = ResponseReader(Limits())
    reader.feed(OK + b"X-Mark: \tXaX\t \r\nX-MARK: XbX \r\nContent-Length: 0\r\n\r\n")
    assert reader.head == Head(200, {"x-mark": "XaX, XbX", "content-length": "0"})


@pytest.mark.parametrize("digits", [1, 2, 17, 18])
def test_a_length_has_at_most_eighteen_digits(digits: int) -> None:
    reader = ResponseReader(Limits())
    assert reader.feed(OK + b"Content-Length: " + b"3".rjust(digits, b"0") + b"\r\n\r\nabc") == b"abc"
    assert reader.done


def test_a_length_of_nineteen_digits_is_refused_though_it_is_small() -> None:
    assert _refusal(OK + b"Content-Length: " + b"3".rjust(19, b"0") + b"\r\n\r\nabc") == BAD_LENGTH


@pytest.mark.parametrize("size", [1, 9, 10, 15, 16, 17, 26, 31, 255, 256, 4096])
@pytest.mark.parametrize("form", ["{:x}", "{:X}", "{:016x}"])
def test_a_chunk_is_as_long_as_its_hexadecimal_size(size: int, form: str) -> None:
    reader = ResponseReader(Limits())
    data = b"x" * size
    assert reader.feed(CHUNKED + form.format(size).encode() + b"\r\n" + data + b"\r\n0\r\n\r\n") == data
    assert (reader.done, reader.reusable, reader.excess) == (True, True, 0)


def _one_by_one(reader: ResponseReader, data: bytes) -> Iterator[bytes]:
    for byte in data:
        yield reader.feed(bytes([byte]))


def test_a_chunk_line_waits_for_its_end_until_it_cannot_be_one() -> None:
    line = b"0" * 15 + b"3;" + b"x" * 1_000 + b"\r"
    assert len(line) == 1_018
    for waiting in (line, line[:-1] + b"x"):
        reader = ResponseReader(Limits())
        reader.feed(CHUNKED)
        assert b"".join(_one_by_one(reader, waiting)) == b""
        assert reader.feed(b"") == b""
    assert _refusal(CHUNKED + line[:-1] + b"xx") == BAD_SIZE
    reader = ResponseReader(Limits())
    assert reader.feed(CHUNKED + line) == b""
    assert reader.feed(b"\nabc\r\n0\r\n\r\n") == b"abc"


@pytest.mark.parametrize("line", [b"\n", b"\n3", b"\r\n", b"3\n", b"x\r\n3\r\n", b"3;\x00\r\nabc\r\n"])
@pytest.mark.parametrize("before", [b"", b"1\r\nx\r\n"])
def test_a_malformed_size_is_refused_as_soon_as_its_line_is_there(line: bytes, before: bytes) -> None:
    reader = ResponseReader(Limits())
    reader.feed(CHUNKED + before)
    with pytest.raises(ProtocolError) as caught:
        reader.feed(line)
    assert str(caught.value) == BAD_SIZE


@pytest.mark.parametrize("end", [b"\n", b"\r\r", b"x", b"\rx", b" \r\n", b"0\r\n\r\n"])
def test_a_chunk_that_goes_on_is_refused_at_once(end: bytes) -> None:
    reader = ResponseReader(Limits())
    assert reader.feed(CHUNKED + b"3\r\nabc") == b"abc"
    with pytest.raises(ProtocolError) as caught:
        reader.feed(end)
    assert str(caught.value) == BAD_END


@pytest.mark.parametrize("at", range(21))
def test_an_unfinished_head_is_held_up_to_the_limit(at: int) -> None:
    head = OK + b"X: " + b"a" * 100
    limits = Limits(max_head=60)
    reader = ResponseReader(limits)
    assert reader.feed(head[:at]) == reader.feed(head[at:60]) == b""
    with pytest.raises(ProtocolError) as caught:
        reader.feed(head[60:61])
    assert str(caught.value) == "the answer's head is longer than 60 bytes"
    assert _refusal(head[:61], limits) == "the answer's head is longer than 60 bytes"


def test_a_bad_head_within_the_limit_is_called_bad_and_one_beyond_it_long() -> None:
    bad = OK + b"X : 1\r\n\r\n"
    assert _refusal(bad, Limits(max_head=len(bad))) == BAD_HEAD
    assert _refusal(bad, Limits(max_head=len(bad) - 1)) == f"the answer's head is longer than {len(bad) - 1} bytes"


@pytest.mark.parametrize("start", [b"\n", b"h", b"HTTP/2", b"HTTP/1.1 200 OK\n", b"HTTP/1.1 200 OK\r\nX: a\n", b"HTTP/1.1 2\n"])
def test_what_cannot_become_a_head_is_refused_at_its_first_wrong_byte(start: bytes) -> None:
    assert _refusal(start) == NOT_HTTP
    for at in range(1, len(start)):
        reader = ResponseReader(Limits())
        reader.feed(start[:at])
        with pytest.raises(ProtocolError) as caught:
            reader.feed(start[at:])
        assert str(caught.value) == NOT_HTTP


def test_a_line_end_that_is_cut_in_a_head_is_none_that_stands_alone() -> None:
    data = OK + b"A: 1\r\nContent-Length: 0\r\n\r\n"
    for at in range(1, len(data)):
        reader = ResponseReader(Limits())
        reader.feed(data[:at])
        reader.feed(data[at:])
        assert reader.done, at


def test_an_unfinished_trailer_is_held_up_to_the_limit() -> None:
    limits = Limits(max_trailer=20)
    for at in range(21):
        reader = ResponseReader(limits)
        trailer = b"X: " + b"a" * 40
        reader.feed(CHUNKED + b"0\r\n")
        assert reader.feed(trailer[:at]) == reader.feed(trailer[at:20]) == b""
        with pytest.raises(ProtocolError) as caught:
            reader.feed(trailer[20:21])
        assert str(caught.value) == BAD_TRAILER
    assert _refusal(CHUNKED + b"0\r\n" + trailer, limits) == BAD_TRAILER


@pytest.mark.parametrize("size", [5, 6, 7, 19, 20, 21])
def test_a_trailer_counts_with_its_last_line_end(size: int) -> None:
    trailer = b"X:".ljust(size - 4, b"a") + b"\r\n\r\n"
    data = CHUNKED + b"1\r\nx\r\n0\r\n" + (trailer if size > 5 else b"\r\n")
    if size <= 20:
        reader = ResponseReader(Limits(max_trailer=20))
        assert reader.feed(data + b"next") == b"x"
        assert (reader.done, reader.excess, reader.reusable) == (True, 4, False)
    else:
        assert _refusal(data, Limits(max_trailer=20)) == BAD_TRAILER


@pytest.mark.parametrize("most", [0, 1, 3])
def test_interim_heads_up_to_the_limit(most: int) -> None:
    interim = b"HTTP/1.1 102 Processing\r\nX: y\r\n\r\n"
    limits = Limits(max_informational=most)
    reader = ResponseReader(limits)
    assert reader.feed(interim * most + OK + b"Content-Length: 2\r\n\r\nab") == b"ab"
    assert reader.head == Head(200, {"content-length": "2"})
    assert _refusal(interim * (most + 1) + OK, limits) == ENDLESS


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 0\r\n", b"Content-Length: 99\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_status_without_a_body_ends_with_its_head(status: int, length: bytes) -> None:
    reader = ResponseReader(Limits(max_body=10))
    assert reader.feed(b"HTTP/1.1 %d No\r\n%s\r\n" % (status, length)) == b""
    assert (reader.done, reader.reusable, reader.excess) == (True, True, 0)
    assert reader.feed(b"x") == b""
    assert (reader.done, reader.reusable, reader.excess) == (True, False, 1)


@pytest.mark.parametrize("frame", [b"Content-Length: 4\r\n\r\n%b", b"\r\n%b", b"Transfer-Encoding: chunked\r\n\r\n4\r\n%b\r\n0\r\n\r\n"])
def test_the_longest_body_and_one_byte_more(frame: bytes) -> None:
    data = OK + frame % b"abcd"
    reader = ResponseReader(Limits(max_body=4))
    assert reader.feed(data) == b"abcd"
    assert reader.eof() is True
    assert _refusal(data, Limits(max_body=3)) == "the answer's body is longer than 3 bytes"


@pytest.mark.parametrize("end", [b"\r\n", b"Content-Length: 0\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"])
def test_where_no_body_is_allowed_an_empty_one_is(end: bytes) -> None:
    reader = ResponseReader(Limits(max_body=0))
    assert reader.feed(OK + end) == b""
    assert reader.head is not None
    assert reader.eof() is True
