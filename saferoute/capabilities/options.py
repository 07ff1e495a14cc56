"""The keywords of `Capability.mint`, `attenuate` and `delegate`: one list for types, run-time refusal and documentation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, TypedDict

from saferoute.capabilities.caveats import OPERATIONS, Claims, read_claim
from saferoute.errors import RequestError, UnknownOption
from saferoute.values.amounts import amount, amount_per

if TYPE_CHECKING:
    from saferoute.signing.strict_json import StrictJson
    from saferoute.values.options import Money
    from saferoute.values.permission import Scope
    from saferoute.values.request import DataLabel

__all__ = ["Caveats", "Narrowing", "claims_from"]


class Caveats(TypedDict, total=False):
    """What a capability can be bounded by, all by keyword, all optional; what is not said is not bounded by it.

    Attributes:
        operations: what may be done: "chat", "embed" and so on.
        routes: ids of the table's rows that may answer.
        tools: tools that may be offered; an empty list allows none.
        budget: what may be spent in all, "$5", or in each window, "$5/day"; a Decimal is in US dollars.
        calls: how many requests may be sent to providers.
        requests_per_minute: how many requests may be sent to providers in any 60 seconds.
        tokens_per_minute: how many tokens they may have in any 60 seconds, input and output together.
        concurrent: how many requests may be under way at once.
        max_cost: what one call may cost.
        max_output_tokens: bound on the output of one call.
        max_input_tokens: bound on the input of one call.
        data: highest data label that may be sent.
        regions: regions that a row may be in.
        guards: guards that must be active.
        max_depth: how many blocks the chain may have: 1 for no attenuation at all.
        purpose: what calls may be for, one or several.
        not_before: when it begins: an aware datetime, or seconds since the epoch.
        stream: False forbids streaming.
        table_min: the oldest version of the routing table that it may be used with.
        requests: asked hashes of the only requests that it is good for.
        scope: how widely budgets, calls, limits and nonces are counted: "process", "host" or "cluster".
        now: the time, in seconds since the epoch; the clock's if it is not given.
    """

    operations: str | Iterable[str]
    routes: str | Iterable[str]
    tools: str | Iterable[str]
    budget: Money
    calls: int
    requests_per_minute: int
    tokens_per_minute: int
    concurrent: int
    max_cost: Money
    max_output_tokens: int
    max_input_tokens: int
    data: DataLabel
    regions: str | Iterable[str]
    guards: str | Iterable[str]
    max_depth: int
    purpose: str | Iterable[str]
    not_before: datetime | int
    stream: bool
    table_min: int
    requests: str | Iterable[str]
    scope: Scope
    now: float


class Narrowing(Caveats, total=False):
    """The keywords of `attenuate` and `delegate`: each narrows, and none widens.

    Attributes:
        audience: names of the clients that may be called: `Client(audience=...)`.
        expires_in: how long from now it lives: seconds, or a timedelta.
        models: models' own names at their providers.
        providers: names of providers.
    """

    audience: str | Iterable[str]
    expires_in: float | timedelta
    models: str | Iterable[str]
    providers: str | Iterable[str]


def claims_from(options: Mapping[str, Any], now: float, **issued: str) -> Claims:
    """Turn keywords into a block's claims.

    Args:
        options: as the caller wrote them; None says nothing.
        now: the time, in seconds since the epoch; an expiry is counted from it.
        issued: `iss` and `jti`, for an issuer's block.

    Raises:
        UnknownOption: for a keyword that there is not.
        RequestError: for a value of another type or form.
        TypeError: for money as a float.
    """
    fields: dict[str, Any] = {}
    said: list[tuple[str, str, StrictJson]] = [(claim, claim, value) for claim, value in issued.items()]
    if issued:
        said.append(("now", "iat", int(now)))
    for name, value in options.items():
        if name == "now" or value is None:
            continue
        if name not in _OPTIONS:
            raise UnknownOption(f"{name!r} is nothing that bounds a capability; what does: {', '.join(sorted(_OPTIONS))}")
        claim, convert = _OPTIONS[name]
        said.append((name, claim, convert(value, name, now)))
    for name, claim, value in said:
        try:
            field, fields_value = read_claim(claim, value)
        except ValueError as wrong:
            raise RequestError(f"{name} must be {wrong}") from None
        fields[field] = fields_value
    return Claims(**fields)


def _listed(value: Any, name: str, _: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping | bytes) or not isinstance(value, Iterable):
        raise RequestError(f"{name} must be a str or several, not {type(value).__name__}")
    names = list(value)
    return sorted(set(names)) if all(isinstance(item, str) for item in names) else names


def _operations(value: Any, name: str, now: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    names = _listed(value, name, now)
    if isinstance(names, list) and any(item not in OPERATIONS for item in names):
        raise RequestError(f"{name} must be of {', '.join(OPERATIONS)}")
    return names


def _plain(value: Any, _: str, __: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    made: StrictJson = value
    return made


def _cost(value: Any, name: str, _: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    nano, currency = amount(value, name)
    return {"amount": nano, "currency": currency}


def _budget(value: Any, name: str, _: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    nano, currency, per = amount_per(value, name)
    made: dict[str, StrictJson] = {"amount": nano, "currency": currency}
    return made if per is None else {**made, "per": per}


def _lifetime(value: Any, name: str, now: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    seconds = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 1 <= seconds <= _LONGEST:
        raise RequestError(f"{name} must be seconds, at least 1, or a timedelta")
    return int(now) + int(seconds)


def _moment(value: Any, name: str, _: float) -> StrictJson:  # noqa: ANN401  whatever the caller wrote
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise RequestError(f"{name} must be a datetime with a time zone, or seconds since the epoch")
        return int(value.timestamp())
    return _plain(value, name, 0)


_LONGEST: Final = 10 * 366 * 86_400
_OPTIONS: Final[Mapping[str, tuple[str, Callable[[Any, str, float], StrictJson]]]] = {
    "audience": ("aud", _listed),
    "expires_in": ("exp", _lifetime),
    "models": ("models", _listed),
    "providers": ("providers", _listed),
    "operations": ("ops", _operations),
    "routes": ("routes", _listed),
    "tools": ("tools", _listed),
    "budget": ("budget", _budget),
    "calls": ("calls", _plain),
    "requests_per_minute": ("rpm", _plain),
    "tokens_per_minute": ("tpm", _plain),
    "concurrent": ("concurrent", _plain),
    "max_cost": ("max_cost", _cost),
    "max_output_tokens": ("max_out", _plain),
    "max_input_tokens": ("max_in", _plain),
    "data": ("data", _plain),
    "regions": ("regions", _listed),
    "guards": ("guards", _listed),
    "max_depth": ("depth", _plain),
    "purpose": ("purpose", _listed),
    "not_before": ("nbf", _moment),
    "stream": ("stream", _plain),
    "table_min": ("table_min", _plain),
    "requests": ("req", _listed),
    "scope": ("scope", _plain),
}
