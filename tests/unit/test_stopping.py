"""Stopping, from outside, a flow that runs in another thread."""

from __future__ import annotations

import os
import pathlib
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Any, cast

import pytest

from saferoute.call.effects import (
    Abandoned,
    Chunk,
    Effect,
    Emit,
    Flow,
    Opened,
    Read,
    Reserved,
    Send,
    Sleep,
    Tick,
    cancel,
    emit,
    finish,
    read,
    reserve,
    send,
    settle,
    sleep,
)
from saferoute.drivers.key_lookup import KeysFirst
from saferoute.drivers.pool import cut
from saferoute.drivers.stopping import Stop, Stoppable, stoppable, until_stopped
from saferoute.drivers.transport import BlockingTransport
from saferoute.errors import ConnectFailed, StreamInterrupted
from saferoute.values.account import AccountStore
from saferoute.values.http import Head, HttpRequest
from tests.drivers.doors import clocks, request
from tests.support.race_server import RaceServer
from tests.support.scripted import World

# ------------------------------------------------------------------------------------------------ stopping


def test_what_is_attached_is_broken_off_once() -> None:
    stop, seen = Stop(), cast("list[str]", [])
    stop.attach(partial(seen.append, "one"))
    stop.attach(partial(seen.append, "two"))
    assert not stop.fired
    stop.fire()
    stop.fire()
    assert stop.fired
    assert seen == ["two"]
    with pytest.raises(StreamInterrupted, match=r"^this request was given up: nobody waits for its answer any more$"):
        stop.attach(partial(seen.append, "three"))
    assert seen == ["two"]


def test_what_was_let_go_of_is_not_broken_off() -> None:
    stop, seen = Stop(), cast("list[str]", [])
    stop.attach(partial(seen.append, "one"))
    stop.detach()
    stop.fire()
    assert seen == []


@pytest.mark.timed
def test_a_stop_wakes_who_sleeps() -> None:
    stop = Stop()
    assert stop.sleeping(time.sleep) == stop.wait
    other = World().sleep
    assert stop.sleeping(other) is other
    threading.Timer(0.02, stop.fire).start()
    began = time.monotonic()
    stop.wait(float("inf"))
    assert time.monotonic() - began < 5


class Steps:
    """Moves a flow by hand."""

    def __init__(self, flow: Flow[Any]) -> None:
        self.stop = Stop()
        self.flow = until_stopped(flow, self.stop)
        self.at: Effect = next(self.flow)

    def send(self, answer: Any) -> Effect:
        self.at = self.flow.send(answer)
        return self.at


def holding(seen: list[str]) -> Flow[str]:
    held = yield from reserve(cast("AccountStore", None), [], None)
    seen.append(held.reservation)
    try:
        opened = yield from send(cast("HttpRequest", None), clocks())
        seen.append(str(opened.head.status))
        piece = yield from read()
        seen.append(piece.data.decode())
        yield from sleep(1)
        seen.append("slept")
        yield from emit([])
        yield from finish()
    except (ConnectFailed, Abandoned) as error:
        seen.append(type(error).__name__)
        yield from cancel()
        yield from settle(cast("AccountStore", None), held.reservation, [])
        seen.append("settled")
        raise
    return "whole"


ANSWERS: Sequence[Any] = [Reserved(1.0, "r-1"), Opened(2.0, Head(200, {})), Chunk(3.0, b"piece"), Tick(4.0), Tick(5.0), Tick(6.0)]


def test_a_flow_that_is_not_stopped_notices_nothing() -> None:
    seen: list[str] = []
    steps = Steps(holding(seen))
    kinds = [type(steps.at).__name__]
    with pytest.raises(StopIteration) as ended:
        for answer in ANSWERS:
            kinds.append(type(steps.send(answer)).__name__)
    assert ended.value.value == "whole"
    assert kinds == ["Reserve", "Send", "Read", "Sleep", "Emit", "Finish"]
    assert seen == ["r-1", "200", "piece", "slept"]


@pytest.mark.parametrize(
    ("after", "known"),
    [(0, ["r-1"]), (1, ["r-1"]), (2, ["r-1", "200"]), (3, ["r-1", "200", "piece"])],
)
def test_a_stopped_flow_is_told_and_tidies_up(after: int, known: list[str]) -> None:
    """It hears of its reservation in any case; what was cut short tells it nothing."""
    seen: list[str] = []
    steps = Steps(holding(seen))
    for answer in ANSWERS[:after]:
        steps.send(answer)
    steps.stop.fire()
    assert type(steps.send(ANSWERS[after])).__name__ == "Cancel"
    assert seen == [*known, "Abandoned"]
    assert type(steps.send(Tick(9.0))).__name__ == "Settle"
    with pytest.raises(Abandoned):
        steps.send(Tick(9.0))
    assert seen == [*known, "Abandoned", "settled"]


def test_a_stopped_flow_with_nothing_left_to_do_but_tidy_up_ends_as_it_would() -> None:
    seen: list[str] = []
    steps = Steps(holding(seen))
    for answer in ANSWERS[:4]:
        steps.send(answer)
    steps.stop.fire()
    assert type(steps.send(Tick(5.0))).__name__ == "Finish"
    with pytest.raises(StopIteration) as ended:
        steps.send(Tick(6.0))
    assert ended.value.value == "whole"


def test_what_goes_wrong_because_it_was_broken_off_is_no_failure() -> None:
    seen: list[str] = []
    steps = Steps(holding(seen))
    steps.send(ANSWERS[0])
    steps.stop.fire()
    assert type(steps.flow.throw(ConnectFailed("cut"))).__name__ == "Cancel"
    assert seen == ["r-1", "Abandoned"]


def test_what_went_wrong_before_stays_a_failure_and_is_tidied_up() -> None:
    seen: list[str] = []
    steps = Steps(holding(seen))
    steps.send(ANSWERS[0])
    assert type(steps.flow.throw(ConnectFailed("no"))).__name__ == "Cancel"
    steps.stop.fire()
    assert type(steps.send(Tick(9.0))).__name__ == "Settle"
    with pytest.raises(ConnectFailed, match="no"):
        steps.send(Tick(9.0))
    assert seen == ["r-1", "ConnectFailed", "settled"]


def test_an_abandoned_flow_is_told_once() -> None:
    """By the driver, when a consumer leaves; the stop that follows adds nothing."""
    seen: list[str] = []
    steps = Steps(holding(seen))
    for answer in ANSWERS[:4]:
        steps.send(answer)
    assert isinstance(steps.at, Emit)
    assert type(steps.flow.throw(Abandoned())).__name__ == "Cancel"
    steps.stop.fire()
    assert type(steps.send(Tick(9.0))).__name__ == "Settle"
    assert seen == ["r-1", "200", "piece", "slept", "Abandoned"]


@pytest.mark.parametrize("goes_on", [Read(), Sleep(1.0), Send(cast("HttpRequest", None), clocks()), Emit([])])
def test_a_stopped_flow_that_goes_on_is_let_down(goes_on: Effect) -> None:
    def stubborn() -> Flow[None]:
        try:
            yield Sleep(1.0)
        except Abandoned:
            yield goes_on

    steps = Steps(stubborn())
    steps.stop.fire()
    with pytest.raises(Abandoned):
        steps.send(Tick(1.0))


def test_the_rest_of_a_flow_stays_whole_when_its_guard_is_dropped() -> None:
    """What a race hands over is the flow itself, suspended where it wants to emit."""
    flow = holding([])
    steps = Steps(flow)
    for answer in ANSWERS[:4]:
        steps.send(answer)
    steps.flow.close()
    assert type(flow.send(Tick(5.0))).__name__ == "Finish"


def test_the_guard_of_a_flow_that_never_began() -> None:
    flow = holding([])
    guard = until_stopped(flow, Stop())
    with pytest.raises(Abandoned):
        guard.throw(Abandoned())
    flow.close()


# ------------------------------------------------------------------------------------------------ transports


def test_which_transports_can_be_stopped() -> None:
    world, stop = World(), Stop()
    assert stoppable(cast("Any", world), stop) is world
    own = BlockingTransport(None)
    assert isinstance(own, Stoppable)
    once = stoppable(own, stop)
    assert once is not own
    again = stoppable(once, Stop())  # for a race within a race
    assert again is not once
    own.close()


class Keys:
    """As much of Credentials as is asked for here."""

    def __init__(self, made: dict[str, str]) -> None:
        self.made = made
        self.forks = 0

    def after_fork(self) -> None:
        self.forks += 1


def test_keys_are_found_before_a_transport_that_can_be_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    keys, stop = Keys({}), Stop()
    plain = KeysFirst(cast("Any", World()), cast("Any", keys))
    assert plain.stoppable(stop) is plain
    own = BlockingTransport(None)
    first = KeysFirst(own, cast("Any", keys))
    made = cast("Any", first.stoppable(stop))
    assert type(made) is KeysFirst
    assert (made._transport._stop, made._transport._transport) == (stop, own)
    assert (made._credentials, made._minter, first._transport) == (keys, None, own)
    keys.made["later"] = "a credential that a reload brought"
    made = cast("Any", first.stoppable(stop))
    assert made._minter is first._minter is not None  # one for all, so that two do not make the same credential
    minter: Any = first._minter
    monkeypatch.setattr(type(minter), "after_fork", lambda _: None)
    first._pid = -1
    made = cast("Any", first.stoppable(stop))
    assert (keys.forks, made._pid) == (1, os.getpid())
    own.close()


def test_a_transport_that_is_to_stop_sends_nothing() -> None:
    server, stop = RaceServer(), Stop()
    transport = BlockingTransport(None)
    view = transport.stoppable(stop)
    stop.fire()
    with pytest.raises(StreamInterrupted):
        view.open(request(server.origin, "/fast"), clocks())
    exchange = transport.open(request(server.origin, "/fast"), clocks())  # leaves one in the pool
    assert exchange.read() == b"fast"
    with pytest.raises(StreamInterrupted):
        view.open(request(server.origin, "/fast"), clocks())
    assert server.asked == ["/fast"]
    view.close()
    server.wait_closed()
    server.stop()


def test_a_connection_that_went_back_to_the_pool_is_not_cut() -> None:
    server, stop = RaceServer(), Stop()
    transport = BlockingTransport(None)
    exchange = transport.stoppable(stop).open(request(server.origin, "/fast"), clocks())
    assert exchange.read() == b"fast"
    exchange.finish()
    stop.fire()
    assert transport.open(request(server.origin, "/fast"), clocks()).read() == b"fast"
    assert server.connections == 1
    transport.close()
    server.stop()


def test_cutting_never_takes_the_tls_away(tmp_path: pathlib.Path) -> None:
    """`SSLSocket.shutdown` does, and what another thread writes next, the key with it, would leave in the clear."""
    from tests.drivers.hostile import Certificates

    certificates = Certificates(tmp_path)
    near, far = socket.socketpair()

    def serve() -> None:
        with certificates.server("ok").wrap_socket(far, server_side=True) as there:
            there.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    context = ssl.create_default_context(cadata=certificates.ca_pem)
    context.check_hostname = False
    with context.wrap_socket(near, suppress_ragged_eofs=False) as secured:
        cut(secured)
        assert cast("Any", secured)._sslobj is not None
        with pytest.raises(OSError, match=r"."):
            secured.sendall(b"authorization: Bearer sk-1")
        with pytest.raises(ssl.SSLError):
            secured.recv(1)
    cut(secured)  # closed by now: nothing happens
    thread.join(5)
