"""One OpenTelemetry span per call, in the GenAI conventions' names. The only module that touches opentelemetry.

Nothing is imported and nothing is paid until the program has loaded an OpenTelemetry SDK itself, or hands over a tracer provider:
importing opentelemetry-api runs whatever its environment variables and entry points name, which is the program's decision.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from saferoute.errors import ProviderError
from saferoute.values.outcome import Outcome

if TYPE_CHECKING:
    from saferoute.values.reply import Reply
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["CallSpan", "Telemetry", "start_operation_span", "start_span"]

Telemetry: TypeAlias = "Literal[False] | Any | None"
"""None: spans when the program has loaded an SDK. False: never. A TracerProvider: that one."""

_SDK: Final = "opentelemetry.sdk.trace"
_SCOPE: Final = "saferoute"
_NAMES: Final = {"embed": "embeddings"}  # the conventions' word, where it is another than ours


class CallSpan:
    """The span of one call: attributes at the start, and either a reply or an error at the end. Content never goes in."""

    __slots__ = ("_span",)

    def __init__(self, span: Any) -> None:  # noqa: ANN401  opentelemetry's Span, which is not imported here
        self._span = span

    def finish(self, reply: Reply[object]) -> None:
        """End the span with what the reply says about itself."""
        span = self._span
        if span.is_recording():
            usage = reply.usage
            counts = {
                "gen_ai.usage.input_tokens": usage.input_tokens,
                "gen_ai.usage.output_tokens": usage.output_tokens,
                "gen_ai.usage.cache_read.input_tokens": usage.cache_read_input_tokens or None,
                "gen_ai.usage.cache_creation.input_tokens": usage.cache_creation_input_tokens or None,
            }
            span.set_attributes(
                {
                    "gen_ai.response.model": reply.model,
                    "gen_ai.response.id": reply.id,
                    "gen_ai.response.finish_reasons": (reply.finish_reason,),
                    "gen_ai.provider.name": reply.provider_name,
                    "saferoute.target": reply.target,
                    "saferoute.attempts": len(reply.attempts),
                }
                | {name: count for name, count in counts.items() if count is not None}
            )
        span.end()

    def finish_operation(self, result: object) -> None:
        """End the span of an operation with what its result says about itself."""
        span = self._span
        if span.is_recording() and isinstance(result, Outcome):
            span.set_attributes(
                {
                    "gen_ai.response.model": result.model,
                    "gen_ai.provider.name": result.provider_name,
                    "saferoute.target": result.target,
                    "saferoute.attempts": len(result.attempts),
                }
            )
            if result.usage.input_tokens is not None:
                span.set_attribute("gen_ai.usage.input_tokens", result.usage.input_tokens)
        span.end()

    def fail(self, error: BaseException) -> None:
        """End the span with the error's class and status: never its text, which a provider may have had a hand in."""
        from opentelemetry.trace import StatusCode  # noqa: PLC0415  there is a span, so it is loaded

        span = self._span
        if span.is_recording():
            span.set_attribute("error.type", type(error).__name__)
            if isinstance(error, ProviderError):
                span.set_attribute("http.response.status_code", error.status)
            span.set_status(StatusCode.ERROR, type(error).__name__)
        span.end()


def start_span(telemetry: Telemetry, route: str, request: ChatRequest, target: Target) -> CallSpan | None:
    """Start a span for a call, or return None when nobody listens."""
    if _nobody_listens(telemetry):
        return None
    asked = {
        "saferoute.stream": request.stream,
        "gen_ai.request.max_tokens": request.max_output_tokens,
        "gen_ai.request.temperature": request.temperature,
        "gen_ai.request.top_p": request.top_p,
        "gen_ai.request.seed": request.seed,
        "gen_ai.request.stop_sequences": request.stop or None,
    }
    return _started(telemetry, "chat", route, target, {name: value for name, value in asked.items() if value is not None})


def start_operation_span(telemetry: Telemetry, operation: str, route: str, target: Target) -> CallSpan | None:
    """Start a span for another operation, or return None when nobody listens."""
    if _nobody_listens(telemetry):
        return None
    return _started(telemetry, _NAMES.get(operation, operation), route, target, {})


def _nobody_listens(telemetry: Telemetry) -> bool:
    return telemetry is False or (telemetry is None and _SDK not in sys.modules)


def _started(telemetry: Any, operation: str, route: str, target: Target, asked: dict[str, Any]) -> CallSpan:  # noqa: ANN401  a TracerProvider or None
    from opentelemetry import trace  # noqa: PLC0415  see the module's docstring

    tracer = trace.get_tracer(_SCOPE, tracer_provider=telemetry)
    attributes = asked | {
        "gen_ai.operation.name": operation,
        "gen_ai.provider.name": target.provider_name,
        "gen_ai.request.model": target.model,
        "saferoute.route": route,
    }
    return CallSpan(tracer.start_span(f"{operation} {target.model}", kind=trace.SpanKind.CLIENT, attributes=attributes))
