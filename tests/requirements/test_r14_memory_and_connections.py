"""Requirement 14: memory stays flat, there is one owned pool, `close()` and context managers close it, and a client left open warns."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import tracemalloc
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.client.blocking import Client
from saferoute.client.concurrent import AsyncClient
from saferoute.errors import ConfigurationError, SaferouteError
from saferoute.testing.script import RawAnswer
from saferoute.testing.server import Received
from tests.requirements.conftest import Way
from tests.requirements.connections import watched
from tests.support.both import Face
from tests.support.counting_server import CountingServer, fails, is_stream, says

Opened = Callable[..., Face]
Serve = Callable[..., CountingServer]

DESCRIPTORS = Path("/proc/self/fd")
WARM = 100
CALLS = 2_000
TRACED = 500
MANY = 10_000


def made_once() -> Callable[[Received], RawAnswer]:
    """Two answers that are made beforehand, so that the server costs little."""
    asked = [Received("POST", "/", (), json.dumps({"stream": stream}).encode(), 1, keep_alive=True) for stream in (False, True)]
    whole, streamed = (says("hello", " you")(one) for one in asked)
    return lambda received: streamed if is_stream(received) else whole


def calls(way: Way, face: Face, count: int) -> None:
    """So many calls, one after the other, in one run of the loop; nothing of them is kept."""
    client = face.client

    def blocking() -> None:
        for _ in range(count):
            if way.streams:
                with client.stream("row", "hi") as stream:
                    stream.finish()
            else:
                client.chat("row", "hi")

    async def concurrent() -> None:
        for _ in range(count):
            if way.streams:
                async with client.stream("row", "hi") as stream:
                    await stream.finish()
            else:
                await client.chat("row", "hi")

    blocking() if way.kind == "blocking" else face.wait(concurrent())


def both_shapes(face: Face, count: int) -> None:
    """Half of the calls whole, half of them streamed."""
    for shape in ("chat", "stream"):
        calls(Way(face.kind, shape), face, count // 2)


def test_memory_is_flat_over_2000_calls(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(made_once(), keep=False)
    face = opened(kind, server, ledger=None)  # what a ledger keeps in memory is bounded, and more at one moment than at another: below
    both_shapes(face, WARM)
    gc.collect()
    blocks = sys.getallocatedblocks()
    both_shapes(face, CALLS - TRACED)
    gc.collect()
    assert sys.getallocatedblocks() - blocks <= CALLS // 20  # not one block for every twentieth call
    grown = traced(lambda count: both_shapes(face, count))
    assert grown <= 10 * TRACED
    assert (server.count, server.connections) == (WARM + CALLS, 1)


def traced(work: Callable[[int], None]) -> int:
    """Bytes that are there after the last calls and were not before them. Tracing takes four times as long, so it is not for all of them."""
    tracemalloc.start(1)
    try:
        work(20)  # the server waits for a request with a buffer in its hands
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        work(TRACED - 20)
        gc.collect()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.large
@pytest.mark.skipif("CHAOS_CALLS" not in os.environ, reason="a minute of calls: `nox -s chaos` makes them")
def test_memory_is_flat_over_10000_calls(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(made_once(), keep=False)
    face = opened(kind, server)
    both_shapes(face, WARM)
    gc.collect()
    before = sys.getallocatedblocks()
    both_shapes(face, MANY)
    gc.collect()
    assert sys.getallocatedblocks() - before <= MANY // 20  # not one block for every twentieth call
    assert (server.count, server.connections) == (WARM + MANY, 1)


def test_a_ledger_in_memory_is_bounded(kind: str, serve: Serve, opened: Opened) -> None:
    server, ledger = serve(made_once(), keep=False), saferoute.Ledger.memory(20)
    face = opened(kind, server, ledger=ledger)
    sizes = []
    for _ in range(30):
        both_shapes(face, 20)
        sizes.append(sum(map(len, ledger.read().values())))
    assert max(sizes) <= 100_000  # 40 records, and those of segments and checkpoints
    assert max(sizes[15:]) <= 1.2 * max(sizes[:15])


def test_memory_is_flat_over_calls_that_fail(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(fails(400), keep=False)
    face = opened(kind, server, ledger=saferoute.Ledger.memory(20))  # full when the measuring begins

    def failing(count: int) -> None:
        for _ in range(count):
            with pytest.raises(SaferouteError):
                face.chat("row", "hi")

    failing(50)
    gc.collect()
    before = sys.getallocatedblocks()
    failing(250)
    gc.collect()
    assert sys.getallocatedblocks() - before < 125  # not one block for every second call; caches that fill up keep a few dozen
    assert server.connections == 1


# ------------------------------------------------------------------------------------------------------------------ connections


def descriptors() -> int:
    return len(list(DESCRIPTORS.iterdir()))


needs_proc = pytest.mark.skipif(not DESCRIPTORS.is_dir(), reason="file descriptors are counted in /proc")


def at_once(face: Face, count: int) -> list[Any]:
    """So many calls at the same time."""
    if face.kind == "blocking":
        with ThreadPoolExecutor(count) as threads:
            return list(threads.map(lambda _: face.client.chat("row", "hi").text, range(count)))

    async def together() -> list[Any]:
        return [reply.text for reply in await asyncio.gather(*(face.client.chat("row", "hi") for _ in range(count)))]

    return face.wait(together())  # type: ignore[no-any-return]


@needs_proc
def test_after_close_no_socket_is_open(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello", first_pause=0.05))
    face = opened(kind, server)
    before = descriptors()
    with watched() as seen:
        assert at_once(face, 8) == ["hello"] * 8
        face.stream("row", "hi")
    assert seen.open_sockets() >= 2 or kind == "asyncio"
    assert descriptors() > before
    assert 2 <= server.connections <= 8
    face.wait(face.client.close())
    face.wait(face.client.close())  # twice is once
    if face._loop is not None:
        face._loop.run_until_complete(asyncio.sleep(0))  # the loop lets go of a socket in its next round
    assert seen.open_sockets() == 0
    assert server.quiet()
    assert descriptors() == before


def test_connections_are_used_again(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(four_ways.kind, server)
    for _ in range(20):
        four_ways.ask(face)
    assert (server.connections, server.count) == (1, 20)


def test_parts_of_a_client_share_its_pool_and_close_nothing(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(kind, server)
    face.chat("row", "hi")
    for _ in range(3):
        part = face.client.using(purpose="support")
        face.wait(part.chat("row", "hi"))
        face.wait(part.close())
    assert face.chat("row", "hi").text == "hello"
    assert server.connections == 1


def test_two_clients_share_no_connection(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    for _ in range(2):
        opened(kind, server).chat("row", "hi")
    assert server.connections == 2


def test_a_closed_client_says_so_and_connects_to_nobody(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(four_ways.kind, server)
    face.wait(face.client.close())
    with pytest.raises(ConfigurationError, match="closed"):
        four_ways.ask(face)
    assert server.connections == 0


@needs_proc
def test_a_context_manager_closes(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(kind, server)
    before = descriptors()

    async def concurrent() -> None:
        async with face.client as client:
            assert (await client.chat("row", "hi")).text == "hello"
            assert descriptors() > before
        await asyncio.sleep(0)

    if kind == "blocking":
        with face.client as client:
            assert client.chat("row", "hi").text == "hello"
            assert descriptors() > before
    else:
        face.wait(concurrent())
    assert server.quiet()
    assert descriptors() == before


@needs_proc
def test_failures_leave_no_socket_open(four_ways: Way, serve: Serve, opened: Opened) -> None:
    server = serve(
        RawAnswer(framing="verbatim", end="reset"),
        RawAnswer(pieces=(b"{",), declared_length=50, end="close"),
        fails(500),
        RawAnswer(pieces=(b"not json",)),
    )
    face = opened(four_ways.kind, server)
    before = descriptors()
    for _ in range(4):
        with pytest.raises(SaferouteError):
            four_ways.ask(face, max_attempts=1)
    face.wait(face.client.close())
    assert server.quiet()
    assert descriptors() == before


def test_a_client_that_is_left_open_warns(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(kind, server)
    face.chat("row", "hi")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        face.client = None
        gc.collect()
    try:
        assert [one.category for one in seen if "close" in str(one.message)] == [ResourceWarning]
    finally:
        face.client = _Closed(kind)


@needs_proc
def test_a_client_that_is_left_open_leaves_no_socket_open(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says("hello"))
    face = opened(kind, server)
    before = descriptors()
    face.chat("row", "hi")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        face.client = _Closed(kind)
        gc.collect()
    if face._loop is not None:
        face._loop.run_until_complete(asyncio.sleep(0))
    assert server.quiet()
    assert descriptors() == before


def test_a_client_that_was_closed_does_not_warn(kind: str, serve: Serve, opened: Opened) -> None:
    face = opened(kind, serve(says("hello")))
    face.chat("row", "hi")
    face.wait(face.client.close())
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        face.client = _Closed(kind)
        gc.collect()
    assert [one for one in seen if "client" in str(one.message)] == []


def test_a_stream_that_is_dropped_warns_and_is_cancelled_upstream(kind: str, serve: Serve, opened: Opened) -> None:
    server = serve(says(*["a "] * 100, pause=0.02))
    face = opened(kind, server)
    with pytest.warns(ResourceWarning, match="dropped before its end"):
        face.break_out("row", "hi")
        gc.collect()
    assert server.settled(1)
    assert server.count == 1


class _Closed:
    """Stands where a client was."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def close(self) -> Any:
        return None if self._kind == "blocking" else asyncio.sleep(0)


def test_both_clients_are_context_managers() -> None:
    assert hasattr(Client, "__enter__")
    assert hasattr(AsyncClient, "__aenter__")
