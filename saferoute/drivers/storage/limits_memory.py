"""Limits in this process's memory: for one process with any number of threads, and gone with it."""

from __future__ import annotations

import math
import os
import threading
import time
from itertools import count
from typing import TYPE_CHECKING, Final

from saferoute.errors import ConfigurationError
from saferoute.routing.windows import GUESS, LIFE, PERIOD, Window, asked_of, check_draws, check_used, seconds_until
from saferoute.values.limits import Busy, Lease

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.values.limits import Draw, LimitKind, Quota
    from saferoute.values.permission import Scope

__all__ = ["MemoryLimits"]

_MOST: Final = 100_000


class MemoryLimits:
    """A LimitStore of the scope "process". A process that is forked off it refuses to count."""

    __slots__ = ("_clock", "_leases", "_lock", "_most", "_newest", "_next_sweep", "_numbers", "_pid", "_soonest", "_windows")

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = _MOST) -> None:
        """Begin with nothing taken.

        Args:
            clock: seconds on a clock that is never set.
            most: how many limits are counted at a time; more are refused.
        """
        self._clock = clock
        self._most = most
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._newest = -math.inf
        self._next_sweep = -math.inf
        self._windows: dict[tuple[LimitKind, str], Window] = {}  # of what is under way only the total is used: it has no slots
        self._leases: dict[str, tuple[float, int, tuple[Draw, ...]]] = {}  # when it ends by itself, the slot, and what was taken
        self._soonest = math.inf  # no lease ends by itself before

    @property
    def scope(self) -> Scope:
        """This process."""
        return "process"

    @property
    def waits(self) -> bool:
        """Nothing here waits."""
        return False

    def acquire(self, draws: Sequence[Draw], hold: float) -> Lease | Busy:
        """As LimitStore.acquire.

        Raises:
            ConfigurationError: a malformed draw, too many limits, or a process that was forked off.
        """
        check_draws(draws, hold)
        if os.getpid() != self._pid:
            # Before the lock is taken: a thread that does not exist here may have held it when the process was forked.
            raise ConfigurationError(
                "this process was forked off the one that counts these limits in its memory, so it cannot know what is left of them: make "
                "the client after the fork, in each worker, or pass Client(accounts=saferoute.Accounts.sqlite(path))"
            )
        with self._lock:
            now = self._advance()
            if len(self._windows) + len(draws) > self._most:
                self._sweep(now)
            slot = math.floor(now)
            found: list[Window] = []
            full = False
            for draw in draws:
                quota, amount = draw.quota, draw.amount
                window = self._windows.get((quota.kind, quota.key)) or self._new(quota)
                window.forget(slot - PERIOD)
                limit = quota.limit
                full = full or window.total + min(amount, limit) > limit
                found.append(window)
            if full or len(set(found)) < len(found):
                busy = self._busy(draws, now)
                if busy is not None:
                    return busy
            for draw, window in zip(draws, found, strict=True):
                if draw.quota.kind == "concurrent":
                    window.total += 1
                else:
                    window.take(slot, draw.amount)
            lease = Lease(f"memory-{next(self._numbers)}")
            self._leases[lease.id] = now + hold, slot, tuple(draws)
            self._soonest = min(now + hold, self._soonest)
            return lease

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        """As LimitStore.release; in a process that was forked off, every lease is unknown.

        Raises:
            ConfigurationError: not one number or None for each draw; nothing is changed.
        """
        if os.getpid() != self._pid:
            return
        with self._lock:
            now = self._advance()
            if lease.id not in self._leases:
                return
            _, slot, draws = self._leases[lease.id]
            check_used(used, len(draws))
            del self._leases[lease.id]
            for draw, really in zip(draws, used, strict=True):
                if draw.quota.kind == "concurrent":
                    self._windows["concurrent", draw.quota.key].total -= 1
                elif really is not None and really != draw.amount:
                    window = self._windows.setdefault((draw.quota.kind, draw.quota.key), Window())
                    window.exchange(slot, draw.amount, really, math.floor(now))

    def close(self) -> None:
        """Nothing is open."""

    def _advance(self) -> float:
        """What time it is, never earlier than before; forgets the leases that are over by now."""
        self._newest = now = max(self._clock(), self._newest)
        if now >= self._soonest:
            self._end_leases(now)
        if now >= self._next_sweep:
            self._sweep(now)
        return now

    def _end_leases(self, now: float) -> None:
        """End the leases whose time is up. As nearly all are released long before it, this is seldom looked for."""
        for name, (until, _, draws) in list(self._leases.items()):
            if until <= now:
                del self._leases[name]
                for draw in draws:
                    if draw.quota.kind == "concurrent":
                        self._windows["concurrent", draw.quota.key].total -= 1
        self._soonest = min((until for until, _, _ in self._leases.values()), default=math.inf)

    def _sweep(self, now: float) -> None:
        """Forget limits that nothing is taken of."""
        self._next_sweep = now + LIFE
        for name, window in list(self._windows.items()):
            window.forget(math.floor(now) - PERIOD)
            if not window.total:
                del self._windows[name]

    def _new(self, quota: Quota) -> Window:
        if len(self._windows) >= self._most:
            raise ConfigurationError(
                f"{self._most} limits are counted in memory, and no more fit: share them, or pass "
                "Client(accounts=saferoute.Accounts.sqlite(path))"
            )
        window = self._windows[quota.kind, quota.key] = Window()
        return window

    def _busy(self, draws: Sequence[Draw], now: float) -> Busy | None:
        """The limit that has no room for the longest time; None if all of them have."""
        busy: Busy | None = None
        for draw, asked in zip(draws, asked_of(draws), strict=True):
            quota = draw.quota
            window = self._windows[quota.kind, quota.key]
            if window.total + min(asked, quota.limit) <= quota.limit:
                continue
            wait = GUESS if quota.kind == "concurrent" else seconds_until(tuple(window.slots.items()), asked, quota.limit, now)
            if busy is None or wait > busy.retry_after:
                busy = Busy(quota, wait)
        return busy
