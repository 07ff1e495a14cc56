"""What is allowed in a table and is probably a mistake, found before it is signed.

An error is something under which calls are always refused; a warning is worth a look; a note says what the table means.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.routing.findings import Finding, Severity
from saferoute.routing.lint_guards import guard_findings
from saferoute.routing.lint_policies import policy_findings
from saferoute.routing.policies import rows_beyond
from saferoute.routing.release import Release
from saferoute.routing.resolve import resolve
from saferoute.routing.shapes import MAX_TABLE_BYTES
from saferoute.routing.table import compile_table
from saferoute.signing.strict_json import parse
from saferoute.values.permission import data_rank
from saferoute.values.target import PriceTier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from saferoute.routing.table import RoutingTable
    from saferoute.values.permission import Permission
    from saferoute.values.target import Deadlines, Prices, Target

__all__ = ["Finding", "Severity", "lint"]

_SEVERITIES: Final = ("error", "warning", "note")
_LONG: Final = 3600
"""Seconds; a call that may last longer is odd."""


@dataclass(frozen=True, slots=True)
class _Draft:
    payload: Mapping[str, Any]
    table: RoutingTable
    granted: tuple[Target, ...]
    """The rows that the grant lets answer, before its other caveats."""
    reached: tuple[Target, ...]
    """These, and the rows that calls of the granted aliases may go on or be copied to."""


def lint(body: bytes) -> tuple[Finding, ...]:
    """Look a table over.

    Args:
        body: the canonical bytes that would be signed.

    Returns:
        The findings, errors first.

    Raises:
        Refused: if it is no table.
    """
    payload: dict[str, Any] = parse(body, max_bytes=MAX_TABLE_BYTES)
    table = compile_table(body, Release("draft", 1, 1, 0, 1, ()))
    granted = _granted(table)
    draft = _Draft(payload, table, granted, _reached(table, granted))
    found = [finding for rule in _RULES for finding in rule(draft)]
    return tuple(sorted(found, key=lambda finding: (_SEVERITIES.index(finding.severity), finding.place, finding.rule)))


def _granted(table: RoutingTable) -> tuple[Target, ...]:
    if table.grant is None:
        return ()
    rows: dict[str, Target] = {}
    for name in sorted(table.grant.routes or ()):
        found = (table.routes[name],) if name in table.routes else resolve(table, name)
        rows |= {target.id: target for target in found}
    return tuple(rows.values())


def _reached(table: RoutingTable, granted: tuple[Target, ...]) -> tuple[Target, ...]:
    rows = {target.id: target for target in granted}
    for name in sorted(table.grant.routes or ()) if table.grant else ():
        rows |= {target.id: target for target in rows_beyond(table.policy(name)) if target.id not in rows}
    return tuple(rows.values())


def _unused(draft: _Draft) -> Iterator[Finding]:
    grant = draft.table.grant
    if grant is None:
        return
    led_to = {target.id for alias in draft.table.aliases for target in resolve(draft.table, alias)}
    led_to |= {target.id for alias in draft.table.aliases.values() for target in rows_beyond(alias.policy)}
    for name in draft.table.routes.keys() - led_to - {target.id for target in draft.granted}:
        why = "no alias leads here, and the grant does not name it: only a capability could use it. Take it out, or name it"
        yield Finding("warning", "unused-route", f"routes.{name}", why)
    asked = grant.routes or frozenset()
    nested = {target for alias in draft.payload["aliases"].values() for target in _names_in(alias)}
    for name in draft.table.aliases.keys() - asked - nested:
        why = "the grant does not name it: only a capability could use it. Take it out, or name it in grant.routes"
        yield Finding("warning", "unused-alias", f"aliases.{name}", why)


def _names_in(alias: Mapping[str, Any]) -> Iterator[str]:
    yield from alias["targets"]
    for references in alias.get("fallback", {}).values():
        yield from references
    if "shadow" in alias:
        yield alias["shadow"]["target"]


def _policies(draft: _Draft) -> Iterator[Finding]:
    yield from policy_findings(draft.table)


def _guards(draft: _Draft) -> Iterator[Finding]:
    yield from guard_findings(draft.table)


def _aliases(draft: _Draft) -> Iterator[Finding]:
    for name, alias in draft.table.aliases.items():
        rows, place = resolve(draft.table, name), f"aliases.{name}"
        providers = sorted({target.provider_name for target in rows})
        if len(providers) == 1:
            severity: Severity = "note" if len(rows) == 1 else "warning"
            yield Finding(severity, "one-provider", place, f"when {providers[0]} is down, nobody answers: add a row of another provider")
        if alias.max_attempts < len(rows):
            why = f"leads to {len(rows)} rows, and a call sends at most {alias.max_attempts} requests: raise max_attempts"
            yield Finding("warning", "unreached-target", place, why)
        labels = sorted({target.data for target in rows}, key=data_rank)
        if len(labels) > 1:
            why = f"its rows take data up to {' and '.join(labels)}: a call labelled {labels[-1]} has fewer rows to fall back to"
            yield Finding("note", "mixed-labels", place, why)
        regions = sorted({target.region or "unknown" for target in rows})
        if len(regions) > 1 and (draft.table.grant is None or draft.table.grant.regions is None):
            why = f"its rows are in several regions ({', '.join(regions)}), and no grant.regions chooses among them"
            yield Finding("note", "mixed-regions", place, why)


def _rows(draft: _Draft) -> Iterator[Finding]:
    for name, target in draft.table.routes.items():
        place = f"routes.{name}"
        if target.model == "*":
            priced = len(draft.table.listed(name).prices)
            known = f"the prices of {priced} are known" if priced else "no price is known"
            yield Finding("note", "any-model", place, f"callers choose any model of {target.provider_name}, and {known}")
        if data_rank(target.data) > data_rank("internal") and target.net.kind == "public" and not target.region:
            why = f'takes data up to "{target.data}" and names no region: say where the data stays (region = "eu"), or lower data'
            yield Finding("warning", "no-region", place, why)
        yield from _clocks(place, target.deadlines)
        yield from _prices(place, target.prices)
    for row in draft.payload["routes"]:
        if row.get("unsafe_plaintext"):
            why = "prompts, answers and the key are sent in the clear: whoever is on that network reads them. Use https"
            yield Finding("warning", "unsafe-plaintext", f"routes.{row['id']}", why)
        if "connect_proxy" in row:
            why = "calls go through a proxy, which sees the host's name and how much is sent"
            yield Finding("note", "connect-proxy", f"routes.{row['id']}", why)


def _prices(place: str, prices: Prices | None) -> Iterator[Finding]:
    if prices is None:
        return
    every: tuple[Prices | PriceTier, ...] = (prices, *prices.tiers)
    for rates, below in zip(every, (prices, *every), strict=False):
        where = f" above {rates.above} input tokens" if isinstance(rates, PriceTier) else ""
        if rates.input is not None and rates.output is not None and rates.output < rates.input:
            yield Finding("warning", "odd-price", place, f"output is cheaper than input{where}: are the two the wrong way round?")
        if rates.input is not None and rates.cache_read is not None and rates.cache_read > rates.input:
            yield Finding("warning", "odd-price", place, f"cache_read is dearer than input{where}: are the two the wrong way round?")
        if (rates.input or 0) < (below.input or 0):
            yield Finding("warning", "odd-price", place, f"input is cheaper{where} than below: is a price missing in the tier?")


def _clocks(place: str, clocks: Deadlines) -> Iterator[Finding]:
    for name in ("connect", "first_byte", "idle"):
        seconds: float = getattr(clocks, name)
        if seconds > clocks.total:
            why = f"{name} is {seconds:g} s and total {clocks.total:g} s, so {name} never ends a call: lower it, or raise total"
            yield Finding("warning", "odd-deadline", f"{place}.deadlines", why)
    if clocks.total > _LONG:
        yield Finding("warning", "odd-deadline", f"{place}.deadlines", f"a call may last {clocks.total:g} s, which is over an hour")


def _alias_clocks(draft: _Draft) -> Iterator[Finding]:
    for name, alias in draft.table.aliases.items():
        if alias.deadlines is not None:
            yield from _clocks(f"aliases.{name}", alias.deadlines)


def _keys(draft: _Draft) -> Iterator[Finding]:
    origins: dict[str, set[str]] = {}
    for target in draft.table.routes.values():
        if target.secret is not None and target.secret not in draft.table.credentials:
            origins.setdefault(target.secret, set()).add(target.origin)
    for name, places in origins.items():
        if len(places) > 1:
            why = f"one key goes to {len(places)} origins ({', '.join(sorted(places))}): whoever runs one of them can use it at the others"
            yield Finding("warning", "shared-key", f"keys.{name}", why)


def _no_grant(draft: _Draft) -> Iterator[Finding]:
    if draft.table.grant is None:
        yield Finding("note", "no-grant", "grant", "without a grant, production refuses every call that brings no capability")


def _money(draft: _Draft) -> Iterator[Finding]:
    grant = draft.table.grant
    if grant is None:
        return
    wanted = {budget.unit for budget in grant.budgets} | ({grant.max_cost.currency} if grant.max_cost is not None else set())
    if not wanted:
        if grant.max_output is None:
            yield Finding("warning", "unbounded", "grant", "nothing bounds what callers spend: add budget, max_cost or max_output")
        return
    chats = grant.operations is None or "chat" in grant.operations
    unpriced = [target for target in draft.reached if not any(_priced(one, wanted, chats=chats) for one in _prices_at(draft, target))]
    if set(draft.granted) <= set(unpriced):
        why = f"bounds money in {_listed(wanted)}, and no granted row has prices in it, so every call is refused: add prices"
        yield Finding("error", "no-prices", "grant", why)
        return
    for target in unpriced:
        why = f"has no prices in {_listed(wanted)}, and the grant bounds money: it never answers. Add prices, or take it out"
        yield Finding("warning", "no-prices", f"routes.{target.id}", why)


def _prices_at(draft: _Draft, target: Target) -> Iterable[Prices | None]:
    """What a call may cost at a row: of one that takes any model, the prices of all that are known."""
    return draft.table.listed(target.id).prices.values() if target.model == "*" else (target.prices,)


def _priced(prices: Prices | None, currencies: set[str], *, chats: bool) -> bool:
    if prices is None or prices.input is None or currencies != {prices.currency}:
        return False
    return prices.output is not None or not chats


def _grant(draft: _Draft) -> Iterator[Finding]:
    grant = draft.table.grant
    if grant is None:
        return
    yield from _reach(grant, draft.granted, draft.reached)
    direct = [name for name in sorted(grant.routes or ()) if name in draft.table.routes]
    behind = {target.id for name in grant.routes or () if name in draft.table.aliases for target in resolve(draft.table, name)}
    for name in direct:
        if name in behind:
            why = f"names the row {name!r} and an alias that leads there: callers can go round it. Name the alias alone, if they must not"
            yield Finding("note", "wide-grant", "grant.routes", why)
        if draft.table.routes[name].model == "*":
            why = f"{name!r} takes any model, so callers choose any: name aliases, or rows with one model"
            yield Finding("note", "wide-grant", "grant.routes", why)
    if grant.tools is None:
        yield Finding("note", "wide-grant", "grant.tools", "callers may offer any tool: list those that there are, or [] for none")


def _reach(grant: Permission, granted: Sequence[Target], reached: Sequence[Target]) -> Iterator[Finding]:
    highest = max((target.data for target in reached), key=data_rank)
    if grant.data is None:
        why = f'is not bounded: the rows\' own ceilings decide. With data = "{highest}", a row that is changed later widens nothing'
        yield Finding("warning", "wide-grant", "grant.data", why)
    elif data_rank(grant.data) > data_rank(highest):
        yield Finding("warning", "wide-grant", "grant.data", f'is "{grant.data}", and no granted row takes more than "{highest}": lower it')
    if grant.regions is None:
        return
    there = {target.region for target in granted}
    if not grant.regions & there:
        why = f"no granted row is in {_listed(grant.regions)}, so every call is refused: give the rows their region"
        yield Finding("error", "no-region-left", "grant.regions", why)
    unused = grant.regions - {target.region for target in reached}
    for name in sorted(unused) if grant.regions & there else ():
        yield Finding("warning", "wide-grant", "grant.regions", f"no granted row is in {name}: take it out")


def _listed(names: set[str] | frozenset[str]) -> str:
    return ", ".join(sorted(names))


_RULES: Final[tuple[Callable[[_Draft], Iterator[Finding]], ...]] = (
    _unused,
    _aliases,
    _policies,
    _guards,
    _rows,
    _alias_clocks,
    _keys,
    _no_grant,
    _money,
    _grant,
)
