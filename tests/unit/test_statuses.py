"""From what a provider said to one error of the tree."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute import errors
from saferoute.providers.statuses import Complaint, complaint_in, provider_error, request_id, retry_after
from saferoute.values.http import Head


def _error(status: int, body: dict[str, Any] | None = None, **headers: str) -> errors.ProviderError:
    head = Head(status, {name.replace("_", "-"): value for name, value in headers.items()})
    return provider_error(head, complaint_in(body or {}), provider_name="openai")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (400, errors.BadRequest, False),
        (401, errors.AuthenticationRejected, False),
        (402, errors.QuotaExceeded, False),
        (403, errors.PermissionDenied, False),
        (404, errors.ModelNotFound, False),
        (410, errors.ModelNotFound, False),
        (405, errors.BadRequest, False),
        (408, errors.ServerError, True),
        (409, errors.Conflict, True),
        (413, errors.RequestTooLarge, False),
        (418, errors.BadRequest, False),
        (422, errors.BadRequest, False),
        (424, errors.ServerError, True),
        (429, errors.RateLimited, True),
        (498, errors.AuthenticationRejected, False),
        (500, errors.ServerError, True),
        (502, errors.ServerError, True),
        (503, errors.Overloaded, True),
        (504, errors.ServerError, True),
        (524, errors.ServerError, True),
        (529, errors.Overloaded, True),
    ],
)
def test_a_status_alone_decides(status: int, kind: type[errors.ProviderError], retryable: bool) -> None:
    error = _error(status)
    assert type(error) is kind
    assert error.status == status
    assert error.retryable is retryable


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (429, {"error": {"code": "insufficient_quota"}}, errors.QuotaExceeded),
        (429, {"error": {"type": "exceeded_current_quota_error"}}, errors.QuotaExceeded),
        (403, {"error": {"type": "billing_error"}}, errors.QuotaExceeded),
        (400, {"error": {"code": "context_length_exceeded"}}, errors.ContextWindowExceeded),
        (400, {"error": {"message": "This model's maximum context length is 8192 tokens."}}, errors.ContextWindowExceeded),
        (400, {"error": {"message": "prompt is too long: 210000 tokens > 200000 maximum"}}, errors.ContextWindowExceeded),
        (400, {"error": {"type": "exceed_context_size_error"}}, errors.ContextWindowExceeded),
        (400, {"error": {"type": "too_many_prompt_tokens", "code": 400}}, errors.ContextWindowExceeded),
        (400, {"error": {"message": "prompt too long; exceeded max context length by 7 tokens"}}, errors.ContextWindowExceeded),
        (413, {"error": {"message": "too many tokens in the prompt"}}, errors.ContextWindowExceeded),
        (500, {"error": {"message": "too many tokens"}}, errors.ServerError),
        (400, {"error": {"code": "content_filter"}}, errors.ContentFiltered),
        (400, {"error": {"code": "content_policy_violation"}}, errors.ContentFiltered),
        (403, {"error": {"code": 403, "message": "the model requires moderation, your input was flagged"}}, errors.ContentFiltered),
        (400, {"error": {"code": "API_KEY_INVALID"}}, errors.AuthenticationRejected),
        (400, {"error": {"code": "model_not_found"}}, errors.ModelNotFound),
        (404, {"error": {"code": "DeploymentNotFound"}}, errors.ModelNotFound),
        (400, {"error": {"code": "model_decommissioned", "message": "The model has been decommissioned"}}, errors.ModelNotFound),
        (400, {"error": {"code": "model_deprecated"}}, errors.ModelNotFound),
        (500, {"error": {"type": "overloaded_error"}}, errors.Overloaded),
        # an error inside a successful answer: words and numbers in the body decide
        (200, {"error": {"type": "overloaded_error"}}, errors.Overloaded),
        (200, {"error": {"type": "rate_limit_error"}}, errors.RateLimited),
        (200, {"error": {"code": 429, "message": "slow down"}}, errors.RateLimited),
        (200, {"error": {"code": 402}}, errors.QuotaExceeded),
        (200, {"error": {"code": "insufficient_quota"}}, errors.QuotaExceeded),
        (200, {"error": {"code": "context_length_exceeded"}}, errors.ContextWindowExceeded),
        (200, {"error": {"type": "invalid_request_error", "status_code": 400}}, errors.BadRequest),
        (200, {"error": {"type": "authentication_error"}}, errors.AuthenticationRejected),
        (200, {"error": {"type": "api_error"}}, errors.ServerError),
        (200, {"error": {"code": 7, "status": "UNAVAILABLE"}}, errors.ServerError),
        (200, {"error": "something broke"}, errors.ServerError),
    ],
)
def test_words_refine_the_status(status: int, body: dict[str, Any], kind: type[errors.ProviderError]) -> None:
    error = _error(status, body)
    assert type(error) is kind
    assert error.status == status


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"error": {"message": "m", "type": "t", "param": "p", "code": "c"}}, Complaint("c", "t", "p", "m")),
        ({"error": {"message": "m", "code": 404}}, Complaint("404", None, None, "m", 404)),
        ({"error": "m"}, Complaint(message="m")),
        ({"error": "Bad Request", "message": "m"}, Complaint(message="m")),
        ({"message": "m", "type": "t", "code": 400, "object": "error"}, Complaint("400", "t", None, "m", 400)),
        ({"detail": "m"}, Complaint(message="m")),
        ({"detail": [{"loc": ["body"], "msg": "m"}]}, Complaint(message="[{'loc': ['body'], 'msg': 'm'}]")),
        ({"type": "error", "error": {"type": "t", "message": "m"}, "request_id": "r"}, Complaint(None, "t", None, "m")),
        ({"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}, Complaint("400", "INVALID_ARGUMENT", None, "m", 400)),
        ({"error": {"code": True, "param": 7, "type": ""}}, Complaint()),
        ({"error": None}, Complaint()),
        ({}, Complaint()),
    ],
)
def test_every_shape_of_an_error_body_is_read(body: dict[str, Any], said: Complaint) -> None:
    assert complaint_in(body) == said


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"x-ms-retry-after-ms": "500", "retry-after": "9"}, 0.5),
        ({"retry-after-ms": "x", "retry-after": "9"}, 9.0),
        ({"retry-after": "Sun, 22 Nov 2026 21:31:10 GMT", "date": "Sun, 22 Nov 2026 21:30:00 GMT"}, 70.0),
        ({"retry-after": "Mon, 01 Mar 2027 00:00:05 GMT", "date": "Sun, 28 Feb 2027 23:59:55 GMT"}, 10.0),
        ({"retry-after": "Sun, 22 Nov 2026 21:29:00 GMT", "date": "Sun, 22 Nov 2026 21:30:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 21:31:10 GMT"}, None),
        ({"retry-after": "Sun, 22 Foo 2026 21:31:10 GMT", "date": "Sun, 22 Nov 2026 21:30:00 GMT"}, None),
        ({"retry-after": "Sun, 32 Nov 2026 21:31:10 GMT", "date": "Sun, 22 Nov 2026 21:30:00 GMT"}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_x_should_retry_overrides_the_status() -> None:
    assert _error(429, x_should_retry="false").retryable is False
    assert _error(400, x_should_retry="True").retryable is True
    assert _error(500, x_should_retry="perhaps").retryable is True


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({"x-request-id": "req_1"}, "req_1"),
        ({"request-id": "req_2"}, "req_2"),
        ({"x-request-id": "req_1", "request-id": "req_2"}, "req_1"),
        ({"x-request-id": "a b"}, None),
        ({"x-request-id": "a" * 200}, None),
        ({}, None),
    ],
)
def test_request_id(headers: dict[str, str], found: str | None) -> None:
    assert request_id(headers) == found


@pytest.mark.parametrize(
    "word", ["context_length_exceeded", "messages[0].content", "tools[0].function.parameters", "DeploymentNotFound", "model-not-found"]
)
def test_machine_words_are_shown(word: str) -> None:
    error = _error(400, {"error": {"code": word, "param": word}})
    assert (error.code, error.param) == (word, word)
    assert word in str(error)


def test_a_word_is_preferred_to_a_number() -> None:
    assert _error(400, {"error": {"code": 400, "type": "exceed_context_size_error"}}).code == "exceed_context_size_error"
    assert _error(400, {"error": {"code": 400}}).code == "400"
