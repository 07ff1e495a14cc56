"""What a notebook shows of a ledger."""

from __future__ import annotations

from abc import ABC, abstractmethod
from html import escape

__all__ = ["Shown"]


class Shown(ABC):
    """What can say where records go."""

    __slots__ = ()

    @abstractmethod
    def standing(self) -> tuple[str, bool, bool, bool]:
        """Where records go, in words; whether they outlive the process; whether a log role certifies them; whether checkpoints are told."""

    def _repr_html_(self) -> str:
        label, is_kept, is_certified, is_told = self.standing()
        said = (
            "records outlive the process" if is_kept else "records end with the process",
            "a log role certifies its keys" if is_certified else "no log role certifies its keys",
            "checkpoints are told to somebody" if is_told else "checkpoints are told to nobody",
        )
        return f"<b>{escape(label)}</b><br><small>{'; '.join(said)}</small>"
