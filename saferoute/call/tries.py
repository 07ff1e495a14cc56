"""Trying the targets of a call, one attempt after the other: the loop that chat and every other operation share.

What an attempt does is a parameter; whether another one follows, where, and after how long is decided here.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from saferoute.call.charging import charged
from saferoute.call.effects import Abandoned, cancel, sleep
from saferoute.call.retry import Situation, next_delay
from saferoute.errors import (
    AuthenticationRejected,
    ModelNotFound,
    PermissionDenied,
    ProtocolError,
    ProviderError,
    QuotaExceeded,
    SaferouteError,
    TransportError,
)
from saferoute.providers.statuses import request_id
from saferoute.values.reply import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.charging import Charge
    from saferoute.call.effects import Flow
    from saferoute.errors.root import PartialReply
    from saferoute.values.http import Head
    from saferoute.values.permission import Cost
    from saferoute.values.target import Target

__all__ = ["Progress", "Tried", "id_of", "tries"]

_log = logging.getLogger("saferoute")

# The other targets of an alias may still help against these, though the same target will not.
_ELSEWHERE: Final = (AuthenticationRejected, PermissionDenied, QuotaExceeded, ModelNotFound)


class Tried(Protocol):
    """What the loop needs to know of a call."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The rows that may answer, authorised, in order of preference; at least one."""

    @property
    def max_attempts(self) -> int:
        """How many attempts there may be."""

    @property
    def total(self) -> float | None:
        """The whole call's allowance in seconds; None takes the first target's."""

    @property
    def random(self) -> Callable[[], float]:
        """Makes numbers in [0, 1)."""

    @property
    def charge(self) -> Charge | None:
        """What every attempt is charged to; None where nothing is counted."""


class Progress:
    """What has happened in a call so far.

    Attributes:
        now: the driver's monotonic time.
        began: when the request that is under way began.
        attempts: every try that has ended, in order.
        failures: how many of them failed.
        visible: the consumer has seen something, so that no other target may take over.
        head: the head of the answer that is being read.
        billed: what the attempt is known to have cost; None as long as the provider has not reported it.
        paid: what every request of the attempt cost that was answered before the one under way; None for a cost that is not known.
    """

    __slots__ = ("attempts", "began", "billed", "failures", "head", "now", "paid", "visible")

    def __init__(self, now: float) -> None:
        self.now = now
        self.began = now
        self.attempts: tuple[Attempt, ...] = ()
        self.failures = 0
        self.visible = False
        self.head: Head | None = None
        self.billed: Cost | None = None
        self.paid: tuple[Cost | None, ...] = ()

    def begin(self) -> None:
        """A request begins."""
        self.began = self.now
        self.head = None

    def partial(self) -> PartialReply | None:
        """What had arrived of the answer; None if nothing had."""
        return None


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
        RequestError: when a target cannot take the call.
    """
    total = call.total if call.total is not None else call.targets[0].deadlines.total
    deadline = progress.now + total
    position = 0
    while True:
        target = call.targets[position]
        progress.begin()
        try:
            charge = call.charge
            if charge is None:
                return (yield from attempt(call, target, progress, total, deadline))
            return (yield from charged(charge, target, progress, attempt(call, target, progress, total, deadline)))
        except (ProviderError, TransportError, ProtocolError) as error:
            yield from cancel()
            _record(progress, target, error)
            following = _next_position(call, position, progress, error)
            if following is None:
                _explain(error, progress)
                raise
            if following == position:
                # The wait was decided with the position; tenacity is not asked twice.
                delay = next_delay(Situation(error, progress.failures, call.max_attempts, progress.now, deadline, call.random))
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


def _next_position(call: Tried, position: int, progress: Progress, error: SaferouteError) -> int | None:
    """Which target comes next: the following one, the same one again, or none."""
    if progress.visible or progress.failures >= call.max_attempts:
        return None
    retryable = bool(getattr(error, "retryable", False))
    if position + 1 < len(call.targets) and (retryable or isinstance(error, _ELSEWHERE)) and getattr(error, "clock", "") != "total":
        return position + 1
    return position if retryable else None


def _record(progress: Progress, target: Target, error: SaferouteError) -> None:
    status = progress.head.status if progress.head else None
    attempt = Attempt(target.id, target.model, type(error).__name__, status, progress.now - progress.began, id_of(progress.head))
    progress.attempts += (attempt,)
    progress.failures += 1


def _explain(error: SaferouteError, progress: Progress) -> None:
    error.attempts = progress.attempts
    if isinstance(error, TransportError | ProtocolError):
        partial: Any = progress.partial()
        if partial is not None:
            error.partial = partial


def id_of(head: Head | None) -> str | None:
    """The provider's id of the exchange."""
    return request_id(head.headers) if head else None
