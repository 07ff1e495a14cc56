"""Guard profiles of the routing table in a call: the strictest of several, and the guards that one asks for.

A call that may go to several rows is judged once, before it is known which of them answers, so what it passes is the strictest of all
that its rows ask for.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, get_args

from saferoute.errors import GuardFailed
from saferoute.guards.destinations import is_allowed
from saferoute.guards.function import active_guards
from saferoute.guards.pipeline import Active
from saferoute.guards.stricter import StricterGuard, bare, is_of
from saferoute.values.guard_profile import NO_TEMPLATE, Approval, GuardProfile, GuardSetting, ToolRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from saferoute.values.guard_profile import ArgumentRule
    from saferoute.values.guarding import Guard

__all__ = ["active_under", "is_what_it_says", "union"]

_APPROVALS: Final[tuple[Approval, ...]] = get_args(Approval)
_NOTHING: Final = GuardProfile("")
_PLAIN: Final = GuardSetting()
_UNLISTED: Final = ToolRule()


def union(profiles: Iterable[GuardProfile | None]) -> GuardProfile | None:
    """The strictest of several profiles: whatever one of them refuses, it refuses.

    * guards: all that one of them names. The highest action counts; of those settings that have one, the lowest threshold and all kinds
      together (every kind, if one means every kind). A failure is only told, and a value put back, where every profile says so.
    * max_characters: the lowest.
    * allowed_hosts: those that all of them allow. A profile without hosts allows none besides the client's.
    * templates: those that all of them pin that pin any; if there is none, `NO_TEMPLATE`: nothing may stand as instructions.
    * tools: those that all of them list that list any. Every argument's rule counts, and whatever one says of effects, approval and
      putting back that is stricter; a profile without a list says of each tool what `ToolRule()` does.

    Args:
        profiles: of the rows that a call may go to; None for a row that has none.

    Returns:
        One profile, called after all of them ("a+b"); None if no row has one. Neither order nor repetition changes it.
    """
    distinct = dict.fromkeys(profiles)
    every = [_NOTHING if profile is None else profile for profile in distinct]
    if len(every) < 2:  # noqa: PLR2004  nothing to compare
        return next(iter(distinct), None)
    return GuardProfile(
        "+".join(sorted({name for profile in every for name in profile.name.split("+") if name})),
        _guards(every),
        min((profile.max_characters for profile in every if profile.max_characters is not None), default=None),
        _hosts([profile.allowed_hosts for profile in every]),
        _templates([profile.templates for profile in every if profile.templates]),
        _tools([profile.tools for profile in every]),
    )


def _guards(every: Sequence[GuardProfile]) -> Mapping[str, GuardSetting]:
    names = sorted({name for profile in every for name in profile.guards})
    return MappingProxyType({name: _setting([profile.guards.get(name, _PLAIN) for profile in every]) for name in names})


def _setting(every: Sequence[GuardSetting]) -> GuardSetting:
    raising = [one for one in every if one.action is not None]
    thresholds = [one.threshold for one in raising if one.threshold is not None]
    kinds = [one.kinds for one in raising]
    return GuardSetting(
        action=max((one.action for one in raising if one.action is not None), default=None),
        threshold=min(thresholds) if thresholds and len(thresholds) == len(raising) else None,
        on_error="flag" if all(one.on_error == "flag" for one in every) else "block",
        kinds=_without_lower(frozenset[str]().union(*kinds)) if all(kinds) else frozenset(),
        reversible=all(one.reversible for one in every),
    )


def _without_lower(kinds: frozenset[str]) -> frozenset[str]:
    """The kinds without those that are below another one."""
    return frozenset(kind for kind in kinds if not is_of(kind, kinds - {kind}))


def _hosts(every: Sequence[frozenset[str]]) -> frozenset[str]:
    """What all allow: a name that one lists and another has below `*.name`, too."""
    return frozenset(host for hosts in every for host in hosts if all(is_allowed(host, others) for others in every))


def _templates(pinned: Sequence[frozenset[str]]) -> frozenset[str]:
    if not pinned:
        return frozenset()
    return frozenset.intersection(*pinned) or frozenset({NO_TEMPLATE})


def _tools(every: Sequence[Mapping[str, ToolRule] | None]) -> Mapping[str, ToolRule] | None:
    lists = [rules for rules in every if rules is not None]
    if not lists:
        return None
    names = sorted(set[str](lists[0]).intersection(*lists))
    return MappingProxyType({name: _rule([_UNLISTED if rules is None else rules[name] for rules in every]) for name in names})


def _rule(every: Sequence[ToolRule]) -> ToolRule:
    return ToolRule(
        effects=any(one.effects for one in every),
        approval=max((one.approval for one in every), key=_APPROVALS.index),
        arguments=tuple(sorted({argument for one in every for argument in one.arguments}, key=_place)),
        restore=all(one.restore for one in every),
    )


def _place(rule: ArgumentRule) -> tuple[Any, ...]:
    return rule.path, sorted(rule.hosts), rule.one_of, rule.prefixes, -1 if rule.longest is None else rule.longest


def active_under(base: Sequence[Active], profile: GuardProfile) -> tuple[Active, ...]:
    """The guards that a call passes under a profile: every guard that the client has, and those that the profile asks for.

    Whoever signs "pii" means the guard of the package. A guard of the application's that only has the name is asked as well, and not in its
    place; so is one of the package's that was told to look for less.

    Args:
        base: the client's. Those that the profile does not name are asked as they are.
        profile: the strictest of the rows' profiles. What it says of a failure counts, whatever the client was told.

    Raises:
        GuardFailed: the profile asks for a guard that is none of the package's and not in `base`. Nothing was sent.
    """
    own = {one.name: one for one in base}
    added = [
        (one, setting) for name, setting in sorted(profile.guards.items()) if (one := _missing(name, own.get(name), profile)) is not None
    ]
    return (
        *(_under(one, setting) for one, setting in added),
        *(_under(one, profile.guards[one.name]) if one.name in profile.guards else one for one in base),
    )


def _under(active: Active, setting: GuardSetting) -> Active:
    if setting.action is None and (setting.on_error, setting.reversible) == (active.on_error, active.reversible):
        return active
    stricter = StricterGuard(active, setting)
    return Active(stricter, setting.on_error, quick=active.quick, reversible=setting.reversible, seconds=active.seconds)


def _missing(name: str, own: Active | None, profile: GuardProfile) -> Active | None:
    """The guard of the package that a profile asks for; None if the client's own of that name is as good."""
    guard = _made(name)
    if own is not None and (guard is None or _is_as_strict(own.guard, guard)):
        return None
    if guard is None:
        msg = (
            f"the routing table's guard profile {profile.name!r} asks for the guard {name!r}, which this client does not have: nothing was "
            "sent. Give it to the client: Client(..., guards=[...])"
        )
        raise GuardFailed(msg)
    return active_guards((guard,))[0]


def _is_as_strict(own: Guard, guard: Guard) -> bool:
    """Whether a guard is of exactly the class of the package's, and looks for no less. Which hosts and tools are good is its own affair."""
    if type(own) is not type(guard):
        return False
    wide = all(getattr(own, name) >= getattr(guard, name) for name in ("kinds", "markup") if hasattr(guard, name))
    return wide and getattr(own, "model", None) == getattr(guard, "model", None)


def is_what_it_says(active: Active) -> bool:
    """Whether a guard that has the name of one of the package's is that guard, and looks for no less; any other name is its own."""
    guard = _made(active.name)
    return guard is None or _is_as_strict(bare(active.guard), guard)


def _made(name: str) -> Guard | None:
    """A guard of the package by its name; its tables are loaded by the first call that needs them."""
    match name:
        case "injection":
            from saferoute.guards.injection import InjectionGuard  # noqa: PLC0415

            return InjectionGuard()
        case "injection_model":
            from saferoute.guards.injection_model import InjectionModelGuard  # noqa: PLC0415

            return InjectionModelGuard()
        case "links":
            from saferoute.guards.links import LinkGuard  # noqa: PLC0415

            return LinkGuard()
        case "pii":
            from saferoute.guards.pii import PiiGuard  # noqa: PLC0415

            return PiiGuard()
        case "secrets":
            from saferoute.guards.secrets_found import SecretsGuard  # noqa: PLC0415

            return SecretsGuard()
        case "tools":
            from saferoute.guards.tool_policy import ToolPolicyGuard  # noqa: PLC0415

            return ToolPolicyGuard()
        case "unicode":
            from saferoute.guards.unicode import UnicodeGuard  # noqa: PLC0415

            return UnicodeGuard()
        case _:
            return None
