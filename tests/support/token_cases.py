"""Capability tokens for tests: right by default, and wrong in exactly the way a test asks for.

The bytes are written here by hand, after the format's description, so that a test can make what the package refuses to make.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

from saferoute.capabilities.asked import asked_hash
from saferoute.capabilities.chain import Verified, verify_chain
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.signing.keys import PrivateKey
from saferoute.values.conversation import messages_from
from saferoute.values.issuer import IssuerRecord
from saferoute.values.permission import Permission
from saferoute.values.request import ChatRequest

__all__ = [
    "ASKED",
    "HOLDERS",
    "ISSUER",
    "LIFE",
    "NOW",
    "STRANGER",
    "block",
    "call",
    "chain",
    "issuers",
    "packed",
    "proof",
    "proof_said",
    "record",
    "root",
    "unpacked",
    "verified",
    "verify_call",
    "written",
]

NOW = 1_800_000_000
LIFE = 3_600
ISSUER = PrivateKey.from_seed(b"i" * 32)
STRANGER = PrivateKey.from_seed(b"x" * 32)
HOLDERS = tuple(PrivateKey.from_seed(bytes([n]) * 32) for n in range(1, 12))
"""The private key to the first block's next key, to the second's, and so on."""

ASKED = asked_hash("chat", "fast", ChatRequest(messages_from("hello")))


def root(**changes: Any) -> dict[str, Any]:
    """The first block's payload; None takes a claim out."""
    said = {
        "v": 1,
        "iss": "acme",
        "jti": "0123456789abcdef" * 2,
        "iat": NOW,
        "exp": NOW + LIFE,
        "aud": ["web"],
        "ops": ["chat"],
        "models": ["model-1", "org/model-2"],
        "providers": ["example"],
    } | changes
    return {name: value for name, value in said.items() if value is not None}


def record(**changes: Any) -> IssuerRecord:
    """What the trust root says of the issuer."""
    said = {
        "name": "acme",
        "keys": frozenset({ISSUER.public_key.raw}),
        "max_life": 30 * 86_400,
        "max_depth": 8,
        "ceiling": Permission("the issuer acme"),
        "digest": "d" * 64,
    }
    return IssuerRecord(**(said | changes))


def issuers(**changes: Any) -> dict[str, IssuerRecord]:
    """The issuers of a trust root: one, under its name."""
    one = record(**changes)
    return {one.name: one}


def written(payload: dict[str, Any] | bytes) -> bytes:
    """A payload's bytes: canonical JSON, or exactly these."""
    if isinstance(payload, bytes):
        return payload
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def packed(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def unpacked(text: str) -> bytes:
    """The bytes behind it."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def block(payload: dict[str, Any] | bytes, signer: PrivateKey, next_key: bytes, before: bytes | None = None) -> tuple[str, bytes]:
    """One block's text, and its signature. `before` is the signature of the block before."""
    body = written(payload)
    previous = bytes(32) if before is None else hashlib.sha256(before).digest()
    length = len(body).to_bytes(4, "big")
    signature = signer.sign(b"saferoute srcap1 block\n" + previous + length + body + next_key)
    return packed(length + body + next_key + signature), signature


def chain(*payloads: dict[str, Any] | bytes, issuer: PrivateKey = ISSUER, keys: tuple[bytes, ...] = ()) -> str:
    """A chain of these payloads, the root's by default, rightly signed by `issuer` and then by HOLDERS in turn.

    `keys` are the next keys, where they are to be others than those of HOLDERS.
    """
    parts: list[str] = []
    signer, before = issuer, None
    for number, payload in enumerate(payloads or (root(),)):
        next_key = keys[number] if number < len(keys) else HOLDERS[number].public_key.raw
        text, before = block(payload, signer, next_key, before)
        parts.append(text)
        signer = HOLDERS[number]
    return "srcap1." + ".".join(parts)


def proof_said(**changes: Any) -> dict[str, Any]:
    """A proof's payload; None takes a field out."""
    said = {"aud": "web", "nonce": "ab" * 16, "req": ASKED, "ts": NOW} | changes
    return {name: value for name, value in said.items() if value is not None}


def proof(chain_text: str, payload: dict[str, Any] | bytes, signer: PrivateKey) -> str:
    """A proof's text."""
    body = written(payload)
    length = len(body).to_bytes(4, "big")
    digest = hashlib.sha256(chain_text.encode()).digest()
    return packed(length + body + signer.sign(b"saferoute srcap1 proof\n" + digest + length + body))


def call(chain_text: str | None = None, *, signer: PrivateKey | None = None, **changes: Any) -> str:
    """A call token, right by default."""
    text = chain_text or chain()
    return f"{text}~{proof(text, proof_said(**changes), signer or HOLDERS[text.count('.') - 1])}"


def verified(chain_text: str | None = None, **changes: Any) -> Verified:
    """A chain, verified under a record with these changes."""
    return verify_chain(chain_text or chain(), issuers(**changes))


def verify_call(
    text: str, *, audience: str = "web", asked: str = ASKED, now: float = NOW, instance: str | None = None
) -> tuple[str, float]:
    """Everything that a remote verifier does to a call token, but time and nonce."""
    token = read_call(text)
    return verify_proof(token, verify_chain(token.chain_text, issuers()), audience=audience, asked=asked, now=now, instance=instance)
