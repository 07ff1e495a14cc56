"""The limits of a permission: which counters, once each, how widely, and in words."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.capabilities.accounts import COUNTED
from saferoute.capabilities.caveats import Claims, read_claims
from saferoute.capabilities.chain import verify_chain
from saferoute.capabilities.quotas import block_quotas, check_limit_scope, check_quotas, quota_in_words
from saferoute.capabilities.token import read_chain
from saferoute.capabilities.words import permission_words
from saferoute.client.capability import Capability, Issuer
from saferoute.errors import CapabilityForbidden
from saferoute.values.limits import Quota
from saferoute.values.permission import Permission, Scope

A = Quota("a", "requests", 5, "x")


def _with(*limits: Quota, **more: Any) -> Permission:
    return Permission("c", limits=limits, **more)


def test_a_block_that_says_nothing_has_no_counter() -> None:
    assert block_quotas((Claims(), Claims()), ("a", "b"), "o") == ()


def test_the_counters_are_named_after_the_blocks_and_the_claims() -> None:
    claims = (Claims(requests_per_minute=1, tokens_per_minute=2, concurrent=3), Claims(), Claims(concurrent=4))
    assert block_quotas(claims, ("a", "b", "c"), "o") == (
        Quota("cap:a:rpm", "requests", 1, "o"),
        Quota("cap:a:tpm", "tokens", 2, "o"),
        Quota("cap:a:concurrent", "concurrent", 3, "o"),
        Quota("cap:c:concurrent", "concurrent", 4, "o"),
    )
    with pytest.raises(ValueError, match="zip"):
        block_quotas(claims, ("a", "b"), "o")


def test_a_ceiling_bounds_the_first_block_only() -> None:
    ceiling = _with(A, Quota("b", "tokens", 7, "x"))
    check_quotas((Claims(requests_per_minute=5, tokens_per_minute=7, concurrent=99), Claims(requests_per_minute=6)), ceiling)
    check_quotas((Claims(requests_per_minute=6),), _with())


STORES: tuple[Scope, ...] = ("process", "host", "cluster")


@pytest.mark.parametrize("scope", [None, *STORES])
@pytest.mark.parametrize("store", STORES)
def test_a_store_counts_at_least_as_widely(scope: Scope | None, store: Scope) -> None:
    check_limit_scope(Permission("c", scope=scope), store)
    needed = scope or "host"
    if STORES.index(store) >= STORES.index(needed):
        check_limit_scope(_with(A, scope=scope), store)
        return
    with pytest.raises(CapabilityForbidden) as caught:
        check_limit_scope(_with(A, scope=scope), store)
    assert caught.value.code == "scope"
    where = "redis(url)" if needed == "cluster" else "sqlite(path)"
    assert str(caught.value) == (
        f"the limits of c must be counted {COUNTED[needed]}, and this client counts them {COUNTED[store]}: "
        f"pass Client(accounts=saferoute.Accounts.{where})"
    )


@pytest.mark.parametrize(
    ("quota", "words"),
    [
        (Quota("k", "requests", 1, ""), "1 request a minute"),
        (Quota("k", "requests", 60, ""), "60 requests a minute"),
        (Quota("k", "tokens", 1, ""), "1 token a minute"),
        (Quota("k", "tokens", 20_000, ""), "20000 tokens a minute"),
        (Quota("k", "concurrent", 1, ""), "1 request at once"),
        (Quota("k", "concurrent", 2, ""), "2 requests at once"),
    ],
)
def test_a_limit_in_words(quota: Quota, words: str) -> None:
    assert quota_in_words(quota) == words


def test_a_permission_says_its_limits_and_whose_they_are() -> None:
    permission = Permission("c", limits=(Quota("i", "tokens", 9, "the issuer ci (all)"), Quota("k", "requests", 5, "c")))
    assert permission_words(permission) == (
        "limit of the issuer ci (all): 9 tokens a minute",
        "limit: 5 requests a minute, shared by all that is made of it",
        "counted by: all processes of one host together",
    )


def test_a_capability_tells_its_limits() -> None:
    issuer = Issuer.generate("acme")
    plain: dict[str, Any] = {"audience": "web", "expires_in": 60, "models": "m", "providers": "example"}
    made = Capability.mint(issuer, **plain, requests_per_minute=60, tokens_per_minute=90_000, scope="process").attenuate(concurrent=1)
    lines = made.describe().splitlines()
    assert [line for line in lines if "limit" in line or "counted" in line] == [
        "  limit: 60 requests a minute, shared by all that is made of it",
        "  limit: 90000 tokens a minute, shared by all that is made of it",
        "  limit: 1 request at once, shared by all that is made of it",
        "  counted by: each process, and forgotten when it ends",
    ]
    assert "limit: 60 requests a minute" in made._repr_html_()
    first, second = (read_claims(block.payload, number) for number, block in enumerate(read_chain(made.chain).blocks, 1))
    assert (first.requests_per_minute, first.tokens_per_minute, first.concurrent) == (60, 90_000, None)
    assert second == Claims(concurrent=1)
    limits = verify_chain(made.chain, {"acme": issuer.record()}).permission.limits
    assert {quota.owner for quota in limits} == {f"the capability {made.digest[:12]}"}
