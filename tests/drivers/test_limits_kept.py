"""What stores of limits keep: no more than they need, and no longer; and what they say when they cannot count."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.accounts import Accounts, open_accounts, open_limits
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.drivers.storage.limits_sqlite import SqliteLimits
from saferoute.errors import ConfigurationError
from saferoute.routing.windows import LIFE
from saferoute.testing import ManualClock
from saferoute.values.limits import Lease
from tests.support.limit_stores import LimitPlace, draw, limit_place, refused, taken


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def file(tmp_path: Path) -> Iterator[LimitPlace]:
    with limit_place("sqlite", tmp_path) as made:
        yield made


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LimitPlace]:
    with limit_place("redis", tmp_path) as made:
        yield made


def test_memory_keeps_61_slots_and_forgets_what_nobody_uses(clock: ManualClock) -> None:
    store = MemoryLimits(clock=clock.monotonic)
    for _ in range(200):
        store.release(taken(store, draw(limit=10_000), draw("concurrent", 1)), [None, None])
        clock.advance(1.0)
    assert len(store._windows["requests", "row|t|a"].slots) == LIFE
    assert store._leases == {}
    held = taken(store, draw("concurrent", 5, name="long"), hold=1_000.0)
    clock.advance(122.0)
    taken(store, draw(name="b"))
    assert store._windows.keys() == {("concurrent", "long"), ("requests", "b")}
    clock.advance(878.0)
    taken(store, draw(name="c"))
    assert held.id not in store._leases
    assert store._windows.keys() == {("requests", "c")}


def test_memory_ends_only_the_leases_whose_time_is_up(clock: ManualClock) -> None:
    store = MemoryLimits(clock=clock.monotonic)
    one = draw("concurrent", 3)
    for hold in (30.0, 10.0, 20.0):
        taken(store, one, hold=hold)
    assert store._soonest == clock.monotonic() + 10.0
    clock.advance(10.0)
    taken(store, one, hold=100.0)
    refused(store, one)
    assert store._soonest == clock.monotonic() + 10.0
    clock.advance(20.0)
    taken(store, one)
    taken(store, one)
    refused(store, one)


def test_memory_counts_so_many_limits_and_no_more(clock: ManualClock) -> None:
    store = MemoryLimits(clock=clock.monotonic, most=3)
    taken(store, draw(name="a"), draw(name="b"))
    taken(store, draw(name="a"), draw(name="b"), draw(name="c"))
    with pytest.raises(ConfigurationError) as error:
        store.acquire([draw(name="a"), draw(name="d")], 60.0)
    assert error.value.message == (
        "3 limits are counted in memory, and no more fit: share them, or pass Client(accounts=saferoute.Accounts.sqlite(path))"
    )
    taken(store, draw(name="a"))
    refused(store, draw(name="a"))
    clock.advance(61.0)
    taken(store, draw(limit=1, name="d"), draw(limit=1, name="e"), draw(limit=1, name="f"))
    for name in "def":
        refused(store, draw(limit=1, name=name))


def test_a_file_forgets_what_is_over(file: LimitPlace) -> None:
    store = file.open()
    for number in range(70):
        taken(store, draw(limit=10_000), draw(name=f"once-{number}"), draw("concurrent", 100, name="u"), hold=30.0)
        file.clock.advance(1.0)
    with sqlite3.connect(file.where) as found:
        assert found.execute("SELECT count(*) FROM limit_slots WHERE name = 'requests:row|t|a'").fetchone() == (LIFE,)
    file.clock.advance(130.0)
    taken(store, draw(name="b"), draw("concurrent", 1, name="c"))
    with sqlite3.connect(file.where) as found:
        assert found.execute("SELECT name FROM limit_slots").fetchall() == [("requests:b",)]
        assert found.execute("SELECT name FROM limit_under_way").fetchall() == [("concurrent:c",)]
        assert found.execute("SELECT count(*) FROM limit_leases").fetchone() == (1,)
    found.close()
    store.close()


def test_a_file_of_accounts_from_before_limits_is_taken_as_it_is(file: LimitPlace) -> None:
    from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
    from tests.support.account_stores import account, debit

    accounts = SqliteAccounts(file.where, clock=file.clock.wall)
    accounts.reserve([debit(7)])
    store = file.open()
    taken(store, draw(limit=1))
    accounts.reserve([debit(8)])
    refused(store, draw(limit=1))
    assert accounts.balance(account()).reserved == 15
    store.close()
    accounts.close()


def test_a_thread_that_holds_the_file_for_too_long_is_not_waited_for(file: LimitPlace) -> None:
    store = SqliteLimits(file.where, clock=file.clock.wall, timeout=0.05)
    taken(store, draw())
    with store._turns.here(), pytest.raises(ConfigurationError) as error:
        store.acquire([draw()], 60.0)
    assert error.value.message == f"limits cannot be counted in {file.where}: another thread holds it for too long; nothing was changed"
    store.close()


def test_budgets_and_limits_of_a_client_take_turns_at_their_file(file: LimitPlace) -> None:
    accounts = Accounts.sqlite(file.where)
    budgets = open_accounts(accounts)
    limits, others = open_limits(accounts, beside=budgets), open_limits(accounts)
    assert isinstance(budgets, SqliteAccounts)
    ended = threading.Event()

    def ask() -> None:
        limits.acquire([draw()], 60.0)
        ended.set()

    with budgets.turns.here():
        assert isinstance(others.acquire([draw()], 60.0), Lease)  # another client's: nothing but SQLite stands between them
        asking = threading.Thread(target=ask)
        asking.start()
        assert not ended.wait(0.05)
    assert ended.wait(5)
    asking.join()
    for store in (limits, others, budgets):
        store.close()


def test_a_process_that_holds_the_file_for_too_long_is_not_waited_for(file: LimitPlace) -> None:
    store = SqliteLimits(file.where, clock=file.clock.wall, timeout=0.05)
    lease = taken(store, draw("tokens", 10, 9))
    other = sqlite3.connect(file.where, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for use in (lambda: store.acquire([draw()], 60.0), lambda: store.release(lease, [0])):
        with pytest.raises(
            ConfigurationError, match="another process holds it for too long; see which one stands still, and stop it; nothing was"
        ):
            use()
    other.close()
    store.release(lease, [0])
    taken(store, draw("tokens", 10, 10))
    store.close()


def test_two_threads_that_open_the_file_at_once_share_one_connection(file: LimitPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Any = file.open()
    real = SqliteLimits._open
    first = real(store)
    assert real(store) is first
    taken(store, draw(limit=1))
    monkeypatch.setattr(SqliteLimits, "_refuse_another", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        store.acquire([draw(limit=1)], 60.0)
    monkeypatch.undo()
    refused(store, draw(limit=1))  # the lock was given back
    store.close()


def test_tables_that_cannot_be_made_leave_nothing_open(file: LimitPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    store: Any = file.open()
    monkeypatch.setattr("saferoute.drivers.storage.limits_sqlite._TABLES", ("CREATE NONSENSE",))
    with pytest.raises(ConfigurationError, match=r"limits cannot be counted in .*: it is damaged, or was changed by something else"):
        store.acquire([draw()], 60.0)
    assert store._opened == {}
    monkeypatch.undo()
    taken(store, draw())
    store.close()


def test_every_key_of_a_server_ends_by_itself_but_for_the_clock(server: LimitPlace) -> None:
    redis = pytest.importorskip("redis", reason="the extra redis is not installed")
    store = server.open()
    lease = taken(store, draw(), draw("concurrent", 9), hold=100.0)
    prefix = f"{{{server.where.prefix}}}:limits:"
    with redis.Redis("127.0.0.1", server.where.port, decode_responses=True) as plain:
        lives = {key.removeprefix(prefix): plain.pttl(key) for key in plain.scan_iter(f"{prefix}*")}
        expected = {"clock": -1, "requests:row|t|a": 63_000, "concurrent:row|t|a": 102_000, f"lease:{lease.id}": 102_000}
        assert lives.keys() == expected.keys()
        assert all(lives[key] == life == -1 or life - 20_000 < lives[key] <= life for key, life in expected.items())
        for _ in range(70):
            server.clock.advance(1.0)
            taken(store, draw(limit=10_000))
        assert plain.hlen(f"{prefix}requests:row|t|a") == LIFE
        store.release(lease, [None, None])
        assert plain.exists(f"{prefix}lease:{lease.id}", f"{prefix}concurrent:row|t|a") == 0
        lease = taken(store, draw("tokens", 100, 50))
        plain.delete(f"{prefix}tokens:row|t|a")
        store.release(lease, [0])
        assert plain.exists(f"{prefix}tokens:row|t|a") == 0  # what is gone is not made anew, below nothing and without an end
    store.close()


def test_the_servers_clock_is_the_time_where_none_is_given(server: LimitPlace) -> None:
    from saferoute.drivers.storage.limits_redis import RedisLimits

    store = RedisLimits(server.where)
    lease = taken(store, draw("concurrent", 1), draw(limit=1))
    assert 59.0 < refused(store, draw(limit=1)).retry_after <= 61.0
    store.release(lease, [None, 0])
    taken(store, draw("concurrent", 1), draw(limit=1))
    store.close()


def test_what_is_not_ours_under_a_key_stops_the_request(server: LimitPlace) -> None:
    redis = pytest.importorskip("redis", reason="the extra redis is not installed")
    store = server.open()
    with redis.Redis("127.0.0.1", server.where.port) as plain:
        plain.set(f"{{{server.where.prefix}}}:limits:requests:row|t|a", "x")
    with pytest.raises(ConfigurationError, match=r"limits cannot be counted in Redis at 127\.0\.0\.1:\d+: it says "):
        store.acquire([draw()], 60.0)
    store.release(Lease("x"), [])
    store.close()
