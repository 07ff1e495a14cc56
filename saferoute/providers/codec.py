"""The contract of a dialect: encode a request, decode an answer. No I/O, no key, no clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from saferoute.errors import UnsupportedParameter
from saferoute.values.events import Notice
from saferoute.values.sealed import sealed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from saferoute.errors import ProviderError
    from saferoute.values.events import DecodedEvent
    from saferoute.values.http import Head, HttpRequest
    from saferoute.values.request import ChatRequest, OnUnsupported
    from saferoute.values.target import Target

__all__ = ["Codec", "Encoded", "Noticing", "Reader"]


@sealed
class Encoded:
    """A request ready to be sent, and what of the caller's wishes it does not carry as asked."""

    request: HttpRequest
    notices: tuple[Notice, ...] = ()


class Reader(Protocol):
    """What a dialect knows about answers; `saferoute.providers.decoder.Decoder` feeds it.

    One reader reads one answer. After `completed` is True no further event is expected.
    """

    completed: bool

    def on_body(self, body: Mapping[str, Any]) -> Sequence[DecodedEvent]:
        """Turn a whole JSON body into the events that the same answer would have streamed, Completed last.

        Raises:
            ProviderError: for an error inside a successful answer.
            ProtocolError: for a body that the dialect does not have.
        """

    def on_event(self, name: str, data: str) -> Sequence[DecodedEvent]:
        """Turn one server-sent event into events.

        Raises:
            ProviderError: for an in-stream error.
            ProtocolError: for data that is not JSON.
        """

    def on_end(self) -> Sequence[DecodedEvent]:
        """The stream ended without the dialect's terminal event: return the last events if what came is whole nevertheless.

        Returns:
            Events ending in Completed, or none: then the answer was cut off.
        """

    def error(self, head: Head, body: Mapping[str, Any]) -> ProviderError:
        """Turn an error answer's JSON body ({} when it was not JSON) into one of the tree's errors."""


class Codec(Protocol):
    """A dialect."""

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write the request in this dialect's words.

        What the model lacks is `saferoute.providers.fitting.fit`'s business, and whether a tool choice has its tool is decided when
        the call is prepared: a dialect checks neither. It refuses what its own form has no words for, and reads the row's profile
        only to choose among forms.

        Args:
            request: fitted to the same target by `fit`.
            target: where it goes.

        Raises:
            UnsupportedParameter: for what the dialect cannot carry (unless the request says drop).
            UnknownOption: for a provider option that the row does not list, or that has an option of its own.
            InvalidMessages: for a conversation that the dialect cannot express.
        """

    def reader(self, target: Target) -> Reader:
        """Make the reader for one answer."""


class Noticing:
    """Collects what a dialect cannot carry as asked, according to the request's `on_unsupported`."""

    __slots__ = ("_policy", "notices")

    def __init__(self, policy: OnUnsupported) -> None:
        self._policy = policy
        self.notices: list[Notice] = []

    def unsupported(self, parameter: str, why: str) -> None:
        """Refuse the parameter, or drop it with a notice when the caller said so.

        Raises:
            UnsupportedParameter: unless `on_unsupported` is "drop".
        """
        if self._policy != "drop":  # what can be emulated was, before the dialect saw the request
            msg = f'{parameter}: {why}. Leave it out, choose another route, or pass on_unsupported="drop"'
            raise UnsupportedParameter(msg, parameter=parameter)
        self.notices.append(Notice("dropped", parameter, why))

    def changed(self, parameter: str, how: str) -> None:
        """Record that a parameter goes out in a different form."""
        self.notices.append(Notice("changed", parameter, how))
