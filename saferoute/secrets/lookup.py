"""The opened places that hold secrets, looked through in order (`Sources`), and what a store of keys does.

The rules:

- Only what the caller listed is looked at, in the listed order; `None` is the keyring, or the default vault on a machine without one.
- A store that is there and locked raises. It is never passed over: the next place may hold another key of the same name.
- A store that this machine does not have at all (no keyring service, no vault file) counts as empty, so that
  `secrets=["keyring", "env"]` serves a laptop and a container; why it was missing stands in the error if nothing else is found.
- A name is only ever a name. Nothing in a name or a key is taken for a reference to a variable, a file or a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from typing_extensions import override

from saferoute.errors import SecretError, SecretNotFound
from saferoute.secrets.advice import advice, either, variables_read
from saferoute.secrets.secret import SecretRecord, SecretSource, Uncopied, check_name
from saferoute.secrets.sources import DefaultPlace, EnvironmentPlace, KeyringPlace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from saferoute.secrets.sources import CatalogueEnv, Place

__all__ = ["AbsentSource", "MemorySource", "SecretStore", "Sources", "StoreAbsent", "StoredKey"]


class StoreAbsent(SecretError):  # noqa: N818  named for what happened, as the public errors are
    """This machine does not have the store. Among several sources it counts as empty; asked for alone, it is the error."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of a stored key, without the key.

    Attributes:
        name: what the routing table calls it.
        origins: where it may be sent.
        revision: counts up with each rotation.
        store: "keyring" or "vault".
        overlap_until: seconds since the epoch at which the revision before stops being presented; None if none is kept.
    """

    name: str
    origins: tuple[str, ...]
    revision: int
    store: str
    overlap_until: int | None = None

    @override
    def __repr__(self) -> str:
        return f"StoredKey({self.name} -> {', '.join(self.origins)}, revision {self.revision}, {self.store})"


class SecretStore(SecretSource, Protocol):
    """A source that can be written."""

    def add(self, record: SecretRecord) -> StoredKey:
        """Store a new record.

        Raises:
            SecretError: there is one of that name, or the store cannot be written; SecretStoreLocked if it does not open.
        """

    def rotate(self, record: SecretRecord, *, until: int | None = None) -> StoredKey:
        """Put a new secret in the place of the one of the same name; origins stay, the revision counts up.

        Args:
            record: the new secret.
            until: seconds since the epoch up to which the old one is kept beside it; None drops the old one now.

        Raises:
            SecretNotFound: there is none of that name.
            SecretError: as in `add`.
        """

    def remove(self, name: str) -> StoredKey:
        """Take a record out.

        Raises:
            SecretNotFound: there is none of that name.
            SecretError: as in `add`.
        """

    def holds(self, name: str) -> bool:
        """Whether there is anything of this name, even if it cannot be used; without opening what is locked, where that can be told.

        Raises:
            SecretError: as in `add`.
        """

    def stored(self) -> tuple[StoredKey, ...]:
        """What is stored, without the keys.

        Raises:
            SecretError: as in `add`.
        """


class AbsentSource:
    """In the place of a store that cannot be on this machine at all."""

    __slots__ = ("_reason", "label")

    def __init__(self, label: str, reason: str) -> None:
        self.label = label
        self._reason = reason

    def find(self, name: str) -> SecretRecord | None:  # noqa: ARG002  the protocol's argument
        """Say why there is none.

        Raises:
            StoreAbsent: always.
        """
        raise StoreAbsent(self._reason)

    def names(self) -> tuple[str, ...]:
        """None."""
        return ()

    def forget(self, name: str) -> None:
        """Nothing is remembered."""

    def why_absent(self, _: str) -> str:
        """Why, for the words of an error."""
        return self._reason


class MemorySource(Uncopied):
    """Secrets in memory. `broken` has, for names whose value is there and is no key, what is wrong with it."""

    __slots__ = ("_broken", "_records", "label")

    def __init__(self, records: Iterable[SecretRecord], *, label: str = "memory", broken: Mapping[str, str] | None = None) -> None:
        self._records = {record.name: record for record in records}
        self._broken = dict(broken or {})
        self.label = label

    def find(self, name: str) -> SecretRecord | None:
        """The record of this name.

        Raises:
            SecretError: its value was there and is no key.
        """
        if name in self._broken:
            raise SecretError(self._broken[name])
        return self._records.get(name)

    def names(self) -> tuple[str, ...]:
        """The names held."""
        return tuple(self._records)

    def forget(self, name: str) -> None:
        """Nothing: memory is all there is."""


class Sources:
    """Opened places, looked through in order."""

    __slots__ = ("_catalogue", "_places", "_present", "_sources", "_vault_with", "notes")

    def __init__(
        self,
        sources: Sequence[SecretSource],
        *,
        places: Sequence[Place] = (),
        catalogue: CatalogueEnv | None = None,
        present: Callable[[Sequence[str]], tuple[str, ...]] = lambda _: (),
        vault_with: Callable[[Sequence[str]], str] = lambda _: "",
        notes: Sequence[str] = (),
    ) -> None:
        """Put sources in order.

        Args:
            sources: the places, opened.
            places: what each was opened from, for the words of an error.
            catalogue: what the catalogue knows, for the words of an error.
            present: tells which of these environment variables are set, never their values; for the words of an error.
            vault_with: what the default vault is called if it lists one of these names, else ""; for the words of an error, and asked
                only where the keyring was tried.
            notes: sentences for reports and warnings.
        """
        self._sources = tuple(sources)
        self._places = tuple(places)
        self._vault_with = vault_with
        self._catalogue = dict(catalogue or {})
        self._present = present
        self.notes = tuple(notes)

    @override
    def __repr__(self) -> str:
        return f"Sources({', '.join(self.labels)})"

    @property
    def labels(self) -> tuple[str, ...]:
        """What each place is called, in order."""
        return tuple(source.label for source in self._sources)

    def find(self, name: str) -> SecretRecord | None:
        """Look a secret up in every place, in order; the first that holds it answers.

        Raises:
            ConfigurationError: that is not a name.
            SecretError: a place is there and does not open (SecretStoreLocked), is damaged, or holds something that is no key.
        """
        check_name(name)
        for source in self._sources:
            try:
                record = source.find(name)
            except StoreAbsent:
                continue
            if record is not None:
                return record
        return None

    def first_of(self, names: Iterable[str]) -> str | None:
        """The first of these names that some place holds. A prompt is asked for one name after the other.

        Raises:
            SecretError: as in `find`.
        """
        return next((name for name in names if self.find(name) is not None), None)

    def holding(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which of these names some place holds, in the given order.

        A place that can tell without reading keys out is asked once for all of them: a keyring answers slowly, and once for each name.
        What it lists it need not be able to give; the call that needs the key finds out.

        Raises:
            SecretError: as in `find`.
        """
        wanted = tuple(names)
        held: set[str] = set()
        for source in self._sources:
            left = [name for name in wanted if name not in held]
            try:
                held |= self._held_by(source, left)
            except StoreAbsent:
                continue
        return tuple(name for name in wanted if name in held)

    @staticmethod
    def _held_by(source: SecretSource, names: Sequence[str]) -> set[str]:
        holding: Callable[[Sequence[str]], Iterable[str]] | None = getattr(source, "holding", None)
        if holding is not None:
            return set(holding(names)) & set(names)
        return {name for name in names if source.find(name) is not None}

    def forget(self, name: str) -> None:
        """Let every place drop what it remembers of a name."""
        for source in self._sources:
            source.forget(name)

    def missing(self, *names: str, origin: str | None = None, signs: bool = False) -> SecretNotFound:
        """Make the error for secrets that no place holds: what was looked at, and what to do on this machine.

        Args:
            names: the secret, or several of which one would do.
            origin: where the secret would have gone; None if `Client.local` was looking for any key to make a table for.
            signs: it would have signed requests to AWS.
        """
        facts = [f"No key for {either(names)} in {either(self.labels) if self._sources else 'any place, as none was given'}."]
        reasons = [self._why_absent(source, names[0]) for source in self._sources]
        facts += filter(None, reasons)
        facts += self._is_set(names)
        facts += self._in_the_vault(names, origin)
        looked = zip(self._places, reasons, strict=False)
        tried = [place for place, reason in looked if not (reason and isinstance(place, KeyringPlace))]
        return SecretNotFound(f"{' '.join(facts)} {advice(names, tried, self._catalogue, origin, signs=signs)}")

    @staticmethod
    def _why_absent(source: SecretSource, name: str) -> str:
        why: Callable[[str], str] | None = getattr(source, "why_absent", None)
        return "" if why is None else why(name)

    def _is_set(self, names: Sequence[str]) -> list[str]:
        read = variables_read(names, self._places, self._catalogue)
        variables = [variable for name in names for variable in self._catalogue.get(name, ((), ""))[0] if variable not in read]
        found = self._present(variables)
        if not found:
            return []
        if any(isinstance(place, EnvironmentPlace) for place in self._places):
            return [f"{found[0]} is set here, but secrets= names other variables."]
        return [f"{found[0]} is set here, but saferoute reads no environment unless told."]

    def _in_the_vault(self, names: Sequence[str], origin: str | None) -> list[str]:
        if not any(isinstance(place, DefaultPlace | KeyringPlace) for place in self._places):
            return []
        vault = self._vault_with(names)
        spelled = 'Client.local(secrets="vault")' if origin is None else 'secrets="vault"'
        return [f"{vault[:1].upper()}{vault[1:]} has one: {spelled} uses it."] if vault else []
