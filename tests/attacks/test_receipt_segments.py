"""A segment of a ledger is left out, or two are exchanged.

Guards: saferoute/ledger/verify.py::elif link is not None and link.segment not in ledger.names and not _is_gone(ledger, link):
Guards: saferoute/ledger/verify.py::if said and said[-1] != report.segment:
Guards: saferoute/ledger/verify.py::if gone is None:
Guards: saferoute/ledger/walk.py::removed=tuple(link for place, link in walk.removed if place < walk.signed), => removed=tuple(link for place, link in walk.removed),
Guards: saferoute/ledger/verify.py::return gone is not None and (link == gone if link.size == gone.size else link.size < gone.size) => return gone is not None
Guards: saferoute/ledger/verify.py::if name is None or end is None or end.size > link.size or end == link:
Guards: saferoute/ledger/verify.py::if not ledger.removed:
Guards: saferoute/ledger/verify.py::elif anchor.size > gone.size or (anchor.size == gone.size and anchor.root.hex() != gone.root):
"""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.segment import Link
from saferoute.ledger.verify import LedgerReport, verify_ledger
from tests.support.ledger_cases import LOG_KEY, OTHER_KEY, A, B, Book, C, D, intent, outcome

FIRST = Book(A).closed(2)
SECOND = Book(B, previous=FIRST.writer.link()).closed(2)
THIRD = Book(C, previous=SECOND.writer.link()).closed(2)
WHOLE = {A: FIRST.data, B: SECOND.data, C: THIRD.data}
ANCHORS = [read_note(book.notes[-1], LOG_KEY.public_key) for book in (FIRST, SECOND, THIRD)]
LINK = FIRST.writer.link()
MISSING = "segment {}, which it follows, is missing, and no signed record says that it was removed"


def words(report: LedgerReport) -> list[tuple[str, int, str]]:
    return [(fault.name, fault.place, fault.words) for fault in report.faults]


def without(*names: str) -> dict[str, bytes]:
    return {name: data for name, data in WHOLE.items() if name not in names}


def test_the_whole_ledger_is_good() -> None:
    report = verify_ledger(WHOLE, anchors=ANCHORS)
    assert (report.ok, report.records, report.unsigned_tail, report.maybe_sent) == (True, 18, 0, ())


def test_a_segment_that_another_one_follows_is_missed() -> None:
    assert words(verify_ledger(without(A))) == [(B, 0, MISSING.format(A))]
    assert words(verify_ledger(without(B))) == [(C, 0, MISSING.format(B))]


def test_the_last_segment_is_missed_by_an_anchor_only() -> None:
    assert verify_ledger(without(C)).ok
    report = verify_ledger(without(C), anchors=ANCHORS)
    assert words(report) == [("", 0, f"segment {C}, which an anchor covers, is missing")]
    assert not report.ok


@pytest.mark.parametrize("order", [order for order in permutations(WHOLE) if order != tuple(WHOLE)])
def test_files_that_were_exchanged_do_not_hold_what_their_names_say(order: tuple[str, ...]) -> None:
    files = {f"20261123T101010.000000Z-{name}.ledger.jsonl": WHOLE[other] for name, other in zip(WHOLE, order, strict=True)}
    moved = [(name, other) for name, other in zip(WHOLE, order, strict=True) if name != other]
    found = [fault for fault in verify_ledger(files).faults if "files were exchanged" in fault.words]
    assert [fault.words for fault in found] == [
        f"its name says segment {name}, and it is segment {other}: files were exchanged" for name, other in moved
    ]


def test_an_older_copy_of_a_segment_is_too_short() -> None:
    older = b"".join(FIRST.lines[:3])
    assert words(verify_ledger(WHOLE | {A: older})) == [(A, 3, "3 records are missing at the end: a later segment says that there were 6")]


def test_an_outcome_in_a_later_segment_ends_an_intent() -> None:
    first = Book(A)
    (asked,) = first.add(intent(1))
    first.checkpoint(final=True)
    second = Book(B, previous=first.writer.link())
    second.add(outcome(asked, 1))
    second.checkpoint(final=True)
    assert verify_ledger({A: first.data}).maybe_sent == (asked,)
    assert verify_ledger({A: first.data, B: second.data}).maybe_sent == ()
    assert words(verify_ledger({B: second.data}))[1] == (B, 1, f"segment {A}, which has the intent of this outcome, is missing")
    twice = Book(C, previous=second.writer.link())
    twice.add(outcome(asked, 1))
    report = verify_ledger({A: first.data, B: second.data, C: twice.data})
    assert words(report) == [
        (C, 1, f"{asked}, which it is the outcome of, is no intent of this call and attempt, or has an outcome already")
    ]
    gone = Book(B, previous=first.writer.link())
    gone.add(outcome(asked, 1))
    gone.fields("retention", {"removed": [first.writer.link().fields()]})
    gone.checkpoint()
    assert verify_ledger({B: gone.data}).ok  # what a removed segment held is not asked for
    other = Book(B, previous=first.writer.link())
    other.add(outcome(asked, 2))
    assert not verify_ledger({A: first.data, B: other.data}).ok


def pruned(gone: Link, *, signed: bool = True) -> dict[str, bytes]:
    """The ledger after its first segment was deleted, and a record says so."""
    last = Book(D, previous=THIRD.writer.link())
    last.fields("retention", {"removed": [gone.fields()]})
    if signed:
        last.checkpoint()
    return {**without(A), D: last.data}


def test_a_segment_may_be_gone_if_a_signed_record_says_so() -> None:
    report = verify_ledger(pruned(FIRST.writer.link()), anchors=ANCHORS)
    assert (report.ok, report.removed) == (True, (FIRST.writer.link(),))


def test_a_record_that_nobody_signed_removes_nothing() -> None:
    """Whoever can write the file can write its unsigned tail: it must not cover up for a file that they deleted."""
    assert words(verify_ledger(pruned(FIRST.writer.link(), signed=False))) == [(B, 0, MISSING.format(A))]


def test_what_is_named_as_removed_and_still_there_is_what_was_named() -> None:
    """A process that is killed before it deletes a file leaves it: then the record about it is one more that fixes what it holds."""
    files = {A: FIRST.data, **pruned(LINK)}
    report = verify_ledger(files, anchors=ANCHORS)
    assert (report.ok, report.removed) == (True, ())
    alone = Book(D)  # nothing else refers to the first one
    alone.fields("retention", {"removed": [LINK.fields()]})
    alone.checkpoint()
    other = Book(A, OTHER_KEY).closed(2)
    assert other.writer.link().size == LINK.size
    fixed = "its records are not those that the record of its removal fixes: another history"
    assert words(verify_ledger({A: other.data, D: alone.data})) == [(A, 5, fixed)]
    cut = b"".join(FIRST.lines[:4])
    lost = "2 records are missing at the end: the record of its removal says that there were 6"
    assert (A, 4, lost) in words(verify_ledger({A: cut, D: alone.data}))
    longer = Book(A, OTHER_KEY).closed(3)
    assert verify_ledger({A: longer.data, D: alone.data}).ok  # it went on being written, where files cannot be locked


def test_an_outcome_whose_intent_is_gone_is_asked_for_only_where_nothing_was_removed() -> None:
    """A record of a removal may be removed itself. What a segment follows is asked for in any case."""
    late = Book(C)
    late.add(outcome(f"{A}:1", 1))
    late.checkpoint(final=True)
    lost = (C, 1, f"segment {A}, which has the intent of this outcome, is missing")
    assert words(verify_ledger({C: late.data})) == [lost]
    keeper = Book(D, OTHER_KEY)
    keeper.fields("retention", {"removed": [Link(B, 1, "1" * 64, "2" * 64).fields()]})
    assert words(verify_ledger({C: late.data, D: keeper.data})) == [lost]  # nobody signed that
    keeper.checkpoint()
    assert verify_ledger({C: late.data, D: keeper.data}).ok
    follows = Book(C, previous=LINK)
    follows.add(outcome(f"{A}:1", 1))
    assert words(verify_ledger({C: follows.data, D: keeper.data})) == [(C, 0, MISSING.format(A))]


@pytest.mark.parametrize(
    "gone",
    [replace(LINK, size=5), replace(LINK, root="0" * 64), replace(LINK, hash="0" * 64)],
    ids=["shorter than its successor says", "another root", "another last line"],
)
def test_what_was_removed_is_what_was_there(gone: Link) -> None:
    assert words(verify_ledger(pruned(gone))) == [(B, 0, MISSING.format(A))]


def test_what_was_removed_was_as_long_as_an_anchor_says() -> None:
    start = Book(B, previous=Link(A, 2, "1" * 64, "2" * 64))
    start.fields("retention", {"removed": [replace(LINK, size=4).fields()]})
    start.checkpoint()
    anchored = "segment {} was removed, and an anchor says that it was another one, or longer"
    assert words(verify_ledger({B: start.data}, anchors=ANCHORS[:1])) == [("", 0, anchored.format(A))]
    assert verify_ledger({B: start.data}, anchors=[replace(ANCHORS[0], size=3)]).ok
    assert words(verify_ledger({B: start.data}, anchors=[replace(ANCHORS[0], size=4)])) == [("", 0, anchored.format(A))]


def test_one_segment_is_removed_once() -> None:
    files = pruned(LINK)
    again = Book("e" * 32, previous=Link(D, 1, "1" * 64, "2" * 64))
    again.fields("retention", {"removed": [LINK.fields(), replace(LINK, hash="3" * 64).fields()]})
    again.checkpoint()
    found = words(verify_ledger({**files, "e" * 32: again.data}))
    assert ("e" * 32, 0, f"segment {A} was removed as two different ones") in found


def test_no_segment_follows_itself() -> None:
    looped = Book(A, previous=Link(A, 1, "1" * 64, "2" * 64)).closed()
    assert (A, 0, "it says that it follows itself") in words(verify_ledger({A: looped.data}))


def test_a_segment_that_cannot_be_read_has_no_name_to_compare() -> None:
    report = verify_ledger({**WHOLE, "0" * 32: b"not a segment\n"})
    assert [fault.name for fault in report.faults] == ["0" * 32]
    assert report.faults[0] < replace(report.faults[0], place=1)
