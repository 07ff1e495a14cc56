"""Programs that hand a key over: the only place in this package that starts a process, and only one that the code spells out.

The program is given by its absolute path and words, and no shell sees them. It gets no input, none of this process's environment (only
a short fixed one, and what the code adds), a bounded time, and a bounded output. What it writes to its error output is dropped, since
such programs print what they were about to hand over.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO, TYPE_CHECKING, Final, cast

from saferoute.errors import SecretError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.secrets.platform_places import ProgramPlace

__all__ = ["Programs"]

_MAX_BYTES: Final = 65_536
_PATH: Final = "/usr/local/bin:/usr/bin:/bin"


class Programs:
    """Credential programs as a `saferoute.secrets.other_stores.ForeignStore`: a reference is a secret's name."""

    __slots__ = ("_environment", "_programs", "_timeout", "label")

    def __init__(self, place: ProgramPlace) -> None:
        """Take a description; nothing is started."""
        self.label = place.label
        self._programs = {name: words for name, words, _ in place.programs}
        self._timeout = place.timeout
        self._environment = dict(place.environment)

    def fetch(self, reference: str) -> bytes:
        """Run the program of a secret, and return what it wrote.

        Raises:
            SecretError: it does not start, does not end in time, ends with an error, or writes too much; the message has none of it.
        """
        words = self._programs[reference]
        found = _output(words, self._environment, self._timeout)
        if isinstance(found, str):
            raise SecretError(f"the program {words[0]}, which hands over {reference!r}, {found}")
        return found


def _output(words: Sequence[str], environment: Mapping[str, str], timeout: float) -> bytes | str:
    """Run a program: its output, or what went wrong. Nothing is raised from here: this frame has the output."""
    ends = time.monotonic() + timeout
    try:
        process = subprocess.Popen(  # noqa: S603  words out of the code, no shell
            list(words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**_clean_environment(), **environment},
            cwd=os.path.abspath(os.sep),  # noqa: PTH100  the root: nothing is found because of where this process stands
            close_fds=True,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return f"does not start ({type(error).__name__})"
    read: list[bytes] = []
    reader = threading.Thread(target=_read, args=(process.stdout, read), name="saferoute-credential", daemon=True)
    reader.start()
    try:
        reader.join(max(0.0, ends - time.monotonic()))
        if reader.is_alive():
            return f"did not end within {timeout:g} s"
        data = read.pop() if read else b""
        if len(data) > _MAX_BYTES:
            return f"wrote more than {_MAX_BYTES} bytes"
        try:
            status = process.wait(max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            return f"did not end within {timeout:g} s"
        if status != 0:
            return f"ended with status {status}; what it said is not shown, as it may hold the key: run it yourself"
        return data or "wrote nothing"
    finally:
        _end(process)


def _read(output: IO[bytes] | None, read: list[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError), cast("IO[bytes]", output) as pipe:  # it is there: it was asked for
        read.append(pipe.read(_MAX_BYTES + 1))


def _end(process: subprocess.Popen[bytes]) -> None:
    """Leave nothing running: the program, and what it started that is still in its group. One that has ended has no number any more."""
    if process.returncode is not None:
        return
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(1.0)


def _clean_environment() -> dict[str, str]:
    """What every program gets; its home is the user's as the system knows it, not what a variable says."""
    clean = {"PATH": _PATH, "LC_ALL": "C.UTF-8"}
    if sys.platform != "win32":
        import pwd  # noqa: PLC0415

        with contextlib.suppress(KeyError):  # a container's user without a name
            clean["HOME"] = pwd.getpwuid(os.geteuid()).pw_dir
    return clean
