"""Captured content: encrypted under a key of its own, so that deleting the key erases all that was captured under it.

AES-256-GCM; the associated data names the record and the field, so that no content passes as another's. It is off unless a ledger is
told what to capture, and the key never stands in the ledger.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final

from saferoute.signing.envelope import decode_base64, encode_base64
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["KEY_BYTES", "NONCE_BYTES", "content_key_id", "decrypt", "encrypt"]

KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
_KEY_ID_DIGITS: Final = 16


def content_key_id(key: bytes) -> str:
    """What a key is called: the first 16 hexadecimal digits of its SHA-256."""
    return sha256(key).hexdigest()[:_KEY_ID_DIGITS]


def encrypt(key: bytes, nonce: bytes, ref: str, field: str, content: bytes) -> dict[str, Any]:
    """Encrypt a content, and give the fields of its record.

    Args:
        key: 32 bytes.
        nonce: 12 bytes of new randomness; the same two must never meet again.
        ref: the id of the record that the content belongs to.
        field: which of its contents it is, such as "request".
        content: the content.

    Raises:
        Refused: for a key or a nonce of another length.
    """
    if len(nonce) != NONCE_BYTES:
        raise Refused(f"a nonce has {NONCE_BYTES} bytes; this one has {len(nonce)}")
    sealed = _cipher(key).encrypt(nonce, content, _bound(ref, field))
    return {"data": encode_base64(sealed), "field": field, "key_id": content_key_id(key), "nonce": encode_base64(nonce), "ref": ref}


def decrypt(key: bytes, fields: Mapping[str, Any]) -> bytes:
    """Decrypt what a record of kind "content" holds.

    Args:
        key: 32 bytes.
        fields: the record's fields.

    Raises:
        Refused: if it was captured under another key, or altered, or belongs elsewhere.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  heavy; only who captures content pays for it

    cipher = _cipher(key)
    if fields["key_id"] != content_key_id(key):
        raise Refused(f"it was captured under the key {fields['key_id']}, and this is the key {content_key_id(key)}")
    try:
        nonce, sealed = decode_base64(fields["nonce"]), decode_base64(fields["data"])
        content: bytes = cipher.decrypt(nonce, sealed, _bound(fields["ref"], fields["field"]))
    except (InvalidTag, ValueError):
        raise Refused("it was altered, or put in another record's place: it does not decrypt") from None
    return content


def _cipher(key: bytes) -> Any:  # noqa: ANN401  cryptography's AESGCM, which is imported late
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415  heavy; only who captures content pays for it

    if len(key) != KEY_BYTES:
        raise Refused(f"a key for captured content has {KEY_BYTES} bytes; this one has {len(key)}")
    return AESGCM(key)


def _bound(ref: str, field: str) -> bytes:
    return f"saferoute ledger content v1|{ref}|{field}".encode()
