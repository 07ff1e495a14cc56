"""From an alias of the table's payload to its policy: how it spreads calls, and which other rows may get them."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import NoRoute
from saferoute.routing.resolve import lookup
from saferoute.routing.shapes import MAX_ALIAS_TARGETS
from saferoute.signing.refusal import Refused
from saferoute.values.balancing import PLAIN_POLICY, Hedge, Limits, Policy, Shadow
from saferoute.values.permission import Cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.routing.resolve import Index
    from saferoute.values.balancing import Cause
    from saferoute.values.target import Target

__all__ = ["POLICY_FIELDS", "compile_limits", "compile_policy", "rows_beyond"]

POLICY_FIELDS: Final = frozenset({"strategy", "weights", "tag", "tagged", "fallback", "hedge", "shadow", "limits"})
"""The fields of an alias that its policy is compiled from."""

_WEIGHING: Final = ("weighted", "least_busy", "sticky")
_READING_TAGS: Final = ("sticky", "by_tag")


def compile_policy(name: str, raw: Mapping[str, Any], index: Index) -> Policy:
    """Compile what an alias says beyond its targets. Other rows that it names are rows of this table, found as its targets are.

    An alias among them stands for the rows that its targets lead to; what that alias itself says about falling back does not count, so
    nothing here can lead in a circle.

    Args:
        name: the alias.
        raw: the payload's alias, fitting its shape.
        index: what names stand for, this alias's among them.

    Raises:
        Refused: for weights, tags or rows that do not belong to the strategy or the alias, a hedge without a second row or request, a
            fallback or shadow that is not in the table or is the alias's own row, and limits that limit nothing.
    """
    if raw["strategy"] == "ordered" and POLICY_FIELDS.isdisjoint(raw.keys() - {"strategy"}):
        return PLAIN_POLICY
    place, rows = f"aliases.{name}", index.found[name]
    _check_strategy(raw, rows, place)
    if "hedge" in raw:
        _check_hedge(raw, rows, place)
    return Policy(
        raw["strategy"],
        MappingProxyType(dict(raw.get("weights", {}))),
        raw.get("tag", ""),
        MappingProxyType({value: tuple(ids) for value, ids in raw.get("tagged", {}).items()}),
        _fallback(raw.get("fallback"), rows, index, f"{place}.fallback"),
        Hedge(raw["hedge"]["after"] / 1000) if "hedge" in raw else None,
        _shadow(raw["shadow"], rows, index, f"{place}.shadow") if "shadow" in raw else None,
        compile_limits(raw.get("limits"), f"{place}.limits"),
    )


def compile_limits(raw: Mapping[str, Any] | None, path: str) -> Limits | None:
    """Compile the limits of a row or an alias.

    Raises:
        Refused: for limits that limit nothing.
    """
    if raw is None:
        return None
    limits = Limits(**raw)
    if limits == Limits():
        raise Refused(f"{path} limits nothing: name requests_per_minute, tokens_per_minute or concurrent, or set adaptive = true")
    return limits


def rows_beyond(policy: Policy) -> tuple[Target, ...]:
    """The rows that a policy may send a call's content to besides the alias's own: of every fallback, then the shadow; each once."""
    rows = {row: None for several in policy.fallback.values() for row in several}
    if policy.shadow is not None:
        rows[policy.shadow.target] = None
    return tuple(rows)


def _check_strategy(raw: Mapping[str, Any], rows: Sequence[Target], place: str) -> None:
    strategy, ids = raw["strategy"], [row.id for row in rows]
    weights: Mapping[str, int] = raw.get("weights", {})
    if weights and strategy not in _WEIGHING:
        raise Refused(f'{place}.weights: the strategy "{strategy}" does not weigh rows; "weighted", "least_busy" and "sticky" do')
    _check_own(weights, ids, f"{place}.weights")
    if not any(weights.get(row, 1) for row in ids):
        raise Refused(f"{place}.weights: every row has the weight 0, so none could be chosen")
    reads = strategy in _READING_TAGS
    if reads and "tag" not in raw:
        raise Refused(f'{place}.tag is missing: the strategy "{strategy}" needs the name of the call\'s tag that it reads')
    if "tag" in raw and not reads:
        raise Refused(f'{place}.tag: the strategy "{strategy}" reads no tag; "sticky" and "by_tag" do')
    if strategy == "by_tag" and "tagged" not in raw:
        raise Refused(f'{place}.tagged is missing: the strategy "by_tag" needs the rows that go with each value of the tag')
    if "tagged" in raw and strategy != "by_tag":
        raise Refused(f'{place}.tagged: the strategy "{strategy}" does not read it; "by_tag" does')
    for value, preferred in raw.get("tagged", {}).items():
        _check_own(preferred, ids, f"{place}.tagged.{value}")


def _check_own(names: Iterable[str], ids: Sequence[str], path: str) -> None:
    for name in names:
        if name not in ids:
            raise Refused(f"{path}: {name!r} is not the id of a row that this alias leads to; those are {', '.join(dict.fromkeys(ids))}")


def _check_hedge(raw: Mapping[str, Any], rows: Sequence[Target], place: str) -> None:
    if len(rows) == 1:
        raise Refused(f"{place}.hedge: the alias leads to one row, and a hedge asks a second one: add a target, or take the hedge out")
    if raw["max_attempts"] == 1:
        raise Refused(f"{place}.hedge: a hedge is a second request, and max_attempts is 1: raise it, or take the hedge out")


def _fallback(
    raw: Mapping[Cause, Sequence[str]] | None, own: Sequence[Target], index: Index, path: str
) -> Mapping[Cause, tuple[Target, ...]]:
    if raw is None:
        return PLAIN_POLICY.fallback
    if not raw:
        raise Refused(f"{path} names no cause: write any, context_window, content_filter, quota or timeout, or take it out")
    return MappingProxyType({cause: _others(references, own, index, f"{path}.{cause}") for cause, references in raw.items()})


def _others(references: Iterable[str], own: Sequence[Target], index: Index, path: str) -> tuple[Target, ...]:
    """The rows that references lead to, each once, in order; none of them the alias's own."""
    rows: dict[Target, None] = {}
    for reference in references:
        try:
            rows |= dict.fromkeys(lookup(index, reference))
        except NoRoute as error:
            raise Refused(f"{path}: {error}") from None
    if len(rows) > MAX_ALIAS_TARGETS:
        raise Refused(f"{path} leads to {len(rows)} rows; at most {MAX_ALIAS_TARGETS} are allowed")
    for row in rows:
        if row in own:
            raise Refused(f"{path}: the row {row.id!r} is one of the alias's own already, so this would send nothing anywhere else")
    return tuple(rows)


def _shadow(raw: Mapping[str, Any], own: Sequence[Target], index: Index, path: str) -> Shadow:
    rows = _others([raw["target"]], own, index, f"{path}.target")
    if len(rows) > 1:
        raise Refused(f"{path}.target: {raw['target']!r} leads to {len(rows)} rows, and a copy goes to one: name it")
    cost = raw["max_cost"]
    return Shadow(rows[0], raw["share"], Cost(cost["amount"], cost["currency"]), raw.get("data", "internal"))
