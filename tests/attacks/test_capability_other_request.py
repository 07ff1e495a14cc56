"""Attack: a call token that was made for one request is sent with another one: other words, another route, a dearer model, more tools.

Guards: saferoute/capabilities/proof.py::if proof.asked != asked:
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.asked import asked_hash
from saferoute.errors import CapabilityInvalid
from saferoute.values.conversation import messages_from
from saferoute.values.request import ChatRequest
from tests.support.token_cases import call, verify_call


@pytest.mark.parametrize(
    "asked",
    [
        asked_hash("chat", "fast", ChatRequest(messages_from("hello "))),
        asked_hash("chat", "smart", ChatRequest(messages_from("hello"))),
        asked_hash("embed", "fast", ChatRequest(messages_from("hello"))),
        asked_hash("chat", "fast", ChatRequest(messages_from("hello"), max_output_tokens=5)),
        asked_hash("chat", "fast", ChatRequest(messages_from("hello"), stream=True)),
        asked_hash("chat", "fast", ChatRequest(messages_from("hello")), purpose="other"),
        asked_hash("chat", "fast", ChatRequest(messages_from("hello")), data="public"),
        "",
        "0" * 64,
    ],
)
def test_a_proof_is_for_one_request(asked: str) -> None:
    text = call()
    verify_call(text)
    with pytest.raises(CapabilityInvalid, match="its proof is for another request") as caught:
        verify_call(text, asked=asked)
    assert caught.value.code == "asked"
