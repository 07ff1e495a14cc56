"""The embedded provider's OpenAI door, by way of the official SDK: what it parses is what the wire says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import openai
import pytest
from openai.types.chat import ChatCompletionChunk
from pydantic import BaseModel, Field

from saferoute.testing import Answer, Call, EmbeddedProvider, ErrorAnswer
from saferoute.testing.faults import CutStream, Drip, Gzipped, InBandError
from saferoute.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Current weather.",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}},
            "required": ["city", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
USER = [{"role": "user", "content": "hello there"}]


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def sdk() -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url="http://127.0.0.1:9", api_key="sk-test", max_retries=0, timeout=10) as sdk:
        yield sdk


@pytest.fixture
def client(provider: EmbeddedProvider, sdk: openai.OpenAI) -> openai.OpenAI:
    return sdk.with_options(base_url=provider.origin + "/v1")


def test_an_answer_without_a_script(client: openai.OpenAI) -> None:
    reply = client.chat.completions.create(model="gpt-6", messages=USER)
    assert reply.choices[0].message.content == "You said: hello there"
    assert reply.choices[0].finish_reason == "stop"
    assert reply.model == "embedded-1"
    assert reply.usage is not None
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens, reply.usage.total_tokens) == (2, 4, 6)
    assert reply._request_id == "req_embedded_000001"


def test_two_runs_say_the_same() -> None:
    bodies = []
    for _ in range(2):
        with EmbeddedProvider() as provider, openai.OpenAI(base_url=provider.origin + "/v1", api_key="k") as client:
            bodies.append(client.chat.completions.with_raw_response.create(model="m", messages=USER, tools=[WEATHER]).text)
    assert bodies[0] == bodies[1]


def test_a_stream(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="m", messages=USER, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].delta.role for c in chunks[1:-1]] == [None] * (len(chunks) - 2)
    assert "".join(c.choices[0].delta.content or "" for c in chunks[:-1]) == "You said: hello there"
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 6
    assert {c.id for c in chunks} == {"chatcmpl-embedded-000001"}


def test_a_stream_without_usage_has_none(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="m", messages=USER, stream=True))
    assert all(c.usage is None and c.choices for c in chunks)


def test_chunks_have_no_fields_that_the_sdk_does_not_know(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model="m", messages=[{"role": "user", "content": "weather in Oslo"}], tools=[WEATHER], stream=True
    )
    for chunk in stream:
        assert isinstance(chunk, ChatCompletionChunk)
        assert not chunk.model_extra
        assert not chunk.choices[0].delta.model_extra


def _collect(chunks: Iterator[ChatCompletionChunk]) -> dict[int, dict[str, str]]:
    calls: dict[int, dict[str, str]] = {}
    for chunk in chunks:
        for fragment in chunk.choices[0].delta.tool_calls or []:
            call = calls.setdefault(fragment.index, {"arguments": ""})
            if fragment.id:
                call["id"] = fragment.id
            assert fragment.function is not None
            if fragment.function.name:
                call["name"] = fragment.function.name
            call["arguments"] += fragment.function.arguments or ""
    return calls


def test_parallel_tool_calls_whole_and_streamed(client: openai.OpenAI) -> None:
    asked = {
        "model": "m",
        "messages": [{"role": "user", "content": "What is the weather in Paris and Rome, in fahrenheit?"}],
        "tools": [WEATHER],
    }
    whole = client.chat.completions.create(**asked)
    made = whole.choices[0].message.tool_calls
    assert made is not None
    assert [(c.function.name, json.loads(c.function.arguments)) for c in made] == [
        ("get_weather", {"city": "Paris", "unit": "fahrenheit"}),
        ("get_weather", {"city": "Rome", "unit": "fahrenheit"}),
    ]
    assert whole.choices[0].finish_reason == "tool_calls"
    assert whole.choices[0].message.content is None
    streamed = _collect(client.chat.completions.create(**asked, stream=True))
    assert [json.loads(streamed[i]["arguments"]) for i in (0, 1)] == [json.loads(c.function.arguments) for c in made]
    assert streamed[0]["id"] != streamed[1]["id"]
    single = client.chat.completions.create(**asked, parallel_tool_calls=False)
    assert len(single.choices[0].message.tool_calls or []) == 1


def test_a_round_trip_with_a_tool(client: openai.OpenAI) -> None:
    messages: list[object] = [{"role": "user", "content": "weather in Paris"}]
    first = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
    messages.append(first.choices[0].message)
    call = (first.choices[0].message.tool_calls or [])[0]
    messages.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
    second = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER])
    assert second.choices[0].message.content == "The tool get_weather answered: 21 degrees"


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", []),
        ("auto", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "get_weather"}}, ["get_weather"]),
    ],
)
def test_tool_choice_is_kept_to(client: openai.OpenAI, choice: object, called: list[str]) -> None:
    reply = client.chat.completions.create(model="m", messages=USER, tools=[WEATHER], tool_choice=choice)
    assert [c.function.name for c in reply.choices[0].message.tool_calls or []] == called


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


def test_structured_output_fits_the_schema(client: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "Extract the person: Ada Lovelace is 36 years old."}]
    reply = client.chat.completions.parse(model="m", messages=asked, response_format=Person)
    assert reply.choices[0].message.parsed == Person(name="Ada Lovelace", age=36)


def test_json_object(client: openai.OpenAI) -> None:
    asked = [{"role": "user", "content": "Answer in JSON."}]
    reply = client.chat.completions.create(model="m", messages=asked, response_format={"type": "json_object"})
    assert json.loads(reply.choices[0].message.content or "") == {"answer": "You said: Answer in JSON."}


def test_the_output_bound_and_stop_sequences(client: openai.OpenAI) -> None:
    cut = client.chat.completions.create(model="m", messages=USER, max_completion_tokens=3)
    assert (cut.choices[0].message.content, cut.choices[0].finish_reason) == ("You said: hello", "length")
    stopped = client.chat.completions.create(model="m", messages=USER, stop=["hello"])
    assert (stopped.choices[0].message.content, stopped.choices[0].finish_reason) == ("You said: ", "stop")


def test_everything_that_a_script_can_say(provider: EmbeddedProvider, client: openai.OpenAI) -> None:
    usage = Usage(100, 50, cache_read_input_tokens=40, cache_creation_input_tokens=10, reasoning_output_tokens=20)
    script = provider.script(
        [
            Answer("hé 🎉", reasoning="let me see", usage=usage, finish="length", model="other-2", headers={"X-Request-Id": "mine"}),
            Answer(refusal="I will not."),
            Answer(tool_calls=[Call("f", '{"broken', id="call_x")], usage="none"),
            "just text",
            lambda ask: Answer(f"{ask.model}: {ask.text}/{ask.system}"),
        ]
    )
    first = client.chat.completions.create(model="m", messages=USER)
    message = first.choices[0].message
    assert (message.content, first.choices[0].finish_reason, first.model) == ("hé 🎉", "length", "other-2")
    assert message.model_extra == {"reasoning_content": "let me see"}
    assert first.usage is not None
    assert (first.usage.prompt_tokens, first.usage.completion_tokens) == (100, 50)
    assert first.usage.prompt_tokens_details is not None
    assert (first.usage.prompt_tokens_details.cached_tokens, first.usage.prompt_tokens_details.cache_write_tokens) == (40, 10)
    assert first.usage.completion_tokens_details is not None
    assert first.usage.completion_tokens_details.reasoning_tokens == 20
    refused = "".join(c.choices[0].delta.refusal or "" for c in client.chat.completions.create(model="m", messages=USER, stream=True))
    assert refused == "I will not."
    broken = client.chat.completions.create(model="m", messages=USER)
    assert broken.usage is None
    assert [(c.id, c.function.arguments) for c in broken.choices[0].message.tool_calls or []] == [("call_x", '{"broken')]
    assert client.chat.completions.create(model="m", messages=USER).choices[0].message.content == "just text"
    asked = [{"role": "developer", "content": "be brief"}, *USER]
    assert client.chat.completions.create(model="m", messages=asked).choices[0].message.content == "m: hello there/be brief"
    assert script is not None
    assert script.remaining == 0


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (403, openai.PermissionDeniedError),
        (404, openai.NotFoundError),
        (409, openai.ConflictError),
        (422, openai.UnprocessableEntityError),
        (429, openai.RateLimitError),
        (500, openai.InternalServerError),
        (529, openai.InternalServerError),
    ],
)
def test_errors_are_those_of_the_sdk(
    provider: EmbeddedProvider, client: openai.OpenAI, status: int, kind: type[openai.APIStatusError]
) -> None:
    provider.script([ErrorAnswer(status, "some_code", "some words", "model", {"retry-after": "3"})])
    with pytest.raises(kind) as caught:
        client.chat.completions.create(model="m", messages=USER)
    assert caught.value.status_code == status
    assert (caught.value.code, caught.value.param) == ("some_code", "model")
    assert caught.value.response.headers["retry-after"] == "3"
    assert caught.value.request_id == "req_embedded_000001"


def test_an_error_inside_a_stream(provider: EmbeddedProvider, client: openai.OpenAI) -> None:
    provider.script([Answer("one two three", fault=InBandError(after=2))])
    seen = []
    with pytest.raises(openai.APIError, match="Overloaded"):
        seen.extend(client.chat.completions.create(model="m", messages=USER, stream=True))
    assert len(seen) == 2


def test_a_dripped_and_a_compressed_stream_arrive_whole(provider: EmbeddedProvider, client: openai.OpenAI) -> None:
    text = "ünï cödé 🎉 in pieces"
    provider.script([Answer(text, fault=Drip()), Answer(text, fault=Gzipped()), Answer(text, fault=Drip(7))])
    for stream in (True, True):
        chunks = client.chat.completions.create(model="m", messages=USER, stream=stream)
        assert "".join(c.choices[0].delta.content or "" for c in chunks) == text
    assert client.chat.completions.create(model="m", messages=USER).choices[0].message.content == text


def test_a_cleanly_cut_stream_looks_whole_to_the_sdk(provider: EmbeddedProvider, client: openai.OpenAI) -> None:
    # Why saferoute looks for the terminal event: nothing else tells.
    provider.script([Answer("one two three", fault=CutStream(3, "clean"))])
    chunks = list(client.chat.completions.create(model="m", messages=USER, stream=True))
    assert len(chunks) == 3
    assert all(c.choices[0].finish_reason is None for c in chunks)


def test_models(client: openai.OpenAI) -> None:
    listed = client.models.list().data
    assert [model.id for model in listed] == ["embedded-1"]
    assert "no real model" in listed[0].owned_by
    assert client.models.retrieve("embedded-1").id == "embedded-1"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-1")


def test_only_served_models_answer() -> None:
    with EmbeddedProvider(models=["a", "b"]) as provider, openai.OpenAI(base_url=provider.origin + "/v1", api_key="k") as client:
        assert [model.id for model in client.models.list()] == ["a", "b"]
        assert client.chat.completions.create(model="a", messages=USER).choices
        with pytest.raises(openai.NotFoundError) as caught:
            client.chat.completions.create(model="c", messages=USER)
        assert caught.value.code == "model_not_found"


def test_pictures_and_files_are_counted(client: openai.OpenAI) -> None:
    content = [
        {"type": "text", "text": "look"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"}},
    ]
    reply = client.chat.completions.create(model="m", messages=[{"role": "user", "content": content}])
    assert reply.choices[0].message.content == "You said: look [and 2 pictures or files]"


TOOL_TURN = {
    "role": "assistant",
    "content": None,
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "3"}
LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}, "required": []}


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"colour": 1}, "colour"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"model": None}, "model"),
        ({"model": 7}, "model"),
        ({"temperature": 3}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"n": 2}, "n"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 5}, "max_tokens"),
        ({"reasoning_effort": "lots"}, "reasoning_effort"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"tools": []}, "tools"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a", "parameters": LOOSE, "strict": True}}]}, "tools[0].function.parameters"),
        ({"tools": [WEATHER], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"response_format": {"type": "json_object"}}, "messages"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": LOOSE}}},
            "response_format.json_schema.schema",
        ),
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": "x", "colour": 1}]}, "messages[0].colour"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [*USER, RESULT]}, "messages[1].tool_call_id"),
        ({"messages": [*USER, TOOL_TURN]}, "messages[1]"),
        ({"messages": [*USER, TOOL_TURN, *USER]}, "messages[1]"),
        ({"messages": [*USER, TOOL_TURN, RESULT, RESULT]}, "messages[3].tool_call_id"),
        ({"messages": [*USER, {"role": "assistant", "content": None}]}, "messages[1].content"),
        ({"messages": [*USER, {**TOOL_TURN, "tool_calls": TOOL_TURN["tool_calls"] * 2}]}, "messages[1].tool_calls"),
        (
            {"messages": [*USER, TOOL_TURN, {**RESULT, "content": [{"type": "image_url", "image_url": {"url": "https://a/b"}}]}]},
            "messages[2].content[0].type",
        ),
    ],
    ids=str,
)
def test_bad_requests_are_refused_in_openais_shape(client: openai.OpenAI, changes: dict[str, object], param: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.post("/chat/completions", body={"model": "m", "messages": USER, **changes}, cast_to=object)
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_good_requests_with_every_field_are_taken(client: openai.OpenAI) -> None:
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": [{"type": "text", "text": "be brief"}]},
            *USER,
            TOOL_TURN,
            RESULT,
            {"role": "assistant", "content": [{"type": "text", "text": "3"}], "name": "me"},
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}]},
        ],
        "temperature": 0.5,
        "top_p": None,
        "n": 1,
        "stop": "x",
        "seed": 7,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "logit_bias": {},
        "logprobs": False,
        "max_completion_tokens": 50,
        "reasoning_effort": "low",
        "verbosity": "low",
        "prompt_cache_key": "k",
        "prompt_cache_options": {"mode": "explicit", "ttl": "30m"},
        "service_tier": "auto",
        "store": False,
        "metadata": {"a": "b"},
        "safety_identifier": "u",
        "parallel_tool_calls": True,
        "stream": False,
        "tools": [WEATHER],
        "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"type": "function"}]}},
    }
    reply = client.post("/chat/completions", body=body, cast_to=object)
    assert reply["choices"][0]["finish_reason"] == "stop"  # type: ignore[index]


def test_extra_fields_can_be_allowed_and_strictness_switched_off() -> None:
    body = {"model": "m", "messages": USER, "top_k": 4}
    for options in ({"extra_fields": ["top_k"]}, {"strict": False}):
        with EmbeddedProvider(**options) as provider, openai.OpenAI(base_url=provider.origin + "/v1", api_key="k") as client:
            assert client.post("/chat/completions", body=body, cast_to=object)


async def _async_calls(origin: str) -> tuple[str | None, str]:
    async with openai.AsyncOpenAI(base_url=origin + "/v1", api_key="k", max_retries=0) as client:
        whole = await client.chat.completions.create(model="m", messages=USER)
        stream = await client.chat.completions.create(model="m", messages=USER, stream=True)
        return whole.choices[0].message.content, "".join([c.choices[0].delta.content or "" async for c in stream])


def test_the_async_sdk(provider: EmbeddedProvider) -> None:
    import asyncio

    assert asyncio.run(_async_calls(provider.origin)) == ("You said: hello there", "You said: hello there")
