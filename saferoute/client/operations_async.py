"""The operations besides chat, for the asyncio client: the methods of `saferoute.client.operations`, awaited."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, TypeVar

from saferoute.call.operation import operation_flow
from saferoute.client.asking import counting, embedding, imaging, moderating, reranking, speaking, transcribing
from saferoute.client.operations import listed
from saferoute.drivers.concurrent import run_async
from saferoute.providers.operations.contract import ModelsRequest
from saferoute.values.embeddings import Embeddings
from saferoute.values.ranking import Moderation, Reranked
from saferoute.values.recordings import GeneratedImages, Speech, Transcript
from saferoute.values.tokens import TokenCount

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Unpack

    from saferoute.call.operation import OperationCall
    from saferoute.client.core import Core
    from saferoute.drivers.exchange import AsyncTransport
    from saferoute.values.conversation import Messages
    from saferoute.values.embeddings import InputType
    from saferoute.values.listing import AvailableModel
    from saferoute.values.messages import Audio
    from saferoute.values.options import OperationOptions
    from saferoute.values.output import JsonSchema
    from saferoute.values.template import Template
    from saferoute.values.tools import ToolLike

__all__ = ["AsyncOperations"]

R = TypeVar("R")


class AsyncOperations:
    """What an asyncio client does besides chat."""

    __slots__ = ()

    _core: Core
    _transport: AsyncTransport
    _beside: Any

    async def embed(
        self,
        route: str,
        texts: str | Sequence[str],
        *,
        dimensions: int | None = None,
        input_type: InputType | None = None,
        **options: Unpack[OperationOptions],
    ) -> Embeddings:
        """Turn texts into vectors. Arguments and errors are those of `Client.embed`."""
        request = lambda: embedding(texts, dimensions, input_type)  # noqa: E731  made where its refusal is recorded
        return await self._operate(self._core.operation("embed", route, request, Embeddings, options))

    async def count_tokens(
        self,
        route: str,
        messages: Messages,
        *,
        system: str | Template | None = None,
        tools: Sequence[ToolLike] = (),
        output: type[Any] | JsonSchema | None = None,
        **options: Unpack[OperationOptions],
    ) -> TokenCount:
        """Count the tokens of a conversation before it is sent. Arguments and errors are those of `Client.count_tokens`."""
        request = lambda: counting(messages, system, tools, self._core.output(output))  # noqa: E731  made where its refusal is recorded
        return await self._operate(self._core.operation("count_tokens", route, request, TokenCount, options))

    async def available_models(self, route: str, **options: Unpack[OperationOptions]) -> tuple[AvailableModel, ...]:
        """Ask a provider for the models that it has. Arguments and errors are those of `Client.available_models`."""
        return await self._operate(self._core.operation("models", route, ModelsRequest, listed, options))

    async def rerank(
        self, route: str, query: str, documents: Sequence[str], *, top_n: int | None = None, **options: Unpack[OperationOptions]
    ) -> Reranked:
        """Order documents by how well they answer a query. Arguments and errors are those of `Client.rerank`."""
        return await self._operate(self._core.operation("rerank", route, lambda: reranking(query, documents, top_n), Reranked, options))

    async def transcribe(
        self,
        route: str,
        audio: Audio,
        *,
        language: str | None = None,
        prompt: str | None = None,
        filename: str | None = None,
        **options: Unpack[OperationOptions],
    ) -> Transcript:
        """Write down what is said in a recording. Arguments and errors are those of `Client.transcribe`."""
        request = lambda: transcribing(audio, filename, language, prompt, self._core.boundary())  # noqa: E731  made where its refusal is recorded
        return await self._operate(self._core.operation("transcribe", route, request, Transcript, options))

    async def speak(
        self,
        route: str,
        text: str,
        *,
        voice: str,
        format: str = "mp3",  # noqa: A002  what every provider calls it
        speed: float | None = None,
        instructions: str | None = None,
        **options: Unpack[OperationOptions],
    ) -> Speech:
        """Turn a text into speech. Arguments and errors are those of `Client.speak`."""
        request = lambda: speaking(text, voice, format, speed, instructions)  # noqa: E731  made where its refusal is recorded
        return await self._operate(self._core.operation("speak", route, request, Speech, options))

    async def generate_image(
        self,
        route: str,
        prompt: str,
        *,
        n: int = 1,
        size: str | None = None,
        quality: str | None = None,
        format: str | None = None,  # noqa: A002  what every provider calls it
        **options: Unpack[OperationOptions],
    ) -> GeneratedImages:
        """Make pictures. Arguments and errors are those of `Client.generate_image`."""
        request = lambda: imaging(prompt, n, size, quality, format)  # noqa: E731  made where its refusal is recorded
        return await self._operate(self._core.operation("image", route, request, GeneratedImages, options))

    async def moderate(self, route: str, texts: str | Sequence[str], **options: Unpack[OperationOptions]) -> Moderation:
        """Ask a provider whether it objects to texts. Arguments and errors are those of `Client.moderate`."""
        return await self._operate(self._core.operation("moderate", route, lambda: moderating(texts), Moderation, options))

    async def _operate(self, call: OperationCall[R]) -> R:
        observer = self._core.observe_operation(call)
        return await run_async(
            operation_flow(call, time.monotonic()), self._transport, time.monotonic, asyncio.sleep, observer, background=self._beside
        )
