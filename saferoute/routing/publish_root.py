"""Making trust roots: the first one, and each that follows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import ConfigurationError
from saferoute.routing.chain import follow
from saferoute.routing.offline import read_document
from saferoute.routing.root import parse_root, read_root
from saferoute.routing.shapes import SCHEMA
from saferoute.signing.envelope import Envelope, PayloadType, encode_base64, sign
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from saferoute.routing.issuers import Issuer
    from saferoute.signing.keys import PublicKey, Signer
    from saferoute.signing.strict_json import StrictJson

__all__ = ["check_signers", "cosign_root", "new_root", "next_root"]


def new_root(  # noqa: PLR0913  one argument for each thing that a root says
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
    issuers: Sequence[Issuer] = (),
    status_keys: Sequence[PublicKey] = (),
    status_threshold: int = 1,
    log_keys: Sequence[PublicKey] = (),
    log_threshold: int = 1,
    grace_hours: int = 0,
) -> bytes:
    """Make a trust root.

    Args:
        name: whose tables it speaks for.
        root_signers: who signs it now; nobody, if `root_keys` is given and all of them sign elsewhere.
        table_keys: who may sign tables; no key may have two roles.
        now: seconds since the epoch.
        not_after: when it stops being valid, in seconds since the epoch; ten years at most.
        version: counts up with each change of keys.
        root_threshold: how many root keys must sign.
        table_threshold: how many table keys must sign a release.
        root_keys: the keys of the root role; None for those of `root_signers`. With a threshold, list the others too and let them
            counter-sign with `cosign_root`.
        issuers: who may mint capabilities.
        status_keys: who signs statuses; none for no status role. With one, releases may live up to 90 days, and clients need a status.
        status_threshold: how many status keys must sign.
        log_keys: who certifies log keys; none for no log role.
        log_threshold: how many log keys must sign.
        grace_hours: how long after its end a table is still taken, with a warning; 72 at most.

    Returns:
        The root file's content. Pin its digest (`pin`) once everybody has signed: every signature changes it.

    Raises:
        ConfigurationError: for a name, keys or thresholds that make no root.
    """
    members = [signer.public_key for signer in root_signers] if root_keys is None else list(root_keys)
    roles: dict[str, tuple[Sequence[PublicKey], int]] = {"root": (members, root_threshold), "table": (table_keys, table_threshold)}
    if status_keys:
        roles["status"] = (status_keys, status_threshold)
    if log_keys:
        roles["log"] = (log_keys, log_threshold)
    payload: dict[str, StrictJson] = {
        "schema": SCHEMA,
        "name": name,
        "version": version,
        "issued": int(now),
        "not_after": int(not_after),
        "keys": _key_rows(key for keys in (*(keys for keys, _ in roles.values()), *(issuer.keys for issuer in issuers)) for key in keys),
        "roles": {role: _role(keys, threshold) for role, (keys, threshold) in roles.items()},
    }
    if grace_hours:
        payload["grace_hours"] = grace_hours
    try:
        if issuers:
            payload["issuers"] = _issuer_rows(issuers)
        data = canonical(payload)
        root = parse_root(data)
        check_signers(root_signers, root.root.keys, "root")
        envelope = sign(PayloadType.ROOT, data, root_signers).to_bytes()
        if len(root_signers) >= root.root.threshold:
            read_root(envelope)
    except Refused as refusal:
        raise ConfigurationError(f"this makes no trust root: {refusal}") from None
    return envelope


def next_root(
    previous: bytes,
    *,
    signers: Sequence[Signer],
    now: float,
    not_after: float,
    root_keys: Sequence[PublicKey] | None = None,
    root_threshold: int | None = None,
    table_keys: Sequence[PublicKey] | None = None,
    table_threshold: int | None = None,
    status_keys: Sequence[PublicKey] | None = None,
    status_threshold: int | None = None,
    log_keys: Sequence[PublicKey] | None = None,
    log_threshold: int | None = None,
    issuers: Sequence[Issuer] | None = None,
    grace_hours: int | None = None,
) -> bytes:
    """Make the root that follows another: its version is one higher, and what is not given stays as it is.

    It counts when enough root keys of both the previous and the new root have signed. Put it into the folder of updates as
    `<version>.json`; the pinned root stays. Releases have to be signed again under the new root, with a higher version.

    Args:
        previous: the current root file's bytes.
        signers: who signs it now: holders of root keys of either root. With too few, let others counter-sign with `cosign_root`.
        now: seconds since the epoch.
        not_after: when it stops being valid.
        root_keys: the new root keys, all of them.
        root_threshold: how many of them must sign.
        table_keys: who may sign releases.
        table_threshold: how many of them must sign.
        status_keys: who signs statuses; () takes the role away.
        status_threshold: how many of them must sign.
        log_keys: who certifies log keys; () takes the role away.
        log_threshold: how many of them must sign.
        issuers: who may mint capabilities, all of them; () for nobody.
        grace_hours: how long after its end a table is still taken.

    Raises:
        ConfigurationError: the previous root is not signed, or what was given makes no root.
    """
    try:
        before = read_root(previous)
        payload: dict[str, Any] = parse(Envelope.read(previous).payload)
        payload |= {"version": before.version + 1, "issued": int(now), "not_after": int(not_after)}
        changes = {
            "root": (root_keys, root_threshold),
            "table": (table_keys, table_threshold),
            "status": (status_keys, status_threshold),
            "log": (log_keys, log_threshold),
        }
        added = [key for keys, _ in changes.values() for key in keys or ()] + [key for issuer in issuers or () for key in issuer.keys]
        payload["roles"] = _changed_roles(payload["roles"], changes)
        if issuers is not None:
            payload["issuers"] = _issuer_rows(issuers)
        if grace_hours is not None:
            payload["grace_hours"] = grace_hours
        payload["keys"] = _used_keys(payload, {**payload["keys"], **_key_rows(added)})
        data = canonical(payload)
        made = parse_root(data)
        check_signers(signers, (*made.root.keys, *before.root.keys), "root")
        envelope = sign(PayloadType.ROOT, data, signers).to_bytes()
        held = {signer.public_key for signer in signers}
        if all(len(held & set(role.keys)) >= role.threshold for role in (made.root, before.root)):
            follow(before, [envelope])
    except Refused as refusal:
        raise ConfigurationError(f"this makes no next root: {refusal}") from None
    return envelope


def cosign_root(root: bytes, signer: Signer, previous: bytes | None = None) -> bytes:
    """Add a signature to a root file. Its digest changes: pin it after the last one.

    Args:
        root: the file's content; it may have no signature yet.
        signer: holder of a key of its root role.
        previous: the root before it, whose root keys may sign too; None for a first root.

    Raises:
        ConfigurationError: if it is no root, or the signer is not in its root role.
    """
    try:
        envelope = read_document(root, PayloadType.ROOT).envelope
        members = parse_root(envelope.payload).root.keys
        if previous is not None:
            members += read_root(previous).root.keys
        check_signers([signer], members, "root")
        return sign(PayloadType.ROOT, envelope.payload, [signer], earlier=envelope.signatures).to_bytes()
    except Refused as refusal:
        raise ConfigurationError(f"the root cannot be signed: {refusal}") from None


def check_signers(signers: Sequence[Signer], members: Sequence[PublicKey], name: str) -> None:
    """Check that every signer's key is in the role.

    Raises:
        Refused: one is not.
    """
    for signer in signers:
        if signer.public_key not in members:
            raise Refused(f"the key {signer.public_key.key_id[:12]} is not in the {name} role")


def _role(keys: Sequence[PublicKey], threshold: int) -> dict[str, StrictJson]:
    members: list[StrictJson] = [key.key_id for key in keys]
    return {"keyids": members, "threshold": threshold}


def _key_rows(keys: Iterable[PublicKey]) -> dict[str, StrictJson]:
    return {key.key_id: {"algorithm": "ed25519", "public": encode_base64(key.raw)} for key in keys}


def _issuer_rows(issuers: Sequence[Issuer]) -> dict[str, StrictJson]:
    rows: dict[str, StrictJson] = {issuer.name: issuer.to_json() for issuer in issuers}
    if len(rows) != len(issuers):
        raise Refused("two issuers have one name")
    return rows


def _changed_roles(roles: dict[str, Any], changes: dict[str, tuple[Sequence[PublicKey] | None, int | None]]) -> dict[str, Any]:
    changed = dict(roles)
    for name, (keys, threshold) in changes.items():
        if keys is not None and not keys and name in ("status", "log"):
            changed.pop(name, None)
            continue
        if keys is None and threshold is None:
            continue
        row = changed.get(name, {"keyids": [], "threshold": 1})
        changed[name] = {
            "keyids": row["keyids"] if keys is None else [key.key_id for key in keys],
            "threshold": row["threshold"] if threshold is None else threshold,
        }
    return changed


def _used_keys(payload: dict[str, Any], keys: dict[str, Any]) -> dict[str, Any]:
    """Keys that nothing names any more are left out, so that nobody takes them for trusted."""
    holders = [*payload["roles"].values(), *payload.get("issuers", {}).values()]
    used = {key_id for holder in holders for key_id in holder["keyids"]}
    return {key_id: row for key_id, row in keys.items() if key_id in used}
