"""The file of accounts that the processes of one host share: made in one step, and opened only if nobody else could have touched it.

What is refused: a symbolic link, anything but a regular file, another owner, permissions for group or others (SQLite's own files beside
it as well), a directory that others may write in (they could put a log of their own beside the file), a file system that other machines
write to (locks and shared memory do not reach them), a file of something else, and a damaged one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import sqlite3
import stat
import sys
import threading
from pathlib import Path
from typing import Final, TypeAlias

from saferoute.errors import ConfigurationError

__all__ = ["Identity", "Turns", "boot_id", "identity_of", "open_file", "reason"]

Identity: TypeAlias = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""

_APPLICATION: Final = 0x53524143  # "SRAC"
_VERSION: Final = 1
_MOST: Final = "9007199254740991"
_SCHEMA: Final = f"""
BEGIN IMMEDIATE;
CREATE TABLE accounts (
    key TEXT NOT NULL PRIMARY KEY,
    spent INTEGER NOT NULL CHECK (spent BETWEEN 0 AND {_MOST}),
    reserved INTEGER NOT NULL CHECK (reserved BETWEEN 0 AND {_MOST}),
    under_way INTEGER NOT NULL CHECK (under_way >= 0),
    promised INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX accounts_end ON accounts (expires_at);
CREATE TABLE holds (
    id TEXT NOT NULL,
    place INTEGER NOT NULL,
    key TEXT NOT NULL,
    amount INTEGER NOT NULL CHECK (amount BETWEEN 0 AND {_MOST}),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (id, place)
) WITHOUT ROWID;
CREATE TABLE nonces (key TEXT NOT NULL PRIMARY KEY, expires_at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX nonces_end ON nonces (expires_at);
CREATE TABLE state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    boot TEXT NOT NULL,
    forgotten INTEGER NOT NULL,
    nonces INTEGER NOT NULL,
    nonces_forgotten REAL NOT NULL,
    nonce_life INTEGER NOT NULL
);
INSERT INTO state VALUES (1, '', -1, 0, -1, 0);
PRAGMA application_id = {_APPLICATION};
PRAGMA user_version = {_VERSION};
COMMIT;
"""  # noqa: S608  constants of this file
_FOREIGN: Final = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gcsfuse", "gfs2", "glusterfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2", "rclone"}
    | {"s3fs", "smb3", "smbfs", "sshfs"}
)
_OCTAL: Final = re.compile(r"\\([0-7]{3})")
_AGAIN: Final = "If the file is lost, remove it, and every budget that it counted begins anew"


class Turns:
    """Lets one thread of a process after the other write in a file: two that wait for each other in SQLite sleep longer each time."""

    __slots__ = ("_locks",)

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def here(self) -> threading.Lock:
        """This process's lock: one that was held elsewhere when a process was forked stays held there."""
        pid = os.getpid()
        return self._locks.get(pid) or self._locks.setdefault(pid, threading.Lock())


def boot_id() -> str:
    """What this start of the operating system is called; empty where the system does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        return ""


def identity_of(path: Path) -> Identity | None:
    """Which file stands at a path now; None for none."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def open_file(path: Path, timeout: float) -> tuple[sqlite3.Connection, Identity]:
    """Open the file, or make it where there is none.

    Args:
        path: absolute.
        timeout: seconds to wait for other processes.

    Returns:
        A connection that any thread may use, one at a time, and the file that it is connected to.

    Raises:
        ConfigurationError: the file, or where it is, is refused, or it cannot be opened.
        sqlite3.Error: SQLite could not read it.
    """
    found: Identity | str
    try:
        _refuse_place(path)
        if not os.path.lexists(path):
            _make(path)
        found = _refuse_file(path)
    except (OSError, sqlite3.Error) as error:
        found = reason(error)
    if isinstance(found, str):
        raise ConfigurationError(f"accounts cannot be counted in {path}: {found}")
    # No file is made here: had it just been removed, a fresh one would forget what was spent.
    connection = sqlite3.connect(f"{path.as_uri()}?mode=rw", timeout=timeout, isolation_level=None, check_same_thread=False, uri=True)
    try:
        problem = _judge(connection)
    except BaseException:
        connection.close()
        raise
    if not problem and identity_of(path) != found:
        problem = "it was replaced while it was opened"
    if problem:
        connection.close()
        raise ConfigurationError(f"accounts cannot be counted in {path}: {problem}")
    return connection, found


def reason(error: BaseException) -> str:
    """Why the file cannot be used, and what to do about it, without its path."""
    name = getattr(error, "sqlite_errorname", "") or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "another process holds it for too long; see which one stands still, and stop it"
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_CONSTRAINT", "SQLITE_ERROR", "SQLITE_MISMATCH")):
        return f"it is damaged, or was changed by something else ({name}). {_AGAIN}"
    if name == "SQLITE_FULL":
        return "the disk is full"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return f"SQLite says {name or type(error).__name__}: see that its directory can be written, and has room"


def _refuse_place(path: Path) -> None:
    """Refuse the directory.

    Raises:
        PermissionError: with the reason.
    """
    directory = path.parent
    if str(path).startswith(("\\\\", "//")) or _file_system(directory) in _FOREIGN:
        raise PermissionError(
            "it is on a network file system, which other hosts write to as well: use a local disk, or Accounts.redis(url)"
        )
    try:
        status = directory.stat()
    except FileNotFoundError:
        raise PermissionError(f"there is no directory {directory}: make it, with mode 700") from None
    if sys.platform == "win32":
        return
    if status.st_uid not in {0, os.geteuid()}:
        raise PermissionError(f"the directory {directory} belongs to another user: use one of your own")
    if status.st_mode & 0o022:
        raise PermissionError(
            f"others may write in the directory {directory} (mode {stat.S_IMODE(status.st_mode):o}): set it right with chmod go-w, "
            "or use a directory of your own"
        )


def _file_system(directory: Path) -> str:
    """The type of the file system that a directory is on; empty where the system does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    real, found, kind = directory.resolve(), Path("/"), ""
    for line in mounts:
        left, _, right = line.partition(" - ")
        point = Path(_OCTAL.sub(lambda code: chr(int(code[1], 8)), left.split(" ")[4]))
        if real.is_relative_to(point) and point.is_relative_to(found):  # of two at one place, the later one lies on top
            found, kind = point, right.split(" ")[0]
    return kind.removeprefix("fuse.")


def _refuse_file(path: Path) -> Identity:
    """Refuse the file or SQLite's own beside it. By name: to open and close the file here would end SQLite's locks on it.

    Raises:
        PermissionError: with the reason.
        FileNotFoundError: it is gone.
    """
    for suffix in ("-journal", "-wal", "-shm"):
        beside = path.with_name(path.name + suffix)
        try:
            _refuse_shared(beside, f"{beside.name}, which stands beside it,")
        except FileNotFoundError:
            continue
    status = _refuse_shared(path, "it")
    if status.st_size == 0:
        raise PermissionError(f"it is empty, and was not made by saferoute. {_AGAIN}")
    return status.st_dev, status.st_ino


def _refuse_shared(path: Path, what: str) -> os.stat_result:
    status = path.lstat()
    problem = ""
    if stat.S_ISLNK(status.st_mode):
        problem = "is a symbolic link; give the path of the file itself"
    elif not stat.S_ISREG(status.st_mode):
        problem = "is not a regular file"
    elif sys.platform != "win32":
        if status.st_uid != os.geteuid():
            problem = "belongs to another user"
        elif status.st_mode & 0o077:
            problem = f"may be read or written by others (mode {stat.S_IMODE(status.st_mode):o}); set it right with chmod 600"
    if problem:
        raise PermissionError(f"{what} {problem}")
    return status


def _make(path: Path) -> None:
    """Put a whole new file in its place; if another process is faster, its file stays.

    Raises:
        OSError: it could not be written.
        sqlite3.Error: as above.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600))
    try:
        with contextlib.closing(sqlite3.connect(f"{new.as_uri()}?mode=rw", isolation_level=None, uri=True)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != ("wal",):
                raise PermissionError("its file system cannot share memory between processes: use a local disk")
            connection.executescript(_SCHEMA)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    finally:
        new.unlink()
    if sys.platform != "win32":
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _judge(connection: sqlite3.Connection) -> str:
    """Why a file that can be opened is not one of ours; empty if it is. Sets up the connection."""
    for setting in ("trusted_schema = OFF", "cell_size_check = ON", "temp_store = MEMORY", "fullfsync = ON", "checkpoint_fullfsync = ON"):
        connection.execute(f"PRAGMA {setting}")
    if connection.execute("PRAGMA application_id").fetchone() != (_APPLICATION,):
        return "it is a database of something else: name a file of its own"
    version = connection.execute("PRAGMA user_version").fetchone()
    if version != (_VERSION,):
        return (
            f"it was made by another version of saferoute (schema {version[0]}; this one knows {_VERSION}): upgrade, or name another file"
        )
    if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
        return f"it is damaged. {_AGAIN}"
    if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        return "its file system cannot share memory between processes: use a local disk"
    return ""
