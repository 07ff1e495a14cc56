"""Stores for tests: a keyring backend in memory, a vault that is cheap to open, and looking for a key where none may be."""

from __future__ import annotations

import base64
import traceback
from typing import TYPE_CHECKING

from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.storage.vault_file import VaultStore
from saferoute.secrets.secret import Passphrase, Secret, SecretRecord
from saferoute.secrets.vault_format import Kdf

if TYPE_CHECKING:
    from pathlib import Path

ORIGIN = "https://api.openai.com"
OTHER = "https://api.example.com"
WEAK = Kdf(iterations=1, lanes=1, memory_kib=8)
PHRASE = "correct horse battery"
CATALOGUE = {
    "openai": (("OPENAI_API_KEY",), ORIGIN),
    "anthropic": (("ANTHROPIC_API_KEY", "CLAUDE_KEY"), "https://api.anthropic.com"),
}


def canary() -> str:
    """Make a key that stands nowhere in this file, so that finding it means that it leaked."""
    return "-".join(["sk", "canary", "0123456789", "abcdefghij"])  # noqa: FLY002  in pieces on purpose


def record(name: str = "openai", key: str | None = None, origins: tuple[str, ...] = (ORIGIN,), revision: int = 1) -> SecretRecord:
    return SecretRecord(name, Secret(key or canary()), origins, revision)


class FakeBackend:
    """A keyring in memory; `fails` is raised by every call."""

    def __init__(self) -> None:
        self.entries: dict[tuple[str, str], str] = {}
        self.fails: Exception | None = None
        self.calls: list[tuple[str, str]] = []

    def _called(self, what: str, username: str) -> None:
        self.calls.append((what, username))
        if self.fails is not None:
            raise self.fails

    def get_password(self, service: str, username: str) -> str | None:
        self._called("get", username)
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._called("set", username)
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        self._called("delete", username)
        del self.entries[service, username]


def keyring(backend: FakeBackend, platform: str = "linux") -> KeyringStore:
    return KeyringStore(lambda: backend, platform=platform)


def weak_vault(path: Path, phrase: str = PHRASE) -> VaultStore:
    return VaultStore(path, lambda _: Passphrase(phrase), kdf=WEAK, unsafe_weak_kdf=True)


def forms(key: str) -> tuple[str, ...]:
    """Spell a key as it would be found in a leak."""
    raw = key.encode()
    return key, base64.b64encode(raw).decode()[:-3], raw.hex(), key[5:15]


def assert_not_shown(error: BaseException, key: str) -> None:
    """Look for the key in everything that an error shows: text, arguments, notes, chained errors, and the locals of every frame."""
    lines = list(traceback.TracebackException.from_exception(error, capture_locals=True, max_group_depth=99).format(chain=True))
    hidden: BaseException | None = error
    while hidden is not None:
        lines += [repr(hidden), str(hidden), repr(hidden.args), repr(vars(hidden))]
        lines += [repr(value) for frame, _ in traceback.walk_tb(hidden.__traceback__) for value in frame.f_locals.values()]
        hidden = hidden.__cause__ or hidden.__context__
    text = "\n".join(lines)
    assert not [form for form in forms(key) if form in text], text
