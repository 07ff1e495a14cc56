"""Making statuses and revocation lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.routing.publish_root import check_signers
from saferoute.routing.release import DAY, Bundle, verify_release
from saferoute.routing.root import read_root
from saferoute.routing.shapes import SCHEMA
from saferoute.routing.status import check_halted, parse_revocations, parse_status, verify_revocations, verify_status
from saferoute.routing.table import compile_table
from saferoute.signing.envelope import PayloadType, sign
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.routing.root import Role, Root
    from saferoute.signing.keys import Signer
    from saferoute.signing.strict_json import StrictJson

__all__ = ["sign_revocations", "sign_status"]


def sign_status(
    root: bytes,
    bundle: bytes,
    *,
    version: int,
    now: float,
    signers: Sequence[Signer],
    revoked: Iterable[str] = (),
    halted: Iterable[str] = (),
    not_after: float | None = None,
) -> bytes:
    """Say that a release is current, which tokens are revoked, and where no call may go.

    Args:
        root: the current root file's bytes; it must have a status role.
        bundle: the bundle of the release, completely signed.
        version: higher than the last status's, which it replaces: give all that is revoked and halted, not only what is new.
        now: seconds since the epoch.
        signers: holders of status keys; none, to sign it elsewhere (`to_sign`, `add_signature`).
        revoked: `jti` of tokens, or digests of chains of blocks, in hex.
        halted: ids of rows.
        not_after: when it stops being valid; None for a day, and 7 days at most.

    Raises:
        ConfigurationError: for anything that clients would refuse, a halted row that the table does not have among it.
    """
    try:
        trusted = read_root(root)
        role = _status_role(trusted)
        read = Bundle.read(bundle)
        release = verify_release(read.release, trusted)
        payload: dict[str, StrictJson] = {
            "schema": SCHEMA,
            "name": trusted.name,
            "root_version": trusted.version,
            "version": version,
            "issued": int(now),
            "not_after": int(now) + DAY if not_after is None else int(not_after),
            "release": {"version": release.version, "digest": release.digest},
            "revoked": _sorted(revoked),
            "halted": _sorted(halted),
        }
        data = canonical(payload)
        check_halted(parse_status(data), compile_table(read.body(release), release))
        check_signers(signers, role.keys, "status")
        envelope = sign(PayloadType.STATUS, data, signers).to_bytes()
        if len(signers) >= role.threshold:
            verify_status(envelope, trusted, release)
    except Refused as refusal:
        raise ConfigurationError(f"this status cannot be signed: {refusal}") from None
    return envelope


def _status_role(root: Root) -> Role:
    if root.status is None:
        raise Refused("the trust root has no status role: make the next root with status_keys, or sign a revocation list")
    return root.status


def sign_revocations(root: bytes, *, version: int, revoked: Iterable[str], now: float, signers: Sequence[Signer]) -> bytes:
    """List revoked tokens, for a root without a status role.

    Args:
        root: the current root file's bytes.
        version: higher than the last list's.
        revoked: `jti` of tokens, or digests of chains of blocks, in hex. A list replaces the one before it: give all of them.
        now: seconds since the epoch.
        signers: holders of table keys; none, to sign it elsewhere (`to_sign`, `add_signature`).

    Returns:
        The revocation file's content.

    Raises:
        ConfigurationError: for anything that clients would refuse.
    """
    try:
        trusted = read_root(root)
        payload: dict[str, StrictJson] = {
            "schema": SCHEMA,
            "name": trusted.name,
            "root_version": trusted.version,
            "version": version,
            "issued": int(now),
            "revoked": _sorted(revoked),
        }
        data = canonical(payload)
        parse_revocations(data)
        check_signers(signers, trusted.table.keys, "table")
        envelope = sign(PayloadType.REVOCATIONS, data, signers).to_bytes()
        if len(signers) >= trusted.table.threshold:
            verify_revocations(envelope, trusted)
    except Refused as refusal:
        raise ConfigurationError(f"this revocation list cannot be signed: {refusal}") from None
    return envelope


def _sorted(entries: Iterable[str]) -> list[StrictJson]:
    return [*sorted(set(entries))]
