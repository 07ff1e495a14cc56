"""What the records of many calls have in common: the same objects for all of them, as long as it is the same that they say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from saferoute.call.recording import Common, facts_of
from saferoute.ledger.commitment import message_bytes
from saferoute.ledger.lines import CallLines
from saferoute.values.messages import Message, Text
from saferoute.values.receipt import Entry
from tests.support.ledger_cases import NOW, TABLE, hexadecimal, outcome
from tests.unit.balancing_cases import row

CALL = hexadecimal("call")
TARGET = row("a")


def facts(call: str = CALL, route: str = "fast", table: dict[str, Any] = TABLE, **more: Any) -> dict[str, Any]:
    return facts_of(call, "chat", route, table, **more)


def test_calls_that_go_the_same_way_share_it() -> None:
    common = Common()
    intent, outcome_ = common.of(facts(), TARGET)
    again = common.of(facts(hexadecimal("another call"), tags={"team": "maps"}, capabilities=["x"]), TARGET)
    assert again[0] is intent
    assert again[1] is outcome_
    in_time = replace(TARGET, deadlines=replace(TARGET.deadlines, connect=0.5))
    assert in_time is not TARGET
    assert common.of(facts(), in_time)[0] is intent


def test_what_is_not_the_same_is_not_shared() -> None:
    common = Common()
    before = common.of(facts(), TARGET)
    for other, target in (
        (facts(route="slow"), TARGET),
        (facts(data="internal"), TARGET),
        (facts(purpose="support"), TARGET),
        (facts(table={**TABLE, "version": 4}), TARGET),
        (facts(), replace(TARGET, id="b")),
        (facts(), replace(TARGET, model="other")),
        (facts(), replace(TARGET, provider_name="other")),
        (facts(), replace(TARGET, origin="https://other.example.com")),
        (facts(), replace(TARGET, secret="other")),
    ):
        intent, ended = common.of(other, target)
        assert intent is not before[0]
        assert intent["route"] == ended["route"] == other["route"]
        assert (intent["data"], intent["purpose"], intent["table"]) == (other["data"], other["purpose"], other["table"])
        assert intent["target"] == ended["target"] == target.id
        assert (intent["model"], intent["provider"]) == (target.model, target.provider_name)
        assert (intent["origin"], intent["secret"]) == (target.origin, target.secret)


def test_it_is_bounded() -> None:
    common = Common()
    for number in range(600):
        intent, _ = common.of(facts(route=f"r{number}"), TARGET)
        assert intent["route"] == f"r{number}"
    assert len(common._known) <= 256


def test_the_answer_s_bytes_are_the_ledger_s() -> None:
    common = Common()
    message = Message("assistant", (Text("yes"),))
    assert common.answered(message) == common.answered(message) == message_bytes(message)


def test_an_entry_says_both_parts() -> None:
    whole = outcome(None)
    common = {name: whole.fields[name] for name in ("route", "target", "currency")}
    entry = Entry(
        "outcome", {name: value for name, value in whole.fields.items() if name not in common}, whole.contents, None, "fast", common
    )
    assert entry.said == whole.said == whole.fields
    assert CallLines().line(entry, ({}, None), (1, "0" * 64, NOW)) is not None
    assert repr(entry) == "Entry('outcome')"
