"""llmock, a mock of many providers that others wrote, through every surface it speaks and every fault it knows.

Runs where SAFEROUTE_LLMOCK_PORT names a running server; `nox -s live` starts one.
"""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import saferoute
from saferoute import errors
from tests.support.both import KINDS, Face

PORT = int(os.environ.get("SAFEROUTE_LLMOCK_PORT", "0"))
pytestmark = [
    pytest.mark.skipif(not PORT, reason="no llmock: set SAFEROUTE_LLMOCK_PORT (nox -s live does)"),
    pytest.mark.timeout(120),
]

SERVERS = [
    saferoute.Server("openai", PORT or 1, "openai_chat", "gpt-4o"),
    saferoute.Server("responses", PORT or 1, "openai_responses", "gpt-4o"),
    saferoute.Server("anthropic", PORT or 1, "anthropic_messages", "claude-haiku-4-5-20251001", path="/anthropic"),
    saferoute.Server("cohere", PORT or 1, "cohere_chat", "command-r", path="/cohere"),
    saferoute.Server("gemini", PORT or 1, "gemini_generate", "gemini-2.5-pro", path="/gemini/v1beta"),
    saferoute.Server("mistral", PORT or 1, "mistral_chat", "mistral-large-latest", path="/mistral/v1"),
    saferoute.Server("groq", PORT or 1, "openai_chat", "llama-3.3-70b-versatile", path="/groq/openai/v1"),
    saferoute.Server("together", PORT or 1, "openai_chat", "meta-llama/Llama-3.3-70B-Instruct-Turbo", path="/together/v1"),
    saferoute.Server("xai", PORT or 1, "openai_chat", "grok-4", path="/xai/v1"),
    saferoute.Server("ai21", PORT or 1, "openai_chat", "jamba-large", path="/ai21/v1"),
]
SURFACES = [server.name for server in SERVERS]
WEATHER = {
    "name": "get_weather",
    "description": "Look the weather up.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def admin(method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/_llmock/{path}", method=method)
    data = json.dumps(body).encode() if body is not None else None
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, data, timeout=10) as answer:
        return json.load(answer)


def script(*behaviours: dict[str, Any]) -> None:
    admin("POST", "scenario", {"behaviors": behaviours})


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    admin("POST", "reset")
    with Face(request.param, lambda client: client.local(servers=SERVERS, secrets=saferoute.Secrets.of({}))) as opened:
        yield opened
    admin("POST", "reset")


@pytest.mark.parametrize("surface", SURFACES)
def test_text_whole_and_streamed(face: Face, surface: str) -> None:
    script({"type": "reply", "text": "Grüße aus Köln, ganz ohne Netz.", "times": 2})
    reply = face.chat(surface, "hello", system="be brief", max_output_tokens=50)
    assert reply.text == "Grüße aus Köln, ganz ohne Netz."
    assert reply.finish_reason == "stop"
    assert reply.usage.input_tokens
    assert reply.usage.output_tokens
    streamed = face.stream(surface, "hello")
    assert "".join(event.text for event in streamed if event.type == "text") == reply.text
    assert streamed[-1].reply.text == reply.text  # type: ignore[union-attr]
    assert streamed[-1].reply.finish_reason == "stop"  # type: ignore[union-attr]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_tool_is_asked_for_answered_and_used(face: Face, surface: str, stream: bool) -> None:
    script(
        {"type": "reply", "tool_calls": [{"name": "get_weather", "arguments": {"city": "Köln"}}]}, {"type": "reply", "text": "It rains."}
    )
    reply: Any = face.stream(surface, "weather?", tools=[WEATHER])[-1] if stream else face.chat(surface, "weather?", tools=[WEATHER])
    reply = reply.reply if stream else reply
    (call,) = reply.tool_calls
    assert (call.name, call.parse(), reply.finish_reason) == ("get_weather", {"city": "Köln"}, "tool_call")
    answer = {"role": "tool", "tool_call_id": call.id, "content": "rain"}
    assert face.chat(surface, [*reply.messages, answer], tools=[WEATHER]).text == "It rains."


FAILURES = [
    (400, errors.BadRequest),
    (401, errors.AuthenticationRejected),
    (403, errors.PermissionDenied),
    (404, errors.ModelNotFound),
    (408, errors.ServerError),
    (409, errors.Conflict),
    (413, errors.RequestTooLarge),
    (422, errors.BadRequest),
    (429, errors.RateLimited),
    (500, errors.ServerError),
    (502, errors.ServerError),
    (503, errors.Overloaded),
    (504, errors.ServerError),
    (529, errors.Overloaded),
]


@pytest.mark.parametrize("surface", SURFACES)
def test_every_status_is_its_error(face: Face, surface: str) -> None:
    for status, kind in FAILURES:
        script({"type": "fail", "status": status, "retry_after": 7, "message": "PROVIDER-WORDS"})
        with pytest.raises(errors.ProviderError) as caught:
            face.chat(surface, "hello", max_attempts=1)
        assert type(caught.value) is kind, status
        assert caught.value.status == status
        assert "PROVIDER-WORDS" not in str(caught.value)
        if status == 429:
            assert caught.value.retry_after == 7


@pytest.mark.parametrize("surface", SURFACES)
def test_an_error_in_place_of_a_stream_is_an_error(face: Face, surface: str) -> None:
    script({"type": "fail", "status": 529})
    with pytest.raises(errors.Overloaded):
        face.stream(surface, "hello", max_attempts=1)
    assert face.seen == []


@pytest.mark.parametrize("surface", SURFACES)
def test_a_passing_failure_is_tried_again(face: Face, surface: str) -> None:
    script({"type": "fail", "status": 503, "retry_after": 0.01}, {"type": "reply", "text": "now it works"})
    reply = face.chat(surface, "hello", max_attempts=2)
    assert reply.text == "now it works"
    assert [attempt.outcome for attempt in reply.attempts] == ["Overloaded", "ok"]


@pytest.mark.parametrize(("kind", "error"), [("disconnect", errors.StreamInterrupted), ("truncate", errors.StreamInterrupted)])
@pytest.mark.parametrize("surface", SURFACES)
def test_a_stream_that_ends_early_is_no_answer(face: Face, surface: str, kind: str, error: type[Exception]) -> None:
    script({"type": "reply", "text": "one two three four five six seven"}, {"type": "stream_fault", "kind": kind, "after_chunks": 3})
    with pytest.raises(error) as caught:
        face.stream(surface, "hello", max_attempts=1)
    shown = "".join(event.text for event in face.seen if event.type == "text")
    partial = caught.value.partial  # type: ignore[attr-defined]
    assert (partial.text if partial else "") == shown
    assert "seven" not in shown


@pytest.mark.parametrize("surface", SURFACES)
def test_a_chunk_that_is_no_json_is_a_protocol_error(face: Face, surface: str) -> None:
    script({"type": "reply", "text": "one two three four"}, {"type": "stream_fault", "kind": "malformed", "after_chunks": 3})
    with pytest.raises(errors.ProtocolError):
        face.stream(surface, "hello", max_attempts=1)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_stalled_stream_ends_with_the_callers_clock(face: Face, surface: str) -> None:
    script({"type": "reply", "text": "one two three"}, {"type": "stream_fault", "kind": "stall", "after_chunks": 2, "stall_seconds": 5})
    with pytest.raises(errors.TimedOut):
        face.stream(surface, "hello", max_attempts=1, timeout=0.6)


OBJECTS = {"anthropic", "gemini"}
"""Surfaces whose calls hold their arguments as an object: there is no broken text to send, whole."""


@pytest.mark.parametrize("surface", [name for name in SURFACES if name not in OBJECTS])
def test_arguments_that_are_no_json_are_said_when_read(face: Face, surface: str) -> None:
    script({"type": "tool_fault", "kind": "malformed_arguments"})
    reply = face.chat(surface, "weather?", tools=[WEATHER], max_attempts=1)
    with pytest.raises(errors.InvalidMessages, match="not a JSON object"):
        reply.tool_calls[0].parse()


@pytest.mark.parametrize("surface", sorted(OBJECTS))
def test_an_unknown_tool_is_shown_as_it_came(face: Face, surface: str) -> None:
    script({"type": "tool_fault", "kind": "unknown_tool"})
    reply = face.chat(surface, "weather?", tools=[WEATHER], max_attempts=1)
    assert reply.tool_calls[0].name != "get_weather"


def test_the_quota_of_a_minute_is_a_rate_limit_with_a_wait(face: Face) -> None:
    script({"type": "fail", "status": 429, "retry_after": 0.05, "times": 2}, {"type": "reply", "text": "after the wait"})
    reply = face.chat("openai", "hello", max_attempts=3)
    assert [attempt.outcome for attempt in reply.attempts] == ["RateLimited", "RateLimited", "ok"]


def test_the_verdict_of_the_mock(face: Face) -> None:
    """What llmock itself says of a client that met an overload: it waited as told and came back."""
    script({"type": "fail", "status": 429, "retry_after": 1}, {"type": "reply", "text": "fine"})
    assert face.chat("openai", "hello").text == "fine"
    print("llmock's verdict:", json.dumps(admin("GET", "verdict"))[:600])
