"""What Ollama answers when it fails: the class, whether to try again, after how long, and never its words."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute import errors
from tests.unit.dialect_cases import LINES, OLLAMA, WHOLE, decoded, decoded_whole, lines

WORDS = "the server's own words about the prompt"
SAID = {"error": WORDS}
IDS = {"x-request-id": "req_1"}  # of a gateway before the server, which has none itself
DATE = {"retry-after": "Sun, 06 Nov 1994 08:49:39 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}
FAILURES: list[tuple[str, int, object, dict[str, str], type[errors.ProviderError], bool, float | None]] = [
    ("bad request", 400, SAID, {}, errors.BadRequest, False, None),
    ("context overflow", 400, {"error": "the input length exceeds the context length"}, {}, errors.ContextWindowExceeded, False, None),
    ("wrong key of the cloud host", 401, {"error": "unauthorized"}, {}, errors.AuthenticationRejected, False, None),
    ("no money at the cloud host", 402, SAID, {}, errors.QuotaExceeded, False, None),
    ("no permission", 403, SAID, {}, errors.PermissionDenied, False, None),
    ("a model that was not pulled", 404, {"error": f"model '{WORDS}' not found"}, {}, errors.ModelNotFound, False, None),
    ("too large", 413, "<html>413</html>", {}, errors.RequestTooLarge, False, None),
    ("429, plain", 429, SAID, {}, errors.RateLimited, True, None),
    ("429, seconds", 429, SAID, {"retry-after": "7"}, errors.RateLimited, True, 7.0),
    ("429, a date", 429, SAID, DATE, errors.RateLimited, True, 2.0),
    ("429, milliseconds", 429, SAID, {"retry-after-ms": "1500"}, errors.RateLimited, True, 1.5),
    ("429, quota", 429, SAID | {"code": "insufficient_quota"}, {}, errors.QuotaExceeded, False, None),
    ("500", 500, SAID, {}, errors.ServerError, True, None),
    ("the cloud host does not answer", 502, SAID, {}, errors.ServerError, True, None),
    ("busy", 503, {"error": "server busy, please try again.  maximum pending requests exceeded"}, {}, errors.Overloaded, True, None),
    ("503 with a wait", 503, "no upstream", {"retry-after": "3"}, errors.Overloaded, True, 3.0),
    ("529", 529, "", {}, errors.Overloaded, True, None),
]


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "again", "after"), [case[1:] for case in FAILURES], ids=[case[0] for case in FAILURES]
)
def test_failures(
    status: int, body: object, headers: dict[str, str], kind: type[errors.ProviderError], again: bool, after: float | None
) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        decoded_whole(OLLAMA, body, status=status, headers=IDS | headers)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.retry_after) == (status, again, after)
    assert (error.request_id, error.provider_name) == ("req_1", "ollama")
    assert WORDS not in str(error) + repr(error)


FIRST = {"model": "m", "created_at": "t", "message": {"role": "assistant", "content": ""}, "done": False}
TEXT = FIRST | {"message": {"role": "assistant", "content": "He"}}
IN_STREAM: list[tuple[str, dict[str, Any], type[errors.ProviderError], bool]] = [
    ("a text", SAID, errors.ServerError, True),
    ("a text and a status", SAID | {"status_code": 429}, errors.RateLimited, True),
    ("an object", {"error": {"message": WORDS, "code": "context_length_exceeded"}}, errors.ContextWindowExceeded, False),
    ("a content filter", {"error": {"message": WORDS, "type": "content_filter"}}, errors.ContentFiltered, False),
    ("beside an end", TEXT | {"done": True, "error": WORDS}, errors.ServerError, True),
]


@pytest.mark.parametrize("kind_of_body", [LINES, WHOLE])
@pytest.mark.parametrize("before", [[], [FIRST], [FIRST, TEXT]], ids=["alone", "right after the start", "after text"])
@pytest.mark.parametrize(("line", "kind", "again"), [case[1:] for case in IN_STREAM], ids=[case[0] for case in IN_STREAM])
def test_errors_inside_an_answer_of_200(
    line: dict[str, Any], kind: type[errors.ProviderError], again: bool, before: list[dict[str, Any]], kind_of_body: str
) -> None:
    """As the only line or body, as the second line, and after some text; whatever the answer says that it is."""
    with pytest.raises(errors.ProviderError) as caught:
        decoded(OLLAMA, lines([*before, line]), kind=kind_of_body, headers=IDS)
    error = caught.value
    assert type(error) is kind
    assert (error.status, error.retryable, error.request_id, error.provider_name) == (200, again, "req_1", "ollama")
    assert WORDS not in str(error) + repr(error)
    assert WORDS in error.diagnostics()


@pytest.mark.parametrize("word", ["load", "unload"])
def test_a_server_that_only_loaded_the_model_says_so(word: str) -> None:
    events = decoded_whole(OLLAMA, FIRST | {"done": True, "done_reason": word})
    completed = events[-1]
    assert completed.type == "completed"
    assert (completed.finish_reason, completed.raw_finish_reason) == ("other", word)


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(errors.UnexpectedRedirect):
        decoded_whole(OLLAMA, {}, status=307, headers={"location": "https://other.example"})
