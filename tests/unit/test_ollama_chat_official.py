"""Every row of the feature matrix, as Ollama's native chat API is asked for it, read by the official package's own request types."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.ollama_chat import OllamaChat
from tests.support.features import FEATURES
from tests.unit.dialect_cases import OLLAMA

types = pytest.importorskip("ollama._types", reason="the official Ollama package is not installed")

REFUSED = {
    "n": "n",
    "tool choice: required": "tool_choice",
    "at most one call a turn": "parallel_tool_calls",
    "reasoning: 2048 tokens": "reasoning",
    "picture by URL": "messages",
    "PDF as bytes": "messages",
    "PDF by URL": "messages",
    "text file": "messages",
    "file held by the provider": "messages",
    "sound": "messages",
}


def _check(body: dict[str, Any]) -> None:
    """Read the body with the package's types, and find nothing of it unknown or changed."""
    for message in body["messages"]:
        message.pop("tool_call_id", None)  # ids are of servers that are newer than the package
        for call in message.get("tool_calls", ()):
            del call["id"]
        if "images" in message:
            message["images"] = [{"value": image} for image in message["images"]]
        written = types.Message.model_validate(message, strict=True).model_dump(mode="json", exclude_unset=True)
        if "images" in message:
            message["images"] = [image["value"] for image in message["images"]]
        assert written == message
    options = body.get("options", {})
    assert types.Options.model_validate(options).model_dump(exclude_unset=True) == options
    tools = body.get("tools", [])
    assert [types.Tool.model_validate(tool).model_dump(exclude_unset=True, by_alias=True) for tool in tools] == tools
    assert types.ChatRequest.model_validate(body).model_dump(mode="json", exclude_unset=True).keys() == body.keys()


def test_every_refusal_is_of_a_row() -> None:
    assert REFUSED.keys() < FEATURES.keys()


@pytest.mark.parametrize("feature", FEATURES.keys() - REFUSED.keys())
def test_the_official_types_read_every_feature(feature: str) -> None:
    _check(json.loads(OllamaChat().encode(FEATURES[feature], OLLAMA).request.body))


@pytest.mark.parametrize("feature", REFUSED)
def test_what_the_dialect_cannot_say_is_refused_with_a_way_out_or_dropped(feature: str) -> None:
    request = FEATURES[feature]
    with pytest.raises(UnsupportedParameter, match='Leave it out, choose another route, or pass on_unsupported="drop"') as caught:
        OllamaChat().encode(request, OLLAMA)
    assert caught.value.parameter == REFUSED[feature]
    encoded = OllamaChat().encode(replace(request, on_unsupported="drop"), OLLAMA)
    assert [(notice.kind, notice.parameter) for notice in encoded.notices] == [("dropped", REFUSED[feature])]
    _check(json.loads(encoded.request.body))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"messages": [{"role": "user", "content": "a", "unknown": 1}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]},
        {"options": {"unknown": 1}},
        {"tools": [{"type": "function", "function": {"name": "a", "unknown": 1}}]},
        {"format": 7},
    ],
)
def test_the_official_types_can_say_no(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, AssertionError)):
        _check({"model": "m", "messages": [{"role": "user", "content": "a"}]} | wrong)
