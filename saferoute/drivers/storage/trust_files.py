"""Opening a signed table from its files: the pinned root and those that follow it, the bundle, status and revocations."""

from __future__ import annotations

import os
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.drivers.storage.table_state import TableState, default_state_folder
from saferoute.errors import ConfigurationError
from saferoute.routing.chain import MAX_UPDATES, update_name
from saferoute.routing.root import read_root
from saferoute.routing.shapes import MAX_BUNDLE_BYTES, MAX_ROOT_BYTES, MAX_STATUS_BYTES
from saferoute.routing.trust import TrustFiles, verify_trust
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from saferoute.routing.opened import Opened
    from saferoute.routing.rollback import State
    from saferoute.routing.root import Root
    from saferoute.routing.trust import Trust

__all__ = ["load_bundle", "load_files", "open_table", "read_bounded", "reset_state"]


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


def load_files(table: str | Path, trust: Trust) -> TrustFiles:
    """Read everything that `verify_trust` takes.

    Raises:
        ConfigurationError: if a file cannot be read; those that `trust` names must be there.
    """
    root, bundle = load_bundle(table, trust)
    return TrustFiles(
        root,
        bundle,
        _updates(trust, _pinned(root, trust)),
        None if trust.status is None else read_bounded(trust.status, MAX_STATUS_BYTES),
        None if trust.revocations is None else read_bounded(trust.revocations, MAX_STATUS_BYTES),
    )


def open_table(table: str | Path, trust: Trust, now: float, *, state: str | Path | None = None) -> Opened:
    """Read and verify a signed table for production: a table that was made in memory is refused. Call it again to reload.

    Args:
        table: the path of `routes.json`.
        trust: whom to believe.
        now: the wall clock, in seconds since the epoch.
        state: the folder in which to remember what was accepted; it must be writable then. None for `~/.local/state/saferoute`; where
            that cannot be written, nothing is remembered, and `Opened.rollback` and `Opened.notes` say so.

    Raises:
        ConfigurationError: if a file cannot be read, or the state cannot be written where it was asked for.
        TableStateInvalid: the state is corrupt, a link, or could have been written by somebody else.
        RoutingError: if the table does not verify, or is older than what was accepted before.
    """
    pinned = _pinned(read_bounded(trust.path, MAX_ROOT_BYTES), trust)
    verify = partial(_verify, table, trust, now)
    folder = default_state_folder() if state is None else Path(state)

    if pinned is None or folder is None:  # without a root that can be read, verifying says why
        return verify(None, False)  # noqa: FBT003
    return TableState(folder, trust.sha256, pinned.name, required=state is not None).exchange(verify)


def reset_state(table: str | Path, trust: Trust, now: float, *, state: str | Path | None = None) -> Opened:
    """Verify a signed table, and remember it as what was accepted, whatever the state said before.

    This is what to do about a corrupt state, or one that a wrong clock or a lost signing key has left too far ahead: after looking at
    which table is deployed, because an old one will be accepted too, until it expires.

    Args:
        table: the path of `routes.json`.
        trust: whom to believe.
        now: the wall clock, in seconds since the epoch.
        state: the folder of the state; None for `~/.local/state/saferoute`.

    Raises:
        ConfigurationError: if a file cannot be read, or the state cannot be written.
        TableStateInvalid: the folder is a link, or others can write in it.
        RoutingError: if the table does not verify.
    """
    pinned = _pinned(read_bounded(trust.path, MAX_ROOT_BYTES), trust)
    verify = partial(_verify, table, trust, now)
    folder = default_state_folder() if state is None else Path(state)

    if pinned is None:
        return verify(None, False)  # noqa: FBT003  raises: the root cannot be read
    if folder is None:
        raise ConfigurationError("this user has no home directory: give the folder of the rollback state (state=...)")
    return TableState(folder, trust.sha256, pinned.name, required=True).reset(verify)


def _verify(table: str | Path, trust: Trust, now: float, earlier: State | None, remembered: bool) -> Opened:  # noqa: FBT001  one question
    # The files are read here, under the lock of the state: read before it, they could be older than what another process has recorded.
    files = load_files(table, trust)
    return verify_trust(files, trust.sha256, now, min_table_version=trust.min_table_version, earlier=earlier, remembered=remembered)


def _pinned(root: bytes, trust: Trust) -> Root | None:
    """The pinned root, for its name and version; None for one that `verify_trust` is going to refuse."""
    try:
        return read_root(root, trust.sha256)
    except Refused:
        return None


def _updates(trust: Trust, pinned: Root | None) -> tuple[bytes, ...]:
    """The roots that follow the pinned one, up to the first that is not there. No name out of the folder is used: they are counted."""
    if trust.updates is None or pinned is None:
        return ()
    found: list[bytes] = []
    for version in range(pinned.version + 1, pinned.version + MAX_UPDATES + 2):  # one more than may be, so that it is noticed
        path = Path(trust.updates) / update_name(version)
        try:
            path.stat()
        except FileNotFoundError:
            break
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error.strerror or type(error).__name__}") from None
        found.append(read_bounded(path, MAX_ROOT_BYTES))
    return tuple(found)
