"""Bounded decoding of gzip and deflate."""

from __future__ import annotations

import gzip
import zlib

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.content_coding import Inflater, coding_of

TEXT = b"The quick brown fox. " * 40


def raw(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


def decode(coding: str, pieces: list[bytes], max_body: int = 1 << 20) -> bytes:
    inflater = Inflater(coding, max_body)
    made = []
    for piece in pieces:
        inflater.feed(piece)
        while out := inflater.piece():
            assert len(out) <= 65_536
            made.append(out)
    inflater.finish()
    return b"".join(made)


@pytest.mark.parametrize(
    ("header", "coding"),
    [(None, None), ("", None), ("identity", None), (" Identity ", None), ("gzip", "gzip"), ("X-GZip", "gzip"), ("deflate", "deflate")],
)
def test_codings(header: str | None, coding: str | None) -> None:
    assert coding_of(header) == coding


@pytest.mark.parametrize("header", ["br", "zstd", "gzip, gzip", "gzip, br", "compress", "*", "gzip;q=1"])
def test_other_codings_are_refused(header: str) -> None:
    with pytest.raises(ProtocolError, match="content-encoding"):
        coding_of(header)


@pytest.mark.parametrize(
    ("coding", "data"), [("gzip", gzip.compress(TEXT, mtime=0)), ("deflate", zlib.compress(TEXT)), ("deflate", raw(TEXT))]
)
def test_every_cut(coding: str, data: bytes) -> None:
    for at in range(len(data) + 1):
        assert decode(coding, [data[:at], data[at:]]) == TEXT
    assert decode(coding, [bytes([byte]) for byte in data]) == TEXT


@pytest.mark.parametrize(
    ("coding", "data"), [("gzip", gzip.compress(TEXT, mtime=0)), ("deflate", zlib.compress(TEXT)), ("deflate", raw(TEXT))]
)
def test_a_stream_without_its_end(coding: str, data: bytes) -> None:
    for at in range(1, len(data)):
        with pytest.raises(ProtocolError, match="middle"):
            decode(coding, [data[:at]])


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_nothing_at_all_is_an_empty_body(coding: str) -> None:
    assert decode(coding, []) == b""


@pytest.mark.parametrize(
    "data", [b"plain text", gzip.compress(TEXT, mtime=0) + b"more", gzip.compress(TEXT, mtime=0) * 2, zlib.compress(TEXT)]
)
def test_what_is_not_one_gzip_stream(data: bytes) -> None:
    for at in range(0, len(data) + 1, 5):
        with pytest.raises(ProtocolError, match="not the gzip"):
            decode("gzip", [data[:at], data[at:]])


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_a_bomb_stops_at_the_cap(coding: str) -> None:
    zeros = b"\0" * (4 << 20)
    data = gzip.compress(zeros, mtime=0) if coding == "gzip" else zlib.compress(zeros)
    assert len(data) < 10_000
    inflater = Inflater(coding, 1 << 20)
    inflater.feed(data)
    made = 0

    def drain() -> None:
        nonlocal made
        while out := inflater.piece():
            made += len(out)

    with pytest.raises(ProtocolError, match="decodes to more than"):
        drain()
    assert made <= 1 << 20


def test_a_body_of_exactly_the_cap() -> None:
    for size in (65_536, 65_536 * 2, 100_000):
        assert decode("gzip", [gzip.compress(b"\0" * size, mtime=0)], max_body=size) == b"\0" * size
