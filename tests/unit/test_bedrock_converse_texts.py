"""What of a Converse request is text: every place that holds some, and nothing that nobody has looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.bedrock_converse import BedrockConverse
from saferoute.providers.bedrock_converse_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.json import encode as encode_json
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.bedrock_cases import ANSWERS, MODEL, TARGET, assistant, decoded_whole, encode, folded, system, target, tool, user


@pytest.mark.parametrize("feature", FEATURES)
def test_every_request_that_is_written_is_read(feature: str) -> None:
    try:
        body = BedrockConverse().encode(FEATURES[feature], TARGET).request.body
    except UnsupportedParameter:
        return
    said = [part.text for message in FEATURES[feature].messages for part in message.content if isinstance(part, Text)]
    assert sorted(text.text for text in texts(body) if text.kind in {"system", "user", "assistant"} and text.text in said) == sorted(said)


def planted() -> tuple[bytes, dict[str, str]]:
    """A request with a marker in every place that holds text, and each marker's kind."""

    def state(payload: str) -> OpaqueState:
        return OpaqueState("aws.bedrock", "bedrock_converse", MODEL, payload)

    thinking = '{"reasoningContent":{"reasoningText":{"text":"m-reasoning","signature":"m-silent-1"}}}'
    search = '{"toolUse":{"toolUseId":"s","name":"m-server-name","type":"server_tool_use","input":{"query": "m-server-input"}}}'
    found = '{"toolResult":{"toolUseId":"s","type":"r","content":[{"text":"m-server-1"},{"json":{"a":"m-server-2"}}]}}'
    body = encode(
        system("m-system-1", "m-system-2"),
        user(
            "m-user",
            File(data=b"%PDF", media_type="application/pdf", filename="m-title.pdf"),
            File(file_id="s3://m-silent-2/x.mp4"),
            Image(data=b"x", media_type="image/png"),
            Audio(b"RIFF\0\0\0\0WAVE", "wav"),
        ),
        assistant(
            Reasoning("m-reasoning", state(thinking)),
            Reasoning("", state('{"reasoningContent":{"redactedContent":"bS1z"}}')),
            Reasoning("", state(search)),
            Reasoning("", state(found)),
            "m-assistant",
            ToolCall("m-silent-3", "m-call-name", '{"city": "m-call-input"}'),
            ToolCall("b", "m-tool-name", "{}"),
        ),
        tool(
            ToolResult("m-silent-3", (Text("m-result-1"), Text("m-result-2"), Image(data=b"x", media_type="image/png"))),
            ToolResult("b", (File(data=b"%PDF", media_type="application/pdf", filename="m-result-3.pdf"),), is_error=True),
        ),
        system("m-system-3"),
        user("m-user-2"),
        tools=(Tool("m-tool-name", "m-tool-description", b'{"type":"object","title": "m-tool-schema"}'),),
        tool_choice="m-tool-name",
        output=OutputSchema("m-schema-name", b'{"type":"object","title":"m-schema"}', strict=True),
        stop=("m-silent-4",),
        cache="provider",
        temperature=0.5,
        reasoning=2000,
        to=target(
            extra_params=frozenset(
                {"requestMetadata", "top_k", "anthropic_beta", "guardrailConfig", "additionalModelResponseFieldPaths", "serviceTier"}
            )
        ),
        provider_options={
            "aws.bedrock": {
                "requestMetadata": {"m-silent-5": "x"},
                "top_k": 5,
                "anthropic_beta": ["x-2026-01-01"],
                "guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"},
                "additionalModelResponseFieldPaths": ["/stop_sequence"],
                "serviceTier": {"type": "flex"},
            }
        },
    ).request.body
    kinds = {
        "m-system-1": "system",
        "m-system-2": "system",
        "m-system-3": "system",
        "m-user": "user",
        "m-user-2": "user",
        "m-title": "user",
        "m-reasoning": "reasoning",
        "m-server-name": "tool_call",
        "m-server-input": "tool_call",
        "m-server-1": "tool_result",
        "m-server-2": "tool_result",
        "m-assistant": "assistant",
        "m-call-input": "tool_call",
        "m-tool-description": "tool_description",
        "m-tool-schema": "tool_schema",
        "m-schema-name": "schema",
        "m-schema": "schema",
        **{f"m-result-{n}": "tool_result" for n in range(1, 4)},
    }
    return body, kinds


def _marks(text: WireText) -> list[str]:
    """The marker that a text is, or those that a JSON text holds."""
    if not text.text.startswith(("{", "[")):
        return [text.text]
    return [word for word in text.text.split('"') if word.startswith("m-")]


def test_every_place_that_holds_text_is_found_once_with_its_kind() -> None:
    body, kinds = planted()
    found = [(mark, text.kind) for text in texts(body) for mark in _marks(text) if mark.startswith("m-")]
    # A tool that the conversation calls stands at the call and at its declaration; the call's own tool was declared for it.
    names = [("m-call-name", "tool_call"), ("m-call-name", "tool_name"), ("m-tool-name", "tool_call"), ("m-tool-name", "tool_name")]
    assert sorted(found) == sorted([*kinds.items(), *names])
    assert all(f"m-silent-{n}".encode() in body for n in range(1, 6))


def test_texts_come_in_wire_order_and_their_places_lead_to_them() -> None:
    parsed = json.loads(planted()[0])
    body = encode_json(parsed)
    places = []
    for text in texts(body):
        value = parsed
        for step in text.path.split("/")[1:]:
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert value == (text.text if isinstance(value, str) else json.loads(text.text))
        wanted = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else text.text
        places.append(body.index(wanted.encode(), places[-1] if places else 0))
    assert places == sorted(places)


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
    free = [text.path for text in texts(body) if text.text.startswith(("{", "[")) and text.kind != "schema"]
    places = [path for path, _ in _objects(json.loads(body)) if path != "/requestMetadata"]
    assert len(places) > 40
    for place in places:
        changed = json.loads(body)
        next(value for path, value in _objects(changed) if path == place)["prompt"] = "m-foreign"
        if any(place.startswith(path) for path in free):  # any JSON is at home there: it is found instead
            assert sum("m-foreign" in text.text for text in texts(json.dumps(changed).encode())) == 1
            continue
        with pytest.raises(ProtocolError, match="nothing was sent") as caught:
            texts(json.dumps(changed).encode())
        assert repr(f"{place}/prompt") in str(caught.value)


def _said(*blocks: object, role: str = "user") -> dict[str, Any]:
    return {"messages": [{"role": role, "content": list(blocks)}]}


UNKNOWN: dict[str, list[dict[str, Any]]] = {
    "/promptVariables": [{"promptVariables": {"x": {"text": "y"}}}],
    "/additionalModelRequestFields/inferenceConfig": [{"additionalModelRequestFields": {"inferenceConfig": {}}}],
    "/system/0/guardContent": [{"system": [{"guardContent": {}}]}],
    "/toolConfig/tools/0/systemTool": [{"toolConfig": {"tools": [{"systemTool": {"name": "x"}}]}}],
    "/messages/0/role": [_said(role="developer"), {"messages": [{}]}],
    "/messages/0/content/0/citationsContent": [_said({"citationsContent": {}}, role="assistant")],
    "/messages/0/content/0/searchResult": [_said({"searchResult": {}})],
    "/messages/0/content/0/toolUse": [_said({"toolUse": {}}), _said({"toolUse": {}}, role="system")],
    "/messages/0/content/0/reasoningContent": [_said({"reasoningContent": {}})],
    "/messages/0/content/0/image": [_said({"image": {}}, role="assistant")],
    "/messages/0/content/0/document/source/text": [_said({"document": {"format": "txt", "source": {"text": "x"}}})],
    "/messages/0/content/0/toolResult/content/0/searchResult": [_said({"toolResult": {"content": [{"searchResult": {}}]}})],
}


@pytest.mark.parametrize("place", UNKNOWN)
def test_places_that_are_unknown_on_purpose(place: str) -> None:
    for body in UNKNOWN[place]:
        with pytest.raises(ProtocolError) as caught:
            texts(json.dumps(body).encode())
        assert repr(place) in str(caught.value)
