"""The three stores of accounts under one face, and processes that use them."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.accounts import Accounts, RedisServer
from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.testing import ManualClock
from saferoute.values.account import Account, AccountStore, Debit

ROOT = Path(__file__).parents[2]
KINDS = ("memory", "sqlite", "redis")
SHARED = ("sqlite", "redis")
NOW = 1_767_225_600.0  # what ManualClock says at first: 2026-01-01T00:00:00Z
END = 1_767_312_000  # the end of that day


def redis_server() -> RedisServer:
    """The server that tests may use, under a prefix of its own; skips where there is none."""
    pytest.importorskip("redis", reason="the extra redis is not installed")
    port = os.environ.get("SAFEROUTE_REDIS_PORT")
    if not port:
        pytest.skip("SAFEROUTE_REDIS_PORT names no Redis server on loopback")
    return RedisServer("127.0.0.1", int(port), prefix=f"test-{secrets.token_hex(8)}")


@dataclass(frozen=True)
class Place:
    """Where accounts are counted in a test, and with which clock."""

    kind: str
    where: Any
    clock: ManualClock

    def open(self, clock: Callable[[], float] | None = None, **options: Any) -> AccountStore:
        """A store there: of its own, but for memory, where there is only one."""
        clock = clock or self.clock.wall
        if self.kind == "memory":
            return MemoryAccounts(clock=clock, **options)
        if self.kind == "sqlite":
            return SqliteAccounts(self.where, clock=clock, **options)
        from saferoute.drivers.storage.accounts_redis import RedisAccounts

        return RedisAccounts(self.where, clock=clock, **options)

    def worker(self, job: str, *arguments: object) -> subprocess.Popen[str]:
        """A process of its own that does a job of `account_worker` there."""
        where = self.where if self.kind == "sqlite" else f"{self.where.port}/{self.where.prefix}"
        command = [sys.executable, "-m", "tests.support.account_worker", self.kind, str(where), str(self.clock.wall()), job]
        command += [str(argument) for argument in arguments]
        return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def place(kind: str, folder: Path) -> Iterator[Place]:
    """Make a place, and take it away afterwards."""
    where: Any = None
    if kind == "sqlite":
        where = folder / "accounts.db"
    if kind == "redis":
        where = redis_server()
    yield Place(kind, where, ManualClock())
    if kind == "redis":
        import redis

        with redis.Redis("127.0.0.1", where.port) as client:
            for key in client.scan_iter(f"{{{where.prefix}}}:*"):
                client.delete(key)


def account(name: str = "grant", limit: int = 100, unit: str = "USD", expires_at: int = END) -> Account:
    """An account for tests."""
    return Account(f"{name}|{unit}|2026-01-01", limit, unit, expires_at, f"the owner of {name}")


def debit(amount: int, name: str = "grant", limit: int = 100, **options: Any) -> Debit:
    """A debit from one."""
    return Debit(account(name, limit, **options), amount)


def plain_redis(server: RedisServer, **changes: Any) -> Accounts:
    """A description of the store, as if given by URL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Accounts(replace(server, **changes))
