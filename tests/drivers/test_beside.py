"""What runs beside a call, and what races leave behind, under both drivers."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import pathlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from saferoute.call.effects import (
    Abandoned,
    Flow,
    Raced,
    send,
    sleep,
    spawn,
)
from saferoute.drivers.blocking import run
from saferoute.drivers.concurrent import ConcurrentRun, run_async
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import ConnectFailed
from tests.drivers.doors import KINDS, clocks, request
from tests.support.race_flows import Accounts, Driver, asking, failing, late, racing, silently
from tests.support.race_server import RaceServer
from tests.support.scripted import Witness


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


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "saferoute-beside"]


# ------------------------------------------------------------------------------------------------ the caller is taken away


def test_a_cancelled_caller_leaves_nothing_open(server: RaceServer) -> None:
    accounts = Accounts()
    with Driver("asyncio") as driver:
        flows = [asking(request(server.origin, path), accounts) for path in ("/silent?1", "/stuck?2")]

        async def scenario() -> None:
            work = ConcurrentRun(racing(flows[0], flows[1], 0.0, []), driver.transport, time.monotonic, asyncio.sleep)
            task = asyncio.ensure_future(work.advance())
            await asyncio.to_thread(server.wait_asked, "/silent?1", "/stuck?2")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert accounts.held == set()
            await asyncio.sleep(0.01)

        driver.wait(scenario())
    assert server.wait_for("/silent?1")
    assert server.wait_for("/stuck?2")


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own handler, also where a shell has started the tests in the background and told them to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_in_a_race_leaves_nothing_open(server: RaceServer) -> None:
    accounts = Accounts()

    def press() -> None:
        server.wait_asked("/silent?1", "/stuck?2")
        os.kill(os.getpid(), signal.SIGINT)

    with Driver("blocking") as driver:
        flows = [asking(request(server.origin, path), accounts) for path in ("/silent?1", "/stuck?2")]
        threading.Thread(target=press, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            driver.run(racing(flows[0], flows[1], 0.0, []))
        assert accounts.held == set()
        assert not [job for job in driver.background._running if not job.done.is_set()]
    server.wait_for("/silent?1")
    server.wait_for("/stuck?2")


def test_a_winner_that_nobody_takes_is_given_up(server: RaceServer, monkeypatch: pytest.MonkeyPatch, driver: Driver) -> None:
    """The caller is interrupted after the race was decided, and before it has the winner."""
    from saferoute.drivers import racing as module
    from saferoute.drivers import racing_async as module_async

    accounts = Accounts()

    def interrupted(*_: object) -> Any:
        raise KeyboardInterrupt

    def cancelled(*_: object) -> Any:
        raise asyncio.CancelledError

    monkeypatch.setattr(module, "_outcome", interrupted)
    monkeypatch.setattr(module_async, "_outcome", cancelled)
    server.go_on.clear()
    flows = [asking(request(server.origin, path), accounts) for path in ("/stream", "/silent")]
    with pytest.raises((KeyboardInterrupt, asyncio.CancelledError)):
        driver.run(racing(flows[0], flows[1], 5.0, []))
    assert accounts.seen == ["reserve /stream", "settle /stream 9"]
    driver.pause(0.01)
    server.wait_for("/stream")


# ------------------------------------------------------------------------------------------------ nothing piles up


def test_200_races_leak_nothing(server: RaceServer, kind: str) -> None:
    accounts = Accounts()
    gc.collect()
    began = (len(threads()), _sockets())

    with Driver(kind) as driver:
        for number in range(200):
            loser = f"/{('silent', 'stuck')[number % 2]}?{number}"
            flows = [asking(request(server.origin, loser), accounts), asking(request(server.origin, f"/fast?{number}"), accounts)]
            assert driver.run(racing(flows[0], flows[1], 0.0, [])) == b"fast"
        driver.until(lambda: not accounts.held)
        assert len(threads()) <= 64
        if driver.loop is not None:
            driver.until(lambda: not asyncio.all_tasks(driver.loop))
            assert not driver.background._kept
    server.wait_closed()
    ends = time.monotonic() + 5
    while (len(threads()) > began[0] or _sockets() > began[1]) and time.monotonic() < ends:
        time.sleep(0.01)
        gc.collect()
    assert len(threads()) <= began[0]
    assert _sockets() <= began[1]


def _sockets() -> int:
    """Open sockets of this process; 0 where that cannot be seen."""
    found = 0
    for place in pathlib.Path("/proc/self/fd").glob("*"):
        try:
            found += str(place.readlink()).startswith("socket:")
        except OSError:
            continue
    return found


def test_a_run_without_a_background_brings_its_own(server: RaceServer, kind: str) -> None:
    before = len(threads())
    flows = [asking(request(server.origin, path)) for path in ("/silent", "/fast")]
    spawned = threading.Event()

    def beside() -> Flow[None]:
        yield from sleep(0.0)
        spawned.set()

    def whole() -> Flow[object]:
        yield from spawn(beside())
        return (yield from racing(flows[0], flows[1], 0.02, []))

    witness = Witness()
    if kind == "blocking":
        transport = BlockingTransport(None)
        assert run(whole(), transport, time.monotonic, time.sleep, witness) == b"fast"
        transport.close()
    else:

        async def concurrent() -> object:
            transport = AsyncioTransport(None)
            result = await run_async(whole(), transport, time.monotonic, asyncio.sleep, witness)
            await asyncio.sleep(0.02)
            await transport.close()
            return result

        assert asyncio.run(concurrent()) == b"fast"
    assert spawned.wait(5)
    server.wait_for("/silent")
    ends = time.monotonic() + 2
    while len(threads()) > before and time.monotonic() < ends:
        time.sleep(0.005)
    assert len(threads()) <= before


# ------------------------------------------------------------------------------------------------ no room


@pytest.mark.parametrize("most", [0, 1])
def test_without_room_for_it_the_second_does_not_begin(server: RaceServer, most: int) -> None:
    """With no thread at all, the first runs in the calling one."""
    seen: list[Raced] = []
    with Driver("blocking", most=most) as driver:
        second = asking(request(server.origin, "/fast"))
        assert driver.run(racing(late(0.05, asking(request(server.origin, "/stream"))), second, 0.0, seen)) == b"onetwothree"
        assert (seen[0].winner, seen[0].errors, seen[0].began) == (0, (None, None), False)
        assert second.gi_frame is None
        failure = ConnectFailed("no")
        assert driver.run(racing(failing(0.02, failure), asking(request(server.origin, "/fast")), 0.0, seen)) is None
        assert (seen[1].winner, seen[1].errors, seen[1].began) == (None, (failure, None), False)
        first = silently(late(0.05, asking(request(server.origin, "/fast"))))
        assert driver.run(racing(first, asking(request(server.origin, "/fast")), 0.0, seen)) == b"fast"
        assert (seen[2].winner, seen[2].result, seen[2].pending) == (0, b"fast", None)
    assert server.asked == ["/stream", "/fast"]


# ------------------------------------------------------------------------------------------------ beside the call


def spawning(*flows: Flow[Any]) -> Flow[str]:
    for flow in flows:
        yield from spawn(flow)
    return "done"


def test_what_runs_beside_a_call_is_not_heard_of(server: RaceServer, driver: Driver, caplog: pytest.LogCaptureFixture) -> None:
    accounts = Accounts()
    with caplog.at_level(logging.DEBUG, "saferoute"):
        beside = [asking(request(server.origin, "/stream"), accounts), failing(0.0, ValueError("prompt sk-1"))]
        assert driver.run(spawning(*beside)) == "done"
        driver.until(lambda: "settle /stream 1" in accounts.seen and bool(caplog.messages))
    assert driver.emitted == []
    assert caplog.messages == ["saferoute: what ran beside a call ended with ValueError"]
    assert driver.background.left_out == 0


def test_a_flow_beside_that_leaves_its_exchange_open_leaves_nothing_open(server: RaceServer, driver: Driver) -> None:
    def careless() -> Flow[None]:
        yield from send(request(server.origin, "/stuck"), clocks())

    driver.run(spawning(careless()))
    driver.until(lambda: bool(server.hung_up))


def test_what_finds_no_room_beside_is_left_out_and_counted(server: RaceServer, kind: str) -> None:
    accounts = Accounts()
    few = {"most_spawned": 2} if kind == "blocking" else {"most": 2}
    with Driver(kind, **few) as driver:
        flows = [asking(request(server.origin, f"/silent?{number}"), accounts) for number in range(5)]
        assert driver.run(spawning(*flows)) == "done"
        assert driver.background.left_out == 3
        assert [flow.gi_frame is None for flow in flows] == [False, False, True, True, True]
        driver.until(lambda: len(server.asked) == 2)
        driver.wait(driver.background.close(0.05))
        assert accounts.held == set()
        assert driver.run(spawning(asking(request(server.origin, "/fast"), accounts))) == "done"  # nothing begins after a close
        assert driver.background.left_out == 4
    assert sorted(server.asked) == ["/silent?0", "/silent?1"]


@pytest.mark.timed
def test_close_waits_for_what_runs_beside_and_then_stops_it(server: RaceServer, driver: Driver) -> None:
    accounts, ended = Accounts(), cast("list[str]", [])

    def brief() -> Flow[None]:
        yield from sleep(0.15)
        ended.append("brief")

    def long() -> Flow[None]:
        try:
            yield from sleep(60)
        except Abandoned:
            ended.append("long was stopped")
            raise

    driver.run(spawning(brief(), long(), asking(request(server.origin, "/silent"), accounts)))
    driver.until(lambda: bool(server.asked))
    began = time.monotonic()
    driver.wait(driver.background.close(0.4))
    took = time.monotonic() - began
    assert ended == ["brief", "long was stopped"]
    assert accounts.seen == ["reserve /silent", "settle /silent 9"]
    assert 0.4 <= took < 5
    driver.wait(driver.background.close())  # again, and at once
    assert time.monotonic() - began < took + 0.8  # and not a second grace


def test_close_waits_for_a_loser_that_tidies_up(server: RaceServer, driver: Driver) -> None:
    settled: list[str] = []

    def tidy() -> Flow[bytes]:
        try:
            return (yield from asking(request(server.origin, "/silent")))
        except Abandoned:
            if driver.kind == "blocking":
                time.sleep(0.1)
            else:
                yield from sleep(0.1)
            settled.append("settled")
            raise

    assert driver.run(racing(tidy(), asking(request(server.origin, "/fast")), 0.05, [])) == b"fast"
    assert settled == []
    driver.close()
    assert settled == ["settled"]


@pytest.mark.timed
def test_close_is_bounded(kind: str) -> None:
    """What does not stop when it is told is left behind."""
    let = threading.Event()

    def stubborn() -> Flow[None]:
        if kind == "blocking":
            let.wait(30)
        else:
            while not let.is_set():
                try:
                    yield from sleep(0.01)
                except Abandoned:
                    continue

    driver = Driver(kind)
    driver.run(spawning(stubborn()))
    driver.pause(0.02)
    began = time.monotonic()
    driver.wait(driver.background.close(0.1))
    assert time.monotonic() - began < 5
    let.set()
    driver.pause(0.05)
    driver.close()
