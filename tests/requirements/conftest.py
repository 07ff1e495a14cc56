"""What the tests of the requirements share: both clients and both shapes of a call, over tables that each test signs for its own servers."""

from __future__ import annotations

import importlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.routing.authoring import build
from saferoute.routing.catalogue import load_catalogue
from saferoute.routing.publish import pin, sign_release
from saferoute.routing.publish_root import new_root
from saferoute.signing.keys import PrivateKey
from saferoute.values.reply import Reply
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer

FOUR = [(kind, shape) for kind in KINDS for shape in ("chat", "stream")]


@dataclass(frozen=True)
class Way:
    """One of the four ways to ask: blocking or asyncio, whole or streamed."""

    kind: str
    shape: str

    @property
    def streams(self) -> bool:
        return self.shape == "stream"

    def ask(self, face: Face, route: str = "row", messages: Any = "hi", **options: Any) -> Reply[Any]:
        """The reply, whichever way it comes; of a stream the events are in `face.seen`."""
        if not self.streams:
            return face.chat(route, messages, **options)
        last: Any = face.stream(route, messages, **options)[-1]
        reply: Reply[Any] = last.reply
        return reply


@pytest.fixture(params=FOUR, ids="-".join)
def four_ways(request: pytest.FixtureRequest) -> Way:
    return Way(*request.param)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def shortest_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Full jitter begins at 0 s; what a provider asks for is waited for all the same."""
    for place in ("saferoute.client.core.fraction", "saferoute.drivers.entropy.fraction"):
        monkeypatch.setattr(place, lambda: 0.0, raising=False)


@pytest.fixture(scope="session", autouse=True)
def loaded() -> Iterator[None]:
    """Load what a client loads at its first failure, and the catalogue once: these tests are about calls, and make hundreds of clients."""
    importlib.import_module("tenacity")
    known = load_catalogue()
    with pytest.MonkeyPatch.context() as patch:
        for user in ("saferoute.routing.authoring", "saferoute.client.opening", "saferoute.client.core"):
            patch.setattr(f"{user}.load_catalogue", lambda: known, raising=False)
        yield


@pytest.fixture(scope="session")
def in_memory() -> Iterator[Path]:
    """A folder in memory where there is such a place: hundreds of clients remember their tables, each with a sync to the disk."""
    place = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="saferoute-", dir=place if os.access(place, os.W_OK) else None) as folder:
        yield Path(folder)


@pytest.fixture
def tmp_path(in_memory: Path) -> Path:
    """A folder for each test, as pytest's own."""
    return Path(tempfile.mkdtemp(dir=in_memory))


@pytest.fixture
def serve() -> Iterator[Callable[..., CountingServer]]:
    """Starts servers with their steps, and stops them at the end."""
    with ExitStack() as until_end:
        yield lambda *steps, **options: until_end.enter_context(CountingServer(*steps, **options))


class Deployed:
    """Signs a table of rows and opens clients over it, all closed at the end."""

    def __init__(self, folder: Path, until_end: ExitStack) -> None:
        self._folder, self._until_end, self._version = folder, until_end, 0

    def __call__(self, kind: str, *rows: str, more: str = "", grant: str = "", granted: bool = True, **options: Any) -> Face:
        """Open a client of a kind over these rows; the grant allows chat, embeddings and counts of all of them."""
        text = (
            "\n".join(rows)
            if not granted
            else "\n".join((*rows, more, f'[grant]\noperations = ["chat", "embed", "count_tokens"]\ndata = "internal"\n{grant}'))
        )
        self._version += 1
        folder = self._folder / str(self._version)
        folder.mkdir()
        root_key, table_key, now = PrivateKey.generate(), PrivateKey.generate(), time.time()
        root = new_root("team", root_signers=[root_key], table_keys=[table_key.public_key], now=now, not_after=now + 86_400)
        (folder / "root.json").write_bytes(root)
        (folder / "routes.json").write_bytes(sign_release(root, [build(text)], version=1, now=now, signers=[table_key]))
        trust = saferoute.Trust.pinned(folder / "root.json", sha256=pin(root))
        plain = {"trust": trust, "secrets": saferoute.Secrets.of({}), "data": "public", "state": folder / "state", "telemetry": False}
        face = Face(kind, lambda client: client(folder / "routes.json", **{**plain, **options}))
        self._until_end.callback(face.__exit__)
        return face


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    with ExitStack() as until_end:
        yield Deployed(tmp_path, until_end)


@pytest.fixture
def opened(deployed: Deployed) -> Callable[..., Face]:
    """Opens a client of a kind over one row for each server: `row`, `row2`, ...; alias `both` is all of them."""

    def open_over(kind: str, *servers: Any, fields: str = "", alias: str = "", **options: Any) -> Face:
        names = ["row", *(f"row{number}" for number in range(2, len(servers) + 1))]
        rows = [row(name, server.origin, fields) for name, server in zip(names, servers, strict=True)]
        both = f"[aliases.both]\ntargets = {names}\n{alias}\n".replace("'", '"')
        return deployed(kind, *rows, more=both, **options)

    return open_over


def row(name: str, origin: str, fields: str = "", *, dialect: str = "openai_chat", model: str | None = None) -> str:
    """A row of a routes.toml."""
    auth = "" if "auth" in fields else 'auth = "none"\n'
    named = model or {"row": "alpha", "row2": "beta", "row3": "gamma"}.get(name, name)  # each a family of its own
    return (
        f'[routes.{name}]\nprovider = "demo"\ndialect = "{dialect}"\norigin = "{origin}"\npath = "/v1"\nnet = "loopback"\n'
        f'model = "{named}"\ndata = "internal"\n{auth}{fields}\n'
    )
