"""Money: what a call cost, and the most that it can cost, from token counts and the signed row's prices. Unknown is None, never 0."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.values.exact import quotient

if TYPE_CHECKING:
    from decimal import Decimal

    from saferoute.values.target import Prices, PriceTier
    from saferoute.values.usage import Usage

__all__ = ["cost_of", "expected_cost", "rates_at", "worst_cost"]

_NANO: Final = 1_000_000_000


def cost_of(usage: Usage, prices: Prices | None) -> Decimal | None:
    """Price a call. All its tokens cost what the tier says that its input reaches.

    Args:
        usage: what the provider reported.
        prices: the row's prices, in nano-units per token.

    Returns:
        The cost in the prices' currency, exactly; None when the provider reported no counts, a count that is not 0 has no price, or a
        term that the prices have no multiplier for.
    """
    buckets = usage.buckets if usage.billed is None else usage.billed
    if prices is None or buckets is None:
        return None
    rates = rates_at(prices, buckets.input_total) if prices.tiers else prices
    total = 0
    for count, price in (
        (buckets.input_uncached, rates.input),
        (buckets.output_text, rates.output),
        (buckets.reasoning, rates.output),
        (buckets.cache_read, rates.cache_read),
        (buckets.cache_write_5m, rates.cache_write_5m),
        (buckets.cache_write_1h, rates.cache_write_1h),
        (buckets.input_audio, rates.input_audio),
        (buckets.output_audio, rates.output_audio),
    ):
        if count:
            if price is None:
                return None
            total += count * price
    return _under_terms(total, usage.terms, prices) if usage.terms else quotient(total)


def _under_terms(total: int, terms: tuple[str, ...], prices: Prices) -> Decimal | None:
    known, parts = dict(prices.multipliers), _NANO
    for term in terms:
        if term not in known:
            return None
        total *= known[term]
        parts *= 1000
    return quotient(total, parts)


def rates_at(prices: Prices, input_tokens: int) -> Prices | PriceTier:
    """The prices that a request with so many input tokens has: those of the last tier that it is above, or the plain ones."""
    for tier in reversed(prices.tiers):
        if input_tokens > tier.above:
            return tier
    return prices


def expected_cost(prices: Prices, input_tokens: int, most_output: int) -> int | None:
    """What a request costs with so many input tokens, none of them cached, and all of its output, in nano-units.

    Returns:
        None if a price is not known.
    """
    rates = rates_at(prices, input_tokens)
    if rates.input is None or (rates.output is None and most_output):
        return None
    return input_tokens * rates.input + most_output * (rates.output or 0)


def worst_cost(prices: Prices, most_input: int, most_output: int) -> int | None:
    """The most that a request can cost, in nano-units, with up to so many tokens of text: in the dearest of the tiers that it can reach.

    Of the input, every token counts at the dearest of a tier's prices for text: writing to a cache costs more than reading past it.
    Sound and multipliers do not count: a call that has sound, or asks for other terms, has no known worst case.

    Returns:
        None if a price of input or output is not known in a tier that the request can reach.
    """
    worst = 0
    reached: list[Prices | PriceTier] = [prices, *(tier for tier in prices.tiers if tier.above < most_input)]
    for rates in reached:
        if rates.input is None or (rates.output is None and most_output):
            return None
        dearest = max(rates.input, rates.cache_read or 0, rates.cache_write_5m or 0, rates.cache_write_1h or 0)
        worst = max(worst, most_input * dearest + most_output * (rates.output or 0))
    return worst
