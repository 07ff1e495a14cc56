"""What both transports know about a place that requests go to, and the errors that both raise about it."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, TypeAlias

from saferoute.drivers.address import AddressRule
from saferoute.errors import AddressRefused, ConfigurationError, ConnectFailed, StreamInterrupted, TimedOut
from saferoute.values.origin import parse_origin
from saferoute.wire.header_lines import KnownLines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.http import Clocks, NetClass, TlsTerms

    HeadParts: TypeAlias = tuple[str, str, tuple[tuple[str, str], ...]]
    """Method, path and headers of a request."""

__all__ = ["Hop", "Site", "connect_failed", "interrupted", "timed_out"]


class Hop:
    """One place that a connection is made with: an origin, or the proxy before it.

    Attributes:
        host, port, secure: where to connect, and whether over TLS.
        is_ip: whether the host is an address already.
        label: how errors call it.
        tls: how its certificate is judged.
    """

    __slots__ = ("_rule", "host", "is_ip", "label", "port", "secure", "tls")

    def __init__(self, origin_text: str, net: NetClass, *, proxy: bool = False) -> None:
        """Prepare a place.

        Raises:
            ConfigurationError: not a canonical origin, or not a net class.
            AddressRefused: plain http where it must not be.
        """
        origin = parse_origin(origin_text)
        self.secure = origin.scheme == "https"
        if not self.secure and (net.kind == "public" or (net.kind == "private" and not (proxy or net.unsafe_plaintext))):
            raise AddressRefused(
                f"{origin_text} is plain http, which only loopback and, where the routing table says unsafe_plaintext, private addresses "
                "may use; nothing was sent. Use https, or give the route the net class that fits"
            )
        self.host = origin.host
        self.port = origin.port
        self.is_ip = origin.is_ip
        self.label = f"the proxy {origin.authority}" if proxy else origin.authority
        self.tls: TlsTerms | None = net.tls
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


class Site(Hop):
    r"""One origin under one net class.

    Attributes:
        fixed: the end of the request line and the header lines that are the same for every request.
        proxy: the proxy in between, if any.
        first: what is connected to: the proxy, or the origin itself.
        heads: the heads of requests that were checked, for `head_of`.
        lines: the header lines that it repeats.
    """

    __slots__ = ("first", "fixed", "heads", "lines", "proxy")

    def __init__(self, origin_text: str, net: NetClass) -> None:
        """Prepare an origin.

        Raises:
            ConfigurationError: not a canonical origin, not a net class, or not one that a proxy can be between.
            AddressRefused: plain http where it must not be.
        """
        super().__init__(origin_text, net)
        authority = parse_origin(origin_text).authority
        self.fixed = f" HTTP/1.1\r\nhost: {authority}\r\nuser-agent: saferoute\r\naccept-encoding: identity\r\n"
        self.heads: dict[HeadParts, bytes] = {}
        self.lines = KnownLines()
        self.proxy: Hop | None = None
        if net.proxy is not None:
            if not self.secure or self.is_ip or net.kind != "public" or net.proxy.net.proxy is not None:
                raise ConfigurationError(
                    f"{origin_text} cannot be reached through a proxy: only an https origin of net class public that is named, not "
                    "numbered, can, and through one proxy"
                )
            self.proxy = Hop(net.proxy.origin, net.proxy.net, proxy=True)
        self.first: Hop = self.proxy or self


def timed_out(clocks: Clocks, clock: str, *, total: bool, sent: bool) -> TimedOut:
    """The error for a clock that ran out; `total` if it was the whole call's deadline that came first."""
    if total:
        return TimedOut(clock="total", seconds=clocks.total, sent=sent)
    seconds = {"connect": clocks.connect, "first_byte": clocks.first_byte}.get(clock, clocks.idle)
    return TimedOut(clock=clock, seconds=seconds, sent=sent)


def connect_failed(hop: Hop, failure: BaseException | None) -> ConnectFailed:
    """The error for a connection that did not come about, made fresh from what the system said."""
    if isinstance(failure, ssl.SSLCertVerificationError):
        why = failure.verify_message or "it does not verify"
        return ConnectFailed(
            f"the TLS certificate of {hop.label} was not accepted: {why}. Nothing was sent. If the server uses a certificate authority "
            "of your own, the route needs its `ca_pem`",
            retryable=False,
        )
    if isinstance(failure, ssl.SSLError) and not isinstance(failure, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        reason = (failure.reason or "handshake failed").replace("_", " ").lower()
        return ConnectFailed(f"no TLS with {hop.label}: {reason}. Nothing was sent", retryable=False)
    if isinstance(failure, ConnectionRefusedError):
        return ConnectFailed(f"{hop.label} refuses connections: nothing listens there. Nothing was sent")
    reason = failure.strerror if isinstance(failure, OSError) and failure.strerror else "the other side hung up"
    return ConnectFailed(f"no connection to {hop.label}: {reason}. Nothing was sent")


def interrupted(site: Site, *, answered: bool) -> StreamInterrupted:
    """The error for a connection that ended before the answer did."""
    if answered:
        return StreamInterrupted(f"{site.label} closed the connection in the middle of its answer")
    return StreamInterrupted(f"{site.label} closed the connection before it answered; whether it acted on the request is not known")
