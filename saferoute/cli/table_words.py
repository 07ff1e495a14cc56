"""A routing table in words: for the person who reviews it, and as JSON for scripts."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from saferoute.capabilities.quotas import quota_in_words
from saferoute.cli.table_guard_words import guard_lines, profile_json, template_json
from saferoute.routing.table import show_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.routing.price_lists import PricedModels
    from saferoute.routing.table import Alias, RoutingTable
    from saferoute.values.balancing import Cause, Limits, Policy, Shadow
    from saferoute.values.credential import CredentialSpec
    from saferoute.values.http import NetClass
    from saferoute.values.permission import Permission
    from saferoute.values.target import Prices, PriceTier, Target

__all__ = ["as_json", "in_words"]

_WHEN: Final[Mapping[Cause, str]] = {
    "any": "when nothing else answers",
    "context_window": "when the context window is too small",
    "content_filter": "when a provider's filter refuses the content",
    "quota": "when a quota is used up",
    "timeout": "after a timeout",
}
_COUNTED: Final = {
    "requests_per_minute": "requests a minute",
    "tokens_per_minute": "tokens a minute",
    "concurrent": "requests at once",
}


def in_words(table: RoutingTable, standing: str) -> list[str]:
    """Say what a table allows.

    Args:
        table: the table.
        standing: how it stands: signed, expired, a draft.
    """
    lines = [f"Table {table.name}, version {table.version}" if "draft" not in standing else "Table", f"  {standing}"]
    if "draft" not in standing:
        lines.append(f"  issued {show_time(table.issued)}, valid until {show_time(table.not_after)}")
    lines += ["", "Routes: where calls may go"]
    for name, target in table.routes.items():
        lines += _route(name, target, table.listed(name), made=target.secret in table.credentials)
    lines += ["", "Aliases: what programs call"]
    lines += [line for alias in table.aliases.values() for line in _alias(alias)] or ["  none"]
    lines += ["", "Keys: who gets which"]
    lines += [f"  {name}  goes to {', '.join(origins)}" for name, origins in _keys(table).items()] or ["  none is needed"]
    if table.credentials:
        lines += ["", "Credentials: short-lived, made when a call needs one"]
        lines += [line for spec in table.credentials.values() for line in _credential(spec)]
    return [*lines, *guard_lines(table), "", "Grant: what callers without a capability may do", *_grant(table.grant)]


def _route(name: str, target: Target, listed: PricedModels, *, made: bool) -> list[str]:
    model = "any model" if target.model == "*" else f"the model {target.model}"
    bound = f", at most {target.max_output} output tokens" if target.max_output else ""
    ceiling = f'data up to "{target.data}"{bound}, {_price(target, listed)}'
    facts = [f"{model} at {target.origin}{target.path}{_reach(target.net)}, {target.dialect}", *_terms(target.net), ceiling]
    facts += [f'{"credential" if made else "key"} "{target.secret}" as {target.auth}'] if target.secret else ["no key"]
    facts += [f"region {target.region}"] if target.region else []
    facts += [f"header {key}: {value}" for key, value in target.headers]
    facts += [f"limits: {_limits(target.limits)}"] if target.limits else []
    facts += [f"shares its rate limit with the quota group {target.quota_group}"] if target.quota_group else []
    facts += [f"guards {target.guards.name}"] if target.guards is not None else []
    return [f"  {name}", *(f"      {fact}" for fact in facts)]


def _reach(net: NetClass) -> str:
    match net.kind:
        case "public":
            return ""
        case "loopback":
            return " (this machine)"
        case "private":
            return f" (private network {', '.join(net.networks)})"
        case "metadata":
            return " (this machine's cloud)"


def _terms(net: NetClass) -> list[str]:
    """What a reviewer must know about the way there, beyond the usual."""
    facts = ["UNSAFE: plain http; whoever listens in that network reads the key and what is sent"] if net.unsafe_plaintext else []
    if net.tls is not None and net.tls.roots == "os":
        facts += ["certificate from the operating system's authorities, where a company's own may be"]
    elif net.tls is not None and net.tls.roots == "ca_pem":
        facts += [f"certificate from the table's own authorities only ({net.tls.ca_pem.count('BEGIN CERTIFICATE')})"]
    facts += [f"its public key must be {' or '.join(net.tls.pins)}"] if net.tls is not None and net.tls.pins else []
    if net.proxy is not None:
        facts += [f"through the proxy {net.proxy.origin}{_reach(net.proxy.net)}, which sees the host's name, and no key or content"]
        facts += [f"the proxy's {fact}" for fact in _terms(net.proxy.net)]
    return facts


def _price(target: Target, listed: PricedModels) -> str:
    prices = target.prices
    if prices is not None:
        dearer = "".join(f"; above {tier.above} input tokens {_rates(tier)}" for tier in prices.tiers)
        return f"{_rates(prices)} {prices.currency} per million tokens{dearer}"
    if not listed.prices:
        return "price not known"
    source = ", ".join(f"{name.replace('_', ' ')} {listed.notes[name]}" for name in ("source", "as_of") if name in listed.notes)
    return f"prices of {len(listed.prices)} models known{f' ({source})' if source else ''}"


def _rates(rates: Prices | PriceTier) -> str:
    return ", ".join(f"{word} {amount / 1000:g}" for word, amount in (("in", rates.input), ("out", rates.output)) if amount is not None)


def _alias(alias: Alias) -> list[str]:
    policy = alias.policy
    rows = (", then " if policy.strategy == "ordered" else ", ").join(alias.targets)
    facts = [f"strategy {policy.strategy}{f' by the tag {policy.tag}' if policy.tag else ''}"] if policy.strategy != "ordered" else []
    facts += [f"weights: {', '.join(f'{name} {weight}' for name, weight in policy.weights.items())}"] if policy.weights else []
    facts += [f"{policy.tag} {value}: first {', '.join(names)}" for value, names in policy.tagged.items()]
    facts += [f"{_WHEN[cause]}, goes on to {_in_turn(targets)}" for cause, targets in policy.fallback.items()]
    facts += [f"hedged: slow for {policy.hedge.after:g} s, also sent to a second row; both are paid"] if policy.hedge else []
    facts += [_shadow(policy.shadow)] if policy.shadow else []
    facts += [f"limits: {_limits(policy.limits)}"] if policy.limits else []
    return [f"  {alias.name}  {rows}; at most {alias.max_attempts} requests a call", *(f"      {fact}" for fact in facts)]


def _in_turn(targets: Iterable[Target]) -> str:
    return ", then ".join(f"{target.id} ({target.provider_name}/{target.model})" for target in targets)


def _shadow(shadow: Shadow) -> str:
    cost = f"{shadow.max_cost.amount / 1e9:g} {shadow.max_cost.currency}"
    calls = f'{shadow.share} in 1000 calls with data up to "{shadow.data}"'
    return f"shadow: {calls} are copied to {_in_turn([shadow.target])}, at most {cost} each; answers are thrown away"


def _limits(limits: Limits) -> str:
    bounds = [f"{getattr(limits, field)} {words}" for field, words in _COUNTED.items() if getattr(limits, field) is not None]
    return ", ".join(bounds + (["adaptive"] if limits.adaptive else []))


def _keys(table: RoutingTable) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    uses = [(target.secret, target.origin) for target in table.routes.values() if target.secret not in table.credentials]
    uses += [(spec.secret, spec.origin) for spec in table.credentials.values()]
    for secret, origin in uses:
        if secret is not None and origin not in found.setdefault(secret, []):
            found[secret].append(origin)
    return found


def _credential(spec: CredentialSpec) -> list[str]:
    source = f'from the key "{spec.secret}"' if spec.secret else "from no key: the place vouches"
    facts = [f"{spec.kind}, made at {spec.origin}{_reach(spec.net)} {source}"]
    facts += [f"and then at {origin}" for origin in spec.more_origins]
    facts += [f"goes to {', '.join(spec.origins)}"]
    facts += [f"{name}: {value}" for name, value in spec.parameters.items()]
    return [f"  {spec.name}", *(f"      {fact}" for fact in facts)]


def _grant(grant: Permission | None) -> list[str]:
    if grant is None:
        return ["  nothing: in production, every call is refused"]
    cost = f"{grant.max_cost.amount / 1e9:g} {grant.max_cost.currency} a call" if grant.max_cost else "not bounded"
    label = "as far as the route allows" if grant.data is None else f'up to "{grant.data}"'
    lines = [
        f"  operations  {_listed(grant.operations or ())}",
        f"  routes      {_listed(grant.routes or ())}",
        f"  audience    {'any client' if grant.audience is None else _listed(grant.audience)}",
        f"  tools       {'any' if grant.tools is None else _listed(grant.tools)}",
        f"  data        {label}",
        f"  regions     {'any' if grant.regions is None else _listed(grant.regions)}",
        f"  output      {'not bounded' if grant.max_output is None else f'{grant.max_output} tokens'}",
        f"  cost        {cost}",
    ]
    for budget in grant.budgets:
        shared = f", shared by {budget.replicas} processes that each count for themselves" if budget.replicas > 1 else ""
        lines.append(f"  budget      {budget.limit / 1e9:g} {budget.unit} a {budget.per}, counted for each {grant.scope or 'host'}{shared}")
    lines += [f"  limit       {quota_in_words(one)}, counted for each {grant.scope or 'host'}" for one in grant.limits]
    return lines + ([f"  guards      {_listed(grant.guards)} must be active"] if grant.guards else [])


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def as_json(table: RoutingTable, standing: str) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "name": table.name,
        "version": table.version,
        "root_version": table.root_version,
        "issued": table.issued,
        "not_after": table.not_after,
        "digest": table.digest,
        "standing": standing,
        "routes": {name: _route_json(target) for name, target in table.routes.items()},
        "aliases": {alias.name: _alias_json(alias) for alias in table.aliases.values()},
        "keys": _keys(table),
        "credentials": {name: _credential_json(spec) for name, spec in table.credentials.items()},
        "guards": {name: profile_json(profile) for name, profile in table.guard_profiles.items()},
        "templates": {name: template_json(template) for name, template in table.templates.items()},
        "ledger": table.ledger,
        "grant": None if table.grant is None else _grant_json(table.grant),
    }


def _route_json(target: Target) -> Mapping[str, Any]:
    names = ("provider_name", "dialect", "origin", "path", "model", "secret", "auth", "data", "max_output", "region", "quota_group")
    guards = {"guards": None if target.guards is None else target.guards.name}
    return {name: getattr(target, name) for name in names} | {"limits": _limits_json(target.limits)} | guards | _net_json(target.net)


def _limits_json(limits: Limits | None) -> Mapping[str, Any] | None:
    return None if limits is None else asdict(limits)


def _alias_json(alias: Alias) -> Mapping[str, Any]:
    return {"targets": list(alias.targets), "max_attempts": alias.max_attempts} | _policy_json(alias.policy)


def _policy_json(policy: Policy) -> dict[str, Any]:
    shadow = policy.shadow
    return {
        "strategy": policy.strategy,
        "weights": dict(policy.weights),
        "tag": policy.tag,
        "tagged": {value: list(names) for value, names in policy.tagged.items()},
        "fallback": {cause: [_row_json(target) for target in targets] for cause, targets in policy.fallback.items()},
        "hedge": None if policy.hedge is None else asdict(policy.hedge),
        "shadow": None if shadow is None else _row_json(shadow.target) | {"share": shadow.share, "data": shadow.data} | _cost_json(shadow),
        "limits": _limits_json(policy.limits),
    }


def _row_json(target: Target) -> dict[str, Any]:
    return {"route": target.id, "model": target.model}


def _cost_json(shadow: Shadow) -> dict[str, Any]:
    return {"max_cost": {"amount": shadow.max_cost.amount, "currency": shadow.max_cost.currency}}


def _net_json(net: NetClass) -> dict[str, Any]:
    tls, proxy = net.tls, net.proxy
    return {
        "net": net.kind,
        "networks": list(net.networks),
        "unsafe_plaintext": net.unsafe_plaintext,
        "tls": {"roots": "certifi" if tls is None else tls.roots, "pins": [] if tls is None else list(tls.pins)},
        "connect_proxy": None if proxy is None else {"origin": proxy.origin, "net": proxy.net.kind, "networks": list(proxy.net.networks)},
    }


def _credential_json(spec: CredentialSpec) -> Mapping[str, Any]:
    names = ("kind", "origin", "secret")
    lists = {"networks": list(spec.net.networks), "origins": list(spec.origins), "more_origins": list(spec.more_origins)}
    return {name: getattr(spec, name) for name in names} | lists | {"net": spec.net.kind, "parameters": dict(spec.parameters)}


def _grant_json(grant: Permission) -> Mapping[str, Any]:
    cost = grant.max_cost
    return {
        "operations": sorted(grant.operations or ()),
        "routes": sorted(grant.routes or ()),
        "audience": None if grant.audience is None else sorted(grant.audience),
        "tools": None if grant.tools is None else sorted(grant.tools),
        "data": grant.data,
        "regions": None if grant.regions is None else sorted(grant.regions),
        "max_output": grant.max_output,
        "max_cost": None if cost is None else {"amount": cost.amount, "currency": cost.currency},
        "guards": sorted(grant.guards),
        "budgets": [{"limit": one.limit, "unit": one.unit, "per": one.per, "replicas": one.replicas} for one in grant.budgets],
        "limits": [{"kind": one.kind, "limit": one.limit} for one in grant.limits],
        "scope": grant.scope,
    }
