"""Somebody gets more than a limit per minute allows: by forking, by setting the clock back, by another file, by a server that forgets.

A limit may be a capability's, so it has to hold against the program that it bounds.

Guards: saferoute/drivers/storage/limits_memory.py#1::if os.getpid() != self._pid:
Guards: saferoute/drivers/storage/limits_sqlite.py::return max(now, newest) => return now
Guards: saferoute/drivers/storage/limits_sqlite.py::if identity_of(self._path) != opened.identity:
Guards: saferoute/drivers/storage/limits_redis.py::problem = why_refused(connected.client)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.accounts import Accounts, open_accounts, open_limits
from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.errors import ConfigurationError
from saferoute.values.limits import Lease, LimitStore
from tests.attacks.test_budget_fork import in_child
from tests.support.limit_stores import SHARED, LimitPlace, draw, limit_place, refused, taken

fork = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork")
REFUSED = (
    "ConfigurationError: this process was forked off the one that counts these limits in its memory, so it cannot know what is left of "
    "them: make the client after the fork, in each worker, or pass Client(accounts=saferoute.Accounts.sqlite(path))"
)


@pytest.fixture(params=SHARED)
def here(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LimitPlace]:
    with limit_place(request.param, tmp_path) as made:
        yield made


@fork
def test_a_child_does_not_count_anew_in_memory(tmp_path: Path) -> None:
    with limit_place("memory", tmp_path) as made:
        store: Any = made.open()
        lease = taken(store, draw(limit=1))
        assert in_child(lambda: store.acquire([draw(limit=1)], 60.0)) == REFUSED
        with store._lock:
            assert in_child(lambda: store.acquire([draw(limit=1)], 60.0)) == REFUSED
            assert in_child(lambda: store.release(lease, [0])) == "None"
        refused(store, draw(limit=1))
        store.release(lease, [0])
        taken(store, draw(limit=1))


@fork
def test_children_of_a_shared_store_count_on_in_it(here: LimitPlace) -> None:
    store = here.open()
    lease = taken(store, draw(limit=4))
    for _ in range(3):
        assert in_child(lambda: isinstance(store.acquire([draw(limit=4)], 60.0), Lease)) == "True"
    assert in_child(lambda: isinstance(store.acquire([draw(limit=4)], 60.0), Lease)) == "False"
    assert in_child(lambda: store.release(lease, [0])) == "None"
    taken(store, draw(limit=4))
    refused(store, draw(limit=4))
    store.close()


def test_a_clock_that_is_set_back_again_and_again_gives_nothing_twice(here: LimitPlace) -> None:
    store = here.open()
    taken(store, draw(limit=1))
    for _ in range(5):
        here.clock.set_wall(here.clock.wall() - 1_000.0)
        assert refused(store, draw(limit=1)).retry_after == 61.0
    here.clock.advance(60.0)
    refused(store, draw(limit=1))
    here.clock.advance(1.0)
    taken(store, draw(limit=1))
    here.clock.set_wall(here.clock.wall() - 1_000.0)
    other = here.open()  # a process that begins after the step knows of it too
    assert refused(other, draw(limit=1)).retry_after == 61.0
    other.close()
    store.close()


def test_memory_does_not_follow_a_clock_back(tmp_path: Path) -> None:
    with limit_place("memory", tmp_path) as made:
        store = made.open()
        taken(store, draw(limit=1))
        made.clock.set_wall(made.clock.wall() - 1_000.0)
        assert refused(store, draw(limit=1)).retry_after == 61.0


def test_a_file_that_is_taken_away_stops_every_request(tmp_path: Path) -> None:
    with limit_place("sqlite", tmp_path) as made:
        store = made.open()
        taken(store, draw(limit=1))
        for path in made.where.parent.glob("accounts.db*"):
            path.unlink()
        for _ in range(2):
            with pytest.raises(
                ConfigurationError, match="was removed or replaced while it was in use: put it back, or restart every process"
            ):
                store.acquire([draw(limit=1)], 60.0)
        store.close()


@pytest.mark.skipif(sys.platform == "win32", reason="left to the directory's access list")
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path) -> None:
    with limit_place("sqlite", tmp_path) as made:
        store = made.open()
        taken(store, draw(limit=1))
        store.close()
        made.where.chmod(0o666)
        with pytest.raises(ConfigurationError, match="may be read or written by others"):
            store.acquire([draw(limit=1)], 60.0)


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
def test_a_server_that_throws_keys_out_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, policy: str) -> None:
    redis = pytest.importorskip("redis", reason="the extra redis is not installed")
    monkeypatch.setattr(redis.Redis, "info", lambda *_: {"maxmemory": 1_000, "maxmemory_policy": policy})
    with limit_place("redis", tmp_path) as made:
        store = made.open()
        for use in (lambda: store.acquire([draw()], 60.0), lambda: store.release(Lease("a"), [0])):
            for _ in range(2):
                with pytest.raises(ConfigurationError) as error:
                    use()
                assert error.value.message == (
                    f"limits cannot be counted in Redis at 127.0.0.1:{made.where.port}: it throws out keys when its memory is full "
                    f"(maxmemory-policy {policy}): set it to noeviction, or use another server"
                )
        store.close()


def uses(store: LimitStore) -> list[Any]:
    return [lambda: store.acquire([draw()], 60.0), lambda: store.release(Lease("a"), [0])]


def test_a_server_that_is_not_there_stops_every_request_and_shows_no_password() -> None:
    pytest.importorskip("redis", reason="the extra redis is not installed")
    canary = "hunter2-canary-0123456789"
    store = open_limits(Accounts.redis(f"redis://user:{canary}@127.0.0.1:1/0", timeout=0.5))
    for use in uses(store):
        with pytest.raises(ConfigurationError, match=r"limits cannot be counted in Redis at 127\.0\.0\.1:1: it cannot be reached") as error:
            use()
        assert canary not in repr(error.value) + str(error.value) + repr(store)
    store.close()


def test_limits_and_budgets_are_counted_in_one_place(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    path = tmp_path / "accounts.db"
    limits = open_limits(Accounts.sqlite(path))
    assert not path.exists()  # nothing is opened before the first limit is counted
    accounts = open_accounts(Accounts.sqlite(path))
    taken(limits, draw(limit=1))
    assert (limits.scope, accounts.scope) == ("host", "host")
    limits.close()
    accounts.close()
    again = open_limits(Accounts.sqlite(path))
    refused(again, draw(limit=1))
    again.close()
    assert sorted(one.name for one in tmp_path.iterdir()) == ["accounts.db"]
    assert isinstance(open_limits(None), MemoryLimits)
    assert isinstance(open_limits(Accounts.memory()), MemoryLimits)
