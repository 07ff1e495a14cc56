"""Who may call what: the table's grant and the rows' data ceilings."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.capabilities.authorise import Asked, also_allowed, authorise, counts_money, output_bound, tightest_output, worst_case
from saferoute.errors import CapabilityExpired, CapabilityForbidden
from saferoute.values.http import NetClass
from saferoute.values.permission import Budget, Cost, Permission, data_rank, scope_rank
from saferoute.values.target import Prices, Target

LABELS = ("public", "internal", "confidential", "restricted")
PRICES = Prices("USD", input=2_000, output=10_000, cache_read=200, cache_write_5m=2_500, cache_write_1h=4_000)


def target(name: str = "main", **changes: Any) -> Target:
    plain = Target(name, "openai", "openai_chat", "https://api.openai.com", "/v1", NetClass(), "m", "openai", "bearer", data="internal")
    return replace(plain, **changes)


def grant(**changes: Any) -> Permission:
    plain = Permission("the table's grant", frozenset({"chat"}), frozenset({"main", "fast"}), aliases=True)
    return replace(plain, **changes)


def ids(given: Permission | None, asked: Asked, *targets: Target, trust: Literal["local", "production"] = "production") -> list[str]:
    permissions = () if given is None else (given,)
    return [row.id for row in authorise(permissions, asked, targets or (target(),), trust=trust).targets]


PUBLIC = Asked("main", data="public")


def test_production_without_a_grant_refuses_and_says_how_to_go_on() -> None:
    with pytest.raises(CapabilityForbidden, match=r"\[grant\] to routes\.toml") as refused:
        ids(None, PUBLIC)
    assert refused.value.code == "no_grant"


def test_a_local_table_needs_no_grant() -> None:
    assert ids(None, Asked("anything"), target("a"), target("b"), trust="local") == ["a", "b"]


def test_an_unlabelled_call_passes_in_a_local_table_that_has_a_grant() -> None:
    assert ids(grant(), Asked("main"), trust="local") == ["main"]


def test_a_label_holds_in_a_local_table_too() -> None:
    assert ids(None, Asked("x", data="restricted"), target("a"), target("b", data="restricted"), trust="local") == ["b"]


@pytest.mark.parametrize(
    ("given_grant", "asked", "code", "why"),
    [
        (grant(), replace(PUBLIC, operation="embed"), "operation", "allows the operations chat; asked: embed"),
        (grant(), replace(PUBLIC, route="smart"), None, ""),  # the row's own id is granted
        (grant(routes=frozenset({"fast"})), PUBLIC, "routes", "is not among the routes of the table's grant: fast"),
        (grant(tools=frozenset()), replace(PUBLIC, tools=("search",)), "tools", "allows the tools none; offered: search"),
        (grant(tools=frozenset({"search"})), replace(PUBLIC, tools=("search", "shell")), "tools", "offered: shell"),
        (grant(tools=frozenset({"search"})), replace(PUBLIC, tools=("search",)), None, ""),
        (grant(tools=frozenset()), PUBLIC, None, ""),
        (grant(data="public"), replace(PUBLIC, data="internal"), "data", 'takes data up to "public".*labelled internal'),
        (grant(data="restricted"), replace(PUBLIC, data="confidential"), "data", 'takes data up to "internal"'),
        (grant(), replace(PUBLIC, data=None), "data", 'no data label, which counts as "restricted".*pass data="internal"'),
        (grant(), replace(PUBLIC, data="internal"), None, ""),
        (grant(regions=frozenset({"eu"})), PUBLIC, "regions", "region unknown, and the table's grant allows eu"),
        (grant(max_output=100), PUBLIC, "max_output", "100 tokens; asked: no bound.*max_output_tokens=100"),
        (grant(max_output=100), replace(PUBLIC, max_output=101), "max_output", "asked: 101"),
        (grant(max_output=100), replace(PUBLIC, max_output=100), None, ""),
        (grant(max_cost=Cost(10**9)), PUBLIC, "max_cost", "no known worst case in USD, and the table's grant allows 1 USD per call"),
        (grant(guards=frozenset({"pii", "size"})), replace(PUBLIC, guards=frozenset({"size"})), "guards", "asks for the guards pii, which"),
        (grant(guards=frozenset({"size"})), replace(PUBLIC, guards=frozenset({"size", "pii"})), None, ""),
        (grant(audience=frozenset({"billing"})), replace(PUBLIC, audience="search"), "aud", "is for billing; this client is 'search'"),
        (grant(audience=frozenset({"billing"})), PUBLIC, "aud", "this client is ''"),
        (grant(audience=frozenset({"billing", "search"})), replace(PUBLIC, audience="search"), None, ""),
        (grant(purposes=frozenset({"support"})), PUBLIC, "purpose", "allows the purposes support; asked: none"),
        (grant(purposes=frozenset({"support"})), replace(PUBLIC, purpose="sales"), "purpose", "asked: sales"),
        (grant(purposes=frozenset({"support"})), replace(PUBLIC, purpose="support"), None, ""),
        (grant(stream=False), replace(PUBLIC, stream=True), "stream", "does not allow streams"),
        (grant(stream=False), PUBLIC, None, ""),
        (grant(), replace(PUBLIC, stream=True), None, ""),
        (grant(table_min=4), replace(PUBLIC, table_version=3), "table_min", "needs version 4 .* has version 3"),
        (grant(table_min=4), replace(PUBLIC, table_version=4), None, ""),
        (grant(requests=frozenset({"aa"})), PUBLIC, "req", "bound to another request"),
        (grant(requests=frozenset({"aa"})), replace(PUBLIC, request="ab"), "req", "bound to another request"),
        (grant(requests=frozenset({"aa"})), replace(PUBLIC, request="aa"), None, ""),
        (grant(models=frozenset({"n"})), PUBLIC, "models", "asks the model m, and the table's grant allows n"),
        (grant(models=frozenset({"m"})), PUBLIC, None, ""),
        (grant(providers=frozenset({"cohere"})), PUBLIC, "providers", "is at openai, and the table's grant allows cohere"),
        (grant(providers=frozenset({"openai"})), PUBLIC, None, ""),
        (grant(max_input=10), PUBLIC, "max_input", "bounds the input to 10 tokens.*is not known"),
        (grant(max_input=10), replace(PUBLIC, input_bytes=11), "max_input", "input is up to 11 tokens"),
        (grant(max_input=10), replace(PUBLIC, input_bytes=10), None, ""),
        (grant(max_input=10), replace(PUBLIC, input_bytes=1, by_reference=True), "max_input", "is not known"),
        (grant(max_output=100), replace(PUBLIC, max_output=40, answers=3), "max_output", "3 answers of 40. Pass max_output_tokens=33 "),
        (
            grant(budgets=(Budget("k", 5),)),
            replace(PUBLIC, input_bytes=1, max_output=1),
            "budget",
            "no known worst case in USD, and the table",
        ),
        (grant(budgets=(Budget("k", 5, "calls"),)), PUBLIC, None, ""),
        (grant(routes=None), replace(PUBLIC, route="x"), None, ""),
        (grant(routes=frozenset({"fast"}), aliases=False), replace(PUBLIC, route="fast"), "routes", "is not among the routes"),
    ],
)
def test_a_caveat_allows_or_names_itself(given_grant: Permission, asked: Asked, code: str | None, why: str) -> None:
    if code is None:
        assert ids(given_grant, asked) == ["main"]
    else:
        with pytest.raises(CapabilityForbidden, match=why) as refused:
            ids(given_grant, asked)
        assert refused.value.code == code


def test_rows_outside_drop_out_with_a_reason_and_order_stays() -> None:
    rows = (target("a", region="us"), target("b", region="eu"), target("c", region="eu", data="public"), target("d", region="eu"))
    given_grant = grant(regions=frozenset({"eu"}))
    allowed = authorise((given_grant,), Asked("fast", data="internal"), rows, trust="production")
    assert [row.id for row in allowed.targets] == ["b", "d"]
    assert [name for name, _ in allowed.dropped] == ["a", "c"]
    assert "region us" in allowed.dropped[0][1]


def test_a_granted_alias_opens_its_rows_only_through_itself() -> None:
    only_fast = grant(routes=frozenset({"fast"}))
    dear = target("open", model="dear")
    assert ids(only_fast, Asked("fast", data="public"), target("open")) == ["open"]
    with pytest.raises(CapabilityForbidden):
        ids(only_fast, Asked("open/dear", data="public"), dear)
    assert ids(grant(routes=frozenset({"open/dear"})), Asked("open/dear", data="public"), dear) == ["open"]


@pytest.mark.parametrize(
    ("row", "asked", "expected"),
    [
        (target(prices=PRICES), {"input_bytes": 10, "max_output": 5}, 10 * 4_000 + 5 * 10_000),
        (target(prices=PRICES, default_max_output=7), {"input_bytes": 0, "max_output": None}, 70_000),
        (target(prices=PRICES, max_output=3), {"input_bytes": 0, "max_output": 1000}, 30_000),
        (target(prices=PRICES), {"input_bytes": 10, "max_output": None}, None),
        (target(prices=PRICES), {"input_bytes": 10, "max_output": 5, "by_reference": True}, None),
        (target(prices=replace(PRICES, input=None)), {"input_bytes": 10, "max_output": 5}, None),
        (target(prices=replace(PRICES, output=None)), {"input_bytes": 10, "max_output": 5}, None),
        (target(), {"input_bytes": 10, "max_output": 5}, None),
    ],
)
def test_the_worst_case_is_known_or_none(row: Target, asked: dict[str, Any], expected: int | None) -> None:
    assert worst_case(row, **asked) == expected


@pytest.mark.parametrize(
    ("limit", "prices", "asked", "why"),
    [
        (Cost(90_000), PRICES, {"input_bytes": 10, "max_output": 5}, None),
        (Cost(89_999), PRICES, {"input_bytes": 10, "max_output": 5}, "may cost 9e-05 USD"),
        (Cost(10**9, "EUR"), PRICES, {"input_bytes": 10, "max_output": 5}, "no known worst case in EUR"),
        (Cost(10**9), None, {"input_bytes": 10, "max_output": 5}, "no known worst case"),
        (Cost(10**9), PRICES, {"max_output": 5}, "no known worst case"),
        (Cost(10**9), PRICES, {"input_bytes": 10, "max_output": 5, "by_reference": True}, "no known worst case"),
    ],
)
def test_a_cost_cap_denies_what_may_cost_more_or_is_not_known(
    limit: Cost, prices: Prices | None, asked: dict[str, Any], why: str | None
) -> None:
    row = target(prices=prices)
    if why is None:
        assert ids(grant(max_cost=limit), replace(PUBLIC, **asked), row) == ["main"]
    else:
        with pytest.raises(CapabilityForbidden, match=why) as refused:
            ids(grant(max_cost=limit), replace(PUBLIC, **asked), row)
        assert refused.value.code == "max_cost"


@pytest.mark.parametrize(
    ("caller", "granted", "row", "default", "expected"),
    [
        (None, None, None, None, None), (5, None, None, None, 5), (5, 3, None, None, 3), (5, 3, 2, None, 2), (None, 3, 9, 4, 3), (None, 9, 8, 4, 4),
        (8, 9, 8, 4, 8),
    ],
)  # fmt: skip
def test_the_output_bound_is_the_tightest(
    caller: int | None, granted: int | None, row: int | None, default: int | None, expected: int | None
) -> None:
    assert output_bound(granted, target(max_output=row, default_max_output=default), caller) == expected


@given(st.sampled_from(LABELS), st.sampled_from(LABELS), st.sampled_from(LABELS))
def test_data_never_goes_above_either_ceiling(label: Any, ceiling: Any, granted: Any) -> None:
    fits = data_rank(label) <= min(data_rank(ceiling), data_rank(granted))
    try:
        allowed = ids(grant(data=granted), Asked("main", data=label), target(data=ceiling)) == ["main"]
    except CapabilityForbidden:
        allowed = False
    assert allowed == fits


@given(st.sets(st.sampled_from("abcdef")), st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True))
def test_no_row_is_ever_added(granted: set[str], asked_rows: list[str]) -> None:
    rows = tuple(target(name) for name in asked_rows)
    try:
        allowed = ids(grant(routes=frozenset(granted)), Asked("z", data="public"), *rows)
    except CapabilityForbidden:
        allowed = []
    assert allowed == [name for name in asked_rows if name in granted]


def test_several_answers_share_the_grants_output_bound() -> None:
    bounded = grant(max_output=100)
    assert ids(bounded, replace(PUBLIC, max_output=50, answers=2)) == ["main"]
    with pytest.raises(CapabilityForbidden, match=r"asked: 3 answers of 50\. Pass max_output_tokens=33 or less") as refused:
        ids(bounded, replace(PUBLIC, max_output=50, answers=3))
    assert refused.value.code == "max_output"


def test_several_answers_count_towards_the_worst_case() -> None:
    row = target(prices=PRICES)
    assert worst_case(row, input_bytes=10, max_output=100, answers=3) == 10 * 4_000 + 3 * 100 * 10_000


@pytest.mark.parametrize(
    ("given_grant", "now", "code"),
    [
        (grant(expires_at=100), 99.999, None),
        (grant(expires_at=100), 100.0, "exp"),
        (grant(expires_at=100), float("nan"), "exp"),
        (grant(not_before=100), 70.0, None),
        (grant(not_before=100), 69.999, "nbf"),
        (grant(not_before=100), float("nan"), "nbf"),
    ],
)
def test_a_permission_ends_to_the_second_and_begins_within_a_skew(given_grant: Permission, now: float, code: str | None) -> None:
    asked = replace(PUBLIC, now=now)
    if code is None:
        assert ids(given_grant, asked) == ["main"]
    else:
        with pytest.raises(CapabilityExpired) as refused:
            ids(given_grant, asked)
        assert refused.value.code == code


def test_every_permission_must_allow_the_call() -> None:
    rows = (target("a", region="us"), target("b", region="eu"), target("c", region="eu", model="n"))
    eu = Permission("the capability 1", regions=frozenset({"eu"}))
    only_m = Permission("the capability 2", models=frozenset({"m"}))
    allowed = authorise((eu, only_m), PUBLIC, rows, trust="production")
    assert [row.id for row in allowed.targets] == ["b"]
    assert allowed.dropped == (
        ("a", "is in the region us, and the capability 1 allows eu"),
        ("c", "asks the model n, and the capability 2 allows m"),
    )
    with pytest.raises(CapabilityForbidden) as refused:
        authorise((eu, Permission("the capability 3", tools=frozenset())), replace(PUBLIC, tools=("x",)), rows, trust="production")
    assert str(refused.value).startswith("the capability 3 allows the tools none")


def test_the_lowest_data_ceiling_of_all_permissions_counts() -> None:
    both = (Permission("one", data="restricted"), Permission("two", data="public"))
    with pytest.raises(CapabilityForbidden) as refused:
        authorise(both, replace(PUBLIC, data="internal"), (target(),), trust="production")
    assert refused.value.code == "data"
    assert authorise(both, PUBLIC, (target(),), trust="production").targets


def test_an_unlabelled_local_call_counts_as_restricted_under_a_data_ceiling() -> None:
    with pytest.raises(CapabilityForbidden) as refused:
        authorise((Permission("one", data="confidential"),), Asked("main"), (target(data="restricted"),), trust="local")
    assert refused.value.code == "data"


def test_what_counts_money_and_the_tightest_output() -> None:
    assert not counts_money(())
    assert not counts_money((grant(), grant(budgets=(Budget("k", 1, "calls"),))))
    assert counts_money((grant(), grant(budgets=(Budget("k", 1, "calls"), Budget("k", 1, "EUR")))))
    assert counts_money((grant(max_cost=Cost(0)),))
    assert tightest_output(()) is None
    assert tightest_output((grant(), grant(max_output=7), grant(max_output=5))) == 5


def test_scopes_widen_from_process_to_cluster() -> None:
    assert [scope_rank(scope) for scope in ("process", "host", "cluster")] == [0, 1, 2]


def test_further_rows_are_allowed_by_the_same_rules() -> None:
    rows = (target("main"), target("other", region="us"))
    assert also_allowed((), Asked("fast"), rows, trust="local") == rows
    inside = Permission("the capability", routes=frozenset({"main"}), data="internal")
    assert also_allowed((inside,), Asked("fast", data="public"), rows, trust="production") == rows[:1]
    assert also_allowed((inside,), Asked("fast", data="restricted"), rows, trust="production") == ()


def test_what_has_neither_input_nor_output_costs_nothing_whatever_the_prices_are() -> None:
    assert worst_case(target(prices=None), input_bytes=0, max_output=0) == 0
    assert worst_case(target(prices=None), input_bytes=0, max_output=1) is None
    assert worst_case(target(prices=None), input_bytes=0, max_output=0, by_reference=True) is None
    assert worst_case(target(prices=None), input_bytes=1, max_output=0) is None
