"""Races and what runs beside a call, for the blocking driver: in threads of the client's own.

The calling thread waits, and only it moves the flow that asked for the race. Each flow of the race is moved by one thread alone, its own,
until it has won; the loser's thread tidies up after it, and nobody waits for that but the client's `close`.
"""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from saferoute.call.effects import Abandoned, Raced
from saferoute.drivers.background import GRACE, Background, Job
from saferoute.drivers.stopping import Stop
from saferoute.errors import SaferouteError, StreamInterrupted

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.effects import Emit, Flow, Race
    from saferoute.drivers.exchange import Exchange

__all__ = ["Enter", "Entrant", "race", "spawn"]

_LOOK_UP: Final = 1.0  # seconds; there are systems where Ctrl-C is seen only between two waits


class Entrant(Protocol):
    """A flow on its way, as far as a race knows it; BlockingRun is one."""

    result: object | None

    def run_until_emit(self) -> Emit | None:
        """Run until the flow wants to emit; None when it has returned."""

    def abandon(self) -> object:
        """Tell the flow that nobody listens any more, and drive it to its end."""

    def hand_over(self) -> Exchange | None:
        """Give the open exchange away; the flow is no business of this run any more."""


Enter: TypeAlias = "Callable[[Flow[object], Stop], Entrant]"
"""Makes the run of a flow that can be stopped, with an exchange of its own."""


class _Side:
    """One flow of a race."""

    __slots__ = ("_race", "error", "job", "pending", "reported", "run")

    def __init__(self, race: _Race, run: Entrant, stop: Stop) -> None:
        self._race = race
        self.run = run
        self.job = Job(self._work, stop, awaited=True)
        self.pending: Emit | None = None
        self.error: BaseException | None = None
        self.reported = False

    @property
    def decides(self) -> bool:
        """Whether the race is over with this: it has won, or what it raised is no failure of a call."""
        return not isinstance(self.error, SaferouteError)

    def _work(self) -> None:
        try:
            try:
                self.pending = self.run.run_until_emit()
            finally:
                if self.pending is None:
                    _close(self.run)
        except BaseException as error:  # noqa: BLE001  the calling thread decides about it
            self.error = error
        if not self._race.report(self):
            self.drop()

    def drop(self) -> None:
        """Tidy up after a flow that nobody wants."""
        self.run.abandon()
        _close(self.run)

    def lose(self) -> None:
        """Stop the flow; from now on nobody waits for it but the client's `close`."""
        self.job.awaited = False
        self.job.stop.fire()


class _Race:
    """Two flows, and which of them is first."""

    __slots__ = ("_lock", "_news", "decided", "over", "sides")

    def __init__(self) -> None:
        self._lock = threading.RLock()  # as in Background
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()
        self.sides: list[_Side] = []
        self.decided: _Side | None = None
        self.over = False

    def report(self, side: _Side) -> bool:
        """A flow has come as far as it may alone. False if that is too late, and it has to tidy up."""
        with self._lock:
            if self.over:
                return False
            side.reported = True
            if side.decides:
                self.over, self.decided = True, side
        self._news.put(None)
        return True

    def begin(self, enter: Enter, flow: Flow[object], background: Background) -> bool:
        """Let a flow begin, if there is a thread for it."""
        stop = Stop()
        side = _Side(self, enter(flow, stop), stop)
        self.sides.append(side)
        if background.start(side.job):
            return True
        self.sides.remove(side)
        return False

    def wake(self) -> None:
        """Have the calling thread look up."""
        self._news.put(None)

    def wait(self, seconds: float, outer: Stop | None) -> None:
        """Wait for news.

        Raises:
            StreamInterrupted: the flow that asked for the race is itself to stop.
        """
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            try:
                self._news.get(timeout=min(left, _LOOK_UP))
            except queue.Empty:
                continue
            break
        if outer is not None and outer.fired:
            raise StreamInterrupted("this race was given up: nobody waits for its end any more")

    def ended(self) -> bool:
        """Whether it is over, or every flow that has begun has failed."""
        with self._lock:
            return self.over or all(side.reported for side in self.sides)

    def leave(self) -> None:
        """Give both up, and wait a moment for them to tidy up."""
        with self._lock:
            self.over = True
        for side in self.sides:
            side.lose()
        ends = time.monotonic() + GRACE
        for side in self.sides:
            if side.reported:  # it stands still since then
                side.drop()
            else:
                side.job.done.wait(max(0.0, ends - time.monotonic()))


def race(
    effect: Race, enter: Enter, background: Callable[[], Background] | None, clock: Callable[[], float], outer: Stop | None
) -> tuple[Raced, Exchange | None]:
    """Run a race to its end.

    Where the client has no thread left for it, the first flow runs in the calling thread, and the second does not begin.

    Args:
        effect: what to run. `after` is real time, whatever the clock is.
        enter: makes the run of a flow.
        background: the client's threads; None for some that end with the race.
        clock: the driver's.
        outer: stops the flow that asked for the race, where it is itself in one.

    Returns:
        How it ended, and the winner's exchange, if it wants to emit and has one open.

    Raises:
        BaseException: what a flow raised that is no SaferouteError, or what came to the calling thread; both flows are given up.
    """
    contest, threads = _Race(), Background() if background is None else background()
    if outer is not None:
        outer.attach(contest.wake)
    try:
        if not contest.begin(enter, effect.first, threads):
            return _alone(effect, enter, clock, outer)
        contest.wait(effect.after, outer)
        if contest.ended() or not contest.begin(enter, effect.second, threads):
            effect.second.close()
        while not contest.ended():
            contest.wait(threading.TIMEOUT_MAX, outer)
        return _outcome(contest, clock)
    except BaseException:
        contest.leave()
        raise
    finally:
        if outer is not None:
            outer.detach()
        if background is None:
            threads.retire()


def _outcome(contest: _Race, clock: Callable[[], float]) -> tuple[Raced, Exchange | None]:
    decided, sides = contest.decided, contest.sides
    for side in sides:
        if side is not decided:
            side.lose()
    began = len(sides) > 1
    errors = (_failure(sides[0]), _failure(sides[1]) if began else None)
    if decided is None:
        return Raced(clock(), None, None, None, errors, began), None
    if decided.error is not None:
        raise decided.error
    exchange = decided.run.hand_over()
    return Raced(clock(), sides.index(decided), decided.pending, decided.run.result, errors, began), exchange


def _failure(side: _Side) -> SaferouteError | None:
    """What a flow failed with, on its own: a loser that was stopped has not failed."""
    return side.error if side.reported and isinstance(side.error, SaferouteError) else None


def _alone(effect: Race, enter: Enter, clock: Callable[[], float], outer: Stop | None) -> tuple[Raced, Exchange | None]:
    effect.second.close()
    run = enter(effect.first, outer or Stop())
    try:
        pending = run.run_until_emit()
    except SaferouteError as error:
        _close(run)
        return Raced(clock(), None, None, None, (error, None), began=False), None
    if pending is None:
        _close(run)
    return Raced(clock(), 0, pending, run.result, (None, None), began=False), run.hand_over()


def spawn(flow: Flow[object], enter: Enter, background: Callable[[], Background] | None) -> None:
    """Run a flow beside the call, if there is room for it."""
    threads, stop = Background() if background is None else background(), Stop()
    run = enter(flow, stop)
    if not threads.spawn(Job(partial(_run_out, run), stop, awaited=False)):
        flow.close()
    if background is None:
        threads.retire()


def _run_out(run: Entrant) -> None:
    try:
        while run.run_until_emit() is not None:
            pass
    except Abandoned:  # it was stopped, and has tidied up
        pass
    finally:
        _close(run)


def _close(run: Entrant) -> None:
    """Close what a flow has left open."""
    exchange = run.hand_over()
    if exchange is not None:
        exchange.close()
