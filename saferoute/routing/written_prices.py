"""Prices as people write them in routes.toml, and lists out of the catalogue, in the signed table's own words.

What a model costs is known in three ways, the first that fits counts: a row's own `prices`; a list of the file's own,
`[price_lists.NAME.models]`, under the model's exact name; the catalogue's list of that name. Only lists that a row names are written,
and of those only what its rows can be asked for. Nothing is looked up when a client runs.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from saferoute.routing.price_lists import PRICE_FIELDS
from saferoute.routing.schema import check
from saferoute.routing.shapes import PRICE_LIST
from saferoute.routing.spellings import price
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

__all__ = ["used_price_lists", "written_price_lists", "written_prices"]

_MULTIPLIER: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3})?")
_LONGEST: Final = 2000


def written_prices(raw: object, path: str) -> dict[str, Any]:
    """Read the prices of a row, or of a model in a list.

    Args:
        raw: as it stands in the file.
        path: where, for errors.

    Raises:
        Refused: for what is no price, and for prices in several currencies.
    """
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ input = "$2.50/M", output = "$10/M" }}')
    currencies: dict[str, str] = {}
    prices = _rates({name: value for name, value in raw.items() if name not in ("tiers", "multipliers")}, path, currencies)
    if "tiers" in raw:
        prices["tiers"] = _tiers(raw["tiers"], f"{path}.tiers", currencies)
    if "multipliers" in raw:
        prices["multipliers"] = _multipliers(raw["multipliers"], f"{path}.multipliers")
    if not currencies:
        raise Refused(f'{path} has no price: write what it costs, such as {{ input = "$2.50/M", output = "$10/M" }}')
    return {"currency": next(iter(currencies.values())), **prices}


def _rates(raw: Mapping[str, object], path: str, currencies: dict[str, str]) -> dict[str, Any]:
    rates: dict[str, Any] = {}
    for name, value in raw.items():
        if name not in PRICE_FIELDS:
            raise Refused(f"{path}.{name} is no price; the prices are {', '.join(PRICE_FIELDS)}, besides tiers and multipliers")
        rates[name], currency = price(value, f"{path}.{name}")
        first = currencies.setdefault("currency", currency)
        if first != currency:
            raise Refused(f"{path}.{name} is in {currency}, and another price in {first}")
    return rates


def _tiers(raw: object, path: str, currencies: dict[str, str]) -> list[dict[str, Any]]:
    if not isinstance(raw, list) or not all(isinstance(tier, dict) and "above" in tier for tier in raw):
        raise Refused(f'{path} must be a list such as [{{ above = 200000, input = "$5/M", output = "$20/M" }}]')
    tiers = []
    for number, tier in enumerate(raw):
        rates = {name: value for name, value in tier.items() if name != "above"}
        tiers.append({"above": tier["above"], **_rates(rates, f"{path}[{number}]", currencies)})
    return tiers


def _multipliers(raw: object, path: str) -> dict[str, int]:
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ flex = "0.5", priority = "2" }}')
    found = {}
    for term, value in raw.items():
        if not isinstance(value, str) or not _MULTIPLIER.fullmatch(value):
            raise Refused(f'{path}.{term} is {value!r}; write what the price is multiplied by, such as "0.5", with up to 3 decimals')
        found[term] = int(Decimal(value) * 1000)
    return found


def written_price_lists(raw: Mapping[str, Any], known: Callable[[str], Mapping[str, Any] | None]) -> dict[str, dict[str, Any]]:
    """Read `[price_lists]`: each model's prices in place of the catalogue's, where the catalogue has a list of that name.

    Args:
        raw: the section.
        known: gives the catalogue's list of a name, in the signed words; None where it has none.

    Raises:
        Refused: for what is no list, or one in several currencies.
    """
    lists = {}
    for name, written in raw.items():
        path = f"price_lists.{name}"
        if not isinstance(written, dict) or not isinstance(written.get("models"), dict) or not written["models"]:
            line = '"m-1" = { input = "$1/M", output = "$4/M" }'
            raise Refused(f"{path} must have [{path}.models], with a line for each model, such as {line}")
        if unknown := written.keys() - {"models", "annotations"}:
            raise Refused(f"{path}.{min(unknown)} is no field of a list of prices; the fields are models and annotations")
        models = {model: written_prices(rates, f"{path}.models.{model}") for model, rates in written["models"].items()}
        base: Mapping[str, Any] = known(name) or {"models": {}}
        currency = base.get("currency", next(iter(models.values()))["currency"])
        for model, rates in models.items():
            if rates.pop("currency") != currency:
                raise Refused(f"{path}.models.{model} is not in {currency}, as others of this list are")
        notes = {**base.get("annotations", {}), **({"overridden": ", ".join(sorted(models))[:_LONGEST]} if "currency" in base else {})}
        made = {"currency": currency, "models": {**base["models"], **models}, "annotations": {**notes, **written.get("annotations", {})}}
        check(made, PRICE_LIST, path)
        lists[name] = made
    return lists


def used_price_lists(
    rows: Iterable[dict[str, Any]], own: Mapping[str, Mapping[str, Any]], known: Callable[[str], Mapping[str, Any] | None]
) -> dict[str, dict[str, Any]]:
    """The lists that rows name, each with no more than its rows can be asked for. A row that needs none of its list loses the name.

    Args:
        rows: in the signed words.
        own: the file's lists, as `written_price_lists` gives them.
        known: gives the catalogue's list of a name.

    Raises:
        Refused: for a list of the file that no row names.
    """
    asked: dict[str, set[str]] = {}
    lists: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        name = row.get("price_list")
        found = None if name is None else own.get(name) or known(name)
        if name is None or found is None:
            continue  # without a list of that name the table does not compile, and says so
        lists[name] = found
        if row["model"] != "*" and ("prices" in row or row["model"] not in found["models"]):
            del row["price_list"]
        else:
            asked.setdefault(name, set()).add(row["model"])
    for name in own.keys() - lists.keys():
        raise Refused(f'price_lists.{name}: no row has this list; write price_list = "{name}" into one')
    return {name: {**lists[name], "models": _trimmed(lists[name]["models"], models)} for name, models in asked.items()}


def _trimmed(models: Mapping[str, Any], asked: set[str]) -> dict[str, Any]:
    """The models that rows can be asked for: a row that takes any model can be asked for all."""
    return {model: rates for model, rates in models.items() if "*" in asked or model in asked}
