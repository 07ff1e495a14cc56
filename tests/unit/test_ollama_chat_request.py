"""What Ollama's native chat API is asked: tables of requests; test_ollama_chat_official has them read by the official types."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile, Quirks
from tests.unit.dialect_cases import (
    CLOCK,
    OLLAMA,
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
CALL = ToolCall("c1", "weather", '{"city": "Kiel", "days": [1, 2.5]}')
CALL_WIRE = {"id": "c1", "function": {"name": "weather", "arguments": {"city": "Kiel", "days": [1, 2.5]}}}
THOUGHT = Reasoning("hm", OpaqueState("ollama", "ollama_chat", "qwen3", '{"thinking":"hm"}'))
CLOCK_WIRE = {"type": "function", "function": {"name": "clock", "parameters": json.loads(CLOCK.parameters)}}


def test_the_smallest_request_says_that_it_wants_no_stream() -> None:
    encoded = encode(OLLAMA)
    request = encoded.request
    assert request.body == b'{"model":"qwen3","messages":[{"role":"user","content":"hi"}],"stream":false}'
    assert (request.method, request.origin, request.path) == ("POST", "http://127.0.0.1:11434", "/api/chat")
    assert (request.secret, request.auth) == (None, "none")
    assert request.headers == (("content-type", "application/json"), ("accept", "application/json"))
    assert encoded.notices == ()


def test_a_stream_asks_for_lines() -> None:
    assert asked(OLLAMA, stream=True) == {"stream": True}
    assert ("accept", "application/x-ndjson") in encode(OLLAMA, stream=True).request.headers


@pytest.mark.parametrize(
    ("options", "wire"),
    [
        ({"temperature": 0.0, "top_p": 0.5}, {"options": {"temperature": 0.0, "top_p": 0.5}}),
        ({"max_output_tokens": 9}, {"options": {"num_predict": 9}}),
        ({"stop": ("a", "b"), "seed": 0}, {"options": {"stop": ["a", "b"], "seed": 0}}),
        ({"reasoning": "none"}, {"think": False}),
        ({"reasoning": 0}, {"think": False}),
        ({"reasoning": "high"}, {"think": True}),
        ({"cache": "provider", "data": "internal", "parallel_tool_calls": False}, {}),
        ({"output": OutputSchema("city", b'{"type":"object"}', strict=True)}, {"format": {"type": "object"}}),
        ({"tools": (CLOCK,), "tool_choice": "auto"}, {"tools": [CLOCK_WIRE]}),
        ({"tools": (CLOCK,), "tool_choice": "none"}, {}),
        ({"tools": (WEATHER, CLOCK), "tool_choice": "clock"}, {"tools": [CLOCK_WIRE]}),
    ],
)
def test_options(options: dict[str, Any], wire: dict[str, Any]) -> None:
    assert asked(OLLAMA, **options) == {"stream": False} | wire


@pytest.mark.parametrize(
    ("word", "sent"), [("minimal", "low"), ("low", "low"), ("medium", "medium"), ("high", "high"), ("xhigh", "high"), ("max", "high")]
)
def test_models_with_a_dial_get_a_word(word: Any, sent: str) -> None:
    encoded = encode(target(OLLAMA, profile=Profile(reasoning="effort")), reasoning=word)
    assert body_of(encoded)["think"] == sent
    assert said(encoded) == ([] if word == sent else [("changed", "reasoning")])


def test_what_goes_out_in_another_form_is_said() -> None:
    assert said(encode(OLLAMA, reasoning="high")) == [("changed", "reasoning")]
    assert said(encode(OLLAMA, tools=(WEATHER, CLOCK), tool_choice="clock")) == [("changed", "tool_choice")]


@pytest.mark.parametrize(
    ("options", "parameter", "profile"),
    [
        ({"tools": (CLOCK,), "tool_choice": "required"}, "tool_choice", Profile()),
        ({"tools": (CLOCK,), "parallel_tool_calls": False}, "parallel_tool_calls", Profile()),
        ({"tools": (replace(CLOCK, strict=True),)}, "tools", Profile()),
        ({"tools": (CLOCK,)}, "tools", Profile(tools=False)),
        ({"temperature": 1.0}, "temperature", Profile(sampling=False)),
        ({"reasoning": 100}, "reasoning", Profile()),
        ({"reasoning": "low"}, "reasoning", Profile(reasoning="none")),
        ({"output": OutputSchema("a", b"{}", strict=False)}, "output", Profile(json_schema=False)),
        ({"messages": (user("a", PNG),)}, "messages", Profile(vision=False)),
        ({"messages": (user("a", Image(url="https://x.example/a.png")),)}, "messages", Profile()),
        ({"messages": (user("a", File(file_id="f", media_type="image/png")),)}, "messages", Profile()),
        ({"messages": (user("a", File(data=b"%PDF", media_type="application/pdf")),)}, "messages", Profile()),
        ({"messages": (user("a", Audio(b"1", "wav")),)}, "messages", Profile()),
        ({"messages": (user("a"), assistant("b", PNG))}, "messages", Profile()),
    ],
)
def test_the_unsupported_is_refused_or_dropped_with_a_notice(options: dict[str, Any], parameter: str, profile: Profile) -> None:
    to = target(OLLAMA, profile=profile)
    messages = options.pop("messages", (user("a"),))
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to, *messages, **options)
    assert caught.value.parameter == parameter
    encoded = encode(to, *messages, **options, on_unsupported="drop")
    assert said(encoded) == [("dropped", parameter)]
    assert body_of(encoded).keys() <= {"model", "messages", "stream", "tools"}
    assert b"images" not in encoded.request.body


def test_a_model_without_reasoning_takes_no_word_about_it() -> None:
    assert asked(target(OLLAMA, profile=Profile(reasoning="none")), reasoning="none") == {"stream": False}


@pytest.mark.parametrize(
    ("messages", "wire"),
    [
        ((system("be", "kind"), user("a", "b")), [{"role": "system", "content": "be\nkind"}, {"role": "user", "content": "a\nb"}]),
        (
            (user("look", PNG, File(data=b"G", media_type="image/gif")),),
            [{"role": "user", "content": "look", "images": ["iVBORw==", "Rw=="]}],
        ),
        ((user("a"), assistant(THOUGHT, "b")), [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "thinking": "hm"}]),
        ((user("a"), assistant(Refusal("no"))), [{"role": "user", "content": "a"}, {"role": "assistant", "content": "no"}]),
        ((user("a"), assistant()), [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]),
        (
            (user("a"), assistant(CALL), tool(ToolResult("c1", (Text("rain"), PNG)))),
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "", "tool_calls": [CALL_WIRE]},
                {"role": "tool", "content": "rain", "images": ["iVBORw=="], "tool_call_id": "c1", "tool_name": "weather"},
            ],
        ),
    ],
)
def test_messages(messages: tuple[Message, ...], wire: list[dict[str, Any]]) -> None:
    encoded = encode(OLLAMA, *messages)
    assert body_of(encoded)["messages"] == wire
    assert encoded.notices == ()


def test_results_stand_in_the_order_of_their_calls() -> None:
    calls = [ToolCall(f"c{n}", name, "") for n, name in enumerate(("f", "g", "f"))]
    results = [ToolResult(f"c{n}", (Text(str(n)),)) for n in (2, 0, 1)]
    for later in ((tool(*results),), tuple(map(tool, results)), (tool(results[0]), user(*results[1:], "go on"))):
        wire = messages_of(OLLAMA, user("a"), assistant(*calls), *later)
        assert [(entry["tool_name"], entry["content"]) for entry in wire if entry["role"] == "tool"] == [("f", "0"), ("g", "1"), ("f", "2")]
        assert [call["function"]["arguments"] for call in wire[1]["tool_calls"]] == [{}, {}, {}]
        assert [entry["role"] for entry in wire[2:5]] == ["tool"] * 3


def test_a_result_of_a_call_that_the_conversation_does_not_have_names_no_tool() -> None:
    wire = messages_of(OLLAMA, user("a"), tool(ToolResult("gone", (Text("x"),), is_error=True)))
    assert wire[1] == {"role": "tool", "content": "x", "tool_call_id": "gone"}


@pytest.mark.parametrize("arguments", ["{", "[]", "1", "null", '{"a":}', "{} {}"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    with pytest.raises(InvalidMessages, match="not a JSON object"):
        encode(OLLAMA, user("a"), assistant(replace(CALL, arguments=arguments)))


@pytest.mark.parametrize(
    "reasoning",
    [
        Reasoning("hm"),
        replace(THOUGHT, state=OpaqueState("other", "ollama_chat", "qwen3", '{"thinking":"hm"}')),
        replace(THOUGHT, state=OpaqueState("ollama", "ollama_chat", "other", '{"thinking":"hm"}')),
        replace(THOUGHT, state=OpaqueState("ollama", "openai_chat", "qwen3", '{"thinking":"hm"}')),
        replace(THOUGHT, text="another text"),
        replace(THOUGHT, state=OpaqueState("ollama", "ollama_chat", "qwen3", "no JSON")),
    ],
)
def test_reasoning_of_others_is_left_out_with_a_notice(reasoning: Reasoning) -> None:
    encoded = encode(OLLAMA, user("a"), assistant(reasoning, "b"), user("c"), assistant(reasoning, "d"))
    assert all("thinking" not in entry for entry in body_of(encoded)["messages"])
    assert [parameter for _, parameter in said(encoded)] == ["reasoning"]


def test_a_long_prompt_is_pointed_out_unless_the_window_is_said() -> None:
    long = user("word " * 2000)
    assert said(encode(OLLAMA, long)) == [("noted", "num_ctx")]
    encoded = encode(target(OLLAMA, profile=Profile(context_window=32768)), long)
    assert (body_of(encoded)["options"], encoded.notices) == ({"num_ctx": 32768}, ())
    to = target(OLLAMA, profile=Profile(context_window=32768), extra_params=frozenset({"num_ctx"}))
    assert asked(to, provider_options={"ollama": {"num_ctx": 8192}}) == {"stream": False, "options": {"num_ctx": 8192}}


def test_provider_options_go_where_the_api_has_them() -> None:
    to = target(
        OLLAMA, extra_params=frozenset({"keep_alive", "repeat_penalty", "format", "temperature", "options", "top_logprobs", "logprobs"})
    )
    wire = asked(
        to,
        seed=1,
        provider_options={"ollama": {"keep_alive": "5m", "repeat_penalty": 1.1}, "ollama_chat": {"logprobs": True, "format": "json"}},
    )
    assert wire == {"stream": False, "keep_alive": "5m", "logprobs": True, "format": "json", "options": {"seed": 1, "repeat_penalty": 1.1}}
    output = OutputSchema("a", b"{}", strict=False)
    for options, more in [
        ({"num_gpu": 1}, {}),
        ({"options": {}}, {}),
        ({"format": "json"}, {"output": output}),
        ({"temperature": 1}, {"temperature": 0.5}),
    ]:
        with pytest.raises(UnknownOption):
            encode(to, provider_options={"ollama": options}, **more)


def test_notes() -> None:
    encoded = encode(
        OLLAMA,
        Message("user", (Text("a"), replace(PNG, detail="high")), name="ann"),
        assistant(CALL),
        tool(ToolResult("c1", (Text("x"),), is_error=True)),
    )
    assert said(encoded) == [("dropped", "messages.name"), ("dropped", "messages"), ("noted", "is_error")]
    assert b"ann" not in encoded.request.body


def test_what_makes_no_call_is_refused() -> None:
    for messages in [(user("\ud800"),), (user(CALL),), (Message("system", (PNG,)),), (user("a"), assistant(ToolResult("x", ())))]:
        with pytest.raises(InvalidMessages):
            encode(OLLAMA, *messages)


def test_several_answers_are_refused_or_dropped() -> None:
    with pytest.raises(UnsupportedParameter, match="several times"):
        encode(OLLAMA, n=2)
    encoded = encode(OLLAMA, n=2, on_unsupported="drop")
    assert (body_of(encoded).keys(), said(encoded)) == ({"model", "messages", "stream"}, [("dropped", "n")])


def test_probabilities_with_and_without_alternatives() -> None:
    assert asked(OLLAMA, logprobs=0) == {"stream": False, "logprobs": True}
    assert asked(OLLAMA, logprobs=3) == {"stream": False, "logprobs": True, "top_logprobs": 3}
    to = target(OLLAMA, extra_params=frozenset({"logprobs", "top_logprobs"}))
    for said_twice in ({"logprobs": False}, {"top_logprobs": 1}):
        with pytest.raises(UnknownOption, match="says already"):
            encode(to, logprobs=3, provider_options={"ollama": said_twice})


def test_plain_json_is_asked_for_where_the_row_has_it() -> None:
    assert asked(OLLAMA, json_object=True) == {"stream": False, "format": "json"}
    assert asked(replace(OLLAMA, quirks=Quirks(json_object=False)), json_object=True) == {"stream": False}
    output = OutputSchema("city", b'{"type":"object"}', strict=True)
    assert asked(OLLAMA, json_object=True, output=output) == {"stream": False, "format": {"type": "object"}}


def test_a_cache_mark_is_not_needed() -> None:
    encoded = encode(OLLAMA, cache="provider")
    assert (encoded.request.body, said(encoded)) == (encode(OLLAMA).request.body, [("noted", "cache")])
    assert said(encode(OLLAMA, cache="off")) == []


@pytest.mark.parametrize("part", [File(b"a", media_type="text/plain"), Audio(b"1", "wav")])
def test_the_refusal_of_a_document_says_what_to_do(part: Any) -> None:
    with pytest.raises(UnsupportedParameter, match="what is text can go as Text"):
        encode(OLLAMA, user("a", part))
