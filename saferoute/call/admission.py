"""What every call goes through before it is made, whatever its operation: its name, its rows, its money, its bounds.

No later step adds a row: those that take over after failures, and the one that gets a copy, are authorised here with the others.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from saferoute.call.balancing import Balancing, Cap, Throttle
from saferoute.call.limiting import draws_for
from saferoute.capabilities.authorise import also_allowed, authorise
from saferoute.capabilities.quotas import check_limit_scope
from saferoute.errors import BudgetExceeded, NoRoute, UnknownOption
from saferoute.errors.root import KEY_PREFIX
from saferoute.providers.writing import namespaces
from saferoute.values.balancing import PLAIN_POLICY
from saferoute.values.permission import data_rank
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from saferoute.call.snapshot import Snapshot
    from saferoute.capabilities.authorise import Asked
    from saferoute.values.balancing import Cause, Facts, Policy
    from saferoute.values.limits import Draw
    from saferoute.values.permission import Permission
    from saferoute.values.target import Deadlines, Target

__all__ = ["Admission", "admitted", "affordable", "check_provider_options", "check_route", "is_route_name", "rows_of"]

_NAME: Final = re.compile(r"[!$&'()*+,\-./0-9:=@A-Z\[\]_a-z~]{1,330}")  # an id, a stroke and a model
_LONG: Final = 16  # characters; a name that begins as keys do is shorter
_DEFAULT_ATTEMPTS: Final = 3
_UNBOUNDED: Final = 100
_NANO: Final = 1_000_000_000
_AFTERWARDS: Final = 30.0
"""Seconds that a request may outlive its call's allowance by, before its place among those under way is given to another."""


class _WithOptions(Protocol):
    @property
    def provider_options(self) -> Mapping[str, Mapping[str, Any]]: ...


def check_route(route: object) -> None:
    """Refuse what is no name of a route.

    Raises:
        NoRoute: for anything but a str, and for what cannot be a name. It is not repeated.
    """
    if not isinstance(route, str):
        msg = f"the route must be a str, the name of a route, not {type(route).__name__}"
        raise NoRoute(msg)
    if not is_route_name(route):
        msg = (
            "the route comes first, then the messages: client.chat('fast', 'hello'). What was given as a route cannot be the name of one, "
            "and is not repeated here: it may be a prompt, or a key. `client.models()` lists the names"
        )
        raise NoRoute(msg)


def is_route_name(route: str) -> bool:
    """Whether a text can be the name of a route. One that cannot may be anything, so it is shown nowhere."""
    return _NAME.fullmatch(route) is not None and not (len(route) > _LONG and "/" not in route and KEY_PREFIX.match(route))


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


@sealed
class Admission:
    """What is left of a call's rows, and how they are chosen from.

    Attributes:
        targets: the rows that may answer, with the alias's clocks, in the table's order; at least one.
        attempts: how many requests the call may send.
        balancing: what the choice of rows goes by; its `fallback` holds the rows that may take over.
        shadow: the row that gets a copy of this call; None for none.
        rows: every row that a request may go to.
    """

    targets: tuple[Target, ...]
    attempts: int
    balancing: Balancing
    shadow: Target | None = None
    rows: tuple[Target, ...] = ()


def rows_of(policy: Policy, resolved: tuple[Target, ...]) -> tuple[Target, ...]:
    """Every row that a request of a call could go to, before anything is decided about them.

    Args:
        policy: what the table says about the name that was asked for.
        resolved: the rows that it stands for.
    """
    if policy is PLAIN_POLICY:
        return resolved
    more = [row for rows in policy.fallback.values() for row in rows]
    return (*resolved, *more, *(() if policy.shadow is None else (policy.shadow.target,)))


def admitted(
    snapshot: Snapshot,
    asked: Asked,
    permissions: tuple[Permission, ...],
    resolved: tuple[Target, ...],
    *,
    policy: Policy,
    options: Mapping[str, Any],
    facts: Facts,
    fix: str,
) -> Admission:
    """Authorise a call's rows, and put together how they are chosen from.

    Args:
        snapshot: table, trust and the client's defaults.
        asked: what the call asks for.
        permissions: those in force.
        resolved: the rows that its name stands for.
        policy: what the table says about its name.
        options: the call's options, checked.
        facts: what strategies look at.
        fix: what to pass instead, if the call may cost too much.

    Raises:
        CapabilityError: the call is not allowed, or no row may answer it.
        BudgetExceeded: its worst case is over `max_cost` at every row.
    """
    table, trust = snapshot.opened.table, snapshot.authority.trust
    targets = authorise(permissions, asked, resolved, trust=trust).targets
    max_cost: Decimal | None = options.get("max_cost")
    if max_cost is not None:
        targets = affordable(asked, targets, max_cost, fix=fix)
    alias = table.aliases.get(asked.route)
    if alias is not None and alias.deadlines is not None:
        targets = _clocked(targets, alias.deadlines)
    most = alias.max_attempts if alias else None  # what is signed is an upper bound
    attempts = min(options.get("max_attempts") or most or _DEFAULT_ATTEMPTS, most or _UNBOUNDED)
    rows = rows_of(policy, targets)
    cap = None if max_cost is None and not permissions else _cap(asked, permissions, max_cost, rows)
    throttle: Throttle | None = None
    if _is_limited(policy, permissions, rows):
        throttle = _throttle(snapshot, asked, permissions, rows, policy=policy, facts=facts, total=options.get("timeout"))
    if policy is PLAIN_POLICY and cap is None and throttle is None and not options.get("wait"):
        return Admission(targets, attempts, snapshot.plain, None, targets)
    fallback: dict[Cause, tuple[Target, ...]] = {}
    for cause, rows in policy.fallback.items():
        more = _more(snapshot, asked, permissions, rows, max_cost)
        fallback[cause] = more if alias is None or alias.deadlines is None else _clocked(more, alias.deadlines)
    balancing = Balancing(policy, snapshot.health, facts, fallback, options.get("wait", False), throttle, cap, snapshot.clock)
    shadow = _shadowed(snapshot, asked, permissions, policy, max_cost)
    every = [row for some in fallback.values() for row in some]
    return Admission(targets, attempts, balancing, shadow, (*targets, *every, *(() if shadow is None else (shadow,))))


def _clocked(targets: tuple[Target, ...], deadlines: Deadlines) -> tuple[Target, ...]:
    return tuple(replace(target, deadlines=deadlines) for target in targets)


def _more(
    snapshot: Snapshot, asked: Asked, permissions: tuple[Permission, ...], rows: tuple[Target, ...], max_cost: Decimal | None
) -> tuple[Target, ...]:
    """Those of further rows that may be asked: not halted, allowed as the others are, and within the caller's bound on money."""
    running = tuple(row for row in rows if row.id not in snapshot.opened.halted)
    allowed = also_allowed(permissions, asked, running, trust=snapshot.authority.trust)
    if max_cost is None:
        return allowed
    return tuple(row for row in allowed if (cost := _dollars(asked, row)) is not None and cost <= max_cost * _NANO)


def _shadowed(
    snapshot: Snapshot, asked: Asked, permissions: tuple[Permission, ...], policy: Policy, max_cost: Decimal | None
) -> Target | None:
    """The row that gets a copy of this call, if this call is one of those that are copied."""
    shadow = policy.shadow
    if shadow is None or asked.data is None or data_rank(asked.data) > data_rank(shadow.data):
        return None
    if snapshot.random() * 1000 >= shadow.share:
        return None
    prices, cost = shadow.target.prices, asked.cost_at(shadow.target)
    if cost is None or cost > shadow.max_cost.amount or (cost and (prices is None or prices.currency != shadow.max_cost.currency)):
        return None
    return next(iter(_more(snapshot, asked, permissions, (shadow.target,), max_cost)), None)


def _cap(asked: Asked, permissions: tuple[Permission, ...], max_cost: Decimal | None, rows: tuple[Target, ...]) -> Cap | None:
    """What the call may cost with all its attempts: all rows that are left have prices, in the bound's currency."""
    bound = None if max_cost is None else int(max_cost * _NANO)
    for permission in permissions:
        if permission.max_cost is not None and (bound is None or permission.max_cost.amount < bound):
            bound = permission.max_cost.amount
    if bound is None:
        return None
    known = ((row.id, asked.cost_at(row)) for row in rows)
    return Cap(bound, {name: most for name, most in known if most is not None})


def _is_limited(policy: Policy, permissions: tuple[Permission, ...], rows: tuple[Target, ...]) -> bool:
    """Whether a row, the alias or a permission has limits."""
    if policy.limits is not None:
        return True
    for permission in permissions:
        if permission.limits:
            return True
    for row in rows:  # noqa: SIM110  any() makes a generator, for every call
        if row.limits is not None:
            return True
    return False


def _throttle(
    snapshot: Snapshot,
    asked: Asked,
    permissions: tuple[Permission, ...],
    rows: tuple[Target, ...],
    *,
    policy: Policy,
    facts: Facts,
    total: float | None,
) -> Throttle:
    """What a request takes of the limits of its row, its alias and its permissions; one of them has some."""
    store = snapshot.limits()
    for permission in permissions:
        if permission.limits:
            check_limit_scope(permission, store.scope)
    draws: dict[str, tuple[Draw, ...]] = {}
    sent = facts.tokens()
    for row in rows:
        bound = row.default_max_output if asked.max_output is None else asked.max_output
        tokens = sent + (bound or 0) * asked.answers
        taken = draws_for(row, asked.route, policy, permissions, tokens, table_name=snapshot.opened.table.name)
        if taken:
            draws[row.id] = taken
    longest = total or max(row.deadlines.total for row in rows)
    return Throttle(store, draws, longest + _AFTERWARDS)


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
