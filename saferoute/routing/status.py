"""What is said about a release after it was signed: the status, and revocations.

The status role's key is weak by design: it is online. So a status can only take away. It names the one release that is current, the
tokens that are revoked and the rows where no call may go any more; stolen, its key can stall or halt, and never add or redirect.
Without a status role, the table role signs a list of revocations, which says nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.routing.release import DAY, check_made_for
from saferoute.routing.schema import check
from saferoute.routing.shapes import MAX_STATUS_BYTES, REVOCATIONS, STATUS
from saferoute.signing.envelope import Envelope, PayloadType, verify
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import parse

if TYPE_CHECKING:
    from saferoute.routing.release import Release
    from saferoute.routing.root import Root
    from saferoute.routing.table import RoutingTable

__all__ = [
    "MAX_STATUS_LIFE",
    "Revocations",
    "Status",
    "check_halted",
    "parse_revocations",
    "parse_status",
    "verify_revocations",
    "verify_status",
]

MAX_STATUS_LIFE = 7 * DAY
"""How long a status may live; a day is what `saferoute` signs."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the status role signed.

    Attributes:
        name: whose table it is about; the root's name.
        root_version: the root that it was signed under.
        version: counts up.
        issued: seconds since the epoch.
        not_after: seconds since the epoch.
        release_version: version of the release that is current.
        release_digest: SHA-256 of that release's payload, in hex.
        revoked: `jti` of tokens, or digests of chains of blocks, in hex.
        halted: ids of rows where no call may go.
        digest: SHA-256 of the signed bytes, in hex.
    """

    name: str
    root_version: int
    version: int
    issued: int
    not_after: int
    release_version: int
    release_digest: str
    revoked: frozenset[str]
    halted: frozenset[str]
    digest: str


@dataclass(frozen=True, slots=True)
class Revocations:
    """What the table role signed where there is no status role; the attributes are those of `Status`."""

    name: str
    root_version: int
    version: int
    issued: int
    revoked: frozenset[str]
    digest: str


def verify_status(data: bytes, root: Root, release: Release) -> Status:
    """Check a status's signatures, and that it is about this release; `now` is the caller's to check.

    Raises:
        Refused: with the reason.
    """
    if root.status is None:
        raise Refused("the trust root has no status role, so nobody can sign a status: leave it out")
    envelope = Envelope.read(data)
    verify(envelope, PayloadType.STATUS, root.status.keys, root.status.threshold)
    status = parse_status(envelope.payload)
    check_made_for(status, root)
    if (status.release_version, status.release_digest) != (release.version, release.digest):
        raise Refused(
            f"it is about release version {status.release_version} ({status.release_digest[:12]}), and the table is of version "
            f"{release.version} ({release.digest[:12]}): get the table that is current, or sign a status for this one"
        )
    return status


def check_halted(status: Status, table: RoutingTable) -> None:
    """Check that the table has every row that is halted: a typing error would leave open what somebody meant to close.

    Raises:
        Refused: it has not.
    """
    unknown = sorted(status.halted - table.routes.keys())
    if unknown:
        raise Refused(f"it halts {unknown[0]!r}, and the table has no such row")


def verify_revocations(data: bytes, root: Root) -> Revocations:
    """Check a revocation list's signatures.

    Raises:
        Refused: with the reason.
    """
    envelope = Envelope.read(data)
    verify(envelope, PayloadType.REVOCATIONS, root.table.keys, root.table.threshold)
    listed = parse_revocations(envelope.payload)
    check_made_for(listed, root)
    return listed


def parse_status(payload: bytes) -> Status:
    """Read a status's payload; whether it is signed is not looked at.

    Raises:
        Refused: with the reason.
    """
    fields: dict[str, Any] = parse(payload, max_bytes=MAX_STATUS_BYTES)
    check(fields, STATUS, "status")
    life = fields["not_after"] - fields["issued"]
    if life <= 0:
        raise Refused("status.not_after is not after status.issued")
    if life > MAX_STATUS_LIFE:
        raise Refused(f"status.not_after: it would live {life} seconds; at most {MAX_STATUS_LIFE} (7 days) are allowed")
    return Status(
        name=fields["name"],
        root_version=fields["root_version"],
        version=fields["version"],
        issued=fields["issued"],
        not_after=fields["not_after"],
        release_version=fields["release"]["version"],
        release_digest=fields["release"]["digest"],
        revoked=frozenset(fields["revoked"]),
        halted=frozenset(fields["halted"]),
        digest=hashlib.sha256(payload).hexdigest(),
    )


def parse_revocations(payload: bytes) -> Revocations:
    """Read a revocation list's payload; whether it is signed is not looked at.

    Raises:
        Refused: with the reason.
    """
    fields: dict[str, Any] = parse(payload, max_bytes=MAX_STATUS_BYTES)
    check(fields, REVOCATIONS, "revocations")
    return Revocations(
        fields["name"],
        fields["root_version"],
        fields["version"],
        fields["issued"],
        frozenset(fields["revoked"]),
        hashlib.sha256(payload).hexdigest(),
    )
