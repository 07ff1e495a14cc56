"""What Mistral answers when it fails: the class, whether to try again, after how long, and never its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute import errors
from tests.unit.dialect_cases import MISTRAL, SSE, decoded, decoded_whole, sse

WORDS = "the provider's own words about the prompt"
IDS = {"mistral-correlation-id": "corr_1"}


def _said(code: str | int | None = None, kind: str | None = None) -> dict[str, Any]:
    return {"object": "error", "message": WORDS, "type": kind, "param": None, "code": code}


DATE = {"retry-after": "Sun, 06 Nov 1994 08:49:39 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}
FAILURES: list[tuple[str, int, object, dict[str, str], type[errors.ProviderError], bool, float | None]] = [
    ("bad request", 400, _said("3051", "invalid_request_message_order"), {}, errors.BadRequest, False, None),
    ("context overflow", 400, _said() | {"message": "Prompt is too long"}, {}, errors.ContextWindowExceeded, False, None),
    ("wrong key", 401, {"detail": "Unauthorized"}, {}, errors.AuthenticationRejected, False, None),
    ("no balance", 402, _said(), {}, errors.QuotaExceeded, False, None),
    ("no permission", 403, _said(), {}, errors.PermissionDenied, False, None),
    ("unknown model", 404, _said(), {}, errors.ModelNotFound, False, None),
    ("unknown model, told as a bad request", 400, _said("model_not_found", "invalid_model"), {}, errors.ModelNotFound, False, None),
    ("too large", 413, "<html>413</html>", {}, errors.RequestTooLarge, False, None),
    (
        "unprocessable",
        422,
        {"detail": [{"loc": ["body", "n"], "msg": WORDS, "type": "extra_forbidden"}]},
        {},
        errors.BadRequest,
        False,
        None,
    ),
    ("429, plain", 429, _said("1300", "rate_limited"), {}, errors.RateLimited, True, None),
    ("429, seconds", 429, _said(), {"retry-after": "7"}, errors.RateLimited, True, 7.0),
    ("429, a date", 429, _said(), DATE, errors.RateLimited, True, 2.0),
    ("429, milliseconds", 429, _said(), {"retry-after-ms": "1500"}, errors.RateLimited, True, 1.5),
    ("429, quota", 429, _said(None, "insufficient_quota"), {}, errors.QuotaExceeded, False, None),
    ("500", 500, _said(), {}, errors.ServerError, True, None),
    ("503", 503, "no upstream", {"retry-after": "3"}, errors.Overloaded, True, 3.0),
    ("529", 529, "", {}, errors.Overloaded, True, None),
]


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "again", "after"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_failures(
    status: int, body: object, headers: dict[str, str], kind: type[errors.ProviderError], again: bool, after: float | None
) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded_whole(MISTRAL, body, status=status, headers=IDS | headers)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.retry_after) == (status, again, after)
    assert (error.request_id, error.provider_name) == ("corr_1", "mistral_ai")
    assert WORDS not in str(error) + repr(error)


def test_the_requests_id_may_stand_in_the_body() -> None:
    with pytest.raises(errors.ServerError) as caught:
        decoded_whole(MISTRAL, {"message": WORDS, "request_id": "body_1"}, status=500)
    assert caught.value.request_id == "body_1"


IN_BAND: list[tuple[dict[str, Any], type[errors.ProviderError]]] = [
    (_said(None, "rate_limit_error"), errors.RateLimited),
    (_said(503), errors.Overloaded),
    ({"error": {"message": WORDS, "code": "context_length_exceeded"}}, errors.ContextWindowExceeded),
    ({"error": WORDS}, errors.ServerError),
    ({"detail": [{"msg": WORDS}]}, errors.ServerError),
]


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize(("body", "kind"), IN_BAND)
def test_errors_inside_an_answer_of_200(body: dict[str, Any], kind: type[errors.ProviderError], before: int) -> None:
    """As the whole body, as the first event, right after the start, and after some text."""
    start = {"id": "r1", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    text = {"id": "r1", "model": "m", "choices": [{"index": 0, "delta": {"content": "He"}}]}
    with pytest.raises(errors.ProviderError) as caught:
        decoded(MISTRAL, sse([*[start, text][:before], body]), kind=SSE, headers={"x-request-id": "req_1"})
    found = [caught.value]
    if not before:
        with pytest.raises(errors.ProviderError) as caught:
            decoded(MISTRAL, json.dumps(body).encode(), kind="application/json", headers={"x-request-id": "req_1"})
        found.append(caught.value)
    for error in found:
        assert type(error) is kind
        assert (error.status, error.request_id) == (200, "req_1")
        assert WORDS not in str(error) + repr(error)
