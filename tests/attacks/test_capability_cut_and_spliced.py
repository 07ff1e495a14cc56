"""Attack: a holder takes blocks out of a chain, puts them into another order, or joins blocks of two chains, to be rid of a caveat.

Guards: saferoute/capabilities/chain.py::raise refused(Deny.SIGNATURE, f"block {number} is not signed with {whose}")
Guards: saferoute/capabilities/chain.py::previous = block
Guards: saferoute/capabilities/proof.py::raise refused(Deny.PROOF, "its proof is not signed with the chain's last key")
Guards: saferoute/capabilities/proof.py::raise refused(Deny.PROOF, "it is not the chain that was verified")
"""

from __future__ import annotations

from itertools import permutations

import pytest

from saferoute.capabilities.chain import verify_chain
from saferoute.capabilities.proof import verify_proof
from saferoute.capabilities.token import read_call
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import (
    ASKED,
    HOLDERS,
    ISSUER,
    NOW,
    STRANGER,
    block,
    call,
    chain,
    issuers,
    proof,
    proof_said,
    root,
    verified,
    verify_call,
)

LONG = chain(root(), {"max_out": 10}, {"tools": []}, {"max_in": 10})


def _code(text: str) -> str:
    with pytest.raises(CapabilityInvalid) as caught:
        verify_chain(text, issuers())
    return caught.value.code


@pytest.mark.parametrize("gone", [(1,), (2,), (1, 2)])
def test_a_block_in_the_middle_cannot_go(gone: tuple[int, ...]) -> None:
    parts = LONG.split(".")[1:]
    kept = [part for number, part in enumerate(parts) if number not in gone]
    assert _code(".".join(["srcap1", *kept])) == "signature"


def test_without_its_last_block_a_chain_has_another_last_key() -> None:
    shorter = LONG.rpartition(".")[0]
    assert verify_chain(shorter, issuers()).tail == HOLDERS[2].public_key.raw
    with pytest.raises(CapabilityInvalid, match="not signed with the chain's last key") as caught:
        verify_call(call(shorter, signer=HOLDERS[3]))
    assert caught.value.code == "proof"


def test_a_proof_of_the_whole_chain_proves_no_shorter_one() -> None:
    proof_text = call(LONG).rpartition("~")[2]
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(f"{LONG.rpartition('.')[0]}~{proof_text}")
    assert caught.value.code == "proof"


def test_every_other_order_is_refused() -> None:
    parts = LONG.split(".")[1:]
    for order in permutations(parts):
        if list(order) != parts:
            assert _code(".".join(["srcap1", *order])) in {"signature", "claim"}


def test_a_block_cannot_stand_twice() -> None:
    assert _code(LONG + "." + LONG.rpartition(".")[2]) == "signature"


def test_every_cut_of_the_text_is_refused() -> None:
    text = call(LONG)
    for end in range(len(text)):
        with pytest.raises(CapabilityInvalid):
            verify_call(text[:end])


def test_a_block_of_one_chain_does_not_fit_into_another() -> None:
    # The same keys and the same words; only the first block's signature differs, by the token's id.
    other = chain(root(jti="f" * 32), {"max_out": 10_000})
    assert verify_chain(other, issuers()).permission.max_output == 10_000
    mixed = f"{chain()}.{other.rpartition('.')[2]}"
    assert _code(mixed) == "signature"


def test_a_block_signed_for_the_beginning_does_not_stand_later() -> None:
    # It is signed as if nothing came before it.
    first, _ = block(root(), ISSUER, HOLDERS[0].public_key.raw)
    second, _ = block({}, HOLDERS[0], HOLDERS[1].public_key.raw)
    assert _code(f"srcap1.{first}.{second}") == "signature"


def test_the_proof_must_be_the_last_keys() -> None:
    for signer in (STRANGER, ISSUER, HOLDERS[0], HOLDERS[2], HOLDERS[4]):
        with pytest.raises(CapabilityInvalid, match="not signed with the chain's last key") as caught:
            verify_call(call(LONG, signer=signer))
        assert caught.value.code == "proof"
    assert verify_call(call(LONG))


def test_a_proof_counts_only_for_the_chain_that_it_was_read_with() -> None:
    # Both chains end in one key; what was verified is the other one.
    other = chain(root(jti="f" * 32))
    with pytest.raises(CapabilityInvalid, match="not the chain that was verified"):
        verify_proof(read_call(call()), verified(other), audience="web", asked=ASKED, now=NOW)
    swapped = f"{other}~{proof(chain(), proof_said(), HOLDERS[0])}"
    with pytest.raises(CapabilityInvalid, match="not signed with the chain's last key"):
        verify_call(swapped)
