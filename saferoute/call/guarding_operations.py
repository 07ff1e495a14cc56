"""The texts of operations besides chat, as guards see them, and the one text that an operation brings back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from saferoute.guards.segments import Placed, segments_of, with_texts
from saferoute.guards.size import check_length, check_size
from saferoute.providers.operations.contract import (
    CountRequest,
    EmbedRequest,
    ImageRequest,
    ModerateRequest,
    RerankRequest,
    SpeakRequest,
    TranscribeRequest,
)
from saferoute.values.guarding import Segment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from saferoute.call.effects import Flow
    from saferoute.call.guarding import Guarding
    from saferoute.providers.operations.contract import OperationRequest
    from saferoute.values.guarding import Judged

__all__ = ["check_operation_size", "judged_fields", "operation_places", "with_operation_texts"]

R = TypeVar("R", bound="OperationRequest")

_FIELDS: Final = ("prompt", "text", "instructions")
"""Texts that may be sent with something taken out of them. What is embedded, ranked or moderated is sent whole or not at all: nobody would
see from the numbers that come back that they are another text's."""


def operation_places(request: OperationRequest) -> tuple[Placed, ...]:
    """Every text of a request that a model reads."""
    return segments_of(request.chat) if isinstance(request, CountRequest) else tuple(_places(request))


def check_operation_size(request: OperationRequest, most: int) -> None:
    """Refuse a request that is too large, before anything looks at its texts.

    Args:
        request: what is asked.
        most: characters that its texts may have together.

    Raises:
        GuardBlocked: there are more. Nothing was sent.
    """
    if isinstance(request, CountRequest):
        check_size(request.chat, most)
    else:
        check_length(sum(len(place.segment.text) for place in _places(request)), most)


def _places(request: OperationRequest) -> Iterator[Placed]:
    match request:
        case EmbedRequest() | ModerateRequest():
            for number, text in enumerate(request.texts):
                yield _place(text, f"/texts/{number}", replaceable=False)
        case RerankRequest():
            yield _place(request.query, "/query", replaceable=False)
            for number, text in enumerate(request.documents):
                segment = Segment(text, "user", "retrieved", path=f"/documents/{number}")
                yield Placed(segment, "input", replaceable=False)
        case SpeakRequest() | ImageRequest() | TranscribeRequest():
            for name in _FIELDS:
                written: str | None = getattr(request, name, None)
                if written:
                    yield _place(written, f"/{name}", replaceable=True)
        case _:
            pass


def _place(text: str, path: str, *, replaceable: bool) -> Placed:
    return Placed(Segment(text, path=path), "input", replaceable)


def with_operation_texts(request: R, texts: Mapping[str, str]) -> R:
    """The request with some of its texts replaced, by path."""
    if isinstance(request, CountRequest):
        return cast("R", replace(request, chat=with_texts(request.chat, texts)))
    changed: dict[str, Any] = {path.removeprefix("/"): text for path, text in texts.items()}
    return replace(request, **changed)


def judged_fields(guarding: Guarding, fields: Mapping[str, Any], left: float) -> Flow[tuple[Mapping[str, Any], tuple[Judged, ...]]]:
    """Judge the texts that an operation brought back: a transcript, and what a provider made of a picture's prompt.

    Args:
        guarding: of the call.
        fields: the result's, by name.
        left: seconds of the call's allowance.

    Returns:
        The fields as they may be shown, and every verdict that is not a plain ALLOW.

    Raises:
        GuardError: a guard blocks, or could not judge.
    """
    said: tuple[Judged, ...] = ()
    text, prompts = fields.get("text"), fields.get("revised_prompts")
    if isinstance(text, str):
        (shown,), said = yield from guarding.of_texts((text,), left)
        if shown != text:
            fields = {**fields, "text": shown} | ({"segments": ()} if "segments" in fields else {})  # these say the same once more
    if prompts and any(prompts):
        made, said = yield from guarding.of_texts(prompts, left)
        fields = {**fields, "revised_prompts": made}
    return fields, said
