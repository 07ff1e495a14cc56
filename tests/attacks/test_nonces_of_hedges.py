"""Attack: a call token is good once, and a call that is retried, hedged and copied sends several requests: one of them makes it good twice.

Or none of them uses it up, and it can be sent again.

Guards: saferoute/call/charging.py::held = yield from reserve(charge.store, debits, None if progress.vouched else charge.once, progress.allowance) => held = yield from reserve(charge.store, debits, None)
Guards: saferoute/call/hedging.py::progress.late, progress.vouched = progress.now - began, first.vouched => progress.late, progress.vouched, charge = 0.0, True, None
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from saferoute.call.effects import Reserve
from saferoute.errors import CapabilityInvalid, ServerError
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS
from tests.support.counting_server import fails
from tests.support.deployment import refused
from tests.unit.balancing_cases import A, B, Clockwork, Track, hedged, ok
from tests.unit.test_balancing_races import ONCE, Door
from tests.unit.test_charging import charge

EVERYTHING = """targets = ["a", "b"]
hedge = { after = "50ms" }
shadow = { target = "s", share = 1000, max_cost = "$1" }
"""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        made.sign(EVERYTHING)
        yield made


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_used_up_once_by_a_hedge_and_a_copy(kind: str, world: Bed) -> None:
    capability = world.mint()
    face = world.open(kind, world.mint())
    world.warm(face)
    until(lambda: face.client.health()["s"].requests == 20, face)
    world.forget()
    world.a.script(slowly())
    token = capability.prove("fast", "hi", audience="team", instance=face.client.instance)
    reply = face.chat("fast", "hi", capability=token)
    assert [(one.target, one.outcome) for one in reply.attempts] == [("a", "given up"), ("b", "ok")]
    until(lambda: world.counts == (1, 1, 1), face)
    assert refused(face, "fast", "hi", capability=token) == "replayed"
    until(lambda: face.client.health()["s"].in_flight == 0, face)
    assert world.counts == (1, 1, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_used_up_by_a_call_that_fails(kind: str, world: Bed) -> None:
    capability, face = world.mint(), world.open(kind, world.mint())
    world.a.script(fails(500))
    world.b.script(fails(500))
    token = capability.prove("fast", "hi", audience="team", instance=face.client.instance, max_attempts=3)
    with pytest.raises(ServerError) as caught:
        face.chat("fast", "hi", capability=token, max_attempts=3)
    assert [one.target for one in caught.value.attempts] == ["a", "b", "a"]
    assert refused(face, "fast", "hi", capability=token, max_attempts=3) == "replayed"
    assert world.counts[:2] == (2, 1)


def test_while_it_is_not_known_to_be_fresh_no_second_request_leaves() -> None:
    """The store is slow, and the token was used before: the hedge must not be sent on the word of an attempt that is about to be refused."""
    door, world = Door(), Clockwork(ok())
    door.seen.add(ONCE[0])
    track = Track(world, (1, 0), stuck=Reserve)
    with pytest.raises(CapabilityInvalid, match="used before"):
        track.run(hedged(A, B, charge=charge(door, once=ONCE, rows=("a", "b"))))
    assert track.raced[0].began
    assert world.requests == []
