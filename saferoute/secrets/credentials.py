"""What a transport asks: the ready credential header for one origin, found once and remembered."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from typing_extensions import override

from saferoute.secrets.secret import Uncopied, credential_header

if TYPE_CHECKING:
    from saferoute.secrets.lookup import Sources
    from saferoute.values.http import AuthScheme

__all__ = ["Credentials"]


class Credentials(Uncopied):
    """Headers out of sources. A keyring or vault is asked once for each (name, scheme, origin), not once a call.

    Safe in threads: a header that is ready is read without a lock; those that are not are looked up one after the other.
    """

    __slots__ = ("_lock", "_ready", "_sources")

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._ready: dict[tuple[str, AuthScheme, str], tuple[bytes, bytes]] = {}
        self._lock = threading.Lock()

    @override
    def __repr__(self) -> str:
        return f"Credentials({', '.join(self._sources.labels)})"

    def cached(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes] | None:
        """The header if it is ready; never waits. An async driver asks this first, and `header` in a thread."""
        return self._ready.get((name, auth, origin))

    def header(self, name: str, auth: AuthScheme, origin: str) -> tuple[bytes, bytes]:
        """The credential's header for exactly this origin; the first time it may wait for a keyring, a derivation or a person.

        Raises:
            SecretNotFound: no source holds it.
            OriginMismatch: it is not bound to this origin.
            SecretError: a source does not open (SecretStoreLocked) or is damaged.
            ConfigurationError: that is no name, or the scheme presents no secret.
        """
        wanted = (name, auth, origin)
        ready = self._ready.get(wanted)
        if ready is not None:
            return ready
        # The lock is held over the whole look-up: `forget` then cannot run between reading the old key and remembering it.
        with self._lock:
            ready = self._ready.get(wanted)
            if ready is None:
                record = self._sources.find(name)
                if record is None:
                    raise self._sources.missing(name, origin=origin)
                ready = self._ready[wanted] = credential_header(record, auth, origin)
        return ready

    def after_fork(self) -> None:
        """In a forked child: a lock that another thread of the parent held would never be released here."""
        self._lock = threading.Lock()

    def forget(self, name: str) -> None:
        """Drop what is remembered of a secret, after it was rotated or refused; the next call looks again."""
        with self._lock:
            for wanted in [wanted for wanted in self._ready if wanted[0] == name]:
                del self._ready[wanted]
            self._sources.forget(name)
