"""Every row of the feature matrix, as Cohere's chat API is asked for it, read by the official SDK's own request types."""

from __future__ import annotations

import json
import typing
from dataclasses import replace
from typing import Any

import pytest
from pydantic import TypeAdapter

from saferoute.errors import UnsupportedParameter
from saferoute.providers.cohere_chat import CohereChat
from tests.support.features import FEATURES
from tests.unit.dialect_cases import COHERE

client = pytest.importorskip("cohere.v2.client", reason="the official Cohere package is not installed")

REFUSED = {
    "n": "n",
    "logprobs": "logprobs",
    "at most one call a turn": "parallel_tool_calls",
    "picture in a tool result": "messages",
    "JSON Schema and tools": "output",
    "PDF as bytes": "messages",
    "PDF by URL": "messages",
    "file held by the provider": "messages",
    "sound": "messages",
}


def _check(body: dict[str, Any]) -> None:
    """Read every field with the type that the SDK's method gives it, and find nothing of it unknown or changed."""
    stream = body.pop("stream", False)
    hints = typing.get_type_hints(client.V2Client.chat_stream if stream else client.V2Client.chat)
    for name, value in body.items():
        read = TypeAdapter(hints[name]).validate_python(value, strict=True)
        assert not _unknown(read), name
        assert TypeAdapter(Any).dump_python(read, mode="json", exclude_unset=True) == value


def _unknown(value: Any) -> list[str]:
    """Fields that the official types do not know, at any depth."""
    if isinstance(value, list | tuple):
        return [name for item in value for name in _unknown(item)]
    if not hasattr(value, "model_extra"):
        return []
    inner = [name for field in type(value).model_fields for name in _unknown(getattr(value, field))]
    return [*(value.model_extra or {}), *inner]


def test_every_refusal_is_of_a_row() -> None:
    assert REFUSED.keys() < FEATURES.keys()


@pytest.mark.parametrize("feature", FEATURES.keys() - REFUSED.keys())
def test_the_official_types_read_every_feature(feature: str) -> None:
    _check(json.loads(CohereChat().encode(FEATURES[feature], COHERE).request.body))


@pytest.mark.parametrize("feature", REFUSED)
def test_what_the_dialect_cannot_say_is_refused_with_a_way_out_or_dropped(feature: str) -> None:
    request = FEATURES[feature]
    with pytest.raises(UnsupportedParameter, match='Leave it out, choose another route, or pass on_unsupported="drop"') as caught:
        CohereChat().encode(request, COHERE)
    assert caught.value.parameter == REFUSED[feature]
    encoded = CohereChat().encode(replace(request, on_unsupported="drop"), COHERE)
    assert ("dropped", REFUSED[feature]) in [(notice.kind, notice.parameter) for notice in encoded.notices]
    _check(json.loads(encoded.request.body))


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"messages": [{"role": "user", "content": "a", "unknown": 1}]},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {}, "unknown": 1}}]},
        {"documents": [{"data": {"text": "a"}, "unknown": 1}]},
        {"thinking": {"type": "enabled", "token_budget": "7"}},
    ],
)
def test_the_official_types_can_say_no(wrong: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError, AssertionError)):
        _check({"model": "m", "messages": [{"role": "user", "content": "a"}]} | wrong)
