"""How the rows are doing, as one client has seen it: breakers, rate limits, latency, and who is busy.

Health is never part of the signed table, and can only choose among its rows. It belongs to one client and to one process, is written
under one lock that is held for arithmetic only, and forgets with its client. Times are monotonic seconds that the caller passes in.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Final, TypeVar

from saferoute.errors import (
    AddressRefused,
    OutputInvalid,
    Overloaded,
    ProtocolError,
    QuotaExceeded,
    RateLimited,
    ServerError,
    TimedOut,
    TransportError,
)
from saferoute.routing.breaker import CLOSED, begun, failed, given_back, phase, refused_until, succeeded
from saferoute.routing.quota_groups import LONGEST_REST, QuotaGroups, asked_to_wait, group_key, words_of
from saferoute.routing.row_condition import RecentSeconds, RowCondition
from saferoute.values.balancing import Rejected, TargetHealth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from saferoute.errors import SaferouteError
    from saferoute.values.balancing import Condition
    from saferoute.values.target import Target

__all__ = ["MAX_NAMES", "MAX_ROWS", "Health", "counts_against"]

MAX_ROWS: Final = 4096
"""Rows that are remembered: twice what a table can have, as a reload may bring others."""

MAX_NAMES: Final = 1024
"""Names whose turns and durations are remembered; those that were not called for longest go first."""

_V = TypeVar("_V")


_PATIENCE: Final = 10.0
_TIMES_USUAL: Final = 3.0
"""A call's own deadline counts against a row that was asked for at least so many seconds, and so many times its average."""

_NOT_OFFERED: Final = frozenset({501, 505})
"""Statuses of a server that does not do what was asked, and will not later: nothing is wrong with it."""


def counts_against(error: SaferouteError) -> bool:
    """Whether a failure is the row's own, so that its breaker counts it.

    A request that was refused for what it is, a key that is not accepted, and a deadline that the caller chose say nothing of the row.
    """
    match error:
        case ServerError() | Overloaded():
            return error.status not in _NOT_OFFERED
        case TimedOut():
            return error.clock != "total"
        case TransportError():
            return not isinstance(error, AddressRefused)
        case _:  # what does not fit the `output` that was asked for is an answer all the same
            return isinstance(error, ProtocolError) and not isinstance(error, OutputInvalid)


class Health:
    """What one client knows of its rows. Every method may be called from any thread.

    Every `now` is monotonic seconds; every `seconds` is the time since `begin`, by which what left before an outage is told from what
    left after it. What has begun is reported once: by `succeeded`, `failed` or `given_up`.
    """

    __slots__ = ("_groups", "_late", "_lock", "_random", "_recent", "_rows", "_turns")

    def __init__(self, random: Callable[[], float]) -> None:
        """Know nothing yet; `random` makes numbers in [0, 1), from any thread."""
        self._random = random
        self._lock = threading.Lock()
        self._late: deque[tuple[Target, float, float | None, bool]] = deque()
        self._rows: dict[tuple[str, str], RowCondition] = {}
        self._groups = QuotaGroups()
        self._turns: dict[str, int] = {}
        self._recent: dict[str, RecentSeconds] = {}

    def condition(self, target: Target) -> Condition:
        """The row's live numbers."""
        row = self._rows.get((target.id, target.model))
        if row is not None and row.limits is target.limits:
            return row
        with self._lock:
            return self._row(target)

    def refusal(self, target: Target, now: float) -> Rejected | None:
        """Why a row is not asked as usual now; None if it is. For a row that is well this takes no lock and less than a microsecond."""
        row = self._rows.get((target.id, target.model))
        if now >= self._groups.until and (row is None or row.plain):
            return None
        return self._refusal(row, target, now)

    def begin(self, target: Target, now: float, *, last_resort: bool = False) -> Rejected | None:
        """A request leaves; if the row's breaker is half open, it is the probe.

        Args:
            target: the row.
            now: monotonic seconds.
            last_resort: its call has nowhere else to go, so it leaves whatever was guessed of the row. It never is the probe: as many may
                leave as there are calls, and the probe is the one that the others wait for. `failed` and `given_up` are told the same.

        Returns:
            None: the request is counted, and is reported when it ends. A refusal: since `refusal` was asked, another request has taken
            the probe, or was refused; this one must not be sent, nothing was counted, and nothing is reported.
        """
        with self._lock:
            if self._late:
                self._catch_up()
            row = self._row(target)
            if now < self._groups.until or not row.plain:
                rejected = self._refusal(row, target, now)
                if rejected is not None and not (last_resort and rejected.guessed):
                    return rejected
                if not last_resort:
                    row.breaker = begun(row.breaker, now)
            row.in_flight += 1
            row.used(now, 1, 0)
            return None

    def first_token(self, target: Target, now: float, seconds: float) -> None:
        """A stream's first token came."""
        with self._lock:
            self._row(target).began_to_answer(now, seconds)

    def succeeded(self, target: Target, now: float, seconds: float, tokens: int | None) -> None:
        """A request was answered whole.

        Args:
            target: the row.
            now: monotonic seconds.
            seconds: since it began.
            tokens: input and output together, as reported; None where they were not.
        """
        with self._lock:
            row = self._row(target)
            if row.adaptive is not None:
                row.adaptive.answered(now, seconds, row.in_flight)
            row.ended()
            row.took(now, seconds)
            if tokens:
                row.used(now, 0, tokens)
            if self._groups:
                self._groups.succeeded(row.group(target), now, now - seconds)
            if row.breaker is not CLOSED:
                row.breaker = succeeded(row.breaker, now - seconds)
            if not row.plain:
                if now >= row.until:
                    row.until = -inf
                row.settle()

    def failed(self, target: Target, now: float, seconds: float, error: SaferouteError, *, last_resort: bool = False) -> None:
        """A request failed, or its answer could not be used.

        Args:
            target: the row.
            now: monotonic seconds.
            seconds: since it began.
            error: what it failed with. Server errors, timeouts and failures of the way count for the breaker; a rate limit or a quota
                rests the row's quota group; everything else is about the request or the key, and changes nothing.
            last_resort: as it was said to `begin`. A breaker that is not closed then stays as it is.
        """
        began = now - seconds
        counted = counts_against(error)
        with self._lock:
            if self._late:
                self._catch_up()
            row = self._row(target)
            if isinstance(error, TimedOut) and error.clock == "total" and row.latency is not None:
                # The caller's own deadline tells nothing, unless the row has been silent for far longer than it takes.
                counted = seconds > max(_PATIENCE, _TIMES_USUAL * row.latency)
            row.ended()
            row.failures += counted
            if last_resort and row.breaker.state != "closed":
                pass  # it was known to be down, and what is known of the probe is the probe's
            elif counted:
                row.breaker = failed(row.breaker, now, began, self._random)
            else:
                row.breaker = given_back(row.breaker, began)
            if isinstance(error, TimedOut) and counted and error.clock != "total":
                row.took_at_least(now, seconds, silent=error.clock != "idle")
            elif isinstance(error, RateLimited):
                self._groups.refused(row.group(target), now, began, asked_to_wait(error.retry_after), self._random)
            elif isinstance(error, QuotaExceeded):
                self._groups.used_up(row.group(target), now, asked_to_wait(error.retry_after))
            elif isinstance(error, Overloaded):
                wait = asked_to_wait(error.retry_after)
                if wait:
                    row.until = max(row.until, now + wait)
            if row.adaptive is not None and isinstance(error, RateLimited | Overloaded):
                row.adaptive.refused(now, seconds)
            row.settle()

    def given_up(self, target: Target, now: float, seconds: float | None = None, *, last_resort: bool = False) -> None:
        """A request was abandoned by its consumer, or lost a race: it tells nothing, and a probe is given back.

        Args:
            target: the row.
            now: monotonic seconds.
            seconds: since it began. None for not known: it is then held to be the probe only where nothing else is under way.
            last_resort: as it was said to `begin`: it was no probe.
        """
        # A stream that is dropped may be closed by the garbage collector, in the middle of any other method here, with its lock held.
        self._late.append((target, now, seconds, last_resort))
        if self._lock.acquire(blocking=False):
            try:
                self._catch_up()
            finally:
                self._lock.release()

    def _catch_up(self) -> None:
        """Take in what was given up while the lock was held elsewhere; under the lock."""
        while self._late:
            target, now, seconds, last_resort = self._late.popleft()
            row = self._row(target)
            alone = row.in_flight <= 1
            row.ended()
            if not last_resort and (seconds is not None or alone):
                row.breaker = given_back(row.breaker, now if seconds is None else now - seconds)

    def turn(self, name: str) -> int:
        """How many calls of that name there were so far; counts up."""
        with self._lock:
            turn = self._turns.get(name, 0)
            _remember(self._turns, name, turn + 1)
            return turn

    def took(self, alias: str, seconds: float) -> None:
        """A call of that name took so long."""
        with self._lock:
            recent = self._recent.get(alias) or RecentSeconds()
            recent.add(seconds)
            _remember(self._recent, alias, recent)

    def p95(self, alias: str) -> float | None:
        """The 95th percentile of the last 128 calls of that name, in seconds; None until there were 20."""
        with self._lock:
            recent = self._recent.get(alias)
            return None if recent is None else recent.percentile()

    def shown(self, targets: Iterable[Target], now: float) -> tuple[TargetHealth, ...]:
        """Copy how rows are doing, in their order."""
        with self._lock:
            self._catch_up()
            return tuple(self._shown(name, one, now) for target in targets for name, one in self._models_of(target))

    def _models_of(self, target: Target) -> tuple[tuple[str, Target], ...]:
        """A row, or the models of a row that takes any, as far as they were asked for; each with its name."""
        asked = [model for name, model in self._rows if name == target.id and model != "*"] if target.model == "*" else []
        return tuple((f"{target.id}/{model}", replace(target, model=model)) for model in asked) or ((target.id, target),)

    def _shown(self, name: str, target: Target, now: float) -> TargetHealth:
        row = self._rows.get((target.id, target.model)) or RowCondition(target)
        rejected = self._refusal(row, target, now)
        limit = target.limits.concurrent if target.limits is not None else None
        return TargetHealth(
            target=name,
            breaker=phase(row.breaker, now),
            available_in=rejected.retry_at - now if rejected is not None and rejected.retry_at is not None else 0.0,
            reason=rejected.reason if rejected is not None else "",
            in_flight=row.in_flight,
            requests=row.requests,
            failures=row.failures,
            latency=row.latency,
            first_token=row.first_token,
            concurrency=limit if row.adaptive is None else int(row.adaptive.bound),
            quota_group=words_of(row.group(target)),
            last_resort=rejected is not None and rejected.guessed,
        )

    def _row(self, target: Target) -> RowCondition:
        """The row of a target, made on first use; under the lock."""
        row = self._rows.get((target.id, target.model))
        if row is None:
            if len(self._rows) >= MAX_ROWS:
                # Models of rows that take any can make so many; those with nothing under way and the oldest go first.
                idle = (name for name, one in self._rows.items() if not one.in_flight)
                del self._rows[next(idle, next(iter(self._rows)))]
            row = self._rows[target.id, target.model] = RowCondition(target)
        elif row.limits is not target.limits:
            row.adopt(target.limits)
        return row

    def _refusal(self, row: RowCondition | None, target: Target, now: float) -> Rejected | None:
        """Of everything that keeps a row from being asked, what does so for longest. It reads only."""
        until, reason, guessed = -inf, "", True
        if row is not None and not row.plain:
            breaker, rest = row.breaker, row.until  # each read once: another thread may write in between
            opened = refused_until(breaker, now)
            if opened is not None:
                until, reason = opened, _of_breaker(breaker.state, opened - now)
            if 0.0 < rest - now <= LONGEST_REST:
                guessed = False
                if rest > until:
                    until, reason = rest, f"overloaded; the provider asked for {rest - now:.1f} s of rest"
        if now < self._groups.until:
            resting = self._groups.resting(group_key(target) if row is None else row.group(target), now)
            if resting is not None:
                guessed = guessed and now >= resting.asked
                if resting.until > until:
                    what = "quota used up in its quota group; it rests" if resting.quota else "rate limit of its quota group"
                    until, reason = resting.until, f"{what} until {resting.until - now:.1f} s from now"
        full = ""
        if row is not None and (adaptive := row.adaptive) is not None:
            bound = int(adaptive.bound)
            full = f"its adaptive bound of {bound} requests under way is reached" if row.in_flight >= bound else ""
        if reason:
            return Rejected(target.id, reason, until, guessed and not full)
        return Rejected(target.id, full) if full else None


def _of_breaker(state: str, left: float) -> str:
    if state == "half_open":
        return "breaker half open: another request is finding out whether it answers again"
    return f"breaker open for {left:.1f} s"


def _remember(kept: dict[str, _V], name: str, value: _V) -> None:
    """Keep the names that were used last: a row that takes any model has no end of names."""
    kept.pop(name, None)
    if len(kept) >= MAX_NAMES:
        del kept[next(iter(kept))]
    kept[name] = value
