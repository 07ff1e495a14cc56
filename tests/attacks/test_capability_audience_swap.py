"""Attack: a server that was sent a call token sends it on to another server, as if it had been meant for that one.

Guards: saferoute/capabilities/proof.py::if proof.audience != audience or (allowed is not None and audience not in allowed):
Guards: saferoute/capabilities/proof.py::if (verified.permission.scope == "process" or proof.instance is not None) and (instance is None or proof.instance != instance):
"""

from __future__ import annotations

import pytest

from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import call, chain, root, verify_call


def _code(text: str, audience: str = "web", instance: str | None = None) -> str:
    with pytest.raises(CapabilityInvalid) as caught:
        verify_call(text, audience=audience, instance=instance)
    return caught.value.code


def test_a_proof_is_for_one_audience() -> None:
    text = call(chain(root(aud=["billing", "web"])))
    verify_call(text, audience="web")
    assert _code(text, "billing") == "aud"
    assert _code(text, "") == "aud"
    assert _code(text, "WEB") == "aud"


def test_a_proof_cannot_name_an_audience_that_the_chain_does_not_allow() -> None:
    assert _code(call(aud="billing"), "billing") == "aud"
    narrowed = chain(root(aud=["billing", "web"]), {"aud": ["billing"]})
    assert _code(call(narrowed), "web") == "aud"
    verify_call(call(narrowed, aud="billing"), audience="billing")


def test_at_process_scope_a_proof_is_for_one_process() -> None:
    text = chain(root(scope="process"))
    verify_call(call(text, inst="p-1"), instance="p-1")
    assert _code(call(text, inst="p-1"), instance="p-2") == "instance"
    assert _code(call(text), instance="p-1") == "instance"
    assert _code(call(text, inst="p-1")) == "instance"
    assert _code(call(text)) == "instance"


def test_a_proof_that_names_a_process_is_for_no_other_at_any_scope() -> None:
    verify_call(call(inst="p-1"), instance="p-1")
    verify_call(call(), instance="p-1")
    assert _code(call(inst="p-1"), instance="p-2") == "instance"
    assert _code(call(inst="p-1")) == "instance"
