"""The `anthropic_messages` dialect: Anthropic's Messages API, and the servers that speak it.

How a request is written stands in `anthropic_request` (parameters) and `anthropic_turns` (the conversation); how an answer is read
stands in `anthropic_answer`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.anthropic_answer import AnthropicReader
from saferoute.providers.anthropic_request import encode_request

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["AnthropicMessages"]


class AnthropicMessages:
    """Codec of the dialect; it holds nothing, so that one instance serves everybody."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write a chat request as `POST {path}/v1/messages`.

        Raises:
            UnsupportedParameter: for what the API cannot carry (unless the request says drop).
            InvalidMessages: for a conversation that the API cannot express.
            UnknownOption: for a provider option that the row does not allow.
        """
        return encode_request(request, target)

    def reader(self, target: Target) -> AnthropicReader:
        """Make the reader for one answer."""
        return AnthropicReader(target)
