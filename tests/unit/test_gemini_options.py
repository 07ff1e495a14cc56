"""Requests of generateContent: options, tools, thinking, structured output and what callers pass through."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile
from saferoute.values.tools import Tool
from tests.unit.gemini_cases import VERTEX, body_of, encode, target, text, user

WEATHER = Tool("weather", "The weather.", b'{"type":"object","properties":{"city":{"type":"string"}}}')
CLOCK = Tool("clock", "", b'{"type":"object","properties":{}}', strict=True)
SCHEMA = OutputSchema("answer", b'{"type":"object","properties":{"a":{"type":"integer"}}}', strict=True)


def config(**fields: Any) -> Any:
    return body_of(**fields).get("generationConfig")


def notices(**fields: Any) -> list[tuple[str, str]]:
    return [(notice.kind, notice.parameter) for notice in encode(**fields).notices]


def test_options_have_their_names() -> None:
    said = config(max_output_tokens=9, temperature=0.5, top_p=0.9, stop=("a", "b"), seed=7)
    assert said == {"maxOutputTokens": 9, "temperature": 0.5, "topP": 0.9, "stopSequences": ["a", "b"], "seed": 7}


@pytest.mark.parametrize("cache", [None, "off", "provider"])
def test_the_providers_cache_needs_no_mark(cache: Any) -> None:
    assert set(body_of(cache=cache)) == {"contents"}


def test_bounds() -> None:
    bounded = target(max_output=10, default_max_output=5)
    assert config(to=bounded) == {"maxOutputTokens": 5}
    assert config(to=bounded, max_output_tokens=10) == {"maxOutputTokens": 10}
    with pytest.raises(UnsupportedParameter):
        encode(to=bounded, max_output_tokens=11)


@pytest.mark.parametrize("option", ["temperature", "top_p"])
def test_a_model_without_sampling(option: str) -> None:
    fixed = target(profile=Profile(sampling=False))
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to=fixed, **{option: 0.5})
    assert caught.value.parameter == option
    assert config(to=fixed, on_unsupported="drop", **{option: 0.5}) is None
    assert notices(to=fixed, on_unsupported="drop", **{option: 0.5}) == [("dropped", option)]


# ---------------------------------------------------------------------------------------------------- tools


def test_tools_go_in_with_their_schemas() -> None:
    assert body_of(tools=(WEATHER, Tool("clock", "", CLOCK.parameters)))["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "weather",
                    "description": "The weather.",
                    "parametersJsonSchema": {"type": "object", "properties": {"city": {"type": "string"}}},
                },
                {"name": "clock", "parametersJsonSchema": {"type": "object", "properties": {}}},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("tools", "choice", "calling"),
    [
        ((WEATHER,), None, None),
        ((WEATHER,), "auto", {"mode": "AUTO"}),
        ((WEATHER,), "none", {"mode": "NONE"}),
        ((WEATHER,), "required", {"mode": "ANY"}),
        ((WEATHER,), "weather", {"mode": "ANY", "allowedFunctionNames": ["weather"]}),
        ((WEATHER, CLOCK), None, {"mode": "VALIDATED"}),
        ((WEATHER, CLOCK), "auto", {"mode": "VALIDATED"}),
        ((WEATHER, CLOCK), "none", {"mode": "NONE"}),
        ((WEATHER, CLOCK), "required", {"mode": "ANY"}),
        ((WEATHER, CLOCK), "clock", {"mode": "ANY", "allowedFunctionNames": ["clock"]}),
        ((), "auto", None),
        ((), "none", None),
    ],
)
def test_tool_choice(tools: tuple[Tool, ...], choice: str | None, calling: object) -> None:
    said = body_of(tools=tools, tool_choice=choice).get("toolConfig")
    assert said == (None if calling is None else {"functionCallingConfig": calling})


def test_parallel_calls_cannot_be_switched_off() -> None:
    assert notices(tools=(WEATHER,), parallel_tool_calls=True) == []
    assert notices(parallel_tool_calls=False) == []
    with pytest.raises(UnsupportedParameter) as caught:
        encode(tools=(WEATHER,), parallel_tool_calls=False)
    assert caught.value.parameter == "parallel_tool_calls"
    assert notices(tools=(WEATHER,), parallel_tool_calls=False, on_unsupported="drop") == [("dropped", "parallel_tool_calls")]


def test_a_model_without_tools() -> None:
    plain = target(profile=Profile(tools=False))
    with pytest.raises(UnsupportedParameter):
        encode(tools=(WEATHER,), to=plain)
    assert set(body_of(tools=(CLOCK,), tool_choice="clock", to=plain, on_unsupported="drop")) == {"contents"}


# ---------------------------------------------------------------------------------------------------- structured output


def test_structured_output() -> None:
    body = encode(output=SCHEMA, temperature=0).request.body
    assert b'"responseMimeType":"application/json","responseJsonSchema":%s}' % SCHEMA.schema in body
    assert config(output=SCHEMA)["responseJsonSchema"] == {"type": "object", "properties": {"a": {"type": "integer"}}}


def test_a_model_without_schemas() -> None:
    plain = target(profile=Profile(json_schema=False))
    with pytest.raises(UnsupportedParameter):
        encode(output=SCHEMA, to=plain)
    assert config(output=SCHEMA, to=plain, on_unsupported="drop") is None


# ---------------------------------------------------------------------------------------------------- thinking

SEEN = {"includeThoughts": True}
THINKING: list[tuple[str | None, str, Any, Any]] = [
    (None, "gemini-3.5-flash", "minimal", {"thinkingLevel": "MINIMAL"} | SEEN),
    (None, "gemini-3.5-flash", "xhigh", {"thinkingLevel": "XHIGH"} | SEEN),
    (None, "gemini-4-argon", "max", {"thinkingLevel": "XHIGH"} | SEEN),
    (None, "gemini-flash-latest", "low", {"thinkingLevel": "LOW"} | SEEN),
    (None, "somebody-elses", "high", {"thinkingLevel": "HIGH"} | SEEN),
    (None, "gemini-3.5-flash", 700, {"thinkingBudget": 700} | SEEN),
    (None, "gemini-3.5-flash", 0, {"thinkingBudget": 0}),
    (None, "gemini-2.5-flash", "none", {"thinkingBudget": 0}),
    (None, "gemini-2.5-flash", "minimal", {"thinkingBudget": 512} | SEEN),
    (None, "gemini-2.5-pro", "high", {"thinkingBudget": 24576} | SEEN),
    (None, "gemini-2.5-pro", "max", {"thinkingBudget": 24576} | SEEN),
    ("budget", "tuned", "low", {"thinkingBudget": 1024} | SEEN),
    ("effort", "gemini-2.5-flash", "low", {"thinkingLevel": "LOW"} | SEEN),
    ("none", "gemini-2.0-flash", "none", None),
    ("none", "gemini-2.0-flash", 0, None),
]


@pytest.mark.parametrize(("form", "model", "asked", "sent"), THINKING)
def test_thinking(form: Any, model: str, asked: Any, sent: Any) -> None:
    to = target(model=model, profile=Profile(reasoning=form))
    assert config(to=to, reasoning=asked) == (None if sent is None else {"thinkingConfig": sent})
    changed = asked == "max"
    assert notices(to=to, reasoning=asked) == ([("changed", "reasoning")] if changed else [])


@pytest.mark.parametrize(
    ("form", "asked"), [("none", "low"), ("none", 100), ("effort", 100), ("effort", 0), ("effort", "none"), (None, "none")]
)
def test_thinking_that_the_model_does_not_have(form: Any, asked: Any) -> None:
    to = target(profile=Profile(reasoning=form))
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to=to, reasoning=asked)
    assert caught.value.parameter == "reasoning"
    assert config(to=to, reasoning=asked, on_unsupported="drop") is None
    assert notices(to=to, reasoning=asked, on_unsupported="drop") == [("dropped", "reasoning")]


# ---------------------------------------------------------------------------------------------------- passed through

OPEN = target(
    extra_params=frozenset(
        {
            "topK",
            "safetySettings",
            "thinkingConfig",
            "googleSearch",
            "codeExecution",
            "includeServerSideToolInvocations",
            "newField",
            "tools",
        }
    )
)


def test_what_the_row_opens_goes_to_its_place() -> None:
    options = {
        "topK": 40,
        "safetySettings": [{"category": "X", "threshold": "OFF"}],
        "googleSearch": {},
        "includeServerSideToolInvocations": True,
        "newField": None,
    }
    body = body_of(to=OPEN, provider_options={"gcp.gemini": options}, tools=(WEATHER,), tool_choice="auto", seed=1)
    assert body["generationConfig"] == {"seed": 1, "topK": 40}
    assert body["safetySettings"] == options["safetySettings"]
    assert body["newField"] is None
    assert [list(entry) for entry in body["tools"]] == [["functionDeclarations"], ["googleSearch"]]
    assert body["toolConfig"] == {"includeServerSideToolInvocations": True, "functionCallingConfig": {"mode": "AUTO"}}


def test_server_tools_without_tools_of_the_callers() -> None:
    body = body_of(to=OPEN, provider_options={"gemini_generate": {"codeExecution": {}}})
    assert body == {"contents": [{"role": "user", "parts": [text("hi")]}], "tools": [{"codeExecution": {}}]}


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"tools": []}, {}),
        ({"contents": []}, {}),
        ({"generationConfig": {}}, {}),
        ({"candidateCount": 2}, {}),
        ({"cachedContent": "x"}, {}),
        ({"thinkingConfig": {}}, {"reasoning": "low"}),
    ],
)
def test_what_may_not_be_passed_through(options: dict[str, Any], fields: dict[str, Any]) -> None:
    with pytest.raises(UnknownOption):
        encode(to=OPEN, provider_options={"gcp.gemini": options}, **fields)


def test_options_of_another_provider_are_not_ours() -> None:
    assert set(body_of(to=VERTEX, provider_options={"gcp.gemini": {"x": 1}})) == {"contents"}


def test_unwritable_options() -> None:
    with pytest.raises(InvalidMessages):
        encode(user("a"), to=OPEN, provider_options={"gcp.gemini": {"newField": float("nan")}})
