"""Roots, releases and tables for tests: right by default, and wrong in exactly the way a test asks for.

Everything here writes payloads by hand and signs whatever bytes it is given, so that a test can make what the package refuses to make.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.routing.trust import TrustFiles, verify_bundle, verify_trust
from saferoute.signing.envelope import PayloadType, encode_base64, sign
from saferoute.signing.keys import PrivateKey
from saferoute.signing.strict_json import canonical

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.opened import Opened
    from saferoute.routing.table import RoutingTable

NOW = 1_800_000_000
DAY = 86_400
ROOT_KEY = PrivateKey.from_seed(b"r" * 32)
ROOT_KEY_2 = PrivateKey.from_seed(b"R" * 32)
TABLE_KEY = PrivateKey.from_seed(b"t" * 32)
TABLE_KEY_2 = PrivateKey.from_seed(b"T" * 32)
STRANGER = PrivateKey.from_seed(b"s" * 32)
STATUS_KEY = PrivateKey.from_seed(b"u" * 32)
LOG_KEY = PrivateKey.from_seed(b"l" * 32)
ISSUER_KEY = PrivateKey.from_seed(b"i" * 32)


def changed(value: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A copy with fields put over; None takes a field out."""
    merged = {**value, **changes}
    return {name: item for name, item in merged.items() if item is not None}


def row(**changes: Any) -> dict[str, Any]:
    """A row in the payload's words."""
    plain = {
        "id": "main", "provider": "example", "dialect": "openai_chat", "origin": "https://api.example.com", "path": "/v1", "net": "public",
        "model": "model-1", "secret": "example", "auth": "bearer", "data": "internal",
    }  # fmt: skip
    return changed(plain, changes)


def wildcard(**changes: Any) -> dict[str, Any]:
    """A row that takes any model."""
    return row(**{"id": "open", "provider": "open", "model": "*", **changes})


def alias(*targets: str, **changes: Any) -> dict[str, Any]:
    """An alias in the payload's words."""
    return changed({"targets": list(targets), "strategy": "ordered", "max_attempts": 3}, changes)


def table(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A table's payload."""
    return changed({"schema": 1, "routes": list(rows) or [row()], "aliases": {}}, changes)


TEMPLATE = {
    "sha256": hashlib.sha256(b"Answer {{shortly}} in {language}.").hexdigest(),
    "variables": {"language": "line"},
    "text": "Answer {{shortly}} in {language}.",
}


def full_profile() -> dict[str, Any]:
    """A guard profile that uses every field of the schema."""
    pii = {"action": "redact", "threshold": 500, "on_error": "block", "kinds": ["pii.email", "pii.phone"], "reversible": True}
    url = {"path": "/url", "hosts": ["api.example.com", ".example.org"], "one_of": ["a", "b"], "prefixes": ["https://"], "longest": 200}
    return {
        "guards": {"pii": pii, "secrets": {"action": "block"}, "house-rules": {"on_error": "flag"}},
        "max_characters": 100_000,
        "allowed_hosts": ["docs.example.com", "*.example.org"],
        "templates": ["support-v1"],
        "tools": {"search": {"effects": False, "approval": "never", "arguments": [url], "restore": True}, "send": {}},
    }


def full_prices() -> dict[str, Any]:
    """Prices that use every field of the schema."""
    rates = {"input": 2500, "output": 10000, "cache_read": 250, "cache_write_5m": 3000, "cache_write_1h": 5000}
    rates |= {"input_audio": 6000, "output_audio": 20_000}
    return {**rates, "tiers": [{"above": 200_000, **rates}], "multipliers": {"flex": 500}}


def full_table() -> dict[str, Any]:
    """A table that uses every field of the schema."""
    deadlines = {"connect": 1000, "first_byte": 2000, "idle": 3000, "total": 4000}
    profile = {"context_window": 1000, "tools": True, "vision": False, "json_schema": True, "sampling": True, "reasoning": "effort"}
    whole = row(
        headers={"openai-organization": "org-1", "x-title": "a title"},
        region="eu",
        max_output=1000,
        default_max_output=500,
        extra_params=["service_tier", "verbosity"],
        quirks={"max_tokens_field": "max_tokens", "instruction_role": "developer", "stream_usage": False, "tool_result_text_only": True},
        profile=profile,
        prices=full_prices() | {"currency": "USD"},
        deadlines=deadlines,
        limits={"requests_per_minute": 600, "tokens_per_minute": 90_000, "concurrent": 8, "adaptive": True},
        quota_group="eu-pool",
        guards="strict",
        annotations={"owner": "team"},
    )
    private = row(id="inside", origin="https://10.1.2.3", net="private", networks=["10.1.0.0/16"])
    spread = alias(
        "main",
        "inside",
        strategy="by_tag",
        tag="tenant",
        tagged={"Acme Ltd": ["inside", "main"]},
        fallback={
            "any": ["open/big-1"], "context_window": ["open/big-2"], "content_filter": ["open/big-3"], "quota": ["open/big-4"],
            "timeout": ["open/big-5", "open/big-6"],
        },
        hedge={"after": 300},
        shadow={"target": "open/new", "share": 10, "max_cost": {"amount": 1000, "currency": "USD"}, "data": "confidential"},
        limits={"requests_per_minute": 60, "tokens_per_minute": 9000, "concurrent": 4, "adaptive": False},
    )  # fmt: skip
    return table(
        whole,
        private,
        wildcard(families=[{"prefix": "big-", "profile": profile}], price_list="house"),
        aliases={
            "fast": alias("main", "open/big-1", deadlines=deadlines, annotations={"why": "speed"}),
            "any": alias("fast", "inside"),
            "spread": spread,
            "weighed": alias("main", "inside", strategy="weighted", weights={"main": 3, "inside": 0}),
        },
        grant={
            "operations": ["chat"], "routes": ["fast", "main"], "tools": ["search"], "data": "internal", "regions": ["eu"],
            "max_output": 900, "max_cost": {"amount": 1, "currency": "USD"}, "audience": ["web"], "guards": ["pii"],
            "budget": {"amount": 5, "currency": "USD", "per": "day", "scope": "host", "replicas": 2},
        },
        guards={"strict": full_profile()},
        templates={"support-v1": TEMPLATE, "kept-apart": {"sha256": "0" * 64, "variables": {}}},
        price_lists={"house": {"currency": "USD", "models": {"big-1": full_prices()}, "annotations": {"source": "finance"}}},
        annotations={"ticket": "T-1"},
    )  # fmt: skip


def key_row(key: PrivateKey) -> dict[str, Any]:
    """A key in a root's words."""
    return {"algorithm": "ed25519", "public": encode_base64(key.public_key.raw)}


def key_id(key: PrivateKey) -> str:
    """A key's id."""
    return key.public_key.key_id


def root_payload(**changes: Any) -> dict[str, Any]:
    """A root's payload: one key for each role."""
    plain = {
        "schema": 1,
        "name": "acme",
        "version": 1,
        "issued": NOW - DAY,
        "not_after": NOW + 365 * DAY,
        "keys": {key_id(ROOT_KEY): key_row(ROOT_KEY), key_id(TABLE_KEY): key_row(TABLE_KEY)},
        "roles": {
            "root": {"keyids": [key_id(ROOT_KEY)], "threshold": 1},
            "table": {"keyids": [key_id(TABLE_KEY)], "threshold": 1},
        },
    }
    return changed(plain, changes)


def role_row(*keys: PrivateKey, threshold: int = 1) -> dict[str, Any]:
    """A role in a root's words."""
    return {"keyids": [key_id(key) for key in keys], "threshold": threshold}


def issuer_row(*keys: PrivateKey, **changes: Any) -> dict[str, Any]:
    """An issuer in a root's words."""
    return changed({"keyids": [key_id(key) for key in keys], "max_life": 3600, "max_depth": 4, "ceiling": {}}, changes)


def status_root(**changes: Any) -> dict[str, Any]:
    """A root's payload with a status role."""
    plain = root_payload()
    return changed(
        plain,
        {
            "keys": {**plain["keys"], key_id(STATUS_KEY): key_row(STATUS_KEY)},
            "roles": {**plain["roles"], "status": role_row(STATUS_KEY)},
            **changes,
        },
    )


def full_root() -> dict[str, Any]:
    """A root's payload that uses every field of the schema."""
    ceiling = {
        "operations": ["chat"], "models": ["model-1"], "providers": ["example"], "routes": ["main"], "tools": ["search"], "data": "internal",
        "regions": ["eu"], "max_output": 900, "max_cost": {"amount": 1, "currency": "USD"},
        "budget": {"amount": 5, "currency": "USD", "per": "day", "scope": "host", "replicas": 2},
    }  # fmt: skip
    plain = status_root()
    more = {key_id(key): key_row(key) for key in (LOG_KEY, ISSUER_KEY)}
    return changed(
        plain,
        {
            "keys": {**plain["keys"], **more},
            "roles": {**plain["roles"], "log": role_row(LOG_KEY)},
            "issuers": {"ci": issuer_row(ISSUER_KEY, ceiling=ceiling, annotations={"owner": "build"})},
            "grace_hours": 24,
            "annotations": {"ticket": "T-2"},
        },
    )


def status_payload(release: dict[str, Any] | bytes, /, **changes: Any) -> dict[str, Any]:
    """A status's payload that says that this release is current."""
    raw = release if isinstance(release, bytes) else canonical(release)
    plain = {
        "schema": 1, "name": "acme", "root_version": 1, "version": 1, "issued": NOW, "not_after": NOW + DAY,
        "release": {"version": 1, "digest": hashlib.sha256(raw).hexdigest()}, "revoked": [], "halted": [],
    }  # fmt: skip
    return changed(plain, changes)


def revocations_payload(**changes: Any) -> dict[str, Any]:
    """A revocation list's payload."""
    return changed({"schema": 1, "name": "acme", "root_version": 1, "version": 1, "issued": NOW, "revoked": ["token-1"]}, changes)


def document(kind: str, payload: dict[str, Any] | bytes, *signers: PrivateKey) -> bytes:
    """A signed file around any payload."""
    return canonical(signed(kind, payload if isinstance(payload, bytes) else canonical(payload), *signers))


def release_payload(*bodies: bytes, **changes: Any) -> dict[str, Any]:
    """A release's payload that names these bodies, all of schema 1 upwards."""
    tables = [{"schema": 1 + n, "sha256": hashlib.sha256(body).hexdigest(), "size": len(body)} for n, body in enumerate(bodies)]
    plain = {
        "schema": 1, "name": "acme", "version": 1, "root_version": 1, "issued": NOW, "not_after": NOW + 7 * DAY, "tables": tables,
    }  # fmt: skip
    return changed(plain, changes)


def signed(kind: str, payload: bytes, *signers: PrivateKey) -> dict[str, Any]:
    """An envelope, as a JSON value, around any bytes."""
    return sign(kind, payload, signers).to_json()


@dataclass(frozen=True)
class Files:
    """A root and a bundle, as files' contents."""

    root: bytes
    bundle: bytes

    def open(self, now: float = NOW, *, allow_local: bool = False, sha256: str | None = None, least: int | None = None) -> RoutingTable:
        """Verify, as a client does."""
        digest = hashlib.sha256(self.root).hexdigest() if sha256 is None else sha256
        return verify_bundle(self.root, digest, self.bundle, now, allow_local=allow_local, min_table_version=least)

    def trusted(
        self,
        now: float = NOW,
        *,
        updates: Sequence[bytes] = (),
        status: bytes | None = None,
        revocations: bytes | None = None,
        **options: Any,
    ) -> Opened:
        """Verify with all that may belong to it."""
        whole = TrustFiles(self.root, self.bundle, tuple(updates), status, revocations)
        return verify_trust(whole, hashlib.sha256(self.root).hexdigest(), now, **options)


def files(
    body: bytes | dict[str, Any] | None = None,
    *,
    root: dict[str, Any] | bytes | None = None,
    root_signers: Sequence[PrivateKey] = (ROOT_KEY,),
    release: dict[str, Any] | bytes | None = None,
    signers: Sequence[PrivateKey] = (TABLE_KEY,),
    bodies: Sequence[bytes] | None = None,
    kind: str = PayloadType.RELEASE,
) -> Files:
    """Make both files; whatever is given replaces what would be right."""
    raw_body = body if isinstance(body, bytes) else canonical(table() if body is None else body)
    raw_root = root if isinstance(root, bytes) else canonical(root_payload() if root is None else root)
    raw_release = release if isinstance(release, bytes) else canonical(release_payload(raw_body) if release is None else release)
    held = [raw_body] if bodies is None else bodies
    bundle: dict[str, Any] = {"release": signed(kind, raw_release, *signers), "tables": [encode_base64(one) for one in held]}
    return Files(canonical(signed(PayloadType.ROOT, raw_root, *root_signers)), canonical(bundle))
