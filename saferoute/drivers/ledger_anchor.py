"""Anchors: where a ledger's checkpoints are kept outside of it, so that records which are cut off at its end are missed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from typing_extensions import override

if TYPE_CHECKING:
    from os import PathLike

    from saferoute.ledger.checkpoint import Checkpoint

__all__ = ["FileAnchor"]

# None of these exists on every system; without it the flag has no effect.
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | _NO_FOLLOW


class FileAnchor:
    """Appends each checkpoint's signed note to a file somewhere else: another disk, a mounted share, an append-only file.

    `Ledger.directory(path, on_checkpoint=(FileAnchor("/mnt/anchors/web-1.notes"),))`; several processes may share one file. Notes are
    separated by an empty line. A note holds no content, and is of use only to who can compare it with the ledger.
    """

    __slots__ = ("_path",)

    def __init__(self, path: str | PathLike[str]) -> None:
        """Name the file; it is made, with mode 600, when the first checkpoint comes."""
        self._path = Path(path).absolute()

    def __call__(self, checkpoint: Checkpoint, note: str) -> None:  # noqa: ARG002  what hooks are called with
        """Append a note, and wait until the disk has it.

        Raises:
            OSError: it cannot be written. The ledger makes a warning of it.
        """
        handle = os.open(self._path, _FLAGS, 0o600)
        try:
            os.write(handle, note.encode() + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)

    @override
    def __repr__(self) -> str:
        return f"FileAnchor({str(self._path)!r})"
