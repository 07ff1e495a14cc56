"""Attack: a way of calling that no guard sees: an endpoint that was added later, a stream, an operation besides chat.

A gateway ran its guards on some of its endpoints and not on others (PYSEC-2026-4074). Here every method that takes a route is called with a
text that a guard refuses, and with an answer that a guard refuses; nothing may leave, and nothing may be shown.

Guards: saferoute/call/guard_rules.py::return replace(call, guarding=guarding, again=again) => return call
Guards: saferoute/call/operation_prepare.py::return replace(call, guarding=Guarding(rules, route, places), again=planned) if rules.looks else call => return call
Guards: saferoute/call/flow.py::if guards is not None and events: => if False:
Guards: saferoute/call/operation.py::if call.guarding is not None and call.guarding.answers: => if False:
"""

from __future__ import annotations

import pytest

import saferoute
from saferoute.errors import GuardBlocked
from saferoute.guards import ALLOWED, Action, Context, Segment, Verdict, guard
from saferoute.values.events import Finished, TextDelta, ToolCallDelta, ToolCallReady
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer
from tests.support.surfaces import SURFACES

NO = Verdict(Action.BLOCK, ("no",))


@guard(stages=("input", "tool_result"), name="nothing-in", quick=True)
def nothing_in(segment: Segment, context: Context) -> Verdict:
    return NO


@guard(stages=("output", "tool_call"), name="nothing-out", quick=True)
def nothing_out(segment: Segment, context: Context) -> Verdict:
    return NO if context.stage in {"output", "tool_call"} else ALLOWED


def refused(kind: str, name: str, judges: object) -> tuple[int, Face]:
    """Call one surface, which has to be refused; how many requests came to the server, and the face."""
    surface = SURFACES[name]
    with CountingServer(surface.answer) as server:
        row = saferoute.loopback("here", port=server.port, dialect=surface.dialect)
        face = Face(kind, lambda client: client.local(servers=[row], secrets=saferoute.Secrets.of({}), guards=[judges]))
        with face, pytest.raises(GuardBlocked):
            surface.call(face, "here/m")
        return server.count, face


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name, surface in SURFACES.items() if surface.goes_in])
def test_no_surface_sends_what_a_guard_refuses(kind: str, name: str) -> None:
    assert refused(kind, name, nothing_in)[0] == 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [name for name, surface in SURFACES.items() if surface.comes_out])
def test_no_surface_shows_what_a_guard_refuses(kind: str, name: str) -> None:
    requests, face = refused(kind, name, nothing_out)
    assert requests == 1
    seen = getattr(face, "seen", [])  # of streams only
    assert not any(isinstance(event, TextDelta | ToolCallDelta | ToolCallReady | Finished) for event in seen)
