"""What a permission's budgets come to: the account of the current window, what an attempt may take, and what it took. Pure.

- A window is an hour, day, week (ISO, from Monday) or month by the clock in UTC. Each window of each budget is an account of its own:
  nothing is ever set back to 0, so no clock that is moved back gives a spent budget anew.
- An account is counted for `KEPT` seconds after its end, and refused from then on; only what is refused may be forgotten.
- Amounts are whole nano-units, or calls, up to 2^53 - 1: the largest number that every store counts exactly.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import TYPE_CHECKING, Final, assert_never

from saferoute.errors import BudgetExceeded, CapabilityForbidden, ConfigurationError
from saferoute.values.account import Account, Balance, Debit
from saferoute.values.permission import scope_rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.values.permission import Budget, Cost, Period, Permission, Scope

__all__ = [
    "COUNTED",
    "KEPT",
    "MAX_AMOUNT",
    "accounts_of",
    "check_amounts",
    "check_debits",
    "check_nonce",
    "check_scope",
    "ended",
    "exceeded",
    "in_words",
    "is_over",
    "merged",
    "settled_amounts",
    "window",
    "worst_case_debits",
]

MAX_AMOUNT: Final = 2**53 - 1
KEPT: Final = 3_600
"""Seconds after its end for which an account is still counted: for calls that were under way, and for clocks that differ a little."""

_MAX_DEBITS: Final = 64
_KEY: Final = re.compile(r"[ -~]{1,300}")
_PLAIN: Final = re.compile(r"(?!sha256:)[ -~]{1,256}")  # leaves room for the unit and the window
_UNIT: Final = re.compile(r"[A-Z]{3}|calls")
_NANO: Final = 10**9
_NEVER: Final = 253_402_300_799  # the last second of the year 9999
_LATEST: Final = 250_000_000_000  # a clock in the year 9892: far enough from the end of what dates can say
_EPOCH: Final = date(1970, 1, 1)
_DAY: Final = 86_400
_HOUR: Final = 3_600
COUNTED: Final[Mapping[Scope, str]] = {
    "process": "in this process only",
    "host": "by all processes of this host",
    "cluster": "by all hosts",
}
"""What each scope comes to, in words."""


def window(per: Period, now: float) -> tuple[str, int]:
    """The window that a moment lies in, by the clock in UTC.

    Returns:
        Its name, such as "2026-10-27T13", "2026-10-27", "2026-W44" or "2026-10", and its end in seconds since the epoch, when the next
        one has begun.

    Raises:
        ConfigurationError: the clock says nothing that could be right.
    """
    day, hour = divmod(_hour(now), 24)
    on = _EPOCH + timedelta(days=day)
    match per:
        case "hour":
            return f"{on.isoformat()}T{hour:02d}", day * _DAY + (hour + 1) * _HOUR
        case "day":
            return on.isoformat(), (day + 1) * _DAY
        case "week":
            year, week, weekday = on.isocalendar()
            return f"{year}-W{week:02d}", (day - weekday + 8) * _DAY
        case "month":
            following = date(on.year + on.month // 12, on.month % 12 + 1, 1)
            return f"{on.year}-{on.month:02d}", (following - _EPOCH).days * _DAY
        case _:
            assert_never(per)


def accounts_of(permission: Permission, now: float) -> tuple[Account, ...]:
    """The accounts that an attempt under a permission is charged to at a moment, one for each budget.

    A budget that several processes count each for itself (`Budget.replicas`) is split evenly, rounded down: all of them together
    never spend more than it.

    Args:
        permission: whose budgets.
        now: the wall clock, in seconds since the epoch.

    Raises:
        ConfigurationError: the clock says nothing that could be right.
    """
    # Within one hour of the clock every answer is the same, so it is worked out once.
    hour, source, expires_at = _hour(now) if permission.budgets else 0, permission.source, permission.expires_at
    return tuple([_account(source, budget, expires_at, 0 if budget.per is None else hour) for budget in permission.budgets])


def _hour(now: float) -> int:
    if not 0 <= now < _LATEST:
        raise ConfigurationError(f"this machine's clock says {now!r} seconds since 1970, so no budget can be counted: set it right")
    return int(now) // _HOUR


@lru_cache(maxsize=1_024)
def _account(source: str, budget: Budget, expires_at: int | None, hour: int) -> Account:
    owner = budget.owner or source
    if budget.per is None:
        name, end = "life", next((end for end in (budget.expires_at, expires_at) if end is not None), _NEVER)
    else:
        name, end = window(budget.per, hour * _HOUR)
        owner += f", per {budget.per} until {datetime.fromtimestamp(end, UTC):%Y-%m-%d %H:%M} UTC"
    if budget.replicas > 1:
        owner += f", one of {budget.replicas} shares"
    # The unit and the window come last and hold no "|", so that no two budgets' texts can meet. A text that would not fit is known by
    # its hash, and one that looks like such a hash as well.
    whose = budget.key if _PLAIN.fullmatch(budget.key) else f"sha256:{sha256(budget.key.encode('utf-8', 'surrogatepass')).hexdigest()}"
    return Account(f"{whose}|{budget.unit}|{name}", budget.limit // max(1, budget.replicas), budget.unit, end, owner)


def merged(accounts: Iterable[Account]) -> tuple[Account, ...]:
    """Accounts without repetition, in the order of their first places: one call is charged once to one account.

    Where the same account comes with several limits (the same budget under several permissions), the lowest holds, and the latest end.
    """
    kept: dict[str, Account] = {}
    for account in accounts:
        other = kept.setdefault(account.key, account)
        if other is not account:
            lower = min(other, account, key=lambda one: one.limit)
            kept[account.key] = replace(lower, expires_at=max(other.expires_at, account.expires_at))
    return tuple(kept.values())


def check_scope(permission: Permission, scope: Scope) -> None:
    """Refuse a permission whose budgets and nonces must be counted more widely than a store counts.

    Args:
        permission: without a `scope` of its own it needs "host" if it has a budget, else nothing.
        scope: the store's.

    Raises:
        CapabilityForbidden: with the code "scope"; the message says which store counts widely enough.
    """
    needed = permission.scope or ("host" if permission.budgets else None)
    if needed is not None and needed != scope and scope_rank(scope) < scope_rank(needed):
        store = "redis(url)" if needed == "cluster" else "sqlite(path)"
        raise CapabilityForbidden(
            f"{permission.source} must be counted {COUNTED[needed]}, and this client counts {COUNTED[scope]}: "
            f"pass Client(accounts=saferoute.Accounts.{store})",
            code="scope",
        )


def worst_case_debits(accounts: Sequence[Account], cost: Cost | None) -> tuple[Debit, ...]:
    """What one attempt may take from each account: one call, or the most that it can cost.

    Args:
        accounts: as `accounts_of` gives them.
        cost: the attempt's worst case (`authorise.worst_case`); None if it is not known.

    Raises:
        BudgetExceeded: an account counts money, and the worst case is not known in its currency or is more than can be counted.
    """
    return tuple([Debit(account, 1 if account.unit == "calls" else _worst(account, cost)) for account in accounts])


def _worst(account: Account, cost: Cost | None) -> int:
    if cost is not None and not cost.amount:
        return 0  # nothing that could be billed, in whatever currency
    if cost is None or cost.currency != account.unit:
        raise BudgetExceeded(
            f"{account.owner}: what this call may cost is not known in {account.unit}, so its budget cannot be kept: give the row prices "
            f"in {account.unit}, or pass max_output_tokens",
            limit=account.limit,
            unit=account.unit,
        )
    if cost.amount > MAX_AMOUNT:
        raise BudgetExceeded(
            f"{account.owner}: this call may cost {in_words(cost.amount, account.unit)}, which is more than can be counted: "
            "pass a lower max_output_tokens",
            limit=account.limit,
            asked=cost.amount,
            unit=account.unit,
        )
    return cost.amount


def settled_amounts(debits: Sequence[Debit], cost: Cost | None, *, sent: bool) -> tuple[int, ...]:
    """What an attempt took, for `AccountStore.settle`.

    Args:
        debits: what was reserved.
        cost: from the usage that the provider reported; None if it reported none.
        sent: whether anything at all may have been written to the provider. If not, everything is given back.

    Returns:
        An amount for each debit. What was sent and has no known cost in the account's currency took its worst case.
    """
    if not sent:
        return (0,) * len(debits)
    return tuple([_taken(debit, cost) for debit in debits])


def _taken(debit: Debit, cost: Cost | None) -> int:
    # A cost below 0 is a provider's nonsense, and not a refund.
    if debit.account.unit == "calls" or cost is None or cost.currency != debit.account.unit or cost.amount < 0:
        return debit.amount
    return min(cost.amount, MAX_AMOUNT)


def exceeded(debit: Debit, balance: Balance) -> BudgetExceeded:
    """The error for an account that does not have what an attempt may take."""
    account = debit.account
    gone = balance.spent + balance.reserved
    calls = account.unit == "calls"
    if calls:
        text = f"{gone} of {in_words(account.limit, 'calls')} {'is' if account.limit == 1 else 'are'} used or held back"
    else:
        text = f"{in_words(gone, account.unit)} of {in_words(account.limit, account.unit)} is spent or held back"
        text += f"; this call may cost {in_words(debit.amount, account.unit)}: pass a lower max_output_tokens"
    if balance.reserved:
        text += f" ({in_words(balance.reserved, account.unit)} held back: {in_words(balance.under_way, 'calls')} under way or broken off)"
    return BudgetExceeded(
        f"{account.owner}: {text}",
        code="calls" if calls else "budget",
        limit=account.limit,
        spent=balance.spent,
        reserved=balance.reserved,
        asked=debit.amount,
        unit=account.unit,
    )


def in_words(amount: int, unit: str) -> str:
    """An amount as people write it, exactly: "$4.91", "0.0000075 EUR", "1 call"."""
    if unit == "calls":
        return f"{amount} call" if amount == 1 else f"{amount} calls"
    whole, rest = divmod(amount, _NANO)
    number = f"{whole}.{f'{rest:09d}'.rstrip('0').ljust(2, '0')}"
    return f"${number}" if unit == "USD" else f"{number} {unit}"


def is_over(account: Account, now: float) -> bool:
    """Whether an account ended so long ago that nothing is taken from it any more, and it may be forgotten."""
    return account.expires_at + KEPT <= now


def ended(account: Account) -> ConfigurationError:
    """The error for an account that is over: a clock went back, or differs from that of others by more than an hour."""
    end = datetime.fromtimestamp(min(account.expires_at, _NEVER), UTC)
    return ConfigurationError(
        f"{account.owner}: the account {account.key!r} ended at {end:%Y-%m-%d %H:%M} UTC, and what was spent of it may be forgotten, so "
        "nothing is taken from it. This machine's clock is wrong, was wrong, or was set back: set it right"
    )


def check_debits(debits: Sequence[Debit]) -> None:
    """Refuse what no store can count exactly, or could take for another account.

    Raises:
        ConfigurationError: more than 64 debits, a malformed key or unit, or a number that is not whole or not within 0 and 2^53 - 1.
    """
    if len(debits) > _MAX_DEBITS:
        raise ConfigurationError(f"one call is charged to at most {_MAX_DEBITS} accounts; these are {len(debits)}")
    for debit in debits:
        account = debit.account
        if not isinstance(account.key, str) or _KEY.fullmatch(account.key) is None:
            raise ConfigurationError("the key of an account has 1 to 300 printable ASCII characters")
        if not isinstance(account.unit, str) or _UNIT.fullmatch(account.unit) is None:
            raise ConfigurationError('the unit of an account is a currency of three capital letters, or "calls"')
        if not (_counts(account.limit) and _counts(account.expires_at) and _counts(debit.amount)):
            raise ConfigurationError("limit, end and amount of a debit are whole numbers from 0 to 2^53 - 1")


def check_amounts(amounts: Sequence[int], debits: int) -> None:
    """Refuse amounts that do not settle a reservation; it stays reserved.

    Raises:
        ConfigurationError: not one for each debit, or a number that is not whole or not within 0 and 2^53 - 1.
    """
    if len(amounts) != debits or not all(map(_counts, amounts)):
        raise ConfigurationError(f"a reservation of {debits} debits is settled with as many whole numbers from 0 to 2^53 - 1")


def check_nonce(key: str, expires_at: float) -> None:
    """Refuse a nonce that cannot be remembered.

    Raises:
        ConfigurationError: a malformed key, or a time that is no number.
    """
    if not isinstance(key, str) or _KEY.fullmatch(key) is None:
        raise ConfigurationError("the key of a nonce has 1 to 300 printable ASCII characters")
    if not math.isfinite(expires_at):
        raise ConfigurationError("a nonce is remembered until a finite time")


def _counts(number: object) -> bool:
    return type(number) is int and 0 <= number <= MAX_AMOUNT
