"""What a driver needs of a transport: one request out, one answer in.

Our own transports (`saferoute.drivers.transport`) implement it, and so does the bridge that lets any httpx transport stand in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from saferoute.values.events import Finished
from saferoute.values.fold import Fold

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable

    from saferoute.values.events import StreamEvent
    from saferoute.values.http import Clocks, Head, HttpRequest
    from saferoute.values.reply import Partial, Reply

__all__ = ["AsyncExchange", "AsyncTransport", "CallObserver", "Exchange", "Transport", "partial_of"]


class Exchange(Protocol):
    """An answer that is being read."""

    head: Head

    def read(self) -> bytes:
        """The next piece of the decoded body; b"" at its end (then the connection is already back in the pool).

        Raises:
            TransportError: TimedOut (idle or total), StreamInterrupted (ended early).
            ProtocolError: broken framing, refused coding, over the cap.
        """

    def finish(self) -> None:
        """The dialect's last event was read: keep the connection if the end of the framing comes within a moment, else drop it.

        Never raises for what the provider does.
        """

    def close(self) -> None:
        """Stop reading: drop the connection, unless the answer was whole. Safe to call twice."""


class Transport(Protocol):
    """Sends requests, blocking."""

    def open(self, request: HttpRequest, clocks: Clocks) -> Exchange:
        """Connect (or reuse), add the key if the origin is its own, write, and read the head.

        Raises:
            SecretError: no key, or a key that is not bound to this origin; nothing was sent.
            TransportError: with `sent` telling whether any byte of the request may have left.
            ProtocolError: the head is not HTTP/1.1.
        """

    def close(self) -> None:
        """Close every idle connection."""


class AsyncExchange(Protocol):
    """As Exchange, awaited."""

    head: Head

    async def read(self) -> bytes:
        """As Exchange.read."""

    async def finish(self) -> None:
        """As Exchange.finish."""

    async def close(self) -> None:
        """As Exchange.close."""

    def abort(self) -> None:
        """Drop the connection without waiting; from any thread, since a garbage collector may be the caller."""


class AsyncTransport(Protocol):
    """As Transport, awaited."""

    def open(self, request: HttpRequest, clocks: Clocks) -> Coroutine[Any, Any, AsyncExchange]:
        """As Transport.open, awaited."""

    async def close(self) -> None:
        """As Transport.close."""


class CallObserver(Protocol):
    """Hears how a call ended; telemetry, and whoever else wants to know."""

    def finish(self, reply: Reply[Any]) -> None:
        """The call has a reply."""

    def fail(self, error: BaseException) -> None:
        """The call ended without one."""


def partial_of(events: Iterable[StreamEvent[Any]]) -> Partial:
    """What a consumer has seen of an answer."""
    fold = Fold()
    fold.add(event for event in events if not isinstance(event, Finished))
    return fold.partial()
