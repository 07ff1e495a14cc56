"""What Mistral's chat API is asked: tables of requests, each also read by the official SDK's own types where it is installed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnknownOption, UnsupportedParameter
from saferoute.values.messages import Audio, File, Image, Message, OpaqueState, Reasoning, Refusal, Text, ToolCall, ToolResult
from saferoute.values.request import OutputSchema
from saferoute.values.target import Profile
from tests.unit.dialect_cases import (
    CLOCK,
    MISTRAL,
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
PDF = File(data=b"%PDF", media_type="application/pdf", filename="a.pdf")
CALL = ToolCall("aB3dE6gH9", "weather", '{"city": "Kiel"}')
RESULT = ToolResult("aB3dE6gH9", (Text("rain"),))
CALL_WIRE = {"id": "aB3dE6gH9", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Kiel"}'}}
CHUNK: dict[str, Any] = {
    "type": "thinking",
    "thinking": [{"type": "text", "text": "hm"}, {"type": "reference", "reference_ids": [1, "a"]}, {"type": "text", "text": "!"}],
    "closed": True,
    "signature": "s=",
}


def _state(content: dict[str, Any], **changes: str) -> OpaqueState:
    return replace(OpaqueState("mistral_ai", "mistral_chat", "magistral", json.dumps(content)), **changes)


THOUGHT = Reasoning("hm!", _state(CHUNK))


def test_the_smallest_request_says_nothing_else() -> None:
    encoded = encode(MISTRAL)
    request = encoded.request
    assert request.body == b'{"model":"magistral","messages":[{"role":"user","content":"hi"}]}'
    assert (request.method, request.origin, request.path) == ("POST", "https://api.mistral.ai", "/v1/chat/completions")
    assert request.headers == (("content-type", "application/json"), ("accept", "application/json"))
    assert encoded.notices == ()


def test_a_stream_asks_for_events() -> None:
    assert asked(MISTRAL, stream=True) == {"stream": True}
    assert ("accept", "text/event-stream") in encode(MISTRAL, stream=True).request.headers


@pytest.mark.parametrize(
    ("options", "wire"),
    [
        ({"temperature": 0.0, "top_p": 0.5}, {"temperature": 0.0, "top_p": 0.5}),
        ({"max_output_tokens": 9}, {"max_tokens": 9}),
        ({"stop": ("a", "b"), "seed": 0}, {"stop": ["a", "b"], "random_seed": 0}),
        ({"reasoning": "xhigh"}, {"reasoning_effort": "xhigh"}),
        ({"reasoning": "none"}, {"reasoning_effort": "none"}),
        ({"reasoning": 0}, {"reasoning_effort": "none"}),
        ({"cache": "off", "data": "internal", "parallel_tool_calls": False}, {}),
        ({"n": 1}, {}),
        ({"n": 2}, {"n": 2}),
        ({"logprobs": 0}, {"logprobs": True}),
        ({"logprobs": 3}, {"logprobs": True, "top_logprobs": 3}),
        ({"json_object": True}, {"response_format": {"type": "json_object"}}),
        (
            {"output": OutputSchema("city", b'{"type":"object"}', strict=True)},
            {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": {"type": "object"}}}},
        ),
    ],
)
def test_options(options: dict[str, Any], wire: dict[str, Any]) -> None:
    assert asked(MISTRAL, **options) == wire


@pytest.mark.parametrize(
    ("choice", "wire"),
    [("auto", "auto"), ("none", "none"), ("required", "required"), ("clock", {"type": "function", "function": {"name": "clock"}})],
)
def test_tools(choice: str, wire: object) -> None:
    said_of_tools = asked(MISTRAL, tools=(WEATHER, replace(CLOCK, strict=True)), tool_choice=choice, parallel_tool_calls=False)
    assert said_of_tools == {
        "tool_choice": wire,
        "parallel_tool_calls": False,
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "the weather\n", "parameters": json.loads(WEATHER.parameters)},
            },
            {"type": "function", "function": {"name": "clock", "strict": True, "parameters": json.loads(CLOCK.parameters)}},
        ],
    }


def test_caching_goes_by_itself_and_says_so() -> None:
    encoded = encode(MISTRAL, cache="provider")
    assert said(encoded) == [("noted", "cache")]
    assert body_of(encoded).keys() == {"model", "messages"}


def test_a_model_that_only_reasons_or_does_not() -> None:
    to = target(MISTRAL, profile=Profile(reasoning="adaptive"))
    assert asked(to, reasoning="low") == {"prompt_mode": "reasoning"}
    assert said(encode(to, reasoning="low")) == [("changed", "reasoning")]
    with pytest.raises(UnsupportedParameter, match="turns its thinking off"):
        encode(to, reasoning="none")


@pytest.mark.parametrize(
    ("options", "parameter", "profile"),
    [
        ({"tools": (CLOCK,)}, "tools", Profile(tools=False)),
        ({"temperature": 1.0}, "temperature", Profile(sampling=False)),
        ({"reasoning": "low"}, "reasoning", Profile(reasoning="none")),
        ({"reasoning": 1000}, "reasoning", Profile()),
        ({"output": OutputSchema("a", b"{}", strict=False)}, "output", Profile(json_schema=False)),
        ({"messages": (user("a", PNG),)}, "messages", Profile(vision=False)),
        ({"messages": (user("a"), assistant("b", PNG))}, "messages", Profile()),
    ],
)
def test_the_unsupported_is_refused_or_dropped_with_a_notice(options: dict[str, Any], parameter: str, profile: Profile) -> None:
    to = target(MISTRAL, profile=profile)
    messages = options.pop("messages", (user("a"),))
    with pytest.raises(UnsupportedParameter) as caught:
        encode(to, *messages, **options)
    assert caught.value.parameter == parameter
    encoded = encode(to, *messages, **options, on_unsupported="drop")
    assert said(encoded) == [("dropped", parameter)]
    assert body_of(encoded).keys() == {"model", "messages"}
    assert b"PNG" not in encoded.request.body


def test_what_a_user_shows() -> None:
    parts = (
        "look",
        PNG,
        Image(url="https://x.example/a.png", detail="low"),
        PDF,
        File(url="https://x.example/a.pdf"),
        File(file_id="f1"),
        File(data=b"G", media_type="image/gif"),
        Audio(b"RIFF", "wav"),
    )
    (message,) = messages_of(MISTRAL, user(*parts))
    assert message["content"] == [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": "data:image/png;base64,iVBORw=="},
        {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
        {"type": "document_url", "document_url": "data:application/pdf;base64,JVBERg==", "document_name": "a.pdf"},
        {"type": "document_url", "document_url": "https://x.example/a.pdf"},
        {"type": "file", "file_id": "f1"},
        {"type": "image_url", "image_url": "data:image/gif;base64,Rw=="},
        {"type": "input_audio", "input_audio": "UklGRg=="},
    ]


@pytest.mark.parametrize(
    ("messages", "wire"),
    [
        ((system("be kind"), user("a")), [{"role": "system", "content": "be kind"}, {"role": "user", "content": "a"}]),
        ((user("a", "b"),), [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}]),
        (
            (user("a"), assistant(THOUGHT, "b")),
            [{"role": "user", "content": "a"}, {"role": "assistant", "content": [CHUNK, {"type": "text", "text": "b"}]}],
        ),
        ((user("a"), assistant()), [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]),
        ((user("a"), assistant(Refusal("no"))), [{"role": "user", "content": "a"}, {"role": "assistant", "content": "no"}]),
        (
            (user("a"), assistant("b", CALL), tool(RESULT)),
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b", "tool_calls": [CALL_WIRE]},
                {"role": "tool", "tool_call_id": "aB3dE6gH9", "content": "rain"},
            ],
        ),
        (
            (user("a"), assistant(CALL), tool(ToolResult("aB3dE6gH9", (Text("see"), PNG)))),
            [
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "", "tool_calls": [CALL_WIRE]},
                {
                    "role": "tool",
                    "tool_call_id": "aB3dE6gH9",
                    "content": [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": "data:image/png;base64,iVBORw=="}],
                },
            ],
        ),
    ],
)
def test_messages(messages: tuple[Message, ...], wire: list[dict[str, Any]]) -> None:
    encoded = encode(MISTRAL, *messages)
    assert body_of(encoded)["messages"] == wire
    assert encoded.notices == ()


def test_ids_of_other_providers_are_replaced_alike_in_call_and_result() -> None:
    call, result = replace(CALL, id="call_é.1"), replace(RESULT, call_id="call_é.1", is_error=True)
    encoded = encode(MISTRAL, user("a"), assistant(call, replace(call, id="call_2")), tool(result))
    (_, asking, answer) = body_of(encoded)["messages"]
    ids = [call["id"] for call in asking["tool_calls"]]
    assert ids[0] == answer["tool_call_id"] != ids[1]
    assert all(len(call_id) == 9 and call_id.isalnum() for call_id in ids)
    assert said(encoded) == [("changed", "messages"), ("noted", "is_error")]


def test_a_user_message_never_stands_right_after_a_tool_result() -> None:
    first = encode(MISTRAL, user("a"), assistant(CALL), tool(RESULT), user("and?"))
    second = encode(MISTRAL, user("a"), assistant(CALL), user(RESULT, "and?"))
    for encoded in (first, second):
        assert [message["role"] for message in body_of(encoded)["messages"]] == ["user", "assistant", "tool", "assistant", "user"]
        assert said(encoded) == [("filled", "messages")]


@pytest.mark.parametrize(
    "reasoning",
    [
        Reasoning("hm!"),
        replace(THOUGHT, state=_state(CHUNK, provider_name="other")),
        replace(THOUGHT, state=_state(CHUNK, model="other")),
        replace(THOUGHT, state=_state(CHUNK, dialect="openai_chat")),
        replace(THOUGHT, text="another text"),
        Reasoning("", _state({"thinking": [{"type": "image_url", "image_url": "https://x.example"}]})),
        Reasoning("", _state({"thinking": [{"type": "text", "text": "", "more": "smuggled"}]})),
        Reasoning("", _state({"thinking": [{"type": "reference", "reference_ids": [{"type": "text"}]}]})),
        replace(THOUGHT, state=_state({}, payload="no JSON")),
    ],
)
def test_reasoning_of_others_is_left_out_with_a_notice(reasoning: Reasoning) -> None:
    encoded = encode(MISTRAL, user("a"), assistant(reasoning, "b"), user("c"), assistant(reasoning, "d"))
    assert [entry["content"] for entry in body_of(encoded)["messages"]] == ["a", "b", "c", "d"]
    assert [parameter for _, parameter in said(encoded)] == ["reasoning"]


def test_names_of_speakers_are_left_out_with_a_notice() -> None:
    encoded = encode(MISTRAL, Message("user", (Text("a"),), name="ann"))
    assert said(encoded) == [("dropped", "messages.name")]
    assert b"ann" not in encoded.request.body


def test_provider_options_are_those_that_the_row_opens() -> None:
    to = target(MISTRAL, extra_params=frozenset({"safe_prompt", "top_k", "response_format"}))
    assert asked(to, provider_options={"mistral_ai": {"safe_prompt": True}, "mistral_chat": {"top_k": 3}}) == {
        "safe_prompt": True,
        "top_k": 3,
    }
    output = OutputSchema("a", b"{}", strict=False)
    for options, more in [({"mistral_ai": {"n": 2}}, {}), ({"mistral_ai": {"response_format": {}}}, {"output": output})]:
        with pytest.raises(UnknownOption):
            encode(to, provider_options=options, **more)


def test_what_makes_no_call_is_refused() -> None:
    for messages in [(user("\ud800"),), (user(CALL),), (Message("system", (PNG,)),), (user("a"), assistant(ToolResult("x", ())))]:
        with pytest.raises(InvalidMessages):
            encode(MISTRAL, *messages)
    with pytest.raises(InvalidMessages, match="no content"):
        encode(MISTRAL, user("a"), user())
    with pytest.raises(UnsupportedParameter, match="has nothing else"):
        encode(target(MISTRAL, profile=Profile(vision=False)), user(PNG), on_unsupported="drop")


def test_the_official_types_read_what_goes_out() -> None:
    models = pytest.importorskip("mistralai.client.models", reason="the official Mistral package is not installed")
    body = body_of(
        encode(
            target(MISTRAL, extra_params=frozenset({"safe_prompt"})),
            system("be kind"),
            user("look", PNG, Image(url="https://x.example/a.png", detail="low"), PDF, File(file_id="f1"), Audio(b"RIFF", "wav")),
            assistant(THOUGHT, "b", CALL),
            tool(RESULT),
            user("and?"),
            tools=(WEATHER, replace(CLOCK, strict=True)),
            tool_choice="clock",
            parallel_tool_calls=False,
            reasoning="high",
            seed=3,
            stop=("x",),
            max_output_tokens=5,
            temperature=0.5,
            output=OutputSchema("a", b'{"type":"object"}', strict=True),
            provider_options={"mistral_chat": {"safe_prompt": True}},
        )
    )
    written = models.ChatCompletionRequest.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert json.loads(json.dumps(written)) == body  # a field that the SDK does not know would be missing
