"""Strategies that decide from the signed table and the call alone, without what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2s
from math import inf, log1p
from typing import TYPE_CHECKING, Final

from saferoute.values.cost import expected_cost
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.values.balancing import Condition, Facts, Policy
    from saferoute.values.target import Target

__all__ = ["Situation", "by_context", "by_data", "by_tag", "cheapest", "ordered", "round_robin", "sticky", "weighted"]

# More tokens than any context window, which is below 2**53: where rows stand whose window is not known, and beyond those, too small ones.
_UNKNOWN_WINDOW: Final = 1 << 54
_TOO_SMALL: Final = 1 << 55


@dataclass(frozen=True, slots=True)
class Situation:
    """What strategies look at besides the rows.

    Attributes:
        policy: what the table says about the name that was called.
        condition: how a row is doing.
        facts: what the call asks for.
        now: monotonic seconds.
        random: gives numbers from 0.0 up to 1.0, and never 1.0.
    """

    policy: Policy
    condition: Callable[[Target], Condition]
    facts: Facts
    now: float
    random: Callable[[], float]


def ordered(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:  # noqa: ARG001  one signature for all
    """As the table lists them. For a first choice with stand-ins: the next row gets only what the one before it could not answer.

    Needs to know nothing.
    """
    return tuple(targets)


def weighted(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """By chance, in proportion to the weights. For dividing calls in fixed parts, such as 90 to 10 while a model is introduced.

    After the first row the next is drawn from those that are left, by the same weights. A row of weight 0 is a last resort: it comes after
    all others. Needs to know the weights alone.
    """
    weight_of, random = at.policy.weights.get, at.random

    def lot(target: Target) -> float:
        # Waiting times at rates that are the weights: which one ends first, and then next, is a draw without putting back.
        weight = weight_of(target.id, 1)
        return -log1p(-random()) / weight if weight > 0 else inf

    return tuple(sorted(targets, key=lot))


def round_robin(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """In turns. For rows that are alike, where every one should get the same number of calls, and predictably so.

    What a row cannot answer goes to the one after it, which has twice the calls then. Needs to know how many calls went before.
    """
    first = at.facts.turn % (len(targets) or 1)
    return (*targets[first:], *targets[:first])


def cheapest(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The row where this call may cost least first. For rows that are equally good, at different prices.

    Counted are the input's estimated tokens and the bound of the output, at the table's prices for an input of that length. Rows in
    another currency than the first row of a known cost are not compared with it: they come after those that are, in the table's order.
    Rows whose cost is not known, for a price or an output bound is missing, come last; they never count as free. Needs to know prices,
    the input's tokens and the bound.
    """
    tokens, asked = at.facts.tokens(), at.facts.max_output
    currency = ""
    known: list[tuple[int, int, Target]] = []
    others: list[Target] = []
    unknown: list[Target] = []
    for target in targets:
        prices, most = target.prices, _output(target, asked)
        cost = None if prices is None or most is None else expected_cost(prices, tokens, most)
        if prices is None or cost is None:
            unknown.append(target)
            continue
        currency = currency or prices.currency
        if prices.currency == currency:
            known.append((cost, len(known), target))
        else:
            others.append(target)
    known.sort()
    return (*(target for _, _, target in known), *others, *unknown)


def sticky(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The same row for the same value of the policy's tag. For providers that cache prompts: a conversation stays where it is cached.

    Rendezvous hashing: each row has a number for each value, and the lowest comes first. Every process finds the same order; when one of n
    rows is added or taken away, one in n values moves; what a row cannot answer spreads over all others. With weights, values spread in
    proportion, and a row of weight 0 comes last. A call without the tag, or with an empty one, has nowhere to stay: as `weighted`. Needs
    to know the tag alone.
    """
    value, weights = at.facts.tags.get(at.policy.tag), at.policy.weights
    if not value:
        return weighted(targets, at)
    begun = blake2s(f"{value}\0".encode("utf-8", "surrogatepass"), digest_size=6)  # 48 bits: a float holds them all

    def number(target: Target) -> bytes:
        hashed = begun.copy()
        hashed.update(f"{target.id}/{target.model}".encode())  # a row for any model may stand there once for each model
        return hashed.digest()

    def lot(target: Target) -> float:  # the number as a lot of `weighted`; whole, for a call of `number` costs a seventh of it
        hashed, weight = begun.copy(), weights.get(target.id, 1)
        hashed.update(f"{target.id}/{target.model}".encode())
        return -log1p(int.from_bytes(hashed.digest()) * -(2.0**-48)) / weight if weight > 0 else inf

    return tuple(sorted(targets, key=lot if weights else number))


def by_tag(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The rows that the table lists for the value of the call's tag first, in that list's order. For tenants, tiers or tasks of a call.

    The others follow in the table's order: a preference, not a permission. A call without the tag, or with a value that is not listed,
    finds the table's order. Needs to know the tag alone.
    """
    value, tagged = at.facts.tags.get(at.policy.tag), at.policy.tagged
    if value is None or value not in tagged:
        return tuple(targets)
    places: dict[str, int] = {}
    for row in tagged[value]:
        places.setdefault(row, len(places))
    return tuple(sorted(targets, key=lambda target: places.get(target.id, len(places))))


def by_data(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The row with the lowest data ceiling that still holds the call's label first. For keeping costly, well protected rows free.

    A call without a label counts as "restricted". Rows whose ceiling is too low come last, the highest first; authorisation drops them
    where it applies. Needs to know the label alone.
    """
    label = data_rank(at.facts.data or "restricted")

    def place(target: Target) -> int:
        ceiling = data_rank(target.data)
        return ceiling if ceiling >= label else 7 - ceiling  # after every rank, and the lower the later

    return tuple(sorted(targets, key=place))


def by_context(targets: Sequence[Target], at: Situation) -> tuple[Target, ...]:
    """The row with the smallest context window that holds the call first. For short calls to small models and long ones to large ones.

    What must fit is the input's estimated tokens and the bound of the output there. Rows whose window is not known come after those that
    are known to do, and after them those that are known to be too small, the largest first. Needs to know windows and the input's tokens.
    """
    tokens, asked = at.facts.tokens(), at.facts.max_output

    def place(target: Target) -> int:
        window = target.profile.context_window
        if window is None:
            return _UNKNOWN_WINDOW
        return window if window >= tokens + (_output(target, asked) or 0) else _TOO_SMALL - window

    return tuple(sorted(targets, key=place))


def _output(target: Target, asked: int | None) -> int | None:
    """The most output tokens that a row makes; None where nobody bounds them."""
    most = target.default_max_output if asked is None else asked
    bound = target.max_output
    return bound if most is None or (bound is not None and bound < most) else most
