"""Attack: the root was rotated to shut an issuer out, or to lower its ceiling, and a token that was verified before is used again.

CVE-2026-6550 was a cache of verified messages that passed over the policy on a hit.

Guards: saferoute/capabilities/chain.py::if kept is not None and kept[0] == root_version: => if kept is not None:
Guards: saferoute/capabilities/chain.py::if record is not None and record.digest == kept[1].issuer_digest: => if record is not None:
"""

from __future__ import annotations

import pytest

from saferoute.capabilities.chain import VerifiedChains
from saferoute.errors import CapabilityInvalid
from saferoute.values.permission import Permission
from tests.support.token_cases import STRANGER, chain, issuers


def test_the_same_root_and_record_need_no_second_look() -> None:
    kept = VerifiedChains()
    first = kept.verify(chain(), issuers(), 1)
    assert kept.verify(chain(), issuers(), 1) is first


def test_after_a_rotation_everything_is_verified_again() -> None:
    kept = VerifiedChains()
    first = kept.verify(chain(), issuers(), 1)
    assert kept.verify(chain(), issuers(), 2) is not first
    with pytest.raises(CapabilityInvalid) as caught:  # the digest is the same here: the version alone must do
        kept.verify(chain(), issuers(keys=frozenset({STRANGER.public_key.raw})), 3)
    assert caught.value.code == "signature"


def test_an_issuer_that_is_gone_is_gone_at_once() -> None:
    kept = VerifiedChains()
    kept.verify(chain(), issuers(), 1)
    with pytest.raises(CapabilityInvalid) as caught:
        kept.verify(chain(), {}, 1)
    assert caught.value.code == "issuer"


def test_a_lower_ceiling_holds_at_once() -> None:
    kept = VerifiedChains()
    assert kept.verify(chain(), issuers(), 1).permission.max_output is None
    lower = issuers(digest="e" * 64, ceiling=Permission("", max_output=5))
    assert kept.verify(chain(), lower, 1).permission.max_output == 5


def test_it_keeps_a_bounded_number_and_nothing_that_was_refused() -> None:
    kept = VerifiedChains(most=1)
    first = kept.verify(chain(), issuers(), 1)
    with pytest.raises(CapabilityInvalid):
        kept.verify(chain(issuer=STRANGER), issuers(), 1)
    assert kept.verify(chain(), issuers(), 1) is first
    from tests.support.token_cases import root

    kept.verify(chain(root(jti="e" * 32)), issuers(), 1)
    assert kept.verify(chain(), issuers(), 1) is not first
