"""Charging attempts to accounts: each holds back its own worst case before it leaves, and settles what it is known to have cost.

- Known is only what the provider reported. What was sent and has no usage costs its worst case: cut off, timed out, given up, broken.
- Nothing is charged for what never left, and for what the provider refused before it did any work: a whole answer of 4xx, 503 or 529.
  Not among them are a filter's or an over-long input's refusal and 408: the input was read, and Azure for one bills that.
- A call is one request to a provider: retries, fallbacks, batches and pages count. What was answered before another request of the same
  attempt was refused stays charged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.call.effects import Abandoned, reserve, settle
from saferoute.capabilities.accounts import accounts_of, check_scope, merged, settled_amounts, worst_case_debits
from saferoute.errors import ContentFiltered, ContextWindowExceeded, ProtocolError, ProviderError, TransportError
from saferoute.values.account import Debit
from saferoute.values.exact import nano_above
from saferoute.values.permission import Cost

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from decimal import Decimal

    from saferoute.call.effects import Flow
    from saferoute.call.tries import Progress
    from saferoute.capabilities.authorise import Asked
    from saferoute.values.account import Account, AccountStore
    from saferoute.values.permission import Permission
    from saferoute.values.target import Prices, Target

__all__ = ["Charge", "charge_for", "charged", "cost_in", "counted", "in_all", "is_free"]

R = TypeVar("R")

_REFUSED: Final = frozenset({*range(400, 500), 503, 529} - {408})
_BILLED: Final = (Abandoned, ProtocolError, ContentFiltered, ContextWindowExceeded)


@dataclass(frozen=True, slots=True)
class Charge:
    """What a call's attempts are charged to.

    Attributes:
        store: where the accounts are counted.
        accounts: every account of every permission in force; all are charged, or none.
        worst: by row id, the most that one attempt there can cost; a row whose worst case is not known is not there.
        once: a nonce that the call uses up, and when it may be forgotten; None for none.
    """

    store: AccountStore
    accounts: tuple[Account, ...]
    worst: Mapping[str, Cost]
    once: tuple[str, float] | None = None

    def debits(self, target: Target) -> tuple[Debit, ...]:
        """What an attempt at this row may take.

        Raises:
            BudgetExceeded: money is counted, and the worst case is not known in the account's currency.
        """
        return worst_case_debits(self.accounts, self.worst.get(target.id))


def cost_in(cost: Decimal | None, prices: Prices | None) -> Cost | None:
    """A cost as accounts count it, rounded up to whole nano-units; None for one that is not known."""
    return None if cost is None or prices is None else Cost(nano_above(cost), prices.currency)


def charge_for(
    opened: Callable[[], AccountStore],
    permissions: Iterable[Permission],
    asked: Asked,
    targets: Iterable[Target],
    once: tuple[str, float] | None = None,
) -> Charge | None:
    """What a call is charged to; None where nothing is counted.

    Args:
        opened: gives the store where the client counts.
        permissions: those in force; what a nonce belongs to has a scope.
        asked: the authorised call.
        targets: the rows that may answer.
        once: a nonce that the call uses up.

    Raises:
        CapabilityForbidden: a permission has to be counted more widely than the store counts.
    """
    store = None if once is None else opened()
    accounts: list[Account] = []
    for permission in permissions:
        if permission.budgets or permission.scope is not None:
            store = opened() if store is None else store
            check_scope(permission, store.scope)
            if permission.budgets:
                accounts += accounts_of(permission, asked.now)
    if store is None or not (accounts or once is not None):  # what only says how widely it is counted has nothing to count
        return None
    worst = {
        target.id: Cost(most, target.prices.currency if target.prices is not None else "USD")
        for target in targets
        if (most := asked.cost_at(target)) is not None  # without prices only 0 is known
    }
    return Charge(store, merged(accounts), worst, once)


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
    held = yield from reserve(charge.store, debits, None if progress.vouched else charge.once, progress.allowance)
    progress.now, progress.billed, progress.paid, progress.vouched = held.now, None, (), True
    try:
        result = yield from attempt
    except (Exception, Abandoned) as error:  # also a defect, and what a class for the output raises
        cost, sent = progress.billed, True
        if is_free(error, progress):
            cost, sent = in_all(progress.paid), bool(progress.paid)
        progress.now = yield from settle(charge.store, held.reservation, settled_amounts(debits, cost, sent=sent), progress.allowance)
        raise
    amounts = settled_amounts(debits, progress.billed, sent=True)
    progress.now = yield from settle(charge.store, held.reservation, amounts, progress.allowance)
    return result


def counted(charge: Charge, progress: Progress, exchange: Flow[R]) -> Flow[R]:
    """Make one more request of an attempt: a call of its own. The money for all of them is held back already.

    Args:
        charge: what the attempt is charged to.
        progress: where the call stands.
        exchange: the request, not begun.

    Raises:
        BudgetExceeded: no call is left; this request was not sent.
        SaferouteError: whatever the exchange raises.
    """
    debits = tuple(Debit(account, 1) for account in charge.accounts if account.unit == "calls")
    if not debits:
        return (yield from exchange)
    progress.begin()  # if there is no call left, then nothing of this request has left
    held = yield from reserve(charge.store, debits, None, progress.allowance)
    progress.now = held.now
    try:
        found = yield from exchange
    except (Exception, Abandoned) as error:  # also a defect, and what a class for the output raises
        amounts = settled_amounts(debits, None, sent=not is_free(error, progress))
        progress.now = yield from settle(charge.store, held.reservation, amounts, progress.allowance)
        raise
    progress.now = yield from settle(charge.store, held.reservation, settled_amounts(debits, None, sent=True), progress.allowance)
    return found


def in_all(costs: tuple[Cost | None, ...]) -> Cost | None:
    """The sum of costs at one row; None if one of them is not known, or there are none."""
    known = [cost for cost in costs if cost is not None]
    return Cost(sum(cost.amount for cost in known), known[0].currency) if known and len(known) == len(costs) else None


def is_free(error: BaseException, progress: Progress) -> bool:
    """Whether it is certain that, for the request under way, the provider did nothing that it could bill."""
    if progress.billed is not None or isinstance(error, _BILLED):
        return False
    if isinstance(error, TransportError):
        return not error.sent
    if isinstance(error, ProviderError):
        return progress.head is not None and progress.head.status in _REFUSED
    return progress.head is None  # refused on this side, before a byte left
