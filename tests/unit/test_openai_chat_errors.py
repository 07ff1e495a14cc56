"""What servers of Chat Completions answer when they fail: the class, whether to try again, after how long, and never their words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute import errors
from saferoute.providers.decoder import Decoder
from saferoute.providers.openai_chat import OpenAIChat
from saferoute.values.http import Head, NetClass
from saferoute.values.target import Target

TARGET = Target("t", "openai", "openai_chat", "https://api.example.com", "/v1", NetClass(), "m-1", None, "none")
WORDS = "the provider's own words about the prompt"


def _answer(status: int, body: object, headers: dict[str, str] | None = None) -> errors.SaferouteError:
    """What an answer amounts to; a text is a body as it stands."""
    decoder = Decoder(OpenAIChat().reader(TARGET), TARGET.provider_name)
    decoder.head(Head(status, {"content-type": "application/json", "x-request-id": "req_1"} | (headers or {})))
    try:
        decoder.feed(body.encode() if isinstance(body, str) else json.dumps(body).encode())
        decoder.close()
    except errors.SaferouteError as error:
        return error
    pytest.fail("this answer must be an error")


def _said(code: str | int | None = None, kind: str | None = None, **more: Any) -> dict[str, Any]:
    return {"error": {"message": WORDS, "type": kind, "param": None, "code": code, **more}}


DATE = {"retry-after": "Sun, 06 Nov 1994 08:49:39 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}
FAILURES: list[tuple[str, int, object, dict[str, str], type[errors.ProviderError], bool, float | None]] = [
    ("bad request", 400, _said("invalid_value", "invalid_request_error"), {}, errors.BadRequest, False, None),
    ("unsupported parameter", 400, _said("unsupported_parameter"), {}, errors.BadRequest, False, None),
    ("context overflow", 400, _said("context_length_exceeded"), {}, errors.ContextWindowExceeded, False, None),
    (
        "context overflow of a local server",
        400,
        {"error": {"code": 400, "message": "the request exceeds the available context size", "type": "exceed_context_size_error"}},
        {},
        errors.ContextWindowExceeded,
        False,
        None,
    ),
    ("context overflow in words", 400, {"error": "maximum context length is 8 tokens"}, {}, errors.ContextWindowExceeded, False, None),
    (
        "content filter of Azure",
        400,
        _said("content_filter", status=400, innererror={"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}),
        {},
        errors.ContentFiltered,
        False,
        None,
    ),
    ("content policy", 400, _said("content_policy_violation"), {}, errors.ContentFiltered, False, None),
    ("moderation of OpenRouter", 403, {"error": {"code": 403, "message": "input flagged"}}, {}, errors.ContentFiltered, False, None),
    ("a tool call that failed", 400, _said("tool_use_failed", failed_generation=WORDS), {}, errors.BadRequest, False, None),
    ("wrong key", 401, _said("invalid_api_key"), {}, errors.AuthenticationRejected, False, None),
    ("wrong key at a gateway", 401, {"statusCode": 401, "message": WORDS}, {}, errors.AuthenticationRejected, False, None),
    ("wrong key as Azure says it", 401, {"error": {"code": "401", "message": WORDS}}, {}, errors.AuthenticationRejected, False, None),
    ("no balance", 402, {"error": {"message": WORDS}}, {}, errors.QuotaExceeded, False, None),
    ("no permission", 403, _said(), {}, errors.PermissionDenied, False, None),
    ("unknown model", 404, _said("model_not_found"), {}, errors.ModelNotFound, False, None),
    ("model that was switched off", 400, _said("model_not_found"), {}, errors.ModelNotFound, False, None),
    ("unknown deployment", 404, {"error": {"code": "DeploymentNotFound", "message": WORDS}}, {}, errors.ModelNotFound, False, None),
    ("conflict", 409, _said(), {}, errors.Conflict, True, None),
    ("too large", 413, _said(), {}, errors.RequestTooLarge, False, None),
    ("too large for a proxy", 413, "<html><h1>413 Request Entity Too Large</h1></html>", {}, errors.RequestTooLarge, False, None),
    ("unprocessable", 422, {"detail": [{"loc": ["body"], "msg": WORDS}]}, {}, errors.BadRequest, False, None),
    ("429, plain", 429, _said("rate_limit_exceeded"), {}, errors.RateLimited, True, None),
    ("429, seconds", 429, _said("rate_limit_exceeded"), {"retry-after": "7"}, errors.RateLimited, True, 7.0),
    ("429, a date", 429, _said("rate_limit_exceeded"), DATE, errors.RateLimited, True, 2.0),
    ("429, milliseconds", 429, _said(), {"retry-after-ms": "1500", "retry-after": "9"}, errors.RateLimited, True, 1.5),
    ("429, milliseconds of Azure", 429, _said(), {"x-ms-retry-after-ms": "250", "retry-after": "1"}, errors.RateLimited, True, 0.25),
    ("429, quota", 429, _said("insufficient_quota", "insufficient_quota"), {}, errors.QuotaExceeded, False, None),
    ("429, balance of Moonshot", 429, _said(None, "exceeded_current_quota_error"), {}, errors.QuotaExceeded, False, None),
    ("429, not to be tried again", 429, _said(), {"x-should-retry": "false"}, errors.RateLimited, False, None),
    ("500", 500, _said("server_error", "server_error"), {}, errors.ServerError, True, None),
    ("502 in HTML", 502, "<html>Bad gateway</html>", {"content-type": "text/html"}, errors.ServerError, True, None),
    ("503", 503, _said(), {"retry-after": "3"}, errors.Overloaded, True, 3.0),
    ("503 while a model loads", 503, {"error": {"code": 503, "message": "Loading model"}}, {}, errors.Overloaded, True, None),
    ("529", 529, "", {}, errors.Overloaded, True, None),
    ("an event as the answer", 429, f"data: {json.dumps(_said('rate_limit_exceeded'))}\n\n", {}, errors.RateLimited, True, None),
]


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "again", "after"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_failures(
    status: int, body: object, headers: dict[str, str], kind: type[errors.ProviderError], again: bool, after: float | None
) -> None:
    error = _answer(status, body, headers)
    assert type(error) is kind
    assert isinstance(error, errors.ProviderError)
    assert (error.status, error.retryable, error.retry_after) == (status, again, after)
    assert (error.request_id, error.provider_name) == ("req_1", "openai")
    assert WORDS not in str(error) + repr(error)


IN_BAND: list[tuple[str, dict[str, Any], type[errors.ProviderError]]] = [
    ("a number", {"error": {"code": 502, "message": WORDS}}, errors.ServerError),
    ("rate limit", _said("rate_limit_exceeded"), errors.RateLimited),
    ("overload", _said(None, "overloaded_error"), errors.Overloaded),
    ("no provider", {"error": {"code": 503, "message": WORDS, "metadata": {"provider_name": "x", "raw": WORDS}}}, errors.Overloaded),
    ("no balance", {"error": {"code": 402, "message": WORDS}}, errors.QuotaExceeded),
    ("context overflow", _said("context_length_exceeded"), errors.ContextWindowExceeded),
    ("content filter", _said("content_filter"), errors.ContentFiltered),
    ("a text", {"error": WORDS}, errors.ServerError),
    ("flat", {"message": WORDS, "type": "server_error"}, errors.ServerError),
    ("detail", {"detail": WORDS}, errors.ServerError),
    ("beside Groq's numbers", {"x_groq": {"id": "x", "error": WORDS}, "choices": []}, errors.ServerError),
    ("in the choice", {"choices": [{"index": 0, "delta": {}, "error": {"code": 429, "message": WORDS}}]}, errors.RateLimited),
]


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize(("body", "kind"), [case[1:] for case in IN_BAND], ids=[case[0] for case in IN_BAND])
def test_errors_inside_an_answer_of_200(body: dict[str, Any], kind: type[errors.ProviderError], before: int) -> None:
    """As the whole body, as the first event, right after the start, and after some text."""
    start = {"id": "r1", "model": "m", "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}
    text = {"id": "r1", "model": "m", "choices": [{"index": 0, "delta": {"content": "He"}}]}
    stream = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in [*[start, text][:before], body])
    answers = [_answer(200, stream, {"content-type": "text/event-stream"})]
    if not before:
        answers.append(_answer(200, body))
    for error in answers:
        assert type(error) is kind
        assert isinstance(error, errors.ProviderError)
        assert (error.status, error.request_id) == (200, "req_1")
        assert WORDS not in str(error) + repr(error)


def test_a_refusal_and_a_filtered_answer_are_answers() -> None:
    for message, finish, reason in (({"refusal": "no"}, "stop", "refusal"), ({"content": "a"}, "content_filter", "content_filter")):
        choice = {"index": 0, "message": message, "finish_reason": finish}
        completed = OpenAIChat().reader(TARGET).on_body({"id": "r1", "choices": [choice]})[-1]
        assert completed.finish_reason == reason  # type: ignore[union-attr]
