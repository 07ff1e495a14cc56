"""How a ledger is kept (`Settings`), and the arguments that say so."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypedDict

from saferoute.drivers.ledger_capture import Capture
from saferoute.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from saferoute.drivers.ledger_secrets import SecretPlace
    from saferoute.drivers.ledger_sinks import Place
    from saferoute.ledger.checkpoint import Checkpoint
    from saferoute.signing.keys import Signer

__all__ = ["Common", "Fsync", "OnCheckpoint", "Settings", "common", "now_us"]

Fsync: TypeAlias = Literal["checkpoint", "always", "never"]
OnCheckpoint: TypeAlias = "Callable[[Checkpoint, str], object]"
"""Takes a checkpoint that the disk has, and its signed note."""

_NAME: Final = re.compile(r"[a-z0-9]+(?:[._/-][a-z0-9]+)*")


def now_us() -> int:
    """The wall clock, in microseconds since 1970."""
    return time.time_ns() // 1000


@dataclass(frozen=True, slots=True)
class Settings:
    """How a ledger is kept.

    Attributes:
        place: where segments go.
        secret: where the log secret is.
        fsync: when to wait for the disk.
        signer: certifies the key of each segment; None for none.
        name: what certificates say they are for.
        records: how many records make a checkpoint due.
        microseconds: after how long records without a checkpoint make one due.
        most_bytes: of a segment; None for no bound.
        most_records: of a segment; None for no bound.
        most_microseconds: how old a segment becomes.
        hooks: are told each checkpoint.
        capture: what content is kept; None for none.
        lock: in whose name processes wait while they make the log secret; None for no other process.
        clock: the wall clock, in microseconds since 1970.
    """

    place: Place
    secret: SecretPlace
    fsync: Fsync = "checkpoint"
    signer: Signer | None = None
    name: str = "ledger"
    records: int = 64
    microseconds: int = 5_000_000
    most_bytes: int | None = None
    most_records: int | None = None
    most_microseconds: int | None = None
    hooks: tuple[OnCheckpoint, ...] = ()
    capture: Capture | None = None
    lock: Path | None = None
    clock: Callable[[], int] = now_us


class Common(TypedDict):
    """The settings that every kind of ledger has."""

    signer: Signer | None
    name: str
    records: int
    microseconds: int
    hooks: tuple[OnCheckpoint, ...]
    capture: Capture | None


def common(
    checkpoint_records: int,
    checkpoint_seconds: float,
    on_checkpoint: Iterable[OnCheckpoint],
    *,
    signer: Signer | None = None,
    name: str = "ledger",
    capture: Capture | None = None,
) -> Common:
    """Check the arguments that every kind of ledger takes; `Ledger.directory` says what they are.

    Raises:
        ConfigurationError: one is malformed.
    """
    hooks = () if isinstance(on_checkpoint, (str, bytes)) else tuple(on_checkpoint)
    problem = ""
    if checkpoint_records < 1 or checkpoint_seconds < 0:
        problem = "checkpoint_records= is at least 1, and checkpoint_seconds= not less than 0"
    elif not all(callable(hook) for hook in hooks):
        problem = "on_checkpoint= takes functions of a checkpoint and its note"
    elif signer is not None and not (hasattr(signer, "sign") and hasattr(signer, "public_key")):
        problem = "signer= takes what signs with the key of the log role, such as the one of `saferoute.signing`"
    elif not isinstance(name, str) or _NAME.fullmatch(name) is None:
        problem = "name= takes a trust root's name, such as acme/production"
    elif capture is not None and not isinstance(capture, Capture):
        problem = "capture= takes saferoute.Capture(routes, key)"
    if problem:
        raise ConfigurationError(problem)
    return {
        "signer": signer,
        "name": name,
        "records": checkpoint_records,
        "microseconds": round(checkpoint_seconds * 1e6),
        "hooks": hooks,
        "capture": capture,
    }
