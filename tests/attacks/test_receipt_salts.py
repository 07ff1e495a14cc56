"""One record's opening opens the others: whoever was given the salts of one answer tries them on the rest of the ledger.

Guards: saferoute/ledger/commitment.py::inner.update(f"{seq}|{field}".encode()) => inner.update(b"")
Guards: saferoute/ledger/commitment.py::self._begun = sha256(key.translate(_INNER) + f"saferoute salt v1|{segment}|".encode()) => self._begun = sha256(key.translate(_INNER))
Guards: saferoute/ledger/proof.py::if missing := sorted(salts.keys() - record.fields.get("commit", {}).keys()):
"""

from __future__ import annotations

import pytest

from saferoute.ledger.commitment import Salts, commit, salt
from saferoute.ledger.proof import check_proof, prove
from saferoute.signing.refusal import Refused
from tests.support.ledger_cases import NOW, SECRET, A, B, intent, outcome, writer

SAME = b"yes"


def openings() -> list[tuple[str, str, bytes, str]]:
    """Record, name, salt and commitment of the same content, over and over, in two segments of one log secret."""
    found = []
    for segment in (A, B):
        made = writer(segment)
        for number in range(20):
            for entry in (intent(number, asked=SAME, request=SAME, system=SAME.decode()), outcome(None, number, response=SAME)):
                written = made.add(entry, NOW)
                found += [(written.id, name, one, written.record["commit"][name]) for name, one in written.salts.items()]
    return found


OPENINGS = openings()


def test_a_salt_opens_its_own_commitment_and_no_other() -> None:
    assert len(OPENINGS) == 160
    for ours, name, given, _ in OPENINGS:
        fits = commit(given, SAME)
        assert [(other, field) for other, field, _, commitment in OPENINGS if commitment == fits] == [(ours, name)]


def test_no_two_salts_are_alike() -> None:
    assert len({given for _, _, given, _ in OPENINGS}) == len(OPENINGS)


def test_a_salt_is_not_the_secret_and_does_not_lead_to_another() -> None:
    """What somebody can make of one salt with everything that is public is none of the other salts."""
    mine = OPENINGS[0][2]
    others = {given for _, _, given, _ in OPENINGS[1:]}
    made = {
        Salts(key, segment).made(seq, {field: SAME})[0][field]
        for key in (mine, SECRET[:-1] + b"t")
        for segment in (A, B)
        for seq in range(45)
        for field in ("asked", "response")
    }
    assert not made & others
    assert SECRET not in others | {mine}


def test_the_two_ways_to_make_a_salt_agree() -> None:
    for secret in (SECRET, b"k" * 64, b"k" * 65, b"k" * 200):
        for seq, field in ((0, "asked"), (7, "response"), (10**9, "system")):
            salts, committed = Salts(secret, A).made(seq, {field: SAME})
            assert salts == {field: salt(secret, A, seq, field)}
            assert committed == {field: commit(salts[field], SAME)}


def test_a_proof_opens_its_own_record() -> None:
    made = writer()
    lines = [made.first()]
    written = [made.add(intent(number, asked=SAME), NOW) for number in range(3)]
    lines += [one.line for one in written] + [made.checkpoint(NOW, final=True)[0]]
    proved = check_proof(prove(b"".join(lines), 2, {"asked": written[1].salts["asked"]}))
    assert proved.holds("asked", SAME)
    assert not proved.holds("asked", b"no")
    with pytest.raises(Refused, match="the proof does not open 'request'; it opens: asked"):
        proved.holds("request", b"{}")
    stolen = check_proof(prove(b"".join(lines), 1, {"asked": written[1].salts["asked"]}))
    assert not stolen.holds("asked", SAME)
    with pytest.raises(Refused, match="record 1 has no commitment to: response"):
        prove(b"".join(lines), 1, {"response": bytes(32)})
