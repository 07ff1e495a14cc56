"""Our response reader against h11: for any bytes and any cut, ours refuses or says the same as h11.

`compare` is the oracle; `Mutator` makes cases that are nearly right, which is where two readers differ.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import h11

from saferoute.errors import ProtocolError
from saferoute.wire.header_lines import KnownLines
from saferoute.wire.http1 import Limits, ResponseReader

LIMITS = Limits()
REMEMBERED = KnownLines()
"""What all cases before have said: it must not change what the next one says."""

Verdict = Literal["agree-accept", "agree-reject", "ours-stricter", "agree-incomplete", "refused"]
_REQUEST_SENT = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 30)
_REQUEST_SENT.send(h11.Request(method="POST", target="/", headers=[("host", "-"), ("content-length", "0")]))
_REQUEST_SENT.send(h11.EndOfMessage())


def _oracle() -> h11.Connection:
    """An h11 connection whose request has been sent: a copy, because sending one anew takes a third of a case's time."""
    connection = copy(_REQUEST_SENT)
    connection._cstate = copy(_REQUEST_SENT._cstate)
    connection._cstate.states = dict(_REQUEST_SENT._cstate.states)
    connection._cstate.pending_switch_proposals = set()
    connection._receive_buffer = type(_REQUEST_SENT._receive_buffer)()
    return connection


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a reader made of some bytes.

    Attributes:
        verdict: "accept", "reject" or, without an end of the connection, "incomplete".
        reusable: whether the connection may carry another request (judged before any end of the connection).
        excess: bytes after the message.
    """

    verdict: str
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    reusable: bool = False
    excess: int = 0


class Disagreement(AssertionError):
    """Ours accepts what h11 refuses or understands differently, or a cut changes what ours says."""


def cut(data: bytes, cuts: Sequence[int]) -> list[bytes]:
    """Split at the given places."""
    places = [0, *sorted(min(place, len(data)) for place in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places) if end > start]


REJECT = Outcome("reject")


def ours(pieces: Sequence[bytes], *, eof: bool, limits: Limits = LIMITS, lines: KnownLines | None = None) -> Outcome:
    """Read with our reader."""
    reader = ResponseReader(limits, lines)
    body: list[bytes] = []
    try:
        body.extend(map(reader.feed, pieces))
    except ProtocolError:
        return REJECT
    reusable = reader.reusable and reader.done
    complete = reader.done or (eof and reader.eof())
    if eof and not complete:
        return REJECT
    head = reader.head
    return Outcome(
        "accept" if complete else "incomplete",
        head.status if head else 0,
        tuple(sorted(head.headers.items())) if head else (),
        b"".join(body),
        reusable,
        reader.excess,
    )


def theirs(pieces: Sequence[bytes], *, eof: bool) -> Outcome:
    """Read with h11."""
    connection = _oracle()
    status, headers, body, done, reusable = 0, {}, bytearray(), False, False
    try:
        for piece in (*pieces, b"") if eof else pieces:
            connection.receive_data(piece)
            while not done:
                event = connection.next_event()
                kind = type(event)
                if kind is h11.Data:
                    body += event.data  # type: ignore[union-attr]
                elif kind is h11.EndOfMessage:
                    done = True
                    reusable = connection.their_state is h11.DONE
                elif kind is h11.Response:
                    status = event.status_code  # type: ignore[union-attr]
                    headers = _joined(event.headers)  # type: ignore[union-attr]
                elif kind is not h11.InformationalResponse:
                    break
    except h11.RemoteProtocolError:
        return REJECT
    if eof and not done:
        return REJECT
    excess = len(connection.trailing_data[0]) if done else 0
    return Outcome("accept" if done else "incomplete", status, tuple(sorted(headers.items())), bytes(body), reusable, excess)


def _joined(pairs: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _plain(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    """h11 writes the transfer coding in lower case; that is not a difference."""
    return tuple((name, value.lower() if name == "transfer-encoding" else value) for name, value in headers)


def compare(data: bytes, cuts: Sequence[int], *, eof: bool, classify: bool = True) -> Verdict:
    """Read the bytes with both readers, ours whole, cut, and with what it remembers of all cases before.

    What ours refuses cannot disagree; h11, ten times slower, is asked about it only to `classify` it.

    Raises:
        Disagreement: with what it takes to see it again.
    """
    pieces = cut(data, cuts)
    one = ours([data] if data else [], eof=eof)
    many = ours(pieces, eof=eof) if len(pieces) > 1 else one
    again = f"compare({data!r}, {list(cuts)!r}, eof={eof})"
    if one != many:
        raise Disagreement(f"a cut changes what ours says: {again}\n  whole: {one}\n  cut:   {many}")
    warm = ours(pieces, eof=eof, lines=REMEMBERED)
    if one != warm:
        raise Disagreement(f"what is remembered changes what ours says: {again}\n  without: {one}\n  with:    {warm}")
    if one.verdict == "reject" and not classify:
        return "refused"
    other = theirs(pieces, eof=eof)
    if one.verdict == "reject":
        return "agree-reject" if other.verdict == "reject" else "ours-stricter"
    same = (
        one.verdict == other.verdict
        and one.status == other.status
        and _plain(one.headers) == _plain(other.headers)
        and one.body == other.body
        and one.excess == other.excess
        and (other.reusable or not one.reusable)
    )
    if not same:
        raise Disagreement(f"h11 disagrees: {again}\n  ours: {one}\n  h11:  {other}")
    return "agree-accept" if one.verdict == "accept" else "agree-incomplete"


STATUS_LINES = (
    b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.0 200 OK", b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified",
    b"HTTP/1.1 404 Not Found", b"HTTP/1.1 500 \xe9\x85", b"HTTP/1.1 599 x\ty", b"HTTP/1.1 429 Too Many Requests",
)  # fmt: skip
HEADERS = (
    b"Content-Type: application/json", b"Content-Type:text/event-stream", b"Date: Fri, 01 Jan 2027 00:00:00 GMT", b"X-Empty:", b"X-Blank: \t ",
    b"X-Both: \t a  b \t", b"Set-Cookie: a=1", b"Set-Cookie: b=2", b"Connection: close", b"Connection: keep-alive, Close", b"Connection: keep-alive",
    b"x-request-id: req_\xe9\xff", b"!#$%&'*+-.^_`|~09azAZ: token", b"X-Colon: a:b:c", b"Content-Encoding: gzip", b"X-Del: a\x7fb", b"X-Nbsp: \xa0a\x85",
)  # fmt: skip
NASTY = (
    b"\r\n", b"\n", b"\r", b"\n\n", b"\r\n\r\n", b"\r\r\n", b"\x00", b" ", b"\t", b"\x0b", b"\x0c", b"\x1c", b"\x85", b"\xa0", b":", b";", b",", b"0", b"00",
    b"-1", b"+1", b"0x", b"_", b"f", b"F", b"5;x=y", b"5 ;x", b"5\t", b"ffffffffffffffff", b"10000000000000000", b"HTTP/1.1 ", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 103 E\r\nLink: x\r\n\r\n", b"HTTP/1.1 100 C\r\nContent-Length: 3\r\n\r\n",
    b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length:5,5\r\n", b"Content-Length: +5\r\n", b"Content-Length: 05\r\n",
    b"Content-Length: \xb2\r\n", b"Content-Length: 1_0\r\n", b"Content-Length: 99999999999999999999\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: CHUNKED\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Transfer-Encoding: chunked, identity\r\n", b"Transfer-Encoding:\r\n",
    b"Transfer-Encoding : chunked\r\n", b" folded: x\r\n", b"\tfolded\r\n", b"0\r\n\r\n", b"0\r\n", b"0;ext\r\nTrailer: x\r\n\r\n", b"0\r\nContent-Length: 5\r\n\r\n",
    b"a\r\n0123456789\r\n", b'A;q="\\""\r\n0123456789\r\n', b"Bad Name: x\r\n", b"X: a\x00b\r\n", b": empty\r\n", b"noColon\r\n",
)  # fmt: skip


@dataclass
class Mutator:
    """Makes cases: a valid response, broken in up to three places, and cut somewhere.

    Attributes:
        random: the only source of chance, so that a seed gives the same cases again.
    """

    random: random.Random
    _seeds: list[bytes] = field(default_factory=list)

    def valid(self) -> bytes:
        """Make a response that h11 takes (ours may not: it refuses HTTP/1.0 with chunks)."""
        chance = self.random
        body = chance.choice((b"", b"x", b"hello", b'{"a": 1}\r\n\r\n', b"data: x\n\ndata: [DONE]\n\n", b"0\r\n\r\n", b"y" * 300))
        lines = [chance.choice(HEADERS) for _ in range(chance.randrange(4))]
        framing = chance.randrange(5)
        payload = body
        if framing <= 1:
            lines.append(b"Content-Length: %d" % len(body))
        elif framing <= 3:
            lines.append(chance.choice((b"Transfer-Encoding: chunked", b"transfer-encoding:Chunked")))
            payload = self._chunked(body)
        chance.shuffle(lines)
        interim = chance.choice((b"", b"", b"", b"HTTP/1.1 100 Continue\r\n\r\n"))
        return interim + chance.choice(STATUS_LINES) + b"\r\n" + b"".join([line + b"\r\n" for line in lines]) + b"\r\n" + payload

    def _chunked(self, body: bytes) -> bytes:
        chance = self.random
        out = []
        at = 0
        while at < len(body):
            size = chance.randrange(1, 12)
            piece = body[at : at + size]
            at += size
            out.append(chance.choice((b"%x", b"%X", b"0%x", b"%x;ext=1", b"%x;")) % len(piece) + b"\r\n" + piece + b"\r\n")
        return b"".join(out) + chance.choice((b"0\r\n\r\n", b"0\r\n\r\n", b"000\r\nX-T: 1\r\n\r\n", b"0;x\r\n\r\n"))

    def case(self) -> tuple[bytes, list[int], bool]:
        """Make the next case: bytes, places of cuts, and whether the connection ends after them."""
        chance = self.random
        if len(self._seeds) < 400 or chance.random() < 0.02:
            self._seeds.append(self.valid())
            if len(self._seeds) > 800:
                del self._seeds[:400]
        data = chance.choice(self._seeds)
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            data = self._broken(data)
        cuts = [chance.randrange(len(data) + 1) for _ in range(chance.choice((0, 1, 1, 2, 4)))]
        return data, cuts, chance.random() < 0.8

    def _broken(self, data: bytes) -> bytes:
        chance = self.random
        at = chance.randrange(len(data) + 1)
        end = min(len(data), at + chance.choice((1, 1, 2, 5, 30)))
        how = chance.randrange(8)
        if how == 0:
            return data[:at] + data[end:]
        if how == 1:
            return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
        if how == 2:
            return data[:end] + data[at:]  # doubled
        if how == 3:
            return data[:at]
        if how == 4:
            return data[:at] + chance.choice(self._seeds)[at:]
        if how == 5:
            line = data.find(b"\r\n", at)  # at the start of a line
            at = line + 2 if line >= 0 else at
        elif how == 6:
            return data + chance.choice(NASTY)
        return data[:at] + chance.choice(NASTY) + data[at:]
