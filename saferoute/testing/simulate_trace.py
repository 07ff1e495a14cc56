"""When the calls of a simulation come, and what is different about each; and chance that is the same every time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from saferoute.values.request import DataLabel

__all__ = ["Arrival", "Chance", "Poisson", "arrivals"]

_MASK: Final = (1 << 64) - 1
_TO_FRACTION: Final = 2.0**-53


class Chance:
    """Numbers from 0.0 up to 1.0, and never 1.0: the same ones for the same seed, on every machine and Python. Not for secrets.

    SplitMix64 (Steele, Lea, Flood 2014): a counter with a good mixing function, so that seeds 1 and 2 have nothing in common.
    """

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK

    def __call__(self) -> float:
        """Make the next one."""
        self._state = mixed = (self._state + 0x9E3779B97F4A7C15) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((mixed ^ (mixed >> 31)) >> 11) * _TO_FRACTION


@dataclass(frozen=True, slots=True)
class Arrival:
    """A call of a trace, where there is more to say of it than when it comes.

    Attributes:
        at: seconds since the simulation's beginning.
        tags: the caller's tags, for "sticky" and "by_tag".
        data: its label; rows with a lower ceiling drop out, as they do in production. None asks for nothing.
        input_tokens: None for as many as `simulate` was told.
        output_tokens: likewise.
    """

    at: float
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    data: DataLabel | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Poisson:
    """Calls that come independently of one another: a trace for `simulate`, and the same one for the same seed.

    Attributes:
        rate: calls a second, on average.
        calls: how many in all.
        seed: any whole number.

    Example:
        >>> trace = Poisson(rate=2.0, calls=3)
        >>> [round(at, 3) for at in trace] == [round(at, 3) for at in trace]
        True
    """

    rate: float
    calls: int
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what makes no trace.

        Raises:
            ConfigurationError: a rate that is no positive number, or fewer than no calls.
        """
        if not 0 < self.rate < math.inf or self.calls < 0:
            raise ConfigurationError(f"Poisson takes a rate above 0 and a number of calls, not rate={self.rate!r}, calls={self.calls!r}")

    def __len__(self) -> int:
        return self.calls

    def __iter__(self) -> Iterator[float]:
        chance, rate, at = Chance(self.seed), self.rate, 0.0
        for _ in range(self.calls):
            at -= math.log1p(-chance()) / rate
            yield at


def arrivals(trace: Iterable[float | Arrival]) -> Iterator[Arrival]:
    """Read a trace, one call at a time: a million calls need no list.

    Raises:
        ConfigurationError: for a time that is no time, or is before the one that came before it.
    """
    last = 0.0
    for one in trace:
        arrival = one if isinstance(one, Arrival) else Arrival(float(one))
        if not last <= arrival.at < math.inf:  # also what is no number
            raise ConfigurationError(f"a trace holds seconds from 0.0, in order; {arrival.at!r} came after {last!r}")
        last = arrival.at
        yield arrival
