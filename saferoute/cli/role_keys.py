"""Keys for roles: private ones that are made here, and public ones of others, as files that OpenSSL writes and reads too."""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from saferoute.cli.key_files import NewFile, read_key
from saferoute.drivers.storage.trust_files import read_bounded
from saferoute.errors import ConfigurationError
from saferoute.signing.keys import PrivateKey, PublicKey
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["Made", "key_files", "make_key", "public_pem", "read_public"]

_MAX_FILE: Final = 16_384
_BEGIN: Final = b"-----BEGIN PUBLIC KEY-----"
_END: Final = b"-----END PUBLIC KEY-----"
_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""What stands before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo (RFC 8410)."""


@dataclass(frozen=True, slots=True)
class Made:
    """A key that was made, and the files that hold it."""

    key: PrivateKey
    files: tuple[NewFile, ...]


def make_key(path: Path, passphrase: bytes | None) -> Made:
    """Make a key; the private file is for its owner only, and the public one beside it is for everybody."""
    key = PrivateKey.generate()
    public = path.with_name(f"{path.name.removesuffix('.pem').removesuffix('.key')}.pub.pem")
    return Made(key, (NewFile(path, key.to_pem(passphrase), private=True), NewFile(public, public_pem(key.public_key))))


def key_files(made: Sequence[Made]) -> list[NewFile]:
    """The files of several keys."""
    return [file for one in made for file in one.files]


def public_pem(key: PublicKey) -> bytes:
    """Write a public key as `openssl pkey -pubout` does."""
    return b"%b\n%b\n%b\n" % (_BEGIN, b64encode(_PREFIX + key.raw), _END)


def read_public(path: Path, passphrase_file: str | None) -> PublicKey:
    """Read a public key, or that of a private key's file.

    Raises:
        ConfigurationError: it is none.
    """
    lines = read_bounded(path, _MAX_FILE).split()
    text = b" ".join(lines)
    if b"PRIVATE KEY" in text:
        return read_key(path, passphrase_file).public_key
    if not (text.startswith(_BEGIN) and text.endswith(_END)):
        raise ConfigurationError(f"{path} is no PEM file of a public key (openssl pkey -pubout, or saferoute root make-key)")
    try:
        data = b64decode(text.removeprefix(_BEGIN).removesuffix(_END).replace(b" ", b""), validate=True)
        if not data.startswith(_PREFIX):
            raise ConfigurationError(f"{path} holds a public key of another algorithm; Ed25519 is needed")
        return PublicKey(data.removeprefix(_PREFIX))
    except (binascii.Error, Refused) as error:
        raise ConfigurationError(f"{path} is no public key: {error}") from None
