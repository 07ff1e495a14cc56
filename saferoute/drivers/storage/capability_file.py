"""A capability's file: its private form, which only its owner can read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from saferoute.capabilities.token import MAX_TOKEN_BYTES
from saferoute.drivers.storage.private_file import read_private
from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["MAX_FILE_BYTES", "as_text", "holder_text", "key_bytes"]

_MAX_KEY_BYTES: Final = 65_536
MAX_FILE_BYTES: Final = MAX_TOKEN_BYTES + 2  # somebody may have added a line end


def holder_text(path: Path) -> str:
    """Read a capability's private form out of a file that nobody else can read.

    Raises:
        ConfigurationError: there is none, or others can read it.
    """
    return as_text(_private(path, MAX_FILE_BYTES))


def key_bytes(path: Path) -> bytes:
    """Read a private key's file that nobody else can read.

    Raises:
        ConfigurationError: there is none, or others can read it.
    """
    return _private(path, _MAX_KEY_BYTES)


def _private(path: Path, most: int) -> bytes:
    try:
        data = read_private(path, max_bytes=most)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used: {error.strerror or error}") from None
    if data is None:
        raise ConfigurationError(f"there is no file {path}")
    return data


def as_text(data: bytes) -> str:
    """A token's text, without what surrounds it."""
    return data.decode("ascii", "replace").strip()
