"""A small HTTP/1.1 server on loopback that writes exactly what it is told to, also what no proper server would.

One thread accepts, and one thread serves each connection: a script may block without stopping the others. Everything is bounded
and ends when the server stops.
"""

from __future__ import annotations

import contextlib
import re
import selectors
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from saferoute.testing.script import RawAnswer

__all__ = ["LoopbackServer", "Received"]

_MOST_HEAD = 256 * 1024
_MOST_BODY = 256 * 1024 * 1024
_MOST_CONNECTIONS = 1024
_MOST_IDLE = 600.0  # seconds
_RECV = 262_144
_REQUEST_LINE = re.compile(r"([A-Z]+) (\S+) HTTP/1\.([01])")
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many Requests", 500: "Internal Server Error"}
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST


@dataclass(frozen=True, slots=True)
class Received:
    """A request as read from a connection; header names are lower-case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int
    keep_alive: bool

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key == name), None)


class _Left(Exception):  # noqa: N818  the client has gone; nothing is wrong
    pass


class _Malformed(Exception):  # noqa: N818  what came is not HTTP/1.1
    pass


Respond = Callable[[Received], "RawAnswer"]


class LoopbackServer:
    """Serves one function on 127.0.0.1. `start` and `stop` are called by whoever owns it."""

    def __init__(self, respond: Respond) -> None:
        """Take the function that makes an answer of a request; it runs in the connection's thread."""
        self._respond = respond
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._open: dict[int, tuple[socket.socket, threading.Thread]] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._accepted = 0
        self._hang_ups = 0
        self.changed = threading.Condition()

    @property
    def port(self) -> int:
        """The port; the kernel chose it.

        Raises:
            ConfigurationError: if the server does not run.
        """
        if self._listener is None:
            msg = "the embedded provider is not running: use `with EmbeddedProvider() as provider:`"
            raise ConfigurationError(msg)
        port: int = self._listener.getsockname()[1]
        return port

    @property
    def connections(self) -> int:
        """How many connections were accepted so far."""
        return self._accepted

    @property
    def hang_ups(self) -> int:
        """How many answers the client did not wait for to the end, as far as the server noticed."""
        return self._hang_ups

    def start(self) -> None:
        """Listen.

        Raises:
            ConfigurationError: if the server runs already.
        """
        if self._listener is not None:
            msg = "this embedded provider runs already: make a second one instead of entering it twice"
            raise ConfigurationError(msg)
        self._stopped.clear()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._acceptor = threading.Thread(target=self._accept, args=(self._listener,), name=f"embedded-provider-{self.port}", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close everything, and wait (2 s at most for each thread) until it has ended."""
        listener, acceptor = self._listener, self._acceptor
        if listener is None or acceptor is None:
            return
        self._stopped.set()
        with contextlib.suppress(OSError), socket.create_connection(listener.getsockname(), timeout=2):
            pass  # wakes accept(), which closing alone does not do everywhere
        acceptor.join(2)
        listener.close()
        with self._lock:
            serving = list(self._open.values())
        for connection, _ in serving:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for _, thread in serving:
            if thread is not threading.current_thread():
                thread.join(2)
        self._listener = self._acceptor = None

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopped.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                refused = self._stopped.is_set() or len(self._open) >= _MOST_CONNECTIONS
                if not refused:
                    self._accepted += 1
                    name = f"embedded-provider-{self.port}"
                    thread = threading.Thread(target=self._serve, args=(connection, self._accepted), name=name, daemon=True)
                    self._open[self._accepted] = (connection, thread)
                    thread.start()
            if refused:
                connection.close()

    def _serve(self, connection: socket.socket, number: int) -> None:
        line = _Connection(connection, number, self._stopped)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (received := line.read_request()) is not None:
                if not self._exchange(line, received):
                    break
        except _Malformed as error:
            line.complain(str(error))
        except (OSError, _Left):
            pass  # between two requests a client may go as it likes
        finally:
            connection.close()
            with self._lock:
                self._open.pop(number, None)

    def _exchange(self, line: _Connection, received: Received) -> bool:
        """Answer one request; False when the connection is not to be used again."""
        answer = self._respond(received)
        try:
            line.write(answer, close=not received.keep_alive)
        except (OSError, _Left):
            if not self._stopped.is_set():
                with self.changed:
                    self._hang_ups += 1
                    self.changed.notify_all()
            return False
        return answer.end == "keep" and answer.framing != "until_close" and received.keep_alive and not answer.unfinished


class _Connection:
    """One connection: reads requests, writes answers."""

    __slots__ = ("_buffer", "_number", "_socket", "_stopped")

    def __init__(self, connection: socket.socket, number: int, stopped: threading.Event) -> None:
        self._socket = connection
        self._number = number
        self._stopped = stopped
        self._buffer = bytearray()
        connection.settimeout(_MOST_IDLE)

    def read_request(self) -> Received | None:
        """Read a request; None at the end of the connection."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD:
                msg = "the head is too large"
                raise _Malformed(msg)
            if not self._more():
                return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        matched = _REQUEST_LINE.fullmatch(first)
        if matched is None:
            msg = "the request line is malformed"
            raise _Malformed(msg)
        headers = tuple(map(_header, lines))
        names = dict(headers)
        if names.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        keep_alive = matched.group(3) == "1" and "close" not in names.get("connection", "").lower()
        return Received(matched.group(1), matched.group(2), headers, self._read_body(headers), self._number, keep_alive)

    def _more(self) -> bool:
        piece = self._socket.recv(_RECV)
        self._buffer += piece
        return bool(piece)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            if not self._more():
                raise _Left
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _line(self) -> str:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _MOST_HEAD or not self._more():
                raise _Left
        return self._take(end + 2)[:-2].decode("latin-1")

    def _read_body(self, headers: tuple[tuple[str, str], ...]) -> bytes:
        lengths = {value for name, value in headers if name == "content-length"}
        codings = [value.lower() for name, value in headers if name == "transfer-encoding"]
        if (lengths and codings) or len(lengths) > 1:
            msg = "content-length and transfer-encoding together, or two lengths, smuggle requests"
            raise _Malformed(msg)
        if codings == ["chunked"]:
            return self._read_chunks()
        length = lengths.pop() if lengths else "0"
        if codings or not (length.isascii() and length.isdigit()) or int(length) > _MOST_BODY:
            msg = "the body's framing is malformed, or the body is too large"
            raise _Malformed(msg)
        return self._take(int(length))

    def _read_chunks(self) -> bytes:
        body = bytearray()
        while True:
            size = self._line().partition(";")[0].strip()
            if not re.fullmatch(r"[0-9a-fA-F]{1,8}", size) or len(body) + int(size, 16) > _MOST_BODY:
                msg = "a chunk's size is malformed or too large"
                raise _Malformed(msg)
            if int(size, 16) == 0:
                while self._line():
                    pass
                return bytes(body)
            body += self._take(int(size, 16))
            if self._take(2) != b"\r\n":
                msg = "a chunk does not end where it says"
                raise _Malformed(msg)

    def write(self, answer: RawAnswer, *, close: bool) -> None:
        """Write an answer as it stands, and end the connection as it says."""
        pending = b"" if answer.framing == "verbatim" else _head(answer, close=close)
        if answer.first_pause:
            self._pause(answer.first_pause)
        for number, piece in enumerate(answer.pieces):
            if number and answer.pause:
                self._pause(answer.pause)
            framed = b"%x\r\n%b\r\n" % (len(piece), piece) if answer.framing == "chunked" and piece else piece
            self._send(pending + framed)
            pending = b""
        if answer.framing == "chunked" and not answer.unfinished:
            pending += b"0\r\n\r\n"
        if pending:
            self._send(pending)
        if answer.idle:
            self._pause(answer.idle)
        if answer.end == "reset":
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)

    def _send(self, data: bytes) -> None:
        if self._stopped.is_set():
            raise _Left
        self._socket.sendall(data)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the client leaves or the server stops (which shuts the socket down, and so wakes this)."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            if not selector.select(seconds):
                return
        if not self._socket.recv(1, socket.MSG_PEEK):
            raise _Left
        if self._stopped.wait(seconds):  # the client has sent its next request already: what is left to wait for is the end
            raise _Left

    def complain(self, why: str) -> None:
        """Answer what is not HTTP with 400."""
        with contextlib.suppress(OSError):
            head = b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
            self._socket.sendall(head % len(why) + why.encode())


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        msg = "a header line is malformed"
        raise _Malformed(msg)
    return name.lower(), value.strip(" \t")


def _head(answer: RawAnswer, *, close: bool) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Status')}"]
    lines += [f"{name}: {value}" for name, value in answer.headers]
    if answer.framing == "chunked":
        lines.append("transfer-encoding: chunked")
    elif answer.framing == "length":
        length = answer.declared_length if answer.declared_length is not None else sum(map(len, answer.pieces))
        lines.append(f"content-length: {length}")
    if close or answer.end != "keep" or answer.framing == "until_close":
        lines.append("connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
