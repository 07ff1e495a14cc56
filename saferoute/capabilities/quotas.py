"""What a permission allows in any minute, and at once: whose counters a request draws on. Pure.

A block counts with counters of its own, named after the digest of the chain that ends with it: whatever is made of a block draws on that
block's counters, however often it is made, and a request must fit into all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.capabilities.accounts import COUNTED
from saferoute.capabilities.deny import Deny, refused
from saferoute.errors import CapabilityForbidden
from saferoute.values.limits import Quota
from saferoute.values.permission import scope_rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.capabilities.caveats import Claims
    from saferoute.values.limits import LimitKind
    from saferoute.values.permission import Permission, Scope

__all__ = ["block_quotas", "check_limit_scope", "check_quotas", "quota_in_words"]

# In one minute, or at once: of one, of several.
_WORDS: Final[Mapping[LimitKind, tuple[str, str]]] = {
    "requests": ("request a minute", "requests a minute"),
    "tokens": ("token a minute", "tokens a minute"),
    "concurrent": ("request at once", "requests at once"),
}


def block_quotas(claims: Sequence[Claims], digests: Sequence[str], owner: str) -> tuple[Quota, ...]:
    """The limits of all blocks, each with a counter of its own.

    Args:
        claims: one for each block, the issuer's first.
        digests: for each block the digest of the chain that ends with it.
        owner: whose they are, for messages.
    """
    return tuple(
        Quota(f"cap:{digest}:{claim}", kind, limit, owner)
        for said, digest in zip(claims, digests, strict=True)
        for claim, kind, limit in _said(said)
        if limit is not None
    )


def _said(claims: Claims) -> tuple[tuple[str, LimitKind, int | None], ...]:
    return (
        ("rpm", "requests", claims.requests_per_minute),
        ("tpm", "tokens", claims.tokens_per_minute),
        ("concurrent", "concurrent", claims.concurrent),
    )


def check_quotas(claims: Sequence[Claims], ceiling: Permission) -> None:
    """Refuse a token whose issuer gives out more than it may: it was never meant to be one.

    The ceiling's own counters, which are drawn on too, hold for what says nothing.

    Raises:
        CapabilityInvalid: if a limit of the first block is above the ceiling's (`ceiling`).
    """
    for bound in ceiling.limits:
        for _, kind, limit in _said(claims[0]):
            if kind == bound.kind and limit is not None and limit > bound.limit:
                raise refused(Deny.CEILING, f"it gives out more {_WORDS[kind][1]} than its issuer may by the trust root: mint it with less")


def check_limit_scope(permission: Permission, scope: Scope) -> None:
    """Refuse a permission whose limits must be counted more widely than a store counts.

    Args:
        permission: without a `scope` of its own it needs "host" if it has a limit, else nothing.
        scope: the limit store's.

    Raises:
        CapabilityForbidden: with the code "scope"; the message says how widely it must be counted.
    """
    if not permission.limits:
        return
    needed = permission.scope or "host"
    if scope_rank(scope) < scope_rank(needed):
        store = "redis(url)" if needed == "cluster" else "sqlite(path)"
        raise CapabilityForbidden(
            f"the limits of {permission.source} must be counted {COUNTED[needed]}, and this client counts them {COUNTED[scope]}: "
            f"pass Client(accounts=saferoute.Accounts.{store})",
            code="scope",
        )


def quota_in_words(quota: Quota) -> str:
    """A limit as people write it: "60 requests a minute", "1 request at once"."""
    return f"{quota.limit} {_WORDS[quota.kind][quota.limit != 1]}"
