"""Server-sent events, read incrementally: bytes in, (event name, data) pairs out.

Rules (WHATWG HTML, section 9.2), and what is decided where the standard leaves room:

- Lines end with LF, CRLF or CR, also mixed; an event ends with a blank line; a BOM at the very beginning is skipped.
- `event` names the event ("" where the stream names none) and `data` lines are joined with LF; `id`, `retry`, unknown fields and
  comments are skipped. An event without a data line is none.
- Bytes that are not UTF-8 become U+FFFD, as the standard says: one broken character does not cost a whole answer.
- An event at the end of the stream that lacks its blank line is given out by `close()`, against the standard: real servers forget it.
  The caller has to check that its data is whole; JSON objects tell.
- One event may have `max_event_bytes`; more is a ProtocolError, however the bytes are cut.

How the bytes are cut never changes the events.
"""

from __future__ import annotations

from saferoute.errors import ProtocolError

__all__ = ["MAX_EVENT_BYTES", "EventStream"]

MAX_EVENT_BYTES = 16 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"
_LF = 0x0A


class EventStream:
    """Reads one stream of server-sent events.

    Attributes:
        dangling: after `close()`: whether the stream ended inside something that makes no event, so that it was cut off.
    """

    __slots__ = ("_after_cr", "_begun", "_held", "_max", "dangling")

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.dangling = False
        self._max = max_event_bytes
        self._held = bytearray()  # what came after the last blank line
        self._after_cr = False  # the last byte was CR, so that an LF now belongs to it
        self._begun = False

    def feed(self, data: bytes) -> list[tuple[str, str]]:
        """Take a piece of the stream.

        Returns:
            The events that are whole now, as (event name, data).

        Raises:
            ProtocolError: if one event is larger than the cap.
        """
        held = self._held
        size = len(data)
        if (  # exactly one event of one line, which is how most servers write and most pieces arrive
            data.startswith(b"data: ")
            and data.find(b"\n") == size - 2
            and data[-1] == _LF
            and b"\r" not in data
            and not held
            and self._begun
            and size <= self._max
        ):
            return [("", data[6:-2].decode("utf-8", "replace"))]
        if not self._begun:
            data = self._skip_bom(data)
        if self._after_cr or b"\r" in data:
            data = self._unify_line_ends(data)
        if held:
            if b"\n\n" not in data and not (held[-1] == _LF and data[:1] == b"\n"):
                held += data
                self._check(held)
                return []
            data = bytes(held) + data
            held.clear()
        whole, blank, rest = data.rpartition(b"\n\n")
        if rest:
            held += rest
            self._check(held)
        if not blank:
            return []
        events = []
        for block in whole.split(b"\n\n"):
            if block.startswith(b"data: ") and b"\n" not in block and len(block) <= self._max:
                events.append(("", block[6:].decode("utf-8", "replace")))
            elif block:
                self._check(block)
                _read_block(block, events)
        return events

    def close(self) -> list[tuple[str, str]]:
        """Say that the stream is over.

        Returns:
            The last event, if only its blank line is missing.
        """
        events: list[tuple[str, str]] = []
        tail = bytes(self._held)
        self._held.clear()
        if _read_block(tail, events) and not events[-1][1]:  # "data" or "data:" with nothing behind it
            events.clear()
        if not events:
            self.dangling = any(line and not line.startswith(b":") for line in tail.split(b"\n"))
        return events

    def _skip_bom(self, data: bytes) -> bytes:
        data = bytes(self._held) + data
        self._held.clear()
        if len(data) < len(_BOM) and _BOM.startswith(data):
            self._held += data
            return b""
        self._begun = True
        return data.removeprefix(_BOM)

    def _unify_line_ends(self, data: bytes) -> bytes:
        if not data:
            return data
        if self._after_cr:
            data = data.removeprefix(b"\n")
        self._after_cr = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check(self, block: bytes | bytearray) -> None:
        if len(block) > self._max and len(block.strip(b"\n")) > self._max:
            msg = f"one server-sent event is larger than {self._max} bytes"
            raise ProtocolError(msg)


def _read_block(block: bytes, events: list[tuple[str, str]]) -> bool:
    """Read the lines between two blank lines; add their event, if they make one, and say so."""
    name = b""
    data: list[bytes] = []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    if data:
        events.append((name.decode("utf-8", "replace"), b"\n".join(data).decode("utf-8", "replace")))
    return bool(data)
