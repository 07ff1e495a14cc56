"""Recorded answers that say what they cost: xAI's usage has the bill, in ten-billionths of a dollar. Skipped where the folder is absent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.price_lists import compile_price_list
from saferoute.values.cost import cost_of
from tests.conformance import corpus

pytestmark = pytest.mark.skipif(corpus.shared_corpus() is None, reason="the shared corpus is not here (SAFEROUTE_SHARED or ../shared)")


def test_the_catalogues_prices_come_to_what_the_provider_billed() -> None:
    prices = compile_price_list(load_catalogue().price_list("xai") or {}, "xai").prices
    billed, apart = 0, 0
    for record in corpus.records("openai_responses"):
        if record["provider"] != "xai" or not corpus.is_answered(record):
            continue
        completed = corpus.folded(corpus.decode(record, corpus.body_of(record))).completed
        assert completed is not None
        usage, ticks = completed.usage, completed.usage.raw.get("cost_in_usd_ticks")
        cost = cost_of(usage, prices.get(corpus.target_for(record).model))
        if usage.terms:  # searches and the like are in the bill, and in no price of a token
            assert cost is None
            apart += 1
        elif ticks and cost is not None:
            assert cost == ticks * Decimal("1e-10"), record["id"]
            billed += 1
    assert billed >= 20
    assert apart >= 1
