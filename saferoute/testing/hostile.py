"""What a provider, a gateway or the network can do wrong, and what saferoute must say to each. Data, for tables of tests.

Each case is a step for an `EmbeddedProvider`. A client that asks anything and gets one of these must raise one of the case's errors,
or, where the case may succeed, answer with `HOSTILE_TEXT`; within its clocks, and without a key in any message.

Example:
    >>> from saferoute.testing.hostile import hostile_cases
    >>> sorted(case.name for case in hostile_cases() if case.clock)[:2]
    ['hang', 'hang_in_body']
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from saferoute.errors import (
    AuthenticationRejected,
    BadRequest,
    Conflict,
    ContextWindowExceeded,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProtocolError,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestTooLarge,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
    TransportError,
    UnexpectedRedirect,
)
from saferoute.testing.anthropic_answers import AnthropicDialect
from saferoute.testing.faults import (
    CutStream,
    Drip,
    GzipBomb,
    Gzipped,
    Hang,
    HtmlErrorPage,
    InBandError,
    NotJson,
    Redirect,
    Reset,
    ShortBody,
)
from saferoute.testing.openai_answers import OpenAiDialect
from saferoute.testing.script import Answer, Ask, ErrorAnswer, RawAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from saferoute.testing.script import Fault, Step

__all__ = ["HOSTILE_TEXT", "HostileCase", "ProviderErrorCase", "hostile_cases", "provider_errors"]

HOSTILE_TEXT = "one two three four five"
_GOOD = Answer(HOSTILE_TEXT)
Errors: TypeAlias = tuple[type[SaferouteError], ...]
_CUT: Errors = (StreamInterrupted,)
_BROKEN: Errors = (ProtocolError,)
_CLOSED: Errors = (ProtocolError, StreamInterrupted)


@dataclass(frozen=True, slots=True)
class HostileCase:
    """One thing that goes wrong.

    Attributes:
        name: for the test's id.
        make: makes the step; called as late as possible, since some are large.
        errors: what a call for a whole answer may raise.
        stream_errors: what a streamed call may raise.
        may_succeed: the answer may also arrive, with HOSTILE_TEXT; with no errors at all, it must.
        clock: the error comes from a clock: give the call a short one.
    """

    name: str
    make: Callable[[], Step]
    errors: Errors
    stream_errors: Errors
    may_succeed: bool = False
    clock: bool = False


@dataclass(frozen=True, slots=True)
class ProviderErrorCase:
    """An honest error of a provider.

    Attributes:
        name: for the test's id.
        answer: the step; written in the shape of whichever dialect is asked.
        error: what saferoute raises.
        retryable: whether trying again can help.
        retry_after: the wait that the provider asks for, in seconds.
    """

    name: str
    answer: ErrorAnswer
    error: type[ProviderError]
    retryable: bool = False
    retry_after: float | None = None


def _faulty(fault: Fault) -> Step:
    return replace(_GOOD, fault=fault)


def _both(name: str, fault: Fault, errors: Errors = (), stream_errors: Errors | None = None, *, clock: bool = False) -> HostileCase:
    wanted = errors if stream_errors is None else stream_errors
    return HostileCase(name, partial(_faulty, fault), errors, wanted, may_succeed=not errors, clock=clock)


def _raw(name: str, head: bytes, body: bytes = b"", errors: Errors = _BROKEN, *, may_succeed: bool = False) -> HostileCase:
    """Bytes on the wire, then the end of the connection."""
    answer = RawAnswer(framing="verbatim", pieces=(head.replace(b"\n", b"\r\n") + body,), end="close")
    return HostileCase(name, lambda: answer, errors, errors, may_succeed=may_succeed)


def _with_body(name: str, body: bytes, errors: Errors = _BROKEN, headers: tuple[tuple[str, str], ...] = ()) -> HostileCase:
    kind = () if any(key == "content-type" for key, _ in headers) else (("content-type", "application/json"),)
    answer = RawAnswer(200, (*kind, *headers), (body,))
    return HostileCase(name, lambda: answer, errors, errors)


def hostile_cases() -> tuple[HostileCase, ...]:
    """All cases, in an order that does not change."""
    return (*_connections(), *_framings(), *_heads(), *_bodies(), *_detours())


def _connections() -> Iterator[HostileCase]:
    yield _both("reset", Reset(), (TransportError,))
    yield _both("closed_without_answer", Reset(reset=False), (TransportError,))
    yield _both("cut_and_closed", CutStream(3), _CUT)
    yield _both("cut_and_reset", CutStream(3, "reset"), _CUT)
    yield _both("cut_cleanly", CutStream(3, "clean"), _BROKEN, _CUT)
    yield _both("cut_before_the_first_event", CutStream(0), _CUT)
    yield HostileCase("short_body", partial(_faulty, ShortBody()), _CUT, _CUT, may_succeed=True)
    yield _both("drip", Drip())
    yield _both("hang", Hang(20), (TimedOut,), clock=True)
    yield _both("hang_in_body", Hang(20, after=2), (TimedOut,), clock=True)
    yield HostileCase("slow_body", lambda: _faulty(Drip(pause=1.0)), (TimedOut,), (TimedOut,), clock=True)


_JSON_HEAD = b"HTTP/1.1 200 OK\ncontent-type: application/json\n"


def _framings() -> Iterator[HostileCase]:
    chunked = _JSON_HEAD + b"transfer-encoding: chunked\n\n"
    for name, body in (
        ("chunk_size_not_hex", b"ZZ\r\nnot a chunk\r\n0\r\n\r\n"),
        ("chunk_size_negative", b"-5\r\nhello\r\n0\r\n\r\n"),
        ("chunk_size_prefixed", b"0x2\r\n{}\r\n0\r\n\r\n"),
        ("chunk_size_huge", b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
        ("chunk_longer_than_said", b"1\r\n{}\r\n0\r\n\r\n"),
    ):
        yield _raw(name, chunked, body)
    yield _raw("chunk_never_ends", chunked, b'5\r\n{"id"', _CLOSED)
    for name, lines in (
        ("length_negative", b"content-length: -1\n"),
        ("length_with_sign", b"content-length: +2\n"),
        ("length_not_a_number", b"content-length: two\n"),
        ("length_huge", b"content-length: 99999999999999999999999999\n"),
        ("two_lengths", b"content-length: 2\ncontent-length: 3\n"),
        ("length_and_chunked", b"content-length: 2\ntransfer-encoding: chunked\n"),
        ("coding_unknown", b"transfer-encoding: gzip, chunked\n"),
        ("chunked_twice", b"transfer-encoding: chunked, chunked\n"),
    ):
        yield _raw(name, _JSON_HEAD + lines + b"\n", b"{}", _CLOSED)


def _heads() -> Iterator[HostileCase]:
    rest = b"content-type: application/json\ncontent-length: 2\n"
    for name, head in (
        ("garbage", b"SSH-2.0-OpenSSH_9.9\n\n"),
        ("tls_where_http_is", b"\x15\x03\x03\x00\x02\x02\x28\n\n"),
        ("http_0_9", b"{}"),
        ("http_2", b"HTTP/2 200\n" + rest + b"\n"),
        ("status_short", b"HTTP/1.1 20 OK\n" + rest + b"\n"),
        ("status_long", b"HTTP/1.1 2000 OK\n" + rest + b"\n"),
        ("status_not_a_number", b"HTTP/1.1 abc OK\n" + rest + b"\n"),
        ("switching_protocols", b"HTTP/1.1 101 Switching Protocols\nupgrade: h2c\nconnection: upgrade\n\n"),
        ("header_without_colon", b"HTTP/1.1 200 OK\nno colon here\n" + rest + b"\n"),
        ("header_name_with_space", b"HTTP/1.1 200 OK\nbad name: 1\n" + rest + b"\n"),
        ("header_space_before_colon", b"HTTP/1.1 200 OK\ncontent-length : 2\n\n"),
        ("header_folded", b"HTTP/1.1 200 OK\nx-a: 1\n  folded\n" + rest + b"\n"),
        ("header_with_nul", b"HTTP/1.1 200 OK\nx-a: 1\x002\n" + rest + b"\n"),
        ("header_with_bare_cr", b"HTTP/1.1 200 OK\nx-a: 1\r2\n" + rest + b"\n"),
        ("header_of_a_mebibyte", b"HTTP/1.1 200 OK\nx-big: " + b"a" * (1 << 20) + b"\n" + rest + b"\n"),
        ("ten_thousand_headers", b"HTTP/1.1 200 OK\n" + b"x-a: 1\n" * 10_000 + rest + b"\n"),
        ("continue_a_thousand_times", b"HTTP/1.1 100 Continue\n\n" * 1000 + b"HTTP/1.1 200 OK\n" + rest + b"\n"),
    ):
        yield _raw(name, head, b"{}", _CLOSED)


def _bodies() -> Iterator[HostileCase]:
    for name, body in (
        ("not_json", b'{"id": "x '),
        ("empty_body", b""),
        ("json_null", b"null"),
        ("json_list", b"[]"),
        ("json_text", b'"ok"'),
        ("json_of_another_kind", b'{"hello": "world"}'),
        ("json_nested_too_deep", b"[" * 200_000),
        ("json_not_utf8", b'{"id": "\xff\xfe"}'),
    ):
        yield _with_body(name, body)
    page = HtmlErrorPage(200)
    yield _both("html_page_at_200", page, _BROKEN)
    yield _both("html_page_at_502", HtmlErrorPage(502), (ServerError, Overloaded))
    yield _both("html_page_at_429", HtmlErrorPage(429), (RateLimited,))
    yield _both("html_page_at_403", HtmlErrorPage(403), (PermissionDenied,))
    yield _both("in_band_error", InBandError(), (ProviderError,))
    yield _both("in_band_error_first", InBandError(after=0), (ProviderError,))
    yield _both("gzip_bomb", GzipBomb(), _BROKEN)
    yield _both("gzip_bomb_of_one_event", GzipBomb(content_type="text/event-stream"), _BROKEN)
    yield HostileCase("gzip", lambda: _faulty(Gzipped()), _BROKEN, _BROKEN, may_succeed=True)
    squeezed = gzip.compress(b'{"id": "x"}' * 100, mtime=0)
    coded = (("content-encoding", "gzip"),)
    yield _with_body("gzip_cut", squeezed[: len(squeezed) // 2], _CLOSED, coded)
    yield _with_body("gzip_corrupt", squeezed[:12] + b"\x00\x01\x02" * 9, _BROKEN, coded)
    yield _with_body("gzip_not_gzip", b"{}", _BROKEN, coded)
    yield _with_body("coding_not_asked_for", b"{}", _BROKEN, (("content-encoding", "br"),))
    yield _with_body("coding_twice", gzip.compress(squeezed, mtime=0), _BROKEN, (("content-encoding", "gzip, gzip"),))
    stream = (("content-type", "text/event-stream"),)
    yield _with_body("event_not_json", b"data: {nope\n\n", _BROKEN, stream)
    yield _with_body("event_of_another_kind", b"data: []\n\ndata: 7\n\n", _CLOSED, stream)
    yield _with_body("stream_of_comments", b": keep-alive\n\n" * 50, _CLOSED, stream)
    yield _with_body("stream_of_nothing", b"", _CLOSED, stream)
    yield _with_body("event_without_end", b"data: " + b"a" * 100_000, _CLOSED, stream)
    yield _with_body("picture", b"\x89PNG\r\n\x1a\n", _BROKEN, (("content-type", "image/png"),))
    yield _both("not_json_at_200", NotJson(), _BROKEN)


def _detours() -> Iterator[HostileCase]:
    for status in (301, 302, 303, 307, 308):
        yield _both(f"redirect_{status}", Redirect(status=status), (UnexpectedRedirect,))
    yield _both("redirect_without_location", Redirect(location="", status=302), (UnexpectedRedirect,))
    yield _raw("no_content", b"HTTP/1.1 204 No Content\n\n", b"", _CLOSED)
    yield HostileCase("whole_where_a_stream_was_asked", lambda: _other_way_round, (), (), may_succeed=True)
    yield HostileCase("a_second_answer_in_the_first", lambda: _smuggling, (), (), may_succeed=True)
    yield HostileCase("sets_a_cookie", lambda: replace(_GOOD, headers={"set-cookie": "session=1; Path=/"}), (), (), may_succeed=True)
    yield HostileCase(
        "asks_to_go_elsewhere_next_time",
        lambda: replace(_GOOD, headers={"alt-svc": 'h2="elsewhere.example:443"', "location": "http://127.0.0.1:9/"}),
        (),
        (),
        may_succeed=True,
    )


def _rendered(ask: Ask) -> RawAnswer:
    return (OpenAiDialect() if ask.dialect == "openai_chat" else AnthropicDialect()).render(_GOOD, ask)


def _other_way_round(ask: Ask) -> Step:
    """A whole body for a stream, and a stream for a whole body: the content type tells."""
    return _rendered(replace(ask, stream=not ask.stream, stream_usage=True))


def _smuggling(ask: Ask) -> Step:
    """A good answer with the head of another behind it, which a later request on this connection must not take for its own."""
    good = _rendered(replace(ask, stream=False))
    body = b"".join(good.pieces)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    evil = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 13\r\n\r\n{"evil": true}'
    return RawAnswer(framing="verbatim", pieces=(head + body + evil,))


def provider_errors() -> tuple[ProviderErrorCase, ...]:
    """Honest errors, and what each is in saferoute's tree."""
    too_long = ErrorAnswer(400, "context_length_exceeded", "prompt is too long: 250000 tokens > 200000 maximum")
    soon = {"retry-after-ms": "1500", "retry-after": "2"}
    return (
        ProviderErrorCase("400", ErrorAnswer(400), BadRequest),
        ProviderErrorCase("400_too_long", too_long, ContextWindowExceeded),
        ProviderErrorCase("401", ErrorAnswer(401), AuthenticationRejected),
        ProviderErrorCase("402", ErrorAnswer(402), QuotaExceeded),
        ProviderErrorCase("403", ErrorAnswer(403), PermissionDenied),
        ProviderErrorCase("404", ErrorAnswer(404), ModelNotFound),
        ProviderErrorCase("408", ErrorAnswer(408), ServerError, retryable=True),
        ProviderErrorCase("409", ErrorAnswer(409), Conflict, retryable=True),
        ProviderErrorCase("413", ErrorAnswer(413), RequestTooLarge),
        ProviderErrorCase("422", ErrorAnswer(422), BadRequest),
        ProviderErrorCase("429", ErrorAnswer(429), RateLimited, retryable=True),
        ProviderErrorCase("429_soon", ErrorAnswer(429, headers=soon), RateLimited, retryable=True, retry_after=1.5),
        ProviderErrorCase("429_no_credit", ErrorAnswer(429, "insufficient_quota"), QuotaExceeded),
        ProviderErrorCase("500", ErrorAnswer(500), ServerError, retryable=True),
        ProviderErrorCase("502", ErrorAnswer(502), ServerError, retryable=True),
        ProviderErrorCase("503", ErrorAnswer(503), Overloaded, retryable=True),
        ProviderErrorCase("504", ErrorAnswer(504), ServerError, retryable=True),
        ProviderErrorCase("529", ErrorAnswer(529), Overloaded, retryable=True),
        ProviderErrorCase("500_do_not_retry", ErrorAnswer(500, headers={"x-should-retry": "false"}), ServerError),
    )
