"""The dialect of Mistral's own chat API: see mistral_chat_request for the way out, _answer for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.mistral_chat_answer import MistralReader
from saferoute.providers.mistral_chat_request import encode_mistral

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["MistralChat"]


class MistralChat:
    """Mistral chat completions, as a `saferoute.providers.codec.Codec`."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write the request for the target.

        Raises:
            UnsupportedParameter: for what the API cannot carry (unless the request says drop).
            UnknownOption: for a provider option that the row does not open.
            InvalidMessages: for a conversation that the API cannot express.
        """
        return encode_mistral(request, target)

    def reader(self, target: Target) -> MistralReader:
        """Make the reader for one answer."""
        return MistralReader(target)
