"""A second history under the same log key: whoever has the key shows one ledger to the auditor and another to somebody else.

Each is good for itself. They are found out where the two meet: at an anchor, at a segment that follows one of them, or side by side.

Guards: saferoute/ledger/walk.py::if row.root != root or row.hash not in {"", walk.prev}:
Guards: saferoute/ledger/verify.py::if first != name:
Guards: saferoute/ledger/verify.py::if other != name:
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.verify import verify_ledger, verify_segment
from tests.support.ledger_cases import LOG_KEY, OTHER_KEY, A, B, Book, C, D


def history(**changes: object) -> Book:
    book = Book(A)
    book.call()
    book.checkpoint()
    book.call(**changes)
    book.checkpoint(final=True)
    return book


TRUE, FALSE = history(), history(target="openai-huge")
LAST = read_note(TRUE.notes[1], LOG_KEY.public_key)
FORKED = "its first {} records are not those that {} fixes: another history"


def words(report: object) -> list[tuple[str, int, str]]:
    return [(fault.name, fault.place, fault.words) for fault in report.faults]


def test_each_is_good_for_itself() -> None:
    assert verify_segment(TRUE.data).ok
    assert verify_segment(FALSE.data).ok
    assert TRUE.data != FALSE.data


def test_an_anchor_of_one_does_not_fit_the_other() -> None:
    assert verify_segment(TRUE.data, anchors=[LAST]).ok
    assert verify_segment(FALSE.data, anchors=[LAST]).problems == ((5, FORKED.format(6, "an anchor")),)
    early = read_note(TRUE.notes[0], LOG_KEY.public_key)
    assert verify_segment(FALSE.data, anchors=[early]).ok  # they were one until then


def test_an_anchor_needs_no_signature_to_raise_an_alarm() -> None:
    assert read_note(TRUE.notes[1].replace(f"time {LAST.time_us}", "time 1"), None) == replace(LAST, time_us=1)
    assert not verify_segment(FALSE.data, anchors=[read_note(TRUE.notes[1], None)]).ok


def test_a_segment_that_follows_one_does_not_fit_the_other() -> None:
    after = Book(B, previous=TRUE.writer.link()).closed().data
    assert verify_ledger({A: TRUE.data, B: after}).ok
    assert words(verify_ledger({A: FALSE.data, B: after})) == [(A, 6, FORKED.format(7, "a later segment"))]


@pytest.mark.parametrize("field", ["hash", "root"])
def test_a_link_fixes_the_last_line_and_the_root(field: str) -> None:
    link = replace(TRUE.writer.link(), **{field: "0" * 64})
    assert words(verify_ledger({A: TRUE.data, B: Book(B, previous=link).closed().data})) == [(A, 6, FORKED.format(7, "a later segment"))]


def test_the_two_side_by_side() -> None:
    report = verify_ledger({"one": TRUE.data, "two": FALSE.data})
    assert words(report) == [("two", 0, "one is the same segment with other records: two histories under one id")]
    assert words(verify_ledger({"one": TRUE.data, "two": TRUE.data})) == [("two", 0, "one is the same segment")]


TWO = "it and {} go on from the same place under one log key: two histories"


def test_two_segments_that_follow_one_under_one_key() -> None:
    link = TRUE.writer.link()
    one, two = Book(B, previous=link).closed().data, Book(C, previous=link).closed().data
    assert words(verify_ledger({A: TRUE.data, B: one, C: two})) == [(C, 0, TWO.format(B))]
    other = Book(C, OTHER_KEY, previous=link).closed().data  # two processes at once
    assert verify_ledger({A: TRUE.data, B: one, C: other}).ok


def test_two_beginnings_under_one_key() -> None:
    assert words(verify_ledger({A: TRUE.data, B: Book(B).closed().data})) == [(B, 0, TWO.format(A))]
    stranger = Book(C, OTHER_KEY)
    hidden = Book(D, previous=stranger.writer.link()).closed().data  # behind somebody else's segment
    assert words(verify_ledger({A: TRUE.data, C: stranger.data, D: hidden})) == [(D, 0, TWO.format(A))]


def test_one_key_may_write_one_segment_after_the_other() -> None:
    second = Book(B, previous=TRUE.writer.link()).closed()
    third = Book(C, previous=second.writer.link()).closed()
    assert verify_ledger({A: TRUE.data, B: second.data, C: third.data}).ok
