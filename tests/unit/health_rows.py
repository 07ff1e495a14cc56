"""Rows that the tests of health share."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from saferoute.values.http import NetClass
from saferoute.values.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

ROW = Target("a", "openai", "openai_chat", "https://api.example.com", "/v1", NetClass(), "gpt-5-mini-2025-08-07", "main", "bearer")


def row(name: str = "a", **changes: Any) -> Target:
    """A row of that name, like `ROW` but for the changes."""
    return replace(ROW, id=name, **changes)


def middle() -> float:
    """Takes the place of randomness: no jitter."""
    return 0.5


def always(value: float) -> Callable[[], float]:
    """Takes the place of randomness."""
    return lambda: value
