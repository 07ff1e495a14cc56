"""Callers that hang up at the right moment empty a budget without a request being sent, or keep what was spent from being settled.

A server cancels the task of a client that has disconnected. Between the moment when a store in a file, or across the network, is asked and
the moment when it answers, nobody would be left who knows what is held back.

Guards: saferoute/drivers/store_question.py::if left:
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from saferoute.call.charging import Charge
from saferoute.call.flow import call_flow
from saferoute.drivers.concurrent import run_async
from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.values.account import Account, Balance, Debit
from saferoute.values.permission import Cost, Scope
from saferoute.values.target import Prices
from tests.support.scripted import Answer, AsyncWorld, Witness, World, call, target
from tests.unit.test_flow import body

MONEY = Account("money", 1_000_000, "USD", 2_000_000_000, "the capability 1")


class Slow:
    """A store that answers when it is let."""

    scope: Scope = "process"
    waits = True

    def __init__(self) -> None:
        self.inner = MemoryAccounts(clock=lambda: 1_000.0)
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.settling, self.settled = threading.Event(), threading.Event()

    def reserve(self, debits: Sequence[Debit]) -> str:
        reservation = self.inner.reserve(debits)
        self.asked.set()
        assert self.go_on.wait(10)
        return reservation

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        self.settling.set()
        assert self.go_on.wait(10)
        self.inner.settle(reservation, amounts)
        self.settled.set()

    def balance(self, account: Account) -> Balance:
        return self.inner.balance(account)

    def first_use(self, key: str, expires_at: float) -> bool:
        return self.inner.first_use(key, expires_at)

    def close(self) -> None:
        pass


async def reached(event: threading.Event) -> None:
    ends = time.monotonic() + 10
    while not event.is_set():
        assert time.monotonic() < ends
        await asyncio.sleep(0.001)


async def cancelled(store: Slow, world: World, moment: threading.Event) -> None:
    """Begin a call, and cancel it at a moment; then let the store go on."""
    what = call(target(prices=Prices("USD", input=1, output=1)), charge=Charge(store, (MONEY,), {"row": Cost(700)}))
    outside = AsyncWorld(world)
    task = asyncio.ensure_future(run_async(call_flow(what, world.now), outside, world.clock, outside.sleep, Witness()))
    await reached(moment)
    task.cancel()
    await asyncio.sleep(0.01)
    store.go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    await reached(store.settled)


def test_what_was_held_back_for_a_call_that_was_never_sent_is_given_back() -> None:
    store, world = Slow(), World()
    asyncio.run(cancelled(store, world, store.asked))
    assert world.requests == []
    assert store.balance(MONEY) == Balance(0, 0, 0)


def test_what_was_spent_is_settled_though_the_caller_left() -> None:
    store, world = Slow(), World(Answer([body()]))
    store.go_on.set()

    async def scenario() -> None:
        original = store.reserve

        def reserve(debits: Sequence[Debit]) -> str:
            held = original(debits)
            store.go_on.clear()
            return held

        store.reserve = reserve  # type: ignore[method-assign]  # from here on, settling has to wait
        await cancelled(store, world, store.settling)

    asyncio.run(scenario())
    assert len(world.requests) == 1
    assert store.balance(MONEY) == Balance(5, 0, 0)
