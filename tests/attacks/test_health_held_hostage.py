"""Attack: a caller or a provider turns the memory of failures against everybody else, or against the process that keeps it.

Guards: saferoute/routing/quota_groups.py::if key not in self._resting and len(self._resting) >= MAX_GROUPS:
Guards: saferoute/routing/quota_groups.py::return min(retry_after, LONGEST_REST)
Guards: saferoute/routing/health.py::if len(kept) >= MAX_NAMES:
Guards: saferoute/routing/health.py::return error.clock != "total"
"""

from __future__ import annotations

import pytest

from saferoute.errors import AuthenticationRejected, BadRequest, QuotaExceeded, RateLimited, SaferouteError, TimedOut
from saferoute.routing.health import MAX_NAMES, MAX_ROWS, Health
from saferoute.routing.quota_groups import MAX_GROUPS
from tests.unit.health_rows import middle, row


def test_models_without_end_do_not_fill_the_memory() -> None:
    health = Health(middle)
    for number in range(MAX_ROWS + MAX_GROUPS):
        target = row("any", model=f"hostile-{number}x")
        health.begin(target, 1.0)
        health.failed(target, 1.0, 0.0, RateLimited(status=429, retry_after=3000.0))
    assert len(health._groups) <= MAX_GROUPS
    assert len(health._rows) <= MAX_ROWS


def test_names_without_end_do_not_fill_the_memory() -> None:
    health = Health(middle)
    for number in range(2 * MAX_NAMES):
        health.turn(f"any/hostile-{number}")
        health.took(f"any/hostile-{number}", 1.0)
    assert len(health._turns) <= MAX_NAMES
    assert len(health._recent) <= MAX_NAMES


@pytest.mark.parametrize("kind", [RateLimited, QuotaExceeded])
@pytest.mark.parametrize("seconds", [1e300, float("inf"), 3601.0])
def test_a_provider_that_asks_for_a_thousand_years_gets_an_hour(kind: type[RateLimited | QuotaExceeded], seconds: float) -> None:
    health = Health(middle)
    health.begin(row(), 1.0)
    health.failed(row(), 1.0, 0.0, kind(status=429, retry_after=seconds))
    assert health.refusal(row(), 3600.0) is not None
    assert health.refusal(row(), 3601.0) is None


@pytest.mark.parametrize(
    "error", [TimedOut(clock="total", seconds=0.001, sent=True), BadRequest(status=400), AuthenticationRejected(status=401)], ids=repr
)
def test_one_callers_bad_requests_and_tiny_deadlines_take_no_row_from_the_others(error: SaferouteError) -> None:
    health = Health(middle)
    for _ in range(100):
        health.begin(row(), 1.0)
        health.failed(row(), 1.0, 0.0, error)
    assert health.refusal(row(), 1.0) is None
