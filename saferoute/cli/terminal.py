"""Showing things to people: results on stdout, the rest on stderr, and nothing that could steer the terminal."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["printable", "say", "show", "show_table", "show_text"]

# What a terminal acts upon instead of showing it: all control characters but tab and line feed (a carriage return overwrites the line),
# and the characters that reorder what is read.
_STEERING: Final[Mapping[int, str]] = dict.fromkeys(
    [*(code for code in range(0x20) if code not in {0x09, 0x0A}), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)],
    "\N{REPLACEMENT CHARACTER}",
)


def printable(text: str) -> str:
    """Take out of a text what would steer a terminal: models, providers and files are not trusted with one."""
    return text.translate(_STEERING)


def say(text: str = "") -> None:
    """Tell the person, on stderr."""
    print(text, file=sys.stderr, flush=True)


def show(text: str = "") -> None:
    """Give a result, on stdout."""
    print(text)


def show_text(text: str) -> None:
    """Give a piece of a model's answer, at once and without a line end; as it is into a pipe, made harmless for a terminal."""
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def show_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Give rows as a table: aligned text, or rich's table where rich is installed and stdout is a terminal."""
    if not (sys.stdout.isatty() and _rich_table(headings, rows)):
        for line in _aligned([headings, *rows]):
            show(line)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rich_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:  # the extra `cli` is not installed
        return False
    table = Table(*headings, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(cell, overflow="fold") for cell in row))
    Console(file=sys.stdout).print(table)
    return True
