"""What the embedded provider is to answer: values that a test writes down, and the script that hands them out one by one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

from typing_extensions import override

from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from saferoute.testing.recording import RecordedRequest
    from saferoute.values.json import Json
    from saferoute.values.usage import Usage

__all__ = [
    "Answer",
    "Ask",
    "Call",
    "Dialect",
    "ErrorAnswer",
    "Fault",
    "OfferedTool",
    "RawAnswer",
    "Script",
    "ScriptExhausted",
    "Step",
    "ToolOutcome",
]

DialectName: TypeAlias = Literal["openai_chat", "anthropic_messages"]


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool that a request offers."""

    name: str
    description: str
    schema: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class ToolOutcome:
    """A tool's answer that a request brings back."""

    name: str
    text: str
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for, in the same words for both dialects. A callable script is given one.

    Attributes:
        dialect: which door it came in by.
        request: the request itself, credentials taken out.
        model: the model that was asked for.
        system: all instructions, joined.
        text: the text of the last user turn.
        pictures: how many pictures and files the last user turn has.
        turns: how many messages the conversation has.
        tools: what is offered.
        tool_choice: "auto", "none", "required" or a tool's name.
        parallel: whether several calls in one turn are welcome.
        results: tool results after the last assistant turn.
        schema: the JSON Schema that the answer must fit.
        wants_json: any JSON object will do.
        thinking: whether reasoning is asked for.
        shows_thinking: whether its text is to be shown.
        stream: whether the answer is to be streamed.
        stream_usage: whether a stream is to end with token counts.
        max_output_tokens: the bound, if there is one.
        stop: stop sequences.
        words: input length in words, which is what the provider counts as tokens.
    """

    dialect: DialectName
    request: RecordedRequest
    model: str
    system: str = ""
    text: str = ""
    pictures: int = 0
    turns: int = 1
    tools: tuple[OfferedTool, ...] = ()
    tool_choice: str = "auto"
    parallel: bool = True
    results: tuple[ToolOutcome, ...] = ()
    schema: Mapping[str, Json] | None = None
    wants_json: bool = False
    thinking: bool = False
    shows_thinking: bool = True
    stream: bool = False
    stream_usage: bool = True
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    words: int = 0

    @property
    def number(self) -> int:
        """Which request this is, from 1; every id in the answer is made of it."""
        return self.request.number


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call to answer with.

    Attributes:
        name: the tool.
        arguments: a mapping, or text that is sent as it stands (models do write invalid JSON).
        id: made from the request's number where it is None.
    """

    name: str
    arguments: Mapping[str, Json] | str = field(default_factory=dict)
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer, written in either dialect as the request came in.

    Attributes:
        text: the text.
        tool_calls: the calls, in order.
        reasoning: shown thinking: a signed thinking block (Anthropic), `reasoning_content` (OpenAI-compatible servers).
        redacted_reasoning: the data of a redacted thinking block (Anthropic only).
        refusal: the model declines, in these words.
        usage: token counts; "words" counts words, "none" sends no usage at all.
        finish: one of `saferoute.values.events.FinishReason`, or any other word, which is sent as it stands; None decides from the content.
        model: what the answer says of its model.
        headers: more response headers.
        first_pause: seconds before the first byte.
        pause: seconds before every further event of a stream.
        fault: how the answer goes wrong on its way.
    """

    text: str = ""
    tool_calls: tuple[Call, ...] | list[Call] = ()
    reasoning: str = ""
    redacted_reasoning: str = ""
    refusal: str = ""
    usage: Usage | Literal["words", "none"] = "words"
    finish: str | None = None
    model: str = "embedded-1"
    headers: Mapping[str, str] = field(default_factory=dict)
    first_pause: float = 0.0
    pause: float = 0.0
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error in the dialect's own shape.

    Attributes:
        status: HTTP status.
        code: the machine-readable word, such as "rate_limit_exceeded" or "overloaded_error"; "" takes the status's usual one.
        message: what the provider says.
        param: the field concerned (OpenAI).
        headers: more response headers, such as {"retry-after": "1"}.
    """

    status: int
    code: str = ""
    message: str = "the script of the embedded provider says so"
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RawAnswer:
    """An answer as bytes: what a rendered answer becomes, what faults spoil, and what a test can write itself.

    Attributes:
        status: HTTP status.
        headers: without content-length and transfer-encoding, which follow from the framing.
        pieces: the body; each piece is written (and, chunked, framed) by itself.
        framing: "length", "chunked", "until_close" (neither), or "verbatim": the pieces are the whole answer, head included.
        declared_length: a content-length that differs from the truth.
        first_pause: seconds before the first byte.
        pause: seconds before every further piece.
        idle: seconds of silence after the last piece.
        unfinished: leave out what ends the framing (the last chunk).
        end: what happens to the connection: "keep" it, "close" it (FIN), or "reset" it (RST).
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)
    pieces: tuple[bytes, ...] = ()
    framing: Literal["length", "chunked", "until_close", "verbatim"] = "length"
    declared_length: int | None = None
    first_pause: float = 0.0
    pause: float = 0.0
    idle: float = 0.0
    unfinished: bool = False
    end: Literal["keep", "close", "reset"] = "keep"

    @override
    def __repr__(self) -> str:
        return f"RawAnswer({self.status}, {len(self.pieces)} pieces, {sum(map(len, self.pieces))} bytes, {self.framing}, {self.end})"


class Dialect(Protocol):
    """What a fault needs to know of the wire format that it spoils."""

    def error_body(self, error: ErrorAnswer, request_id: str) -> bytes:
        """An error as a whole body."""

    def error_event(self, error: ErrorAnswer) -> bytes:
        """An error inside a stream."""


class Fault:
    """How an answer goes wrong. Subclasses are frozen values; `saferoute.testing.faults` has the usual ones."""

    __slots__ = ()

    def spoil(self, answer: RawAnswer, dialect: Dialect) -> RawAnswer:
        """Make the spoiled answer out of the good one."""
        raise NotImplementedError


Step: TypeAlias = "str | Answer | ErrorAnswer | RawAnswer | Fault | Callable[[Ask], Step]"


class ScriptExhausted(ConfigurationError):  # noqa: N818  named for what happened, as all leaves of the tree
    """More requests came than the script has answers."""


class Script:
    """Answers in the order in which they are used up. Safe to share between connections.

    A step is a text, an Answer, an ErrorAnswer, a RawAnswer, a Fault (which spoils the answer that would have come without a script),
    or a callable that takes the Ask and returns one of these.
    """

    __slots__ = ("_always", "_given", "_lock", "_steps", "_then")

    def __init__(self, steps: Iterable[Step] | Step, *, then: Literal["refuse", "repeat", "improvise"] = "refuse") -> None:
        """Take the steps.

        Args:
            steps: a list of steps, or one callable that answers every request.
            then: what follows the last step: an error, the last step again, or what the provider says without a script.
        """
        self._always: Callable[[Ask], Step] | None = steps if callable(steps) else None
        listed: list[Step] = []
        if isinstance(steps, str | Answer | ErrorAnswer | RawAnswer | Fault):
            listed = [steps]
        elif not callable(steps):
            listed = list(steps)
        self._steps = listed
        self._given = 0
        self._then = then
        self._lock = threading.Lock()

    @property
    def remaining(self) -> int:
        """How many steps have not been used; 0 for a callable."""
        return max(0, len(self._steps) - self._given)

    def next(self, ask: Ask) -> Answer | ErrorAnswer | RawAnswer | Fault | None:
        """Use up one step.

        Returns:
            What to answer; None means: improvise.

        Raises:
            ScriptExhausted: if no step is left.
            ConfigurationError: if a step is none of the kinds above.
        """
        step: Step | None = self._always or self._take()
        while callable(step):
            step = step(ask)
        if isinstance(step, str):
            return Answer(step)
        if step is None or isinstance(step, Answer | ErrorAnswer | RawAnswer | Fault):
            return step
        msg = f"a {type(step).__name__} is no step of a script: use a str, Answer, ErrorAnswer, RawAnswer, a fault, or a callable"
        raise ConfigurationError(msg)

    def _take(self) -> Step | None:
        with self._lock:
            if self._given < len(self._steps):
                self._given += 1
                return self._steps[self._given - 1]
            if self._then == "improvise":
                return None
            if self._then == "repeat" and self._steps:
                return self._steps[-1]
            msg = f'the script of the embedded provider had {len(self._steps)} answers and all are used: add one, or pass then="repeat"'
            raise ScriptExhausted(msg)

    @override
    def __repr__(self) -> str:
        return f"Script({'callable' if self._always else f'{self.remaining} of {len(self._steps)} left'}, then={self._then!r})"


def with_fault(answer: RawAnswer, fault: Fault | None, dialect: Dialect) -> RawAnswer:
    """Spoil an answer, if there is a fault."""
    return answer if fault is None else fault.spoil(answer, dialect)


def more_headers(answer: RawAnswer, headers: Mapping[str, str]) -> RawAnswer:
    """Add headers to an answer; a name that is there already is replaced."""
    if not headers:
        return answer
    added = {name.lower(): value for name, value in headers.items()}
    kept = tuple((name, value) for name, value in answer.headers if name not in added)
    return replace(answer, headers=(*kept, *added.items()))
