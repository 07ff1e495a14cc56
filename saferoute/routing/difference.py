"""What a new table changes, for the person who has to sign it.

Everything that a payload holds is compared, fields that this module has no words for among them: those are always marked. Marked
("dangerous") is what lets a key, data or money go where it could not go before, and what judges less of it; what only narrows is not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from saferoute.routing.difference_fields import Change, credential_changes, fields_changed, row_changes, unusual
from saferoute.routing.difference_grant import grant_changes
from saferoute.routing.difference_guards import profile_changes, row_guard_changes, template_changes
from saferoute.routing.difference_policy import ids, in_turn, place_of, policy_changes
from saferoute.routing.difference_prices import price_list_changes
from saferoute.routing.policies import POLICY_FIELDS
from saferoute.routing.release import Release
from saferoute.routing.resolve import resolve
from saferoute.routing.shapes import MAX_TABLE_BYTES
from saferoute.routing.table import compile_table
from saferoute.signing.strict_json import parse
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.routing.table import RoutingTable
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = ["Change", "Difference", "Keys", "Readers", "compare", "keys_of", "readers_of"]

Keys: TypeAlias = "Mapping[str, tuple[str, ...]]"
"""Name of a key or credential -> the origins that it goes to, sorted."""

Readers: TypeAlias = "Mapping[str, DataLabel]"
"""Who can read what is sent, "PROVIDER in REGION at ORIGIN" -> the highest label of data that may go there."""

_ALIAS_HARMLESS: Final = frozenset({"annotations", "deadlines", "max_attempts"})
_COMPARED: Final = POLICY_FIELDS | {"targets"}
_TOGETHER: Final = frozenset({"aliases", "annotations", "credentials", "grant", "guards", "price_lists", "routes", "schema", "templates"})


@dataclass(frozen=True, slots=True)
class Difference:
    """What is otherwise in the new table.

    Attributes:
        changes: every change, the dangerous ones first.
        keys: who gets which key, before and after.
        readers: what can be read by whom, before and after.
    """

    changes: tuple[Change, ...]
    keys: tuple[Keys, Keys]
    readers: tuple[Readers, Readers]

    @property
    def dangerous(self) -> tuple[Change, ...]:
        """The marked changes."""
        return tuple(change for change in self.changes if change.dangerous)


@dataclass(frozen=True, slots=True)
class _Side:
    payload: Mapping[str, Any]
    table: RoutingTable
    rows: Mapping[str, Mapping[str, Any]]

    @property
    def guards(self) -> Mapping[str, Mapping[str, Any]]:
        profiles: Mapping[str, Mapping[str, Any]] = self.payload.get("guards", {})
        return profiles


def compare(old: bytes, new: bytes) -> Difference:
    """Compare two tables.

    Args:
        old: the old table's canonical bytes: what was signed.
        new: the new one's: what would be signed.

    Raises:
        Refused: one of them is no table.
    """
    before, after = _side(old), _side(new)
    keys = keys_of(before.table), keys_of(after.table)
    readers = readers_of(before.table), readers_of(after.table)
    found = [*_keys(*keys), *_readers(*readers), *_rows(before, after), *_aliases(before, after)]
    found += _credentials(before.payload.get("credentials", {}), after.payload.get("credentials", {}))
    found += grant_changes(before.payload.get("grant"), after.payload.get("grant"))
    found += profile_changes(before.guards, after.guards)
    found += price_list_changes(before.payload.get("price_lists", {}), after.payload.get("price_lists", {}), money=_bounds_money(after))
    found += template_changes(before.payload.get("templates", {}), after.payload.get("templates", {}))
    found += fields_changed("table", _besides(before.payload), _besides(after.payload), lambda field, *_: field not in _TOGETHER)
    if not found and old != new:
        found.append(Change("table", "", "only the order changes in which things are written"))
    return Difference(tuple(sorted(found, key=lambda change: not change.dangerous)), keys, readers)


def _side(body: bytes) -> _Side:
    payload: dict[str, Any] = parse(body, max_bytes=MAX_TABLE_BYTES)
    table = compile_table(body, Release("draft", 1, 1, 0, 1, ()))
    return _Side(payload, table, {row["id"]: row for row in payload["routes"]})


def _besides(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What the other comparisons do not look at: the annotations, and whatever this module does not know."""
    return {field: value for field, value in payload.items() if field not in _TOGETHER - {"annotations"}}


def keys_of(table: RoutingTable) -> Keys:
    """Who gets which key: stored ones, and under a credential's name what is made."""
    uses = [(target.secret, target.origin) for target in table.routes.values()]
    uses += [(spec.secret, spec.origin) for spec in table.credentials.values()]
    uses += [(spec.name, origin) for spec in table.credentials.values() for origin in (*spec.origins, *spec.more_origins)]
    names = sorted({name for name, _ in uses if name is not None})
    return {name: tuple(sorted({origin for one, origin in uses if one == name})) for name in names}


def readers_of(table: RoutingTable) -> Readers:
    """What can be read by whom, by the rows' own ceilings: a capability or the grant can only lower them."""
    found: dict[str, DataLabel] = {}
    for target in table.routes.values():
        place = f"{target.provider_name} in {target.region or 'unknown region'} at {target.origin}"
        if place not in found or data_rank(target.data) > data_rank(found[place]):
            found[place] = target.data
    return dict(sorted(found.items()))


def _keys(old: Keys, new: Keys) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        was, becomes = old.get(name, ()), new.get(name, ())
        more = [origin for origin in becomes if origin not in was]
        less = [origin for origin in was if origin not in becomes]
        if more:
            also = "would now also go to" if was else "is new, and would go to"
            yield Change(f"keys.{name}", "", f"{also} {', '.join(more)}", list(was), list(becomes), dangerous=True)
        if less:
            yield Change(f"keys.{name}", "", f"would no longer go to {', '.join(less)}", list(was), list(becomes))


def _readers(old: Readers, new: Readers) -> Iterator[Change]:
    for place in sorted({*old, *new}):
        was, becomes = old.get(place), new.get(place)
        if was == becomes:
            continue
        if becomes is None:
            yield Change("readers", place, f"{place} would receive nothing any more; before, data up to {was}", was, becomes)
        elif was is None:
            yield Change("readers", place, f"{place} is new, and may receive data up to {becomes}", was, becomes, dangerous=True)
        else:
            raised = data_rank(becomes) > data_rank(was)
            text = f"{place} may receive data up to {becomes}; before, up to {was}"
            yield Change("readers", place, text, was, becomes, dangerous=raised)


def _bounds_money(side: _Side) -> bool:
    grant = side.payload.get("grant", {})
    return "max_cost" in grant or "budget" in grant


def _rows(old: _Side, new: _Side) -> Iterator[Change]:
    money = _bounds_money(new)
    for name in sorted({*old.rows, *new.rows}):
        place = f"routes.{name}"
        if name not in old.rows:
            more = unusual(new.rows[name])
            yield Change(place, "", f"is new: {_row(new.table.routes[name])}{more}", None, dict(new.rows[name]), dangerous=more != "")
        elif name not in new.rows:
            yield Change(place, "", f"is gone: {_row(old.table.routes[name])}", dict(old.rows[name]), None)
        else:
            was, becomes = ({field: value for field, value in rows[name].items() if field != "guards"} for rows in (old.rows, new.rows))
            yield from row_changes(place, was, becomes, money=money)
            yield from row_guard_changes(place, (old.rows[name].get("guards"), new.rows[name].get("guards")), old.guards, new.guards)


def _row(target: Target) -> str:
    model = "any model" if target.model == "*" else f"the model {target.model}"
    region = f" in {target.region}" if target.region else ""
    guards = f", guards {target.guards.name}" if target.guards is not None else ""
    return f"{model} of {target.provider_name}{region} at {target.origin}, data up to {target.data}{guards}"


def _aliases(old: _Side, new: _Side) -> Iterator[Change]:
    before, after = old.payload["aliases"], new.payload["aliases"]
    for name in sorted({*before, *after}):
        place = f"aliases.{name}"
        was = resolve(old.table, name) if name in before else ()
        becomes = resolve(new.table, name) if name in after else ()
        policies = old.table.policy(name), new.table.policy(name)
        if name not in before:
            yield Change(place, "", f"is new: it sends to {in_turn(becomes)}", None, ids(becomes))
            yield from policy_changes(place, {}, after[name], policies, becomes)
        elif name not in after:
            yield Change(place, "", f"is gone: it sent to {in_turn(was)}", ids(was), None)
        else:
            if ids(was) != ids(becomes):
                places = {place_of(target) for target in was}
                elsewhere = any(place_of(target) not in places for target in becomes)
                text = f"now sends to {in_turn(becomes)}; before, to {in_turn(was)}"
                yield Change(place, "targets", text, ids(was), ids(becomes), dangerous=elsewhere)
            yield from policy_changes(place, before[name], after[name], policies, was)
            rest = [{field: value for field, value in fields.items() if field not in _COMPARED} for fields in (before[name], after[name])]
            yield from fields_changed(place, rest[0], rest[1], lambda field, *_: field not in _ALIAS_HARMLESS)


def _credentials(old: Mapping[str, Mapping[str, Any]], new: Mapping[str, Mapping[str, Any]]) -> Iterator[Change]:
    for name in sorted({*old, *new}):
        place = f"credentials.{name}"
        if name not in old:
            made = new[name]
            yield Change(place, "", f"is new: {made['kind']}, made at {made['origin']}", None, dict(made), dangerous=True)
        elif name not in new:
            yield Change(place, "", f"is gone: {old[name]['kind']}, made at {old[name]['origin']}", dict(old[name]), None)
        else:
            yield from credential_changes(place, old[name], new[name])
