"""The dialect of OpenAI Chat Completions, which most servers speak: see openai_chat_request for the way out, _answer for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.openai_chat_answer import ChatReader
from saferoute.providers.openai_chat_request import encode_chat

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["OpenAIChat"]


class OpenAIChat:
    """OpenAI Chat Completions, as a `saferoute.providers.codec.Codec`."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write the request for the target.

        Raises:
            UnsupportedParameter: for what the dialect cannot carry (unless the request says drop).
            UnknownOption: for a provider option that the row does not open.
            InvalidMessages: for a conversation that the dialect cannot express.
        """
        return encode_chat(request, target)

    def reader(self, target: Target) -> ChatReader:
        """Make the reader for one answer."""
        return ChatReader(target)
