"""Making roots and releases: what `saferoute init`, `root` and `table sign` stand on, and `Client.local()` too.

Whatever is made here with enough signatures is verified by the code that clients use before it is handed out. Signers may be spread
over people and machines: make it with the first, then counter-sign.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.routing.release import MAX_LIFE, MAX_LIFE_LOCAL, Bundle, Release, check_made_for, parse_release, verify_release
from saferoute.routing.root import parse_root, pin, read_root
from saferoute.routing.shapes import MAX_TABLE_BYTES, SCHEMA
from saferoute.routing.table import LOCAL_PREFIX, compile_table
from saferoute.signing.envelope import Envelope, PayloadType, encode_base64, sign
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.root import Role
    from saferoute.signing.keys import PublicKey, Signer
    from saferoute.signing.strict_json import StrictJson

__all__ = ["cosign_release", "cosign_root", "new_root", "pin", "read_root", "release_of", "sign_release"]


def new_root(
    name: str,
    *,
    root_signers: Sequence[Signer],
    table_keys: Sequence[PublicKey],
    now: float,
    not_after: float,
    version: int = 1,
    root_threshold: int = 1,
    table_threshold: int = 1,
    root_keys: Sequence[PublicKey] | None = None,
) -> bytes:
    """Make a trust root.

    Args:
        name: whose tables it speaks for.
        root_signers: who signs it now.
        table_keys: who may sign tables; none of them may be a root key.
        now: seconds since the epoch.
        not_after: when it stops being valid, in seconds since the epoch.
        version: counts up with each change of keys.
        root_threshold: how many root keys must sign.
        table_threshold: how many table keys must sign a release.
        root_keys: the keys of the root role; None for those of `root_signers`. With a threshold, list the others too and let them
            counter-sign with `cosign_root`.

    Returns:
        The root file's content. Pin its digest (`pin`) once everybody has signed: every signature changes it.

    Raises:
        ConfigurationError: for a name, keys or thresholds that make no root.
    """
    members = [signer.public_key for signer in root_signers] if root_keys is None else list(root_keys)
    keys: dict[str, StrictJson] = {
        key.key_id: {"algorithm": "ed25519", "public": encode_base64(key.raw)} for key in (*members, *table_keys)
    }
    payload: dict[str, StrictJson] = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "issued": int(now),
        "not_after": int(not_after),
        "keys": keys,
        "roles": {"root": _role(members, root_threshold), "table": _role(table_keys, table_threshold)},
    }
    try:
        data = canonical(payload)
        root = parse_root(data)
        _check_signers(root_signers, root.root, "root")
        envelope = sign(PayloadType.ROOT, data, root_signers).to_bytes()
        if len(root_signers) >= root.root.threshold:
            read_root(envelope)
    except Refused as refusal:
        raise ConfigurationError(f"this makes no trust root: {refusal}") from None
    return envelope


def cosign_root(root: bytes, signer: Signer) -> bytes:
    """Add a signature to a root file. Its digest changes: pin it after the last one.

    Raises:
        ConfigurationError: if it is no root, or the signer is not in its root role.
    """
    try:
        envelope = Envelope.read(root)
        _check_signers([signer], parse_root(envelope.payload).root, "root")
        return sign(PayloadType.ROOT, envelope.payload, [signer], earlier=envelope.signatures).to_bytes()
    except Refused as refusal:
        raise ConfigurationError(f"the root cannot be signed: {refusal}") from None


def sign_release(
    root: bytes, tables: Sequence[bytes], *, version: int, now: float, signers: Sequence[Signer], not_after: float | None = None
) -> bytes:
    """Sign tables into a release, and bundle them.

    Args:
        root: the root file's bytes.
        tables: what `authoring.build` made: one body per schema, all saying the same.
        version: higher than the last release's (`release_of(bundle).version + 1`).
        now: seconds since the epoch.
        signers: holders of table keys; with fewer than the threshold, let the others counter-sign with `cosign_release`.
        not_after: when it stops being valid; None for 7 days, which is also the most.

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
        _check_signers(signers, trusted.table, "table")
        envelope = sign(PayloadType.RELEASE, release.to_payload(), signers)
        bundle = Bundle(envelope, tuple(body for _, body in bodies))
        compile_table(bundle.body(release), release)
        if len(signers) >= trusted.table.threshold:
            verify_release(envelope, trusted, max_life=MAX_LIFE_LOCAL if trusted.name.startswith(LOCAL_PREFIX) else MAX_LIFE)
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
        opened = Bundle.read(bundle)
        release = parse_release(opened.release.payload)
        check_made_for(release, trusted)
        compile_table(opened.body(release), release)
        _check_signers([signer], trusted.table, "table")
        envelope = sign(PayloadType.RELEASE, opened.release.payload, [signer], earlier=opened.release.signatures)
        return Bundle(envelope, opened.bodies).to_bytes()
    except Refused as refusal:
        raise ConfigurationError(f"the release cannot be signed: {refusal}") from None


def release_of(bundle: bytes) -> Release:
    """Read what a bundle says about itself, UNVERIFIED: for choosing the next version's number, and nothing else.

    Raises:
        ConfigurationError: if it is no bundle.
    """
    try:
        return parse_release(Bundle.read(bundle).release.payload)
    except Refused as refusal:
        raise ConfigurationError(f"this is no bundle: {refusal}") from None


def _role(keys: Sequence[PublicKey], threshold: int) -> dict[str, StrictJson]:
    members: list[StrictJson] = [key.key_id for key in keys]
    return {"keyids": members, "threshold": threshold}


def _check_signers(signers: Sequence[Signer], role: Role, name: str) -> None:
    for signer in signers:
        if signer.public_key not in role.keys:
            raise Refused(f"the key {signer.public_key.key_id[:12]} is not in the {name} role")


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
