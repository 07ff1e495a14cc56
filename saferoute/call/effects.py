"""What a flow asks of its driver, and what the driver answers.

A flow is a generator: it yields effects and is sent answers; every answer carries `now`, the driver's monotonic time. Errors of the
outside world are thrown into the flow at the yield. Only the small functions at the end yield; they narrow the answer's type, and
are used with `yield from`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from math import inf
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar, cast

from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from saferoute.errors import SaferouteError
    from saferoute.values.account import AccountStore, Debit
    from saferoute.values.events import StreamEvent
    from saferoute.values.guarding import Context, Guard, Segment
    from saferoute.values.http import Clocks, Head, HttpRequest
    from saferoute.values.limits import Busy, Draw, Lease, LimitStore
    from saferoute.values.receipt import Entry, LedgerWriter, Receipt
    from saferoute.values.reply import Attempt

__all__ = [
    "UNBOUNDED",
    "Abandoned",
    "Acquire",
    "Acquired",
    "Allowance",
    "Answer",
    "Cancel",
    "Chunk",
    "Effect",
    "Emit",
    "Finish",
    "Flow",
    "Judge",
    "Opened",
    "Race",
    "Raced",
    "Read",
    "Record",
    "Recorded",
    "Release",
    "Reserve",
    "Reserved",
    "Send",
    "Settle",
    "Sleep",
    "Spawn",
    "Tick",
    "Told",
    "acquire",
    "cancel",
    "emit",
    "finish",
    "judge",
    "race",
    "read",
    "release",
    "reserve",
    "send",
    "settle",
    "sleep",
    "spawn",
]


@sealed
class Send:
    """Open an exchange: connect, add the key, write the request, read the head of the answer."""

    request: HttpRequest
    clocks: Clocks


@sealed
class Read:
    """Read the next piece of the answer's body; b"" is its end."""


@sealed
class Sleep:
    """Wait."""

    seconds: float


@sealed
class Emit:
    """Hand events to the consumer. A consumer that left is thrown in as Abandoned."""

    events: Sequence[StreamEvent[object]]


@sealed
class Cancel:
    """Give up the open exchange, if there is one; its connection is not used again unless the answer was whole."""


@sealed
class Finish:
    """The answer is whole: keep the connection if the end of its framing comes within a moment, else give it up."""


@sealed
class Allowance:
    """What a call has in time; a wait for a store ends with it.

    Attributes:
        total: seconds, for the error's words.
        deadline: its end, on the driver's monotonic clock.
    """

    total: float
    deadline: float


UNBOUNDED: Final = Allowance(inf, inf)


@sealed
class Reserve:
    """Hold an attempt's worst case back, before anything of it leaves.

    Attributes:
        store: where it is counted.
        debits: what to hold back, in all of the accounts or in none.
        once: a nonce that must not have been seen, and when it may be forgotten; None for none.
        allowance: the call's.
    """

    store: AccountStore
    debits: Sequence[Debit]
    once: tuple[str, float] | None
    allowance: Allowance = UNBOUNDED


@sealed
class Settle:
    """Turn what was held back into what was spent. Once the call's allowance has ended, nobody waits for that to be written down."""

    store: AccountStore
    reservation: str
    amounts: Sequence[int]
    allowance: Allowance = UNBOUNDED


@sealed
class Acquire:
    """Take from limits before a request leaves: from all of them, or from none.

    Attributes:
        store: where they are counted.
        draws: what to take.
        hold: seconds after which what is under way is forgotten, should this process die.
        allowance: the call's.
    """

    store: LimitStore
    draws: Sequence[Draw]
    hold: float
    allowance: Allowance = UNBOUNDED


@sealed
class Release:
    """Give back what is under way, and exchange estimates for what was used; see `LimitStore.release`. Waits as Settle."""

    store: LimitStore
    lease: Lease
    used: Sequence[int | None]
    allowance: Allowance = UNBOUNDED


@sealed
class Race:
    """Run one flow, and a second one beside it if the first has not ended or shown anything after a while.

    Each runs with an exchange of its own until it returns, fails, or has something to emit. The first that returns or wants to emit wins;
    Abandoned is thrown into the other, which tidies up by effects. One that fails leaves the race to the other.

    Attributes:
        first: begins at once.
        second: begins after `after` seconds, unless the first has ended or emitted by then.
        after: seconds.
    """

    first: Flow[object]
    second: Flow[object]
    after: float


@sealed
class Spawn:
    """Run a flow beside the call, and forget it: what it returns, emits and raises is discarded. It may be left out if too many run."""

    flow: Flow[object]


@sealed
class Judge:
    """Ask guards that may take their time, all at once and beside the call's own thread or loop.

    Attributes:
        questions: each a guard, with what it is asked about.
        seconds: how long they may take together; a question that is not answered by then counts as failed.
    """

    questions: Sequence[tuple[Guard, Segment, Context]]
    seconds: float


@sealed
class Record:
    """Write a record into the ledger: before a request leaves, and after it has ended."""

    writer: LedgerWriter
    entry: Entry


Effect: TypeAlias = Send | Read | Sleep | Emit | Cancel | Finish | Reserve | Settle | Acquire | Release | Race | Spawn | Judge | Record


@sealed
class Tick:
    """Done, at this time."""

    now: float


@sealed
class Opened:
    """The head of the answer."""

    now: float
    head: Head


@sealed
class Chunk:
    """A piece of the body."""

    now: float
    data: bytes


@sealed
class Reserved:
    """The id of what is held back."""

    now: float
    reservation: str


@sealed
class Acquired:
    """The lease, or the limit that has no room."""

    now: float
    outcome: Lease | Busy


@sealed
class Raced:
    """How a race ended.

    Attributes:
        now: the time.
        winner: 0 or 1; None if every flow that began has failed.
        pending: what the winner wants to emit; its exchange is now the open one, and the rest of it is the caller's to run (`adopted`).
            None if it has returned.
        result: what the winner returned, if it has.
        errors: what each flow failed with; None for one that did not fail, or never began.
        began: whether the second flow began.
    """

    now: float
    winner: int | None
    pending: Emit | None
    result: object
    errors: tuple[SaferouteError | None, SaferouteError | None]
    began: bool


@sealed
class Told:
    """What became of the questions, in their order: what a guard returned, the exception that it raised, or None for no answer in time."""

    now: float
    outcomes: Sequence[object]


@sealed
class Recorded:
    """The receipt; None where calls go on without a ledger that failed."""

    now: float
    receipt: Receipt | None


Answer: TypeAlias = Tick | Opened | Chunk | Reserved | Acquired | Raced | Told | Recorded
R = TypeVar("R")
Flow: TypeAlias = Generator[Effect, Answer, R]


class Abandoned(BaseException):
    """Thrown into a flow whose consumer left. The flow cleans up by effects and returns.

    Attributes:
        attempts: what was tried until then.
        receipt: the ledger's record of it; None for none.
    """

    attempts: tuple[Attempt, ...] = ()
    receipt: Receipt | None = None


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


def reserve(
    store: AccountStore, debits: Sequence[Debit], once: tuple[str, float] | None, allowance: Allowance = UNBOUNDED
) -> Flow[Reserved]:
    """Hold an attempt's worst case back."""
    return cast("Reserved", (yield Reserve(store, debits, once, allowance)))


def settle(store: AccountStore, reservation: str, amounts: Sequence[int], allowance: Allowance = UNBOUNDED) -> Flow[float]:
    """Settle what was held back, and return the time."""
    return (yield Settle(store, reservation, amounts, allowance)).now


def acquire(store: LimitStore, draws: Sequence[Draw], hold: float, allowance: Allowance = UNBOUNDED) -> Flow[Acquired]:
    """Take from limits."""
    return cast("Acquired", (yield Acquire(store, draws, hold, allowance)))


def release(store: LimitStore, lease: Lease, used: Sequence[int | None], allowance: Allowance = UNBOUNDED) -> Flow[float]:
    """Give back what is under way, and return the time."""
    return (yield Release(store, lease, used, allowance)).now


def race(first: Flow[R], second: Flow[R], after: float) -> Flow[Raced]:
    """Run a flow, and another one beside it if it takes long."""
    return cast("Raced", (yield Race(first, second, after)))


def judge(questions: Sequence[tuple[Guard, Segment, Context]], seconds: float) -> Flow[Told]:
    """Ask guards that may take their time."""
    return cast("Told", (yield Judge(questions, seconds)))


def spawn(flow: Flow[object]) -> Flow[float]:
    """Run a flow beside this one, and return the time."""
    return (yield Spawn(flow)).now
