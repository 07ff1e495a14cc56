"""Secrets in files that the caller named: a platform's token, a service account's key. Read anew each time; never followed elsewhere.

What is refused: anything but a regular file, a file of another user (root's is fine), one that others may write, one that is too large,
and a symbolic link that leads out of the directory that the path names. The path comes from the program; none is taken from a file, a
variable or a table.
"""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING, Final

from saferoute.errors import SecretError
from saferoute.secrets.document import secret_in
from saferoute.secrets.secret import Secret, SecretRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["FileSource"]

_MAX_BYTES: Final = 65_536
# None of these exists on every system; without it the flag has no effect. Opening a FIFO would wait for its writer.
_FLAGS: Final = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY", "O_NONBLOCK"))


class FileSource:
    """Named files as a source of secrets."""

    __slots__ = ("_files", "label")

    def __init__(self, files: Sequence[tuple[str, str, tuple[str, ...]]], label: str) -> None:
        """Describe the source; nothing is read.

        Args:
            files: (name, path, origins) of each secret.
            label: what an error calls the source.
        """
        self.label = label
        self._files = {name: (path, origins) for name, path, origins in files}

    def find(self, name: str) -> SecretRecord | None:
        """Read the secret's file; None if there is none of that name, or no file.

        Raises:
            SecretError: the file is not one that is read, or holds no secret.
        """
        path, origins = self._files.get(name, ("", ()))
        if not path:
            return None
        made = _read(path)
        if made is None:
            return None
        if isinstance(made, str):
            raise SecretError(f"the file {path}, which holds {name!r}, cannot be used: {made}")
        return SecretRecord(name, made, origins)

    def names(self) -> tuple[str, ...]:
        """The names whose files are there."""
        return tuple(name for name, (path, _) in self._files.items() if os.path.exists(path))  # noqa: PTH110  Path.exists may raise

    def forget(self, name: str) -> None:
        """Nothing: files are read anew every time."""

    def why_absent(self, name: str) -> str:
        """Why there is none, for the words of an error."""
        path = self._files.get(name, ("", ()))[0]
        return f"There is no file {path}." if path and not os.path.exists(path) else ""  # noqa: PTH110  as above


def _read(path: str) -> Secret | str | None:
    """The secret, why it cannot be used, or None for no file. Nothing is raised from here: this frame holds the content."""
    try:
        real, home = os.path.realpath(path), os.path.realpath(os.path.dirname(path) or ".")  # noqa: PTH120  as given
        if os.path.commonpath((real, home)) != home:
            return "it is a symbolic link that leads out of its directory"
        handle = os.open(real, _FLAGS)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        return f"it does not open ({type(error).__name__})"
    problem, data = "", b""
    try:
        # The open file is judged, not the name: the name could be another file by now.
        problem = _refused(os.fstat(handle))
        if not problem:
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
    return secret_in(data.removesuffix(b"\n").removesuffix(b"\r"))


def _refused(status: os.stat_result) -> str:
    if not stat.S_ISREG(status.st_mode):
        return "it is not a regular file"
    if sys.platform != "win32":
        if status.st_uid not in (os.geteuid(), 0):
            return "it belongs to another user"
        if status.st_mode & stat.S_IWOTH:
            return f"others may write it (mode {stat.S_IMODE(status.st_mode):o}); set it right with chmod o-w"
    return ""
