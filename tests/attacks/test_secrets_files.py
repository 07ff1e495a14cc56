"""A vault file that somebody else could have read, written or put there; and two processes at once."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from saferoute.drivers.storage.private_file import replace_private
from saferoute.errors import SecretError
from saferoute.secrets.vault_format import decode, encode
from tests.support.secret_stores import record, weak_vault

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vault.json"
    weak_vault(path).add(record())
    return path


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o640, 0o620, 0o610, 0o666, 0o644])
def test_permissions_for_others_are_refused(path: Path, mode: int) -> None:
    path.chmod(mode)
    for use in (lambda: weak_vault(path).find("openai"), lambda: weak_vault(path).add(record("b")), lambda: weak_vault(path).stored()):
        with pytest.raises(SecretError, match=rf"others may read or write it \(mode {mode:o}\); set it right with chmod 600"):
            use()


def test_another_owner_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 54_321)
    with pytest.raises(SecretError, match="belongs to another user"):
        weak_vault(path).find("openai")


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    with pytest.raises(SecretError, match="symbolic link"):
        weak_vault(link).find("openai")
    with pytest.raises(SecretError, match="symbolic link"):
        weak_vault(link).add(record("b"))
    assert weak_vault(path).names() == ("openai",)


def test_a_dangling_link_is_not_taken_for_no_file(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SecretError, match="symbolic link"):
        weak_vault(link).add(record())
    assert not (tmp_path / "elsewhere").exists()


def test_the_lock_file_is_not_followed(path: Path, tmp_path: Path) -> None:
    lock = tmp_path / ".vault.json.lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "victim")
    with pytest.raises(SecretError, match="cannot be written"):
        weak_vault(path).add(record("b"))
    assert not (tmp_path / "victim").exists()


def test_a_fifo_does_not_hang(tmp_path: Path) -> None:
    fifo = tmp_path / "vault.json"
    os.mkfifo(fifo, 0o600)
    with pytest.raises(SecretError, match="not a regular file"):
        weak_vault(fifo).find("openai")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="cannot be used"):
        weak_vault(tmp_path).find("openai")


def test_a_large_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "vault.json"
    path.touch(0o600)
    os.truncate(path, 10_000_000_000)  # sparse
    with pytest.raises(SecretError, match="larger than 1000000 bytes"):
        weak_vault(path).find("openai")


SCRIPT = """
import sys
from pathlib import Path
from tests.support.secret_stores import record, weak_vault
path, who = Path(sys.argv[1]), sys.argv[2]
for n in range(12):
    weak_vault(path).add(record(f"{who}{n}"))
    weak_vault(path).rotate(record("openai", f"{who}-{n}"))
"""


def test_two_processes_lose_nothing_of_each_other(path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", SCRIPT, str(path), who], cwd=REPOSITORY) for who in "ab"]
    assert [child.wait(50) for child in children] == [0, 0]
    store = weak_vault(path)
    assert set(store.names()) == {"openai"} | {f"{who}{n}" for who in "ab" for n in range(12)}
    found = store.find("openai")
    assert found is not None
    assert found.revision == 25


def test_an_edit_behind_an_open_vault_is_noticed(path: Path) -> None:
    store = weak_vault(path)
    store.add(record("other"))
    old = decode(path.read_bytes(), unsafe_weak_kdf=True)
    store.rotate(record(key="new"))
    assert store.find("openai") is not None
    now = decode(path.read_bytes(), unsafe_weak_kdf=True)
    for records in (now.records[:1], old.records):  # one taken out; the old key brought back: each record is sound by itself
        replace_private(path, encode(replace(now, records=records)))
        with pytest.raises(SecretError, match="authentication code"):
            store.find(records[0].name)
