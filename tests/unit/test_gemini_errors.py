"""Errors of generateContent: by status, by details, and inside successful answers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute import errors
from saferoute.errors import ProviderError
from tests.unit.gemini_cases import answer, decoded, decoded_whole, sse, text

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "17.5s"}
# status, the API's word, words, details; the error and its code
STATUSES: list[tuple[int, str, str, list[Any], type[ProviderError], str]] = [
    (400, "INVALID_ARGUMENT", "Invalid value at 'contents'", [], errors.BadRequest, "INVALID_ARGUMENT"),
    (
        400,
        "INVALID_ARGUMENT",
        "API key not valid.",
        [{"@type": INFO, "reason": "API_KEY_INVALID"}],
        errors.AuthenticationRejected,
        "API_KEY_INVALID",
    ),
    (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
        [],
        errors.ContextWindowExceeded,
        "INVALID_ARGUMENT",
    ),
    (400, "FAILED_PRECONDITION", "Please enable billing on your project.", [], errors.QuotaExceeded, "FAILED_PRECONDITION"),
    (400, "FAILED_PRECONDITION", "User location is not supported for the API use.", [], errors.BadRequest, "FAILED_PRECONDITION"),
    (400, "FAILED_PRECONDITION", "The File abc is not in an ACTIVE state.", [], errors.BadRequest, "FAILED_PRECONDITION"),
    (401, "UNAUTHENTICATED", "Request had invalid credentials.", [], errors.AuthenticationRejected, "UNAUTHENTICATED"),
    (403, "PERMISSION_DENIED", "not for you", [], errors.PermissionDenied, "PERMISSION_DENIED"),
    (403, "PERMISSION_DENIED", "not for you", [{"@type": INFO, "reason": "BILLING_DISABLED"}], errors.QuotaExceeded, "BILLING_DISABLED"),
    (404, "NOT_FOUND", "models/x is not found", [], errors.ModelNotFound, "NOT_FOUND"),
    (409, "ABORTED", "conflict", [], errors.Conflict, "ABORTED"),
    (413, "INVALID_ARGUMENT", "Request payload size exceeds the limit", [], errors.RequestTooLarge, "INVALID_ARGUMENT"),
    (429, "RESOURCE_EXHAUSTED", "Resource exhausted.", [], errors.RateLimited, "RESOURCE_EXHAUSTED"),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
        [{"violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10"}]}],
        errors.RateLimited,
        "RESOURCE_EXHAUSTED",
    ),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota.",
        [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "250"}]}],
        errors.QuotaExceeded,
        "RESOURCE_EXHAUSTED",
    ),
    (
        429,
        "RESOURCE_EXHAUSTED",
        "limit: 0",
        [{"violations": [{"quotaId": "X", "quotaValue": "0"}]}],
        errors.QuotaExceeded,
        "RESOURCE_EXHAUSTED",
    ),
    (500, "INTERNAL", "oops", [], errors.ServerError, "INTERNAL"),
    (503, "UNAVAILABLE", "The model is overloaded.", [], errors.Overloaded, "UNAVAILABLE"),
    (504, "DEADLINE_EXCEEDED", "slow", [], errors.ServerError, "DEADLINE_EXCEEDED"),
]


def complaint(status: int | None, word: str, words: str, details: list[Any] | None = None) -> dict[str, Any]:
    said: dict[str, Any] = {"message": words, "status": word}
    return {"error": said | ({} if status is None else {"code": status}) | ({"details": details} if details else {})}


@pytest.mark.parametrize(("status", "word", "words", "details", "expected", "code"), STATUSES)
@pytest.mark.parametrize("listed", [False, True])
def test_statuses(status: int, word: str, words: str, details: list[Any], expected: type[ProviderError], code: str, listed: bool) -> None:
    body: Any = complaint(status, word, words, details)
    with pytest.raises(ProviderError) as caught:
        decoded_whole([body] if listed else body, status=status)
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.code, error.provider_name) == (status, code, "gcp.gemini")
    assert words not in str(error)
    assert words in error.diagnostics()


@pytest.mark.parametrize(("status", "word", "words", "details", "expected", "code"), STATUSES)
@pytest.mark.parametrize("numbered", [False, True])
def test_errors_inside_answers(
    status: int, word: str, words: str, details: list[Any], expected: type[ProviderError], code: str, numbered: bool
) -> None:
    if status == 413 and not numbered:
        pytest.skip("only the number tells this one")
    body = complaint(status if numbered else None, word, words, details)
    before = answer(text("Hello"), finish=None)
    for caught_by in (
        lambda: decoded_whole(body, headers={"x-request-id": "r1"}),
        lambda: decoded(sse([before, body]), headers={"x-request-id": "r1"}),
        lambda: decoded(sse([before, [body]]), headers={"x-request-id": "r1"}),
    ):
        with pytest.raises(ProviderError) as caught:
            caught_by()
        assert type(caught.value) is expected
        assert (caught.value.status, caught.value.code, caught.value.request_id) == (200, code, "r1")


def test_the_wait_stands_in_a_detail() -> None:
    body = complaint(429, "RESOURCE_EXHAUSTED", "x", [{"violations": []}, RETRY, {"requestId": "abc-1"}])
    with pytest.raises(errors.RateLimited) as caught:
        decoded_whole(body, status=429)
    assert (caught.value.retry_after, caught.value.request_id) == (17.5, "abc-1")
    with pytest.raises(errors.RateLimited) as caught:
        decoded_whole(body, status=429, headers={"retry-after": "3"})
    assert caught.value.retry_after == 3.0


@pytest.mark.parametrize("delay", ["17", "-3s", "1e9s", "s", "", 8, None, {"seconds": 17}])
def test_a_wait_that_is_none(delay: object) -> None:
    with pytest.raises(errors.RateLimited) as caught:
        decoded_whole(complaint(429, "RESOURCE_EXHAUSTED", "x", [{"retryDelay": delay}]), status=429)
    assert caught.value.retry_after is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>busy</html>",
        b"[]",
        b"null",
        b'{"error": "busy"}',
        b'{"error": {"details": 7, "status": 7}}',
        b'{"error": {"details": [7, {"violations": [7]}]}}',
    ],
)
def test_an_error_without_the_apis_words(body: bytes) -> None:
    with pytest.raises(errors.Overloaded):
        decoded(body, status=503)


def test_an_error_as_a_stream() -> None:
    body = json.dumps(complaint(429, "RESOURCE_EXHAUSTED", "x")).encode()
    with pytest.raises(errors.RateLimited):
        decoded(b"data: " + body + b"\n\n", status=429)
