"""Attack: a service that holds a mighty capability is sent a request with a weak caller's proof, and answers with its own might.

Guards: saferoute/capabilities/proof.py::if token.digest != verified.digest:
Guards: saferoute/capabilities/token.py::return b"".join((_PROOF_TAG, bytes.fromhex(digest), _length(payload), payload)) => return b"".join((_PROOF_TAG, _length(payload), payload))
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import ASKED, HOLDERS, NOW, block, call, chain, root, verified, verify_call

MIGHTY = chain(root(jti="1" * 32, data="restricted"))
WEAK = chain(root(jti="2" * 32, data="public"))


def test_a_callers_proof_counts_only_for_the_callers_chain() -> None:
    # One key stands at the end of both chains, so that only the digest tells them apart.
    proof = call(WEAK).rpartition("~")[2]
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(f"{MIGHTY}~{proof}")
    assert caught.value.code == "proof"
    with pytest.raises(CapabilityInvalid) as caught:
        verify_proof(read_call(call(WEAK)), verified(MIGHTY), audience="web", asked=ASKED, now=NOW)
    assert caught.value.code == "proof"
    assert verify_call(call(MIGHTY))
    assert verify_call(call(WEAK))


def test_a_callers_key_proves_nothing_for_another_chain() -> None:
    from tests.support.token_cases import ISSUER

    text, _ = block(root(jti="3" * 32), ISSUER, HOLDERS[5].public_key.raw)
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(call(f"srcap1.{text}", signer=HOLDERS[0]))
    assert caught.value.code == "proof"
