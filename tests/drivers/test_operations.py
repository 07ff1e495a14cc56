"""The operations besides chat under both drivers, over a transport that plays a script: the same retries, fallbacks and errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.call.operation import Bound, OperationCall, operation_flow
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
from saferoute.values.target import Deadlines, Prices, Target
from saferoute.values.tokens import TokenCount
from tests.support.both import KINDS
from tests.support.scripted import Answer, AsyncWorld, Witness, World
from tests.support.scripted import target as plain_target

BUSY = json.dumps({"error": {"message": "busy", "type": "rate_limit_error"}}).encode()


def target(name: str = "row", **changes: object) -> Target:
    """A row with a key of its own: one that is refused is not presented for another row of the call."""
    return plain_target(name, **{"secret": name, **changes})


def answered(*numbers: float, tokens: int = 3, model: str = "m-1-x") -> Answer:
    data = [{"index": place, "embedding": [number]} for place, number in enumerate(numbers)]
    body = json.dumps({"data": data, "model": model, "usage": {"prompt_tokens": tokens}}).encode()
    return Answer([body[:7], body[7:]])


def failed(status: int, body: bytes = BUSY, **headers: str) -> Answer:
    return Answer([body], status, {"content-type": "application/json", "x-request-id": "req-9", **headers})


def operate(
    kind: str, world: World, *targets: Any, operation: Any = "embed", request: Any = None, build: Callable[..., Any] = Embeddings, max_attempts: int = 3,
    total: float | None = None, recheck: Callable[[Any], None] = lambda _: None, bound: Bound | None = None,
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
        bound,
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
    assert found.usage.input_tokens == 9  # what was lost may be billed: it is part of what the call used
    assert found.cost is None
    assert [notice.message for notice in found.warnings] == ["1 requests that one answered, and may bill, are not part of the result"]


TWO_BATCHES = tuple(f"{number} " + "x" * 299_000 for number in range(2))


def priced(name: str, price: int = 1000, currency: str = "USD") -> Any:
    return target(name, prices=Prices(input=price, output=0, currency=currency))


def test_what_another_row_answered_in_vain_is_in_the_cost(kind: str) -> None:
    world = World(answered(0.0, tokens=5), failed(503), answered(5.0), answered(6.0))
    found = operate(kind, world, priced("one", 2000), priced("two"), request=EmbedRequest(texts=TWO_BATCHES))
    assert (found.target, found.usage.input_tokens, str(found.cost)) == ("two", 11, "0.000016")


@pytest.mark.parametrize("first", [target("one"), priced("one", currency="EUR")], ids=["no price", "another currency"])
def test_a_cost_that_cannot_be_summed_is_not_known(kind: str, first: Any) -> None:
    world = World(answered(0.0), failed(503), answered(5.0), answered(6.0))
    found = operate(kind, world, first, priced("two"), request=EmbedRequest(texts=TWO_BATCHES))
    assert (found.cost, found.usage.input_tokens) == (None, 9)


def test_lost_usage_that_was_not_told_makes_the_sum_unknown(kind: str) -> None:
    silent = Answer([json.dumps({"data": [{"index": 0, "embedding": [0.0]}]}).encode()])
    found = operate(
        kind,
        World(silent, failed(503), answered(5.0), answered(6.0)),
        priced("one"),
        priced("two"),
        request=EmbedRequest(texts=TWO_BATCHES),
    )
    assert (found.target, found.cost, found.usage.input_tokens) == ("two", None, None)
    assert [notice.message for notice in found.warnings] == ["1 requests that one answered, and may bill, are not part of the result"]


@pytest.mark.parametrize(
    ("amount", "spent", "follows"), [(13_000, 3, True), (12_999, 3, False), (20_000, None, True), (19_999, None, False)]
)
def test_a_bound_counts_what_another_row_answered(kind: str, amount: int, spent: int | None, follows: bool) -> None:
    """One batch was answered for 3000 (or at a cost not told, which counts as the whole call's 10000) and the next row may cost 10000."""
    begun = answered(0.0, tokens=3) if spent else Answer([json.dumps({"data": [{"index": 0, "embedding": [0.0]}]}).encode()])
    world = World(begun, failed(401, b"{}"), answered(5.0), answered(6.0))
    bound = Bound(amount, {"one": 10_000, "two": 10_000})
    asked: dict[str, Any] = {"request": EmbedRequest(texts=TWO_BATCHES), "bound": bound}
    if follows:
        assert operate(kind, world, priced("one"), priced("two"), **asked).target == "two"
        return
    with pytest.raises(AuthenticationRejected) as caught:
        operate(kind, world, priced("one"), priced("two"), **asked)
    assert [attempt.target for attempt in caught.value.attempts] == ["one", "one"]
    assert len(world.requests) == 2


def test_within_a_bound_a_cheaper_row_follows_where_the_next_is_too_dear(kind: str) -> None:
    world = World(answered(0.0), failed(401, b"{}"), answered(5.0), failed(401, b"{}"), answered(7.0), answered(8.0))
    bound = Bound(20_000, {"one": 10_000, "dear": 18_000, "cheap": 1_000, "last": 13_000})
    rows = (priced("one"), priced("dear"), priced("cheap"), priced("last"))
    found = operate(kind, world, *rows, request=EmbedRequest(texts=TWO_BATCHES), bound=bound, max_attempts=5)
    assert [attempt.target for attempt in found.attempts] == ["one", "one", "cheap", "cheap", "last", "last"]


def test_within_a_bound_the_row_itself_is_asked_again(kind: str) -> None:
    world = World(answered(0.0), failed(503), answered(1.0))
    bound = Bound(10_000, {"one": 10_000, "two": 10_000})
    found = operate(kind, world, priced("one"), priced("two"), request=EmbedRequest(texts=TWO_BATCHES), bound=bound)
    assert ([list(vector) for vector in found], found.target, found.usage.input_tokens) == ([[0.0], [1.0]], "one", 6)


def test_within_a_bound_a_row_follows_if_nothing_was_answered(kind: str) -> None:
    world = World(failed(503), answered(5.0), answered(6.0))
    bound = Bound(10_000, {"one": 10_000, "two": 10_000})
    assert operate(kind, world, priced("one"), priced("two"), request=EmbedRequest(texts=TWO_BATCHES), bound=bound).target == "two"


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
