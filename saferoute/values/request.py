"""The chat request, whole and frozen, before any provider's words for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.values.messages import Message
    from saferoute.values.tools import Tool

__all__ = ["ChatRequest", "DataLabel", "OnUnsupported", "OutputSchema", "ReasoningEffort"]

DataLabel: TypeAlias = Literal["public", "internal", "confidential", "restricted"]
OnUnsupported: TypeAlias = Literal["error", "drop", "emulate"]
ReasoningEffort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


@dataclass(frozen=True, slots=True)
class OutputSchema:
    """The JSON Schema that the answer must fit.

    Attributes:
        name: what the provider calls it: letters, digits, "_" and "-", at most 64.
        schema: the JSON Schema, compact JSON in UTF-8.
        strict: whether the schema keeps to the subset that providers can enforce token by token.
    """

    name: str
    schema: bytes
    strict: bool


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One chat call as the caller means it. None and empty mean "not said": the provider's default holds."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: str | None = None  # "auto", "none", "required" or a tool's name
    parallel_tool_calls: bool | None = None
    output: OutputSchema | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1  # how many answers
    logprobs: int | None = None  # how many alternatives to each token; 0 for the tokens' own alone
    json_object: bool = False  # any JSON object: set where a schema is emulated, never by a caller
    reasoning: ReasoningEffort | int | None = None  # a word, or a budget in tokens
    cache: Literal["off", "provider", "exact"] | None = None
    provider_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    on_unsupported: OnUnsupported = "error"
    data: DataLabel | None = None
    stream: bool = False

    @override
    def __repr__(self) -> str:
        return f"ChatRequest({len(self.messages)} messages, {len(self.tools)} tools{', stream' if self.stream else ''})"
