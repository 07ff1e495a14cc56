"""Providers that exist in a simulation only: how long they take, how much they take, and when they are down."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from saferoute.errors import ConfigurationError, ConnectFailed, ContextWindowExceeded, RateLimited, ServerError
from saferoute.routing.quota_groups import group_key
from saferoute.testing.simulate_trace import Chance
from saferoute.values.http import Head

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.errors import SaferouteError
    from saferoute.routing.quota_groups import GroupKey
    from saferoute.values.target import Target

__all__ = ["ByLoad", "Lognormal", "Outage", "Reaction", "Row", "SyntheticProvider", "rows_for"]

_MINUTE: Final = 60.0
_HEADS: Final = tuple((status, Head(status, {})) for status in (200, 400, 429, 500))


@dataclass(frozen=True, slots=True)
class Lognormal:
    """Answers take about as long as `median`, seldom much longer: what providers of language models look like.

    Attributes:
        median: seconds; half of the answers take longer.
        sigma: how far they spread; 0.5 has its 95th percentile at 2.3 times the median, 1.0 at 5.2 times.
    """

    median: float
    sigma: float = 0.4

    def seconds(self, load: int, chance: Callable[[], float]) -> float:  # noqa: ARG002  as the others
        """How long one answer takes."""
        # Box and Muller's, the one half of it.
        normal = math.sqrt(-2.0 * math.log1p(-chance())) * math.cos(math.tau * chance())
        return self.median * math.exp(self.sigma * normal)


@dataclass(frozen=True, slots=True)
class ByLoad:
    """Answers take the longer the more requests are under way: a server of one's own, a provider in trouble.

    Attributes:
        of: requests under way there, the new one among them -> seconds.
    """

    of: Callable[[int], float]

    def seconds(self, load: int, chance: Callable[[], float]) -> float:  # noqa: ARG002  as the others
        """How long one answer takes."""
        return self.of(load)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which a provider answers nothing useful.

    Attributes:
        begin: seconds since the simulation's beginning.
        end: when it is over; `math.inf` for never.
        kind: "error" answers 500 at once; "silent" answers nothing, so that a clock of the call runs out; "refused" takes no connection.
    """

    begin: float
    end: float
    kind: Literal["error", "silent", "refused"] = "error"


Latency: TypeAlias = float | Lognormal | ByLoad


@dataclass(frozen=True, slots=True)
class SyntheticProvider:
    """How the provider behind a row behaves.

    Attributes:
        latency: seconds of an answer: a number, a `Lognormal`, or `ByLoad`.
        first_token: the share of it until a stream's first token.
        requests_per_minute: beyond that many it answers 429; None for no limit. Rows of one quota group, so with one key for one family
            of models, are counted together, as providers do.
        counts: "window" takes so many in any 60 seconds; "bucket" is a token bucket: one more every 60/n seconds, and up to n at once.
        says_when: what a 429 says about how long to wait: "seconds", whole ones and rounded up, as the header Retry-After has them;
            "exactly"; or "never", which leaves the client to find out.
        error_rate: the share of requests that it answers 500 to.
        outages: when it is down.
        refuses_in: seconds until an error of its own, which costs it less than an answer.

    Example:
        >>> SyntheticProvider(latency=Lognormal(0.8), requests_per_minute=600, outages=(Outage(60, 120),)).error_rate
        0.0
    """

    latency: Latency = Lognormal(1.0)
    first_token: float = 0.25
    requests_per_minute: int | None = None
    counts: Literal["window", "bucket"] = "window"
    says_when: Literal["seconds", "exactly", "never"] = "seconds"
    error_rate: float = 0.0
    outages: Sequence[Outage] = ()
    refuses_in: float = 0.05

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ConfigurationError: for a share outside 0 to 1, a limit below 1, or a time below 0.
        """
        limit = self.requests_per_minute
        if not (0.0 <= self.error_rate <= 1.0 and 0.0 <= self.first_token <= 1.0) or (limit is not None and limit < 1):
            raise ConfigurationError("error_rate and first_token are shares from 0 to 1, and requests_per_minute is at least 1")
        if not self.refuses_in >= 0 or (isinstance(self.latency, int | float) and not self.latency >= 0):
            raise ConfigurationError("latency and refuses_in are seconds, at least 0")


@dataclass(frozen=True, slots=True)
class Reaction:
    """What one request leads to.

    Attributes:
        seconds: until it is known; infinite where nothing ever comes.
        first: seconds until a stream's first token.
        head: the answer's head; None where there is none.
        error: makes what it fails with; None for an answer.
    """

    seconds: float
    first: float
    head: Head | None
    error: Callable[[], SaferouteError] | None = None


class Limiter:
    """How many requests one quota group was given of late; refused ones do not count."""

    __slots__ = ("_given", "_level", "_since")

    def __init__(self) -> None:
        self._given: deque[float] = deque()
        self._level = 0.0  # of the bucket: what was taken and has not come back
        self._since = 0.0

    def window(self, now: float, limit: int) -> float:
        """Count a request in, and return 0.0; or return how long there is no room."""
        given = self._given
        while given and given[0] <= now - _MINUTE:
            given.popleft()
        if len(given) >= limit:
            return given[len(given) - limit] + _MINUTE - now
        given.append(now)
        return 0.0

    def bucket(self, now: float, limit: int) -> float:
        """As `window`."""
        rate = limit / _MINUTE
        self._level = max(0.0, self._level - (now - self._since) * rate)
        self._since = now
        over = self._level + 1.0 - limit
        if over > 0.0:
            return over / rate
        self._level += 1.0
        return 0.0


class Row:
    """The provider behind one row, during one simulation.

    Attributes:
        target: the row.
        requests: how many it was sent.
        answered: how many it answered.
        load: how many are under way.
    """

    __slots__ = ("_chance", "_heads", "_limiter", "_provider", "answered", "load", "requests", "target")

    def __init__(self, target: Target, provider: SyntheticProvider, limiter: Limiter, chance: Chance) -> None:
        self.target = target
        self.requests = 0
        self.answered = 0
        self.load = 0
        self._provider = provider
        self._limiter = limiter
        self._chance = chance
        self._heads = dict(_HEADS)

    def asked(self, now: float, tokens: int) -> Reaction:
        """A request arrives.

        Args:
            now: seconds since the beginning.
            tokens: of input and output together.
        """
        self.requests += 1
        provider, name = self._provider, self.target.provider_name
        for outage in provider.outages:
            if outage.begin <= now < outage.end:
                return self._down(outage)
        soon = provider.refuses_in
        if provider.requests_per_minute is not None:
            count = self._limiter.window if provider.counts == "window" else self._limiter.bucket
            wait = count(now, provider.requests_per_minute)
            if wait > 0.0:
                asked = {"seconds": math.ceil(wait), "exactly": wait, "never": None}[provider.says_when]
                return self._refused(soon, 429, lambda: RateLimited(status=429, provider_name=name, retry_after=asked))
        window = self.target.profile.context_window
        if window is not None and tokens > window:
            return self._refused(soon, 400, lambda: ContextWindowExceeded(status=400, provider_name=name))
        if provider.error_rate and self._chance() < provider.error_rate:
            return self._refused(soon, 500, lambda: ServerError(status=500, provider_name=name))
        latency = provider.latency
        seconds = latency if isinstance(latency, int | float) else latency.seconds(self.load, self._chance)
        return Reaction(seconds, seconds * provider.first_token, self._heads[200])

    def _refused(self, seconds: float, status: int, error: Callable[[], SaferouteError]) -> Reaction:
        return Reaction(seconds, seconds, self._heads[status], error)

    def _down(self, outage: Outage) -> Reaction:
        soon, name = self._provider.refuses_in, self.target.provider_name
        if outage.kind == "error":
            return self._refused(soon, 500, lambda: ServerError(status=500, provider_name=name))
        if outage.kind == "refused":
            return Reaction(soon, soon, None, lambda: ConnectFailed(f"{name} takes no connection"))
        return Reaction(math.inf, math.inf, None)


def rows_for(targets: Sequence[Target], providers: Mapping[str, SyntheticProvider], chance: Chance) -> dict[str, Row]:
    """Set up the provider of every row.

    Args:
        targets: the rows that a call may go to.
        providers: by row id; rows without get a plain one.
        chance: what their own chances are drawn from.

    Raises:
        ConfigurationError: a provider for a row that no call may go to: most likely a name that is written wrongly.
    """
    ids = {target.id for target in targets}
    unknown = sorted(providers.keys() - ids)
    if unknown:
        raise ConfigurationError(f"providers names {', '.join(unknown)}, and calls may go to {', '.join(sorted(ids))}")
    limiters: dict[GroupKey, Limiter] = {}
    rows: dict[str, Row] = {}
    for target in targets:
        limiter = limiters.setdefault(group_key(target), Limiter())
        own = Chance(int(chance() * 2**53))
        rows.setdefault(target.id, Row(target, providers.get(target.id, SyntheticProvider()), limiter, own))
    return rows
