"""Log records: the lines of a ledger, sent out through OpenTelemetry's logs as they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ConfigurationError, LedgerError
from saferoute.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Emitter", "emitter"]

_SDK: Final = "opentelemetry.sdk._logs"
_MICRO: Final = 1_000


class Emitter:
    """Sends a line of a ledger as a log record; its body is the line, byte for byte as text."""

    __slots__ = ("_logger", "_provider", "_severity")

    def __init__(self, provider: Any, logger: Any, severity: Any) -> None:  # noqa: ANN401  opentelemetry's own, not imported here
        self._provider = provider
        self._logger = logger
        self._severity = severity

    def __call__(self, line: bytes, record: Mapping[str, Any]) -> None:
        """Send a line.

        Args:
            line: the record as the ledger writes it.
            record: the same, read.

        Raises:
            LedgerError: what takes log records has broken.
        """
        found = {
            names.LEDGER_KIND: record.get("kind"),
            names.LEDGER_SEGMENT: record.get("segment"),
            names.LEDGER_NUMBER: record.get("seq"),
            names.LEDGER_CALL: record.get("call"),
            names.ROUTE: record.get("route"),
            names.TARGET: record.get("target"),
        }
        micros = record.get("time")
        try:
            self._logger.emit(
                timestamp=micros * _MICRO if isinstance(micros, int) else None,
                severity_number=self._severity,
                severity_text="INFO",
                body=line.removesuffix(b"\n").decode(),
                attributes={name: value for name, value in found.items() if isinstance(value, str | int)},
                event_name=names.LEDGER_EVENT,
            )
        except Exception as error:  # noqa: BLE001  processors are the program's
            raise LedgerError(f"OpenTelemetry's log processor raised {type(error).__name__}: the record may be lost") from None

    def flush(self, seconds: float = 5.0) -> bool:
        """Have the provider send what it holds back.

        Args:
            seconds: how long to wait.

        Returns:
            Whether it says that all of it is sent; True for a provider that holds nothing back.
        """
        flush = getattr(self._provider, "force_flush", None)
        return True if flush is None else flush(round(seconds * 1000)) is not False


def emitter(logger_provider: Any = None) -> Emitter:  # noqa: ANN401  a LoggerProvider
    """Open the way of a ledger's lines into OpenTelemetry's logs.

    Args:
        logger_provider: who gets them; None for the program's own, which it has to have set by now.

    Raises:
        ConfigurationError: nobody would get them. A ledger that is written nowhere is none.
    """
    if logger_provider is None and _SDK not in sys.modules:
        msg = "no OpenTelemetry SDK for logs is loaded: set a LoggerProvider first, or pass logger_provider="
        raise ConfigurationError(msg)
    if logger_provider is not None and not hasattr(logger_provider, "get_logger"):
        msg = f"logger_provider= takes an OpenTelemetry LoggerProvider, not {type(logger_provider).__name__}"
        raise ConfigurationError(msg)
    from opentelemetry import _logs as logs  # noqa: PLC0415  as the package's docstring says

    provider = logs.get_logger_provider() if logger_provider is None else logger_provider
    logger = provider.get_logger(names.SCOPE)
    if isinstance(logger, logs.NoOpLogger) or type(provider).__name__ == "ProxyLoggerProvider":
        msg = "OpenTelemetry's logger provider discards what it gets: set one first, or pass logger_provider="
        raise ConfigurationError(msg)
    return Emitter(provider, logger, logs.SeverityNumber.INFO)
