"""What is allowed in how an alias spreads its calls, and is probably a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.routing.findings import Finding
from saferoute.routing.resolve import resolve
from saferoute.values.balancing import PLAIN_POLICY
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from saferoute.routing.table import Alias, RoutingTable
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = ["policy_findings"]


def policy_findings(table: RoutingTable) -> Iterator[Finding]:
    """Look over the policy of every alias."""
    for name, alias in table.aliases.items():
        rows = resolve(table, name)
        for rule in _RULES:
            yield from rule(f"aliases.{name}", alias, rows)
        yield from _inner(f"aliases.{name}", alias, table)


def _inner(place: str, alias: Alias, table: RoutingTable) -> Iterator[Finding]:
    for target in alias.targets:
        if table.policy(target) != PLAIN_POLICY:
            why = f"leads to the alias {target!r}, whose own strategy, fallback, hedge, shadow and limits do not count here: repeat them"
            yield Finding("note", "inner-policy", place, f"{why}, if they should")


def _strategy(place: str, alias: Alias, rows: tuple[Target, ...]) -> Iterator[Finding]:
    if alias.policy.strategy == "cheapest":
        unpriced = [row for row in rows if row.prices is None or row.prices.input is None or row.prices.output is None]
        if unpriced:
            why = f'"cheapest" cannot compare {_named(unpriced)}, without prices for input and output: add prices, or take another strategy'
            yield Finding("warning", "unpriced-row", f"{place}.strategy", why)
        currencies = sorted({row.prices.currency for row in rows if row.prices is not None})
        if len(currencies) > 1:
            why = f'"cheapest" cannot compare prices in {" and ".join(currencies)}: write them in one currency'
            yield Finding("warning", "unpriced-row", f"{place}.strategy", why)
    if alias.policy.strategy == "by_context":
        unknown = [row for row in rows if row.profile.context_window is None]
        if unknown:
            why = f'"by_context" cannot place {_named(unknown)}, without profile.context_window: add it, or take another strategy'
            yield Finding("warning", "unknown-window", f"{place}.strategy", why)


def _hedge(place: str, alias: Alias, rows: tuple[Target, ...]) -> Iterator[Finding]:
    policy = alias.policy
    if policy.hedge is None:
        return
    keys, groups = {row.secret for row in rows}, {row.quota_group for row in rows}
    if len(keys) == 1 and None not in keys and len(groups) == 1:
        why = f"all rows have the key {rows[0].secret!r}, so what slows one down often slows all: hedge with a row that has another"
        yield Finding("warning", "hedge-one-key", f"{place}.hedge", why)
    if policy.limits is not None and policy.limits.concurrent == 1:
        why = "a hedge is a second request beside the first, and limits.concurrent is 1: raise it, or take the hedge out"
        yield Finding("warning", "tight-limits", f"{place}.limits", why)


def _shadow(place: str, alias: Alias, rows: tuple[Target, ...]) -> Iterator[Finding]:
    shadow = alias.policy.shadow
    if shadow is None:
        return
    place = f"{place}.shadow"
    row, highest = shadow.target, _highest(rows)
    if data_rank(row.data) < data_rank(highest):
        why = f"the row {row.id!r} takes data up to {row.data}, and this alias's up to {highest}: calls labelled higher are not copied"
        yield Finding("warning", "shadow-ceiling", place, why)
    if data_rank(shadow.data) > data_rank("internal"):
        why = f"copies of calls with data up to {shadow.data} go to {row.id!r}, where no answer is used: is that meant?"
        yield Finding("note", "shadow-data", place, why)
    currency = shadow.max_cost.currency
    if row.prices is None or row.prices.currency != currency or row.prices.input is None or row.prices.output is None:
        why = f"the row {row.id!r} has no prices in {currency}, so no copy is known to stay under max_cost, and none is sent: add prices"
        yield Finding("warning", "shadow-unpriced", place, why)


def _limits(place: str, alias: Alias, _: tuple[Target, ...]) -> Iterator[Finding]:
    limits = alias.policy.limits
    if limits is None or limits.requests_per_minute is None or limits.requests_per_minute >= alias.max_attempts:
        return
    why = f"requests_per_minute is {limits.requests_per_minute}, and one call may send {alias.max_attempts} requests (max_attempts)"
    yield Finding("warning", "tight-limits", f"{place}.limits", f"{why}: raise the first, or lower the second")


def _fallback(place: str, alias: Alias, rows: tuple[Target, ...]) -> Iterator[Finding]:
    highest = _highest(rows)
    for cause, others in alias.policy.fallback.items():
        at = f"{place}.fallback.{cause}"
        if cause == "content_filter":
            why = f"content that one provider refused is sent to another: {_named(others)}. Is that allowed where you are?"
            yield Finding("warning", "content-filter-fallback", at, why)
        lower = [row for row in others if data_rank(row.data) < data_rank(highest)]
        if lower:
            why = f"{_named(lower)}: the ceiling for data is below {highest}, that of this alias's rows: higher calls do not go on there"
            yield Finding("warning", "fallback-ceiling", at, why)
        used = len(rows) if cause == "any" else 1
        if alias.max_attempts <= used:
            why = f"max_attempts is {alias.max_attempts}, which is used up before: raise it"
            yield Finding("warning", "unreached-fallback", at, why)


def _highest(rows: Iterable[Target]) -> DataLabel:
    return max((row.data for row in rows), key=data_rank)


def _named(rows: Iterable[Target]) -> str:
    return ", ".join(dict.fromkeys(row.id for row in rows))


_RULES: Final[tuple[Callable[[str, Alias, tuple[Target, ...]], Iterator[Finding]], ...]] = (_strategy, _hedge, _shadow, _limits, _fallback)
