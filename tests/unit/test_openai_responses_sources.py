"""What an answer of Responses says besides its text: sources with their places, and how likely its tokens were; streamed and whole."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.values.events import Cited, Completed, DecodedEvent, PartEnd, TextDelta, TokenLogprob
from saferoute.values.messages import Citation, Reasoning, Refusal, Text
from tests.unit.openai_responses_cases import as_events, assistant, body_of, folded, message, response, said, state, streamed, user, whole

Json = dict[str, Any]
PAGE = {"type": "url_citation", "start_index": 0, "end_index": 3, "title": "A", "url": "https://a.example"}
FILE = {"type": "file_citation", "index": 5, "file_id": "file-1", "filename": "a.pdf"}
MADE = {"type": "container_file_citation", "start_index": 1, "end_index": 2, "container_id": "c", "file_id": "cf", "filename": "a.png"}
CITED_PAGE = Citation(0, 3, "A", "https://a.example")
CITED_FILE = Citation(end=5, title="a.pdf", source="file-1")
CITED_MADE = Citation(1, 2, "a.png", source="cf")


def added(annotation: object, item: str = "msg_1", content: int = 0) -> Json:
    place = {"item_id": item, "output_index": 0, "content_index": content, "annotation_index": 0}
    return {"type": "response.output_text.annotation.added", "annotation": annotation, **place}


def end_of(events: list[DecodedEvent]) -> Completed:
    last = events[-1]
    assert isinstance(last, Completed)
    return last


# ---------------------------------------------------------------------------------------------------- sources


@pytest.mark.parametrize(
    ("annotation", "citation"),
    [
        (PAGE, CITED_PAGE),
        (FILE, CITED_FILE),
        (MADE, CITED_MADE),
        ({"type": "url_citation", "url": "https://x.example"}, Citation(url="https://x.example")),
        ({"type": "url_citation", "url": "https://x.example", "content": "words"}, Citation(url="https://x.example", quote="words")),
        ({"type": "citation_of_tomorrow", "title": "T", "start_index": -1, "end_index": 1.5}, Citation(title="T")),
        ({"type": "file_path", "file_id": "f", "index": 0}, None),
        ({"type": "url_citation", "start_index": 0, "end_index": 3}, None),
        ({"type": "url_citation", "url": 7, "title": ["A"]}, None),
        ({}, None),
        (7, None),
        (None, None),
    ],
)
def test_annotations_are_citations(annotation: Any, citation: Citation | None) -> None:
    body = response(message(said("Hello", annotations=[annotation, annotation])))
    events = whole(body)
    assert folded(events).content() == (Text("Hello", () if citation is None else (citation,)),)
    assert end_of(events).metadata == {"citations": [{"index": 0, "citation": annotation}] * 2}
    for seed in range(3):
        stream = streamed(*as_events(body, seed))
        assert folded(stream).content() == folded(events).content()
        assert end_of(stream) == end_of(events)


def test_annotations_come_with_their_text_and_the_items_end_repeats_them() -> None:
    done = message(said("Hello", annotations=[PAGE, FILE, MADE]))
    begun = as_events(response(done))
    first_delta = next(n for n, event in enumerate(begun) if event["type"] == "response.output_text.delta")
    events = streamed(*begun[: first_delta + 1], added(PAGE), added(FILE), added(PAGE), added(7), *begun[first_delta + 1 :])
    kinds = [type(event) for event in events if isinstance(event, TextDelta | Cited | PartEnd)]
    assert kinds[:3] == [TextDelta, Cited, Cited]
    assert kinds[-2:] == [Cited, PartEnd]
    assert [event for event in events if isinstance(event, Cited)] == [Cited(0, CITED_PAGE), Cited(0, CITED_FILE), Cited(0, CITED_MADE)]
    assert folded(events).content() == folded(whole(response(done))).content()


@pytest.mark.parametrize(
    "early",
    [
        added(PAGE, item="msg_9", content=7),
        added(PAGE),
        {"type": "response.output_text.annotation.added", "annotation": PAGE},
        {"type": "response.output_text.annotation.added"},
    ],
)
def test_an_annotation_of_a_text_that_has_not_begun_waits_for_the_items_end(early: Json) -> None:
    done = message(said("Hello", annotations=[PAGE]))
    events = as_events(response(done))
    for at in (0, 2, 3):
        assert folded(streamed(*events[:at], early, *events[at:])).content() == (Text("Hello", (CITED_PAGE,)),)


def test_an_annotation_after_its_item_is_over_says_nothing() -> None:
    events = as_events(response(message("Hello")))
    assert folded(streamed(*events[:-1], added(PAGE), events[-1])).content() == (Text("Hello"),)


def test_every_text_has_its_own_sources() -> None:
    texts = [
        said("One", annotations=[PAGE]),
        {"type": "refusal", "refusal": "no", "annotations": []},
        said("Two", annotations=[PAGE, FILE]),
    ]
    assert folded(whole(response(message(*texts)))).content() == (
        Text("One", (CITED_PAGE,)),
        Refusal("no"),
        Text("Two", (CITED_PAGE, CITED_FILE)),
    )


def test_the_sources_of_an_earlier_turn_are_never_sent() -> None:
    sealed = {"id": "rs", "type": "reasoning", "summary": [], "encrypted_content": "e"}
    content = folded(whole(response(sealed, message(said("Hello", annotations=[PAGE]))))).content()
    assert content[2] == Text("Hello", (CITED_PAGE,))
    item = body_of(user("q"), assistant(*content), user("next"))["input"][2]
    assert item["content"] == [{"type": "output_text", "text": "Hello", "annotations": []}]


# ---------------------------------------------------------------------------------------------------- how likely


def token(word: object, logprob: object, **more: Any) -> Json:
    return {"token": word, "logprob": logprob, "bytes": [1], **more}


def test_logprobs_in_order_of_the_texts() -> None:
    first = said("It", logprobs=[token("It", -0.5, top_logprobs=[token("It", -0.5), token("He", -2), {"token": "x"}, 7])])
    second = said("!", logprobs=[token("!", 0)])
    body = response(message("a", first), message(second, item_id="msg_2"))
    events = whole(body)
    assert end_of(events).logprobs == (TokenLogprob("It", -0.5, (("It", -0.5), ("He", -2.0))), TokenLogprob("!", 0.0))
    assert "logprobs" not in end_of(events).metadata
    for seed in range(3):
        assert end_of(streamed(*as_events(body, seed))) == end_of(events)


@pytest.mark.parametrize(
    "wrong", [token(7, -1), token("a", "x"), token("a", None), token("a", True), token("a", 10**400), {"token": "a"}, 7, None]
)
def test_a_logprob_that_is_none_is_left_out(wrong: Any) -> None:
    assert end_of(whole(response(message(said("a", logprobs=[wrong, token("a", -1)]))))).logprobs == (TokenLogprob("a", -1.0),)
    assert end_of(whole(response(message(said("a", logprobs=wrong))))).logprobs == ()


def test_logprobs_of_pieces_hold_where_the_items_end_says_none() -> None:
    def piece(word: str, **more: Any) -> Json:
        return {"type": "response.output_text.delta", "delta": word, "item_id": "msg_1", "output_index": 0, "content_index": 0, **more}

    pieces = [piece("a", logprobs=[token("a", -1)]), piece("b", logprobs=[token("b", -2)]), piece("c", logprobs=[])]
    begun: Json = {"type": "response.output_item.added", "output_index": 0, "item": message()}
    for last, wanted in (
        (message("abc"), (TokenLogprob("a", -1.0), TokenLogprob("b", -2.0))),
        (message(said("abc", logprobs=[token("abc", -3)])), (TokenLogprob("abc", -3.0),)),
    ):
        events = streamed(begun, *pieces, {"type": "response.completed", "response": response(last)})
        assert end_of(events).logprobs == wanted


def test_a_search_that_ran_at_the_provider_is_no_call_of_the_callers() -> None:
    search = {"id": "ws", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
    results = {"id": "sr", "type": "search_results", "results": [{"title": "A", "url": "https://a.example"}]}  # Perplexity's
    events = whole(response(search, results, message(said("Hi", annotations=[PAGE]))))
    assert folded(events).content() == (Reasoning("", state(search)), Reasoning("", state(results)), Text("Hi", (CITED_PAGE,)))
    assert end_of(events).metadata["server_items"] == [search, results]
    assert end_of(events).finish_reason == "stop"
