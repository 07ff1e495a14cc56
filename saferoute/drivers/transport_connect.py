"""Opening a connection, blocking: resolve once, check, connect to a checked address, ask the proxy if there is one, TLS, pins."""

from __future__ import annotations

import queue
import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

from saferoute.drivers.address import look_up
from saferoute.drivers.pool import cut, prepare
from saferoute.drivers.tls import check_pins
from saferoute.drivers.transport_site import connect_failed, timed_out
from saferoute.drivers.transport_tunnel import TunnelAnswer, connect_request
from saferoute.drivers.transport_tunnel_tls import TlsInTls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.drivers.address import Resolver
    from saferoute.drivers.stopping import Stop
    from saferoute.drivers.tls import ClientTls
    from saferoute.drivers.transport_site import Hop, Site
    from saferoute.values.http import Clocks

__all__ = ["Connector", "Line"]

Line: TypeAlias = socket.socket | TlsInTls
"""What a request is written to."""

_CLOSE_ENOUGH: Final = 0.001  # of a second: two time limits that need no system call to tell apart
_RECEIVE_BYTES: Final = 4_096


class Connector:
    """Opens connections.

    Args:
        tls: the TLS contexts.
        clock: monotonic seconds; `Clocks.deadline` is on it.
        resolver: from host and port to addresses.
    """

    __slots__ = ("clock", "resolver", "tls")

    def __init__(self, tls: ClientTls, clock: Callable[[], float], resolver: Resolver) -> None:
        self.tls = tls
        self.clock = clock
        self.resolver = resolver

    def connect(self, site: Site, clocks: Clocks, stop: Stop | None = None) -> Line:
        """Open a connection that requests for a site may be written to; `stop` breaks it off.

        Raises:
            AddressRefused, ConnectFailed, TimedOut: it did not come about.
            ConfigurationError: the row's certificate authorities cannot be loaded.
        """
        now = self.clock()
        total = clocks.deadline - now < clocks.connect
        ends = clocks.deadline if total else now + clocks.connect
        opening = _Opening(self, site, ends, stop)
        try:
            return opening.run()
        except OSError as error:
            failure = error.with_traceback(None)
        if isinstance(failure, TimeoutError) and self.clock() >= ends - _CLOSE_ENOUGH:
            raise timed_out(clocks, "connect", total=total, sent=False)
        raise connect_failed(opening.hop, failure)


class _Opening:
    """One connection that is being opened, up to a point in time; `hop` is whom it is about at the moment."""

    __slots__ = ("_clock", "_ends", "_resolver", "_site", "_stop", "_tls", "hop")

    def __init__(self, connector: Connector, site: Site, ends: float, stop: Stop | None) -> None:
        self.hop: Hop = site.first
        self._site = site
        self._ends = ends
        self._stop = stop
        self._tls = connector.tls
        self._clock = connector.clock
        self._resolver = connector.resolver

    def run(self) -> Line:
        """Do all of it.

        Raises:
            OSError: what the system or TLS said.
        """
        hop, site = self.hop, self._site
        for place in (hop, site):
            if place.secure:  # made now and kept, so that roots which cannot be loaded are seen before anybody is spoken to
                self._tls.context(place.tls)
        sock = self._reach(hop.checked((hop.host,) if hop.is_ip else self._resolve(hop)))
        try:
            if hop.secure:
                sock = self._secure(sock, hop)
            if site.proxy is None:
                return sock
            self._ask(sock, site.proxy)
            self.hop = site
            return self._secure_within(sock, site) if isinstance(sock, ssl.SSLSocket) else self._secure(sock, site)
        except BaseException:
            self._close(sock)
            raise

    def _close(self, sock: socket.socket) -> None:
        if self._stop is not None:
            self._stop.detach()  # first: once it is closed, its number may be another one's
        sock.close()

    def _left(self) -> float:
        """Seconds until the end.

        Raises:
            TimeoutError: none.
        """
        left = self._ends - self._clock()
        if left <= 0:
            raise TimeoutError
        return left

    def _resolve(self, hop: Hop) -> Sequence[str] | Exception:
        found: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()
        if self._stop is not None:
            self._stop.attach(partial(found.put, ConnectionAbortedError()))
        look_up(self._resolver, hop.host, hop.port, found.put)
        try:
            return found.get(timeout=self._left())
        except queue.Empty:
            raise TimeoutError from None

    def _reach(self, addresses: tuple[str, ...]) -> socket.socket:
        """Connect to the first address that answers; each gets its share of the time that is left."""
        failure: OSError | None = None
        for tried, address in enumerate(addresses):
            left = self._left()
            sock: socket.socket | None = None
            try:
                sock = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
                sock.settimeout(left / (len(addresses) - tried))
                if self._stop is not None:
                    self._stop.attach(partial(cut, sock))
                sock.connect((address, self.hop.port))
                prepare(sock)
            except BaseException as error:
                if sock is not None:
                    self._close(sock)
                if not isinstance(error, OSError):
                    raise
                failure = error.with_traceback(None)
            else:
                return sock
        raise failure or ConnectionRefusedError

    def _ask(self, sock: socket.socket, proxy: Hop) -> None:
        """Have the proxy connect to the origin."""
        sock.settimeout(self._left())
        sock.sendall(connect_request(self._site))
        answer, is_open = TunnelAnswer(self._site, proxy), False
        while not is_open:
            sock.settimeout(self._left())
            is_open = answer.feed(sock.recv(_RECEIVE_BYTES))

    def _secure(self, sock: socket.socket, hop: Hop) -> ssl.SSLSocket:
        """Put TLS over a connection, for a host name; before anything is written to it, the certificate's key is compared with the pins."""
        context = self._tls.context(hop.tls)
        sock.settimeout(self._left())
        # An end without TLS's own goodbye is an error here, so that nobody can shorten an answer that ends with the connection.
        secured = context.wrap_socket(sock, server_hostname=hop.host, suppress_ragged_eofs=False, do_handshake_on_connect=False)
        try:
            if self._stop is not None:
                self._stop.attach(partial(cut, secured))
            secured.do_handshake()
            check_pins(hop.label, hop.tls, secured.getpeercert(binary_form=True))
        except BaseException:
            self._close(secured)
            raise
        return secured

    def _secure_within(self, outer: ssl.SSLSocket, hop: Hop) -> TlsInTls:
        """As _secure, inside the TLS connection to a proxy."""
        secured = TlsInTls(outer, self._tls.context(hop.tls), hop.host)
        secured.settimeout(self._left())
        secured.do_handshake()
        check_pins(hop.label, hop.tls, secured.getpeercert())
        return secured
