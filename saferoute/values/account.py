"""Accounts: what has been spent, and what is held back for calls that are under way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.permission import Scope

__all__ = ["Account", "AccountStore", "Balance", "Debit"]


@dataclass(frozen=True, slots=True)
class Account:
    """One account of one window.

    Attributes:
        key: the budget's key and the window's name; at most 300 printable ASCII characters.
        limit: nano-units of `unit`, or calls.
        unit: a currency of three capital letters, or "calls".
        expires_at: seconds since the epoch; from then on the store may forget it.
        owner: whose it is, for messages.
    """

    key: str
    limit: int
    unit: str
    expires_at: int
    owner: str


@dataclass(frozen=True, slots=True)
class Debit:
    """What one attempt may take from one account: at least 0."""

    account: Account
    amount: int


@dataclass(frozen=True, slots=True)
class Balance:
    """How an account stands.

    Attributes:
        spent: settled.
        reserved: held back, and not settled: calls under way, and calls whose process died.
        under_way: how many reservations that is.
    """

    spent: int
    reserved: int
    under_way: int


class AccountStore(Protocol):
    """Counts accounts. Every method is atomic over all processes of its scope, and safe to call from any thread.

    What is reserved and never settled stays reserved until its account is forgotten: after a crash nobody knows what was spent.
    """

    @property
    def scope(self) -> Scope:
        """How widely it counts."""

    @property
    def waits(self) -> bool:
        """Whether its methods may wait for a disk or a network: an event loop then calls them in a thread."""

    def reserve(self, debits: Sequence[Debit]) -> str:
        """Hold amounts back in all of the accounts, or in none: spent + reserved + amount must not pass the limit of any.

        Returns:
            The reservation's id.

        Raises:
            BudgetExceeded: one account does not have it; `code` is "budget" or "calls", and the error shows limit, spent, reserved and what
                was asked.
            ConfigurationError: the store cannot be reached or used; nothing is reserved.
        """

    def settle(self, reservation: str, amounts: Sequence[int]) -> None:
        """Turn a reservation into what was spent, in the order of its debits; 0 gives back all.

        More than was reserved is counted in full, also over the limit. An unknown reservation, or one that is settled, changes nothing.
        """

    def balance(self, account: Account) -> Balance:
        """How an account stands now."""

    def first_use(self, key: str, expires_at: float) -> bool:
        """Remember a nonce until `expires_at`, and say whether this is the first time that it is seen.

        False as well when too many are remembered to take another (fail closed).
        """

    def close(self) -> None:
        """Let go of what is open."""
