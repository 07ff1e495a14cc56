"""What happens while an answer arrives, and the small values that replies carry: for `match`, `isinstance` and annotations.

Example:
    >>> from saferoute import events
    >>> def show(event):
    ...     match event:
    ...         case events.TextDelta():
    ...             return event.text
    ...         case events.Finished():
    ...             return f"[{event.reply.finish_reason}]"
    >>> show(events.TextDelta("hello"))
    'hello'
"""

from __future__ import annotations

from saferoute.values.events import (
    Alternative,
    Cited,
    Finished,
    FinishReason,
    Notice,
    Noticed,
    PartEnd,
    ReasoningDelta,
    RefusalDelta,
    Started,
    StreamEvent,
    TextDelta,
    TokenLogprob,
    ToolCallDelta,
    ToolCallReady,
)
from saferoute.values.messages import Citation
from saferoute.values.reply import Attempt, Partial

__all__ = [
    "Alternative",
    "Attempt",
    "Citation",
    "Cited",
    "FinishReason",
    "Finished",
    "Notice",
    "Noticed",
    "PartEnd",
    "Partial",
    "ReasoningDelta",
    "RefusalDelta",
    "Started",
    "StreamEvent",
    "TextDelta",
    "TokenLogprob",
    "ToolCallDelta",
    "ToolCallReady",
]
