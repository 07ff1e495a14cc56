"""Content capture: what was asked, sent and answered, encrypted, for the routes that are named. Off unless a ledger is given one.

A key of its own encrypts it, which is neither the log secret nor a signing key: who deletes that key erases what it encrypted, and the
ledger stays whole, for it commits to what is no longer readable.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from saferoute.drivers.ledger_secrets import LedgerKey, given_key, key_bytes, load_key
from saferoute.errors import ConfigurationError, LedgerError
from saferoute.ledger.content import NONCE_BYTES, decrypt, encrypt
from saferoute.secrets.secret import Uncopied
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Capture"]


class Capture(Uncopied):
    """What is captured, and under which key.

    `Capture(["support"], key=pathlib.Path("/secure/capture.key"))`. The file is made, with mode 600, when it is not there.
    """

    __slots__ = ("_key", "_place", "routes")

    routes: frozenset[str]

    def __init__(self, routes: Iterable[str], key: bytes | os.PathLike[str]) -> None:
        """Say what is captured.

        Args:
            routes: the names that callers ask for, each written out.
            key: 32 random bytes, or the path of a private file that holds them in hex.

        Raises:
            ConfigurationError: no route, or something that is no key. It is not shown.
        """
        place = _place(key)
        del key
        names = frozenset(() if isinstance(routes, str) else routes)
        if not names or not all(isinstance(name, str) and name and name != "*" for name in names):
            raise ConfigurationError('Capture(routes, key) takes routes one by one, such as ["support"]; nothing stands for all of them')
        if isinstance(place, ConfigurationError):
            raise place
        self.routes = names
        self._place = place
        self._key: LedgerKey | None = None

    @override
    def __repr__(self) -> str:
        return f"Capture({sorted(self.routes)})"

    def sealed(self, ref: str, field: str, content: bytes) -> dict[str, Any]:
        """Encrypt one content.

        Args:
            ref: the record that commits to it, "SEGMENT:NUMBER".
            field: which of its commitments.
            content: what it is.

        Returns:
            The fields of a record of the kind "content".

        Raises:
            SecretError: the key's file is not private, or holds something else.
            OSError: it cannot be read or made.
        """
        return encrypt(key_bytes(self._opened()), os.urandom(NONCE_BYTES), ref, field, content)

    def opened(self, record: Mapping[str, Any]) -> bytes:
        """Decrypt a record of the kind "content".

        Raises:
            LedgerError: another key encrypted it, or it was altered or moved.
            SecretError: the key's file is not private, or holds something else.
            OSError: it cannot be read.
        """
        problem = ""
        try:
            return decrypt(key_bytes(self._opened()), record)
        except (Refused, KeyError) as error:
            problem = str(error) if isinstance(error, Refused) else "it is no record of a content"
        raise LedgerError(f"the captured content cannot be opened: {problem}")

    def _opened(self) -> LedgerKey:
        if self._key is None:
            self._key = load_key(self._place, None)
        return self._key


def _place(key: object) -> Path | LedgerKey | ConfigurationError:
    if isinstance(key, os.PathLike):
        return Path(key).absolute()
    if isinstance(key, (bytes, bytearray)):
        return given_key(bytes(key), "a capture's key", exactly=True)
    return ConfigurationError("a capture's key is 32 random bytes, or a pathlib.Path of a file of mode 600")
