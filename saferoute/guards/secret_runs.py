"""Runs of letters, digits, `_` and `-`: every published format has one, and most texts have none."""

from __future__ import annotations

from typing import Final

__all__ = ["LONG_ENOUGH", "SHORTEST", "has_runs", "runs_of"]

SHORTEST: Final = 16
"""Characters of the shortest run that a format has."""

_CLASSES: Final = bytes(97 if code < 128 and (chr(code).isalnum() or code in b"_-") else 32 for code in range(256))  # noqa: PLR2004

LONG_ENOUGH: Final = b"a" * SHORTEST
"""The shortest run, as `runs_of` shows it."""


def runs_of(plain: bytes) -> bytes:
    """A text with "a" for each character of a run, and a space for all others."""
    return plain.translate(_CLASSES)


def has_runs(plain: bytes) -> bool:
    """Whether a text has enough letters, digits, `_` and `-` in a row for a published prefix with its value."""
    return LONG_ENOUGH in plain.translate(_CLASSES)
