"""The encrypted vault file, as bytes in and bytes out.

One strict JSON object: the parameters of the key derivation, a check value, the records, and a MAC over all of it.

    root              = Argon2id(passphrase, salt; iterations, lanes, memory; associated data = the header)
    check, MAC key    = HKDF-SHA256(root; salt = SHA-256(header))
    key, commitment   = HKDF-SHA256(root; salt = the record's own; info = bound)
    ciphertext        = AES-256-GCM(key, 12-byte nonce, the secret; associated data = bound)
    bound             = {name, origins, revision}, and `until` while the overlap of a rotation lasts; then the plain text is the secret,
                        a line feed (which no secret holds), and the secret of the revision before

The rules, and what each is against:

- The derivation's parameters are bounded on both sides before anything is derived (a file must not make us spend gigabytes, and an
  edited file must not make the next write cheap to guess), and they enter every key.
- A wrong passphrase is told from damage: `check` decides the first, the MAC the second.
- The MAC covers the list of records, so that none can be dropped, doubled, or brought back from an older file of the same vault.
  Putting back a whole older file is not noticed: nothing outside the file says how new it should be.
- AES-GCM does not commit to its key, so each record carries 32 derived bytes that do, compared before anything is decrypted.
- Name, origins, revision and `until` are readable without the passphrase, and authenticated: an edited origin is an error, not a new
  home, and an overlap cannot be made longer.

Python cannot wipe its bytes objects. Keys derived here live until they are collected.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Any

from saferoute.errors import SecretError, SecretStoreLocked
from saferoute.secrets.secret import (
    Hidden,
    Passphrase,
    Previous,
    Secret,
    SecretRecord,
    bound_origins,
    check_name,
    key_to_store,
    make_secret,
)
from saferoute.secrets.vault_format import (
    MAX_RECORDS,
    NONCE_BYTES,
    SALT_BYTES,
    TAG,
    Kdf,
    SealedRecord,
    SealedVault,
    body_of,
    check_kdf,
    damaged,
    header_of,
)
from saferoute.signing import strict_json

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["VaultKey", "create", "open_record", "unlock", "verify", "with_record", "without_record"]

_HALF = 32
_SHORTEST_NEW = 8


class VaultKey(Hidden):
    """The root key of one vault, as one header derives it."""

    __slots__ = ("_header",)

    def __init__(self, root: bytes, header: bytes) -> None:
        super().__init__(root)
        self._header = header

    def fits(self, kdf: Kdf, salt: bytes) -> bool:
        """Whether it was derived under this head of a vault; if not, `unlock` the vault again."""
        return self._header == header_of(kdf, salt)


def create(
    passphrase: Passphrase, *, random: Callable[[int], bytes], kdf: Kdf | None = None, unsafe_weak_kdf: bool = False
) -> tuple[SealedVault, VaultKey]:
    """Make an empty vault.

    Args:
        passphrase: at least 8 bytes.
        random: gives that many unpredictable bytes.
        kdf: cost of the derivation.
        unsafe_weak_kdf: for tests: allow a cost that is cheap to guess.

    Raises:
        SecretError: a short passphrase, or a cost out of bounds.
    """
    if len(passphrase._bytes) < _SHORTEST_NEW:  # noqa: SLF001  one of the two readers of a Passphrase
        msg = f"a new vault needs a passphrase of at least {_SHORTEST_NEW} characters; several words are better"
        raise SecretError(msg)
    costs = kdf or Kdf()
    check_kdf(costs, unsafe_weak_kdf=unsafe_weak_kdf)
    salt = random(SALT_BYTES)
    key = _derive(passphrase, costs, salt)
    return _sealed(key, costs, salt, ()), key


def unlock(vault: SealedVault, passphrase: Passphrase) -> VaultKey:
    """Derive a vault's key, and believe the file.

    Raises:
        SecretStoreLocked: the passphrase is not this vault's (or the derivation's parameters were edited: the two look the same).
        SecretError: the passphrase is right and the file was altered; or this Python's OpenSSL has no Argon2id.
    """
    key = _derive(passphrase, vault.kdf, vault.salt)
    check, _ = _check_and_mac_keys(key, vault.header())
    if not hmac.compare_digest(check, vault.check):
        msg = "the passphrase does not open this vault: it is wrong, or the head of the file was altered"
        raise SecretStoreLocked(msg)
    verify(vault, key)
    return key


def verify(vault: SealedVault, key: VaultKey) -> None:
    """Check that the whole file is as the holder of the key wrote it.

    Raises:
        SecretError: if not.
    """
    if not _is_authentic(vault, key):
        raise damaged("its authentication code does not fit")


def _is_authentic(vault: SealedVault, key: VaultKey) -> bool:
    check, mac_key = _check_and_mac_keys(key, vault.header())
    expected = _mac(mac_key, body_of(vault.kdf, vault.salt, vault.check, vault.records))
    return hmac.compare_digest(check, vault.check) and hmac.compare_digest(expected, vault.mac)


def open_record(vault: SealedVault, key: VaultKey, name: str) -> SecretRecord | None:
    """Decrypt one record; None if the vault has none of this name.

    Raises:
        SecretError: the record was altered, or came from elsewhere.
    """
    record = vault.find(name)
    if record is None:
        return None
    opened = _decrypted(record, key)
    if opened is None:
        raise damaged(f"the record {name!r} does not fit its name, origins and revision")
    return SecretRecord(record.name, opened[0], record.origins, record.revision, opened[1])


def _decrypted(record: SealedRecord, key: VaultKey) -> tuple[Secret, Previous | None] | None:
    """The record's secret and the one before, or None. Nothing is raised from here: this frame holds the record's key and content."""
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  heavy: only those who open a vault pay
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    aead_key, commitment = _record_keys(key, record.salt, record.bound())
    if not hmac.compare_digest(commitment, record.commitment):
        return None
    try:
        plain = AESGCM(aead_key).decrypt(record.nonce, record.data, TAG + record.bound())
    except InvalidTag:
        return None
    texts = [plain] if record.until is None else plain.split(b"\n")
    secrets = [secret for secret in map(make_secret, texts) if isinstance(secret, Secret)]
    if len(secrets) != len(texts) or len(texts) != (1 if record.until is None else 2):
        return None
    return secrets[0], None if record.until is None else Previous(secrets[1], record.until)


def with_record(vault: SealedVault, key: VaultKey, record: SecretRecord, *, random: Callable[[int], bytes]) -> SealedVault:
    """Put a record in, in place of the one of the same name.

    Raises:
        SecretError: the vault is full.
        ConfigurationError: the record's name or origins are not what they may be.
    """
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    others = [other for other in vault.records if other.name != record.name]
    if len(others) >= MAX_RECORDS:
        msg = f"the vault is full: it holds {MAX_RECORDS} records"
        raise SecretError(msg)
    name, origins, salt, nonce = check_name(record.name), bound_origins(record.origins), random(SALT_BYTES), random(NONCE_BYTES)
    previous = record.previous
    until = None if previous is None else previous.until
    bound = SealedRecord(name, origins, record.revision, salt, nonce, b"", b"", until).bound()
    aead_key, commitment = _record_keys(key, salt, bound)
    plain = key_to_store(record.secret) + (b"" if previous is None else b"\n" + key_to_store(previous.secret))
    data = AESGCM(aead_key).encrypt(nonce, plain, TAG + bound)
    del plain  # a traceback of what may still be refused below does not hold it
    sealed = SealedRecord(name, origins, record.revision, salt, nonce, commitment, data, until)
    return _sealed(key, vault.kdf, vault.salt, tuple(sorted([*others, sealed], key=lambda one: one.name)))


def without_record(vault: SealedVault, key: VaultKey, name: str) -> SealedVault:
    """Take a record out."""
    return _sealed(key, vault.kdf, vault.salt, tuple(record for record in vault.records if record.name != name))


def _sealed(key: VaultKey, kdf: Kdf, salt: bytes, records: tuple[SealedRecord, ...]) -> SealedVault:
    if not key.fits(kdf, salt):
        raise damaged("it was given the key of another vault")  # sealing under it would lock everybody out
    check, mac_key = _check_and_mac_keys(key, header_of(kdf, salt))
    return SealedVault(kdf, salt, check, records, _mac(mac_key, body_of(kdf, salt, check, records)))


def _derive(passphrase: Passphrase, kdf: Kdf, salt: bytes) -> VaultKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415

    header = header_of(kdf, salt)
    try:
        derivation = Argon2id(salt=salt, length=_HALF, iterations=kdf.iterations, lanes=kdf.lanes, memory_cost=kdf.memory_kib, ad=header)
        return VaultKey(derivation.derive(passphrase._bytes), header)  # noqa: SLF001
    except MemoryError:
        lacking = f"{kdf.memory_kib // 1024} MiB of free memory"
    except UnsupportedAlgorithm:
        lacking = "an OpenSSL with Argon2id (3.2 or newer)"
    raise SecretError(f"the vault cannot be opened on this machine: it needs {lacking}")


def _check_and_mac_keys(key: VaultKey, header: bytes) -> tuple[bytes, bytes]:
    return _halves(key, hashlib.sha256(header).digest(), TAG + b"check and mac")


def _record_keys(key: VaultKey, salt: bytes, bound: bytes) -> tuple[bytes, bytes]:
    return _halves(key, salt, TAG + b"record " + bound)


def _halves(key: VaultKey, salt: bytes, info: bytes) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    both = HKDF(SHA256(), 2 * _HALF, salt, info).derive(key._bytes)  # noqa: SLF001  the one reader of a VaultKey
    return both[:_HALF], both[_HALF:]


def _mac(key: bytes, body: dict[str, Any]) -> bytes:
    return hmac.digest(key, TAG + b"file " + strict_json.canonical(body), "sha256")
