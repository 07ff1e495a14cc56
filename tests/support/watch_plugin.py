"""The package opens no listening socket and starts no process, in any test of a run.

    python -m pytest -p tests.support.watch_plugin

An audit hook sees every `bind`, and every way to start a process; what it does is charged to the innermost frame of the package on the
stack of the thread that does it. `saferoute.testing` may listen: it is a provider on loopback.
"""

from __future__ import annotations

import os
import pathlib
import socket
import sys
from types import FrameType
from typing import Any

import pytest

PACKAGE = str(pathlib.Path(__file__).resolve().parent.parent.parent / "saferoute") + os.sep
PROCESS = frozenset(
    {"subprocess.Popen", "os.system", "os.posix_spawn", "os.exec", "os.spawn", "os.fork", "os.forkpty", "pty.spawn", "os.startfile"}
)
LISTENING = frozenset({"socket.bind", "socket.listen"})
MAY_LISTEN = ("saferoute/testing/",)
# The one place that starts a process, where the caller's source names the command.
MAY_START = ("saferoute/drivers/credential_process.py",)
# Tests that make it happen.
ON_PURPOSE = {
    "test_d10_the_watch_would_notice": "plants a module that listens, to see that this is noticed",
    "test_the_watch_notices_a_process": "plants a module that starts a process",
    "test_the_allow_list": "imports the keyring library's module for macOS on any system; ctypes looks for a library by starting ldconfig",
}


def culprit(frame: FrameType | None) -> str:
    """The innermost frame of the package, as path:line; "" if there is none."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            return f"saferoute/{name.removeprefix(PACKAGE)}:{frame.f_lineno}".replace(os.sep, "/")
        frame = frame.f_back
    return ""


class Watch:
    """What was seen."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.seen = 0
        self.active = True

    def hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        """The audit hook; it cannot be taken away, only put to sleep."""
        if self.active and (event in LISTENING or event in PROCESS):
            self.note(event)

    def note(self, event: str) -> None:
        """Charge an event to the package's frame, if there is one."""
        self.seen += 1
        place = culprit(sys._getframe(1))
        if place and not place.startswith(MAY_LISTEN if event in LISTENING else MAY_START):
            self.found.append(f"{event} from {place}")


WATCH = pytest.StashKey[Watch]()


def watch_listen(watch: Watch) -> Any:
    """Follow `socket.listen`, which raises no audit event; give what undoes it."""
    plain = socket.socket.listen

    def listen(self: socket.socket, *backlog: int) -> None:
        watch.note("socket.listen")
        plain(self, *backlog)

    socket.socket.listen = listen  # type: ignore[method-assign, assignment]

    def undo() -> None:
        socket.socket.listen = plain  # type: ignore[method-assign]
        watch.active = False

    return undo


def pytest_configure(config: pytest.Config) -> None:
    """Begin."""
    watch = Watch()
    config.stash[WATCH] = watch
    sys.addaudithook(watch.hook)
    config.add_cleanup(watch_listen(watch))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Fail a test in which the package listened or started a process."""
    report = yield
    watch = item.config.stash[WATCH]
    if any(name in item.nodeid for name in ON_PURPOSE):
        watch.found.clear()
    if watch.found:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid}: " + "; ".join(watch.found)
        watch.found.clear()
    return report


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say what was seen."""
    terminalreporter.write_line(
        f"watch: {config.stash[WATCH].seen} sockets bound or processes started, none charged to the package unless a test above failed"
    )
