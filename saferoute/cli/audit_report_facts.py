"""What the report shows, collected in one pass over a ledger's attempts and refusals."""

from __future__ import annotations

import heapq
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from saferoute.ledger.attempts import is_left, is_refused, verdicts_of
from saferoute.ledger.stats import DIMENSIONS, ENDS, Stats, Tally, measured

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.ledger.attempts import Told
    from saferoute.ledger.stats import Measured

__all__ = ["Facts", "Seen", "TableSeen", "buckets_between", "unit_for"]

_HOUR: Final = 3_600
_DAY: Final = 24 * _HOUR
_STEPS: Final = {"hour": _HOUR, "day": _DAY, "week": 7 * _DAY, "month": _DAY}
_MOST_LABELS: Final = 200
_MOST_BUCKETS: Final = 150
_MOST_LISTED: Final = 100
_TAGS_FOUND: Final = 3
_CHOSEN: Final = {"retry": "again", "fallback": "instead", "next in order": "instead", "hedge": "hedge", "shadow": "copy"}
"""How a row was chosen, by the first words of an intent's reason; anything else is the strategy's first choice."""


@dataclass(slots=True)
class Seen:
    """When something was seen, how often, and where it went."""

    first: int
    last: int
    count: int = 0
    origins: set[str] = field(default_factory=set)

    def at(self, time: int) -> None:
        """Count one more."""
        self.first, self.last, self.count = min(self.first, time), max(self.last, time), self.count + 1


@dataclass(frozen=True, slots=True)
class TableSeen:
    """One version of a routing table, as records name it."""

    name: str
    version: int
    sha256: str
    trust: str


def unit_for(microseconds: int) -> str:
    """By what to divide a length of time so that a chart of it can be read."""
    days = microseconds / 1e6 / _DAY
    return "hour" if days <= 6 else "day" if days <= 100 else "week" if days <= 700 else "month"  # noqa: PLR2004  days that fill a chart


def buckets_between(unit: str, first: int, last: int) -> list[str]:
    """The labels of all hours, days, weeks or months from one time to another, without a gap; of very many the last ones."""
    from saferoute.ledger.attempts import Told

    label, step = DIMENSIONS[unit](), _STEPS[unit] * 1_000_000
    least = last - _MOST_BUCKETS * (31 * _DAY if unit == "month" else _STEPS[unit]) * 1_000_000
    start = max(first, least)
    times = [*range(start - start % step, last + 1, step), last]
    labels = dict.fromkeys(str(label(Told("denial", "", None, None, None, time))) for time in times)
    return list(labels)[-_MOST_BUCKETS:]


class Facts:
    """Counts what the report shows.

    Args:
        unit: "hour", "day", "week" or "month".
        tags: the tags by which to count; empty for the first that are found.
    """

    __slots__ = (
        "_label", "by", "by_deny", "by_deny_time", "by_target", "by_time", "chosen", "failures", "maybe_sent", "outcomes", "secrets",
        "stages", "tables", "tags_given", "tags_seen", "total", "unit", "verdicts", "with_capability",
    )  # fmt: skip

    def __init__(self, unit: str, tags: Sequence[str] = ()) -> None:
        self.unit = unit
        self._label = DIMENSIONS[unit]()
        self.total = Tally()
        self.tags_given = tuple(tags)
        self.tags_seen: dict[str, None] = {}
        self.by_time = Stats((unit,))
        self.by: dict[str, tuple[Stats, Stats]] = {}
        for name in ("route", "model", *(f"tag:{tag}" for tag in tags)):
            self._count_by(name)
        self.by_target = Stats(("target",), _MOST_LABELS)
        self.by_deny: Counter[tuple[str, str]] = Counter()
        self.by_deny_time: Counter[str] = Counter()
        self.chosen: Counter[tuple[str, str]] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.verdicts: Counter[tuple[str, str]] = Counter()
        self.stages: Counter[tuple[str, str]] = Counter()
        self.tables: dict[TableSeen, Seen] = {}
        self.secrets: dict[str, Seen] = {}
        self.maybe_sent: list[tuple[int, str, Told]] = []
        self.with_capability = 0

    def _count_by(self, name: str) -> None:
        self.by[name] = Stats((name,), _MOST_LABELS), Stats((name, self.unit), _MOST_LABELS)

    @property
    def calls(self) -> int:
        """Calls, whatever became of them."""
        return sum(tally.calls for _, tally in self.by["route"][0].rows())

    @property
    def ends(self) -> dict[str, int]:
        """Calls by how they ended; see `saferoute.ledger.stats.ENDS`."""
        return {name: sum(tally.ends[name] for _, tally in self.by["route"][0].rows()) for name in ENDS}

    @property
    def unknown_tags(self) -> list[str]:
        """The tags that were asked for, and that no record has."""
        return [tag for tag in self.tags_given if tag not in self.tags_seen]

    def take(self, told: Told) -> None:
        """Count one attempt or refusal."""
        for tag in told.first["tags"]:
            if tag not in self.tags_seen and len(self.tags_seen) < _MOST_LABELS:
                self.tags_seen[tag] = None
                if not self.tags_given and len(self.by) < 2 + _TAGS_FOUND:
                    self._count_by(f"tag:{tag}")
        counted = measured(told)
        self.total.take(counted)
        self.by_time.take(told, counted)
        for whole, over_time in self.by.values():
            whole.take(told, counted)
            over_time.take(told, counted)
        repeated = told.kind == "attempt" and told.first["attempt"] > 1
        for one in told.ended["verdicts"] if repeated and told.ended is not None else () if repeated else verdicts_of(told):
            self.verdicts[one["guard"], one["action"]] += 1
            self.stages[one["guard"], one["stage"]] += 1
        self.with_capability += bool(told.first["capabilities"])
        self._take_table(told)
        if is_refused(told):
            self.by_deny[told.outcome, (told.ended or told.first)["deny"] or ""] += 1
            self.by_deny_time[str(self._label(told))] += 1
        if told.kind != "denial":
            self._take_attempt(told, counted)

    def _take_table(self, told: Told) -> None:
        table = told.first.get("table")
        if table:
            key = TableSeen(table["name"], table["version"], table["sha256"], table["trust"])
            self.tables.setdefault(key, Seen(told.time, told.time)).at(told.time)

    def _take_attempt(self, told: Told, counted: Measured) -> None:
        self.by_target.take(told, counted)
        target = str(told.first["target"])
        self.outcomes[told.outcome] += 1
        if told.outcome != "ok" and not is_left(told):
            self.failures[target, told.outcome] += 1
        began = told.began
        if began is not None:
            how = str(began["why"]).partition(":")[0]
            self.chosen[target, _CHOSEN.get(how, "first")] += 1
            self._take_secret(began, told)
        if told.maybe_sent:
            heapq.heappush(self.maybe_sent, (told.time, told.ref, told))
            if len(self.maybe_sent) > _MOST_LISTED:
                heapq.heappop(self.maybe_sent)

    def _take_secret(self, began: Mapping[str, Any], told: Told) -> None:
        name = began["secret"]
        if name is not None:
            seen = self.secrets.setdefault(name, Seen(told.time, told.time))
            seen.at(told.time)
            if len(seen.origins) < _MOST_LISTED:
                seen.origins.add(str(began["origin"]))
