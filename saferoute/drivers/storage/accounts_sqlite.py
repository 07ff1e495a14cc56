"""Accounts in an SQLite file: for all processes of one user on one host.

The file has a write-ahead log. A process that is killed loses nothing: what it wrote is in the operating system's hands. A power cut
may lose the last commits, for a commit does not wait for the disk (`synchronous = NORMAL`; waiting costs milliseconds each). So that
nothing can be spent twice, each account has a `promised` total that did wait for the disk, a little ahead of what is spent and reserved
(a 64th of the limit); no total passes it before a higher one was promised. The first to open the file after a restart of the system
counts as spent whatever was promised. A power cut thus costs a budget up to a 64th of it, and never gives anything back. Nonces that
could have been lost are refused in the same way. Where the system does not tell its starts apart, every commit waits for the disk.

What it cannot notice: a file or a virtual machine that is set back to an older copy by somebody who may write it.
"""

from __future__ import annotations

import contextlib
import math
import os
import sqlite3
import time
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.capabilities.accounts import KEPT, MAX_AMOUNT, check_amounts, check_debits, check_nonce, ended, exceeded, is_over
from saferoute.drivers.storage.accounts_file import Identity, Turns, boot_id, identity_of, open_file, reason
from saferoute.errors import ConfigurationError
from saferoute.values.account import Balance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from saferoute.values.account import Account, Debit
    from saferoute.values.permission import Scope

__all__ = ["SqliteAccounts"]

_T = TypeVar("_T")

_MOST_NONCES: Final = 200_000
_SHARE: Final = 64
_PAUSE: Final = 60.0
_LIVES: Final = 64  # nonces' lives are kept in steps, so that a longer one seldom has to wait for the disk


class _Again:
    """What a piece of work returns to be done over, in a commit that waits for the disk."""


class _Opened:
    """A connection of one process; a child process neither uses nor closes it."""

    __slots__ = ("connection", "identity", "next_purge", "pid")

    def __init__(self, connection: sqlite3.Connection, identity: Identity) -> None:
        self.connection = connection
        self.identity = identity
        self.pid = os.getpid()
        self.next_purge = -math.inf


class SqliteAccounts:
    """An AccountStore of the scope "host". One connection for each process, made at first use; safe after a fork.

    Attributes:
        turns: for others that write in the same file.
    """

    __slots__ = ("_boot", "_clock", "_most_nonces", "_opened", "_path", "_timeout", "turns")

    def __init__(
        self,
        path: Path,
        *,
        clock: Callable[[], float] = time.time,
        timeout: float = 5.0,
        boot: str | None = None,
        most_nonces: int = _MOST_NONCES,
    ) -> None:
        """Describe the store; nothing is opened before `check` or the first use.

        Args:
            path: the file; its directory has to be there, and nobody else's to write in.
            clock: the wall clock, in seconds since the epoch.
            timeout: seconds to wait for other threads and processes.
            boot: what this start of the operating system is called; empty for not known.
            most_nonces: how many nonces are remembered; more are refused.
        """
        self._path = path.absolute()
        self._clock = clock
        self._timeout = timeout
        self._boot = boot_id() if boot is None else boot
        self._most_nonces = most_nonces
        self.turns = Turns()
        self._opened: dict[int, _Opened] = {}  # those of other processes, inherited in a fork, are kept so that nothing closes them

    @property
    def scope(self) -> Scope:
        """This host."""
        return "host"

    @property
    def waits(self) -> bool:
        """It waits for the disk, and for other processes."""
        return True

    def check(self) -> None:
        """Open the file now.

        Raises:
            ConfigurationError: it, or where it is, is refused, or cannot be opened.
        """
        self._work(lambda _, __: None)

    def reserve(self, debits: Sequence[Debit]) -> str:
        """As AccountStore.reserve.

        Raises:
            BudgetExceeded: one account does not have it.
            ConfigurationError: a malformed debit, an account that ended long ago, or a file that cannot be used.
        """
        check_debits(debits)
        reservation = os.urandom(16).hex()

        def work(connection: sqlite3.Connection, durable: bool) -> _Again | None:  # noqa: FBT001
            now = self._clock()
            for place, debit in enumerate(debits):
                if not _hold(connection, debit, now, durable=durable):
                    return _Again()
                hold = (reservation, place, debit.account.key, debit.amount, debit.account.expires_at)
                connection.execute("INSERT INTO holds VALUES (?, ?, ?, ?, ?)", hold)
            return None

        self._work(work)
        return reservation

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        """As AccountStore.settle.

        Raises:
            ConfigurationError: not one amount from 0 to 2^53 - 1 for each debit, or a file that cannot be used; it stays reserved.
        """

        def work(connection: sqlite3.Connection, durable: bool) -> _Again | None:  # noqa: FBT001
            held = connection.execute("SELECT key, amount FROM holds WHERE id = ? ORDER BY place", (reservation,)).fetchall()
            if not held:
                return None
            check_amounts(amounts, len(held))
            for (key, reserved), amount in zip(held, amounts, strict=True):
                if not _spend(connection, key, reserved, amount, durable=durable):
                    return _Again()
            connection.execute("DELETE FROM holds WHERE id = ?", (reservation,))
            return None

        self._work(work)

    def balance(self, account: Account) -> Balance:
        """As AccountStore.balance.

        Raises:
            ConfigurationError: a file that cannot be used.
        """

        def work(connection: sqlite3.Connection, _: bool) -> Balance:  # noqa: FBT001
            row = connection.execute("SELECT spent, reserved, under_way FROM accounts WHERE key = ?", (account.key,)).fetchone()
            return Balance(0, 0, 0) if row is None or is_over(account, self._clock()) else Balance(*row)

        return self._work(work)

    def first_use(self, key: str, expires_at: float) -> bool:
        """As AccountStore.first_use.

        Raises:
            ConfigurationError: a malformed key or time, or a file that cannot be used.
        """
        check_nonce(key, expires_at)

        def work(connection: sqlite3.Connection, durable: bool) -> bool | _Again:  # noqa: FBT001
            now = self._clock()
            count, forgotten, life = connection.execute("SELECT nonces, nonces_forgotten, nonce_life FROM state").fetchone()
            # What is over, or was forgotten before the clock went back, could have been seen before.
            if expires_at <= max(now, forgotten):
                return False
            if count >= self._most_nonces:
                count = _forget_nonces(connection, now)
            if count >= self._most_nonces:
                return False
            if expires_at - now > life:
                if not durable:
                    return _Again()
                longer = math.ceil((expires_at - now) / _LIVES) * _LIVES
                connection.execute("UPDATE state SET nonce_life = ?", (min(longer, MAX_AMOUNT),))
            if connection.execute("INSERT OR IGNORE INTO nonces VALUES (?, ?)", (key, expires_at)).rowcount != 1:
                return False
            connection.execute("UPDATE state SET nonces = nonces + 1")
            return True

        return self._work(work)

    def close(self) -> None:
        """Close this process's connection; the next use opens another."""
        opened = self._opened.pop(os.getpid(), None)
        if opened is not None:
            with self.turns.here():
                opened.connection.close()

    def _work(self, work: Callable[[sqlite3.Connection, bool], _T | _Again]) -> _T:
        """Do a piece of work in one transaction; when it asks for it, over again in one that waits for the disk."""
        problem = ""
        try:
            opened = self._opened.get(os.getpid()) or self._open()
            turn = self.turns.here()
            if not turn.acquire(timeout=self._timeout):
                problem = "another thread holds it for too long"
            else:
                try:
                    return self._transact(opened, work)
                finally:
                    turn.release()
        except sqlite3.Error as error:
            problem = reason(error)
        raise ConfigurationError(f"accounts cannot be counted in {self._path}: {problem}; nothing was changed")

    def _transact(self, opened: _Opened, work: Callable[[sqlite3.Connection, bool], _T | _Again]) -> _T:
        if identity_of(self._path) != opened.identity:
            # Other processes count in another file by now, or will.
            raise ConfigurationError(f"{self._path} was removed or replaced while it was in use: put it back, or restart every process")
        connection, durable = opened.connection, not self._boot
        now = self._clock()
        if not opened.next_purge - _PAUSE <= now < opened.next_purge:
            opened.next_purge = now + _PAUSE
            _in_transaction(connection, lambda: _forget(connection, now))
        done = _in_transaction(connection, lambda: work(connection, durable))
        if isinstance(done, _Again):
            connection.execute("PRAGMA synchronous = FULL")
            try:
                done = _in_transaction(connection, lambda: work(connection, True))  # noqa: FBT003
            finally:
                connection.execute("PRAGMA synchronous = NORMAL")
        if isinstance(done, _Again):
            raise TypeError("work that may wait for the disk is done")
        return done

    def _open(self) -> _Opened:
        connection, identity = open_file(self._path, self._timeout)
        try:
            connection.execute("PRAGMA synchronous = FULL")
            _in_transaction(connection, lambda: self._begin(connection))
            if self._boot:
                connection.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            connection.close()
            raise
        opened = _Opened(connection, identity)
        kept = self._opened.setdefault(opened.pid, opened)
        if kept is not opened:
            connection.close()  # another thread was faster
        return kept

    def _begin(self, connection: sqlite3.Connection) -> None:
        """After a restart of the system: what may have been lost counts as spent, or as seen."""
        before, forgotten, life = connection.execute("SELECT boot, nonces_forgotten, nonce_life FROM state").fetchone()
        if before == self._boot:
            return
        connection.execute("UPDATE accounts SET spent = promised - reserved WHERE promised > spent + reserved")
        doubtful = max(forgotten, self._clock() + life) if before else forgotten
        connection.execute("UPDATE state SET boot = ?, nonces_forgotten = ?", (self._boot, doubtful))


def _in_transaction(connection: sqlite3.Connection, work: Callable[[], _T]) -> _T:
    """Do work in a transaction that no other process writes beside; none of it stays if it raises or asks to be done over."""
    try:
        connection.execute("BEGIN IMMEDIATE")
        done = work()
        connection.execute("ROLLBACK" if isinstance(done, _Again) else "COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # what failed may have ended it already
            connection.execute("ROLLBACK")
        raise
    return done


def _hold(connection: sqlite3.Connection, debit: Debit, now: float, *, durable: bool) -> bool:
    """Hold an amount back; False if that has to be promised first."""
    account = debit.account
    row = connection.execute("SELECT spent, reserved, under_way, promised FROM accounts WHERE key = ?", (account.key,)).fetchone()
    if is_over(account, now) or (row is None and connection.execute("SELECT forgotten FROM state").fetchone()[0] >= account.expires_at):
        raise ended(account)
    spent, reserved, under_way, promised = row or (0, 0, 0, 0)
    total = spent + reserved + debit.amount
    if total > account.limit:
        raise exceeded(debit, Balance(spent, reserved, under_way))
    if total > promised:
        if not durable:
            return False
        promised = min(total + account.limit // _SHARE, account.limit)
    if row is None:
        new = (account.key, 0, debit.amount, 1, promised, account.expires_at)
        connection.execute("INSERT INTO accounts VALUES (?, ?, ?, ?, ?, ?)", new)
    else:
        connection.execute(
            "UPDATE accounts SET reserved = reserved + ?, under_way = under_way + 1, promised = ?, expires_at = max(expires_at, ?) "
            "WHERE key = ?",
            (debit.amount, promised, account.expires_at, account.key),
        )
    return True


def _spend(connection: sqlite3.Connection, key: str, held: int, amount: int, *, durable: bool) -> bool:
    """Count an amount as spent in place of what was held back; False if that has to be promised first."""
    row = connection.execute("SELECT spent, reserved, promised FROM accounts WHERE key = ?", (key,)).fetchone()
    if row is None:
        return True  # forgotten
    spent, reserved, promised = min(row[0] + amount, MAX_AMOUNT), row[1] - held, row[2]
    if spent + reserved > promised and not durable:
        return False
    connection.execute(
        "UPDATE accounts SET spent = ?, reserved = ?, under_way = under_way - 1, promised = ? WHERE key = ?",
        (spent, reserved, max(promised, spent + reserved), key),
    )
    return True


def _forget(connection: sqlite3.Connection, now: float) -> None:
    """Forget accounts that are over, with what was held back of them, and nonces."""
    ends = now - KEPT
    last = connection.execute("SELECT max(expires_at) FROM accounts WHERE expires_at <= ?", (ends,)).fetchone()[0]
    if last is not None:
        connection.execute("DELETE FROM accounts WHERE expires_at <= ?", (ends,))
        connection.execute("UPDATE state SET forgotten = max(forgotten, ?)", (last,))
        connection.execute("DELETE FROM holds WHERE expires_at <= ? AND key NOT IN (SELECT key FROM accounts)", (ends,))
    _forget_nonces(connection, now)


def _forget_nonces(connection: sqlite3.Connection, now: float) -> int:
    """Forget nonces that are over; the number of those that are left."""
    last = connection.execute("SELECT max(expires_at) FROM nonces WHERE expires_at <= ?", (now,)).fetchone()[0]
    if last is not None:
        gone = connection.execute("DELETE FROM nonces WHERE expires_at <= ?", (now,)).rowcount
        connection.execute("UPDATE state SET nonces = nonces - ?, nonces_forgotten = max(nonces_forgotten, ?)", (gone, last))
    count: int = connection.execute("SELECT nonces FROM state").fetchone()[0]
    return count
