"""Randomness, from the operating system."""

from __future__ import annotations

import os

__all__ = ["fraction", "unique_id"]


def fraction() -> float:
    """A number in [0, 1), for jitter."""
    return int.from_bytes(os.urandom(6)) / 2.0**48


def unique_id() -> str:
    """An id that no other call has, for answers that carry none."""
    return f"saferoute-{os.urandom(16).hex()}"
