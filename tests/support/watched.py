"""A client whose spans, measurements and log records are kept in memory by OpenTelemetry's own SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import saferoute
from saferoute.telemetry import TelemetryOptions
from saferoute.testing import EmbeddedProvider
from tests.support.both import Face

__all__ = ["Kept", "Watched", "watching"]


class Kept:
    """What the SDK was told.

    Attributes:
        tracers: the provider for spans; `meters` the one for metrics.
    """

    def __init__(self) -> None:
        self.memory = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.memory))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])

    def options(self, **changes: Any) -> TelemetryOptions:
        return TelemetryOptions(**{"tracer_provider": self.tracers, "meter_provider": self.meters, **changes})

    @property
    def calls(self) -> list[ReadableSpan]:
        """The spans of calls, in the order of their ends."""
        return [span for span in self.memory.get_finished_spans() if span.parent is None]

    @property
    def call(self) -> ReadableSpan:
        (span,) = self.calls
        return span

    @property
    def attempts(self) -> list[ReadableSpan]:
        """The spans of attempts, in order."""
        return [span for span in self.memory.get_finished_spans() if span.parent is not None]

    def points(self, name: str) -> list[tuple[dict[str, Any], int, float]]:
        """Attributes, count and sum of each series of a histogram."""
        data: Any = self.reader.get_metrics_data()
        found = []
        for resource in data.resource_metrics if data is not None else []:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if scope.scope.name == "saferoute" and metric.name == name:  # some SDKs measure themselves
                        found += [(dict(point.attributes), point.count, point.sum) for point in metric.data.data_points]
        return found

    def everything(self) -> str:
        """All of it, as text."""
        data = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.memory.get_finished_spans()) + ("" if data is None else data.to_json())


class Watched(Kept):
    """A client of one embedded provider, the row "row", that tells the SDK."""

    def __init__(self, kind: str, provider: EmbeddedProvider, changes: dict[str, Any], **options: Any) -> None:
        super().__init__()
        self.provider = provider
        servers = [saferoute.loopback("row", port=provider.port)]
        plain = {"servers": servers, "secrets": saferoute.Secrets.of({}), "telemetry": self.options(**changes)}
        self.face = Face(kind, lambda client: client.local(**{**plain, **options}))


@contextmanager
def watching(kind: str, changes: dict[str, Any] | None = None, **options: Any) -> Iterator[Watched]:
    """Open a watched client; `changes` are to its TelemetryOptions, the rest to the client."""
    with EmbeddedProvider() as provider:
        made = Watched(kind, provider, changes or {}, **options)
        with made.face:
            yield made
