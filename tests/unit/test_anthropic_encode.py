"""Requests of the Messages API: the conversation."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.target import Profile
from saferoute.values.tools import Tool
from tests.unit.anthropic_cases import (
    ANSWERS,
    MODEL,
    assistant,
    body_of,
    decoded,
    decoded_whole,
    encode,
    folded,
    stream_of,
    system,
    target,
    tool,
    user,
)

PNG = b"\x89PNG\r\n"
WEATHER = ToolCall("toolu_1", "weather", '{"city": "Łódź"}')
SIGNED = '{"type":"thinking","thinking":"hm — 1.0","signature":"s/+="}'


def state(payload: str = SIGNED, provider_name: str = "anthropic", dialect: str = "anthropic_messages", model: str = MODEL) -> OpaqueState:
    return OpaqueState(provider_name, dialect, model, payload)


def t(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


CONVERSATIONS: dict[str, tuple[tuple[Message, ...], dict[str, Any]]] = {
    "one question": ((user("hi"),), {"messages": [{"role": "user", "content": [t("hi")]}]}),
    "system at the top": ((system("be brief"), user("hi")), {"system": "be brief", "messages": [{"role": "user", "content": [t("hi")]}]}),
    "several at the top": (
        (system("a", "b"), system("c"), user("hi")),
        {"system": [t("a"), t("b"), t("c")], "messages": [{"role": "user", "content": [t("hi")]}]},
    ),
    "system in the middle": (
        (user("hi"), assistant("yes?"), system("now in French"), system(""), user("go on")),
        {
            "messages": [
                {"role": "user", "content": [t("hi")]},
                {"role": "assistant", "content": [t("yes?")]},
                {"role": "system", "content": [t("now in French")]},
                {"role": "user", "content": [t("go on")]},
            ]
        },
    ),
    "neighbours are merged": (
        (user("a"), user("b"), assistant("c"), assistant("d"), user("e")),
        {
            "messages": [
                {"role": "user", "content": [t("a"), t("b")]},
                {"role": "assistant", "content": [t("c"), t("d")]},
                {"role": "user", "content": [t("e")]},
            ]
        },
    ),
    "prefill": (
        (user("a"), assistant("{")),
        {"messages": [{"role": "user", "content": [t("a")]}, {"role": "assistant", "content": [t("{")]}]},
    ),
    "parallel calls, results first and together": (
        (
            user("a"),
            assistant("looking", WEATHER, ToolCall("toolu_2", "clock", "")),
            tool(ToolResult("toolu_1", (Text("rain"),))),
            user("quick"),
            tool(ToolResult("toolu_2", (Text("no "), Text("clock")), is_error=True)),
        ),
        {
            "messages": [
                {"role": "user", "content": [t("a")]},
                {
                    "role": "assistant",
                    "content": [
                        t("looking"),
                        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Łódź"}},
                        {"type": "tool_use", "id": "toolu_2", "name": "clock", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "rain"},
                        {"type": "tool_result", "tool_use_id": "toolu_2", "content": [t("no "), t("clock")], "is_error": True},
                        t("quick"),
                    ],
                },
            ]
        },
    ),
    "results with pictures, without content, and inside a user message": (
        (
            user("a"),
            assistant(WEATHER, ToolCall("b", "x", "{}"), ToolCall("c", "x", "{}")),
            tool(ToolResult("toolu_1", (Text("see"), Text(""), Image(data=PNG, media_type="image/png")))),
            user(ToolResult("b", ()), ToolResult("c", (Text(""),)), "so?"),
        ),
        {
            "messages": [
                {"role": "user", "content": [t("a")]},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Łódź"}},
                        {"type": "tool_use", "id": "b", "name": "x", "input": {}},
                        {"type": "tool_use", "id": "c", "name": "x", "input": {}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "tool_result",
                            "tool_use_id": "toolu_1",
                            "content": [
                                t("see"),
                                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
                            ],
                        },
                        {"type": "tool_result", "tool_use_id": "b"},
                        {"type": "tool_result", "tool_use_id": "c"},
                        t("so?"),
                    ],
                },
            ]
        },
    ),
    "empty texts go": (
        (user("a", ""), assistant(" \n", "b", ""), user("c")),
        {
            "messages": [
                {"role": "user", "content": [t("a")]},
                {"role": "assistant", "content": [t("b")]},
                {"role": "user", "content": [t("c")]},
            ]
        },
    ),
    "signed thinking": (
        (user("a"), assistant(Reasoning("hm — 1.0", state()), Reasoning("", state('{"type":"redacted_thinking","data":"x="}')), WEATHER)),
        {
            "messages": [
                {"role": "user", "content": [t("a")]},
                {
                    "role": "assistant",
                    "content": [
                        json.loads(SIGNED),
                        {"type": "redacted_thinking", "data": "x="},
                        {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Łódź"}},
                    ],
                },
            ]
        },
    ),
    "a call from server code": (
        (user("a"), assistant(ToolCall("i", "n", "{}", state('{"caller":{"type":"code_execution_20250825","tool_id":"s"},"id":"evil"}')))),
        {
            "messages": [
                {"role": "user", "content": [t("a")]},
                {
                    "role": "assistant",
                    "content": [
                        {
                            "type": "tool_use",
                            "id": "i",
                            "name": "n",
                            "input": {},
                            "caller": {"type": "code_execution_20250825", "tool_id": "s"},
                        }
                    ],
                },
            ]
        },
    ),
}


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversation(name: str) -> None:
    messages, expected = CONVERSATIONS[name]
    assert body_of(*messages) == {"model": MODEL, "max_tokens": 1000} | expected
    assert encode(*messages).notices == ()


MEDIA: dict[str, tuple[Any, dict[str, Any]]] = {
    "picture": (
        Image(data=PNG, media_type="image/png"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
    ),
    "picture by address": (Image(url='https://x/"y', detail="auto"), {"type": "image", "source": {"type": "url", "url": 'https://x/"y'}}),
    "picture as a file": (
        File(data=PNG, media_type="Image/PNG; x=y"),
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0K"}},
    ),
    "picture file by id": (
        File(file_id="file_1", media_type="image/png"),
        {"type": "image", "source": {"type": "file", "file_id": "file_1"}},
    ),
    "PDF": (
        File(data=b"%PDF", media_type="application/pdf", filename='a"b.pdf'),
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="}, "title": 'a"b.pdf'},
    ),
    "PDF by address": (File(url="https://x/y.pdf"), {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}}),
    "document by id": (File(file_id="file_1"), {"type": "document", "source": {"type": "file", "file_id": "file_1"}}),
    "plain text": (
        File(data="\ufeffżółw".encode(), media_type="text/plain; charset=utf-8"),
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "żółw"}},
    ),
}


@pytest.mark.parametrize("name", MEDIA)
def test_pictures_and_documents(name: str) -> None:
    part, expected = MEDIA[name]
    encoded = encode(user(part, "what is it?"))
    assert json.loads(encoded.request.body)["messages"][0]["content"] == [expected, t("what is it?")]
    assert encoded.notices == ()


@pytest.mark.parametrize("kind", ["text/markdown", "text/csv", "application/json"])
def test_other_text_goes_as_plain_text_and_says_so(kind: str) -> None:
    encoded = encode(user(File(data=b"a", media_type=kind)))
    (notice,) = encoded.notices
    assert (notice.kind, notice.parameter) == ("changed", "messages")
    assert kind in notice.message
    assert json.loads(encoded.request.body)["messages"][0]["content"][0]["source"]["data"] == "a"


UNSUPPORTED: dict[str, tuple[Message, Profile]] = {
    "sound": (user(Audio(b"x", "wav"), "hi"), Profile()),
    "TIFF": (user(Image(data=b"x", media_type="image/tiff"), "hi"), Profile()),
    "TIFF as a file": (user(File(data=b"x", media_type="image/tiff"), "hi"), Profile()),
    "zip": (user(File(data=b"x", media_type="application/zip"), "hi"), Profile()),
    "picture for a blind model": (user(Image(data=PNG, media_type="image/png"), "hi"), Profile(vision=False)),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_parts_that_the_model_does_not_take(name: str) -> None:
    message, profile = UNSUPPORTED[name]
    with pytest.raises(UnsupportedParameter) as caught:
        encode(message, to=target(profile=profile))
    assert caught.value.parameter == "messages"
    encoded = encode(message, to=target(profile=profile), on_unsupported="drop")
    assert json.loads(encoded.request.body)["messages"] == [{"role": "user", "content": [t("hi")]}]
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("dropped", "messages")]


def test_pictures_of_an_assistant_are_refused_or_dropped() -> None:
    messages = (user("draw"), assistant(Image(data=PNG, media_type="image/png"), "there"), user("nice"))
    with pytest.raises(UnsupportedParameter, match="assistant"):
        encode(*messages)
    assert body_of(*messages, on_unsupported="drop")["messages"][1] == {"role": "assistant", "content": [t("there")]}


INVALID: dict[str, tuple[Message, ...]] = {
    "no turn": (system("be brief"),),
    "an empty message": (user(""),),
    "nothing left of a message": (Message("user", ()),),
    "a picture in a system message": (Message("system", (Image(url="https://x"),)),),
    "a call by the user": (user(WEATHER),),
    "thinking by the user": (user(Reasoning("x")),),
    "a refusal by the user": (user(Refusal("x")),),
    "a result by the assistant": (user("a"), assistant(ToolResult("x", ()))),
    "a text by a tool": (user("a"), assistant(WEATHER), Message("tool", (Text("x"),))),
    "arguments that are no JSON": (user("a"), assistant(ToolCall("i", "n", '{"a"'))),
    "arguments that are no object": (user("a"), assistant(ToolCall("i", "n", "[1]"))),
    "arguments that are not strict JSON": (user("a"), assistant(ToolCall("i", "n", '{"a": NaN}'))),
    "arguments with infinity": (user("a"), assistant(ToolCall("i", "n", '{"a": -Infinity}'))),
    "arguments that go on": (user("a"), assistant(ToolCall("i", "n", '{}, "x": {}'))),
    "half a surrogate pair": (user("\ud800"),),
    "half a surrogate pair in a name": (user(File(file_id="\ud800")),),
    "half a surrogate pair in the arguments": (user("a"), assistant(ToolCall("i", "n", '{"a": "\ud800"}'))),
    "text that is not UTF-8": (user(File(data=b"\xff", media_type="text/plain")),),
}


@pytest.mark.parametrize("name", INVALID)
def test_conversations_that_the_api_cannot_express(name: str) -> None:
    with pytest.raises(InvalidMessages) as caught:
        encode(*INVALID[name], tools=(Tool("n", "", b"{}"),))
    assert str(caught.value)


def test_arguments_and_thinking_go_back_byte_for_byte() -> None:
    arguments = '{"n": 1.0, "big": 123456789012345678901234567890, "u": "\\u00fc", "NaN": "Infinity"}'
    body = encode(user("a"), assistant(Reasoning("hm", state()), ToolCall("i", "n", f" {arguments}\n"))).request.body
    assert arguments.encode() in body
    assert SIGNED.encode() in body


@pytest.mark.parametrize(
    ("reported", "asked"),
    [
        ("claude-sonnet-4-20250514", "claude-sonnet-4-0"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-3-7-sonnet-20250219", "claude-3-7-sonnet-latest"),
        ("claude-sonnet-5", "anthropic/claude-sonnet-5"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4-2025-05-14"),
        ("smollm2", "smollm2"),
    ],
)
def test_state_goes_back_to_the_same_model_under_its_other_names(reported: str, asked: str) -> None:
    encoded = encode(user("a"), assistant(Reasoning("x", state(model=reported)), "b"), to=target(model=asked))
    assert SIGNED.encode() in encoded.request.body
    assert encoded.notices == ()


FOREIGN_STATE: dict[str, Reasoning | ToolCall] = {
    "another provider": Reasoning("x", state(provider_name="openrouter")),
    "another dialect": Reasoning("x", state(dialect="openai_responses")),
    "another model": Reasoning("x", state(model="claude-opus-4-5")),
    "another size of it": Reasoning("x", state(model="claude-sonnet-4-50")),
    "no state": Reasoning("x"),
    "not JSON": Reasoning("x", state("}{")),
    "not an object": Reasoning("x", state("[]")),
    "not strict JSON": Reasoning("x", state('{"type":"thinking","thinking":NaN}')),
    "no type": Reasoning("x", state("{}")),
    "a type that is no word": Reasoning("x", state('{"type":[]}')),
    "a call of another provider": ToolCall("i", "n", "{}", state('{"caller":1}', provider_name="gcp.gemini")),
}


@pytest.mark.parametrize("name", FOREIGN_STATE)
def test_state_that_does_not_belong_there_is_left_out_with_one_notice(name: str) -> None:
    part = FOREIGN_STATE[name]
    encoded = encode(user("a"), assistant(part, part, "b"))
    content = json.loads(encoded.request.body)["messages"][1]["content"]
    bare = {"type": "tool_use", "id": "i", "name": "n", "input": {}}
    assert content == [*([bare, bare] if isinstance(part, ToolCall) else []), t("b")]
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("dropped", "messages")]


def test_thinking_that_was_cut_off_is_left_out_but_unsigned_thinking_of_a_local_server_goes_back() -> None:
    unsigned = Reasoning("x", state('{"type":"thinking","thinking":"x","signature":""}'))
    kept = body_of(user("a"), assistant(unsigned, "b"))["messages"][1]["content"]
    assert [block["type"] for block in kept] == ["thinking", "text"]
    cut = encode(user("a"), assistant("b", unsigned), user("c"))
    assert [block["type"] for block in json.loads(cut.request.body)["messages"][1]["content"]] == ["text"]
    assert "cut off" in cut.notices[0].message


def test_an_assistant_without_content_is_left_out_and_its_neighbours_are_one_turn() -> None:
    encoded = encode(user("a"), assistant(" "), user("b"))
    assert json.loads(encoded.request.body)["messages"] == [{"role": "user", "content": [t("a"), t("b")]}]
    assert "left out" in encoded.notices[0].message


def test_a_refusal_goes_back_as_text() -> None:
    encoded = encode(user("a"), assistant(Refusal("no")), user("why?"))
    assert json.loads(encoded.request.body)["messages"][1]["content"] == [t("no")]
    assert encoded.notices[0].kind == "changed"


def test_names_and_detail_are_dropped_with_a_notice() -> None:
    encoded = encode(Message("user", (Image(url="https://x", detail="low"),), name="Ada"))
    assert [notice.parameter for notice in encoded.notices] == ["messages.name", "messages"]
    assert b"Ada" not in encoded.request.body


def test_ids_of_other_providers_become_ids_that_the_api_takes() -> None:
    odd = "functions.weather:0"
    encoded = encode(user("a"), assistant(ToolCall(odd, "n", "{}")), tool(ToolResult(odd, (Text("x"),))))
    turns = json.loads(encoded.request.body)["messages"]
    used, result = turns[1]["content"][0]["id"], turns[2]["content"][0]["tool_use_id"]
    assert used == result
    assert used.startswith("toolu_")
    assert used.replace("_", "").isalnum()
    assert [notice.kind for notice in encoded.notices] == ["changed"]
    other = body_of(user("a"), assistant(ToolCall("functions.weather:1", "n", "{}")))
    assert other["messages"][1]["content"][0]["id"] != used


@pytest.mark.parametrize("name", ["thinking", "redacted thinking before a call", "server tool", "call from server code", "paused"])
@pytest.mark.parametrize("streamed", [False, True])
def test_an_answer_goes_back_as_it_came(name: str, streamed: bool) -> None:
    answer = ANSWERS[name]
    events = decoded(stream_of(answer)) if streamed else decoded_whole(answer)
    turn = Message("assistant", folded(events).content())
    encoded = encode(user("a"), turn, user("b"))
    sent = json.loads(encoded.request.body)["messages"][1]["content"]
    assert sent == [{key: value for key, value in block.items() if key != "citations"} for block in answer["content"]]
    assert encoded.notices == ()


def test_base64_is_standard_and_whole() -> None:
    data = bytes(range(256))
    source = body_of(user(Image(data=data, media_type="image/webp")))["messages"][0]["content"][0]["source"]
    assert b64decode(source["data"], validate=True) == data
