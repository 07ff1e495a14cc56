"""Errors of Responses as vectors: statuses that recordings lack, waits in all their forms, errors inside answers, and what they tell."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute import errors
from saferoute.errors import ProviderError
from saferoute.providers.decoder import Decoder
from saferoute.providers.openai_responses import OpenAIResponses
from saferoute.values.http import Head
from tests.unit.openai_responses_cases import TARGET, as_events, message, response, sse

Json = dict[str, Any]
SECRET = "my secret prompt"
DATE = {"date": "Sun, 22 Nov 2026 10:00:00 GMT"}


def failed(data: bytes, status: int = 200, headers: dict[str, str] | None = None, kind: str = "application/json") -> ProviderError:
    """The error that an answer is; what came before it has been delivered."""
    decoder = Decoder(OpenAIResponses().reader(TARGET), TARGET.provider_name)
    decoder.head(Head(status, {"content-type": kind, "x-request-id": "req_1"} | (headers or {})))
    with pytest.raises(ProviderError) as caught:
        for at in range(0, len(data), 50):
            decoder.feed(data[at : at + 50])
        decoder.close()
    error = caught.value
    assert SECRET not in str(error) + repr(error)
    assert len(str(error)) < 400
    return error


def said(code: str | None = None, kind: str | None = "invalid_request_error", **more: Any) -> bytes:
    return json.dumps({"error": {"message": SECRET, "type": kind, "param": None, "code": code, **more}}).encode()


# status, body, headers; the error, retryable, retry_after
VECTORS: dict[str, tuple[int, bytes, dict[str, str], type[ProviderError], bool, float | None]] = {
    "400": (400, said("unsupported_value"), {}, errors.BadRequest, False, None),
    "400 unknown parameter": (400, said("unknown_parameter"), {}, errors.BadRequest, False, None),
    "400 context overflow": (400, said("context_length_exceeded"), {}, errors.ContextWindowExceeded, False, None),
    "400 context overflow in words": (400, said(message="This model's maximum context length is 8 tokens"), {}, errors.ContextWindowExceeded, False, None),
    "400 content filter of Azure": (
        400,
        said("content_filter", None, param="prompt", status=400, innererror={"code": "ResponsibleAIPolicyViolation"}),
        {},
        errors.ContentFiltered,
        False,
        None,
    ),
    "400 policy": (400, said("misalignment_policy_violation"), {}, errors.ContentFiltered, False, None),
    "401": (401, said("invalid_api_key"), {}, errors.AuthenticationRejected, False, None),
    "401 of Azure's gateway": (401, json.dumps({"statusCode": 401, "message": SECRET}).encode(), {}, errors.AuthenticationRejected, False, None),
    "402": (402, said(), {}, errors.QuotaExceeded, False, None),
    "403": (403, said("unsupported_country_region_territory", "request_forbidden"), {}, errors.PermissionDenied, False, None),
    "404 unknown model": (404, said("model_not_found"), {}, errors.ModelNotFound, False, None),
    "404 deprecated model": (404, said("model_not_found", message="The model `gpt-4-vision-preview` has been deprecated"), {}, errors.ModelNotFound, False, None),
    "404 unknown deployment": (404, json.dumps({"error": {"code": "DeploymentNotFound", "message": SECRET}}).encode(), {}, errors.ModelNotFound, False, None),
    "409": (409, said(), {}, errors.Conflict, True, None),
    "413": (413, said(), {}, errors.RequestTooLarge, False, None),
    "413 of a gateway": (413, b"<html>" + SECRET.encode(), {}, errors.RequestTooLarge, False, None),
    "422": (422, json.dumps({"detail": [{"loc": ["body"], "msg": SECRET}]}).encode(), {}, errors.BadRequest, False, None),
    "429": (429, said("rate_limit_exceeded", "requests"), {}, errors.RateLimited, True, None),
    "429 with seconds": (429, said("rate_limit_exceeded", "tokens"), {"retry-after": "7"}, errors.RateLimited, True, 7.0),
    "429 with a date": (429, said(), DATE | {"retry-after": "Sun, 22 Nov 2026 10:00:30 GMT"}, errors.RateLimited, True, 30.0),
    "429 with milliseconds": (429, said(), {"retry-after-ms": "1500", "retry-after": "2"}, errors.RateLimited, True, 1.5),
    "429 with Azure's milliseconds": (429, said("429", None), {"x-ms-retry-after-ms": "250"}, errors.RateLimited, True, 0.25),
    "429 quota": (429, said("insufficient_quota", "insufficient_quota"), {"retry-after": "7"}, errors.QuotaExceeded, False, 7.0),
    "429 not to be tried again": (429, said(), {"x-should-retry": "false"}, errors.RateLimited, False, None),
    "500": (500, said("server_error", "server_error"), {}, errors.ServerError, True, None),
    "500 not to be tried again": (500, said(), {"x-should-retry": "false"}, errors.ServerError, False, None),
    "502": (502, b"<html>bad gateway</html>", {}, errors.ServerError, True, None),
    "503": (503, said("server_overloaded", "service_unavailable"), {"retry-after": "3"}, errors.Overloaded, True, 3.0),
    "503 while llama.cpp loads": (503, json.dumps({"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}).encode(), {}, errors.Overloaded, True, None),
    "504": (504, b"", {}, errors.ServerError, True, None),
    "529": (529, said("overloaded"), {}, errors.Overloaded, True, None),
}  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_statuses(name: str) -> None:
    status, body, headers, kind, retryable, wait = VECTORS[name]
    for content_type in ("application/json", "text/event-stream"):
        error = failed(body, status, headers, content_type)
        assert type(error) is kind
        assert (error.status, error.retryable, error.retry_after) == (status, retryable, wait)
        assert (error.request_id, error.provider_name) == ("req_1", "openai")
    if SECRET.encode() in body and body.startswith(b"{"):
        assert SECRET in error.diagnostics()


def test_what_an_error_says_of_itself() -> None:
    error = failed(said("unsupported_value", param="reasoning.effort"), 400)
    assert (error.code, error.param) == ("unsupported_value", "reasoning.effort")
    assert "openai answered 400, code unsupported_value, param reasoning.effort, request id req_1" in str(error)


def test_azures_id_of_the_exchange() -> None:
    decoder = Decoder(OpenAIResponses().reader(TARGET), "azure")
    decoder.head(Head(500, {"content-type": "application/json", "apim-request-id": "a-1"}))
    decoder.feed(said())
    with pytest.raises(ProviderError) as caught:
        decoder.close()
    assert caught.value.request_id == "a-1"


# code; the error, retryable
INSIDE: dict[str, tuple[type[ProviderError], bool]] = {
    "server_error": (errors.ServerError, True),
    "rate_limit_exceeded": (errors.RateLimited, True),
    "insufficient_quota": (errors.QuotaExceeded, False),
    "context_length_exceeded": (errors.ContextWindowExceeded, False),
    "overloaded": (errors.Overloaded, True),
    "server_is_overloaded": (errors.ServerError, True),
    "invalid_prompt": (errors.BadRequest, False),
    "bio_policy": (errors.ContentFiltered, False),
    "content_filter": (errors.ContentFiltered, False),
    "invalid_base64_image": (errors.BadRequest, False),
    "vector_store_timeout": (errors.ServerError, True),
    "a_word_of_tomorrow": (errors.ServerError, True),
}
BEGUN = as_events(response(message("Hello")))
BEFORE = {"right after the start": BEGUN[:2], "after text": BEGUN[:6], "before anything": []}


@pytest.mark.parametrize("code", INSIDE)
@pytest.mark.parametrize("before", BEFORE)
def test_errors_inside_a_stream(before: str, code: str) -> None:
    inner = {"code": code, "message": SECRET, "param": None}
    forms: list[Json] = [
        {"type": "error", "sequence_number": 9, **inner},
        {"type": "error", "error": {"type": "x", **inner}},
        {"type": "response.failed", "response": response(status="failed", error=inner)},
        {"type": "response.completed", "response": response(status="failed", error=inner)},
    ]
    for form in forms:
        error = failed(sse([*BEFORE[before], form]), kind="text/event-stream")
        assert (type(error), error.retryable) == INSIDE[code]
        assert (error.status, error.code, error.request_id) == (200, code, "req_1")


@pytest.mark.parametrize("code", INSIDE)
def test_errors_inside_a_whole_answer(code: str) -> None:
    for body in (
        response(message("Hel"), status="failed", error={"code": code, "message": SECRET}),
        {"error": {"code": code, "message": SECRET}},
    ):
        error = failed(json.dumps(body).encode())
        assert (type(error), error.retryable) == INSIDE[code]
        assert (error.status, error.code, error.request_id) == (200, code, "req_1")


@pytest.mark.parametrize(
    "body",
    [{"error": SECRET}, {"message": SECRET}, {"detail": SECRET}, {"error": {"message": SECRET, "code": 502}}, {"error": {"code": "x"}}],
)
def test_an_error_of_some_server_on_the_way_inside_a_successful_answer(body: Json) -> None:
    assert type(failed(json.dumps(body).encode())) is errors.ServerError
