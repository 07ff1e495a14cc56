"""What of a Messages API request is text: every place that holds some, and nothing that nobody has looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.anthropic_messages import AnthropicMessages
from saferoute.providers.anthropic_messages_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.json import encode as encode_json
from saferoute.values.messages import File, Image, Message, Reasoning, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.target import Quirks
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.anthropic_cases import ANSWERS, TARGET, assistant, decoded_whole, encode, folded, system, target, tool, user
from tests.unit.test_anthropic_encode import state

VERTEX = target(path="/v1/projects/p/locations/eu/publishers/anthropic/models", quirks=Quirks(model_in_path=True, anthropic_version="v"))


@pytest.mark.parametrize("row", [TARGET, VERTEX], ids=["direct", "in the path"])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_request_that_is_written_is_read(feature: str, row: Any) -> None:
    try:
        body = AnthropicMessages().encode(FEATURES[feature], row).request.body
    except UnsupportedParameter:
        return
    found = texts(body)
    said = [part.text for message in FEATURES[feature].messages for part in message.content if isinstance(part, Text)]
    assert sorted(text.text for text in found if text.kind in {"system", "user", "assistant"} and text.text in said) == sorted(said)


def planted() -> tuple[bytes, dict[str, str]]:
    """A request with a marker in every place that holds text, and each marker's kind."""
    thinking = '{"type":"thinking","thinking":"m-reasoning","signature":"s"}'
    redacted = '{"type":"redacted_thinking","data":"m-silent-1"}'
    search = '{"type":"server_tool_use","id":"s1","name":"m-server-name","input":{"query": "m-server-input"}}'
    found = '{"type":"web_search_tool_result","tool_use_id":"s1","content":[{"type":"web_search_result","title":"m-server-result"}]}'
    body = encode(
        system("m-system-1", "m-system-2"),
        user(
            "m-user",
            File(data=b"m-document", media_type="text/plain", filename="m-title"),
            File(data=b"%PDF", media_type="application/pdf", filename="m-title-2"),
            File(url="https://m-silent-2.example", filename="m-title-3"),
            File(file_id="m-silent-3"),
            Image(data=b"x", media_type="image/png"),
            Image(url="https://m-silent-4.example"),
        ),
        assistant(
            Reasoning("m-reasoning", state(thinking)),
            Reasoning("", state(redacted)),
            Reasoning("", state(search)),
            Reasoning("", state(found)),
            "m-assistant",
            ToolCall("m-silent-5", "m-call-name", '{"city": "m-call-input"}', state('{"caller":{"type":"direct"}}')),
            ToolCall("b", "n", "{}"),
            ToolCall("c", "o", "{}"),
        ),
        tool(
            ToolResult("m-silent-5", (Text("m-result-1"),)),
            ToolResult("b", (Text("m-result-2"), Text("m-result-3"), Image(data=b"x", media_type="image/png"))),
            ToolResult("c", (File(data=b"m-result-4", media_type="text/plain", filename="m-result-5"),), is_error=True),
        ),
        system("m-system-3"),
        user("m-user-2"),
        tools=(Tool("m-tool-name", "m-tool-description", b'{"type":"object","title": "m-tool-schema"}'),),
        tool_choice="m-tool-name",
        output=OutputSchema("m-silent-6", b'{"type":"object","title": "m-schema"}', strict=True),
        stop=("m-silent-7",),
        cache="provider",
        max_output_tokens=9000,
        reasoning=2000,
        to=target(extra_params=frozenset({"metadata", "service_tier"})),
        provider_options={"anthropic": {"metadata": {"user_id": "m-silent-8"}, "service_tier": "auto"}},
    ).request.body
    kinds = {
        "m-system-1": "system",
        "m-system-2": "system",
        "m-system-3": "system",
        "m-user": "user",
        "m-user-2": "user",
        "m-document": "user",
        "m-title": "user",
        "m-title-2": "user",
        "m-title-3": "user",
        "m-reasoning": "reasoning",
        "m-server-name": "tool_call",
        "m-server-input": "tool_call",
        "m-server-result": "tool_result",
        "m-assistant": "assistant",
        "m-call-name": "tool_call",
        "m-call-input": "tool_call",
        **{f"m-result-{n}": "tool_result" for n in range(1, 6)},
        "m-tool-name": "tool_name",
        "m-tool-description": "tool_description",
        "m-tool-schema": "tool_schema",
        "m-schema": "schema",
    }
    return body, kinds


def _marks(text: WireText) -> list[str]:
    """The marker that a text is, or the one that a JSON text ends with."""
    if not text.text.startswith(("{", "[")):
        return [text.text]
    return [word for word in text.text.split('"') if word.startswith("m-")]


def test_every_place_that_holds_text_is_found_once_with_its_kind() -> None:
    body, kinds = planted()
    found = [(mark, text.kind) for text in texts(body) for mark in _marks(text) if mark.startswith("m-")]
    assert sorted(found) == sorted(kinds.items())
    assert b"m-silent-6" not in body
    assert all(f"m-silent-{n}".encode() in body for n in (1, 2, 3, 4, 5, 7, 8))


def test_texts_come_in_wire_order_and_their_places_lead_to_them() -> None:
    parsed = json.loads(planted()[0])
    body = encode_json(parsed)
    places = []
    for text in texts(body):
        value = parsed
        for step in text.path.split("/")[1:]:
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert value == (text.text if isinstance(value, str) else json.loads(text.text))
        wanted = text.text if text.text.startswith(("{", "[")) else json.dumps(text.text, ensure_ascii=False)
        places.append(body.index(wanted.encode(), places[-1] if places else 0))
    assert places == sorted(places)


def test_json_texts_are_what_the_body_says_and_no_other_number() -> None:
    schema, arguments = b'{"type":"object","minimum":1.0,"x":1e2}', '{"n": 1.0, "big": 123456789012345678901234567890}'
    body = encode(user("a"), assistant(ToolCall("i", "t", arguments)), user("b"), tools=(Tool("t", "", schema),)).request.body
    found = {text.kind: text.text for text in texts(body)}
    assert found["tool_schema"] == '{"type":"object","minimum":1.0,"x":100.0}'
    assert found["tool_call"] == '{"n":1.0,"big":123456789012345678901234567890}'


@pytest.mark.parametrize("name", ANSWERS)
def test_an_answer_that_goes_back_is_read(name: str) -> None:
    turn = Message("assistant", folded(decoded_whole(ANSWERS[name])).content())
    found = [text.text for text in texts(encode(user("a"), turn, user("b")).request.body)]
    said = [part.text for part in turn.content if part.type == "text"]
    assert [text for text in said if text.strip() and text not in found] == []


def _objects(value: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        yield path, value
    for step, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _objects(inner, f"{path}/{step}")


def test_a_foreign_key_at_every_depth_is_refused() -> None:
    body, _ = planted()
    free = [text.path for text in texts(body) if text.text.startswith(("{", "["))]
    places = [path for path, _ in _objects(json.loads(body))]
    assert len(places) > 30
    for place in places:
        changed = json.loads(body)
        next(value for path, value in _objects(changed) if path == place)["prompt"] = "m-foreign"
        if any(place.startswith(path) for path in free):  # any JSON is at home there: it is found instead
            assert sum("m-foreign" in text.text for text in texts(json.dumps(changed).encode())) == 1
            continue
        with pytest.raises(ProtocolError, match="nothing was sent") as caught:
            texts(json.dumps(changed).encode())
        assert repr(f"{place}/prompt") in str(caught.value)


UNKNOWN: dict[str, dict[str, Any]] = {
    "/container": {"container": {"id": "c", "skills": []}},
    "/mcp_servers": {"mcp_servers": []},
    "/context_management": {"context_management": {}},
    "/system/0/type": {"system": [{"type": "image"}]},
    "/messages/0/role": {"messages": [{"role": "developer", "content": "x"}]},
    "/messages/0/content": {"messages": [{"role": "user", "content": "x"}]},
    "/messages/0/content/0/type": {"messages": [{"role": "user", "content": [{"type": "search_result"}]}]},
    "/messages/0/content/0/citations": {"messages": [{"role": "assistant", "content": [{"type": "text", "text": "a", "citations": []}]}]},
    "/messages/0/content/0/source/type": {
        "messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "content", "content": "x"}}]}]
    },
    "/tools/0/type": {"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]},
    "/tools/0/input_examples": {"tools": [{"name": "x", "input_examples": []}]},
}


@pytest.mark.parametrize("place", UNKNOWN)
def test_places_that_are_unknown_on_purpose(place: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        texts(json.dumps(UNKNOWN[place]).encode())
    assert repr(place) in str(caught.value)


def test_a_thinking_block_of_a_user_and_a_result_of_an_assistant_are_refused() -> None:
    for role, block in (("user", {"type": "thinking"}), ("assistant", {"type": "tool_result"}), ("system", {"type": "image"})):
        with pytest.raises(ProtocolError, match="/messages/0/content/0/type"):
            texts(json.dumps({"messages": [{"role": role, "content": [block]}]}).encode())


def test_a_server_side_tool_that_the_row_opens_is_one_text() -> None:
    search = {"type": "web_search_20260318", "name": "web_search", "user_location": {"city": "Łódź"}}
    row = target(extra_params=frozenset({"tools"}))
    (first, second) = texts(encode(user("a"), to=row, provider_options={"anthropic": {"tools": [search]}}).request.body)
    assert {first.kind, second.kind} == {"user", "tool_schema"}
    tool_text = first if first.kind == "tool_schema" else second
    assert (tool_text.path, json.loads(tool_text.text)) == ("/tools/0", search)
