"""Small files that belong to one user: read only if nobody else could have written or read them, replaced in one step.

What is refused on reading: a symbolic link, anything but a regular file, another owner, and permissions for group or others. On
Windows ownership and permissions are left to the directory's access list.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["exclusive", "read_private", "replace_private"]

# None of these exists on every system; without it the flag has no effect.
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # opening a FIFO would wait for its writer
_OWNER_ONLY = 0o600


def read_private(path: Path, *, max_bytes: int) -> bytes | None:
    """Read a private file; None if there is none.

    Raises:
        PermissionError: it is a link, no regular file, somebody else's, or open to group or others; the message says what to do.
        OSError: it cannot be read, or is larger than that.
    """
    try:
        handle = os.open(path, os.O_RDONLY | _NO_FOLLOW | _NO_WAIT)
    except FileNotFoundError:
        return None
    except OSError:
        if path.is_symlink():
            raise PermissionError(_LINK) from None
        raise
    with os.fdopen(handle, "rb") as file:
        # The open file is judged, not the name: the name could be another file by now.
        _refuse_shared(os.fstat(file.fileno()))
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        msg = f"it is larger than {max_bytes} bytes"
        raise OSError(msg)
    return data


_LINK = "it is a symbolic link; give the path of the file itself"


def _refuse_shared(status: os.stat_result) -> None:
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = "it is not a regular file"
    elif sys.platform != "win32":
        if status.st_uid != os.geteuid():
            problem = "it belongs to another user"
        elif status.st_mode & 0o077:
            problem = f"others may read or write it (mode {stat.S_IMODE(status.st_mode):o}); set it right with chmod 600"
    if problem:
        raise PermissionError(problem)


def replace_private(path: Path, data: bytes) -> None:
    """Write a private file in one step: a reader, or a machine that loses power, sees the old file or the new one, whole.

    Raises:
        OSError: it could not be written; the old file is as it was.
    """
    new = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, _OWNER_ONLY)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    if sys.platform == "win32":
        return  # a directory cannot be opened there; the rename is journalled
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the lock that belongs to a private file, over processes and threads, waiting for it. Makes the directory if need be.

    The lock is a file of its own beside it: the private file itself is replaced, and a lock on it would go with the old one.

    Raises:
        OSError: the directory or the lock file cannot be made.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path.with_name(f".{path.name}.lock"), os.O_RDWR | os.O_CREAT | _NO_FOLLOW, _OWNER_ONLY)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)  # and with it the lock


if sys.platform == "win32":

    def _lock(handle: int) -> None:
        import msvcrt  # noqa: PLC0415

        msvcrt.locking(handle, msvcrt.LK_LOCK, 1)
else:

    def _lock(handle: int) -> None:
        import fcntl  # noqa: PLC0415

        fcntl.flock(handle, fcntl.LOCK_EX)
