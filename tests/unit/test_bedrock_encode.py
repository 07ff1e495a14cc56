"""Requests of Converse: the conversation."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.target import Profile
from saferoute.values.tools import Tool
from tests.unit.bedrock_cases import (
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
    text,
    tool,
    user,
)

PNG = b"\x89PNG\r\n"
WEATHER = ToolCall("tooluse_1", "weather", '{"city": "Łódź"}')
SIGNED = '{"reasoningContent":{"reasoningText":{"text":"hm — 1.0","signature":"s/+="}}}'


def state(payload: str = SIGNED, provider: str = "aws.bedrock", dialect: str = "bedrock_converse", model: str = MODEL) -> OpaqueState:
    return OpaqueState(provider, dialect, model, payload)


def turn(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def use(call_id: str = "tooluse_1", name: str = "weather", given: object = None) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": {"city": "Łódź"} if given is None else given}}


def result(call_id: str = "tooluse_1", *content: dict[str, Any], **fields: str) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": call_id, "content": list(content)} | fields}


HI = {"messages": [turn("user", text("hi"))]}
CONVERSATIONS: dict[str, tuple[tuple[Message, ...], dict[str, Any]]] = {
    "one question": ((user("hi"),), HI),
    "system at the top": ((system("be brief"), user("hi")), {"system": [text("be brief")], **HI}),
    "several at the top": ((system("a", "b"), system("c"), user("hi")), {"system": [text("a"), text("b"), text("c")], **HI}),
    "empty system": ((system(""), user("hi")), HI),
    "system in the middle": (
        (user("hi"), assistant("yes?"), system("now in French"), system(""), user("go on")),
        {
            "messages": [
                turn("user", text("hi")),
                turn("assistant", text("yes?")),
                turn("system", text("now in French")),
                turn("user", text("go on")),
            ]
        },
    ),
    "neighbours are merged": (
        (user("a"), user("b"), assistant("c"), assistant("d"), user("e")),
        {"messages": [turn("user", text("a"), text("b")), turn("assistant", text("c"), text("d")), turn("user", text("e"))]},
    ),
    "blank texts": (
        (user("a", ""), assistant("  ", "b"), user("c")),
        {"messages": [turn("user", text("a")), turn("assistant", text("b")), turn("user", text("c"))]},
    ),
}


@pytest.mark.parametrize(("messages", "body"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_conversations(messages: tuple[Message, ...], body: dict[str, Any]) -> None:
    assert body_of(*messages) == body


def test_calls_and_results_come_first_and_together() -> None:
    body = body_of(
        user("a"),
        assistant("looking", WEATHER, ToolCall("tooluse_2", "clock", "")),
        tool(ToolResult("tooluse_1", (Text("rain"),))),
        user("quick"),
        tool(ToolResult("tooluse_2", (), is_error=True)),
        tools=(Tool("weather", "", b"{}"), Tool("clock", "", b"{}")),
    )
    assert body["messages"] == [
        turn("user", text("a")),
        turn("assistant", text("looking"), use(), use("tooluse_2", "clock", {})),
        turn("user", result("tooluse_1", text("rain")), result("tooluse_2", status="error"), text("quick")),
    ]


def test_arguments_go_back_byte_for_byte() -> None:
    raw = '{"b" : 1.0, "a":"\\u00e9"}'
    sent = encode(user("a"), assistant(ToolCall("t", "f", raw)), tools=(Tool("f", "", b"{}"),)).request.body
    assert raw.encode() in sent


@pytest.mark.parametrize("arguments", ["[1]", "{", '"a"', '{"a":NaN}', '{"a":Infinity}'])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(InvalidMessages, match="not a JSON object"):
        encode(user("a"), assistant(ToolCall("t", "f", arguments)))


def test_foreign_call_ids_are_replaced_alike() -> None:
    foreign = "call|" + "x" * 80
    encoded = encode(user("a"), assistant(ToolCall(foreign, "weather", "{}")), tool(ToolResult(foreign, (Text("r"),))))
    _, asked, answered = json.loads(encoded.request.body)["messages"]
    made = asked["content"][0]["toolUse"]["toolUseId"]
    assert made == answered["content"][0]["toolResult"]["toolUseId"]
    assert made.startswith("tooluse_")
    assert len(made) <= 64
    assert [notice.kind for notice in encoded.notices] == ["changed", "filled"]


def test_tools_that_only_the_conversation_calls_are_declared() -> None:
    encoded = encode(user("a"), assistant(WEATHER, ToolCall("2", "weather", "")), tool(ToolResult("tooluse_1", (Text("r"),))))
    assert json.loads(encoded.request.body)["toolConfig"] == {
        "tools": [{"toolSpec": {"name": "weather", "inputSchema": {"json": {"type": "object"}}}}]
    }
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("filled", "tools")]


@pytest.mark.parametrize("name", ["a.b", "x" * 65])
def test_tool_names_that_converse_does_not_take_are_refused(name: str) -> None:
    with pytest.raises(InvalidMessages, match="rename the tool"):
        encode(user("a"), tools=(Tool(name, "", b"{}"),))
    with pytest.raises(InvalidMessages, match="rename the tool"):
        encode(user("a"), assistant(ToolCall("1", name, "{}")))


# ---------------------------------------------------------------------------------------------------- reasoning


def test_reasoning_goes_back_byte_for_byte_and_in_place() -> None:
    odd = SIGNED.replace(",", " ,  ")
    sent = encode(user("a"), assistant(Reasoning("hm", state(odd)), "b"), user("c")).request.body
    assert b'"content":[' + odd.encode() + b"," in sent


@pytest.mark.parametrize("case", ANSWERS)
def test_an_answer_goes_back_as_it_came(case: str) -> None:
    answer = ANSWERS[case]
    sent = []
    for events in (decoded_whole(answer), decoded(stream_of(answer))):
        encoded = encode(user("a"), Message("assistant", folded(events).content()), user("b"), on_unsupported="drop")
        sent.append([turn for turn in json.loads(encoded.request.body)["messages"] if turn["role"] == "assistant"])
    assert sent[0] == sent[1]
    back = sent[0][0]["content"] if sent[0] else []
    came = [
        {"text": "".join(piece["text"] for piece in block["citationsContent"]["content"])} if "citationsContent" in block else block
        for block in answer["output"]["message"]["content"]
    ]
    if case == "thinking without signature":
        came = came[1:]
    assert back == [block for block in came if block != {"text": ""}]


@pytest.mark.parametrize(
    "model",
    [
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ],
)
def test_reasoning_goes_back_to_its_model_in_any_region(model: str) -> None:
    encoded = encode(user("a"), assistant(Reasoning("hm", state()), "b"), to=target(model=model))
    assert json.loads(encoded.request.body)["messages"][1]["content"][0] == json.loads(SIGNED)
    assert encoded.notices == ()


@pytest.mark.parametrize(
    "foreign",
    [
        None,
        state(provider="anthropic"),
        state(dialect="anthropic_messages"),
        state(model="us.anthropic.claude-opus-4-1-20250805-v1:0"),
        state("{"),
        state("[]"),
        state("{}"),
    ],
    ids=["none", "provider", "dialect", "model", "no JSON", "no object", "empty"],
)
def test_reasoning_that_cannot_go_back_is_left_out_with_a_notice(foreign: OpaqueState | None) -> None:
    encoded = encode(user("a"), assistant(Reasoning("hm", foreign), "b"))
    assert json.loads(encoded.request.body)["messages"][1]["content"] == [text("b")]
    assert [notice.kind for notice in encoded.notices] == ["dropped"]


def test_an_assistant_message_of_nothing_is_left_out() -> None:
    encoded = encode(user("a"), assistant(Reasoning("hm"), " "), user("b"))
    assert json.loads(encoded.request.body)["messages"] == [turn("user", text("a"), text("b"))]
    assert len(encoded.notices) == 2


# ---------------------------------------------------------------------------------------------------- media


def _content(part: Image | File | Audio, **fields: object) -> dict[str, Any]:
    block: dict[str, Any] = body_of(user("see", part), **fields)["messages"][0]["content"][1]
    return block


DOCX = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FORMATS: list[tuple[Image | File | Audio, str, str]] = [
    (Image(PNG, media_type="image/png"), "image", "png"),
    (Image(PNG, media_type="image/jpg", detail="auto"), "image", "jpeg"),
    (Image(PNG, media_type="image/JPEG; q=1"), "image", "jpeg"),
    (File(PNG, media_type="image/webp"), "image", "webp"),
    (File(b"%PDF", media_type="application/pdf"), "document", "pdf"),
    (File(b"a,b", media_type="text/csv"), "document", "csv"),
    (File(b"x", media_type=DOCX), "document", "docx"),
    (File(b"x", media_type="text/markdown"), "document", "md"),
    (File(b"x", media_type="text/plain; charset=utf-8"), "document", "txt"),
    (File(b"x", media_type="video/mp4"), "video", "mp4"),
    (File(b"x", media_type="video/3gpp"), "video", "three_gp"),
    (File(b"x", media_type="audio/mpeg"), "audio", "mp3"),
    (File(b"x", media_type="audio/flac"), "audio", "flac"),
    (Audio(b"x", "WAV"), "audio", "wav"),
]


@pytest.mark.parametrize(("part", "kind", "form"), FORMATS, ids=[f"{kind} {form} {n}" for n, (_, kind, form) in enumerate(FORMATS)])
def test_media_formats(part: Image | File | Audio, kind: str, form: str) -> None:
    block = _content(part)
    assert block[kind]["format"] == form
    assert b64decode(block[kind]["source"]["bytes"]) == part.data
    assert ("name" in block[kind]) == (kind == "document")


def test_objects_in_s3() -> None:
    where = {"s3Location": {"uri": "s3://my-bucket/a/b.pdf"}}
    assert _content(File(file_id="s3://my-bucket/a/b.pdf")) == {"document": {"name": "document", "format": "pdf", "source": where}}
    named = _content(File(file_id="s3://my-bucket/a/b.pdf", media_type="video/mp4", filename="x.mp4"))
    assert named == {"video": {"format": "mp4", "source": where}}
    assert _content(File(file_id="s3://my-bucket/a.JPG"))["image"]["format"] == "jpeg"


NAMES = [
    (None, "document", False),
    ("report.pdf", "report", False),
    ("Q3 report (final) [2].pdf", "Q3 report (final) [2]", False),
    ("a_b.v2.pdf", "a-b-v2", True),
    ("Łódź  x.pdf", "--d- x", True),
    (".pdf", "-pdf", True),
    ("x" * 300, "x" * 180, True),
    ("ignore\nthis\ud800", "ignore-this-", True),
]


@pytest.mark.parametrize(("filename", "name", "changed"), NAMES, ids=[f"name {n}" for n in range(len(NAMES))])
def test_names_of_documents(filename: str | None, name: str, changed: bool) -> None:
    encoded = encode(user("a", File(b"%PDF", media_type="application/pdf", filename=filename)))
    assert json.loads(encoded.request.body)["messages"][0]["content"][1]["document"]["name"] == name
    assert [notice.kind for notice in encoded.notices] == (["changed"] if changed else [])


def test_no_two_documents_have_one_name() -> None:
    pdf = File(b"%PDF", media_type="application/pdf")
    blocks = body_of(user(pdf, pdf, "a"), assistant("b"), user(pdf))["messages"]
    names = [block["document"]["name"] for turn in blocks for block in turn["content"] if "document" in block]
    assert names == ["document", "document 2", "document 3"]


def test_a_text_of_another_type_goes_as_text_with_a_notice() -> None:
    encoded = encode(user("a", File(b"{}", media_type="application/json")))
    assert json.loads(encoded.request.body)["messages"][0]["content"][1]["document"]["format"] == "txt"
    assert "application/json" in encoded.notices[0].message


REFUSED: list[Image | File | Audio] = [
    Image(url="https://x.example/a.png"),
    Image(PNG, media_type="image/tiff"),
    File(url="https://x.example/a.pdf"),
    File(b"x", media_type="application/zip"),
    File(file_id="file-abc"),
    File(file_id="file-abc", media_type="application/pdf"),
    File(file_id="s3://b/a.pdf"),
    File(file_id="s3://my-bucket/a\ud800.pdf"),
    File(file_id="s3://my-bucket/a.zip"),
    Audio(b"x", "midi"),
]


@pytest.mark.parametrize("part", REFUSED, ids=[f"{part.type} {n}" for n, part in enumerate(REFUSED)])
def test_media_that_converse_does_not_take(part: Image | File | Audio) -> None:
    with pytest.raises(UnsupportedParameter):
        encode(user("see", part))
    encoded = encode(user("see", part), on_unsupported="drop")
    assert json.loads(encoded.request.body) == {"messages": [turn("user", text("see"))]}
    assert [notice.kind for notice in encoded.notices] == ["dropped"]
    with pytest.raises(InvalidMessages, match="no content"):
        encode(user(part), on_unsupported="drop")


def test_media_in_results() -> None:
    content = (Text("a"), Image(PNG, media_type="image/png"), Text(""), File(b"%PDF", media_type="application/pdf"))
    block = body_of(user("x"), assistant(WEATHER), tool(ToolResult("tooluse_1", content)))["messages"][2]["content"][0]
    assert [next(iter(piece)) for piece in block["toolResult"]["content"]] == ["text", "image", "document"]
    with pytest.raises(UnsupportedParameter, match="result"):
        encode(user("x"), assistant(WEATHER), tool(ToolResult("tooluse_1", (File(b"x", media_type="audio/wav"),))))


def test_a_model_without_eyes() -> None:
    blind = target(profile=Profile(vision=False))
    for part in (Image(PNG, media_type="image/png"), File(PNG, media_type="image/png")):
        with pytest.raises(UnsupportedParameter, match="no pictures"):
            encode(user("see", part), to=blind)
        assert body_of(user("see", part), to=blind, on_unsupported="drop")["messages"] == [turn("user", text("see"))]


def test_what_has_no_words_here_is_said() -> None:
    part = Image(PNG, media_type="image/png", detail="high")
    encoded = encode(Message("user", (Text("a"), part), name="Ann"), assistant(Refusal("no")), user("b"))
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [
        ("dropped", "messages.name"),
        ("dropped", "messages"),
        ("changed", "messages"),
    ]
    with pytest.raises(UnsupportedParameter, match="assistant"):
        encode(user("a"), assistant(part, "b"))


MISPLACED = [
    (Message("system", (Image(PNG, media_type="image/png"),)),),
    (user("a"), Message("tool", (Text("b"),))),
    (user("a", WEATHER),),
    (user("a"), assistant(ToolResult("t", ()))),
    (user(""),),
    (system("only"),),
]


@pytest.mark.parametrize("messages", MISPLACED, ids=[f"case {n}" for n in range(len(MISPLACED))])
def test_what_makes_no_conversation(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidMessages):
        encode(*messages)


def test_half_a_surrogate_pair_is_refused() -> None:
    for messages in ((user("\ud800"),), (system("\ud800"), user("a"))):
        with pytest.raises(InvalidMessages, match="surrogate"):
            encode(*messages)
