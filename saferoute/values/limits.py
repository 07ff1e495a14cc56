"""Limits per minute and limits on what is under way at once: what is counted, and the stores that count it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.values.permission import Scope

__all__ = ["Busy", "Draw", "Lease", "LimitKind", "LimitStore", "Quota"]

LimitKind: TypeAlias = Literal["requests", "tokens", "concurrent"]


@dataclass(frozen=True, slots=True)
class Quota:
    """One limit.

    Attributes:
        key: what is limited: at most 300 printable ASCII characters; two limits of one key and kind are one.
        kind: requests or tokens in any 60 seconds, or requests under way.
        limit: at least 1.
        owner: whose it is, for messages.
    """

    key: str
    kind: LimitKind
    limit: int
    owner: str


@dataclass(frozen=True, slots=True)
class Draw:
    """What one request takes of a limit: 1, or an estimate of its tokens."""

    quota: Quota
    amount: int = 1


@dataclass(frozen=True, slots=True)
class Lease:
    """What a request has taken.

    Attributes:
        id: the store's name for it.
    """

    id: str


@dataclass(frozen=True, slots=True)
class Busy:
    """A limit that has no room.

    Attributes:
        quota: which one.
        retry_after: seconds until there may be room; for what is under way that is a guess.
    """

    quota: Quota
    retry_after: float


class LimitStore(Protocol):
    """Counts limits. Every method is atomic over all processes of its scope, and safe to call from any thread."""

    @property
    def scope(self) -> Scope:
        """How widely it counts."""

    @property
    def waits(self) -> bool:
        """Whether its methods may wait for a disk or a network: an event loop then calls them in a thread."""

    def acquire(self, draws: Sequence[Draw], hold: float) -> Lease | Busy:
        """Take from all of the limits, or from none.

        In any 60 seconds no more than the limit is ever given out. An amount over the whole limit waits until nothing else is taken, and
        is then given: it could never fit otherwise.

        Args:
            draws: what is taken.
            hold: seconds after which what is under way is forgotten, should its process have died.

        Raises:
            ConfigurationError: the store cannot be reached or used.
        """

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        """A request has ended: nothing is under way any more, and its estimates are exchanged for what it used.

        Args:
            lease: as `acquire` gave it; an unknown one changes nothing.
            used: for each draw what it took in truth; None leaves the estimate. 0 gives back what was never sent.
        """

    def close(self) -> None:
        """Let go of what is open."""
