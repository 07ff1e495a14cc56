"""What calls cost, counted as they end: by route, model, row, capability, tag or day. Of one process, and not kept."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Context, Decimal
from html import escape
from threading import Lock
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias

from typing_extensions import override

from saferoute.errors import UnknownOption

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping

    from saferoute.values.usage import Usage

__all__ = ["CostRow", "CostTally", "Costs"]

_OTHERS: Final = "(others)"
_NONE: Final = "(none)"
_DAY: Final = 86_400
_COLUMNS: Final = ("calls", "input", "output", "cost", "estimated", "not known")

_Line: TypeAlias = "list[Any]"
_CALLS, _INPUT, _OUTPUT, _COST, _UNKNOWN, _ESTIMATE, _ESTIMATED = range(7)  # places in a line


class _Key(NamedTuple):
    """What calls of one line have in common; `add` writes a plain tuple, which is equal and quicker."""

    route: str
    target: str
    model: str
    capabilities: tuple[str, ...]
    tags: tuple[tuple[str, str], ...] | None  # None: of several
    day: int | None  # None: of several
    currency: str


@dataclass(frozen=True, slots=True)
class CostRow:
    """What some calls cost.

    Attributes:
        name: what they have in common.
        calls: how many attempts ended that may have cost something.
        input_tokens: as far as providers reported them.
        output_tokens: likewise.
        cost: by currency, what is known to have been billed.
        unknown: how many of the calls have a cost that is not known: no price, no count, or terms that the table has no price for.
        estimated: by currency, the worst case of calls that were sent and whose usage never came. It is not part of `cost`.
        estimated_calls: how many calls that are; none of them is in `unknown`.
    """

    name: str
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost: Mapping[str, Decimal] = field(default_factory=dict)
    unknown: int = 0
    estimated: Mapping[str, Decimal] = field(default_factory=dict)
    estimated_calls: int = 0

    def to_json(self) -> dict[str, Any]:
        """The same, as values that `json.dumps` takes: amounts are texts."""
        return {
            "name": self.name,
            "calls": self.calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": {currency: f"{amount:f}" for currency, amount in self.cost.items()},
            "unknown": self.unknown,
            "estimated": {currency: f"{amount:f}" for currency, amount in self.estimated.items()},
            "estimated_calls": self.estimated_calls,
        }


@dataclass(frozen=True, slots=True)
class Costs:
    """What a client's calls cost so far; a copy, and a sequence of `CostRow`. `str()` and notebooks show it as a table.

    Attributes:
        by: what the rows are: "route", "model", "target", "capability", "day" (in UTC) or "tag:NAME".
        rows: days in their order, everything else the dearest first. "(none)" has what has no such tag or capability, and "(others)" what
            there were too many names of. A call under several capabilities is in the row of each.
        total: of all calls, each counted once.
    """

    by: str
    rows: tuple[CostRow, ...]
    total: CostRow

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[CostRow]:
        return iter(self.rows)

    def __getitem__(self, row: int | str) -> CostRow:
        """A row by its place, or by its name.

        Raises:
            IndexError: if there is no such place.
            KeyError: if there is no such row.
        """
        if isinstance(row, int):
            return self.rows[row]
        for one in self.rows:
            if one.name == row:
                return one
        raise KeyError(row)

    def to_json(self) -> dict[str, Any]:
        """The same, as values that `json.dumps` takes: amounts are texts."""
        return {"by": self.by, "rows": [row.to_json() for row in self.rows], "total": self.total.to_json()}

    @override
    def __str__(self) -> str:
        lines = [(self.by, *_COLUMNS), *map(_cells, (*self.rows, self.total))]
        widths = [max(len(line[place]) for line in lines) for place in range(len(lines[0]))]
        return "\n".join(_aligned(line, widths) for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{escape(name)}</th>" for name in (self.by, *_COLUMNS))
        rows = "".join(f"<tr>{''.join(map(_html, range(len(_COLUMNS) + 1), _cells(row)))}</tr>" for row in (*self.rows, self.total))
        return f"<table><tr>{head}</tr>{rows}</table>"


class CostTally:
    """Counts what calls cost. One for each client; every method may be called by several threads at once.

    It holds a line for each combination of route, row, model, capabilities, tags and day, up to `most`. Beyond these, combinations differ
    by neither tags nor day, and beyond as many of those again by nothing, so its size is bounded whatever callers put into tags.
    """

    __slots__ = ("_add", "_lines", "_lock", "_most")

    def __init__(self, most: int = 2000) -> None:
        self._most = most
        self._lines: dict[tuple[Any, ...], _Line] = {}
        self._lock = Lock()
        self._add = Context(prec=60).add  # exact, whatever the calling thread's decimal context is; used under the lock alone

    def add(
        self,
        *,
        route: str,
        target: str,
        model: str,
        capabilities: tuple[str, ...],
        tags: Mapping[str, str],
        day: int,
        usage: Usage | None,
        cost: Decimal | None,
        currency: str | None,
        estimated: bool = False,
    ) -> None:
        """Count an attempt that ended. About 2 microseconds.

        Args:
            route: the name that was called.
            target: the row that was asked.
            model: the model that was asked.
            capabilities: digests of every chain that the call was made under, of each chain's blocks all; () for none.
            tags: the call's.
            day: whole days since 1970, in UTC.
            usage: what the provider reported; None for nothing.
            cost: what it cost, or with `estimated` its worst case; None if that is not known.
            currency: of the cost.
            estimated: it was sent, and its usage never came.
        """
        key = (route, target, model, capabilities, tuple(tags.items()) if tags else (), day, "" if cost is None else currency or "")
        with self._lock:
            line = self._lines.get(key)
            if line is None:
                line = self._line(key)
            line[_CALLS] += 1
            if usage is not None:
                line[_INPUT] += usage.input_tokens or 0
                line[_OUTPUT] += usage.output_tokens or 0
            if cost is None:
                line[_UNKNOWN] += 1
            elif estimated:
                line[_ESTIMATE] = self._add(line[_ESTIMATE], cost)
                line[_ESTIMATED] += 1
            else:
                line[_COST] = self._add(line[_COST], cost)

    def _line(self, key: tuple[Any, ...]) -> _Line:
        """A new line, or where there are too many one that holds others as well."""
        full = _Key(*key)
        for one, most in ((key, self._most), (full._replace(tags=None, day=None), 2 * self._most)):
            if one in self._lines:
                return self._lines[one]
            if len(self._lines) < most:
                return self._lines.setdefault(one, _empty())
        return self._lines.setdefault(_Key(_OTHERS, _OTHERS, _OTHERS, (_OTHERS,), None, None, full.currency), _empty())

    def costs(self, by: str = "route", *, within: Collection[str] = ()) -> Costs:
        """What was counted so far.

        Args:
            by: "route", "model", "target", "capability", "day" or "tag:NAME".
            within: digests of a chain: only calls that were made under all of them count, so that whoever holds a capability sees what it
                and those derived from it cost, and nothing else. What was counted under "(others)" is in nobody's chain.

        Raises:
            UnknownOption: for another `by`.
        """
        names = _namer(by)
        with self._lock:
            lines = [(_Key(*key), tuple(line)) for key, line in self._lines.items()]
        asked = set(within)
        groups: dict[str, _Sum] = {}
        total = _Sum()
        for key, line in lines:
            if asked and not asked.issubset(key.capabilities):
                continue
            total.add(key.currency, line)
            for name in names(key):
                groups.setdefault(name, _Sum()).add(key.currency, line)
        rows = [one.row(name) for name, one in groups.items()]
        whole = total.row("total")
        dearest = sorted(whole.cost, key=lambda currency: (whole.cost[currency].copy_negate(), currency))
        zero = Decimal(0)

        def dearest_first(row: CostRow) -> tuple[Any, ...]:
            return [row.cost.get(currency, zero).copy_negate() for currency in dearest], -row.calls, row.name

        rows.sort(key=(lambda row: (row.name,)) if by == "day" else dearest_first)
        return Costs(by, tuple(rows), whole)


class _Sum:
    """Lines added up; made and dropped within one question."""

    __slots__ = ("_add", "cost", "counts", "estimated")

    def __init__(self) -> None:
        self.counts = [0] * 7
        self.cost: dict[str, Decimal] = {}
        self.estimated: dict[str, Decimal] = {}
        self._add = Context(prec=60).add

    def add(self, currency: str, line: tuple[Any, ...]) -> None:
        for place in (_CALLS, _INPUT, _OUTPUT, _UNKNOWN, _ESTIMATED):
            self.counts[place] += line[place]
        if line[_CALLS] > line[_UNKNOWN] + line[_ESTIMATED]:
            self.cost[currency] = self._add(self.cost.get(currency, Decimal(0)), line[_COST])
        if line[_ESTIMATED]:
            self.estimated[currency] = self._add(self.estimated.get(currency, Decimal(0)), line[_ESTIMATE])

    def row(self, name: str) -> CostRow:
        counts, cost, estimated = self.counts, MappingProxyType(self.cost), MappingProxyType(self.estimated)
        return CostRow(name, counts[_CALLS], counts[_INPUT], counts[_OUTPUT], cost, counts[_UNKNOWN], estimated, counts[_ESTIMATED])


def _empty() -> _Line:
    return [0, 0, 0, Decimal(0), 0, Decimal(0), 0]


def _namer(by: str) -> Callable[[_Key], Collection[str]]:
    """How lines are named.

    Raises:
        UnknownOption: for what they cannot be named by.
    """
    if by.startswith("tag:") and len(by) > len("tag:"):
        tag = by.removeprefix("tag:")
        return lambda key: (_OTHERS if key.tags is None else dict(key.tags).get(tag, _NONE),)
    match by:
        case "route":
            return lambda key: (key.route,)
        case "target":
            return lambda key: (key.target,)
        case "model":
            return lambda key: (key.model,)
        case "capability":
            return lambda key: key.capabilities or (_NONE,)
        case "day":
            return lambda key: (_OTHERS if key.day is None else _date(key.day),)
        case _:
            pass
    msg = f'costs(by={by!r}): by is one of "route", "model", "target", "capability", "day" and "tag:NAME"'
    raise UnknownOption(msg)


def _date(day: int) -> str:
    return datetime.fromtimestamp(day * _DAY, UTC).date().isoformat()


def _cells(row: CostRow) -> tuple[str, ...]:
    counts = (f"{row.calls:,}", f"{row.input_tokens:,}", f"{row.output_tokens:,}")
    return (row.name, *counts, _money(row.cost), _money(row.estimated), str(row.unknown) if row.unknown else "-")


def _money(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount:,f} {currency}" for currency, amount in sorted(amounts.items())) or "-"


def _aligned(cells: tuple[str, ...], widths: list[int]) -> str:
    return "  ".join(
        cell.rjust(width) if place else cell.ljust(width) for place, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )


def _html(place: int, cell: str) -> str:
    return f'<td style="text-align:{"right" if place else "left"}">{escape(cell)}</td>'
