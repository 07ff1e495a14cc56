"""The keys, times and small makers that all vectors share. Seeds are fixed: these keys protect nothing."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from saferoute.signing.envelope import encode_base64, sign
from saferoute.signing.keys import PrivateKey
from saferoute.signing.strict_json import canonical

NOW = 1_800_000_000
HOUR, DAY = 3_600, 86_400
VECTORS = Path(__file__).resolve().parents[2] / "docs" / "spec" / "vectors"


def key(word: str) -> PrivateKey:
    """The key whose seed is the SHA-256 of a word."""
    return PrivateKey.from_seed(hashlib.sha256(b"saferoute spec " + word.encode()).digest())


def key_id(private: PrivateKey) -> str:
    return private.public_key.key_id


def key_row(private: PrivateKey) -> dict[str, str]:
    return {"algorithm": "ed25519", "public": encode_base64(private.public_key.raw)}


def put(value: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A copy with fields put over; None takes a field out."""
    return {name: item for name, item in {**value, **changes}.items() if item is not None}


def envelope(kind: str, payload: dict[str, Any] | bytes, *signers: PrivateKey) -> dict[str, Any]:
    raw = payload if isinstance(payload, bytes) else canonical(payload)
    return sign(kind, raw, signers).to_json()


def document(kind: str, payload: dict[str, Any] | bytes, *signers: PrivateKey) -> str:
    return canonical(envelope(kind, payload, *signers)).decode()


def sha256(data: bytes | str) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()


def rendered(vectors: dict[str, Any]) -> str:
    """A vector file's text."""
    return json.dumps(vectors, indent=1, ensure_ascii=True) + "\n"


def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))
    return found
