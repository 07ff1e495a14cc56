"""A strict reader of HTTP/1.1 responses: bytes in, head and body out, no I/O.

It accepts a subset of what h11 accepts and gives the same answer where both accept (fuzzed differentially). Refused, because two
readers may understand it differently (RFC 9112 section 11, response splitting and request smuggling): both lengths at once, repeated
lengths, line folding, blanks before a colon, bare CR or LF, control characters, a chunked HTTP/1.0 message, any transfer coding but
chunked, chunk sizes that are not plain hexadecimal, lengths in an interim head or in a trailer, and whatever is longer than Limits.

The state is a function of the bytes alone: every cut of the same bytes gives the same result.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from saferoute.errors import ProtocolError
from saferoute.values.http import Head
from saferoute.values.sealed import assembler
from saferoute.wire.header_lines import KnownLines

__all__ = ["Limits", "ResponseReader"]


@dataclass(frozen=True, slots=True)
class Limits:
    """What an answer may be at most.

    Attributes:
        max_head: bytes of one head, its blank line included.
        max_trailer: bytes of the trailer after a chunked body; trailers are checked and dropped.
        max_body: bytes of the body, on the wire and decoded.
        max_informational: interim (1xx) heads before the head that counts.
    """

    max_head: int = 65_536
    max_trailer: int = 8_192
    max_body: int = 64 * 1024 * 1024
    max_informational: int = 8


# RFC 9110 section 5.5 and 5.6.2. Possessive quantifiers (*+, ++), and no class overlaps with what follows it: linear.
_TEXT = rb"[\t\x20-\x7e\x80-\xff]*+"
_FIELD_LINE = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]++:" + _TEXT + rb"\r\n"
_HEAD = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: " + _TEXT + rb")?\r\n((?:" + _FIELD_LINE + rb")*)\r\n")
_TRAILER = re.compile(rb"((?:" + _FIELD_LINE + rb")*)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16}+)(?:;[\t\x20-\x7e\x80-\xff]{0,1000}+)?\r\n")
_MAX_CHUNK_LINE = 1_019  # the longest line that _CHUNK matches
_BARE_LF = re.compile(rb"(?<!\r)\n")
_START = b"HTTP/1."
_MAX_LENGTH_DIGITS = 18
_Head = assembler(Head)

_IN_HEAD: Final = 0
_BY_LENGTH: Final = 1
_IN_CHUNK: Final = 2  # within a chunk's data
_CHUNK_END: Final = 3  # at the CRLF after a chunk's data
_CHUNK_SIZE: Final = 4
_IN_TRAILER: Final = 5
_UNTIL_CLOSE: Final = 6
_DONE: Final = 7

_OK = 200
_NO_BODY = (204, 304)
_SWITCHING = 101


class ResponseReader:
    """Reads one response. After an error it is of no further use, and neither is the connection.

    Attributes:
        head: the head, once it is complete.
        done: whether the whole message was read.
        reusable: once done, whether another request may follow on the connection.
        excess: how many bytes came after the end of the message.
    """

    __slots__ = (
        "_held", "_left", "_limits", "_lines", "_room", "_scanned", "_seen_interim", "_state", "done", "excess", "head", "reusable",
    )  # fmt: skip

    def __init__(self, limits: Limits, lines: KnownLines | None = None) -> None:
        """Start at the first byte of a response; `lines` are those that its origin repeats, if they are remembered."""
        self.head: Head | None = None
        self.done = False
        self.reusable = False
        self.excess = 0
        self._limits = limits
        self._lines = lines or KnownLines()
        self._state = _IN_HEAD
        self._held: bytes | bytearray = b""  # bytes of an element that is not complete
        self._scanned = 0
        self._left = 0  # bytes that the body or the chunk still has
        self._room = limits.max_body  # bytes that the body may still grow
        self._seen_interim = 0

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the connection.

        Returns:
            The body bytes that they complete; b"" if none. Look at `head` and `done` afterwards.

        Raises:
            ProtocolError: the bytes are not a response that this reader accepts.
        """
        state = self._state
        if state == _IN_HEAD:
            data = self._feed_head(data)
            state = self._state
            if state == _IN_HEAD or not data:
                return b""
        if state == _BY_LENGTH:
            left, size = self._left, len(data)
            if size < left:
                self._left = left - size
                return data
            self._end(size - left)
            return data[:left]
        if state == _UNTIL_CLOSE:
            self._room -= len(data)
            if self._room < 0:
                raise self._too_long()
            return data
        if state == _DONE:
            if data:
                self._exceed(len(data))
            return b""
        return self._feed_chunked(data)

    def eof(self) -> bool:
        """Take the end of the connection's bytes.

        Returns:
            Whether the message is whole; False if it was cut short.
        """
        if self._state == _UNTIL_CLOSE:
            self._end()
        self.reusable = False
        return self.done

    # ------------------------------------------------------------------------------------------------ head

    def _feed_head(self, data: bytes) -> bytes:
        """Read heads until one that counts is complete; return what follows it."""
        if self._held:
            held = self._held
            held += data  # a bytearray: appending stays cheap when the head comes byte by byte
            if held.find(b"\r\n\r\n", self._scanned) < 0:
                self._hold_head(held)
                return b""
            data, self._held, self._scanned = bytes(held), b"", 0
        while data:
            match = _HEAD.match(data)
            if match is None or (end := match.end()) > self._limits.max_head:
                self._refuse_or_hold(data)
                return b""
            version, status, fields = match.groups()
            data = data[end:]
            if status >= b"200":
                self._begin(version, int(status), fields)
                return data
            self._skip_interim(int(status), fields)
        return b""

    def _refuse_or_hold(self, data: bytes) -> None:
        if b"\r\n\r\n" in data[: self._limits.max_head]:
            raise ProtocolError("the answer's head is not HTTP/1.1: a malformed status line or header line")
        self._hold_head(bytearray(data))

    def _hold_head(self, held: bytes | bytearray) -> None:
        """Keep an incomplete head, unless it is already clear that it cannot become a good one."""
        if not _START.startswith(held[: len(_START)]) or _BARE_LF.search(held, self._scanned):
            raise ProtocolError("the answer is not HTTP/1.1")
        if len(held) > self._limits.max_head:
            raise ProtocolError(f"the answer's head is longer than {self._limits.max_head} bytes")
        self._held = held
        self._scanned = max(0, len(held) - 3)

    def _skip_interim(self, status: int, fields: bytes) -> None:
        self._seen_interim += 1
        if status == _SWITCHING:
            raise ProtocolError("the provider switched protocols unasked")
        if self._seen_interim > self._limits.max_informational:
            raise ProtocolError("the provider sends interim answers without end")
        _refuse_lengths(fields)

    def _begin(self, version: bytes, status: int, fields: bytes) -> None:
        """Take a complete head and decide how the body ends (RFC 9112 section 6.3)."""
        headers = self._lines.headers(fields)
        self.head = _Head(status, headers)
        connection = headers.get("connection")
        self.reusable = version == b"1" and (connection is None or "close" not in connection.lower())
        coding = headers.get("transfer-encoding")
        length_text = headers.get("content-length")
        if coding is not None:
            if length_text is not None or version == b"0" or coding.lower() != "chunked":
                raise ProtocolError("the answer's transfer-encoding is not plain `chunked`, or comes with a second length, or in HTTP/1.0")
            self._state = _CHUNK_SIZE
        elif length_text is not None:
            # str.isdecimal: of the 256 characters that a header can hold only 0 to 9 are
            if not length_text.isdecimal() or len(length_text) > _MAX_LENGTH_DIGITS:
                raise ProtocolError("the answer's content-length is not a number")
            self._left = int(length_text)
            self._state = _BY_LENGTH
        else:
            self._state = _UNTIL_CLOSE
            self.reusable = status in _NO_BODY and self.reusable
        if status in _NO_BODY or (self._state == _BY_LENGTH and not self._left):
            self._end()
        elif self._left > self._room:
            raise self._too_long()

    # ------------------------------------------------------------------------------------------------ body

    def _feed_chunked(self, data: bytes) -> bytes:
        if self._held:
            data, self._held = bytes(self._held) + data, b""
        state, left, at, size = self._state, self._left, 0, len(data)
        pieces: list[bytes] = []
        while at < size:
            if state == _IN_CHUNK:
                piece = data[at : at + left]
                pieces.append(piece)
                left -= len(piece)
                at += len(piece)
                if left:
                    break
                state = _CHUNK_END
            elif state == _CHUNK_SIZE:
                match = _CHUNK.match(data, at)
                if match is None:
                    self._hold_chunk_line(data, at)
                    break
                at = match.end()
                left = int(match[1], 16)
                self._room -= left
                if self._room < 0:
                    raise self._too_long()
                if left and data.startswith(b"\r\n", at + left):  # the whole chunk is here, as most are
                    pieces.append(data[at : at + left])
                    at += left + 2
                else:
                    state = _IN_CHUNK if left else _IN_TRAILER
            elif state == _CHUNK_END:
                if not data.startswith(b"\r\n", at):
                    self._hold_chunk_end(data, at)
                    break
                at += 2
                state = _CHUNK_SIZE
            else:
                at = self._feed_trailer(data, at)
                break
        self._left = left
        if self._state != _DONE:
            self._state = state
        return b"".join(pieces)

    def _hold_chunk_line(self, data: bytes, at: int) -> None:
        line = data[at:]
        if b"\n" in line or len(line) >= _MAX_CHUNK_LINE:
            raise ProtocolError("a chunk of the answer has a malformed size")
        self._held = line

    def _hold_chunk_end(self, data: bytes, at: int) -> None:
        if data[at:] != b"\r":
            raise ProtocolError("a chunk of the answer is longer than it says")
        self._held = b"\r"

    def _feed_trailer(self, data: bytes, at: int) -> int:
        """Check a trailer and drop it (RFC 9110 section 6.5.1: it must not say how long anything is)."""
        match = _TRAILER.match(data, at)
        limit = self._limits.max_trailer
        if match is not None and match.end() - at <= limit:
            _refuse_lengths(match[1])
            self._end(len(data) - match.end())
            return match.end()
        rest = data[at:]
        if len(rest) > limit or b"\r\n\r\n" in rest or _BARE_LF.search(rest):
            raise ProtocolError("the answer's trailer is malformed or too long")
        self._held = rest
        return len(data)

    def _end(self, excess: int = 0) -> None:
        self._state = _DONE
        self.done = True
        if excess:
            self._exceed(excess)

    def _exceed(self, count: int) -> None:
        self.excess += count
        self.reusable = False

    def _too_long(self) -> ProtocolError:
        return ProtocolError(f"the answer's body is longer than {self._limits.max_body} bytes")


def _refuse_lengths(fields: bytes) -> None:
    if fields:
        headers = KnownLines().headers(fields)
        if "content-length" in headers or "transfer-encoding" in headers:
            raise ProtocolError("the answer gives a length in an interim head or in a trailer")
