"""Server-sent events: the table of forms, and every cut of every form."""

from __future__ import annotations

from itertools import combinations

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.sse import EventStream

Events = list[tuple[str, str]]

CASES: list[tuple[str, bytes, Events, bool]] = [
    ("nothing", b"", [], False),
    ("plain", b"data: a\n\ndata: b\n\n", [("", "a"), ("", "b")], False),
    ("CRLF", b"data: a\r\n\r\ndata: b\r\n\r\n", [("", "a"), ("", "b")], False),
    ("CR", b"data: a\r\rdata: b\r\r", [("", "a"), ("", "b")], False),
    ("mixed line ends", b"data: a\r\n\ndata: b\n\r\ndata: c\r\n\rdata: d\n\r", [("", "a"), ("", "b"), ("", "c"), ("", "d")], False),
    ("no space", b"data:a\n\ndata:  b\n\n", [("", "a"), ("", " b")], False),
    ("name", b"event: ping\ndata: {}\n\ndata: x\n\n", [("ping", "{}"), ("", "x")], False),
    ("name after the data", b"data: {}\nevent:ping\n\n", [("ping", "{}")], False),
    ("several lines", b"data: a\ndata\ndata:b\n\n", [("", "a\n\nb")], False),
    ("comments", b": hi\n\n:\ndata: a\n: between\n\n", [("", "a")], False),
    ("id and retry", b"id: 7\nretry: 10\ndata: a\nunknown: b\n\n", [("", "a")], False),
    ("a name without data is none", b"event: ping\n\ndata: a\n\n", [("", "a")], False),
    ("empty data", b"data:\n\ndata\n\n", [("", ""), ("", "")], False),
    ("BOM", b"\xef\xbb\xbfdata: a\n\n", [("", "a")], False),
    ("BOM in the middle is part of a field's name", b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", "a")], False),
    ("only a part of a BOM", b"\xef\xbb", [], True),
    ("blank lines", b"\n\n\ndata: a\n\n\n\ndata: b\n\n\n", [("", "a"), ("", "b")], False),
    ("UTF-8", "data: grüße 🌍\n\n".encode(), [("", "grüße 🌍")], False),
    ("not UTF-8", b"data: a\xffb\n\n", [("", "a\ufffdb")], False),
    ("a separator of another alphabet", "data: a\u2028b\x85c\n\n".encode(), [("", "a\u2028b\x85c")], False),
    ("last blank line missing", b"data: a\n\ndata: [DONE]\n", [("", "a"), ("", "[DONE]")], False),
    ("last line end missing", b"data: a\n\ndata: [DONE]", [("", "a"), ("", "[DONE]")], False),
    ("cut in a field's name", b"data: a\n\ndat", [("", "a")], True),
    ("cut after a field's name", b"data: a\n\ndata", [("", "a")], True),
    ("cut before the data", b"data: a\n\nevent: b\ndata:", [("", "a")], True),
    ("ends in a comment", b"data: a\n\n: bye", [("", "a")], False),
    ("colon only in the value", b"data: a:b: c\n\n", [("", "a:b: c")], False),
]


def _run(data: bytes, cuts: tuple[int, ...], **options: int) -> tuple[Events, bool]:
    stream = EventStream(**options)
    events: Events = []
    for begin, end in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += stream.feed(data[begin:end])
    events += stream.close()
    return events, stream.dangling


@pytest.mark.parametrize(("data", "events", "dangling"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_cut_gives_the_same_events(data: bytes, events: Events, dangling: bool) -> None:
    places = range(len(data) + 1)
    assert _run(data, ()) == (events, dangling)
    assert _run(data, tuple(places)) == (events, dangling)
    for cuts in [*combinations(places, 1), *combinations(places, 2)]:
        assert _run(data, cuts) == (events, dangling), cuts


def test_a_stream_is_readable_while_it_comes() -> None:
    stream = EventStream()
    assert stream.feed(b"data: a\n\ndata: b") == [("", "a")]
    assert stream.feed(b"c\r") == []
    assert stream.feed(b"\n\r\n") == [("", "bc")]
    assert stream.feed(b"data: d\n\n") == [("", "d")]
    assert stream.close() == []


@pytest.mark.parametrize("cut", range(1, 40))
def test_one_event_may_not_be_larger_than_the_cap_however_it_is_cut(cut: int) -> None:
    fitting, large = b"data: " + b"x" * 24 + b"\n\n", b"data: " + b"x" * 25 + b"\n\n"
    assert _run(fitting * 3, (cut,), max_event_bytes=30)[0] == [("", "x" * 24)] * 3
    with pytest.raises(ProtocolError, match="larger than 30 bytes"):
        _run(fitting + large, (cut,), max_event_bytes=30)


def test_an_event_that_never_ends_stops_at_the_cap() -> None:
    stream = EventStream(max_event_bytes=1000)
    for byte in b"data: " + b"x" * 994:
        assert stream.feed(bytes([byte])) == []
    with pytest.raises(ProtocolError):
        stream.feed(b"x")


def test_blank_lines_do_not_count_towards_the_cap() -> None:
    assert _run(b"data: a\n\n" + b"\n" * 99 + b"data: b\n\n", (12, 50), max_event_bytes=10)[0] == [("", "a"), ("", "b")]
