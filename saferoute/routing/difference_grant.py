"""What changes in what callers without a capability may do: what widens is marked, what narrows is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from saferoute.routing.difference_fields import Change, bound_raised, entries_added, entries_gone, label_raised, shown
from saferoute.values.permission import Period, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from saferoute.signing.strict_json import StrictJson

__all__ = ["grant_changes"]

_PERIODS: Final[tuple[str, ...]] = get_args(Period)
_EVERY: Final = {"hour": "an hour", "day": "a day", "week": "a week", "month": "a month"}
_SCOPES: Final[tuple[str, ...]] = get_args(Scope)
_LIMITS: Final = ("requests_per_minute", "tokens_per_minute", "concurrent")


def grant_changes(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> Iterator[Change]:
    """Compare two grants.

    Args:
        old: the old payload's; None for none.
        new: the new payload's.
    """
    if old is None and new is not None:
        yield Change("grant", "", f"callers without a capability were refused, and may now: {_all(new)}", None, dict(new), dangerous=True)
    elif old is not None and new is None:
        yield Change("grant", "", "is gone: in production every call without a capability is refused", dict(old), None)
    elif old is not None and new is not None:
        for field in sorted({*old, *new}):
            before, after = old.get(field), new.get(field)
            if _plain(before) != _plain(after):
                yield Change("grant", field, _words(field, before, after), before, after, dangerous=_widens(field, before, after))


def _plain(value: StrictJson) -> StrictJson:
    return sorted(value, key=str) if isinstance(value, list) else value


def _all(grant: Mapping[str, Any]) -> str:
    return "; ".join(f"{field} {_shown(field, value)}" for field, value in sorted(grant.items()))


def _words(field: str, before: StrictJson, after: StrictJson) -> str:
    if isinstance(before, list) and isinstance(after, list):
        old, new = set(map(str, before)), set(map(str, after))
        parts = [f"now also {', '.join(sorted(new - old))}"] if new - old else []
        parts += [f"no longer {', '.join(sorted(old - new))}"] if old - new else []
        return f"{field}: {'; '.join(parts)}"
    return f"{field} changes from {_shown(field, before)} to {_shown(field, after)}"


def _shown(field: str, value: StrictJson) -> str:
    if value is None:
        return "not bounded"
    if field in {"budget", "max_cost"} and isinstance(value, dict):
        said = {"per": f" {_EVERY.get(str(value.get('per')))}", "scope": ", counted per {}", "replicas": ", among {} replicas"}
        more = "".join(words.format(value[name]) for name, words in said.items() if name in value)
        return f"{int(str(value['amount'])) / 1e9:g} {value['currency']}{more}"
    if field == "limits" and isinstance(value, dict):
        return ", ".join(f"{name} {shown(name, one)}" for name, one in sorted(value.items(), key=_limits_first)) or "nothing"
    return shown(field, value)


def _limits_first(item: tuple[str, object]) -> tuple[int, str]:
    return _LIMITS.index(item[0]) if item[0] in _LIMITS else len(_LIMITS), item[0]


def _allowed(before: list[str] | None, after: list[str] | None) -> bool:
    return before is not None and (after is None or entries_added(before, after))


def _money(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    if before is None or after is None:
        return after is None
    return bool(before["currency"] != after["currency"] or after["amount"] > before["amount"])


def _budget(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    """Amounts of different windows do not compare, but one that is no larger for a window that is no shorter allows no more."""
    if before is None or after is None:
        return after is None
    shorter = _PERIODS.index(after["per"]) < _PERIODS.index(before["per"])
    narrower = _SCOPES.index(after.get("scope", "host")) < _SCOPES.index(before.get("scope", "host"))
    fewer = after.get("replicas", 1) < before.get("replicas", 1)  # each of fewer processes may spend more
    return _money(before, after) or shorter or narrower or fewer


def _limits(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
    old, new = before or {}, after or {}
    if any(old.get(name) != new.get(name) for name in {*old, *new} - {*_LIMITS, "scope"}):
        return True  # a field that is newer than this list
    narrower = _SCOPES.index(new.get("scope", "host")) < _SCOPES.index(old.get("scope", "host"))
    return any(bound_raised(old.get(name), new.get(name)) or (narrower and name in old) for name in _LIMITS)


_WIDENS: Final[Mapping[str, Callable[..., bool]]] = {
    "audience": _allowed,
    "budget": _budget,
    "data": label_raised,
    "guards": entries_gone,
    "limits": _limits,
    "max_cost": _money,
    "max_output": bound_raised,
    "operations": _allowed,
    "regions": _allowed,
    "routes": _allowed,
    "tools": _allowed,
}


def _widens(field: str, before: StrictJson, after: StrictJson) -> bool:
    rule = _WIDENS.get(field)
    return rule is None or rule(before, after)
