"""The table's grant: from the payload to its value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.values.grant import Cost, Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["compile_grant"]

_UNENFORCED = ("audience", "guards", "budget")
"""Caveats that schema 1 has and this version cannot enforce: the call is refused rather than the caveat ignored."""


def compile_grant(grant: Mapping[str, Any]) -> Grant:
    """Compile a grant that fits its shape; every name in `routes` was looked up already."""
    cost = grant.get("max_cost")
    return Grant(
        operations=frozenset(grant["operations"]),
        routes=frozenset(grant["routes"]),
        tools=frozenset(grant["tools"]) if "tools" in grant else None,
        data=grant.get("data"),
        regions=frozenset(grant["regions"]) if "regions" in grant else None,
        max_output=grant.get("max_output"),
        max_cost=Cost(cost["amount"], cost["currency"]) if cost is not None else None,
        unenforced=tuple(name for name in _UNENFORCED if name in grant),
    )
