"""Every row of the feature matrix, as Chat Completions is asked for it, read by the official SDK's own request types."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest

from saferoute.errors import InvalidMessages, UnsupportedParameter
from saferoute.providers.openai_chat import OpenAIChat
from saferoute.values.http import NetClass
from saferoute.values.target import Quirks, Target
from tests.support.features import FEATURES

pytest.importorskip("openai", reason="the official OpenAI package is not installed")

TARGET = Target("gpt", "openai", "openai_chat", "https://api.openai.com", "/v1", NetClass(), "gpt-6-luna", "openai", "bearer")
REFUSED = {"picture in a tool result": "messages", "reasoning: 2048 tokens": "reasoning", "PDF by URL": "messages"}


@cache
def _types() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming
        from pydantic import ConfigDict, TypeAdapter

        for params in (CompletionCreateParamsNonStreaming, CompletionCreateParamsStreaming):
            params.__pydantic_config__ = ConfigDict(extra="forbid", strict=False)  # type: ignore[attr-defined]  # every nested dict too
        return TypeAdapter(CompletionCreateParamsStreaming), TypeAdapter(CompletionCreateParamsNonStreaming)


def _exhaust(value: object) -> None:
    """Go through everything: pydantic validates an Iterable only while it is read."""
    if isinstance(value, dict):
        value = value.values()
    if isinstance(value, Iterable) and not isinstance(value, str):
        for item in value:
            _exhaust(item)


def _check(body: dict[str, Any], *, stream: bool) -> None:
    streaming, whole = _types()
    _exhaust((streaming if stream else whole).validate_python(body))


@pytest.mark.parametrize("role", ["system", "developer"])
@pytest.mark.parametrize("feature", FEATURES.keys() - REFUSED.keys())
def test_the_official_types_read_every_feature(feature: str, role: Any) -> None:
    request = FEATURES[feature]
    row = replace(TARGET, quirks=Quirks(instruction_role=role))
    _check(json.loads(OpenAIChat().encode(request, row).request.body), stream=request.stream)


@pytest.mark.parametrize("feature", REFUSED)
def test_what_the_dialect_cannot_say_is_refused_with_a_way_out_or_dropped(feature: str) -> None:
    request = FEATURES[feature]
    with pytest.raises(UnsupportedParameter, match='Leave it out, choose another route, or pass on_unsupported="drop"') as caught:
        OpenAIChat().encode(request, TARGET)
    assert caught.value.parameter == REFUSED[feature]
    encoded = OpenAIChat().encode(replace(request, on_unsupported="drop"), TARGET)
    assert ("dropped", REFUSED[feature]) in [(notice.kind, notice.parameter) for notice in encoded.notices]
    _check(json.loads(encoded.request.body), stream=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"messages": [{"role": "user", "content": [{"type": "picture"}]}]},
        {"messages": [{"role": "user", "content": "a", "unknown": 1}]},
        {"tools": [{"type": "function", "function": {"name": "a", "unknown": 1}}]},
    ],
)
def test_the_official_types_can_say_no(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        _check({"model": "m", "messages": []} | wrong, stream=False)


def test_every_feature_is_looked_at() -> None:
    for feature, request in FEATURES.items():
        try:
            OpenAIChat().encode(request, TARGET)
        except (UnsupportedParameter, InvalidMessages):
            assert feature in REFUSED
        else:
            assert feature not in REFUSED
