"""What Responses answers, whole and streamed: tables of bodies, each also as its stream and byte by byte."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saferoute import errors
from saferoute.providers.openai_responses import OpenAIResponses
from saferoute.values.events import (
    Completed,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    TextDelta,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.http import Head
from saferoute.values.messages import Reasoning, Refusal, Text, ToolCall
from saferoute.values.usage import Buckets
from tests.unit.openai_responses_cases import (
    TARGET,
    as_events,
    decoded,
    folded,
    function_call,
    message,
    reasoning,
    response,
    said,
    sse,
    state,
    streamed,
    thought,
    whole,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.values.events import DecodedEvent
    from saferoute.values.messages import Content

Json = dict[str, Any]
REFUSED = {"type": "refusal", "refusal": "No."}
ENCRYPTED = reasoning("I think", encrypted_content="gAAA==")
SEARCH = {"id": "ws_1", "type": "web_search_call", "status": "completed", "action": {"type": "search", "query": "q"}}
CALLED = ToolCall("call_1", "weather", '{"city":"Paris"}')


def mark(**fields: str) -> Reasoning:
    return thought({"type": "message", **fields})


def item_added(item: Json, index: int | None = 0) -> Json:
    return {"type": "response.output_item.added", "item": item} | ({} if index is None else {"output_index": index})


def item_done(item: Json, index: int | None = 0) -> Json:
    return {**item_added(item, index), "type": "response.output_item.done"}


def delta(kind: str, piece: object, **place: object) -> Json:
    return {"type": f"response.{kind}.delta", "delta": piece, **place}


def text_delta(piece: object, **place: object) -> Json:
    return delta("output_text", piece, **place)


def completed(*output: Json, **more: Any) -> Json:
    return {"type": "response.completed", "response": response(*output, **more)}


def essence(events: list[DecodedEvent]) -> Any:
    """What a body and its stream must agree on: deltas may be cut differently."""
    fold = folded(events)
    return fold.started, fold.content(), fold.completed, [event for event in events if isinstance(event, PartEnd | ToolCallReady | Noticed)]


def parts_of(body: Json) -> tuple[Content, Completed]:
    """The parts and the end of a body, which its stream has too, however it is cut."""
    events = whole(body)
    for seed in range(3):
        assert essence(streamed(*as_events(body, seed))) == essence(events)
    fold = folded(events)
    assert fold.completed is events[-1]
    return fold.content(), fold.completed


# ------------------------------------------------------------------------------------------------------------ parts


@pytest.mark.parametrize(
    ("output", "content"),
    [
        ([], ()),
        ([message("Hello")], (Text("Hello"),)),
        ([message("")], ()),
        ([message("One", "Two")], (Text("One"), Text("Two"))),
        ([message("Zoë 🦊", REFUSED)], (Text("Zoë 🦊"), Refusal("No."))),
        ([function_call()], (CALLED,)),
        ([function_call(), function_call("other", "{}", "call_2", id="fc_2")], (CALLED, ToolCall("call_2", "other", "{}"))),
        ([function_call(arguments="")], (ToolCall("call_1", "weather", ""),)),
        ([message("Wait"), function_call()], (Text("Wait"), CALLED)),
        ([reasoning("a", "b")], (Reasoning("a\n\nb"),)),
        ([reasoning()], ()),
        ([ENCRYPTED], (thought(ENCRYPTED, "I think"),)),
        ([reasoning(encrypted_content="e", content=[{"type": "reasoning_text", "text": "open"}])], (thought(reasoning(encrypted_content="e", content=[{"type": "reasoning_text", "text": "open"}]), "open"),)),
        ([ENCRYPTED, message("Hi")], (thought(ENCRYPTED, "I think"), mark(id="msg_1"), Text("Hi"))),
        (
            [ENCRYPTED, function_call()],
            (thought(ENCRYPTED, "I think"), replace(CALLED, state=state({"id": "fc_1"}))),
        ),
        (
            [message("a", phase="commentary"), message("b", item_id="msg_2", phase="final_answer")],
            (mark(id="msg_1", phase="commentary"), Text("a"), mark(id="msg_2", phase="final_answer"), Text("b")),
        ),
        ([message("a", phase="commentary"), message("b", item_id="msg_2")], (mark(id="msg_1", phase="commentary"), Text("a"), mark(id="msg_2"), Text("b"))),
        ([message("a"), message("b", item_id="msg_2")], (Text("a"), Text("b"))),
        ([function_call(namespace="crm", caller={"type": "direct"})], (replace(CALLED, state=state({"namespace": "crm"})),)),
        ([function_call(caller={"type": "program", "caller_id": "p"})], (replace(CALLED, state=state({"caller": {"type": "program", "caller_id": "p"}})),)),
        ([SEARCH, message("Found")], (thought(SEARCH), Text("Found"))),
    ],
)  # fmt: skip
def test_items_are_parts(output: list[Json], content: Content) -> None:
    assert parts_of(response(*output))[0] == content


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.lists(st.text(max_size=12), max_size=3).map(lambda texts: message(*texts)),
            st.text(max_size=12).map(lambda text: message({"type": "refusal", "refusal": text})),
            st.lists(st.text(max_size=8), max_size=3).map(lambda texts: reasoning(*texts, encrypted_content="e")),
            st.dictionaries(st.text(max_size=3), st.text(max_size=9)).map(lambda value: function_call(arguments=json.dumps(value))),
            st.just(SEARCH),
        ),
        max_size=5,
    ),
    st.integers(0, 99),
)
def test_any_body_folds_as_its_stream(items: list[Json], seed: int) -> None:
    output = [{**item, "id": f"i_{n}"} | ({"call_id": f"c_{n}"} if "call_id" in item else {}) for n, item in enumerate(items)]
    body = response(*output)
    data = sse(as_events(body, seed))
    assert essence(decoded(data)) == essence(whole(body))
    assert decoded(data, step=1 + seed) == decoded(data)


def test_the_events_of_a_stream_come_as_they_arrive() -> None:
    assert streamed(
        {"type": "response.created", "response": response(status="in_progress", usage=None)},
        item_added({"id": "rs_1", "type": "reasoning", "summary": []}),
        delta("reasoning_summary_text", "hm", item_id="rs_1", output_index=0, summary_index=0),
        item_done(ENCRYPTED | {"summary": [{"type": "summary_text", "text": "hm"}]}),
        item_added(function_call(arguments="", status="in_progress"), 1),
        delta("function_call_arguments", '{"a"', item_id="fc_1", output_index=1),
        delta("function_call_arguments", ":1}", item_id="fc_1", output_index=1),
        item_done(function_call(arguments='{"a":1}'), 1),
        item_added(message(), 2),
        text_delta("Hi", item_id="msg_1", output_index=2, content_index=0, logprobs=[], obfuscation="xx"),
        delta("refusal", "no", item_id="msg_1", output_index=2, content_index=1),
        item_done(message("Hi", {"type": "refusal", "refusal": "no"}), 2),
        completed(ENCRYPTED, function_call(), message("Hi")),
    )[:-1] == [
        Started("resp_1", "gpt-5-2025-08-07"),
        ReasoningDelta("hm", 0),
        PartEnd(0, state(ENCRYPTED | {"summary": [{"type": "summary_text", "text": "hm"}]})),
        ToolCallDelta(1, "call_1", "weather", ""),
        ToolCallDelta(1, "call_1", "weather", '{"a"'),
        ToolCallDelta(1, "call_1", "weather", ":1}"),
        ToolCallReady(1, ToolCall("call_1", "weather", '{"a":1}', state({"id": "fc_1"}))),
        PartEnd(2, state({"type": "message", "id": "msg_1"})),
        TextDelta("Hi", 3),
        RefusalDelta("no", 4),
        PartEnd(3),
        PartEnd(4),
    ]


# --------------------------------------------------------------------------------------------- what other servers do


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([completed(message("Hello"), function_call())], id="nothing but the terminal event"),
        pytest.param([item_done(message("Hello")), item_done(function_call(), 1), completed()], id="only whole items"),
        pytest.param([item_added(message(), None), text_delta("Hello", item_id="msg_1"), item_done(message("Hello"), None), item_added(function_call(arguments=""), None), item_done(function_call(), None), completed(message("Hello"), function_call())], id="no output index"),
        pytest.param([item_added(message(), None), text_delta("Hel", item_id="msg_1"), item_added(function_call(arguments=""), None), delta("function_call_arguments", '{"city":"Paris"}', item_id="call_1"), text_delta("lo", item_id="msg_1"), completed(message("Hello"), function_call())], id="overlapping, ends in the terminal event, a call found by its call id"),
        pytest.param([text_delta("Hel"), text_delta("lo"), item_added(function_call(arguments="")), delta("function_call_arguments", '{"city":"Paris"}'), completed()], id="no item begins, no places at all"),
        pytest.param([item_added(message()), text_delta("Hello", item_id="x1", output_index=0), item_done(message("Hello", item_id="x2")), item_done(function_call(), 1), completed(message("Hello", item_id="x3"), function_call(id="x4"))], id="a new id every time"),
        pytest.param([item_added(message()), text_delta("Hel", output_index=0), completed(message("Hello"), function_call())], id="the rest of a text in the terminal event"),
        pytest.param([item_added(message()), text_delta("Hello", output_index=0), item_done(message("Hello")), item_done(message("Hello")), item_done(function_call(), 1), completed(function_call())], id="an item said twice, the terminal event has fewer"),
        pytest.param([item_added(message()), text_delta("Hello", output_index=0), item_done(message("hello!")), item_done(function_call(), 1), completed()], id="what was shown stays"),
        pytest.param([item_done(message("Hello")), item_added(function_call(arguments={})), item_done(function_call(arguments={"city": "Paris"}), 1), completed()], id="arguments as an object"),  # type: ignore[arg-type]
        pytest.param([item_done({"role": "assistant", "content": "Hello"}), item_done(function_call(), 1), completed()], id="a message without type, its content a text"),
        pytest.param([item_done(message("Hello")), item_done(function_call(), 1), completed(status="in_progress")], id="a stale status in the terminal event"),
        pytest.param([{"type": "response.weather.changed", "delta": 7}, item_added(message()), {"type": "response.audio.delta", "delta": "AA"}, text_delta("Hello"), item_done(function_call(), 1), completed()], id="unknown events"),
    ],
)  # fmt: skip
def test_what_servers_do_differently_gives_the_same_answer(events: list[Json]) -> None:
    fold = folded(streamed(*events))
    assert fold.content() == (Text("Hello"), CALLED)
    assert fold.completed is not None
    assert (fold.completed.finish_reason, fold.completed.raw_finish_reason) == ("tool_call", "completed")


def test_items_left_open_end_in_order_with_what_the_terminal_event_has() -> None:
    begun = [
        item_added(message(item_id="a")),
        item_added(message(item_id="b"), 1),
        text_delta("Hel", output_index=0),
        text_delta("Good", output_index=1),
    ]
    fold = folded(streamed(*begun, completed(message("Hello", item_id="x"), message("Goodbye", item_id="y"), message("!", item_id="z"))))
    assert fold.content() == (Text("Hello"), Text("Goodbye"), Text("!"))


def test_a_call_without_an_id_gets_one_that_differs_from_answer_to_answer() -> None:
    calls = [folded(whole(response(function_call(call_id=""), id="", created_at=n))).content()[0] for n in (1, 1, 2)]
    ids = [call.id for call in calls if isinstance(call, ToolCall)]
    assert ids[0] == ids[1] != ids[2]
    assert all(len(call_id) <= 64 and call_id.startswith("call_") for call_id in ids)


@pytest.mark.parametrize(
    "events",
    [
        [item_added({"id": "x"}), completed()],
        [item_done({"type": 7}), completed()],
        [item_done(function_call("")), completed()],
        [item_added(message()), text_delta(7, output_index=0)],
        [item_done(message("a")), text_delta("b", item_id="msg_1", output_index=0)],
        [completed("text")],  # type: ignore[arg-type]
    ],
)
def test_events_out_of_place_are_refused(events: list[Json]) -> None:
    with pytest.raises(errors.ProtocolError):
        decoded(sse(events))


@pytest.mark.parametrize("body", [{}, {"id": "r", "output": None}, {"output": "text"}, {"object": "list", "data": []}])
def test_a_body_without_output_is_no_answer(body: Json) -> None:
    with pytest.raises(errors.ProtocolError):
        whole(body)


# ------------------------------------------------------------------------------------------------------------ the end


@pytest.mark.parametrize(
    ("body", "finish", "raw"),
    [
        (response(message("a")), "stop", "completed"),
        (response(message("a"), status="complete"), "stop", "complete"),
        (response(function_call()), "tool_call", "completed"),
        (response(message(REFUSED)), "refusal", "completed"),
        (response(message(REFUSED), function_call()), "tool_call", "completed"),
        (
            response(message("a"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "length",
            "incomplete:max_output_tokens",
        ),
        (
            response(function_call(), status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
            "length",
            "incomplete:max_output_tokens",
        ),
        (
            response(message("a"), status="incomplete", incomplete_details={"reason": "content_filter"}),
            "content_filter",
            "incomplete:content_filter",
        ),
        (response(message("a"), status="incomplete", incomplete_details={"reason": "steered"}), "pause", "incomplete:steered"),
        (response(message("a"), status="incomplete", incomplete_details={"reason": "max_messages"}), "other", "incomplete:max_messages"),
        (response(message("a"), status="incomplete"), "other", "incomplete"),
    ],
)
def test_finish_reasons(body: Json, finish: str, raw: str) -> None:
    end = parts_of(body)[1]
    assert (end.finish_reason, end.raw_finish_reason) == (finish, raw)


@pytest.mark.parametrize(
    ("status", "finish"), [("queued", "pause"), ("in_progress", "pause"), ("cancelled", "error"), ("odd", "other"), (None, "other")]
)
def test_finish_reasons_that_only_whole_answers_have(status: str | None, finish: str) -> None:
    end = whole(response(status=status))[-1]
    assert isinstance(end, Completed)
    assert (end.finish_reason, end.raw_finish_reason) == (finish, status or "")


def test_usage_totals_include_their_details() -> None:
    written = {"cache_write_tokens": 30, "cache_write_tokens_details": {"ttl_30m_tokens": 20, "ttl_12h_tokens": 10}}
    raw = {
        "input_tokens": 100,
        "input_tokens_details": {"cached_tokens": 40, **written},
        "output_tokens": 50,
        "output_tokens_details": {"reasoning_tokens": 35},
    }
    usage = parts_of(response(message("a"), usage=raw))[1].usage
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read_input_tokens) == (100, 50, 40)
    assert (usage.cache_creation_input_tokens, usage.reasoning_output_tokens, usage.raw) == (30, 35, raw)
    assert usage.buckets == Buckets(input_uncached=30, cache_read=40, cache_write_5m=20, cache_write_1h=10, output_text=15, reasoning=35)


@pytest.mark.parametrize("usage", [None, {}, [], "12", {"input_tokens": None}, {"input_tokens": -1, "output_tokens": "3"}])
def test_usage_that_is_not_said_is_not_known(usage: object) -> None:
    end = whole(response(message("a"), usage=usage))[-1]
    assert isinstance(end, Completed)
    assert (end.usage.input_tokens, end.usage.output_tokens, end.usage.buckets) == (None, None, None)


def test_metadata_keeps_server_side_tools_apart_from_the_callers() -> None:
    custom = {"id": "ct_1", "type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "SELECT 1"}
    remote = {"id": "sh_1", "type": "shell_call", "call_id": "s", "environment": {"type": "container_reference", "container_id": "c"}}
    local = {"id": "sh_2", "type": "shell_call", "call_id": "t", "action": {"commands": ["ls"]}}
    body = response(
        SEARCH, custom, remote, local, {"id": "cmp", "type": "compaction", "encrypted_content": "e"}, {"id": "n", "type": "new_thing"}
    )
    content, end = parts_of(body)
    assert not [part for part in content if isinstance(part, ToolCall)]
    assert [part.state and json.loads(part.state.payload) for part in content if isinstance(part, Reasoning)] == body["output"]
    assert end.metadata == {"server_items": [SEARCH, remote, {"id": "n", "type": "new_thing"}], "client_items": [custom, local]}
    assert end.finish_reason == "stop"
    notices = [event.notice for event in whole(body) if isinstance(event, Noticed)]
    assert [("custom_tool_call" in notice.message, "shell_call" in notice.message) for notice in notices] == [(True, False), (False, True)]


def test_metadata_holds_the_providers_own_words_of_citations_and_the_tier() -> None:
    cited = said("See", annotations=[{"type": "url_citation", "url": "https://e.example"}])
    end = parts_of(response(message("First", cited), service_tier="flex"))[1]
    assert end.metadata == {
        "service_tier": "flex",
        "citations": [{"index": 1, "citation": {"type": "url_citation", "url": "https://e.example"}}],
    }


# ------------------------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("server_error", errors.ServerError),
        ("vector_store_timeout", errors.ServerError),
        ("rate_limit_exceeded", errors.RateLimited),
        ("insufficient_quota", errors.QuotaExceeded),
        ("context_length_exceeded", errors.ContextWindowExceeded),
        ("invalid_prompt", errors.BadRequest),
        ("invalid_api_key", errors.AuthenticationRejected),
        ("data_residency_mismatch", errors.BadRequest),
        ("image_too_large", errors.BadRequest),
        ("failed_to_download_image", errors.BadRequest),
        ("bio_policy", errors.ContentFiltered),
        ("misalignment_policy_violation", errors.ContentFiltered),
        ("image_content_policy_violation", errors.ContentFiltered),
        ("not_known", errors.ServerError),
    ],
)
def test_errors_inside_answers(code: str, kind: type[errors.ProviderError]) -> None:
    inner = {"code": code, "message": "my secret prompt"}
    created = {"type": "response.created", "response": response(status="in_progress")}
    forms: list[Callable[[], object]] = [
        lambda: whole(response(status="failed", error=inner)),
        lambda: whole({"error": inner}),
        lambda: streamed(created, {"type": "response.failed", "response": response(status="failed", error=inner)}),
        lambda: streamed(created, {"type": "error", "sequence_number": 2, "param": None, **inner}),
        lambda: streamed(created, {"type": "error", "sequence_number": 2, "error": {"type": code, **inner}}),
        lambda: streamed({"error": inner}),
    ]
    for form in forms:
        with pytest.raises(errors.ProviderError) as caught:
            form()
        assert type(caught.value) is kind
        assert (caught.value.code, caught.value.status, caught.value.request_id) == (code, 200, "req_1")
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (400, {"code": "context_length_exceeded"}, errors.ContextWindowExceeded),
        (400, {"code": "unsupported_value", "param": "reasoning.effort"}, errors.BadRequest),
        (400, {"code": "bio_policy"}, errors.ContentFiltered),
        (401, {"code": "invalid_api_key"}, errors.AuthenticationRejected),
        (403, {}, errors.PermissionDenied),
        (404, {"code": "model_not_found"}, errors.ModelNotFound),
        (413, {}, errors.RequestTooLarge),
        (429, {"code": "rate_limit_exceeded"}, errors.RateLimited),
        (429, {"code": "insufficient_quota"}, errors.QuotaExceeded),
        (500, {"code": "server_error"}, errors.ServerError),
        (503, {}, errors.Overloaded),
        (529, {}, errors.Overloaded),
    ],
)
def test_error_answers(status: int, error: Json, kind: type[errors.ProviderError]) -> None:
    with pytest.raises(errors.ProviderError) as caught:
        whole({"error": {"message": "m", "type": "invalid_request_error", **error}}, status=status)
    assert type(caught.value) is kind
    assert caught.value.status == status


def test_a_failed_answer_without_an_error_is_the_servers_fault() -> None:
    with pytest.raises(errors.ServerError):
        whole(response(status="failed"))
    with pytest.raises(errors.ServerError):
        streamed({"type": "response.failed", "response": None})


@pytest.mark.parametrize(
    "end", [b"", b"data: [DONE]\n\n", b": bye\n\n", b'event: response.completed\ndata: {"type":"response.completed","resp']
)
def test_a_stream_without_its_terminal_event_is_interrupted(end: bytes) -> None:
    data = sse(as_events(response(ENCRYPTED, message("Hello"), function_call()))[:-1]) + end
    for step in (1, 10_000):
        with pytest.raises(errors.StreamInterrupted):
            decoded(data, step=step)


def test_a_stream_cut_anywhere_is_interrupted() -> None:
    events = as_events(response(ENCRYPTED, message("Hello"), function_call()))
    data = sse(events)
    for cut in range(1, len(data) - len(sse(events[-1:])) + 1):
        with pytest.raises(errors.StreamInterrupted):
            decoded(data[:cut])


def test_done_and_later_events_mean_nothing() -> None:
    data = sse([*as_events(response(message("Hello"))), text_delta("more")]) + b"data: [DONE]\n\n"
    assert folded(decoded(data)).content() == (Text("Hello"),)


def test_a_reader_has_its_own_answer_only() -> None:
    codec = OpenAIResponses()
    one, two = codec.reader(TARGET), codec.reader(TARGET)
    one.on_body(response(message("a")))
    assert (one.completed, two.completed) == (True, False)
    assert isinstance(two.error(Head(500, {}), {}), errors.ServerError)
