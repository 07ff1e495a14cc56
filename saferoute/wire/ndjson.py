"""Newline-delimited JSON, read incrementally: bytes in, one text per line out. What a line says is the reader's business.

Rules:

- Only LF ends a line; a CR before it, and other white space of JSON around a line, belongs to nothing. Blank lines are skipped, a BOM
  at the very beginning too. No other character that some alphabet takes for a line end is one.
- Bytes that are not UTF-8 become U+FFFD, as in server-sent events: one broken character does not cost a whole answer.
- A last line without its LF is given out by `close()`. The caller has to check that it is whole; a JSON object tells.
- One line may have `max_line_bytes`; more is a ProtocolError, however the bytes are cut.

The methods are those of `saferoute.wire.sse.EventStream`, so that one decoder reads both: every line is an event without a name.
"""

from __future__ import annotations

from saferoute.errors import ProtocolError

__all__ = ["MAX_LINE_BYTES", "LineStream"]

MAX_LINE_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_BLANK = b" \t\r"


class LineStream:
    """Reads one stream of lines.

    Attributes:
        dangling: always False: a line cut in the middle is given out and fails as JSON. Here because event streams have it.
    """

    __slots__ = ("_begun", "_held", "_max", "dangling")

    def __init__(self, *, max_line_bytes: int = MAX_LINE_BYTES) -> None:
        self.dangling = False
        self._max = max_line_bytes
        self._held = bytearray()  # the line that has no end yet
        self._begun = False  # whether the first line is over

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Take a piece of the stream.

        Returns:
            The lines that are whole now, as ("", text).

        Raises:
            ProtocolError: if one line is larger than the cap.
        """
        *lines, rest = data.split(b"\n")
        if lines:
            lines[0] = bytes(self._held) + lines[0]
            self._held.clear()
        self._held += rest
        events = [("", text) for line in lines if (text := self._text(line))]
        self._check(len(self._held))
        return events

    def close(self) -> list[tuple[str, str]]:
        """Say that the stream is over.

        Returns:
            The last line, if only its end is missing.
        """
        text = self._text(bytes(self._held))
        self._held.clear()
        return [("", text)] if text else []

    def _text(self, line: bytes) -> str:
        self._check(len(line))
        if not self._begun:
            self._begun = True
            line = line.removeprefix(_BOM)
        return line.strip(_BLANK).decode(errors="replace")

    def _check(self, size: int) -> None:
        if size > self._max:
            msg = f"one line of the stream is larger than {self._max} bytes"
            raise ProtocolError(msg)
