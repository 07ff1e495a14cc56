"""The power is cut, and what the disk had not yet taken of a budget's spending is gone: the budget would be spent again.

Guards: saferoute/drivers/storage/accounts_sqlite.py::connection.execute("UPDATE accounts SET spent = promised - reserved WHERE promised > spent + reserved")
Guards: saferoute/drivers/storage/accounts_sqlite.py::doubtful = max(forgotten, self._clock() + life) if before else forgotten
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.errors import BudgetExceeded
from saferoute.values.account import Account, Balance, Debit
from tests.support.account_stores import END, NOW

LIMIT = 6_400
SHARE = 100  # a 64th of it
ACCOUNT = Account("grant|USD|life", LIMIT, "USD", END, "the grant")


def opened(path: Path, boot: str, now: float = NOW) -> SqliteAccounts:
    return SqliteAccounts(path, clock=lambda: now, boot=boot)


def statements(store: SqliteAccounts) -> list[str]:
    """The statements that the store runs from now on, in order."""
    store.check()
    seen: list[str] = []
    (connection,) = [one.connection for one in store._opened.values()]
    connection.set_trace_callback(seen.append)
    return seen


def waits(seen: list[str]) -> int:
    """How many of the commits waited for the disk."""
    return seen.count("PRAGMA synchronous = FULL")


def take(store: SqliteAccounts, amount: int, cost: int) -> None:
    store.settle(store.reserve([Debit(ACCOUNT, amount)]), [cost])


def test_a_commit_waits_for_the_disk_only_when_more_is_taken_than_was_promised(tmp_path: Path) -> None:
    store = opened(tmp_path / "accounts.db", "first")
    seen = statements(store)
    take(store, 50, 10)
    assert waits(seen) == 1
    assert seen[-1] == "COMMIT"
    for _ in range(10):
        take(store, 50, 10)  # 110 spent at the end, 150 with the last one's worst case: just what was promised
    assert waits(seen) == 1
    take(store, 40, 0)
    assert waits(seen) == 1
    take(store, 41, 0)
    assert waits(seen) == 2
    full = seen.index("PRAGMA synchronous = FULL")
    assert seen[full - 1] == "ROLLBACK"
    assert seen[full + 1] == "BEGIN IMMEDIATE"
    assert seen[seen.index("PRAGMA synchronous = NORMAL", full) - 1] == "COMMIT"
    store.close()


def test_spending_more_than_was_promised_waits_too(tmp_path: Path) -> None:
    store = opened(tmp_path / "accounts.db", "first")
    seen = statements(store)
    held = store.reserve([Debit(ACCOUNT, 50)])
    store.settle(held, [150])
    assert waits(seen) == 1
    held = store.reserve([Debit(ACCOUNT, 0)])
    store.settle(held, [1])
    assert waits(seen) == 2
    store.close()


def test_what_may_have_been_lost_counts_as_spent(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    store = opened(path, "first")
    take(store, 50, 10)
    held = store.reserve([Debit(ACCOUNT, 30)])
    store.close()
    again = opened(path, "first")
    assert again.balance(ACCOUNT) == Balance(10, 30, 1)  # the same start of the system: nothing was lost
    again.close()
    after = opened(path, "second")
    assert after.balance(ACCOUNT) == Balance(50 + SHARE - 30, 30, 1)
    after.settle(held, [30])
    assert after.balance(ACCOUNT) == Balance(50 + SHARE, 0, 0)
    after.close()
    once = opened(path, "second")
    assert once.balance(ACCOUNT) == Balance(50 + SHARE, 0, 0)
    once.close()


def test_a_budget_is_never_promised_beyond_its_limit(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    store = opened(path, "first")
    take(store, LIMIT - 1, 0)
    store.close()
    after = opened(path, "second")
    assert after.balance(ACCOUNT) == Balance(LIMIT, 0, 0)
    with pytest.raises(BudgetExceeded):
        after.reserve([Debit(ACCOUNT, 1)])
    after.close()


def test_what_the_disk_took_is_enough_to_refuse_what_was_spent_after_it(tmp_path: Path) -> None:
    """The log is cut back to what the last waiting commit had written, which is what a power cut leaves at worst."""
    path, wal = tmp_path / "accounts.db", tmp_path / "accounts.db-wal"
    store = opened(path, "first")
    take(store, 50, 0)
    durable = wal.read_bytes()  # the first commit that promised waited; those after it need not have reached the disk
    spent = 0
    for _ in range(20):
        take(store, 50, 5)
        spent += 5
    left = tmp_path / "after"
    left.mkdir(mode=0o700)
    (left / "accounts.db").write_bytes(path.read_bytes())
    (left / "accounts.db-wal").write_bytes(durable)
    for one in left.iterdir():
        one.chmod(0o600)
    store.close()
    after = opened(left / "accounts.db", "second")
    balance = after.balance(ACCOUNT)
    assert balance.spent >= spent
    assert balance == Balance(50 + SHARE, 0, 0)
    after.close()


def test_where_starts_are_not_told_apart_every_commit_waits(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    store = opened(path, "")
    seen = statements(store)
    (connection,) = [one.connection for one in store._opened.values()]
    take(store, 50, 10)
    assert store.first_use("a", NOW + 60)
    assert [statement for statement in seen if statement.startswith("PRAGMA")] == []
    assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
    store.close()
    again = opened(path, "")
    assert again.balance(ACCOUNT) == Balance(10, 0, 0)
    again.close()


def test_where_starts_are_told_apart_the_others_do_not_wait(tmp_path: Path) -> None:
    store = opened(tmp_path / "accounts.db", "first")
    store.check()
    (connection,) = [one.connection for one in store._opened.values()]
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    take(store, 50, 10)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)
    store.close()


@pytest.mark.parametrize(("until", "new"), [(NOW + 10 + 64, False), (NOW + 10 + 64.5, True)])
def test_a_nonce_that_could_have_been_seen_before_the_cut_is_refused(tmp_path: Path, until: float, new: bool) -> None:
    path = tmp_path / "accounts.db"
    store = opened(path, "first")
    assert store.first_use("a", NOW + 60)  # lives are kept in steps of 64 seconds
    store.close()
    after = opened(path, "second", NOW + 10)
    assert after.first_use("never seen", until) is new
    after.close()


def test_a_longer_life_of_nonces_waits_for_the_disk_once(tmp_path: Path) -> None:
    store = opened(tmp_path / "accounts.db", "first")
    seen = statements(store)
    lives: list[Any] = [(60, 1), (64, 1), (1, 1), (65, 2), (128, 2), (1_000_000, 3)]
    for number, (life, expected) in enumerate(lives):
        assert store.first_use(str(number), NOW + life)
        assert waits(seen) == expected
    store.close()


def test_a_new_file_has_nothing_to_doubt(tmp_path: Path) -> None:
    store = opened(tmp_path / "accounts.db", "first")
    assert store.first_use("a", NOW + 0.5)
    with sqlite3.connect(tmp_path / "accounts.db") as other:
        assert other.execute("SELECT boot, nonces, nonces_forgotten, nonce_life FROM state").fetchone() == ("first", 1, -1.0, 64)
    other.close()
    store.close()
