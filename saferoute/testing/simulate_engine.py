"""The virtual clock of a simulation: many flows at once, each of whose effects is played here instead of by a driver."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, TypeAlias

from saferoute.call.effects import Abandoned, Acquire, Acquired, Emit, Race, Raced, Release, Sleep, Spawn, Tick
from saferoute.drivers.limiting import give_back, take
from saferoute.errors import SaferouteError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from saferoute.call.effects import Answer, Effect, Flow

__all__ = ["Ended", "Engine"]

Ended: TypeAlias = "Callable[[SaferouteError | None], None]"
"""Is told when a flow has ended: None for well."""


class Engine:
    """Runs flows on a clock that jumps from one event to the next. One thread; nothing waits.

    Attributes:
        now: seconds since the simulation's beginning.
    """

    __slots__ = ("_events", "_number", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, _Run | _Contest]] = []
        self._number = 0

    def clock(self) -> float:
        """The time, for what takes a clock."""
        return self.now

    def begin(self, flow: Flow[Any], ended: Ended) -> None:
        """Run a flow from now on."""
        self._advance(_Run(flow, ended), None)

    def run(self, calls: Iterator[tuple[float, Callable[[], None]]]) -> None:
        """Let calls come, and run until every flow has ended.

        Args:
            calls: when each comes, in order, and what begins it.
        """
        events = self._events
        for at, begin in calls:
            while events and events[0][0] <= at:
                self._play()
            self.now = at
            begin()
        while events:
            self._play()

    def _play(self) -> None:
        at, _, waiting = heappop(self._events)
        if isinstance(waiting, _Contest):
            if not waiting.over:  # else its time is nobody's business any more, and the clock does not move for it
                self.now = at
                self._second(waiting)
        elif not waiting.over:
            self.now = at
            self._advance(waiting, Tick(at))

    def _wait(self, seconds: float, waiting: _Run | _Contest) -> None:
        self._number += 1
        heappush(self._events, (self.now + max(seconds, 0.0), self._number, waiting))

    def _advance(self, run: _Run, answer: Answer | None) -> None:
        """Run a flow until it waits, or ends."""
        flow, result, failure = run.flow, None, None
        try:
            effect: Effect = next(flow) if answer is None else flow.send(answer)
            while True:
                if type(effect) is Sleep:
                    self._wait(effect.seconds, run)
                    return
                if type(effect) is Race:
                    self._race(run, effect)
                    return
                if type(effect) is Emit and run.contest is not None:
                    self._decided(run.contest, run, effect, None)
                    return
                effect = flow.send(self._answer(effect))
        except StopIteration as stop:
            result = stop.value
        except SaferouteError as error:
            failure = error
        self._ended(run, result, failure)  # not above: what follows is no part of handling that error

    def _answer(self, effect: Effect) -> Answer:
        """Play an effect that takes no time."""
        if isinstance(effect, Acquire):
            return Acquired(self.now, take(effect))
        if isinstance(effect, Release):
            give_back(effect)
        elif isinstance(effect, Spawn):
            self.begin(effect.flow, _nobody)
        return Tick(self.now)

    def _ended(self, run: _Run, result: object, error: SaferouteError | None) -> None:
        run.over = True
        contest = run.contest
        if contest is None:
            run.ended(error)
        elif error is None:
            self._decided(contest, run, None, result)
        else:
            contest.errors[run.place] = error
            if all(one.over for one in contest.runs):
                self._over(contest, None, None, None)

    def _race(self, parent: _Run, effect: Race) -> None:
        contest = _Contest(parent, effect)
        self._enter(contest, effect.first)
        if not contest.over:
            self._wait(effect.after, contest)

    def _second(self, contest: _Contest) -> None:
        self._enter(contest, contest.effect.second)

    def _enter(self, contest: _Contest, flow: Flow[object]) -> None:
        run = _Run(flow, _nobody, contest, len(contest.runs))
        contest.runs.append(run)
        self._advance(run, None)

    def _decided(self, contest: _Contest, winner: _Run, pending: Emit | None, result: object) -> None:
        winner.over = True
        for run in contest.runs:
            if not run.over:
                self._abandon(run)
        self._over(contest, winner.place, pending, result)

    def _over(self, contest: _Contest, winner: int | None, pending: Emit | None, result: object) -> None:
        contest.over = True
        began = len(contest.runs) > 1
        if not began:
            contest.effect.second.close()
        errors = contest.errors[0], contest.errors[1]
        self._advance(contest.parent, Raced(self.now, winner, pending, result, errors, began))

    def _abandon(self, run: _Run) -> None:
        """Tell a flow that nobody listens any more, and let it tidy up at once."""
        run.over = True
        try:
            effect = run.flow.throw(Abandoned())
            while True:
                effect = run.flow.send(self._answer(effect))
        except (StopIteration, Abandoned, SaferouteError):
            return


class _Run:
    """One flow on its way."""

    __slots__ = ("contest", "ended", "flow", "over", "place")

    def __init__(self, flow: Flow[Any], ended: Ended, contest: _Contest | None = None, place: int = 0) -> None:
        self.flow = flow
        self.ended = ended
        self.contest = contest
        self.place = place
        self.over = False


class _Contest:
    """A race: two flows at most, and the one that waits for its end."""

    __slots__ = ("effect", "errors", "over", "parent", "runs")

    def __init__(self, parent: _Run, effect: Race) -> None:
        self.parent = parent
        self.effect = effect
        self.runs: list[_Run] = []
        self.errors: list[SaferouteError | None] = [None, None]
        self.over = False


def _nobody(_: SaferouteError | None) -> None:
    """Nobody wants to know how it ended."""
