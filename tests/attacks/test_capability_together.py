"""Attack: of several capabilities that a call is made under, one has ended, has not begun or was revoked, and passes with the others.

They are looked at together, by what was worked out when they were verified; every one of them must hold all the same, at every use.

Guards: saferoute/call/authority.py::if self._begins <= now < self._ends and (not gone or gone.isdisjoint(self._names)):
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import permutations

import pytest

from saferoute.call.authority import Authority, Powers
from saferoute.capabilities.chain import SKEW, Verified, VerifiedChains, check_now
from saferoute.errors import CapabilityError, CapabilityExpired, CapabilityInvalid
from saferoute.values.permission import HeldChain
from tests.support.token_cases import LIFE, NOW, chain, issuers, root, verified

USUAL = verified(chain(root(jti="0" * 32, exp=NOW + 2 * LIFE), {"tools": []}))
SHORT = verified(chain(root(jti="1" * 32, exp=NOW + 60)))
LATE = verified(chain(root(jti="2" * 32, nbf=NOW + 900, exp=NOW + LIFE)))
NEW = verified(chain(root(jti="3" * 32, iat=NOW + 300, exp=NOW + LIFE)))

MOMENTS = [
    moment + more
    for moment in (NOW, NOW + 60, NOW + 300, NOW + 900, NOW + LIFE, NOW + 2 * LIFE)
    for more in (-SKEW - 1, -SKEW, -1, -0.5, 0, 1)
]


def _powers(*held: Verified) -> Powers:
    return Powers(tuple(one.permission for one in held), held)


def _told(held: tuple[Verified, ...], now: float, revoked: frozenset[str]) -> tuple[type[CapabilityError], str, str | None] | None:
    """What the first of them that may not be used says, asked one by one."""
    try:
        for one in held:
            check_now(one, now, revoked)
    except CapabilityError as error:
        return type(error), str(error), error.code
    return None


def _said(powers: Powers, now: float, revoked: frozenset[str] = frozenset()) -> tuple[type[CapabilityError], str, str | None] | None:
    try:
        powers.check(now, revoked)
    except CapabilityError as error:
        return type(error), str(error), error.code
    return None


@pytest.mark.parametrize("held", [(one,) for one in (USUAL, SHORT, LATE, NEW)] + list(permutations((USUAL, SHORT, LATE, NEW), 2)), ids=str)
def test_each_of_them_has_to_be_good_now(held: tuple[Verified, ...]) -> None:
    for now in [*MOMENTS, math.inf, -math.inf]:
        assert _said(_powers(*held), now) == _told(held, now, frozenset())
    with pytest.raises(CapabilityExpired):
        _powers(*held).check(math.nan)


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize("name", [USUAL.token_id, *USUAL.digests])
def test_each_of_them_can_be_revoked(name: str, place: int) -> None:
    held = (USUAL, SHORT) if place == 0 else (SHORT, USUAL)
    gone, others = frozenset({name, "f" * 64}), frozenset({"f" * 64, "acme"})
    assert _said(_powers(*held), NOW, gone) == _told(held, NOW, gone)
    assert _said(_powers(*held), NOW, gone) is not None
    assert _said(_powers(*held), NOW, others) is None
    with pytest.raises(CapabilityInvalid, match="was revoked"):
        replace(_powers(*held), revoked=gone).check(NOW)


def test_what_was_worked_out_before_is_asked_again() -> None:
    held, own = HeldChain(chain(root(jti="4" * 32))), HeldChain(chain(root(jti="5" * 32, exp=NOW + 60)))
    authority = Authority("production", None, issuers(), 1, frozenset(), "web", lambda: "one", VerifiedChains(), (held,))
    assert authority.powers(own, str, NOW) is authority.powers(own, str, NOW + 59)
    assert authority.powers(None, str, NOW) is authority.powers(None, str, NOW + 60)
    with pytest.raises(CapabilityExpired):
        authority.powers(own, str, NOW + 60)
    with pytest.raises(CapabilityExpired):
        authority.powers(None, str, NOW + LIFE)
    for revoked in ("4" * 32, "5" * 32):
        under = replace(authority, revoked=frozenset({revoked}))
        with pytest.raises(CapabilityInvalid, match="was revoked"):
            under.powers(own, str, NOW)
