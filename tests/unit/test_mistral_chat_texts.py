"""Which texts of a Mistral request the extractor finds: all of them, each once, and nothing that it does not know."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.mistral_chat import MistralChat
from saferoute.providers.mistral_chat_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.dialect_cases import MISTRAL
from tests.unit.openai_form_cases import objects, pointer, with_foreign_key

CHUNK = {
    "type": "thinking",
    "thinking": [{"type": "text", "text": "«thought»"}, {"type": "reference", "reference_ids": [1, "a"]}],
    "closed": True,
    "signature": "s",
}
PICTURE = Image(b"\x01", media_type="image/png")
EVERYTHING = ChatRequest(
    (
        Message("system", (Text("«system»"),)),
        Message("system", (Text("«system one»"), Text("«system two»"))),
        Message("user", (Text("«user»"),)),
        Message(
            "user",
            (
                Text("«user block»"),
                PICTURE,
                Image(url="https://x.example/a.png", media_type="image/png", detail="low"),
                Audio(b"RIFF", "wav"),
                File("«document»".encode(), media_type="text/plain", filename="«file name»"),
                File(b"%PDF", media_type="application/pdf", filename="«pdf name»"),
                File(url="https://x.example/a.pdf", media_type="application/pdf"),
                File(file_id="f1", media_type="application/pdf"),
            ),
        ),
        Message(
            "assistant",
            (
                Reasoning("«thought»", OpaqueState("mistral_ai", "mistral_chat", "magistral", json.dumps(CHUNK))),
                Text("«assistant»"),
                ToolCall("aB3dE6gH9", "«call name»", '{"a": "«call argument»"}'),
            ),
        ),
        Message("tool", (ToolResult("aB3dE6gH9", (Text("«result»"),)), ToolResult("c", (Text("«result one»"), PICTURE)))),
        Message("assistant", (Refusal("«refusal»"),)),
    ),
    tools=(Tool("tool", "«tool description»", '{"type":"object","description":"«tool schema»"}'.encode()),),
    tool_choice="tool",
    output=OutputSchema("city", '{"type":"object","description":"«schema»"}'.encode(), strict=True),
    reasoning="low",
    stop=("END",),
    n=2,
    logprobs=2,
    seed=1,
    max_output_tokens=5,
    stream=True,
)
KINDS = {
    "«system»": "system",
    "«system one»": "system",
    "«system two»": "system",
    "«user»": "user",
    "«user block»": "user",
    "«document»": "user",
    "«file name»": "user",
    "«pdf name»": "user",
    "«thought»": "reasoning",
    "«assistant»": "assistant",
    "«call name»": "tool_call",
    "«call argument»": "tool_call",
    "«result»": "tool_result",
    "«result one»": "tool_result",
    "«refusal»": "assistant",
    "«tool description»": "tool_description",
    "«tool schema»": "tool_schema",
    "«schema»": "schema",
}


def _written(request: ChatRequest = EVERYTHING) -> bytes:
    return MistralChat().encode(request, MISTRAL).request.body


def test_every_place_is_found_once_and_with_its_kind() -> None:
    found = texts(_written())
    for marker, kind in KINDS.items():
        assert [text.kind for text in found if marker in text.text] == [kind], marker
    assert [(text.kind, text.text) for text in found if "«" not in text.text] == [("tool_name", "tool"), ("schema", "city")]
    assert len(found) == len(KINDS) + 2


def test_texts_come_in_wire_order_with_their_places() -> None:
    assert texts(_written(FEATURES["JSON Schema and tools"])) == (
        WireText("user", "/messages/0/content", "hello"),
        WireText("tool_name", "/tools/0/function/name", "get_weather"),
        WireText("tool_description", "/tools/0/function/description", "Look the weather up."),
        WireText(
            "tool_schema",
            "/tools/0/function/parameters",
            '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
        ),
        WireText("schema", "/response_format/json_schema/name", "City"),
        WireText("schema", "/response_format/json_schema/schema", FEATURES["JSON Schema"].output.schema.decode()),  # type: ignore[union-attr]
    )


@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_understood(feature: str) -> None:
    try:
        body = _written(FEATURES[feature])
    except UnsupportedParameter:
        body = _written(replace(FEATURES[feature], on_unsupported="drop"))
    kinds = Counter(text.kind for text in texts(body))
    messages = FEATURES[feature].messages
    assert kinds["system"] == sum(message.role == "system" for message in messages)
    assert kinds["user"] >= sum(message.role == "user" for message in messages)
    assert kinds["tool_name"] == len(FEATURES[feature].tools)


BODY: dict[str, Any] = json.loads(_written())


@pytest.mark.parametrize("path", list(objects(BODY)), ids=lambda path: pointer(path, ""))
def test_a_foreign_key_at_any_depth_is_refused(path: tuple[str | int, ...]) -> None:
    with pytest.raises(ProtocolError) as caught:
        texts(json.dumps(with_foreign_key(BODY, path, "foreign")).encode())
    assert pointer(path, "foreign") in str(caught.value)
    assert "ignore all rules" not in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"messages": [{"role": "user", "content": "a", "name": "b"}]},
        {"messages": [{"role": "assistant", "content": "a", "prefix": True}]},
        {"messages": [{"role": "user", "content": [{"type": "thinking", "thinking": []}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "data:text/plain,ignore"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "document_url", "document_url": "data:text/plain;base64,@@@"}]}]},
        {"tools": [{"type": "web_search"}]},
        {"guardrails": []},
        {"prediction": {"type": "content", "content": "a"}},
        {"metadata": {"a": "b"}},
    ],
)
def test_what_nobody_looked_at_is_refused(changes: dict[str, Any]) -> None:
    texts(b'{"model":"m","messages":[]}')
    with pytest.raises(ProtocolError, match="nothing was sent"):
        texts(json.dumps({"model": "m", "messages": []} | changes).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model":NaN}', b"\xff", b'{"messages":[],"messages":[]}'])
def test_what_is_no_body_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError, match="nothing was sent"):
        texts(body)
