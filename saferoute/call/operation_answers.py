"""Reading the answer to one request of an operation: one JSON object, or the content itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saferoute.errors import ProtocolError
from saferoute.providers.decoder import Decoder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.providers.codec import Reader
    from saferoute.providers.operations.contract import Step
    from saferoute.values.events import DecodedEvent
    from saferoute.values.http import Head
    from saferoute.values.target import Target

__all__ = ["WholeBytes", "WholeJson", "is_content"]


def is_content(step: Step[Any], head: Head) -> bool:
    """Whether the body is the content itself; errors, wherever they stand, are JSON."""
    kind = head.headers.get("content-type", "").partition(";")[0].strip().lower()
    return step.content == "bytes" and 200 <= head.status < 300 and not kind.endswith("json")  # noqa: PLR2004


class WholeBytes:
    """Collects an answer that is content, such as sound."""

    __slots__ = ("_data", "_head", "_step", "_target", "completed", "found")

    def __init__(self, step: Step[Any], _: Reader, target: Target, head: Head) -> None:
        self._step, self._target, self._head = step, target, head
        self._data = bytearray()
        self.completed = False
        self.found: object = None

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; b"" is its end.

        Raises:
            ProtocolError: if it is too large, or not what was asked for.
        """
        if not data:
            self.found = self._step.read(self._head, bytes(self._data))
            self.completed = True
            return
        self._data += data
        if len(self._data) > self._step.most:
            raise ProtocolError(f"{self._target.provider_name} sent an answer larger than {self._step.most} bytes")


class WholeJson:
    """Reads an answer that is one JSON object; a `saferoute.providers.codec.Reader`, whose errors are those of the dialect's chat."""

    __slots__ = ("_chat", "_decoder", "_head", "_step", "_target", "completed", "found")

    def __init__(self, step: Step[Any], chat: Reader, target: Target, head: Head) -> None:
        self._step, self._chat, self._target, self._head = step, chat, target, head
        self._decoder = Decoder(self, target.provider_name, max_body_bytes=step.most)
        self.completed = False
        self.found: object = None
        self._decoder.head(head)

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; b"" is its end.

        Raises:
            ProviderError: for an error answer, or an error inside the answer.
            ProtocolError: for an answer that is not what was asked for.
        """
        if data:
            self._decoder.feed(data)
        else:
            self._decoder.close()

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """See `Reader`."""
        if body.get("error"):
            raise self._chat.error(self._head, body)
        if self._step.content != "json":
            raise self._unfit("a JSON object")
        self.found = self._step.read(self._head, body)
        self.completed = True
        return ()

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:  # noqa: ARG002  see `Reader`
        """See `Reader`."""
        raise self._unfit("a stream")

    def on_end(self) -> Sequence[DecodedEvent]:
        """See `Reader`."""
        return ()

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """See `Reader`."""
        return self._chat.error(head, body)

    def _unfit(self, what: str) -> ProtocolError:
        return ProtocolError(f"{self._target.provider_name} answered {what} where something else was asked for")
