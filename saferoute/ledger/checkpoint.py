"""Checkpoints: what a log key signs about a segment, as a C2SP signed note (c2sp.org/signed-note, c2sp.org/tlog-checkpoint).

    saferoute.ledger/<segment>
    <number of records>
    <base64 of their RFC 6962 root>
    time <microseconds since 1970>

    — saferoute.ledger/<segment> <base64 of key id and Ed25519 signature>

What is signed is the text up to the empty line. No other thing that saferoute signs begins with these words, so a note passes as
nothing else, and nothing else as a note. Witnesses may add their signatures below; they are theirs to check.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from saferoute.ledger.merkle import HASH_BYTES
from saferoute.signing.envelope import decode_base64, encode_base64
from saferoute.signing.keys import SIGNATURE_BYTES, PrivateKey
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import MAX_INTEGER

if TYPE_CHECKING:
    from saferoute.signing.keys import PublicKey, Signer

__all__ = ["Checkpoint", "note_key_id", "note_text", "origin_of", "read_note", "sign_note"]

MAX_NOTE_CHARACTERS: Final = 20_000
MAX_WITNESSES: Final = 15
_ORIGIN: Final = "saferoute.ledger/"
_NUMBER: Final = r"(0|[1-9][0-9]{0,15})"
_TEXT: Final = re.compile(rf"saferoute\.ledger/([0-9a-f]{{32}})\n{_NUMBER}\n([A-Za-z0-9+/=]{{44}})\ntime {_NUMBER}\n")
_SIGNATURE: Final = re.compile("\N{EM DASH} ([^ +\n]{1,200}) ([A-Za-z0-9+/=]{8,2000})")
_ED25519: Final = b"\n\x01"
_KEY_ID_BYTES: Final = 4


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a note says.

    Attributes:
        segment: the segment's id.
        size: how many records it covers: those from 0 to size - 1.
        root: their RFC 6962 root, 32 bytes.
        time_us: when it was signed, in microseconds since 1970.
    """

    segment: str
    size: int
    root: bytes
    time_us: int


def origin_of(segment: str) -> str:
    """The first line of a segment's notes, which is also the name of its key there."""
    return _ORIGIN + segment


def note_key_id(name: str, key: PublicKey) -> bytes:
    """The four bytes that stand for a key in a note: SHA-256 of its name, a line feed, 0x01 for Ed25519, and the key."""
    return sha256(name.encode() + _ED25519 + key.raw).digest()[:_KEY_ID_BYTES]


def note_text(checkpoint: Checkpoint) -> str:
    """The text that is signed."""
    root = encode_base64(checkpoint.root)
    return f"{origin_of(checkpoint.segment)}\n{checkpoint.size}\n{root}\ntime {checkpoint.time_us}\n"


def sign_note(checkpoint: Checkpoint, signer: Signer) -> str:
    """Sign a checkpoint, and give the whole note.

    Raises:
        Refused: if the signer's signature does not verify under its own key.
    """
    signed = note_text(checkpoint)
    message = signed.encode()
    signature = signer.sign(message)
    if not isinstance(signer, PrivateKey) and not signer.public_key.verify(signature, message):
        raise Refused("the signer made a signature that is not plain Ed25519 over the bytes given")
    name = origin_of(checkpoint.segment)
    return f"{signed}\n\N{EM DASH} {name} {encode_base64(note_key_id(name, signer.public_key) + signature)}\n"


def read_note(note: str, key: PublicKey | None) -> Checkpoint:
    """Read a note.

    Args:
        note: the whole note.
        key: the log key, whose signature must be there and verify. None for a note that is believed for where it was kept: an anchor
            says what a segment must look like, and a made-up one can only raise a false alarm.

    Raises:
        Refused: if it is no checkpoint, or not signed by this key.
    """
    signed, middle, below = note.partition("\n\n")
    found = _TEXT.fullmatch(signed + "\n") if len(note) <= MAX_NOTE_CHARACTERS else None
    if found is None or not middle or not below.endswith("\n"):
        raise Refused("it is not a checkpoint of a ledger")
    segment, size, root, time_us = found[1], int(found[2]), decode_base64(found[3]), int(found[4])
    if len(root) != HASH_BYTES or size > MAX_INTEGER or time_us > MAX_INTEGER:
        raise Refused("it is not a checkpoint of a ledger: its root is not 32 bytes, or a number is too large")
    signatures = [_read_signature(line) for line in below[:-1].split("\n")]
    if len(signatures) > 1 + MAX_WITNESSES:
        raise Refused(f"it has more than {1 + MAX_WITNESSES} signatures")
    if key is not None:
        name = origin_of(segment)
        ours = note_key_id(name, key)
        made = [signature[_KEY_ID_BYTES:] for who, signature in signatures if who == name and signature.startswith(ours)]
        if len(made) != 1 or len(made[0]) != SIGNATURE_BYTES or not key.verify(made[0], (signed + "\n").encode()):
            raise Refused("it is not signed by the log key: another key signed it, or it was altered")
    return Checkpoint(segment, size, root, time_us)


def _read_signature(line: str) -> tuple[str, bytes]:
    found = _SIGNATURE.fullmatch(line)
    signature = b"" if found is None else decode_base64(found[2])
    if found is None or len(signature) <= _KEY_ID_BYTES:
        raise Refused("a line below the checkpoint is no signature")
    return found[1], signature
