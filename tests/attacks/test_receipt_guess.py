"""A short prompt is guessed: somebody who has the ledger tries all short prompts until a hash fits.

Guards: saferoute/ledger/commitment.py::return sha256(key.translate(_OUTER) + inner.digest()).hexdigest() => return sha256(content).hexdigest()
Guards: saferoute/ledger/commitment.py::key = (sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\\0") => key = bytes(_BLOCK)
Guards: saferoute/ledger/commitment.py::return digest(digest(secret, _SYSTEM, "sha256"), text_bytes(text), "sha256").hex() => return sha256(text_bytes(text)).hexdigest()
Guards: saferoute/ledger/segment.py::if secret is not None and len(secret) < SHORTEST_SECRET:
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from itertools import pairwise

import pytest

from saferoute.ledger.proof import prove
from saferoute.ledger.record import parse_line
from saferoute.signing.refusal import Refused
from tests.support.ledger_cases import INSTANCE, LOG_KEY, SECRET, A, Book, outcome, writer

PROMPTS = (b"yes", b"", b"Be brief.", b"no", b"{}")
"""Everything that was ever said in this ledger; whoever guesses has them all in the dictionary."""


def told() -> Book:
    """The same short conversation, ten times."""
    book = Book()
    for _ in range(10):
        book.call(asked=b"yes", request=b"{}", system="Be brief.")
    book.checkpoint(final=True)
    return book


BOOK = told()


def spellings(value: bytes) -> list[bytes]:
    return [value, value.hex().encode(), base64.b64encode(value), base64.urlsafe_b64encode(value).rstrip(b"=")]


def guesses(content: bytes, number: int) -> list[bytes]:
    """What somebody without the log secret can make of a content: hashes, and HMACs under everything that the ledger shows."""
    shown = [b"", A.encode(), bytes.fromhex(A), INSTANCE.encode(), LOG_KEY.public_key.raw, bytes(32), f"{A}:{number}".encode()]
    words = [f"saferoute salt v1|{A}|{number}|{field}".encode() for field in ("asked", "request", "system", "response")]
    keys = [*shown, *words, *(hmac.digest(key, word, "sha256") for key in shown for word in words), b"saferoute system prompt v1"]
    keys += [hmac.digest(key, b"saferoute system prompt v1", "sha256") for key in shown]
    plain = [
        hashlib.new(name, prefix + content).digest() for name in ("sha256", "sha1", "md5", "sha512") for prefix in (*shown, b"\0", *words)
    ]
    return [*plain, *(hmac.digest(key, content, "sha256") for key in keys)]


def test_no_guess_fits_anything_in_the_ledger() -> None:
    for number, line in enumerate(BOOK.lines):
        for content in PROMPTS:
            assert not [guess for guess in guesses(content, number) for spelling in spellings(guess) if len(guess) and spelling in line]


def test_no_content_stands_in_the_ledger() -> None:
    long = b"a long and winding question about the weather in Uppsala"
    book = Book()
    book.call(asked=long, request=long, system=long.decode())
    book.add(outcome(None, 9, response=long))
    assert not [spelling for spelling in (*spellings(long), b"Uppsala") if spelling in book.data]


def test_whoever_has_the_secret_finds_it_again() -> None:
    record = parse_line(BOOK.lines[1].removesuffix(b"\n"))
    salt = hmac.digest(SECRET, f"saferoute salt v1|{A}|1|asked".encode(), "sha256")
    assert record.fields["commit"]["asked"] == hmac.digest(salt, b"yes", "sha256").hex()
    key = hmac.digest(SECRET, b"saferoute system prompt v1", "sha256")
    assert record.fields["system_id"] == hmac.digest(key, b"Be brief.", "sha256").hex()


def test_the_same_words_look_different_in_every_record() -> None:
    records = [parse_line(line.removesuffix(b"\n")).fields for line in BOOK.lines]
    said = [value for record in records for value in record.get("commit", {}).values()]
    assert len(said) == len(set(said)) == 40


def test_a_proof_gives_no_salt_that_was_not_asked_for() -> None:
    secret = [hmac.digest(SECRET, f"saferoute salt v1|{A}|1|{field}".encode(), "sha256") for field in ("asked", "request", "system")]
    proof = prove(BOOK.data, 1, {"asked": secret[0]})
    assert [secret[0].hex().encode() in proof, *(salt.hex().encode() in proof for salt in secret[1:])] == [True, False, False]


@pytest.mark.parametrize("length", [0, 1, 16, 31])
def test_a_secret_is_as_long_as_a_key(length: int) -> None:
    with pytest.raises(Refused, match="a log secret has at least 32 bytes"):
        writer(secret=bytes(length))


def test_without_a_secret_nothing_is_committed_to() -> None:
    book = Book(secret=None)
    book.call()
    records = [parse_line(line.removesuffix(b"\n")).fields for line in book.lines]
    assert [record["commit"] for record in records[1:]] == [{}, {}]
    assert records[1]["system_id"] is None


def test_times_are_the_only_thing_that_grows() -> None:
    """No field but these tells one of ten equal calls from another: nothing about the content leaks through another field."""
    records = [parse_line(line.removesuffix(b"\n")).fields for line in BOOK.lines]
    intents = [record for record in records if record["kind"] == "intent"]
    for one, other in pairwise(intents):
        assert {name for name in one if one[name] != other[name]} == {"call", "commit", "prev", "seq", "time"}
