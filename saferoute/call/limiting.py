"""What a request takes of the limits of its row, of its alias and of its permissions, and what it is known to have used of them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from saferoute.routing.windows import MOST
from saferoute.values.limits import Draw, Quota

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from saferoute.values.balancing import Limits, Policy
    from saferoute.values.limits import LimitKind
    from saferoute.values.permission import Permission
    from saferoute.values.target import Target

__all__ = ["draws_for", "used_amounts"]


def draws_for(
    target: Target, alias: str, policy: Policy, permissions: Sequence[Permission], tokens: int, *, table_name: str
) -> tuple[Draw, ...]:
    """What one request takes of every limit that it has to fit into: once of each, however many name it.

    Args:
        target: the row that is asked.
        alias: the name that was asked for.
        policy: what the table says about that name.
        permissions: those in force.
        tokens: an estimate of the request's tokens, input and output.
        table_name: whose limits they are: two tables may count in one store.
    """
    row, named = target.limits, policy.limits
    single: tuple[Draw, ...] = ()
    if row is not None or named is not None:
        single = _table_draws(table_name, target.id, row, "" if named is None else alias, named)
    shared = [quota for permission in permissions for quota in permission.limits]
    if shared:
        lowest = {(one.quota.kind, one.quota.key): one.quota for one in single}
        for quota in shared:
            other = lowest.setdefault((quota.kind, quota.key), quota)
            if quota.limit < other.limit:
                lowest[quota.kind, quota.key] = quota
        single = tuple([Draw(quota) for quota in lowest.values()])
    estimate = min(max(tokens, 1), MOST)
    return tuple([Draw(one.quota, estimate) if one.quota.kind == "tokens" else one for one in single])


def used_amounts(draws: Sequence[Draw], tokens: int | None, *, sent: bool) -> tuple[int | None, ...]:
    """What a request took, for `LimitStore.release`.

    Args:
        draws: as `draws_for` gave them.
        tokens: input and output as the provider reported them; None leaves the estimate.
        sent: whether anything may have reached the provider. If not, everything is given back.
    """
    if not sent:
        return (0,) * len(draws)
    if tokens is None:
        return (None,) * len(draws)
    known = min(max(tokens, 0), MOST)
    return tuple([known if draw.quota.kind == "tokens" else None for draw in draws])


@lru_cache(maxsize=4096)
def _table_draws(table_name: str, row: str, of_row: Limits | None, alias: str, of_alias: Limits | None) -> tuple[Draw, ...]:
    """One of each limit that the table sets for a row and an alias."""
    # No table's, row's or alias's name has a "|" in it, so that no two of these keys are the same text.
    quotas = (
        *_quotas(f"row|{table_name}|{row}", f"the route {row}", of_row),
        *_quotas(f"alias|{table_name}|{alias}", f"the alias {alias}", of_alias),
    )
    return tuple(Draw(quota) for quota in quotas)


def _quotas(key: str, owner: str, limits: Limits | None) -> Iterator[Quota]:
    if limits is None:
        return
    kinds: tuple[tuple[LimitKind, int | None], ...] = (
        ("requests", limits.requests_per_minute),
        ("tokens", limits.tokens_per_minute),
        ("concurrent", limits.concurrent),  # also where it is adaptive: that lowers it in each process, and this holds for all of them
    )
    for kind, limit in kinds:
        if limit is not None:
            yield Quota(key, kind, limit, owner)
