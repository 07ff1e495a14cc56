"""The embedded provider's Anthropic door, by way of the official SDK: what it parses is what the wire says."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anthropic
import pytest
from pydantic import BaseModel, Field

from saferoute.testing import Answer, Call, EmbeddedProvider, ErrorAnswer
from saferoute.testing.anthropic_answers import sign_thinking
from saferoute.testing.faults import CutStream, Drip, Gzipped, InBandError
from saferoute.values.usage import Buckets, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

WEATHER = {
    "name": "get_weather",
    "description": "Current weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
USER = [{"role": "user", "content": "hello there"}]
OLD = {"anthropic-version": "2023-06-01"}


@pytest.fixture
def provider() -> Iterator[EmbeddedProvider]:
    with EmbeddedProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def sdk() -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url="http://127.0.0.1:9", api_key="sk-test", max_retries=0, timeout=10) as sdk:
        yield sdk


@pytest.fixture
def client(provider: EmbeddedProvider, sdk: anthropic.Anthropic) -> anthropic.Anthropic:
    return sdk.with_options(base_url=provider.origin)


def test_an_answer_without_a_script(client: anthropic.Anthropic) -> None:
    reply = client.messages.create(model="claude-9", max_tokens=50, messages=USER)
    assert [block.type for block in reply.content] == ["text"]
    assert reply.content[0].text == "You said: hello there"
    assert (reply.stop_reason, reply.stop_sequence, reply.model) == ("end_turn", None, "embedded-1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (2, 4)
    assert reply._request_id == "req_embedded_000001"


def test_a_stream_has_the_grammar_of_the_real_one(client: anthropic.Anthropic) -> None:
    events = list(client.messages.create(model="m", max_tokens=50, messages=USER, stream=True))
    assert [event.type for event in events] == [
        "message_start",
        "content_block_start",
        *["content_block_delta"] * 4,
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert not any(event.model_extra for event in events)
    assert events[0].message.usage.output_tokens == 1
    assert (events[-2].usage.output_tokens, events[-2].delta.stop_reason) == (4, "end_turn")


def test_the_sdks_own_accumulation_equals_the_whole_answer(client: anthropic.Anthropic) -> None:
    asked = {
        "model": "m",
        "max_tokens": 2000,
        "messages": [{"role": "user", "content": "What is the weather in Paris and Rome?"}],
        "tools": [WEATHER],
        "thinking": {"type": "adaptive"},
    }
    whole = client.messages.create(**asked)
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "tool_use", "tool_use"]
    assert [(block.name, block.input) for block in whole.content[1:]] == [
        ("get_weather", {"city": "Paris"}),
        ("get_weather", {"city": "Rome"}),
    ]
    assert whole.content[0] == type(whole.content[0])(**streamed.content[0].model_dump())
    assert [block.input for block in streamed.content[1:]] == [block.input for block in whole.content[1:]]
    assert (whole.stop_reason, streamed.stop_reason) == ("tool_use", "tool_use")
    assert whole.usage.output_tokens == streamed.usage.output_tokens
    assert whole.usage.output_tokens_details is not None
    assert whole.usage.output_tokens_details.thinking_tokens == 5


def test_a_round_trip_with_thinking_and_tools(client: anthropic.Anthropic) -> None:
    messages: list[object] = [{"role": "user", "content": "weather in Paris"}]
    asked = {"model": "m", "max_tokens": 2000, "tools": [WEATHER], "thinking": {"type": "adaptive"}}
    first = client.messages.create(messages=messages, **asked)
    messages.append({"role": "assistant", "content": first.content})
    result = {
        "type": "tool_result",
        "tool_use_id": first.content[1].id,
        "content": [{"type": "text", "text": "21 degrees"}],
        "is_error": True,
    }
    messages.append({"role": "user", "content": [result]})
    second = client.messages.create(messages=messages, **asked)
    assert second.content[-1].text == "The tool get_weather failed: 21 degrees"


def test_a_thinking_block_that_was_touched_is_refused(client: anthropic.Anthropic) -> None:
    block = {"type": "thinking", "thinking": "changed", "signature": sign_thinking("original")}
    turns = [*USER, {"role": "assistant", "content": [block, {"type": "text", "text": "x"}]}, *USER]
    with pytest.raises(anthropic.BadRequestError, match=r"messages\.1\.content\.0\.signature"):
        client.messages.create(model="m", max_tokens=50, messages=turns)


def test_omitted_thinking_has_a_signature_and_no_text(client: anthropic.Anthropic) -> None:
    reply = client.messages.create(model="m", max_tokens=50, messages=USER, thinking={"type": "adaptive", "display": "omitted"})
    assert reply.content[0].thinking == ""
    assert reply.content[0].signature


@pytest.mark.parametrize(
    ("choice", "calls"),
    [
        ({"type": "none"}, 0),
        ({"type": "auto"}, 0),
        ({"type": "any"}, 1),
        ({"type": "tool", "name": "get_weather"}, 1),
    ],
    ids=str,
)
def test_tool_choice_is_kept_to(client: anthropic.Anthropic, choice: object, calls: int) -> None:
    reply = client.messages.create(model="m", max_tokens=50, messages=USER, tools=[WEATHER], tool_choice=choice)
    assert sum(block.type == "tool_use" for block in reply.content) == calls


def test_one_call_where_parallel_ones_are_not_wanted(client: anthropic.Anthropic) -> None:
    asked = [{"role": "user", "content": "weather in Paris and Rome"}]
    choice = {"type": "auto", "disable_parallel_tool_use": True}
    reply = client.messages.create(model="m", max_tokens=50, messages=asked, tools=[WEATHER], tool_choice=choice)
    assert [block.input for block in reply.content] == [{"city": "Paris"}]


class Person(BaseModel):
    name: str
    age: int = Field(ge=0)


def test_structured_output_fits_the_schema(client: anthropic.Anthropic) -> None:
    asked = [{"role": "user", "content": "Extract the person: Ada Lovelace is 36 years old."}]
    reply = client.messages.parse(model="m", max_tokens=50, messages=asked, output_format=Person)
    assert reply.parsed_output == Person(name="Ada Lovelace", age=36)


def test_the_output_bound_and_stop_sequences(client: anthropic.Anthropic) -> None:
    cut = client.messages.create(model="m", max_tokens=3, messages=USER)
    assert (cut.content[0].text, cut.stop_reason) == ("You said: hello", "max_tokens")
    stopped = client.messages.create(model="m", max_tokens=9, messages=USER, stop_sequences=["hello"])
    assert (stopped.content[0].text, stopped.stop_reason, stopped.stop_sequence) == ("You said: ", "stop_sequence", "hello")
    warm = client.messages.create(model="m", max_tokens=0, messages=USER)
    assert (warm.content, warm.stop_reason) == ([], "max_tokens")


def test_everything_that_a_script_can_say(provider: EmbeddedProvider, client: anthropic.Anthropic) -> None:
    buckets = Buckets(input_uncached=50, cache_read=40, cache_write_5m=4, cache_write_1h=6, output_text=30, reasoning=20)
    usage = Usage(100, 50, 40, 10, 20, buckets)
    provider.script(
        [
            Answer("hé 🎉", reasoning="let me see", redacted_reasoning="b64==", usage=usage, finish="pause"),
            Answer(refusal="I will not."),
            Answer("a", tool_calls=[Call("f", {"x": 1}, id="toolu_x")], finish="model_word"),
        ]
    )
    first = client.messages.create(model="m", max_tokens=50, messages=USER)
    assert [block.type for block in first.content] == ["thinking", "redacted_thinking", "text"]
    assert (first.content[0].thinking, first.content[1].data, first.content[2].text) == ("let me see", "b64==", "hé 🎉")
    assert first.stop_reason == "pause_turn"
    counted = first.usage
    assert (counted.input_tokens, counted.cache_read_input_tokens, counted.cache_creation_input_tokens) == (50, 40, 10)
    assert counted.cache_creation is not None
    assert (counted.cache_creation.ephemeral_5m_input_tokens, counted.cache_creation.ephemeral_1h_input_tokens) == (4, 6)
    refused = client.messages.create(model="m", max_tokens=50, messages=USER)
    assert refused.stop_reason == "refusal"
    assert refused.stop_details is not None
    assert (refused.stop_details.explanation, refused.content[0].text) == ("I will not.", "I will not.")
    with client.messages.stream(model="m", max_tokens=50, messages=USER) as stream:
        last = stream.get_final_message()
    assert (last.content[1].id, last.content[1].input, last.stop_reason) == ("toolu_x", {"x": 1}, "model_word")


def test_invalid_arguments_can_only_be_streamed(provider: EmbeddedProvider, client: anthropic.Anthropic) -> None:
    provider.script(Answer(tool_calls=[Call("f", '{"broken')]), then="repeat")
    fragments = [
        event.delta.partial_json
        for event in client.messages.create(model="m", max_tokens=50, messages=USER, stream=True)
        if event.type == "content_block_delta"
    ]
    assert "".join(fragments) == '{"broken'
    with pytest.raises(anthropic.BadRequestError, match="no JSON object"):
        client.messages.create(model="m", max_tokens=50, messages=USER)
    provider._problems.clear()  # it is the script's fault, and leaving the provider would say so


@pytest.mark.parametrize(
    ("status", "kind", "word"),
    [
        (400, anthropic.BadRequestError, "invalid_request_error"),
        (401, anthropic.AuthenticationError, "authentication_error"),
        (402, anthropic.APIStatusError, "billing_error"),
        (403, anthropic.PermissionDeniedError, "permission_error"),
        (404, anthropic.NotFoundError, "not_found_error"),
        (413, anthropic.APIStatusError, "request_too_large"),
        (429, anthropic.RateLimitError, "rate_limit_error"),
        (500, anthropic.InternalServerError, "api_error"),
        (529, anthropic.InternalServerError, "overloaded_error"),
    ],
)
def test_errors_are_those_of_the_sdk(
    provider: EmbeddedProvider, client: anthropic.Anthropic, status: int, kind: type[anthropic.APIStatusError], word: str
) -> None:
    provider.script([ErrorAnswer(status, message="some words", headers={"retry-after": "3"})])
    with pytest.raises(kind) as caught:
        client.messages.create(model="m", max_tokens=5, messages=USER)
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["type"] == "error"
    assert body["error"] == {"type": word, "message": "some words"}
    assert body["request_id"] == "req_embedded_000001" == caught.value.request_id
    assert caught.value.response.headers["retry-after"] == "3"


def test_an_error_inside_a_stream(provider: EmbeddedProvider, client: anthropic.Anthropic) -> None:
    provider.script([Answer("one two three", fault=InBandError(after=3))])
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        list(client.messages.create(model="m", max_tokens=50, messages=USER, stream=True))


def test_a_dripped_and_a_compressed_stream_arrive_whole(provider: EmbeddedProvider, client: anthropic.Anthropic) -> None:
    text = "ünï cödé 🎉 in pieces"
    provider.script([Answer(text, fault=Drip()), Answer(text, fault=Gzipped()), Answer(text, fault=CutStream(4, "clean"))])
    for _ in range(2):
        with client.messages.stream(model="m", max_tokens=50, messages=USER) as stream:
            assert "".join(stream.text_stream) == text
    events = list(client.messages.create(model="m", max_tokens=50, messages=USER, stream=True))
    assert events[-1].type == "content_block_delta"


def test_models_and_counting(client: anthropic.Anthropic) -> None:
    listed = list(client.models.list())
    assert [(model.id, model.lifecycle) for model in listed] == [("embedded-1", "active")]
    assert "no real model" in listed[0].display_name
    assert client.models.retrieve("embedded-1").max_input_tokens == 200_000
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("claude-0")
    assert client.messages.count_tokens(model="m", messages=USER, system="be brief").input_tokens == 4
    with pytest.raises(anthropic.BadRequestError):
        client.post("/v1/messages/count_tokens", body={"model": "m"}, cast_to=object)


CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "f", "input": {}}]}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "3"}
PDF = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
MARKED = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
OPEN = {"type": "object", "properties": {"a": {"type": "string"}}}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
        ({"max_tokens": None}, "max_tokens: an integer is wanted"),
        ({"max_tokens": -1}, "max_tokens"),
        ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
        ({"top_p": 1.0}, "top_p: Extra inputs are not permitted"),
        ({"top_k": 5}, "top_k: Extra inputs are not permitted"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": ""}]}, "messages.0.content: text content blocks must be non-empty"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "messages.0.content.0.text: text content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"messages": [{"role": "assistant", "content": "x"}, *USER]}, "first message must use the"),
        ({"messages": [*USER, {"role": "assistant", "content": "x"}]}, "prefill"),
        ({"messages": [*USER, {"role": "user", "content": [RESULT]}]}, "unexpected `tool_use_id`"),
        ({"messages": [*USER, CALL, *USER]}, "without `tool_result` blocks immediately after: t1"),
        ({"messages": [*USER, CALL, {"role": "user", "content": [{"type": "text", "text": "x"}, RESULT]}]}, "must come first"),
        ({"messages": [*USER, CALL, {"role": "user", "content": [RESULT, RESULT]}]}, "single result"),
        (
            {"messages": [*USER, {"role": "assistant", "content": CALL["content"] * 2}, {"role": "user", "content": [RESULT]}]},
            "must be unique",
        ),
        ({"messages": [*USER, {"role": "assistant", "content": [PDF]}, *USER]}, "`document` blocks are not permitted"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "citations": []}]}]}, "citations: Extra inputs"),
        ({"messages": [{"role": "user", "content": [MARKED] * 5}]}, "maximum of 4 blocks"),
        ({"system": 7}, "system"),
        ({"thinking": {"type": "enabled", "budget_tokens": 5}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, "greater than `thinking.budget_tokens`"),
        ({"thinking": {"type": "adaptive"}, "tools": [WEATHER], "tool_choice": {"type": "any"}}, "Thinking may not be enabled"),
        ({"tools": [{"name": "f"}]}, "tools.0.input_schema: Field required"),
        ({"tools": [WEATHER, WEATHER]}, "unique"),
        ({"tools": [{**WEATHER, "input_schema": {}}]}, "tools.0.input_schema.type"),
        ({"tool_choice": {"type": "auto"}}, "while providing `tools`"),
        ({"tools": [WEATHER], "tool_choice": {"type": "tool", "name": "other"}}, "not found in provided tools"),
        ({"tools": [WEATHER], "tool_choice": "auto"}, "tool_choice"),
        ({"output_config": {"format": {"type": "json_schema", "schema": OPEN}}}, "output_config.format.schema"),
        ({"output_config": {"effort": "lots"}}, "output_config.effort"),
    ],
    ids=str,
)
def test_bad_requests_are_refused_in_anthropics_shape(client: anthropic.Anthropic, changes: dict[str, object], says: str) -> None:
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.post("/v1/messages", body={"model": "m", "max_tokens": 50, "messages": USER, **changes}, cast_to=object)
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"]["type"] == "invalid_request_error"
    assert says in body["error"]["message"]


@pytest.mark.parametrize(("version", "says"), [("2024-01-01", "not a valid version"), ("", "not a valid version")])
def test_the_version_header_is_checked(client: anthropic.Anthropic, version: str, says: str) -> None:
    with pytest.raises(anthropic.BadRequestError, match=says):
        client.messages.create(model="m", max_tokens=50, messages=USER, extra_headers={"anthropic-version": version})


def test_the_old_version_still_takes_sampling_parameters_and_documents(client: anthropic.Anthropic) -> None:
    body = {
        "model": "m",
        "max_tokens": 2000,
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "x", "citations": {"enabled": True}}, PDF]},
            {"role": "assistant", "content": [PDF, *CALL["content"], {"type": "redacted_thinking", "data": "x"}]},
            {"role": "user", "content": [RESULT, {"type": "text", "text": "and?"}]},
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}]},
        ],
        "temperature": 0.5,
        "top_p": 0.5,
        "top_k": 5,
        "system": [MARKED],
        "stop_sequences": ["zzz"],
        "metadata": {"user_id": "u"},
        "service_tier": "auto",
        "speed": "fast",
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "tools": [{**WEATHER, "strict": True, "type": "custom", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        "cache_control": {"type": "ephemeral"},
    }
    assert client.post("/v1/messages", body=body, cast_to=object, options={"headers": OLD})
    with pytest.raises(anthropic.BadRequestError, match=r"top_p|temperature"):
        client.post("/v1/messages", body=body, cast_to=object)


async def _async_calls(origin: str) -> tuple[str, str]:
    async with anthropic.AsyncAnthropic(base_url=origin, api_key="k", max_retries=0) as client:
        whole = await client.messages.create(model="m", max_tokens=50, messages=USER)
        async with client.messages.stream(model="m", max_tokens=50, messages=USER) as stream:
            return whole.content[0].text, "".join([text async for text in stream.text_stream])


def test_the_async_sdk(provider: EmbeddedProvider) -> None:
    assert asyncio.run(_async_calls(provider.origin)) == ("You said: hello there", "You said: hello there")
