"""Attack: a token that was revoked, or one that was made of it, is used again; so is a token whose verification was kept from before.

CVE-2026-6550 was a cache of verified messages that passed over the policy on a hit.

Guards: saferoute/capabilities/chain.py::if revoked and (verified.token_id in revoked or any(digest in revoked for digest in verified.digests)):
"""

from __future__ import annotations

import hashlib

import pytest

from saferoute.capabilities.chain import VerifiedChains, check_now
from saferoute.errors import CapabilityInvalid
from tests.support.token_cases import NOW, chain, issuers, root, verified

LONG = chain(root(), {"max_out": 10}, {"tools": []})
JTI = root()["jti"]


def _prefixes() -> list[str]:
    parts = LONG.split(".")
    return [hashlib.sha256(".".join(parts[:end]).encode()).hexdigest() for end in range(2, len(parts) + 1)]


def test_digests_are_those_of_the_texts() -> None:
    assert list(verified(LONG).digests) == _prefixes()
    assert verified(LONG).digest == hashlib.sha256(LONG.encode()).hexdigest()


@pytest.mark.parametrize("name", [JTI, *_prefixes()])
def test_its_id_and_every_prefix_can_be_revoked(name: str) -> None:
    with pytest.raises(CapabilityInvalid, match="was revoked") as caught:
        check_now(verified(LONG), NOW, frozenset({"0" * 64, name}))
    assert caught.value.code == "revoked"


def test_others_stay_good() -> None:
    one = verified(LONG)
    check_now(one, NOW, frozenset({"0" * 64, "f" * 32, "acme"}))
    check_now(one, NOW, frozenset())
    sibling = verified(chain(root(), {"max_out": 11}))
    check_now(sibling, NOW, frozenset(_prefixes()[1:]))
    with pytest.raises(CapabilityInvalid):
        check_now(sibling, NOW, frozenset(_prefixes()[:1]))


def test_a_kept_verification_is_asked_again() -> None:
    kept = VerifiedChains()
    one = kept.verify(LONG, issuers(), 1)
    check_now(one, NOW)
    again = kept.verify(LONG, issuers(), 1)
    assert again is one
    with pytest.raises(CapabilityInvalid) as caught:
        check_now(again, NOW, frozenset({JTI}))
    assert caught.value.code == "revoked"
