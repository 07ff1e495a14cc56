"""How much longer work takes that is larger: what tests compare with a bound that says "linear", or "no slower than".

Only the processor time of the thread counts, so others that run on the machine do not. They still slow the processor itself down (its cache,
its clock), for seconds at a time: so both works are measured in turn, the least time of each counts, and more rounds follow while the
result is over the bound. Work that is quadratic stays over it, however often it is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable

LINEAR = 9.0  # for four times as much: 4 is in proportion, and 16 is the square
ROUNDS = 3  # at least, of work that is short: one slow phase must not make the small one look as slow as the large one
SHORT = 0.1  # seconds
ENOUGH = 10.0  # seconds after which nothing is measured again


def seconds_of(work: Callable[[], object]) -> float:
    """The processor time of one run."""
    began = time.thread_time()
    work()
    return time.thread_time() - began


def times_as_long(large: Callable[[], object], small: Callable[[], object], bound: float) -> float:
    """How many times as long the first takes; tried again while that is over the bound."""
    quick, slow = [seconds_of(small)], [seconds_of(large)]
    while (len(quick) < ROUNDS and quick[0] < SHORT) or (min(slow) > bound * min(quick) and sum(slow) < ENOUGH):
        quick.append(seconds_of(small))
        slow.append(seconds_of(large))
    return min(slow) / min(quick)


def growth(work: Callable[[str], object], family: str, size: int) -> float:
    """How many times as long four times as much text of a family takes: to be held against LINEAR."""
    small, large = ((family * (most // len(family) + 1))[:most] for most in (size, 4 * size))
    return times_as_long(lambda: work(large), lambda: work(small), LINEAR)
