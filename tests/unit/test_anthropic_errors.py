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
