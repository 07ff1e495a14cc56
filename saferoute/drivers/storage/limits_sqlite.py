"""Limits in the file of accounts: for all processes of one user on one host.

The tables of limits stand beside those of accounts, and are made when the first limit is counted. Commits do not wait for the disk: a
process that is killed loses nothing, and a power cut at most the counts of the last minute.

Time is the wall clock, which all processes share, but it never goes back here: where the clock is set back, time goes on from the latest
moment that was counted, so that no minute is given out twice. A clock that is set forward ends windows early; nothing can tell that.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final

from saferoute.drivers.storage.accounts_file import Identity, Turns, identity_of, open_file, reason
from saferoute.errors import ConfigurationError
from saferoute.routing.windows import GUESS, PERIOD, asked_of, check_draws, check_used, counted_from, seconds_until
from saferoute.values.limits import Busy, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from saferoute.values.limits import Draw, Quota
    from saferoute.values.permission import Scope

__all__ = ["SqliteLimits"]

_PAUSE: Final = 60.0
_JITTER: Final = 1.0
"""Seconds that clocks read one after the other may differ by without one having been set back."""

_TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS limit_slots (name TEXT NOT NULL, slot INTEGER NOT NULL, amount INTEGER NOT NULL CHECK (amount >= 0), "
        "PRIMARY KEY (name, slot)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS limit_under_way (name TEXT NOT NULL, lease TEXT NOT NULL, place INTEGER NOT NULL, "
        "expires_at REAL NOT NULL, PRIMARY KEY (name, lease, place)) WITHOUT ROWID"
    ),
    (
        "CREATE TABLE IF NOT EXISTS limit_leases (id TEXT NOT NULL PRIMARY KEY, slot INTEGER NOT NULL, taken TEXT NOT NULL, "
        "expires_at REAL NOT NULL) WITHOUT ROWID"
    ),
    "CREATE TABLE IF NOT EXISTS limit_clock (id INTEGER PRIMARY KEY CHECK (id = 1), newest REAL NOT NULL, ahead REAL NOT NULL)",
    "INSERT OR IGNORE INTO limit_clock VALUES (1, 0, 0)",
)


class _Opened:
    """A connection of one process; a child process neither uses nor closes it."""

    __slots__ = ("connection", "identity", "next_purge", "pid")

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.pid = os.getpid()
        self.next_purge = -math.inf


class SqliteLimits:
    """A LimitStore of the scope "host". One connection for each process, made at first use; safe after a fork."""

    __slots__ = ("_clock", "_opened", "_path", "_timeout", "_turns")

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time, timeout: float = 5.0, turns: Turns | None = None) -> None:
        """Describe the store; nothing is opened before the first use.

        Args:
            path: the file of accounts.
            clock: the wall clock, in seconds since the epoch.
            timeout: seconds to wait for other threads and processes.
            turns: those of who else in this process writes in the file.
        """
        self._turns = turns or Turns()
        self._path = path.absolute()
        self._clock = clock
        self._timeout = timeout
        self._opened: dict[int, _Opened] = {}  # those of other processes, inherited in a fork, are kept so that nothing closes them

    @property
    def scope(self) -> Scope:
        """This host."""
        return "host"

    @property
    def waits(self) -> bool:
        """It waits for other processes."""
        return True

    def acquire(self, draws: Sequence[Draw], hold: float) -> Lease | Busy:
        """As LimitStore.acquire.

        Raises:
            ConfigurationError: a malformed draw, or a file that cannot be used.
        """
        check_draws(draws, hold)
        lease = Lease(os.urandom(16).hex())
        with self._transaction() as (connection, now):
            busy = _first_busy(connection, draws, now)
            if busy is None:
                _take(connection, lease, draws, now, now + hold)
        return busy or lease

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        """As LimitStore.release.

        Raises:
            ConfigurationError: not one number or None for each draw, or a file that cannot be used; nothing is changed.
        """
        with self._transaction() as (connection, now):
            found = connection.execute("SELECT slot, taken FROM limit_leases WHERE id = ? AND expires_at > ?", (lease.id, now)).fetchone()
            if found is None:
                return
            taken = json.loads(found[1])
            check_used(used, len(taken))
            connection.execute("DELETE FROM limit_leases WHERE id = ?", (lease.id,))
            for (kind, name, amount), really in zip(taken, used, strict=True):
                if kind == "concurrent":
                    connection.execute("DELETE FROM limit_under_way WHERE name = ? AND lease = ?", (name, lease.id))
                elif really is not None and really > amount:
                    _add(connection, name, math.floor(now), really - amount)
                elif really is not None:
                    less = (amount - really, name, found[0])
                    connection.execute("UPDATE limit_slots SET amount = amount - ? WHERE name = ? AND slot = ?", less)

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None:
            with self._turns.here():
                opened.connection.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[tuple[sqlite3.Connection, float]]:
        """A transaction that no other process writes beside, and its time; none of it stays if it raises."""
        problem = ""
        try:
            opened = self._opened.get(os.getpid()) or self._open()
            turn = self._turns.here()
            if not turn.acquire(timeout=self._timeout):
                problem = "another thread holds it for too long"
            else:
                try:
                    self._refuse_another(opened)
                    with _committed(opened.connection) as connection:
                        now = _time(connection, self._clock())
                        if not opened.next_purge - _PAUSE <= now < opened.next_purge:
                            opened.next_purge = now + _PAUSE
                            _forget(connection, now)
                        yield connection, now
                        return
                finally:
                    turn.release()
        except sqlite3.Error as error:
            problem = reason(error)
        raise ConfigurationError(f"limits cannot be counted in {self._path}: {problem}; nothing was changed")

    def _refuse_another(self, opened: _Opened) -> None:
        if identity_of(self._path) != opened.identity:
            # Other processes count in another file by now, or will.
            raise ConfigurationError(f"{self._path} was removed or replaced while it was in use: put it back, or restart every process")

    def _open(self) -> _Opened:
        connection, identity = open_file(self._path, self._timeout)
        try:
            connection.execute("PRAGMA synchronous = NORMAL")
            with _committed(connection):
                for statement in _TABLES:
                    connection.execute(statement)
        except BaseException:
            connection.close()
            raise
        opened = _Opened(connection, identity)
        kept = self._opened.setdefault(opened.pid, opened)
        if kept is not opened:
            connection.close()  # another thread was faster
        return kept


@contextlib.contextmanager
def _committed(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # what failed may have ended it already
            connection.execute("ROLLBACK")
        raise


def _time(connection: sqlite3.Connection, clock: float) -> float:
    """The time by the clock, but never earlier than what was counted."""
    newest: float
    ahead: float
    newest, ahead = connection.execute("SELECT newest, ahead FROM limit_clock").fetchone()
    now = clock + ahead
    if now < newest - _JITTER:  # it was set back: from here on it goes on by its own pace
        connection.execute("UPDATE limit_clock SET ahead = ?", (ahead + (newest - now),))
    return max(now, newest)


def _name(quota: Quota) -> str:
    return f"{quota.kind}:{quota.key}"


def _first_busy(connection: sqlite3.Connection, draws: Sequence[Draw], now: float) -> Busy | None:
    """The limit that has no room for the longest time; None if all of them have."""
    busy: Busy | None = None
    for draw, asked in zip(draws, asked_of(draws), strict=True):
        quota = draw.quota
        if quota.kind == "concurrent":
            counting = "SELECT count(*) FROM limit_under_way WHERE name = ? AND expires_at > ?"
            under_way = connection.execute(counting, (_name(quota), now)).fetchone()[0]
            wait = GUESS if under_way + min(asked, quota.limit) > quota.limit else 0.0
        else:
            counting = "SELECT slot, amount FROM limit_slots WHERE name = ? AND slot >= ? ORDER BY slot"
            slots = connection.execute(counting, (_name(quota), counted_from(now))).fetchall()
            wait = seconds_until(slots, asked, quota.limit, now)
        if wait > (0.0 if busy is None else busy.retry_after):
            busy = Busy(quota, wait)
    return busy


def _take(connection: sqlite3.Connection, lease: Lease, draws: Sequence[Draw], now: float, until: float) -> None:
    slot = math.floor(now)
    for place, draw in enumerate(draws):
        name = _name(draw.quota)
        if draw.quota.kind == "concurrent":
            connection.execute("INSERT INTO limit_under_way VALUES (?, ?, ?, ?)", (name, lease.id, place, until))
        else:
            connection.execute("DELETE FROM limit_slots WHERE name = ? AND slot < ?", (name, slot - PERIOD))
            _add(connection, name, slot, draw.amount)
    taken = json.dumps([(draw.quota.kind, _name(draw.quota), draw.amount) for draw in draws])
    connection.execute("INSERT INTO limit_leases VALUES (?, ?, ?, ?)", (lease.id, slot, taken, until))
    connection.execute("UPDATE limit_clock SET newest = ?", (now,))


def _add(connection: sqlite3.Connection, name: str, slot: int, amount: int) -> None:
    connection.execute(
        "INSERT INTO limit_slots VALUES (?, ?, ?) ON CONFLICT (name, slot) DO UPDATE SET amount = amount + excluded.amount",
        (name, slot, amount),
    )


def _forget(connection: sqlite3.Connection, now: float) -> None:
    """Forget what counts no more, of every limit."""
    connection.execute("DELETE FROM limit_slots WHERE slot < ?", (counted_from(now),))
    connection.execute("DELETE FROM limit_under_way WHERE expires_at <= ?", (now,))
    connection.execute("DELETE FROM limit_leases WHERE expires_at <= ?", (now,))
