"""Ledgers as a process writes them, from entries with their times; every id and key comes from a name, so that files stay the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.ledger.segment import SegmentWriter
from saferoute.signing.keys import PrivateKey
from saferoute.values.receipt import Entry
from tests.support.ledger_story import BEGIN, digest

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Iterable

    from saferoute.ledger.segment import Link
    from saferoute.signing.envelope import Envelope

__all__ = ["SECRET", "Process", "file_name", "key_of"]

SECRET = bytes.fromhex(digest("log secret"))


def key_of(name: str) -> PrivateKey:
    return PrivateKey.from_seed(bytes.fromhex(digest(f"key of {name}")))


def file_name(segment: str, now_us: int) -> str:
    from datetime import UTC, datetime

    return f"{datetime.fromtimestamp(now_us / 1e6, UTC):%Y%m%dT%H%M%S.%f}Z-{segment}.ledger.jsonl"


class Process:
    """One process that writes segments into a directory."""

    def __init__(
        self, directory: pathlib.Path, name: str, now_us: int = BEGIN, certificate: Envelope | None = None, every: int = 64
    ) -> None:
        self._directory, self._name, self._certificate, self._every = directory, name, certificate, every
        self._number = 0
        self._receipts: dict[tuple[str, int], str] = {}
        self._previous: Link | None = None
        self.notes: list[str] = []
        self.begin(now_us)

    def begin(self, now_us: int) -> None:
        self._number += 1
        self.segment = digest(f"{self._name} {self._number}")[:32]
        self.now = now_us
        self._writer = SegmentWriter(
            self.segment, digest(self._name)[:32], key_of(self._name), secret=SECRET, certificate=self._certificate,
            previous=self._previous, now_us=now_us,
        )  # fmt: skip
        self.path = self._directory / file_name(self.segment, now_us)
        self._lines = [self._writer.first()]

    def write(self, entries: Iterable[tuple[int, Entry]]) -> Process:
        for now, entry in entries:
            self.add(entry, now)
        return self

    def add(self, entry: Entry, now: int) -> str:
        fields: dict[str, Any] = dict(entry.fields)
        if entry.kind == "outcome" and fields["intent"] is None:
            fields["intent"] = self._receipts.pop((fields["call"], fields["attempt"]), None)
        self.now = now
        written = self._writer.add(Entry(entry.kind, fields, entry.contents, entry.system, entry.route), now)
        if entry.kind == "intent":
            self._receipts[fields["call"], fields["attempt"]] = written.id
        self._lines.append(written.line)
        if self._writer.unsigned >= self._every:
            self.checkpoint()
        return written.id

    def checkpoint(self, *, final: bool = False) -> None:
        line, note = self._writer.checkpoint(self.now, final=final)
        self._lines.append(line)
        self.notes.append(note)

    def close(self) -> pathlib.Path:
        """End the segment as a process that ends well does, and begin the next one where it is asked for."""
        self.checkpoint(final=True)
        return self.save()

    def save(self, torn: bytes = b"") -> pathlib.Path:
        """Leave the segment as a process that was killed does."""
        self._previous = self._writer.link()
        self._directory.mkdir(exist_ok=True)
        self.path.write_bytes(b"".join(self._lines) + torn)
        self.path.chmod(0o600)
        return self.path
