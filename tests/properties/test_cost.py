"""A cost adds up over buckets, grows with every count, is never 0 for what is not known, and never passes its worst case."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from saferoute.values.cost import cost_of, expected_cost, worst_cost
from saferoute.values.target import Prices, PriceTier
from saferoute.values.usage import Buckets, Usage

KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_audio")
NAMES = [one.name for one in fields(Buckets)]
counts = st.integers(0, 2_000_000)
amounts = st.integers(0, 200_000)
buckets = st.builds(Buckets, *[counts] * 8)
rates = st.fixed_dictionaries(dict.fromkeys(KINDS, amounts))
holed = st.fixed_dictionaries(dict.fromkeys(KINDS, st.none() | amounts))
bounds = st.lists(st.integers(1, 3_000_000), unique=True, max_size=3).map(sorted)


@st.composite
def tiered(draw: st.DrawFn, one: st.SearchStrategy[dict[str, int | None]] = rates) -> Prices:  # type: ignore[assignment]  # ints are among them
    tiers = tuple(PriceTier(above, **draw(one)) for above in draw(bounds))
    return Prices(**draw(one), tiers=tiers)  # type: ignore[arg-type]  # as above


def of(one: Buckets) -> Usage:
    return Usage(one.input_total, one.output_total, buckets=one)


@given(buckets, rates)
def test_a_cost_is_the_sum_of_its_buckets(one: Buckets, flat: dict[str, int]) -> None:
    prices = Prices(**flat)  # type: ignore[arg-type]  # counts
    parts = [cost_of(of(replace(Buckets(), **{name: getattr(one, name)})), prices) for name in NAMES]
    whole = cost_of(of(one), prices)
    assert whole is not None
    assert whole == sum((part for part in parts if part is not None), Decimal(0))


@given(buckets, tiered(), st.sampled_from(NAMES), st.integers(1, 1000))
def test_more_tokens_cost_no_less_where_tiers_cost_no_less(one: Buckets, prices: Prices, name: str, more: int) -> None:
    rising, highest = [], {kind: getattr(prices, kind) for kind in KINDS}
    for tier in prices.tiers:
        highest = {kind: max(highest[kind], getattr(tier, kind)) for kind in KINDS}
        rising.append(PriceTier(tier.above, **highest))
    prices = replace(prices, tiers=tuple(rising))
    before, after = cost_of(of(one), prices), cost_of(of(replace(one, **{name: getattr(one, name) + more})), prices)
    assert before is not None
    assert after is not None
    assert after >= before


@given(buckets, tiered(holed))  # type: ignore[arg-type]  # with holes
def test_a_cost_is_known_if_and_only_if_every_used_bucket_has_a_price(one: Buckets, prices: Prices) -> None:
    reached: Prices | PriceTier = prices
    for tier in prices.tiers:
        reached = tier if one.input_total > tier.above else reached
    priced = {"input_uncached": reached.input, "output_text": reached.output, "reasoning": reached.output}
    used = [priced[name] if name in priced else getattr(reached, name) for name in NAMES if getattr(one, name)]
    found = cost_of(of(one), prices)
    assert (found is None) == (None in used)
    if found == 0:
        assert all(price == 0 for price in used)


@given(st.integers(1, 2_000_000), rates, rates)
def test_the_boundary_of_a_tier_is_sharp(above: int, low: dict[str, int], high: dict[str, int]) -> None:
    prices = Prices(**low, tiers=(PriceTier(above, **high),))  # type: ignore[arg-type]  # counts
    at, over = (cost_of(of(Buckets(tokens, output_text=7)), prices) for tokens in (above, above + 1))
    assert at == Decimal(above * low["input"] + 7 * low["output"]) / 10**9
    assert over == Decimal((above + 1) * high["input"] + 7 * high["output"]) / 10**9


@given(buckets, tiered())
def test_no_text_costs_more_than_its_worst_case(one: Buckets, prices: Prices) -> None:
    text = replace(one, input_audio=0, output_audio=0)
    cost, worst = cost_of(of(text), prices), worst_cost(prices, text.input_total, text.output_total)
    assert cost is not None
    assert worst is not None
    assert cost <= Decimal(worst) / 10**9
    expected = expected_cost(prices, text.input_total, text.output_total)
    assert expected is not None
    assert expected <= worst


@given(tiered(), counts, counts, counts)
def test_a_worst_case_does_not_fall_when_the_bound_of_the_input_rises(prices: Prices, tokens: int, more: int, output: int) -> None:
    small, large = worst_cost(prices, tokens, output), worst_cost(prices, tokens + more, output)
    assert small is not None
    assert large is not None
    assert small <= large
