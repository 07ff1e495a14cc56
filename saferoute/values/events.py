"""What happens while an answer arrives, as typed events.

A consumer sees Started, deltas, PartEnd, Noticed and Finished; `match` and `if event.type == "text"` both narrow. Completed is the
decoder's own last event: the flow folds it into the reply and shows Finished in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeAlias, TypeVar

from typing_extensions import override

from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.messages import Citation, Message, OpaqueState, ToolCall
    from saferoute.values.reply import Reply
    from saferoute.values.usage import Usage

T_co = TypeVar("T_co", covariant=True)

FinishReason: TypeAlias = Literal[
    "stop",
    "stop_sequence",
    "length",
    "context_overflow",
    "tool_call",
    "content_filter",
    "refusal",
    "pause",
    "error",
    "other",
]

__all__ = [
    "Alternative",
    "Cited",
    "Completed",
    "DecodedEvent",
    "FinishReason",
    "Finished",
    "Notice",
    "Noticed",
    "PartEnd",
    "ReasoningDelta",
    "RefusalDelta",
    "Started",
    "StreamEvent",
    "TextDelta",
    "TokenLogprob",
    "ToolCallDelta",
    "ToolCallReady",
]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that was done differently from what was asked, said instead of done silently.

    Attributes:
        kind: "dropped", "changed", "filled" or "noted".
        parameter: the option or field concerned.
        message: one sentence.
    """

    kind: Literal["dropped", "changed", "filled", "noted"]
    parameter: str
    message: str


@dataclass(frozen=True, slots=True)
class Started:
    """The provider began to answer.

    Attributes:
        id: the provider's id of the answer; "" where it sends none.
        model: the model that answers, as the provider reports it; "" where it does not.
    """

    type: ClassVar[Literal["started"]] = "started"
    id: str
    model: str


@dataclass(frozen=True, slots=True)
class TextDelta:
    """A piece of text, of the part at `index`."""

    type: ClassVar[Literal["text"]] = "text"
    text: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class RefusalDelta:
    """A piece of the model's words of refusal."""

    type: ClassVar[Literal["refusal"]] = "refusal"
    text: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class ReasoningDelta:
    """A piece of shown thinking."""

    type: ClassVar[Literal["reasoning"]] = "reasoning"
    text: str
    index: int = 0


@dataclass(frozen=True, slots=True)
class ToolCallDelta:
    """A piece of a tool call: for showing progress only. Act on ToolCallReady."""

    type: ClassVar[Literal["tool_call_delta"]] = "tool_call_delta"
    index: int
    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ToolCallReady:
    """A whole tool call."""

    type: ClassVar[Literal["tool_call"]] = "tool_call"
    index: int
    call: ToolCall


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part at `index` is whole; its opaque state, if it has one, has arrived."""

    type: ClassVar[Literal["part_end"]] = "part_end"
    index: int
    state: OpaqueState | None = None


@dataclass(frozen=True, slots=True)
class Cited:
    """A source of the text at `index`."""

    type: ClassVar[Literal["citation"]] = "citation"
    index: int
    citation: Citation


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """How likely a token was.

    Attributes:
        token: the token's text.
        logprob: the natural logarithm of its probability.
        top: the likeliest tokens at this place with their logarithms, as far as they were asked for.
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()

    @override
    def __repr__(self) -> str:
        return f"TokenLogprob({self.logprob:.3f}, {len(self.top)} alternatives)"


@dataclass(frozen=True, slots=True)
class Alternative:
    """Another answer, where several were asked for; its repr shows no content.

    Attributes:
        message: the assistant's turn, parts in the provider's order.
        finish_reason: why it ended, in saferoute's words: each answer may have been cut for a reason of its own.
        raw_finish_reason: the same in the provider's words.
    """

    message: Message
    finish_reason: FinishReason
    raw_finish_reason: str

    @property
    def text(self) -> str:
        """All its text."""
        return self.message.text

    @override
    def __repr__(self) -> str:
        return f"Alternative(finish_reason={self.finish_reason!r}, {len(self.text)} chars)"


@dataclass(frozen=True, slots=True)
class Noticed:
    """A notice that came up while the answer arrived."""

    type: ClassVar[Literal["noticed"]] = "noticed"
    notice: Notice


@sealed
class Completed:
    """The decoder saw the terminal event; never shown to a consumer."""

    type: ClassVar[Literal["completed"]] = "completed"
    finish_reason: FinishReason
    raw_finish_reason: str
    usage: Usage
    metadata: Mapping[str, Any] = field(default_factory=dict)
    logprobs: tuple[TokenLogprob, ...] = ()
    alternatives: tuple[Alternative, ...] = ()  # the other answers, where several were asked for


@dataclass(frozen=True, slots=True)
class Finished(Generic[T_co]):
    """The answer is whole."""

    type: ClassVar[Literal["finished"]] = "finished"
    reply: Reply[T_co]


DecodedEvent: TypeAlias = (
    Started | TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | ToolCallReady | PartEnd | Cited | Noticed | Completed
)
StreamEvent: TypeAlias = (
    Started | TextDelta | RefusalDelta | ReasoningDelta | ToolCallDelta | ToolCallReady | PartEnd | Cited | Noticed | Finished[T_co]
)
