"""The binary event stream of AWS (`application/vnd.amazon.eventstream`), read incrementally: bytes in, events out.

A message, all numbers big-endian:

    total length u32 | length of the headers u32 | CRC-32 of these eight bytes u32
    headers: each  length of the name u8 | name | type u8 | value
    payload
    CRC-32 of everything before it u32

What is decided where a reader has a choice:

- Strict: a wrong checksum, a length that does not add up, a header of an unknown type, twice the same header, a message without
  `:message-type` or without the header that names it is a ProtocolError. Nothing after such a place is believed.
- The lengths are believed only after their own checksum is right, and refused at once when they are over the cap: nothing is gathered
  for a message that will not be accepted.
- Messages before a bad one are given out first, and the error is raised by the next call, so that how the bytes are cut never changes
  what is read.
- Payloads that are not UTF-8 have U+FFFD in the place, as server-sent events do here: one broken character does not cost an answer.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias
from zlib import crc32

from typing_extensions import override

from saferoute.errors import ProtocolError
from saferoute.values.json import encode

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = [
    "ERROR",
    "EXCEPTION",
    "MAX_HEADERS",
    "MAX_HEADERS_BYTES",
    "MAX_PAYLOAD_BYTES",
    "FrameStream",
    "HeaderValue",
    "Message",
    "MessageReader",
]

MAX_HEADERS_BYTES = 128 * 1024
MAX_PAYLOAD_BYTES = 24 * 1024 * 1024
MAX_HEADERS = 100  # ours: the format has no such bound, real messages have three, and 20,000 fit into the bytes
# How `FrameStream` names what is no event. An event's own name cannot begin with a colon.
EXCEPTION = ":exception:"
ERROR = ":error:"

HeaderValue: TypeAlias = "bool | int | bytes | str"

_PRELUDE = struct.Struct(">III")
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">H")
_OVERHEAD = _PRELUDE.size + _CRC.size
# Types of header values with a fixed size, and how they are read; a timestamp stays a count of milliseconds, a UUID stays bytes.
_TRUE, _FALSE, _BYTES, _STRING, _UUID = 0, 1, 6, 7, 9
_NUMBERS: Mapping[int, struct.Struct] = {
    2: struct.Struct(">b"),
    3: struct.Struct(">h"),
    4: struct.Struct(">i"),
    5: struct.Struct(">q"),
    8: struct.Struct(">q"),
}
_UUID_BYTES = 16


@dataclass(frozen=True, slots=True)
class Message:
    """One message. The repr shows no content."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    @override
    def __repr__(self) -> str:
        return f"Message({len(self.headers)} headers, {len(self.payload)} bytes)"


class MessageReader:
    """Reads messages.

    Attributes:
        dangling: after `close()`: whether the stream ended inside a message, so that it was cut off.
    """

    __slots__ = ("_broken", "_held", "_max_payload", "_need", "dangling")

    def __init__(self, *, max_payload_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self.dangling = False
        self._max_payload = max_payload_bytes
        self._held = bytearray()
        self._need = _PRELUDE.size  # how many bytes have to be there before there is something to do
        self._broken = ""

    def feed(self, data: bytes) -> list[Message]:
        """Take a piece of the stream.

        Returns:
            The messages that are whole now.

        Raises:
            ProtocolError: for a message that breaks the format, and ever after.
        """
        self._check()
        held = self._held
        held += data
        messages: list[Message] = []
        begin = 0
        while not self._broken and len(held) - begin >= self._need:
            try:
                total, size = self._prelude(held, begin)
                if len(held) - begin < total:
                    self._need = total
                    break
                messages.append(_read(bytes(held[begin : begin + total]), size))
            except _BadMessageError as error:
                self._broken = str(error)
            else:
                begin += total
                self._need = _PRELUDE.size
        if self._broken:
            held.clear()
            if not messages:
                self._check()
        else:
            del held[:begin]
        return messages

    def close(self) -> list[Message]:
        """Say that the stream is over. There is never a last message to give out: a message without its end is none.

        Raises:
            ProtocolError: if the stream had broken the format.
        """
        self._check()
        self.dangling = bool(self._held)
        self._held.clear()
        return []

    def _check(self) -> None:
        if self._broken:
            msg = f"the event stream is broken: {self._broken}"
            raise ProtocolError(msg)

    def _prelude(self, held: bytearray, begin: int) -> tuple[int, int]:
        total, size, checksum = _PRELUDE.unpack_from(held, begin)
        if crc32(held[begin : begin + _PRELUDE.size - _CRC.size]) != checksum:
            raise _BadMessageError("the lengths of a message do not fit their checksum")
        if size > MAX_HEADERS_BYTES or total - size - _OVERHEAD > self._max_payload:
            raise _BadMessageError(f"a message has more than {MAX_HEADERS_BYTES} bytes of headers or {self._max_payload} of payload")
        if total < size + _OVERHEAD:
            raise _BadMessageError("a message is shorter than its headers")
        return total, size


class _BadMessageError(Exception):
    """Why a message is none; the reader makes a ProtocolError of it."""


def _read(frame: bytes, size: int) -> Message:
    end = len(frame) - _CRC.size
    if crc32(memoryview(frame)[:end]) != _CRC.unpack_from(frame, end)[0]:
        raise _BadMessageError("a message does not fit its checksum")
    begin = _PRELUDE.size
    try:
        headers = _headers(frame[begin : begin + size])
    except (IndexError, struct.error, UnicodeDecodeError):
        raise _BadMessageError("the headers of a message cannot be read") from None
    return Message(headers, frame[begin + size : end])


def _headers(block: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at, end = 0, len(block)
    while at < end:
        name, at = _slice(block, at + 1, block[at])
        kind, at = block[at], at + 1
        value, at = _value(block, at, kind)
        text = name.decode()
        if len(headers) == MAX_HEADERS:
            raise _BadMessageError(f"a message has more than {MAX_HEADERS} headers")
        if not text or text in headers:
            raise _BadMessageError("a message has a header without a name, or one header twice")
        headers[text] = value
    return headers


def _value(block: bytes, at: int, kind: int) -> tuple[HeaderValue, int]:
    if kind in {_STRING, _BYTES}:
        (length,) = _LENGTH.unpack_from(block, at)
        value, at = _slice(block, at + _LENGTH.size, length)
        return (value.decode() if kind == _STRING else value), at
    if kind in {_TRUE, _FALSE}:
        return kind == _TRUE, at
    if kind == _UUID:
        return _slice(block, at, _UUID_BYTES)
    number = _NUMBERS.get(kind)
    if number is None:
        raise _BadMessageError("a header has a type that the format does not have")
    return number.unpack_from(block, at)[0], at + number.size


def _slice(block: bytes, at: int, length: int) -> tuple[bytes, int]:
    if at + length > len(block):
        raise IndexError
    return block[at : at + length], at + length


class FrameStream:
    """Reads messages as (name, data) pairs: what `saferoute.wire.sse.EventStream` does for server-sent events.

    An event is named by `:event-type`. An exception is named `EXCEPTION` + `:exception-type`, and an error `ERROR` + `:error-code`;
    then the data is never empty, so that none of them is passed over for having no data.

    Attributes:
        dangling: after `close()`: whether the stream ended inside a message, so that it was cut off.
    """

    __slots__ = ("_broken", "_reader")

    def __init__(self, *, max_event_bytes: int = MAX_PAYLOAD_BYTES) -> None:
        self._reader = MessageReader(max_payload_bytes=max_event_bytes)
        self._broken = ""

    @property
    def dangling(self) -> bool:
        """See the class's docstring."""
        return self._reader.dangling

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Take a piece of the stream.

        Returns:
            The events that are whole now, as (name, data).

        Raises:
            ProtocolError: for a message that breaks the format, and ever after.
        """
        self._check()
        events: list[tuple[str, str]] = []
        for message in self._reader.feed(data):
            try:
                events.append(_event(message))
            except _BadMessageError as error:
                self._broken = str(error)
                break
        if self._broken and not events:
            self._check()
        return events

    def close(self) -> list[tuple[str, str]]:
        """Say that the stream is over; see `MessageReader.close`.

        Raises:
            ProtocolError: if the stream had broken the format.
        """
        self._check()
        self._reader.close()
        return []

    def _check(self) -> None:
        if self._broken:
            msg = f"the event stream is broken: {self._broken}"
            raise ProtocolError(msg)


def _event(message: Message) -> tuple[str, str]:
    headers = message.headers
    form = _FORMS.get(headers.get(":message-type"))
    if form is None:
        raise _BadMessageError("a message is no event, exception or error")
    header, prefix, data_of = form
    name = headers.get(header)
    if not isinstance(name, str) or name.startswith(":"):
        raise _BadMessageError(f"a message has no {header}")
    return prefix + name, data_of(message)


def _payload(message: Message) -> str:
    return message.payload.decode(errors="replace") or "{}"


def _error_words(message: Message) -> str:
    words = message.headers.get(":error-message")
    return encode({"message": words if isinstance(words, str) else ""}).decode()


# For each message type: the header that names the message, what stands before the name, and where the data is.
_FORMS: Mapping[HeaderValue | None, tuple[str, str, Callable[[Message], str]]] = {
    "event": (":event-type", "", _payload),
    "exception": (":exception-type", EXCEPTION, _payload),
    "error": (":error-code", ERROR, _error_words),
}
