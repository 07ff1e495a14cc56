"""Somebody else on the host touches the file that budgets are counted in: puts a link, a log or a database of their own in its place.

Guards: saferoute/drivers/storage/accounts_file.py::raise PermissionError(f"{what} {problem}")
Guards: saferoute/drivers/storage/accounts_file.py::_refuse_place(path)
Guards: saferoute/drivers/storage/accounts_sqlite.py::if identity_of(self._path) != opened.identity:
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.drivers.accounts import Accounts, open_accounts
from saferoute.drivers.storage import accounts_file
from saferoute.drivers.storage.accounts_sqlite import SqliteAccounts
from saferoute.errors import ConfigurationError
from saferoute.values.account import Balance
from tests.support.account_stores import NOW, account, debit

posix = pytest.mark.skipif(sys.platform == "win32", reason="left to the directory's access list")
LOST = "If the file is lost, remove it, and every budget that it counted begins anew"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path


@pytest.fixture
def path(folder: Path) -> Path:
    path = folder / "accounts.db"
    refused(path, "")
    return path


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def refused(path: Path, why: str) -> None:
    """Open the store, reserve something, close it; it must be refused for that reason, or work for an empty one."""
    store = SqliteAccounts(path, clock=lambda: NOW)
    try:
        if not why:
            store.reserve([debit(1)])
            return
        with pytest.raises(ConfigurationError) as error:
            store.reserve([debit(1)])
        assert error.value.message == f"accounts cannot be counted in {path}: {why}"
        assert error.value.__cause__ is None
    finally:
        store.close()


@posix
def test_the_file_and_those_beside_it_are_for_the_owner_only(path: Path) -> None:
    store = SqliteAccounts(path, clock=lambda: NOW)
    store.reserve([debit(1)])
    assert {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()} == {
        "accounts.db": 0o600,
        "accounts.db-wal": 0o600,
        "accounts.db-shm": 0o600,
    }
    store.close()


@posix
@pytest.mark.parametrize("mode", [0o640, 0o620, 0o604, 0o602, 0o660, 0o644, 0o666, 0o601])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_permissions_for_others_are_refused(path: Path, mode: int, suffix: str) -> None:
    beside = path.with_name(path.name + suffix)
    beside.touch()
    beside.chmod(mode)
    what = "it" if not suffix else f"accounts.db{suffix}, which stands beside it,"
    refused(path, f"{what} may be read or written by others (mode {mode:o}); set it right with chmod 600")


@posix
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_symbolic_link_is_refused(path: Path, suffix: str) -> None:
    real = path.parent / "real"
    path.rename(real) if not suffix else real.touch(0o600)
    path.with_name(path.name + suffix).symlink_to(real)
    what = "it" if not suffix else f"accounts.db{suffix}, which stands beside it,"
    refused(path, f"{what} is a symbolic link; give the path of the file itself")


@posix
def test_a_dangling_link_is_not_taken_for_no_file(folder: Path) -> None:
    (folder / "accounts.db").symlink_to(folder / "elsewhere")
    refused(folder / "accounts.db", "it is a symbolic link; give the path of the file itself")
    assert not (folder / "elsewhere").exists()


@posix
def test_a_pipe_is_refused_and_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "accounts.db", 0o600)
    refused(folder / "accounts.db", "it is not a regular file")


@posix
def test_another_owner_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.chmod(0o700)
    monkeypatch.setattr("os.geteuid", lambda: 54_321)
    store = SqliteAccounts(path, clock=lambda: NOW)
    with pytest.raises(ConfigurationError, match="belongs to another user"):
        store.check()


@posix
@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o770, 0o720, 0o702])
def test_a_directory_that_others_may_write_in_is_refused(path: Path, mode: int) -> None:
    path.parent.chmod(mode)
    refused(
        path,
        f"others may write in the directory {path.parent} (mode {mode:o}): set it right with chmod go-w, or use a directory of your own",
    )
    path.parent.chmod(0o755)
    refused(path, "")


def test_a_directory_that_is_not_there_is_not_made(folder: Path) -> None:
    refused(folder / "no" / "accounts.db", f"there is no directory {folder / 'no'}: make it, with mode 700")
    assert not (folder / "no").exists()


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("40 22 0:33 / {0} rw,relatime shared:1 - nfs4 server:/export rw", "nfs4"),
        ("40 22 0:33 / {0} rw - cifs //server/share rw", "cifs"),
        ("40 22 0:33 / {0} rw - fuse.sshfs me@server: rw", "sshfs"),
        ("40 22 0:33 / / rw - nfs server:/ rw", "nfs"),
        ("40 22 8:1 / {0} rw - ext4 /dev/sda1 rw\n41 40 0:33 / {0} rw - nfs server:/ rw", "nfs"),
        ("40 22 0:33 / {0} rw - nfs server:/ rw\n41 40 8:1 / {0} rw - ext4 /dev/sda1 rw", ""),
        ("40 22 0:33 / {0}-other rw - nfs server:/ rw", ""),
        ("40 22 0:33 / {0} rw - ext4 /dev/sda1 rw", ""),
    ],
)
def test_a_network_file_system_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch, line: str, kind: str) -> None:
    real = Path.read_text
    lines = line.format(str(path.parent.resolve()).replace(" ", "\\040"))

    def read(self: Path, *arguments: str, **options: str) -> str:
        return lines if str(self) == "/proc/self/mountinfo" else real(self, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", read)
    refused(
        path, "it is on a network file system, which other hosts write to as well: use a local disk, or Accounts.redis(url)" if kind else ""
    )


def test_where_mounts_are_not_told_the_file_is_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(self: Path, **_: str) -> str:
        raise FileNotFoundError(str(self))

    monkeypatch.setattr(Path, "read_text", read)
    assert accounts_file.boot_id() == ""
    refused(path, "")


def test_an_empty_file_is_not_begun_anew(folder: Path) -> None:
    (folder / "accounts.db").touch(0o600)
    refused(folder / "accounts.db", f"it is empty, and was not made by saferoute. {LOST}")


def test_a_database_of_something_else_is_refused_and_stays_as_it_is(folder: Path) -> None:
    path = folder / "accounts.db"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE accounts (key, spent)")
    other.close()
    path.chmod(0o600)
    before = path.read_bytes()
    refused(path, "it is a database of something else: name a file of its own")
    assert path.read_bytes() == before


def test_another_schema_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as other:
        other.execute("PRAGMA user_version = 2")
    other.close()
    refused(path, "it was made by another version of saferoute (schema 2; this one knows 1): upgrade, or name another file")


@pytest.mark.parametrize("damage", ["text", "cut", "garbled"])
def test_a_damaged_file_is_refused(path: Path, damage: str) -> None:
    data = path.read_bytes()
    assert len(data) > 8_192
    path.write_bytes(
        {"text": b"not a database" * 400, "cut": data[:5_000], "garbled": data[:4_096] + b"\xff" * (len(data) - 4_096)}[damage]
    )
    store = SqliteAccounts(path, clock=lambda: NOW)
    with pytest.raises(ConfigurationError) as error:
        store.reserve([debit(1)])
    assert error.value.message.endswith((f"{LOST}; nothing was changed", LOST))
    assert "damaged" in error.value.message


@posix
@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_file_that_is_taken_away_under_a_running_client_is_noticed(path: Path, how: str) -> None:
    store = SqliteAccounts(path, clock=lambda: NOW)
    store.reserve([debit(99)])
    shutil.copyfile(path, path.with_name("copy"))
    path.unlink()
    if how == "replaced":
        path.with_name("copy").rename(path)
        path.chmod(0o600)
    for use in (lambda: store.reserve([debit(1)]), lambda: store.first_use("a", NOW + 60), lambda: store.balance(account())):
        with pytest.raises(ConfigurationError) as error:
            use()
        assert error.value.message == f"{path} was removed or replaced while it was in use: put it back, or restart every process"
    store.close()


def test_opened_by_its_public_name_it_is_checked_at_once(folder: Path) -> None:
    (folder / "accounts.db").touch(0o600)
    described = Accounts.sqlite(folder / "accounts.db")
    with pytest.raises(ConfigurationError, match="it is empty"):
        open_accounts(described)
    (folder / "accounts.db").unlink()
    store = open_accounts(described, clock=lambda: NOW)
    assert (folder / "accounts.db").exists()
    assert store.balance(account()) == Balance(0, 0, 0)
    store.close()
