"""Attack: a provider is made slow, so that hedges send more requests, or spend more, than the call may.

Guards: saferoute/call/hedging.py::if progress.last or call.balancing.health.p95(timed_as(call)) is None: => if call.balancing.health.p95(timed_as(call)) is None:
Guards: saferoute/call/hedging.py::sides[0].last, sides[1].last = requests < _BOTH + 1, requests < _BOTH + 2  # each may send one more, with a key's other revision
Guards: saferoute/call/balancing.py::beside = 0 if cap is None else cap.worst.get(target.id, cap.amount)  # both may be billed in full => beside = 0
Guards: saferoute/call/attempt.py::return flow if call.charge is None else charged(call.charge, target, progress, flow) => return flow
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.errors import SaferouteError, ServerError
from saferoute.testing.script import RawAnswer
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS
from tests.unit.balancing_cases import Track, fails, hedged, row
from tests.unit.test_balancing_races import Rotating

HEDGE = 'targets = ["a", "b", "s"]\nhedge = { after = "50ms" }\nmax_attempts = 20\n'
LATE = RawAnswer(500, (("content-type", "application/json"), ("retry-after-ms", "1")), (b"{}",), first_pause=0.4)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        made.sign(HEDGE)
        yield made


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("most", [1, 2, 3, 4])
def test_no_more_requests_than_the_call_may_send(kind: str, most: int, world: Bed) -> None:
    face = world.open(kind)
    world.warm(face)
    for server in (world.a, world.b, world.s):
        server.script(LATE)
    with pytest.raises(ServerError) as caught:
        face.chat("fast", "hi", max_attempts=most)
    assert sum(world.counts) == len(caught.value.attempts) == most


@pytest.mark.parametrize("most", range(2, 8))
def test_no_more_with_another_revision_of_a_key_either(most: int) -> None:
    world = Rotating(*[fails(500)] * 8)
    with pytest.raises(ServerError):
        Track(world, *[(0, 1)] * 4).run(hedged(*(row(name) for name in "abcdefgh"), max_attempts=most))
    assert world.sent == most


@pytest.mark.parametrize("kind", KINDS)
def test_the_callers_bound_covers_both(kind: str, world: Bed) -> None:
    face = world.open(kind)
    world.warm(face)
    world.a.script(slowly("a", 0.8))
    reply = face.chat("fast", "hi", max_cost="$0.0018")  # the worst case of one attempt is a little more than $0.001
    assert (reply.target, len(reply.attempts)) == ("a", 1)
    assert sum(world.counts) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_budget_is_not_passed(kind: str, world: Bed) -> None:
    limit = 5_000_000  # of which the twenty calls that come first take 600,000, in billionths of a dollar
    face = world.open(kind, world.mint(budget=f"${limit / 1e9:.6f}"))
    world.warm(face)
    world.a.script(slowly("late", 5.0))
    sent = 0
    for _ in range(8):
        try:
            face.chat("fast", "hi")
        except SaferouteError as error:
            assert type(error).__name__ == "BudgetExceeded"
            break
        sent += 1
    until(lambda: face.wait(face.client.remaining())[0].reserved == 0, face)
    (standing,) = face.wait(face.client.remaining())
    assert 0 < sent < 8
    assert standing.spent <= limit
    assert world.counts == (sent, sent, 0)
    assert standing.spent >= 600_000 + sent * (30_000 + 1_000_000)  # the losers with their worst case
