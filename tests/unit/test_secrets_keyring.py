"""The keyring store over a backend in memory."""

from __future__ import annotations

import json

import pytest

from saferoute.drivers import keyring_store
from saferoute.drivers.keyring_store import KeyringStore, system_backend
from saferoute.errors import SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.lookup import StoreAbsent, StoredKey
from saferoute.secrets.secret import key_to_store
from tests.support.secret_stores import ORIGIN, OTHER, FakeBackend, canary, keyring, record


def test_add_find_rotate_remove() -> None:
    backend = FakeBackend()
    store = keyring(backend)
    assert store.stored() == ()
    assert store.add(record()) == StoredKey("openai", (ORIGIN,), 1, "keyring")
    store.add(record("acme/other", origins=(OTHER, ORIGIN)))
    assert store.find("openai") == record()
    assert store.rotate(record(key="new", origins=())) == StoredKey("openai", (ORIGIN,), 2, "keyring")
    assert store.stored() == (StoredKey("acme/other", (OTHER, ORIGIN), 1, "keyring"), StoredKey("openai", (ORIGIN,), 2, "keyring"))
    found = store.find("openai")
    assert found is not None
    assert key_to_store(found.secret) == b"new"
    store.forget("openai")
    assert store.holds("openai")
    assert store.remove("openai") == StoredKey("openai", (ORIGIN,), 2, "keyring")
    assert store.find("openai") is None
    assert store.names() == ("acme/other",)


def test_what_is_stored() -> None:
    backend = FakeBackend()
    keyring(backend).add(record())
    assert {where: json.loads(text) for where, text in backend.entries.items()} == {
        ("saferoute/openai", "openai"): {"v": 1, "secret": canary(), "origins": [ORIGIN], "revision": 1},
        ("saferoute/INDEX", "INDEX"): {"v": 1, "names": ["openai"]},
    }


def test_what_is_not_there() -> None:
    store = keyring(FakeBackend())
    for change in (lambda: store.rotate(record()), lambda: store.remove("openai")):
        with pytest.raises(SecretNotFound, match="the keyring has no key for openai"):
            change()
    store.add(record())
    with pytest.raises(SecretError, match="already"):
        store.add(record())


def test_an_entry_that_was_deleted_by_other_means_is_passed_over() -> None:
    backend = FakeBackend()
    store = keyring(backend)
    store.add(record())
    del backend.entries["saferoute/openai", "openai"]
    assert store.names() == ("openai",)
    assert store.stored() == ()


@pytest.mark.parametrize(
    "text",
    [
        canary(),
        "",
        "{}",
        "\ud800",
        '{"origins":["https://api.openai.com"],"revision":1,"secret":"k","v":2}',
        '{"origins":["https://api.openai.com"],"revision":1,"secret":"k","v":1,"x":1}',
        '{"origins":["https://api.openai.com"],"revision":0,"secret":"k","v":1}',
        '{"origins":["https://api.openai.com"],"revision":true,"secret":"k","v":1}',
        '{"origins":["https://api.openai.com"],"revision":1,"secret":"k\\n","v":1}',
        '{"origins":["https://api.openai.com"],"revision":1,"secret":5,"v":1}',
        '{"origins":"https://api.openai.com","revision":1,"secret":"k","v":1}',
        '{"origins":["*"],"revision":1,"secret":"k","v":1}',
        '{"origins":[],"revision":1,"secret":"k","v":1}',
    ],
)
def test_a_foreign_entry_is_refused_and_can_be_taken_out(text: str) -> None:
    backend = FakeBackend()
    backend.entries["saferoute/openai", "openai"] = text
    store = keyring(backend)
    with pytest.raises(SecretError, match=r'not written by saferoute.*keys\.remove\("openai"\)'):
        store.find("openai")
    assert store.remove("openai") == StoredKey("openai", (), 0, "keyring")
    assert store.find("openai") is None


@pytest.mark.parametrize("text", ["x", '{"v":1}', '{"names":"openai","v":1}', '{"names":["env:X"],"v":1}'])
def test_a_damaged_list_is_an_error(text: str) -> None:
    backend = FakeBackend()
    backend.entries["saferoute/INDEX", "INDEX"] = text
    with pytest.raises(SecretError, match="the list of names, is damaged"):
        keyring(backend).names()


def test_windows_keeps_only_so_much() -> None:
    with pytest.raises(SecretError, match="at most 1280 characters"):
        keyring(FakeBackend(), "win32").add(record(key="k" * 1_300))
    keyring(FakeBackend(), "win32").add(record())


class KeyringLocked(Exception):
    pass


@pytest.mark.parametrize(
    ("raised", "becomes", "words"),
    [
        (KeyringLocked("x"), SecretStoreLocked, "the keyring is locked"),
        (KeyError("DBUS_SESSION_BUS_ADDRESS"), SecretError, r"the keyring failed \(KeyError\)"),
        (OSError("broken"), SecretError, r"the keyring failed \(OSError\)"),
    ],
)
def test_whatever_a_backend_raises_becomes_ours(raised: Exception, becomes: type[SecretError], words: str) -> None:
    backend = FakeBackend()
    backend.fails = raised
    store = keyring(backend)
    for use in (lambda: store.find("openai"), lambda: store.add(record()), store.names, lambda: store.remove("openai"), store.stored):
        with pytest.raises(SecretError, match=words) as caught:
            use()
        assert type(caught.value) is becomes
        assert caught.value.__context__ is None
        assert 'store="vault"' in str(caught.value)


def test_the_backend_is_built_once_and_late() -> None:
    built: list[FakeBackend] = []

    def build() -> FakeBackend:
        built.append(FakeBackend())
        return built[-1]

    store = KeyringStore(build)
    assert built == []
    store.find("openai")
    store.find("other")
    assert len(built) == 1


def test_a_machine_without_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> FakeBackend:
        raise RuntimeError("no D-Bus")

    def broken() -> FakeBackend:
        raise KeyError("DBUS_SESSION_BUS_ADDRESS")

    monkeypatch.setattr(keyring_store, "_secret_service", none)
    monkeypatch.setattr(keyring_store, "_kwallet", broken)
    with pytest.raises(StoreAbsent, match=r'This machine has no keyring that saferoute uses \(none: no D-Bus; broken: KeyError\).*"vault"'):
        system_backend("linux")
    store = KeyringStore(lambda: system_backend("linux"))
    assert store.why_absent("openai").startswith("This machine has no keyring")
    assert keyring(FakeBackend()).why_absent("openai") == ""


@pytest.mark.parametrize(
    ("platform", "first"), [("darwin", "_macos"), ("win32", "_windows"), ("linux", "_secret_service"), ("freebsd14", "_secret_service")]
)
def test_each_system_has_its_own(monkeypatch: pytest.MonkeyPatch, platform: str, first: str) -> None:
    backend = FakeBackend()
    monkeypatch.setattr(keyring_store, first, lambda: backend)
    assert system_backend(platform) is backend
