"""Attack: a holder hands on to a key that anybody can sign for, or a signature is moved by the group's order.

OpenSSL takes public keys of small order: under the identity point one constant signature verifies every message.

Guards: saferoute/capabilities/chain.py::keys = (PublicKey(block.next_key),) => keys = (__import__("types").SimpleNamespace(raw=block.next_key, verify=keys[0].verify),)
Guards: saferoute/capabilities/mint.py::PublicKey(next_key)
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.chain import verify_chain
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import HOLDERS, call, chain, issuers, packed, root, unpacked, verify_call

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
SMALL = [
    (1).to_bytes(32, "little"),  # the identity
    (0).to_bytes(32, "little"),
    (P - 1).to_bytes(32, "little"),
    (1 | 1 << 255).to_bytes(32, "little"),
    (1 << 255).to_bytes(32, "little"),
]
NOT_CANONICAL = [(P + n).to_bytes(32, "little") for n in range(19)] + [b"\xff" * 32]


@pytest.mark.parametrize("key", SMALL + NOT_CANONICAL)
def test_a_next_key_that_anybody_can_sign_for_is_refused(key: bytes) -> None:
    for text in (chain(root(), keys=(key,)), chain(root(), {}, keys=(HOLDERS[0].public_key.raw, key))):
        with pytest.raises(CapabilityInvalid) as caught:
            verify_chain(text, issuers())
        assert caught.value.code == "key"


def test_the_constant_signature_of_the_identity_proves_nothing() -> None:
    text = chain(root(), keys=(SMALL[0],))
    token = call(text)
    data = bytearray(unpacked(token.rpartition("~")[2]))
    data[-64:] = SMALL[0] + bytes(32)
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(f"{text}~{packed(bytes(data))}")
    assert caught.value.code == "key"


@pytest.mark.parametrize("key", [SMALL[0], NOT_CANONICAL[0], b"", b"k" * 31, b"k" * 33])
def test_nobody_delegates_to_such_a_key_by_mistake(key: bytes) -> None:
    made = Capability.mint(Issuer.generate("acme"), audience="web", expires_in=60, models="m", providers="p")
    with pytest.raises(CapabilityInvalid) as caught:
        made.delegate(to=key)
    assert caught.value.code == "key"


def _moved(part: str) -> str:
    data = unpacked(part)
    return packed(data[:-32] + (int.from_bytes(data[-32:], "little") + ORDER).to_bytes(32, "little"))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_signature_cannot_be_moved_by_the_groups_order(number: int) -> None:
    parts = chain(root(), {}, {}).split(".")
    parts[number] = _moved(parts[number])
    with pytest.raises(CapabilityInvalid) as caught:
        verify_chain(".".join(parts), issuers())
    assert caught.value.code == "signature"


def test_nor_can_a_proofs() -> None:
    text, _, proof = call().partition("~")
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(f"{text}~{_moved(proof)}")
    assert caught.value.code == "proof"
