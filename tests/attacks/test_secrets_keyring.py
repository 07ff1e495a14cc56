"""The environment, configuration files and plug-ins cannot put another keyring in the place of the system's."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from saferoute.drivers import keyring_store
from saferoute.errors import SecretError
from tests.support.secret_stores import FakeBackend, assert_not_shown, canary, keyring, record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

REPOSITORY = Path(__file__).parents[2]

EVIL = """
from pathlib import Path
from keyring.backend import KeyringBackend
Path(__file__).with_name("imported").touch()
class Keyring(KeyringBackend):
    priority = 100
    def get_password(self, service, username): Path(__file__).with_name("asked").touch()
    def set_password(self, service, username, password): Path(__file__).with_name("asked").touch()
    def delete_password(self, service, username): Path(__file__).with_name("asked").touch()
"""
USE = """
import sys
from saferoute.drivers.keyring_store import KeyringStore
from saferoute.errors import SecretError
from tests.support.secret_stores import record
if "imported" in sys.argv:
    import evil_keyring                       # registered with the highest priority, as a plug-in would be
for use in (lambda s: s.add(record()), lambda s: s.find("openai"), lambda s: s.names()):
    try:
        use(KeyringStore())
    except SecretError as error:
        print(type(error).__name__)
    else:
        print("answered")
"""


@pytest.mark.parametrize("way", ["PYTHON_KEYRING_BACKEND", "keyringrc.cfg", "imported"])
def test_no_foreign_backend_is_loaded_or_asked(tmp_path: Path, way: str) -> None:
    (tmp_path / "evil_keyring.py").write_text(EVIL)
    config = tmp_path / "config" / "python_keyring"
    config.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DBUS", "XDG", "KEYRING", "PYTHON"))}
    environment |= {"PYTHONPATH": f"{REPOSITORY}{os.pathsep}{tmp_path}", "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    environment["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={tmp_path}/nobody-listens"
    if way == "PYTHON_KEYRING_BACKEND":
        environment["PYTHON_KEYRING_BACKEND"] = "evil_keyring.Keyring"
    elif way == "keyringrc.cfg":
        text = f"[backend]\ndefault-keyring=evil_keyring.Keyring\nkeyring-path={tmp_path}\n"
        (config / "keyringrc.cfg").write_text(text)
    done = subprocess.run([sys.executable, "-c", USE, way], env=environment, capture_output=True, text=True, check=False, timeout=50)
    assert done.stdout.split() == ["StoreAbsent"] * 3, done.stderr
    assert not (tmp_path / "asked").exists()
    assert (tmp_path / "imported").exists() == (way == "imported")
    assert canary() not in done.stdout + done.stderr


def test_the_selecting_functions_of_keyring_are_never_named() -> None:
    """`get_keyring` and the module-level functions, which call it, choose by environment, file and plug-in."""
    found = []
    for path in (REPOSITORY / "saferoute").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found += [alias.name for alias in node.names if alias.name.split(".")[0] == "keyring"]
            elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keyring":
                found += [] if (node.module or "").startswith("keyring.backends.") else [str(node.module)]
            elif isinstance(node, ast.Attribute) and node.attr in {"get_keyring", "get_all_keyring", "load_keyring"}:
                found.append(node.attr)
    assert found == []


@pytest.fixture
def system_kind() -> Iterator[Any]:
    """A stand-in for a system backend, with the real base class, which reads KEYRING_PROPERTY_*."""
    from keyring.backend import KeyringBackend

    class Keyring(KeyringBackend):
        priority: ClassVar[float] = 5
        appid = "Python keyring library"

        def get_password(self, service: str, username: str) -> str | None:
            return None

        def set_password(self, service: str, username: str, password: str) -> None: ...

    yield Keyring
    getattr(KeyringBackend, "_classes").discard(Keyring)  # noqa: B009  mypy does not know it


def test_properties_from_the_environment_are_ignored(system_kind: Callable[[], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYRING_PROPERTY_APPID", "evil")
    monkeypatch.setenv("KEYRING_PROPERTY_PREFERRED_COLLECTION", "/evil")
    assert system_kind().appid == "evil"  # what a backend that is simply built does
    backend: Any = keyring_store._built(system_kind, appid="saferoute")
    assert backend.appid == "saferoute"
    assert not hasattr(backend, "preferred_collection")


def test_our_subclasses_are_not_offered_to_other_users_of_keyring(system_kind: Callable[[], Any]) -> None:
    from keyring.backend import KeyringBackend

    before = set(getattr(KeyringBackend, "_classes"))  # noqa: B009  mypy does not know it
    backend = keyring_store._built(system_kind)
    assert type(backend).__name__ == "SaferouteKeyring"
    assert set(getattr(KeyringBackend, "_classes")) == before  # noqa: B009  mypy does not know it


def test_the_allow_list(monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[tuple[str, dict[str, object]]] = []

    class Built:
        persist = "enterprise"

    def note(kind: type, **properties: object) -> Built:
        built.append((f"{kind.__module__}.{kind.__name__}", properties))
        return Built()

    monkeypatch.setattr(keyring_store, "_built", note)
    builds = ("_secret_service", "_kwallet", "_macos", "_windows")
    *_, windows = [getattr(keyring_store, build)() for build in builds]
    assert windows.persist == "local machine"
    assert built == [
        ("keyring.backends.SecretService.Keyring", {"appid": "saferoute", "scheme": "default"}),
        ("keyring.backends.kwallet.DBusKeyring", {"appid": "saferoute", "wallet": None}),
        ("keyring.backends.macOS.Keyring", {"keychain": None}),
        ("keyring.backends.Windows.WinVaultKeyring", {}),
    ]


def test_a_backend_without_priority_is_not_used() -> None:
    class Null:
        priority = -1

    with pytest.raises(SecretError, match="not usable"):
        keyring_store._built(Null)


class Talkative(FakeBackend):
    """Fails as real backends do: the key is in the exception, in its arguments and in the locals of the frames."""

    def set_password(self, service: str, username: str, password: str) -> None:
        if username == "INDEX":
            return  # the list of names is written first, and holds no key
        copy = password.upper()
        raise OSError(password) from ValueError(copy)


def test_what_a_backend_raises_does_not_carry_the_key() -> None:
    for change in ("add", "rotate"):
        backend = FakeBackend() if change == "rotate" else Talkative()
        store = keyring(backend)
        if change == "rotate":
            store.add(record())
            store = keyring(talkative := Talkative())
            talkative.entries = backend.entries
        with pytest.raises(SecretError) as caught:
            getattr(store, change)(record())
        assert_not_shown(caught.value, canary())


def test_a_foreign_entry_is_not_shown() -> None:
    backend = FakeBackend()
    backend.entries["saferoute/openai", "openai"] = canary()
    with pytest.raises(SecretError) as caught:
        keyring(backend).find("openai")
    assert_not_shown(caught.value, canary())


def test_an_entry_too_long_for_windows_is_not_shown() -> None:
    with pytest.raises(SecretError) as caught:
        keyring(FakeBackend(), "win32").add(record(key=canary() + "k" * 1_300))
    assert_not_shown(caught.value, canary())
