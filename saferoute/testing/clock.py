"""A clock that stands still until it is told to move, for code that takes time as a parameter."""

from __future__ import annotations

import threading

from typing_extensions import override

__all__ = ["ManualClock"]


class ManualClock:
    """Monotonic and wall time that move together, and only on demand.

    Pass `clock.monotonic` or `clock.wall` wherever a function that returns seconds is wanted, and `clock.sleep` for one that waits:
    a test of a two-minute back-off then takes no time.
    """

    __slots__ = ("_lock", "_monotonic", "_slept", "_wall")

    def __init__(self, *, monotonic: float = 1_000.0, wall: float = 1_767_225_600.0) -> None:
        """Set both times.

        Args:
            monotonic: seconds on the monotonic clock.
            wall: seconds since the epoch; the default is 2026-01-01T00:00:00Z.
        """
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._wall = wall
        self._slept: list[float] = []

    def monotonic(self) -> float:
        """Seconds on the monotonic clock."""
        return self._monotonic

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._wall

    @property
    def slept(self) -> tuple[float, ...]:
        """Every wait that was asked of `sleep` and `sleep_async`, in seconds, in order."""
        return tuple(self._slept)

    def advance(self, seconds: float) -> float:
        """Move both times forward.

        Returns:
            The monotonic time afterwards.

        Raises:
            ValueError: for a negative step; to test a wall clock that was set back, use `set_wall`.
        """
        if seconds < 0:
            msg = f"a monotonic clock does not run backwards ({seconds:g} s); to set the wall clock back use set_wall()"
            raise ValueError(msg)
        with self._lock:
            self._monotonic += seconds
            self._wall += seconds
            return self._monotonic

    def set_wall(self, seconds: float) -> None:
        """Set the wall time alone, also backwards, as an administrator or an attacker can."""
        with self._lock:
            self._wall = seconds

    def sleep(self, seconds: float) -> None:
        """Wait without waiting: note the wish and move the time forward."""
        self._slept.append(seconds)
        self.advance(max(0.0, seconds))

    async def sleep_async(self, seconds: float) -> None:
        """As `sleep`, awaited."""
        self.sleep(seconds)

    @override
    def __repr__(self) -> str:
        return f"ManualClock(monotonic={self._monotonic:g}, wall={self._wall:g})"
