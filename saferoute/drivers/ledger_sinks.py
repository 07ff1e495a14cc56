"""Where the lines of a ledger go: a directory, this process's memory, or a function such as the one that hands them to OpenTelemetry.

A place begins one stream for each segment. Everything here runs under the ledger's lock, but for `Stream.sync`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

from saferoute.drivers.storage.ledger_directory import LedgerDirectory, SegmentFile, SegmentFiles
from saferoute.errors import LedgerError
from saferoute.values.json import decode

if TYPE_CHECKING:
    from pathlib import Path

    from saferoute.ledger.segment import Link

__all__ = ["DirectoryPlace", "Emit", "FunctionPlace", "MemoryPlace", "Place", "Stream"]

Emit: TypeAlias = Callable[[bytes, Mapping[str, Any]], object]
"""Takes a record: its line without the line feed, and its fields with the id of its segment."""


class Stream(Protocol):
    """A segment that is being written."""

    @property
    def size(self) -> int:
        """How many bytes of whole lines have been written."""

    def write(self, line: bytes) -> None:
        """Write a line, which ends with a line feed."""

    def recover(self) -> bool:
        """Undo what a write that failed has left; whether the next line may follow. If not, the stream is left with `abandon`."""

    def check(self) -> None:
        """Raise if what was written is not there."""

    def sync(self) -> None:
        """Wait until it is kept."""

    def close(self) -> None:
        """End it."""

    def abandon(self) -> None:
        """End it after an error."""

    def disown(self) -> None:
        """Drop what a fork copied, in the child."""


class Place(Protocol):
    """Where segments are kept."""

    @property
    def label(self) -> str:
        """What errors call it."""

    @property
    def waits(self) -> bool:
        """Whether every write may take its time."""

    def prepare(self) -> None:
        """Make it ready, or raise."""

    def begin(self, segment: str, now_us: int) -> Stream:
        """Begin a segment."""

    def earlier(self) -> Iterator[bytes]:
        """The whole lines of the segments that may be continued, the newest first."""

    def expired(self, now_us: int) -> list[str]:
        """Names of the segments that are kept no longer."""

    def read(self) -> Mapping[str, bytes]:
        """What is kept, by the segment's name."""

    def first(self, name: str) -> bytes:
        """A segment's first line, without its line feed; nothing if it has none."""

    def remove(self, name: str) -> None:
        """Delete a segment."""

    def ended(self, link: Link) -> None:
        """Hear how a segment of this process ended."""

    def link(self, name: str) -> Link | None:
        """What was heard of a segment's end; None for nothing."""


class DirectoryPlace:
    """Files in a directory."""

    __slots__ = ("_directory", "_keep_days", "label")

    waits: Final = False

    def __init__(self, path: Path, keep_days: float | None) -> None:
        """Describe it.

        Args:
            path: absolute.
            keep_days: how long segments are kept; None for ever.
        """
        self._directory = LedgerDirectory(path)
        self._keep_days = keep_days
        self.label = f"the ledger in {path}"

    def prepare(self) -> None:
        """Make the directory, or judge the one that is there.

        Raises:
            OSError: it is refused, or cannot be made.
        """
        self._directory.prepare()

    def begin(self, segment: str, now_us: int) -> SegmentFile:
        """Make a file.

        Raises:
            OSError: it cannot be made.
        """
        return self._directory.create(segment, now_us)

    def earlier(self) -> Iterator[bytes]:
        """The whole lines of each segment, the newest first.

        Raises:
            OSError: the directory cannot be read.
        """
        return self._directory.earlier()

    def expired(self, now_us: int) -> list[str]:
        """The segments that are older than they are kept, and have no writer.

        Raises:
            OSError: the directory cannot be read.
        """
        return [] if self._keep_days is None else self._directory.expired(self._keep_days, now_us)

    def read(self) -> SegmentFiles:
        """The segments' files.

        Raises:
            OSError: the directory cannot be read.
        """
        return SegmentFiles(self._directory.path)

    def first(self, name: str) -> bytes:
        """A file's first line, without its line feed; nothing if it has none.

        Raises:
            OSError: it cannot be read.
        """
        return self._directory.first(name)

    def remove(self, name: str) -> None:
        """Delete a file.

        Raises:
            OSError: it cannot be deleted.
        """
        self._directory.remove(name)

    def ended(self, link: Link) -> None:
        """Nothing: what the file holds is what counts."""

    def link(self, name: str) -> None:
        """Nothing was heard."""


class _Kept:
    """A segment in memory."""

    __slots__ = ("lines", "link", "size")

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.size = 0
        self.link: Link | None = None  # as it ended

    def write(self, line: bytes) -> None:
        self.lines.append(line)
        self.size += len(line)

    def recover(self) -> bool:
        """Nothing is written in part."""
        return True

    def check(self) -> None:
        """Nothing can be missing."""

    sync = close = abandon = disown = check


class _Given:
    """A segment whose lines a function takes."""

    __slots__ = ("_emit", "_flush", "_segment", "size")

    def __init__(self, segment: str, emit: Emit, flush: Callable[[], bool] | None) -> None:
        self._segment = segment
        self._emit = emit
        self._flush = flush
        self.size = 0

    def write(self, line: bytes) -> None:
        line_only = line[:-1]
        self._emit(line_only, {**decode(line_only), "segment": self._segment})
        self.size += len(line)

    def recover(self) -> bool:
        """Nobody knows whether a function that raised has taken the line."""
        return False

    def sync(self) -> None:
        if self._flush is not None and not self._flush():
            raise OSError("not all of it was sent in time")

    def check(self) -> None:
        """Where it is now is not known here."""

    close = abandon = disown = check


class MemoryPlace:
    """The newest records, in memory: whole segments, so that what is kept can be verified."""

    __slots__ = ("_segments",)

    waits: Final = False
    label: Final = "the ledger in memory"

    def __init__(self) -> None:
        self._segments: dict[str, _Kept] = {}

    def prepare(self) -> None:
        """Nothing has to be made."""

    def begin(self, segment: str, now_us: int) -> _Kept:  # noqa: ARG002  the protocol's
        """Begin a segment."""
        stream = self._segments[segment] = _Kept()
        return stream

    def earlier(self) -> Iterator[bytes]:
        """Nothing: only what this process wrote is continued, and it remembers that."""
        return iter(())

    def expired(self, now_us: int) -> list[str]:  # noqa: ARG002  the protocol's
        """All segments but the one before the newest, and the newest."""
        return list(self._segments)[:-2]

    def read(self) -> dict[str, bytes]:
        """The lines that are kept, by segment."""
        return {segment: b"".join(stream.lines) for segment, stream in list(self._segments.items())}

    def first(self, name: str) -> bytes:
        """A segment's first line, without its line feed."""
        return next(iter(self._segments[name].lines), b"")[:-1]

    def remove(self, name: str) -> None:
        """Forget a segment."""
        self._segments.pop(name, None)

    def ended(self, link: Link) -> None:
        """Remember it: nobody can change what is in here but who can change that as well, and all its records need not be hashed again."""
        self._segments[link.segment].link = link

    def link(self, name: str) -> Link | None:
        """How a segment ended; None for one that broke off."""
        return self._segments[name].link


class FunctionPlace:
    """Whatever a function does with each line."""

    __slots__ = ("_emit", "_flush", "label", "waits")

    def __init__(self, emit: Emit, label: str, *, waits: bool, flush: Callable[[], bool] | None = None) -> None:
        """Describe it.

        Args:
            emit: takes a line and its fields; what it raises means that the record was not taken.
            label: what errors call it.
            waits: whether it may take its time.
            flush: sends what is held back, and says whether all of it is sent; None where nothing is.
        """
        self._emit = emit
        self._flush = flush
        self.label = label
        self.waits = waits

    def prepare(self) -> None:
        """Nothing has to be made."""

    def begin(self, segment: str, now_us: int) -> _Given:  # noqa: ARG002  the protocol's
        """Begin a segment."""
        return _Given(segment, self._emit, self._flush)

    def earlier(self) -> Iterator[bytes]:
        """Nothing: it cannot be read back."""
        return iter(())

    def expired(self, now_us: int) -> list[str]:  # noqa: ARG002  the protocol's
        """Nothing is kept here."""
        return []

    def read(self) -> Mapping[str, bytes]:
        """Nothing.

        Raises:
            LedgerError: always.
        """
        raise LedgerError(f"{self.label} cannot be read back: read it where its records went")

    def first(self, name: str) -> bytes:  # noqa: ARG002  the protocol's
        """Nothing is kept here."""
        return b""

    def remove(self, name: str) -> None:
        """Nothing is kept here."""

    def ended(self, link: Link) -> None:
        """Nothing is kept here."""

    def link(self, name: str) -> None:
        """Nothing is kept here."""
