"""The reply: the one shape of an answer, and what was tried to get it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar, cast

from typing_extensions import override

from saferoute.values.messages import Message, Reasoning, Refusal, Text

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

    from saferoute.values.events import Alternative, FinishReason, Notice, TokenLogprob
    from saferoute.values.guarding import Judged
    from saferoute.values.messages import Citation, ToolCall
    from saferoute.values.receipt import Receipt
    from saferoute.values.usage import Usage

__all__ = ["NOT_YET", "Attempt", "Partial", "Reply"]

NOT_YET: Final = "not yet"
"""What stands for the parsed answer while the model asks for a tool first."""

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one target.

    Attributes:
        target: the row's id.
        model: the model that was asked.
        outcome: "ok", the error's class name, or "given up" for the loser of a hedge.
        status: HTTP status, if an answer came.
        seconds: how long it took.
        request_id: the provider's id of the exchange.
        why: why this row was chosen: the alias's strategy, "next in order", "retry", "fallback: CAUSE" or "hedge: ...".
        rejected: rows that were passed over for it: (id, reason).
        first_token: seconds to the first content of a stream; None where there was none.
        cost: what it cost, in the currency of the row's prices; None where that is not known.
        credential: the name of the key that was presented; None where there is none.
        began: seconds from the beginning of the call's first attempt to that of this one.
    """

    target: str
    model: str
    outcome: str
    status: int | None = None
    seconds: float = 0.0
    request_id: str | None = None
    why: str = ""
    rejected: tuple[tuple[str, str], ...] = ()
    first_token: float | None = None
    cost: Decimal | None = None
    credential: str | None = None
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Partial:
    """What had arrived of an answer that was cut off.

    Attributes:
        text: the text until then.
        reasoning: the shown thinking until then.
        tool_calls: the calls that were whole.
    """

    text: str
    reasoning: str = ""
    tool_calls: tuple[ToolCall, ...] = ()

    @override
    def __repr__(self) -> str:
        return f"Partial({len(self.text)} chars, {len(self.tool_calls)} tool calls)"


@dataclass(frozen=True, slots=True)
class Reply(Generic[T_co]):
    """A whole answer. `str(reply)` is its text; its repr shows no content.

    Attributes:
        message: the assistant's turn, parts in the provider's order.
        messages: the conversation so far, this turn included: what the next call wants.
        finish_reason: why it ended, in saferoute's words.
        raw_finish_reason: the same in the provider's words.
        usage: tokens.
        cost: in the currency of the row's prices; None when a price or a count is unknown.
        route: the name that was asked for.
        target: id of the row that answered.
        model: the model that answered, as the provider reported it.
        provider_name: who answered.
        id: the provider's id of the answer; unique: where a provider sends none or a constant, saferoute makes one.
        request_id: the provider's id of the exchange, for its support.
        warnings: what was done differently from what was asked.
        attempts: every try, the last one included.
        provider_metadata: what only this provider says, under its name.
        logprobs: how likely each token of the text was, if `logprobs` was asked for and the provider says it.
        alternatives: the other answers, if the call asked for several with `n`, each with the reason why it ended. With `output` only the
            answer itself is parsed and checked, not these.
        verdicts: what guards found in the request and in the answer, and what they did about it; empty where all of them allow.
        receipt: the ledger's record of the attempt that was answered; None for a client without a ledger.
    """

    message: Message
    messages: tuple[Message, ...]
    finish_reason: FinishReason
    raw_finish_reason: str
    usage: Usage
    cost: Decimal | None
    route: str
    target: str
    model: str
    provider_name: str
    id: str
    request_id: str | None = None
    warnings: tuple[Notice, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    provider_metadata: Mapping[str, Any] = field(default_factory=dict)
    logprobs: tuple[TokenLogprob, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    verdicts: tuple[Judged, ...] = ()
    receipt: Receipt | None = None
    _parsed: object = None
    _has_parsed: bool = False

    @property
    def text(self) -> str:
        """All text of the answer."""
        return self.message.text

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        """The tools that the model asks for, whole, in order."""
        return self.message.tool_calls

    @property
    def reasoning(self) -> str:
        """What the model showed of its thinking."""
        return "".join(part.text for part in self.message.content if isinstance(part, Reasoning))

    @property
    def citations(self) -> tuple[Citation, ...]:
        """The sources that the provider gives for the text, in order; the places count within each text part of `message`."""
        return tuple(citation for part in self.message.content if isinstance(part, Text) for citation in part.citations)

    @property
    def refusal(self) -> str | None:
        """The model's words of refusal, where the provider sends them apart from the text."""
        words = "".join(part.text for part in self.message.content if isinstance(part, Refusal))
        return words or None

    @property
    def parsed(self) -> T_co:
        """The answer as the `output` that was asked for.

        Raises:
            AttributeError: if the call had no `output`, or the model asks for a tool first.
        """
        if not self._has_parsed:
            raise AttributeError  # __getattr__ says it in words
        return cast("T_co", self._parsed)

    @override
    def __str__(self) -> str:
        return self.text

    @override
    def __repr__(self) -> str:
        return (
            f"Reply({self.target!r}, model={self.model!r}, finish_reason={self.finish_reason!r}, "
            f"{len(self.text)} chars, {len(self.tool_calls)} tool calls)"
        )

    def _repr_html_(self) -> str:
        """In a notebook: the text as text (a model's markup and pictures are not acted on), who answered, and for how much."""
        from html import escape  # noqa: PLC0415  for notebooks

        cost = "cost not known" if self.cost is None else f"cost {self.cost}"
        counts = f"{self.usage.input_tokens} tokens in, {self.usage.output_tokens} out"
        facts = f"{self.target} · {self.model} · {self.finish_reason} · {counts} · {cost}"
        return f'<pre style="white-space: pre-wrap">{escape(self.text)}</pre><small>{escape(facts)}</small>'

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  only ever raises
        hint = _FOREIGN_NAMES.get(name)
        if name == "parsed" and self._parsed is NOT_YET:
            hint = "the model asks for a tool first; answer reply.tool_calls, and the next reply has it"
        msg = f"Reply has no .{name}" + (f": {hint}" if hint else "")
        raise AttributeError(msg)


_FOREIGN_NAMES = {
    "choices": "there is one answer; use reply.text, reply.tool_calls or reply.message",
    "content": "use reply.text, or reply.message.content for the parts",
    "stop_reason": "use reply.finish_reason (and reply.raw_finish_reason)",
    "output": "use reply.text, or reply.parsed for structured output",
    "output_text": "use reply.text",
    "parsed": "pass output=YourModel to the call",
}
