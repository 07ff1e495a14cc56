"""The call path of every operation besides chat: the same loop, effects, clocks and errors, around a plan instead of one request.

A plan may take several requests (batches, pages). A request that fails is sent again while the plan waits; if another target takes
over, the plan begins anew there, since nothing that two models made fits together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from saferoute.call.effects import finish, read, send
from saferoute.call.flow import plain_name
from saferoute.call.tries import Progress, id_of, tries
from saferoute.errors import ProtocolError
from saferoute.providers.decoder import Decoder
from saferoute.providers.operations.registry import plan_for
from saferoute.values.cost import cost_of
from saferoute.values.events import Notice
from saferoute.values.http import Clocks
from saferoute.values.reply import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from saferoute.call.effects import Flow
    from saferoute.errors import ProviderError
    from saferoute.providers.codec import Codec, Reader
    from saferoute.providers.operations.contract import Answered, Operation, OperationRequest, Plan, Step
    from saferoute.values.events import DecodedEvent
    from saferoute.values.http import Head
    from saferoute.values.target import Dialect, Target

__all__ = ["OperationCall", "operation_flow"]

R = TypeVar("R")


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


class _Progress(Progress):
    """What has happened in an operation so far.

    Attributes:
        target: the row that the plan is for.
        step: the plan's next request; None when it has its result.
        answered: the plan's result, once it has one.
        lost: notices of what other targets answered in vain.
    """

    __slots__ = ("_plan", "_steps", "answered", "lost", "step", "target")

    def __init__(self, now: float) -> None:
        super().__init__(now)
        self.target: Target | None = None
        self.step: Step[Any] | None = None
        self.answered: Answered | None = None
        self.lost: tuple[Notice, ...] = ()
        self._plan: Plan | None = None
        self._steps = 0

    def plan(self, target: Target, plan: Plan) -> None:
        """Begin a plan at a target."""
        if self.target is not None and self._steps:
            said = f"{self._steps} requests that {self.target.id} answered, and may bill, are not part of the result"
            self.lost += (Notice("noted", "route", said),)
        self.target, self._plan, self._steps = target, plan, 0
        self._advance(None)

    def go_on(self, found: object) -> None:
        """Give the plan what an answer held."""
        self._steps += 1
        self._advance(found)

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
    """
    return tries(call, _Progress(now), _attempt)


def _attempt(call: OperationCall[R], target: Target, progress: _Progress, total: float, deadline: float) -> Flow[R]:
    call.recheck(target)
    codec = call.codec(target.dialect)
    if progress.target is not target:
        progress.plan(target, plan_for(call.operation, call.request, target, codec))
    times = target.deadlines
    clocks = Clocks(times.connect, times.first_byte, times.idle, total, deadline)
    while progress.step is not None:
        found = yield from _exchange(progress.step, codec.reader(target), target, clocks, progress)
        progress.go_on(found)
    answered = progress.answered
    assert answered is not None  # noqa: S101  a plan without a next request has its result
    return call.build(
        **answered.fields,
        route=call.route,
        target=target.id,
        model=plain_name(answered.model) or target.model,
        provider_name=target.provider_name,
        usage=answered.usage,
        cost=cost_of(answered.usage, target.prices),
        request_id=id_of(progress.head),
        warnings=(*call.notices, *answered.notices, *progress.lost),
        attempts=progress.attempts,
    )


def _exchange(step: Step[Any], chat: Reader, target: Target, clocks: Clocks, progress: _Progress) -> Flow[object]:
    """Send one request of a plan, and read what its answer holds."""
    progress.begin()
    opened = yield from send(step.request, clocks)
    progress.now, progress.head = opened.now, opened.head
    answer: _Whole | _Bytes = (_Bytes if _is_content(step, opened.head) else _Whole)(step, chat, target, opened.head)
    while not answer.completed:
        chunk = yield from read()
        progress.now = chunk.now
        answer.feed(chunk.data)
    yield from finish()
    attempt = Attempt(target.id, target.model, "ok", opened.head.status, progress.now - progress.began, id_of(opened.head))
    progress.attempts += (attempt,)
    return answer.found


def _is_content(step: Step[Any], head: Head) -> bool:
    """Whether the body is the content itself; errors, wherever they stand, are JSON."""
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    return step.content == "bytes" and 200 <= head.status < 300 and not kind.endswith("json")  # noqa: PLR2004


class _Bytes:
    """Collects an answer that is content, such as sound."""

    __slots__ = ("_data", "_head", "_step", "_target", "completed", "found")

    def __init__(self, step: Step[Any], _: Reader, target: Target, head: Head) -> None:
        self._step, self._target, self._head = step, target, head
        self._data = bytearray()
        self.completed = False
        self.found: object = None

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; b"" is its end.

        Raises:
            ProtocolError: if it is too large, or not what was asked for.
        """
        if not data:
            self.found = self._step.read(self._head, bytes(self._data))
            self.completed = True
            return
        self._data += data
        if len(self._data) > self._step.most:
            raise ProtocolError(f"{self._target.provider_name} sent an answer larger than {self._step.most} bytes")


class _Whole:
    """Reads an answer that is one JSON object; a `saferoute.providers.codec.Reader`, whose errors are those of the dialect's chat."""

    __slots__ = ("_chat", "_decoder", "_head", "_step", "_target", "completed", "found")

    def __init__(self, step: Step[Any], chat: Reader, target: Target, head: Head) -> None:
        self._step, self._chat, self._target, self._head = step, chat, target, head
        self._decoder = Decoder(self, target.provider_name, max_body_bytes=step.most)
        self.completed = False
        self.found: object = None
        self._decoder.head(head)

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; b"" is its end.

        Raises:
            ProviderError: for an error answer, or an error inside the answer.
            ProtocolError: for an answer that is not what was asked for.
        """
        if data:
            self._decoder.feed(data)
        else:
            self._decoder.close()

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """See `Reader`."""
        if body.get("error"):
            raise self._chat.error(self._head, body)
        if self._step.content != "json":
            raise self._unfit("a JSON object")
        self.found = self._step.read(self._head, body)
        self.completed = True
        return ()

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:  # noqa: ARG002  see `Reader`
        """See `Reader`."""
        raise self._unfit("a stream")

    def on_end(self) -> Sequence[DecodedEvent]:
        """See `Reader`."""
        return ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """See `Reader`."""
        return self._chat.error(head, body)

    def _unfit(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name} answered {what} where something else was asked for")
