"""The asked hash is one for equal requests and another for any two that differ."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.capabilities.asked import asked_hash
from saferoute.values.messages import Image, Message, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.tools import Tool

TOOL = Tool("search", "finds", b'{"type":"object"}', strict=True)
HELLO = (Message("user", (Text("hello"),)),)
PLAIN = ChatRequest(HELLO)
OTHER: dict[str, list[Any]] = {
    "messages": [
        (Message("user", (Text("hello "),)),), (Message("system", (Text("hello"),)),), (Message("user", (Text("hello"),), "bob"),), HELLO * 2,
        (Message("user", (Text("hel"), Text("lo"))),), (Message("user", (Refusal("hello"),)),), (Message("user", (Reasoning("hello"),)),),
        (Message("user", (Image(b"\x89PNG\r\n\x1a\n"),)),), (Message("user", (Image(url="https://example.com/a.png"),)),),
        (Message("assistant", (ToolCall("1", "f", "{}"),)),), (Message("tool", (ToolResult("1", (Text("{}"),)),)),),
    ],
    "tools": [(TOOL,), (replace(TOOL, name="other"),), (replace(TOOL, description=""),), (replace(TOOL, strict=None),), (replace(TOOL, parameters=b"{}"),)],
    "tool_choice": ["auto", "none", "search"],
    "parallel_tool_calls": [True, False],
    "output": [OutputSchema("o", b"{}", True), OutputSchema("o", b"{}", False), OutputSchema("p", b"{}", True), OutputSchema("o", b"{} ", True)],
    "max_output_tokens": [1, 10, 100],
    "temperature": [0, 0.5, 1],
    "top_p": [0.5, 1],
    "stop": [("a",), ("a", "b"), ("ab",), ("b", "a")],
    "seed": [0, 1, -1],
    "n": [2, 3],
    "logprobs": [0, 1],
    "json_object": [True],
    "reasoning": ["low", "high", 1024],
    "cache": ["off", "provider"],
    "provider_options": [{"a": {}}, {"a": {"b": 1}}, {"a": {"b": True}}, {"a": {"b": None}}, {"a": {"b": "1"}}, {"b": {"a": 1}}, {"a": {"b": [1]}}, {"a": {"b": {"c": 1}}}],
    "on_unsupported": ["drop", "emulate"],
    "data": ["public", "internal", "confidential", "restricted"],
    "stream": [True],
}  # fmt: skip


def test_every_field_of_a_request_is_in_the_table() -> None:
    assert list(OTHER) == [field.name for field in fields(ChatRequest)]


def test_any_differing_field_gives_another_hash() -> None:
    hashes = [asked_hash("chat", "fast", PLAIN)]
    hashes += [asked_hash("chat", "fast", replace(PLAIN, **{name: value})) for name, values in OTHER.items() for value in values]
    hashes += [asked_hash("chat", "smart", PLAIN), asked_hash("embed", "fast", PLAIN), asked_hash("fast", "chat", PLAIN)]
    hashes += [asked_hash("chat", "fast", PLAIN, purpose=purpose) for purpose in ("", "support", "fast")]
    hashes += [asked_hash("chat", "fast", PLAIN, data=label) for label in ("public", "restricted")]  # type: ignore[arg-type]
    hashes += [asked_hash("chat", "fast", PLAIN, max_cost=Decimal(cost)) for cost in ("0", "1", "0.1")]
    assert len(set(hashes)) == len(hashes)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"temperature": 1}, {"temperature": 1.0}),
        ({"temperature": 0.0}, {"temperature": -0.0}),
        ({"stop": ("a",)}, {"stop": ["a"]}),
        ({"provider_options": {"a": {"x": 1, "y": 2}}}, {"provider_options": {"a": {"y": 2, "x": 1}}}),
        ({"tools": (TOOL,)}, {"tools": (replace(TOOL, function=print),)}),
        ({"n": 1}, {}),
    ],
)
def test_what_is_equal_has_one_hash(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert asked_hash("chat", "r", replace(PLAIN, **one)) == asked_hash("chat", "r", replace(PLAIN, **other))


def test_a_cost_is_its_value() -> None:
    assert asked_hash("chat", "r", PLAIN, max_cost=Decimal("0.10")) == asked_hash("chat", "r", PLAIN, max_cost=Decimal("0.1"))


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=4)
    | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


def _same(one: Any, other: Any) -> bool:
    """Equal, where true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    return bool(one == other)


@given(_json, _json)
@settings(max_examples=200, deadline=None)
def test_two_values_have_one_hash_if_and_only_if_they_are_the_same(one: Any, other: Any) -> None:
    assert (asked_hash("chat", "r", one) == asked_hash("chat", "r", other)) == _same(one, other)


@given(st.lists(st.text(max_size=3), max_size=4), st.lists(st.text(max_size=3), max_size=4))
def test_texts_do_not_run_together(one: list[str], other: list[str]) -> None:
    assert (asked_hash("chat", "r", one) == asked_hash("chat", "r", other)) == (one == other)
