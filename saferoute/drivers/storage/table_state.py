"""Where it is remembered which table was accepted before: one small private file for each pinned root, replaced in one step.

What is refused on reading: what anybody else could have written. A state that cannot be trusted is an error and never taken for none,
or whoever can spoil the file could bring an old table back. The rules over what is remembered: `routing.rollback`.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.drivers.storage.private_file import exclusive, read_private, replace_private
from saferoute.errors import ConfigurationError, TableStateInvalid
from saferoute.routing.rollback import MAX_STATE_BYTES, decode_state, encode_state
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.routing.opened import Opened
    from saferoute.routing.rollback import State

__all__ = ["TableState", "default_state_folder"]

_RESET = "`saferoute table state reset` verifies the table that is deployed now, and records it"


def default_state_folder() -> Path | None:
    """`~/.local/state/saferoute`, on every system; None for a user without a home directory."""
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ".local" / "state" / "saferoute" if home.is_absolute() and home.is_dir() else None


class TableState:
    """The file that belongs to one pinned root."""

    __slots__ = ("_folder", "_name", "_path", "_pinned", "_required")

    def __init__(self, folder: Path, pinned: str, name: str, *, required: bool) -> None:
        """Describe the file; nothing is opened.

        Args:
            folder: made if it is missing.
            pinned: SHA-256 of the pinned root, in hex.
            name: the root's name.
            required: whether it is an error that it cannot be written; otherwise nothing is remembered then.
        """
        self._folder = folder
        self._path = folder / f"{pinned}.json"
        self._pinned = pinned
        self._name = name
        self._required = required

    def exchange(self, verify: Callable[[State | None, bool], Opened]) -> Opened:
        """Verify against what was accepted before, and remember what was accepted now; nobody else changes it meanwhile.

        Args:
            verify: verifies everything; told what was accepted before, and whether the outcome will be remembered. It raises for what
                is not acceptable, and then nothing changes.

        Raises:
            TableStateInvalid: the state is corrupt, a link, or could have been written by somebody else.
            ConfigurationError: the state is required, and it cannot be written.
            RoutingError: whatever `verify` raises.
        """
        self._check_folder()
        with contextlib.ExitStack() as stack:
            remembered = self._lock(stack)
            earlier = self._read()
            opened = verify(earlier, remembered)
            if remembered and opened.state != earlier and not self._write(opened.state):
                return verify(earlier, False)  # noqa: FBT003  the disk is full, say: what it said before counts, and is not advanced
        return opened

    def reset(self, verify: Callable[[State | None, bool], Opened]) -> Opened:
        """Verify without what was accepted before, and remember what is there now, in place of whatever the file holds.

        Raises:
            TableStateInvalid: the folder is a link, or others can write in it.
            ConfigurationError: the state cannot be written.
            RoutingError: whatever `verify` raises.
        """
        self._check_folder()
        with contextlib.ExitStack() as stack:
            self._lock(stack)
            opened = verify(None, True)  # noqa: FBT003  the protocol is one question: is it remembered?
            self._write(opened.state)
        return opened

    def _lock(self, stack: contextlib.ExitStack) -> bool:
        """Whether the state can be changed; it is locked then."""
        try:
            stack.enter_context(exclusive(self._path))
        except OSError as error:
            self._cannot_write(error)
            return False
        return True

    def _write(self, state: State) -> bool:
        try:
            replace_private(self._path, encode_state(state, self._pinned, self._name))
        except OSError as error:
            self._cannot_write(error)
            return False
        return True

    def _cannot_write(self, error: OSError) -> None:
        if self._required:
            raise ConfigurationError(
                f"the rollback state cannot be kept in {self._folder}: {error.strerror or error}. Give a folder that this process can "
                "write and that stays (state=...)"
            ) from None

    def _read(self) -> State | None:
        try:
            os.lstat(self._path)
        except OSError:
            return None  # nothing is there, or nothing can be
        try:
            data = read_private(self._path, max_bytes=MAX_STATE_BYTES)
            return None if data is None else decode_state(data, self._pinned, self._name)
        except (OSError, Refused) as error:
            why = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
        raise TableStateInvalid(f"the rollback state {self._path} cannot be trusted: {why}. {_RESET}")

    def _check_folder(self) -> None:
        """Whoever can write in the folder can take the state away, and bring an old table back."""
        try:
            status = os.lstat(self._folder)
        except OSError:
            return
        problem = ""
        if stat.S_ISLNK(status.st_mode):
            problem = "it is a symbolic link; give the folder itself"
        elif sys.platform != "win32" and stat.S_ISDIR(status.st_mode):
            if status.st_uid != os.geteuid():
                problem = "it belongs to another user; give a folder of your own (state=...)"
            elif status.st_mode & 0o022:
                problem = f"others may write in it (mode {stat.S_IMODE(status.st_mode):o}); set it right with chmod 700"
        if problem:
            raise TableStateInvalid(f"the folder {self._folder} of the rollback state cannot be trusted: {problem}; then {_RESET}")
