"""Attack: a holder of 10 requests a minute makes ten children of 10 each, or children of children, and sends 100.

Guards: saferoute/capabilities/narrowing.py::limits=(*ceiling.limits, *block_quotas(claims, digests, source)), => limits=block_quotas(claims[-1:], digests[-1:], source),
Guards: saferoute/capabilities/quotas.py::Quota(f"cap:{digest}:{claim}", kind, limit, owner) => Quota(f"cap:{digests[-1]}:{claim}", kind, limit, owner)
Guards: saferoute/capabilities/quotas.py::if kind == bound.kind and limit is not None and limit > bound.limit:
"""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from saferoute.call.limiting import draws_for
from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.errors import CapabilityInvalid
from saferoute.values.balancing import PLAIN_POLICY
from saferoute.values.limits import Lease, Quota
from saferoute.values.permission import Permission
from tests.support.scripted import target
from tests.support.token_cases import chain, root, verified

CLAIMS = {"rpm": "requests", "tpm": "tokens", "concurrent": "concurrent"}


class Minute:
    """Requests of one token each that all leave at one moment, and do not end."""

    def __init__(self) -> None:
        self._store = MemoryLimits(clock=lambda: 1_000.0)

    def takes(self, *permissions: Permission) -> bool:
        draws = draws_for(target("a"), "a", PLAIN_POLICY, permissions, 1, table_name="acme")
        return isinstance(self._store.acquire(draws, 600.0), Lease)


def _of(*payloads: dict[str, Any], **record: Any) -> Permission:
    return verified(chain(*payloads), **record).permission


def _prefix(text: str, blocks: int) -> str:
    return hashlib.sha256(".".join(text.split(".")[: blocks + 1]).encode()).hexdigest()


@pytest.mark.parametrize("claim", CLAIMS)
def test_siblings_get_the_parents_limit_together(claim: str) -> None:
    minute, first = Minute(), root(**{claim: 10})
    children = [_of(first, {claim: 10, "tools": [f"t{n}"]}) for n in range(10)]
    assert sum(minute.takes(child) for child in children for _ in range(10)) == 10
    assert not minute.takes(_of(first))
    assert not minute.takes(_of(first, {}))


@pytest.mark.parametrize("claim", CLAIMS)
def test_children_of_children_too(claim: str) -> None:
    minute, first = Minute(), root(**{claim: 10})
    grandchildren = [_of(first, {claim: 6, "tools": [f"t{n}"]}, {claim: 5, "purpose": [f"p{m}"]}) for n in range(2) for m in range(2)]
    assert [sum(minute.takes(one) for _ in range(9)) for one in grandchildren] == [5, 1, 4, 0]


@pytest.mark.parametrize("claim", CLAIMS)
def test_a_higher_limit_in_a_later_block_has_no_effect(claim: str) -> None:
    minute = Minute()
    child = _of(root(**{claim: 3}), {claim: 1_000_000_000})
    assert sum(minute.takes(child) for _ in range(9)) == 3
    assert [quota.limit for quota in child.limits] == [3, 1_000_000_000]


def test_each_block_has_counters_of_its_own_and_all_hold() -> None:
    text = chain(root(rpm=5, concurrent=2), {"rpm": 9, "tpm": 70}, {}, {"concurrent": 1})
    owner = f"the capability {verified(text).digest[:12]}"
    assert verified(text).permission.limits == (
        Quota(f"cap:{_prefix(text, 1)}:rpm", "requests", 5, owner),
        Quota(f"cap:{_prefix(text, 1)}:concurrent", "concurrent", 2, owner),
        Quota(f"cap:{_prefix(text, 2)}:rpm", "requests", 9, owner),
        Quota(f"cap:{_prefix(text, 2)}:tpm", "tokens", 70, owner),
        Quota(f"cap:{_prefix(text, 4)}:concurrent", "concurrent", 1, owner),
    )


def test_a_counter_is_another_one_for_another_token() -> None:
    one, other = _of(root(rpm=5)), _of(root(rpm=5, jti="f" * 32))
    assert one.limits[0].key != other.limits[0].key


def test_one_call_under_a_token_and_its_parent_counts_once() -> None:
    parent, child = _of(root(rpm=2)), _of(root(rpm=2), {"rpm": 9})
    minute = Minute()
    assert [minute.takes(parent, child) for _ in range(3)] == [True, True, False]


def _ceiling(*limits: Quota) -> dict[str, Any]:
    return {"ceiling": Permission("", limits=limits)}


@pytest.mark.parametrize(("claim", "words"), [("rpm", "requests a minute"), ("tpm", "tokens a minute"), ("concurrent", "requests at once")])
def test_an_issuer_cannot_give_out_more_than_it_may(claim: str, words: str) -> None:
    ceiling = Quota("i", CLAIMS[claim], 50, "i")  # type: ignore[arg-type]
    for kept in ({}, {claim: 50}, {claim: 1}, {name: 51 for name in CLAIMS if name != claim}):
        permission = _of(root(**kept), **_ceiling(ceiling))
        assert permission.limits[0] is ceiling  # drawn on too, by all tokens of the issuer
        assert len(permission.limits) == 1 + len(kept)
    for second in ({}, {claim: 1}):
        with pytest.raises(CapabilityInvalid) as caught:
            _of(root(**{claim: 51}), second, **_ceiling(ceiling))
        assert caught.value.code == "ceiling"
        assert str(caught.value).endswith(f": it gives out more {words} than its issuer may by the trust root: mint it with less")


def test_all_tokens_of_an_issuer_share_its_ceiling() -> None:
    minute, ceiling = Minute(), _ceiling(Quota("issuer:acme:ci:rpm", "requests", 3, "the issuer ci"))
    tokens = [_of(root(jti=f"{n:032x}"), **ceiling) for n in range(3)]
    assert sum(minute.takes(token) for token in tokens for _ in range(3)) == 3


def test_a_later_block_may_say_what_it_likes_for_the_first_ones_counter_holds() -> None:
    permission = _of(root(rpm=5), {"rpm": 500}, **_ceiling(Quota("i", "requests", 50, "i")))
    assert [quota.limit for quota in permission.limits] == [50, 5, 500]
