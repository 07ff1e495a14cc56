"""Calls while another process keeps everybody from writing in the file of accounts: they end in time, and nothing is lost or kept."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from saferoute.call.charging import Charge
from saferoute.call.flow import call_flow
from saferoute.drivers.background import Background
from saferoute.drivers.background_async import AsyncBackground
from saferoute.drivers.blocking import run
from saferoute.drivers.concurrent import run_async
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.errors import TimedOut
from saferoute.testing import ManualClock
from saferoute.values.account import Account, Balance
from saferoute.values.permission import Cost
from saferoute.values.target import Prices
from tests.support.scripted import Answer, AsyncWorld, Witness, World, call, target
from tests.unit.test_flow import body

MONEY = Account("money", 1_000_000, "USD", 2_000_000_000, "the capability 1")
KINDS = ("blocking", "asyncio")


class Held:
    """A store in a file, and a connection of somebody else's."""

    def __init__(self, folder: Path) -> None:
        folder.chmod(0o700)
        self.store = SqliteAccounts(folder / "accounts.db", clock=ManualClock().wall)
        self.store.check()
        self.other = sqlite3.connect(folder / "accounts.db", isolation_level=None, check_same_thread=False)

    def ends_at(self, balance: Balance) -> bool:
        ends = time.monotonic() + 5
        while self.store.balance(MONEY) != balance and time.monotonic() < ends:
            time.sleep(0.002)
        return self.store.balance(MONEY) == balance


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    made = Held(tmp_path)
    yield made
    made.other.close()
    made.store.close()


def make(kind: str, held: Held, world: World, total: float, afterwards: Callable[[], None]) -> None:
    """Make a call; `afterwards` is done before the client that made it is closed."""
    what = call(target(prices=Prices("USD", input=1, output=1)), total=total, charge=Charge(held.store, (MONEY,), {"row": Cost(700)}))
    flow = call_flow(what, world.now)
    if kind == "blocking":
        threads = Background()
        try:
            run(flow, world, world.clock, world.sleep, Witness(), background=lambda: threads)
        finally:
            afterwards()
            threads.close()
        return

    async def main() -> None:
        tasks, outside = AsyncBackground(), AsyncWorld(world)
        try:
            await run_async(flow, outside, world.clock, outside.sleep, Witness(), background=lambda: tasks)
        finally:
            afterwards()
            await tasks.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timed
def test_a_call_that_cannot_be_counted_in_time_is_refused_in_time(kind: str, held: Held) -> None:
    held.other.execute("BEGIN IMMEDIATE")
    took: list[float] = []

    def let() -> None:
        took.append(time.monotonic() - began)
        held.other.execute("ROLLBACK")

    world, began = World(Answer([body()])), time.monotonic()
    with pytest.raises(TimedOut) as caught:
        make(kind, held, world, 0.1, let)
    assert (caught.value.clock, caught.value.sent) == ("total", False)
    assert 0.09 < took[0] < 0.6
    assert world.requests == []
    assert held.ends_at(Balance(0, 0, 0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.timed
def test_an_answer_is_not_held_back_until_its_cost_is_written_down(kind: str, held: Held) -> None:
    class Holding(World):
        """Somebody takes the file once the request has left."""

        def open(self, request: object, clocks: object) -> object:  # type: ignore[override]
            held.other.execute("BEGIN IMMEDIATE")
            return super().open(request, clocks)  # type: ignore[arg-type]

    took: list[float] = []

    def let() -> None:
        took.append(time.monotonic() - began)
        held.other.execute("ROLLBACK")

    world, began = Holding(Answer([body()])), time.monotonic()
    make(kind, held, world, 30.0, let)
    assert took[0] < 0.6
    assert len(world.requests) == 1
    assert held.ends_at(Balance(5, 0, 0))
