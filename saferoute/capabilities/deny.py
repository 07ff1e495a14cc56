"""The words for why a token is refused: stable, fit for metric labels, and the same in every version."""

from __future__ import annotations

from enum import StrEnum

from saferoute.errors import CapabilityInvalid

__all__ = ["Deny", "refused"]


class Deny(StrEnum):
    """The `code` of every CapabilityInvalid and CapabilityExpired that a token is refused with.

    Attributes:
        TOO_LARGE: more than 8 KiB.
        FORM: no srcap1 token at all, or the wrong form of one.
        VERSION: a capability token of another version.
        HOLDER_FORM: a holder's own form, which no verifier takes.
        PROOF_MISSING: a chain without a proof, where a call token is needed.
        BLOCKS: more than eight blocks.
        ENCODING: a block that is not base64url in its one spelling, or whose lengths are wrong.
        PAYLOAD: a payload that is not canonical JSON.
        CLAIM: a claim that is unknown, missing, of the wrong type or form, or that only the first block may have.
        KEY: a next key that is no Ed25519 public key, or one that anybody can sign for.
        ISSUER: nobody of that name may issue capabilities here.
        SIGNATURE: a block that is not signed by whom the block before names.
        DEPTH: more blocks than the issuer or a block allows.
        LIFE: it lives longer than its issuer may let it, or for no time.
        CEILING: a budget or a limit above what the issuer may give.
        CURRENCY: bounds on the cost in two currencies, which cannot be compared.
        EXPIRED: its time is over.
        NOT_YET: its time has not begun.
        ISSUED_LATER: it was issued in the future.
        REVOKED: it, or a chain that it was made from, was revoked.
        PROOF: a proof that is malformed, or not signed with the chain's last key.
        AUDIENCE: a proof for somebody else.
        STALE: a proof that is too old, or from the future.
        ASKED: a proof for another request.
        INSTANCE: a proof for another process.
        REPLAYED: a proof that was used before; for whoever keeps the nonces.
        NOT_YOURS: a chain that ends in another key than the one that is there.
    """

    TOO_LARGE = "too_large"
    FORM = "form"
    VERSION = "version"
    HOLDER_FORM = "holder_form"
    PROOF_MISSING = "proof_missing"
    BLOCKS = "blocks"
    ENCODING = "encoding"
    PAYLOAD = "payload"
    CLAIM = "claim"
    KEY = "key"
    ISSUER = "issuer"
    SIGNATURE = "signature"
    DEPTH = "depth"
    LIFE = "life"
    CEILING = "ceiling"
    CURRENCY = "currency"
    EXPIRED = "exp"
    NOT_YET = "nbf"
    ISSUED_LATER = "iat"
    REVOKED = "revoked"
    PROOF = "proof"
    AUDIENCE = "aud"
    STALE = "stale"
    ASKED = "asked"
    INSTANCE = "instance"
    REPLAYED = "replayed"
    NOT_YOURS = "not_yours"


def refused(code: Deny, why: str) -> CapabilityInvalid:
    """The error for a token that is refused; `why` holds no part of the token but names of claims and numbers."""
    return CapabilityInvalid(f"the capability token is refused: {why}", code=code.value)
