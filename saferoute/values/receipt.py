"""Receipts: what the ledger holds of one attempt or refusal, and what its caller can prove with it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol, TypeAlias

from typing_extensions import override

from saferoute.values.json import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Entry", "LedgerWriter", "Receipt", "RecordKind"]

RecordKind: TypeAlias = Literal["intent", "outcome", "denial"]
"""What a call writes: before a request leaves, after it ended, and for what was refused before."""

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class Entry(NamedTuple):
    """What a call has to say, before a ledger makes a record of it.

    Attributes:
        kind: what it is about.
        fields: the record's fields, as the ledger's format has them; no content.
        contents: what commitments are made over, by name: "asked", "request", "response". They do not go in.
        system: the system prompt as it is sent; None for none. A commitment and a keyed fingerprint go in.
        route: the name that was asked for, for what is captured by route.
        common: more fields, which other calls have too. One object for all of them, so that a ledger writes them once; it never changes.
    """

    kind: RecordKind
    fields: Mapping[str, Any]
    contents: Mapping[str, bytes] = _NOTHING
    system: str | None = None
    route: str = ""
    common: Mapping[str, Any] = _NOTHING

    @property
    def said(self) -> dict[str, Any]:
        """All of the fields."""
        return {**self.common, **self.fields}

    @override
    def __repr__(self) -> str:
        return f"Entry({self.kind!r})"


@dataclass(frozen=True, slots=True)
class Receipt:
    """One record of the ledger, as its caller has it. It shows no content; its opening proves the one that the caller has, and no other.

    Attributes:
        id: "SEGMENT:NUMBER", what `saferoute audit explain` takes.
    """

    id: str
    _record: Mapping[str, Any] | bytes
    _salts: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    @property
    def record(self) -> Mapping[str, Any]:
        """The record's fields: read from its line when somebody asks, which few do for each of many calls."""
        return decode(self._record) if isinstance(self._record, bytes) else self._record

    def opening(self) -> dict[str, str]:
        """The salts of this record's commitments in hex, by name: each proves one content, and opens no other record."""
        return {name: salt.hex() for name, salt in self._salts.items()}

    def without_opening(self) -> Receipt:
        """The same receipt, which proves no content: for what goes where the content must not be guessed. A pickled error has this one."""
        return Receipt(self.id, self._record)

    @override
    def __repr__(self) -> str:
        return f"Receipt({self.id!r}, {self.record.get('kind')!r})"


class LedgerWriter(Protocol):
    """Where a client's records go."""

    @property
    def waits(self) -> bool:
        """Whether `append` waits for a disk."""

    @property
    def due(self) -> bool:
        """Whether a checkpoint should be made."""

    def append(self, entry: Entry) -> Receipt | None:
        """Write a record.

        Returns:
            Its receipt; None if it could not be written, and calls go on without.

        Raises:
            LedgerError: it could not be written, and calls stop then.
        """

    def checkpoint(self) -> None:
        """Sign what has been written, and wait until a disk has it."""
