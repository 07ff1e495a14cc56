"""A ledger ends in a part of a line, as one does whose process was killed while it wrote; or it is cut anywhere.

Guards: saferoute/ledger/walk.py::torn = lines.pop() => torn = b""
Guards: saferoute/ledger/walk.py::if torn and walk.closed:
Guards: saferoute/ledger/walk.py::elif len(torn) > MAX_LINE_BYTES:
Guards: saferoute/ledger/segment.py::lines = data.split(b"\\n")[:-1] => lines = data.split(b"\\n")
"""

from __future__ import annotations

import random

import pytest

from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.record import MAX_LINE_BYTES
from saferoute.ledger.segment import link_of
from saferoute.ledger.verify import verify_ledger, verify_segment
from tests.support.ledger_cases import LOG_KEY, A, B, Book, book_of

BOOKS = [book_of(8, every=2), book_of(1_000)]
DATA = BOOKS[0].data
ENDS = [place for place, byte in enumerate(DATA) if byte == 0x0A]


def cuts(data: bytes) -> list[int]:
    """Every cut of a short ledger, and some of a long one."""
    return list(range(1, len(data))) if len(data) < 10_000 else random.Random(1).sample(range(1, len(data)), 25)


@pytest.mark.parametrize("book", BOOKS, ids=["short", "long"])
def test_what_is_left_of_a_cut_ledger_is_good_and_what_was_being_written_is_counted(book: Book) -> None:
    ends = [place for place, byte in enumerate(book.data) if byte == 0x0A]
    for cut in cuts(book.data):
        report = verify_segment(book.data[:cut])
        whole = [end for end in ends if end < cut]
        assert report.records == len(whole)
        assert report.torn_tail_bytes == cut - (whole[-1] + 1 if whole else 0)
        assert not report.closed
        assert report.ok


@pytest.mark.parametrize("book", BOOKS, ids=["short", "long"])
def test_an_anchor_finds_every_cut(book: Book) -> None:
    anchor = read_note(book.notes[-1], LOG_KEY.public_key)
    assert verify_segment(book.data, anchors=[anchor]).ok
    lost = "{} records are missing at the end: an anchor says that there were {}"
    for cut in cuts(book.data):
        report = verify_segment(book.data[:cut], anchors=[anchor])
        missing = anchor.size - report.records
        if report.records == 0:
            assert report.ok  # nothing says which segment this was: verify_ledger misses it
        elif missing > 0:
            assert report.problems == ((report.records, lost.format(missing, anchor.size)),)
        else:
            assert report.ok  # all that the anchor covers is there: only the checkpoint's own record is not


def test_the_next_segment_goes_on_from_the_whole_lines() -> None:
    torn = DATA[: ENDS[-4] + 40]
    link = link_of(torn)
    assert link is not None
    assert link.size == 5
    after = Book(B, previous=link).closed()
    report = verify_ledger({"a": torn, "b": after.data})
    assert report.ok
    assert report.segments["a"].torn_tail_bytes == 39


def test_a_whole_record_without_its_line_feed_counts_as_not_written() -> None:
    report = verify_segment(DATA[: ENDS[5]])
    assert (report.ok, report.records, report.torn_tail_bytes) == (True, 5, ENDS[5] - ENDS[4] - 1)


def test_nothing_is_torn_behind_the_end() -> None:
    assert verify_segment(DATA + b'{"').problems == ((8, "there are bytes after the final checkpoint"),)


def test_a_torn_tail_is_not_longer_than_a_record() -> None:
    open_end = Book(A).data
    assert verify_segment(open_end + b"x" * MAX_LINE_BYTES).ok
    assert verify_segment(open_end + b"x" * (MAX_LINE_BYTES + 1)).problems == ((1, "the torn tail is longer than any record"),)


def test_zeros_of_a_power_cut_are_a_torn_tail() -> None:
    report = verify_segment(Book(A).data + bytes(4_096))
    assert (report.ok, report.torn_tail_bytes) == (True, 4_096)


@pytest.mark.parametrize("left", [b"", bytes(4_096), DATA[:1], DATA[: ENDS[0]]], ids=["nothing", "zeros", "one byte", "no line feed"])
def test_a_segment_of_which_nothing_whole_was_written_is_a_torn_tail(left: bytes) -> None:
    report = verify_segment(left)
    assert (report.ok, report.records, report.unsigned_tail, report.torn_tail_bytes) == (True, 0, 0, len(left))
    assert (report.segment, report.key, report.end, report.closed) == ("", None, None, False)
    after = book_of(8, every=2).data
    whole = verify_ledger({B: left, A: after})
    assert (whole.ok, whole.records) == (True, 8)
    assert whole.segments[B].certificate == "not certified (weaker): nobody says whose log key this is"


def test_what_stands_in_a_torn_first_line_is_not_read() -> None:
    """A whole first record, and one byte that was to be the next line's or its line feed: it was not written, and follows nothing."""
    torn = Book(A, previous=book_of(8, segment=B).writer.link()).data[:-1] + b"x"
    assert verify_ledger({A: torn}).ok
    assert verify_ledger({A: torn, B: Book(B).data}).ok
