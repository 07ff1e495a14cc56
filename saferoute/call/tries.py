"""The loop around attempts: what every call shares, whatever its answer is.

One attempt is a parameter; whether another one follows, where, and after how long is decided here. All attempts of a call share one
budget of requests, time and money: retries, fallbacks, a second revision of a key and hedges alike.
"""

from __future__ import annotations

import logging
from itertools import count
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, TypeVar

from saferoute.call.attempt import FAILURES, Attempting, NoRoom, answered, attempt_at, entered, id_of, left, on_record
from saferoute.call.balancing import Balancing, Candidates
from saferoute.call.charging import is_free
from saferoute.call.effects import UNBOUNDED, Abandoned, Allowance, cancel, sleep
from saferoute.call.hedging import raced, rival_of
from saferoute.call.recording import recorded_end
from saferoute.call.retry import Situation, next_delay
from saferoute.errors import RateLimited, SaferouteError
from saferoute.values.reply import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from saferoute.call.charging import Charge
    from saferoute.call.effects import Flow
    from saferoute.call.recording import Recording
    from saferoute.errors.root import PartialReply
    from saferoute.values.guarding import Judged
    from saferoute.values.http import Head
    from saferoute.values.permission import Cost
    from saferoute.values.receipt import Receipt
    from saferoute.values.target import Target
    from saferoute.values.usage import Usage

__all__ = ["Progress", "Tried", "id_of", "tries"]

_log = logging.getLogger("saferoute")

_SHORT: Final = 0.1
"""Seconds that a call waits for a row unasked: less than what an error would cost its caller."""

_POLL: Final = 0.05
"""Seconds between two looks at a row that rests until something ends that is under way."""


class Tried(Protocol):
    """What the loop needs to know of a call."""

    @property
    def route(self) -> str:
        """The name that was asked for."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The rows that may answer, authorised, in the table's order; at least one."""

    @property
    def max_attempts(self) -> int:
        """How many requests there may be."""

    @property
    def total(self) -> float | None:
        """The whole call's allowance in seconds; None takes the first target's."""

    @property
    def random(self) -> Callable[[], float]:
        """Makes numbers in [0, 1)."""

    @property
    def charge(self) -> Charge | None:
        """What every attempt is charged to; None where nothing is counted."""

    @property
    def balancing(self) -> Balancing:
        """What the choice of rows goes by."""

    @property
    def tally(self) -> Callable[..., None] | None:
        """Counts what an attempt cost: `CostTally.add`, given what all attempts of the call have in common; None for nobody."""

    @property
    def recording(self) -> Recording | None:
        """How the call is recorded; None for not at all."""

    @property
    def verdicts(self) -> tuple[Judged, ...]:
        """What guards said about the request."""

    def affords(self, target: Target) -> bool:
        """Whether a row's worst case still fits into what the call may cost, after what was answered in vain."""


class Progress:
    """What has happened in a call so far.

    Attributes:
        now: the driver's monotonic time.
        entered: when the call's first attempt began.
        began: when the request that is under way began.
        attempts: every try that has ended, in order.
        failures: how many requests failed.
        visible: the consumer has seen something, or guards hold it back, so that no other target may take over.
        head: the head of the answer that is being read.
        first: seconds to the first content of the answer that is being read; None until then.
        tokens: what the answer used; None if it does not say.
        billed: what the attempt is known to have cost; None as long as the provider has not reported it.
        paid: what every request of the attempt cost that was answered before the one under way; None for a cost that is not known.
        vouched: the call's nonce is used up, so that no further attempt presents it.
        late: seconds by which the attempt began after the one that it is a hedge of.
        why: why the row that is asked was chosen.
        rejected: ids of rows that were passed over for it, with the reasons; of a last resort its own, too.
        last_resort: it is asked though it rests, as all others do.
        last: whether no other request may follow the one under way.
        allowance: what the call has in time.
        asked: the row that is asked.
        copied: the call's copy is on its way to its shadow.
        held: the longest that the consumer kept the answer waiting, in seconds.
        intent: the record of the request under way, "" if it has none, and None when none is under way or its outcome is recorded.
        attempt: the number of the request under way, of those that are recorded.
        numbers: number the requests that are recorded, those of both sides of a race among them.
        counted: what the request under way cost is counted already.
        usage: what the answer used; None as long as there is none.
        cost: what it cost; None as above, and where that is not known.
        receipt: the last outcome's.
    """

    __slots__ = (
        "allowance", "asked", "attempt", "attempts", "began", "billed", "copied", "cost", "counted", "entered", "failures", "first",
        "head", "held", "intent", "last", "last_resort", "late", "now", "numbers", "paid", "receipt", "rejected", "tokens", "usage",
        "visible", "vouched", "why",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.now = now
        self.entered = now
        self.began = now
        self.attempts: tuple[Attempt, ...] = ()
        self.failures = 0
        self.visible = False
        self.head: Head | None = None
        self.first: float | None = None
        self.tokens: int | None = None
        self.billed: Cost | None = None
        self.paid: tuple[Cost | None, ...] = ()
        self.vouched = False
        self.late = 0.0
        self.why = ""
        self.rejected: tuple[tuple[str, str], ...] = ()
        self.last = False
        self.last_resort = False
        self.asked: Target | None = None
        self.copied = False
        self.allowance = UNBOUNDED
        self.held = 0.0
        self.intent: str | None = None
        self.attempt = 0
        self.numbers = count(1)
        self.receipt: Receipt | None = None
        self.counted = False
        self.usage: Usage | None = None
        self.cost: Decimal | None = None

    def begin(self) -> None:
        """A request begins."""
        self.began = self.now
        self.head = None
        self.first = None
        self.receipt = None
        self.counted = False

    def partial(self) -> PartialReply | None:
        """What had arrived of the answer; None if nothing had."""
        return None

    def beside(self) -> Self:
        """The progress of a second attempt beside this one."""
        other = type(self)(self.now)
        other.attempts, other.failures, other.vouched = self.attempts, self.failures, self.vouched
        other.why, other.rejected, other.allowance = self.why, self.rejected, self.allowance
        other.entered, other.numbers = self.entered, self.numbers
        other.begin()
        return other

    def key_refused(self, target: Target) -> None:
        """The row refused the first revision of its key, and was asked again with the other one at once."""
        seconds = self.now - self.began
        began = self.began - self.entered
        refused = Attempt(
            target.id, target.model, "AuthenticationRejected", 401, seconds, why=self.why, credential=target.secret, began=began
        )
        self.attempts += (refused,)

    def become(self, other: Progress) -> None:
        """Take over where another attempt of the same call stands."""
        self.now, self.began, self.attempts, self.failures = other.now, other.began, other.attempts, other.failures
        self.visible, self.head, self.first, self.tokens = other.visible, other.head, other.first, other.tokens
        self.billed, self.paid, self.why, self.rejected, self.asked = other.billed, other.paid, other.why, other.rejected, other.asked
        self.vouched, self.copied = self.vouched or other.vouched, self.copied or other.copied
        self.intent, self.receipt = other.intent, other.receipt
        self.usage, self.cost, self.counted = other.usage, other.cost, other.counted


C = TypeVar("C", bound=Tried)
P = TypeVar("P", bound=Progress)
R = TypeVar("R")


def tries(call: C, progress: P, attempt: Callable[[C, Target, P, float, float], Flow[R]]) -> Flow[R]:
    """Run attempts until one succeeds or no other may follow.

    Args:
        call: what to do.
        progress: where the call stands; its `now` is when the call's allowance begins.
        attempt: makes one attempt at one target, given the call's allowance in seconds and its end.

    Raises:
        ProviderError, TransportError, ProtocolError: with `attempts` holding every try.
        AllRoutesCooling: no row may be asked now, not even as a last resort, and none was asked.
        RequestError: when a target cannot take the call.
    """
    total = call.total if call.total is not None else call.targets[0].deadlines.total
    attempting = Attempting(call, attempt, total, progress.now + total)
    progress.allowance = Allowance(total, attempting.deadline)
    candidates = Candidates(call, progress.now)
    plain = call.balancing.throttle is None and call.balancing.policy.hedge is None
    error: SaferouteError | None = None
    try:
        while True:
            target = candidates.next(progress.now) if error is None else None
            if target is None:
                target = yield from _next(call, candidates, progress, error, attempting.deadline)
            candidates.chosen(target)
            progress.why, progress.last_resort = candidates.why, candidates.last_resort
            progress.rejected = _passed_over(candidates) if candidates.rejected else ()
            progress.last = progress.failures + 1 >= call.max_attempts
            try:
                if plain:  # as _watched in attempt.py, without its generator: that would be one more for every piece of an answer
                    began = progress.now
                    try:
                        result = yield from entered(attempting, target, progress)
                    except SaferouteError as ended:
                        progress.now = yield from cancel()
                        left(call, target, progress, began, ended)
                        if progress.intent is not None:
                            yield from recorded_end(call, target, progress, ended)
                        raise
                    except BaseException as ended:
                        left(call, target, progress, began, ended)
                        if progress.intent is not None and not isinstance(ended, GeneratorExit):
                            yield from recorded_end(call, target, progress, ended)
                        raise
                    answered(call, target, progress, began)
                    return result
                rival = (
                    rival_of(call, candidates, progress, target)
                    if call.balancing.policy.hedge is not None and not progress.last_resort
                    else None
                )
                if rival is not None:
                    return (yield from raced(attempting, candidates, progress, target, rival))
                return (yield from attempt_at(attempting, target, progress))
            except NoRoom as full:
                candidates.passed_over(target, full.rejected)
                continue
            except FAILURES as failure:
                error, target = failure, progress.asked or target
                _record(candidates, target, progress, error)
                may_go_on = not progress.visible and candidates.failed(target, error) and progress.failures < call.max_attempts
                if not may_go_on:
                    _explain(error, progress)
                    raise
                facts = {"event": "failed", "route": call.route, "target": target.id, "outcome": type(error).__name__}
                _log.info("saferoute: %s failed with %s", target.id, facts["outcome"], extra={"saferoute": facts})
            except SaferouteError as refusal:  # this target cannot take the call; what was sent before it stays on record
                refusal.attempts = progress.attempts
                refusal.receipt = refusal.receipt or progress.receipt
                raise
            except Abandoned as left_early:
                yield from cancel()
                _tell(left_early, progress)
                raise
    finally:
        error = None  # an error refers to this frame: without the way back nothing is kept alive by it


def _next(call: Tried, candidates: Candidates, progress: Progress, error: SaferouteError | None, deadline: float) -> Flow[Target]:
    """The row to ask next, after the wait that it needs.

    Raises:
        AllRoutesCooling: none may be asked, not even as a last resort, and none was asked before.
        SaferouteError: the last failure, if no other attempt can follow it.
    """
    waited = False
    try:
        while True:
            target = candidates.next(progress.now)
            if target is not None and (waited or not candidates.was_tried(target)):
                if error is not None:
                    event = "again" if target is progress.asked else "fallback"
                    facts = {"event": event, "route": call.route, "target": target.id}
                    _log.info("saferoute: asking %s next", target.id, extra={"saferoute": facts})
                return target
            until = progress.now if target is not None else candidates.ready_at()
            if call.balancing.wait and target is None and candidates.rests:
                until = min(until or deadline, progress.now + _POLL)  # what is under way may end at any time
            if error is None:
                if until is not None and until < deadline and (call.balancing.wait or until - progress.now <= _SHORT):
                    progress.now = yield from sleep(until - progress.now)
                    continue
                target = candidates.resort(progress.now)
                if target is None:
                    raise candidates.cooling(progress.now)
                return target
            # The wait was decided with the row; tenacity is asked once.
            elsewhere = target is not None and target is not progress.asked  # what one row asked for is no other row's
            situation = Situation(error, progress.failures, call.max_attempts, progress.now, deadline, call.random, elsewhere)
            delay = next_delay(situation)
            if target is None and call.balancing.wait:
                delay = 0.0  # the rest of a row is all that is waited for, whatever became of the others
            elif target is None and until is not None and not _is_its_own(error, until - progress.now, progress):
                delay = None  # it rests because of more than this call has seen
            if delay is None or until is None or max(delay, until - progress.now) + progress.now >= deadline:
                _explain(error, progress)
                raise error
            delay = max(delay, until - progress.now)
            pause = {"event": "wait", "route": call.route, "seconds": delay}
            _log.info("saferoute: trying again in %.2f s", delay, extra={"saferoute": pause})
            progress.now = yield from sleep(delay)
            waited = True
    finally:
        error = None  # as in `tries`


def _is_its_own(error: SaferouteError, wait: float, progress: Progress) -> bool:
    """Whether what a call waits for is its own: a time that the provider named, or the rest that its own refusal has begun.

    A last resort has added to a rest that was there before. Waiting for that would make several requests of each call of a storm.
    """
    limited = isinstance(error, RateLimited)
    if progress.last_resort:
        return limited and wait <= _SHORT
    return limited or getattr(error, "retry_after", None) is not None


def _passed_over(candidates: Candidates) -> tuple[tuple[str, str], ...]:
    return tuple((one.target, one.reason) for one in candidates.rejected)


def _record(candidates: Candidates, target: Target, progress: Progress, error: SaferouteError) -> None:
    progress.attempts += (on_record(target, progress, type(error).__name__, progress.now - progress.began),)
    progress.failures += 1 if progress.head is None else progress.head.requests
    if not is_free(error, progress):
        candidates.spent(target, progress.billed)


def _tell(left_early: Abandoned, progress: Progress) -> None:
    """Say what was tried until the consumer left."""
    left_early.attempts = progress.attempts
    if progress.asked is not None:
        left_early.attempts += (on_record(progress.asked, progress, "Abandoned", progress.now - progress.began),)


def _explain(error: SaferouteError, progress: Progress) -> None:
    error.attempts = progress.attempts
    error.receipt = error.receipt or progress.receipt  # of an answer that came, and was not what was asked for
    if isinstance(error, FAILURES):
        partial: Any = progress.partial()
        if partial is not None:
            error.partial = partial
