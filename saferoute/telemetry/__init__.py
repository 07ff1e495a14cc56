"""OpenTelemetry: a span for each call, with its attempts below it, and three histograms. The only package that touches opentelemetry.

Nothing is imported and nothing is paid until the program has loaded an OpenTelemetry SDK itself, or hands over a provider: importing
opentelemetry-api runs whatever its environment variables and entry points name, which is the program's decision.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from time import perf_counter_ns, time_ns
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.telemetry.metrics import Histograms
    from saferoute.telemetry.spans import CallSpan
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = [
    "METRICS_SDK", "TRACE_SDK", "Asked", "Heard", "Instruments", "Telemetry", "TelemetryOptions", "options_from",
]  # fmt: skip

TRACE_SDK: Final = "opentelemetry.sdk.trace"
METRICS_SDK: Final = "opentelemetry.sdk.metrics"
_NANO: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class TelemetryOptions:
    """What a client tells OpenTelemetry.

    Attributes:
        tracer_provider: who gets spans; None for the program's own, once it has loaded an SDK; False for nobody.
        meter_provider: who gets metrics; None and False as above.
        content: whether spans hold what was said: the conversation as guards left it, and the answer. Whoever reads traces reads it then.
        tags: names of the calls' tags that spans hold; their values are the program's own words.

    Raises:
        ConfigurationError: for what is none of these.

    Example:
        >>> from saferoute.telemetry import TelemetryOptions
        >>> TelemetryOptions(tags=("tenant",)).content
        False
    """

    tracer_provider: Any = None
    meter_provider: Any = None
    content: bool = False
    tags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check_provider(self.tracer_provider, "tracer_provider", "get_tracer", "TracerProvider")
        _check_provider(self.meter_provider, "meter_provider", "get_meter", "MeterProvider")
        if type(self.content) is not bool:
            msg = "content= of TelemetryOptions takes True or False"
            raise ConfigurationError(msg)
        if type(self.tags) is not tuple or not all(isinstance(tag, str) and tag for tag in self.tags):
            msg = 'tags= of TelemetryOptions takes a tuple of names of tags, such as ("tenant",)'
            raise ConfigurationError(msg)


Telemetry: TypeAlias = "Literal[False] | TelemetryOptions | Any | None"
"""None: what the program's own SDK hears, once it has loaded one. False: nothing. A TracerProvider: spans to that one. TelemetryOptions: as
they say."""


def options_from(telemetry: Telemetry) -> TelemetryOptions | None:
    """What a program wrote as `telemetry=`; None for nothing at all.

    Raises:
        ConfigurationError: for what is neither of these.
    """
    if telemetry is False:
        return None
    if telemetry is None:
        return TelemetryOptions()
    if isinstance(telemetry, TelemetryOptions):
        return telemetry
    if not hasattr(telemetry, "get_tracer"):
        msg = f"telemetry= takes an OpenTelemetry TracerProvider, TelemetryOptions, None or False, not {type(telemetry).__name__}"
        raise ConfigurationError(msg)
    return TelemetryOptions(telemetry)


def _check_provider(provider: object, name: str, method: str, kind: str) -> None:
    if provider is not None and provider is not False and not hasattr(provider, method):
        msg = f"{name}= of TelemetryOptions takes an OpenTelemetry {kind}, None or False, not {type(provider).__name__}"
        raise ConfigurationError(msg)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of a call before anything is sent.

    Attributes:
        operation: our word for it, such as "chat".
        route: the name that was asked for.
        targets: the rows that may answer, in order; at least one, but for a call that was refused before it had any.
        tags: the program's words about it.
        request: what is asked; None for other operations than chat.
    """

    operation: str
    route: str
    targets: tuple[Target, ...]
    tags: Mapping[str, str]
    request: ChatRequest | None = None


class Instruments:
    """What one client measures with. Tracer and histograms are made when they are first needed, once for each provider.

    Attributes:
        options: what is told, and to whom.
        waits: whether nobody listens before the program has loaded an SDK.
    """

    __slots__ = ("_metering", "_tracing", "options", "waits")

    def __init__(self, options: TelemetryOptions) -> None:
        self.options = options
        self.waits = not options.tracer_provider and not options.meter_provider
        self._tracing: tuple[Any, Any] = (None, None)  # a provider, and its tracer
        self._metering: tuple[Any, Histograms | None] = (None, None)

    def begin(self, asked: Asked) -> Heard | None:
        """Begin to measure a call; None if nobody listens."""
        began, at = perf_counter_ns(), time_ns()  # one moment on two clocks: what follows may import opentelemetry, once
        span, histograms = self._span(asked, at), self._histograms()
        return None if span is None and histograms is None else Heard(asked, span, histograms, began)

    def _span(self, asked: Asked, at: int) -> CallSpan | None:
        chosen = self.options.tracer_provider
        if chosen is False or (chosen is None and TRACE_SDK not in sys.modules):
            return None
        from saferoute.telemetry.spans import CallSpan, provider_of, tracer_of  # noqa: PLC0415  see the module's docstring

        provider = provider_of(chosen)
        known, tracer = self._tracing
        if known is not provider:
            tracer = tracer_of(provider)
            self._tracing = (provider, tracer)
        return CallSpan(tracer, asked, self.options, at)

    def _histograms(self) -> Histograms | None:
        chosen = self.options.meter_provider
        if chosen is False or (chosen is None and METRICS_SDK not in sys.modules):
            return None
        from saferoute.telemetry.metrics import Histograms, provider_of  # noqa: PLC0415  as above

        provider = provider_of(chosen)
        known, histograms = self._metering
        if known is not provider:
            histograms = Histograms(provider)
            self._metering = (provider, histograms)
        return histograms


class Heard:
    """One call, as OpenTelemetry hears of it."""

    __slots__ = ("_asked", "_began", "_histograms", "_span")

    def __init__(self, asked: Asked, span: CallSpan | None, histograms: Histograms | None, began: int) -> None:
        self._asked = asked
        self._span = span
        self._histograms = histograms
        self._began = began

    @property
    def traceparent(self) -> str | None:
        """The call's span as W3C Trace Context writes it; None where there is none."""
        return None if self._span is None else self._span.traceparent

    def finish(self, result: object, *, restored: bool = False) -> None:
        """The call has a result.

        Args:
            result: a reply, or what an operation answers.
            restored: whether guards have put values back into it: then it holds what they had taken out, and its content is not told.
        """
        nanoseconds = perf_counter_ns() - self._began
        if self._histograms is not None:
            self._histograms.finish(self._asked, result, nanoseconds / _NANO)
        if self._span is not None:
            self._span.finish(result, nanoseconds, restored=restored)

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""
        nanoseconds = perf_counter_ns() - self._began
        if self._histograms is not None:
            self._histograms.fail(self._asked, error, nanoseconds / _NANO)
        if self._span is not None:
            self._span.fail(error, nanoseconds)
