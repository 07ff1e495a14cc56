"""Money: what a call cost, from disjoint token counts and the signed row's prices. An unknown price is None, never 0."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from saferoute.values.target import Prices
    from saferoute.values.usage import Usage

__all__ = ["cost_of"]

_NANO = Decimal(1_000_000_000)


def cost_of(usage: Usage, prices: Prices | None) -> Decimal | None:
    """Price a call.

    Args:
        usage: what the provider reported.
        prices: the row's prices, in nano-units per token.

    Returns:
        The cost in the prices' currency; None when the provider reported no counts, or a count that is not 0 has no price.
    """
    if prices is None or usage.buckets is None:
        return None
    buckets = usage.buckets
    # Sound has no price of its own in schema 1: a call that used it has no known cost.
    priced = (
        (buckets.input_uncached, prices.input),
        (buckets.cache_read, prices.cache_read),
        (buckets.cache_write_5m, prices.cache_write_5m),
        (buckets.cache_write_1h, prices.cache_write_1h),
        (buckets.output_text, prices.output),
        (buckets.reasoning, prices.output),
        (buckets.input_audio, None),
        (buckets.output_audio, None),
    )
    total = 0
    for count, price in priced:
        if count:
            if price is None:
                return None
            total += count * price
    return Decimal(total) / _NANO
