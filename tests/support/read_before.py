"""A memory of what was read that counts, and the mark that stands for what it holds."""

from __future__ import annotations

from typing import Any

from saferoute.providers.text_memory import TextMemory

__all__ = ["ESCAPED", "MARKED", "Witness"]

MARKED = b'"saferoute has read this before"'
ESCAPED = b'"saferoute has re\\u0061d this before"'


class Witness(TextMemory):
    """Counts bodies in which something was read before."""

    __slots__ = ("recalled",)

    def __init__(self) -> None:
        super().__init__()
        self.recalled = 0

    def recall(self, rule: Any, key: str, body: bytes) -> dict[str, Any] | None:
        """As TextMemory.recall."""
        found = super().recall(rule, key, body)
        self.recalled += found is not None
        return found
