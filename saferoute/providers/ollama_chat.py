"""The dialect of Ollama's native chat API: see ollama_chat_request for the way out, _answer for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.ollama_chat_answer import OllamaReader
from saferoute.providers.ollama_chat_request import encode_ollama

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["OllamaChat"]


class OllamaChat:
    """Ollama's `/api/chat`, as a `saferoute.providers.codec.Codec`."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write the request for the target.

        Raises:
            UnsupportedParameter: for what the API cannot carry (unless the request says drop).
            UnknownOption: for a provider option that the row does not open.
            InvalidMessages: for a conversation that the API cannot express.
        """
        return encode_ollama(request, target)

    def reader(self, target: Target) -> OllamaReader:
        """Make the reader for one answer."""
        return OllamaReader(target)
