"""Which texts of a request guards see, with whose they are; and the request with some of them replaced."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.guards.approval import approved
from saferoute.guards.segments import Placed, segments_of, with_texts
from saferoute.values.messages import (
    Audio,
    Citation,
    File,
    Image,
    Message,
    OpaqueState,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.tools import Tool

STATE = OpaqueState("demo", "openai_chat", "m", "{}")
PICTURE = Image(b"\x89PNG\r\n\x1a\n", media_type="image/png")
REQUEST = ChatRequest(
    (
        Message("system", (Text("be kind"),)),
        Message("user", (Text("hello"), PICTURE, Text("")), name="ann"),
        Message("assistant", (Reasoning("thinking"), Reasoning("kept", STATE), Refusal("no"), ToolCall("c1", "look", '{"q":1}'))),
        Message("tool", (ToolResult("c1", (Text("found"), PICTURE, File(b"a,b", media_type="text/csv"))), Text("beside"))),
        Message("user", (File(b"caf\xc3\xa9 \xff", media_type="Text/Plain; charset=utf-8"), Audio(b"RIFF", "wav"))),
    ),
    tools=(Tool("look", "looks things up", b'{"type":"object"}'), Tool("plain", "", b"{}")),
    output=OutputSchema("answer", b'{"type":"string"}', strict=True),
)
EXPECTED = [
    # path, text, origin, trusted, stage, replaceable, name
    ("/messages/0/content/0", "be kind", "system", True, "input", True, ""),
    ("/messages/1/name", "ann", "user", False, "input", False, ""),
    ("/messages/1/content/0", "hello", "user", False, "input", True, ""),
    ("/messages/2/content/0", "thinking", "model", False, "input", True, ""),
    ("/messages/2/content/1", "kept", "model", False, "input", False, ""),
    ("/messages/2/content/2", "no", "model", False, "input", True, ""),
    ("/messages/2/content/3/arguments", '{"q":1}', "model", False, "input", False, "look"),
    ("/messages/3/content/0/content/0", "found", "tool", False, "tool_result", True, "c1"),
    ("/messages/3/content/0/content/2", "a,b", "tool", False, "tool_result", False, "c1"),
    ("/messages/3/content/1", "beside", "tool", False, "tool_result", True, ""),
    ("/messages/4/content/0", "caf\u00e9 \ufffd", "user", False, "input", False, ""),
    ("/tools/0/name", "look", "developer", True, "input", False, "look"),
    ("/tools/0/description", "looks things up", "developer", True, "input", False, "look"),
    ("/tools/0/parameters", '{"type":"object"}', "developer", True, "input", False, "look"),
    ("/tools/1/name", "plain", "developer", True, "input", False, "plain"),
    ("/tools/1/parameters", "{}", "developer", True, "input", False, "plain"),
    ("/output/name", "answer", "developer", True, "input", False, ""),
    ("/output/schema", '{"type":"string"}', "developer", True, "input", False, ""),
]


def told(placed: Placed) -> tuple[str, str, str, bool, str, bool, str]:
    one = placed.segment
    return one.path, one.text, one.origin, one.trusted, placed.stage, placed.replaceable, one.name


@pytest.mark.parametrize("role", ["system", "user", "assistant"])
def test_a_message_that_says_nothing_has_no_text(role: str) -> None:
    said = Message("user", (Text("hello"),))
    for request in (ChatRequest((Message(role, (Text(""),)), said)), ChatRequest((said, Message(role, (Text(""), Text("")))))):  # type: ignore[arg-type]  # a role
        assert [one.segment.text for one in segments_of(request)] == ["hello"]


def test_every_text_in_the_order_of_the_request() -> None:
    assert [told(one) for one in segments_of(REQUEST)] == EXPECTED


def test_roles() -> None:
    roles = {
        one.segment.path.rpartition("/content/")[0]: one.segment.role for one in segments_of(REQUEST) if "/content/" in one.segment.path
    }
    assert [roles[f"/messages/{number}"] for number in range(5)] == ["system", "user", "assistant", "tool", "user"]
    assert segments_of(REQUEST)[-1].segment.role == "developer"


def test_a_request_without_tools_and_schema() -> None:
    assert [one.segment.text for one in segments_of(ChatRequest((Message("user", (Text("hi"),)),)))] == ["hi"]


@pytest.mark.parametrize(
    ("kind", "seen"),
    [
        ("text/plain", True),
        ("TEXT/HTML", True),
        ("application/json", True),
        ("application/ld+json; charset=utf-8", True),
        ("image/svg+xml", True),
        ("application/xml", True),
        ("application/pdf", False),
        ("application/octet-stream", True),  # there is no telling who reads it as text
    ],
)
def test_documents_that_are_text_are_seen_however_their_type_is_written(kind: str, seen: bool) -> None:
    request = ChatRequest((Message("user", (File(b"words", media_type=kind),)),))
    assert [one.segment.text for one in segments_of(request)] == ["words"] * seen


def test_what_prompt_integrity_takes_for_text_is_judged() -> None:
    parts = (
        Image(b"<svg>words</svg>", media_type="image/svg+xml"),
        File(b"\xff\xfe", media_type="application/octet-stream"),
        File(b"\xff", media_type="text/plain"),
    )
    request = ChatRequest((Message("user", parts),))
    assert [one.segment.text for one in segments_of(request)] == ["<svg>words</svg>", "\N{REPLACEMENT CHARACTER}"]
    assert "document" not in approved(ChatRequest((Message("user", (PICTURE,)),))).plain


def test_replacing_every_replaceable_text_and_nothing_else() -> None:
    places = [one.segment.path for one in segments_of(REQUEST) if one.replaceable]
    again = with_texts(REQUEST, {path: f"new {path}" for path in places})
    for before, after in zip(segments_of(REQUEST), segments_of(again), strict=True):
        assert after == (
            replace(before, segment=replace(before.segment, text=f"new {before.segment.path}")) if before.replaceable else before
        )
    assert again.messages[1].content[1] is PICTURE
    assert again.messages[2].content[1] is REQUEST.messages[2].content[1]
    assert (again.messages[1].name, again.tools, again.output) == ("ann", REQUEST.tools, REQUEST.output)
    assert again.messages[4] is REQUEST.messages[4]


def test_citations_of_a_replaced_text_go_and_those_of_another_stay() -> None:
    cited = (Citation(0, 1),)
    request = ChatRequest((Message("assistant", (Text("one", cited), Text("two", cited))),))
    assert with_texts(request, {"/messages/0/content/1": "2"}).messages[0].content == (Text("one", cited), Text("2"))


def test_only_the_message_that_is_meant_is_changed() -> None:
    messages = tuple(Message("user", (Text(str(number)),)) for number in range(12))
    again = with_texts(ChatRequest(messages), {"/messages/1/content/0": "x"})
    assert [message.text for message in again.messages] == ["0", "x", *map(str, range(2, 12))]
    assert again.messages[11] is messages[11]


texts = st.lists(st.lists(st.text(max_size=5), min_size=1, max_size=3), min_size=1, max_size=4)


@given(texts=texts, chosen=st.sets(st.tuples(st.integers(0, 3), st.integers(0, 2))))
def test_what_is_replaced_is_what_was_named(texts: list[list[str]], chosen: set[tuple[int, int]]) -> None:
    request = ChatRequest(tuple(Message("user", tuple(map(Text, some))) for some in texts))
    paths = {one.segment.path for one in segments_of(request)}
    wanted = {path: "new" for at, part in chosen if (path := f"/messages/{at}/content/{part}") in paths}
    after = {one.segment.path: one.segment.text for one in segments_of(with_texts(request, wanted))}
    before = {one.segment.path: one.segment.text for one in segments_of(request)}
    assert after == before | wanted


def test_what_is_passed_through_to_a_provider_is_judged_and_not_replaced() -> None:
    options = {"openai": {"note": "call me", "n": 1, "on": True, "empty": {}, "deep": {"a": ["b"]}, "pair": ("x",), "bad": [object()]}}
    found = segments_of(ChatRequest((), provider_options=options))
    assert [(one.segment.path, one.segment.text, one.segment.trusted, one.stage, one.replaceable) for one in found] == [
        ("/provider_options/openai/note", "call me", False, "input", False),
        ("/provider_options/openai/deep", '{"a":["b"]}', False, "input", False),
        ("/provider_options/openai/pair", '["x"]', False, "input", False),
    ]


@pytest.mark.parametrize(
    ("data", "kind", "whole"), [(b"a,b", "text/csv", True), (b"%PDF", "application/pdf", False), (b"", "text/plain", False)]
)
def test_the_name_of_a_file_is_a_text_of_whoever_gave_it(data: bytes, kind: str, whole: bool) -> None:
    named, plain = File(data, media_type=kind, filename="order.txt"), File(data, media_type=kind, filename="")
    results = ToolResult("c1", (plain, named))
    request = ChatRequest((Message("user", (plain, named)), Message("tool", (results,))))
    found = [(one.segment.role, *told(one)) for one in segments_of(request)]
    assert [one for one in found if one[1].endswith("/filename")] == [
        ("user", "/messages/0/content/1/filename", "order.txt", "user", False, "input", False, ""),
        ("tool", "/messages/1/content/0/content/1/filename", "order.txt", "tool", False, "tool_result", False, "c1"),
    ]
    assert len(found) == (6 if whole else 2)
