"""The bytes that commitments are over."""

from __future__ import annotations

import json
from hashlib import sha256

import pytest

from saferoute.ledger.commitment import Salts, message_bytes, messages_bytes, system_id, text_bytes
from saferoute.signing.strict_json import canonical, parse
from saferoute.values.messages import (
    Audio,
    Citation,
    File,
    Image,
    Message,
    OpaqueState,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from saferoute.values.request import OutputSchema
from saferoute.values.template import Piece, Rendered, Template
from saferoute.values.tools import Tool
from tests.support.ledger_cases import SECRET, A

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
STATE = OpaqueState("openai", "openai_responses", "gpt-5", '{"encrypted":"x"}')
SEEN = {"bytes": len(PNG), "sha256": sha256(PNG).hexdigest()}
STATED = {
    "provider": "openai", "dialect": "openai_responses", "model": "gpt-5", "bytes": 17, "sha256": sha256(b'{"encrypted":"x"}').hexdigest(),
}  # fmt: skip
PARTS: list[tuple[Part, dict[str, object]]] = [
    (Text("h\u00e9"), {"type": "text", "text": "h\u00e9"}),
    (Text("a", citations=(Citation(0, 1, url="https://example.com"),)), {
        "type": "text", "text": "a", "citations": [{"start": 0, "end": 1, "url": "https://example.com"}],
    }),
    (Text("", template=Template("greet", {"name": "Ada", "size": 1.5, "list": [1], "on": True, "nothing": None})), {
        "type": "text", "text": "", "template": {"name": "greet", "values": {"name": "Ada", "size": "1.5", "list": "[1]", "on": True, "nothing": None}},
    }),
    (Text("Hi Ada", template=Rendered("greet", "0" * 64, (Piece("Hi "), Piece("Ada", "name")))), {"type": "text", "text": "Hi Ada"}),
    (Refusal("no"), {"type": "refusal", "text": "no"}),
    (Reasoning("hm"), {"type": "reasoning", "text": "hm"}),
    (Reasoning("", STATE), {"type": "reasoning", "text": "", "state": STATED}),
    (ToolCall("1", "look", '{"a": 1.0}'), {"type": "tool_call", "id": "1", "name": "look", "arguments": '{"a": 1.0}'}),
    (ToolCall("1", "look", "", STATE), {"type": "tool_call", "id": "1", "name": "look", "arguments": "", "state": STATED}),
    (ToolResult("1", (Text("ok"), Image(PNG)), is_error=True), {
        "type": "tool_result", "call_id": "1", "is_error": True,
        "content": [{"type": "text", "text": "ok"}, {"type": "image", "media_type": "image/png", **SEEN}],
    }),
    (Image(PNG, detail="low"), {"type": "image", "media_type": "image/png", "detail": "low", **SEEN}),
    (Image(url="https://example.com/a.png"), {"type": "image", "url": "https://example.com/a.png"}),
    (Audio(PNG, "wav"), {"type": "audio", "format": "wav", **SEEN}),
    (File(PNG, media_type="image/png", filename="a.png"), {"type": "file", "media_type": "image/png", "filename": "a.png", **SEEN}),
    (File(file_id="file-1"), {"type": "file", "file_id": "file-1"}),
]  # fmt: skip


@pytest.mark.parametrize(("part", "said"), PARTS, ids=[f"{number} {part.type}" for number, (part, _) in enumerate(PARTS)])
def test_a_message_is_strict_json_of_what_it_says(part: Part, said: dict[str, object]) -> None:
    made = message_bytes(Message("user", (part,)))
    assert made == canonical({"role": "user", "content": [said]})
    assert canonical(parse(made)) == made


def test_a_name_is_said_if_there_is_one() -> None:
    assert message_bytes(Message("user", (), "ada")) == b'{"content":[],"name":"ada","role":"user"}'


def test_a_request_is_its_messages_tools_and_output() -> None:
    message = Message("user", (Text("hi"),))
    said = {"role": "user", "content": [{"type": "text", "text": "hi"}]}
    assert messages_bytes([message]) == canonical({"messages": [said]})
    tool = Tool("look", "looks", b'{"type":"object"}', strict=True)
    made = messages_bytes([message], (tool, Tool("see", "", b"{}")), OutputSchema("answer", b'{"type":"object"}', strict=False))
    assert json.loads(made) == {
        "messages": [said],
        "tools": [
            {"name": "look", "description": "looks", "parameters": '{"type":"object"}', "strict": True},
            {"name": "see", "description": "", "parameters": "{}"},
        ],
        "output": {"name": "answer", "schema": '{"type":"object"}', "strict": False},
    }
    assert canonical(parse(made)) == made


def test_half_of_a_surrogate_pair_does_not_stop_a_call_from_being_recorded() -> None:
    assert text_bytes("a\ud800") == b"a\xed\xa0\x80"
    assert b"\xed\xa0\x80" in message_bytes(Message("user", (Text("\ud800"),)))


def test_the_last_system_prompt_is_remembered_and_no_other_is_taken_for_it() -> None:
    salts = Salts(SECRET, A)
    for text in ("", "a", "a", "b", "a", ""):
        assert salts.system_id(text) == system_id(SECRET, text)
    assert repr(salts) == "Salts()"
