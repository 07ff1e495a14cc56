"""Metrics: tokens, durations and times to the first chunk, as histograms.

Their attributes are few words that the table and the caller choose. What a provider makes up, such as the model that it reports, is none of
them: every new word would be another series, for as long as the process runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry import metrics

from saferoute.telemetry import names
from saferoute.values.outcome import Outcome
from saferoute.values.reply import Reply

if TYPE_CHECKING:
    from saferoute.telemetry import Asked

__all__ = ["Histograms", "provider_of"]


def provider_of(chosen: Any) -> Any:  # noqa: ANN401  a MeterProvider
    """The provider that was chosen, or else the program's own as it is now."""
    return metrics.get_meter_provider() if chosen is None else chosen


class Histograms:
    """The three histograms of one meter provider."""

    __slots__ = ("_durations", "_first_chunks", "_tokens")

    def __init__(self, provider: Any) -> None:  # noqa: ANN401  a MeterProvider
        meter = metrics.get_meter(names.SCOPE, meter_provider=provider)
        seconds, tokens = names.SECOND_BOUNDS, names.TOKEN_BOUNDS
        self._tokens = meter.create_histogram(
            names.TOKEN_USAGE, "{token}", "Number of input and output tokens used.", explicit_bucket_boundaries_advisory=tokens
        )
        self._durations = meter.create_histogram(
            names.OPERATION_DURATION, "s", "Duration of a call, all its attempts included.", explicit_bucket_boundaries_advisory=seconds
        )
        self._first_chunks = meter.create_histogram(
            names.TIME_TO_FIRST_CHUNK, "s", "Time to the first content of a stream.", explicit_bucket_boundaries_advisory=seconds
        )

    def finish(self, asked: Asked, result: object, seconds: float) -> None:
        """Count a call that has a result."""
        attributes = _attributes(asked, result.target if isinstance(result, Reply | Outcome) else None)
        self._durations.record(seconds, attributes)
        if not isinstance(result, Reply | Outcome):
            return
        for kind, count in (("input", result.usage.input_tokens), ("output", result.usage.output_tokens)):
            if count:
                self._tokens.record(count, attributes | {names.TOKEN_TYPE: kind})
        last = result.attempts[-1] if result.attempts else None
        if last is not None and last.first_token is not None:
            self._first_chunks.record(min(last.began + last.first_token, seconds), attributes)

    def fail(self, asked: Asked, error: BaseException, seconds: float) -> None:
        """Count a call that ended without a result."""
        self._durations.record(seconds, _attributes(asked, None) | {names.ERROR_TYPE: type(error).__name__})


def _attributes(asked: Asked, answered: str | None) -> dict[str, str]:
    """The words that a measurement is grouped by: those of the row that answered, or else of the one that was to be asked first."""
    first = asked.targets[0] if asked.targets else None
    row = next((row for row in asked.targets if row.id == answered), first)
    attributes = {names.OPERATION_NAME: names.OPERATIONS.get(asked.operation, asked.operation)}
    if row is not None:
        attributes |= {names.ROUTE: asked.route, names.PROVIDER_NAME: row.provider_name, names.REQUEST_MODEL: row.model}
    return attributes
