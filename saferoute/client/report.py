"""What a client says about its security, and whether it is ready to be called."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from saferoute.capabilities.accounts import accounts_of, check_scope
from saferoute.capabilities.quotas import check_limit_scope
from saferoute.drivers.host_survey import loose_modes, survey
from saferoute.errors import ConfigurationError, GuardFailed, RoutingError, SaferouteError, SecretError
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.policies import rows_beyond
from saferoute.routing.resolve import resolve
from saferoute.routing.table import show_time
from saferoute.values.report import Finding, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from saferoute.client.core import Core
    from saferoute.values.permission import Permission
    from saferoute.values.report import Area, Level
    from saferoute.values.target import Target

__all__ = ["readiness", "security_report"]

_ROLLBACK = {
    "state": "older tables are refused: the newest one that was accepted is remembered",
    "min_table_version": "tables older than the pinned least version are refused; nothing else is remembered",
    "none": "an older table is taken until it expires: nothing is remembered",
}


def security_report(core: Core) -> Report:
    """Look at everything that this client's security rests on. Reads no key, sends nothing.

    Raises:
        CapabilityForbidden: this client is narrowed.
    """
    core.check_whole("security_report")
    now, halted = time.time(), core.shared.opened.halted
    findings = [
        *_trust(core, now),
        *_permissions(core),
        *_accounts(core),
        *_routes(core.table.routes.values()),
        *_guarded(core, (row for row in core.table.routes.values() if row.id not in halted)),
        *_keys(core),
        *_receipts(core),
        *_files(core),
        *_surroundings(),
    ]
    return Report("saferoute: security report", _facts(core), tuple(findings))


def readiness(core: Core, routes: Sequence[str] | None, reach: Callable[[Target], str] | None) -> Report:
    """Whether calls could be made now: the table is valid, the routes resolve, their keys are there, and their hosts answer.

    Args:
        core: the client's.
        routes: the names that must work; None for every row that the status does not halt: what somebody halted on purpose is no reason
            to take the other rows' callers down too.
        reach: connects to a row's origin and says what is wrong, or ""; None connects to nobody.
    """
    found = [*_valid(core), *_allowed(core)]
    rows: dict[str, Target] = {}
    halted = core.shared.opened.halted
    names = [name for name in core.table.routes if name not in halted] if routes is None else routes
    if routes is None and not names:
        found.append(Finding("problem", "routes", "the status halts every row: no call goes anywhere"))
    for name in names:
        try:
            rows |= {row.id: row for row in _rows(core, name)}
        except SaferouteError as error:
            found.append(Finding("problem", "routes", f"{name}: {error}"))
    found += _guarded(core, rows.values())
    for row in rows.values():
        found += _ready(core, row)
        if reach is not None:
            why = reach(row)
            found.append(Finding("problem" if why else "ok", "routes", f"{row.id}: {why or f'{row.origin} answers'}"))
    return Report("saferoute: ready?", {"table": core.table.name, "version": core.table.version, "rows": len(rows)}, tuple(found))


def _valid(core: Core) -> Iterator[Finding]:
    now = time.time()
    try:
        core.shared.opened.check(now)
    except RoutingError as error:
        yield Finding("problem", "trust", str(error))
    for note in core.shared.opened.notes(now):
        yield Finding("warning", "trust", note)


def _allowed(core: Core) -> Iterator[Finding]:
    """Whether a call of this client could be allowed and counted at all, whichever row it goes to."""
    try:
        powers, store, active = core.powers(), core.shared.store(), _active(core)
        for permission in powers.permissions:
            if permission.limits:
                check_limit_scope(permission, core.shared.limits().scope)
            for account in accounts_of(permission, time.time()):
                check_scope(permission, store.scope)
                store.balance(account)
            for wanted, given, what in (
                (permission.audience, core.shared.audience, "audience"),
                (permission.purposes, core.scope.purpose, "purpose"),
            ):
                if wanted is not None and given not in wanted:
                    text = f"{permission.source} is for the {what} {', '.join(sorted(wanted))}, and this client's is {given or 'not set'}"
                    yield Finding("problem", "permissions", f"{text}: say Client(audience=...) or client.using(purpose=...)")
            missing = (permission.guards or frozenset()) - core.shared.guards.names
            if permission.guards and not any(permission.guards <= names for names in active):
                text = f"{permission.source} asks for the guards {', '.join(sorted(missing))}, which are not active in this client"
                yield Finding("problem", "permissions", f"{text}: Client(guards=[...])")
    except SaferouteError as error:
        yield Finding("problem", "budgets" if isinstance(error, ConfigurationError) else "permissions", str(error))
        return
    if core.trust == "production" and not powers.permissions:
        text = "the table grants nothing, and this client holds no capability: each call has to bring one (capability=...)"
        yield Finding("warning", "permissions", text)
    if core.trust == "production" and core.scope.data is None:
        text = 'this client gives calls no data label, and without one a call counts as "restricted": Client(data=...)'
        yield Finding("note", "permissions", text)


def _active(core: Core) -> set[frozenset[str]]:
    """The names of the guards that a call passes, whichever row it goes to: the profiles of rows bring some."""
    own, strict = core.shared.guards.names, core.snapshot.strict
    found = {own}
    if strict is None:
        return found
    for profile in {row.guards.name for row in core.table.routes.values() if row.guards is not None}:
        with suppress(GuardFailed):  # calls to its rows are refused, which `_guarded` tells
            found.add(strict(frozenset([profile])).names)
    return found


def _receipts(core: Core) -> Iterator[Finding]:
    """What can be proved afterwards, and how far."""
    ledger = core.shared.ledger
    if ledger is None:
        text = "calls are not recorded, and nothing can be proved afterwards: Client(ledger=saferoute.Ledger.directory(...))"
        yield Finding("warning", "receipts", text)
        return
    label, is_kept, is_certified, is_anchored = ledger.standing()
    if not is_kept:
        text = "receipts are kept in memory and end with the process: Client(ledger=saferoute.Ledger.directory(...)) keeps them"
        yield Finding("note" if core.trust == "local" else "warning", "receipts", text)
        return
    yield Finding("ok", "receipts", f"calls are recorded: {label}")
    if not is_certified:
        text = "no log role certifies this process's log key: the ledger shows whether it was changed, and not who wrote it (signer=...)"
        yield Finding("note", "receipts", text)
    if not is_anchored:
        text = "no checkpoint is kept elsewhere: records that are cut off at the end would not be missed (on_checkpoint=...)"
        yield Finding("note", "receipts", text)
    if core.table.ledger == "warn":
        yield Finding("note", "receipts", "the table lets calls go on that cannot be recorded")


def _guarded(core: Core, rows: Iterable[Target]) -> Iterator[Finding]:
    """Rows whose profile asks for a guard that this client lacks: every call that may come to one of them is refused."""
    strict = core.snapshot.strict
    for row in rows:
        if strict is None or row.guards is None:
            continue
        try:
            strict(frozenset([row.guards.name]))
        except GuardFailed as error:
            yield Finding("problem", "routes", f"{row.id}: {error}")


def _rows(core: Core, name: str) -> tuple[Target, ...]:
    table = core.table
    targets = (table.routes[name],) if name in table.routes else resolve(table, name)
    halted = core.shared.opened.halted
    return (*core.shared.opened.running(targets), *(row for row in rows_beyond(table.policy(name)) if row.id not in halted))


def _ready(core: Core, row: Target) -> Iterator[Finding]:
    if row.secret is None:
        yield Finding("ok", "keys", f"{row.id}: needs no key")
        return
    credentials = core.credentials
    try:
        if row.secret in credentials.made:
            credentials.material(credentials.check_made(row.secret, row.origin))
        else:
            credentials.look_up(row.secret, row.auth, row.origin)
    except SecretError as error:
        yield Finding("problem", "keys", f"{row.id}: {error}")
    else:
        yield Finding("ok", "keys", f"{row.id}: the key {row.secret} is there, for {row.origin}")


def _facts(core: Core) -> dict[str, Any]:
    opened, shared = core.shared.opened, core.shared
    table = opened.table
    return {
        "table": table.name,
        "version": table.version,
        "digest": table.digest,
        "trust": shared.trust,
        "root version": opened.root.version,
        "table valid until": show_time(table.not_after),
        "root valid until": show_time(opened.root.not_after),
        "old tables": "none: this one was made in memory" if shared.trust == "local" else _ROLLBACK[opened.rollback],
        "audience": shared.audience,
        "keys from": list(shared.sources.labels),
        "rows": len(table.routes),
        "origins": sorted({row.origin for row in table.routes.values()}),
        "issuers": sorted(opened.issuers),
    }


def _trust(core: Core, now: float) -> Iterator[Finding]:
    opened = core.shared.opened
    if core.trust == "local":
        text = "the table was made in memory and is trusted by this process only; for production sign one: saferoute init"
        yield Finding("warning", "trust", text)
    else:
        yield Finding("ok", "trust", f"the table is signed under a pinned root, and {_ROLLBACK[opened.rollback]}")
    try:
        opened.check(now)
    except RoutingError as error:
        yield Finding("problem", "trust", str(error))
    for note in opened.notes(now):
        yield Finding("warning", "trust", note)


def _permissions(core: Core) -> Iterator[Finding]:
    grant = core.table.grant
    if grant is None and core.trust == "production":
        yield Finding("ok", "permissions", "callers without a capability may do nothing")
    for permission in [*([grant] if grant else []), *core.scope.narrowed]:
        yield from _counted(permission)
    for name, issuer in core.shared.opened.issuers.items():
        yield Finding("note", "permissions", f"{name} may mint capabilities that live up to {issuer.max_life} seconds")


def _counted(permission: Permission) -> Iterator[Finding]:
    for budget in permission.budgets:
        if permission.scope == "process":
            whose = budget.owner or permission.source
            text = f"{whose}: its budget in {budget.unit} is counted in this process, and begins anew when it restarts"
            yield Finding("note", "budgets", text)


def _accounts(core: Core) -> Iterator[Finding]:
    """What the place that counts may lose, where it knows: a server says so at its first use, and is not connected to for this."""
    notes: tuple[str, ...] = getattr(core.shared.store(), "notes", ())
    for note in notes:
        yield Finding("warning", "budgets", note)


def _routes(rows: Iterable[Target]) -> Iterator[Finding]:
    for row in rows:
        if row.origin.startswith("http://") and row.net.kind != "loopback":
            text = f"{row.id}: plain http to {row.origin}: whoever is on that network reads key and messages"
            yield Finding("warning", "routes", text)
        if row.model == "*":
            yield Finding("note", "routes", f"{row.id}: any model at {row.origin} may be asked for")


def _keys(core: Core) -> Iterator[Finding]:
    for note in core.shared.sources.notes:
        yield Finding("warning", "keys", note)
    if "the environment" in core.shared.sources.labels:
        text = "keys come from the environment, which every package in this process and every process of this user can read"
        yield Finding("warning", "keys", f"{text}: saferoute keys import-env")


def _files(core: Core) -> Iterator[Finding]:
    for path in core.shared.places.values():
        if why := loose_modes(path):
            yield Finding("warning", "files", why)


def _surroundings() -> Iterator[Finding]:
    variables = tuple(name for provider in load_catalogue().providers for name in provider.environment)
    found = survey(tuple(dict.fromkeys(variables)))
    said: list[tuple[Level, Area, tuple[str, ...], str]] = [
        ("warning", "environment", found.owning, "set: code that somebody else chose can run in this process, and no library defends that"),
        ("note", "environment", found.ignored, "set: saferoute does not read them; other libraries in this process may"),
        ("warning", "environment", found.keys, "set: any package in this process can read a key there (saferoute keys import-env)"),
        ("note", "host", found.entry_points, "installed: a dependency would load these plug-ins; saferoute itself discovers none"),
        ("warning", "host", found.startup_files, "run code at every start of this Python: compare them with what you installed"),
        ("warning", "host", found.startup_modules, "imported at every start of this Python: compare them with what you installed"),
    ]
    for level, area, names, what in said:
        if names:
            yield Finding(level, area, f"{', '.join(names)}: {what}")
