"""Counting what a ledger tells: what belongs together, what is known, and what is not."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.ledger import stats as stats_module
from saferoute.ledger.attempts import MAYBE_SENT, Pairing, Told, is_blocked, is_left, is_refused, verdicts_of
from saferoute.ledger.plain import amount_of, count, money, plain, share, span, when
from saferoute.ledger.stats import DIMENSIONS, OTHERS, Stats, Tally, dimension, measured, quantile, tally_to_json
from tests.support.ledger_story import BEGIN, DAY, denial, digest, intent, outcome, verdict

CALL = digest("call")[:32]
SEGMENT = digest("segment")[:32]


def record(kind: str, fields: dict[str, Any], time: int = BEGIN) -> dict[str, Any]:
    return {"kind": kind, "time": time, **fields}


def told(*records: dict[str, Any]) -> list[Told]:
    pairing = Pairing()
    found = [pairing.take(f"{SEGMENT}:{place}", one) for place, one in enumerate(records)]
    return [one for one in found if one is not None] + list(pairing.rest())


def answered(call: str = CALL, time: int = BEGIN, began: dict[str, Any] | None = None, **fields: Any) -> Told:
    first = intent(call, **(began or {}))
    return told(record("intent", first, time), record("outcome", outcome(first, f"{SEGMENT}:0", **fields), time + 1))[0]


def test_an_intent_and_its_outcome_are_one_attempt() -> None:
    first, second = intent(CALL), intent(CALL, attempt=2)
    one, two = told(
        record("segment", {}),
        record("intent", first, 10),
        record("intent", second, 20),
        record("outcome", outcome(second, f"{SEGMENT}:2"), 30),
        record("outcome", outcome(first, f"{SEGMENT}:1", outcome="RateLimited"), 40),
    )
    assert (one.ref, one.ended_ref, one.time, one.outcome) == (f"{SEGMENT}:2", f"{SEGMENT}:3", 20, "ok")
    assert (two.ref, two.ended_ref, two.time, two.outcome) == (f"{SEGMENT}:1", f"{SEGMENT}:4", 10, "RateLimited")
    assert one.call == two.call == CALL
    assert not one.maybe_sent


def test_an_intent_alone_was_maybe_sent_and_an_outcome_alone_is_an_attempt_too() -> None:
    first = intent(CALL)
    alone, left = told(record("outcome", outcome(first, "elsewhere:7"), 5), record("intent", first, 6))
    assert (alone.began, alone.ref, alone.time, alone.first["route"]) == (None, f"{SEGMENT}:0", 5, "fast")
    assert (left.ended, left.outcome, left.maybe_sent) == (None, MAYBE_SENT, True)
    unknown = told(record("outcome", outcome(first, None)))
    assert [(one.began, one.ref) for one in unknown] == [(None, f"{SEGMENT}:0")]


def test_the_rest_is_given_once() -> None:
    pairing = Pairing()
    assert pairing.take("a:1", record("intent", intent(CALL))) is None
    assert len(list(pairing.rest())) == 1
    assert list(pairing.rest()) == []


def test_what_guards_said_of_both_sides() -> None:
    one = answered(began={"verdicts": [verdict("pii", "flag")]}, verdicts=[verdict("links", "redact", "output")])
    assert [said["guard"] for said in verdicts_of(one)] == ["pii", "links"]
    assert not is_blocked(one)
    assert is_blocked(answered(outcome="GuardBlocked"))
    assert is_blocked(told(record("denial", denial(CALL, error="GuardFailed")))[0])


def test_a_tally_counts_what_is_known_and_what_is_not() -> None:
    tally = Tally()
    usage = {"input": 10, "output": None, "cache_read": 4, "cache_write": None, "reasoning": 0}
    for one in (
        answered(cost="0.5", us=100),
        answered(cost="0.25", currency="EUR", estimated=True, us=300),
        answered(cost=None, us=200, usage=usage),
        answered(outcome="RateLimited", cost=None, usage=None, status=429),
        answered(outcome="TimedOut", cost=None, usage=None, estimated=True),
        *told(record("intent", intent(CALL))),
        *told(record("denial", denial(CALL, error="GuardBlocked"))),
    ):
        tally.take(measured(one))
    assert tally_to_json(tally) == {
        "calls": 0, "attempts": 6, "ok": 3, "failed": 2, "left": 0, "maybe_sent": 1, "denials": 1, "blocked": 1, "requests": 5,
        "calls_by_end": {"copied": 0, "failed": 0, "maybe_sent": 0, "left": 0, "refused": 0, "answered": 0},
        "tokens": {"input": 2010, "output": 400, "cache_read": 4, "cache_write": 0, "reasoning": 0, "unknown": 2},
        "cost": {"USD": "0.5", "EUR": "0.25"}, "estimated": {"EUR": "0.25"}, "held_back": {"USD": "0.04"}, "cost_unknown": 2,
        "p50_us": 200, "p95_us": 300,
    }  # fmt: skip


def test_nothing_is_held_back_where_no_bound_is_known() -> None:
    tally = Tally()
    tally.take(measured(told(record("intent", intent(CALL, max_cost=None)))[0]))
    tally.take(measured(told(record("outcome", outcome(intent(CALL), outcome="TimedOut", cost=None, estimated=True)))[0]))
    assert (tally.held_back, tally.p50) == ({}, None)


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("route", "fast"), ("model", "gpt-5-mini"), ("provider", "openai"), ("target", "openai-eu"), ("capability", None),
        ("table", f"shop 12 ({digest('table 12')[:12]})"), ("secret", "openai"), ("operation", "chat"), ("data", "internal"), ("purpose", None),
        ("outcome", "ok"), ("deny", None), ("hour", "2026-11-19 00:00"), ("day", "2026-11-19"), ("week", "2026-11-16"), ("month", "2026-11"),
        ("tag:team", "search"), ("tag:other", None), ("tag:a,b:c", None),
    ],
)  # fmt: skip
def test_each_dimension(name: str, label: str | None) -> None:
    assert dimension(name)(answered(began={"tags": {"team": "search"}})) == label


def test_every_dimension_is_tried_above() -> None:
    marks = next(mark for mark in test_each_dimension.pytestmark if mark.name == "parametrize")
    assert set(DIMENSIONS) <= {name for name, _ in marks.args[1]}


def test_dimensions_of_what_is_less_usual() -> None:
    refused = told(record("denial", denial(CALL, table=None, capabilities=["aa", "bb"])))[0]
    said = {name: dimension(name)(refused) for name in ("model", "table", "capability", "outcome", "deny", "target")}
    assert said == {
        "model": None, "table": None, "capability": "aa+bb", "outcome": "denied: CapabilityForbidden", "deny": "models", "target": None,
    }  # fmt: skip
    alone = told(record("outcome", outcome(intent(CALL), None, model="told")))[0]
    assert dimension("model")(alone) == "told"
    assert dimension("deny")(answered(outcome="GuardBlocked", deny="guard")) == "guard"
    day = dimension("day")
    assert [day(answered(time=BEGIN + hours * DAY // 24)) for hours in (0, 23, 24)] == ["2026-11-19", "2026-11-19", "2026-11-20"]


@pytest.mark.parametrize("name", ["", "routes", "tag:", "tag"])
def test_another_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"is none of route, .*, tag:NAME"):
        dimension(name)


def test_groups_and_the_calls_in_them() -> None:
    found = Stats(("model", "tag:team"))
    fast = {"tags": {"team": "search"}}
    for one in (
        answered("1" * 32, began=fast),
        answered("1" * 32, began={**fast, "model": "other"}),
        answered("1" * 32, began=fast),
        answered("2" * 32, began=fast),
        told(record("denial", denial("3" * 32)))[0],
    ):
        found.take(one)
    assert [(key, tally.calls, tally.attempts) for key, tally in found.rows()] == [
        (("gpt-5-mini", "search"), 2, 3), (("other", "search"), 1, 1), ((None, None), 1, 0),
    ]  # fmt: skip
    together = Stats()
    together.take(answered())
    assert [(key, tally.calls) for key, tally in together.rows()] == [((), 1)]


def test_labels_beyond_the_bound_are_counted_together_but_times_are_not() -> None:
    found = Stats(("route", "day"), most=2)
    for day, route in enumerate(("a", "b", "c", "d", "a")):
        found.take(answered(str(day) * 32, BEGIN + day * DAY, {"route": route}))
    assert [key[0] for key, _ in found.rows()] == [OTHERS, OTHERS, "a", "a", "b"]
    assert len({key[1] for key, _ in found.rows()}) == 5


@pytest.mark.parametrize(
    ("attempts", "end"),
    [
        (["ok"], "answered"), (["RateLimited", "ok"], "answered"), (["ok", "Abandoned"], "answered"), (["RateLimited", "TimedOut"], "failed"),
        (["Abandoned"], "left"), (["RateLimited", "Abandoned"], "left"), (["RateLimited", "GuardBlocked"], "refused"),
        (["RateLimited", None], "maybe sent"), (["RateLimited", "denial"], "refused"), (["denial"], "refused"),
        (["RateLimited", "shadow"], "failed"), (["shadow"], "copied"),
    ],
)  # fmt: skip
def test_a_call_ends_in_one_way(attempts: list[str | None], end: str) -> None:
    found = Stats()
    for outcome_ in attempts:
        if outcome_ is None:
            found.take(told(record("intent", intent(CALL)))[0])
        elif outcome_ == "denial":
            found.take(told(record("denial", denial(CALL)))[0])
        elif outcome_ == "shadow":
            found.take(answered(began={"why": "shadow: a copy of the call, whose answer is discarded"}))
        else:
            found.take(answered(outcome=outcome_))
    tally = found.groups[()]
    assert tally.calls == 1
    assert {name: number for name, number in tally.ends.items() if number} == {end: 1}


def test_what_was_left_is_counted_apart() -> None:
    tally, left = Tally(), answered(outcome="Abandoned")
    tally.take(measured(left))
    assert (tally.attempts, tally.ok, tally.failed, tally.left, tally.maybe_sent) == (1, 0, 0, 1, 0)
    assert dimension("outcome")(left) == "left"
    assert is_left(left)
    assert not is_refused(left)
    assert is_refused(answered(outcome="BudgetExceeded", deny="budget"))


def test_a_call_is_counted_again_only_when_it_was_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats_module, "_CALLS_REMEMBERED", 2)
    found = Stats()
    for name in "1121341":
        found.take(answered(name * 32))
    assert found.groups[()].calls == 5  # 1, 2, 3, 4, and 1 again


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=60), st.floats(0.01, 1))
def test_a_quantile_is_a_value_that_so_many_do_not_exceed(values: list[int], part: float) -> None:
    found = quantile(values, part)
    assert found in values
    assert sum(value <= found for value in values) >= part * len(values) - 1e-6
    assert sum(value < found for value in values) <= part * len(values) + 1e-6
    assert quantile([], part) is None


def test_amounts() -> None:
    assert amount_of("0.1") == Decimal("0.1")
    assert amount_of({"nano": 1_500_000_000, "currency": "USD"}) == Decimal("1.5")
    assert [amount_of(value) for value in (None, "", "1e9", "-1", "NaN", "1" * 99, 5, {"nano": -1}, {"nano": True}, {"nano": "1"})] == [
        None
    ] * 10


@pytest.mark.parametrize(
    ("amount", "said"),
    [("0", "0.00 USD"), ("0.1", "0.10 USD"), ("0.0123456789", "0.012346 USD"), ("1234567.5", "1,234,567.50 USD"), ("0.0000001", "under 0.000001 USD"),
     ("2", "2.00 USD")],
)  # fmt: skip
def test_money(amount: str, said: str) -> None:
    assert money(Decimal(amount), "USD") == said


def test_texts_for_people() -> None:
    assert plain("caf\u00e9 \u4f60") == "caf\u00e9 \u4f60"
    assert plain("a\x1b[2J\nb\u202ec\u200bd\u2028e\ue0001") == "a\ufffd[2J\ufffdb\ufffdc\ufffdd\ufffde\ufffd1"
    assert (when(0), when(BEGIN + 1_500_000, exact=True)) == ("1970-01-01 00:00:00 UTC", "2026-11-19 00:00:01.500000 UTC")
    assert when(2**53 - 1).startswith("2255-06-05")
    assert [span(value) for value in (None, 0, 999, 1_000, 999_400, 1_500_000, 119_000_000, 150_000_000, 7_200_000_000)] == [
        "-", "0 us", "999 us", "1 ms", "999 ms", "1.50 s", "119.00 s", "2.5 min", "2.0 h",
    ]  # fmt: skip
    assert [count(number, "entry", "entries") for number in (1, 2_000)] == ["1 entry", "2,000 entries"]
    assert [share(1, 3), share(0, 0), count(2, "row")] == ["33.3 %", "-", "2 rows"]
