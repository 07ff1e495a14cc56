"""Attack: somebody who decides which providers look well sends the prompts to a place of theirs.

What a client has seen of its rows chooses among them. It is kept by ids, and an id is looked up in nothing but the signed table.

Guards: saferoute/call/prepare.py::snapshot.opened.table.recheck(target)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import AllRoutesCooling, ServerError, UntrustedTable
from saferoute.routing.health import Health
from saferoute.routing.row_condition import RowCondition
from saferoute.routing.strategies import order
from saferoute.values.balancing import Facts, Policy
from saferoute.values.target import Target
from tests.support.balanced import Bed, bed
from tests.support.both import KINDS, Face
from tests.unit.strategy_cases import ABC, EVERY, NOW

pytestmark = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        made.sign('targets = ["a", "b"]\nstrategy = "lowest_latency"\n')
        yield made


def health_of(face: Face) -> Health:
    health: Health = face.client._core.snapshot.health
    return health


def test_rows_that_health_knows_are_not_asked_for_it(kind: str, world: Bed) -> None:
    face = world.open(kind)
    health, rows = health_of(face), face.client._core.table.routes
    evil = replace(rows["a"], origin=world.s.origin, model="s")
    health._rows["a"] = RowCondition(evil)  # it says of itself that it is somewhere else
    health._rows["evil"] = RowCondition(replace(evil, id="evil"))
    for _ in range(4):
        assert face.chat("fast", "hi").target in {"a", "b"}
    assert world.s.count == 0
    for name in ("a", "b"):
        for _ in range(5):
            health.begin(rows[name], 0.0)
    for name in ("a", "b"):
        for _ in range(5):
            health.failed(rows[name], _now(), 0.0, ServerError(status=500))
    with pytest.raises(AllRoutesCooling):
        face.chat("fast", "hi", wait=True, timeout=0.5)
    assert face.chat("fast", "hi").attempts[0].why == "last resort: every row rests"  # and it is one of the two that were signed
    assert world.s.count == 0


def _now() -> float:
    import time

    return time.monotonic()


def test_every_strategy_gives_the_rows_it_got_and_no_other(kind: str) -> None:
    class Lying:
        in_flight, latency, first_token, updated = -5, -1.0, float("nan"), 1e18

        def headroom(self, now: float) -> float:
            return 7.0 * now

    for strategy in EVERY:
        policy = Policy(strategy, tag="t", tagged={"x": ("a", "evil")}, weights={"evil": 1000})
        found = order(ABC, policy, lambda _: Lying(), Facts(lambda: 9, tags={"t": "x"}), NOW, lambda: 0.5)
        assert sorted(row.id for row in found) == ["a", "b", "c"], (kind, strategy)
        assert all(any(row is one for one in ABC) for row in found)


def test_a_row_that_is_swapped_for_another_on_its_way_is_not_asked(kind: str, world: Bed, monkeypatch: pytest.MonkeyPatch) -> None:
    def swapped(targets: tuple[Target, ...], *_: Any) -> tuple[Target, ...]:
        return tuple(replace(row, origin=world.s.origin) for row in targets)

    monkeypatch.setattr("saferoute.call.balancing.order", swapped)
    with pytest.raises(UntrustedTable, match="not what was signed"):
        world.open(kind).chat("fast", "hi")
    assert world.counts == (0, 0, 0)
