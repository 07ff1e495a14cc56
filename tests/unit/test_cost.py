"""What a call cost, and the most that it can cost: tiers, terms, what is billed, and what is not known."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from saferoute.capabilities.authorise import worst_case
from saferoute.values.cost import cost_of, expected_cost, rates_at, worst_cost
from saferoute.values.target import Prices, PriceTier
from saferoute.values.usage import Buckets, Usage, usage_from_totals
from tests.support.scripted import target

HIGH = PriceTier(200, input=20, output=60, cache_read=2, cache_write_5m=25, cache_write_1h=40, input_audio=50, output_audio=90)
HIGHEST = PriceTier(1000, input=40, output=120)
PRICES = Prices(
    input=10, output=30, cache_read=1, cache_write_5m=12, cache_write_1h=20, input_audio=25, output_audio=45,
    tiers=(HIGH, HIGHEST), multipliers=(("flex", 500), ("priority", 1750)),
)  # fmt: skip
EVERY = Buckets(1, 2, 4, 8, 16, 32, 64, 128)


def used(**changes: int) -> Usage:
    return usage_from_totals(**{"input_tokens": 100, "output_tokens": 10, **changes})  # type: ignore[arg-type]  # counts


def nano(amount: int) -> Decimal:
    return Decimal(amount) / 1_000_000_000


def test_every_bucket_has_its_price() -> None:
    usage = replace(used(), buckets=EVERY)
    assert cost_of(usage, PRICES) == nano(1 * 10 + 2 * 1 + 4 * 12 + 8 * 20 + 16 * 25 + (32 + 64) * 30 + 128 * 45)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [(0, Decimal(0)), (200, nano(200 * 10)), (201, nano(201 * 20)), (1000, nano(1000 * 20)), (1001, nano(1001 * 40))],
)
def test_a_tier_prices_every_token_from_one_above_its_bound(tokens: int, expected: Decimal) -> None:
    assert cost_of(used(input_tokens=tokens, output_tokens=0), PRICES) == expected


def test_cached_tokens_and_sound_count_for_the_tier() -> None:
    assert cost_of(used(input_tokens=201, cache_read=150, input_audio=50, output_tokens=0), PRICES) == nano(150 * 2 + 50 * 50 + 20)


def test_what_a_tier_does_not_price_is_not_known_there() -> None:
    assert cost_of(used(input_tokens=1001, cache_read=1, output_tokens=0), PRICES) is None
    assert cost_of(used(input_tokens=1001, output_tokens=1), PRICES) == nano(1001 * 40 + 120)


@pytest.mark.parametrize("bucket", ["input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_audio"])
def test_a_used_bucket_without_a_price_leaves_the_cost_unknown(bucket: str) -> None:
    usage = replace(used(), buckets=EVERY)
    assert cost_of(usage, replace(PRICES, **{bucket: None})) is None


def test_a_bucket_that_was_not_used_needs_no_price() -> None:
    assert cost_of(used(), Prices(input=10, output=30)) == nano(1300)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ((), nano(1300)),
        (("flex",), nano(650)),
        (("priority",), nano(2275)),
        (("flex", "priority"), Decimal("0.0000011375")),
        (("batch",), None),
        (("flex", "web_search_requests"), None),
    ],
)
def test_terms_multiply_the_price_or_leave_it_unknown(terms: tuple[str, ...], expected: Decimal | None) -> None:
    assert cost_of(replace(used(), terms=terms), PRICES) == expected


def test_half_a_nano_dollar_is_not_lost() -> None:
    assert cost_of(
        replace(used(input_tokens=1, output_tokens=0), terms=("flex",)), Prices(input=5, multipliers=(("flex", 500),))
    ) == Decimal("0.0000000025")


def test_the_bill_goes_by_what_is_billed() -> None:
    usage = replace(used(input_tokens=300, output_tokens=20), billed=Buckets(100, output_text=10))
    assert cost_of(usage, PRICES) == nano(1300)  # and by its length: no tier is reached


@pytest.mark.parametrize("usage", [Usage(), usage_from_totals(input_tokens=None, output_tokens=5), Usage(buckets=None, terms=("flex",))])
def test_without_counts_nothing_is_known(usage: Usage) -> None:
    assert cost_of(usage, PRICES) is None


def test_without_prices_nothing_is_known() -> None:
    assert cost_of(used(), None) is None
    assert cost_of(used(input_tokens=0, output_tokens=0), None) is None


def test_rates() -> None:
    assert rates_at(PRICES, 200) is PRICES
    assert rates_at(PRICES, 201) is HIGH
    assert rates_at(PRICES, 5000) is HIGHEST


def test_an_expected_cost_goes_by_its_tier() -> None:
    assert expected_cost(PRICES, 200, 10) == 200 * 10 + 300
    assert expected_cost(PRICES, 201, 10) == 201 * 20 + 600
    assert expected_cost(replace(PRICES, input=None), 200, 10) is None
    assert expected_cost(replace(PRICES, output=None), 200, 10) is None
    assert expected_cost(replace(PRICES, output=None), 200, 0) == 2000


@pytest.mark.parametrize(
    ("most_input", "expected"),
    [
        (0, 10 * 30),
        (200, 200 * 20 + 10 * 30),  # 200 tokens reach no tier, and writing them to the cache for an hour is dearest
        (201, 201 * 40 + 10 * 60),
        (1000, 1000 * 40 + 10 * 60),
        (1001, 1001 * 40 + 10 * 120),  # the highest tier has no price of its own for the cache; the output decides
    ],
)
def test_the_worst_case_is_in_the_dearest_tier_that_can_be_reached(most_input: int, expected: int) -> None:
    assert worst_cost(PRICES, most_input, 10) == expected


def test_a_higher_tier_that_is_cheaper_does_not_lower_the_worst_case() -> None:
    odd = Prices(input=10, output=30, tiers=(PriceTier(200, input=1, output=1),))
    assert worst_cost(odd, 300, 10) == 300 * 10 + 300


def test_a_tier_without_a_price_that_can_be_reached_leaves_the_worst_case_unknown() -> None:
    holed = Prices(input=10, output=30, tiers=(PriceTier(200, output=60), PriceTier(300, input=20)))
    assert worst_cost(holed, 200, 10) == 2000 + 300
    assert worst_cost(holed, 201, 10) is None
    only_output = replace(holed, tiers=(PriceTier(200, input=20),))
    assert worst_cost(only_output, 201, 10) is None
    assert worst_cost(only_output, 201, 0) == 201 * 20
    assert worst_cost(replace(holed, input=None), 1, 0) is None


def test_a_capability_bounds_by_the_dearest_tier_of_the_row() -> None:
    row = target(prices=PRICES, default_max_output=10)
    assert worst_case(row, input_bytes=201, max_output=None) == 201 * 40 + 10 * 60
    assert worst_case(row, input_bytes=201, max_output=10, answers=2) == 201 * 40 + 20 * 60
    assert worst_case(row, input_bytes=201, max_output=10, by_reference=True) is None
