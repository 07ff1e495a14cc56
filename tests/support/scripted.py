"""A transport that plays a script, for both drivers: what the provider does is data, time is passed in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from saferoute.call.charging import Charge
from saferoute.call.flow import Call, call_flow
from saferoute.drivers.blocking import BlockingRun, Stream, run
from saferoute.drivers.concurrent import AsyncStream, ConcurrentRun, run_async
from saferoute.errors import SaferouteError
from saferoute.providers.registry import codec_for
from saferoute.values.conversation import messages_from
from saferoute.values.events import StreamEvent
from saferoute.values.http import Clocks, Head, HttpRequest, NetClass
from saferoute.values.output import Output
from saferoute.values.reply import Reply
from saferoute.values.request import ChatRequest
from saferoute.values.target import Target

SSE = {"content-type": "text/event-stream", "x-request-id": "req-1"}
JSON = {"content-type": "application/json", "x-request-id": "req-1"}


def target(name: str = "row", **changes: object) -> Target:
    """A row for tests."""
    fields = {
        "id": name, "provider_name": "openai", "dialect": "openai_chat", "origin": "https://api.example.com", "path": "/v1",
        "net": NetClass(), "model": "m-1", "secret": "openai", "auth": "bearer",
    }  # fmt: skip
    return Target(**{**fields, **changes})  # type: ignore[arg-type]


@dataclass
class Answer:
    """What one exchange does: fail to open, or give a head and then pieces; an error among the pieces is raised."""

    pieces: Sequence[bytes | SaferouteError] = ()
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: dict(JSON))
    opening: SaferouteError | None = None


class World:
    """The outside: plays answers in order, and notes what was asked, slept and closed."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[HttpRequest] = []
        self.clocks: list[Clocks] = []
        self.slept: list[float] = []
        self.closed = self.finished = 0
        self.now = 1000.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    def open(self, request: HttpRequest, clocks: Clocks) -> Playing:
        self.requests.append(request)
        self.clocks.append(clocks)
        answer = self.answers.pop(0)
        if answer.opening is not None:
            raise answer.opening
        return Playing(self, answer)

    def close(self) -> None:
        pass


class Playing:
    """One exchange."""

    def __init__(self, world: World, answer: Answer) -> None:
        self.head = Head(answer.status, answer.headers)
        self._world, self._pieces = world, list(answer.pieces)

    def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, SaferouteError):
            raise piece
        return piece

    def finish(self) -> None:
        self._world.finished += 1

    def close(self) -> None:
        self._world.closed += 1


class AsyncWorld:
    """The same world, awaited."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def open(self, request: HttpRequest, clocks: Clocks) -> AsyncPlaying:
        await asyncio.sleep(0)
        return AsyncPlaying(self._world.open(request, clocks))

    async def close(self) -> None:
        pass

    async def sleep(self, seconds: float) -> None:
        self._world.sleep(seconds)


class AsyncPlaying:
    """One exchange, awaited."""

    def __init__(self, playing: Playing) -> None:
        self._playing = playing
        self.head = playing.head

    async def read(self) -> bytes:
        await asyncio.sleep(0)
        return self._playing.read()

    async def finish(self) -> None:
        self._playing.finish()

    async def close(self) -> None:
        self._playing.close()

    def abort(self) -> None:
        self._playing.close()


class Witness:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.replies: list[Reply[object]] = []
        self.errors: list[BaseException] = []

    def finish(self, reply: Reply[object]) -> None:
        self.replies.append(reply)

    def fail(self, error: BaseException) -> None:
        self.errors.append(error)


def call(
    *targets: Target,
    stream: bool = False,
    max_attempts: int = 3,
    output: Output | None = None,
    total: float | None = None,
    charge: Charge | None = None,
    **fields: object,
) -> Call:
    """A prepared call."""
    request = ChatRequest(messages_from("hi"), stream=stream, output=output.schema if output else None, **fields)  # type: ignore[arg-type]
    rows = targets or (target(),)
    return Call(
        "fast",
        request,
        rows,
        max_attempts,
        total,
        output,
        (),
        codec_for,
        lambda _: None,
        lambda: 0.5,
        lambda told: told or "made-id",
        charge,
    )


def chat(kind: str, world: World, what: Call) -> Reply[object]:
    """Run a call to its reply, under the named driver."""
    witness = Witness()
    if kind == "blocking":
        return run(call_flow(what, world.now), world, world.clock, world.sleep, witness)
    outside = AsyncWorld(world)
    return asyncio.run(run_async(call_flow(what, world.now), outside, world.clock, outside.sleep, witness))


def stream(
    kind: str, world: World, what: Call, *, take: int | None = None
) -> tuple[list[StreamEvent[object]], BaseException | None, Witness]:
    """Collect a stream's events (the first `take` of them), and the error that ended it, under the named driver."""
    witness = Witness()
    events: list[StreamEvent[object]] = []

    def blocking() -> None:
        with Stream("fast", BlockingRun(call_flow(what, world.now), world, world.clock, world.sleep), witness) as opened:
            for event in opened:
                events.append(event)
                if len(events) == take:
                    return

    async def concurrent() -> None:
        outside = AsyncWorld(world)
        work = ConcurrentRun(call_flow(what, world.now), outside, world.clock, outside.sleep)
        async with AsyncStream("fast", work, lambda: witness) as opened:
            async for event in opened:
                events.append(event)
                if len(events) == take:
                    return

    try:
        blocking() if kind == "blocking" else asyncio.run(concurrent())
    except SaferouteError as error:
        return events, error, witness
    return events, None, witness
