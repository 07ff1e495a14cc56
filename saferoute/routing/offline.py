"""Signing where the key is: export the bytes to sign, sign them anywhere, bring the signature back.

A document is a file's content: a root, a bundle (whose release is what is signed), a status or a revocation list. It may have no
signature at all yet, which no client takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import ConfigurationError
from saferoute.routing.release import Bundle, check_made_for, parse_release
from saferoute.routing.root import parse_root, read_root
from saferoute.routing.schema import check
from saferoute.routing.shapes import BUNDLE, MAX_BUNDLE_BYTES
from saferoute.routing.status import parse_revocations, parse_status
from saferoute.routing.table import compile_table
from saferoute.signing.envelope import Envelope, PayloadType, decode_base64, encode_base64, pae
from saferoute.signing.refusal import Refused
from saferoute.signing.strict_json import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from saferoute.signing.keys import PublicKey
    from saferoute.signing.strict_json import StrictJson

__all__ = ["Document", "add_signature", "read_document", "signers_of", "to_sign", "with_signatures"]


@dataclass(frozen=True, slots=True)
class Document:
    """A signed file as read: nothing about it has been verified.

    Attributes:
        envelope: what is or will be signed; it may have no signature.
        tables: a bundle's tables; None for the other kinds, which are an envelope and nothing else.
    """

    envelope: Envelope
    tables: tuple[bytes, ...] | None


def read_document(data: bytes, kind: PayloadType | None = None) -> Document:
    """Read a file that is signed or to be signed.

    Args:
        data: its bytes.
        kind: what it must be; None for any kind.

    Raises:
        Refused: it is none, or of another kind.
    """
    fields: dict[str, Any] = parse(data.removesuffix(b"\n"), max_bytes=MAX_BUNDLE_BYTES)
    if "release" in fields:
        check(fields, BUNDLE, "bundle")
        document = Document(_envelope(fields["release"]), tuple(decode_base64(body) for body in fields["tables"]))
    else:
        document = Document(_envelope(fields), None)
    if (document.envelope.payload_type == PayloadType.RELEASE) != (document.tables is not None):
        raise Refused("a release, and nothing else, stands in a bundle with its tables")
    if kind is not None and document.envelope.payload_type != kind:
        raise Refused(f"it is a {document.envelope.payload_type[:80]!r}, not a {kind.value!r}")
    return document


def with_signatures(document: Document, envelope: Envelope) -> bytes:
    """Write a document with another envelope around the same payload."""
    return envelope.to_bytes() if document.tables is None else Bundle(envelope, document.tables).to_bytes()


def to_sign(document: bytes) -> bytes:
    """The exact bytes that a signer signs, with Ed25519 over them as they are: export them to where the key is.

    Args:
        document: a root, a bundle, a status or a revocation list, signed or not.

    Raises:
        ConfigurationError: it is none of them, or nothing that a client would take once it is signed.
    """
    try:
        read = read_document(document)
        _check_payload(read)
    except Refused as refusal:
        raise ConfigurationError(f"this cannot be signed: {refusal}") from None
    return pae(read.envelope.payload_type, read.envelope.payload)


def add_signature(document: bytes, root: bytes, public_key: PublicKey, signature: bytes) -> bytes:
    """Bring back a signature that was made elsewhere.

    Args:
        document: what `to_sign` was asked about.
        root: the current root file; for a root, the one before it, whose keys may sign too (or the same file, where there is none).
        public_key: whose signature it is; it must be in the role that signs such documents.
        signature: 64 bytes, over exactly what `to_sign` gave.

    Returns:
        The document with the signature; one of the same key is replaced.

    Raises:
        ConfigurationError: either file is malformed, the key is not in the role, or the signature is not this key's over this document.
    """
    try:
        read = read_document(document)
        _check_payload(read)
        envelope = read.envelope
        _check_signature(envelope, signers_of(envelope, root), public_key, signature)
        rows = {**dict(envelope.signatures), public_key.key_id: signature}
        return with_signatures(read, Envelope(envelope.payload_type, envelope.payload, tuple(sorted(rows.items()))))
    except Refused as refusal:
        raise ConfigurationError(f"the signature cannot be added: {refusal}") from None


def _check_signature(envelope: Envelope, members: Sequence[PublicKey], key: PublicKey, signature: bytes) -> None:
    if key not in members:
        raise Refused(f"the key {key.key_id[:12]} is in no role that signs it")
    if not key.verify(signature, pae(envelope.payload_type, envelope.payload)):
        raise Refused(
            f"the signature is not one of the key {key.key_id[:12]} over this document: sign exactly the bytes that were exported, with "
            "plain Ed25519 (not the pre-hashed variant)"
        )


def signers_of(envelope: Envelope, root: bytes) -> tuple[PublicKey, ...]:
    """Whose signatures count on a document.

    Args:
        envelope: the document's.
        root: the current root file, which is verified; for a root, the one before it, or the same file.

    Raises:
        Refused: the document was made for another root, or the root has no role that signs it.
    """
    if envelope.payload_type == PayloadType.ROOT:
        made = parse_root(envelope.payload)
        before = parse_root(read_document(root, PayloadType.ROOT).envelope.payload)
        if before.name != made.name or before.version not in (made.version, made.version - 1):
            raise Refused(f"root version {made.version} of {made.name!r} does not follow version {before.version} of {before.name!r}")
        return (*made.root.keys, *before.root.keys)
    trusted = read_root(root)
    if envelope.payload_type == PayloadType.STATUS:
        if trusted.status is None:
            raise Refused("the trust root has no status role")
        check_made_for(parse_status(envelope.payload), trusted)
        return trusted.status.keys
    is_release = envelope.payload_type == PayloadType.RELEASE
    check_made_for(parse_release(envelope.payload) if is_release else parse_revocations(envelope.payload), trusted)
    return trusted.table.keys


_PARSERS: Final = {PayloadType.ROOT: parse_root, PayloadType.STATUS: parse_status, PayloadType.REVOCATIONS: parse_revocations}


def _check_payload(document: Document) -> None:
    """Check that a document's payload is one that clients read."""
    envelope = document.envelope
    if document.tables is not None:
        release = parse_release(envelope.payload)
        compile_table(Bundle(envelope, document.tables).body(release), release)
    elif envelope.payload_type in _PARSERS:
        _PARSERS[PayloadType(envelope.payload_type)](envelope.payload)
    else:
        raise Refused(f"a {envelope.payload_type[:80]!r} is not signed here")


def _envelope(fields: StrictJson) -> Envelope:
    """Read an envelope, which may have no signature yet."""
    if not isinstance(fields, dict) or fields.get("signatures") != []:
        return Envelope.from_json(fields)
    # One that is there makes it an envelope like any other, and is taken out again.
    placeholder: StrictJson = [{"keyid": "0" * 64, "sig": encode_base64(bytes(64))}]
    read = Envelope.from_json({**fields, "signatures": placeholder})
    return Envelope(read.payload_type, read.payload, ())
