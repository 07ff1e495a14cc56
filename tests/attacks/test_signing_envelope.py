"""Envelopes that were moved, altered, or signed by too few."""

from __future__ import annotations

from itertools import permutations

import pytest

from saferoute.signing.envelope import Envelope, PayloadType, decode_base64, encode_base64, pae, sign, verify
from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import canonical

A, B, C = (PrivateKey.from_seed(letter * 32) for letter in (b"a", b"b", b"c"))
PAYLOAD = b'{"what":"is signed"}'


def test_the_signed_bytes_are_those_of_the_standard() -> None:
    # The example of DSSE v1's protocol document.
    assert pae("http://example.com/HelloWorld", b"hello world") == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


@pytest.mark.parametrize(("made", "asked"), list(permutations(PayloadType, 2)))
def test_no_payload_type_passes_as_another(made: PayloadType, asked: PayloadType) -> None:
    envelope = sign(made, PAYLOAD, [A])
    with pytest.raises(Refused, match="not a"):
        verify(envelope, asked, [A.public_key], 1)
    relabelled = Envelope(asked.value, envelope.payload, envelope.signatures)
    with pytest.raises(Refused, match="altered"):
        verify(relabelled, asked, [A.public_key], 1)


@pytest.mark.parametrize(
    ("signers", "threshold", "enough"),
    [
        ((A,), 1, True),
        ((A, B), 2, True),
        ((A, B, C), 2, True),
        ((A,), 2, False),
        ((C,), 1, False),
        ((A, C), 2, False),
        ((C, B, A), 2, True),
    ],
)
def test_the_threshold_counts_the_keys_that_are_asked_for(signers: tuple[PrivateKey, ...], threshold: int, enough: bool) -> None:
    envelope = Envelope.read(sign(PayloadType.ROOT, PAYLOAD, signers).to_bytes())
    keys = [A.public_key, B.public_key]
    if enough:
        assert verify(envelope, PayloadType.ROOT, keys, threshold) == PAYLOAD
    else:
        with pytest.raises(Refused, match="are there"):
            verify(envelope, PayloadType.ROOT, keys, threshold)


def test_one_key_given_twice_counts_once() -> None:
    envelope = sign(PayloadType.ROOT, PAYLOAD, [A, A])
    with pytest.raises(Refused, match="1 of the 2"):
        verify(envelope, PayloadType.ROOT, [A.public_key, PublicKey(A.public_key.raw)], 2)


def test_one_key_under_two_ids_counts_once() -> None:
    # The forgery that several TUF libraries took: the same key under a second id. Ids are recomputed, so the key is made to lie here.
    alias = PublicKey(A.public_key.raw)
    alias.key_id = "f" * 64
    signature = sign(PayloadType.ROOT, PAYLOAD, [A]).signatures[0][1]
    envelope = Envelope(PayloadType.ROOT.value, PAYLOAD, ((A.public_key.key_id, signature), (alias.key_id, signature)))
    with pytest.raises(Refused, match="1 of the 2"):
        verify(envelope, PayloadType.ROOT, [A.public_key, alias], 2)


@pytest.mark.parametrize("threshold", [0, -1])
def test_a_threshold_of_nobody_is_refused(threshold: int) -> None:
    with pytest.raises(Refused, match="at least 1"):
        verify(sign(PayloadType.ROOT, PAYLOAD, [A]), PayloadType.ROOT, [A.public_key], threshold)


def test_a_wrong_signature_of_a_known_key_is_refused_even_if_others_suffice() -> None:
    good = sign(PayloadType.ROOT, PAYLOAD, [A, B])
    other = sign(PayloadType.ROOT, PAYLOAD + b" ", [B])
    mixed = Envelope(good.payload_type, PAYLOAD, (*(row for row in good.signatures if row[0] == A.public_key.key_id), other.signatures[0]))
    with pytest.raises(Refused, match="altered"):
        verify(mixed, PayloadType.ROOT, [A.public_key, B.public_key], 1)


def test_a_signer_that_signs_something_else_is_found_when_signing() -> None:
    class Prehashing:
        public_key = A.public_key

        def sign(self, message: bytes) -> bytes:
            return A.sign(message[::-1])

    with pytest.raises(Refused, match="not plain Ed25519"):
        sign(PayloadType.ROOT, PAYLOAD, [Prehashing()])


def test_a_signature_can_be_added_later() -> None:
    first = sign(PayloadType.ROOT, PAYLOAD, [A])
    both = sign(PayloadType.ROOT, PAYLOAD, [B], earlier=first.signatures)
    assert verify(both, PayloadType.ROOT, [A.public_key, B.public_key], 2) == PAYLOAD


@pytest.mark.parametrize(
    "text", ["AA==\n", " AA==", "AA", "AA=", "AA===", "AB==", "A===", "AA==AA==", "A-__", "\u0410A==", "AA=A", "====", 5, None]
)
def test_base64_has_one_spelling(text: object) -> None:
    with pytest.raises(Refused, match="base64"):
        decode_base64(text)


def test_base64_goes_both_ways() -> None:
    assert all(decode_base64(encode_base64(bytes(range(n)))) == bytes(range(n)) for n in range(20))


def _broken(**changes: object) -> bytes:
    plain = sign(PayloadType.ROOT, PAYLOAD, [A]).to_json()
    return canonical({name: item for name, item in {**plain, **changes}.items() if item is not None})  # type: ignore[misc]


ROW = {"keyid": "a" * 64, "sig": encode_base64(bytes(64))}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (_broken(payload=None), "exactly the fields"),
        (_broken(extra=1), "exactly the fields"),
        (_broken(payloadType=1), "payloadType"),
        (_broken(signatures={}), "list"),
        (_broken(signatures=[]), "1 to 16"),
        (_broken(signatures=[{**ROW, "keyid": f"{n:064x}"} for n in range(17)]), "1 to 16"),
        (_broken(signatures=[ROW, ROW]), "twice"),
        (_broken(signatures=[{"keyid": "a" * 64}]), "exactly the fields"),
        (_broken(signatures=["x"]), "exactly the fields"),
        (_broken(signatures=[{**ROW, "keyid": "A" * 64}]), "hexadecimal"),
        (_broken(signatures=[{**ROW, "keyid": "a" * 63}]), "hexadecimal"),
        (_broken(signatures=[{**ROW, "keyid": 1}]), "hexadecimal"),
        (_broken(signatures=[{**ROW, "sig": encode_base64(bytes(63))}]), "64 bytes"),
        (_broken(payload="AB=="), "canonical form"),
        (_broken() + b"\n\n", "canonical"),
        (b"[]", "begin"),
    ],
)
def test_what_is_not_exactly_an_envelope_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(Refused, match=why):
        Envelope.read(data)


def test_an_envelope_is_no_text() -> None:
    with pytest.raises(Refused, match="exactly the fields"):
        Envelope.from_json("envelope")


def test_the_envelope_agrees_with_an_implementation_that_is_not_ours() -> None:
    dsse = pytest.importorskip("securesystemslib.dsse", reason="the test oracle securesystemslib is not installed")
    signer = pytest.importorskip("securesystemslib.signer")
    theirs = dsse.Envelope.from_dict(sign(PayloadType.ROOT, PAYLOAD, [A, B]).to_json())
    keys = [signer.SSlibKey(key.public_key.key_id, "ed25519", "ed25519", {"public": key.public_key.raw.hex()}) for key in (A, B)]
    assert theirs.pae() == pae(PayloadType.ROOT, PAYLOAD)
    assert set(theirs.verify(keys, 2)) == {A.public_key.key_id, B.public_key.key_id}
    crypto = signer.CryptoSigner(A._key, keys[0])
    made = dsse.Envelope(PAYLOAD, PayloadType.ROOT.value, {})
    made.sign(crypto)
    assert verify(Envelope.read(canonical(made.to_dict())), PayloadType.ROOT, [A.public_key], 1) == PAYLOAD
