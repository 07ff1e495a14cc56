"""What the Messages API is sent, judged by the official SDK's own request types, where the SDK is installed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.anthropic_messages import AnthropicMessages
from saferoute.values.messages import Message
from saferoute.values.request import ChatRequest
from saferoute.values.target import Quirks
from tests.support.features import FEATURES
from tests.unit.anthropic_cases import ANSWERS, TARGET, body_of, decoded_whole, folded, target, user
from tests.unit.test_anthropic_encode import CONVERSATIONS, MEDIA
from tests.unit.test_anthropic_options import OPTIONS

# What the dialect has nothing for.
REFUSED = {"seed": "seed", "n": "n", "logprobs": "logprobs", "sound": "messages"}
SAMPLING = frozenset({"temperature", "top_p", "top_k"})  # gone from the types, not from API version 2023-06-01


@pytest.fixture(scope="module")
def adapters() -> tuple[Any, Any]:
    types = pytest.importorskip("anthropic.types.message_create_params", reason="the official SDK is not installed")
    if int(pytest.importorskip("anthropic").__version__.partition(".")[0]) < 2:
        pytest.skip("the installed official SDK is older than API version 2026-10-21")
    pydantic = pytest.importorskip("pydantic")
    return pydantic.TypeAdapter(types.MessageCreateParamsNonStreaming), pydantic.TypeAdapter(types.MessageCreateParamsStreaming)


def _plain(value: Any) -> Any:
    known = getattr(type(value), "model_fields", None)  # the SDK takes its own answers back, too; their models let anything pass
    if known is not None:
        return {name: _plain(getattr(value, name)) for name in value.model_fields_set if name in known}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value if isinstance(value, str | int | float | None) else [_plain(item) for item in value]


def judged(adapters: tuple[Any, Any], body: dict[str, Any]) -> None:
    """The types leave out what they do not have: all of the body has to be left."""
    adapter = adapters[1] if body.get("stream") else adapters[0]
    known = _plain(adapter.validate_python(body))
    assert known | {name: body[name] for name in SAMPLING & body.keys()} == body


def test_the_judge_sees_what_it_has_to_see(adapters: tuple[Any, Any]) -> None:
    good = body_of(user("a"))
    judged(adapters, good)
    for wrong in (
        {"seed": 1},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "colour": "red"}]}]},
        {"messages": [{"role": "tool", "content": "a"}]},
        {"max_tokens": "many"},
        {"thinking": {"type": "enabled"}},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": "a", "signature": "b", "colour": "red"}]}]},
    ):
        with pytest.raises((ValueError, AssertionError)):
            judged(adapters, good | wrong)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_written_as_the_types_have_it_or_refused(feature: str, stream: bool, adapters: tuple[Any, Any]) -> None:
    asked = FEATURES[feature]
    request = ChatRequest(**{name: getattr(asked, name) for name in ChatRequest.__dataclass_fields__} | {"stream": stream or asked.stream})
    if feature in REFUSED:
        with pytest.raises(UnsupportedParameter, match=r"Leave it out, choose another route, or pass on_unsupported=\"drop\"") as caught:
            AnthropicMessages().encode(request, TARGET)
        assert caught.value.parameter == REFUSED[feature]
        return
    judged(adapters, json.loads(AnthropicMessages().encode(request, TARGET).request.body))


@pytest.mark.parametrize("feature", [name for name in FEATURES if name not in REFUSED])
def test_behind_a_clouds_door_the_body_is_the_same_but_for_model_and_version(feature: str) -> None:
    row = target(quirks=Quirks(model_in_path=True, anthropic_version="vertex-2023-10-16"))
    plain, inside = (json.loads(AnthropicMessages().encode(FEATURES[feature], to).request.body) for to in (TARGET, row))
    assert inside.pop("anthropic_version") == "vertex-2023-10-16"
    assert inside | {"model": TARGET.model} == plain


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_conversations(name: str, adapters: tuple[Any, Any]) -> None:
    judged(adapters, body_of(*CONVERSATIONS[name][0]))


@pytest.mark.parametrize("name", MEDIA)
def test_media(name: str, adapters: tuple[Any, Any]) -> None:
    judged(adapters, body_of(user(MEDIA[name][0], "x")))


@pytest.mark.parametrize("name", OPTIONS)
def test_options(name: str, adapters: tuple[Any, Any]) -> None:
    fields, row, _ = OPTIONS[name]
    judged(adapters, body_of(to=row, **fields))


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_go_back(name: str, adapters: tuple[Any, Any]) -> None:
    turn = Message("assistant", folded(decoded_whole(ANSWERS[name])).content())
    judged(adapters, body_of(user("a"), turn, user("b")))
