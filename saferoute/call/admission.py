"""What every call is checked for before it is prepared, whatever its operation: its name, its options' names, its money, its bounds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from saferoute.errors import BudgetExceeded, NoRoute, UnknownOption
from saferoute.providers.writing import namespaces

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from saferoute.capabilities.authorise import Asked
    from saferoute.routing.table import RoutingTable
    from saferoute.values.target import Target

__all__ = ["affordable", "bounded", "check_provider_options", "check_route"]

_DEFAULT_ATTEMPTS: Final = 3
_UNBOUNDED: Final = 100
_NANO: Final = 1_000_000_000


class _WithOptions(Protocol):
    @property
    def provider_options(self) -> Mapping[str, Mapping[str, Any]]: ...


def check_route(route: object) -> None:
    """Refuse what is no name of a route.

    Raises:
        NoRoute: for anything but a str.
    """
    if not isinstance(route, str):
        msg = f"the route must be a str, the name of a route, not {type(route).__name__}"
        raise NoRoute(msg)


def check_provider_options(request: _WithOptions, targets: tuple[Target, ...]) -> None:
    """Refuse options for providers that this route does not go to: most likely a name that is written wrongly.

    Raises:
        UnknownOption: with the names that would be read.
    """
    if not request.provider_options:
        return
    known = {name for target in targets for name in namespaces(target)}
    unknown = request.provider_options.keys() - known
    if unknown:
        msg = f"provider_options for {', '.join(sorted(map(repr, unknown)))}, but this route goes to {', '.join(sorted(map(repr, known)))}"
        raise UnknownOption(msg)


def bounded(table: RoutingTable, route: str, targets: tuple[Target, ...], options: Mapping[str, Any]) -> tuple[tuple[Target, ...], int]:
    """The rows with their alias's clocks, and how many requests the call may send.

    Args:
        table: the verified table.
        route: the name that was asked for.
        targets: the rows that may answer.
        options: the call's options, checked.
    """
    alias = table.aliases.get(route)
    if alias is not None and alias.deadlines is not None:
        targets = tuple(replace(target, deadlines=alias.deadlines) for target in targets)
    most = alias.max_attempts if alias else None  # what is signed is an upper bound
    return targets, min(options.get("max_attempts") or most or _DEFAULT_ATTEMPTS, most or _UNBOUNDED)


def affordable(asked: Asked, targets: tuple[Target, ...], max_cost: Decimal, *, fix: str) -> tuple[Target, ...]:
    """The rows where the call's worst case is within what the caller allows.

    Args:
        asked: the authorised call.
        targets: the rows that may answer.
        max_cost: the caller's bound, in US dollars.
        fix: what to pass instead.

    Raises:
        BudgetExceeded: for none.
    """
    costs = [_dollars(asked, target) for target in targets]
    within = tuple(target for target, cost in zip(targets, costs, strict=True) if cost is not None and cost <= max_cost * _NANO)
    if within:
        return within
    known = [cost for cost in costs if cost is not None]
    why = (
        f"is {min(known) / _NANO:.6f}"
        if known
        else "is not known (no price in US dollars, no output bound, something that is billed by other than its text, or provider_options "
        "that may change the price)"
    )
    raise BudgetExceeded(f"max_cost={max_cost} does not cover this call on {asked.route!r}: its worst case {why}; {fix}", code="max_cost")


def _dollars(asked: Asked, target: Target) -> int | None:
    cost = asked.cost_at(target)
    return cost if not cost or (target.prices is not None and target.prices.currency == "USD") else None
