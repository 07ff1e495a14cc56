"""Which names are stored, with `secrets=None`: the keyring's list, or the default vault."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

import pytest

from saferoute.drivers import secret_sources
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import SecretStoreLocked
from saferoute.secrets.lookup import StoreAbsent
from tests.support.secret_stores import FakeBackend, keyring, record, weak_vault


def _none() -> NoReturn:
    raise StoreAbsent("This machine has no keyring.")


def test_the_keyring_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend()
    keyring(backend).add(record())
    backend.calls.clear()
    monkeypatch.setattr(secret_sources, "open_keyring", lambda: keyring(backend))
    assert open_sources(None, {}).holding(["a", "openai", "b"]) == ("openai",)
    assert backend.calls == [("get", "INDEX")]


def test_without_a_keyring_it_is_the_vault_or_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "v.json"
    monkeypatch.setattr(secret_sources, "open_keyring", lambda: KeyringStore(_none))
    monkeypatch.setattr(secret_sources, "_default_vault_file", lambda: path if path.exists() else None)
    monkeypatch.setattr(secret_sources, "open_vault", lambda _: weak_vault(path))
    assert open_sources(None, {}).holding(["openai"]) == ()
    weak_vault(path).add(record())
    assert open_sources(None, {}).holding(["a", "openai"]) == ("openai",)


class KeyringLocked(Exception):
    pass


def test_a_locked_keyring_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = FakeBackend()
    backend.fails = KeyringLocked()
    monkeypatch.setattr(secret_sources, "open_keyring", lambda: keyring(backend))
    for spec in (None, "keyring"):
        with pytest.raises(SecretStoreLocked):
            open_sources(spec, {}).holding(["openai"])
