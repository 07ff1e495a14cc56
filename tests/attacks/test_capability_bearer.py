"""Attack: somebody who copied a token out of a log, a file or a queue uses it as if it were theirs.

That is what bearer tokens allow, the master keys of LLM proxies among them.

Guards: saferoute/capabilities/token.py::raise refused(Deny.PROOF_MISSING, "it has no proof, so that anybody could have copied it: send what Capability.prove(...) makes")
Guards: saferoute/capabilities/token.py::if text.startswith(_HOLDER):
Guards: saferoute/capabilities/mint.py::raise refused(Deny.NOT_YOURS, "its last key is another than the one given: use the key that it was delegated to")
Guards: saferoute/capabilities/proof.py::raise refused(Deny.NOT_YOURS, "its last key is another than the one given: use the key that it was delegated to")
Guards: saferoute/client/capability.py::raise refused(Deny.NOT_YOURS, "its last key is another than the one given: use the key that it was delegated to")
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.caveats import Claims
from saferoute.capabilities.chain import verify_chain
from saferoute.capabilities.mint import extend
from saferoute.capabilities.proof import Proof, prove
from saferoute.capabilities.token import read_call, read_chain
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import ASKED, HOLDERS, NOW, STRANGER, call, chain, issuers


def test_a_chain_without_a_proof_is_no_call_token() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        read_call(chain())
    assert caught.value.code == "proof_missing"


def test_a_holders_form_from_outside_is_refused_by_every_reader() -> None:
    made = Capability.mint(Issuer.generate("acme"), audience="web", expires_in=60, models="model-1", providers="example")
    form = made.to_holder()
    for read in (read_call, read_chain, lambda text: verify_chain(text, issuers()), lambda text: Capability.receive(text, STRANGER)):
        with pytest.raises(CapabilityInvalid) as caught:
            read(form)
        assert caught.value.code == "holder_form"
        assert form not in str(caught.value)


def test_a_call_token_is_no_chain() -> None:
    for read in (read_chain, lambda text: verify_chain(text, issuers()), lambda text: Capability.receive(text, HOLDERS[0])):
        with pytest.raises(CapabilityInvalid) as caught:
            read(call())
        assert caught.value.code == "form"


def test_only_the_holder_of_the_last_key_can_use_a_delegated_chain() -> None:
    text = chain()
    assert Capability.receive(text, HOLDERS[0]).chain == text
    with pytest.raises(CapabilityInvalid) as caught:
        Capability.receive(text, STRANGER)
    assert caught.value.code == "not_yours"
    with pytest.raises(CapabilityInvalid) as caught:
        extend(read_chain(text), STRANGER, Claims(), HOLDERS[1].public_key.raw)
    assert caught.value.code == "not_yours"
    with pytest.raises(CapabilityInvalid) as caught:
        prove(read_chain(text), STRANGER, Proof("web", "ab" * 16, ASKED, NOW))
    assert caught.value.code == "not_yours"
