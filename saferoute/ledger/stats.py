"""Counting what a ledger tells: calls and how they ended, attempts, tokens, money, times and refusals, by whatever distinguishes them.

A call that was answered after a fallback is answered; one that its caller left neither failed nor was refused.

Money is added up per currency and only where it is known; what is not known is counted apart, never as 0. Times are those of attempts that
were answered. What was maybe sent counts as an attempt, and its worst case stands under "held back".
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import TYPE_CHECKING, Final

from saferoute.ledger.attempts import LEFT, is_blocked, is_copy, is_left, is_refused
from saferoute.ledger.plain import amount_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.ledger.attempts import Told

__all__ = ["DIMENSIONS", "ENDS", "OTHERS", "TIMES", "Measured", "Stats", "Tally", "dimension", "measured", "quantile", "tally_to_json"]

_Label = str | None
_TAG: Final = re.compile(r"tag:(.{1,200})", re.DOTALL)
_CALLS_REMEMBERED: Final = 1 << 20
"""Calls and groups of which is remembered that they were counted; the records of one call lie much closer together."""

ENDS: Final = ("copied", "failed", "maybe sent", "left", "refused", "answered")
"""How a call can have ended. Of several attempts, that one says it whose word comes last here."""

_TOKENS: Final = ("input", "output", "cache_read", "cache_write", "reasoning")


def _of(name: str) -> Callable[[Told], _Label]:
    def label(told: Told) -> _Label:
        value = told.first.get(name)
        return None if value is None else str(value)

    return label


def _model(told: Told) -> _Label:
    asked = None if told.began is None else told.began.get("model")
    reported = None if told.ended is None else told.ended.get("model")
    return asked or reported


def _table(told: Told) -> _Label:
    table = told.first.get("table")
    return f"{table['name']} {table['version']} ({table['sha256'][:12]})" if table else None


def _capability(told: Told) -> _Label:
    digests = told.first.get("capabilities")
    return "+".join(digests) if digests else None


def _time(form: str) -> Callable[[Told], _Label]:
    # A day has thousands of records: its text is made once.
    seconds = {"%Y-%m": 86_400, "%Y-%m-%d": 86_400}.get(form, 3_600)
    made: dict[int, str] = {}

    def label(told: Told) -> _Label:
        unit = told.time // (seconds * 1_000_000)
        if (text := made.get(unit)) is None:
            text = made[unit] = datetime.fromtimestamp(unit * seconds, UTC).strftime(form)
        return text

    return label


def _week(told: Told) -> _Label:
    day = told.time // 86_400_000_000
    return datetime.fromtimestamp((day - (day + 3) % 7) * 86_400, UTC).strftime("%Y-%m-%d")  # 1970 began on a Thursday


def _outcome(told: Told) -> _Label:
    if told.kind == "denial":
        return f"denied: {told.outcome}"
    return "left" if told.outcome == LEFT else told.outcome


def _deny(told: Told) -> _Label:
    code = (told.ended or told.first).get("deny")
    return None if code is None else str(code)


OTHERS: Final = "(others)"
"""Stands for the labels beyond those that are kept apart."""

TIMES: Final = frozenset({"hour", "day", "week", "month"})
"""The dimensions that are times."""

DIMENSIONS: Final[Mapping[str, Callable[[], Callable[[Told], _Label]]]] = {
    "route": lambda: _of("route"),
    "model": lambda: _model,
    "provider": lambda: _of("provider"),
    "target": lambda: _of("target"),
    "table": lambda: _table,
    "capability": lambda: _capability,
    "secret": lambda: _of("secret"),
    "operation": lambda: _of("operation"),
    "data": lambda: _of("data"),
    "purpose": lambda: _of("purpose"),
    "outcome": lambda: _outcome,
    "deny": lambda: _deny,
    "hour": lambda: _time("%Y-%m-%d %H:00"),
    "day": lambda: _time("%Y-%m-%d"),
    "week": lambda: _week,
    "month": lambda: _time("%Y-%m"),
}
"""By what can be counted, beside `tag:NAME`. A capability is the digest of its chain; of several the digests with "+" between them."""


def dimension(name: str) -> Callable[[Told], _Label]:
    """How attempts are told apart.

    Args:
        name: one of `DIMENSIONS`, or "tag:NAME".

    Raises:
        ValueError: it is neither; the message names them.
    """
    if (tag := _TAG.fullmatch(name)) is not None:
        wanted = tag[1]
        return lambda told: told.first.get("tags", {}).get(wanted)
    make = DIMENSIONS.get(name)
    if make is None:
        msg = f"{name!r} is none of {', '.join(DIMENSIONS)}, tag:NAME"
        raise ValueError(msg)
    return make()


def _bounded(label: Callable[[Told], _Label], most: int) -> Callable[[Told], _Label]:
    known: set[_Label] = set()

    def bounded(told: Told) -> _Label:
        found = label(told)
        if found not in known:
            if len(known) >= most:
                return OTHERS
            known.add(found)
        return found

    return bounded


@dataclass(frozen=True, slots=True)
class Measured:
    """What there is to count of one attempt or denial, read out of its records once for all the groups that it belongs to.

    Attributes:
        is_denial: whether it is a denial: of one, only `blocked` is counted besides.
        blocked: whether a guard ended it.
        answered: whether it was answered.
        failed: whether it ended otherwise; what neither was answered, failed nor was left was maybe sent.
        left: whether its caller left it.
        end: what it says of how its call ended, as a place in `ENDS`.
        requests: how many were sent.
        us: how long it took, in microseconds.
        tokens: what of each kind was used, as far as it is more than nothing.
        tokens_unknown: whether its tokens are not known.
        cost: what it cost; None where that is not known, or nothing.
        currency: the cost's.
        estimated: whether the cost is an estimate.
        cost_unknown: whether it may have cost something that is not known.
        held_back: what is held back for that, or for its being maybe sent; None for nothing.
        held_in: the currency of that.
    """

    is_denial: bool
    blocked: bool
    answered: bool = False
    failed: bool = False
    left: bool = False
    end: int = 0
    requests: int = 0
    us: int = 0
    tokens: tuple[tuple[str, int], ...] = ()
    tokens_unknown: bool = False
    cost: Decimal | None = None
    currency: str = ""
    estimated: bool = False
    cost_unknown: bool = False
    held_back: Decimal | None = None
    held_in: str = ""


def measured(told: Told) -> Measured:
    """Read out of an attempt's or a denial's records what there is to count."""
    ended, blocked, end = told.ended, is_blocked(told), ENDS.index(_end(told))
    if told.kind == "denial":
        return Measured(is_denial=True, blocked=blocked, end=end)
    if ended is None:
        held_back, held_in = _worst_case(told)
        return Measured(is_denial=False, blocked=blocked, end=end, held_back=held_back, held_in=held_in)
    left = is_left(told)
    answered, estimated, usage = ended["outcome"] == "ok", ended["estimated"], ended["usage"]
    charged = answered or estimated
    cost = amount_of(ended["cost"])
    held_back, held_in = _worst_case(told) if estimated and cost is None else (None, "")
    return Measured(
        is_denial=False,
        blocked=blocked,
        answered=answered,
        failed=not (answered or left),
        left=left,
        end=end,
        requests=ended["requests"],
        us=ended["us"],
        tokens=() if usage is None else tuple([(name, usage[name]) for name in _TOKENS if usage[name]]),
        tokens_unknown=charged and (usage is None or usage["input"] is None or usage["output"] is None),
        cost=cost,
        currency=str(ended["currency"] or "?"),
        estimated=estimated,
        cost_unknown=charged and cost is None,
        held_back=held_back,
        held_in=held_in,
    )


def _end(told: Told) -> str:
    if is_copy(told):
        return "copied"
    if is_refused(told):
        return "refused"
    if told.maybe_sent:
        return "maybe sent"
    return "left" if is_left(told) else "answered" if told.outcome == "ok" else "failed"


def _worst_case(told: Told) -> tuple[Decimal | None, str]:
    worst = None if told.began is None else told.began["max_cost"]
    return (None, "") if worst is None else (amount_of(worst), str(worst["currency"]))


class Tally:
    """What is counted of one group. `ends` counts its calls by how they ended, the rest is of attempts and denials."""

    __slots__ = (
        "attempts", "blocked", "calls", "cost", "costs_unknown", "denials", "ends", "estimated", "failed", "held_back", "left",
        "maybe_sent", "ok", "requests", "times", "tokens", "tokens_unknown",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = self.attempts = self.ok = self.failed = self.left = self.maybe_sent = self.denials = self.blocked = self.requests = 0
        self.ends = dict.fromkeys(ENDS, 0)
        self.tokens = dict.fromkeys(_TOKENS, 0)
        self.tokens_unknown = 0
        self.cost: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.estimated: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.held_back: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.costs_unknown = 0
        self.times: array[int] = array("q")

    def take(self, one: Measured) -> None:
        """Count one attempt or denial, but not its call."""
        self.blocked += one.blocked
        if one.is_denial:
            self.denials += 1
            return
        self.attempts += 1
        self.ok += one.answered
        self.failed += one.failed
        self.left += one.left
        self.maybe_sent += not (one.answered or one.failed or one.left)
        self.requests += one.requests
        if one.answered:
            self.times.append(one.us)
        if one.tokens:
            for name, number in one.tokens:
                self.tokens[name] += number
        self.tokens_unknown += one.tokens_unknown
        self.costs_unknown += one.cost_unknown
        if one.cost is not None:
            self.cost[one.currency] += one.cost
            if one.estimated:
                self.estimated[one.currency] += one.cost
        if one.held_back is not None:
            self.held_back[one.held_in] += one.held_back

    @property
    def p50(self) -> int | None:
        """Half of the answered attempts took at most this, in microseconds."""
        return quantile(self.times, 0.5)

    @property
    def p95(self) -> int | None:
        """95 of 100 answered attempts took at most this, in microseconds."""
        return quantile(self.times, 0.95)


def quantile(values: Sequence[int], part: float) -> int | None:
    """The smallest value that this part of all values does not exceed; None of nothing."""
    return sorted(values)[max(0, ceil(part * len(values)) - 1)] if values else None


class Stats:
    """Tallies by group. A call with attempts in several groups counts as a call in each of them.

    Args:
        by: names of dimensions; none counts everything together.
        most: labels of a dimension other than a time, beyond which the rest counts as `OTHERS`; 0 for no bound.

    Raises:
        ValueError: a name is none of a dimension.
    """

    __slots__ = ("_labels", "_seen", "by", "groups")

    def __init__(self, by: Sequence[str] = (), most: int = 0) -> None:
        self.by = tuple(by)
        self._labels = [_bounded(dimension(name), most) if most and name not in TIMES else dimension(name) for name in self.by]
        self.groups: dict[tuple[_Label, ...], Tally] = {}
        self._seen: dict[int, int] = {}

    def take(self, told: Told, counted: Measured | None = None) -> None:
        """Count one attempt or denial.

        Args:
            told: what its records tell.
            counted: what there is to count of it, for who has that already.
        """
        key = tuple([label(told) for label in self._labels])
        tally = self.groups.get(key)
        if tally is None:
            tally = self.groups[key] = Tally()
        counted = counted or measured(told)
        tally.take(counted)
        mark = hash((told.call, key))
        before = self._seen.get(mark)
        if before is not None and before < counted.end:
            self._seen[mark] = counted.end
            tally.ends[ENDS[before]] -= 1
            tally.ends[ENDS[counted.end]] += 1
        elif before is None:
            self._seen[mark] = counted.end
            tally.calls += 1
            tally.ends[ENDS[counted.end]] += 1
            if len(self._seen) > _CALLS_REMEMBERED:
                del self._seen[next(iter(self._seen))]

    def rows(self) -> list[tuple[tuple[_Label, ...], Tally]]:
        """The groups, in the order of their labels; what has no label comes last."""
        return sorted(self.groups.items(), key=lambda item: [(label is None, label or "") for label in item[0]])


def tally_to_json(tally: Tally) -> dict[str, object]:
    """A tally for other programs: money as decimal text, times in microseconds."""
    plain = ("calls", "attempts", "ok", "failed", "left", "maybe_sent", "denials", "blocked", "requests")
    amounts = {name: {key: f"{amount:f}" for key, amount in getattr(tally, name).items()} for name in ("cost", "estimated", "held_back")}
    return {
        **{name: getattr(tally, name) for name in plain},
        "calls_by_end": {name.replace(" ", "_"): number for name, number in tally.ends.items()},
        "tokens": {**tally.tokens, "unknown": tally.tokens_unknown},
        **amounts,
        "cost_unknown": tally.costs_unknown,
        "p50_us": tally.p50,
        "p95_us": tally.p95,
    }
