"""Attack: a holder hands on what was not to be handed on, block behind block.

Guards: saferoute/capabilities/chain.py::raise refused(Deny.DEPTH, f"it has {len(claims)} blocks, and at most {most} are allowed")
Guards: saferoute/capabilities/token.py::if len(parts) > MAX_BLOCKS:
Guards: saferoute/client/capability.py::if self.depth >= most:
"""

from __future__ import annotations

import pytest

from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import HOLDERS, chain, root, verified


@pytest.mark.parametrize("limit", range(1, 8))
def test_every_block_can_end_the_chain(limit: int) -> None:
    for where in range(limit):  # the block that says it
        payloads = [root(depth=limit) if number == 0 and where == 0 else root() if number == 0 else {} for number in range(limit + 1)]
        if where:
            payloads[where] = {"depth": limit}
        assert verified(chain(*payloads[:limit])).depth == limit
        with pytest.raises(CapabilityInvalid) as caught:
            verified(chain(*payloads))
        assert caught.value.code == "depth"
        assert f"it has {limit + 1} blocks, and at most {limit} are allowed" in str(caught.value)


def test_a_later_block_cannot_allow_more_of_them() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(depth=2), {"depth": 8}, {}))
    assert caught.value.code == "depth"


def test_the_issuers_own_limit_holds() -> None:
    assert verified(chain(root(), {}), max_depth=2).depth == 2
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(depth=8), {}, {}), max_depth=2)
    assert caught.value.code == "depth"


def test_eight_blocks_are_the_most_whatever_anybody_says() -> None:
    assert verified(chain(root(depth=8), *[{}] * 7)).depth == 8
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(), *[{}] * 8), max_depth=100)
    assert caught.value.code == "blocks"
    assert str(caught.value).endswith("it has 9 blocks, and at most 8 are allowed")


def test_a_holder_is_told_before_the_token_travels() -> None:
    made = Capability.mint(Issuer.generate("acme"), audience="web", expires_in=60, models="m", providers="p", max_depth=2)
    last = made.attenuate()
    for longer in (last.attenuate, lambda: last.delegate(to=HOLDERS[0].public_key)):
        with pytest.raises(CapabilityInvalid) as caught:
            longer()
        assert caught.value.code == "depth"
    with pytest.raises(CapabilityInvalid) as caught:
        made.attenuate(max_depth=1).attenuate()
    assert caught.value.code == "depth"
