"""Which texts of a Cohere request the extractor finds: all of them, each once, and nothing that it does not know."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.cohere_chat import CohereChat
from saferoute.providers.cohere_chat_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.messages import Citation, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.dialect_cases import COHERE
from tests.unit.openai_form_cases import objects, pointer, with_foreign_key


def _state(**content: str) -> OpaqueState:
    return OpaqueState("cohere", "cohere_chat", "command-a", json.dumps(content))


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
                File("«document»".encode(), media_type="text/plain", filename="«file name»"),
            ),
        ),
        Message(
            "assistant",
            (
                Reasoning("«thought»", _state(type="thinking", thinking="«thought»")),
                Text("«assistant»", (Citation(0, 1, "never sent"),)),
                Reasoning("«plan»", _state(tool_plan="«plan»")),
                ToolCall("c1", "«call name»", '{"a": "«call argument»"}'),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult("c1", (Text("«result»"),)),
                ToolResult(
                    "c2", (Text("«result one»"), File("«result document»".encode(), media_type="text/plain", filename="«result title»"))
                ),
            ),
        ),
        Message("assistant", (Refusal("«refusal»"),)),
        Message("user", (Text("«last»"),)),
    ),
    tools=(Tool("tool", "«tool description»", '{"type":"object","description":"«tool schema»"}'.encode(), strict=True),),
    tool_choice="tool",
    reasoning="low",
    temperature=0.5,
    top_p=0.5,
    stop=("END",),
    logprobs=0,
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
    "«thought»": "reasoning",
    "«assistant»": "assistant",
    "«plan»": "reasoning",
    "«call name»": "tool_call",
    "«call argument»": "tool_call",
    "«result»": "tool_result",
    "«result one»": "tool_result",
    "«result document»": "tool_result",
    "«result title»": "tool_result",
    "«refusal»": "assistant",
    "«last»": "user",
    "«tool description»": "tool_description",
    "«tool schema»": "tool_schema",
}


def _written(request: ChatRequest = EVERYTHING) -> bytes:
    return CohereChat().encode(request, COHERE).request.body


def test_every_place_is_found_once_and_with_its_kind() -> None:
    found = texts(_written())
    for marker, kind in KINDS.items():
        assert [text.kind for text in found if marker in text.text] == [kind], marker
    assert [(text.kind, text.text) for text in found if "«" not in text.text] == [("tool_name", "tool")]
    assert len(found) == len(KINDS) + 1


def test_texts_come_in_wire_order_with_their_places() -> None:
    request = replace(FEATURES["text file"], output=None)
    assert texts(_written(request)) == (
        WireText("user", "/messages/0/content", "sum it up"),
        WireText("user", "/documents/0/data/title", "a.txt"),
        WireText("user", "/documents/0/data/text", "once upon a time"),
    )
    schema = OutputSchema("city", b'{"type":"object"}', strict=True)
    assert texts(_written(replace(FEATURES["text"], output=schema))) == (
        WireText("user", "/messages/0/content", "hello"),
        WireText("schema", "/response_format/json_schema", '{"type":"object"}'),
    )
    assert texts(_written(replace(FEATURES["text"], json_object=True))) == (WireText("user", "/messages/0/content", "hello"),)


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
    assert kinds["tool_name"] == len(json.loads(body).get("tools", ()))


BODY: dict[str, Any] = json.loads(_written())


@pytest.mark.parametrize("path", list(objects(BODY)), ids=lambda path: pointer(path, ""))
def test_a_foreign_key_at_any_depth_is_refused(path: tuple[str | int, ...]) -> None:
    with pytest.raises(ProtocolError) as caught:
        texts(json.dumps(with_foreign_key(BODY, path, "foreign")).encode())
    assert pointer(path, "foreign") in str(caught.value)
    assert "ignore all rules" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"documents": ["a"]}, "/documents/0"),
        ({"documents": [{"data": "a"}]}, "/documents/0/data"),
        ({"documents": [{"data": {"snippet": "a"}}]}, "/documents/0/data/snippet"),
        ({"documents": [{"id": "a"}]}, "/documents/0/id"),
        ({"connectors": [{"id": "web-search"}]}, "/connectors"),
        ({"messages": [{"role": "chatbot", "content": "a"}]}, "/messages/0/role"),
        ({"messages": [{"role": "assistant", "citations": []}]}, "/messages/0/citations"),
        ({"messages": [{"role": "user", "content": [{"type": "audio"}]}]}, "/messages/0/content/0/type"),
        ({"messages": [{"role": "user", "content": {"text": "a"}}]}, "/messages/0/content"),
        ({"messages": [{"role": "user", "content": "a", "tool_plan": "b"}]}, "/messages/0/tool_plan"),
        ({"response_format": {"type": "grammar"}}, "/response_format/type"),
        ({"temperature": {"text": "a"}}, "/temperature"),
        ({"tools": [{"type": "builtin"}]}, "/tools/0/type"),
    ],
)
def test_what_saferoute_never_writes_is_refused(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        texts(json.dumps(BODY | change).encode())
    assert repr(place) in str(caught.value)


def test_harmless_options_of_a_row_are_known() -> None:
    more = {"k": 5, "priority": 1, "safety_mode": "OFF", "frequency_penalty": 0.5, "citation_options": {"mode": "fast"}}
    assert texts(json.dumps(BODY | more).encode()) == texts(json.dumps(BODY).encode())
