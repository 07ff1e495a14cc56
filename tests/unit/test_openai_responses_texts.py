"""What of a Responses request is text: every place that holds some, and nothing that nobody has looked at."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.openai_responses import OpenAIResponses
from saferoute.providers.openai_responses_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.messages import File, Image, Message, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.openai_responses_cases import TARGET, assistant, encode, state, target, thought, tool, user

Json = dict[str, Any]
REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "m-summary"}],
    "content": [{"type": "reasoning_text", "text": "m-thought"}],
    "encrypted_content": "m-silent-1",
}
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "m-search"}}
CUSTOM = {"id": "ct_1", "type": "custom_tool_call", "call_id": "c", "name": "x", "input": "m-custom"}


@pytest.mark.parametrize("feature", FEATURES)
def test_every_request_that_is_written_is_read(feature: str) -> None:
    try:
        body = OpenAIResponses().encode(FEATURES[feature], TARGET).request.body
    except UnsupportedParameter:
        return
    found = texts(body)
    said = [part.text for message in FEATURES[feature].messages for part in message.content if isinstance(part, Text)]
    assert [text.text for text in found if text.kind in {"system", "user", "assistant"} and text.text in said] == said
    assert [text.text for text in found if text.kind == "tool_name"] == [tool.name for tool in FEATURES[feature].tools]


def planted() -> tuple[bytes, dict[str, str]]:
    """A request with a marker in every place that holds text, and each marker's kind."""
    body = encode(
        Message("system", (Text("m-system-1"),)),
        Message("system", (Text("m-system-2"), Text("m-system-3"))),
        user(
            "m-user",
            Image(data=b"m-silent", media_type="image/png"),
            Image(url="https://m-silent-2.example"),
            File(data=b"m-document", media_type="text/plain; charset=utf-8", filename="m-title-1"),
            File(data=b"%PDF", media_type="application/pdf", filename="m-title-2"),
            File(url="https://m-silent-3.example"),
            File(file_id="m-silent-4"),
        ),
        assistant(
            thought(REASONING),
            thought(SEARCH),
            thought(CUSTOM),
            thought({"type": "compaction", "id": "cmp", "encrypted_content": "m-silent-5"}),
            thought({"type": "message", "id": "m-silent-6", "phase": "commentary"}),
            "m-assistant",
            Refusal("m-refusal"),
            ToolCall("m-silent-7", "m-call-name", '{"city": "m-call-input"}', state({"id": "fc", "namespace": "m-namespace"})),
            ToolCall("b", "n", "{}"),
        ),
        tool(
            ToolResult("m-silent-7", (Text("m-result-1"),)),
            ToolResult("b", (Text("m-result-2"), File(data=b"m-result-3", media_type="application/json", filename="m-result-4"))),
        ),
        assistant("m-assistant-2"),
        user("m-user-2"),
        tools=(Tool("m-tool-name", "m-tool-description", b'{"type":"object","title": "m-tool-schema"}'),),
        tool_choice="auto",
        output=OutputSchema("m-schema-name", b'{"type":"object","title": "m-schema"}', strict=True),
        logprobs=2,
        to=target(extra_params=frozenset({"metadata", "service_tier", "text", "prompt_cache_options"})),
        provider_options={
            "openai": {"metadata": {"who": "m-silent-8"}, "text": {"verbosity": "low"}, "prompt_cache_options": {"ttl": "12h"}}
        },
    ).request.body
    kinds = {
        **{f"m-system-{n}": "system" for n in (1, 2, 3)},
        **dict.fromkeys(("m-user", "m-user-2", "m-document", "m-title-1", "m-title-2"), "user"),
        **dict.fromkeys(("m-summary", "m-thought"), "reasoning"),
        **dict.fromkeys(("m-custom", "m-call-name", "m-call-input", "m-namespace"), "tool_call"),
        **dict.fromkeys(("m-assistant", "m-assistant-2", "m-refusal"), "assistant"),
        **dict.fromkeys(("m-search", "m-result-1", "m-result-2", "m-result-3", "m-result-4"), "tool_result"),
        "m-tool-name": "tool_name",
        "m-tool-description": "tool_description",
        "m-tool-schema": "tool_schema",
        "m-schema-name": "schema",
        "m-schema": "schema",
    }
    return body, kinds


def _marks(text: WireText) -> list[str]:
    """The marker that a text is, or those that a JSON text has."""
    if not text.text.startswith(("{", "[")):
        return [text.text]
    return [word for word in text.text.split('"') if word.startswith("m-")]


def test_every_place_that_holds_text_is_found_once_with_its_kind() -> None:
    body, kinds = planted()
    found = [(mark, text.kind) for text in texts(body) for mark in _marks(text) if mark.startswith("m-")]
    assert sorted(found) == sorted(kinds.items())
    assert all(f"m-silent-{n}".encode() in body for n in range(2, 9))
    assert b64encode(b"m-silent") in body


def test_texts_come_in_wire_order_with_their_places() -> None:
    body, _ = planted()
    read = json.loads(body)
    for text in texts(body):
        value: Any = read
        for key in text.path.split("/")[1:]:
            value = value[int(key)] if isinstance(value, list) else value[key]
        if isinstance(value, str) and not value.startswith("data:"):
            assert value == text.text
        elif not isinstance(value, str):
            assert json.loads(text.text) == value
    assert [text.path for text in texts(body)][:6] == [
        "/input/0/content",
        "/input/1/content/0/text",
        "/input/1/content/1/text",
        "/input/2/content/0/text",
        "/input/2/content/3/filename",
        "/input/2/content/3/file_data",
    ]


def _objects(value: Any, at: str = "") -> Iterator[tuple[str, Json]]:
    """Every object of a body, but those that are one text, or that no model reads."""
    if isinstance(value, dict):
        if value.get("type") in {"web_search_call", "custom_tool_call"} or at.endswith(("/schema", "/parameters", "/metadata")):
            return
        yield at, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _objects(inner, f"{at}/{key}")


def test_a_foreign_key_at_any_depth_is_refused() -> None:
    body = json.loads(planted()[0])
    places = [at for at, _ in _objects(body)]
    assert len(places) > 30
    for number, place in enumerate(places):
        changed = json.loads(planted()[0])
        [inner for _, inner in _objects(changed)][number]["odd/key"] = "read me"
        with pytest.raises(ProtocolError) as caught:
            texts(json.dumps(changed).encode())
        assert repr(f"{place}/odd~1key") in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("instructions", "read me"),
        ("prompt", {"id": "pmpt_1"}),
        ("previous_response_id", "resp_1"),
        ("conversation", "conv_1"),
        ("context_management", []),
        ("background", True),
        ("model", {"x": "read me"}),
        ("temperature", ["read me"]),
        ("include", "read me"),
        ("prompt_cache_options", {"comparison_response_id": "resp_1"}),
        ("input", "read me"),
        ("input", [{"role": "user", "content": "read me"}]),
        ("input", [{"type": "item_reference", "id": "msg_1"}]),
        ("input", [{"type": "additional_tools", "tools": []}]),
        ("input", [{"type": "message", "role": "critic", "content": "read me"}]),
        ("input", [{"type": "message", "role": "user", "content": [{"type": "input_image", "file_id": "file_1"}]}]),
        ("input", [{"type": "message", "role": "user", "content": [{"type": "input_file", "file_data": "read me"}]}]),
        ("input", [{"type": "message", "role": "user", "content": [{"type": "input_file", "file_data": "data:text/plain;base64,\u00e9"}]}]),
        ("input", [{"type": "message", "role": "user", "content": [{"type": "input_file", "file_data": "data:text/csv;base64,/w=="}]}]),
        ("input", [{"type": "message", "role": "user", "content": [{"type": "output_text", "text": "read me"}]}]),
        ("input", [{"type": "message", "role": "system", "content": [{"type": "input_image", "image_url": "https://a.example"}]}]),
        (
            "input",
            [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "a", "annotations": [{"type": "url_citation", "title": "read me"}]}],
                }
            ],
        ),
        ("tools", [{"type": "web_search", "filters": {"x": "read me"}}]),
        ("tool_choice", {"type": "allowed_tools", "tools": ["read me"]}),
    ],
)
def test_what_nobody_looks_at_is_refused(key: str, value: object) -> None:
    body = json.loads(encode(user("hi")).request.body) | {key: value}
    with pytest.raises(ProtocolError):
        texts(json.dumps(body).encode())


def test_reasoning_may_say_that_it_has_no_content() -> None:
    body = encode(
        user("a"), assistant(thought({"type": "reasoning", "summary": [], "content": None, "encrypted_content": "e"}))
    ).request.body
    assert [text.text for text in texts(body)] == ["a"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"input":[]}x', b'{"input":[],"input":[]}', b"\xff", b'{"input":NaN}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        texts(body)
