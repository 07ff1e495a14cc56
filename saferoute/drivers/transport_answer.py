"""An answer without its I/O: bytes of the connection in, pieces of the decoded body out. Both transports read through it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from saferoute.drivers.transport_site import interrupted
from saferoute.errors import ConfigurationError
from saferoute.values.http import Head
from saferoute.wire.content_coding import Inflater, coding_of
from saferoute.wire.http1 import ResponseReader

if TYPE_CHECKING:
    from saferoute.drivers.transport_site import Site
    from saferoute.wire.header_lines import KnownLines
    from saferoute.wire.http1 import Limits

__all__ = ["MAX_TAIL_PIECES", "NO_HEAD", "TAIL_GRACE", "Answer", "Parser", "Reader", "ReaderFactory", "reader_factory"]

Parser: TypeAlias = Literal["own", "h11"]

NO_HEAD = Head(0, {})
"""Stands where a head is still to come."""


TAIL_GRACE: Final = 0.05
"""Seconds to wait for the end of the framing after a dialect's last event; a new connection would cost about as much."""

MAX_TAIL_PIECES: Final = 4
"""How many pieces may come then; a provider that goes on talking loses the connection."""


class Reader(Protocol):
    """A response parser: our own, or h11 behind the same methods."""

    head: Head | None
    done: bool
    reusable: bool

    def feed(self, data: bytes) -> bytes:
        """As ResponseReader.feed."""

    def eof(self) -> bool:
        """As ResponseReader.eof."""


class ReaderFactory(Protocol):
    """Makes the reader of one answer."""

    def __call__(self, limits: Limits, lines: KnownLines | None = None) -> Reader:
        """A reader within these limits; `lines` are those that the origin repeats, if they are remembered."""


def reader_factory(parser: Parser) -> ReaderFactory:
    """Find the parser that was asked for.

    Raises:
        ConfigurationError: no such parser.
    """
    if parser == "own":
        return ResponseReader
    if parser == "h11":
        from saferoute.drivers.transport_h11 import H11Reader  # noqa: PLC0415  only when asked for

        return H11Reader
    raise ConfigurationError(f"there is no parser {parser!r}; it is 'own' or 'h11'")


class Answer:
    """One answer being read.

    Attributes:
        head: the head; NO_HEAD until it came.
        reader: the parser; its `done` and `reusable` say what may become of the connection.
        pending: whether `next_piece` may have something without further bytes.
    """

    __slots__ = ("_inflater", "_max_body", "_ready", "_site", "head", "pending", "reader")

    def __init__(self, reader: Reader, site: Site, max_body: int) -> None:
        self.head = NO_HEAD
        self.reader = reader
        self.pending = False
        self._site = site
        self._max_body = max_body
        self._inflater: Inflater | None = None
        self._ready = b""

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes of the connection, b"" for its end.

        Returns:
            A piece of the body; b"" if these bytes complete none, and always while the head is being read.

        Raises:
            StreamInterrupted: the connection ended too early.
            ProtocolError: malformed, not decodable, or over a limit.
        """
        reader = self.reader
        if data:
            piece = reader.feed(data)
        elif reader.eof():
            piece = b""
        else:
            raise interrupted(self._site, answered=reader.head is not None)
        if self.head is NO_HEAD:
            if reader.head is not None:
                self.begin(reader.head, piece)
            return b""
        if self._inflater is None:
            return piece
        self._inflater.feed(piece)
        return self.next_piece()

    def begin(self, head: Head, piece: bytes) -> None:
        """Take the head, with the piece of the body that came along."""
        if "content-encoding" in head.headers and (coding := coding_of(head.headers["content-encoding"])) is not None:
            self._inflater = Inflater(coding, self._max_body)
            self._inflater.feed(piece)
        else:
            self._ready = piece
        self.head = head
        self.pending = piece != b""

    def next_piece(self) -> bytes:
        """Take what came together with the head, or what a decompressor still holds.

        Raises:
            ProtocolError: as feed.
        """
        inflater = self._inflater
        if inflater is None:
            piece, self._ready, self.pending = self._ready, b"", False
            return piece
        piece = inflater.piece()
        self.pending = piece != b""
        if not piece and self.reader.done:
            inflater.finish()
        return piece
