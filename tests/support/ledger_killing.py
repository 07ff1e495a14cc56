"""Processes that write a ledger under load until they are killed."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from saferoute.ledger.checkpoint import Checkpoint, read_note
from tests.support.account_stores import ROOT

__all__ = ["killed"]


def killed(directory: Path, seconds: float, *, threads: int = 4, fsync: str = "checkpoint", processes: int = 1) -> list[Checkpoint]:
    """Run processes, kill each of them so long after the first one's first checkpoint, and give the checkpoints that they had reported.

    Args:
        directory: the ledger's.
        seconds: when to kill; a negative number kills that long after the start, whatever has been written by then.
        threads: how many threads write in each process.
        fsync: when they wait for the disk.
        processes: how many at once.
    """
    command = [sys.executable, "-m", "tests.support.ledger_worker", str(directory), "load", str(threads), fsync]
    children = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) for _ in range(processes)]
    read = b""
    if seconds >= 0:
        assert children[0].stdout is not None
        read = children[0].stdout.readline()
    time.sleep(abs(seconds))
    reported = []
    for child in children:
        child.kill()
        rest, _ = child.communicate()
        assert child.returncode == -9
        reported += [line for line in (read + rest).split(b"\n")[:-1] if line]
        read = b""
    return [read_note(line.decode().replace("|", "\n"), None) for line in reported]
