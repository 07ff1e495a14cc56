"""Errors of the way there and back: the transport, and answers that are not what the wire format says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from saferoute.errors.root import SaferouteError

if TYPE_CHECKING:
    from saferoute.errors.root import PartialReply

__all__ = [
    "AddressRefused",
    "ConnectFailed",
    "OutputInvalid",
    "ProtocolError",
    "StreamInterrupted",
    "TimedOut",
    "TransportError",
    "UnexpectedRedirect",
]


class TransportError(SaferouteError):
    """No whole answer came.

    Attributes:
        sent: whether any byte of the request may have reached the provider.
        retryable: whether trying the same thing again can help.
        partial: what had arrived of the answer until then (`partial.text`, `partial.tool_calls`); None if nothing had.
    """

    retryable: bool = True
    partial: PartialReply | None = None

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"sent": self.sent}


class ConnectFailed(TransportError):
    """No connection: no such host, refused, unreachable, or TLS did not succeed."""

    def __init__(self, message: str, *, retryable: bool = True) -> None:
        super().__init__(message, sent=False)
        self.retryable = retryable

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"sent": False, "retryable": self.retryable}


class TimedOut(TransportError, TimeoutError):
    """One of the four clocks ran out.

    Attributes:
        clock: which: "connect", "first_byte", "idle" or "total".
        seconds: how long that clock was.
    """

    def __init__(self, *, clock: str, seconds: float, sent: bool) -> None:
        super().__init__(f"the {clock} clock ran out after {seconds:g} s; the `timeout` option and the table's deadlines set it", sent=sent)
        self.clock = clock
        self.seconds = seconds
        self.retryable = clock != "total"  # the total deadline is the end of the call; the other clocks belong to one attempt

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"sent": self.sent, "clock": self.clock, "seconds": self.seconds, "retryable": self.retryable}


class StreamInterrupted(TransportError):
    """The answer stopped before its terminal event; `partial` holds what had arrived."""


class UnexpectedRedirect(TransportError):
    """The provider answered with a redirect. saferoute follows none: where a call may go is the table's business."""

    retryable = False


class AddressRefused(TransportError):
    """The host resolved to an address that the row's net class does not allow. Nothing was sent."""

    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message, sent=False)


class ProtocolError(SaferouteError):
    """The answer is not what the wire format says: broken framing, not JSON, a missing field, too large.

    Attributes:
        partial: what had arrived of the answer until then; None if nothing had.
    """

    retryable: bool = False
    partial: PartialReply | None = None


class OutputInvalid(ProtocolError):
    """The answer does not fit the `output` that was asked for.

    Attributes:
        reply: the whole reply, so that nothing that was paid for is lost.
    """

    def __init__(self, message: str, *, reply: PartialReply | None = None) -> None:
        super().__init__(message)
        self.reply = reply

    @override
    def _pickled(self) -> dict[str, Any]:
        return {"reply": None}
