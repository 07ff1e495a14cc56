"""Ed25519 keys, loaded strictly.

OpenSSL, and so `cryptography`, accepts public keys of small order: with the identity point as the key, one constant signature
"verifies" for every message. A key is therefore loaded only if its y is canonical (below p) and it is none of the eight points of
the torsion subgroup. A key's id is the hash of the key, computed here and never believed, so one key cannot stand under two ids.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, NoReturn, Protocol

from typing_extensions import override

from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

__all__ = ["PrivateKey", "PublicKey", "Signer"]

KEY_BYTES = 32
SIGNATURE_BYTES = 64

_P = 2**255 - 19
_SIGN_BIT = 1 << 255

# The y coordinates of the points P with 8P = 0: order 4, 1, 2, and the two of order 8. tests/attacks derives all eight points by
# curve arithmetic and compares. The sign of x is masked off before looking here, which covers every encoding of each point.
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _ORDER_8_Y, _P - _ORDER_8_Y})


class PublicKey:
    """A public key that passed the strict checks. Equal keys are equal whatever they were called."""

    __slots__ = ("_key", "key_id", "raw")

    key_id: str
    raw: bytes

    def __init__(self, raw: bytes) -> None:
        """Load a key from its 32 bytes.

        Raises:
            Refused: for another length, a y that is not below p, and the points of small order.
        """
        if len(raw) != KEY_BYTES:
            raise Refused(f"an Ed25519 public key has {KEY_BYTES} bytes; this one has {len(raw)}")
        y = int.from_bytes(raw, "little") & ~_SIGN_BIT
        if y >= _P:
            raise Refused("the public key's encoding is not canonical")
        if y in _SMALL_ORDER_Y:
            raise Refused("the public key is a point of small order: anybody can sign for it")
        self.raw = bytes(raw)
        self.key_id = hashlib.sha256(self.raw).hexdigest()
        self._key: Ed25519PublicKey | None = None

    def verify(self, signature: bytes, message: bytes) -> bool:
        """Whether the signature is this key's over exactly these bytes."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  heavy; only who signs or verifies pays for it

        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            if self._key is None:
                from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415  heavy; only who signs or verifies pays for it

                self._key = Ed25519PublicKey.from_public_bytes(self.raw)
            self._key.verify(signature, message)
        except (InvalidSignature, ValueError):  # ValueError: bytes that are no point of the curve
            return False
        return True

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and self.raw == other.raw

    @override
    def __hash__(self) -> int:
        return hash(self.raw)

    @override
    def __repr__(self) -> str:
        return f"PublicKey({getattr(self, 'key_id', 'refused')[:12]})"  # what shows locals of a traceback meets half-made ones


class Signer(Protocol):
    """Who signs: a key file, or a key that never leaves a cloud KMS, Vault transit or a PKCS#11 token."""

    @property
    def public_key(self) -> PublicKey:
        """The key that its signatures verify under."""

    def sign(self, message: bytes) -> bytes:
        """Sign exactly these bytes with Ed25519 (not the pre-hashed variant), and return 64 bytes."""


class PrivateKey:
    """An Ed25519 private key in memory; a Signer. It does not show, copy or pickle."""

    __slots__ = ("_key", "public_key")

    public_key: PublicKey

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self.public_key = PublicKey(key.public_key().public_bytes_raw())

    @classmethod
    def generate(cls) -> PrivateKey:
        """Make a new key from the operating system's randomness."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  heavy; only who signs or verifies pays for it

        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> PrivateKey:
        """Make the key of a 32-byte seed.

        Raises:
            Refused: for another length.
        """
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  heavy; only who signs or verifies pays for it

        if len(seed) != KEY_BYTES:
            raise Refused(f"a seed has {KEY_BYTES} bytes; this one has {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    @classmethod
    def from_pem(cls, data: bytes, passphrase: bytes | None = None) -> PrivateKey:
        """Load a key from a PKCS#8 PEM file's bytes.

        Raises:
            Refused: for other formats and algorithms, a wrong passphrase, a missing one, and one that is not needed.
        """
        from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415  heavy; only who signs or verifies pays for it
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415  heavy; only who signs or verifies pays for it
        from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415  heavy; only who signs or verifies pays for it

        try:
            key = load_pem_private_key(data, passphrase)
        except TypeError:
            why = "needs a passphrase" if passphrase is None else "is not encrypted; pass no passphrase"
            raise Refused(f"the key file {why}") from None
        except (ValueError, UnsupportedAlgorithm):
            raise Refused("the key file is not a PKCS#8 PEM key, or the passphrase is wrong") from None
        if not isinstance(key, Ed25519PrivateKey):
            raise Refused("the key file holds a key of another algorithm; Ed25519 is needed")
        return cls(key)

    def to_pem(self, passphrase: bytes | None) -> bytes:
        """Write the key as PKCS#8 PEM, encrypted under the passphrase.

        Args:
            passphrase: None writes it in the clear: only for a file of mode 0600 that is protected otherwise.

        Raises:
            Refused: for an empty passphrase, which would look like protection and be none.
        """
        from cryptography.hazmat.primitives import serialization as form  # noqa: PLC0415  heavy; only who signs or verifies pays for it

        if passphrase is not None and not passphrase:
            raise Refused("the passphrase is empty")
        encryption = form.NoEncryption() if passphrase is None else form.BestAvailableEncryption(passphrase)
        return self._key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, encryption)

    def sign(self, message: bytes) -> bytes:
        """Sign exactly these bytes."""
        return self._key.sign(message)

    @override
    def __repr__(self) -> str:
        return f"PrivateKey({self.public_key.key_id[:12]})"

    def _refuse(self, *_: object) -> NoReturn:
        msg = "a PrivateKey cannot be copied or pickled"
        raise TypeError(msg)

    __copy__ = __deepcopy__ = __reduce__ = __reduce_ex__ = __getstate__ = _refuse
