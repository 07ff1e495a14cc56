"""What Responses is sent, judged by the official SDK's own request types, where the SDK is installed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.openai_responses import OpenAIResponses
from saferoute.values.messages import File, Image, Message, Text, ToolResult
from saferoute.values.target import Profile, Quirks
from tests.support.features import FEATURES
from tests.support.typed_dicts import judge_of
from tests.unit.openai_responses_cases import (
    TARGET,
    assistant,
    body_of,
    encode,
    folded,
    function_call,
    message,
    reasoning,
    response,
    target,
    tool,
    user,
    whole,
)

Json = dict[str, Any]
# What the dialect has nothing for, and the parameter that the refusal names.
REFUSED = {"stop": "stop", "seed": "seed", "n": "n", "reasoning: 2048 tokens": "reasoning", "sound": "messages"}


@pytest.fixture(scope="module")
def judged() -> Callable[[Json], None]:
    types = pytest.importorskip("openai.types.responses.response_create_params", reason="the official SDK is not installed")
    whole_body, streamed = judge_of(types.ResponseCreateParamsNonStreaming), judge_of(types.ResponseCreateParamsStreaming)

    def judge(body: Json) -> None:
        (streamed if body.get("stream") else whole_body)(body)

    return judge


@pytest.mark.parametrize(
    "wrong",
    [
        {"seed": 1},
        {"n": 2},
        {"temperature": "1"},
        {"input": [{"type": "message", "role": "user", "content": "a", "colour": "red"}]},
        {"input": [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a", "colour": "red"}]}]},
        {"input": [{"type": "message", "role": "tool", "content": "a"}]},
        {"input": [{"type": "function_call_output", "call_id": 7, "output": "a"}]},
        {"tools": [{"type": "function", "name": "a", "parameters": {}}]},
        {"tools": [{"type": "function", "function": {"name": "a"}}]},
        {"text": {"format": {"type": "json_schema", "json_schema": {}}}},
        {"include": ["everything"]},
        {"reasoning": {"effort": "lots"}},
    ],
)
def test_the_judge_sees_what_it_has_to_see(wrong: Json, judged: Callable[[Json], None]) -> None:
    good = body_of(user("a"))
    judged(good)
    with pytest.raises(ValueError, match="validation error"):
        judged(good | wrong)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_written_as_the_types_have_it_or_refused(feature: str, stream: bool, judged: Callable[[Json], None]) -> None:
    request = replace(FEATURES[feature], stream=stream)
    if feature in REFUSED:
        with pytest.raises(UnsupportedParameter, match=r'Leave it out, choose another route, or pass on_unsupported="drop"') as caught:
            OpenAIResponses().encode(request, TARGET)
        assert caught.value.parameter == REFUSED[feature]
        return
    judged(json.loads(OpenAIResponses().encode(request, TARGET).request.body))


@pytest.mark.parametrize("feature", REFUSED)
def test_what_is_dropped_leaves_a_request_that_the_types_have(feature: str, judged: Callable[[Json], None]) -> None:
    encoded = OpenAIResponses().encode(replace(FEATURES[feature], on_unsupported="drop"), TARGET)
    judged(json.loads(encoded.request.body))
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("dropped", REFUSED[feature])]


def test_a_whole_conversation_goes_back_as_the_types_have_it(judged: Callable[[Json], None]) -> None:
    url = {"type": "url_citation", "start_index": 0, "end_index": 1, "title": "t", "url": "https://e.example"}
    answer = {"type": "output_text", "text": "Hm", "annotations": [url]}
    search = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
    output = [reasoning("I", encrypted_content="gAAA=="), search, message(answer, phase="commentary"), function_call(namespace="crm")]
    history = folded(whole(response(*output))).content()
    results = tool(ToolResult("call_1", (Text("sun"), Image(data=b"png", media_type="image/png"))), ToolResult("call_1", (Text("a"),)))
    document = File(data=b"%PDF", media_type="application/pdf")
    body = body_of(user("q", document), Message("assistant", history), results, assistant("ok", "then"), user("go"), logprobs=0)
    judged(body)
    assert [item["type"] for item in body["input"]] == [
        *("message", "reasoning", "web_search_call", "message", "function_call"),
        *("function_call_output", "function_call_output", "message", "message", "message"),
    ]
    assert body["input"][3]["content"] == [{"type": "output_text", "text": "Hm", "annotations": []}]


def test_logprobs_are_asked_with_and_without_alternatives() -> None:
    asked = {name: body_of(user("a"), logprobs=number) for name, number in (("none", None), ("own", 0), ("three", 3))}
    assert asked["none"]["include"] == ["reasoning.encrypted_content"]
    assert asked["own"]["include"] == asked["three"]["include"] == ["reasoning.encrypted_content", "message.output_text.logprobs"]
    assert [body.get("top_logprobs") for body in asked.values()] == [None, None, 3]
    plain = target(profile=Profile(reasoning="none"))
    assert body_of(user("a"), logprobs=1, to=plain)["include"] == ["message.output_text.logprobs"]


def test_any_json_object_can_be_asked_for_where_the_server_has_that_mode(judged: Callable[[Json], None]) -> None:
    body = body_of(user("JSON"), json_object=True)
    judged(body)
    assert body["text"] == {"format": {"type": "json_object"}}
    assert "text" not in body_of(user("JSON"), json_object=True, to=target(quirks=Quirks(json_object=False)))
    opened = target(extra_params=frozenset({"text"}))
    said = body_of(user("JSON"), json_object=True, to=opened, provider_options={"openai": {"text": {"verbosity": "low"}}})
    assert said["text"] == {"verbosity": "low", "format": {"type": "json_object"}}


def test_a_dated_version_stands_in_the_query() -> None:
    azure = target(path="/openai", quirks=Quirks(api_version="2025-04-01-preview"))
    assert encode(user("a"), to=azure).request.path == "/openai/responses?api-version=2025-04-01-preview"
    assert encode(user("a"), to=target(path="/openai/v1")).request.path == "/openai/v1/responses"


def test_the_providers_cache_needs_no_mark() -> None:
    assert encode(user("a"), cache="provider") == encode(user("a"))
