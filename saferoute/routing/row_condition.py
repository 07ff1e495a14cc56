"""What a client has seen of one row: the live numbers that strategies read and `Health` writes."""

from __future__ import annotations

from array import array
from math import ceil, exp, inf
from typing import TYPE_CHECKING, Final

from saferoute.routing.adaptive import AdaptiveBound
from saferoute.routing.breaker import CLOSED
from saferoute.routing.quota_groups import group_key

if TYPE_CHECKING:
    from saferoute.routing.breaker import Breaker
    from saferoute.routing.quota_groups import GroupKey
    from saferoute.values.balancing import Limits
    from saferoute.values.target import Target

__all__ = ["MinuteUse", "RecentSeconds", "RowCondition", "peak_average"]

_TIME_CONSTANT: Final = 10.0
_SLOT: Final = 10.0
_SLOTS: Final = 6
_SAMPLES: Final = 128
_FEWEST_SAMPLES: Final = 20


def peak_average(average: float | None, sample: float, elapsed: float) -> float:
    """Average so that a worse sample counts at once, and better ones with a time constant of 10 s.

    Args:
        average: what it was; None for the first sample.
        sample: seconds.
        elapsed: seconds since the last sample.
    """
    if average is None or sample >= average:
        return sample
    return sample + (average - sample) * exp(-max(elapsed, 0.0) / _TIME_CONSTANT)


class MinuteUse:
    """Requests and tokens of the last minute, in six slots of ten seconds."""

    __slots__ = ("_in_all", "_requests", "_tick", "_tokens")

    def __init__(self) -> None:
        self._tick = 0
        self._in_all = (0, 0)  # the sum over the slots, as they stand
        self._requests = [0] * _SLOTS
        self._tokens = [0] * _SLOTS

    def add(self, now: float, requests: int, tokens: int) -> None:
        """Count into the slot of `now`."""
        tick = int(now // _SLOT)
        ahead = tick - self._tick
        if ahead >= _SLOTS or ahead <= -_SLOTS:  # a clock that was set back far begins a new minute
            self._requests = [0] * _SLOTS
            self._tokens = [0] * _SLOTS
            self._in_all = (0, 0)
            self._tick = tick
        elif ahead > 0:
            self._in_all = self.used(now)
            for passed in range(self._tick + 1, tick + 1):
                self._requests[passed % _SLOTS] = self._tokens[passed % _SLOTS] = 0
            self._tick = tick
        slot = tick % _SLOTS
        self._requests[slot] += requests
        self._tokens[slot] += tokens
        self._in_all = (self._in_all[0] + requests, self._in_all[1] + tokens)

    def used(self, now: float) -> tuple[int, int]:
        """Requests and tokens in the last 50 to 60 seconds."""
        ahead = int(now // _SLOT) - self._tick
        if ahead <= 0:
            return self._in_all
        if ahead >= _SLOTS:
            return 0, 0
        requests, tokens = self._in_all
        for passed in range(self._tick + 1, self._tick + ahead + 1):  # what has grown too old since something was counted
            requests -= self._requests[passed % _SLOTS]
            tokens -= self._tokens[passed % _SLOTS]
        return requests, tokens


class RecentSeconds:
    """The last 128 durations, and their 95th percentile."""

    __slots__ = ("_next", "_percentile", "_samples")

    def __init__(self) -> None:
        self._samples = array("d")
        self._next = 0
        self._percentile: float | None = None

    def add(self, seconds: float) -> None:
        """Take one more, in the place of the oldest."""
        if len(self._samples) < _SAMPLES:
            self._samples.append(seconds)
        else:
            self._samples[self._next] = seconds
            self._next = (self._next + 1) % _SAMPLES
        self._percentile = None

    def percentile(self) -> float | None:
        """The smallest of them that at least 95 % do not exceed; None until there are 20."""
        count = len(self._samples)
        if self._percentile is None and count >= _FEWEST_SAMPLES:
            self._percentile = sorted(self._samples)[ceil(count * 0.95) - 1]
        return self._percentile


class RowCondition:
    """One row's numbers, a `saferoute.values.balancing.Condition`. `Health` holds its lock around changes; reading needs none.

    Attributes:
        in_flight: requests under way.
        latency: peak-sensitive moving average of an answer's seconds.
        first_token: likewise of the seconds to a stream's first token.
        updated: monotonic time of the last measurement.
        requests: how many ended.
        failures: how many of them count against the row.
        breaker: where its breaker stands.
        until: monotonic time until which the row itself asked not to be asked.
        plain: nothing has to be looked at before the row is asked, but its quota group.
        limits: the signed limits; None for none.
        adaptive: the bound that is in force instead of `limits.concurrent`; None where that is not adaptive.
    """

    __slots__ = (
        "_answered", "_first", "_keyed", "_minute", "adaptive", "breaker", "failures", "first_token", "in_flight", "latency", "limits",
        "plain", "requests", "until", "updated",
    )  # fmt: skip

    def __init__(self, target: Target) -> None:
        self.in_flight = 0
        self.latency: float | None = None
        self.first_token: float | None = None
        self.updated = -inf
        self.requests = 0
        self.failures = 0
        self.breaker: Breaker = CLOSED
        self.until = -inf
        self._answered = -inf
        self._first = -inf
        self._keyed = (target, group_key(target))
        self.limits: Limits | None = None
        self.adaptive: AdaptiveBound | None = None
        self._minute: MinuteUse | None = None
        self.plain = True
        if target.limits is not None:
            self.adopt(target.limits)

    def adopt(self, limits: Limits | None) -> None:
        """Go by other limits: a new table may have changed them. What was used and seen stays."""
        if limits != self.limits:
            self.adaptive = AdaptiveBound(limits) if limits is not None and limits.adaptive else None
            counts = limits is not None and (limits.requests_per_minute or limits.tokens_per_minute)
            self._minute = (self._minute or MinuteUse()) if counts else None
        self.limits = limits
        self.settle()

    def settle(self) -> None:
        """Find out whether it is `plain` after a change."""
        self.plain = self.breaker.state == "closed" and self.until == -inf and self.adaptive is None

    def group(self, target: Target) -> GroupKey:
        """The quota group of a target of this row; of one row that takes any model, targets may have different ones."""
        keyed = self._keyed
        if keyed[0] is not target:
            self._keyed = keyed = (target, group_key(target))  # one write of one reference: no lock is needed
        return keyed[1]

    def headroom(self, now: float) -> float:
        """The share of its signed limits, 0 to 1, that this client has not used in the last minute; 1.0 without limits."""
        minute, limits = self._minute, self.limits
        if minute is None or limits is None:
            return 1.0
        requests, tokens = minute.used(now)
        by_requests = requests / limits.requests_per_minute if limits.requests_per_minute else 0.0
        by_tokens = tokens / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
        return max(0.0, 1.0 - max(by_requests, by_tokens))

    def used(self, now: float, requests: int, tokens: int) -> None:
        """Count what limits per minute are about, where there are any."""
        if self._minute is not None:
            self._minute.add(now, requests, tokens)

    def ended(self) -> None:
        """A request is not under way any more; one that was never said to begin takes nothing from the others."""
        if self.in_flight > 0:
            self.in_flight -= 1
        self.requests += 1

    def took(self, now: float, seconds: float) -> None:
        """An answer took so long."""
        self.latency = peak_average(self.latency, seconds, now - self._answered)
        self._answered = self.updated = now

    def began_to_answer(self, now: float, seconds: float) -> None:
        """A stream's first token took so long."""
        self.first_token = peak_average(self.first_token, seconds, now - self._first)
        self._first = self.updated = now

    def took_at_least(self, now: float, seconds: float, *, silent: bool) -> None:
        """A clock ran out: no measure of how fast the row is, but of how slow.

        Args:
            now: monotonic seconds.
            seconds: how long was waited.
            silent: nothing of the answer had come.
        """
        if self.latency is None or seconds > self.latency:
            self.took(now, seconds)
        if silent and (self.first_token is None or seconds > self.first_token):
            self.began_to_answer(now, seconds)
