"""Ways in which an answer goes wrong. Use one as a step of a script, or as the `fault` of an Answer."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from typing_extensions import override

from saferoute.testing.script import ErrorAnswer, Fault, RawAnswer

if TYPE_CHECKING:
    from saferoute.testing.script import Dialect

__all__ = ["CutStream", "Drip", "GzipBomb", "Gzipped", "Hang", "HtmlErrorPage", "InBandError", "NotJson", "Redirect", "Reset", "ShortBody"]

_OVERLOADED = ErrorAnswer(529, "overloaded_error", "Overloaded")
_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class CutStream(Fault):
    """The stream ends after some events, before its own end.

    Attributes:
        after: how many events still come.
        how: the connection is closed without the end of the framing ("close"), reset ("reset"), or the framing ends as if all were well
            ("clean"): then nothing but the missing terminal event tells.
    """

    after: int = 2
    how: Literal["close", "reset", "clean"] = "close"

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Keep the first events; of a whole body, keep half of its bytes."""
        end: Literal["keep", "close", "reset"] = "keep" if self.how == "clean" else self.how
        if answer.framing == "chunked":
            return replace(answer, pieces=answer.pieces[: self.after], unfinished=self.how != "clean", end=end)
        body = b"".join(answer.pieces)
        half = body[: len(body) // 2]
        return replace(answer, pieces=(half,), declared_length=None if self.how == "clean" else len(body), end=end)


@dataclass(frozen=True, slots=True)
class ShortBody(Fault):
    """A whole body that ends before its content-length."""

    missing: int = 50

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Promise more bytes than come."""
        size = sum(map(len, answer.pieces))
        return replace(answer, framing="length", declared_length=size + self.missing, end="close")


@dataclass(frozen=True, slots=True)
class Drip(Fault):
    """The body comes in small pieces, so that every boundary falls between two reads.

    Attributes:
        size: bytes in each piece.
        pause: seconds between pieces.
    """

    size: int = 1
    pause: float = 0.0

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Cut the body up."""
        body = b"".join(answer.pieces)
        pieces = tuple(body[start : start + self.size] for start in range(0, len(body), self.size))
        return replace(answer, pieces=pieces, pause=self.pause)


@dataclass(frozen=True, slots=True)
class InBandError(Fault):
    """An error inside an answer with status 200: after some events of a stream, or as the whole body."""

    after: int = 2
    error: ErrorAnswer = field(default=_OVERLOADED)

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Put the error where the rest of the answer would have been."""
        if answer.framing == "chunked":
            return replace(answer, pieces=(*answer.pieces[: self.after], dialect.error_event(self.error)))
        return replace(answer, pieces=(dialect.error_body(self.error, "req_embedded_in_band"),))


@dataclass(frozen=True, slots=True)
class HtmlErrorPage(Fault):
    """A page from a gateway in between, instead of the provider's answer."""

    status: int = 502

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Forget the answer and send a page."""
        page = f"<!DOCTYPE html><html><head><title>{self.status} Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
        return RawAnswer(self.status, (("content-type", "text/html; charset=utf-8"),), (page.encode(),))


@dataclass(frozen=True, slots=True)
class NotJson(Fault):
    """Status 200, and a body that calls itself JSON and is not."""

    body: bytes = b'{"id": "x '

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Send the broken body."""
        return RawAnswer(200, pieces=(self.body,))


@dataclass(frozen=True, slots=True)
class Redirect(Fault):
    """The provider sends the caller elsewhere."""

    location: str = "http://127.0.0.1:9/elsewhere"
    status: int = 307

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Send the redirect."""
        return RawAnswer(self.status, (("location", self.location),))


@dataclass(frozen=True, slots=True)
class Gzipped(Fault):
    """The honest body, compressed: no fault if the client asked for it."""

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Compress the body; a stream is flushed at each event, so that events still arrive one by one."""
        squeeze = zlib.compressobj(wbits=31)
        pieces = [squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH) for piece in answer.pieces]
        pieces.append(squeeze.flush())
        return replace(answer, headers=(*answer.headers, ("content-encoding", "gzip")), pieces=tuple(pieces))


@dataclass(frozen=True, slots=True)
class GzipBomb(Fault):
    """A small body that grows to many MiB of one event or of nothing but zeros.

    Attributes:
        mebibytes: its size when decoded; the default is over what saferoute reads of one answer.
        content_type: what it calls itself.
    """

    mebibytes: int = 80
    content_type: str = "application/json"

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Send the bomb; its bytes are made only now."""
        squeeze = zlib.compressobj(wbits=31)
        filler = (b"a" if "event-stream" in self.content_type else b"\0") * _MEBIBYTE
        pieces = [squeeze.compress(b"data: " if "event-stream" in self.content_type else b"")]
        pieces += [squeeze.compress(filler) for _ in range(self.mebibytes)]
        pieces.append(squeeze.flush())
        headers = (("content-type", self.content_type), ("content-encoding", "gzip"))
        return RawAnswer(200, headers, (b"".join(pieces),))


@dataclass(frozen=True, slots=True)
class Hang(Fault):
    """Silence: before the answer (after=0), or after some events of the stream.

    Attributes:
        seconds: how long at most; then the connection is closed. A client that leaves, or the end of the provider, ends it sooner.
        after: events before the silence.
    """

    seconds: float = 30.0
    after: int = 0

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Fall silent."""
        if self.after and answer.framing == "chunked":
            return replace(answer, pieces=answer.pieces[: self.after], unfinished=True, idle=self.seconds, end="close")
        return RawAnswer(framing="verbatim", idle=self.seconds, end="close")


@dataclass(frozen=True, slots=True)
class Reset(Fault):
    """The connection is reset (RST), or with reset=False closed (FIN), before any byte of an answer."""

    reset: bool = True

    @override
    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Answer with nothing."""
        return RawAnswer(framing="verbatim", end="reset" if self.reset else "close")
