"""A signed table over several counting servers on loopback, for what a client does with more than one row."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from saferoute import Capability
from saferoute.testing.script import RawAnswer
from tests.support.both import Face
from tests.support.counting_server import CountingServer, says
from tests.support.deployment import Deployment

__all__ = ["Bed", "bed", "slowly", "until", "vectors"]

_ROW = """
[routes.{name}]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "{model}"
auth = "none"
max_output = 1000
default_max_output = 100
region = "{region}"
data = "{data}"
{more}
"""
_PRICES = 'prices = { input = "$1/M", output = "$10/M" }'
NAMES = ("a", "b", "s")


class Bed:
    """Three servers "a", "b" and "s", a row of its own for each, and the table over them.

    Attributes:
        a: the server of the row "a"; `b` and `s` likewise.
    """

    def __init__(self, folder: Path, servers: dict[str, CountingServer]) -> None:
        self.a, self.b, self.s = (servers[name] for name in NAMES)
        self.deployed = Deployment(folder, self.a.origin)
        self._faces: list[Face] = []

    def sign(self, alias: str, **rows: dict[str, str]) -> None:
        """Sign the rows with an alias "fast", whose table's lines are given; `rows` changes single ones."""
        text = ""
        for name in NAMES:
            plain = {"name": name, "model": name, "origin": getattr(self, name).origin, "region": "eu", "data": "internal", "more": _PRICES}
            text += _ROW.format(**{**plain, **rows.get(name, {})})
        self.deployed.aliases = f"{text}\n[aliases.fast]\n{alias}\n"
        self.deployed.sign()

    def mint(self, **changes: Any) -> Capability:
        return self.deployed.mint(**{"models": list(NAMES), "operations": ["chat", "embed"], **changes})

    def open(self, kind: str, capability: Capability | None = None, **options: Any) -> Face:
        """A client with a capability, closed at the end."""
        face = self.deployed.client(kind, **{"capability": self.mint() if capability is None else capability, **options})
        self._faces.append(face)
        return face

    def warm(self, face: Face, *, stream: bool = False) -> None:
        """Make known how long calls of the alias take, whole ones or streams, and forget the requests."""
        for _ in range(20):
            (face.stream if stream else face.chat)("fast", "hi")
        assert self.counts[:2] == (20, 0)
        self.forget()

    def forget(self) -> None:
        for server in (self.a, self.b, self.s):
            server.count = 0
            server.received.clear()

    @property
    def counts(self) -> tuple[int, int, int]:
        return self.a.count, self.b.count, self.s.count

    def close(self) -> None:
        for face in self._faces:
            face.__exit__()


@contextmanager
def bed(folder: Path) -> Iterator[Bed]:
    """Servers that answer with their names."""
    with ExitStack() as stack:
        made = Bed(folder, {name: stack.enter_context(CountingServer(says(name))) for name in NAMES})
        stack.callback(made.close)
        yield made


def slowly(text: str = "late", seconds: float = 20.0) -> Callable[..., RawAnswer]:
    """An answer whose first byte comes after a while."""
    return says(text, first_pause=seconds)


def until(true: Callable[[], bool], face: Face | None = None, seconds: float = 5.0) -> None:
    """Wait for something to come about, letting an event loop run meanwhile."""
    import asyncio

    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it did not come about"
        if face is not None and face.kind == "asyncio":
            face.wait(asyncio.sleep(0.005))
        else:
            time.sleep(0.005)


def vectors(*_: object) -> RawAnswer:
    """One embedding."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.5]}]
    body = {"object": "list", "model": "m", "data": data, "usage": {"prompt_tokens": 2, "total_tokens": 2}}
    return RawAnswer(pieces=(json.dumps(body).encode(),))
