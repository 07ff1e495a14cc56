"""Attack: somebody who gets at an issuer's signing service mints a token that lives for years.

Guards: saferoute/capabilities/chain.py::if not 0 < life <= record.max_life:
"""

from __future__ import annotations

import pytest

from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import NOW, chain, root, verified


def test_a_life_up_to_the_issuers_longest_is_taken() -> None:
    assert verified(chain(root(exp=NOW + 600)), max_life=600).expires_at == NOW + 600
    assert verified(chain(root(exp=NOW + 1)), max_life=600).expires_at == NOW + 1


@pytest.mark.parametrize("exp", [NOW + 601, NOW + 10**9, NOW, NOW - 1, 0])
def test_a_longer_one_or_none_is_refused(exp: int) -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(exp=exp)), max_life=600)
    assert caught.value.code == "life"
    assert f"it lives for {exp - NOW} seconds, and its issuer's tokens for 1 to 600" in str(caught.value)


def test_a_short_life_in_a_later_block_does_not_excuse_the_issuers() -> None:
    with pytest.raises(CapabilityInvalid) as caught:
        verified(chain(root(exp=NOW + 601), {"exp": NOW + 60}), max_life=600)
    assert caught.value.code == "life"
