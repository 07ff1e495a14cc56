"""Against the operating system's own keyring. Runs where a Secret Service answers and skips elsewhere.

On a machine without a desktop, a throw-away GNOME keyring does: start a private D-Bus session (dbus-run-session), unlock a
gnome-keyring-daemon in it, and run `pytest tests/live/test_keyring_live.py` inside. The names used here start with "saferoute-test-".
"""

from __future__ import annotations

import gc
import secrets as randomness
import warnings
from typing import TYPE_CHECKING

import pytest

from saferoute import keys
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.secret_sources import open_sources
from saferoute.errors import SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Iterator

ORIGIN = "https://api.example.com"


def _why_locked(store: KeyringStore) -> str:
    message = ""
    with warnings.catch_warnings():
        # The keyring package leaves its D-Bus socket to the collector where it raises.
        warnings.simplefilter("ignore", ResourceWarning)
        try:
            store.names()
        except SecretStoreLocked as error:
            message = error.message
        gc.collect()
    return message


@pytest.fixture
def store() -> KeyringStore:
    store = KeyringStore()
    if reason := store.why_absent(""):
        pytest.skip(reason)
    return store


@pytest.fixture
def name(store: KeyringStore) -> Iterator[str]:
    if reason := _why_locked(store):
        pytest.skip(reason)
    name = f"saferoute-test-{randomness.token_hex(6)}"
    yield name
    if store.holds(name):
        store.remove(name)


def test_a_locked_keyring_says_so(store: KeyringStore) -> None:
    reason = _why_locked(store)
    if not reason:
        pytest.skip("the keyring is open")
    assert reason.startswith("the keyring is locked and was not unlocked")


def test_a_key_goes_through_the_real_keyring(name: str) -> None:
    assert keys.add(name, "first-key", origins=ORIGIN).store == "keyring"
    assert name in [key.name for key in keys.list()]
    credentials = Credentials(open_sources(None, {}))
    assert credentials.header(name, "bearer", ORIGIN) == (b"authorization", b"Bearer first-key")
    with pytest.raises(SecretError, match="already"):
        keys.add(name, "second-key", origins=ORIGIN)
    assert keys.rotate(name, "second-key").revision == 2
    assert credentials.header(name, "bearer", ORIGIN)[1] == b"Bearer first-key"
    credentials.forget(name)
    assert credentials.header(name, "bearer", ORIGIN)[1] == b"Bearer second-key"
    assert keys.remove(name).revision == 2
    credentials.forget(name)
    with pytest.raises(SecretNotFound):
        credentials.header(name, "bearer", ORIGIN)


def test_properties_from_the_environment_do_not_reach_it(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYRING_PROPERTY_PREFERRED_COLLECTION", "/org/freedesktop/secrets/collection/elsewhere")
    monkeypatch.setenv("KEYRING_PROPERTY_APPID", "elsewhere")
    monkeypatch.setenv("KEYRING_PROPERTY_SCHEME", "KeePassXC")
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    keys.add(name, "first-key", origins=ORIGIN)
    monkeypatch.undo()
    assert Credentials(open_sources("keyring", {})).header(name, "x-api-key", ORIGIN) == (b"x-api-key", b"first-key")
