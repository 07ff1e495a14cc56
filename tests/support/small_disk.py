"""A disk of 64 KiB, and one that is read-only: real ones, where this user may mount them."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

__all__ = ["read_only", "small_disk"]


@contextlib.contextmanager
def small_disk(where: Path, kibibytes: int = 64) -> Iterator[Path]:
    """Mount a tmpfs at a directory; the test is skipped where that is not allowed."""
    command = shutil.which("mount")
    if command is None or os.geteuid() != 0:
        pytest.skip("a file system of a few kilobytes can be mounted by root only")
    where.mkdir()
    made = subprocess.run([command, "-t", "tmpfs", "-o", f"size={kibibytes}k,mode=700", "tmpfs", where], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this machine does not let a test mount a file system")
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True)


@contextlib.contextmanager
def read_only(where: Path) -> Iterator[None]:
    """Make a directory read-only: by its mode, or, for root, whom a mode does not stop, by mounting it so."""
    if os.geteuid() != 0:
        where.chmod(0o500)
        try:
            yield
        finally:
            where.chmod(0o700)
        return
    commands = (["mount", "--bind", where, where], ["mount", "-o", "remount,ro,bind", where])
    if shutil.which("mount") is None or any(subprocess.run(command, capture_output=True, check=False).returncode for command in commands):
        pytest.skip("this machine does not let a test mount a file system")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", where], check=True)
