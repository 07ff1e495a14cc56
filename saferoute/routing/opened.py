"""A table that was opened, with everything that was verified together with it: what a client works with until the next reload."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from saferoute.errors import NoRoute, TableExpired
from saferoute.routing.rollback import check_floor
from saferoute.routing.table import CLOCK_SKEW, show_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.routing.rollback import State
    from saferoute.routing.root import Root
    from saferoute.routing.status import Revocations, Status
    from saferoute.routing.table import RoutingTable
    from saferoute.values.issuer import IssuerRecord
    from saferoute.values.target import Target

__all__ = ["Opened", "Rollback", "check_root_time"]

Rollback = Literal["state", "min_table_version", "none"]
"""What keeps an old table out: what was accepted before, a pinned least version, or only its expiry."""

_HOUR = 3_600
_ROOT_NOTICE = 30 * 86_400


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A verified table and what belongs to it. Nothing in it can be changed; a reload makes a new one.

    Attributes:
        table: the routing table.
        root: the current root.
        status: what the status role says; None where there is no such role.
        revocations: the table role's list of revoked tokens; None for none.
        state: what to remember of this.
        rollback: what keeps an old table out.
        revoked: `jti` of revoked tokens, or digests of chains of blocks, of both lists.
        halted: ids of rows where no call may go.
        begins: from when on all of it is valid, in seconds since the epoch: the latest of all beginnings.
        ends: from when on something of it is not: the earliest of all ends.
    """

    table: RoutingTable
    root: Root
    status: Status | None
    revocations: Revocations | None
    state: State
    rollback: Rollback
    revoked: frozenset[str] = field(init=False)
    halted: frozenset[str] = field(init=False)
    begins: float = field(init=False)
    ends: float = field(init=False)

    def __post_init__(self) -> None:
        """Put lists and times together, once."""
        lists = [one.revoked for one in (self.status, self.revocations) if one is not None]
        object.__setattr__(self, "revoked", frozenset().union(*lists))
        object.__setattr__(self, "halted", frozenset() if self.status is None else self.status.halted)
        dated: list[_Dated] = [self.root, self.table] if self.status is None else [self.root, self.table, self.status]
        grace = self.root.grace_hours * _HOUR
        begins = max(*(one.issued for one in dated), self.state.floor_time) - CLOCK_SKEW
        ends = min(one.not_after + (grace if one is self.table else 0) for one in dated)
        object.__setattr__(self, "begins", begins)
        object.__setattr__(self, "ends", ends)

    @property
    def issuers(self) -> Mapping[str, IssuerRecord]:
        """Who may mint capabilities, by name."""
        return self.root.issuers

    def check(self, now: float) -> None:
        """Check that all of it is valid now; called for every call, so that a process that runs for long notices. Well under a microsecond.

        Raises:
            TableExpired: root, table (and its grace) or status are past their time; or the clock stands before one of them was issued.
        """
        if self.begins <= now < self.ends:
            return
        check_root_time(self.root, now)
        table = self.table
        in_grace = table.not_after <= now < table.not_after + self.root.grace_hours * _HOUR
        if not in_grace:
            table.check_time(now)
        if self.status is not None:
            _check_status_time(self.status, now)
        check_floor(self.state.floor_time, now)

    def running(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """The rows of these where calls may go: those that the status does not halt.

        Raises:
            NoRoute: every one of them is halted.
        """
        if not self.halted:
            return targets
        left = tuple(target for target in targets if target.id not in self.halted)
        if not left:
            names = ", ".join(sorted({target.id for target in targets}))
            raise NoRoute(f"the signed status halts every row that this call could go to: {names}. Nothing was sent")
        return left

    def notes(self, now: float) -> tuple[str, ...]:
        """What a person should know about how long this stays valid, and about its guarantees; a sentence each, most urgent first."""
        table, root, status = self.table, self.root, self.status
        said: list[str] = []
        grace = root.grace_hours * _HOUR
        called = f"The routing table {table.name!r} version {table.version}"
        ends = show_time(table.not_after)
        if table.not_after <= now:
            until = f"is taken until {show_time(table.not_after + grace)}, because its root grants {root.grace_hours} hours of grace"
            said.append(f"{called} expired on {ends} and {until}: sign it again now.")
        elif _is_half_over(table, now) and not table.is_local:
            said.append(f"{called} is past half of its life and expires on {ends}: sign it again.")
        if status is not None and _is_half_over(status, now):
            said.append(f"The status version {status.version} is past half of its life and expires on {show_time(status.not_after)}.")
        if root.not_after - now <= _ROOT_NOTICE and not table.is_local:
            ends = show_time(root.not_after)
            said.append(f"The trust root {root.name!r} version {root.version} expires on {ends}: sign a new one (saferoute root rotate).")
        if status is not None and status.halted:
            said.append(f"The status halts {', '.join(sorted(status.halted))}: no call goes there.")
        if not table.is_local and self.rollback == "none":
            said.append(
                "Nothing here remembers which table was accepted before, so an old one is taken until it expires: give a folder that "
                "stays (state=...), or Trust.pinned(..., min_table_version=...)."
            )
        return tuple(said)


class _Dated(Protocol):
    @property
    def issued(self) -> int: ...

    @property
    def not_after(self) -> int: ...


def _is_half_over(statement: _Dated, now: float) -> bool:
    return 2 * (now - statement.issued) >= statement.not_after - statement.issued


def check_root_time(root: Root, now: float) -> None:
    """Check that a root is valid now.

    Raises:
        TableExpired: it is not, any more or yet.
    """
    if not now < root.not_after:
        when = show_time(root.not_after)
        raise TableExpired(f"the trust root {root.name!r} version {root.version} expired on {when}: make a new one and pin it")
    if not now >= root.issued - CLOCK_SKEW:
        raise TableExpired(
            f"the trust root {root.name!r} was issued on {show_time(root.issued)}, and the clock here says {show_time(now)}: set the clock"
        )


def _check_status_time(status: Status, now: float) -> None:
    if not now < status.not_after:
        raise TableExpired(
            f"the status version {status.version} of {status.name!r} expired on {show_time(status.not_after)}: get the current one "
            "(or sign one) and reload; a table that needs a status is not used without"
        )
    if not now >= status.issued - CLOCK_SKEW:
        issued = show_time(status.issued)
        raise TableExpired(
            f"the status version {status.version} was issued on {issued}, and the clock here says {show_time(now)}: set the clock"
        )
