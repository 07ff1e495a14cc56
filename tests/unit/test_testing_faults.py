"""Faults as they arrive on the wire, seen with plain sockets; and the matrices of hostile answers and bad calls."""

from __future__ import annotations

import gzip
import json
import socket
import time

import pytest

from saferoute.errors import ProviderError, SaferouteError, SecretError
from saferoute.secrets.secret import Secret
from saferoute.testing import Answer, EmbeddedProvider, Fault, RawAnswer
from saferoute.testing.bad_calls import bad_calls, bad_keys
from saferoute.testing.faults import CutStream, Drip, GzipBomb, Gzipped, Hang, HtmlErrorPage, InBandError, Redirect, Reset, ShortBody
from saferoute.testing.hostile import HOSTILE_TEXT, HostileCase, hostile_cases, provider_errors
from saferoute.testing.openai_answers import OpenAiDialect

QUICK = [case for case in hostile_cases() if not case.clock and "bomb" not in case.name]  # the others have tests of their own
REQUEST = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def wire(
    fault: Fault | None, *, stream: bool, dialect: str = "openai", text: str = "one two three", wait: float = 10
) -> tuple[bytes, bool]:
    """Everything that arrives, and whether it ended with a reset."""
    with EmbeddedProvider([Answer(text, fault=fault)]) as provider:
        return exchange(provider, stream=stream, dialect=dialect, wait=wait)


def exchange(provider: EmbeddedProvider, *, stream: bool, dialect: str = "openai", wait: float = 10) -> tuple[bytes, bool]:
    path = "/v1/chat/completions" if dialect == "openai" else "/v1/messages"
    bound = {} if dialect == "openai" else {"max_tokens": 100}
    data = json.dumps({**REQUEST, **bound, "stream": stream}).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\nanthropic-version: 2026-10-21\r\nconnection: close\r\ncontent-length: {len(data)}\r\n\r\n"
    received = b""
    with socket.create_connection(("127.0.0.1", provider.port), timeout=wait) as connection:
        connection.sendall(head.encode() + data)
        try:
            while piece := connection.recv(65536):
                received += piece
        except ConnectionResetError:
            return received, True
    return received, False


@pytest.mark.parametrize("after", [0, 1, 3])
@pytest.mark.parametrize("how", ["close", "reset", "clean"])
def test_a_stream_is_cut_after_so_many_events(after: int, how: str) -> None:
    received, reset = wire(CutStream(after, how), stream=True)  # type: ignore[arg-type]
    # A reset may throw away what the receiver has not read yet, as in real life.
    assert received.count(b"data: ") <= after if how == "reset" else received.count(b"data: ") == after
    assert b"[DONE]" not in received
    assert received.endswith(b"0\r\n\r\n") == (how == "clean")
    assert reset == (how == "reset")


@pytest.mark.parametrize("how", ["close", "clean"])
def test_a_whole_body_is_cut_in_half(how: str) -> None:
    received, _ = wire(CutStream(how=how), stream=False)  # type: ignore[arg-type]
    head, _, body = received.partition(b"\r\n\r\n")
    declared = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
    assert declared == len(body) * (1 if how == "clean" else 2) or abs(declared - 2 * len(body)) == 1
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        json.loads(body)


def test_a_short_body_promises_more() -> None:
    head, _, body = wire(ShortBody(missing=7), stream=False)[0].partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % (len(body) + 7) in head


def test_a_drip_comes_byte_by_byte() -> None:
    received, _ = wire(Drip(), stream=True)
    body = received.partition(b"\r\n\r\n")[2]
    assert body.startswith(b"1\r\nd\r\n1\r\na\r\n1\r\nt\r\n")


@pytest.mark.parametrize(("dialect", "marker"), [("openai", b'data: {"error":'), ("anthropic", b'event: error\ndata: {"type":"error"')])
def test_an_error_in_band(dialect: str, marker: bytes) -> None:
    streamed, _ = wire(InBandError(after=2), stream=True, dialect=dialect)
    assert streamed.startswith(b"HTTP/1.1 200 ")
    assert streamed.count(b"data: ") == 3
    assert marker in streamed
    whole, _ = wire(InBandError(), stream=False, dialect=dialect)
    assert whole.startswith(b"HTTP/1.1 200 ")
    assert "error" in json.loads(whole.partition(b"\r\n\r\n")[2])


def test_a_page_a_redirect_and_a_bomb() -> None:
    page, _ = wire(HtmlErrorPage(), stream=True)
    assert page.startswith(b"HTTP/1.1 502 ")
    assert b"text/html" in page
    moved, _ = wire(Redirect("http://127.0.0.1:9/x", 308), stream=False)
    assert moved.startswith(b"HTTP/1.1 308 ")
    assert b"location: http://127.0.0.1:9/x\r\n" in moved
    bomb = wire(GzipBomb(2), stream=False)[0].partition(b"\r\n\r\n")[2]
    assert len(bomb) < 10_000
    assert len(gzip.decompress(bomb)) == 2 * 1024 * 1024


def test_compressed_streams_flush_at_each_event() -> None:
    raw = RawAnswer(pieces=(b"data: 1\n\n", b"data: 2\n\n"), framing="chunked")
    squeezed = Gzipped().spoil(raw, OpenAiDialect())
    assert len(squeezed.pieces) == 3
    assert gzip.decompress(b"".join(squeezed.pieces)) == b"data: 1\n\ndata: 2\n\n"
    assert ("content-encoding", "gzip") in squeezed.headers


@pytest.mark.parametrize("reset", [True, False])
def test_nothing_comes(reset: bool) -> None:
    assert wire(Reset(reset=reset), stream=False) == (b"", reset)


def test_a_hang_lasts_as_long_as_it_says() -> None:
    started = time.monotonic()
    received, _ = wire(Hang(0.2, after=2), stream=True)
    assert time.monotonic() - started >= 0.2
    assert received.count(b"data: ") == 2
    assert wire(Hang(0.01), stream=False) == (b"", False)


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("case", QUICK, ids=lambda case: case.name)
def test_every_hostile_case_is_served(case: HostileCase, stream: bool, dialect: str) -> None:
    with EmbeddedProvider([case.make()]) as provider:
        received, reset = exchange(provider, stream=stream, dialect=dialect)
    assert received or reset or case.name in {"reset", "closed_without_answer"}
    if not case.errors and not stream and case.name not in {"whole_where_a_stream_was_asked", "drip"}:
        assert HOSTILE_TEXT.encode() in received


def test_the_matrices_are_sound() -> None:
    hostile = hostile_cases()
    assert len({case.name for case in hostile}) == len(hostile) >= 70
    assert all(case.may_succeed or (case.errors and case.stream_errors) for case in hostile)
    assert all(issubclass(error, SaferouteError) for case in hostile for error in (*case.errors, *case.stream_errors))
    errors = provider_errors()
    assert len({case.name for case in errors}) == len(errors)
    assert all(issubclass(case.error, ProviderError) for case in errors)
    calls = bad_calls()
    assert len({case.name for case in calls}) == len(calls) >= 45


@pytest.mark.parametrize(("name", "key"), bad_keys())
def test_no_bad_key_becomes_a_secret(name: str, key: str) -> None:
    with pytest.raises(SecretError) as caught:
        Secret(key)
    assert len(key) < 3 or key not in str(caught.value), name
