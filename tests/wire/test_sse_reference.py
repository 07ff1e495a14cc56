"""Server-sent events against a second reader, which is slow and has no shortcuts; and that the shortcuts are taken where they are meant."""

from __future__ import annotations

import re
import sys
from itertools import combinations
from types import FrameType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ProtocolError
from saferoute.wire import sse
from saferoute.wire.sse import MAX_EVENT_BYTES, EventStream

Events = list[tuple[str, str]]
_END = re.compile(rb"\r\n|\r|\n")


def _blocks(data: bytes) -> list[list[bytes]]:
    """The lines between blank lines; those after the last blank line come last, also if there are none."""
    *lines, rest = _END.split(data.removeprefix(b"\xef\xbb\xbf"))
    blocks: list[list[bytes]] = [[]]
    for line in lines:
        if line:
            blocks[-1].append(line)
        else:
            blocks.append([])
    if rest:
        blocks[-1].append(rest)
    return blocks


def _event(block: list[bytes]) -> Events:
    name, values = b"", []
    for line in block:
        field, _, value = line.partition(b":")
        value = value[1:] if value[:1] == b" " else value
        if field == b"data":
            values.append(value)
        elif field == b"event":
            name = value
    return [(name.decode("utf-8", "replace"), b"\n".join(values).decode("utf-8", "replace"))] if values else []


def _reference(data: bytes) -> tuple[Events, bool]:
    """The events of a whole stream, and whether it ends inside something that makes none."""
    *ended, last = _blocks(data)
    tail = [event for event in _event(last) if event[1]]  # at the very end "data:" may be a piece of a longer line
    dangling = not tail and any(not line.startswith(b":") for line in last)
    return [event for block in ended for event in _event(block)] + tail, dangling


def _read(data: bytes, cuts: tuple[int, ...], cap: int = MAX_EVENT_BYTES) -> tuple[Events, bool] | str:
    stream, events = EventStream(max_event_bytes=cap), []
    places = sorted({min(cut, len(data)) for cut in cuts})
    try:
        for begin, end in zip([0, *places], [*places, len(data)], strict=True):
            events += stream.feed(data[begin:end])
    except ProtocolError as error:
        return str(error)
    events += stream.close()
    return events, stream.dangling


BOM = b"\xef\xbb\xbf"
FORMS: dict[str, tuple[bytes, Events, bool]] = {
    "only a BOM": (BOM, [], False),
    "two BOMs": (BOM + BOM + b"data: a\n\n", [], False),
    "a BOM and a blank line": (BOM + b"\n\r\n\r", [], False),
    "one CR": (b"\r", [], False),
    "one LF": (b"\n", [], False),
    "one letter": (b"d", [], True),
    "two letters and a CR": (b"da\r", [], True),
    "a comment and a CR": (b":\r", [], False),
    "blank lines before the BOM": (b"\n" + BOM + b"data: a\n\n", [], False),
    "data that goes on": (b"data: x\n\ndata: a\ndata: b\n\n", [("", "x"), ("", "a\nb")], False),
    "a CR in the only line": (b"data: x\n\ndata: a\rdata: b\n\n", [("", "x"), ("", "a\nb")], False),
    "a CR before the line's end": (b"data: x\n\ndata: a\r\n\ndata: b\n\n", [("", "x"), ("", "a"), ("", "b")], False),
    "CR, then LF": (b"data: x\r\r\ndata: y\n\n\ndata: z\r\r\n\ndata: w\n\n", [("", "x"), ("", "y"), ("", "z"), ("", "w")], False),
    "broken text in one line": (b"data: x\n\ndata: a\xff\n\n", [("", "x"), ("", "a\ufffd")], False),
    "broken text in several lines": (b"data: a\xff\ndata: \xfe\n\n", [("", "a\ufffd\n\ufffd")], False),
    "broken text with a name": (b"event: n\ndata: \xffa\n\n", [("n", "\ufffda")], False),
    "a broken name": (b"event: n\xff\ndata: a\n\n", [("n\ufffd", "a")], False),
    "a character that two lines share": (b"data: \xe2\x82\ndata: \xac\n\n", [("", "\ufffd\n\ufffd")], False),
    "a field that begins like data": (b"data : a\ndatas: b\nDATA: c\ndat: d\n\ndata: e\n\n", [("", "e")], False),
    "names in capitals are no names": (b"Event: a\nEVENT: b\ndata: c\n\n", [("", "c")], False),
    "the last name counts": (b"event: a\nevent: b\ndata: c\nevent\n\n", [("", "c")], False),
    "a tab stays": (b"data:\ta \ndata:  b\n\n", [("", "\ta \n b")], False),
    "a name with blanks": (b"event:  a \ndata: c\n\n", [(" a ", "c")], False),
    "data without its blank line": (b"event: a\ndata: b", [("a", "b")], False),
    "data of two empty lines without the blank line": (b"data:\ndata:", [("", "\n")], False),
    "a comment without its line end": (b"data: a\n\n: b\n:", [("", "a")], False),
    "a name and a comment": (b"event: a\n: b", [], True),
}  # fmt: skip


@pytest.mark.parametrize(("data", "events", "dangling"), FORMS.values(), ids=FORMS)
def test_forms_at_every_cut(data: bytes, events: Events, dangling: bool) -> None:
    assert _reference(data) == (events, dangling)
    places = range(len(data) + 1)
    for cuts in [(), tuple(places), *combinations(places, 1), *combinations(places, 2)]:
        assert _read(data, cuts) == (events, dangling), cuts


_PARTS = [
    b"data: ", b"data:", b"data", b"event: ", b"event", b"id: ", b": ", b":", b" ", b"\r", b"\n", b"\r\n", b"\n\n", b"\r\r", b"x", b"\t",
    b"data: y\n\n", b"data: z\r\n\r\n", BOM, b"\xef\xbb", b"\xe2\x82\xac", b"\xff", b"\x00", b"\x85",
]  # fmt: skip
_STREAMS = st.lists(st.sampled_from(_PARTS), max_size=24).map(b"".join) | st.binary(max_size=60)
_CUTS = st.lists(st.integers(0, 120), max_size=8).map(tuple)


@settings(max_examples=500)
@given(_STREAMS, _CUTS)
def test_both_readers_agree(data: bytes, cuts: tuple[int, ...]) -> None:
    expected = _reference(data)
    assert _read(data, ()) == _read(data, cuts) == _read(data, tuple(range(len(data)))) == expected


@settings(max_examples=500)
@given(_STREAMS, _CUTS, st.integers(3, 14))
def test_a_stream_is_refused_exactly_if_one_event_is_over_the_cap(data: bytes, cuts: tuple[int, ...], cap: int) -> None:
    over = any(len(b"\n".join(block)) > cap for block in _blocks(data))
    expected = f"one server-sent event is larger than {cap} bytes" if over else _reference(data)
    assert _read(data, cuts, cap) == _read(data, (), cap) == expected


@pytest.mark.parametrize("before", [b"", b"data: x\n\n", b":\n\n"])
@pytest.mark.parametrize(
    "event",
    [b"data: 0123456789", b"data:0123456789a", b"event: a\ndata: 0", b": a comment here", b"data: 0123456\nx:", b"id\r\ndata: 0123456"],
)
def test_an_event_of_the_cap_and_one_over_it(before: bytes, event: bytes) -> None:
    data = before + event + b"\n\ndata: y\n\n"
    most = len(event.replace(b"\r", b""))
    for cuts in [(), (len(before),), (len(before), len(data) - 9), tuple(range(len(data)))]:
        assert _read(data, cuts, most) == _reference(data)
        assert _read(data, cuts, most - 1) == f"one server-sent event is larger than {most - 1} bytes"


def test_what_is_there_before_the_first_byte() -> None:
    stream = EventStream()
    assert stream.dangling is False
    assert stream.feed(b"") == stream.close() == []
    assert stream.dangling is False


def _feed(stream: EventStream, data: bytes, *, without: tuple[str, ...]) -> Events:
    """The events of one piece; fails if the reader calls one of these functions or methods for it."""
    names: set[str] = set()

    def note(frame: FrameType, kind: str, called: object) -> None:
        if frame.f_code.co_filename == sse.__file__:
            names.add(frame.f_code.co_name if kind == "call" else getattr(called, "__name__", ""))

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        events = stream.feed(data)
    finally:
        sys.setprofile(before)
    assert not [name for name in names if any(word in name for word in without)]
    return events


@pytest.mark.parametrize("size", [8, 9, 1000])
def test_one_event_in_one_piece_is_neither_searched_for_blank_lines_nor_copied(size: int) -> None:
    stream = EventStream(max_event_bytes=size)
    assert stream.feed(b"data: a\n\n") == [("", "a")]
    text = "x" * (size - 8)
    for _ in range(2):
        assert _feed(stream, b"data: " + text.encode() + b"\n\n", without=("partition", "split", "_read_block", "_check")) == [("", text)]


@pytest.mark.parametrize("size", [6, 7, 100])
def test_events_of_one_line_are_not_read_line_by_line(size: int) -> None:
    stream = EventStream(max_event_bytes=size)
    text = "x" * (size - 6)
    assert _feed(stream, (b"data: " + text.encode() + b"\n\n") * 3, without=("_read_block", "_check")) == [("", text)] * 3


@pytest.mark.parametrize(("first", "second"), [(b"data: a\n", b"data: b\n"), (b"data: a", b"\nb"), (b"data: a\n", b"data: b")])
def test_a_piece_that_ends_no_event_is_only_kept(first: bytes, second: bytes) -> None:
    stream = EventStream()
    assert stream.feed(first) == []
    assert _feed(stream, second, without=("partition", "clear")) == []
