"""The vault on disk: one private file, replaced in one step, under a lock."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from saferoute.drivers.storage.private_file import exclusive, read_private, replace_private
from saferoute.errors import SecretError, SecretNotFound, SecretStoreLocked
from saferoute.secrets import vault
from saferoute.secrets.lookup import StoreAbsent, StoredKey
from saferoute.secrets.secret import Passphrase, Previous, SecretRecord
from saferoute.secrets.vault_format import MAX_VAULT_BYTES, Kdf, SealedRecord, SealedVault, decode, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["VaultStore", "default_vault_path", "passphrase_of_file"]

_MAX_KEY_FILE = 4_096


def default_vault_path() -> Path:
    """`~/.config/saferoute/vault.json`, on every system.

    Raises:
        StoreAbsent: this user has no home directory.
    """
    try:
        home = Path.home()
    except RuntimeError:
        home = Path()
    if home.is_absolute():
        return home / ".config" / "saferoute" / "vault.json"
    msg = "There is no vault: this user has no home directory. Name a file: Secrets.vault(path)."
    raise StoreAbsent(msg)


def passphrase_of_file(path: Path) -> Passphrase:
    """Read a passphrase out of a key file: all of it but one line end.

    Raises:
        SecretStoreLocked: there is none, it is not private, or it holds no passphrase.
    """
    found: Passphrase | str
    try:
        data = read_private(path, max_bytes=_MAX_KEY_FILE)
        found = "there is none" if data is None else Passphrase(data.removesuffix(b"\n").removesuffix(b"\r"))
    except OSError as error:
        found = _reason(error)
    except SecretError as error:
        found = error.message
    if isinstance(found, str):
        data = None
        msg = f"the key file {path} cannot be used: {found}"
        raise SecretStoreLocked(msg)
    return found


class VaultStore:
    """A vault file as a source and a store. The derived key is kept while the store lives, the decrypted secrets are not."""

    __slots__ = ("_kdf", "_key", "_lock", "_passphrase", "_path", "_random", "_weak", "label")

    def __init__(
        self,
        path: Path,
        passphrase: Callable[[bool], Passphrase],
        *,
        random: Callable[[int], bytes] = os.urandom,
        kdf: Kdf | None = None,
        unsafe_weak_kdf: bool = False,
    ) -> None:
        """Describe the store; nothing is opened.

        Args:
            path: the file.
            passphrase: gives the passphrase when it is first needed; told whether the vault is about to be made.
            random: gives that many unpredictable bytes.
            kdf: cost of the derivation for a vault that is made here.
            unsafe_weak_kdf: for tests: allow a derivation that is cheap to guess.
        """
        self.label = f"the vault {path}"
        self._path = path
        self._passphrase = passphrase
        self._random = random
        self._kdf = kdf
        self._weak = unsafe_weak_kdf
        self._key: vault.VaultKey | None = None
        self._lock = threading.RLock()

    def find(self, name: str) -> SecretRecord | None:
        """Decrypt one secret; the first time, the passphrase is asked for and the key derived (about 0.3 s).

        Raises:
            StoreAbsent: there is no vault file.
            SecretStoreLocked: the passphrase is wrong or nobody gives it.
            SecretError: the file is not private, or was altered.
        """
        with self._lock:
            sealed = self._sealed()
            if sealed is None:
                raise StoreAbsent(self._none_here())
            # Names stand in the clear: a vault without this one is not worth a passphrase. If the name was removed behind our back,
            # the owner sees a missing key, which whoever can write the file could bring about anyway.
            return None if sealed.find(name) is None else vault.open_record(sealed, self._unlocked(sealed), name)

    def names(self) -> tuple[str, ...]:
        """The names in the file, not authenticated: no passphrase is needed to tell them."""
        return tuple(key.name for key in self.stored())

    def forget(self, name: str) -> None:
        """Nothing: the file is read anew every time."""

    def why_absent(self, _: str) -> str:
        """Why there is no vault, for the words of an error."""
        return "" if self._path.exists() else f"{self._none_here()}"

    def holds(self, name: str) -> bool:
        """Whether the file has this name; no passphrase is needed to tell.

        Raises:
            SecretError: as in `stored`.
        """
        return name in self.names()

    def stored(self) -> tuple[StoredKey, ...]:
        """What is stored, without the keys. Not authenticated: no passphrase is needed to tell it.

        Raises:
            SecretError: the file is not private, or is no vault.
        """
        sealed = self._sealed()
        return () if sealed is None else tuple(_stored(one) for one in sealed.records)

    def add(self, record: SecretRecord) -> StoredKey:
        """Store a new secret; makes the vault if there is none.

        Raises:
            SecretStoreLocked: the passphrase is wrong or nobody gives it.
            SecretError: there is one of that name; the file is not private, altered, or cannot be written.
        """
        with self._changing() as sealed:
            if sealed is not None and sealed.find(record.name) is not None:
                msg = f'{self.label} has a key for {record.name} already; saferoute.keys.rotate("{record.name}") puts another in its place'
                raise SecretError(msg)
            current, key = (sealed, self._unlocked(sealed)) if sealed is not None else self._made()
            return self._written(vault.with_record(current, key, record, random=self._random), record.name)

    def rotate(self, record: SecretRecord, *, until: int | None = None) -> StoredKey:
        """Put a new secret in the place of the one of the same name; origins stay, the revision counts up.

        Args:
            record: the new secret.
            until: seconds since the epoch up to which the old one is kept beside it; None drops the old one now.

        Raises:
            SecretNotFound: there is none of that name.
            SecretStoreLocked: the passphrase is wrong or nobody gives it.
            SecretError: the file is not private, altered, or cannot be written.
        """
        with self._changing() as sealed:
            current, old = self._existing(sealed, record.name)
            key = self._unlocked(current)
            kept = None if until is None else vault.open_record(current, key, record.name)
            previous = None if until is None or kept is None else Previous(kept.secret, until)
            new = SecretRecord(record.name, record.secret, old.origins, old.revision + 1, previous)
            return self._written(vault.with_record(current, key, new, random=self._random), record.name)

    def remove(self, name: str) -> StoredKey:
        """Take a secret out.

        Raises:
            SecretNotFound: there is none of that name.
            SecretStoreLocked: the passphrase is wrong or nobody gives it.
            SecretError: the file is not private, altered, or cannot be written.
        """
        with self._changing() as sealed:
            current, old = self._existing(sealed, name)
            self._write(vault.without_record(current, self._unlocked(current), name))
            return old

    @contextlib.contextmanager
    def _changing(self) -> Iterator[SealedVault | None]:
        """Hold both locks, thread and process, from reading to writing, so that two writers lose nothing of each other."""
        problem = ""
        with self._lock:
            try:
                with exclusive(self._path):
                    yield self._sealed()
            except OSError as error:
                problem = _reason(error)
        if problem:
            msg = f"{self.label} cannot be written: {problem}; it is as it was"
            raise SecretError(msg)

    def _sealed(self) -> SealedVault | None:
        problem = data = None
        try:
            data = read_private(self._path, max_bytes=MAX_VAULT_BYTES)
        except OSError as error:
            problem = _reason(error)
        if problem is not None:
            msg = f"{self.label} cannot be used: {problem}"
            raise SecretError(msg)
        return None if data is None else decode(data, unsafe_weak_kdf=self._weak)

    def _unlocked(self, sealed: SealedVault) -> vault.VaultKey:
        if self._key is not None and self._key.fits(sealed.kdf, sealed.salt):
            vault.verify(sealed, self._key)
        else:
            self._key = vault.unlock(sealed, self._passphrase(False))  # noqa: FBT003  the protocol is one question: is it new?
        return self._key

    def _made(self) -> tuple[SealedVault, vault.VaultKey]:
        sealed, self._key = vault.create(
            self._passphrase(True),  # noqa: FBT003
            random=self._random,
            kdf=self._kdf,
            unsafe_weak_kdf=self._weak,
        )
        return sealed, self._key

    def _existing(self, sealed: SealedVault | None, name: str) -> tuple[SealedVault, StoredKey]:
        found = None if sealed is None else sealed.find(name)
        if sealed is None or found is None:
            msg = f'{self.label} has no key for {name}; saferoute.keys.add("{name}", store="vault") stores one'
            raise SecretNotFound(msg)
        return sealed, _stored(found)

    def _written(self, sealed: SealedVault, name: str) -> StoredKey:
        self._write(sealed)
        return self._existing(sealed, name)[1]

    def _write(self, sealed: SealedVault) -> None:
        replace_private(self._path, encode(sealed))

    def _none_here(self) -> str:
        return f'There is no vault at {self._path}; saferoute.keys.add(..., store="vault") makes one.'


def _stored(sealed: SealedRecord) -> StoredKey:
    return StoredKey(sealed.name, sealed.origins, sealed.revision, "vault", sealed.until)


def _reason(error: OSError) -> str:
    """The reason without the path, which the caller names."""
    return error.strerror or str(error)
