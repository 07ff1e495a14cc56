"""Who hears how a call ended: its span, if there is one, and one log line without content."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from saferoute.call.flow import Call
    from saferoute.call.operation import OperationCall
    from saferoute.telemetry import Heard
    from saferoute.values.reply import Reply

__all__ = ["Observer", "OperationObserver"]

_log = logging.getLogger("saferoute")


class Observer:
    """Hears how a call ended."""

    __slots__ = ("_call", "_span")

    def __init__(self, call: Call, span: Heard | None) -> None:
        self._call = call
        self._span = span

    def finish(self, reply: Reply[Any]) -> None:
        """The call has a reply."""
        if self._span is not None:
            self._span.finish(reply)
        if _log.isEnabledFor(logging.DEBUG):
            usage = reply.usage
            counts = (usage.input_tokens, usage.output_tokens)
            _log.debug("saferoute: %s answered by %s (%s), tokens %s", reply.route, reply.target, reply.model, counts)

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""
        if self._span is not None:
            self._span.fail(error)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("saferoute: %s ended with %s", self._call.route, type(error).__name__)


class OperationObserver:
    """Hears how an operation ended."""

    __slots__ = ("_call", "_span")

    def __init__(self, call: OperationCall[Any], span: Heard | None) -> None:
        self._call = call
        self._span = span

    def finish(self, reply: object) -> None:
        """The operation has a result."""
        if self._span is not None:
            self._span.finish(reply)
        _log.debug("saferoute: %s on %s done", self._call.operation, self._call.route)

    def fail(self, error: BaseException) -> None:
        """The operation ended without one."""
        if self._span is not None:
            self._span.fail(error)
        _log.debug("saferoute: %s on %s ended with %s", self._call.operation, self._call.route, type(error).__name__)
