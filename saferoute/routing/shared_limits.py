"""Limits that a grant or an issuer's ceiling sets for all its callers together: from the payload to counters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.values.limits import Quota
from saferoute.values.permission import scope_rank

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.limits import LimitKind
    from saferoute.values.permission import Scope

__all__ = ["shared_quotas", "shared_scope"]

# The payload's word -> the end of the counter's name, which is that of the same caveat in a token, and its kind.
_COUNTED: Final[Mapping[str, tuple[str, LimitKind]]] = {
    "requests_per_minute": ("rpm", "requests"),
    "tokens_per_minute": ("tpm", "tokens"),
    "concurrent": ("concurrent", "concurrent"),
}


def shared_quotas(limits: Mapping[str, Any] | None, key: str, owner: str) -> tuple[Quota, ...]:
    """Compile limits that fit their shape.

    Args:
        limits: the payload's; None for none.
        key: whose counters: the same text in every process that shares them.
        owner: whose they are, for messages.
    """
    said = limits or {}
    return tuple(Quota(f"{key}:{end}", kind, said[name], owner) for name, (end, kind) in _COUNTED.items() if name in said)


def shared_scope(budget: Mapping[str, Any] | None, limits: Mapping[str, Any] | None) -> Scope | None:
    """How widely a budget and limits must be counted: the wider of what they say. One that says nothing is counted by the host.

    Returns:
        None if neither says anything.
    """
    said: list[Scope | None] = [part.get("scope") for part in (budget, limits) if part is not None]
    if not any(said):
        return None
    widest: Scope = max((scope or "host" for scope in said), key=scope_rank)
    return widest
