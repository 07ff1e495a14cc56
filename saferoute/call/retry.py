"""Whether and when to try again: tenacity's decision engine over our own rules, with time and randomness passed in.

The first attempt costs nothing here: `next_delay` is called only after a failure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.errors import ProviderError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.errors import SaferouteError

__all__ = ["Situation", "next_delay"]

_BASE: Final = 0.5
_CEILING: Final = 8.0
_LONGEST_ASKED: Final = 120.0
"""Seconds. A provider that asks for a longer wait is not waited for: the caller hears of it instead."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where a call stands after a failed attempt.

    Attributes:
        error: what the attempt ended with.
        attempt: how many attempts were made, this one included.
        max_attempts: how many there may be.
        now: monotonic time, seconds.
        deadline: when the call's allowance ends, on the same clock.
        random: makes a number in [0, 1).
        elsewhere: the next attempt goes to another row, for which the error's `retry_after` does not count.
    """

    error: SaferouteError
    attempt: int
    max_attempts: int
    now: float
    deadline: float
    random: Callable[[], float]
    elsewhere: bool = False

    @property
    def asked_to_wait(self) -> float | None:
        """Seconds that the provider asked the next attempt to wait; None for nothing."""
        return None if self.elsewhere else getattr(self.error, "retry_after", None)


def is_retryable(error: BaseException) -> bool:
    """Whether the same request to the same target may succeed later."""
    return bool(getattr(error, "retryable", False)) and isinstance(error, ProviderError | TransportError)


def _wait(situation: Situation) -> float:
    """Full jitter over an exponential ceiling; never shorter than what the provider asked for."""
    jittered = situation.random() * min(_CEILING, _BASE * 2.0 ** (situation.attempt - 1))
    asked = situation.asked_to_wait
    return jittered if asked is None else max(float(asked), 0.0) + jittered * 0.1


def next_delay(situation: Situation) -> float | None:
    """Decide about another attempt at the same target.

    Returns:
        Seconds to wait before it; None for no further attempt.
    """
    from tenacity import DoSleep, RetryCallState, RetryError, Retrying  # noqa: PLC0415  paid by calls that failed only

    delay = _wait(situation)

    def stop(_: RetryCallState) -> bool:
        asked = situation.asked_to_wait or 0.0
        out_of_time = situation.now + delay >= situation.deadline
        return situation.attempt >= situation.max_attempts or out_of_time or asked > _LONGEST_ASKED

    def retry(_: RetryCallState) -> bool:
        return is_retryable(situation.error)

    retrying = Retrying(stop=stop, wait=lambda _: delay, retry=retry)
    state = RetryCallState(retrying, fn=None, args=(), kwargs={})
    state.attempt_number = situation.attempt
    state.set_exception((type(situation.error), situation.error, situation.error.__traceback__))
    retrying.begin()  # in the same step as iter(): tenacity keeps what iter() needs per thread
    try:
        action = retrying.iter(retry_state=state)
    except (RetryError, type(situation.error)):
        return None
    return float(action) if isinstance(action, DoSleep) else None
