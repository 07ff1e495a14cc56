"""Keeps saferoute/routing/catalogue_prices.json: what models cost, copied into the table that somebody signs. For maintainers.

    python benchmarks/catalogue_prices.py export OUT.json [NAMES.txt]
                                                               where the package genai-prices is installed: writes its prices down for the
                                                               models that the catalogue has prices of, and for LIST/MODEL in NAMES.txt
    python benchmarks/catalogue_prices.py compare LIST.json    prints what a newer list says otherwise; exits with 1 if anything differs
    python benchmarks/catalogue_prices.py write LIST.json      takes the list over, after somebody looked at `compare`

Nothing is fetched, and nothing of this runs in a client. A model is left out, with its reason in the list, where one price for a token
would not be true: prices that go by the hour of the day, that are announced to change, that count pictures or requests, or that are no
whole number of nano-dollars for a token. What is left out has no known cost, until somebody writes its price into routes.toml.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

SNAPSHOT = Path(__file__).resolve().parents[1] / "saferoute" / "routing" / "catalogue_prices.json"
PACKAGE = "genai_prices"
# A list of the catalogue -> where the package has it, and whether its plain price of input covers sound as well.
LISTS = {
    "openai": ("openai", False),
    "anthropic": ("anthropic", False),
    "gemini": ("google", True),
    "mistral": ("mistral", False),
    "cohere": ("cohere", False),
    "xai": ("x-ai", False),
    "groq": ("groq", False),
    "cerebras": ("cerebras", False),
    "moonshot": ("moonshotai", False),
    "zai": ("zai", False),
}
BUCKETS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write_5m",
    "cache_write_5m_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "input_audio",
    "output_audio_mtok": "output_audio",
}
# Not counted in tokens, and reported apart: a call that has any of them has no known cost. Cached sound: likewise.
APART = {"web_searches_kcount", "storage_searches_kcount", "cache_audio_read_mtok"}
TERMS = ("service_tier", "speed")
# Where the package's price is not to be believed, and why.
DOUBTED = {
    "mistral/mistral-large-latest": "the name has moved on since the price that the package has for it",
    "mistral/mistral-large-4": "half price for a time: Mistral's own list said $0.68 and $2.09 in place of $1.36 and $4.18, as of 2026-10",
    "mistral/mistral-large-4-0": "as mistral-large-4",
}


class Left(Exception):  # noqa: N818  why a model is left out
    """This model has no price that is true for every token."""


def nano(price: Any) -> int:
    """Dollars for a million tokens as nano-dollars for one."""
    exact = Decimal(price) * 1000
    if exact != int(exact):
        raise Left(f"${price}/M is no whole number of nano-dollars for a token")
    return int(exact)


# --------------------------------------------------------------------------------------------------------------- export


def rates_of(prices: Any, number: Any = nano) -> dict[str, Any]:
    """A model's prices in the signed words, each as `number` makes it."""
    rates: dict[str, Any] = {}
    tiers: dict[int, dict[str, Any]] = {}
    for key, value in vars(prices).items():
        if key.startswith("_") or value is None or key in APART:
            continue
        if key not in BUCKETS:
            raise Left(f"is billed by {key} too")
        if hasattr(value, "tiers"):
            rates[BUCKETS[key]] = number(value.base)
            for tier in value.tiers:
                tiers.setdefault(tier.start, {})[BUCKETS[key]] = number(tier.price)
        else:
            rates[BUCKETS[key]] = number(value)
    if "input" not in rates:
        raise Left("has no price of input: free of charge, or not published")
    if tiers:  # what has one price has it in every tier
        base = dict(rates)
        rates["tiers"] = [{"above": start, **base, **tier} for start, tier in sorted(tiers.items())]
    return rates


def current(model: Any, now: datetime) -> Any:
    """The price that is in force."""
    if not isinstance(model.prices, list):
        return model.prices
    found = None
    for one in model.prices:
        kind = type(one.constraint).__name__
        if kind == "TimeOfDateConstraint":
            raise Left("goes by the hour of the day")
        if one.constraint is None or one.constraint.active(now):
            found = one.prices
        else:
            raise Left(f"is announced to change on {one.constraint.start_date}")
    return found


def multipliers_of(model: Any, rates: dict[str, Any], now: datetime) -> dict[str, int]:
    """Thousandths of the price by term, for terms under which every price is the same multiple."""
    found: dict[str, int] = {}
    for variant in model.price_variants or ():
        [(key, word)] = variant.when.items() if len(variant.when) == 1 else [("several", "")]
        if key not in TERMS or word in {"default", "standard"} or (variant.constraint is not None and not variant.constraint.active(now)):
            continue
        try:
            other = rates_of(variant.prices, lambda price: Fraction(price) * 1000)
        except Left:
            continue
        factors = {Fraction(other[name], rates[name]) for name in rates if name != "tiers" and name in other and rates[name]}
        same = other.keys() == rates.keys() and len(factors) == 1
        for one, more in zip(rates.get("tiers", ()), other.get("tiers", ()), strict=False):
            same = same and all(Fraction(more[name], one[name]) in factors for name in one if name != "above" and one[name])
        factor = next(iter(factors)) * 1000 if same else Fraction(1, 2)
        if factor.denominator == 1:
            found[word] = int(factor)
    return dict(sorted(found.items()))


def priced(model: Any, name: str, now: datetime) -> dict[str, Any]:
    """What a model costs now, in the signed words."""
    if name in DOUBTED:
        raise Left(DOUBTED[name])
    if model is None:
        raise Left("is not in the package's list")
    if model.deprecated:
        raise Left("is listed as withdrawn")
    rates = rates_of(current(model, now))
    multipliers = multipliers_of(model, rates, now)
    return rates | ({"multipliers": multipliers} if multipliers else {})


def export(out: Path, more: Path | None) -> int:
    """Write the installed package's list down, in the form of the snapshot, with what is left out and why."""
    from importlib.metadata import version  # noqa: PLC0415

    from genai_prices.data import providers  # noqa: PLC0415

    now = datetime.now(UTC)
    asked = [name.partition("/") for name in more.read_text(encoding="utf-8").split()] if more is not None else []
    known = json.loads(SNAPSHOT.read_text(encoding="utf-8"))["lists"] if SNAPSHOT.exists() else {}
    lists: dict[str, Any] = {}
    left: dict[str, str] = dict(DOUBTED)
    pages: dict[str, list[str]] = {}
    for name, (theirs, sound) in LISTS.items():
        provider = next(one for one in providers if one.id == theirs)
        pages[name] = list(provider.pricing_urls or ())
        models: dict[str, Any] = {}
        for model_name in sorted({one for place, _, one in asked if place == name} | known.get(name, {"models": {}})["models"].keys()):
            try:
                rates = priced(provider.find_model(model_name), f"{name}/{model_name}", now)
            except Left as why:
                left[f"{name}/{model_name}"] = str(why)
                continue
            for one in (rates, *rates.get("tiers", ())) if sound and "output" in rates else ():
                one.setdefault("input_audio", one["input"])
            models[model_name] = rates
        lists[name] = {"currency": "USD", "models": models}
    annotations = {
        "source": f"genai-prices {version('genai-prices')} (https://github.com/pydantic/genai-prices)",
        "licence": "MIT, Copyright (c) Pydantic Services Inc. 2025 to present; the text is in catalogue_prices.LICENSE",
        "as_of": now.date().isoformat(),
    }
    save(out, {"annotations": annotations, "pages": pages, "lists": lists, "left_out": dict(sorted(left.items()))})
    print(f"{sum(len(one['models']) for one in lists.values())} models in {len(lists)} lists; {len(left)} left out: {out}")
    return 0


def save(path: Path, data: dict[str, Any]) -> None:
    """One model a line, so that a review shows which one changes."""
    lines = ["{", f' "annotations": {json.dumps(data["annotations"])},', f' "pages": {json.dumps(data["pages"])},', ' "lists": {']
    for position, (name, one) in enumerate(data["lists"].items()):
        lines += [f'  "{name}": {{"currency": "{one["currency"]}", "models": {{']
        lines += [",\n".join(f"   {json.dumps(model)}: {json.dumps(rates)}" for model, rates in sorted(one["models"].items()))]
        lines += ["  }}" + ("," if position < len(data["lists"]) - 1 else "")]
    lines += [" },", f' "left_out": {json.dumps(data["left_out"], indent=2)}', "}", ""]
    path.write_text("\n".join(lines), encoding="utf-8")


# -------------------------------------------------------------------------------------------------------------- compare


def flat(rates: dict[str, Any]) -> dict[str, int]:
    """Every amount of a model under a name of its own."""
    found = {name: amount for name, amount in rates.items() if name not in ("tiers", "multipliers")}
    for tier in rates.get("tiers", ()):
        found |= {f"above {tier['above']}: {name}": amount for name, amount in tier.items() if name != "above"}
    return found | {f"x {term}": factor for term, factor in rates.get("multipliers", {}).items()}


def shown(amount: int | None) -> str:
    return "-" if amount is None else f"{Decimal(amount) / 1000:f}"


def rows_of(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, ...]]:
    """What differs: (list/model, what, was, becomes, factor)."""
    rows: list[tuple[str, ...]] = []
    for name in sorted({*old["lists"], *new["lists"]}):
        was, becomes = (side["lists"].get(name, {"models": {}})["models"] for side in (old, new))
        for model in sorted({*was, *becomes}):
            before, after = flat(was.get(model, {})), flat(becomes.get(model, {}))
            if model not in becomes:
                rows.append((f"{name}/{model}", "is gone", "", new.get("left_out", {}).get(f"{name}/{model}", ""), ""))
                continue
            for field in sorted({*before, *after}):
                one, other = before.get(field), after.get(field)
                if one != other:
                    factor = f"x{Decimal(other) / Decimal(one):.3g}" if one and other else ""
                    rows.append((f"{name}/{model}", field if model in was else f"new: {field}", shown(one), shown(other), factor))
    return rows


def compare(path: Path) -> int:
    """Print what a newer list says otherwise: dollars for a million tokens."""
    old, new = (json.loads(one.read_text(encoding="utf-8")) for one in (SNAPSHOT, path))
    for side, data in (("catalogue", old), ("list", new)):
        print(f"{side}: {data['annotations']['source']}, as of {data['annotations']['as_of']}")
    rows = rows_of(old, new)
    head = ("model", "what", "was", "becomes", "factor")
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows) if rows else ():
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    print(f"{len(rows)} differences")
    return 1 if rows else 0


def write(path: Path) -> int:
    """Take a list over."""
    data = json.loads(path.read_text(encoding="utf-8"))
    save(SNAPSHOT, data)
    print(f"wrote {SNAPSHOT}; run the tests, and look at the difference in git before it is committed")
    return 0


def main(arguments: list[str]) -> int:
    match arguments:
        case ["export", out]:
            return export(Path(out), None)
        case ["export", out, names]:
            return export(Path(out), Path(names))
        case ["compare", path]:
            return compare(Path(path))
        case ["write", path]:
            return write(Path(path))
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
