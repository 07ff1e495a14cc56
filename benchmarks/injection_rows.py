"""Rows of the labelled texts about prompt injection, and which of them may be looked at.

The texts are read from the folder that SAFEROUTE_SHARED names (default: `../shared` beside the repository); none is kept in the project.
A fifth of the rows, by the hash of the row's id, is held out: rules, features and thresholds are chosen on the others.
"""

from __future__ import annotations

import hashlib
import json
import lzma
import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Row", "held_out", "is_development", "read_rows", "shared_folder"]


@dataclass(frozen=True, slots=True)
class Row:
    id: str
    text: str
    label: int
    family: str
    lang: str
    source: str
    license: str

    @property
    def group(self) -> str:
        """Rows of one maker: what is left out together when generalisation is measured."""
        if self.family in {"inthewild", "garak-dan", "pyrit-jailbreak"}:
            return "jailbreaks"
        return {"ui": "ui", "benc": "encoded"}.get(self.family.partition("-")[0], self.family)


def shared_folder() -> Path:
    return Path(os.environ.get("SAFEROUTE_SHARED") or Path(__file__).resolve().parents[2] / "shared")


def _first_byte(text: str) -> int:
    return hashlib.sha256(text.encode()).digest()[0]


def held_out(row_id: str) -> bool:
    """Whether the row is of the fifth that nothing is chosen on."""
    return _first_byte(row_id) % 5 == 0


def is_development(row_id: str) -> bool:
    """Whether the row, not held out, is of the fifth on which thresholds are fixed; the rest is trained on."""
    return _first_byte("dev" + row_id) % 5 == 0


def read_rows(*names: str) -> list[Row]:
    """The rows of `pi_dev`, `pi_controls_dev`."""
    found = []
    for name in names:
        with lzma.open(shared_folder() / "guards" / f"{name}.jsonl.xz", "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found.append(
                    Row(row["id"], row["text"], row["label"], row["family"] or "", row.get("lang") or "", row["source"], row["license"])
                )
    return found
