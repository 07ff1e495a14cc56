"""Which guards a call passes: those of its client, and what the rows that it may go to ask for on top."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

from saferoute.call.guarding import Guarding
from saferoute.call.rules import views_for
from saferoute.capabilities.extras import server_tools
from saferoute.guards.insertion import for_call
from saferoute.guards.pipeline import Active
from saferoute.guards.profiles import active_under, union
from saferoute.guards.segments import segments_of, with_texts
from saferoute.values.guarding import Action
from saferoute.values.messages import Reasoning, Text, ToolResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.call.flow import Call
    from saferoute.call.guarding_conclusions import Cleared
    from saferoute.call.rules import Rules
    from saferoute.values.balancing import Policy
    from saferoute.values.guard_profile import GuardProfile
    from saferoute.values.messages import Part
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["Way", "guarded", "has_read", "rules_of", "rules_under"]


_NO_SCHEMAS: Final[Mapping[str, bytes]] = MappingProxyType({})
_RAN: Final = ("_tool_result", "toolResponse", "web_search_call", "file_search_call", "codeExecutionResult", "mcp_call")
"""In a kept state: that the provider ran a tool of its own."""


class Way(NamedTuple):
    """Where a call may go.

    Attributes:
        resolved: the rows that the name stands for.
        policy: what the table says of the name beyond them.
        rows: all that it may come to, those of fallbacks and shadows too.
    """

    resolved: tuple[Target, ...]
    policy: Policy
    rows: tuple[Target, ...]


def rules_of(
    own: Rules,
    strict: Callable[[frozenset[str]], Rules] | None,
    profiles: Mapping[str, GuardProfile],
    rows: Sequence[Target],
    nonce: Callable[[], str],
) -> Rules:
    """The rules of one call.

    Args:
        own: the client's.
        strict: gives the client's under the profiles of that name, "" for none.
        profiles: the table's.
        rows: all that the call may come to.
        nonce: draws the nonce of a call.

    Raises:
        GuardFailed: a profile asks for a guard that the client does not have.
    """
    if profiles and strict is not None:
        own = strict(frozenset(["" if row.guards is None else row.guards.name for row in rows]))
    return replace(own, active=for_call(own.active, nonce())) if own.per_call else own


def guarded(
    route: str, rules: Rules, request: ChatRequest, planned: Callable[[ChatRequest], Call], nonce: Callable[[], str]
) -> tuple[Guarding, Callable[[Cleared], Call]]:
    """What judges the request of a call before anything is sent; and what plans the call anew if something was taken out.

    Args:
        route: the name that is called.
        rules: what the call passes.
        request: the caller's own, without what was put in.
        planned: plans it for what guards left of it.
        nonce: draws the nonce of a call, if values are to be put back into its answer.
    """
    schemas = {tool.name: tool.parameters for tool in request.tools} if request.tools else _NO_SCHEMAS

    def again(cleared: Cleared) -> Call:
        kept = with_texts(request, cleared.kept or cleared.texts)
        return replace(planned(with_texts(request, cleared.texts)), conversation=kept.messages)

    tainted = has_read(request)
    guarding = Guarding(rules, route, segments_of(request), frozenset(schemas), schemas=schemas, nonce=nonce, tainted=tainted)
    return guarding, again


def has_read(request: ChatRequest) -> bool:
    """Whether something of others is in the conversation: what a tool returned, text or not, or what the provider fetches by itself."""
    if request.provider_options and server_tools(request.provider_options):
        return True
    for message in request.messages:
        if message.role == "tool":
            return True
        for part in message.content:
            if (type(part) is not Text or part.citations) and _is_of_others(part):
                return True
    return False


def _is_of_others(part: Part) -> bool:
    """A tool's result, and what an earlier turn had from the provider's own tools: it names its sources, or goes back as it came."""
    match part:
        case ToolResult():
            return True
        case Text():
            return any(citation.url for citation in part.citations)
        case Reasoning():
            return part.state is not None and any(word in part.state.payload for word in _RAN)
        case _:
            return False


def rules_under(rules: Rules, profiles: Mapping[str, GuardProfile], names: frozenset[str]) -> Rules:
    """A client's rules, made as strict as all rows of a call want them.

    Args:
        rules: the client's.
        profiles: the table's.
        names: which profiles; "" for a row that has none.

    Raises:
        GuardFailed: a profile asks for a guard that the client does not have.
    """
    profile = union([profiles.get(name) for name in sorted(names)])
    if profile is None:
        return rules
    active = active_under(rules.active if profile.tools is None else _with_tool_rules(rules.active, profile), profile)
    most = rules.most_characters if profile.max_characters is None else min(rules.most_characters, profile.max_characters)
    return replace(
        rules,
        active=active,
        most_characters=most,
        bounded=profile.max_characters is not None,
        allowed_hosts=rules.allowed_hosts | profile.allowed_hosts,
        views=views_for(active),
        templates=profile.templates,
        restores=frozenset(name for name, rule in (profile.tools or {}).items() if rule.restore),
    )


def _with_tool_rules(active: tuple[Active, ...], profile: GuardProfile) -> tuple[Active, ...]:
    """The client's guard of tools under the table's rules as well; a client without one gets it."""
    from saferoute.guards.tool_policy import ToolPolicyGuard  # noqa: PLC0415  for tables with rules for tools

    # Of exactly this class: what a subclass makes of rules is its own affair, and it is asked beside the package's guard.
    own = [one.guard for one in active if type(one.guard) is ToolPolicyGuard]
    under = (replace(own[0], enforce=True, misfits=Action.BLOCK) if own else ToolPolicyGuard()).with_rules(profile.tools)
    others = (one for one in active if type(one.guard) is not ToolPolicyGuard)
    return (*others, Active(under, quick=under.quick, seconds=under.seconds))
