"""One face for both transports, so that each scenario is written once."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any

from saferoute.drivers.tls import ClientTls
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.secrets.secret import CredentialSource, Secret, SecretRecord, credential_header
from saferoute.secrets.signer import Signer, make_signer
from saferoute.values.http import AuthScheme, Clocks, Head, HttpRequest, NetClass

LOOPBACK = NetClass("loopback")
CANARY = "sk-canary-2f9c41d07be84d5f9a3e"
KINDS = ("blocking", "asyncio")
PARSERS = ("own", "h11")


def clocks(*, connect: float = 5.0, first_byte: float = 5.0, idle: float = 5.0, total: float = 10.0) -> Clocks:
    return Clocks(connect, first_byte, idle, total, time.monotonic() + total)


def request(origin: str, path: str = "/ok", body: bytes = b"{}", **fields: Any) -> HttpRequest:
    given: dict[str, Any] = {"headers": (("content-type", "application/json"),), "net": LOOPBACK} | fields
    return HttpRequest(fields.pop("method", "POST"), origin, path, body=body, **{k: v for k, v in given.items() if k != "method"})


class OneKey:
    """A source that holds one key for some origins, and counts how often it is asked."""

    def __init__(self, *origins: str, key: str = CANARY) -> None:
        self._record = SecretRecord("main", Secret(key), origins)
        self.asked = 0

    def header(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes]:
        self.asked += 1
        assert name == "main"
        return credential_header(self._record, auth, origin)

    def signer(self, name: str, origin: str) -> Signer:
        self.asked += 1
        assert name == "main"
        return make_signer(self._record, origin)


class OpenAnswer:
    """An exchange that is open."""

    def __init__(self, door: Door, exchange: Any) -> None:
        self._door = door
        self._exchange = exchange
        self.head: Head = exchange.head

    def read(self) -> bytes:
        return self._door.wait(self._exchange.read())  # type: ignore[no-any-return]

    def close(self) -> None:
        self._door.wait(self._exchange.close())

    def rest(self) -> bytes:
        pieces = []
        while piece := self.read():
            pieces.append(piece)
        return b"".join(pieces)


class Door:
    """A transport of either kind; what is a coroutine is waited for."""

    def __init__(self, kind: str, parser: str = "own", credentials: CredentialSource | None = None, **options: Any) -> None:
        self.kind = kind
        self.loop = asyncio.new_event_loop() if kind == "asyncio" else None
        make: Callable[..., Any] = BlockingTransport if kind == "blocking" else AsyncioTransport
        self.transport = make(credentials, parser=parser, **options)

    def wait(self, made: Any) -> Any:
        if isinstance(made, Coroutine):
            assert self.loop is not None
            return self.loop.run_until_complete(made)
        return made

    def open(self, sent: HttpRequest, limits: Clocks | None = None) -> OpenAnswer:
        return OpenAnswer(self, self.wait(self.transport.open(sent, limits or clocks())))

    def fetch(self, sent: HttpRequest, limits: Clocks | None = None) -> tuple[Head, bytes]:
        answer = self.open(sent, limits)
        return answer.head, answer.rest()

    def idle_sockets(self) -> list[socket.socket]:
        """The sockets of the connections that wait for their next request."""
        if self.loop is None:
            return [connection.sock for pool in self.transport._pools.values() for connection in pool.idle._idle]
        return [connection._sock for pool in self.transport._by_loop[self.loop].values() for connection in pool.idle._idle]

    def pause(self, seconds: float) -> None:
        """Let time pass; an event loop sees what happens meanwhile."""
        if self.loop is None:
            time.sleep(seconds)
        else:
            self.loop.run_until_complete(asyncio.sleep(seconds))

    def __enter__(self) -> Door:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self.transport.close())
        if self.loop is not None:
            self.loop.run_until_complete(asyncio.sleep(0))
            self.loop.close()


def trusting(ca_pem: str) -> ClientTls:
    return ClientTls(ca_pem)
