"""The operations besides chat, for the blocking client."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from saferoute.call.operation import operation_flow
from saferoute.client.asking import counting, embedding, imaging, moderating, reranking, speaking, transcribing
from saferoute.drivers.blocking import run
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
    from saferoute.drivers.exchange import Transport
    from saferoute.values.conversation import Messages
    from saferoute.values.embeddings import InputType
    from saferoute.values.listing import AvailableModel
    from saferoute.values.messages import Audio
    from saferoute.values.options import OperationOptions
    from saferoute.values.output import JsonSchema
    from saferoute.values.template import Template
    from saferoute.values.tools import ToolLike

__all__ = ["Operations", "listed"]

R = TypeVar("R")


def listed(models: tuple[AvailableModel, ...], **_: object) -> tuple[AvailableModel, ...]:
    """The result of `available_models`: the models alone."""
    return models


class Operations:
    """What a client does besides chat. Every method goes the way of `chat`: the same table, grants, keys, clocks, retries and errors.

    Each takes `timeout`, `max_attempts`, `max_cost`, `data`, `on_unsupported` and `provider_options`, as chat does. In production the
    table's grant has to name the operation.
    """

    __slots__ = ()

    _core: Core
    _transport: Transport
    _beside: Any

    def embed(
        self,
        route: str,
        texts: str | Sequence[str],
        *,
        dimensions: int | None = None,
        input_type: InputType | None = None,
        **options: Unpack[OperationOptions],
    ) -> Embeddings:
        """Turn texts into vectors.

        More texts than a provider takes at once go out as several requests, one after the other. Nothing is cut off silently: a text
        that is too long is an error. An alias goes on to its other rows only if they have the same model.

        Args:
            route: an alias, a row id, or provider/model.
            texts: one text or many; none of them empty.
            dimensions: how long the vectors should be, for models that can shorten them.
            input_type: "query" for what is searched with, "document" for what is searched in, where a provider makes a difference.
            **options: see `saferoute.operations.OperationOptions`.

        Returns:
            A sequence of `array("f")`, one for each text, in order.

        Raises:
            RequestError: the arguments make no call, or the provider has no embeddings; nothing was sent.
            RoutingError, CapabilityError, SecretError: the table, the grant or the keys do not allow it; nothing was sent.
            ProviderError, TransportError, ProtocolError: what went wrong on the way, with `error.attempts`.

        Example:
            >>> import warnings, saferoute
            >>> from saferoute.testing import EmbeddedProvider
            >>> with EmbeddedProvider() as provider, warnings.catch_warnings(action="ignore"):
            ...     with saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as client:
            ...         found = client.embed("demo/any-model", ["cats", "dogs"], dimensions=8)
            >>> len(found), found.dimensions, found[0].typecode
            (2, 8, 'f')
        """
        request = lambda: embedding(texts, dimensions, input_type)  # noqa: E731  made where its refusal is recorded
        return self._operate(self._core.operation("embed", route, request, Embeddings, options))

    def count_tokens(
        self,
        route: str,
        messages: Messages,
        *,
        system: str | Template | None = None,
        tools: Sequence[ToolLike] = (),
        output: type[Any] | JsonSchema | None = None,
        **options: Unpack[OperationOptions],
    ) -> TokenCount:
        """Count the tokens of a conversation before it is sent.

        Where the provider counts (Anthropic, Gemini, Bedrock, OpenAI's Responses), it is asked, and gets the conversation; else the
        count is an estimate with bounds, and nothing is sent.

        Args:
            route: as for `chat`.
            messages: as for `chat`.
            system: as for `chat`.
            tools: as for `chat`.
            output: as for `chat`.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `chat`.

        Example:
            >>> import warnings, saferoute
            >>> from saferoute.testing import EmbeddedProvider
            >>> with EmbeddedProvider() as provider, warnings.catch_warnings(action="ignore"):
            ...     with saferoute.Client.local(servers=[saferoute.loopback("demo", port=provider.port)]) as client:
            ...         count = client.count_tokens("demo/any-model", "How long is this?")
            >>> count.method, count.low <= int(count) <= count.high
            ('estimate', True)
        """
        request = lambda: counting(messages, system, tools, self._core.output(output))  # noqa: E731  made where its refusal is recorded
        return self._operate(self._core.operation("count_tokens", route, request, TokenCount, options))

    def available_models(self, route: str, **options: Unpack[OperationOptions]) -> tuple[AvailableModel, ...]:
        """Ask a provider for the models that it has; `models()` lists what the table has.

        Args:
            route: a provider's name, or any route of it.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `embed`.
        """
        return self._operate(self._core.operation("models", route, ModelsRequest, listed, options))

    def rerank(
        self, route: str, query: str, documents: Sequence[str], *, top_n: int | None = None, **options: Unpack[OperationOptions]
    ) -> Reranked:
        """Order documents by how well they answer a query, best first.

        Args:
            route: an alias, a row id, or provider/model.
            query: what is looked for.
            documents: the texts to order.
            top_n: how many to return; None for all.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `embed`.
        """
        return self._operate(self._core.operation("rerank", route, lambda: reranking(query, documents, top_n), Reranked, options))

    def transcribe(
        self,
        route: str,
        audio: Audio,
        *,
        language: str | None = None,
        prompt: str | None = None,
        filename: str | None = None,
        **options: Unpack[OperationOptions],
    ) -> Transcript:
        """Write down what is said in a recording.

        Args:
            route: an alias, a row id, or provider/model.
            audio: `saferoute.Audio(data=..., format=...)` or `saferoute.Audio.from_path(...)`.
            language: the language that is spoken, such as "en".
            prompt: words that come up, or the text before.
            filename: what to call the file; only letters, digits, ".", "_" and "-" of it go out.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `embed`.
        """
        request = lambda: transcribing(audio, filename, language, prompt, self._core.boundary())  # noqa: E731  made where its refusal is recorded
        return self._operate(self._core.operation("transcribe", route, request, Transcript, options))

    def speak(
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
        """Turn a text into speech.

        Args:
            route: an alias, a row id, or provider/model.
            text: what to say.
            voice: the provider's name of a voice.
            format: "mp3", "opus", "aac", "flac", "wav" or "pcm", as far as the provider has it.
            speed: 1 is the voice's own.
            instructions: how to say it.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `embed`.
        """
        request = lambda: speaking(text, voice, format, speed, instructions)  # noqa: E731  made where its refusal is recorded
        return self._operate(self._core.operation("speak", route, request, Speech, options))

    def generate_image(
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
        """Make pictures.

        Args:
            route: an alias, a row id, or provider/model.
            prompt: what to show.
            n: how many.
            size: in the provider's words, such as "1024x1024".
            quality: in the provider's words.
            format: "png", "jpeg" or "webp", as far as the provider has it.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `embed`.
        """
        request = lambda: imaging(prompt, n, size, quality, format)  # noqa: E731  made where its refusal is recorded
        return self._operate(self._core.operation("image", route, request, GeneratedImages, options))

    def moderate(self, route: str, texts: str | Sequence[str], **options: Unpack[OperationOptions]) -> Moderation:
        """Ask a provider whether it objects to texts.

        Args:
            route: an alias, a row id, or provider/model.
            texts: one text or many; none of them empty.
            **options: see `saferoute.operations.OperationOptions`.

        Raises:
            RequestError, RoutingError, CapabilityError, SecretError, ProviderError, TransportError, ProtocolError: as for `embed`.
        """
        return self._operate(self._core.operation("moderate", route, lambda: moderating(texts), Moderation, options))

    def _operate(self, call: OperationCall[R]) -> R:
        observer = self._core.observe_operation(call)
        return run(operation_flow(call, time.monotonic()), self._transport, time.monotonic, time.sleep, observer, background=self._beside)
