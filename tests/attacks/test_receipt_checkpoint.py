"""A checkpoint that is signed with another key than the log key, is another segment's, or was signed as something else.

Guards: saferoute/ledger/checkpoint.py::if len(made) != 1 or len(made[0]) != SIGNATURE_BYTES or not key.verify(made[0], (signed + "\\n").encode()):
Guards: saferoute/ledger/walk.py::if note.count(_SIGNATURE) != 1:
Guards: saferoute/ledger/walk.py::elif (said.segment, said.size, said.time_us) != (walk.segment, fields["seq"], fields["time"]):
Guards: saferoute/ledger/certificate.py::except TooFewSigned as refusal: => except Refused as refusal:
Guards: saferoute/ledger/certificate.py::return _read(verify(envelope, PayloadType.LOG_KEY, log_keys, threshold)) => return _read(envelope.payload)
Guards: saferoute/ledger/walk.py::if (said.key, said.instance) != (walk.key, walk.first["instance"]):
Guards: saferoute/ledger/walk.py::if walk.first["time"] < said.issued * _SECOND - _SKEW_US or max(walk.first["time"], walk.signed_us) > said.not_after * _SECOND:
"""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import pytest

from saferoute.ledger.certificate import LogRole, read_certificate
from saferoute.ledger.checkpoint import Checkpoint, note_key_id, origin_of, read_note, sign_note
from saferoute.ledger.merkle import root_of
from saferoute.ledger.proof import check_proof, prove
from saferoute.ledger.record import parse_line, write_record
from saferoute.ledger.verify import verify_ledger, verify_segment
from saferoute.signing.envelope import Envelope, PayloadType, decode_base64, encode_base64, pae, sign, verify
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical
from tests.support.ledger_cases import INSTANCE, LOG_KEY, LOG_ROLE, NOW, OTHER_KEY, A, B, Book, certificate, hexadecimal

ROLE = LogRole((LOG_ROLE.public_key,))
BOOK = Book()
BOOK.call()
BOOK.checkpoint(final=True)
NOTE = BOOK.notes[0]
SAID = read_note(NOTE, LOG_KEY.public_key)
NOT_OURS = "it is not signed by the log key: another key signed it, or it was altered"


def with_note(note: str, time: int | None = None) -> bytes:
    """The ledger with another note in its checkpoint."""
    fields = parse_line(BOOK.lines[-1].removesuffix(b"\n")).fields | {"note": note}
    line, _ = write_record(fields if time is None else fields | {"time": time})
    return b"".join(BOOK.lines[:-1]) + line + b"\n"


def problems(data: bytes) -> list[str]:
    return [words for _, words in verify_segment(data).problems]


def signature_of(note: str) -> bytes:
    return decode_base64(note.rstrip("\n").rpartition(" ")[2])[4:]


def noted(message: str, signature: bytes, name: str, ours: bytes) -> str:
    return f"{message}\n\N{EM DASH} {name} {encode_base64(ours + signature)}\n"


def test_another_key_signs_no_checkpoint() -> None:
    assert problems(with_note(sign_note(SAID, OTHER_KEY))) == [f"its checkpoint is refused: {NOT_OURS}"]


def test_another_key_under_the_log_keys_id_signs_none() -> None:
    text = NOTE.partition("\n\n")[0] + "\n"
    name = origin_of(A)
    forged = noted(text, OTHER_KEY.sign(text.encode()), name, note_key_id(name, LOG_KEY.public_key))
    assert problems(with_note(forged)) == [f"its checkpoint is refused: {NOT_OURS}"]


@pytest.mark.parametrize(
    "said",
    [replace(SAID, size=2), replace(SAID, segment=B), replace(SAID, time_us=SAID.time_us + 1)],
    ids=["another size", "another segment", "another time"],
)
def test_a_checkpoint_of_something_else_is_not_this_one(said: Checkpoint) -> None:
    assert problems(with_note(sign_note(said, LOG_KEY))) == ["its checkpoint is another record's"]


def test_a_checkpoint_over_other_records_is_not_this_one() -> None:
    other = replace(SAID, root=root_of([sha256(b"other").digest()] * SAID.size))
    assert problems(with_note(sign_note(other, LOG_KEY))) == ["its checkpoint was signed over other records than the 3 before it"]


def test_a_witness_signs_beside_the_log_key_and_not_in_the_record() -> None:
    witness = f"\N{EM DASH} witness.example/one {encode_base64(b'1234' + bytes(64))}\n"
    assert read_note(NOTE + witness, LOG_KEY.public_key) == SAID
    assert problems(with_note(NOTE + witness)) == ["its checkpoint has other signatures than the log key's"]
    assert problems(with_note(NOTE + NOTE.rpartition("\n\n")[2])) == [f"its checkpoint is refused: {NOT_OURS}"]


def test_all_of_it_rewritten_under_another_key_is_not_certified() -> None:
    """Nothing inside such a ledger is wrong: only the certificate, or an anchor, tells it from the true one."""
    true = Book(certificate=certificate()).closed()
    forged = Book(key=OTHER_KEY).closed()
    stolen = Book(key=OTHER_KEY, certificate=certificate()).closed()
    own = Book(key=OTHER_KEY, certificate=certificate(OTHER_KEY, signer=OTHER_KEY)).closed()
    reports = {
        name: verify_segment(book.data, log_roles=[ROLE])
        for name, book in (("true", true), ("forged", forged), ("stolen", stolen), ("own", own))
    }
    assert {name: (report.ok, report.certified) for name, report in reports.items()} == {
        "true": (True, True), "forged": (True, False), "stolen": (False, False), "own": (True, False),
    }  # fmt: skip
    assert reports["true"].certificate == "certified by the log role of acme, root version 1"
    assert reports["forged"].certificate == "not certified (weaker): nobody says whose log key this is"
    assert reports["stolen"].problems == ((0, "its certificate is about another process's log key"),)
    assert reports["own"].certificate == "not certified (weaker): its certificate is not signed by the log role"
    assert not verify_segment(forged.data, anchors=[read_note(true.notes[-1], None)]).ok
    assert not verify_ledger({A: forged.data}, log_roles=[ROLE]).certified


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instance": hexadecimal("other")}, "not certified: its certificate is about another process's log key"),
        ({"issued": NOW // 1_000_000 + 301}, "not certified (weaker): its certificate was not valid for the whole time of the segment"),
        ({"issued": NOW // 1_000_000 + 300}, "certified by the log role of acme, root version 1"),
        (
            {"issued": 1, "not_after": NOW // 1_000_000},
            "not certified (weaker): its certificate was not valid for the whole time of the segment",
        ),
        ({"issued": 1, "not_after": NOW // 1_000_000 + 1}, "certified by the log role of acme, root version 1"),
    ],
    ids=["another process", "issued later", "issued a little later", "over before the last checkpoint", "over after it"],
)
def test_a_certificate_speaks_for_one_process_and_a_time(changes: dict[str, object], words: str) -> None:
    data = Book(certificate=certificate(**changes)).closed().data
    assert verify_segment(data, log_roles=[ROLE]).certificate == words


def test_a_certificate_with_a_wrong_signature_is_a_fault() -> None:
    good = certificate()
    (row,) = good.signatures
    bad = Envelope(good.payload_type, good.payload, ((row[0], bytes(64)),))
    report = verify_segment(Book(certificate=bad).closed().data, log_roles=[ROLE])
    assert [words for _, words in report.problems] == [
        f"its certificate is refused: the signature of key {LOG_ROLE.public_key.key_id[:12]} is wrong: the payload was altered after signing"
    ]


def test_a_log_role_that_was_replaced_still_speaks_for_what_it_certified() -> None:
    data = Book(certificate=certificate()).closed().data
    newer = LogRole((OTHER_KEY.public_key,), version=2)
    report = verify_segment(data, log_roles=[newer, ROLE])
    assert (report.certified, report.root_version) == (True, 1)
    assert report.certificate == "certified by the log role of acme, root version 1"
    for roles in ([newer], []):
        report = verify_segment(data, log_roles=roles)
        assert (report.ok, report.certified, report.root_version) == (True, False, None)
    both = LogRole((OTHER_KEY.public_key, LOG_ROLE.public_key), version=3)
    assert verify_segment(data, log_roles=[both, newer, ROLE]).root_version == 3  # the newest of those that signed it


def test_a_wrong_signature_is_no_other_roles_affair() -> None:
    """A certificate of which one signature is wrong is a fault, whichever root has the key, and is not passed on to an older root."""
    ((key_id, _),) = certificate().signatures
    bad = Envelope(certificate().payload_type, certificate().payload, ((key_id, bytes(64)),))
    data = Book(certificate=bad).closed().data
    for roles in ([ROLE, LogRole((OTHER_KEY.public_key,))], [LogRole((OTHER_KEY.public_key,), version=2), ROLE]):
        assert not verify_segment(data, log_roles=roles).ok


def test_a_certificate_needs_its_threshold() -> None:
    data = Book(certificate=certificate()).closed().data
    keys = (LOG_ROLE.public_key, OTHER_KEY.public_key)
    assert verify_segment(data, log_roles=[LogRole(keys, 1)]).certified
    assert not verify_segment(data, log_roles=[LogRole(keys, 2)]).certified
    assert not verify_segment(data).certified
    assert verify_segment(data).certificate == "not checked: its certificate needs the log role's keys, out of the trust root"


PAYLOADS = {
    "certificate": certificate().payload,
    "note": NOTE.partition("\n\n")[0].encode() + b"\n",
    "record": BOOK.lines[1].removesuffix(b"\n"),
    "proof": prove(BOOK.data, 1),
    "whole note": NOTE.encode(),
}


@pytest.mark.parametrize("kind", [kind for kind in PayloadType if kind != PayloadType.LOG_KEY])
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_d11_nothing_signed_as_another_kind_is_a_certificate(kind: PayloadType, payload: bytes) -> None:
    with pytest.raises(Refused, match=f"it is a '{kind.value.replace('+', '.')}', not a 'application/vnd.saferoute.log-key"):
        read_certificate(sign(kind, payload, [LOG_ROLE]), [LOG_ROLE.public_key])


@pytest.mark.parametrize("kind", PayloadType)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_d11_a_note_s_signature_signs_no_envelope(kind: PayloadType, payload: bytes) -> None:
    envelope = Envelope(kind, payload, ((LOG_KEY.public_key.key_id, signature_of(NOTE)),))
    with pytest.raises(Refused, match="the payload was altered after signing"):
        verify(envelope, kind, [LOG_KEY.public_key], 1)
    with pytest.raises(Refused, match="it does not begin with a JSON object"):
        Envelope.read(NOTE.encode())


@pytest.mark.parametrize("kind", PayloadType)
@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_d11_an_envelope_s_signature_signs_no_note(kind: PayloadType, payload: bytes) -> None:
    ((_, signature),) = sign(kind, payload, [LOG_KEY]).signatures
    name = origin_of(A)
    text = NOTE.partition("\n\n")[0] + "\n"
    with pytest.raises(Refused, match=NOT_OURS):
        read_note(noted(text, signature, name, note_key_id(name, LOG_KEY.public_key)), LOG_KEY.public_key)
    message = pae(kind, payload).decode()
    with pytest.raises(Refused, match="it is not a checkpoint of a ledger"):  # what was signed, as the note's own text
        read_note(noted(message, signature, name, note_key_id(name, LOG_KEY.public_key)), LOG_KEY.public_key)


def test_d11_what_is_signed_begins_differently() -> None:
    """No message of one purpose is one of another: they part within their first words."""
    block, proof = b"saferoute srcap1 block\n", b"saferoute srcap1 proof\n"  # docs/spec/token.md
    starts = [NOTE[:17].encode(), pae(PayloadType.LOG_KEY, b"")[:7], block[:17], proof[:17]]
    assert starts[0] == b"saferoute.ledger/"
    assert all(not one.startswith(other) for one in set(starts) for other in set(starts) if one != other)


def test_a_proof_with_another_key_is_refused() -> None:
    proof = prove(BOOK.data, 1)
    raw = encode_base64(LOG_KEY.public_key.raw).encode()
    assert raw in proof
    with pytest.raises(Refused, match=NOT_OURS):
        check_proof(proof.replace(raw, encode_base64(OTHER_KEY.public_key.raw).encode()))


def test_the_certificate_in_a_proof_is_the_key_s() -> None:
    mine = Book(certificate=certificate()).closed()
    proof = prove(mine.data, 1)
    assert check_proof(proof, log_roles=[ROLE]).certified
    swapped = proof.replace(canonical(certificate().to_json()), canonical(certificate(OTHER_KEY).to_json()))
    assert swapped != proof
    with pytest.raises(Refused, match="its certificate is about another log key"):
        check_proof(swapped, log_roles=[ROLE])
    assert INSTANCE in certificate().payload.decode()
