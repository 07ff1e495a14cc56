"""What both clients share: opening a table, opening the key sources, preparing calls, watching them."""

from __future__ import annotations

import logging
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, get_args

from saferoute.call.operation_prepare import prepare_operation
from saferoute.call.prepare import Snapshot, prepare
from saferoute.drivers.entropy import fraction, unique_id
from saferoute.drivers.environment import forbid_local, present
from saferoute.drivers.secret_sources import open_sources
from saferoute.drivers.storage.trust_files import open_table
from saferoute.errors import ConfigurationError, LocalTrustWarning, NoRoute, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.providers.registry import codec_for
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.local import local_bundle, why_not_local
from saferoute.routing.trust import Trust, verify_bundle
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.sources import EnvironmentPlace, PromptPlace
from saferoute.telemetry import CallSpan, start_operation_span, start_span
from saferoute.values.output import output_from
from saferoute.values.request import DataLabel
from saferoute.values.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from saferoute.call.flow import Call
    from saferoute.call.operation import OperationCall
    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import Operation, OperationRequest
    from saferoute.routing.catalogue import Catalogue, CatalogueProvider
    from saferoute.routing.table import RoutingTable
    from saferoute.secrets.lookup import Sources
    from saferoute.secrets.sources import SecretsSpec
    from saferoute.telemetry import Telemetry
    from saferoute.values.conversation import Messages
    from saferoute.values.output import JsonSchema, Output
    from saferoute.values.reply import Reply
    from saferoute.values.target import Dialect

__all__ = ["Core", "RouteInfo", "as_html", "open_local", "open_production"]

R = TypeVar("R")

_log = logging.getLogger("saferoute")
_MOST_OUTPUTS: Final = 256


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


class Observer:
    """Hears how a call ended: ends its span, if there is one, and logs one line without content."""

    __slots__ = ("_call", "_span")

    def __init__(self, call: Call, span: CallSpan | None) -> None:
        self._call = call
        self._span = span

    def finish(self, reply: Reply[Any]) -> None:
        """The call has a reply."""
        if self._span is not None:
            self._span.finish(reply)
        if _log.isEnabledFor(logging.DEBUG):
            usage = reply.usage
            counts = (usage.input_tokens, usage.output_tokens)
            _log.debug("saferoute: %s answered by %s (%s), tokens %s", reply.route, reply.target, reply.model, counts)

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""
        if self._span is not None:
            self._span.fail(error)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("saferoute: %s ended with %s", self._call.route, type(error).__name__)


class OperationObserver:
    """Hears how an operation ended: ends its span, if there is one, and logs one line without content."""

    __slots__ = ("_call", "_span")

    def __init__(self, call: OperationCall[Any], span: CallSpan | None) -> None:
        self._call = call
        self._span = span

    def finish(self, reply: object) -> None:
        """The operation has a result."""
        if self._span is not None:
            self._span.finish_operation(reply)
        _log.debug("saferoute: %s on %s done", self._call.operation, self._call.route)

    def fail(self, error: BaseException) -> None:
        """The operation ended without one."""
        if self._span is not None:
            self._span.fail(error)
        _log.debug("saferoute: %s on %s ended with %s", self._call.operation, self._call.route, type(error).__name__)


def _check_kinds(data: object, telemetry: object) -> None:
    if data is not None and data not in get_args(DataLabel):
        msg = f"data={data!r} is no data label; they are {', '.join(get_args(DataLabel))}"
        raise ConfigurationError(msg)
    if telemetry is not None and telemetry is not False and not hasattr(telemetry, "get_tracer"):
        msg = f"telemetry= takes an OpenTelemetry TracerProvider, None or False, not {type(telemetry).__name__}"
        raise ConfigurationError(msg)


class Core:
    """One client's table, keys and defaults. The facades add a driver and nothing else."""

    __slots__ = ("_codecs", "_outputs", "_snapshot", "credentials", "sources", "telemetry")

    def __init__(
        self, table: RoutingTable, trust: Literal["local", "production"], sources: Sources, data: DataLabel | None, telemetry: Telemetry
    ) -> None:
        _check_kinds(data, telemetry)
        self._codecs: dict[Dialect, Codec] = {}
        self._outputs: dict[type[Any], Output] = {}
        permissions = () if table.grant is None else (table.grant,)
        self._snapshot = Snapshot(table, trust, data, permissions, table.name, None, self._codec, fraction, unique_id)
        self.sources = sources
        self.credentials = Credentials(sources, table.credentials)
        self.telemetry = telemetry

    @property
    def table(self) -> RoutingTable:
        """The verified table."""
        return self._snapshot.table

    @property
    def trust(self) -> str:
        """How far the table's trust goes: "local" or "production"."""
        return self._snapshot.trust

    def _codec(self, dialect: Dialect) -> Codec:
        codec = self._codecs.get(dialect)
        if codec is None:
            codec = self._codecs[dialect] = codec_for(dialect)
        return codec

    def output(self, output: type[Any] | JsonSchema | None) -> Output | None:
        """What an answer must fit; of a class, made once."""
        if output is None:
            return None
        if not isinstance(output, type):
            return output_from(output)
        made = self._outputs.get(output)  # a model's schema costs more to make than a call
        if made is None:
            if len(self._outputs) >= _MOST_OUTPUTS:  # classes made anew for every call must not pile up
                self._outputs.clear()
            made = self._outputs[output] = output_from(output)
        return made

    def call(
        self,
        route: str,
        messages: Messages,
        output: type[Any] | JsonSchema | None,
        system: str | None,
        options: Mapping[str, Any],
        *,
        stream: bool,
    ) -> Call:
        """Prepare one call."""
        made = self.output(output)
        try:
            return prepare(self._snapshot, route, messages, output=made, system=system, options=options, stream=stream, now=time.time())
        except NoRoute as error:
            raise self._explained(error, route) from None

    def observe(self, call: Call) -> Observer:
        """Start watching one call."""
        return Observer(call, start_span(self.telemetry, call.route, call.request, call.targets[0]))

    def operation(
        self, operation: Operation, route: str, request: OperationRequest, build: Callable[..., R], options: Mapping[str, Any]
    ) -> OperationCall[R]:
        """Prepare one operation besides chat."""
        try:
            return prepare_operation(self._snapshot, operation, route, request, build, options=options, now=time.time())
        except NoRoute as error:
            raise self._explained(error, route) from None

    def _explained(self, error: NoRoute, route: object) -> NoRoute:
        """The error, with what to do if a local table lacks the route because no local table can have it."""
        if self.trust != "local" or not isinstance(route, str):
            return error
        provider = load_catalogue().provider(route.partition("/")[0])
        why = "" if provider is None else why_not_local(provider)
        return NoRoute(f"{error}. {why}") if why else error

    def observe_operation(self, call: OperationCall[Any]) -> OperationObserver:
        """Start watching one operation."""
        return OperationObserver(call, start_operation_span(self.telemetry, call.operation, call.route, call.targets[0]))

    def boundary(self) -> str:
        """A random text to part the fields of a form with."""
        return self._snapshot.new_id()

    def models(self) -> tuple[RouteInfo, ...]:
        """Every name that can be called."""
        table = self.table
        listed = [(name, alias.targets) for name, alias in table.aliases.items()]
        listed += [(f"{name}/*" if row.model == "*" else name, (name,)) for name, row in table.routes.items()]
        return tuple(self._info(name, targets) for name, targets in listed)

    def _info(self, name: str, targets: tuple[str, ...]) -> RouteInfo:
        from saferoute.routing.resolve import resolve  # noqa: PLC0415  for people, not on the call path

        first = self.table.routes.get(targets[0]) or resolve(self.table, targets[0])[0]
        return RouteInfo(name, targets, first.provider_name, first.model, first.origin)

    def describe(self, kind: str) -> str:
        """One line for `repr(client)`: which table, how far its trust goes, where keys come from. No key, no path."""
        table = self.table
        keys = ", ".join(self.sources.labels) or "none"
        return f"{kind}(table={table.name!r} v{table.version}, trust={self.trust!r}, routes={len(table.routes)}, keys from {keys})"


def as_html(core: Core, kind: str) -> str:
    """What a notebook shows of a client: its trust, and the names that can be called."""
    from html import escape  # noqa: PLC0415  for notebooks

    cells = ((info.name, ", ".join(info.targets), info.model, info.origin) for info in core.models())
    rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
    head = "<tr><th>route</th><th>goes to</th><th>model</th><th>origin</th></tr>"
    return f"<p><code>{escape(core.describe(kind))}</code></p><table>{head}{rows}</table>"


def open_production(table: str | Path, trust: Trust, secrets: SecretsSpec, data: DataLabel | None, telemetry: Telemetry) -> Core:
    """Open a signed table under a pinned root.

    Raises:
        RoutingError: if the table does not verify.
        ConfigurationError: if a file cannot be read, or the key sources make no sense.
    """
    if not isinstance(trust, Trust):
        msg = f'trust= takes saferoute.Trust.pinned("root.json", sha256="..."), not {type(trust).__name__}'
        raise ConfigurationError(msg)
    verified = open_table(table, trust, time.time())
    return Core(verified, "production", open_sources(secrets, _environment(load_catalogue())), data, telemetry)


def open_local(secrets: SecretsSpec, servers: Sequence[Server], data: DataLabel | None, telemetry: Telemetry) -> Core:
    """Make a table in memory for whichever providers have a key here, and verify it like any other.

    Raises:
        ConfigurationError: where SAFEROUTE_FORBID_LOCAL is set.
        SecretNotFound: if there is neither a key nor a server; the message lists the ways to add one.
    """
    if forbid_local():
        msg = "Client.local() is forbidden here (SAFEROUTE_FORBID_LOCAL is set): use Client(table=..., trust=Trust.pinned(...))"
        raise ConfigurationError(msg)
    if not isinstance(servers, list | tuple) or not all(isinstance(server, Server) for server in servers):
        msg = 'servers= takes a list of servers, such as [saferoute.loopback("llama", port=8080)]'
        raise ConfigurationError(msg)
    catalogue = load_catalogue()
    sources = open_sources(secrets, _environment(catalogue))
    found = _providers_with_keys(catalogue, sources, optional=bool(servers), one=secrets == "prompt")
    if not found and not servers:
        missing = sources.missing(*(provider.secret for provider in catalogue.common))
        keyed = _keyed_but_not_local(catalogue, sources)
        raise SecretNotFound(f"{missing} There is a key for {keyed.name}, and {why_not_local(keyed)}.") if keyed else missing
    now = time.time()
    bundle = local_bundle(found, servers, now)
    table = verify_bundle(bundle.root, bundle.sha256, bundle.bundle, now, allow_local=True)
    notes = " ".join(sources.notes)
    warnings.warn(
        f"saferoute: this client trusts a routing table made in memory for {', '.join([*found, *(server.name for server in servers)])}; "
        f"fine for prototypes, for production sign one (saferoute init). {notes}".strip(),
        LocalTrustWarning,
        stacklevel=3,
    )
    return Core(table, "local", sources, data, telemetry)


def _environment(catalogue: Catalogue) -> dict[str, tuple[Sequence[str], str]]:
    return {provider.secret: (provider.environment, provider.origin) for provider in catalogue.providers}


def _keyed_but_not_local(catalogue: Catalogue, sources: Sources) -> CatalogueProvider | None:
    """The first provider that has a key here and that no local table can have; nobody is asked for one."""
    labels = sources.labels
    for provider in catalogue.entries:
        if not provider.parameters:
            continue
        if EnvironmentPlace().label in labels and present(provider.environment):
            return provider
        try:
            if PromptPlace().label not in labels and sources.find(provider.secret) is not None:
                return provider
        except SecretError:
            continue
    return None


def _providers_with_keys(catalogue: Catalogue, sources: Sources, *, optional: bool, one: bool) -> list[str]:
    by_secret = {provider.secret: provider.name for provider in catalogue.providers}
    try:
        if one:  # nobody wants to be asked for the key of every provider
            first = sources.first_of(provider.secret for provider in catalogue.common)
            return [by_secret[first]] if first is not None else []
        return [name for secret, name in by_secret.items() if sources.find(secret) is not None]
    except SecretStoreLocked:
        if not optional:
            raise
        return []  # the servers need no key from a store; a locked one is no reason to refuse them
