"""Costs counted as calls end: rows, totals, what is not known, who sees what, and how much of it is kept."""

from __future__ import annotations

import decimal
import json
import threading
from decimal import Decimal
from typing import Any

import pytest

from saferoute.errors import UnknownOption
from saferoute.values.costs import CostRow, Costs, CostTally
from saferoute.values.usage import usage_from_totals

DAY = 20_780  # 2026-11-23
CALL: dict[str, Any] = {
    "route": "fast", "target": "openai", "model": "gpt-5", "capabilities": (), "tags": {}, "day": DAY,
    "usage": usage_from_totals(input_tokens=1000, output_tokens=50), "cost": Decimal("0.0015"), "currency": "USD",
}  # fmt: skip


def tallied(*calls: dict[str, Any], most: int = 2000) -> CostTally:
    tally = CostTally(most)
    for call in calls:
        tally.add(**{**CALL, **call})
    return tally


def amounts(costs: Costs) -> dict[str, tuple[int, dict[str, Decimal]]]:
    return {row.name: (row.calls, dict(row.cost)) for row in costs}


def test_calls_are_added_up() -> None:
    costs = tallied({}, {"cost": Decimal("0.0005")}, {"route": "smart", "cost": Decimal("0.1")}).costs()
    assert costs.by == "route"
    assert costs.rows == (
        CostRow("smart", 1, 1000, 50, {"USD": Decimal("0.1")}),
        CostRow("fast", 2, 2000, 100, {"USD": Decimal("0.0020")}),
    )
    assert costs.total == CostRow("total", 3, 3000, 150, {"USD": Decimal("0.1020")})
    assert costs["fast"] is costs[1]
    assert len(costs) == 2
    with pytest.raises(KeyError):
        costs["slow"]
    with pytest.raises(IndexError):
        costs[2]


def test_nothing_was_called() -> None:
    costs = CostTally().costs("day")
    assert (costs.rows, costs.total) == ((), CostRow("total"))
    assert str(costs).splitlines()[1].split() == ["total", "0", "0", "0", "-", "-", "-"]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("route", ["fast", "smart"]),
        ("target", ["openai", "azure"]),
        ("model", ["gpt-5", "o4"]),
        ("day", ["2026-11-23", "2026-11-24"]),
        ("tag:team", ["web", "(none)"]),
        ("tag:x:y", ["(none)"]),
        ("capability", ["c1", "c2", "(none)"]),
    ],
)
def test_rows_are_what_was_asked_for(by: str, names: list[str]) -> None:
    tally = tallied(
        {"tags": {"team": "web"}, "capabilities": ("c1", "c2")},
        {"route": "smart", "target": "azure", "model": "o4", "day": DAY + 1, "cost": Decimal("0.0001")},
    )
    assert [row.name for row in tally.costs(by)] == names
    assert tally.costs(by).total.calls == 2


@pytest.mark.parametrize("by", ["", "tag", "tag:", "routes", "provider"])
def test_another_by_is_refused(by: str) -> None:
    with pytest.raises(UnknownOption, match='by is one of "route", "model"'):
        CostTally().costs(by)


def test_what_is_not_known_is_counted_apart_and_never_as_0() -> None:
    [row] = tallied({"cost": None, "currency": None}, {"cost": None, "usage": None}).costs()
    assert (row.calls, row.cost, row.unknown, row.input_tokens) == (2, {}, 2, 1000)
    [free] = tallied({"cost": Decimal(0)}).costs()
    assert (free.cost, free.unknown) == ({"USD": Decimal(0)}, 0)


def test_an_estimate_is_no_cost() -> None:
    [row] = tallied({}, {"usage": None, "cost": Decimal("0.2"), "estimated": True}).costs()
    assert (row.calls, row.cost, row.estimated, row.estimated_calls, row.unknown) == (
        2, {"USD": Decimal("0.0015")}, {"USD": Decimal("0.2")}, 1, 0,
    )  # fmt: skip
    [alone] = tallied({"cost": Decimal("0.2"), "estimated": True}, {"cost": None, "estimated": True}).costs()
    assert (alone.cost, alone.estimated_calls, alone.unknown) == ({}, 1, 1)


def test_usage_without_counts_adds_none() -> None:
    [row] = tallied({"usage": usage_from_totals(input_tokens=None, output_tokens=7), "cost": None}).costs()
    assert (row.input_tokens, row.output_tokens) == (0, 7)


def test_currencies_are_not_mixed() -> None:
    costs = tallied({"route": "b"}, {"route": "b", "currency": "EUR", "cost": Decimal(1)}, {"route": "a", "cost": Decimal(2)}).costs()
    assert amounts(costs) == {"a": (1, {"USD": Decimal(2)}), "b": (2, {"USD": Decimal("0.0015"), "EUR": Decimal(1)})}
    assert costs.total.cost == {"USD": Decimal("2.0015"), "EUR": Decimal(1)}


def test_a_holder_of_a_capability_sees_its_own_chain_and_what_was_derived_from_it() -> None:
    parent, child, other = ("p",), ("p", "p+1"), ("q",)
    tally = tallied({"capabilities": parent}, {"capabilities": child, "route": "smart"}, {"capabilities": other}, {})
    assert amounts(tally.costs(within=["p"])).keys() == {"fast", "smart"}
    assert tally.costs(within=["p"]).total.calls == 2
    assert tally.costs(within=["p+1"]).total.calls == 1
    assert tally.costs(within=["p+1", "q"]).total.calls == 0  # under both at once: none
    assert tally.costs(within=["unknown"]).rows == ()
    assert tally.costs().total.calls == 4


def test_a_call_under_two_capabilities_is_in_the_row_of_each_and_once_in_the_total() -> None:
    costs = tallied({"capabilities": ("p", "q")}).costs("capability")
    assert [row.calls for row in costs] == [1, 1]
    assert costs.total.calls == 1


def test_too_many_names_go_together() -> None:
    tally = tallied(*({"tags": {"user": f"u{number}"}, "capabilities": ("p",)} for number in range(10)), most=4)
    by_user = tally.costs("tag:user")
    assert [row.name for row in by_user] == ["(others)", "u0", "u1", "u2", "u3"]
    assert (by_user["(others)"].calls, by_user.total.calls) == (6, 10)
    assert amounts(tally.costs("route"))["fast"][0] == 10  # what has few names is still told apart
    assert [row.name for row in tally.costs("day")] == ["(others)", "2026-11-23"]
    assert tally.costs(within=["p"]).total.calls == 10
    tally.add(**{**CALL, "tags": {"user": "u0"}, "capabilities": ("p",)})
    assert tally.costs("tag:user")["u0"].calls == 2  # whoever has a line keeps it


def test_the_tally_is_bounded_whatever_is_put_into_it() -> None:
    tally = CostTally(4)
    for number in range(100):
        tally.add(**{**CALL, "route": f"r{number}", "capabilities": (f"c{number}",), "currency": "USD" if number % 2 else "EUR"})
    assert len(tally._lines) <= 2 * 4 + 2
    costs = tally.costs()
    assert costs.total.calls == 100
    assert costs["(others)"].calls == 92
    assert tally.costs(within=["c50"]).total.calls == 0  # nobody's chain has what was put together with others'
    assert tally.costs("model")["(others)"].calls == tally.costs("target")["(others)"].calls == 92


def test_sums_are_exact_whatever_the_thread_says_about_decimals() -> None:
    tally = CostTally()
    with decimal.localcontext(decimal.Context(prec=2)):
        for amount in ("1000000", "0.000000001", "0.0000000015"):
            tally.add(**{**CALL, "cost": Decimal(amount)})
        assert str(tally.costs().total.cost["USD"]) == "1000000.0000000025"


def test_threads_at_once() -> None:
    tally = CostTally()

    def calls() -> None:
        for number in range(2000):
            tally.add(**{**CALL, "route": f"r{number % 3}"})

    threads = [threading.Thread(target=calls) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tally.costs().total == CostRow("total", 8000, 8_000_000, 400_000, {"USD": Decimal(12)})


def test_a_copy_does_not_change() -> None:
    tally = tallied({})
    costs = tally.costs()
    tally.add(**CALL)
    assert (costs.total.calls, tally.costs().total.calls) == (1, 2)
    with pytest.raises(TypeError):
        costs.total.cost["USD"] = Decimal(0)  # type: ignore[index]  # what is tried


def test_a_table_for_people() -> None:
    costs = tallied({}, {"route": "b", "cost": None}, {"route": "<i>", "cost": Decimal("1234.5"), "estimated": True}).costs()
    assert str(costs).splitlines() == [
        "route  calls  input  output        cost    estimated  not known",
        "fast       1  1,000      50  0.0015 USD            -          -",
        "<i>        1  1,000      50           -  1,234.5 USD          -",
        "b          1  1,000      50           -            -          1",
        "total      3  3,000     150  0.0015 USD  1,234.5 USD          1",
    ]
    html = costs._repr_html_()
    assert "&lt;i&gt;" in html
    assert "<i>" not in html
    assert html.count("<tr>") == 5


def test_for_programs() -> None:
    data = json.loads(json.dumps(tallied({}, {"cost": Decimal("1e-9"), "estimated": True}).costs().to_json()))
    assert data["by"] == "route"
    assert data["total"] == {
        "name": "total", "calls": 2, "input_tokens": 2000, "output_tokens": 100, "cost": {"USD": "0.0015"}, "unknown": 0,
        "estimated": {"USD": "0.000000001"}, "estimated_calls": 1,
    }  # fmt: skip
    assert data["rows"] == [{**data["total"], "name": "fast"}]
