"""Strategies that decide from what this client has seen of the rows: what is under way there, how long it took, what is used up."""

from __future__ import annotations

from math import exp2, inf
from typing import TYPE_CHECKING, Final

from saferoute.routing.strategies_signed import weighted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.routing.strategies_signed import Situation
    from saferoute.values.balancing import Condition
    from saferoute.values.target import Target

__all__ = ["HALF_LIFE", "least_busy", "lowest_latency", "most_headroom", "two_choices"]

HALF_LIFE: Final = 60.0
"""Seconds in which a measured average comes to count half, while nothing new is heard of an idle row."""

# Longer than any answer takes, in seconds: where a row stands that is being asked for the first time, and has not answered yet.
_NOT_YET: Final = 1e9


def least_busy(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The row with the fewest requests under way first, for its weight. For servers of one's own, and answers of very unequal length.

    Chance decides between rows that are equally busy, by the weights, so that calls after a start do not all go to one; a row of weight 0
    comes last. Needs to know how many requests of this client are under way.
    """
    weights, condition = at.policy.weights, at.condition
    if not weights:
        return tuple(sorted(_shuffled(targets, at), key=lambda target: condition(target).in_flight))

    def load(target: Target) -> float:
        weight = weights.get(target.id, 1)
        return condition(target).in_flight / weight if weight > 0 else inf

    return tuple(sorted(weighted(targets, at), key=load))


def lowest_latency(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The row that should answer soonest first. For the same model in several places, where speed is what matters.

    How long a row takes is its moving average times the requests that it would then have under way; for streams, the average until the
    first token. What is not known is found out: rows that were never measured come first, by chance, until a first request is under way
    there; then they come last until it has ended, so that one that hangs holds up one call, and not all. And old news fades: the average of
    an idle row halves with every `HALF_LIFE` seconds, so that a row that was slow once is asked again. Needs to know what was measured.
    """
    condition, random = at.condition, at.random

    def wait(target: Target) -> float:
        one = condition(target)
        busy = one.in_flight
        seconds = _seconds(one, busy, at)
        if seconds is not None:
            return seconds * (busy + 1)
        return _NOT_YET * busy + random() if busy else random() - 1.0

    return tuple(sorted(targets, key=wait))


def most_headroom(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The row with the largest unused share of its limits per minute first. For several accounts or regions with quotas of their own.

    Chance decides between rows with the same share; a row without limits has all of it. Needs to know the limits that the table signs,
    and what this client used of them in the last minute.
    """
    condition, now = at.condition, at.now
    return tuple(sorted(_shuffled(targets, at), key=lambda target: -condition(target).headroom(now)))


def two_choices(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """Two rows by chance, and the less loaded one of them first. For many rows, many clients, or measurements that are often out of date.

    Clients that all go to the one best row overload it; of two random ones the worse is avoided all the same. Less loaded is fewer
    requests under way, then the lower average. The rest follows by chance. Needs to know what is under way, and what was measured.
    """
    rows = _shuffled(targets, at)
    if len(rows) > 1 and _load(rows[1], at) < _load(rows[0], at):
        rows[0], rows[1] = rows[1], rows[0]
    return tuple(rows)


def _seconds(one: Condition, busy: int, at: Situation) -> float | None:
    """How long a row takes, as far as that is known; the older the news of an idle row, the less it counts.

    While a row is being asked, its average stays as it is: otherwise everybody would follow the one call that finds out whether a slow row
    has recovered, before that one has an answer.
    """
    average = one.first_token if at.facts.stream else one.latency
    if average is None or busy:
        return average
    return average * exp2(-max(at.now - one.updated, 0.0) / HALF_LIFE)


def _load(target: Target, at: Situation) -> tuple[int, float]:
    one = at.condition(target)
    busy = one.in_flight
    return busy, _seconds(one, busy, at) or 0.0


def _shuffled(targets: Sequence[Target], at: Situation) -> list[Target]:
    random = at.random
    return sorted(targets, key=lambda _: random())
