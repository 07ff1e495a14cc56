"""Attack: what was taken out of a request leaves all the same: with a retry, a fallback, a hedge, a copy for a shadow, or in a name.

Guards: saferoute/call/flow.py::call = replace(call.again(cleared), recording=call.recording) => call = replace(call.again(cleared), request=call.request, shadow=call.shadow, approved=call.approved)
Guards: saferoute/call/guarding_conclusions.py::if not place.replaceable:
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import GuardBlocked
from saferoute.testing.script import RawAnswer
from tests.support.balanced import Bed, bed, slowly, until
from tests.support.both import KINDS
from tests.support.counting_server import fails, says
from tests.support.guarded import Stopping
from tests.support.guarded_calls import LOOK

pytestmark = pytest.mark.parametrize("kind", KINDS)
KEY = "sk-" + "falcon" * 4


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


def sent(world: Bed) -> list[bytes]:
    """Everything that reached a server: the request line, headers and bodies."""
    every = [one for server in (world.a, world.b, world.s) for one in server.received]
    return [f"{one.target} {one.headers}".encode() + one.body for one in every]


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "slow"])
def test_no_attempt_and_no_copy_carries_it(kind: str, world: Bed, quick: bool) -> None:
    world.sign('targets = ["a", "b"]\nshadow = { target = "s", share = 1000, max_cost = "$1" }')
    world.a.script(fails(503), says("fine"))
    world.b.script(fails(500), says("fine"))
    face = world.open(kind, guards=[Stopping(KEY, quick=quick)], data="public")
    assert face.stream("fast", f"my key is {KEY}")[-1].type == "finished"
    until(lambda: world.s.count == 1, face)
    bodies = sent(world)
    assert len(bodies) == 4
    assert not [one for one in bodies if KEY.encode() in one]


def test_neither_side_of_a_hedge_carries_it(kind: str, world: Bed) -> None:
    world.sign('targets = ["a", "b"]\nhedge = { after = "10ms" }')
    face = world.open(kind, guards=[Stopping(KEY)])
    world.warm(face)
    late: RawAnswer | Any = slowly("late", 5.0)
    world.a.script(late)
    face.chat("fast", f"my key is {KEY}")
    assert len(sent(world)) == 2
    assert not [one for one in sent(world) if KEY.encode() in one]


@pytest.mark.parametrize("tool", [{**LOOK, "description": KEY}, {**LOOK, "name": KEY}, {**LOOK, "parameters": {"title": KEY}}], ids=repr)
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "slow"])
def test_where_it_cannot_be_taken_out_nothing_leaves(kind: str, world: Bed, quick: bool, tool: Any) -> None:
    world.sign('targets = ["a", "b"]')
    face = world.open(kind, guards=[Stopping(KEY, quick=quick)])
    with pytest.raises(GuardBlocked):
        face.chat("fast", "hi", tools=[tool])
    assert world.counts == (0, 0, 0)
