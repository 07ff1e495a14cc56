"""Files, pictures and results that hold text: an extractor says it, whatever type they say to be, or refuses the request."""

from __future__ import annotations

import json
from base64 import b64encode
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.errors import ProtocolError, UnsupportedParameter
from saferoute.providers.registry import codec_for
from saferoute.values.http import NetClass
from saferoute.values.messages import File, Image, Message, Part, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest
from saferoute.values.target import Dialect, Target
from saferoute.values.tools import Tool

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.providers.wire_text import WireText

SECRET = "the board meets on Friday"
DIALECTS: dict[Dialect, str] = {
    "anthropic_messages": "anthropic",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini_generate": "gcp.gemini",
    "mistral_chat": "mistral_ai",
    "ollama_chat": "ollama",
    "openai_chat": "openai",
    "openai_responses": "openai",
}
# Types of text: those that everybody lists, and those that a list of them forgets.
TEXT_TYPES = [
    "text/plain",
    "TEXT/PLAIN; charset=utf-8",
    "text/csv",
    "text/html",
    "text/markdown",
    "application/json",
    "application/jsonl",
    "application/rtf",
    "application/toml",
    "application/graphql",
    "application/x-tex",
    "application/x-httpd-php",
    "application/octet-stream",
    "message/rfc822",
]
PNG = b"\x89PNG\r\n\x1a\n" + SECRET.encode()
SILENT = ["image/png", "image/jpeg", "application/pdf", "application/msword", "application/vnd.ms-excel"]
TOOL = Tool.from_schema("look", {"type": "object", "properties": {}})


def texts_of(dialect: Dialect, body: bytes) -> tuple[WireText, ...]:
    read: Callable[[bytes], tuple[WireText, ...]] = import_module(f"saferoute.providers.{dialect}_texts").texts
    return read(body)


def written(dialect: Dialect, part: Part, place: str) -> bytes:
    """A request with this part in a user's turn or a tool's result; skips what the dialect does not take."""
    if place == "user":
        request = ChatRequest((Message("user", (Text("see"), part)),))
    else:
        turns = (
            Message("user", (Text("see"),)),
            Message("assistant", (ToolCall("call_a1b", "look", "{}"),)),
            Message("tool", (ToolResult("call_a1b", (Text("seen"), part)),)),  # type: ignore[arg-type]  # pictures and files
        )
        request = ChatRequest(turns, tools=(TOOL,))
    target = Target(
        "r", DIALECTS[dialect], dialect, "https://x.example", "", NetClass(), "m-1", "key", "bearer", default_max_output=100
    )  # fmt: skip
    try:
        return codec_for(dialect).encode(request, target).request.body
    except UnsupportedParameter:
        pytest.skip("this dialect does not take it")


def said_or_refused(dialect: Dialect, body: bytes) -> bool:
    try:
        found = texts_of(dialect, body)
    except ProtocolError:
        return True
    return any(SECRET in text.text for text in found)


@pytest.mark.parametrize("place", ["user", "tool_result"])
@pytest.mark.parametrize("media_type", TEXT_TYPES)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_in_a_file_is_said_whatever_type_it_says_to_be(dialect: Dialect, media_type: str, place: str) -> None:
    body = written(dialect, File(SECRET.encode(), media_type=media_type, filename="a.txt"), place)
    found = [text for text in texts_of(dialect, body) if SECRET in text.text]
    assert [text.kind for text in found] == [place]


@pytest.mark.parametrize("place", ["user", "tool_result"])
@pytest.mark.parametrize("media_type", ["image/svg+xml", "image/x-own"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_text_in_a_picture_is_said_or_refused(dialect: Dialect, media_type: str, place: str) -> None:
    for part in (Image(SECRET.encode(), media_type=media_type), File(SECRET.encode(), media_type=media_type)):
        assert said_or_refused(dialect, written(dialect, part, place))


@pytest.mark.parametrize("dialect", sorted(DIALECTS.keys() - {"anthropic_messages", "cohere_chat"}))  # these two send text as text
def test_bytes_that_say_to_be_text_and_are_none_are_refused(dialect: Dialect) -> None:
    for data in (SECRET.encode("utf-16"), SECRET.encode("utf-16-le"), SECRET.encode("utf-32-be"), b"\xff" + SECRET.encode()):
        body = written(dialect, File(data, media_type="text/plain", filename="a.txt"), "user")
        with pytest.raises(ProtocolError, match="nothing has looked at"):
            texts_of(dialect, body)


@pytest.mark.parametrize("media_type", SILENT)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_files_that_hold_no_text_are_silent(dialect: Dialect, media_type: str) -> None:
    body = written(dialect, File(PNG, media_type=media_type, filename="a"), "user")
    assert not any(SECRET in text.text for text in texts_of(dialect, body))


ENCODED = b64encode(SECRET.encode()).decode()


def said_by(part: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": [part]}


FORGED: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "bedrock text": ("bedrock_converse", {"document": {"name": "a", "format": "txt", "source": {"bytes": ENCODED}}}),
    "bedrock other format": ("bedrock_converse", {"document": {"name": "a", "format": "rtf", "source": {"bytes": ENCODED}}}),
    "bedrock no format": ("bedrock_converse", {"document": {"name": "a", "source": {"bytes": ENCODED}}}),
    "bedrock picture": ("bedrock_converse", {"image": {"format": "svg", "source": {"bytes": ENCODED}}}),
    "anthropic picture": (
        "anthropic_messages",
        {"type": "image", "source": {"type": "base64", "media_type": "text/plain", "data": ENCODED}},
    ),
    "anthropic paper": ("anthropic_messages", {"type": "document", "source": {"type": "base64", "media_type": "a/b", "data": ENCODED}}),
    "anthropic untyped": ("anthropic_messages", {"type": "document", "source": {"type": "base64", "data": ENCODED}}),
    "responses picture": ("openai_responses", {"type": "input_image", "image_url": f"data:text/plain;base64,{ENCODED}"}),
    "responses pdf as a picture": ("openai_responses", {"type": "input_image", "image_url": f"data:application/pdf;base64,{ENCODED}"}),
    "responses plain data": ("openai_responses", {"type": "input_image", "image_url": f"data:image/png,{SECRET}"}),
    "responses spaced data": ("openai_responses", {"type": "input_image", "image_url": f" DATA:text/plain,{SECRET}"}),
    "chat picture": ("openai_chat", {"type": "image_url", "image_url": {"url": f"data:application/pdf;base64,{ENCODED}"}}),
    "cohere picture": ("cohere_chat", {"type": "image_url", "image_url": {"url": f"data:;base64,{ENCODED}"}}),
    "mistral picture": ("mistral_chat", {"type": "image_url", "image_url": f"data:application/pdf;base64,{ENCODED}"}),
    "mistral paper": ("mistral_chat", {"type": "document_url", "document_url": f"data:application/x-tex;base64,{ENCODED}"}),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_body_hides_no_text_behind_a_type(name: str) -> None:
    dialect, part = FORGED[name]
    turn = said_by(part)
    if dialect == "openai_responses":
        turn["type"] = "message"
    body = {"input": [turn]} if dialect == "openai_responses" else {"messages": [turn]}
    assert said_or_refused(dialect, json.dumps(body).encode())


@pytest.mark.parametrize("data", [ENCODED, "!", "", b64encode(b"%PDF-1.4").decode(), b64encode(b"RIFF\0\0\0\0WAVE").decode(), 7, None])
def test_an_ollama_picture_has_to_begin_as_one(data: object) -> None:
    body = json.dumps({"messages": [{"role": "user", "content": "a", "images": [data]}]}).encode()
    with pytest.raises(ProtocolError, match="/messages/0/images/0"):
        texts_of("ollama_chat", body)
    good = json.dumps({"messages": [{"role": "user", "content": "a", "images": [b64encode(PNG).decode()]}]}).encode()
    assert [text.text for text in texts_of("ollama_chat", good)] == ["a"]
