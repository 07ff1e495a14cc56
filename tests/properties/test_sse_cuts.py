"""Properties of the reader of server-sent events: what is written is read, and no cut changes what is read."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ProtocolError
from saferoute.wire.sse import EventStream

_TEXT = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)
_NAME = st.text("abcdefghijklmnopqrstuvwxyz_.", max_size=6)
_LINE_END = st.sampled_from(["\n", "\r\n", "\r"])
_PIECES = [b"data", b":", b" ", b"event", b"\r", b"\n", b"\n\n", b"x", b"\xef\xbb\xbf", b"\xe2\x82\xac", b"\xff", b"{}"]
_CUTS = st.lists(st.integers(0, 200), max_size=8)


@st.composite
def _streams(draw: st.DrawFn) -> tuple[bytes, list[tuple[str, str]]]:
    written, events = [draw(st.sampled_from(["", "\ufeff"]))], []
    for _ in range(draw(st.integers(0, 4))):
        name, lines = draw(_NAME), draw(st.lists(_TEXT, min_size=1, max_size=3))
        events.append((name, "\n".join(lines)))
        fields = [f"event: {name}"] if name else []
        fields += [f"data: {line}" for line in lines]
        fields.insert(draw(st.integers(0, len(fields))), ": a comment")
        written += [field + draw(_LINE_END) for field in fields]
        # a lone CR that ends a line and an LF that is the blank line would be read as one CRLF: both are the same bytes
        written.append("\r\n" if written[-1].endswith("\r") else draw(_LINE_END))
    return "".join(written).encode(), events


def _read(data: bytes, cuts: list[int], *, cap: int = 1000) -> list[tuple[str, str]] | None:
    stream, events = EventStream(max_event_bytes=cap), []
    places = sorted({min(cut, len(data)) for cut in cuts})
    try:
        for begin, end in zip([0, *places], [*places, len(data)], strict=True):
            events += stream.feed(data[begin:end])
    except ProtocolError:
        return None
    return events + stream.close()


@given(_streams(), _CUTS)
def test_what_is_written_is_read(stream: tuple[bytes, list[tuple[str, str]]], cuts: list[int]) -> None:
    data, events = stream
    assert _read(data, cuts) == events


@settings(max_examples=300)
@given(st.lists(st.sampled_from(_PIECES), max_size=30), _CUTS)
def test_no_cut_changes_what_is_read_of_anything(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    whole = _read(data, [])
    assert _read(data, cuts) == whole
    assert _read(data, list(range(len(data) + 1))) == whole


@given(st.lists(st.sampled_from([b"data: ", b"\r", b"\n", b"\n\n", b"xyz", b": c", b"\r\n\r\n"]), max_size=30), _CUTS, st.integers(4, 20))
def test_no_cut_gets_around_the_cap(pieces: list[bytes], cuts: list[int], cap: int) -> None:
    data = b"".join(pieces)
    assert (_read(data, cuts, cap=cap) is None) == (_read(data, [], cap=cap) is None)
