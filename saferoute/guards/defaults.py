"""The guards that a client has without being asked: what costs little, seldom errs, and is missed by everybody who left it out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.guards.function import active_guards
from saferoute.guards.links import LinkGuard
from saferoute.guards.pii import PiiGuard
from saferoute.guards.secrets_found import SecretsGuard
from saferoute.guards.tool_policy import ToolPolicyGuard
from saferoute.guards.unicode import UnicodeGuard
from saferoute.values.guarding import Action

if TYPE_CHECKING:
    from collections.abc import Iterable

    from saferoute.guards.pipeline import Active
    from saferoute.values.guarding import Guard

__all__ = ["guards_with_defaults"]


def guards_with_defaults(given: Iterable[Guard], *, enforce: bool) -> tuple[Active, ...]:
    """Those of the package first, then those that were given; a given one that has the name of one of the package stands in its place.

    Args:
        given: what a program adds.
        enforce: whether tool calls that break rules are blocked, or only told of.

    Raises:
        ConfigurationError: for what is no guard.
    """
    chosen = active_guards(given)
    named = {one.name for one in chosen}
    own = (UnicodeGuard(), SecretsGuard(), PiiGuard(), LinkGuard(), ToolPolicyGuard(enforce=enforce, misfits=Action.FLAG))
    return (*(one for one in active_guards(own) if one.name not in named), *chosen)
