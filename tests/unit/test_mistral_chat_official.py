"""Every row of the feature matrix, as Mistral's chat API is asked for it, read by the official SDK's own request types."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.mistral_chat import MistralChat
from tests.support.features import FEATURES
from tests.unit.dialect_cases import MISTRAL

models = pytest.importorskip("mistralai.client.models", reason="the official Mistral package is not installed")

REFUSED = {"reasoning: 2048 tokens": "reasoning"}


def _check(body: dict[str, Any], *, stream: bool) -> None:
    kind = models.ChatCompletionStreamRequest if stream else models.ChatCompletionRequest
    written = kind.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert json.loads(json.dumps(written)) == body  # a field that the SDK does not know would be missing


@pytest.mark.parametrize("feature", FEATURES.keys() - REFUSED.keys())
def test_the_official_types_read_every_feature(feature: str) -> None:
    request = FEATURES[feature]
    _check(json.loads(MistralChat().encode(request, MISTRAL).request.body), stream=request.stream)


@pytest.mark.parametrize("feature", REFUSED)
def test_what_the_dialect_cannot_say_is_refused_with_a_way_out_or_dropped(feature: str) -> None:
    request = FEATURES[feature]
    with pytest.raises(UnsupportedParameter, match='Leave it out, choose another route, or pass on_unsupported="drop"') as caught:
        MistralChat().encode(request, MISTRAL)
    assert caught.value.parameter == REFUSED[feature]
    encoded = MistralChat().encode(replace(request, on_unsupported="drop"), MISTRAL)
    assert ("dropped", REFUSED[feature]) in [(notice.kind, notice.parameter) for notice in encoded.notices]
    _check(json.loads(encoded.request.body), stream=False)


@pytest.mark.parametrize(
    "wrong",
    [
        {"unknown": 1},
        {"messages": [{"role": "user", "content": [{"type": "picture"}]}]},
        {"tools": [{"type": "function", "function": {"name": "a", "parameters": {}, "unknown": 1}}]},
    ],
)
def test_the_official_types_can_say_no(wrong: dict[str, Any]) -> None:
    with pytest.raises((ValueError, AssertionError)):
        _check({"model": "m", "messages": [{"role": "user", "content": "a"}]} | wrong, stream=False)
