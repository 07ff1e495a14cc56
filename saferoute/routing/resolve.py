"""From the name that a caller asks for to rows of the table, and to nothing else.

A name is, in this order: an alias; a row's id; provider/model for exactly one row with that model; row-id/model or provider/model for a
row that takes any model. Aliases were followed when the table was opened, so a call looks its name up in one dictionary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saferoute.errors import NoRoute
from saferoute.routing.shapes import MAX_ALIAS_TARGETS, MAX_MODEL, MODEL
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.routing.rows import Row
    from saferoute.routing.table import RoutingTable
    from saferoute.values.target import Target

__all__ = ["Index", "build_index", "lookup", "names", "resolve"]

_MAX_NESTING = 8
_MAX_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Index:
    """What names stand for.

    Attributes:
        found: alias, row id or provider/model -> the rows, in order of preference.
        wildcards: row id or provider -> the row that takes any model.
        ambiguous: provider/model, or provider for wildcard rows -> the ids of the rows that it could mean.
    """

    found: Mapping[str, tuple[Target, ...]]
    wildcards: Mapping[str, Row]
    ambiguous: Mapping[str, tuple[str, ...]]


def build_index(rows: Mapping[str, Row], aliases: Mapping[str, Mapping[str, Any]]) -> Index:
    """Follow every alias once.

    Args:
        rows: the compiled rows by id.
        aliases: the payload's aliases, fitting their shape.

    Raises:
        Refused: for an alias that is also a row's id or a provider's name, a row id that is another row's provider, an alias that
            leads to itself, nests too deeply or leads to too many rows, and a target that is not in the table.
    """
    exact: dict[str, list[Row]] = {}
    open_rows: dict[str, list[Row]] = {}
    for row in rows.values():
        target = row.target
        if target.model == "*":
            open_rows.setdefault(target.provider_name, []).append(row)
        else:
            exact.setdefault(f"{target.provider_name}/{target.model}", []).append(row)
    providers = {row.target.provider_name for row in rows.values()}
    for name, row in rows.items():
        if name in providers and row.target.provider_name != name:
            raise Refused(f"the row {name!r} has the name of a provider that it does not belong to: {name}/model would mean two things")
    found = {name: (row.target,) for name, row in rows.items() if row.target.model != "*"}
    found |= {name: (several[0].target,) for name, several in exact.items() if len(several) == 1}
    wildcards = {name: several[0] for name, several in open_rows.items() if len(several) == 1}
    wildcards |= {name: row for name, row in rows.items() if row.target.model == "*"}
    ambiguous = {name: tuple(row.target.id for row in several) for name, several in {**exact, **open_rows}.items() if len(several) > 1}
    index = Index(found, wildcards, ambiguous)
    walk = _Aliases(index, aliases)
    for name in aliases:
        if name in rows or name in providers:
            raise Refused(f"aliases.{name} is also a row's id or a provider's name")
    return Index({**{name: walk.rows_of(name) for name in aliases}, **found}, wildcards, ambiguous)


class _Aliases:
    """Follows aliases through aliases; made and dropped while a table is opened."""

    __slots__ = ("_aliases", "_done", "_index")

    def __init__(self, index: Index, aliases: Mapping[str, Mapping[str, Any]]) -> None:
        self._index = index
        self._aliases = aliases
        self._done: dict[str, tuple[Target, ...]] = {}

    def rows_of(self, name: str, above: tuple[str, ...] = ()) -> tuple[Target, ...]:
        """The rows that an alias leads to, each once, in order."""
        if name in self._done:
            return self._done[name]
        if name in above:
            raise Refused(f"aliases.{name} leads to itself: {' -> '.join([*above, name])}")
        if len(above) == _MAX_NESTING:
            raise Refused(f"aliases.{above[0]} is nested deeper than {_MAX_NESTING}")
        rows: dict[Target, None] = {}  # a dict keeps order and drops what comes twice
        for reference in self._aliases[name]["targets"]:
            if reference in self._aliases:
                rows |= dict.fromkeys(self.rows_of(reference, (*above, name)))
                continue
            try:
                rows |= dict.fromkeys(lookup(self._index, reference))
            except NoRoute as error:
                raise Refused(f"aliases.{name}.targets: {error}") from None
        if len(rows) > MAX_ALIAS_TARGETS:
            raise Refused(f"aliases.{name} leads to {len(rows)} rows; at most {MAX_ALIAS_TARGETS} are allowed")
        return self._done.setdefault(name, tuple(rows))


def resolve(table: RoutingTable, route: str) -> tuple[Target, ...]:
    """Find the rows that a name stands for.

    Args:
        table: the verified table.
        route: an alias, a row's id, provider/model or row-id/model.

    Returns:
        The rows in order of preference, at least one. A row that takes any model has the asked one filled in.

    Raises:
        NoRoute: if the table has no such name, if it could mean several rows, or if a model's name is not one.
    """
    found = table.index.found.get(route)
    return found if found is not None else table.named(route)


def names(table: RoutingTable) -> tuple[str, ...]:
    """Every name that can be asked for: aliases, then rows; "id/*" for a row that takes any model."""
    rows = (f"{name}/*" if target.model == "*" else name for name, target in table.routes.items())
    return (*table.aliases, *rows)


def lookup(index: Index, route: str) -> tuple[Target, ...]:
    """As `resolve`, without the table's memory of names that were filled in before.

    Raises:
        NoRoute: as `resolve`.
    """
    found = index.found.get(route)
    if found is not None:
        return found
    if route in index.ambiguous and "/" in route:
        raise NoRoute(f"{route!r} could mean the routes {', '.join(index.ambiguous[route])}; name one of them")
    owner, slash, model = route.partition("/")
    row = index.wildcards.get(owner)
    if row is None:
        if owner in index.ambiguous and slash:
            ways = " or ".join(f"{name}/{model[:60]}" for name in index.ambiguous[owner])
            raise NoRoute(f"several routes take any model of {owner}: write {ways}")
        raise NoRoute(_no_such_route(index, route))
    if not slash:
        raise NoRoute(f"the route {owner!r} takes any model, so name one: {owner}/MODEL")
    if len(model) > MAX_MODEL or not MODEL.fullmatch(model):
        raise NoRoute(
            f"{model[:60]!r} is not a model's name: at most {MAX_MODEL} printable ASCII characters without white space, "
            "with nothing that a URL or a path would read (no leading /, no .., no ? # %)"
        )
    return (row.filled(model),)


def _no_such_route(index: Index, route: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415  only a wrong name needs it

    known: Sequence[str] = [*index.found, *(f"{name}/MODEL" for name in index.wildcards)]
    close = get_close_matches(route, known, n=_MAX_SHOWN) or sorted(known)[:_MAX_SHOWN]
    also = f"; it has {', '.join(close)}" + (" and others" if len(known) > len(close) else "")
    return f"the routing table has no route {route[:100]!r}{also}. `client.models()` and `saferoute models` list all"
