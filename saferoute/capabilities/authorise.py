"""May this call be made, and by which rows? Pure: the grant, the call's facts and the resolved rows go in, the allowed rows come out.

- Production without a grant refuses every call. A local table needs none.
- A caveat about the call (operation, tools, output bound) refuses the call; one about a row (route, region, data ceiling, cost) drops
  the row, and the call is refused when no row is left. No step ever adds a row.
- An unlabelled call counts as "restricted" in production. In a local client nobody set ceilings, so it passes.
- A bound that the caller does not give counts as unbounded. A caveat that cannot be enforced yet refuses every call.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from saferoute.errors import CapabilityForbidden
from saferoute.values.grant import data_rank

if TYPE_CHECKING:
    from saferoute.values.grant import Grant
    from saferoute.values.request import DataLabel
    from saferoute.values.target import Target

__all__ = ["Asked", "Authorisation", "authorise", "output_bound", "worst_case"]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a call asks for, as far as permission goes.

    Attributes:
        route: the name that the caller used.
        operation: the grant's word for it, such as "chat" or "embed".
        tools: names of the tools that are offered.
        data: the call's data label; None for none.
        max_output: bound on output tokens; None for none.
        input_bytes: an upper bound of the input in bytes of text; needed where the grant bounds the cost.
        by_reference: a part is given by URL or file id, so `input_bytes` does not bound its tokens.
        answers: how many answers are asked for, each of up to `max_output` tokens.
    """

    route: str
    operation: str = "chat"
    tools: tuple[str, ...] = ()
    data: DataLabel | None = None
    max_output: int | None = None
    input_bytes: int | None = None
    by_reference: bool = False
    answers: int = 1


@dataclass(frozen=True, slots=True)
class Authorisation:
    """The rows that may answer, and why others may not.

    Attributes:
        targets: in the order in which they came; at least one.
        dropped: (row id, reason) of the others.
    """

    targets: tuple[Target, ...]
    dropped: tuple[tuple[str, str], ...] = ()


def authorise(grant: Grant | None, asked: Asked, targets: tuple[Target, ...], *, trust: Literal["local", "production"]) -> Authorisation:
    """Decide which of the resolved rows may answer a call.

    Args:
        grant: the table's grant, if it has one.
        asked: what the call asks for.
        targets: the rows that the route stands for.
        trust: how far the table's trust goes.

    Raises:
        CapabilityForbidden: no row may answer; `code` is a stable word, and the message names the caveat, its value, what was asked,
            and what to pass.
    """
    if grant is None:
        if trust != "local":
            raise CapabilityForbidden(
                "this routing table grants nothing to callers without a capability: add a [grant] to routes.toml and sign the table "
                "again (saferoute table build, saferoute table sign)",
                code="no_grant",
            )
        if asked.data is None:
            return Authorisation(targets)
    else:
        _check_call(grant, asked)
    kept: list[Target] = []
    dropped: list[tuple[str, str, str]] = []
    for target in targets:
        refusal = _row_refusal(grant, asked, target, trust)
        if refusal is None:
            kept.append(target)
        else:
            dropped.append((target.id, *refusal))
    if not kept:
        raise _nothing_left(asked, dropped)
    return Authorisation(tuple(kept), tuple((name, reason) for name, _, reason in dropped))


def output_bound(grant: Grant | None, target: Target, asked: int | None) -> int | None:
    """The tightest bound on output tokens of caller, grant and row; the row's default where nobody else says anything."""
    bounds = [bound for bound in (asked, grant.max_output if grant else None, target.max_output) if bound is not None]
    if asked is None and target.default_max_output is not None:
        bounds.append(target.default_max_output)
    return min(bounds) if bounds else None


def worst_case(target: Target, *, input_bytes: int, max_output: int | None, by_reference: bool = False, answers: int = 1) -> int | None:
    """The most that one request can cost, in nano-units of the row's currency.

    A token is at least one byte of text, so the input has at most `input_bytes` tokens, each at the dearest of the input prices
    (writing to a cache costs more than reading past it).

    Args:
        target: the row, with its prices.
        input_bytes: an upper bound of the input.
        max_output: the output bound that will be sent; None takes the row's default.
        by_reference: a part is given by URL or file id.
        answers: how many answers are asked for.

    Returns:
        None if it is not known: a price or a bound is missing, or a part's size is.
    """
    prices = target.prices
    most = output_bound(None, target, max_output)
    if prices is None or prices.input is None or most is None or by_reference or (prices.output is None and most):
        return None
    dearest = max(prices.input, prices.cache_write_5m or 0, prices.cache_write_1h or 0)
    return input_bytes * dearest + most * answers * (prices.output or 0)


def _check_call(grant: Grant, asked: Asked) -> None:
    if grant.unenforced:
        raise CapabilityForbidden(
            f"the table's grant has {', '.join(grant.unenforced)}, which this version of saferoute cannot enforce, so it refuses every "
            "call: upgrade saferoute, or take it out of [grant] and sign the table again",
            code="unenforceable",
        )
    if asked.operation not in grant.operations:
        raise CapabilityForbidden(
            f"the table's grant allows the operations {_listed(grant.operations)}; asked: {asked.operation}", code="operation"
        )
    if grant.tools is not None and (outside := [name for name in asked.tools if name not in grant.tools]):
        raise CapabilityForbidden(
            f"the table's grant allows the tools {_listed(grant.tools)}; offered: {_listed(outside)}. "
            "Leave them out of tools= and provider_options=",
            code="tools",
        )
    if grant.max_output is not None and (asked.max_output is None or asked.max_output * asked.answers > grant.max_output):
        raise CapabilityForbidden(
            f"the table's grant bounds the output to {grant.max_output} tokens; asked: {_asked_output(asked)}. "
            f"Pass max_output_tokens={grant.max_output // asked.answers} or less",
            code="max_output",
        )


def _row_refusal(grant: Grant | None, asked: Asked, target: Target, trust: str) -> tuple[str, str] | None:
    """Why a row may not answer: (code, reason); None if it may."""
    if asked.data is not None or trust != "local":
        label: DataLabel = asked.data or "restricted"
        ceiling: DataLabel = target.data
        if grant is not None and grant.data is not None and data_rank(grant.data) < data_rank(ceiling):
            ceiling = grant.data
        if data_rank(label) > data_rank(ceiling):
            what = f"the call is labelled {label}" if asked.data else 'the call has no data label, which counts as "restricted"'
            return "data", f'takes data up to "{ceiling}", and {what}: pass data="{ceiling}" if that is what it is, or Client(data=...)'
    if grant is None:
        return None
    if asked.route not in grant.routes and target.id not in grant.routes:
        return "routes", f"is not among the granted routes {_listed(grant.routes)}"
    if grant.regions is not None and target.region not in grant.regions:
        return "regions", f"is in the region {target.region or 'unknown'}, and the grant allows {_listed(grant.regions)}"
    return _cost_refusal(grant, asked, target)


def _cost_refusal(grant: Grant, asked: Asked, target: Target) -> tuple[str, str] | None:
    limit = grant.max_cost
    if limit is None:
        return None
    cost = None
    if asked.input_bytes is not None and target.prices is not None and target.prices.currency == limit.currency:
        cost = worst_case(
            target,
            input_bytes=asked.input_bytes,
            max_output=asked.max_output,
            by_reference=asked.by_reference,
            answers=asked.answers,
        )
    bound = f"{limit.amount / 1e9:g} {limit.currency}"
    if cost is None:
        why = f"has no known worst case in {limit.currency}"
        return "max_cost", f"{why}, and the grant allows {bound} per call: give the row prices, or pass max_output_tokens"
    if cost > limit.amount:
        why = f"may cost {cost / 1e9:g} {limit.currency}"
        return "max_cost", f"{why}, and the grant allows {bound} per call: pass a lower max_output_tokens"
    return None


def _asked_output(asked: Asked) -> str:
    if asked.max_output is None:
        return "no bound"
    return str(asked.max_output) if asked.answers == 1 else f"{asked.answers} answers of {asked.max_output}"


def _nothing_left(asked: Asked, dropped: list[tuple[str, str, str]]) -> CapabilityForbidden:
    reasons = "; ".join(f"{name} {reason}" for name, _, reason in dropped)
    return CapabilityForbidden(f"no row of the route {asked.route!r} may answer this call: {reasons}", code=dropped[0][1])


def _listed(names: frozenset[str] | list[str]) -> str:
    return ", ".join(sorted(names)) or "none"
