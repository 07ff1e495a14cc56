"""Asking guards about many labelled texts, and counting: how much they find, how much they find in vain, and how long they take."""

from __future__ import annotations

import heapq
import time
from collections import Counter
from dataclasses import dataclass, field
from math import ceil, log2
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ConfigurationError
from saferoute.guards.function import active_guards
from saferoute.guards.pipeline import GUARD_ERROR, ask, composed, judged, spans_to_redact
from saferoute.guards.redacting import redacted
from saferoute.values.guarding import Action, Context, Segment
from saferoute.values.judgement import Judgement

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.cli.guard_corpus import Row
    from saferoute.guards.pipeline import Active
    from saferoute.values.guarding import Guard, Judged, Origin, SegmentRole, Stage

__all__ = ["BY_DEFAULT", "NAMES", "STAGES", "Bench", "Finding", "Tally", "Trial", "guards_named"]

BY_DEFAULT: Final = ("unicode", "secrets", "pii", "links")
NAMES: Final = (*BY_DEFAULT, "injection", "injection_model")
STAGES: Final[Mapping[str, tuple[SegmentRole, Origin]]] = {
    "input": ("user", "user"),
    "tool_result": ("tool", "tool"),
    "tool_call": ("assistant", "model"),
    "output": ("assistant", "model"),
}
_STEPS: Final = 16
"""Steps of a doubling in which times are counted: a quantile is right to 5 %."""

_MOST_KINDS: Final = 100


def guards_named(names: Iterable[str]) -> tuple[Active, ...]:
    """Guards of the package by their names, as a client would ask them."""
    return active_guards([_guard(name) for name in dict.fromkeys(names)])


def _guard(name: str) -> Guard:
    from saferoute import guards

    match name:
        case "unicode":
            return guards.UnicodeGuard()
        case "secrets":
            return guards.SecretsGuard()
        case "pii":
            return guards.PiiGuard()
        case "links":
            return guards.LinkGuard()
        case "injection":
            return guards.InjectionGuard()
        case _:
            from saferoute.guards.injection_model import InjectionModelGuard

            return InjectionModelGuard()


class Bench:
    """Guards that are asked about one text after the other, each by itself and on the clock.

    Args:
        active: the guards, as `guards_named` makes them.
        stage: as what the texts are judged.
        hosts: hosts that links of answers may lead to.
        thresholds: by guard: what it scores lower is no find, and what it scores as high is one.
    """

    __slots__ = ("_hosts", "_thresholds", "_views", "active", "stage")

    def __init__(
        self, active: Sequence[Active], stage: Stage, hosts: frozenset[str] = frozenset(), thresholds: Mapping[str, float] | None = None
    ) -> None:
        self.active = [one for one in active if one.asked_about(stage)]
        self.stage: Stage = stage
        self._hosts = hosts
        self._thresholds = thresholds or {}
        self._views = stage in {"input", "tool_result"} and any(one.reads_views for one in self.active)
        if not self.active:
            msg = f"none of these guards is asked about {stage}: {', '.join(one.name for one in active)}"
            raise ConfigurationError(msg)

    def ask(self, text: str) -> tuple[list[Judged], list[int]]:
        """What each guard says about a text, and the nanoseconds that each took; the last are those for the views that they share."""
        role, origin = STAGES[self.stage]
        segment = Segment(text, role, origin)
        began = time.perf_counter_ns()
        views: Mapping[str, str] = {}
        if self._views:
            from saferoute.guards.views import views_of

            views = views_of(text)
        shared = time.perf_counter_ns() - began
        context = Context(self.stage, tainted=self.stage == "tool_result", views=views, allowed_hosts=self._hosts)
        said: list[Judged] = []
        took: list[int] = []
        for one in self.active:
            began = time.perf_counter_ns()
            outcome = ask(one.guard, "check", segment, context)
            took.append(time.perf_counter_ns() - began)
            said.append(judged(one, outcome, segment, self.stage))
        return said, [*took, shared]

    def judgement(self, text: str) -> Judgement:
        """What they say about one text, for a person to look at."""
        said, _ = self.ask(text)
        spans = spans_to_redact(said)
        left = redacted(text, spans, lambda kind: f"[redacted: {kind}]") if spans else text
        return Judgement(text, composed(said), tuple(said), left)

    def action_of(self, one: Judged) -> Action:
        """What a guard does, under the threshold that was given for it."""
        threshold, score = self._thresholds.get(one.guard), one.verdict.score
        if threshold is None or score is None:
            return one.verdict.action
        return max(one.verdict.action, Action.FLAG) if score >= threshold else Action.ALLOW


@dataclass(slots=True)
class Tally:
    """What one guard did, or all of them together.

    Attributes:
        name: whose it is.
        hits: finds in texts with label 1; `missed` of them had none.
        vain: finds in texts with label 0; `passed` of them had none.
        failures: texts that the guard could not judge; they count as neither.
        times: how often a time came up, by the step that it is in.
    """

    name: str
    hits: int = 0
    missed: int = 0
    vain: int = 0
    passed: int = 0
    failures: int = 0
    times: Counter[int] = field(default_factory=Counter)

    def count(self, *, positive: bool, found: bool) -> None:
        """Count one text."""
        match positive, found:
            case True, True:
                self.hits += 1
            case True, False:
                self.missed += 1
            case False, True:
                self.vain += 1
            case _:
                self.passed += 1

    def took(self, nanoseconds: int, size: int) -> None:
        """Count the time for a text of that many bytes; what is shorter than 1 KB counts as 1 KB."""
        each = nanoseconds / 1000 / max(1.0, size / 1024)
        self.times[ceil(_STEPS * log2(max(each, 0.01)))] += 1

    @property
    def precision(self) -> float | None:
        """The share of finds that are right; None without finds."""
        return _share(self.hits, self.vain)

    @property
    def recall(self) -> float | None:
        """The share of texts with label 1 that were found; None without such texts."""
        return _share(self.hits, self.missed)

    @property
    def false_positives(self) -> float | None:
        """The share of texts with label 0 in which something was found; None without such texts."""
        return _share(self.vain, self.passed)

    def quantile(self, share: float) -> float | None:
        """The time, in microseconds for each KB, that so many of the texts did not exceed; None without texts."""
        wanted = share * self.times.total()
        below = 0
        for step, count in sorted(self.times.items()):
            below += count
            if below >= wanted:
                return float(2 ** (step / _STEPS))
        return None

    def to_json(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "guard": self.name,
            "hits": self.hits,
            "missed": self.missed,
            "false_alarms": self.vain,
            "passed": self.passed,
            "failures": self.failures,
            "precision": self.precision,
            "recall": self.recall,
            "false_positive_rate": self.false_positives,
            "us_per_kb_p50": self.quantile(0.5),
            "us_per_kb_p99": self.quantile(0.99),
        }


def _share(part: int, rest: int) -> float | None:
    return part / (part + rest) if part + rest else None


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """A line that went wrong. They are in order of what is worth a look first: the surest first, then the first line.

    Attributes:
        rank: how wrong; lower is worse.
        line: its line.
        why: what was said, by whom.
        text: the text; kept only where it is to be shown.
    """

    rank: float
    line: int
    why: str = field(compare=False)
    text: str | None = field(default=None, compare=False, repr=False)


class _Worst:
    """The first few of what may be many."""

    __slots__ = ("_heap", "_most", "count")

    def __init__(self, most: int) -> None:
        self._heap: list[tuple[float, int, Finding]] = []
        self._most = most
        self.count = 0

    def add(self, one: Finding) -> None:
        self.count += 1
        keep = heapq.heappush if len(self._heap) < self._most else heapq.heappushpop
        keep(self._heap, (-one.rank, -one.line, one))

    @property
    def found(self) -> list[Finding]:
        return sorted(finding for _, _, finding in self._heap)


class Trial:
    """The counts over a corpus, in memory that does not grow with it.

    Args:
        bench: the guards.
        least: the least action that counts as a find.
        most: lines that are kept of each sort.
        keep_texts: whether their texts are kept too.
    """

    __slots__ = (
        "_bench",
        "_keep_texts",
        "_least",
        "each",
        "false_alarms",
        "kinds",
        "missed",
        "otherwise",
        "rows",
        "together",
        "with_expect",
    )

    def __init__(self, bench: Bench, least: Action = Action.FLAG, most: int = 10, *, keep_texts: bool = False) -> None:
        self._bench, self._least, self._keep_texts = bench, least, keep_texts
        self.rows = self.with_expect = 0
        self.each = [Tally(one.name) for one in bench.active]
        self.together = Tally("together")
        self.kinds: dict[str, Tally] = {}
        self.missed, self.false_alarms, self.otherwise = _Worst(most), _Worst(most), _Worst(most)

    def take(self, row: Row) -> None:
        """Ask the guards about a row."""
        self.rows += 1
        said, took = self._bench.ask(row.text)
        size = len(row.text.encode("utf-8", "surrogatepass"))
        actions = [self._bench.action_of(one) for one in said]
        failed = [bool(one.verdict.reasons) and one.verdict.reasons[0].startswith(GUARD_ERROR) for one in said]
        for tally, action, fails, nanoseconds in zip(self.each, actions, failed, took, strict=False):
            tally.took(nanoseconds, size)
            if fails:
                tally.failures += 1
            else:
                tally.count(positive=row.positive, found=action >= self._least)
        together = max((action for action, fails in zip(actions, failed, strict=True) if not fails), default=Action.ALLOW)
        found = together >= self._least
        self.together.failures += any(failed)
        self.together.took(sum(took), size)
        for tally in (self.together, *self._kind(row.kind)):
            tally.count(positive=row.positive, found=found)
        self._note(row, together, [(one, action) for one, action in zip(said, actions, strict=True) if action is not Action.ALLOW])

    def _kind(self, kind: str) -> tuple[Tally, ...]:
        if not kind or (kind not in self.kinds and len(self.kinds) == _MOST_KINDS):
            return ()
        return (self.kinds.setdefault(kind, Tally(kind)),)

    def _note(self, row: Row, together: Action, telling: Sequence[tuple[Judged, Action]]) -> None:
        said = ", ".join(f"{one.guard}: {action.name.lower()}" for one, action in telling) or "nothing found"
        score = max((one.verdict.score for one, _ in telling if one.verdict.score is not None), default=0.0)
        text = row.text if self._keep_texts else None
        found = together >= self._least
        if row.positive and not found:
            self.missed.add(Finding(score, row.line, said, text))
        if found and not row.positive:
            self.false_alarms.add(Finding(-together - score, row.line, said, text))
        if row.expected:
            self.with_expect += 1
            if together not in row.expected:
                wanted = " or ".join(action.name.lower() for action in sorted(row.expected))
                self.otherwise.add(Finding(0.0, row.line, f"expected {wanted}; {said}", text))
