"""The log secret, which salts are made of, and the key that captured content is encrypted under: where they are kept.

The log secret is not the signing key: who has it can guess at contents, and can sign nothing. It is made once and shared by all
processes of one ledger; a receipt gives out salts of its own record only.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from saferoute.drivers.keyring_store import KeyringStore
from saferoute.drivers.storage.private_file import exclusive, read_private, replace_private
from saferoute.errors import ConfigurationError, SecretError
from saferoute.secrets.secret import Hidden, Secret, SecretRecord, key_to_store

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

__all__ = ["KEPT_IN", "LedgerKey", "SecretPlace", "checked_place", "find_key", "given_key", "key_bytes", "load_key"]

SecretPlace: TypeAlias = "LedgerKey | Path | Literal['keyring']"
"""The secret itself, the file that holds it, or the keyring."""

KEPT_IN: Final = "ledger.secret"
"""Where the log secret is kept in a ledger's directory, unless another place was named."""

_BYTES: Final = 32
_LONGEST: Final = 1_024
_TEXT: Final = re.compile(rb"[0-9a-f]{64}\n?")
_NAME: Final = "saferoute/ledger"
_NOWHERE: Final = "https://ledger.invalid"  # a key in the keyring is bound to an origin; to this one nothing is ever sent


class LedgerKey(Hidden):
    """32 bytes or more that do not show, copy or pickle. `key_bytes` is the one reader."""

    __slots__ = ()


def key_bytes(key: LedgerKey) -> bytes:
    """The bytes, for who makes salts or encrypts."""
    return key._bytes  # noqa: SLF001  the one reader


def given_key(raw: bytes, what: str, *, exactly: bool = False) -> LedgerKey | ConfigurationError:
    """Take a key that the program has.

    Args:
        raw: the bytes.
        what: what it is, for the error.
        exactly: whether it has to be 32 bytes, and no more.

    Returns:
        The key; or the error, for the caller to raise once its own frame does not hold the bytes any more.
    """
    size = len(raw)
    if size < _BYTES or size > (_BYTES if exactly else _LONGEST):
        least = "" if exactly else "at least "
        return ConfigurationError(f"{what} has {least}{_BYTES} random bytes, such as os.urandom({_BYTES}); this one has {size}")
    return LedgerKey(bytes(raw))


def checked_place(value: object, directory: Path | None) -> SecretPlace | ConfigurationError:
    """Read the argument `secret=`. Nothing is opened.

    Args:
        value: bytes, "keyring", a path, or None for a file in the directory.
        directory: the ledger's; None for one that is not a directory, where None makes a secret of this process.

    Returns:
        The place; or the error, as in `given_key`. The value is not shown: it may be the secret itself.
    """
    if isinstance(value, (bytes, bytearray)):
        return given_key(bytes(value), "a log secret")
    if isinstance(value, str) and value == "keyring":
        return "keyring"
    if isinstance(value, os.PathLike):
        return Path(value).absolute()
    if value is None:
        return LedgerKey(os.urandom(_BYTES)) if directory is None else directory / KEPT_IN
    return ConfigurationError('secret= takes at least 32 random bytes, "keyring", or a pathlib.Path of a file of mode 600')


def load_key(place: SecretPlace, lock: Path | None, store: Callable[[], KeyringStore] = KeyringStore) -> LedgerKey:
    """Read the key, or make it where there is none; of several processes at once, all get the same.

    Args:
        place: where it is.
        lock: a file in whose name processes wait for each other while one is made in the keyring; None for none.
        store: makes the keyring.

    Raises:
        SecretError: the file is not private, or holds something else; the keyring is locked, or there is none.
        OSError: the file cannot be made or read.
    """
    if isinstance(place, LedgerKey):
        return place
    if isinstance(place, Path):
        return _found_or_made(lambda: _from_file(place), lambda: _make_file(place), exclusive(place))
    keyring = store()
    alone = contextlib.nullcontext() if lock is None else exclusive(lock)
    return _found_or_made(lambda: _from_keyring(keyring), lambda: _make_in_keyring(keyring), alone)


def find_key(place: SecretPlace, store: Callable[[], KeyringStore] = KeyringStore) -> LedgerKey | None:
    """Read the key, and make none; None where there is none.

    Args:
        place: where it is.
        store: makes the keyring.

    Raises:
        SecretError: the file is not private, or holds something else; the keyring is locked, or there is none.
        OSError: the file cannot be read.
    """
    if isinstance(place, LedgerKey):
        return place
    return _from_file(place) if isinstance(place, Path) else _from_keyring(store())


def _found_or_made(find: Callable[[], LedgerKey | None], make: Callable[[], None], alone: AbstractContextManager[None]) -> LedgerKey:
    found = find()
    if found is None:
        with alone:
            found = find()
            if found is None:
                make()
                found = find()  # what is kept is what counts
    if found is None:
        raise SecretError("the log secret was removed in the moment in which it was made")
    return found


def _from_file(path: Path) -> LedgerKey | None:
    problem, text = "it is not 64 hexadecimal digits, as saferoute makes them", None
    try:
        text = read_private(path, max_bytes=_LONGEST)
        if text is None:
            return None
    except OSError as error:
        if error.errno is not None:
            raise
        problem = str(error)
    key = None if text is None or _TEXT.fullmatch(text) is None else LedgerKey(bytes.fromhex(text.decode()))
    del text
    if key is None:
        raise SecretError(f"the key in {path} cannot be used: {problem}")
    return key


def _make_file(path: Path) -> None:
    replace_private(path, os.urandom(_BYTES).hex().encode() + b"\n")


def _from_keyring(keyring: KeyringStore) -> LedgerKey | None:
    record = keyring.find(_NAME)
    if record is None:
        return None
    text = key_to_store(record.secret)
    key = None if _TEXT.fullmatch(text) is None else LedgerKey(bytes.fromhex(text.decode()))
    del text
    if key is None:
        raise SecretError(f"the keyring's {_NAME} is not 64 hexadecimal digits, as saferoute makes them: something else stored it")
    return key


def _make_in_keyring(keyring: KeyringStore) -> None:
    keyring.add(SecretRecord(_NAME, Secret(os.urandom(_BYTES).hex()), (_NOWHERE,)))
