"""An alias as people write it in routes.toml, in the signed table's own words."""

from __future__ import annotations

from typing import Any, Final

from saferoute.routing.schema import check
from saferoute.routing.shapes import ALIAS
from saferoute.routing.spellings import duration, money
from saferoute.signing.refusal import Refused

__all__ = ["DEFAULT_ATTEMPTS", "written_alias", "written_deadlines"]

DEFAULT_ATTEMPTS = 3
"""How many requests one call of an alias may send, unless the alias says otherwise."""

_AT_ONCE: Final = ("0", "0s", "0ms")


def written_alias(raw: object, path: str) -> dict[str, Any]:
    """Read an alias: a target, a list of targets, or a table.

    Args:
        raw: as it stands in the file.
        path: where, for errors.

    Raises:
        Refused: for what no alias can be; whether it fits the rows is found out when the table is compiled.
    """
    fields: dict[str, Any] = {"strategy": "ordered", "max_attempts": DEFAULT_ATTEMPTS}
    if isinstance(raw, str):
        fields["targets"] = [raw]
    elif isinstance(raw, list):
        fields["targets"] = raw
    elif isinstance(raw, dict):
        fields |= raw
        if "deadlines" in raw:
            fields["deadlines"] = written_deadlines(raw["deadlines"], f"{path}.deadlines")
        if "fallback" in raw:
            fields["fallback"] = _fallback(raw["fallback"], f"{path}.fallback")
        if "hedge" in raw:
            fields["hedge"] = _hedge(raw["hedge"], f"{path}.hedge")
        if "shadow" in raw:
            fields["shadow"] = _shadow(raw["shadow"], f"{path}.shadow")
    else:
        raise Refused(f'{path} must be a target, a list of targets, or a table with targets = ["openai/gpt-5.4-mini"]')
    check(fields, ALIAS, path)
    return fields


def written_deadlines(raw: object, path: str) -> dict[str, int]:
    """Read the clocks of a row or an alias.

    Raises:
        Refused: for what is no table of durations.
    """
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ connect = "10s", total = "2m" }}')
    return {name: duration(value, f"{path}.{name}") for name, value in raw.items()}


def _fallback(raw: object, path: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ any = ["eu-2"], context_window = "large" }}')
    return {cause: [targets] if isinstance(targets, str) else targets for cause, targets in raw.items()}


def _hedge(raw: object, path: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ after = "300ms" }}')
    if "after" not in raw:
        return dict(raw)
    after = raw["after"]
    return {**raw, "after": 0 if after in _AT_ONCE else duration(after, f"{path}.after")}


def _shadow(raw: object, path: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise Refused(f'{path} must be a table such as {{ target = "new", share = 10, max_cost = "$0.01" }}; share is out of 1000 calls')
    if "max_cost" not in raw:
        return dict(raw)
    amount, currency = money(raw["max_cost"], f"{path}.max_cost")
    return {**raw, "max_cost": {"amount": amount, "currency": currency}}
