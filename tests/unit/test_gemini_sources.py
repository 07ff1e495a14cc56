"""What an answer of generateContent says besides its text: alternatives, sources with their places, and how likely its tokens were."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute.errors import StreamInterrupted
from saferoute.providers.gemini_sources import cited
from saferoute.values.events import Cited, Completed, DecodedEvent, TokenLogprob
from saferoute.values.messages import Citation, Reasoning, Text, ToolCall
from tests.unit.gemini_cases import answer, assistant, body_of, call, decoded, decoded_whole, folded, sse, state, text, thought, user

Json = dict[str, Any]
A, B = {"web": {"uri": "https://a.example", "title": "A"}}, {"web": {"uri": "https://b.example", "title": "B", "domain": "b.example"}}
CITED_A, CITED_B = Citation(title="A", url="https://a.example"), Citation(title="B", url="https://b.example")


def completed(events: list[DecodedEvent]) -> Completed:
    last = events[-1]
    assert isinstance(last, Completed)
    return last


def support(words: str, start: int | None, *chunks: int, end: int | None = None) -> Json:
    size = (start or 0) + len(words.encode()) if end is None else end
    place = {"endIndex": size, "text": words} | ({} if start is None else {"startIndex": start})
    return {"segment": place, "groundingChunkIndices": list(chunks)}


def grounded(*supports: Json, chunks: tuple[Any, ...] = (A, B)) -> Json:
    return {"groundingMetadata": {"groundingChunks": list(chunks), "groundingSupports": list(supports), "webSearchQueries": ["q"]}}


def at(citation: Citation, start: int | None, end: int | None) -> Citation:
    return Citation(start, end, citation.title, citation.url, citation.source, citation.quote)


# ---------------------------------------------------------------------------------------------------- sources


def test_places_are_characters_of_the_part_and_every_source_is_said_once() -> None:
    said = grounded(support("Grüße, 世界!", None, 0), support("世界!", 9, 1, 0), support("世界!", 9, 1), support("hin", 0, 7, -1))
    body = answer(thought("hm"), text("Grüße, 世界! Gut."), candidate=said)
    for events in (decoded_whole(body), decoded(sse([body]))):
        assert folded(events).content() == (
            Reasoning("hm", state({"thought": True})),
            Text("Grüße, 世界! Gut.", (at(CITED_A, 0, 10), at(CITED_B, 7, 10), at(CITED_A, 7, 10))),
        )
        assert [event.index for event in events if isinstance(event, Cited)] == [1, 1, 1]
        assert completed(events).metadata["groundingMetadata"]["webSearchQueries"] == ["q"]


def test_sources_of_a_stream_may_come_before_and_after_their_text() -> None:
    pieces = [
        answer(text("It ra"), finish=None, candidate={"groundingMetadata": {"groundingChunks": [A]}}),
        answer(text("ins. "), finish=None, candidate={"groundingMetadata": {"groundingSupports": [support("rains", 3, 0)]}}),
        answer(text("A lot."), candidate={"groundingMetadata": {"groundingChunks": [A, B]}}),
    ]
    assert folded(decoded(sse(pieces))).content() == (Text("It rains. A lot.", (at(CITED_A, 3, 8),)),)


def test_the_sources_of_an_earlier_turn_are_never_sent() -> None:
    content = folded(decoded_whole(answer(text("It rains."), candidate=grounded(support("rains", 3, 0))))).content()
    assert content == (Text("It rains.", (at(CITED_A, 3, 8),)),)
    assert body_of(user("q"), assistant(*content), user("next"))["contents"][1] == {"role": "model", "parts": [{"text": "It rains."}]}


@pytest.mark.parametrize(
    "segment",
    [
        {},
        {"segment": {"startIndex": 3, "endIndex": 8, "text": "sunny"}},
        {"segment": {"startIndex": 3, "endIndex": 9, "text": "rains"}},
        {"segment": {"startIndex": 8, "endIndex": 3, "text": ""}},
        {"segment": {"startIndex": 3, "endIndex": 99}},
        {"segment": {"startIndex": -3, "endIndex": 2}},
        {"segment": {"startIndex": 3, "endIndex": "8", "text": "rains"}},
        {"segment": 7},
    ],
)
def test_a_place_that_is_not_where_it_says_is_left_out_and_the_source_stays(segment: Json) -> None:
    said = grounded(segment | {"groundingChunkIndices": [0]})
    assert folded(decoded_whole(answer(text("It rains."), candidate=said))).content() == (Text("It rains.", (CITED_A,)),)


def test_a_place_without_words_is_one_in_the_first_text() -> None:
    said = grounded({"segment": {"startIndex": 3, "endIndex": 8}, "groundingChunkIndices": [0]})
    assert folded(decoded_whole(answer(text("It rains."), candidate=said))).content() == (Text("It rains.", (at(CITED_A, 3, 8),)),)


def test_a_place_is_found_in_the_text_that_has_its_words() -> None:
    body = answer(text("One é ", "QQ=="), call(), text("and two é."), candidate=grounded(support("two", 4, 0), support("é", 8, 1)))
    parts = [part for part in folded(decoded_whole(body)).content() if isinstance(part, Text)]
    assert parts == [Text("One é "), Text("and two é.", (at(CITED_A, 4, 7), at(CITED_B, 8, 9)))]


def test_sources_without_support_belong_to_the_answer() -> None:
    assert folded(decoded_whole(answer(text("a"), candidate=grounded()))).content() == (Text("a", (CITED_A, CITED_B)),)
    assert not [event for event in decoded_whole(answer(candidate=grounded())) if isinstance(event, Cited)]


@pytest.mark.parametrize(
    ("chunk", "citation"),
    [
        (
            {"retrievedContext": {"uri": "gs://b/a", "title": "A", "text": "words", "documentName": "projects/p/d"}},
            Citation(title="A", url="gs://b/a", source="projects/p/d", quote="words"),
        ),
        ({"maps": {"uri": "https://m.example", "title": "M", "placeId": "places/1", "text": "a place"}}, Citation(title="M", url="https://m.example", source="places/1", quote="a place")),
        ({"image": {"sourceUri": "https://i.example", "imageUri": "https://i.example/i.png", "title": "I"}}, Citation(title="I", url="https://i.example")),
        ({"web": {}}, None),
        ({"web": 7}, None),
        ({}, None),
        (7, None),
    ],
)  # fmt: skip
def test_kinds_of_sources(chunk: Any, citation: Citation | None) -> None:
    said = grounded(support("a", 0, 0), chunks=(chunk,))
    expected = () if citation is None else (at(citation, 0, 1),)
    assert folded(decoded_whole(answer(text("a"), candidate=said))).content() == (Text("a", expected),)


@pytest.mark.parametrize("name", ["citations", "citationSources"])
def test_repeated_sources_have_places_in_all_of_the_texts(name: str) -> None:
    entries = [
        {"uri": "https://a.example", "endIndex": 3},
        {"startIndex": 8, "endIndex": 12, "title": "T", "license": "mit"},
        {"startIndex": 5, "endIndex": 99, "uri": "https://b.example"},
        {"startIndex": 99, "endIndex": 100, "uri": "https://c.example"},
        {"startIndex": 1, "uri": "https://d.example"},
        {"startIndex": 1, "endIndex": 2},
        {},
    ]
    body = answer(text("é one ", "QQ=="), text("é two", "Qg=="), candidate={"citationMetadata": {name: [*entries, *entries]}})
    parts = [part for part in folded(decoded_whole(body)).content() if isinstance(part, Text)]
    assert parts == [
        Text(
            "é one ",
            (
                Citation(0, 2, url="https://a.example"),
                Citation(4, 6, url="https://b.example"),
                Citation(url="https://c.example"),
                Citation(url="https://d.example"),
            ),
        ),
        Text("é two", (Citation(0, 4, title="T"),)),
    ]


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="aé世🦊 ", max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
def test_places_are_what_they_are_in_characters(words: str, ranges: list[tuple[int, int]]) -> None:
    spans = [(start, end) for start, end in ranges if start < end <= len(words)]
    supports = [support(words[start:end], len(words[:start].encode()), 0) for start, end in spans]
    events = cited(grounded(*supports), {3: words})
    if spans:
        assert events == [Cited(3, at(CITED_A, start, end)) for start, end in dict.fromkeys(spans)]


def test_many_sources_and_texts_are_read_in_linear_time() -> None:
    words = "é" * 200_000
    supports = [support("é", 2 * n, 0) for n in range(50_000)] + [support("x" * 9, 0, 0, end=9)] * 50_000
    texts = dict.fromkeys(range(50_000), words[:10]) | {0: words}
    assert len(cited(grounded(*supports), texts)) == 50_001  # read quadratically, this would run into the timeout


# ---------------------------------------------------------------------------------------------------- how likely


def test_logprobs() -> None:
    chosen = [
        {"token": "It", "logProbability": -0.5, "tokenId": 7},
        {"token": " rains"},
        {"tokenId": 8},
        7,
        {"token": "!", "logProbability": "x"},
    ]
    beside = [{"candidates": [{"token": "It", "logProbability": -0.5}, {"token": "He", "logProbability": -2}, {}]}, {}, {}, {}]
    said = {"logprobsResult": {"chosenCandidates": chosen, "topCandidates": beside}, "avgLogprobs": -0.1}
    end = completed(decoded_whole(answer(text("It rains!"), candidate=said)))
    assert end.logprobs == (TokenLogprob("It", -0.5, (("It", -0.5), ("He", -2.0))), TokenLogprob(" rains", 0.0))
    assert end.metadata == {"avgLogprobs": -0.1}
    huge = {"logprobsResult": {"chosenCandidates": [{"token": "a", "logProbability": 10**400}]}}
    assert completed(decoded_whole(answer(text("a"), candidate=huge))).logprobs == ()


def test_logprobs_of_a_stream_come_in_pieces() -> None:
    pieces = [
        answer(text(word), finish=None, candidate={"logprobsResult": {"chosenCandidates": [{"token": word, "logProbability": -1.0}]}})
        for word in ("a", "b")
    ]
    assert completed(decoded(sse([*pieces, answer()]))).logprobs == (TokenLogprob("a", -1.0), TokenLogprob("b", -1.0))


# ---------------------------------------------------------------------------------------------------- alternatives


def candidate(index: int | None, *parts: Json, finish: str | None = "STOP", **more: Any) -> Json:
    fields: Json = {"content": {"role": "model", "parts": list(parts)}} | more
    return fields | ({} if index is None else {"index": index}) | ({} if finish is None else {"finishReason": finish})


def test_other_candidates_are_alternatives() -> None:
    sources = grounded(support("two", 0, 0))
    body = answer() | {
        "candidates": [
            candidate(2, thought("hm"), text("three"), call(id="fc")),
            candidate(1, text("two"), finish="MAX_TOKENS", **sources),
            candidate(0, text("one")),
        ]
    }
    events = decoded_whole(body)
    assert folded(events).content() == (Text("one"),)
    end = completed(events)
    assert (end.finish_reason, end.metadata) == ("stop", {})
    assert [(other.finish_reason, other.raw_finish_reason) for other in end.alternatives] == [
        ("length", "MAX_TOKENS"),
        ("tool_call", "STOP"),
    ]
    assert tuple(other.message.content for other in end.alternatives) == (
        (Text("two", (at(CITED_A, 0, 3),)),),
        (Reasoning("hm", state({"thought": True})), Text("three"), ToolCall("fc", "weather", '{"city":"Łódź","days":[1,2]}')),
    )


def test_candidates_without_an_index_stand_in_order() -> None:
    end = completed(decoded_whole(answer() | {"candidates": [candidate(None, text("one")), candidate(None, text("two")), 7]}))
    assert [other.text for other in end.alternatives] == ["two"]


@pytest.mark.parametrize("index", ["1", 1.5, -1, 128, 10**30, True])
def test_candidates_that_no_call_asked_for_are_left_out(index: Any) -> None:
    events = decoded_whole(answer() | {"candidates": [candidate(0, text("one")), candidate(index, text("no"))]})
    assert folded(events).content() == (Text("one"),)
    assert completed(events).alternatives == ()


def test_alternatives_of_a_stream_come_in_turns_and_have_to_be_whole() -> None:
    pieces = [
        answer() | {"candidates": [candidate(None, text("on"), finish=None)]},
        answer() | {"candidates": [candidate(1, text("tw"), finish=None)]},
        answer() | {"candidates": [candidate(None, text("e"))]},
        answer() | {"candidates": [candidate(1, text("o"))]},
    ]
    data = sse(pieces)
    for events in (decoded(data), decoded(*(data[n : n + 1] for n in range(len(data))))):
        assert folded(events).content() == (Text("one"),)
        assert [other.message.content for other in completed(events).alternatives] == [(Text("two"),)]
    with pytest.raises(StreamInterrupted):
        decoded(sse(pieces[:3]))


def test_calls_of_alternatives_have_ids_of_their_own() -> None:
    body = answer() | {"candidates": [candidate(index, call()) for index in range(3)]}
    end = completed(events := decoded_whole(body))
    contents = (folded(events).content(), *(other.message.content for other in end.alternatives))
    calls = [part for content in contents for part in content if isinstance(part, ToolCall)]
    assert len({made.id for made in calls}) == 3
    assert json.dumps([made.arguments for made in calls])
