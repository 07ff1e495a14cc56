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


# ---------------------------------------------------------------------------------------------------- what may be tried again

SECRET = "my secret prompt"
DATE = {"date": "Sun, 22 Nov 2026 10:00:00 GMT"}
PER_DAY = [{"violations": [{"quotaId": "GenerateRequestsPerDayPerProject", "quotaValue": "250"}]}, RETRY]
# status, the API's word, details, headers; the error, retryable, retry_after
VECTORS: dict[str, tuple[int, str, list[Any], dict[str, str], type[ProviderError], bool, float | None]] = {
    "400": (400, "INVALID_ARGUMENT", [], {}, errors.BadRequest, False, None),
    "400 location": (400, "FAILED_PRECONDITION", [], {}, errors.QuotaExceeded, False, None),
    "401": (401, "UNAUTHENTICATED", [], {}, errors.AuthenticationRejected, False, None),
    "403": (403, "PERMISSION_DENIED", [], {}, errors.PermissionDenied, False, None),
    "404": (404, "NOT_FOUND", [], {}, errors.ModelNotFound, False, None),
    "408": (408, "", [], {}, errors.ServerError, True, None),
    "409": (409, "ABORTED", [], {}, errors.Conflict, True, None),
    "413": (413, "INVALID_ARGUMENT", [], {}, errors.RequestTooLarge, False, None),
    "429": (429, "RESOURCE_EXHAUSTED", [], {}, errors.RateLimited, True, None),
    "429 with a detail": (429, "RESOURCE_EXHAUSTED", [RETRY], {}, errors.RateLimited, True, 17.5),
    "429 with seconds": (429, "RESOURCE_EXHAUSTED", [], {"retry-after": "7"}, errors.RateLimited, True, 7.0),
    "429 with a date": (429, "RESOURCE_EXHAUSTED", [], DATE | {"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, errors.RateLimited, True, 30.0),
    "429 with milliseconds": (429, "RESOURCE_EXHAUSTED", [RETRY], {"retry-after-ms": "1500"}, errors.RateLimited, True, 1.5),
    "429 quota": (429, "RESOURCE_EXHAUSTED", PER_DAY, {}, errors.QuotaExceeded, False, 17.5),
    "500": (500, "INTERNAL", [], {}, errors.ServerError, True, None),
    "503": (503, "UNAVAILABLE", [], {}, errors.Overloaded, True, None),
    "504": (504, "DEADLINE_EXCEEDED", [], {}, errors.ServerError, True, None),
    "529": (529, "", [], {}, errors.Overloaded, True, None),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
@pytest.mark.parametrize("place", ["status", "right after the start", "after text"])
def test_vectors(name: str, place: str) -> None:
    status, word, details, headers, kind, retryable, wait = VECTORS[name]
    body = complaint(status, word, SECRET, details)
    headers = headers | {"x-request-id": "r1"}
    with pytest.raises(ProviderError) as caught:
        if place == "status":
            decoded_whole(body, status=status, headers=headers)
        elif place == "right after the start":
            decoded(sse([answer(finish=None), body]), headers=headers)
        else:
            decoded(sse([answer(text("Hello"), finish=None), body]), headers=headers)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.request_id) == (status if place == "status" else 200, retryable, "r1")
    assert place != "status" or error.retry_after == wait
    assert SECRET not in str(error) + repr(error)
    assert SECRET in error.diagnostics()


def test_a_deprecated_model_is_not_found() -> None:
    said = "models/gemini-1.0-pro is not found for API version v1beta, or is not supported for generateContent."
    with pytest.raises(errors.ModelNotFound) as caught:
        decoded_whole(complaint(404, "NOT_FOUND", said), status=404)
    assert not caught.value.retryable
