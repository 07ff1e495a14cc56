"""What Cohere answers when it fails: the class, whether to try again, after how long, and never its words."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute import errors
from tests.unit.dialect_cases import COHERE, SSE, decoded, decoded_whole, sse

WORDS = "the provider's own words about the prompt"
SAID = {"id": "req_1", "message": WORDS}
DATE = {"retry-after": "Sun, 06 Nov 1994 08:49:39 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}
TOO_LONG = SAID | {"message": "too many tokens: size limit exceeded by 7 tokens. " + WORDS}
FAILURES: list[tuple[str, int, object, dict[str, str], type[errors.ProviderError], bool, float | None]] = [
    ("bad request", 400, SAID, {}, errors.BadRequest, False, None),
    ("context overflow", 400, TOO_LONG, {}, errors.ContextWindowExceeded, False, None),
    ("wrong key", 401, SAID, {}, errors.AuthenticationRejected, False, None),
    ("no money", 402, SAID, {}, errors.QuotaExceeded, False, None),
    ("no permission", 403, SAID, {}, errors.PermissionDenied, False, None),
    ("unknown or removed model", 404, SAID, {}, errors.ModelNotFound, False, None),
    ("too large", 413, "<html>413</html>", {"x-request-id": "req_1"}, errors.RequestTooLarge, False, None),
    ("unprocessable", 422, SAID, {}, errors.BadRequest, False, None),
    ("unprocessable: too long", 422, TOO_LONG, {}, errors.ContextWindowExceeded, False, None),
    ("429, plain", 429, SAID, {}, errors.RateLimited, True, None),
    ("429, seconds", 429, SAID, {"retry-after": "7"}, errors.RateLimited, True, 7.0),
    ("429, a date", 429, SAID, DATE, errors.RateLimited, True, 2.0),
    ("429, milliseconds", 429, SAID, {"retry-after-ms": "1500"}, errors.RateLimited, True, 1.5),
    ("429, quota", 429, SAID | {"type": "insufficient_quota"}, {}, errors.QuotaExceeded, False, None),
    ("invalid token", 498, SAID, {}, errors.AuthenticationRejected, False, None),
    ("closed by the client", 499, SAID, {}, errors.BadRequest, False, None),
    ("500", 500, SAID, {}, errors.ServerError, True, None),
    ("not implemented", 501, SAID, {}, errors.ServerError, False, None),
    ("503", 503, "no upstream", {"retry-after": "3", "x-request-id": "req_1"}, errors.Overloaded, True, 3.0),
    ("timeout of a gateway", 504, {"data": None, "id": "req_1"}, {}, errors.ServerError, True, None),
    ("529", 529, "", {"x-request-id": "req_1"}, errors.Overloaded, True, None),
]


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "again", "after"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_failures(
    status: int, body: object, headers: dict[str, str], kind: type[errors.ProviderError], again: bool, after: float | None
) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded_whole(COHERE, body, status=status, headers=headers)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.retry_after) == (status, again, after)
    assert (error.request_id, error.provider_name) == ("req_1", "cohere")
    assert WORDS not in str(error) + repr(error)


def test_the_providers_words_are_kept_for_diagnostics() -> None:
    with pytest.raises(errors.BadRequest) as caught:
        decoded_whole(COHERE, SAID, status=400)
    assert WORDS in caught.value.diagnostics()


START = {"type": "message-start", "id": "r1", "delta": {"message": {"role": "assistant"}}}
TEXT = [
    {"type": "content-start", "index": 0, "delta": {"message": {"content": {"type": "text", "text": ""}}}},
    {"type": "content-delta", "index": 0, "delta": {"message": {"content": {"text": "He"}}}},
]


def _end(error: object) -> dict[str, Any]:
    return {"type": "message-end", "delta": {"finish_reason": "ERROR", "error": error}}


IN_STREAM: list[tuple[str, dict[str, Any], type[errors.ProviderError], bool]] = [
    ("a text in message-end", _end(WORDS), errors.ServerError, True),
    ("an object in message-end", _end({"message": WORDS, "code": "rate_limit_exceeded"}), errors.RateLimited, True),
    ("a status in message-end", _end({"message": WORDS, "code": 503}), errors.Overloaded, True),
    ("context overflow", _end({"message": WORDS, "code": "context_length_exceeded"}), errors.ContextWindowExceeded, False),
    ("content filter", _end({"message": WORDS, "type": "content_filter"}), errors.ContentFiltered, False),
    ("an answer of an error", SAID, errors.ServerError, True),
    ("a gateway's error", {"error": {"message": WORDS, "code": 429}}, errors.RateLimited, True),
]


@pytest.mark.parametrize("before", [[START], [START, *TEXT]], ids=["right after the start", "after text"])
@pytest.mark.parametrize(("event", "kind", "again"), [case[1:] for case in IN_STREAM], ids=[case[0] for case in IN_STREAM])
def test_errors_inside_a_stream(event: dict[str, Any], kind: type[errors.ProviderError], again: bool, before: list[dict[str, Any]]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded(COHERE, sse([*before, event], named=True), kind=SSE, headers={"x-request-id": "head_1"})
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.provider_name) == (200, again, "cohere")
    assert error.request_id == (event.get("id") or "head_1")
    assert WORDS not in str(error) + repr(error)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (SAID, errors.ServerError),
        ({"error": WORDS}, errors.ServerError),
        ({"error": {"message": WORDS, "type": "invalid_request_error"}}, errors.BadRequest),
        ({"id": "req_1", "message": "too many tokens", "code": 400}, errors.ContextWindowExceeded),
    ],
)
def test_errors_inside_a_body_of_200(body: dict[str, Any], kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded_whole(COHERE, body, headers={"x-request-id": "head_1"})
    assert type(caught.value) is kind
    assert caught.value.request_id == (body.get("id") or "head_1")
    assert WORDS not in str(caught.value)


@pytest.mark.parametrize("word", ["ERROR", "TIMEOUT"])
def test_an_end_that_says_error_without_one_is_an_answer_that_ended_so(word: str) -> None:
    events = decoded(COHERE, sse([START, *TEXT, {"type": "message-end", "delta": {"finish_reason": word}}]), kind=SSE)
    completed = events[-1]
    assert completed.type == "completed"
    assert (completed.finish_reason, completed.raw_finish_reason) == ("error", word)


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(errors.UnexpectedRedirect):
        decoded_whole(COHERE, {}, status=307, headers={"location": "https://other.example"})
