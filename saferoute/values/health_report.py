"""How the rows of a client are doing, for people, scripts and notebooks."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Iterator

    from saferoute.values.balancing import TargetHealth

__all__ = ["HealthReport"]

_COLUMNS: Final = ("target", "breaker", "available", "under way", "ended", "failed", "latency", "first token", "quota group", "why not")
_NUMBERS: Final = frozenset({"available", "under way", "ended", "failed", "latency", "first token"})
_COLOURS: Final = {"closed": "#1a7f37", "half_open": "#9a6700", "open": "#b00020"}


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Rows and how they are doing, as one client has seen them; a copy, and a sequence of `TargetHealth`.

    Attributes:
        targets: one for each row, in the table's order.
    """

    targets: tuple[TargetHealth, ...] = ()

    def __len__(self) -> int:
        return len(self.targets)

    def __iter__(self) -> Iterator[TargetHealth]:
        return iter(self.targets)

    def __getitem__(self, row: int | str) -> TargetHealth:
        """A row by its place, or by its id.

        Raises:
            IndexError: if there is no such place.
            KeyError: if there is no such row.
        """
        if isinstance(row, int):
            return self.targets[row]
        for one in self.targets:
            if one.target == row:
                return one
        raise KeyError(row)

    @override
    def __str__(self) -> str:
        if not self.targets:
            return "no rows"
        lines = [_COLUMNS, *map(_cells, self.targets)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(_COLUMNS))]
        return "\n".join(_line(line, widths) for line in lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
        rows = "".join(f"<tr>{''.join(map(_html, _COLUMNS, _cells(one)))}</tr>" for one in self.targets)
        return f"<table><tr>{head}</tr>{rows}</table>"


def _cells(one: TargetHealth) -> tuple[str, ...]:
    available = "now" if not one.available_in and not one.reason else f"in {one.available_in:.1f} s" if one.available_in else "later"
    under_way = str(one.in_flight) if one.concurrency is None else f"{one.in_flight} of {one.concurrency}"
    times = [_seconds(one.latency), _seconds(one.first_token)]
    return (one.target, one.breaker, available, under_way, str(one.requests), str(one.failures), *times, one.quota_group, one.reason)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"


def _line(cells: tuple[str, ...], widths: list[int]) -> str:
    placed = (
        cell.rjust(width) if name in _NUMBERS else cell.ljust(width) for name, cell, width in zip(_COLUMNS, cells, widths, strict=True)
    )
    return "  ".join(placed).rstrip()


def _html(name: str, cell: str) -> str:
    style = "text-align:right" if name in _NUMBERS else "text-align:left"
    if name == "breaker":
        style += f";color:{_COLOURS.get(cell, 'inherit')}"
    return f'<td style="{style}">{escape(cell)}</td>'
