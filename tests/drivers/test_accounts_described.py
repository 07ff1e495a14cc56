"""`saferoute.Accounts`: what a description says, and what the client makes of it."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from saferoute.drivers.accounts import Accounts, RedisServer, open_accounts
from saferoute.drivers.storage.accounts_memory import MemoryAccounts
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.errors import ConfigurationError
from saferoute.values.account import Balance
from tests.support.account_stores import END, NOW, account, debit


def test_memory_is_what_a_client_counts_in_unless_told() -> None:
    assert Accounts.memory().scope == "process"
    for described in (None, Accounts.memory()):
        store = open_accounts(described, clock=lambda: NOW)
        assert isinstance(store, MemoryAccounts)
        store.reserve([debit(1)])
        store.close()
        assert store.balance(account()) == Balance(0, 1, 1)


def test_the_systems_clock_is_the_default() -> None:
    with pytest.raises(ConfigurationError, match="ended at 1970-01-02 00:00 UTC"):
        open_accounts(None).reserve([debit(1, expires_at=86_400)])


def test_a_file_is_not_made_by_describing_it(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    described = Accounts.sqlite(path)
    assert (described, described.scope, list(tmp_path.iterdir())) == (Accounts.sqlite(str(path)), "host", [])
    store = open_accounts(described, clock=lambda: NOW)
    assert isinstance(store, SqliteAccounts)
    assert path.exists()
    store.close()


def test_a_relative_path_stays_where_the_client_was_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    store = open_accounts(Accounts.sqlite("accounts ?#%.db"), clock=lambda: NOW)
    monkeypatch.chdir("elsewhere")
    store.reserve([debit(1)])
    store.close()
    store.reserve([debit(1)])
    assert sorted(one.name for one in tmp_path.iterdir()) == ["accounts ?#%.db", "accounts ?#%.db-shm", "accounts ?#%.db-wal", "elsewhere"]
    store.close()


@pytest.mark.parametrize("path", ["", ":memory:", "file:x.db", "file:///x?mode=memory", "a\0b", b"x.db"])
def test_what_is_no_path_of_a_file_is_refused(path: Any) -> None:
    with pytest.raises(ConfigurationError, match=r'^Accounts\.sqlite takes the path of a file, such as "/var/lib/myapp/accounts\.db"$'):
        Accounts.sqlite(path)


URLS: list[tuple[str, dict[str, Any]]] = [
    ("redis://127.0.0.1", {}),
    ("redis://localhost:7000/", {"host": "localhost", "port": 7000}),
    ("redis://[::1]:7000/3", {"host": "::1", "port": 7000, "database": 3}),
    ("rediss://Redis.Example/0012", {"host": "redis.example", "tls": True, "database": 12}),
    ("rediss://me@redis.example", {"host": "redis.example", "tls": True, "username": "me"}),
    ("rediss://a%40b:p%2Fw%20%C3%A9@redis.example", {"host": "redis.example", "tls": True, "username": "a@b"}),
]


@pytest.mark.parametrize(("url", "parts"), URLS)
def test_a_url_names_the_server(url: str, parts: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        described = Accounts.redis(url)
    server = described.place
    assert isinstance(server, RedisServer)
    assert described.scope == "cluster"
    found = {name: getattr(server, name) for name in ("host", "port", "tls", "database", "username", "ca_pem", "prefix", "timeout")}
    plain = {
        "host": "127.0.0.1",
        "port": 6379,
        "tls": False,
        "database": 0,
        "username": None,
        "ca_pem": None,
        "prefix": "saferoute",
        "timeout": 2.0,
    }
    assert found == plain | parts
    if "%40" in url:
        assert server.password is not None
        assert server.password._bytes == "p/w é".encode()
    else:
        assert server.password is None


@pytest.mark.parametrize("url", ["redis://redis.example", "redis://10.0.0.1:7000", "redis://localhost.example"])
def test_without_tls_to_another_host_it_warns(url: str) -> None:
    with pytest.warns(UserWarning, match=r"^Accounts\.redis speaks to [a-z0-9.]+:\d+ without TLS: .*; write rediss://$") as seen:
        Accounts.redis(url)
    assert [one.filename for one in seen] == [__file__]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"prefix": ""}, "a prefix has 1 to 64 letters, digits, '.', '_', ':' and '-'"),
        ({"prefix": "a}b"}, "a prefix has 1 to 64 letters, digits, '.', '_', ':' and '-'"),
        ({"prefix": "a" * 65}, "a prefix has 1 to 64 letters, digits, '.', '_', ':' and '-'"),
        ({"timeout": 0}, "timeout is more than 0 and at most 30 seconds"),
        ({"timeout": 30.1}, "timeout is more than 0 and at most 30 seconds"),
        ({"timeout": float("nan")}, "timeout is more than 0 and at most 30 seconds"),
        ({"ca_pem": "x"}, "ca_pem is for TLS: write rediss://"),
    ],
)
def test_malformed_options_are_refused(options: dict[str, Any], why: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Accounts.redis("redis://127.0.0.1", **options)
    assert refused.value.message == f"Accounts.redis: {why}"


def test_too_many_accounts_in_memory_are_refused_until_some_are_over() -> None:
    now = [NOW]
    store = MemoryAccounts(clock=lambda: now[0], most=2)
    store.reserve([debit(1, "a"), debit(1, "b", expires_at=END + 1)])
    with pytest.raises(ConfigurationError, match=r"^2 accounts are counted in memory, and no more fit"):
        store.reserve([debit(1, "a"), debit(1, "c", expires_at=END + 5_000)])
    assert store.balance(account("a")) == Balance(0, 1, 1)
    store.reserve([debit(1, "a")])
    now[0] = END + 3_600
    store.reserve([debit(1, "c", expires_at=END + 5_000)])
    now[0] = END + 50_000
    assert store.balance(account("c")) == Balance(0, 0, 0)
    assert (store._balances, store._ends, store._holds, store._due) == ({}, {}, {}, [])


def test_memory_forgets_nonces_that_are_over() -> None:
    now = [NOW]
    store = MemoryAccounts(clock=lambda: now[0])
    for n in range(10):
        assert store.first_use(str(n), NOW + 1 + n)
    now[0] = NOW + 100
    assert store.first_use("x", NOW + 101)
    assert (store._nonces, store._nonces_due) == ({"x"}, [(NOW + 101, "x")])


def test_the_file_forgets_what_is_over(tmp_path: Path) -> None:
    now = [NOW]
    store = SqliteAccounts(tmp_path / "accounts.db", clock=lambda: now[0])
    store.reserve([debit(1), debit(1, "later", expires_at=END + 86_400)])
    assert store.first_use("a", NOW + 60)
    now[0] = END + 3_600
    store.balance(account())
    (connection,) = [one.connection for one in store._opened.values()]
    assert connection.execute("SELECT key FROM accounts").fetchall() == [("later|USD|2026-01-01",)]
    assert connection.execute("SELECT key FROM holds").fetchall() == [("later|USD|2026-01-01",)]
    assert connection.execute("SELECT nonces, nonces_forgotten, forgotten FROM state").fetchone() == (0, NOW + 60, END)
    now[0] = END + 86_400 + 3_600
    store.balance(account())
    assert [connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("accounts", "holds", "nonces")] == [0, 0, 0]
    store.close()


def test_the_file_waits_for_others_and_no_longer_than_told(tmp_path: Path) -> None:
    path = tmp_path / "accounts.db"
    first = SqliteAccounts(path, clock=lambda: NOW)
    first.check()
    (opened,) = first._opened.values()
    opened.connection.execute("BEGIN IMMEDIATE")
    second = SqliteAccounts(path, clock=lambda: NOW, timeout=0.05)
    with pytest.raises(ConfigurationError) as refused:
        second.reserve([debit(1)])
    assert refused.value.message == (
        f"accounts cannot be counted in {path}: another process holds it for too long; see which one stands still, and stop it; "
        "nothing was changed"
    )
    opened.connection.execute("ROLLBACK")
    second.reserve([debit(1)])
    with second.turns.here(), pytest.raises(ConfigurationError, match=r"another thread holds it for too long; nothing was changed$"):
        second.reserve([debit(1)])
    assert first.balance(account()) == Balance(0, 1, 1)
    first.close()
    second.close()
