"""Requirement 3: Retry-After is honoured in every spelling, per quota group, capped; `x-should-retry` is obeyed; all cooling is an error of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

import saferoute
from saferoute.errors import AllRoutesCooling, BadRequest, ProviderError, RateLimited, SaferouteError, ServerError
from saferoute.testing.script import RawAnswer
from tests.requirements.conftest import Deployed, Way, row
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

SLACK = 3.0  # for a machine that is busy
KEYED = 'auth = "bearer"\nsecret = "demo"'
NOW, LATER = "Sun, 06 Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1994 08:49:39 GMT"
SPELLINGS: dict[str, tuple[dict[str, str], float | None]] = {
    "seconds": ({"retry_after": "7"}, 7.0),
    "no seconds": ({"retry_after": "0"}, 0.0),
    "an HTTP date": ({"retry_after": LATER, "date": NOW}, 2.0),
    "an HTTP date in the past": ({"retry_after": NOW, "date": LATER}, 0.0),
    "retry-after-ms": ({"retry_after_ms": "1500"}, 1.5),
    "x-ms-retry-after-ms": ({"x_ms_retry_after_ms": "250"}, 0.25),
    "milliseconds go before seconds": ({"retry_after": "9", "retry_after_ms": "500"}, 0.5),
    "in capitals": ({"RETRY_AFTER": "3"}, 3.0),
    "no number": ({"retry_after": "soon"}, None),
    "a negative number": ({"retry_after": "-1"}, None),
    "not a number": ({"retry_after": "nan"}, None),
    "no end": ({"retry_after": "inf"}, None),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_reaches_the_caller(four_ways: Way, serve: Serve, opened: Opened, spelling: str) -> None:
    headers, seconds = SPELLINGS[spelling]
    server = serve(fails(503 if spelling == "seconds" else 429, **headers))
    with pytest.raises(ProviderError) as caught:
        four_ways.ask(opened(four_ways.kind, server), max_attempts=1)
    assert caught.value.retry_after == seconds
    assert server.count == 1


WAITED: dict[str, tuple[dict[str, str], float]] = {
    "retry-after-ms": ({"retry_after_ms": "300"}, 0.3),
    "x-ms-retry-after-ms": ({"x_ms_retry_after_ms": "300"}, 0.3),
}


@pytest.mark.parametrize("spelling", WAITED)
@pytest.mark.timed
def test_the_next_request_waits_for_as_long_as_was_asked(four_ways: Way, serve: Serve, opened: Opened, spelling: str) -> None:
    headers, seconds = WAITED[spelling]
    server = serve(fails(429, **headers), says("ok"))
    assert four_ways.ask(opened(four_ways.kind, server)).text == "ok"
    (gap,) = server.gaps
    assert seconds <= gap < seconds + SLACK
    assert server.count == 2


@pytest.mark.parametrize(
    ("kind", "headers"),
    [("blocking", {"retry_after": "1"}), ("asyncio", {"retry_after": "Sun, 06 Nov 1994 08:49:38 GMT", "date": NOW})],
    ids=["seconds", "date"],
)
@pytest.mark.timed
def test_whole_seconds_and_dates_are_waited_for(kind: str, serve: Serve, opened: Opened, headers: dict[str, str]) -> None:
    server = serve(fails(429, **headers), says("ok"))
    assert opened(kind, server).chat("row", "hi").text == "ok"
    assert 1.0 <= server.gaps[0] < 1.0 + SLACK


@pytest.mark.timed
def test_google_s_retry_info_is_waited_for(four_ways: Way, serve: Serve, deployed: Deployed) -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.3s"}]
    refused = {"error": {"code": 429, "status": "RESOURCE_EXHAUSTED", "message": "slow down", "details": details}}
    server = serve(RawAnswer(429, pieces=(json.dumps(refused).encode(),)))
    face = deployed(four_ways.kind, row("row", server.origin, dialect="gemini_generate"))
    with pytest.raises(RateLimited) as caught:
        four_ways.ask(face, max_attempts=2)
    assert caught.value.retry_after == 0.3
    assert 0.3 <= server.gaps[0] < 0.3 + SLACK
    assert server.count == 2


# ------------------------------------------------------------------------------------------------------------------ caps


@pytest.mark.parametrize("seconds", ["121", "86400", "99999999999"])
@pytest.mark.timed
def test_a_wait_over_the_cap_is_not_waited_for_but_told(four_ways: Way, serve: Serve, opened: Opened, seconds: str) -> None:
    server = serve(fails(429, retry_after=seconds))
    began = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        four_ways.ask(opened(four_ways.kind, server), max_attempts=5)
    assert time.monotonic() - began < SLACK
    assert caught.value.retry_after == float(seconds)
    assert server.count == 1


@pytest.mark.timed
def test_a_wait_beyond_the_deadline_is_not_begun(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after="9"))
    began = time.monotonic()
    with pytest.raises(RateLimited):
        four_ways.ask(opened(four_ways.kind, server), max_attempts=5, timeout=8)
    assert time.monotonic() - began < SLACK
    assert server.count == 1


@pytest.mark.timed
def test_another_row_is_not_kept_waiting_by_the_first(four_ways: Way, serve: Serve, opened: Opened) -> None:
    busy, free = serve(fails(429, retry_after="30")), serve(says("ok"))
    began = time.monotonic()
    assert four_ways.ask(opened(four_ways.kind, busy, free), "both").text == "ok"
    assert time.monotonic() - began < SLACK
    assert (busy.count, free.count) == (1, 1)


# ------------------------------------------------------------------------------------------------------------------ x-should-retry


@pytest.mark.parametrize("status", [429, 500, 503, 529])
def test_x_should_retry_false_ends_the_call(four_ways: Way, serve: Serve, opened: Opened, status: int) -> None:
    server = serve(fails(status, x_should_retry="false"))
    with pytest.raises(ProviderError) as caught:
        four_ways.ask(opened(four_ways.kind, server), max_attempts=5)
    assert server.count == 1
    assert caught.value.retryable is False


@pytest.mark.parametrize("status", [400, 404, 422])
def test_x_should_retry_true_makes_another_attempt(four_ways: Way, serve: Serve, opened: Opened, status: int) -> None:
    server = serve(fails(status, x_should_retry="true", retry_after_ms="1"), says("ok"))
    assert four_ways.ask(opened(four_ways.kind, server)).text == "ok"
    assert server.count == 2


def test_x_should_retry_true_is_no_more_than_max_attempts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(400, x_should_retry="true", retry_after_ms="1"))
    with pytest.raises(BadRequest):
        four_ways.ask(opened(four_ways.kind, server), max_attempts=3)
    assert server.count == 3


# ------------------------------------------------------------------------------------------------------------------ quota groups


def rate_limited(way: Way, face: Face, route: str = "row") -> None:
    with pytest.raises(RateLimited):
        way.ask(face, route, max_attempts=1)


def test_a_group_that_rests_is_not_asked_and_the_error_says_until_when(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after="30"))
    face = opened(four_ways.kind, server)
    rate_limited(four_ways, face)
    before = time.time()
    with pytest.raises(AllRoutesCooling) as caught:
        four_ways.ask(face)
    assert before + 29 < caught.value.retry_at <= time.time() + 30.5
    assert server.count == 1


def test_the_rest_holds_for_every_way_to_ask_and_every_part_of_the_client(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after="30"))
    face = opened(kind, server)
    rate_limited(Way(kind, "chat"), face)
    with pytest.raises(AllRoutesCooling):
        face.stream("row", "hi")
    with pytest.raises(AllRoutesCooling):
        face.wait(face.client.embed("row", "hi"))
    with pytest.raises(AllRoutesCooling):
        face.wait(face.client.using(purpose="support").chat("row", "hi"))
    assert server.count == 1


def test_rows_of_one_group_rest_together(four_ways: Way, serve: Serve, opened: Opened) -> None:
    servers = [serve(fails(429, retry_after="30")), serve(says("ok"))]
    face = opened(four_ways.kind, *servers, fields='quota_group = "shared"')
    rate_limited(four_ways, face)
    with pytest.raises(AllRoutesCooling):
        four_ways.ask(face, "row2")
    with pytest.raises(AllRoutesCooling):
        four_ways.ask(face, "both")
    assert [server.count for server in servers] == [1, 0]


def test_rows_of_one_key_and_model_are_one_group_and_other_models_another(four_ways: Way, serve: Serve, deployed: Deployed) -> None:
    busy, twin, other = servers = (serve(fails(429, retry_after="30")), serve(says("twin")), serve(says("other")))
    rows = [
        row("row", busy.origin, KEYED),
        row("twin", twin.origin, KEYED, model="alpha"),
        row("other", other.origin, KEYED, model="omega"),
    ]
    secrets = saferoute.Secrets.of({"demo": ("a-key", [server.origin for server in servers])})
    face = deployed(four_ways.kind, *rows, secrets=secrets)
    rate_limited(four_ways, face)
    with pytest.raises(AllRoutesCooling):
        four_ways.ask(face, "twin")
    assert four_ways.ask(face, "other").text == "other"
    assert (busy.count, twin.count, other.count) == (1, 0, 1)


def test_another_group_is_asked_as_usual(four_ways: Way, serve: Serve, deployed: Deployed) -> None:
    busy, free = serve(fails(429, retry_after="30")), serve(says("ok"))
    rows = [row("row", busy.origin, 'quota_group = "one"'), row("free", free.origin, 'quota_group = "two"', model="alpha")]
    face = deployed(four_ways.kind, *rows)
    rate_limited(four_ways, face)
    assert four_ways.ask(face, "free").text == "ok"


def test_a_resting_row_is_passed_over_and_the_next_answers(four_ways: Way, serve: Serve, opened: Opened) -> None:
    busy, free = serve(fails(429, retry_after="30")), serve(says("ok"))
    face = opened(four_ways.kind, busy, free)
    for _ in range(3):
        assert four_ways.ask(face, "both").text == "ok"
    assert (busy.count, free.count) == (1, 3)


def test_two_clients_do_not_see_each_other_s_rests(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after="30"), says("ok"))
    first, second = opened(four_ways.kind, server), opened(four_ways.kind, server)
    rate_limited(four_ways, first)
    assert four_ways.ask(second).text == "ok"


def test_after_its_time_a_group_is_asked_again(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after_ms="50"), says("ok"))
    face = opened(four_ways.kind, server)
    rate_limited(four_ways, face)
    time.sleep(0.07)
    assert four_ways.ask(face).text == "ok"
    assert server.count == 2


# ------------------------------------------------------------------------------------------------------------------ wait=True


@pytest.mark.timed
def test_wait_sleeps_until_the_group_may_be_asked(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after_ms="200"), says("ok"))
    face = opened(four_ways.kind, server)
    rate_limited(four_ways, face)
    assert four_ways.ask(face, wait=True).text == "ok"
    assert 0.19 <= server.gaps[0] < 0.2 + SLACK
    assert server.count == 2


@pytest.mark.timed
def test_wait_does_not_wait_beyond_the_deadline(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(429, retry_after="30"))
    face = opened(four_ways.kind, server)
    rate_limited(four_ways, face)
    began = time.monotonic()
    with pytest.raises(AllRoutesCooling):
        four_ways.ask(face, wait=True, timeout=0.3)
    assert time.monotonic() - began < 0.3 + SLACK
    assert server.count == 1


# ------------------------------------------------------------------------------------------------------------------ the breaker


def failing(way: Way, face: Face, calls: int, route: str = "row") -> None:
    for _ in range(calls):
        with pytest.raises(SaferouteError):
            way.ask(face, route, max_attempts=1)


def test_a_row_that_always_fails_is_soon_asked_once_a_call_and_no_more(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(500))
    face = opened(four_ways.kind, server)
    failing(four_ways, face, 5)
    for calls in range(1, 6):
        with pytest.raises(ServerError) as caught:  # the provider's own word, not one of ours
            four_ways.ask(face, max_attempts=5)
        assert [one.why for one in caught.value.attempts] == ["last resort: the only row rests"]
        assert server.count == 5 + calls
    with pytest.raises(AllRoutesCooling) as refused:
        four_ways.ask(face, wait=True, timeout=0.3)
    assert refused.value.retry_at > time.time() - 1
    assert server.count == 10


def test_the_only_row_answers_as_soon_as_it_is_back(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(*[fails(500)] * 7, says("ok"))
    face = opened(four_ways.kind, server)
    failing(four_ways, face, 7)
    assert four_ways.ask(face).text == "ok"
    assert four_ways.ask(face).attempts[0].why == "the only row"
    assert server.count == 9


def test_a_429_without_a_time_refuses_no_other_call(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(*[fails(429, x_should_retry="true")] * 2, says("ok"))
    face = opened(four_ways.kind, server)
    rate_limited(four_ways, face)
    with pytest.raises(RateLimited) as caught:
        four_ways.ask(face, max_attempts=5)
    assert len(caught.value.attempts) == 1
    assert four_ways.ask(face).text == "ok"
    assert server.count == 3


def test_rows_that_all_fail_get_one_request_a_call_together(four_ways: Way, serve: Serve, opened: Opened) -> None:
    servers = [serve(fails(500)), serve(fails(500))]
    face = opened(four_ways.kind, *servers)
    for route in ("row", "row2"):
        failing(four_ways, face, 5, route)
    with pytest.raises(ServerError) as caught:
        four_ways.ask(face, "both", max_attempts=5)
    assert [one.why for one in caught.value.attempts] == ["last resort: every row rests"]
    assert sum(server.count for server in servers) == 11


def test_an_overload_that_names_its_time_is_kept_whatever_the_breaker_says(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(*[fails(500)] * 4, fails(503, retry_after="30"))
    face = opened(four_ways.kind, server)
    failing(four_ways, face, 5)
    with pytest.raises(AllRoutesCooling) as caught:
        four_ways.ask(face)
    assert caught.value.retry_at > time.time() + 28
    assert server.count == 5


def test_with_an_open_breaker_the_next_row_is_asked_at_once(four_ways: Way, serve: Serve, opened: Opened) -> None:
    broken, fine = serve(fails(500)), serve(says("ok"))
    face = opened(four_ways.kind, broken, fine)
    assert [four_ways.ask(face, "both").text for _ in range(30)] == ["ok"] * 30
    assert broken.count <= 10
    assert fine.count == 30


def test_health_shows_the_open_breaker(kind: str, serve: Serve, opened: Opened) -> None:
    face = opened(kind, serve(fails(500)))
    failing(Way(kind, "chat"), face, 15)
    shown: Any = face.client.health()
    (about,) = [one for one in shown if one.target == "row"]
    assert (about.breaker, about.in_flight) == ("open", 0)
    assert about.available_in > 0


@pytest.mark.parametrize("status", [400, 401, 403, 404])
def test_errors_of_the_caller_open_no_breaker(kind: str, serve: Serve, opened: Opened, status: int) -> None:
    server = serve(fails(status))
    failing(Way(kind, "chat"), opened(kind, server), 15)
    assert server.count == 15


def test_server_errors_below_the_breaker_are_told_as_they_are(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(500), says("ok"))
    face = opened(four_ways.kind, server)
    with pytest.raises(ServerError):
        four_ways.ask(face, max_attempts=1)
    assert four_ways.ask(face).text == "ok"
