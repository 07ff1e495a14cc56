"""The one call path, with the world played by a script: retries, fallback, streams, leaving early. Every scenario runs under both drivers."""

from __future__ import annotations

import asyncio
import gc
import json
import warnings
from dataclasses import replace

import pydantic
import pytest

from saferoute.call.effects import Abandoned
from saferoute.call.flow import call_flow
from saferoute.drivers.blocking import BlockingRun, Stream
from saferoute.drivers.concurrent import AsyncStream, ConcurrentRun
from saferoute.errors import (
    AuthenticationRejected,
    BadRequest,
    ConnectFailed,
    InvalidMessages,
    OutputInvalid,
    ProtocolError,
    RateLimited,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
    UnexpectedRedirect,
)
from saferoute.values.output import output_from
from tests.support.scripted import JSON, SSE, Answer, AsyncWorld, Witness, World, call, chat, stream, target

pytestmark = pytest.mark.parametrize("kind", ["blocking", "asyncio"])


def body(text: str = "hello", **choice: object) -> bytes:
    whole = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop", **choice}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    return json.dumps({"id": "chatcmpl-1", "model": "m-1-2026", "choices": [whole], "usage": usage}).encode()


def event(delta: dict[str, object], finish: str | None = None) -> bytes:
    chunk = {"id": "chatcmpl-1", "model": "m-1-2026", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


STREAM = [
    event({"role": "assistant", "content": ""}),
    event({"content": "hel"}),
    event({"content": "lo"}),
    event({}, "stop"),
    b"data: [DONE]\n\n",
]
ERROR = json.dumps({"error": {"message": "private words", "type": "t", "code": "c"}}).encode()


def failed(status: int, **headers: str) -> Answer:
    return Answer([ERROR], status, {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}})


def test_a_whole_body(kind: str) -> None:
    world = World(Answer([body()[:20], body()[20:]]))
    reply = chat(kind, world, call())
    assert (reply.text, reply.finish_reason, reply.raw_finish_reason) == ("hello", "stop", "stop")
    assert (reply.id, reply.model, reply.target, reply.route, reply.request_id) == ("chatcmpl-1", "m-1-2026", "row", "fast", "req-1")
    assert (reply.usage.input_tokens, reply.usage.output_tokens, reply.cost) == (3, 2, None)
    assert [message.role for message in reply.messages] == ["user", "assistant"]
    assert [(a.outcome, a.status) for a in reply.attempts] == [("ok", 200)]
    assert "hello" not in repr(reply)
    assert str(reply) == "hello"
    assert (world.finished, world.closed) == (1, 0)


def test_a_stream_gives_events_and_the_same_reply(kind: str) -> None:
    events, error, witness = stream(kind, World(Answer(STREAM, headers=SSE)), call(stream=True))
    assert error is None
    assert [e.type for e in events] == ["started", "text", "text", "part_end", "finished"]
    assert "".join(e.text for e in events if e.type == "text") == "hello"
    finished = events[-1]
    assert finished.type == "finished"
    assert finished.reply.text == "hello"
    assert [reply.text for reply in witness.replies] == ["hello"]
    assert witness.errors == []


@pytest.mark.parametrize("stop_after", range(4))
def test_a_stream_cut_before_its_terminal_event_raises_with_the_partial_text(kind: str, stop_after: int) -> None:
    events, error, witness = stream(kind, World(*[Answer(STREAM[:stop_after], headers=SSE)] * 3), call(stream=True))
    assert isinstance(error, StreamInterrupted)
    seen = "".join(e.text for e in events if e.type == "text")
    assert seen == ["", "", "hel", "hello"][stop_after]
    assert (error.partial.text if error.partial else "") == seen
    assert len(error.attempts) == (1 if seen else 3)  # nothing is retried once something was visible
    assert witness.errors == [error]


def test_retries_share_one_budget_and_keep_their_record(kind: str) -> None:
    world = World(failed(500), failed(429, retry_after="2"), Answer([body()]))
    reply = chat(kind, world, call())
    assert [a.outcome for a in reply.attempts] == ["ServerError", "RateLimited", "ok"]
    assert world.slept == [pytest.approx(0.25), pytest.approx(2.05)]
    assert len(world.requests) == 3


def test_exactly_the_allowed_requests_go_out(kind: str) -> None:
    world = World(failed(503), failed(503), failed(503), Answer([body()]))
    with pytest.raises(SaferouteError) as caught:
        chat(kind, world, call(max_attempts=2))
    assert len(world.requests) == 2
    assert [a.outcome for a in caught.value.attempts] == ["Overloaded", "Overloaded"]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (failed(400), BadRequest),
        (failed(401), AuthenticationRejected),
        (failed(307, location="https://evil.example"), UnexpectedRedirect),
        (Answer([b"<html>hello</html>"], headers={"content-type": "text/html"}), ProtocolError),
        (Answer([b'{"id": '], headers=JSON), ProtocolError),
        (Answer([b"[]"], headers=JSON), ProtocolError),
        (failed(429, retry_after="3600"), RateLimited),
        (failed(500, x_should_retry="false"), ServerError),
    ],
)
def test_what_does_not_help_is_not_tried_again(kind: str, answer: Answer, expected: type[SaferouteError]) -> None:
    world = World(answer)
    with pytest.raises(expected) as caught:
        chat(kind, world, call())
    assert len(world.requests) == len(caught.value.attempts) == 1
    assert "private words" not in str(caught.value)
    assert world.slept == []


def test_fallback_goes_in_order_without_waiting(kind: str) -> None:
    world = World(Answer(opening=ConnectFailed("refused")), failed(401), Answer([body()]))
    reply = chat(kind, world, call(target("a"), target("b"), replace(target("c"), secret="another")))
    assert reply.target == "c"
    assert [(a.target, a.outcome) for a in reply.attempts] == [("a", "ConnectFailed"), ("b", "AuthenticationRejected"), ("c", "ok")]
    assert [a.why for a in reply.attempts] == ["ordered", "next in order", "next in order"]
    assert world.slept == []


def test_a_refused_key_is_not_presented_again_in_the_same_call(kind: str) -> None:
    world = World(failed(401), Answer([body()]))
    with pytest.raises(AuthenticationRejected) as caught:
        chat(kind, world, call(target("a"), target("b")))
    assert len(world.requests) == 1
    assert [a.target for a in caught.value.attempts] == ["a"]


def test_a_bad_request_does_not_fall_back(kind: str) -> None:
    world = World(failed(400), Answer([body()]))
    with pytest.raises(BadRequest):
        chat(kind, world, call(target("a"), target("b")))
    assert len(world.requests) == 1


def test_streams_fall_back_until_the_first_visible_event(kind: str) -> None:
    world = World(Answer([STREAM[0], ConnectFailed("reset")], headers=SSE), Answer(STREAM, headers=SSE))
    events, error, _ = stream(kind, world, call(target("a"), target("b"), stream=True))
    assert error is None
    assert [e.type for e in events].count("started") == 1
    assert events[-1].type == "finished"


def test_the_total_deadline_ends_the_call(kind: str) -> None:
    world = World(Answer(opening=TimedOut(clock="total", seconds=5, sent=True)), Answer([body()]))
    with pytest.raises(TimedOut):
        chat(kind, world, call(target("a"), target("b"), total=5))
    assert len(world.requests) == 1
    assert (world.clocks[0].total, world.clocks[0].deadline) == (5, 1005.0)


def test_leaving_a_stream_early_cancels_upstream(kind: str) -> None:
    world = World(Answer(STREAM, headers=SSE))
    events, error, witness = stream(kind, world, call(stream=True), take=2)
    assert error is None
    assert len(events) == 2
    assert world.closed == 1
    assert [type(e) for e in witness.errors] == [Abandoned]


def test_an_exchange_is_closed_after_an_error(kind: str) -> None:
    world = World(Answer([b"junk"], headers=JSON))
    with pytest.raises(ProtocolError):
        chat(kind, world, call())
    assert world.closed == 1


def test_what_was_asked_for_and_did_not_come_is_said(kind: str) -> None:
    reply = chat(kind, World(Answer([body()])), call(target(), n=3, logprobs=2))
    assert [(notice.kind, notice.parameter, notice.message) for notice in reply.warnings] == [
        ("noted", "n", "3 answers were asked for, and 1 came"),
        ("noted", "logprobs", "were asked for, and none came"),
    ]
    logprobs = {"content": [{"token": "hello", "logprob": -0.5, "top_logprobs": []}]}
    reply = chat(kind, World(Answer([body(logprobs=logprobs)])), call(target(), logprobs=0))
    assert reply.warnings == ()
    assert [(likely.token, likely.logprob) for likely in reply.logprobs] == [("hello", -0.5)]


class Pet(pydantic.BaseModel):
    name: str


def test_structured_output(kind: str) -> None:
    reply = chat(kind, World(Answer([body('{"name": "Rex"}')])), call(output=output_from(Pet)))
    assert reply.parsed == Pet(name="Rex")
    for wrong in (body('{"name": 7}'), body("not json"), body('{"na', finish_reason="length")):
        with pytest.raises(OutputInvalid) as caught:
            chat(kind, World(Answer([wrong])), call(output=output_from(Pet)))
        assert caught.value.reply is not None
        assert caught.value.reply.text
    with pytest.raises(AttributeError, match="output="):
        _ = chat(kind, World(Answer([body()])), call()).parsed


def test_an_answer_without_an_id_gets_a_unique_one(kind: str) -> None:
    anonymous = json.dumps({"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}).encode()
    reply = chat(kind, World(Answer([anonymous])), call())
    assert (reply.id, reply.model) == ("made-id", "m-1")
    assert reply.usage.input_tokens is None


def test_a_text_that_is_no_unicode_is_refused_before_anything_is_sent(kind: str) -> None:
    world = World()
    with pytest.raises(InvalidMessages, match="surrogate"):
        chat(kind, world, call(stop=("\ud800",)))
    assert world.requests == []


def test_foreign_names_on_a_reply_are_explained(kind: str) -> None:
    reply = chat(kind, World(Answer([body()])), call())
    with pytest.raises(AttributeError, match=r"reply\.text"):
        _ = reply.choices


def test_a_dropped_stream_warns_and_is_given_up_at_once(kind: str) -> None:
    world, witness = World(Answer(STREAM, headers=SSE)), Witness()
    outside = AsyncWorld(world)

    def blocking() -> None:
        next(Stream("fast", BlockingRun(call_flow(call(stream=True), world.now), world, world.clock, world.sleep), witness))

    async def concurrent() -> None:
        work = ConcurrentRun(call_flow(call(stream=True), world.now), outside, world.clock, outside.sleep)
        async for _ in AsyncStream("fast", work, lambda: witness):
            del work
            break
        assert world.closed == 1  # at once, not when the loop ends

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        blocking() if kind == "blocking" else asyncio.run(concurrent())
        gc.collect()
    assert any(issubclass(w.category, ResourceWarning) and "dropped before its end" in str(w.message) for w in caught)
    assert world.closed == 1
    assert [type(error) for error in witness.errors] == [Abandoned]


def test_a_cancelled_call_tidies_up(kind: str) -> None:
    if kind == "blocking":
        world = World(Answer([body()]))

        def interrupted(_: object = None) -> bytes:
            raise KeyboardInterrupt

        work = BlockingRun(call_flow(call(), world.now), world, world.clock, world.sleep)
        original = world.open
        world.open = lambda request, clocks: _with_read(original(request, clocks), interrupted)  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            work.advance()
        assert (work.finished, world.closed) == (True, 1)
        return

    async def scenario() -> None:
        world = World(Answer([body()]))
        outside = AsyncWorld(world)
        reading = asyncio.Event()

        async def never() -> bytes:
            reading.set()
            await asyncio.Event().wait()
            return b""

        original = outside.open

        async def opened(request: object, clocks: object) -> object:
            return _with_read(await original(request, clocks), never)  # type: ignore[arg-type]

        outside.open = opened  # type: ignore[method-assign, assignment]
        work = ConcurrentRun(call_flow(call(), world.now), outside, world.clock, outside.sleep)
        task = asyncio.create_task(work.advance())
        await reading.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (work.finished, world.closed) == (True, 1)

    asyncio.run(scenario())


def _with_read(exchange: object, read: object) -> object:
    exchange.read = read  # type: ignore[attr-defined]
    return exchange
