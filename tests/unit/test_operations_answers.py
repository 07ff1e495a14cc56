"""What each dialect's answers to each operation become."""

from __future__ import annotations

import struct
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest

from saferoute.errors import ProtocolError
from saferoute.providers.operations.contract import (
    CountRequest,
    EmbedRequest,
    ImageRequest,
    ModelsRequest,
    ModerateRequest,
    RerankRequest,
    SpeakRequest,
    TranscribeRequest,
)
from saferoute.values.conversation import messages_from
from saferoute.values.listing import AvailableModel
from saferoute.values.messages import Audio, Image, Message, Reasoning, Text, ToolCall, ToolResult
from saferoute.values.ranking import ModerationResult, Ranked
from saferoute.values.recordings import Segment
from saferoute.values.request import ChatRequest, OutputSchema
from saferoute.values.target import Target
from saferoute.values.tools import Tool
from tests.unit.operation_cases import ANTHROPIC, BEDROCK, COHERE, GEMINI, MISTRAL, OLLAMA, OPENAI, RESPONSES, VERTEX, body, played

TWO = EmbedRequest(texts=("a", "b"))
ONE = EmbedRequest(texts=("a",))
VECTORS = [[0.5, -1.0], [0.25, 2.0]]


def packed(*numbers: float) -> str:
    return b64encode(struct.pack(f"<{len(numbers)}f", *numbers)).decode()


EMBEDDED = [
    (OPENAI, {"object": "list", "model": "m-1-x", "data": [{"index": 1, "embedding": packed(0.25, 2.0)}, {"index": 0, "embedding": packed(0.5, -1.0)}], "usage": {"prompt_tokens": 5, "total_tokens": 5}}, 5, "m-1-x"),
    (OPENAI, {"data": [{"embedding": VECTORS[0]}, {"embedding": VECTORS[1]}], "usage": {"total_tokens": 6}}, 6, ""),
    (RESPONSES, {"data": [{"index": 0, "embedding": VECTORS[0]}, {"index": 1, "embedding": [0.25, 2]}]}, None, ""),
    (MISTRAL, {"id": "x", "model": "mistral-embed", "data": [{"index": 0, "embedding": VECTORS[0]}, {"index": 1, "embedding": VECTORS[1]}], "usage": {"prompt_tokens": 4}}, 4, "mistral-embed"),
    (COHERE, {"id": "x", "embeddings": {"float": VECTORS}, "texts": ["a", "b"], "meta": {"billed_units": {"input_tokens": 3.0}}}, 3, ""),
    (OLLAMA, {"model": "nomic", "embeddings": VECTORS, "prompt_eval_count": 2, "total_duration": 9}, 2, "nomic"),
    (GEMINI, {"embeddings": [{"values": values} for values in VECTORS], "usageMetadata": {"promptTokenCount": 8}}, 8, ""),
    (VERTEX, {"predictions": [{"embeddings": {"values": values, "statistics": {"token_count": 2, "truncated": False}}} for values in VECTORS]}, 4, ""),
    (VERTEX, {"predictions": [{"embeddings": {"values": values}} for values in VECTORS]}, None, ""),
    (replace(BEDROCK, model="eu.cohere.embed-multilingual-v3"), {"embeddings": {"float": VECTORS}, "response_type": "embeddings_by_type"}, None, ""),
    (replace(BEDROCK, model="cohere.embed-english-v3"), {"embeddings": VECTORS}, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(("target", "answer", "tokens", "model"), EMBEDDED)
def test_embed(target: Target, answer: dict[str, Any], tokens: int | None, model: str) -> None:
    _, answered = played("embed", TWO, target, answer)
    assert [list(vector) for vector in answered.fields["vectors"]] == VECTORS
    assert {vector.typecode for vector in answered.fields["vectors"]} == {"f"}
    assert (answered.usage.input_tokens, answered.model) == (tokens, model)
    assert answered.usage.output_tokens == (None if tokens is None else 0)


def test_a_missing_input_type_is_filled_and_said() -> None:
    for target, answer in (
        (COHERE, {"embeddings": {"float": VECTORS}}),
        (replace(BEDROCK, model="cohere.embed-v4:0"), {"embeddings": VECTORS}),
    ):
        sent, answered = played("embed", TWO, target, answer)
        assert body(sent[0])["input_type"] == "search_document"
        assert [(notice.kind, notice.parameter) for notice in answered.notices] == [("filled", "input_type")]


def test_models_that_take_one_text_a_request() -> None:
    sent, answered = played(
        "embed", TWO, BEDROCK, {"embedding": VECTORS[0], "inputTextTokenCount": 2}, {"embedding": VECTORS[1], "inputTextTokenCount": 3}
    )
    assert [body(request)["inputText"] for request in sent] == ["a", "b"]
    assert [list(vector) for vector in answered.fields["vectors"]] == VECTORS
    assert (answered.usage.input_tokens, answered.usage.output_tokens) == (5, 0)
    single = replace(VERTEX, model="gemini-embedding-001")
    sent, answered = played(
        "embed", TWO, single, *({"embedding": {"values": values}, "usageMetadata": {"promptTokenCount": 1}} for values in VECTORS)
    )
    assert len(sent) == 2
    assert answered.usage.input_tokens == 2
    _, answered = played("embed", TWO, BEDROCK, {"embedding": VECTORS[0], "inputTextTokenCount": 2}, {"embedding": VECTORS[1]})
    assert answered.usage.input_tokens is None


@pytest.mark.parametrize(("said", "tokens"), [("7", 7), ("x", None), ("9" * 20, None), ("٣", None)])
def test_bedrock_tells_tokens_in_a_header(said: str, tokens: int | None) -> None:
    _, answered = played(
        "embed",
        ONE,
        replace(BEDROCK, model="cohere.embed-english-v3"),
        {"embeddings": [[1.0]]},
        headers={"x-amzn-bedrock-input-token-count": said},
    )
    assert answered.usage.input_tokens == tokens


def test_many_texts_go_out_in_batches_and_come_back_in_order() -> None:
    texts = tuple(str(number) for number in range(200))

    def answer(count: int, start: int) -> dict[str, Any]:
        return {
            "embeddings": {"float": [[float(start + place)] for place in range(count)]},
            "meta": {"billed_units": {"input_tokens": count}},
        }

    sent, answered = played("embed", EmbedRequest(texts=texts, input_type="query"), COHERE, answer(96, 0), answer(96, 96), answer(8, 192))
    assert [len(body(request)["texts"]) for request in sent] == [96, 96, 8]
    assert [vector[0] for vector in answered.fields["vectors"]] == [float(number) for number in range(200)]
    assert answered.usage.input_tokens == 200
    assert answered.usage.raw["requests"] == [{"input_tokens": 96}, {"input_tokens": 96}, {"input_tokens": 8}]


# ---------------------------------------------------------------------------------------------------------------------- the others


@pytest.mark.parametrize("target", [OPENAI, COHERE])
def test_rerank(target: Target) -> None:
    asked = RerankRequest(query="q", documents=("x", "y", "z"), top_n=2)
    answer = {
        "results": [{"index": 2, "relevance_score": 0.1}, {"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.9}],
        "usage": {"total_tokens": 4},
    }
    _, answered = played("rerank", asked, target, answer)
    assert answered.fields["results"] == (Ranked(0, 0.9, "x"), Ranked(1, 0.9, "y"))
    assert answered.usage.input_tokens == (4 if target is OPENAI else None)


def test_rerank_with_the_older_name_of_a_score() -> None:
    _, answered = played("rerank", RerankRequest(query="q", documents=("x",)), OPENAI, {"results": [{"index": 0, "score": -3}]})
    assert answered.fields["results"] == (Ranked(0, -3.0, "x"),)


def test_moderate() -> None:
    answer = {
        "model": "omni",
        "results": [
            {"flagged": True, "categories": {"hate": True, "odd": None}, "category_scores": {"hate": 0.9, "odd": None}},
            {"flagged": False},
        ],
    }
    _, answered = played("moderate", ModerateRequest(texts=("a", "b")), OPENAI, answer)
    assert answered.fields["results"] == (ModerationResult(True, {"hate": True}, {"hate": 0.9}), ModerationResult(False))
    assert answered.model == "omni"


@pytest.mark.parametrize(
    ("answer", "wanted", "tokens"),
    [
        ({"text": "hi"}, {"text": "hi", "language": None, "seconds": None, "segments": ()}, None),
        ({"text": "", "usage": {"type": "duration", "seconds": 3}}, {"text": "", "language": None, "seconds": 3.0, "segments": ()}, None),
        ({"text": "hi", "duration": "2.5", "language": "en", "segments": None}, {"text": "hi", "language": "en", "seconds": 2.5, "segments": ()}, None),
        (
            {"text": "hi", "segments": [{"start": 0, "end": 1.5, "text": "hi"}], "usage": {"type": "tokens", "input_tokens": 9, "output_tokens": 2, "input_token_details": {"audio_tokens": 8}}},
            {"text": "hi", "language": None, "seconds": None, "segments": (Segment(0.0, 1.5, "hi"),)}, 9,
        ),
    ],
)  # fmt: skip
def test_transcribe(answer: dict[str, Any], wanted: dict[str, Any], tokens: int | None) -> None:
    _, answered = played("transcribe", TranscribeRequest(audio=Audio(b"s", "wav"), boundary="b" * 20), OPENAI, answer)
    assert answered.fields == wanted
    assert answered.usage.input_tokens == tokens
    if tokens:
        assert answered.usage.buckets is not None
        assert answered.usage.buckets.input_audio == 8


@pytest.mark.parametrize(
    ("said", "wanted"),
    [("audio/mpeg", "audio/mpeg"), ("audio/wav; x=y", "audio/wav"), ("application/octet-stream", "audio/aac"), ("", "audio/aac")],
)
def test_speak(said: str, wanted: str) -> None:
    asked = SpeakRequest(text="a", voice="v", format="aac")
    _, answered = played("speak", asked, OPENAI, b"sound", headers={"content-type": said} if said else {})
    assert answered.fields == {"data": b"sound", "media_type": wanted}
    _, answered = played("speak", replace(asked, format="odd"), OPENAI, b"sound")
    assert answered.fields["media_type"] == "application/octet-stream"


def test_images() -> None:
    png = b"\x89PNG\r\n\x1a\nrest"
    answer = {
        "created": 1,
        "data": [{"b64_json": b64encode(png).decode(), "revised_prompt": "a big cat"}, {"url": "https://x/y.png"}],
        "usage": {"input_tokens": 3, "output_tokens": 9},
    }
    _, answered = played("image", ImageRequest(prompt="a", n=2), OPENAI, answer)
    assert answered.fields["images"] == (Image(data=png, media_type="image/png"), Image(url="https://x/y.png"))
    assert answered.fields["revised_prompts"] == ("a big cat", "")
    assert answered.usage.total_tokens == 12
    answer = {"data": [{"b64_json": b64encode(b"odd").decode()}], "output_format": "webp"}
    _, answered = played("image", ImageRequest(prompt="a"), OPENAI, answer)
    assert answered.fields["images"][0].media_type == "image/webp"
    answer = {"data": [{"b64_json": b64encode(b"odd").decode()}]}
    _, answered = played("image", ImageRequest(prompt="a", format="jpeg"), OPENAI, answer)
    assert (answered.fields["images"][0].media_type, answered.notices) == ("image/jpeg", ())
    for said in ("", "html"):
        with pytest.raises(ProtocolError, match="of no known kind"):
            played("image", ImageRequest(prompt="a"), OPENAI, answer | {"output_format": said})


def test_models() -> None:
    def listed(target: Target, *answers: dict[str, Any]) -> Any:
        return played("models", ModelsRequest(), target, *answers)[1].fields["models"]

    answer = {
        "data": [
            {"id": "a", "shutdown_date": 5, "max_model_len": 9},
            {"id": "b", "name": "B", "context_length": 7, "max_completion_tokens": 3},
            {"object": "odd"},
        ]
    }
    assert listed(OPENAI, answer) == (
        AvailableModel("a", "openai", context_window=9, deprecated=True),
        AvailableModel("b", "openai", "B", 7, 3),
    )
    assert listed(OPENAI, {"models": [{"id": "a"}]}) == (AvailableModel("a", "openai"),)
    assert listed(MISTRAL, {"data": [{"id": "a", "name": "A", "max_context_length": 8, "deprecation": "2026"}]}) == (
        AvailableModel("a", "mistral_ai", "A", 8, deprecated=True),
    )
    assert listed(OLLAMA, {"models": [{"name": "a:latest"}, {"model": "b", "name": "c"}, {}]}) == (
        AvailableModel("a:latest", "ollama"),
        AvailableModel("b", "ollama"),
    )


def test_models_page_by_page() -> None:
    one = {
        "data": [{"id": "a", "display_name": "A", "lifecycle": "active", "max_input_tokens": 9, "max_tokens": 4}],
        "has_more": True,
        "last_id": "a/?",
    }
    sent, answered = played(
        "models", ModelsRequest(), ANTHROPIC, one, {"data": [{"id": "b", "lifecycle": "retired"}], "has_more": False, "last_id": "b"}
    )
    assert [request.path for request in sent] == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=a%2F%3F"]
    assert answered.fields["models"] == (
        AvailableModel("a", "anthropic", "A", 9, 4, deprecated=False),
        AvailableModel("b", "anthropic", deprecated=True),
    )
    sent, answered = played(
        "models",
        ModelsRequest(),
        GEMINI,
        {"models": [{"name": "models/a", "displayName": "A", "inputTokenLimit": 5, "outputTokenLimit": 2}], "nextPageToken": "p q"},
        {"nextPageToken": ""} | {"models": []},
    )
    assert sent[1].path == "/v1beta/models?pageSize=1000&pageToken=p%20q"
    assert answered.fields["models"] == (AvailableModel("a", "gcp.gemini", "A", 5, 2),)
    sent, answered = played(
        "models",
        ModelsRequest(),
        COHERE,
        {"models": [{"name": "a", "context_length": 9.0, "is_deprecated": False}], "next_page_token": "n"},
        {"models": [{"name": "b"}]},
    )
    assert sent[1].path == "/v1/models?page_size=1000&page_token=n"
    assert answered.fields["models"] == (AvailableModel("a", "cohere", context_window=9, deprecated=False), AvailableModel("b", "cohere"))
    published = {"publisherModels": [{"name": "publishers/google/models/x"}]}
    _, answered = played("models", ModelsRequest(), replace(VERTEX, path="/v1beta1/publishers/google"), published)
    assert answered.fields["models"] == (AvailableModel("x", "gcp.vertex_ai"),)


# ------------------------------------------------------------------------------------------------------------------------ counting


@pytest.mark.parametrize(
    ("target", "answer"),
    [(ANTHROPIC, {"input_tokens": 12}), (GEMINI, {"totalTokens": 12}), (RESPONSES, {"input_tokens": 12}), (BEDROCK, {"inputTokens": 12})],
)
def test_the_provider_counts(target: Target, answer: dict[str, Any]) -> None:
    _, answered = played("count_tokens", CountRequest(chat=ChatRequest(messages_from("hi"))), target, answer)
    assert answered.fields == {"tokens": 12, "method": "provider", "low": 12, "high": 12}


def count(*messages: Message, target: Target = OPENAI, answers: tuple[Any, ...] = (), **fields: Any) -> Any:
    asked = CountRequest(chat=ChatRequest(messages, **fields))
    sent, answered = played("count_tokens", asked, target, *answers)
    assert len(sent) == len(answers)
    return answered.fields


def user(text: str) -> Message:
    return Message("user", (Text(text),))


@pytest.mark.parametrize("target", [OPENAI, MISTRAL, OLLAMA])
def test_an_estimate_sends_nothing_and_says_its_bounds(target: Target) -> None:
    found = count(user("The quick brown fox jumps over the lazy dog. " * 10), target=target)
    assert found["method"] == "estimate"
    assert found["low"] <= 101 <= found["high"]  # what the tokenizer of GPT-4o makes of it
    assert found["low"] <= found["tokens"] <= found["high"]
    assert 80 <= found["tokens"] <= 130


def test_estimates_grow_with_what_is_sent() -> None:
    tool = Tool.from_schema("clock", {"type": "object", "properties": {"zone": {"type": "string"}}}, description="tells the time")
    schema = OutputSchema(
        "s", b'{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}', True
    )
    plain = count(user("hello there"))
    for more in (
        count(user("hello there, my friend")),
        count(user("hello there"), user("and more")),
        count(user("hello there"), tools=(tool,)),
        count(user("hello there"), output=schema),
        count(
            user("hello there"),
            Message("assistant", (ToolCall("1", "clock", '{"zone":"utc"}'),)),
            Message("tool", (ToolResult("1", (Text("noon"),)),)),
            tools=(tool,),
        ),
    ):
        assert all(more[name] > plain[name] for name in ("tokens", "low", "high"))
    assert count(user("hello there"), Message("assistant", (Reasoning("so it is"), Text("ok"))))["low"] > plain["low"]
    assert count(user("hello" + " " * 500 + "there"))["low"] == plain["low"]  # a tokenizer takes blanks in long runs


def test_pictures_have_no_bound() -> None:
    found = count(Message("user", (Text("what is this?"), Image(data=b"x", media_type="image/png"))))
    assert found["high"] is None
    assert found["low"] > 0


def test_cohere_counts_texts_and_leaves_the_template_to_be_guessed() -> None:
    found = count(user("hello"), user("there"), target=COHERE, answers=({"tokens": [1, 2, 3]},))
    assert found["method"] == "estimate"
    assert (found["low"], found["tokens"]) == (1, 11)
    assert found["high"] >= 11
    assert count(user("x" * 70_000), target=COHERE)["method"] == "estimate"
