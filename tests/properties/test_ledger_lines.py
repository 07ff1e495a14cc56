"""The short way to a record's line: whatever a call says, it makes the line that the schema's own writer makes, or none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.ledger.commitment import text_bytes
from saferoute.ledger.lines import _COMMITTED, _MOST_KNOWN, _PARTS, CallLines, Made, Place
from saferoute.ledger.record import KINDS, parse_line, write_record
from saferoute.ledger.shapes import LONGEST, MOST_ITEMS
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import MAX_INTEGER
from saferoute.values.receipt import Entry
from tests.support import ledger_cases as cases
from tests.support.ledger_cases import NOW, A, hexadecimal

DIGEST = hexadecimal("digest", 64)
WORST = {"currency": "USD", "nano": 1}
USAGE = {"cache_read": 1, "cache_write": None, "input": 2, "output": 0, "reasoning": None}
WHOLE = dict.fromkeys(USAGE, 3)
VERDICT = {"action": "allow", "guard": "pii", "path": "", "reasons": ["a"], "stage": "input", "version": "1"}
HALF = "\ud800"


class Word(str):
    """A text that is not of Python's own class."""

    __slots__ = ()


class Number(int):
    """An integer that is not of Python's own class."""


def split(entry: Entry) -> Entry:
    """As a call says it: apart from what it has in common with others."""
    parts = _PARTS[entry.kind]
    common = {name: value for name, value in entry.fields.items() if name in parts}
    return entry._replace(fields={name: value for name, value in entry.fields.items() if name not in parts}, common=common)


def made_of(kind: str) -> Made:
    if kind == "intent":
        return {name: hexadecimal(name, 64) for name in ("asked", "request", "system")}, DIGEST
    return {"response": DIGEST}, None


def by_schema(entry: Entry, made: Made, place: Place) -> bytes | None:
    """The line that the schema's own writer makes."""
    seq, prev, now_us = place
    fields = {**entry.said, "commit": dict(made[0]), "v": 1, "kind": entry.kind, "seq": seq, "prev": prev, "time": now_us}
    if entry.kind == "intent":
        fields["system_id"] = made[1]
    try:
        return write_record(fields)[0]
    except Refused:
        return None


def agree(entry: Entry, made: Made | None = None, place: Place = (7, DIGEST, NOW)) -> bytes | None:
    """The short way's line, which is either none or the other way's: the first time, and when everything in it is known."""
    made = made_of(entry.kind) if made is None else made
    lines = CallLines()
    line = lines.line(entry, made, place)
    assert lines.line(entry, made, place) == line
    if line is not None:
        assert line == by_schema(entry, made, place)
        assert parse_line(line).kind == entry.kind
    return line


ENTRIES = [split(cases.intent()), split(cases.outcome(f"{A}:1"))]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
ODD: list[Any] = [
    None, True, False, 0, 1, -1, 1.0, MAX_INTEGER, MAX_INTEGER + 1, 10**30, Number(1), "", "a", "x" * LONGEST, "x" * (LONGEST + 1), HALF,
    "\n", '"', "\\", "%s", "%", "{}", "\x7f", "\u2028", "\U0001f600", Word("a"), b"a", [], [1], ["a"], [DIGEST], [DIGEST] * MOST_ITEMS,
    [DIGEST] * (MOST_ITEMS + 1), (), (DIGEST,), [DIGEST + "\n"], {}, {"a": "b"}, {"b": "1", "a": "2"}, {"a": HALF}, {1: "a"}, {"": "a"},
    {"a" * 129: "b"}, {Word("a"): "b"}, object(), [["a", "b"]], [("a", "b")], [["a", "x" * (LONGEST + 1)]], [VERDICT], [{**VERDICT, "more": 1}],
    [{"name": "a", "sha256": DIGEST}], [{"name": "a", "sha256": "b"}], WORST, {**WORST, "currency": None}, {**WORST, "currency": "usd"},
    {**WORST, "nano": True}, {**WORST, "more": 1}, {"currency": "USD", "more": 1}, USAGE, {**USAGE, "input": True}, {**USAGE, "input": -1},
    {**USAGE, "output": 1.5}, {**USAGE, "more": 1}, {"input": 1}, WHOLE,
    {**WHOLE, "input": True}, {**WHOLE, "reasoning": -1}, {**WHOLE, "reasoning": None}, {**WHOLE, "cache_read": "1"}, dict(reversed(USAGE.items())), cases.TABLE, {**cases.TABLE, "version": "3"},
    hexadecimal("call"), hexadecimal("call") + "\n", hexadecimal("call").upper(), f"{A}:1", f"{A}:01", f"{A}:1\n", f"{A}:\u0661", "0", "0.5",
    "0.50", "-1", "1e3", "01", "1\n", "\u0661", "USD", "USD\n", "internal", "secret",
]  # fmt: skip


@pytest.mark.parametrize("entry", ENTRIES, ids=["intent", "outcome"])
def test_what_calls_usually_say_goes_the_short_way(entry: Entry) -> None:
    assert agree(entry) is not None
    assert agree(entry, ({}, None)) is not None
    bare: dict[str, Any] = {"tags": {}, "capabilities": [], "verdicts": []}
    if entry.kind == "intent":
        bare |= {"rejected": [], "templates": [], "max_cost": None, "stream": True}
        assert agree(entry, ({"asked": DIGEST, "request": DIGEST}, None)) is not None
    else:
        bare |= {"intent": None, "request_id": None, "status": None, "usage": None, "cost": None, "estimated": True, "first_us": 3}
    assert agree(entry._replace(fields={**entry.fields, **bare})) is not None


@pytest.mark.parametrize("entry", ENTRIES, ids=["intent", "outcome"])
def test_whatever_a_field_holds_both_ways_agree(entry: Entry) -> None:
    for name in entry.fields:
        for value in ODD:
            agree(entry._replace(fields={**entry.fields, name: value}))
    for name in entry.common:
        for value in ODD:
            agree(entry._replace(common={**entry.common, name: value}))


@pytest.mark.parametrize("entry", ENTRIES, ids=["intent", "outcome"])
def test_a_field_too_many_or_too_few_does_not_go_the_short_way(entry: Entry) -> None:
    def other(said: Mapping[str, Any]) -> Entry:
        return entry._replace(fields=said) if part == "fields" else entry._replace(common=said)

    for part in ("fields", "common"):
        said = getattr(entry, part)
        assert agree(other({**said, "more": 1})) is None
        for name in said:
            less = {key: value for key, value in said.items() if key != name}
            assert agree(other(less)) is None
            assert agree(other({**less, "more": 1})) is None
    assert agree(entry._replace(common={})) is None
    assert agree(entry._replace(fields=entry.said, common={})) is None


@pytest.mark.parametrize("entry", ENTRIES, ids=["intent", "outcome"])
def test_unusual_commitments_and_times_do_not_go_the_short_way(entry: Entry) -> None:
    for names in (("request",), ("request", "asked"), ("asked", "request", "system", "more"), ("response", "asked"), ("system",)):
        assert agree(entry, (dict.fromkeys(names, DIGEST), None)) is None
    for now_us in (-1, True, 1.5, MAX_INTEGER + 1):
        assert agree(entry, place=(7, DIGEST, now_us)) is None  # type: ignore[arg-type]  # on purpose


def test_denials_and_everything_else_goes_the_long_way() -> None:
    assert {names[0] for names in _COMMITTED} == {"intent", "outcome"}
    assert CallLines().line(cases.denial(), ({}, None), (7, DIGEST, NOW)) is None


@given(st.data(), st.sampled_from(ENTRIES))
def test_what_is_said_in_any_words_reads_the_same(data: st.DataObject, entry: Entry) -> None:
    texts = {name: data.draw(TEXTS, name) for name in ("why", "model", "finish_reason", "outcome", "request_id") if name in entry.fields}
    tags = data.draw(st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=3))
    common = {name: data.draw(TEXTS, name) for name in ("route", "target", "model", "origin", "purpose") if name in entry.common}
    line = agree(entry._replace(fields={**entry.fields, **texts, "tags": tags}, common={**entry.common, **common}))
    assert line is not None
    fields = parse_line(line).fields
    assert fields.items() >= {**texts, **common, "tags": tags}.items()


def test_what_is_remembered_is_bounded_and_not_mistaken() -> None:
    lines = CallLines()
    for number in range(3 * _MOST_KNOWN):
        for entry in ENTRIES:
            other = entry._replace(common={**entry.common, "target": f"t{number}"})
            made = made_of(entry.kind)
            fields = {**entry.fields, "call": hexadecimal(str(number)), "tags": {"user": str(number)}}
            fields |= {"why": f"w{number}"} if entry.kind == "intent" else {"model": f"m{number}"}
            for one in (other._replace(fields=fields), entry):
                assert lines.line(one, made, (7, DIGEST, NOW)) == by_schema(one, made, (7, DIGEST, NOW))
    for memory in (lines._runs, lines._text, lines._maybe):
        assert len(memory) <= _MOST_KNOWN


def test_none_is_remembered_again_after_everything_was_forgotten() -> None:
    known = CallLines()._maybe
    for number in range(2 * _MOST_KNOWN):
        assert (known[None], known[f"t{number}"]) == ("null", f'"t{number}"')


def test_a_segment_s_lines_are_the_same_either_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def written() -> list[bytes]:
        made = cases.writer()
        return [made.add(entry, NOW + place).line for place, entry in enumerate([*ENTRIES, cases.denial()] * 3)]

    short = written()
    monkeypatch.setattr(CallLines, "line", lambda *_: None)
    assert written() == short
    assert text_bytes("Be brief.") not in b"".join(short)


def test_the_order_of_the_fields_is_the_schema_s() -> None:
    assert set(KINDS) > set(_PARTS)
    for entry in ENTRIES:
        line = agree(entry)
        assert line is not None
        assert list(parse_line(line).fields) == sorted(KINDS[entry.kind])
