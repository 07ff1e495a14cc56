"""How an alias spreads its calls over its rows: what is signed about it, what is known about the rows, and what a call asks for."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.values.permission import Cost
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = [
    "PLAIN_POLICY", "BreakerState", "Cause", "Condition", "Facts", "Hedge", "Limits", "Policy", "Rejected", "Shadow", "Strategy",
    "TargetHealth",
]  # fmt: skip

Strategy: TypeAlias = Literal[
    "ordered",
    "weighted",
    "round_robin",
    "least_busy",
    "lowest_latency",
    "cheapest",
    "most_headroom",
    "two_choices",
    "sticky",
    "by_tag",
    "by_data",
    "by_context",
]
"""How rows are ordered for a call; `saferoute.routing.strategies` says of each when to use it."""

Cause: TypeAlias = Literal["any", "context_window", "content_filter", "quota", "timeout"]
"""Why a call goes on to the rows of a fallback list: "any" is every failure that may be tried again, once the alias's rows are used up."""

BreakerState: TypeAlias = Literal["closed", "open", "half_open"]


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be asked of a row, or through an alias; None for no bound.

    Attributes:
        requests_per_minute: requests in any 60 seconds.
        tokens_per_minute: tokens in any 60 seconds, input and output together, counted by estimate until they are reported.
        concurrent: requests under way at once.
        adaptive: lower `concurrent` on refusals and slow answers and raise it slowly again, in this process.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrent: int | None = None
    adaptive: bool = False


@dataclass(frozen=True, slots=True)
class Hedge:
    """Ask a second row if the first is slower than nearly always; the first answer counts.

    Attributes:
        after: seconds that the first row has at least; it has longer where the alias's 95th percentile is longer.
    """

    after: float


@dataclass(frozen=True, slots=True)
class Shadow:
    """Send a copy of some calls to another row, and discard its answer.

    Attributes:
        target: the row.
        share: how many of a thousand calls.
        max_cost: the most that one copy may cost; a row whose worst case is not known, or is more, gets none.
        data: the highest data label of a call that is copied; a call without a label is not.
    """

    target: Target
    share: int
    max_cost: Cost
    data: DataLabel = "internal"


@dataclass(frozen=True, slots=True)
class Policy:
    """What the table says about an alias beyond its rows.

    Attributes:
        strategy: how its rows are ordered for a call.
        weights: by row id, for "weighted", "least_busy" and "sticky"; 1 for rows without.
        tag: the name of the call's tag that "sticky" and "by_tag" read.
        tagged: for "by_tag": the tag's value -> ids of the rows that calls with it prefer.
        fallback: rows that take over, by the cause of a failure; never after the consumer has seen something.
        hedge: None for no hedging.
        shadow: None for no copies.
        limits: what may be asked through the alias; None for no bound.
    """

    strategy: Strategy = "ordered"
    weights: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    tag: str = ""
    tagged: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    fallback: Mapping[Cause, tuple[Target, ...]] = field(default_factory=lambda: MappingProxyType({}))
    hedge: Hedge | None = None
    shadow: Shadow | None = None
    limits: Limits | None = None


PLAIN_POLICY: Final = Policy()
"""Of a name that is no alias: rows as they stand."""


@sealed
class Facts:
    """What strategies look at in a call.

    Attributes:
        tokens: estimates the input's tokens; asked for only by strategies that need it.
        turn: how many calls went through this name before; for taking turns.
        stream: whether the answer is streamed, so that the first token is what is waited for.
        max_output: bound on output tokens; None for the row's default.
        data: the call's data label; None for none.
        tags: the caller's tags.
    """

    tokens: Callable[[], int]
    turn: int = 0
    stream: bool = False
    max_output: int | None = None
    data: DataLabel | None = None
    tags: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


class Condition(Protocol):
    """What strategies look at in a row's health. A live object: reading an attribute is one read of a number."""

    @property
    def in_flight(self) -> int:
        """Requests of this client that are under way."""

    @property
    def latency(self) -> float | None:
        """Seconds that an answer takes: a peak-sensitive moving average; None if none was seen."""

    @property
    def first_token(self) -> float | None:
        """Seconds to the first token of a stream, likewise."""

    @property
    def updated(self) -> float:
        """Monotonic time of the last measurement; averages are old news as time goes by."""

    def headroom(self, now: float) -> float:
        """The share of its signed limits, 0 to 1, that this client has not used in the last minute; 1.0 without limits."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that was passed over, and why.

    Attributes:
        target: the row's id.
        reason: in words, such as "breaker open for 4.2 s" or "rate limit of its quota group until 12.0 s from now".
        retry_at: monotonic time from which it is asked as usual again; None where that is not known.
        guessed: nobody said that it must not be asked: this client has concluded that it had better not be, and for how long (an open
            breaker, a probe under way, a rate limit or a used-up quota that came without a time). A call that has nowhere else to go asks
            it all the same, once. A time that the provider named, and a limit, are no guesses.
    """

    target: str
    reason: str
    retry_at: float | None = None
    guessed: bool = False


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """How a row is doing, as this client has seen it; a copy.

    Attributes:
        target: the row's id.
        breaker: "closed": asked as usual. "open": asked as a last resort only. "half_open": one request finds out.
        available_in: seconds until it is asked as usual again, whatever keeps it from that; 0.0 for now.
        reason: why it is not asked as usual; "" if it is.
        in_flight: requests under way.
        requests: how many ended.
        failures: how many of them failed in a way that counts against the row.
        latency: moving average of an answer's seconds; None if none was seen.
        first_token: moving average of the seconds to a stream's first token.
        concurrency: the bound on requests under way that is in force now; None for none.
        quota_group: what a rate limit of this row rests with it, in words.
        last_resort: whether a call asks it for all that where no row of its own is better off: `reason` is a guess of this client.
    """

    target: str
    breaker: BreakerState
    available_in: float
    reason: str
    in_flight: int
    requests: int
    failures: int
    latency: float | None
    first_token: float | None
    concurrency: int | None
    quota_group: str
    last_resort: bool = False
