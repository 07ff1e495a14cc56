"""The table's grant: from the payload to a permission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.routing.shared_limits import shared_quotas, shared_scope
from saferoute.values.permission import Budget, Cost, Permission

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["GRANT_SOURCE", "compile_grant"]

GRANT_SOURCE: Final = "the table's grant"


def compile_grant(grant: Mapping[str, Any], table: str) -> Permission:
    """Compile a grant that fits its shape; every name in `routes` was looked up already.

    Args:
        grant: the payload's grant.
        table: the table's name: its budget and limits are counted under it, whatever version the table has.
    """
    cost, budget, limits = grant.get("max_cost"), grant.get("budget"), grant.get("limits")
    return Permission(
        GRANT_SOURCE,
        operations=frozenset(grant["operations"]),
        routes=frozenset(grant["routes"]),
        aliases=True,
        tools=_set(grant, "tools"),
        audience=_set(grant, "audience"),
        regions=_set(grant, "regions"),
        guards=frozenset(grant.get("guards", ())),
        data=grant.get("data"),
        max_output=grant.get("max_output"),
        max_cost=Cost(cost["amount"], cost["currency"]) if cost is not None else None,
        scope=shared_scope(budget, limits),
        budgets=() if budget is None else (_budget(budget, table),),
        limits=shared_quotas(limits, f"grant:{table}", GRANT_SOURCE),
    )


def _budget(budget: Mapping[str, Any], table: str) -> Budget:
    key, shares = f"grant:{table}", budget.get("replicas", 1)
    return Budget(key, budget["amount"], budget["currency"], budget["per"], replicas=shares)


def _set(grant: Mapping[str, Any], name: str) -> frozenset[str] | None:
    return frozenset(grant[name]) if name in grant else None
