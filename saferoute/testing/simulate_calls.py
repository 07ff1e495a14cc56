"""Try a routing table before it is signed: the same planner, loop, breakers and limits, on a virtual clock with synthetic providers.

What is simulated is what decides: which row a call asks, what follows a failure, how long it waits. Nothing is encoded, authorised or
sent, no key is looked up, and budgets are not charged.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, get_args

from saferoute.errors import ConfigurationError
from saferoute.testing.simulate_table import one_alias, table_of
from saferoute.testing.simulate_world import Plan, World
from saferoute.values.balancing import Policy, Strategy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from os import PathLike

    from saferoute.routing.table import RoutingTable
    from saferoute.testing.simulate_providers import SyntheticProvider
    from saferoute.testing.simulate_result import SimulationResult
    from saferoute.testing.simulate_trace import Arrival

__all__ = ["simulate"]


def simulate(
    table: RoutingTable | str | PathLike[str],
    trace: Iterable[float | Arrival],
    strategy: Strategy | Policy | None = None,
    *,
    route: str | None = None,
    providers: Mapping[str, SyntheticProvider] = MappingProxyType({}),
    stream: bool = False,
    tokens: tuple[int, int] = (500, 200),
    max_attempts: int | None = None,
    timeout: float | None = None,
    wait: bool = False,
    interval: float = 10.0,
    seed: int = 0,
) -> SimulationResult:
    """Send calls through a routing table, on a virtual clock, to providers that exist in the simulation only.

    The same arguments give the same result, on every machine.

    Args:
        table: a table, the text of a routes.toml, or the path of a routes.toml or of a table that was built or signed. No signature is
            looked at: nothing is sent.
        trace: when calls come, in seconds from 0.0: a `Poisson`, a list of numbers, or of `Arrival` where calls differ.
        strategy: in place of the one that the table has for the name; or a whole policy in place of the alias's.
        route: the name that is called; needed where the table has more than one alias.
        providers: by row id; rows without one get a `SyntheticProvider()`.
        stream: whether calls are streams, whose first token is what counts.
        tokens: of input and of output, for calls that say no other numbers.
        max_attempts: as the option of a call.
        timeout: likewise.
        wait: likewise.
        interval: how many seconds each number of `result.goodput` is about.
        seed: of all that happens by chance, the trace's own chance aside.

    Raises:
        ConfigurationError: a table, trace, name or provider that makes no simulation.

    Example:
        >>> from saferoute.testing import Outage, Poisson, SyntheticProvider, simulate
        >>> routes = '''
        ... [providers.openai]
        ... [providers.anthropic]
        ... [aliases]
        ... fast = ["openai/gpt-5-mini", "anthropic/claude-haiku-4-5"]
        ... '''
        >>> down = SyntheticProvider(latency=0.8, outages=[Outage(60, 180)])
        >>> result = simulate(routes, Poisson(rate=5, calls=1500), providers={"openai": down})
        >>> result.success_rate, result.requests_per_call < 1.05, result.strategy
        (1.0, True, 'ordered')
    """
    if not interval > 0 or min(tokens) < 0 or not (timeout is None or timeout > 0):
        raise ConfigurationError("interval and timeout are above 0, and tokens are at least 0")
    if not (max_attempts is None or max_attempts >= 1):
        raise ConfigurationError(f"max_attempts is at least 1, not {max_attempts!r}")
    opened = table_of(table)
    name = one_alias(opened) if route is None else route
    policy = _policy(opened.policy(name), strategy)
    plan = Plan(opened, name, policy, tokens, stream, max_attempts, timeout, wait)
    world = World(plan, providers, interval, seed)
    world.engine.run(world.calls(trace))
    return world.result()


def _policy(policy: Policy, strategy: Strategy | Policy | None) -> Policy:
    if strategy is None or isinstance(strategy, Policy):
        return strategy or policy
    if strategy not in get_args(Strategy):
        raise ConfigurationError(f"{strategy!r} is no strategy; those are {', '.join(get_args(Strategy))}")
    return replace(policy, strategy=strategy)
