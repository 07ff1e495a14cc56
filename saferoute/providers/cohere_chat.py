"""The dialect of Cohere's chat API, version 2: see cohere_chat_request for the way out, _answer for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.cohere_chat_answer import CohereReader
from saferoute.providers.cohere_chat_request import encode_cohere

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["CohereChat"]


class CohereChat:
    """Cohere chat v2, as a `saferoute.providers.codec.Codec`."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write the request for the target.

        Raises:
            UnsupportedParameter: for what the API cannot carry (unless the request says drop).
            UnknownOption: for a provider option that the row does not open.
            InvalidMessages: for a conversation that the API cannot express.
        """
        return encode_cohere(request, target)

    def reader(self, target: Target) -> CohereReader:
        """Make the reader for one answer."""
        return CohereReader(target)
