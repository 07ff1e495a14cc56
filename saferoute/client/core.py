"""What both clients share: preparing calls, watching them, telling what can be called."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from saferoute.call.authority import Authority
from saferoute.call.balancing import Balancing
from saferoute.call.guard_rules import rules_under
from saferoute.call.operation_prepare import prepare_operation
from saferoute.call.prepare import prepare
from saferoute.call.recording import table_facts
from saferoute.call.snapshot import Snapshot
from saferoute.capabilities.authorise import reaches
from saferoute.client.scope import OwnBudget, held, own_budget
from saferoute.drivers.entropy import fraction, unique_id
from saferoute.errors import CapabilityForbidden, NoRoute, SaferouteError
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.local import why_not_local
from saferoute.values.permission import PresentedToken

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.call.authority import Powers
    from saferoute.call.flow import Call
    from saferoute.call.operation import OperationCall
    from saferoute.client.capability import Capability
    from saferoute.client.refusing import Recorded
    from saferoute.client.scope import Scope
    from saferoute.client.shared import Shared
    from saferoute.drivers.exchange import CallObserver
    from saferoute.providers.operations.contract import Operation, OperationRequest
    from saferoute.routing.table import RoutingTable
    from saferoute.secrets.credentials import Credentials
    from saferoute.values.account import AccountStore
    from saferoute.values.conversation import Messages
    from saferoute.values.options import Money
    from saferoute.values.output import JsonSchema, Output
    from saferoute.values.request import DataLabel
    from saferoute.values.template import Template

__all__ = ["Core", "RouteInfo", "as_html"]

R = TypeVar("R")

_MOST_PROFILES: Final = 256
"""Sets of guard profiles whose guards are kept ready."""


@dataclass(frozen=True, slots=True)
class RouteInfo:
    """A name that can be called.

    Attributes:
        name: what to pass as `route`; a name ending in "/*" stands for any model of that provider.
        targets: ids of the rows it may go to, in order.
        provider_name: who answers first.
        model: the model asked first; "*" for any.
        origin: where that request goes.
    """

    name: str
    targets: tuple[str, ...]
    provider_name: str
    model: str
    origin: str


class Core:
    """One client's view of what it shares with others: its scope. The facades add a driver and nothing else."""

    __slots__ = ("_accounts", "_recorder", "_snapshot", "scope", "shared")

    def __init__(self, shared: Shared, scope: Scope, accounts: Callable[[], AccountStore] | None = None) -> None:
        self.shared = shared
        self.scope = scope
        self._accounts = shared.store if accounts is None else accounts
        self._snapshot = self._taken()
        self._recorder = None if shared.ledger is None else _recorder()

    def _taken(self) -> Snapshot:
        shared, scope = self.shared, self.scope
        opened = shared.opened
        authority = Authority(
            shared.trust,
            opened.table.grant,
            opened.issuers,
            opened.root.version,
            opened.revoked,
            shared.audience,
            shared.instance,
            shared.chains,
            scope.held,
            scope.narrowed,
        )
        return Snapshot(
            opened,
            authority,
            self._accounts,
            scope.data,
            scope.purpose,
            time.time,
            shared.codec,
            fraction,
            shared.own_id,
            Balancing(health=shared.health_here(), clock=time.time),
            shared.limits,
            shared.in_force,
            scope.tags,
            shared.guards,
            lru_cache(_MOST_PROFILES)(partial(rules_under, shared.guards, opened.table.guard_profiles))
            if opened.table.guard_profiles
            else None,
            shared.writer(opened),
            table_facts(opened.table, shared.trust),
            shared.costs.add,
            shared.memory,
        )

    @property
    def snapshot(self) -> Snapshot:
        """What a call is prepared against: the table that is in place now."""
        shared = self.shared
        if self._snapshot.opened is not shared.opened or self._snapshot.plain.health is not shared.health_here():
            self._snapshot = self._taken()
        return self._snapshot

    @property
    def table(self) -> RoutingTable:
        """The verified table."""
        return self.shared.opened.table

    @property
    def trust(self) -> str:
        """How far the table's trust goes: "local" or "production"."""
        return self.shared.trust

    @property
    def credentials(self) -> Credentials:
        """The keys, ready to present."""
        return self.shared.credentials

    def narrowed(
        self,
        capability: Capability | None,
        data: DataLabel | None,
        purpose: str | None,
        budget: Money | None,
        tags: Mapping[str, str] | None = None,
    ) -> Core:
        """The core of a part of this client, that may do at most what it may.

        Raises:
            ConfigurationError: for what is no capability, label or purpose.
            CapabilityError: the capability does not verify, or is not valid now.
            RequestError: for what is no amount.
        """
        own = own_budget(budget, unique_id())
        accounts = self._accounts if own is None else OwnBudget(self._accounts, own)
        core = Core(self.shared, self.scope.within(capability, data, purpose, own).tagged(tags), accounts)
        if capability is not None:
            core.powers()  # a capability that is refused is told here, and not at the first call
        return core

    def powers(self) -> Powers:
        """What a call without a capability of its own is made under, now."""
        snapshot = self.snapshot
        return snapshot.authority.powers(None, str, snapshot.clock())

    def output(self, output: type[Any] | JsonSchema | None) -> Output | None:
        """What an answer must fit."""
        return self.shared.output(output)

    def call(
        self,
        route: str,
        messages: Messages,
        output: type[Any] | JsonSchema | None,
        system: str | Template | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Call:
        """Prepare one call."""
        try:
            return self.prepared(route, messages, output, system, options, stream=stream)
        except SaferouteError as error:
            raise self._refused(error, "chat", route, options) from None

    def prepared(
        self,
        route: str,
        messages: Messages,
        output: type[Any] | JsonSchema | None,
        system: str | Template | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Call:
        """Prepare one call, and tell nobody if it may not be made: for who only asks."""
        made = self.shared.output(output)
        if "capability" in options:
            options = _with_chain(options)
        return prepare(self.snapshot, route, messages, output=made, system=system, options=options, stream=stream)

    def observe(self, call: Call) -> CallObserver:
        """Start watching one call."""
        observer = self.shared.watch.over(call)
        return observer if call.recording is None or self._recorder is None else self._recorder(observer, call.recording)

    def operation(
        self, operation: Operation, route: str, make: Callable[[], OperationRequest], build: Callable[..., R], options: Mapping[str, Any]
    ) -> OperationCall[R]:
        """Prepare one operation besides chat; `make` checks its arguments."""
        try:
            request = make()
            if "capability" in options:
                options = _with_chain(options)
            return prepare_operation(self.snapshot, operation, route, request, build, options=options)
        except SaferouteError as error:
            raise self._refused(error, operation, route, options) from None

    def _refused(self, error: SaferouteError, operation: str, route: object, options: Mapping[str, Any]) -> SaferouteError:
        """The error of a call that was not made, with its receipt."""
        from saferoute.client.refusing import refused, tags_of  # noqa: PLC0415  calls that are not made only

        if isinstance(error, NoRoute):
            error = self._explained(error, route)
        tags = tags_of(self.scope.tags, options)
        error = refused(self, error, operation, route, options=options, tags=tags)
        self.shared.watch.refused(operation, route, error, tags)
        return error

    def _explained(self, error: NoRoute, route: object) -> NoRoute:
        """The error, with what to do if a local table lacks the route because no local table can have it."""
        if self.trust != "local" or not isinstance(route, str):
            return error
        provider = load_catalogue().provider(route.partition("/")[0])
        why = "" if provider is None else why_not_local(provider)
        return NoRoute(f"{error}. {why}") if why else error

    def observe_operation(self, call: OperationCall[Any]) -> CallObserver:
        """Start watching one operation."""
        observer = self.shared.watch.over(call)
        return observer if call.recording is None or self._recorder is None else self._recorder(observer, call.recording)

    def boundary(self) -> str:
        """A random text to part the fields of a form with."""
        return unique_id()

    def check_whole(self, what: str) -> None:
        """Refuse what only the whole client may be asked.

        Raises:
            CapabilityForbidden: this is a part of one.
        """
        if not self.scope.is_whole:
            msg = f"{what} is for the client itself, and this one is narrowed by using(): ask the client that it was made from"
            raise CapabilityForbidden(msg, code="scoped")

    def models(self) -> tuple[RouteInfo, ...]:
        """Every name that can be called with what this client holds; all of them, where calls bring capabilities of their own."""
        table = self.table
        listed = [(name, alias.targets) for name, alias in table.aliases.items()]
        listed += [(f"{name}/*" if row.model == "*" else name, (name,)) for name, row in table.routes.items()]
        found = [self._info(name, targets) for name, targets in listed]
        permissions = self.powers().permissions
        if not permissions:
            return tuple(found)
        models = [one.models for one in permissions if one.models is not None]
        allowed = sorted(frozenset.intersection(*models)) if models else []
        named = [self._info(f"{info.targets[0]}/{model}", (f"{info.targets[0]}/{model}",)) for info in found for model in allowed
                 if info.name.endswith("/*")]  # fmt: skip
        return tuple(info for info in (*found, *named) if all(self._may_reach(info, one) for one in permissions))

    def _may_reach(self, info: RouteInfo, permission: Any) -> bool:  # noqa: ANN401
        from saferoute.routing.resolve import resolve  # noqa: PLC0415  for people, not on the call path

        name = info.name.removesuffix("/*")
        rows = (self.table.routes[name],) if name in self.table.routes else resolve(self.table, info.name)
        return any(reaches(permission, name, row) for row in rows)

    def _info(self, name: str, targets: tuple[str, ...]) -> RouteInfo:
        from saferoute.routing.resolve import resolve  # noqa: PLC0415  for people, not on the call path

        first = self.table.routes.get(targets[0]) or resolve(self.table, targets[0])[0]
        return RouteInfo(name, targets, first.provider_name, first.model, first.origin)

    def describe(self, kind: str) -> str:
        """One line for `repr(client)`: which table, how far its trust goes, where keys come from. No key, no path."""
        table = self.table
        keys = ", ".join(self.shared.sources.labels) or "none"
        part = "" if self.scope.is_whole else ", narrowed"
        return f"{kind}(table={table.name!r} v{table.version}, trust={self.trust!r}, routes={len(table.routes)}, keys from {keys}{part})"


def _recorder() -> type[Recorded]:
    from saferoute.client.refusing import Recorded  # noqa: PLC0415  clients with a ledger only

    return Recorded


def _with_chain(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with a capability that this process holds as its chain; a call token stays a text."""
    given = options["capability"]
    if given is None:
        return {name: value for name, value in options.items() if name != "capability"}
    return {**options, "capability": PresentedToken(given) if isinstance(given, str) else held(given)}


def as_html(core: Core, kind: str) -> str:
    """What a notebook shows of a client: its trust, and the names that can be called."""
    from html import escape  # noqa: PLC0415  for notebooks

    cells = ((info.name, ", ".join(info.targets), info.model, info.origin) for info in core.models())
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    head = "<tr><th>route</th><th>goes to</th><th>model</th><th>origin</th></tr>"
    return f"<p><code>{escape(core.describe(kind))}</code></p><table>{head}{rows}</table>"
