"""Prices in a table's payload: of a row, and lists of what models cost, which rows name."""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from saferoute.routing.schema import ANNOTATIONS, ListOf, MapOf, Record, Text, Whole
from saferoute.signing.refusal import Refused
from saferoute.values.target import Prices, PriceTier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.routing.schema import Shape

__all__ = [
    "MAX_PRICE_LISTS", "NO_PRICES", "PRICES", "PRICE_FIELDS", "PricedModels", "compile_price_list", "compile_prices", "price_list_shape",
]  # fmt: skip

MAX_PRICE_LISTS: Final = 100
MAX_PRICED_MODELS: Final = 2000

PRICE_FIELDS: Final = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h", "input_audio", "output_audio")
"""What has a price, in the signed words: the buckets of `saferoute.values.usage`, where thinking is output."""

_amount = Whole(0, 2**53 - 1)
_kinds: Mapping[str, Shape] = MappingProxyType(dict.fromkeys(PRICE_FIELDS, _amount))
_term = Text(re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*"), longest=64, what='a term that a provider reports, such as "flex"')
_rates: Mapping[str, Shape] = MappingProxyType(
    {
        **_kinds,
        "tiers": ListOf(Record({"above": Whole(1, 1_000_000_000)}, _kinds), 8, 1),
        "multipliers": MapOf(_term, Whole(1, 1_000_000), 16, 1),
    }
)
_currency = Text(re.compile(r"[A-Z]{3}"), longest=3, what="a currency code such as USD")

PRICES: Final = Record({"currency": _currency}, _rates)
"""The prices of one row."""


def price_list_shape(model: Text) -> Record:
    """The shape of a list of prices, given that of a model's name."""
    return Record(
        {"currency": _currency, "models": MapOf(model, Record({"input": _amount}, _rates), MAX_PRICED_MODELS, 1)},
        {"annotations": ANNOTATIONS},
    )


@dataclass(frozen=True, slots=True)
class PricedModels:
    """A compiled list.

    Attributes:
        prices: what each model costs, by its exact name.
        marks: hash of each, to notice if it is changed in memory.
        notes: the list's annotations: where the prices are from, and of which day.
    """

    prices: Mapping[str, Prices]
    marks: Mapping[str, int]
    notes: Mapping[str, str]

    def is_intact(self, model: str, prices: Prices | None) -> bool:
        """Whether these are the prices that were verified for a model; None where the list has none."""
        if prices is None:
            return model not in self.prices
        return prices is self.prices.get(model) and hash(prices) == self.marks[model]


NO_PRICES: Final = PricedModels(MappingProxyType({}), MappingProxyType({}), MappingProxyType({}))
"""The list of a row that names none."""


def compile_price_list(raw: Mapping[str, Any], path: str) -> PricedModels:
    """Compile a list that fits its shape.

    Raises:
        Refused: as `compile_prices`.
    """
    currency = raw["currency"]
    prices = {name: compile_prices(rates, f"{path}.models.{name}", currency) for name, rates in raw["models"].items()}
    marks = {name: hash(one) for name, one in prices.items()}
    return PricedModels(MappingProxyType(prices), MappingProxyType(marks), MappingProxyType(raw.get("annotations", {})))


def compile_prices(raw: Mapping[str, Any], path: str, currency: str) -> Prices:
    """Compile prices that fit their shape.

    Raises:
        Refused: for tiers that do not rise, and one that prices nothing.
    """
    rates = {name: raw[name] for name in PRICE_FIELDS if name in raw}
    if "tiers" not in raw and "multipliers" not in raw:  # most models
        return Prices(currency, **rates)
    tiers = tuple(PriceTier(**tier) for tier in raw.get("tiers", ()))
    for position, (tier, before) in enumerate(zip(tiers, (0, *(one.above for one in tiers)), strict=False)):
        if tier.above <= before:
            raise Refused(f"{path}.tiers[{position}].above: {tier.above} is not above {before}, where the tier before it begins")
        if len(raw["tiers"][position]) == 1:
            raise Refused(f"{path}.tiers[{position}] prices nothing: write what input and output cost there")
    return Prices(currency, **rates, tiers=tiers, multipliers=tuple(sorted(raw.get("multipliers", {}).items())))
