"""A token endpoint and a model server in one, on loopback: answers what the test says, and keeps what it was sent."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from saferoute.drivers.key_lookup import AsyncKeysFirst, KeysFirst
from saferoute.drivers.transport import BlockingTransport
from saferoute.drivers.transport_async import AsyncioTransport
from saferoute.errors import SaferouteError
from saferoute.secrets.credentials import Credentials
from saferoute.secrets.lookup import MemorySource, Sources
from saferoute.secrets.secret import Secret, SecretRecord
from saferoute.values.credential import CredentialSpec
from saferoute.values.http import Clocks, Head, HttpRequest, NetClass

KINDS = ("blocking", "asyncio")
TOKEN = "made-token-5d1c2b9e7f40"
MATERIAL = "client-secret-canary-8a61"
LOOPBACK = NetClass("loopback")


@dataclass(frozen=True)
class Told:
    """What the server does with one request to its token endpoint."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0
    drip: float = 0.0


def token(value: str = TOKEN, expires_in: object = 3600, **more: object) -> Told:
    return Told(json.dumps({"access_token": value, "expires_in": expires_in, "token_type": "Bearer", **more}).encode())


@dataclass(frozen=True)
class Seen:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def form(self) -> dict[str, str]:
        from urllib.parse import parse_qsl

        return dict(parse_qsl(self.body.decode(), strict_parsing=True))


class TokenServer:
    """Paths that begin with /api are the model server's: they answer 200, or 401 for the tokens in `rejected`."""

    def __init__(self, *told: Told) -> None:
        self.told = list(told) or [token()]
        self.exchanges: list[Seen] = []
        self.calls: list[Seen] = []
        self.rejected: set[str] = set()
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                outer._act(self)

            do_GET = do_PUT = do_POST  # noqa: N815  http.server's names

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def _act(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        seen = Seen(handler.command, handler.path, {name.lower(): value for name, value in handler.headers.items()}, body)
        if handler.path.startswith("/api"):
            with self._lock:
                self.calls.append(seen)
            bad = seen.headers.get("authorization", "").removeprefix("Bearer ") in self.rejected
            told = Told(b"{}", 401 if bad else 200)
        else:
            with self._lock:
                self.exchanges.append(seen)
                told = self.told.pop(0) if len(self.told) > 1 else self.told[0]
        try:
            self._say(handler, told)
        except OSError:
            handler.close_connection = True

    @staticmethod
    def _say(handler: BaseHTTPRequestHandler, told: Told) -> None:
        time.sleep(told.delay)
        handler.send_response(told.status)
        for name, value in ({"content-type": "application/json", "content-length": str(len(told.body))} | told.headers).items():
            handler.send_header(name, value)
        handler.end_headers()
        if not told.drip:
            handler.wfile.write(told.body)
            return
        for byte in told.body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(told.drip)

    def __enter__(self) -> TokenServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def spec(origin: str, kind: str = "azure_client_secret", **changes: Any) -> CredentialSpec:
    """A row: Azure's client credentials, whose exchange is one POST, unless the test says otherwise."""
    fields: dict[str, Any] = {
        "name": "cloud", "kind": kind, "origin": origin, "net": LOOPBACK, "secret": "material", "origins": (origin,),
        "parameters": {"tenant": "team", "client_id": "app-1", "scope": "https://models.example/.default"},
    }  # fmt: skip
    return CredentialSpec(**{**fields, **changes})


class Wall:
    """A clock on the wall that tests set."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


class Front:
    """The client's transport with the look-up before it, of either kind; coroutines are waited for."""

    def __init__(self, kind: str, *specs: CredentialSpec, material: str = MATERIAL, bound: str | None = None) -> None:
        self.kind = kind
        self.wall = Wall()
        self.loop = asyncio.new_event_loop() if kind == "asyncio" else None
        record = SecretRecord("material", Secret(material), (bound or specs[0].origin,))
        self.credentials = Credentials(Sources([MemorySource([record])]), {one.name: one for one in specs})
        self.transport: Any
        self.front: Any
        if kind == "blocking":
            self.transport = BlockingTransport(self.credentials)
            self.front = KeysFirst(self.transport, self.credentials)
        else:
            self.transport = AsyncioTransport(self.credentials)
            self.front = AsyncKeysFirst(self.transport, self.credentials)
        self.front._minter._wall = self.wall

    def wait(self, made: Any) -> Any:
        if isinstance(made, Coroutine):
            assert self.loop is not None
            return self.loop.run_until_complete(made)
        return made

    def call(self, origin: str, *, total: float = 5.0, name: str = "cloud", **fields: Any) -> Head:
        """One model call's request; its head."""
        exchange = self.wait(self.front.open(request(origin, name, **fields), clocks(total)))
        while self.wait(exchange.read()):
            pass
        return exchange.head  # type: ignore[no-any-return]

    def settle(self) -> None:
        """Wait for what refreshes in the background."""
        if self.loop is not None:
            while tasks := self.front._minter._by_loop.get(self.loop):
                self.loop.run_until_complete(asyncio.wait(list(tasks.values())))

    def many(self, count: int, origin: str) -> list[object]:
        """That many calls at once; heads or errors."""
        if self.loop is None:
            done: list[object] = []

            def one() -> None:
                try:
                    done.append(self.call(origin))
                except SaferouteError as error:
                    done.append(error)

            threads = [threading.Thread(target=one) for _ in range(count)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return done

        async def call() -> Head:
            exchange = await self.front.open(request(origin, "cloud"), clocks(5.0))
            while await exchange.read():
                pass
            return exchange.head  # type: ignore[no-any-return]

        async def all_of() -> list[object]:
            return list(await asyncio.gather(*(call() for _ in range(count)), return_exceptions=True))

        return self.loop.run_until_complete(all_of())

    def __enter__(self) -> Front:
        return self

    def __exit__(self, *_: object) -> None:
        self.wait(self.front.close())
        if self.loop is not None:
            self.loop.run_until_complete(self.loop.shutdown_default_executor())
            self.loop.close()


def request(origin: str, name: str = "cloud", **fields: Any) -> HttpRequest:
    given = {"headers": (), "secret": name, "auth": "bearer", "net": LOOPBACK, **fields}
    return HttpRequest("POST", origin, "/api", body=b"{}", **given)


def clocks(total: float = 5.0) -> Clocks:
    return Clocks(5.0, 5.0, 5.0, total, time.monotonic() + total)


def drive(recipe: Any, *answers: Any) -> tuple[list[Any], Any]:
    """Run a recipe against canned answers: the requests that it made, and what it ended with."""
    asked = []
    try:
        asked.append(next(recipe))
        for answer in answers:
            asked.append(recipe.send(answer))
    except StopIteration as stop:
        return asked, stop.value
    raise AssertionError("the recipe wants more answers")
