"""Money that does not depend on the caller's decimal context: a program may round to four digits, and is billed to the last one."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["nano_above", "quotient", "total"]

_DIGITS: Final = 80
"""More than any sum of prices has."""

_NANO: Final = 1_000_000_000


def quotient(amount: int, parts: int = _NANO) -> Decimal:
    """An amount in parts of a currency's unit, as that unit; exact for powers of ten.

    Args:
        amount: how many parts.
        parts: how many make the unit; nano-units unless told.
    """
    return Context(_DIGITS).divide(Decimal(amount), Decimal(parts))


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of amounts."""
    add, found = Context(_DIGITS).add, Decimal(0)
    for amount in amounts:
        found = add(found, amount)
    return found


def nano_above(amount: Decimal) -> int:
    """An amount in whole nano-units, rounded up."""
    above, below = amount.as_integer_ratio()
    return -(-above * _NANO // below)
