"""Spans: one for a call, and one below it for each attempt, with the times at which it ran. None of them holds an error's text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from saferoute.errors import CapabilityError, GuardError, ProviderError, SaferouteError
from saferoute.telemetry import names
from saferoute.telemetry.content import input_messages, output_messages
from saferoute.values.origin import parse_origin
from saferoute.values.outcome import Outcome
from saferoute.values.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.telemetry import Asked, TelemetryOptions
    from saferoute.values.guarding import Judged
    from saferoute.values.reply import Attempt
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["CallSpan", "provider_of", "tracer_of"]

_LEFT: Final = "Abandoned"  # how a stream ends that its consumer left
_LONGEST: Final = 256
_MOST: Final = 64
_NANO: Final = 1_000_000_000


def provider_of(chosen: Any) -> Any:  # noqa: ANN401  a TracerProvider
    """The provider that was chosen, or else the program's own as it is now."""
    return trace.get_tracer_provider() if chosen is None else chosen


def tracer_of(provider: Any) -> trace.Tracer:  # noqa: ANN401  as above
    """Our tracer of a provider."""
    return trace.get_tracer(names.SCOPE, tracer_provider=provider)


class CallSpan:
    """The span of one call: attributes at the start, and either a result or an error at the end.

    Args:
        tracer: makes it.
        asked: what is known of the call.
        options: what is told.
        began: when the call began, in nanoseconds since 1970.
    """

    __slots__ = ("_asked", "_began", "_operation", "_options", "_span", "_tracer")

    def __init__(self, tracer: trace.Tracer, asked: Asked, options: TelemetryOptions, began: int) -> None:
        operation = names.OPERATIONS.get(asked.operation, asked.operation)
        first = asked.targets[0] if asked.targets else None
        self._asked, self._options, self._tracer, self._operation, self._began = asked, options, tracer, operation, began
        self._span = tracer.start_span(
            operation if first is None else f"{operation} {first.model}",
            kind=SpanKind.CLIENT,
            attributes=_known({names.OPERATION_NAME: operation, names.ROUTE: asked.route or None})
            | ({} if first is None else _of_row(first))
            | ({} if asked.request is None else _of_request(asked.request))
            | {names.TAG + tag: _plain(asked.tags[tag]) for tag in options.tags if tag in asked.tags},
            start_time=self._began,
        )

    @property
    def traceparent(self) -> str | None:
        """The span as W3C Trace Context writes it; None where it has no identity."""
        context = self._span.get_span_context()
        if not context.is_valid:
            return None
        return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def finish(self, result: object, nanoseconds: int, *, restored: bool) -> None:
        """End the span with what the result says about itself."""
        span = self._span
        if span.is_recording():
            if isinstance(result, Reply | Outcome):
                self._attempts(result.attempts, nanoseconds)
                span.set_attributes(self._of_result(result))
            if isinstance(result, Reply):
                span.set_attributes(_of_reply(result))
                if self._options.content and not restored:
                    span.set_attribute(names.INPUT_MESSAGES, input_messages(result.messages[:-1]))
                    span.set_attribute(names.OUTPUT_MESSAGES, output_messages(result))
        span.end(self._began + nanoseconds)

    def fail(self, error: BaseException, nanoseconds: int) -> None:
        """End the span with the error's class and status: never its text, which a provider may have had a hand in."""
        span = self._span
        if span.is_recording():
            attempts, receipt = getattr(error, "attempts", ()), getattr(error, "receipt", None)
            self._attempts(cast("tuple[Attempt, ...]", attempts), nanoseconds)
            span.set_attributes(_known({names.ATTEMPTS: len(attempts), names.RECEIPT: None if receipt is None else receipt.id}))
            if isinstance(error, SaferouteError):
                span.set_attributes(_known(_of_error(error)))
            span.set_attribute(names.ERROR_TYPE, type(error).__name__)
            if type(error).__name__ != _LEFT:  # who leaves a stream early has what was wanted of it
                span.set_status(StatusCode.ERROR, type(error).__name__)
        span.end(self._began + nanoseconds)

    def _of_result(self, result: Reply[Any] | Outcome) -> dict[str, Any]:
        usage, row = result.usage, self._row(result.target)
        priced = None if row is None or row.prices is None or result.cost is None else row.prices.currency
        found = {
            names.RESPONSE_MODEL: result.model,
            names.PROVIDER_NAME: result.provider_name,
            names.TARGET: result.target,
            names.ATTEMPTS: len(result.attempts),
            names.INPUT_TOKENS: usage.input_tokens,
            names.OUTPUT_TOKENS: usage.output_tokens,
            names.CACHE_READ_TOKENS: usage.cache_read_input_tokens or None,
            names.CACHE_CREATION_TOKENS: usage.cache_creation_input_tokens or None,
            names.REASONING_TOKENS: usage.reasoning_output_tokens or None,
            names.COST: None if result.cost is None else float(result.cost),
            names.CURRENCY: priced,
            names.RECEIPT: None if result.receipt is None else result.receipt.id,
            names.VERDICTS: _said(result.verdicts),
        }
        if row is not None and row is not self._asked.targets[0]:  # another row answered than was asked first
            self._span.update_name(f"{self._operation} {row.model}")
        return ({} if row is None else _of_row(row)) | _known(found)

    def _row(self, name: str) -> Target | None:
        return next((row for row in self._asked.targets if row.id == name), None)

    def _attempts(self, attempts: Iterable[Attempt], nanoseconds: int) -> None:
        """A span for each attempt below the call's, from when it began to when it ended, within the call's own."""
        context = trace.set_span_in_context(self._span)
        for number, attempt in enumerate(attempts, 1):
            began = min(max(0, round(attempt.began * _NANO)), nanoseconds)
            ended = min(began + max(0, round(attempt.seconds * _NANO)), nanoseconds)
            row = self._row(attempt.target)
            span = self._tracer.start_span(
                f"attempt {attempt.target}",
                context,
                SpanKind.CLIENT,
                _of_attempt(number, attempt) | ({} if row is None else _place(row)),
                start_time=self._began + began,
            )
            if attempt.outcome == _LEFT:
                span.set_attribute(names.ERROR_TYPE, _LEFT)
            elif attempt.outcome != "ok":
                span.set_attribute(names.ERROR_TYPE, attempt.outcome)
                span.set_status(StatusCode.ERROR, attempt.outcome)
            span.end(self._began + ended)


def _of_row(row: Target) -> dict[str, Any]:
    return {names.PROVIDER_NAME: row.provider_name, names.REQUEST_MODEL: row.model} | _place(row)


def _place(row: Target) -> dict[str, Any]:
    origin = parse_origin(row.origin)
    return {names.SERVER_ADDRESS: origin.host, names.SERVER_PORT: origin.port}


def _of_request(request: ChatRequest) -> dict[str, Any]:
    found = {
        names.REQUEST_STREAM: request.stream,
        names.MAX_TOKENS: request.max_output_tokens,
        names.TEMPERATURE: request.temperature,
        names.TOP_P: request.top_p,
        names.SEED: request.seed,
        names.CHOICE_COUNT: request.n if request.n > 1 else None,
        names.OUTPUT_TYPE: "json" if request.output is not None else None,
    }
    return _known(found)  # and not where to stop: these are texts of the caller's, which no guard is asked about


def _of_reply(reply: Reply[Any]) -> dict[str, Any]:
    last = reply.attempts[-1] if reply.attempts else None
    first = None if last is None else last.first_token
    return _known({names.RESPONSE_ID: reply.id, names.FINISH_REASONS: (reply.finish_reason,), names.FIRST_CHUNK: first})


def _of_error(error: SaferouteError) -> dict[str, Any]:
    return {
        names.STATUS_CODE: error.status if isinstance(error, ProviderError) else None,
        names.DENY: error.code if isinstance(error, CapabilityError) else None,
        names.VERDICTS: _said(error.verdicts if isinstance(error, GuardError) else ()),
    }


def _of_attempt(number: int, attempt: Attempt) -> dict[str, Any]:
    """Attributes in our names alone: receivers take a span with one of the conventions' for another call, and count it again."""
    found = {
        names.ATTEMPT_NUMBER: number,
        names.TARGET: attempt.target,
        names.ATTEMPT_MODEL: attempt.model,
        names.ATTEMPT_OUTCOME: attempt.outcome,
        names.STATUS_CODE: attempt.status,
        names.REQUEST_ID: attempt.request_id,
        names.ATTEMPT_WHY: _plain(attempt.why) or None,
        names.ATTEMPT_REJECTED: tuple(_plain(f"{row}: {why}") for row, why in attempt.rejected[:_MOST]) or None,
        names.ATTEMPT_FIRST_CHUNK: attempt.first_token,
        names.ATTEMPT_COST: None if attempt.cost is None else float(attempt.cost),
    }
    return _known(found)


def _said(verdicts: Sequence[Judged]) -> tuple[str, ...] | None:
    """Which guards said what, and when: each once, without places and reasons."""
    every = dict.fromkeys(f"{one.guard}:{one.verdict.action.name.lower()}:{one.stage}" for one in verdicts)
    return tuple(every)[:_MOST] or None


def _known(found: Mapping[str, Any]) -> dict[str, Any]:
    """What is not known has no attribute: a 0 or an empty text in its place would be counted."""
    return {name: value for name, value in found.items() if value is not None}


def _plain(text: str) -> str:
    """A text that can be exported: bounded, and without halves of letters."""
    return text[:_LONGEST].encode("utf-8", "replace").decode()
