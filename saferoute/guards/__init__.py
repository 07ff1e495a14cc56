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
    from saferoute.guards.injection import InjectionGuard
    from saferoute.guards.links import LinkGuard
    from saferoute.guards.pii import PiiGuard
    from saferoute.guards.secrets_found import SecretsGuard
    from saferoute.guards.unicode import UnicodeGuard

__all__ = [
    "ALLOWED", "Action", "Context", "Guard", "InjectionGuard", "Judged", "LinkGuard", "PiiGuard", "SecretsGuard", "Segment", "Span",
    "UnicodeGuard", "Verdict", "guard",
]  # fmt: skip


def __getattr__(name: str) -> Any:  # noqa: ANN401  whatever the name stands for
    """The guards of the package: each has tables of its own, which only those who use it load."""
    match name:
        case "InjectionGuard":
            from saferoute.guards.injection import InjectionGuard  # noqa: PLC0415

            return InjectionGuard
        case "LinkGuard":
            from saferoute.guards.links import LinkGuard  # noqa: PLC0415

            return LinkGuard
        case "PiiGuard":
            from saferoute.guards.pii import PiiGuard  # noqa: PLC0415

            return PiiGuard
        case "SecretsGuard":
            from saferoute.guards.secrets_found import SecretsGuard  # noqa: PLC0415

            return SecretsGuard
        case "UnicodeGuard":
            from saferoute.guards.unicode import UnicodeGuard  # noqa: PLC0415

            return UnicodeGuard
        case _:
            msg = f"module 'saferoute.guards' has no attribute {name!r}"
            raise AttributeError(msg)
