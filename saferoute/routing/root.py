"""The trust root: which keys speak for a table, signed by its own keys.

What is checked: the digest that the application pins, the envelope's type, the fields, every key loaded strictly under the id that is
its hash, no key in two roles, and the root role's threshold over distinct keys. How a root follows another: `chain`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from hmac import compare_digest
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from saferoute.routing.issuers import compile_issuer
from saferoute.routing.schema import check
from saferoute.routing.shapes import MAX_ROOT_BYTES, ROOT
from saferoute.signing.envelope import Envelope, PayloadType, decode_base64, verify
from saferoute.signing.keys import PublicKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.issuer import IssuerRecord

__all__ = ["MAX_ROOT_LIFE", "Role", "Root", "parse_root", "pin", "read_root"]

MAX_ROOT_LIFE = 3_653 * 86_400
"""How long a root may live: ten years. Nothing that is signed is valid for ever."""


@dataclass(frozen=True, slots=True)
class Role:
    """Whose signatures count for something, and how many distinct ones are needed."""

    keys: tuple[PublicKey, ...]
    threshold: int


@dataclass(frozen=True, slots=True)
class Root:
    """A trust root whose signatures were checked.

    Attributes:
        name: whose tables it speaks for.
        version: counts up with each change of keys.
        issued: when it was signed, in seconds since the epoch.
        not_after: when it stops being valid.
        root: who signs roots.
        table: who signs releases and revocations.
        status: who signs statuses; None where there are none, and releases are short-lived.
        log: who certifies log keys; None for nobody.
        issuers: who may mint capabilities, by name.
        grace_hours: how long after its end a table is still taken, with a warning.
        digest: SHA-256 of the signed bytes, in hex.
    """

    name: str
    version: int
    issued: int
    not_after: int
    root: Role
    table: Role
    status: Role | None
    log: Role | None
    issuers: Mapping[str, IssuerRecord]
    grace_hours: int
    digest: str


def pin(root: bytes) -> str:
    """The digest to pin: SHA-256 of the root file's exact bytes, in hex."""
    return hashlib.sha256(root).hexdigest()


def read_root(data: bytes, sha256: str | None = None) -> Root:
    """Read a root file and check its signatures; its times are the caller's to check.

    Args:
        data: the file's bytes.
        sha256: the pinned digest; None only where the file was just made or is being counter-signed.

    Raises:
        Refused: with the reason.
    """
    if len(data) > MAX_ROOT_BYTES:
        raise Refused(f"it has {len(data)} bytes; a root has at most {MAX_ROOT_BYTES}")
    if sha256 is not None and not compare_digest(pin(data), sha256):
        raise Refused(f"its SHA-256 is {pin(data)}, and {sha256} is pinned: this is another root, or the file was changed")
    envelope = Envelope.read(data)
    root = parse_root(envelope.payload)
    verify(envelope, PayloadType.ROOT, root.root.keys, root.root.threshold)
    return root


def parse_root(payload: bytes) -> Root:
    """Read a root's payload; whether it is signed is not looked at.

    Raises:
        Refused: with the reason.
    """
    fields: dict[str, Any] = parse(payload, max_bytes=MAX_ROOT_BYTES)
    check(fields, ROOT, "root")
    keys = {key_id: _load_key(key_id, row) for key_id, row in fields["keys"].items()}
    roles = {name: _load_role(name, row, keys) for name, row in fields["roles"].items()}
    issuers: dict[str, Any] = fields.get("issuers", {})
    issuer_keys = {name: _members(f"root.issuers.{name}", row, keys) for name, row in issuers.items()}
    holders = {name: role.keys for name, role in roles.items()}
    holders |= {f"issuer {name}": held for name, held in issuer_keys.items()}
    _check_disjoint(holders)
    life = fields["not_after"] - fields["issued"]
    if life <= 0:
        raise Refused("root.not_after is not after root.issued")
    if life > MAX_ROOT_LIFE:
        raise Refused(f"root.not_after: it would live {life // 86_400} days; at most {MAX_ROOT_LIFE // 86_400} are allowed")
    return Root(
        name=fields["name"],
        version=fields["version"],
        issued=fields["issued"],
        not_after=fields["not_after"],
        root=roles["root"],
        table=roles["table"],
        status=roles.get("status"),
        log=roles.get("log"),
        issuers=MappingProxyType({name: compile_issuer(fields["name"], name, row, issuer_keys[name]) for name, row in issuers.items()}),
        grace_hours=fields.get("grace_hours", 0),
        digest=hashlib.sha256(payload).hexdigest(),
    )


def _load_key(key_id: str, row: Mapping[str, str]) -> PublicKey:
    try:
        key = PublicKey(decode_base64(row["public"]))
    except Refused as refusal:
        raise Refused(f"root.keys.{key_id}: {refusal}") from None
    if key.key_id != key_id:
        raise Refused(f"root.keys.{key_id}: the id of this key is {key.key_id}")
    return key


def _load_role(name: str, row: Mapping[str, Any], keys: Mapping[str, PublicKey]) -> Role:
    members = _members(f"root.roles.{name}", row, keys)
    if row["threshold"] > len({key.raw for key in members}):
        raise Refused(f"root.roles.{name}.threshold is {row['threshold']}, and the role has {len(members)} keys")
    return Role(members, row["threshold"])


def _members(path: str, row: Mapping[str, Any], keys: Mapping[str, PublicKey]) -> tuple[PublicKey, ...]:
    unknown = [key_id for key_id in row["keyids"] if key_id not in keys]
    if unknown:
        raise Refused(f"{path}.keyids: there is no key {unknown[0]}")
    return tuple(keys[key_id] for key_id in row["keyids"])


def _check_disjoint(holders: Mapping[str, tuple[PublicKey, ...]]) -> None:
    """One stolen key must not open two doors: whoever takes the table's key must not get the root, nor an issuer the table."""
    seen: dict[bytes, str] = {}
    for holder, keys in holders.items():
        for key in keys:
            if key.raw in seen:
                raise Refused(
                    f"root: the key {key.key_id[:12]} is in both roles: {seen[key.raw]} and {holder}; give each role keys of its own"
                )
            seen[key.raw] = holder
