"""What a simulation has shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from html import escape
from math import ceil
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["SimulationResult", "percentile"]

_NANO: Final = 1_000_000_000


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The smallest of some values, in order, that at least this share of them does not exceed; None of no values."""
    if not ordered:
        return None
    return ordered[max(0, ceil(len(ordered) * share) - 1)]


@dataclass(frozen=True, slots=True, repr=False)
class SimulationResult:
    """What became of the calls. Times are virtual seconds; `str()` and notebooks show it as a table.

    Attributes:
        route: the name that was called.
        strategy: how its rows were ordered.
        calls: how many calls there were.
        successes: how many were answered.
        failures: the others, by the name of the error that the caller sees.
        requests: by row id, how many requests it was sent: retries, fallbacks, hedges and copies included.
        answers: by row id, how many of them it answered.
        most_requests: the most that one call sent, its copy for a shadow not counted.
        p50: seconds that half of the answered calls did not exceed, from the call to the whole answer; None if none was answered.
        p95: likewise of 95 %.
        p99: likewise of 99 %.
        mean: the mean of those seconds.
        goodput: answered calls a second, in each `interval` of the time.
        interval: seconds.
        seconds: from the beginning until the last call had ended.
        cost: by currency, what all answers cost at the table's prices, in nano-units; None if a row that answered has none.
    """

    route: str
    strategy: str
    calls: int
    successes: int
    failures: Mapping[str, int]
    requests: Mapping[str, int]
    answers: Mapping[str, int]
    most_requests: int
    p50: float | None
    p95: float | None
    p99: float | None
    mean: float | None
    goodput: tuple[float, ...] = field(repr=False)
    interval: float
    seconds: float
    cost: Mapping[str, int] | None

    @property
    def success_rate(self) -> float:
        """The share of calls that were answered; 1.0 of no calls."""
        return self.successes / self.calls if self.calls else 1.0

    @property
    def total_requests(self) -> int:
        """How many requests there were."""
        return sum(self.requests.values())

    @property
    def requests_per_call(self) -> float:
        """How many requests a call sent, on average; 0.0 of no calls."""
        return self.total_requests / self.calls if self.calls else 0.0

    @override
    def __repr__(self) -> str:
        return str(self)

    @override
    def __str__(self) -> str:
        facts = self._facts()
        width = max(len(name) for name, _ in facts)
        lines = [f"{self.route}, {self.strategy}", *(f"  {name.ljust(width)}  {value}" for name, value in facts)]
        wide = max((len(row) for row in self.requests), default=3)
        lines += ["", f"  {'row'.ljust(wide)}  requests   answers  share"]
        lines += [f"  {row.ljust(wide)}  {asked:8,}  {answers:8,}  {share:5.1%}" for row, asked, answers, share in self._rows()]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in self._facts()
        )
        head = "<tr><th>row</th><th>requests</th><th>answers</th><th>share</th></tr>"
        rows = "".join(
            f"<tr><td>{escape(row)}</td><td>{asked:,}</td><td>{answers:,}</td><td>{share:.1%}</td></tr>"
            for row, asked, answers, share in self._rows()
        )
        return f"<p>{escape(self.route)}, {escape(self.strategy)}</p><table>{facts}</table><table>{head}{rows}</table>"

    def _rows(self) -> list[tuple[str, int, int, float]]:
        every = max(1, self.total_requests)
        return [(row, asked, self.answers[row], asked / every) for row, asked in self.requests.items()]

    def _facts(self) -> list[tuple[str, str]]:
        failed = ", ".join(f"{count:,} {name}" for name, count in self.failures.items())
        facts = [
            ("calls", f"{self.calls:,} in {self.seconds:,.1f} s"),
            ("answered", f"{self.successes:,} ({self.success_rate:.3%})"),
            ("failed", failed or "none"),
            ("requests", f"{self.total_requests:,} ({self.requests_per_call:.3f} a call, at most {self.most_requests})"),
            ("latency", f"p50 {_seconds(self.p50)}, p95 {_seconds(self.p95)}, p99 {_seconds(self.p99)}"),
        ]
        if self.cost:
            facts.append(("cost", ", ".join(f"{Decimal(amount) / _NANO:,.4f} {currency}" for currency, amount in self.cost.items())))
        return facts


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f} s"
