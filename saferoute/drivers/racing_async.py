"""Races for the asyncio driver: a task for each flow. As `saferoute.drivers.racing`, where cancelling a task is enough to stop it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, TypeAlias

from saferoute.call.effects import Raced
from saferoute.drivers.background import GRACE
from saferoute.drivers.background_async import AsyncBackground
from saferoute.errors import SaferouteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.effects import Emit, Flow, Race
    from saferoute.drivers.exchange import AsyncExchange

__all__ = ["AsyncEnter", "AsyncEntrant", "race_async", "spawn_async"]


class AsyncEntrant(Protocol):
    """A flow on its way, as far as a race knows it; ConcurrentRun is one."""

    result: object | None

    async def run_until_emit(self) -> Emit | None:
        """Run until the flow wants to emit; None when it has returned."""

    async def abandon(self) -> object:
        """Tell the flow that nobody listens any more, and drive it to its end."""

    def hand_over(self) -> AsyncExchange | None:
        """Give the open exchange away; the flow is no business of this run any more."""


AsyncEnter: TypeAlias = "Callable[[Flow[object]], AsyncEntrant]"
"""Makes the run of a flow, with an exchange of its own."""


class _Side:
    """One flow of a race."""

    __slots__ = ("_race", "error", "pending", "reported", "run", "task")

    def __init__(self, race: _Race, run: AsyncEntrant) -> None:
        self._race = race
        self.run = run
        self.pending: Emit | None = None
        self.error: BaseException | None = None
        self.reported = False
        self.task = asyncio.ensure_future(self._work())

    @property
    def decides(self) -> bool:
        """Whether the race is over with this: it has won, or what it raised is no failure of a call."""
        return not isinstance(self.error, SaferouteError)

    async def _work(self) -> None:
        try:
            try:
                self.pending = await self.run.run_until_emit()
            finally:
                if self.pending is None:
                    await _close(self.run)
        except (asyncio.CancelledError, KeyboardInterrupt, SystemExit):  # the loop's own business
            raise
        except BaseException as error:  # noqa: BLE001  the task that asked for the race decides about it
            self.error = error
        if not self._race.report(self):
            await self.drop()

    async def drop(self) -> None:
        """Tidy up after a flow that nobody wants."""
        await self.run.abandon()
        await _close(self.run)

    def lose(self, background: AsyncBackground) -> asyncio.Task[None]:
        """Stop the flow, wherever it is; the task ends when it has tidied up."""
        if not self.reported:
            self.task.cancel()
        return background.keep(self._tidied)

    async def _tidied(self) -> None:
        if self.reported:  # it stands still since then
            await self.drop()
            return
        await asyncio.wait({self.task})
        if not self.task.cancelled():
            self.task.exception()  # looked at, so that nobody complains; the race is over


class _Race:
    """Two flows, and which of them is first."""

    __slots__ = ("decided", "over", "sides")

    def __init__(self) -> None:
        self.sides: list[_Side] = []
        self.decided: _Side | None = None
        self.over = False

    def report(self, side: _Side) -> bool:
        """A flow has come as far as it may alone. False if that is too late, and it has to tidy up."""
        if self.over:
            return False
        side.reported = True
        if side.decides:
            self.over, self.decided = True, side
        return True

    async def wait(self, seconds: float | None) -> None:
        """Wait until a flow has come as far as it may alone; None for however long that takes."""
        tasks = {side.task for side in self.sides if not side.reported}
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()  # KeyboardInterrupt, or somebody who cancels every task of the loop

    def ended(self) -> bool:
        """Whether it is over, or every flow that has begun has failed."""
        return self.over or all(side.reported for side in self.sides)

    async def leave(self, background: AsyncBackground) -> None:
        """Give both up, and wait a moment for them to tidy up, whatever happens to this task meanwhile."""
        self.over = True
        ending = [side.lose(background) for side in self.sides]
        await asyncio.wait(ending, timeout=GRACE)


async def race_async(
    effect: Race, enter: AsyncEnter, background: Callable[[], AsyncBackground] | None, clock: Callable[[], float]
) -> tuple[Raced, AsyncExchange | None]:
    """Run a race to its end. As `saferoute.drivers.racing.race`; tasks are cheap, so there is always room for the second flow.

    Raises:
        BaseException: what a flow raised that is no SaferouteError, or this task's cancellation; both flows are given up.
    """
    contest, tasks = _Race(), AsyncBackground() if background is None else background()
    contest.sides.append(_Side(contest, enter(effect.first)))
    try:
        await contest.wait(max(0.0, effect.after))
        if contest.ended():
            effect.second.close()
        else:
            contest.sides.append(_Side(contest, enter(effect.second)))
        while not contest.ended():
            await contest.wait(None)
        return _outcome(contest, tasks, clock)
    except BaseException:
        await contest.leave(tasks)
        raise


def _outcome(contest: _Race, background: AsyncBackground, clock: Callable[[], float]) -> tuple[Raced, AsyncExchange | None]:
    decided, sides = contest.decided, contest.sides
    began = len(sides) > 1
    errors = (_failure(sides[0]), _failure(sides[1]) if began else None)
    if decided is None:
        return Raced(clock(), None, None, None, errors, began), None
    if decided.error is not None:
        raise decided.error
    for side in sides:
        if not side.reported:
            _tidying = side.lose(background)
    exchange = decided.run.hand_over()
    return Raced(clock(), sides.index(decided), decided.pending, decided.run.result, errors, began), exchange


def _failure(side: _Side) -> SaferouteError | None:
    """What a flow failed with, on its own: a loser that was stopped has not failed."""
    return side.error if side.reported and isinstance(side.error, SaferouteError) else None


def spawn_async(flow: Flow[object], enter: AsyncEnter, background: Callable[[], AsyncBackground] | None) -> None:
    """Run a flow beside the call, if there is room for it."""
    tasks = AsyncBackground() if background is None else background()
    if not tasks.spawn(lambda: _run_out(enter(flow))):
        flow.close()


async def _run_out(run: AsyncEntrant) -> None:
    try:
        while await run.run_until_emit() is not None:
            pass
    finally:
        await _close(run)


async def _close(run: AsyncEntrant) -> None:
    """Close what a flow has left open."""
    exchange = run.hand_over()
    if exchange is not None:
        await exchange.close()
