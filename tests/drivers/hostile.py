"""A server on loopback that does what the path says, mostly wrong. Every loop in it ends.

It keeps what it received, so that a test can count requests and connections and look for what must not have been sent.
"""

from __future__ import annotations

import gzip
import socket
import ssl
import struct
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

BODY = b'{"answer": "ok", "filler": "' + b"x" * 200 + b'"}'
PIECES = [b"data: %d\n\n" % number for number in range(5)]
BOMB = 64 << 20


def head(*lines: bytes, status: bytes = b"200 OK", version: bytes = b"HTTP/1.1") -> bytes:
    return version + b" " + status + b"\r\n" + b"".join(line + b"\r\n" for line in lines) + b"\r\n"


def sized(body: bytes = BODY, *lines: bytes, status: bytes = b"200 OK") -> bytes:
    return head(b"Content-Type: application/json", b"Content-Length: %d" % len(body), *lines, status=status) + body


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


CHUNKED = head(b"Content-Type: text/event-stream", b"Transfer-Encoding: chunked")


class Peer:
    """One connection to a client."""

    def __init__(self, server: HostileServer, sock: socket.socket) -> None:
        self.server = server
        self.sock = sock
        self.open = True

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def close(self) -> None:
        self.open = False
        self.sock.close()

    def reset(self) -> None:
        """Close with RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def goodbye(self) -> None:
        """Close as TLS wants it: close_notify first."""
        if isinstance(self.sock, ssl.SSLSocket):
            self.sock.settimeout(1)
            with suppress(OSError):
                self.sock.unwrap()
        self.close()

    def wait(self, seconds: float) -> None:
        self.server.stopping.wait(seconds)


def _slow(peer: Peer) -> None:
    peer.send(head(b"Content-Length: %d" % len(BODY)))
    for byte in BODY:
        if peer.server.stopping.is_set():
            return
        peer.send(bytes([byte]))
        peer.wait(0.05)


def _slow_head(peer: Peer) -> None:
    for byte in sized():
        if peer.server.stopping.is_set():
            return
        peer.send(bytes([byte]))
        peer.wait(0.05)


def _pause(peer: Peer) -> None:
    peer.send(CHUNKED + chunk(PIECES[0]))
    peer.wait(20)


def _endless(peer: Peer) -> None:
    for _ in range(200):
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")


def _stream(peer: Peer) -> None:
    peer.send(CHUNKED)
    for piece in PIECES:
        peer.send(chunk(piece))
        peer.wait(0.01)
    peer.send(b"0\r\n\r\n")


def _cut(how: str) -> Callable[[Peer], None]:
    def act(peer: Peer) -> None:
        peer.send(CHUNKED + chunk(PIECES[0]))
        peer.wait(0.05)
        getattr(peer, how)()

    return act


def _until_close(how: str) -> Callable[[Peer], None]:
    def act(peer: Peer) -> None:
        peer.send(head(b"Content-Type: text/plain") + BODY)
        peer.wait(0.05)
        getattr(peer, how)()

    return act


def _then_close(peer: Peer) -> None:
    """A whole answer, and the end of the connection when the test says that it was read."""
    peer.send(sized())
    peer.server.go_on.wait(10)
    peer.close()
    peer.server.went_on.set()


def _then_stray(peer: Peer) -> None:
    """A whole answer, and a second one that nobody asked for, when the test says that the first was read."""
    peer.send(sized())
    peer.server.go_on.wait(10)
    peer.send(sized(b"poison"))
    peer.server.went_on.set()


def _only_once(peer: Peer) -> None:
    """Answer a connection's first request; take the second one and hang up."""
    if getattr(peer, "answered", False):
        peer.close()
        return
    peer.answered = True  # type: ignore[attr-defined]
    peer.send(sized())


def _big(peer: Peer) -> None:
    body = b"z" * (8 << 20)
    peer.send(head(b"Content-Length: %d" % len(body)) + body)


def _big_until_close(how: str) -> Callable[[Peer], None]:
    """More than any buffer holds, and the end right behind it."""

    def act(peer: Peer) -> None:
        peer.send(head(b"Content-Type: text/plain", b"Connection: close") + b"z" * (3 << 20))
        getattr(peer, how)()

    return act


def _big_then_gone(peer: Peer) -> None:
    """A whole answer whose length is known, and no goodbye."""
    peer.send(head(b"Content-Length: %d" % (3 << 20), b"Connection: close") + b"z" * (3 << 20))
    peer.close()


def _say(data: bytes, *, close: bool = False) -> Callable[[Peer], None]:
    def act(peer: Peer) -> None:
        peer.send(data)
        if close:
            peer.goodbye()

    return act


def _raw_deflate(data: bytes) -> bytes:
    engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return engine.compress(data) + engine.flush()


SCENARIOS: dict[str, Callable[[Peer], None]] = {
    "ok": _say(sized()),
    "ok-close": _say(sized(BODY, b"Connection: close"), close=True),
    "ok-10": _say(head(b"Content-Length: %d" % len(BODY), version=b"HTTP/1.0") + BODY, close=True),
    "empty": _say(head(status=b"204 No Content")),
    "interim": _say(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + sized()),
    "stream": _stream,
    "until-close": _until_close("goodbye"),
    "until-cut": _until_close("close"),
    "until-reset": _until_close("reset"),
    "gzip": _say(sized(gzip.compress(BODY), b"Content-Encoding: gzip")),
    "deflate": _say(sized(zlib.compress(BODY), b"Content-Encoding: deflate")),
    "raw-deflate": _say(sized(_raw_deflate(BODY), b"Content-Encoding: deflate")),
    "brotli": _say(sized(b"\x0b\x02\x80hello\x03", b"Content-Encoding: br")),
    "half-gzip": _say(sized(gzip.compress(BODY)[:-12], b"Content-Encoding: gzip")),
    "not-gzip": _say(sized(BODY, b"Content-Encoding: gzip")),
    "then-close": _then_close,
    "then-stray": _then_stray,
    "only-once": _only_once,
    "rst": Peer.reset,
    "hang-up": Peer.close,
    "rst-mid": _cut("reset"),
    "close-mid": _cut("goodbye"),
    "short": _say(head(b"Content-Length: %d" % (len(BODY) + 50)) + BODY, close=True),
    "long": _say(head(b"Content-Length: %d" % (len(BODY) - 20)) + BODY),
    "slow": _slow,
    "slow-head": _slow_head,
    "pause": _pause,
    "hang": lambda peer: peer.wait(20),
    "redirect": _say(head(b"Location: http://127.0.0.1:9/", b"Content-Length: 0", status=b"307 Temporary Redirect")),
    "bad-chunk": _say(CHUNKED + b"ZZ\r\nnot a chunk\r\n0\r\n\r\n"),
    "long-chunk": _say(CHUNKED + b"5\r\n123456789\r\n0\r\n\r\n"),
    "big-head": _say(head(b"X-Big: " + b"a" * (1 << 20)) + BODY),
    "big": _big,
    "big-until-close": _big_until_close("goodbye"),
    "big-until-cut": _big_until_close("close"),
    "big-then-gone": _big_then_gone,
    "endless-100": _endless,
    "garbage": _say(b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n"),
    "conflict": _say(head(b"Content-Length: 5", b"Content-Length: 6") + b"hello!"),
}


class HostileServer:
    """Serves SCENARIOS on a free port of 127.0.0.1, a thread per connection.

    Attributes:
        requests: every request as it came, head and body.
        connections: how many connections were accepted (and, under TLS, shaken hands with).
        go_on: set by the test; what "then-" in a path's name stands before waits for it.
        went_on: set by the server once that is done.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.stopping = threading.Event()
        self.go_on, self.went_on = threading.Event(), threading.Event()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def origin(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self.stopping.set()
        self.go_on.set()
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
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            thread = threading.Thread(target=self._serve, args=(sock,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket) -> None:
        try:
            sock.settimeout(10)
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            self.connections += 1
            peer = Peer(self, sock)
            sock.settimeout(0.1)
            while peer.open and not self.stopping.is_set() and self._one(peer):
                pass
        except OSError:
            pass
        finally:
            sock.close()

    def _one(self, peer: Peer) -> bool:
        data = b""
        while b"\r\n\r\n" not in data:
            more = self._receive(peer)
            if not more:
                return False
            data += more
        text, _, body = data.partition(b"\r\n\r\n")
        wanted = next((int(line[15:]) for line in text.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
        name = text.split(b" ", 2)[1].split(b"?")[0].strip(b"/").decode()
        if name == "deaf":  # never reads the body
            peer.wait(20)
            return False
        if name == "refuse-early":
            peer.send(sized(b"too large", b"Connection: close", status=b"413 Content Too Large"))
            peer.wait(0.2)
            return False
        while len(body) < wanted:
            more = self._receive(peer)
            if not more:
                return False
            body += more
        self.requests.append(text + b"\r\n\r\n" + body)
        peer.sock.settimeout(10)
        if name == "bomb":
            peer.send(sized(gzip.compress(b"\0" * BOMB, 1), b"Content-Encoding: gzip"))
        else:
            SCENARIOS[name](peer)
        if peer.open:
            peer.sock.settimeout(0.1)
        return peer.open

    def _receive(self, peer: Peer) -> bytes:
        until = time.monotonic() + 20
        while not self.stopping.is_set() and time.monotonic() < until:
            try:
                return peer.sock.recv(65_536)
            except TimeoutError:
                continue
        return b""


class Certificates:
    """A certificate authority, and server contexts that are right or wrong in one way each."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_pem = self._ca.cert_pem.bytes().decode()

    def server(self, kind: str) -> ssl.SSLContext:
        ca = trustme.CA() if kind == "untrusted" else self._ca
        names = ["wrong.example.invalid"] if kind == "wrong-host" else ["127.0.0.1", "localhost"]
        now = datetime.now(UTC)
        expired = kind == "expired"
        certificate = ca.issue_cert(
            *names,
            not_before=now - timedelta(days=9) if expired else None,
            not_after=now - timedelta(days=1) if expired else None,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if kind == "old":
            context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            context.maximum_version = ssl.TLSVersion.TLSv1_1
        certificate.configure_cert(context)
        return context
