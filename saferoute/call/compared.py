"""Where finished bodies are compared with what was approved: a chat's own, and those that say a chat request in another form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.errors import InvalidMessages
from saferoute.guards.approval import approved, check_integrity
from saferoute.providers.fitting import instructions
from saferoute.providers.registry import texts_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from saferoute.call.flow import Call
    from saferoute.guards.approval import Approved
    from saferoute.providers.codec import Codec, Encoded, Reader
    from saferoute.providers.wire_text import Texts
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Dialect, Target

__all__ = ["compared", "encode_approved"]


def encode_approved(
    call: Call, codec: Codec, request: ChatRequest, target: Target
) -> tuple[Encoded, Sequence[tuple[str, str, str]] | None]:
    """The finished request of a chat; and its texts, compared with the approved ones, if these are known.

    Raises:
        InvalidMessages: it cannot be written.
        GuardBlocked: what is about to leave is not what was approved.
    """
    try:
        encoded = codec.encode(request, target)
    except ValueError as error:
        msg = "the request cannot be written as JSON: a text holds a lone surrogate, a number is not finite, or a kept state was altered"
        raise InvalidMessages(msg) from error
    if call.approved is None:
        return encoded, None
    said = texts_for(target.dialect)(encoded.request.body, call.approved.opened, call.memory)
    check_integrity(call.approved, said)
    return encoded, said


class _Compared:
    """A codec; `saferoute.providers.codec.Codec` is what it implements."""

    __slots__ = ("_allowed", "_codec", "_texts")

    def __init__(self, codec: Codec, texts: Texts, allowed: Approved) -> None:
        self._codec = codec
        self._texts = texts
        self._allowed = allowed

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """As Codec.encode.

        Raises:
            GuardBlocked: the texts in the body are not the approved ones; nothing was sent.
            ProtocolError: the body has a place that nothing has looked at; nothing was sent.
        """
        made = self._codec.encode(request, target)
        check_integrity(self._allowed, self._texts(made.request.body, self._allowed.opened))
        return made

    def reader(self, target: Target) -> Reader:
        """As Codec.reader."""
        return self._codec.reader(target)


def compared(codec: Callable[[Dialect], Codec], request: ChatRequest) -> Callable[[Dialect], Codec]:
    """Freeze the texts of a request, and have every body that is written from now on compared with them.

    Args:
        codec: finds a dialect.
        request: what is asked.
    """
    allowed = approved(request, instructions(request))
    return lambda dialect: _Compared(codec(dialect), texts_for(dialect), allowed)
