"""May this call be made, and by which rows? Pure: permissions, the call's facts and the resolved rows go in, the allowed rows come out.

- Production without a grant or a capability refuses every call. A local table needs none.
- Every permission that is in force must allow the call: they are conjoined, never united.
- A caveat about the call (operation, tools, output bound ...) refuses the call; one about a row (route, region, data ceiling, cost)
  drops the row, and the call is refused when no row is left. No step ever adds a row.
- An unlabelled call counts as "restricted" in production. In a local client nobody set ceilings, so it passes.
- A bound that the caller does not give counts as unbounded, and what is not known (a price, a purpose) is never assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from saferoute.errors import CapabilityExpired, CapabilityForbidden
from saferoute.values.cost import worst_cost
from saferoute.values.permission import data_rank
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.values.permission import Budget, Cost, Permission
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = [
    "Asked", "Authorisation", "also_allowed", "authorise", "counts_money", "output_bound", "reaches", "sizes_input", "tightest_output",
    "worst_case",
]  # fmt: skip

_NOT_YET = 30
"""Seconds by which an issuer's clock may be ahead of ours when a permission begins; none when it ends."""


@sealed
class Asked:
    """What a call asks for, as far as permission goes.

    Attributes:
        route: the name that the caller used.
        operation: the grant's word for it, such as "chat" or "embed".
        tools: names of the tools that are offered.
        data: the call's data label; None for none.
        max_output: bound on output tokens; None for none.
        input_bytes: an upper bound of the input in bytes of text; needed where a permission bounds input or money.
        by_reference: a part is given by URL or file id, so `input_bytes` does not bound its tokens.
        answers: how many answers are asked for, each of up to `max_output` tokens.
        stream: whether the answer is streamed.
        purpose: what the call is for; None for not said.
        audience: the name of the client that makes the call.
        guards: the guards that are active.
        table_version: the version of the table that is used.
        request: hash of the request as the caller gave it; None where nothing is bound to one.
        now: the wall clock, in seconds since the epoch.
    """

    route: str
    operation: str = "chat"
    tools: tuple[str, ...] = ()
    data: DataLabel | None = None
    max_output: int | None = None
    input_bytes: int | None = None
    by_reference: bool = False
    answers: int = 1
    stream: bool = False
    purpose: str | None = None
    audience: str = ""
    guards: frozenset[str] = frozenset()
    table_version: int = 0
    request: str | None = None
    now: float = 0.0

    def cost_at(self, target: Target) -> int | None:
        """The most that the call can cost at a row, in nano-units of its currency; None if it is not known."""
        if self.input_bytes is None:
            return None
        return worst_case(
            target, input_bytes=self.input_bytes, max_output=self.max_output, by_reference=self.by_reference, answers=self.answers
        )


@sealed
class Authorisation:
    """The rows that may answer, and why others may not.

    Attributes:
        targets: in the order in which they came; at least one.
        dropped: (row id, reason) of the others.
    """

    targets: tuple[Target, ...]
    dropped: tuple[tuple[str, str], ...] = ()


def authorise(
    permissions: tuple[Permission, ...], asked: Asked, targets: tuple[Target, ...], *, trust: Literal["local", "production"]
) -> Authorisation:
    """Decide which of the resolved rows may answer a call.

    Args:
        permissions: the verified capabilities, or the table's grant where there is none; every one must allow the call.
        asked: what the call asks for.
        targets: the rows that the route stands for.
        trust: how far the table's trust goes.

    Raises:
        CapabilityForbidden: no row may answer; `code` is a stable word, and the message names the caveat, its value, what was asked,
            and what to pass.
        CapabilityExpired: a permission is not valid now.
    """
    if not permissions and trust != "local":
        raise CapabilityForbidden(
            "this routing table grants nothing to callers without a capability: pass capability=..., or add a [grant] to routes.toml "
            "and sign the table again (saferoute table build, saferoute table sign)",
            code="no_grant",
        )
    for permission in permissions:
        _check_call(permission, asked)
    if not permissions and asked.data is None:
        return Authorisation(targets)
    kept: list[Target] = []
    dropped: list[tuple[str, str, str]] = []
    for target in targets:
        refusal = _target_refusal(permissions, asked, target, trust)
        if refusal is None:
            kept.append(target)
        else:
            dropped.append((target.id, *refusal))
    if not kept:
        raise _nothing_left(asked, dropped)
    if not dropped:
        return Authorisation(targets)
    return Authorisation(tuple(kept), tuple((name, reason) for name, _, reason in dropped))


def also_allowed(
    permissions: tuple[Permission, ...], asked: Asked, targets: tuple[Target, ...], *, trust: Literal["local", "production"]
) -> tuple[Target, ...]:
    """Those of further rows that may answer a call which `authorise` has allowed: fallbacks and shadows, by the same rules.

    Args:
        permissions: as for `authorise`.
        asked: as for `authorise`.
        targets: the further rows.
        trust: how far the table's trust goes.
    """
    if not permissions and asked.data is None:
        return targets
    return tuple(target for target in targets if _target_refusal(permissions, asked, target, trust) is None)


def tightest_output(permissions: Iterable[Permission]) -> int | None:
    """The tightest bound on output tokens of these permissions; None for none."""
    least: int | None = None
    for permission in permissions:
        most = permission.max_output
        if most is not None and (least is None or most < least):
            least = most
    return least


def counts_money(permissions: Iterable[Permission]) -> bool:
    """Whether a permission bounds money, so that a call's worst case has to be known."""
    for permission in permissions:
        if permission.max_cost is not None:
            return True
        for budget in permission.budgets:
            if budget.unit != "calls":
                return True
    return False


def sizes_input(permissions: Iterable[Permission]) -> bool:
    """Whether a permission bounds input or money, so that the size of the input has to be known."""
    for permission in permissions:
        if permission.max_input is not None or permission.max_cost is not None:
            return True
        if permission.budgets and counts_money((permission,)):
            return True
    return False


def output_bound(most: int | None, target: Target, asked: int | None) -> int | None:
    """The tightest bound on output tokens of caller, permissions (`most`) and row; the row's default where nobody else says anything."""
    bound = asked
    for other in (most, target.max_output, target.default_max_output if asked is None else None):
        if other is not None and (bound is None or other < bound):
            bound = other
    return bound


def worst_case(target: Target, *, input_bytes: int, max_output: int | None, by_reference: bool = False, answers: int = 1) -> int | None:
    """The most that one request can cost, in nano-units of the row's currency.

    A token is at least one byte of text, so the input has at most `input_bytes` tokens, each at the dearest of the input prices
    (writing to a cache costs more than reading past it) in the dearest tier that so many tokens can reach.

    Args:
        target: the row, with its prices.
        input_bytes: an upper bound of the input.
        max_output: the output bound that will be sent; None takes the row's default.
        by_reference: a part is given by URL or file id.
        answers: how many answers are asked for.

    Returns:
        None if it is not known: a price or a bound is missing, or a part's size is.
    """
    prices = target.prices
    most = output_bound(None, target, max_output)
    if not input_bytes and not by_reference and most == 0:
        return 0  # counting, and asking for the list of models: nothing that could be billed
    if prices is None or most is None or by_reference:
        return None
    return worst_cost(prices, input_bytes, most * answers)


def _check_call(permission: Permission, asked: Asked) -> None:
    source, now = permission.source, asked.now
    if permission.expires_at is not None and not now < permission.expires_at:
        raise CapabilityExpired(
            f"{source} expired at {permission.expires_at} (seconds since the epoch); it is {now:.0f}: get a new one", code="exp"
        )
    if permission.not_before is not None and not now >= permission.not_before - _NOT_YET:
        raise CapabilityExpired(
            f"{source} is not valid before {permission.not_before} (seconds since the epoch); it is {now:.0f}", code="nbf"
        )
    if permission.audience is not None and asked.audience not in permission.audience:
        raise CapabilityForbidden(
            f"{source} is for {_listed(permission.audience)}; this client is {asked.audience!r}. "
            "Use one that was made for it, or say what this client is: Client(audience=...)",
            code="aud",
        )
    if permission.operations is not None and asked.operation not in permission.operations:
        raise CapabilityForbidden(
            f"{source} allows the operations {_listed(permission.operations)}; asked: {asked.operation}", code="operation"
        )
    if permission.purposes is not None and asked.purpose not in permission.purposes:
        raise CapabilityForbidden(
            f"{source} allows the purposes {_listed(permission.purposes)}; asked: {asked.purpose or 'none'}. "
            "Say what the calls are for: client.using(purpose=...)",
            code="purpose",
        )
    if permission.tools is not None and not permission.tools.issuperset(asked.tools):
        outside = [name for name in asked.tools if name not in permission.tools]
        raise CapabilityForbidden(
            f"{source} allows the tools {_listed(permission.tools)}; offered: {_listed(outside)}. "
            "Leave them out of tools= and provider_options=",
            code="tools",
        )
    if permission.guards and (missing := permission.guards - asked.guards):
        raise CapabilityForbidden(f"{source} asks for the guards {_listed(missing)}, which are not active in this client", code="guards")
    if asked.stream and not permission.stream:
        raise CapabilityForbidden(f"{source} does not allow streams: use client.chat(...)", code="stream")
    if permission.table_min is not None and asked.table_version < permission.table_min:
        raise CapabilityForbidden(
            f"{source} needs version {permission.table_min} of the routing table or a later one; this client has version "
            f"{asked.table_version}: client.reload() with a newer one",
            code="table_min",
        )
    if permission.requests is not None and asked.request not in permission.requests:
        raise CapabilityForbidden(f"{source} is bound to another request than this one: nothing in it may differ", code="req")
    _check_bounds(permission, asked)


def _check_bounds(permission: Permission, asked: Asked) -> None:
    source, most = permission.source, permission.max_output
    if most is not None and (asked.max_output is None or asked.max_output * asked.answers > most):
        raise CapabilityForbidden(
            f"{source} bounds the output to {most} tokens; asked: {_asked_output(asked)}. "
            f"Pass max_output_tokens={most // asked.answers} or less",
            code="max_output",
        )
    if permission.max_input is not None and (asked.input_bytes is None or asked.by_reference or asked.input_bytes > permission.max_input):
        size = "not known" if asked.input_bytes is None or asked.by_reference else f"up to {asked.input_bytes} tokens"
        raise CapabilityForbidden(
            f"{source} bounds the input to {permission.max_input} tokens, and a token may be one byte; this call's input is {size}: "
            "send less text, and no pictures, sound or documents",
            code="max_input",
        )


def _target_refusal(permissions: tuple[Permission, ...], asked: Asked, target: Target, trust: str) -> tuple[str, str] | None:
    """Why a row may not answer: (code, reason); None if it may. The data label first, then each permission in turn."""
    refusal = _data_refusal(permissions, asked, target, trust)
    for permission in permissions:
        if refusal is None:
            refusal = _place_refusal(permission, asked.route, target)
        if refusal is None and (permission.budgets or permission.max_cost is not None):
            refusal = _money_refusal(permission, asked, target)
    return refusal


def _data_refusal(permissions: tuple[Permission, ...], asked: Asked, target: Target, trust: str) -> tuple[str, str] | None:
    ceiling: DataLabel = target.data
    bounded = trust != "local"
    for permission in permissions:
        if permission.data is not None:
            bounded = True
            if data_rank(permission.data) < data_rank(ceiling):
                ceiling = permission.data
    if asked.data is None and not bounded:
        return None
    label: DataLabel = asked.data or "restricted"
    if data_rank(label) <= data_rank(ceiling):
        return None
    what = f"the call is labelled {label}" if asked.data else 'the call has no data label, which counts as "restricted"'
    return "data", f'takes data up to "{ceiling}", and {what}: pass data="{ceiling}" if that is what it is, or Client(data=...)'


def _money_refusal(permission: Permission, asked: Asked, target: Target) -> tuple[str, str] | None:
    for budget in permission.budgets:
        if budget.unit != "calls" and (refusal := _budget_refusal(budget, permission.source, asked, target)) is not None:
            return refusal
    return _cost_refusal(permission.max_cost, permission.source, asked, target)


def reaches(permission: Permission, route: str, target: Target) -> bool:
    """Whether a permission lets a row answer when this name is asked for, as far as names and regions go."""
    return _place_refusal(permission, route, target) is None


def _place_refusal(permission: Permission, route: str, target: Target) -> tuple[str, str] | None:
    routes, source = permission.routes, permission.source
    if routes is not None and target.id not in routes and not (permission.aliases and route in routes):
        return "routes", f"is not among the routes of {source}: {_listed(routes)}"
    if permission.models is not None and target.model not in permission.models:
        return "models", f"asks the model {target.model}, and {source} allows {_listed(permission.models)}"
    if permission.providers is not None and target.provider_name not in permission.providers:
        return "providers", f"is at {target.provider_name}, and {source} allows {_listed(permission.providers)}"
    if permission.regions is not None and target.region not in permission.regions:
        return "regions", f"is in the region {target.region or 'unknown'}, and {source} allows {_listed(permission.regions)}"
    return None


def _budget_refusal(budget: Budget, source: str, asked: Asked, target: Target) -> tuple[str, str] | None:
    """Without a worst case nothing can be held back for the call, so it could spend more than there is."""
    if _row_cost(budget.unit, asked, target) is not None:
        return None
    return "budget", f"has no known worst case in {budget.unit}, and {source} has a budget: give the row prices, or pass max_output_tokens"


def _cost_refusal(limit: Cost | None, source: str, asked: Asked, target: Target) -> tuple[str, str] | None:
    if limit is None:
        return None
    cost = _row_cost(limit.currency, asked, target)
    bound = f"{limit.amount / 1e9:g} {limit.currency}"
    if cost is None:
        why = f"has no known worst case in {limit.currency}"
        return "max_cost", f"{why}, and {source} allows {bound} per call: give the row prices, or pass max_output_tokens"
    if cost > limit.amount:
        why = f"may cost {cost / 1e9:g} {limit.currency}"
        return "max_cost", f"{why}, and {source} allows {bound} per call: pass a lower max_output_tokens"
    return None


def _row_cost(currency: str, asked: Asked, target: Target) -> int | None:
    cost = asked.cost_at(target)
    return cost if not cost or (target.prices is not None and target.prices.currency == currency) else None


def _asked_output(asked: Asked) -> str:
    if asked.max_output is None:
        return "no bound"
    return str(asked.max_output) if asked.answers == 1 else f"{asked.answers} answers of {asked.max_output}"


def _nothing_left(asked: Asked, dropped: list[tuple[str, str, str]]) -> CapabilityForbidden:
    reasons = "; ".join(f"{name} {reason}" for name, _, reason in dropped)
    error = CapabilityForbidden(f"no row of the route {asked.route!r} may answer this call: {reasons}", code=dropped[0][1])
    error.rejected = tuple((name, reason) for name, _, reason in dropped)
    return error


def _listed(names: frozenset[str] | list[str]) -> str:
    return ", ".join(sorted(names)) or "none"
