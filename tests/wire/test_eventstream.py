"""AWS' event stream: the table of forms, every cut of every form, and what is refused."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import ProtocolError
from saferoute.wire.eventstream import ERROR, EXCEPTION, FrameStream, Message, MessageReader
from tests.unit.bedrock_cases import frame, framed, header

Events = list[tuple[str, str]]
EVENT = header(":message-type", "event")


def _name(name: str) -> bytes:
    return struct.pack(">B", len(name)) + name.encode()


# Checked against AWS' documentation of the format: one empty message, and one with a header and a payload.
EMPTY = bytes.fromhex("00000010 00000000 05c248eb 7d98c8ff")
DOCUMENTED = bytes.fromhex("0000001d 0000000d 83e3f0e7") + b"{'foo':'bar'}"
EVERY_TYPE = b"".join(
    [
        _name("true") + b"\x00",
        _name("false") + b"\x01",
        _name("int8") + b"\x02\xff",
        _name("int16") + b"\x03\xff\xfe",
        _name("int32") + b"\x04" + struct.pack(">i", -70000),
        _name("int64") + b"\x05" + struct.pack(">q", 1 << 60),
        _name("bytes") + b"\x06\x00\x03\x00\x01\x02",
        _name("text") + b"\x07\x00\x04" + "łó".encode(),
        _name("when") + b"\x08" + struct.pack(">q", 1_700_000_000_000),
        _name("uuid") + b"\x09" + bytes(range(16)),
    ]
)


def test_the_smallest_message() -> None:
    assert framed(b"", b"") == EMPTY
    assert MessageReader().feed(EMPTY) == [Message({}, b"")]


def test_every_type_of_header() -> None:
    (message,) = MessageReader().feed(framed(EVERY_TYPE, b"\x00payload"))
    assert message.payload == b"\x00payload"
    assert message.headers == {
        "true": True,
        "false": False,
        "int8": -1,
        "int16": -2,
        "int32": -70000,
        "int64": 1 << 60,
        "bytes": b"\x00\x01\x02",
        "text": "łó",
        "when": 1_700_000_000_000,
        "uuid": bytes(range(16)),
    }
    assert "payload" not in repr(message)


CASES: list[tuple[str, bytes, Events, bool]] = [
    ("nothing", b"", [], False),
    ("one", frame("a", {"b": 1}), [("a", '{"b": 1}')], False),
    ("two", frame("a", b"1") + frame("b", b"2"), [("a", "1"), ("b", "2")], False),
    ("no payload", frame("a", b""), [("a", "{}")], False),
    ("not UTF-8", frame("a", b"x\xff"), [("a", "x\ufffd")], False),
    ("exception", frame("slow", {"message": "m"}, "exception"), [(EXCEPTION + "slow", '{"message": "m"}')], False),
    ("exception without payload", frame("slow", b"", "exception"), [(EXCEPTION + "slow", "{}")], False),
    (
        "error",
        framed(header(":message-type", "error") + header(":error-code", "Internal") + header(":error-message", "m"), b""),
        [(ERROR + "Internal", '{"message":"m"}')],
        False,
    ),
    (
        "error without words",
        framed(header(":error-code", "Internal") + header(":message-type", "error"), b"x"),
        [(ERROR + "Internal", '{"message":""}')],
        False,
    ),
    ("cut", frame("a", b"1") + frame("b", b"2")[:-1], [("a", "1")], True),
    ("cut in the lengths", frame("a", b"1") + b"\x00", [("a", "1")], True),
]


def _run(data: bytes, cuts: list[int], **options: int) -> tuple[Events, bool, str]:
    stream, events, error = FrameStream(**options), [], ""
    try:
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            events += stream.feed(data[begin:end])
        events += stream.close()
    except ProtocolError as raised:
        error = str(raised)
    return events, stream.dangling, error


@pytest.mark.parametrize(("data", "events", "dangling"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_cut_gives_the_same_events(data: bytes, events: Events, dangling: bool) -> None:
    places = list(range(len(data) + 1))
    for cuts in ([], places, *([place] for place in places)):
        assert _run(data, cuts) == (events, dangling, "")


GOOD = frame("a", b"1")
BROKEN: dict[str, tuple[bytes, str]] = {
    "another checksum of the lengths": (GOOD[:8] + b"\x00\x00\x00\x00" + GOOD[12:], "lengths"),
    "another length": (b"\x00\x00\x01" + GOOD[3:], "lengths"),
    "another header": (GOOD.replace(b"event-type", b"event-tipe"), "checksum"),
    "another payload": (GOOD[:-5] + b"2" + GOOD[-4:], "checksum"),
    "another checksum of the message": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "checksum"),
    "text": (b"data: {}\n\ndata: {}\n\n", "lengths"),
    "headers longer than the message": (struct.pack(">III", 16, 1, crc32(struct.pack(">II", 16, 1))) + bytes(4), "shorter"),
    "shorter than any message": (struct.pack(">III", 15, 0, crc32(struct.pack(">II", 15, 0))) + bytes(4), "shorter"),
    "header type 10": (framed(EVENT + _name("x") + b"\x0a", b""), "type"),
    "a header twice": (framed(EVENT + EVENT, b""), "twice"),
    "a header without a name": (framed(EVENT + b"\x00\x00", b""), "without a name"),
    "a name over the end": (framed(EVENT + b"\x09x", b""), "cannot be read"),
    "a value over the end": (framed(EVENT + _name("x") + b"\x07\x00\x05ab", b""), "cannot be read"),
    "a length over the end": (framed(EVENT + _name("x") + b"\x07\x00", b""), "cannot be read"),
    "a number over the end": (framed(EVENT + _name("x") + b"\x05\x00", b""), "cannot be read"),
    "a UUID over the end": (framed(EVENT + _name("x") + b"\x09\x00", b""), "cannot be read"),
    "no type": (framed(EVENT + _name("x"), b""), "cannot be read"),
    "a name that is not UTF-8": (framed(EVENT + b"\x01\xff\x00", b""), "cannot be read"),
    "a text that is not UTF-8": (framed(EVENT + _name("x") + b"\x07\x00\x01\xff", b""), "cannot be read"),
    "no message type": (framed(header(":event-type", "a"), b"{}"), "no event"),
    "an unknown message type": (frame("a", {}, "greeting"), "no event"),
    "a message type that is no text": (framed(_name(":message-type") + b"\x00", b"{}"), "no event"),
    "an event without a name": (framed(EVENT, b"{}"), ":event-type"),
    "a name that is no text": (framed(EVENT + _name(":event-type") + b"\x00", b"{}"), ":event-type"),
    "an event that calls itself an exception": (frame(":exception:x", {}), ":event-type"),
    "an exception without a name": (framed(header(":message-type", "exception"), b"{}"), ":exception-type"),
}


@pytest.mark.parametrize(("data", "why"), BROKEN.values(), ids=BROKEN)
def test_what_breaks_the_format_is_refused_the_same_at_every_cut(data: bytes, why: str) -> None:
    stream = frame("before", b"1") + data + frame("after", b"2")
    whole = _run(stream, [])
    assert whole[0] == [("before", "1")]
    assert why in whole[2]
    for cut in range(1, len(stream)):
        assert _run(stream, [cut]) == whole
    assert _run(stream, list(range(len(stream)))) == whole


def test_broken_stays_broken() -> None:
    for stream in (FrameStream(), MessageReader()):
        with pytest.raises(ProtocolError):
            stream.feed(bytes(12))
        with pytest.raises(ProtocolError):
            stream.feed(GOOD)
        with pytest.raises(ProtocolError):
            stream.close()


def test_the_shared_vector() -> None:
    root = Path(os.environ.get("SAFEROUTE_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    file = root / "wire" / "bedrock_vectors.json"
    if not file.is_file():
        pytest.skip("the shared vectors are not here (SAFEROUTE_SHARED or ../shared)")
    case = json.loads(file.read_text())["eventstream"]
    data = bytes.fromhex(case["hex"])
    events = [(EXCEPTION * name.endswith("Exception") + name, payload) for name, payload in case["events"]]
    assert _run(data, []) == _run(data, list(range(len(data)))) == (events, False, "")


_VALUES = st.one_of(
    st.booleans().map(lambda value: (value, bytes([not value]))),
    st.integers(-(1 << 31), (1 << 31) - 1).map(lambda value: (value, b"\x04" + struct.pack(">i", value))),
    st.binary(max_size=9).map(lambda value: (value, b"\x06" + struct.pack(">H", len(value)) + value)),
    st.text(max_size=9)
    .filter(lambda text: text.isascii() or text.isprintable())
    .map(lambda text: (text, b"\x07" + struct.pack(">H", len(text.encode())) + text.encode())),
)
_MESSAGES = st.tuples(st.dictionaries(st.text("abc:-", min_size=1, max_size=4), _VALUES, max_size=4), st.binary(max_size=20))


@settings(max_examples=200)
@given(st.lists(_MESSAGES, max_size=4), st.lists(st.integers(0, 300), max_size=6))
def test_what_is_written_is_read(messages: list[tuple[dict[str, tuple[object, bytes]], bytes]], cuts: list[int]) -> None:
    data = b"".join(framed(b"".join(_name(n) + raw for n, (_, raw) in headers.items()), payload) for headers, payload in messages)
    reader, read = MessageReader(), []
    places = sorted({min(cut, len(data)) for cut in cuts})
    for begin, end in zip([0, *places], [*places, len(data)], strict=True):
        read += reader.feed(data[begin:end])
    assert read + reader.close() == [Message({n: value for n, (value, _) in headers.items()}, payload) for headers, payload in messages]
    assert not reader.dangling


@settings(max_examples=200, deadline=None)
@given(st.lists(_MESSAGES, min_size=1, max_size=3), st.data())
def test_the_sdk_of_aws_reads_the_same(messages: list[tuple[dict[str, tuple[object, bytes]], bytes]], data: st.DataObject) -> None:
    oracle = pytest.importorskip("botocore.eventstream", reason="botocore is not installed; it is the oracle here")
    stream = bytearray(b"".join(framed(b"".join(_name(n) + raw for n, (_, raw) in h.items()), payload) for h, payload in messages))
    if data.draw(st.booleans()):
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= data.draw(st.integers(1, 255))
    theirs: list[object] | None = []
    buffer = oracle.EventStreamBuffer()
    try:
        buffer.add_data(bytes(stream))
        theirs = [(event.headers, event.payload) for event in buffer]
    except (oracle.ParserError, UnicodeDecodeError):
        theirs = None
    reader = MessageReader()
    try:
        ours: list[object] | None = [(dict(m.headers), m.payload) for m in reader.feed(bytes(stream)) + reader.close()]
    except ProtocolError:
        ours = None
    assert ours == theirs
