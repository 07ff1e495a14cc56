"""What Converse is sent, judged by AWS' own model of the service, where botocore is installed: its check and its serializer."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from typing import Any
from urllib.parse import quote

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.bedrock_converse import BedrockConverse
from saferoute.values.messages import Message
from saferoute.values.request import ChatRequest
from tests.support.features import FEATURES
from tests.unit.bedrock_cases import ANSWERS, MODEL, TARGET, body_of, decoded_whole, encode, folded, user
from tests.unit.test_bedrock_options import ALLOWED, FULL

# What Converse has nothing for: it fetches no URL, and knows files by their S3 address only.
REFUSED = {
    "seed": "seed",
    "n": "n",
    "logprobs": "logprobs",
    "at most one call a turn": "parallel_tool_calls",
    "picture by URL": "messages",
    "PDF by URL": "messages",
    "file held by the provider": "messages",
}


@pytest.fixture(scope="module")
def service() -> Any:
    session = pytest.importorskip("botocore.session", reason="botocore is not installed; it is the oracle here")
    return session.Session().get_service_model("bedrock-runtime")


def parameters(value: Any, shape: Any, place: str = "") -> Any:
    """The JSON of a body as the parameters that botocore's callers pass; refuses all that the shape does not have."""
    match shape.type_name:
        case "structure" if getattr(shape, "is_document_type", False):
            return value
        case "structure":
            assert isinstance(value, dict), place
            assert not value.keys() - shape.members.keys(), f"{place}: {value.keys() - shape.members.keys()}"
            assert not getattr(shape, "is_tagged_union", False) or len(value) == 1, place
            return {name: parameters(inner, shape.members[name], f"{place}.{name}") for name, inner in value.items()}
        case "list":
            assert isinstance(value, list), place
            return [parameters(item, shape.member, place) for item in value]
        case "map":
            return {name: parameters(item, shape.value, place) for name, item in value.items()}
        case "blob":
            return b64decode(value, validate=True)
        case "string":
            assert not shape.enum or value in shape.enum, place
            assert "pattern" not in shape.metadata or re.fullmatch(shape.metadata["pattern"], value), place
            assert len(value) <= shape.metadata.get("max", len(value)), place
        case "integer" | "float":
            assert value <= shape.metadata.get("max", value), place
    return value


def judged(service: Any, encoded: Any) -> None:
    from botocore.serialize import create_serializer
    from botocore.validate import ParamValidator

    operation = service.operation_model("ConverseStream" if encoded.request.path.endswith("-stream") else "Converse")
    sent = json.loads(encoded.request.body)
    given = {"modelId": MODEL, **parameters(sent, operation.input_shape)}
    report = ParamValidator().validate(given, operation.input_shape)
    assert not report.has_errors(), report.generate_report()
    theirs = create_serializer(service.metadata["protocol"]).serialize_to_request(given, operation)
    assert json.loads(theirs["body"]) == sent
    assert (theirs["method"], theirs["url_path"]) == (encoded.request.method, encoded.request.path)
    assert quote(MODEL, safe="") in encoded.request.path


def test_the_judge_sees_what_it_has_to_see(service: Any) -> None:
    shape = service.operation_model("Converse").input_shape
    turn = {"role": "user", "content": [{"text": "a"}]}
    parameters({"messages": [turn]}, shape)
    for wrong in (
        {"seed": 1},
        {"messages": [turn | {"name": "a"}]},
        {"messages": [turn | {"role": "tool"}]},
        {"messages": [turn | {"content": [{"text": "a", "cachePoint": {"type": "default"}}]}]},
        {"messages": [turn | {"content": [{"text": "a", "colour": "red"}]}]},
        {"messages": [turn | {"content": [{"image": {"format": "tiff", "source": {"bytes": "eA=="}}}]}]},
        {"messages": [turn | {"content": [{"toolUse": {"toolUseId": "a b", "name": "n", "input": {}}}]}]},
        {"inferenceConfig": {"temperature": 1.5}},
        {"messages": [turn | {"content": [{"image": {"format": "png", "source": {"bytes": "?"}}}]}]},
    ):
        with pytest.raises((AssertionError, ValueError)):
            parameters({"messages": [turn]} | wrong, shape)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_written_as_the_model_has_it_or_refused(feature: str, stream: bool, service: Any) -> None:
    asked = FEATURES[feature]
    request = ChatRequest(**{name: getattr(asked, name) for name in ChatRequest.__dataclass_fields__} | {"stream": stream or asked.stream})
    if feature in REFUSED:
        with pytest.raises(UnsupportedParameter, match=r"Leave it out, choose another route, or pass on_unsupported=\"drop\"") as caught:
            BedrockConverse().encode(request, TARGET)
        assert caught.value.parameter == REFUSED[feature]
        return
    judged(service, BedrockConverse().encode(request, TARGET))


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("case", FULL)
def test_requests_with_everything(case: str, stream: bool, service: Any) -> None:
    fields = dict(FULL[case])
    judged(service, encode(*fields.pop("messages", ()), to=ALLOWED, stream=stream, **fields))


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_that_go_back(name: str, service: Any) -> None:
    turn = Message("assistant", folded(decoded_whole(ANSWERS[name])).content())
    judged(service, encode(user("a"), turn, user("b")))
    assert body_of(user("a"), turn, user("b"))["messages"]
