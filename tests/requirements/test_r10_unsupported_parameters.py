"""Requirement 10: an unsupported parameter is a typed error before the call; "drop" and "emulate" are explicit, and recorded in the reply."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

import saferoute
from saferoute import Image, Message, Text
from saferoute.errors import RequestError, UnknownOption, UnsupportedParameter
from tests.requirements.conftest import Deployed, Way, row
from tests.requirements.dialects import DIALECTS
from tests.support.both import Face
from tests.support.counting_server import CountingServer, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

TOOL = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
PICTURE = Message("user", (Text("what is it?"), Image(b"\x89PNG\r\n\x1a\n", media_type="image/png")))
SCHEMA = {
    "title": "City",
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


class Lacking(NamedTuple):
    """A thing that a model does not do.

    Attributes:
        profile: what the signed row says about it.
        options: how a caller asks for it.
        parameter: what the error names.
        fields: what must not be on the wire once it is dropped.
        emulated: what the notice's kind is with "emulate"; "" where there is no other way.
    """

    profile: str
    options: dict[str, Any]
    parameter: str
    fields: tuple[str, ...]
    emulated: str = ""


LACKING: Mapping[str, Lacking] = {
    "tools": Lacking("tools = false", {"tools": [TOOL]}, "tools", ("tools",)),
    "tool_choice, required": Lacking("tool_choice = false", {"tools": [TOOL], "tool_choice": "required"}, "tool_choice", ("tool_choice",), "changed"),
    "tool_choice, one tool": Lacking("tool_choice = false", {"tools": [TOOL], "tool_choice": "weather"}, "tool_choice", ("tool_choice",), "changed"),
    "parallel_tool_calls": Lacking("parallel_tools = false", {"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls", ("parallel_tool_calls",), "changed"),
    "json_schema": Lacking("json_schema = false", {"output": SCHEMA}, "output", (), "changed"),
    "temperature": Lacking("sampling = false", {"temperature": 0.5}, "temperature", ("temperature",)),
    "top_p": Lacking("sampling = false", {"top_p": 0.5}, "top_p", ("top_p",)),
    "seed": Lacking("seed = false", {"seed": 7}, "seed", ("seed",)),
    "logprobs": Lacking("logprobs = false", {"logprobs": 2}, "logprobs", ("logprobs", "top_logprobs")),
    "reasoning at all": Lacking('reasoning = "none"', {"reasoning": "high"}, "reasoning", ("reasoning_effort", "reasoning")),
    "an effort word": Lacking('reasoning = "effort", efforts = ["low", "high"]', {"reasoning": "xhigh"}, "reasoning", (), "changed"),
    "a budget of thinking": Lacking('reasoning = "effort"', {"reasoning": 3000}, "reasoning", ("reasoning", "thinking"), "changed"),
    "pictures": Lacking("vision = false", {"messages": [PICTURE]}, "messages", ()),
}  # fmt: skip
CITY = '{"name": "Bonn"}'


def asked(way: Way, face: Face, lacking: Lacking, **options: Any) -> Any:
    return way.ask(face, "row", **{"messages": "hi", **lacking.options, **options})


@pytest.mark.parametrize("name", LACKING)
def test_it_is_a_typed_error_and_nothing_is_sent(four_ways: Way, serve: Serve, opened: Opened, name: str) -> None:
    lacking = LACKING[name]
    server = serve(says(CITY))
    face = opened(four_ways.kind, server, fields=f"profile = {{ {lacking.profile} }}")
    for how in ({}, {"on_unsupported": "error"}):
        with pytest.raises(UnsupportedParameter) as caught:
            asked(four_ways, face, lacking, **how)
        assert caught.value.parameter == lacking.parameter
        assert str(caught.value).startswith(f"{lacking.parameter}: alpha ")
        assert isinstance(caught.value, RequestError)
        assert caught.value.attempts == ()
    assert (server.count, server.connections, server.bytes_received) == (0, 0, 0)


@pytest.mark.parametrize("name", LACKING)
def test_drop_leaves_it_out_and_says_so_in_the_reply(four_ways: Way, serve: Serve, opened: Opened, name: str) -> None:
    lacking = LACKING[name]
    server = serve(says(CITY))
    face = opened(four_ways.kind, server, fields=f"profile = {{ {lacking.profile} }}")
    reply = asked(four_ways, face, lacking, on_unsupported="drop")
    recorded = [(notice.kind, notice.parameter) for notice in reply.warnings]
    assert (("changed" if name == "an effort word" else "dropped"), lacking.parameter) in recorded
    (body,) = server.bodies
    assert not set(lacking.fields) & body.keys()
    if name == "json_schema":
        assert "json_schema" not in json.dumps(body)
    if name == "an effort word":
        assert body["reasoning_effort"] == "high"  # the nearest


@pytest.mark.parametrize("name", [name for name, lacking in LACKING.items() if lacking.emulated])
def test_emulate_does_it_in_another_way_and_says_so_in_the_reply(four_ways: Way, serve: Serve, opened: Opened, name: str) -> None:
    lacking = LACKING[name]
    server = serve(says(CITY))
    face = opened(four_ways.kind, server, fields=f"profile = {{ {lacking.profile} }}")
    reply = asked(four_ways, face, lacking, on_unsupported="emulate")
    assert (lacking.emulated, lacking.parameter) in [(notice.kind, notice.parameter) for notice in reply.warnings]
    (body,) = server.bodies
    instructed = body["messages"][0]["role"] == "system"
    assert instructed is ("reasoning" not in lacking.options)
    if name == "json_schema":
        assert reply.parsed == {"name": "Bonn"}
        assert body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("name", [name for name, lacking in LACKING.items() if not lacking.emulated])
def test_what_cannot_be_emulated_stays_an_error(four_ways: Way, serve: Serve, opened: Opened, name: str) -> None:
    lacking = LACKING[name]
    server = serve(says(CITY))
    face = opened(four_ways.kind, server, fields=f"profile = {{ {lacking.profile} }}")
    with pytest.raises(UnsupportedParameter):
        asked(four_ways, face, lacking, on_unsupported="emulate")
    assert server.connections == 0


def test_an_emulated_schema_is_checked_and_not_hoped_for(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("Bonn, I think"))
    face = opened(four_ways.kind, server, fields="profile = { json_schema = false }")
    with pytest.raises(saferoute.errors.OutputInvalid):
        four_ways.ask(face, output=SCHEMA, on_unsupported="emulate", max_attempts=1)
    assert server.count == 1


# What a dialect itself has no words for, whatever its row says.
DIALECT_LACKS = [
    ("anthropic_messages", {"seed": 7}, "seed"),
    ("anthropic_messages", {"logprobs": 1}, "logprobs"),
    ("gemini_generate", {"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls"),
    ("bedrock_converse", {"seed": 7}, "seed"),
    ("bedrock_converse", {"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls"),
    ("cohere_chat", {"tools": [TOOL], "parallel_tool_calls": False}, "parallel_tool_calls"),
    ("mistral_chat", {"reasoning": 2000}, "reasoning"),
    ("ollama_chat", {"tools": [TOOL], "tool_choice": "required"}, "tool_choice"),
]


@pytest.mark.parametrize(("dialect", "options", "parameter"), DIALECT_LACKS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_a_dialect_has_no_words_for_is_no_silent_ignore(
    four_ways: Way, serve: Serve, deployed: Deployed, dialect: str, options: dict[str, Any], parameter: str
) -> None:
    server = serve(DIALECTS[dialect].answer())
    face = deployed(four_ways.kind, row("row", server.origin, dialect=dialect))
    with pytest.raises(UnsupportedParameter) as caught:
        four_ways.ask(face, **options)
    assert caught.value.parameter == parameter
    assert (server.count, server.connections) == (0, 0)
    reply = four_ways.ask(face, on_unsupported="drop", **options)
    assert parameter in [notice.parameter for notice in reply.warnings]
    assert server.count == 1


def test_a_bound_over_the_row_s_is_an_error_and_lowered_only_when_told(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hi"))
    face = opened(four_ways.kind, server, fields="max_output = 100")
    with pytest.raises(UnsupportedParameter, match="max_output_tokens=200 is over the 100"):
        four_ways.ask(face, max_output_tokens=200)
    assert server.connections == 0
    reply = four_ways.ask(face, max_output_tokens=200, on_unsupported="drop")
    assert [(notice.kind, notice.parameter) for notice in reply.warnings] == [("changed", "max_output_tokens")]
    assert server.bodies[0]["max_completion_tokens"] == 100


@pytest.mark.parametrize("option", ["max_tokens", "response_format", "api_base", "base_url", "api_key", "headers", "top_k", "temprature"])
def test_an_option_that_nobody_knows_is_an_error_and_nothing_is_sent(four_ways: Way, serve: Serve, opened: Opened, option: str) -> None:
    server = serve(says("hi"))
    with pytest.raises(UnknownOption, match=option):
        four_ways.ask(opened(four_ways.kind, server), **{option: "x"})
    assert server.connections == 0


def test_a_wire_field_that_the_row_does_not_list_is_not_sent(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hi"))
    with pytest.raises(RequestError):
        four_ways.ask(opened(four_ways.kind, server), provider_options={"demo": {"logit_bias": {}}})
    assert server.connections == 0


def test_what_was_asked_for_and_is_supported_is_on_the_wire(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says(CITY))
    face = opened(four_ways.kind, server)
    reply = four_ways.ask(face, temperature=0.5, top_p=0.9, seed=7, stop="END", max_output_tokens=50, tools=[TOOL], tool_choice="weather",
                          parallel_tool_calls=False, output=SCHEMA, reasoning="low")  # fmt: skip
    (body,) = server.bodies
    assert (body["temperature"], body["top_p"], body["seed"], body["stop"], body["reasoning_effort"]) == (0.5, 0.9, 7, ["END"], "low")
    assert body["max_completion_tokens"] == 50
    assert body["parallel_tool_calls"] is False
    assert body["tool_choice"] == {"type": "function", "function": {"name": "weather"}}
    assert body["response_format"]["type"] == "json_schema"
    assert reply.warnings == ()
