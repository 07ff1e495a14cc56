"""What a client would do with a call now: which rows it asks in which order, which not, and why. Nothing is sent, and no key is read."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

from saferoute.capabilities.authorise import Asked, authorise, output_bound
from saferoute.errors import CapabilityError, RequestError
from saferoute.providers.fitting import fit
from saferoute.routing.resolve import resolve
from saferoute.routing.strategies import order
from saferoute.values.cost import expected_cost
from saferoute.values.permission import data_rank

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from saferoute.call.flow import Call
    from saferoute.client.core import Core
    from saferoute.values.balancing import Shadow
    from saferoute.values.target import Target

__all__ = ["BY_CHANCE", "explained"]

BY_CHANCE: Final = frozenset({"weighted", "least_busy", "lowest_latency", "most_headroom", "two_choices"})
"""Strategies whose order chance decides in a client that has seen nothing yet; "sticky" is one of them for a call without its tag."""

_OVER: Final = "its worst case is over max_cost, or is not known"


def explained(core: Core, route: str, message: str, options: Mapping[str, Any], *, stream: bool) -> dict[str, Any]:
    """Say what would happen to a call.

    Args:
        core: the client's.
        route: the name that is called.
        message: what is asked.
        options: of the call, as `client.chat` takes them.
        stream: whether it is a stream.

    Raises:
        SaferouteError: the call would be refused; the message says why, row by row.
    """
    call = core.call(route, message, None, None, options, stream=stream)
    table, policy, facts = core.table, call.balancing.policy, call.balancing.facts
    ordered = order(call.targets, policy, call.balancing.health.condition, facts, time.monotonic(), call.random)
    tokens = facts.tokens()
    asked = _asked(core, call)
    own, signed = resolve(table, route), table.policy(route)  # what is left of the two is in the call
    fallback = {
        cause: {
            "rows": [_row(call, row, tokens) for row in call.balancing.fallback.get(cause, ())],
            "dropped": _dropped(core, asked, rows, call.balancing.fallback.get(cause, ()), call.targets),
        }
        for cause, rows in signed.fallback.items()
    }
    return {
        "route": route,
        "table": table.name,
        "version": table.version,
        "strategy": policy.strategy,
        "tag": policy.tag,
        "tag_value": facts.tags.get(policy.tag) if policy.tag else None,
        "by_chance": len(ordered) > 1
        and (policy.strategy in BY_CHANCE or (policy.strategy == "sticky" and not facts.tags.get(policy.tag))),
        "weights": {row.id: policy.weights.get(row.id, 1) for row in ordered} if policy.weights else {},
        "input_tokens": tokens,
        "max_output_tokens": call.request.max_output_tokens,
        "requests": call.max_attempts,
        "seconds": call.total if call.total is not None else call.targets[0].deadlines.total,
        "rows": [_row(call, row, tokens) for row in ordered],
        "dropped": _dropped(core, asked, own, call.targets, call.targets),
        "fallback": fallback,
        "hedge": None if policy.hedge is None else asdict(policy.hedge),
        "shadow": None if signed.shadow is None else _shadow(core, asked, signed.shadow, call.targets),
    }


def _row(call: Call, target: Target, tokens: int) -> dict[str, Any]:
    clocks, throttle = target.deadlines, call.balancing.throttle
    draws = () if throttle is None else throttle.draws.get(target.id, ())
    return {
        "row": target.id,
        "provider": target.provider_name,
        "model": target.model,
        "origin": target.origin,
        "data": target.data,
        "estimate": _estimate(target, tokens, call.request.max_output_tokens),
        "clocks": {"connect": clocks.connect, "first_byte": clocks.first_byte, "idle": clocks.idle},
        "limits": [{"of": one.quota.owner, "kind": one.quota.kind, "limit": one.quota.limit, "takes": one.amount} for one in draws],
    }


def _estimate(target: Target, tokens: int, max_output: int | None) -> dict[str, Any] | None:
    """What the call costs there at most, with its input as it is estimated: in nano-units; None where a price or a bound is missing."""
    prices, most = target.prices, output_bound(None, target, max_output)
    cost = None if prices is None or most is None else expected_cost(prices, tokens, most)
    if prices is None or cost is None:
        return None
    return {"amount": cost, "currency": prices.currency, "output_tokens": most}


def _asked(core: Core, call: Call) -> Asked:
    """What permissions look at in the call."""
    request, snapshot = call.request, core.snapshot
    return Asked(
        call.route,
        data=request.data,
        max_output=request.max_output_tokens,
        input_bytes=_size(core, call),
        stream=request.stream,
        purpose=core.scope.purpose,
        audience=snapshot.authority.audience,
        table_version=core.table.version,
        now=snapshot.clock(),
    )


def _size(core: Core, call: Call) -> int:
    """The most bytes that the call has at one of its rows."""
    size = 0
    for target in call.targets:
        try:
            body = core.snapshot.codec(target.dialect).encode(fit(call.request, target)[0], target).request.body
        except (RequestError, ValueError):  # that row will refuse the call itself
            continue
        size = max(size, len(body))
    return size


def _dropped(core: Core, asked: Asked, rows: Iterable[Target], left: Iterable[Target], allowed: tuple[Target, ...]) -> list[dict[str, str]]:
    """Those of some rows that the call may not go to, and why.

    Args:
        core: the client's.
        asked: what permissions look at.
        rows: all of them.
        left: those that the call may go to.
        allowed: rows that are allowed for certain, without which nothing would be explained.
    """
    kept = {(row.id, row.model) for row in left}
    gone = tuple(row for row in rows if (row.id, row.model) not in kept)
    halted = core.shared.opened.halted
    try:
        said = authorise(core.powers().permissions, asked, (*allowed, *gone), trust=core.shared.trust).dropped
    except CapabilityError as error:
        said = tuple((row.id, error.message) for row in gone)
    reasons = {**dict.fromkeys((row.id for row in gone), _OVER), **dict(said), **dict.fromkeys(halted, "the signed status halts it")}
    return [{"row": row.id, "model": row.model, "why": reasons[row.id]} for row in gone]


def _shadow(core: Core, asked: Asked, shadow: Shadow, allowed: tuple[Target, ...]) -> dict[str, Any]:
    target, data = shadow.target, asked.data
    cost, bound = asked.cost_at(target), shadow.max_cost
    why = ""
    if data is None:
        why = "the call has no data label"
    elif data_rank(data) > data_rank(shadow.data):
        why = f'the call is labelled {data}, and copies are made up to "{shadow.data}"'
    elif cost is None or cost > bound.amount or (target.prices is not None and target.prices.currency != bound.currency):
        why = f"its worst case there is not known, or is over {bound.amount / 1e9:g} {bound.currency}"
    else:
        [dropped] = _dropped(core, asked, (target,), (), allowed)
        why = "" if dropped["why"] == _OVER else dropped["why"]
    return {"row": target.id, "model": target.model, "share": shadow.share, "why_not": why}
