"""Hostile answers to operations, and hostile arguments of them: each is refused, and none changes what goes where."""

from __future__ import annotations

import math
from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import InvalidMessages, ProtocolError, RateLimited, RequestError, SaferouteError
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
from saferoute.providers.operations.openai_media import form
from saferoute.providers.operations.registry import plan_for
from saferoute.providers.registry import codec_for
from saferoute.values.conversation import messages_from
from saferoute.values.events import Notice
from saferoute.values.http import Head
from saferoute.values.json import integer
from saferoute.values.messages import Audio
from saferoute.values.request import ChatRequest
from tests.unit.operation_cases import ANTHROPIC, BEDROCK, COHERE, GEMINI, MISTRAL, OLLAMA, OPENAI, VERTEX, first, played
from tests.unit.test_operations_answers import packed

TWO = EmbedRequest(texts=("a", "b"))
BOUNDARY = "saferoute-0123456789abcdef"


def data(*items: Any) -> dict[str, Any]:
    return {"data": [item if isinstance(item, dict) else {"index": place, "embedding": item} for place, item in enumerate(items)]}


INDEX_GAMES = [
    data({"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}),
    data({"index": 0, "embedding": [1.0]}, {"index": 2, "embedding": [1.0]}),
    data({"index": -1, "embedding": [1.0]}, {"index": 0, "embedding": [1.0]}),
    data({"index": 0, "embedding": [1.0]}, {"embedding": [1.0]}),
    data({"index": False, "embedding": [1.0]}, {"index": True, "embedding": [1.0]}),
    data({"index": "0", "embedding": [1.0]}, {"index": "1", "embedding": [1.0]}),
    data({"index": 0.0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}),
]
COUNTS = [data(), data([1.0]), data([1.0], [1.0], [1.0]), {}, {"data": {}}, {"data": [1, 2]}, {"data": None}]
VALUES = [
    data([1.0], [math.nan]), data([1.0], [math.inf]), data([1.0], [1e39]), data([1.0], [10**400]), data([1.0], []), data([1.0], None),
    data([1.0], [True]), data([1.0], ["1"]), data([1.0], [[1.0]]), data([1.0], {"index": 1, "embedding": {"0": 1.0}}), data([1.0], [1.0, 2.0]),
    data(packed(1.0), packed(math.nan)), data(packed(1.0), packed(-math.inf)), data(packed(1.0), "!!!!"), data(packed(1.0), b64encode(b"abc").decode()),
    data(packed(1.0), ""), data(packed(1.0), packed(1.0)[:-1]), data(packed(1.0), packed(1.0) + "\n"),
]  # fmt: skip


@pytest.mark.parametrize("answer", [*INDEX_GAMES, *COUNTS, *VALUES])
@pytest.mark.parametrize("target", [OPENAI, MISTRAL])
def test_wrong_embeddings_are_never_handed_out(target: Any, answer: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        played("embed", TWO, target, answer)


def test_a_wrong_length_is_noticed_even_if_all_agree() -> None:
    with pytest.raises(ProtocolError, match="3 dimensions"):
        played("embed", replace(TWO, dimensions=3), OPENAI, data([1.0, 2.0], [1.0, 2.0]))


def test_batches_must_have_one_length() -> None:
    texts = tuple("x" for _ in range(97))
    answers = [{"embeddings": {"float": [[1.0]] * 96}}, {"embeddings": {"float": [[1.0, 2.0]]}}]
    with pytest.raises(ProtocolError, match="different lengths"):
        played("embed", EmbedRequest(texts=texts, input_type="query"), COHERE, *answers)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        (COHERE, {"embeddings": {"float": [[1.0]]}}), (COHERE, {"embeddings": [[1.0], [1.0]]}), (COHERE, {}),
        (OLLAMA, {"embeddings": [[1.0]]}), (OLLAMA, {"embedding": [1.0]}), (OLLAMA, {"embeddings": {"0": [1.0]}}),
        (GEMINI, {"embeddings": [{"values": [1.0]}]}), (GEMINI, {"embeddings": [{"values": [1.0]}, {}]}), (GEMINI, {}),
        (VERTEX, {"predictions": [{"embeddings": {"values": [1.0]}}]}), (VERTEX, {"predictions": [{"embeddings": {"values": [1.0]}}, {}]}),
        (BEDROCK, {"embedding": None}), (BEDROCK, {}), (replace(BEDROCK, model="cohere.embed-x"), {"embeddings": {"int8": [[1], [2]]}}),
        (replace(BEDROCK, model="cohere.embed-x"), {"embeddings": {"float": [[1.0]]}}), (replace(VERTEX, model="gemini-embedding-001"), {"embedding": {}}),
    ],
)  # fmt: skip
def test_wrong_embeddings_of_the_other_dialects(target: Any, answer: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        played("embed", TWO, target, answer)


@pytest.mark.parametrize(
    "results",
    [
        [], None, [{"index": 0, "relevance_score": 1.0}], [{"index": 0, "relevance_score": 1.0}] * 2,
        [{"index": 0, "relevance_score": 1.0}, {"index": 2, "relevance_score": 1.0}], [{"index": 0, "relevance_score": math.nan}, {"index": 1, "relevance_score": 1.0}],
        [{"index": 0, "relevance_score": "1"}, {"index": 1, "relevance_score": 1.0}], [{"index": True, "relevance_score": 1.0}, {"index": 0, "relevance_score": 1.0}],
        [{"index": 0}, {"index": 1}], [{"index": 0, "relevance_score": 10**400}, {"index": 1, "relevance_score": 1}],
    ],
)  # fmt: skip
@pytest.mark.parametrize("target", [OPENAI, COHERE])
def test_a_ranking_names_each_document_once(target: Any, results: Any) -> None:
    with pytest.raises(ProtocolError):
        played("rerank", RerankRequest(query="q", documents=("a", "b")), target, {"results": results})


@pytest.mark.parametrize(
    "results", [[], [{"flagged": False}] * 2, [{"flagged": "no"}], [{}], [{"flagged": True, "category_scores": {"a": "x"}}], None]
)
def test_a_moderation_that_judges_other_than_asked_is_no_clearance(results: Any) -> None:
    with pytest.raises(ProtocolError):
        played("moderate", ModerateRequest(texts=("a",)), OPENAI, {"results": results})


@pytest.mark.parametrize("tokens", [None, -1, "12", True, 1.5, [12]])
@pytest.mark.parametrize(("target", "field"), [(ANTHROPIC, "input_tokens"), (GEMINI, "totalTokens"), (BEDROCK, "inputTokens")])
def test_a_count_is_a_count(target: Any, field: str, tokens: Any) -> None:
    with pytest.raises(ProtocolError):
        played("count_tokens", CountRequest(chat=ChatRequest(messages_from("hi"))), target, {field: tokens})


def test_tokenize_without_tokens() -> None:
    with pytest.raises(ProtocolError):
        played("count_tokens", CountRequest(chat=ChatRequest(messages_from("hi"))), COHERE, {"tokens": 3})


@pytest.mark.parametrize(
    "answer",
    [
        {"data": []},
        {"data": [{}]},
        {"data": [{"b64_json": "!!"}]},
        {"data": [{"url": "http://plain/x.png"}]},
        {"data": [{"url": "file:///etc/passwd"}]},
        {"data": [{"url": "javascript:x"}]},
        {"data": [{"b64_json": "QQ=="}] * 2},
    ],
)
def test_pictures_come_as_bytes_or_from_https_and_no_more_than_asked(answer: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        played("image", ImageRequest(prompt="a"), OPENAI, answer)


@pytest.mark.parametrize("kind", ["text/html", "application/xml", "audio/x\r\ny", "image/svg+xml", 'audio/mpeg" onload="x'])
def test_speech_is_sound(kind: str) -> None:
    with pytest.raises(ProtocolError):
        played("speak", SpeakRequest(text="a", voice="v"), OPENAI, b"x", headers={"content-type": kind})
    with pytest.raises(ProtocolError, match="no sound"):
        played("speak", SpeakRequest(text="a", voice="v"), OPENAI, b"", headers={"content-type": "audio/mpeg"})


ERROR = b'{"error": {"message": "the voice is gone", "type": "rate_limit_error", "code": "rate_limit_exceeded"}}'


@pytest.mark.parametrize("kind", ["", "application/octet-stream"])
@pytest.mark.parametrize("sound", ["mp3", "pcm"])
def test_an_error_without_a_type_is_not_played(kind: str, sound: str) -> None:
    asked = SpeakRequest(text="a", voice="v", format=sound)
    headers = {"content-type": kind} if kind else {}
    for page in (b"<html>busy</html>", b" \r\n<?xml version='1.0'?>", b'\xef\xbb\xbf{"detail": 1}', b"{", b'{"error": null}', ERROR[:-1]):
        with pytest.raises(ProtocolError, match="not sound"):
            played("speak", asked, OPENAI, page, headers=headers)
    with pytest.raises(RateLimited) as caught:
        played("speak", asked, OPENAI, ERROR, headers=headers)
    assert "voice" not in str(caught.value)
    for samples in (b"{\0\1\0" * 40, b"<\xff\x01\x80"):  # raw samples begin with any byte
        assert played("speak", asked, OPENAI, samples, headers=headers)[1].fields["data"] == samples


def test_fewer_pictures_than_were_asked_for_are_said() -> None:
    answer = {"data": [{"url": "https://x.example/y.png"}]}
    _, answered = played("image", ImageRequest(prompt="a", n=3), OPENAI, answer)
    assert answered.notices == (Notice("noted", "n", "3 pictures were asked for, and 1 came"),)
    assert played("image", ImageRequest(prompt="a"), OPENAI, answer)[1].notices == ()


@pytest.mark.parametrize("value", ["false", "", 0, 1, 0.9, [], {}])
def test_a_category_that_is_neither_true_nor_false_is_no_judgement(value: object) -> None:
    with pytest.raises(ProtocolError, match="neither true nor false"):
        played("moderate", ModerateRequest(texts=("a",)), OPENAI, {"results": [{"flagged": False, "categories": {"hate": value}}]})


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (2**53, 2**53),
        (2.0**53, 2**53),
        (2**53 + 1, None),
        (1e300, None),
        (10**400, None),
        (-1, None),
        (True, None),
        (1.5, None),
        ("1", None),
    ],
)
def test_a_count_beyond_what_readers_agree_on_is_none(value: object, count: int | None) -> None:
    assert integer(value) == count


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"text": None},
        {"text": "a", "segments": [1]},
        {"text": "a", "segments": [{"start": "0"}]},
        {"text": "a", "duration": "long"},
        {"text": "a", "duration": math.inf},
    ],
)
def test_transcripts(answer: dict[str, Any]) -> None:
    with pytest.raises(ProtocolError):
        played("transcribe", TranscribeRequest(audio=Audio(b"s", "wav"), boundary=BOUNDARY), OPENAI, answer)


def test_a_list_of_models_ends() -> None:
    page = {"data": [{"id": "a"}], "has_more": True, "last_id": "a"}
    with pytest.raises(ProtocolError, match="more than 20 pages"):
        played("models", ModelsRequest(), ANTHROPIC, *[page] * 20)
    with pytest.raises(ProtocolError, match="more than 20 pages"):
        played("models", ModelsRequest(), GEMINI, *[{"models": [], "nextPageToken": "x"}] * 20)
    with pytest.raises(ProtocolError, match="more than 20 pages"):
        played("models", ModelsRequest(), COHERE, *[{"models": [], "next_page_token": "x"}] * 20)
    with pytest.raises(ProtocolError):
        played("models", ModelsRequest(), GEMINI, {})


def test_a_page_name_cannot_change_the_query() -> None:
    page = {"models": [{"name": "a"}], "next_page_token": "x&key=y#z\r\nhost: evil"}
    sent, _ = played("models", ModelsRequest(), COHERE, page, {"models": []})
    assert sent[1].path == "/v1/models?page_size=1000&page_token=x%26key%3Dy%23z%0D%0Ahost%3A%20evil"


# ------------------------------------------------------------------------------------------------------------------------ arguments


@pytest.mark.parametrize(
    "name", ['a"\r\nx-evil: 1\r\n\r\n.wav', 'a";name="model', "a\nb.wav", "a\0b.wav", "\u2028.wav", 'é"\\".wav', "../../x"]
)
def test_a_file_name_cannot_leave_its_header(name: str) -> None:
    sent = first("transcribe", TranscribeRequest(audio=Audio(b"s", "wav"), boundary=BOUNDARY, filename=name), OPENAI)
    head = sent.body.split(b'name="file"; filename="', 1)[1].split(b"\r\n", 1)[0]
    assert head.endswith(b'"')
    assert set(head[:-1]) <= set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert sent.body.count(b"content-disposition") == 3


def test_an_audio_format_cannot_leave_the_header_either() -> None:
    sent = first("transcribe", TranscribeRequest(audio=Audio(b"s", 'wav"\r\nx: y'), boundary=BOUNDARY), OPENAI)
    assert b"\r\nx: y" not in sent.body
    assert b'filename="audio.wavxy"' in sent.body


@pytest.mark.parametrize("where", ["prompt", "language", "audio"])
def test_a_field_cannot_hold_the_boundary(where: str) -> None:
    evil = f'x\r\n--{BOUNDARY}\r\ncontent-disposition: form-data; name="model"\r\n\r\nother'
    asked = TranscribeRequest(audio=Audio(b"s", "wav"), boundary=BOUNDARY)
    asked = replace(asked, audio=Audio(evil.encode(), "wav")) if where == "audio" else replace(asked, **{where: evil})
    with pytest.raises(RequestError, match="boundary stands in"):
        first("transcribe", asked, OPENAI)


@pytest.mark.parametrize("boundary", ["", "short", "x" * 71, 'sixteen-chars"--', "with\r\nlinebreaks-", "späte-Grenze-hier"])
def test_a_boundary_is_letters_digits_and_dashes(boundary: str) -> None:
    with pytest.raises(RequestError):
        form({}, "f", "audio/wav", b"", boundary)


@pytest.mark.parametrize("name", ['a"; filename="x', "a\r\nb", "", "A-B"])
def test_a_field_of_a_form_is_a_plain_name(name: str) -> None:
    with pytest.raises(RequestError):
        form({name: "x"}, "f", "audio/wav", b"", BOUNDARY)


def test_half_a_surrogate_pair_is_refused_before_anything_is_sent() -> None:
    for target in (OPENAI, COHERE, MISTRAL, OLLAMA, GEMINI, VERTEX, BEDROCK):
        with pytest.raises(InvalidMessages):
            first("embed", EmbedRequest(texts=("\ud800",)), target)
    with pytest.raises(RequestError):
        first("transcribe", TranscribeRequest(audio=Audio(b"s", "wav"), boundary=BOUNDARY, prompt="\ud800"), OPENAI)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "index",
                    "embedding",
                    "values",
                    "results",
                    "data",
                    "flagged",
                    "relevance_score",
                    "text",
                    "segments",
                    "id",
                    "name",
                    "b64_json",
                    "url",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
ASKED = [
    *[("embed", TWO, target) for target in (OPENAI, COHERE, MISTRAL, OLLAMA, GEMINI, VERTEX, BEDROCK)],
    *[("rerank", RerankRequest(query="q", documents=("a", "b")), target) for target in (OPENAI, COHERE)],
    *[("models", ModelsRequest(), target) for target in (OPENAI, COHERE, MISTRAL, OLLAMA, GEMINI, ANTHROPIC)],
    *[("count_tokens", CountRequest(chat=ChatRequest(messages_from("hi"))), target) for target in (COHERE, GEMINI, ANTHROPIC, BEDROCK)],
    ("moderate", ModerateRequest(texts=("a",)), OPENAI),
    ("image", ImageRequest(prompt="a"), OPENAI),
    ("transcribe", TranscribeRequest(audio=Audio(b"s", "wav"), boundary=BOUNDARY), OPENAI),
]


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(ASKED),
    st.dictionaries(
        st.sampled_from(
            [
                "data",
                "results",
                "embeddings",
                "embedding",
                "predictions",
                "models",
                "usage",
                "meta",
                "tokens",
                "input_tokens",
                "text",
                "model",
                "last_id",
                "has_more",
            ]
        ),
        JSON,
        max_size=4,
    ),
)
def test_nothing_that_a_provider_says_raises_anything_else(asked: Any, answer: dict[str, Any]) -> None:
    operation, request, target = asked
    plan = plan_for(operation, request, target, codec_for(target.dialect))
    found: Any = None
    try:
        for _ in range(30):
            found = plan.send(found).read(Head(200, {}), answer)
    except (SaferouteError, StopIteration):
        pass
