"""A limit in any 60 seconds, as arithmetic that every store of limits shares. Pure.

Time falls into slots of one second, and a slot keeps one number: what was taken in it. A slot counts in full until all of it is more than
60 seconds ago, so that no 60 seconds, wherever they begin, hold more than the limit. The price is up to a second: what was taken at the
start of a slot is given out again 61 seconds later, and not 60. At most 61 slots count at a time.

What is under way has no window: each lease counts until it is given back, or until its time is up.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, cast

from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.limits import Draw

__all__ = ["GUESS", "LIFE", "MOST", "PERIOD", "Window", "asked_of", "check_draws", "check_used", "counted_from", "seconds_until"]

PERIOD: Final = 60
"""Seconds of the window."""

LIFE: Final = PERIOD + 1
"""Seconds from the start of a slot until it counts no more; also the most slots that count at a time."""

GUESS: Final = 0.25
"""Seconds after which it is worth asking again for something under way: nobody knows when it ends."""

MOST: Final = 10**12
"""The largest limit and amount: a sum of thousands of them is still a number that every store counts exactly."""

_LONGEST_HOLD: Final = 10.0**9
_MOST_DRAWS: Final = 64
_KEY: Final = re.compile(r"[ -~]{1,300}")


def counted_from(now: float) -> int:
    """The oldest slot that counts at a moment."""
    return math.floor(now) - PERIOD


def seconds_until(slots: Sequence[tuple[int, int]], amount: int, limit: int, now: float) -> float:
    """How long until an amount has room; 0.0 if it has room now.

    Args:
        slots: the slots that count, each with what was taken in it, oldest first.
        amount: what is asked for; more than the limit has room when nothing else is taken.
        limit: the limit.
        now: seconds, on the clock of the slots.
    """
    excess = sum(taken for _, taken in slots) + min(amount, limit) - limit
    place = -1
    while excess > 0:
        place += 1
        excess -= slots[place][1]
    return 0.0 if place < 0 else slots[place][0] + LIFE - now


class Window:
    """What was taken of one limit, by slots. Time only goes forward here; not safe for threads by itself.

    Attributes:
        slots: what was taken in each, oldest first.
        total: what was taken in all of them.
        oldest: the first slot of them; infinity for none.
    """

    __slots__ = ("oldest", "slots", "total")

    def __init__(self) -> None:
        self.slots: dict[int, int] = {}
        self.total = 0
        self.oldest = math.inf

    def forget(self, before: int) -> None:
        """Drop the slots before one."""
        slots = self.slots
        while self.oldest < before:
            self.total -= slots.pop(cast("int", self.oldest))
            self.oldest = next(iter(slots), math.inf)

    def take(self, slot: int, amount: int) -> None:
        """Count an amount in a slot: the newest one."""
        slots = self.slots
        slots[slot] = slots.get(slot, 0) + amount
        self.total += amount
        self.oldest = min(self.oldest, slot)

    def exchange(self, slot: int, amount: int, used: int, newest: int) -> None:
        """Count what was used in place of what was taken for it.

        Args:
            slot: where it was taken.
            amount: what was taken; less comes off that slot, if it still counts.
            used: what was used; what exceeds the amount counts from now, when it became known.
            newest: the slot of now.
        """
        if used > amount:
            self.take(newest, used - amount)
        elif slot in self.slots:
            self.slots[slot] -= amount - used
            self.total -= amount - used


def asked_of(draws: Sequence[Draw]) -> Sequence[int]:
    """For each draw what is asked of its limit in all: two draws on one limit have to have room together."""
    sums: dict[tuple[str, str], int] = {}
    for draw in draws:
        name = draw.quota.kind, draw.quota.key
        sums[name] = sums.get(name, 0) + draw.amount
    return [sums[draw.quota.kind, draw.quota.key] for draw in draws]


def check_draws(draws: Sequence[Draw], hold: float) -> None:
    """Refuse what no store can count.

    Raises:
        ConfigurationError: too many draws, a malformed key, a number out of its range, or more than one request under way.
    """
    if len(draws) > _MOST_DRAWS:
        raise ConfigurationError(f"a request draws on at most {_MOST_DRAWS} limits; this one has {len(draws)}")
    if not 0 < hold <= _LONGEST_HOLD:
        raise ConfigurationError(f"what is under way is held for more than 0 and at most {_LONGEST_HOLD:g} seconds, not {hold!r}")
    for draw in draws:
        quota, amount = draw.quota, draw.amount
        if type(amount) is not int or not 0 <= amount <= MOST:
            raise ConfigurationError(f"what is taken of a limit is a whole number from 0 to {MOST}, not {amount!r}")
        if quota.kind == "concurrent" and amount != 1:
            raise ConfigurationError(f"one request is one that is under way, not {amount}")
        if type(quota.limit) is not int or not 1 <= quota.limit <= MOST:
            raise ConfigurationError(f"a limit is a whole number from 1 to {MOST}, not {quota.limit!r}")
        if type(quota.key) is not str or _KEY.fullmatch(quota.key) is None:
            raise ConfigurationError("the key of a limit is 1 to 300 printable ASCII characters")


def check_used(used: Sequence[int | None], count: int) -> None:
    """Refuse what does not answer to the draws.

    Raises:
        ConfigurationError: not one number from 0 to `MOST`, or None, for each draw.
    """
    fits = len(used) == count
    for one in used:
        fits = fits and (one is None or (type(one) is int and 0 <= one <= MOST))
    if not fits:
        raise ConfigurationError(f"a lease is released with as many whole numbers from 0 to {MOST} (or None) as it has draws, here {count}")
