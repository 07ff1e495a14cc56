"""A production deployment for attack tests: a root with an issuer and a status role or not, tables, later roots, and lists of what is revoked."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute import Capability, Issuer
from saferoute.errors import CapabilityError
from saferoute.routing import issuers as table_issuers
from saferoute.routing.authoring import build
from saferoute.routing.publish import pin, sign_release
from saferoute.routing.publish_root import new_root, next_root
from saferoute.routing.publish_status import sign_revocations, sign_status
from saferoute.signing.keys import PrivateKey
from tests.support.both import Face

__all__ = ["Deployment", "Make", "faces", "part_of", "refused"]

Make = Callable[..., Face]
ROWS = """
[routes.cheap]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "small"
auth = "none"
data = "internal"
region = "eu"
max_output = 1000
default_max_output = 100
prices = {{ input = "$1/M", output = "$10/M" }}
extra_params = ["web_search_options", "frequency_penalty"]

[routes.dear]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "large"
auth = "none"
data = "public"
region = "us"
max_output = 1000
default_max_output = 100
prices = {{ input = "$100/M", output = "$1000/M" }}

[routes.unpriced]
provider = "demo"
dialect = "openai_chat"
origin = "{origin}"
path = "/v1"
net = "loopback"
model = "free"
auth = "none"
data = "internal"
region = "eu"
"""
FAST = '\n[aliases]\nfast = ["cheap", "dear"]\n'


class Deployment:
    """Files in a folder, the keys that sign them, and clients that open them."""

    def __init__(self, folder: Path, origin: str, *, status: bool = False) -> None:
        self.folder = folder
        self.issuer = Issuer.generate("billing-issuer")
        self._root_key, self._table_key, self._status_key = (PrivateKey.generate() for _ in range(3))
        self._origin, self._has_status = origin, status
        self._version = self._listed = 0
        self.aliases = FAST
        self.root = self.pinned = new_root(
            "team",
            root_signers=[self._root_key],
            table_keys=[self._table_key.public_key],
            status_keys=[self._status_key.public_key] if status else [],
            now=time.time(),
            not_after=time.time() + 86_400,
            issuers=[self.named()],
        )
        (folder / "root.json").write_bytes(self.root)
        (folder / "roots").mkdir()
        self.sign()

    def named(self, **changes: Any) -> table_issuers.Issuer:
        """The issuer as a root names it."""
        return table_issuers.Issuer(**{"name": "billing-issuer", "keys": [self.issuer.public_key], **changes})

    def sign(self, more: str = "") -> None:
        """Sign a table as the next version, and what has to stand beside it."""
        self._version += 1
        table = build(ROWS.format(origin=self._origin) + self.aliases + more)
        bundle = sign_release(self.root, [table], version=self._version, now=time.time(), signers=[self._table_key])
        (self.folder / "routes.json").write_bytes(bundle)
        self.revoke()

    def rotate(self, *issuers: table_issuers.Issuer) -> None:
        """Put the next root into the folder of updates: the same keys, other issuers. The table is signed again under it."""
        self.root = next_root(self.root, signers=[self._root_key], now=time.time(), not_after=time.time() + 86_400, issuers=list(issuers))
        number = len(list((self.folder / "roots").iterdir())) + 2
        (self.folder / "roots" / f"{number}.json").write_bytes(self.root)
        self.sign()

    def revoke(self, *revoked: str) -> None:
        """Sign the status, or the list of revocations where there is no status role."""
        self._listed += 1
        if self._has_status:
            bundle = (self.folder / "routes.json").read_bytes()
            made = sign_status(self.root, bundle, version=self._listed, now=time.time(), signers=[self._status_key], revoked=revoked)
        else:
            made = sign_revocations(self.root, version=self._listed, revoked=revoked, now=time.time(), signers=[self._table_key])
        (self.folder / "revoked.json").write_bytes(made)

    def client(self, kind: str, **options: Any) -> Face:
        """Open it; `data` is "public" if nothing else is said."""
        beside: dict[str, Any] = {"status" if self._has_status else "revocations": self.folder / "revoked.json"}
        trust = saferoute.Trust.pinned(self.folder / "root.json", sha256=pin(self.pinned), updates=self.folder / "roots", **beside)
        plain = {"trust": trust, "secrets": saferoute.Secrets.of({}), "data": "public", "state": self.folder / "state"}
        return Face(kind, lambda client: client(self.folder / "routes.json", **{**plain, **options}))

    def mint(self, **changes: Any) -> Capability:
        """A capability for everything that is there, counted in this process."""
        plain = {"audience": "team", "expires_in": 600, "models": ["small", "large", "free"], "providers": "demo", "scope": "process"}
        return Capability.mint(self.issuer, **{**plain, **changes})


@contextmanager
def faces(deployed: Deployment, kind: str) -> Iterator[Make]:
    """Opens clients of a kind, and closes them at the end."""
    made: list[Face] = []

    def opened(**options: Any) -> Face:
        made.append(deployed.client(kind, **options))
        return made[-1]

    try:
        yield opened
    finally:
        for face in made:
            face.__exit__()


def part_of(face: Face, *arguments: Any, **options: Any) -> Face:
    """`client.using(...)` behind the same face."""
    part = Face.__new__(Face)
    part.kind, part.client, part._loop = face.kind, face.client.using(*arguments, **options), face._loop
    return part


def refused(face: Face, *arguments: Any, **options: Any) -> str:
    """The code of the capability error with which a chat must be refused."""
    with pytest.raises(CapabilityError) as caught:
        face.chat(*arguments, **options)
    return caught.value.code
