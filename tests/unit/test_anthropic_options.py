"""Requests of the Messages API: everything but the conversation."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile, Target
from saferoute.values.tools import Tool
from tests.unit.anthropic_cases import MODEL, TARGET, body_of, encode, system, target, user

WEATHER = Tool("weather", "Tells the weather.", b'{"type":"object","properties":{"city":{"type":"string"}}}')
CLOCK = Tool("clock", "", b'{"properties":{},"type":"object"}', strict=True)
SCHEMA = OutputSchema(
    "answer", b'{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}', strict=True
)
FORMAT = {"type": "json_schema", "schema": json.loads(SCHEMA.schema)}
WIRE_WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}
BUDGET = Profile(reasoning="budget")
ROOMY = {"max_output_tokens": 60000}

# fields of the call, the row, and what the body has besides model, max_tokens and messages
OPTIONS: dict[str, tuple[dict[str, Any], Target, dict[str, Any]]] = {
    "nothing": ({}, TARGET, {}),
    "stream": ({"stream": True}, TARGET, {"stream": True}),
    "stop": ({"stop": ("END", "\n\n")}, TARGET, {"stop_sequences": ["END", "\n\n"]}),
    "provider cache": ({"cache": "provider"}, TARGET, {"cache_control": {"type": "ephemeral"}}),
    "our cache": ({"cache": "exact"}, TARGET, {}),
    "no cache": ({"cache": "off"}, TARGET, {}),
    "temperature": ({"temperature": 0.0}, TARGET, {"temperature": 0.0}),
    "highest temperature": ({"temperature": 1.0}, TARGET, {"temperature": 1.0}),
    "one answer of any object": ({"n": 1, "json_object": True}, TARGET, {}),
    "top_p": ({"top_p": 0.5}, TARGET, {"top_p": 0.5}),
    "schema": ({"output": SCHEMA}, TARGET, {"output_config": {"format": FORMAT}}),
    "schema and effort": (
        {"output": SCHEMA, "reasoning": "high"},
        TARGET,
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high", "format": FORMAT}},
    ),
    **{
        f"effort {word}": ({"reasoning": word}, TARGET, {"thinking": {"type": "adaptive"}, "output_config": {"effort": word}})
        for word in ("low", "medium", "high", "xhigh", "max")
    },
    "adaptive profile": (
        {"reasoning": "low"},
        target(profile=Profile(reasoning="adaptive")),
        {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
    ),
    "effort profile": ({"reasoning": "low"}, target(profile=Profile(reasoning="effort")), {"output_config": {"effort": "low"}}),
    "thinking off": ({"reasoning": "none"}, TARGET, {"thinking": {"type": "disabled"}}),
    "thinking off for a budget model": ({"reasoning": "none"}, target(profile=BUDGET), {"thinking": {"type": "disabled"}}),
    "no tokens for thinking": ({"reasoning": 0}, TARGET, {"thinking": {"type": "disabled"}}),
    "no thinking where there is none": ({"reasoning": "none"}, target(profile=Profile(reasoning="none")), {}),
    "budget in tokens": ({"reasoning": 2000, **ROOMY}, TARGET, {"thinking": {"type": "enabled", "budget_tokens": 2000}}),
    **{
        f"budget for {word}": (
            {"reasoning": word, **ROOMY},
            target(profile=BUDGET),
            {"thinking": {"type": "enabled", "budget_tokens": tokens}},
        )
        for word, tokens in {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16384, "xhigh": 32768, "max": 49152}.items()
    },
    "tools": (
        {"tools": (WEATHER, CLOCK)},
        TARGET,
        {"tools": [WIRE_WEATHER, {"name": "clock", "input_schema": {"type": "object", "properties": {}}, "strict": True}]},
    ),
    "choice auto": ({"tools": (WEATHER,), "tool_choice": "auto"}, TARGET, {"tools": [WIRE_WEATHER], "tool_choice": {"type": "auto"}}),
    "choice none": (
        {"tools": (WEATHER,), "tool_choice": "none", "parallel_tool_calls": False},
        TARGET,
        {"tools": [WIRE_WEATHER], "tool_choice": {"type": "none"}},
    ),
    "choice required": (
        {"tools": (WEATHER,), "tool_choice": "required"},
        TARGET,
        {"tools": [WIRE_WEATHER], "tool_choice": {"type": "any"}},
    ),
    "choice of one": (
        {"tools": (WEATHER,), "tool_choice": "weather", "parallel_tool_calls": False},
        TARGET,
        {"tools": [WIRE_WEATHER], "tool_choice": {"type": "tool", "name": "weather", "disable_parallel_tool_use": True}},
    ),
    "one call at a time": (
        {"tools": (WEATHER,), "parallel_tool_calls": False},
        TARGET,
        {"tools": [WIRE_WEATHER], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
    ),
    "several calls at a time": ({"tools": (WEATHER,), "parallel_tool_calls": True}, TARGET, {"tools": [WIRE_WEATHER]}),
    "choice without tools": ({"tool_choice": "auto", "parallel_tool_calls": False}, TARGET, {}),
    "options under both names": (
        {"provider_options": {"anthropic_messages": {"service_tier": "auto"}, "anthropic": {"top_k": 2}, "openai": {"x": 1}}},
        target(extra_params=frozenset({"top_k", "service_tier"})),
        {"top_k": 2, "service_tier": "auto"},
    ),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str) -> None:
    fields, row, expected = OPTIONS[name]
    encoded = encode(to=row, **fields)
    bound = {"max_tokens": fields.get("max_output_tokens", 1000)}
    assert (
        json.loads(encoded.request.body)
        == {"model": MODEL, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]} | bound | expected
    )
    assert encoded.notices == ()


@pytest.mark.parametrize("name", OPTIONS)
def test_the_version_depends_on_sampling_parameters_only(name: str) -> None:
    fields, row, expected = OPTIONS[name]
    headers = dict(encode(to=row, **fields).request.headers)
    sampled = not expected.keys().isdisjoint({"temperature", "top_p", "top_k"})
    assert headers == {
        "content-type": "application/json",
        "accept": "text/event-stream" if fields.get("stream") else "application/json",
        "anthropic-version": "2023-06-01" if sampled else "2026-10-21",
    }


def test_where_it_goes_comes_from_the_row() -> None:
    row = target(path="/anthropic", headers=(("anthropic-beta", "a,b"), ("anthropic-version", "2099-01-01")), auth="bearer", secret="s")
    request = encode(to=row).request
    assert (request.method, request.origin, request.path) == ("POST", row.origin, "/anthropic/v1/messages")
    assert (request.secret, request.auth, request.net) == ("s", "bearer", row.net)
    headers = dict(request.headers)
    assert len(headers) == len(request.headers)
    assert (headers["anthropic-beta"], headers["anthropic-version"]) == ("a,b", "2099-01-01")


@pytest.mark.parametrize(
    ("asked", "default", "most", "sent", "filled"),
    [(5, 7, 9, 5, 0), (None, 7, 9, 7, 0), (None, None, 9, 9, 0), (None, None, None, 4096, 1), (9, None, 9, 9, 0), (0, None, None, 0, 0)],
)
def test_the_output_bound(asked: int | None, default: int | None, most: int | None, sent: int, filled: int) -> None:
    encoded = encode(to=target(default_max_output=default, max_output=most), max_output_tokens=asked)
    assert json.loads(encoded.request.body)["max_tokens"] == sent
    assert [(n.kind, n.parameter) for n in encoded.notices] == [("filled", "max_output_tokens")] * filled


def test_too_much_output_is_refused_or_lowered_with_a_notice() -> None:
    row = target(max_output=9)
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to=row, max_output_tokens=10)
    assert caught.value.parameter == "max_output_tokens"
    encoded = encode(to=row, max_output_tokens=10, on_unsupported="drop")
    assert json.loads(encoded.request.body).keys() == {"model", "max_tokens", "messages"}
    assert json.loads(encoded.request.body)["max_tokens"] == 9
    assert [(n.kind, n.parameter) for n in encoded.notices] == [("changed", "max_output_tokens")]
    assert dict(encoded.request.headers)["anthropic-version"] == "2026-10-21"


# fields of the call, the row, the parameter that is named, and what of the body is gone when the caller says drop
REFUSED: dict[str, tuple[dict[str, Any], Target, str, dict[str, Any]]] = {
    "seed": ({"seed": 1}, TARGET, "seed", {}),
    "several answers": ({"n": 2}, TARGET, "n", {}),
    "logprobs": ({"logprobs": 0}, TARGET, "logprobs", {}),
    "too warm": ({"temperature": 1.1}, TARGET, "temperature", {}),
    "temperature": ({"temperature": 0.5}, target(profile=Profile(sampling=False)), "temperature", {}),
    "top_p": ({"top_p": 0.5}, target(profile=Profile(sampling=False)), "top_p", {}),
    "top_k": (
        {"provider_options": {"anthropic": {"top_k": 3}}},
        target(profile=Profile(sampling=False), extra_params=frozenset({"top_k"})),
        "top_k",
        {},
    ),
    "tools": ({"tools": (WEATHER,), "tool_choice": "weather"}, target(profile=Profile(tools=False)), "tools", {}),
    "schema": ({"output": SCHEMA}, target(profile=Profile(json_schema=False)), "output", {}),
    "reasoning": ({"reasoning": "low"}, target(profile=Profile(reasoning="none")), "reasoning", {}),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_model_cannot_do_is_refused_or_dropped_with_a_notice(name: str) -> None:
    fields, row, parameter, rest = REFUSED[name]
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to=row, **fields)
    assert caught.value.parameter == parameter
    encoded = encode(to=row, on_unsupported="drop", **fields)
    plain = {"model": MODEL, "max_tokens": 1000, "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}
    assert json.loads(encoded.request.body) == plain | rest
    assert [(n.kind, n.parameter) for n in encoded.notices] == [("dropped", parameter)]
    assert dict(encoded.request.headers)["anthropic-version"] == "2026-10-21"


def test_minimal_effort_is_low_and_says_so() -> None:
    encoded = encode(reasoning="minimal")
    assert json.loads(encoded.request.body)["output_config"] == {"effort": "low"}
    assert [(n.kind, n.parameter) for n in encoded.notices] == [("changed", "reasoning")]


@pytest.mark.parametrize(
    ("asked", "bound", "profile", "words"),
    [
        (1023, 4000, Profile(), "1024"),
        (-5, 4000, Profile(), "1024"),
        (4000, 4000, Profile(), "max_output_tokens over 4000"),
        ("high", 4000, BUDGET, "max_output_tokens over 16384"),
    ],
)
def test_a_budget_that_cannot_work_is_refused_whatever_the_policy(asked: object, bound: int, profile: Profile, words: str) -> None:
    with pytest.raises(UnsupportedParameter, match=words) as caught:
        encode(to=target(profile=profile), reasoning=asked, max_output_tokens=bound, on_unsupported="drop")
    assert caught.value.parameter == "reasoning"
    assert body_of(to=target(profile=profile), reasoning=1024, max_output_tokens=1025)["thinking"]["budget_tokens"] == 1024


def test_one_option_under_both_names_is_refused() -> None:
    both = {"anthropic_messages": {"top_k": 1}, "anthropic": {"top_k": 2}}
    with pytest.raises(UnknownOption, match="already"):
        encode(to=target(extra_params=frozenset({"top_k"})), provider_options=both)


@pytest.mark.parametrize(
    ("options", "allowed", "words"),
    [
        ({"top_k": 1}, (), "it allows: none"),
        ({"topk": 1}, ("top_k", "metadata"), "it allows: metadata, top_k"),
        ({"model": "x"}, ("model",), "the route names the model"),
        ({"system": "x"}, ("system",), "pass system"),
        ({"messages": []}, ("messages",), "pass messages"),
        ({"stream": True}, ("stream",), "stream"),
        ({"max_tokens": 1}, ("max_tokens",), "max_output_tokens"),
        ({"thinking": {}}, ("thinking",), "already"),
        ({"output_config": {}}, ("output_config",), "already"),
        ({"tools": []}, ("tools",), "already"),
        ({"temperature": 1}, ("temperature",), "already"),
        ({"stop_sequences": []}, ("stop_sequences",), "already"),
    ],
)
def test_provider_options_the_row_does_not_allow_or_the_call_has_set(options: dict[str, Any], allowed: tuple[str, ...], words: str) -> None:
    with pytest.raises(UnknownOption, match=words):
        encode(
            to=target(extra_params=frozenset(allowed)),
            provider_options={"anthropic": options},
            reasoning="low",
            tools=(WEATHER,),
            temperature=0.5,
            stop=("x",),
        )


def test_an_option_that_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidMessages):
        encode(to=target(extra_params=frozenset({"metadata"})), provider_options={"anthropic": {"metadata": {"x": float("nan")}}})


def test_a_passed_temperature_counts_as_sampling() -> None:
    row = target(extra_params=frozenset({"temperature"}))
    request = encode(to=row, provider_options={"anthropic": {"temperature": 0.5}}).request
    assert dict(request.headers)["anthropic-version"] == "2023-06-01"


@pytest.mark.parametrize(
    ("given_schema", "sent"),
    [
        (b"{}", b'{"type":"object"}'),
        (b'{"properties":{"a":{"type":"string"}}}', b'{"type":"object","properties":{"a":{"type":"string"}}}'),
        (b'{"properties":{"a":{"x":1,"type":"object"}}}', b'{"type":"object","properties":{"a":{"x":1,"type":"object"}}}'),
        (b'{"title":"x","type":"object","properties":{}}', b'{"title":"x","type":"object","properties":{}}'),
        (b'{"title":"x","type":"object"}', b'{"title":"x","type":"object"}'),
    ],
)
def test_a_schema_always_says_object(given_schema: bytes, sent: bytes) -> None:
    assert b'"input_schema":' + sent + b"}" in encode(tools=(Tool("t", "", given_schema),)).request.body


def test_schemas_go_in_byte_for_byte() -> None:
    odd = b'{"type":"object","minimum":1.0,"x":1e2}'
    body = encode(tools=(Tool("t", "", odd),), output=OutputSchema("o", odd, strict=False)).request.body
    assert body.count(odd) == 2


@given(
    words=st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1),
    name=st.text(alphabet=st.characters(exclude_categories=["Cs"])),
)
def test_no_text_can_leave_its_place(words: str, name: str) -> None:
    body = body_of(user(words), system("x"), stop=(name,))
    assert body["messages"][0]["content"] == [{"type": "text", "text": words}]
    assert body["stop_sequences"] == [name]
    assert body.keys() == {"model", "max_tokens", "messages", "stop_sequences"}
