"""The `bedrock_converse` dialect: Amazon Bedrock's Converse and ConverseStream.

How a request is written stands in `bedrock_request` (parameters), `bedrock_turns` (the conversation) and `bedrock_media`; how an answer
is read stands in `bedrock_answer`, `bedrock_blocks` and `bedrock_errors`. Streams come framed as `saferoute.wire.eventstream` says, and
requests are signed, below this layer, as `saferoute.wire.sigv4` says, or carry a bearer token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from saferoute.providers.bedrock_answer import BedrockReader
from saferoute.providers.bedrock_request import encode_request

if TYPE_CHECKING:
    from saferoute.providers.codec import Encoded
    from saferoute.values.request import ChatRequest
    from saferoute.values.target import Target

__all__ = ["BedrockConverse"]


class BedrockConverse:
    """Codec of the dialect; it holds nothing, so that one instance serves everybody."""

    __slots__ = ()

    def encode(self, request: ChatRequest, target: Target) -> Encoded:
        """Write a chat request as `POST {path}/model/{model}/converse`, or `converse-stream` for a stream.

        Raises:
            UnsupportedParameter: for what Converse cannot carry (unless the request says drop).
            InvalidMessages: for a conversation that Converse cannot express.
            UnknownOption: for a provider option that the row does not allow.
        """
        return encode_request(request, target)

    def reader(self, target: Target) -> BedrockReader:
        """Make the reader for one answer."""
        return BedrockReader(target)
