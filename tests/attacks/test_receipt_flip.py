"""A byte of a ledger is changed.

Each line holds the hash of the one before it, and checkpoints are signed over all; the last line of a closed segment is a checkpoint
itself. SAFEROUTE_LEDGER_EVERY=1 tries every byte (two minutes), SAFEROUTE_LEDGER_EVERY=8 every bit of every byte.

Guards: saferoute/ledger/walk.py::elif fields["prev"] != walk.prev:
Guards: saferoute/ledger/walk.py::elif said.size != place or said.root != walk.tree.root():
Guards: saferoute/ledger/walk.py::elif (said.segment, said.size, said.time_us) != (walk.segment, fields["seq"], fields["time"]):
Guards: saferoute/ledger/shapes.py::if to_json(fields) != data:
Guards: saferoute/ledger/shapes.py::if name in fields and list(fields[name]) != sorted(fields[name]):
"""

from __future__ import annotations

import os
import random

import pytest

from saferoute.ledger.merkle import leaf_hash
from saferoute.ledger.record import parse_line, write_record
from saferoute.ledger.verify import verify_segment
from tests.support.ledger_cases import book_of
from tests.support.ledger_steps import Steps

EVERY = int(os.environ.get("SAFEROUTE_LEDGER_EVERY", "0"))
BOOK = book_of(1_000)
STEPS = Steps(BOOK.data)
SAMPLE = 3_000


def chosen() -> list[tuple[int, int, int]]:
    """Lines, offsets and masks to try; an offset behind the line's end is its line feed."""
    places = [(place, offset) for place, line in enumerate(STEPS.lines) for offset in range(len(line) + 1)][:-1]
    if EVERY:
        return [(place, offset, 1 << (offset + bit) % 8) for place, offset in places for bit in range(EVERY)]
    some = random.Random(7)
    last = [(place, offset) for place, offset in places if place >= 998]  # nothing comes after them
    return [(place, offset, some.randrange(1, 256)) for place, offset in [*some.sample(places, SAMPLE), *last]]


@pytest.mark.timeout(7_200 if EVERY else 60)
def test_a_changed_byte_is_found() -> None:
    assert len(STEPS.lines) == 1_000
    missed = [(place, offset, mask) for place, offset, mask in chosen() if not STEPS.flipped(place, offset, mask)]
    assert missed == []


def test_what_the_first_lines_show_is_what_the_whole_shows() -> None:
    for place, offset, mask in random.Random(8).sample(chosen(), 25):
        data = bytearray(BOOK.data)
        data[STEPS.starts[place] + offset] ^= mask
        report = verify_segment(bytes(data))
        assert not report.ok
        assert set(STEPS.flipped(place, offset, mask)) <= set(report.problems)
        assert place - 1 <= report.problems[0][0] <= place


def test_the_last_line_feed_makes_a_torn_tail() -> None:
    data = BOOK.data[:-1] + b"\x0b"
    report = verify_segment(data)
    assert (report.ok, report.closed, report.records) == (True, False, 999)
    assert report.torn_tail_bytes == len(STEPS.lines[-1]) + 1


def altered(place: int, **changes: object) -> list[bytes]:
    """The ledger with a record that says something else, and all hashes after it made right again."""
    lines = STEPS.lines.copy()
    line, _ = write_record(parse_line(lines[place]).fields | changes)
    lines[place] = line
    for later in range(place + 1, len(lines)):
        lines[later], _ = write_record(parse_line(lines[later]).fields | {"prev": leaf_hash(lines[later - 1]).hex()})
    return lines


def test_a_chain_that_was_made_right_again_is_not_what_was_signed() -> None:
    report = verify_segment(b"".join(line + b"\n" for line in altered(5, target="openai-huge")))
    assert len(report.problems) == 1
    place, words = report.problems[0]
    assert place == 65
    assert words == "its checkpoint was signed over other records than the 65 before it"
    assert report.unsigned_tail == 1_000


def test_the_time_of_a_checkpoint_is_the_signed_one() -> None:
    lines = altered(999, time=parse_line(STEPS.lines[999]).fields["time"] + 1)
    assert verify_segment(b"".join(line + b"\n" for line in lines)).problems == ((999, "its checkpoint is another record's"),)


@pytest.mark.parametrize(
    ("old", "new"),
    [(b",", b", "), (b'"kind":"checkpoint"', b'"\\u006bind":"checkpoint"'), (b'{"final":true', b'{"final":true,"final":true')],
    ids=["white space", "a needless escape", "a field twice"],
)
def test_the_last_line_has_one_spelling(old: bytes, new: bytes) -> None:
    line = STEPS.lines[-1].replace(old, new, 1)
    assert line != STEPS.lines[-1]
    problems = verify_segment(b"".join(one + b"\n" for one in [*STEPS.lines[:-1], line])).problems
    assert problems == ((999, "it is JSON but not canonical: keys must be sorted, with no white space and no needless escapes"),)


def test_tags_have_one_order() -> None:
    line = STEPS.lines[1].replace(b'{"env":"prod","team":"support"}', b'{"team":"support","env":"prod"}')
    assert line != STEPS.lines[1]
    assert STEPS.problems(1, [line]) == [(1, "tags: its keys are not sorted")]
