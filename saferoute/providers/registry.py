"""Which codec speaks which dialect, and what reads its texts back; a dialect's module is loaded by the first call that needs it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

if TYPE_CHECKING:
    from saferoute.providers.codec import Codec
    from saferoute.providers.wire_text import Texts
    from saferoute.values.target import Dialect

__all__ = ["codec_for", "texts_for"]


def codec_for(dialect: Dialect) -> Codec:
    """Make the codec of a dialect. Codecs keep no state: one serves any number of calls."""
    match dialect:
        case "openai_chat":
            from saferoute.providers.openai_chat import OpenAIChat  # noqa: PLC0415  see the module's docstring

            return OpenAIChat()
        case "openai_responses":
            from saferoute.providers.openai_responses import OpenAIResponses  # noqa: PLC0415  see the module's docstring

            return OpenAIResponses()
        case "gemini_generate":
            from saferoute.providers.gemini_generate import GeminiGenerate  # noqa: PLC0415  see the module's docstring

            return GeminiGenerate()
        case "bedrock_converse":
            from saferoute.providers.bedrock_converse import BedrockConverse  # noqa: PLC0415  see the module's docstring

            return BedrockConverse()
        case "cohere_chat":
            from saferoute.providers.cohere_chat import CohereChat  # noqa: PLC0415  see the module's docstring

            return CohereChat()
        case "mistral_chat":
            from saferoute.providers.mistral_chat import MistralChat  # noqa: PLC0415  see the module's docstring

            return MistralChat()
        case "ollama_chat":
            from saferoute.providers.ollama_chat import OllamaChat  # noqa: PLC0415  see the module's docstring

            return OllamaChat()
        case "anthropic_messages":
            from saferoute.providers.anthropic_messages import AnthropicMessages  # noqa: PLC0415  see the module's docstring

            return AnthropicMessages()
        case _:
            assert_never(dialect)


@lru_cache(maxsize=16)  # more than there are dialects
def texts_for(dialect: Dialect) -> Texts:
    """The extractor of a dialect: what of a body is text that a model reads, found without the code that wrote the body."""
    match dialect:
        case "openai_chat":
            from saferoute.providers.openai_chat_texts import texts  # noqa: PLC0415  see the module's docstring
        case "openai_responses":
            from saferoute.providers.openai_responses_texts import texts  # noqa: PLC0415  see the module's docstring
        case "gemini_generate":
            from saferoute.providers.gemini_generate_texts import texts  # noqa: PLC0415  see the module's docstring
        case "bedrock_converse":
            from saferoute.providers.bedrock_converse_texts import texts  # noqa: PLC0415  see the module's docstring
        case "cohere_chat":
            from saferoute.providers.cohere_chat_texts import texts  # noqa: PLC0415  see the module's docstring
        case "mistral_chat":
            from saferoute.providers.mistral_chat_texts import texts  # noqa: PLC0415  see the module's docstring
        case "ollama_chat":
            from saferoute.providers.ollama_chat_texts import texts  # noqa: PLC0415  see the module's docstring
        case "anthropic_messages":
            from saferoute.providers.anthropic_messages_texts import texts  # noqa: PLC0415  see the module's docstring
        case _:
            assert_never(dialect)
    return texts
