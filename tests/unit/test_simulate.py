"""Simulations: outages, 429 storms, limits, hedges and copies, counted; and that the same seed gives the same result."""

from __future__ import annotations

import json
from itertools import pairwise
from math import inf, isnan, nan, sqrt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.errors import ConfigurationError
from saferoute.routing.authoring import build
from saferoute.testing import Arrival, ByLoad, Lognormal, Outage, Poisson, SyntheticProvider, simulate
from saferoute.testing.simulate_table import table_of
from saferoute.values.balancing import Policy
from tests.support.simulated import ROWS, routes, shares, well

if TYPE_CHECKING:
    import pathlib

CLOCKED = 'deadlines = { first_byte = "5s" }'
PRICED = 'default_max_output = 1000\nprices = { input = "$1/M", output = "$2/M" }'
UNPRICED = routes().replace("gpt-5-mini", "a-model-without-a-price")
ONE_ROW = routes().replace('["one", "two", "three"]', '["one"]')
BY_ANY_MEANS = ["ordered", "weighted", "round_robin", "least_busy", "lowest_latency", "two_choices", "most_headroom"]


# --- what issue 5 asks for -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", ["error", "refused", "silent"])
@pytest.mark.parametrize("strategy", BY_ANY_MEANS)
def test_an_outage_of_the_best_of_three_costs_no_call_and_no_storm(strategy: Any, kind: Any) -> None:
    down = SyntheticProvider(latency=Lognormal(0.5), outages=[Outage(50, 100, kind)])
    result = simulate(routes(CLOCKED), Poisson(20, 3000), strategy, providers=well(one=down), timeout=30.0)
    assert result.calls == 3000
    assert result.success_rate >= 0.999, result
    assert result.total_requests <= 1.2 * result.calls, result
    assert result.requests["one"] - result.answers["one"] > 0  # it did fail: the breaker had something to find out


def test_the_best_row_is_used_again_after_its_outage() -> None:
    down = SyntheticProvider(latency=0.5, outages=[Outage(0, 60)])
    result = simulate(routes(CLOCKED), Poisson(20, 6000), providers=well(one=down))
    assert shares(result)["one"] > 0.7  # of 300 s, 60 are the outage, and the breaker may rest for a minute more


@pytest.mark.parametrize("wanted", [60, 600])
@pytest.mark.parametrize(
    ("counts", "says_when"), [("window", "seconds"), ("window", "exactly"), ("bucket", "seconds"), ("bucket", "never")]
)
def test_a_storm_of_429_leaves_nine_tenths_of_the_limit(counts: Any, says_when: Any, wanted: int) -> None:
    limited = SyntheticProvider(latency=Lognormal(0.5), requests_per_minute=wanted, counts=counts, says_when=says_when)
    minutes = 3 if says_when != "never" else 1
    result = simulate(ONE_ROW, Poisson(3 * wanted / 60, 3 * wanted * minutes), providers={"one": limited})
    assert result.successes >= 0.9 * wanted * minutes, result
    # What the provider asks for is kept, so most are refused on this side. Where it does not say, each call finds out, with one request.
    assert result.requests_per_call < (1.15 if says_when == "never" else 1.0)


def test_a_storm_without_a_word_of_how_long_wastes_nothing_at_one_request_a_call() -> None:
    # So many in any minute, and never told when: a rest that doubles overshoots, so it refuses no call that has nowhere else to go.
    limited = SyntheticProvider(latency=0.5, requests_per_minute=600, counts="window", says_when="never")
    result = simulate(ONE_ROW, Poisson(30, 3600), providers={"one": limited})
    assert result.successes >= 600 * 2, result
    assert result.failures.keys() == {"RateLimited"}
    assert result.requests_per_call < 1.02


def test_an_outage_of_all_rows_is_one_request_a_call_and_over_when_it_is_over() -> None:
    down = SyntheticProvider(latency=0.5, outages=[Outage(20, 60)])
    calls = [number / 10 for number in range(1000)]
    for table, rows in ((routes(), ROWS), (ONE_ROW, ROWS[:1])):
        result = simulate(table, calls, providers=dict.fromkeys(rows, down), interval=1.0)
        assert result.failures.keys() == {"ServerError"}
        assert result.requests_per_call < 1.05, result
        assert result.successes >= 595
        assert min(result.goodput[61:99]) >= 9  # from the first second on


def test_signed_limits_are_kept_without_a_429() -> None:
    limited = routes("", {"one": "limits = { requests_per_minute = 300 }"}).replace('["one", "two", "three"]', '["one"]')
    asked = SyntheticProvider(latency=0.5, requests_per_minute=300)
    result = simulate(limited, Poisson(15, 4500), providers={"one": asked})
    assert result.requests == result.answers  # the provider refused nothing: nothing was sent beyond the limit
    assert result.failures.keys() == {"AllRoutesCooling"}
    assert result.successes >= 0.9 * 300 * 5


def test_the_other_rows_take_what_is_over_the_limit() -> None:
    limited = routes("", {"one": "limits = { requests_per_minute = 300 }"})
    result = simulate(limited, Poisson(15, 4500), providers=well())
    assert result.success_rate == 1.0
    assert result.requests_per_call == 1.0
    assert result.requests["one"] <= 300 * 6
    assert result.requests["three"] == 0


def test_concurrent_limits_hold() -> None:
    seen: list[int] = []

    def slow(load: int) -> float:
        seen.append(load)
        return 2.0

    table = routes("", {"one": "limits = { concurrent = 7 }"})
    simulate(table, Poisson(20, 2000), providers=well(one=SyntheticProvider(latency=ByLoad(slow))))
    assert max(seen) == 7


def test_waiting_calls_are_answered_in_time_or_told_so() -> None:
    table = routes("", {"one": "limits = { requests_per_minute = 60 }"}).replace('["one", "two", "three"]', '["one"]')
    at_once = [0.0] * 90
    refused = simulate(table, at_once, providers={"one": SyntheticProvider(latency=0.5)})
    waited = simulate(table, at_once, providers={"one": SyntheticProvider(latency=0.5)}, wait=True, timeout=120)
    assert (refused.successes, dict(refused.failures)) == (60, {"AllRoutesCooling": 30})
    assert (waited.successes, waited.requests["one"]) == (90, 90)
    assert 60.0 <= waited.seconds <= 62.0


# --- determinism, and the arithmetic ---------------------------------------------------------------------------------------------------
def everything(seed: int) -> Any:
    rough = {
        "one": SyntheticProvider(latency=Lognormal(0.5), error_rate=0.1, requests_per_minute=300),
        "two": SyntheticProvider(latency=Lognormal(0.8), outages=[Outage(20, 60, "silent")]),
        "three": SyntheticProvider(latency=ByLoad(lambda load: 0.2 + load / 50), error_rate=0.02),
    }
    table = routes(
        f'strategy = "two_choices"\nhedge = {{ after = "500ms" }}\n{CLOCKED}', {"three": "limits = { concurrent = 20, adaptive = true }"}
    )
    return simulate(table, Poisson(20, 2500, seed), providers=rough, seed=seed, timeout=20)


def test_the_same_seed_gives_the_same_result_and_another_seed_another() -> None:
    first, again, other = everything(5), everything(5), everything(6)
    assert first == again
    assert (str(first), first.goodput) == (str(again), again.goodput)
    assert (first.mean, first.requests) != (other.mean, other.requests)


def test_a_result_that_was_written_down_once() -> None:
    # On every machine: neither a hash nor a clock nor a generator of the platform has a say. The planner's own chance has none here either.
    result = simulate(routes(), Poisson(5, 300, seed=2), "round_robin", providers=well(), seed=9)
    assert (dict(result.requests), round(result.p95 or 0.0, 6)) == (dict.fromkeys(ROWS, 100), 1.878298)


@given(
    strategy=st.sampled_from(BY_ANY_MEANS),
    rates=st.tuples(*[st.sampled_from([0.0, 0.3, 1.0])] * 3),
    attempts=st.integers(1, 5),
    stream=st.booleans(),
    seed=st.integers(0, 2**64),
)
def test_every_call_ends_once_within_its_requests_and_its_time(
    strategy: Any, rates: tuple[float, ...], attempts: int, *, stream: bool, seed: int
) -> None:
    providers = {
        name: SyntheticProvider(latency=Lognormal(1.0), error_rate=rate, requests_per_minute=200, outages=[Outage(3, 5, "silent")])
        for name, rate in zip(ROWS, rates, strict=True)
    }
    table = routes(f"max_attempts = {attempts}\n{CLOCKED}")
    result = simulate(table, Poisson(30, 200, seed), strategy, providers=providers, stream=stream, seed=seed, timeout=10.0)
    assert result.successes + sum(result.failures.values()) == result.calls == 200
    assert sum(result.answers.values()) == result.successes
    assert result.most_requests <= attempts
    assert result.total_requests <= attempts * 200
    assert result.p99 is None or result.p99 <= 10.0
    assert round(sum(result.goodput) * result.interval) == result.successes


# --- what else is simulated ------------------------------------------------------------------------------------------------------------
def test_a_hedge_shortens_the_tail_for_few_requests() -> None:
    tail = {name: SyntheticProvider(latency=Lognormal(0.5, 1.2)) for name in ROWS}
    plain = simulate(routes(), Poisson(20, 4000), providers=tail)
    hedged = simulate(routes('hedge = { after = "100ms" }'), Poisson(20, 4000), providers=tail)
    assert hedged.success_rate == 1.0
    assert hedged.p99 is not None
    assert plain.p99 is not None
    assert hedged.p99 < 0.7 * plain.p99
    assert 1.0 < hedged.requests_per_call < 1.2  # about 1.1: what a hedge cut short counts as short, so a little more than 5 % are hedged
    assert hedged.most_requests == 2


def test_a_shadow_gets_its_share_of_labelled_calls_and_delays_none() -> None:
    table = routes('shadow = { target = "three", share = 200, max_cost = "$1", data = "public" }', {"three": PRICED})
    table = table.replace('["one", "two", "three"]', '["one", "two"]')
    slow = well(three=SyntheticProvider(latency=20.0))
    plain = simulate(table, Poisson(20, 3000), providers=slow)
    copied = simulate(table, [Arrival(at, data="public") for at in Poisson(20, 3000)], providers=slow)
    assert plain.requests["three"] == 0  # a call without a label is not copied
    assert abs(copied.requests["three"] - 600) < 3 * sqrt(3000 * 0.2 * 0.8)
    assert copied.success_rate == 1.0
    assert copied.most_requests == 1
    assert copied.p99 is not None
    assert copied.p99 < 2.0


def test_a_copy_that_may_cost_too_much_is_not_sent() -> None:
    table = routes('shadow = { target = "three", share = 1000, max_cost = "$0.0001", data = "public" }', {"three": PRICED})
    table = table.replace('["one", "two", "three"]', '["one", "two"]')
    trace = [Arrival(at / 10, data="public") for at in range(50)]
    assert simulate(table, trace).requests["three"] == 0
    assert simulate(table, trace, tokens=(20, 20)).requests["three"] == 50


def test_a_long_call_goes_to_the_row_that_holds_it() -> None:
    small = {"one": "profile = { context_window = 8000 }", "three": "profile = { context_window = 100000 }"}
    table = routes('fallback = { context_window = ["three"] }', small).replace('["one", "two", "three"]', '["one"]')
    result = simulate(table, [Arrival(0.0), Arrival(1.0, input_tokens=50_000)])
    assert (dict(result.requests), dict(result.answers)) == ({"one": 2, "three": 1}, {"one": 1, "three": 1})
    lost = simulate(table, [Arrival(1.0, input_tokens=200_000)])
    assert (lost.successes, dict(lost.failures)) == (0, {"ContextWindowExceeded": 1})


def test_labels_drop_rows() -> None:
    table = routes("", {"two": 'data = "internal"'})
    result = simulate(table, [Arrival(0.0), Arrival(1.0, data="internal"), Arrival(2.0, data="restricted")])
    assert dict(result.requests) == {"one": 1, "two": 1, "three": 0}
    assert dict(result.failures) == {"CapabilityForbidden": 1}


def test_calls_of_many_sizes_are_not_all_remembered() -> None:
    trace = [Arrival(float(number), input_tokens=number) for number in range(5000)]
    assert simulate(routes(), trace, providers=well()).successes == 5000


def test_one_key_for_one_family_is_one_limit() -> None:
    table = routes().replace('secret = "two"', 'secret = "one"')
    limits = {name: SyntheticProvider(latency=0.1, requests_per_minute=30) for name in ROWS}
    result = simulate(table, [0.0] * 70, "round_robin", providers=limits, timeout=30)
    assert result.answers["one"] + result.answers["two"] <= 30
    assert result.answers["three"] == 30


def test_the_callers_time_ends_a_call() -> None:
    result = simulate(ONE_ROW, [0.0, 5.0], providers={"one": SyntheticProvider(latency=40.0)}, timeout=3.0)
    assert (dict(result.failures), result.seconds) == ({"TimedOut": 2}, 8.0)


def test_a_stream_that_began_is_not_asked_elsewhere() -> None:
    slow = SyntheticProvider(latency=10.0, first_token=0.1)
    result = simulate(routes(CLOCKED), [0.0], providers={"one": slow}, stream=True, timeout=4.0)
    assert (dict(result.failures), result.total_requests, result.seconds) == ({"TimedOut": 1}, 1, 4.0)


def test_rows_and_costs_are_told() -> None:
    priced = dict.fromkeys(ROWS, PRICED)
    result = simulate(routes("", priced), [0.0, 10.0], providers=well(), tokens=(1000, 500))
    assert result.cost == {"USD": 2 * (1000 * 1000 + 500 * 2000)}
    assert simulate(routes(), [0.0]).cost == {"USD": 500 * 250 + 200 * 2000}  # the catalogue's price of gpt-5-mini, $0.25 and $2
    assert simulate(UNPRICED, [0.0]).cost is None


def test_a_result_is_a_table() -> None:
    result = simulate(UNPRICED, [0.0, 0.1], providers={name: SyntheticProvider(latency=1.0) for name in ROWS})
    assert str(result) == repr(result)
    assert str(result).splitlines() == [
        "fast, ordered",
        "  calls     2 in 1.1 s",
        "  answered  2 (100.000%)",
        "  failed    none",
        "  requests  2 (1.000 a call, at most 1)",
        "  latency   p50 1.00 s, p95 1.00 s, p99 1.00 s",
        "",
        "  row    requests   answers  share",
        "  one           2         2  100.0%",
        "  two           0         0   0.0%",
        "  three         0         0   0.0%",
    ]
    assert result._repr_html_().count("<tr>") == 9
    assert "<td>100.0%</td>" in result._repr_html_()


def test_no_calls_are_a_result_too() -> None:
    result = simulate(routes(), [])
    assert (result.calls, result.success_rate, result.requests_per_call, result.p50, result.goodput) == (0, 1.0, 0.0, None, ())
    assert "p50 -" in str(result)


# --- what it is given ------------------------------------------------------------------------------------------------------------------
def test_a_table_in_any_form(tmp_path: pathlib.Path) -> None:
    text = routes()
    body = build(text)
    (tmp_path / "routes.toml").write_text(text, encoding="utf-8")
    (tmp_path / "built.json").write_bytes(body + b"\n")
    expected = simulate(text, [0.0, 1.0])
    for source in (tmp_path / "routes.toml", str(tmp_path / "routes.toml"), tmp_path / "built.json", table_of(text)):
        assert simulate(source, [0.0, 1.0]) == expected


def test_a_policy_in_place_of_the_alias(tmp_path: pathlib.Path) -> None:
    result = simulate(routes(), [0.0] * 9, Policy("weighted", MappingProxyType({"one": 0, "two": 0})))
    assert (result.strategy, result.requests["three"]) == ("weighted", 9)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"strategy": "fastest"}, "'fastest' is no strategy; those are ordered, weighted"),
        ({"trace": [1.0, 0.5]}, "in order; 0.5 came after 1.0"),
        ({"trace": [-1.0]}, "-1.0 came after 0.0"),
        ({"trace": [nan]}, "nan came after 0.0"),
        ({"trace": [inf]}, "inf came after 0.0"),
        ({"providers": {"fore": SyntheticProvider()}}, "providers names fore, and calls may go to one, three, two"),
        ({"interval": 0}, "interval and timeout are above 0"),
        ({"timeout": 0.0}, "interval and timeout are above 0"),
        ({"tokens": (-1, 5)}, "tokens are at least 0"),
        ({"max_attempts": 0}, "max_attempts is at least 1, not 0"),
        ({"table": routes() + '[aliases.slow]\ntargets = ["three"]\n'}, "the aliases fast, slow: say which name"),
        ({"table": routes().partition("[aliases")[0]}, "no alias, and the routes one, two, three: say which"),
        ({"table": "nowhere.toml"}, "nowhere.toml"),
        ({"table": "[routes.x]\nno = 1\n"}, "routes.toml: "),
    ],
)
def test_what_makes_no_simulation_is_refused(words: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        simulate(**{"table": routes(), "trace": [0.0], **words})
    assert says in str(refused.value)


@pytest.mark.parametrize("name", ["empty.json", "cut.json"])
def test_a_file_that_is_no_table_is_refused(tmp_path: pathlib.Path, name: str) -> None:
    (tmp_path / name).write_bytes(b'{"release":{}}' if name == "cut.json" else b"{}")
    with pytest.raises(ConfigurationError, match="makes no routing table"):
        simulate(tmp_path / name, [0.0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (SyntheticProvider, {"error_rate": 1.5}),
        (SyntheticProvider, {"first_token": -0.1}),
        (SyntheticProvider, {"requests_per_minute": 0}),
        (SyntheticProvider, {"latency": -1.0}),
        (SyntheticProvider, {"latency": nan}),
        (SyntheticProvider, {"refuses_in": -1.0}),
        (Poisson, {"rate": 0.0, "calls": 5}),
        (Poisson, {"rate": inf, "calls": 5}),
        (Poisson, {"rate": 1.0, "calls": -1}),
    ],
)
def test_providers_and_traces_that_cannot_be_are_refused(make: Any, words: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        make(**words)


def test_a_poisson_trace_has_its_rate_and_its_spread() -> None:
    trace = Poisson(10.0, 20_000, seed=4)
    times = list(trace)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    mean = sum(gaps) / len(gaps)
    assert len(trace) == len(times)
    assert times == list(trace) != list(Poisson(10.0, 20_000, seed=5))
    assert abs(mean - 0.1) < 3 * 0.1 / sqrt(20_000)
    assert abs(sum((gap - mean) ** 2 for gap in gaps) / len(gaps) - 0.01) < 0.001
    assert not isnan(times[-1])


def test_a_bundle_is_read_without_its_signature(tmp_path: pathlib.Path) -> None:
    from saferoute.routing.publish import new_root, sign_release
    from saferoute.signing.keys import PrivateKey

    root_key, table_key = PrivateKey.generate(), PrivateKey.generate()
    root = new_root("shop", root_signers=[root_key], table_keys=[table_key.public_key], now=0, not_after=1000)
    bundle = sign_release(root, [build(routes())], version=1, now=0, signers=[table_key], not_after=1000)
    (tmp_path / "routes.json").write_bytes(bundle)
    assert json.loads(bundle)["release"]
    assert simulate(tmp_path / "routes.json", [0.0]) == simulate(routes(), [0.0])
