"""Errors of Bedrock: by status, by name, by words; in a body and in a stream."""

from __future__ import annotations

import json

import pytest

from saferoute.errors import (
    AuthenticationRejected,
    BadRequest,
    ContextWindowExceeded,
    ModelNotFound,
    Overloaded,
    PermissionDenied,
    ProviderError,
    QuotaExceeded,
    RateLimited,
    RequestTooLarge,
    ServerError,
)
from saferoute.values.events import Completed
from tests.unit.bedrock_cases import decoded, decoded_whole, frame, framed, frames, header, message, text

TAIL = ":http://internal.amazon.com/coral/com.amazon.bedrock/"
HTTP: list[tuple[int, str, str, type[ProviderError]]] = [
    (400, "ValidationException", "messages.0 is wrong", BadRequest),
    (400, "ValidationException", "Input is too long for requested model.", ContextWindowExceeded),
    (
        400,
        "ValidationException",
        "The model returned the following errors: Input Tokens Exceeded: Number of input tokens exceeds maximum length.",
        ContextWindowExceeded,
    ),
    (400, "ValidationException", "Too many input tokens. Max input tokens: 8192, request input token count: 9000", ContextWindowExceeded),
    (400, "ValidationException", "input length and `max_tokens` exceed context limit: 1 + 2 > 2", ContextWindowExceeded),
    (400, "ValidationException", "prompt is too long: 215103 tokens > 200000 maximum", ContextWindowExceeded),
    (400, "ValidationException", "The provided model identifier is invalid.", ModelNotFound),
    (404, "ResourceNotFoundException", "This model version has reached the end of its life.", ModelNotFound),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model", ModelNotFound),
    (400, "ServiceQuotaExceededException", "words of theirs", QuotaExceeded),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", PermissionDenied),
    (403, "AccessDeniedException", "Authentication failed: Please make sure your API Key is valid.", AuthenticationRejected),
    (403, "AccessDeniedException", "Bearer Token has expired", AuthenticationRejected),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", AuthenticationRejected),
    (403, "", "The security token included in the request is expired", AuthenticationRejected),
    (403, "ExpiredTokenException", "words of theirs", AuthenticationRejected),
    (403, "InvalidSignatureException", "words of theirs", AuthenticationRejected),
    (403, "SignatureDoesNotMatch", "words of theirs", AuthenticationRejected),
    (403, "IncompleteSignatureException", "words of theirs", AuthenticationRejected),
    (403, "MissingAuthenticationTokenException", "words of theirs", AuthenticationRejected),
    (408, "ModelTimeoutException", "words of theirs", ServerError),
    (413, "", "words of theirs", RequestTooLarge),
    (424, "ModelErrorException", "words of theirs", ServerError),
    (429, "ThrottlingException", "Too many tokens, please wait before trying again.", RateLimited),
    (429, "ModelNotReadyException", "words of theirs", RateLimited),
    (500, "InternalServerException", "words of theirs", ServerError),
    (503, "ServiceUnavailableException", "words of theirs", Overloaded),
]


@pytest.mark.parametrize(("status", "name", "words", "kind"), HTTP, ids=[f"{n} {case[0]} {case[1]}" for n, case in enumerate(HTTP)])
@pytest.mark.parametrize("place", ["header", "__type", "code"])
def test_errors_by_status_name_and_words(status: int, name: str, words: str, kind: type[ProviderError], place: str) -> None:
    headers = {"x-amzn-requestid": "32ef4ce3-5d0d"}
    body = {"message": words}
    if place == "header":
        headers["x-amzn-errortype"] = name + TAIL
    else:
        body[place] = f"com.amazon.coral.service#{name}"
    with pytest.raises(kind) as raised:
        decoded(json.dumps(body).encode(), status=status, content_type="application/json", headers=headers)
    error = raised.value
    assert type(error) is kind
    assert error.status == status
    assert error.request_id == "32ef4ce3-5d0d"
    assert error.retryable == (status in {408, 424, 429, 500, 503})
    assert words not in str(error)
    assert words in error.diagnostics()
    if 0 < len(name) <= 24:
        assert error.code == name


def test_the_other_spelling_of_message_and_bodies_without_one() -> None:
    with pytest.raises(AuthenticationRejected):
        decoded(b'{"Message":"Invalid API Key format"}', status=403, content_type="application/json")
    for body in (b"", b"<html>", b'{"message":null}', b"[]"):
        with pytest.raises(PermissionDenied):
            decoded(body, status=403, content_type="application/json")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"__type": "com.amazon.bedrock#ThrottlingException", "message": "slow"}, RateLimited),
        ({"message": "The security token included in the request is invalid"}, AuthenticationRejected),
        ({"Message": "what?"}, ServerError),
    ],
)
def test_an_error_inside_a_successful_body(body: dict[str, str], kind: type[ProviderError]) -> None:
    with pytest.raises(kind) as raised:
        decoded(json.dumps(body).encode(), content_type="application/json", headers={"x-amzn-requestid": "r-1"})
    assert raised.value.status == 200
    assert raised.value.request_id == "r-1"


IN_STREAM: list[tuple[str, type[ProviderError]]] = [
    ("internalServerException", ServerError),
    ("modelStreamErrorException", ServerError),
    ("validationException", BadRequest),
    ("throttlingException", RateLimited),
    ("serviceUnavailableException", Overloaded),
    ("modelTimeoutException", ServerError),
    ("somethingNewException", ServerError),
]
BEFORE = [("messageStart", {"role": "assistant"}), ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}})]


@pytest.mark.parametrize(("name", "kind"), IN_STREAM)
@pytest.mark.parametrize(
    "payload", [{"message": "words", "originalMessage": "more"}, b"", b"{", b"[]"], ids=["words", "empty", "broken", "list"]
)
@pytest.mark.parametrize(
    "before", [[], BEFORE, [*BEFORE, ("messageStop", {"stopReason": "end_turn"})]], ids=["first", "inside", "after stop"]
)
def test_an_exception_in_the_stream(name: str, kind: type[ProviderError], payload: object, before: list[tuple[str, object]]) -> None:
    with pytest.raises(kind) as raised:
        decoded(frames(before) + frame(name, payload, "exception"), headers={"x-amzn-requestid": "r-1"})
    assert type(raised.value) is kind
    assert raised.value.status == 200
    assert raised.value.request_id == "r-1"
    assert "words" not in str(raised.value)


def test_the_words_of_an_exception_tell_too() -> None:
    with pytest.raises(ContextWindowExceeded):
        decoded(frame("validationException", {"message": "Input is too long"}, "exception"))


def test_an_error_of_the_framing() -> None:
    block = header(":message-type", "error") + header(":error-code", "InternalFailure") + header(":error-message", "sorry")
    with pytest.raises(ServerError) as raised:
        decoded(frames(BEFORE) + framed(block, b""))
    assert raised.value.code == "InternalFailure"
    assert "sorry" in raised.value.diagnostics()


# ---------------------------------------------------------------------------------------------------- vectors for what recordings lack

DATES = {"date": "Sun, 22 Nov 2026 12:00:00 GMT", "retry-after": "Sun, 22 Nov 2026 12:00:20 GMT"}
# status, name, headers; the error, whether it may be tried again, after how many seconds
VECTORS: dict[str, tuple[int, str, dict[str, str], type[ProviderError], bool, float | None]] = {
    "413": (413, "RequestEntityTooLargeException", {}, RequestTooLarge, False, None),
    "429 plain": (429, "ThrottlingException", {}, RateLimited, True, None),
    "429 in seconds": (429, "ThrottlingException", {"retry-after": "12"}, RateLimited, True, 12.0),
    "429 by date": (429, "ThrottlingException", DATES, RateLimited, True, 20.0),
    "429 in milliseconds": (429, "TooManyRequestsException", {"retry-after-ms": "250", "retry-after": "9"}, RateLimited, True, 0.25),
    "429 of a quota": (429, "ServiceQuotaExceededException", {}, QuotaExceeded, False, None),
    "429 not ready": (429, "ModelNotReadyException", {"retry-after": "3"}, RateLimited, True, 3.0),
    "500": (500, "InternalServerException", {"retry-after": "1"}, ServerError, True, 1.0),
    "503": (503, "ServiceUnavailableException", {}, Overloaded, True, None),
    "529": (529, "", {}, Overloaded, True, None),
}


@pytest.mark.parametrize("name", VECTORS)
def test_vectors(name: str) -> None:
    status, word, headers, expected, retryable, after = VECTORS[name]
    given = {"x-amzn-requestid": "r-1", "x-amzn-errortype": word + TAIL, **headers}
    with pytest.raises(ProviderError) as caught:
        decoded(b'{"message":"words of theirs"}', status=status, content_type="application/json", headers=given)
    error = caught.value
    assert type(error) is expected
    assert (error.status, error.request_id, error.retryable, error.retry_after) == (status, "r-1", retryable, after)
    assert "words of theirs" not in str(error)
    assert "words of theirs" in error.diagnostics()


def test_a_filtered_answer_is_an_answer_and_says_so() -> None:
    last = decoded_whole(message(text("no"), stop="content_filtered"))[-1]
    assert isinstance(last, Completed)
    assert last.finish_reason == "content_filter"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("InvalidSignatureException", "Signature expired: 20261122T100000Z is now earlier than 20261122T101500Z"),
        ("InvalidSignatureException", "Signature not yet current: 20261122T110000Z is still later than 20261122T101500Z"),
        ("SignatureDoesNotMatch", "Signature expired: words of theirs"),
        ("RequestExpired", "words of theirs"),
        ("RequestTimeTooSkewedException", "words of theirs"),
    ],
)
def test_a_wrong_clock_is_said_to_be_one(name: str, words: str) -> None:
    with pytest.raises(AuthenticationRejected, match="set this machine's clock right") as raised:
        decoded(json.dumps({"message": words}).encode(), status=403, headers={"x-amzn-errortype": name})
    assert raised.value.code == "clock_skew"
    assert "key is wrong" not in str(raised.value)
    assert not raised.value.retryable
