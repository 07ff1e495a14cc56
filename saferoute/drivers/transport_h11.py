"""h11 behind the methods of our own reader: the second opinion that `transport="h11"` selects."""

from __future__ import annotations

from typing import TYPE_CHECKING

import h11

from saferoute.errors import ProtocolError
from saferoute.values.http import Head

if TYPE_CHECKING:
    from saferoute.wire.header_lines import KnownLines
    from saferoute.wire.http1 import Limits

__all__ = ["H11Reader"]


class H11Reader:
    """Reads one response with h11; as ResponseReader."""

    __slots__ = ("_connection", "_limits", "_room", "_seen_interim", "done", "head", "reusable")

    def __init__(self, limits: Limits, lines: KnownLines | None = None) -> None:  # noqa: ARG002  h11 remembers none
        self.head: Head | None = None
        self.done = False
        self.reusable = False
        self._limits = limits
        self._room = limits.max_body
        self._seen_interim = 0
        self._connection = h11.Connection(h11.CLIENT, max_incomplete_event_size=limits.max_head)
        # h11 wants to have seen a request; its bytes are not used
        self._connection.send(h11.Request(method="POST", target="/", headers=[("host", "-"), ("content-length", "0")]))
        self._connection.send(h11.EndOfMessage())

    def feed(self, data: bytes) -> bytes:
        """As ResponseReader.feed.

        Raises:
            ProtocolError: not HTTP/1.1 as h11 reads it, or over a limit.
        """
        if self.done:
            self.reusable = self.reusable and not data
            return b""
        pieces: list[bytes] = []
        refused = False
        try:
            self._connection.receive_data(data)
            self._drain(pieces)
        except h11.RemoteProtocolError:
            refused = True
        if refused:  # outside the except, so that h11's message, which quotes the answer, is no context
            raise ProtocolError("the answer is not HTTP/1.1")
        return b"".join(pieces)

    def eof(self) -> bool:
        """As ResponseReader.eof."""
        if not self.done:
            try:
                self._connection.receive_data(b"")
                self._drain([])
            except h11.RemoteProtocolError:
                self.done = False
        self.reusable = False
        return self.done

    def _drain(self, pieces: list[bytes]) -> None:
        connection = self._connection
        while not self.done:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                self._room -= len(event.data)
                if self._room < 0:
                    raise ProtocolError(f"the answer's body is longer than {self._limits.max_body} bytes")
                pieces.append(bytes(event.data))
            elif isinstance(event, h11.Response):
                self.head = _head(event)
            elif isinstance(event, h11.InformationalResponse):
                self._seen_interim += 1
                if self._seen_interim > self._limits.max_informational:
                    raise ProtocolError("the provider sends interim answers without end")
            elif isinstance(event, h11.EndOfMessage):
                self.done = True
                self.reusable = connection.their_state is h11.DONE and not connection.trailing_data[0]
            else:  # NEED_DATA, PAUSED or ConnectionClosed
                return


def _head(response: h11.Response) -> Head:
    headers: dict[str, str] = {}
    for raw_name, raw_value in response.headers:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return Head(response.status_code, headers)
