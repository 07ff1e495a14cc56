"""Proofs of one record, and captured content."""

from __future__ import annotations

from typing import Any

import pytest

from saferoute.ledger.certificate import LogRole
from saferoute.ledger.content import content_key_id, decrypt, encrypt
from saferoute.ledger.proof import check_proof, prove
from saferoute.ledger.record import check_record, parse_line
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from tests.support.ledger_cases import LOG_KEY, LOG_ROLE, NOW, OTHER_KEY, A, Book, book_of, certificate, intent, writer

BOOK = book_of(40, every=10, certificate=certificate())
PROOF = prove(BOOK.data, 5)
ROLE = LogRole((LOG_ROLE.public_key,))


@pytest.mark.parametrize("seq", range(39))
def test_every_record_that_is_signed_can_be_proven(seq: int) -> None:
    proved = check_proof(prove(BOOK.data, seq), log_roles=[ROLE])
    assert proved.record == parse_line(BOOK.lines[seq].removesuffix(b"\n")).fields
    assert (proved.id, proved.key_id, proved.certified, proved.opened) == (f"{A}:{seq}", LOG_KEY.public_key.key_id, True, {})
    assert (proved.certificate, proved.root_version) == ("certified by the log role of acme, root version 1", 1)
    later = [parse_line(line.removesuffix(b"\n")).fields for line in BOOK.lines[seq + 1 :]]
    assert proved.time_us == next(fields["time"] for fields in later if fields["kind"] == "checkpoint")


def test_the_last_checkpoint_itself_is_covered_by_none() -> None:
    with pytest.raises(Refused, match=r"no checkpoint covers record 39 yet: make one \(`ledger.checkpoint\(\)`, or close the ledger\)"):
        prove(BOOK.data, 39)
    for seq in (-1, 40):
        with pytest.raises(Refused, match=f"there is no record {seq}; the segment has 40"):
            prove(BOOK.data, seq)


def test_a_torn_tail_is_no_record() -> None:
    with pytest.raises(Refused, match="there is no record 39"):
        prove(BOOK.data[:-1], 39)


def test_what_a_proof_says() -> None:
    fields = parse(PROOF.removesuffix(b"\n"))
    assert fields.keys() == {"certificate", "key", "note", "openings", "path", "record", "type", "v"}
    assert fields["openings"] == {}
    assert check_proof(PROOF) == check_proof(PROOF.removesuffix(b"\n"))
    assert repr(check_proof(PROOF)) == f"Proved('{A}:5', 'intent', key={LOG_KEY.public_key.key_id[:12]}, certified=False)"


def test_a_changed_byte_of_a_proof_proves_nothing_else() -> None:
    """It is refused; or it says the same, with less behind it: nothing without the log role's keys looks at the certificate."""
    true = check_proof(PROOF)
    for place in range(len(PROOF) - 1):
        changed = PROOF[:place] + bytes([PROOF[place] ^ 1]) + PROOF[place + 1 :]
        with pytest.raises(Refused):
            check_proof(changed, log_roles=[ROLE])
        try:
            proved = check_proof(changed)
        except Refused:
            continue
        assert (proved.record, proved.key_id, proved.time_us) == (true.record, true.key_id, true.time_us)


def test_who_speaks_for_the_key_is_said() -> None:
    own = prove(Book().closed().data, 1)
    assert check_proof(own).certificate.startswith("not certified (weaker): nobody says whose log key this is")
    assert check_proof(own, log_roles=[ROLE]).certified is False
    assert check_proof(PROOF).certificate == "not checked: its certificate needs the log role's keys, out of the trust root"
    newer = LogRole((OTHER_KEY.public_key,), version=2)
    with pytest.raises(Refused, match="0 of the 1 signatures"):
        check_proof(PROOF, log_roles=[newer])
    assert check_proof(PROOF, log_roles=[newer, ROLE]).root_version == 1  # the log role's key was replaced since
    with pytest.raises(Refused, match="no log role signed it"):
        check_proof(PROOF, log_roles=[])
    over = prove(Book(certificate=certificate(issued=1, not_after=2)).closed().data, 1)
    assert (check_proof(over, log_roles=[ROLE]).certified, check_proof(over, log_roles=[ROLE]).root_version) == (False, None)
    assert "was not valid when the checkpoint was signed" in check_proof(over, log_roles=[ROLE]).certificate


FIELDS: dict[str, Any] = dict(parse(PROOF.removesuffix(b"\n")))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"v": 2}, "it is not a proof that this version reads"),
        ({"type": "saferoute ledger"}, "it is not a proof that this version reads"),
        ({"more": 1}, "it is not a proof that this version reads"),
        ({"record": "x"}, "a proof's record is an object, and its note a text"),
        ({"note": 1}, "a proof's record is an object, and its note a text"),
        ({"record": {}}, "Unable to extract tag"),
        ({"path": "x"}, "a proof's path is a list of at most 64 hashes"),
        ({"path": ["0" * 64] * 65}, "a proof's path is a list of at most 64 hashes"),
        ({"path": [1]}, "a proof's path has what is not 64 lower-case hexadecimal digits"),
        ({"path": ["A" * 64]}, "a proof's path has what is not 64 lower-case hexadecimal digits"),
        ({"path": FIELDS["path"][:-1]}, "the path does not fit the tree: it is too short"),
        ({"path": [*FIELDS["path"], "0" * 64]}, "the path does not fit the tree: it is too long"),
        ({"path": ["0" * 64, *FIELDS["path"][1:]]}, "the record or its path was altered"),
        ({"record": FIELDS["record"] | {"target": "x"}}, "the record or its path was altered"),
        ({"record": FIELDS["record"] | {"seq": 6}}, "the record or its path was altered"),
        ({"record": FIELDS["record"] | {"seq": 600}}, "there is no leaf 600"),
        ({"openings": []}, "a proof's openings are salts of commitments that its record has"),
        ({"openings": {"response": "0" * 64}}, "a proof's openings are salts of commitments that its record has"),
        ({"openings": {"asked": 1}}, "a proof's openings has what is not 64"),
        ({"key": "x"}, "base64"),
    ],
)
def test_what_is_no_proof_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        check_proof(canonical(FIELDS | changes))


def test_no_proof_is_made_of_what_was_tampered_with() -> None:
    with pytest.raises(Refused, match="the record or its path was altered"):
        prove(BOOK.data.replace(b'"target":"openai-mini"', b'"target":"openai-maxi"', 1), 1)
    with pytest.raises(Refused, match="does not begin with its first record"):
        prove(b"".join(BOOK.lines[1:]), 3)
    with pytest.raises(Refused, match="not signed by the log key"):
        prove(b"".join([writer(key=OTHER_KEY).first(), *BOOK.lines[1:]]), 3)


def test_a_salt_is_given_and_opens_its_content() -> None:
    made = writer()
    written = made.add(intent(asked=b"what is it?"), NOW)
    data = made.first() + written.line + made.checkpoint(NOW, final=True)[0]
    proved = check_proof(prove(data, 1, written.salts))
    assert proved.opened == written.salts
    assert proved.holds("asked", b"what is it?")
    assert proved.holds("system", b"Be brief.")
    assert not proved.holds("asked", b"what is it")
    with pytest.raises(Refused, match="the proof does not open 'asked'; it opens: nothing"):
        check_proof(prove(data, 1)).holds("asked", b"")


KEY, NONCE = b"k" * 32, b"n" * 12


def test_captured_content_comes_back_under_its_key_only() -> None:
    fields = encrypt(KEY, NONCE, f"{A}:1", "request", b"secret plan")
    check_record(fields | {"v": 1, "kind": "content", "seq": 2, "prev": "0" * 64, "time": NOW})
    assert decrypt(KEY, fields) == b"secret plan"
    assert b"secret plan" not in canonical(fields)
    with pytest.raises(Refused, match=f"captured under the key {content_key_id(KEY)}, and this is the key {content_key_id(b'K' * 32)}"):
        decrypt(b"K" * 32, fields)


@pytest.mark.parametrize(
    "changes",
    [{"ref": f"{A}:2"}, {"field": "asked"}, {"nonce": "A" * 16}, {"data": "A" * 40}, {"data": ""}, {"data": "!"}],
    ids=["another record", "another field", "another nonce", "other bytes", "no bytes", "no base64"],
)
def test_captured_content_belongs_to_one_field_of_one_record(changes: dict[str, str]) -> None:
    fields = encrypt(KEY, NONCE, f"{A}:1", "request", b"secret plan")
    with pytest.raises(Refused, match="it was altered, or put in another record's place: it does not decrypt"):
        decrypt(KEY, fields | changes)


def test_keys_and_nonces_have_their_lengths() -> None:
    with pytest.raises(Refused, match="a key for captured content has 32 bytes; this one has 16"):
        encrypt(b"k" * 16, NONCE, f"{A}:1", "request", b"")
    with pytest.raises(Refused, match="a nonce has 12 bytes; this one has 8"):
        encrypt(KEY, b"n" * 8, f"{A}:1", "request", b"")
    assert decrypt(KEY, encrypt(KEY, NONCE, f"{A}:1", "request", b"")) == b""
