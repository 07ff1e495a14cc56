"""Requirement 1: exactly N requests on the wire. Retries live in one place, and never multiply across layers; the server counts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import saferoute
from saferoute.errors import (
    AuthenticationRejected,
    BadRequest,
    ConnectFailed,
    ModelNotFound,
    PermissionDenied,
    RateLimited,
    SaferouteError,
    ServerError,
    StreamInterrupted,
)
from saferoute.secrets.secret import Previous, Secret, SecretRecord
from saferoute.secrets.sources import HeldPlace
from saferoute.testing.script import RawAnswer
from tests.requirements.conftest import Deployed, Way, row
from tests.requirements.connections import watched
from tests.support.both import Face
from tests.support.counting_server import CountingServer, Received, Refusing, fails, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]
KEYED = 'auth = "bearer"\nsecret = "demo"'


@pytest.mark.parametrize("most", [1, 2, 3])
def test_500_forever_sends_exactly_max_attempts_requests(four_ways: Way, serve: Serve, opened: Opened, most: int) -> None:
    server = serve(fails(500))
    with pytest.raises(ServerError) as caught:
        four_ways.ask(opened(four_ways.kind, server), max_attempts=most)
    assert (server.count, len(caught.value.attempts)) == (most, most)
    assert len({received.body for received in server.received}) == 1  # each the same, to the byte
    assert server.bytes_received % most == 0


def test_without_a_word_about_attempts_there_are_three(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(500))
    with pytest.raises(ServerError):
        four_ways.ask(opened(four_ways.kind, server))
    assert server.count == 3


@pytest.mark.parametrize(("asked", "sent"), [(None, 2), (1, 1), (50, 2)])
def test_an_alias_s_own_number_is_the_upper_bound(four_ways: Way, serve: Serve, opened: Opened, asked: int | None, sent: int) -> None:
    server = serve(fails(500))
    options = {} if asked is None else {"max_attempts": asked}
    with pytest.raises(ServerError):
        four_ways.ask(opened(four_ways.kind, server, alias="max_attempts = 2"), "both", **options)
    assert server.count == sent


@pytest.mark.parametrize("most", [1, 2, 3])
def test_retries_and_fallbacks_share_one_budget_of_attempts(four_ways: Way, serve: Serve, opened: Opened, most: int) -> None:
    servers = [serve(fails(503)) for _ in range(2)]
    with pytest.raises(SaferouteError) as caught:
        four_ways.ask(opened(four_ways.kind, *servers), "both", max_attempts=most)
    assert sum(server.count for server in servers) == len(caught.value.attempts) == most


@pytest.mark.parametrize("most", [1, 3])
def test_a_refused_connection_is_tried_exactly_max_attempts_times(four_ways: Way, opened: Opened, most: int) -> None:
    with Refusing() as nobody:
        face = opened(four_ways.kind, nobody)
        with watched() as seen, pytest.raises(ConnectFailed) as caught:
            four_ways.ask(face, max_attempts=most)
    assert [address[1] for address in seen.connects] == [nobody.port] * most
    assert len(caught.value.attempts) == most


@pytest.mark.parametrize("most", [1, 2])
def test_a_connection_that_is_reset_is_a_request_like_any_other(four_ways: Way, serve: Serve, opened: Opened, most: int) -> None:
    server = serve(RawAnswer(framing="verbatim", end="reset"))
    with pytest.raises(StreamInterrupted):
        four_ways.ask(opened(four_ways.kind, server), max_attempts=most)
    assert (server.count, server.connections) == (most, most)


@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_kept_connection_that_the_server_ends_costs_no_attempt_and_no_request(
    four_ways: Way, serve: Serve, opened: Opened, end: str
) -> None:
    # It says nothing of closing, and closes: what many load balancers do.
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": "ok"}, "finish_reason": "stop"}]}).encode()
    whole = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
    server = serve(RawAnswer(framing="verbatim", pieces=(whole,), end=end))  # type: ignore[arg-type]  # one of its words
    face = opened(four_ways.kind, server)
    for _ in range(3):
        reply = four_ways.ask(face, max_attempts=1)
        assert [attempt.outcome for attempt in reply.attempts] == ["ok"]
        assert server.quiet()
    assert (server.count, server.connections) == (3, 3)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fails(400), BadRequest),
        (fails(401), AuthenticationRejected),
        (fails(403), PermissionDenied),
        (fails(404), ModelNotFound),
        (fails(413), SaferouteError),
        (fails(422), BadRequest),
        (fails(429, "insufficient_quota"), SaferouteError),
    ],
    ids=["400", "401", "403", "404", "413", "422", "no quota"],
)
def test_what_would_fail_again_is_sent_once(
    four_ways: Way, serve: Serve, opened: Opened, answer: RawAnswer, error: type[SaferouteError]
) -> None:
    server = serve(answer)
    with pytest.raises(error):
        four_ways.ask(opened(four_ways.kind, server), max_attempts=5)
    assert server.count == 1


def test_an_answer_is_asked_for_once(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello ", "you"))
    face = opened(four_ways.kind, server)
    assert [four_ways.ask(face).text for _ in range(5)] == ["hello you"] * 5
    assert (server.count, server.connections, [line.requests for line in server.lines.values()]) == (5, 1, [5])
    assert server.bytes_received % 5 == 0
    until = time.monotonic() + 2
    while server.bytes_sent % 5 and time.monotonic() < until:  # the server counts its last piece after it was read
        time.sleep(0.002)
    assert server.bytes_sent % 5 == 0


def test_a_stream_that_is_left_early_is_not_asked_for_again(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says(*["word "] * 200, pause=0.02))
    face = opened(kind, server)
    face.stream("row", "hi", take=2)
    assert server.settled(1)
    assert server.count == 1
    assert server.bytes_sent < 20_000  # of 28,000 for the whole


# ------------------------------------------------------------------------------------------------------------------ operations


def vectors(received: Received) -> RawAnswer:
    """As many vectors as there are texts."""
    texts = json.loads(received.body)["input"]
    data = [{"index": place, "embedding": [1.0]} for place, _ in enumerate(texts)]
    body = {"data": data, "model": "m", "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)}}
    return RawAnswer(pieces=(json.dumps(body).encode(),))


@pytest.mark.parametrize("most", [1, 3])
def test_embed_sends_exactly_max_attempts_requests(kind: str, serve: Serve, opened: Opened, most: int) -> None:
    server = serve(fails(500))
    face = opened(kind, server)
    with pytest.raises(ServerError):
        face.wait(face.client.embed("row", ["a"], max_attempts=most))
    assert server.count == most


def test_batches_of_texts_are_a_request_each_and_only_the_failed_one_is_sent_again(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(vectors, fails(500), vectors)
    face = opened(kind, server)
    found = face.wait(face.client.embed("row", ["a"] * 2_500, max_attempts=2))
    assert (len(found), found.usage.input_tokens) == (2_500, 2_500)
    assert [len(body["input"]) for body in server.bodies] == [1_024, 1_024, 1_024, 452]


def test_batches_share_one_budget_of_failed_attempts(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(vectors, fails(500))
    face = opened(kind, server)
    with pytest.raises(ServerError):
        face.wait(face.client.embed("row", ["a"] * 2_500, max_attempts=2))
    assert server.count == 3


@pytest.mark.parametrize("most", [1, 3])
def test_count_tokens_sends_exactly_max_attempts_requests_where_the_provider_counts(
    kind: str, serve: Serve, deployed: Deployed, most: int
) -> None:
    server = serve(fails(500))
    face = deployed(kind, row("row", server.origin, dialect="anthropic_messages"))
    with pytest.raises(ServerError):
        face.wait(face.client.count_tokens("row", "hi", max_attempts=most))
    assert server.count == most


def test_count_tokens_sends_nothing_where_it_is_an_estimate(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(fails(500))
    face = opened(kind, server)
    assert face.wait(face.client.count_tokens("row", "hi")).method == "estimate"
    assert (server.count, server.connections, server.bytes_received) == (0, 0, 0)


# ------------------------------------------------------------------------------------------------------------------ keys


def overlapping(server: CountingServer) -> saferoute.Secrets:
    """A key with its previous revision, which is still good for a while."""
    record = SecretRecord("demo", Secret("new-key"), (server.origin,), 2, Previous(Secret("old-key"), 1_900_000_000))
    return saferoute.Secrets((HeldPlace((record,)),))


def only(key: str) -> Callable[[Received], RawAnswer]:
    """Accept one key."""
    return lambda received: says("ok")(received) if received.header("authorization") == f"Bearer {key}" else fails(401)


def test_a_refused_key_is_presented_once(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(401))
    face = opened(four_ways.kind, server, fields=KEYED, secrets=saferoute.Secrets.of({"demo": ("some-key", server.origin)}))
    with pytest.raises(AuthenticationRejected):
        four_ways.ask(face, max_attempts=5)
    assert server.count == 1


def test_a_key_with_another_revision_is_two_requests_and_then_one(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(only("old-key"))
    face = opened(four_ways.kind, server, fields=KEYED, secrets=overlapping(server))
    assert four_ways.ask(face, max_attempts=2).text == "ok"
    assert server.count == 2
    assert four_ways.ask(face, max_attempts=2).text == "ok"
    assert server.count == 3


def test_the_retry_with_another_revision_is_an_attempt_like_any_other(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(only("old-key"))
    face = opened(four_ways.kind, server, fields=KEYED, secrets=overlapping(server))
    with pytest.raises(AuthenticationRejected):
        four_ways.ask(face, max_attempts=1)
    assert server.count == 1


def test_the_retry_with_another_revision_is_among_the_attempts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(only("old-key"))
    face = opened(four_ways.kind, server, fields=KEYED, secrets=overlapping(server))
    reply: Any = four_ways.ask(face)
    assert [attempt.outcome for attempt in reply.attempts] == ["AuthenticationRejected", "ok"]
    assert len(reply.attempts) == server.count


def test_key_rotation_and_retries_share_one_budget_of_attempts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(401), fails(500))
    face = opened(four_ways.kind, server, fields=KEYED, secrets=overlapping(server))
    with pytest.raises(ServerError):
        four_ways.ask(face, max_attempts=3)
    assert server.count == 3


def test_the_last_attempt_of_a_call_does_not_become_two_requests(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(500), fails(401), says("too late"))
    face = opened(four_ways.kind, server, fields=KEYED, secrets=overlapping(server))
    with pytest.raises(AuthenticationRejected):
        four_ways.ask(face, max_attempts=2)
    assert server.count == 2


@pytest.mark.parametrize(("most", "sent"), [(1, 1), (2, 2)])
def test_a_rotation_of_keys_draws_on_the_budget_of_an_operation_too(kind: str, serve: Serve, opened: Opened, most: int, sent: int) -> None:
    server = serve(fails(401))
    face = opened(kind, server, fields=KEYED, secrets=overlapping(server))
    with pytest.raises(AuthenticationRejected):
        face.wait(face.client.embed("row", "a", max_attempts=most))
    assert server.count == sent


def test_a_call_that_is_rate_limited_forever_ends_after_max_attempts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429))
    with pytest.raises(RateLimited):
        four_ways.ask(opened(four_ways.kind, server), max_attempts=3)
    assert server.count == 3
