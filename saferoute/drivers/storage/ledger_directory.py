"""A ledger's directory: one file of whole lines for each segment, written by one process and by nobody else.

What is refused: a directory that is a symbolic link, belongs to another user, or that others may write in; a segment that is a symbolic
link or no regular file. A segment is made with a name that nobody has, for its owner only, and locked as long as its process lives.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["LedgerDirectory", "SegmentFile", "SegmentFiles", "segment_of"]

_NAME: Final = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z-([0-9a-f]{32})\.ledger\.jsonl")
_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
# None of these exists on every system; without it the flag has no effect.
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_READ: Final = os.O_RDONLY | _NO_FOLLOW | getattr(os, "O_NONBLOCK", 0)  # opening a FIFO would wait for its writer
_MAKE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | _NO_FOLLOW
_OWNER_ONLY: Final = 0o600
_CLOSED: Final = -1  # no file: what is done with it fails, and cannot reach another file of the same number
_DAY_US: Final = 86_400_000_000
_LONGEST_FIRST: Final = 1 << 20  # bytes; with a certificate that sixteen have signed it has less than a tenth


def segment_of(name: str) -> str | None:
    """The id of the segment that a file of this name holds; None if it is no segment's name."""
    found = _NAME.fullmatch(name)
    return None if found is None else found[1]


class SegmentFile:
    """A segment that this process writes. Not for several threads at once: the ledger has the lock."""

    __slots__ = ("_directory", "_handle", "_identity", "_new", "_standing", "name", "size")

    def __init__(self, directory: Path, name: str) -> None:
        """Make the file.

        Raises:
            OSError: it is there already, or cannot be made.
        """
        self._directory = directory
        self.name = name
        self.size = 0
        self._new = True  # its name is not on the disk yet
        self._standing = _BEGINNING.format(name)  # under which name it stands now: it gets its own with its first line
        _refuse_taken(directory / name)
        self._handle = os.open(directory / self._standing, _MAKE, _OWNER_ONLY)
        status = os.fstat(self._handle)
        self._identity = status.st_dev, status.st_ino
        _hold(self._handle)

    def write(self, line: bytes) -> None:
        """Write a whole line; after an error there may be a part of it, which `recover` takes away.

        Raises:
            OSError: it could not be written, or not all of it.
        """
        left = line[os.write(self._handle, line) :]
        while left:  # a disk that is almost full takes a part, and says why with the next
            left = left[os.write(self._handle, left) :]
        if self._standing != self.name:  # whoever is killed before leaves no segment without a record
            _refuse_taken(self._directory / self.name)
            (self._directory / self._standing).rename(self._directory / self.name)
            self._standing = self.name
        self.size += len(line)

    def recover(self) -> bool:
        """Cut off the part of a line that a write left when it failed; whether the file is as it was."""
        try:
            os.ftruncate(self._handle, self.size)
            return os.fstat(self._handle).st_size == self.size
        except OSError:
            return False

    def check(self) -> None:
        """See that the file is what was written.

        Raises:
            OSError: something else removed, shortened or lengthened it.
        """
        status = os.fstat(self._handle)
        if status.st_nlink == 0:
            raise OSError("something removed the segment while it was written")
        if status.st_size != self.size:
            raise OSError(f"something else changed the segment: it has {status.st_size} bytes, and {self.size} were written")

    def sync(self) -> None:
        """Wait until the disk has it, and its name.

        Raises:
            OSError: the disk says that it has not.
        """
        handle = self._handle
        _to_disk(handle)
        if self._handle != handle:  # another thread gave it up meanwhile, and its number may be another file's
            raise OSError("writing it failed while the disk was waited for")
        if self._new:
            _sync_directory(self._directory)
            self._new = False

    def close(self) -> None:
        """Close the file."""
        handle, self._handle = self._handle, _CLOSED
        os.close(handle)

    def abandon(self) -> None:
        """Close the file after an error, as it is; one without a line is removed."""
        with contextlib.suppress(OSError):
            self.close()
        if self.size == 0:
            with contextlib.suppress(OSError):
                (self._directory / self._standing).unlink()

    def disown(self) -> None:
        """Close what a fork copied, in the child; the parent's stays open, and locked.

        The number is looked at first: in the moment of the fork another thread may have closed it, and opened something else.
        """
        with contextlib.suppress(OSError):
            status = os.fstat(self._handle)
            if (status.st_dev, status.st_ino) == self._identity:
                self.close()


class LedgerDirectory:
    """The directory. Describing it opens nothing."""

    __slots__ = ("path",)

    def __init__(self, path: Path) -> None:
        """Describe it.

        Args:
            path: absolute.
        """
        self.path = path

    def prepare(self) -> None:
        """Make the directory, for its owner only, or see that nobody else can write in the one that is there.

        Raises:
            PermissionError: it is refused; without a number, and the text is the reason and what to do.
            OSError: it cannot be made.
        """
        try:
            status = os.lstat(self.path)
        except FileNotFoundError:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = os.lstat(self.path)
        if stat.S_ISLNK(status.st_mode):
            raise PermissionError("it is a symbolic link; give the directory itself")
        if not stat.S_ISDIR(status.st_mode):
            raise PermissionError("it is not a directory; give one of its own for the ledger")
        if sys.platform != "win32":
            if status.st_uid != os.geteuid():
                raise PermissionError("it belongs to another user; give a directory of your own")
            if status.st_mode & 0o022:
                mode = f"{stat.S_IMODE(status.st_mode):o}"
                raise PermissionError(f"others may write in it (mode {mode}); set it right with chmod 700, or give a directory inside it")

    def create(self, segment: str, now_us: int) -> SegmentFile:
        """Make the file of a new segment.

        Args:
            segment: its id.
            now_us: the time, in microseconds since 1970; part of the name, so that names sort by age.

        Raises:
            OSError: it cannot be made.
        """
        begun = _1970 + timedelta(microseconds=now_us)
        return SegmentFile(self.path, f"{begun:%Y%m%dT%H%M%S.%f}Z-{segment}.ledger.jsonl")

    def names(self) -> list[str]:
        """The segments' names, oldest first.

        Raises:
            OSError: the directory cannot be read.
        """
        with os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if segment_of(entry.name) is not None)

    def read(self, name: str) -> bytes:
        """What a segment holds, which may end in a part of a line.

        Raises:
            PermissionError: it is a symbolic link or no regular file.
            OSError: it cannot be read.
        """
        with _opened(self.path / name) as handle, open(handle, "rb", closefd=False) as file:
            return file.read()

    def first(self, name: str) -> bytes:
        """A segment's first line, without its line feed; nothing if it has no whole one, or none that a segment could begin with.

        Raises:
            PermissionError: it is a symbolic link or no regular file.
            OSError: it cannot be read.
        """
        with _opened(self.path / name) as handle, open(handle, "rb", closefd=False) as file:
            line = file.readline(_LONGEST_FIRST)
        return line[:-1] if line.endswith(b"\n") else b""

    def earlier(self) -> Iterator[bytes]:
        """The whole lines of each segment that has some, the newest first.

        Raises:
            OSError: the directory cannot be read.
        """
        for name in reversed(self.names()):
            with contextlib.suppress(OSError):  # removed since, or somebody's link: not ours to continue
                data = self.read(name)
                whole = data[: data.rfind(b"\n") + 1]
                if whole:
                    yield whole

    def expired(self, days: float, now_us: int) -> list[str]:
        """The segments that were written last before so many days, and that no process is writing.

        Args:
            days: how long segments are kept.
            now_us: the time, in microseconds since 1970.

        Raises:
            OSError: the directory cannot be read.
        """
        end = (now_us - days * _DAY_US) / 1e6
        return [name for name in self.names() if self._is_over(name, end)]

    def _is_over(self, name: str, end: float) -> bool:
        with contextlib.suppress(OSError), _opened(self.path / name) as handle:
            return os.fstat(handle).st_mtime < end and not _is_held(handle)
        return False

    def remove(self, name: str) -> None:
        """Delete a segment; another process may have been faster.

        Raises:
            OSError: it cannot be deleted.
        """
        (self.path / name).unlink(missing_ok=True)


class SegmentFiles(Mapping[str, bytes]):
    """The segments of a directory by name, oldest first, each read when it is asked for: for who verifies a ledger.

    Owners and permissions are not looked at: what is verified is often a copy. Symbolic links are refused.
    """

    __slots__ = ("_directory", "_names")

    def __init__(self, path: Path) -> None:
        """List the segments.

        Raises:
            OSError: the directory cannot be read.
        """
        self._directory = LedgerDirectory(path)
        self._names = dict.fromkeys(self._directory.names())

    @override
    def __getitem__(self, name: str) -> bytes:
        if name not in self._names:
            raise KeyError(name)
        return self._directory.read(name)

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    @override
    def __len__(self) -> int:
        return len(self._names)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Open a regular file for reading, following no link.

    Raises:
        PermissionError: it is something else.
        OSError: it cannot be opened.
    """
    try:
        handle = os.open(path, _READ)
    except OSError:
        if path.is_symlink():
            raise PermissionError(f"{path.name} is a symbolic link, and no segment") from None
        raise
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise PermissionError(f"{path.name} is not a regular file, and no segment")
        yield handle
    finally:
        os.close(handle)


def _refuse_taken(path: Path) -> None:
    if os.path.lexists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))


if sys.platform == "win32":
    _BEGINNING: Final = "{}"  # an open file cannot be renamed there

    def _hold(handle: int) -> None:
        """Nothing: a file that is open there cannot be deleted."""

    def _is_held(_: int) -> bool:
        return False

    def _sync_directory(directory: Path) -> None:
        """Nothing: a directory cannot be opened there, and names are journalled."""
else:
    _BEGINNING: Final = ".{}.new"

    def _hold(handle: int) -> None:
        """Say that the segment has a writer; the system takes it back when the process ends, however it ends."""
        import fcntl  # noqa: PLC0415

        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _is_held(handle: int) -> bool:
        import fcntl  # noqa: PLC0415

        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False  # a file system without locks
        return False

    def _sync_directory(directory: Path) -> None:
        handle = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


if sys.platform == "darwin":

    def _to_disk(handle: int) -> None:
        import fcntl  # noqa: PLC0415

        fcntl.fcntl(handle, fcntl.F_FULLFSYNC)  # fsync there returns before the disk has it
else:
    _to_disk = getattr(os, "fdatasync", os.fsync)
