"""Checkpoints of an asyncio client are made beside its calls, one at a time: neither a slow disk nor a slow hook holds a call up."""

from __future__ import annotations

import asyncio
import threading
import time
import warnings

import saferoute
from saferoute.drivers.background_async import AsyncBackground
from saferoute.testing import EmbeddedProvider

_KEY = "sk-beside-0123456789abcdef"


def test_no_call_waits_for_a_checkpoint_and_one_is_made_at_a_time() -> None:
    told, may_end = list[str](), threading.Event()

    def slow(*_: object) -> None:
        told.append(threading.current_thread().name)
        assert may_end.wait(30)

    async def calls(provider: EmbeddedProvider) -> list[str]:
        ledger = saferoute.Ledger.memory(checkpoint_records=1, on_checkpoint=(slow,))
        with warnings.catch_warnings(action="ignore"):
            client = saferoute.AsyncClient.local(
                servers=[saferoute.loopback("mock", port=provider.port, secret="mock")],
                secrets=saferoute.Secrets.of({"mock": (_KEY, provider.origin)}),
                ledger=ledger,
            )
        async with client:
            said = [(await client.chat("mock/m", "hello")).text for _ in range(4)]
            until = time.monotonic() + 30
            while not told:
                assert time.monotonic() < until
                await asyncio.sleep(0)
            during = list(told)
            may_end.set()
        assert len(told) >= len(during)
        return [*said, str(len(during))]

    with EmbeddedProvider() as provider:
        said = asyncio.run(calls(provider))
    assert said == ["You said: hello"] * 4 + ["1"]
    assert threading.current_thread().name not in told[:1]


def test_what_is_kept_once_is_kept_again_when_it_has_ended() -> None:
    async def tried() -> list[str]:
        background, done = AsyncBackground(), list[str]()
        gate = asyncio.Event()

        async def work(name: str) -> None:
            await gate.wait()
            done.append(name)

        background.keep_once("a", lambda: work("a1"))
        background.keep_once("a", lambda: work("a2"))  # the first is on its way
        background.keep_once("b", lambda: work("b"))
        gate.set()
        await background.close()
        assert sorted(done) == ["a1", "b"]
        background.keep_once("a", lambda: work("a3"))
        await background.close()
        return done

    assert sorted(asyncio.run(tried())) == ["a1", "a3", "b"]
