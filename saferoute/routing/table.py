"""The routing table, compiled once to frozen values.

Every row keeps a mark of what was verified. `recheck` compares before each request leaves, so that an accidental change in memory is
noticed; hostile code in the same process is out of scope, and nothing here pretends otherwise.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache, partial
from operator import attrgetter
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from saferoute.errors import NoRoute, TableExpired, UntrustedTable
from saferoute.routing.credentials import check_users, compile_credential, mark_of
from saferoute.routing.grants import compile_grant
from saferoute.routing.guard_profiles import compile_profiles, compile_templates
from saferoute.routing.policies import compile_policy
from saferoute.routing.price_lists import compile_price_list
from saferoute.routing.resolve import build_index, lookup, resolve
from saferoute.routing.rows import compile_deadlines, compile_row
from saferoute.routing.schema import check
from saferoute.routing.shapes import MAX_TABLE_BYTES, TABLE
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import parse
from saferoute.values.balancing import PLAIN_POLICY
from saferoute.values.target import Deadlines

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.routing.price_lists import PricedModels
    from saferoute.routing.release import Release
    from saferoute.routing.resolve import Index
    from saferoute.routing.rows import Row
    from saferoute.values.balancing import Policy
    from saferoute.values.credential import CredentialSpec
    from saferoute.values.guard_profile import GuardProfile
    from saferoute.values.permission import Permission
    from saferoute.values.signed_template import SignedTemplate
    from saferoute.values.target import Target

__all__ = ["LOCAL_PREFIX", "Alias", "RoutingTable", "compile_table", "show_time"]

LOCAL_PREFIX = "local/"
"""Names of tables that were made in memory; production refuses them."""

CLOCK_SKEW = 300
"""Seconds by which a signer's clock may be ahead of ours."""

_REMEMBERED = 256

# All of a Target but its model (filled in for "*"), what follows from the model, and its clocks (an alias has its own).
_FIXED = attrgetter(
    "id", "provider_name", "dialect", "origin", "path", "net", "secret", "auth", "headers", "data", "max_output", "default_max_output",
    "extra_params", "quirks", "region", "digest", "limits", "quota_group", "guards",
)  # fmt: skip


def show_time(seconds: float) -> str:
    """Write a time for people."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


@dataclass(frozen=True, slots=True)
class Alias:
    """A name for several rows.

    Attributes:
        name: what callers ask for.
        targets: as written: rows, provider/model, or other aliases.
        max_attempts: how many requests a call may send in all.
        deadlines: clocks instead of the rows' own; None for theirs. Those of aliases that it leads to do not count.
        policy: how it spreads calls, and which other rows may get them. Nor do those of aliases that it leads to.
    """

    name: str
    targets: tuple[str, ...]
    max_attempts: int
    deadlines: Deadlines | None
    policy: Policy = PLAIN_POLICY


@dataclass(frozen=True, slots=True, eq=False)
class RoutingTable:
    """A verified table. Nothing in it can be changed; a new table is a new object.

    Attributes:
        name: whose table it is.
        version: counts up with each release.
        root_version: the version of the root that it was verified under.
        issued: when it was signed, in seconds since the epoch.
        not_after: when it stops being valid.
        digest: SHA-256 of the table's bytes, in hex.
        routes: the rows by id.
        aliases: the aliases by name.
        credentials: short-lived credentials by name: a row whose secret has such a name is given what is made under it.
        guard_profiles: what rows ask of guards, by the profile's name; a row has its own as `Target.guards`.
        templates: prompt templates by name.
        ledger: what a client does when a call cannot be recorded: "stop" or "warn"; None for not said.
        grant: what callers without a capability may do; None for nothing, in production.
        index: what names stand for.
        named: looks up a name that the index does not hold as it is; remembers the last 256 answers.
    """

    name: str
    version: int
    root_version: int
    issued: int
    not_after: int
    digest: str
    routes: Mapping[str, Target]
    aliases: Mapping[str, Alias]
    credentials: Mapping[str, CredentialSpec]
    guard_profiles: Mapping[str, GuardProfile]
    templates: Mapping[str, SignedTemplate]
    ledger: Literal["stop", "warn"] | None
    grant: Permission | None
    index: Index = field(repr=False)
    named: Callable[[str], tuple[Target, ...]] = field(repr=False)
    _rows: Mapping[str, Row] = field(repr=False)
    _marks: Mapping[str, int] = field(repr=False)

    @property
    def is_local(self) -> bool:
        """Whether it was made in memory, for this process only."""
        return self.name.startswith(LOCAL_PREFIX)

    def listed(self, route: str) -> PricedModels:
        """What models cost at a row, of the list of prices that it names; a row that names none has an empty one."""
        return self._rows[route].listed

    def policy(self, route: str) -> Policy:
        """What the table says about a name beyond its rows: an alias's policy, and the plain one for every other name."""
        alias = self.aliases.get(route)
        return PLAIN_POLICY if alias is None else alias.policy

    def check_time(self, now: float) -> None:
        """Check that the table is valid now; called for every call, so that a process that runs for long notices.

        Raises:
            TableExpired: past `not_after`, or before it was issued.
        """
        if not now < self.not_after:  # so that a clock that gives no number is refused too
            fix = "make a new Client.local()" if self.is_local else "sign it again (saferoute table sign) and reload or restart"
            raise TableExpired(f"the routing table {self.name!r} version {self.version} expired on {show_time(self.not_after)}: {fix}")
        if not now >= self.issued - CLOCK_SKEW:
            raise TableExpired(
                f"the routing table {self.name!r} version {self.version} was issued on {show_time(self.issued)}, and the clock here says "
                f"{show_time(now)}: set the clock, or sign the table on a machine whose clock is right"
            )

    def recheck(self, target: Target) -> None:
        """Check that a row is still what was verified; called before every request.

        Args:
            target: as `resolve` gave it; its clocks may have been replaced by an alias's.

        Raises:
            UntrustedTable: if the row, or the table's own copy of it, is not what was signed.
        """
        row = self._rows.get(target.id)
        if (
            row is None
            or hash(row.target) != row.mark
            or row.target.model not in (target.model, "*")
            or (target is not row.target and _FIXED(target) != _FIXED(row.target))
            or (target is not row.target and not row.prices_are(target))
        ):
            raise UntrustedTable(
                f"the route {target.id!r} in memory is not what was signed: something in this process changed it. Nothing was sent; "
                "restart the process and look for code that writes to saferoute's objects"
            )
        if target.secret in self.credentials:
            self._recheck_credential(str(target.secret))

    def _recheck_credential(self, name: str) -> None:
        spec = self.credentials[name]
        if mark_of(spec) != self._marks.get(name):
            raise UntrustedTable(
                f"the credential {name!r} in memory is not what was signed: something in this process changed it. Nothing was sent; "
                "restart the process and look for code that writes to saferoute's objects"
            )


def compile_table(body: bytes, release: Release) -> RoutingTable:
    """Compile a table's bytes, whose digest the release names.

    Args:
        body: the exact bytes.
        release: the verified release, or what a table that is being written is compiled under.

    Raises:
        Refused: with the path of the first thing that is wrong.
    """
    payload = parse(body, max_bytes=MAX_TABLE_BYTES)
    check(payload, TABLE, "table")
    raw_templates: dict[str, dict[str, object]] = payload.get("templates", {})  # type: ignore[assignment]  # the shape says so
    templates = compile_templates(raw_templates, "table.templates")
    raw_profiles: dict[str, dict[str, object]] = payload.get("guards", {})  # type: ignore[assignment]  # the shape says so
    profiles = compile_profiles(raw_profiles, templates, "table.guards")
    raw_lists: dict[str, dict[str, object]] = payload.get("price_lists", {})  # type: ignore[assignment]  # the shape says so
    lists = {name: compile_price_list(raw, f"table.price_lists.{name}") for name, raw in raw_lists.items()}
    rows: dict[str, Row] = {}
    raw_rows: list[dict[str, object]] = payload["routes"]  # type: ignore[assignment]  # the shape says so
    for position, raw in enumerate(raw_rows):
        row = compile_row(raw, f"table.routes[{position}]", profiles, lists)
        if row.target.id in rows:
            raise Refused(f"table.routes[{position}].id: {row.target.id!r} stands twice")
        rows[row.target.id] = row
    raw_specs: dict[str, dict[str, object]] = payload.get("credentials", {})  # type: ignore[assignment]  # the shape says so
    specs = {name: compile_credential(name, raw, f"table.credentials.{name}") for name, raw in raw_specs.items()}
    check_users(specs, [row.target for row in rows.values()])
    raw_aliases: dict[str, dict[str, object]] = payload["aliases"]  # type: ignore[assignment]  # the shape says so
    index = build_index(rows, raw_aliases)
    raw_grant: dict[str, object] | None = payload.get("grant")  # type: ignore[assignment]  # the shape says so
    table = RoutingTable(
        name=release.name,
        version=release.version,
        root_version=release.root_version,
        issued=release.issued,
        not_after=release.not_after,
        digest=hashlib.sha256(body).hexdigest(),
        routes=MappingProxyType({name: row.target for name, row in rows.items()}),
        aliases=MappingProxyType({name: _alias(name, raw, index) for name, raw in raw_aliases.items()}),
        credentials=MappingProxyType(specs),
        guard_profiles=MappingProxyType(profiles),
        templates=MappingProxyType(templates),
        ledger=payload.get("ledger"),  # type: ignore[arg-type]  # the shape says so
        grant=compile_grant(raw_grant, release.name) if raw_grant is not None else None,
        index=index,
        named=lru_cache(maxsize=_REMEMBERED)(partial(lookup, index)),
        _rows=MappingProxyType(rows),
        _marks=MappingProxyType({name: mark_of(spec) for name, spec in specs.items()}),
    )
    _check_grant(table)
    return table


def _alias(name: str, raw: Mapping[str, object], index: Index) -> Alias:
    clocks: Mapping[str, int] = raw.get("deadlines", {})  # type: ignore[assignment]  # the shape says so
    return Alias(
        name,
        tuple(raw["targets"]),  # type: ignore[arg-type]  # the shape says so
        raw["max_attempts"],  # type: ignore[arg-type]  # the shape says so
        compile_deadlines(clocks, Deadlines()) if clocks else None,
        compile_policy(name, raw, index),
    )


def _check_grant(table: RoutingTable) -> None:
    """A name in the grant that the table does not have is a typing error or a left-over, and would allow something later."""
    for name in sorted(table.grant.routes or ()) if table.grant else ():
        if name in table.routes:  # also a row that takes any model: its id allows every model there
            continue
        try:
            resolve(table, name)
        except NoRoute as error:
            raise Refused(f"table.grant.routes: {error}") from None
