"""Guards: what judges every text that goes out or comes back.

    >>> from saferoute.guards import Action, Span, Verdict, guard
    >>> @guard(stages=("input",))
    ... def project_names(segment, context):
    ...     at = segment.text.find("Project Falcon")
    ...     if at < 0:
    ...         return Verdict(Action.ALLOW)
    ...     return Verdict(Action.REDACT, ("an internal name",), (Span(at, at + 14, "internal.project"),))

A guard says what it found and where; it never rewrites. `Client(..., guards=[project_names, SecretsGuard()])` has every call pass them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.guards.function import guard
from saferoute.values.guarding import ALLOWED, Action, Context, Guard, Judged, Segment, Span, Verdict

if TYPE_CHECKING:
    from saferoute.guards.canary import CanaryGuard
    from saferoute.guards.injection import InjectionGuard
    from saferoute.guards.injection_model import InjectionModelGuard
    from saferoute.guards.links import LinkGuard
    from saferoute.guards.output_schema import OutputSchemaGuard
    from saferoute.guards.pii import PiiGuard
    from saferoute.guards.secrets_found import SecretsGuard
    from saferoute.guards.spotlighting import SpotlightingGuard
    from saferoute.guards.tool_policy import ToolApproval, ToolPolicyGuard
    from saferoute.guards.topics import TopicGuard
    from saferoute.guards.unicode import UnicodeGuard
    from saferoute.values.guard_profile import ArgumentRule, ToolRule

__all__ = [
    "ALLOWED", "Action", "ArgumentRule", "CanaryGuard", "Context", "Guard", "InjectionGuard", "InjectionModelGuard", "Judged",
    "LinkGuard", "OutputSchemaGuard", "PiiGuard", "SecretsGuard", "Segment", "Span", "SpotlightingGuard", "ToolApproval",
    "ToolPolicyGuard", "ToolRule", "TopicGuard", "UnicodeGuard", "Verdict", "guard",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # noqa: ANN401, PLR0911  whatever the name stands for; one return for each
    """The guards of the package: each has tables of its own, which only those who use it load."""
    match name:
        case "ArgumentRule" | "ToolRule":
            from saferoute.values import guard_profile  # noqa: PLC0415

            return getattr(guard_profile, name)
        case "CanaryGuard":
            from saferoute.guards.canary import CanaryGuard  # noqa: PLC0415

            return CanaryGuard
        case "InjectionGuard":
            from saferoute.guards.injection import InjectionGuard  # noqa: PLC0415

            return InjectionGuard
        case "InjectionModelGuard":
            from saferoute.guards.injection_model import InjectionModelGuard  # noqa: PLC0415

            return InjectionModelGuard
        case "LinkGuard":
            from saferoute.guards.links import LinkGuard  # noqa: PLC0415

            return LinkGuard
        case "OutputSchemaGuard":
            from saferoute.guards.output_schema import OutputSchemaGuard  # noqa: PLC0415

            return OutputSchemaGuard
        case "PiiGuard":
            from saferoute.guards.pii import PiiGuard  # noqa: PLC0415

            return PiiGuard
        case "SecretsGuard":
            from saferoute.guards.secrets_found import SecretsGuard  # noqa: PLC0415

            return SecretsGuard
        case "SpotlightingGuard":
            from saferoute.guards.spotlighting import SpotlightingGuard  # noqa: PLC0415

            return SpotlightingGuard
        case "ToolApproval" | "ToolPolicyGuard":
            from saferoute.guards import tool_policy  # noqa: PLC0415

            return getattr(tool_policy, name)
        case "TopicGuard":
            from saferoute.guards.topics import TopicGuard  # noqa: PLC0415

            return TopicGuard
        case "UnicodeGuard":
            from saferoute.guards.unicode import UnicodeGuard  # noqa: PLC0415

            return UnicodeGuard
        case _:
            msg = f"module 'saferoute.guards' has no attribute {name!r}"
            raise AttributeError(msg)
