"""Attack: a holder appends a block that allows more than what it was given, or puts back what an earlier block took away.

Guards: saferoute/capabilities/narrowing.py::found = names if found is None else found & names => found = names
Guards: saferoute/capabilities/narrowing.py::guards=ceiling.guards.union(*(said.guards for said in claims if said.guards)), => guards=claims[-1].guards or frozenset(),
Guards: saferoute/capabilities/narrowing.py::stream=ceiling.stream and all(said.stream is not False for said in claims), => stream=claims[-1].stream is not False,
Guards: saferoute/capabilities/narrowing.py::if len({cost.currency for cost in said}) > 1:
Guards: saferoute/capabilities/narrowing.py::if label is not None and (found is None or data_rank(label) < data_rank(found)): => if label is not None:
Guards: saferoute/capabilities/narrowing.py::if claims[0].scope is None:
"""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.errors import CapabilityInvalid
from saferoute.values.permission import Cost, Permission
from tests.support.token_cases import NOW, chain, root, verified

SETS = {
    "aud": "audience", "ops": "operations", "models": "models", "providers": "providers", "routes": "routes", "tools": "tools",
    "regions": "regions", "purpose": "purposes",
}  # fmt: skip
A, B, C = "aa", "bb", "cc"


def _of(*payloads: dict[str, Any], ceiling: Permission | None = None) -> Permission:
    return verified(chain(*payloads), **({} if ceiling is None else {"ceiling": ceiling})).permission


@pytest.mark.parametrize(("claim", "field"), SETS.items())
def test_a_set_only_ever_loses(claim: str, field: str) -> None:
    first = root(**{claim: [A, B]})
    assert getattr(_of(first), field) == {A, B}
    assert getattr(_of(first, {}), field) == {A, B}
    assert getattr(_of(first, {claim: [A, B, C]}), field) == {A, B}  # widening has no effect
    assert getattr(_of(first, {claim: [A]}), field) == {A}
    assert getattr(_of(first, {claim: [A]}, {claim: [A, B]}), field) == {A}  # nor has re-adding
    assert getattr(_of(first, {claim: [C]}), field) == frozenset()  # disjoint sets leave nothing
    assert getattr(_of(first, {claim: [A]}, {claim: [B]}), field) == frozenset()
    assert getattr(_of(first, ceiling=Permission("", **{field: frozenset({A, C})})), field) == {A}


def test_requests_only_ever_lose() -> None:
    one, two = "1" * 64, "2" * 64
    assert _of(root()).requests is None
    assert _of(root(req=[one, two]), {"req": [two]}).requests == {two}
    assert _of(root(req=[one]), {"req": [two]}).requests == frozenset()


def test_no_tools_stays_no_tools() -> None:
    assert _of(root(tools=[]), {"tools": ["a"]}).tools == frozenset()
    assert _of(root(tools=["a"]), {"tools": []}).tools == frozenset()
    assert _of(root()).tools is None


def test_a_guard_cannot_be_dropped() -> None:
    assert _of(root(guards=["pii"]), {}).guards == {"pii"}
    assert _of(root(guards=["pii"]), {"guards": ["dlp"]}).guards == {"pii", "dlp"}
    assert _of(root(), {"guards": ["dlp"]}, {}, ceiling=Permission("", guards=frozenset({"c"}))).guards == {"dlp", "c"}
    assert _of(root()).guards == frozenset()


def test_a_data_label_cannot_rise() -> None:
    order = ["public", "internal", "confidential", "restricted"]
    for i, low in enumerate(order):
        for high in order[i:]:
            assert _of(root(data=low), {"data": high}).data == low
            assert _of(root(data=high), {"data": low}, {"data": high}).data == low
            assert _of(root(data=high), ceiling=Permission("", data=low)).data == low
    assert _of(root()).data is None


@pytest.mark.parametrize(("claim", "field"), [("max_in", "max_input"), ("max_out", "max_output")])
def test_a_bound_cannot_rise(claim: str, field: str) -> None:
    assert getattr(_of(root()), field) is None
    assert getattr(_of(root(**{claim: 10}), {claim: 11}), field) == 10
    assert getattr(_of(root(**{claim: 10}), {claim: 9}, {claim: 10}), field) == 9
    assert getattr(_of(root(), {claim: 7}), field) == 7
    assert getattr(_of(root(**{claim: 10}), ceiling=Permission("", **{field: 5})), field) == 5


def test_a_bound_on_the_cost_cannot_rise_or_change_its_currency() -> None:
    def cost(amount: int, currency: str = "USD") -> dict[str, Any]:
        return {"max_cost": {"amount": amount, "currency": currency}}

    assert _of(root(**cost(5)), cost(6)).max_cost == Cost(5, "USD")
    assert _of(root(**cost(5)), cost(4), cost(5)).max_cost == Cost(4, "USD")
    assert _of(root(**cost(5)), ceiling=Permission("", max_cost=Cost(3))).max_cost == Cost(3)
    for text, ceiling in (
        (chain(root(**cost(5)), cost(1, "EUR")), Permission("")),
        (chain(root(**cost(5))), Permission("", max_cost=Cost(9, "JPY"))),
    ):
        with pytest.raises(CapabilityInvalid) as caught:
            verified(text, ceiling=ceiling)
        assert caught.value.code == "currency"


def test_streaming_cannot_be_allowed_again() -> None:
    assert _of(root()).stream is True
    assert _of(root(stream=True)).stream is True
    assert _of(root(stream=False), {"stream": True}).stream is False
    assert _of(root(), {"stream": False}, {"stream": True}, {}).stream is False
    assert _of(root(stream=True), ceiling=Permission("", stream=False)).stream is False


def test_an_older_table_cannot_be_allowed_again() -> None:
    assert _of(root(table_min=5), {"table_min": 4}).table_min == 5
    assert _of(root(), {"table_min": 6}, {"table_min": 5}).table_min == 6
    assert _of(root()).table_min is None


def test_times_only_ever_close_in() -> None:
    permission = _of(root(nbf=NOW + 5), {"exp": NOW + 100, "nbf": NOW + 1}, {"exp": NOW + 200, "nbf": NOW + 9})
    assert (permission.not_before, permission.expires_at) == (NOW + 9, NOW + 100)
    limited = _of(root(), ceiling=Permission("", not_before=NOW + 3, expires_at=NOW + 30))
    assert (limited.not_before, limited.expires_at) == (NOW + 3, NOW + 30)


def test_a_scope_cannot_shrink() -> None:
    assert _of(root()).scope is None
    assert _of(root(scope="host"), {"scope": "process"}).scope == "host"
    assert _of(root(scope="process")).scope == "process"
    assert _of(root(scope="process"), {"scope": "host"}, {"scope": "process"}).scope == "host"
    assert _of(root(scope="cluster"), {"scope": "host"}).scope == "cluster"
    assert _of(root(scope="process"), ceiling=Permission("", scope="cluster")).scope == "cluster"
    assert _of(root(), {"scope": "host"}).scope == "host"


def test_process_scope_is_the_issuers_word_alone() -> None:
    assert _of(root(calls=1), {"scope": "process"}).scope is None
    assert _of(root(), {"scope": "process", "calls": 1}).scope is None
    assert _of(root(), {"scope": "process"}, {"scope": "cluster"}).scope == "cluster"


def test_a_ceiling_of_aliases_never_stands_for_rows_of_the_token() -> None:
    ceiling = Permission("", routes=frozenset({A, B}), aliases=True)
    assert (_of(root(), ceiling=ceiling).routes, _of(root(), ceiling=ceiling).aliases) == ({A, B}, True)
    assert (_of(root(routes=[A]), ceiling=ceiling).routes, _of(root(routes=[A]), ceiling=ceiling).aliases) == ({A}, False)
    assert _of(root(), {"routes": [A]}, ceiling=ceiling).aliases is False
