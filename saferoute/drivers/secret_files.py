"""Secrets in files that the caller named: a platform's token, a service account's key. Read anew each time; never followed elsewhere.

What is refused: anything but a regular file, a file of another user (root's is fine), one that others may write, be it through a group
that this process is not in, one that is too large, and a symbolic link that leads out of the directory that the path names. The path
comes from the program; none is taken from a file, a variable or a table. One that everybody may read is used, and said in `notes`:
platforms mount tokens like that.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Final

from saferoute.errors import SecretError
from saferoute.secrets.document import secret_in
from saferoute.secrets.kept import WatchedRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.secrets.secret import Secret, SecretRecord

__all__ = ["FileSource", "FileWatch", "read_secret_file"]

_MAX_BYTES: Final = 65_536
_PAUSE: Final = 1.0
# None of these exists on every system; without it the flag has no effect. Opening a FIFO would wait for its writer.
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))


class FileWatch:
    """Tells whether a path still leads to the file that was read, unchanged; it is looked at once a second at most."""

    __slots__ = ("_clock", "_next", "_path", "stamp")

    def __init__(self, path: str, stamp: object, clock: Callable[[], float]) -> None:
        self._path = path
        self._clock = clock
        self._next = clock() + _PAUSE
        self.stamp = stamp

    def is_due(self) -> bool:
        """See `Watch`."""
        return self._clock() >= self._next

    def has_changed(self) -> bool:
        """See `Watch`."""
        self._next = self._clock() + _PAUSE
        try:
            return _stamp(os.stat(self._path)) != self.stamp  # noqa: PTH116  as given
        except (OSError, ValueError):
            return True


class FileSource:
    """Named files as a source of secrets."""

    __slots__ = ("_clock", "_files", "label")

    def __init__(
        self, files: Sequence[tuple[str, str, tuple[str, ...]]], label: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Describe the source; nothing is read.

        Args:
            files: (name, path, origins) of each secret.
            label: what an error calls the source.
            clock: monotonic seconds.
        """
        self.label = label
        self._clock = clock
        self._files = {name: (path, origins) for name, path, origins in files}

    def find(self, name: str) -> SecretRecord | None:
        """Read the secret's file; None if there is none of that name, or no file.

        Raises:
            SecretError: the file is not one that is read, or holds no secret.
        """
        path, origins = self._files.get(name, ("", ()))
        if not path:
            return None
        made = read_secret_file(path, _refused)
        if made is None:
            return None
        if isinstance(made, str):
            raise SecretError(f"the file {path}, which holds {name!r}, cannot be used: {made}")
        secret, stamp = made
        return WatchedRecord(name, secret, origins, watch=FileWatch(path, stamp, self._clock))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on files that are open to everybody's eyes; no file is opened for them."""
        said = []
        for name, (path, _) in self._files.items():
            mode = _mode(path)
            if sys.platform != "win32" and mode & stat.S_IROTH:
                said.append(f"The file {path}, which holds {name!r}, can be read by every user of this machine (mode {mode:o}): chmod o-r.")
        return tuple(said)

    def names(self) -> tuple[str, ...]:
        """The names whose files are there."""
        return tuple(name for name, (path, _) in self._files.items() if os.path.exists(path))  # noqa: PTH110  Path.exists may raise

    def forget(self, name: str) -> None:
        """Nothing: `find` reads the file every time."""

    def why_absent(self, name: str) -> str:
        """Why there is none, for the words of an error."""
        path = self._files.get(name, ("", ()))[0]
        return f"There is no file {path}." if path and not os.path.exists(path) else ""  # noqa: PTH110  as above


def _mode(path: str) -> int:
    """The permissions of what a path leads to; 0 where it leads nowhere."""
    try:
        return stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116  as given
    except (OSError, ValueError):
        return 0


def _stamp(status: os.stat_result) -> tuple[int, ...]:
    """What changes with a file's content, its permissions, or the file that a path leads to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def read_secret_file(path: str, refused: Callable[[int, os.stat_result], str]) -> tuple[Secret, tuple[int, ...]] | str | None:
    """The secret with its file's stamp, why it cannot be used, or None for no file. Nothing is raised: this frame holds the content.

    Args:
        path: where it is.
        refused: says what is wrong with an open file, given its handle and status; "" if nothing is.
    """
    handle = _opened(path)
    if not isinstance(handle, int):
        return handle
    problem, data = "", b""
    stamp: tuple[int, ...] = ()
    try:
        # The open file is judged, not the name: the name could be another file by now.
        status = os.fstat(handle)
        problem = refused(handle, status)
        if not problem:
            stamp = _stamp(status)  # before the content: what is written in between shows as a change
            with os.fdopen(handle, "rb", closefd=False) as file:
                data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        problem = f"it cannot be read ({type(error).__name__})"
    finally:
        os.close(handle)
    if problem:
        return problem
    if len(data) > _MAX_BYTES:
        return f"it is larger than {_MAX_BYTES} bytes"
    made = secret_in(data.removesuffix(b"\n").removesuffix(b"\r"))
    return made if isinstance(made, str) else (made, stamp)


def _opened(path: str) -> int | str | None:
    """A handle, why there is none, or None for no file."""
    for _ in range(3):  # a directory whose content is exchanged while it is looked at: the link leads elsewhere a moment later
        try:
            real, home = os.path.realpath(path), os.path.realpath(os.path.dirname(path) or ".")  # noqa: PTH120  as given
            if os.path.commonpath((real, home)) != home:
                return "it is a symbolic link that leads out of its directory"
            return os.open(real, _FLAGS)
        except FileNotFoundError:
            if not os.path.lexists(path):
                return None
        except (OSError, ValueError) as error:
            return f"it does not open ({type(error).__name__})"
    return None


def _refused(_: int, status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if sys.platform != "win32":
        if status.st_uid not in (os.geteuid(), 0):
            return "it belongs to another user"
        if status.st_mode & stat.S_IWOTH:
            return f"others may write it (mode {stat.S_IMODE(status.st_mode):o}); set it right with chmod o-w"
        if status.st_mode & stat.S_IWGRP and status.st_gid not in {os.getegid(), *os.getgroups()}:
            mode = stat.S_IMODE(status.st_mode)
            return f"a group that this process is not in may write it (mode {mode:o}); set it right with chmod g-w"
    return ""
