"""What every operation other than chat answers besides its own result: who answered, what it used, and what was tried."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.values.usage import Usage, usage_from_totals

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

    from saferoute.values.events import Notice
    from saferoute.values.guarding import Judged
    from saferoute.values.receipt import Receipt
    from saferoute.values.reply import Attempt

__all__ = ["Outcome", "added"]

_NOT_KNOWN: Final = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What all results of operations have.

    Attributes:
        route: the name that was asked for.
        target: id of the row that answered.
        model: the model that answered, as the provider reported it.
        provider_name: who answered.
        usage: tokens, summed over the requests of the call; None where the provider counts none.
        cost: in the currency of the row's prices; None when a price or a count is unknown.
        request_id: the provider's id of the last exchange, for its support.
        warnings: what was done differently from what was asked.
        attempts: every request, in order, failed ones included.
        verdicts: what guards found, and what they did about it; empty where all of them allow.
        receipt: the ledger's record of the request that was answered last; None for a client without a ledger.
    """

    route: str
    target: str
    model: str
    provider_name: str
    usage: Usage = _NOT_KNOWN
    cost: Decimal | None = None
    request_id: str | None = None
    warnings: tuple[Notice, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    verdicts: tuple[Judged, ...] = ()
    receipt: Receipt | None = None

    def _facts(self) -> str:
        """What a notebook says below the result."""
        cost = "cost not known" if self.cost is None else f"cost {self.cost}"
        tokens = "tokens not known" if self.usage.input_tokens is None else f"{self.usage.input_tokens} tokens in"
        return f"{self.target} · {self.model} · {tokens} · {cost}"


def added(usages: Iterable[Usage]) -> Usage:
    """The usage of several requests together: a count that one of them does not tell is not known of all."""
    every = list(usages)
    if len(every) == 1:
        return every[0]
    return usage_from_totals(
        input_tokens=_sum(usage.input_tokens for usage in every),
        output_tokens=_sum(usage.output_tokens for usage in every),
        raw={"requests": [dict(usage.raw) for usage in every]},
    )


def _sum(counts: Iterable[int | None]) -> int | None:
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
