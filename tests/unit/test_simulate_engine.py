"""The virtual clock: flows side by side, races and what runs beside a call, in the order in which a driver would play them."""

from __future__ import annotations

from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

import pytest

from saferoute.call.adopting import adopted
from saferoute.call.effects import Abandoned, acquire, cancel, emit, race, release, sleep, spawn
from saferoute.drivers.storage.limits_memory import MemoryLimits
from saferoute.errors import ConnectFailed, SaferouteError
from saferoute.testing import ByLoad, Lognormal, Outage, SyntheticProvider
from saferoute.testing.simulate_engine import Engine
from saferoute.testing.simulate_providers import Limiter, rows_for
from saferoute.testing.simulate_result import percentile
from saferoute.testing.simulate_table import table_of
from saferoute.testing.simulate_trace import Chance
from saferoute.values.limits import Busy, Draw, Lease, Quota
from tests.support.simulated import routes

if TYPE_CHECKING:
    from collections.abc import Callable

    from saferoute.call.effects import Flow

Log = list[tuple[Any, ...]]


def played(*begun: tuple[float, Callable[[Engine, Log], Flow[Any]]]) -> tuple[Log, Engine]:
    """What flows noted, each begun at its time; and the engine afterwards."""
    log: Log = []
    engine = Engine()

    def begin(make: Callable[[Engine, Log], Flow[Any]], at: float) -> None:
        engine.begin(make(engine, log), lambda error: log.append((engine.now, f"{at:g} ended", type(error).__name__)))

    engine.run((at, partial(begin, make, at)) for at, make in begun)
    return log, engine


def napper(name: str, *naps: float, error: SaferouteError | None = None) -> Callable[[Engine, Log], Flow[str]]:
    def flow(engine: Engine, log: Log) -> Flow[str]:
        try:
            for nap in naps:
                now = yield from sleep(nap)
                log.append((now, name))
        except Abandoned:
            now = yield from cancel()
            log.append((now, f"{name} abandoned"))
            raise
        if error is not None:
            raise error
        return name

    return flow


def teller(name: str, *naps: float) -> Callable[[Engine, Log], Flow[str]]:
    """A stream: emits after each nap."""

    def flow(engine: Engine, log: Log) -> Flow[str]:
        for nap in naps:
            yield from sleep(nap)
            log.append(((yield from emit(())), f"{name} shown"))
        return name

    return flow


def racing(first: Callable[..., Flow[Any]], second: Callable[..., Flow[Any]], after: float) -> Callable[[Engine, Log], Flow[Any]]:
    def flow(engine: Engine, log: Log) -> Flow[Any]:
        flows = first(engine, log), second(engine, log)
        raced = yield from race(*flows, after)
        errors = tuple(type(error).__name__ for error in raced.errors)
        log.append((raced.now, "raced", raced.winner, raced.result, errors, raced.began))
        if raced.pending is not None and raced.winner is not None:
            log.append(((yield from sleep(0.0)), (yield from adopted(flows[raced.winner], raced.pending))))

    return flow


def refused() -> SaferouteError:
    return ConnectFailed("no")


def test_flows_run_side_by_side_in_the_order_of_time() -> None:
    log, engine = played((0.0, napper("a", 3.0, 1.0)), (1.0, napper("b", 1.0, 5.0)))
    assert log == [(2.0, "b"), (3.0, "a"), (4.0, "a"), (4.0, "0 ended", "NoneType"), (7.0, "b"), (7.0, "1 ended", "NoneType")]
    assert (engine.now, engine.clock()) == (7.0, 7.0)


def test_what_comes_first_at_one_time_goes_first() -> None:
    log, _ = played((0.0, napper("a", 1.0)), (0.0, napper("b", 1.0)), (1.0, napper("c", -5.0)))
    assert [entry[1] for entry in log] == ["a", "0 ended", "b", "0 ended", "c", "1 ended"]  # a wait below 0 is none


def test_an_error_is_told() -> None:
    assert played((0.0, napper("a", 1.0, error=refused())))[0][-1] == (1.0, "0 ended", "ConnectFailed")


def test_a_first_flow_that_is_fast_races_alone() -> None:
    log, engine = played((0.0, racing(napper("a", 1.0), napper("b", 1.0), 2.0)))
    assert log == [(1.0, "a"), (1.0, "raced", 0, "a", ("NoneType", "NoneType"), False), (1.0, "0 ended", "NoneType")]
    assert engine.now == 1.0  # nobody waits for the second one's time


def test_a_second_flow_that_is_faster_wins_and_the_first_tidies_up() -> None:
    log, engine = played((0.0, racing(napper("a", 9.0), napper("b", 1.0), 2.0)))
    assert log[:3] == [(3.0, "b"), (3.0, "a abandoned"), (3.0, "raced", 1, "b", ("NoneType", "NoneType"), True)]
    assert engine.now == 3.0


def test_a_first_flow_may_still_win() -> None:
    log, _ = played((0.0, racing(napper("a", 4.0), napper("b", 3.0), 2.0)))
    assert log[:3] == [(4.0, "a"), (4.0, "b abandoned"), (4.0, "raced", 0, "a", ("NoneType", "NoneType"), True)]


@pytest.mark.parametrize(
    ("first", "second", "raced"),
    [
        (napper("a", 1.0, error=refused()), napper("b", 1.0), (1.0, "raced", None, None, ("ConnectFailed", "NoneType"), False)),
        (napper("a", 3.0, error=refused()), napper("b", 3.0), (5.0, "raced", 1, "b", ("ConnectFailed", "NoneType"), True)),
        (napper("a", 9.0), napper("b", 3.0, error=refused()), (9.0, "raced", 0, "a", ("NoneType", "ConnectFailed"), True)),
        (
            napper("a", 3.0, error=refused()),
            napper("b", 3.0, error=refused()),
            (5.0, "raced", None, None, ("ConnectFailed", "ConnectFailed"), True),
        ),
        (napper("a", error=refused()), napper("b", 3.0), (0.0, "raced", None, None, ("ConnectFailed", "NoneType"), False)),
    ],
    ids=["before the second", "first fails", "second fails", "both fail", "at once"],
)
def test_a_flow_that_fails_leaves_the_race_to_the_other(first: Any, second: Any, raced: tuple[Any, ...]) -> None:
    assert raced in played((0.0, racing(first, second, 2.0)))[0]


def test_who_shows_something_first_wins_and_goes_on() -> None:
    log, _ = played((0.0, racing(teller("a", 9.0, 1.0), teller("b", 1.0, 5.0), 2.0)))
    assert log == [
        (3.0, "raced", 1, None, ("NoneType", "NoneType"), True),
        (3.0, "b shown"),
        (8.0, "b shown"),
        (3.0, "b"),
        (8.0, "0 ended", "NoneType"),
    ]


def test_what_runs_beside_a_call_delays_nothing_and_may_fail() -> None:
    def flow(engine: Engine, log: Log) -> Flow[None]:
        yield from spawn(napper("beside", 5.0, error=refused())(engine, log))
        log.append(((yield from sleep(1.0)), "call"))

    log, engine = played((0.0, flow))
    assert log == [(1.0, "call"), (1.0, "0 ended", "NoneType"), (5.0, "beside")]
    assert engine.now == 5.0


def test_limits_count_on_the_same_clock() -> None:
    draws = (Draw(Quota("k", "concurrent", 1, "k")),)

    def flow(engine: Engine, log: Log) -> Flow[None]:
        outcome = (yield from acquire(store, draws, 60.0)).outcome
        log.append((engine.now, type(outcome)))
        if isinstance(outcome, Lease):
            yield from sleep(2.0)
            yield from release(store, outcome, (None,))

    clock: list[Engine] = []
    store = MemoryLimits(clock=lambda: clock[0].now)
    log: Log = []
    engine = Engine()
    clock.append(engine)
    engine.run(iter([(at, lambda: engine.begin(flow(engine, log), lambda _: None)) for at in (0.0, 1.0, 3.0)]))
    assert log == [(0.0, Lease), (1.0, Busy), (3.0, Lease)]


# --- providers -------------------------------------------------------------------------------------------------------------------------
def test_a_window_gives_so_many_in_any_minute() -> None:
    limiter = Limiter()
    assert [limiter.window(float(at), 3) for at in (0, 10, 20, 30, 59)] == [0.0, 0.0, 0.0, 30.0, 1.0]
    assert [limiter.window(at, 3) for at in (60.0, 60.5, 70.0)] == [0.0, 9.5, 0.0]


def test_a_bucket_fills_evenly() -> None:
    limiter = Limiter()
    assert [limiter.bucket(0.0, 3) for _ in range(4)] == [0.0, 0.0, 0.0, 20.0]
    assert [limiter.bucket(at, 3) for at in (10.0, 20.0, 20.0, 500.0)] == [10.0, 0.0, 20.0, 0.0]


def asked(provider: SyntheticProvider, *times: float, tokens: int = 10) -> list[tuple[Any, ...]]:
    target = table_of(routes()).routes["one"]
    row = rows_for((target,), {"one": provider}, Chance(1))["one"]
    reactions = [row.asked(now, tokens) for now in times]
    errors = [None if one.error is None else one.error() for one in reactions]
    assert row.requests == len(times)
    return [
        (one.seconds, None if one.head is None else one.head.status, type(error).__name__, getattr(error, "retry_after", None))
        for one, error in zip(reactions, errors, strict=True)
    ]


def test_what_a_provider_answers() -> None:
    well, down = (2.0, 200, "NoneType", None), (0.05, 500, "ServerError", None)
    assert asked(SyntheticProvider(latency=2.0, outages=[Outage(5, 6)]), 4.9, 5.0, 5.9, 6.0) == [well, down, down, well]
    assert asked(SyntheticProvider(outages=[Outage(0, 1, "silent")]), 0.0) == [(inf, None, "NoneType", None)]
    assert asked(SyntheticProvider(outages=[Outage(0, 1, "refused")], refuses_in=0.2), 0.0) == [(0.2, None, "ConnectFailed", None)]
    assert asked(SyntheticProvider(error_rate=1.0), 0.0) == [down]


@pytest.mark.parametrize(("says", "told"), [("seconds", 59), ("exactly", 58.5), ("never", None)])
def test_what_a_429_says(says: Any, told: float | None) -> None:
    assert asked(SyntheticProvider(latency=2.0, requests_per_minute=1, says_when=says), 0.0, 1.5)[1] == (0.05, 429, "RateLimited", told)


def test_latencies() -> None:
    chance = Chance(8)
    times = sorted(Lognormal(2.0, 0.5).seconds(1, chance) for _ in range(20_000))
    assert abs((percentile(times, 0.5) or 0) - 2.0) < 0.05
    assert abs((percentile(times, 0.95) or 0) / 2.0 - 2.28) < 0.1
    assert ByLoad(lambda load: load * 2.0).seconds(3, chance) == 6.0


def test_chance_is_splitmix64() -> None:
    # The first numbers for the seed 1234567, as its authors' program prints them.
    chance = Chance(1234567)
    published = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [chance() for _ in published] == [(number >> 11) * 2.0**-53 for number in published]


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.25, 1.0), (0.26, 2.0), (0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)])
def test_percentiles(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
    assert percentile([], share) is None
