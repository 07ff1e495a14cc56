"""Every way in and out of a client, both drivers: each guard is asked exactly once about each text, and one that blocks stops the call.

The tables are complete: a new method that takes a route, or a new text of a method, has to be added here before these tests pass.
"""

from __future__ import annotations

import asyncio
import inspect
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import saferoute
from saferoute.client.blocking import Client
from saferoute.client.concurrent import AsyncClient
from saferoute.errors import GuardBlocked
from saferoute.guards import ALLOWED, Action, Context, Segment, Verdict
from saferoute.testing.script import RawAnswer
from saferoute.values.events import Finished, TextDelta, ToolCallDelta, ToolCallReady
from saferoute.values.target import Dialect
from tests.support.balanced import Bed, bed, slowly, until, vectors
from tests.support.both import KINDS, Face
from tests.support.counting_server import CountingServer, Step, fails, says
from tests.support.guarded import Saying, Words
from tests.support.guarded_calls import LOOK, guarded
from tests.support.surfaces import PNG, SAID, SOUND, SURFACES, WITH_SCHEMA, plain


class Told(Saying):
    """A guard that counts what it is asked, and says no where it is told to."""

    def __init__(self, name: str, *, quick: bool = False) -> None:
        super().__init__(self._judge, name=name, quick=quick)
        self.refuses: Callable[[str, str], bool] = lambda _, __: False

    def _judge(self, segment: Segment, context: Context) -> Verdict:
        return NO if self.refuses(context.stage, segment.text) else ALLOWED


class Awaited(Told):
    """Such a guard, asynchronous."""

    async def acheck(self, segment: Segment, context: Context) -> Verdict:
        await asyncio.sleep(0)
        verdict: Verdict = self.check(segment, context)
        return verdict


WAYS = ("quick", "slow", "coroutine")
NO = Verdict(Action.BLOCK, ("no",))


def counting() -> dict[str, Told]:
    """A guard of each kind: asked in the calling thread, in a thread of its own, as a task."""
    return {"quick": Told("quick", quick=True), "slow": Told("slow"), "coroutine": Awaited("coroutine")}


class Matrix:
    """A server, and for each dialect a client with the three guards."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.server = CountingServer(SAID)
        self.server.start()
        self.guards = counting()
        self._faces: dict[str, Face] = {}

    def face(self, dialect: Dialect) -> Face:
        """The client of a dialect, with every connection closed."""
        if dialect not in self._faces:
            row = saferoute.loopback("here", port=self.server.port, dialect=dialect)
            options: dict[str, Any] = {"servers": [row], "secrets": saferoute.Secrets.of({}), "guards": list(self.guards.values())}
            self._faces[dialect] = Face(self.kind, lambda client: client.local(**options))
        return self._faces[dialect]

    def begin(self, *steps: Step) -> None:
        """Forget what was asked, and play these answers."""
        self.server.script(*steps)
        self.server.received.clear()
        self.server.count = 0
        for one in self.guards.values():
            one.asked.clear()
            one.refuses = lambda _, __: False

    def close(self) -> None:
        for face in self._faces.values():
            face.__exit__()
        self.server.stop()


@pytest.fixture(scope="module", params=KINDS)
def matrix(request: pytest.FixtureRequest) -> Iterator[Matrix]:
    made = Matrix(str(request.param))
    yield made
    made.close()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bed]:
    with bed(tmp_path) as made:
        yield made


def asked_by(one: Any) -> Counter[tuple[str, str]]:
    return Counter((stage, text) for stage, _, text in one.asked)


def expected(name: str) -> Counter[tuple[str, str]]:
    return Counter([*SURFACES[name].goes_in, *SURFACES[name].comes_out])


def without_schema(name: str, counted: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """The schema of an answer is a text too, and its name another; what they look like is a matter of other tests."""
    if name != WITH_SCHEMA:
        return counted
    known = expected(name)
    more = [key for key in counted if key not in known]
    assert len(more) == 2
    assert all(counted[key] == 1 and key[0] == "input" for key in more)
    return Counter({key: count for key, count in counted.items() if key in known})


def test_every_method_that_takes_a_route_is_in_the_table() -> None:
    asks_nothing = {"allows"}  # says what a call may do; nothing is sent
    for client in (Client, AsyncClient):
        methods = {
            name
            for name in dir(client)
            if not name.startswith("_")
            and callable(getattr(client, name))
            and "route" in inspect.signature(getattr(client, name)).parameters
        }
        assert methods - asks_nothing == {surface.method for surface in SURFACES.values()}


@pytest.mark.parametrize("name", SURFACES)
def test_each_guard_is_asked_once_about_each_text(matrix: Matrix, name: str) -> None:
    surface = SURFACES[name]
    matrix.begin(surface.answer)
    surface.call(matrix.face(surface.dialect), "here/m")
    assert matrix.server.count == surface.requests
    for one in matrix.guards.values():
        assert without_schema(name, asked_by(one)) == expected(name), one.name


RETRIED = sorted(name for name, surface in SURFACES.items() if surface.requests)


@pytest.mark.parametrize("name", RETRIED)
def test_a_second_try_asks_nobody_again(matrix: Matrix, name: str) -> None:
    surface = SURFACES[name]
    matrix.begin(fails(500), surface.answer)
    surface.call(matrix.face(surface.dialect), "here/m")
    assert matrix.server.count == 2
    for one in matrix.guards.values():
        assert without_schema(name, asked_by(one)) == expected(name), one.name


GOES_IN = sorted(name for name, surface in SURFACES.items() if surface.goes_in)
COMES_OUT = sorted(name for name, surface in SURFACES.items() if surface.comes_out)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", GOES_IN)
def test_a_guard_that_blocks_stops_it_before_a_byte_leaves(matrix: Matrix, name: str, way: str) -> None:
    surface = SURFACES[name]
    last = surface.goes_in[-1]
    matrix.begin(surface.answer)
    one = matrix.guards[way]
    one.refuses = lambda stage, text: (stage, text) == last
    before = matrix.server.bytes_received, len(matrix.server.lines)
    with pytest.raises(GuardBlocked) as caught:
        surface.call(matrix.face(surface.dialect), "here/m")
    assert (matrix.server.count, matrix.server.bytes_received, len(matrix.server.lines)) == (0, *before)
    assert caught.value.attempts == ()
    assert without_schema(name, asked_by(one)) == Counter(surface.goes_in)


def test_not_even_a_connection_is_made_for_what_is_blocked(kind: str) -> None:
    one = Told("quick", quick=True)
    one.refuses = lambda stage, _: stage == "input"
    with CountingServer(SAID) as server, guarded(kind, server, one) as face:
        for surface in SURFACES.values():
            if surface.dialect == "openai_chat" and surface.goes_in:
                with pytest.raises(GuardBlocked):
                    surface.call(face, "here/m")
        assert (server.count, server.bytes_received, server.lines) == (0, 0, {})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", COMES_OUT)
def test_a_guard_that_blocks_what_comes_out_shows_nothing_of_it(matrix: Matrix, name: str, way: str) -> None:
    surface = SURFACES[name]
    matrix.begin(surface.answer)
    one = matrix.guards[way]
    one.refuses = lambda stage, _: stage in {"output", "tool_call"}
    face = matrix.face(surface.dialect)
    with pytest.raises(GuardBlocked) as caught:
        surface.call(face, "here/m")
    if surface.method == "stream":
        assert not any(isinstance(event, TextDelta | ToolCallDelta | ToolCallReady | Finished) for event in face.seen)
    assert matrix.server.count == 1
    assert without_schema(name, asked_by(one)) == expected(name)
    assert surface.comes_out[0][1] not in f"{caught.value}{caught.value!r}{caught.value.verdicts}{caught.value.diagnostics()}"


# ----------------------------------------------------------------------------------------- more than one row, more than one request

ALL_OPERATIONS = ["chat", "embed", "count_tokens", "rerank", "transcribe", "speak", "image", "moderate"]
FELL_BACK = sorted(
    name
    for name, surface in SURFACES.items()
    if surface.dialect == "openai_chat" and surface.requests and surface.method not in {"available_models", "chat", "stream"}
)


@pytest.mark.parametrize("name", FELL_BACK)
def test_the_next_row_of_an_alias_asks_nobody_again(world: Bed, kind: str, name: str) -> None:
    surface = SURFACES[name]
    world.sign('targets = ["a", "b"]', b={"model": "a"})
    guards = [*counting().values()]
    face = world.open(kind, world.mint(operations=ALL_OPERATIONS), guards=guards)
    world.a.script(fails(500))
    world.b.script(surface.answer)
    surface.call(face, "fast")
    assert world.b.count == 1
    for one in guards:
        assert asked_by(one) == expected(name), one.name


FLOWS: dict[str, tuple[str, dict[str, list[Step]], tuple[int, int, int]]] = {
    "fallback": ('targets = ["a", "b"]', {"a": [fails(500)], "b": [SAID]}, (1, 1, 0)),
    "retry": ('targets = ["a"]', {"a": [fails(500), SAID]}, (2, 0, 0)),
    "hedge": ('targets = ["a", "b"]\nhedge = { after = "10ms" }', {"a": [slowly("late", 5.0)], "b": [SAID]}, (1, 1, 0)),
    "shadow": (
        'targets = ["a"]\nshadow = { target = "s", share = 1000, max_cost = "$1" }',
        {"a": [SAID], "s": [says("elsewhere")]},
        (1, 0, 1),
    ),
}


@pytest.mark.parametrize("method", ["chat", "stream"])
@pytest.mark.parametrize("flow", FLOWS)
def test_every_guard_is_asked_once_however_many_requests_a_call_makes(world: Bed, kind: str, flow: str, method: str) -> None:
    alias, answers, counts = FLOWS[flow]
    world.sign(alias)
    guards = [*counting().values()]
    face = world.open(kind, guards=guards, data="public")
    if flow == "hedge":
        world.warm(face, stream=method == "stream")
        for one in guards:
            one.asked.clear()
    for name, steps in answers.items():
        getattr(world, name).script(*steps)
    surface = SURFACES[method]
    surface.call(face, "fast")
    until(lambda: world.counts == counts, face)
    for one in guards:
        assert asked_by(one) == expected(method), one.name


# ------------------------------------------------------------------------------------------------------- streams that are cancelled


def calls_and_goes_on(arguments: str) -> RawAnswer:
    """An answer in a dialect that says where a call ends; it goes on for a while after that."""

    def event(kind: str, **fields: Any) -> bytes:
        return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()

    head: dict[str, Any] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
    more = [event("content_block_delta", index=1, delta={"type": "text_delta", "text": "on "})] * 200
    return RawAnswer(
        headers=(("content-type", "text/event-stream"),),
        pieces=(
            event("message_start", message={**head, "usage": {"input_tokens": 5, "output_tokens": 1}}),
            event("content_block_start", index=0, content_block={"type": "tool_use", "id": "c1", "name": "look", "input": {}}),
            event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": arguments}),
            event("content_block_stop", index=0),
            event("content_block_start", index=1, content_block={"type": "text", "text": ""}),
            *more,
        ),
        framing="chunked",
        pause=0.01,
    )


def test_a_blocked_tool_call_cancels_the_request(kind: str) -> None:
    with CountingServer(calls_and_goes_on('{"q": "the falcon"}')) as server:
        row = saferoute.loopback("here", port=server.port, dialect="anthropic_messages")
        judges = Words("falcon", action=Action.BLOCK, stages=["tool_call"])
        face = Face(kind, lambda client: client.local(servers=[row], secrets=saferoute.Secrets.of({}), guards=[judges]))
        with face, pytest.raises(GuardBlocked):
            face.stream("here/m", "hi", tools=[LOOK], max_output_tokens=100)
        assert server.settled(1)
        assert not any(isinstance(event, ToolCallDelta | ToolCallReady) for event in face.seen)


def test_a_stream_is_cancelled_at_the_piece_that_is_blocked(kind: str) -> None:
    with CountingServer(says("a ", "falcon ", *["on "] * 500, pause=0.05)) as server:
        with guarded(kind, server, Words("falcon", action=Action.BLOCK)) as face, pytest.raises(GuardBlocked):
            face.stream("here/m", "hi")
        assert server.settled(1)
        assert server.bytes_sent < 500 * 20  # of about 80 KB


def test_vectors_come_back_as_they_were(kind: str) -> None:
    """What has no text is not touched: a guard that takes out everything leaves numbers alone."""
    every = Saying(lambda segment, context: ALLOWED if context.stage == "input" else NO, quick=True)
    with CountingServer(vectors) as server, guarded(kind, server, every) as face:
        assert [list(one) for one in face.wait(face.client.embed("here/m", "cats"))] == [[0.5]]


SPOKEN = plain({"text": "the falcon flies", "segments": [{"start": 0.0, "end": 1.0, "text": "the falcon flies"}], "language": "en"})
DRAWN = plain({"data": [{"b64_json": PNG, "revised_prompt": "the falcon flies"}]})


def test_a_recording_is_judged_that_nothing_was_said_with(kind: str) -> None:
    with CountingServer(SPOKEN) as server, guarded(kind, server, Words("falcon")) as face:
        assert face.wait(face.client.transcribe("here/m", SOUND)).text == "the [redacted: word] flies"


def test_what_repeats_a_text_is_not_shown_once_something_was_taken_out(kind: str) -> None:
    with CountingServer(SPOKEN) as server, guarded(kind, server, Words("falcon")) as face:
        found = face.wait(face.client.transcribe("here/m", SOUND, prompt="names"))
    assert found.text == "the [redacted: word] flies"
    assert "falcon" not in "".join(one.text for one in found.segments)


def test_what_a_provider_made_of_a_prompt_is_judged_as_a_text_that_comes_out(kind: str) -> None:
    with CountingServer(DRAWN) as server, guarded(kind, server, Words("falcon")) as face:
        found = face.wait(face.client.generate_image("here/m", "a bird"))
    assert found.revised_prompts == ("the [redacted: word] flies",)
    assert [(one.stage, one.guard) for one in found.verdicts] == [("output", "words")]
