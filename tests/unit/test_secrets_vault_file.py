"""The vault on disk."""

from __future__ import annotations

import errno
import os
import stat
import threading
from pathlib import Path
from typing import NoReturn

import pytest

from saferoute.drivers.storage import private_file
from saferoute.drivers.storage.vault_file import VaultStore, default_vault_path, passphrase_of_file
from saferoute.errors import SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets.lookup import StoreAbsent, StoredKey
from saferoute.secrets.secret import Passphrase, key_to_store
from tests.support.secret_stores import ORIGIN, OTHER, PHRASE, WEAK, canary, record, weak_vault


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "vault.json"


def test_add_find_rotate_remove(path: Path) -> None:
    store = weak_vault(path)
    assert store.stored() == ()
    assert store.add(record()) == StoredKey("openai", (ORIGIN,), 1, "vault")
    assert store.find("openai") == record()
    assert store.find("other") is None
    assert store.rotate(record(key="new", origins=())) == StoredKey("openai", (ORIGIN,), 2, "vault")
    found = weak_vault(path).find("openai")
    assert found is not None
    assert (key_to_store(found.secret), found.origins, found.revision) == (b"new", (ORIGIN,), 2)
    assert store.names() == ("openai",)
    assert store.holds("openai")
    store.forget("openai")
    assert store.remove("openai") == StoredKey("openai", (ORIGIN,), 2, "vault")
    assert store.stored() == ()
    assert store.find("openai") is None


def test_a_name_is_stored_once(path: Path) -> None:
    store = weak_vault(path)
    store.add(record())
    with pytest.raises(SecretError, match=r'already; saferoute\.keys\.rotate\("openai"\)'):
        store.add(record(key="other"))
    assert store.find("openai") == record()


def test_what_is_not_there(path: Path) -> None:
    store = weak_vault(path)
    assert "There is no vault at" in store.why_absent("openai")
    with pytest.raises(StoreAbsent, match='store="vault"'):
        store.find("openai")
    for change in (lambda: store.rotate(record()), lambda: store.remove("openai")):
        with pytest.raises(SecretNotFound, match="has no key for openai"):
            change()
    store.add(record("other", origins=(OTHER,)))
    assert store.why_absent("openai") == ""
    with pytest.raises(SecretNotFound, match="has no key for openai"):
        store.remove("openai")


def test_the_passphrase_is_asked_once_and_told_whether_the_vault_is_new(path: Path) -> None:
    asked: list[bool] = []

    def passphrase(new: bool) -> Passphrase:
        asked.append(new)
        return Passphrase(PHRASE)

    store = VaultStore(path, passphrase, kdf=WEAK, unsafe_weak_kdf=True)
    store.add(record())
    store.add(record("other"))
    store.find("openai")
    assert asked == [True]
    again = VaultStore(path, passphrase, unsafe_weak_kdf=True)
    assert again.names() == ("openai", "other")
    assert again.find("nobody") is None
    assert asked == [True]
    again.find("openai")
    again.find("other")
    assert asked == [True, False]


def test_a_wrong_passphrase(path: Path) -> None:
    weak_vault(path).add(record())
    wrong = weak_vault(path, "wrong horse battery")
    before = path.read_bytes()
    for use in (lambda: wrong.find("openai"), lambda: wrong.add(record("b")), lambda: wrong.remove("openai")):
        with pytest.raises(SecretStoreLocked):
            use()
    assert path.read_bytes() == before


def test_a_vault_that_was_made_anew_is_unlocked_anew(path: Path) -> None:
    store = weak_vault(path)
    store.add(record())
    path.unlink()
    weak_vault(path).add(record(key="second"))
    found = store.find("openai")
    assert found is not None
    assert key_to_store(found.secret) == b"second"


def test_the_file_and_its_directory_are_private(path: Path) -> None:
    old = os.umask(0)
    try:
        weak_vault(path).add(record())
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert sorted(item.name for item in path.parent.iterdir()) == [".vault.json.lock", "vault.json"]


def test_a_failed_write_leaves_the_old_vault_and_no_litter(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = weak_vault(path)
    store.add(record())
    before = path.read_bytes()

    def full(_: int) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SecretError, match="cannot be written: No space left on device; it is as it was"):
        store.add(record("other"))
    assert path.read_bytes() == before
    assert sorted(item.name for item in path.parent.iterdir()) == [".vault.json.lock", "vault.json"]


def test_the_file_is_synced_before_it_takes_the_name_and_the_directory_after(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    steps: list[str] = []
    rename = Path.replace

    def synced(handle: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")

    def renamed(self: Path, to: Path) -> Path:
        steps.append("rename")
        return rename(self, to)

    monkeypatch.setattr("os.fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    private_file.replace_private(path, b"x")
    assert steps == ["file", "rename", "directory"]


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SecretError, match="cannot be written"):
        weak_vault(tmp_path / "file" / "vault.json").add(record())


def test_a_vault_can_be_read_where_nothing_can_be_written(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weak_vault(path).add(record())
    monkeypatch.setattr("os.fsync", lambda _: pytest.fail("wrote"))
    monkeypatch.setattr("saferoute.drivers.storage.vault_file.exclusive", lambda _: pytest.fail("locked"))
    assert weak_vault(path).find("openai") == record()


def test_threads_lose_nothing_of_each_other(path: Path) -> None:
    store = weak_vault(path)
    threads = [threading.Thread(target=store.add, args=(record(f"key{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.names() == tuple(sorted(f"key{n}" for n in range(8)))


def test_the_default_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_vault_path() == tmp_path / ".config" / "saferoute" / "vault.json"


@pytest.mark.parametrize("home", ["raises", "relative"])
def test_no_home(monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    def no_home() -> Path:
        if home == "raises":
            raise RuntimeError
        return Path("somewhere")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(StoreAbsent, match=r"no home directory. Name a file: Secrets\.vault\(path\)"):
        default_vault_path()


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
def test_a_key_file(tmp_path: Path, end: bytes) -> None:
    file = tmp_path / "key"
    file.write_bytes(PHRASE.encode() + end)
    file.chmod(0o600)
    assert passphrase_of_file(file) == Passphrase(PHRASE)


def test_key_files_that_are_not_used(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with pytest.raises(SecretStoreLocked, match="there is none"):
        passphrase_of_file(file)
    file.write_text(canary())
    file.chmod(0o640)
    with pytest.raises(SecretStoreLocked, match=r"others may read or write it \(mode 640\)"):
        passphrase_of_file(file)
    file.chmod(0o600)
    file.write_text("")
    with pytest.raises(SecretStoreLocked, match="1 to 4096 bytes"):
        passphrase_of_file(file)
    file.write_text("x" * 5_000)
    with pytest.raises(SecretStoreLocked, match="larger than"):
        passphrase_of_file(file)
