"""A permission in words, for people: what a capability allows, one line for each thing that it bounds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from saferoute.capabilities.accounts import in_words
from saferoute.capabilities.quotas import quota_in_words

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from saferoute.values.permission import Permission

__all__ = ["permission_words"]


def permission_words(permission: Permission) -> tuple[str, ...]:
    """Say what a permission allows.

    Returns:
        One line for each thing that it bounds; what has no line is not bounded by it.
    """
    return tuple(_lines(permission))


def _lines(permission: Permission) -> Iterator[str]:
    for what, names in (
        ("may be used with the clients", permission.audience),
        ("may do", permission.operations),
        ("routes", permission.routes),
        ("models", permission.models),
        ("providers", permission.providers),
        ("tools", permission.tools),
        ("purposes", permission.purposes),
        ("regions", permission.regions),
        ("guards that must be active", permission.guards or None),
        ("only for the requests", permission.requests),
    ):
        if names is not None:
            yield f"{what}: {_listed(names)}"
    if permission.data is not None:
        yield f"data labelled up to: {permission.data}"
    if permission.max_input is not None:
        yield f"input of one call: at most {permission.max_input} tokens"
    if permission.max_output is not None:
        yield f"output of one call: at most {permission.max_output} tokens"
    if permission.max_cost is not None:
        yield f"cost of one call: at most {in_words(permission.max_cost.amount, permission.max_cost.currency)}"
    for budget in permission.budgets:
        span = "in all" if budget.per is None else f"each {budget.per}"
        whose = f" of {budget.owner}" if budget.owner else ""
        shared = "" if budget.owner else ", shared by all that is made of it"
        yield f"budget{whose}: {in_words(budget.limit, budget.unit)} {span}{shared}"
    for quota in permission.limits:
        own = quota.owner == permission.source
        yield f"limit{'' if own else f' of {quota.owner}'}: {quota_in_words(quota)}{', shared by all that is made of it' if own else ''}"
    if permission.budgets or permission.limits or permission.scope is not None:
        where = {"process": "each process, and forgotten when it ends", "cluster": "all hosts together"}
        yield f"counted by: {where.get(permission.scope or '', 'all processes of one host together')}"
    if not permission.stream:
        yield "answers may not be streamed"
    if permission.table_min is not None:
        yield f"routing table: version {permission.table_min} or later"
    if permission.not_before is not None:
        yield f"begins: {_moment(permission.not_before)}"
    if permission.expires_at is not None:
        yield f"ends: {_moment(permission.expires_at)}"


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
