"""What a caller may write where messages are wanted, and what is refused by name and path."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import InvalidMessages, UnknownOption
from saferoute.values.conversation import messages_from
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult

PNG = b"\x89PNG not really"
PNG_URI = "data:image/png;base64," + base64.b64encode(PNG).decode()

ACCEPTED = [
    ("hello", (Message("user", (Text("hello"),)),)),
    (Message("user", (Text("x"),)), (Message("user", (Text("x"),)),)),
    ({"role": "developer", "content": "be brief"}, (Message("system", (Text("be brief"),)),)),
    (["a", {"role": "user", "content": "b"}], (Message("user", (Text("a"),)), Message("user", (Text("b"),)))),
    ([{"role": "user", "content": "hi", "name": "ann"}], (Message("user", (Text("hi"),), "ann"),)),
    (
        [
            {
                "role": "user",
                "content": [{"type": "text", "text": "look"}, {"type": "image_url", "image_url": {"url": PNG_URI, "detail": "low"}}],
            }
        ],
        (Message("user", (Text("look"), Image(data=PNG, media_type="image/png", detail="low"))),),
    ),
    (
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}],
        (Message("user", (Image(url="https://example.com/a.png"),)),),
    ),
    (
        [
            {
                "role": "user",
                "content": [{"type": "input_audio", "input_audio": {"data": base64.b64encode(b"snd").decode(), "format": "wav"}}],
            }
        ],
        (Message("user", (Audio(b"snd", "wav"),)),),
    ),
    (
        [{"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]}],
        (Message("user", (File(file_id="file-1"),)),),
    ),
    (
        [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:application/pdf;base64,AAEC", "filename": "a.pdf"}}]}],
        (Message("user", (File(data=b"\x00\x01\x02", media_type="application/pdf", filename="a.pdf"),)),),
    ),
    ([{"role": "user", "content": [Text("typed"), "plain"]}], (Message("user", (Text("typed"), Text("plain"))),)),
    # a dumped SDK message: its empty fields are harmless
    (
        [
            "q",
            {
                "role": "assistant",
                "content": "a",
                "refusal": None,
                "annotations": [],
                "audio": None,
                "function_call": None,
                "tool_calls": None,
            },
        ],
        (Message("user", (Text("q"),)), Message("assistant", (Text("a"),))),
    ),
    (
        ["q", {"role": "assistant", "content": None, "refusal": "no"}],
        (Message("user", (Text("q"),)), Message("assistant", (Refusal("no"),))),
    ),
    (
        [
            "q",
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
        ],
        (
            Message("user", (Text("q"),)),
            Message("assistant", (ToolCall("c1", "f", "{}"),)),
            Message("tool", (ToolResult("c1", (Text("42"),)),)),
        ),
    ),
]


@pytest.mark.parametrize(("given_value", "expected"), ACCEPTED)
def test_accepted(given_value: object, expected: tuple[Message, ...]) -> None:
    assert messages_from(given_value) == expected


REFUSED = [
    ("", InvalidMessages, "messages is an empty text"),
    ([], InvalidMessages, "the conversation is empty"),
    (7, InvalidMessages, "not int"),
    (b"bytes", InvalidMessages, "not bytes"),
    ([7], InvalidMessages, r"messages\[0\] must be"),
    ([{"content": "x"}], InvalidMessages, r"messages\[0\].role"),
    ([{"role": "robot", "content": "x"}], InvalidMessages, r"messages\[0\].role"),
    ([{"role": "user", "content": ""}], InvalidMessages, "empty"),
    ([{"role": "user", "content": []}], InvalidMessages, r"messages\[0\] is empty"),
    ([{"role": "user", "content": None}], InvalidMessages, r"messages\[0\] is empty"),
    ([{"role": "user", "content": 3}], InvalidMessages, r"messages\[0\].content"),
    ([{"role": "user", "content": "x", "name": 4}], InvalidMessages, r"name must be a str"),
    ([{"role": "user", "content": "x", "api_key": "k"}], UnknownOption, "'api_key'"),
    ([{"role": "user", "content": "x", "cache_control": {}}], UnknownOption, "use the cache option"),
    ([{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"a": 1}}]}], UnknownOption, r"content\[0\]"),
    ([{"role": "user", "content": [{"type": "video", "video": {}}]}], UnknownOption, "no part type"),
    ([{"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}], UnknownOption, "no part type"),
    ([{"role": "user", "content": [{"type": "text", "text": 5}]}], InvalidMessages, r"content\[0\].text must be a str"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a/b", "headers": {}}}]}], UnknownOption, "headers"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://a/b"}}]}], InvalidMessages, "https"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}], InvalidMessages, "https"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,@@"}}]}], InvalidMessages, "base64"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:nonsense"}}]}], InvalidMessages, "data:<media type>"),
    ([{"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URI, "detail": 1}}]}], InvalidMessages, "detail"),
    ([{"role": "user", "content": [{"type": "file", "file": {"path": "/etc/passwd"}}]}], UnknownOption, "path"),
    ([{"role": "user", "content": [{"type": "file", "file": {"file_id": 1}}]}], InvalidMessages, "are str"),
    ([{"role": "user", "content": [object()]}], InvalidMessages, r"content\[0\]"),
    ([{"role": "tool", "tool_call_id": "nobody", "content": "x"}], InvalidMessages, "no earlier assistant message"),
    ([{"role": "tool", "content": "x"}], InvalidMessages, "tool_call_id"),
    (["q", {"role": "assistant", "tool_calls": "x"}], InvalidMessages, "must be a list"),
    (["q", {"role": "assistant", "tool_calls": [7]}], InvalidMessages, "ToolCall or a dict"),
    (
        ["q", {"role": "assistant", "tool_calls": [{"id": "1", "type": "custom", "function": {"name": "f", "arguments": ""}}]}],
        InvalidMessages,
        "function",
    ),
    (["q", {"role": "assistant", "refusal": 3}], InvalidMessages, "refusal"),
    ([Message("user", ())], InvalidMessages, "is empty"),
    ([Message("boss", (Text("x"),))], InvalidMessages, "no role of ours"),  # type: ignore[arg-type]
    ([Message("developer", (Text("x"),))], InvalidMessages, "no role of ours"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("given_value", "error", "words"), REFUSED)
def test_refused(given_value: object, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        messages_from(given_value)


def test_system_goes_first_and_must_be_text() -> None:
    assert messages_from("hi", system="be brief")[0] == Message("system", (Text("be brief"),))
    with pytest.raises(InvalidMessages, match="system"):
        messages_from("hi", system="")


def test_a_tool_result_holds_text_pictures_and_files_only() -> None:
    call = {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}
    result = {"role": "tool", "tool_call_id": "c", "content": "r"}
    assert messages_from(["q", call, result])[1].tool_calls[0].arguments == '{"a":1}'
    with pytest.raises(InvalidMessages, match="text, pictures and files"):
        messages_from(["q", call, {"role": "tool", "tool_call_id": "c", "content": [Audio(b"x", "wav")]}])


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["role", "content", "type", "text", "image_url", "url", "tool_calls", "x"]), inner, max_size=4
            )
        ),
        max_leaves=12,
    )
)
def test_anything_is_read_or_refused_with_our_error(value: object) -> None:
    try:
        messages = messages_from(value)
    except (InvalidMessages, UnknownOption):
        return
    assert messages
    assert all(message.content for message in messages)


CONTENT = "the-private-words-of-a-user"


@pytest.mark.parametrize(
    "value",
    [
        Text(CONTENT),
        Refusal(CONTENT),
        Image(data=CONTENT.encode(), media_type="image/png"),
        Audio(CONTENT.encode(), "wav"),
        File(data=CONTENT.encode(), media_type="text/plain"),
        ToolCall("id", "name", CONTENT),
        ToolResult("id", (Text(CONTENT),)),
        Reasoning(CONTENT, OpaqueState("p", "d", "m", CONTENT)),
        OpaqueState("p", "d", "m", CONTENT),
        Message("user", (Text(CONTENT),)),
    ],
)
def test_no_repr_shows_content(value: object) -> None:
    assert CONTENT not in repr(value)
    assert CONTENT not in repr([value])


def test_tool_call_arguments() -> None:
    assert ToolCall("1", "f", '{"a": [1]}').parse() == {"a": [1]}
    assert ToolCall("1", "f", "").parse() == {}
    for wrong in ("[1]", "{oops", "7"):
        with pytest.raises(InvalidMessages, match="not a JSON object"):
            ToolCall("1", "f", wrong).parse()


def test_parts_take_exactly_one_source() -> None:
    for make in (
        lambda: Image(),
        lambda: Image(data=b"x", url="https://a/b", media_type="image/png"),
        lambda: Image(data=b"x"),
        lambda: File(),
        lambda: File(file_id="a", url="https://a/b"),
        lambda: File(data=b"x"),
    ):
        with pytest.raises(InvalidMessages):
            make()


def test_a_messages_content_is_parts() -> None:
    with pytest.raises(InvalidMessages, match=r"messages\[1\]\.content\[1\] must be a part, such as saferoute\.Text"):
        messages_from(["hello", Message("user", (Text("a"), "b"))])  # type: ignore[arg-type]
