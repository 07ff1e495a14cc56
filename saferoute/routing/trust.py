"""Opening a signed table: what an application pins, and the one way from bytes to what a client works with.

Order matters and is: root digest, root signatures, the chain of roots, the last root's times; bundle shape; release signatures, name,
root version, life; table size and digest; only then is the table parsed and compiled; status and revocations; all times; the least
version; what was accepted before. Nothing of an input is acted on before the signature or digest over it has been checked, except that
a root names its own keys, and those are pinned by digest. The message of a refusal may also quote the root version that a release names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError, TableExpired, TableRollback, UntrustedTable
from saferoute.routing.chain import follow
from saferoute.routing.opened import Opened, Rollback, check_root_time
from saferoute.routing.release import Bundle, verify_release
from saferoute.routing.rollback import Seen, State, advance
from saferoute.routing.root import read_root
from saferoute.routing.status import check_halted, verify_revocations, verify_status
from saferoute.routing.table import CLOCK_SKEW, LOCAL_PREFIX, compile_table, show_time
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from pathlib import Path

    from saferoute.routing.release import Release
    from saferoute.routing.root import Root
    from saferoute.routing.status import Revocations, Status
    from saferoute.routing.table import RoutingTable

__all__ = ["Opened", "Trust", "TrustFiles", "verify_bundle", "verify_root", "verify_trust"]

_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a client believes about its routes. Make one with `Trust.pinned`.

    Attributes:
        path: the root file.
        sha256: the digest that the file must have.
        min_table_version: the oldest table version to accept.
        updates: the folder of the roots that follow the pinned one; None if none do.
        status: the status file; None if the root has no status role.
        revocations: the file of revoked tokens; None for none.
    """

    path: str
    sha256: str
    min_table_version: int | None = None
    updates: str | None = None
    status: str | None = None
    revocations: str | None = None

    def __post_init__(self) -> None:
        """Check every Trust, however it was made: one without a digest would believe anybody."""
        if not isinstance(self.sha256, str) or not _DIGEST.fullmatch(self.sha256):
            raise ConfigurationError("Trust.pinned: sha256 must be the root file's SHA-256: 64 lower-case hexadecimal digits")
        if self.min_table_version is not None and (type(self.min_table_version) is not int or self.min_table_version < 1):
            raise ConfigurationError("Trust.pinned: min_table_version must be an integer of at least 1")

    @classmethod
    def pinned(
        cls,
        path: str | Path,
        *,
        sha256: str,
        updates: str | Path | None = None,
        status: str | Path | None = None,
        revocations: str | Path | None = None,
        min_table_version: int | None = None,
    ) -> Trust:
        """Trust exactly one root file, and the roots that its keys name as its successors.

        The digest belongs into the application's source or its deployment's artefact: never beside the table, and never into an
        environment variable alone, or whoever can change the table can change what it is checked against.

        Args:
            path: the root file, made by `saferoute init`. It never changes; a new root goes into `updates`.
            sha256: its SHA-256 in lower-case hex, as that command prints it.
            updates: a folder that holds the root of version N as `N.json`. These files are untrusted: each must be signed by the keys
                of the root before it and by its own. At most 64; the folder may be missing.
            status: the status file, which a root with a status role needs.
            revocations: the table role's list of revoked tokens, for roots without a status role.
            min_table_version: refuse older tables: for containers, which keep no state between runs.

        Raises:
            ConfigurationError: for a digest or version that is none.
        """
        return cls(str(path), sha256, min_table_version, *(None if one is None else str(one) for one in (updates, status, revocations)))


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """The bytes of everything that is verified together; nothing about them is believed.

    Attributes:
        root: the pinned root file's.
        bundle: those of `routes.json`.
        updates: the roots that follow, in order.
        status: the status file's; None for none.
        revocations: the revocation list's; None for none.
    """

    root: bytes
    bundle: bytes
    updates: tuple[bytes, ...] = ()
    status: bytes | None = None
    revocations: bytes | None = None


def verify_trust(
    files: TrustFiles,
    sha256: str,
    now: float,
    *,
    allow_local: bool = False,
    min_table_version: int | None = None,
    earlier: State | None = None,
    remembered: bool = False,
    status_required: bool = True,
) -> Opened:
    """Verify everything, and compile the table.

    Args:
        files: as read.
        sha256: the pinned digest of the root's bytes, in lower-case hex.
        now: the wall clock, in seconds since the epoch.
        allow_local: whether a table that was made in memory is taken; production never says so.
        min_table_version: the oldest version to accept; None for any.
        earlier: what was accepted before; None for nothing.
        remembered: whether the caller will keep `Opened.state` for the next time.
        status_required: False only for tools that show or sign a table whose status does not exist yet.

    Raises:
        UntrustedTable: not signed by whom the root says, changed, malformed, without the status that it needs, or a local table where
            none is allowed.
        TableExpired: root, table or status are past their time, or before it.
        TableRollback: older than `min_table_version` or than what was accepted before, or another thing under the same version.
    """
    root = verify_root(files.root, sha256, files.updates, now, allow_local=allow_local)
    try:
        bundle = Bundle.read(files.bundle)
        release = verify_release(bundle.release, root)
        table = compile_table(bundle.body(release), release)
    except Refused as refusal:
        raise UntrustedTable(f"the routing table is refused: {refusal}") from None
    status = _status(files, root, release, table, required=status_required)
    revocations = _revocations(files, root, now)
    state = advance(earlier, _found(root, release, status, revocations))
    rollback: Rollback = "state" if remembered else "min_table_version" if min_table_version is not None else "none"
    opened = Opened(table, root, status, revocations, state, rollback)
    opened.check(now)
    if min_table_version is not None and table.version < min_table_version:
        raise TableRollback(f"the routing table {table.name!r} is version {table.version}; at least {min_table_version} is required")
    return opened


def verify_root(data: bytes, sha256: str, updates: tuple[bytes, ...], now: float, *, allow_local: bool = False) -> Root:
    """Go from the pinned root to the current one, and check that it is valid now.

    Raises:
        UntrustedTable: it is another root, a step of the chain is not signed by both sides, or it is a local root where none is allowed.
        TableExpired: the current root is past its time, or before it.
    """
    try:
        root = follow(read_root(data, sha256), updates)
    except Refused as refusal:
        raise UntrustedTable(f"the trust root is refused: {refusal}") from None
    if root.name.startswith(LOCAL_PREFIX) and not allow_local:
        raise UntrustedTable(
            f"the trust root {root.name!r} was made in memory for one process and is not taken here: make one with `saferoute init`"
        )
    check_root_time(root, now)
    return root


def verify_bundle(
    root: bytes,
    sha256: str,
    bundle: bytes,
    now: float,
    *,
    allow_local: bool,
    min_table_version: int | None = None,
    status: bytes | None = None,
    status_required: bool = True,
) -> RoutingTable:
    """Verify a bundle under a pinned root that nothing follows, and compile its table; see `verify_trust`."""
    files = TrustFiles(root, bundle, status=status)
    opened = verify_trust(files, sha256, now, allow_local=allow_local, min_table_version=min_table_version, status_required=status_required)
    return opened.table


def _status(files: TrustFiles, root: Root, release: Release, table: RoutingTable, *, required: bool) -> Status | None:
    if files.status is None:
        if root.status is not None and required:
            raise UntrustedTable(
                "the trust root has a status role, so a signed status has to say that this table is current, and none is given: "
                'Trust.pinned(..., status="status.json")'
            )
        return None
    try:
        status = verify_status(files.status, root, release)
        check_halted(status, table)
    except Refused as refusal:
        raise UntrustedTable(f"the status is refused: {refusal}") from None
    return status


def _revocations(files: TrustFiles, root: Root, now: float) -> Revocations | None:
    if files.revocations is None:
        return None
    try:
        listed = verify_revocations(files.revocations, root)
    except Refused as refusal:
        raise UntrustedTable(f"the revocation list is refused: {refusal}") from None
    if not now >= listed.issued - CLOCK_SKEW:
        raise TableExpired(
            f"the revocation list version {listed.version} was issued on {show_time(listed.issued)}, and the clock here says "
            f"{show_time(now)}: set the clock"
        )
    return listed


def _found(root: Root, release: Release, status: Status | None, revocations: Revocations | None) -> State:
    dated = [one.issued for one in (release, status, revocations) if one is not None]
    return State(
        Seen(root.version, root.digest),
        Seen(release.version, release.digest),
        max(dated),
        None if status is None else Seen(status.version, status.digest),
        None if revocations is None else Seen(revocations.version, revocations.digest),
    )
