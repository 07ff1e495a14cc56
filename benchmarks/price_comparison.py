"""What recorded answers cost by the catalogue's prices, compared with two price libraries, and with what a provider says itself.

    python benchmarks/price_comparison.py           prints agreements and every difference; exits with 1 if one of them is not explained

Reads ../shared/corpus, or SAFEROUTE_SHARED/corpus. Needs the packages genai-prices and tokencost, which are in no environment of the
project: install them beside it. genai-prices reads the counts out of each whole answer by itself, so both the reading and the arithmetic
are compared; of a stream it gets the counts as the provider wrote them. Its prices are where the catalogue's come from, so that an
agreement says nothing about a price: those are held against published texts in tests/unit/test_golden_invoices.py. tokencost has a list
of its own; it knows no tiers, and only calls without cached or written tokens are compared with it. xAI's answers say what they cost.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from saferoute.errors import SaferouteError
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.price_lists import compile_price_list
from saferoute.values.cost import cost_of
from saferoute.values.usage import Usage
from tests.conformance import corpus

# The corpus' name of a provider -> the catalogue's list, and the library's name and flavours by dialect.
PROVIDERS = {
    "openai": ("openai", "openai"),
    "anthropic": ("anthropic", "anthropic"),
    "gemini": ("gemini", "google"),
    "mistral": ("mistral", "mistral"),
    "cohere": ("cohere", "cohere"),
    "xai": ("xai", "x-ai"),
    "groq": ("groq", "groq"),
    "cerebras": ("cerebras", "cerebras"),
    "moonshotai": ("moonshot", "moonshotai"),
    "zai": ("zai", "zai"),
}
FLAVOURS = {"openai_chat": "chat", "openai_responses": "responses"}
TICK = Decimal(10) ** -10
# Models that tokencost 0.1.26 lists at a price that was given up, and what the provider's page said since.
OUTDATED = {"gpt-3.5-turbo": "listed at $1.50 and $2, which were gpt-3.5-turbo-0613's; $0.50 and $1.50 since gpt-3.5-turbo-0125"}


@cache
def prices(name: str) -> Any:
    return compile_price_list(load_catalogue().price_list(name) or {}, name).prices


def model_of(body: dict[str, Any], record: dict[str, Any], started: str) -> str:
    asked = (record["request"]["body"] or {}).get("model") or ""
    if record["dialect"] == "gemini_generate":
        asked = (record["request"]["url"] or "").partition("/models/")[2].partition(":")[0]
    return asked or str(body.get("model") or body.get("modelVersion") or started)


def whole_body(record: dict[str, Any]) -> dict[str, Any] | None:
    try:
        body = json.loads(corpus.body_of(record))
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def theirs(record: dict[str, Any], usage: Usage, model: str) -> Decimal | None:
    """The library's price, out of the answer itself where it is whole."""
    from genai_prices import calc_price, extract_usage  # noqa: PLC0415

    provider = PROVIDERS[record["provider"]][1]
    counts = "usageMetadata" if record["dialect"] == "gemini_generate" else "usage"
    body = whole_body(record) or {"model": model, "modelVersion": model, counts: dict(usage.raw)}
    body = {"model": model, "modelVersion": model, **body}
    for flavour in (FLAVOURS.get(record["dialect"], "default"), "default"):
        try:
            found = extract_usage(body, provider_id=provider, api_flavor=flavour)
            context = {"service_tier": usage.terms[0]} if usage.terms else None
            return calc_price(found.usage, model, provider_id=provider, price_context=context).total_price
        except (ValueError, LookupError):
            continue
    return None


def listed(usage: Usage, model: str) -> Decimal | None:
    """tokencost's price, for calls of which it can know everything."""
    from tokencost.constants import TOKEN_COSTS  # noqa: PLC0415

    found, buckets = TOKEN_COSTS.get(model), usage.buckets
    if found is None or buckets is None or buckets.input_uncached != usage.input_tokens or buckets.output_audio or usage.terms:
        return None
    into, out = found.get("input_cost_per_token"), found.get("output_cost_per_token")
    if into is None or out is None:
        return None
    return (usage.input_tokens or 0) * Decimal(str(into)) + (usage.output_tokens or 0) * Decimal(str(out))


def why_unknown(usage: Usage, model: str, name: str) -> str:
    if usage.buckets is None:
        return "the answer reports no counts"
    if model not in prices(name):
        return "the catalogue has no price for the model"
    if usage.terms:
        return f"terms without a price: {', '.join(usage.terms)}"
    return "a bucket without a price"


def explained(usage: Usage) -> str:
    """Why the library says another amount than we do; "" for no reason that is known."""
    for name in ("cached_tokens", "num_cached_tokens"):  # Kimi's and Mistral's own names, besides those of the details
        if usage.raw.get(name):
            return f"the library does not read {name}, and bills cached input in full"
    return ""


def main() -> int:
    if corpus.shared_corpus() is None:
        print("the shared corpus is not here (SAFEROUTE_SHARED or ../shared): nothing was compared")
        return 0
    counts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    differences: list[str] = []
    listing: Counter[str] = Counter()
    for record in corpus.every_record_once():
        if record["provider"] not in PROVIDERS or not corpus.is_answered(record):
            continue
        try:
            fold = corpus.folded(corpus.decode(record, corpus.body_of(record)))
        except SaferouteError:
            continue
        if fold.completed is None:
            continue
        counts["answers"] += 1
        usage, name = fold.completed.usage, PROVIDERS[record["provider"]][0]
        model = model_of(whole_body(record) or {}, record, fold.started.model if fold.started else "")
        ours = cost_of(usage, prices(name).get(model))
        if ours is None:
            counts["no known cost"] += 1
            unknown[why_unknown(usage, model, name)] += 1
            continue
        counts["priced"] += 1
        ticks = usage.raw.get("cost_in_usd_ticks")
        if isinstance(ticks, int) and ticks:
            counts["billed: the provider says so too" if ticks * TICK == ours else "billed: the provider says otherwise"] += 1
            if ticks * TICK != ours:
                differences.append(f"{record['id']} {model}: ours {ours}, billed {ticks * TICK}, {dict(usage.raw)}")
        other = theirs(record, usage, model)
        if other is None:
            counts["genai-prices: no price"] += 1
        elif other == ours:
            counts["genai-prices: the same"] += 1
        else:
            why = explained(usage)
            counts["genai-prices: another amount"] += 1
            differences.append(
                f"{record['id']} {model}: ours {ours}, theirs {other}; {why or 'NOT EXPLAINED'} {usage.buckets} {dict(usage.raw)}"
            )
        third = listed(usage, model)
        if third is not None:
            counts["tokencost: compared"] += 1
            listing["the same" if third == ours else f"{model}: another amount; {OUTDATED.get(model, 'NOT EXPLAINED')}"] += 1
    for what, count in [*counts.items(), *(("no known cost: " + why, count) for why, count in unknown.most_common())]:
        print(f"{count:6}  {what}")
    for line in differences:
        print(line[:700])
    for line, count in listing.most_common():
        print("tokencost", count, line)
    return 1 if any("NOT EXPLAINED" in line for line in (*differences, *listing)) else 0


if __name__ == "__main__":
    sys.exit(main())
