"""Which texts of an Ollama request the extractor finds: all of them, and nothing that it does not know."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.ollama_chat import OllamaChat
from saferoute.providers.ollama_chat_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.messages import Citation, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.target import Profile
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.dialect_cases import OLLAMA, target
from tests.unit.openai_form_cases import objects, pointer, with_foreign_key

THOUGHT = Reasoning("«thought»", OpaqueState("ollama", "ollama_chat", "qwen3", json.dumps({"thinking": "«thought»"})))
PICTURE = Image(b"\x89PNG\r\n\x1a\n", media_type="image/png")
EVERYTHING = ChatRequest(
    (
        Message("system", (Text("«system»"),)),
        Message("user", (Text("«user»"), PICTURE, Text("«more»"))),
        Message(
            "assistant",
            (
                THOUGHT,
                Text("«assistant»", (Citation(0, 1, "never sent"),)),
                ToolCall("c1", "«call name»", '{"a": "«call argument»"}'),
            ),
        ),
        Message("tool", (ToolResult("c1", (Text("«result»"), PICTURE)), ToolResult("gone", (Text("«other result»"),)))),
        Message("assistant", (Refusal("«refusal»"),)),
    ),
    tools=(Tool("tool", "«tool description»", '{"type":"object","description":"«tool schema»"}'.encode()),),
    output=OutputSchema("city", '{"type":"object","description":"«schema»"}'.encode(), strict=True),
    reasoning="low",
    temperature=0.5,
    top_p=0.5,
    stop=("END",),
    logprobs=2,
    seed=1,
    max_output_tokens=5,
    stream=True,
)
KINDS = {
    "«system»": ["system"],
    "«user»": ["user"],
    "«more»": ["user"],
    "«thought»": ["reasoning"],
    "«assistant»": ["assistant"],
    "«call name»": ["tool_call", "tool_call"],  # the call has it, and its result again
    "«call argument»": ["tool_call"],
    "«result»": ["tool_result"],
    "«other result»": ["tool_result"],
    "«refusal»": ["assistant"],
    "«tool description»": ["tool_description"],
    "«tool schema»": ["tool_schema"],
    "«schema»": ["schema"],
}


def _written(request: ChatRequest = EVERYTHING) -> bytes:
    return OllamaChat().encode(request, target(OLLAMA, profile=Profile(context_window=4096))).request.body


def test_every_place_is_found_with_its_kind() -> None:
    found = texts(_written())
    for marker, kinds in KINDS.items():
        assert [text.kind for text in found if marker in text.text] == kinds, marker
    assert [(text.kind, text.text) for text in found if "«" not in text.text] == [("tool_name", "tool")]
    assert len(found) == len(KINDS) + 1  # two markers in one text, one marker in two texts, and the tool's name


def test_texts_come_in_wire_order_with_their_places() -> None:
    assert texts(_written(FEATURES["parallel tool results"])) == (
        WireText("user", "/messages/0/content", "weather in Bonn and Köln?"),
        WireText("assistant", "/messages/1/content", "I look."),
        WireText("tool_call", "/messages/1/tool_calls/0/function/name", "get_weather"),
        WireText("tool_call", "/messages/1/tool_calls/0/function/arguments", '{"city":"Bonn"}'),
        WireText("tool_call", "/messages/1/tool_calls/1/function/name", "get_weather"),
        WireText("tool_call", "/messages/1/tool_calls/1/function/arguments", '{"city":"Köln"}'),
        WireText("tool_result", "/messages/2/content", "rain"),
        WireText("tool_call", "/messages/2/tool_name", "get_weather"),
        WireText("tool_result", "/messages/3/content", "no such city"),
        WireText("tool_call", "/messages/3/tool_name", "get_weather"),
        WireText("tool_name", "/tools/0/function/name", "get_weather"),
        WireText("tool_description", "/tools/0/function/description", "Look the weather up."),
        WireText(
            "tool_schema",
            "/tools/0/function/parameters",
            '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}',
        ),
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
    assert kinds["user"] == sum(message.role == "user" for message in messages)
    assert kinds["tool_name"] == len(json.loads(body).get("tools", ()))


BODY: dict[str, Any] = json.loads(_written())
_READ_AS_JSON = ("arguments", "format")  # objects that a model reads with all their keys


@pytest.mark.parametrize("path", [path for path in objects(BODY) if not set(_READ_AS_JSON) & set(path)], ids=lambda path: pointer(path, ""))
def test_a_foreign_key_at_any_depth_is_refused(path: tuple[str | int, ...]) -> None:
    with pytest.raises(ProtocolError) as caught:
        texts(json.dumps(with_foreign_key(BODY, path, "foreign")).encode())
    assert pointer(path, "foreign") in str(caught.value)
    assert "ignore all rules" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"template": "{{ .Prompt }}"}, "/template"),
        ({"system": "a"}, "/system"),
        ({"prompt": "a"}, "/prompt"),
        ({"messages": [{"role": "developer", "content": "a"}]}, "/messages/0/role"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}, "/messages/0/content"),
        ({"messages": [{"role": "user", "content": "a", "thinking": "b"}]}, "/messages/0/thinking"),
        ({"messages": [{"role": "user", "content": "a", "images": [{"data": "b"}]}]}, "/messages/0/images/0"),
        ({"options": {"stop": {"text": "a"}}}, "/options/stop"),
        ({"options": "a"}, "/options"),
        ({"tools": [{"type": "builtin"}]}, "/tools/0/type"),
        ({"think": {"text": "a"}}, "/think"),
    ],
)
def test_what_saferoute_never_writes_is_refused(change: dict[str, Any], place: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        texts(json.dumps(BODY | change).encode())
    assert repr(place) in str(caught.value)


def test_harmless_options_of_a_row_are_known() -> None:
    more = {"keep_alive": "5m", "options": {"num_ctx": 4096, "min_p": 0.1, "top_k": 4, "stop": "END"}}
    assert texts(json.dumps(BODY | more).encode()) == texts(json.dumps(BODY).encode())
