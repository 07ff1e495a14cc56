"""The breaker as a state machine, against a model that remembers every request: random outcomes, in any order, and a clock that may slip."""

from __future__ import annotations

from math import inf
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

from saferoute.errors import BadRequest, ServerError
from saferoute.routing.breaker import CLOSED, LONGEST_REFUSAL, Breaker, begun, failed, given_back, phase, refused_until, succeeded
from saferoute.routing.health import Health
from tests.unit.health_rows import ROW, row

_SECONDS = st.floats(0.001, 90.0)
_SHARES = st.floats(0.0, 1.0, exclude_max=True)


class BreakerStates(RuleBasedStateMachine):
    """Requests leave when they may, and end in any order."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.breaker = CLOSED
        self.now = 1000.0
        self.outcomes: list[bool] = []  # of the model: those that count since it was last closed; True is a failure
        self.in_a_row = 0
        self.opened = 0  # openings since it was closed
        self.opened_at = -inf
        self.over_at = -inf  # when its time is over
        self.probe: float | None = None  # when the probe left, as long as it has the breaker
        self.rest = 0.0

    def begins(self) -> float:
        """A request leaves; as the model sees it, too."""
        if self.model_state() != "closed":
            self.probe = self.now
        self.breaker = begun(self.breaker, self.now)
        return self.now

    def model_state(self) -> str:
        if not self.opened:
            return "closed"
        return "probing" if self.probe is not None else "open"

    def model_refuses(self) -> bool:
        match self.model_state():
            case "closed":
                return False
            case "probing":
                assert self.probe is not None
                return self.now < self.probe + self.rest
            case _:
                return self.now < self.over_at

    @rule(target=requests)
    def leaves(self) -> Any:
        if refused_until(self.breaker, self.now) is not None:
            return -inf  # it did not leave
        return self.begins()

    @rule(seconds=_SECONDS)
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(began=consumes(requests))
    def succeeds(self, began: float) -> None:
        if began == -inf:
            return
        self.breaker = succeeded(self.breaker, began)
        if began <= self.opened_at:
            return
        if self.opened:
            self.outcomes, self.in_a_row, self.opened, self.probe = [], 0, 0, None
        else:
            self.outcomes.append(False)
            self.in_a_row = 0

    @rule(began=consumes(requests), share=_SHARES)
    def fails(self, began: float, share: float) -> None:
        if began == -inf:
            return
        self.breaker = failed(self.breaker, self.now, began, lambda: share)
        if began <= self.opened_at or self.model_state() == "open":
            return
        self.outcomes.append(True)
        self.in_a_row += 1
        if self.opened or self.in_a_row >= 5 or sum(self.outcomes[-20:]) >= 10:
            self.rest = min(5.0 * 2**self.opened, 60.0) * (0.9 + 0.2 * share)
            self.opened += 1
            self.opened_at, self.over_at = self.now, self.now + self.rest
            self.outcomes, self.in_a_row, self.probe = [], 0, None

    @rule(began=consumes(requests))
    def is_given_up(self, began: float) -> None:
        if began == -inf:
            return
        self.breaker = given_back(self.breaker, began)
        if self.probe is not None and began > self.probe - 1.0:
            self.probe = None
            self.over_at = -inf

    @rule(share=_SHARES, pause=st.floats(0.0, 100.0))
    def an_outage(self, share: float, pause: float) -> None:
        """Every request that may leave fails, until none may."""
        for _ in range(20):
            if refused_until(self.breaker, self.now) is not None:
                break
            self.now += 0.01
            began = self.begins()
            self.now += 0.01
            self.fails(began, share)
        self.now += pause

    @precondition(lambda self: self.breaker.state != "closed")
    @rule()
    def its_time_is_over_and_the_next_success_closes_it(self) -> None:
        until = refused_until(self.breaker, self.now)
        self.now = self.now if until is None else until
        assert refused_until(self.breaker, self.now) is None
        began = self.begins()
        assert refused_until(self.breaker, self.now) is not None
        self.now += 0.5
        self.succeeds(began)
        assert self.breaker == Breaker(since=self.opened_at)

    @invariant()
    def it_refuses_exactly_when_it_is_open_or_a_probe_is_under_way(self) -> None:
        assert (refused_until(self.breaker, self.now) is not None) is self.model_refuses()
        assert phase(self.breaker, self.now) == (
            "closed" if not self.opened else "open" if self.probe is None and self.model_refuses() else "half_open"
        )

    @invariant()
    def it_never_refuses_for_longer_than_the_bound(self) -> None:
        until = refused_until(self.breaker, self.now)
        assert until is None or 0.0 < until - self.now <= LONGEST_REFUSAL

    @invariant()
    def the_window_is_the_models(self) -> None:
        if self.breaker.state == "closed":
            shown = [bool(self.breaker.outcomes >> place & 1) for place in range(20)]
            last = self.outcomes[-20:][::-1]
            assert shown == last + [False] * (20 - len(last))
            assert self.breaker.in_a_row == self.in_a_row


class HealthStates(RuleBasedStateMachine):
    """The same through `Health`, where two requests may race for the probe, last resorts leave beside it, and the clock may go backwards."""

    requests = Bundle("requests")
    resorts = Bundle("resorts")

    @initialize(share=_SHARES)
    def start(self, share: float) -> None:
        self.health = Health(lambda: share)
        self.row = row()
        self.now = 1000.0
        self.under_way = 0
        self.ended = 0
        self.probes: list[float] = []  # when those left that may still be the probe

    @rule(target=requests)
    def leaves(self) -> Any:
        closed = self.health.shown([self.row], self.now)[0].breaker == "closed"
        rejected = self.health.refusal(self.row, self.now)
        assert self.health.begin(self.row, self.now) == rejected
        if rejected is not None:
            return None
        self.under_way += 1
        if not closed:
            assert self.health.refusal(self.row, self.now) is not None, "two probes at once"
            assert self.health.begin(self.row, self.now) is not None, "two probes at once"
        return self.now

    @rule(began=consumes(requests), kind=st.sampled_from(["ok", "fails", "neutral", "given up", "given up, not known when"]))
    def ends(self, began: float | None, kind: str) -> None:
        if began is None:
            return
        seconds = max(0.0, self.now - began)
        match kind:
            case "ok":
                self.health.succeeded(self.row, self.now, seconds, None)
            case "fails":
                self.health.failed(self.row, self.now, seconds, ServerError(status=500))
            case "neutral":
                self.health.failed(self.row, self.now, seconds, BadRequest(status=400))
            case "given up":
                self.health.given_up(self.row, self.now, seconds)
            case _:
                self.health.given_up(self.row, self.now)
        self.under_way -= 1
        self.ended += 1

    @rule(target=resorts)
    def leaves_as_a_last_resort(self) -> Any:
        before = _breaker(self.health)
        assert self.health.begin(self.row, self.now, last_resort=True) is None, "of a breaker all is a guess"
        assert _breaker(self.health) is before, "it took the probe"
        self.under_way += 1
        return self.now

    @rule(began=consumes(resorts), kind=st.sampled_from(["ok", "fails", "neutral", "given up", "given up, not known when"]))
    def a_last_resort_ends(self, began: float, kind: str) -> None:
        before, seconds = _breaker(self.health), max(0.0, self.now - began)
        match kind:
            case "ok":
                self.health.succeeded(self.row, self.now, seconds, None)
                if before.state != "closed":
                    stale = before.since - 3600.0 < self.now - seconds <= before.since
                    assert _breaker(self.health) == (before if stale else Breaker(since=before.since))
            case "fails":
                self.health.failed(self.row, self.now, seconds, ServerError(status=500), last_resort=True)
            case "neutral":
                self.health.failed(self.row, self.now, seconds, BadRequest(status=400), last_resort=True)
            case "given up":
                self.health.given_up(self.row, self.now, seconds, last_resort=True)
            case _:
                self.health.given_up(self.row, self.now, last_resort=True)
        if kind != "ok" and before.state != "closed":
            assert _breaker(self.health) is before, "it ended, or gave back, another request's probe"
        self.under_way -= 1
        self.ended += 1

    @rule(seconds=st.one_of(st.floats(0.001, 90.0), st.floats(-10_000.0, 10_000.0)))
    def the_clock_goes_on_or_back(self, seconds: float) -> None:
        self.now += seconds

    @rule(count=st.integers(1, 12))
    def an_outage(self, count: int) -> None:
        for _ in range(count):
            self.now += 0.01
            if self.health.begin(self.row, self.now) is None:
                self.now += 0.01
                self.health.failed(self.row, self.now, 0.01, ServerError(status=503))
                self.ended += 1

    @invariant()
    def what_is_shown_is_so(self) -> None:
        if not hasattr(self, "health"):
            return
        shown = self.health.shown([self.row], self.now)[0]
        rejected = self.health.refusal(self.row, self.now)
        assert shown.in_flight == self.under_way
        assert shown.requests == self.ended
        assert shown.failures <= shown.requests
        assert (shown.reason == "") is (rejected is None)
        assert shown.last_resort is (rejected is not None)
        assert 0.0 <= shown.available_in <= LONGEST_REFUSAL
        assert shown.breaker != "open" or rejected is not None

    @invariant()
    def a_while_later_one_success_makes_it_well(self) -> None:
        if not hasattr(self, "health"):
            return
        breaker = _breaker(self.health)
        until = refused_until(breaker, self.now)
        later = self.now if until is None else until
        assert self.now <= later <= self.now + LONGEST_REFUSAL
        assert refused_until(breaker, later) is None
        assert succeeded(begun(breaker, later), later).state == "closed"


def _breaker(health: Health) -> Breaker:
    known = health._rows.get(("a", ROW.model))  # what would come next is asked of a copy
    return known.breaker if known is not None else CLOSED


TestBreakerStates = BreakerStates.TestCase
TestBreakerStates.settings = settings(max_examples=80, stateful_step_count=50, deadline=None)
TestHealthStates = HealthStates.TestCase
TestHealthStates.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)


@given(outcomes=st.lists(st.booleans(), max_size=200), share=_SHARES)
def test_after_any_failures_a_probe_that_succeeds_recovers(outcomes: list[bool], share: float) -> None:
    breaker, now = CLOSED, 0.0
    for good in outcomes:
        now += 0.1
        until = refused_until(breaker, now)
        now = now if until is None else until
        breaker = begun(breaker, now)
        began, now = now, now + 0.1
        breaker = succeeded(breaker, began) if good else failed(breaker, now, began, lambda: share)
    now += LONGEST_REFUSAL
    assert refused_until(breaker, now) is None
    recovered = succeeded(begun(breaker, now), now)
    assert recovered.state == "closed"
    assert recovered.opened == 0
