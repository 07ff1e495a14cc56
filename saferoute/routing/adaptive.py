"""A bound on requests under way that finds its own height: up slowly with answers, down fast with refusals and slowness (AIMD)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from saferoute.values.balancing import Limits

__all__ = ["DEFAULT_CEILING", "AdaptiveBound"]

DEFAULT_CEILING: Final = 64
_DOWN: Final = 0.7
_SLOW: Final = 2.0
_TOWARDS_BETTER: Final = 0.2
_TOWARDS_WORSE: Final = 1.01


class AdaptiveBound:
    """The bound of one row. Its owner holds a lock around changes; reading `bound` needs none.

    Attributes:
        bound: how many requests may be under way now, from 1 to the signed limit.
    """

    __slots__ = ("_best", "_ceiling", "_lowered", "bound")

    def __init__(self, limits: Limits) -> None:
        self._ceiling = float(limits.concurrent or DEFAULT_CEILING)
        self.bound = self._ceiling
        self._best: float | None = None
        self._lowered = -inf

    def answered(self, now: float, seconds: float, under_way: int) -> None:
        """A request was answered.

        Args:
            now: monotonic seconds.
            seconds: how long it took.
            under_way: how many were under way with it, itself among them.
        """
        best = seconds if self._best is None else self._best
        slow = seconds > _SLOW * best
        # The best falls gently, as one short answer is no measure, and rises by a hundredth at most: a crowd must not make slowness normal.
        self._best = best + _TOWARDS_BETTER * (seconds - best) if seconds < best else min(seconds, best * _TOWARDS_WORSE)
        if not slow:
            self.bound = min(self._ceiling, self.bound + 1.0 / self.bound)
        elif 2 * under_way >= self.bound:  # else it is not our crowd that made it slow
            self.refused(now, seconds)

    def refused(self, now: float, seconds: float) -> None:
        """A request was refused for too much traffic, `seconds` after it left."""
        # What left before the bound was lowered says nothing of the lowered bound: at most one step for each round trip.
        if not now - seconds <= self._lowered <= now:
            self.bound = max(1.0, self.bound * _DOWN)
            self._lowered = now
