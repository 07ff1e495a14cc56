"""The dialect of OpenAI Responses: see openai_responses_request for the way out, openai_responses_answer for the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.openai_responses_answer import ResponsesReader
from saferoute.providers.openai_responses_request import encode_responses

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["OpenAIResponses"]


class OpenAIResponses:
    """OpenAI Responses, as a `saferoute.providers.codec.Codec`. It holds nothing, so that one instance serves everybody."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write the request as `POST {path}/responses`, with `?api-version=` where the row says a version.

        Raises:
            UnsupportedParameter: for what the dialect cannot carry (unless the request says drop).
            UnknownOption: for a provider option that the row does not open.
            InvalidMessages: for a conversation that the dialect cannot express.
        """
        return encode_responses(request, target)

    def reader(self, target: Target) -> ResponsesReader:
        """Make the reader for one answer."""
        return ResponsesReader(target)
