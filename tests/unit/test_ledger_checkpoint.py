"""Checkpoints as C2SP signed notes, and the certificates of the keys that sign them."""

from __future__ import annotations

from base64 import b64decode, b64encode
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from saferoute.ledger.certificate import Certificate, certify, read_certificate
from saferoute.ledger.checkpoint import Checkpoint, note_key_id, note_text, origin_of, read_note, sign_note
from saferoute.signing.envelope import Envelope, PayloadType, sign
from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical, parse
from tests.support.ledger_cases import INSTANCE, LOG_KEY, LOG_ROLE, NOW, OTHER_KEY, A, certificate

SAID = Checkpoint(A, 65, sha256(b"root").digest(), NOW)
NOTE = sign_note(SAID, LOG_KEY)


def test_a_note_is_what_c2sp_says() -> None:
    origin = f"saferoute.ledger/{A}"
    text, _, below = NOTE.partition("\n\n")
    assert text.split("\n") == [origin, "65", b64encode(sha256(b"root").digest()).decode(), f"time {NOW}"]
    assert text + "\n" == note_text(SAID)
    dash, name, signature = below.removesuffix("\n").split(" ")
    assert (dash, name) == ("\u2014", origin)
    raw = b64decode(signature, validate=True)
    assert raw[:4] == sha256(origin.encode() + b"\n\x01" + LOG_KEY.public_key.raw).digest()[:4]
    assert LOG_KEY.public_key.verify(raw[4:], f"{text}\n".encode())


def test_the_key_id_of_the_go_reference_s_example() -> None:
    """PeterNeumann+c74f20a3 of the documentation of golang.org/x/mod/sumdb/note."""
    raw = b64decode("ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    assert raw[0] == 1
    assert note_key_id("PeterNeumann", PublicKey(raw[1:])).hex() == "c74f20a3"


def test_a_note_is_read_back() -> None:
    assert read_note(NOTE, LOG_KEY.public_key) == SAID
    assert read_note(NOTE, None) == SAID
    assert origin_of(A) == f"saferoute.ledger/{A}"


def changed(old: str, new: str) -> str:
    assert old in NOTE
    return NOTE.replace(old, new, 1)


NOT_A_NOTE = [
    "",
    "\n\n",
    NOTE[:-1],
    NOTE.partition("\n\n")[0] + "\n",
    NOTE.partition("\n\n")[0] + "\n\n",
    changed("saferoute.ledger", "saferoute_ledger"),
    changed(A, A.upper()),
    changed(A, A[:-1]),
    changed("\n65\n", "\n065\n"),
    changed("\n65\n", "\n-1\n"),
    changed("\n65\n", "\n65 \n"),
    changed("\n65\n", "\n9007199254740992\n"),
    changed(f"time {NOW}", "time 9007199254740992"),
    changed(f"time {NOW}", f"time {NOW}\nmore"),
    changed(f"time {NOW}\n", ""),
    changed("time", "Time"),
    changed("\n\n", "\r\n\n"),
    changed("\u2014", "-"),
    changed("\u2014 ", "\u2014  "),
    NOTE.replace(b64encode(SAID.root).decode(), b64encode(SAID.root[:31]).decode() + ("=" * 0), 1),
    NOTE.replace(b64encode(SAID.root).decode(), b64encode(SAID.root + b"x").decode(), 1),
    NOTE + "\n",
    NOTE + "more\n",
    NOTE + "\u2014 a QUJD\n",
    NOTE + "\u2014 a QUJDRA==\n",
    NOTE + "\u2014 a QUJDREVGR\n",
    NOTE + "\u2014 a+b QUJDREVG\n",
    NOTE + "\u2014 w QUJDREVG\n" * 16,
    NOTE + "\u2014 w QUJDREVG\n" * 2_000,
]


@pytest.mark.parametrize("note", NOT_A_NOTE, ids=[str(number) for number in range(len(NOT_A_NOTE))])
def test_what_is_no_note_is_refused_signed_or_not(note: str) -> None:
    for key in (LOG_KEY.public_key, None):
        with pytest.raises(Refused):
            read_note(note, key)


def test_witnesses_may_sign_below() -> None:
    assert read_note(NOTE + "\u2014 w.example/a QUJDREVG\n" * 15, LOG_KEY.public_key) == SAID


def test_every_changed_character_breaks_the_signature() -> None:
    for place in range(len(NOTE)):
        for other in {"x", "0", "\n"} - {NOTE[place]}:
            with pytest.raises(Refused):
                read_note(NOTE[:place] + other + NOTE[place + 1 :], LOG_KEY.public_key)


def test_another_key_is_refused() -> None:
    with pytest.raises(Refused, match="it is not signed by the log key"):
        read_note(NOTE, OTHER_KEY.public_key)


class Faulty:
    """A signer elsewhere that signs something else, as one does that hashes first."""

    public_key = LOG_KEY.public_key

    def sign(self, message: bytes) -> bytes:
        return LOG_KEY.sign(sha256(message).digest())


class Remote(Faulty):
    def sign(self, message: bytes) -> bytes:
        return LOG_KEY.sign(message)


def test_a_signer_elsewhere_is_not_believed() -> None:
    assert sign_note(SAID, Remote()) == NOTE
    with pytest.raises(Refused, match="made a signature that is not plain Ed25519"):
        sign_note(SAID, Faulty())


SECONDS = NOW // 1_000_000
GOOD = Certificate(LOG_KEY.public_key, INSTANCE, SECONDS, SECONDS + 60, "acme/prod")


def test_a_certificate_is_an_envelope_of_its_own_type() -> None:
    envelope = certify(GOOD, [LOG_ROLE])
    assert envelope.payload_type == PayloadType.LOG_KEY
    assert parse(envelope.payload) == {
        "schema": 1, "key": b64encode(LOG_KEY.public_key.raw).decode(), "instance": INSTANCE, "issued": SECONDS, "not_after": SECONDS + 60,
        "name": "acme/prod",
    }  # fmt: skip
    assert read_certificate(Envelope.read(envelope.to_bytes()), [LOG_ROLE.public_key], 1) == GOOD


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"not_after": SECONDS}, "certificate.not_after is not after certificate.issued"),
        ({"issued": -1}, "issued: "),
        ({"not_after": 2**53 - 1}, "not_after: "),
        ({"name": "Acme"}, "name: "),
        ({"name": "a/b/c/d/e"}, "name: "),
        ({"instance": "x"}, "instance: "),
    ],
)
def test_a_certificate_that_does_not_fit_is_not_signed(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(Refused, match=words):
        certify(replace(GOOD, **changes), [LOG_ROLE])


PAYLOAD = parse(certificate().payload)


@pytest.mark.parametrize(
    "payload",
    [
        canonical(PAYLOAD | {"schema": 2}),
        canonical(PAYLOAD | {"more": 1}),
        canonical({name: value for name, value in PAYLOAD.items() if name != "key"}),
        canonical(PAYLOAD | {"key": b64encode(bytes(32)).decode()}),
        canonical(PAYLOAD | {"key": b64encode(bytes([1, *bytes(31)])).decode()}),
        canonical(PAYLOAD | {"key": "A" * 43}),
        canonical(PAYLOAD).replace(b":", b": ", 1),
        canonical(PAYLOAD | {"name": "a" * 2_000}),
        canonical(PAYLOAD | {"name": "a" * 3_000}),
        b"[]",
    ],
    ids=[
        "schema",
        "another field",
        "no key",
        "a point of small order",
        "the identity",
        "base64",
        "white space",
        "long",
        "longer",
        "a list",
    ],
)
def test_a_signed_certificate_that_does_not_fit_is_refused(payload: bytes) -> None:
    envelope = sign(PayloadType.LOG_KEY, payload, [LOG_ROLE])
    with pytest.raises(Refused):
        read_certificate(envelope, [LOG_ROLE.public_key])


def test_only_the_log_role_certifies() -> None:
    with pytest.raises(Refused, match="0 of the 1 signatures that are needed are there"):
        read_certificate(certify(GOOD, [PrivateKey.from_seed(b"x" * 32)]), [LOG_ROLE.public_key])
