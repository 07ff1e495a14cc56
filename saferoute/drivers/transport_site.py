"""What both transports know about a place that requests go to, and the errors that both raise about it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from saferoute.drivers.address import AddressRule
from saferoute.errors import AddressRefused, ConfigurationError, ConnectFailed, ProtocolError, StreamInterrupted, TimedOut
from saferoute.values.origin import parse_origin
from saferoute.wire.http1 import Limits, ResponseReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.errors import TransportError
    from saferoute.values.http import Clocks, Head, NetClass

__all__ = ["Parser", "Reader", "Site", "connect_failed", "interrupted", "not_decodable", "reader_factory", "timed_out"]

Parser: TypeAlias = Literal["own", "h11"]
RECEIVE_BYTES: Final = 65_536


class Reader(Protocol):
    """A response parser: our own, or h11 behind the same methods."""

    head: Head | None
    done: bool
    reusable: bool

    def feed(self, data: bytes) -> bytes:
        """As ResponseReader.feed."""

    def eof(self) -> bool:
        """As ResponseReader.eof."""


def reader_factory(parser: Parser, limits: Limits) -> Callable[[], Reader]:
    """Make the function that makes a parser per answer.

    Raises:
        ConfigurationError: no such parser.
    """
    if parser == "own":
        return lambda: ResponseReader(limits)
    if parser == "h11":
        from saferoute.drivers.transport_h11 import H11Reader

        return lambda: H11Reader(limits)
    raise ConfigurationError(f"there is no parser {parser!r}; it is 'own' or 'h11'")


class Site:
    """One origin under one net class.

    Attributes:
        host, port, secure: where to connect, and whether over TLS.
        is_ip: whether the host is an address already.
        rule: which addresses it may be reached at.
        fixed: the end of the request line and the header lines that are the same for every request.
        label: how errors call it.
    """

    __slots__ = ("fixed", "host", "is_ip", "label", "port", "rule", "secure")

    def __init__(self, origin_text: str, net: NetClass) -> None:
        """Prepare an origin.

        Raises:
            ConfigurationError: not a canonical origin, or not a net class.
            AddressRefused: plain http to the public internet.
        """
        origin = parse_origin(origin_text)
        self.secure = origin.scheme == "https"
        if not self.secure and net.kind == "public":
            raise AddressRefused(
                f"{origin_text} is plain http, which only loopback and private addresses may use; nothing was sent. "
                "Use https, or give the route the net class that fits"
            )
        self.host = origin.host
        self.port = origin.port
        self.is_ip = origin.is_ip
        self.rule = AddressRule(net)
        self.label = origin.authority
        self.fixed = f" HTTP/1.1\r\nhost: {origin.authority}\r\nuser-agent: saferoute\r\naccept-encoding: identity\r\n"


def timed_out(clocks: Clocks, clock: str, *, total: bool, sent: bool) -> TimedOut:
    """The error for a clock that ran out; `total` if it was the whole call's deadline that came first."""
    if total:
        return TimedOut(clock="total", seconds=clocks.total, sent=sent)
    seconds = {"connect": clocks.connect, "first_byte": clocks.first_byte}.get(clock, clocks.idle)
    return TimedOut(clock=clock, seconds=seconds, sent=sent)


def connect_failed(site: Site, failure: BaseException | None) -> TransportError:
    """The error for a connection that did not come about, made fresh from what the system said."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        why = failure.verify_message or "it does not verify"
        return ConnectFailed(
            f"the TLS certificate of {site.label} was not accepted: {why}. Nothing was sent. If the server uses a certificate authority "
            "of your own, the route needs its `ca_pem`",
            retryable=False,
        )
    if isinstance(failure, ssl.SSLError) and not isinstance(failure, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        reason = (failure.reason or "handshake failed").replace("_", " ").lower()
        return ConnectFailed(f"no TLS with {site.label}: {reason}. Nothing was sent", retryable=False)
    if isinstance(failure, ConnectionRefusedError):
        return ConnectFailed(f"{site.label} refuses connections: nothing listens there. Nothing was sent")
    reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else "the connection was closed"
    return ConnectFailed(f"no connection to {site.label}: {reason}. Nothing was sent")


def no_such_host(site: Site) -> ConnectFailed:
    """The error for a name that has no address."""
    return ConnectFailed(f"the host name {site.host} was not found. Nothing was sent")


def interrupted(site: Site, head: Head | None) -> StreamInterrupted:
    """The error for a connection that ended before the answer did."""
    if head is None:
        return StreamInterrupted(f"{site.label} closed the connection before it answered; whether it acted on the request is not known")
    return StreamInterrupted(f"{site.label} closed the connection in the middle of its answer")


def not_decodable(error: ProtocolError) -> ProtocolError:
    """A parser's error again, without the frames that hold the answer's bytes."""
    return ProtocolError(error.message)
