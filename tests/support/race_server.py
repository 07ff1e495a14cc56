"""A provider on loopback for races: what a path does is its name, and who hung up is noted, with the time."""

from __future__ import annotations

import socket
import ssl
import threading
import time

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"


class RaceServer:
    """Serves /fast (one piece), /stream (three pieces, the later ones when let), /silent (no head), /stuck (a head, then nothing)."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.origin = f"{'https' if tls else 'http'}://127.0.0.1:{self._listening.getsockname()[1]}"
        self.go_on = threading.Event()
        self.go_on.set()
        self.connections = 0
        self.open = 0
        self.asked: list[str] = []
        self.hung_up: list[tuple[str, float]] = []
        self._news = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def stop(self) -> None:
        self.go_on.set()
        self._listening.close()

    def wait_for(self, what: str, seconds: float = 5.0) -> float:
        """When the client hung up on a path (`what`), or when as many are open as a number says; fails after a while."""
        with self._news:
            assert self._news.wait_for(lambda: any(path == what for path, _ in self.hung_up), seconds), (what, self.hung_up)
            return next(at for path, at in self.hung_up if path == what)

    def wait_asked(self, *paths: str) -> None:
        """Until these were asked for."""
        with self._news:
            assert self._news.wait_for(lambda: set(paths) <= set(self.asked), 5), (paths, self.asked)

    def wait_closed(self) -> None:
        """Until no connection is open."""
        with self._news:
            assert self._news.wait_for(lambda: self.open == 0, 5), self.open

    def _note(self, **changes: int) -> None:
        with self._news:
            for name, change in changes.items():
                setattr(self, name, getattr(self, name) + change)
            self._news.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            self._note(connections=1, open=1)
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        path = ""
        try:
            if self._tls is not None:
                sock = self._tls.wrap_socket(sock, server_side=True)
            while path := self._read(sock):
                with self._news:
                    self.asked.append(path)
                    self._news.notify_all()
                self._answer(sock, path)
        except OSError:
            pass
        finally:
            sock.close()
            self._note(open=-1)

    def _read(self, sock: socket.socket) -> str:
        data = b""
        while b"\r\n\r\n" not in data:
            more = sock.recv(65_536)
            if not more:
                return ""
            data += more
        return data.split(b" ", 2)[1].decode()

    def _answer(self, sock: socket.socket, path: str) -> None:
        kind = path.partition("?")[0]
        if kind == "/fast":
            sock.sendall(HEAD + b"content-length: 4\r\n\r\nfast")
        elif kind == "/stream":
            sock.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\none\r\n")
            if not self.go_on.is_set():
                sock.settimeout(0.01)
                while not self.go_on.is_set():
                    try:
                        if sock.recv(1) == b"":
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break
                else:
                    sock.settimeout(None)
            if not self.go_on.is_set():
                self._gone(path)
            sock.sendall(b"3\r\ntwo\r\n5\r\nthree\r\n0\r\n\r\n")
        else:
            if kind == "/stuck":
                sock.sendall(HEAD + b"transfer-encoding: chunked\r\n\r\n")
            try:
                sock.recv(1)
            finally:
                self._gone(path)

    def _gone(self, path: str) -> None:
        with self._news:
            self.hung_up.append((path, time.monotonic()))
            self._news.notify_all()
        raise ConnectionResetError
