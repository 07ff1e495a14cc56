"""One attempt at one row, with all that surrounds it: its limits, its reservation, and what it tells about the row's health."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from saferoute.call.charging import charged, is_free
from saferoute.call.effects import Abandoned, acquire, cancel, release, sleep
from saferoute.call.limiting import used_amounts
from saferoute.call.recording import recorded_end
from saferoute.errors import ProtocolError, ProviderError, SaferouteError, TransportError
from saferoute.providers.statuses import request_id
from saferoute.values.balancing import Rejected
from saferoute.values.exact import quotient
from saferoute.values.limits import Busy
from saferoute.values.reply import Attempt
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from saferoute.call.balancing import Throttle
    from saferoute.call.effects import Flow
    from saferoute.call.tries import Progress, Tried
    from saferoute.values.http import Head
    from saferoute.values.limits import Lease, LimitKind
    from saferoute.values.target import Target

__all__ = ["FAILURES", "Attempting", "NoRoom", "answered", "attempt_at", "entered", "id_of", "left", "on_record", "one_more", "timed_as"]

FAILURES: Final = (ProviderError, TransportError, ProtocolError)
"""What a request fails with; with anything else nothing was sent."""

_SLOW: Final = 1.0
"""Seconds: a consumer that keeps an answer waiting for longer may be why it was cut off."""

_COUNTED: Final[Mapping[LimitKind, str]] = MappingProxyType(
    {"requests": "requests a minute", "tokens": "tokens a minute", "concurrent": "requests under way"}
)

_LEAST_WAIT: Final = 0.01
"""Seconds. A store that has no room, and says that there is some now, is not asked again and again without a pause."""

C = TypeVar("C", bound="Tried")
P = TypeVar("P", bound="Progress")
R = TypeVar("R")


class NoRoom(SaferouteError):  # noqa: N818  a signal between this file and the loop
    """There is no room for a request to this row, whatever was seen before; nothing was sent. It never leaves the loop of tries.

    Attributes:
        rejected: why, and for how long.
    """

    def __init__(self, rejected: Rejected) -> None:
        super().__init__("there is no room")
        self.rejected = rejected


@sealed
class Attempting(Generic[C, P, R]):
    """What all attempts of a call have in common.

    Attributes:
        call: what to do.
        attempt: makes one attempt at one target, given the call's allowance in seconds and its end.
        total: the call's allowance, in seconds.
        deadline: its end, on the driver's monotonic clock.
    """

    call: C
    attempt: Callable[[C, Target, P, float, float], Flow[R]]
    total: float
    deadline: float


def entered(attempting: Attempting[C, P, R], target: Target, progress: P) -> Flow[R]:
    """Begin an attempt, and give the flow that makes it, charged; what it ends with is for `left` or `answered`.

    Args:
        attempting: what to do.
        target: where.
        progress: where the call stands, for this attempt.

    Raises:
        NoRoom: the row may not be asked any more; nothing was sent.
    """
    call = attempting.call
    progress.begin()
    progress.asked, progress.billed, progress.receipt = target, None, None
    progress.usage = progress.cost = None
    rejected = call.balancing.health.begin(target, progress.now, last_resort=progress.last_resort)
    if rejected is not None:  # another call was faster: it took the one probe, or was refused meanwhile
        raise NoRoom(rejected)
    flow = attempting.attempt(call, target, progress, attempting.total, attempting.deadline)
    return flow if call.charge is None else charged(call.charge, target, progress, flow)


def answered(call: Tried, target: Target, progress: Progress, began: float) -> None:
    """Tell a row's health that it answered, and count what that cost."""
    seconds = progress.now - began
    call.balancing.health.succeeded(target, progress.now, seconds, progress.tokens)
    if call.tally is not None and progress.usage is not None:
        currency = None if target.prices is None else target.prices.currency
        call.tally(target=target.id, model=target.model, usage=progress.usage, cost=progress.cost, currency=currency)
    if call.balancing.policy.hedge is not None:
        # Of a hedge that won it is known what the first row took at least. With the hedge's own seconds the percentile would sink until
        # every fifth call is hedged; with those of both it would rise for as long as a row hangs.
        call.balancing.health.took(timed_as(call), progress.late or (seconds if progress.first is None else progress.first))


def timed_as(call: Tried) -> str:
    """The name under which a call's time is remembered: of a stream it is that to its first content, which is no whole answer's."""
    return f"{call.route} as a stream" if call.balancing.facts.stream else call.route


def left(call: Tried, target: Target, progress: Progress, began: float, error: BaseException) -> None:
    """Tell a row's health how an attempt ended that brought no answer: abandoned, or by a defect, is not the row's fault."""
    health = call.balancing.health
    if isinstance(error, NoRoom):
        return  # it never began
    if call.tally is not None and not progress.counted and not (isinstance(error, SaferouteError) and is_free(error, progress)):
        _count(call.tally, call, target, progress)
    if isinstance(error, SaferouteError) and not (progress.held > _SLOW and isinstance(error, TransportError)):
        health.failed(target, progress.now, progress.now - began, error, last_resort=progress.last_resort)
    else:
        health.given_up(target, progress.now, progress.now - began, last_resort=progress.last_resort)


def _count(tally: Callable[..., None], call: Tried, target: Target, progress: Progress) -> None:
    """Count what may be billed for an attempt that brought no answer: what the provider reported, else its worst case."""
    if progress.usage is not None:  # it was whole, and not what was asked for
        currency = None if target.prices is None else target.prices.currency
        tally(target=target.id, model=target.model, usage=progress.usage, cost=progress.cost, currency=currency)
        return
    known = progress.billed
    worst = known if known is not None or call.charge is None else call.charge.worst.get(target.id)
    cost, currency = (None, None) if worst is None else (quotient(worst.amount), worst.currency)
    tally(target=target.id, model=target.model, usage=None, cost=cost, currency=currency, estimated=known is None and worst is not None)


def attempt_at(attempting: Attempting[C, P, R], target: Target, progress: P) -> Flow[R]:
    """Make one attempt, with all that surrounds it.

    Args:
        attempting: what to do.
        target: where.
        progress: where the call stands, for this attempt.

    Raises:
        NoRoom: a limit has no room; nothing was sent.
        SaferouteError: whatever the attempt raises.
    """
    throttle = attempting.call.balancing.throttle
    if throttle is None or target.id not in throttle.draws:
        return _watched(attempting, target, progress)
    return _throttled(throttle, attempting, target, progress)


def _throttled(throttle: Throttle, attempting: Attempting[C, P, R], target: Target, progress: P) -> Flow[R]:
    draws = throttle.draws[target.id]
    progress.begin()  # should the store not answer in time, then nothing of an earlier attempt is told of this one
    progress.asked, progress.billed = target, None
    acquired = yield from acquire(throttle.store, draws, throttle.hold, progress.allowance)
    progress.now = acquired.now
    if isinstance(acquired.outcome, Busy):
        raise NoRoom(_rejected(target, acquired.outcome, acquired.now))
    lease: Lease = acquired.outcome
    try:
        result = yield from _watched(attempting, target, progress)
    except (Exception, Abandoned) as error:
        sent = not isinstance(error, SaferouteError) or not is_free(error, progress)
        progress.now = yield from release(throttle.store, lease, used_amounts(draws, None, sent=sent), progress.allowance)
        raise
    progress.now = yield from release(throttle.store, lease, used_amounts(draws, progress.tokens, sent=True), progress.allowance)
    return result


def one_more(throttle: Throttle, target: Target, progress: Progress, deadline: float, exchange: Flow[R]) -> Flow[R]:
    """Make one more request of an attempt: it takes of the limits on requests as the first one did, and waits for room if it has to.

    Args:
        throttle: where limits are counted. The tokens of all requests, and a place among those under way, were taken by the first one.
        target: where.
        progress: where the call stands.
        deadline: the end of the call's allowance; without room until then, this request is not sent.
        exchange: the request, not begun.

    Raises:
        NoRoom: there is no room in time.
        SaferouteError: whatever the exchange raises.
    """
    draws = tuple(draw for draw in throttle.draws.get(target.id, ()) if draw.quota.kind == "requests")
    if draws:
        progress.begin()  # as in _throttled
    while draws:
        acquired = yield from acquire(throttle.store, draws, throttle.hold, progress.allowance)
        progress.now = acquired.now
        if not isinstance(acquired.outcome, Busy):
            break
        if acquired.now + acquired.outcome.retry_after >= deadline:
            raise NoRoom(_rejected(target, acquired.outcome, acquired.now))
        progress.now = yield from sleep(acquired.outcome.retry_after)
    return (yield from exchange)


def _rejected(target: Target, busy: Busy, now: float) -> Rejected:
    quota, wait = busy.quota, max(busy.retry_after, _LEAST_WAIT)
    return Rejected(target.id, f"{quota.owner}: {quota.limit} {_COUNTED[quota.kind]} are used; room in {wait:.1f} s", now + wait)


def _watched(attempting: Attempting[C, P, R], target: Target, progress: P) -> Flow[R]:
    call, began = attempting.call, progress.now
    try:
        result = yield from entered(attempting, target, progress)
    except SaferouteError as error:
        progress.now = yield from cancel()  # also for the time: an error of the outside world does not bring it
        left(call, target, progress, began, error)
        if progress.intent is not None:
            yield from recorded_end(call, target, progress, error)
        raise
    except BaseException as error:
        left(call, target, progress, began, error)
        if progress.intent is not None and not isinstance(error, GeneratorExit):
            yield from recorded_end(call, target, progress, error)
        raise
    answered(call, target, progress, began)
    return result


def on_record(target: Target, progress: Progress, outcome: str, seconds: float) -> Attempt:
    """A try that brought no answer, for the trace."""
    head = progress.head
    return Attempt(
        target.id,
        target.model,
        outcome,
        None if head is None else head.status,
        seconds,
        id_of(head),
        progress.why,
        progress.rejected,
        progress.first,
        None,
        target.secret,
        progress.began - progress.entered,
    )


def id_of(head: Head | None) -> str | None:
    """The provider's id of the exchange."""
    return request_id(head.headers) if head else None
