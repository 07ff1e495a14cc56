"""From the blocks of a chain, and its issuer's ceiling, to one permission. Every rule here can only narrow.

    sets (aud, ops, routes, models, providers, purpose, tools, regions, req)   intersection
    guards                                                                     union
    exp, data, max_in, max_out, max_cost                                       the least
    nbf, table_min, scope                                                      the greatest
    stream                                                                     all
    budget, calls                                                              an account for each block; every one is debited
    rpm, tpm, concurrent                                                       a counter for each block; all of them hold

A block counts on an account of its own, named after the digest of the chain that ends with it: whatever is made of a block draws on
that block's account, however often it is made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.quotas import block_quotas
from saferoute.values.permission import Budget, Cost, Permission, data_rank, scope_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from saferoute.capabilities.caveats import Claims
    from saferoute.values.permission import Scope
    from saferoute.values.request import DataLabel

__all__ = ["check_budgets", "merged"]

# The windows that lie whole inside another: what is over the limit of the longer is over it in the shorter. A week can lie in two months.
_INSIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "hour": ("hour",),
    "day": ("hour", "day"),
    "week": ("hour", "day", "week"),
    "month": ("hour", "day", "month"),
}


def merged(claims: Sequence[Claims], digests: Sequence[str], ceiling: Permission) -> Permission:
    """Conjoin what the blocks say with what the issuer may allow at most.

    Args:
        claims: one for each block, the issuer's first.
        digests: for each block the digest of the chain that ends with it.
        ceiling: the issuer's; `Permission("")` for none.

    Raises:
        CapabilityInvalid: if bounds on the cost are in two currencies (`currency`).
    """
    source, routes = f"the capability {digests[-1][:12]}", _common((ceiling.routes, *(said.routes for said in claims)))
    return Permission(
        source,
        operations=_common((ceiling.operations, *(said.operations for said in claims))),
        routes=routes,
        aliases=ceiling.aliases and all(said.routes is None for said in claims),
        models=_common((ceiling.models, *(said.models for said in claims))),
        providers=_common((ceiling.providers, *(said.providers for said in claims))),
        tools=_common((ceiling.tools, *(said.tools for said in claims))),
        purposes=_common((ceiling.purposes, *(said.purposes for said in claims))),
        audience=_common((ceiling.audience, *(said.audience for said in claims))),
        regions=_common((ceiling.regions, *(said.regions for said in claims))),
        guards=ceiling.guards.union(*(said.guards for said in claims if said.guards)),
        data=_data((ceiling.data, *(said.data for said in claims))),
        max_input=_one(min, (ceiling.max_input, *(said.max_input for said in claims))),
        max_output=_one(min, (ceiling.max_output, *(said.max_output for said in claims))),
        max_cost=_cost((ceiling.max_cost, *(said.max_cost for said in claims))),
        stream=ceiling.stream and all(said.stream is not False for said in claims),
        table_min=_one(max, (ceiling.table_min, *(said.table_min for said in claims))),
        requests=_common((ceiling.requests, *(said.requests for said in claims))),
        not_before=_one(max, (ceiling.not_before, *(said.not_before for said in claims))),
        expires_at=_one(min, (ceiling.expires_at, *(said.expires_at for said in claims))),
        scope=_scope(claims, ceiling),
        budgets=(*ceiling.budgets, *_budgets(claims, digests)),
        limits=(*ceiling.limits, *block_quotas(claims, digests, source)),
    )


def check_budgets(claims: Sequence[Claims], ceiling: Permission) -> None:
    """Refuse a token whose issuer gives out more than it may: it was never meant to be one.

    The ceiling's own accounts, which are debited too, hold where windows cannot be compared.

    Raises:
        CapabilityInvalid: if the first block's budget, or its calls, are above the ceiling's.
    """
    first = claims[0]
    given = [(first.budget.currency, first.budget.amount, first.budget.per)] if first.budget is not None else []
    if first.calls is not None:
        given.append(("calls", first.calls, None))
    for bound in ceiling.budgets:
        for unit, amount, per in given:
            comparable = bound.per is None or (per is not None and per in _INSIDE[bound.per])
            if unit == bound.unit and comparable and amount > bound.limit:
                raise refused(Deny.CEILING, f"it gives out more {unit} than its issuer may by the trust root: mint it with less")


def _budgets(claims: Sequence[Claims], digests: Sequence[str]) -> Iterable[Budget]:
    """The accounts of all blocks. After a block's expiry nothing that was made of it can be used."""
    until: int | None = None
    for said, digest in zip(claims, digests, strict=True):
        until = _one(min, (until, said.expires_at))
        if said.budget is not None:
            per = said.budget.per
            yield Budget(f"cap:{digest}:budget", said.budget.amount, said.budget.currency, per, until if per is None else None)
        if said.calls is not None:
            yield Budget(f"cap:{digest}:calls", said.calls, "calls", None, until)


def _scope(claims: Sequence[Claims], ceiling: Permission) -> Scope | None:
    """The widest that anybody wants.

    Only the issuer can say "process", in the token: from a later block it would narrow nothing, and is passed over; and that a ceiling is
    counted in each process says nothing of what the token itself counts, which without a word of the issuer's is counted by the host.
    Nor does the issuer's word say anything of the ceiling, which without one of its own is counted by the host.
    """
    said = [one.scope for one in claims if one.scope is not None]
    if claims[0].scope is None:
        said = [scope for scope in said if scope != "process"]
        if ceiling.scope == "process" and any(map(_counts, claims)):
            said.append("host")
    if said and ceiling.scope is None and (ceiling.budgets or ceiling.limits):
        said = [*said, "host"]
    return max((scope for scope in (ceiling.scope, *said) if scope is not None), key=scope_rank, default=None)


def _counts(said: Claims) -> bool:
    counted = (said.budget, said.calls, said.requests_per_minute, said.tokens_per_minute, said.concurrent)
    return any(one is not None for one in counted)


def _common(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    found: frozenset[str] | None = None
    for names in sets:
        if names is not None:
            found = names if found is None else found & names
    return found


def _one(choose: Callable[[list[int]], int], values: Iterable[int | None]) -> int | None:
    said = [value for value in values if value is not None]
    return choose(said) if said else None


def _data(labels: Iterable[DataLabel | None]) -> DataLabel | None:
    found: DataLabel | None = None
    for label in labels:
        if label is not None and (found is None or data_rank(label) < data_rank(found)):
            found = label
    return found


def _cost(costs: Iterable[Cost | None]) -> Cost | None:
    said = [cost for cost in costs if cost is not None]
    if len({cost.currency for cost in said}) > 1:
        raise refused(Deny.CURRENCY, "its bounds on the cost of a call are in several currencies, which cannot be compared")
    return min(said, key=lambda cost: cost.amount, default=None)
