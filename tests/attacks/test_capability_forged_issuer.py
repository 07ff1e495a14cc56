"""Attack: somebody mints a capability for themselves.

They sign it with a key of their own, with the key of another issuer, with the name of another issuer, or take over a genuine block and
put their own key behind it.

Guards: saferoute/capabilities/chain.py::if not any(key.verify(block.signature, message) for key in keys):
Guards: saferoute/capabilities/chain.py::record = issuers.get(first.issuer or "") => record = next(iter(issuers.values()))
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.chain import verify_chain
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import HOLDERS, ISSUER, STRANGER, block, chain, issuers, packed, record, root, unpacked


def _refused(text: str, code: str, **changes: object) -> str:
    with pytest.raises(CapabilityInvalid) as caught:
        verify_chain(text, issuers(**changes))
    assert caught.value.code == code
    return str(caught.value)


def test_a_genuine_one_is_taken() -> None:
    assert verify_chain(chain(), issuers()).issuer == "acme"


def test_a_stranger_cannot_sign_for_the_issuer() -> None:
    message = _refused(chain(issuer=STRANGER), "signature")
    assert message == "the capability token is refused: block 1 is not signed with a key of its issuer"


def test_an_issuer_that_the_root_does_not_name_is_nobody() -> None:
    message = _refused(chain(root(iss="evil"), issuer=STRANGER), "issuer")
    assert message == "the capability token is refused: its issuer 'evil' is not named by the trust root, which names acme"
    with pytest.raises(CapabilityInvalid, match=r"which names none$"):
        verify_chain(chain(), {})


def test_one_issuer_cannot_sign_in_the_name_of_another() -> None:
    known = {**issuers(), "other": record(name="other", keys=frozenset({STRANGER.public_key.raw}))}
    assert verify_chain(chain(root(iss="other"), issuer=STRANGER), known).issuer == "other"
    for name, key in (("acme", STRANGER), ("other", ISSUER)):
        with pytest.raises(CapabilityInvalid) as caught:
            verify_chain(chain(root(iss=name), issuer=key), known)
        assert caught.value.code == "signature"


def test_an_issuer_may_have_several_keys_and_each_counts() -> None:
    keys = frozenset({ISSUER.public_key.raw, STRANGER.public_key.raw})
    for key in (ISSUER, STRANGER):
        assert verify_chain(chain(issuer=key), issuers(keys=keys)).issuer == "acme"
    _refused(chain(issuer=HOLDERS[0]), "signature", keys=keys)
    _refused(chain(), "signature", keys=frozenset())


def test_a_next_key_cannot_be_put_over_another() -> None:
    prefix, _, text = chain().partition(".")
    data = unpacked(text)
    assert data[-96:-64] == HOLDERS[0].public_key.raw
    _refused(f"{prefix}.{packed(data[:-96] + STRANGER.public_key.raw + data[-64:])}", "signature")


def test_a_later_block_needs_the_key_that_the_block_before_names() -> None:
    first, signature = block(root(), ISSUER, HOLDERS[0].public_key.raw)
    for signer in (STRANGER, ISSUER, HOLDERS[1]):
        second, _ = block({}, signer, HOLDERS[1].public_key.raw, signature)
        message = _refused(f"srcap1.{first}.{second}", "signature")
        assert message.endswith("block 2 is not signed with the key that block 1 names")
