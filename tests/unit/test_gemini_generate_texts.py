"""What of a generateContent request is text: every place that holds some, and nothing that nobody has looked at."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.gemini_generate import GeminiGenerate
from saferoute.providers.gemini_generate_texts import texts
from saferoute.providers.wire_text import WireText
from saferoute.values.messages import Audio, File, Image, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.gemini_cases import (
    ANSWERS,
    TARGET,
    VERTEX,
    assistant,
    body_of,
    decoded_whole,
    encode,
    folded,
    state,
    system,
    target,
    tool,
    user,
)

Json = dict[str, Any]
CODE = {"executableCode": {"language": "PYTHON", "code": "m-code"}, "thoughtSignature": "c2ln"}
RAN = {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "m-output"}}
ASKED = {"toolCall": {"toolType": "GOOGLE_SEARCH_WEB", "args": {"queries": ["m-query"]}, "id": "t1"}}
FOUND = {"toolResponse": {"toolType": "GOOGLE_SEARCH_WEB", "response": {"x": "m-found"}, "id": "t1"}}
DRAWN = {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}


@pytest.mark.parametrize("to", [TARGET, VERTEX], ids=["developer", "vertex"])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_request_that_is_written_is_read(feature: str, to: Any) -> None:
    try:
        body = GeminiGenerate().encode(FEATURES[feature], to).request.body
    except UnsupportedParameter:
        return
    found = texts(body)
    said = [part.text for message in FEATURES[feature].messages for part in message.content if isinstance(part, Text)]
    assert sorted(text.text for text in found if text.kind in {"system", "user", "assistant"} and text.text in said) == sorted(said)
    assert [text.text for text in found if text.kind == "tool_name"] == [tool.name for tool in FEATURES[feature].tools]


def planted() -> tuple[bytes, dict[str, str]]:
    """A request with a marker in every place that holds text, and each marker's kind."""
    body = encode(
        system("m-system-1", "m-system-2"),
        user(
            "m-user",
            Image(data=b"m-silent", media_type="image/png"),
            Image(url="https://m-silent-1.example/a.png"),
            File(data=b"m-document", media_type="text/markdown"),
            File(data=b"%PDF", media_type="application/pdf"),
            File(file_id="files/m-silent-2"),
            Audio(b"RIFF", "wav"),
        ),
        assistant(
            Reasoning("m-thought", state({"thought": True, "thoughtSignature": "c2ln"})),
            *(Reasoning("", state(part)) for part in (CODE, RAN, ASKED, FOUND, DRAWN)),
            "m-assistant",
            Reasoning("", state({"thoughtSignature": "c2ln"})),
            Refusal("m-refusal"),
            ToolCall("m-silent-3", "m-call-name", '{"city": "m-call-input"}'),
            ToolCall("b", "m-call-name-2", "{}"),
        ),
        tool(
            ToolResult("m-silent-3", (Text("m-result-1"),)),
            ToolResult("b", (Text("m-result-2"), File(data=b"m-result-3", media_type="text/csv")), is_error=True),
        ),
        assistant("m-assistant-2"),
        system("m-system-3"),
        user("m-user-2"),
        tools=(Tool("m-tool", "m-tool-description", b'{"type":"object","title": "m-tool-schema"}'),),
        tool_choice="required",
        output=OutputSchema("m-silent-4", b'{"type":"object","title": "m-schema"}', strict=True),
        stop=("m-silent-5",),
        reasoning="low",
        logprobs=1,
        n=2,
        to=target(extra_params=frozenset({"googleSearch", "safetySettings", "labels", "responseModalities", "imageConfig"})),
        provider_options={
            "gcp.gemini": {
                "googleSearch": {},
                "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
                "labels": {"team": "m-silent-6"},
                "responseModalities": ["TEXT"],
                "imageConfig": {"aspectRatio": "1:1"},
            }
        },
    ).request.body
    kinds = {
        **{f"m-system-{n}": "system" for n in (1, 2, 3)},
        **dict.fromkeys(("m-user", "m-user-2", "m-document"), "user"),
        "m-thought": "reasoning",
        **dict.fromkeys(("m-code", "m-query", "m-call-input"), "tool_call"),
        **dict.fromkeys(("m-output", "m-found", "m-result-1", "m-result-2", "m-result-3"), "tool_result"),
        **dict.fromkeys(("m-assistant", "m-assistant-2", "m-refusal"), "assistant"),
        "m-tool": "tool_name",
        "m-tool-description": "tool_description",
        "m-tool-schema": "tool_schema",
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
    twice = [(name, kind) for name in ("m-call-name", "m-call-name-2") for kind in ("tool_call", "tool_result")]  # a result says it again
    assert sorted(found) == sorted([*kinds.items(), *twice])
    assert b"m-silent-4" not in body
    assert all(f"m-silent-{n}".encode() in body for n in (1, 2, 3, 5, 6))
    assert b64encode(b"m-silent") in body


def test_texts_come_in_wire_order_with_their_places() -> None:
    body, _ = planted()
    read = json.loads(body)
    for text in texts(body):
        value: Any = read
        for key in text.path.split("/")[1:]:
            value = value[int(key)] if isinstance(value, list) else value[key]
        if isinstance(value, str) and not text.path.endswith("/data"):
            assert value == text.text
        elif not isinstance(value, str):
            assert json.loads(text.text) == value
    assert [text.path for text in texts(body)][:3] == [
        "/contents/0/parts/0/text",
        "/contents/0/parts/3/inlineData/data",
        "/contents/1/parts/0/text",
    ]


@pytest.mark.parametrize("name", [name for name in ANSWERS if folded(decoded_whole(ANSWERS[name])).content()])
def test_the_next_turn_of_any_answer_is_read(name: str) -> None:
    content = folded(decoded_whole(ANSWERS[name])).content()
    said = texts(encode(user("q"), assistant(*content), user("next")).request.body)
    assert {text.text for text in said} >= {part.text for part in content if isinstance(part, Text)}


def _objects(value: Any, at: str = "") -> Iterator[tuple[str, Json]]:
    """Every object of a body, but those that are one text, or that no model reads."""
    if isinstance(value, dict):
        one = ("JsonSchema", "/args", "/labels", "/executableCode", "/codeExecutionResult", "/toolCall", "/toolResponse")
        if at.endswith(one):
            return
        yield at, value
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _objects(inner, f"{at}/{key}")


def test_a_foreign_key_at_any_depth_is_refused() -> None:
    places = [at for at, _ in _objects(json.loads(planted()[0]))]
    assert len(places) > 40
    for number, place in enumerate(places):
        changed = json.loads(planted()[0])
        [inner for _, inner in _objects(changed)][number]["odd~key"] = "read me"
        with pytest.raises(ProtocolError) as caught:
            texts(json.dumps(changed).encode())
        assert repr(f"{place}/odd~0key") in str(caught.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cachedContent", "cachedContents/1"),
        ("system_instruction", {"parts": [{"text": "read me"}]}),
        ("contents", "read me"),
        ("contents", [{"parts": [{"text": "read me"}]}]),
        ("contents", [{"role": "system", "parts": [{"text": "read me"}]}]),
        ("contents", [{"role": "user", "parts": [{"text": ["read me"]}]}]),
        ("contents", [{"role": "user", "parts": [{"inlineData": {"mimeType": "text/plain", "data": "cmVhZCBtZQ"}}]}]),
        ("contents", [{"role": "user", "parts": [{"inlineData": {"mimeType": "text/plain", "data": 7}}]}]),
        ("contents", [{"role": "user", "parts": [{"inlineData": {"mimeType": "text/plain", "data": "/w=="}}]}]),
        ("contents", [{"role": "user", "parts": [{"inlineData": {"mimeType": "image/png", "data": "QQ==", "displayName": "read me"}}]}]),
        ("contents", [{"role": "model", "parts": ["read me"]}]),
        ("contents", [{"role": "model", "parts": [{"thought": True, "functionCall": {"name": "x", "args": {}}}]}]),
        ("tools", [{"googleSearch": {"excludeDomains": ["read me"]}}]),
        ("tools", [{"fileSearch": {"fileSearchStoreNames": ["x"]}}]),
        ("tools", [{"mcpServers": []}]),
        ("tools", [{"functionDeclarations": [{"name": "x", "parameters": {"title": "read me"}}]}]),
        ("toolConfig", {"retrievalConfig": {"languageCode": "x"}}),
        ("generationConfig", {"speechConfig": {"x": "read me"}}),
        ("generationConfig", {"responseSchema": {"description": "read me"}}),
        ("generationConfig", {"temperature": {"x": "read me"}}),
        ("safetySettings", {"x": "read me"}),
    ],
)
def test_what_nobody_looks_at_is_refused(key: str, value: object) -> None:
    with pytest.raises(ProtocolError):
        texts(json.dumps(body_of(user("hi")) | {key: value}).encode())


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"contents":[]}x', b'{"contents":[],"contents":[]}', b"\xff", b'{"contents":NaN}'])
def test_what_is_no_request_is_refused(body: bytes) -> None:
    with pytest.raises(ProtocolError):
        texts(body)
