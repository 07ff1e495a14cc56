"""From the arguments of the operations to their requests: what both clients check before a call."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from saferoute.errors import RequestError
from saferoute.providers.operations.contract import (
    CountRequest,
    EmbedRequest,
    ImageRequest,
    ModerateRequest,
    RerankRequest,
    SpeakRequest,
    TranscribeRequest,
)
from saferoute.values.conversation import messages_from
from saferoute.values.messages import Audio
from saferoute.values.request import ChatRequest
from saferoute.values.tools import tools_from

if TYPE_CHECKING:
    from saferoute.values.conversation import Messages
    from saferoute.values.output import Output
    from saferoute.values.template import Template
    from saferoute.values.tools import ToolLike

__all__ = ["counting", "embedding", "imaging", "moderating", "reranking", "speaking", "transcribing"]

_MOST_IMAGES: Final = 16
_SPEEDS: Final = (0.25, 4.0)


def embedding(texts: str | Sequence[str], dimensions: int | None, input_type: str | None) -> EmbedRequest:
    """Check the arguments of `embed`.

    Raises:
        RequestError: for anything that makes no call.
    """
    if input_type is not None and input_type not in ("query", "document"):
        raise _wrong("input_type", '"query" or "document"', input_type)
    return EmbedRequest(
        texts=_texts("texts", texts),
        dimensions=_whole("dimensions", dimensions),
        input_type=input_type,  # type: ignore[arg-type]  # it is one of the two
    )


def counting(messages: Messages, system: str | Template | None, tools: Sequence[ToolLike], output: Output | None) -> CountRequest:
    """Check the arguments of `count_tokens`.

    Raises:
        RequestError: for what is no conversation, and for what are no tools.
    """
    chat = ChatRequest(
        messages_from(messages, system=system, templates=True),
        tools=tools_from(tools) if tools else (),
        output=output.schema if output else None,
    )
    return CountRequest(chat=chat)


def reranking(query: str, documents: Sequence[str], top_n: int | None) -> RerankRequest:
    """Check the arguments of `rerank`.

    Raises:
        RequestError: for anything that makes no call.
    """
    if isinstance(documents, str):
        raise _wrong("documents", "a list of str", documents)
    return RerankRequest(query=_text("query", query), documents=_texts("documents", documents), top_n=_whole("top_n", top_n))


def moderating(texts: str | Sequence[str]) -> ModerateRequest:
    """Check the arguments of `moderate`.

    Raises:
        RequestError: for anything that makes no call.
    """
    return ModerateRequest(texts=_texts("texts", texts))


def transcribing(audio: Audio, filename: str | None, language: str | None, prompt: str | None, boundary: str) -> TranscribeRequest:
    """Check the arguments of `transcribe`.

    Raises:
        RequestError: for anything that makes no call.
    """
    if not isinstance(audio, Audio):
        raise _wrong("audio", 'a saferoute.Audio: Audio(data=..., format="wav") or Audio.from_path("speech.wav")', audio)
    return TranscribeRequest(
        audio=audio,
        boundary=boundary,
        filename=_maybe("filename", filename),
        language=_maybe("language", language),
        prompt=_maybe("prompt", prompt),
    )


def speaking(text: str, voice: str, sound: str, speed: float | None, instructions: str | None) -> SpeakRequest:
    """Check the arguments of `speak`.

    Raises:
        RequestError: for anything that makes no call.
    """
    low, high = _SPEEDS
    good = speed is None or (isinstance(speed, int | float) and not isinstance(speed, bool) and math.isfinite(speed))
    if not good or (speed is not None and not low <= speed <= high):
        raise _wrong("speed", f"a number from {low} to {high}", speed)
    return SpeakRequest(
        text=_text("text", text),
        voice=_text("voice", voice),
        format=_text("format", sound),
        speed=speed,
        instructions=_maybe("instructions", instructions),
    )


def imaging(prompt: str, n: int, size: str | None, quality: str | None, picture: str | None) -> ImageRequest:
    """Check the arguments of `generate_image`.

    Raises:
        RequestError: for anything that makes no call.
    """
    if isinstance(n, bool) or not isinstance(n, int) or not 1 <= n <= _MOST_IMAGES:
        raise _wrong("n", f"a whole number from 1 to {_MOST_IMAGES}", n)
    return ImageRequest(
        prompt=_text("prompt", prompt),
        n=n,
        size=_maybe("size", size),
        quality=_maybe("quality", quality),
        format=_maybe("format", picture),
    )


def _wrong(name: str, want: str, value: object) -> RequestError:
    return RequestError(f"{name} must be {want}, not {value if isinstance(value, int | float) else type(value).__name__}")


def _text(name: str, value: Any) -> str:  # noqa: ANN401
    if not isinstance(value, str) or not value:
        raise _wrong(name, "a non-empty str", value)
    return value


def _maybe(name: str, value: Any) -> str | None:  # noqa: ANN401
    return None if value is None else _text(name, value)


def _whole(name: str, value: Any) -> int | None:  # noqa: ANN401
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 1_000_000):  # noqa: PLR2004
        raise _wrong(name, "a whole number from 1", value)
    made: int | None = value
    return made


def _texts(name: str, value: Any) -> tuple[str, ...]:  # noqa: ANN401
    texts = (value,) if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or isinstance(texts, bytes | bytearray):
        raise _wrong(name, "a str or a list of them", value)
    if not texts:
        raise RequestError(f"{name} is empty: give at least one text")
    for position, text in enumerate(texts):
        if not isinstance(text, str) or not text:
            what = "empty, and no provider takes an empty text" if text == "" else f"a {type(text).__name__}, not a str"
            raise RequestError(f"{name}[{position}] is {what}")
    return tuple(texts)
