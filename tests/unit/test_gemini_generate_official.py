"""What generateContent is sent, judged by Google's own SDK, where it is installed.

The body has to parse with the SDK's models, which take no key that they do not have; and the SDK, asked for the same, has to send the
same path and the same JSON, to the Developer API and to Vertex AI.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import UnsupportedParameter
from saferoute.providers.gemini_generate import GeminiGenerate
from saferoute.values.messages import File, Image, Text, ToolCall, ToolResult
from saferoute.values.target import Profile, Quirks, Target
from saferoute.values.tools import Tool
from tests.support.features import FEATURES
from tests.unit.gemini_cases import ANSWERS, TARGET, VERTEX, assistant, body_of, decoded_whole, encode, folded, target, tool, user

Json = dict[str, Any]
Sent = tuple[str, Json]
# What the dialect has nothing for, and the parameter that the refusal names.
REFUSED = {"at most one call a turn": "parallel_tool_calls", "reasoning: none": "reasoning", "file held by the provider": "messages"}
SERVER_SIDE = frozenset({"search"})  # parts that only the Developer API has
# Fields of the body beside the generation's own, and what the SDK calls them.
BESIDE = {
    "systemInstruction": "system_instruction",
    "tools": "tools",
    "toolConfig": "tool_config",
    "safetySettings": "safety_settings",
    "labels": "labels",
    "serviceTier": "service_tier",
}

_UNDERSCORE = re.compile(r"_([a-z])")


class _Sent(Exception):
    def __init__(self, path: str, body: Json) -> None:
        super().__init__()
        self.path = path
        self.body = body


@pytest.fixture(scope="module")
def sdk() -> Callable[[Target, bytes, bool], Sent]:
    """What the SDK sends for the same: our body, parsed strictly with its models, goes in; its path and its body come out."""
    genai = pytest.importorskip("google.genai", reason="the official SDK is not installed")
    credentials = pytest.importorskip("google.auth.credentials")
    types = genai.types
    clients = {
        TARGET.id: genai.Client(api_key="k"),
        VERTEX.id: genai.Client(vertexai=True, project="p", location="global", credentials=credentials.AnonymousCredentials()),
    }

    def caught(_: str, path: str, body: Json, *more: object) -> None:
        del more
        raise _Sent(path, body)

    for client in clients.values():
        client.models._api_client.request = client.models._api_client.request_streamed = caught

    def asks(to: Target, body: bytes, stream: bool) -> Sent:
        said = json.loads(body)
        contents = [types.Content.model_validate_json(json.dumps(entry)) for entry in said.pop("contents")]
        settings = types.GenerationConfig.model_validate_json(json.dumps(said.pop("generationConfig", {})))
        config = {name: getattr(settings, name) for name in settings.model_fields_set}
        models = {
            "systemInstruction": types.Content,
            "toolConfig": types.ToolConfig,
            "tools": types.Tool,
            "safetySettings": types.SafetySetting,
        }
        for key, value in said.items():
            model = models.get(key)
            many = isinstance(value, list)
            read = [model.model_validate_json(json.dumps(entry)) for entry in (value if many else [value])] if model else [value]
            config[BESIDE[key]] = read if many else read[0]
        models_api = clients[to.id].models
        call = models_api.generate_content_stream if stream else models_api.generate_content
        with pytest.raises(_Sent) as sent:
            list(call(model=to.model, contents=contents, config=types.GenerateContentConfig(**config)))
        return sent.value.path, sent.value.body

    return asks


def _plain(value: Any) -> Any:
    """JSON as it is compared: keys as the API documents them (it takes them with "_", too), base64 in one alphabet, and plain words."""
    if isinstance(value, dict):
        plain = {_UNDERSCORE.sub(lambda found: found[1].upper(), key): _plain(inner) for key, inner in value.items()}
        for key in plain.keys() & {"data", "thoughtSignature"}:
            plain[key] = base64.urlsafe_b64decode(plain[key].replace("+", "-").replace("/", "_"))
        return plain
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    return getattr(value, "value", value)


def judged(sdk: Callable[[Target, bytes, bool], Sent], to: Target, request: Any, stream: bool) -> None:
    path, body = sdk(to, request.body, stream)
    assert request.path.endswith("/" + path)
    config = {name: value for name, value in body.items() if not name.startswith("_") and value != {}}
    assert _sorted(_plain(config)) == _sorted(_plain(json.loads(request.body)))


def _sorted(body: Any) -> Any:
    """The SDK puts functions behind the provider's own tools."""
    return body | ({"tools": sorted(body["tools"], key=list)} if "tools" in body else {})


@pytest.mark.parametrize(
    "wrong",
    [
        {"contents": [{"role": "user", "parts": [{"text": "a", "colour": "red"}]}]},
        {"contents": [{"role": "user", "parts": [{"functionCall": {"name": "a", "arguments": {}}}]}]},
        {"systemInstruction": "be brief"},
        {"generationConfig": {"maxTokens": 1}},
        {"generationConfig": {"thinkingConfig": {"thinkingLevel": "LOW", "colour": "red"}}},
        {"tools": [{"functionDeclarations": [{"name": "a", "schema": {}}]}]},
        {"toolConfig": {"functionCallingConfig": {"tools": []}}},
        {"top_k": 1},
    ],
)
def test_the_judge_sees_what_it_has_to_see(wrong: Json, sdk: Callable[[Target, bytes, bool], Sent]) -> None:
    with pytest.raises((ValueError, KeyError)):
        sdk(TARGET, json.dumps(body_of(user("a")) | wrong).encode(), False)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("to", [TARGET, VERTEX], ids=["developer", "vertex"])
@pytest.mark.parametrize("feature", FEATURES)
def test_every_feature_is_written_as_the_sdk_writes_it_or_refused(
    feature: str, to: Target, stream: bool, sdk: Callable[[Target, bytes, bool], Sent]
) -> None:
    request = replace(FEATURES[feature], stream=stream)
    if feature in REFUSED:
        with pytest.raises(UnsupportedParameter, match=r'Leave it out, choose another route, or pass on_unsupported="drop"') as caught:
            GeminiGenerate().encode(request, to)
        assert caught.value.parameter == REFUSED[feature]
        return
    judged(sdk, to, GeminiGenerate().encode(request, to).request, stream)


@pytest.mark.parametrize("to", [TARGET, VERTEX], ids=["developer", "vertex"])
@pytest.mark.parametrize("name", [name for name in ANSWERS if folded(decoded_whole(ANSWERS[name])).content()])
def test_the_next_turn_is_written_as_the_sdk_writes_it(name: str, to: Target, sdk: Callable[[Target, bytes, bool], Sent]) -> None:
    if name in SERVER_SIDE and to is VERTEX:
        pytest.skip("Vertex AI has no such parts, and the states do not cross")
    content = folded(decoded_whole(ANSWERS[name], to=to)).content()
    calls = [part for part in content if isinstance(part, ToolCall)]
    results = [tool(*(ToolResult(call.id, (Text("sun"), Image(data=b"x", media_type="image/png"))) for call in calls))] if calls else []
    judged(sdk, to, encode(user("q"), assistant(*content), *results, user("next"), to=to).request, stream=False)


def test_what_a_row_opens_is_written_as_the_sdk_writes_it(sdk: Callable[[Target, bytes, bool], Sent]) -> None:
    extras = {
        "topK": 7,
        "presencePenalty": 0.5,
        "responseModalities": ["TEXT"],
        "googleSearch": {},
        "codeExecution": {},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "labels": {"team": "a"},
        "serviceTier": "flex",
        "includeServerSideToolInvocations": True,
    }
    to = target(extra_params=frozenset(extras))
    tools = (Tool("f", "", b'{"type":"object","properties":{}}', strict=True),)
    judged(sdk, to, encode(tools=tools, to=to, provider_options={"gcp.gemini": extras}).request, stream=False)


# ---------------------------------------------------------------------------------------------------- what the sheet adds


def test_several_answers_logprobs_and_any_json_object() -> None:
    assert body_of(n=3, logprobs=0)["generationConfig"] == {"candidateCount": 3, "responseLogprobs": True}
    assert body_of(logprobs=5)["generationConfig"] == {"responseLogprobs": True, "logprobs": 5}
    assert body_of(json_object=True)["generationConfig"] == {"responseMimeType": "application/json"}
    assert body_of(json_object=True, to=target(quirks=Quirks(json_object=False))).keys() == {"contents"}
    assert "responseJsonSchema" not in body_of(json_object=True, to=target(profile=Profile(json_schema=False)))["generationConfig"]


@pytest.mark.parametrize(
    ("to", "file_id", "address"),
    [
        (TARGET, "files/abc", "https://generativelanguage.googleapis.com/v1beta/files/abc"),
        (TARGET, "gs://bucket/a", "gs://bucket/a"),
        (TARGET, "https://generativelanguage.googleapis.com/v1beta/files/x", "https://generativelanguage.googleapis.com/v1beta/files/x"),
        (TARGET, "file-abc123", None),
        (TARGET, "../models", None),
        (VERTEX, "gs://bucket/a", "gs://bucket/a"),
        (VERTEX, "files/abc", None),
        (VERTEX, "http://a.example/b", None),
    ],
)
def test_files_that_the_provider_holds(to: Target, file_id: str, address: str | None) -> None:
    held = user("sum up", File(file_id=file_id))
    if address is None:
        with pytest.raises(UnsupportedParameter, match="gs://BUCKET/NAME"):
            encode(held, to=to)
        dropped = encode(held, to=to, on_unsupported="drop")
        assert json.loads(dropped.request.body)["contents"][0]["parts"] == [{"text": "sum up"}]
        assert [(notice.kind, notice.parameter) for notice in dropped.notices] == [("dropped", "messages")]
    else:
        assert body_of(held, to=to)["contents"][0]["parts"][1] == {"fileData": {"fileUri": address}}
