"""Requests of Converse: path, headers, parameters, tools, options."""

from __future__ import annotations

import json
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.providers.bedrock_converse import BedrockConverse
from saferoute.values.messages import Audio, File, Image, OpaqueState, Reasoning, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile
from saferoute.values.tools import Tool
from tests.unit.bedrock_cases import MODEL, assistant, body_of, encode, system, target, tool, user

SCHEMA = b'{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}'
WEATHER = Tool("weather", "how it is", SCHEMA, strict=True)
CLOCK = Tool("clock", "", b"{}")
CALLED = (user("a"), assistant(ToolCall("t1", "weather", "{}")), tool(ToolResult("t1", (Text("rain"),))))


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        (MODEL, "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.x",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Fglobal.x",
        ),
        ("a b?c#d%", "a%20b%3Fc%23d%25"),
        ("../x", "..%2Fx"),
    ],
)
def test_the_path(model: str, segment: str) -> None:
    whole, stream = (encode(to=target(model=model, path="/prefix"), stream=stream).request for stream in (False, True))
    assert whole.path == f"/prefix/model/{segment}/converse"
    assert stream.path == f"/prefix/model/{segment}/converse-stream"
    assert whole.body == stream.body


def test_the_request_around_the_body() -> None:
    request = encode(to=target(headers=(("x-team", "a"),)), stream=True).request
    assert (request.method, request.origin, request.secret, request.auth) == (
        "POST",
        "https://bedrock-runtime.us-east-1.amazonaws.com",
        "bedrock",
        "bearer",
    )
    assert dict(request.headers) == {
        "content-type": "application/json",
        "accept": "application/vnd.amazon.eventstream",
        "x-team": "a",
    }
    assert dict(encode().request.headers)["accept"] == "application/json"


SET: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"max_output_tokens": 5}, {"inferenceConfig": {"maxTokens": 5}}),
    (
        {"temperature": 0.0, "top_p": 0.5, "stop": ("a", "b")},
        {"inferenceConfig": {"temperature": 0.0, "topP": 0.5, "stopSequences": ["a", "b"]}},
    ),
    ({"reasoning": "high"}, {"outputConfig": {"effort": "high"}}),
    ({"reasoning": "none"}, {"outputConfig": {"effort": "none"}}),
    ({"reasoning": 2048}, {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}),
    ({"reasoning": 0}, {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}}),
    ({"tool_choice": "auto"}, {}),
    ({"tool_choice": "none"}, {}),
    ({"cache": "off"}, {}),
    ({"n": 1, "json_object": True}, {}),
    ({"temperature": 1.0}, {"inferenceConfig": {"temperature": 1.0}}),
    ({"parallel_tool_calls": False}, {}),
]


@pytest.mark.parametrize(("fields", "body"), SET, ids=[" ".join(map(str, fields)) + f" {n}" for n, (fields, _) in enumerate(SET)])
def test_parameters(fields: dict[str, Any], body: dict[str, Any]) -> None:
    assert body_of(**fields) == {"messages": [{"role": "user", "content": [{"text": "hi"}]}], **body}


def test_a_budget_for_a_model_that_takes_words_is_dropped_if_the_caller_says_so() -> None:
    encoded = encode(to=target(profile=Profile(reasoning="effort")), reasoning=2048, on_unsupported="drop")
    assert json.loads(encoded.request.body).keys() == {"messages"}
    assert [notice.parameter for notice in encoded.notices] == ["reasoning"]


def test_the_bound_of_the_table() -> None:
    assert body_of(to=target(default_max_output=7))["inferenceConfig"] == {"maxTokens": 7}
    assert body_of(to=target(default_max_output=7), max_output_tokens=3)["inferenceConfig"] == {"maxTokens": 3}
    with pytest.raises(UnsupportedParameter, match="over the 10"):
        encode(to=target(max_output=10), max_output_tokens=11)
    assert body_of(to=target(max_output=10), max_output_tokens=10)["inferenceConfig"] == {"maxTokens": 10}


REASONING: list[tuple[str | None, object, dict[str, Any] | None]] = [
    ("effort", "low", {"outputConfig": {"effort": "low"}}),
    ("effort", "minimal", {"outputConfig": {"effort": "minimal"}}),
    ("effort", 2048, None),
    ("budget", "low", {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 2048}}}),
    ("budget", "none", {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}}),
    ("budget", 1023, None),
    (
        "adaptive",
        "max",
        {"outputConfig": {"effort": "max"}, "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}},
    ),
    (
        "adaptive",
        "minimal",
        {"outputConfig": {"effort": "low"}, "additionalModelRequestFields": {"thinking": {"type": "adaptive"}}},
    ),
    ("adaptive", "none", {"additionalModelRequestFields": {"thinking": {"type": "disabled"}}}),
    ("none", "none", {}),
    ("none", 0, {}),
    ("none", "low", None),
]


@pytest.mark.parametrize(("form", "asked", "body"), REASONING, ids=[f"{form} {asked}" for form, asked, _ in REASONING])
def test_the_reasoning_dial(form: Any, asked: Any, body: dict[str, Any] | None) -> None:
    to = target(profile=Profile(reasoning=form))
    if body is None:
        with pytest.raises(UnsupportedParameter, match="reasoning"):
            encode(to=to, reasoning=asked)
        return
    sent = body_of(to=to, reasoning=asked)
    assert {name: value for name, value in sent.items() if name != "messages"} == body
    changed = [notice.parameter for notice in encode(to=to, reasoning=asked).notices]
    assert changed == (["reasoning"] if (form, asked) == ("adaptive", "minimal") else [])


def test_a_budget_fits_into_the_bound() -> None:
    with pytest.raises(UnsupportedParameter, match="do not fit"):
        encode(reasoning=2048, max_output_tokens=2048)
    assert "additionalModelRequestFields" in body_of(reasoning=2048, max_output_tokens=2049)


def test_a_schema_is_json_inside_a_string() -> None:
    sent = body_of(output=OutputSchema("answer", SCHEMA, strict=True), reasoning="low")
    assert sent["outputConfig"] == {
        "effort": "low",
        "textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"name": "answer", "schema": SCHEMA.decode()}}},
    }


UNSUPPORTED: list[tuple[Profile, dict[str, Any]]] = [
    (Profile(), {"seed": 1}),
    (Profile(), {"parallel_tool_calls": False, "tools": (WEATHER,)}),
    (Profile(sampling=False), {"temperature": 1.0}),
    (Profile(sampling=False), {"top_p": 1.0}),
    (Profile(), {"temperature": 1.1}),
    (Profile(), {"n": 2}),
    (Profile(), {"logprobs": 0}),
    (Profile(tools=False), {"tools": (WEATHER,)}),
    (Profile(json_schema=False), {"output": OutputSchema("a", SCHEMA, strict=True)}),
    (Profile(reasoning="none"), {"reasoning": "low"}),
]


@pytest.mark.parametrize(("profile", "fields"), UNSUPPORTED, ids=[f"{next(iter(fields))} {n}" for n, (_, fields) in enumerate(UNSUPPORTED)])
def test_what_cannot_be_carried(profile: Profile, fields: dict[str, Any]) -> None:
    parameter = next(iter(fields))
    with pytest.raises(UnsupportedParameter) as raised:
        encode(to=target(profile=profile), **fields)
    assert raised.value.parameter == parameter
    encoded = encode(to=target(profile=profile), on_unsupported="drop", **fields)
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("dropped", parameter)]
    assert not json.loads(encoded.request.body).keys() - {"messages", "toolConfig"}


# ---------------------------------------------------------------------------------------------------- tools


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (None, None),
        ("auto", {"auto": {}}),
        ("required", {"any": {}}),
        ("clock", {"tool": {"name": "clock"}}),
    ],
)
def test_tools_and_choices(choice: str | None, wire: object) -> None:
    config = body_of(tools=(WEATHER, CLOCK), tool_choice=choice, parallel_tool_calls=True)["toolConfig"]
    assert config["tools"] == [
        {"toolSpec": {"name": "weather", "description": "how it is", "strict": True, "inputSchema": {"json": json.loads(SCHEMA)}}},
        {"toolSpec": {"name": "clock", "inputSchema": {"json": {"type": "object"}}}},
    ]
    assert config.get("toolChoice") == wire


@pytest.mark.parametrize("schema", [b'{"properties":{}}', b'{"properties":{},"type":"object"}', b'{"$defs":{},"type":"object","x":1}'])
def test_every_schema_says_that_it_is_of_an_object(schema: bytes) -> None:
    (spec,) = body_of(tools=(Tool("f", "", schema),))["toolConfig"]["tools"]
    assert spec["toolSpec"]["inputSchema"]["json"] == {"type": "object", **json.loads(schema)}


def test_no_tools_please() -> None:
    encoded = encode(tools=(WEATHER,), tool_choice="none")
    assert "toolConfig" not in json.loads(encoded.request.body)
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("changed", "tool_choice")]
    with pytest.raises(UnsupportedParameter, match="tool_choice"):
        encode(*CALLED, tools=(WEATHER,), tool_choice="none")
    config = body_of(*CALLED, tools=(WEATHER,), tool_choice="none", on_unsupported="drop")["toolConfig"]
    assert [spec["toolSpec"]["name"] for spec in config["tools"]] == ["weather"]
    assert "toolChoice" not in config


def test_marks_for_the_cache() -> None:
    point = {"cachePoint": {"type": "default"}}
    body = body_of(system("a"), user("b"), assistant("c"), user("d"), cache="provider")
    assert body["system"] == [{"text": "a"}, point]
    assert [point in turn["content"] for turn in body["messages"]] == [False, False, True]
    assert body["messages"][-1]["content"][-1] == point
    prefilled = body_of(user("b"), assistant("c"), cache="provider")
    assert [turn["content"][-1] == point for turn in prefilled["messages"]] == [True, False]


# ---------------------------------------------------------------------------------------------------- options


ALLOWED = target(extra_params=frozenset({"top_k", "thinking", "guardrailConfig", "requestMetadata", "maxTokens", "modelId"}))


def test_options_go_where_they_belong() -> None:
    guardrail = {"guardrailIdentifier": "abc", "guardrailVersion": "1"}
    options = {"aws.bedrock": {"top_k": 5, "guardrailConfig": guardrail}, "bedrock_converse": {"requestMetadata": {"a": "b"}}}
    body = body_of(to=ALLOWED, provider_options=options, reasoning=2048)
    assert body["guardrailConfig"] == guardrail
    assert body["requestMetadata"] == {"a": "b"}
    assert body["additionalModelRequestFields"] == {"top_k": 5, "thinking": {"type": "enabled", "budget_tokens": 2048}}
    assert "additionalModelRequestFields" not in body_of(to=ALLOWED, provider_options={"openai": {"top_k": 5}})


@pytest.mark.parametrize(
    ("options", "fields", "said"),
    [
        ({"maxTokens": 5}, {}, "max_output_tokens"),
        ({"modelId": "x"}, {}, "the route"),
        ({"performanceConfig": {}}, {}, "does not open"),
        ({"thinking": {}}, {"reasoning": 2048}, "already"),
        ({"additionalModelRequestFields": {"top_k": 5}}, {}, "by their own names"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], fields: dict[str, Any], said: str) -> None:
    with pytest.raises(UnknownOption, match=said):
        encode(to=ALLOWED, provider_options={"aws.bedrock": options}, **fields)


def test_options_that_are_no_json_are_refused() -> None:
    for options in ({"top_k": float("nan")}, {"guardrailConfig": {"a": "\ud800"}}):
        with pytest.raises(InvalidMessages):
            encode(to=ALLOWED, provider_options={"aws.bedrock": options})


# Requests with everything, for the judges: AWS' own model of the service, and the reader of texts.

STATE = OpaqueState("aws.bedrock", "bedrock_converse", MODEL, '{"reasoningContent":{"reasoningText":{"text":"a","signature":"b"}}}')
FULL: dict[str, dict[str, Any]] = {
    "text": {"messages": (system("a"), user("b"), assistant("c"), system("d"), user("e"))},
    "sampling": {"max_output_tokens": 5, "temperature": 0.5, "top_p": 0.5, "stop": ("a",)},
    "tools": {"tools": (WEATHER, CLOCK), "tool_choice": "required"},
    "one tool": {"tools": (WEATHER, CLOCK), "tool_choice": "clock"},
    "auto": {"tools": (WEATHER,), "tool_choice": "auto"},
    "history": {"messages": CALLED},
    "parallel": {
        "messages": (
            user("a"),
            assistant(Reasoning("a", STATE), "b", ToolCall("1", "weather", "{}"), ToolCall("call|2", "clock", '{"a":[1]}')),
            tool(ToolResult("1", (Text("x"), Image(b"x", media_type="image/png"))), ToolResult("call|2", (), is_error=True)),
        ),
        "tools": (WEATHER, CLOCK),
    },
    "media": {
        "messages": (
            user(
                "a",
                Image(b"x", media_type="image/png"),
                File(b"x", media_type="application/pdf", filename="a_b.pdf"),
                File(file_id="s3://my-bucket/x.mp4"),
                Audio(b"x", "wav"),
            ),
        )
    },
    "schema": {"output": OutputSchema("a", SCHEMA, strict=True), "reasoning": "low"},
    "budget": {"reasoning": 2048},
    "cache": {"cache": "provider", "messages": (system("a"), user("b"))},
    "options": {"provider_options": {"aws.bedrock": {"top_k": 5, "requestMetadata": {"a": "b"}}}},
}


def test_the_codec_holds_nothing() -> None:
    assert BedrockConverse.__slots__ == ()
