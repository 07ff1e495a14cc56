"""`saferoute root show`, and what changes from one root to the next: who may do what, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from saferoute.capabilities.quotas import quota_in_words
from saferoute.cli.table_files import chain_of
from saferoute.cli.terminal import show
from saferoute.routing.publish import pin
from saferoute.routing.table import show_time

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from saferoute.routing.root import Role, Root
    from saferoute.values.issuer import IssuerRecord
    from saferoute.values.permission import Permission

__all__ = ["difference", "show_root"]

_DOES = {
    "root": "say who may do what, in the next root",
    "table": "sign tables, and lists of revoked tokens where there is no status role",
    "status": "say which table is current, revoke tokens and halt routes; never add anything",
    "log": "certify the keys of logs",
}


def show_root(options: argparse.Namespace) -> int:
    """Say who may do what."""
    chain = chain_of(options.root, options.updates)
    root = chain.root
    if options.json:
        show(json.dumps({**_as_json(root), "pinned": chain.sha256, "followed": len(chain.updates)}, indent=2))
        return 0
    show(f"Root {root.name}, version {root.version}")
    show(f"  issued {show_time(root.issued)}, valid until {show_time(root.not_after)}")
    show(f"  pinned: {chain.path}, SHA-256 {pin(chain.pinned)}" + (f"; {len(chain.updates)} roots follow it" if chain.updates else ""))
    show(f"  an expired table is taken for {root.grace_hours} hours more" if root.grace_hours else "  an expired table is never taken")
    for line in _roles(root):
        show(line)
    show("\nWho may mint capabilities")
    for line in _issuers(root.issuers.values()) or ["  nobody"]:
        show(line)
    return 0


def _roles(root: Root) -> list[str]:
    lines = []
    for name, does in _DOES.items():
        role: Role | None = getattr(root, name)
        if role is None:
            lines += ["", f"{name}: there is no such role"]
            continue
        count = f"{role.threshold} of {len(role.keys)} keys" if len(role.keys) > 1 else "one key"
        lines += ["", f"{name}: {count} may {does}", *(f"  {key.key_id}" for key in role.keys)]
    return lines


def _issuers(issuers: Iterable[IssuerRecord]) -> list[str]:
    lines = []
    for issuer in issuers:
        lines.append(f"  {issuer.name}: tokens live at most {issuer.max_life} s and have at most {issuer.max_depth} blocks")
        lines += [f"      {fact}" for fact in _ceiling(issuer.ceiling)] or ["      nothing else bounds them"]
    return lines


def _ceiling(ceiling: Permission) -> list[str]:
    facts = []
    for name in ("operations", "models", "providers", "routes", "tools", "regions"):
        allowed: frozenset[str] | None = getattr(ceiling, name)
        if allowed is not None:
            facts.append(f"{name}: {', '.join(sorted(allowed)) or 'none'}")
    facts += [f'data up to "{ceiling.data}"'] if ceiling.data else []
    facts += [f"output: {ceiling.max_output} tokens a call"] if ceiling.max_output is not None else []
    facts += [f"cost: {ceiling.max_cost.amount / 1e9:g} {ceiling.max_cost.currency} a call"] if ceiling.max_cost else []
    facts += [f"limit: {quota_in_words(one)}, for all of its tokens together" for one in ceiling.limits]
    return facts + [f"budget: {one.limit / 1e9:g} {one.unit} a {one.per}, for all of its tokens together" for one in ceiling.budgets]


def difference(old: Root, new: Root) -> list[str]:
    """Say what changes from one root to the next."""
    lines = [f"root {new.name}: version {old.version} -> {new.version}, valid until {show_time(new.not_after)}"]
    for name in _DOES:
        before, after = _role(old, name), _role(new, name)
        lines += [f"  {name}: the key {key[:12]} comes in" for key in after[0] if key not in before[0]]
        lines += [f"  {name}: the key {key[:12]} goes" for key in before[0] if key not in after[0]]
        if before[1] != after[1]:
            lines.append(f"  {name}: {after[1]} signatures are needed; before, {before[1]}")
    for name in sorted({*old.issuers, *new.issuers}):
        if name not in new.issuers:
            lines.append(f"  issuer {name}: goes")
        elif name not in old.issuers:
            lines.append(f"  issuer {name}: comes in")
        elif old.issuers[name].digest != new.issuers[name].digest:
            lines.append(f"  issuer {name}: its keys or its bounds change")
    if old.grace_hours != new.grace_hours:
        lines.append(f"  an expired table is taken for {new.grace_hours} hours more; before, {old.grace_hours}")
    return lines


def _role(root: Root, name: str) -> tuple[list[str], int]:
    role: Role | None = getattr(root, name)
    return ([], 0) if role is None else ([key.key_id for key in role.keys], role.threshold)


def _as_json(root: Root) -> dict[str, Any]:
    roles = {name: getattr(root, name) for name in _DOES}
    return {
        "name": root.name,
        "version": root.version,
        "issued": root.issued,
        "not_after": root.not_after,
        "grace_hours": root.grace_hours,
        "roles": {
            name: None if role is None else {"threshold": role.threshold, "keys": [key.key_id for key in role.keys]}
            for name, role in roles.items()
        },
        "issuers": {
            name: {"max_life": one.max_life, "max_depth": one.max_depth, "keys": len(one.keys), "ceiling": _ceiling(one.ceiling)}
            for name, one in root.issuers.items()
        },
    }
