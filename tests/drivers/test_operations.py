"""The operations besides chat under both drivers, over a transport that plays a script: the same retries, fallbacks and errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.call.operation import OperationCall, operation_flow
from saferoute.drivers.blocking import run
from saferoute.drivers.concurrent import run_async
from saferoute.errors import (
    AuthenticationRejected,
    ConnectFailed,
    ContextWindowExceeded,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
    UnexpectedRedirect,
    UnsupportedParameter,
    UntrustedTable,
)
from saferoute.providers.operations.contract import CountRequest, EmbedRequest, ModelsRequest, SpeakRequest
from saferoute.providers.registry import codec_for
from saferoute.values.conversation import messages_from
from saferoute.values.embeddings import Embeddings
from saferoute.values.recordings import Speech
from saferoute.values.request import ChatRequest
from saferoute.values.target import Deadlines, Prices
from saferoute.values.tokens import TokenCount
from tests.support.both import KINDS
from tests.support.scripted import Answer, AsyncWorld, Witness, World, target

BUSY = json.dumps({"error": {"message": "busy", "type": "rate_limit_error"}}).encode()


def answered(*numbers: float, tokens: int = 3, model: str = "m-1-x") -> Answer:
    data = [{"index": place, "embedding": [number]} for place, number in enumerate(numbers)]
    body = json.dumps({"data": data, "model": model, "usage": {"prompt_tokens": tokens}}).encode()
    return Answer([body[:7], body[7:]])


def failed(status: int, body: bytes = BUSY, **headers: str) -> Answer:
    return Answer([body], status, {"content-type": "application/json", "x-request-id": "req-9", **headers})


def operate(
    kind: str, world: World, *targets: Any, operation: Any = "embed", request: Any = None, build: Callable[..., Any] = Embeddings, max_attempts: int = 3,
    total: float | None = None, recheck: Callable[[Any], None] = lambda _: None,
) -> Any:  # fmt: skip
    call = OperationCall(
        operation,
        "fast",
        request or EmbedRequest(texts=("a",)),
        build,
        targets or (target(),),
        max_attempts,
        total,
        (),
        codec_for,
        recheck,
        lambda: 0.5,
    )
    witness = Witness()
    try:
        if kind == "blocking":
            result = run(operation_flow(call, world.now), world, world.clock, world.sleep, witness)
        else:
            outside = AsyncWorld(world)
            result = asyncio.run(run_async(operation_flow(call, world.now), outside, world.clock, outside.sleep, witness))
    except SaferouteError as error:
        assert witness.errors == [error]
        raise
    assert witness.replies == [result]
    return result


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_an_answer(kind: str) -> None:
    world = World(answered(0.5))
    found = operate(kind, world, target(prices=Prices(input=1000, output=0)))
    assert isinstance(found, Embeddings)
    assert [list(vector) for vector in found] == [[0.5]]
    assert (found.route, found.target, found.model, found.provider_name, found.request_id) == ("fast", "row", "m-1-x", "openai", "req-1")
    assert (found.usage.input_tokens, str(found.cost), found.warnings) == (3, "0.000003", ())
    assert [(attempt.outcome, attempt.status, attempt.request_id) for attempt in found.attempts] == [("ok", 200, "req-1")]
    assert (world.finished, world.closed, world.slept) == (1, 0, [])


def test_a_model_that_is_shaped_like_a_key_is_not_repeated(kind: str) -> None:
    assert operate(kind, World(answered(0.5, model="sk-0123456789"))).model == "m-1"


def test_it_is_tried_again(kind: str) -> None:
    world = World(failed(429, **{"retry-after": "2"}), failed(500), answered(0.5))
    found = operate(kind, world)
    assert [attempt.outcome for attempt in found.attempts] == ["RateLimited", "ServerError", "ok"]
    assert len({request.body for request in world.requests}) == 1
    assert world.slept[0] >= 2
    assert world.closed == 2


def test_no_more_than_max_attempts(kind: str) -> None:
    with pytest.raises(RateLimited) as caught:
        operate(kind, World(failed(429), failed(429), answered(0.5)), max_attempts=2)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["RateLimited", "RateLimited"]


def test_only_the_failed_batch_is_sent_again(kind: str) -> None:
    texts = tuple(f"{number} " + "x" * 299_000 for number in range(3))  # too large for two of them to go together
    world = World(answered(0.0), failed(503), answered(1.0), failed(503), answered(2.0))
    found = operate(kind, world, request=EmbedRequest(texts=texts), max_attempts=3)
    assert [list(vector) for vector in found] == [[0.0], [1.0], [2.0]]
    assert [json.loads(request.body)["input"][0][0] for request in world.requests] == ["0", "1", "1", "2", "2"]
    assert [attempt.outcome for attempt in found.attempts] == ["ok", "Overloaded", "ok", "Overloaded", "ok"]
    assert found.usage.input_tokens == 9
    with pytest.raises(SaferouteError) as caught:
        operate(kind, World(answered(0.0), failed(503), answered(1.0), failed(503)), request=EmbedRequest(texts=texts), max_attempts=2)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["ok", "Overloaded", "ok", "Overloaded"]


def test_another_row_begins_anew_and_says_what_was_lost(kind: str) -> None:
    texts = tuple(f"{number} " + "x" * 299_000 for number in range(2))
    world = World(answered(0.0), failed(503), answered(5.0), answered(6.0))
    found = operate(kind, world, target("one"), target("two"), request=EmbedRequest(texts=texts))
    assert [list(vector) for vector in found] == [[5.0], [6.0]]
    assert found.target == "two"
    assert found.usage.input_tokens == 6
    assert [notice.message for notice in found.warnings] == ["1 requests that one answered, and may bill, are not part of the result"]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_row_that_will_not_is_left_for_the_next(kind: str, status: int) -> None:
    found = operate(kind, World(failed(status, b"{}"), answered(1.0)), target("one"), target("two"))
    assert (found.target, found.warnings) == ("two", ())


def test_the_clocks_are_the_rows_and_the_allowance_is_the_calls(kind: str) -> None:
    world = World(answered(1.0))
    operate(kind, world, target(deadlines=Deadlines(1, 2, 3, 4)))
    clocks = world.clocks[0]
    assert (clocks.connect, clocks.first_byte, clocks.idle, clocks.total, clocks.deadline) == (1, 2, 3, 4, 1004)
    world = World(answered(1.0))
    operate(kind, world, total=9.0)
    assert world.clocks[0].deadline == 1009
    with pytest.raises(RateLimited):
        operate(kind, World(failed(429, **{"retry-after": "30"})), total=9.0)
    with pytest.raises(TimedOut):
        operate(kind, World(Answer(opening=TimedOut(clock="total", seconds=9, sent=True))), target("one"), target("two"), total=9.0)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failed(401, b"{}"), AuthenticationRejected),
        (failed(402, b"{}"), QuotaExceeded),
        (failed(400, b'{"error":{"code":"context_length_exceeded","message":"secret words"}}'), ContextWindowExceeded),
        (Answer([b'{"error":{"code":"insufficient_quota","message":"secret words"}}']), QuotaExceeded),
        (Answer([b'{"error":{"code":400,"message":"secret words"}}']), SaferouteError),
        (Answer([b"<html>secret words</html>"], 200, {"content-type": "text/html"}), ProtocolError),
        (Answer([b""]), ProtocolError),
        (Answer([b"[1]"]), ProtocolError),
        (Answer([b'{"data":[{"embedding":[NaN]}]}']), ProtocolError),
        (Answer([b'data: {"data":[]}\n\n'], 200, {"content-type": "text/event-stream"}), ProtocolError),
        (Answer([b": only a comment\n\n"], 200, {"content-type": "text/event-stream"}), StreamInterrupted),
        (Answer([b'{"data":[]}\n'], 200, {"content-type": "application/x-ndjson"}), ProtocolError),
        (Answer([b""], 302, {"location": "https://evil.example"}), UnexpectedRedirect),
        (Answer([b'{"data":[', ConnectFailed("x")]), ConnectFailed),
    ],
)
def test_errors_are_those_of_chat(kind: str, answer: Answer, error: type[SaferouteError]) -> None:
    with pytest.raises(error) as caught:
        operate(kind, World(answer), max_attempts=1)
    assert "secret" not in str(caught.value)
    assert len(caught.value.attempts) == 1


def test_an_answer_is_bounded(kind: str) -> None:
    with pytest.raises(ProtocolError, match="larger than"):
        operate(kind, World(Answer([b'{"a":"'] + [b"x" * 1_000_000] * 40)))
    loud = World(Answer([b"x" * 1_000_000] * 70, 200, {"content-type": "audio/mpeg"}))
    with pytest.raises(ProtocolError, match="larger than"):
        operate(kind, loud, operation="speak", request=SpeakRequest(text="a", voice="v"), build=Speech)
    with pytest.raises(ServerError):
        operate(kind, World(failed(500, b"x" * 10_000_000)), max_attempts=1)


def test_sound_comes_as_it_is(kind: str) -> None:
    world = World(Answer([b"\x00\xff", b"{}"], 200, {"content-type": "audio/mpeg", "x-request-id": "req-2"}))
    found = operate(kind, world, operation="speak", request=SpeakRequest(text="a", voice="v"), build=Speech)
    assert (bytes(found), found.media_type, found.request_id, found.cost) == (b"\x00\xff{}", "audio/mpeg", "req-2", None)


@pytest.mark.parametrize("body", [b'{"error":{"code":"insufficient_quota"}}', b'{"ok":true}'])
def test_json_is_no_sound(kind: str, body: bytes) -> None:
    asked = SpeakRequest(text="a", voice="v")
    with pytest.raises((QuotaExceeded, ProtocolError)):
        operate(kind, World(Answer([body])), operation="speak", request=asked, build=Speech)
    with pytest.raises(RateLimited):
        operate(kind, World(failed(429)), operation="speak", request=asked, build=Speech, max_attempts=1)


def test_what_a_dialect_does_not_have_sends_nothing(kind: str) -> None:
    world = World()
    with pytest.raises(UnsupportedParameter) as caught:
        operate(kind, world, target(dialect="anthropic_messages"))
    assert (world.requests, caught.value.attempts) == ([], ())


def test_an_estimate_sends_nothing(kind: str) -> None:
    world = World()
    count = operate(kind, world, operation="count_tokens", request=CountRequest(chat=ChatRequest(messages_from("hi"))), build=TokenCount)
    assert (world.requests, count.method, count.attempts, count.request_id) == ([], "estimate", (), None)


def test_a_row_that_was_changed_in_memory_is_not_used(kind: str) -> None:
    def changed(_: object) -> None:
        raise UntrustedTable("changed")

    world = World(answered(1.0))
    with pytest.raises(UntrustedTable):
        operate(kind, world, recheck=changed)
    assert world.requests == []


def test_pages_follow_each_other(kind: str) -> None:
    pages = [{"data": [{"id": "a"}], "has_more": True, "last_id": "a"}, {"data": [{"id": "b"}], "has_more": False}]
    world = World(*(Answer([json.dumps(page).encode()]) for page in pages))
    found = operate(
        kind,
        world,
        target(dialect="anthropic_messages", path=""),
        operation="models",
        request=ModelsRequest(),
        build=lambda models, **_: models,
    )
    assert [model.id for model in found] == ["a", "b"]
    assert world.requests[1].path.endswith("after_id=a")
