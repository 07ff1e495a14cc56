"""The `gemini_generate` dialect: generateContent of the Gemini Developer API and of Vertex AI.

The two differ in path and key, in how a stored file is named, and in that neither takes what the other signed.

How a request is written stands in `gemini_request` (parameters) and `gemini_turns` (the conversation); how an answer is read stands in
`gemini_answer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.gemini_answer import GeminiReader
from saferoute.providers.gemini_request import encode_request

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["GeminiGenerate"]


class GeminiGenerate:
    """Codec of the dialect; it holds nothing, so that one instance serves everybody."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write a chat request as `POST {path}/models/{model}:generateContent`, or `:streamGenerateContent?alt=sse`.

        Raises:
            UnsupportedParameter: for what the dialect cannot carry (unless the request says drop), and for a
                model's name that would not stay in its place in the path.
            InvalidMessages: for a conversation that the API cannot express.
            UnknownOption: for a provider option that the row does not allow.
        """
        return encode_request(request, target)

    def reader(self, target: Target) -> GeminiReader:
        """Make the reader for one answer."""
        return GeminiReader(target)
