"""What both transports know about a place that requests go to, and the errors that both raise about it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from saferoute.drivers.address import AddressRule
from saferoute.errors import AddressRefused, ConnectFailed, StreamInterrupted, TimedOut
from saferoute.values.origin import parse_origin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.http import Clocks, NetClass

__all__ = ["Site", "connect_failed", "interrupted", "timed_out"]


class Site:
    r"""One origin under one net class.

    Attributes:
        host, port, secure: where to connect, and whether over TLS.
        is_ip: whether the host is an address already.
        fixed: the end of the request line and the header lines that are the same for every request.
        label: how errors call it.
    """

    __slots__ = ("_rule", "fixed", "host", "is_ip", "label", "port", "secure")

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
        self.label = origin.authority
        self.fixed = f" HTTP/1.1\r\nhost: {origin.authority}\r\nuser-agent: saferoute\r\naccept-encoding: identity\r\n"
        self._rule = AddressRule(net)

    def checked(self, found: Sequence[str] | Exception) -> tuple[str, ...]:
        """Take what a lookup found, if the net class allows all of it.

        Raises:
            ConnectFailed: nothing was found.
            AddressRefused: an address that the net class does not allow.
        """
        if isinstance(found, Exception):
            if not isinstance(found, (OSError, UnicodeError)):
                raise found
            found = ()
        if not found:
            raise ConnectFailed(f"the host name {self.host} was not found. Nothing was sent")
        return self._rule.check(self.host, found)


def timed_out(clocks: Clocks, clock: str, *, total: bool, sent: bool) -> TimedOut:
    """The error for a clock that ran out; `total` if it was the whole call's deadline that came first."""
    if total:
        return TimedOut(clock="total", seconds=clocks.total, sent=sent)
    seconds = {"connect": clocks.connect, "first_byte": clocks.first_byte}.get(clock, clocks.idle)
    return TimedOut(clock=clock, seconds=seconds, sent=sent)


def connect_failed(site: Site, failure: BaseException | None) -> ConnectFailed:
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
    reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else "the other side hung up"
    return ConnectFailed(f"no connection to {site.label}: {reason}. Nothing was sent")


def interrupted(site: Site, *, answered: bool) -> StreamInterrupted:
    """The error for a connection that ended before the answer did."""
    if answered:
        return StreamInterrupted(f"{site.label} closed the connection in the middle of its answer")
    return StreamInterrupted(f"{site.label} closed the connection before it answered; whether it acted on the request is not known")
