"""Whether and when to try again: a pure function of time, randomness and what went wrong."""

from __future__ import annotations

import threading

import pytest

from saferoute.call.retry import Situation, next_delay
from saferoute.errors import (
    AuthenticationRejected,
    ConnectFailed,
    ProtocolError,
    RateLimited,
    SaferouteError,
    ServerError,
    StreamInterrupted,
    TimedOut,
)


def situation(error: SaferouteError, *, attempt: int = 1, max_attempts: int = 3, deadline: float = 100.0, random: float = 0.5) -> Situation:
    return Situation(error, attempt, max_attempts, 0.0, deadline, lambda: random)


CASES = [
    (situation(ServerError(status=500)), 0.25),
    (situation(ServerError(status=500), attempt=2), 0.5),
    (situation(ServerError(status=500), attempt=2, random=0.0), 0.0),
    (situation(ServerError(status=500), attempt=3), None),
    (situation(ServerError(status=500), attempt=9, max_attempts=99, random=1.0), 8.0),
    (situation(ServerError(status=500), deadline=0.2), None),
    (situation(RateLimited(status=429, retry_after=7.0), random=0.0), 7.0),
    (situation(RateLimited(status=429, retry_after=7.0), deadline=7.0), None),
    (situation(RateLimited(status=429, retry_after=121.0), deadline=1e6), None),
    (situation(RateLimited(status=429, retry_after=-5.0), random=0.0), 0.0),
    (situation(RateLimited(status=429, retryable=False)), None),
    (situation(AuthenticationRejected(status=401)), None),
    (situation(ConnectFailed("x")), 0.25),
    (situation(ConnectFailed("x", retryable=False)), None),
    (situation(StreamInterrupted("x")), 0.25),
    (situation(TimedOut(clock="total", seconds=1, sent=True)), None),
    (situation(TimedOut(clock="connect", seconds=1, sent=False)), 0.25),
    (situation(ProtocolError("x")), None),
]


@pytest.mark.parametrize(("where", "expected"), CASES)
def test_decisions(where: Situation, expected: float | None) -> None:
    assert next_delay(where) == (None if expected is None else pytest.approx(expected))


def test_decisions_in_a_second_thread() -> None:
    """tenacity keeps state per thread: an engine that was begun in one thread once failed in the next."""
    got: list[float | None] = []
    for _ in range(2):
        thread = threading.Thread(target=lambda: got.append(next_delay(situation(ServerError(status=500)))))
        thread.start()
        thread.join()
    assert got == [0.25, 0.25]
