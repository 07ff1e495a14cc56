"""aimock, a mock of many providers that others wrote, through every surface it speaks; with its chaos, and with its journal as witness.

Runs where SAFEROUTE_AIMOCK_PORT names a running server with the fixtures "hello", "weather" and "boom"; `nox -s live` starts one.
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

PORT = int(os.environ.get("SAFEROUTE_AIMOCK_PORT", "0"))
pytestmark = [
    pytest.mark.skipif(not PORT, reason="no aimock: set SAFEROUTE_AIMOCK_PORT (nox -s live does)"),
    pytest.mark.timeout(120),
]

VERTEX = "/v1/projects/p/locations/l/publishers/google"
SERVERS = [
    saferoute.Server("openai", PORT or 1, "openai_chat", "gpt-4o"),
    saferoute.Server("responses", PORT or 1, "openai_responses", "gpt-4o"),
    saferoute.Server("anthropic", PORT or 1, "anthropic_messages", "claude-haiku-4-5"),
    saferoute.Server("gemini", PORT or 1, "gemini_generate", "gemini-2.5-pro"),
    saferoute.Server("vertex", PORT or 1, "gemini_generate", "gemini-2.5-pro", path=VERTEX),
    saferoute.Server("cohere", PORT or 1, "cohere_chat", "command-r"),
    saferoute.Server("ollama", PORT or 1, "ollama_chat", "llama3"),
    saferoute.Server("bedrock", PORT or 1, "bedrock_converse", "anthropic.claude-haiku-4-5-v1:0"),
    saferoute.Server("mistral", PORT or 1, "mistral_chat", "mistral-large-latest"),
]
SURFACES = [server.name for server in SERVERS]
PATHS = {
    "openai": "/v1/chat/completions",
    "responses": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-pro:generateContent",
    "vertex": f"{VERTEX}/models/gemini-2.5-pro:generateContent",
    "cohere": "/v2/chat",
    "ollama": "/api/chat",
    "bedrock": "/model/anthropic.claude-haiku-4-5-v1%3A0/converse",
    "mistral": "/v1/chat/completions",
}
HELLO = "Hi from aimock, streaming works."
WEATHER = {
    "name": "get_weather",
    "description": "Look the weather up.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}


def control(method: str, path: str, body: Any = None) -> Any:
    request = urllib.request.Request(f"http://127.0.0.1:{PORT}/__aimock/{path}", method=method)
    request.add_header("content-type", "application/json")
    with urllib.request.urlopen(request, json.dumps(body).encode() if body is not None else None, timeout=10) as answer:
        text = answer.read()
        return json.loads(text) if text else None


@pytest.fixture(params=KINDS)
def face(request: pytest.FixtureRequest) -> Iterator[Face]:
    control("DELETE", "chaos")
    with Face(request.param, lambda client: client.local(servers=SERVERS, secrets=saferoute.Secrets.of({}))) as opened:
        yield opened
    control("DELETE", "chaos")


@pytest.mark.parametrize("surface", SURFACES)
def test_text(face: Face, surface: str) -> None:
    reply = face.chat(surface, "hello", system="be brief", max_output_tokens=50)
    assert (reply.text, reply.finish_reason) == (HELLO, "stop")
    newest = control("GET", "journal?limit=1000")[-1]
    assert newest["path"].partition("?")[0] == PATHS[surface]


@pytest.mark.parametrize("surface", SURFACES)
def test_streamed_text(face: Face, surface: str) -> None:
    events = face.stream(surface, "hello")
    assert "".join(event.text for event in events if event.type == "text") == HELLO
    reply = events[-1].reply  # type: ignore[union-attr]
    assert (reply.text, reply.finish_reason) == (HELLO, "stop")


@pytest.mark.parametrize("surface", SURFACES)
def test_a_tool_is_asked_for(face: Face, surface: str) -> None:
    reply = face.chat(surface, "weather", tools=[WEATHER])
    (call,) = reply.tool_calls
    assert (call.name, call.parse(), reply.finish_reason) == ("get_weather", {"city": "Oslo"}, "tool_call")


@pytest.mark.parametrize("surface", SURFACES)
def test_a_tool_is_asked_for_in_a_stream(face: Face, surface: str) -> None:
    reply = face.stream(surface, "weather", tools=[WEATHER])[-1].reply  # type: ignore[union-attr]
    (call,) = reply.tool_calls
    assert (call.name, call.parse(), reply.finish_reason) == ("get_weather", {"city": "Oslo"}, "tool_call")


@pytest.mark.parametrize("surface", SURFACES)
def test_an_overload_is_an_overload(face: Face, surface: str) -> None:
    with pytest.raises(errors.Overloaded) as caught:
        face.chat(surface, "boom", max_attempts=1)
    assert caught.value.status == 529
    assert caught.value.retryable


@pytest.mark.parametrize("surface", SURFACES)
def test_dropped_requests_are_server_errors(face: Face, surface: str) -> None:
    control("POST", "chaos", {"dropRate": 1})
    with pytest.raises(errors.ServerError):
        face.chat(surface, "hello", max_attempts=1)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_rate_limit_says_how_long_to_wait(face: Face, surface: str) -> None:
    control("POST", "chaos", {"rateLimitRate": 1})
    with pytest.raises(errors.RateLimited) as caught:
        face.chat(surface, "hello", max_attempts=1)
    assert caught.value.retry_after is not None


@pytest.mark.parametrize("surface", SURFACES)
def test_malformed_json_is_no_answer(face: Face, surface: str) -> None:
    control("POST", "chaos", {"malformedRate": 1})
    # Ollama's streams are lines of JSON, so that half an object there is a stream that was cut off.
    with pytest.raises(errors.StreamInterrupted if surface == "ollama" else errors.ProtocolError):
        face.chat(surface, "hello", max_attempts=1)


@pytest.mark.parametrize("surface", SURFACES)
def test_a_connection_that_is_destroyed_is_said(face: Face, surface: str) -> None:
    control("POST", "chaos", {"disconnectRate": 1})
    with pytest.raises(errors.TransportError):
        face.chat(surface, "hello", max_attempts=1)
