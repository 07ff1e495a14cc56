"""Attack: a guard is broken on purpose, or worn out, so that what it should stop passes: it raises, hangs, answers nonsense, or turns away.

Guards: saferoute/guards/pipeline.py::action = Action.FLAG if active.on_error == "flag" else Action.BLOCK => action = Action.FLAG
Guards: saferoute/guards/pipeline.py::why = _unusable(outcome, len(segment.text)) => why = ""
Guards: saferoute/guards/pipeline.py::object.__setattr__(self, "stages", frozenset(self.guard.stages)) => object.__setattr__(self, "stages", self.guard.stages)
Guards: saferoute/drivers/judging.py::outcomes: list[object] = [None] * len(effect.questions) => from saferoute.values.guarding import ALLOWED; outcomes: list[object] = [ALLOWED] * len(effect.questions)
Guards: saferoute/drivers/judging.py::return [None if one in late or one.cancelled() else _passed_on(one.result()) for one in futures] => from saferoute.values.guarding import ALLOWED; return [ALLOWED if one in late or one.cancelled() else _passed_on(one.result()) for one in futures]
Guards: saferoute/guards/answers.py::self._record([judged(active, place, Segment(text, path=path), "output")])
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from saferoute.errors import GuardError, GuardFailed
from saferoute.guards import Action, Context, Segment, Span, Verdict
from tests.support.both import KINDS
from tests.support.counting_server import CountingServer, says
from tests.support.guarded import Saying, Words
from tests.support.guarded_calls import guarded, hurried

pytestmark = pytest.mark.parametrize("kind", KINDS)
ROUTE = "here/m"


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with CountingServer(says("the falcon flies")) as running:
        yield running


class Hung(Exception):
    pass


BROKEN: dict[str, Any] = {
    "it raises": Hung("x"),
    "it answers nothing": lambda *_: None,
    "it answers True": True,
    "it answers with an action": Action.ALLOW,
    "it points outside the text": Verdict(Action.FLAG, (), (Span(0, 10_000, "word"),)),
    "it takes nothing out": Verdict(Action.REDACT, (), (Span(0, 0, "word"),)),
    "it recurses for ever": lambda segment, context: BROKEN["it recurses for ever"](segment, context),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("quick", [True, False], ids=["quick", "slow"])
def test_a_guard_that_breaks_opens_nothing(kind: str, quick: bool, server: CountingServer, broken: str) -> None:
    with guarded(kind, server, Saying(BROKEN[broken], quick=quick)) as face, pytest.raises(GuardFailed):
        face.chat(ROUTE, "hi")
    assert server.count == 0


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "slow"])
def test_a_guard_that_breaks_on_an_answer_shows_nothing(kind: str, quick: bool, server: CountingServer) -> None:
    with guarded(kind, server, Saying(Hung("x"), quick=quick, stages=["output"])) as face:
        with pytest.raises(GuardFailed):
            face.stream(ROUTE, "hi")
        assert not any(event.type == "text" for event in face.seen)


def test_a_guard_that_hangs_opens_nothing(kind: str, server: CountingServer) -> None:
    free = threading.Event()
    try:
        with hurried(guarded(kind, server, Saying(lambda *_: free.wait(10))), 0.05) as face, pytest.raises(GuardFailed):
            face.chat(ROUTE, "hi")
    finally:
        free.set()
    assert server.count == 0


def test_a_coroutine_that_hangs_opens_nothing(kind: str, server: CountingServer) -> None:
    class Asleep(Saying):
        async def acheck(self, segment: Segment, context: Context) -> Verdict:
            await asyncio.sleep(30)
            return Verdict(Action.ALLOW)

    with hurried(guarded(kind, server, Asleep()), 0.05) as face, pytest.raises(GuardFailed):
        face.chat(ROUTE, "hi")
    assert server.count == 0


def test_a_client_whose_threads_all_hang_opens_nothing(kind: str, server: CountingServer) -> None:
    free = threading.Event()
    try:
        with hurried(guarded(kind, server, Saying(lambda *_: free.wait(10))), 0.01) as face:
            for _ in range(12):  # eight threads each
                with pytest.raises(GuardFailed):
                    face.chat(ROUTE, [{"role": "user", "content": str(number)} for number in range(20)])
    finally:
        free.set()
    assert server.count == 0


@pytest.mark.parametrize("quick", [True, False], ids=["quick", "slow"])
def test_a_guard_that_forgets_its_stages_is_asked_all_the_same(kind: str, quick: bool, server: CountingServer) -> None:
    one = Words("falcon", action=Action.BLOCK, quick=quick, stages=["input"])
    stages = {"input"}
    one.stages = stages  # type: ignore[assignment]  # a set that somebody empties
    with guarded(kind, server, one) as face:
        stages.clear()
        with pytest.raises(GuardError):
            face.chat(ROUTE, "the falcon")
    assert server.count == 0


def test_a_guard_that_cannot_say_what_is_open_opens_nothing(kind: str, server: CountingServer) -> None:
    class Confused(Words):
        def open_candidate(self, text: str, start: int = 0) -> int:
            raise Hung("x")

    server.script(says("a ", "blue ", "bird ", pause=0.4))  # in several reads: of what is whole at once nothing is open
    with guarded(kind, server, Confused("owl", stages=["output"])) as face:
        with pytest.raises(GuardFailed):
            face.stream(ROUTE, "hi")
        assert not any(event.type == "text" for event in face.seen)
