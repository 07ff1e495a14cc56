"""Requests of generateContent: the conversation, part by part."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.values.messages import Audio, File, Image, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.target import Profile
from tests.unit.gemini_cases import CODE, DRAWN, MODEL, VERTEX, assistant, body_of, encode, state, system, target, text, tool, user

PLACEHOLDER = base64.b64encode(b"skip_thought_signature_validator").decode()
PIXEL = b"\x89PNG"
OLDER = target(model="gemini-2.5-flash")


def contents(*messages: Any, **fields: Any) -> Any:
    return body_of(*messages, **fields)["contents"]


def kinds(*messages: Any, **fields: Any) -> list[tuple[str, str]]:
    return [(notice.kind, notice.parameter) for notice in encode(*messages, **fields).notices]


def test_the_smallest_request() -> None:
    request = encode(user("hi")).request
    assert request.body == b'{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}'
    assert (request.method, request.origin) == ("POST", "https://generativelanguage.googleapis.com")
    assert request.path == f"/v1beta/models/{MODEL}:generateContent"
    assert request.headers == (("content-type", "application/json"), ("accept", "application/json"))
    assert (request.secret, request.auth) == ("gemini", "x-goog-api-key")


def test_a_stream_has_a_path_of_its_own() -> None:
    request = encode(user("hi"), stream=True).request
    assert request.path == f"/v1beta/models/{MODEL}:streamGenerateContent?alt=sse"
    assert ("accept", "text/event-stream") in request.headers
    assert request.body == encode(user("hi")).request.body


def test_vertex_differs_in_path_and_key_only() -> None:
    request = encode(user("hi"), to=VERTEX).request
    assert request.path == f"/v1beta1/projects/p/locations/global/publishers/google/models/{MODEL}:generateContent"
    assert request.auth == "bearer"
    assert request.body == encode(user("hi")).request.body


def test_headers_of_the_row_are_sent() -> None:
    assert ("x-goog-user-project", "p") in encode(to=target(headers=(("x-goog-user-project", "p"),))).request.headers


def test_system_messages_stand_in_the_system_instruction() -> None:
    body = body_of(system("Be kind.", "Be brief."), user("hi"))
    assert body["systemInstruction"] == {"parts": [text("Be kind."), text("Be brief.")]}
    assert kinds(system("a"), user("hi")) == []
    late = body_of(user("a"), assistant("b"), system("c"), user("d"))
    assert late["systemInstruction"] == {"parts": [text("c")]}
    assert [entry["role"] for entry in late["contents"]] == ["user", "model", "user"]
    assert kinds(user("a"), system("c"), system("d")) == [("changed", "messages")]


def test_neighbours_of_one_role_are_one_content() -> None:
    assert contents(user("a"), user("b"), assistant("c"), assistant("d"), user("e")) == [
        {"role": "user", "parts": [text("a"), text("b")]},
        {"role": "model", "parts": [text("c"), text("d")]},
        {"role": "user", "parts": [text("e")]},
    ]


def test_a_speakers_name_is_left_out_with_a_notice() -> None:
    message = type(user("a"))("user", (Text("a"),), "Ada")
    assert contents(message) == contents(user("a"))
    assert kinds(message, message) == [("dropped", "messages.name")]


@pytest.mark.parametrize(
    "messages",
    [
        [system("only")],
        [user("")],
        [tool(ToolResult("x", (Text("a"),)))],
        [tool(Text("a"))],
        [user(ToolCall("i", "n", "{}"))],
        [user(Reasoning("a"))],
        [assistant("a", ToolResult("x", ()))],
        [system("a"), type(user())("system", (Image(url="https://x/y.png"),)), user("a")],
        [user("half a \ud83d pair")],
        [user("a"), assistant(ToolCall("i", "n", "[1]"))],
    ],
)
def test_conversations_that_the_api_cannot_express(messages: list[Any]) -> None:
    with pytest.raises(InvalidMessages):
        encode(*messages)


# ---------------------------------------------------------------------------------------------------- calls and results


def test_calls_and_results() -> None:
    signed = ToolCall("c1", "weather", '{"city": "Łódź"}', state({"thoughtSignature": "U0lH"}))
    plain = ToolCall("c2", "clock", "")
    results = (ToolResult("c2", (Text("12"), Text(":00"))), ToolResult("c1", (Text("no such city"),), is_error=True))
    assert contents(user("a"), assistant("b", signed, plain), tool(results[0]), tool(results[1]), user("c"))[1:] == [
        {
            "role": "model",
            "parts": [
                text("b"),
                {"functionCall": {"id": "c1", "name": "weather", "args": {"city": "Łódź"}}, "thoughtSignature": "U0lH"},
                {"functionCall": {"id": "c2", "name": "clock", "args": {}}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"id": "c1", "name": "weather", "response": {"error": "no such city"}}},
                {"functionResponse": {"id": "c2", "name": "clock", "response": {"result": "12:00"}}},
                text("c"),
            ],
        },
    ]


def test_the_name_is_that_of_the_call_before_the_result() -> None:
    messages = [user("a"), assistant(ToolCall("same", "first", "{}")), tool(ToolResult("same", (Text("1"),)))]
    messages += [assistant(ToolCall("same", "second", "{}")), user(ToolResult("same", (Text("2"),)))]
    said = [part["functionResponse"] for entry in contents(*messages) for part in entry["parts"] if "functionResponse" in part]
    assert [(entry["name"], entry["response"]["result"]) for entry in said] == [("first", "1"), ("second", "2")]


def test_arguments_go_in_byte_for_byte() -> None:
    arguments = '{ "b": 1.50, "a": "\\u00e9", "b2": 1e400}'
    assert b'"args":%s}' % arguments.encode() in encode(user("a"), assistant(ToolCall("i", "n", arguments))).request.body


def test_pictures_in_a_result() -> None:
    result = ToolResult(
        "i", (Text("see"), Image(data=PIXEL, media_type="image/png"), File(file_id="files/7", media_type="application/pdf"))
    )
    (_, _, answer) = contents(user("a"), assistant(ToolCall("i", "n", "{}")), tool(result))
    assert answer["parts"][0]["functionResponse"]["parts"] == [
        {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}},
        {"fileData": {"mimeType": "application/pdf", "fileUri": "https://generativelanguage.googleapis.com/v1beta/files/7"}},
    ]


# ---------------------------------------------------------------------------------------------------- signatures


@pytest.mark.parametrize(
    ("model", "sent"),
    [
        ("gemini-2.5-flash", None),
        ("gemini-1.5-pro-002", None),
        ("gemma-4-27b-it", None),
        ("my-tuned-model", None),
        ("gemini-3.5-flash", PLACEHOLDER),
        ("gemini-4-argon", PLACEHOLDER),
        ("gemini-10", PLACEHOLDER),
        ("gemini-flash-lite-latest", PLACEHOLDER),
    ],
)
def test_the_first_call_of_a_turn_has_a_signature_where_the_model_wants_one(model: str, sent: str | None) -> None:
    calls = (ToolCall("c1", "n", "{}"), ToolCall("c2", "n", "{}"))
    messages = (user("a"), assistant(*calls))
    parts = contents(*messages, to=target(model=model))[1]["parts"]
    assert [part.get("thoughtSignature") for part in parts] == [sent, None]
    assert kinds(*messages, to=target(model=model)) == ([("noted", "messages")] if sent else [])


@pytest.mark.parametrize(
    "foreign",
    [
        state({"thoughtSignature": "U0lH"}, provider="gcp.vertex_ai"),
        state({"thoughtSignature": "U0lH"}, model="gemini-3.8-flash"),
        OpaqueState("gcp.gemini", "openai_chat", MODEL, '{"thoughtSignature":"U0lH"}'),
        state([1]),
        OpaqueState("gcp.gemini", "gemini_generate", MODEL, "{"),
    ],
)
def test_state_from_elsewhere_is_left_out_with_a_notice(foreign: OpaqueState) -> None:
    messages = (user("a"), assistant(Reasoning("hm", foreign), "b", Reasoning("", foreign), ToolCall("i", "n", "{}", foreign)))
    assert contents(*messages)[1]["parts"] == [
        text("b"),
        {"functionCall": {"id": "i", "name": "n", "args": {}}, "thoughtSignature": PLACEHOLDER},
    ]
    assert kinds(*messages) == [("dropped", "reasoning"), ("noted", "messages")]


def test_a_signature_finds_its_text() -> None:
    def signed(word: str) -> Reasoning:
        return Reasoning("", state({"thoughtSignature": word}))

    parts = contents(
        user("a"), assistant("b", signed("QQ=="), "c", signed("Qg=="), signed("Qw=="), ToolCall("i", "n", "{}"), signed("RA=="))
    )
    assert parts[1]["parts"] == [
        text("b", "QQ=="),
        text("c", "Qg=="),
        text("", "Qw=="),
        {"functionCall": {"id": "i", "name": "n", "args": {}}, "thoughtSignature": PLACEHOLDER},
        text("", "RA=="),
    ]


def test_thinking() -> None:
    own = Reasoning("hm", state({"thought": True}))
    signed = Reasoning("so", state({"thought": True, "thoughtSignature": "QQ=="}))
    parts = contents(user("a"), assistant(own, signed, "b"))[1]["parts"]
    assert parts == [{"text": "hm", "thought": True}, {"text": "so", "thought": True, "thoughtSignature": "QQ=="}, text("b")]
    assert contents(user("a"), assistant(Reasoning("hm"), "b"))[1]["parts"] == [text("b")]
    assert kinds(user("a"), assistant(Reasoning("hm"), "b")) == [("dropped", "messages")]


def test_whole_parts_come_back_byte_for_byte() -> None:
    payload = '{"executableCode": {"code":"1 \\u002b 1" },  "thoughtSignature":"QQ=="}'
    part = Reasoning("", OpaqueState("gcp.gemini", "gemini_generate", MODEL, payload))
    body = encode(user("a"), assistant(part, Reasoning("", state(CODE)), Reasoning("", state(DRAWN)))).request.body
    assert b"[%s," % payload.encode() in body
    assert contents(user("a"), assistant(Reasoning("", state(DRAWN))))[1]["parts"] == [DRAWN]


def test_a_turn_of_nothing_that_can_be_sent_is_left_out() -> None:
    assert [entry["role"] for entry in contents(user("a"), assistant(Reasoning("hm")), user("b"))] == ["user"]
    assert ("dropped", "messages") in kinds(user("a"), assistant(""), user("b"))


def test_a_refusal_is_text() -> None:
    assert contents(user("a"), assistant(Refusal("no")))[1]["parts"] == [text("no")]
    assert kinds(user("a"), assistant(Refusal("no"))) == [("changed", "messages")]


# ---------------------------------------------------------------------------------------------------- media

MEDIA: list[tuple[Any, dict[str, Any]]] = [
    (Image(data=PIXEL, media_type="image/png"), {"inlineData": {"mimeType": "image/png", "data": "iVBORw=="}}),
    (
        Image(url="https://x.example/a/b.JPG?c=d.png"),
        {"fileData": {"mimeType": "image/jpeg", "fileUri": "https://x.example/a/b.JPG?c=d.png"}},
    ),
    (Image(url="https://x.example/a"), {"fileData": {"fileUri": "https://x.example/a"}}),
    (Image(url="https://x.example/a", media_type="image/webp"), {"fileData": {"mimeType": "image/webp", "fileUri": "https://x.example/a"}}),
    (File(data=b"%PDF", media_type="application/pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "JVBERg=="}}),
    (File(data=b"a,b", media_type="text/csv"), {"inlineData": {"mimeType": "text/csv", "data": "YSxi"}}),
    (File(url="https://x.example/a.pdf"), {"fileData": {"mimeType": "application/pdf", "fileUri": "https://x.example/a.pdf"}}),
    (File(file_id="gs://bucket/a.mp4"), {"fileData": {"mimeType": "video/mp4", "fileUri": "gs://bucket/a.mp4"}}),
    (File(file_id="files/abc"), {"fileData": {"fileUri": "https://generativelanguage.googleapis.com/v1beta/files/abc"}}),
    (Audio(b"RIFF", "wav"), {"inlineData": {"mimeType": "audio/wav", "data": "UklGRg=="}}),
    (Audio(b"ID3", "MP3"), {"inlineData": {"mimeType": "audio/mp3", "data": "SUQz"}}),
]


@pytest.mark.parametrize(("part", "sent"), MEDIA)
def test_media(part: Any, sent: dict[str, Any]) -> None:
    assert contents(user(part, "what is it?"))[0]["parts"] == [sent, text("what is it?")]


def test_what_media_cannot_say() -> None:
    assert kinds(user(Image(url="https://x/y.png", detail="high"))) == [("dropped", "messages")]
    assert kinds(user(Image(url="https://x/y.png", detail="auto"))) == []
    assert kinds(user(File(data=b"a", media_type="text/plain", filename="a.txt"))) == [("dropped", "messages")]
    with pytest.raises(InvalidMessages, match="format"):
        encode(user(Audio(b"a", 'wav"; x')))


@pytest.mark.parametrize("part", [Image(data=PIXEL, media_type="image/png"), File(data=PIXEL, media_type="IMAGE/png")])
def test_a_model_without_eyes(part: Any) -> None:
    blind = target(profile=Profile(vision=False))
    with pytest.raises(UnsupportedParameter):
        encode(user(part, "a"), to=blind)
    assert contents(user(part, "a"), to=blind, on_unsupported="drop")[0]["parts"] == [text("a")]
    assert kinds(user(part, "a"), to=blind, on_unsupported="drop") == [("dropped", "messages")]
    with pytest.raises(UnsupportedParameter, match="has nothing else"):
        encode(user(part), to=blind, on_unsupported="drop")


def test_no_media_in_an_assistant_message() -> None:
    with pytest.raises(UnsupportedParameter):
        encode(user("a"), assistant("b", Image(data=PIXEL, media_type="image/png")))
