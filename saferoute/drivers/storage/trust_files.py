"""Reading the two files of a signed table: the pinned root and the bundle."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from saferoute.errors import ConfigurationError
from saferoute.routing.shapes import MAX_BUNDLE_BYTES, MAX_ROOT_BYTES
from saferoute.routing.trust import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path

    from saferoute.routing.table import RoutingTable
    from saferoute.routing.trust import Trust

__all__ = ["load_bundle", "open_table", "read_bounded"]


def read_bounded(path: str | Path, max_bytes: int) -> bytes:
    """Read a regular file whole. Symbolic links are followed (mounted configuration is made of them); pipes and devices are not read.

    Raises:
        ConfigurationError: if it cannot be read, is no regular file, or has more than `max_bytes` bytes.
    """
    try:
        # Without O_NONBLOCK, opening a pipe that nobody writes to would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ConfigurationError(f"{path} is not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(max_bytes + 1)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
    if len(data) > max_bytes:
        raise ConfigurationError(f"{path} has more than {max_bytes} bytes, the most that is read")
    return data


def load_bundle(table: str | Path, trust: Trust) -> tuple[bytes, bytes]:
    """Read the root that is pinned, and the bundle; nothing is verified.

    Returns:
        The root's bytes and the bundle's.

    Raises:
        ConfigurationError: if a file cannot be read.
    """
    return read_bounded(trust.path, MAX_ROOT_BYTES), read_bounded(table, MAX_BUNDLE_BYTES)


def open_table(table: str | Path, trust: Trust, now: float) -> RoutingTable:
    """Read and verify a signed table for production: a table that was made in memory is refused.

    Args:
        table: the path of `routes.json`.
        trust: whom to believe.
        now: the wall clock, in seconds since the epoch.

    Raises:
        ConfigurationError: if a file cannot be read.
        RoutingError: if the table does not verify.
    """
    root, bundle = load_bundle(table, trust)
    return verify_bundle(root, trust.sha256, bundle, now, allow_local=False, min_table_version=trust.min_table_version)
