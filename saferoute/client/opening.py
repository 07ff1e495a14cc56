"""Opening clients: a signed table under a pinned root, or a table made in memory for what is here."""

from __future__ import annotations

import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from saferoute.call.rules import Rules, views_for
from saferoute.client.core import Core
from saferoute.client.observing import Watch
from saferoute.client.scope import Scope, held, own_budget
from saferoute.client.shared import Shared
from saferoute.drivers.entropy import unique_id
from saferoute.drivers.environment import forbid_local, present
from saferoute.drivers.secret_sources import open_sources
from saferoute.drivers.storage.trust_files import open_table
from saferoute.errors import ConfigurationError, LocalTrustWarning, SecretError, SecretNotFound, SecretStoreLocked
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.local import local_bundle, why_not_local
from saferoute.routing.trust import Trust, TrustFiles, verify_trust
from saferoute.secrets.sources import EnvironmentPlace, PromptPlace
from saferoute.values.server import Server

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from saferoute.client.capability import Capability, Issuer
    from saferoute.drivers.accounts import Accounts
    from saferoute.drivers.ledger import Ledger
    from saferoute.routing.catalogue import Catalogue, CatalogueProvider
    from saferoute.routing.opened import Opened
    from saferoute.secrets.lookup import Sources
    from saferoute.secrets.sources import SecretsSpec
    from saferoute.telemetry import Telemetry
    from saferoute.values.guarding import Guard
    from saferoute.values.options import Money
    from saferoute.values.request import DataLabel

__all__ = ["Wishes", "open_local", "open_production"]

_KEPT: Final = 200
"""Records that a client's own ledger has in memory: those of its last calls, for `explain`. Replies keep their receipts themselves."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a program asked of its client besides table and keys, unchecked.

    Attributes:
        data: label of calls that carry none of their own.
        capability: what every call is made under.
        budget: a budget of this process, in US dollars.
        audience: the client's name.
        accounts: where budgets are counted.
        telemetry: an OpenTelemetry tracer provider, TelemetryOptions, None or False.
        guards: what every call passes besides the guards that are on by default; None for none of these either.
        ledger: where calls are recorded: "memory", a `Ledger`, or None for nowhere.
        tags: words of the program about all calls.
        hooks: what hears of every call.
    """

    data: DataLabel | None = None
    capability: Capability | None = None
    budget: Money | None = None
    audience: str | None = None
    accounts: Accounts | None = None
    telemetry: Telemetry = None
    guards: Sequence[Guard] | None = ()
    ledger: Ledger | Literal["memory"] | None = "memory"
    tags: Mapping[str, str] | None = None
    hooks: Sequence[object] = ()


def open_production(table: str | Path, trust: Trust, secrets: SecretsSpec, state: str | Path | None, wishes: Wishes) -> Core:
    """Open a signed table under a pinned root.

    Raises:
        RoutingError: if the table does not verify.
        CapabilityError: if the capability does not, under the table's root.
        ConfigurationError: if a file cannot be read, or what was asked for makes no sense.
    """
    if not isinstance(trust, Trust):
        msg = f'trust= takes saferoute.Trust.pinned("root.json", sha256="..."), not {type(trust).__name__}'
        raise ConfigurationError(msg)

    def opened() -> Opened:
        return open_table(table, trust, time.time(), state=state)

    first = opened()
    sources = open_sources(secrets, _environment(load_catalogue()))
    shared = Shared(
        first,
        "production",
        sources,
        watch=Watch(wishes.telemetry, wishes.hooks),
        audience=_audience(wishes.audience),
        accounts=_accounts(wishes.accounts),
        reopen=opened,
        places={"table": str(table), "root": trust.path},
        guards=_rules(wishes.guards, enforce=True),
        ledger=_ledger(wishes.ledger),
    )
    return _core(shared, wishes)


def open_local(secrets: SecretsSpec, servers: Sequence[Server], issuers: Sequence[Issuer], wishes: Wishes) -> Core:
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
    named = [(issuer.name, issuer.public_key) for issuer in issuers]
    bundle = local_bundle(found, servers, now, issuers=named)
    opened = verify_trust(TrustFiles(bundle.root, bundle.bundle), bundle.sha256, now, allow_local=True)
    notes = " ".join(sources.notes)
    warnings.warn(
        f"saferoute: this client trusts a routing table made in memory for {', '.join([*found, *(server.name for server in servers)])}; "
        f"fine for prototypes, for production sign one (saferoute init). {notes}".strip(),
        LocalTrustWarning,
        stacklevel=3,
    )
    shared = Shared(
        opened,
        "local",
        sources,
        watch=Watch(wishes.telemetry, wishes.hooks),
        audience=_audience(wishes.audience),
        accounts=_accounts(wishes.accounts),
        guards=_rules(wishes.guards, enforce=False),
        ledger=_ledger(wishes.ledger),
    )
    return _core(shared, wishes)


def _rules(guards: Sequence[Guard] | None, *, enforce: bool) -> Rules:
    if guards is None:
        return Rules()
    from saferoute.guards.defaults import guards_with_defaults  # noqa: PLC0415  their tables are loaded by who makes a client

    active = guards_with_defaults(guards, enforce=enforce)
    return Rules(active, views=views_for(active))


def _ledger(ledger: Ledger | Literal["memory"] | None) -> Ledger | None:
    """Where calls are recorded."""
    if ledger is None:
        return None
    from saferoute.drivers.ledger import Ledger  # noqa: PLC0415  clients with a ledger only

    if isinstance(ledger, str) and ledger == "memory":
        return Ledger.memory(_KEPT)
    if not isinstance(ledger, Ledger):
        msg = f'ledger= takes saferoute.Ledger.directory("audit") or one of its kin, "memory" or None, not {type(ledger).__name__}'
        raise ConfigurationError(msg)
    return ledger


def _core(shared: Shared, wishes: Wishes) -> Core:
    budget = own_budget(wishes.budget, unique_id())
    scope = Scope(
        data=wishes.data,
        held=() if wishes.capability is None else (held(wishes.capability),),
        narrowed=() if budget is None else (budget,),
    ).tagged(wishes.tags)
    core = Core(shared, scope)
    if scope.held:
        core.powers()  # a capability that is refused is told here, and not at the first call
    return core


def _audience(audience: str | None) -> str | None:
    if audience is not None and (not isinstance(audience, str) or not audience):
        msg = 'audience= takes this client\'s name as capabilities write it, such as "billing"'
        raise ConfigurationError(msg)
    return audience


def _accounts(accounts: Accounts | None) -> Accounts | None:
    if accounts is not None:
        from saferoute.drivers.accounts import Accounts  # noqa: PLC0415  only who names some pays for it

        if not isinstance(accounts, Accounts):
            msg = f"accounts= takes saferoute.Accounts.sqlite(path) or one of its kin, not {type(accounts).__name__}"
            raise ConfigurationError(msg)
    return accounts


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
        return [by_secret[name] for name in sources.holding(by_secret)]
    except SecretStoreLocked:
        if not optional:
            raise
        return []  # the servers need no key from a store; a locked one is no reason to refuse them
