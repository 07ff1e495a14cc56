"""Newline-delimited JSON: the table of forms, and every cut of every form."""

from __future__ import annotations

import time
from itertools import combinations

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.ndjson import LineStream

CASES: list[tuple[str, bytes, list[str]]] = [
    ("nothing", b"", []),
    ("lines", b'{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}']),
    ("CRLF", b"{}\r\n[]\r\n", ["{}", "[]"]),
    ("a CR alone ends no line", b"1\r2\n", ["1\r2"]),
    ("blank lines", b"\n\n1\n \t\r\n\n2\n\n", ["1", "2"]),
    ("white space around", b"  1 \n\t2\t\n", ["1", "2"]),
    ("last line end missing", b"1\n2", ["1", "2"]),
    ("cut in a line", b'1\n{"a', ["1", '{"a']),
    ("only white space left", b"1\n \r", ["1"]),
    ("BOM", b"\xef\xbb\xbf1\n2\n", ["1", "2"]),
    ("BOM only at the beginning", b"1\n\xef\xbb\xbf2\n", ["1", "\ufeff2"]),
    ("UTF-8", "grüße 🌍\n".encode(), ["grüße 🌍"]),
    ("not UTF-8", b"a\xffb\xc3\n", ["a\ufffdb\ufffd"]),
    ("separators of other alphabets", "a\u2028b\x85c\x0bd\x0ce\n".encode(), ["a\u2028b\x85c\x0bd\x0ce"]),
]


def _run(data: bytes, cuts: tuple[int, ...], **options: int) -> list[tuple[str, str]]:
    stream = LineStream(**options)
    events: list[tuple[str, str]] = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += stream.feed(data[begin:end])
    events += stream.close()
    assert not stream.dangling
    return events


@pytest.mark.parametrize(("data", "texts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_cut_gives_the_same_lines(data: bytes, texts: list[str]) -> None:
    places = range(len(data) + 1)
    expected = [("", text) for text in texts]
    assert _run(data, ()) == expected
    assert _run(data, tuple(places)) == expected
    for cuts in [*combinations(places, 1), *combinations(places, 2)]:
        assert _run(data, cuts) == expected, cuts


def test_a_stream_is_readable_while_it_comes() -> None:
    stream = LineStream()
    assert stream.feed(b"1\n2") == [("", "1")]
    assert stream.feed(b"3\r") == []
    assert stream.feed(b"\n") == [("", "23")]
    assert stream.close() == []


@pytest.mark.parametrize("cut", range(70))
def test_one_line_may_not_be_larger_than_the_cap_however_it_is_cut(cut: int) -> None:
    fitting, large = b"x" * 30 + b"\n", b"x" * 31 + b"\n"
    assert _run(fitting * 3, (cut,), max_line_bytes=30) == [("", "x" * 30)] * 3
    with pytest.raises(ProtocolError, match="larger than 30 bytes"):
        _run(fitting + large + fitting, (cut,), max_line_bytes=30)
    with pytest.raises(ProtocolError, match="larger than 30 bytes"):
        _run(fitting + fitting + large[:-1], (min(cut, 61),), max_line_bytes=30)


def test_a_line_that_never_ends_stops_at_the_cap() -> None:
    stream = LineStream(max_line_bytes=1000)
    for _ in range(1000):
        assert stream.feed(b"x") == []
    with pytest.raises(ProtocolError):
        stream.feed(b"x")


def test_blank_lines_do_not_count_towards_the_cap() -> None:
    assert _run(b"a\n" + b"\n" * 99 + b"b\n", (12, 50), max_line_bytes=10) == [("", "a"), ("", "b")]


@pytest.mark.timed
def test_a_long_line_in_small_pieces_is_read_in_linear_time() -> None:
    stream = LineStream()
    began = time.process_time()
    for _ in range(400_000):  # read quadratically, this would take minutes
        stream.feed(b"xxxx")
    assert stream.feed(b"\n1\n")[-1] == ("", "1")
    assert time.process_time() - began < 20
