"""What tests of strategies share: rows, conditions, scripted chance, and an order that asks for nothing that a case does not give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, get_args

from saferoute.routing.strategies import order
from saferoute.values.balancing import Condition, Facts, Policy, Strategy
from saferoute.values.http import NetClass
from saferoute.values.target import Target

NOW = 5000.0
EVERY: tuple[Strategy, ...] = get_args(Strategy)
BY_CHANCE = ("weighted", "least_busy", "lowest_latency", "most_headroom", "two_choices")
A = Target("a", "llm", "openai_chat", "https://a.example.com", "/v1", NetClass(), "m1", "key", "bearer")
B, C, D, E, F = (replace(A, id=name) for name in "bcdef")
ABC = (A, B, C)


@dataclass
class Seen:
    in_flight: int = 0
    latency: float | None = None
    first_token: float | None = None
    updated: float = NOW
    share: float = 1.0

    def headroom(self, now: float) -> float:
        assert now == NOW
        return self.share


def unasked(*_: Any) -> Any:
    raise AssertionError("this strategy does not need that")


def draws(*numbers: float) -> Callable[[], float]:
    left: Iterator[float] = iter(numbers)
    return lambda: next(left)


def arranged(
    strategy: Strategy,
    rows: tuple[Target, ...],
    *,
    seen: dict[str, Seen] | None = None,
    chance: Callable[[], float] = unasked,
    tokens: Callable[[], int] = unasked,
    policy: dict[str, Any] | None = None,
    **facts: Any,
) -> str:
    """The ids in order, joined. Nothing may be asked that the case does not give."""

    def condition(target: Target) -> Condition:
        assert seen is not None, "this strategy does not need conditions"
        return seen[target.id]

    found = order(rows, Policy(strategy, **(policy or {})), condition, Facts(tokens, **facts), NOW, chance)
    assert type(found) is tuple
    return "".join(target.id for target in found)
