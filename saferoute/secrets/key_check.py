"""Which rows of a table have a key in a store, and what to do about those that have none. No key is looked at, and nobody is asked."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.secrets.lookup import StoredKey

__all__ = ["KeyNeed", "RowKey", "check_rows"]


@dataclass(frozen=True, slots=True)
class KeyNeed:
    """A key that a row of a table needs.

    Attributes:
        route: the row.
        secret: the key's name; None if the row needs none from a store.
        origin: where the key will be sent: the row's origin, or that of the endpoint that makes its credential.
    """

    route: str
    secret: str | None
    origin: str


@dataclass(frozen=True, slots=True)
class RowKey:
    """Whether a row has its key.

    Attributes:
        route: the row.
        secret: the key's name; None if the row needs none from a store.
        origin: where the key will be sent.
        status: "ok", "missing", "bound elsewhere" (the key may not go to that origin), "in two stores", or "none needed".
        stored: what is stored of it, without the key; of two stores the first.
        overlap_until: seconds since the epoch at which the revision before stops being presented; None if there is none, or it is over.
        remedy: what to do; "" if nothing.
    """

    route: str
    secret: str | None
    origin: str
    status: Literal["ok", "missing", "bound elsewhere", "in two stores", "none needed"]
    stored: StoredKey | None = None
    overlap_until: int | None = None
    remedy: str = ""


def check_rows(needs: Iterable[KeyNeed], stored: Sequence[StoredKey], now: float) -> tuple[RowKey, ...]:
    """Compare what rows need with what is stored.

    Args:
        needs: the rows, in the order of the answer.
        stored: what the stores hold.
        now: seconds since the epoch.
    """
    return tuple(_check(need, [key for key in stored if key.name == need.secret], now) for need in needs)


def _check(need: KeyNeed, found: Sequence[StoredKey], now: float) -> RowKey:
    route, name, origin = need.route, need.secret, need.origin
    if name is None:
        return RowKey(route, None, origin, "none needed")
    add = f"saferoute keys add {name} --origin {shlex.quote(origin)}"
    if not found:
        return RowKey(route, name, origin, "missing", remedy=add)
    key = found[0]
    end = key.overlap_until if key.overlap_until is not None and now < key.overlap_until else None
    if origin not in key.origins:
        every = " ".join(f"--origin {shlex.quote(one)}" for one in sorted({*key.origins, origin}))
        remedy = f"saferoute keys remove {name}, then saferoute keys add {name} {every}"
        return RowKey(route, name, origin, "bound elsewhere", key, end, remedy)
    if len(found) > 1:
        remedy = f"saferoute keys remove {name} --store {found[-1].store}: a client takes the first that it is told to look in"
        return RowKey(route, name, origin, "in two stores", key, end, remedy)
    return RowKey(route, name, origin, "ok", key, end)
