"""What a caller can get wrong, and what saferoute must say. Data, for tables of tests; nothing of it may leave the process."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

from saferoute.errors import InvalidMessages, RequestError, SaferouteError, UnknownOption

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BadCall", "bad_calls", "bad_keys"]


@dataclass(frozen=True, slots=True)
class BadCall:
    """One wrong call: `client.chat(route, case.messages, **case.options)`.

    Attributes:
        name: for the test's id.
        messages: what is passed as messages.
        options: what is passed by keyword.
        error: what is raised.
        says: words that the message must have, so that the caller can go on.
    """

    name: str
    messages: object
    error: type[SaferouteError]
    says: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)


def _option(option: str, value: object, error: type[SaferouteError], *says: str) -> BadCall:
    return BadCall(f"option_{option}_{str(value)[:20]}", "hello", error, (option, *says), MappingProxyType({option: value}))


def bad_calls() -> tuple[BadCall, ...]:
    """All cases, in an order that does not change."""
    return (*_bad_messages(), *_bad_options(), *_bad_tools())


def _bad_messages() -> tuple[BadCall, ...]:
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    return (
        BadCall("no_messages", [], InvalidMessages, ("empty",)),
        BadCall("empty_text", "", InvalidMessages, ("empty",)),
        BadCall("empty_content", [{"role": "user", "content": ""}], InvalidMessages, ("messages[0]",)),
        BadCall("content_missing", [{"role": "user"}], InvalidMessages, ("messages[0]",)),
        BadCall("bytes", b"hello", InvalidMessages, ("bytes",)),
        BadCall("number", 7, InvalidMessages, ("int",)),
        BadCall("none", None, InvalidMessages),
        BadCall("number_among_messages", ["hello", 7], InvalidMessages, ("messages[1]",)),
        BadCall("role_missing", [{"content": "x"}], InvalidMessages, ("messages[0].role",)),
        BadCall("role_unknown", [{"role": "king", "content": "x"}], InvalidMessages, ("messages[0].role",)),
        BadCall("key_unknown", [{"role": "user", "content": "x", "colour": 1}], UnknownOption, ("messages[0]", "colour")),
        BadCall(
            "part_key_unknown",
            [{"role": "user", "content": [{"type": "text", "text": "x", "colour": 1}]}],
            UnknownOption,
            ("messages[0].content[0]", "colour"),
        ),
        BadCall("part_type_unknown", [{"role": "user", "content": [{"type": "smell", "smell": "x"}]}], UnknownOption, ("smell",)),
        BadCall("part_type_missing", [{"role": "user", "content": [{"text": "x"}]}], UnknownOption, ("messages[0].content[0]",)),
        BadCall(
            "picture_over_http",
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://example.com/a.png"}}]}],
            InvalidMessages,
            ("https",),
        ),
        BadCall(
            "picture_not_base64",
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,%%"}}]}],
            InvalidMessages,
            ("base64",),
        ),
        BadCall(
            "result_without_its_call",
            [{"role": "user", "content": "x"}, {"role": "tool", "tool_call_id": "call_9", "content": "3"}],
            InvalidMessages,
            ("messages[1]", "call_9"),
        ),
        BadCall(
            "result_before_its_call",
            [{"role": "tool", "tool_call_id": "call_1", "content": "3"}, {"role": "assistant", "content": None, "tool_calls": [call]}],
            InvalidMessages,
            ("messages[0]",),
        ),
        BadCall(
            "result_without_id",
            [{"role": "assistant", "content": None, "tool_calls": [call]}, {"role": "tool", "content": "3"}],
            InvalidMessages,
            ("tool_call_id",),
        ),
        BadCall(
            "call_key_unknown",
            [{"role": "assistant", "content": None, "tool_calls": [{**call, "colour": 1}]}],
            UnknownOption,
            ("colour",),
        ),
    )


def _bad_options() -> tuple[BadCall, ...]:
    return (
        _option("max_tokens", 5, UnknownOption, "max_output_tokens"),
        _option("response_format", {"type": "json_object"}, UnknownOption, "output"),
        _option("api_base", "https://example.com", UnknownOption, "table"),
        _option("api_key", "sk-test-not-a-key", UnknownOption),
        _option("headers", {"x-a": "1"}, UnknownOption),
        _option("proxy", "http://127.0.0.1:9", UnknownOption),
        _option("verify", False, UnknownOption),  # noqa: FBT003  the value under test
        _option("temprature", 1, UnknownOption),
        _option("temperature", "hot", RequestError),
        _option("temperature", True, RequestError),  # noqa: FBT003
        _option("temperature", float("nan"), RequestError),
        _option("top_p", 2, RequestError),
        _option("max_output_tokens", 0, RequestError),
        _option("max_output_tokens", 1.5, RequestError),
        _option("stop", 5, RequestError),
        _option("seed", "x", RequestError),
        _option("reasoning", "lots", RequestError),
        _option("timeout", -1, RequestError),
        _option("tool_choice", "no_such_tool", RequestError),
        _option("provider_options", {"openai": 7}, RequestError),
    )


def _bad_tools() -> tuple[BadCall, ...]:
    good = {"name": "add", "parameters": {"type": "object", "properties": {}}}
    listed = {"name": "add", "parameters": {"type": "array"}}
    return (
        _option("tools", "add", RequestError),
        _option("tools", [7], RequestError),
        BadCall("tool_twice", "hello", InvalidMessages, ("same name",), MappingProxyType({"tools": [good, good]})),
        BadCall("tool_key_unknown", "hello", UnknownOption, ("colour",), MappingProxyType({"tools": [{**good, "colour": 1}]})),
        BadCall("tool_without_name", "hello", RequestError, ("name",), MappingProxyType({"tools": [{"parameters": {"type": "object"}}]})),
        BadCall("tool_name_with_space", "hello", RequestError, ("a b",), MappingProxyType({"tools": [{"name": "a b"}]})),
        BadCall(
            "tool_of_no_object",
            "hello",
            RequestError,
            ("object",),
            MappingProxyType({"tools": [listed]}),
        ),
    )


def bad_keys() -> tuple[tuple[str, str], ...]:
    """Names and values of keys that no store may take: each would end up in a header, or break one."""
    return (
        ("empty", ""),
        ("line_feed_behind", "sk-test-key\n"),
        ("carriage_return_inside", "sk-test\rkey"),
        ("header_injection", "sk-test\r\nx-evil: 1"),
        ("space_behind", "sk-test-key "),
        ("tab_inside", "sk-test\tkey"),
        ("nul", "sk-test\x00key"),
        ("non_ascii", "sk-tést-key"),
        ("quotation_marks_of_a_document", "“sk-test-key”"),
        ("lone_surrogate", "sk-test-\udc80"),
        ("far_too_long", "k" * 20_000),
    )
