"""What tests of the loop share: rows with keys of their own, a world in which time passes, a limit store that writes down, and a driver by hand."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from saferoute.call.balancing import Balancing, Cap, Throttle
from saferoute.call.effects import (
    Abandoned,
    Acquire,
    Acquired,
    Cancel,
    Chunk,
    Effect,
    Emit,
    Finish,
    Flow,
    Opened,
    Race,
    Raced,
    Read,
    Release,
    Reserve,
    Reserved,
    Send,
    Settle,
    Sleep,
    Tick,
)
from saferoute.call.flow import Call, call_flow
from saferoute.drivers.charging import hold, let_go
from saferoute.errors import SaferouteError
from saferoute.routing.health import Health
from saferoute.values.balancing import Hedge, Policy
from saferoute.values.http import Clocks, HttpRequest
from saferoute.values.limits import Busy, Draw, Lease, Quota
from saferoute.values.reply import Attempt, Reply
from saferoute.values.target import Profile, Target
from tests.support.scripted import JSON, Answer, Playing, World, call, target

NOW = 1000.0
WALL = 5_000_000.0


def row(name: str, **changes: Any) -> Target:
    """A row whose key and rate limit are its own."""
    return target(name, **{"secret": name, "model": f"m-{name}", **changes})


def sized(name: str, window: int | None) -> Target:
    return row(name, profile=Profile(context_window=window))


A, B, C, D = (row(name) for name in "abcd")


def body(text: str = "hello", tokens: int = 5) -> bytes:
    whole = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": tokens - 2, "completion_tokens": 2, "total_tokens": tokens}
    return json.dumps({"id": "chatcmpl-1", "model": "m", "choices": [whole], "usage": usage}).encode()


@dataclass
class Late(Answer):
    """An answer that opens, or fails to, after a while."""

    after: float = 0.0


def ok(after: float = 0.0, tokens: int = 5) -> Late:
    return Late([body(tokens=tokens)], after=after)


def broken(error: SaferouteError, after: float = 0.0) -> Late:
    return Late(opening=error, after=after)


def fails(status: int, code: str = "", after: float = 0.0, **headers: str) -> Late:
    error = json.dumps({"error": {"message": "private words", "type": "t", "code": code or None}}).encode()
    return Late([error], status, {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}, after=after)


FILTERED = fails(400, "content_filter")
TOO_LONG = fails(400, "context_length_exceeded")
QUOTA = fails(429, "insufficient_quota")


class Clockwork(World):
    """A world whose answers take time; it knows which models were asked, and when."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__(*answers)
        self.times: list[float] = []

    def open(self, request: HttpRequest, clocks: Clocks) -> Playing:
        self.times.append(self.now)
        answer = self.answers[0]
        self.now += answer.after if isinstance(answer, Late) else 0.0
        return super().open(request, clocks)

    @property
    def asked(self) -> str:
        """The rows, in one word."""
        return "".join(json.loads(request.body)["model"].removeprefix("m-") for request in self.requests)


def health() -> Health:
    return Health(lambda: 0.5)


def balanced(*rows: Target, of: Health | None = None, policy: Policy | None = None, **fields: Any) -> Call:
    """A call over rows, with what its choice goes by; the rest is for `call`."""
    own = {name: fields.pop(name) for name in ("fallback", "wait", "throttle", "cap", "facts") if name in fields}
    balancing = Balancing(policy or Policy(), of or health(), clock=lambda: WALL, **own)
    return replace(call(*rows, **fields), balancing=balancing)


def cap(amount: int, **worst: int) -> Cap:
    return Cap(amount, worst)


def tried(attempts: Sequence[Attempt]) -> list[tuple[str, str, str]]:
    """What a trace says: who, how it ended, and why it was asked."""
    return [(one.target, one.outcome, one.why) for one in attempts]


REQUESTS = Quota("row|t|a", "requests", 3, "the route a")
TOKENS = Quota("row|t|a", "tokens", 900, "the route a")


class Limiter:
    """A limit store that refuses what it is told to, and writes down what it is asked."""

    scope = "process"
    waits = False

    def __init__(self, *outcomes: float | None) -> None:
        """Take, in order: None for room, or the seconds until there is some; at the end there is room."""
        self._outcomes = list(outcomes)
        self.acquired: list[tuple[str, ...]] = []
        self.released: list[tuple[str, tuple[int | None, ...]]] = []

    def acquire(self, draws: Sequence[Draw], hold: float) -> Lease | Busy:
        assert hold == 630.0
        self.acquired.append(tuple(f"{draw.quota.key}:{draw.amount}" for draw in draws))
        outcome = self._outcomes.pop(0) if self._outcomes else None
        return Lease(f"l{len(self.acquired)}") if outcome is None else Busy(draws[0].quota, outcome)

    def release(self, lease: Lease, used: Sequence[int | None]) -> None:
        self.released.append((lease.id, tuple(used)))

    def close(self) -> None:
        raise NotImplementedError


def throttle(limiter: Limiter, **draws: tuple[Draw, ...]) -> Throttle:
    return Throttle(limiter, draws or {"a": (Draw(REQUESTS), Draw(TOKENS, 100))}, 630.0)  # type: ignore[arg-type]  # a store as far as it goes


# ------------------------------------------------------------------------------------------------ a driver by hand, for races


class _Side:
    """One flow, moved by hand."""

    def __init__(self, track: Track, flow: Flow[Any]) -> None:
        self.track, self.flow, self.playing = track, flow, cast("Playing | None", None)
        self.waiting: Effect | None = None
        self.returned = False
        self.result: Any = None
        self.error: SaferouteError | None = None

    def move(self, answer: Any = None, error: BaseException | None = None, *, until: tuple[type, ...] = (Emit,)) -> None:
        """Run until it waits for something out of `until`, or has ended."""
        try:
            effect = self.flow.throw(error) if error is not None else self.flow.send(answer)
            while type(effect) not in until:
                try:
                    answer = self.track.act(self, effect)
                except SaferouteError as failure:
                    effect = self.flow.throw(failure)
                else:
                    effect = self.flow.send(answer)
            self.waiting = effect
        except StopIteration as stop:
            self.returned, self.result = True, stop.value
        except SaferouteError as failure:
            self.error = failure

    def go_on(self, *, until: tuple[type, ...] = (Emit,)) -> None:
        """Answer what it waits for."""
        waiting, self.waiting = self.waiting, None
        assert waiting is not None
        try:
            answer = self.track.act(self, waiting)
        except SaferouteError as failure:
            self.move(error=failure, until=until)
        else:
            self.move(answer, until=until)

    def abandon(self) -> None:
        with contextlib.suppress(Abandoned):
            self.move(error=Abandoned())


class Track:
    """Runs a call and its races, one step after the other, in a world.

    Args:
        world: answers in the order in which requests are let through.
        orders: for each race, in which order what both have sent is answered; () for a first answer that comes in time.
        stuck: effects at which the first flow of a race stands when the second begins.
    """

    def __init__(self, world: Clockwork, *orders: tuple[int, ...], stuck: type = Send) -> None:
        self.world, self.orders, self.stuck = world, list(orders), stuck
        self.raced: list[Raced] = []
        self.after: list[float] = []
        self.emitted: list[Any] = []

    def act(self, side: _Side, effect: Effect) -> Any:
        world = self.world
        match effect:
            case Send():
                side.playing = world.open(effect.request, effect.clocks)
                return Opened(world.now, side.playing.head)
            case Read():
                assert side.playing is not None
                return Chunk(world.now, side.playing.read())
            case Sleep():
                world.sleep(effect.seconds)
            case Emit():
                self.emitted += effect.events
            case Cancel() | Finish():
                if side.playing is not None:
                    (side.playing.close if isinstance(effect, Cancel) else side.playing.finish)()
                side.playing = None
            case Reserve():
                return Reserved(world.now, hold(effect))
            case Settle():
                let_go(effect)
            case Acquire():
                return Acquired(world.now, effect.store.acquire(effect.draws, effect.hold))
            case Release():
                effect.store.release(effect.lease, effect.used)
            case Race():
                return self._race(side, effect)
            case _:
                raise AssertionError(effect)
        return Tick(world.now)

    def _race(self, outer: _Side, race: Race) -> Raced:
        self.after.append(race.after)
        order = self.orders.pop(0) if self.orders else ()
        sides = [_Side(self, race.first)]
        sides[0].move(until=(self.stuck, Emit) if order else (Emit,))
        began = bool(order) and sides[0].waiting is not None
        if began:
            self.world.now += race.after
            sides.append(_Side(self, race.second))
            sides[1].move(until=(Send, Emit))
        else:
            race.second.close()
        for one in order if began else (0,):
            side = sides[one]
            while side.error is None and not side.returned and type(side.waiting) is not Emit:
                side.go_on()
            if side.error is None:
                return self._over(outer, sides, one)
        return self._over(outer, sides, None)

    def _over(self, outer: _Side, sides: list[_Side], winner: int | None) -> Raced:
        for place, side in enumerate(sides):
            if place != winner and side.error is None:
                side.abandon()
                side.error = None
        errors = (sides[0].error, sides[1].error if len(sides) > 1 else None)
        pending = result = None
        if winner is not None:
            pending, result, outer.playing = cast("Emit | None", sides[winner].waiting), sides[winner].result, sides[winner].playing
        self.raced.append(Raced(self.world.now, winner, pending, result, errors, len(sides) > 1))
        return self.raced[-1]

    def run(self, what: Call) -> Reply[object]:
        side = _Side(self, call_flow(what, self.world.now))
        side.move(until=())
        if side.error is not None:
            raise side.error
        return cast("Reply[object]", side.result)


def known(of: Health, seconds: float = 0.5, route: str = "fast") -> Health:
    """A health that has seen a name often enough to know what is slow."""
    for _ in range(20):
        of.took(route, seconds)
    return of


HEDGED = Policy(hedge=Hedge(0.1))


def hedged(*rows: Target, of: Health | None = None, **fields: Any) -> Call:
    return balanced(*rows, of=known(of or health()), policy=HEDGED, **fields)


def in_flight(of: Health, *rows: Target) -> list[int]:
    return [of.condition(one).in_flight for one in rows]


Made = Callable[..., Call]
