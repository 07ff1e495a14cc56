"""The response reader, by table: what it takes, what it refuses, and that a cut changes nothing."""

from __future__ import annotations

from itertools import combinations

import pytest

from saferoute.errors import ProtocolError
from saferoute.wire.http1 import Limits, ResponseReader

LIMITS = Limits()
OK = b"HTTP/1.1 200 OK\r\n"


def read(pieces: list[bytes], *, eof: bool, limits: Limits = LIMITS) -> tuple[ResponseReader, bytes, bool]:
    reader = ResponseReader(limits)
    body = b"".join([reader.feed(piece) for piece in pieces])
    return reader, body, reader.eof() if eof else reader.done


# By name: the bytes; then status, body, whether the connection may be used again, and how many bytes are left over.
ACCEPTED: dict[str, tuple[bytes, int, bytes, bool, int]] = {
    "length": (OK + b"Content-Length: 5\r\n\r\nhello", 200, b"hello", True, 0),
    "length 0": (OK + b"Content-Length: 0\r\n\r\n", 200, b"", True, 0),
    "length, more follows": (OK + b"Content-Length: 2\r\n\r\nhello", 200, b"he", False, 3),
    "no reason": (b"HTTP/1.1 200\r\nContent-Length: 1\r\n\r\nx", 200, b"x", True, 0),
    "empty reason": (b"HTTP/1.1 429 \r\nContent-Length: 1\r\n\r\nx", 429, b"x", True, 0),
    "latin reason": (b"HTTP/1.1 500 \xe9\tx\r\nContent-Length: 1\r\n\r\nx", 500, b"x", True, 0),
    "chunked": (OK + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", 200, b"abcde", True, 0),
    "chunked, upper case": (OK + b"TRANSFER-ENCODING: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", 200, b"0123456789", True, 0),
    "chunk extensions": (OK + b"Transfer-Encoding: chunked\r\n\r\n3;a=b;c\r\nabc\r\n0;d\r\n\r\n", 200, b"abc", True, 0),
    "leading zeros": (OK + b"Transfer-Encoding: chunked\r\n\r\n0003\r\nabc\r\n000\r\n\r\n", 200, b"abc", True, 0),
    "trailer": (OK + b"Transfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", 200, b"x", True, 0),
    "chunked, more follows": (OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1", 200, b"", False, 8),
    "CRLF in a chunk": (OK + b"Transfer-Encoding: chunked\r\n\r\n7\r\n0\r\n\r\nab\r\n0\r\n\r\n", 200, b"0\r\n\r\nab", True, 0),
    "until close": (OK + b"Content-Type: a\r\n\r\nall of it", 200, b"all of it", False, 0),
    "no headers": (b"HTTP/1.1 200 OK\r\n\r\n", 200, b"", False, 0),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\nConnection: keep-alive\r\n\r\nx", 200, b"x", False, 0),
    "connection close": (OK + b"Connection: foo, Close\r\nContent-Length: 1\r\n\r\nx", 200, b"x", False, 0),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b"", True, 0),
    "304 with a length": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304, b"", True, 0),
    "interim": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 E\r\nLink: x\r\n\r\n" + OK + b"Content-Length: 1\r\n\r\nx", 200, b"x", True, 0),
}  # fmt: skip


def _lengths(*lines: bytes) -> bytes:
    return OK + b"".join(line + b"\r\n" for line in lines) + b"\r\nhello"


def _chunks(body: bytes) -> bytes:
    return OK + b"Transfer-Encoding: chunked\r\n\r\n" + body


REFUSED: dict[str, bytes] = {
    "both lengths": _lengths(b"Content-Length: 5", b"Transfer-Encoding: chunked"),
    "both lengths, other order": _lengths(b"Transfer-Encoding: chunked", b"Content-Length: 5"),
    "two lengths": _lengths(b"Content-Length: 5", b"Content-Length: 6"),
    "one length twice": _lengths(b"Content-Length: 5", b"content-length: 5"),
    "a list of lengths": _lengths(b"Content-Length: 5, 5"),
    "two transfer codings": _lengths(b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"),
    "another transfer coding": _lengths(b"Transfer-Encoding: gzip, chunked"),
    "no transfer coding": _lengths(b"Transfer-Encoding:"),
    "identity": _lengths(b"Transfer-Encoding: identity"),
    "vertical tab coding": _lengths(b"Transfer-Encoding: \x0bchunked"),
    "signed length": _lengths(b"Content-Length: +5"),
    "negative length": _lengths(b"Content-Length: -5"),
    "underscored length": _lengths(b"Content-Length: 1_0"),
    "superscript length": _lengths(b"Content-Length: \xb2"),
    "hexadecimal length": _lengths(b"Content-Length: 0x5"),
    "empty length": _lengths(b"Content-Length:"),
    "blank in length": _lengths(b"Content-Length: 5 5"),
    "huge length": _lengths(b"Content-Length: " + b"9" * 19),
    "length over the cap": _lengths(b"Content-Length: 67108865"),
    "chunked HTTP/1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "folded line": _lengths(b"X: a", b" b", b"Content-Length: 5"),
    "folded with a tab": _lengths(b"X: a", b"\tb", b"Content-Length: 5"),
    "blank before the colon": _lengths(b"Content-Length : 5"),
    "tab before the colon": _lengths(b"Transfer-Encoding\t: chunked"),
    "blank before the name": OK + b" Content-Length: 5\r\n\r\nhello",
    "no name": _lengths(b": x", b"Content-Length: 5"),
    "no colon": _lengths(b"Content-Length 5"),
    "bad name": _lengths(b"Bad Name: x"),
    "latin name": _lengths(b"Gr\xfcn: x"),
    "NUL in a value": _lengths(b"X: a\x00b"),
    "NUL in a name": _lengths(b"X\x00: a"),
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello",
    "one bare LF": OK + b"X: a\nContent-Length: 5\r\n\r\nhello",
    "bare CR in a value": _lengths(b"X: a\rContent-Length: 3"),
    "CR CR LF": OK + b"X: a\r\r\nContent-Length: 5\r\n\r\nhello",
    "control in a value": _lengths(b"X: a\x01b"),
    "DEL in a value": _lengths(b"X: a\x7fb"),
    "blank line first": b"\r\n" + OK + b"\r\n",
    "HTTP/2": b"HTTP/2.0 200 OK\r\n\r\n",
    "HTTP/1.2": b"HTTP/1.2 200 OK\r\n\r\n",
    "lower-case http": b"http/1.1 200 OK\r\n\r\n",
    "two blanks": b"HTTP/1.1  200 OK\r\n\r\n",
    "tab": b"HTTP/1.1\t200 OK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\n\r\n",
    "status 600": b"HTTP/1.1 600 OK\r\n\r\n",
    "status 099": b"HTTP/1.1 099 OK\r\n\r\n",
    "status with a sign": b"HTTP/1.1 +20 OK\r\n\r\n",
    "NUL in the reason": b"HTTP/1.1 200 O\x00K\r\n\r\n",
    "a request": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
    "switching protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    "length in an interim head": b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
    "coding in an interim head": b"HTTP/1.1 103 E\r\nTransfer-Encoding: chunked\r\n\r\n",
    "endless interim": b"HTTP/1.1 100 Continue\r\n\r\n" * 9,
    "chunk size: no digit": _chunks(b"\r\nabc\r\n0\r\n\r\n"),
    "chunk size: not hexadecimal": _chunks(b"zz\r\nabc\r\n0\r\n\r\n"),
    "chunk size: sign": _chunks(b"+3\r\nabc\r\n0\r\n\r\n"),
    "chunk size: minus": _chunks(b"-3\r\nabc\r\n0\r\n\r\n"),
    "chunk size: prefix": _chunks(b"0x3\r\nabc\r\n0\r\n\r\n"),
    "chunk size: underscore": _chunks(b"0_3\r\nabc\r\n0\r\n\r\n"),
    "chunk size: blank before": _chunks(b" 3\r\nabc\r\n0\r\n\r\n"),
    "chunk size: blank after": _chunks(b"3 \r\nabc\r\n0\r\n\r\n"),
    "chunk size: blank before extension": _chunks(b"3 ;x\r\nabc\r\n0\r\n\r\n"),
    "chunk size: bare LF": _chunks(b"3\nabc\r\n0\r\n\r\n"),
    "chunk size: CR in extension": _chunks(b"3;a\rb\r\nabc\r\n0\r\n\r\n"),
    "chunk size: NUL in extension": _chunks(b"3;\x00\r\nabc\r\n0\r\n\r\n"),
    "chunk size: seventeen digits": _chunks(b"00000000000000003\r\nabc\r\n0\r\n\r\n"),
    "chunk size: sixteen digits": _chunks(b"ffffffffffffffff\r\nabc"),
    "chunk size: endless extension": _chunks(b"3;" + b"x" * 1_001 + b"\r\nabc\r\n0\r\n\r\n"),
    "chunk size: endless line": _chunks(b"3;" + b"x" * 1_100),
    "chunk: too long": _chunks(b"3\r\nabcd\r\n0\r\n\r\n"),
    "chunk: ends with LF": _chunks(b"3\r\nabc\n0\r\n\r\n"),
    "chunk: ends with CR": _chunks(b"3\r\nabc\r0\r\n\r\n"),
    "trailer: length": _chunks(b"0\r\nContent-Length: 5\r\n\r\n"),
    "trailer: coding": _chunks(b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    "trailer: folded": _chunks(b"0\r\nX: a\r\n b\r\n\r\n"),
    "trailer: bare LF": _chunks(b"0\r\nX: a\n\r\n"),
    "trailer: no colon": _chunks(b"0\r\nabc\r\n\r\n"),
    "trailer: too long": _chunks(b"0\r\nX: " + b"a" * 8_192 + b"\r\n\r\n"),
    "trailer: endless": _chunks(b"0\r\n" + b"X: aaaaaaa\r\n" * 800),
}  # fmt: skip

CUT_SHORT: dict[str, bytes] = {
    "nothing": b"",
    "in the version": b"HTTP/1",
    "in the head": OK + b"Content-Le",
    "before the blank line": OK + b"Content-Length: 5\r\n",
    "after an interim head": b"HTTP/1.1 100 Continue\r\n\r\n",
    "in the body": OK + b"Content-Length: 5\r\n\r\nhell",
    "before the body": OK + b"Content-Length: 5\r\n\r\n",
    "in a size": _chunks(b"5"),
    "in a chunk": _chunks(b"5\r\nhel"),
    "after a chunk": _chunks(b"5\r\nhello"),
    "in a chunk's end": _chunks(b"5\r\nhello\r"),
    "before the last chunk": _chunks(b"5\r\nhello\r\n"),
    "in the trailer": _chunks(b"0\r\nX: 1\r\n"),
    "before the trailer": _chunks(b"0\r\n"),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_accepted(name: str) -> None:
    data, status, body, reusable, excess = ACCEPTED[name]
    reader, read_body, _ = read([data], eof=False)
    assert reader.head is not None
    assert (reader.head.status, read_body, reader.reusable, reader.excess) == (status, body, reusable, excess)
    assert reader.eof()
    assert reader.done
    assert not reader.reusable


@pytest.mark.parametrize("name", ACCEPTED)
def test_every_cut_of_what_is_accepted(name: str) -> None:
    data, status, body, reusable, excess = ACCEPTED[name]
    places = range(len(data) + 1)
    cases = [[data[:at], data[at:]] for at in places]
    cases += [[data[:a], data[a:b], data[b:]] for a, b in combinations(places[::3], 2)]
    cases.append([bytes([byte]) for byte in data])
    for pieces in cases:
        reader, read_body, _ = read(pieces, eof=False)
        assert reader.head is not None
        assert (reader.head.status, read_body, reader.reusable, reader.excess) == (status, body, reusable, excess), pieces
        assert reader.eof()


@pytest.mark.parametrize("name", REFUSED)
def test_refused_whole_and_at_every_cut(name: str) -> None:
    data = REFUSED[name]
    step = 1 if len(data) < 400 else 97
    for at in range(0, len(data) + 1, step):
        with pytest.raises(ProtocolError):
            read([data[:at], data[at:]], eof=False)
    with pytest.raises(ProtocolError):
        read([bytes([byte]) for byte in data], eof=False)


@pytest.mark.parametrize("name", CUT_SHORT)
def test_an_early_end_is_told_from_broken_framing(name: str) -> None:
    data = CUT_SHORT[name]
    for at in range(len(data) + 1):
        reader, _, whole = read([data[:at], data[at:]], eof=True)
        assert not whole
        assert not reader.done
        assert not reader.reusable


def test_header_names_values_and_repeats() -> None:
    data = OK + b"X-A:  1 \t\r\nx-b:2\r\nX-A: 3\r\nEMPTY:\r\nX-Nbsp: \xa0a\x85\r\nx-a:\t4\r\nX-Colon: a:b\r\nContent-Length: 0\r\n\r\n"
    reader, _, _ = read([data], eof=False)
    assert reader.head is not None
    assert reader.head.headers == {
        "x-a": "1, 3, 4", "x-b": "2", "empty": "", "x-nbsp": "\xa0a\x85", "x-colon": "a:b", "content-length": "0",
    }  # fmt: skip


def test_a_head_of_exactly_the_limit() -> None:
    start = OK + b"Content-Length: 1\r\nX: "
    for size, fits in ((200, True), (201, False)):
        head = start + b"a" * (size - len(start) - 4) + b"\r\n\r\n"
        assert len(head) == size
        for at in range(len(head) + 1):
            pieces = [head[:at], head[at:] + b"b"]
            limits = Limits(max_head=200)
            if fits:
                assert read(pieces, eof=False, limits=limits)[1] == b"b"
            else:
                with pytest.raises(ProtocolError, match="longer than 200 bytes"):
                    read(pieces, eof=False, limits=limits)


@pytest.mark.parametrize(
    "data",
    [OK + b"Content-Length: 6\r\n\r\n", _chunks(b"3\r\nabc\r\n3\r\n"), _chunks(b"6\r\n"), OK + b"\r\nabcdef"],
)
def test_a_body_over_the_limit(data: bytes) -> None:
    for at in range(len(data) + 1):
        with pytest.raises(ProtocolError, match="longer than 5 bytes"):
            read([data[:at], data[at:]], eof=False, limits=Limits(max_body=5))


@pytest.mark.parametrize("data", [OK + b"Content-Length: 5\r\n\r\nabcde", _chunks(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), OK + b"\r\nabcde"])
def test_a_body_of_exactly_the_limit(data: bytes) -> None:
    assert read([data], eof=True, limits=Limits(max_body=5))[1:] == (b"abcde", True)


def test_a_trailer_of_exactly_the_limit() -> None:
    trailer = b"X: " + b"a" * 93 + b"\r\n\r\n"
    assert len(trailer) == 100
    data = _chunks(b"0\r\n" + trailer)
    for at in range(len(data) + 1):
        assert read([data[:at], data[at:]], eof=False, limits=Limits(max_trailer=100))[2]
        with pytest.raises(ProtocolError, match="trailer"):
            read([data[:at], data[at:]], eof=False, limits=Limits(max_trailer=99))


def test_the_longest_chunk_extension() -> None:
    data = _chunks(b"0000000000000003;" + b"x" * 1_000 + b"\r\nabc\r\n0\r\n\r\n")
    for at in range(0, len(data) + 1, 7):
        assert read([data[:at], data[at:]], eof=False)[1] == b"abc"


def test_eight_interim_heads_are_the_most() -> None:
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    assert read([interim * 8 + OK + b"Content-Length: 0\r\n\r\n"], eof=False)[2]
    with pytest.raises(ProtocolError, match="without end"):
        read([interim * 9], eof=False)


def test_bytes_after_the_end_count_and_spoil_the_connection() -> None:
    reader, _, _ = read([OK + b"Content-Length: 0\r\n\r\n"], eof=False)
    assert reader.reusable
    assert reader.feed(b"HTTP/1.1 200 OK\r\n") == b""
    assert (reader.excess, reader.reusable) == (17, False)


def test_a_head_byte_by_byte_costs_no_more_than_a_second() -> None:
    """A head of 64 KiB in single bytes: each byte is looked at a bounded number of times."""
    reader = ResponseReader(LIMITS)
    for byte in OK + b"X: " + b"a" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n":
        reader.feed(bytes([byte]))
    assert reader.done


def test_no_message_holds_what_the_provider_sent() -> None:
    for data in REFUSED.values():
        marked = data.replace(b"X: a", b"X: canary")
        with pytest.raises(ProtocolError) as caught:
            read([marked], eof=False)
        assert "canary" not in str(caught.value)
