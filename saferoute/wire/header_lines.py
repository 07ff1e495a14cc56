"""Checked header lines taken apart: names in lower case, values without the blanks around them, repeated ones joined.

Nearly all lines of an answer are those of the answer before it, from the same origin: `KnownLines` remembers what they say.
"""

from __future__ import annotations

import re
from typing import Final

from saferoute.errors import ProtocolError

__all__ = ["KnownLines"]

_MAX_KNOWN: Final = 64
_LONGEST: Final = 200
# Names whose values may be secrets. "tokens", the plural, counts a model's.
_MAY_BE_SECRET: Final = re.compile(r"auth|cookie|csrf|key|location|secret|session|signature|token(?!s)")


class KnownLines:
    """The lines that an origin repeats. One for each origin of a transport, for any thread.

    What a line says depends on its characters alone, and whoever asks has checked the whole head before: what is remembered here spares
    work, and decides nothing.

    A line is remembered when two answers one after the other had it, unless it is long or its name is that of a secret; of all others there
    is only a hash, until the next answer. So nothing stays that is said once: identifiers, cookies, places to be redirected to.
    """

    __slots__ = ("_hashes", "_known")

    def __init__(self) -> None:
        """Begin without any."""
        # Neither is ever emptied, only replaced: another thread may be reading it.
        self._known: dict[str, tuple[str, str]] = {}
        self._hashes: list[int] = []

    def headers(self, fields: bytes) -> dict[str, str]:
        r"""Take a field section apart: lines that end with \r\n and were found to be header lines.

        Raises:
            ProtocolError: content-length or transfer-encoding is there twice.
        """
        lines = fields.decode("latin-1").split("\r\n")
        lines.pop()  # what follows the last line's end: nothing
        known = self._known
        headers: dict[str, str] = {}
        new: list[tuple[str, str, str]] = []
        for line in lines:
            if line in known:
                name, value = known[line]
            else:
                name, _, value = line.partition(":")
                name, value = name.lower(), value.strip(" \t")
                new.append((line, name, value))
            headers[name] = value
        if new:
            self._learn(new)
        return headers if len(headers) == len(lines) else _joined(lines)

    def _learn(self, new: list[tuple[str, str, str]]) -> None:
        """Remember what the answer before had, too, and note the rest for the answer after."""
        before = self._hashes
        hashes: list[int] = []
        for line, name, value in new[:_MAX_KNOWN]:
            if len(line) <= _LONGEST:
                mark = hash(line)
                if mark not in before:
                    hashes.append(mark)
                elif _MAY_BE_SECRET.search(name) is None:
                    if len(self._known) >= _MAX_KNOWN:
                        self._known = {}  # what is still said is back after two answers
                    self._known[line] = name, value
        self._hashes = hashes


def _joined(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        raw_name, _, raw_value = line.partition(":")
        name, value = raw_name.lower(), raw_value.strip(" \t")
        if name in headers:
            if name in ("content-length", "transfer-encoding"):
                raise ProtocolError(f"the answer has {name} twice")
            value = f"{headers[name]}, {value}"
        headers[name] = value
    return headers
