"""What it costs to decide which row a call asks: every strategy, over 3 rows and over 100.

    python benchmarks/planner_costs.py            prints the table; exits with 1 when a target is missed

Times are the least of many short rounds of processor time, so that other work on the machine counts as little as it can.
"""

from __future__ import annotations

import functools
import random
import sys
import time
from collections.abc import Callable
from typing import get_args

from saferoute.routing.health import Health
from saferoute.routing.strategies import STRATEGIES, order
from saferoute.values.balancing import Facts, Limits, Policy, Strategy
from saferoute.values.http import NetClass
from saferoute.values.request import DataLabel
from saferoute.values.target import Prices, Profile, Target

TARGETS = {3: 10.0, 100: 100.0}
"""Rows -> microseconds that an order may cost."""

ROUNDS = 200
CALLS = {3: 300, 100: 20}
NOW = 1000.0
RECORDED = ", real record"
"""Of cases whose conditions are the client's own record: shown, and not held to the targets, which are the planner's alone."""

LABELS: tuple[DataLabel, ...] = get_args(DataLabel)


class Seen:
    """How a row is doing, as the client's own record of it: plain numbers, and a small sum for the headroom."""

    __slots__ = ("first_token", "in_flight", "latency", "updated", "used")

    def __init__(self, number: int) -> None:
        measured = number % 10 > 0
        self.in_flight = number % 3
        self.latency = 0.5 + number % 7 if measured else None
        self.first_token = 0.1 + number % 5 / 10 if measured else None
        self.updated = NOW - number
        self.used = number

    def headroom(self, now: float) -> float:  # noqa: ARG002  as the real one
        return max(0.0, 1.0 - self.used / 100)


def row(number: int) -> Target:
    prices = None if number % 10 == 0 else Prices("USD", 100 + number % 13, 1000 + number % 17)
    profile = Profile(context_window=None if number % 10 == 0 else 8000 * (1 + number % 16))
    return Target(
        f"provider-{number:03}", "llm", "openai_chat", f"https://api{number}.example.com", "/v1", NetClass(), f"model-{number}", "key",
        "bearer", data=LABELS[number % 4], max_output=8192, default_max_output=1024, profile=profile, prices=prices,
        limits=Limits(requests_per_minute=100, tokens_per_minute=100_000),
    )  # fmt: skip


def policies(rows: tuple[Target, ...]) -> dict[str, Policy]:
    """Every strategy, and those that weigh also with a weight for every row."""
    weights = {target.id: 1 + number % 5 for number, target in enumerate(rows)}
    tagged = {"gold": tuple(target.id for target in reversed(rows))}
    found = {name: Policy(name, tag="user", tagged=tagged) for name in STRATEGIES}
    weighing: tuple[Strategy, ...] = ("weighted", "least_busy", "sticky")
    return found | {f"{name}, with weights": Policy(name, weights, "user") for name in weighing}


def cases(count: int) -> dict[str, Callable[[], object]]:
    """By strategy: an order of so many rows."""
    rows = tuple(map(row, range(1, count + 1)))
    seen = {target.id: Seen(number) for number, target in enumerate(rows)}
    facts = Facts(lambda: 1200, turn=7, stream=True, data="internal", tags={"user": "gold"})
    chance = random.Random(5).random

    def condition(target: Target) -> Seen:
        return seen[target.id]

    found: dict[str, Callable[[], object]] = {
        name: functools.partial(order, rows, policy, condition, facts, NOW, chance) for name, policy in policies(rows).items()
    }
    health = recorded(rows)
    measuring: tuple[Strategy, ...] = ("least_busy", "lowest_latency", "most_headroom", "two_choices")
    found |= {f"{name}{RECORDED}": functools.partial(order, rows, Policy(name), health.condition, facts, NOW, chance) for name in measuring}
    return found


def recorded(rows: tuple[Target, ...]) -> Health:
    """A client's record of these rows: each has answered a few times within the last minute."""
    health = Health(random.Random(6).random)
    for number, target in enumerate(rows):
        for _ in range(number % 10):
            health.begin(target, NOW - 20)
            health.first_token(target, NOW - 19, 1.0)
            health.succeeded(target, NOW - 18 + number / 10, 2.0 + number / 10, 500)
    return health


def measured() -> dict[int, dict[str, float]]:
    """Rows -> strategy -> microseconds of processor time of one order, the least of all rounds.

    Each round has every case, so that a slow spell of the machine is not all of one case's rounds.
    """
    work = {count: cases(count) for count in TARGETS}
    best = {count: dict.fromkeys(work[count], float("inf")) for count in TARGETS}
    for _ in range(ROUNDS):
        for count, named in work.items():
            for name, decide in named.items():
                began = time.process_time_ns()
                for _ in range(CALLS[count]):
                    decide()
                best[count][name] = min(best[count][name], (time.process_time_ns() - began) / CALLS[count] / 1000)
    return best


def main() -> int:
    """Measure, print, and say whether the targets are kept."""
    missed = 0
    costs = measured()
    print(f"{'microseconds for one call':30}" + "".join(f"{f'{count} rows':>12}{'':6}" for count in TARGETS))
    for name in costs[3]:
        cells = []
        for count, target in TARGETS.items():
            over = costs[count][name] > target and not name.endswith(RECORDED)
            missed += over
            verdict = "" if name.endswith(RECORDED) else ("OVER" if over else "ok")
            cells.append(f"{costs[count][name]:12.1f} {verdict:5}")
        print(f"{name:30}" + "".join(cells))
    print(f"{'at most':30}" + "".join(f"{target:12.1f} {'':5}" for target in TARGETS.values()))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
