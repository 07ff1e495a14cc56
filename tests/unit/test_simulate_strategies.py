"""Every strategy does under load what its docstring says, seen through the whole loop: health, breakers and limits included."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt
from typing import Any, get_args

import pytest

from saferoute.testing import Arrival, ByLoad, Lognormal, Outage, Poisson, SyntheticProvider, simulate
from saferoute.testing.simulate_table import table_of
from saferoute.testing.simulate_trace import Chance
from saferoute.values.balancing import Strategy
from tests.support.simulated import MEDIANS, ROWS, routes, shares, well

CALLS = 4000
TRACE = Poisson(20, CALLS)
SLOW = {name: SyntheticProvider(latency=Lognormal(5.0 if name == "three" else 0.5)) for name in ROWS}
TAG = {"sticky": 'tag = "session"', "by_tag": 'tag = "tier"\ntagged = { gold = ["two", "three"] }'}


def within_3_sigma(counted: int, share: float, of: int) -> bool:
    return abs(counted - share * of) < 3 * sqrt(of * share * (1 - share))


@pytest.mark.parametrize("strategy", get_args(Strategy))
def test_each_answers_every_call_while_all_is_well(strategy: Any) -> None:
    table = routes(f'strategy = "{strategy}"\n{TAG.get(strategy, "")}')
    result = simulate(table, Poisson(20, 500), providers=well())
    assert (result.success_rate, result.requests_per_call, result.strategy) == (1.0, 1.0, strategy)


def test_ordered_gives_everything_to_the_first() -> None:
    assert dict(simulate(routes(), TRACE, providers=well()).requests) == {"one": CALLS, "two": 0, "three": 0}


def test_ordered_gives_the_next_row_what_the_first_cannot_answer() -> None:
    result = simulate(
        routes(), Poisson(20, 1000), providers=well(one=SyntheticProvider(error_rate=1.0), two=SyntheticProvider(outages=[Outage(0, 30)]))
    )
    assert result.success_rate == 1.0
    assert result.answers["three"] > 400
    assert result.answers["two"] > 200


def test_weighted_divides_by_the_weights() -> None:
    table = routes('strategy = "weighted"\nweights = { one = 70, two = 20, three = 10 }')
    result = simulate(table, TRACE, providers=well())
    assert [within_3_sigma(result.requests[name], share, CALLS) for name, share in zip(ROWS, (0.7, 0.2, 0.1), strict=True)] == [True] * 3


def test_a_weight_of_0_is_a_last_resort() -> None:
    table = routes('strategy = "weighted"\nweights = { three = 0 }')
    assert simulate(table, Poisson(20, 500), providers=well()).requests["three"] == 0
    assert (
        simulate(
            table, Poisson(20, 500), providers=well(one=SyntheticProvider(error_rate=1.0), two=SyntheticProvider(error_rate=1.0))
        ).answers["three"]
        == 500
    )


def test_round_robin_gives_each_the_same_number() -> None:
    assert dict(simulate(routes(), Poisson(20, 3000), "round_robin", providers=well()).requests) == dict.fromkeys(ROWS, 1000)


def test_least_busy_evens_out_what_is_under_way() -> None:
    result = simulate(routes(), Poisson(100, 8000), "least_busy", providers=well())
    under_way = {name: asked * MEDIANS[name] for name, asked in result.requests.items()}  # Little's law, up to a common factor
    assert max(under_way.values()) < 1.15 * min(under_way.values())
    turns = simulate(routes(), Poisson(100, 8000), "round_robin", providers=well())
    assert max(turns.requests[name] * MEDIANS[name] for name in ROWS) > 2 * min(turns.requests[name] * MEDIANS[name] for name in ROWS)


def test_least_busy_weighs_what_is_under_way() -> None:
    table = routes('strategy = "weighted"\nweights = { one = 4 }')
    policy = replace(table_of(table).policy("fast"), strategy="least_busy")
    alike = {name: SyntheticProvider(latency=Lognormal(1.0)) for name in ROWS}
    found = shares(simulate(table, Poisson(100, 8000), policy, providers=alike))
    assert abs(found["one"] - 4 / 6) < 0.05


def test_lowest_latency_avoids_a_slow_row() -> None:
    result = simulate(routes(), TRACE, "lowest_latency", providers=SLOW)
    turns = simulate(routes(), TRACE, "round_robin", providers=SLOW)
    assert shares(result)["three"] < 0.03
    assert result.requests["three"] > 0  # it was measured
    assert result.p95 is not None
    assert turns.p95 is not None
    assert result.p95 < 0.3 * turns.p95


def test_lowest_latency_asks_a_row_that_was_slow_once_again() -> None:
    asked: list[int] = []

    def slow_at_first(_: int) -> float:
        asked.append(len(asked))
        return 8.0 if len(asked) < 3 else 0.1

    result = simulate(routes(), Poisson(5, 3000), "lowest_latency", providers=well(three=SyntheticProvider(latency=ByLoad(slow_at_first))))
    assert shares(result)["three"] > 0.3  # 600 s are many half-lives; it is the fastest by far


def test_lowest_latency_of_streams_is_the_first_token() -> None:
    quick_to_begin = {
        "one": SyntheticProvider(latency=2.0, first_token=0.05),
        "two": SyntheticProvider(latency=1.0, first_token=0.9),
        "three": SyntheticProvider(latency=1.0, first_token=0.9),
    }
    whole = simulate(routes(), Poisson(5, 1500), "lowest_latency", providers=quick_to_begin)
    streams = simulate(routes(), Poisson(5, 1500), "lowest_latency", providers=quick_to_begin, stream=True)
    assert shares(streams)["one"] > 0.4 > shares(whole)["one"]
    assert streams.requests["one"] > 1.5 * whole.requests["one"]


def test_cheapest_costs_least() -> None:
    price = {
        name: f'default_max_output = 1000\nprices = {{ input = "${cost}/M", output = "${4 * cost}/M" }}'
        for name, cost in zip(ROWS, (3, 1, 2), strict=True)
    }
    cheap = simulate(routes("", price), Poisson(20, 1000), "cheapest", providers=well())
    turns = simulate(routes("", price), Poisson(20, 1000), "round_robin", providers=well())
    assert cheap.requests["two"] == 1000
    assert cheap.cost == {"USD": 1000 * (500 * 1000 + 200 * 4000)}
    assert turns.cost is not None
    assert 1.9 < turns.cost["USD"] / cheap.cost["USD"] < 2.1


def test_most_headroom_fills_accounts_evenly() -> None:
    limits = {name: f"limits = {{ requests_per_minute = {limit} }}" for name, limit in zip(ROWS, (1200, 600, 300), strict=True)}
    result = simulate(routes("", limits), Poisson(20, 6000), "most_headroom", providers=well())  # of 35 a second
    assert result.success_rate == 1.0
    for name, share in zip(ROWS, (4 / 7, 2 / 7, 1 / 7), strict=True):
        assert abs(shares(result)[name] - share) < 0.03


def test_two_choices_load_no_row_as_chance_alone_does() -> None:
    crowded = {name: SyntheticProvider(latency=ByLoad(lambda load: 0.2 + 0.01 * load**1.5)) for name in ROWS}
    chosen = simulate(routes(), Poisson(40, 6000), "two_choices", providers=crowded)
    chance = simulate(routes(), Poisson(40, 6000), "weighted", providers=crowded)
    assert chosen.p99 is not None
    assert chance.p99 is not None
    assert chosen.p99 < 0.8 * chance.p99
    assert max(shares(chosen).values()) < 0.36


def test_sticky_stays_with_a_session_and_spreads_sessions() -> None:
    table = routes(f'strategy = "sticky"\n{TAG["sticky"]}')
    one = simulate(table, [Arrival(at, {"session": "u-17"}) for at in Poisson(20, 200)], providers=well())
    many = simulate(table, [Arrival(at, {"session": f"u-{number % 300}"}) for number, at in enumerate(Poisson(20, 3000))], providers=well())
    assert sorted(one.requests.values()) == [0, 0, 200]
    assert all(abs(share - 1 / 3) < 3 * sqrt(2 / 9 / 300) for share in shares(many).values())


def test_sticky_moves_the_sessions_of_a_row_that_is_down_and_no_others() -> None:
    table = routes(f'strategy = "sticky"\n{TAG["sticky"]}')
    trace = [Arrival(at, {"session": f"u-{number % 300}"}) for number, at in enumerate(Poisson(20, 3000))]
    before = simulate(table, trace, providers=well())
    after = simulate(table, trace, providers=well(one=SyntheticProvider(outages=[Outage(0, 1e9)])))
    assert after.success_rate == 1.0
    moved = {name: after.answers[name] - before.answers[name] for name in ROWS}
    assert moved["one"] == -before.answers["one"]
    assert min(moved["two"], moved["three"]) > 0.3 * before.answers["one"]


def test_by_tag_prefers_what_the_table_lists() -> None:
    table = routes(f'strategy = "by_tag"\n{TAG["by_tag"]}')
    chance = Chance(3)
    trace = [Arrival(at, {"tier": "gold" if chance() < 0.4 else "basic"}) for at in Poisson(20, 1000)]
    gold = sum(one.tags["tier"] == "gold" for one in trace)
    assert dict(simulate(table, trace, providers=well()).requests) == {"one": 1000 - gold, "two": gold, "three": 0}


def test_by_data_keeps_protected_rows_free() -> None:
    table = routes('strategy = "by_data"', {"one": 'data = "restricted"', "two": 'data = "internal"'})
    trace = [Arrival(float(number), data=("public", "internal", "restricted")[number % 3]) for number in range(300)]
    assert dict(simulate(table, trace, providers=well()).requests) == dict.fromkeys(ROWS, 100)


def test_by_context_sends_short_calls_to_small_models() -> None:
    windows = {name: f"profile = {{ context_window = {window} }}" for name, window in zip(ROWS, (200_000, 32_000, 8_000), strict=True)}
    table = routes('strategy = "by_context"', windows)
    trace = [Arrival(float(number), input_tokens=(1_000, 20_000, 150_000)[number % 3]) for number in range(300)]
    result = simulate(table, trace, providers=well())
    assert dict(result.requests) == dict.fromkeys(ROWS, 100)
    assert result.success_rate == 1.0
