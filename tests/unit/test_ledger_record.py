"""Records: what fits the format, what does not, and that the short way to read a line takes what the strict parser takes."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saferoute.ledger.record import KINDS, MAX_LINE_BYTES, Record, check_record, parse_line, record_id, split_id, write_record
from saferoute.ledger.shapes import LONGEST, MOST_ITEMS, fitted
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from tests.support.ledger_cases import NOW, A, Book, certificate, denial, intent, outcome, writer


def one_of_each() -> dict[str, dict[str, Any]]:
    """A record of each kind."""
    book = Book(certificate=certificate())
    book.call()
    book.add(denial())
    book.fields("retention", {"removed": [{"hash": "0" * 64, "root": "1" * 64, "segment": A, "size": 1}]})
    book.fields("content", {"data": "QUJD", "field": "asked", "key_id": "0" * 16, "nonce": "A" * 16, "ref": f"{A}:1"})
    book.checkpoint()
    records = [parse_line(line.removesuffix(b"\n")).fields for line in book.lines]
    return {record["kind"]: record for record in records}


EACH = one_of_each()


def test_there_is_one_of_each() -> None:
    assert EACH.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_a_line_is_strict_json_and_read_as_it_was_written(kind: str) -> None:
    line, record = write_record(EACH[kind])
    assert line == canonical(EACH[kind])
    assert record == EACH[kind] == parse(line) == parse_line(line).fields
    check_record(record)
    assert (parse_line(line).kind, parse_line(line).seq) == (kind, record["seq"])


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, fields in KINDS.items() for name in fields])
def test_every_field_must_be_there_and_of_its_type(kind: str, name: str) -> None:
    for value in (1.5, {"a": {}}, [[[1]]], b"x", -1):
        with pytest.raises(Refused):
            check_record(EACH[kind] | {name: value})
    with pytest.raises(Refused):
        check_record({key: value for key, value in EACH[kind].items() if key != name})


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_no_other_field(kind: str) -> None:
    with pytest.raises(Refused, match="Extra inputs are not permitted"):
        check_record(EACH[kind] | {"more": 1})


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("intent", {"v": 2}),
    ("intent", {"kind": "other"}),
    ("intent", {"seq": True}),
    ("intent", {"seq": 2**53}),
    ("intent", {"time": -1}),
    ("intent", {"attempt": 0}),
    ("intent", {"prev": "A" * 64}),
    ("intent", {"prev": "a" * 63}),
    ("intent", {"prev": "a" * 64 + "\n"}),
    ("intent", {"call": "a" * 33}),
    ("intent", {"data": "secret"}),
    ("intent", {"stream": 0}),
    ("intent", {"stream": "true"}),
    ("intent", {"commit": {"response": "a" * 64}}),
    ("intent", {"commit": {"asked": "x"}}),
    ("intent", {"max_cost": {"currency": "usd", "nano": 1}}),
    ("intent", {"max_cost": {"currency": "USD", "nano": 1, "more": 1}}),
    ("intent", {"tags": {"": "a"}}),
    ("intent", {"tags": {"a": 1}}),
    ("intent", {"tags": {"a" * 129: "b"}}),
    ("intent", {"rejected": [["a"]]}),
    ("intent", {"table": {}}),
    ("intent", {"verdicts": [{}]}),
    ("outcome", {"intent": "a:1"}),
    ("outcome", {"intent": f"{A}:01"}),
    ("outcome", {"cost": "1e3"}),
    ("outcome", {"cost": "-1"}),
    ("outcome", {"cost": "01"}),
    ("outcome", {"cost": 1}),
    ("outcome", {"usage": {"input": 1}}),
    ("segment", {"key": "AAAA"}),
    ("segment", {"previous": {"hash": "0" * 64, "root": "0" * 64, "segment": A, "size": 0}}),
    ("segment", {"certificate": {"payload": "QUJD", "payloadType": "x", "signatures": []}}),
    ("content", {"data": "QUJ"}),
    ("content", {"nonce": "A" * 15}),
    ("content", {"field": "a-b"}),
    ("retention", {"removed": []}),
    ("checkpoint", {"note": "x" * 2_001}),
]


@pytest.mark.parametrize(
    ("kind", "changes"), WRONG, ids=[f"{number} {kind} {min(changes)}" for number, (kind, changes) in enumerate(WRONG)]
)
def test_what_does_not_fit_is_refused_read_or_written(kind: str, changes: dict[str, Any]) -> None:
    fields = EACH[kind] | changes
    with pytest.raises(Refused) as caught:
        check_record(fields)
    with pytest.raises(Refused):
        parse_line(canonical(fields))
    with pytest.raises(Refused):
        write_record(fields)
    for value in changes.values():
        assert not isinstance(value, str) or value not in str(caught.value) or value == "other"


SPELLINGS = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"not json",
    b"\xef\xbb\xbf{}",
    b'{"kind":"checkpoint"',
    b"\xff",
    b"{" * 5_000,
    b'{"v":' + b"9" * 5_000 + b"}",
    canonical(EACH["denial"]).replace(b'"v":1', b'"v":1.0'),
    canonical(EACH["denial"]).replace(b'"v":1', b'"v":1e0'),
    canonical(EACH["denial"]).replace(b'"v":1', b'"v":"1"'),
    canonical(EACH["denial"]).replace(b'"v":1', b'"v":1,"v":1'),
    canonical(EACH["denial"]).replace(b'"v":1', b'"v": 1'),
    canonical(EACH["denial"]).replace(b'"v":1', b'"v":NaN'),
    canonical(EACH["denial"]).replace(b'"v":1', b'"v":-0'),
    canonical(EACH["denial"]) + b" ",
    canonical(EACH["denial"]) + b"\n",
    canonical(EACH["denial"]).replace(b"smart", b"sm\\u0061rt"),
    canonical(EACH["denial"]).replace(b"smart", b"sm\\/art"),
    canonical(EACH["denial"]).replace(b"smart", b"\\ud800"),
    canonical(EACH["denial"]).replace(b"smart", b"\xed\xa0\x80"),
    json.dumps(EACH["denial"], separators=(",", ":"), sort_keys=True).encode().replace(b'"call"', b'"kall"'),
    canonical({"kind": "denial", **EACH["denial"]}).replace(b'"kind":"denial",', b"").replace(b"{", b'{"kind":"denial",', 1),
]


@pytest.mark.parametrize("line", SPELLINGS, ids=[f"{number}" for number in range(len(SPELLINGS))])
def test_a_line_has_one_spelling(line: bytes) -> None:
    with pytest.raises(Refused):
        parse_line(line)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(TEXTS, TEXTS, st.dictionaries(TEXTS.filter(bool), TEXTS, max_size=4), st.integers(0, 2**53 - 1))
def test_what_is_written_the_strict_parser_reads(route: str, tag: str, tags: dict[str, str], time: int) -> None:
    line, record = write_record(EACH["denial"] | {"route": route, "purpose": tag, "tags": tags, "time": time})
    assert canonical(parse(line)) == line
    assert parse_line(line).fields == record == parse(line)
    assert list(record["tags"]) == sorted(tags)


@given(st.binary(max_size=3), st.integers(0, 2_000), st.integers(0, 3))
def test_every_line_that_is_read_is_strict_json(put: bytes, place: int, taken: int) -> None:
    """Bytes put into a line in place of others: what is still read is strict JSON, so that no two readers see two things."""
    line = canonical(EACH["intent"])
    place %= len(line)
    changed = line[:place] + put + line[place + taken :]
    try:
        fields = parse_line(changed).fields
    except Refused:
        return
    assert canonical(parse(changed)) == changed
    assert parse(changed) == fields


def test_a_line_has_a_size() -> None:
    with pytest.raises(Refused, match=f"it has {MAX_LINE_BYTES + 1} bytes; a record has at most {MAX_LINE_BYTES}"):
        parse_line(b" " * (MAX_LINE_BYTES + 1))
    with pytest.raises(Refused, match=rf"the record has \d+ bytes; at most {MAX_LINE_BYTES} are written"):
        write_record(EACH["content"] | {"data": "A" * MAX_LINE_BYTES})


def test_what_is_said_at_length_is_cut_and_still_recorded() -> None:
    long = "x" * 600
    verdict = {"action": "allow", "guard": "pii", "path": "", "reasons": [long], "stage": "input", "version": "1"}
    fields = EACH["intent"] | {
        "why": long,
        "rejected": [("a", long)] * 300,
        "verdicts": [verdict],
        "tags": MappingProxyType({"b": "\ud800", "a": "1"}),
    }
    line, record = write_record(fields)
    assert record["why"] == "x" * (LONGEST - 1) + "\N{HORIZONTAL ELLIPSIS}"
    assert len(record["rejected"]) == MOST_ITEMS
    assert record["rejected"][0] == ["a", record["why"]]
    assert record["verdicts"][0]["reasons"] == [record["why"]]
    assert record["tags"] == {"a": "1", "b": "\N{REPLACEMENT CHARACTER}"}
    assert parse_line(line).fields == record


def test_half_of_a_surrogate_pair_is_replaced_where_a_call_said_it() -> None:
    _, record = write_record(EACH["denial"] | {"route": "a\udfff"})
    assert record["route"] == "a\N{REPLACEMENT CHARACTER}"
    with pytest.raises(Refused):
        write_record(EACH["segment"] | {"software": "\ud800"})


def test_fields_come_in_any_order() -> None:
    table = dict(reversed(EACH["intent"]["table"].items()))
    line, _ = write_record(dict(reversed(EACH["intent"].items())) | {"table": table, "tags": {"team": "support", "env": "prod"}})
    assert line == canonical(EACH["intent"])


def test_fitting_leaves_what_fits() -> None:
    assert fitted({"b": [1, True, None], "a": "x"}) == {"a": "x", "b": [1, True, None]}


def test_a_record_s_id_is_its_segment_and_its_place() -> None:
    assert record_id(A, 7) == f"{A}:7"
    assert split_id(f"{A}:7") == (A, 7)
    for wrong in ("", A, f"{A}:", f"{A}:07", f"{A}:-1", f"{A.upper()}:1", f"{A}:1\n", f" {A}:1", f"{A}:{'1' * 17}"):
        with pytest.raises(Refused, match="is no record's id"):
            split_id(wrong)


def test_a_record_shows_its_kind_and_place() -> None:
    assert repr(parse_line(canonical(EACH["denial"]))) == f"Record('denial', seq={EACH['denial']['seq']})"
    assert Record(b"", {"kind": "intent", "seq": 1}) == Record(b"", {"kind": "intent", "seq": 1})


def test_the_fields_of_what_a_call_writes_are_the_writer_s() -> None:
    made = writer()
    for entry in (intent(), outcome(None), denial()):
        fields = made.add(entry, NOW).record.keys() - entry.fields.keys()
        assert fields == {"v", "kind", "seq", "prev", "time", "commit"} | ({"system_id"} if entry.kind == "intent" else set())
