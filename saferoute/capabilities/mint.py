"""Making chains: the issuer's block, and each block after it. Keys and times come from the caller."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.capabilities.caveats import write_claims
from saferoute.capabilities.deny import Deny, refused
from saferoute.capabilities.token import Block, block_message, extended
from saferoute.errors import ConfigurationError
from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from saferoute.capabilities.caveats import Claims
    from saferoute.capabilities.token import Chain
    from saferoute.signing.keys import Signer

__all__ = ["extend", "mint"]


def mint(signer: Signer, claims: Claims, next_key: bytes) -> Chain:
    """Make a chain of one block.

    Args:
        signer: the issuer's.
        claims: what it allows, with issuer, token_id, issued_at, expires_at, audience, operations, models and providers.
        next_key: the public key whose holder may use it.

    Raises:
        CapabilityInvalid: if no verifier would take it.
        ConfigurationError: if the signer makes no plain Ed25519 signatures.
    """
    return _signed(None, signer, write_claims(claims, 1), next_key)


def extend(chain: Chain, signer: Signer, claims: Claims, next_key: bytes) -> Chain:
    """Make a chain that allows less.

    Args:
        chain: what to narrow.
        signer: the holder of its last key.
        claims: what to narrow it by; `Claims()` for nothing.
        next_key: the public key whose holder may use it.

    Raises:
        CapabilityInvalid: if no verifier would take it, and if the signer is not the holder.
        ConfigurationError: if the signer makes no plain Ed25519 signatures.
    """
    if signer.public_key.raw != chain.blocks[-1].next_key:
        raise refused(Deny.NOT_YOURS, "its last key is another than the one given: use the key that it was delegated to")
    return _signed(chain, signer, write_claims(claims, len(chain.blocks) + 1), next_key)


def _signed(chain: Chain | None, signer: Signer, payload: bytes, next_key: bytes) -> Chain:
    try:
        PublicKey(next_key)
    except Refused as refusal:
        raise refused(Deny.KEY, f"the key to delegate to: {refusal}") from None
    message = block_message(chain.blocks[-1] if chain else None, payload, next_key)
    signature = signer.sign(message)
    # A key in this process signs as it should. One in a KMS may be set to the pre-hashed variant.
    if not isinstance(signer, PrivateKey) and not signer.public_key.verify(signature, message):
        raise ConfigurationError(f"the signer of key {signer.public_key.key_id[:12]} makes no plain Ed25519 signatures")
    return extended(chain, Block(payload, next_key, signature))
