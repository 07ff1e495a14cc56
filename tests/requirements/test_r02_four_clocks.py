"""Requirement 2: four enforced clocks: connect, first byte, idle between bytes, and one total deadline; idle is on by default.

Each has a server that misbehaves in its own way. Measured at the client: a clock of 0.1 s ends the call,
and is named, long before the server would. How soon exactly is not for a machine that others use too.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from saferoute.errors import SaferouteError, TimedOut
from saferoute.testing.script import RawAnswer
from tests.requirements.conftest import Deployed, Way, row
from tests.support.both import Face
from tests.support.counting_server import CountingServer, Unanswering, fails, says, sse

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

CLOCK = 0.1
SLACK = 3.0  # for a machine that is busy; a tenth of what a server would take
LONG = 30.0  # seconds that a server would take
SHORT = 'deadlines = {{ {} = "100ms" }}'
EVENT = sse({"id": "c", "model": "m", "choices": [{"index": 0, "delta": {"content": "x"}, "finish_reason": None}]})[0]
SSE = (("content-type", "text/event-stream"),)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n"


@contextmanager
def runs_out(clock: str, seconds: float = CLOCK, slack: float = SLACK) -> Iterator[None]:
    """The call inside is ended by that clock, in time, and the error names it."""
    began = time.monotonic()
    with pytest.raises(TimedOut) as caught:
        yield
    took = time.monotonic() - began
    assert (caught.value.clock, caught.value.seconds) == (clock, seconds)
    assert f"the {clock} clock ran out after {seconds:g} s" in str(caught.value)
    assert seconds - 0.02 <= took < seconds + slack
    assert isinstance(caught.value, TimeoutError)
    assert [attempt.outcome for attempt in caught.value.attempts] == ["TimedOut"]


@pytest.mark.timed
def test_connect_a_host_that_neither_takes_nor_refuses_a_connection(four_ways: Way, deployed: Deployed) -> None:
    with Unanswering() as origin:
        face = deployed(four_ways.kind, row("row", origin, SHORT.format("connect")))
        with runs_out("connect"):
            four_ways.ask(face, max_attempts=1)


@pytest.mark.timed
def test_connect_covers_the_tls_handshake(four_ways: Way, serve: Serve, deployed: Deployed) -> None:
    silent = serve(RawAnswer(first_pause=LONG))  # takes the connection, and reads a greeting that is no request
    face = deployed(four_ways.kind, row("row", silent.origin.replace("http:", "https:"), SHORT.format("connect")))
    with runs_out("connect"):
        four_ways.ask(face, max_attempts=1)
    assert silent.count == 0


@pytest.mark.timed
def test_first_byte_a_server_that_takes_the_request_and_says_nothing(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("late", first_pause=LONG))
    face = opened(four_ways.kind, server, fields=SHORT.format("first_byte"))
    with runs_out("first_byte"):
        four_ways.ask(face, max_attempts=1)
    assert server.count == 1


STALLS = {
    "in the head": RawAnswer(framing="verbatim", pieces=(HEAD[:30], HEAD[30:]), pause=LONG),
    "after the head": RawAnswer(framing="verbatim", pieces=(HEAD,), idle=LONG),
    "in a whole body": RawAnswer(framing="verbatim", pieces=(HEAD, b"{"), pause=0.01, idle=LONG),
    "in a stream": RawAnswer(headers=SSE, framing="chunked", pieces=(EVENT, EVENT), unfinished=True, idle=LONG),
    "between two pieces of one event": RawAnswer(headers=SSE, framing="chunked", pieces=(EVENT, EVENT[:20], EVENT[20:]), pause=LONG),
}


@pytest.mark.parametrize("where", STALLS)
@pytest.mark.timed
def test_idle_a_server_that_falls_silent(four_ways: Way, serve: Serve, opened: Opened, where: str) -> None:
    server = serve(STALLS[where])
    face = opened(four_ways.kind, server, fields=SHORT.format("idle"))
    with runs_out("idle"):
        four_ways.ask(face, max_attempts=1)


def drip(interval: float, pieces: int) -> RawAnswer:
    """A body that comes a byte at a time: the idle clock never runs out."""
    return RawAnswer(framing="verbatim", pieces=(HEAD, *[b" "] * pieces), pause=interval)


@pytest.mark.timed
def test_total_a_body_that_drips_a_byte_at_a_time(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(drip(0.02, 1000))
    face = opened(four_ways.kind, server)
    with runs_out("total"):
        four_ways.ask(face, timeout=CLOCK, max_attempts=5)
    assert server.count == 1  # the end of the allowance is the end of the call
    assert server.settled(1)
    assert server.bytes_sent < 1000


@pytest.mark.timed
def test_total_a_stream_that_never_ends(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(RawAnswer(headers=SSE, framing="chunked", pieces=(EVENT,) * 1000, pause=0.02))
    face = opened(four_ways.kind, server)
    with runs_out("total"):
        four_ways.ask(face, timeout=CLOCK, max_attempts=5)
    assert server.count == 1
    assert server.settled(1)


@pytest.mark.parametrize("place", ["row", "alias", "call"])
@pytest.mark.timed
def test_total_is_set_by_the_row_the_alias_or_the_call(kind: str, serve: Serve, opened: Opened, place: str) -> None:
    server = serve(drip(0.02, 1000))
    set_in = SHORT.format("total")
    face = opened(kind, server, fields=set_in if place == "row" else "", alias=set_in if place == "alias" else "")
    options = {"timeout": CLOCK} if place == "call" else {}
    with runs_out("total"):
        Way(kind, "chat").ask(face, "row" if place == "row" else "both", **options)


@pytest.mark.parametrize("stalled", ["first byte", "connect"])
@pytest.mark.timed
def test_total_cuts_the_other_clocks_short(four_ways: Way, serve: Serve, opened: Opened, deployed: Deployed, stalled: str) -> None:
    if stalled == "connect":
        with Unanswering() as origin:
            face = deployed(four_ways.kind, row("row", origin))
            with runs_out("total"):
                four_ways.ask(face, timeout=CLOCK)
        return
    face = opened(four_ways.kind, serve(says("late", first_pause=LONG)))
    with runs_out("total"):
        four_ways.ask(face, timeout=CLOCK)


@pytest.mark.timed
def test_total_covers_all_retries_and_fallbacks(four_ways: Way, serve: Serve, opened: Opened) -> None:
    servers = [serve(says("late", first_pause=LONG)) for _ in range(3)]
    face = opened(four_ways.kind, *servers, fields='deadlines = { first_byte = "400ms" }')
    began = time.monotonic()
    with pytest.raises(SaferouteError):
        four_ways.ask(face, "both", timeout=1.0, max_attempts=50)
    assert time.monotonic() - began < 1.0 + SLACK
    assert 2 <= sum(server.count for server in servers) <= 3  # each had 0.4 s, or what was left


@pytest.mark.timed
def test_total_covers_the_waits_between_attempts(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(fails(503, retry_after_ms="350"))
    began = time.monotonic()
    with pytest.raises(SaferouteError) as caught:
        four_ways.ask(opened(four_ways.kind, server), timeout=1.0, max_attempts=50)
    assert time.monotonic() - began < 1.0 + SLACK
    assert server.count == len(caught.value.attempts) <= 3


def test_a_stream_that_keeps_talking_within_its_clocks_is_not_cut(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says(*"abcdefgh", pause=0.2))  # 1.4 s in all; no gap comes near the idle clock
    face = opened(kind, server, fields='deadlines = { idle = "1200ms" }')
    assert Way(kind, "stream").ask(face).text == "abcdefgh"


def test_every_clock_is_on_where_the_table_says_nothing(serve: Serve, opened: Opened) -> None:
    face = opened("blocking", serve(says("ok")))
    clocks = face.client._core.table.routes["row"].deadlines
    assert (clocks.connect, clocks.first_byte, clocks.idle, clocks.total) == (10.0, 300.0, 60.0, 600.0)


def test_no_clock_can_be_switched_off(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("ok"))
    face = opened(four_ways.kind, server)
    for value in (0, -1, float("inf"), float("nan"), None):
        with pytest.raises(SaferouteError, match="timeout must be seconds"):
            four_ways.ask(face, timeout=value)
    assert server.connections == 0


def test_a_consumer_that_is_slow_is_no_idle_provider(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("a ", "b "))
    face = opened(kind, server, fields='deadlines = { idle = "600ms" }')
    if kind == "blocking":
        texts = []
        with face.client.stream("row", "hi") as stream:
            for text in stream.text():
                time.sleep(0.7)
                texts.append(text)
    else:

        async def slowly() -> list[str]:
            async with face.client.stream("row", "hi") as stream:
                found = []
                async for text in stream.text():
                    time.sleep(0.7)  # noqa: ASYNC251  a consumer that keeps the loop to itself
                    found.append(text)
                return found

        texts = face.wait(slowly())
    assert texts == ["a ", "b "]


@pytest.mark.timed
def test_first_byte_covers_a_server_that_does_not_read_the_request(four_ways: Way, opened: Opened, serve: Serve) -> None:
    server = serve(says("ok"))

    def deaf(connection: socket.socket, _: int) -> None:
        server._stopped.wait(LONG)
        connection.close()

    server._serve = deaf  # type: ignore[method-assign]  # takes the connection, and reads nothing
    face = opened(four_ways.kind, server, fields=SHORT.format("first_byte"))
    with runs_out("first_byte", slack=4 * SLACK):  # before the clock begins, 8 MB are judged, written and read back
        four_ways.ask(face, messages="x" * 8_000_000, max_attempts=1)
