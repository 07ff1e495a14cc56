"""What somebody may do: one value for the table's grant, an issuer's ceiling and a verified capability.

Permissions are only ever conjoined: every one that is in force must allow a call. None means that this permission says nothing about it;
an empty set allows nothing. No field widens what another permission allows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

from typing_extensions import override

if TYPE_CHECKING:
    from saferoute.values.limits import Quota
    from saferoute.values.request import DataLabel

__all__ = [
    "Budget",
    "Cost",
    "HeldCapability",
    "HeldChain",
    "Period",
    "Permission",
    "PresentedToken",
    "Scope",
    "data_rank",
    "scope_rank",
]

Period: TypeAlias = Literal["hour", "day", "week", "month"]
Scope: TypeAlias = Literal["process", "host", "cluster"]
"""How widely something is counted: in this process, by all processes of this host, by all hosts."""

_ORDER = ("public", "internal", "confidential", "restricted")
_SCOPES: tuple[str, ...] = get_args(Scope)


def data_rank(label: DataLabel) -> int:
    """Rank a data label: the higher, the more it must be protected."""
    return _ORDER.index(label)


def scope_rank(scope: Scope) -> int:
    """Rank a scope: the higher, the wider."""
    return _SCOPES.index(scope)


class HeldCapability(Protocol):
    """A capability whose private key this process holds: a `saferoute.Capability`."""

    @property
    def chain(self) -> str:
        """The chain's text; useless without the key."""

    @property
    def digest(self) -> str:
        """SHA-256 of that text, in hex."""


@dataclass(frozen=True, slots=True)
class HeldChain:
    """The chain of a capability whose private key this process holds."""

    text: str

    @override
    def __repr__(self) -> str:
        return "HeldChain(...)"


@dataclass(frozen=True, slots=True)
class PresentedToken:
    """A chain with a proof for one request, from whoever holds its key."""

    text: str

    @override
    def __repr__(self) -> str:
        return "PresentedToken(...)"


@dataclass(frozen=True, slots=True)
class Cost:
    """An amount of money.

    Attributes:
        amount: in nano-units of the currency.
        currency: three capital letters.
    """

    amount: int
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Budget:
    """What may be spent in all, and under which name it is counted.

    Attributes:
        key: whose account it is: the same text in every process that shares it, and of nobody else.
        limit: nano-units of `unit`, or calls.
        unit: a currency of three capital letters, or "calls"; a call here is one request to a provider.
        per: the window after which it begins anew, by the clock in UTC; None for the permission's whole life.
        expires_at: when nobody can use it any more, in seconds since the epoch: then it may be forgotten. None with `per`.
        owner: whose account it is, for messages; "" for the permission's source.
        replicas: how many processes share it, each counting for itself: each may spend that part of the limit.
    """

    key: str
    limit: int
    unit: str = "USD"
    per: Period | None = None
    expires_at: int | None = None
    owner: str = ""
    replicas: int = 1


@dataclass(frozen=True, slots=True)
class Permission:
    """What is allowed.

    Attributes:
        source: what it is, for messages: "the table's grant", "the capability 1f2e3d4c5b6a".
        operations: what may be done, such as "chat".
        routes: ids of rows that may answer; with `aliases`, also names that may be asked for.
        aliases: a name that is asked for counts, and not only the row that it leads to.
        models: models' own names at the provider.
        providers: GenAI names of providers.
        tools: tools that may be offered; an empty set allows none.
        purposes: what the call may be for; a call without a purpose is then refused.
        audience: who may make the call: names of clients (`Client(audience=...)`).
        regions: regions that a row may be in.
        guards: guards that must be active.
        data: highest data label that may be sent.
        max_input: bound on the input, in tokens.
        max_output: bound on output tokens.
        max_cost: bound on what one call may cost.
        stream: whether answers may be streamed.
        table_min: the oldest table version that it may be used with.
        requests: hashes of the requests that it is bound to; None for any.
        not_before: seconds since the epoch; it is not valid before.
        expires_at: seconds since the epoch; it is not valid from then on.
        scope: how widely budgets, calls, limits and nonces must be counted; None for "host" if there is anything to count.
        budgets: every account that each attempt is charged to.
        limits: every limit that each request must fit into.
    """

    source: str
    operations: frozenset[str] | None = None
    routes: frozenset[str] | None = None
    aliases: bool = False
    models: frozenset[str] | None = None
    providers: frozenset[str] | None = None
    tools: frozenset[str] | None = None
    purposes: frozenset[str] | None = None
    audience: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    guards: frozenset[str] = frozenset()
    data: DataLabel | None = None
    max_input: int | None = None
    max_output: int | None = None
    max_cost: Cost | None = None
    stream: bool = True
    table_min: int | None = None
    requests: frozenset[str] | None = None
    not_before: int | None = None
    expires_at: int | None = None
    scope: Scope | None = None
    budgets: tuple[Budget, ...] = ()
    limits: tuple[Quota, ...] = ()
