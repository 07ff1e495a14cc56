"""The exact words for what is refused of releases, roots, statuses and what signs them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest

from saferoute.errors import ConfigurationError, TableRollback, UntrustedTable
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.issuers import Issuer
from saferoute.routing.local import local_bundle
from saferoute.routing.offline import add_signature, read_document, to_sign
from saferoute.routing.publish import bodies_of, release_of, sign_release
from saferoute.routing.publish_root import new_root
from saferoute.routing.publish_status import sign_revocations, sign_status
from saferoute.routing.release import parse_release
from saferoute.routing.root import parse_root, read_root
from saferoute.routing.status import parse_status, verify_status
from saferoute.routing.table import RoutingTable
from saferoute.routing.trust import Trust
from saferoute.signing.envelope import PayloadType
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from saferoute.values.server import Server
from tests.support.trust_cases import (
    DAY,
    NOW,
    ROOT_KEY,
    STATUS_KEY,
    STRANGER,
    TABLE_KEY,
    document,
    files,
    key_id,
    key_row,
    release_payload,
    role_row,
    root_payload,
    signed,
    status_payload,
    status_root,
    table,
)  # fmt: skip

ROOT = parse_root(canonical(root_payload()))


def opened(payload: dict[str, Any]) -> RoutingTable:
    return files(payload).open()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CASES: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a release and two tables of it": (
        lambda: files(release=release_payload(b"ab", b"ab")).open(), UntrustedTable,
        "the routing table is refused: release.tables: a schema or a table stands twice",
    ),
    "a release that ends before it begins": (
        lambda: files(release=release_payload(b"ab", not_after=NOW)).open(), UntrustedTable,
        "the routing table is refused: release.not_after is not after release.issued",
    ),
    "a release that lives too long": (
        lambda: files(release=release_payload(canonical(table()), not_after=NOW + 8 * DAY)).open(), UntrustedTable,
        "the routing table is refused: it would live 8 days; at most 7 are allowed; up to 90 need a status role in the root",
    ),
    "a release of newer schemas": (
        lambda: files(release=release_payload(canonical(table()), tables=[{"schema": n, "sha256": sha(canonical(table())), "size": len(canonical(table()))} for n in (3,)])).open(), UntrustedTable,
        ("the routing table is refused: the release has tables of schema 3 and later, and this saferoute knows schema 1; "
         "upgrade it"),
    ),
    "a release without its table": (
        lambda: files(release=release_payload(b"ab", canonical(table()), tables=[{"schema": 1, "sha256": "0" * 64, "size": 2}, {"schema": 2, "sha256": sha(canonical(table())), "size": len(canonical(table()))}])).open(), UntrustedTable,
        "the routing table is refused: the release names a table of schema 1, and the bundle does not hold it",
    ),
    "another table": (
        lambda: files(release=release_payload(b"ab")).open(), UntrustedTable,
        ("the routing table is refused: the table's bytes are not those that the release names: they were changed, or "
         "belong to another release"),
    ),
    "a release for another": (
        lambda: files(release=release_payload(canonical(table()), name="acme2")).open(), UntrustedTable,
        "the routing table is refused: it is for 'acme2', and the trust root is that of 'acme'",
    ),
    "a release under another root": (
        lambda: files(release=release_payload(canonical(table()), root_version=2)).open(), UntrustedTable,
        ("the routing table is refused: it was signed under root version 2, and the root is version 1: deploy the roots "
         'that follow (Trust.pinned(..., updates="roots")), or the folder is missing one'),
    ),
    "a release under an older root": (
        lambda: files(root=root_payload(version=2), release=release_payload(canonical(table()), root_version=1)).open(), UntrustedTable,
        "the routing table is refused: it was signed under root version 1, and the root is version 2: sign it again",
    ),
    "a stranger's release": (
        lambda: files(signers=(STRANGER,)).open(), UntrustedTable,
        "the routing table is refused: 0 of the 1 signatures that are needed are there",
    ),
    "a stranger's release under a root that is not known": (
        lambda: files(release=release_payload(canonical(table()), root_version=2), signers=(STRANGER,)).open(), UntrustedTable,
        ("the routing table is refused: 0 of the 1 signatures that are needed are there; it names root version 2, and this "
         'client knows version 1: deploy the roots that follow (Trust.pinned(..., updates="roots")), or the folder is '
         "missing one"),
    ),
    "a stranger's release of another name under such a root": (
        lambda: files(release=release_payload(canonical(table()), root_version=2, name="other"), signers=(STRANGER,)).open(), UntrustedTable,
        "the routing table is refused: 0 of the 1 signatures that are needed are there",
    ),
    "a stranger's nonsense": (
        lambda: files(release=b"{}", signers=(STRANGER,)).open(), UntrustedTable,
        "the routing table is refused: 0 of the 1 signatures that are needed are there",
    ),
    "a root that ends before it begins": (
        lambda: parse_root(canonical(root_payload(not_after=NOW - DAY))), Refused,
        "root.not_after is not after root.issued",
    ),
    "a root that lives too long": (
        lambda: parse_root(canonical(root_payload(not_after=NOW + 11 * 366 * DAY))), Refused,
        "root.not_after: it would live 4027 days; at most 3653 are allowed",
    ),
    "a large root": (lambda: read_root(b"x" * 65537), Refused, "it has 65537 bytes; a root has at most 65536"),
    "another root": (
        lambda: read_root(files().root, "0" * 64), Refused,
        ("its SHA-256 is 02462fb7b97946f4640a9ec2e50546fc855a2fae7c6625e33cbb9536261db88a, and "
         "0000000000000000000000000000000000000000000000000000000000000000 is pinned: this is another root, or the file was "
         "changed"),
    ),
    "a root with a key of another name": (
        lambda: parse_root(canonical(root_payload(keys={"0" * 64: key_row(ROOT_KEY)}))), Refused,
        ("root.keys.0000000000000000000000000000000000000000000000000000000000000000: the id of this key is "
         "c0742a797bd5374378f26a371f35e61b32c0d0cc8fc9b76f5c3ee1949a61555a"),
    ),
    "a root with a key that is none": (
        lambda: parse_root(canonical(root_payload(keys={"0" * 64: {"algorithm": "ed25519", "public": "AAAA"}}))), Refused,
        ("root.keys.0000000000000000000000000000000000000000000000000000000000000000: an Ed25519 public key has 32 bytes; "
         "this one has 3"),
    ),
    "a root without a role's key": (
        lambda: parse_root(canonical(root_payload(keys={key_id(ROOT_KEY): key_row(ROOT_KEY)}))), Refused,
        "root.roles.table.keyids: there is no key 71857d1d2d3d3e24aa926a4c677ba6ef9ffd01c7cadd1031195ba56cfeb9eb75",
    ),
    "a root role's missing key": (
        lambda: parse_root(canonical(root_payload(roles={"root": {"keyids": ["0" * 64], "threshold": 1}, "table": role_row(TABLE_KEY)}))), Refused,
        "root.roles.root.keyids: there is no key 0000000000000000000000000000000000000000000000000000000000000000",
    ),
    "an issuer's missing key": (
        lambda: parse_root(canonical(root_payload(issuers={"ci": {"keyids": ["0" * 64], "max_life": 1, "max_depth": 1, "ceiling": {}}}))), Refused,
        "root.issuers.ci.keyids: there is no key 0000000000000000000000000000000000000000000000000000000000000000",
    ),
    "a threshold above the keys": (
        lambda: parse_root(canonical(root_payload(roles={"root": role_row(ROOT_KEY, threshold=2), "table": role_row(TABLE_KEY)}))), Refused,
        "root.roles.root.threshold is 2, and the role has 1 keys",
    ),
    "a key in two roles": (
        lambda: parse_root(canonical(root_payload(roles={"root": role_row(ROOT_KEY), "table": role_row(ROOT_KEY)}))), Refused,
        "root: the key c0742a797bd5 is in both roles: root and table; give each role keys of its own",
    ),
    "a status without a role": (
        lambda: verify_status(b"", ROOT, parse_release(canonical(release_payload(b"ab")))), Refused,
        "the trust root has no status role, so nobody can sign a status: leave it out",
    ),
    "a status that ends before it begins": (
        lambda: parse_status(canonical(status_payload(b"", not_after=NOW))), Refused,
        "status.not_after is not after status.issued",
    ),
    "a status that lives too long": (
        lambda: parse_status(canonical(status_payload(b"", not_after=NOW + 7 * DAY + 1))), Refused,
        "status.not_after: it would live 604801 seconds; at most 604800 (7 days) are allowed",
    ),
    "no role for a status": (
        lambda: sign_status(files().root, b"", version=1, now=NOW, signers=[]), ConfigurationError,
        ("this status cannot be signed: the trust root has no status role: make the next root with status_keys, or sign a "
         "revocation list"),
    ),
    "a signer of no role": (
        lambda: sign_revocations(files().root, version=1, revoked=[], now=NOW, signers=[STRANGER]), ConfigurationError,
        "this revocation list cannot be signed: the key fb199ef92470 is not in the table role",
    ),
    "two issuers of one name": (
        lambda: new_root("acme", root_signers=[ROOT_KEY], table_keys=[TABLE_KEY.public_key], now=NOW, not_after=NOW + 9, issuers=[Issuer("a", []), Issuer("a", [])]), ConfigurationError,
        "this makes no trust root: two issuers have one name",
    ),
    "a table without a schema": (
        lambda: sign_release(files().root, [b"{}"], version=1, now=NOW, signers=[]), ConfigurationError,
        "this cannot be signed: a table has no schema number",
    ),
    "two tables of one schema": (
        lambda: sign_release(files().root, [b'{"schema":1}'] * 2, version=1, now=NOW, signers=[]), ConfigurationError,
        "this cannot be signed: two tables have the schema 1",
    ),
    "no local table": (
        lambda: local_bundle([], [], NOW), ConfigurationError,
        "a local table needs a provider whose key is found, or a server on this machine (servers=[...])",
    ),
    "two local ones of one name": (
        lambda: local_bundle([], [Server("x", 1), Server("x", 2)], NOW), ConfigurationError,
        "two servers or providers are called 'x'",
    ),
    "a local provider with parameters": (
        lambda: local_bundle(["azure_openai"], [], NOW), ConfigurationError,
        ("azure_openai needs its resource, which a local table cannot have: write [providers.azure_openai] in routes.toml "
         "(saferoute init makes one)"),
    ),
    "a digest that is none": (
        lambda: Trust.pinned("root.json", sha256="x"), ConfigurationError,
        "Trust.pinned: sha256 must be the root file's SHA-256: 64 lower-case hexadecimal digits",
    ),
    "a version that is none": (
        lambda: Trust.pinned("root.json", sha256="0" * 64, min_table_version=0), ConfigurationError,
        "Trust.pinned: min_table_version must be an integer of at least 1",
    ),
    "an older table": (lambda: files().open(least=2), TableRollback, "the routing table 'acme' is version 1; at least 2 is required"),
    "a local root in production": (
        lambda: files(root=root_payload(name="local/x")).open(), UntrustedTable,
        "the trust root 'local/x' was made in memory for one process and is not taken here: make one with `saferoute init`",
    ),
    "a status that is missing": (
        lambda: files(root=status_root()).open(), UntrustedTable,
        ("the trust root has a status role, so a signed status has to say that this table is current, and none is given: "
         'Trust.pinned(..., status="status.json")'),
    ),
    "a status in a bundle": (
        lambda: read_document(document("application/x", b"{}", ROOT_KEY), PayloadType.ROOT), Refused,
        "it is a 'application/x', not a 'application/vnd.saferoute.root.v1+json'",
    ),
    "a root in a bundle": (
        lambda: read_document(canonical({"release": signed(PayloadType.ROOT, b"{}", ROOT_KEY), "tables": ["AAAA"]})), Refused,
        "a release, and nothing else, stands in a bundle with its tables",
    ),
    "something else to sign": (
        lambda: to_sign(document("application/x", b"{}", ROOT_KEY)), ConfigurationError,
        "this cannot be signed: a 'application/x' is not signed here",
    ),
    "a key of no role": (
        lambda: add_signature(files().bundle, files().root, STRANGER.public_key, b""), ConfigurationError,
        "the signature cannot be added: the key fb199ef92470 is in no role that signs it",
    ),
    "another signature": (
        lambda: add_signature(files().bundle, files().root, TABLE_KEY.public_key, bytes(64)), ConfigurationError,
        ("the signature cannot be added: the signature is not one of the key 71857d1d2d3d over this document: sign exactly "
         "the bytes that were exported, with plain Ed25519 (not the pre-hashed variant)"),
    ),
    "a status for a root without the role": (
        lambda: add_signature(document(PayloadType.STATUS, status_payload(b""), STATUS_KEY), files().root, STATUS_KEY.public_key, b""), ConfigurationError,
        "the signature cannot be added: the trust root has no status role",
    ),
    "a root after another": (
        lambda: add_signature(document(PayloadType.ROOT, root_payload(version=3), ROOT_KEY), files().root, ROOT_KEY.public_key, b""), ConfigurationError,
        "the signature cannot be added: root version 3 of 'acme' does not follow version 1 of 'acme'",
    ),
    "no bundle": (
        lambda: release_of(b"{}"), ConfigurationError,
        "this is no bundle: an envelope has exactly the fields payload, payloadType and signatures",
    ),
    "no bundle either": (
        lambda: bodies_of(b"{}"), ConfigurationError,
        "this is no bundle: an envelope has exactly the fields payload, payloadType and signatures",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_words(case: str) -> None:
    act, kind, words = CASES[case]
    with pytest.raises(kind) as caught:
        act()
    assert type(caught.value) is kind
    assert str(caught.value) == words


def test_a_local_provider_that_there_is_not() -> None:
    known = ", ".join(one.name for one in load_catalogue().complete)
    with pytest.raises(ConfigurationError) as caught:
        local_bundle(["nobody"], [], NOW)
    assert str(caught.value) == f"the catalogue has no provider 'nobody'; it has {known}"
