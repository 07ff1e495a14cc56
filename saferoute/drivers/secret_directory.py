"""Secrets in a mounted directory, one file each: what kubelet, container engines and systemd prepare. Read anew when a file changes.

A file is read through symbolic links only if it really stands inside the directory, which is what kubelet's layout needs: there the name
leads to `..data/NAME`, and `..data` to a directory that is exchanged as a whole. Refused are: anything but a regular file; another owner
than this user or root; a file that anybody but its owner may write; one that a group of others may read; and one that everybody may
read, unless it stands on a read-only mount in memory, which is how some platforms hand secrets to a container that has one user. Such
a file is used, and said in `notes`. A directory that others may write is refused too, unless its mount is read-only.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from saferoute.drivers import environment
from saferoute.drivers.secret_files import FileWatch, read_secret_file
from saferoute.errors import SecretError
from saferoute.secrets.kept import WatchedRecord
from saferoute.secrets.lookup import AbsentSource

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.secrets.platform_places import SystemdPlace
    from saferoute.secrets.secret import SecretRecord, SecretSource

__all__ = ["DirectorySource", "is_memory_read_only", "open_systemd"]

_VARIABLE: Final = "CREDENTIALS_DIRECTORY"
_MEMORY: Final = frozenset({"tmpfs", "ramfs"})
_MOUNTS: Final = Path("/proc/self/mountinfo")
_READ_ONLY: Final = getattr(os, "ST_RDONLY", 0)


class DirectorySource:
    """A directory as a source of secrets."""

    __slots__ = ("_clock", "_keys", "_path", "_shielded", "label")

    def __init__(
        self,
        path: str,
        keys: Sequence[tuple[str, tuple[str, ...]]],
        label: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        shielded: Callable[[int], bool] | None = None,
    ) -> None:
        """Describe the source; nothing is read.

        Args:
            path: the directory.
            keys: (name, origins) of each secret.
            label: what an error calls the source.
            clock: monotonic seconds.
            shielded: whether an open file stands on a read-only mount in memory; None asks the system.
        """
        self.label = label
        self._path = path
        self._keys = dict(keys)
        self._clock = clock
        self._shielded = shielded or is_memory_read_only

    def find(self, name: str) -> SecretRecord | None:
        """Read the secret's file; None if the code does not list the name, or there is no such file.

        Raises:
            SecretError: the directory or the file is not one that is read, or the file holds no secret.
        """
        if name not in self._keys or not os.path.isdir(self._path):  # noqa: PTH112  Path.is_dir may raise
            return None
        if problem := self._open_directory():
            raise SecretError(f"{self.label} cannot be used: {problem}")
        path = os.path.join(self._path, name)  # noqa: PTH118  as given
        made = read_secret_file(path, self._refused)
        if made is None:
            return None
        if isinstance(made, str):
            raise SecretError(f"the file {path} cannot be used: {made}")
        secret, stamp = made
        return WatchedRecord(name, secret, self._keys[name], watch=FileWatch(path, stamp, self._clock))

    def _open_directory(self) -> str:
        """Why this directory's content is not believed."""
        if sys.platform == "win32":
            return ""
        try:
            status = os.stat(self._path)  # noqa: PTH116  as given
            read_only = bool(os.statvfs(self._path).f_flag & _READ_ONLY)
        except OSError as error:
            return f"it cannot be looked at ({type(error).__name__})"
        if status.st_uid not in (os.geteuid(), 0):
            return "it belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not read_only:
            return f"others may put files there (mode {stat.S_IMODE(status.st_mode):o}), and its mount is not read-only"
        return ""

    def _refused(self, handle: int, status: os.stat_result) -> str:
        if not stat.S_ISREG(status.st_mode):
            return "it is not a regular file"
        if sys.platform == "win32":
            return ""
        mode = f"mode {stat.S_IMODE(status.st_mode):o}"
        if status.st_uid not in (os.geteuid(), 0):
            return "it belongs to another user"
        if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            return f"others may write it ({mode})"
        if status.st_mode & stat.S_IROTH and not self._shielded(handle):
            return f"every user of this machine may read it ({mode}), and its mount is not one in memory that is read-only"
        if status.st_mode & stat.S_IRGRP and not status.st_mode & stat.S_IROTH and status.st_gid not in {os.getegid(), *os.getgroups()}:
            return f"a group that this process is not in may read it ({mode})"
        return ""

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on files that everybody may read; no file is opened for them."""
        said = []
        for name in self._keys:
            path = os.path.join(self._path, name)  # noqa: PTH118  as given
            try:
                mode = stat.S_IMODE(os.stat(path).st_mode)  # noqa: PTH116  as given
            except (OSError, ValueError):
                continue
            if sys.platform != "win32" and mode & stat.S_IROTH:
                said.append(f"The file {path} can be read by every user that sees this mount (mode {mode:o}).")
        return tuple(said)

    def names(self) -> tuple[str, ...]:
        """The names whose files are there."""
        return tuple(name for name in self._keys if os.path.exists(os.path.join(self._path, name)))  # noqa: PTH110, PTH118  may raise

    def forget(self, name: str) -> None:
        """Nothing: `find` reads the file every time."""

    def why_absent(self, name: str) -> str:
        """Why there is none, for the words of an error."""
        if not os.path.isdir(self._path):  # noqa: PTH112  Path.is_dir may raise
            return f"There is no directory {self._path}."
        if name not in self._keys:
            return f"{self.label[0].upper()}{self.label[1:]} was not asked: the code lists {', '.join(self._keys) or 'no name'}."
        return f"There is no file {name} in {self._path}."


def is_memory_read_only(handle: int) -> bool:
    """Whether an open file stands on a mount in memory (tmpfs or ramfs) that is read-only for this process. Linux only; else False."""
    try:
        if not os.fstatvfs(handle).f_flag & _READ_ONLY:
            return False
        device = os.fstat(handle).st_dev
        lines = _MOUNTS.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except (OSError, AttributeError):  # no such system, or no /proc
        return False
    return _is_memory(lines, f"{os.major(device)}:{os.minor(device)}")


def _is_memory(lines: Sequence[str], device: str) -> bool:
    """Whether every mount of a device is one in memory, as /proc/self/mountinfo has it: "ID PARENT DEVICE ... - TYPE SOURCE OPTIONS"."""
    kinds = [line.partition(" - ")[2].split(" ", 1)[0] for line in lines if line.split(" ", 3)[2:3] == [device]]
    return bool(kinds) and all(kind in _MEMORY for kind in kinds)


def open_systemd(place: SystemdPlace) -> SecretSource:
    """Open the directory that $CREDENTIALS_DIRECTORY names, if it is one that systemd makes.

    The variable is read because the code asked for it by name, once; it can only say which service's directory it is.

    Raises:
        SecretError: it is set to something else.
    """
    path = environment.values((_VARIABLE,)).get(_VARIABLE)
    if path is None:
        return AbsentSource(place.label, f"${_VARIABLE} is not set: this process was not started by systemd with LoadCredential=.")
    homes = ("/run/credentials/", f"/run/user/{os.geteuid()}/credentials/")
    if os.path.normpath(path) != path or not path.startswith(homes):
        raise SecretError(f"${_VARIABLE} does not name a directory of systemd's ({homes[0]}SERVICE): it is not followed")
    return DirectorySource(path, place.keys, f"{place.label} ({path})")
