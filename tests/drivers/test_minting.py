"""Short-lived credentials over real sockets, under both drivers: made once, kept, refreshed in time, made anew after a refusal."""

from __future__ import annotations

import asyncio
import os
import threading
import time

import pytest

from saferoute.errors import (
    AuthenticationRejected,
    ConfigurationError,
    Overloaded,
    RateLimited,
    SecretError,
    SecretNotFound,
    ServerError,
    TimedOut,
    TransportError,
)
from tests.support.token_server import KINDS, MATERIAL, TOKEN, Front, TokenServer, Told, clocks, request, spec, token

pytestmark = pytest.mark.parametrize("kind", KINDS)


def test_a_token_is_made_once_and_presented(kind: str) -> None:
    with TokenServer() as server, Front(kind, spec(server.origin)) as front:
        for _ in range(3):
            assert front.call(server.origin).status == 200
        assert [(seen.method, seen.path) for seen in server.exchanges] == [("POST", "/team/oauth2/v2.0/token")]
        assert server.exchanges[0].form["client_secret"] == MATERIAL
        assert "authorization" not in server.exchanges[0].headers
        assert [seen.headers["authorization"] for seen in server.calls] == [f"Bearer {TOKEN}"] * 3
        assert front.credentials._lent == {}


def test_fifty_at_once_make_one_exchange(kind: str) -> None:
    told = token()
    with TokenServer(Told(told.body, delay=0.3)) as server, Front(kind, spec(server.origin)) as front:
        done = front.many(50, server.origin)
        assert [getattr(one, "status", one) for one in done] == [200] * 50
        assert len(server.exchanges) == 1
        assert len(server.calls) == 50


def test_fifty_at_once_share_one_failure(kind: str) -> None:
    with TokenServer(Told(b"{}", 503, delay=0.3)) as server, Front(kind, spec(server.origin)) as front:
        done = front.many(50, server.origin)
        assert {type(one) for one in done} == {Overloaded}
        assert len({id(one) for one in done}) == 50
        assert len(server.exchanges) == 1
        assert server.calls == []


def test_refreshed_five_minutes_before_its_end(kind: str) -> None:
    with TokenServer(token("one"), token("two"), token("three")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3299
        front.call(server.origin)
        assert len(server.exchanges) == 1
        front.wall.now += 2
        front.call(server.origin)
        front.settle()
        front.call(server.origin)
        assert len(server.exchanges) == 2
        third = "Bearer two" if kind == "blocking" else "Bearer one"  # asyncio refreshes in the background
        assert [seen.headers["authorization"] for seen in server.calls] == ["Bearer one", "Bearer one", third, "Bearer two"]


def test_a_short_life_is_refreshed_at_four_fifths(kind: str) -> None:
    with TokenServer(token("one", 100), token("two", 100)) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 79
        front.call(server.origin)
        assert len(server.exchanges) == 1
        front.wall.now += 2
        front.call(server.origin)
        front.settle()
        assert len(server.exchanges) == 2


def test_a_refresh_that_fails_leaves_the_valid_token_in_use(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with TokenServer(token("one"), Told(b"{}", 500), token("two")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3400
        assert front.call(server.origin).status == 200
        front.settle()
        assert len(server.exchanges) == 2
        assert "cloud was not refreshed (ServerError)" in caplog.text
        front.wall.now += 20
        front.call(server.origin)
        assert len(server.exchanges) == 2  # not asked again for every call
        front.wall.now += 15
        front.call(server.origin)
        front.settle()
        front.call(server.origin)
        old = 3 if kind == "blocking" else 4
        assert [seen.headers["authorization"] for seen in server.calls] == ["Bearer one"] * old + ["Bearer two"] * (5 - old)


def test_an_expired_token_is_never_used_by_choice(kind: str) -> None:
    with TokenServer(token("one"), Told(b"{}", 500)) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3601
        with pytest.raises(ServerError):
            front.call(server.origin)
        assert len(server.calls) == 1


def test_after_a_401_the_next_attempt_makes_another(kind: str) -> None:
    with TokenServer(token("one"), token("two")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        server.rejected.add("one")
        assert front.call(server.origin).status == 401
        assert len(server.exchanges) == 1
        assert front.call(server.origin).status == 200
        assert front.call(server.origin).status == 200
        assert len(server.exchanges) == 2


def test_an_old_refusal_does_not_drop_a_newer_token(kind: str) -> None:
    with TokenServer(token("one"), token("two")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        old = front.credentials.kept("cloud")
        front.front._minter.refuse(old)
        front.call(server.origin)
        front.front._minter.refuse(old)
        front.call(server.origin)
        assert len(server.exchanges) == 2


def test_forgetting_makes_another(kind: str) -> None:
    with TokenServer(token("one"), token("two")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.credentials.forget("cloud")
        front.call(server.origin)
        assert [seen.headers["authorization"] for seen in server.calls] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize(
    ("status", "error", "retryable"),
    [
        (400, AuthenticationRejected, False),
        (401, AuthenticationRejected, False),
        (403, AuthenticationRejected, False),
        (404, SecretError, False),
        (408, ServerError, True),
        (429, RateLimited, True),
        (500, ServerError, True),
        (503, Overloaded, True),
    ],
)
def test_statuses_of_the_endpoint(kind: str, status: int, error: type[Exception], retryable: bool) -> None:
    said = b'{"error": "invalid_grant", "error_description": "the account said something"}'
    with TokenServer(Told(said, status, {"retry-after": "7"})) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises(error, match=f"answered {status}") as caught:
            front.call(server.origin)
        assert bool(getattr(caught.value, "retryable", False)) is retryable
        assert server.origin in str(caught.value)
        assert "the account said" not in repr(caught.value)
        assert ("invalid_grant" in str(caught.value)) is (status in (400, 401, 403))
        assert getattr(caught.value, "retry_after", 7.0 if retryable else None) == (7.0 if retryable else None)
        assert server.calls == []


def test_nobody_there_says_that_the_call_was_not_sent(kind: str) -> None:
    with TokenServer() as server, Front(kind, spec("http://127.0.0.1:9", origins=(server.origin,))) as front:
        with pytest.raises(TransportError, match="refuses connections") as caught:
            front.call(server.origin)
        assert caught.value.sent is False
        assert caught.value.retryable


@pytest.mark.timed
def test_the_calls_deadline_bounds_the_exchange(kind: str) -> None:
    with TokenServer(Told(token().body, delay=6.0)) as server, Front(kind, spec(server.origin)) as front:
        began = time.monotonic()
        with pytest.raises(TimedOut) as caught:
            front.call(server.origin, total=0.4)
        assert time.monotonic() - began < 4.0
        assert caught.value.sent is False


def test_an_exchange_has_bounds_of_its_own(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saferoute.drivers.mint_exchange._MOST_SECONDS", 0.3)
    with TokenServer(Told(token().body, drip=0.05)) as server, Front(kind, spec(server.origin)) as front:
        with pytest.raises(TransportError, match=r"did not answer whole within 0\.3 s") as caught:
            front.call(server.origin, total=30.0)
        assert caught.value.retryable
        assert caught.value.sent is False


def test_missing_material_opens_no_connection(kind: str) -> None:
    with TokenServer() as server, Front(kind, spec(server.origin, secret="absent")) as front:
        with pytest.raises(SecretNotFound, match="No key for absent"):
            front.call(server.origin)
        assert server.exchanges == []


def test_two_credentials_do_not_wait_for_each_other(kind: str) -> None:
    with TokenServer(token("one"), token("two")) as server:
        both = spec(server.origin), spec(server.origin, name="other")
        with Front(kind, *both) as front:
            front.call(server.origin)
            front.call(server.origin, name="other")
            assert [seen.headers["authorization"] for seen in server.calls] == ["Bearer one", "Bearer two"]


def test_a_cancelled_waiter_takes_nobody_along(kind: str) -> None:
    if kind == "blocking":
        pytest.skip("threads are not cancelled")
    with TokenServer(Told(token().body, delay=0.4)) as server, Front(kind, spec(server.origin)) as front:

        async def scenario() -> int:
            first = asyncio.create_task(front.front.open(request(server.origin), clocks()))
            await asyncio.sleep(0.1)
            second = asyncio.create_task(front.front.open(request(server.origin), clocks()))
            await asyncio.sleep(0.05)
            first.cancel()
            with pytest.raises(asyncio.CancelledError):
                await first
            exchange = await second
            status: int = exchange.head.status
            await exchange.close()
            return status

        assert front.wait(scenario()) == 200
        assert len(server.exchanges) == 1


def test_one_whose_time_was_short_does_not_end_the_others(kind: str) -> None:
    """The exchange runs on the clock of who began it; who waits longer tries again."""
    with TokenServer(Told(token().body, delay=0.6), token()) as server, Front(kind, spec(server.origin)) as front:
        outcome: list[object] = []
        if kind == "blocking":

            def short() -> None:
                try:
                    front.call(server.origin, total=0.3)
                except TimedOut as error:
                    outcome.append(error)

            thread = threading.Thread(target=short)
            thread.start()
            time.sleep(0.1)
            assert front.call(server.origin).status == 200
            thread.join()
        else:

            async def scenario() -> int:
                short = asyncio.create_task(front.front.open(request(server.origin), clocks(0.3)))
                await asyncio.sleep(0.1)
                exchange = await front.front.open(request(server.origin), clocks())
                outcome.extend(await asyncio.gather(short, return_exceptions=True))
                status: int = exchange.head.status
                await exchange.close()
                return status

            assert front.wait(scenario()) == 200
        assert isinstance(outcome[0], TimedOut)
        assert len(server.exchanges) == 2


@pytest.mark.timed
def test_a_refresh_that_hangs_costs_no_call_its_time(kind: str) -> None:
    """The endpoint is silent and the token is still valid: nobody's call ends with TimedOut, and most do not even wait."""
    with TokenServer(token("one"), Told(b"{}", delay=20.0)) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3600 - 299
        began = time.monotonic()
        assert [front.call(server.origin, total=2.0).status for _ in range(12)] == [200] * 12
        assert time.monotonic() - began < 6.0  # one waits for half of its time, 1 s, where all would take 12 s
        assert [seen.headers["authorization"] for seen in server.calls] == ["Bearer one"] * 13
        assert len(server.exchanges) == 2


@pytest.mark.timed
def test_a_long_call_gives_a_hanging_refresh_few_seconds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saferoute.drivers.minting._REFRESH_SECONDS", 0.3)
    with TokenServer(token("one"), Told(b"{}", delay=20.0)) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3400
        began = time.monotonic()
        assert front.call(server.origin, total=60.0).status == 200
        assert time.monotonic() - began < 6.0


def test_a_token_that_ends_while_the_endpoint_is_silent_is_made_with_the_calls_own_time(kind: str) -> None:
    with TokenServer(token("one"), Told(token("two").body, delay=0.7), token("three")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3599
        if kind == "blocking":
            ticks = iter([0.0, 0.0, 0.0, 0.0])
            wall = front.wall

            def ending() -> float:
                return wall.now + next(ticks, 2.0)

            front.front._minter._wall = ending
            assert front.call(server.origin, total=1.0).status == 200
            assert server.calls[-1].headers["authorization"] == "Bearer three"
        else:
            front.call(server.origin)
            front.wall.now += 2
            assert front.call(server.origin).status == 200  # waits for what refreshes in the background
            assert server.calls[-1].headers["authorization"] == "Bearer two"
            assert len(server.exchanges) == 2


def test_a_background_refresh_passes_an_interrupt_on(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "blocking":
        pytest.skip("a thread's own exchange is passed on as it is")
    with TokenServer(token("one")) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3400

        async def interrupted(*_: object) -> BaseException:
            return KeyboardInterrupt()

        monkeypatch.setattr(type(front.front._minter), "_exchange", interrupted)
        with pytest.raises(KeyboardInterrupt):
            front.wait(front.front._minter._refresh(front.credentials.made["cloud"]))


def test_persistent_refusals_do_not_make_a_token_for_every_call(kind: str) -> None:
    with TokenServer(token("one"), token("two"), token("three")) as server, Front(kind, spec(server.origin)) as front:
        server.rejected |= {"one", "two"}
        assert [front.call(server.origin).status for _ in range(6)] == [401] * 6
        assert len(server.exchanges) == 2
        front.wall.now += 29
        assert front.call(server.origin).status == 401
        assert len(server.exchanges) == 2
        front.wall.now += 2
        assert [front.call(server.origin).status for _ in range(2)] == [401, 200]
        assert len(server.exchanges) == 3


def test_refusals_between_acceptances_do_not_make_a_token_each(kind: str) -> None:
    """One place refuses what another accepts: that it was accepted in between is no reason for more exchanges."""
    with TokenServer(*(token(f"t{number}") for number in range(9))) as server, Front(kind, spec(server.origin)) as front:
        for _ in range(4):
            server.rejected = set()
            assert front.call(server.origin).status == 200
            server.rejected = {f"t{number}" for number in range(9)}
            assert front.call(server.origin).status == 401
        assert len(server.exchanges) == 2


def test_others_go_on_with_the_valid_token_while_one_refreshes(kind: str) -> None:
    with TokenServer(token("one"), Told(token("two").body, delay=0.5)) as server, Front(kind, spec(server.origin)) as front:
        front.call(server.origin)
        front.wall.now += 3400
        done = front.many(8, server.origin)
        front.settle()
        assert [getattr(one, "status", one) for one in done] == [200] * 8
        assert len(server.exchanges) == 2
        presented = [seen.headers["authorization"] for seen in server.calls[1:]]
        assert presented.count("Bearer one") >= 6


def test_in_a_forked_child_no_lock_is_held(kind: str) -> None:
    with TokenServer() as server, Front(kind, spec(server.origin)) as front:
        if kind == "blocking":
            front.front._minter._turns["cloud"].lock.acquire()
        front.front._pid = os.getpid() - 1  # as in a child
        assert front.call(server.origin).status == 200


@pytest.mark.timed
def test_closing_gives_up_what_is_under_way(kind: str) -> None:
    if kind == "blocking":
        pytest.skip("a blocking exchange belongs to its thread")
    with TokenServer(Told(token().body, delay=20.0)) as server, Front(kind, spec(server.origin)) as front:

        async def scenario() -> None:
            call = asyncio.create_task(front.front.open(request(server.origin), clocks()))
            await asyncio.sleep(0.1)
            await front.front.close()
            await call

        began = time.monotonic()
        with pytest.raises(ConfigurationError, match="closed"):
            front.wait(scenario())
        assert time.monotonic() - began < 4.0  # the first byte is waited for 5 s
