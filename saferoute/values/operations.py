"""What the operations other than chat return: for annotations and `isinstance`.

Example:
    >>> from saferoute import operations
    >>> def first(embeddings: operations.Embeddings) -> float:
    ...     return embeddings[0][0]
"""

from __future__ import annotations

from saferoute.values.embeddings import Embeddings, InputType, Vector
from saferoute.values.listing import AvailableModel
from saferoute.values.options import OperationOptions
from saferoute.values.outcome import Outcome
from saferoute.values.ranking import Moderation, ModerationResult, Ranked, Reranked
from saferoute.values.recordings import GeneratedImages, Segment, Speech, Transcript
from saferoute.values.tokens import TokenCount

__all__ = [
    "AvailableModel",
    "Embeddings",
    "GeneratedImages",
    "InputType",
    "Moderation",
    "ModerationResult",
    "OperationOptions",
    "Outcome",
    "Ranked",
    "Reranked",
    "Segment",
    "Speech",
    "TokenCount",
    "Transcript",
    "Vector",
]
