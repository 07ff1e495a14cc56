"""Writing a ledger's attempts and refusals for other programs: JSON lines, CSV, Parquet."""

from __future__ import annotations

import contextlib
import csv
import os
import sys
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

from saferoute.cli.audit_files import Reading, not_verified, segments_in
from saferoute.cli.program import UsageError
from saferoute.cli.terminal import say
from saferoute.errors import ConfigurationError
from saferoute.ledger.export import COLUMNS, csv_head, csv_line, json_line, row_of
from saferoute.ledger.plain import count

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator
    from pathlib import Path

    from saferoute.ledger.attempts import Told

__all__ = ["export", "private_file"]

_AT_ONCE: Final = 10_000
"""Rows of a group in a Parquet file."""

_MOST_TAGS: Final = 200
"""Tags that get a column of their own in CSV without being named."""


def export(options: argparse.Namespace) -> int:
    """Write attempts and refusals in one of the forms."""
    if options.tags is not None and options.to != "csv":
        raise UsageError("--tags is for CSV: in the other forms tags are a list")
    reading = Reading(segments_in(options.directories), options.since, options.until)
    if options.to == "parquet":
        if options.output is None:
            raise UsageError("parquet is no text: give -o FILE")
        rows = _write_parquet(options.output, reading.told())
    else:
        tags = _tags(options) if options.to == "csv" else []
        with private_file(options.output) if options.output else contextlib.nullcontext(sys.stdout) as file:
            rows = _write_csv(file, reading.told(), tags) if options.to == "csv" else _write_json(file, reading.told())
    say(f"{count(rows, 'row')} written")
    not_verified()
    return reading.code()


def private_file(path: Path) -> IO[str]:
    """Open a file for writing text, for its owner only where it is new, as ledgers are.

    Raises:
        OSError: it cannot be written.
    """
    return open(path, "w", encoding="utf-8", newline="", opener=lambda name, flags: os.open(name, flags, 0o600))


def _write_json(file: IO[str], every: Iterator[Told]) -> int:
    rows = 0
    for told in every:
        file.write(json_line(row_of(told)) + "\n")
        rows += 1
    return rows


def _tags(options: argparse.Namespace) -> list[str]:
    """The tags that get a column: those that were named, or else every one, for which the ledger is read once more.

    Raises:
        ConfigurationError: there are too many.
    """
    if options.tags is not None:
        return list(options.tags)
    found: set[str] = set()
    for told in Reading(segments_in(options.directories), options.since, options.until).told():
        found.update(told.first["tags"])
        if len(found) > _MOST_TAGS:
            raise ConfigurationError(f"there are more than {_MOST_TAGS} tags: name those that get a column with --tags NAME,...")
    return sorted(found)


def _write_csv(file: IO[str], every: Iterator[Told], tags: list[str]) -> int:
    rows = 0
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(csv_head(tags))
    for told in every:
        writer.writerow(csv_line(row_of(told), told, tags))
        rows += 1
    return rows


def _write_parquet(path: Path, every: Iterator[Told]) -> int:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ConfigurationError("Parquet needs pyarrow, which is not installed: pip install 'saferoute-sdk[parquet]'") from None
    types: dict[str, Any] = {
        "text": pa.string(),
        "integer": pa.int64(),
        "boolean": pa.bool_(),
        "texts": pa.list_(pa.string()),
    }
    schema = pa.schema([(name, types[kind]) for name, kind in COLUMNS.items()])
    rows = 0
    with open(path, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file, parquet.ParquetWriter(file, schema) as writer:
        while some := [row_of(told) for told in islice(every, _AT_ONCE)]:
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            rows += len(some)
    return rows
