"""What is allowed in guard profiles and templates, and is probably a mistake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.routing.findings import Finding
from saferoute.routing.policies import rows_beyond
from saferoute.routing.resolve import resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from saferoute.routing.table import RoutingTable
    from saferoute.values.guard_profile import GuardProfile

__all__ = ["guard_findings"]


def guard_findings(table: RoutingTable) -> Iterator[Finding]:
    """Look over the guard profiles, the templates, and the rows that have them."""
    for name, profile in table.guard_profiles.items():
        for rule in _RULES:
            yield from rule(f"guards.{name}", profile, table)
    yield from _templates(table)
    yield from _rows(table)
    yield from _aliases(table)


def _use(place: str, profile: GuardProfile, table: RoutingTable) -> Iterator[Finding]:
    if all(target.guards != profile for target in table.routes.values()):
        yield Finding("warning", "unused-profile", place, f'no row names it: write guards = "{profile.name}" in a row, or take it out')


def _failures(place: str, profile: GuardProfile, _: RoutingTable) -> Iterator[Finding]:
    for name, setting in profile.guards.items():
        if setting.on_error == "flag":
            why = 'on_error = "flag": where this guard fails, it protects nothing. Leave it out, unless the guard only helps'
            yield Finding("warning", "guard-fails-open", f"{place}.guards.{name}", why)


def _hosts(place: str, profile: GuardProfile, _: RoutingTable) -> Iterator[Finding]:
    for host in sorted(profile.allowed_hosts):
        if host.startswith("*."):
            why = "every host below that name, those that others get there too, is sent what a link or an image carries: name the hosts"
            yield Finding("warning", "wide-hosts", f"{place}.allowed_hosts", f"{host}: {why}")


def _tools(place: str, profile: GuardProfile, _: RoutingTable) -> Iterator[Finding]:
    for name, rule in (profile.tools or {}).items():
        at = f"{place}.tools.{name}"
        if rule.effects and rule.approval == "never":
            why = "it has effects, and nobody is asked even when untrusted content was read: what a document says may then be done"
            yield Finding("warning", "unapproved-tool", at, f"{why}. Take approval out, or set effects = false if it only reads")
        for argument in rule.arguments:
            for host in sorted(argument.hosts):
                if host.startswith("."):
                    why = "every host below that name, those that others get there too, may be named: list the hosts"
                    yield Finding("warning", "wide-hosts", f"{at}.arguments", f"{argument.path} {host}: {why}")


def _templates(table: RoutingTable) -> Iterator[Finding]:
    pinned = {name for profile in table.guard_profiles.values() for name in profile.templates}
    for name in sorted(table.templates.keys() - pinned):
        why = "no profile pins it, so rows take other instructions as well; a program may use it all the same"
        yield Finding("note", "unpinned-template", f"templates.{name}", why)


def _rows(table: RoutingTable) -> Iterator[Finding]:
    for name, target in table.routes.items() if table.guard_profiles else ():
        if target.guards is None:
            why = "names no guard profile: its calls are judged by what the client brings, and by nothing that is signed"
            yield Finding("note", "no-profile", f"routes.{name}", why)


def _aliases(table: RoutingTable) -> Iterator[Finding]:
    for name, alias in table.aliases.items():
        rows = (*resolve(table, name), *rows_beyond(alias.policy))
        named = sorted({"none" if row.guards is None else row.guards.name for row in rows})
        if len(named) > 1:
            why = f"its rows have several guard profiles ({', '.join(named)}): a call passes the strictest of all, whichever row answers"
            yield Finding("note", "mixed-profiles", f"aliases.{name}", why)


_RULES: Final[tuple[Callable[[str, GuardProfile, RoutingTable], Iterator[Finding]], ...]] = (_use, _failures, _hosts, _tools)
