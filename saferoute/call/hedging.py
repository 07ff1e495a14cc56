"""Hedges: a second request beside one that is slower than nearly always; the first answer counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

from saferoute.call.adopting import adopted
from saferoute.call.attempt import FAILURES, NoRoom, attempt_at, on_record, timed_as
from saferoute.call.charging import is_free
from saferoute.call.effects import race, sleep
from saferoute.errors import GuardError
from saferoute.values.balancing import Rejected
from saferoute.values.reply import Attempt, Reply

if TYPE_CHECKING:
    from saferoute.call.attempt import Attempting
    from saferoute.call.balancing import Candidates
    from saferoute.call.effects import Flow, Raced
    from saferoute.call.tries import Progress, Tried
    from saferoute.errors import SaferouteError
    from saferoute.values.target import Target

__all__ = ["raced", "rival_of"]

_BOTH: Final = 2  # requests of a race

C = TypeVar("C", bound="Tried")
P = TypeVar("P", bound="Progress")
R = TypeVar("R")


def rival_of(call: Tried, candidates: Candidates, progress: Progress, target: Target) -> Target | None:
    """The row that a hedge would ask, if the alias has been seen often enough to know what is slow."""
    if progress.last or call.balancing.health.p95(timed_as(call)) is None:
        return None
    return candidates.other(target, progress.now)


def raced(attempting: Attempting[C, P, R], candidates: Candidates, progress: P, target: Target, rival: Target) -> Flow[R]:
    """Ask a row, and another one if it is slower than nearly always. What the two have in common is one attempt of the loop.

    Args:
        attempting: what to do.
        candidates: the rows of the call; `target` was chosen of them.
        progress: where the call stands.
        target: asked at once.
        rival: asked if that takes long.

    Raises:
        NoRoom: neither could be asked.
        SaferouteError: what the attempts failed with.
    """
    call = attempting.call
    hedge, usual = call.balancing.policy.hedge, call.balancing.health.p95(timed_as(call))
    assert hedge is not None  # noqa: S101  the loop looked
    assert usual is not None  # noqa: S101  rival_of looked
    after = max(hedge.after, usual)
    # Each has a progress of its own, which nobody else writes to: the loser may still be tidying up when the race is over.
    sides, requests, before = (progress.beside(), progress.beside()), call.max_attempts - progress.failures, len(progress.attempts)
    sides[0].last, sides[1].last = requests < _BOTH + 1, requests < _BOTH + 2  # each may send one more, with a key's other revision
    sides[1].copied = True  # one copy for a shadow, of the first one
    sides[1].why, sides[1].rejected = f"hedge: {target.id} took longer than {after:.2f} s", ()
    flows = (attempt_at(attempting, target, sides[0]), _beside(attempting, rival, sides[1], sides[0]))
    over = yield from race(*flows, after)
    progress.now = over.now
    if over.began:
        candidates.chosen(rival)
    if over.winner is None:
        try:
            raise _both_failed(candidates, (target, rival), sides, progress, over)  # the loop puts this one on record
        finally:
            del over  # as in `tries`
    winner = sides[over.winner]
    lost: tuple[Attempt, ...] = ()
    if over.began:
        _lose(candidates, target if over.winner else rival, sides[1 - over.winner], progress, over.errors[1 - over.winner])
        lost = progress.attempts[before:]
        winner.attempts, winner.failures = (*progress.attempts, *winner.attempts[before:]), progress.failures
    try:
        result = yield from _rest(flows[over.winner], over)
    finally:
        progress.become(winner)
    if lost and isinstance(result, Reply) and lost[-1] not in result.attempts:  # it was whole before anybody had lost
        result = replace(result, attempts=(*result.attempts[:before], *lost, *result.attempts[before:]))
    return result


def _beside(attempting: Attempting[C, P, R], target: Target, progress: P, first: P) -> Flow[R]:
    """The second attempt of a race. It begins later than the race did, and presents no nonce: the first one has used it up."""
    began, charge = progress.now, attempting.call.charge
    progress.now = yield from sleep(0.0)  # for the time
    progress.late, progress.vouched = progress.now - began, first.vouched
    if charge is not None and charge.once is not None and not first.vouched:
        raise NoRoom(Rejected(target.id, "whether the call token is good is still being looked up for the first attempt"))
    return (yield from attempt_at(attempting, target, progress))


def _both_failed(candidates: Candidates, rows: tuple[Target, Target], sides: tuple[P, P], progress: P, over: Raced) -> SaferouteError:
    """What a race ends with that nobody won: what a guard refused, else a failure of a request, rather than that one could not be sent."""
    second = over.began and _weight(over.errors[1]) > _weight(over.errors[0])
    mine = sides[second]
    progress.become(mine)
    progress.now, progress.asked = over.now, rows[second]
    progress.began += over.now - mine.now  # it took until its own end, not until the other's
    if over.began:
        _lose(candidates, rows[not second], sides[not second], progress, _error(over, int(not second)))
    return _error(over, int(second))


def _lose(candidates: Candidates, target: Target, loser: Progress, progress: Progress, error: SaferouteError | None) -> None:
    """Put the loser of a race on record: one that failed, or one that was given up and may be billed in full."""
    if error is not None and not _weight(error):  # nothing of it was sent
        candidates.passed_over(target, error.rejected if isinstance(error, NoRoom) else None)
        return
    outcome = "given up" if error is None else type(error).__name__
    seconds = (progress.now if error is None else loser.now) - loser.began
    progress.attempts += (*_own(loser, progress), on_record(target, loser, outcome, seconds))
    progress.failures += 1 if loser.head is None else loser.head.requests
    if error is None or not is_free(error, loser):
        candidates.spent(target, None)
    if error is not None:
        candidates.failed(target, error)


def _weight(error: SaferouteError | None) -> int:
    return 2 if isinstance(error, GuardError) else int(isinstance(error, FAILURES))


def _own(side: Progress, progress: Progress) -> tuple[Attempt, ...]:
    """What one side of a race has put on record by itself: that it was asked again with its key's other revision."""
    return tuple(one for one in side.attempts if one not in progress.attempts)


def _rest(flow: Flow[R], over: Raced) -> Flow[R]:
    """The rest of the flow that won; its exchange is the open one now."""
    if over.pending is None:
        result: Any = over.result
        return result  # type: ignore[no-any-return]  # what that flow returned
    return (yield from adopted(flow, over.pending))


def _error(over: Raced, which: int) -> SaferouteError:
    error = over.errors[which]
    assert error is not None  # noqa: S101  no winner: every flow that began has failed
    return error
