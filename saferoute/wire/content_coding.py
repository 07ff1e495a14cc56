"""Decoding of compressed bodies, a bounded piece at a time.

saferoute asks for `identity`. A server that sends gzip or deflate all the same is understood, because some do; no decompressor ever
makes more than one small piece per step, so that a body of 64 KiB that unfolds to gigabytes ends at the cap.
"""

from __future__ import annotations

import zlib

from saferoute.errors import ProtocolError

__all__ = ["Inflater", "coding_of"]

_PIECE = 65_536
_GZIP = zlib.MAX_WBITS | 16
_DEFLATE_HEADER = 2


def coding_of(content_encoding: str | None) -> str | None:
    """Say which decoder a content-encoding header asks for; None for none.

    Raises:
        ProtocolError: a coding that was not asked for and is not understood, or several.
    """
    coding = (content_encoding or "").strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip"):
        return "gzip"
    if coding == "deflate":
        return coding
    raise ProtocolError("the answer has a content-encoding that was not asked for; understood are identity, gzip and deflate")


class Inflater:
    """Decodes gzip or deflate. Feed bytes, then take pieces until one is empty."""

    __slots__ = ("_coding", "_engine", "_fed", "_made", "_max_body", "_waiting")

    def __init__(self, coding: str, max_body: int) -> None:
        """Start a decoder for what `coding_of` returned."""
        self._coding = coding
        self._engine = zlib.decompressobj(_GZIP) if coding == "gzip" else None
        self._fed = False
        self._waiting = b""
        self._made = 0
        self._max_body = max_body

    def feed(self, data: bytes) -> None:
        """Add encoded bytes."""
        self._fed = True
        self._waiting += data

    def piece(self) -> bytes:
        """Decode at most 64 KiB; b"" when more input is needed.

        Raises:
            ProtocolError: not what the coding says, or longer than max_body.
        """
        if self._engine is None and len(self._waiting) >= _DEFLATE_HEADER:
            self._engine = zlib.decompressobj(_deflate_window(self._waiting))
        if self._engine is None:
            return b""
        try:
            made = self._engine.decompress(self._waiting, _PIECE)  # of b"" too: the engine may hold output
        except zlib.error:
            made = None
        if made is None or self._engine.unused_data:
            raise ProtocolError(f"the answer's body is not the {self._coding} that its head says")
        self._waiting = self._engine.unconsumed_tail
        self._made += len(made)
        if self._made > self._max_body:
            raise ProtocolError(f"the answer's body decodes to more than {self._max_body} bytes")
        return made

    def finish(self) -> None:
        """Take the end of the body, after the last piece.

        Raises:
            ProtocolError: the compressed stream has no end.
        """
        if self._fed and (self._engine is None or not self._engine.eof):
            raise ProtocolError(f"the answer's body ends in the middle of its {self._coding} stream")


def _deflate_window(start: bytes) -> int:
    """`deflate` means zlib (RFC 9110 section 8.4.1.2), but some servers send the bare stream: tell by zlib's two-byte header."""
    is_zlib = start[0] & 0x0F == 8 and (start[0] << 8 | start[1]) % 31 == 0  # noqa: PLR2004  RFC 1950 section 2.2
    return zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS
