"""Races under both drivers: plain flows against a provider on loopback, or one that plays a script."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from saferoute.call.effects import (
    Abandoned,
    Emit,
    Flow,
    Raced,
    emit,
    send,
    sleep,
)
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import ConnectFailed
from tests.drivers.doors import KINDS, clocks, request
from tests.support.race_flows import Accounts, Driver, asking, failing, late, racing, silently
from tests.support.race_server import RaceServer
from tests.support.scripted import Answer, World

SOON = 2.0  # what is not told would wait for ever, or 10 s


@pytest.fixture
def server() -> Iterator[RaceServer]:
    server = RaceServer()
    yield server
    server.stop()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def driver(kind: str) -> Iterator[Driver]:
    with Driver(kind) as driver:
        yield driver


# ------------------------------------------------------------------------------------------------ who wins


def test_the_first_wins_before_the_second_begins(server: RaceServer, driver: Driver) -> None:
    seen: list[Raced] = []
    second = asking(request(server.origin, "/silent"))
    assert driver.run(racing(asking(request(server.origin, "/fast")), second, 5.0, seen)) == b"fast"
    (raced,) = seen
    assert (raced.winner, raced.result, raced.errors, raced.began) == (0, None, (None, None), False)
    assert raced.pending == Emit([cast("Any", b"fast")])
    assert driver.emitted == [b"fast"]
    assert second.gi_frame is None  # closed
    assert server.asked == ["/fast"]


def test_the_first_returns_before_it_emits(server: RaceServer, driver: Driver) -> None:
    seen: list[Raced] = []
    first = silently(asking(request(server.origin, "/fast")))
    assert driver.run(racing(first, asking(request(server.origin, "/silent")), 5.0, seen)) == b"fast"
    (raced,) = seen
    assert (raced.winner, raced.pending, raced.result, raced.errors, raced.began) == (0, None, b"fast", (None, None), False)
    assert driver.emitted == []


@pytest.mark.parametrize("loser", ["/silent", "/stuck"])
@pytest.mark.timed
def test_the_second_wins_and_the_loser_is_hung_up_on_and_settles(server: RaceServer, driver: Driver, loser: str) -> None:
    accounts, seen = Accounts(), cast("list[Raced]", [])
    first, second = (asking(request(server.origin, path), accounts) for path in (loser, "/fast"))
    began = time.monotonic()
    assert driver.run(racing(first, second, 0.05, seen)) == b"fast"
    ended = time.monotonic()
    (raced,) = seen
    assert (raced.winner, raced.result, raced.errors, raced.began) == (1, None, (None, None), True)
    assert driver.emitted == [b"fast"]
    driver.pause(0.01)
    assert server.wait_for(loser) - ended < SOON
    assert began + 0.05 <= ended < began + 5
    driver.until(lambda: not accounts.held)
    assert sorted(accounts.seen) == [f"reserve {name}" for name in sorted([loser, "/fast"])] + [
        f"settle {name} {cost}" for name, cost in sorted([(loser, 9), ("/fast", 1)])
    ]


def test_the_first_wins_though_the_second_has_begun(server: RaceServer, driver: Driver) -> None:
    seen: list[Raced] = []

    first, second = late(0.1, asking(request(server.origin, "/fast"))), asking(request(server.origin, "/silent"))
    assert driver.run(racing(first, second, 0.0, seen)) == b"fast"
    assert (seen[0].winner, seen[0].began) == (0, True)
    driver.pause(0.01)
    server.wait_for("/silent")


def test_of_two_that_emit_at_once_one_wins_and_the_other_is_told(kind: str) -> None:
    told: list[str] = []
    meet = threading.Barrier(2)

    def emitting(name: str) -> Flow[str]:
        try:
            yield from sleep(0.0)
            yield from emit([cast("Any", name)])
        except Abandoned:
            told.append(name)
            raise
        return name

    with Driver(kind) as driver:
        gate = asyncio.Event()
        here: list[float] = []

        async def together(seconds: float) -> None:
            here.append(seconds)
            if len(here) == 2:
                gate.set()
            await gate.wait()

        driver.sleep = (lambda _: meet.wait(5)) if kind == "blocking" else together
        for _ in range(20):
            gate.clear()
            here.clear()
            seen: list[Raced] = []
            won = driver.run(racing(emitting("first"), emitting("second"), 0.0, seen))
            assert won == ("first", "second")[cast("int", seen[0].winner)]
            assert driver.emitted == [won]
            driver.emitted.clear()
            driver.until(lambda: bool(told))
            assert told == [{"first": "second", "second": "first"}[won]]
            told.clear()


def test_the_first_fails_before_the_second_begins(driver: Driver) -> None:
    seen: list[Raced] = []
    failure = ConnectFailed("no")

    def failing() -> Flow[bytes]:
        yield from sleep(0.0)
        raise failure

    second = asking(request("http://127.0.0.1:9", "/fast"))
    assert driver.run(racing(failing(), second, 5.0, seen)) is None
    (raced,) = seen
    assert (raced.winner, raced.pending, raced.result, raced.errors, raced.began) == (None, None, None, (failure, None), False)
    assert second.gi_frame is None


def test_both_fail(driver: Driver) -> None:
    seen: list[Raced] = []
    one, two = ConnectFailed("one"), ConnectFailed("two")
    assert driver.run(racing(failing(0.1, one), failing(0.0, two), 0.01, seen)) is None
    (raced,) = seen
    assert (raced.winner, raced.pending, raced.errors, raced.began) == (None, None, (one, two), True)


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_fails_leaves_the_race_to_the_other(server: RaceServer, driver: Driver, which: int) -> None:
    seen: list[Raced] = []
    failure = ConnectFailed("no")

    flows = [late(0.15, asking(request(server.origin, "/fast"))), late(0.15, asking(request(server.origin, "/fast")))]
    flows[which] = failing(0.1 if which == 0 else 0.0, failure)
    assert driver.run(racing(flows[0], flows[1], 0.01, seen)) == b"fast"
    errors = (failure, None) if which == 0 else (None, failure)
    assert (seen[0].winner, seen[0].errors, seen[0].began) == (1 - which, errors, True)


def test_what_is_no_failure_of_a_call_is_raised_and_ends_the_other(server: RaceServer, driver: Driver) -> None:
    accounts, defect = Accounts(), ZeroDivisionError("a defect")

    def broken() -> Flow[bytes]:
        yield from sleep(0.05)
        raise defect

    with pytest.raises(ZeroDivisionError) as caught:
        driver.run(racing(asking(request(server.origin, "/silent"), accounts), broken(), 0.01, []))
    assert caught.value is defect
    server.wait_for("/silent")
    assert accounts.seen == ["reserve /silent", "settle /silent 9"]


def test_a_flow_that_failed_with_its_exchange_open_leaves_nothing_open(server: RaceServer, driver: Driver) -> None:
    def careless() -> Flow[bytes]:
        yield from send(request(server.origin, "/stuck"), clocks())
        raise ConnectFailed("no")

    driver.run(racing(careless(), careless(), 5.0, []))
    driver.pause(0.01)
    server.wait_for("/stuck")


@pytest.mark.parametrize("path", ["/silent", "/stuck"])
@pytest.mark.timed
def test_a_loser_under_tls_is_hung_up_on(kind: str, path: str, tmp_path: Any) -> None:
    from saferoute.drivers.tls import ClientTls
    from tests.drivers.hostile import Certificates

    certificates = Certificates(tmp_path)
    server = RaceServer(certificates.server("ok"))
    with Driver(kind) as driver:
        tls = ClientTls(certificates.ca_pem)
        driver.transport = BlockingTransport(None, tls=tls) if kind == "blocking" else AsyncioTransport(None, tls=tls)
        first, second = (asking(request(server.origin, name)) for name in (path, "/fast"))
        assert driver.run(racing(first, second, 0.2, [])) == b"fast"
        ended = time.monotonic()
        driver.pause(0.01)
        assert server.wait_for(path) - ended < SOON
    server.stop()


# ------------------------------------------------------------------------------------------------ losers that wait for something else


@pytest.mark.timed
def test_a_loser_that_sleeps_is_woken(server: RaceServer, driver: Driver) -> None:
    told: list[float] = []

    def sleeping() -> Flow[bytes]:
        try:
            yield from sleep(60.0)
        except Abandoned:
            told.append(time.monotonic())
            raise
        return b""

    assert driver.run(racing(sleeping(), asking(request(server.origin, "/fast")), 0.0, [])) == b"fast"
    ended = time.monotonic()
    driver.until(lambda: bool(told))
    assert told[0] - ended < SOON


def test_a_sleep_that_is_passed_in_is_used_as_it_is(kind: str) -> None:
    world = World(Answer([b"one"]))

    def sleeping() -> Flow[bytes]:
        yield from sleep(3600.0)
        return (yield from asking(request("https://api.example.com")))

    with Driver(kind, world=world) as driver:
        seen: list[Raced] = []
        assert driver.run(racing(sleeping(), failing(0.0, ConnectFailed("no")), 5.0, seen)) == b"one"
    assert world.slept == [3600.0]
    assert seen[0].now == 4600.0
    assert (world.finished, world.closed) == (1, 0)


@pytest.mark.timed
def test_a_loser_that_looks_a_host_up_is_told(kind: str, server: RaceServer) -> None:
    looking, let = threading.Event(), threading.Event()

    def resolver(host: str, port: int) -> list[str]:
        looking.set()
        let.wait(10)
        raise OSError

    told: list[float] = []

    def asks() -> Flow[bytes]:
        try:
            return (yield from asking(request("http://localhost:1", "/never")))
        except Abandoned:
            told.append(time.monotonic())
            raise

    with Driver(kind) as driver:
        driver.transport = (BlockingTransport if kind == "blocking" else AsyncioTransport)(None, resolver=resolver)
        assert driver.run(racing(asks(), asking(request(server.origin, "/fast")), 0.2, [])) == b"fast"
        assert looking.is_set()
        ended = time.monotonic()
        driver.until(lambda: bool(told))
        assert told[0] - ended < SOON
        let.set()


def test_what_a_loser_holds_when_it_is_told_is_given_back(server: RaceServer, driver: Driver) -> None:
    """Between asking a store and hearing what it holds, nobody else knows the reservation."""
    accounts, reserving = Accounts(), threading.Event()
    plain = accounts.reserve

    def slowly(debits: Sequence[object]) -> str:
        held = plain(debits)
        reserving.set()
        if driver.kind == "blocking":
            time.sleep(0.3)
        return held

    accounts.reserve = slowly  # type: ignore[method-assign]
    first = asking(request(server.origin, "/silent"), accounts)
    assert driver.run(racing(first, asking(request(server.origin, "/fast")), 0.05, [])) == b"fast"
    assert reserving.is_set()
    driver.until(lambda: not accounts.held)
    assert accounts.seen == ["reserve /silent", "settle /silent 9"]


def test_a_loser_whose_own_race_is_under_way_gives_that_up(server: RaceServer, driver: Driver) -> None:
    accounts = Accounts()
    one, two = (asking(request(server.origin, path), accounts) for path in ("/silent?1", "/silent?2"))
    inner = racing(one, two, 0.0, [])
    assert driver.run(racing(inner, asking(request(server.origin, "/fast")), 0.15, [])) == b"fast"
    driver.pause(0.01)
    server.wait_for("/silent?1")
    server.wait_for("/silent?2")
    driver.until(lambda: not accounts.held)


# ------------------------------------------------------------------------------------------------ the winner goes on


@pytest.mark.parametrize("winner", [0, 1])
def test_the_winner_goes_on_and_its_connection_is_used_again(server: RaceServer, driver: Driver, winner: int) -> None:
    paths = ["/silent", "/silent"]
    paths[winner] = "/stream"
    flows = [asking(request(server.origin, path)) for path in paths]
    assert driver.run(racing(flows[0], flows[1], 0.1, [])) == b"onetwothree"
    assert b"".join(driver.emitted) == b"onetwothree"
    connections = server.connections
    assert connections == 1 + winner
    assert driver.run(asking(request(server.origin, "/fast"))) == b"fast"
    assert server.connections == connections


def test_a_consumer_that_leaves_after_the_race_is_seen_to_leave(server: RaceServer, driver: Driver) -> None:
    accounts = Accounts()
    server.go_on.clear()
    flows = [asking(request(server.origin, path), accounts) for path in ("/silent", "/stream")]
    driver.run(racing(flows[0], flows[1], 0.05, []), take=1)
    driver.pause(0.01)
    server.wait_for("/stream")
    driver.until(lambda: not accounts.held)
    assert "settle /stream 9" in accounts.seen
    server.wait_closed()


def test_what_the_parent_had_open_is_closed_when_it_takes_the_winners(server: RaceServer, driver: Driver) -> None:
    def careless() -> Flow[object]:
        yield from send(request(server.origin, "/stuck"), clocks())
        return (yield from racing(asking(request(server.origin, "/fast")), asking(request(server.origin, "/silent")), 5.0, []))

    assert driver.run(careless()) == b"fast"
    driver.pause(0.01)
    server.wait_for("/stuck")
