"""One thing that a look over a table finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "Severity"]

Severity: TypeAlias = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes:
        severity: how bad.
        rule: the rule's name, a stable word.
        place: where, such as "routes.eu".
        text: what is found, and what to do.
    """

    severity: Severity
    rule: str
    place: str
    text: str
