"""What Cohere's chat API is asked: tables of requests; test_cohere_chat_official has them read by the official types."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile, Quirks
from saferoute.values.tools import Tool
from tests.unit.dialect_cases import (
    CLOCK,
    COHERE,
    WEATHER,
    asked,
    assistant,
    body_of,
    encode,
    messages_of,
    said,
    system,
    target,
    tool,
    user,
)

PNG = Image(data=b"\x89PNG", media_type="image/png")
CITY = OutputSchema("city", b'{"type":"object"}', strict=True)
NOTE = File(data="héllo".encode(), media_type="text/plain", filename="note.txt")
PDF = File(data=b"%PDF", media_type="application/pdf")
CALL = ToolCall("weather_1", "weather", '{"city": "Kiel"}')
WEATHER_WIRE = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "the weather\n",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CLOCK_WIRE = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}


def _state(content: dict[str, Any], **changes: str) -> OpaqueState:
    return replace(OpaqueState("cohere", "cohere_chat", "command-a", json.dumps(content)), **changes)


PLAN = Reasoning("I will look.", _state({"tool_plan": "I will look."}))
THOUGHT = Reasoning("hm", _state({"type": "thinking", "thinking": "hm"}))


def test_the_smallest_request_says_nothing_else() -> None:
    encoded = encode(COHERE)
    request = encoded.request
    assert request.body == b'{"model":"command-a","messages":[{"role":"user","content":"hi"}]}'
    assert (request.method, request.origin, request.path) == ("POST", "https://api.cohere.com", "/v2/chat")
    assert (request.secret, request.auth) == ("cohere", "bearer")
    assert request.headers == (("content-type", "application/json"), ("accept", "application/json"))
    assert encoded.notices == ()


def test_a_stream_asks_for_events() -> None:
    assert asked(COHERE, stream=True) == {"stream": True}
    assert ("accept", "text/event-stream") in encode(COHERE, stream=True).request.headers


@pytest.mark.parametrize(
    ("options", "wire"),
    [
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "p": 0.5}),
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"stop": ("a", "b"), "seed": 0}, {"stop_sequences": ["a", "b"], "seed": 0}),
        ({"reasoning": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning": 0}, {"thinking": {"type": "disabled"}}),
        ({"reasoning": 700}, {"thinking": {"type": "enabled", "token_budget": 700}}),
        ({"reasoning": "low"}, {"thinking": {"type": "enabled", "token_budget": 2048}}),
        ({"reasoning": "max"}, {"thinking": {"type": "enabled"}}),
        ({"cache": "provider", "data": "internal", "parallel_tool_calls": True}, {}),
        (
            {"output": OutputSchema("city", b'{"type":"object"}', strict=True)},
            {"response_format": {"type": "json_object", "json_schema": {"type": "object"}}},
        ),
        ({"tools": (WEATHER, CLOCK), "tool_choice": "auto"}, {"tools": [WEATHER_WIRE, CLOCK_WIRE]}),
        ({"tools": (CLOCK,), "tool_choice": "none"}, {"tool_choice": "NONE", "tools": [CLOCK_WIRE]}),
        ({"tools": (CLOCK,), "tool_choice": "required"}, {"tool_choice": "REQUIRED", "tools": [CLOCK_WIRE]}),
        ({"tools": (WEATHER, CLOCK), "tool_choice": "clock"}, {"tool_choice": "REQUIRED", "tools": [CLOCK_WIRE]}),
        ({"tools": (replace(CLOCK, strict=True),)}, {"strict_tools": True, "tools": [CLOCK_WIRE]}),
        ({"tools": (replace(CLOCK, strict=False),)}, {"tools": [CLOCK_WIRE]}),
    ],
)
def test_options(options: dict[str, Any], wire: dict[str, Any]) -> None:
    assert asked(COHERE, **options) == wire


def test_what_goes_out_in_another_form_is_said() -> None:
    assert said(encode(COHERE, reasoning="high")) == [("changed", "reasoning")]
    assert said(encode(COHERE, tools=(CLOCK,), tool_choice="clock")) == [("changed", "tool_choice")]
    assert said(encode(COHERE, reasoning=700, tools=(CLOCK,), tool_choice="required")) == []


@pytest.mark.parametrize(
    ("options", "parameter", "profile"),
    [
        ({"tools": (CLOCK,), "parallel_tool_calls": False}, "parallel_tool_calls", Profile()),
        ({"tools": (CLOCK, replace(WEATHER, strict=True))}, "tools", Profile()),
        ({"tools": (CLOCK,)}, "tools", Profile(tools=False)),
        ({"temperature": 1.0}, "temperature", Profile(sampling=False)),
        ({"top_p": 1.0}, "top_p", Profile(sampling=False)),
        ({"reasoning": "low"}, "reasoning", Profile(reasoning="none")),
        ({"output": OutputSchema("a", b"{}", strict=False)}, "output", Profile(json_schema=False)),
        ({"messages": (user("a", PNG),)}, "messages", Profile(vision=False)),
        ({"messages": (user("a", PDF),)}, "messages", Profile()),
        ({"messages": (user("a", File(url="https://x.example/a.txt")),)}, "messages", Profile()),
        ({"messages": (user("a", File(file_id="f", media_type="image/png")),)}, "messages", Profile()),
        ({"messages": (user("a", Audio(b"1", "wav")),)}, "messages", Profile()),
        ({"messages": (user("a"), assistant("b", PNG))}, "messages", Profile()),
        ({"messages": (user("a"), assistant(CALL), tool(ToolResult("weather_1", (Text("b"), PNG))))}, "messages", Profile()),
    ],
)
def test_the_unsupported_is_refused_or_dropped_with_a_notice(options: dict[str, Any], parameter: str, profile: Profile) -> None:
    to = target(COHERE, profile=profile)
    messages = options.pop("messages", (user("a"),))
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to, *messages, **options)
    assert caught.value.parameter == parameter
    encoded = encode(to, *messages, **options, on_unsupported="drop")
    assert ("dropped", parameter) in said(encoded)
    assert b"PNG" not in encoded.request.body


def test_reasoning_none_is_what_a_model_without_reasoning_does_anyway() -> None:
    assert asked(target(COHERE, profile=Profile(reasoning="none")), reasoning="none") == {}


@pytest.mark.parametrize(
    ("messages", "wire"),
    [
        (
            (system("be", "kind"), user("a")),
            [
                {"role": "system", "content": [{"type": "text", "text": "be"}, {"type": "text", "text": "kind"}]},
                {"role": "user", "content": "a"},
            ],
        ),
        (
            (user("look", PNG, Image(url="https://x.example/a.png", detail="low")),),
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "look"},
                        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
                        {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
                    ],
                }
            ],
        ),
        (
            (user("a"), assistant(THOUGHT, "b")),
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "b"}]},
            ],
        ),
        (
            (user("a"), assistant(PLAN, CALL), tool(ToolResult("weather_1", (Text("rain"),)))),
            [
                {"role": "user", "content": "a"},
                {
                    "role": "assistant",
                    "tool_plan": "I will look.",
                    "tool_calls": [
                        {"id": "weather_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Kiel"}'}}
                    ],
                },
                {"role": "tool", "tool_call_id": "weather_1", "content": "rain"},
            ],
        ),
        ((user("a"), assistant()), [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]),
        ((user("a"), assistant(Refusal("no"))), [{"role": "user", "content": "a"}, {"role": "assistant", "content": "no"}]),
    ],
)
def test_messages(messages: tuple[Message, ...], wire: list[dict[str, Any]]) -> None:
    assert messages_of(COHERE, *messages) == wire


def test_results_of_one_message_are_messages_of_their_own_before_its_text() -> None:
    wire = messages_of(
        COHERE,
        user("a"),
        assistant(CALL, replace(CALL, id="w2")),
        user(ToolResult("weather_1", (Text("1"), Text("2"))), ToolResult("w2", (NOTE,)), "and?"),
    )
    assert wire[2:] == [
        {"role": "tool", "tool_call_id": "weather_1", "content": [{"type": "text", "text": "1"}, {"type": "text", "text": "2"}]},
        {
            "role": "tool",
            "tool_call_id": "w2",
            "content": [{"type": "document", "document": {"data": {"title": "note.txt", "text": "héllo"}}}],
        },
        {"role": "user", "content": "and?"},
    ]
    assert said(encode(COHERE, user("a"), assistant(CALL), tool(ToolResult("weather_1", (Text("x"),), is_error=True)))) == [
        ("noted", "is_error")
    ]


def test_text_files_are_documents_of_the_call() -> None:
    encoded = encode(COHERE, user("read", NOTE, replace(NOTE, filename=None, media_type="application/json")))
    assert body_of(encoded)["documents"] == [{"data": {"title": "note.txt", "text": "héllo"}}, {"data": {"text": "héllo"}}]
    assert body_of(encoded)["messages"] == [{"role": "user", "content": "read"}]
    assert said(encoded) == [("changed", "messages")]
    with pytest.raises(InvalidMessages, match="UTF-8"):
        encode(COHERE, user("read", replace(NOTE, data=b"\xff")))
    with pytest.raises(InvalidMessages, match="need words"):
        encode(COHERE, user(NOTE))


@pytest.mark.parametrize(
    "reasoning",
    [
        Reasoning("hm"),
        replace(THOUGHT, state=_state({"thinking": "hm"}, provider_name="other")),
        replace(THOUGHT, state=_state({"thinking": "hm"}, model="command-r")),
        replace(THOUGHT, state=_state({"thinking": "hm"}, dialect="openai_chat")),
        replace(THOUGHT, state=_state({"thinking": "another text"})),
        replace(THOUGHT, state=_state({}, payload="no JSON")),
        replace(THOUGHT, state=_state({}, payload="[]")),
    ],
)
def test_reasoning_of_others_is_left_out_with_a_notice(reasoning: Reasoning) -> None:
    encoded = encode(COHERE, user("a"), assistant(reasoning, "b"), user("c"), assistant(reasoning, "d"))
    assert [entry["content"] for entry in body_of(encoded)["messages"]] == ["a", "b", "c", "d"]
    assert [parameter for _, parameter in said(encoded)] == ["reasoning"]


def test_names_of_speakers_are_left_out_with_a_notice() -> None:
    encoded = encode(COHERE, Message("user", (Text("a"),), name="ann"))
    assert said(encoded) == [("dropped", "messages.name")]
    assert b"ann" not in encoded.request.body


def test_provider_options_are_those_that_the_row_opens() -> None:
    to = target(COHERE, extra_params=frozenset({"k", "safety_mode", "temperature"}))
    assert asked(to, provider_options={"cohere": {"k": 5}, "cohere_chat": {"safety_mode": "OFF"}, "openai": {"n": 2}}) == {
        "k": 5,
        "safety_mode": "OFF",
    }
    for options, more in [
        ({"cohere": {"priority": 1}}, {}),
        ({"cohere": {"temperature": 1}}, {"temperature": 0.5}),
        ({"cohere": {"k": 1}, "cohere_chat": {"k": 1}}, {}),
    ]:
        with pytest.raises(UnknownOption):
            encode(to, provider_options=options, **more)


def test_what_makes_no_call_is_refused() -> None:
    for messages in [(user("\ud800"),), (user(CALL),), (Message("system", (PNG,)),), (user("a"), assistant(ToolResult("x", ())))]:
        with pytest.raises(InvalidMessages):
            encode(COHERE, *messages)
    with pytest.raises(UnsupportedParameter, match="over the 5"):
        encode(target(COHERE, max_output=5), max_output_tokens=6)
    assert asked(target(COHERE, default_max_output=5)) == {"max_tokens": 5}


def test_several_answers_are_refused_or_dropped() -> None:
    with pytest.raises(UnsupportedParameter, match="several times"):
        encode(COHERE, n=2)
    encoded = encode(COHERE, n=2, on_unsupported="drop")
    assert (body_of(encoded).keys(), said(encoded)) == ({"model", "messages"}, [("dropped", "n")])


def test_probabilities_are_told_of_the_tokens_themselves_alone() -> None:
    assert asked(COHERE, logprobs=0) == {"logprobs": True}
    with pytest.raises(UnsupportedParameter, match="logprobs=0"):
        encode(COHERE, logprobs=3)
    encoded = encode(COHERE, logprobs=3, on_unsupported="drop")  # the alternatives are dropped
    assert (body_of(encoded)["logprobs"], said(encoded)) == (True, [("dropped", "logprobs")])


def test_a_schema_goes_neither_with_tools_nor_with_documents() -> None:
    for options in ({"tools": (CLOCK,)}, {"messages": (user("read", NOTE),)}):
        messages = options.get("messages", ())
        more = {name: value for name, value in options.items() if name != "messages"}
        with pytest.raises(UnsupportedParameter, match="without tools and text files"):
            encode(COHERE, *messages, **more, output=CITY)
        encoded = encode(COHERE, *messages, **more, output=CITY, on_unsupported="drop")
        assert ("dropped", "output") in said(encoded)
        assert "response_format" not in body_of(encoded)
        assert "response_format" not in body_of(encode(COHERE, *messages, **more, json_object=True))
    assert asked(COHERE, output=CITY, tools=(), json_object=True)["response_format"].keys() == {"type", "json_schema"}


def test_plain_json_is_asked_for_where_the_row_has_it() -> None:
    assert asked(COHERE, json_object=True) == {"response_format": {"type": "json_object"}}
    assert asked(replace(COHERE, quirks=Quirks(json_object=False)), json_object=True) == {}


def test_a_cache_mark_is_not_needed() -> None:
    encoded = encode(COHERE, cache="provider")
    assert (encoded.request.body, said(encoded)) == (encode(COHERE).request.body, [("noted", "cache")])
    assert said(encode(COHERE, cache="off")) == []


def test_a_tool_with_a_broken_description_is_refused() -> None:
    with pytest.raises(InvalidMessages):
        encode(COHERE, tools=(Tool("t", "\ud800", b"{}"),))
