"""The circuit breaker of one row: a pure state machine over frozen values, so that a reader needs no lock.

    closed     asked as usual; opens after FAILURES_IN_A_ROW failures, or when FAILURES_OF_RECENT of the last RECENT outcomes failed
    open       not asked for OPEN_SECONDS, doubling with every reopening up to LONGEST_OPEN, each time longer or shorter by up to JITTER
    half_open  its time is over: one request, the probe, finds out. Its success closes and forgets; its failure opens again; a probe that
               is given up, or that has told nothing for as long as the breaker had been open, is given back, and the next may go

What left before the breaker opened tells of the time before: a hundred requests that were under way when an outage began neither lengthen
it as they time out, nor end it. Times are monotonic seconds; a clock that goes backwards makes no breaker refuse for longer than it would
have, and none refuse for ever.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.values.balancing import BreakerState

__all__ = ["CLOSED", "LONGEST_REFUSAL", "Breaker", "begun", "failed", "given_back", "phase", "refused_until", "succeeded"]

FAILURES_IN_A_ROW: Final = 5
FAILURES_OF_RECENT: Final = 10
RECENT: Final = 20
OPEN_SECONDS: Final = 5.0
LONGEST_OPEN: Final = 60.0
JITTER: Final = 0.1
LONGEST_REFUSAL: Final = LONGEST_OPEN * (1 + JITTER)
"""No breaker refuses for longer without letting a probe go, in seconds."""

_MASK: Final = (1 << RECENT) - 1
_MOST_DOUBLINGS: Final = 10  # far beyond LONGEST_OPEN, and far below what a float can hold
_LONGEST_CALL: Final = 3600.0  # what seems to have left longer ago than this left under another clock
_SAME: Final = 1.0  # seconds; what else may be under way beside a probe left at least 4.5 s before it


@dataclass(frozen=True, slots=True)
class Breaker:
    """Where a breaker stands.

    Attributes:
        state: "open" also when its time is over and no probe has left yet; `phase` tells that apart.
        in_a_row: failures since the last success.
        outcomes: the last outcomes as bits, the newest lowest; 1 is a failure.
        opened: how often it has opened since it was last closed.
        since: when it last opened; what left until then is not counted.
        until: open: when its time is over. half_open: when the probe is held to be lost.
        rest: how long it was opened for.
        taken: when the probe left.
    """

    state: BreakerState = "closed"
    in_a_row: int = 0
    outcomes: int = 0
    opened: int = 0
    since: float = -inf
    until: float = -inf
    rest: float = 0.0
    taken: float = -inf


CLOSED: Final = Breaker()
"""A breaker that nothing has happened to."""


def refused_until(breaker: Breaker, now: float) -> float | None:
    """When the row may be asked again: open, or a probe is under way. None: it may be asked now."""
    if breaker.state == "closed":
        return None
    # Further away than any rest is a clock that was set back.
    return breaker.until if 0.0 < breaker.until - now <= LONGEST_REFUSAL else None


def phase(breaker: Breaker, now: float) -> BreakerState:
    """What to call the state: an open breaker whose time is over is half open."""
    if breaker.state == "open" and refused_until(breaker, now) is None:
        return "half_open"
    return breaker.state


def begun(breaker: Breaker, now: float) -> Breaker:
    """A request leaves, which `refused_until` does not refuse; unless the breaker is closed, it is the probe."""
    if breaker.state == "closed":
        return breaker
    since = breaker.since if breaker.since < now else -inf  # a probe that left "before" the opening has a clock of its own
    return Breaker("half_open", 0, 0, breaker.opened, since, now + breaker.rest, breaker.rest, now)


def succeeded(breaker: Breaker, began: float) -> Breaker:
    """A request that left at `began` was answered."""
    if _stale(breaker, began):
        return breaker
    if breaker.state != "closed":
        return Breaker(since=breaker.since)
    if not breaker.outcomes:  # then nothing failed in a row either
        return breaker
    return Breaker("closed", 0, (breaker.outcomes << 1) & _MASK, 0, breaker.since)


def failed(breaker: Breaker, now: float, began: float, random: Callable[[], float]) -> Breaker:
    """A request that left at `began` failed at `now`, in a way that counts against the row.

    Args:
        breaker: where it stands.
        now: monotonic seconds.
        began: when the request left.
        random: makes a number in [0, 1); asked only when the breaker opens.
    """
    if breaker.state == "open" or _stale(breaker, began):
        return breaker
    in_a_row = breaker.in_a_row + 1
    outcomes = ((breaker.outcomes << 1) | 1) & _MASK
    if breaker.state == "closed" and in_a_row < FAILURES_IN_A_ROW and outcomes.bit_count() < FAILURES_OF_RECENT:
        return Breaker("closed", in_a_row, outcomes, 0, breaker.since)
    rest = min(OPEN_SECONDS * 2.0 ** min(breaker.opened, _MOST_DOUBLINGS), LONGEST_OPEN) * (1 - JITTER + 2 * JITTER * random())
    return Breaker("open", 0, 0, breaker.opened + 1, now, now + rest, rest)


def given_back(breaker: Breaker, began: float) -> Breaker:
    """A request that left at `began` ended without an outcome that counts; if it was the probe, another may go at once."""
    if breaker.state != "half_open" or began < breaker.taken - _SAME:
        return breaker
    return Breaker("open", 0, 0, breaker.opened, breaker.since, -inf, breaker.rest)


def _stale(breaker: Breaker, began: float) -> bool:
    return breaker.since - _LONGEST_CALL < began <= breaker.since
