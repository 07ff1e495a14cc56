"""The signed envelope: DSSE v1 (github.com/secure-systems-lab/dsse) around exact bytes.

What is signed is PAE(type, payload): the payload's type and the payload, each with its length before it. One type per purpose keeps
a root from passing as a release. Signatures count by distinct public key, never by key id: one key under two ids counted twice is
the bug that several TUF libraries had. The envelope itself is read with the strict parser, so it has one spelling too.
"""

from __future__ import annotations

import binascii
from base64 import b64encode
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from saferoute.signing.keys import SIGNATURE_BYTES
from saferoute.signing.refusal import Refused, TooFewSigned
from saferoute.signing.strict_json import canonical, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from saferoute.signing.keys import PublicKey, Signer
    from saferoute.signing.strict_json import StrictJson

__all__ = ["Envelope", "PayloadType", "decode_base64", "encode_base64", "pae", "sign", "verify"]

MAX_ENVELOPE_BYTES = 64 * 1024
MAX_SIGNATURES = 16
_KEY_ID_CHARACTERS = 64


class PayloadType(StrEnum):
    """What a payload is for; each purpose has its own type, and no verifier takes two."""

    ROOT = "application/vnd.saferoute.root.v1+json"
    RELEASE = "application/vnd.saferoute.release.v1+json"
    STATUS = "application/vnd.saferoute.status.v1+json"
    REVOCATIONS = "application/vnd.saferoute.revocations.v1+json"
    LOG_KEY = "application/vnd.saferoute.log-key.v1+json"


def encode_base64(data: bytes) -> str:
    """Write standard base64 with padding."""
    return b64encode(data).decode("ascii")


def decode_base64(text: object) -> bytes:
    """Read standard base64 in its one spelling: no white space, no junk, whole padding, no stray bits.

    Raises:
        Refused: for everything else.
    """
    if not isinstance(text, str):
        raise Refused("a base64 field is not a text")
    try:
        data = binascii.a2b_base64(text, strict_mode=True)
    except ValueError:  # binascii.Error, and non-ASCII text
        raise Refused("a base64 field is malformed") from None
    if encode_base64(data) != text:  # strict_mode still takes stray bits in the last character
        raise Refused("a base64 field is not in its canonical form")
    return data


def pae(payload_type: str, payload: bytes) -> bytes:
    """Write the pre-authentication encoding: the bytes that are signed."""
    name = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A payload with its type and signatures, as read: nothing about it has been verified.

    Attributes:
        payload_type: what the payload claims to be.
        payload: the exact bytes that are signed.
        signatures: (key id, signature) in file order; key ids are distinct.
    """

    payload_type: str
    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def read(cls, data: bytes) -> Envelope:
        """Read an envelope's bytes; one line break at the very end is allowed, as editors and hooks add it.

        Raises:
            Refused: if it is not exactly an envelope.
        """
        return cls.from_json(parse(data.removesuffix(b"\n"), max_bytes=MAX_ENVELOPE_BYTES))

    @classmethod
    def from_json(cls, value: StrictJson) -> Envelope:
        """Take an envelope out of a document that was parsed strictly.

        Raises:
            Refused: if it is not exactly an envelope.
        """
        if not isinstance(value, dict) or value.keys() != {"payload", "payloadType", "signatures"}:
            raise Refused("an envelope has exactly the fields payload, payloadType and signatures")
        kind, rows = value["payloadType"], value["signatures"]
        if not isinstance(kind, str) or not isinstance(rows, list):
            raise Refused("an envelope's payloadType is a text, and its signatures are a list")
        if not 1 <= len(rows) <= MAX_SIGNATURES:
            raise Refused(f"an envelope has 1 to {MAX_SIGNATURES} signatures; this one has {len(rows)}")
        signatures = tuple(_read_signature(row) for row in rows)
        if len({key_id for key_id, _ in signatures}) != len(signatures):
            raise Refused("a key id signs twice")
        return cls(kind, decode_base64(value["payload"]), signatures)

    def to_json(self) -> dict[str, StrictJson]:
        """The envelope as a JSON value."""
        rows: list[StrictJson] = [{"keyid": key_id, "sig": encode_base64(sig)} for key_id, sig in self.signatures]
        return {"payload": encode_base64(self.payload), "payloadType": self.payload_type, "signatures": rows}

    def to_bytes(self) -> bytes:
        """The envelope as a file's content, ending with one line break."""
        return canonical(self.to_json()) + b"\n"


def _read_signature(row: StrictJson) -> tuple[str, bytes]:
    if not isinstance(row, dict) or row.keys() != {"keyid", "sig"}:
        raise Refused("a signature has exactly the fields keyid and sig")
    key_id, signature = row["keyid"], decode_base64(row["sig"])
    if not isinstance(key_id, str) or len(key_id) != _KEY_ID_CHARACTERS or not set(key_id) <= set("0123456789abcdef"):
        raise Refused("a key id is 64 lower-case hexadecimal digits")
    if len(signature) != SIGNATURE_BYTES:
        raise Refused(f"a signature has {SIGNATURE_BYTES} bytes; this one has {len(signature)}")
    return key_id, signature


def sign(payload_type: str, payload: bytes, signers: Sequence[Signer], *, earlier: Iterable[tuple[str, bytes]] = ()) -> Envelope:
    """Sign a payload with each signer.

    Args:
        payload_type: what it is for.
        payload: the exact bytes.
        signers: who signs.
        earlier: signatures to keep, of others over the same type and payload.

    Raises:
        Refused: if a signer's signature does not verify under its own key (a KMS with the pre-hashed variant, say).
    """
    message = pae(payload_type, payload)
    rows = dict(earlier)
    for signer in signers:
        signature = signer.sign(message)
        if not signer.public_key.verify(signature, message):
            name = signer.public_key.key_id[:12]
            raise Refused(f"the signer of key {name} made a signature that is not plain Ed25519 over the bytes given")
        rows[signer.public_key.key_id] = signature
    return Envelope(str(payload_type), payload, tuple(sorted(rows.items())))


def verify(envelope: Envelope, payload_type: PayloadType, keys: Iterable[PublicKey], threshold: int) -> bytes:
    """Check type and signatures, and hand out the payload.

    A signature of a key that is not asked for is left alone, so that a release can carry the old and the new key's while keys are
    rotated. A signature of a key that is asked for must verify: one that does not says that the payload was altered.

    Args:
        envelope: as read.
        payload_type: the one type that is taken here.
        keys: whose signatures count.
        threshold: how many distinct keys must have signed; at least 1.

    Raises:
        Refused: for another type, a signature that does not verify, and, as TooFewSigned, too few distinct keys.
    """
    if threshold < 1:
        raise Refused("a threshold is at least 1")
    if envelope.payload_type != payload_type:
        raise Refused(f"it is a {envelope.payload_type[:80]!r}, not a {payload_type.value!r}")
    wanted: Mapping[str, PublicKey] = {key.key_id: key for key in keys}
    message = pae(envelope.payload_type, envelope.payload)
    signed: set[bytes] = set()
    for key_id, signature in envelope.signatures:
        key = wanted.get(key_id)
        if key is None:
            continue
        if not key.verify(signature, message):
            raise Refused(f"the signature of key {key_id[:12]} is wrong: the payload was altered after signing")
        signed.add(key.raw)  # the key itself, not what it is called
    if len(signed) < threshold:
        raise TooFewSigned(f"{len(signed)} of the {threshold} signatures that are needed are there")
    return envelope.payload
