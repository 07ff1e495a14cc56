"""Guards: what judges every text that goes out or comes back.

    >>> from saferoute.guards import Action, Span, Verdict, guard
    >>> @guard(stages=("input",))
    ... def project_names(segment, context):
    ...     at = segment.text.find("Project Falcon")
    ...     if at < 0:
    ...         return Verdict(Action.ALLOW)
    ...     return Verdict(Action.REDACT, ("an internal name",), (Span(at, at + 14, "internal.project"),))

A guard says what it found and where; it never rewrites. `Client(..., guards=[project_names])` has every call pass it.
"""

from saferoute.guards.function import guard
from saferoute.values.guarding import ALLOWED, Action, Context, Guard, Judged, Segment, Span, Verdict

__all__ = ["ALLOWED", "Action", "Context", "Guard", "Judged", "Segment", "Span", "Verdict", "guard"]
