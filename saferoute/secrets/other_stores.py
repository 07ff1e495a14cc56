"""The protocol for stores that this package does not know (`ForeignStore`), and the source that stands before one.

A store gives texts; everything that protects a key is done here: only names that the code lists are asked for, where each may go comes
from the code, what was found is remembered until it is refused, and nothing that a store raises carries its frames or its words on.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from typing_extensions import override

from saferoute.errors import ConfigurationError, SaferouteError, SecretError
from saferoute.secrets.minting import bare
from saferoute.secrets.secret import SecretRecord, Uncopied, bound_origins, check_name
from saferoute.secrets.stored_document import record_in

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["ForeignSource", "ForeignStore", "StorePlace", "references", "store_place"]


@runtime_checkable
class ForeignStore(Protocol):
    """A store of your own. Give one to `Secrets.from_store`; its methods may be called from any thread, one at a time.

    Attributes:
        label: what an error calls it, such as "our key service".
    """

    label: str

    def fetch(self, reference: str) -> str | bytes | None:
        """Fetch one secret; may wait, and is called outside of every event loop.

        Args:
            reference: what `Secrets.from_store` was given for the name.

        Returns:
            The key alone or the document {"v": 1, "secret": ..., "origins": [...]}; None if there is no such secret.

        Raises:
            Exception: it cannot be said whether there is one. Its words are not shown, unless it is a SecretError of ours.
        """


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store of the caller's own; `keys` is (name, reference, origins) of each."""

    store: ForeignStore
    keys: tuple[tuple[str, str, tuple[str, ...]], ...]
    label: str

    @override
    def __repr__(self) -> str:
        return f"StorePlace({self.label})"


def references(keys: Mapping[str, tuple[str, str | Sequence[str]]], what: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """Check what was given for keys: for each name a reference, and the origins that the key may go to.

    Args:
        keys: as given.
        what: what a reference is called, such as "path".

    Raises:
        ConfigurationError: a malformed name, reference or origin.
    """
    rows = []
    for name, pair in keys.items():
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004  a pair
            msg = f'write {check_name(name)!r} as a pair of its {what} and the origin, such as ("llm/openai", "https://api.openai.com")'
            del pair
            raise ConfigurationError(msg)
        reference, origins = pair
        if not isinstance(reference, str) or not reference or not reference.isprintable():
            msg = f"the {what} of {check_name(name)!r} is not a printable text"
            raise ConfigurationError(msg)
        rows.append((check_name(name), reference, bound_origins(origins)))
    return tuple(rows)


def store_place(store: ForeignStore, keys: Mapping[str, tuple[str, str | Sequence[str]]]) -> StorePlace:
    """Describe a store.

    Raises:
        ConfigurationError: it is no store, or a malformed name, reference or origin.
    """
    if not isinstance(store, ForeignStore) or not isinstance(store.label, str) or not store.label.isprintable():
        msg = f"Secrets.from_store takes an object with a label and fetch(reference), not {type(store).__name__}"
        raise ConfigurationError(msg)
    return StorePlace(store, references(keys, "reference"), store.label)


class ForeignSource(Uncopied):
    """A foreign store as a source: asked once for each name, and again after `forget`."""

    __slots__ = ("_found", "_keys", "_lock", "_store", "label")

    def __init__(self, store: ForeignStore, keys: Sequence[tuple[str, str, tuple[str, ...]]]) -> None:
        """Take a store; nothing is asked for.

        Args:
            store: the store.
            keys: (name, reference, origins) of each.
        """
        self.label = store.label
        self._store = store
        self._keys = {name: (reference, origins) for name, reference, origins in keys}
        self._found: dict[str, SecretRecord] = {}
        self._lock = threading.Lock()

    def find(self, name: str) -> SecretRecord | None:
        """Ask for a secret, unless it is remembered; None for a name that the code does not list, and if the store has none.

        Raises:
            SecretError: the store fails, or what it holds is no secret for these origins.
        """
        if name not in self._keys:
            return None
        with self._lock:
            found: SecretRecord | SaferouteError | str | None = self._found.get(name)
            if found is None:
                found = self._fetched(name)
            if isinstance(found, SecretRecord):
                self._found[name] = found
        if isinstance(found, SaferouteError):
            try:
                raise found
            finally:
                del found  # no cycle through this frame, which leads to what is remembered
        if isinstance(found, str):
            raise SecretError(f"what {self.label} has for {name!r} cannot be used: {found}")
        return found

    def _fetched(self, name: str) -> SecretRecord | SaferouteError | str | None:
        """Ask the store. Nothing is raised from here: this frame, and the store's, hold the key."""
        reference, origins = self._keys[name]
        try:
            value = self._store.fetch(reference)
        except SecretError as error:
            bare(error)  # the store may keep it, and with it this frame
            return type(error)(error.message)
        except Exception as error:  # noqa: BLE001  foreign code raises what it likes
            bare(error)
            return SecretError(f"{self.label} failed for {name!r} ({type(error).__name__}); whether it has the key is not known")
        if value is None:
            return None
        return record_in(name, value, origins) if isinstance(value, str | bytes) else "it is neither text nor bytes"

    def names(self) -> tuple[str, ...]:
        """The names that the code lists: whether the store has them is not known without asking it."""
        return tuple(self._keys)

    def forget(self, name: str) -> None:
        """Ask again the next time."""
        with self._lock:
            self._found.pop(name, None)

    def why_absent(self, name: str) -> str:
        """Why there is none, for the words of an error."""
        if name in self._keys:
            return f"{self.label} has nothing at {self._keys[name][0]}."
        return f"{self.label} was not asked: the code lists {', '.join(sorted(self._keys)) or 'no name'}."
