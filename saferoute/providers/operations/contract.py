"""The contract of an operation: a plan, which is a generator of requests that is sent what their answers hold.

A plan decides what to ask next and puts the result together; it never sees a failure. Reading an answer belongs to the step and not to
the plan, so that a request can be sent again while the plan waits.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypeVar, cast

from typing_extensions import override

from saferoute.values.usage import Usage

if TYPE_CHECKING:
    from saferoute.values.embeddings import InputType
    from saferoute.values.events import Notice
    from saferoute.values.http import Head, HttpRequest
    from saferoute.values.messages import Audio
    from saferoute.values.request import ChatRequest, OnUnsupported

__all__ = [
    "Answered",
    "CountRequest",
    "EmbedRequest",
    "ImageRequest",
    "ModelsRequest",
    "ModerateRequest",
    "Operation",
    "OperationRequest",
    "Plan",
    "RerankRequest",
    "SpeakRequest",
    "Step",
    "TranscribeRequest",
    "ask",
]

Operation: TypeAlias = Literal["embed", "count_tokens", "models", "rerank", "transcribe", "speak", "image", "moderate"]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """One request of a plan.

    Attributes:
        request: what to send.
        read: makes what the plan goes on with, out of the answer's head and its JSON object, or its bytes.
        content: "json" for a JSON object, "bytes" for anything else.
        most: how large the answer may be, in bytes.
    """

    request: HttpRequest
    read: Callable[[Head, Any], T]
    content: Literal["json", "bytes"] = "json"
    most: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """What came out of a plan.

    Attributes:
        fields: the result's own fields, by name.
        model: the model as the provider reported it; "" where it does not.
        usage: summed over the requests.
        notices: what was done differently from what was asked.
    """

    fields: Mapping[str, Any]
    model: str = ""
    usage: Usage = field(default_factory=Usage)
    notices: tuple[Notice, ...] = ()

    @override
    def __repr__(self) -> str:
        return f"Answered({', '.join(self.fields)})"


Plan: TypeAlias = Generator[Step[Any], Any, Answered]


def ask(step: Step[T]) -> Generator[Step[Any], Any, T]:
    """Send one request, and return what its answer holds; used with `yield from`, it narrows the type."""
    return cast("T", (yield step))


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRequest:
    """What every operation's request has.

    Attributes:
        provider_options: wire fields for one provider, under its name.
        on_unsupported: what to do with what the provider does not have.
    """

    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on_unsupported: OnUnsupported = "error"

    @override
    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmbedRequest(OperationRequest):
    """Texts to embed."""

    texts: tuple[str, ...]
    dimensions: int | None = None
    input_type: InputType | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CountRequest(OperationRequest):
    """A chat request to count, as it would be sent."""

    chat: ChatRequest


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModelsRequest(OperationRequest):
    """A question for the provider's models."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RerankRequest(OperationRequest):
    """Documents to rank; `top_n` best ones are wanted, or all."""

    query: str
    documents: tuple[str, ...]
    top_n: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TranscribeRequest(OperationRequest):
    """A recording to write down; `boundary` is random and parts the fields of the form."""

    audio: Audio
    boundary: str
    filename: str | None = None
    language: str | None = None
    prompt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SpeakRequest(OperationRequest):
    """A text to speak."""

    text: str
    voice: str
    format: str = "mp3"
    speed: float | None = None
    instructions: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ImageRequest(OperationRequest):
    """A picture to make."""

    prompt: str
    n: int = 1
    size: str | None = None
    quality: str | None = None
    format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ModerateRequest(OperationRequest):
    """Texts to judge."""

    texts: tuple[str, ...]
