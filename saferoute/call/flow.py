"""The one call path: what happens between a request and its reply, as a generator of effects.

Sync, async, stream and whole body all run this. It decides about retries and fallback, and never switches targets after the
consumer has seen an event.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, cast

from saferoute.call.effects import Abandoned, cancel, emit, finish, read, send, sleep
from saferoute.call.retry import Situation, next_delay
from saferoute.errors import (
    AuthenticationRejected,
    InvalidMessages,
    ModelNotFound,
    OutputInvalid,
    PermissionDenied,
    ProtocolError,
    ProviderError,
    QuotaExceeded,
    SaferouteError,
    TransportError,
)
from saferoute.errors.root import KEY_PREFIX
from saferoute.providers.decoder import Decoder
from saferoute.providers.statuses import request_id
from saferoute.values.cost import cost_of
from saferoute.values.events import Completed, Finished, Noticed, Started
from saferoute.values.fold import Fold
from saferoute.values.http import Clocks
from saferoute.values.messages import Message
from saferoute.values.reply import NOT_YET, Attempt, Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.call.effects import Flow
    from saferoute.providers.codec import Codec
    from saferoute.values.events import DecodedEvent, Notice, StreamEvent
    from saferoute.values.http import Head
    from saferoute.values.output import Output
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Dialect, Target

__all__ = ["Call", "call_flow"]

_LONGEST_NAME: Final = 256

_log = logging.getLogger("saferoute")

# The other targets of an alias may still help against these, though the same target will not.
_ELSEWHERE: Final = (AuthenticationRejected, PermissionDenied, QuotaExceeded, ModelNotFound)


@dataclass(frozen=True, slots=True)
class Call:
    """Everything that is decided before the first byte leaves.

    Attributes:
        route: the name that the caller asked for.
        request: what the caller means.
        targets: the rows that may answer, authorised, in order of preference; at least one.
        max_attempts: how many requests the call may send.
        total: the whole call's allowance in seconds; None takes the first target's.
        output: what the answer must fit.
        notices: what was filled in or changed before the call.
        codec: finds a dialect.
        recheck: raises if a row is not what was verified.
        random: makes numbers in [0, 1).
        new_id: makes a unique id for answers that carry none.
    """

    route: str
    request: ChatRequest
    targets: tuple[Target, ...]
    max_attempts: int
    total: float | None
    output: Output | None
    notices: tuple[Notice, ...]
    codec: Callable[[Dialect], Codec]
    recheck: Callable[[Target], None]
    random: Callable[[], float]
    new_id: Callable[[], str]


class _Progress:
    """What has happened in a call so far."""

    __slots__ = ("attempts", "fold", "head", "now", "started", "visible")

    def __init__(self, now: float) -> None:
        self.now = now
        self.started = now
        self.attempts: tuple[Attempt, ...] = ()
        self.visible = False
        self.head: Head | None = None
        self.fold = Fold()


def call_flow(call: Call, now: float) -> Flow[Reply[object]]:
    """Run one call.

    Args:
        call: what to do.
        now: the driver's monotonic time.

    Returns:
        The reply.

    Raises:
        ProviderError, TransportError, ProtocolError: with `attempts` holding every try. StreamInterrupted carries the partial answer.
        RequestError: when a dialect cannot express the request; nothing was sent.
    """
    progress = _Progress(now)
    total = call.total if call.total is not None else call.targets[0].deadlines.total
    deadline = now + total
    position = 0
    while True:
        target = call.targets[position]
        began = progress.now
        progress.head = None
        progress.fold = Fold()
        try:
            return (yield from _attempt(call, target, progress, total, deadline))
        except (ProviderError, TransportError, ProtocolError) as error:
            yield from cancel()
            _record(progress, target, error, began)
            following = _next_position(call, position, progress, error)
            if following is None:
                _explain(error, progress)
                raise
            if following == position:
                # The wait was decided with the position; tenacity is not asked twice.
                delay = _delay(call, progress, error, deadline)
                if delay is None:
                    _explain(error, progress)
                    raise
                _log.info("saferoute: %s failed with %s, trying again in %.2f s", target.id, type(error).__name__, delay)
                progress.now = yield from sleep(delay)
            else:
                _log.info("saferoute: %s failed with %s, falling back to %s", target.id, type(error).__name__, call.targets[following].id)
            position = following
        except SaferouteError as error:  # this target cannot take the call; what was sent before it stays on record
            error.attempts = progress.attempts
            raise
        except Abandoned:
            yield from cancel()
            raise


def _next_position(call: Call, position: int, progress: _Progress, error: SaferouteError) -> int | None:
    """Which target comes next: the following one, the same one again, or none."""
    if progress.visible or len(progress.attempts) >= call.max_attempts:
        return None
    retryable = bool(getattr(error, "retryable", False))
    if position + 1 < len(call.targets) and (retryable or isinstance(error, _ELSEWHERE)) and getattr(error, "clock", "") != "total":
        return position + 1
    return position if retryable else None


def _delay(call: Call, progress: _Progress, error: SaferouteError, deadline: float) -> float | None:
    return next_delay(Situation(error, len(progress.attempts), call.max_attempts, progress.now, deadline, call.random))


def _record(progress: _Progress, target: Target, error: SaferouteError, began: float) -> None:
    status = progress.head.status if progress.head else None
    attempt = Attempt(target.id, target.model, type(error).__name__, status, progress.now - began, _request_id(progress.head))
    progress.attempts += (attempt,)


def _explain(error: SaferouteError, progress: _Progress) -> None:
    error.attempts = progress.attempts
    if isinstance(error, TransportError | ProtocolError) and progress.fold.started is not None:
        error.partial = progress.fold.partial()


def _attempt(call: Call, target: Target, progress: _Progress, total: float, deadline: float) -> Flow[Reply[object]]:
    call.recheck(target)
    codec = call.codec(target.dialect)
    try:
        encoded = codec.encode(call.request, target)
    except ValueError as error:
        msg = "the request cannot be written as JSON: a text holds a lone surrogate, a number is not finite, or a kept state was altered"
        raise InvalidMessages(msg) from error
    times = target.deadlines
    clocks = Clocks(times.connect, times.first_byte, times.idle, total, deadline)
    fold = progress.fold
    decoder = Decoder(codec.reader(target), target.provider_name)
    began = progress.now
    opened = yield from send(encoded.request, clocks)
    progress.now, progress.head = opened.now, opened.head
    decoder.head(opened.head)
    notices = call.notices + encoded.notices
    held: list[StreamEvent[object]] = [Noticed(notice) for notice in notices]
    while fold.completed is None:
        chunk = yield from read()
        progress.now = chunk.now
        events = decoder.feed(chunk.data) if chunk.data else decoder.close()  # close() completes the answer or raises
        if events:
            fold.add(events)
            if call.request.stream:
                held = yield from _show(held, events, progress)
    yield from finish()
    attempt = Attempt(target.id, target.model, "ok", opened.head.status, progress.now - began, _request_id(opened.head))
    reply = _reply(call, target, progress, notices, attempt)
    if call.request.stream:
        progress.visible = True
        progress.now = yield from emit([*held, Finished(reply)])
    return reply


def _show(held: list[StreamEvent[object]], events: Sequence[DecodedEvent], progress: _Progress) -> Flow[list[StreamEvent[object]]]:
    """Hand events to the consumer; the first ones wait for content, so that a fallback is possible until then."""
    if progress.visible:
        shown: Sequence[StreamEvent[object]] = events  # type: ignore[assignment]  # all but Completed, which goes below
    else:
        held += events  # type: ignore[arg-type]  # as above
        if all(type(event) in {Started, Noticed} for event in held):
            return held
        shown = held
    if isinstance(events[-1], Completed):
        shown = shown[:-1]  # the consumer sees Finished in its place
    progress.visible = True
    if shown:
        progress.now = yield from emit(shown)
    return []


def _reply(call: Call, target: Target, progress: _Progress, notices: tuple[Notice, ...], attempt: Attempt) -> Reply[object]:
    started, completed = progress.fold.started, cast("Completed", progress.fold.completed)
    message = Message("assistant", progress.fold.content())
    reply: Reply[object] = Reply(
        message,
        (*call.request.messages, message),
        completed.finish_reason,
        completed.raw_finish_reason,
        completed.usage,
        cost_of(completed.usage, target.prices),
        call.route,
        target.id,
        _plain(started.model if started else "") or target.model,
        target.provider_name,
        _plain(started.id if started else "") or call.new_id(),
        attempt.request_id,
        notices,
        (*progress.attempts, attempt),
        {target.provider_name: metadata} if (metadata := completed.metadata) else {},
        completed.logprobs,
        tuple(Message("assistant", content) for content in completed.alternatives) if completed.alternatives else (),
    )
    return reply if call.output is None else _parsed(reply, call.output)


def _parsed(reply: Reply[object], output: Output) -> Reply[object]:
    if reply.finish_reason in {"tool_call", "pause"} and not reply.text:
        return replace(reply, _parsed=NOT_YET)  # the parsed answer comes in a later turn
    if reply.finish_reason not in {"stop", "stop_sequence", "other", "tool_call"}:
        msg = f"there is no parsed answer: the model ended with finish_reason {reply.finish_reason!r}; error.reply holds what it wrote"
        raise OutputInvalid(msg, reply=reply)
    try:
        value = output.parse(reply.text)
    except OutputInvalid as error:
        raise OutputInvalid(f"{error.message}; error.reply holds what the model wrote", reply=reply) from None
    return replace(reply, _parsed=value, _has_parsed=True)


def _request_id(head: Head | None) -> str | None:
    return request_id(head.headers) if head else None


def _plain(name: str) -> str:
    """A name that a provider made up, fit for logs, spans and reprs: printable, bounded, and not shaped like a key; else nothing."""
    fits = len(name) <= _LONGEST_NAME and name.isprintable() and not KEY_PREFIX.match(name)
    return name if fits else ""
