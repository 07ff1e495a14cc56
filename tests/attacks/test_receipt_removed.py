"""A record is taken out of a ledger, put in, doubled, or moved.

Guards: saferoute/ledger/walk.py::if fields["seq"] != walk.expected:
Guards: saferoute/ledger/walk.py::if walk.closed:
Guards: saferoute/ledger/walk.py::if asked != (fields["call"], fields["attempt"]):
"""

from __future__ import annotations

import random

from saferoute.ledger.merkle import leaf_hash
from saferoute.ledger.record import parse_line, write_record
from saferoute.ledger.verify import verify_segment
from tests.support.ledger_cases import A, Book, book_of, intent, outcome
from tests.support.ledger_steps import Steps

BOOK = book_of(1_000)
STEPS = Steps(BOOK.data)
LINES = STEPS.lines
MOVED = "its number is {}, not {}: records were taken out, put in or moved"


def joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def test_a_record_that_is_missing_is_named() -> None:
    for place in range(1, 999):
        assert STEPS.problems(place, LINES[place + 1 : place + 2])[0] == (place, MOVED.format(place + 1, place))


def test_a_ledger_without_one_record() -> None:
    for place in random.Random(1).sample(range(1, 999), 10):
        report = verify_segment(joined(LINES[:place] + LINES[place + 1 :]))
        assert report.problems[0] == (place, MOVED.format(place + 1, place))


def test_a_ledger_without_its_first_record() -> None:
    report = verify_segment(joined(LINES[1:]))
    assert report.problems[0] == (0, "a segment begins with a record of kind segment; the first records are missing")
    assert report.key is None


def test_several_records_that_are_missing() -> None:
    some = random.Random(2)
    for _ in range(200):
        first, behind = sorted(some.sample(range(1, 1_000), 2))
        assert STEPS.problems(first, LINES[behind : behind + 1])[0] == (first, MOVED.format(behind, first))


def test_two_records_that_were_exchanged() -> None:
    some = random.Random(3)
    pairs = [(place, place + 1) for place in range(1, 999)] + [tuple(sorted(some.sample(range(1, 1_000), 2))) for _ in range(500)]
    for first, second in pairs:
        assert STEPS.problems(first, [LINES[second]])[0] == (first, MOVED.format(second, first))


def test_a_ledger_with_two_records_exchanged() -> None:
    for first in random.Random(4).sample(range(1, 998), 5):
        lines = LINES.copy()
        lines[first], lines[first + 1] = lines[first + 1], lines[first]
        assert verify_segment(joined(lines)).problems[0][0] == first


def test_a_record_that_stands_there_twice() -> None:
    for place in range(998):
        found = STEPS.problems(place, [LINES[place], LINES[place], LINES[place + 1]])
        assert (place + 1, MOVED.format(place, place + 1)) in found


def test_a_made_up_record_that_fits_the_chain() -> None:
    for place in random.Random(5).sample(range(1, 999), 50):
        fields = parse_line(LINES[1]).fields | {"seq": place, "prev": leaf_hash(LINES[place - 1]).hex()}
        forged, _ = write_record(fields)
        assert STEPS.problems(place, [forged, LINES[place]])[0] == (place + 1, MOVED.format(place, place + 1))


def test_a_made_up_record_and_a_chain_made_right_again() -> None:
    forged, _ = write_record(parse_line(LINES[1]).fields | {"seq": 7, "prev": leaf_hash(LINES[6]).hex()})
    lines = [*LINES[:7], forged]
    for line in LINES[7:]:
        prev, seq = leaf_hash(lines[-1]).hex(), len(lines)
        lines.append(write_record(parse_line(line).fields | {"prev": prev, "seq": seq})[0])
    words = [words for _, words in verify_segment(joined(lines)).problems]
    assert "its checkpoint is another record's" in words


def test_nothing_stands_behind_the_end() -> None:
    more, _ = write_record(parse_line(LINES[1]).fields | {"seq": 1_000, "prev": leaf_hash(LINES[-1]).hex()})
    assert verify_segment(joined([*LINES, more])).problems == ((1_000, "it stands after the final checkpoint"),)


def test_a_segment_begins_once() -> None:
    again, _ = write_record(parse_line(LINES[0]).fields | {"seq": 1, "prev": leaf_hash(LINES[0]).hex()})
    assert verify_segment(joined([LINES[0], again])).problems == ((1, "a segment begins inside another one"),)


def test_one_outcome_belongs_to_one_intent() -> None:
    book = Book()
    name = book.call()
    book.add(outcome(name, 1), outcome(f"{name.partition(':')[0]}:77", 1), intent(5), outcome(f"{A}:5", 6))
    assert verify_segment(book.data).problems == (
        (3, "record 1, which it is the outcome of, has an outcome already"),
        (4, "record 77, which it is the outcome of, is no intent of this call and attempt"),
        (6, "record 5, which it is the outcome of, is no intent of this call and attempt"),
    )
