"""Attack: bytes that a key signed for another purpose are handed in as a block or a proof, or the other way round.

GHSA-7hp6-4w63-5g45 was one key that served two purposes without telling them apart.

Guards: saferoute/capabilities/token.py::return b"".join((_BLOCK_TAG, before, _length(payload), payload, next_key)) => return b"".join((before, _length(payload), payload, next_key))
Guards: saferoute/capabilities/token.py::return b"".join((_PROOF_TAG, bytes.fromhex(digest), _length(payload), payload)) => return b"".join((bytes.fromhex(digest), _length(payload), payload))
"""

from __future__ import annotations

import hashlib

import pytest

from saferoute.capabilities.chain import verify_chain
from saferoute.capabilities.token import Block, block_message, proof_message
from saferoute.errors import CapabilityInvalid
from saferoute.signing.envelope import PayloadType, pae
from tests.support.token_cases import HOLDERS, ISSUER, chain, issuers, packed, proof_said, root, verify_call, written


def _as_block(signature: bytes, body: bytes, next_key: bytes) -> str:
    return "srcap1." + packed(len(body).to_bytes(4, "big") + body + next_key + signature)


def test_the_exact_bytes() -> None:
    before = Block(b"", b"", b"s" * 64)
    assert block_message(None, b"{}", b"k" * 32) == b"saferoute srcap1 block\n" + bytes(32) + b"\0\0\0\x02{}" + b"k" * 32
    assert block_message(before, b"{}", b"k" * 32)[23:55] == hashlib.sha256(b"s" * 64).digest()
    assert proof_message("ab" * 32, b"{}") == b"saferoute srcap1 proof\n" + b"\xab" * 32 + b"\0\0\0\x02{}"


@pytest.mark.parametrize("kind", list(PayloadType))
def test_an_envelopes_signature_is_no_blocks(kind: PayloadType) -> None:
    body, key = written(root()), HOLDERS[0].public_key.raw
    for message in (pae(kind, body), pae(kind, body + key), body + key, bytes(32) + len(body).to_bytes(4, "big") + body + key):
        with pytest.raises(CapabilityInvalid) as caught:
            verify_chain(_as_block(ISSUER.sign(message), body, key), issuers())
        assert caught.value.code == "signature"


def test_a_proofs_signature_is_no_blocks_and_a_blocks_is_no_proofs() -> None:
    body, key = written(root()), HOLDERS[0].public_key.raw
    with pytest.raises(CapabilityInvalid) as caught:
        verify_chain(_as_block(ISSUER.sign(proof_message("00" * 32, body + key)), body, key), issuers())
    assert caught.value.code == "signature"
    text, said = chain(), written(proof_said())
    digest = hashlib.sha256(text.encode()).digest()
    for message in (block_message(None, said, b""), digest + len(said).to_bytes(4, "big") + said, pae("application/json", said)):
        token = f"{text}~{packed(len(said).to_bytes(4, 'big') + said + HOLDERS[0].sign(message))}"
        with pytest.raises(CapabilityInvalid) as caught:
            verify_call(token)
        assert caught.value.code == "proof"
