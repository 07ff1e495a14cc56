"""Files that the commands write, and the private keys among them."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from saferoute.drivers.prompt import ask_hidden, somebody_is_there
from saferoute.drivers.storage.private_file import read_private
from saferoute.errors import ConfigurationError
from saferoute.signing.keys import PrivateKey
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "KEY_FOLDER",
    "ROOT_KEY",
    "STATUS_KEY",
    "TABLE_KEY",
    "NewFile",
    "create_all",
    "new_passphrase",
    "read_key",
    "refuse_existing",
    "replace",
]

KEY_FOLDER: Final = "saferoute-keys"
ROOT_KEY: Final = f"{KEY_FOLDER}/root.key.pem"
TABLE_KEY: Final = f"{KEY_FOLDER}/table.key.pem"
STATUS_KEY: Final = f"{KEY_FOLDER}/status.key.pem"

_MAX_KEY_FILE: Final = 16_384
_MAX_PASSPHRASE_FILE: Final = 4_096
_SHORTEST: Final = 8
_ENCRYPTED: Final = b"-----BEGIN ENCRYPTED PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be made; a private one for its owner only."""

    path: Path
    data: bytes
    private: bool = False


def create_all(files: Sequence[NewFile]) -> None:
    """Write files that are not there yet: all of them, or none.

    Raises:
        ConfigurationError: one is there already, or cannot be written; then nothing is left behind.
    """
    refuse_existing([file.path for file in files])
    made: list[Path] = []
    try:
        for file in files:
            _make_folder(file.path.parent, 0o700 if file.private else 0o777, made)
            _create(file, made)
    except OSError as error:
        _take_back(made)
        raise ConfigurationError(f"{error.filename or made[-1]} cannot be written: {error.strerror}; nothing was kept") from None
    except BaseException:
        _take_back(made)
        raise


def refuse_existing(paths: Sequence[Path]) -> None:
    """Refuse to go on where a file would be overwritten.

    Raises:
        ConfigurationError: one is there already.
    """
    there = [str(path) for path in paths if os.path.lexists(path)]
    if there:
        are, them = ("exists", "it") if len(there) == 1 else ("exist", "them")
        names = " and ".join(filter(None, [", ".join(there[:-1]), there[-1]]))
        raise ConfigurationError(f"nothing was written, because {names} {are} already; choose another folder, or move {them} away")


def _make_folder(folder: Path, mode: int, made: list[Path]) -> None:
    for one in [one for one in (folder, *folder.parents) if not one.exists()][::-1]:
        one.mkdir(mode=mode)
        made.append(one)


def _create(file: NewFile, made: list[Path]) -> None:
    # O_EXCL: a file, or a link, that has come to be since we looked is not written through.
    handle = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600 if file.private else 0o666)
    made.append(file.path)  # from here on it is ours to take back
    with os.fdopen(handle, "wb") as opened:
        opened.write(file.data)


def _take_back(made: Sequence[Path]) -> None:
    for path in reversed(made):
        with contextlib.suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def replace(path: Path, data: bytes) -> None:
    """Write a file in one step: whoever reads it sees the old content or the new, whole. A link is followed; permissions stay.

    Raises:
        ConfigurationError: it cannot be written; the old file is as it was.
    """
    real = path.resolve()
    new = real.with_name(f".{real.name}.{secrets.token_hex(8)}.new")
    try:
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            if real.exists():
                shutil.copymode(real, new)
            new.replace(real)
        except BaseException:
            with contextlib.suppress(OSError):
                new.unlink()
            raise
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or type(error).__name__}; it is as it was") from None


def new_passphrase(passphrase_file: str | None) -> bytes:
    """The passphrase for keys that are being made: out of a file, or asked for twice.

    Raises:
        ConfigurationError: nobody can be asked, nothing was typed, or the two differ, or it is short.
        SecretError: the terminal cannot turn its echo off.
    """
    if passphrase_file is not None:
        return _long_enough(_from_file(passphrase_file))
    if not somebody_is_there():
        raise ConfigurationError(
            "the private keys are written encrypted, and there is no terminal to ask for a passphrase: pass --passphrase-file FILE "
            "(a file that only you can read), or --unsafe-plaintext-keys where the folder is protected otherwise"
        )
    first = ask_hidden("Passphrase for the new signing keys: ")
    if not first:
        raise ConfigurationError("the passphrase is empty; nothing was written")
    if ask_hidden("The same passphrase again: ") != first:
        raise ConfigurationError("the two passphrases differ; nothing was written")
    return _long_enough(_as_bytes(first))


def _long_enough(passphrase: bytes) -> bytes:
    if len(passphrase) < _SHORTEST:
        raise ConfigurationError(f"new keys need a passphrase of at least {_SHORTEST} characters; several words are better")
    return passphrase


def read_key(path: Path, passphrase_file: str | None) -> PrivateKey:
    """Read a private key; an encrypted one with the passphrase out of a file, or asked for.

    Raises:
        ConfigurationError: there is none, others may read it, it is no such key, or the passphrase is missing or wrong.
        SecretError: the terminal cannot turn its echo off.
    """
    data = _private(path, _MAX_KEY_FILE)
    passphrase = None
    if data.lstrip().startswith(_ENCRYPTED):
        passphrase = _from_file(passphrase_file) if passphrase_file is not None else _asked(path)
    try:
        return PrivateKey.from_pem(data, passphrase)
    except Refused as refusal:
        raise ConfigurationError(f"{path}: {refusal}") from None


def _asked(path: Path) -> bytes:
    if not somebody_is_there():
        raise ConfigurationError(f"{path} is encrypted, and there is no terminal to ask for its passphrase: pass --passphrase-file FILE")
    typed = ask_hidden(f"Passphrase for {path}: ")
    if not typed:
        raise ConfigurationError(f"{path} is encrypted, and no passphrase was given")
    return _as_bytes(typed)


def _from_file(path: str) -> bytes:
    passphrase = _private(Path(path), _MAX_PASSPHRASE_FILE).removesuffix(b"\n").removesuffix(b"\r")
    if not passphrase:
        raise ConfigurationError(f"{path} holds no passphrase")
    return passphrase


def _as_bytes(typed: str) -> bytes:
    # Normalised, so that another keyboard types the same bytes.
    return unicodedata.normalize("NFC", typed).encode("utf-8", "surrogatepass")


def _private(path: Path, max_bytes: int) -> bytes:
    try:
        data = read_private(path, max_bytes=max_bytes)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be used: {error.strerror or error}") from None
    if data is None:
        raise ConfigurationError(f"there is no file {path}")
    return data
