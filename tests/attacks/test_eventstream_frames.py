"""A provider, or somebody in its place, sends frames that lie about themselves.

Rules: lengths are believed only with their checksum and under the cap, before anything is gathered; nothing after a broken place is
believed; whatever the bytes, what comes out is events or a ProtocolError, in bounded time and memory.
"""

from __future__ import annotations

import struct
import time
import tracemalloc
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ProtocolError
from saferoute.wire.eventstream import MAX_HEADERS, MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, FrameStream, MessageReader
from tests.unit.bedrock_cases import frame, framed, header


def _prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("total", "headers"),
    [
        (MAX_PAYLOAD_BYTES + 17, 0),
        (0xFFFFFFFF, 0),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (MAX_HEADERS_BYTES + 17, MAX_HEADERS_BYTES + 1),
        (16, 0xFFFFFFF0),
    ],
)
def test_a_message_over_the_cap_is_refused_when_its_lengths_are_known(total: int, headers: int) -> None:
    with pytest.raises(ProtocolError):
        MessageReader().feed(_prelude(total, headers))


def test_the_caps_themselves_are_accepted() -> None:
    reader = MessageReader(max_payload_bytes=100)
    assert len(reader.feed(framed(b"", bytes(100)))) == 1
    with pytest.raises(ProtocolError):
        reader.feed(framed(b"", bytes(101)))
    block = b"".join(header(f"h{n}", "x" * 65000) for n in range(2))
    block += header("rest", "x" * (MAX_HEADERS_BYTES - len(block) - len(header("rest", ""))))
    assert len(block) == MAX_HEADERS_BYTES
    assert len(MessageReader().feed(framed(block, b""))) == 1


def test_lengths_with_a_wrong_checksum_are_refused_before_anything_is_gathered() -> None:
    with pytest.raises(ProtocolError):
        MessageReader().feed(struct.pack(">III", 1000, 0, 1))


def test_an_altered_byte_anywhere_is_found() -> None:
    good = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "pay 10"}})
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            stream = FrameStream()
            try:
                assert stream.feed(bytes(bad)) == []  # a longer message than there is
            except ProtocolError:
                continue
            stream.close()
            assert stream.dangling
            pytest.fail(f"bit {bit} of byte {place}")


def test_nothing_after_a_broken_place_is_believed() -> None:
    stream = FrameStream()
    bad = bytearray(frame("a", b"1"))
    bad[-1] ^= 1
    assert stream.feed(frame("first", b"1") + bytes(bad) + frame("second", b"2")) == [("first", "1")]
    for _ in range(2):
        with pytest.raises(ProtocolError):
            stream.feed(frame("third", b"3"))


HOSTILE = {
    "one message, never whole": _prelude(MAX_PAYLOAD_BYTES, 0) + bytes(1000),
    "zeros": bytes(1000),
    "the smallest messages": frame("a", b""),
    "many messages without an event": framed(b"", b""),
    "as many headers as are read": framed(
        header(":message-type", "event") + header(":event-type", "a") + b"".join(b"\x04%04x\x00" % n for n in range(MAX_HEADERS - 2)), b""
    ),
}


def _feed(data: bytes) -> None:
    stream = FrameStream()
    try:
        for at in range(0, len(data), 1 << 16):
            stream.feed(data[at : at + (1 << 16)])
    except ProtocolError:
        return


@pytest.mark.slow
@pytest.mark.parametrize("unit", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timed
def test_ten_megabytes_of_hostile_bytes_take_bounded_time_and_memory(unit: bytes) -> None:
    began = time.process_time()
    _feed(unit * (10_000_000 // len(unit)))
    assert time.process_time() - began < 20
    size = 1_000_000
    data = unit * (size // len(unit))
    tracemalloc.start()
    _feed(data)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * size


def test_a_message_has_so_many_headers_and_no_more() -> None:
    headers = [b"\x04%04x\x00" % n for n in range(MAX_HEADERS + 1)]
    assert len(MessageReader().feed(framed(b"".join(headers[:-1]), b""))) == 1
    with pytest.raises(ProtocolError):
        MessageReader().feed(framed(b"".join(headers), b""))


@pytest.mark.timed
def test_a_message_in_single_bytes_takes_time_in_proportion_to_its_size() -> None:
    data = frame("a", bytes(200_000))
    began = time.process_time()
    stream, events = FrameStream(), []
    for at in range(len(data)):
        events += stream.feed(data[at : at + 1])
    assert len(events) == 1
    assert time.process_time() - began < 5


_BITS = st.sampled_from(
    [b"\x00", b"\x00\x00\x00\x10", b"\xff", _prelude(16, 0), _prelude(40, 20), frame("a", b"1"), framed(b"\x01x\x07\x00", b""), b"data"]
)


@settings(max_examples=300)
@given(st.lists(_BITS, max_size=8), st.lists(st.integers(0, 300), max_size=5))
def test_whatever_comes_is_events_or_a_protocol_error_at_every_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(pieces)
    seen = []
    for places in ([], sorted({min(cut, len(data)) for cut in cuts}), list(range(len(data)))):
        stream, events, error = FrameStream(), [], None
        try:
            for begin, end in zip([0, *places], [*places, len(data)], strict=True):
                events += stream.feed(data[begin:end])
            stream.close()
        except ProtocolError as raised:
            error = str(raised)
        seen.append((events, stream.dangling, error))
    assert seen[0] == seen[1] == seen[2]
