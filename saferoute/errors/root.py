"""The root of the tree, and what every error can do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["KEY_PREFIX", "KEY_SHAPED", "AttemptRecord", "PartialReply", "ReceiptOf", "SaferouteError"]


class AttemptRecord(Protocol):
    """One try at one target, as `saferoute.values.Attempt` records it."""

    @property
    def target(self) -> str:
        """The row's id."""

    @property
    def model(self) -> str:
        """The model that was asked."""

    @property
    def outcome(self) -> str:
        """Say "ok", or the error's class name."""

    @property
    def credential(self) -> str | None:
        """The name of the key that was presented; None where there is none."""


class ReceiptOf(Protocol):
    """The ledger's record of a call's end, as `saferoute.values.Receipt` has it."""

    @property
    def id(self) -> str:
        """What `saferoute audit explain` takes."""

    @property
    def record(self) -> Mapping[str, Any]:
        """The record's fields."""

    def opening(self) -> dict[str, str]:
        """The salts of the record's commitments, by name."""

    def without_opening(self) -> ReceiptOf:
        """The same record, and no salts."""


class PartialReply(Protocol):
    """What had arrived of an answer that did not arrive whole."""

    @property
    def text(self) -> str:
        """The text until then."""

    @property
    def tool_calls(self) -> Sequence[Any]:
        """The tool calls that were whole."""


# Anything that could be a key: a known prefix, or a long unbroken run. Providers echo keys in their error texts.
KEY_PREFIX = re.compile(r"(?:sk|pk|rk|gsk|xai|ghp|hf)[-_]|AIza")
KEY_SHAPED = re.compile(r"\b(?:sk|pk|rk|gsk|xai|key|AIza|ghp|hf)[-_][^\s\"'<>]{4,}|[A-Za-z0-9_.\-+/=*]{24,}")


class SaferouteError(Exception):
    """The root of everything that saferoute raises on purpose.

    Attributes:
        attempts: what was tried before this error, in order; empty when nothing was sent.
        receipt: the ledger's record of it; None for a client without a ledger, and for what is no call's error.
    """

    attempts: tuple[AttemptRecord, ...] = ()
    receipt: ReceiptOf | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)

    @property
    def message(self) -> str:
        """The one-line message, the same as `str(error)`."""
        return str(self.args[0])

    def diagnostics(self) -> str:
        """Tell a person everything that is safe to tell, over several lines.

        Unlike `str(error)`, this may hold what the provider said in its own words, with anything shaped like a key taken out.
        Show it to the person who made the call; do not log it.
        """
        lines = [f"{type(self).__name__}: {self.message}"]
        for number, one in enumerate(self.attempts, 1):
            key = f", with the key {one.credential!r}" if one.credential else ""
            lines.append(f"  attempt {number}: {one.target} ({one.model}): {one.outcome}{key}")
        return "\n".join(lines)

    def _pickled(self) -> dict[str, Any]:
        """What of this error survives a pickle, besides its message; never content."""
        return {}

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        """What was tried and the receipt survive a pickle; the salts do not: with them, its reader could test guesses of the prompt."""
        kept = self._pickled()
        if self.attempts:
            kept["attempts"] = self.attempts
        if self.receipt is not None:
            kept["receipt"] = self.receipt.without_opening()
        return _rebuild, (type(self), self.message, kept)


def _rebuild(kind: type[SaferouteError], message: str, fields: dict[str, Any]) -> SaferouteError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    for name, value in fields.items():
        setattr(error, name, value)
    return error
