"""Reading labelled texts: JSON lines, plain or in xz, one line at a time, however long the file is."""

from __future__ import annotations

import io
import json
import lzma
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Final, cast

from typing_extensions import override

from saferoute.errors import ConfigurationError
from saferoute.values.guarding import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["Row", "is_corpus", "rows_of"]

_PLAIN: Final = ".jsonl"
_PACKED: Final = ".jsonl.xz"
_LONGEST_LINE: Final = 64 * 1024 * 1024
_MOST_MEMORY: Final = 256 * 1024 * 1024
"""What unpacking may take; xz of its highest level takes 65 MiB, and a file can ask for 4 GiB."""

_PIECE: Final = 64 * 1024
_ACTIONS: Final = {action.name.lower(): action for action in Action}


@dataclass(frozen=True, slots=True)
class Row:
    """One labelled text.

    Attributes:
        line: its line in the file, from 1.
        text: the text.
        positive: whether guards should find something: the label, or what is expected if there is no label.
        expected: what the guards together should say; none for any.
        kind: what the row calls its kind or category; "" for none.
    """

    line: int
    text: str
    positive: bool
    expected: frozenset[Action] = frozenset()
    kind: str = ""


def is_corpus(path: Path) -> bool:
    """Whether a file is of a kind that can be read."""
    return path.name.endswith((_PLAIN, _PACKED))


def rows_of(path: Path, seen: Callable[[int], None]) -> Iterator[Row]:
    """Read a file of rows.

    Args:
        path: a .jsonl or .jsonl.xz file.
        seen: told, before each row, how many bytes of the file were read.

    Raises:
        ConfigurationError: for a line that is none of ours, or a file that is damaged; the message names the line, not its text.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        lines = cast("IO[bytes]", io.BufferedReader(_Unpacked(file), _PIECE)) if path.name.endswith(_PACKED) else file
        number = 0
        while True:
            number += 1
            try:
                line = lines.readline(_LONGEST_LINE + 1)
            except lzma.LZMAError as error:
                raise _wrong(path, number, "the xz stream is damaged, or asks for more memory than it may have") from error
            if not line:
                return
            if len(line) > _LONGEST_LINE:
                raise _wrong(path, number, f"longer than {_LONGEST_LINE // 1024**2} MiB")
            if line.strip():
                seen(file.tell())
                yield _row(path, number, line)


def _wrong(path: Path, number: int, why: str) -> ConfigurationError:
    return ConfigurationError(f'{path.name}, line {number}: {why}. A line is {{"text": "...", "label": 0 or 1}}')


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        found: Any = json.loads(line, object_pairs_hook=_without_twins, parse_constant=_no_number)
    except (ValueError, RecursionError):  # its words may repeat the line
        raise _wrong(path, number, "it is no JSON of its own, or names a field twice") from None
    if not isinstance(found, dict) or not isinstance(found.get("text"), str):
        raise _wrong(path, number, 'it is no object with a text in "text"')
    expected = _expected(path, number, found.get("expect"))
    label = found.get("label")
    if label is not None and (type(label) is not int or label not in {0, 1}):
        raise _wrong(path, number, '"label" is 0 or 1')
    if label is None and not expected:
        raise _wrong(path, number, 'it has neither "label" nor "expect"')
    kind = found.get("kind", found.get("category"))
    positive = Action.ALLOW not in expected if label is None else label == 1
    return Row(number, found["text"], positive, expected, kind if isinstance(kind, str) else "")


def _expected(path: Path, number: int, value: object) -> frozenset[Action]:
    """What is expected: one action or more, with "|" between them."""
    if value is None:
        return frozenset()
    names = value.split("|") if isinstance(value, str) else [""]
    if not all(name in _ACTIONS for name in names):
        raise _wrong(path, number, f'"expect" is one of {", ".join(_ACTIONS)}, or several with "|" between them')
    return frozenset(_ACTIONS[name] for name in names)


def _without_twins(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def _no_number(_: str) -> float:
    raise ValueError


class _Unpacked(io.RawIOBase):
    """The bytes of an xz file, piece by piece: memory is bounded whatever the file asks for."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._stream = _decompressor()

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: Any) -> int:
        while True:
            if self._stream.eof:
                rest = self._stream.unused_data.lstrip(b"\0") or self._file.read(_PIECE).lstrip(b"\0")  # padding between streams
                if not rest:
                    return 0
                self._stream = _decompressor()
            elif self._stream.needs_input:
                rest = self._file.read(_PIECE)
                if not rest:
                    reason = "cut off"
                    raise lzma.LZMAError(reason)
            else:
                rest = b""
            piece = self._stream.decompress(rest, len(buffer))
            if piece:
                buffer[: len(piece)] = piece
                return len(piece)


def _decompressor() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY)
