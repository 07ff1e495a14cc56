"""Any sequence of taking, releasing and waiting: memory, SQLite and Redis decide alike, and as a list of all that was ever taken says."""

from __future__ import annotations

import math
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.drivers.storage.limits_sqlite import SqliteLimits
from saferoute.routing.windows import GUESS, LIFE
from saferoute.values.limits import Busy, Draw, Lease, LimitStore, Quota
from tests.support.account_stores import redis_server

START = 1_767_225_600.0
QUOTAS = (
    Quota("row|t|a", "requests", 4, "a"),
    Quota("row|t|a", "tokens", 50, "a"),
    Quota("row|t|a", "concurrent", 2, "a"),
    Quota("row|t|b", "tokens", 20, "b"),
    Quota("row|t|b", "concurrent", 1, "b"),
)
AMOUNTS = st.sampled_from([0, 1, 5, 20, 21, 49, 50, 51, 90])
STEPS = st.one_of(
    st.sampled_from([0.0, 0.25, 0.5, 1.0, 10.0, 59.75, 60.0, 60.25, 61.0, 62.0]), st.integers(0, 4_000).map(lambda part: part / 64)
)
HOLDS = st.sampled_from([0.5, 10.0, 61.0, 300.0])
LIFETIME_OF_KEYS = 60.0  # seconds by the real clock, after which Redis may forget what by the test's clock is still counted


class Model:
    """All that was ever taken, as a list; nothing is forgotten, and every question looks at all of it."""

    def __init__(self) -> None:
        self.taken: list[tuple[Quota, float, int]] = []  # when it was taken, or was found to be more, and how much
        self.leases: dict[int, tuple[tuple[Draw, ...], float, float]] = {}

    def counted(self, quota: Quota, now: float) -> list[tuple[float, int]]:
        return sorted((when, amount) for one, when, amount in self.taken if one == quota and now < math.floor(when) + LIFE)

    def under_way(self, quota: Quota, now: float) -> int:
        return sum(draw.quota == quota for draws, _, until in self.leases.values() if now < until for draw in draws)

    def wait(self, quota: Quota, asked: int, now: float) -> float:
        need = min(asked, quota.limit)
        if quota.kind == "concurrent":
            return GUESS if self.under_way(quota, now) + need > quota.limit else 0.0
        counted = self.counted(quota, now)
        moments = [now, *sorted({math.floor(when) + LIFE for when, _ in counted})]
        for moment in moments:
            if sum(amount for when, amount in counted if moment < math.floor(when) + LIFE) + need <= quota.limit:
                return float(moment - now)
        raise AssertionError("an amount never has room")

    def acquire(self, number: int, draws: tuple[Draw, ...], now: float, hold: float) -> Busy | None:
        asked = {draw.quota: sum(one.amount for one in draws if one.quota == draw.quota) for draw in draws}
        waits = [(self.wait(draw.quota, asked[draw.quota], now), draw.quota) for draw in draws]
        longest = max((wait for wait, _ in waits), default=0.0)
        if longest > 0:
            return Busy(next(quota for wait, quota in waits if wait == longest), longest)
        self.taken += [(draw.quota, now, draw.amount) for draw in draws if draw.quota.kind != "concurrent"]
        self.leases[number] = draws, now, now + hold
        return None

    def release(self, number: int, used: tuple[int | None, ...], now: float) -> None:
        draws, when, until = self.leases.pop(number)
        if until <= now:
            return
        for draw, really in zip(draws, used, strict=True):
            if draw.quota.kind == "concurrent" or really is None:
                continue
            if really > draw.amount:
                self.taken.append((draw.quota, now, really - draw.amount))
            else:
                self.taken.append((draw.quota, when, really - draw.amount))


class Stores(RuleBasedStateMachine):
    """The three stores and the model, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.model = Model()
        self.number = 0
        self.given: dict[int, tuple[Lease, ...]] = {}
        self.folder = Path(tempfile.mkdtemp())
        self.folder.chmod(0o700)
        self.stores: list[LimitStore] = [MemoryLimits(clock=self.clock), SqliteLimits(self.folder / "accounts.db", clock=self.clock)]
        self.redis = redis_server() if os.environ.get("SAFEROUTE_REDIS_PORT") else None
        if self.redis is not None:
            from saferoute.drivers.storage.limits_redis import RedisLimits

            self.stores.append(RedisLimits(self.redis, clock=self.clock))

    def clock(self) -> float:
        return self.now

    @initialize(part=st.integers(0, 255))
    def begin(self, part: int) -> None:
        self.now += part / 256

    @rule(
        picked=st.lists(st.tuples(st.sampled_from(QUOTAS), AMOUNTS), max_size=4),
        hold=HOLDS,
    )
    def take(self, picked: list[tuple[Quota, int]], hold: float) -> None:
        draws = tuple(Draw(quota, amount if quota.kind == "tokens" else 1) for quota, amount in picked)
        self.number += 1
        expected = self.model.acquire(self.number, draws, self.now, hold)
        outcomes = [store.acquire(draws, hold) for store in self.stores]
        if expected is not None:
            assert outcomes == [expected] * len(self.stores)
        else:
            leases = tuple(one for one in outcomes if isinstance(one, Lease))
            assert len(leases) == len(self.stores), outcomes
            self.given[self.number] = leases

    @precondition(lambda self: self.given)
    @rule(choice=st.integers(0, 10**6), used=st.lists(st.one_of(st.none(), AMOUNTS), min_size=4, max_size=4))
    def release(self, choice: int, used: list[int | None]) -> None:
        number = sorted(self.given)[choice % len(self.given)]
        leases = self.given.pop(number)
        amounts = tuple(used[: len(self.model.leases[number][0])])
        self.model.release(number, amounts, self.now)
        for store, lease in zip(self.stores, leases, strict=True):
            store.release(lease, amounts)
            store.release(lease, amounts)  # again, which changes nothing

    @rule(step=STEPS)
    def wait(self, step: float) -> None:
        self.now += step

    @rule(quota=st.sampled_from(QUOTAS))
    def wait_as_told(self, quota: Quota) -> None:
        """After the seconds that it was told, and not before, an amount has room."""
        amount = 1 if quota.kind != "tokens" else 15
        refused = self.stores[0].acquire([Draw(quota, amount)], 0.5)
        if isinstance(refused, Lease):
            self.stores[0].release(refused, [0])
            return
        if quota.kind == "concurrent":
            return
        for moment, fits in ((self.now + refused.retry_after - 1 / 512, False), (self.now + refused.retry_after, True)):
            self.now = max(self.now, moment)
            outcomes = [store.acquire([Draw(quota, amount)], 0.5) for store in self.stores]
            assert [isinstance(one, Lease) for one in outcomes] == [fits] * len(self.stores)
            for store, outcome in zip(self.stores, outcomes, strict=True):
                if isinstance(outcome, Lease):
                    store.release(outcome, [0])

    @invariant()
    def never_more_than_the_limit(self) -> None:
        """In any 60 seconds no more was given than the limit, but for what nobody could know, and amounts over the whole limit."""
        memory = self.stores[0]
        assert isinstance(memory, MemoryLimits)
        for window in memory._windows.values():
            assert len(window.slots) <= LIFE
            assert sum(window.slots.values()) == window.total or not window.slots
            assert window.total >= 0

    def teardown(self) -> None:
        for store in self.stores:
            store.close()
        shutil.rmtree(self.folder)
        if self.redis is not None:
            import redis

            with redis.Redis("127.0.0.1", self.redis.port) as client:
                for key in client.scan_iter(f"{{{self.redis.prefix}}}:*"):
                    client.delete(key)


TestStores = Stores.TestCase
TestStores.settings = settings(max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
pytestmark = pytest.mark.timeout(300)
