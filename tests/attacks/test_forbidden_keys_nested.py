"""Attack: a key that means something to a gateway (`api_base`, `headers`, `callbacks`...) stands deep inside a message or an option.

Gateways that checked the top level only acted on such keys further down (GHSA-hx8v-g79f-8w5f, GHSA-3cv6-jpf6-8222). Here each dict with a
schema of ours is closed, at every depth; JSON Schemas, tool arguments and what a model answered are data, which is kept and never acted on.

Guards: saferoute/values/options.py#1::if check is None:
Guards: saferoute/values/conversation.py::_refuse_unknown(value, role, path)
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest

import saferoute
from saferoute.errors import RequestError
from saferoute.testing import EmbeddedProvider
from tests.support.both import Face

FORBIDDEN = [
    "api_base", "base_url", "api_key", "headers", "extra_headers", "extra_body", "proxy", "host", "callbacks", "success_callback", "mock_response", "metadata",
    "model", "custom_llm_provider", "fallbacks", "cache", "__class__", "__proto__", "$ref", "lc", "cache_control", "timeout", "http_client", "aws_role_name", "vertex_credentials",
]  # fmt: skip
PNG = "data:image/png;base64,iVBORw0KGgo="
CONVERSATION: list[Any] = [
    {"role": "system", "content": "be kind"},
    {"role": "user", "content": [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": PNG, "detail": "low"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
    ]},
    {"role": "assistant", "content": "well", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
    {"role": "tool", "tool_call_id": "1", "content": [{"type": "text", "text": "done"}]},
]  # fmt: skip
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "description": "d", "strict": False, "parameters": {"type": "object", "properties": {}}},
}


def dicts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths of all dicts with a schema of ours; a JSON Schema is data."""
    if isinstance(value, dict):
        yield path
        for name, inner in value.items():
            if name != "parameters":
                yield from dicts(inner, (*path, name))
    elif isinstance(value, list):
        for position, inner in enumerate(value):
            yield from dicts(inner, (*path, position))


def planted(value: Any, path: tuple[Any, ...], key: str, depth: int) -> Any:
    """A copy with the key at a path, wrapped in further dicts."""
    made = copy.deepcopy(value)
    place = made
    for step in path:
        place = place[step]
    inner: Any = "http://127.0.0.1:9"
    for _ in range(depth):
        inner = {key: inner}
    place[key] = inner
    return made


@pytest.fixture(scope="module")
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as running:
        yield running


@pytest.fixture(scope="module")
def face(provider: EmbeddedProvider) -> Iterator[Face]:
    servers = [saferoute.loopback("row", port=provider.port)]
    with Face("blocking", lambda client: client.local(servers=servers, secrets=saferoute.Secrets.of({}))) as made:
        yield made


def test_the_conversation_itself_is_sound() -> None:
    """Otherwise it would be refused for what is wrong with it, and the planted key for nothing."""
    from saferoute.values.conversation import messages_from
    from saferoute.values.tools import tools_from

    assert len(messages_from(CONVERSATION)) == 4
    assert len(tools_from([TOOL])) == 1


@pytest.mark.parametrize("path", list(dicts(CONVERSATION)), ids=str)
@pytest.mark.parametrize("depth", [0, 1, 6])
def test_d2_no_dict_of_a_message_takes_a_foreign_key(face: Face, provider: EmbeddedProvider, path: tuple[Any, ...], depth: int) -> None:
    before = provider.connections, len(provider.requests)  # other tests of this module may have been first
    for key in FORBIDDEN:
        with pytest.raises(RequestError):
            face.chat("row/m", planted(CONVERSATION, path, key, depth))
        with pytest.raises(RequestError):
            face.wait(face.client.count_tokens("row/m", planted(CONVERSATION, path, key, depth)))
    assert (provider.connections, len(provider.requests)) == before


@pytest.mark.parametrize("path", list(dicts(TOOL)), ids=str)
@pytest.mark.parametrize("depth", [0, 1, 6])
def test_d2_no_dict_of_a_tool_takes_a_foreign_key(face: Face, provider: EmbeddedProvider, path: tuple[Any, ...], depth: int) -> None:
    before = provider.connections, len(provider.requests)  # other tests of this module may have been first
    for key in FORBIDDEN:
        with pytest.raises(RequestError):
            face.chat("row/m", "hi", tools=[planted(TOOL, path, key, depth)])
    assert (provider.connections, len(provider.requests)) == before


@pytest.mark.parametrize("depth", range(7))
def test_d2_no_option_takes_a_foreign_key(face: Face, provider: EmbeddedProvider, depth: int) -> None:
    before = provider.connections, len(provider.requests)  # other tests of this module may have been first
    for key in FORBIDDEN:
        if key in ("timeout", "cache"):  # options of ours; a dict is no value for them
            continue
        for options in (
            {key: planted({}, (), key, depth)},
            {"provider_options": planted({}, (), key, depth)},
            {"provider_options": {"row": planted({}, (), key, depth)}},
        ):
            with pytest.raises(RequestError):
                face.chat("row/m", "hi", **options)
    assert (provider.connections, len(provider.requests)) == before


def test_d2_a_schema_an_argument_and_a_result_are_data(face: Face, provider: EmbeddedProvider) -> None:
    nested: dict[str, Any] = {"type": "object", "properties": {key: {"type": "string", "default": "os.environ/HOME"} for key in FORBIDDEN}}
    for _ in range(6):
        nested = {"type": "object", "properties": {"inner": nested}}
    arguments = '{"api_base": "http://127.0.0.1:9", "headers": {"host": "evil"}}'
    messages = [
        "hi",
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "1", "content": arguments},
    ]
    face.chat("row/m", messages, tools=[{"name": "f", "parameters": nested}], tool_choice="none")
    (sent,) = [request.body for request in provider.requests]
    assert sent["tools"][0]["function"]["parameters"] == nested  # type: ignore[index, call-overload]
    assert sent["messages"][1]["tool_calls"][0]["function"]["arguments"] == arguments  # type: ignore[index, call-overload]
    assert sent["messages"][2]["content"] == arguments  # type: ignore[index, call-overload]
    provider.forget()
