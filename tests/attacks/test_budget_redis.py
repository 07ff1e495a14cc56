"""The shared server of budgets is flushed, made to throw keys out, stands behind somebody else's certificate, or is not there.

Every one of them must stop calls, not make the budgets new; and its password shows nowhere.

Guards: saferoute/drivers/storage/accounts_redis.py::if said is not None and said[0] == "lost":
Guards: saferoute/drivers/storage/accounts_redis.py::if memory.get("maxmemory") != 0 and policy != "noeviction":
"""

from __future__ import annotations

import copy
import pickle
import socket
import ssl
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saferoute.capabilities.accounts import KEPT
from saferoute.drivers.accounts import Accounts, RedisServer, open_accounts
from saferoute.errors import BudgetExceeded, ConfigurationError
from saferoute.values.account import Balance
from tests.support.account_stores import END, NOW, Place, account, debit, place

redis = pytest.importorskip("redis", reason="the extra redis is not installed")
CANARY = "hunter2-canary-0123456789"
SELF = "accounts cannot be counted in Redis at 127.0.0.1:"


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Place]:
    with place("redis", tmp_path) as made:
        yield made


@pytest.fixture
def plain(here: Place) -> Iterator[Any]:
    with redis.Redis("127.0.0.1", here.where.port, decode_responses=True) as client:
        yield client


def uses(store: Any) -> list[Any]:
    return [
        lambda: store.reserve([debit(1)]),
        lambda: store.balance(account()),
        lambda: store.first_use("a", NOW + 60),
        lambda: store.settle("x", [1]),
    ]


def test_a_server_that_lost_its_accounts_stops_every_process_that_knew_them(here: Place, plain: Any) -> None:
    store = here.open()
    store.reserve([debit(99)])
    for key in plain.scan_iter(f"{{{here.where.prefix}}}:*"):
        plain.delete(key)
    for _ in range(2):
        for use in uses(store):
            with pytest.raises(ConfigurationError, match=r"it lost its accounts since this process began \(a restart without persistence"):
                use()
    store.close()
    with pytest.raises(ConfigurationError, match="it lost its accounts"):
        store.reserve([debit(1)])  # a new connection of this process still knows
    fresh = here.open()
    fresh.reserve([debit(1)])
    with pytest.raises(ConfigurationError, match="it lost its accounts"):
        store.reserve([debit(1)])
    store.close()
    fresh.close()


@pytest.mark.parametrize(
    ("memory", "fine"),
    [
        ({"maxmemory": 0, "maxmemory_policy": "allkeys-lru"}, True),
        ({"maxmemory": 1_000, "maxmemory_policy": "noeviction"}, True),
        ({"maxmemory": 1_000, "maxmemory_policy": "volatile-ttl"}, False),
        ({"maxmemory": 1_000, "maxmemory_policy": "allkeys-lru"}, False),
        ({"maxmemory": 1_000}, False),
        ({}, False),
    ],
)
def test_a_server_that_throws_keys_out_is_refused(here: Place, monkeypatch: pytest.MonkeyPatch, memory: dict[str, Any], fine: bool) -> None:
    real = redis.Redis.info
    monkeypatch.setattr(redis.Redis, "info", lambda self, section: memory if section == "memory" else real(self, section))
    store = here.open()
    if fine:
        store.reserve([debit(1)])
    else:
        policy = memory.get("maxmemory_policy", "unknown")
        for use in uses(store):
            with pytest.raises(ConfigurationError) as refused:
                use()
            assert refused.value.message == (
                f"{SELF}{here.where.port}: it throws out keys when its memory is full (maxmemory-policy {policy}): set it to noeviction, or "
                "use another server"
            )
    store.close()


@pytest.mark.parametrize(("appendonly", "notes"), [(1, 0), (0, 1)])
def test_a_server_that_keeps_nothing_over_a_restart_is_noted(
    here: Place, monkeypatch: pytest.MonkeyPatch, appendonly: int, notes: int
) -> None:
    found = {"memory": {"maxmemory": 0}, "persistence": {"aof_enabled": appendonly}}
    monkeypatch.setattr(redis.Redis, "info", lambda _, section: found[section])
    store: Any = here.open()
    assert store.notes == ()
    store.balance(account())
    sentence = f"Redis at 127.0.0.1:{here.where.port} may forget budgets when it restarts: appendonly is off"
    assert store.notes == (sentence,) * notes
    store.close()


def test_every_key_ends_with_its_account_and_not_before(here: Place, plain: Any) -> None:
    store = here.open()
    held = store.reserve([debit(1), debit(1, "later", expires_at=END + 1_000)])
    assert store.first_use("a", NOW + 60)
    prefix = f"{{{here.where.prefix}}}:"
    lives = {key.removeprefix(prefix): plain.pttl(key) for key in plain.scan_iter(f"{prefix}*")}
    day = (END + KEPT - int(NOW)) * 1_000
    expected = {
        "epoch": -1,
        "account:grant|USD|2026-01-01": day,
        "account:later|USD|2026-01-01": day + 1_000_000,
        f"hold:{held}": day + 1_000_000,
        "nonces": (60 + KEPT) * 1_000,
    }
    assert lives.keys() == expected.keys()
    assert all(lives[key] == life == -1 or life - 20_000 < lives[key] <= life for key, life in expected.items())
    store.settle(held, [1, 1])
    assert plain.exists(f"{prefix}hold:{held}") == 0
    store.close()


def test_the_servers_clock_decides_where_none_is_given(here: Place, plain: Any) -> None:
    from saferoute.drivers.storage.accounts_redis import RedisAccounts

    seconds = plain.time()[0]
    store = RedisAccounts(here.where)
    store.reserve([debit(1, expires_at=seconds - KEPT + 30)])
    with pytest.raises(ConfigurationError, match="clock"):
        store.reserve([debit(1, expires_at=seconds - KEPT)])
    assert store.first_use("a", seconds + 30)
    assert not store.first_use("b", seconds)
    store.close()


def test_what_is_not_ours_under_a_key_stops_the_call(here: Place, plain: Any) -> None:
    store = here.open()
    store.balance(account())
    plain.set(f"{{{here.where.prefix}}}:account:grant|USD|2026-01-01", "x")
    with pytest.raises(ConfigurationError, match=r": it says (ResponseError|WRONGTYPE)$"):
        store.reserve([debit(1), debit(1, "other")])
    assert store.balance(account("other")) == Balance(0, 0, 0)
    store.close()


@pytest.mark.parametrize("silent", [False, True])
def test_a_server_that_is_not_there_or_says_nothing_stops_every_call_in_time(silent: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not silent:
            listener.close()
        store = open_accounts(Accounts.redis(f"redis://:{CANARY}@127.0.0.1:{port}", timeout=0.2))
        for use in uses(store):
            with pytest.raises(ConfigurationError) as refused:
                use()
            assert refused.value.message == (
                f"{SELF}{port}: it cannot be reached, or did not answer in time; nothing is known to be reserved"
            )
            assert refused.value.__cause__ is refused.value.__context__ is None
            assert CANARY not in "".join(traceback.format_exception(refused.value))
        store.close()


def test_a_wrong_password_stops_every_call_and_does_not_show(here: Place) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        described = Accounts.redis(f"redis://nobody:{CANARY}@127.0.0.1:{here.where.port}/1")
    store = open_accounts(described)
    with pytest.raises(ConfigurationError) as refused:
        store.reserve([debit(1)])
    assert refused.value.message == (
        f"{SELF}{here.where.port}: it refuses the user name or the password, or the user may not run EVALSHA, INFO, GET and SET"
    )
    store.close()


def test_the_password_shows_nowhere() -> None:
    described = Accounts.redis(f"rediss://me:{CANARY}@redis.example:6380/2", ca_pem="x")
    store: Any = open_accounts(replace(described, place=replace(described.place, ca_pem=None)))  # type: ignore[type-var]
    assert CANARY not in f"{described!r} {described} {described.place} {store!r} {store}"
    assert "password=Password(...)" in repr(described)
    for use in (pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            use(described)
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        f"redis://me:{CANARY}@", f"http://me:{CANARY}@h", f"redis:me:{CANARY}@h", f"redis://me:{CANARY}@h:x", f"redis://me:{CANARY}@h:0",
        f"redis://me:{CANARY}@h/x", f"redis://me:{CANARY}@h/0/1", f"redis://me:{CANARY}@h/12345", f"redis://me:{CANARY}@h:70000", f" redis://:{CANARY}@h",
        f"redis://:{CANARY}@h\n", f"redis://:{CANARY}\u00e9@h", f"redis://:{CANARY}%ff@h", f"redis://:{CANARY}@[::1", f"unix://{CANARY}@/tmp/x", b"redis://h", None, "",
        f"rediss://:{CANARY}@h?ssl_cert_reqs=none", f"rediss://:{CANARY}@h#x",
    ],
)  # fmt: skip
def test_a_malformed_url_is_refused_without_showing_it(url: Any) -> None:
    with pytest.raises(ConfigurationError) as refused:
        Accounts.redis(url)
    shown = "".join(traceback.TracebackException.from_exception(refused.value, capture_locals=True).format())
    ours = shown[shown.rindex("drivers/accounts.py") :]
    assert CANARY not in refused.value.message
    assert CANARY not in ours
    assert refused.value.message.startswith("Accounts.redis: ")


class Listener:
    """A server that speaks TLS with a certificate, and remembers what it is told."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.heard = b""
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        try:
            plain, _ = self._listener.accept()
            with self._context.wrap_socket(plain, server_side=True) as speaking:
                self.heard = speaking.recv(4_096)
                speaking.sendall(b"-WRONGPASS no\r\n")
        except OSError:
            return

    def close(self) -> None:
        self._thread.join(5)
        self._listener.close()


@pytest.mark.parametrize("trusted", [True, False])
def test_a_password_goes_only_to_a_server_whose_certificate_is_right(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    trustme = pytest.importorskip("trustme")
    authority, other = trustme.CA(), trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    (authority if trusted else other).issue_cert("127.0.0.1").configure_cert(context)
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    listener = Listener(context)
    described = Accounts.redis(f"rediss://:{CANARY}@127.0.0.1:{listener.port}", ca_pem=authority.cert_pem.bytes().decode(), timeout=5)
    store = open_accounts(described)
    with pytest.raises(ConfigurationError) as refused:
        store.reserve([debit(1)])
    store.close()
    listener.close()
    assert (CANARY.encode() in listener.heard) is trusted
    why = "it refuses the user name or the password" if trusted else "its certificate was not accepted, or it speaks no TLS 1.2"
    assert refused.value.message.startswith(f"{SELF}{listener.port}: {why}")
    assert not (tmp_path / "keys").exists()


def test_unreadable_roots_are_refused(here: Place) -> None:
    store = here.open()
    store.close()
    described = Accounts(RedisServer("127.0.0.1", here.where.port, tls=True, ca_pem="no certificate"))
    with pytest.raises(ConfigurationError, match=r"^the ca_pem of Accounts\.redis holds no readable PEM certificate$"):
        open_accounts(described).reserve([debit(1)])


def test_without_the_package_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ConfigurationError) as refused:
        open_accounts(Accounts.redis("redis://127.0.0.1"))
    assert refused.value.message == 'Accounts.redis needs the package redis: pip install "saferoute-sdk[redis]"'


def test_one_script_is_one_step_over_several_accounts(here: Place) -> None:
    store = here.open()
    store.reserve([debit(60)])
    with pytest.raises(BudgetExceeded):
        store.reserve([debit(1, "first"), debit(1, "second"), debit(41)])
    assert [store.balance(account(name)) for name in ("first", "second")] == [Balance(0, 0, 0)] * 2
    store.close()
