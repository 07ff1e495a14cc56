"""Requirement 15: errors carry provider, status, request id, attempts and the credential's name; never a key, a prompt or a raw body."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable, Mapping
from typing import Any

import pytest

import saferoute
from saferoute import errors
from saferoute.errors import AuthenticationRejected, BudgetExceeded, ProviderError, SaferouteError
from saferoute.testing.script import RawAnswer
from saferoute.testing.server import Received
from tests.requirements.conftest import Way
from tests.support.both import Face
from tests.support.counting_server import CountingServer, Refusing, Step, fails, says, sse

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

KEY = "sk-canary-4f7a9e02c1d84b6f9a31"
PROMPT = "the merger with Umbrella closes on the ninth"
ANSWER = "here is a paragraph that the provider wrote"
BODY = "raw body words that nobody classified"
NAME = "demo-team-key"
KEYED = f'auth = "bearer"\nsecret = "{NAME}"'
CLOCKS = '\ndeadlines = { first_byte = "300ms", idle = "300ms" }'
IDS = (("x-request-id", "req-77"),)
SSE = (("content-type", "text/event-stream"), *IDS)


def echoing(status: int, code: str = "", **more: Any) -> Step:
    """A provider that repeats everything: the prompt, the key, and words of its own."""

    def answer(received: Received) -> RawAnswer:
        key = received.header("authorization")
        said = {"message": f"{BODY}: {key} sent {received.body.decode()}", "type": code or "odd_error", "code": code or None, "raw": PROMPT}
        return RawAnswer(status, (("content-type", "application/json"), *IDS), (json.dumps({"error": said, **more}).encode(),))

    return answer


def chunk(text: str) -> dict[str, Any]:
    return {"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": None}]}


FAILURES: Mapping[str, tuple[Step, type[SaferouteError], int | None]] = {
    "400": (echoing(400), errors.BadRequest, 400),
    "context": (echoing(400, "context_length_exceeded"), errors.ContextWindowExceeded, 400),
    "filter": (echoing(400, "content_filter"), errors.ContentFiltered, 400),
    "401": (echoing(401), errors.AuthenticationRejected, 401),
    "402": (echoing(402), errors.QuotaExceeded, 402),
    "403": (echoing(403), errors.PermissionDenied, 403),
    "404": (echoing(404), errors.ModelNotFound, 404),
    "409": (echoing(409), errors.Conflict, 409),
    "413": (echoing(413), errors.RequestTooLarge, 413),
    "429": (echoing(429), errors.RateLimited, 429),
    "500": (echoing(500), errors.ServerError, 500),
    "503": (echoing(503), errors.Overloaded, 503),
    "an error inside an answer": (echoing(200), errors.ServerError, 200),
    "a page of HTML": (RawAnswer(headers=(("content-type", "text/html"), *IDS), pieces=(f"<p>{BODY} {PROMPT}".encode(),)), errors.ProtocolError, 200),
    "no JSON": (RawAnswer(headers=(("content-type", "application/json"), *IDS), pieces=(f'{{"{BODY}'.encode(),)), errors.ProtocolError, 200),
    "a redirect": (RawAnswer(307, (("location", f"https://example.com/{PROMPT.replace(' ', '-')}"), *IDS)), errors.UnexpectedRedirect, 307),
    "cut in the middle": (RawAnswer(headers=SSE, framing="until_close", end="close", pieces=sse(chunk(ANSWER))), errors.StreamInterrupted, 200),
    "an odd chunk": (RawAnswer(headers=SSE, framing="chunked", pieces=(b"data: " + BODY.encode() + b"\n\n",)), errors.ProtocolError, 200),
    "reset": (RawAnswer(framing="verbatim", end="reset"), errors.StreamInterrupted, None),
    "silence": (says("late", first_pause=30.0), errors.TimedOut, None),
    "silence in the middle": (RawAnswer(headers=SSE, framing="chunked", pieces=sse(chunk(ANSWER)), unfinished=True, idle=30.0), errors.TimedOut, 200),
}  # fmt: skip


def keyed(opened: Opened, kind: str, server: Any, clocks: str = "", **options: Any) -> Face:
    return opened(kind, server, fields=KEYED + clocks, secrets=saferoute.Secrets.of({NAME: (KEY, server.origin)}), **options)


def failure(way: Way, face: Face, kind: type[SaferouteError]) -> SaferouteError:
    with pytest.raises(kind) as caught:
        way.ask(face, messages=PROMPT, max_attempts=1)
    return caught.value


@pytest.mark.parametrize("name", FAILURES)
def test_it_tells_who_and_what_and_every_attempt(four_ways: Way, serve: Serve, opened: Opened, name: str) -> None:
    answer, kind, status = FAILURES[name]
    server = serve(answer)
    error = failure(four_ways, keyed(opened, four_ways.kind, server, CLOCKS if "silence" in name else ""), kind)
    (attempt,) = error.attempts
    told: Any = attempt
    assert (told.target, told.model, told.outcome, told.status) == ("row", "alpha", type(error).__name__, status)
    assert told.request_id == ("req-77" if status is not None else None)
    assert told.seconds >= 0
    assert f"attempt 1: row (alpha): {told.outcome}" in error.diagnostics()
    if isinstance(error, ProviderError):
        assert (error.provider_name, error.status, error.request_id) == ("demo", status, "req-77")
        assert f"demo answered {status}" in str(error)
        assert "request id req-77" in str(error) or name == "an error inside an answer"  # whose id only the head has
    assert server.count == 1


@pytest.mark.parametrize("name", FAILURES)
def test_no_key_no_prompt_and_no_raw_body_is_in_it(
    four_ways: Way, serve: Serve, opened: Opened, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    answer, kind, _ = FAILURES[name]
    caplog.set_level(logging.DEBUG)
    face = keyed(opened, four_ways.kind, serve(answer), CLOCKS if "silence" in name else "")
    error = failure(four_ways, face, kind)
    written = "\n".join((str(error), repr(error), repr(error.args), *traceback.format_exception_only(error), caplog.text))
    pickled = pickle.dumps(error)
    for secret in (KEY, PROMPT, BODY, ANSWER, PROMPT.replace(" ", "-")):
        assert secret not in written
        assert secret.encode() not in pickled
    assert KEY not in error.diagnostics()  # which may repeat what the provider said, key-shaped runs taken out
    assert KEY not in repr(vars(error))
    again = pickle.loads(pickled)  # its own
    assert (type(again), str(again)) == (type(error), str(error))
    assert PROMPT not in again.diagnostics()
    assert KEY not in repr(face.client)


def test_a_pickle_keeps_what_the_attributes_tell(kind: str, serve: Serve, opened: Opened) -> None:
    error = failure(Way(kind, "chat"), keyed(opened, kind, serve(fails(429, x_request_id="req-77", retry_after="30"))), errors.RateLimited)
    again = pickle.loads(pickle.dumps(error))
    assert (again.status, again.provider_name, again.request_id, again.retry_after, again.retryable) == (429, "demo", "req-77", 30.0, True)


@pytest.mark.parametrize("status", [401, 403, 429])
def test_it_names_the_credential(four_ways: Way, serve: Serve, opened: Opened, status: int) -> None:
    error = failure(four_ways, keyed(opened, four_ways.kind, serve(fails(status))), ProviderError)
    assert NAME in error.diagnostics()
    assert KEY not in error.diagnostics()


def test_when_every_target_failed_it_carries_them_all(four_ways: Way, serve: Serve, opened: Opened) -> None:
    servers = [serve(fails(500, x_request_id="req-1")), serve(fails(503, x_request_id="req-2"))]
    with Refusing() as nobody, pytest.raises(SaferouteError) as caught:
        four_ways.ask(opened(four_ways.kind, *servers, nobody), "both", messages=PROMPT, max_attempts=3)
    told: Any = caught.value.attempts
    assert [(one.target, one.outcome, one.status, one.request_id) for one in told] == [
        ("row", "ServerError", 500, "req-1"),
        ("row2", "Overloaded", 503, "req-2"),
        ("row3", "ConnectFailed", None, None),
    ]
    shown = caught.value.diagnostics()
    assert all(f"attempt {number}: {one.target}" in shown for number, one in enumerate(told, 1))
    assert PROMPT not in shown


def test_a_reply_carries_its_failed_attempts_too(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(500, x_request_id="req-1", retry_after_ms="1"), says("ok", headers=(("x-request-id", "req-2"),)))
    reply = four_ways.ask(opened(four_ways.kind, server))
    told = [(attempt.outcome, attempt.status, attempt.request_id) for attempt in reply.attempts]
    assert told == [("ServerError", 500, "req-1"), ("ok", 200, "req-2")]
    assert reply.request_id == "req-2"
    assert len(reply.attempts) == server.count


@pytest.mark.parametrize("echo", [KEY, f"Bearer {KEY}", "x" * 2_000, "a b\r\nc"])
def test_a_request_id_that_is_none_is_not_repeated(kind: str, serve: Serve, opened: Opened, echo: str) -> None:
    clean = echo.replace("\r\n", " ")
    error = failure(Way(kind, "chat"), keyed(opened, kind, serve(fails(500, x_request_id=clean))), ProviderError)
    assert getattr(error, "request_id", "") is None
    assert KEY not in str(error)


def test_a_key_that_the_machine_word_holds_is_not_repeated(four_ways: Way, serve: Serve, opened: Opened) -> None:
    error = failure(four_ways, keyed(opened, four_ways.kind, serve(fails(400, KEY))), ProviderError)
    assert KEY not in str(error) + repr(error) + error.diagnostics() + repr(vars(error))


def test_errors_before_the_call_hold_no_prompt_either(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("never"))
    face = keyed(opened, four_ways.kind, server)
    for options in ({"max_cost": "$0.000001"}, {"max_tokens": 5}, {"temperature": "hot"}, {"tool_choice": "required"}):
        with pytest.raises(SaferouteError) as caught:
            four_ways.ask(face, messages=PROMPT, **options)
        written = str(caught.value) + repr(caught.value) + caught.value.diagnostics()
        assert PROMPT not in written
        assert KEY not in written
        assert PROMPT.encode() not in pickle.dumps(caught.value)
    assert server.connections == 0
    with pytest.raises(BudgetExceeded):
        four_ways.ask(face, messages=PROMPT, max_cost="$0.000001")


def test_a_key_that_is_missing_is_named_and_nobody_is_asked(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("never"))
    face = opened(four_ways.kind, server, fields=KEYED)
    with pytest.raises(errors.SecretError, match=NAME):
        four_ways.ask(face, messages=PROMPT)
    assert server.connections == 0


def test_the_refused_key_s_error_says_what_to_do(four_ways: Way, serve: Serve, opened: Opened) -> None:
    error = failure(four_ways, keyed(opened, four_ways.kind, serve(fails(401))), AuthenticationRejected)
    assert "saferoute keys list" in str(error)
