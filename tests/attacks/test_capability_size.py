"""Attack: a token of a megabyte, or of very many blocks, that costs the verifier more than it costs the sender.

Guards: saferoute/capabilities/token.py::if len(text) > MAX_TOKEN_BYTES:
Guards: saferoute/capabilities/token.py::if len(parts) > MAX_BLOCKS:
Guards: saferoute/capabilities/token.py::if len(blocks) > MAX_BLOCKS:
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.caveats import Claims
from saferoute.capabilities.mint import extend
from saferoute.capabilities.token import Block, read_call, read_chain, read_holder, write_call, write_holder
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import HOLDERS, chain, root


def _code(read: object, text: str) -> str:
    with pytest.raises(CapabilityInvalid) as caught:
        read(text)  # type: ignore[operator]
    return caught.value.code


@pytest.mark.parametrize(
    "text", ["srcap1." + "A" * 1_000_000, "srcap1." + "A." * 500_000, "srcap1." + "~" * 1_000_000, "A" * 8193, "é" * 1_000_000]
)
def test_a_large_token_is_not_looked_into(text: str) -> None:
    assert _code(read_chain, text) == "too_large"
    assert _code(read_call, text) == "too_large"
    assert _code(read_holder, text) == "form"


def test_8192_characters_are_the_most() -> None:
    text = "srcap1." + "A" * 8185
    assert len(text) == 8192
    assert _code(read_chain, text) == "encoding"
    assert _code(read_chain, text + "A") == "too_large"


def test_nine_blocks_and_a_thousand_are_refused_before_any_is_decoded() -> None:
    parts = chain(root(), *[{}] * 7)
    assert len(read_chain(parts).blocks) == 8
    assert _code(read_chain, parts + ".") == "blocks"
    assert _code(read_chain, parts + ".A") == "blocks"
    assert _code(read_chain, "srcap1" + ".!" * 1000) == "blocks"


def test_nobody_makes_one_that_large() -> None:
    issuer = Issuer.generate("acme")
    names = [f"{n:03d}{'m' * 150}" for n in range(64)]
    with pytest.raises(CapabilityInvalid) as caught:
        Capability.mint(issuer, audience="web", expires_in=60, models=names, providers="p")
    assert caught.value.code == "too_large"
    whole = read_chain(chain(root(), *[{}] * 7))
    with pytest.raises(CapabilityInvalid) as caught:
        extend(whole, HOLDERS[7], Claims(), HOLDERS[8].public_key.raw)
    assert caught.value.code == "blocks"
    with pytest.raises(CapabilityInvalid) as caught:
        write_call(whole, b"x" * 8192, bytes(64))
    assert caught.value.code == "too_large"
    with pytest.raises(CapabilityInvalid) as caught:
        write_holder(whole, b"x" * 8192)
    assert caught.value.code == "too_large"


def test_a_length_that_says_more_or_less_is_refused() -> None:
    from tests.support.token_cases import packed, unpacked

    data = unpacked(chain().partition(".")[2])
    size = int.from_bytes(data[:4], "big")
    for said in (0, 1, size - 1, size + 1, size + 96, 2**32 - 1):
        assert _code(read_chain, "srcap1." + packed(said.to_bytes(4, "big") + data[4:])) == "encoding"
    for cut in range(100):
        assert _code(read_chain, "srcap1." + packed(data[:cut])) == "encoding"
    assert _code(read_chain, "srcap1." + packed(data + b"\0")) == "encoding"
    assert read_chain("srcap1." + packed(data)).blocks[0] == Block(data[4 : 4 + size], data[-96:-64], data[-64:])
