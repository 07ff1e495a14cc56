"""What changes in how an alias spreads its calls, and in who else gets what is sent through it, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saferoute.routing.difference_fields import Change, bound_raised, fields_changed, label_raised, limit_raised
from saferoute.values.balancing import PLAIN_POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.values.balancing import Cause, Policy, Shadow
    from saferoute.values.target import Target

__all__ = ["ids", "in_turn", "place_of", "policy_changes"]

_SIMPLE: Final = ("limits", "strategy", "tag", "tagged", "weights")

_WHEN: Final[Mapping[Cause, str]] = {
    "any": "when nothing else answers",
    "context_window": "when the context window is too small",
    "content_filter": "content that one provider refused is sent to another: after a content filter",
    "quota": "when a quota is used up",
    "timeout": "after a timeout",
}


def place_of(target: Target) -> tuple[str, str, str]:
    """Who reads what is sent to a row."""
    return target.provider_name, target.region, target.origin


def ids(targets: tuple[Target, ...]) -> list[Any]:
    """Rows as a reviewer knows them."""
    return [_id(target) for target in targets]


def in_turn(targets: tuple[Target, ...]) -> str:
    """Rows in order, in words."""
    return ", then ".join(map(_id, targets)) or "nobody"


def _id(target: Target) -> str:
    return f"{target.id} ({target.provider_name}/{target.model}{f' in {target.region}' if target.region else ''})"


def policy_changes(
    place: str, old: Mapping[str, Any], new: Mapping[str, Any], policies: tuple[Policy, Policy], readers: tuple[Target, ...]
) -> Iterator[Change]:
    """Compare what two tables say about an alias beyond its targets.

    A row that a call may fall back to, and a shadow, get the call's content just as a target does. A shadow that is added, and a fallback
    for what a provider's filter refused, are marked whoever it is.

    Args:
        place: "aliases.NAME".
        old: the alias as the old payload has it; nothing for a new one.
        new: as the new one has it.
        policies: the same, compiled; the plain policy for a new one.
        readers: rows that got the calls' content before, as targets. Of a new alias: as they will.
    """
    simple = [{field: fields[field] for field in _SIMPLE if field in fields} for fields in (old, new)]
    if not old and simple[1]["strategy"] == PLAIN_POLICY.strategy:
        del simple[1]["strategy"]
    yield from fields_changed(place, simple[0], simple[1], lambda field, was, becomes: field == "limits" and limit_raised(was, becomes))
    was, becomes = policies
    places = {place_of(row) for row in readers} | {place_of(row) for rows in was.fallback.values() for row in rows}
    for cause in _WHEN:
        yield from _fallback_changes(place, cause, was.fallback.get(cause, ()), becomes.fallback.get(cause, ()), places)
    yield from _shadow_changes(place, was.shadow, becomes.shadow)
    yield from _hedge_changes(place, was, becomes)


def _fallback_changes(
    place: str, cause: Cause, was: tuple[Target, ...], becomes: tuple[Target, ...], places: set[tuple[str, str, str]]
) -> Iterator[Change]:
    before, after = ids(was), ids(becomes)
    if before == after:
        return
    added = [row for row in becomes if _id(row) not in before]
    elsewhere = cause == "content_filter" or any(place_of(row) not in places for row in added)
    text = f"{_WHEN[cause]}, calls now go on to {in_turn(becomes)}; before, to {in_turn(was)}"
    if not becomes:
        text = f"calls no longer go on to {in_turn(was)} (fallback for {cause})"
    yield Change(place, f"fallback.{cause}", text, before, after, dangerous=bool(added) and elsewhere)


def _shadow_changes(place: str, was: Shadow | None, becomes: Shadow | None) -> Iterator[Change]:
    if becomes is None:
        if was is not None:
            yield Change(place, "shadow", f"the shadow is gone: copies no longer go to {_id(was.target)}", _shadow(was), None)
        return
    if was is None or _id(was.target) != _id(becomes.target):
        to = f"{_id(becomes.target)}, whose answers are thrown away"
        terms = f"of {becomes.share} in 1000 calls, with data up to {becomes.data}, at most {_cost(becomes)} each"
        text = f"a shadow is new: copies {terms}, now go to {to}"
        if was is not None:
            text = f"the shadow's copies now go to {to}: {terms}; before, to {_id(was.target)}"
        yield Change(place, "shadow", text, None if was is None else _shadow(was), _shadow(becomes), dangerous=True)
        return
    if was.share != becomes.share:
        text = f"the shadow now gets copies of {becomes.share} in 1000 calls; before, of {was.share}"
        yield Change(place, "shadow.share", text, was.share, becomes.share, dangerous=bound_raised(was.share, becomes.share))
    if was.data != becomes.data:
        text = f"the shadow now gets copies of calls with data up to {becomes.data}; before, up to {was.data}"
        yield Change(place, "shadow.data", text, was.data, becomes.data, dangerous=label_raised(was.data, becomes.data))
    if was.max_cost != becomes.max_cost:
        raised = was.max_cost.currency != becomes.max_cost.currency or becomes.max_cost.amount > was.max_cost.amount
        text = f"a copy for the shadow may now cost {_cost(becomes)}; before, {_cost(was)}"
        yield Change(place, "shadow.max_cost", text, _cost(was), _cost(becomes), dangerous=raised)


def _shadow(shadow: Shadow) -> dict[str, Any]:
    return {"target": _id(shadow.target), "share": shadow.share, "max_cost": _cost(shadow), "data": shadow.data}


def _cost(shadow: Shadow) -> str:
    return f"{shadow.max_cost.amount / 1e9:g} {shadow.max_cost.currency}"


def _hedge_changes(place: str, was: Policy, becomes: Policy) -> Iterator[Change]:
    if was.hedge == becomes.hedge:
        return
    before, after = (None if one.hedge is None else f"{one.hedge.after:g} s" for one in (was, becomes))
    if after is None:
        text = f"calls are no longer hedged after {before}"
    else:
        text = f"a call that is slow for {after} is now also sent to a second of its rows, and both are paid"
        text += "" if before is None else f"; before, after {before}"
    yield Change(place, "hedge", text, before, after)
