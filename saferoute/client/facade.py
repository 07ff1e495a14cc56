"""What both clients offer besides calls: narrowed parts of themselves, what may be called, how budgets stand."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from saferoute.capabilities.accounts import accounts_of, check_scope, in_words, merged
from saferoute.client.core import as_html
from saferoute.errors import CapabilityError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from typing_extensions import Unpack

    from saferoute.client.capability import Capability
    from saferoute.client.core import Core, RouteInfo
    from saferoute.values.costs import Costs
    from saferoute.values.health_report import HealthReport
    from saferoute.values.options import CallOptions, Money
    from saferoute.values.receipt import Receipt
    from saferoute.values.report import Report
    from saferoute.values.request import DataLabel

__all__ = ["Facade", "Remaining"]


@dataclass(frozen=True, slots=True)
class Remaining:
    """How one budget stands.

    Attributes:
        owner: whose it is, in words.
        unit: a currency, whose amounts are in nano-units (a thousand millionth), or "calls".
        limit: the budget.
        spent: what has been settled.
        reserved: what is held back: calls under way, and calls whose process died.
        left: what a call may still take; never below 0.
    """

    owner: str
    unit: str
    limit: int
    spent: int
    reserved: int
    left: int

    @override
    def __str__(self) -> str:
        return f"{self.owner}: {in_words(self.left, self.unit)} of {in_words(self.limit, self.unit)} left"


class Facade:
    """The part of a client that needs no driver."""

    __slots__ = ("__weakref__", "_background", "_closed", "_connected", "_core", "_parent", "_transport")

    _background: Any
    _connected: Callable[[], int]
    _core: Core
    _closed: bool
    _parent: Facade | None
    _transport: Any

    def using(
        self,
        capability: Capability | None = None,
        *,
        data: DataLabel | None = None,
        purpose: str | None = None,
        budget: Money | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> Self:
        """Make a part of this client for one caller, task or sub-agent: it may do at most what this one may.

        It shares table, keys and connections with this one; closing it closes nothing. Capabilities of both are conjoined: each must
        allow a call, and each is charged. Within one process this is least privilege for honest code, and no isolation.

        Args:
            capability: what its calls are made under as well.
            data: label of calls that carry none of their own. It says what the calls hold, and bounds nothing: what bounds the label
                is a capability with `data`, and the table.
            purpose: what the calls are for, which capabilities may ask for; once set, it stays.
            budget: what its calls may cost in all, in US dollars, counted in this process.
            tags: words of yours about its calls, such as {"tenant": "acme"}, on top of those that are set; aliases may choose rows by them.

        Raises:
            CapabilityError: the capability does not verify under the table's root, or is not valid now.
            ConfigurationError: for what is no capability or label, and for another purpose than the one that is set.
            RequestError: for what is no amount.

        Example:
            >>> import warnings, saferoute
            >>> from saferoute.testing import EmbeddedProvider
            >>> with EmbeddedProvider() as provider, warnings.catch_warnings(action="ignore"):
            ...     with saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as client:
            ...         with client.using(data="internal", purpose="support") as support:
            ...             support.chat("demo/any-model", "hello").finish_reason
            'stop'
        """
        part = type(self).__new__(type(self))
        part._core = self._core.narrowed(capability, data, purpose, budget, tags)  # noqa: SLF001  its own class
        part._transport = self._transport  # noqa: SLF001  its own class
        part._background = self._background  # noqa: SLF001  its own class
        part._parent = self  # noqa: SLF001  its own class; and this one is not dropped while the part is in use
        part._closed = False  # noqa: SLF001  its own class
        return part

    def models(self) -> tuple[RouteInfo, ...]:
        """Every name that can be passed as `route`, with what this client holds."""
        return self._core.models()

    def costs(self, by: str = "route") -> Costs:
        """Say what the calls of this process have cost so far, as far as providers reported it; print it, or show it in a notebook.

        A part of this client that has a capability is shown the calls made under it, and under what was derived from it.

        Args:
            by: "route", "model", "target", "capability", "day" or "tag:NAME".

        Raises:
            UnknownOption: for another `by`.
            CapabilityForbidden: this is a part of a client, and has no capability of its own.
        """
        core = self._core
        if core.scope.is_whole:
            return core.shared.costs.costs(by)
        within = [core.snapshot.authority.digest(one) for one in core.scope.held]
        if not within:
            core.check_whole("costs")
        return core.shared.costs.costs(by, within=within)

    def _explain(self, receipt: Receipt | str) -> str:
        from saferoute.client.explaining import explain  # noqa: PLC0415  only who asks pays for it

        return explain(self._core, receipt)

    def health(self) -> HealthReport:
        """How the rows of the table are doing, as this client and all its parts have seen them: breakers, waits, latencies, load.

        It is no part of the signed table, and can only choose among its rows. Print it, or show it in a notebook. A part of a client
        is shown the rows that its calls may reach.
        """
        from saferoute.values.health_report import HealthReport  # noqa: PLC0415  only who asks pays for it

        table = self._core.table
        ids = {name for info in self._core.models() for name in info.targets}
        rows = [row for row in table.routes.values() if self._core.scope.is_whole or row.id in ids]
        return HealthReport(self._core.shared.health_here().shown(rows, time.monotonic()))

    def _beside(self) -> Any:  # noqa: ANN401  each driver has its own
        """What runs beside calls."""
        return self._background

    def allows(self, route: str, **options: Unpack[CallOptions]) -> bool:
        """Whether a chat with these options would be allowed now, as far as table, capabilities and labels go.

        Nothing is sent, and no budget is looked at. The reason is in the error that the call itself raises.

        Raises:
            RequestError: for arguments that make no call.
            RoutingError: for an expired table or an unknown route.
        """
        try:
            self._core.prepared(route, "?", None, None, options, stream=False)
        except CapabilityError:
            return False
        return True

    @property
    def audience(self) -> str:
        """This client's name, as capabilities write it; the table's name unless `Client(audience=...)` says another."""
        return self._core.shared.audience

    @property
    def instance(self) -> str:
        """This process's random id, for proofs of capabilities that are counted in one process (`Capability.prove(instance=...)`)."""
        return self._core.shared.instance()

    def security_report(self) -> Report:
        """Say what this client's security rests on: trust, budgets, keys, files, environment, host. Reads no key, sends nothing.

        Returns:
            Findings, the most urgent first; print it, show it in a notebook, or take `to_json()`.

        Raises:
            CapabilityForbidden: this client is narrowed.
        """
        from saferoute.client.report import security_report  # noqa: PLC0415  only who asks for a report pays for it

        return security_report(self._core)

    def _check(self, routes: Sequence[str] | None, *, connect: bool) -> Report:
        from saferoute.client.report import readiness  # noqa: PLC0415  only who asks for a report pays for it
        from saferoute.drivers.reaching import reach  # noqa: PLC0415  only who asks for a report pays for it

        self._core.check_whole("check")
        return readiness(self._core, routes, reach if connect else None)

    def _remaining(self) -> tuple[Remaining, ...]:
        powers, now = self._core.powers(), self._core.snapshot.clock()
        counted = [permission for permission in powers.permissions if permission.budgets]
        if not counted:
            return ()
        store = self._core.shared.store()
        for permission in counted:
            check_scope(permission, store.scope)
        standing = []
        for account in merged(account for permission in counted for account in accounts_of(permission, now)):
            balance = store.balance(account)
            left = max(0, account.limit - balance.spent - balance.reserved)
            standing.append(Remaining(account.owner, account.unit, account.limit, balance.spent, balance.reserved, left))
        return tuple(standing)

    def _dropped(self) -> bool:
        """Whether this client was dropped without being closed, and is its own to close; then it warns, if connections are open."""
        if getattr(self, "_closed", True) or self._parent is not None:
            return False
        if self._connected():
            text = f"{self!r} was dropped with open connections: use `with`, or call close()"
            warnings.warn(text, ResourceWarning, stacklevel=3)
        return True

    def _end(self) -> bool:
        """Note that this client is closed; say whether connections and accounts are its own to close."""
        self._closed = True
        return self._parent is None

    def _reload(self) -> None:
        self._core.check_whole("reload")
        self._core.shared.reload()

    @override
    def __repr__(self) -> str:
        kind = type(self).__name__
        return self._core.describe(kind) if hasattr(self, "_core") else f"{kind}(not open)"  # a traceback may show one that did not open

    def _repr_html_(self) -> str:
        return as_html(self._core, type(self).__name__)
