"""The call path of every operation besides chat: the same loop, effects, clocks and errors, around a plan instead of one request.

A plan may take several requests (batches, pages). A request that fails is sent again while the plan waits; if another target takes
over, the plan begins anew there, since nothing that two models made fits together. What was answered in vain may be billed, so it
counts: in the result's usage and cost, and against the call's bound, which keeps out every row whose worst case no longer fits.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from saferoute.call.attempt import one_more
from saferoute.call.balancing import Balancing
from saferoute.call.charging import cost_in, counted, in_all
from saferoute.call.effects import finish, read, send
from saferoute.call.flow import plain_name
from saferoute.call.guarding import rest_of
from saferoute.call.guarding_operations import judged_fields, with_operation_texts
from saferoute.call.operation_answers import WholeBytes, WholeJson, is_content
from saferoute.call.recording import Ending, code_of, outcome, recorded_intent
from saferoute.call.tries import Progress, id_of, tries
from saferoute.errors import GuardError
from saferoute.providers.operations.registry import plan_for
from saferoute.values.cost import cost_of
from saferoute.values.events import Notice
from saferoute.values.exact import nano_above, total
from saferoute.values.http import Clocks
from saferoute.values.outcome import added
from saferoute.values.reply import Attempt
from saferoute.values.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from decimal import Decimal

    from saferoute.call.charging import Charge
    from saferoute.call.effects import Flow
    from saferoute.call.guarding import Guarding
    from saferoute.call.recording import Recording
    from saferoute.providers.codec import Codec
    from saferoute.providers.operations.contract import Answered, Operation, OperationRequest, Plan, Step
    from saferoute.values.guarding import Judged
    from saferoute.values.target import Dialect, Target

__all__ = ["Bound", "OperationCall", "operation_flow"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Bound:
    """What a call may cost, in nano-units of the one currency that its rows are priced in.

    Attributes:
        amount: the tightest bound of caller and grant.
        worst: by row id, what the whole call costs there at most.
    """

    amount: int
    worst: Mapping[str, int]

    def fits(self, target: Target, told: Sequence[tuple[Target, Usage]]) -> bool:
        """Whether a row may begin anew, after answers that may all be billed; one whose cost is not known counts as its whole call."""
        spent = 0
        for row, usage in told:
            cost = cost_of(usage, row.prices)
            spent += self.worst[row.id] if cost is None else nano_above(cost)
        return spent + self.worst[target.id] <= self.amount


@dataclass(frozen=True, slots=True)
class OperationCall(Generic[R]):
    """Everything that is decided before the first byte leaves.

    Attributes:
        operation: what is done.
        route: the name that the caller asked for.
        request: what the caller means.
        build: makes the result, out of its own fields and those of `saferoute.values.outcome.Outcome`, by keyword.
        targets: the rows that may answer, authorised, in order of preference; at least one.
        max_attempts: how many attempts may fail.
        total: the whole call's allowance in seconds; None takes the first target's.
        notices: what was filled in or changed before the call.
        codec: finds a dialect.
        recheck: raises if a row is not what was verified.
        random: makes numbers in [0, 1).
        bound: what the call may cost; None for no bound, or an operation that costs nothing.
        charge: what every attempt is charged to; None where nothing is counted.
        balancing: what the choice of rows goes by.
        guarding: the guards; None for none.
        again: prepares the call anew for another request: what guards took something out of.
        verdicts: what guards said about the request.
        recording: how the call is recorded; None for not at all.
        tags: the program's words about it.
        tally: counts what attempts cost.
    """

    operation: Operation
    route: str
    request: OperationRequest
    build: Callable[..., R]
    targets: tuple[Target, ...]
    max_attempts: int
    total: float | None
    notices: tuple[Notice, ...]
    codec: Callable[[Dialect], Codec]
    recheck: Callable[[Target], None]
    random: Callable[[], float]
    bound: Bound | None = None
    charge: Charge | None = None
    balancing: Balancing = field(default_factory=Balancing)
    guarding: Guarding | None = None
    again: Callable[[OperationRequest], OperationCall[R]] | None = None
    verdicts: tuple[Judged, ...] = ()
    recording: Recording | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    tally: Callable[..., None] | None = None


@dataclass(frozen=True, slots=True)
class _Narrowed(Generic[R]):
    """The call as the loop of tries sees it: without the rows that what was spent has put out of reach."""

    call: OperationCall[R]
    progress: _Progress

    @property
    def targets(self) -> tuple[Target, ...]:
        return self.call.targets

    @property
    def max_attempts(self) -> int:
        return self.call.max_attempts

    @property
    def total(self) -> float | None:
        return self.call.total

    @property
    def random(self) -> Callable[[], float]:
        return self.call.random

    @property
    def charge(self) -> Charge | None:
        return self.call.charge

    @property
    def route(self) -> str:
        return self.call.route

    @property
    def balancing(self) -> Balancing:
        return self.call.balancing

    @property
    def tally(self) -> Callable[..., None] | None:
        return self.call.tally

    @property
    def recording(self) -> Recording | None:
        return self.call.recording

    @property
    def verdicts(self) -> tuple[Judged, ...]:
        return self.call.verdicts

    def affords(self, target: Target) -> bool:
        return self.progress.affords(target)


class _Progress(Progress):
    """What has happened in an operation so far.

    Attributes:
        target: the row that the plan is for.
        step: the plan's next request; None when it has its result.
        answered: the plan's result, once it has one.
        lost: notices of what other targets answered in vain, and of what the transport did.
        spent: what that used, for each request.
    """

    __slots__ = ("_bound", "_plan", "_told", "answered", "lost", "spent", "step", "target")

    def __init__(self, now: float, bound: Bound | None) -> None:
        super().__init__(now)
        self.target: Target | None = None
        self.step: Step[Any] | None = None
        self.answered: Answered | None = None
        self.lost: tuple[Notice, ...] = ()
        self.spent: tuple[tuple[Target, Usage], ...] = ()
        self._bound = bound
        self._plan: Plan | None = None
        self._told: tuple[tuple[Target, Usage], ...] = ()

    def plan(self, target: Target, plan: Plan) -> None:
        """Begin a plan at a target."""
        if self.target is not None and self._told:
            said = f"{len(self._told)} requests that {self.target.id} answered, and may bill, are not part of the result"
            self.lost += (Notice("noted", "route", said),)
            self.spent += self._told
        self.target, self._plan, self._told = target, plan, ()
        self._advance(None)

    def go_on(self, found: object) -> None:
        """Give the plan what an answer held."""
        assert self.target is not None  # noqa: S101  a plan is for a target
        self._told += ((self.target, _usage_in(found)),)
        self._advance(found)

    def affords(self, target: Target) -> bool:
        """Whether a row may begin anew, after what was answered; the plan that is under way goes on where it stands."""
        return target is self.target or self._bound is None or self._bound.fits(target, (*self.spent, *self._told))

    def _advance(self, found: object) -> None:
        assert self._plan is not None  # noqa: S101  there is a plan before anything is asked of it
        try:
            self.step = self._plan.send(found)
        except StopIteration as stop:
            self.step, self.answered = None, stop.value


def operation_flow(call: OperationCall[R], now: float) -> Flow[R]:
    """Run one operation.

    Args:
        call: what to do.
        now: the driver's monotonic time.

    Raises:
        ProviderError, TransportError, ProtocolError: with `attempts` holding every request.
        RequestError: when a dialect does not have the operation or a parameter of it.
        GuardError: a guard blocks the request, or what came back.
    """
    if call.guarding is not None:
        return _guarded(call, call.guarding, now)
    progress = _Progress(now, call.bound)
    return tries(_Narrowed(call, progress), progress, _attempt)


def _guarded(call: OperationCall[R], guarding: Guarding, now: float) -> Flow[R]:
    """Run an operation whose request is judged first."""
    began = now
    cleared = yield from guarding.of_request(call.targets[0].deadlines.total if call.total is None else call.total)
    if cleared.texts and call.again is not None:
        call = replace(call.again(with_operation_texts(call.request, cleared.texts)), notices=call.notices)
    total, now = rest_of(call.total, call.targets[0].deadlines.total, now, cleared)
    progress = _Progress(now, call.bound)
    progress.entered = began
    call = replace(call, guarding=guarding, verdicts=cleared.verdicts, total=total)
    return (yield from tries(_Narrowed(call, progress), progress, _attempt))


def _usage_in(found: object) -> Usage:
    """What one answer used: operations that read it do so beside what they found."""
    parts = found if isinstance(found, tuple) else ()
    return next((part for part in parts if isinstance(part, Usage)), Usage())


def _whole(told: Sequence[tuple[Target, Usage]]) -> tuple[Usage, Decimal | None]:
    """Usage and cost of all that was answered; what one of them does not tell is not known of all."""
    costs = [cost_of(usage, row.prices) for row, usage in told]
    known = [cost for cost in costs if cost is not None]
    currencies = {row.prices.currency for row, _ in told if row.prices is not None}
    one_sum = len(known) == len(costs) and len(currencies) == 1
    return added(usage for _, usage in told), total(known) if one_sum else None


def _attempt(narrowed: _Narrowed[R], target: Target, progress: _Progress, total: float, deadline: float) -> Flow[R]:
    call = narrowed.call
    call.recheck(target)
    codec = call.codec(target.dialect)
    resumed, first = progress.target is target, True
    if not resumed:
        progress.plan(target, plan_for(call.operation, call.request, target, codec))
    times = target.deadlines
    clocks = Clocks(times.connect, times.first_byte, times.idle, total, deadline, progress.last)
    found: object = None
    while progress.step is not None:
        exchange = _exchange(call, progress.step, target, clocks, progress)
        if not first and call.charge is not None:
            exchange = counted(call.charge, progress, exchange)
        if not first and call.balancing.throttle is not None:
            exchange = one_more(call.balancing.throttle, target, progress, deadline, exchange)
        found, first = (yield from exchange), False
        if call.charge is not None:
            progress.paid += (cost_in(cost_of(_usage_in(found), target.prices), target.prices),)
        progress.go_on(found)
        _count(call, target, progress, found)
        if call.recording is not None and progress.step is not None:
            yield from outcome(call.recording, target, progress, _ending(progress, target, found))
    answered = progress.answered
    assert answered is not None  # noqa: S101  a plan without a next request has its result
    usage, cost = _whole((*progress.spent, (target, answered.usage)))
    progress.tokens = None if answered.usage.input_tokens is None else answered.usage.input_tokens + (answered.usage.output_tokens or 0)
    if call.charge is not None:
        # What was answered in an attempt before this one was charged to that one.
        whole = cost_in(cost_of(answered.usage, target.prices), target.prices)
        progress.billed = in_all(progress.paid) if resumed else whole
    fields, verdicts = answered.fields, call.verdicts
    said: tuple[Judged, ...] = ()
    try:
        if call.guarding is not None and call.guarding.answers:
            fields, said = yield from judged_fields(call.guarding, fields, deadline - progress.now)
    except GuardError as error:
        if call.recording is not None:
            ending = _ending(progress, target, found, type(error).__name__)
            ending = replace(ending, deny=code_of(error), verdicts=error.verdicts)
            error.receipt = yield from outcome(call.recording, target, progress, ending)
        raise
    verdicts += said
    if call.recording is not None and progress.intent is not None:
        yield from outcome(call.recording, target, progress, replace(_ending(progress, target, found), verdicts=said))
    return call.build(
        **fields,
        route=call.route,
        target=target.id,
        model=plain_name(answered.model) or target.model,
        provider_name=target.provider_name,
        usage=usage,
        cost=cost,
        request_id=id_of(progress.head),
        warnings=(*call.notices, *answered.notices, *progress.lost),
        attempts=progress.attempts,
        verdicts=verdicts,
        receipt=progress.receipt,
    )


def _exchange(call: OperationCall[R], step: Step[Any], target: Target, clocks: Clocks, progress: _Progress) -> Flow[object]:
    """Send one request of a plan, and read what its answer holds."""
    progress.begin()
    if call.recording is not None:
        yield from recorded_intent(call, target, progress, step.request.body, None)
    opened = yield from send(step.request, clocks)
    progress.now, progress.head = opened.now, opened.head
    if opened.head.requests > 1:
        progress.key_refused(target)
    if opened.head.notes:
        progress.lost += tuple(Notice("noted", "secret", note) for note in opened.head.notes)
    answer: WholeJson | WholeBytes = (WholeBytes if is_content(step, opened.head) else WholeJson)(
        step, call.codec(target.dialect).reader(target), target, opened.head
    )
    while not answer.completed:
        chunk = yield from read()
        progress.now = chunk.now
        answer.feed(chunk.data)
    yield from finish()
    named, began = id_of(opened.head), progress.began - progress.entered
    attempt = Attempt(target.id, target.model, "ok", opened.head.status, progress.now - progress.began, named, began=began)
    progress.attempts += (attempt,)
    return answer.found


def _ending(progress: _Progress, target: Target, found: object, word: str = "ok") -> Ending:
    """How a request has ended that was answered."""
    usage = _usage_in(found)
    return Ending(word, request_id=id_of(progress.head), usage=usage, cost=cost_of(usage, target.prices))


def _count(call: OperationCall[R], target: Target, progress: _Progress, found: object) -> None:
    """Count what a request cost that was answered, whatever becomes of the others."""
    progress.counted = True
    if call.tally is not None:
        usage, currency = _usage_in(found), None if target.prices is None else target.prices.currency
        call.tally(target=target.id, model=target.model, usage=usage, cost=cost_of(usage, target.prices), currency=currency)
