"""Under what calls are made: what is worked out once, and what is kept of it."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from saferoute.call.authority import Authority, Powers
from saferoute.call.charging import charge_for
from saferoute.call.prepare import _bounded
from saferoute.capabilities.authorise import Asked
from saferoute.capabilities.chain import VerifiedChains
from saferoute.errors import CapabilityForbidden, CapabilityInvalid
from saferoute.values.account import AccountStore
from saferoute.values.permission import Budget, HeldChain, Permission, Scope
from saferoute.values.request import ChatRequest
from tests.support.token_cases import HOLDERS, NOW, chain, issuers, root, verified

GRANT, OWN = Permission("the table's grant"), Permission("a part", data="public")


def _authority(**changes: Any) -> Authority:
    made = Authority("production", None, issuers(), 1, frozenset(), "web", lambda: "one", VerifiedChains())
    return replace(made, **changes)


def _permissions(authority: Authority, own: HeldChain | None = None) -> tuple[Permission, ...]:
    return authority.powers(own, str, NOW).permissions


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ()),
        ({"narrowed": (OWN,)}, ()),
        ({"narrowed": (OWN,), "trust": "local"}, (OWN,)),
        ({"grant": GRANT}, (GRANT,)),
        ({"grant": GRANT, "narrowed": (OWN,)}, (GRANT, OWN)),
    ],
)
def test_without_a_capability(changes: dict[str, Any], expected: tuple[Permission, ...]) -> None:
    authority = _authority(**changes)
    assert _permissions(authority) == _permissions(authority) == expected


def test_with_capabilities_the_grant_says_nothing() -> None:
    first, second = chain(root(jti="1" * 32)), chain(root(jti="2" * 32), {"req": ["a" * 64]})
    authority = _authority(grant=GRANT, narrowed=(OWN,), held=(HeldChain(first),))
    powers = authority.powers(None, str, NOW)
    assert powers.permissions == (verified(first).permission, OWN)
    assert (powers.needs_hash, powers.blocks, powers.once) == (False, verified(first).digests, None)
    both = authority.powers(HeldChain(second), str, NOW)
    assert both.permissions == (verified(first).permission, verified(second).permission, OWN)
    assert (both.needs_hash, both.blocks) == (True, (*verified(first).digests, *verified(second).digests))
    assert both.digests == (verified(first).digest, verified(second).digest)
    assert authority.powers(None, str, NOW) is powers


def test_what_does_not_verify_is_not_kept() -> None:
    authority = _authority(held=(HeldChain(chain(root(iss="nobody"))),))
    for _ in range(2):
        with pytest.raises(CapabilityInvalid, match="not named by the trust root"):
            authority.powers(None, str, NOW)


def test_a_bounded_number_is_kept() -> None:
    authority = _authority()
    first = HeldChain(chain(root()))
    kept = authority.powers(first, str, NOW)
    for number in range(255):
        authority.powers(HeldChain(chain(root(jti=f"{number:032x}"))), str, NOW)
    assert authority.powers(first, str, NOW) is kept
    authority.powers(None, str, NOW)
    again = authority.powers(first, str, NOW)
    assert again == kept
    assert again is not kept


@pytest.mark.parametrize(("said", "presented"), [(None, "host"), ("process", "process"), ("cluster", "cluster")])
def test_how_widely_what_is_presented_is_counted(said: Scope | None, presented: Scope) -> None:
    one = verified(chain(root(scope=said)))
    assert (one.permission.scope, one.presented.scope) == (said, presented)
    assert replace(one.presented, scope=said) == one.permission
    assert one.key == HOLDERS[0].public_key


class _Store:
    scope = "process"


def test_a_scope_alone_is_checked_and_charges_nothing() -> None:
    def opened() -> AccountStore:
        return _Store()  # type: ignore[return-value]  # nothing else of it is looked at

    asked, only = Asked("fast"), Permission("one", scope="process")
    assert charge_for(opened, (only,), asked, ()) is None
    with pytest.raises(CapabilityForbidden, match="by all processes of this host"):
        charge_for(opened, (only, Permission("two", scope="host")), asked, ())
    made = charge_for(opened, (only,), asked, (), ("n", 1.0))
    assert made is not None
    assert (made.accounts, made.once) == ((), ("n", 1.0))
    counted = charge_for(opened, (only, Permission("two", scope="process", budgets=(Budget("k", 1),))), asked, ())
    assert counted is not None
    assert [account.key for account in counted.accounts] == ["k|USD|life"]


def test_a_bound_changes_no_other_field_of_a_request() -> None:
    marks: dict[str, Any] = {field.name: object() for field in fields(ChatRequest)}
    request = ChatRequest(**marks)
    bounded = _bounded(request, 7)
    assert {field.name: getattr(bounded, field.name) for field in fields(ChatRequest)} == marks | {"max_output_tokens": 7}


def test_powers_of_nobody_have_no_names() -> None:
    assert Powers(()).blocks == Powers(()).digests == ()
    for now in (0.0, math.inf, math.nan):  # no capability, so none has ended: the table has clocks of its own
        Powers(()).check(now, frozenset({"a" * 64}))
