"""Errors of the Messages API: by status, and inside successful answers."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from saferoute import errors
from saferoute.errors import ProviderError
from tests.unit.anthropic_cases import decoded, decoded_whole, events_of, message, sse, text

# status, the API's type, words; the error, whether it may be tried again
STATUSES: list[tuple[int, str, str, type[ProviderError], bool]] = [
    (400, "invalid_request_error", "messages: field required", errors.BadRequest, False),
    (400, "invalid_request_error", "prompt is too long: 210000 tokens > 200000 maximum", errors.ContextWindowExceeded, False),
    (401, "authentication_error", "invalid x-api-key", errors.AuthenticationRejected, False),
    (402, "billing_error", "top up first", errors.QuotaExceeded, False),
    (403, "permission_error", "not for you", errors.PermissionDenied, False),
    (404, "not_found_error", "model: x", errors.ModelNotFound, False),
    (408, "timeout_error", "slow", errors.ServerError, True),
    (409, "invalid_request_error", "conflict", errors.Conflict, True),
    (413, "request_too_large", "too big", errors.RequestTooLarge, False),
    (422, "invalid_request_error", "not like that", errors.BadRequest, False),
    (429, "rate_limit_error", "slow down", errors.RateLimited, True),
    (500, "api_error", "oops", errors.ServerError, True),
    (503, "api_error", "away", errors.Overloaded, True),
    (504, "timeout_error", "slow", errors.ServerError, True),
    (529, "overloaded_error", "busy", errors.Overloaded, True),
]


def complaint(kind: str, words: str, **fields: object) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": words} | fields, "request_id": "req_body"}


@pytest.mark.parametrize(("status", "kind", "words", "expected", "retryable"), STATUSES)
def test_statuses(status: int, kind: str, words: str, expected: type[ProviderError], retryable: bool) -> None:
    with pytest.raises(ProviderError) as caught:
        decoded_whole(complaint(kind, words), status=status, headers={"request-id": "req_head", "retry-after": "3"})
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.code, error.request_id, error.retry_after) == (status, kind, "req_head", 3.0)
    assert error.retryable is retryable
    assert error.provider_name == "anthropic"
    assert words not in str(error)
    assert words in error.diagnostics()
    assert type(pickle.loads(pickle.dumps(error))) is expected


def test_the_request_id_of_the_body_stands_in_for_the_header() -> None:
    with pytest.raises(errors.Overloaded) as caught:
        decoded_whole(complaint("overloaded_error", "x"), status=529)
    assert caught.value.request_id == "req_body"


def test_a_detailed_code_is_the_code() -> None:
    with pytest.raises(errors.BadRequest) as caught:
        decoded_whole(complaint("invalid_request_error", "x", details={"error_code": "available_tools_limit_exceeded"}), status=400)
    assert caught.value.code == "available_tools_limit_exceeded"


@pytest.mark.parametrize(
    "body", [b"", b"<html>busy</html>", b"[]", b"null", b'{"error": "busy"}', b'{"error": {"details": 7}, "request_id": 7}']
)
def test_an_error_without_the_apis_words(body: bytes) -> None:
    with pytest.raises(errors.Overloaded) as caught:
        decoded(body, status=529)
    assert caught.value.request_id is None


IN_BAND: dict[str, type[ProviderError]] = {
    "overloaded_error": errors.Overloaded,
    "rate_limit_error": errors.RateLimited,
    "api_error": errors.ServerError,
    "timeout_error": errors.ServerError,
    "invalid_request_error": errors.BadRequest,
    "authentication_error": errors.AuthenticationRejected,
    "permission_error": errors.PermissionDenied,
    "not_found_error": errors.ModelNotFound,
    "billing_error": errors.QuotaExceeded,
    "something_new": errors.ServerError,
}


@pytest.mark.parametrize("kind", IN_BAND)
@pytest.mark.parametrize("before", [0, 1, 4])
def test_errors_inside_a_stream(kind: str, before: int) -> None:
    events = events_of(message(text("Hello, world")))[:before]
    with pytest.raises(ProviderError) as caught:
        decoded(sse([*events, complaint(kind, "words")]))
    assert type(caught.value) is IN_BAND[kind]
    assert (caught.value.status, caught.value.request_id, caught.value.code) == (200, "req_body", kind)


@pytest.mark.parametrize("kind", IN_BAND)
def test_errors_inside_a_body(kind: str) -> None:
    for body in (complaint(kind, "words"), {"error": {"type": kind, "message": "words"}}):
        with pytest.raises(ProviderError) as caught:
            decoded_whole(body)
        assert type(caught.value) is IN_BAND[kind]


def test_an_error_of_the_local_server() -> None:
    body = json.dumps(
        {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}}
    )
    with pytest.raises(errors.ContextWindowExceeded):
        decoded(body.encode(), status=400)


# ---------------------------------------------------------------------------------------------------- vectors for what recordings lack

DATES = {"date": "Sun, 22 Nov 2026 12:00:00 GMT", "retry-after": "Sun, 22 Nov 2026 12:00:20 GMT"}
# status, headers, the API's type and words; the error, whether it may be tried again, after how many seconds
VECTORS: dict[str, tuple[int, dict[str, str], str, str, type[ProviderError], bool, float | None]] = {
    "413": (413, {}, "request_too_large", "Request exceeds the maximum size", errors.RequestTooLarge, False, None),
    "429 plain": (429, {}, "rate_limit_error", "Number of requests has exceeded", errors.RateLimited, True, None),
    "429 in seconds": (429, {"retry-after": "12"}, "rate_limit_error", "slow down", errors.RateLimited, True, 12.0),
    "429 by date": (429, DATES, "rate_limit_error", "slow down", errors.RateLimited, True, 20.0),
    "429 in milliseconds": (
        429,
        {"retry-after-ms": "250", "retry-after": "12"},
        "rate_limit_error",
        "slow down",
        errors.RateLimited,
        True,
        0.25,
    ),
    "429 of a quota": (429, {"retry-after": "12"}, "billing_error", "no more", errors.QuotaExceeded, False, 12.0),
    "429 that says no": (429, {"x-should-retry": "false"}, "rate_limit_error", "slow down", errors.RateLimited, False, None),
    "402": (402, {}, "billing_error", "top up first", errors.QuotaExceeded, False, None),
    "400 without credit": (
        400,
        {},
        "invalid_request_error",
        "Your credit balance is too low to access the API",
        errors.QuotaExceeded,
        False,
        None,
    ),
    "500": (500, {"retry-after": "1"}, "api_error", "Internal server error", errors.ServerError, True, 1.0),
    "503": (503, {}, "api_error", "away", errors.Overloaded, True, None),
    "529": (529, {"x-should-retry": "true"}, "overloaded_error", "Overloaded", errors.Overloaded, True, None),
    "context, by the prompt": (
        400,
        {},
        "invalid_request_error",
        "prompt is too long: 210000 tokens > 200000 maximum",
        errors.ContextWindowExceeded,
        False,
        None,
    ),
    "context, by both": (
        400,
        {},
        "invalid_request_error",
        "input length and `max_tokens` exceed context limit: 198000 + 20000 > 200000, decrease input length or `max_tokens` and try again",
        errors.ContextWindowExceeded,
        False,
        None,
    ),
    "content filter": (
        400,
        {},
        "invalid_request_error",
        "Output blocked by content filtering policy",
        errors.ContentFiltered,
        False,
        None,
    ),
    "a model that is gone": (404, {}, "not_found_error", "model: claude-2.1", errors.ModelNotFound, False, None),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    status, headers, kind, words, expected, retryable, after = VECTORS[name]
    with pytest.raises(ProviderError) as caught:
        decoded_whole(complaint(kind, words), status=status, headers=headers)
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.code, error.request_id) == (status, kind, "req_body")
    assert (error.retryable, error.retry_after) == (retryable, after)
    assert words not in str(error)
    assert words in error.diagnostics()


# The words of a text count where the API says nothing more exact.
@pytest.mark.parametrize("kind", ["rate_limit_error", "api_error", "authentication_error"])
def test_words_refine_invalid_requests_only(kind: str) -> None:
    with pytest.raises(ProviderError) as caught:
        decoded_whole(complaint(kind, "credit balance is too low; blocked by content filter"), status=400)
    assert not isinstance(caught.value, errors.QuotaExceeded | errors.ContentFiltered)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", ["400 without credit", "context, by the prompt", "context, by both", "content filter"])
def test_the_same_words_inside_an_answer(name: str, streamed: bool) -> None:
    _, _, kind, words, expected, retryable, _ = VECTORS[name]
    with pytest.raises(ProviderError) as caught:
        if streamed:
            decoded(sse([*events_of(message(text("Hello, world")))[:4], complaint(kind, words)]), headers={"request-id": "req_head"})
        else:
            decoded_whole(complaint(kind, words), headers={"request-id": "req_head"})
    assert type(caught.value) is expected
    assert caught.value.retryable is retryable
    assert caught.value.status == 200
    assert words not in str(caught.value)


def test_a_detailed_code_stays_beside_refining_words() -> None:
    body = complaint("invalid_request_error", "Your credit balance is too low", details={"error_code": "credit_limit"})
    with pytest.raises(errors.QuotaExceeded) as caught:
        decoded_whole(body, status=400)
    assert caught.value.code == "credit_limit"


# What stands in front of the API in a cloud answers in its own words.
CLOUDS: dict[str, tuple[int, object, type[ProviderError]]] = {
    "Google, too many": (429, [{"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "details": [{}]}}], errors.RateLimited),
    "Google, no token": (401, {"error": {"code": 401, "status": "UNAUTHENTICATED", "message": "words"}}, errors.AuthenticationRejected),
    "Google, no model": (404, {"error": {"code": 404, "status": "NOT_FOUND", "message": "words"}}, errors.ModelNotFound),
    "Azure, no deployment": (404, {"error": {"code": "DeploymentNotFound", "message": "words"}}, errors.ModelNotFound),
    "Azure, too many": (429, {"error": {"code": "429", "message": "words"}}, errors.RateLimited),
}


@pytest.mark.parametrize("name", CLOUDS)
def test_errors_of_a_clouds_door(name: str) -> None:
    status, body, expected = CLOUDS[name]
    with pytest.raises(ProviderError) as caught:
        decoded_whole(body, status=status)
    assert type(caught.value) is expected
    assert "words" not in str(caught.value)
