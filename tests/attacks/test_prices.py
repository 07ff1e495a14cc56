"""Money that is counted too low: a budget is spent more than once over, or a holder of a capability sees what others spend.

A caller who chooses the length of its input chooses the tier that it is billed at. A provider may serve a call on other terms than the list
price is for. A model whose name begins like that of a cheap one may be a dear one. A price that is lowered in memory lowers every worst
case. And a client that was narrowed to a capability must learn nothing of others' calls.

Guards: saferoute/values/cost.py::reached: list[Prices | PriceTier] = [prices, *(tier for tier in prices.tiers if tier.above < most_input)] => reached: list[Prices | PriceTier] = [prices]
Guards: saferoute/values/cost.py::rates = rates_at(prices, buckets.input_total) if prices.tiers else prices => rates = prices
Guards: saferoute/values/cost.py::if term not in known:
Guards: saferoute/routing/table.py::or (target is not row.target and not row.prices_are(target)) => or False
Guards: saferoute/routing/authoring.py::if merged.get("origin") != base.get("origin", merged.get("origin")) and "price_list" not in over:
Guards: saferoute/values/costs.py::if asked and not asked.issubset(key.capabilities):
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from saferoute.capabilities.authorise import worst_case
from saferoute.errors import UntrustedTable
from saferoute.routing.authoring import build
from saferoute.routing.release import Release
from saferoute.routing.resolve import resolve
from saferoute.routing.table import RoutingTable, compile_table
from saferoute.values.cost import cost_of
from saferoute.values.costs import CostTally
from saferoute.values.target import Prices, PriceTier
from saferoute.values.usage import usage_from_totals
from tests.support.scripted import target

TIERED = Prices(input=2_000, output=12_000, tiers=(PriceTier(200_000, input=4_000, output=18_000),))
CALL: dict[str, Any] = {"route": "r", "target": "t", "model": "m", "tags": {}, "day": 1, "usage": None, "currency": "USD"}


def table(text: str) -> RoutingTable:
    return compile_table(build(text), Release("draft", 1, 1, 0, 1, ()))


def test_a_long_input_is_held_back_and_billed_at_the_prices_of_its_length() -> None:
    row = target(prices=TIERED, default_max_output=1_000)
    worst = worst_case(row, input_bytes=200_001, max_output=None)
    assert worst == 200_001 * 4_000 + 1_000 * 18_000
    usage = usage_from_totals(input_tokens=200_001, output_tokens=1_000)
    assert cost_of(usage, TIERED) == Decimal(worst) / 10**9


@pytest.mark.parametrize("term", ["priority", "web_search_requests", "us"])
def test_a_call_on_other_terms_is_not_billed_at_the_plain_price(term: str) -> None:
    usage = replace(usage_from_totals(input_tokens=10, output_tokens=10), terms=(term,))
    assert cost_of(usage, TIERED) is None  # and an account settles its worst case then


def test_a_name_that_begins_like_a_cheap_models_has_no_price() -> None:
    listed = table("[providers.openai]\n")
    assert resolve(listed, "openai/gpt-5-nano")[0].prices is not None
    [other] = resolve(listed, "openai/gpt-5-nano-max-ultra")
    assert other.prices is None
    assert worst_case(other, input_bytes=1, max_output=1) is None


def test_a_price_lowered_in_memory_stops_the_call() -> None:
    listed = table("[providers.openai]\n")
    [row] = resolve(listed, "openai/gpt-5")
    listed.recheck(row)
    with pytest.raises(UntrustedTable):
        listed.recheck(replace(row, prices=Prices(input=0, output=0)))


def test_another_origin_does_not_get_the_catalogues_prices() -> None:
    [row] = resolve(table('[providers.openai]\norigin = "https://proxy.example.com"\n'), "openai/gpt-5")
    assert row.prices is None


def test_the_holder_of_a_capability_sees_no_others_costs() -> None:
    tally = CostTally()
    tally.add(**CALL, capabilities=("mine",), cost=Decimal(1))
    tally.add(**{**CALL, "route": "secret-project"}, capabilities=("theirs",), cost=Decimal(1000))
    tally.add(**{**CALL, "route": "secret-project"}, capabilities=(), cost=Decimal(1000))
    seen = tally.costs(within=("mine",))
    assert [row.name for row in seen] == ["r"]
    assert seen.total.cost == {"USD": Decimal(1)}
