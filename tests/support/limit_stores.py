"""The three stores of limits under one face, and processes that use them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.drivers.storage.limits_sqlite import SqliteLimits
from saferoute.testing import ManualClock
from saferoute.values.limits import Busy, Draw, Lease, LimitKind, LimitStore, Quota
from tests.support.account_stores import ROOT, redis_server

KINDS = ("memory", "sqlite", "redis")
SHARED = ("sqlite", "redis")


@dataclass(frozen=True)
class LimitPlace:
    """Where limits are counted in a test, and with which clock."""

    kind: str
    where: Any
    clock: ManualClock

    def open(self, clock: Callable[[], float] | None = None) -> LimitStore:
        """A store there: of its own, but for memory, where there is only one."""
        clock = clock or self.clock.wall
        if self.kind == "memory":
            return MemoryLimits(clock=clock)
        if self.kind == "sqlite":
            return SqliteLimits(self.where, clock=clock)
        from saferoute.drivers.storage.limits_redis import RedisLimits

        return RedisLimits(self.where, clock=clock)

    def worker(self, job: str, *arguments: object) -> subprocess.Popen[str]:
        """A process of its own that does a job of `limit_worker` there."""
        where = self.where if self.kind == "sqlite" else f"{self.where.port}/{self.where.prefix}"
        command = [sys.executable, "-m", "tests.support.limit_worker", self.kind, str(where), str(self.clock.wall()), job]
        command += [str(argument) for argument in arguments]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def limit_place(kind: str, folder: Path) -> Iterator[LimitPlace]:
    """Make a place, and take it away afterwards."""
    where: Any = None
    if kind == "sqlite":
        folder.chmod(0o700)
        where = folder / "accounts.db"
    if kind == "redis":
        where = redis_server()
    yield LimitPlace(kind, where, ManualClock())
    if kind == "redis":
        import redis

        with redis.Redis("127.0.0.1", where.port) as client:
            for key in client.scan_iter(f"{{{where.prefix}}}:*"):
                client.delete(key)


def draw(kind: LimitKind = "requests", limit: int = 3, amount: int = 1, name: str = "row|t|a") -> Draw:
    """A draw for tests."""
    return Draw(Quota(name, kind, limit, f"the owner of {name}"), amount)


def taken(store: LimitStore, *draws: Draw, hold: float = 600.0) -> Lease:
    """Take, where there is room."""
    outcome = store.acquire(draws, hold)
    assert isinstance(outcome, Lease), outcome
    return outcome


def refused(store: LimitStore, *draws: Draw, hold: float = 600.0) -> Busy:
    """Ask, where there is no room."""
    outcome = store.acquire(draws, hold)
    assert isinstance(outcome, Busy), outcome
    return outcome
