"""A call in words, and as rows for other programs."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from saferoute.ledger.attempts import Told
from saferoute.ledger.explain import cost_in_words, explained, record_in_words
from saferoute.ledger.export import COLUMNS, csv_head, csv_line, json_line, row_of
from saferoute.ledger.reasons import why_there
from saferoute.values.balancing import Strategy
from tests.support.ledger_story import BEGIN, denial, digest, intent, outcome, verdict

CALL = digest("call")[:32]
SEGMENT = digest("segment")[:32]
HEX = "ab" * 32


def attempt(place: int, *, ends: dict | None = None, maybe: bool = False, **fields: object) -> Told:
    commit = {"commit": {"asked": HEX, "request": HEX}, "system_id": None}
    began = {"kind": "intent", "time": BEGIN + place, **commit, **intent(CALL, **fields)}
    ended = {"kind": "outcome", "time": BEGIN + place, "commit": {"response": HEX}, **outcome(began, f"{SEGMENT}:{place}", **(ends or {}))}
    ref = f"{SEGMENT}:{place}"
    return Told("attempt", ref, began, None if maybe else ended, None if maybe else f"{SEGMENT}:{place + 1}", BEGIN + place)


def refusal(**fields: object) -> Told:
    record = {"kind": "denial", "time": BEGIN + 9, "commit": {}, **denial(CALL, **fields)}
    return Told("denial", f"{SEGMENT}:9", record, None, None, BEGIN + 9)


def test_a_fallback_in_words() -> None:
    failed = {
        "outcome": "RateLimited",
        "status": 429,
        "cost": None,
        "usage": None,
        "finish_reason": None,
        "request_id": None,
        "us": 106_000,
    }
    story = [
        attempt(
            1, ends=failed, capabilities=[HEX], tags={"team": "search"}, purpose="answer", system_id=digest("system"), stream=True,
            templates=[{"name": "support-v3", "sha256": HEX}], rejected=[["groq", "its breaker is open"]],
            verdicts=[verdict("pii", "redact", "input", "/messages/1", "pii.email: 1")],
        ),
        attempt(
            3, attempt=2, target="azure-eu", model="gpt-5-mini", why="next in order", secret=None, capabilities=[HEX],
            verdicts=[verdict("pii", "redact", "input", "/messages/1", "pii.email: 1")], ends={
                "model": "gpt-5-mini-2026-08", "first_us": 200_000, "cost": "0.00065",
                "usage": {"input": 1_000, "output": 20, "cache_read": 500, "cache_write": 0, "reasoning": None},
            },
        ),
    ]  # fmt: skip
    assert explained(story, f"{SEGMENT}:3") == [
        f'Call {CALL}: chat, as a stream, asked for "fast" on 2026-11-19 00:00:00 UTC',
        (
            "  answered by azure-eu, model gpt-5-mini (the provider says gpt-5-mini-2026-08), at https://eu.api.openai.com (openai), attempt 2 of 2, "
            "in 800 ms"
        ),
        "  cost: 0.00065 USD",
        "",
        "Table",
        "  shop version 12, trust: production",
        f"  SHA-256 {digest('table 12')}",
        "",
        "Permission",
        "  a capability, the digest of its chain:",
        f"    {HEX}",
        "  data internal, purpose answer, tag team=search",
        "",
        "Instructions",
        f"  template support-v3, SHA-256 {HEX}",
        f"  system prompt, fingerprint {digest('system')}: the same text has the same one under this log secret",
        "",
        "Guards",
        "  pii 1: redact, input /messages/1; pii.email: 1",
        "",
        "Attempts, in order",
        "  1. openai-eu, model gpt-5-mini, at https://eu.api.openai.com (openai)",
        "       at 2026-11-19 00:00:00.000001 UTC",
        '       why there: "fast" asks its rows in order, and openai-eu is the first',
        "       passed over: groq: its breaker is open",
        "       key presented: openai",
        "       ended: RateLimited, status 429, after 106 ms, 1 request sent",
        "       tokens: the provider reported none",
        "       cost: nothing",
        "       can be proved later, by fingerprints in the record: what was asked, the request as it was sent, the answer",
        f"       intent: {SEGMENT}:1",
        f"       outcome: {SEGMENT}:2",
        "  2. azure-eu, model gpt-5-mini (the provider says gpt-5-mini-2026-08), at https://eu.api.openai.com (openai)",
        "       at 2026-11-19 00:00:00.000003 UTC",
        "       why there: next in order, after openai-eu ended with RateLimited",
        "       no key was presented",
        "       ended: ok, status 200, after 800 ms (first token after 200 ms), 1 request sent",
        "       finish reason: stop",
        f"       the provider's request id: req_{digest(CALL)[:12]}",
        "       tokens: 1,000 in, 500 of them from cache, 20 out",
        "       cost: 0.00065 USD",
        "       can be proved later, by fingerprints in the record: what was asked, the request as it was sent, the answer",
        f"       intent: {SEGMENT}:3  <- asked about",
        f"       outcome: {SEGMENT}:4",
    ]


@pytest.mark.parametrize(
    ("story", "second", "cost"),
    [
        ([attempt(1, maybe=True)], "  MAYBE SENT: 1 attempt has no outcome; the process ended, or it is still under way",
         "  cost: not known for 1 attempt; at most 0.02 USD more is held back"),
        ([attempt(1, maybe=True, max_cost=None)], "  MAYBE SENT: 1 attempt has no outcome; the process ended, or it is still under way",
         "  cost: not known for 1 attempt"),
        ([refusal()], "  refused before anything was sent: CapabilityForbidden (models)", "  cost: nothing"),
        ([refusal(error="GuardBlocked", deny=None)], "  refused before anything was sent: GuardBlocked, by a guard", "  cost: nothing"),
        ([attempt(1, ends={"outcome": "TimedOut", "cost": None, "estimated": True}), refusal()],
         "  refused after 1 attempt: CapabilityForbidden (models)", "  cost: not known for 1 attempt; at most 0.02 USD more is held back"),
        ([attempt(1, ends={"outcome": "ServerError", "status": 500, "cost": None})], "  failed after 1 attempt: ServerError", "  cost: nothing"),
        ([attempt(1, ends={"outcome": "GuardBlocked", "deny": "links", "cost": "0.1", "estimated": True})],
         "  failed after 1 attempt: GuardBlocked (links), by a guard", "  cost: 0.10 USD; estimated for 1 attempt: its usage is not known"),
        ([refusal(error="GuardBlocked", deny="guard:unicode")], "  refused before anything was sent: GuardBlocked (guard:unicode)", "  cost: nothing"),
    ],
)  # fmt: skip
def test_endings(story: list[Told], second: str, cost: str) -> None:
    assert explained(story)[1:3] == [second, cost]


def test_a_refusal_says_what_was_passed_over() -> None:
    said = explained([refusal(rejected=[["openai-eu", "its breaker is open"]], table=None)], f"{SEGMENT}:9")
    assert said[-4:] == [
        "Refusal",
        "  CapabilityForbidden (models), on 2026-11-19 00:00:00.000009 UTC",
        "  passed over: openai-eu: its breaker is open",
        f"  denial: {SEGMENT}:9  <- asked about",
    ]
    assert "  none is recorded" in said
    assert "  no capability" in said
    assert explained([refusal()])[-1] == f"  denial: {SEGMENT}:9"


def test_an_outcome_without_its_intent_says_so() -> None:
    whole = attempt(1, capabilities=[HEX, "cd" * 32], data=None, ends={"model": "told"})
    alone = Told("attempt", f"{SEGMENT}:2", None, whole.ended, f"{SEGMENT}:2", BEGIN)
    said = explained([alone])
    assert "  1. openai-eu, model told (its intent is not in these records)" in said
    assert "  all of several capabilities, the digests of their chains:" in said
    assert said[-1] == f"       outcome: {SEGMENT}:2"
    assert said[0].startswith(f"Call {CALL}: a call, asked for")


def test_costs_add_up_per_currency() -> None:
    some = [attempt(1), attempt(2, ends={"cost": "1", "currency": "EUR"}), attempt(3)]
    assert cost_in_words(some) == "0.0013 USD; 1.00 EUR"
    assert cost_in_words([]) == "nothing"
    unpriced = attempt(1, ends={"cost": None})
    assert cost_in_words([unpriced]) == "not known for 1 attempt"


def test_single_records_in_words() -> None:
    whole = attempt(1, rejected=[["groq", "busy"]])
    assert record_in_words(whole.began or {}) == [
        "an intent: a request was about to leave, written 2026-11-19 00:00:00.000001 UTC",
        f"call {CALL}, asked for fast",
        "to openai-eu, model gpt-5-mini, at https://eu.api.openai.com (openai)",
        'why there: "fast" asks its rows in order, and openai-eu is the first',
        "passed over: groq: busy",
        "key presented: openai",
        f"table: shop version 12, trust: production; SHA-256 {digest('table 12')}",
        "no capability: what the signed table itself grants",
        "data internal",
        "no template and no system prompt is recorded",
        "guard: no finding of a guard is recorded",
        "can be proved later, by fingerprints in the record: what was asked, the request as it was sent",
    ]
    assert record_in_words(whole.ended or {})[2:5] == [
        "target: openai-eu", "ended: ok, status 200, after 800 ms, 1 request sent", "finish reason: stop",
    ]  # fmt: skip
    assert record_in_words(refusal().began or {})[2] == "refused: CapabilityForbidden (models)"
    assert record_in_words(refusal().began or {})[-1] == "no fingerprint of a content is recorded"
    assert record_in_words({"kind": "retention", "time": 0}) == ["a record of the kind retention, written 1970-01-01 00:00:00.000000 UTC"]


@pytest.mark.parametrize("told", [attempt(1), attempt(1, maybe=True, max_cost=None), refusal(table=None)])
def test_a_row_has_every_column_with_its_type(told: Told) -> None:
    row = row_of(told)
    assert list(row) == list(COLUMNS)
    kinds = {"text": str, "integer": int, "boolean": bool, "texts": list}
    for name, kind in COLUMNS.items():
        assert row[name] is None or type(row[name]) is kinds[kind], name
    assert json.loads(json_line(row)) == row
    assert len(csv_line(row, told, ["team"])) == len(csv_head(["team"])) == len(COLUMNS)


def test_what_a_row_says() -> None:
    told = attempt(
        1,
        rejected=[["a", "b"]],
        tags={"team": "search"},
        templates=[{"name": "t", "sha256": HEX}],
        verdicts=[verdict("pii", "flag", "input", "/x", "y")],
    )
    row = row_of(told)
    assert {name: row[name] for name in ("receipt", "outcome_receipt", "kind", "time_us", "time", "table_version", "max_cost", "input_tokens")} == {
        "receipt": f"{SEGMENT}:1", "outcome_receipt": f"{SEGMENT}:2", "kind": "attempt", "time_us": BEGIN + 1,
        "time": "2026-11-19 00:00:00.000001 UTC", "table_version": 12, "max_cost": "0.02", "input_tokens": 1000,
    }  # fmt: skip
    assert (row["rejected"], row["tags"], row["templates"], row["verdicts"]) == (
        ["a: b"],
        ["team=search"],
        [f"t {HEX}"],
        ["pii 1 input flag /x y"],
    )
    cells = dict(zip(csv_head(["team", "app"]), csv_line(row, told, ["team", "app"]), strict=True))
    assert (cells["stream"], cells["purpose"], cells["attempt"], cells["tag:team"], cells["tag:app"]) == ("false", "", "1", "search", "")
    streamed = attempt(1, stream=True)
    assert dict(zip(csv_head([]), csv_line(row_of(streamed), streamed, []), strict=True))["stream"] == "true"


@pytest.mark.parametrize(
    ("told", "estimated", "billed"),
    [
        (attempt(1), False, "yes"), (attempt(1, maybe=True), None, "yes"), (refusal(), None, "no"),
        (attempt(1, ends={"outcome": "TimedOut", "cost": None, "estimated": True}), False, "yes"),
        (attempt(1, ends={"outcome": "Abandoned", "cost": "0.1", "estimated": True}), True, "yes"),
        (attempt(1, ends={"outcome": "RateLimited", "cost": None}), False, "no"),
        (attempt(1, ends={"outcome": "ServerError", "cost": "0"}), False, "no"), (attempt(1, ends={"cost": None}), False, "yes"),
    ],
)  # fmt: skip
def test_estimated_is_said_of_an_amount_and_what_may_be_billed_of_every_row(told: Told, estimated: bool | None, billed: str) -> None:
    row = row_of(told)
    assert (row["estimated"], row["may_be_billed"]) == (estimated, billed)


@pytest.mark.parametrize(
    ("why", "before", "words"),
    [
        ("the only row", [], '"fast" has one row that may be asked, openai-eu'),
        ("cheapest", [], '"fast" asks the row with the lowest estimate, which was openai-eu'),
        ("next in order", [], "next in order"),
        ("next in order", [attempt(1, maybe=True, target="a")], "next in order, after a brought no outcome"),
        ("next in order", [attempt(1, target="a", ends={"outcome": "TimedOut"}), attempt(3, target="b", why="shadow: a copy")],
         "next in order, after a ended with TimedOut"),
        ("retry", [attempt(1, target="a", ends={"outcome": "Abandoned"})], "once more, after a was left"),
        ("fallback: quota", [attempt(1, target="a")], "a fallback of the table for quota, after a answered"),
        ("hedge: a took longer than 1.00 s", [], "hedge: a took longer than 1.00 s"),
    ],
)  # fmt: skip
def test_why_a_row_was_asked(why: str, before: list[Told], words: str) -> None:
    assert why_there(intent(CALL, why=why), before) == words


def test_rows_that_were_passed_over_are_why_the_next_one_was_asked() -> None:
    found = why_there(intent(CALL, why="next in order", rejected=[["a", "its breaker is open"]]))
    assert found == "next in order, since those before it were passed over"


def test_every_strategy_has_words() -> None:
    for strategy in get_args(Strategy):
        assert why_there(intent(CALL, why=strategy)).startswith('"fast" ')


@pytest.mark.parametrize(
    ("trust", "words"),
    [
        ("production", "no capability: what the signed table itself grants"),
        ("local", "no capability: local trust, in which whoever runs the program may ask every row"),
        ("other", "no capability"),
    ],
)
def test_what_allows_a_call_without_a_capability(trust: str, words: str) -> None:
    assert f"  {words}" in explained([refusal(table={"name": "t", "version": 1, "sha256": HEX, "trust": trust})])


def test_what_its_caller_left_neither_failed_nor_was_refused() -> None:
    left = attempt(1, stream=True, ends={"outcome": "Abandoned"})
    said = explained([left])
    assert said[1] == "  left by the caller after 1 attempt, before the answer had ended: neither failed nor refused"
    assert any(line.strip().startswith("ended: left by the caller, status 200") for line in said)
    raced = explained([left, attempt(3, attempt=2, why="hedge: openai-eu took longer than 1.00 s")])
    assert "answered by openai-eu" in raced[1]
    assert "       another attempt had answered: nobody waited for this one any longer" in raced
