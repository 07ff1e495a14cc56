"""Accounts in this process's memory: for one process with any number of threads, and gone with it."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from heapq import heapify, heappop, heappush
from itertools import count
from typing import TYPE_CHECKING, Final

from saferoute.capabilities.accounts import KEPT, MAX_AMOUNT, check_amounts, check_debits, check_nonce, ended, exceeded, is_over
from saferoute.errors import ConfigurationError
from saferoute.values.account import Balance

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.values.account import Account, Debit
    from saferoute.values.permission import Scope

__all__ = ["MemoryAccounts"]

_MOST: Final = 100_000
_SLACK: Final = 1_024
_NEW: Final = Balance(0, 0, 0)


class MemoryAccounts:
    """An AccountStore of the scope "process". A process that is forked off it refuses to count."""

    __slots__ = (
        "_balances",
        "_clock",
        "_dropped",
        "_due",
        "_ends",
        "_forgotten",
        "_holds",
        "_lock",
        "_most",
        "_nonces",
        "_nonces_due",
        "_nonces_forgotten",
        "_numbers",
        "_pid",
    )

    def __init__(self, *, clock: Callable[[], float] = time.time, most: int = _MOST) -> None:
        """Begin with nothing spent.

        Args:
            clock: the wall clock, in seconds since the epoch.
            most: how many accounts, and how many nonces, are remembered; more are refused.
        """
        self._clock = clock
        self._most = most
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._balances: dict[str, Balance] = {}
        self._ends: dict[str, int] = {}
        self._holds: dict[str, tuple[tuple[str, int], ...]] = {}
        self._due: list[tuple[int, str, str]] = []  # (end, key of an account, "") and (end, "", id of a reservation)
        self._forgotten = -1
        self._dropped: deque[str] = deque()
        self._nonces: set[str] = set()
        self._nonces_due: list[tuple[float, str]] = []
        self._nonces_forgotten = float("-inf")

    @property
    def scope(self) -> Scope:
        """This process."""
        return "process"

    @property
    def waits(self) -> bool:
        """Nothing here waits."""
        return False

    def reserve(self, debits: Sequence[Debit]) -> str:
        """As AccountStore.reserve.

        Raises:
            BudgetExceeded: one account does not have it.
            ConfigurationError: a malformed debit, an account that ended long ago, too many accounts, or a process that was forked off.
        """
        check_debits(debits)
        self._refuse_in_a_child()
        with self._lock:
            reservation = f"memory-{next(self._numbers)}"
            now = self._clock()
            self._forget(now)
            changed: dict[str, Balance] = {}
            for debit in debits:
                balance = changed.get(debit.account.key) or self._found(debit.account, now)
                if balance.spent + balance.reserved + debit.amount > debit.account.limit:
                    raise exceeded(debit, balance)
                changed[debit.account.key] = Balance(balance.spent, balance.reserved + debit.amount, balance.under_way + 1)
            if len(self._balances) + sum(key not in self._balances for key in changed) > self._most:
                raise ConfigurationError(
                    f"{self._most} accounts are counted in memory, and no more fit: share them, or pass "
                    "Client(accounts=saferoute.Accounts.sqlite(path))"
                )
            self._keep(reservation, debits, changed)
        return reservation

    def _found(self, account: Account, now: float) -> Balance:
        if is_over(account, now) or (account.key not in self._balances and account.expires_at <= self._forgotten):
            raise ended(account)
        return self._balances.get(account.key, _NEW)

    def _keep(self, reservation: str, debits: Sequence[Debit], changed: dict[str, Balance]) -> None:
        for debit in debits:
            key, end = debit.account.key, debit.account.expires_at
            if end > self._ends.get(key, -1):
                self._ends[key] = end
                heappush(self._due, (end, key, ""))
        self._balances.update(changed)
        if debits:
            self._holds[reservation] = tuple((debit.account.key, debit.amount) for debit in debits)
            heappush(self._due, (max(debit.account.expires_at for debit in debits), "", reservation))
        if len(self._due) > 2 * (len(self._ends) + len(self._holds)) + _SLACK:  # what was settled is not waited for to be over
            self._due = [entry for entry in self._due if (entry[2] in self._holds if entry[2] else self._ends.get(entry[1]) == entry[0])]
            heapify(self._due)

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        """As AccountStore.settle; in a process that was forked off, every reservation is unknown.

        Raises:
            ConfigurationError: not one amount from 0 to 2^53 - 1 for each debit; it stays reserved.
        """
        if os.getpid() != self._pid:
            return
        with self._lock:
            held = self._holds.get(reservation)
            if held is None:
                return
            check_amounts(amounts, len(held))
            del self._holds[reservation]
            for (key, reserved), amount in zip(held, amounts, strict=True):
                old = self._balances.get(key)
                if old is not None:
                    self._balances[key] = Balance(min(old.spent + amount, MAX_AMOUNT), old.reserved - reserved, old.under_way - 1)

    def balance(self, account: Account) -> Balance:
        """As AccountStore.balance.

        Raises:
            ConfigurationError: in a process that was forked off.
        """
        self._refuse_in_a_child()
        with self._lock:
            self._forget(self._clock())
            return self._balances.get(account.key, _NEW)

    def first_use(self, key: str, expires_at: float) -> bool:
        """As AccountStore.first_use.

        Raises:
            ConfigurationError: a malformed key or time, or a process that was forked off: the other one remembers what it saw.
        """
        check_nonce(key, expires_at)
        self._refuse_in_a_child()
        with self._lock:
            now = self._clock()
            while self._nonces_due and self._nonces_due[0][0] <= now:
                self._nonces_forgotten, due = heappop(self._nonces_due)
                self._nonces.discard(due)
            # What is over, or was forgotten before the clock went back, could have been seen before.
            if expires_at <= max(now, self._nonces_forgotten) or key in self._nonces or len(self._nonces) >= self._most:
                return False
            self._nonces.add(key)
            heappush(self._nonces_due, (expires_at, key))
            return True

    def close(self) -> None:
        """Nothing is open."""

    def drop(self, key: str) -> None:
        """Forget an account that nobody can charge any more. Safe in a finalizer: no lock is taken, and it is done when one is held."""
        self._dropped.append(key)

    def _forget(self, now: float) -> None:
        while self._dropped:
            gone = self._dropped.popleft()
            self._balances.pop(gone, None)
            self._ends.pop(gone, None)
        while self._due and self._due[0][0] + KEPT <= now:
            end, key, reservation = heappop(self._due)
            if reservation:
                self._holds.pop(reservation, None)
            elif self._ends.get(key) == end:
                del self._ends[key]
                self._balances.pop(key, None)
                self._forgotten = end

    def _refuse_in_a_child(self) -> None:
        # Before the lock is taken: a thread that does not exist here may have held it when the process was forked.
        if os.getpid() != self._pid:
            raise ConfigurationError(
                "this process was forked off the one that counts these budgets in its memory, so it cannot know what is left of them: make "
                "the client after the fork, in each worker, or pass Client(accounts=saferoute.Accounts.sqlite(path))"
            )
