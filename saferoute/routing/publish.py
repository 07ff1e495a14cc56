"""Making roots, releases, statuses and revocation lists: what `saferoute init`, `root` and `table` stand on, and `Client.local()` too.

Whatever is made here with enough signatures is verified by the code that clients use before it is handed out. Signers may be spread
over people and machines: make it with the first, or with none, then counter-sign here or with a key that never comes near (`offline`).
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.routing.offline import add_signature, read_document, to_sign, with_signatures
from saferoute.routing.publish_root import check_signers, cosign_root, new_root, next_root
from saferoute.routing.publish_status import sign_revocations, sign_status
from saferoute.routing.release import MAX_LIFE, Bundle, Release, check_life, check_made_for, parse_release, verify_release
from saferoute.routing.root import pin, read_root
from saferoute.routing.shapes import MAX_TABLE_BYTES
from saferoute.routing.table import compile_table
from saferoute.signing.envelope import PayloadType, sign
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.signing.keys import Signer

__all__ = [
    "add_signature", "bodies_of", "cosign_release", "cosign_root", "new_root", "next_root", "pin", "read_root", "release_of",
    "sign_release", "sign_revocations", "sign_status", "to_sign",
]  # fmt: skip


def sign_release(
    root: bytes, tables: Sequence[bytes], *, version: int, now: float, signers: Sequence[Signer], not_after: float | None = None
) -> bytes:
    """Sign tables into a release, and bundle them.

    Args:
        root: the current root file's bytes.
        tables: what `authoring.build` made: one body per schema, all saying the same. To go back to an old table, the bodies of the
            old bundle (`bodies_of`) under a higher version.
        version: higher than the last release's (`release_of(bundle).version + 1`).
        now: seconds since the epoch.
        signers: holders of table keys; with fewer than the threshold, or none, let others counter-sign with `cosign_release` or
            `add_signature`.
        not_after: when it stops being valid; None for 7 days, which is also the most unless the root has a status role (90 days).

    Returns:
        The content of `routes.json`.

    Raises:
        ConfigurationError: for tables, signers or times that clients would refuse.
    """
    try:
        trusted = read_root(root)
        bodies = _by_schema(tables)
        issued = int(now)
        release = Release(
            trusted.name,
            version,
            trusted.version,
            issued,
            issued + MAX_LIFE if not_after is None else int(not_after),
            tuple((schema, hashlib.sha256(body).hexdigest(), len(body)) for schema, body in bodies),
        )
        check_life(release, trusted)
        check_signers(signers, trusted.table.keys, "table")
        envelope = sign(PayloadType.RELEASE, release.to_payload(), signers)
        bundle = Bundle(envelope, tuple(body for _, body in bodies))
        compile_table(bundle.body(release), release)
        if len(signers) >= trusted.table.threshold:
            verify_release(envelope, trusted)
    except Refused as refusal:
        raise ConfigurationError(f"this cannot be signed: {refusal}") from None
    return bundle.to_bytes()


def cosign_release(bundle: bytes, root: bytes, signer: Signer) -> bytes:
    """Add a signature to a bundle's release, after checking that its table is the one that the release names.

    Raises:
        ConfigurationError: if either file is malformed or made for another root, or the signer is not in the table role.
    """
    try:
        trusted = read_root(root)
        document = read_document(bundle, PayloadType.RELEASE)
        opened = Bundle(document.envelope, document.tables or ())
        release = parse_release(opened.release.payload)
        check_made_for(release, trusted)
        compile_table(opened.body(release), release)
        check_signers([signer], trusted.table.keys, "table")
        envelope = sign(PayloadType.RELEASE, opened.release.payload, [signer], earlier=opened.release.signatures)
        return with_signatures(document, envelope)
    except Refused as refusal:
        raise ConfigurationError(f"the release cannot be signed: {refusal}") from None


def release_of(bundle: bytes) -> Release:
    """Read what a bundle says about itself, UNVERIFIED: for choosing the next version's number, and nothing else.

    Raises:
        ConfigurationError: if it is no bundle.
    """
    try:
        return parse_release(read_document(bundle, PayloadType.RELEASE).envelope.payload)
    except Refused as refusal:
        raise ConfigurationError(f"this is no bundle: {refusal}") from None


def bodies_of(bundle: bytes) -> tuple[bytes, ...]:
    """The tables that a bundle holds, UNVERIFIED: what `sign_release` takes to go back to an old table under a higher version.

    Raises:
        ConfigurationError: if it is no bundle.
    """
    try:
        return read_document(bundle, PayloadType.RELEASE).tables or ()
    except Refused as refusal:
        raise ConfigurationError(f"this is no bundle: {refusal}") from None


def _by_schema(tables: Sequence[bytes]) -> tuple[tuple[int, bytes], ...]:
    bodies: dict[int, bytes] = {}
    for body in tables:
        schema = parse(body, max_bytes=MAX_TABLE_BYTES).get("schema")
        if type(schema) is not int:
            raise Refused("a table has no schema number")
        if schema in bodies:
            raise Refused(f"two tables have the schema {schema}")
        bodies[schema] = body
    return tuple(sorted(bodies.items()))
