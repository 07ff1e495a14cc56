"""Attack: a provider is made to fail, or a call is made, so that a fallback list or a shadow carries the prompt to a row that may not have it.

The alias's own rows pass the capability, the data ceiling, the caller's bound and the status. These rows come in by another door.

Guards: saferoute/call/admission.py::running = tuple(row for row in rows if row.id not in snapshot.opened.halted) => running = rows
Guards: saferoute/call/admission.py::allowed = also_allowed(permissions, asked, running, trust=snapshot.authority.trust) => allowed = running
Guards: saferoute/call/admission.py::return tuple(row for row in allowed if (cost := _dollars(asked, row)) is not None and cost <= max_cost * _NANO) => return allowed
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from saferoute.errors import ServerError
from tests.drivers.test_narrow_and_halted import halt
from tests.support.balanced import Bed, bed, until
from tests.support.both import KINDS, Face
from tests.support.counting_server import fails

DEAR = 'prices = { input = "$100/M", output = "$1000/M" }'
WAYS = {
    "fallback": 'targets = ["a"]\nfallback = { any = "s", timeout = "s", quota = "s" }\n',
    "shadow": 'targets = ["a"]\nshadow = { target = "s", share = 1000, max_cost = "$9" }\n',
}
# What rules the row out: fields of the row, caveats of the capability, options of the call.
REASONS: dict[str, tuple[dict[str, str], dict[str, Any], dict[str, Any]]] = {
    "nothing": ({}, {}, {}),
    "models": ({}, {"models": ["a", "b"]}, {}),
    "routes": ({}, {"routes": ["fast", "a", "b"]}, {}),
    "regions": ({"region": "us"}, {"regions": "eu"}, {}),
    "cost of the capability": ({"more": DEAR}, {"max_cost": "$0.01"}, {}),
    "cost of the call": ({"more": DEAR}, {}, {"max_cost": "$0.01"}),
    "no price": ({"more": ""}, {}, {"max_cost": "$0.01"}),
    "data ceiling": ({"data": "public"}, {}, {"data": "internal"}),
    "status": ({}, {}, {}),
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


def ask(face: Face, world: Bed, way: str, **options: Any) -> None:
    if way == "shadow":
        assert face.chat("fast", "hi", **options).target == "a"
        return
    world.a.script(fails(500))
    try:
        assert face.chat("fast", "hi", max_attempts=2, **options).target == "s"
    except ServerError:
        assert world.a.count == 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reason", REASONS)
def test_it_is_never_asked(kind: str, way: str, reason: str, world: Bed) -> None:
    row, caveats, options = REASONS[reason]
    world.sign(WAYS[way], s=row)
    face = world.open(kind, world.mint(**caveats))
    if reason == "status":
        halt(face, "s")
    ask(face, world, way, **options)
    if reason == "nothing":  # the doors are open, and are what the other cases find shut
        until(lambda: world.s.count == 1, face)
        return
    quiet(face)
    assert world.s.count == 0


def quiet(face: Face) -> None:
    """Let what runs beside calls come to its end."""
    closed = face.client.close()
    if face.kind == "asyncio":
        face.wait(closed)
