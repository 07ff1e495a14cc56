"""Opening a signed table: what an application pins, and the one way from bytes to a RoutingTable.

Order matters and is: root digest, root signatures, root times; bundle shape; release signatures, name, root version, life; table size
and digest; only then is the table parsed and compiled; last its times and the least version. Nothing of an input is acted on before the
signature or digest over it has been checked, except that a root names its own keys, and those are pinned by digest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError, TableExpired, TableRollback, UntrustedTable
from saferoute.routing.release import MAX_LIFE, MAX_LIFE_LOCAL, Bundle, verify_release
from saferoute.routing.root import read_root
from saferoute.routing.table import CLOCK_SKEW, LOCAL_PREFIX, compile_table, show_time
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from saferoute.routing.root import Root
    from saferoute.routing.table import RoutingTable

__all__ = ["Trust", "verify_bundle"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a client believes about its routes. Make one with `Trust.pinned`.

    Attributes:
        path: the root file.
        sha256: the digest that the file must have.
        min_table_version: the oldest table version to accept.
    """

    path: str
    sha256: str
    min_table_version: int | None = None

    def __post_init__(self) -> None:
        """Check every Trust, however it was made: one without a digest would believe anybody."""
        if not isinstance(self.sha256, str) or not _DIGEST.fullmatch(self.sha256):
            raise ConfigurationError("Trust.pinned: sha256 must be the root file's SHA-256: 64 lower-case hexadecimal digits")
        if self.min_table_version is not None and (type(self.min_table_version) is not int or self.min_table_version < 1):
            raise ConfigurationError("Trust.pinned: min_table_version must be an integer of at least 1")

    @classmethod
    def pinned(cls, path: str | Path, *, sha256: str, min_table_version: int | None = None) -> Trust:
        """Trust exactly one root file.

        The digest belongs into the application's source or its deployment's artefact: never beside the table, and never into an
        environment variable alone, or whoever can change the table can change what it is checked against.

        Args:
            path: the root file, made by `saferoute init`.
            sha256: its SHA-256 in lower-case hex, as that command prints it.
            min_table_version: refuse older tables: for containers, which keep no state between runs.

        Raises:
            ConfigurationError: for a digest or version that is none.
        """
        return cls(str(path), sha256, min_table_version)


def verify_bundle(
    root: bytes, sha256: str, bundle: bytes, now: float, *, allow_local: bool, min_table_version: int | None = None
) -> RoutingTable:
    """Verify a bundle under a pinned root, and compile its table.

    Args:
        root: the root file's bytes.
        sha256: the pinned digest of those bytes, in lower-case hex.
        bundle: the bytes of `routes.json`.
        now: the wall clock, in seconds since the epoch.
        allow_local: whether a table that was made in memory is taken; production never says so.
        min_table_version: the oldest version to accept; None for any.

    Raises:
        UntrustedTable: not signed by whom the root says, changed, malformed, or a local table where none is allowed.
        TableExpired: root or table are past their time, or before it.
        TableRollback: older than `min_table_version`.
    """
    try:
        trusted = read_root(root, sha256)
    except Refused as refusal:
        raise UntrustedTable(f"the trust root is refused: {refusal}") from None
    is_local = trusted.name.startswith(LOCAL_PREFIX)
    if is_local and not allow_local:
        raise UntrustedTable(
            f"the trust root {trusted.name!r} was made in memory for one process and is not taken here: make one with `saferoute init`"
        )
    _check_root_time(trusted, now)
    try:
        opened = Bundle.read(bundle)
        release = verify_release(opened.release, trusted, max_life=MAX_LIFE_LOCAL if is_local else MAX_LIFE)
        table = compile_table(opened.body(release), release)
    except Refused as refusal:
        raise UntrustedTable(f"the routing table is refused: {refusal}") from None
    table.check_time(now)
    if min_table_version is not None and table.version < min_table_version:
        raise TableRollback(f"the routing table {table.name!r} is version {table.version}; at least {min_table_version} is required")
    return table


def _check_root_time(root: Root, now: float) -> None:
    if not now < root.not_after:
        when = show_time(root.not_after)
        raise TableExpired(f"the trust root {root.name!r} version {root.version} expired on {when}: make a new one and pin it")
    if not now >= root.issued - CLOCK_SKEW:
        raise TableExpired(
            f"the trust root {root.name!r} was issued on {show_time(root.issued)}, and the clock here says {show_time(now)}: set the clock"
        )
