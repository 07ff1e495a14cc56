"""What `secrets=None` opens, and where a key may be bound to: neither can be widened by what happens to be on the machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from saferoute import keys
from saferoute.drivers import secret_sources
from saferoute.errors import ConfigurationError, SecretStoreLocked
from tests.support.secret_stores import CATALOGUE, ORIGIN, FakeBackend, canary, keyring, record, weak_vault


def test_a_locked_keyring_does_not_make_none_open_the_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / ".config" / "saferoute" / "vault.json"
    weak_vault(path).add(record())
    locked = FakeBackend()
    locked.fails = type("KeyringLocked", (Exception,), {})()
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(secret_sources, "open_keyring", lambda: keyring(locked))
    monkeypatch.setattr(secret_sources, "open_vault", lambda _: pytest.fail("the vault was opened"))
    with pytest.raises(SecretStoreLocked):
        secret_sources.open_sources(None, CATALOGUE).find("openai")


def test_none_never_reads_a_key_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", canary())
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(secret_sources, "open_keyring", lambda: keyring(FakeBackend()))
    sources = secret_sources.open_sources(None, CATALOGUE)
    assert sources.find("openai") is None
    assert canary() not in str(sources.missing("openai"))


@pytest.mark.parametrize("origin", ["http://evil.com", "http://api.openai.com", "http://10.1.2.3:8080", "http://127.0.0.1.evil.com"])
def test_a_key_is_not_bound_to_plain_http_on_another_machine(origin: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "open_keyring", lambda: pytest.fail("a store was opened"))
    for origins in (origin, [ORIGIN, origin]):
        with pytest.raises(ConfigurationError, match="plain http"):
            keys.add("foo", canary(), origins=origins)
