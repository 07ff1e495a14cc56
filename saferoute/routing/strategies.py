"""Which row a call asks first, and which ones next: one small pure function for each strategy that a table can name.

Each gives back every row once, best first. Whether a row may be asked at all is decided elsewhere: an order never leaves one out, so what
comes after the first is the order in which a call falls back. What is measured is what this client has seen; nothing is shared between
processes. Rows that a strategy finds equal stay in the table's order, unless it says that chance decides.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, TypeAlias

from saferoute.routing.strategies_measured import least_busy, lowest_latency, most_headroom, two_choices
from saferoute.routing.strategies_signed import (
    Situation,
    by_context,
    by_data,
    by_tag,
    cheapest,
    ordered,
    round_robin,
    sticky,
    weighted,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.values.balancing import Condition, Facts, Policy, Strategy
    from saferoute.values.target import Target

__all__ = ["STRATEGIES", "Ordering", "order"]

Ordering: TypeAlias = "Callable[[Sequence[Target], Situation], tuple[Target, ...]]"
"""A strategy: all of the rows, each once, best first."""

STRATEGIES: Final[Mapping[Strategy, Ordering]] = MappingProxyType({
    "ordered": ordered,
    "weighted": weighted,
    "round_robin": round_robin,
    "least_busy": least_busy,
    "lowest_latency": lowest_latency,
    "cheapest": cheapest,
    "most_headroom": most_headroom,
    "two_choices": two_choices,
    "sticky": sticky,
    "by_tag": by_tag,
    "by_data": by_data,
    "by_context": by_context,
})  # fmt: skip
"""The function of each strategy that a table can name."""


def order(  # noqa: PLR0917  what a call has at hand, in one line of the flow
    targets: Sequence[Target],
    policy: Policy,
    condition: Callable[[Target], Condition],
    facts: Facts,
    now: float,
    random: Callable[[], float],
) -> tuple[Target, ...]:
    """Put the rows of a name in order for one call, as its policy's strategy says.

    Args:
        targets: in the table's order.
        policy: what the table says about the name.
        condition: how a row is doing.
        facts: what the call asks for; its tokens are asked for at most once, and only by "cheapest" and "by_context".
        now: monotonic seconds, of the clock that the conditions' `updated` is of.
        random: gives numbers from 0.0 up to 1.0, and never 1.0.

    Returns:
        All of the rows, each once, best first.
    """
    if len(targets) == 1:  # most names stand for one row
        return tuple(targets)
    return STRATEGIES[policy.strategy](targets, Situation(policy, condition, facts, now, random))
