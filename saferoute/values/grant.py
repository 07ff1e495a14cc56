"""What a signed table lets its callers do, when they hold no capability of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saferoute.values.request import DataLabel

__all__ = ["Cost", "Grant", "data_rank"]

_ORDER = ("public", "internal", "confidential", "restricted")


def data_rank(label: DataLabel) -> int:
    """Rank a data label: the higher, the more it must be protected."""
    return _ORDER.index(label)


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money.

    Attributes:
        amount: in nano-units of the currency.
        currency: three capital letters.
    """

    amount: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Grant:
    """The table's grant. There are no wildcards; None means that the grant says nothing about it.

    Attributes:
        operations: what may be done, such as "chat".
        routes: names that may be asked for, and ids of rows that may answer.
        tools: tools that may be offered; an empty set allows none.
        data: highest data label that may be sent.
        regions: regions that a row may be in.
        max_output: bound on output tokens.
        max_cost: bound on what one call may cost.
        unenforced: caveats that this version cannot enforce; while there is one, every call is refused.
    """

    operations: frozenset[str]
    routes: frozenset[str]
    tools: frozenset[str] | None = None
    data: DataLabel | None = None
    regions: frozenset[str] | None = None
    max_output: int | None = None
    max_cost: Cost | None = None
    unenforced: tuple[str, ...] = ()
