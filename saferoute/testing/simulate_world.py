"""The calls of a simulation, their client's health and limits, and what becomes of them."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from saferoute.call.balancing import Balancing, Throttle
from saferoute.call.effects import emit, sleep, spawn
from saferoute.call.limiting import draws_for
from saferoute.call.tries import Progress, tries
from saferoute.capabilities.authorise import Asked, also_allowed, authorise
from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.errors import SaferouteError, TimedOut
from saferoute.routing.health import Health
from saferoute.routing.resolve import resolve
from saferoute.testing.simulate_engine import Engine
from saferoute.testing.simulate_providers import rows_for
from saferoute.testing.simulate_result import SimulationResult, percentile
from saferoute.testing.simulate_trace import Chance, arrivals
from saferoute.values.balancing import PLAIN_POLICY, Facts
from saferoute.values.cost import expected_cost
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from saferoute.call.effects import Flow
    from saferoute.routing.table import RoutingTable
    from saferoute.testing.simulate_providers import Row, SyntheticProvider
    from saferoute.testing.simulate_trace import Arrival
    from saferoute.values.balancing import Cause, Policy
    from saferoute.values.guarding import Judged
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = ["Plan", "World"]

_DEFAULT_ATTEMPTS: Final = 3
_AFTERWARDS: Final = 30.0
_MOST_KINDS: Final = 4096


@dataclass(frozen=True, slots=True)
class Plan:
    """What all calls of a simulation have in common.

    Attributes:
        table: whose rows are asked.
        route: the name that is called.
        policy: what it does beyond its rows.
        tokens: of input and output, where a call says no other numbers.
        stream: whether calls are streams.
        max_attempts: the caller's option; None for the table's own number.
        timeout: likewise.
        wait: likewise.
    """

    table: RoutingTable
    route: str
    policy: Policy
    tokens: tuple[int, int]
    stream: bool
    max_attempts: int | None
    timeout: float | None
    wait: bool

    def attempts(self) -> int:
        """How many requests a call may send: what is in the table is an upper bound, as for a real call."""
        alias = self.table.aliases.get(self.route)
        most = alias.max_attempts if alias else None
        return min(self.max_attempts or most or _DEFAULT_ATTEMPTS, most or 100)

    def clocked(self, targets: tuple[Target, ...]) -> tuple[Target, ...]:
        """The rows with the alias's clocks, where it has some."""
        alias = self.table.aliases.get(self.route)
        if alias is None or alias.deadlines is None:
            return targets
        return tuple(replace(target, deadlines=alias.deadlines) for target in targets)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What calls of one label and one size have in common: found out once, and not for each.

    Attributes:
        targets: the rows that may answer.
        attempts: how many requests a call may send.
        tokens: of input and output.
        facts: what strategies look at, but for the call's own turn and tags.
        fallback: the rows that may take over.
        throttle: what a request takes of the signed limits.
        copied: what the copies have in common, of those calls that are copied; None for calls that are not.
    """

    targets: tuple[Target, ...]
    attempts: int
    tokens: tuple[int, int]
    facts: Facts
    fallback: Mapping[Cause, tuple[Target, ...]]
    throttle: Throttle | None
    copied: _Kind | None = None


class _SimulatedCall:
    """A call, as far as the loop of tries knows it."""

    __slots__ = ("at", "balancing", "kind", "max_attempts", "random", "requests", "route", "targets", "total")

    charge = None
    recording = None
    tally = None
    verdicts: tuple[Judged, ...] = ()

    def __init__(self, plan: Plan, arrival: Arrival, kind: _Kind, balancing: Balancing, random: Callable[[], float]) -> None:
        self.route = plan.route
        self.at = arrival.at
        self.targets = kind.targets
        self.max_attempts = kind.attempts
        self.total = plan.timeout
        self.random = random
        self.balancing = balancing
        self.kind = kind
        self.requests = 0

    def affords(self, target: Target) -> bool:  # noqa: ARG002  as the loop asks
        """Money is not simulated."""
        return True


class World:
    """One simulation on its way: the providers, the client's health and limits, and what became of the calls."""

    __slots__ = (
        "_answered", "_calls", "_cost", "_failures", "_interval", "_kinds", "_limits", "_most", "_plan", "_seconds",
        "_successes", "_unpriced", "engine", "health", "random", "rows",
    )  # fmt: skip

    def __init__(self, plan: Plan, providers: Mapping[str, SyntheticProvider], interval: float, seed: int) -> None:
        chance = Chance(seed)
        policy = plan.policy
        every = dict.fromkeys(resolve(plan.table, plan.route))
        every |= dict.fromkeys(row for rows in policy.fallback.values() for row in rows)
        if policy.shadow is not None:
            every[policy.shadow.target] = None
        self.engine = Engine()
        self.random = Chance(int(chance() * 2**53))
        self.health = Health(self.random)
        self.rows: dict[str, Row] = rows_for(tuple(every), providers, chance)
        self._plan = plan
        self._limits = MemoryLimits(clock=self.engine.clock)
        self._kinds: dict[tuple[DataLabel | None, tuple[int, int]], _Kind] = {}
        self._interval = interval
        self._calls = self._successes = self._most = 0
        self._seconds = array("d")
        self._failures: Counter[str] = Counter()
        self._answered: Counter[int] = Counter()
        self._cost: Counter[str] = Counter()
        self._unpriced = False

    def calls(self, trace: Iterable[float | Arrival]) -> Iterator[tuple[float, Callable[[], None]]]:
        """Every call of the trace, when it comes, and what begins it."""
        for arrival in arrivals(trace):
            yield arrival.at, lambda arrival=arrival: self._begin(arrival)  # type: ignore[misc]  # a lambda's default has no type

    def _begin(self, arrival: Arrival) -> None:
        self._calls += 1
        plan, policy = self._plan, self._plan.policy
        try:
            kind = self._kind(arrival)
        except SaferouteError as refusal:
            self._failures[type(refusal).__name__] += 1
            return
        facts = kind.facts
        if arrival.tags or policy.strategy == "round_robin":
            turn = self.health.turn(plan.route) if policy.strategy == "round_robin" else 0
            facts = replace(facts, turn=turn, tags=arrival.tags)
        balancing = Balancing(policy, self.health, facts, kind.fallback, plan.wait, kind.throttle, None, self.engine.clock)
        call = _SimulatedCall(plan, arrival, kind, balancing, self.random)
        flow = tries(call, Progress(arrival.at), self._attempt)
        if kind.copied is not None and policy.shadow is not None and self.random() * 1000 < policy.shadow.share:
            plain = replace(balancing, policy=PLAIN_POLICY, fallback={}, wait=False, last_resort=False, throttle=kind.copied.throttle)
            flow = self._with_copy(flow, _SimulatedCall(plan, arrival, kind.copied, plain, self.random))
        self.engine.begin(flow, lambda error: self._ended(call, error))

    def _with_copy(self, flow: Flow[None], copy: _SimulatedCall) -> Flow[None]:
        yield from spawn(tries(copy, Progress(self.engine.now), self._attempt))
        yield from flow

    def _kind(self, arrival: Arrival) -> _Kind:
        """What calls of this label and size have in common.

        Raises:
            CapabilityForbidden: the label is above every row's ceiling.
        """
        plan = self._plan
        tokens = (
            plan.tokens[0] if arrival.input_tokens is None else arrival.input_tokens,
            plan.tokens[1] if arrival.output_tokens is None else arrival.output_tokens,
        )
        key = arrival.data, tokens
        kind = self._kinds.get(key)
        if kind is None:
            if len(self._kinds) >= _MOST_KINDS:
                self._kinds.clear()
            kind = self._kinds[key] = self._made(arrival.data, tokens)
        return kind

    def _made(self, data: DataLabel | None, tokens: tuple[int, int]) -> _Kind:
        plan, policy = self._plan, self._plan.policy
        asked = Asked(plan.route, data=data, max_output=tokens[1], input_bytes=tokens[0])
        targets = plan.clocked(authorise((), asked, resolve(plan.table, plan.route), trust="local").targets)
        fallback = {cause: plan.clocked(also_allowed((), asked, rows, trust="local")) for cause, rows in policy.fallback.items()}
        rows = (*targets, *(row for several in fallback.values() for row in several))
        facts = Facts(lambda: tokens[0], 0, plan.stream, tokens[1], data)
        kind = _Kind(targets, plan.attempts(), tokens, facts, fallback, self._throttle(rows, sum(tokens)))
        shadow = policy.shadow
        if shadow is None or data is None or data_rank(data) > data_rank(shadow.data):
            return kind
        cost, allowed = asked.cost_at(shadow.target), also_allowed((), asked, (shadow.target,), trust="local")
        if cost is None or cost > shadow.max_cost.amount or not allowed:
            return kind
        return replace(kind, copied=_Kind(allowed, 1, tokens, facts, {}, self._throttle(allowed, sum(tokens))))

    def _throttle(self, rows: tuple[Target, ...], tokens: int) -> Throttle | None:
        plan = self._plan
        drawn = {row.id: draws_for(row, plan.route, plan.policy, (), tokens, table_name=plan.table.name) for row in rows}
        draws = {name: several for name, several in drawn.items() if several}
        longest = plan.timeout or max(row.deadlines.total for row in rows)
        return Throttle(self._limits, draws, longest + _AFTERWARDS) if draws else None

    def _attempt(self, call: _SimulatedCall, target: Target, progress: Progress, total: float, deadline: float) -> Flow[None]:
        """One request: what the provider does, cut short by the clocks of the call."""
        row, clocks, tokens = self.rows[target.id], target.deadlines, sum(call.kind.tokens)
        call.requests += 1
        row.load += 1
        try:
            reaction = row.asked(progress.now, tokens)
            stream = self._plan.stream and reaction.error is None
            first = reaction.first if stream else reaction.seconds
            yield from _until(progress, first, ("first_byte", clocks.first_byte), total, deadline)
            progress.head = reaction.head
            if reaction.error is not None:
                raise reaction.error()
            if stream:
                progress.first = progress.now - progress.began
                call.balancing.health.first_token(target, progress.now, progress.first)
                progress.visible = True
                progress.now = yield from emit(())
                yield from _until(progress, reaction.seconds - first, ("idle", inf), total, deadline)
        finally:
            row.load -= 1
        row.answered += 1
        progress.tokens = tokens
        self._bill(target, call.kind.tokens)

    def _bill(self, target: Target, tokens: tuple[int, int]) -> None:
        prices = target.prices
        cost = None if prices is None else expected_cost(prices, *tokens)
        if prices is None or cost is None:
            self._unpriced = True
            return
        self._cost[prices.currency] += cost

    def _ended(self, call: _SimulatedCall, error: SaferouteError | None) -> None:
        self._most = max(self._most, call.requests)
        if error is not None:
            self._failures[type(error).__name__] += 1
            return
        now = self.engine.now
        self._successes += 1
        self._seconds.append(now - call.at)
        self._answered[int(now // self._interval)] += 1

    def result(self) -> SimulationResult:
        """What became of it all."""
        plan, ordered = self._plan, sorted(self._seconds)
        last = max(self._answered, default=-1)
        return SimulationResult(
            route=plan.route,
            strategy=plan.policy.strategy,
            calls=self._calls,
            successes=self._successes,
            failures=MappingProxyType(dict(sorted(self._failures.items()))),
            requests=MappingProxyType({name: row.requests for name, row in self.rows.items()}),
            answers=MappingProxyType({name: row.answered for name, row in self.rows.items()}),
            most_requests=self._most,
            p50=percentile(ordered, 0.5),
            p95=percentile(ordered, 0.95),
            p99=percentile(ordered, 0.99),
            mean=sum(ordered) / len(ordered) if ordered else None,
            goodput=tuple(self._answered[place] / self._interval for place in range(last + 1)),
            interval=self._interval,
            seconds=self.engine.now,
            cost=None if self._unpriced else MappingProxyType(dict(self._cost)),
        )


def _until(progress: Progress, seconds: float, clock: tuple[str, float], total: float, deadline: float) -> Flow[None]:
    """Wait for something of an answer; the first of the clocks that runs out ends it.

    Raises:
        TimedOut: the clock of this name and these seconds, or the call's own.
    """
    left = deadline - progress.now
    name, most = clock if clock[1] <= left else ("total", left)
    progress.now = yield from sleep(min(seconds, most))
    if seconds > most:
        raise TimedOut(clock=name, seconds=total if name == "total" else most, sent=True)
