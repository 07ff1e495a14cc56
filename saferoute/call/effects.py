"""What a flow asks of its driver, and what the driver answers.

A flow is a generator: it yields effects and is sent answers; every answer carries `now`, the driver's monotonic time. Errors of the
outside world are thrown into the flow at the yield. Only the small functions at the end yield; they narrow the answer's type, and
are used with `yield from`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from saferoute.values.account import AccountStore, Debit
    from saferoute.values.events import StreamEvent
    from saferoute.values.http import Clocks, Head, HttpRequest

__all__ = [
    "Abandoned",
    "Answer",
    "Cancel",
    "Chunk",
    "Effect",
    "Emit",
    "Finish",
    "Flow",
    "Opened",
    "Read",
    "Reserve",
    "Reserved",
    "Send",
    "Settle",
    "Sleep",
    "Tick",
    "cancel",
    "emit",
    "finish",
    "read",
    "reserve",
    "send",
    "settle",
    "sleep",
]


@dataclass(frozen=True, slots=True)
class Send:
    """Open an exchange: connect, add the key, write the request, read the head of the answer."""

    request: HttpRequest
    clocks: Clocks


@dataclass(frozen=True, slots=True)
class Read:
    """Read the next piece of the answer's body; b"" is its end."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Hand events to the consumer. A consumer that left is thrown in as Abandoned."""

    events: Sequence[StreamEvent[object]]


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up the open exchange, if there is one; its connection is not used again unless the answer was whole."""


@dataclass(frozen=True, slots=True)
class Finish:
    """The answer is whole: keep the connection if the end of its framing comes within a moment, else give it up."""


@dataclass(frozen=True, slots=True)
class Reserve:
    """Hold an attempt's worst case back, before anything of it leaves.

    Attributes:
        store: where it is counted.
        debits: what to hold back, in all of the accounts or in none.
        once: a nonce that must not have been seen, and when it may be forgotten; None for none.
    """

    store: AccountStore
    debits: Sequence[Debit]
    once: tuple[str, float] | None


@dataclass(frozen=True, slots=True)
class Settle:
    """Turn what was held back into what was spent."""

    store: AccountStore
    reservation: str
    amounts: Sequence[int]


Effect: TypeAlias = Send | Read | Sleep | Emit | Cancel | Finish | Reserve | Settle


@dataclass(frozen=True, slots=True)
class Tick:
    """Done, at this time."""

    now: float


@dataclass(frozen=True, slots=True)
class Opened:
    """The head of the answer."""

    now: float
    head: Head


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of the body."""

    now: float
    data: bytes


@dataclass(frozen=True, slots=True)
class Reserved:
    """The id of what is held back."""

    now: float
    reservation: str


Answer: TypeAlias = Tick | Opened | Chunk | Reserved
R = TypeVar("R")
Flow: TypeAlias = Generator[Effect, Answer, R]


class Abandoned(BaseException):
    """Thrown into a flow whose consumer left. The flow cleans up by effects and returns."""


_READ = Read()
_CANCEL = Cancel()
_FINISH = Finish()


def send(request: HttpRequest, clocks: Clocks) -> Flow[Opened]:
    """Open an exchange."""
    return cast("Opened", (yield Send(request, clocks)))


def read() -> Flow[Chunk]:
    """Read the next piece."""
    chunk: Chunk = yield _READ  # type: ignore[assignment]  # the driver's answer to it; a cast would cost a call for every piece
    return chunk


def sleep(seconds: float) -> Flow[float]:
    """Wait, and return the time afterwards."""
    return (yield Sleep(seconds)).now


def emit(events: Sequence[StreamEvent[object]]) -> Flow[float]:
    """Hand events to the consumer, and return the time when it wants more."""
    return (yield Emit(events)).now


def cancel() -> Flow[float]:
    """Give up the open exchange."""
    return (yield _CANCEL).now


def finish() -> Flow[float]:
    """Let go of the open exchange, whose answer is whole."""
    return (yield _FINISH).now


def reserve(store: AccountStore, debits: Sequence[Debit], once: tuple[str, float] | None) -> Flow[Reserved]:
    """Hold an attempt's worst case back."""
    return cast("Reserved", (yield Reserve(store, debits, once)))


def settle(store: AccountStore, reservation: str, amounts: Sequence[int]) -> Flow[float]:
    """Settle what was held back, and return the time."""
    return (yield Settle(store, reservation, amounts)).now
