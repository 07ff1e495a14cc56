"""What is recorded of old segments before they are deleted, and what of it is said again."""

from __future__ import annotations

import pytest

from saferoute.drivers.ledger_retention import Retired, retired
from saferoute.drivers.ledger_sinks import FunctionPlace, MemoryPlace
from saferoute.ledger.segment import Link, link_of
from saferoute.signing.keys import PrivateKey
from tests.support.ledger_cases import LOG_ROLE, OTHER_KEY, A, B, Book, C, D, certificate, hexadecimal

E = hexadecimal("e")
GONE = [Link(hexadecimal(word), number, "1" * 64, "2" * 64) for number, word in enumerate(("x", "y"), 1)]


def place_of(*books: bytes) -> MemoryPlace:
    """A place that keeps the last two of these."""
    place = MemoryPlace()
    for number, data in enumerate(books):
        stream = place.begin(f"{number:032x}", 0)
        for line in data.splitlines(keepends=True):
            stream.write(line)
    return place


def remover(*signed: Link, unsigned: tuple[Link, ...] = (), late: tuple[Link, ...] = (), certified: bool = False) -> bytes:
    book = Book(A, certificate=certificate() if certified else None)
    for link in signed:
        book.fields("retention", {"removed": [link.fields()]})
    book.checkpoint()
    for link in late:
        book.call()
        book.fields("retention", {"removed": [link.fields()]})
        book.checkpoint()
    for link in unsigned:
        book.fields("retention", {"removed": [link.fields()]})
    return book.data


def follower(link: Link | None, segment: str = C) -> bytes:
    return Book(segment, OTHER_KEY, previous=link).closed().data


def segments(found: Retired) -> set[str]:
    return {link.segment for link in found.rows}


def test_nothing_is_old() -> None:
    assert retired(place_of(remover(), follower(None)), None, 0) == Retired((), ())
    assert retired(FunctionPlace(print, "", waits=True), None, 0) == Retired((), ())
    assert FunctionPlace(print, "", waits=True).first("") == b""


def test_the_first_line_in_memory() -> None:
    place = MemoryPlace()
    stream = place.begin(A, 0)
    assert place.first(A) == b""
    stream.write(b"one\n")
    assert place.first(A) == b"one"


def test_what_is_old_is_named_as_it_is() -> None:
    first = remover()
    place = place_of(b"noise\n", first, b"", Book(B).closed().data, follower(None), follower(None, D))
    found = retired(place, None, 0)
    assert found.names == (f"{1:032x}", f"{3:032x}")
    assert found.rows == (link_of(first), Book(B).closed().writer.link())


@pytest.mark.parametrize("link", GONE)
def test_what_is_still_followed_is_said_again(link: Link) -> None:
    data = remover(*GONE)
    found = retired(place_of(data, follower(link), b"{}\n"), None, 0)
    assert segments(found) == {A, link.segment}
    assert retired(place_of(data, follower(None), follower(None, D)), None, 0).rows == (link_of(data),)


def test_what_a_later_record_says_counts_as_well() -> None:
    data = remover(GONE[0], late=(GONE[1],))
    assert segments(retired(place_of(data, follower(GONE[1]), follower(GONE[0], D)), None, 0)) == {A, *(one.segment for one in GONE)}


@pytest.mark.parametrize("tail", [b"", b'{"final":false,"kind"'])
def test_what_no_checkpoint_covers_is_not_said_again(tail: bytes) -> None:
    data = remover(GONE[0], unsigned=(GONE[1],)) + tail
    assert segments(retired(place_of(data, follower(GONE[1]), follower(GONE[0], D)), None, 0)) == {A, GONE[0].segment}


def test_what_is_followed_by_what_is_old_itself_is_not_needed() -> None:
    place = place_of(remover(GONE[0]), follower(GONE[0], E), follower(None), follower(None, D))
    assert segments(retired(place, None, 0)) == {A, E}


def test_in_our_name_is_said_again_what_our_log_role_certified() -> None:
    data = remover(GONE[0], certified=True)
    place = place_of(data, follower(GONE[0]), follower(None, D))
    assert segments(retired(place, LOG_ROLE, 0)) == {A, GONE[0].segment}
    assert retired(place, PrivateKey.from_seed(b"z" * 32), 0) == Retired((), ())
    assert segments(retired(place_of(data, follower(None), follower(None, D)), PrivateKey.from_seed(b"z" * 32), 0)) == {A}


def test_a_segment_that_cannot_be_read_follows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(remover(GONE[0]), follower(GONE[0]), follower(None, D))

    def gone(*_: object) -> bytes:
        raise FileNotFoundError

    monkeypatch.setattr(MemoryPlace, "first", gone)
    assert segments(retired(place, None, 0)) == {A}
