"""Writing a segment, and what verifying says of one that is as it should be."""

from __future__ import annotations

from hashlib import sha256
from itertools import pairwise

import pytest

from saferoute.ledger.checkpoint import read_note
from saferoute.ledger.merkle import leaf_hash, root_of
from saferoute.ledger.record import FIRST_PREV, parse_line
from saferoute.ledger.segment import SOFTWARE, Link, link_of
from saferoute.ledger.verify import verify_ledger, verify_segment
from saferoute.signing.envelope import encode_base64
from saferoute.signing.refusal import Refused
from tests.support.ledger_cases import INSTANCE, LOG_KEY, MINUTE, NOW, A, B, Book, certificate, denial, intent, outcome, writer


def fields(line: bytes) -> dict[str, object]:
    return parse_line(line.removesuffix(b"\n")).fields


def test_the_first_record_says_who_writes() -> None:
    link = Link(B, 3, "0" * 64, "1" * 64)
    made = writer(certificate=certificate(), previous=link)
    assert fields(made.first()) == {
        "certificate": certificate().to_json(), "instance": INSTANCE, "key": encode_base64(LOG_KEY.public_key.raw), "kind": "segment",
        "prev": FIRST_PREV, "previous": {"hash": "0" * 64, "root": "1" * 64, "segment": B, "size": 3}, "segment": A, "seq": 0,
        "software": SOFTWARE, "time": NOW, "v": 1,
    }  # fmt: skip
    assert fields(writer().first())["previous"] is None
    assert verify_segment(made.first()).previous == link
    assert repr(made) == f"SegmentWriter({A!r}, 1 records)"


def test_the_software_is_this_one() -> None:
    from saferoute import __version__

    assert f"saferoute-sdk/{__version__}" == SOFTWARE
    assert fields(writer(software="other/1").first())["software"] == "other/1"


def test_each_record_names_the_line_before_it() -> None:
    book = Book().closed(3)
    lines = [line.removesuffix(b"\n") for line in book.lines]
    for before, line in pairwise(lines):
        assert fields(line)["prev"] == sha256(b"\0" + before).hexdigest()
    assert [fields(line)["seq"] for line in lines] == list(range(8))
    assert book.writer.link() == Link(A, 8, leaf_hash(lines[-1]).hex(), root_of(map(leaf_hash, lines)).hex())
    assert link_of(book.data) == book.writer.link() == verify_segment(book.data).end


def test_a_checkpoint_covers_what_is_before_it() -> None:
    book = Book()
    assert (book.writer.unsigned, book.writer.checkpointed_at, book.writer.size) == (0, NOW, 1)
    book.call()
    assert book.writer.unsigned == 2
    note = book.checkpoint()
    said = read_note(note, LOG_KEY.public_key)
    assert (said.size, said.time_us) == (3, book.now)
    assert said.root == root_of(leaf_hash(line.removesuffix(b"\n")) for line in book.lines[:3])
    assert (book.writer.unsigned, book.writer.checkpointed_at) == (0, book.now)
    assert fields(book.lines[-1])["final"] is False


def test_what_is_written_gives_its_salts() -> None:
    written = writer().add(intent(), NOW)
    assert (written.id, written.seq, set(written.salts)) == (f"{A}:1", 1, {"asked", "request", "system"})
    assert written.line == b"".join(written.line.splitlines(keepends=True))
    assert repr(written) == f"Written('{A}:1', 'intent')"
    assert set(writer().add(intent(system=None), NOW).salts) == {"asked", "request"}
    assert set(writer(secret=None).add(intent(), NOW).salts) == set()


def test_nothing_is_written_after_the_end() -> None:
    made = writer()
    made.checkpoint(NOW, final=True)
    for write in (lambda: made.add(intent(), NOW), lambda: made.checkpoint(NOW), lambda: made.add_fields("retention", {}, NOW)):
        with pytest.raises(Refused, match="the segment is closed"):
            write()


def test_a_call_s_fields_are_not_changed() -> None:
    entry = intent()
    before = dict(entry.fields)
    writer().add(entry, NOW)
    assert entry.fields == before


@pytest.mark.parametrize("kind", ["segment", "checkpoint", "intent", "outcome", "denial", "more"])
def test_other_kinds_have_their_own_way(kind: str) -> None:
    with pytest.raises(Refused, match=f"a record of kind '{kind}' is not made this way"):
        writer().add_fields(kind, {}, NOW)


def test_a_field_too_many_or_too_few_is_refused_and_nothing_has_changed() -> None:
    made = writer()
    before = made.link()
    for entry in (intent(more=1), denial(error=None)):
        with pytest.raises(Refused):
            made.add(entry, NOW)
    assert (made.link(), made.unsigned) == (before, 0)


def test_what_could_not_be_written_is_taken_back() -> None:
    book = Book()
    book.call()
    before = (book.writer.link(), book.writer.unsigned, book.writer.checkpointed_at)
    for make in (
        lambda: book.writer.add(denial(), NOW + MINUTE),
        lambda: book.writer.checkpoint(NOW + MINUTE),
        lambda: book.writer.checkpoint(NOW + MINUTE, final=True),
        lambda: book.writer.add_fields("retention", {"removed": [Link(B, 1, "0" * 64, "0" * 64).fields()]}, NOW),
    ):
        make()
        assert book.writer.link() != before[0]
        book.writer.take_back()
        assert (book.writer.link(), book.writer.unsigned, book.writer.checkpointed_at) == before
        with pytest.raises(Refused, match="there is no record to take back"):
            book.writer.take_back()
    assert verify_segment(book.closed().data).ok


def test_the_first_record_is_not_taken_back() -> None:
    with pytest.raises(Refused, match="there is no record to take back"):
        writer().take_back()


@pytest.mark.parametrize("data", [b"", b"\n", b"x", b"x\n", b"{}\n", Book().closed().lines[1]])
def test_what_has_no_first_record_cannot_be_followed(data: bytes) -> None:
    assert link_of(data) is None


def test_intents_without_an_outcome_may_have_been_sent() -> None:
    book = Book()
    book.call()
    (open_one,) = book.add(intent(7))
    book.add(denial(), outcome(None, 9))
    book.checkpoint(final=True)
    report = verify_segment(book.data)
    assert (report.ok, report.maybe_sent) == (True, (open_one,))
    assert verify_ledger({"a": book.data}).maybe_sent == (open_one,)


def test_captured_content_comes_after_its_record() -> None:
    book = Book()
    (name,) = book.add(intent(1))
    content = {"data": "QUJD", "field": "asked", "key_id": "0" * 16, "nonce": "A" * 16}
    book.fields("content", content | {"ref": name})
    book.fields("content", content | {"ref": f"{B}:99"})
    assert verify_segment(book.data).ok
    book.fields("content", content | {"ref": f"{A}:4"})
    assert verify_segment(book.data).problems == ((4, "the content belongs to a record that does not come before it"),)


def test_a_segment_that_cannot_be_read_is_all_problems() -> None:
    report = verify_segment(b"x\n" * 300)
    assert (report.segment, report.key, report.end, report.records, len(report.problems)) == ("", None, None, 300, 100)
    assert report.certificate == "not certified (weaker): nobody says whose log key this is"
    checkpoint = Book().closed().lines[-1]
    assert verify_segment(checkpoint).problems[0][1].startswith("a segment begins with a record of kind segment")


def test_a_log_key_is_loaded_strictly() -> None:
    line = Book().lines[0].replace(encode_base64(LOG_KEY.public_key.raw).encode(), encode_base64(bytes(32)).encode())
    report = verify_segment(line)
    assert report.problems == ((0, "the public key is a point of small order: anybody can sign for it"),)


def test_a_ledger_of_several_segments_adds_up() -> None:
    first = Book(A, certificate=certificate()).closed(2)
    second = Book(B, previous=first.writer.link())
    second.call()
    report = verify_ledger({"a": first.data, "b": second.data})
    assert (report.ok, report.records, report.unsigned_tail, report.certified) == (True, 9, 3, False)
    assert list(report.segments) == ["a", "b"]
    assert verify_ledger({}).ok
