"""What each dialect sends for each operation, exactly; and that the official SDKs' own types take it."""

from __future__ import annotations

import importlib
from dataclasses import replace
from typing import Any

import pydantic
import pytest

from saferoute.errors import InvalidMessages, RequestError, UnknownOption, UnsupportedParameter
from saferoute.providers.operations.asking import batches
from saferoute.providers.operations.contract import (
    CountRequest,
    EmbedRequest,
    ImageRequest,
    ModelsRequest,
    ModerateRequest,
    OperationRequest,
    RerankRequest,
    SpeakRequest,
    TranscribeRequest,
)
from saferoute.providers.operations.openai_media import form, safe_filename
from saferoute.values.conversation import messages_from
from saferoute.values.http import HttpRequest
from saferoute.values.messages import Audio
from saferoute.values.request import ChatRequest
from saferoute.values.target import Target
from saferoute.values.tools import Tool
from tests.unit.operation_cases import (
    ANTHROPIC,
    AZURE,
    BEDROCK,
    CLAUDE_ON_VERTEX,
    COHERE,
    GEMINI,
    MISTRAL,
    OLLAMA,
    OPENAI,
    RESPONSES,
    VERTEX,
    body,
    first,
)

TWO = EmbedRequest(texts=("a", "b"), dimensions=3)
QUERY = EmbedRequest(texts=("a",), input_type="query", dimensions=3)
TOOL = Tool.from_schema("clock", {"type": "object", "properties": {}})
CHAT = CountRequest(chat=ChatRequest(messages_from("hi", system="be kind"), tools=(TOOL,), max_output_tokens=7, data="public"))
TITAN1 = replace(BEDROCK, model="amazon.titan-embed-text-v1")
ON_BEDROCK = replace(BEDROCK, model="us.cohere.embed-v4:0")
SINGLE = replace(VERTEX, model="gemini-embedding-001")
BOUNDARY = "saferoute-0123456789abcdef"

EMBED = [
    (OPENAI, TWO, "/v1/embeddings", {"model": "m-1", "encoding_format": "base64", "dimensions": 3, "input": ["a", "b"]}),
    (RESPONSES, EmbedRequest(texts=("a",)), "/v1/embeddings", {"model": "m-1", "encoding_format": "base64", "input": ["a"]}),
    (AZURE, TWO, "/openai/deployments/dep%2F1/embeddings?api-version=2024-10-21", {"encoding_format": "base64", "dimensions": 3, "input": ["a", "b"]}),
    (COHERE, QUERY, "/v2/embed", {"model": "embed-v4.0", "input_type": "search_query", "embedding_types": ["float"], "truncate": "NONE", "output_dimension": 3, "texts": ["a"]}),
    (MISTRAL, TWO, "/v1/embeddings", {"model": "mistral-embed", "output_dimension": 3, "input": ["a", "b"]}),
    (OLLAMA, TWO, "/api/embed", {"model": "nomic", "truncate": False, "dimensions": 3, "input": ["a", "b"]}),
    (
        GEMINI, QUERY, "/v1beta/models/gemini-embedding-2:batchEmbedContents",
        {"requests": [{"model": "models/gemini-embedding-2", "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3, "content": {"parts": [{"text": "a"}]}}]},
    ),
    (
        VERTEX, QUERY, VERTEX.path + "/models/text-embedding-005:predict",
        {"instances": [{"content": "a", "task_type": "RETRIEVAL_QUERY"}], "parameters": {"outputDimensionality": 3, "autoTruncate": False}},
    ),
    (
        SINGLE, QUERY, VERTEX.path + "/models/gemini-embedding-001:embedContent",
        {"content": {"parts": [{"text": "a"}]}, "embedContentConfig": {"taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3, "autoTruncate": False}},
    ),
    (BEDROCK, EmbedRequest(texts=("a",), dimensions=256), "/model/amazon.titan-embed-text-v2%3A0/invoke", {"inputText": "a", "dimensions": 256}),
    (TITAN1, EmbedRequest(texts=("a",)), "/model/amazon.titan-embed-text-v1/invoke", {"inputText": "a"}),
    (
        ON_BEDROCK, QUERY, "/model/us.cohere.embed-v4%3A0/invoke",
        {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"], "truncate": "NONE", "output_dimension": 3},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("target", "request_", "path", "wanted"), EMBED, ids=[f"{case[0].id}-{case[0].model}" for case in EMBED])
def test_embed(target: Target, request_: EmbedRequest, path: str, wanted: dict[str, Any]) -> None:
    sent = first("embed", request_, target)
    assert (sent.method, sent.origin, sent.path, sent.secret, sent.auth) == ("POST", target.origin, path, target.secret, target.auth)
    assert body(sent) == wanted
    assert dict(sent.headers)["content-type"] == "application/json"


def test_the_rest_of_openai() -> None:
    rerank = first("rerank", RerankRequest(query="q", documents=("a", "b"), top_n=1), OPENAI)
    assert (rerank.path, body(rerank)) == ("/v1/rerank", {"model": "m-1", "query": "q", "documents": ["a", "b"], "top_n": 1})
    assert body(first("rerank", RerankRequest(query="q", documents=("a",)), OPENAI)) == {"model": "m-1", "query": "q", "documents": ["a"]}
    moderate = first("moderate", ModerateRequest(texts=("a",)), OPENAI)
    assert (moderate.path, body(moderate)) == ("/v1/moderations", {"model": "m-1", "input": ["a"]})
    speak = first("speak", SpeakRequest(text="a", voice="alloy", speed=1.5, instructions="slowly"), OPENAI)
    assert (speak.path, dict(speak.headers)["accept"]) == ("/v1/audio/speech", "audio/*")
    assert body(speak) == {"model": "m-1", "input": "a", "voice": "alloy", "response_format": "mp3", "speed": 1.5, "instructions": "slowly"}
    image = first("image", ImageRequest(prompt="a cat", n=2, size="1x1", quality="low", format="png"), OPENAI)
    assert image.path == "/v1/images/generations"
    assert body(image) == {"model": "m-1", "prompt": "a cat", "n": 2, "size": "1x1", "quality": "low", "output_format": "png"}
    assert body(first("image", ImageRequest(prompt="a cat"), OPENAI)) == {"model": "m-1", "prompt": "a cat", "n": 1}


def test_cohere_ranks() -> None:
    sent = first("rerank", RerankRequest(query="q", documents=("a",), top_n=1), COHERE)
    assert (sent.path, body(sent)) == ("/v2/rerank", {"model": "embed-v4.0", "query": "q", "documents": ["a"], "top_n": 1})


MODELS = [
    (OPENAI, "/v1/models"),
    (AZURE, "/openai/models?api-version=2024-10-21"),
    (ANTHROPIC, "/v1/models?limit=1000"),
    (GEMINI, "/v1beta/models?pageSize=1000"),
    (replace(VERTEX, path="/v1beta1/publishers/google"), "/v1beta1/publishers/google/models?pageSize=1000"),
    (COHERE, "/v1/models?page_size=1000"),
    (MISTRAL, "/v1/models"),
    (OLLAMA, "/api/tags"),
]


@pytest.mark.parametrize(("target", "path"), MODELS)
def test_models(target: Target, path: str) -> None:
    sent = first("models", ModelsRequest(), target)
    assert (sent.method, sent.path, sent.body, sent.secret, sent.auth) == ("GET", path, b"", target.secret, target.auth)
    assert ("anthropic-version" in dict(sent.headers)) is (target is ANTHROPIC)


COUNT = [
    (RESPONSES, "/v1/responses/input_tokens", {"model", "input", "instructions", "tools"}),
    (ANTHROPIC, "/v1/messages/count_tokens", {"model", "messages", "system", "tools"}),
    (CLAUDE_ON_VERTEX, CLAUDE_ON_VERTEX.path + "/count-tokens:rawPredict", {"model", "messages", "system", "tools", "anthropic_version"}),
    (GEMINI, "/v1beta/models/gemini-embedding-2:countTokens", {"generateContentRequest"}),
    (VERTEX, VERTEX.path + "/models/text-embedding-005:countTokens", {"contents", "systemInstruction", "tools", "generationConfig"}),
    (BEDROCK, "/model/amazon.titan-embed-text-v2%3A0/count-tokens", {"input"}),
    (COHERE, "/v1/tokenize", {"model", "text"}),
]


@pytest.mark.parametrize(("target", "path", "fields"), COUNT, ids=[case[0].id for case in COUNT])
def test_count(target: Target, path: str, fields: set[str]) -> None:
    sent = first("count_tokens", CHAT, target)
    written = body(sent)
    assert (sent.method, sent.path, sent.secret, sent.auth) == ("POST", path, target.secret, target.auth)
    assert written.keys() - {"instructions"} <= fields >= written.keys()
    assert b"hi" in sent.body
    assert b'"max_' not in sent.body
    assert dict(sent.headers)["accept"] == "application/json"
    if target is BEDROCK:
        assert written["input"]["converse"].keys() == {"messages", "system", "toolConfig"}
    if target is GEMINI:
        assert written["generateContentRequest"]["model"] == "models/gemini-embedding-2"
        assert written["generateContentRequest"]["contents"]
    if target is CLAUDE_ON_VERTEX:
        assert written["model"] == "claude@1"


@pytest.mark.parametrize(
    ("operation", "request_", "target", "said"),
    [
        ("embed", TWO, ANTHROPIC, "embed: the dialect anthropic_messages"),
        ("rerank", RerankRequest(query="q", documents=("a",)), MISTRAL, "rerank"),
        ("image", ImageRequest(prompt="a"), GEMINI, "generate_image: "),
        ("models", ModelsRequest(), BEDROCK, "available_models: "),
        ("models", ModelsRequest(), VERTEX, "outside the project"),
        ("models", ModelsRequest(), CLAUDE_ON_VERTEX, "does not list"),
        ("embed", QUERY, OPENAI, "input_type"),
        ("embed", QUERY, MISTRAL, "input_type"),
        ("embed", QUERY, OLLAMA, "input_type"),
        ("embed", QUERY, BEDROCK, "input_type"),
        ("embed", TWO, TITAN1, "dimensions"),
        ("embed", TWO, replace(BEDROCK, model="meta.llama"), "is not known here"),
        ("embed", TWO, replace(GEMINI, model="a/../b"), "no model's name"),
        ("embed", TWO, replace(AZURE, model=".."), "no deployment's name"),
        ("count_tokens", CHAT, replace(BEDROCK, model=".."), "for a model, which no path can name"),
    ],
)
def test_what_a_dialect_does_not_have_is_refused(operation: Any, request_: OperationRequest, target: Target, said: str) -> None:
    with pytest.raises((UnsupportedParameter, InvalidMessages), match=said):
        first(operation, request_, target)


def test_input_type_can_be_dropped() -> None:
    assert body(first("embed", replace(QUERY, on_unsupported="drop"), OPENAI)) == {
        "model": "m-1",
        "encoding_format": "base64",
        "dimensions": 3,
        "input": ["a"],
    }


@pytest.mark.parametrize("target", [OPENAI, MISTRAL, COHERE, OLLAMA, BEDROCK])
def test_only_opened_fields_pass(target: Target) -> None:
    passed = EmbedRequest(texts=("a",), provider_options={target.provider_name: {"priority": 3}})
    with pytest.raises(UnknownOption, match="does not open"):
        first("embed", passed, target)
    assert body(first("embed", passed, replace(target, extra_params=frozenset({"priority"}))))["priority"] == 3
    twice = EmbedRequest(texts=("a",), provider_options={target.provider_name: {"input": "b", "texts": "b", "inputText": "b"}})
    with pytest.raises(UnknownOption, match="says already"):
        first("embed", twice, replace(target, extra_params=frozenset({"input", "texts", "inputText"})))


def test_truncation_can_be_opened() -> None:
    passed = EmbedRequest(texts=("a",), input_type="document", provider_options={"cohere": {"truncate": "END"}})
    assert body(first("embed", passed, replace(COHERE, extra_params=frozenset({"truncate"}))))["truncate"] == "END"


def test_gemini_embeddings_open_nothing() -> None:
    passed = EmbedRequest(texts=("a",), provider_options={"gcp.gemini": {"labels": {}}})
    with pytest.raises(UnknownOption):
        first("embed", passed, GEMINI)
    with pytest.raises(UnsupportedParameter, match="no further fields"):
        first("embed", passed, replace(GEMINI, extra_params=frozenset({"labels"})))


@pytest.mark.parametrize(
    ("texts", "most", "size", "wanted"),
    [
        (("a",), 2, 10, [("a",)]),
        (("a", "b", "c"), 2, 10, [("a", "b"), ("c",)]),
        (("aaaa", "bbbb", "cc"), 9, 8, [("aaaa", "bbbb"), ("cc",)]),
        (("x" * 50, "b"), 9, 8, [("x" * 50,), ("b",)]),
        (("é", "é", "é"), 9, 4, [("é", "é"), ("é",)]),
    ],
)
def test_batches(texts: tuple[str, ...], most: int, size: int, wanted: list[tuple[str, ...]]) -> None:
    assert list(batches(texts, most, size)) == wanted


# ------------------------------------------------------------------------------------------------------------- transcription's form


def transcribe(**changes: Any) -> HttpRequest:
    fields: dict[str, Any] = {"audio": Audio(b"\0\xffsound", "wav"), "boundary": BOUNDARY}
    return first("transcribe", TranscribeRequest(**{**fields, **changes}), OPENAI)


def test_transcribe_to_the_byte() -> None:
    sent = transcribe(language="en", prompt="Zoë")
    assert sent.path == "/v1/audio/transcriptions"
    assert dict(sent.headers)["content-type"] == f"multipart/form-data; boundary={BOUNDARY}"
    mark = f"--{BOUNDARY}".encode()
    assert sent.body == b"\r\n".join(
        [
            mark, b'content-disposition: form-data; name="model"', b"", b"m-1",
            mark, b'content-disposition: form-data; name="response_format"', b"", b"json",
            mark, b'content-disposition: form-data; name="language"', b"", b"en",
            mark, b'content-disposition: form-data; name="prompt"', b"", "Zoë".encode(),
            mark, b'content-disposition: form-data; name="file"; filename="audio.wav"', b"content-type: audio/wav", b"", b"\0\xffsound",
            mark + b"--", b"",
        ]
    )  # fmt: skip


def test_a_form_is_what_other_parsers_read() -> None:
    from email.parser import BytesParser

    sent = transcribe(filename="talk.mp3")
    message = BytesParser().parsebytes(b"content-type: " + dict(sent.headers)["content-type"].encode() + b"\r\n\r\n" + sent.body)
    parts: list[Any] = message.get_payload()  # type: ignore[assignment]
    names = [part.get_param("name", header="content-disposition") for part in parts]
    assert names == ["model", "response_format", "file"]
    assert parts[2].get_filename() == "talk.mp3"
    assert parts[2].get_payload(decode=True) == b"\0\xffsound"


def test_opened_fields_of_a_form() -> None:
    opened = replace(OPENAI, extra_params=frozenset({"temperature", "include", "response_format", "chunking_strategy", "x-y"}))

    def sent(**fields: Any) -> bytes:
        asked = TranscribeRequest(audio=Audio(b"s", "wav"), boundary=BOUNDARY, provider_options={"openai": fields})
        return first("transcribe", asked, opened).body

    written = sent(temperature=0.5, include=["logprobs", "x"], response_format="verbose_json")
    assert b'name="temperature"\r\n\r\n0.5\r\n' in written
    assert written.count(b'name="include"') == 2
    assert b"verbose_json" in written
    assert b'name="response_format"\r\n\r\njson' not in written
    with pytest.raises(RequestError, match="holds a text"):
        sent(chunking_strategy={"type": "server_vad"})
    assert form({"a": True, "b": False}, "f", "audio/wav", b"", BOUNDARY).count(b"\r\n\r\ntrue\r\n") == 1


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("talk.mp3", "talk.mp3"),
        ("/etc/passwd", "passwd"),
        ("..\\..\\x.wav", "x.wav"),
        (".hidden.wav", "hidden.wav"),
        ("sp\u00e4t am abend.wav", "sp_t_am_abend.wav"),
        ("", "audio.wav"),
        ("...", "audio.wav"),
        ("x" * 300 + ".wav", "x" * 96 + ".wav"),
    ],
)
def test_file_names(name: str, wanted: str) -> None:
    assert safe_filename(name, "audio.wav") == wanted


# ------------------------------------------------------------------------------------------------------------------- official types


def adapter(module: str, name: str) -> pydantic.TypeAdapter[Any]:
    pytest.importorskip(module.partition(".")[0])
    kind = getattr(importlib.import_module(module), name)
    return pydantic.TypeAdapter(kind, config=None)


OFFICIAL = [
    ("embed", TWO, OPENAI, "openai.types.embedding_create_params", "EmbeddingCreateParams"),
    ("moderate", ModerateRequest(texts=("a",)), OPENAI, "openai.types.moderation_create_params", "ModerationCreateParams"),
    ("speak", SpeakRequest(text="a", voice="alloy", speed=1.5), OPENAI, "openai.types.audio.speech_create_params", "SpeechCreateParams"),
    (
        "image",
        ImageRequest(prompt="a", n=2, size="1024x1024"),
        OPENAI,
        "openai.types.image_generate_params",
        "ImageGenerateParamsNonStreaming",
    ),
    ("count_tokens", CHAT, RESPONSES, "openai.types.responses.input_token_count_params", "InputTokenCountParams"),
    ("count_tokens", CHAT, ANTHROPIC, "anthropic.types.message_count_tokens_params", "MessageCountTokensParams"),
    ("embed", TWO, MISTRAL, "mistralai.client.models.embeddingrequest", "EmbeddingRequest"),
    ("embed", TWO, OLLAMA, "ollama._types", "EmbedRequest"),
]


@pytest.mark.parametrize(("operation", "request_", "target", "module", "name"), OFFICIAL, ids=[case[4] for case in OFFICIAL])
def test_the_official_types_take_it(operation: Any, request_: OperationRequest, target: Target, module: str, name: str) -> None:
    checked = adapter(module, name)
    written = body(first(operation, request_, target))
    checked.validate_python(written)
    known = getattr(importlib.import_module(module), name)
    names = (
        {field.alias or key for key, field in known.model_fields.items()} if hasattr(known, "model_fields") else set(known.__annotations__)
    )
    for base in getattr(known, "__orig_bases__", ()):
        names |= set(getattr(base, "__annotations__", ()))
    assert written.keys() <= names


def test_botocore_takes_what_is_counted() -> None:
    session = pytest.importorskip("botocore.session")
    validate = pytest.importorskip("botocore.validate")
    model = session.get_session().get_service_model("bedrock-runtime").operation_model("CountTokens").input_shape
    report = validate.ParamValidator().validate({"modelId": "m", **body(first("count_tokens", CHAT, BEDROCK))}, model)
    assert not report.has_errors(), report.generate_report()
