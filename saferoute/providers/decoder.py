"""The one decoder of answers: whole bodies, streams and errors become the same events. Pure: bytes in, events out.

What decides how the body is read: the status first (3xx and errors), then the content type, and then, because servers mislabel, the
first bytes: an object is a whole body and a server-sent field is a stream, whatever the header said.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from saferoute.errors import ProtocolError, ProviderError, StreamInterrupted, UnexpectedRedirect
from saferoute.providers.statuses import request_id
from saferoute.values.json import decode
from saferoute.wire.eventstream import FrameStream
from saferoute.wire.ndjson import LineStream
from saferoute.wire.sse import EventStream

if TYPE_CHECKING:
    from collections.abc import Mapping

    from saferoute.providers.codec import Reader
    from saferoute.values.events import DecodedEvent
    from saferoute.values.http import Head

__all__ = ["MAX_BODY_BYTES", "MAX_ERROR_BYTES", "Decoder"]

MAX_BODY_BYTES = 32 * 1024 * 1024
MAX_ERROR_BYTES = 256 * 1024
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_LONGEST_FIELD = max(map(len, _FIELDS))
_LINES = frozenset({"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"})
_STREAMS = frozenset({"text/event-stream", "application/vnd.amazon.eventstream"})
_FRAME_BEGINS = (b"\x00", b"\x01")  # a frame begins with its length, which is under 32 MiB; no text begins so
_BLANK = b" \t\r\n\xef\xbb\xbf"  # white space and the bytes of a BOM


_Mode: TypeAlias = Literal["undecided", "stream", "body", "error"]  # an Enum's members are slower to reach than a function is to call


class Decoder:
    """Decodes one answer: `head`, then `feed` for every piece, then `close`.

    Attributes:
        failure: what went wrong behind the events that the last piece gave: look after every `feed`, and raise it once those events are
            where they belong. It would be raised by the next `feed`; so it does not matter where an answer was cut into pieces.
    """

    __slots__ = ("_collected", "_events", "_head", "_max_body", "_mode", "_name", "_reader", "_says_stream", "_streams", "failure")

    def __init__(self, reader: Reader, provider_name: str, *, max_body_bytes: int = MAX_BODY_BYTES) -> None:
        self._reader = reader
        self._name = provider_name or "the provider"
        self._max_body = max_body_bytes
        self._mode: _Mode = "undecided"
        self._says_stream = False
        self._streams = False  # the mode is "stream"; asked once per piece
        self._head: Head | None = None
        self._collected = bytearray()
        self._events: EventStream | LineStream | FrameStream  # once there is a stream
        self.failure: ProviderError | ProtocolError | None = None

    @property
    def completed(self) -> bool:
        """Whether the answer's terminal event has come."""
        return self._reader.completed

    def head(self, head: Head) -> None:
        """Take the answer's head.

        Raises:
            UnexpectedRedirect: for a 3xx status.
        """
        self._head = head
        if 300 <= head.status < 400:  # noqa: PLR2004
            msg = f"{self._name} answered {head.status}, a redirect; saferoute follows none. Sign a table with the address that answers"
            raise UnexpectedRedirect(msg)
        if head.status >= 400:  # noqa: PLR2004
            self._mode = "error"
        kind = head.headers.get("content-type", "")
        if kind == "application/json":  # as most answers say it
            return
        kind = kind.partition(";")[0].strip().lower()
        self._says_stream = kind in _STREAMS
        if kind in _LINES and self._mode == "undecided":
            self._read_lines()

    def feed(self, data: bytes) -> list[DecodedEvent]:
        """Take a piece of the body.

        Returns:
            The events that it completes; a whole body gives its events at `close`.

        Raises:
            ProviderError: for an error inside a stream.
            ProtocolError: for data that is not what the dialect says, or too large.
        """
        if self._streams:
            if self.failure is not None:
                raise self.failure
            reader = self._reader
            events: list[DecodedEvent] = []
            try:
                for name, text in self._events.feed(data):
                    if text and not reader.completed:
                        events += reader.on_event(name, text)
            except (ProviderError, ProtocolError) as error:
                if isinstance(error, ProviderError):
                    self._add_request_id(error)
                if not events:
                    raise
                self.failure = error
            return events
        mode = self._mode
        if mode == "undecided":
            if self._collected or not data.startswith(b"{"):
                return self._decide(data)
            self._mode = "body"  # as most answers that are no streams
        elif mode == "error":
            self._collected += data[: MAX_ERROR_BYTES - len(self._collected)]
            return []
        self._collected += data
        if len(self._collected) > self._max_body:
            msg = f"{self._name} sent an answer larger than {self._max_body} bytes"
            raise ProtocolError(msg)
        return []

    def close(self) -> list[DecodedEvent]:
        """Say that the body is over.

        Returns:
            The last events, Completed being the last of all.

        Raises:
            ProviderError: for an error answer, or an error inside the answer.
            StreamInterrupted: if the stream ended before its terminal event.
            ProtocolError: for an answer that is not JSON.
        """
        if self.failure is not None:
            raise self.failure
        if self._mode == "error" and self._head is not None:
            raise self._reader.error(self._head, _error_body(bytes(self._collected)))
        if self._mode == "undecided" and self._says_stream:
            self._events = EventStream()  # in which nothing came
            return self._close_stream()
        if self._streams:
            return self._close_stream()
        try:
            body = self._whole_body()
        except ProtocolError:
            held = bytes(self._collected)
            if not getattr(self._reader, "lines", False) or held.lstrip(_BLANK)[:1] != b"{":  # only some dialects' readers say it
                raise
            self._read_lines()  # a stream of lines that says it is a whole body
            events = self.feed(held)
            if self.failure is not None:
                raise self.failure from None
            return events + self._close_stream()
        try:
            return [*self._reader.on_body(body)]
        except ProviderError as error:
            self._add_request_id(error)
            raise

    def _read_lines(self) -> None:
        self._events = LineStream()
        self._mode, self._streams = "stream", True

    def _decide(self, data: bytes) -> list[DecodedEvent]:
        self._collected += data
        begin = bytes(self._collected[: _LONGEST_FIELD + 64]).lstrip(_BLANK)
        if not begin and len(self._collected) <= _LONGEST_FIELD:
            return []
        if begin[:1] in {b"{", b"["}:
            self._mode = "body"
        elif begin.startswith(_FRAME_BEGINS):
            self._events = FrameStream()
            self._mode, self._streams = "stream", True
        elif self._says_stream or begin.startswith(_FIELDS):
            self._events = EventStream()
            self._mode, self._streams = "stream", True
        elif any(field.startswith(begin) for field in _FIELDS):
            return []
        else:
            self._mode = "body"
        held = bytes(self._collected)
        self._collected.clear()
        return self.feed(held)

    def _add_request_id(self, error: ProviderError) -> None:
        """An error inside an answer: only the head knows the exchange's id, and the reader has not seen the head."""
        if error.request_id is None and self._head is not None:
            error.request_id = request_id(self._head.headers)

    def _close_stream(self) -> list[DecodedEvent]:
        reader = self._reader
        events: list[DecodedEvent] = []
        whole = True
        for name, text in self._events.close():
            if text and not reader.completed:
                try:
                    events += reader.on_event(name, text)
                except ProviderError as error:
                    self._add_request_id(error)
                    raise
                except ProtocolError:  # an event without its blank line, cut in the middle
                    whole = False
        if whole and not self._events.dangling and not reader.completed:
            events += reader.on_end()
        if not reader.completed:
            msg = f"{self._name} ended the stream before the answer was whole"
            raise StreamInterrupted(msg)
        return events

    def _whole_body(self) -> Mapping[str, Any]:
        try:
            body = decode(bytes(self._collected).lstrip(_BLANK))
        except ValueError:
            body = None
        if not isinstance(body, dict):
            kind = (self._head.headers.get("content-type", "") if self._head else "").partition(";")[0].strip().lower()
            shown = kind if kind in {"text/html", "text/plain", "application/json", "application/xml"} else "other"
            msg = f"{self._name} answered with {len(self._collected)} bytes that are no JSON object (content type {shown})"
            raise ProtocolError(msg)
        return body


def _error_body(data: bytes) -> Mapping[str, Any]:
    """The JSON object of an error answer: alone, in a list, or in the first server-sent event; {} for anything else."""
    texts: list[bytes | str] = [data.lstrip(_BLANK)]
    stream = EventStream()
    if data.lstrip(_BLANK).startswith(_FIELDS):
        texts += [text for _, text in stream.feed(data) + stream.close()]
    for text in texts:
        try:
            value = decode(text)
        except ValueError:
            continue
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict):
            return value
    return {}
