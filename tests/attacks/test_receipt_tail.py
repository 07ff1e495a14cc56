"""Whole records are cut off at the end of a ledger.

What is left is a good ledger, and nothing in it can say that there was more. A checkpoint that was kept elsewhere can, and so can the
segment that was begun after it.

Guards: saferoute/ledger/walk.py::if size > records:
"""

from __future__ import annotations

import pytest

from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.verify import verify_ledger, verify_segment
from tests.support.ledger_cases import LOG_KEY, OTHER_KEY, A, B, Book, C, book_of

BOOK = book_of(100, every=20)
LINES = BOOK.lines
ANCHORS = [read_note(note, LOG_KEY.public_key) for note in BOOK.notes]
MISSING = "{} records are missing at the end: {} says that there were {}"


@pytest.mark.parametrize("kept", range(1, 100))
def test_only_an_anchor_shows_that_records_are_gone(kept: int) -> None:
    data = b"".join(LINES[:kept])
    alone = verify_segment(data)
    assert (alone.ok, alone.closed, alone.torn_tail_bytes) == (True, False, 0)
    problems = verify_segment(data, anchors=ANCHORS).problems
    assert problems == tuple((kept, MISSING.format(one.size - kept, "an anchor", one.size)) for one in ANCHORS if one.size > kept)
    assert bool(problems) is (kept < 99)  # the last anchor covers 99 records; the one after them is the checkpoint itself


def test_the_segment_that_was_begun_after_it_shows_it_too() -> None:
    link = BOOK.writer.link()
    after = Book(B, previous=link).closed().data
    for kept in range(1, 100):
        report = verify_ledger({A: b"".join(LINES[:kept]), B: after})
        assert [(fault.name, fault.place, fault.words) for fault in report.faults] == [
            (A, kept, MISSING.format(100 - kept, "a later segment", 100))
        ]


def test_a_segment_without_a_record_is_missing() -> None:
    """A file that a power cut emptied is no fault of its own: what it held is missed by who knows of it, as if there were no file."""
    missing = f"segment {A}, which it follows, is missing, and no signed record says that it was removed"
    after = Book(B, previous=BOOK.writer.link()).closed().data
    for files in ({A: b""}, {A: LINES[0][:-1]}, {A: bytes(4_096)}, {}):
        report = verify_ledger(files, anchors=ANCHORS[-1:])
        assert [fault.words for fault in report.faults] == [f"segment {A}, which an anchor covers, is missing"]
        assert [(fault.name, fault.words) for fault in verify_ledger({**files, B: after}).faults] == [(B, missing)]
        assert verify_ledger(files).ok


def test_what_nobody_has_signed_yet_is_counted() -> None:
    book = Book()
    assert verify_segment(book.data).unsigned_tail == 1
    book.call()
    book.checkpoint()
    assert verify_segment(book.data).unsigned_tail == 0
    book.call()
    book.call()
    report = verify_segment(book.data)
    assert (report.ok, report.closed, report.unsigned_tail) == (True, False, 4)


def test_the_first_checkpoint_of_the_next_segment_signs_the_tail_before_it() -> None:
    killed = Book(A)
    killed.call()
    after = Book(B, previous=killed.writer.link())
    killed.call()  # by another process, say, that still writes there
    assert verify_ledger({A: killed.data, B: after.data}).unsigned_tail == 6
    after.checkpoint()
    assert verify_ledger({A: killed.data, B: after.data}).unsigned_tail == 2
    more = Book(C, OTHER_KEY, previous=killed.writer.link())
    more.checkpoint()
    assert verify_ledger({A: killed.data, C: more.data, B: after.data}).unsigned_tail == 0
