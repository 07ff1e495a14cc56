"""A proxy on loopback that speaks CONNECT, honestly or not, and certificates for names that are not this machine's.

The proxy dials the port that the test names, whatever it is asked for, and keeps all that it was sent: what was said to it, and what it
carried. Every loop in it ends.
"""

from __future__ import annotations

import base64
import hashlib
import select
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from saferoute.values.http import ConnectProxy, NetClass, TlsTerms
from tests.drivers.hostile import HostileServer

OPEN = b"HTTP/1.1 200 Connection established\r\n\r\n"
NAME = "api.example.com"
ORIGIN = f"https://{NAME}"
Answer = bytes | Callable[["TestProxy", socket.socket], None]


class Authority:
    """A certificate authority with servers' contexts."""

    def __init__(self) -> None:
        self._ca = trustme.CA()
        self.ca_pem = self._ca.cert_pem.bytes().decode()
        self.ca_pin = pin(self._ca.cert_pem.bytes())
        self.pin = ""

    def server(self, *names: str, newest: ssl.TLSVersion | None = None, appended: Sequence[Authority] = ()) -> ssl.SSLContext:
        """A server's context; `pin` is its key's from now on. `appended` puts certificates that prove nothing into its chain."""
        made = self._ca.issue_cert(*(names or (NAME,)))
        self.pin = pin(made.cert_chain_pems[0].bytes())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if newest is not None:
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = newest
            context.set_ciphers("ALL:@SECLEVEL=0")
        chain = b"".join([pem.bytes() for pem in made.cert_chain_pems] + [other.ca_pem.encode() for other in appended])
        with made.private_key_pem.tempfile() as key, trustme.Blob(chain).tempfile() as certificates:
            context.load_cert_chain(certificates, key)
        return context


def pin(pem: bytes) -> str:
    key = x509.load_pem_x509_certificate(pem).public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


class TestProxy:
    """A proxy.

    Attributes:
        asked: the heads of the requests it was sent.
        carried: what clients sent through it to the origin.
        strays: what clients sent after an answer that opened no tunnel.
    """

    __test__ = False

    def __init__(self, dial: int, answer: Answer = OPEN, *, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self.carried = b""
        self.strays = b""
        self.stopping = threading.Event()
        self._dial = dial
        self._answer = answer
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def origin(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def net(self, ca_pem: str = "", tls: TlsTerms | None = None) -> NetClass:
        """The net class of a row that goes through this proxy: the origin's authority, and TLS terms for the proxy."""
        terms = TlsTerms("ca_pem", ca_pem) if ca_pem else None
        return NetClass("public", tls=terms, proxy=ConnectProxy(self.origin, NetClass("loopback", tls=tls)))

    def stop(self) -> None:
        self.stopping.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        while not self.stopping.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(5)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            head = b""
            while b"\r\n\r\n" not in head:
                data = sock.recv(4096)
                if not data:
                    return
                head += data
            self.asked.append(head)
            if callable(self._answer):
                self._answer(self, sock)
                return
            sock.sendall(self._answer)
            if self._answer != OPEN:
                self._listen(sock)
                return
            with socket.create_connection(("127.0.0.1", self._dial), 5) as origin:
                self._relay(sock, origin)
        except OSError:
            pass
        finally:
            sock.close()

    def _listen(self, sock: socket.socket) -> None:
        while data := sock.recv(65_536):
            self.strays += data

    def _relay(self, client: socket.socket, origin: socket.socket) -> None:
        origin.settimeout(5)
        while not self.stopping.is_set():
            waiting = isinstance(client, ssl.SSLSocket) and client.pending()
            ready = select.select([client, origin], [], [], 0 if waiting else 0.05)[0]
            if waiting or client in ready:
                data = client.recv(65_536)
                if not data:
                    return
                self.carried += data
                origin.sendall(data)
            if origin in ready:
                data = origin.recv(65_536)
                if not data:
                    return
                client.sendall(data)


@contextmanager
def running(*servers: HostileServer | TestProxy) -> Iterator[None]:
    """Stop servers at the end."""
    try:
        yield
    finally:
        for server in servers:
            server.stop()
