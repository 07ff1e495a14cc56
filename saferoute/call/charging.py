"""Charging attempts to accounts: each holds back its own worst case before it leaves, and settles what it is known to have cost.

- Known is only what the provider reported. What was sent and has no usage costs its worst case: cut off, timed out, given up, broken.
- Nothing is charged for what never left, and for what the provider refused before it did any work: a whole answer of 4xx, 503 or 529.
- A call is one request to a provider: retries and fallbacks count.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.call.effects import Abandoned, reserve, settle
from saferoute.errors import ProtocolError, ProviderError, SaferouteError, TransportError
from saferoute.values.account import Debit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from saferoute.call.effects import Flow
    from saferoute.call.tries import Progress
    from saferoute.values.account import Account, AccountStore
    from saferoute.values.target import Target

__all__ = ["Charge", "charged", "nano_units"]

R = TypeVar("R")

_NANO: Final = 1_000_000_000
_REFUSED: Final = frozenset({*range(400, 500), 503, 529})


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call's attempts are charged to.

    Attributes:
        store: where the accounts are counted.
        accounts: every account of every permission in force; all are charged, or none.
        worst: by row id, the most that one attempt there can cost, in nano-units.
        once: a nonce that the call uses up, and when it may be forgotten; None for none.
    """

    store: AccountStore
    accounts: tuple[Account, ...]
    worst: Mapping[str, int]
    once: tuple[str, float] | None = None

    def debits(self, target: Target) -> tuple[Debit, ...]:
        """What an attempt at this row may take."""
        return tuple(Debit(account, 1 if account.unit == "calls" else self.worst[target.id]) for account in self.accounts)


def nano_units(cost: Decimal | None) -> int | None:
    """A cost as accounts count it, rounded up; None for one that is not known."""
    return None if cost is None else int((cost * _NANO).to_integral_value(ROUND_CEILING))


def charged(charge: Charge, target: Target, progress: Progress, attempt: Flow[R]) -> Flow[R]:
    """Make one attempt, with its worst case held back until it is known what it cost.

    Args:
        charge: what it is charged to.
        target: where.
        progress: where the call stands; the attempt sets `billed` once the provider has reported what it used.
        attempt: the attempt, not begun.

    Raises:
        BudgetExceeded: an account does not have the worst case; nothing was sent.
        CapabilityInvalid: the nonce was used before; nothing was sent.
        SaferouteError: whatever the attempt raises.
    """
    debits = charge.debits(target)
    held = yield from reserve(charge.store, debits, None if progress.failures else charge.once)
    progress.now, progress.billed = held.now, None
    try:
        result = yield from attempt
    except (SaferouteError, Abandoned) as error:
        amounts = (0,) * len(debits) if _is_free(error, progress) else _amounts(debits, progress.billed)
        progress.now = yield from settle(charge.store, held.reservation, amounts)
        raise
    progress.now = yield from settle(charge.store, held.reservation, _amounts(debits, progress.billed))
    return result


def _amounts(debits: tuple[Debit, ...], billed: int | None) -> tuple[int, ...]:
    return tuple(debit.amount if billed is None or debit.account.unit == "calls" else billed for debit in debits)


def _is_free(error: SaferouteError | Abandoned, progress: Progress) -> bool:
    """Whether it is certain that the provider did nothing that it could bill."""
    if progress.billed is not None or isinstance(error, Abandoned | ProtocolError):
        return False
    if isinstance(error, TransportError):
        return not error.sent
    if isinstance(error, ProviderError):
        return progress.head is not None and progress.head.status in _REFUSED
    return progress.head is None  # refused on this side, before a byte left
