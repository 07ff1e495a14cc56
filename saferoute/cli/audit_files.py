"""A ledger's files as the audit commands read them: segments by process and age, records one by one, and how far that has come."""

from __future__ import annotations

import argparse
import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saferoute.cli.progress import Progress
from saferoute.cli.terminal import say
from saferoute.drivers.storage.ledger_directory import LedgerDirectory, segment_of
from saferoute.errors import ConfigurationError
from saferoute.ledger.attempts import Pairing
from saferoute.ledger.plain import count, plain
from saferoute.ledger.record import parse_line, record_id
from saferoute.signing.refusal import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from saferoute.ledger.attempts import Told

__all__ = ["Reading", "Segment", "add_directories", "add_times", "not_verified", "segments_in"]

_AGO: Final = re.compile(r"([0-9]{1,6})([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_DAYS_AGO: Final = {"today": 0, "yesterday": 1}
_BETWEEN: Final = 1_000
"""Records from one look at the clock to the next."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment's file.

    Attributes:
        directory: where it is.
        name: the file's name.
        id: the segment's id, as the name has it.
        size: bytes.
    """

    directory: Path
    name: str
    id: str
    size: int

    def read(self) -> bytes:
        """What it holds.

        Raises:
            OSError: it cannot be read, or is a link.
        """
        return LedgerDirectory(self.directory).read(self.name)


def segments_in(directories: Sequence[Path], *, may_be_empty: bool = False) -> list[Segment]:
    """The segments of directories, oldest first.

    Args:
        directories: where they are.
        may_be_empty: whether a directory may hold none, since something else says what should be there.

    Raises:
        ConfigurationError: there is none in one of them; a mistyped name must not look like a quiet day.
        OSError: a directory cannot be read.
    """
    found = []
    for directory in dict.fromkeys(directories):
        names = LedgerDirectory(directory).names()
        if not names and not may_be_empty:
            raise ConfigurationError(f"{directory} holds no segment of a ledger: files named *.ledger.jsonl")
        found += [Segment(directory, name, str(segment_of(name)), (directory / name).lstat().st_size) for name in names]
    return sorted(found, key=lambda one: one.name)


def add_directories(parser: argparse.ArgumentParser, *, several: bool = True) -> None:
    """Add the argument that names the ledger's directories."""
    if several:
        parser.add_argument("directories", nargs="+", type=Path, metavar="DIR", help="a directory of segments; several are read together")
    else:
        parser.add_argument("directory", type=Path, metavar="DIR", help="the directory of segments")


def add_times(parser: argparse.ArgumentParser) -> None:
    """Add the options that bound times."""
    form = "2026-11-20, 2026-11-20T09:30, 09:30 of today, today, yesterday (all UTC), or 36h, 7d ago"
    parser.add_argument("--since", type=_moment, metavar="TIME", help=f"from then on: {form}")
    parser.add_argument("--until", type=_moment, metavar="TIME", help="before then")


def _moment(text: str) -> int:
    """A time in microseconds since 1970."""
    if (ago := _AGO.fullmatch(text)) is not None:
        return int((time.time() - int(ago[1]) * _SECONDS[ago[2]]) * 1e6)
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if (clock := _CLOCK.fullmatch(text)) is not None:
        return int(today.replace(hour=int(clock[1]), minute=int(clock[2])).timestamp() * 1e6)
    if text in _DAYS_AGO:
        return int((today - timedelta(days=_DAYS_AGO[text])).timestamp() * 1e6)
    try:
        found = datetime.fromisoformat(text)
        return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() * 1e6)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time such as 2026-11-20, 2026-11-20T09:30, 09:30, today or 36h") from None


def not_verified() -> None:
    """Say that what is shown was not verified."""
    say("note: records were read as they stand; saferoute audit verify says whether they are whole")


class Reading:
    """Reads segments, one after the other. What is no record is counted, and said at the end.

    Args:
        segments: which.
        since: leave out what began before; microseconds since 1970.
        until: leave out what began then or later.
        look: is given each segment with its bytes first, before its records.
    """

    def __init__(
        self,
        segments: Sequence[Segment],
        since: int | None = None,
        until: int | None = None,
        look: Callable[[Segment, bytes], object] | None = None,
    ) -> None:
        self._segments = segments
        self._since = 0 if since is None else since
        self._until = float("inf") if until is None else until
        self._look = look
        self.unreadable: dict[str, int] = {}

    def records(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each record with its id, of all times; a part of a line at a segment's end is no record."""
        done = seen = 0
        with Progress(sum(one.size for one in self._segments), "records") as progress:
            for segment in self._segments:
                data = segment.read()
                if self._look is not None:
                    self._look(segment, data)
                start = 0
                while (end := data.find(b"\n", start)) >= 0:
                    seen += 1
                    if seen % _BETWEEN == 0:
                        progress.at(done + end, seen)
                    try:
                        record = parse_line(data[start:end])
                    except Refused:
                        self.unreadable[segment.name] = self.unreadable.get(segment.name, 0) + 1
                    else:
                        yield record_id(segment.id, record.seq), record.fields
                    start = end + 1
                done += segment.size

    def told(self) -> Iterator[Told]:
        """Each attempt and denial that began within the times; what was maybe sent comes last."""
        pairing = Pairing()
        for ref, record in self.records():
            told = pairing.take(ref, record)
            if told is not None and self._since <= told.time < self._until:
                yield told
        yield from (told for told in pairing.rest() if self._since <= told.time < self._until)

    def complaints(self) -> list[str]:
        """What could not be read, in words."""
        return [f"{plain(name)}: {count(number, 'line is', 'lines are')} no record" for name, number in self.unreadable.items()]

    def code(self) -> int:
        """Say what could not be read, and give the exit code: 1 if there was such a thing."""
        for complaint in self.complaints():
            say(f"error: {complaint}; saferoute audit verify says more")
        return 1 if self.unreadable else 0
