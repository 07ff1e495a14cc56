"""AWS' event stream: what each refusal says, word for word, and every bound from both sides."""

from __future__ import annotations

import struct
from zlib import crc32

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.eventstream import MAX_HEADERS, MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, FrameStream, Message, MessageReader
from tests.unit.bedrock_cases import frame, framed, header
from tests.wire.test_eventstream import BROKEN

# By the word that stands for it in BROKEN.
WORDS = {
    "lengths": "the lengths of a message do not fit their checksum",
    "checksum": "a message does not fit its checksum",
    "shorter": "a message is shorter than its headers",
    "type": "a header has a type that the format does not have",
    "twice": "a message has a header without a name, or one header twice",
    "without a name": "a message has a header without a name, or one header twice",
    "cannot be read": "the headers of a message cannot be read",
    "no event": "a message is no event, exception or error",
    ":event-type": "a message has no :event-type",
    ":exception-type": "a message has no :exception-type",
}


def _refusal(data: bytes, **options: int) -> str:
    stream = FrameStream(**options)
    said = set()
    for _ in range(2):
        with pytest.raises(ProtocolError) as caught:
            stream.feed(data)
        said.add(str(caught.value))
    with pytest.raises(ProtocolError) as caught:
        stream.close()
    said.add(str(caught.value))
    (words,) = said
    return words


@pytest.mark.parametrize(("data", "word"), BROKEN.values(), ids=BROKEN)
def test_what_a_refusal_says_then_and_ever_after(data: bytes, word: str) -> None:
    assert _refusal(data) == f"the event stream is broken: {WORDS[word]}"


def _prelude(total: int, headers: int) -> bytes:
    lengths = struct.pack(">II", total, headers)
    return lengths + struct.pack(">I", crc32(lengths))


@pytest.mark.parametrize(
    ("total", "headers"), [(117, 0), (MAX_HEADERS_BYTES + 17, MAX_HEADERS_BYTES + 1), (MAX_HEADERS_BYTES + 217, MAX_HEADERS_BYTES)]
)
def test_a_message_over_a_cap_is_named_with_both(total: int, headers: int) -> None:
    said = f"the event stream is broken: a message has more than {MAX_HEADERS_BYTES} bytes of headers or 100 of payload"
    assert _refusal(_prelude(total, headers), max_event_bytes=100) == said


def test_headers_do_not_count_as_payload() -> None:
    reader = MessageReader(max_payload_bytes=100)
    block = b"\x01x\x00" + header("long", "y" * 200)
    assert reader.feed(framed(block, bytes(100))) == [Message({"x": True, "long": "y" * 200}, bytes(100))]
    assert reader.feed(_prelude(len(block) + 116, len(block))) == []


def test_the_caps_are_what_the_documentation_says() -> None:
    assert (MAX_HEADERS_BYTES, MAX_PAYLOAD_BYTES, MAX_HEADERS) == (131_072, 25_165_824, 100)
    for reader in (MessageReader(), FrameStream()):
        assert reader.feed(_prelude(MAX_PAYLOAD_BYTES + 16, 0)) == []
    assert "more than" in _refusal(_prelude(MAX_PAYLOAD_BYTES + 17, 0))


def test_a_header_too_many_is_counted_aloud() -> None:
    block = b"".join(b"\x04%04x\x00" % n for n in range(MAX_HEADERS + 1))
    assert _refusal(framed(block, b"")) == "the event stream is broken: a message has more than 100 headers"


def test_what_is_there_before_the_first_byte() -> None:
    for stream in (MessageReader(), FrameStream()):
        assert stream.dangling is False
        assert stream.feed(b"") == []
        assert stream.close() == []
        assert stream.dangling is False


def test_how_much_of_a_message_is_missing_does_not_matter() -> None:
    good = frame("a", b"1")
    for cut in range(1, len(good)):
        stream = FrameStream()
        assert stream.feed(good + good[:cut]) == [("a", "1")]
        assert stream.close() == []
        assert stream.dangling is True


def test_text_of_a_shown_message_and_of_an_error() -> None:
    assert repr(Message({"a": "secret", "b": 1}, b"secret")) == "Message(2 headers, 6 bytes)"
    words = header(":message-type", "error") + header(":error-code", "E") + header(":error-message", "say \u0142 \x01")
    assert FrameStream().feed(framed(words, b"")) == [(":error:E", '{"message":"say \u0142 \\u0001"}')]
    number = header(":message-type", "error") + header(":error-code", "E") + b"\x0e:error-message\x00"
    assert FrameStream().feed(framed(number, b"")) == [(":error:E", '{"message":""}')]
    nameless = framed(header(":message-type", "error"), b"")
    assert _refusal(nameless) == "the event stream is broken: a message has no :error-code"
